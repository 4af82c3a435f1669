"""Fingers that run into each other or into the palm: found with capsules along the bones, and taken apart.

    body = Body.of(shaped)                     # 20 capsules sized by the hand's own mesh
    body.overlap(angles)                       # metres, 0 where nothing meets
    body.resolve(angles)                       # the pose, opened just far enough

A capsule is all points within a radius of a segment. Three per finger ride on its bones, four lie in the palm along the
metacarpals, so that a fist rests on the palm instead of in it. Neighbours whose capsules overlap in the open hand
already (the webs between the fingers) may do so in every pose.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numba
import numpy as np
from jaxtyping import Float

from palmar.hand import HandModel, ShapedHand
from palmar.hand.joints import POSE_OF_FINGER

ALLOWED = 0.002
"""Metres by which two fingers of an average hand press into each other; this and the next scale with the palm."""
ALLOWED_THUMB = 0.005
"""Metres by which the thumb and a finger do: both have a pulp."""
ALLOWED_WEB = 0.004
"""Metres by which the first bones of two fingers do: soft flesh at the webs."""
ALLOWED_PALM = 0.005
"""Metres by which the thumb presses into the palm."""
ALLOWED_FIST = 0.016
"""Metres by which a finger's end sinks into the palm. Deeper than skin gives: the template's knuckle joints lie nearer
the webs than a person's, so that its full fist closes into the palm, where nobody sees it."""
THENAR = 0.7
"""Share of the thumb's ball that counts as firm."""

_FINGER_BONES = np.array(POSE_OF_FINGER)
_PALM = 4


def _capsules(shaped: ShapedHand) -> np.ndarray:
    """Of 19 capsules [19, 7] at rest: both ends, relative to its joint for a finger's, and the radius. Fingers first.

    The bones of the template run near the back of the fingers; a capsule runs through the middle of the flesh.
    """
    model = shaped.model
    vertices, heads = shaped.vertices(), shaped.rest_joints
    ends, radii = np.zeros((15 + _PALM, 2, 3)), np.zeros(15 + _PALM)
    for finger in range(5):
        for k in range(3):
            bone = _FINGER_BONES[finger, k]
            start, own = heads[bone], vertices[model.weights[:, bone] > (0.5 if k else 0.25)]
            if k < 2:
                along = heads[_FINGER_BONES[finger, k + 1]] - start
            else:
                along = own[np.argmax((own - start) @ model.along[bone])] - start
                along = model.along[bone] * (model.along[bone] @ along)
            length = np.linalg.norm(along)
            along = along / length
            reach = (own - start) @ along
            flesh = (own - start - reach[:, None] * along)[(reach > 0.1 * length) & (reach < 0.9 * length)]
            centre = (flesh.min(0) + flesh.max(0)) / 2
            radius = np.median(np.linalg.norm(flesh - centre, axis=1)) * (1.0 if finger or k else THENAR)
            stop = start + along * (length if k < 2 else length - radius)
            ends[3 * finger + k], radii[3 * finger + k] = (centre, stop - start + centre), radius
    palm = vertices[model.parts == 0]
    for i, finger in enumerate(range(1, 5)):
        knuckle = heads[_FINGER_BONES[finger, 0]]
        level = palm[:, 0] / knuckle[0]
        near = palm[(np.abs(palm[:, 2] - 0.85 * knuckle[2]) < 0.012) & (level > 0.4) & (level < 0.95), 1]
        low, high = np.percentile(near, (5, 95))
        radius = (high - low) / 2
        middle = np.array([0.0, (low + high) / 2, 0.0])
        ends[15 + i] = middle + knuckle * (0.3, 0, 0.5), middle + knuckle * (0.9, 0, 1.0)
        radii[15 + i] = radius
    return np.concatenate([ends.reshape(-1, 6), radii[:, None]], axis=1)


@functools.cache
def _fit(model: HandModel) -> tuple[np.ndarray, np.ndarray]:
    """Capsules [19, 7] of the mean shape, and how they change [19, 7, 10] per standard deviation of each direction."""
    mean = _capsules(model.shaped(np.zeros(10)))
    change = [(_capsules(model.shaped(d)) - _capsules(model.shaped(-d))) / 2 for d in np.eye(10)]
    return mean, np.stack(change, axis=-1)


