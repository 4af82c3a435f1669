"""Heat maps of keypoints: targets, the soft-IoU loss, decoders, and the transposed-convolution heads that draw them.

Maps are [..., h, w]. Points are in cells of the map in palmar's convention, (0, 0) the middle of the first cell;
resizing a picture to a map by s takes u to (u + 0.5) s - 0.5. `compatible_maps` and `expectation` are those of the
published EffHandEgoNet (Mucha and Kampel 2024), whose targets truncate and whose decoder sees the whole map.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from palmar.errors import PalmarError

SIGMA = 3.0
"""Cells: of the published targets on maps of 128."""
EPS = 1e-6
OFFICIAL_BLUR = 51
"""Cells across of the published targets' Gaussian kernel."""


# ------------------------------------------------------------------------------------------------------------- targets


def gaussian_maps(
    points: Float[Tensor, "*k 2"], height: int, width: int, sigma: float = SIGMA
) -> Float[Tensor, "*k {height} {width}"]:
    """A Gaussian of height 1 about each point, exactly where the point is; zero for points outside and for NaN.

    Separable: the outer product of a column and a row.
    """
    size = points.new_tensor([width, height])
    inside = ((points >= -0.5) & (points < size - 0.5)).all(-1)
    at = torch.where(inside[..., None], points, 0.0)

    def bell(position: Tensor, count: int) -> Tensor:
        cells = torch.arange(count, device=points.device, dtype=points.dtype)
        return torch.exp(-((cells - position[..., None]) ** 2) / (2 * sigma**2))

    rows, columns = bell(at[..., 1], height), bell(at[..., 0], width)
    return rows[..., :, None] * columns[..., None, :] * inside[..., None, None]


