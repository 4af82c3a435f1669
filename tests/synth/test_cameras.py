"""Cameras: where they stand, what they see, how they move."""

from __future__ import annotations

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.geometry.camera import KannalaBrandt
from palmar.geometry.rotations import angle_between
from palmar.geometry.triangulate import triangulate_views
from palmar.synth import cameras
from palmar.synth.world import View

TARGET = np.array([0.1, -0.05, 0.6])


def seen(view: View, points: np.ndarray, time: float = 0.0) -> np.ndarray:
    camera = view.camera_at(time)
    pose = camera.world_from_camera
    return camera.project((points - pose[:3, 3]) @ pose[:3, :3])


def test_a_level_camera_that_looks_forward_has_the_identity():
    np.testing.assert_allclose(cameras.look_at(np.zeros(3), np.array([0.0, 0, 2])), np.eye(4), atol=1e-15)


@pytest.mark.parametrize("target", [(1, 0, 0), (0.3, -2, 0.5), (0, 1, 0), (0, -1, 0), (-1, 1e-9, 0), (0, 0, -3)])
def test_the_target_is_in_the_middle_and_the_picture_upright(target):
    eye = np.array([0.2, 0.1, -0.4])
    pose = cameras.look_at(eye, eye + np.array(target, float))
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)
    np.testing.assert_allclose(pose[:3, :3].T @ np.array(target, float), [0, 0, np.linalg.norm(target)], atol=1e-9)
    assert pose[1, 0] == pytest.approx(0, abs=1e-9)  # the picture's rows are level
    assert pose[1, 1] >= -1e-9  # and its columns go down


def test_up_can_be_chosen():
    pose = cameras.look_at(np.zeros(3), np.array([0.0, 0, 1]), np.array([1.0, 0, 0]))
    np.testing.assert_allclose(pose[:3, :3].T @ [1, 0, 0], [0, -1, 0], atol=1e-12)


def test_an_eye_at_its_target_is_refused():
    with pytest.raises(PalmarError, match="at its target"):
        cameras.look_at(TARGET, TARGET)


def test_around_counts_from_smaller_z_to_the_right_and_upwards():
    np.testing.assert_allclose(cameras.around(TARGET, 2.0, 0.0, 0.0), TARGET - [0, 0, 2])
    np.testing.assert_allclose(cameras.around(TARGET, 2.0, np.pi / 2, 0.0), TARGET + np.array([2, 0, 0]), atol=1e-12)
    np.testing.assert_allclose(cameras.around(TARGET, 2.0, 0.0, np.pi / 2), TARGET - [0, 2, 0], atol=1e-12)


@pytest.mark.parametrize("name", cameras.VIEWS)
def test_every_view_sees_the_target_and_is_a_function_of_its_generator(name):
    for seed in range(12):
        views = cameras.VIEWS[name](np.random.default_rng(seed), TARGET)
        again = cameras.VIEWS[name](np.random.default_rng(seed), TARGET)
        other = cameras.VIEWS[name](np.random.default_rng(seed + 100), TARGET)
        for view, same, different in zip(views, again, other, strict=True):
            assert view.camera_at(0.7) == same.camera_at(0.7)
            assert view.camera_at(0.7) != different.camera_at(0.7)
            pixel = seen(view, TARGET, 0.0)
            assert view.camera.inside(pixel), (name, seed, pixel)


@pytest.mark.parametrize("kind", ["ceiling", "desk"])
@pytest.mark.parametrize("count", [2, 5, 8])
def test_rigs_see_the_workspace_and_triangulate(kind, count):
    rng = np.random.default_rng(count)
    rig = cameras.rig(rng, TARGET, count=count, kind=kind, radius=0.25)
    ball = rng.normal(size=(200, 3))
    points = TARGET + 0.25 * ball / np.linalg.norm(ball, axis=1, keepdims=True)
    pixels = np.stack([seen(view, points) for view in rig.views])
    for view, p in zip(rig.views, pixels, strict=True):
        assert view.camera.inside(p).all()
        assert (view.world_from_camera(0.0)[1, 3] < TARGET[1]) or kind == "desk"
    truth = [view.camera_at(0.0) for view in rig.views]
    np.testing.assert_allclose(triangulate_views(truth, pixels), points, atol=1e-7)
    off = np.linalg.norm(triangulate_views(rig.believed, pixels) - points, axis=1).mean()
    assert 2e-4 < off < 1.2e-2  # calibration is good to some millimetres, and not perfect


