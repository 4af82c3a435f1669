"""`palmar gesture train`, and the names it gives in `palmar track`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from palmar.types import Hands


@pytest.fixture
def folder(tmp_path, spot):
    """Two gestures that only the shape of a bright spot tells apart."""
    for name, tall in (("wide", 0.4), ("tall", 2.0)):
        (tmp_path / "shown" / name).mkdir(parents=True)
        for k in range(3):
            u, v = np.meshgrid(np.arange(160), np.arange(120))
            bright = np.exp(-((u - 70 - 5 * k) ** 2 * tall + (v - 60) ** 2) / (2 * 12.0**2))
            image = np.repeat(np.round(40 + 215 * bright).astype(np.uint8)[..., None], 3, -1)
            Image.fromarray(image).save(tmp_path / "shown" / name / f"{k}.png")
    return tmp_path / "shown"


def test_from_pictures_to_names(palmar, folder, clip, tiny_weights, tmp_path, monkeypatch):
    out = tmp_path / "g.json"
    heard = palmar("gesture", "train", folder, "-o", out, "--weights", tiny_weights)
    assert heard.code == 0, heard.err
    assert json.loads(out.read_text())["names"] == ["tall", "wide"]
    assert "right where left out" in heard.err
    assert palmar("gesture", "train", folder, "-o", out, "--weights", tiny_weights).code == 2
    heard = palmar("track", clip, "--weights", tiny_weights, "--gesture", out, "-o", tmp_path / "hands")
    assert heard.code == 0, heard.err
    found = Hands.from_parquet(tmp_path / "hands" / "hands.parquet")
    assert set(found.action) <= {"tall", "wide", None}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gesture", "train", "/nowhere"], "no such folder"),
        (["gesture", "train", "{one}"], "two at least"),
        (["gesture", "learn", "{one}"], "learn"),
        (["gesture", "train", "{one}", "-o", "/nowhere/g.json"], "no folder"),
        (["track", "{clip}", "--gesture", "/nowhere"], "cannot be read"),
        (["track", "{clip}", "--gesture", "{clip}"], "not a file of gestures"),
    ],
)
def test_mistakes(palmar, folder, clip, tiny_weights, tmp_path, words, said):
    (tmp_path / "one").mkdir()
    (folder / "wide").rename(tmp_path / "one" / "wide")
    places = {"one": tmp_path / "one", "clip": clip}
    heard = palmar(*(word.format(**places) for word in words), "--weights", tiny_weights)
    assert heard.code == 2
    assert len(heard.errors) == 1
    assert said in heard.err
