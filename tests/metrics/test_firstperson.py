from __future__ import annotations

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.geometry.transforms import rigid
from palmar.metrics.firstperson import (
    add,
    auc_of_width,
    close_together,
    error_per_hand,
    far_apart,
    fpha_epe_official,
    freihand_scores,
    gap_between,
    pck_of_frames,
    pck_of_width,
    points_error,
    reprojection_error,
    scaled,
    top1,
    two_hands,
    verb_accuracy,
)

ROW = np.stack([np.arange(21) * 5.0, np.full(21, 40.0)], -1)
"""x = 0, 5, ... 100: a box 100 pixels wide."""
OFF = ROW + np.stack([np.zeros(21), np.arange(21.0)], -1)
"""Joint i is off by i pixels."""


def test_the_example_of_the_width():
    true, predicted = ROW[None], OFF[None]
    assert np.linalg.norm(predicted - true, axis=-1).mean() == 10
    assert pck_of_width(predicted, true)[0] == pytest.approx(20 / 21)  # 20 pixels are not below 20
    assert auc_of_width(predicted, true)[0] == pytest.approx(365 / 420)
    assert auc_of_width(true, true)[0] == pytest.approx(0.95)
    assert pck_of_width(true, true, 0.0)[0] == 0


def test_two_hands_by_loops():
    rng = np.random.default_rng(0)
    true = rng.uniform(0, 700, (9, 2, 21, 2))
    predicted = true + rng.normal(0, 30, true.shape)
    true[[0, 1], 0], true[[1, 2], 1], predicted[[3, 1], 1], predicted[3, 0] = np.nan, np.nan, np.nan, np.nan
    found = two_hands(predicted, true)
    frames = []
    for p, t in zip(predicted, true, strict=True):
        hands = []
        for side in range(2):
            if np.isnan(p[side]).any() or np.isnan(t[side]).any():
                continue
            d = [np.hypot(*(p[side, j] - t[side, j])) for j in range(21)]
            width = t[side, :, 0].max() - t[side, :, 0].min()
            share = [sum(x < k / 20 * width for x in d) / 21 for k in range(20)]
            hands.append((sum(d) / 21, share[4], sum(share) / 20))
        frames.append(np.mean(hands, 0) if hands else None)
    kept = [f for f in frames if f is not None]
    np.testing.assert_allclose((found.epe, found.pck, found.auc), np.mean(kept, 0))
    with_empty = (found.epe_with_empty, found.pck_with_empty, found.auc_with_empty)
    np.testing.assert_allclose(with_empty, np.sum(kept, 0) / 9)
    assert (found.pictures, found.empty) == (9, 2)
    assert found.presence == (6 / 9, 7 / 9)  # left: 0, 1 found, not there, 3 missed; right: 2 found, 3 missed


def test_nothing_found_has_no_figure():
    true = np.full((2, 2, 21, 2), np.nan)
    found = two_hands(true, true)
    assert np.isnan(found.epe)
    assert found.epe_with_empty == 0
    assert found.presence == (1, 1)
    with pytest.raises(PalmarError, match="expected one shape"):
        two_hands(true, true[:1])


def test_close_and_far():
    hands = np.stack([ROW, ROW], 0)[None].repeat(4, 0)
    hands[:, 1, :, 0] += np.array([0.0, 1.0, 500.0, 501.0])[:, None]
    hands = np.concatenate([hands, np.full((1, 2, 21, 2), np.nan)])
    hands[0, 0, :, 0] += 0.5
    np.testing.assert_array_equal(gap_between(hands)[:4], (-100.5, -99.0, 400.0, 401.0))
    assert close_together(hands).tolist() == [True, False, False, False, False]
    assert far_apart(hands).tolist() == [False, False, False, True, False]


def test_scaling_keeps_corners():
    corners = np.array([[-0.5, -0.5], [319.5, 239.5]])
    np.testing.assert_allclose(scaled(corners, (320, 240)), [[-0.5, -0.5], [1279.5, 719.5]])


