"""The landmarker: a square crop of one hand in, keypoints with their uncertainty, presence, side, pose and shape out.

Keypoints come from heat maps by soft-argmax (Sun et al. 2018), so they are differentiable and finer than a cell. All
else is read from three things: the coarsest map, the features under each heat map, and the keypoints themselves. Pose
is that of a right hand: for a left hand the network answers as if the picture were mirrored, which is why the pose
head also sees the keypoints with x multiplied by the network's own opinion of the side.

Letters: b crops, c channels, h w extent of the heat maps.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from palmar.errors import PalmarError
from palmar.geometry.rotations import rotmat_from_sixd
from palmar.nn.blocks import Backbone, Pyramid, planes_from_image

JOINTS, ROTATIONS, SHAPES = 21, 16, 10
LOG_SIGMA_RANGE = (-1.0, 4.0)
"""Natural logarithm of crop pixels: 0.37 to 55."""


@dataclass(frozen=True)
class LandmarkerConfig:
    size: int = 128
    """Pixels of a crop's side."""
    stem: int = 16
    widths: tuple[int, ...] = (24, 48, 96, 192)
    """Channels at strides 4, 8, 16, 32."""
    blocks: tuple[int, ...] = (1, 2, 2, 1)
    """Residual blocks at those strides."""
    pyramid: int = 32
    """Channels of the upward path and of the features under the joints."""
    gathered: int = 16
    """Numbers kept of each joint's features."""
    squeezed: int = 32
    """Channels kept of the coarsest map, whose cells are then read one by one."""
    hidden: int = 256

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        object.__setattr__(self, "blocks", tuple(self.blocks))
        if len(self.widths) != len(self.blocks):
            raise PalmarError(f"LandmarkerConfig: {len(self.widths)} widths but {len(self.blocks)} block counts.")
        if self.size % self.coarsest:
            raise PalmarError(f"LandmarkerConfig.size must be a multiple of {self.coarsest}, got {self.size}.")

    @property
    def coarsest(self) -> int:
        """Stride of the last map."""
        return 2 ** (len(self.widths) + 1)


class Landmarks(NamedTuple):
    """What the landmarker says of b crops. Pixels are the crop's; logits are natural; pose is as of a right hand."""

    heat: Float[Tensor, "b 21 h w"]
    """Logarithm of the probability that the joint lies in the cell; sums to one over the map."""
    keypoints: Float[Tensor, "b 21 2"]
    log_sigma: Float[Tensor, "b 21"]
    """Logarithm of the standard deviation per axis, pixels."""
    presence: Float[Tensor, " b"]
    """Logit of there being a hand."""
    side: Float[Tensor, " b"]
    """Logit of the hand being a right one."""
    rotations: Float[Tensor, "b 16 3 3"]
    """Wrist in the crop's camera frame, then 15 finger joints; orthonormal."""
    shape: Float[Tensor, "b 10"]


def cell_centres(count: int, stride: float) -> Float[Tensor, " count"]:
    """Pixel coordinates of the centres of `count` cells of `stride` pixels; pixel centres lie at integers."""
    return (torch.arange(count, dtype=torch.float32) + 0.5) * stride - 0.5


def soft_argmax(
    probability: Float[Tensor, "b k h w"], stride: float
) -> tuple[Float[Tensor, "b k 2"], Float[Tensor, "b k 2"]]:
    """Mean and standard deviation, in pixels of the crop, of x and y under maps that sum to one."""
    _, _, h, w = probability.shape
    x, y = (cell_centres(n, stride).to(probability) for n in (w, h))
    over_x, over_y = probability.sum(2), probability.sum(3)
    mean = torch.stack([over_x @ x, over_y @ y], -1)
    spread_x = (over_x * (x - mean[..., :1]).square()).sum(-1)
    spread_y = (over_y * (y - mean[..., 1:]).square()).sum(-1)
    return mean, torch.stack([spread_x, spread_y], -1).add(1e-6).sqrt()


