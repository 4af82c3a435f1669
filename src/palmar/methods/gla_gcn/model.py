"""GLA-GCN in the paper's order: input norm, expansion, stages of a stride-1 and a stride-3 unit, local readout; and
the two lifters that it is compared with.

Tensors of tracks are [b, t, v, 2], screen coordinates; inside, [b, c, t, v]. A window's pose is that of its middle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from palmar.errors import PalmarError, one_of
from palmar.hand.joints import PARENTS
from palmar.nn.graph import TemporalConv

Kind = Literal["gla-gcn", "temporal", "frame"]
Readout = Literal["shared", "joint", "pooled"]
Skeleton = Literal["hand", "body"]
BODY_PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)
"""Of the 17 joints of Human3.6M: hip, right hip knee ankle, left hip knee ankle, spine, thorax, neck, head, left
shoulder elbow wrist, right shoulder elbow wrist."""
SKELETONS: dict[str, tuple[int, ...]] = {"hand": PARENTS, "body": BODY_PARENTS}
QUIET = 1e-6
"""Where the graph's norm and the learned adjacency begin in the published code."""


@dataclass(frozen=True)
class Config:
    """One lifter."""

    kind: Kind = "gla-gcn"
    """temporal: dilated convolutions over all joints' numbers (VideoPose3D, Pavllo et al. 2019). frame: a residual
    perceptron on each frame by itself (Martinez et al. 2017)."""
    skeleton: Skeleton = "hand"
    frames: int = 27
    """Of a window, a power of 3."""
    width: int = 96
    readout: Readout = "joint"
    """joint: a layer of each joint's own, on its own node (the paper's individually connected layer). shared: one layer
    for all, as the code for Human3.6M has it. pooled: one layer on the mean of all nodes, which the paper argues
    against."""
    learned: bool = True
    """The learned adjacency."""
    attention: bool = True
    """The adjacency that each window gets from its own features."""
    sequence: bool = False
    """Say all frames too, from the expansion's features, and learn from them."""
    dropout: float = 0.1
    quiet: bool = False
    """Graphs begin silent, as published; a short run has no time to wake them."""

    def __post_init__(self) -> None:
        one_of("kind", self.kind, ("gla-gcn", "temporal", "frame"))
        one_of("readout", self.readout, ("shared", "joint", "pooled"))
        one_of("skeleton", self.skeleton, SKELETONS)
        if self.frames != 3**self.stages:
            raise PalmarError(f"Config.frames: {self.frames}; expected a power of 3, such as 27, 81 or 243.")

    @property
    def stages(self) -> int:
        return round(math.log(max(self.frames, 1), 3))

    @property
    def parents(self) -> tuple[int, ...]:
        return SKELETONS[self.skeleton]


def adjacency(parents: Sequence[int]) -> Float[np.ndarray, "3 v v"]:
    """Self, inward, outward: entry (v, w) is how much node w gathers from v. A child gathers its parent; a parent the
    mean of its children."""
    n = len(parents)
    out = np.zeros((3, n, n), np.float32)
    out[0] = np.eye(n)
    for child, parent in enumerate(parents):
        if parent >= 0:
            out[1, parent, child] = 1.0
            out[2, child, parent] = 1.0 / parents.count(parent)
    return out


def _kaiming(conv: nn.Conv2d) -> nn.Conv2d:
    nn.init.kaiming_normal_(conv.weight, mode="fan_out")
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv


