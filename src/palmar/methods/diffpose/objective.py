"""The mean squared error of the noise, and nothing else; of a regression, of the pose."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor


def noise_loss(
    found: tuple[Float[Tensor, "b d"], Float[Tensor, "b d"]], batch: Mapping[str, Tensor], progress: float
) -> dict[str, Tensor]:
    """(what was said, what should have been) -> the loss; every step of the diffusion counts alike."""
    del batch, progress
    said, true = found
    return {"loss": (said - true).square().mean()}
