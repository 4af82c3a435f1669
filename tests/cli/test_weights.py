"""`palmar weights`: a run's folder becomes a file that ONNX Runtime opens and a card; damaged runs are named.

That a real run of `palmar train` becomes files is in test_train.py; runs here are written by hand, with random weights.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import re
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from palmar.cli import weights as command
from palmar.nn.detector import Detector
from palmar.nn.landmarker import Landmarker
from palmar.nn.objects import ObjectConfig, ObjectDetector
from palmar.tracking.weights import open_session, read_weights
from palmar.train.loop import Recipe
from palmar.train.recipes import VOCABULARY

OBJECTS = ["none", "cup", "kettle"]


pytestmark = pytest.mark.usefixtures("one_thread")


def written(folder: Path, name: str, steps: int = 40) -> Path:
    """A run of 40 steps that stands at 40, or at fewer."""
    torch.manual_seed(0)
    nets = {"detector": Detector, "landmarker": Landmarker, "objects": lambda: ObjectDetector(ObjectConfig(2))}
    checkpoint = folder / f"checkpoint-{steps:09d}"
    checkpoint.mkdir(parents=True)
    torch.save(nets[name]().state_dict(), checkpoint / "average.pt")
    torch.save({"step": steps}, checkpoint / "state.pt")
    recipe = asdict(Recipe(name, seed=3, batch=8, steps=40)) | {"processes": 1}
    (folder / "recipe.json").write_text(json.dumps(recipe))
    (folder / "data.json").write_text(json.dumps({"palmar": "0.3.0", "seed": 3, "photographs": ["webcam"]}))
    if name == "objects":
        (folder / VOCABULARY).write_text(json.dumps({"objects": OBJECTS}))
    return folder


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    return written(tmp_path_factory.mktemp("run") / "detector", "detector")


@pytest.fixture
def run(detector, tmp_path):
    """A copy of the run, to be damaged."""
    return Path(shutil.copytree(detector, tmp_path / "run"))


@pytest.mark.plain  # tracing passes tensors where numbers stand
def test_a_run_becomes_a_file_and_its_card(palmar, run, tmp_path):
    words = ("weights", run, "-o", tmp_path / "deep" / "w", "--notes", "of a test")
    heard = palmar(*words)
    file = tmp_path / "deep" / "w" / "detector.onnx"
    card = json.loads(file.with_suffix(".json").read_text())
    data = file.read_bytes()
    assert (heard.code, heard.out) == (0, "")
    assert heard.err == f"palmar: {file}: {len(data) / 1e6:.1f} MB, sha256 {card['sha256'][:12]}\n"
    assert card["sha256"] == hashlib.sha256(data).hexdigest()
    assert (card["bytes"], card["steps"], card["samples"], card["notes"]) == (len(data), 40, 320, "of a test")
    assert card["world"] == "palmar-synth/0.3.0/3"
    assert ("SubhiH/HandsDataset", "Apache-2.0") in {(row["name"], row["licence"]) for row in card["licences"]}
    assert sorted(p.name for p in file.parent.iterdir()) == ["detector.json", "detector.onnx"]
    open_session(read_weights("detector", file.parent), outputs=("score", "box", "side", "direction"))
    net = Detector()
    net.load_state_dict(torch.load(run / "checkpoint-000000040" / "average.pt", weights_only=True))
    image = np.random.default_rng(0).integers(0, 256, (1, 96, 128, 3), dtype=np.uint8)
    with torch.no_grad():
        expected = net.eval()(torch.as_tensor(image)).score.sigmoid().numpy()
    (found,) = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(["score"], {"image": image})
    np.testing.assert_allclose(found, expected, atol=1e-4)
    before = data
    assert palmar(*words).code == 0  # again: the same bytes in the same place
    assert file.read_bytes() == before


@pytest.mark.plain
def test_without_a_place_it_lies_in_the_run_and_an_unfinished_run_is_said_to_be_one(palmar, tmp_path):
    run = written(tmp_path / "run", "detector", steps=7)
    heard = palmar("weights", run)
    assert heard.code == 0
    assert heard.err.endswith("(the run stands at 7 of 40 steps)\n")
    assert json.loads((run / "detector.json").read_text())["steps"] == 7
    assert (run / "detector.onnx").is_file()


@pytest.mark.plain
def test_the_detector_of_objects_keeps_its_names(palmar, tmp_path):
    run = written(tmp_path / "run", "objects")
    assert palmar("weights", run, "-o", tmp_path).code == 0
    assert json.loads((tmp_path / "objects.json").read_text())["objects"] == OBJECTS
    heard = palmar("weights", run, "--int8", "-o", tmp_path / "int8")
    assert (heard.code, len(heard.errors)) == (2, 1)
    for words in ('{"objects": ["cup"]}', '{"objects": 3}', "[]", "{"):
        (run / VOCABULARY).write_text(words)
        heard = palmar("weights", run, "-o", tmp_path / "no")
        assert (heard.code, heard.err.count("\n"), len(heard.errors)) == (2, 1, 1)
        assert VOCABULARY in heard.err
    assert not (tmp_path / "no").exists()


@pytest.mark.plain
def test_eight_bits_are_a_smaller_file_with_another_name(palmar, run, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "TYPICAL", 2)
    assert palmar("weights", run, "-o", tmp_path / "w").code == 0
    assert palmar("weights", run, "-o", tmp_path / "w", "--int8").code == 0
    plain, small = (tmp_path / "w" / f"detector{word}.onnx" for word in ("", "-int8"))
    assert small.stat().st_size < 0.5 * plain.stat().st_size
    card = json.loads(small.with_suffix(".json").read_text())
    assert card["precision"] == "convolutions int8, calibrated on 2 pictures"


def damage(name: str, text: str | bytes | None):
    def done(run: Path) -> None:
        file = run / name
        if text is None:
            file.unlink()
        else:
            file.write_bytes(text if isinstance(text, bytes) else text.encode())

    return done


class Evil:
    """Would make a file where a pickle is trusted."""

    def __reduce__(self):
        return (open, ("pwned", "w"))


def other_network(run: Path) -> None:
    torch.save({"a": torch.zeros(3)}, run / "checkpoint-000000040" / "average.pt")


RECIPE = asdict(Recipe("detector", steps=40))
AVERAGE, STATE = "checkpoint-000000040/average.pt", "checkpoint-000000040/state.pt"
DAMAGES = {
    "no recipe": (damage("recipe.json", None), r"recipe\.json: no such file"),
    "a torn recipe": (damage("recipe.json", '{"name": "detec'), r"recipe\.json: not readable as JSON"),
    "a recipe that is a list": (damage("recipe.json", "[]"), r"expected a JSON object"),
    "a recipe of later times": (damage("recipe.json", json.dumps(RECIPE | {"new": 1})), r"not a recipe of this"),
    "a recipe without a name": (damage("recipe.json", '{"steps": 3}'), r"not a recipe of this version"),
    "steps in words": (damage("recipe.json", json.dumps(RECIPE | {"steps": "many"})), r"steps: expected int"),
    "another kind of run": (damage("recipe.json", json.dumps(RECIPE | {"name": "hamba"})), r"a run of 'hamba'"),
    "a name that is a path": (damage("recipe.json", json.dumps(RECIPE | {"name": "../../x"})), r"written are detector"),
    "no data": (damage("data.json", None), r"data\.json: no such file"),
    "empty data": (damage("data.json", "{}"), r"data\.json: not what palmar train writes"),
    "data of wrong kinds": (damage("data.json", '{"palmar": 1, "seed": "x", "photographs": 7}'), r"not what palmar"),
    "a lineage that is none": (damage("lineage.json", "7"), r"expected a list"),
    "no weights": (damage(AVERAGE, None), r"average\.pt: no such file; the checkpoint is not whole"),
    "torn weights": (damage(AVERAGE, b"PK\x03\x04 torn"), r"average\.pt: damaged"),
    "weights of nothing": (damage(AVERAGE, b""), r"average\.pt: damaged"),
    "weights that are a program": (damage(AVERAGE, pickle.dumps(Evil())), r"average\.pt: damaged"),
    "weights of another network": (other_network, r"not a checkpoint of this network"),
    "no step": (damage(STATE, None), r"state\.pt: no such file"),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_run_is_named_and_nothing_is_written(palmar, run, tmp_path, monkeypatch, what):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    do, said = DAMAGES[what]
    do(run)
    heard = palmar("weights", run, "-o", tmp_path / "w")
    assert (heard.code, heard.out, heard.err.count("\n"), len(heard.errors)) == (2, "", 1, 1), heard.err
    assert re.search(said, heard.err), heard.err
    assert not (tmp_path / "w").exists()
    assert not list((tmp_path / "here").iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--calibrate", "0"], "calibrate"),
        (["--figures", "nowhere.json"], "nowhere.json: no such file"),
        (["--figures", "torn.json"], "torn.json: not readable"),
        (["--figures", "list.json"], "expected a JSON object"),
        (["--nonsense"], "nonsense"),
        (["-o", "torn.json"], "torn.json"),
        (["-o", "torn.json/inside"], "torn.json"),
    ],
)
@pytest.mark.plain
def test_mistakes_are_one_line(palmar, run, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    Path("torn.json").write_text("{")
    Path("list.json").write_text("[1]")
    before = sorted(tmp_path.rglob("*"))
    heard = palmar("weights", run, *words)
    assert (heard.code, heard.out, heard.err.count("\n"), len(heard.errors)) == (2, "", 1, 1), heard.err
    assert said in heard.err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_is_no_run_and_one_without_a_checkpoint(palmar, run, tmp_path):
    shutil.rmtree(run / "checkpoint-000000040")
    for folder, said in ((tmp_path / "nowhere", "no such file"), (run, "no checkpoint here")):
        heard = palmar("weights", folder)
        assert (heard.code, len(heard.errors)) == (2, 1)
        assert said in heard.err


@pytest.mark.plain
def test_a_full_disk_leaves_the_old_file_and_its_card(palmar, run, tmp_path, monkeypatch):
    """The card cannot be written: the file that is there is not replaced without it."""
    place = tmp_path / "w"
    assert palmar("weights", run, "-o", place).code == 0
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    (run / "recipe.json").write_text(json.dumps(RECIPE | {"seed": 9}))
    plain = Path.write_text

    def full(self, *words, **options):
        if self.parent == place:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        return plain(self, *words, **options)

    monkeypatch.setattr(Path, "write_text", full)
    heard = palmar("weights", run, "-o", place)
    assert (heard.code, len(heard.errors)) == (2, 1), heard.err
    assert "No space left" in heard.err
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
