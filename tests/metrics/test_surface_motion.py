"""F-score, acceleration and jitter against worked numbers, plain loops and closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palmar.errors import PalmarError
from palmar.metrics import acceleration_error, f_score, jitter


def test_golden_f_score():
    """Made by running the official FreiHAND script, which calls precision what we call recall."""
    true = np.array([[0.0, 0, 0], [0.01, 0, 0], [0.02, 0, 0], [0.03, 0, 0]])
    predicted = np.array([[0, 0.004, 0], [0.01, 0.006, 0], [0.02, 0.02, 0], [0.03, 0, 0], [0.5, 0, 0]])
    assert f_score(predicted, true, 0.005) == pytest.approx((4 / 9, 0.4, 0.5))
    assert f_score(predicted, true, 0.015) == pytest.approx((0.75, 0.6, 1.0))


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 1.0))
def test_f_score_is_the_plain_search(seed, threshold):
    rng = np.random.default_rng(seed)
    a, b = rng.random((12, 3)), rng.random((9, 3))
    apart = np.linalg.norm(a[:, None] - b[None], axis=-1)
    precision, recall = (apart.min(1) < threshold).mean(), (apart.min(0) < threshold).mean()
    f = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    assert f_score(a, b, threshold) == pytest.approx((f, precision, recall))
    assert f_score(b, a, threshold).f == pytest.approx(f)
    assert f_score(a, a, threshold).f == 1


def test_f_score_is_strict_and_refuses_nothing():
    assert f_score(np.zeros((1, 3)), np.array([[0.25, 0, 0]]), 0.25).f == 0
    with pytest.raises(PalmarError, match="both sides"):
        f_score(np.zeros((0, 3)), np.zeros((4, 3)), 0.1)
    with pytest.raises(PalmarError, match="not finite"):
        f_score(np.full((2, 3), np.nan), np.zeros((4, 3)), 0.1)


def test_acceleration():
    t = np.arange(12.0)[:, None, None]
    still = np.zeros((12, 21, 3))
    falling = np.concatenate([0 * t, 0.5 * 9.81 * (t / 30) ** 2, 0 * t], -1) + still
    assert acceleration_error(falling, still, fps=30.0) == pytest.approx(9.81)
    assert acceleration_error(falling, still) == pytest.approx(9.81 / 900)
    assert acceleration_error(still + 3 * t + 1, still) == pytest.approx(0, abs=1e-12)     # even motion
    one = still.copy()
    one[6, 0, 0] = 1.0                                         # second differences 1, -2, 1 of ten, in one of 21 joints
    assert acceleration_error(one, still) == pytest.approx(4 / 10 / 21)
    one[6] = np.nan
    assert acceleration_error(one, still) == 0
    assert np.isnan(acceleration_error(still[:2], still[:2]))
    with pytest.raises(PalmarError, match="one shape"):
        acceleration_error(still, still[:5])


def test_jitter():
    rng = np.random.default_rng(0)
    still = rng.random((1, 21, 2)) * 100
    assert jitter(np.repeat(still, 9, 0)) == pytest.approx(0, abs=1e-12)
    assert jitter(still + 2 * rng.normal(size=(4000, 21, 2))) == pytest.approx(2 * np.sqrt(2), rel=0.02)
    swing = still + 3 * np.array([1, -1, 1, -1])[:, None, None] * np.array([1.0, 0.0])
    assert jitter(swing) == pytest.approx(3)
    assert jitter(swing + 1000) == pytest.approx(3)
    gap = np.concatenate([swing, np.full((1, 21, 2), np.nan)])
    assert jitter(gap) == pytest.approx(3)
    assert np.isnan(jitter(swing[:1]))
