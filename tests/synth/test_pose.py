"""Poses, viewpoints and motions: shares, limits, coupling, determinism, and what shapes do on the hand model."""

import re

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.transform import Rotation

from palmar.errors import PalmarError
from palmar.hand import HandModel, limits
from palmar.synth import gestures, pose
from palmar.synth.pose import minimum_jerk, sample_motion, sample_orientation, sample_pose

FINGERS_HAND, PALM_HAND, THUMB_HAND = np.array([-1.0, 0, 0]), np.array([0, -1.0, 0]), np.array([0, 0, 1.0])
"""Where the right hand's fingers, palm and thumb look, in its rest frame."""


def many(sampler, n: int, seed: int = 0) -> list:
    return [sampler(np.random.default_rng((seed, i))) for i in range(n)]


def joints(angles: np.ndarray) -> np.ndarray:
    model = HandModel.default()
    return model.shaped(np.zeros(10)).posed(model.rotations_from_angles(angles)).joints()


@pytest.fixture(scope="module")
def poses() -> list[pose.Pose]:
    return many(sample_pose, 3000)


# Poses.


def test_shares_of_the_mixture(poses):
    assert sum(pose.MIXTURE.values()) == pytest.approx(1)
    assert tuple(pose.MIXTURE) == pose.KINDS
    for kind, share in pose.MIXTURE.items():
        found = sum(p.kind == kind for p in poses)
        assert stats.binomtest(found, len(poses), share).pvalue > 1e-4, (kind, found / len(poses))


def test_parts_of_grasps_and_extremes_add_up(poses):
    for table, kind in ((pose.GRASPS, "grasp"), (pose.EXTREMES, "extreme")):
        assert sum(share for share, _ in table.values()) == pytest.approx(1)
        assert {p.name for p in poses if p.kind == kind} == set(table)


def test_closed_hands_are_closed(poses):
    closed = [p for p in poses if p.kind == "closed"]
    assert {p.name for p in closed} == set(pose.CLOSED)
    bent = np.array([np.degrees(p.angles[1:, :, 0].sum(1)) for p in closed])
    assert np.median(bent) > 170
    assert np.median((bent > 100).sum(1)) == 4


def test_every_pose_is_possible(poses):
    for p in poses:
        assert p.angles.shape == (5, 3, 3)
        assert limits.inside(p.angles, lax=p.kind == "extreme"), p
    beyond = [not limits.inside(p.angles) for p in poses if p.kind == "extreme"]
    assert np.mean(beyond) > 0.4                                  # or they were no extremes


@pytest.mark.parametrize("sampler", [*pose.SAMPLERS.values(), sample_pose])
def test_a_pose_is_a_function_of_the_generator(sampler):
    np.random.seed(1)  # noqa: NPY002
    first = many(sampler, 60)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    for a, b in zip(first, many(sampler, 60), strict=True):
        np.testing.assert_array_equal(a.angles, b.angles)
        assert (a.kind, a.name) == (b.kind, b.name)
    np.random.seed(1)  # noqa: NPY002
    np.testing.assert_array_equal(np.random.get_state()[1], state)          # nor does it touch the global one  # noqa: NPY002
    assert len({p.angles.tobytes() for p in first}) == 60


def test_no_pose_is_changed_by_the_next():
    a = sample_pose(np.random.default_rng(3))
    before = a.angles.copy()
    a.angles[:] = 9.0
    np.testing.assert_array_equal(sample_pose(np.random.default_rng(3)).angles, before)
    gestures.shape("fist")[:] = 9.0
    assert limits.inside(gestures.shape("fist"))


def test_synergies_move_fingers_together():
    angles = np.stack([p.angles for p in many(pose.sample_synergy, 1500)])
    pip = angles[:, 1:, 1, 0]
    together = np.corrcoef(pip.T)
    assert together[np.triu_indices(4, 1)].min() > 0.25
    assert together[0, 1] > 0.5
    dip = angles[:, 1:, 2, 0]
    assert np.median(np.abs(dip - limits.dip_from_pip(pip))) < np.radians(10)


