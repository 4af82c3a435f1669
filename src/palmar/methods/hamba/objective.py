"""HaMeR's losses, which Hamba takes over: keypoints, joints about the wrist, rotations, shape.

Sums over joints and coordinates, means over the batch. The published code sums over the batch too (`compatible`), so
that its weights depend on the batch's size. There is no adversarial term: it stands in for missing poses, and the data
here either has poses, or is trained on joints alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from palmar.methods.hamba.hand import Meant

WEIGHTS = {"joints": 0.05, "keypoints": 0.01, "wrist": 0.001, "fingers": 0.001, "shape": 0.0005}
"""HaMeR's, of sums over a batch of eight per GPU."""
OWN = {"joints": 5.0, "keypoints": 1.0, "wrist": 0.3, "fingers": 0.3, "shape": 0.01}
"""Where heads are trained in thousands of steps, not a million."""


@dataclass(frozen=True)
class MeshLoss:
    """(found, batch, progress) -> terms, their weighted sum under "loss".

    first: weight of the joints regressor's own loss. alone: share of the run in which it learns alone, after which the
    rest, which looks where it points, comes in over as long again.
    """

    size: int
    """Pixels of the crop's side."""
    published: bool = False
    """With HaMeR's weights."""
    compatible: bool = False
    """Summed over the batch."""
    first: float = 1.0
    alone: float = 0.1

    def __call__(
        self, found: tuple[Meant, Meant | None], batch: Mapping[str, Tensor], progress: float
    ) -> dict[str, Tensor]:
        last, first = found
        terms = self.terms(last, batch)
        if first is None:
            return terms
        share = min(max((progress - self.alone) / max(self.alone, 1e-9), 0.0), 1.0)
        before = self.terms(first, batch)
        named = {f"first_{name}": value.detach() for name, value in before.items() if name in ("joints", "keypoints")}
        return {**terms, **named, "loss": share * terms["loss"] + self.first * before["loss"]}

    def terms(self, found: Meant, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        true = (batch["keypoints"] + 0.5) / self.size - 0.5
        out = {
            "joints": joints_loss(found.joints, batch["joints"]),
            "keypoints": keypoints_loss(found.keypoints, true),
        }
        if "rotations" in batch:
            out["wrist"] = rotations_loss(found.rotations[:, :1], batch["rotations"][:, :1])
            out["fingers"] = rotations_loss(found.rotations[:, 1:], batch["rotations"][:, 1:])
            out["shape"] = (found.shape - batch["shape"]).square().sum(1)
        weights = WEIGHTS if self.published else OWN
        reduced = {name: value.sum() if self.compatible else value.mean() for name, value in out.items()}
        return {**reduced, "loss": sum((weights[name] * value for name, value in reduced.items()), torch.zeros(()))}


def joints_loss(
    found: Float[Tensor, "b 21 3"], true: Float[Tensor, "b 21 3"], sure: Float[Tensor, "b 21"] | None = None
) -> Float[Tensor, " b"]:
    """Sum of absolute differences about the wrist, metres; each joint times its certainty."""
    off = ((found - found[:, :1]) - (true - true[:, :1])).abs().sum(-1)
    return (off if sure is None else off * sure).sum(1)


def keypoints_loss(
    found: Float[Tensor, "b 21 2"], true: Float[Tensor, "b 21 2"], sure: Float[Tensor, "b 21"] | None = None
) -> Float[Tensor, " b"]:
    """Sum of absolute differences in sides of the crop."""
    off = (found - true).abs().sum(-1)
    return (off if sure is None else off * sure).sum(1)


def rotations_loss(found: Float[Tensor, "b k 3 3"], true: Float[Tensor, "b k 3 3"]) -> Float[Tensor, " b"]:
    """Sum of squared differences of matrices: 6 - 2 trace of what is between them, for each."""
    return (found - true).square().sum((1, 2, 3))
