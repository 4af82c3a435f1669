"""Two hands and the object they hold, in metres, from one first-person picture: what a network gives and how it is
scored.

Metrics are those of H2O (Kwon et al. 2021): mean end-point errors in the camera's frame, without any alignment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.metrics.firstperson import error_per_hand, points_error, top1
from palmar.tasks.method import Report
from palmar.types.firstperson import EgoFrame


@dataclass(frozen=True, eq=False)
class HandsAndObject:
    """What a network says of n frames. Every frame is given both hands and an object; scores say how sure it is."""

    joints: Float[np.ndarray, "n 2 21 3"]
    """Metres, camera frame; NaN of a side that the network does not know."""
    points: Float[np.ndarray, "n 21 3"]
    """Of the object's box."""
    objects: Int[np.ndarray, " n"]
    """Classes, in the vocabulary of the network."""
    scores: Float[np.ndarray, "n 3"]
    """Of the left hand, the right hand, the object, 0 to 1."""
    fps: float
    """Frames per second one at a time: from the picture in memory to metres, as the median frame takes."""
    contact: Float[np.ndarray, "n 2 v"] | None = None
    """0 to 1 for vertices of the hands, of networks that say it."""


def one_at_a_time(
    frames: Sequence[EgoFrame], one: Callable[[UInt8[np.ndarray, "h w 3"], Camera], HandsAndObject]
) -> HandsAndObject:
    """What a network says of each frame alone, joined; `fps` is that of the median one. Raises PalmarError for a frame
    without a picture, and for no frames."""
    found = []
    for frame in frames:
        if frame.image is None:
            raise PalmarError(f"{frame.name}: no picture; this network reads pictures.")
        found.append(one(frame.image, frame.camera))
    if not found:
        raise PalmarError("no frames to look at.")
    names = ["joints", "points", "objects", "scores", *(["contact"] if found[0].contact is not None else [])]
    columns = {name: np.concatenate([getattr(each, name) for each in found]) for name in names}
    return HandsAndObject(**columns, fps=1 / float(np.median([1 / each.fps for each in found])))


def score(found: HandsAndObject, frames: Sequence[EgoFrame], where: str) -> Report:
    """MEPE over hands and objects that are there, whether or not the network is sure of them. where: what ran it."""
    true_joints = np.stack([frame.joints for frame in frames]).astype(np.float64)
    true_points = np.stack([frame.points for frame in frames]).astype(np.float64)
    true_object = np.array([frame.object for frame in frames])
    left, right = error_per_hand(found.joints, true_joints)
    thing = points_error(found.points, true_points)
    there = true_object > 0
    figures = {
        "mepe_left_mm": 1000 * left,
        "mepe_right_mm": 1000 * right,
        "mepe_object_mm": 1000 * thing,
        "object_top1": top1(found.objects[there], true_object[there]) if there.any() else float("nan"),
        "fps": found.fps,
        "frames": len(frames),
        "where": where,
    }
    table = "\n".join(
        [
            "| left, mm | right, mm | object, mm | class | frames/s |",
            "|---|---|---|---|---|",
            f"| {1000 * left:.1f} | {1000 * right:.1f} | {1000 * thing:.1f} | {figures['object_top1']:.3f} "
            f"| {found.fps:.1f} |",
            "",
            f"{len(frames)} frames; {where}.",
        ]
    )
    return Report(figures, table)
