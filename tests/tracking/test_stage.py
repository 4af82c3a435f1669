"""The stage: what a clip says of itself afterwards, what the caller may say instead, and how a webcam ends."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pytest

import palmar
from palmar import Hands, PalmarError
from palmar.geometry.camera import Camera
from palmar.media import ArrayFrames
from palmar.tracking import track
from palmar.types import Clip


@pytest.fixture
def world(make_world, make_actor):
    return make_world([make_actor(1, lambda t: (0.1, 0.05, 0.5))], seconds=0.3)


def test_what_was_assumed_is_said(world):
    clip = track(world.clip(), networks=world)
    assert clip.camera is not None
    assert math.degrees(clip.camera.hfov) == pytest.approx(60)
    assert clip.camera_note.startswith("assumed, 60 degrees")
    assert set(clip.info["assumptions"]) == {"field_of_view", "hand_size", "mirrored"}
    assert clip.info["weights"] == world.hashes
    assert clip.info["versions"]["palmar"] == palmar.__version__
    assert clip.info["frames"] == 9
    np.testing.assert_allclose(clip.info["times"], np.arange(9) / 30, atol=1e-6)
    assert clip.info["mirrored"] is False
    json.dumps(dict(clip.info), allow_nan=False)


def test_a_tall_picture_has_the_assumed_angle_along_its_height(make_world, make_actor):
    world = make_world([make_actor(1, lambda t: (0.0, 0.05, 0.5))], seconds=0.1, width=480, height=640)
    camera = track(world.clip(), networks=world).camera
    assert 2 * math.atan(320 / camera.fy) == pytest.approx(math.radians(60))


def test_a_given_camera_is_used(world):
    given = Camera.from_fov(640, 480, math.radians(90))
    told = [
        track(world.clip(), networks=world, camera=given),
        track(world.clip(), networks=world, fov=90.0),
        track(world.clip().replace(camera=given, camera_note="of the lab"), networks=world),
        track(world.clip().replace(info={"fov_deg": 90.0}), networks=world),
    ]
    assumed = track(world.clip(), networks=world)
    for clip in told:
        assert clip.camera.fx == pytest.approx(given.fx)
        assert "field_of_view" not in clip.info["assumptions"]
        np.testing.assert_allclose(clip.hands.translation, told[0].hands.translation, atol=1e-4)
    assert [clip.camera_note for clip in told][::2] == ["given", "of the lab"]
    assert "90" in told[1].camera_note
    # twice as wide an angle: a hand of the same size in pixels is nearer
    ratio = told[0].hands.translation[0, 2] / assumed.hands.translation[0, 2]
    assert ratio == pytest.approx(given.fx / assumed.camera.fx, rel=0.1)


def test_contradictions_are_refused(world):
    with pytest.raises(PalmarError, match="not both"):
        track(world.clip(), networks=world, fov=60.0, camera=world.camera)
    with pytest.raises(PalmarError, match="0 and 180"):
        track(world.clip(), networks=world, fov=200.0)
    with pytest.raises(PalmarError, match="open already"):
        track(world.clip(), networks=world, device="cuda")


@pytest.mark.parametrize("frames", [0, 1])
def test_short_clips(make_world, make_actor, frames):
    world = make_world([make_actor(1, lambda t: (0.1, 0.05, 0.5))], seconds=frames / 30)
    clip = track(world.clip(), networks=world)
    assert len(clip.hands) == frames
    assert clip.info["frames"] == frames
    assert (clip.camera is None) == (frames == 0)


def test_nothing_found_is_a_value(make_world):
    world = make_world([], seconds=0.2)
    clip = track(world.clip(), networks=world)
    assert isinstance(clip.hands, Hands)
    assert len(clip.hands) == 0
    assert clip.camera is not None


def test_progress_and_observation_follow_every_frame(world):
    progress, observed = [], []
    clip = track(
        world.clip(),
        networks=world,
        progress=lambda done, count: progress.append((done, count)),
        observe=lambda frame, hands: observed.append((frame.index, len(hands))),
    )
    assert progress == [(i + 1, 9) for i in range(9)]
    assert observed == [(i, 1) for i in range(9)]
    assert len(clip.hands) == 9


class Camera0:
    """A webcam that is interrupted from the keyboard, or a file whose reader is."""

    count, fps, names = None, None, None

    def __init__(self, world, source, after):
        self.world, self.source, self.after = world, source, after

    def __iter__(self):
        for frame in self.world:
            if frame.index == self.after:
                raise KeyboardInterrupt
            yield frame


def test_a_webcam_ends_by_the_keyboard_and_a_file_does_not(world):
    clip = track(Clip(Camera0(world, "webcam:0", 5)), networks=world)
    assert clip.info["frames"] == 5
    assert len(clip.hands) == 5
    with pytest.raises(KeyboardInterrupt):
        track(Clip(Camera0(world, "clip.mp4", 5)), networks=world)


def test_arrays_and_what_the_reader_knows_go_through(world):
    frames = np.stack([frame.image for frame in world])
    clip = track(frames, networks=world)
    assert len(clip.hands) == 9
    assert clip.info["source"] == "array"
    still = track(Clip(ArrayFrames(list(frames), None), info={"stills": True, "mirrored": True}), networks=world)
    assert set(still.hands.track) == {-1}
    assert still.info["mirrored"] is True
    assert set(still.hands.side) == {0}


def test_the_same_clip_gives_the_same_bytes(world):
    a, b = (track(world.clip(), networks=world).hands for _ in range(2))
    for name, column in a.columns().items():
        np.testing.assert_array_equal(column, getattr(b, name))


def test_import_is_light_and_names_are_lazy():
    code = """
import sys, time
start = time.perf_counter()
import palmar
took = time.perf_counter() - start
assert "numpy" not in sys.modules, "numpy"
assert palmar.track is palmar.track and callable(palmar.track) and callable(palmar.draw) and callable(palmar.read)
import palmar.tracking.tracker
assert callable(palmar.track) and palmar.Hands.__name__ == "Hands"
assert not {"torch", "numba", "skimage"} & set(sys.modules)
assert set(palmar.__all__) <= set(dir(palmar))
for name in palmar.__all__: getattr(palmar, name)
try: palmar.trak
except AttributeError: print(f"{took:.3f}")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.5