def _point(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return _kaiming(nn.Conv2d(inputs, outputs, 1, (stride, 1)))


class AdaptiveGraph(nn.Module):
    """Gathers along fixed, learned and the window's own edges (2s-AGCN, Shi et al. 2019)."""

    def __init__(self, inputs: int, outputs: int, config: Config) -> None:
        super().__init__()
        a = adjacency(config.parents)
        self.register_buffer("fixed", torch.from_numpy(a), persistent=False)
        self.learned = nn.Parameter(torch.full(a.shape, QUIET)) if config.learned else None
        inner = outputs // 4 or 3
        self.theta, self.phi = (
            (nn.ModuleList(_point(inputs, inner) for _ in range(3)) if config.attention else None) for _ in range(2)
        )
        self.out = nn.ModuleList(nn.Conv2d(inputs, outputs, 1) for _ in range(3))
        for conv in self.out:
            nn.init.normal_(conv.weight, std=math.sqrt(2 / (3 * inputs * outputs)))
            nn.init.zeros_(conv.bias)
        self.norm = nn.BatchNorm2d(outputs)
        nn.init.constant_(self.norm.weight, QUIET if config.quiet else 1.0)
        self.dropout = nn.Dropout(config.dropout)
        self.down = nn.Sequential(_point(inputs, outputs), nn.BatchNorm2d(outputs)) if inputs != outputs else None

    def edges(self, x: Float[Tensor, "b c t v"]) -> list[Tensor]:
        """The three matrices, of each window where it has its own."""
        out: list[Tensor] = []
        for k in range(3):
            m = self.fixed[k] if self.learned is None else self.fixed[k] + self.learned[k]
            if self.theta is not None and self.phi is not None:
                theta, phi = self.theta[k](x), self.phi[k](x)
                alike = torch.einsum("bctv,bctw->bvw", theta, phi) / (theta.shape[1] * theta.shape[2])
                m = m + alike.softmax(1)
            out.append(m)
        return out

    def forward(self, x: Float[Tensor, "b _ t v"]) -> Float[Tensor, "b _ t v"]:
        y = sum(conv(x @ (m if m.ndim == 2 else m[:, None])) for conv, m in zip(self.out, self.edges(x), strict=True))
        y = self.dropout(self.norm(y))
        return F.relu(y + (x if self.down is None else self.down(x)))


class Unit(nn.Module):
    """Graph, then nine frames of time, around a shortcut."""

    def __init__(self, inputs: int, outputs: int, config: Config, *, stride: int = 1, shortcut: bool = True) -> None:
        super().__init__()
        self.graph = AdaptiveGraph(inputs, outputs, config)
        self.time = TemporalConv(outputs, outputs, stride=stride)
        self.shortcut = shortcut
        self.widen = TemporalConv(inputs, outputs, size=1) if shortcut and inputs != outputs else None

    def forward(self, x: Float[Tensor, "b _ t v"]) -> Float[Tensor, "b _ _ v"]:
        y = self.time(self.graph(x))
        if self.shortcut:
            y = y + (x if self.widen is None else self.widen(x))
        return F.relu(y)


class GlaGcn(nn.Module):
    """Windows -> (pose of the middle, poses of all frames or None), about the root."""

    def __init__(self, config: Config = Config()) -> None:
        super().__init__()
        self.config = config
        nodes, width = len(config.parents), config.width
        self.norm = nn.BatchNorm1d(2 * nodes)
        self.expand = Unit(2, width, config)
        self.units = nn.ModuleList()
        for _ in range(config.stages):
            self.units += [Unit(width, width, config), Unit(width, width, config, stride=3, shortcut=False)]
        self.dropout = nn.Dropout(config.dropout)
        if config.readout == "joint":
            self.weight = nn.Parameter(torch.empty(nodes, 3, width))
            self.bias = nn.Parameter(torch.zeros(nodes, 3))
            nn.init.uniform_(self.weight, -(width**-0.5), width**-0.5)
        else:
            self.read = nn.Linear(width, 3 if config.readout == "shared" else 3 * nodes)
        self.all_frames = nn.Linear(width, 3) if config.sequence else None

    def forward(
        self, track: Float[Tensor, "b t v 2"]
    ) -> tuple[Float[Tensor, "b v 3"], Float[Tensor, "b t v 3"] | None]:
        b, t, v, _ = track.shape
        x = self.norm(track.permute(0, 2, 3, 1).reshape(b, 2 * v, t))
        x = self.expand(x.view(b, v, 2, t).permute(0, 2, 3, 1))
        every = None if self.all_frames is None else self.all_frames(x.permute(0, 2, 3, 1))
        for slow, fast in zip(self.units[::2], self.units[1::2], strict=True):
            middle = x[:, :, 1::3]  # of each triple; the strided convolution is centred on its first, as published
            x = middle + self.dropout(fast(self.dropout(slow(x))))
        nodes = x.mean(2).transpose(1, 2)  # b v c; one frame is left
        if self.config.readout == "joint":
            return torch.einsum("bvc,vkc->bvk", nodes, self.weight) + self.bias, every
        if self.config.readout == "shared":
            return self.read(nodes), every
        return self.read(nodes.mean(1)).unflatten(1, (v, 3)), every


class Temporal(nn.Module):
    """VideoPose3D's dilated convolutions over the numbers of all joints at once."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        nodes, width = len(config.parents), config.width
        self.norm = nn.BatchNorm1d(2 * nodes)
        self.first = nn.Sequential(nn.Conv1d(2 * nodes, width, 3, 3), nn.BatchNorm1d(width), nn.ReLU())
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(width, width, 3, 3, bias=False), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(config.dropout),
                nn.Conv1d(width, width, 1, bias=False), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(config.dropout),
            )
            for _ in range(config.stages - 1)
        )  # fmt: skip
        self.read = nn.Conv1d(width, 3 * nodes, 1)

    def forward(self, track: Float[Tensor, "b t v 2"]) -> tuple[Float[Tensor, "b v 3"], None]:
        v = track.shape[2]
        x = self.first(self.norm(track.flatten(2).transpose(1, 2)))
        for block in self.blocks:  # one output a window: strides say the same as dilation, for less
            x = x[..., 1::3] + block(x)
        return self.read(x)[..., 0].unflatten(1, (v, 3)), None


class Frame(nn.Module):
    """A residual perceptron on the middle frame alone."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        nodes, width = len(config.parents), config.width
        self.norm = nn.BatchNorm1d(2 * nodes)
        self.first = self.layer(2 * nodes, width)
        self.blocks = nn.ModuleList(nn.Sequential(self.layer(width, width), self.layer(width, width)) for _ in range(2))
        self.read = nn.Linear(width, 3 * nodes)

    def layer(self, inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU(), nn.Dropout(self.config.dropout)
        )

    def forward(self, track: Float[Tensor, "b t v 2"]) -> tuple[Float[Tensor, "b v 3"], None]:
        t, v = track.shape[1:3]
        x = self.first(self.norm(track[:, t // 2].flatten(1)))
        for block in self.blocks:
            x = x + block(x)
        return self.read(x).unflatten(1, (v, 3)), None


def build(config: Config) -> GlaGcn | Temporal | Frame:
    """The network of a config."""
    return {"gla-gcn": GlaGcn, "temporal": Temporal, "frame": Frame}[config.kind](config)
