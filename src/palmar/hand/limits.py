"""How far a hand can bend: ranges of motion with a source for each number, and what they mean for a pose.

A pose is `angles [..., 5, 3, 3]` in radians: finger (thumb, index, middle, ring, little), joint (proximal to distal:
thumb CMC, MCP, IP; fingers MCP, PIP, DIP), motion (flexion, abduction, twist). Zero is the rest hand: flat, fingers
slightly spread. Flexion > 0 bends to the palm; abduction > 0 spreads away from the middle finger (the middle finger's:
to the thumb's side); at the thumb's CMC flexion leads across the palm, abduction out of its plane, twist > 0 turns the
pulp to the fingers.

Four rules make the set of possible poses:
1. every angle within its range, `ACTIVE` (what a hand's own muscles reach) or `LAX` (pushed, or a very mobile hand);
2. a finger's abduction range shrinks linearly with the flexion of its MCP, to a fifth at 90 degrees (collateral
ligaments tighten);
3. neighbouring fingers open no wider than the anatomy table's maximum, and cross no further than `CROSSING`.
4. the thumb's metacarpal rises no further from the palm than `RISE`.
All four are convex, so a straight line between two possible poses stays possible: motions are interpolated angle by
angle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from palmar.errors import PalmarError

FINGERS = ("thumb", "index", "middle", "ring", "little")
JOINTS: Mapping[str, tuple[str, str, str]] = {
    "thumb": ("cmc", "mcp", "ip"),
    **dict.fromkeys(FINGERS[1:], ("mcp", "pip", "dip")),
}
MOTIONS = ("flexion", "abduction", "twist")

Key = tuple[str, str, str]
"""Finger, joint, motion."""

SOURCES: Mapping[str, str] = {
    "e-hand": "e-Hand, Normal Range of Motion Reference Values, e-hand.com/nor/nor002.htm (typical active range)",
    "model": "musculoskeletal hand model derived from AnyBody's, bones after Buchholz 1992 (the limits in its code)",
    "barakat": "Barakat, Field, Taylor 2013, The range of movement of the thumb, Hand 8: 179 (100 persons, abstract)",
    "cooney": "Cooney et al. 1981, Kinesiology of the thumb trapeziometacarpal joint, JBJS Am 63: 1371 (19 persons)",
    "clinic": "textbook ranges of examination: PIP 110 to 120, DIP 70 to 90, passive MCP extension 30 to 45 and more",
    "spread": "Chatzioglou, Pinar, Govsa 2024, Anat Cell Biol 57: 172 (51 persons, angles of maximum abduction)",
    "hinge": "a hinge: neither table gives it this motion",
    "ours": "our own choice, stated in `why`",
}
"""Where the numbers come from, by the short name in `Range.source`."""


class Range(NamedTuple):
    """Degrees from the rest pose, both ends possible. `source` is a key of `SOURCES`."""

    low: float
    high: float
    source: str
    why: str = ""


def _finger(name: str, abduction: float) -> dict[Key, Range]:
    return {
        (name, "mcp", "flexion"): Range(-30, 90, "model", "e-Hand: 0 to 45 hyperextension, 90 flexion"),
        (name, "mcp", "abduction"): Range(-abduction, abduction, "model", "e-Hand: 20"),
        (name, "pip", "flexion"): Range(0, 110, "model", "e-Hand: 0 to 100; clinic: 110 to 120"),
        (name, "dip", "flexion"): Range(0, 90, "model", "e-Hand: 0 to 80"),
    }


ACTIVE: Mapping[Key, Range] = {
    ("thumb", "cmc", "flexion"): Range(-20, 45, "model", "e-Hand: radial abduction from contact to 60, and 45 at rest"),
    ("thumb", "cmc", "abduction"): Range(-45, 20, "e-hand", "palmar abduction from contact, 42 at rest; see `RISE`"),
    ("thumb", "cmc", "twist"): Range(-5, 12, "cooney", "17 in all, most of it pronation"),
    ("thumb", "mcp", "flexion"): Range(-10, 60, "model", "e-Hand: 10 hyperextension, 55; Barakat: 8, 60"),
    ("thumb", "mcp", "abduction"): Range(-10, 10, "model"),
    ("thumb", "ip", "flexion"): Range(-15, 90, "model", "e-Hand: 15 hyperextension, 80; Barakat: 12, 88"),
    **_finger("index", 20.0),
    **_finger("middle", 15.0),
    **_finger("ring", 15.0),
    **_finger("little", 25.0),
}
"""What a hand reaches by its own muscles. A motion that is not listed is `FIXED`."""

FIXED = Range(0, 0, "hinge")

LAX: Mapping[Key, Range] = {
    **ACTIVE,
    ("thumb", "mcp", "flexion"): Range(-15, 70, "barakat", "extremes of 100 persons"),
    ("thumb", "ip", "flexion"): Range(-45, 90, "barakat", "extremes of 100 persons: the hitchhiker's thumb"),
    **{(f, "mcp", "flexion"): Range(-45, 95, "e-hand", "5 more flexion by pressing: ours") for f in FINGERS[1:]},
    **{(f, "pip", "flexion"): Range(-8, 120, "clinic", "8 backwards in mobile hands: ours") for f in FINGERS[1:]},
    **{(f, "dip", "flexion"): Range(-10, 90, "clinic", "10 backwards in mobile hands: ours") for f in FINGERS[1:]},
}
"""What a push, a surface or a very mobile hand adds. Wider than `ACTIVE` everywhere or equal to it."""


class Spread(NamedTuple):
    """Degrees between the rays of two neighbouring fingers, seen on a flat hand: at rest, at most (mean and SD of
    persons)."""

    rest: float
    mean: float
    sd: float


SPREAD: Mapping[tuple[str, str], Spread] = {
    ("index", "middle"): Spread(17.0, 17.2, 2.6),
    ("middle", "ring"): Spread(10.9, 14.3, 2.3),
    ("ring", "little"): Spread(9.8, 32.1, 7.0),
}
"""Maxima: source "spread"; an angle up to mean + 2 SD counts as possible. Rest: proximal phalanges of the hand model's
template."""

CROSSING = 18.0
"""Degrees by which a finger may cross its neighbour, seen on a flat hand. Ours: enough for index over middle, the R of
finger spelling."""

RISE = 29.0
"""Degrees: CMC abduction + `RISE_PER_FLEXION` x CMC flexion stay below it, about 71 of palmar abduction (source
"barakat", most of 100 persons)."""
RISE_PER_FLEXION = 0.5
"""How much the thumb's metacarpal leaves the palm's plane per degree of CMC flexion, whose axis is oblique. From the
hand model."""

ABDUCTION_AT_90 = 0.2
"""The share of its abduction range that a finger keeps at 90 degrees of MCP flexion. The clinic says none actively; a
rest is passive."""

DIP_PER_PIP = 2 / 3
"""How much the DIP follows the PIP: the usual assumption of hand models; persons differ, and a pressed fingertip breaks
it."""

_TOWARDS_THUMB = np.array([1.0, 1.0, -1.0, -1.0])
"""Sign that turns the abduction of index, middle, ring and little into an angle towards the thumb's side."""


