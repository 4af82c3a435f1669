"""Backgrounds: the licences of what they are made of, their purity, and that they are many."""

import importlib.util
import inspect
from pathlib import Path

import cv2
import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.synth import background as module
from palmar.synth.background import PHOTOGRAPHS, Backgrounds, load_photograph
from palmar.synth.canvas import SCENES, TEXTURES
from palmar.synth.figure import SKIN_FIGURES, thing


def generator(*key: int) -> np.random.Generator:
    return np.random.default_rng(key)


@pytest.fixture(scope="module")
def backgrounds() -> Backgrounds:
    """A small pool, which is made in a quarter of a second."""
    return Backgrounds(3, canvases=16, size=96)


# ---------------------------------------------------------------------------------------------------------- licences


def test_the_table_names_only_files_used_and_no_other_is_read(monkeypatch):
    read = []
    original = cv2.imread
    monkeypatch.setattr(module.cv2, "imread", lambda path, *a: read.append(Path(path).name) or original(path, *a))
    pool = Backgrounds(0, canvases=4, size=64)._pool
    assert sorted(read) == sorted(photograph.name for photograph in PHOTOGRAPHS)
    assert len(pool.photographs) == len(PHOTOGRAPHS)
    assert not pool.extra


DOCUMENTED = {"clock_motion": "clock"}


@pytest.mark.parametrize("photograph", PHOTOGRAPHS, ids=lambda photograph: photograph.name)
def test_the_package_says_what_the_table_says(photograph):
    """Against the package's own words on each picture."""
    data = pytest.importorskip("skimage.data")
    name = Path(photograph.name).stem
    words = " ".join(inspect.getdoc(getattr(data, DOCUMENTED.get(name, name))).split()).lower()
    if photograph.spdx == "CC0-1.0":
        assert "cc0" in words
    else:
        assert photograph.spdx == "LicenseRef-PublicDomain"
        assert "public domain" in words
    assert photograph.source


def test_photographs_are_cut_as_the_table_says():
    for photograph in PHOTOGRAPHS:
        image = load_photograph(photograph)
        assert image.dtype == np.uint8
        assert image.ndim == 3
        if photograph.keep:
            top, bottom, left, right = photograph.keep
            assert image.shape == (bottom - top, right - left, 3)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PalmarError, match=r"\[torch\]"):
        load_photograph(PHOTOGRAPHS[0])


# ------------------------------------------------------------------------------------------------------------ samples


@pytest.mark.parametrize("size", [(128, 128), (160, 192), (31, 64), (700, 500)])
def test_samples_are_linear_light_of_the_size_asked_for(backgrounds, size):
    for k in range(12):
        linear = backgrounds.sample(generator(k), *size)
        assert linear.shape == (*size, 3)
        assert linear.dtype == np.float32
        assert linear.min() >= 0
        assert linear.max() < 3
        assert np.isfinite(linear).all()


def test_samples_are_pure_functions_of_seed_and_generator(backgrounds):
    again = Backgrounds(3, canvases=16, size=96)
    other = Backgrounds(4, canvases=16, size=96)
    same = 0
    for k in range(25):
        first = backgrounds.sample(generator(1, k), 64, 64)
        np.testing.assert_array_equal(first, again.sample(generator(1, k), 64, 64))
        same += np.array_equal(first, other.sample(generator(1, k), 64, 64))
    assert same < 10  # photographs are the same in every pool


def test_a_sample_leaves_the_pool_as_it_was(backgrounds):
    before = [backgrounds.sample(generator(2, k), 48, 48) for k in range(40)]
    for k in range(40):
        np.testing.assert_array_equal(before[k], backgrounds.sample(generator(2, k), 48, 48))


def test_the_generator_moves_on_equally_whatever_was_drawn(backgrounds):
    after = set()
    for k in range(10):
        rng = generator(7)
        Backgrounds.sample(backgrounds, rng, 16 + k, 32)
        after.add(rng.random())
    assert len(after) == 1


def test_samples_differ(backgrounds):
    small = np.stack([cv2.resize(backgrounds.sample(generator(3, k), 64, 64), (6, 6)).ravel() for k in range(150)])
    distance = np.abs(small[:, None] - small[None]).mean(2) + np.eye(150)
    assert distance.min() > 1e-3
    assert np.median(distance) > 0.1
    assert 0.1 < small.mean() < 0.5


