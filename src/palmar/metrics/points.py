"""Errors of points: distances first, then their mean, or the share below a threshold (PCK) and the area under that
(AUC).

Every function takes prediction, then truth, in one unit, and answers in that unit. `visible` [n, k] says which points
count; a point that is visible but predicted as NaN makes the result NaN in a mean and is a miss in a PCK.

Means are taken per keypoint over the samples and then over the keypoints, as the official scripts of FreiHAND, HO3D,
DexYCB and InterHand2.6M do; this differs from the plain mean only where keypoints are visible in different numbers. A
keypoint that is never visible counts nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from palmar.errors import PalmarError
from palmar.geometry.align import apply, procrustes

Points = Float[np.ndarray, "n k d"]
Visible = Bool[np.ndarray, "n k"] | None


def distances(predicted: Points, true: Points, visible: Visible = None) -> Float[np.ndarray, "n k"]:
    """Euclidean distance of each point; NaN where the point is not visible.

    Raises PalmarError for shapes that differ, for no samples and for a truth that is visible but not finite.
    """
    predicted, true = np.asarray(predicted, np.float64), np.asarray(true, np.float64)
    if predicted.shape != true.shape or true.ndim != 3 or not len(true):
        raise PalmarError(f"predicted {predicted.shape} and true {true.shape} points: expected one shape [n, k, d].")
    seen = np.ones(true.shape[:2], bool) if visible is None else np.asarray(visible, bool)
    if seen.shape != true.shape[:2]:
        raise PalmarError(f"visible: expected shape {true.shape[:2]}, got {seen.shape}.")
    if not np.isfinite(true[seen]).all():
        raise PalmarError("a true point is not finite; mark it as not visible.")
    apart = np.linalg.norm(predicted - true, axis=-1)
    return np.where(seen, np.where(np.isnan(apart), np.inf, apart), np.nan)


def mean_error(error: Float[np.ndarray, "n k"]) -> float:
    """The mean per keypoint, then over keypoints, of what `distances` gave. NaN where nothing is visible."""
    seen = ~np.isnan(error)
    some = seen.any(0)
    per_keypoint = np.where(seen, error, 0.0).sum(0)[some] / seen.sum(0)[some]
    return float(per_keypoint.mean()) if some.any() and np.isfinite(per_keypoint).all() else float("nan")


def epe(predicted: Points, true: Points, visible: Visible = None) -> float:
    """End-point error: the mean distance, in pixels or metres."""
    return mean_error(distances(predicted, true, visible))


def mpjpe(predicted: Points, true: Points, visible: Visible = None, *, root: int | None = 0) -> float:
    """Mean per-joint position error after both hands are moved to have joint `root` at zero; None: where they stand.

    The root itself counts, with its error of 0, as in the official scripts. A sample whose root is not visible counts
    nowhere.
    """
    if root is None:
        return epe(predicted, true, visible)
    if visible is not None:
        visible = visible & visible[:, root, None]
    return epe(predicted - predicted[:, root, None], true - true[:, root, None], visible)


def procrustes_aligned(predicted: Points, true: Points, visible: Visible = None, *, reflection: bool = False) -> Points:
    """Each predicted set of points moved, turned and scaled on its own to lie nearest the truth.

    reflection: True is what the official FreiHAND, HO3D and DexYCB scripts compute: a mirrored hand then counts as
    right.
    """
    weights = None if visible is None else np.asarray(visible, np.float64)
    return apply(procrustes(predicted, true, reflection=reflection, weights=weights), predicted)


def pa_mpjpe(predicted: Points, true: Points, visible: Visible = None, *, reflection: bool = False) -> float:
    """Mean per-joint position error after `procrustes_aligned`."""
    return epe(procrustes_aligned(predicted, true, visible, reflection=reflection), true, visible)


def mpvpe(predicted: Points, true: Points, *, predicted_root: Float[np.ndarray, "n 3"] | None = None,
          true_root: Float[np.ndarray, "n 3"] | None = None) -> float:
    """Mean per-vertex position error, after each mesh is moved to have its root joint, if given, at zero."""
    if (predicted_root is None) != (true_root is None):
        raise PalmarError("mpvpe: give both roots, or neither for the absolute error.")
    if predicted_root is not None and true_root is not None:
        predicted, true = predicted - predicted_root[:, None], true - true_root[:, None]
    return epe(predicted, true)


def pa_mpvpe(predicted: Points, true: Points, *, reflection: bool = False) -> float:
    """Mean per-vertex position error; vertices are aligned by their own Procrustes, not by that of the joints."""
    return pa_mpjpe(predicted, true, reflection=reflection)


def scale_translation_aligned(predicted: Points, true: Points, *, root: int = 0,
                              bone: tuple[int, int] = (0, 9)) -> Points:
    """Each prediction scaled so that the bone between two joints has its true length, then moved root onto root.

    HO3D's second alignment, wrist and middle MCP (in its own joint order: bone=(0, 4)); with root=9 the one of the
    two-hand protocol on InterHand2.6M. A prediction whose bone has no length is moved only.
    """
    a, b = bone
    length, want = (np.linalg.norm(points[:, b] - points[:, a], axis=-1) for points in (predicted, true))
    scaled = predicted * np.where(length > 0, want / np.where(length > 0, length, 1.0), 1.0)[:, None, None]
    return scaled + (true[:, root] - scaled[:, root])[:, None]


def mrrpe(predicted_left: Float[np.ndarray, "n 3"], predicted_right: Float[np.ndarray, "n 3"],
          true_left: Float[np.ndarray, "n 3"], true_right: Float[np.ndarray, "n 3"]) -> float:
    """Mean relative-root position error: of the vector from the right wrist to the left one (InterHand2.6M)."""
    off = (predicted_left - predicted_right) - (true_left - true_right)
    return float(np.linalg.norm(off, axis=-1).mean())


def pck(error: Float[np.ndarray, "n k"], thresholds: float | Sequence[float] | np.ndarray, *, pooled: bool = False,
        strict: bool = False) -> Float[np.ndarray, "*t"]:
    """The share of points nearer than each threshold (or as near; not so when `strict`).

    error: from `distances`, divided by a size per sample where the protocol says so (the longer side of the hand's
    box). pooled: over all points at once; otherwise per keypoint, then the mean of the keypoints, as FreiHAND and HInt
    do.
    """
    limits = np.asarray(thresholds, np.float64)
    seen = ~np.isnan(error)
    if not seen.any():
        return np.full(limits.shape, np.nan)
    hit = error < limits[..., None, None] if strict else error <= limits[..., None, None]
    if pooled:
        return np.asarray((hit & seen).sum((-1, -2)) / seen.sum())
    some = seen.any(0)
    return np.asarray(((hit & seen).sum(-2)[..., some] / seen.sum(0)[some]).mean(-1))


def auc(error: Float[np.ndarray, "n k"], limit: float, *, steps: int = 100, pooled: bool = False) -> float:
    """The area under the PCK curve from 0 to `limit`, trapezoid rule over `steps` thresholds, divided by `limit`.

    FreiHAND and HO3D: limit 0.05 m, 100 thresholds. HOT3D: 101 thresholds, pooled.
    """
    thresholds = np.linspace(0.0, limit, steps)
    curve = pck(error, thresholds, pooled=pooled)
    return float(((curve[1:] + curve[:-1]) / 2).mean())
