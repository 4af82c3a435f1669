"""Smoothing with past and future: nothing lags."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from palmar.clean.tracks import times_of_rows, tracks
from palmar.errors import PalmarError
from palmar.geometry.rotations import rotmat_from_rotvec, rotvec_from_rotmat
from palmar.types import Hands

REACH = 3.0
"""Standard deviations at which the kernel ends."""
GAP_S = 0.2
"""Seconds without a row, across which nothing is smoothed."""


def smooth(hands: Hands, times: Float[np.ndarray, " f"], seconds: float = 0.05) -> Hands:
    """Each followed hand smoothed over time by a Gaussian of this standard deviation, both ways.

    Positions (keypoints, joints, translation, box) are locally fitted lines, so that a steady motion stays what it is
    to its ends and speeds are kept; rows count by their score, those put into gaps a little. Rotations are the weighted
    means nearest to the fitted ones (chordal), the shape is left alone. Nothing is smoothed across `GAP_S` without a
    row. Raises PalmarError for a negative time.
    """
    if not seconds >= 0:
        raise PalmarError(f"smooth: the time must be 0 s or more, got {seconds}.")
    at = times_of_rows(hands, times)
    if seconds == 0 or not len(hands):
        return hands
    moving = {
        name: getattr(hands, name).astype(np.float64).copy()
        for name in ("keypoints", "joints", "translation", "box")
        if getattr(hands, name) is not None
    }
    pose = None if hands.pose is None else hands.pose.astype(np.float64).copy()
    for rows in tracks(hands):
        for part in np.split(rows, np.flatnonzero(np.diff(at[rows]) > GAP_S) + 1):
            weights = lines(at[part], hands.score[part].astype(np.float64), seconds)
            for name, values in moving.items():
                wide = 2 if name == "keypoints" else None  # a confidence is no place
                own = values[part][..., :wide]
                values[part, ..., :wide] = _applied(weights, own)
            if pose is not None:
                pose[part] = _turned(kernel(at[part], hands.score[part].astype(np.float64), seconds), pose[part])
    columns = dict(moving)
    if pose is not None:
        columns["pose"] = pose
    return hands.with_columns(**columns)


def kernel(at: Float[np.ndarray, " k"], score: Float[np.ndarray, " k"], seconds: float) -> Float[np.ndarray, "k k"]:
    """Row i: how much each row counts at time i; sums to 1."""
    off = (at[:, None] - at) / seconds
    weight = np.exp(-0.5 * off**2) * (np.abs(off) <= REACH) * np.maximum(score, 0.05)
    return weight / weight.sum(1, keepdims=True)


def lines(at: Float[np.ndarray, " k"], score: Float[np.ndarray, " k"], seconds: float) -> Float[np.ndarray, "k k"]:
    """As `kernel`, for the value at time i of the line that fits best around it (local linear regression)."""
    weight = kernel(at, score, seconds)
    off = at - at[:, None]
    mean = (weight * off).sum(1, keepdims=True)
    spread = (weight * (off - mean) ** 2).sum(1, keepdims=True)
    tilt = np.where(spread > 1e-12, -mean * (off - mean) / np.maximum(spread, 1e-12), 0.0)
    return weight * (1 + tilt)


def _applied(weights: Float[np.ndarray, "k k"], values: np.ndarray) -> np.ndarray:
    """Weighted sums of rows; where one of them is not finite it is left out, and stays as it is."""
    flat = values.reshape(len(values), -1)
    good = np.isfinite(flat).all(1)
    if not good.any():
        return values
    part = weights * good
    total = part.sum(1, keepdims=True)
    found = part @ np.nan_to_num(flat) / np.where(np.abs(total) > 1e-9, total, 1.0)
    return np.where(good[:, None], found, flat).reshape(values.shape)


def _turned(weights: Float[np.ndarray, "k k"], pose: Float[np.ndarray, "k 16 3"]) -> Float[np.ndarray, "k 16 3"]:
    good = np.isfinite(pose).all((1, 2))
    part = weights * good
    mean = np.einsum("ij,j...->i...", part, rotmat_from_rotvec(np.nan_to_num(pose)))
    found = rotvec_from_rotmat(mean)  # the nearest rotation to the mean
    return np.where(good[:, None, None], found, pose)
