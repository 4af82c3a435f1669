"""Keypoints from a crop: a square picture of one hand in, its 21 joints in it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, UInt8

from palmar.tasks.crops import CropSpec


@dataclass(frozen=True, eq=False)
class CropKeypoints:
    """Of n crops."""

    keypoints: Float[np.ndarray, "n 21 2"]
    """Pixels of the crop."""
    confidence: Float[np.ndarray, "n 21"]
    """0 to 1, as the network says it: near 1 where it is sure."""


class KeypointPredictor(Protocol):
    """A network of this task with its weights."""

    crop: CropSpec

    def __call__(self, crops: UInt8[np.ndarray, "n s s 3"]) -> CropKeypoints: ...
