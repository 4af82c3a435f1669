"""Many hypotheses: heat maps of a hand's joints in, several 3D poses that may have made them out.

Poses are metres about the wrist, axes of the camera. Figures are those of the field: the error of the best of so many
hypotheses (an oracle's choice), their spread, and whether the spread is honest (calibration).
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from palmar.errors import PalmarError
from palmar.metrics.points import procrustes_aligned
from palmar.tasks.method import Report

ROOT = 0


@runtime_checkable
class Hypothesiser(Protocol):
    """A network of this task with its weights."""

    def __call__(self, heat: Float[np.ndarray, "n j 64 64"], count: int) -> Float[np.ndarray, "n h j 3"]:
        """So many poses for each set of heat maps, each as likely as the network thinks."""
        ...


def distances(found: Float[np.ndarray, "n h j 3"], true: Float[np.ndarray, "n j 3"]) -> Float[np.ndarray, "n h j"]:
    """Of every joint of every hypothesis, about the root, metres."""
    _alike(found, true)
    off = (found - found[:, :, ROOT, None]) - (true - true[:, ROOT, None])[:, None]
    return np.asarray(np.linalg.norm(off, axis=-1))


def aligned_distances(
    found: Float[np.ndarray, "n h j 3"], true: Float[np.ndarray, "n j 3"]
) -> Float[np.ndarray, "n h j"]:
    """The same after each hypothesis is moved, turned and scaled onto the truth."""
    _alike(found, true)
    n, h, j, _ = found.shape
    theirs = np.repeat(true, h, 0)
    moved = procrustes_aligned(found.reshape(n * h, j, 3), theirs)
    return np.asarray(np.linalg.norm(moved - theirs, axis=-1)).reshape(n, h, j)


def _alike(found: np.ndarray, true: np.ndarray) -> None:
    if found.ndim != 4 or not found.size or (found.shape[0], *found.shape[2:]) != true.shape:
        raise PalmarError(f"hypotheses {list(found.shape)} of poses {list(true.shape)}: expected [n, h, j, 3] of "
                          "[n, j, 3].")  # fmt: skip


def calibration(found: Float[np.ndarray, "n h j 3"], true: Float[np.ndarray, "n j 3"]) -> Float[np.ndarray, " j"]:
    """For each joint the mean share of hypotheses that lie farther from their median pose than the truth does: 0.5
    where the spread is honest, less where it is too narrow (Holmquist & Wandt 2023)."""
    _alike(found, true)
    mine, theirs = found - found[:, :, ROOT, None], true - true[:, ROOT, None]
    middle = np.median(mine, 1)
    spread = np.linalg.norm(mine - middle[:, None], axis=-1)
    off = np.linalg.norm(theirs - middle, axis=-1)
    return np.asarray((spread > off[:, None]).mean((0, 1)))


def deviations(found: Float[np.ndarray, "n h j 3"]) -> Float[np.ndarray, "n j"]:
    """How far a joint's hypotheses lie apart: root of the summed variances of its axes, metres."""
    mine = found - found[:, :, ROOT, None]
    return np.asarray(np.sqrt(mine.var(1, ddof=1).sum(-1)))


def cps(found: Float[np.ndarray, "n h j 3"], true: Float[np.ndarray, "n j 3"], most: int = 300) -> float:
    """Correct pose score (Wandt et al. 2021): the area, millimetres, under the share of poses of which some hypothesis
    has every joint within a threshold after alignment; thresholds 1 to `most` mm."""
    worst = 1000 * aligned_distances(found, true).max(-1).min(1)
    share = (worst[:, None] < np.arange(1, most + 1)).mean(0)
    return float(np.trapezoid(share))


def figures(
    found: Float[np.ndarray, "n h j 3"], true: Float[np.ndarray, "n j 3"], unsure: Bool[np.ndarray, "n j"] | None = None
) -> dict[str, float]:
    """Best of all hypotheses: MPJPE and PA-MPJPE in millimetres; CPS; calibration, its lower median over joints;
    mean spread, and the rank correlation of spread with which joints are unsure, where that is known."""
    out = {
        "mpjpe_mm": 1000 * float(distances(found, true).mean(-1).min(1).mean()),
        "pa_mpjpe_mm": 1000 * float(aligned_distances(found, true).mean(-1).min(1).mean()),
        "cps_mm": cps(found, true),
    }
    if found.shape[1] > 1:
        honest, apart = calibration(found, true)[1:], deviations(found)[:, 1:]
        out["calibration"] = float(np.sort(honest)[(len(honest) - 1) // 2])
        out["spread_mm"] = 1000 * float(apart.mean())
        if unsure is not None and unsure[:, 1:].any() and not unsure[:, 1:].all():
            from scipy.stats import spearmanr

            out["spread_follows_doubt"] = float(spearmanr(apart.ravel(), unsure[:, 1:].ravel()).statistic)
    return out


def score(values: dict[str, float], poses: int, count: int, where: str) -> Report:
    """The figures' table. where: what ran it."""
    rows = ["| figure | |", "|---|---|", *(f"| {name} | {value:.4g} |" for name, value in values.items())]
    rows += ["", f"{poses} poses, best of {count}; {where}."]
    return Report({**values, "poses": poses, "hypotheses": count, "where": where}, "\n".join(rows))
