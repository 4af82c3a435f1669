"""All figures of the official scripts of HO3D, InterHand2.6M, DexYCB and HInt; FreiHAND's are in `firstperson`.

Metres (HInt: pixels) and palmar's order of joints, which changes none of them: means are per joint, and HO3D's bone is
named by its joints and not by their numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from palmar.errors import PalmarError
from palmar.metrics.points import (
    auc,
    distances,
    epe,
    mean_error,
    mrrpe,
    pck,
    procrustes_aligned,
    scale_translation_aligned,
)
from palmar.metrics.surface import f_score

LIMIT = 0.05
"""Metres where the PCK curves end."""


@dataclass(frozen=True)
class Error:
    """Mean error in metres, and the area under the PCK curve from 0 to 50 mm over 100 thresholds."""

    mean: float
    auc: float


def _error(predicted: Float[np.ndarray, "n k 3"], true: Float[np.ndarray, "n k 3"]) -> Error:
    return Error(epe(predicted, true), auc(distances(predicted, true), LIMIT))


# --------------------------------------------------------------------------------------------------------------- HO3D


@dataclass(frozen=True)
class HO3DScores:
    """Joints where they stand, aligned by wrist and bone length, and aligned by Procrustes; then the mesh, or None."""

    absolute: Error
    scaled: Error
    """After the bone from the wrist to the middle finger's MCP has its true length and the wrist its true place."""
    aligned: Error
    """Alignment may mirror, as in the official script."""
    mesh: Error | None = None
    mesh_aligned: Error | None = None
    f5: float | None = None
    f15: float | None = None
    f5_aligned: float | None = None
    f15_aligned: float | None = None


def ho3d_scores(
    joints: Float[np.ndarray, "n 21 3"],
    true_joints: Float[np.ndarray, "n 21 3"],
    vertices: Float[np.ndarray, "n v 3"] | None = None,
    true_vertices: Float[np.ndarray, "n v 3"] | None = None,
) -> HO3DScores:
    """Of right hands in the camera frame. Joints and vertices are aligned each by their own."""
    if (vertices is None) != (true_vertices is None):
        raise PalmarError("ho3d_scores: give predicted and true vertices, or neither.")
    own = (
        _error(joints, true_joints),
        _error(scale_translation_aligned(joints, true_joints, bone=(0, 9)), true_joints),
        _error(procrustes_aligned(joints, true_joints, reflection=True), true_joints),
    )
    if vertices is None or true_vertices is None:
        return HO3DScores(*own)
    mesh = procrustes_aligned(vertices, true_vertices, reflection=True)
    shares = (
        float(np.mean([f_score(a, b, limit).f for a, b in zip(points, true_vertices, strict=True)]))
        for points in (vertices, mesh)
        for limit in (0.005, 0.015)
    )
    return HO3DScores(*own, _error(vertices, true_vertices), _error(mesh, true_vertices), *shares)


# ------------------------------------------------------------------------------------------------------ InterHand2.6M


@dataclass(frozen=True)
class InterHandScores:
    """NaN where the set has nothing to count."""

    mpjpe: float
    """Each hand moved to its own wrist; mean per joint, both wrists with their 0 among the 42."""
    mpjpe_single: float
    mpjpe_interacting: float
    mrrpe: float
    """Of the vector from wrist to wrist, over interacting pictures with both."""
    handedness: float | None = None
    """Share of pictures where both hands are rightly said to be there or not. The paper calls it AP."""


