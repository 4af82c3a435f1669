"""Angles read off poses: the inverse of posing by angles, on both hands; what 90 degrees leave open."""

import numpy as np
import pytest

from palmar.hand import HandModel, limits
from palmar.hand.angles import JOINT_NAMES, MOTIONS, angles_from_rotations


@pytest.mark.parametrize("side", [0, 1])
def test_angles_come_back(side):
    model = HandModel.default(side)
    low, high = limits.bounds()
    angles = low + np.random.default_rng(0).random((200, 5, 3, 3)) * (high - low)
    angles[..., 0] = np.clip(angles[..., 0], -1.4, 1.2)                     # short of 90 degrees of flexion
    found = angles_from_rotations(model.rotations_from_angles(angles), model)
    np.testing.assert_allclose(found, angles, atol=1e-4)


def test_rotations_come_back_at_any_flexion():
    """Where two axes coincide the angles are not unique, but the pose is."""
    model = HandModel.default()
    low, high = limits.bounds()
    angles = low + np.random.default_rng(1).random((200, 5, 3, 3)) * (high - low)
    angles[:, 1:, 1, 0] = np.pi / 2                                         # PIP bent by a right angle
    rotations = model.rotations_from_angles(angles)
    found = angles_from_rotations(rotations, model)
    np.testing.assert_allclose(model.rotations_from_angles(found), rotations, atol=5e-3)
    np.testing.assert_allclose(found[:, 1:, 1, 0], np.pi / 2, atol=0.02)


def test_what_is_not_finite_stays_so_and_touches_nothing_else():
    rotations = HandModel.default().rotations_from_angles(np.full((2, 5, 3, 3), 0.1))
    rotations[1, 3] = np.nan
    found = angles_from_rotations(rotations)
    assert np.isnan(found).sum() == 3
    np.testing.assert_allclose(found[0], 0.1, atol=1e-6)
    assert angles_from_rotations(np.zeros((0, 16, 3, 3))).shape == (0, 5, 3, 3)


def test_names_match_the_axes():
    assert list(JOINT_NAMES) == ["thumb", "index", "middle", "ring", "little"]
    assert all(len(joints) == 3 for joints in JOINT_NAMES.values())
    assert len(MOTIONS) == 3
