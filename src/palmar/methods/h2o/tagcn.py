"""TA-GCN, the topology-aware graph convolutional network: the action of a clip from the points of two hands and an
object.

Nodes: left hand 0 to 20, right hand 21 to 41, the object's centre 42 and corners 43 to 50. Of every block's graph
convolution three adjacency matrices are added: fixed ones, free ones that are learned, and one read off each clip.
Details that the paper leaves open follow its ancestors, ST-GCN (Yan et al. 2018) and 2s-AGCN (Shi et al. 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from palmar.errors import PalmarError
from palmar.nn.graph import Edge, TemporalConv, adjacency, column_normalised, hand_edges
from palmar.types.firstperson import EDGES

LEFT, RIGHT, OBJECT = 0, 21, 42
NODES = 51
PARTS = {"left": range(0, 21), "right": range(21, 42), "object": range(42, 51)}

BOX_EDGES: tuple[Edge, ...] = (
    *((OBJECT, OBJECT + corner) for corner in range(1, 9)),
    *((OBJECT + a, OBJECT + b) for a, b in EDGES),
)
INTRA: tuple[Edge, ...] = (*hand_edges(LEFT), *hand_edges(RIGHT), *BOX_EDGES)
"""Bones, the box's edges, and its centre to its corners."""
INTER: tuple[Edge, ...] = (
    *((LEFT + i, RIGHT + i) for i in range(21)),
    *((hand + i, OBJECT) for hand in (LEFT, RIGHT) for i in range(21)),
)
"""Like joints of the two hands, and every joint to the object's centre."""


@dataclass(frozen=True)
class Config:
    """Sizes and links. The default is the paper's."""

    classes: int = 37
    """With the background, which labels no clip."""
    channels: tuple[int, ...] = (64, 64, 64, 64, 128, 128, 128, 256, 256, 256)
    """Of each block; time is halved where they change."""
    frames: int = 200
    dropout: float = 0.5
    parts: tuple[str, ...] = tuple(PARTS)
    """What it sees: some of left, right, object."""
    intra: bool = True
    """Fixed edges within hands and object."""
    inter: bool = True
    """Fixed edges between them."""
    free_intra: bool = True
    """Learned links within."""
    free_inter: bool = True
    """Learned links between."""
    sampled: bool = True
    """Links read off each clip."""

    def __post_init__(self) -> None:
        if not self.parts or not set(self.parts) <= set(PARTS) or len(set(self.parts)) < len(self.parts):
            raise PalmarError(f"Config.parts: expected some of {', '.join(PARTS)}, got {self.parts}.")
        if self.classes < 2 or self.frames < 1 or not self.channels or min(self.channels) < 4:
            raise PalmarError("Config: two classes, one frame and blocks of four channels are the least.")

    @property
    def rows(self) -> np.ndarray:
        """Nodes that it sees, of the 51."""
        return np.concatenate([np.array(PARTS[part]) for part in PARTS if part in self.parts])


PAPER = Config()
SMALL = Config(channels=(16, 16, 32, 32), frames=32, dropout=0.2)


def fixed(config: Config) -> Float[np.ndarray, "2 n n"]:
    """The two subsets of fixed links: each node itself, and its neighbours; columns sum to 1."""
    edges = (INTRA if config.intra else ()) + (INTER if config.inter else ())
    around = adjacency(edges, NODES)[np.ix_(config.rows, config.rows)]
    return np.stack([np.eye(len(around)), column_normalised(around)])


def within(config: Config) -> Bool[np.ndarray, "n n"]:
    """Which pairs of nodes are of one hand, or of the object."""
    of = np.digitize(config.rows, (RIGHT, OBJECT))
    return of[:, None] == of


