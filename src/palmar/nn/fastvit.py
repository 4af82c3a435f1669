"""FastViT-MA36 (Vasu et al. 2023), as it is trained: sums of convolutions that could be folded into one.

RGB planes -> a map of 1216 channels at stride 32; 42,851,004 numbers. Convolutions have no bias where a batch norm
follows. Weights by the names of the public network (timm's `fastvit_ma36`, branches not folded) load with `renamed`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from palmar.nn.vit import DropPath


@dataclass(frozen=True)
class FastVitConfig:
    widths: tuple[int, ...] = (76, 152, 304, 608)
    depths: tuple[int, ...] = (6, 6, 18, 6)
    """Blocks a stage; those of the last stage attend, the others mix by convolutions."""
    ratio: int = 4
    head: int = 32
    """Width of an attention head."""
    drop_path: float = 0.2
    """Of the last block while training."""

    @property
    def channels(self) -> int:
        """Of the map that comes out."""
        return 2 * self.widths[-1]


MA36 = FastVitConfig()


def conv_norm(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution that keeps the extent, over the stride, and batch norm."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs)
    )


class SqueezeExcite(nn.Module):
    """Channels weighed by what all of them hold in the mean (Hu et al. 2018)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(channels, hidden, 1)
        self.up = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return x * torch.sigmoid(self.up(F.relu(self.down(x.mean((2, 3), keepdim=True)))))


