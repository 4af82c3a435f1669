"""`palmar train` and `palmar weights`: from a run of a few steps to files that the tracker opens."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from palmar.cli import train as command
from palmar.cli.weights import photographs
from palmar.licenses import permits
from palmar.tracking.weights import open_session, read_weights
from palmar.train import recipes


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The recipes with batches of two; one thread, as the pictures are few."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    for name, (start, recipe) in list(recipes.RUNS.items()):
        monkeypatch.setitem(recipes.RUNS, name, (start, replace(recipe, batch=2, warmup=1)))
    yield
    torch.set_num_threads(before)


@pytest.mark.plain  # tracing passes tensors where numbers stand
@pytest.mark.parametrize(
    ("network", "outputs"), [("detector", ("score", "box")), ("landmarker", ("keypoints", "sigma"))]
)
def test_a_run_goes_on_and_is_exported(palmar, picture, tmp_path, network, outputs):
    run = tmp_path / "run"
    words = ("train", network, "--run", run, "--steps", 2, "--threads", 1, "--device", "cpu")
    first = palmar(*words, "--minutes", 1e-9)
    assert first.code == 0
    assert first.err.splitlines()[-1] == f"palmar: {run}: step 1 of 2; the same command goes on"
    second = palmar(*words)
    assert second.code == 0
    assert second.err.splitlines()[-1].startswith(f"palmar: {run}: all 2 steps done")
    (tmp_path / "figures.json").write_text('{"webcam": {"ap50": 0.5}}')
    export = palmar("weights", run, "-o", tmp_path / "w", "--calibrate", 3, "--figures", tmp_path / "figures.json")
    assert (export.code, export.out) == (0, "")
    assert str(tmp_path / "w" / f"{network}.onnx") in export.err
    weights = read_weights(network, tmp_path / "w")
    open_session(weights, outputs=outputs)
    card = weights.card
    assert (card["steps"], card["samples"], card["seed"]) == (2, 4, 1)
    assert card["figures"] == {"webcam": {"ap50": 0.5}}
    assert card["world"].startswith("palmar-synth/")
    assert (card["sigma_scale"] != 1.0) == (network == "landmarker")
    assert all(permits(row["licence"]) for row in card["licences"])


def test_a_run_keeps_its_data(palmar, tmp_path):
    """Other samples in the same run would make weights that no card describes."""
    data = recipes.Data()
    command.claim(tmp_path / "run", data)
    command.claim(tmp_path / "run", data)
    heard = palmar("train", "detector", "--run", tmp_path / "run", "--seed", 7)
    assert (heard.code, len(heard.errors)) == (2, 1)
    assert "seed 1 there, 7 here" in heard.err


@pytest.mark.parametrize(
    "words",
    [["--steps", "0"], ["--minutes", "0"], ["--minutes", "nan"], ["--workers", "-1"], ["--threads", "0"],
     ["--device", "tpu"],
     ["--photographs", "nowhere"]],
    ids=" ".join,
)  # fmt: skip
def test_bad_options(palmar, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    heard = palmar("train", "detector", *words)
    assert (heard.code, heard.out) == (2, "")
    assert heard.err.count("\n") == len(heard.errors) == 1


def test_a_run_cannot_be_kept_in_a_file(palmar, tmp_path):
    (tmp_path / "file").write_text("x")
    heard = palmar("train", "detector", "--run", tmp_path / "file" / "run")
    assert (heard.code, len(heard.errors), heard.err.count("\n")) == (2, 1, 1)


@pytest.mark.parametrize("have", [(), ("data.json",), ("data.json", "recipe.json")])
def test_export_of_what_is_no_run(palmar, tmp_path, have):
    good = {
        "data.json": {"palmar": "0", "seed": 1, "photographs": []},
        "recipe.json": {"name": "detector", "processes": 1},
    }
    for name in have:
        (tmp_path / name).write_text(json.dumps(good[name]))
    heard = palmar("weights", tmp_path)
    assert (heard.code, heard.err.count("\n"), len(heard.errors)) == (2, 1, 1)
    assert not list(tmp_path.glob("*.onnx"))


def test_a_folder_of_photographs_that_nobody_knows_is_not_called_free():
    assert permits(photographs("webcam")["licence"])
    assert not permits(photographs("holiday")["licence"])