class GraphConv(nn.Module):
    """sum_j W_j f (A_j + T_j + S_j), batch norm, a way past it, ReLU. [b, c, t, n] -> [b, c', t, n]."""

    def __init__(self, inputs: int, outputs: int, config: Config) -> None:
        super().__init__()
        links = torch.from_numpy(fixed(config)).float()
        self.register_buffer("fixed", links, persistent=False)
        mask = np.where(within(config), config.free_intra, config.free_inter)
        self.register_buffer("mask", torch.from_numpy(mask).float(), persistent=False)
        self.free = nn.Parameter(torch.full_like(links, 1e-6)) if mask.any() else None
        self.width = outputs // 4
        subsets = range(len(links))
        self.turns = nn.ModuleList(nn.Conv2d(inputs, outputs, 1) for _ in subsets)
        if config.sampled:
            self.theta = nn.ModuleList(nn.Conv2d(inputs, self.width, 1) for _ in subsets)
            self.phi = nn.ModuleList(nn.Conv2d(inputs, self.width, 1) for _ in subsets)
        self.sampled = config.sampled
        self.norm = nn.BatchNorm2d(outputs)
        self.past = (
            nn.Identity()
            if inputs == outputs
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs))
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        for turn in self.turns:
            assert isinstance(turn, nn.Conv2d)
            nn.init.normal_(turn.weight, 0, (2 / (outputs * inputs * len(links))) ** 0.5)
        nn.init.constant_(self.norm.weight, 1e-6)  # begins as the way past it

    def forward(self, x: Float[Tensor, "b c t n"]) -> Float[Tensor, "b _ t n"]:
        out = torch.zeros((), device=x.device)
        for j, turn in enumerate(self.turns):
            links = self.fixed[j]
            if self.free is not None:
                links = links + self.free[j] * self.mask
            if self.sampled:
                links = links + self.links_of(x, j)
            out = out + turn(x @ (links[:, None] if links.ndim == 3 else links))
        return torch.relu(self.norm(out) + self.past(x))

    def links_of(self, x: Float[Tensor, "b c t n"], subset: int) -> Float[Tensor, "b n n"]:
        """Softmax over the nodes that are gathered from, of the likeness of embedded paths."""
        a = self.theta[subset](x).flatten(1, 2)
        b = self.phi[subset](x).flatten(1, 2)
        return (a.transpose(1, 2) @ b / a.shape[1]).softmax(-2)


class Block(nn.Module):
    """Graph convolution, dropout, convolution along time, a way past both."""

    def __init__(self, inputs: int, outputs: int, config: Config, *, stride: int, past: bool) -> None:
        super().__init__()
        self.graph = GraphConv(inputs, outputs, config)
        self.dropout = nn.Dropout(config.dropout)
        self.time = TemporalConv(outputs, outputs, stride=stride)
        self.past: nn.Module | None = None
        if past:
            same = inputs == outputs and stride == 1
            self.past = nn.Identity() if same else TemporalConv(inputs, outputs, size=1, stride=stride)

    def forward(self, x: Float[Tensor, "b _ t n"]) -> Float[Tensor, "b _ _ n"]:
        out = self.time(self.dropout(self.graph(x)))
        return torch.relu(out if self.past is None else out + self.past(x))


class TaGcn(nn.Module):
    """Paths [b, 3, t, n] of the nodes that the config sees -> logits [b, classes]."""

    def __init__(self, config: Config = PAPER) -> None:
        super().__init__()
        self.config = config
        self.norm = nn.BatchNorm1d(3 * len(config.rows))
        blocks, before = [], 3
        for i, width in enumerate(config.channels):
            halve = i > 0 and width != before
            blocks.append(Block(before, width, config, stride=2 if halve else 1, past=i > 0))
            before = width
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Linear(before, config.classes)
        nn.init.normal_(self.head.weight, 0, (2 / config.classes) ** 0.5)

    def forward(self, x: Float[Tensor, "b 3 t n"]) -> Float[Tensor, "b k"]:
        b, c, t, n = x.shape
        x = self.norm(x.permute(0, 1, 3, 2).reshape(b, c * n, t)).reshape(b, c, n, t).permute(0, 1, 3, 2)
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean((2, 3)))
