"""Paths in time: smooth blends between places that may themselves move.

A place is an `Anchor`, a function of time that gives a pose. A hand goes from anchor to anchor with minimum-jerk
profiles; because an anchor may ride on another hand or on a turning lid, a hand that has arrived there rides along
exactly. Blends of twice differentiable anchors by minimum-jerk shares are twice differentiable: nothing jumps.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float

from palmar.geometry.rotations import rotmat_from_rotvec, rotvec_from_rotmat

Anchor = Callable[[float], Float[np.ndarray, "4 4"]]
"""world_from_frame at a time in seconds."""

DEPART, ARRIVE = 0.55, 0.45
"""Shares of a move in which it first leaves along its departure, and last comes in along its approach."""


def fixed(pose: Float[np.ndarray, "4 4"]) -> Anchor:
    """The same pose at every time."""
    pose = np.array(pose, np.float64)
    return lambda time: pose


def riding(carrier: Anchor, carrier_from_frame: Float[np.ndarray, "4 4"]) -> Anchor:
    """Fixed to something that moves."""
    local = np.array(carrier_from_frame, np.float64)
    return lambda time: carrier(time) @ local


def share(time: float, start: float, seconds: float) -> float:
    """How much of a minimum-jerk move is done (Flash and Hogan 1985): `pose.minimum_jerk` for one number."""
    t = (time - start) / seconds if seconds > 0 else float(time >= start)
    t = min(max(t, 0.0), 1.0)
    return t * t * t * (10.0 + t * (6.0 * t - 15.0))


@dataclass(frozen=True, eq=False)
class Move:
    """A way from the anchor before to this one."""

    start: float
    seconds: float
    to: Anchor
    depart: Float[np.ndarray, " 3"] = field(default_factory=lambda: np.zeros(3))
    """Metres, world frame: where it leads first. Three overlapping minimum-jerk submovements (Flash and Henis 1991) go
    there, over to the goal's approach, and in."""
    arrive: Float[np.ndarray, " 3"] = field(default_factory=lambda: np.zeros(3))
    """Metres, world frame: from where it comes to the goal."""

    @property
    def end(self) -> float:
        return self.start + self.seconds


@dataclass(eq=False)
class Path:
    """An anchor made of moves, in order and without overlap. Before the first it is at `first`."""

    first: Anchor
    moves: list[Move] = field(default_factory=list)
    _starts: list[float] = field(default_factory=list)

    def add(self, move: Move) -> None:
        assert not self.moves or move.start >= self.moves[-1].end - 1e-9, "moves must not overlap"
        self.moves.append(move)
        self._starts.append(move.start)

    def switch(self, time: float, to: Anchor) -> None:
        """From then on another anchor, which must be where the path is."""
        self.add(Move(time, 0.0, to))

    def __call__(self, time: float) -> Float[np.ndarray, "4 4"]:
        row = bisect.bisect_right(self._starts, time) - 1
        if row < 0:
            return self.first(time)
        move = self.moves[row]
        if time >= move.end:
            return move.to(time)
        start = self.moves[row - 1].to if row else self.first
        return blend(start(time), move.to(time), move, time)


def blend(
    source: Float[np.ndarray, "4 4"], goal: Float[np.ndarray, "4 4"], move: Move, time: float
) -> Float[np.ndarray, "4 4"]:
    """The pose between two at a time within a move."""
    n = move.seconds
    leave, come = bool(move.depart.any()), bool(move.arrive.any())
    late = 0.2 if leave else 0.0
    early = 0.2 if come else 0.0
    main = share(time, move.start + late * n, (1.0 - late - early) * n)
    out = np.eye(4)
    out[:3, 3] = source[:3, 3] + main * (goal[:3, 3] - source[:3, 3])
    if leave:
        out[:3, 3] += (share(time, move.start, DEPART * n) - main) * move.depart
    if come:
        out[:3, 3] += (main - share(time, move.start + (1 - ARRIVE) * n, ARRIVE * n)) * move.arrive
    turn = source[:3, :3].T @ goal[:3, :3]
    out[:3, :3] = source[:3, :3] @ rotmat_from_rotvec(main * rotvec_from_rotmat(turn))
    return out


@dataclass(eq=False)
class Curve:
    """Numbers of any shape that go from value to value with minimum jerk. Steps may overlap no other step."""

    first: np.ndarray
    steps: list[tuple[float, float, np.ndarray]] = field(default_factory=list)
    """Start, seconds, value at its end."""
    _starts: list[float] = field(default_factory=list)

    def add(self, start: float, seconds: float, value: np.ndarray | float) -> None:
        assert not self.steps or start >= self.steps[-1][0] + self.steps[-1][1] - 1e-9, "steps must not overlap"
        self.steps.append((start, seconds, np.array(value, np.float64)))
        self._starts.append(start)

    @property
    def last(self) -> np.ndarray:
        """Where it ends."""
        return self.steps[-1][2] if self.steps else self.first

    @property
    def end(self) -> float:
        """When it ends."""
        return self.steps[-1][0] + self.steps[-1][1] if self.steps else -math.inf

    def __call__(self, time: float) -> np.ndarray:
        row = bisect.bisect_right(self._starts, time) - 1
        if row < 0:
            return self.first
        start, seconds, value = self.steps[row]
        if time >= start + seconds:
            return value
        before = self.steps[row - 1][2] if row else self.first
        return np.asarray(before + share(time, start, seconds) * (value - before))


@dataclass(frozen=True, eq=False)
class Sway:
    """The idle motion of a hand held in the air: tremor of 8 to 12 Hz and breath, as an anchor's offset in the world.

    Physiological tremor of an unloaded outstretched hand is some tens of micrometres to 0.2 mm; breath moves a sitting
    person's hands by millimetres at 0.2 to 0.3 Hz.
    """

    tremor: Float[np.ndarray, "k 3"]
    """Amplitudes, metres."""
    tremor_hz: Float[np.ndarray, " k"]
    breath: Float[np.ndarray, " 3"]
    breath_hz: float
    phase: Float[np.ndarray, " k1"]

    @staticmethod
    def sample(rng: np.random.Generator) -> Sway:
        size = rng.uniform(0.02e-3, 0.06e-3)
        breath = rng.uniform(0.4e-3, 1.6e-3) * np.array([0.15, -1.0, 0.6]) * rng.uniform(0.6, 1.4, 3)
        phase = rng.uniform(0, 2 * np.pi, 4)
        return Sway(rng.normal(0, size, (3, 3)).clip(-1.5 * size, 1.5 * size), rng.uniform(8.0, 12.0, 3), breath,
                    rng.uniform(0.2, 0.3), phase)  # fmt: skip

    @cached_property
    def _rates(self) -> np.ndarray:
        return 2 * np.pi * np.append(self.tremor_hz, self.breath_hz)

    def __call__(self, time: float) -> Float[np.ndarray, " 3"]:
        waves = np.sin(self._rates * time + self.phase)
        return waves[:3] @ self.tremor + waves[3] * self.breath

    def on(self, anchor: Anchor) -> Anchor:
        """The anchor, held by a living hand."""

        def swaying(time: float) -> np.ndarray:
            pose = anchor(time).copy()
            pose[:3, 3] += self(time)
            return pose

        return swaying
