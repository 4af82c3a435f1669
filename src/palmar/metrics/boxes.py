"""Detection: overlap of boxes, which detection found which hand, precision, recall and average precision.

Boxes are x0 y0 x1 y1 in pixels, edges not pixel numbers: the width is x1 - x0. A list of detections and a list of
truths hold one array per picture. Matching is COCO's: from the highest score down, a detection takes the free true box
that it overlaps most, if by the threshold or more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from palmar.errors import PalmarError, one_of

Boxes = Float[np.ndarray, "_ 4"]
Scores = Float[np.ndarray, " _"]


def box_iou(left: Float[np.ndarray, "n 4"], right: Float[np.ndarray, "m 4"]) -> Float[np.ndarray, "n m"]:
    """Intersection over union of every pair; 0 for boxes without area."""
    left, right = np.asarray(left, np.float64)[:, None], np.asarray(right, np.float64)[None]
    inside = np.minimum(left[..., 2:], right[..., 2:]) - np.maximum(left[..., :2], right[..., :2])
    both = inside.clip(0).prod(-1)
    area_left, area_right = ((b[..., 2:] - b[..., :2]).clip(0).prod(-1) for b in (left, right))
    union = area_left + area_right - both
    return np.where(union > 0, both / np.where(union > 0, union, 1.0), 0.0)


def match_boxes(boxes: Boxes, scores: Scores, true: Boxes, threshold: float = 0.5) -> Int[np.ndarray, " _"]:
    """Of one picture: for each detection the index of the true box it found, or -1.

    Every true box is found once at most. Of equal scores the first goes first, of equal overlaps the last true box is
    taken.
    """
    found = np.full(len(boxes), -1)
    overlap = box_iou(boxes, true)
    free = np.ones(len(true), bool)
    for i in np.argsort(-np.asarray(scores), kind="stable"):
        fits = np.flatnonzero(free & (overlap[i] >= threshold))
        if len(fits):
            best = fits[::-1][np.argmax(overlap[i, fits[::-1]])]
            found[i], free[best] = best, False
    return found


@dataclass(frozen=True)
class Detections:
    """What a detector did on a set of pictures: each detection's score and whether it was right, best first."""

    score: Float[np.ndarray, " n"]
    right: Bool[np.ndarray, " n"]
    total: int
    """True boxes in all pictures."""

    @property
    def precision(self) -> Float[np.ndarray, " n"]:
        """Share right among the detections up to and with each."""
        return np.cumsum(self.right) / np.arange(1, len(self.right) + 1)

    @property
    def recall(self) -> Float[np.ndarray, " n"]:
        """Share of the true boxes found by the detections up to and with each; NaN where there are none to find."""
        return np.cumsum(self.right) / self.total if self.total else np.full(len(self.right), np.nan)

    def at(self, score: float) -> tuple[float, float]:
        """Precision and recall of the detections of this score or more. Precision is NaN where there are none."""
        kept = self.right[self.score >= score]
        return (float(kept.mean()) if len(kept) else float("nan"),
                float(kept.sum() / self.total) if self.total else float("nan"))


def evaluate_detections(boxes: Sequence[Boxes], scores: Sequence[Scores], true: Sequence[Boxes], *,
                        threshold: float = 0.5) -> Detections:
    """Match the detections of every picture. Raises PalmarError when the lists do not go together."""
    if not len(boxes) == len(scores) == len(true):
        raise PalmarError(f"boxes of {len(boxes)}, scores of {len(scores)} and truth of {len(true)} pictures: "
                          "expected one entry for each picture in all three.")
    shaped = [(np.reshape(b, (-1, 4)), np.reshape(s, -1), np.reshape(t, (-1, 4)))
              for b, s, t in zip(boxes, scores, true, strict=True)]
    for i, (b, s, t) in enumerate(shaped):
        if len(b) != len(s) or not (np.isfinite(b).all() and np.isfinite(s).all() and np.isfinite(t).all()):
            raise PalmarError(f"picture {i}: {len(b)} boxes, {len(s)} scores; expected one finite score "
                              "for each box, and finite boxes.")
    right = [match_boxes(*picture, threshold) >= 0 for picture in shaped]
    all_scores = np.concatenate([s for _, s, _ in shaped]) if shaped else np.zeros(0)
    order = np.argsort(-all_scores, kind="stable")
    flat = np.concatenate(right)[order] if right else np.zeros(0, bool)
    return Detections(all_scores[order], flat, sum(len(t) for _, _, t in shaped))


def average_precision(boxes: Sequence[Boxes], scores: Sequence[Scores], true: Sequence[Boxes], *,
                      threshold: float = 0.5, rule: Literal["coco", "all-points"] = "coco") -> float:
    """Average precision at one overlap; 0.5 is AP50. NaN where there is no true box.

    Precision is first made to fall with recall (its maximum over all higher recalls). "coco" is the mean of it at the
    101 recalls 0, 0.01, ... 1; "all-points" its integral over recall, as in Pascal VOC since 2010.
    """
    found = evaluate_detections(boxes, scores, true, threshold=threshold)
    if not found.total:
        return float("nan")
    falling = np.maximum.accumulate(found.precision[::-1])[::-1]
    if one_of("rule", rule, ("coco", "all-points")) == "coco":
        first = np.searchsorted(found.recall, np.linspace(0.0, 1.0, 101), side="left")
        return float(np.append(falling, 0.0)[first].mean())
    return float((falling * np.diff(found.recall, prepend=0.0)).sum())
