"""What a recogniser sees of a hand: numbers that do not depend on where the hand is, how large, or which side.

A left hand is described as its mirror image. Poses are described twice, as the camera sees them (a thumb up is not a
thumb down) and in the palm's own frame (a fist is a fist from all sides).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from palmar.errors import PalmarError
from palmar.hand.mirror import mirror_points
from palmar.types import LEFT, Hands

WRIST, INDEX_MCP, MIDDLE_MCP, LITTLE_MCP = 0, 5, 9, 17
TIPS = (4, 8, 12, 16, 20)
CHAINS = np.array([[0, 1, 2, 3, 4], [0, 5, 6, 7, 8], [0, 9, 10, 11, 12], [0, 13, 14, 15, 16], [0, 17, 18, 19, 20]])


def points_of(hands: Hands) -> Float[np.ndarray, "n 21 3"]:
    """Joints from the wrist, of left hands the mirror image's; where a result has none, keypoints with depth 0.

    Raises PalmarError for hands with neither.
    """
    if hands.joints is not None and np.isfinite(hands.joints).all():
        points = hands.joints.astype(np.float64)
    elif hands.keypoints is not None:
        points = np.concatenate([hands.keypoints[..., :2], np.zeros((len(hands), 21, 1))], -1).astype(np.float64)
    else:
        raise PalmarError("these hands have neither joints nor keypoints; track them again.")
    points = points - points[:, :1]
    return np.where((hands.side == LEFT)[:, None, None], mirror_points(points), points)


def pose_features(points: Float[np.ndarray, "n 21 3"]) -> Float[np.ndarray, "n 155"]:
    """Of points from the wrist: as seen (60), in the palm's frame (60), bends (15), distances between tips and from
    them to the palm (20). Lengths in units of the palm's."""
    n = len(points)
    palm = np.linalg.norm(points[:, MIDDLE_MCP], axis=-1)
    size = np.maximum(palm, 0.35 * np.linalg.norm(points, axis=-1).max(-1))  # seen end on, a flat palm is short
    unit = points / np.maximum(size, 1e-9)[:, None, None]
    frame = palm_frame(unit)
    own = np.einsum("nki,nij->nkj", unit, frame)
    bones = np.diff(unit[:, CHAINS], axis=2)  # n 5 4 3
    length = np.maximum(np.linalg.norm(bones, axis=-1, keepdims=True), 1e-9)
    ways = bones / length
    bends = np.arccos(np.clip((ways[:, :, :-1] * ways[:, :, 1:]).sum(-1), -1, 1))
    tips = unit[:, TIPS]
    apart = np.linalg.norm(tips[:, :, None] - tips[:, None], axis=-1)[:, *np.triu_indices(5, 1)]
    knuckles = unit[:, [INDEX_MCP, LITTLE_MCP]]
    reach = np.linalg.norm(tips[:, :, None] - knuckles[:, None], axis=-1).reshape(n, 10)
    return np.concatenate(
        [unit[:, 1:].reshape(n, 60), own[:, 1:].reshape(n, 60), bends.reshape(n, 15), apart, reach], 1
    )


def palm_frame(points: Float[np.ndarray, "n 21 3"]) -> Float[np.ndarray, "n 3 3"]:
    """camera_from_palm: columns along the palm, across it towards the little finger, and out of it."""
    along = _unit(points[:, MIDDLE_MCP])
    across = points[:, LITTLE_MCP] - points[:, INDEX_MCP]
    across = _unit(across - (across * along).sum(-1, keepdims=True) * along)
    return np.stack([along, across, np.cross(along, across)], -1)


def _unit(v: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)


STEPS = 12
"""Times at which a motion is looked at."""


def motion_features(
    points: Float[np.ndarray, "t 21 3"], place: Float[np.ndarray, "t 2"], size: float, times: Float[np.ndarray, " t"]
) -> Float[np.ndarray, " f"]:
    """Of one motion of one hand: its way and that of the index tip (as seen, in palms, from the middle of the way, 4 x
    12), how fast it goes, and its pose at the beginning, the middle and the end (3 x 95).

    points: from the wrist; place: of the wrist, pixels, of left hands in the mirror image; size: of the palm, pixels.
    """
    at = np.linspace(times[0], times[-1], STEPS)
    wrist = _at(times, place / max(size, 1e-9), at)
    poses = pose_features(points)
    tip = wrist + _at(times, poses[:, 21:23], at)  # joint 8, as seen: x, y
    wrist, tip = wrist - wrist.mean(0), tip - tip.mean(0)
    speed = np.linalg.norm(np.diff(tip, axis=0), axis=1)
    still = _at(times, poses[:, 60:], np.linspace(times[0], times[-1], 3))
    return np.concatenate([wrist.ravel(), tip.ravel(), [speed.sum(), speed.max()], still.ravel()])


def _at(times: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    return np.stack([np.interp(at, times, column) for column in values.T], -1)
