"""Names and orders of hand joints, and the maps between them.

palmar's order is that of OpenPose, MediaPipe, FreiHAND, COCO-WholeBody, DexYCB and H2O: wrist; thumb CMC MCP IP tip;
index, middle, ring, little MCP PIP DIP tip. Every other order is a tuple `map` with `theirs[..., map, :] == ours`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from palmar.errors import PalmarError, one_of

FINGERS = ("thumb", "index", "middle", "ring", "little")
THUMB_JOINTS, FINGER_JOINTS = ("cmc", "mcp", "ip", "tip"), ("mcp", "pip", "dip", "tip")
JOINTS = (
    "wrist",
    *(f"{finger}_{joint}" for finger in FINGERS for joint in (THUMB_JOINTS if finger == "thumb" else FINGER_JOINTS)),
)
PARENTS = (-1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)
BONES = tuple((parent, child) for child, parent in enumerate(PARENTS) if parent >= 0)
TIPS = (4, 8, 12, 16, 20)

_MANO_FINGERS = ("index", "middle", "little", "ring", "thumb")
MANO_JOINTS = ("wrist", *(f"{finger}{k}" for finger in _MANO_FINGERS for k in (1, 2, 3)))
MANO_PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)
POSE_OF_FINGER = ((13, 14, 15), (1, 2, 3), (4, 5, 6), (10, 11, 12), (7, 8, 9))
"""Rows of `pose` (MANO tree order) of thumb, index, middle, ring, little, proximal to distal."""
BONE_OF_JOINT = (0, 13, 14, 15, 15, 1, 2, 3, 3, 4, 5, 6, 6, 10, 11, 12, 12, 7, 8, 9, 9)
"""The bone of MANO's tree that carries each of the 21 joints; tips ride on the last bone."""


@dataclass(frozen=True)
class Order:
    """A foreign joint order of one hand. `count` joints; `to_palmar[i]` is their index of our joint i, or -1 where
    they have none."""

    count: int
    to_palmar: tuple[int, ...]
    note: str = ""

    @property
    def from_palmar(self) -> tuple[int, ...]:
        """Our index of each of their joints, or -1 where we have none."""
        back = [-1] * self.count
        for ours, theirs in enumerate(self.to_palmar):
            if theirs >= 0:
                back[theirs] = ours
        return tuple(back)


_SAME = tuple(range(21))
_MANO21 = (0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20)

ORDERS: Mapping[str, Order] = {
    "palmar": Order(21, _SAME),
    "openpose": Order(21, _SAME),
    "mediapipe": Order(21, _SAME),
    "freihand": Order(21, _SAME),
    "dexycb": Order(21, _SAME, "its thumb joints are named mcp, pip, dip, tip"),
    "h2o": Order(21, _SAME),
    "coco_wholebody": Order(21, _SAME, "points 91-111 left, 112-132 right of the 133"),
    "fpha": Order(
        21,
        (0, 1, 6, 7, 8, 2, 9, 10, 11, 3, 12, 13, 14, 4, 15, 16, 17, 5, 18, 19, 20),
        "wrist, five MCP, then PIP DIP tip of each finger",
    ),
    "mano": Order(21, _MANO21, "16 tree joints, then tips thumb to little"),
    "ho3d": Order(21, _MANO21, "OpenGL axes"),
    "interhand": Order(
        21, (20, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12, 19, 18, 17, 16), "one hand; left is offset by 21"
    ),
    "rhd": Order(21, (0, 4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9, 16, 15, 14, 13, 20, 19, 18, 17), "one hand"),
    "webxr": Order(
        25,
        (0, 1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 13, 14, 16, 17, 18, 19, 21, 22, 23, 24),
        "finger metacarpals have no counterpart",
    ),
    "umetrack": Order(20, (5, -1, 6, 7, 0, 8, 9, 10, 1, 11, 12, 13, 2, 14, 15, 16, 3, 17, 18, 19, 4), "no thumb CMC"),
}


def convert(points: np.ndarray, source: str, target: str) -> np.ndarray:
    """Joints [..., n, c] from one order into another. Joints that `source` lacks become NaN.

    Raises PalmarError for an unknown order or a wrong number of joints.
    """
    one, two = ORDERS[one_of("joint order", source, ORDERS)], ORDERS[one_of("joint order", target, ORDERS)]
    points = np.asarray(points)
    if points.ndim < 2 or points.shape[-2] != one.count:
        raise PalmarError(f"joints in the order {source!r}: expected shape (..., {one.count}, c), got {points.shape}.")
    if source == target:
        return points
    index = np.array([one.to_palmar[ours] if ours >= 0 else -1 for ours in two.from_palmar])
    out = points[..., index, :]
    if (index < 0).any():
        out = out.astype(np.result_type(points.dtype, np.float32))
        out[..., index < 0, :] = np.nan
    return out
