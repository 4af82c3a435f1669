"""Chebyshev graph convolution over the bones of a hand, and the graph transformer that lifts 21 points with it.

Defferrard et al., "Convolutional Neural Networks on Graphs with Fast Localized Spectral Filtering", NeurIPS 2016: a
filter is a polynomial of the graph's Laplacian L, in the Chebyshev basis T_0 = I, T_1 = L, T_m = 2 L T_(m-1) - T_(m-2).
Zhao et al., "GraFormer: Graph-Oriented Transformer for 3D Pose Estimation", CVPR 2022: attention between nodes, a
layer over a learned graph, Chebyshev convolutions, in turn. Tensors are [..., nodes, channels].
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from palmar.hand.joints import BONES


def laplacian(nodes: int, bones: Sequence[tuple[int, int]] = BONES) -> Float[np.ndarray, "n n"]:
    """I - A, where A is the mean over a node's neighbours and itself.

    Rows of A sum to one, so that the usual normalisation D^-1/2 A D^-1/2 leaves it as it is. Not symmetric.
    """
    linked = np.eye(nodes)
    for a, b in bones:
        linked[a, b] = linked[b, a] = 1.0
    return np.eye(nodes) - linked / linked.sum(1, keepdims=True)


def chebyshev_basis(L: Float[np.ndarray, "n n"], order: int = 3) -> Float[np.ndarray, "m n n"]:
    """The first `order` Chebyshev polynomials of L."""
    basis = [np.eye(len(L)), L]
    while len(basis) < order:
        basis.append(2 * L @ basis[-1] - basis[-2])
    return np.stack(basis[:order])


class ChebyshevConv(nn.Module):
    """out = sum_m T_m h W_m + b."""

    basis: Tensor

    def __init__(self, inputs: int, outputs: int, basis: Float[np.ndarray, "m n n"]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(len(basis), 1, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(1, 1, outputs))
        nn.init.xavier_normal_(self.weight)
        self.register_buffer("basis", torch.tensor(basis, dtype=torch.float32), persistent=False)

    def forward(self, h: Float[Tensor, "*b n i"]) -> Float[Tensor, "*b n o"]:
        spread = self.basis @ h.unsqueeze(-3)  # b m n i
        m, _, i, o = self.weight.shape
        joined = spread.transpose(-3, -2).flatten(-2)  # b n (m i): one product instead of m
        return joined @ self.weight.reshape(m * i, o) + self.bias[0, 0]


class StdNorm(nn.Module):
    """a (x - mean) / (std + eps) + b with the unbiased standard deviation: GraFormer's layer norm."""

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.gain, self.bias, self.eps = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width)), eps

    def forward(self, x: Float[Tensor, "*b c"]) -> Float[Tensor, "*b c"]:
        centred = x - x.mean(-1, keepdim=True)
        # as x.std(), whose gradient is not finite where all channels are equal
        variance = centred.square().sum(-1, keepdim=True) / (x.shape[-1] - 1)
        return self.gain * centred / (variance.clamp_min(1e-14).sqrt() + self.eps) + self.bias


