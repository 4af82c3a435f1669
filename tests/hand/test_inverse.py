"""Pose and shape of bare geometry: what was posed comes back."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from palmar.errors import PalmarError
from palmar.geometry.rotations import angle_between
from palmar.hand import HandModel, limits, pose_of_joints, pose_of_skin


@pytest.fixture(scope="module", params=[1, 0], ids=["right", "left"])
def hands(request):
    model, rng = HandModel.default(request.param), np.random.default_rng(3)
    rotations = model.rotations_from_angles(limits.clip(rng.normal(0.3, 0.5, (12, 5, 3, 3))))
    rotations[:, 0] = Rotation.random(12, rng).as_matrix()
    shape = rng.normal(0, 1, (12, 10))
    return model, rotations, shape, model.shaped(shape).posed(rotations, rng.normal(0, 0.3, (12, 3)))


def _off(model, local, shape, posed, points):
    """Metres, root mean square after moving the middle."""
    mine, true = points(model.shaped(shape).posed(local)), points(posed)
    return np.sqrt((((mine - mine.mean(1, keepdims=True)) - (true - true.mean(1, keepdims=True))) ** 2).sum(-1).mean())


def test_a_skin_gives_its_pose_and_shape_back(hands):
    model, rotations, shape, posed = hands
    local, found = pose_of_skin(posed.skin(), model)
    assert np.degrees(angle_between(local, rotations)).max() < 1.5
    assert _off(model, local, found, posed, lambda h: h.skin()) < 0.0002
    assert np.abs(found - shape).mean() < 0.1
    np.testing.assert_allclose(local @ local.swapaxes(-1, -2), np.broadcast_to(np.eye(3), local.shape), atol=1e-9)


def test_noise_on_the_skin_stays_noise(hands):
    model, rotations, _, posed = hands
    noisy = posed.skin() + np.random.default_rng(0).normal(0, 0.0005, posed.skin().shape)
    local, found = pose_of_skin(noisy, model)
    assert np.degrees(angle_between(local, rotations)).mean() < 2
    assert _off(model, local, found, posed, lambda h: h.joints()) < 0.001


def test_joints_give_a_hand_through_them(hands):
    model, rotations, _, posed = hands
    local, found = pose_of_joints(posed.joints(), model)
    assert _off(model, local, found, posed, lambda h: h.joints()) < 0.0025
    assert np.degrees(angle_between(local[:, 0], rotations[:, 0])).max() < 4


def test_a_hand_of_other_proportions_is_pointed_alike(hands):
    model, _, _, posed = hands
    grown = 1.15 * posed.joints()
    local, shape = pose_of_joints(grown, model)
    mine = model.shaped(shape).posed(local).joints()

    def ways(joints):
        bones = np.stack([joints[:, t - k] - joints[:, t - k - 1] for t in (4, 8, 12, 16, 20) for k in range(3)], 1)
        return bones / np.linalg.norm(bones, axis=-1, keepdims=True)

    assert np.degrees(np.arccos(np.clip((ways(mine) * ways(grown)).sum(-1), -1, 1))).max() < 3


def test_other_topologies_are_named(hands):
    with pytest.raises(PalmarError, match=r"has 1690 vertices, got an array of shape \(2, 778, 3\)"):
        pose_of_skin(np.zeros((2, 778, 3)), hands[0])