@dataclass(frozen=True, eq=False)
class _Box:
    """A table as arrays in radians."""

    low: Float[np.ndarray, "5 3 3"]
    high: Float[np.ndarray, "5 3 3"]

    @staticmethod
    def of(table: Mapping[Key, Range]) -> _Box:
        ranges = [table.get((f, j, m), FIXED) for f in FINGERS for j in JOINTS[f] for m in MOTIONS]
        bounds = np.radians([(r.low, r.high) for r in ranges]).reshape(5, 3, 3, 2)
        bounds.setflags(write=False)
        return _Box(bounds[..., 0], bounds[..., 1])


_ACTIVE, _LAX = _Box.of(ACTIVE), _Box.of(LAX)
_REST_SPREAD = np.radians([s.rest for s in SPREAD.values()])
_MAX_SPREAD = np.radians([s.mean + 2 * s.sd for s in SPREAD.values()])
_RISE = np.radians(RISE)
_MIN_SPREAD = np.full(3, -np.radians(CROSSING))


def bounds(*, lax: bool = False) -> tuple[Float[np.ndarray, "5 3 3"], Float[np.ndarray, "5 3 3"]]:
    """Lowest and highest value of every angle in radians, each taken alone. Read-only. `lax` for `LAX` instead of
    `ACTIVE`."""
    box = _LAX if lax else _ACTIVE
    return box.low, box.high