def test_the_quirk_of_fpha():
    rng = np.random.default_rng(0)
    true = rng.uniform(0.1, 0.9, (6, 21, 2))
    predicted = true + np.array((0.01, 0.0))
    assert fpha_epe_official(predicted, true, batch=2) == pytest.approx(12.8)
    true[2, 0, 0], predicted[3] = 1.1, 5.0  # both in the second batch, which does not count
    assert fpha_epe_official(predicted, true, batch=2) == pytest.approx(12.8)
    assert fpha_epe_official(predicted, true, batch=3) > 1000  # the wild one is counted
    assert np.isnan(fpha_epe_official(predicted, true, batch=6))


def test_errors_in_space():
    rng = np.random.default_rng(0)
    true = rng.normal((0, 0, 0.5), 0.1, (4, 2, 21, 3))
    predicted = true.copy()
    predicted[:, 0, :, 2] += 0.03
    predicted[:, 1, :, 0] += np.array([0.0, 0.01, 0.02, 0.05])[:, None]
    true[3, 0] = np.nan
    left, right = error_per_hand(predicted, true)
    assert left == pytest.approx(0.03)
    assert right == pytest.approx(0.02)
    share = pck_of_frames(predicted[:, 1], true[:, 1], [0.0, 0.005, 0.015, 0.03, 0.06])
    assert share.tolist() == [0, 0.25, 0.5, 0.75, 1]
    predicted[0, 1] = np.nan
    assert np.isnan(error_per_hand(predicted, true)[1])
    assert pck_of_frames(predicted[:, 1], true[:, 1], [0.06]).tolist() == [0.75]
    assert points_error(predicted[1:, 1], true[1:, 1]) == pytest.approx(0.08 / 3)


def test_objects():
    rng = np.random.default_rng(1)
    model = rng.normal(0, 0.1, (50, 3))
    poses = [rigid(rotmat_from_rotvec(rng.normal(0, 1, (3, 3))), rng.normal((0, 0, 1), 0.1, (3, 3))) for _ in range(2)]
    want = [
        np.mean([np.linalg.norm((a @ (*v, 1) - b @ (*v, 1))[:3]) for v in model]) for a, b in zip(*poses, strict=True)
    ]
    np.testing.assert_allclose(add(model, *poses), want)
    camera = Camera(100, 80, 90, 95, 50, 40)
    points = rng.normal((0, 0, 1), 0.1, (2, 21, 3))
    moved = points + np.array((0.01, 0, 0))
    assert reprojection_error(camera, moved, points) == pytest.approx(np.mean(0.9 / points[..., 2]))


def test_actions():
    verb_of = [0, 1, 1, 2]
    predicted, true = np.array([1, 2, 3, 0]), np.array([2, 2, 1, 0])
    assert top1(predicted, true) == 0.5
    assert verb_accuracy(predicted, true, verb_of) == 0.75
    with pytest.raises(PalmarError, match="4 predicted and 3 true"):
        top1(predicted, true[:3])
    assert np.isnan(top1(true[:0], true[:0]))


def test_freihand():
    rng = np.random.default_rng(2)
    joints, vertices = rng.normal(0, 0.03, (3, 21, 3)), rng.normal(0, 0.03, (3, 100, 3))
    turn = rotmat_from_rotvec(np.array([0.3, -1.0, 2.0]))
    moved = [1.3 * points @ turn.T + 0.5 for points in (joints, vertices)]
    perfect = freihand_scores(moved[0], joints, moved[1], vertices)
    assert perfect.pa_mpjpe < 1e-9
    assert perfect.pa_mpvpe < 1e-9
    assert perfect.f5 == perfect.f15 == pytest.approx(1)
    assert perfect.auc > 0.99
    noisy = freihand_scores(moved[0], joints, moved[1] + rng.normal(0, 0.02, vertices.shape), vertices)
    assert 0.005 < noisy.pa_mpvpe < 0.04
    assert noisy.f5 < noisy.f15 < 1
    assert freihand_scores(moved[0], joints).f5 is None
