"""How a hand takes hold: shapes from open to tight, and closing each finger until it touches.

A `Style` is a way to hold: a path of hand shapes from open to tight, and the place in the hand where the thing comes to
lie. `close` puts the thing there and stops every finger on its path where it meets the thing's surface, as an
underactuated gripper does (Miller and Allen 2004 do so in GraspIt!). It is fast (fingers are skinned once per style)
and, unlike a free optimisation, keeps the hand on the side of the thing from which an arm can come.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand import ShapedHand, limits
from palmar.synth import gestures
from palmar.synth.pose import wrap

Distance = Callable[[Float[np.ndarray, "n 3"]], Float[np.ndarray, " n"]]
"""Signed distance to a thing's surface in its own frame, metres, negative inside."""

STEPS = 37
"""Shapes along a style's path."""
PRESS = 0.0006
"""Metres that a pulp is pressed in where it touches."""

HAND = 0.178
"""Metres of an average hand, wrist to fingertip."""
FINGER_OF_PART = np.array([5, 1, 1, 1, 2, 2, 2, 4, 4, 4, 3, 3, 3, 0, 0, 0, 6])
"""Of the mesh's parts: thumb to little 0 to 4, 5 the palm, 6 the forearm."""


@dataclass(frozen=True, eq=False)
class Family:
    """A path of one person's hand shapes from open (first) to tight (last), skinned in the hand's rest frame."""

    angles: Float[np.ndarray, "n 5 3 3"]
    vertices: Float[np.ndarray, "n v 3"]
    joints: Float[np.ndarray, "n 21 3"]
    finger: np.ndarray
    """Of every vertex: thumb to little 0 to 4, 5 the palm, 6 the forearm."""


def family(shaped: ShapedHand, angles: Float[np.ndarray, "n 5 3 3"]) -> Family:
    """The path on a person's hand."""
    posed = shaped.posed(shaped.model.rotations_from_angles(angles))
    return Family(angles, posed.skin(), posed.joints(), FINGER_OF_PART[shaped.model.parts])


def between(*shapes: Float[np.ndarray, "5 3 3"], steps: int = STEPS) -> Float[np.ndarray, "n 5 3 3"]:
    """A path through hand shapes, evenly. Straight lines between possible poses are possible (`palmar.hand.limits`)."""
    s = np.linspace(0, len(shapes) - 1, steps)
    row = np.minimum(s.astype(int), len(shapes) - 2)
    stack = np.stack(shapes)
    return stack[row] + (s - row)[:, None, None, None] * (stack[row + 1] - stack[row])


@dataclass(frozen=True, eq=False)
class Grip:
    """A hand on a thing: a right hand's, in the frame of the part that it holds."""

    style: str
    part_from_hand: Float[np.ndarray, "4 4"]
    angles: Float[np.ndarray, "5 3 3"]
    """Where the fingers touch."""
    preshape: Float[np.ndarray, "5 3 3"]
    """Open, on the way there."""
    tight: Float[np.ndarray, "5 3 3"]
    """Pressed together as far as the style goes; a squeeze goes some way towards it."""
    touching: Float[np.ndarray, " 6"]
    """Metres from the surface of thumb, index, middle, ring, little and palm, negative where pressed in."""

    @property
    def holds(self) -> bool:
        """Whether two sides of the hand touch the thing: the thumb or the palm, and a finger."""
        near = self.touching < 0.0025
        return bool((near[0] or near[5]) and near[1:5].any() and self.touching.min() > -0.004)


