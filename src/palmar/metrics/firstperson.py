"""The official figures of H2O, FPHA and FreiHAND, and those that papers on them report.

What is absent is NaN: a hand that nobody annotated, a hand that a network did not find. Errors come in the unit of the
points: pixels for two, metres for three coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.metrics.points import auc, distances, epe, pa_mpjpe, pa_mpvpe, procrustes_aligned
from palmar.metrics.surface import f_score

WIDTH_SHARES = np.arange(20) / 20
"""Thresholds of the AUC over box widths: 0, where nothing counts, to 0.95."""
CLOSE, FAR = -100.0, 400.0
"""Pixels between the hands at 1280 x 720: closer than the first they overlap, wider than the second they are apart."""


# -------------------------------------------------------------------------------------------------------- two hands, 2D


def width_of(points: Float[np.ndarray, "*b k 2"]) -> Float[np.ndarray, "*b"]:
    """Of the box around points."""
    return np.asarray(points[..., 0].max(-1) - points[..., 0].min(-1))


def pck_of_width(
    predicted: Float[np.ndarray, "n k 2"], true: Float[np.ndarray, "n k 2"], share: float = 0.2
) -> Float[np.ndarray, " n"]:
    """Per picture, the share of points nearer than this share of the true box's width, strictly."""
    limit = share * width_of(np.asarray(true, np.float64))
    with np.errstate(invalid="ignore"):
        return np.asarray((distances(predicted, true) < limit[:, None]).mean(1))


def auc_of_width(predicted: Float[np.ndarray, "n k 2"], true: Float[np.ndarray, "n k 2"]) -> Float[np.ndarray, " n"]:
    """Per picture, the mean of `pck_of_width` over the 20 `WIDTH_SHARES`. Of a perfect prediction it is 0.95."""
    return np.mean([pck_of_width(predicted, true, float(share)) for share in WIDTH_SHARES], 0)


@dataclass(frozen=True)
class TwoHands:
    """Scores of two hands in pictures, as EffHandEgoNet's test script counts on H2O (Mucha and Kampel 2024).

    A picture's figure is the mean over those of its hands that are both there and found; the figures are means over
    pictures. That script lets a picture without such a hand count as 0, which flatters the error and spoils the others:
    those figures end in `_with_empty`.
    """

    epe: float
    pck: float
    """At 0.2 of the true box's width."""
    auc: float
    epe_with_empty: float
    pck_with_empty: float
    auc_with_empty: float
    presence: tuple[float, float]
    """Share of pictures where the network is right about whether the left, the right hand is there."""
    pictures: int
    empty: int
    """Pictures without a hand that is both there and found."""


def two_hands(predicted: Float[np.ndarray, "n 2 21 2"], true: Float[np.ndarray, "n 2 21 2"]) -> TwoHands:
    """Of keypoints in pixels of 1280 x 720 (see `scaled`); NaN where a hand is not there, or was not found.

    The figures without empty pictures are NaN where all are empty. Raises PalmarError for shapes that differ.
    """
    predicted, true = np.asarray(predicted, np.float64), np.asarray(true, np.float64)
    if predicted.shape != true.shape or not len(true):
        raise PalmarError(f"predicted {predicted.shape} and true {true.shape} hands: expected one shape [n, 2, 21, 2].")
    there, found = (np.isfinite(points).all((2, 3)) for points in (true, predicted))
    both = there & found
    scores = np.zeros((3, *both.shape))
    if both.any():
        p, t = predicted[both], true[both]
        scores[:, both] = distances(p, t).mean(1), pck_of_width(p, t), auc_of_width(p, t)
    full = np.asarray(both.sum(1) > 0)
    per_picture = np.where(both, scores, 0).sum(2) / np.maximum(both.sum(1), 1)
    clean = per_picture[:, full].mean(1) if full.any() else np.full(3, np.nan)
    right = (there == found).mean(0)
    presence = float(right[0]), float(right[1])
    figures = [float(v) for v in (*clean, *per_picture.mean(1))]
    names = ("epe", "pck", "auc", "epe_with_empty", "pck_with_empty", "auc_with_empty")
    named = dict(zip(names, figures, strict=True))
    return TwoHands(**named, presence=presence, pictures=len(true), empty=int((~full).sum()))


def scaled(
    points: Float[np.ndarray, "*b 2"], size: tuple[int, int], to: tuple[int, int] = (1280, 720)
) -> Float[np.ndarray, "*b 2"]:
    """Pixels of a picture of this width and height, in one of another: where figures are compared."""
    return (points + 0.5) * (np.array(to) / np.array(size)) - 0.5


def gap_between(keypoints: Float[np.ndarray, "*b 2 21 2"]) -> Float[np.ndarray, "*b"]:
    """Pixels from the left hand's right edge to the right hand's left edge; NaN where a hand is absent."""
    return np.asarray(keypoints[..., 1, :, 0].min(-1) - keypoints[..., 0, :, 0].max(-1))


def close_together(keypoints: Float[np.ndarray, "*b 2 21 2"]) -> Bool[np.ndarray, "*b"]:
    """Which pictures are in the subset "close": both hands there, overlapping by over 100 pixels."""
    return np.asarray(gap_between(keypoints) < CLOSE)


def far_apart(keypoints: Float[np.ndarray, "*b 2 21 2"]) -> Bool[np.ndarray, "*b"]:
    """Which pictures are in the subset "far": both hands there, over 400 pixels between them."""
    return np.asarray(gap_between(keypoints) > FAR)


