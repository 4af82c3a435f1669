"""Cleaning: steady motion stays, gaps are bridged as they should be, wild rows go, one hand has one length."""

import numpy as np
import pytest

from palmar.clean import (
    Cleaning,
    clean,
    fill_gaps,
    fix_bone_lengths,
    hand_length,
    reject_outliers,
    scale_from_depth,
    scaled_to_length,
    smooth,
    trim,
)  # fmt: skip
from palmar.clean.size import length_of
from palmar.clean.smoothing import lines
from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand import HandModel, mirror_points, mirror_rotvecs
from palmar.media import ArrayFrames
from palmar.types import Clip, Hands

CAMERA = Camera(320, 240, 300.0, 300.0, 159.5, 119.5)


def rotations(hands: Hands) -> np.ndarray:
    return rotmat_from_rotvec(hands.pose.astype(np.float64))


def close(found: Hands, true: Hands, metres: float = 1e-4, pixels: float = 0.05) -> None:
    np.testing.assert_array_equal(found.frame, true.frame)
    np.testing.assert_allclose(found.joints, true.joints, atol=metres)
    np.testing.assert_allclose(found.translation, true.translation, atol=metres)
    np.testing.assert_allclose(found.keypoints[..., :2], true.keypoints[..., :2], atol=pixels)
    np.testing.assert_allclose(rotations(found), rotations(true), atol=1e-3)


def test_a_gap_is_bridged_as_the_hand_went(hand, times):
    whole = hand(spin=2.0)
    away = [i for i in range(30) if i not in (10, 11, 12)]
    filled = fill_gaps(whole[away], times, 0.2)
    close(filled, whole, metres=1e-3, pixels=2.0)                           # a straight line cuts the arc of a turn
    put = np.isin(filled.frame, (10, 11, 12))
    np.testing.assert_allclose(rotations(filled)[put, 0], rotations(whole)[put, 0], atol=1e-5)
    np.testing.assert_allclose(filled.translation, whole.translation, atol=1e-6)
    assert (filled.score[put] == 0).all()
    assert (filled.keypoints[put, :, 2] == 0).all()
    assert (filled.score[~put] > 0).all()
    assert set(filled.action) == {"wave"}


def test_only_short_gaps_between_seen_frames(hand, times):
    whole = hand()
    away = whole[[i for i in range(5, 25) if not 10 <= i < 16]]
    assert len(fill_gaps(away, times, 0.3)) == len(away)                    # 0.35 s from the last to the first
    assert len(fill_gaps(away, times, 0.35)) == 20
    assert fill_gaps(away, times, 0.35).frame.min() == 5
    filled = fill_gaps(away, times, 1.0)
    again = fill_gaps(filled, times, 1.0)
    assert again is filled
    with pytest.raises(PalmarError, match="longest"):
        fill_gaps(away, times, -1)


def test_hands_do_not_mix(hand, times):
    right, left = hand(), hand(side=0, track=1, speed=(0.0, 0.1, 0.0))
    both = Hands.concat([right[[0, 1, 4, 5]], left[[2, 3, 6]]])
    filled = fill_gaps(both, times, 0.3)
    close(filled.filter(side=1), right[:6], pixels=1.0)
    close(filled.filter(side=0), left[2:7], pixels=1.0)
    smoothed = smooth(Hands.concat([right, left]), times, 0.05)
    np.testing.assert_allclose(smoothed.filter(side=1).joints, smooth(right, times, 0.05).joints, atol=1e-6)


