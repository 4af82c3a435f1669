"""JSON shaped as the results of MediaPipe's hand landmarker, a list of one entry per frame.

landmarks: x and y as shares of the picture's width and height, z as depth behind the wrist on about the scale of x;
worldLandmarks: metres about the hand's geometric centre. `handedness` is the person's own side. MediaPipe's own answers
take the picture for a mirror image: exchange Left and Right where a program expects that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from palmar.errors import PalmarError
from palmar.export.motion import frames_of, rows_of_frames, scores, times_of
from palmar.export.options import PLAIN, Options
from palmar.export.texts import write_json
from palmar.geometry.camera import Camera
from palmar.types import Clip, Hands

NAMES = ("Left", "Right")


def write(clip: Clip, path: Path, options: Options = PLAIN) -> None:
    """Raises PalmarError where there is no camera, whose size the shares are of."""
    write_json(path, results(clip))


def results(clip: Clip) -> Iterator[dict[str, Any]]:
    """One entry per frame: timestampMs (None of unrelated pictures), handedness, landmarks, worldLandmarks."""
    if clip.camera is None:
        raise PalmarError(f"{clip.frames.source}: the size of its pictures is not known ({clip.camera_note}).")
    hands = clip.hands
    stills = bool(clip.info.get("stills"))
    times = np.full(frames_of(clip), np.nan) if stills else times_of(clip)
    flat, metric = landmarks(hands, clip.camera)
    score = scores(hands)
    for rows, time in zip(rows_of_frames(hands, len(times)), times.tolist(), strict=True):
        names = [NAMES[hands.side[row]] for row in rows]
        yield {
            "timestampMs": None if stills else round(1000 * time),
            "handedness": [
                [{"index": NAMES.index(name), "score": score[row], "categoryName": name, "displayName": name}]
                for row, name in zip(rows, names, strict=True)
            ],
            "landmarks": [_points(flat[row]) for row in rows],
            "worldLandmarks": [_points(metric[row]) for row in rows],
        }


def landmarks(hands: Hands, camera: Camera) -> tuple[Float[np.ndarray, "n 21 3"], Float[np.ndarray, "n 21 3"]]:
    """Landmarks and world landmarks of rows with keypoints and joints. Raises PalmarError where those are missing."""
    if not len(hands):
        return np.zeros((0, 21, 3)), np.zeros((0, 21, 3))
    if hands.keypoints is None or hands.joints is None:
        raise PalmarError("these hands have no keypoints and joints; track them again.")
    joints = np.where(np.isfinite(hands.joints), hands.joints.astype(np.float64), np.nan)
    pixels = hands.keypoints[..., :2].astype(np.float64)
    depth = joints[..., 2]
    # z on the scale of x: pixels of a picture plane through the wrist, over the picture's width.
    z = camera.fx * (depth - depth[:, :1]) / np.maximum(depth[:, :1], 1e-6) / camera.width
    flat = np.concatenate([(pixels + 0.5) / (camera.width, camera.height), z[..., None]], -1)
    return flat, joints - joints.mean(1, keepdims=True)


def _points(points: Float[np.ndarray, "21 3"]) -> list[dict[str, Any]]:
    """What is no finite number as null, which JSON can say. Of hands MediaPipe says no visibility: it is 0."""
    return [
        {axis: round(v, 7) if math.isfinite(v) else None for axis, v in zip("xyz", row, strict=True)}
        | {"visibility": 0}
        for row in points.tolist()
    ]
