"""ReJSHand in the order of its token flow: backbone, keypoints, expansion, point sampling, three stages of feature
interaction and token upsampling, vertices, and joints by a fixed regressor.

Letters: b crops, c channels, t tokens, v vertices. uv are shares of the crop from its corner, 0 to 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from palmar.errors import PalmarError, one_of
from palmar.nn.fastvit import MA36, FastVit, FastVitConfig
from palmar.nn.graph import SemanticConv, hand_edges
from palmar.nn.landmarker import LandmarkerTrunk

JOINTS = 21
Head = Literal["rejshand", "grid", "pooled"]


@dataclass(frozen=True)
class Config:
    """One network; the defaults are the paper's."""

    head: Head = "rejshand"
    """grid: tokens from a fixed grid instead of under the joints; pooled: all vertices from the map's mean by one
    layer."""
    trunk: Literal["fastvit", "palmar"] = "fastvit"
    size: int = 224
    """Pixels of the crop's side."""
    fastvit: FastVitConfig = MA36
    expanded: int = 256
    """Channels of the map that is sampled, four times as fine as the backbone's."""
    tokens: tuple[int, ...] = (21, 84, 336)
    widths: tuple[int, ...] = (256, 128, 64)
    """Of the tokens in each stage."""
    heads: int = 8
    vertices: int = 778
    graph: bool = False
    """Gather along the hand's bones in the first stage, as the paper's text has it; the released code has a layer on
    each token instead."""
    coordinate: bool = False
    """Coordinate attention on the expanded map, which the paper lists and the released code has not."""
    by_place: bool = False
    """Keypoints from all of the map's places instead of its mean, for trunks whose mean does not tell where things
    are."""
    scale: float = 1.25
    """Side of the crop over the longer side of the hand in it."""
    upright: bool = False
    """Whether crops are turned so that the hand points up."""

    def __post_init__(self) -> None:
        one_of("head", self.head, ("rejshand", "grid", "pooled"))
        one_of("trunk", self.trunk, ("fastvit", "palmar"))
        for name in ("tokens", "widths"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.tokens[0] != JOINTS or len(self.tokens) != len(self.widths):
            raise PalmarError(f"Config: {JOINTS} tokens at first and a width for each stage, got {self.tokens} and "
                              f"{self.widths}.")  # fmt: skip
        if self.expanded % 4 or any(width % self.heads for width in self.widths):
            raise PalmarError("Config: expanded must be a multiple of 4, widths multiples of the heads.")


PAPER = Config()
SMALL = Config(trunk="palmar", size=128, expanded=64, widths=(64, 48, 32), heads=2, vertices=1690, scale=1.6,
               upright=True, by_place=True)  # fmt: skip


class Said(NamedTuple):
    uv: Float[Tensor, "b 21 2"]
    """Shares of the crop."""
    vertices: Float[Tensor, "b v 3"]
    """Metres about the root that the network was trained with, axes of the crop."""
    joints: Float[Tensor, "b 21 3"]
    """Of the vertices, by the regressor."""


def sine_positions(rows: int, columns: int, channels: int) -> Float[np.ndarray, "c h w"]:
    """Half of the channels for y, then half for x; sines and cosines take turns, cells are counted from 1
    (Carion et al. 2020, without their half cell)."""
    half = channels // 2
    scale = 10000.0 ** (2 * (np.arange(half) // 2) / half)
    parts = []
    for count in (rows, columns):
        angle = 2 * math.pi * np.arange(1, count + 1) / (count + 1e-6)
        waves = angle[:, None] / scale
        parts.append(np.where(np.arange(half) % 2 == 0, np.sin(waves), np.cos(waves)))
    y, x = (np.broadcast_to(part, (rows, columns, half)) for part in (parts[0][:, None], parts[1][None]))
    return np.concatenate([y, x], -1).transpose(2, 0, 1).astype(np.float32)


def sampled(features: Float[Tensor, "b c h w"], uv: Float[Tensor, "b k 2"]) -> Float[Tensor, "b k c"]:
    """The map under points, bilinear between cells' centres, the first at 0 and the last at 1; clamped to the map."""
    grid = (2 * uv - 1).clamp(-1, 1)
    return F.grid_sample(features, grid[:, :, None], align_corners=True)[..., 0].transpose(1, 2)


class SelfAttention(nn.Module):
    """Plain heads over tokens; no norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.values, self.keys, self.queries, self.fc_out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Float[Tensor, "b t c"]) -> Float[Tensor, "b t c"]:
        q, k, v = (part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
                   for part in (self.queries, self.keys, self.values))  # fmt: skip
        return self.fc_out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Interaction(nn.Module):
    """Feature interaction: joints are refined among themselves, and what they were, the skeleton's features, is added
    before and after a last layer."""

    def __init__(self, width: int, heads: int, *, graph: bool) -> None:
        super().__init__()
        self.gather = SemanticConv(width, width, hand_edges(), JOINTS) if graph else nn.Linear(width, width)
        self.attention = SelfAttention(width, heads)
        self.fc = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "b t c"]) -> Float[Tensor, "b t c"]:
        return F.relu(self.fc(self.attention(self.gather(x)) + x) + x)


class Stage(nn.Module):
    def __init__(self, tokens: int, inputs: int, width: int, outputs: int, heads: int, *, graph: bool) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.empty(1, tokens, inputs))
        nn.init.trunc_normal_(self.position, std=0.02)
        self.proj = nn.Linear(inputs, width)
        self.encoder = Interaction(width, heads, graph=graph)
        self.upsample = nn.Linear(tokens, outputs)

    def forward(self, x: Float[Tensor, "b _ _"]) -> Float[Tensor, "b _ _"]:
        return self.grown(self.mixed(x))

    def mixed(self, x: Float[Tensor, "b t _"]) -> Float[Tensor, "b t c"]:
        return self.encoder(self.proj(x + self.position))

    def grown(self, x: Float[Tensor, "b t c"]) -> Float[Tensor, "b _ c"]:
        return self.upsample(x.transpose(1, 2)).transpose(1, 2)


class CoordinateAttention(nn.Module):
    """Gates from the means of rows and of columns (Hou et al. 2021)."""

    def __init__(self, channels: int, reduction: int = 32) -> None:
        super().__init__()
        hidden = max(8, channels // reduction)
        self.shared = nn.Sequential(nn.Conv2d(channels, hidden, 1), nn.BatchNorm2d(hidden), nn.Hardswish())
        self.rows, self.columns = nn.Conv2d(hidden, channels, 1), nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        h = x.shape[2]
        along = torch.cat([x.mean(3, keepdim=True), x.mean(2, keepdim=True).transpose(2, 3)], 2)  # b c h+w 1
        rows, columns = self.shared(along).split([h, x.shape[3]], 2)
        return x * torch.sigmoid(self.rows(rows)) * torch.sigmoid(self.columns(columns)).transpose(2, 3)


class MeshHead(nn.Module):
    """A map and 21 places in it -> vertices."""

    def __init__(self, config: Config, channels: int, grid: int) -> None:
        """grid: places of the coarse map across."""
        super().__init__()
        self.deconv = nn.Sequential(
            nn.ConvTranspose2d(channels, config.expanded, 4, 4, bias=False), nn.BatchNorm2d(config.expanded), nn.ReLU()
        )
        self.coordinate = CoordinateAttention(config.expanded) if config.coordinate else None
        places = torch.from_numpy(sine_positions(4 * grid, 4 * grid, config.expanded))
        self.register_buffer("places", places, persistent=False)
        inputs = (config.expanded, *config.widths[:-1])
        outputs = (*config.tokens[1:], config.vertices)
        self.stages = nn.ModuleList(
            Stage(tokens, before, width, after, config.heads, graph=config.graph and i == 0)
            for i, (tokens, before, width, after) in enumerate(
                zip(config.tokens, inputs, config.widths, outputs, strict=True)
            )
        )
        self.pred_final = nn.Linear(config.widths[-1], 3)

    def forward(self, features: Float[Tensor, "b c h w"], uv: Float[Tensor, "b 21 2"]) -> Float[Tensor, "b v 3"]:
        x = self.deconv(features)
        if self.coordinate is not None:
            x = self.coordinate(x)
        tokens = sampled(x + self.places, uv)
        *stages, last = self.stages
        for stage in stages:
            tokens = stage(tokens)
        # pred_final(last.grown(mixed)): both layers are linear and along different axes, and three numbers a token are
        # grown for a tenth of the work of all channels.
        mixed, final = last.mixed(tokens), self.pred_final
        grown = last.upsample.weight @ (mixed @ final.weight.T)
        return grown + last.upsample.bias[:, None] * final.weight.sum(1) + final.bias


class PooledHead(nn.Module):
    """The baseline: the map's mean, one layer."""

    def __init__(self, channels: int, vertices: int) -> None:
        super().__init__()
        self.fc = nn.Linear(channels, 3 * vertices)

    def forward(self, features: Float[Tensor, "b c h w"], uv: Float[Tensor, "b 21 2"]) -> Float[Tensor, "b v 3"]:
        del uv
        return self.fc(features.mean((2, 3))).unflatten(1, (-1, 3))


class ReJSHand(nn.Module):
    """Crops of right hands -> keypoints, vertices and joints.

    regressor: [21, v] the joints of a mesh, a fixed linear map; kept with the weights.
    """

    def __init__(self, config: Config = PAPER, regressor: Float[np.ndarray, "21 v"] | None = None) -> None:
        super().__init__()
        self.config = config
        if config.trunk == "fastvit":
            self.trunk: nn.Module = FastVit(config.fastvit)
            channels = config.fastvit.channels
        else:
            self.trunk = trunk = LandmarkerTrunk()
            channels = trunk.channels
        grid = config.size // 32
        self.keypoints = nn.Linear(channels * (grid**2 if config.by_place else 1), 2 * JOINTS)
        nn.init.normal_(self.keypoints.weight, std=0.001)
        nn.init.constant_(self.keypoints.bias, 0.5)
        self.head = (PooledHead(channels, config.vertices) if config.head == "pooled"
                     else MeshHead(config, channels, grid))  # fmt: skip
        values = np.zeros((JOINTS, config.vertices)) if regressor is None else regressor
        self.register_buffer("regressor", torch.from_numpy(values.astype(np.float32)))
        spread = (np.indices((5, 5)).reshape(2, -1).T[:JOINTS, ::-1] + 0.5) / 5
        self.register_buffer("grid", torch.from_numpy(spread.astype(np.float32)), persistent=False)

    def forward(self, image: UInt8[Tensor, "b s s 3"]) -> Said:
        if isinstance(self.trunk, FastVit):
            return self.read(self.trunk(image.permute(0, 3, 1, 2).float() / 255 - 0.5))
        return self.read(self.trunk(image))

    def read(self, features: Float[Tensor, "b c h w"]) -> Said:
        """What the heads make of the trunk's map."""
        places = features.shape[2] * features.shape[3]  # divided by, steps of learning are as large as on the mean
        what = features.flatten(1) / places if self.config.by_place else features.mean((2, 3))
        uv = self.keypoints(what).unflatten(1, (JOINTS, 2))
        where = self.grid.expand(len(uv), -1, -1) if self.config.head == "grid" else uv
        vertices = self.head(features, where)
        return Said(uv, vertices, self.regressor @ vertices)
