"""`palmar bench`: options checked before work, numbers to a file and to stdout."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from palmar.bench import real


def test_the_command(palmar, tmp_path, monkeypatch):
    asked = {}

    def measure(folder, **options):
        asked.update(folder=folder, **options)
        return {"answer": 42}

    monkeypatch.setattr(real, "measure", measure)
    monkeypatch.setattr(real, "render", lambda found: f"a table of {found['answer']}")
    heard = palmar("bench", "real", tmp_path, "--json", tmp_path / "x.json", "--limit", 5, "--split", "adapt")
    assert (heard.code, heard.out, heard.err) == (0, "a table of 42\n", "")
    assert json.loads((tmp_path / "x.json").read_text()) == {"answer": 42}
    rest = {"mediapipe": None, "networks": None, "only": real.PARTS}
    assert asked == {"folder": Path(tmp_path), "limit": 5, "split": "adapt", **rest}
    assert palmar("bench", "real", tmp_path, "--only", "video, speed").code == 0
    assert asked["only"] == ("video", "speed")


def test_comparison(palmar, tmp_path, monkeypatch):
    def compare(folder, a, b, **options):
        asked.update(folder=folder, a=a, b=b, **options)
        return {"answer": 3}

    asked = {}
    monkeypatch.setattr(real, "compare", compare)
    monkeypatch.setattr(real, "render_comparison", lambda found: f"gains {found['answer']}")
    monkeypatch.setattr("palmar.tracking.OnnxNetworks", lambda folder=None, *, threads: (folder, threads))
    heard = palmar("bench", "real", tmp_path, "--weights", "new", "--against", "old", "--json", tmp_path / "x.json")
    assert (heard.code, heard.out, heard.err) == (0, "gains 3\n", "")
    assert asked == {
        "folder": tmp_path,
        "a": (Path("new"), 2),
        "b": (Path("old"), 2),
        "limit": None,
        "split": "evaluate",
        "only": real.SETS,
    }
    assert json.loads((tmp_path / "x.json").read_text()) == {"answer": 3}


def test_the_judge(palmar, tmp_path, monkeypatch):
    from palmar.bench import judge, mediapipe_peer

    class Peer:
        def __init__(self, python):
            asked["python"] = python

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    def judged(peer, count, seed, *, networks, draw, observe):
        asked.update(count=count, seed=seed, networks=networks, draw=draw)
        observe(count)
        return {"answer": 7}, ["worst"]

    asked = {}
    monkeypatch.setattr(mediapipe_peer, "Peer", Peer)
    monkeypatch.setattr(judge, "judge", judged)
    monkeypatch.setattr(judge, "render", lambda found: f"a table of {found['answer']}")
    monkeypatch.setattr(judge, "sheet", lambda judged: np.full((4, 5, 3), len(judged), np.uint8))
    python, sheet = tmp_path / "python", tmp_path / "worst.png"
    python.touch()
    heard = palmar(
        "bench", "judge", "--mediapipe", python, "--count", 9, "--json", tmp_path / "x.json", "--sheet", sheet
    )
    assert (heard.code, heard.out, heard.err) == (0, "a table of 7\n", "")
    assert asked == {"python": python, "count": 9, "seed": 0, "networks": None, "draw": judge.picture}
    assert json.loads((tmp_path / "x.json").read_text()) == {"answer": 7}
    assert cv2.imread(str(sheet)).shape == (4, 5, 3)


@pytest.mark.parametrize(
    "words",
    [[], [".", "--mediapipe", sys.executable], ["--mediapipe", sys.executable, "--count", "3"],
     ["--mediapipe", sys.executable, "--seed", "-1"], ["--mediapipe", sys.executable, "--sheet", "x.gif"],
     ["--mediapipe", sys.executable, "--sheet", "nowhere/x.png"], ["--mediapipe", sys.executable, "--only", "video"],
     ["--mediapipe", sys.executable, "--limit", "3"], ["--mediapipe", sys.executable, "--weights", "."],
     ["--mediapipe", sys.executable, "--scene", "the moon"]],
    ids=lambda words: " ".join(words[-2:]),
)  # fmt: skip
def test_bad_options_of_the_judge(palmar, listed, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    heard = palmar("bench", "judge", *words)
    assert (heard.code, heard.out) == (2, "")
    assert heard.err.count("\n") == len(heard.errors) == 1
    assert not listed(tmp_path)


@pytest.mark.parametrize(
    "words",
    [[], ["nowhere"], [".", "--limit", "0"], [".", "--mediapipe", "nowhere"], [".", "--json", "nowhere/x.json"],
     [".", "--split", "all"], [".", "--only", "webcams"], [".", "--only", ""], [".", "--weights", "nowhere"],
     [".", "--against", "nowhere"], [".", "--against", ".", "--mediapipe", sys.executable],
     ["."], [".", "--json", "."]],
    ids=" ".join,
)  # fmt: skip
def test_bad_options(palmar, listed, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    heard = palmar("bench", "real", *words)
    assert (heard.code, heard.out) == (2, "")
    assert heard.err.count("\n") == len(heard.errors) == 1
    assert not listed(tmp_path)
