"""How two hands of one person meet: templates that `palmar.synth.people.touch.settle` makes touch.

Pair frame: that of the person's body (x to the person's left, y down, z to the back), origin between the hands. A
template says how both hands are shaped, where their fingers point and their palms face, where the base of their middle
fingers is, and what touches what. It only has to be near: the solver does the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand import limits
from palmar.synth import gestures
from palmar.synth.people.hands import Grip, OwnHand, grip_at
from palmar.synth.people.touch import Pull, Touched, patches, settle

Vector = tuple[float, float, float]
LEFT, RIGHT = 0, 1
FINGERS = ("thumb", "index", "middle", "ring", "little")


@dataclass(frozen=True)
class Half:
    """One hand of a template."""

    shape: str
    """A name of `palmar.synth.gestures`."""
    fingers: Vector
    """Direction of the (straight) fingers."""
    palm: Vector
    """Direction the palm faces."""
    knuckle: Vector
    """Of the middle finger's base, metres, for an average hand."""
    change: Mapping[tuple[int, int, int], float] | None = None
    """Degrees added to angles (finger, joint, motion)."""


@dataclass(frozen=True)
class Meeting:
    """A template."""

    left: Half
    right: Half
    touch: tuple[tuple[int, str, str], ...]
    """Hand (0 left, 1 right) whose place (a name of `patches`) touches that place of the other, or any ("")."""
    part: Vector = (0.0, 0.0, 0.0)
    """Direction in which the right hand leaves; zeros where they do not come apart in a straight line."""
    slide: Vector = (0.0, 0.0, 0.0)
    """Metres by which the right hand slides to and fro in contact."""
    sentence: str = ""


def _mirrored(v: Vector) -> Vector:
    return (-v[0], v[1], v[2])


def _both(half: Half) -> tuple[Half, Half]:
    """Left and right of a symmetric meeting; `half` is the left one."""
    return half, replace(
        half, fingers=_mirrored(half.fingers), palm=_mirrored(half.palm), knuckle=_mirrored(half.knuckle)
    )


_APART = {(f, 0, 1): d for f, d in ((1, 10), (2, 0), (3, 10), (4, 16))}

_LACED = {**{(f, j, 0): d for f in range(1, 5) for j, d in ((0, 14), (1, 42), (2, 20))}, (0, 0, 0): -8}

MEETINGS: Mapping[str, Meeting] = {
    "prayer": Meeting(
        *_both(Half("flat closed", (0, -1, -0.25), (-1, 0, 0), (0.013, -0.02, 0))),
        touch=((1, "middle pad", "middle pad"), (1, "index pad", "index pad"), (1, "ring pad", "ring pad"),
               (1, "palm", "palm")),
        part=(-1, 0, 0),
        sentence="puts the palms together",
    ),
    "clap": Meeting(
        Half("flat", (0.25, -0.6, -0.8), (-1, 0, 0), (0.014, 0, 0)),
        Half("flat", (0.35, -0.9, -0.4), (1, 0, 0), (-0.014, 0, 0)),
        touch=((1, "palm", "palm"), (1, "middle finger", "palm")),
        part=(-1, 0, 0),
        sentence="claps",
    ),
    "interlaced": Meeting(
        Half("open wide", (-0.72, -0.2, -0.7), (-0.7, 0, 0.72), (0.034, 0.018, 0.033), _LACED),
        Half("open wide", (0.72, -0.2, -0.7), (0.7, 0, 0.72), (-0.034, 0.001, 0.033), _LACED),
        touch=((1, "middle pad", ""), (0, "middle pad", ""), (1, "ring pad", ""), (1, "index pad", ""),
               (0, "index pad", "")),
        sentence="laces the fingers",
    ),
    "steeple": Meeting(
        *_both(Half("open", (-0.28, -1, -0.3), (-1, 0.2, 0), (0.058, 0.0, 0), {(f, 0, 0): 8 for f in range(1, 5)})),
        touch=tuple((1, f"{f} tip", f"{f} tip") for f in FINGERS),
        part=(-1, 0, 0),
        sentence="puts the fingertips together",
    ),
    "fist in palm": Meeting(
        Half("flat closed", (0.05, -0.9, -0.4), (-1, 0, 0), (0.015, -0.042, -0.02)),
        Half("fist", (0.95, -0.1, -0.3), (0.1, 0.9, 0.4), (-0.030, 0.0, 0.01)),
        touch=((1, "middle knuckle", "palm"), (1, "index knuckle", "palm"), (1, "ring knuckle", "palm")),
        part=(-1, 0, 0.2),
        sentence="puts the fist into the palm",
    ),
    "pointing at palm": Meeting(
        Half("flat", (0.3, -0.45, -0.85), (-0.75, -0.5, 0.4), (0.05, 0.02, 0.0)),
        Half("point", (0.85, 0.35, -0.35), (0.15, 0.75, 0.45), (-0.10, -0.06, 0.045)),
        touch=((1, "index tip", "hollow"),),
        part=(-0.8, -0.5, 0.3),
        slide=(0.012, -0.02, -0.01),
        sentence="points at the palm",
    ),
    "rubbing": Meeting(
        Half("flat", (-0.55, -0.1, -0.8), (0, -1, 0), (0.015, 0.013, 0)),
        Half("flat closed", (0.75, -0.1, -0.65), (0, 1, 0), (-0.015, -0.013, 0)),
        touch=((1, "palm", "palm"), (1, "middle finger", "palm")),
        part=(0, -1, 0),
        slide=(0.03, 0, -0.026),
        sentence="rubs the hands",
    ),
    "stacked": Meeting(
        Half("flat", (-0.75, 0.1, -0.65), (0, 1, 0), (0.0, 0.013, 0)),
        Half("flat", (0.75, 0.1, -0.65), (0, 1, 0.05), (0.0, -0.014, 0.01)),
        touch=((1, "palm", "back"), (1, "middle finger", "back")),
        part=(0, -1, 0),
        sentence="lays one hand on the other",
    ),
    "time out": Meeting(
        Half("flat closed", (-0.1, -1, -0.1), (-1, 0, 0.25), (0.0, 0.05, 0)),
        Half("flat closed", (1, 0, -0.05), (0, 1, 0), (-0.105, -0.005, 0)),
        touch=((1, "middle tip", "palm"), (1, "ring tip", "palm")),
        part=(-1, 0, 0),
        sentence="shows a T",
    ),
    "triangle": Meeting(
        *_both(Half("flat", (-0.42, -0.9, -0.1), (0, 0.1, -1), (0.075, 0.0, 0))),
        touch=((1, "index tip", "index tip"), (1, "thumb tip", "thumb tip")),
        part=(-1, 0, 0),
        sentence="shapes a triangle",
    ),
    "counting": Meeting(
        Half("open", (-0.15, -1, -0.2), (-0.15, 0, 1), (0.04, 0.0, 0)),
        Half("point", (0.95, -0.1, -0.2), (0.05, 0.5, 0.85), (-0.10, -0.05, 0.03)),
        touch=((1, "index tip", "index finger"),),
        part=(-1, 0, 0.4),
        sentence="counts on the fingers",
    ),
    "pinching a finger": Meeting(
        Half("point", (-0.7, -0.5, -0.5), (-0.4, 0.6, 0.4), (0.075, 0.02, 0)),
        Half("pinch open", (0.8, -0.3, -0.5), (0.35, 0.75, 0.5), (-0.055, -0.055, 0.03)),
        touch=((1, "index pad", "index finger"), (1, "thumb pad", "index finger")),
        part=(-0.8, -0.5, 0.2),
        sentence="holds a finger of the other hand",
    ),
    "hand over fist": Meeting(
        Half("fist loose", (-0.7, -0.1, -0.65), (0.2, 0.95, 0), (0.012, 0.015, 0)),
        Half("flat", (0.75, 0.05, -0.6), (0.15, 0.95, 0.1), (-0.015, -0.02, 0.0), {(f, 0, 0): 12 for f in range(1, 5)}),
        touch=((1, "palm", "back"), (1, "middle finger", "middle back")),
        part=(0, -1, 0),
        sentence="covers one hand with the other",
    ),
    "measuring": Meeting(
        *_both(Half("flat", (-0.1, -0.25, -1), (-1, 0, 0), (0.11, 0, 0))),
        touch=(),
        part=(-1, 0, 0),
        sentence="shows a length",
    ),
}  # fmt: skip
"""By name."""


