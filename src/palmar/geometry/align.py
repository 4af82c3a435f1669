"""The similarity that brings one set of points nearest to another (Procrustes; Umeyama, PAMI 1991)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from palmar.errors import PalmarError


class Similarity(NamedTuple):
    """target = scale * rotation @ source + translation. Unpacks as s, R, t."""

    scale: Float[np.ndarray, "*n"]
    rotation: Float[np.ndarray, "*n d d"]
    translation: Float[np.ndarray, "*n d"]


def apply(similarity: Similarity, points: Float[np.ndarray, "*n k d"]) -> Float[np.ndarray, "*n k d"]:
    """The points moved, each set by its own similarity."""
    s, R, t = similarity
    return s[..., None, None] * (points @ np.swapaxes(R, -1, -2)) + t[..., None, :]


def procrustes(source: Float[np.ndarray, "*n k d"], target: Float[np.ndarray, "*n k d"], *, scale: bool = True,
               reflection: bool = False, weights: Float[np.ndarray, "*n k"] | None = None) -> Similarity:
    """The similarity that minimises the squared distances from `source`, moved, to `target`; of many pairs at once.

    reflection: let the rotation be a mirror where that fits better (determinant -1), as the official hand scorers do.
    scale: False keeps the size. A point of weight 0 is left out. A source that is all one point cannot be turned or
    scaled: its scale is 1, and it lands on the target's mean. A pair with numbers that are not finite, or without any
    weight, gives NaN. Raises PalmarError for shapes that do not go together.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    w = np.ones(source.shape[:-1]) if weights is None else np.asarray(weights, np.float64)
    if source.ndim < 2 or source.shape != target.shape or w.shape != source.shape[:-1]:
        raise PalmarError(f"source {source.shape}, target {target.shape} and weights {w.shape} do not go together; "
                          "expected [n, k, d], [n, k, d] and [n, k].")
    used = (w != 0)[..., None]
    source, target = np.where(used, source, 0.0), np.where(used, target, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        w = (w / w.sum(-1, keepdims=True))[..., None]
        source_mean, target_mean = (w * source).sum(-2), (w * target).sum(-2)
        source_off = source - source_mean[..., None, :]
        covariance = np.swapaxes(target - target_mean[..., None, :], -1, -2) @ (w * source_off)
        size = (w * source_off**2).sum((-1, -2))
    bad = ~(np.isfinite(covariance).all((-1, -2)) & np.isfinite(size))
    U, S, Vt = np.linalg.svd(np.where(bad[..., None, None], 0.0, covariance))
    signs = np.ones_like(S)
    if not reflection:
        signs[..., -1] = np.where(np.linalg.det(U) * np.linalg.det(Vt) < 0, -1.0, 1.0)
    R = (U * signs[..., None, :]) @ Vt
    s = np.where(size > 0, (S * signs).sum(-1) / np.where(size > 0, size, 1.0), 1.0) if scale else np.ones_like(size)
    s = np.where(bad, np.nan, s)
    return Similarity(s, np.where(bad[..., None, None], np.nan, R),
                      target_mean - s[..., None] * np.einsum("...ij,...j->...i", R, source_mean))
