"""A plain vision transformer without classes: patches to tokens, blocks of attention, a map out.

Dosovitskiy et al. 2021, as ViTPose and HaMeR have it: patches of a padded picture, a learned position per patch and
one more that is added to all of them, pre-norm blocks, a norm at the end. Tokens of something other than the picture
may go through the blocks in front of the patches (WiLoR). Names of the parts are those of the checkpoints in use.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from palmar.errors import PalmarError


@dataclass(frozen=True)
class VitConfig:
    height: int = 256
    """Pixels of the picture that it is made for; others have their positions interpolated."""
    width: int = 192
    patch: int = 16
    padding: int = 2
    """Pixels around the picture before it is cut into patches; ViTPose: 2."""
    dim: int = 1280
    depth: int = 32
    heads: int = 16
    ratio: float = 4.0
    """Hidden width of a block's perceptron over `dim`."""
    drop_path: float = 0.55
    """Of the last block while training; from 0 it grows by equal steps."""

    def __post_init__(self) -> None:
        if self.dim % self.heads:
            raise PalmarError(f"VitConfig: dim {self.dim} is not a multiple of {self.heads} heads.")
        if min(self.height, self.width) < self.patch:
            raise PalmarError(f"VitConfig: no patch of {self.patch} fits {self.width} x {self.height} pixels.")

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.grid_of(self.height, self.width)

    def grid_of(self, height: int, width: int) -> tuple[int, int]:
        rows, columns = ((n + 2 * self.padding - self.patch) // self.patch + 1 for n in (height, width))
        return rows, columns


HUGE = VitConfig()
"""ViT-H/16 of HaMeR: 630,912,000 numbers."""
TINY = VitConfig(128, 96, 16, 2, 192, 4, 3, 4.0, 0.0)
"""For small runs on a processor."""


class DropPath(nn.Module):
    """Leaves whole samples' branches out while training (Huang et al. 2016), and scales the others up."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        if not self.training or self.share == 0:
            return x
        keep = 1 - self.share
        return x * x.new_empty(len(x), *[1] * (x.ndim - 1)).bernoulli_(keep).div_(keep)


class Attention(nn.Module):
    """Of all tokens to all, many heads; queries, keys and values from one matrix in this order."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        b, n, d = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, d))


class Perceptron(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, dim: int, heads: int, ratio: float, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Perceptron(dim, round(dim * ratio))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class PatchEmbedding(nn.Module):
    def __init__(self, dim: int, patch: int, padding: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch, patch, padding)

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d r c"]:
        return self.proj(x)


class VisionTransformer(nn.Module):
    """Normalised pictures -> (map of the patches, tokens that were put in front)."""

    def __init__(self, config: VitConfig = HUGE) -> None:
        super().__init__()
        self.config = config
        rows, columns = config.grid
        self.patch_embed = PatchEmbedding(config.dim, config.patch, config.padding)
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + rows * columns, config.dim))
        share = torch.linspace(0, config.drop_path, config.depth, device="cpu").tolist()
        self.blocks = nn.ModuleList(Block(config.dim, config.heads, config.ratio, s) for s in share)
        self.last_norm = nn.LayerNorm(config.dim, eps=1e-6)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def positions(self, rows: int, columns: int) -> Float[Tensor, "1 n d"]:
        """Of a grid of patches, bicubically interpolated where it is another than the one it is made for."""
        own = self.config.grid
        patches = self.pos_embed[:, 1:]
        if (rows, columns) != own:
            plane = patches.view(1, *own, -1).permute(0, 3, 1, 2)
            plane = F.interpolate(plane, (rows, columns), mode="bicubic", align_corners=False)
            patches = plane.flatten(2).transpose(1, 2)
        return patches + self.pos_embed[:, :1]

    def forward(
        self, picture: Float[Tensor, "b 3 h w"], front: Float[Tensor, "b k d"] | None = None
    ) -> tuple[Float[Tensor, "b d r c"], Float[Tensor, "b k d"]]:
        """front: tokens without positions; none is an empty second result."""
        x = self.patch_embed(picture)
        b, d, rows, columns = x.shape
        tokens = x.flatten(2).transpose(1, 2) + self.positions(rows, columns)
        count = 0 if front is None else front.shape[1]
        if front is not None:
            tokens = torch.cat([front, tokens], 1)
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.last_norm(tokens)
        return tokens[:, count:].transpose(1, 2).reshape(b, d, rows, columns), tokens[:, :count]


IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VitTrunk(nn.Module):
    """The middle three quarters of square crops' columns, normalised, through a vision transformer (HaMeR)."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.vit = VisionTransformer(config)
        for name, values in zip(("mean", "std"), IMAGENET, strict=True):
            column = 255 * np.array(values, np.float32)[:, None, None]
            self.register_buffer(name, torch.from_numpy(column), persistent=False)

    def planes(self, image: UInt8[Tensor, "b s s 3"]) -> Float[Tensor, "b 3 s _"]:
        """What the transformer is shown."""
        cut = image.shape[2] // 8
        return (image[:, :, cut:-cut].permute(0, 3, 1, 2).float() - self.mean) / self.std

    def forward(self, image: UInt8[Tensor, "b s s 3"]) -> Float[Tensor, "b c h w"]:
        return self.vit(self.planes(image))[0]