def test_wild_rows_go_and_honest_ones_stay(hand, times):
    whole = hand(speed=(1.5, 0.0, 0.0))                                     # fast, but steady
    assert len(reject_outliers(whole, times)) == len(whole)
    joints = whole.joints.copy()
    joints[7] += np.float32([0.0, 0.0, 0.6])                                # jumps away from the camera
    points = whole.keypoints.copy()
    points[15, :, 0] += 250                                                 # jumps across the picture
    joints[20] = joints[20, :1] + 2.0 * (joints[20] - joints[20, :1])       # twice the size
    wild = whole.with_columns(joints=joints, keypoints=points)
    kept = reject_outliers(wild, times)
    assert sorted(set(range(30)) - set(kept.frame.tolist())) == [7, 15, 20]
    np.testing.assert_array_equal(reject_outliers(kept, times).frame, kept.frame)
    few = wild[[6, 7, 8]]
    assert len(reject_outliers(few, times)) == 3


def test_smoothing_keeps_a_steady_motion_and_takes_noise_away(hand, times):
    true = hand(spin=0.0)
    close(smooth(true, times, 0.1), true, metres=2e-6, pixels=0.5)           # pixels are not linear in depth
    rng = np.random.default_rng(0)
    noisy = true.with_columns(
        joints=true.joints + rng.normal(0, 0.005, true.joints.shape),
        pose=true.pose + rng.normal(0, 0.1, true.pose.shape),
        keypoints=true.keypoints + np.concatenate([rng.normal(0, 2, (30, 21, 2)), np.zeros((30, 21, 1))], -1),
    )  # fmt: skip
    found = smooth(noisy, times, 0.1)
    inner = slice(6, -6)
    for name in ("joints", "keypoints"):
        before = np.std(getattr(noisy, name)[inner] - getattr(true, name)[inner])
        assert np.std(getattr(found, name)[inner] - getattr(true, name)[inner]) < 0.5 * before
    turned = lambda h: np.linalg.norm(rotations(h) - rotations(true), axis=(-1, -2)).mean()  # noqa: E731
    assert turned(found) < 0.6 * turned(noisy)
    np.testing.assert_array_equal(found.keypoints[..., 2], noisy.keypoints[..., 2])
    assert smooth(true, times, 0.0) is true


def test_smoothing_ends_at_a_gap(hand, times):
    whole = hand()
    joints = whole.joints.copy()
    joints[15:] += np.float32([0.0, 0.3, 0.0])                              # comes back somewhere else after 0.35 s
    rows = [i for i in range(30) if not 15 <= i < 21]
    parted = whole.with_columns(joints=joints)[rows]
    found = smooth(parted, times, 0.1)
    np.testing.assert_allclose(found.joints[:15], smooth(parted[:15], times, 0.1).joints, atol=1e-6)


def test_weights_reproduce_lines_at_any_times():
    at = np.sort(np.random.default_rng(0).random(20))
    weights = lines(at, np.random.default_rng(1).random(20), 0.1)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-9)
    np.testing.assert_allclose(weights @ (3 * at + 1), 3 * at + 1, atol=1e-9)


def test_mirrored_hands_are_cleaned_alike(hand, times):
    rng = np.random.default_rng(2)
    right = hand()[[i for i in range(30) if i not in (8, 9)]]
    right = right.with_columns(joints=right.joints + rng.normal(0, 0.004, right.joints.shape).astype(np.float32))
    left = right.with_columns(
        side=np.zeros(28), joints=mirror_points(right.joints), pose=mirror_rotvecs(right.pose),
        translation=mirror_points(right.translation),
    )  # fmt: skip
    a, b = (smooth(fix_bone_lengths(fill_gaps(h, times, 0.3)), times, 0.05) for h in (right, left))
    np.testing.assert_allclose(mirror_points(a.joints), b.joints, atol=1e-5)
    np.testing.assert_allclose(rotations(b), rotations(a.with_columns(pose=mirror_rotvecs(a.pose))), atol=1e-5)


