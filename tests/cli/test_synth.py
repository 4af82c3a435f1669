"""`palmar synth`: what it writes is what the world gives, however a range is cut up; stopped, it goes on."""

from __future__ import annotations

import hashlib
import io
import json
import re
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest

import palmar as package
from palmar.data.shards import read_shards
from palmar.synth import processes
from palmar.synth.dataset import CROPS, FRAMES, Recipe
from palmar.synth.sample import crop_sample, frame_sample


def bytes_of(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def six(tmp_path_factory) -> Path:
    """Six crops, made by one process without a stop."""
    from palmar.cli import main

    out = tmp_path_factory.mktemp("synth") / "six"
    assert main(["synth", str(out), "--count", "6", "--seed", "3", "--workers", "1"]) == 0
    return out


@pytest.mark.parametrize(("kind", "make", "labels"), [("crops", crop_sample, CROPS), ("frames", frame_sample, FRAMES)])
def test_a_folder_holds_the_worlds_samples(palmar, tmp_path, kind, make, labels):
    heard = palmar("synth", tmp_path / "o", "--kind", kind, "--seed", 3, "--first", 5, "--count", 4, "--workers", 1)
    assert (heard.code, heard.out) == (0, "")
    assert heard.err.startswith(f"palmar: palmar-synth/{package.__version__}/3/{kind}/5..8, ")
    found = read_shards(tmp_path / "o", verify=True)
    assert [stored.index for stored in found] == [5, 6, 7, 8]
    for row, stored in enumerate(found):
        truth = make(3, stored.index)
        np.testing.assert_array_equal(stored["rgb"], truth.image)
        assert set(stored.labels) == set(labels)
        for name in labels:
            want = np.asarray(getattr(truth, name), np.float32)
            np.testing.assert_array_equal(found.column(name)[row], want)
            np.testing.assert_array_equal(np.array(stored.labels[name], np.float32).reshape(want.shape), want)
    card = found.card
    assert card["name"] == f"palmar-synth/{card['palmar']}/3/{kind}/5..8"
    assert set(card["columns"]) == set(labels)
    assert card["columns"]["keypoints"]["unit"] == "pixel"
    assert card["licences"]
    assert all(row["licence"] != "unknown" for row in card["licences"])
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == [
        "card.json",
        "index.parquet",
        "shard-000000.tar",
    ]


def test_processes_and_ranges_change_nothing(monkeypatch):
    monkeypatch.setitem(processes.CHUNK, "crops", 2)
    recipe = Recipe("crops", 3)
    alone = list(processes.packed(recipe, 0, 5, workers=1))
    several = list(processes.packed(recipe, 0, 5, workers=2))
    tail = list(processes.packed(recipe, 4, 5, workers=1))
    assert [one.index for one in alone] == [0, 1, 2, 3, 4]
    assert several == alone
    assert tail == alone[4:]


def test_a_stream_is_a_tar_of_the_same_samples(capfdbinary):
    from palmar.cli import main

    bytes_of = []
    for _ in range(2):
        assert main(["synth", "-", "--count", "2", "--seed", "3", "--workers", "1"]) == 0
        out, err = capfdbinary.readouterr()
        bytes_of.append(out)
        assert err == b""
    assert bytes_of[0] == bytes_of[1]
    with tarfile.open(fileobj=io.BytesIO(out)) as tar:
        assert tar.getnames() == [f"00000000{i}.{name}" for i in range(2) for name in ("rgb.png", "json")]
        for i in range(2):
            recipe = Recipe("crops", 3)
            for name, data in recipe.packed(i).members:
                assert tar.extractfile(f"00000000{i}.{name}").read() == data


BAD = {
    "no samples": (["--count", "0"], "--count"),
    "a negative seed": (["--seed", "-1"], "--seed"),
    "a negative number": (["--first", "-1"], "--first"),
    "no workers": (["--workers", "0"], "--workers"),
    "shards of nothing": (["--shard-mb", "0"], "--shard-mb"),
    "an unknown kind": (["--kind", "films"], "films"),
    "a count that is no number": (["--count", "many"], "many"),
    "an unknown scene": (["--kind", "scenes", "--scene", "webcan"], "unknown scene 'webcan'. Did you mean webcam?"),
    "an unknown sensor": (
        ["--kind", "scenes", "--sensors", "rgb,depht"],
        "unknown sensor 'depht'. Did you mean depth?",
    ),
    "no scene": (["--kind", "scenes", "--scene", ","], "one sort of scene"),
    "no sensor": (["--kind", "scenes", "--sensors", ""], "one sensor"),
    "a scene twice": (["--kind", "scenes", "--scene", "webcam,webcam"], "named twice"),
    "no frames": (["--kind", "scenes", "--fps", "0"], "--fps"),
    "a clip of no length": (["--kind", "scenes", "--seconds", "-1"], "--seconds"),
    "a length that is none": (["--kind", "scenes", "--seconds", "nan"], "--seconds"),
    "a width of nothing": (["--kind", "scenes", "--width", "0"], "--width"),
    "scenes' options for crops": (["--width", "64"], "--width is for --kind scenes"),
    "sensors for frames": (["--kind", "frames", "--sensors", "depth"], "--sensors is for --kind scenes"),
}


@pytest.mark.parametrize(("words", "said"), BAD.values(), ids=BAD)
def test_bad_options(palmar, listed, tmp_path, words, said):
    heard = palmar("synth", tmp_path / "deep" / "o", *words)
    assert (heard.code, heard.out) == (2, "")
    assert heard.err.count("\n") == len(heard.errors) == 1
    assert said in heard.err
    assert not listed(tmp_path)


GALLERY = {
    "none of each": (["--each", "0"], "--each"),
    "no frames": (["--frames", "0"], "--frames"),
    "an unknown scene": (["--scene", "x"], "unknown scene 'x'"),
    "an unknown sensor": (["--sensors", "x"], "unknown sensor 'x'"),
    "too narrow": (["--width", "8"], "--width"),
    "an unknown option": (["--kind", "crops"], "palmar synth gallery --help"),
}


@pytest.mark.parametrize(("words", "said"), GALLERY.values(), ids=GALLERY)
def test_bad_options_of_the_gallery(palmar, listed, tmp_path, words, said):
    heard = palmar("synth", "gallery", tmp_path / "o", *words)
    assert (heard.code, heard.out) == (2, "")
    assert heard.err.count("\n") == len(heard.errors) == 1
    assert said in heard.err
    assert not listed(tmp_path)


@pytest.mark.parametrize("command", [["synth"], ["synth", "gallery"]], ids=" ".join)
def test_where_nothing_can_be_written(palmar, tmp_path, command):
    (tmp_path / "file").write_text("x")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("x")
    before = sorted(tmp_path.rglob("*"))
    more = ["--count", 1] if command == ["synth"] else ["--each", 1]
    for out, words in ((tmp_path / "file", []), (tmp_path / "file" / "o", []), (tmp_path / "home", []),
                       (tmp_path / "home", ["--overwrite"]), ("/proc/palmar", [])):  # fmt: skip
        heard = palmar(*command, out, *more, *words)
        assert (heard.code, len(heard.errors)) == (2, 1), heard.err
        assert str(out) in heard.err
    assert sorted(tmp_path.rglob("*")) == before


def test_what_stops_it_is_gone_on_from(palmar, six, tmp_path, monkeypatch):
    def stop(self, index):
        if index == 4:
            raise KeyboardInterrupt
        return real(self, index)

    real = Recipe.packed
    monkeypatch.setattr(Recipe, "packed", stop)
    words = ("synth", tmp_path / "deep" / "o", "--count", 6, "--seed", 3, "--workers", 1)
    heard = palmar(*words)
    assert heard.code == 130
    assert "stopped after 4 of 6 samples; the same command goes on from there" in heard.err
    assert not (tmp_path / "deep" / "o").exists()
    monkeypatch.undo()
    heard = palmar(*words)
    assert heard.code == 0
    assert "going on after 4 of 6 samples" in heard.err
    assert bytes_of(tmp_path / "deep" / "o") == bytes_of(six)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["o"]


def test_stopped_before_the_first_sample_nothing_is_there(palmar, listed, tmp_path, monkeypatch):
    def stop(self, index):
        raise KeyboardInterrupt

    monkeypatch.setattr(Recipe, "packed", stop)
    assert palmar("synth", tmp_path / "deep" / "o", "--count", 3, "--workers", 1).code == 130
    assert not listed(tmp_path)


@pytest.mark.plain
def test_killed_it_goes_on_and_ends_with_the_same_bytes(palmar, six, tmp_path):
    words = ["synth", str(tmp_path / "o"), "--count", "6", "--seed", "3", "--workers", "1"]
    slow = (
        "import sys, time; from palmar.cli import main; from palmar.synth.dataset import Recipe; real = Recipe.packed\n"
        "def packed(self, index): time.sleep(60 * (index == 3)); return real(self, index)\n"
        "Recipe.packed = packed; main(sys.argv[1:])"
    )
    with subprocess.Popen([sys.executable, "-c", slow, *words]) as process:
        until = time.monotonic() + 60
        while lines(tmp_path) < 3 and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "o").exists()
    heard = palmar(*words)
    assert heard.code == 0
    assert "going on after 3 of 6 samples" in heard.err
    assert bytes_of(tmp_path / "o") == bytes_of(six)


