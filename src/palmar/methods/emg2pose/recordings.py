"""Windows out of recordings, in memory or on disk: batches to learn from, and the windows that scores are of."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Float32

from palmar.data.emg2pose import Entry, read_angles
from palmar.errors import PalmarError
from palmar.tasks.signal import DOF, ELECTRODES, Record, known, windows

Mode = Literal["regression", "tracking", "both"]
Source = Record | Entry
"""A recording: its samples, or its file."""


def part(source: Source, start: int, stop: int) -> tuple[Float32[np.ndarray, "e t"], Float32[np.ndarray, "20 t"]]:
    """Signal and angles of some samples."""
    if isinstance(source, Entry):
        source, start, stop = source.read(start, stop), 0, stop - start
    emg, angles = (np.ascontiguousarray(a[start:stop].T, np.float32) for a in (source.emg, source.angles))
    return emg, angles


@dataclass(frozen=True)
class Block:
    """A window of the grid, and how far it may slide within its stretch of known samples."""

    start: int
    free: int


def blocks(source: Source, length: int, stride: int, *, compatible: bool = True) -> list[Block]:
    """Windows of a recording without a hole, as `palmar.tasks.signal.windows` lays them."""
    there = known(source.angles if isinstance(source, Record) else read_angles(source.path))
    ends = np.append(np.flatnonzero(~there), len(there))
    out = []
    for start in windows(there, length, stride, compatible=compatible):
        end = int(ends[np.searchsorted(ends, start)])
        out.append(Block(start, max(min(stride, end - start - length), 0)))
    return out


@dataclass(frozen=True, eq=False)
class Batches:
    """Batches for `palmar.train.loop.train`: pure functions of their number.

    A window is drawn by a recording, then one of its windows, then a shift within it. turn: electrodes by which the
    signal is turned around the ring at most, as a band is that was put on anew.
    """

    sources: Sequence[Source]
    context: int
    span: int
    """Samples that get a pose."""
    size: int
    seed: int = 0
    mode: Mode = "regression"
    """both: half of the windows are told their first pose."""
    turn: int = 1

    def __post_init__(self) -> None:
        if not len(self.sources):
            raise PalmarError("emg2pose: no recording to learn from.")

    @functools.cached_property
    def _blocks(self) -> dict[int, list[Block]]:
        return {}

    def blocks(self, index: int) -> list[Block]:
        if index not in self._blocks:
            length = self.context + self.span
            self._blocks[index] = blocks(self.sources[index], length, length)
        return self._blocks[index]

    def __call__(self, number: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng((self.seed, number))
        found = [self.draw(rng) for _ in range(self.size)]
        emg = np.stack([pair[0] for pair in found])
        angles = np.stack([pair[1] for pair in found])[..., self.context :]
        told = {"regression": np.zeros(self.size, bool), "tracking": np.ones(self.size, bool)}.get(
            self.mode, rng.random(self.size) < 0.5
        )
        there = known(np.swapaxes(angles, 1, 2))
        there &= ~told[:, None] | there[:, :1]  # what begins without a pose cannot be tracked
        return {"image": packed(emg, angles[..., 0], told), "angles": angles, "known": there}

    def draw(self, rng: np.random.Generator) -> tuple[Float32[np.ndarray, "e t"], Float32[np.ndarray, "20 t"]]:
        for _ in range(1000):
            index = int(rng.integers(len(self.sources)))
            if options := self.blocks(index):
                break
        else:
            raise PalmarError(
                f"emg2pose: no recording has {self.context + self.span} samples in a row with known poses; take a "
                "shorter span."
            )
        one = options[int(rng.integers(len(options)))]
        start = one.start + int(rng.integers(one.free + 1))
        emg, angles = part(self.sources[index], start, start + self.context + self.span)
        turn = int(rng.integers(-self.turn, self.turn + 1)) if self.turn else 0
        return np.roll(emg, turn, 0), angles


def packed(
    emg: Float32[np.ndarray, "b e t"], start: Float[np.ndarray, "b 20"], told: np.ndarray
) -> Float32[np.ndarray, "b n"]:
    """Signal, first pose, and whether it may be known, in one array."""
    return np.concatenate([emg.reshape(len(emg), -1), start, told[:, None]], 1).astype(np.float32)


def unpacked(image: Any, electrodes: int = ELECTRODES) -> tuple[Any, Any, Any]:
    """What `packed` packed; tensors."""
    emg = image[:, : -DOF - 1]
    return emg.reshape(len(emg), electrodes, -1), image[:, -DOF - 1 : -1], image[:, -1] > 0.5


@dataclass(frozen=True, eq=False)
class Window:
    """A window to score: `context` samples before the first one that counts."""

    source: Source
    emg: Float32[np.ndarray, "e t"]
    angles: Float32[np.ndarray, "20 s"]
    """Of the samples after the context."""
    about: Mapping[str, str]


def every(sources: Sequence[Source], context: int, span: int, *, limit: int = 0) -> Iterator[Window]:
    """All windows that follow one another by their span; limit: at most so many of each recording, spread over it."""
    for source in sources:
        grid = blocks(source, context + span, span)
        if limit and len(grid) > limit:
            grid = [grid[int(i)] for i in np.linspace(0, len(grid) - 1, limit)]
        for block in grid:
            emg, angles = part(source, block.start, block.start + context + span)
            about = {name: getattr(source, name) for name in ("user", "stage", "generalization")}
            yield Window(source, emg, angles[:, context:], about)
