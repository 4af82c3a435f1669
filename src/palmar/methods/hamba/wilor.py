"""WiLoR (Potamias et al. 2025): the hand's numbers ride through the transformer as tokens of their own, and a second
look at finer maps, where the first mesh lies, corrects them. Read from its checkpoints; not trained here."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from palmar.hand import HandModel
from palmar.methods.hamba.hand import FOCAL, NUMBERS, Meant, Said, meant, place
from palmar.methods.hamba.model import Means
from palmar.nn.vit import HUGE, VitConfig, VitTrunk

ROTATIONS = 16


class Backbone(nn.Module):
    """A transformer in whose front stand 16 tokens of pose, one of shape, one of the camera; means first, answers
    after."""

    def __init__(self, model: HandModel, config: VitConfig = HUGE) -> None:
        super().__init__()
        self.trunk = VitTrunk(config)
        self.pose_emb, self.shape_emb, self.cam_emb = (nn.Linear(count, config.dim) for count in (6, 10, 3))
        self.decpose, self.decshape, self.deccam = (nn.Linear(config.dim, count) for count in (6, 10, 3))
        self.means = Means(model)

    def forward(self, image: UInt8[Tensor, "b s s 3"]) -> tuple[Float[Tensor, "b c h w"], Said]:
        b, means = len(image), self.means
        front = torch.cat([self.pose_emb(means.pose.view(ROTATIONS, 6)), self.shape_emb(means.shape[None]),
                           self.cam_emb(means.camera[None])])  # fmt: skip
        features, said = self.trunk.vit(self.trunk.planes(image), front.expand(b, -1, -1))
        numbers = [self.decpose(said[:, :ROTATIONS]).flatten(1), self.decshape(said[:, ROTATIONS]),
                   self.deccam(said[:, ROTATIONS + 1])]  # fmt: skip
        return features, means(torch.cat(numbers, 1))


def _up(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


class Refine(nn.Module):
    """Looks where the first mesh lies on maps of one, two and four times the transformer's extent, takes the largest
    value of each channel over all vertices, and says what to add."""

    def __init__(self, dim: int = 1280, width: int = 640, *, compatible: bool = False) -> None:
        super().__init__()
        self.compatible = compatible
        self.first = nn.Conv2d(dim, width, 1)
        self.once = nn.Sequential(*_up(width, width // 2))
        self.twice = nn.Sequential(*_up(width, width // 2), *_up(width // 2, width // 4))
        total = width + width // 2 + width // 4
        self.dec_pose, self.dec_shape, self.dec_cam = (nn.Linear(total, count) for count in NUMBERS)

    def forward(
        self, features: Float[Tensor, "b c h w"], vertices: Float[Tensor, "b v 3"], camera: Float[Tensor, "b 3"]
    ) -> Float[Tensor, "b 109"]:
        base = self.first(features)
        seen = []
        for plane in (self.twice(base), self.once(base), base):
            seen.append(under(plane, vertices, camera, compatible=self.compatible).amax(1))
        found = torch.cat(seen, 1)
        return torch.cat([self.dec_pose(found), self.dec_shape(found), self.dec_cam(found)], 1)


def under(
    plane: Float[Tensor, "b c h w"], vertices: Float[Tensor, "b v 3"], camera: Float[Tensor, "b 3"], *, compatible: bool
) -> Float[Tensor, "b v c"]:
    """What the map holds where each vertex lies, zero beyond its edge.

    compatible: as released: shares of the crop from its middle, -0.5 to 0.5, are taken for pixels, so that all vertices
    look at the corner; each map has its own focal length, which changes the place by perspective only.
    """
    if compatible:
        height, width = plane.shape[-2:]
        scale, x, y = camera.unbind(-1)
        focal = 5000.0 / height
        there = vertices + torch.stack([x, y, 2 * 5000.0 / (height * scale + 1e-9)], -1)[:, None]
        uv = focal * there[..., :2] / there[..., 2:]
        grid = torch.stack([2 * uv[..., 0] / (width - 1), 2 * uv[..., 1] / (height - 1)], -1) - 1
        return F.grid_sample(plane, grid[:, :, None], align_corners=True)[..., 0].transpose(1, 2)
    there = vertices + place(camera)[:, None]
    uv = FOCAL * there[..., :2] / there[..., 2:]
    grid = torch.stack([2 * uv[..., 0] * 4 / 3, 2 * uv[..., 1]], -1)  # maps cover the middle three quarters
    return F.grid_sample(plane, grid[:, :, None], align_corners=False)[..., 0].transpose(1, 2)


class Wilor(nn.Module):
    """Crops of right hands -> (the hand, the first one)."""

    def __init__(
        self, model: HandModel, config: VitConfig = HUGE, width: int = 640, *, compatible: bool = False
    ) -> None:
        super().__init__()
        self.model = model
        self.backbone = Backbone(model, config)
        self.refine = Refine(config.dim, width, compatible=compatible)

    def forward(self, image: UInt8[Tensor, "b s s 3"]) -> tuple[Meant, Meant]:
        features, said = self.backbone(image)
        first = meant(said, self.model)
        skin = self.model.shaped(first.shape).posed(first.rotations).skin()
        pose, shape, camera = self.refine(features, skin, said.camera).split(NUMBERS, -1)
        return meant(Said(said.pose + pose, said.shape + shape, said.camera + camera), self.model), first
