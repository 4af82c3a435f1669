"""What the pose network learns: points, confidence and classes, as squares summed over cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from palmar.methods.h2o.model import Cells, Config

REACH_PX, REACH_MM = 75.0, 75.0
"""Distance at which confidence is 0, in pixels of a picture 640 wide and in millimetres of depth (H+O)."""
SHARPNESS = 2.0
RESPONSIBLE, ELSEWHERE = 5.0, 0.1
"""Weights of the confidence in the cell that holds the root, and in the others."""
LEFT_ALONE = 0.6
"""Other cells whose own points deserve more confidence than this are not taught to have none."""


def deserved(distance: Float[Tensor, "*b"], reach: float) -> Float[Tensor, "*b"]:
    """Confidence that a distance deserves: 1 at 0, falling to 0 at `reach` (Tekin et al. 2018, equation 1)."""
    full = torch.tensor(SHARPNESS).exp() - 1
    value = (torch.exp(SHARPNESS * (1 - distance / reach)) - 1) / full
    return torch.where(distance < reach, value, torch.zeros_like(value))


def deserved_of_points(
    found: Float[Tensor, "*b 21 3"], true: Float[Tensor, "*b 21 3"], pixel: Tensor, depth_step: float
) -> Float[Tensor, "*b"]:
    """Mean over points and over picture and depth. Units of cells; pixel: those that a cell is wide."""
    flat = torch.linalg.vector_norm(found[..., :2] - true[..., :2], dim=-1) * pixel[..., None]
    deep = (found[..., 2] - true[..., 2]).abs() * depth_step * 1000
    return ((deserved(flat, REACH_PX) + deserved(deep, REACH_MM)) / 2).mean(-1)


@dataclass(frozen=True)
class PoseLoss:
    """Squares are halved and summed over cells, points and coordinates (units of cells), and averaged over pictures.

    trust_from: part of the run without a loss of the confidence; its target is made of the network's own points and
    means nothing before they are roughly right.
    """

    config: Config
    trust_from: float = 0.03

    def __call__(self, cells: Cells, batch: Mapping[str, Tensor], progress: float) -> dict[str, Tensor]:
        c = self.config
        b, e = batch["points"].shape[:2]
        held = batch["cell"]
        there = (held >= 0).all(-1)
        safe = held.clamp(min=0)
        rows, columns = torch.arange(b, device=held.device)[:, None], torch.arange(e, device=held.device)[None]
        at = (rows, columns, safe[..., 2], safe[..., 1], safe[..., 0])
        here = there.float()

        found = cells.points[at]
        pose = (0.5 * (found - batch["points"]).square().sum((-1, -2)) * here).sum(1).mean()

        pixel = batch["pixel"][:, None, None, None, None].expand(cells.confidence.shape)
        true = batch["points"][:, :, None, None, None]
        with torch.no_grad():
            worth = deserved_of_points(cells.points, true, pixel, c.depth_step) * here[..., None, None, None]
        weight = torch.full_like(worth, ELSEWHERE) * (worth <= LEFT_ALONE)
        wanted = torch.zeros_like(worth)
        mask = torch.zeros_like(worth, dtype=torch.bool)
        mask[at] = there
        weight, wanted = torch.where(mask, RESPONSIBLE, weight), torch.where(mask, worth, wanted)
        trust = (0.5 * weight * (cells.confidence - wanted).square()).flatten(1).sum(1).mean()

        losses = {"pose": pose, "confidence": trust}
        thing = len(c.entities) - 1
        if c.entities[thing] == "object":
            losses["class"] = _classes(cells.objects[at][:, thing], batch["object"], there[:, thing])
            if c.actions:
                losses["action"] = _classes(cells.actions[at][:, thing], batch["action"], there[:, thing])
        total = pose + losses.get("class", 0) + losses.get("action", 0)
        losses["loss"] = total + trust if progress >= self.trust_from else total + 0.0 * trust
        metres = (found[..., 2] - batch["points"][..., 2]).abs().mean(-1) * c.depth_step
        count = here.sum().clamp(min=1)
        losses["depth_mm"] = 1000 * (metres * here).sum().detach() / count
        losses["trust"] = (cells.confidence[at] * here).sum().detach() / count
        return losses


def _classes(logits: Float[Tensor, "b k"], label: Tensor, there: Tensor) -> Tensor:
    """Cross-entropy of the pictures whose label is known, summed, over all pictures."""
    known = there & (label >= 0)
    each = F.cross_entropy(logits, label.clamp(min=0), reduction="none")
    return (each * known).sum() / len(label)
