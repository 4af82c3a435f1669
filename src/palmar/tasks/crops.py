"""How a network wants the hand cut out of the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from palmar.errors import PalmarError


@dataclass(frozen=True)
class CropSpec:
    """A square about the hull of the hand's keypoints."""

    size: int
    """Pixels of its side, as the network sees it."""
    scale: float = 1.6
    """Its side over the longer side of the hull."""
    upright: bool = True
    """Turned so that the palm's middle finger points up; else as the picture lies."""


def read_by(spec: CropSpec, crops: np.ndarray) -> None:
    """Raises PalmarError unless these are crops that a network reads: at least one, of its size."""
    size = spec.size
    if not len(crops) or crops.shape[1:] != (size, size, 3):
        raise PalmarError(f"crops are {list(crops.shape)}; this network reads [n, {size}, {size}, 3], n above 0.")
