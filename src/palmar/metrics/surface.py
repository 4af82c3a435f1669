"""The F-score of point sets: how much of one surface lies near the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from palmar.errors import PalmarError


class FScore(NamedTuple):
    f: float
    """Harmonic mean of the two; 0 where both are."""
    precision: float
    """Share of predicted points with a true point nearer than the threshold. (The official script calls it recall.)"""
    recall: float
    """Share of true points with a predicted point nearer than the threshold."""


def f_score(predicted: Float[np.ndarray, "v 3"], true: Float[np.ndarray, "w 3"], threshold: float) -> FScore:
    """Of one hand's vertices, point to point, strictly nearer than the threshold. F@5 mm: 0.005 for metres.

    A data set's figure is the mean of this over its hands; the sets may differ in number. Knapitsch et al., SIGGRAPH
    2017.
    """
    from scipy.spatial import KDTree  # here: it takes longer to import than all else

    if not len(predicted) or not len(true):
        raise PalmarError(f"F-score needs points on both sides, got {len(predicted)} predicted and {len(true)} true.")
    if not np.isfinite(predicted).all() or not np.isfinite(true).all():
        raise PalmarError("F-score: a point is not finite.")
    precision = float((KDTree(true).query(predicted)[0] < threshold).mean())
    recall = float((KDTree(predicted).query(true)[0] < threshold).mean())
    both = precision + recall
    return FScore(2 * precision * recall / both if both else 0.0, precision, recall)
