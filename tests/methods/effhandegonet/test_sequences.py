"""Vectors, samplers, replayed augmentation."""

from __future__ import annotations

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.methods.effhandegonet import sequences as seq

SIZE = (1280, 720)


def a_clip(t=20, seed=0):
    """Left hand missing in the first frame, box missing in the last."""
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform(100, 600, (t, 2, 21, 2))
    keypoints[0, 0] = np.nan
    boxes = np.array([512.0, 180, 768, 396]) + np.zeros((t, 1))
    boxes[-1] = np.nan
    return keypoints, boxes, np.full(t, 5)


def test_vector_of_the_documented_example():
    keypoints, boxes, objects = a_clip()
    x = seq.vectors_of(keypoints, boxes, objects, SIZE)
    assert x.shape == (20, 93)
    np.testing.assert_allclose(x[0, 84:], [0.4, 0.25, 0.6, 0.25, 0.4, 0.55, 0.6, 0.55, 5], atol=1e-6)
    assert not x[0, :42].any()
    assert not x[-1, 84:92].any()
    assert x[-1, 92] == 5
    np.testing.assert_allclose(x[3, 42:46], keypoints[3, 1, :2].ravel() / [1280, 720, 1280, 720], rtol=1e-6)
    assert seq.vectors_of(keypoints, boxes, objects, SIZE, seq.FPHA).shape == (20, 43)
    assert seq.vectors_of(keypoints, boxes, objects, SIZE, seq.Layout(label=False)).shape == (20, 92)
    with pytest.raises(PalmarError, match="needs hands"):
        seq.Layout((), False, False)


def test_even_sampling_golden():
    assert seq.evenly(74).tolist() == [0, 3, 7, 11, 15, 19, 23, 26, 30, 34, 38, 42, 46, 49, 53, 57, 61, 65, 69, 73]
    assert seq.evenly(13).tolist() == [0, 0, 1, 1, 2, 3, 3, 4, 5, 5, 6, 7, 7, 8, 9, 9, 10, 11, 11, 12]
    for length in range(20, 200):
        np.testing.assert_array_equal(seq.evenly(length), np.linspace(0, length - 1, 20).astype(int))
    with pytest.raises(PalmarError, match="without frames"):
        seq.evenly(0)


def test_random_sampling_is_sorted_without_repetition():
    rng = np.random.default_rng(0)
    rows = np.array([seq.randomly(25, rng) for _ in range(200)])
    assert (np.diff(rows, axis=1) > 0).all()
    assert rows.min() == 0
    assert rows.max() == 24
    np.testing.assert_array_equal(seq.randomly(13, rng), seq.evenly(13))


@pytest.mark.parametrize("move", [seq.flip_h(SIZE), seq.flip_v(SIZE)], ids=lambda m: m.name)
def test_mirrors_swap_sides_undo_themselves_and_keep_what_is_missing(move):
    x = seq.vectors_of(*a_clip(), SIZE)
    once = seq.moved(x, move, SIZE)
    assert not once[0, 42:84].any()
    assert not once[-1, 84:92].any()
    assert (once[:, 92] == 5).all()
    assert once[0, 84] < once[0, 86]
    assert once[0, 85] < once[0, 89]
    np.testing.assert_allclose(seq.moved(once, move, SIZE), x, atol=1e-6)


def test_the_released_codes_quirks_stand_behind_the_switch():
    x = seq.vectors_of(*a_clip(), SIZE)
    flipped = seq.moved(x, seq.flip_h(SIZE), SIZE, compatible=True)
    np.testing.assert_allclose(flipped[0, 42:44], [1279 / 1280, 0], atol=1e-6)
    upside = seq.moved(x, seq.flip_v(SIZE), SIZE, compatible=True)
    np.testing.assert_allclose(upside[:, 42:84:2], x[:, 42:84:2], atol=1e-6)  # sides keep their names


def test_safe_rotation_keeps_the_whole_picture_and_a_full_turn_nothing():
    corners = np.array([[0, 0], [1279, 0], [0, 719], [1279, 719]])
    for degrees in (-45, 10, 30):
        move = seq.safe_rotate(degrees, SIZE)
        new = corners @ move.matrix[:, :2].T + move.matrix[:, 2]
        assert (new >= -1).all()
        assert (new <= np.array(SIZE)).all()
        np.testing.assert_allclose([new.min(0), new.max(0)], [[0, 0], [1279, 719]], atol=1.5)
    np.testing.assert_allclose(seq.safe_rotate(0, SIZE).matrix, np.eye(2, 3), atol=1e-12)


def test_crops():
    move = seq.stretched_crop((100, 50), 600, SIZE)
    np.testing.assert_allclose(move.matrix @ [100, 50, 1], [0, 0], atol=1e-9)
    np.testing.assert_allclose(move.matrix @ [700, 650, 1], SIZE)
    np.testing.assert_allclose(seq.border_crop((30, 20)).matrix @ [50, 50, 1], [20, 30])


@pytest.mark.parametrize(("kind", "names"), [("h2o", (".5", ".5", ".4", ".5")), ("fpha", (".4", ".4", ".4", ".5"))])
def test_moves_are_drawn_with_the_papers_weights(kind, names):
    rng = np.random.default_rng(0)
    drawn = [getattr(seq.draw_move(rng, kind), "name", "none") for _ in range(4000)]
    order = ("flip_h", "flip_v", "rotate", "crop") if kind == "h2o" else ("flip_h", "rotate", "borders", "crop")
    weights = np.array(names, float)
    got = [drawn.count(name) / 4000 for name in order]
    np.testing.assert_allclose(got, 0.8 * weights / weights.sum(), atol=0.025)
    assert drawn.count("none") / 4000 == pytest.approx(0.2, abs=0.025)


def test_one_move_for_all_frames_or_one_part_gone():
    x = np.repeat(seq.vectors_of(*a_clip(), SIZE)[5:6], 20, 0)
    rng = np.random.default_rng(0)
    gone = 0
    for _ in range(600):
        out = seq.augmented(x, rng)
        np.testing.assert_array_equal(out, np.repeat(out[:1], 20, 0))
        missing = [not out[:, part].any() for part in seq.H2O.parts]
        assert sum(missing) <= 1
        gone += sum(missing)
        if any(missing):
            same = [part for part, lost in zip(seq.H2O.parts, missing, strict=True) if not lost]
            assert all((out[:, part] == x[:, part]).all() for part in same)
    assert gone / 600 == pytest.approx(30 / 101, abs=0.06)