class MobileOne(nn.Module):
    """A k x k convolution, a 1 x 1 convolution and the input itself, each normed, summed (Vasu et al. 2022)."""

    def __init__(
        self, inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1, *, act: bool = True,
        excite: int = 0, identity: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.full = conv_norm(inputs, outputs, size, stride, groups)
        self.point = conv_norm(inputs, outputs, 1, stride, groups) if size > 1 else None
        self.same = nn.BatchNorm2d(inputs) if identity and inputs == outputs and stride == 1 else None
        self.excite = SqueezeExcite(outputs, excite) if excite else None
        self.act = act

    def forward(self, x: Float[Tensor, "b _ _ _"]) -> Float[Tensor, "b _ _ _"]:
        out = self.full(x)
        for branch in (self.point, self.same):
            if branch is not None:
                out = out + branch(x)
        if self.excite is not None:
            out = self.excite(out)
        return F.gelu(out) if self.act else out


class Scale(nn.Module):
    """A number per channel that begins near nothing (Touvron et al. 2021)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.full((width, 1, 1), 1e-5))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return x * self.value


class ConvMlp(nn.Module):
    """Depthwise 7 x 7, then two layers on each place."""

    def __init__(self, width: int, ratio: int) -> None:
        super().__init__()
        self.near = conv_norm(width, width, 7, groups=width)
        self.first = nn.Conv2d(width, ratio * width, 1)
        self.second = nn.Conv2d(ratio * width, width, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return self.second(F.gelu(self.first(self.near(x))))


class RepMixer(nn.Module):
    def __init__(self, width: int, ratio: int, drop: float) -> None:
        super().__init__()
        self.mix = MobileOne(width, width, 3, groups=width, act=False)
        self.less = nn.BatchNorm2d(width)
        self.scale, self.scale_mlp = Scale(width), Scale(width)
        self.mlp = ConvMlp(width, ratio)
        self.drop = DropPath(drop)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        x = x + self.scale(self.mix(x) - self.less(x))
        return x + self.drop(self.scale_mlp(self.mlp(x)))


class AttentionBlock(nn.Module):
    def __init__(self, width: int, ratio: int, head: int, drop: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.heads = width // head
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)
        self.scale, self.scale_mlp = Scale(width), Scale(width)
        self.mlp = ConvMlp(width, ratio)
        self.drop = DropPath(drop)

    def attend(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        b, c, h, w = x.shape
        qkv = self.qkv(x.flatten(2).transpose(1, 2)).view(b, h * w, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        out = self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, h * w, c))
        return out.transpose(1, 2).reshape(b, c, h, w)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        x = x + self.drop(self.scale(self.attend(self.norm(x))))
        return x + self.drop(self.scale_mlp(self.mlp(x)))


class Down(nn.Module):
    """Half the extent, twice the width: large and small kernels in sum, then a place by itself."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.large = conv_norm(inputs, outputs, 7, 2, inputs)
        self.small = conv_norm(inputs, outputs, 3, 2, inputs)
        self.point = MobileOne(outputs, outputs, 1)

    def forward(self, x: Float[Tensor, "b _ _ _"]) -> Float[Tensor, "b _ _ _"]:
        return self.point(self.large(x) + self.small(x))


class FastVit(nn.Module):
    """Planes, about -0.5 to 0.5 -> the map at stride 32."""

    def __init__(self, config: FastVitConfig = MA36) -> None:
        super().__init__()
        self.config = config
        widths, first = config.widths, config.widths[0]
        self.stem = nn.Sequential(
            MobileOne(3, first, 3, 2), MobileOne(first, first, 3, 2, first), MobileOne(first, first, 1)
        )
        total = sum(config.depths)
        drops = [config.drop_path * i / max(total - 1, 1) for i in range(total)]
        self.downs, self.stages = nn.ModuleList(), nn.ModuleList()
        for i, (width, depth) in enumerate(zip(widths, config.depths, strict=True)):
            mine, drops = drops[:depth], drops[depth:]
            self.downs.append(Down(widths[i - 1], width) if i else nn.Identity())
            last = i == len(widths) - 1
            self.stages.append(
                nn.Sequential(
                    *(
                        AttentionBlock(width, config.ratio, config.head, drop) if last
                        else RepMixer(width, config.ratio, drop)
                        for drop in mine
                    )
                )
            )  # fmt: skip
        self.places = nn.Conv2d(widths[-1], widths[-1], 7, padding=3, groups=widths[-1])
        self.final = MobileOne(widths[-1], config.channels, 3, groups=widths[-1], excite=config.channels // 16)

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c _ _"]:
        x = self.stem(x)
        for i, (down, stage) in enumerate(zip(self.downs, self.stages, strict=True)):
            x = down(x)
            if i == len(self.stages) - 1:
                x = x + self.places(x)
            x = stage(x)
        return self.final(x)


_PARTS = (
    (r"stages\.(\d)\.downsample\.proj\.0\.(large|small)_conv\.", r"downs.\1.\2."),
    (r"stages\.(\d)\.downsample\.proj\.1\.", r"downs.\1.point."),
    (r"stages\.\d\.pos_emb\.pos_enc\.", "places."),
    (r"stages\.(\d)\.blocks\.(\d+)\.", r"stages.\1.\2."),
    (r"final_conv\.", "final."),
    (r"token_mixer\.mixer\.", "mix."),
    (r"token_mixer\.norm\.identity\.", "less."),
    (r"token_mixer\.(qkv|proj)\.", r"\1."),
    (r"token_mixer\.layer_scale\.gamma|layer_scale_1\.gamma", "scale.value"),
    (r"layer_scale_2\.gamma|layer_scale\.gamma", "scale_mlp.value"),
    (r"mlp\.conv\.", "mlp.near."),
    (r"mlp\.fc1\.", "mlp.first."),
    (r"mlp\.fc2\.", "mlp.second."),
    (r"conv_kxk\.0\.", "full."),
    (r"conv_scale\.", "point."),
    (r"identity\.", "same."),
    (r"se\.fc1\.", "excite.down."),
    (r"se\.fc2\.", "excite.up."),
)
_IN_PAIR = re.compile(r"(full|point|near|large|small)\.(conv|bn)\.")


def own_key(theirs: str) -> str:
    """Our name of a number of the public network; a name that is not the public network's comes back as it is."""
    for pattern, ours in _PARTS:
        theirs = re.sub(rf"(?:(?<=\.)|^)(?:{pattern})", ours, theirs, count=1)
    return _IN_PAIR.sub(lambda m: f"{m[1]}.{0 if m[2] == 'conv' else 1}.", theirs)


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The public network's numbers by our names, without its classifier."""
    return {own_key(key): value.float() if value.is_floating_point() else value
            for key, value in state.items() if not key.startswith("head.fc.")}  # fmt: skip
