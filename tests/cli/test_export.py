"""`palmar export`: every format from the folder of a result, as a person types it; what goes wrong leaves nothing.

That a format says the right numbers is asked in tests/export; here the command must say what the function says.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from palmar.cli import export as command
from palmar.export import FORMATS, Options, export
from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotmat_from_rotvec, rotvec_from_rotmat
from palmar.hand import HandModel
from palmar.media import read, write_video
from palmar.tracking import read_result, write_result
from palmar.types import Clip, Hands

FRAMES, FPS = 8, 20.0
CAMERA = Camera(96, 64, 90.0, 90.0, 47.5, 31.5)
WRITTEN = [name for name in FORMATS if name != "usd"]
"""Formats that need no extra."""


def hands(frames: range) -> Hands:
    """A right hand that turns and closes, and a left one from the third frame on."""
    rows = []
    for frame in frames:
        for side in (1, 0) if frame > 1 else (1,):
            model = HandModel.default(side)
            angles = np.full((5, 3, 3), 0.0)
            angles[..., 0] = 0.1 * frame
            turns = model.rotations_from_angles(angles)
            turns[0] = rotmat_from_rotvec(np.array([0.2 * frame, 1.2, 0.1]))
            place = np.array([0.1 * (1 if side else -1), 0.01 * frame, 0.6])
            joints = model.shaped(np.zeros(10)).posed(turns, place).joints()
            pixels = CAMERA.project(joints)
            rows.append(
                {
                    "frame": frame,
                    "track": 1 - side,
                    "view": 0,
                    "side": side,
                    "score": 0.9,
                    "box": [*pixels.min(0), *pixels.max(0)],
                    "joints": joints,
                    "keypoints": np.concatenate([pixels, np.full((21, 1), 0.8)], 1),
                    "pose": rotvec_from_rotmat(turns),
                    "shape": np.zeros(10),
                    "translation": place,
                }
            )
    return Hands(**{name: np.array([row[name] for row in rows]) for name in rows[0]})


def tracked(folder: Path, name: str, frames: int = FRAMES) -> Path:
    """The folder of a result, as `palmar track` leaves it beside the recording."""
    video = folder / f"{name}.mp4"
    write_video(video, (np.full((64, 96, 3), 20 * k % 256, np.uint8) for k in range(frames)), FPS)
    info = {"frames": frames, "times": [round(k / FPS, 6) for k in range(frames)], "stills": False, "mirrored": False}
    clip = Clip(read(video).frames, CAMERA, "given", hands(range(min(frames, FRAMES))), info)
    return write_result(clip, folder / f"{name}-hands", overlay=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tracked(tmp_path_factory.mktemp("made"), "wave")


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """With a recording that takes a while to be written again."""
    return tracked(tmp_path_factory.mktemp("long"), "long", 2000)


@pytest.fixture
def result(made, tmp_path):
    """Links to the one result and its recording, so that what is written beside them is a test's own."""
    folder = tmp_path / made.name
    folder.mkdir()
    for file in made.iterdir():
        (folder / file.name).symlink_to(file)
    return folder


def contents(place: Path) -> dict[str, bytes]:
    """Everything in a file or folder."""
    if place.is_file():
        return {"": place.read_bytes()}
    return {p.relative_to(place).as_posix(): p.read_bytes() for p in sorted(place.rglob("*")) if p.is_file()}


def beside(result: Path, kind: str) -> Path:
    return result.with_name(result.name + (FORMATS[kind].suffix or f"-{kind}"))


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_lies_beside_the_result_and_is_what_the_function_writes(palmar, result, tmp_path, kind):
    if kind == "usd":
        pytest.importorskip("pxr", reason="the extra usd is not installed")
    heard = palmar("export", result, "--to", kind)
    place = beside(result, kind)
    assert (heard.code, heard.out) == (0, ""), heard.err
    assert heard.err == f"palmar: {kind}: written to {place}\n"
    again = export(read_result(result), tmp_path / f"again{FORMATS[kind].suffix}", kind)
    assert contents(place) == contents(again)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([result.name, place.name, again.name])