def test_independent_joints_fill_their_ranges_and_are_coupled_where_a_hand_is():
    drawn = many(pose.sample_independent, 2500)
    angles = np.stack([p.angles for p in drawn])
    low, high = limits.bounds()
    for finger, joint in ((0, 1), (0, 2), (1, 0), (1, 1), (3, 0), (4, 0), (4, 1)):
        share = (angles[:, finger, joint, 0] - low[finger, joint, 0]) / (high - low)[finger, joint, 0]
        assert stats.kstest(share, "uniform").pvalue > 1e-4, (finger, joint)
    assert abs(np.corrcoef(angles[:, 1, 1, 0], angles[:, 2, 1, 0])[0, 1]) < 0.08
    ring, little = angles[:, 3, 0, 0], angles[:, 4, 0, 0]
    assert 0.6 < stats.spearmanr(ring, little).statistic < 0.76             # a Gaussian copula of 0.7 gives 0.68

    coupled = np.array([p.name == "coupled" for p in drawn])
    assert stats.binomtest(int(coupled.sum()), len(drawn), 0.8).pvalue > 1e-4
    middle = (angles[:, 1, 1, 0] > 0.5) & (angles[:, 1, 1, 0] < 1.7)        # where clipping is rare
    residual = (angles[:, 1, 2, 0] - 2 / 3 * angles[:, 1, 1, 0])
    assert np.degrees(residual[coupled & middle].std()) == pytest.approx(8, abs=0.8)
    assert abs(np.degrees(residual[coupled & middle].mean())) < 1
    free = ~coupled & middle
    assert abs(np.corrcoef(angles[free, 1, 1, 0], angles[free, 1, 2, 0])[0, 1]) < 0.2


def test_abduction_is_wide_on_straight_fingers_only():
    angles = np.stack([p.angles for p in many(pose.sample_independent, 1500)])
    little, bent = np.abs(angles[:, 4, 0, 1]), angles[:, 4, 0, 0]
    assert little[bent < 0.2].max() > np.radians(20)
    assert little[bent > np.radians(80)].max() < np.radians(25 * (1 - 0.8 * 80 / 90) + 1e-6)


def test_library_noise():
    drawn = many(pose.sample_library, 1500)
    assert len({p.name for p in drawn}) > 0.97 * len(gestures.NAMES)
    shapes = np.stack([gestures.shape(p.name) for p in drawn])
    off = np.degrees(np.stack([p.angles for p in drawn]) - shapes)
    inner = np.abs(np.degrees(shapes[:, 1:, 1, 0]) - 55) < 28                # PIP joints that no limit holds back
    assert off[:, 1:, 1, 0][inner].std() == pytest.approx(8, abs=0.5)
    assert abs(off[:, 1:, 1, 0][inner].mean()) < 0.6
    assert 1 < off[:, 1:, 0, 1].std() < 4.3


def test_wrapped_fingers_lie_on_a_circle():
    """The chain laid out in its plane, from the palm on: all joints and the finger's end are as far from the axis."""
    for radius in (0.1, 0.15, 0.3):
        r = radius + pose._PAD
        for lengths, bend in zip(pose._PHALANGES, pose.wrap(radius), strict=True):
            half = pose._PALM / 2
            here, heading = np.array([half, np.sqrt(r**2 - half**2)]), 0.0                # the palm is a level chord
            for length, turn in zip(lengths, bend, strict=True):
                assert np.linalg.norm(here) == pytest.approx(r, rel=1e-9)
                heading -= turn
                here = here + length * np.array([np.cos(heading), np.sin(heading)])
            assert np.linalg.norm(here) == pytest.approx(r, rel=1e-9)
    assert np.all(pose.wrap(0.1) > pose.wrap(0.2))
    assert np.all(np.isfinite(pose.wrap(0.0)))


# The library of shapes.


def test_the_library_is_large_and_within_limits():
    assert len(gestures.NAMES) >= 120
    assert len(set(gestures.NAMES)) == len(gestures.NAMES)
    for name in gestures.NAMES:
        assert limits.inside(gestures.shape(name)), name
    letters = {name.split()[1] for name in gestures.NAMES if re.fullmatch("letter [A-Z]", name)}
    assert letters == set("ABCDEFGHIKLMNOPRSTUVWXY")                        # Q is G, J and Z are I and a point, moved
    with pytest.raises(PalmarError, match=r"Did you mean thumb up"):
        gestures.shape("thumb upp")


def test_every_state_is_used():
    words = " ".join(line.partition("|")[2] for line in gestures.SHAPES.values()).split()
    thumbs = {line.split("|")[0].strip() for line in gestures.SHAPES.values()}
    assert set(gestures.FINGER) | set(gestures.MEETING) | set(gestures.SPREAD) | {"|"} == set(words)
    assert set(gestures.THUMB) == thumbs


@pytest.mark.parametrize(("name", "up"), [
    ("point", "index"), ("count 2", "index middle"), ("count 3", "index middle ring"), ("horns", "index little"),
    ("count 4", "index middle ring little"), ("letter I", "little"), ("letter W", "index middle ring"), ("fist", ""),
    ("letter Y", "little"), ("count 3 ring", "middle ring little"), ("middle finger", "middle"), ("thumb up", ""),
    ("count 4 japan", "little"),
])
def test_the_right_fingers_stand_up(name, up):
    """On the hand model: a finger stands if its tip is far from the wrist."""
    points = joints(gestures.shape(name))
    reach = -points[[8, 12, 16, 20], 0] / -joints(np.zeros((5, 3, 3)))[[8, 12, 16, 20], 0]
    standing = {finger for finger, r in zip(limits.FINGERS[1:], reach, strict=True) if r > 0.9}
    assert standing == set(up.split())


