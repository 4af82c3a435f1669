"""The cards' paths lead somewhere, and a network is loaded by its name."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields

import numpy as np
import pytest

import palmar
from palmar.cli.parse import parse
from palmar.errors import PalmarError
from palmar.methods import broken, methods, networks, stand_in
from palmar.tasks.method import load

CARDS, NETWORKS = methods(), networks()


def test_no_card_is_broken():
    assert broken() == {}


@pytest.mark.parametrize("name", CARDS)
def test_a_card_is_that_of_its_folder(name):
    assert CARDS[name].name == name
    assert callable(load(CARDS[name].check).run)


@pytest.mark.parametrize("name", CARDS)
def test_a_check_has_a_full_scale(name):
    check, full = load(CARDS[name].check), CARDS[name].full
    assert full
    own = {f.name: f.default for f in fields(check)}
    assert {"seeds"} <= own.keys()
    assert set(full) <= own.keys()
    needed = [f for f in fields(check) if f.default is MISSING and f.default_factory is MISSING]
    words = [word for f in needed for word in (f"--{f.name}", "somewhere")]

    def job(*more):
        return parse(["check", name, *words, *more]).job

    small, large = job("--scale", "small"), job("--scale=full")
    assert small == job()
    assert {key: getattr(large, key) for key in full} == full
    assert job("--scale", "full", "--steps", "7").steps == 7
    assert small.steps < large.steps
    with pytest.raises(PalmarError, match="unknown scale 'huge'"):
        job("--scale", "huge")


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_trains_scores_and_loads(name):
    network = NETWORKS[name]
    assert callable(load(network.train).run)
    assert callable(load(network.evaluate).run)
    assert callable(load(network.load))


def test_unknown_names_and_places():
    with pytest.raises(PalmarError, match=r"unknown network 'qort-act'. Did you mean qort-action"):
        palmar.load("qort-act", "runs")
    with pytest.raises(PalmarError, match="no such folder; name the folder of a run of palmar train h2o"):
        palmar.load("h2o", "nowhere")
    for text in ("effhandnet", "effhandnet:", "h2o:runs", ":runs"):
        with pytest.raises(PalmarError, match=r"expected NETWORK:RUN, a network out of .*effhandnet"):
            stand_in("landmarker", text)


@pytest.fixture(scope="module")
def hand_run(tmp_path_factory):
    from palmar.methods.effhandegonet.model import EffHandNet, HandNetConfig
    from palmar.train.described import write_network
    from palmar.train.loop import Recipe, train

    run = tmp_path_factory.mktemp("kit") / "run"
    config = HandNetConfig("palmar", 64, 8, 2.0)
    write_network(run, config, None, [], name="effhandnet")

    def batches(number):
        return {"image": np.zeros((2, 64, 64, 3), np.uint8), "keypoints": np.full((2, 1, 21, 2), 31.5, np.float32)}

    from palmar.methods.effhandegonet.objective import HandLoss

    train(lambda: EffHandNet(config), HandLoss(2.0), batches, Recipe("effhandnet", 0, 2, 2, 1e-3, warmup=1), run,
          device="cpu", quiet=True)  # fmt: skip
    return run


def test_a_run_is_loaded_by_name(hand_run):
    network = palmar.load("effhandnet", hand_run)
    assert network.crop.size == 64
    found = network(np.zeros((3, 64, 64, 3), np.uint8))
    assert found.keypoints.shape == (3, 21, 2)
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()


def test_it_stands_in_on_the_command_line(hand_run, tmp_path):
    from palmar.cli import main
    from palmar.media.picture import write_image

    rng = np.random.default_rng(0)
    write_image(tmp_path / "a.png", rng.integers(0, 255, (96, 128, 3), np.uint8))
    out = tmp_path / "out"
    words = ["track", str(tmp_path / "a.png"), "-o", str(out), "--landmarker", f"effhandnet:{hand_run}"]
    assert main(words) == 0
    weights = json.loads((out / "clip.json").read_text())["info"]["weights"]
    assert len(weights["keypoints"]) == 64
    assert set(weights) == {"detector", "landmarker", "keypoints"}
