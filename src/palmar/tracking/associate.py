"""Who is who from frame to frame: which observation belongs to which hand that was followed, and of which side a hand
is.

Costs are counted in lengths of the hand (the longer side of the box around its keypoints), so that they hold for near
hands and far ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

SAME_HAND = 0.2
"""Two observations whose keypoints lie nearer than this on average, in hand lengths, are one hand."""
COST_LIMIT = 1.0
"""An observation that costs more than this is not that hand."""
SIDE_COST, SHAPE_COST, SIZE_COST = 0.7, 0.2, 0.5
REACH, REACH_PER_SECOND = 1.0, 4.0
"""How far from where it was expected a hand may be, in hand lengths: at once, and more for each second unseen."""


@dataclass(frozen=True, eq=False)
class Expected:
    """What is expected of hands that were followed, or seen of hands just found. One row a hand."""

    keypoints: Float[np.ndarray, "n 21 2"]
    side: Float[np.ndarray, " n"]
    """Probability of a right hand."""
    shape: Float[np.ndarray, "n 10"]
    gap_s: Float[np.ndarray, " n"]
    """Seconds since the hand was last seen; 0 for what is seen now."""


def lengths(keypoints: Float[np.ndarray, "n 21 2"]) -> Float[np.ndarray, " n"]:
    """Longer side of the box around the keypoints, pixels; at least 1."""
    return np.maximum((keypoints.max(1) - keypoints.min(1)).max(1), 1.0)


def match_cost(expected: Expected, seen: Expected) -> Float[np.ndarray, "t o"]:
    """What it costs to say that observation o is hand t: place, form, size, side and shape. Infinite out of reach.

    After a gap the place counts less and the form of the hand nothing: it had time to move and to close.
    """
    long_t, long_o = lengths(expected.keypoints)[:, None], lengths(seen.keypoints)[None]
    centre_t, centre_o = expected.keypoints.mean(1), seen.keypoints.mean(1)
    away = np.linalg.norm(centre_t[:, None] - centre_o[None], axis=-1) / long_t
    form_t, form_o = expected.keypoints - centre_t[:, None], seen.keypoints - centre_o[:, None]
    form = np.linalg.norm(form_t[:, None] - form_o[None], axis=-1).mean(-1) / long_t
    side_t, side_o = expected.side[:, None], seen.side[None]
    other_side = side_t * (1 - side_o) + side_o * (1 - side_t)
    shape = np.sqrt(((expected.shape[:, None] - seen.shape[None]) ** 2).mean(-1))
    reach = REACH + REACH_PER_SECOND * expected.gap_s[:, None]
    cost = (
        away / reach
        + form * np.exp(-expected.gap_s[:, None] / 0.1)
        + SIZE_COST * np.abs(np.log(long_o / long_t))
        + SIDE_COST * other_side
        + SHAPE_COST * np.minimum(shape / 2, 1.0)
    )
    return np.where(away <= reach, cost, np.inf)


def assign(cost: Float[np.ndarray, "t o"], limit: float = COST_LIMIT) -> list[tuple[int, int]]:
    """Pairs (row, column) of least total cost, none dearer than `limit`; each row and column at most once.

    Leaving a pair out costs `limit`, so that one good pair is not given up for two bad ones.
    """
    if not cost.size:
        return []
    rows, columns = linear_sum_assignment(np.minimum(cost, limit))
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if cost[r, c] < limit]


def duplicates(keypoints: Float[np.ndarray, "n 21 2"], worth: Float[np.ndarray, " n"]) -> set[int]:
    """Rows that show the same hand as a row of higher worth."""
    n = len(keypoints)
    if n < 2:
        return set()
    apart = np.linalg.norm(keypoints[:, None] - keypoints[None], axis=-1).mean(-1)
    long = lengths(keypoints)
    same = apart < SAME_HAND * np.maximum(long[:, None], long[None])
    out: set[int] = set()
    for i in np.argsort(-worth, kind="stable").tolist():
        if i not in out:
            out |= {j for j in range(n) if j != i and same[i, j] and worth[j] <= worth[i]}
    return out


@dataclass
class SideVote:
    """Which side a hand is, from many doubtful opinions: log odds added up, and changed only by strong evidence.

    A hand's side cannot change, the network's opinion can: the sum is capped so that a mistake can still be undone, and
    the side turns over only when the sum has gone `MARGIN` past even.
    """

    evidence: float = 0.0
    """Log odds of a right hand, so far."""
    right: bool | None = None

    CAP, MARGIN, MOST = 40.0, 4.0, 2.5
    """Log odds: of the sum, of a change, of one opinion."""
    PRIOR = 0.25
    """Weight of the detector's opinion, which sees the whole picture small; it decides nothing by itself."""

    def expect(self, probability_right: float) -> None:
        """What the detector thinks of a hand that nobody has looked at closely yet."""
        self.evidence += self.PRIOR * self._opinion(probability_right)

    def add(self, probability_right: float, weight: float = 1.0) -> bool:
        """Count one opinion. Returns whether the side turned over by it."""
        self.evidence = min(max(self.evidence + weight * self._opinion(probability_right), -self.CAP), self.CAP)
        before = self.right
        if before is None:
            self.right = self.evidence >= 0
        elif before and self.evidence < -self.MARGIN:
            self.right = False
        elif not before and self.evidence > self.MARGIN:
            self.right = True
        return before is not None and before != self.right

    def _opinion(self, probability_right: float) -> float:
        p = min(max(probability_right, 1e-6), 1 - 1e-6)
        return min(max(math.log(p / (1 - p)), -self.MOST), self.MOST)

    @property
    def probability(self) -> float:
        """Of a right hand."""
        return 1 / (1 + math.exp(-self.evidence))
