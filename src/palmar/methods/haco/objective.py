"""HACO's losses: class-balanced cross-entropy on four levels, nearness to the mean contact, few and large regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from palmar.methods.haco.balance import ClassBalance


def balanced_entropy(
    logits: Float[Tensor, "b v"], true: Float[Tensor, "b v"], weights: Float[Tensor, "v 2"]
) -> Float[Tensor, ""]:
    """Cross-entropy times the weight of the true class of each vertex, and half of the mean false alarm."""
    weight = torch.where(true > 0.5, weights[:, 1], weights[:, 0])
    entropy = F.binary_cross_entropy_with_logits(logits, true, reduction="none")
    return (entropy * weight).mean() + 0.5 * ((1 - true) * logits.sigmoid()).mean()


def shared_faces(faces: np.ndarray, vertices: int) -> Float[Tensor, "v v"]:
    """How many faces two vertices share, and 1 on the diagonal; sparse."""
    pairs = np.concatenate([faces[:, [i, j]] for i in range(3) for j in range(3) if i != j])
    pairs = np.concatenate([pairs, np.repeat(np.arange(vertices)[:, None], 2, 1)])
    index = torch.from_numpy(pairs.T.astype(np.int64))
    return torch.sparse_coo_tensor(index, torch.ones(len(pairs)), (vertices, vertices)).coalesce()


def isolation(
    logits: Float[Tensor, "b v"], near: Float[Tensor, "v v"], *, compatible: bool = True
) -> Float[Tensor, ""]:
    """Low where what touches, and what does not, lies in few and large regions: each vertex against its neighbours.

    compatible: neighbours are summed, as published, so that no map is at zero, not even a constant one; else they are
    averaged.
    """
    p = logits.sigmoid()
    degree = torch.sparse.sum(near, 1).to_dense() if near.is_sparse else near.sum(1)
    apart, total = torch.zeros(len(p)).to(p), torch.zeros(len(p)).to(p)
    for x in (p, 1 - p):
        q = (near @ x.T).T
        if not compatible:
            apart = apart + (x - q / degree).abs().sum(1)
            total = total + q.sum(1)
            continue
        apart = apart + (x - q / (q.amax(1, keepdim=True) + 1e-6)).abs().sum(1)
        total = total + q.sum(1)
    return torch.log1p(apart / (total + 1e-3)).mean()


@dataclass(frozen=True, eq=False)
class ContactLoss:
    """(logits, batch, progress) -> terms, their weighted sum under "loss"."""

    balance: ClassBalance
    levels: Sequence[Float[Tensor, "k v"]]
    """Maps to the coarser hands."""
    mean: Float[Tensor, " v"]
    """Contact of the training set in the mean."""
    near: Float[Tensor, "v v"]
    """`shared_faces`."""
    plain: bool = False
    """Only cross-entropy on the finest level: the baseline."""
    per_vertex: bool = True
    """False: one weight for all vertices, class-balanced."""

    def __call__(self, logits: Float[Tensor, "b v"], batch: Mapping[str, Tensor], progress: float) -> dict[str, Tensor]:
        true = batch["contact"]
        if self.plain:
            return {"loss": F.binary_cross_entropy_with_logits(logits, true)}
        epoch = progress * self.balance.epochs if self.per_vertex else 0.0
        out = {"fine": balanced_entropy(logits, true, _as(self.balance.weights(epoch), logits))}
        for level in self.levels:
            coarse = level.to(logits)
            weights = _as(self.balance.weights(epoch, level.cpu().numpy()), logits)
            there = (true @ coarse.T > 0).to(logits)
            out[f"of_{len(level)}"] = balanced_entropy(logits @ coarse.T, there, weights)
        out["mean"] = (logits.sigmoid() - self.mean.to(logits)).abs().mean()
        out["isolation"] = isolation(logits, self.near.to(logits.device))
        scale = {"mean": 0.1}
        return {**out, "loss": sum((scale.get(name, 1.0) * value for name, value in out.items()), torch.zeros(()))}


def _as(values: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(values).to(like)
