"""`palmar bench real`: options checked before work, numbers to a file and to stdout."""

from __future__ import annotations

import json
from pathlib import Path

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
    assert asked == {"folder": Path(tmp_path), "mediapipe": None, "limit": 5, "split": "adapt"}


@pytest.mark.parametrize(
    "words",
    [["nowhere"], [".", "--limit", "0"], [".", "--mediapipe", "nowhere"], [".", "--json", "nowhere/x.json"],
     [".", "--split", "all"],
     ["."], [".", "--json", "."]],
    ids=" ".join,
)  # fmt: skip
def test_bad_options(palmar, listed, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    heard = palmar("bench", "real", *words)
    assert (heard.code, heard.out) == (2, "")
    assert heard.err.count("\n") == len(heard.errors) == 1
    assert not listed(tmp_path)