@pytest.mark.parametrize(("name", "tip"), [
    ("ok", 8), ("pinch", 8), ("letter F", 8), ("count 8 asl", 12), ("count 7 asl", 16), ("count 6 asl", 20),
    ("purse", 8), ("letter O", 12),
])
def test_the_thumb_meets_the_finger(name, tip):
    points = joints(gestures.shape(name))
    assert np.linalg.norm(points[4] - points[tip]) < 0.022                  # pulps on each other
    others = [t for t in (8, 12, 16, 20) if t != tip]
    if name.startswith(("count", "ok", "letter F")):
        assert np.linalg.norm(points[others] - points[4], axis=1).min() > 0.028


def test_thumbs_point_where_their_names_say():
    def direction(name):
        points = joints(gestures.shape(name))
        along = points[4] - points[2]
        return along / np.linalg.norm(along)

    assert direction("thumb up")[2] > 0.75                                  # to the thumb's side, off the fist
    assert direction("letter L")[2] > 0.75
    assert direction("stop")[0] < -0.8                                      # along the fingers
    assert direction("count 4")[2] < -0.35                                  # across the palm
    assert direction("hold cylinder large")[1] < -0.6                       # out of the palm


def test_a_fist_closes_and_a_flat_hand_lies_flat():
    fist, flat = joints(gestures.shape("fist")), joints(gestures.shape("flat"))
    tips = [8, 12, 16, 20]
    assert np.linalg.norm(fist[tips] - fist[9], axis=1).max() < 0.06
    assert np.abs(flat[tips, 1] - flat[[5, 9, 13, 17], 1]).max() < 0.02
    assert np.all(np.diff(flat[tips, 2]) < -0.01)                           # index to little, from the thumb's side


# Viewpoints.


