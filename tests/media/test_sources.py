"""`read`: folders, lists, arrays, webcams, cameras, and what contradicts."""

from __future__ import annotations

import gc
import os
import threading
import warnings

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palmar.errors import PalmarError, PalmarWarning
from palmar.geometry.camera import Camera
from palmar.media import ArrayFrames, read
from palmar.media.prefetch import prefetched
from palmar.media.source import natural


def grey(value, size=(24, 16)):
    return np.full((size[1], size[0], 3), value, np.uint8)


def put(folder, *names, size=(24, 16)):
    folder.mkdir(exist_ok=True)
    for k, name in enumerate(names):
        assert cv2.imwrite(str(folder / name), grey(10 * k % 256, size))
    return folder


def test_a_folder_is_a_sequence_in_natural_order(tmp_path):
    folder = put(tmp_path / "ü folder", "f10.png", "f9.png", "F1.png", "f 2.png")
    clip = read(folder)
    assert clip.frames.names == ("F1.png", "f9.png", "f10.png", "f 2.png")
    frames = list(clip.frames)
    assert [f.image[0, 0, 0] for f in frames] == [20, 10, 0, 30]
    assert [f.index for f in frames] == [0, 1, 2, 3]
    assert [f.time for f in frames] == pytest.approx([0, 1 / 30, 2 / 30, 3 / 30])
    assert "assumed" in clip.info["fps_note"]
    assert clip.frames.count == 4
    assert clip.frames.size == (24, 16)
    again = [f.image[0, 0, 0] for f in clip.frames]
    assert again == [20, 10, 0, 30]
    timed = read(folder, fps=5)
    assert [f.time for f in timed.frames] == pytest.approx([0, 0.2, 0.4, 0.6])
    assert "fps_note" not in timed.info


def test_what_is_no_picture_is_named_and_hidden_files_are_not(tmp_path):
    folder = put(tmp_path, "a.png", "b.png")
    (folder / "notes.txt").write_text("x")
    (folder / ".DS_Store").write_bytes(b"x")
    put(folder / "sub", "deep.png")
    (folder / "c.jpg").write_bytes(b"not a picture")
    with pytest.warns(PalmarWarning) as caught:
        clip = read(folder)
    text = " ".join(str(w.message) for w in caught)
    assert "notes.txt" in text
    assert "c.jpg" in text
    assert "DS_Store" not in text
    assert clip.frames.names == ("a.png", "b.png")
    assert {entry["file"] for entry in clip.info["left_out"]} == {"notes.txt", "c.jpg"}


def test_a_picture_that_does_not_decode_leaves_its_number_unused(tmp_path):
    folder = put(tmp_path, "1.png", "2.png", "3.png")

    def spoil(name):
        data = bytearray((folder / name).read_bytes())
        at = data.index(b"IDAT") + 4
        data[at:at + 10] = bytes(10)
        (folder / name).write_bytes(bytes(data))

    spoil("2.png")
    clip = read(folder)
    with pytest.warns(PalmarWarning, match=r"frame 1: .*2\.png"):
        frames = list(clip.frames)
    assert [f.index for f in frames] == [0, 2]
    assert len(clip.frames.notes) == 1
    spoil("1.png")
    spoil("3.png")
    with pytest.warns(PalmarWarning), pytest.raises(PalmarError, match="none of its 3 pictures"):
        list(clip.frames)


def test_sizes_must_agree_in_a_sequence_and_not_among_stills(tmp_path):
    put(tmp_path, "a.png")
    put(tmp_path, "b.png", size=(30, 20))
    with pytest.raises(PalmarError, match=r"24 x 16.*30 x 20.*stills"):
        read(tmp_path)
    clip = read(tmp_path, stills=True, fov=60)
    assert [f.time for f in clip.frames] == [None, None]
    assert clip.frames.size is None
    assert clip.camera is None
    assert clip.info["fov_deg"] == 60
    with pytest.raises(PalmarError, match="several sizes"):
        read(tmp_path, stills=True, camera=Camera.from_fov(24, 16, 1.0))


