"""Filters against the definition written with loops, SciPy's rotations, and the laws a filter must keep."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from palmar.tracking.smooth import (
    OneEuro,
    PointFilter,
    RotationFilter,
    RunningMean,
    multiply,
    quaternion_from_rotmat,
    quaternion_from_rotvec,
    rotmat_from_quaternion,
    rotvec_from_quaternion,
)

CONFIG = OneEuro(min_cutoff=1.3, beta=0.7, d_cutoff=0.9)


def plain_one_euro(values, times, config, unit=1.0, cutoff_scale=1.0):
    """Casiez et al. 2012, for one vector over time, speed as its length in units: loops and scalars only."""

    def alpha(cutoff, dt):
        tau = 1 / (2 * math.pi * cutoff)
        return 1 / (1 + tau / dt)

    out, rate = [list(values[0])], [0.0] * len(values[0])
    for k in range(1, len(values)):
        dt = times[k] - times[k - 1]
        new = []
        for i, last in enumerate(out[-1]):
            rate[i] += alpha(config.d_cutoff, dt) * ((values[k][i] - last) / dt - rate[i])
        speed = math.sqrt(sum(r * r for r in rate)) / unit
        a = alpha(config.min_cutoff * cutoff_scale + config.beta * speed, dt)
        for i, last in enumerate(out[-1]):
            new.append(a * values[k][i] + (1 - a) * last)
        out.append(new)
    return np.array(out)


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 12))
@settings(max_examples=20, deadline=None)
def test_points_are_filtered_by_the_definition(seed, slots, frames):
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 50, (frames, slots, 4, 2)).cumsum(0)
    times = rng.uniform(0.005, 0.1, (frames, slots)).cumsum(0)
    unit, scale = rng.uniform(10, 200, slots), rng.uniform(0.5, 2, (slots, 4))
    filtered = PointFilter(CONFIG, slots, (4, 2))
    out = np.stack(
        [
            filtered.step(np.arange(slots), values[k], times[k] - times[k - 1] if k else np.zeros(slots), unit, scale)
            for k in range(frames)
        ]
    )
    for s in range(slots):
        for j in range(4):
            np.testing.assert_allclose(
                out[:, s, j],
                plain_one_euro(values[:, s, j], times[:, s], CONFIG, unit[s], scale[s, j]),
                rtol=1e-9,
                atol=1e-9,
            )


def plain_rotation_filter(rotations, times, config):
    """The same on SO(3) with SciPy: the change is a rotation vector in the rotating body."""
    out, rate = [rotations[0]], np.zeros(3)
    for k in range(1, len(rotations)):
        dt = times[k] - times[k - 1]
        change = (out[-1].inv() * rotations[k]).as_rotvec()
        rate = rate + (change / dt - rate) / (1 + 1 / (2 * math.pi * config.d_cutoff * dt))
        cutoff = config.min_cutoff + config.beta * np.linalg.norm(rate)
        out.append(out[-1] * Rotation.from_rotvec(change / (1 + 1 / (2 * math.pi * cutoff * dt))))
    return np.stack([r.as_matrix() for r in out])


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-7, 0.1, 1.0, 3.0]))
@settings(max_examples=20, deadline=None)
def test_rotations_are_filtered_by_the_definition(seed, size):
    rng = np.random.default_rng(seed)
    truth = [[Rotation.random(random_state=rng.integers(2**31)) for _ in range(3)]]
    for _ in range(8):
        truth.append([r * Rotation.from_rotvec(size * rng.normal(size=3)) for r in truth[-1]])
    times = rng.uniform(0.01, 0.1, 9).cumsum()
    filtered = RotationFilter(CONFIG, 4, 3)
    out = []
    for k in range(9):
        q = quaternion_from_rotmat(np.stack([r.as_matrix() for r in truth[k]]))[None]
        q = q * rng.choice([-1.0, 1.0], (1, 3, 1))  # both signs are the same rotation
        dt = np.array([times[k] - times[k - 1] if k else 0.0])
        out.append(rotmat_from_quaternion(filtered.step(np.array([2]), q, dt))[0])
    for j in range(3):
        plain = plain_rotation_filter([frame[j] for frame in truth], times, CONFIG)
        np.testing.assert_allclose(np.stack(out)[:, j], plain, atol=1e-7)


def test_a_filtered_rotation_lies_on_the_way():
    half_turn = (
        quaternion_from_rotvec(np.array([[[0.0, 0.0, 0.0]]])),
        quaternion_from_rotvec(np.array([[[0.0, 1.2, 0.0]]])),
    )
    filtered = RotationFilter(OneEuro(1.0, 0.0), 1, 1)
    slot = np.array([0])
    filtered.step(slot, half_turn[0], np.zeros(1))
    out = rotvec_from_quaternion(filtered.step(slot, half_turn[1], np.array([1 / 30])))[0, 0]
    r = 2 * np.pi / 30
    np.testing.assert_allclose(out, [0, 1.2 * r / (1 + r), 0], atol=1e-12)


def test_what_does_not_move_is_not_moved_and_what_is_new_passes():
    filtered = PointFilter(CONFIG, 3, (2, 2))
    slots, value = np.array([2, 0]), np.arange(8.0).reshape(2, 2, 2)
    for _ in range(3):
        np.testing.assert_allclose(filtered.step(slots, value, np.full(2, 0.03)), value, atol=1e-12)
    assert not np.allclose(filtered.step(slots, value + 5, np.full(2, 0.03)), value + 5)
    filtered.reset(0)
    out = filtered.step(slots, value + 9, np.full(2, 0.03))
    np.testing.assert_allclose(out[1], value[1] + 9)
    assert not np.allclose(out[0], value[0] + 9)


def test_slots_do_not_see_each_other():
    rng = np.random.default_rng(0)
    values, dt = rng.normal(size=(10, 2, 3, 2)), np.full(2, 0.03)
    both, alone = PointFilter(CONFIG, 2, (3, 2)), PointFilter(CONFIG, 2, (3, 2))
    for k in range(10):
        one = both.step(np.array([0, 1]), values[k], dt)[1]
        np.testing.assert_array_equal(one, alone.step(np.array([1]), values[k, 1:], dt[1:])[0])


def test_a_time_step_of_zero_is_finite_and_changes_little():
    filtered = PointFilter(CONFIG, 1, (1, 2))
    slot = np.array([0])
    filtered.step(slot, np.zeros((1, 1, 2)), np.zeros(1))
    out = filtered.step(slot, np.ones((1, 1, 2)), np.zeros(1))
    assert np.isfinite(out).all()
    assert 0 < out[0, 0, 0] < 0.2


def test_half_the_frames_give_nearly_the_same_signal():
    """Real seconds count: a slow sine sampled at 60 and at 30 frames per second comes out alike."""
    fine, coarse = PointFilter(CONFIG, 1, (1, 2)), PointFilter(CONFIG, 1, (1, 2))
    slot, worst = np.array([0]), 0.0
    for k in range(240):
        value = np.full((1, 1, 2), math.sin(2 * math.pi * 0.5 * k / 60))
        a = fine.step(slot, value, np.array([1 / 60]))
        if k % 2 == 0:
            b = coarse.step(slot, value, np.array([1 / 30]))
            worst = max(worst, float(np.abs(a - b).max()))
    assert worst < 0.05


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0.01, 1)), min_size=1, max_size=20))
@settings(max_examples=30, deadline=None)
def test_the_running_mean_is_the_weighted_mean(pairs):
    mean = RunningMean(2, 3, memory=1e9)
    mean.reset(1)
    for value, weight in pairs:
        out = mean.step(np.array([1]), np.full((1, 3), value), np.array([weight]))
    np.testing.assert_allclose(out[0], np.average([v for v, _ in pairs], weights=[w for _, w in pairs]), atol=1e-9)


def test_the_running_mean_forgets_in_the_end():
    mean = RunningMean(1, 1, memory=50.0)
    for value in [1.0] * 20 + [0.0] * 500:
        out = mean.step(np.array([0]), np.array([[value]]), np.ones(1))
    assert out[0, 0] < 1e-3


@pytest.mark.parametrize("batch", [(), (1,), (3, 2)])
@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-4, 1.0, np.pi - 1e-6, np.pi])
def test_quaternions_agree_with_scipy(batch, angle):
    rng = np.random.default_rng(0)
    axis = rng.normal(size=(*batch, 3))
    rotvec = angle * axis / np.linalg.norm(axis, axis=-1, keepdims=True)
    scipy = Rotation.from_rotvec(rotvec.reshape(-1, 3))
    matrix = scipy.as_matrix().reshape(*batch, 3, 3)
    np.testing.assert_allclose(rotmat_from_quaternion(quaternion_from_rotvec(rotvec)), matrix, atol=1e-14)
    np.testing.assert_allclose(rotmat_from_quaternion(quaternion_from_rotmat(matrix)), matrix, atol=1e-12)
    back = rotvec_from_quaternion(quaternion_from_rotmat(matrix))
    np.testing.assert_allclose(
        Rotation.from_rotvec(back.reshape(-1, 3)).as_matrix().reshape(*batch, 3, 3), matrix, atol=1e-12
    )
    assert (np.linalg.norm(back, axis=-1) <= np.pi + 1e-12).all()
    other = Rotation.random(int(np.prod(batch, dtype=int)), random_state=1)
    product = multiply(quaternion_from_rotvec(rotvec), other.as_quat().reshape(*batch, 4))
    np.testing.assert_allclose(product.reshape(-1, 4), (scipy * other).as_quat(), atol=1e-14)
