"""How well both hands' keypoints were found: over all frames, and over those where it is hard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from palmar.errors import PalmarError
from palmar.metrics.firstperson import pck_of_width, scaled, two_hands
from palmar.tasks.method import Report
from palmar.types.firstperson import EgoFrame

OVERLAP = 0.3
"""Part of the smaller hand's box that the other's covers, from which hands overlap."""
HELD_JOINTS = 5
"""Joints of a hand within the object's box, from which it holds or touches it."""


def boxes(points: Float[np.ndarray, "*b 21 2"]) -> Float[np.ndarray, "*b 4"]:
    return np.concatenate([points.min(-2), points.max(-2)], -1)


def overlapping(keypoints: Float[np.ndarray, "n 2 21 2"], share: float = OVERLAP) -> Bool[np.ndarray, " n"]:
    """Where both hands are there and one box covers this share of the smaller one."""
    a, b = np.moveaxis(boxes(keypoints), 1, 0)
    cut = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0).prod(1)
    smaller = np.minimum((a[:, 2:] - a[:, :2]).prod(1), (b[:, 2:] - b[:, :2]).prod(1))
    with np.errstate(invalid="ignore"):
        return np.asarray(cut >= share * np.maximum(smaller, 1e-9))


def holding(
    keypoints: Float[np.ndarray, "n 2 21 2"], box: Float[np.ndarray, "n 4"], joints: int = HELD_JOINTS
) -> Bool[np.ndarray, " n"]:
    """Where so many joints of a hand lie in the object's box."""
    with np.errstate(invalid="ignore"):
        inside = (keypoints >= box[:, None, None, :2]) & (keypoints <= box[:, None, None, 2:])
    return np.asarray((inside.all(-1).sum(-1) >= joints).any(1))


def score_frames(found: Float[np.ndarray, "n 2 21 2"], frames: Sequence[EgoFrame]) -> Report:
    """found: pixels of each frame, NaN where a hand was not found. Figures are in pixels of 1280 x 720."""
    if len(found) != len(frames) or not len(frames):
        raise PalmarError(f"{len(found)} predictions for {len(frames)} frames.")
    sizes = [(frame.camera.width, frame.camera.height) for frame in frames]
    own = np.stack([frame.keypoints for frame in frames])
    true = np.stack([scaled(points, size) for points, size in zip(own, sizes, strict=True)])
    mine = np.stack([scaled(points, size) for points, size in zip(found, sizes, strict=True)])
    close = overlapping(own)
    held = holding(own, np.stack([frame.object_box for frame in frames]))
    parts = {
        "all": np.ones(len(frames), bool),
        "overlapping": close,
        "holding": held,
        "overlapping or holding": close | held,
        "neither": ~(close | held),
    }
    figures = {name: _part(mine[rows], true[rows]) for name, rows in parts.items() if rows.any()}
    head = [
        "| frames | n | EPE px | PCK@0.2 | PCK@0.2, missed = 0 | AUC | presence L, R |",
        "|---|---|---|---|---|---|---|",
    ]
    rows = [
        f"| {name} | {f['pictures']} | {f['epe']:.2f} | {f['pck']:.3f} | {f['pck_of_all']:.3f} | {f['auc']:.3f} | "
        f"{f['presence'][0]:.3f}, {f['presence'][1]:.3f} |"
        for name, f in figures.items()
    ]
    return Report(figures, "\n".join([*head, *rows]))


def _part(mine: np.ndarray, true: np.ndarray) -> dict[str, object]:
    scores = two_hands(mine, true)
    there = np.isfinite(true).all((2, 3))
    every = pck_of_width(np.nan_to_num(mine[there], nan=1e9), true[there]) if there.any() else np.full(1, np.nan)
    return {
        "pictures": scores.pictures,
        "epe": scores.epe,
        "pck": scores.pck,
        "pck_of_all": float(every.mean()),
        "auc": scores.auc,
        "presence": list(scores.presence),
        "epe_with_empty": scores.epe_with_empty,
        "pck_with_empty": scores.pck_with_empty,
        "empty": scores.empty,
    }
