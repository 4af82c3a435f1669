"""Training from samples of the device: batches like the host's, alone and beside photographs, and a loss that falls."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("numba")
pytest.importorskip("skimage")
pytest.importorskip("lightning_fabric")

import torch

from palmar.cli.train import Train, claim
from palmar.errors import PalmarError
from palmar.nn.landmarker import Landmarker
from palmar.synth.device import SMALL, World, device_crops
from palmar.synth.sample import crop_sample
from palmar.train import recipes
from palmar.train.landmarker import LandmarkerLoss
from palmar.train.loop import Recipe, train
from palmar.train.recipes import Data, DeviceLandmarkerBatches, LandmarkerBatches, landmarker_batches, run_detector

RECIPE = Recipe("landmarker", seed=1, batch=4, steps=20, rate=2e-3, warmup=3)
DATA = Data(seed=3, strength=0.5, samples="device")


@pytest.fixture(scope="module")
def home():
    return World.of("cpu", SMALL)


def test_batches_have_the_keys_shapes_and_kinds_of_the_host(home):
    recipe = replace(RECIPE, batch=2)
    here = LandmarkerBatches(recipe, DATA)(1)
    there = DeviceLandmarkerBatches(recipe, DATA, "cpu", home=home)(1)
    assert set(here) == set(there)
    for name, array in here.items():
        assert tuple(there[name].shape) == array.shape, name
        assert there[name].numpy().dtype == array.dtype, name
        assert there[name].is_contiguous(), name
    torch.testing.assert_close(there["image"], device_crops(3, 2, 2, of=home, strength=0.5 * 0.4)["image"])


def test_batches_made_together_are_those_made_alone(home):
    """Of two processes too, whose numbers are two apart."""
    alone = DeviceLandmarkerBatches(replace(RECIPE, batch=1), DATA, "cpu", home=home, stride=2)
    together = DeviceLandmarkerBatches(replace(RECIPE, batch=1), DATA, "cpu", home=home, stride=2)
    together.together = 3
    for number in (5, 7, 3):
        a, b = alone(number), together(number)
        for name in a:
            torch.testing.assert_close(a[name], b[name], rtol=0, atol=0)
    assert together.made is not None
    assert len(together.made[1]["image"]) == 3


class Album:
    """Stands for photographs: nothing is read of it."""


def test_photographs_come_first_and_the_rest_from_the_device(home, monkeypatch):
    monkeypatch.setattr(recipes, "load_photographs", lambda _: Album())
    Album.with_opinions = lambda self: self  # type: ignore[attr-defined]
    asked = []

    def photo(album, seed, index, strength):
        asked.append(index)
        return crop_sample(seed, 0, 0.0)

    monkeypatch.setattr(recipes, "photo_crop", photo)
    data = replace(DATA, photographs=("somewhere",), share=0.25)
    batches = DeviceLandmarkerBatches(RECIPE, data, "cpu", home=home)
    found = batches(2)
    assert sorted(asked)[0] == 8
    assert found["has3d"].tolist() == [0.0, 1.0, 1.0, 1.0]
    np.testing.assert_array_equal(found["image"][0], crop_sample(3, 0, 0.0).image)
    own = device_crops(3, 9, 3, of=home, strength=0.5 * RECIPE.strength(0))
    for name in ("image", "keypoints", "rotations"):
        torch.testing.assert_close(found[name][1:], own[name], rtol=0, atol=0)
    assert set(batches(3)) == set(found)


def test_the_landmarker_trains(home, tmp_path):
    """Twenty steps of a small network on the samples themselves: finite, and the loss falls."""
    torch.manual_seed(0)
    batches = DeviceLandmarkerBatches(RECIPE, DATA, "cpu", home=home)
    options = {"device": "cpu", "threads": 1, "quiet": True, "log_every": 5}
    first = train(Landmarker, LandmarkerLoss(), batches, RECIPE, tmp_path, until=5, **options)
    last = train(Landmarker, LandmarkerLoss(), batches, RECIPE, tmp_path, **options)
    assert last.finished
    assert np.isfinite(list(last.figures.values())).all()
    assert last.figures["loss"] < first.figures["loss"]


def test_who_makes_the_samples(monkeypatch, tmp_path):
    """The device where it is a GPU without workers; a run does not change between the two, and old runs are host's."""
    assert Train("landmarker", device="cpu").source() == "host"
    assert Train("landmarker", device="cuda").source() == "device"
    assert Train("landmarker", device="cuda", workers=4).source() == "host"
    assert Train("landmarker", device="cuda", samples="host").source() == "host"
    assert Train("landmarker", device="cpu", samples="device").source() == "device"
    assert Train("detector", device="cuda").source() == "host"
    with pytest.raises(PalmarError, match="detector"):
        run_detector(tmp_path / "no", replace(DATA))
    claim(tmp_path / "run", DATA)
    claim(tmp_path / "run", DATA)
    with pytest.raises(PalmarError, match="samples"):
        claim(tmp_path / "run", replace(DATA, samples="host"))
    monkeypatch.setattr(recipes, "world", lambda device: World.of(device, SMALL))
    options = {"device": "cpu", "workers": 3}
    made = landmarker_batches(RECIPE, DATA, options)
    assert isinstance(made, DeviceLandmarkerBatches)
    assert options == {"device": "cpu"}
    assert type(landmarker_batches(RECIPE, replace(DATA, samples="host"), {})) is LandmarkerBatches
