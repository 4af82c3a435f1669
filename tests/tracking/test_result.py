"""Results on disk: everything, or nothing; and read back as they were."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from typing import ClassVar

import cv2
import numpy as np
import pytest

from palmar import PalmarError
from palmar.media import ArrayFrames, VideoWriter, read, write_image
from palmar.tracking import Result, read_result, track, write_result
from palmar.types import Clip


@pytest.fixture
def world(make_world, make_actor):
    return make_world([make_actor(1, lambda t: (0.1, 0.05, 0.5))], seconds=0.2, width=320, height=240)


def same(a, b):
    assert a.columns().keys() == b.columns().keys()
    for name, column in a.columns().items():
        np.testing.assert_array_equal(column, getattr(b, name))


def test_a_recording_is_written_and_read_back(world, tmp_path):
    clip = track(world.clip(), networks=world)
    done = []
    out = write_result(clip, tmp_path / "new" / "out", progress=lambda n, total: done.append((n, total)))
    assert sorted(p.name for p in out.iterdir()) == ["clip.json", "hands.parquet", "overlay.mp4"]
    assert done == [(i + 1, 6) for i in range(6)]
    again = read_result(out)
    same(again.hands, clip.hands)
    assert again.camera == clip.camera
    assert again.camera_note == clip.camera_note
    assert dict(again.info) == dict(clip.info)
    assert (again.frames.source, again.frames.count, again.frames.fps, again.frames.names) == ("world", 6, 30.0, None)
    video = list(read(out / "overlay.mp4").frames)
    assert len(video) == 6
    plain = world.image(0)
    x, y = clip.hands.keypoints[0, 9, :2].round().astype(int)
    assert video[0].image[y - 3 : y + 4, x - 3 : x + 4].max() > 100  # drawn where the hand is
    assert plain[y - 3 : y + 4, x - 3 : x + 4].max() == 0


def test_pictures_get_pictures_and_the_file_of_every_frame(world, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(3):
        write_image(folder / f"hand{i}.png", world.image(i))
    clip = track(folder, stills=True, networks=world)
    out = write_result(clip, tmp_path / "out")
    entries = json.loads((out / "clip.json").read_text())
    assert entries["names"] == ["hand0.png", "hand1.png", "hand2.png"]
    assert sorted(p.name for p in (out / "overlay").iterdir()) == [f"{i:06d}-hand{i}.jpg" for i in range(3)]
    image = cv2.imread(str(out / "overlay" / "000001-hand1.jpg"))
    assert image.shape == (240, 320, 3)
    frames = list(read_result(out).frames)  # the recording is found again
    assert [frame.index for frame in frames] == [0, 1, 2]
    np.testing.assert_array_equal(frames[1].image, world.image(1))


def test_without_an_overlay_nothing_is_decoded_again(world, tmp_path):
    clip = track(world.clip(), networks=world)
    gone = clip.replace(frames=ArrayFrames([world.image(0)]))
    gone.frames.__class__ = type("Gone", (ArrayFrames,), {"__iter__": lambda self: pytest.fail("decoded again")})
    out = write_result(gone, tmp_path / "out", overlay=False)
    assert sorted(p.name for p in out.iterdir()) == ["clip.json", "hands.parquet"]


def test_a_webcam_is_drawn_as_it_comes(world, tmp_path):
    class Live:
        source, count, fps, names = "webcam:0", None, None, None
        passes = 0

        def __iter__(self):
            self.passes += 1
            return iter(world)

    frames = Live()
    with Result(tmp_path / "out") as result:
        result.write(track(Clip(frames), networks=world, observe=result.observe))
    assert frames.passes == 1
    assert len(list(read(tmp_path / "out" / "overlay.mp4").frames)) == 6
    with pytest.raises(PalmarError, match="not kept"):
        list(read_result(tmp_path / "out").frames)


def test_the_same_run_gives_the_same_bytes(world, tmp_path):
    for name in ("a", "b"):
        write_result(track(world.clip(), networks=world), tmp_path / name)
    for file in ("hands.parquet", "clip.json", "overlay.mp4"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_an_error_leaves_nothing(world, tmp_path):
    out = tmp_path / "deep" / "out"
    hands = track(world.clip(), networks=world).hands

    def work():
        with Result(out) as result:
            result.observe(next(iter(world)), hands[:1])
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        work()
    with pytest.raises(PalmarError, match="call write"), Result(out):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_overwritten_unasked(world, tmp_path):
    clip = track(world.clip(), networks=world)
    out = write_result(clip, tmp_path / "out", overlay=False)
    before = (out / "hands.parquet").read_bytes()
    with pytest.raises(PalmarError, match="exists already"):
        write_result(clip, out, overlay=False)
    write_result(clip.replace(hands=clip.hands[:2]), out, overlay=False, overwrite=True)
    assert (out / "hands.parquet").read_bytes() != before
    assert len(read_result(out).hands) == 2
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("...")
    with pytest.raises(PalmarError, match="holds no clip"):
        write_result(clip, tmp_path / "mine", overlay=False, overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_a_place_that_cannot_be_written_is_said_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PalmarError), Result(tmp_path / "file" / "out"):
        pytest.fail("the work began")


def test_a_killed_run_leaves_no_result(tmp_path):
    code = textwrap.dedent("""
        import os, sys, time
        import numpy as np
        from palmar.tracking import Result
        from palmar.types import Clip
        from palmar.media import ArrayFrames

        with Result(sys.argv[1]) as result:
            def slow(done, total):
                print("drawing", flush=True)
                time.sleep(60)
            result.write(Clip(ArrayFrames([np.zeros((64, 64, 3), np.uint8)] * 9)), progress=slow)
    """)
    out = tmp_path / "out"
    with subprocess.Popen([sys.executable, "-c", code, str(out)], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout.readline().strip() == "drawing"
        assert not out.exists()
        os.kill(run.pid, signal.SIGKILL)
    time.sleep(0.05)
    assert not out.exists()
    assert all(p.name.startswith(".") for p in tmp_path.iterdir())  # what is left is hidden, and no result


def _change(folder, **entries):
    file = folder / "clip.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | entries))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda f: (f / "clip.json").unlink(), "not a result"),
        (lambda f: (f / "clip.json").write_text("{}"), "damaged"),
        (lambda f: (f / "clip.json").write_text("[1"), "damaged"),
        (lambda f: _change(f, names=[1.5]), "names: expected words"),
        (lambda f: _change(f, fps=float("nan")), "NaN is no number"),
        (lambda f: _change(f, fps="fast"), "above 0, got 'fast'"),
        (lambda f: _change(f, cameras=[{"width": 10**400, "height": 4, "fx": 4, "fy": 4, "cx": 2, "cy": 2}]), "width"),
        (lambda f: _change(f, cameras=[{"width": 4, "height": 4, "fx": 1e308, "fy": 4, "cx": 2, "cy": 2}]), "fx"),
        (
            lambda f: (f / "clip.json").write_text(
                (f / "clip.json").read_text().replace('"schema": 1', '"schema": 99')
            ),
            "later palmar",
        ),
        (lambda f: (f / "hands.parquet").write_bytes(b"PAR1"), "hands.parquet"),
        (lambda f: (f / "hands.parquet").unlink(), "no such file"),
    ],
)
def test_what_is_no_result_is_refused(world, tmp_path, change, match):
    out = write_result(track(world.clip(), networks=world), tmp_path / "out", overlay=False)
    change(out)
    with pytest.raises(PalmarError, match=match):
        read_result(out)


def test_a_mirrored_recording_is_drawn_on_its_own_pixels(world, flipped, tmp_path):
    clip = track(Clip(flipped(world)), networks=world, mirrored=True)
    write_result(clip, tmp_path / "out")
    first = next(iter(read(tmp_path / "out" / "overlay.mp4").frames)).image
    drawn = np.argwhere(first.max(-1) > 60)[:, ::-1].mean(0)
    middle = clip.hands.keypoints[0, :, :2].mean(0)
    assert np.abs(drawn - middle).max() < 25


def test_the_whole_way_from_a_video_file(world, tmp_path):
    with VideoWriter(tmp_path / "clip.mkv", crf=0) as writer:
        for frame in world:
            image = frame.image
            image[:24, :24], image[:24, -24:] = image[0, 0], image[0, -1]  # colours survive the codec only in blocks
            writer.add(image, frame.time)
    seen = []

    class Indexed:
        """Coded colours do not come back exactly: the frame is counted instead."""

        hashes: ClassVar = {}

        def detect(self, image):
            return world.detect(world.image(len(seen)))

        def landmarks(self, image, crops):
            return world.landmarks(world.image(len(seen)), crops)

    clip = track(tmp_path / "clip.mkv", networks=Indexed(), progress=lambda done, total: seen.append(done))
    assert seen == [1, 2, 3, 4, 5, 6]
    assert len(clip.hands) == 6
    assert clip.info["source"].endswith("clip.mkv")
    for i in range(6):
        assert np.linalg.norm(clip.hands.joints[i] - world.truth(i)[0].joints, axis=-1).max() < 1e-3