def test_orientations_are_rotations_and_functions_of_the_generator():
    looks = np.stack(many(sample_orientation, 400))
    np.testing.assert_allclose(looks @ looks.transpose(0, 2, 1), np.broadcast_to(np.eye(3), looks.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(looks), 1.0)
    np.testing.assert_array_equal(looks, np.stack(many(sample_orientation, 400)))
    assert len({x.tobytes() for x in looks}) == 400


def test_uniform_views_are_uniform():
    looks = np.stack(many(pose.uniform_view, 1500))
    assert stats.kstest(looks[:, 2, 0], stats.uniform(-1, 2).cdf).pvalue > 1e-4      # as heights on a sphere are
    angle = Rotation.from_matrix(looks).magnitude()
    assert stats.kstest(angle, lambda a: (a - np.sin(a)) / np.pi).pvalue > 1e-4           # Haar measure


def test_webcam_views_show_raised_hands():
    looks = np.stack(many(pose.webcam_view, 1500))
    fingers, palm, thumb = looks @ FINGERS_HAND, looks @ PALM_HAND, looks @ THUMB_HAND
    mean = fingers.mean(0)
    assert mean[1] < -0.5                                                                 # up is -y of the camera
    assert np.abs(mean[[0, 2]]).max() < 0.1
    assert np.degrees(np.abs(np.arctan2(fingers[:, 0], -fingers[:, 1]))).max() < 60 + 1e-6
    towards = palm[:, 2] < 0                                                              # the palm looks to the camera
    assert stats.binomtest(int(towards.sum()), len(looks), pose.PALM_SHARE).pvalue > 1e-4
    assert np.abs(palm[:, 2]).min() > np.cos(np.radians(70)) ** 2 - 1e-9
    assert palm[towards].mean(0)[2] == pytest.approx(-(np.sin(limit := np.radians(70)) / limit) ** 2, abs=0.03)
    assert thumb[towards].mean(0)[0] > 0.4                # a right palm: the thumb on the image's right
    assert thumb[~towards].mean(0)[0] < -0.4


def test_desk_views_show_the_back_of_the_hand():
    looks = np.stack(many(pose.desk_view, 1000))
    assert np.all((looks @ PALM_HAND)[:, 2] > 0)                                          # away from the camera
    fingers = looks @ FINGERS_HAND
    assert fingers[:, 2].mean() > 0.3                                                     # into the scene
    assert (fingers[:, 0] < 0).mean() > 0.6                                               # a right hand's lean left


def test_shares_of_the_views():
    assert sum(pose.VIEWS.values()) == pytest.approx(1)
    looks = np.stack(many(sample_orientation, 3000))
    towards = int(((looks @ PALM_HAND)[:, 2] < 0).sum())
    expected = 0.5 * pose.VIEWS["uniform"] + pose.PALM_SHARE * pose.VIEWS["webcam"]
    assert stats.binomtest(towards, len(looks), expected).pvalue > 1e-4
    up = (looks @ FINGERS_HAND)[:, 1] < -0.5
    assert 0.35 < up.mean() < 0.75


# Motion.


def test_minimum_jerk_is_the_quintic_with_resting_ends():
    """The six conditions (place, speed, acceleration at both ends) solved for a polynomial's coefficients."""
    powers = np.arange(6)
    rows = []
    for t in (0.0, 1.0):
        for derivative in range(3):
            falling = [np.prod(np.arange(p, p - derivative, -1)) for p in powers]
            rows.append([k * t ** max(p - derivative, 0) for k, p in zip(falling, powers, strict=True)])
    coefficients = np.linalg.solve(np.array(rows, float), [0, 0, 0, 1, 0, 0])
    t = np.linspace(0, 1, 101)
    np.testing.assert_allclose(minimum_jerk(t), np.polynomial.polynomial.polyval(t, coefficients), atol=1e-12)
    np.testing.assert_array_equal(minimum_jerk(np.array([-0.5, 0.0, 1.0, 3.0])), [0, 0, 1, 1])
    assert np.all(np.diff(minimum_jerk(t)) > 0)
    np.testing.assert_allclose(minimum_jerk(t) + minimum_jerk(1 - t), 1.0)


@pytest.mark.parametrize("seed", range(12))
def test_motions_are_smooth_and_possible(seed):
    fps = 120.0
    motion = sample_motion(np.random.default_rng(seed), 3.0, fps)
    assert motion.angles.shape == (360, 5, 3, 3)
    np.testing.assert_allclose(motion.times, np.arange(360) / fps)
    assert np.all(limits.inside(motion.angles, lax=True))
    # a minimum-jerk move by D in time T is never faster than 1.875 D/T nor accelerates by more than 5.774 D/T^2
    span, least = np.radians(200), 0.1
    speed = np.diff(motion.angles, axis=0) * fps
    assert np.abs(speed).max() < 1.875 * span / least
    assert np.abs(np.diff(speed, axis=0) * fps).max() < 5.774 * span / least**2
    looks = motion.camera_from_hand
    np.testing.assert_allclose(looks @ looks.transpose(0, 2, 1), np.broadcast_to(np.eye(3), looks.shape), atol=1e-9)
    step = Rotation.from_matrix(looks[1:] @ looks[:-1].transpose(0, 2, 1)).magnitude()
    assert step.max() < np.radians(15)


def test_a_finer_clock_passes_through_the_same_motion():
    """Also the ends: between moves speed and acceleration are zero, so that a fine clock shows no jump."""
    rough = sample_motion(np.random.default_rng(8), 2.0, 50)
    fine = sample_motion(np.random.default_rng(8), 2.0, 1000)
    np.testing.assert_allclose(rough.angles, fine.angles[::20], atol=1e-12)
    np.testing.assert_allclose(rough.camera_from_hand, fine.camera_from_hand[::20], atol=1e-12)
    acceleration = np.diff(fine.angles, 2, axis=0) * 1000.0**2
    jump = np.abs(np.diff(acceleration, axis=0))
    assert jump.max() < 0.1 * np.abs(acceleration).max()


def test_motions_are_functions_of_the_generator():
    a, b = (sample_motion(np.random.default_rng(4), 1.0, 30) for _ in range(2))
    np.testing.assert_array_equal(a.angles, b.angles)
    np.testing.assert_array_equal(a.camera_from_hand, b.camera_from_hand)
    c = sample_motion(np.random.default_rng(5), 1.0, 30)
    assert not np.allclose(a.angles, c.angles)


def test_short_motions_move_as_often_as_long_ones():
    """What blur needs: within 20 ms some hands move fast and some are at rest."""
    short = many(lambda rng: sample_motion(rng, 0.02, 200), 200)
    moved = np.array([np.ptp(motion.angles, axis=0).max() for motion in short])
    assert 0.4 < (moved > np.radians(1)).mean() < 0.95


@pytest.mark.parametrize(("seconds", "fps"), [(0, 30), (-1, 30), (1, 0), (np.inf, 30), (1, np.nan)])
def test_a_motion_needs_a_length(seconds, fps):
    with pytest.raises(PalmarError, match="positive and finite"):
        sample_motion(np.random.default_rng(0), seconds, fps)
