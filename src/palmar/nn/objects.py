"""The detector of used objects: where the thing is that a first-person picture's hands hold or go for, and what it is.

The body is that of the hand detector (`palmar.nn.detector`), whose trained weights it can begin from; a cell answers
for the object whose centre it holds, as there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from palmar.errors import PalmarError
from palmar.nn.blocks import Backbone, Pyramid, conv, planes_from_image
from palmar.nn.detector import BOX_UNIT, Detector, DetectorConfig


@dataclass(frozen=True)
class ObjectConfig:
    kinds: int
    """Names of the vocabulary without "none"."""
    body: DetectorConfig = field(default_factory=DetectorConfig)

    def __post_init__(self) -> None:
        if self.kinds < 1:
            raise PalmarError(f"ObjectConfig: needs one kind of object at least, got {self.kinds}.")


class Objects(NamedTuple):
    """What it says of b pictures, cells as in `palmar.nn.detector.Detections`."""

    score: Float[Tensor, "b h w"]
    """Logit of a used object's centre, whatever it is."""
    box: Float[Tensor, "b h w 4"]
    """Distances from the cell's centre to the left, top, right and bottom, pixels, positive. The whole object's, also
    where a hand hides it."""
    kind: Float[Tensor, "b h w k"]
    """Logits of what it is."""


class ObjectDetector(nn.Module):
    """uint8 RGB pictures, height and width multiples of 32 -> `Objects`."""

    def __init__(self, config: ObjectConfig) -> None:
        super().__init__()
        self.config = config
        body = config.body
        self.backbone = Backbone(body.stem, body.widths, body.blocks)
        self.pyramid = Pyramid(body.widths[1:], body.pyramid)
        self.mix = conv(body.pyramid, body.pyramid)
        self.read = nn.Conv2d(body.pyramid, 5, 1)
        self.name = nn.Sequential(conv(body.widths[-1], 2 * body.pyramid, size=1), conv(2 * body.pyramid, body.pyramid))
        self.kind = nn.Conv2d(2 * body.pyramid, config.kinds, 1)
        with torch.no_grad():
            assert self.read.bias is not None
            self.read.weight[1:].mul_(0.3)
            self.read.bias.zero_()
            self.read.bias[0] = -math.log((1 - 0.01) / 0.01)  # Lin et al. 2017, section 4.1

    def begin(self, hands: Detector) -> ObjectDetector:
        """Take the body's weights from a hand detector, in place."""
        for name in ("backbone", "pyramid", "mix"):
            getattr(self, name).load_state_dict(getattr(hands, name).state_dict())
        return self

    def forward(self, image: UInt8[Tensor, "b H W 3"]) -> Objects:
        maps = self.backbone(planes_from_image(image))
        mixed = self.mix(self.pyramid(maps[1:]))
        wide = nn.functional.interpolate(self.name(maps[-1]), size=mixed.shape[-2:], mode="nearest")
        with torch.autocast(image.device.type, enabled=False):
            cells = self.read(mixed.float()).permute(0, 2, 3, 1)  # b h w 5
            kind = self.kind(torch.cat([mixed, wide], 1).float()).permute(0, 2, 3, 1)
        distances = BOX_UNIT * cells[..., 1:].clamp(-5.0, 3.5).exp()
        return Objects(cells[..., 0], distances, kind)
