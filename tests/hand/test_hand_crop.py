"""Crops about hands: upright, whole, and the same for a picture turned."""

import numpy as np
import pytest

from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand.crop import MIDDLE_MCP, WRIST, aim_at, crops_of


def hands(n: int = 5) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 21, 2)) * 40 + rng.uniform(100, 500, (n, 1, 2))


def test_the_palm_points_up_and_all_joints_are_inside():
    keypoints = hands()
    for points, crop in zip(keypoints, crops_of(aim_at(keypoints, 1.6), 96), strict=True):
        inside = crop.to_crop(points)
        up = inside[MIDDLE_MCP] - inside[WRIST]
        assert abs(up[0]) < 1e-6 * np.linalg.norm(up)
        assert up[1] < 0
        extent = inside.max(0) - inside.min(0)
        assert extent.max() == pytest.approx(96 / 1.6)
        np.testing.assert_allclose((inside.max(0) + inside.min(0)) / 2, (96 - 1) / 2, atol=1e-6)


def test_a_turned_picture_has_turned_crops():
    keypoints = hands()
    turn = rotmat_from_rotvec(np.array([0.0, 0.0, 0.7]))[:2, :2]
    here, there = crops_of(aim_at(keypoints, 1.5)), crops_of(aim_at(keypoints @ turn.T, 1.5))
    for one, other in zip(here, there, strict=True):
        assert other.side == pytest.approx(one.side)
        np.testing.assert_allclose(other.centre, turn @ one.centre)
        assert np.exp(1j * (other.angle - one.angle)) == pytest.approx(np.exp(0.7j))


def test_a_hand_seen_end_on_has_a_size_still():
    (crop,) = crops_of(aim_at(np.full((1, 21, 2), 30.0), 1.6))
    assert crop.side == pytest.approx(2 * 1.6)
