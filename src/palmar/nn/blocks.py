"""Convolution blocks: plain 3x3 convolutions with batch norm, which two CPU cores and a GPU both run fast.

Tensors are [b, c, h, w] in the channels_last memory format; pictures arrive as uint8 [b, h, w, 3], which is that format
already.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn


def planes_from_image(image: UInt8[Tensor, "b h w 3"]) -> Float[Tensor, "b 3 h w"]:
    """The picture as the networks see it: channels first, about -2 to 2."""
    return image.permute(0, 3, 1, 2).float() * (1 / 64) - 2.0


def conv(inputs: int, outputs: int, *, size: int = 3, stride: int = 1, act: bool = True) -> nn.Sequential:
    """Convolution that keeps the extent (divided by the stride), batch norm and, with `act`, a ReLU."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    if act:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class Residual(nn.Module):
    """Two 3x3 convolutions around a shortcut. He et al. 2016, figure 2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = conv(width, width)
        self.second = conv(width, width, act=False)
        norm = self.second[1]
        assert isinstance(norm, nn.BatchNorm2d)
        nn.init.zeros_(norm.weight)                # starts as the identity, Goyal et al. 2017

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return F.relu(x + self.second(self.first(x)), inplace=True)


class Backbone(nn.Module):
    """A stem of stride 4 and one stage per width, each of half the extent of the one before."""

    def __init__(self, stem: int, widths: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        stages = [nn.Sequential(conv(3, stem, stride=2), conv(stem, widths[0], stride=2))]
        stages += [nn.Sequential(conv(a, b, stride=2)) for a, b in itertools.pairwise(widths)]
        for stage, width, count in zip(stages, widths, blocks, strict=True):
            stage.extend(Residual(width) for _ in range(count))
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """One map per stage: strides 4, 8, 16, ..."""
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class Pyramid(nn.Module):
    """The coarsest map brought up to the finest, a finer map added at each step. Lin et al. 2017, one 3x3 per step."""

    def __init__(self, widths: Sequence[int], width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(w, width, 1) for w in widths)
        self.smooth = nn.ModuleList(conv(width, width) for _ in widths[:-1])

    def forward(self, maps: Sequence[Float[Tensor, "b _ _ _"]]) -> Float[Tensor, "b c h w"]:
        """maps: fine to coarse, each of half the extent of the one before. The result has the extent of the first."""
        x = self.lateral[-1](maps[-1])
        for i in reversed(range(len(self.smooth))):
            x = self.smooth[i](F.interpolate(x, scale_factor=2.0, mode="nearest") + self.lateral[i](maps[i]))
        return x


def multiply_adds(model: nn.Module, image: UInt8[Tensor, "b h w 3"]) -> int:
    """Multiply-adds of the convolutions and linear layers of one forward pass over `image`."""
    total = 0

    def count(module: nn.Module, _: object, output: Tensor) -> None:
        nonlocal total
        weight = module.weight
        assert isinstance(weight, Tensor)
        total += output.numel() * weight[0].numel()

    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    training = model.training
    with torch.no_grad():
        model.eval()(image)
    model.train(training)
    for hook in hooks:
        hook.remove()
    return total
