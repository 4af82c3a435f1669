"""Detection metrics against cases worked by hand and COCO's rules written with plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palmar.errors import PalmarError
from palmar.metrics import average_precision, box_iou, evaluate_detections, match_boxes

NONE = np.zeros((0, 4))


def boxes(rng, n: int) -> np.ndarray:
    corner = rng.integers(0, 12, (n, 2))
    return np.concatenate([corner, corner + rng.integers(1, 8, (n, 2))], -1).astype(float)


def test_iou_counts_cells():
    rng = np.random.default_rng(0)
    left, right = boxes(rng, 20), boxes(rng, 15)

    def cells(box) -> set:
        return {(x, y) for x in range(int(box[0]), int(box[2])) for y in range(int(box[1]), int(box[3]))}

    expected = [[len(cells(a) & cells(b)) / len(cells(a) | cells(b)) for b in right] for a in left]
    np.testing.assert_allclose(box_iou(left, right), expected)
    np.testing.assert_allclose(box_iou(right, left), np.transpose(expected))
    assert box_iou(np.zeros((1, 4)), np.zeros((1, 4))) == 0
    assert box_iou(np.array([[5.0, 5, 1, 1]]), np.array([[0.0, 0, 9, 9]])) == 0        # inside out
    assert box_iou(NONE, right).shape == (0, 15)


def test_matching_goes_by_score_and_takes_the_best_free_box():
    true = np.array([[0.0, 0, 10, 10], [4, 0, 14, 10]])
    found = np.array([[0.0, 0, 10, 10], [1, 0, 11, 10], [30, 30, 40, 40]])
    assert match_boxes(found, np.array([0.5, 0.9, 0.8]), true, 0.5).tolist() == [-1, 0, -1]
    assert match_boxes(found, np.array([0.9, 0.5, 0.8]), true, 0.5).tolist() == [0, 1, -1]
    assert match_boxes(found[:1], np.ones(1), true * 0 + true[:1]).tolist() == [1]         # a tie: COCO takes the last
    assert match_boxes(found, np.ones(3), NONE).tolist() == [-1, -1, -1]
    assert match_boxes(NONE, np.zeros(0), true).tolist() == []


def scene(right: list[bool], total: int) -> tuple:
    """Detections in falling score, in one picture with `total` hands, that are right or wrong as told."""
    true = np.stack([np.arange(total) * 20.0, np.zeros(total), np.arange(total) * 20.0 + 10, np.full(total, 10.0)], -1)
    hands = iter(true)
    found = np.array([next(hands) if ok else [0.0, 500, 10, 510] for ok in right]).reshape(-1, 4)
    return [found], [np.linspace(0.9, 0.1, len(right))], [true]


def test_average_precision_by_hand():
    found = scene([True, False, True, False], 4)               # precisions 1 1/2 2/3 1/2 at recalls 1/4 1/4 1/2 1/2
    assert average_precision(*found, rule="all-points") == pytest.approx(0.25 * 1 + 0.25 * 2 / 3)
    assert average_precision(*found) == pytest.approx((26 * 1 + 25 * 2 / 3) / 101)         # recalls 0..0.25, 0.26..0.5
    whole = evaluate_detections(*found)
    np.testing.assert_allclose(whole.precision, [1, 1 / 2, 2 / 3, 1 / 2])
    np.testing.assert_allclose(whole.recall, [0.25, 0.25, 0.5, 0.5])
    assert whole.at(0.5) == (0.5, 0.25)
    assert whole.at(0.0) == (0.5, 0.5)
    assert np.isnan(whole.at(0.95)[0])
    assert whole.at(0.95)[1] == 0


@pytest.mark.parametrize("rule", ["coco", "all-points"])
def test_average_precision_at_the_ends(rule):
    assert average_precision(*scene([True] * 3, 3), rule=rule) == pytest.approx(1)
    assert average_precision(*scene([False] * 3, 3), rule=rule) == 0
    assert average_precision([NONE], [np.zeros(0)], [np.array([[0.0, 0, 1, 1]])], rule=rule) == 0
    assert np.isnan(average_precision([NONE], [np.zeros(0)], [NONE], rule=rule))
    assert np.isnan(average_precision([], [], [], rule=rule))


def slow_coco(found, scores, true, threshold) -> float:
    """COCO's rules, one step at a time."""
    results = []
    for b, s, t in zip(found, scores, true, strict=True):
        overlap, taken = box_iou(b, t), set()
        for i in sorted(range(len(b)), key=lambda i, s=s: -s[i]):
            best, match = threshold, None
            for j in range(len(t)):
                if j not in taken and overlap[i, j] >= best:
                    best, match = overlap[i, j], j
            taken.add(match)
            results.append((-s[i], match is not None))
    results.sort(key=lambda r: r[0])
    total, hits, curve = sum(map(len, true)), 0, []
    for rank, (_, ok) in enumerate(results, 1):
        hits += ok
        curve.append((hits / total, hits / rank))
    levels = [max((p for r, p in curve if r >= level), default=0.0) for level in np.linspace(0, 1, 101)]
    return float(np.mean(levels))


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.3, 0.5, 0.75]))
def test_average_precision_is_cocos(seed, threshold):
    rng = np.random.default_rng(seed)
    true = [boxes(rng, rng.integers(0, 4)) for _ in range(5)] + [boxes(rng, 1)]
    found = [np.concatenate([t + rng.integers(-1, 2, t.shape), boxes(rng, rng.integers(0, 3))]) for t in true]
    scores = [rng.integers(0, 8, len(b)) / 8 for b in found]
    assert average_precision(found, scores, true, threshold=threshold) == pytest.approx(
        slow_coco(found, scores, true, threshold), abs=1e-12)


def test_bad_input():
    box = np.array([[0.0, 0, 1, 1]])
    with pytest.raises(PalmarError, match="one entry for each picture"):
        average_precision([box], [np.ones(1)], [])
    with pytest.raises(PalmarError, match="picture 1"):
        average_precision([box, box], [np.ones(1), np.ones(2)], [box, box])
    with pytest.raises(PalmarError, match="picture 0"):
        average_precision([box], [np.array([np.nan])], [box])
    with pytest.raises(PalmarError, match="unknown rule"):
        average_precision([box], [np.ones(1)], [box], rule="voc")  # type: ignore[arg-type]
