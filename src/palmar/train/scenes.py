"""Pictures of scenes, made beforehand by `palmar synth --kind scenes`, as training takes photographs: anew each time.

A scene with a whole person costs a hundred times what a lone hand does, so it is drawn once and shown often, turned,
scaled, cut out and re-photographed (`palmar.train.photographs`). Unlike with photographs the labels are exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from palmar.data.photographs import Opinion
from palmar.data.shards import read_shards
from palmar.errors import PalmarError
from palmar.hand.box import hand_box
from palmar.train.photographs import Album, Kept

PICTURES = ("clean", "rgb")
"""Arrays that are taken, the first of them that there is: faults of a camera are added in training."""
VISIBLE = 0
"""Of `seen` in the labels: nothing stands before the joint."""
SMALLEST = 14.0
"""Pixels of a hand whose joints are learned."""


def load_scenes(folders: list[Path]) -> Album:
    """All pictures of these data sets; a sort of scene is a group. Raises PalmarError where a folder is no data set of
    scenes with pictures."""
    return Album.of([list(_pictures(folder)) for folder in folders])


def _pictures(folder: Path) -> Iterator[tuple[Kept, str]]:
    shards = read_shards(folder)
    names = [name for name in PICTURES if name in shards.layers]
    if not names or not len(shards):
        raise PalmarError(
            f"{folder}: no pictures of scenes; make them with palmar synth --kind scenes --sensors clean."
        )
    for sample in shards:
        labels = sample.labels
        try:
            for frame in labels["frames"]:
                yield kept(sample[f"{frame['prefix']}{names[0]}"], frame["hands"]), str(labels["scene"])
        except (KeyError, TypeError, ValueError) as err:
            raise PalmarError(
                f"{sample.shard}, {sample.key}: no scene's labels ({type(err).__name__}: {err})."
            ) from err


def kept(image: UInt8[np.ndarray, "h w 3"], hands: list[Mapping[str, Any]]) -> Kept:
    """A picture and the hands that can be made out in it.

    A hand counts where a third of its joints lie in the picture and four are seen; its box is cut at the edges.
    """
    height, width = image.shape[:2]
    boxes, sides, directions, opinions = [], [], [], []
    for hand in hands:
        points = points_of(hand["keypoints"])
        inside = ((points > -0.5) & (points < np.array([width, height]) - 0.5)).all(1)
        seen = inside & (np.asarray(hand["seen"]) == VISIBLE)
        if inside.mean() < 0.35 or seen.sum() < 4 or not np.isfinite(points).all():
            continue
        box, up = hand_box(points.astype(np.float32)), points[9] - points[0]
        boxes.append(np.clip(box, 0, np.array([width, height, width, height]) - 1))
        sides.append(float(hand["side"]))
        directions.append(up / max(float(np.linalg.norm(up)), 1e-6))
        if max(box[2] - box[0], box[3] - box[1]) >= SMALLEST and inside.mean() > 0.6 and seen.sum() >= 7:
            joints = np.asarray(hand["joints"], np.float32)
            opinions.append(
                Opinion(int(hand["side"]), 1.0, points.astype(np.float32), joints - joints.mean(0), seen.astype(bool))
            )
    n = len(boxes)
    return Kept(
        np.ascontiguousarray(image),
        np.array(boxes, np.float32).reshape(n, 4),
        np.array(sides, np.float32),
        np.array(directions, np.float32).reshape(n, 2),
        tuple(opinions),
    )


def points_of(keypoints: list[Any]) -> Float[np.ndarray, "21 2"]:
    """NaN for one behind the camera."""
    return np.array([(np.nan, np.nan) if point is None else point for point in keypoints], np.float64)
