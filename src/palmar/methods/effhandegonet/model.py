"""EffHandNet and EffHandEgoNet (Mucha and Kampel 2024): heat maps of a hand's crop, of both hands of a whole frame.

Both are a trunk of stride 32 and transposed convolutions. EffHandEgoNet says besides which hands are there. Trunk and
input size are free here; the paper's are EfficientNetV2-S, 512 x 512 and 128 x 128.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from palmar.errors import PalmarError, one_of
from palmar.nn.heatmaps import SIGMA, HeatHead, NormUpHead, rare
from palmar.nn.trunks import STRIDE, TRUNKS, make_trunk

JOINTS = 21
FREIHAND = ((0.4532, 0.4522, 0.4034), (0.2218, 0.2186, 0.2413))
"""Mean and standard deviation of FreiHAND's channels, by which the paper's EffHandNet sees its crops."""


@dataclass(frozen=True)
class EgoNetConfig:
    trunk: str = "efficientnet_v2_s"
    height: int = 512
    width: int = 512
    """Pixels of the input, multiples of 32; a frame is stretched to it."""
    head: int = 256
    """Channels of the up-steps."""
    hands: int = 2
    """2: left and right. 1: the right hand only, and `objects`: the paper's variant for FPHA."""
    objects: int = 0
    """Classes of the object, "none" included, that the variant of one hand tells apart."""
    sigma: float = SIGMA
    """Cells of a quarter of the input, of the Gaussians it learns."""
    compatible: bool = False
    """The published targets and decoder (`palmar.nn.heatmaps`), which released weights expect."""

    def __post_init__(self) -> None:
        one_of("trunk", self.trunk, TRUNKS)
        for name in ("height", "width"):
            size = getattr(self, name)
            if size < 64 or size % STRIDE or size > 4096:
                raise PalmarError(
                    f"EgoNetConfig.{name}: {size} pixels; expected a multiple of {STRIDE} from 64 to 4096."
                )
        if self.hands not in (1, 2) or (self.objects > 0) != (self.hands == 1):
            raise PalmarError(
                f"EgoNetConfig: {self.hands} hands and {self.objects} objects; expected 2 hands, or 1 and objects."
            )

    @property
    def cells(self) -> tuple[int, int]:
        """Height and width of the heat maps."""
        return self.height // 4, self.width // 4

    @property
    def pooled(self) -> int:
        """Cells that the flags see, in each channel."""
        return (self.height // STRIDE // 2) * (self.width // STRIDE // 2)


class EgoHands(NamedTuple):
    """What EffHandEgoNet says of b pictures."""

    maps: Float[Tensor, "b s 21 h w"]
    """Heat, 0 to 1, of the joints of the left and the right hand (of the right one alone in the variant for FPHA)."""
    flags: Float[Tensor, "b s 2"] | None
    """Logits that each hand is absent, present."""
    object: Float[Tensor, "b o"] | None
    """Logits of the object."""


class EffHandEgoNet(nn.Module):
    """uint8 RGB frames of the config's size -> `EgoHands`, maps of a quarter of it."""

    def __init__(self, config: EgoNetConfig = EgoNetConfig()) -> None:
        super().__init__()
        self.config = config
        self.trunk = make_trunk(config.trunk)
        channels = self.trunk.channels
        self.pose = nn.ModuleList(HeatHead(channels, config.head, 3, JOINTS) for _ in range(config.hands))
        features = channels * config.pooled
        self.flag = nn.ModuleList(nn.Linear(features, 2) for _ in range(config.hands if config.hands == 2 else 0))
        self.object = nn.Linear(features, config.objects) if config.objects else None
        for head in self.pose:
            assert isinstance(head, HeatHead)
            rare(head.final, 0.02)

    def forward(self, image: UInt8[Tensor, "b H W 3"]) -> EgoHands:
        return self.read(self.trunk(image))

    def read(self, features: Float[Tensor, "b c h w"]) -> EgoHands:
        """What the heads make of the trunk's map."""
        features = features.float()
        # maps: [b, c, h, w] -> [b, 21, 4 h', 4 w'] for each hand
        maps = torch.stack([head(features).float().sigmoid() for head in self.pose], 1)
        pooled = F.max_pool2d(features, 2).flatten(1)
        flags = torch.stack([flag(pooled) for flag in self.flag], 1) if len(self.flag) else None
        return EgoHands(maps, flags, None if self.object is None else self.object(pooled))


@dataclass(frozen=True)
class HandNetConfig:
    trunk: str = "efficientnet_v2_s"
    size: int = 128
    """Pixels of the square crop, a multiple of 32."""
    head: int = 256
    sigma: float = SIGMA
    """Pixels of the crop, of the Gaussians it learns."""
    statistics: tuple[tuple[float, ...], tuple[float, ...]] = field(default=FREIHAND)
    """Mean and standard deviation of the channels; the trunk "palmar" keeps its own."""
    compatible: bool = False
    """The published targets and decoder."""

    def __post_init__(self) -> None:
        one_of("trunk", self.trunk, TRUNKS)
        if self.size < STRIDE or self.size % STRIDE or self.size > 4096:
            raise PalmarError(f"HandNetConfig.size: {self.size} pixels; expected a multiple of {STRIDE} up to 4096.")


class EffHandNet(nn.Module):
    """uint8 RGB crops of one hand -> heat [b, 21, size, size], 0 to 1, one cell to a pixel."""

    def __init__(self, config: HandNetConfig = HandNetConfig()) -> None:
        super().__init__()
        self.config = config
        ours = config.trunk == "palmar"  # it was trained on pictures that were normalised its own way
        self.trunk = make_trunk(config.trunk, statistics=None if ours else config.statistics)
        self.head = NormUpHead(self.trunk.channels, config.head, 5, JOINTS)
        rare(self.head.final, 0.02)

    def forward(self, image: UInt8[Tensor, "b s s 3"]) -> Float[Tensor, "b 21 s s"]:
        return self.head(self.trunk(image).float()).float().sigmoid()