def compatible_maps(shares: Float[Tensor, "*k 2"], size: int = 128, sigma: float = SIGMA) -> Float[Tensor, "*k _ _"]:
    """The published targets: one cell int(size share), blurred, divided by the maximum.

    shares: of the picture's width and height. The cell truncates towards zero (so that -0.9 to 0 of a cell is cell 0),
    the blur has 51 x 51 cells and mirrors the map without its border cell, which puts the maximum of points near the
    border on the border.
    """
    cell = torch.trunc(torch.nan_to_num(shares, nan=-1e6) * size)
    inside = ((cell >= 0) & (cell < size)).all(-1)
    at = torch.where(inside[..., None], cell, 0.0).long()
    half = OFFICIAL_BLUR // 2
    steps = torch.arange(-half, half + 1, device=shares.device)
    kernel = torch.exp(-(steps.to(shares.dtype) ** 2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    # A blurred unit impulse at c, read at x: the kernel at c - m for every position m that mirrors onto x's taps.
    read = torch.arange(size, device=shares.device)[:, None] + steps  # size x 51 positions, some outside
    read = read.abs()
    read = torch.where(read >= size, 2 * (size - 1) - read, read)
    blur = shares.new_zeros(size, size).scatter_add_(1, read, kernel.expand(size, -1).contiguous())  # [x, c]
    columns, rows = blur.T[at[..., 0]], blur.T[at[..., 1]]
    maps = rows[..., :, None] * columns[..., None, :]
    return maps / maps.amax((-1, -2), keepdim=True) * inside[..., None, None]


# ---------------------------------------------------------------------------------------------------------------- loss


def soft_iou(maps: Float[Tensor, "*k h w"], targets: Float[Tensor, "*k h w"]) -> Float[Tensor, "*k"]:
    """1 - intersection over union of each map, 0 to 1. Of two empty maps it is 0."""
    both = (maps * targets).sum((-1, -2))
    union = maps.square().sum((-1, -2)) + targets.square().sum((-1, -2)) - both
    return 1 - (both + EPS) / (union + EPS)


def mean_or_zero(values: Float[Tensor, "*k"], chosen: Bool[Tensor, "*k"]) -> Float[Tensor, ""]:
    """Mean of the chosen ones; 0, with a gradient of 0, where none is."""
    return torch.where(chosen, values, 0.0).sum() / chosen.sum().clamp_min(1)


# ------------------------------------------------------------------------------------------------------------ decoders


def expectation(maps: Float[Tensor, "*k h w"]) -> Float[Tensor, "*k 2"]:
    """Mean position of a map's mass, cells. A background draws it to the middle; an empty map gives the middle."""
    h, w = maps.shape[-2:]
    mass = maps.sum((-1, -2))
    x = (maps.sum(-2) * torch.arange(w, device=maps.device, dtype=maps.dtype)).sum(-1)
    y = (maps.sum(-1) * torch.arange(h, device=maps.device, dtype=maps.dtype)).sum(-1)
    middle = maps.new_tensor([(w - 1) / 2, (h - 1) / 2])
    empty = mass <= 0
    found = torch.stack([x, y], -1) / torch.where(empty, 1.0, mass)[..., None]
    return torch.where(empty[..., None], middle, found)


def peak_expectation(
    maps: Float[Tensor, "*k h w"], radius: float = 2.5 * SIGMA
) -> tuple[Float[Tensor, "*k 2"], Float[Tensor, "*k"]]:
    """Mean position of the mass about the highest cell, cells, and that cell's height.

    Only cells within `radius` of the peak count, as many on one side as on the other (fewer near the border), so that
    neither a background nor the border draws the mean.
    """
    h, w = (int(n) for n in maps.shape[-2:])  # not tensors, also where the call is traced
    top, cell = maps.flatten(-2).max(-1)
    py = ((cell.to(maps.dtype) + 0.5) / w).floor()  # in floats: integer division differs between exporters
    px = cell.to(maps.dtype) - w * py

    def near(position: Tensor, count: int) -> tuple[Tensor, Tensor]:
        cells = torch.arange(count, device=maps.device, dtype=maps.dtype)
        reach = torch.minimum(position, count - 1 - position).clamp(1.0, radius)
        return (cells - position[..., None]).abs() <= reach[..., None], cells

    (in_x, xs), (in_y, ys) = near(px, w), near(py, h)
    mass = maps * in_x[..., None, :] * in_y[..., :, None]
    total = mass.sum((-1, -2)).clamp_min(1e-12)
    x, y = (mass.sum(-2) * xs).sum(-1) / total, (mass.sum(-1) * ys).sum(-1) / total
    alive = top > 0
    return torch.stack([torch.where(alive, x, px), torch.where(alive, y, py)], -1), top


# --------------------------------------------------------------------------------------------------------------- heads


class UpStep(nn.Module):
    """Transposed convolution 2x2, stride 2: twice the extent; then batch norm and ReLU unless it is the last."""

    def __init__(self, inputs: int, outputs: int, *, last: bool = False) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(inputs, outputs, 2, 2)
        self.norm = None if last else nn.BatchNorm2d(outputs)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d _ _"]:
        x = self.up(x)
        return x if self.norm is None else F.relu(self.norm(x))


class HeatHead(nn.Module):
    """Up-steps and a 1x1 convolution: a map of stride 32 -> logits of heat maps of stride 32 / 2^steps."""

    def __init__(self, inputs: int, width: int = 256, steps: int = 3, maps: int = 21) -> None:
        super().__init__()
        if steps < 1:
            raise PalmarError(f"HeatHead: needs one step at least, got {steps}.")
        self.steps = nn.Sequential(
            *(UpStep(inputs if i == 0 else width, width, last=i == steps - 1) for i in range(steps))
        )
        self.final = nn.Conv2d(width, maps, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k _ _"]:
        return self.final(self.steps(x))


class NormUpHead(nn.Module):
    """Batch norm before each transposed convolution, and no ReLU: the head of EffHandNet, linear but for the norms."""

    def __init__(self, inputs: int, width: int = 256, steps: int = 5, maps: int = 21) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i in range(steps):
            into = inputs if i == 0 else width
            layers.append(nn.Sequential(nn.BatchNorm2d(into), nn.ConvTranspose2d(into, width, 2, 2)))
        self.steps = nn.Sequential(*layers)
        self.final = nn.Conv2d(width, maps, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k _ _"]:
        return self.final(self.steps(x))


def rare(head: nn.Conv2d, share: float) -> None:
    """Starts a layer so that its sigmoid says `share`: maps are nearly empty, and mass is to be found, not lost."""
    with torch.no_grad():
        assert head.bias is not None
        head.bias.fill_(math.log(share / (1 - share)))