def close(
    shapes: Family,
    distance: Distance,
    part_from_hand: Float[np.ndarray, "4 4"],
    style: str,
    *,
    slack: float = 0.25,
    still: tuple[int, ...] = (),
) -> Grip:
    """Every finger closed on its own until it touches.

    part_from_hand: where the hand stands; it does not move. slack: share of the path by which the preshape is more open
    than the touch. still: fingers (0 to 4) that stay as the path's middle has them, unless they meet the thing.
    """
    n = len(shapes.angles)
    turn, place = part_from_hand[:3, :3], part_from_hand[:3, 3]
    d = distance(shapes.vertices.reshape(-1, 3) @ turn.T + place).reshape(n, -1)
    angles, touching = shapes.angles[0].copy(), np.zeros(6)
    preshape, tight = shapes.angles[0].copy(), shapes.angles[-1].copy()
    for finger in range(6):
        own = d[:, shapes.finger == finger].min(1)
        if finger == 5:
            touching[5] = own[0]
            continue
        met = np.flatnonzero(own < -PRESS)
        stop = float(n - 1)
        if len(met):
            k = int(met[0])
            stop = 0.0 if k == 0 else k - 1 + (own[k - 1] + PRESS) / max(own[k - 1] - own[k], 1e-9)
        if finger in still:
            stop = min(stop, (n - 1) / 2)
        angles[finger] = _along(shapes.angles, stop)[finger]
        touching[finger] = np.interp(stop, np.arange(n), own)
        preshape[finger] = _along(shapes.angles, max(stop - slack * (n - 1), 0.0))[finger]
    return Grip(style, part_from_hand, limits.clip(angles), limits.clip(preshape), limits.clip(tight), touching)


def _along(path: np.ndarray, at: float) -> np.ndarray:
    row = min(int(at), len(path) - 2)
    return path[row] + (at - row) * (path[row + 1] - path[row])


# Styles: paths of shapes, and where in the hand (right, rest frame) the thing comes to lie.


def _fingers(angles: np.ndarray, *degrees: tuple[float, float, float]) -> np.ndarray:
    """With the flexion of index to little; one triple stands for all four."""
    out = angles.copy()
    out[1:, :, 0] = np.radians(degrees * 4 if len(degrees) == 1 else degrees)
    return out


def _thumb(angles: np.ndarray, *degrees: float) -> np.ndarray:
    """With another thumb: CMC flexion, abduction, twist, MCP, IP."""
    out = angles.copy()
    out[0] = 0.0
    out[0, 0], out[0, 1:, 0] = np.radians(degrees[:3]), np.radians(degrees[3:])
    return out


def wrapping(radius: float) -> Float[np.ndarray, "n 5 3 3"]:
    """Round a rod of about this radius: fingers from one side, the thumb from the other."""
    shapes = []
    for factor, thumb in ((2.6, (-20, 20, 6, -8, -10)), (1.25, (4, 18, 8, 6, 8)), (0.55, (44, 4, 10, 34, 50))):
        shape = gestures.shape("hold cylinder")
        shape[1:, :, 0] = wrap(max(factor * radius, 0.006) / HAND)
        shape[1:, 0, 1] = np.radians((-4, 0, -3, -5))
        shapes.append(limits.clip(_thumb(shape, *thumb)))
    return between(*shapes)


def pinching() -> Float[np.ndarray, "n 5 3 3"]:
    """Thumb against index and middle finger, the others half curled out of the way."""
    wide = _fingers(gestures.shape("pinch open"), (18, 16, 10), (24, 18, 12), (58, 62, 40), (60, 64, 42))
    meet = _fingers(gestures.shape("pinch"), (50, 42, 28), (54, 44, 29), (66, 70, 46), (66, 70, 46))
    return between(limits.clip(_thumb(wide, -6, 18, 6, 0, -6)), limits.clip(_thumb(meet, 36, 8, 8, 4, 2)))


def topping() -> Float[np.ndarray, "n 5 3 3"]:
    """All fingertips round the rim of something: lids, balls, bowls from above."""
    wide = _fingers(gestures.shape("hold lid"), (4, 22, 14), (6, 26, 17), (6, 26, 17), (4, 22, 14))
    meet = gestures.shape("purse")
    return between(limits.clip(_thumb(wide, -20, 20, 6, 0, -8)), limits.clip(_thumb(meet, 34, 12, 2, 6, 14)))


