"""Keypoints from a crop: a square picture of one hand in, its 21 joints in it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8

from palmar.metrics.points import auc, distances, mean_error, pck
from palmar.tasks.crops import CropSpec
from palmar.tasks.method import Report


@dataclass(frozen=True, eq=False)
class CropKeypoints:
    """Of n crops."""

    keypoints: Float[np.ndarray, "n 21 2"]
    """Pixels of the crop."""
    confidence: Float[np.ndarray, "n 21"]
    """0 to 1, as the network says it: near 1 where it is sure."""


@runtime_checkable
class KeypointPredictor(Protocol):
    """A network of this task with its weights."""

    crop: CropSpec

    def __call__(self, crops: UInt8[np.ndarray, "n s s 3"]) -> CropKeypoints: ...


def score(found: CropKeypoints, true: Float[np.ndarray, "n 21 2"], where: str) -> Report:
    """Mean end-point error in pixels of the crop; PCK and the area under its curve, with a radius in shares of the
    longer side of the hull of each true hand. where: what ran it."""
    error = distances(found.keypoints, true)
    share = error / (true.max(1) - true.min(1)).max(1)[:, None]
    figures = {"epe_px": mean_error(error), "pck@0.1": float(pck(share, 0.1)), "auc@0.3": auc(share, 0.3)}
    rows = ["| figure | |", "|---|---|", *(f"| {name} | {value:.4g} |" for name, value in figures.items())]
    table = "\n".join([*rows, "", f"{len(true)} crops; {where}."])
    return Report({**figures, "crops": len(true), "where": where}, table)
