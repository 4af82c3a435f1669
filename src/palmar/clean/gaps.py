"""Rows taken out, and rows put in where a hand was away for a moment."""

from __future__ import annotations

import itertools

import numpy as np
from jaxtyping import Bool, Float

from palmar.clean.tracks import in_order, times_of_rows, tracks
from palmar.errors import PalmarError
from palmar.geometry.rotations import rotmat_from_rotvec, rotvec_from_rotmat
from palmar.types import Hands
from palmar.types.hands import COLUMNS

NEIGHBOURS = 3
"""Rows on either side, by whose line a row is judged."""
ACCELERATION = 40.0
"""Metres a second, each second: what a wrist may leave that line by. Fast throws reach more, everyday motion half."""
HAND_M = 0.18
"""Length of a hand, by which metres are told in pixels of its box."""
FLOOR_M, FLOOR_SHARE = 0.03, 0.25
"""A wrist may always be so far from that line: metres in space, and of the hand's box in the picture."""
TIMES_SPREAD = 6.0
"""And so many times the usual distance (median absolute deviation, made a standard deviation)."""
SIZES = (0.67, 1.5)
"""Palm over the palm's median length in the recording, beyond which a row is no hand of this person."""


def trim(hands: Hands, times: Float[np.ndarray, " f"], start: float = 0.0, end: float = np.inf) -> Hands:
    """Rows of frames at start <= time < end, seconds. Frames keep their numbers. Raises PalmarError where end <=
    start."""
    if not end > start:
        raise PalmarError(f"trim: the end, {end} s, must come after the start, {start} s.")
    at = times_of_rows(hands, times)
    return hands[(at >= start) & (at < end)]


def reject_outliers(hands: Hands, times: Float[np.ndarray, " f"]) -> Hands:
    """Without rows whose wrist is where it cannot have been, or whose palm has another length.

    A row goes where its wrist is farther from where its neighbours in time lead than `TIMES_SPREAD` times the track's
    usual distance and than a floor, in space or in the picture: a filter like Hampel's, about a robust line (Theil and
    Sen) in place of the median, so that a hand may be fast. And it goes where the length from wrist to middle knuckle
    leaves `SIZES` of the track's median. Tracks of fewer than five rows are left alone.
    """
    keep = np.ones(len(hands), bool)
    at = times_of_rows(hands, times)
    for rows in tracks(hands):
        if len(rows) >= 5:
            keep[rows] = ~_wild(hands, rows, at[rows])
    return hands[keep]


def _wild(hands: Hands, rows: np.ndarray, at: Float[np.ndarray, " k"]) -> Bool[np.ndarray, " k"]:
    bad = np.zeros(len(rows), bool)
    if hands.joints is not None:
        wrist = hands.joints[rows, 0].astype(np.float64)
        bad |= _far(wrist, at, np.full(len(rows), FLOOR_M), np.full(len(rows), ACCELERATION))
        palm = np.linalg.norm(hands.joints[rows, 9].astype(np.float64) - wrist, axis=1)
        usual = np.nanmedian(palm)
        if usual > 0:
            bad |= ~((palm > SIZES[0] * usual) & (palm < SIZES[1] * usual))
    if hands.keypoints is not None:
        size = (hands.box[rows, 2:] - hands.box[rows, :2]).max(1).astype(np.float64)
        points = hands.keypoints[rows, 0, :2].astype(np.float64)
        bad |= _far(points, at, FLOOR_SHARE * size, ACCELERATION * size / HAND_M)
    return bad


def _far(
    points: Float[np.ndarray, "k d"],
    at: Float[np.ndarray, " k"],
    floor: Float[np.ndarray, " k"],
    acceleration: Float[np.ndarray, " k"],
) -> Bool[np.ndarray, " k"]:
    """Which points are far from where their neighbours lead, farther than acceleration explains. What is not finite
    is."""
    k = len(points)
    off = np.full(k, np.inf)
    room = floor.astype(np.float64)
    good = np.isfinite(points).all(1)
    for i in np.flatnonzero(good):
        near = np.array([j for j in range(max(0, i - NEIGHBOURS), min(k, i + NEIGHBOURS + 1)) if j != i and good[j]])
        if not len(near):
            continue
        one, two = np.triu_indices(len(near), 1)
        apart = at[near[two]] - at[near[one]]
        use = apart > 0
        slopes = (points[near[two]] - points[near[one]])[use] / apart[use, None]
        slope = np.median(slopes, axis=0) if use.any() else np.zeros(points.shape[1])
        led = np.median(points[near] + (at[i] - at[near])[:, None] * slope, axis=0)
        off[i] = np.linalg.norm(points[i] - led)
        room[i] += 0.5 * acceleration[i] * float(np.median(np.abs(at[near] - at[i]))) ** 2
    known = off[np.isfinite(off)]
    spread = 1.4826 * np.median(known) if len(known) else 0.0
    return off > np.maximum(room, TIMES_SPREAD * spread)