def test_several_formats_at_once(palmar, result, tmp_path, listed):
    words = [word for kind in WRITTEN for word in ("--to", kind)]
    heard = palmar("export", result, *words)
    assert heard.code == 0
    assert heard.err.splitlines() == [f"palmar: {kind}: written to {beside(result, kind)}" for kind in WRITTEN]
    assert {name.split("/")[0] for name in listed(tmp_path)} == {
        result.name,
        *(beside(result, k).name for k in WRITTEN),
    }


def test_several_results_become_the_episodes_of_one_set(palmar, made, tmp_path):
    other = tracked(tmp_path, "pour", 5)
    place = tmp_path / "deep" / "tea"
    heard = palmar("export", made, other, "--to", "lerobot", "--task", "make tea", "-o", place)
    assert heard.code == 0, heard.err
    rows = pq.read_table(place / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [(row["length"], row["tasks"]) for row in rows] == [(FRAMES, ["make tea"]), (5, ["make tea"])]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.glb", "glb"), ("a.csv", "csv"), ("a.npz", "npz"), ("a.coco.json", "coco"), ("a.webxr.json", "webxr"),
     ("A.MediaPipe.JSON", "mediapipe")],
)  # fmt: skip
def test_the_name_says_the_format(palmar, result, tmp_path, name, kind):
    heard = palmar("export", result, "-o", tmp_path / name)
    assert heard.code == 0
    assert heard.err == f"palmar: {kind}: written to {tmp_path / name}\n"
    assert contents(tmp_path / name) == contents(export(read_result(result), tmp_path / f"b{FORMATS[kind].suffix}"))


def test_the_rate_of_rows_and_the_pictures_are_options(palmar, result, tmp_path):
    assert palmar("export", result, "--to", "lerobot", "--to", "bvh", "--fps", 10).code == 0
    info = json.loads((beside(result, "lerobot") / "meta/info.json").read_text())
    assert (info["fps"], info["total_frames"]) == (10, 4)
    assert {"dtype": "video"}.items() <= info["features"]["observation.images.camera"].items()
    text = (beside(result, "bvh") / "right-0.bvh").read_text()
    assert "Frames: 4\nFrame Time: 0.1000000\n" in text
    place = tmp_path / "bare"
    assert palmar("export", result, "--to", "lerobot", "--no-video", "--fps", 40, "-o", place).code == 0
    info = json.loads((place / "meta/info.json").read_text())
    assert (info["fps"], info["total_frames"], info["video_path"]) == (40, 15, None)
    assert not (place / "videos").exists()
    assert contents(place) == contents(export(read_result(result), tmp_path / "b", "lerobot", Options(40, "", False)))


def test_long_work_says_how_far_it_is(palmar, made, tmp_path, monkeypatch):
    heard = []
    monkeypatch.setattr(command.Progress, "__call__", lambda self, done, total: heard.append((self.what, done, total)))
    assert palmar("export", made, made, "--to", "lerobot", "-o", tmp_path / "set").code == 0
    assert heard[0] == ("lerobot", 1, 2 * FRAMES)
    assert [done for _, done, _ in heard] == sorted(done for _, done, _ in heard)
    assert heard[-1][1] >= 2 * FRAMES - 1


def test_without_pictures_the_recording_is_not_needed(palmar, tmp_path):
    lost = tracked(tmp_path, "lost")
    (tmp_path / "lost.mp4").unlink()
    heard = palmar("export", lost, "--to", "lerobot")
    assert (heard.code, len(heard.errors)) == (2, 1)
    assert "lost.mp4" in heard.err
    assert "--no-video" in heard.err
    assert [p.name for p in tmp_path.iterdir()] == ["lost-hands"]
    assert palmar("export", lost, "--to", "lerobot", "--no-video").code == 0


