"""The one mirror rule. A left hand is the right hand's reflection x -> -x in the hand frame; joints are never
permuted."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any
"""NumPy array or torch tensor."""

SIGN_POINT = (-1.0, 1.0, 1.0)
SIGN_ROTVEC = (1.0, -1.0, -1.0)


def mirror_points(points: Array) -> Array:
    """Points or vectors [..., 3], reflected in x. NumPy or torch."""
    return points * _like(points, SIGN_POINT)


def mirror_rotvecs(rotvecs: Array) -> Array:
    """Axis-angle vectors [..., 3] of the reflected motion: (x, -y, -z)."""
    return rotvecs * _like(rotvecs, SIGN_ROTVEC)


def mirror_rotmats(rotations: Array) -> Array:
    """Rotation matrices [..., 3, 3] of the reflected motion: S R S with S = diag(-1, 1, 1)."""
    sign = _like(rotations, SIGN_POINT)
    return rotations * sign * sign[:, None]


def _like(array, values):
    if isinstance(array, np.ndarray):
        return np.asarray(values, array.dtype if array.dtype.kind == "f" else np.float64)
    return array.new_tensor(values)
