"""Crops of hands with the contact of every vertex, from scenes that `palmar synth` recorded with a sense of touch.

    palmar synth /data/touch --kind scenes --scene holding,interacting,desk --sensors clean,touch --seconds 2 --fps 2
    crops = read_contacts("/data/touch", size=128)

A vertex touches where another thing's, hand's or body's surface is nearer than `TOUCH`, or reaches into it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from palmar.data.shards import read_shards
from palmar.errors import PalmarError
from palmar.hand.crop import aim_at, crops_of
from palmar.tasks.crops import CropSpec
from palmar.train.scenes import points_of
from palmar.types.hands import LEFT

TOUCH = 0.005
"""Metres."""
SMALLEST = 24.0
"""Pixels of a hand's longer side below which it is left out."""
LEAST_INSIDE = 0.7
"""Share of a hand's joints that lie in the picture."""


@dataclass(frozen=True, eq=False)
class ContactCrops:
    """n crops of right hands, left ones mirrored."""

    images: UInt8[np.ndarray, "n s s 3"]
    contact: Float[np.ndarray, "n v"]
    """1 where the vertex touches."""

    def __len__(self) -> int:
        return len(self.images)


def read_contacts(folder: str | Path, *, size: int, threshold: float = TOUCH) -> ContactCrops:
    """All hands of a data set of scenes that are large and whole enough, upright as tracking cuts them.

    Raises PalmarError for a folder that is no data set of scenes with the sensors clean and touch, and where no hand is
    left.
    """
    shards = read_shards(Path(folder))
    missing = {"clean", "touch_skin", "touch_instances"} - set(shards.layers)
    if missing:
        raise PalmarError(
            f"{folder}: no {', '.join(sorted(missing))} in it; make it with palmar synth --kind scenes --sensors "
            "clean,touch."
        )
    spec = CropSpec(size)
    images, contact = [], []
    for sample in shards:
        for frame in sample.labels["frames"]:
            picture = sample[f"{frame['prefix']}clean"]
            skin = sample[f"{frame['prefix']}touch_skin"]
            rows = sample[f"{frame['prefix']}touch_instances"].tolist()
            for hand in frame["hands"]:
                points = points_of(hand["keypoints"])
                if hand["instance"] not in rows or not _usable(points, picture.shape):
                    continue
                (crop,) = crops_of(aim_at(points[None], spec.scale), size)
                cut = crop.extract(picture)
                images.append(np.ascontiguousarray(cut[:, ::-1]) if hand["side"] == LEFT else cut)
                contact.append(skin[rows.index(hand["instance"])] < threshold)
    if not images:
        raise PalmarError(f"{folder}: no hand of {SMALLEST:g} pixels or more in it.")
    return ContactCrops(np.stack(images), np.stack(contact).astype(np.float32))


def _usable(points: Float[np.ndarray, "21 2"], shape: tuple[int, ...]) -> bool:
    if not np.isfinite(points).all() or np.ptp(points, axis=0).max() < SMALLEST:
        return False
    inside = ((points >= 0) & (points < (shape[1], shape[0]))).all(1)
    return bool(inside.mean() >= LEAST_INSIDE)