class Landmarker(nn.Module):
    """uint8 RGB crops -> `Landmarks`."""

    def __init__(self, config: LandmarkerConfig = LandmarkerConfig()) -> None:
        super().__init__()
        self.config = config
        cells = (config.size // config.coarsest) ** 2
        self.backbone = Backbone(config.stem, config.widths, config.blocks)
        self.pyramid = Pyramid(config.widths, config.pyramid)
        self.heat = nn.Conv2d(config.pyramid, JOINTS, 1)
        self.log_scale = nn.Parameter(torch.full((JOINTS,), 1.0))     # inverse temperature of the soft-argmax
        self.gather = nn.Linear(config.pyramid, config.gathered)
        self.squeeze = nn.Conv2d(config.widths[-1], config.squeezed, 1)

        seen = config.widths[-1] + cells * config.squeezed + JOINTS * (config.gathered + 4)
        self.judge = mlp(seen, config.hidden // 2, 2 + JOINTS)
        self.pose = mlp(seen + JOINTS + 1, config.hidden, config.hidden, 6 * ROTATIONS + SHAPES)
        with torch.no_grad():
            for head in (self.judge[-1], self.pose[-1]):
                assert isinstance(head, nn.Linear)
                head.weight.mul_(0.1)
                head.bias.zero_()
                if head is self.judge[-1]:
                    head.bias[2:] = 2.5                                # 12 px: as unsure as an untrained network is
        identity = torch.tensor([1.0, 0, 0, 0, 1, 0]).repeat(ROTATIONS, 1)
        self.register_buffer("mean_sixd", identity, persistent=False)

    def forward(self, image: UInt8[Tensor, "b s s 3"]) -> Landmarks:
        maps = self.backbone(planes_from_image(image))
        fine = self.pyramid(maps)                                                     # b c h w
        with torch.autocast(image.device.type, enabled=False):   # half a number's digits are too few for coordinates
            return self._read(maps[-1].float(), fine.float())

    def _read(self, coarse: Float[Tensor, "b _ _ _"], fine: Float[Tensor, "b c h w"]) -> Landmarks:
        # Heat maps at stride 4 and their soft-argmax.
        logits = self.heat(fine) * self.log_scale.exp()[:, None, None]
        b, k, h, w = logits.shape
        heat = F.log_softmax(logits.flatten(2), -1)                                   # b 21 hw
        probability = heat.exp()
        half = (self.config.size - 1) / 2
        keypoints, spread = soft_argmax(probability.view(b, k, h, w), self.config.size / w)

        # What the heads see. Their losses do not move the heat maps, only the features.
        place = (keypoints.detach() - half) / half                                    # b 21 2, about -1 to 1
        under = self.gather(probability.detach() @ fine.flatten(2).transpose(1, 2))   # b 21 gathered
        seen = torch.cat(
            [
                coarse.mean((2, 3)),
                F.relu(self.squeeze(coarse)).flatten(1),
                F.relu(under).flatten(1),
                place.flatten(1),
                spread.detach().log().flatten(1),
            ],
            -1,
        )

        # Flags and uncertainty, then the pose of the right hand.
        judged = self.judge(seen)
        presence, side, log_sigma = judged[:, 0], judged[:, 1], judged[:, 2:].clamp(*LOG_SIGMA_RANGE)
        sign = torch.tanh(side.detach() / 2)[:, None]                                 # -1 left, 1 right
        pose = self.pose(torch.cat([seen, place[..., 0] * sign, sign], -1))
        sixd = pose[:, : 6 * ROTATIONS].reshape(b, ROTATIONS, 6) + self.mean_sixd
        shape = pose[:, 6 * ROTATIONS :]
        return Landmarks(heat.view(b, k, h, w), keypoints, log_sigma, presence, side, rotmat_from_sixd(sixd), shape)


class LandmarkerTrunk(nn.Module):
    """The landmarker's convolutions alone, for other heads: crops -> the map of its last stage.

    `palmar.train.start.start_trunk` gives it the landmarker's weights.
    """

    def __init__(self, stages: int = 4) -> None:
        """stages: 3 ends at stride 16 with 96 channels, 4 at stride 32 with 192."""
        super().__init__()
        own = LandmarkerConfig()
        self.channels, self.stride = own.widths[stages - 1], 2 ** (stages + 1)
        self.backbone = Backbone(own.stem, own.widths[:stages], own.blocks[:stages])

    def forward(self, image: UInt8[Tensor, "b s s 3"]) -> Float[Tensor, "b c h w"]:
        return self.backbone(planes_from_image(image))[-1]


def mlp(*widths: int) -> nn.Sequential:
    """Linear layers with layer norm and ReLU between them."""
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(widths[:-1]):
        layers += [nn.Linear(a, b), nn.LayerNorm(b), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))
