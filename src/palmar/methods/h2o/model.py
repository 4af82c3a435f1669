"""The pose network: a Darknet-19 trunk with a pass-through, and for every cell of a grid over picture and depth three
vectors, of the left hand, the right hand and the object.

Pictures are squeezed to a square. A cell is `stride` pixels wide and `depth_step` deep. A vector has 21 points (u, v,
z) in units of cells, a confidence and the classes; the root of its points (a hand's wrist, the object's centre) stays
in its cell, the other points are free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from palmar.errors import PalmarError

POINTS = 21
ENTITIES = ("left", "right", "object")
POOL = "pool"
KEEP = "keep"
"""In a trunk's plan: what comes out here also takes the way past the rest."""

Layer = tuple[int, int] | str
"""(channels, size of the kernel), or one of the words above."""

DARKNET: tuple[Layer, ...] = (
    (32, 3), POOL, (64, 3), POOL, (128, 3), (64, 1), (128, 3), POOL, (256, 3), (128, 1), (256, 3), POOL,
    (512, 3), (256, 1), (512, 3), (256, 1), (512, 3), KEEP, POOL, (1024, 3), (512, 1), (1024, 3), (512, 1), (1024, 3),
    (1024, 3), (1024, 3),
)  # fmt: skip
"""Darknet-19 without its classifier, as YOLOv2 uses it (Redmon & Farhadi 2017)."""
LIGHT: tuple[Layer, ...] = (
    (16, 3), POOL, (32, 3), POOL, (64, 3), (32, 1), (64, 3), POOL, (128, 3), (64, 1), (128, 3), KEEP, POOL,
    (192, 3), (96, 1), (192, 3), (192, 3),
)  # fmt: skip
"""A fifth of the depth and width, one pool less: for processors."""
TRUNKS = {"darknet": DARKNET, "light": LIGHT}


@dataclass(frozen=True)
class Config:
    """Sizes. The default is the paper's, with three vectors a cell as its text has it."""

    trunk: str = "darknet"
    """One of TRUNKS."""
    side: int = 416
    """Of the square picture, pixels."""
    passed: int = 64
    """Channels of the way past the last stage, before its pixels are folded in."""
    merged: int = 1024
    entities: tuple[str, ...] = ENTITIES
    """Vectors of a cell. ("right", "object") is the older network's, H+O, and the channel count of table S4."""
    objects: int = 8
    """Classes without "none"."""
    actions: int = 0
    """Classes of the interaction, said by the object's vector; 0 for none, as in H2O."""
    depths: int = 5
    depth_step: float = 0.15
    """Metres."""
    near: float = 0.0
    """Where the first cell begins, metres."""
    focal: float = 0.0
    """Depth is told as a camera of this focal length, in widths of the picture, would see it; 0: as it is, right for a
    set with one camera."""
    compatible: bool = False
    """Pixels count from their corners in the picture's squeeze, as in the public ancestor."""

    def __post_init__(self) -> None:
        if self.trunk not in TRUNKS:
            raise PalmarError(f"Config.trunk: expected one of {', '.join(TRUNKS)}, got {self.trunk!r}.")
        if not self.entities or not set(self.entities) <= set(ENTITIES) or len(set(self.entities)) < len(self.entities):
            raise PalmarError(f"Config.entities: expected some of {', '.join(ENTITIES)}, got {self.entities}.")
        if self.side % self.stride:
            raise PalmarError(f"Config.side: expected a multiple of {self.stride}, got {self.side}.")
        if min(self.depths, self.depth_step) <= 0 or self.objects < 1:
            raise PalmarError("Config: depths, depth_step and objects must be positive.")

    @property
    def stride(self) -> int:
        return 2 ** TRUNKS[self.trunk].count(POOL)

    @property
    def grid(self) -> int:
        """Cells along each side of the picture."""
        return self.side // self.stride

    @property
    def vector(self) -> int:
        return 3 * POINTS + 1 + self.actions + self.objects


PAPER = Config()
SMALL = Config("light", 208, 32, 256)
"""Also 13 x 13 cells."""


