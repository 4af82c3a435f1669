"""The jobs on the command line's dataclasses: train, go on, score, check."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from palmar.errors import PalmarError
from palmar.methods.h2o import METHOD, action_training, check, training
from palmar.methods.h2o.model import Config
from palmar.methods.h2o.tagcn import SMALL
from palmar.tasks.method import load
from palmar.train import evaluation
from palmar.train.checks import Runs
from palmar.types.firstperson import EgoClip, Split, Vocabulary

WORDS = Vocabulary(("none", "a", "b", "c"), ("near", "far", "still"))


@pytest.fixture(autouse=True)
def split(monkeypatch, scenes):
    """A data set of frames and clips made by hand, whatever is asked for."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    made = Split(WORDS, [scenes.frame(i, label=1 + i % 3) for i in range(4)], [scenes.clip(i, i % 3) for i in range(9)])
    for module in (training, action_training, check, evaluation):
        monkeypatch.setattr(module, "open_split", lambda *_: made)
    monkeypatch.setitem(training.SIZES, "small", Config("light", 64, 8, 16))
    monkeypatch.setitem(action_training.SIZES, "small", replace(SMALL, channels=(8, 12), frames=8))
    monkeypatch.setattr(check, "CONFIG", replace(SMALL, channels=(8, 12), frames=8))
    yield made
    torch.set_num_threads(before)


def test_the_card_names_jobs_that_exist():
    for network in METHOD.networks:
        assert load(network.train)
        assert load(network.evaluate)
    assert load(METHOD.check) is check.Check


def test_the_pose_network_trains_goes_on_and_is_scored(tmp_path):
    job = training.TrainPose("any", tmp_path / "run", steps=3, batch=2, threads=1, device="cpu", quiet=True)
    assert job.run().figures["step"] == 3
    assert job.run().figures["step"] == 3
    figures = training.EvaluatePose(tmp_path / "run", data="any", limit=2).run().figures
    assert figures["frames"] == 2
    assert {"mepe_left_mm", "mepe_right_mm", "mepe_object_mm", "fps"} <= set(figures)
    with pytest.raises(PalmarError, match="another network"):
        replace(job, focal=0.7).run()
    with pytest.raises(PalmarError, match="not a run of ta-gcn"):
        action_training.EvaluateAction(tmp_path / "run", data="any").run()


def test_the_recogniser_trains_and_is_scored(tmp_path):
    job = action_training.TrainAction("any", tmp_path / "run", steps=3, batch=4, threads=1, device="cpu", quiet=True)
    assert job.run().figures["finished"]
    figures = action_training.EvaluateAction(tmp_path / "run", data="any").run().figures
    assert figures["clips"] == 9
    assert 0 <= figures["top-1"] <= 1


def test_the_check_compares_and_can_fail():
    report = check.Check("any", steps=2, batch=4, seeds=(0, 1), variants=("TA-GCN", "both hands")).run()
    assert set(report.figures["runs"]) == {"TA-GCN", "both hands"}
    runs = lambda found: Runs({name: [{"top-1": v} for v in values] for name, values in found.items()})  # noqa: E731
    good = {"TA-GCN": [0.8, 0.82], "both hands": [0.6, 0.61], "right hand": [0.4, 0.45]}
    assert check.report(runs(good), "").passed
    assert not check.report(runs({**good, "both hands": [0.7, 0.9]}), "").passed
    assert not check.report(runs({**good, "right hand": [0.9, 0.9]}), "").passed
    with pytest.raises(PalmarError, match="variants"):
        check.Check("any", variants=("nothing",)).run()


def test_the_rotation_of_a_known_box(split):
    from palmar.tasks.handobject import HandsAndObject

    frames = [replace(f, camera_from_object=np.eye(4, dtype=np.float32)) for f in split.frames]
    centre = [f.points[0] for f in frames]
    for f, c in zip(frames, centre, strict=True):
        f.camera_from_object[:3, 3] = c
    turn = np.array([[np.cos(0.3), -np.sin(0.3), 0], [np.sin(0.3), np.cos(0.3), 0], [0, 0, 1]])
    points = np.stack([(f.points - c) @ turn.T + c + 0.05 for f, c in zip(frames, centre, strict=True)])
    found = HandsAndObject(np.zeros((4, 2, 21, 3)), points, np.ones(4, int), np.ones((4, 3)), 1.0)
    assert training.rotation_error(found, frames) == pytest.approx(np.degrees(0.3), abs=1e-3)
    assert isinstance(split.clips[0], EgoClip)
