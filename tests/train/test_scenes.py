"""Scenes as training takes them: their labels are those of the pictures, and survive being cut out anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from palmar.data.shards import ShardWriter, pack
from palmar.errors import PalmarError
from palmar.synth.dataset import Recipe
from palmar.train.photographs import Album, photo_crop
from palmar.train.scenes import kept, load_scenes

SIZE = (120, 160)


def hand(points: np.ndarray, *, side: int = 1, seen: int = 21) -> dict:
    joints = np.concatenate([points / 400.0, np.full((21, 1), 0.5)], 1)
    return {
        "side": side,
        "keypoints": points.tolist(),
        "seen": [0] * seen + [2] * (21 - seen),
        "joints": joints.tolist(),
    }


def dots(x: float = 80.0, y: float = 60.0, scale: float = 1.0) -> np.ndarray:
    """Points of a hand-like fan, fingers up."""
    rng = np.random.default_rng(3)
    return np.array([x, y]) + scale * np.concatenate([[[0, 25]], rng.uniform(-22, 22, (20, 2)) - [0, 5]])


def picture(points: np.ndarray) -> np.ndarray:
    """A bright dot on every point."""
    image = np.zeros((*SIZE, 3), np.uint8)
    for x, y in np.round(points).astype(int):
        image[y - 1 : y + 2, x - 1 : x + 2] = 255
    return image


def test_what_cannot_be_made_out_is_no_hand() -> None:
    image = np.zeros((*SIZE, 3), np.uint8)
    whole = hand(dots())
    hidden, outside, small = hand(dots(), seen=3), hand(dots(x=-20)), hand(dots(scale=0.2))
    behind = {**whole, "keypoints": [None, *whole["keypoints"][1:]]}
    found = kept(image, [whole, hidden, outside, small, behind])
    assert len(found.boxes) == 2  # the small one is a hand, but too small to tell its joints
    assert len(found.opinions) == 1
    assert found.opinions[0].seen is not None
    assert found.opinions[0].seen.all()
    np.testing.assert_allclose(found.directions[0] @ (dots()[9] - dots()[0]), np.linalg.norm(dots()[9] - dots()[0]))


def test_crops_carry_the_truth_along() -> None:
    """Turned, scaled, mirrored: the bright dots of the picture stay under the keypoints; hidden joints stay hidden."""
    points = dots()
    album = Album.of([[(kept(picture(points), [hand(points, seen=15)]), "a")]])
    on = []
    for index in range(12):
        crop = photo_crop(album, 1, index, 0.0)
        if not crop.presence:
            continue
        assert crop.visible[15:].sum() == 0
        at = np.round(crop.keypoints).astype(int)
        good = ((at > 1) & (at < 126)).all(1)
        on += [crop.image[y - 1 : y + 2, x - 1 : x + 2].max() for x, y in at[good]]
    assert len(on) > 150
    assert np.mean(np.array(on) > 90) > 0.95


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("scenes") / "data"
    recipe = Recipe("scenes", 5, ("webcam",), ("clean",), seconds=0.0, width=160)
    with ShardWriter(out, {"name": "test"}, recipe.layers, recipe.columns) as writer:
        writer.add(pack(recipe.sample(0), recipe.layers, recipe.columns))
    return out


def test_data_sets_of_scenes_are_read(folder: Path) -> None:
    album = load_scenes([folder])
    assert {picture.image.shape[1] for picture in album.kept} == {160}
    assert sum(len(picture.boxes) for picture in album.kept) >= 1
    for picture in album.kept:
        height, width = picture.image.shape[:2]
        assert (picture.boxes >= 0).all()
        assert (picture.boxes <= [width, height, width, height]).all()
    assert photo_crop(album.with_opinions(), 1, 0).image.shape == (128, 128, 3)


def test_other_data_sets_are_refused(tmp_path: Path) -> None:
    recipe = Recipe("scenes", 5, ("webcam",), ("depth",), seconds=0.0, width=32)
    with ShardWriter(tmp_path / "depth", {"name": "test"}, recipe.layers, recipe.columns) as writer:
        writer.add(pack(recipe.sample(0), recipe.layers, recipe.columns))
    with pytest.raises(PalmarError, match="no pictures of scenes"):
        load_scenes([tmp_path / "depth"])
