"""Names and options: what a format does not know it refuses, from Python as from the command line."""

from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.export import FORMATS, Options, export, resolve
from palmar.types import Hands

SAID = {"fps": 25.0, "task": "wave", "video": False}


def test_every_option_is_somebodys():
    known = set().union(*(one.options for one in FORMATS.values()))
    assert known | {"overwrite"} == {one.name for one in fields(Options)}
    assert set(SAID) == known


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", SAID)
def test_an_option_is_taken_or_refused(clip, tmp_path, kind, name):
    if kind == "usd":
        pytest.importorskip("pxr", reason="the extra usd is not installed")
    path = tmp_path / f"hands{FORMATS[kind].suffix}"
    options = Options(**{name: SAID[name]})
    if name in FORMATS[kind].options:
        assert export(clip, path, kind, options).exists()
    else:
        with pytest.raises(PalmarError, match=f"^{name} is an option of .*; {kind} does not have it"):
            export(clip, path, kind, options)
        assert not path.exists()


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("which", [{"side": 0}, {"side": 1}, {"frame": 3}, {"frame": 3, "side": 0}])
def test_some_of_the_hands_are_enough(clip, tmp_path, kind, which):
    """One hand alone, one frame of all: what a person records first."""
    if kind == "usd":
        pytest.importorskip("pxr", reason="the extra usd is not installed")
    some = clip.replace(hands=clip.hands.filter(**which))
    assert export(some, tmp_path / f"hands{FORMATS[kind].suffix}", kind).exists()


@pytest.mark.parametrize("kind", FORMATS)
def test_a_recording_without_hands_is_a_table_without_rows_or_an_error(clip, tmp_path, kind):
    if kind == "usd":
        pytest.importorskip("pxr", reason="the extra usd is not installed")
    empty, path = clip.replace(hands=Hands.empty()), tmp_path / f"hands{FORMATS[kind].suffix}"
    if kind in ("csv", "npz", "coco", "mediapipe", "webxr"):
        assert export(empty, path, kind).exists()
    else:
        with pytest.raises(PalmarError, match="no hand was found"):
            export(empty, path, kind)
        assert not list(tmp_path.iterdir())


def without(clip, *names, value=np.nan):
    """Those numbers not a number."""
    columns = {name: np.full_like(getattr(clip.hands, name), value) for name in names}
    return clip.replace(hands=clip.hands.with_columns(**columns))


STILLS = {"times": None, "stills": True}
SPARE = {
    "keypoints alone": lambda clip: clip.replace(hands=clip.hands.select("keypoints")),
    "no camera": lambda clip: clip.replace(camera=None),
    "no place": lambda clip: without(clip, "translation"),
    "nothing in pixels": lambda clip: without(clip, "keypoints", "score", "box"),
    "nothing in metres": lambda clip: without(clip, "joints", "pose", "shape", "translation"),
    "infinite pixels": lambda clip: without(clip, "keypoints", "score", "box", value=np.inf),
    "infinite metres": lambda clip: without(clip, "joints", "pose", "shape", "translation", value=-np.inf),
    "stills": lambda clip: clip.replace(info={"frames": 10, **STILLS}),
    "a picture": lambda clip: clip.replace(hands=clip.hands.filter(frame=0), info={"frames": 1, **STILLS}),
    "frames beyond the last": lambda clip: clip.replace(info={"frames": 4, "times": [0.0, 0.1, 0.2, 0.3]}),
}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("what", SPARE)
def test_whatever_is_known_a_format_writes_it_or_says_what_is_missing(clip, tmp_path, kind, what):
    if kind == "usd":
        pytest.importorskip("pxr", reason="the extra usd is not installed")
    path = tmp_path / f"hands{FORMATS[kind].suffix}"
    try:
        export(SPARE[what](clip), path, kind)
    except PalmarError:
        assert not list(tmp_path.iterdir())
    else:
        assert path.exists()
        if path.suffix == ".json":
            json.loads(path.read_text(), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


@pytest.mark.parametrize("options", [{"fps": 0}, {"fps": float("inf")}, {"fps": 1001}, {"task": "x" * 1001}])
def test_what_no_format_can_do(options):
    with pytest.raises(PalmarError, match=next(iter(options))):
        Options(**options)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.glb", "glb"), ("A.GLB", "glb"), ("a.usd", "usd"), ("a.usda", "usd"), ("a.usdc", "usd"), ("a.b.csv", "csv"),
     ("a.npz", "npz"), ("a.coco.json", "coco"), ("a.webxr.json", "webxr")],
)  # fmt: skip
def test_names_say_their_format(tmp_path, name, kind):
    assert resolve(tmp_path / name) == resolve(tmp_path / name, kind) == kind
    with pytest.raises(PalmarError, match=f"by its name {kind}, but bvh"):
        resolve(tmp_path / name, "bvh")


@pytest.mark.parametrize("name", ["a", "a.json", "a.fbx", "glb", "a.glb.zip"])
def test_names_that_say_nothing(tmp_path, name):
    with pytest.raises(PalmarError, match="does not say which format"):
        resolve(tmp_path / name)
    assert resolve(tmp_path / name, "webxr") == "webxr"


def test_unknown_formats_and_too_many_recordings(clip, tmp_path):
    with pytest.raises(PalmarError, match="Did you mean csv"):
        export(clip, tmp_path / "a", "cvs")
    with pytest.raises(PalmarError, match="2 recordings: glb takes one, several only lerobot"):
        export([clip, clip], tmp_path / "a.glb")
    with pytest.raises(PalmarError, match="0 recordings"):
        export([], tmp_path / "a.glb")
    assert not list(tmp_path.iterdir())