def _pairs() -> tuple[np.ndarray, np.ndarray]:
    """Capsules that can meet [p, 2], and the fingers they belong to [p, 2]; the palm counts as finger 5.

    A finger does not meet itself: the limits of its joints see to that.
    """
    pairs = []
    for a in range(5):
        for b in range(a + 1, 5):
            pairs += [(3 * a + i, 3 * b + j) for i in range(3) for j in range(3) if (a, i) != (0, 0) or j > 0]
        web = (0, 1, 0)                                           # between thumb and index: soft
        pairs += [(3 * a + i, 15 + p) for i in (1, 2) for p in range(_PALM) if (a, i, p) != web]
    table = np.array(pairs)
    return table, np.minimum(table // 3, 5)


_PAIRS, _OWNERS = _pairs()
_GIVES_WAY = np.select(
    [(_OWNERS == (0, 5)).all(1), _OWNERS[:, 1] == 5, _OWNERS[:, 0] == 0, (_PAIRS % 3 == 0).all(1)],
    [ALLOWED_PALM, ALLOWED_FIST, ALLOWED_THUMB, ALLOWED_WEB], ALLOWED)


@functools.cache
def _axes(model: HandModel) -> np.ndarray:
    """Axes [5, 3, 3 motions, 3] of the model's anatomical angles, read off its rotations by a quarter turn of one angle
    at a time."""
    unit = (np.pi / 2) * np.eye(45).reshape(45, 5, 3, 3)
    turned = model.rotations_from_angles(unit).reshape(5, 3, 3, 16, 3, 3)
    axes = np.zeros((5, 3, 3, 3))
    for finger in range(5):
        for k in range(3):
            r = turned[finger, k, :, _FINGER_BONES[finger, k]]
            axes[finger, k] = r[:, (2, 0, 1), (1, 2, 0)] - r[:, (1, 2, 0), (2, 0, 1)]
    return axes / 2


@dataclass(frozen=True, eq=False)
class Body:
    """The capsules of one hand. Made by `Body.of`."""

    joints: Float[np.ndarray, "5 3 3"]
    """Rest joints of the fingers, metres."""
    axes: Float[np.ndarray, "5 3 3 3"]
    ends: Float[np.ndarray, "19 2 3"]
    """Both ends at rest: relative to its joint for a finger's capsule."""
    radii: Float[np.ndarray, " 19"]
    slack: Float[np.ndarray, " p"]
    """Metres by which each pair may overlap."""

    @staticmethod
    def of(shaped: ShapedHand) -> Body:
        """Capsules of one person's hand: a shape [k], not a batch of them. Linear in the shape."""
        mean, change = _fit(shaped.model)
        shape = np.asarray(shaped.shape, np.float64)
        fit = mean + change[..., : len(shape)] @ shape
        joints = np.asarray(shaped.rest_joints, np.float64)[_FINGER_BONES]
        fixed = joints, _axes(shaped.model), np.ascontiguousarray(fit[:, :6]).reshape(-1, 2, 3), fit[:, 6].copy()
        at_rest = _overlaps(np.zeros((5, 3, 3)), *fixed, _PAIRS)
        size = np.linalg.norm(joints[2, 0]) / np.linalg.norm(shaped.model.shaped(np.zeros(1)).rest_joints[4])
        return Body(*fixed, np.maximum(at_rest, 0.0) + size * _GIVES_WAY)

    def overlap(self, angles: Float[np.ndarray, "5 3 3"]) -> float:
        """Metres by which the worst pair of capsules overlaps beyond its slack; 0 for a pose that can be."""
        return max(0.0, float(self.overlaps(angles).max()))

    def overlaps(self, angles: Float[np.ndarray, "5 3 3"]) -> Float[np.ndarray, " p"]:
        """Metres by which each pair of capsules overlaps beyond its slack; < 0 apart."""
        angles = np.ascontiguousarray(angles, np.float64)
        return _overlaps(angles, self.joints, self.axes, self.ends, self.radii, _PAIRS) - self.slack

    def resolve(self, angles: Float[np.ndarray, "5 3 3"]) -> Float[np.ndarray, "5 3 3"]:
        """The pose with the fingers that meet opened just enough; a pose without overlap comes back equal.

        Fingers are freed of each other and of the palm first, then the thumb of the fingers. Opening means going a
        share of the way to the flat hand; a pose inside the limits stays inside.
        """
        angles = np.array(angles, np.float64)
        return _resolve(angles, self.joints, self.axes, self.ends, self.radii, self.slack, _PAIRS, _OWNERS)


@numba.njit(cache=True)
def _turn(axis, angle, out):
    """out <- out @ rotation(axis, angle)."""
    if angle == 0.0:
        return
    c, s = np.cos(angle), np.sin(angle)
    x, y, z = axis[0], axis[1], axis[2]
    for i in range(3):
        a, b, d = out[i, 0], out[i, 1], out[i, 2]
        dot = (a * x + b * y + d * z) * (1 - c)
        # a row times R is the row turned by -angle
        out[i, 0] = a * c - (y * d - z * b) * s + x * dot
        out[i, 1] = b * c - (z * a - x * d) * s + y * dot
        out[i, 2] = d * c - (x * b - y * a) * s + z * dot


@numba.njit(cache=True)
def _place(angles, joints, axes, ends):
    placed = ends.copy()
    for f in range(5):
        turn = np.eye(3)
        here = joints[f, 0].copy()
        for k in range(3):
            for m in (1, 0, 2):                                   # abduction, flexion, twist
                _turn(axes[f, k, m], angles[f, k, m], turn)
            for e in range(2):
                for i in range(3):
                    x = here[i]
                    for j in range(3):
                        x += turn[i, j] * ends[3 * f + k, e, j]
                    placed[3 * f + k, e, i] = x
            if k < 2:
                for i in range(3):
                    for j in range(3):
                        here[i] += turn[i, j] * (joints[f, k + 1, j] - joints[f, k, j])
    return placed


@numba.njit(cache=True)
def _distance(p, q):
    """Between two segments [2, 3]. Ericson 2005, section 5.1.9."""
    a = e = b = c = f = 0.0
    for i in range(3):
        u, v, w = p[1, i] - p[0, i], q[1, i] - q[0, i], p[0, i] - q[0, i]
        a, e, b, c, f = a + u * u, e + v * v, b + u * v, c + u * w, f + v * w
    denominator = a * e - b * b
    s = min(max((b * f - c * e) / denominator, 0.0), 1.0) if denominator > 1e-12 * a * e else 0.0     # else: parallel
    t = (b * s + f) / e
    if t < 0.0:
        t, s = 0.0, min(max(-c / a, 0.0), 1.0)
    elif t > 1.0:
        t, s = 1.0, min(max((b - c) / a, 0.0), 1.0)
    square = 0.0
    for i in range(3):
        gap = p[0, i] + s * (p[1, i] - p[0, i]) - q[0, i] - t * (q[1, i] - q[0, i])
        square += gap * gap
    return np.sqrt(square)


@numba.njit(cache=True)
def _overlaps(angles, joints, axes, ends, radii, pairs):
    """Metres by which each pair of capsules overlaps; < 0 apart."""
    placed = _place(angles, joints, axes, ends)
    out = np.empty(len(pairs))
    for n in range(len(pairs)):
        a, b = pairs[n]
        out[n] = radii[a] + radii[b] - _distance(placed[a], placed[b])
    return out


FLEXION, SPREAD, WHOLE = 0, 1, 2
"""Ways to open a hand, each a path inside the limits: flexion of some fingers (all of the thumb's angles), abduction of
the four fingers together, everything."""


@numba.njit(cache=True)
def _resolve(angles, joints, axes, ends, radii, slack, pairs, owners):
    fixed = (joints, axes, ends, radii, slack, pairs, owners)
    moving = np.zeros(5, np.bool_)
    for attempt in range(16):
        over = _overlaps(angles, joints, axes, ends, radii, pairs) - slack
        worst, thumb_waits = np.argmax(over), False
        if over[worst] <= 0.0:
            return angles
        for n in range(len(pairs)):                               # first the fingers among themselves and on the palm
            if owners[n, 0] > 0 and over[n] > 0.0 and (not thumb_waits or over[n] > over[worst]):
                worst, thumb_waits = n, True
        moving[:] = False
        way, share = WHOLE, 2.0
        if attempt >= 12:
            moving[:] = True
            share = _least_share(angles, moving, WHOLE, False, fixed)
        elif thumb_waits:
            for side in range(2):
                if owners[worst, side] < 5:
                    moving[owners[worst, side]] = True
            way, share = FLEXION, _least_share(angles, moving, FLEXION, True, fixed)
            if share > 0.25 and owners[worst, 1] < 5:
                other = _least_share(angles, moving, SPREAD, True, fixed)
                if other < share:
                    way, share = SPREAD, other
        else:                                                     # then the thumb, with fingers if it must be
            moving[0] = True
            way, share = FLEXION, _least_share(angles, moving, FLEXION, False, fixed)
            if share > 1.0:
                for n in range(len(pairs)):
                    if owners[n, 0] == 0 and over[n] > 0.0 and owners[n, 1] < 5:
                        moving[owners[n, 1]] = True
                share = _least_share(angles, moving, FLEXION, False, fixed)
        if share > 1.0:
            moving[:] = True
            way, share = WHOLE, _least_share(angles, moving, WHOLE, False, fixed)
        angles = _opened(angles, moving, way, min(share, 1.0))
    return _opened(angles, np.ones(5, np.bool_), WHOLE, 1.0)


@numba.njit(cache=True)
def _least_share(angles, moving, way, thumb_waits, fixed):
    """The smallest share of the way to the flat hand that frees the moving fingers, to 1/64; 2 if none does.

    For SPREAD they need only be free of other fingers. From small to large: a finger may come free and meet another.
    """
    joints, axes, ends, radii, slack, pairs, owners = fixed
    step, share = 1.0 / 16.0, 0.0
    fine = False
    while share < 1.0:
        share += step
        over = _overlaps(_opened(angles, moving, way, share), joints, axes, ends, radii, pairs) - slack
        free = True
        for n in range(len(pairs)):
            a, b = owners[n]
            concerned = moving[a] or (b < 5 and moving[b])
            if (thumb_waits and a == 0) or (way == SPREAD and b == 5):
                concerned = False
            if concerned and over[n] > 0.0:
                free = False
                break
        if free and fine:
            return share
        if free:
            share, step, fine = share - step, step / 4.0, True
    return 2.0


@numba.njit(cache=True)
def _opened(angles, moving, way, share):
    out = angles.copy()
    for f in range(5):
        if way == WHOLE or (f == 0 and moving[0]):
            out[f] *= 1.0 - share
        elif way == SPREAD and f > 0:
            out[f, :, 1] *= 1.0 - share
        elif way == FLEXION and moving[f]:
            out[f, :, 0] *= 1.0 - share
            out[f, :, 2] *= 1.0 - share
    return out
