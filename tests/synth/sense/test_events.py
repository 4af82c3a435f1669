"""The pixel of an event camera: lists known from the original emulator, rates from the formulas, and laws."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.synth.sense import events as E
from palmar.synth.sense import flow, rgb
from palmar.synth.sense.events import CLEAN, IDEAL, NOISY, EventCamera, Events, Pixel
from palmar.synth.world import shoot


def run(pixel, frames, rng=None):
    """frames: (ms, row of luma) pairs. Events and the camera."""
    camera = EventCamera(pixel, rng)
    parts = [camera.frame(np.array([row], float), ms / 1000) for ms, row in frames]
    return Events.concatenate(parts), camera


def of(events, x, polarity):
    """Times in ms."""
    return events.time_us[(events.x == x) & (events.polarity == polarity)] / 1000


def test_lin_log():
    found = E.lin_log(np.array([0, 1, 10, 20, 21, 50, 100, 200, 255.0]))
    known = [0, 0.1497866, 1.4978662, 2.9957323, 3.0445225, 3.9120230, 4.6051702, 5.2983174, 5.5412636]
    np.testing.assert_allclose(found, known, atol=6e-8)


def test_a_train_of_steps():
    """Independent golden list: the original emulator's, and a second implementation's."""
    frames = [(0, (60, 10)), (5, (90, 25)), (10, (150, 25)), (15, (40, 5)), (20, (40, 5))]
    events, camera = run(IDEAL, frames)
    assert len(events) == 29
    np.testing.assert_allclose(of(events, 0, 1), [0.625, 1.25, 7.5, 10.0], atol=1e-3)
    np.testing.assert_allclose(of(events, 1, 1), 0.625 * np.arange(1, 9), atol=1e-3)
    np.testing.assert_allclose(of(events, 0, -1), 10 + 5 / 11 * np.arange(1, 7), atol=1e-3)
    np.testing.assert_allclose(of(events, 1, -1), 10 + 5 / 11 * np.arange(1, 12), atol=1e-3)
    np.testing.assert_allclose(camera.memory, [[3.6943446, 0.8978661]], atol=1e-7)
    assert (np.diff(events.time_us) >= 0).all()
    assert events.time_us.dtype == np.int64


def test_bandwidth():
    """Independent golden list."""
    pixel = replace(IDEAL, cutoff_hz=30.0)
    frames = [(0, (100, 20)), *((k, (200, 40)) for k in range(1, 41))]
    events, camera = run(pixel, frames)
    np.testing.assert_allclose(of(events, 0, 1), [3, 6, 13], atol=1e-3)
    np.testing.assert_allclose(of(events, 1, 1), [9, 21], atol=1e-3)
    assert not (events.polarity < 0).any()
    np.testing.assert_allclose(camera.memory, [[5.2051702, 3.3957323]], atol=1e-7)


def test_the_low_pass_rises_as_known():
    camera = EventCamera(replace(IDEAL, on=9.0, off=9.0, cutoff_hz=30.0))
    camera.frame(np.array([[100.0]]), 0.0)
    rises = []
    for k in (1, 2, 3):
        camera.frame(np.array([[200.0]]), k / 1000)
        rises.append(camera.level[0, 0] - 4.6051702)
    np.testing.assert_allclose(rises, [0.104524, 0.193286, 0.268664], atol=2e-6)


def test_refractory_time():
    """Independent golden list, and the event that was held back comes in a later frame."""
    frames = [(0, (100, 100)), (10, (200, 100)), (20, (200, 50))]
    free, _ = run(IDEAL, frames)
    np.testing.assert_allclose(of(free, 0, 1), [3.333, 6.667, 10], atol=1e-3)
    np.testing.assert_allclose(of(free, 1, -1), [13.333, 16.667, 20], atol=1e-3)
    held, camera = run(replace(IDEAL, refractory=0.004), frames)
    np.testing.assert_allclose(of(held, 0, 1), [3.333, 10], atol=1e-3)
    np.testing.assert_allclose(of(held, 1, -1), [13.333, 20], atol=1e-3)
    later = camera.frame(np.array([[200.0, 50.0]]), 0.03)
    np.testing.assert_array_equal(of(later, 0, 1), [30])
    np.testing.assert_array_equal(of(later, 1, -1), [30])


def test_a_still_scene_without_noise_is_silent():
    scene = np.random.default_rng(0).uniform(0, 255, (20, 30))
    events, _ = run(CLEAN, [(k, scene[0]) for k in range(50)], np.random.default_rng(1))
    assert len(events) == 0


@pytest.mark.parametrize("ratio", [1.3, 2.7, 0.4])
def test_a_step_gives_its_logarithm_over_the_threshold(ratio):
    camera = EventCamera(IDEAL)
    camera.frame(np.full((8, 9), 60.0), 0.0)
    events = camera.frame(np.full((8, 9), 60.0 * ratio), 0.01)
    each = np.floor(abs(np.log(ratio)) / 0.2)
    assert len(events) == 72 * each
    assert (events.polarity == np.sign(np.log(ratio))).all()
    halved = EventCamera(replace(IDEAL, on=0.4, off=0.4))
    halved.frame(np.full((8, 9), 60.0), 0.0)
    assert len(halved.frame(np.full((8, 9), 60.0 * ratio), 0.01)) == 72 * np.floor(abs(np.log(ratio)) / 0.4)


def test_the_memory_follows_within_a_threshold():
    rng = np.random.default_rng(2)
    camera = EventCamera(CLEAN, rng)
    signal = 60 * np.exp(np.cumsum(rng.normal(0, 0.2, (40, 6, 7)), 0)).clip(0.1, 5)
    start = None
    net = np.zeros((6, 7))
    for k, luma in enumerate(signal):
        events = camera.frame(luma, k / 1000)
        start = camera.level.copy() if start is None else start
        step = np.where(events.polarity > 0, camera.on[events.y, events.x], -camera.off[events.y, events.x])
        np.add.at(net, (events.y, events.x), step)
    gap = camera.level - start - net
    assert (gap < camera.on).all()
    assert (-gap < camera.off).all()
    np.testing.assert_allclose(camera.memory, start + net, atol=1e-9)


def test_leak_alone():
    pixel = replace(IDEAL, leak_hz=2.0)
    events, _ = run(pixel, [(10 * k, (100, 20)) for k in range(306)])
    assert (events.polarity == 1).all()
    for x in (0, 1):
        np.testing.assert_allclose(of(events, x, 1), 500 * np.arange(1, 7), atol=20)
    noisy = replace(IDEAL, leak_hz=2.0, leak_jitter=0.1, leak_spread=0.1)
    camera = EventCamera(noisy, np.random.default_rng(0))
    count = sum(len(camera.frame(np.full((40, 40), 90.0), k / 100)) for k in range(501))
    assert count / 1600 / 5 == pytest.approx(2 * np.exp((0.1 * np.log(10)) ** 2 / 2), rel=0.08)


@pytest.mark.parametrize(("light", "rate"), [(0, 4.73), (128, 2.98), (255, 1.25)])
def test_shot_noise_is_rarer_in_the_light(light, rate):
    camera = EventCamera(replace(IDEAL, shot_hz=5.0), np.random.default_rng(3))
    parts = [camera.frame(np.full((60, 60), float(light)), k * 0.005) for k in range(401)]
    events = Events.concatenate(parts)
    assert events.noise.all()
    assert len(events) / 3600 / 2 == pytest.approx(rate, rel=0.05)
    assert (events.polarity > 0).mean() == pytest.approx(0.5, abs=0.03)


def test_photoreceptor_noise():
    assert E.noise_rms(5.0, 30.0, 0.2) == pytest.approx(0.0643216, rel=1e-5)
    pixel = Pixel(
        sigma=0.0, cutoff_hz=30.0, leak_hz=0.0, shot_hz=5.0, refractory=0.0, photoreceptor_noise=True, on=9.0, off=9.0
    )
    camera = EventCamera(pixel, np.random.default_rng(0))
    for k in range(300):
        camera.frame(np.full((50, 50), 100.0), k / 1000)
    assert camera._noise.std() == pytest.approx(E.noise_rms(5.0, 30.0, 9.0), rel=0.05)
    loud = EventCamera(replace(pixel, on=0.2, off=0.2), np.random.default_rng(0))
    count = sum(len(loud.frame(np.full((50, 50), 100.0), k / 1000)) for k in range(1001))
    assert 1.0 < count / 2500 < 20.0
    with pytest.raises(PalmarError, match="cutoff"):
        replace(CLEAN, photoreceptor_noise=True)


def test_linear_timing_finds_where_a_ramp_crosses():
    pixel = replace(IDEAL, timing="linear")
    known = [10 / 0.9 * 0.2 * np.arange(1, 5), [10 / 0.5 * 0.2, 10 / 0.5 * 0.4]]
    coarse, _ = run(pixel, [(0, (100, 100)), (10, (100 * np.exp(0.9), 100 * np.exp(0.5)))])
    fine, _ = run(pixel, [(k, (100 * np.exp(0.9 * k / 10), 100 * np.exp(k / 20))) for k in range(11)])
    for events in (coarse, fine):  # whatever the frame rate
        for x in (0, 1):
            np.testing.assert_allclose(of(events, x, 1), known[x], atol=2e-3)


def test_the_same_generator_gives_the_same_events():
    frames = [np.random.default_rng(k).uniform(0, 255, (16, 16)) for k in range(20)]

    def all_of(seed):
        camera = EventCamera(NOISY, np.random.default_rng(seed))
        return Events.concatenate([camera.frame(f, k / 1000) for k, f in enumerate(frames)])

    one, two, other = all_of(1), all_of(1), all_of(2)
    np.testing.assert_array_equal(one.time_us, two.time_us)
    np.testing.assert_array_equal(one.x, two.x)
    assert len(one) != len(other) or (one.x != other.x).any()


def test_frames_are_checked():
    camera = EventCamera(IDEAL)
    camera.frame(np.zeros((4, 5)), 0.0)
    with pytest.raises(PalmarError, match="later"):
        camera.frame(np.zeros((4, 5)), 0.0)
    with pytest.raises(PalmarError, match="first frame"):
        camera.frame(np.zeros((5, 4)), 1.0)
    with pytest.raises(PalmarError, match="finite luma"):
        camera.frame(np.full((4, 5), np.nan), 1.0)
    with pytest.raises(PalmarError, match="generator"):
        EventCamera(NOISY)
    with pytest.raises(PalmarError, match="thresholds"):
        Pixel(on=0.0)


def some(times, polarity):
    n = len(times)
    zero = np.zeros(n, np.int16)
    return Events(np.array(times, np.int64), zero, zero, np.array(polarity, np.int8), np.zeros(n, bool), 1, 1)


def test_voxel_grid():
    events = some([0, 250_000, 500_000, 900_000, 1_000_000], [1, 1, -1, 1, -1])
    grid = E.voxel_grid(events, 0, 1_000_000, 5)
    np.testing.assert_allclose(grid[:, 0, 0], [1, 1, -1, 0.4, -0.4], atol=1e-6)
    assert E.voxel_grid(events, 0, 400_000, 5).sum() == pytest.approx(2)
    with pytest.raises(PalmarError, match="bins"):
        E.voxel_grid(events, 0, 0)


def test_counts_and_time_surface():
    events = some([0, 10_000, 40_000], [1, 1, -1])
    np.testing.assert_array_equal(E.count_image(events)[:, 0, 0], [2, 1])
    surface = E.time_surface(events, 30_000, 10_000)
    np.testing.assert_allclose(surface[:, 0, 0], [np.exp(-2), 0], atol=1e-7)


def test_windows():
    events = some(np.arange(10), [1] * 10)
    assert [len(w) for w in E.windows_of_count(events, 4)] == [4, 4]
    far = Events(
        np.arange(10), np.array([0, 40] * 5, np.int16), np.zeros(10, np.int16), np.ones(10, np.int8),
        np.zeros(10, bool), 64, 32,
    )  # fmt: skip
    assert [len(w) for w in E.windows_of_area(far, 2)] == [3, 3, 3]
    assert len(events.between(2, 5)) == 3


@pytest.fixture(scope="module")
def film(scene, view):
    small = E.smaller(view, 96)
    return small, E.record(scene, small, 0.4, 0.04, np.random.default_rng(0), pixel=CLEAN, rate_hz=500)


def test_a_moving_hand_makes_events_where_it_moves(film, scene):
    small, events = film
    assert (small.camera.width, small.camera.height) == (96, 72)
    assert len(events) > 500
    assert events.time_us.min() > 400_000
    assert events.time_us.max() <= 440_000
    moving = flow.flow(shoot(scene, small, 0.4), shoot(scene, small, 0.44)).vectors
    near = np.linalg.norm(moving, axis=-1) > 0.05
    near = cv2.dilate(near.astype(np.uint8), np.ones((7, 7))) > 0
    there = E.count_image(events).sum(0) > 0
    assert there[~near].mean() < 0.05  # only shadows move there
    assert there[near].mean() > 4 * there[~near].mean()


def test_events_add_up_to_the_change_of_light(film, scene):
    small, events = film
    first, last = (E.lin_log(E.luma(rgb.linear(scene, small, t))) for t in (0.4, 0.44))
    on, off = E.count_image(events)
    gap = (last - first) - 0.2 * (on - off)
    assert np.abs(gap).mean() < 0.1
    assert (np.abs(gap) < 0.2 + 0.1 * (on + off)).mean() > 0.99  # one threshold, and their mismatch


def test_straight_lines_between_moments_are_close(scene):
    smooth = E.interpolated(scene, 200.0)
    between, exact = smooth.at(0.4025), scene.at(0.4025)
    for one, two in zip(between.pieces, exact.pieces, strict=True):
        assert np.abs(one.mesh.vertices - two.mesh.vertices).max() < 2e-5
    on_key = smooth.at(0.4)
    np.testing.assert_array_equal(on_key.pieces[0].mesh.vertices, scene.at(0.4).pieces[0].mesh.vertices)