def abduction_share(mcp_flexion: Float[np.ndarray, "*batch"]) -> Float[np.ndarray, "*batch"]:
    """The share of its abduction range that a finger has left at this flexion in radians: 1 up to 0, then falling
    linearly through `ABDUCTION_AT_90`, beyond 90 degrees too: were it level there, the poses would not be convex."""
    return np.minimum(1.0, 1.0 - (1.0 - ABDUCTION_AT_90) / (np.pi / 2) * mcp_flexion)


def dip_from_pip(pip_flexion: Float[np.ndarray, "*batch"]) -> Float[np.ndarray, "*batch"]:
    """Where the DIP follows when the PIP bends freely. Radians."""
    return DIP_PER_PIP * pip_flexion


def spread(angles: Float[np.ndarray, "*batch 5 3 3"]) -> Float[np.ndarray, "*batch 3"]:
    """Angle in radians between neighbouring fingers (index-middle, middle-ring, ring-little) as if laid on a table; < 0
    is crossed."""
    side = _TOWARDS_THUMB * _checked(angles)[..., 1:, 0, 1]
    return _REST_SPREAD + side[..., :-1] - side[..., 1:]


def inside(
    angles: Float[np.ndarray, "*batch 5 3 3"], *, lax: bool = False, tolerance: float = 1e-6
) -> Bool[np.ndarray, "*batch"] | np.bool_:
    """Whether a hand can hold the pose: the four rules of this module. `tolerance` in radians, on every bound."""
    low, high = bounds(lax=lax)
    angles = _checked(angles)
    ok = np.all((angles >= low - tolerance) & (angles <= high + tolerance), axis=(-3, -2, -1))
    reach = abduction_share(angles[..., 1:, 0, 0]) * high[1:, 0, 1]
    ok &= np.all(np.abs(angles[..., 1:, 0, 1]) <= reach + tolerance, axis=-1)
    ok &= angles[..., 0, 0, 1] + RISE_PER_FLEXION * angles[..., 0, 0, 0] <= _RISE + tolerance
    gap = spread(angles)
    return ok & np.all((gap >= _MIN_SPREAD - tolerance) & (gap <= _MAX_SPREAD + tolerance), axis=-1)


def clip(angles: Float[np.ndarray, "*batch 5 3 3"], *, lax: bool = False) -> Float[np.ndarray, "*batch 5 3 3"]:
    """A possible pose near the given one; a possible pose comes back equal.

    Each angle goes to its range first; then abduction gives way, from the middle finger outwards, to flexion and to the
    neighbour. NaN stays NaN.
    """
    low, high = bounds(lax=lax)
    angles = _between(_checked(angles), low, high)
    angles[..., 0, 0, 1] = np.minimum(angles[..., 0, 0, 1], _RISE - RISE_PER_FLEXION * angles[..., 0, 0, 0])
    reach = abduction_share(angles[..., 1:, 0, 0]) * high[1:, 0, 1]
    side = _TOWARDS_THUMB * angles[..., 1:, 0, 1]
    least, most = _MIN_SPREAD - _REST_SPREAD, _MAX_SPREAD - _REST_SPREAD

    # The middle finger first, no further than its neighbours can follow; they can then always be placed.
    middle = _between(side[..., 1], -reach[..., 1], reach[..., 1])
    middle = _between(middle, -reach[..., 0] - most[0], reach[..., 0] - least[0])
    middle = _between(middle, -reach[..., 2] + least[1], reach[..., 2] + most[1])
    index = _between(_between(side[..., 0], -reach[..., 0], reach[..., 0]), middle + least[0], middle + most[0])
    ring = _between(_between(side[..., 2], -reach[..., 2], reach[..., 2]), middle - most[1], middle - least[1])
    little = _between(_between(side[..., 3], -reach[..., 3], reach[..., 3]), ring - most[2], ring - least[2])
    angles[..., 1:, 0, 1] = _TOWARDS_THUMB * np.stack([index, middle, ring, little], axis=-1)
    return angles


def _checked(angles: np.ndarray) -> np.ndarray:
    if angles.shape[-3:] != (5, 3, 3):
        raise PalmarError(f"angles: expected shape [..., 5, 3, 3] (finger, joint, motion), got {angles.shape}.")
    return angles


def _between(x: Any, low: Any, high: Any) -> Any:
    return np.minimum(np.maximum(x, low), high)       # np.clip costs three times as much on small arrays
