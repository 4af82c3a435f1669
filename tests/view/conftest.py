"""Hands before a camera, made by the hand model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotmat_from_rotvec, rotvec_from_rotmat
from palmar.hand.box import hand_box
from palmar.hand.mirror import mirror_rotmats
from palmar.hand.model import HandModel
from palmar.types import Hands

UPRIGHT = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
"""Of a right hand: fingers up in the picture, palm to the camera."""


def hands_at(
    camera: Camera, *places: tuple[int, tuple[float, float, float]], turn: tuple[float, float, float] = (0.2, 0.3, 0.1)
) -> Hands:
    """Hands of given sides at given places. A left one is turned as the mirror image of a right one."""
    rows = []
    for side, place in places:
        angles = np.zeros((5, 3, 3))
        angles[:, :, 0] = 0.3
        rotations = HandModel.default(1).rotations_from_angles(angles)
        rotations[0] = rotmat_from_rotvec(np.array(turn, float)) @ UPRIGHT
        if side == 0:
            rotations = mirror_rotmats(rotations)
        joints = HandModel.default(side).shaped(np.zeros(10)).posed(rotations, np.array(place)).joints()
        rows.append((rotations, joints, np.array(place)))
    n = len(rows)
    joints = np.stack([row[1] for row in rows])
    keypoints = camera.project(joints)
    return Hands(
        frame=np.zeros(n),
        track=np.arange(n),
        view=np.zeros(n),
        side=np.array([side for side, _ in places]),
        score=np.ones(n),
        box=hand_box(keypoints),
        keypoints=np.concatenate([keypoints, np.ones((n, 21, 1))], -1),
        joints=joints,
        pose=rotvec_from_rotmat(np.stack([row[0] for row in rows])),
        shape=np.zeros((n, 10)),
        translation=np.stack([row[2] for row in rows]),
    )


@pytest.fixture
def make_hands() -> Callable[..., Hands]:
    return hands_at


@pytest.fixture
def camera() -> Camera:
    return Camera.from_fov(640, 480, 1.0)
