"""Three L1 terms: keypoints 1, joints 10, vertices 10."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from palmar.methods.rejshand.model import Said

ROOT = 9
"""The joint that meshes are learned about: the middle finger's MCP."""


def l1(
    found: Float[Tensor, "b k c"],
    true: Float[Tensor, "b k c"],
    weight: Float[Tensor, "b k"] | None = None,
    valid: Float[Tensor, " b"] | None = None,
) -> Float[Tensor, ""]:
    """Sum over coordinates, mean over points, mean over the batch; what counts nothing stays in both means."""
    off = (found - true).abs().sum(-1)
    each = (off if weight is None else off * weight).mean(1)
    return (each if valid is None else each * valid).mean()


@dataclass(frozen=True)
class MeshLoss:
    """(found, batch, progress) -> terms, their weighted sum under "loss".

    Joints are compared with those that the regressor reads off the true mesh, so that both terms mean one hand.
    """

    size: int
    """Pixels of the crop's side."""
    regressor: Float[Tensor, "21 v"]
    keypoints: float = 1.0
    joints: float = 10.0
    vertices: float = 10.0

    def __call__(self, found: Said, batch: Mapping[str, Tensor], progress: float) -> dict[str, Tensor]:
        del progress
        uv = (batch["keypoints"] + 0.5) / self.size
        inside = ((uv > 0) & (uv < 1)).all(-1).float()
        valid = (inside[:, 0] + inside[:, ROOT]).clamp(max=1)
        root = batch["joints"][:, ROOT : ROOT + 1]
        vertices = batch["vertices"] - root
        joints = self.regressor.to(vertices) @ vertices
        out = {
            "keypoints": l1(found.uv, uv, inside),
            "joints": l1(found.joints, joints, valid=valid),
            "vertices": l1(found.vertices, vertices, valid=valid),
        }
        weights = {"keypoints": self.keypoints, "joints": self.joints, "vertices": self.vertices}
        return {**out, "loss": sum((weights[name] * value for name, value in out.items()), torch.zeros(()))}
