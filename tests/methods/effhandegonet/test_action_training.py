"""The jobs of the action transformer: what a run leaves behind, and that it scores and is used as it was trained."""

from __future__ import annotations

import json

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.methods.effhandegonet import action_training
from palmar.methods.effhandegonet.action_training import EvaluateActionTransformer, TrainActionTransformer
from palmar.recognition.actionnet import ActionNet
from palmar.types.firstperson import EgoClip, Split, Vocabulary

VOCABULARY = Vocabulary(("none", "cup", "pen"), ("pour", "write"), ("pour", "write"), (0, 1), (1, 2))


def split_of(count, seed):
    """The object tells the action; 31 frames of 15 a second."""
    rng = np.random.default_rng(seed)
    camera = Camera(width=64, height=36, fx=50.0, fy=50.0, cx=31.5, cy=17.5)
    clips = []
    for n in range(count):
        joints = rng.normal((0, 0, 0.6), 0.03, (31, 2, 21, 3)).astype(np.float32)
        points = np.full((31, 21, 3), np.nan, np.float32)
        clips.append(EgoClip(f"c{n}", camera, np.arange(31) / 15, joints, np.full(31, 1 + n % 2), points, n % 2))
    return Split(VOCABULARY, (), clips)


@pytest.fixture(scope="module")
def opened():
    sets = {("a", "train"): split_of(24, 0), ("a", "test"): split_of(40, 1)}
    sets["b", "train"] = Split(Vocabulary(("none",), ("pour", "dance")), (), sets["a", "train"].clips)
    return lambda text, part, vocabulary=None: sets[text, part]


def test_a_run_is_a_recogniser(opened, tmp_path, monkeypatch):
    monkeypatch.setattr(action_training, "open_split", opened)
    run = tmp_path / "run"
    report = TrainActionTransformer(("a",), run, steps=200, batch=16, box=False, quiet=True).run()
    assert report.figures["clips"] == 24
    card = json.loads((run / "action.json").read_text())
    assert card["seconds"] == pytest.approx(2.0)
    assert card["fps"] == pytest.approx(15.0)
    assert card["frames"] == 20
    assert card["parts"] == ["left hand", "right hand", "object label"]
    assert card["actions"] == ["pour", "write"]
    assert card["object_of"] == [1, 2]

    found = EvaluateActionTransformer(run, data="a").run().figures
    assert found["clips"] == 40
    assert found["top-1"] > 0.9
    assert found["verb"] == found["top-1"]

    net = ActionNet(run)
    assert net.vocabulary == VOCABULARY
    assert net.sha256 == card["sha256"]
    assert net.seconds == card["seconds"]
    (run / "action.onnx").write_bytes((run / "action.onnx").read_bytes() + b"\0")
    with pytest.raises(PalmarError, match="wrong weights file"):
        ActionNet(run)


def test_bad_calls(opened, tmp_path, monkeypatch):
    monkeypatch.setattr(action_training, "open_split", opened)
    with pytest.raises(PalmarError, match="actions that a does not have: dance"):
        TrainActionTransformer(("a", "b"), tmp_path / "run").run()
    with pytest.raises(PalmarError, match="nothing to learn from"):
        TrainActionTransformer((), tmp_path / "run").run()
