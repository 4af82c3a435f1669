"""`palmar act`: results whole or not at all, mistakes in one line."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from palmar.media import write_video

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory):
    """One that was never trained: it says the same of everything."""
    import torch

    from palmar.methods.effhandegonet.action import ActionTransformer, Fitted
    from palmar.methods.effhandegonet.sequences import H2O
    from palmar.recognition.own import Recogniser, write_recogniser
    from palmar.types import Vocabulary

    torch.manual_seed(0)
    net = ActionTransformer(93, 2)
    with torch.no_grad():
        net.head.bias.copy_(torch.tensor([-20.0, 20.0]))
    fitted = Fitted(net, Vocabulary(("none", "cup"), ("none", "lift cup"), ("none", "lift"), (0, 1), (0, 1)), H2O)
    folder = tmp_path_factory.mktemp("recogniser")
    write_recogniser(Recogniser(fitted, 0.5, None, "", {}), folder)
    return folder


def test_a_video(palmar, clip, tiny_weights, recogniser, tmp_path, listed):
    out = tmp_path / "out"
    heard = palmar("act", clip, "--weights", tiny_weights, "--recogniser", recogniser, "-o", out, "--live")
    assert heard.code == 0, heard.err
    assert listed(out) == [
        "actions.json", "actions.parquet", "annotated.mp4", "clip.json", "hands.parquet", "scores.png",
    ]  # fmt: skip
    rows = pq.read_table(out / "actions.parquet").to_pylist()
    assert [(row["verb"], row["object"], row["start"]) for row in rows] == [("lift", "cup", 0.0)]
    assert rows[0]["end"] == pytest.approx(0.4, abs=0.01)
    about = json.loads((out / "actions.json").read_text())
    assert about["vocabulary"] == ["none", "lift cup"]
    assert "lift cup" in heard.out
    assert about["hands"] == "tracker"
    words = ("act", clip, "--weights", tiny_weights, "--recogniser", recogniser, "-o", tmp_path / "ego", "--no-video")
    heard = palmar(*words, "--hands", "egonet")
    assert heard.code == 0, heard.err
    assert json.loads((tmp_path / "ego" / "actions.json").read_text())["hands"] == "egonet"
    again = palmar("act", clip, "--weights", tiny_weights, "--recogniser", recogniser, "-o", out)
    assert again.code == 2
    assert len(again.errors) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{clip}", "--recogniser", "/nowhere"], "action.onnx"),
        (["{picture}", "--recogniser", "{recogniser}"], "actions take time"),
        (["/nowhere.mp4", "--recogniser", "{recogniser}"], "nowhere.mp4"),
        (["{clip}", "--recogniser", "{recogniser}", "--boxes", "/nowhere"], "/nowhere"),
        (["{clip}", "--recogniser", "{recogniser}", "--boxes", "a", "--objects", "b"], "not both"),
        (["{clip}", "--recogniser", "{recogniser}", "--objects", "/nowhere"], "objects.onnx"),
        ([], "nothing to look at"),
        (["train", "/nowhere"], "no such folder"),
        (["train", "{empty}"], "sub-folders"),
    ],
)
def test_mistakes(palmar, clip, picture, tiny_weights, recogniser, tmp_path, listed, words, said):
    (tmp_path / "empty").mkdir()
    places = {"clip": clip, "picture": picture, "recogniser": recogniser, "empty": tmp_path / "empty"}
    before = listed(tmp_path)
    weights = ["--weights", tiny_weights] if words else []
    heard = palmar("act", *(word.format(**places) for word in words), *weights)
    assert heard.code == 2
    assert len(heard.errors) == 1
    assert said in heard.err
    assert listed(tmp_path) == before


def test_own_clips(palmar, spot, tiny_weights, tmp_path):
    rng = np.random.default_rng(0)
    for name, way in (("left", -1), ("right", 1)):
        (tmp_path / "clips" / name).mkdir(parents=True)
        for k in range(3):
            frames = [spot(x=80.0 + way * 4 * t + rng.normal(0, 1)) for t in range(10)]
            write_video(tmp_path / "clips" / name / f"{k}.mp4", frames, 20.0)
    out = tmp_path / "rec"
    heard = palmar("act", "train", tmp_path / "clips", "-o", out, "--steps", 5, "--weights", tiny_weights)
    assert heard.code == 0, heard.err
    card = json.loads((out / "action.json").read_text())
    assert card["actions"] == ["left", "right"]
    assert card["figures"]["held_out"] == 2
