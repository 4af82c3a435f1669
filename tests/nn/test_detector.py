"""The detector: extents, ranges, and that every part takes part."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from palmar.errors import PalmarError
from palmar.nn.detector import Detector, DetectorConfig

TINY = DetectorConfig(stem=4, widths=(4, 6, 8, 8), blocks=(1, 1, 1, 1), pyramid=6)


def picture(height: int, width: int) -> torch.Tensor:
    return torch.as_tensor(np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (160, 192), (64, 224)])
def test_any_multiple_of_32_gives_cells_of_8_pixels(height, width):
    found = Detector(TINY).eval()(picture(height, width))
    h, w = height // 8, width // 8
    assert [tuple(v.shape) for v in found] == [(2, h, w), (2, h, w, 4), (2, h, w), (2, h, w, 2)]
    assert (found.box > 0).all()
    assert (found.score.sigmoid() < 0.05).all()          # nothing is a hand before training


def test_every_parameter_gets_a_gradient():
    torch.manual_seed(0)
    net = Detector(TINY)
    for block in net.modules():
        if isinstance(block, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(block.weight)
    sum((value * torch.randn_like(value)).sum() for value in net(picture(64, 96))).backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_moving_the_picture_by_a_coarse_cell_moves_the_answer():
    """Away from the border: convolutions know no place, so 32 pixels in are 4 cells out."""
    torch.manual_seed(1)
    net = Detector(TINY).eval()
    image = torch.full((1, 448, 448, 3), 114, dtype=torch.uint8)
    image[:, 200:220, 200:230] = picture(20, 30)[:1]
    moved = image.roll((32, 64), (1, 2))
    a, b = net(image).score, net(moved).score
    torch.testing.assert_close(a[:, 18:36, 18:36], b[:, 22:40, 26:44], atol=1e-5, rtol=1e-4)
    assert a[:, 18:36, 18:36].std() > 1e-4


def test_a_config_that_cannot_be_is_refused():
    with pytest.raises(PalmarError, match="block counts"):
        DetectorConfig(widths=(8, 8), blocks=(1,))