def test_calibration_errors_scale_and_vanish():
    view = cameras.webcam(np.random.default_rng(0), TARGET)
    camera = view.camera_at(0.0)
    assert cameras.miscalibrated(np.random.default_rng(1), camera, scale=0.0) == camera
    off = cameras.miscalibrated(np.random.default_rng(1), camera)
    assert 0 < abs(off.fx / camera.fx - 1) < 0.01
    assert 0 < angle_between(off.world_from_camera[:3, :3], camera.world_from_camera[:3, :3]) < 0.01


def test_rig_counts_are_checked():
    with pytest.raises(PalmarError, match="2 to 8"):
        cameras.rig(np.random.default_rng(0), count=9)


def test_phones_stand_both_ways_with_several_lenses():
    made = [cameras.phone(np.random.default_rng(k), TARGET).camera for k in range(60)]
    tall = np.array([c.height > c.width for c in made])
    assert 20 < tall.sum() < 50
    widest = np.degrees([2 * np.arctan(max(c.width, c.height) / 2 / c.fx) for c in made])
    assert widest.min() < 45
    assert widest.max() > 95
    assert all(c.distortion is None for c in made)
    lying = cameras.phone(np.random.default_rng(0), TARGET, portrait=False, lens="tele").camera
    assert lying.width > lying.height
    assert np.degrees(lying.hfov) < 41


def test_the_fisheye_sees_a_hemisphere_nearly():
    view = cameras.egocentric(np.random.default_rng(2), TARGET, lens="fisheye")
    assert isinstance(view.camera.distortion, KannalaBrandt)
    assert np.radians(145) < view.camera.hfov < np.radians(175)


def test_a_head_looks_down_at_its_hands():
    for seed in range(8):
        pose = cameras.egocentric(np.random.default_rng(seed), TARGET).world_from_camera(0.0)
        assert pose[1, 3] < TARGET[1] - 0.2
        assert pose[1, 2] > 0.3  # the axis goes down


@pytest.mark.parametrize("name", ["egocentric", "phone", "handheld", "dolly", "orbit"])
def test_moving_cameras_move_smoothly(name):
    view = cameras.VIEWS[name](np.random.default_rng(5), TARGET)[0]
    step = 1e-3
    times = np.arange(0.0, 4.0, step)
    poses = np.stack([view.world_from_camera(t) for t in times])
    place, turn = poses[:, :3, 3], poses[:, :3, :3]
    speed = np.linalg.norm(np.diff(place, axis=0), axis=1) / step
    spin = angle_between(turn[1:], turn[:-1]) / step
    assert speed.max() > 1e-3
    assert speed.max() < 2.0
    assert spin.max() < 5.0
    # Velocity itself does not jump: its change from one millisecond to the next is a small part of what it is at most.
    change = np.linalg.norm(np.diff(place, 2, axis=0), axis=1) / step
    assert change.max() < 0.15 * speed.max() + 1e-3


def test_shake_falls_with_frequency_and_has_its_size():
    shake = cameras.Shake.sample(np.random.default_rng(0), 0.01, 0.004)
    times = np.arange(0, 60, 0.01)
    motion = np.stack([shake.at(t) for t in times])
    np.testing.assert_allclose(np.sqrt((motion**2).mean(0)), [0.01] * 3 + [0.004] * 3, rtol=0.15)
    power = (np.abs(np.fft.rfft(motion, axis=0)) ** 2).sum(1)
    f = np.fft.rfftfreq(len(times), 0.01)
    slow, fast = power[(f > 0.1) & (f < 1)].sum(), power[(f > 3) & (f < 7)].sum()
    assert fast < 0.02 * slow
    assert power[(f > 8.5) & (f < 11.5)].sum() > power[(f > 4) & (f < 7)].sum()  # tremor


def test_a_dolly_goes_from_start_to_end():
    path = cameras.dolly(np.zeros(3), np.array([0.2, 0, 0]), TARGET, 2.0)
    np.testing.assert_allclose(path(0.0)[:3, 3], 0)
    np.testing.assert_allclose(path(2.0)[:3, 3], [0.2, 0, 0])
    np.testing.assert_allclose(path(1.0)[:3, 3], [0.1, 0, 0], atol=1e-12)
    with pytest.raises(PalmarError, match="seconds"):
        cameras.dolly(np.zeros(3), np.ones(3), TARGET, 0.0)


def test_an_orbit_keeps_its_distance_and_its_target():
    path = cameras.orbit(TARGET, 0.7, radians_per_second=1.0)
    for time in (0.0, 1.3, 4.0):
        pose = path(time)
        assert np.linalg.norm(pose[:3, 3] - TARGET) == pytest.approx(0.7)
        np.testing.assert_allclose(pose[:3, :3].T @ (TARGET - pose[:3, 3]), [0, 0, 0.7], atol=1e-12)
