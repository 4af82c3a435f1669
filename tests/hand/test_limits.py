"""Joint limits: against a slow reading of the tables, against anatomy, and against the hand model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palmar.errors import PalmarError
from palmar.hand import HandModel, limits

TABLES = [(limits.ACTIVE, False), (limits.LAX, True)]
SEEDS = st.integers(0, 2**32 - 1)


def wild(seed: int, batch: tuple[int, ...] = (40,), sd: float = 1.2) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, sd, (*batch, 5, 3, 3))


def reads_as_possible(angles: np.ndarray, table: dict, tolerance: float = 1e-4) -> bool:
    """The four rules with plain loops, in degrees."""
    degrees = np.degrees(angles)
    for f, finger in enumerate(limits.FINGERS):
        for j, joint in enumerate(limits.JOINTS[finger]):
            for m, motion in enumerate(limits.MOTIONS):
                r = table.get((finger, joint, motion), limits.FIXED)
                low, high = r.low, r.high
                if finger != "thumb" and motion == "abduction" and joint == "mcp":
                    left = 1 - 0.8 * max(degrees[f, 0, 0], 0.0) / 90
                    low, high = low * left, high * left
                if not low - tolerance <= degrees[f, j, m] <= high + tolerance:
                    return False
    if degrees[0, 0, 1] + limits.RISE_PER_FLEXION * degrees[0, 0, 0] > limits.RISE + tolerance:
        return False
    to_thumb = {"index": 1, "middle": 1, "ring": -1, "little": -1}
    for (a, b), known in limits.SPREAD.items():
        turn = [to_thumb[x] * degrees[limits.FINGERS.index(x), 0, 1] for x in (a, b)]
        gap = known.rest + turn[0] - turn[1]
        if not -limits.CROSSING - tolerance <= gap <= known.mean + 2 * known.sd + tolerance:
            return False
    return True


def test_every_number_has_a_source():
    for table, _ in TABLES:
        for key, r in table.items():
            assert r.source in limits.SOURCES, key
            assert r.low <= 0 <= r.high, key
            assert r.source != "ours" or r.why, key


def test_lax_contains_active():
    for key, r in limits.ACTIVE.items():
        assert limits.LAX[key].low <= r.low, key
        assert limits.LAX[key].high >= r.high, key
    assert np.all(limits.inside(limits.clip(wild(0, (500,))), lax=True))


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.sampled_from([0.05, 0.4, 1.2, 4.0]))
def test_clip_gives_possible_poses_and_leaves_them_alone(seed, sd):
    for _, lax in TABLES:
        once = limits.clip(wild(seed, sd=sd), lax=lax)
        assert np.all(limits.inside(once, lax=lax))
        np.testing.assert_array_equal(limits.clip(once, lax=lax), once)


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.sampled_from([0.05, 0.2, 0.5]))
def test_inside_is_what_the_tables_say(seed, sd):
    for table, lax in TABLES:
        some = wild(seed, sd=sd)
        some[..., 1:, 1] = some[..., 1:, 2] = some[..., 1:, :, 2] = 0.0     # hinges, or nothing would be possible
        some[::2] = limits.clip(some[::2], lax=lax)
        some[::4, 1, 0, 1] += np.random.default_rng(seed).choice([0.0, 0.05, -0.05], len(some[::4]))
        expected = [reads_as_possible(a, table) for a in some]
        np.testing.assert_array_equal(limits.inside(some, lax=lax), expected)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.floats(0, 1))
def test_between_two_possible_poses_all_are_possible(seed, share):
    for _, lax in TABLES:
        a, b = limits.clip(wild(seed), lax=lax), limits.clip(wild(seed + 1), lax=lax)
        assert np.all(limits.inside(a + share * (b - a), lax=lax))


@pytest.mark.parametrize("batch", [(), (1,), (3, 1, 2), (0,)])
def test_any_leading_axes(batch):
    clipped = limits.clip(wild(1, batch))
    assert clipped.shape == (*batch, 5, 3, 3)
    assert limits.inside(clipped).shape == batch
    assert limits.spread(clipped).shape == (*batch, 3)


def test_the_input_is_not_changed_and_nan_stays():
    angles = wild(2, ())
    angles[3, 1, 0] = np.nan
    before = angles.copy()
    clipped = limits.clip(angles)
    np.testing.assert_array_equal(angles, before)
    assert np.isnan(clipped[3, 1, 0])
    assert np.isnan(clipped).sum() == 1
    assert not limits.inside(clipped)


def test_a_wrong_shape_is_named():
    with pytest.raises(PalmarError, match=r"\(16, 3\)"):
        limits.clip(np.zeros((16, 3)))


def test_abduction_shrinks_linearly_with_flexion():
    np.testing.assert_allclose(limits.abduction_share(np.radians([-30, 0, 45, 90])), [1, 1, 0.6, 0.2], atol=1e-12)
    for bent, reach in ((-20, 20), (0, 20), (45, 12), (90, 4)):
        angles = np.zeros((5, 3, 3))
        angles[1, 0, :2] = np.radians([bent, -60])
        assert np.degrees(limits.clip(angles)[1, 0, 1]) == pytest.approx(-reach)


def test_the_dip_follows_two_thirds():
    assert limits.dip_from_pip(np.radians([90.0])) == pytest.approx(np.radians([60.0]))


def test_fingers_open_as_wide_as_persons_do_and_no_wider():
    """Rays in a plane, each from its finger's rest angle and abduction; the angles between neighbours."""
    angles = limits.clip(wild(3, (20_000,), sd=0.6))
    rest = np.cumsum([0.0] + [-s.rest for s in limits.SPREAD.values()])                   # index to little, clockwise
    turn = np.degrees(angles[:, 1:, 0, 1]) * [1, 1, -1, -1]
    rays = np.exp(1j * np.radians(rest + turn))
    widest = np.degrees(np.angle(rays[:, :-1] * np.conj(rays[:, 1:]))).max(0)
    for found, known in zip(widest, limits.SPREAD.values(), strict=True):
        assert known.mean < found <= known.mean + 2 * known.sd + 1e-6
    np.testing.assert_allclose(limits.spread(angles), np.angle(rays[:, :-1] * np.conj(rays[:, 1:])), atol=1e-9)