def test_people_and_skin_stand_in_two_fifths_of_them_or_more(backgrounds, monkeypatch):
    people = {id(plate) for plate in backgrounds._pool.people}
    original, laid = module._lay, []

    def lay(draw, picture, plate):
        laid.append(id(plate))
        return original(draw, picture, plate)

    monkeypatch.setattr(module, "_lay", lay)
    hits = 0
    for k in range(400):
        laid.clear()
        backgrounds.sample(generator(4, k), 16, 16)
        hits += bool(people & set(laid))
    assert hits / 400 > 0.4


# -------------------------------------------------------------------------------------------------- the user's photos


def test_photographs_of_the_user_appear_in_their_share():
    red = np.zeros((90, 120, 3), np.uint8)
    red[..., 0] = 255
    marked = Backgrounds(0, extra=[red], extra_share=1.0, canvases=4, size=64)
    plain = Backgrounds(0, extra=[red], extra_share=0.0, canvases=4, size=64)

    def reddish(pool: Backgrounds) -> float:
        means = np.stack([pool.sample(generator(5, k), 32, 32).mean((0, 1)) for k in range(60)])
        return float((means[:, 0] > 2 * means[:, 1:].max(1)).mean())

    assert reddish(marked) > 0.6
    assert reddish(plain) < 0.2


def test_masked_parts_of_photographs_never_show():
    image = np.zeros((80, 80, 4), np.uint8)
    image[..., 1] = 255  # green to be hidden
    plate = module._Plate.of(module._premultiplied(image))
    canvas = np.full((40, 40, 3), 90, np.uint8)
    view = plate.view((1.5, 0.3, -0.3, 1.5), (40.0, 40.0), 40, 40, cv2.BORDER_REFLECT_101)
    np.testing.assert_array_equal(module._over(view, canvas), canvas)
    image[..., 3] = 255
    plate = module._Plate.of(module._premultiplied(image))
    view = plate.view((1.5, 0.3, -0.3, 1.5), (40.0, 40.0), 40, 40, cv2.BORDER_REFLECT_101)
    assert (module._over(view, canvas) == (0, 255, 0)).all()


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((1, 4, 3), np.uint8)])
def test_a_wrong_photograph_is_named(wrong):
    with pytest.raises(PalmarError, match=r"extra\[1\]"):
        Backgrounds(extra=[np.zeros((4, 4, 3), np.uint8), wrong])


# -------------------------------------------------------------------------------------------------------- the pieces


@pytest.mark.parametrize("make", TEXTURES, ids=lambda make: make.__name__)
def test_textures_are_pictures(make):
    for k in range(3):
        canvas = make(generator(k), 96)
        assert canvas.shape == (96, 96, 3)
        assert canvas.dtype == np.uint8
        np.testing.assert_array_equal(canvas, make(generator(k), 96))
        assert not np.array_equal(canvas, make(generator(k, 1), 96))


@pytest.mark.parametrize("make", sorted(set(SCENES), key=lambda make: make.__name__), ids=lambda make: make.__name__)
def test_scenes_are_pictures_and_use_their_textures(make):
    bright = [np.full((64, 64, 3), 255, np.uint8)]
    dark = [np.zeros((64, 64, 3), np.uint8)]
    used = 0
    for k in range(5):
        canvas = make(generator(k), 96, bright)
        assert canvas.shape == (96, 96, 3)
        assert canvas.dtype == np.uint8
        np.testing.assert_array_equal(canvas, make(generator(k), 96, bright))
        used += not np.array_equal(canvas, make(generator(k), 96, dark))
    assert used >= 3


@pytest.mark.parametrize(
    "make", sorted({*SKIN_FIGURES, thing}, key=lambda make: make.__name__), ids=lambda make: make.__name__
)
def test_figures_cover_a_part_and_are_premultiplied(make):
    for k in range(4):
        figure = make(generator(k), 64)
        assert figure.shape == (64, 64, 4)
        assert figure.dtype == np.uint8
        covered = (figure[..., 3] > 127).mean()
        assert 0.01 < covered < 1.0
        assert (figure[..., :3] <= figure[..., 3:].astype(int) + 1).all()
        np.testing.assert_array_equal(figure, make(generator(k), 64))