def test_a_list_keeps_its_order(tmp_path):
    put(tmp_path, "a.png", "b.png")
    clip = read([tmp_path / "b.png", str(tmp_path / "a.png")], stills=True)
    assert [f.image[0, 0, 0] for f in clip.frames] == [10, 0]
    assert clip.frames.names == (str(tmp_path / "b.png"), str(tmp_path / "a.png"))


@pytest.mark.parametrize("case", ["missing", "empty folder", "sub-folders", "texts", "missing in list",
                                  "folder in list", "text in list", "empty list", "broken"])
def test_nothing_to_read_is_said_in_words(tmp_path, case):
    (tmp_path / "sub").mkdir()
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "x.txt").write_text("x")
    (tmp_path / "e").mkdir()
    (tmp_path / "b").mkdir()
    for name in ("1.png", "2.png"):
        (tmp_path / "b" / name).write_bytes(b"x")
    source, words = {
        "missing": (tmp_path / "no such", "no such file"), "empty folder": (tmp_path / "e", "empty"),
        "sub-folders": (tmp_path, "sub-folders"), "texts": (tmp_path / "t", r"x\.txt"),
        "missing in list": ([tmp_path / "no.png"], "no such file"),
        "folder in list": ([tmp_path / "e"], "folder in a list"),
        "text in list": ([tmp_path / "t" / "x.txt"], "not a picture"), "empty list": ([], "empty list"),
        "broken": (tmp_path / "b", "none of the 2"),
    }[case]
    with pytest.raises(PalmarError, match=words):
        read(source)


@pytest.mark.parametrize(("options", "words"), [
    ({"fov": 0}, "0 and 180"), ({"fov": 180}, "0 and 180"), ({"fov": float("nan")}, "0 and 180"),
    ({"fov": 60, "camera": Camera.from_fov(24, 16, 1.0)}, "not both"), ({"fps": 0}, "above 0"),
    ({"fps": -3}, "above 0"), ({"fps": float("inf")}, "above 0"), ({"stills": True, "fps": 30}, "stills"),
    ({"camera": Camera.from_fov(16, 24, 1.0)}, "16 x 24"),
])
def test_contradictions_are_refused(tmp_path, options, words):
    put(tmp_path, "a.png", "b.png")
    with pytest.raises(PalmarError, match=words):
        read(tmp_path, **options)


@pytest.mark.parametrize("source", [None, 3.5, True, {"a": 1}, [1, 2], b"x"])
def test_other_types_are_refused(source):
    with pytest.raises(PalmarError, match="cannot read a"):
        read(source)


