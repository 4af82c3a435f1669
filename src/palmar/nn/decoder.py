"""A decoder of one query: a token without content asks a map of features (the head of HMR 2.0 and HaMeR).

Pre-norm layers of self-attention, attention to the map, and a perceptron (Vaswani et al. 2017). The query starts as
zeros, so that of its embedding only the bias acts; the map is not normalised and has no positions of its own. With one
query self-attention is a linear map; it is kept, because checkpoints have it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class DecoderConfig:
    context: int = 1280
    """Channels of the map."""
    dim: int = 1024
    depth: int = 6
    heads: int = 8
    head: int = 64
    """Width of a head."""
    hidden: int = 1024
    """Of a layer's perceptron."""


class SelfAttention(nn.Module):
    def __init__(self, dim: int, heads: int, head: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.to_qkv = nn.Linear(dim, 3 * heads * head, bias=False)
        self.to_out = nn.Linear(heads * head, dim)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        q, k, v = (_split(part, self.heads) for part in self.to_qkv(self.norm(x)).chunk(3, -1))
        return self.to_out(_joined(F.scaled_dot_product_attention(q, k, v)))


class CrossAttention(nn.Module):
    def __init__(self, dim: int, context: int, heads: int, head: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.to_q = nn.Linear(dim, heads * head, bias=False)
        self.to_kv = nn.Linear(context, 2 * heads * head, bias=False)
        self.to_out = nn.Linear(heads * head, dim)

    def forward(self, x: Float[Tensor, "b n d"], context: Float[Tensor, "b m c"]) -> Float[Tensor, "b n d"]:
        k, v = (_split(part, self.heads) for part in self.to_kv(context).chunk(2, -1))
        q = _split(self.to_q(self.norm(x)), self.heads)
        return self.to_out(_joined(F.scaled_dot_product_attention(q, k, v)))


class Layer(nn.Module):
    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.attend_self = SelfAttention(config.dim, config.heads, config.head)
        self.attend_context = CrossAttention(config.dim, config.context, config.heads, config.head)
        self.norm = nn.LayerNorm(config.dim)
        self.first = nn.Linear(config.dim, config.hidden)
        self.second = nn.Linear(config.hidden, config.dim)

    def forward(self, x: Float[Tensor, "b n d"], context: Float[Tensor, "b m c"]) -> Float[Tensor, "b n d"]:
        x = x + self.attend_self(x)
        x = x + self.attend_context(x, context)
        return x + self.second(F.gelu(self.first(self.norm(x))))


class QueryDecoder(nn.Module):
    """A map of features -> what the one query found in it."""

    def __init__(self, config: DecoderConfig = DecoderConfig()) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Linear(1, config.dim)
        self.position = nn.Parameter(torch.randn(1, 1, config.dim))
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.depth))

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        context = features.flatten(2).transpose(1, 2)
        x = self.embedding(context.new_zeros(len(context), 1, 1)) + self.position
        for layer in self.layers:
            x = layer(x, context)
        return x[:, 0]


OFFICIAL = (
    ("to_token_embedding.", "embedding."),
    ("pos_embedding", "position"),
    ("transformer.layers.", "layers."),
    (".0.norm.", ".attend_self.norm."),
    (".0.fn.to_qkv.", ".attend_self.to_qkv."),
    (".0.fn.to_out.0.", ".attend_self.to_out."),
    (".1.norm.", ".attend_context.norm."),
    (".1.fn.to_q.", ".attend_context.to_q."),
    (".1.fn.to_kv.", ".attend_context.to_kv."),
    (".1.fn.to_out.0.", ".attend_context.to_out."),
    (".2.norm.", ".norm."),
    (".2.fn.net.0.", ".first."),
    (".2.fn.net.3.", ".second."),
)
"""(part of a key of the decoder in the checkpoints of HaMeR and those who took it over, ours), to be replaced in this
order, once each."""


def own_key(official: str) -> str:
    """Our name of a decoder's parameter, from that of a checkpoint, both without what stands before the decoder's."""
    for theirs, ours in OFFICIAL:
        official = official.replace(theirs, ours, 1)
    return official


def _split(x: Float[Tensor, "b n _"], heads: int) -> Float[Tensor, "b h n _"]:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def _joined(x: Float[Tensor, "b h n d"]) -> Float[Tensor, "b n _"]:
    return x.transpose(1, 2).flatten(2)