# What the numbers assume of the hand model's rest pose.


def directions(angles: np.ndarray) -> np.ndarray:
    """Unit vectors [..., 15, 3] of the bones thumb to little, proximal to distal, as posed by the hand model."""
    model = HandModel.default()
    order = [13, 14, 15, 1, 2, 3, 4, 5, 6, 10, 11, 12, 7, 8, 9]
    turn = model.shaped(np.zeros(10)).posed(model.rotations_from_angles(angles)).bone_rotations[..., order, :, :]
    return (turn @ model.along[order][..., None])[..., 0]


def test_the_resting_spread_is_the_models():
    bones = directions(np.zeros((5, 3, 3)))[[3, 6, 9, 12]]
    heading = np.degrees(np.arctan2(bones[:, 2], -bones[:, 0]))
    np.testing.assert_allclose(heading[:-1] - heading[1:], [s.rest for s in limits.SPREAD.values()], atol=2.5)


def test_signs_are_the_models():
    for finger in range(1, 5):
        for k in range(3):
            angles = np.zeros((5, 3, 3))
            angles[finger, k, 0] = 0.5
            assert directions(angles)[3 * finger + k, 1] < -0.3                           # flexion: to the palm, -y
    for finger, towards in ((1, 1), (2, 1), (3, -1), (4, -1)):
        angles = np.zeros((5, 3, 3))
        angles[finger, 0, 1] = 0.2
        change = directions(angles) - directions(np.zeros((5, 3, 3)))
        assert change[3 * finger, 2] * towards > 0.1                        # abduction: away from the middle


def test_the_thumb_reaches_as_far_as_thumbs_do():
    """Palmar abduction from contact to some 70 degrees, radial to some 60 (Barakat 2013; e-Hand)."""
    rng = np.random.default_rng(4)
    low, high = limits.bounds()
    angles = limits.clip(low + rng.random((6000, 5, 3, 3)) * (high - low))
    metacarpal = directions(angles)[:, 0]
    palmar = np.degrees(np.arcsin(-metacarpal[:, 1]))
    assert palmar.min() < 5
    assert 60 < palmar.max() < 78
    flat = metacarpal[palmar < 30]
    knuckle = HandModel.default().shaped(np.zeros(10)).rest_joints[1]                     # of the index finger
    index = np.degrees(np.arctan2(knuckle[2], -knuckle[0]))
    radial = np.degrees(np.arctan2(flat[:, 2], -flat[:, 0])) - index
    assert 53 < radial.max() < 75