def lines(folder: Path) -> int:
    return sum(len(path.read_bytes().splitlines()) for path in folder.glob(".o.*.unfinished/shard-*.jsonl"))


def test_scenes_through_sensors(palmar, tmp_path):
    words = ("--kind", "scenes", "--scene", "webcam", "--sensors", "clean,depth", "--seconds", 0.06, "--width", 48)
    heard = palmar("synth", tmp_path / "o", *words, "--count", 2, "--workers", 1)
    assert (heard.code, heard.out) == (0, "")
    found = read_shards(tmp_path / "o", verify=True)
    assert found.card["name"].endswith("/1/scenes(webcam:clean+depth,0.06s,30fps,48px)/0..1")
    assert (found.card["scenes"], found.card["sensors"], found.card["fps"]) == (["webcam"], ["clean", "depth"], 30.0)
    for stored in found:
        frames = stored.labels["frames"]
        assert [name for name in stored.names if name.endswith("clean")] == [f"{f['prefix']}clean" for f in frames]
        assert {frame["time"] for frame in frames} == {0.0, 1 / 30}
        for frame in frames:
            size = (frame["camera"]["height"], 48)
            assert stored[f"{frame['prefix']}clean"].shape == (*size, 3)
            assert stored[f"{frame['prefix']}depth"].shape == size


