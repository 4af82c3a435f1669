"""Names and options: what a format does not know it refuses, from Python as from the command line."""

from __future__ import annotations

from dataclasses import fields

import pytest

from palmar.errors import PalmarError
from palmar.export import FORMATS, Options, export, resolve

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
    export(clip, path, kind, Options(overwrite=True, **({name: SAID[name]} if path.exists() else {})))


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
