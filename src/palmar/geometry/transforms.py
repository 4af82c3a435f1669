"""Rigid transforms as 4 x 4 matrices, named `a_from_b`: they turn b's coordinates into a's."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def rigid(rotation: Float[np.ndarray, "*b 3 3"], translation: Float[np.ndarray, "*b 3"]) -> Float[np.ndarray, "*b 4 4"]:
    """The transform that rotates, then moves."""
    out = np.zeros((*np.shape(rotation)[:-2], 4, 4))
    out[..., :3, :3], out[..., :3, 3], out[..., 3, 3] = rotation, translation, 1.0
    return out


def inverse(a_from_b: Float[np.ndarray, "*b 4 4"]) -> Float[np.ndarray, "*b 4 4"]:
    """b_from_a, of a rigid transform."""
    back = np.swapaxes(a_from_b[..., :3, :3], -1, -2)
    return rigid(back, -np.einsum("...ij,...j->...i", back, a_from_b[..., :3, 3]))


def transformed(a_from_b: Float[np.ndarray, "*b 4 4"],
                points_b: Float[np.ndarray, "*b k 3"]) -> Float[np.ndarray, "*b k 3"]:
    """Points of frame b, in frame a. One transform moves the last-but-one axis of points."""
    return points_b @ np.swapaxes(a_from_b[..., :3, :3], -1, -2) + a_from_b[..., None, :3, 3]