def interhand_scores(
    joints: Float[np.ndarray, "n 2 21 3"],
    true_joints: Float[np.ndarray, "n 2 21 3"],
    kinds: Int[np.ndarray, " n"],
    *,
    wrists: Float[np.ndarray, "n 2 3"] | None = None,
    present: Float[np.ndarray, "n 2"] | None = None,
    kinds_valid: Bool[np.ndarray, " n"] | None = None,
) -> InterHandScores:
    """Of left and right hands, left first, in the camera frame; true joints that are not valid are NaN.

    kinds: 0 right, 1 left, 2 interacting (`InterHand.kinds`). wrists: where the network puts both wrists, if that is
    not where its joints are: the official baseline places each hand at a depth that it is given, and for the MRRPE the
    left wrist at the right one's depth plus what the network says. present: probability of each hand, left first.
    kinds_valid: pictures that count for handedness. The official script changes the truth that it is given; this does
    not, so that a second call says the same.
    """
    joints, true_joints = np.asarray(joints, np.float64), np.asarray(true_joints, np.float64)
    if joints.shape != true_joints.shape or len(kinds) != len(joints) or not len(joints):
        raise PalmarError(
            f"predicted {joints.shape} and true {true_joints.shape} joints of {len(kinds)} pictures: expected one "
            "shape [n, 2, 21, 3]."
        )
    valid = np.asarray(np.isfinite(true_joints).all(-1))
    valid &= valid[:, :, :1]
    predicted, true = ((points - points[:, :, :1]).reshape(-1, 42, 3) for points in (joints, true_joints))
    error = distances(predicted, true, valid.reshape(-1, 42))
    single, both = error[np.isin(kinds, (0, 1))], error[kinds == 2]
    wrists = joints[:, :, 0] if wrists is None else np.asarray(wrists, np.float64)
    rows = (np.asarray(kinds) == 2) & valid[:, :, 0].all(1)
    true_wrists = true_joints[:, :, 0]
    apart = (
        mrrpe(wrists[rows, 0], wrists[rows, 1], true_wrists[rows, 0], true_wrists[rows, 1]) if rows.any() else np.nan
    )
    return InterHandScores(
        mean_error(error),
        mean_error(single),
        mean_error(both),
        apart,
        None if present is None else _handedness(present, np.asarray(kinds), kinds_valid),
    )


def _handedness(
    present: Float[np.ndarray, "n 2"], kinds: Int[np.ndarray, " n"], counted: Bool[np.ndarray, " n"] | None
) -> float:
    """A probability of just 0.5 is wrong either way."""
    there = np.stack([np.isin(kinds, (1, 2)), np.isin(kinds, (0, 2))], 1)
    right = np.asarray(np.where(there, present > 0.5, present < 0.5).all(1))
    right = right if counted is None else right[counted]
    return float(right.mean()) if len(right) else float("nan")


# ------------------------------------------------------------------------------------------------------------- DexYCB


@dataclass(frozen=True)
class DexYCBScores:
    """Joints where they stand, moved to the wrist, and aligned by Procrustes, which may mirror."""

    absolute: Error
    relative: Error
    aligned: Error


def dexycb_scores(joints: Float[np.ndarray, "n 21 3"], true_joints: Float[np.ndarray, "n 21 3"]) -> DexYCBScores:
    """Of the one hand of a picture, camera frame. Pictures without a true hand (NaN) do not count."""
    rows = np.isfinite(true_joints).all((1, 2))
    if not rows.any():
        raise PalmarError("dexycb_scores: no picture has a true hand.")
    predicted, true = np.asarray(joints, np.float64)[rows], np.asarray(true_joints, np.float64)[rows]
    return DexYCBScores(
        _error(predicted, true),
        _error(predicted - predicted[:, :1], true - true[:, :1]),
        _error(procrustes_aligned(predicted, true, reflection=True), true),
    )


# --------------------------------------------------------------------------------------------------------------- HInt


def hint_scores(
    keypoints: Float[np.ndarray, "n 21 2"],
    true_keypoints: Float[np.ndarray, "n 21 2"],
    boxes: Float[np.ndarray, "n 4"],
    visible: Bool[np.ndarray, "n 21"] | None = None,
) -> tuple[float, float, float]:
    """PCK at 0.05, 0.1 and 0.15 of the longer side of the true box, which is not widened; as near counts.

    visible: joints that count: those that are seen, or those that are hidden. The share is taken per joint and then
    over the joints; one that never counts is left out, where the published code gives NaN.
    """
    size = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    if not (size > 0).all():
        raise PalmarError("hint_scores: a box without area.")
    shares = pck(distances(keypoints, true_keypoints, visible) / size[:, None], (0.05, 0.1, 0.15))
    return float(shares[0]), float(shares[1]), float(shares[2])