def test_bones_get_one_length_and_the_hand_stays_in_the_picture(hand):
    true = hand(shape=[1.0, -0.5, 0, 0, 0, 0, 0, 0, 0, 0])
    rng = np.random.default_rng(3)
    seen = [hand(frames=(i,), shape=true.shape[0] + rng.normal(0, 0.7, 10)) for i in range(30)]
    loose = Hands.concat(seen)
    fixed = fix_bone_lengths(loose)
    length = hand_length(fixed.joints)
    assert np.std(length) < 1e-5 < np.std(hand_length(loose.joints))
    moved = CAMERA.project(fixed.joints.astype(float)) - CAMERA.project(loose.joints.astype(float))
    assert np.linalg.norm(moved, axis=-1).mean() < 1.5
    np.testing.assert_allclose(fixed.shape, np.tile(fixed.shape[:1], (30, 1)))
    again = fix_bone_lengths(fixed)
    np.testing.assert_allclose(again.joints, fixed.joints, atol=1e-5)


@pytest.mark.parametrize("length", [0.15, 0.19])
def test_a_known_length_sets_size_and_distance(hand, length):
    before = hand()
    found = scaled_to_length(before, length)
    flat = HandModel.default().shaped(found.shape[0].astype(float)).rest_landmarks
    assert hand_length(flat) == pytest.approx(length, abs=1e-6)
    np.testing.assert_allclose(hand_length(found.joints), length, rtol=0.03)
    grown = length / length_of(before, 0)
    np.testing.assert_allclose(found.joints[:, 0, 2] / before.joints[:, 0, 2], grown, rtol=0.02)
    moved = CAMERA.project(found.joints.astype(float)) - CAMERA.project(before.joints.astype(float))
    assert np.abs(moved).max() < 3
    with pytest.raises(PalmarError, match="expected"):
        scaled_to_length(before, 1.8)


def test_depth_tells_how_far_away_it_is(hand):
    true = hand(speed=(0.0, 0.0, 0.0), spin=0.0)
    near = true.with_columns(joints=0.8 * true.joints, translation=0.8 * true.translation)

    def depth(frame):
        return None if frame > 5 else np.full((240, 320), 0.0) + (true.joints[0, :, 2].mean() - 0.008)

    (scale,) = scale_from_depth(near, depth).values()
    assert scale == pytest.approx(1 / 0.8, rel=0.06)
    assert scale_from_depth(near, lambda _: np.zeros((240, 320))) == {}


def test_trimming_is_half_open_and_keeps_numbers(hand, times):
    kept = trim(hand(), times, 0.5, 1.0)
    assert kept.frame.tolist() == list(range(10, 20))
    with pytest.raises(PalmarError, match="after the start"):
        trim(hand(), times, 1.0, 1.0)


def test_nothing_and_one_frame(hand, times):
    for hands in (Hands.empty(), hand(frames=(3,))):
        assert len(fill_gaps(hands, times)) == len(reject_outliers(hands, times)) == len(hands)
        assert len(smooth(hands, times)) == len(hands)
    close(fix_bone_lengths(hand(frames=(3,))), hand(frames=(3,)), metres=1e-5)
    with pytest.raises(PalmarError, match="times were given"):
        smooth(hand(), times[:4])
    with pytest.raises(PalmarError, match="need hands with pose"):
        fix_bone_lengths(hand().select("joints"))


def test_all_of_it_on_a_clip_says_what_was_done(hand, times):
    away = hand()[[i for i in range(30) if i not in (4, 5)]]
    frames = ArrayFrames([np.zeros((24, 32, 3), np.uint8)] * 30, fps=20.0)
    clip = Clip(frames, hands=away, info={"frames": 30, "times": times[:30].tolist()})
    found = clean(clip, Cleaning(fill_gaps=0.2, reject_outliers=True, fix_bones=True, smooth=0.05, trim=(0.1, 1.2)))
    assert found.info["cleaned"]["rows_filled"] == 2
    assert found.info["cleaned"]["rows_rejected"] == 0
    assert found.hands.frame.tolist() == list(range(2, 24))
    assert clean(clip, Cleaning()) is clip
    stills = Clip(ArrayFrames([np.zeros((4, 4, 3), np.uint8)], fps=None), hands=away)
    with pytest.raises(PalmarError, match="unrelated"):
        clean(stills, Cleaning(smooth=0.1))
