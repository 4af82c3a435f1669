"""One person has one hand: the same bones in every frame, and their true length where it is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from palmar.clean.tracks import tracks
from palmar.errors import PalmarError
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand.model import HandModel
from palmar.types import Hands

CHAIN = (0, 9, 10, 11, 12)
"""Wrist to the tip of the middle finger, along the bones."""
LENGTHS = (0.08, 0.30)
"""Metres: hands of children and of giants."""
SKIN = 0.008
"""Metres by which the skin that a depth camera sees lies before a joint."""
FEW = 20
"""Joints with depth, under which a hand's distance is not told."""


def hand_length(joints: Float[np.ndarray, "*b 21 3"]) -> Float[np.ndarray, "*b"] | np.float64:
    """From the wrist along the bones to the tip of the middle finger, in the units of the joints: the length of a hand
    laid flat, as anthropometry measures it from the wrist's crease. Of a bent hand it comes out some 3 % shorter, for
    the joints ride on their bones beside the axes."""
    chain = np.asarray(joints, np.float64)[..., CHAIN, :]
    return np.linalg.norm(np.diff(chain, axis=-2), axis=-1).sum(-1)


def fix_bone_lengths(hands: Hands) -> Hands:
    """Each track with the shape that its rows agree on (the median, by score), joints and place solved again.

    A hand whose bones get longer is moved away along its line of sight, so that it stays where it is in the picture.
    Raises PalmarError for hands without pose, shape, place and joints.
    """
    shape = _needed(hands)
    out = shape.copy()
    for rows in tracks(hands):
        good = rows[np.isfinite(shape[rows]).all(1)]
        if len(good):
            out[rows] = _median(shape[good], hands.score[good])
    return with_shape(hands, out)


def scaled_to_length(hands: Hands, length: float, *, track: int | None = None) -> Hands:
    """Each track, or one, with a hand of this length (metres, as `hand_length` of one laid flat), its shape changed as
    little as that needs; bones become fixed over the track. Raises PalmarError for a length that is no hand's.
    """
    if not LENGTHS[0] <= length <= LENGTHS[1]:
        raise PalmarError(f"a hand of {length} m: expected {LENGTHS[0]} to {LENGTHS[1]} m from wrist to fingertip.")
    shape = _needed(hands)
    out = shape.copy()
    for rows in tracks(hands):
        good = rows[np.isfinite(shape[rows]).all(1)]
        if len(good) and (track is None or hands.track[rows[0]] == track):
            out[rows] = shape_of_length(_median(shape[good], hands.score[good]), length)
    return with_shape(hands, out)


def length_of(hands: Hands, track: int) -> float:
    """Metres of a track's hand laid flat, by the shape that its rows agree on."""
    shape = _needed(hands)
    rows = np.flatnonzero((hands.track == track) & np.isfinite(shape).all(1))
    if not len(rows):
        raise PalmarError(f"there is no hand of track {track} with a shape.")
    return float(hand_length(HandModel.default().shaped(_median(shape[rows], hands.score[rows])).rest_landmarks))


def scale_from_depth(hands: Hands, depth_of: Callable[[int], Float[np.ndarray, "h w"] | None]) -> dict[int, float]:
    """Track -> how many times farther away, and larger, its hand is than it was thought to be, from depth maps.

    depth_of: frame -> metres of the surface along z for each pixel, 0 or NaN where unknown; None where there is no map.
    The median over joints that were seen well of the depth behind the skin over the joint's own. Tracks with fewer than
    `FEW` such joints are left out. For `scaled_to_length`: times the length that the track has.
    """
    if hands.keypoints is None or hands.joints is None:
        raise PalmarError("depth tells the size of hands with keypoints and joints; track them again.")
    out: dict[int, float] = {}
    for rows in tracks(hands):
        ratios: list[float] = []
        for row in rows.tolist():
            depth = depth_of(int(hands.frame[row]))
            if depth is None:
                continue
            height, width = depth.shape
            for (x, y, sure), z in zip(hands.keypoints[row].tolist(), hands.joints[row, :, 2].tolist(), strict=True):
                u, v = round(x), round(y)
                if sure > 0.5 and 0 <= u < width and 0 <= v < height and np.isfinite(depth[v, u]) and depth[v, u] > 0:
                    ratios.append((float(depth[v, u]) + SKIN) / z)
        if len(ratios) >= FEW:
            out[int(hands.track[rows[0]])] = float(np.median(ratios))
    return out


def shape_of_length(shape: Float[np.ndarray, " 10"], length: float) -> Float[np.ndarray, " 10"]:
    """The shape nearest to this one whose hand is so long. A hand's length is nearly linear in its shape."""
    model = HandModel.default()
    measure = lambda s: float(hand_length(model.shaped(s).rest_landmarks))  # noqa: E731
    found = np.asarray(shape, np.float64).copy()
    for _ in range(20):
        gap = length - measure(found)
        slope = np.array([(measure(found + 1e-3 * e) - measure(found - 1e-3 * e)) / 2e-3 for e in np.eye(10)])
        found += slope * gap / (slope @ slope)
        if abs(gap) < 1e-7:
            break
    return found


def with_shape(hands: Hands, shape: Float[np.ndarray, "n 10"]) -> Hands:
    """The hands with other shapes: same pose, same place in the picture. Rows that are not finite stay as they are."""
    _needed(hands)
    assert hands.pose is not None
    assert hands.joints is not None
    assert hands.translation is not None
    joints, place = hands.joints.astype(np.float64), hands.translation.astype(np.float64)
    rotations = rotmat_from_rotvec(np.nan_to_num(hands.pose.astype(np.float64)))
    good = (
        np.isfinite(joints).all((1, 2))
        & np.isfinite(hands.pose).all((1, 2))
        & np.isfinite(place).all(1)
        & np.isfinite(shape).all(1)
    )
    for side in range(2):
        rows = np.flatnonzero(good & (hands.side == side))
        if not len(rows):
            continue
        model = HandModel.default(side)
        shaped = model.shaped(shape[rows])
        own = shaped.posed(rotations[rows]).joints()
        new = own - own[:, :1]
        old = joints[rows] - joints[rows, :1]
        grown = np.linalg.norm(new, axis=-1).sum(1) / np.maximum(np.linalg.norm(old, axis=-1).sum(1), 1e-9)
        wrist = joints[rows, 0] * grown[:, None]
        joints[rows] = wrist[:, None] + new
        place[rows] = wrist - own[:, 0]
    kept = np.where(good[:, None], shape, hands.shape)
    return hands.with_columns(joints=joints, translation=place, shape=kept)


def _needed(hands: Hands) -> Float[np.ndarray, "n 10"]:
    for name in ("pose", "shape", "translation", "joints"):
        if getattr(hands, name) is None:
            raise PalmarError(f"bones need hands with {name}; track them again.")
    assert hands.shape is not None
    return hands.shape.astype(np.float64)


def _median(shape: Float[np.ndarray, "k 10"], score: Float[np.ndarray, " k"]) -> Float[np.ndarray, " 10"]:
    """Of each coefficient, rows counting by their score."""
    weight = np.maximum(score.astype(np.float64), 1e-6)
    order = np.argsort(shape, axis=0)
    ranked = np.take_along_axis(shape, order, 0)
    summed = np.cumsum(weight[order], axis=0)
    at = (summed >= summed[-1] / 2).argmax(0)
    return ranked[at, np.arange(shape.shape[1])]
