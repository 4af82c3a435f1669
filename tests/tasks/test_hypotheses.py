"""Figures of many hypotheses, worked out."""

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.tasks.hypotheses import aligned_distances, calibration, cps, deviations, distances, figures


@pytest.fixture(scope="module")
def worked():
    """Ground truth and five hypotheses by a written rule; millimetres in the rule, metres here."""
    i = np.arange(51).reshape(3, 17).T
    gt = 300 * np.sin(0.7 * i)
    found = np.stack([gt + (20 + 10 * h) * np.cos(1.3 * i + h) for h in range(5)])
    return (found - found[:, :1])[None] / 1000, (gt - gt[:1])[None] / 1000


def test_errors_of_each_hypothesis(worked):
    found, true = worked
    np.testing.assert_allclose(
        1000 * distances(found, true)[0].mean(-1), [32.8561, 37.3099, 46.3661, 81.6236, 78.9947], atol=1e-3
    )
    np.testing.assert_allclose(
        1000 * aligned_distances(found, true)[0].mean(-1), [22.1712, 33.0313, 40.6148, 54.0372, 65.8894], atol=1e-3
    )
    values = figures(found, true)
    assert values["mpjpe_mm"] == pytest.approx(32.8561, abs=1e-3)
    assert values["pa_mpjpe_mm"] == pytest.approx(22.1712, abs=1e-3)


def test_the_spread_of_joint_one(worked):
    found, _ = worked
    each = 1000 * found[0, :, 1].std(0, ddof=1)
    np.testing.assert_allclose(each, [44.7466, 44.9728, 44.8995], atol=1e-3)
    assert 1000 * deviations(found)[0, 1] == pytest.approx(np.sqrt((each**2).sum()), abs=1e-6)


def test_calibration_of_worked_joints(worked):
    found, true = worked
    share = calibration(found, true)
    np.testing.assert_allclose(share[1:3], [0.6, 0.8])


def test_an_honest_spread_is_half():
    rng = np.random.default_rng(0)
    centre = rng.normal(size=(400, 1, 5, 3))
    centre[:, :, 0] = 0
    noise = rng.normal(size=(400, 101, 5, 3)) * 0.1
    noise[:, :, 0] = 0
    both = centre + noise
    np.testing.assert_allclose(calibration(both[:, :100], both[:, 100])[1:], 0.5, atol=0.05)
    narrow = centre + 0.2 * noise
    assert calibration(narrow[:, :100], both[:, 100])[1:].max() < 0.1


def test_correct_poses(worked):
    found, true = worked
    best = 1000 * aligned_distances(found, true)[0, 0].max()
    assert cps(found, true) == pytest.approx(300 - np.ceil(best) + 0.5, abs=1.0)
    assert cps(true[:, None], true) == 299.0


def test_doubt_is_followed():
    rng = np.random.default_rng(0)
    unsure = rng.random((50, 21)) < 0.4
    found = rng.normal(size=(50, 30, 21, 3)) * np.where(unsure, 0.03, 0.005)[:, None, :, None]
    values = figures(found, np.zeros((50, 21, 3)), unsure)
    assert values["spread_follows_doubt"] > 0.5  # ties keep it below 0.85
    assert "calibration" not in figures(found[:, :1], np.zeros((50, 21, 3)))


def test_shapes_are_named():
    with pytest.raises(PalmarError, match=r"expected \[n, h, j, 3\] of \[n, j, 3\]"):
        distances(np.zeros((2, 3, 21, 3)), np.zeros((2, 20, 3)))
