"""What the two pose networks minimise, and how their heat maps become keypoints.

A batch: image uint8 [b, H, W, 3]; keypoints [b, s, 21, 2] in pixels of that picture, far outside where a hand is
absent; present [b, s] 0 or 1; for the variant of one hand object [b].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from palmar.methods.effhandegonet.model import EgoHands
from palmar.nn.heatmaps import (
    compatible_maps,
    expectation,
    gaussian_maps,
    mean_or_zero,
    peak_expectation,
    soft_iou,
)

ABSENT = -1e4
"""Pixels, both coordinates, of joints that are not there: far outside, so that their targets are empty."""


def cells_of(pixels: Float[Tensor, "*k 2"], stride: float) -> Float[Tensor, "*k 2"]:
    """Pixels of the picture as cells of maps of this stride."""
    return (pixels + 0.5) / stride - 0.5


def pixels_of(cells: Float[Tensor, "*k 2"], stride: float) -> Float[Tensor, "*k 2"]:
    """The inverse of `cells_of`."""
    return (cells + 0.5) * stride - 0.5


def targets(
    keypoints: Float[Tensor, "*k 2"], maps: tuple[int, int], stride: float, sigma: float, *, compatible: bool = False
) -> Float[Tensor, "*k h w"]:
    """Heat that the network is to find. compatible: the published targets, of square maps."""
    if compatible:
        return compatible_maps((keypoints + 0.5) / (stride * maps[0]), maps[0], sigma)
    return gaussian_maps(cells_of(keypoints, stride), *maps, sigma)


def keypoints_of(
    maps: Float[Tensor, "*k h w"], stride: float, sigma: float, *, compatible: bool = False
) -> tuple[Float[Tensor, "*k 2"], Float[Tensor, "*k"]]:
    """Keypoints in pixels of the picture, and the height of each map's peak.

    compatible: the published decoder: the mean of the whole map, as a share of the picture without the half cell, which
    stands half a cell too far left and up on average, as its targets do.
    """
    if compatible:
        return expectation(maps) * stride - 0.5, maps.amax((-1, -2))
    cells, height = peak_expectation(maps, 2.5 * sigma)
    return pixels_of(cells, stride), height


@dataclass(frozen=True)
class EgoLoss:
    """EffHandEgoNet's: presence, or for one hand the object, and soft IoU of the maps; (found, batch, progress) ->
    the terms, their weighted sum under "loss"."""

    sigma: float
    presence: float = 0.02
    """Weight of the flags; of the maps it is the rest. For one hand and its object the paper has 0.01."""
    over: Literal["predicted", "present", "either"] = "predicted"
    """Hands whose maps count: those the network thinks to be there (the paper's; an absent one then learns an empty
    map), those that are there, or both."""
    compatible: bool = False
    """The published targets."""

    def __call__(self, found: EgoHands, batch: Mapping[str, Tensor], progress: float) -> dict[str, Tensor]:
        del progress
        h, w = found.maps.shape[-2:]
        stride = batch["image"].shape[1] / h if "image" in batch else 4.0
        truth = targets(batch["keypoints"], (h, w), stride, self.sigma, compatible=self.compatible)
        iou = soft_iou(found.maps, truth).mean(-1)  # b s
        there = batch["present"] > 0
        terms: dict[str, Tensor] = {}
        if found.flags is not None:
            flag = F.cross_entropy(found.flags.flatten(0, 1), there.long().flatten(), reduction="none")
            named = flag.view_as(iou).mean()
            thought = found.flags.argmax(-1) == 1
            counted = {"predicted": thought, "present": there, "either": thought | there}[self.over]
            terms["presence_wrong"] = (thought != there).float().mean()
        else:
            assert found.object is not None
            named = F.cross_entropy(found.object, batch["object"])
            counted = torch.ones_like(there)
            terms["object_wrong"] = (found.object.argmax(-1) != batch["object"]).float().mean()
        # Each side's mean over its own hands, then the mean of the sides: not the mean over all hands.
        maps = torch.stack([mean_or_zero(iou[:, s], counted[:, s]) for s in range(iou.shape[1])]).mean()
        terms |= {"named": named, "maps": maps, "loss": self.presence * named + (1 - self.presence) * maps}
        with torch.no_grad():
            terms["pixels"] = _error(found.maps, batch["keypoints"], there, stride, self.sigma)
        return terms


@dataclass(frozen=True)
class HandLoss:
    """EffHandNet's: soft IoU over joints and samples."""

    sigma: float
    compatible: bool = False

    def __call__(self, found: Tensor, batch: Mapping[str, Tensor], progress: float) -> dict[str, Tensor]:
        del progress
        h, w = found.shape[-2:]
        stride = batch["image"].shape[1] / h
        points = batch["keypoints"][:, 0]
        truth = targets(points, (h, w), stride, self.sigma, compatible=self.compatible)
        loss = soft_iou(found, truth).mean()
        with torch.no_grad():
            there = torch.ones(len(found), 1, dtype=torch.bool, device=found.device)
            pixels = _error(found[:, None], batch["keypoints"], there, stride, self.sigma)
        return {"loss": loss, "pixels": pixels}


def _error(maps: Tensor, keypoints: Tensor, there: Tensor, stride: float, sigma: float) -> Tensor:
    """Mean distance over joints inside the picture of hands that are there, pixels."""
    found = keypoints_of(maps, stride, sigma)[0]
    size = stride * keypoints.new_tensor([maps.shape[-1], maps.shape[-2]]) - 0.5
    inside = ((keypoints > -0.5) & (keypoints < size)).all(-1) & there[..., None]
    return mean_or_zero((found - keypoints).norm(dim=-1), inside)
