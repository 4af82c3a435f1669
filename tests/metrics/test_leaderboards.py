"""Figures of HO3D, InterHand2.6M and DexYCB against worked numbers (made by running the official scripts), and laws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from palmar.errors import PalmarError
from palmar.geometry import Camera
from palmar.hand.joints import convert
from palmar.metrics.leaderboards import dexycb_scores, hint_scores, ho3d_scores, interhand_scores


def mm(value: float, digits: int = 6):
    return pytest.approx(value / 1000, abs=0.6 * 10.0**-digits / 1000)


def test_golden_ho3d():
    """In the file's order, as the official script has it; converted to palmar's, the figures are the same."""
    i = np.arange(21)
    true = np.stack([0.01 * i, 0.005 * (i % 4), 0.5 + 0.002 * (i % 3)], -1)
    predicted = 2 * (true - true[0]) + (0.1, 0.1, 0.4)
    predicted[5, 0] += 0.004
    predicted[4, 1] += 0.002
    predicted, true = (convert(points[None], "ho3d", "palmar") for points in (predicted, true))
    found = ho3d_scores(predicted, true)
    assert found.absolute.mean == mm(250.089894)
    assert found.aligned.mean == mm(0.229349, 5)  # the official script adds 1e-8 to its norms
    assert found.scaled.mean == mm(0.172108)
    assert found.absolute.auc == 0
    assert found.scaled.auc > 0.99
    assert found.mesh is None


def golden_interhand():
    """Three samples of which all but four numbers are right; as the official evaluation gets them."""
    camera = Camera(256, 256, 1500.0, 1500.0, 128.0, 128.0)
    k = np.arange(21.0)
    right = np.stack([4 * k - 60, 2 * k - 20, 1000 + 2 * k], -1)
    left = np.stack([60 - 3 * k, 2 * k - 10, 1050 + k], -1)
    true = np.stack([np.concatenate([right, left])] * 3)
    pixels, depth = camera.project(true), true[..., 2].copy()
    depth[0, 0] += 400 / 64
    pixels[2, 24, 0] += 4
    predicted = camera.unproject(pixels) * depth[..., None]
    wrists = predicted[:, [41, 20]].copy()
    z = depth[2, 20] + (true[2, 41, 2] - true[2, 20, 2]) + 2 * 400 / 64
    wrists[2, 0] = camera.unproject(pixels[2, 41]) * z
    true[0, 21:] = true[1, :21] = np.nan

    def ours(rows):
        return (
            np.stack([convert(rows[:, part], "interhand", "palmar") for part in (slice(21, 42), slice(21))], 1) / 1000
        )

    present = np.array([[0.2, 0.9], [0.7, 0.6], [0.51, 0.8]])  # left first
    return ours(predicted), ours(true), np.array([0, 1, 2]), wrists / 1000, present


def test_golden_interhand():
    predicted, true, kinds, wrists, present = golden_interhand()
    before = true.copy()
    for _ in range(2):  # the truth is left alone, so that the second time is as the first
        found = interhand_scores(predicted, true, kinds, wrists=wrists, present=present)
        assert found.mpjpe_single == mm(0.149107)
        assert found.mpjpe_interacting == mm(0.066857)
        assert found.mpjpe == mm(0.107982)
        assert found.mrrpe == mm(12.504912)
        assert found.handedness == pytest.approx(2 / 3)
    np.testing.assert_array_equal(true, before)
    without = interhand_scores(predicted, true, kinds, present=present, kinds_valid=np.array([True, False, True]))
    assert without.handedness == 1
    assert without.mrrpe == pytest.approx(0, abs=1e-12)


def test_interhand_counts_what_is_valid():
    predicted, true, kinds, _, _ = golden_interhand()
    true[2, 0, 0] = np.nan  # the wrist takes its hand with it, and the picture out of the MRRPE
    found = interhand_scores(predicted, true, kinds)
    assert found.mpjpe_interacting == pytest.approx(0, abs=1e-12)  # the error was in the left hand
    assert np.isnan(found.mrrpe)
    half = np.full((1, 2), 0.5)
    assert interhand_scores(predicted[:1], true[:1], kinds[:1], present=half).handedness == 0
    with pytest.raises(PalmarError, match="one shape"):
        interhand_scores(predicted, true[:2], kinds)


def test_laws():
    rng = np.random.default_rng(0)
    true = rng.normal((0, 0, 0.6), 0.05, (4, 21, 3))
    mesh = rng.normal((0, 0, 0.6), 0.05, (4, 50, 3))
    perfect = ho3d_scores(true, true, mesh, mesh)
    assert (perfect.absolute.mean, perfect.absolute.auc, perfect.f5, perfect.f15_aligned) == (0, 1, 1, 1)
    moved = ho3d_scores(true + 0.01, true, mesh + 0.01, mesh)
    assert moved.absolute.mean == pytest.approx(0.01 * np.sqrt(3))
    assert moved.mesh.mean == pytest.approx(0.01 * np.sqrt(3))
    assert moved.scaled.mean == pytest.approx(0, abs=1e-12)
    assert moved.f5 < 1 == moved.f5_aligned
    turned = 1.3 * true @ Rotation.random(rng=0).as_matrix().T + (0.1, 0, 0.2)
    for found in (ho3d_scores(turned, true), dexycb_scores(turned, true)):
        assert found.aligned.mean == pytest.approx(0, abs=1e-9)
        assert found.absolute.mean > 0.05
    mirrored = dexycb_scores(true * (-1, 1, 1), true)
    assert mirrored.aligned.mean == pytest.approx(0, abs=1e-9)  # as the official script lets it
    shifted = dexycb_scores(true + np.array([0.03, 0, 0]), true)
    assert shifted.absolute.mean == pytest.approx(0.03)
    assert shifted.absolute.auc == pytest.approx(0.4, abs=0.01)
    assert shifted.relative.mean == pytest.approx(0, abs=1e-12)


def test_dexycb_skips_pictures_without_a_hand():
    true = np.random.default_rng(1).normal(0, 0.05, (3, 21, 3))
    predicted = true + 0.02
    predicted[1] += 5
    true[1] = np.nan
    assert dexycb_scores(predicted, true).absolute.mean == pytest.approx(0.02 * np.sqrt(3))
    with pytest.raises(PalmarError, match="no picture has a true hand"):
        dexycb_scores(predicted[1:2], true[1:2])


def test_golden_hint():
    """Three joints with these errors in pixels; the rest never counts. The box's longer side is 100."""
    true = np.random.default_rng(2).uniform(0, 200, (2, 21, 2))
    predicted, visible = true.copy(), np.zeros((2, 21), bool)
    visible[:, :3] = True
    visible[0, 2] = False
    predicted[0, :3, 0] += (4.9, 5.0, 5.1)
    predicted[1, :3, 1] += (10 - 1e-9, 14.9, 15.1)
    boxes = np.array([[10.0, 20, 110, 80], [10, 20, 70, 120]])
    assert hint_scores(predicted, true, boxes, visible) == pytest.approx((1 / 3, 0.5, 2 / 3))
    with pytest.raises(PalmarError, match="without area"):
        hint_scores(predicted, true, boxes * 0, visible)
