"""Hands on the device against the hand model, the anatomy and the capsules they are copied from."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("numba")

import torch
from scipy.spatial.transform import Rotation

from palmar.hand import HandModel
from palmar.synth import anatomy
from palmar.synth.collision import Body
from palmar.synth.device.body import (
    HandTensors,
    rotations_from_quaternions,
    segment_distance,
    sleeve,
    upright,
)
from palmar.synth.pose import sample_pose


@pytest.fixture(scope="module")
def hands():
    """Six hands: shapes, angles, bends, as NumPy in float64 and as tensors."""
    rng = np.random.default_rng(3)
    arrays = (
        rng.normal(0, 1, (6, 10)).clip(-2.5, 2.5),
        np.stack([sample_pose(rng).angles for _ in range(6)]),
        rng.normal(0, 0.4, (6, 3)),
    )
    return *arrays, *(torch.from_numpy(a).float() for a in arrays)


@pytest.fixture(scope="module")
def tensors():
    return HandTensors.of(HandModel.default(), torch.device("cpu"))


def test_hands_are_posed_as_the_model_poses_them(hands, tensors):
    shape, angles, bend, *there = hands
    model = HandModel.default()
    posed = tensors.pose(there[0], there[1])
    skin = tensors.skin(there[0], posed, there[2])
    for i in range(len(shape)):
        shaped = model.shaped(shape[i])
        rotations = model.rotations_from_angles(angles[i])
        mine = shaped.posed(rotations)
        np.testing.assert_allclose(posed.rotations[i], rotations, atol=2e-6)
        np.testing.assert_allclose(posed.bones[i], mine.bone_rotations, atol=2e-6)
        np.testing.assert_allclose(posed.joints[i], mine.joints(), atol=1e-6)
        np.testing.assert_allclose(skin[i], anatomy.bend_wrist(mine.skin(), model.behind, bend[i]), atol=1e-6)
        np.testing.assert_allclose(tensors.rest(there[0])[i], shaped.vertices(), atol=1e-6)


def test_arms_and_sleeves_are_those_of_the_anatomy(hands, tensors):
    rng = np.random.default_rng(0)
    ring = rng.normal(0, 0.03, (2, 20, 3))
    axis = rng.normal(size=(2, 3))
    gap = rng.uniform(0.002, 0.01, (2, 6, 20))
    length, elbow, start = np.array([0.2, 0.3]), np.array([1.2, 1.6]), np.array([-0.03, 0.02])
    t = lambda a: torch.from_numpy(a).float()  # noqa: E731
    arm = tensors.arm(t(ring), t(axis), t(length), t(elbow))
    cover = sleeve(t(ring), t(axis), t(start), t(length), t(elbow), t(length), t(gap))
    for i in range(2):
        np.testing.assert_allclose(arm[i], anatomy.forearm(ring[i], axis[i], length[i], elbow[i]), atol=1e-6)
        mine = anatomy.sleeve(ring[i], axis[i], start[i], length[i], elbow[i], length[i], gap[i])
        np.testing.assert_allclose(cover[i], mine, atol=1e-6)


def test_overlaps_are_those_of_the_capsules(tensors):
    rng = np.random.default_rng(1)
    shape = rng.normal(0, 1, (40, 10)).clip(-2.5, 2.5)
    angles = np.stack([sample_pose(rng).angles for _ in range(40)])
    model = HandModel.default()
    mine = [Body.of(model.shaped(s)).overlap(a) for s, a in zip(shape, angles, strict=True)]
    found = tensors.overlap(torch.from_numpy(shape).float(), torch.from_numpy(angles).float()[:, None])[:, 0]
    assert 5 < np.count_nonzero(mine) < 40
    np.testing.assert_allclose(found, mine, atol=2e-6)


def test_distance_of_segments_by_trying_points():
    rng = np.random.default_rng(2)
    p, q = rng.normal(size=(2, 30, 2, 3))
    q[:10, 1] = q[:10, 0] + (p[:10, 1] - p[:10, 0]) * rng.normal(size=(10, 1))  # parallel
    s = np.linspace(0, 1, 201)
    mine = []
    for a, b in zip(p, q, strict=True):
        on_a = a[0] + s[:, None] * (a[1] - a[0])
        on_b = b[0] + s[:, None] * (b[1] - b[0])
        mine.append(np.linalg.norm(on_a[:, None] - on_b[None], axis=-1).min())
    np.testing.assert_allclose(segment_distance(torch.from_numpy(p), torch.from_numpy(q)), mine, atol=0.01)


def test_turns_are_those_of_scipy():
    rng = np.random.default_rng(4)
    roll, tilt, yaw = rng.uniform(-2, 2, (3, 5))
    t = torch.from_numpy
    mine = Rotation.from_euler("ZXY", np.stack([roll, tilt, yaw], 1)).as_matrix()
    np.testing.assert_allclose(upright(t(roll), t(tilt), t(yaw)), mine, atol=1e-12)
    q = rng.normal(size=(5, 4))
    np.testing.assert_allclose(rotations_from_quaternions(t(q)), Rotation.from_quat(q).as_matrix(), atol=1e-12)
