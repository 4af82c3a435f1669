"""MPJPE of the middle frame; with a sequence head, of all frames besides, weighted alike."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor


def mpjpe(found: Float[Tensor, "*b v 3"], true: Float[Tensor, "*b v 3"]) -> Float[Tensor, ""]:
    """Mean distance, metres; the root counts with its target of 0, as in the paper."""
    return torch.linalg.vector_norm(found - true, dim=-1).mean()


def lifting_loss(
    found: tuple[Float[Tensor, "b v 3"], Float[Tensor, "b t v 3"] | None], batch: Mapping[str, Tensor], progress: float
) -> dict[str, Tensor]:
    """(found, batch, progress) -> terms and their sum under "loss"; hundredths of metres, so that gradients are not
    tiny."""
    del progress
    one, every = found
    out = {"middle": mpjpe(one, batch["pose"])}
    if every is not None:
        out["sequence"] = mpjpe(every, batch["poses"])
    return {**out, "loss": 100 * sum(out.values(), torch.zeros(()))}