def clamping() -> Float[np.ndarray, "n 5 3 3"]:
    """Four nearly straight fingers against the thumb: edges of boxes, books, sheets."""
    wide = _fingers(gestures.shape("hold book"), (8, 10, 6))
    meet = _fingers(gestures.shape("hold book"), (76, 16, 10))
    return between(limits.clip(_thumb(wide, -20, 20, 6, -4, -10)), limits.clip(_thumb(meet, 36, 6, 6, 16, 10)))


def penning() -> Float[np.ndarray, "n 5 3 3"]:
    """A pen in thumb, index and middle finger, the others under it."""
    wide = _fingers(gestures.shape("hold pen"), (30, 24, 12), (36, 30, 18), (50, 58, 38), (54, 62, 40))
    meet = _fingers(gestures.shape("hold pen"), (56, 44, 22), (62, 52, 34), (64, 72, 46), (66, 76, 48))
    return between(limits.clip(_thumb(wide, 6, 16, 4, 6, 4)), limits.clip(_thumb(meet, 34, 6, 6, 18, 22)))


def _frame(x: np.ndarray, z: np.ndarray, at: np.ndarray) -> np.ndarray:
    """hand_from_grasp: z along `z`, x as near to `x` as that allows."""
    z = z / np.linalg.norm(z)
    x = x - z * (x @ z)
    x = x / np.linalg.norm(x)
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = np.stack([x, np.cross(z, x), z], 1), at
    return out


TIP = 0.0075
"""Metres from the joint of a fingertip to its pulp."""


def seats(style: str, shapes: Family, half: float) -> list[Float[np.ndarray, "4 4"]]:
    """Places in the hand where a thing of this half thickness may lie: hand_from_grasp, the likeliest first.

    A grasp's frame: z is the way from the hand to the thing; x leads from the fingers' side of the thing to the
    thumb's, but for "wrap", where x runs along the rod towards the thumb's side of the hand. For "pen", z leads to the
    tip.
    """
    if style == "wrap":
        tilt = math.radians(12.0)
        along = np.array([-math.sin(tilt), 0.0, math.cos(tilt)])
        palm = np.array([0.0, -1.0, 0.0])
        rows = np.arange(-0.060, -0.121, -0.006) * (HAND / 0.178)
        return [_frame(along, palm, np.array([x, -0.012 - half, -0.004])) for x in rows]
    tips = shapes.joints[:, [4, 8, 12, 16, 20]]
    if style == "pen":
        opposite = (2 * tips[:, 1] + tips[:, 2]) / 3
        web = shapes.joints[:, 5] + np.array([0.012, 0.004, 0.016]) * (HAND / 0.178)
    elif style == "pinch":
        opposite = (tips[:, 1] + tips[:, 2]) / 2
    elif style == "clamp":
        opposite = tips[:, 1:].mean(1)
    else:
        opposite = tips[:, 2:4].mean(1)
    gap = np.linalg.norm(tips[:, 0] - opposite, axis=1)
    row = int(np.argmin(np.abs(gap - 2 * (half + TIP))))
    out = []
    for shift in (0, -2, 2, -4, 4):
        k = min(max(row + shift, 0), len(gap) - 1)
        across = tips[k, 0] - opposite[k]
        if style == "pen":
            middle = (tips[k, 0] + opposite[k]) / 2
            out.append(_frame(across, middle - web[k], middle))
        elif style == "top":
            centre = tips[k].mean(0)
            normal = np.linalg.svd(tips[k] - centre)[2][2]
            normal = normal if normal @ (centre - shapes.joints[k, 9]) > 0 else -normal
            middle = (tips[k, 0] + opposite[k]) / 2
            out.append(_frame(across, normal, middle))
        else:
            ahead = opposite[k] - shapes.joints[k, [6, 10]].mean(0)
            out.append(_frame(across, ahead, (tips[k, 0] + opposite[k]) / 2))
    return out


FAMILIES: Mapping[str, Callable[[float], Float[np.ndarray, "n 5 3 3"]]] = {
    "wrap": wrapping,
    "pinch": lambda half: pinching(),
    "top": lambda half: topping(),
    "clamp": lambda half: clamping(),
    "pen": lambda half: penning(),
}


