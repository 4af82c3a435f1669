"""Assignment against all permutations, costs, duplicates, and the vote on a hand's side."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palmar.tracking.associate import COST_LIMIT, Expected, SideVote, assign, duplicates, lengths, match_cost

HAND = np.random.default_rng(5).uniform(0, 100, (21, 2))


def some(keypoints, side=0.5, shape=0.0, gap=0.0):
    n = len(keypoints)
    return Expected(np.array(keypoints, float), np.full(n, side), np.full((n, 10), shape), np.full(n, gap))


@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_assignment_is_the_best_of_all(rows, columns, seed):
    rng = np.random.default_rng(seed)
    cost = rng.uniform(0, 2 * COST_LIMIT, (rows, columns))
    cost[rng.random(cost.shape) < 0.2] = np.inf
    pairs = assign(cost)
    assert len({r for r, _ in pairs}) == len({c for _, c in pairs}) == len(pairs)
    assert all(cost[pair] < COST_LIMIT for pair in pairs)

    def total(pairs):  # who stays alone costs the limit
        return sum(min(cost[pair], COST_LIMIT) for pair in pairs) + COST_LIMIT * (min(rows, columns) - len(pairs))

    every = [
        total(list(zip(r, c, strict=True)))
        for k in range(min(rows, columns) + 1)
        for r in itertools.combinations(range(rows), k)
        for c in itertools.permutations(range(columns), k)
    ]
    assert total(pairs) == pytest.approx(min(every, default=0.0))


def test_the_same_hand_costs_nothing_and_all_else_costs_more():
    same = match_cost(some([HAND], side=1.0), some([HAND], side=1.0))[0, 0]
    assert same == pytest.approx(0)
    length = lengths(HAND[None])[0]
    for other in (
        some([HAND + length / 4], side=1.0),
        some([HAND * 1.5], side=1.0),
        some([HAND], side=0.0),
        some([HAND], side=1.0, shape=1.0),
        some([HAND[::-1]], side=1.0),
    ):
        assert match_cost(some([HAND], side=1.0), other)[0, 0] > 0.05


def test_the_cost_does_not_know_how_near_the_camera_is():
    a, b = some([HAND, HAND + 60], side=0.9), some([HAND + 10, HAND + 40], side=0.7, shape=0.3)
    near = [Expected(3 * x.keypoints, x.side, x.shape, x.gap_s) for x in (a, b)]
    np.testing.assert_allclose(match_cost(a, b), match_cost(*near), rtol=1e-9)


def test_out_of_reach_is_out_of_the_question_until_time_has_passed():
    away = lengths(HAND[None])[0] * np.array([2.0, 0.0])
    seen = some([HAND + away], side=1.0)
    assert np.isinf(match_cost(some([HAND], side=1.0), seen)[0, 0])
    assert match_cost(some([HAND], side=1.0, gap=0.4), seen)[0, 0] < COST_LIMIT


def test_duplicates_keep_the_better_one():
    far = HAND + 500
    assert duplicates(np.stack([HAND, HAND + 5, far]), np.array([0.5, 0.9, 0.1])) == {0}
    assert duplicates(np.stack([HAND, HAND + 5, HAND - 5]), np.array([0.9, 0.9, 0.9])) == {1, 2}
    assert duplicates(np.stack([HAND, far]), np.ones(2)) == set()
    assert duplicates(HAND[None], np.ones(1)) == set()


def test_the_side_needs_much_to_change_and_can():
    vote = SideVote()
    for _ in range(30):
        vote.add(0.95)
    assert vote.right
    for k in range(200):  # 40 % of opinions wrong: never
        vote.add(0.05 if k % 5 < 2 else 0.95)
        assert vote.right
    turned = [vote.add(0.05) for _ in range(60)]  # two seconds of them: in the end, once
    assert sum(turned) == 1
    assert 10 <= turned.index(True) <= 45
    assert not vote.right


def test_a_doubtful_opinion_counts_little():
    vote = SideVote()
    vote.add(0.9)
    for _ in range(20):
        vote.add(0.45)
    assert vote.right
    assert 0.0 <= vote.probability <= 1.0
    vote.add(0.0)  # not infinitely sure
    assert np.isfinite(vote.evidence)
