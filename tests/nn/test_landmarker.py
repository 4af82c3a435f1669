"""The landmarker: exact soft-argmax, the pixel convention, and that every part takes part."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from palmar.errors import PalmarError
from palmar.nn.landmarker import Landmarker, LandmarkerConfig, cell_centres, soft_argmax

TINY = LandmarkerConfig(
    size=64, stem=4, widths=(4, 6, 8, 8), blocks=(1, 1, 1, 1), pyramid=6, gathered=4, squeezed=4, hidden=16
)


@pytest.fixture
def net() -> Landmarker:
    torch.manual_seed(0)
    return Landmarker(TINY)


def picture(count: int, seed: int = 0) -> torch.Tensor:
    return torch.as_tensor(np.random.default_rng(seed).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8))


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 31), (31, 0), (7, 20)])
def test_a_delta_gives_the_centre_of_its_cell(row, column):
    """Cell 0 of stride 4 covers pixels 0 to 3, whose centres' mean is 1.5: (0 + 0.5) 4 - 0.5."""
    heat = torch.zeros(1, 1, 32, 32)
    heat[0, 0, row, column] = 1.0
    mean, spread = soft_argmax(heat, 4.0)
    pixels = np.arange(128).reshape(32, 4).mean(1)
    np.testing.assert_array_equal(mean[0, 0], [pixels[column], pixels[row]])
    assert spread.max() < 2e-3


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_mean_and_spread_are_those_of_the_distribution(seed):
    rng = np.random.default_rng(seed)
    p = rng.random((6, 9))
    p /= p.sum()
    mean, spread = soft_argmax(torch.as_tensor(p)[None, None], 4.0)
    y, x = ((np.indices(p.shape) + 0.5) * 4 - 0.5).reshape(2, -1)
    w = p.ravel()
    middle = np.array([w @ x, w @ y])
    np.testing.assert_allclose(mean[0, 0], middle, rtol=1e-12)
    np.testing.assert_allclose(spread[0, 0], np.sqrt([w @ (x - middle[0]) ** 2, w @ (y - middle[1]) ** 2]), rtol=1e-6)


def test_cells_have_the_centres_of_a_resized_picture():
    """Resizing by s maps u to (u + 0.5) s - 0.5; so do cells to pixels."""
    np.testing.assert_allclose(cell_centres(5, 8.0), (np.arange(5) + 0.5) * 8 - 0.5)


def test_shapes_and_ranges(net):
    found = net.eval()(picture(3))
    assert found.heat.shape == (3, 21, 16, 16)
    torch.testing.assert_close(found.heat.exp().sum((2, 3)), torch.ones(3, 21))
    assert found.keypoints.shape == (3, 21, 2)
    assert found.log_sigma.shape == (3, 21)
    assert found.presence.shape == found.side.shape == (3,)
    assert found.shape.shape == (3, 10)
    torch.testing.assert_close(
        found.rotations @ found.rotations.mT, torch.eye(3).expand(3, 16, 3, 3), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(torch.linalg.det(found.rotations), torch.ones(3, 16))


def test_every_parameter_gets_a_gradient(net):
    for block in net.modules():                   # the blocks' last norms begin at zero and would hide what is before
        if isinstance(block, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(block.weight)
    found = net(picture(4))
    sum((value * torch.randn_like(value)).sum() for value in found).backward()
    idle = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert idle == []


def test_the_heads_do_not_move_the_heat_maps(net):
    found = net(picture(2))
    (found.log_sigma.sum() + found.rotations.sum() + found.side.sum()).backward()
    assert net.heat.weight.grad is None
    assert net.pyramid.lateral[0].weight.grad.abs().sum() > 0        # but they do shape the features


def test_crops_do_not_mix_in_use(net):
    net.eval()
    image = picture(3)
    together, alone = net(image), net(image[1:2])
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a[1:2], b, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(together.keypoints[0], together.keypoints[1])


@pytest.mark.plain
def test_a_config_that_cannot_be_is_refused():
    with pytest.raises(PalmarError, match="multiple of 32"):
        LandmarkerConfig(size=100)
    with pytest.raises(PalmarError, match="block counts"):
        LandmarkerConfig(blocks=(1, 1))
    assert LandmarkerConfig(widths=[8, 8, 8, 8]).widths == (8, 8, 8, 8)      # as JSON gives it back
