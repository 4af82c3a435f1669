"""Points that stand for many."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int


def farthest_points(points: Float[np.ndarray, "n d"], count: int, *, first: int = 0) -> Int[np.ndarray, " k"]:
    """Rows of `count` of the points, or of all where there are fewer: `first`, then each the farthest from those before
    it (Gonzalez 1985)."""
    chosen, distance = [first], np.linalg.norm(points - points[first], axis=-1)
    while len(chosen) < min(count, len(points)):
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=-1))
    return np.array(chosen)
