"""Graphs of joints: edges, adjacency matrices, a convolution over learned neighbours, and one over time.

Matrices act from the right, x A: column j says from which nodes node j gathers.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from palmar.errors import PalmarError
from palmar.hand.joints import BONES

Edge = tuple[int, int]


def hand_edges(first: int = 0) -> tuple[Edge, ...]:
    """The 20 bones of a hand whose wrist is node `first`."""
    return tuple((first + a, first + b) for a, b in BONES)


def adjacency(edges: Iterable[Edge], nodes: int) -> Float[np.ndarray, "n n"]:
    """1 where an edge joins two nodes, either way; 0 elsewhere and on the diagonal.

    Raises PalmarError for a node that is not there and for an edge from a node to itself.
    """
    out = np.zeros((nodes, nodes))
    for a, b in edges:
        if not (0 <= a < nodes and 0 <= b < nodes and a != b):
            raise PalmarError(f"adjacency: no edge {a}-{b} among {nodes} nodes.")
        out[a, b] = out[b, a] = 1.0
    return out


def column_normalised(matrix: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """Every column divided by its sum; empty columns stay empty (Yan et al. 2018, A D^-1)."""
    total = matrix.sum(0)
    return matrix / np.where(total > 0, total, 1.0)


def symmetric_normalised(matrix: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """D^-1/2 A D^-1/2 (Kipf & Welling 2017); rows and columns of lonely nodes stay empty."""
    total = matrix.sum(0)
    scale = 1 / np.sqrt(np.where(total > 0, total, 1.0))
    return matrix * scale[:, None] * scale


def hops(edges: Iterable[Edge], nodes: int) -> Int[np.ndarray, "n n"]:
    """Edges on the shortest way between two nodes; -1 where there is none."""
    matrix = adjacency(edges, nodes) > 0
    out = np.where(np.eye(nodes, dtype=bool), 0, -1)
    reached = np.eye(nodes, dtype=bool)
    for step in range(1, nodes):
        further = (reached.astype(int) @ matrix > 0) & (out < 0)
        if not further.any():
            break
        out[further] = step
        reached = further
    return out


class SemanticConv(nn.Module):
    """A graph convolution that learns how much each neighbour counts (SemGCN, Zhao et al. 2019): S X W + b, row i of S
    the softmax of learned numbers over i and its neighbours. What is no edge counts nothing at all."""

    def __init__(self, inputs: int, outputs: int, edges: Iterable[Edge], nodes: int, *, bias: bool = True) -> None:
        super().__init__()
        self.edge_weight = nn.Parameter(torch.ones(nodes, nodes))
        self.linear = nn.Linear(inputs, outputs, bias)
        joined = adjacency(edges, nodes) + np.eye(nodes) > 0
        self.register_buffer("joined", torch.from_numpy(joined), persistent=False)

    def forward(self, x: Float[Tensor, "b n _"]) -> Float[Tensor, "b n _"]:
        shares = self.edge_weight.masked_fill(~self.joined, -torch.inf).softmax(1)
        return self.linear(shares @ x)


class TemporalConv(nn.Module):
    """A convolution along time, every node alike, and batch norm: [b, c, t, n] -> [b, c', ceil(t / stride), n]."""

    def __init__(self, inputs: int, outputs: int, *, size: int = 9, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, (size, 1), (stride, 1), (size // 2, 0))
        self.norm = nn.BatchNorm2d(outputs)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out")
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Float[Tensor, "b _ t n"]) -> Float[Tensor, "b _ _ n"]:
        return self.norm(self.conv(x))
