"""The figures on clips with exact truth: a perfect tracker has none of every error, a shifted one what it was shifted
by."""

import numpy as np
import pytest

from palmar.bench import real
from palmar.bench.mediapipe_peer import Found

RNG = np.random.default_rng(0)
KEYPOINTS = RNG.uniform(0, 100, (4, 21, 2))
JOINTS = RNG.normal((0, 0, 0.5), 0.05, (4, 21, 3))


def found(t: int, *, shift: float = 0.0, side: int = 1) -> Found:
    one = np.ones(1)
    return Found(KEYPOINTS[t][None], JOINTS[t][None] + [0, 0, shift], np.array([side]), one, np.zeros(1, int))


def test_a_perfect_tracker():
    figures = real.against_truth([found(t) for t in range(4)], KEYPOINTS, JOINTS)
    assert figures.pop("frames_with_hand_percent") == 100
    assert figures.pop("right_side_percent") == 100
    assert figures.pop("frames_with_joints_percent") == 100
    assert max(figures.values()) == pytest.approx(0, abs=1e-9)


def test_a_shift_shows_only_in_the_camera_frame():
    figures = real.against_truth([found(t, shift=0.02, side=t % 2) for t in range(4)], KEYPOINTS, JOINTS)
    assert figures["camera_space_mm"] == pytest.approx(20)
    assert figures["root_relative_mm"] == pytest.approx(0, abs=1e-9)
    assert figures["right_side_percent"] == 50
    assert "camera_space_mm" not in real.against_truth([found(0)], KEYPOINTS[:1], JOINTS[:1], camera_space=False)


def test_missed_frames_are_counted():
    nothing = Found(np.zeros((0, 21, 2)), np.zeros((0, 21, 3)), np.zeros(0, int), np.zeros(0), np.zeros(0, int))
    figures = real.against_truth([found(0), nothing, nothing, found(3)], KEYPOINTS, JOINTS)
    assert figures["frames_with_hand_percent"] == 50
    assert figures["keypoint_error_over_size"] == pytest.approx(0)
    assert real.against_truth([nothing], KEYPOINTS[:1], JOINTS[:1]) == {"frames_with_hand_percent": 0.0}


def test_joints_that_are_no_numbers_do_not_count():
    lost = found(1)
    lost.joints[:] = np.nan
    figures = real.against_truth([found(0), lost], KEYPOINTS, JOINTS)
    assert figures["frames_with_hand_percent"] == 100
    assert figures["frames_with_joints_percent"] == 50
    assert figures["camera_space_mm"] == pytest.approx(0)


def test_mean_and_spread_over_clips():
    figures = real._over_clips([{"a": 1.0, "b": 5.0}, {"a": 3.0}])
    assert figures == {"clips": 2, "a": 2.0, "a_spread": 1.0, "b": 5.0, "b_spread": 0.0}


def test_the_clips_themselves():
    pytest.importorskip("numba")
    from palmar.synth.clip import moving_hand

    one, again = moving_hand(3, 1, frames=2), moving_hand(3, 1, frames=2)
    np.testing.assert_array_equal(one.images, again.images)
    assert one.images.shape == (2, 480, 640, 3)
    np.testing.assert_allclose(one.camera.project(one.joints.astype(float)), one.keypoints, atol=1e-2)
    assert not np.array_equal(one.images, moving_hand(3, 2, frames=2).images)
