"""Which photographs adaptation draws, and how often."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from palmar.data.photographs import Opinion
from palmar.errors import PalmarError
from palmar.train.photographs import Album, Kept


def picture(value: int, *, labelled: bool = True) -> Kept:
    opinion = Opinion(1, 1.0, np.zeros((21, 2), np.float32), np.zeros((21, 3), np.float32))
    return Kept(
        np.full((4, 4, 3), value, np.uint8),
        np.zeros((1, 4), np.float32),
        np.ones(1, np.float32),
        np.zeros((1, 2), np.float32),
        (opinion,) if labelled else (),
    )


def shares(album: Album, draws: int = 20_000) -> np.ndarray:
    rng = np.random.default_rng(0)
    found = np.bincount([album.draw(rng).image[0, 0, 0] for _ in range(draws)], minlength=3)
    return found / draws


def test_groups_go_with_the_square_root_of_their_pictures() -> None:
    folder = [(picture(0), "large")] * 900 + [(picture(1), "small")] * 100
    assert shares(Album.of([folder])) == pytest.approx([0.75, 0.25, 0], abs=0.01)


def test_folders_go_with_the_square_root_of_their_pictures() -> None:
    """However many groups a folder has."""
    many = [(picture(0), str(n)) for n in range(400)]
    assert shares(Album.of([many, [(picture(1), "")] * 100])) == pytest.approx([2 / 3, 1 / 3, 0], abs=0.012)


def test_pictures_without_keypoints_are_left_to_the_detector() -> None:
    folder = [(picture(0), "a"), (picture(1, labelled=False), "b"), (picture(2), "c"), (picture(2), "c")]
    album = Album.of([folder]).with_opinions()
    assert all(k.opinions for k in album.kept)
    root = 2**0.5
    assert shares(album) == pytest.approx([1 / (1 + root), 0, root / (1 + root)], abs=0.012)
    with pytest.raises(PalmarError, match="keypoints"):
        dataclasses.replace(album, kept=(picture(0, labelled=False),), until=np.ones(1)).with_opinions()
