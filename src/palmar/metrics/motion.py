"""Errors that only a sequence shows: acceleration and jitter."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from palmar.errors import PalmarError


def acceleration_error(predicted: Float[np.ndarray, "t k d"], true: Float[np.ndarray, "t k d"], *,
                       fps: float = 1.0) -> float:
    """Mean distance of the second differences: per frame squared, as papers print it; with fps, per second squared.

    Frames follow each other at equal times. A frame with NaN takes the differences it enters with it; NaN where no
    three frames in a row are left.
    """
    if predicted.shape != true.shape or true.ndim != 3:
        raise PalmarError(f"predicted {predicted.shape} and true {true.shape} motion: expected one shape [t, k, d].")
    apart = np.linalg.norm(np.diff(predicted - true, n=2, axis=0), axis=-1)
    apart = apart[np.isfinite(apart)]
    return float(apart.mean()) * fps**2 if apart.size else float("nan")


def jitter(points: Float[np.ndarray, "t k d"]) -> float:
    """How much the points of a hand that holds still move: root mean square distance from their own mean over time.

    In the unit of the points. A frame with NaN is left out for that point; NaN where no point is there twice.
    """
    seen = np.isfinite(points).all(-1, keepdims=True)
    count = seen.sum(0, keepdims=True)
    filled = np.where(seen, points, 0.0)
    off = np.where(seen & (count > 1), filled - filled.sum(0, keepdims=True) / np.maximum(count, 1), 0.0)
    used = (seen & (count > 1)).sum()
    return float(np.sqrt((off**2).sum() / used)) if used else float("nan")