def world_from_hand(side: int, fingers: Vector, palm: Vector) -> Float[np.ndarray, "3 3"]:
    """The own rest frame of a hand whose fingers point and whose palm faces that way (made square to the fingers)."""
    f = np.asarray(fingers, float)
    f = f / np.linalg.norm(f)
    n = np.asarray(palm, float)
    n = n - n @ f * f
    n = n / np.linalg.norm(n)
    x = -f if side == RIGHT else f
    return np.stack([x, -n, np.cross(x, -n)], 1)


def grip_of(half: Half, side: int, hand: OwnHand, rng: np.random.Generator, loose: float = 1.0) -> Grip:
    """A half of a template on a person's own hand, a little off in every angle."""
    angles = gestures.shape(half.shape).copy()
    for where, degrees in (half.change or {}).items():
        angles[where] += np.radians(degrees)
    noise = rng.normal(0.0, 1.0, (5, 3, 3)) * np.radians((5.0, 2.0, 0.0)) * loose
    angles = hand.body.resolve(limits.clip(angles + noise, lax=True))
    turn = rotmat_from_rotvec(rng.normal(0.0, 0.07 * loose, 3)) @ world_from_hand(side, half.fingers, half.palm)
    size = float(np.linalg.norm(hand.shaped.rest_joints[4] - hand.wrist)) / 0.092
    return grip_at(hand, angles, turn, knuckle=np.array(half.knuckle) * size + rng.normal(0.0, 0.002 * loose, 3))


def meet(
    rng: np.random.Generator, name: str, hands: tuple[OwnHand, OwnHand], *, tries: int = 3
) -> tuple[Touched, tuple[np.ndarray, np.ndarray]]:
    """Both hands in a template's contact, pair frame: what `settle` found best in some tries. Also the directions in
    which the left and the right hand come apart."""
    meeting = MEETINGS[name]
    pulls = [
        Pull(side, here, patches()[there] if there else None, 1 - side, count=6 if here in ("palm", "back") else 4)
        for side, here, there in meeting.touch
    ]
    best: Touched | None = None
    for k in range(tries):
        grips = [
            grip_of(half, side, hand, rng, 1.0 / (1 + k))
            for side, (half, hand) in enumerate(zip((meeting.left, meeting.right), hands, strict=True))
        ]
        found = settle(hands, grips, pulls)
        if best is None or _badness(found) < _badness(best):
            best = found
        if best.deepest < 0.0015 and best.farthest < 0.002 and best.overlap < 0.001:
            break
    assert best is not None
    away = np.asarray(meeting.part, float)
    return best, (-away, away)


def _badness(found: Touched) -> float:
    return max(found.deepest - 0.0015, 0.0) * 2 + max(found.farthest - 0.002, 0.0) + max(found.overlap - 0.001, 0.0)