MISTAKES = [
    ("", "say what to write"),
    ("--to", "to"),
    ("--to gltf", "Known: bvh"),
    ("--to csvs", "Did you mean csv"),
    ("--to csv --to nonsense", "nonsense"),
    ("-o hands.fbx", "does not say which format"),
    ("-o hands.glb --to csv", "by its name glb"),
    ("-o hands.csv --to csv --to npz", "one --to"),
    ("-o nowhere/hands.csv", "cannot write here"),
    ("-o taken.csv", "is there already"),
    ("-o taken --to lerobot", "is there already"),
    ("-o taken --to csv --overwrite", "is a folder"),
    ("-o taken --to bvh --overwrite", "not overwritten"),
    ("-o taken.csv --to lerobot --overwrite", "by its name csv"),
    ("-o taken.txt --to bvh --overwrite", "is a file"),
    ("--to lerobot --fps 0", "fps"),
    ("--to lerobot --fps nan", "fps"),
    ("--to bvh --fps many", "fps"),
    ("--to bvh --fps -5", "fps"),
    ("OUT --to lerobot --to npz", "2 results at once"),
    ("nowhere --to lerobot", "nowhere: not a result"),
]
OPTIONS = {"--fps 30": {"bvh", "lerobot"}, "--task tea": {"lerobot"}, "--no-video": {"lerobot"}}
MISTAKES += [
    (f"--to {kind} {option}", f"is an option of {' and '.join(sorted(known))}; {kind} does not have it")
    for option, known in OPTIONS.items()
    for kind in FORMATS
    if kind not in known
]
MISTAKES += [("--to lerobot --to glb --task tea", "glb does not have it")]


@pytest.mark.parametrize(("words", "said"), MISTAKES, ids=[words or "(nothing)" for words, _ in MISTAKES])
def test_a_mistake_is_one_line_and_leaves_nothing(palmar, result, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.csv").write_text("mine")
    (tmp_path / "taken.txt").write_text("mine")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letter").write_text("dear")
    before = contents(tmp_path)
    heard = palmar("export", result, *[str(result) if word == "OUT" else word for word in words.split()])
    assert (heard.code, heard.out, len(heard.err.splitlines()), len(heard.errors)) == (2, "", 1, 1), heard.err
    assert said in heard.err
    assert contents(tmp_path) == before


def test_an_earlier_export_is_replaced_only_when_asked(palmar, result):
    words = ("export", result, *[word for kind in WRITTEN for word in ("--to", kind)])
    assert palmar(*words).code == 0
    places = [beside(result, kind) for kind in WRITTEN]
    first = [contents(place) for place in places]
    heard = palmar(*words)
    assert (heard.code, len(heard.errors)) == (2, 1)
    for place in places:  # as after an earlier version
        (place if place.is_file() else place / "old").write_bytes(b"old")
    assert palmar(*words, "--overwrite").code == 0
    assert [contents(place) for place in places] == first


@pytest.mark.parametrize("kind", WRITTEN)
@pytest.mark.parametrize("there", [False, True], ids=["new", "over an old one"])
def test_a_full_disk_leaves_what_was_there(palmar, result, tmp_path, monkeypatch, kind, there):
    """The last step, putting the finished part in its place, fails."""
    if there:
        assert palmar("export", result, "--to", kind).code == 0
    before = contents(tmp_path)

    def full(self: Path, target: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))

    monkeypatch.setattr(Path, "replace", full)
    monkeypatch.setattr(Path, "rename", full)
    heard = palmar("export", result, "--to", kind, "--overwrite")
    assert (heard.code, len(heard.errors)) == (2, 1)
    assert "No space left" in heard.err
    assert contents(tmp_path) == before


@pytest.mark.plain
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(("name", "code"), [("SIGKILL", -9), ("SIGTERM", 143)])
def test_killed_in_the_middle(palmar, made, long, tmp_path, name, code):
    """A data set with a long recording takes a while; what a kill leaves is hidden, and taken away by the next."""
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "palmar", "export", long, "--to", "lerobot", "-o", out],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        until = time.monotonic() + 120
        while not list(tmp_path.glob(".out.*.part/videos/**/*.mp4*")):
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < until
            time.sleep(0.01)
        process.send_signal(getattr(signal, name))
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, err) == (code, b"")
    assert not out.exists()
    assert len(list(tmp_path.glob(".out*"))) == (name == "SIGKILL")
    assert palmar("export", made, "--to", "lerobot", "-o", out).code == 0
    assert (out / "meta/info.json").exists()
    assert not list(tmp_path.glob(".out*"))
