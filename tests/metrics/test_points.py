"""Errors of points against worked numbers (millimetres, made by running the official scripts), and laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from palmar.errors import PalmarError
from palmar.geometry import Camera, procrustes
from palmar.metrics import (
    auc,
    distances,
    epe,
    mean_error,
    mpjpe,
    mpvpe,
    mrrpe,
    pa_mpjpe,
    pa_mpvpe,
    pck,
    procrustes_aligned,
    scale_translation_aligned,
)

TRUE = np.array([[0, 0, 0], [0.10, 0, 0], [0, 0.08, 0], [0, 0, 0.05], [0.03, 0.04, 0.02]])[None]
PREDICTED = np.array([[0.01, 0.02, 0.30], [0.02, 0.11, 0.31], [-0.06, 0.03, 0.29], [0, 0.02, 0.36],
                      [-0.02, 0.06, 0.33]])[None]
MIRROR = np.array([-1.0, 1.0, 1.0])


def mm(value: float, digits: int = 6):
    """Metres against a number printed in millimetres with this many digits."""
    return pytest.approx(value / 1000, abs=0.6 * 10.0**-digits / 1000)


@pytest.mark.parametrize("reflection", [False, True])
def test_golden_procrustes(reflection):
    assert pa_mpjpe(PREDICTED, TRUE, reflection=reflection) == mm(7.946281)
    s, R, _ = procrustes(PREDICTED, TRUE, reflection=reflection)
    assert s[0] == pytest.approx(1.047051, abs=1e-6)
    np.testing.assert_allclose(R[0].T, [[0.136519, -0.972562, -0.188374], [0.989905, 0.141241, -0.011813],
                                        [0.038095, -0.184860, 0.982026]], atol=1e-6)
    np.testing.assert_allclose(procrustes_aligned(PREDICTED, TRUE, reflection=reflection)[0, 0],
                               [-0.000881, 0.002977, -0.008107], atol=1e-6)


def test_golden_mirrored_hands():
    mirrored = TRUE * MIRROR + (0.1, 0.2, 0.3)
    assert pa_mpjpe(mirrored, TRUE, reflection=True) == pytest.approx(0, abs=1e-8)
    assert pa_mpjpe(mirrored, TRUE) == mm(25.877805)
    assert procrustes(mirrored, TRUE).scale[0] == pytest.approx(0.833415, abs=1e-6)
    assert pa_mpjpe(PREDICTED * MIRROR, TRUE, reflection=True) == mm(7.946281)
    assert pa_mpjpe(PREDICTED * MIRROR, TRUE) == mm(31.037228)


def test_golden_zero_prediction_and_scale():
    assert pa_mpjpe(np.zeros_like(TRUE), TRUE) == mm(49.686660)
    assert pa_mpjpe(2 * PREDICTED, TRUE) == mm(7.946281)       # a known defect of the official script gives 38.615 here
    assert pa_mpvpe(PREDICTED, TRUE) == mm(7.946281)


def test_golden_freihand_auc():
    error = np.array([[0, 30], [10, 60], [20, 5], [60, 50]]) / 1000
    assert mean_error(error) == mm(29.375)
    assert auc(error, 0.05) == pytest.approx(0.464015, abs=1e-6)
    curve = pck(error, np.linspace(0, 0.05, 100))
    assert (curve[0], curve[-1]) == (0.125, 0.75)
    assert auc(error, 0.05, steps=101, pooled=True) == pytest.approx(0.465625, abs=1e-9)


def test_golden_ho3d():
    i = np.arange(21)
    true = np.stack([0.01 * i, 0.005 * (i % 4), 0.5 + 0.002 * (i % 3)], -1)
    predicted = 2 * (true - true[0]) + (0.1, 0.1, 0.4)
    predicted[5, 0] += 0.004
    predicted[4, 1] += 0.002
    true, predicted = true[None], predicted[None]
    assert mpjpe(predicted, true, root=None) == mm(250.089894)
    assert pa_mpjpe(predicted, true) == mm(0.229349, 5)        # the official script adds 1e-8 to its norms
    aligned = scale_translation_aligned(predicted, true, bone=(0, 4))        # its own order: 4 is the middle MCP
    assert epe(aligned, true) == mm(0.172108)
    single = distances(aligned, true)[0, [4, 5, 20]] * 1000
    np.testing.assert_allclose(single, [0.999766, 1.983799, 0.062327], atol=1e-6)


def test_golden_two_hand_protocol():
    true = np.zeros((1, 21, 3))
    true[0, :, 0] = 0.01 * np.arange(21)
    predicted = 1.1 * true + (0.5, 0, 0)
    predicted[0, 3, 1] += 0.011
    assert epe(scale_translation_aligned(predicted, true, root=9), true) == mm(0.476190)


def test_golden_pck_of_hint():
    error, size = np.array([[4.9, 5.0, np.nan], [10, 14.9, 15.1]]), 100.0
    limits = np.array([0.05, 0.1, 0.15])
    np.testing.assert_allclose(pck(error / size, limits), [1 / 3, 0.5, 2 / 3])
    np.testing.assert_allclose(pck(error / size, limits, pooled=True), [0.4, 0.6, 0.8])


def test_golden_mmpose_auc():
    error = np.array([[3.0], [12.0], [29.0], [40.0]])
    assert pck(error, 1.5 * np.arange(20), strict=True).mean() == pytest.approx(0.35)


def test_golden_interhand():
    """The official evaluation of three samples whose predictions are exact but for four numbers."""
    camera = Camera(256, 256, 1500.0, 1500.0, 128.0, 128.0)
    k = np.arange(21.0)
    right = np.stack([4 * k - 60, 2 * k - 20, 1000 + 2 * k], -1)
    left = np.stack([60 - 3 * k, 2 * k - 10, 1050 + k], -1)
    true = np.stack([np.concatenate([right, left])] * 3)       # one right hand, one left hand, both; millimetres
    seen = np.ones((3, 42), bool)
    seen[0, 21:] = seen[1, :21] = False
    pixels, depth = camera.project(true), true[..., 2].copy()
    depth[0, 0] += 400 / 64                                    # a heat map of 64 cells is 400 mm deep
    pixels[2, 24, 0] += 4                                      # and 256 pixels wide
    predicted = camera.unproject(pixels) * depth[..., None]

    def relative(points: np.ndarray) -> np.ndarray:
        return np.concatenate([points[:, :21] - points[:, 20:21], points[:, 21:] - points[:, 41:]], 1)

    error = distances(relative(predicted), relative(true), seen)
    assert error[0, 0] == pytest.approx(6.262488, abs=1e-6)
    assert error[2, 24] == pytest.approx(2.808, abs=1e-3)
    assert mean_error(error[:2]) == pytest.approx(0.149107, abs=1e-6)
    assert mean_error(error[2:]) == pytest.approx(0.066857, abs=1e-6)
    assert mean_error(error) == pytest.approx(0.107982, abs=1e-6)
    ray, z = camera.unproject(pixels[2:, 41]), depth[2:, 20, None] + (true[2, 41, 2] - true[2, 20, 2]) + 2 * 400 / 64
    assert mrrpe(ray * z, predicted[2:, 20], true[2:, 41], true[2:, 20]) == pytest.approx(12.504912, abs=1e-6)


@given(st.integers(0, 2**32 - 1))
def test_laws(seed):
    rng = np.random.default_rng(seed)
    true = rng.normal(size=(3, 21, 3))
    assert epe(true, true) == 0
    moved = true + np.array([0.006, 0.008, 0.0])
    assert mpjpe(moved, true, root=None) == pytest.approx(0.01)
    assert mpjpe(moved, true) == pytest.approx(0, abs=1e-12)
    turned = 1.7 * true @ Rotation.random(rng=rng).as_matrix().T + (1, 2, 3)
    assert pa_mpjpe(turned, true) == pytest.approx(0, abs=1e-9)
    assert pa_mpjpe(true[..., ::-1] * MIRROR, true, reflection=True) == pytest.approx(0, abs=1e-9)
    noisy = true + rng.normal(size=true.shape)
    free, proper = (procrustes_aligned(noisy, true, reflection=r) for r in (True, False))
    left = [(distances(points, true) ** 2).sum() for points in (free, proper, noisy)]
    assert left[0] <= left[1] + 1e-9 <= left[2] + 1e-8


def test_noise_has_its_mean_error():
    rng = np.random.default_rng(0)
    noise = 0.003 * rng.normal(size=(2000, 21, 3))
    assert epe(noise, np.zeros_like(noise)) == pytest.approx(1.595769 * 0.003, rel=0.01)     # sqrt(8 / pi) sigma


def test_the_root_matters_and_only_where_it_should():
    rng = np.random.default_rng(1)
    true, predicted = rng.normal(size=(2, 4, 21, 3))
    by_hand = [np.linalg.norm((predicted - predicted[:, [r]]) - (true - true[:, [r]]), axis=-1).mean() for r in (0, 9)]
    assert [mpjpe(predicted, true, root=r) for r in (0, 9)] == pytest.approx(by_hand)
    assert by_hand[0] != pytest.approx(by_hand[1])
    assert mpvpe(predicted, true, predicted_root=predicted[:, 0], true_root=true[:, 0]) == pytest.approx(by_hand[0])
    assert mpvpe(predicted, true) == pytest.approx(np.linalg.norm(predicted - true, axis=-1).mean())


def test_unseen_points_change_nothing():
    rng = np.random.default_rng(2)
    true, predicted = rng.normal(size=(2, 5, 21, 3))
    seen = rng.random((5, 21)) < 0.7
    seen[:, 0] = [True, True, True, True, False]
    spoilt_true, spoilt = (np.where(seen[..., None], x, np.nan) for x in (true, predicted))
    for metric in (epe, mpjpe, pa_mpjpe):
        value = metric(predicted, true, seen)
        assert np.isfinite(value)
        assert metric(spoilt, spoilt_true, seen) == pytest.approx(value)
        assert value != pytest.approx(metric(predicted, true))
    slow = [np.mean([np.linalg.norm(predicted[i, k] - true[i, k]) for i in range(5) if seen[i, k]]) for k in range(21)]
    assert epe(predicted, true, seen) == pytest.approx(np.mean(slow))


def test_a_prediction_that_is_missing_is_an_error_not_a_gap():
    true, predicted = np.zeros((2, 3, 2)), np.zeros((2, 3, 2))
    predicted[1, 2] = np.nan
    assert np.isnan(epe(predicted, true))
    assert pck(distances(predicted, true), 1.0) == pytest.approx(5 / 6)
    assert auc(distances(predicted, true), 1.0) == pytest.approx(5 / 6)
    assert np.isnan(epe(true, true, np.zeros((2, 3), bool)))
    assert np.isnan(pck(np.full((2, 3), np.nan), [0.1, 0.2])).all()


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.booleans())
def test_pck_is_the_plain_loop(seed, pooled, strict):
    rng = np.random.default_rng(seed)
    error = np.where(rng.random((6, 4)) < 0.7, rng.integers(0, 6, (6, 4)) / 4, np.nan)
    for limit in (0.0, 0.5, 0.6):
        hits = [[(e < limit if strict else e <= limit) for e in column if not np.isnan(e)] for column in error.T]
        shares = [np.mean(h) for h in hits if h]
        expected = np.mean(np.concatenate(hits)) if pooled else np.mean(shares)
        assert pck(error, limit, pooled=pooled, strict=strict) == pytest.approx(expected)
    assert (np.diff(pck(error, np.linspace(0, 2, 9))) >= 0).all()
    assert pck(error, 2.0) == 1.0


def test_bad_input():
    with pytest.raises(PalmarError, match="one shape"):
        epe(np.zeros((2, 21, 3)), np.zeros((2, 20, 3)))
    with pytest.raises(PalmarError, match="one shape"):
        epe(np.zeros((0, 21, 3)), np.zeros((0, 21, 3)))
    with pytest.raises(PalmarError, match="visible"):
        epe(np.zeros((2, 21, 3)), np.zeros((2, 21, 3)), np.ones((2, 20), bool))
    with pytest.raises(PalmarError, match="true point"):
        epe(np.zeros((1, 1, 2)), np.full((1, 1, 2), np.nan))
    with pytest.raises(PalmarError, match="both roots"):
        mpvpe(np.zeros((1, 1, 3)), np.zeros((1, 1, 3)), true_root=np.zeros((1, 3)))