@pytest.mark.parametrize("name", ["x" * 300, "zero\0byte"])
def test_impossible_names(name):
    with pytest.raises(PalmarError):
        read(name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(tmp_path):
    put(tmp_path, "a.png")
    (tmp_path / "a.png").chmod(0)
    with pytest.raises(PalmarError, match="cannot be read"):
        read(tmp_path / "a.png")


def test_a_given_camera_wins_and_follows_the_size(tmp_path):
    put(tmp_path, "a.png")
    camera = Camera.from_fov(24, 16, 1.2)
    assert read(tmp_path / "a.png", camera=camera).camera == camera
    half = read(tmp_path / "a.png", camera=Camera.from_fov(48, 32, 1.2))
    assert half.camera.fx == pytest.approx(camera.fx)
    assert half.camera.cx == pytest.approx(camera.cx)
    nothing = read(tmp_path / "a.png", mirrored=True)
    assert nothing.camera is None
    assert nothing.camera_note == "no camera was given"
    assert nothing.info["mirrored"] is True
    assert read(tmp_path / "a.png").info["mirrored"] is False


def test_arrays(tmp_path):
    movie = np.stack([grey(v) for v in (1, 2, 3)])
    clip = read(movie, fps=10)
    assert [(f.index, f.time, f.image[0, 0, 0]) for f in clip.frames] == [(0, 0.0, 1), (1, 0.1, 2), (2, 0.2, 3)]
    (one,) = read(movie[1]).frames
    assert one.time is None
    assert [f.time for f in read(movie, stills=True).frames] == [None] * 3
    assert ArrayFrames([grey(1), grey(2, (30, 30))], None).size is None
    four, none = np.zeros((2, 8, 8, 4), np.uint8), np.zeros((0, 8, 8, 3), np.uint8)
    for bad in (movie.astype(np.float32), movie[..., 0], four, none):
        with pytest.raises(PalmarError):
            read(bad)


class FakeCapture:
    """A camera of three grey frames."""

    released = 0
    works = True
    frames = 3

    def __init__(self, number):
        self.left = self.frames

    def isOpened(self):
        return self.works

    def set(self, *_):
        return True

    def read(self):
        self.left -= 1
        return (True, np.full((16, 24, 3), (1, 2, 3), np.uint8)) if self.left >= 0 else (False, None)

    def release(self):
        FakeCapture.released += 1


def test_webcam(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    clip = read(0, fov=60)
    assert clip.frames.source == "webcam:0"
    assert clip.camera is None
    assert clip.info["fov_deg"] == 60
    FakeCapture.released = 0
    frames = []
    for frame in clip.frames:
        frames.append(frame)
        if frame.index == 1:
            break
    gc.collect()
    assert FakeCapture.released == 1
    assert frames[0].time == 0.0
    assert frames[1].time >= 0.0
    assert frames[0].image[0, 0].tolist() == [3, 2, 1]   # RGB, not BGR
    assert clip.frames.size == (24, 16)
    with pytest.warns(PalmarWarning, match="stopped after 3 frames"):
        assert len(list(clip.frames)) == 3
    monkeypatch.setattr(FakeCapture, "frames", 0)
    with pytest.raises(PalmarError, match="gives no picture"):
        list(clip.frames)
    monkeypatch.setattr(FakeCapture, "works", False)
    with pytest.raises(PalmarError, match="webcam:7: no such camera"):
        list(read(7).frames)
    with pytest.raises(PalmarError, match="0 or above"):
        read(-1)


def decoders():
    return [t for t in threading.enumerate() if t.name == "palmar-decode"]


def test_stopping_early_leaves_no_thread(tmp_path):
    put(tmp_path, *(f"{k}.png" for k in range(30)))
    clip = read(tmp_path)
    for frame in clip.frames:
        if frame.index == 2:
            break
    del frame
    gc.collect()
    assert not decoders()
    iterator = iter(clip.frames)
    next(iterator)
    iterator.close()
    assert not decoders()
    next(zip(clip.frames, clip.frames, strict=True))     # two at once
    gc.collect()
    assert not decoders()


def test_prefetching_is_bounded_and_passes_errors_on():
    made, closed = [], []

    def numbers():
        try:
            for k in range(100):
                made.append(k)
                yield k
                if k == 20:
                    raise ValueError("at twenty")
        finally:
            closed.append(True)

    items = prefetched(numbers(), 4)
    assert next(items) == 0
    for _ in range(100):
        threading.Event().wait(0.001)
    assert len(made) <= 6
    got = []

    def drain():
        for item in items:
            got.append(item)

    with pytest.raises(ValueError, match="at twenty"):
        drain()
    assert got == list(range(1, 21))
    assert closed == [True]
    assert not decoders()


@given(st.lists(st.text(alphabet="ab019_ É²", min_size=1, max_size=8)))
def test_natural_order_is_total(names):
    ordered = sorted(names, key=natural)
    assert sorted(reversed(names), key=natural) == ordered


@given(st.lists(st.integers(0, 10**12), unique=True))
def test_natural_order_counts(numbers):
    names = [f"frame{n}.png" for n in numbers]
    assert sorted(names, key=natural) == [f"frame{n}.png" for n in sorted(numbers)]


def test_reading_warns_nothing_on_clean_input(tmp_path):
    put(tmp_path, "a.png", "b.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(read(tmp_path).frames)) == 2