def conv(inputs: int, outputs: int, size: int) -> nn.Sequential:
    """Convolution, batch norm and a leaky ReLU of slope 0.1."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.1, inplace=True),
    )


def stage(plan: Sequence[Layer], inputs: int) -> tuple[nn.Sequential, int]:
    """Layers of a plan without KEEP, and the channels that come out."""
    layers: list[nn.Module] = []
    for layer in plan:
        if isinstance(layer, str):
            layers.append(nn.MaxPool2d(2))
        else:
            layers.append(conv(inputs, *layer))
            inputs = layer[0]
    return nn.Sequential(*layers), inputs


class Cells(NamedTuple):
    """What the network says of every cell, e entities, d depths, g x g cells; units of cells."""

    points: Float[Tensor, "b e d g g 21 3"]
    """(u, v, z) from the corner of the picture nearest to the camera: cell (3, 5) begins at u = 3, v = 5."""
    confidence: Float[Tensor, "b e d g g"]
    """0 to 1."""
    actions: Float[Tensor, "b e d g g a"]
    """Logits."""
    objects: Float[Tensor, "b e d g g o"]
    """Logits of the classes after "none"."""


class PoseNetwork(nn.Module):
    """Pictures uint8 [b, side, side, 3] -> `Cells`."""

    def __init__(self, config: Config = PAPER) -> None:
        super().__init__()
        self.config = config
        plan = TRUNKS[config.trunk]
        kept = plan.index(KEEP)
        self.fine, channels = stage(plan[:kept], 3)
        self.coarse, deep = stage(plan[kept + 1 :], channels)
        self.way = conv(channels, config.passed, 1)
        self.merge = conv(4 * config.passed + deep, config.merged, 3)
        self.head = nn.Conv2d(config.merged, config.depths * len(config.entities) * config.vector, 1)

    def forward(self, image: UInt8[Tensor, "b s s 3"]) -> Cells:
        x = image.permute(0, 3, 1, 2).float() / 255
        fine = self.fine(x)
        folded = F.pixel_unshuffle(self.way(fine), 2)
        raw = self.head(self.merge(torch.cat([folded, self.coarse(fine)], 1))).float()
        return self.cells(raw)

    def cells(self, raw: Float[Tensor, "b c g g"]) -> Cells:
        """Channels: for each depth, for each entity, 21 x (u, v, z), confidence, actions, objects."""
        c = self.config
        b, g = len(raw), c.grid
        raw = raw.reshape(b, c.depths, len(c.entities), c.vector, g, g).permute(0, 2, 1, 4, 5, 3)
        free = raw[..., : 3 * POINTS].unflatten(-1, (POINTS, 3))
        offset = torch.cat([free[..., :1, :].sigmoid(), free[..., 1:, :]], -2)
        at = 3 * POINTS
        return Cells(
            offset + corners(c, raw.device),
            raw[..., at].sigmoid(),
            raw[..., at + 1 : at + 1 + c.actions],
            raw[..., at + 1 + c.actions :],
        )


def corners(config: Config, device: torch.device) -> Float[Tensor, "d g g 1 3"]:
    """(u, v, z) of every cell's corner."""
    g = torch.arange(config.grid, device=device, dtype=torch.float32)
    d = torch.arange(config.depths, device=device, dtype=torch.float32)
    z, v, u = torch.meshgrid(d, g, g, indexing="ij")
    return torch.stack([u, v, z], -1)[..., None, :]


@dataclass(frozen=True, eq=False)
class Found:
    """Of every entity the vector of the cell that is surest of it."""

    points: Float[Tensor, "b e 21 3"]
    """Units of cells."""
    confidence: Float[Tensor, "b e"]
    objects: Float[Tensor, "b e o"]
    actions: Float[Tensor, "b e a"]


def surest(cells: Cells) -> Found:
    """The best cell of each entity."""
    b, e = cells.confidence.shape[:2]
    flat = cells.confidence.reshape(b, e, -1)
    confidence, cell = flat.max(-1)

    def pick(values: Tensor) -> Tensor:
        values = values.reshape(b, e, flat.shape[-1], *values.shape[5:])
        index = cell.reshape(b, e, 1, *[1] * (values.ndim - 3)).expand(b, e, 1, *values.shape[3:])
        return values.gather(2, index)[:, :, 0]

    return Found(pick(cells.points), confidence, pick(cells.objects), pick(cells.actions))
