"""HACO's network: a backbone, a decoder of one query, and a layer that says the contact of every vertex; and the fixed
maps to coarser hands at which it is also judged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from palmar.errors import PalmarError, one_of
from palmar.geometry.sampling import farthest_points
from palmar.hand import HandModel
from palmar.nn.decoder import DecoderConfig, QueryDecoder
from palmar.nn.landmarker import LandmarkerTrunk
from palmar.nn.vit import HUGE, VitConfig, VitTrunk

LEVELS = (336, 84)
"""Points of the coarser hands between the mesh and its 21 joints."""
STAGES = 3
"""Of the landmarker's trunk: a map of stride 16."""


@dataclass(frozen=True)
class Config:
    """One network; the defaults are the paper's."""

    trunk: Literal["vit", "palmar"] = "vit"
    size: int = 256
    """Pixels of the crop's side."""
    vit: VitConfig = HUGE
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    vertices: int = 778
    scale: float = 2.0
    """Side of the crop over the longer side of the hand in it."""
    upright: bool = False
    """Whether crops are turned so that the hand points up."""

    def __post_init__(self) -> None:
        one_of("trunk", self.trunk, ("vit", "palmar"))
        if self.trunk == "vit" and (self.vit.height, self.vit.width) != (self.size, self.size * 3 // 4):
            raise PalmarError(f"Config: crops of {self.size} pixels go with a transformer of {self.size} x "
                              f"{self.size * 3 // 4}, not {self.vit.height} x {self.vit.width}.")  # fmt: skip


PAPER = Config()
SMALL = Config("palmar", 128, decoder=DecoderConfig(96, 96, 2, 4, 24, 192), vertices=1690, scale=1.6, upright=True)


class Haco(nn.Module):
    """Crops of right hands -> logits of contact, one for each vertex."""

    def __init__(self, config: Config = PAPER) -> None:
        super().__init__()
        self.config = config
        if config.trunk == "vit":
            self.trunk: nn.Module = VitTrunk(config.vit)
        else:
            self.trunk = LandmarkerTrunk(STAGES)
        channels = config.vit.dim if config.trunk == "vit" else LandmarkerTrunk(STAGES).channels
        if config.decoder.context != channels:
            raise PalmarError(f"Config: the decoder reads {config.decoder.context} channels of {channels}.")
        self.decoder = QueryDecoder(config.decoder)
        self.contact = nn.Linear(config.decoder.dim, config.vertices)
        self.start = nn.Parameter(torch.randn(1, config.vertices))

    def forward(self, image: UInt8[Tensor, "b s s 3"]) -> Float[Tensor, "b v"]:
        features = self.trunk(image)
        with torch.autocast(image.device.type, enabled=False):
            return self.read(features.float())

    def read(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b v"]:
        """What the decoder makes of the trunk's map."""
        return self.contact(self.decoder(features)) + self.start


def coarser(model: HandModel) -> list[Float[np.ndarray, "k v"]]:
    """The maps to 336 and 84 points and to the 21 joints: rows are weights of vertices, at least 0, of sum 1.

    Points are spread evenly over the hand without its stub; a point is the mean of the vertices that are nearest to it.
    The joints' rows are the model's own regressor.
    """
    hand = np.flatnonzero(model.behind == 0)
    out = []
    for count in LEVELS:
        chosen = farthest_points(model.template[hand], count)
        near = ((model.template[hand][:, None] - model.template[hand][chosen]) ** 2).sum(-1).argmin(1)
        rows = np.zeros((len(chosen), len(model.template)))
        rows[near, hand] = 1.0
        out.append(rows / rows.sum(1, keepdims=True))
    joints = np.maximum(model.landmark_regressor, 0)
    return [*out, joints / joints.sum(1, keepdims=True)]
