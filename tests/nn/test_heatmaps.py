"""Heat maps: the documented numbers, a plain re-computation, laws of the decoders."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from palmar.nn.heatmaps import (
    HeatHead,
    NormUpHead,
    compatible_maps,
    expectation,
    gaussian_maps,
    mean_or_zero,
    peak_expectation,
    soft_iou,
)


def target(x: float, y: float) -> torch.Tensor:
    return compatible_maps(torch.tensor([x, y], dtype=torch.float64) / 128)


def test_published_target_inside():
    m = target(64.7, 30.2)
    at = [m[30, 64], m[30, 65], m[31, 65], m[30, 67]]
    np.testing.assert_allclose(at, [1, 0.945959, 0.894839, 0.606531], atol=1e-6)
    np.testing.assert_allclose([m.sum(), m.square().sum()], [56.548668, 28.274334], atol=1e-5)


def test_published_targets_at_the_border():
    m = target(1, 40)
    np.testing.assert_allclose(m[40, :5], [1, 0.951805, 0.820590, 0.640540, 0.452389], atol=1e-6)
    np.testing.assert_allclose([m.sum(), target(0, 0).sum()], [33.649525, 18.147109], atol=1e-5)
    assert target(-0.5, 10)[10, 0] == 1
    assert target(-1.2, 10).sum() == 0
    assert target(float("nan"), 10).sum() == 0
    assert target(128.0, 10).sum() == 0


@pytest.mark.parametrize("x", [0.0, 3.3, 64.0, 126.9])
def test_published_target_against_a_blurred_picture(x):
    one = np.zeros((128, 128))
    one[70, int(x)] = 1
    blurred = cv2.GaussianBlur(one, (51, 51), 3, borderType=cv2.BORDER_REFLECT_101)
    np.testing.assert_allclose(target(x, 70.5), blurred / blurred.max(), atol=1e-6)


def test_published_decoder():
    for (x, y), expected in {
        (64.7, 30.2): (64, 30),
        (1, 40): (2.224515, 40),
        (0, 0): (2.093032, 2.093032),
        (127.9, 64): (124.906950, 64),
    }.items():
        np.testing.assert_allclose(expectation(target(x, y)), expected, atol=1e-5)
    np.testing.assert_allclose(expectation(target(64.7, 30.2) + 0.001), (63.887677, 37.525626), atol=1e-5)
    np.testing.assert_allclose(expectation(torch.zeros(2, 5, 9)), [[4, 2]] * 2)


def test_published_loss():
    peak, shifted = target(64.7, 30.2), target(67.7, 30.2)
    empty = torch.zeros_like(peak)
    pairs = [(peak / 2, peak), (empty, peak), (empty, empty), (shifted, peak)]
    found = [float(soft_iou(p, t)) for p, t in pairs]
    np.testing.assert_allclose(found, [1 / 3, 0.99999996, 0, 0.362266], atol=1e-6)


def test_gaussians_stand_where_the_points_are():
    rng = np.random.default_rng(0)
    points = rng.uniform((8, 8), (40, 24), (50, 2))
    maps = gaussian_maps(torch.tensor(points), 32, 48, 1.5)
    y, x = np.mgrid[:32, :48]
    for point, found in zip(points, maps, strict=True):
        plain = np.exp(-((x - point[0]) ** 2 + (y - point[1]) ** 2) / (2 * 1.5**2))
        np.testing.assert_allclose(found, plain, atol=1e-12)
    outside = gaussian_maps(torch.tensor([[-0.6, 3.0], [47.6, 3.0], [3.0, 31.5], [float("nan"), 1.0]]), 32, 48)
    assert outside.abs().sum() == 0


def test_the_peak_decoder_forgets_background_and_border():
    rng = np.random.default_rng(1)
    points = torch.tensor(rng.uniform((0, 0), (47, 31), (300, 2)))
    maps = 0.9 * gaussian_maps(points, 32, 48, 1.5) + 0.001
    found, top = peak_expectation(maps, 3.75)
    deep = ((points > 4) & (points < torch.tensor([43.0, 27.0]))).all(-1)
    assert (found - points).abs()[deep].max() < 0.12
    assert (found - points).abs().max() < 0.75
    assert (expectation(maps) - points).abs().mean() > 5 * (found - points).abs().mean()
    assert ((top > 0.8) & (top < 0.902)).all()


def test_an_empty_map_has_a_place_and_no_height():
    found, top = peak_expectation(torch.zeros(3, 8, 8))
    assert torch.isfinite(found).all()
    assert (top == 0).all()


def test_the_mean_of_nothing():
    values = torch.tensor([1.0, float("nan"), 3.0], requires_grad=True)
    none = torch.zeros(3, dtype=torch.bool)
    loss = mean_or_zero(values, none)
    loss.backward()
    assert loss == 0
    assert values.grad is not None
    assert (values.grad == 0).all()
    assert mean_or_zero(values, torch.tensor([True, False, True])) == 2


@pytest.mark.parametrize(("head", "scale"), [(HeatHead(6, 5, 3, 4), 8), (NormUpHead(6, 5, 5, 4), 32)])
def test_heads_double_at_each_step(head, scale):
    assert head(torch.zeros(2, 6, 3, 2)).shape == (2, 4, 3 * scale, 2 * scale)
