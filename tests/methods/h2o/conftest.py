"""Frames and clips made by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from palmar.geometry.camera import Camera
from palmar.types.firstperson import EgoClip, EgoFrame, box_points


def frame(seed: int, *, left: bool = True, label: int = 2) -> EgoFrame:
    rng = np.random.default_rng(seed)
    joints = rng.normal((0.05, 0.0, 0.4), 0.04, (2, 21, 3)).astype(np.float32)
    joints[0, :, 0] -= 0.15
    if not left:
        joints[0] = np.nan
    points = (box_points(-np.full(3, 0.04), np.full(3, 0.04)) + np.array([0.0, 0.02, 0.42])).astype(np.float32)
    image = rng.integers(0, 255, (90, 160, 3)).astype(np.uint8)
    return EgoFrame(f"f{seed}", Camera.from_fov(160, 90, 1.4), image, joints, label, points)


def clip(index: int, action: int, length: int = 16) -> EgoClip:
    """0: a hand goes to the object, 1: away from it, 2: it rests; the rest of the scene is drawn anew."""
    rng = np.random.default_rng((index, action))
    camera = Camera.from_fov(320, 240, 1.3)
    joints = np.tile(rng.normal(0, 0.03, (2, 21, 3)), (length, 1, 1, 1)) + np.array([0.0, 0.0, 0.4])
    phase = np.linspace(0, 1, length)[:, None, None]
    way = rng.normal(0, 1, 3)
    way *= 0.2 / np.linalg.norm(way)
    centre = rng.normal((0, 0, 0.4), 0.03)
    if action < 2:
        joints[:, 1] = joints[:, 1] - joints[:, 1].mean((0, 1)) + centre + way * (1 - phase if action == 0 else phase)
    points = np.tile(box_points(-np.full(3, 0.03), np.full(3, 0.03)) + centre, (length, 1, 1))
    return EgoClip(
        f"{index}", camera, np.arange(length) / 10, joints.astype(np.float32), np.ones(length, int),
        points.astype(np.float32), action,
    )  # fmt: skip


@pytest.fixture(scope="session")
def scenes() -> SimpleNamespace:
    return SimpleNamespace(frame=frame, clip=clip)
