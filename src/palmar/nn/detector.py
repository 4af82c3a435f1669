"""The detector: a whole picture in; for every cell of 8 pixels whether a hand's centre lies there, its box and side.

No anchors: a cell answers for the hand whose centre it holds (Zhou et al. 2019), with distances to the four sides of
the box (Tian et al. 2019). The direction from wrist to middle knuckle turns the landmarker's crop upright.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from palmar.errors import PalmarError
from palmar.nn.blocks import Backbone, Pyramid, conv, planes_from_image

STRIDE = 8
"""Pixels of a cell of the output maps."""
BOX_UNIT = 32.0
"""Pixels of a distance whose logit is 0."""


@dataclass(frozen=True)
class DetectorConfig:
    stem: int = 16
    widths: tuple[int, ...] = (16, 32, 64, 96)
    """Channels at strides 4, 8, 16, 32."""
    blocks: tuple[int, ...] = (1, 2, 2, 1)
    """Residual blocks at those strides."""
    pyramid: int = 40
    """Channels of the upward path, which ends at stride 8."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        object.__setattr__(self, "blocks", tuple(self.blocks))
        if len(self.widths) != len(self.blocks) or len(self.widths) < 2:
            raise PalmarError(
                f"DetectorConfig: need two or more widths and as many block counts, got {self.widths}, {self.blocks}."
            )

    @property
    def coarsest(self) -> int:
        """Stride of the last map: pictures have a height and a width that are multiples of it."""
        return 2 ** (len(self.widths) + 1)


class Detections(NamedTuple):
    """What the detector says of b pictures. Cell (i, j)'s centre is the pixel ((j + .5) 8 - .5, (i + .5) 8 - .5)."""

    score: Float[Tensor, "b h w"]
    """Logit of a hand's centre."""
    box: Float[Tensor, "b h w 4"]
    """Distances from the cell's centre to the left, top, right and bottom of the box, pixels, positive."""
    side: Float[Tensor, "b h w"]
    """Logit of a right hand."""
    direction: Float[Tensor, "b h w 2"]
    """From wrist to middle knuckle, x right, y down; about unit length once trained, not normalised."""


class Detector(nn.Module):
    """uint8 RGB pictures, height and width multiples of 32 -> `Detections`."""

    def __init__(self, config: DetectorConfig = DetectorConfig()) -> None:
        super().__init__()
        self.config = config
        self.backbone = Backbone(config.stem, config.widths, config.blocks)
        self.pyramid = Pyramid(config.widths[1:], config.pyramid)
        self.mix = conv(config.pyramid, config.pyramid)
        self.read = nn.Conv2d(config.pyramid, 8, 1)
        with torch.no_grad():
            assert self.read.bias is not None
            self.read.weight[1:].mul_(0.3)
            self.read.bias.zero_()
            self.read.bias[0] = -math.log((1 - 0.01) / 0.01)     # Lin et al. 2017, section 4.1

    def forward(self, image: UInt8[Tensor, "b H W 3"]) -> Detections:
        maps = self.backbone(planes_from_image(image))
        mixed = self.mix(self.pyramid(maps[1:]))
        with torch.autocast(image.device.type, enabled=False):   # half a number's digits are too few for coordinates
            cells = self.read(mixed.float()).permute(0, 2, 3, 1)                      # b h w 8
        distances = BOX_UNIT * cells[..., 1:5].clamp(-5.0, 3.5).exp()                # 0.2 to 1,060 px
        return Detections(cells[..., 0], distances, cells[..., 5], cells[..., 6:])