def fpha_epe_official(
    predicted: Float[np.ndarray, "n 21 2"], true: Float[np.ndarray, "n 21 2"], *, batch: int = 16
) -> float:
    """The pixel error of EffHandEgoNet's script on FPHA, for comparison with its figure only; `epe` is the clean one.

    Points are shares of the picture (0 to 1). The script scales them by 1280 x 720, though the pictures have 1920 x
    1080, and leaves out every batch in which some true point lies outside the picture. NaN where that is all.
    """
    size = np.array([1280.0, 720.0])
    errors = []
    for start in range(0, len(true), batch):
        p, t = predicted[start : start + batch], true[start : start + batch]
        if ((t >= 0) & (t <= 1)).all():
            errors.append(float(np.linalg.norm((p - t) * size, axis=-1).mean()))
    return float(np.mean(errors)) if errors else float("nan")


# ----------------------------------------------------------------------------------------------- hands and objects, 3D


def error_per_hand(predicted: Float[np.ndarray, "n 2 k 3"], true: Float[np.ndarray, "n 2 k 3"]) -> tuple[float, float]:
    """Mean joint error of the left and of the right hand in the camera's space, nothing aligned: H2O's, and MEPE.

    Over the frames whose truth has that hand. NaN where none has, and where the network missed one: who leaves out
    hands has no figure here, so give every hand a guess.
    """
    out = []
    for side in range(2):
        there = np.isfinite(true[:, side]).all((1, 2))
        out.append(epe(predicted[there, side], true[there, side]) if there.any() else float("nan"))
    return out[0], out[1]


def points_error(predicted: Float[np.ndarray, "n 21 3"], true: Float[np.ndarray, "n 21 3"]) -> float:
    """Mean error of the 21 points of an object's box, nothing aligned, over the frames that have an object."""
    there = np.isfinite(true).all((1, 2))
    return epe(predicted[there], true[there]) if there.any() else float("nan")


def pck_of_frames(
    predicted: Float[np.ndarray, "n k 3"], true: Float[np.ndarray, "n k 3"], thresholds: Sequence[float] | np.ndarray
) -> Float[np.ndarray, " t"]:
    """3D PCK of H2O: the share of frames whose mean joint error lies below each threshold. A missed hand is a miss."""
    error = np.nan_to_num(distances(predicted, true).mean(1), nan=np.inf)
    return np.asarray((error < np.asarray(thresholds, np.float64)[:, None]).mean(1))


def reprojection_error(
    camera: Camera, predicted: Float[np.ndarray, "n k 3"], true: Float[np.ndarray, "n k 3"]
) -> float:
    """Mean distance of projected points, pixels."""
    return epe(camera.project(predicted), camera.project(true))


def add(
    model: Float[np.ndarray, "v 3"],
    predicted: Float[np.ndarray, "n 4 4"],
    true: Float[np.ndarray, "n 4 4"],
) -> Float[np.ndarray, " n"]:
    """ADD: mean distance of a model's vertices under two poses (Hinterstoisser et al. 2012)."""
    moved = [np.einsum("nij,vj->nvi", pose[:, :3, :3], model) + pose[:, None, :3, 3] for pose in (predicted, true)]
    return np.asarray(np.linalg.norm(moved[0] - moved[1], axis=-1).mean(1))


# ------------------------------------------------------------------------------------------------------------- actions


def top1(predicted: Int[np.ndarray, " n"], true: Int[np.ndarray, " n"]) -> float:
    """Share of clips whose action is right. NaN without clips."""
    if len(predicted) != len(true):
        raise PalmarError(f"{len(predicted)} predicted and {len(true)} true actions.")
    return float((np.asarray(predicted) == np.asarray(true)).mean()) if len(true) else float("nan")


def verb_accuracy(predicted: Int[np.ndarray, " n"], true: Int[np.ndarray, " n"], verb_of: Sequence[int]) -> float:
    """Share of clips whose verb is right, by the verb of each action (`Vocabulary.verb_of`)."""
    table = np.asarray(verb_of)
    return top1(table[np.asarray(predicted, np.int64)], table[np.asarray(true, np.int64)])


# ------------------------------------------------------------------------------------------------------------ FreiHAND


@dataclass(frozen=True)
class FreiHandScores:
    """The official evaluation, on sets that are aligned one by one; metres. None without vertices."""

    pa_mpjpe: float
    auc: float
    """Of the joints' PCK from 0 to 50 mm."""
    pa_mpvpe: float | None = None
    auc_vertices: float | None = None
    f5: float | None = None
    f15: float | None = None


def freihand_scores(
    joints: Float[np.ndarray, "n 21 3"],
    true_joints: Float[np.ndarray, "n 21 3"],
    vertices: Float[np.ndarray, "n v 3"] | None = None,
    true_vertices: Float[np.ndarray, "n v 3"] | None = None,
) -> FreiHandScores:
    """All figures of the leaderboard. Alignment may mirror, as in the official script."""
    aligned = procrustes_aligned(joints, true_joints, reflection=True)
    ours = pa_mpjpe(joints, true_joints, reflection=True), auc(distances(aligned, true_joints), 0.05)
    if vertices is None or true_vertices is None:
        return FreiHandScores(*ours)
    mesh = procrustes_aligned(vertices, true_vertices, reflection=True)
    f5, f15 = (
        float(np.mean([f_score(a, b, limit).f for a, b in zip(mesh, true_vertices, strict=True)]))
        for limit in (0.005, 0.015)
    )
    area = auc(distances(mesh, true_vertices), 0.05)
    return FreiHandScores(*ours, pa_mpvpe(vertices, true_vertices, reflection=True), area, f5, f15)
