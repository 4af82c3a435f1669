"""ResNet, with the stride in the 3x3 convolution and norms that may be frozen; maps at 1/8, 1/16 and 1/32.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, figures 2 and 5; Goyal et al. 2017 for the stride.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

Norm = Literal["frozen", "batch"]
SHAPES = {
    "resnet50": ("bottleneck", 64, (64, 128, 256, 512), (3, 4, 6, 3)),
    "resnet18": ("basic", 64, (64, 128, 256, 512), (2, 2, 2, 2)),
    "small": ("basic", 16, (24, 40, 64, 96), (1, 1, 1, 1)),
}
"""Kind of block, width of the stem, widths and numbers of blocks of the four stages."""


class FrozenNorm(nn.Module):
    """Batch norm whose four vectors are data, not parameters: for networks that begin from someone's pictures."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(width))
        self.register_buffer("bias", torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)


class Conv(nn.Module):
    """Convolution without bias, then the norm."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
        self.norm = FrozenNorm(outputs) if norm == "frozen" else nn.BatchNorm2d(outputs)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o _ _"]:
        return self.norm(self.conv(x))


class Block(nn.Module):
    """Two 3x3 convolutions (basic), or 1x1, 3x3, 1x1 to four times the width (bottleneck), around a shortcut."""

    def __init__(self, kind: str, inputs: int, width: int, stride: int, norm: Norm) -> None:
        super().__init__()
        if kind == "basic":
            outputs = width
            self.convs = nn.ModuleList([Conv(inputs, width, 3, stride, norm), Conv(width, width, 3, 1, norm)])
        else:
            outputs = 4 * width
            self.convs = nn.ModuleList(
                [Conv(inputs, width, 1, 1, norm), Conv(width, width, 3, stride, norm), Conv(width, outputs, 1, 1, norm)]
            )
        self.shortcut = Conv(inputs, outputs, 1, stride, norm) if stride > 1 or inputs != outputs else None
        last = self.convs[-1].norm
        if isinstance(last, nn.BatchNorm2d):
            nn.init.zeros_(last.weight)  # starts as the identity

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o _ _"]:
        y = x
        for conv in self.convs[:-1]:
            y = F.relu(conv(y))
        return F.relu(self.convs[-1](y) + (x if self.shortcut is None else self.shortcut(x)))


class ResNet(nn.Module):
    """widths: channels of the three maps."""

    def __init__(self, name: str, norm: Norm) -> None:
        super().__init__()
        kind, stem, widths, counts = SHAPES[name]
        self.stem = Conv(3, stem, 7, 2, norm)
        grow = 4 if kind == "bottleneck" else 1
        self.stages = nn.ModuleList()
        inputs = stem
        for number, (width, count) in enumerate(zip(widths, counts, strict=True)):
            blocks = []
            for i in range(count):
                blocks.append(Block(kind, inputs, width, 2 if i == 0 and number else 1, norm))
                inputs = grow * width
            self.stages.append(nn.Sequential(*blocks))
        self.widths = tuple(grow * width for width in widths[1:])

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        x = F.max_pool2d(F.relu(self.stem(x)), 3, 2, 1)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps[1:]
