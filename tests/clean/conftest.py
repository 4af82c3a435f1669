"""A hand that moves steadily with a known shape, and what a tracker might make of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotmat_from_rotvec, rotvec_from_rotmat
from palmar.hand import HandModel
from palmar.types import Hands

CAMERA = Camera(320, 240, 300.0, 300.0, 159.5, 119.5)
FPS = 20.0


def moving(
    frames=tuple(range(30)), *, side: int = 1, track: int = 0, shape=None, speed=(0.2, 0.05, 0.1), spin: float = 1.0
) -> Hands:
    """Rows of a hand that goes with `speed` metres a second and turns by `spin` radians a second about the line of
    sight, its fingers still."""
    model = HandModel.default(side)
    shaped = model.shaped(np.zeros(10) if shape is None else np.asarray(shape, float))
    angles = np.full((5, 3, 3), 0.15)
    columns: dict[str, list] = {n: [] for n in ("box", "keypoints", "joints", "pose", "translation")}
    for frame in frames:
        t = frame / FPS
        rotations = model.rotations_from_angles(angles)
        rotations[0] = rotmat_from_rotvec(np.array([0.0, 0.0, spin * t]))
        place = np.array([-0.1, 0.0, 0.5]) + np.array(speed) * t
        joints = shaped.posed(rotations, place).joints()
        flat = CAMERA.project(joints)
        columns["box"].append([*flat.min(0), *flat.max(0)])
        columns["keypoints"].append(np.concatenate([flat, np.full((21, 1), 0.9)], 1))
        columns["joints"].append(joints)
        columns["pose"].append(rotvec_from_rotmat(rotations))
        columns["translation"].append(place)
    n = len(frames)
    return Hands(
        frame=np.array(frames), track=np.full(n, track), view=np.zeros(n), side=np.full(n, side), score=np.full(n, 0.9),
        shape=np.tile(shaped.shape, (n, 1)), action=np.array(["wave"] * n, object), **columns,
    )  # fmt: skip


@pytest.fixture(scope="session")
def hand() -> Callable[..., Hands]:
    return moving


@pytest.fixture(scope="session")
def times() -> np.ndarray:
    return np.arange(60) / FPS
