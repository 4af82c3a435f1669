"""A small first-person split with pictures, made by hand: a coloured box and hands drawn as dots."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand import HandModel
from palmar.types.firstperson import EgoClip, EgoFrame, Split, Vocabulary, box_points

WORDS = Vocabulary(("none", "box", "can", "book"), ("none", "lift", "turn"))


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def made(index: int) -> EgoFrame:
    """Both hands by a box; every third frame has no left hand."""
    rng = np.random.default_rng((30, index))
    camera = Camera.from_fov(192, 120, 1.4)
    joints = np.full((2, 21, 3), np.nan, np.float32)
    pose, shape = np.full((2, 16, 3), np.nan, np.float32), np.full((2, 10), np.nan, np.float32)
    place = np.full((2, 3), np.nan, np.float32)
    middle = rng.normal((0, 0, 0.45), (0.04, 0.03, 0.03))
    for side in (0, 1) if index % 3 else (1,):
        turn = rng.normal(0, 0.15, (16, 3))
        turn[0] = rng.normal(0, 0.3, 3)
        pose[side], shape[side] = turn, rng.normal(0, 0.5, 10)
        place[side] = middle + np.array([0.12 if side else -0.12, 0.02, 0])
        shaped = HandModel.default(side).shaped(shape[side].astype(np.float64))
        joints[side] = shaped.posed(rotmat_from_rotvec(turn), place[side].astype(np.float64)).joints()
    label = 1 + index % 3
    half = np.array([0.05, 0.03, 0.04]) * (0.7 + 0.2 * label)
    turn = rotmat_from_rotvec(rng.normal(0, 0.5, 3))
    points = (box_points(-half, half) @ turn.T + middle).astype(np.float32)
    image = np.full((120, 192, 3), 60, np.uint8)
    hull = cv2.convexHull(camera.project(points.astype(np.float64)).astype(np.int32))
    cv2.fillConvexPoly(image, hull, [(200, 60, 40), (40, 200, 60), (60, 40, 200)][label - 1])
    for side in (0, 1):
        for x, y in np.nan_to_num(camera.project(joints[side].astype(np.float64)), nan=-99):
            cv2.circle(image, (int(x), int(y)), 3, (230, 180, 150) if side else (120, 90, 70), -1)
    return EgoFrame(f"f{index}", camera, image, joints, label, points, None, pose, shape, place, 1 + index % 2)


def clip(index: int, action: int) -> EgoClip:
    """A box lifted, or turned in place, by the right hand."""
    base = made(3 * index)
    t = 12
    phase = np.linspace(0, 1, t)
    joints = np.repeat(base.joints[None], t, 0)
    points = np.repeat(base.points[None], t, 0)
    if action == 1:
        joints[..., 1] -= 0.1 * phase[:, None, None].astype(np.float32)
        points[..., 1] -= 0.1 * phase[:, None].astype(np.float32)
    else:
        middle = points[0, :1].copy()
        for i, p in enumerate(phase):
            points[i] = (points[i] - middle) @ rotmat_from_rotvec(np.array([0, 1.5 * p, 0])).T + middle
    return EgoClip(f"c{index}", base.camera, phase / 2, joints, np.full(t, base.object), points, action)


@pytest.fixture(scope="session")
def frames():
    return [made(i) for i in range(12)]


@pytest.fixture(scope="session")
def split(frames):
    return Split(WORDS, frames, [clip(i, 1 + i % 2) for i in range(8)])