def hold(
    shaped: ShapedHand,
    style: str,
    distance: Distance,
    part_from_grasp: Float[np.ndarray, "4 4"],
    half: float,
    *,
    floor: float | None = None,
) -> Grip:
    """The best of the places in the hand for a thing whose grasp frame (see `seats`) is given in its part's frame.

    half: its half thickness there. A wrapping hand is pushed forward until its open palm or thumb touches; others are
    tried at several depths along the approach and at several slants about the line through the fingers' pulps.
    floor: y (down) of what the part stands on, which no part of the hand should reach.
    """
    shapes = family(shaped, FAMILIES[style](half))
    some = np.union1d(np.flatnonzero(shapes.finger < 5)[::3], np.flatnonzero(shapes.finger == 5))
    coarse = Family(shapes.angles[::4], shapes.vertices[::4, some], shapes.joints[::4], shapes.finger[some])
    best, score = None, -np.inf
    wraps = style == "wrap"
    for rank, hand_from_grasp in enumerate(seats(style, shapes, half)):
        for depth, slant in _WRAPPED if wraps else _TRIED:
            seat = hand_from_grasp.copy()
            seat[:3, 3] -= depth * seat[:3, 2]
            turn = np.eye(4)
            turn[:3, :3] = rotmat_from_rotvec(np.array([slant, 0.0, 0.0]))
            start = part_from_grasp @ turn @ _inverse(seat)
            below = 0.0
            if floor is not None:
                open_hand = coarse.vertices[0] @ start[1, :3] + start[1, 3]
                below = max(0.0, float(open_hand.max()) + 0.002 - floor)
                if below > 0.03 and best is not None:
                    continue
            if wraps:
                start = _pushed(coarse, distance, start, -part_from_grasp[:3, 2])
            grip = close(coarse, distance, start, style)
            value = _quality(grip) - 0.05 * rank - 900.0 * below - 0.9 * abs(slant)
            if value > score:
                best, score = grip, value
    assert best is not None
    start = best.part_from_hand
    if wraps:
        start = _pushed(shapes, distance, start, -part_from_grasp[:3, 2])
    return close(shapes, distance, start, style)


def other_hand(pose: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "4 4"]:
    """The mirror image in x of a right hand's pose, as the left hand's, and back."""
    return _MIRROR @ pose @ _MIRROR


_MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])


_WRAPPED = ((0.0, 0.0),)
_TRIED = tuple(
    (depth, slant) for slant in (0.0, 0.3, -0.3, 0.6, -0.6, 0.9, -0.9) for depth in (0.0, 0.006, -0.004, -0.009, -0.015)
)
"""Depths in metres and slants in radians."""


def _quality(grip: Grip) -> float:
    touch = grip.touching
    near = np.clip(1.0 - np.abs(touch + PRESS) / 0.006, 0.0, 1.0)
    weight = {"wrap": (1.6, 1, 1, 1, 1, 1), "pinch": (2, 1.5, 1, 0, 0, 0), "pen": (2, 2, 1, 0, 0, 0)}.get(
        grip.style, (2, 1, 1, 1, 0.6, 0)
    )
    return float(near @ np.array(weight) - 400.0 * max(0.0, -0.0015 - touch.min()))


def _pushed(shapes: Family, distance: Distance, start: np.ndarray, back: np.ndarray) -> np.ndarray:
    """The open hand drawn back along `back` (part frame) as far as it takes to touch only just."""
    own = shapes.vertices[0] @ start[:3, :3].T + start[:3, 3]
    low, high = -0.02, 0.08
    for _ in range(16):
        middle = (low + high) / 2
        if distance(own + middle * back).min() < -PRESS:
            low = middle
        else:
            high = middle
    out = start.copy()
    out[:3, 3] += high * back
    return out


def _inverse(pose: np.ndarray) -> np.ndarray:
    out = np.eye(4)
    out[:3, :3] = pose[:3, :3].T
    out[:3, 3] = -pose[:3, :3].T @ pose[:3, 3]
    return out
