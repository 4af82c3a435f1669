"""The loss: mean angular error plus a hundredth of the fingertips' distance in millimetres on one generic hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from palmar.tasks.signal import EVERY, HAND, TIPS, SignalHand, distance


@dataclass(frozen=True)
class Loss:
    """The paper's. Samples without a pose do not count; a batch without any gives zero, never NaN."""

    tips: float = 0.01
    """Weight of the fingertips' distance, per millimetre."""
    hand: SignalHand = HAND
    unit: float = 1000.0
    """Millimetres in the hand's unit."""

    def __call__(
        self, found: Float[Tensor, "b 20 t"], batch: Mapping[str, Tensor], done: float = 1.0
    ) -> dict[str, Tensor]:
        """batch: angles [b, 20, t], and known [b, t]."""
        true, known = batch["angles"], batch["known"].to(found.dtype)
        gap = (found - true).abs().mean(1)  # b t
        mae = (gap * known).sum() / known.sum().clamp(min=1)
        some = slice(None, None, EVERY)
        apart = self.unit * distance(found[..., some].transpose(1, 2), true[..., some].transpose(1, 2), TIPS, self.hand)
        tips = (apart * known[:, some]).sum() / known[:, some].sum().clamp(min=1)
        return {"loss": mae + self.tips * tips, "mae": mae, "tips_mm": tips}
