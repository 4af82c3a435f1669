"""Dense contact: a square picture of one right hand in, for every vertex of its surface the probability that it touches
something out.

Left hands are mirrored; vertices keep their numbers. Figures are those of HACO's evaluation: precision, recall and F1
of each picture, their mean over pictures. What is not defined (nothing found, nothing there) counts as 0 in the first
mean, as published; a second one is over pictures with contact, and false alarms are counted on the others.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, UInt8

from palmar.errors import PalmarError
from palmar.tasks.crops import CropSpec
from palmar.tasks.method import Report


@runtime_checkable
class ContactPredictor(Protocol):
    """A network of this task with its weights."""

    crop: CropSpec

    def __call__(self, crops: UInt8[np.ndarray, "n s s 3"]) -> Float[np.ndarray, "n v"]: ...


def per_picture(
    found: Float[np.ndarray, "n v"], true: Bool[np.ndarray, "n v"], threshold: float = 0.5
) -> Float[np.ndarray, "n 3"]:
    """Precision, recall and F1 of each picture; NaN where one is not defined."""
    if found.shape != true.shape or not len(true):
        raise PalmarError(f"contact of {list(found.shape)} against a truth of {list(true.shape)}.")
    said, there = found >= threshold, np.asarray(true, bool)
    both, mine, theirs = (x.sum(1).astype(float) for x in (said & there, said, there))
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = both / mine, both / theirs
        f1 = 2 * precision * recall / (precision + recall)
    return np.stack([precision, recall, f1], 1)


def figures(
    found: Float[np.ndarray, "n v"], true: Bool[np.ndarray, "n v"], threshold: float = 0.5
) -> dict[str, float]:
    """The means over all pictures and over those with contact, and the share of vertices that are called touched where
    nothing is."""
    each = per_picture(found, true, threshold)
    out = dict(zip(("precision", "recall", "f1"), np.nan_to_num(each).mean(0).tolist(), strict=True))
    touched = np.asarray(true, bool).any(1)
    if touched.any():
        names = ("precision_touched", "recall_touched", "f1_touched")
        out |= dict(zip(names, np.nan_to_num(each[touched]).mean(0).tolist(), strict=True))
    if not touched.all():
        out["false_alarms"] = float((found[~touched] >= threshold).mean())
    return out


def score(values: dict[str, float], count: int, where: str) -> Report:
    """The figures' table. where: what ran it."""
    rows = ["| figure | |", "|---|---|", *(f"| {name} | {value:.3f} |" for name, value in values.items())]
    rows += ["", f"{count} crops; {where}."]
    return Report({**values, "crops": count, "where": where}, "\n".join(rows))
