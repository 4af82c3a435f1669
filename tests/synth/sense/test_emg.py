"""The signal of a band around the forearm: where, when, how loud and how fast muscles show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.optimize
import scipy.signal

from palmar.errors import PalmarError
from palmar.hand import HandModel, limits
from palmar.synth.pose import minimum_jerk, sample_pose
from palmar.synth.sense import emg as E

TIMES = np.arange(0.0, 2.0, 0.01)
QUIET = E.Band(noise=np.full(16, 0.01), tugs=0.0)


def towards(target: np.ndarray, begin: float = 0.6, length: float = 0.3) -> np.ndarray:
    """From rest to the pose, and held there."""
    rest = E.relaxed_angles()
    return rest + minimum_jerk((TIMES - begin) / length)[:, None, None, None] * (target - rest)


def pose(**fingers: float) -> np.ndarray:
    """Fingers bent by so many radians at every joint, the others at rest."""
    out = E.relaxed_angles()
    for finger, bend in fingers.items():
        out[limits.FINGERS.index(finger), :, 0] = bend
    return out


FIST = pose(index=1.5, middle=1.5, ring=1.5, little=1.5, thumb=0.8)
OPEN = pose(index=-0.25, middle=-0.25, ring=-0.25, little=-0.25)


@pytest.fixture(scope="module")
def arm():
    return E.Arm.sample(np.random.default_rng(1))


@pytest.fixture(scope="module")
def fist(arm):
    return E.record(arm, QUIET, TIMES, towards(FIST), np.random.default_rng(0))


def held(recording: E.Recording) -> np.ndarray:
    """RMS of every electrode while the pose is held."""
    return np.sqrt((recording.emg[recording.times > 1.2].astype(float) ** 2).mean(0))


def test_shapes_units_and_times(fist):
    assert fist.emg.shape == (len(fist.times), 16)
    np.testing.assert_allclose(np.diff(fist.times), 0.0005, atol=1e-9)
    assert 5 < held(fist).max() < 500  # microvolts
    assert fist.activation.shape[1] == len(E.NAMES) == 34


def test_the_spectrum_is_that_of_muscle(fist):
    f, power = scipy.signal.welch(fist.emg[2400:], 2000, nperseg=512, axis=0)
    power = scipy.ndimage.uniform_filter1d(power.sum(1), 5)
    assert 50 <= f[power.argmax()] <= 150
    share = np.cumsum(power) / power.sum()
    assert 60 < np.interp(0.5, share, f) < 180
    assert share[np.searchsorted(f, 20)] < 0.02
    assert 1 - share[np.searchsorted(f, 500)] < 0.05


def test_rest_is_silent(arm):
    rest = E.record(arm, QUIET, TIMES, np.repeat(E.relaxed_angles()[None], len(TIMES), 0), np.random.default_rng(0))
    assert rest.activation.max() < 1e-6
    assert held(rest).max() < 0.02
    noisy = E.record(arm, E.Band(), TIMES, np.repeat(E.relaxed_angles()[None], len(TIMES), 0), np.random.default_rng(0))
    np.testing.assert_allclose(held(noisy), 2.5, rtol=0.1)  # the noise that was asked for, after the filter


def test_the_normalised_signal_has_a_noise_floor_of_one(arm):
    band = E.Band.sample(np.random.default_rng(4))
    band = replace(band, hum=np.zeros(16))
    still = np.repeat(E.relaxed_angles()[None], len(TIMES), 0)
    quiet = E.normalised(E.record(arm, band, TIMES, still, np.random.default_rng(0)), band)
    np.testing.assert_allclose(quiet[400:].std(0), 1.0, rtol=0.12)
    loud = E.normalised(E.record(arm, band, TIMES, towards(FIST), np.random.default_rng(0)), band)
    assert loud[3000:].std(0).max() > 3


@pytest.mark.parametrize("side", [0, 1])
def test_flexors_show_on_the_palm_side_and_extensors_on_the_back(side):
    for seed in range(3):
        arm = E.Arm.sample(np.random.default_rng(seed), side)
        turn = QUIET.angles(side) * (1 if side == 1 else -1)
        bent = E.record(arm, QUIET, TIMES, towards(pose(middle=1.5)), np.random.default_rng(0))
        flexors = [m for m, n in enumerate(E.NAMES) if n.startswith(("fdp", "fds"))]
        assert bent.activation[-1, flexors].sum() > 0.5 * bent.activation[-1].sum()
        palm = held(bent)
        anatomical = np.degrees(turn) % 360
        straight = held(E.record(arm, QUIET, TIMES, towards(pose(middle=-0.3)), np.random.default_rng(0)))
        back = (anatomical > 235) & (anatomical < 325)
        front = (anatomical > 55) & (anatomical < 145)
        assert straight[back].mean() > 2 * straight[front].mean()
        assert (palm[front].mean() / palm[back].mean()) > 2 * (straight[front].mean() / straight[back].mean())


def test_each_finger_has_its_own_pattern(arm):
    def pattern(finger, seed):
        found = held(E.record(arm, QUIET, TIMES, towards(pose(**{finger: 1.5})), np.random.default_rng(seed)))
        return np.log(found) - np.log(found).mean()

    first = np.array([pattern(f, 0) for f in limits.FINGERS])
    again = np.array([pattern(f, 1) for f in limits.FINGERS])
    alike = np.corrcoef(first, again)[:5, 5:]
    assert (alike.argmax(1) == np.arange(5)).all()
    assert np.diag(alike).min() > 0.95


def test_a_person_is_like_himself_and_less_like_others():
    rows = []
    for person in range(4):
        arm = E.Arm.sample(np.random.default_rng(person))
        for k in range(2):
            rng = np.random.default_rng(k)
            found = [E.record(arm, QUIET, TIMES[:150], towards(p)[:150], rng) for p in (FIST, OPEN, pose(index=1.5))]
            rows.append(np.concatenate([np.log(held(f)) for f in found]))
    alike = np.corrcoef(rows)
    same = np.array([alike[2 * p, 2 * p + 1] for p in range(4)])
    others = np.array([alike[2 * p, 2 * q + 1] for p in range(4) for q in range(4) if p != q])
    assert same.min() > 0.97
    assert others.max() < same.min()
    assert others.mean() > 0.3  # all are people


def test_a_turned_band_sees_the_pattern_turned(arm):
    turned = replace(QUIET, rotation=2 * np.pi / 16)
    one = np.log(held(E.record(arm, QUIET, TIMES, towards(FIST), np.random.default_rng(0))))
    two = np.log(held(E.record(arm, turned, TIMES, towards(FIST), np.random.default_rng(0))))
    assert np.corrcoef(one, np.roll(two, 1))[0, 1] > 0.999
    assert np.corrcoef(one, two)[0, 1] < 0.9


def test_the_signal_leads_the_motion(arm):
    drive = E.activations(arm, E.axes_of(towards(FIST)), 0.01)
    muscle = drive[:, E.NAMES.index("fdp_middle")]
    bend = towards(FIST)[:, 2, 0, 0]
    half = lambda x: TIMES[np.argmax(x > x[0] + 0.3 * (x.max() - x[0]))]  # noqa: E731
    assert 0.02 < half(bend) - half(muscle) < 0.2


def test_grip_makes_it_louder(arm):
    grip = np.full((len(TIMES), 5), 5.0)
    loud = E.record(arm, QUIET, TIMES, towards(FIST), np.random.default_rng(0), grip=grip)
    soft = E.record(arm, QUIET, TIMES, towards(FIST), np.random.default_rng(0))
    assert held(loud).mean() > 1.15 * held(soft).mean()


def test_linear_regression_on_loudness_finds_the_angles():
    """Ridge regression of flexion from log RMS: within a person far better than the mean, across people worse."""

    def data(person, seed, seconds):
        times = np.arange(0, seconds, 0.02)
        rng = np.random.default_rng((person, seed))
        arm = E.Arm.sample(np.random.default_rng((person, 77)))
        poses = [E.relaxed_angles(), *(sample_pose(rng).angles for _ in range(44))]
        k = np.minimum((times / 0.65).astype(int), len(poses) - 2)
        share = minimum_jerk(np.clip((times / 0.65 - k) / 0.7, 0, 1))[:, None, None, None]
        angles = np.array(poses)[k] * (1 - share) + np.array(poses)[k + 1] * share
        found = E.record(arm, E.Band(), times, angles, rng)
        loud = np.log(E.loudness(found.emg, 200))
        at = np.interp((np.arange(len(loud)) + 0.5) * 0.1, times, np.arange(len(times))).astype(int)
        past = np.concatenate([loud[1:], loud[:-1], np.ones((len(loud) - 1, 1))], 1)
        return past, angles[at][1:, 1:, 0, 0]

    x, y = data(0, 0, 26.0)
    solve = np.linalg.solve(x.T @ x + 3.0 * np.eye(x.shape[1]), x.T @ (y - y.mean(0)))

    def explained(a, b):
        return 1 - ((b - y.mean(0) - a @ solve) ** 2).sum() / ((b - y.mean(0)) ** 2).sum()

    test = data(0, 1, 12.0)
    same = explained(*test)
    other = explained(*data(1, 1, 12.0))
    assert same > 0.3
    assert other < same - 0.1
    assert explained(test[0], np.random.default_rng(0).permutation(test[1])) < 0.05


# ----------------------------------------------------------------------------------------------------- step by step


def test_shares_make_the_torques_and_match_an_independent_solver():
    full = E.lever()
    wanted = np.array([E.JOINTS[:, 1] * (E.axes_of(p[None])[0] - E.RELAXED) for p in (FIST, OPEN, pose(index=1.2))])
    found = E.share(wanted, full)
    weight = 1 / np.abs(full).sum(1)
    for goal, a in zip(wanted, found, strict=True):
        rows = np.concatenate([full * weight[:, None], np.sqrt(3e-3) * np.eye(full.shape[1])])
        right = np.concatenate([goal * weight, np.zeros(full.shape[1])])
        known = scipy.optimize.lsq_linear(rows, right, (0, 1), tol=1e-12).x
        np.testing.assert_allclose(a, known, atol=2e-3)
        assert np.abs(weight * (full @ a - goal)).max() < 0.03
    assert (found >= 0).all()
    assert (found <= 1).all()


def test_a_fist_needs_the_wrists_extensors(arm):
    drive = E.activations(arm, E.axes_of(towards(FIST)), 0.01)[-1]
    extensors = sum(drive[E.NAMES.index(n)] for n in ("ecrb", "ecu", "ecrl"))
    flexors = sum(drive[E.NAMES.index(n)] for n in ("fcr", "fcu", "pl"))
    assert extensors > 2 * flexors


def test_small_units_come_first_and_rates_stay_in_range():
    p = E.pool()
    assert (np.diff(p.threshold) > 0).all()
    assert p.threshold[-1] == pytest.approx(30)
    assert p.force[-1] == pytest.approx(100)
    low = E.rates(np.array([3.0]))[0]
    assert (low > 0).sum() == (p.threshold <= 3).sum()
    assert (np.diff(low) <= 0).all()  # the first recruited is the fastest
    most = E.rates(np.array([p.most]))[0]
    assert most.max() == pytest.approx(35, abs=0.5)
    assert most.min() == pytest.approx(25, abs=0.5)
    assert set(np.unique(E.rates(np.array([0.5])))) == {0.0}


def test_excitation_grows_with_activation():
    e = E.excitation_of(np.linspace(0, 1, 50))
    assert e[0] == 0
    assert (np.diff(e) > 0).all()
    assert e[-1] == pytest.approx(E.pool().most)


def test_deep_units_are_smaller_and_slower(arm):
    waves = E.potentials(arm, QUIET)
    size = np.ptp(waves, axis=-1)
    m = E.NAMES.index("edc_middle")
    strongest = size[m].argmax(1)
    angle = np.degrees(QUIET.angles(1))[strongest] % 360
    assert np.median(np.abs((angle - 290 + 180) % 360 - 180)) < 40
    # The far side of the arm sees the same unit weaker, and less of its high frequencies.
    near = waves[m, -1, strongest[-1]].astype(float)
    far = waves[m, -1, (strongest[-1] + 8) % 16].astype(float)
    assert np.ptp(far) < 0.2 * np.ptp(near)
    f = np.fft.rfftfreq(E.POTENTIAL, 1 / 4000)

    def middle(wave):
        power = np.abs(np.fft.rfft(wave)) ** 2
        return (f * power).sum() / power.sum()

    assert middle(far) < 0.8 * middle(near)
    in_hand = [k for k, muscle in enumerate(E.MUSCLES) if muscle.ends < 0]
    assert size[in_hand].max() < 0.15 * size.max()


def test_hum_is_at_the_mains(arm):
    still = np.repeat(E.relaxed_angles()[None], len(TIMES), 0)
    band = replace(QUIET, hum=np.full(16, 3.0), mains=60.0)
    found = E.record(arm, band, TIMES, still, np.random.default_rng(0))
    f, power = scipy.signal.welch(found.emg[:, 0], 2000, nperseg=2000)
    assert f[power.argmax()] == pytest.approx(60, abs=1)
    assert power[np.abs(f - 180) < 2].max() > 20 * power[np.abs(f - 120) < 2].max()


def test_the_same_generator_gives_the_same_signal(arm, fist):
    again = E.record(arm, QUIET, TIMES, towards(FIST), np.random.default_rng(0))
    np.testing.assert_array_equal(again.emg, fist.emg)
    other = E.record(arm, QUIET, TIMES, towards(FIST), np.random.default_rng(1))
    assert np.abs(other.emg - fist.emg).max() > 1
    one, two = (E.Arm.sample(np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one.unit_shift, two.unit_shift)


@pytest.mark.parametrize("side", [0, 1])
def test_angles_come_back_from_rotations(side):
    model = HandModel.default(side)
    rng = np.random.default_rng(0)
    angles = np.stack([sample_pose(rng).angles for _ in range(20)])
    back = E.angles_from_rotations(model, model.rotations_from_angles(angles))
    np.testing.assert_allclose(back, angles, atol=1e-6)


def test_hands_of_a_scene_are_followed(scene):
    times, angles, grip = E.follow(scene, 2, 0.0, 1.0)
    assert len(times) == len(angles) == len(grip) == 101
    assert angles[-1, 1, 0, 0] - angles[0, 1, 0, 0] > 0.8  # the fist closes
    assert (grip == 0).all()
    with pytest.raises(PalmarError, match="number 9"):
        E.follow(scene, 9, 0.0, 0.1)

    def at(time):
        moment = scene.at(time)
        return replace(moment, hands=tuple(replace(h, holds=4 if time > 0.5 else 0) for h in moment.hands))

    _, _, grip = E.follow(replace(scene, at=at), 2, 0.0, 1.0)
    assert grip[0].max() == 0
    assert grip[-1].min() == pytest.approx(3.0)
    assert (np.diff(grip[:, 0]) >= -1e-9).all()


def test_uneven_times_are_refused(arm):
    with pytest.raises(PalmarError, match="evenly"):
        E.record(arm, QUIET, np.array([0.0, 0.1, 0.3]), np.zeros((3, 5, 3, 3)), np.random.default_rng(0))
