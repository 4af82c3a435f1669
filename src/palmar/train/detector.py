"""What the detector is trained to: targets on the grid of cells, made from boxes, and the loss.

A batch is a dictionary of arrays, b pictures each: image uint8 [b, H, W, 3]; boxes [b, m, 4] x0 y0 x1 y1 in pixels;
sides [b, m], 1 right; directions [b, m, 2] from wrist to middle knuckle, zero where unknown; count [b], how many of
the m rows are hands; the rest are not looked at.

Letters: b pictures, m hands at most, h w cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from palmar.nn.detector import STRIDE, Detections

Batch = Mapping[str, Tensor]
SPREAD = 0.10
"""Standard deviation of a hand's bump on the score map, over the box's width and height."""
REACH = 0.5
"""Cells where the bump is higher than this answer for the hand's box too."""


class Targets(NamedTuple):
    score: Float[Tensor, "b h w"]
    """1 in the cell nearest each box's centre, falling off as a Gaussian; the highest where hands overlap."""
    centre: Float[Tensor, "b h w"]
    """1 in those nearest cells, else 0."""
    owner: Int[Tensor, "b h w"]
    """Which row of boxes the cell answers for."""
    weight: Float[Tensor, "b h w"]
    """How much it answers: the score where that is above REACH."""
    box: Float[Tensor, "b h w 4"]
    """Distances from the cell's centre to the owner's left, top, right, bottom: pixels, at least 1."""


def targets(boxes: Float[Tensor, "b m 4"], count: Int[Tensor, " b"], height: int, width: int) -> Targets:
    """Targets on `height` x `width` cells. A centre outside the picture goes to the nearest cell in it."""
    b, m, _ = boxes.shape
    device = boxes.device
    real = torch.arange(m, device=device) < count[:, None]                                # b m
    boxes = torch.where(real[..., None], boxes, torch.ones_like(boxes))
    extent = (boxes[..., 2:] - boxes[..., :2]) / STRIDE                                   # in cells, x y
    middle = (boxes[..., 2:] + boxes[..., :2]) / 2
    limit = torch.tensor([width - 1, height - 1], device=device)
    cell = ((middle + 0.5) / STRIDE - 0.5).round().clamp_min(0).minimum(limit)            # b m 2
    sigma = (SPREAD * extent).clamp_min(0.4)
    x, y = (torch.arange(n, device=device, dtype=boxes.dtype) for n in (width, height))
    off_x = ((x - cell[..., :1]) / sigma[..., :1]).square()                               # b m w
    off_y = ((y - cell[..., 1:]) / sigma[..., 1:]).square()                               # b m h
    bumps = torch.exp(-(off_y[..., :, None] + off_x[..., None, :]) / 2) * real[..., None, None]
    score, owner = bumps.max(1)
    own = torch.gather(boxes, 1, owner.flatten(1)[..., None].expand(-1, -1, 4)).view(b, height, width, 4)
    pixel_x, pixel_y = ((n + 0.5) * STRIDE - 0.5 for n in (x, y))
    here = torch.stack([pixel_x.expand(height, -1), pixel_y[:, None].expand(-1, width)], -1)
    distances = torch.cat([here - own[..., :2], own[..., 2:] - here], -1).clamp_min(1.0)
    return Targets(score, (score == 1).to(score), owner, torch.where(score > REACH, score, 0.0), distances)


@dataclass(frozen=True)
class DetectorLoss:
    """Weighted sum of the terms below; a callable (detections, batch, progress) -> the terms, the sum under "loss"."""

    score: float = 1.0
    overlap: float = 1.0
    box: float = 1.0
    side: float = 0.3
    direction: float = 0.5

    def __call__(self, found: Detections, batch: Batch, progress: float) -> dict[str, Tensor]:
        del progress
        truth = targets(batch["boxes"], batch["count"], *found.score.shape[1:])
        total = truth.weight.sum().clamp_min(1e-6)
        index = truth.owner.flatten(1)
        side = torch.gather(batch["sides"], 1, index).view_as(found.side)
        direction = torch.gather(batch["directions"], 1, index[..., None].expand(-1, -1, 2)).view_as(found.direction)
        side = torch.where(truth.weight > 0, side, 0.0)
        direction = torch.where(truth.weight[..., None] > 0, direction, 0.0)
        turned = truth.weight * (direction.norm(dim=-1) > 0.5)
        terms = {
            "score": focal(found.score, truth.score, truth.centre),
            "overlap": ((1 - giou(found.box, truth.box)) * truth.weight).sum() / total,
            "box": ((found.box.log() - truth.box.log()).abs().mean(-1) * truth.weight).sum() / total,
            "side": (
                F.binary_cross_entropy_with_logits(found.side, side, reduction="none") * truth.weight
            ).sum() / total,
            "direction": ((found.direction - direction).abs().sum(-1) * turned).sum() / turned.sum().clamp_min(1e-6),
        }
        terms["loss"] = torch.stack([getattr(self, name) * term for name, term in terms.items()]).sum()
        with torch.no_grad():
            terms["iou"] = (iou(found.box, truth.box) * truth.weight).sum() / total
            terms["side_wrong"] = (((found.side > 0) != (side > 0.5)) * truth.weight).sum() / total
        return terms


def focal(
    logit: Float[Tensor, "b h w"], score: Float[Tensor, "b h w"], centre: Float[Tensor, "b h w"]
) -> Float[Tensor, ""]:
    """Penalty-reduced focal loss per hand. Zhou et al. 2019, equation 1 (alpha 2, beta 4)."""
    p = torch.sigmoid(logit)
    found = centre * (1 - p).square() * F.logsigmoid(logit)
    silent = (1 - centre) * (1 - score).pow(4) * p.square() * F.logsigmoid(-logit)
    return -(found + silent).sum() / centre.sum().clamp_min(1.0)


def _areas(a: Float[Tensor, "*b 4"], b: Float[Tensor, "*b 4"]) -> tuple[Tensor, Tensor, Tensor]:
    """Intersection, union and hull of two boxes given as distances from one point inside both."""
    low, high = torch.minimum(a, b), torch.maximum(a, b)

    def area(d: Tensor) -> Tensor:
        return (d[..., 0] + d[..., 2]) * (d[..., 1] + d[..., 3])

    shared = area(low)
    return shared, area(a) + area(b) - shared, area(high)


def iou(a: Float[Tensor, "*b 4"], b: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b"]:
    """Intersection over union of boxes given as positive distances left, top, right, bottom from a common point."""
    shared, union, _ = _areas(a, b)
    return shared / union


def giou(a: Float[Tensor, "*b 4"], b: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b"]:
    """Generalised IoU, -1 to 1, of boxes as in `iou`. Rezatofighi et al. 2019, algorithm 1."""
    shared, union, hull = _areas(a, b)
    return shared / union - (hull - union) / hull
