"""Backgrounds on the device against those of the host: views of the same plates, and the same distribution."""

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("skimage")

import torch

from palmar.synth.background import Backgrounds
from palmar.synth.device.background import Plates, sample_backgrounds
from palmar.synth.device.philox import Draws


@pytest.fixture(scope="module")
def pool():
    backgrounds = Backgrounds(canvases=9, size=96)
    return backgrounds, Plates.of(backgrounds, torch.device("cpu"))


def test_views_are_those_of_the_host(pool):
    """Turned, mirrored, small and large, beyond the border, of every group of plates."""
    backgrounds, plates = pool
    rng = np.random.default_rng(0)
    for group, reflect in (("photographs", True), ("scenes", True), ("people", False), ("masks", True)):
        own = getattr(backgrounds._pool, group)
        number = rng.integers(len(own), size=4)
        scale, angle = np.exp(rng.uniform(-1, 1.5, 4)), rng.uniform(-3, 3, 4)
        matrix = np.stack(
            [-scale * np.cos(angle), -scale * np.sin(angle), scale * -np.sin(angle), scale * np.cos(angle)]
        )
        centre = rng.uniform(0, 90, (2, 4))
        t = lambda a: torch.from_numpy(a).float()  # noqa: E731
        found = plates.view(
            torch.from_numpy(number) + plates.first[group],
            tuple(t(matrix)),
            tuple(t(centre)),
            40,
            reflect=reflect,
        )
        border = cv2.BORDER_REFLECT_101 if reflect else cv2.BORDER_CONSTANT
        for i in range(4):
            mine = own[number[i]].view(tuple(matrix[:, i]), tuple(centre[:, i]), 40, 40, border)
            mine = mine[..., None] if mine.ndim == 2 else mine
            there = found[i, : mine.shape[2]].permute(1, 2, 0).numpy()
            off = np.abs(there - mine)
            assert off.mean() < 1.5  # the host rounds places to 1/32 pixel
            assert np.percentile(off, 95) < 6


def test_backgrounds_have_the_statistics_of_the_host(pool):
    backgrounds, plates = pool
    mine = np.stack([backgrounds.sample(np.random.default_rng(i), 24, 24) for i in range(900)])
    found = sample_backgrounds(plates, Draws(1, torch.arange(900), 0, 320), 24).permute(0, 2, 3, 1).numpy()
    assert found.shape == mine.shape
    assert found.min() >= 0
    assert found.max() <= 1.5 * 1.6
    assert abs(found.mean() - mine.mean()) < 0.04
    assert abs(found.std() - mine.std()) < 0.05
    spread = lambda a: np.percentile(a.mean((1, 2, 3)), (10, 50, 90))  # noqa: E731
    np.testing.assert_allclose(spread(found), spread(mine), atol=0.07)
    detail = lambda a: np.abs(np.diff(a, axis=2)).mean((1, 2, 3))  # noqa: E731
    assert abs(np.median(detail(found)) / np.median(detail(mine)) - 1) < 0.35
    colour = lambda a: a.mean((1, 2)).std(1).mean()  # noqa: E731
    assert abs(colour(found) / colour(mine) - 1) < 0.3


def test_a_background_hangs_on_its_index_alone(pool):
    _, plates = pool
    whole = sample_backgrounds(plates, Draws(1, torch.arange(5), 0, 320), 48)
    part = sample_backgrounds(plates, Draws(1, torch.arange(3, 5), 0, 320), 48)
    torch.testing.assert_close(whole[3:], part, rtol=0, atol=1e-4)
