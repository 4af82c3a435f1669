"""The rows of each followed hand, in the order of frames."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from palmar.errors import PalmarError
from palmar.types import Hands


def tracks(hands: Hands) -> Iterator[Int[np.ndarray, " k"]]:
    """Rows of each hand: of one view, track and side. Unrelated pictures (track -1) are no hand over time."""
    keys = np.stack([hands.view, hands.track, hands.side.astype(np.int32)], 1)
    for key in np.unique(keys, axis=0):
        if key[1] < 0:
            continue
        rows = np.flatnonzero((keys == key).all(1))
        yield rows[np.argsort(hands.frame[rows], kind="stable")]


def times_of_rows(hands: Hands, times: Float[np.ndarray, " f"]) -> Float[np.ndarray, " n"]:
    """Seconds of each row. Raises PalmarError for a frame without a time and times that are not finite or run
    backwards."""
    times = np.asarray(times, np.float64)
    if times.ndim != 1 or not np.isfinite(times).all() or (np.diff(times) < 0).any():
        raise PalmarError("times: expected one finite number a frame, none below the one before.")
    if len(hands) and (int(hands.frame.max()) >= len(times) or int(hands.frame.min()) < 0):
        raise PalmarError(f"hands of frame {int(hands.frame.max())}, but {len(times)} times were given.")
    return times[hands.frame]


def in_order(hands: Hands) -> Hands:
    """Sorted by frame, then view, track and side."""
    return hands[np.lexsort((hands.side, hands.track, hands.view, hands.frame))]