def test_a_gallery_is_whole_and_needs_nothing_from_elsewhere(palmar, tmp_path):
    words = ("--scene", "webcam", "--each", 2, "--frames", 2, "--width", 48, "--sensors", "clean,depth,flow,masks")
    heard = palmar("synth", "gallery", tmp_path / "g", *words)
    assert (heard.code, heard.out) == (0, "")
    html = (tmp_path / "g" / "index.html").read_text()
    pictures = {f"pictures/{path.name}" for path in (tmp_path / "g" / "pictures").iterdir()}
    named = set(re.findall(r'(?:src="|url\()([^")]+)', html))
    assert named == pictures
    assert "<script" not in html
    assert not re.findall(r"https?://", html.replace("http://www.w3.org/2000/svg", ""))
    assert "--scene webcam --seed 1 --first 0 --count 2" in html
    assert json.loads((tmp_path / "g" / "gallery.json").read_text())["scenes"] == ["webcam"]
    assert palmar("synth", "gallery", tmp_path / "g", *words).code == 2
    before = bytes_of(tmp_path / "g" / "pictures")
    assert palmar("synth", "gallery", tmp_path / "g", *words, "--overwrite").code == 0
    assert bytes_of(tmp_path / "g" / "pictures") == before


def test_help_names_every_option(palmar):
    heard = palmar("synth", "--help")
    assert heard.code == 0
    for word in (
        "OUT",
        "--kind",
        "--scene NAME[,NAME]",
        "--sensors NAME[,NAME]",
        "--seconds",
        "--shard-mb",
        "gallery OUT",
    ):
        assert word in heard.out
    heard = palmar("synth", "gallery", "--help")
    assert heard.code == 0
    assert heard.out.startswith("usage: palmar synth gallery [-h]")
    for word in ("OUT", "--each", "--width", "--frames"):
        assert word in heard.out
