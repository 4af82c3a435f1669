"""Small random batches with the keys of the real ones; the picture tells where things are, so they can be learnt."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand import HandModel


def some_crops(seed: int, number: int, count: int = 8, size: int = 64) -> dict[str, np.ndarray]:
    """A landmarker batch: a bright dot whose place sets the keypoints, noise elsewhere."""
    rng = np.random.default_rng((seed, number))
    image = rng.integers(0, 100, (count, size, size, 3), dtype=np.uint8)
    middle = rng.integers(size // 4, 3 * size // 4, (count, 2))
    for picture, (x, y) in zip(image, middle, strict=True):
        picture[y - 3 : y + 4, x - 3 : x + 4] = 255
    rotations = rotmat_from_rotvec(rng.normal(0, 0.3, (count, 16, 3)))
    shape = rng.normal(size=(count, 10))
    joints = HandModel.default().shaped(shape).posed(rotations).joints()
    joints = joints - joints[:, :1]
    batch = {
        "keypoints": middle[:, None] + joints[..., :2] * size,
        "visible": (rng.random((count, 21)) < 0.8) * 1.0,
        "presence": np.arange(count) % 4 != 3,
        "side": rng.random(count) < 0.5,
        "rotations": rotations,
        "shape": shape,
        "joints": joints,
        "has3d": np.arange(count) % 4 != 2,
        "weight": np.ones(count),
    }
    return {"image": image} | {name: value.astype(np.float32) for name, value in batch.items()}


def some_pictures(seed: int, number: int, count: int = 4, height: int = 64, width: int = 96) -> dict[str, np.ndarray]:
    """A detector batch: bright boxes on noise, none to three."""
    rng = np.random.default_rng((seed, number))
    image = rng.integers(0, 100, (count, height, width, 3), dtype=np.uint8)
    found = rng.integers(0, 4, count)
    low = rng.uniform(0, 0.6, (count, 3, 2)) * (width, height)
    boxes = np.concatenate([low, low + rng.uniform(12, 40, (count, 3, 2))], -1)
    for b in range(count):
        for x0, y0, x1, y1 in boxes[b, : found[b]].astype(int):
            image[b, y0:y1, x0:x1] = 230
    angle = rng.uniform(0, 2 * np.pi, (count, 3))
    return {
        "image": image,
        "boxes": boxes.astype(np.float32),
        "sides": (rng.random((count, 3)) < 0.5).astype(np.float32),
        "directions": np.stack([np.cos(angle), np.sin(angle)], -1).astype(np.float32),
        "count": found,
    }


@pytest.fixture
def crops() -> Callable[..., dict[str, np.ndarray]]:
    return some_crops


@pytest.fixture
def pictures() -> Callable[..., dict[str, np.ndarray]]:
    return some_pictures


@pytest.fixture(autouse=True)
def quick(one_thread):
    """All tests here."""