def fill_gaps(hands: Hands, times: Float[np.ndarray, " f"], longest: float = 0.2) -> Hands:
    """With rows for the frames in which a hand was away for `longest` seconds at most (from the last frame before to
    the first after).

    Numbers go straight from the one to the other, rotations by the shortest turn at a steady rate, joints with them.
    Labels are those of
    the row before. A row that was put in has score 0 and confidences of 0: that tells it from what was seen. Nothing is
    put before a hand's first frame or after its last.
    """
    if not longest >= 0:
        raise PalmarError(f"fill_gaps: the longest gap must be 0 s or more, got {longest}.")
    at = times_of_rows(hands, times)
    times = np.asarray(times, np.float64)
    parts = [hands]
    for rows in tracks(hands):
        for before, after in itertools.pairwise(rows.tolist()):
            first, last = int(hands.frame[before]), int(hands.frame[after])
            span = at[after] - at[before]
            if last - first < 2 or span > longest + 1e-9 or span <= 0:
                continue
            frames = np.arange(first + 1, last)
            parts.append(_between(hands, before, after, frames, (times[frames] - at[before]) / span))
    return in_order(Hands.concat(parts)) if len(parts) > 1 else hands


def _between(hands: Hands, before: int, after: int, frames: np.ndarray, share: Float[np.ndarray, " k"]) -> Hands:
    """Rows on the way from one to another."""
    k = len(frames)
    columns: dict[str, np.ndarray] = {}
    for name, values in hands.columns().items():
        one, two = values[before], values[after]
        weight = share.reshape(k, *[1] * np.ndim(one))
        if name == "frame":
            columns[name] = frames
        elif COLUMNS[name].dtype == "str" or name in ("track", "view", "side"):
            columns[name] = np.array([one] * k, values.dtype)
        elif name == "score":
            columns[name] = np.zeros(k)
        elif name == "pose":
            columns[name] = turned(one.astype(np.float64), two.astype(np.float64), share)
        elif name == "world_from_camera":
            columns[name] = _moved(one.astype(np.float64), two.astype(np.float64), share)
        else:
            columns[name] = one + weight * (two.astype(np.float64) - one)
    if "keypoints" in columns:
        columns["keypoints"][..., 2] = 0.0
    if "joints" in columns and "pose" in columns:
        columns["joints"] = _carried(hands, before, after, share, columns["pose"])
    return Hands(**columns)


def _carried(hands: Hands, before: int, after: int, share: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Joints on the way: the wrist goes straight, the others turn with it."""
    assert hands.joints is not None
    assert hands.pose is not None
    rows = [before, after]
    joints = hands.joints[rows].astype(np.float64)
    turn = rotmat_from_rotvec(hands.pose[rows, 0].astype(np.float64))
    own = (joints - joints[:, :1]) @ turn  # in the wrist's frame
    now = own[0] + share[:, None, None] * (own[1] - own[0])
    wrist = joints[0, 0] + share[:, None] * (joints[1, 0] - joints[0, 0])
    return wrist[:, None] + now @ np.swapaxes(rotmat_from_rotvec(pose[:, 0]), -1, -2)


def turned(
    one: Float[np.ndarray, "*b 3"], two: Float[np.ndarray, "*b 3"], share: Float[np.ndarray, " k"]
) -> Float[np.ndarray, "k *b 3"]:
    """Rotation vectors on the shortest way from one rotation to another (slerp)."""
    start = rotmat_from_rotvec(one)
    way = rotvec_from_rotmat(np.swapaxes(start, -1, -2) @ rotmat_from_rotvec(two))
    return rotvec_from_rotmat(start @ rotmat_from_rotvec(way * share.reshape(len(share), *[1] * one.ndim)))


def _moved(one: np.ndarray, two: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Poses [k, 4, 4] between two."""
    out = np.tile(np.eye(4), (len(share), 1, 1))
    a, b = rotvec_from_rotmat(one[:3, :3]), rotvec_from_rotmat(two[:3, :3])
    out[:, :3, :3] = rotmat_from_rotvec(turned(a, b, share))
    out[:, :3, 3] = one[:3, 3] + share[:, None] * (two[:3, 3] - one[:3, 3])
    return out