class NodeAttention(nn.Module):
    """Every node attends to every node; dropout acts on the attention weights too."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, h: Float[Tensor, "*b n c"]) -> Float[Tensor, "*b n c"]:
        lead = h.shape[:-2]
        h = h.reshape(-1, *h.shape[-2:])
        q, k, v = (
            layer(h).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout if self.training else 0.0)
        return self.out(mixed.transpose(1, 2).flatten(-2)).reshape(*lead, *h.shape[-2:])


class LearnedGraph(nn.Module):
    """Two linear layers, each over the means along the edges of one learned graph, which starts without edges.

    N_ij = B_ij / sqrt(d_i d_j) with d the column sums of B. A learned sum may become negative, whose root is not a
    number; it then counts as the smallest there is.
    """

    def __init__(self, width: int, hidden: int, nodes: int) -> None:
        super().__init__()
        self.edges = nn.Parameter(torch.eye(nodes))
        self.first, self.second = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, h: Float[Tensor, "*b n c"]) -> Float[Tensor, "*b n c"]:
        degree = (self.edges.sum(0) + 1e-5).clamp_min(1e-5).rsqrt()
        N = degree[:, None] * self.edges * degree
        return self.second(N @ F.relu(self.first(N @ h)))


class GraphResidual(nn.Module):
    """h + R(h), R twice a Chebyshev convolution, ReLU and dropout."""

    def __init__(self, width: int, basis: Float[np.ndarray, "m n n"], dropout: float) -> None:
        super().__init__()
        self.first, self.second = ChebyshevConv(width, width, basis), ChebyshevConv(width, width, basis)
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Float[Tensor, "*b n c"]) -> Float[Tensor, "*b n c"]:
        inner = self.dropout(F.relu(self.first(h)))
        return h + self.dropout(F.relu(self.second(inner)))


class GraphLayer(nn.Module):
    """Attention, learned graph, Chebyshev convolutions; each added to what came in."""

    def __init__(self, width: int, heads: int, basis: Float[np.ndarray, "m n n"], dropout: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList(StdNorm(width) for _ in range(2))
        self.attention = NodeAttention(width, heads, dropout)
        self.graph = LearnedGraph(width, 2 * width, basis.shape[-1])
        self.convolutions = GraphResidual(width, basis, dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Float[Tensor, "*b n c"]) -> Float[Tensor, "*b n c"]:
        h = h + self.dropout(self.attention(self.norms[0](h)))
        h = h + self.dropout(self.graph(self.norms[1](h)))
        return self.convolutions(h)


class GraphTransformer(nn.Module):
    """GraFormer: points of a graph with `inputs` numbers each to `outputs` numbers each."""

    def __init__(
        self,
        inputs: int = 2,
        outputs: int = 3,
        *,
        width: int = 64,
        layers: int = 2,
        heads: int = 4,
        nodes: int = 21,
        bones: Sequence[tuple[int, int]] = BONES,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        basis = chebyshev_basis(laplacian(nodes, bones))
        self.enter = ChebyshevConv(inputs, width, basis)
        nn.init.normal_(self.enter.bias, std=0.5)  # where all points are one, the norms need some spread to divide by
        self.layers = nn.ModuleList(GraphLayer(width, heads, basis, dropout) for _ in range(layers))
        self.leave = ChebyshevConv(width, outputs, basis)

    def forward(self, points: Float[Tensor, "*b n i"]) -> Float[Tensor, "*b n o"]:
        h = self.enter(points)
        for layer in self.layers:
            h = layer(h)
        return self.leave(h)


def graformer_names(layers: int = 2) -> dict[str, str]:
    """Our name of each parameter of a `GraphTransformer` -> its name in the authors' release."""
    names = {"enter": "gconv_input", "leave": "gconv_output"}
    for i, (part, theirs) in itertools.product(range(layers), (("first", "gconv1"), ("second", "gconv2"))):
        names[f"layers.{i}.convolutions.{part}"] = f"gconv_layers.{i}.{theirs}.gconv"
        names[f"layers.{i}.graph.{part}"] = f"atten_layers.{i}.feed_forward.{theirs}.fc"
    for i in range(layers):
        for j, part in enumerate(("query", "key", "value", "out")):
            names[f"layers.{i}.attention.{part}"] = f"atten_layers.{i}.self_attn.linears.{j}"
    out = {f"{ours}.{kind}": f"{theirs}.{kind}" for ours, theirs in names.items() for kind in ("weight", "bias")}
    for i in range(layers):
        out[f"layers.{i}.graph.edges"] = f"atten_layers.{i}.feed_forward.A_hat"
        for j, (ours, theirs) in itertools.product(range(2), (("gain", "a_2"), ("bias", "b_2"))):
            out[f"layers.{i}.norms.{j}.{ours}"] = f"atten_layers.{i}.sublayer.{j}.norm.{theirs}"
    return out
