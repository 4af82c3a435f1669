"""Contact sheets: every picture whole, in its cell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palmar import PalmarError
from palmar.view import sheet


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=7),
    st.integers(1, 9),
    st.integers(0, 3),
)
@settings(max_examples=40, deadline=None)
def test_every_picture_is_there_and_whole(sizes, columns, gap):
    images = [np.full((h, w, 3), i + 1, np.uint8) for i, (h, w) in enumerate(sizes)]
    out = sheet(images, columns, gap=gap, background=(255, 255, 255))
    for i, (h, w) in enumerate(sizes):
        rows, cols = np.nonzero((out == i + 1).all(-1))
        assert len(rows) == h * w
        assert np.ptp(rows) + 1 == h
        assert np.ptp(cols) + 1 == w
    assert (out == 255).all(-1).sum() == out.shape[0] * out.shape[1] - sum(h * w for h, w in sizes)
    used = min(columns, len(sizes))
    assert out.shape[1] == used * (max(w for _, w in sizes) + gap) + gap


def test_reading_order():
    images = [np.full((2, 2, 3), i, np.uint8) for i in range(5)]
    out = sheet(images, 2, gap=1)
    assert [out[1 + 3 * (i // 2), 1 + 3 * (i % 2), 0] for i in range(5)] == [0, 1, 2, 3, 4]
    assert out[7, 4].tolist() == [255, 255, 255]  # the empty cell


@pytest.mark.parametrize(
    ("images", "columns"), [([], 2), ([np.zeros((2, 2, 3), np.uint8)], 0), ([np.zeros((2, 2))], 1)]
)
def test_bad_input_is_refused(images, columns):
    with pytest.raises(PalmarError):
        sheet(images, columns)
