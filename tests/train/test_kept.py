"""Targets are made once where they fit."""

import pytest

from palmar.errors import PalmarError
from palmar.train.kept import KeptTargets


def test_what_fits_is_made_once():
    made = []

    def make(frame):
        made.append(frame)
        return frame * 2

    kept = KeptTargets(range(5), make, each=10, room=29)  # type: ignore[arg-type]
    kept.fill()
    assert made == []  # not all fit: they are made as they are asked for
    assert [kept[i] for i in (0, 1, 2, 0, 1, 2)] == [0, 2, 4, 0, 2, 4]
    assert made == [0, 1, 2, 2]
    roomy = KeptTargets(range(5), make, each=10, room=50)  # type: ignore[arg-type]
    made.clear()
    roomy.fill()
    assert roomy[3] == 6
    assert made == [0, 1, 2, 3, 4]


def test_nothing_to_learn_from():
    with pytest.raises(PalmarError, match="no frames to learn from"):
        KeptTargets([], lambda frame: frame, each=1, room=1)
