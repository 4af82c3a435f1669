"""The blocks keep extents and do what their definitions say."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from palmar.nn.blocks import Backbone, Pyramid, Residual, multiply_adds, planes_from_image


def test_a_picture_is_centred_and_already_channels_last():
    image = torch.tensor([[[[0, 128, 255]]]], dtype=torch.uint8)
    np.testing.assert_allclose(planes_from_image(image).flatten(), [-2.0, 0.0, 255 / 64 - 2])
    planes = planes_from_image(torch.zeros(2, 4, 6, 3, dtype=torch.uint8))
    assert planes.shape == (2, 3, 4, 6)
    assert planes.is_contiguous(memory_format=torch.channels_last)


def test_maps_halve_and_the_pyramid_comes_back():
    maps = Backbone(4, (4, 6, 8), (1, 0, 1))(torch.zeros(2, 3, 32, 64))
    assert [m.shape for m in maps] == [(2, 4, 8, 16), (2, 6, 4, 8), (2, 8, 2, 4)]
    assert Pyramid((4, 6, 8), 5)(maps).shape == (2, 5, 8, 16)


def test_a_new_residual_block_is_the_identity_on_what_a_relu_leaves():
    x = torch.rand(2, 6, 5, 5)
    torch.testing.assert_close(Residual(6)(x), x)


def test_multiply_adds_against_the_count_by_hand():
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.line = nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Linear(4, 5)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.line(self.conv(planes_from_image(image)).mean((2, 3)))

    assert multiply_adds(Two(), torch.zeros(1, 8, 8, 3, dtype=torch.uint8)) == 4 * 4 * 4 * 27 + 20
