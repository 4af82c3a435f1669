"""The tracker with networks that make no mistakes, or exactly those that a test is about."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from palmar import PalmarError
from palmar.geometry.camera import Camera
from palmar.geometry.rotations import angle_between, rotmat_from_rotvec
from palmar.hand.box import hand_box
from palmar.hand.model import HandModel
from palmar.tracking import Tracker, track
from palmar.types import Frame

SHAPE = np.array([1.0, -0.5, 0.3, 0, 0.2, 0, 0, -0.4, 0, 0.1])


def waving(t):
    return rotmat_from_rotvec(np.array([0.3 * np.sin(3 * t), 0.5 * np.sin(2 * t), 0.4 * np.sin(4 * t)])) @ np.array(
        [[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]
    )


@pytest.fixture
def one_right(make_world, make_actor):
    return make_world(
        [
            make_actor(
                1, lambda t: (0.1 + 0.05 * t, 0.05, 0.5 + 0.1 * t), waving, lambda t: 0.5 + 0.3 * np.sin(5 * t), SHAPE
            )
        ]
    )


@pytest.mark.parametrize("side", [0, 1])
def test_the_truth_comes_out(make_world, make_actor, side):
    world = make_world(
        [
            make_actor(
                side,
                lambda t: (-0.15 + 0.1 * t, 0.05, 0.5 + 0.1 * t),
                waving,
                lambda t: 0.5 + 0.3 * np.sin(5 * t),
                SHAPE,
            )
        ]
    )
    clip = track(world.clip(), networks=world, smooth=False)
    hands = clip.hands
    assert len(hands) == 30
    assert set(hands.track) == {0}
    assert set(hands.side) == {side}
    for i in range(30):
        truth = world.truth(i)[0]
        assert np.abs(hands.keypoints[i, :, :2] - truth.keypoints).max() < 0.01
        assert np.linalg.norm(hands.joints[i] - truth.joints, axis=-1).max() < 2e-4
        assert np.linalg.norm(hands.translation[i] - truth.translation) < 2e-4
        assert angle_between(rotmat_from_rotvec(hands.pose[i].astype(float)), truth.rotations).max() < 1e-3
        np.testing.assert_allclose(hands.shape[i], SHAPE, atol=1e-6)
    np.testing.assert_allclose(hands.box, hand_box(hands.keypoints[..., :2]), atol=1e-3)


@pytest.mark.parametrize("side", [0, 1])
def test_joints_are_those_of_the_hand_model_by_the_columns(make_world, make_actor, side):
    world = make_world([make_actor(side, lambda t: (0.1, 0.0, 0.6), waving, shape=SHAPE)], seconds=0.3)
    hands = track(world.clip(), networks=world).hands
    rotations = rotmat_from_rotvec(hands.pose.astype(float))
    posed = HandModel.default(side).shaped(hands.shape.astype(float)).posed(rotations, hands.translation.astype(float))
    np.testing.assert_allclose(posed.joints(), hands.joints, atol=1e-5)


def test_smoothing_stills_a_resting_hand_and_keeps_up_with_a_fast_one(make_world, make_actor):
    rest = make_world([make_actor(1, lambda t: (0.0, 0.05, 0.5))], seconds=3, noise=1.5)
    rough = track(rest.clip(), networks=rest, smooth=False).hands
    calm = track(rest.clip(), networks=rest).hands
    assert calm.keypoints[30:, :, :2].std(0).mean() < 0.45 * rough.keypoints[30:, :, :2].std(0).mean()
    assert calm.joints[30:].std(0).mean() < 0.35 * rough.joints[30:].std(0).mean()

    def swipe(t):  # 30 cm in 0.3 s, minimum jerk
        s = np.clip((t - 0.5) / 0.3, 0, 1)
        return (-0.15 + 0.3 * (10 * s**3 - 15 * s**4 + 6 * s**5), 0.05, 0.5)

    fast = make_world([make_actor(1, swipe)], seconds=1.2)
    hands = track(fast.clip(), networks=fast).hands
    assert len(hands) == 36
    assert set(hands.track) == {0}
    truth = np.stack([fast.truth(i)[0].keypoints for i in range(36)])
    palm = np.linalg.norm(truth[0, 9] - truth[0, 0])
    behind = np.linalg.norm(hands.keypoints[..., :2] - truth, axis=-1).mean(1) / palm
    assert behind.max() < 0.35
    assert behind[-3:].max() < 0.02


@pytest.mark.parametrize("turn", [0.0, 0.7, 2.0])
def test_a_turned_camera_turns_the_result(make_world, make_actor, turn):
    """Turning the world about the optical axis turns filtered keypoints and joints, and changes nothing else."""

    def motion(angle):
        turned = rotmat_from_rotvec(np.array([0.0, 0.0, angle]))
        return make_world(
            [
                make_actor(
                    1,
                    lambda t: turned @ (0.05 * np.sin(3 * t), 0.03 * np.cos(4 * t), 0.6),
                    lambda t: turned @ waving(t),
                )
            ],
            width=641,
            height=641,
        )

    straight, rolled = motion(0.0), motion(turn)
    a, b = (track(world.clip(), networks=world).hands for world in (straight, rolled))
    back = rotmat_from_rotvec(np.array([0.0, 0.0, -turn]))
    np.testing.assert_allclose(b.joints @ back.T, a.joints, atol=1e-4)  # the model's wrist lies 0.02 mm off its origin
    np.testing.assert_allclose((b.keypoints[..., :2] - 320) @ back[:2, :2].T + 320, a.keypoints[..., :2], atol=0.1)


def test_two_hands_cross_and_keep_their_names(make_world, make_actor):
    world = make_world(
        [
            make_actor(1, lambda t: (0.25 - 0.25 * t, 0.05, 0.6)),
            make_actor(0, lambda t: (-0.25 + 0.25 * t, 0.05, 0.75)),
        ],
        seconds=2,
        hides=0.4,
    )
    hands = track(world.clip(), networks=world).hands
    assert len(np.unique(hands.track)) == 2
    for track_id, actor in ((hands.track[hands.side == 1][0], 0), (hands.track[hands.side == 0][0], 1)):
        rows = hands[hands.track == track_id]
        error = [
            np.abs(rows.keypoints[i, :, :2] - world.truth(int(rows.frame[i]))[actor].keypoints).mean()
            for i in range(len(rows))
        ]
        assert max(error) < 25  # filtered; the other hand is further away but at the crossing
        assert np.median(error) < 8
        assert len(set(rows.side)) == 1
    assert (np.bincount(hands.frame, minlength=60) == 2).mean() > 0.6  # and both are seen before and after


def test_two_right_hands_cross_by_their_motion(make_world, make_actor):
    """Of one side and one size: only motion tells them apart. They pass at a distance and are never hidden."""
    world = make_world(
        [make_actor(1, lambda t: (0.2 - 0.2 * t, -0.03, 0.6)), make_actor(1, lambda t: (-0.2 + 0.2 * t, 0.09, 0.6))],
        seconds=2,
    )
    hands = track(world.clip(), networks=world).hands
    assert len(hands) == 120
    assert set(hands.track) == {0, 1}
    for actor in (0, 1):
        own = [
            hands.track[
                np.argmin(
                    [
                        np.abs(k[:, :2] - world.truth(f)[actor].keypoints).mean() + 1e6 * (hands.frame[i] != f)
                        for i, k in enumerate(hands.keypoints)
                    ]
                )
            ]
            for f in range(0, 60, 4)
        ]
        assert len(set(own)) == 1


@pytest.mark.parametrize(("gap", "same"), [(0.1, True), (0.3, True), (0.45, True), (0.8, False)])
def test_a_short_gap_keeps_the_identity(make_world, make_actor, gap, same):
    world = make_world(
        [make_actor(1, lambda t: None if 0.5 < t < 0.5 + gap else (0.1 * t, 0.05, 0.5), shape=SHAPE)], seconds=2
    )
    hands = track(world.clip(), networks=world).hands
    assert len(np.unique(hands.track)) == (1 if same else 2)
    missing = set(range(60)) - set(hands.frame)
    assert missing == {i for i in range(60) if 0.5 < world.time(i) < 0.5 + gap}


def test_a_left_hand_is_not_the_right_hand_that_left(make_world, make_actor):
    world = make_world(
        [
            make_actor(1, lambda t: (0.1, 0.05, 0.5) if t < 0.6 else None),
            make_actor(0, lambda t: (-0.1, 0.05, 0.5) if t > 0.7 else None),
        ],
        seconds=1.5,
    )
    hands = track(world.clip(), networks=world).hands
    assert len(np.unique(hands.track)) == 2
    for one in np.unique(hands.track):
        assert len(set(hands.side[hands.track == one])) == 1


def test_the_side_does_not_flicker(make_world, make_actor):
    """One opinion in three is wrong, the very first ones among them: each track still has one side, the right one."""
    rng = np.random.default_rng(0)
    wrong = rng.random(90) < 1 / 3
    wrong[:4] = True
    world = make_world(
        [make_actor(1, lambda t: (0.1, 0.05, 0.5), waving, shape=SHAPE)],
        seconds=3,
        side_error=lambda frame, actor: 0.9 if wrong[frame] else 0.1,
    )
    streamed = Tracker(world)
    live = np.concatenate([streamed.step(frame).side for frame in world])
    assert live[15:].all()  # settled within half a second, and for good
    hands = track(world.clip(), networks=world).hands
    assert set(hands.side) == {1}
    assert set(hands.track) == {0}


@pytest.mark.parametrize("mirrored", [False, True])
def test_rows_put_right_afterwards_are_as_if_they_had_been_right(make_world, make_actor, mirrored):
    """The landmarker reads pose as of one side throughout; only its opinion of the side is wrong at first."""
    world = make_world(
        [make_actor(0, lambda t: (0.1, 0.05, 0.5), waving, shape=SHAPE)],
        seconds=1.5,
        side_error=lambda frame, actor: 0.95 if frame < 8 else 0.02,
    )
    sure = make_world(world.actors, seconds=1.5)
    a = track(world.clip(), networks=world, smooth=False, mirrored=mirrored).hands
    b = track(sure.clip(), networks=sure, smooth=False, mirrored=mirrored).hands
    np.testing.assert_array_equal(a.side, b.side)
    np.testing.assert_allclose(a.joints, b.joints, atol=1e-5)
    np.testing.assert_allclose(a.pose, b.pose, atol=1e-4)
    np.testing.assert_allclose(a.translation, b.translation, atol=1e-5)


def test_a_flipped_picture_shows_the_other_hand_and_its_mirror_image(one_right, flipped):
    from palmar.types import Clip

    plain = track(one_right.clip(), networks=one_right).hands
    mirror = track(Clip(flipped(one_right)), networks=one_right).hands
    np.testing.assert_array_equal(mirror.side, 1 - plain.side)
    np.testing.assert_allclose(mirror.joints, plain.joints * [-1, 1, 1], atol=2e-5)  # mirrored, and not permuted
    np.testing.assert_allclose(mirror.pose, plain.pose * [1, -1, -1], atol=1e-4)
    np.testing.assert_allclose(mirror.keypoints[..., 0], 639 - plain.keypoints[..., 0], atol=0.01)

    told = track(Clip(flipped(one_right)), networks=one_right, mirrored=True)  # and when told, the hand itself
    np.testing.assert_array_equal(told.hands.side, plain.side)
    np.testing.assert_allclose(told.hands.joints, plain.joints, atol=2e-5)
    np.testing.assert_allclose(told.hands.pose, plain.pose, atol=1e-4)
    np.testing.assert_allclose(told.hands.translation, plain.translation, atol=2e-5)
    np.testing.assert_allclose(told.hands.keypoints, mirror.keypoints)
    assert told.info["mirrored"] is True
    assert "mirrored" in told.info["assumptions"]["mirrored"]


def test_the_detector_runs_only_where_a_hand_may_be_missing(make_world, make_actor):
    hands = [make_actor(1, lambda t: (0.12, 0.05, 0.5)), make_actor(0, lambda t: (-0.12, 0.05, 0.5))]

    def detections(world, **options):
        track(world.clip(), networks=world, **options)
        return [frame for kind, frame, _ in world.calls if kind == "detector"]

    assert detections(make_world([])) == list(range(30))  # none: every frame
    assert detections(make_world(hands)) == [0]  # full: never
    assert detections(make_world(hands[:1]), detect_every=7) == [0, 7, 14, 21, 28]  # one of two: now and then
    assert detections(make_world(hands[:1]), max_hands=1) == [0]
    away = make_world([make_actor(1, lambda t: None if t > 0.5 else (0.1, 0.05, 0.5))])
    assert detections(away, max_hands=1) == [0, *range(16, 30)]  # lost: in the same frame, and on


def test_a_fresh_hand_is_looked_at_twice_then_once(one_right):
    track(one_right.clip(), networks=one_right, max_hands=1)
    crops = [(frame, n) for kind, frame, n in one_right.calls if kind == "landmarker"]
    assert crops == [(0, 1), (0, 1), *((i, 1) for i in range(1, 30))]


@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_any_number_of_hands(make_world, make_actor, n):
    places = [(0.13 * (i % 4) - 0.2, 0.16 * (i // 4) - 0.02, 0.8) for i in range(n)]
    world = make_world([make_actor(i % 2, lambda t, p=p: p) for i, p in enumerate(places)], seconds=0.4)
    hands = track(world.clip(), networks=world, max_hands=8).hands
    assert len(hands) == 12 * n
    assert len(np.unique(hands.track)) == n
    few = track(world.clip(), networks=world, max_hands=3).hands
    assert np.bincount(few.frame, minlength=12).max() == min(n, 3)


def test_one_hand_is_never_two(make_world, make_actor):
    """A detector that sees every hand twice, once as of each side and a little aside, finds one hand."""
    world = make_world([make_actor(1, lambda t: (0.1, 0.05, 0.5))])
    detect = world.detect

    def twice(image):
        found = detect(image)
        return type(found)(
            np.concatenate([found.box, found.box + 45]),
            np.array([0.9, 0.8]),
            np.array([0.9, 0.1]),
            np.concatenate([found.direction, found.direction]),
        )

    world.detect = twice
    hands = track(world.clip(), networks=world, max_hands=4, detect_every=1).hands
    assert len(hands) == 30
    assert set(hands.track) == {0}


def test_stills_have_no_identity_and_are_not_smoothed(make_world, make_actor):
    world = make_world([make_actor(1, lambda t: (0.2 * np.sin(40 * t), 0.05, 0.5 + 0.2 * np.cos(30 * t)))], seconds=0.5)
    clip = track(world.clip(), networks=world, stills=True)
    assert set(clip.hands.track) == {-1}
    assert len(clip.hands) == 15
    assert clip.info["times"] is None
    for i in range(15):
        assert np.abs(clip.hands.keypoints[i, :, :2] - world.truth(i)[0].keypoints).max() < 0.01


def test_pictures_of_many_sizes(make_world, make_actor):
    class Sizes:
        source, count, fps, names = "pictures", 3, None, ("a.png", "b.png", "c.png")

        def __iter__(self):
            for i, world in enumerate(worlds):
                yield Frame(i, None, world.image(i))

    worlds = [
        make_world([make_actor(1, lambda t: (0.0, 0.05, 0.5))], width=w, height=h)
        for w, h in ((640, 480), (480, 640), (300, 300))
    ]

    class Each:
        hashes: ClassVar = {}

        def _world(self, image):
            return next(world for world in worlds if (world.height, world.width) == image.shape[:2])

        def detect(self, image):
            return self._world(image).detect(image)

        def landmarks(self, image, crops):
            return self._world(image).landmarks(image, crops)

    from palmar.types import Clip

    clip = track(Clip(Sizes()), networks=Each(), stills=True)
    assert clip.camera is None
    assert "differ in size" in clip.camera_note
    for i, world in enumerate(worlds):
        assert np.linalg.norm(clip.hands.joints[i] - world.truth(i)[0].joints, axis=-1).max() < 1e-3


def test_real_time_stamps_count(make_world, make_actor):
    """The same motion sampled at uneven times: filtered values at shared times differ little, by far less than the
    noise.
    """
    place = lambda t: (0.05 * np.sin(2 * t), 0.05, 0.5)  # noqa: E731
    even = make_world([make_actor(1, place)], seconds=2, fps=60)
    times = sorted({i / 60 for i in range(120)} - {i / 60 for i in range(120) if i % 5 in (1, 2)})
    uneven = make_world([make_actor(1, place)], times=times)
    a, b = (track(world.clip(), networks=world).hands for world in (even, uneven))
    at = {round(t * 60): k for t, k in zip(times, b.keypoints[..., :2], strict=True)}
    palm = 90.0
    gap = [np.abs(a.keypoints[i, :, :2] - at[i]).max() / palm for i in range(30, 120) if i in at]
    assert max(gap) < 0.05


def test_broken_answers_are_no_hands(make_world, make_actor):
    world = make_world([make_actor(1, lambda t: (0.1, 0.05, 0.5))])
    answer = world.landmarks

    def broken(image, crops):
        found = answer(image, crops)
        frame = int(image[0, 0, 1])
        if frame == 10:
            found.keypoints[:] = np.nan
        if frame == 12:
            found.rotations[:] = np.inf
        return found

    world.landmarks = broken
    hands = track(world.clip(), networks=world).hands
    assert set(range(30)) - set(hands.frame) == {10, 12}
    assert set(hands.track) == {0}
    assert all(np.isfinite(column).all() for column in hands.columns().values())


def test_time_must_not_run_backwards(one_right):
    tracker = Tracker(one_right)
    tracker.step(Frame(0, 1.0, one_right.image(0)))
    tracker.step(Frame(1, 1.0, one_right.image(1)))  # the same time twice is a matter of the file
    with pytest.raises(PalmarError, match="before the last"):
        tracker.step(Frame(2, 0.5, one_right.image(2)))


def test_bad_arguments_are_named(one_right):
    with pytest.raises(PalmarError, match="max_hands"):
        Tracker(one_right, max_hands=0)
    with pytest.raises(PalmarError, match="detect_every"):
        Tracker(one_right, detect_every=0)
    with pytest.raises(PalmarError, match=r"640 x 480.*resized"):
        Tracker(one_right, camera=Camera.from_fov(1280, 960, 1.0)).step(Frame(0, 0.0, one_right.image(0)))


def test_a_tracker_forgets_what_it_does_not_need(make_world, make_actor):
    """Hands that come and go for a long time use no more slots than those that are remembered."""
    world = make_world([make_actor(1, lambda t: (0.1, 0.05, 0.5) if t % 0.8 < 0.2 else None)], seconds=8)
    tracker = Tracker(world, max_hands=1)
    tracks = np.concatenate([tracker.step(frame).track for frame in world])
    assert len(np.unique(tracks)) == 10
    assert len(tracker._free) + len(tracker._lost) + len(tracker._followed) == 3


def test_crops_are_cut_where_a_moving_hand_will_be(make_world, make_actor):
    world = make_world([make_actor(1, lambda t: (-0.3 + 1.2 * t**2, 0.05, 0.6))], seconds=0.7)
    cut, answer = {}, world.landmarks

    def noted(image, crops):
        cut[int(image[0, 0, 1])] = crops[0]
        return answer(image, crops)

    world.landmarks = noted
    track(world.clip(), networks=world, max_hands=1)
    for i in range(3, 21):
        keypoints = world.truth(i)[0].keypoints
        middle, length = (keypoints.min(0) + keypoints.max(0)) / 2, np.ptp(keypoints, axis=0).max()
        assert np.linalg.norm(cut[i].centre - middle) < 0.12 * length  # the hand goes up to 0.25 lengths a frame
        assert 1.5 < cut[i].side / length < 1.7


def test_a_side_that_turns_over_starts_anew(make_world, make_actor):
    """What was filtered as of the other side must not bleed into the new one: a still hand is right at once."""
    world = make_world(
        [make_actor(0, lambda t: (0.1, 0.05, 0.5), shape=SHAPE)],
        seconds=1.0,
        side_error=lambda frame, actor: 0.95 if frame < 4 else 0.02,
    )
    tracker = Tracker(world)
    rows = [tracker.step(frame) for frame in world]
    turned = next(i for i in range(29, 0, -1) if rows[i].side[0] != rows[i - 1].side[0])
    assert np.linalg.norm(rows[turned].joints[0] - world.truth(turned)[0].joints, axis=-1).max() < 1e-3


def test_a_hand_that_comes_back_elsewhere_is_cut_there(make_world, make_actor):
    world = make_world(
        [make_actor(1, lambda t: None if 0.5 < t < 0.8 else (-0.1 if t < 0.6 else 0.12, 0.05, 0.5), shape=SHAPE)],
        seconds=1.2,
    )
    cut, answer = {}, world.landmarks

    def noted(image, crops):
        cut[int(image[0, 0, 1])] = crops[0]
        return answer(image, crops)

    world.landmarks = noted
    hands = track(world.clip(), networks=world, max_hands=1).hands
    assert set(hands.track) == {0}
    back = min(f for f in hands.frame if f > 16)
    keypoints = world.truth(int(back) + 1)[0].keypoints
    middle, length = (keypoints.min(0) + keypoints.max(0)) / 2, np.ptp(keypoints, axis=0).max()
    assert np.linalg.norm(cut[int(back) + 1].centre - middle) < 0.03 * length


def test_hands_that_change_places_unseen_are_told_apart_by_their_sides(make_world, make_actor):
    def place(sign):
        return lambda t: None if 0.5 < t < 0.75 else (sign * (0.09 if t < 0.6 else -0.09), 0.05, 0.5)

    world = make_world([make_actor(1, place(1)), make_actor(0, place(-1))], seconds=1.2)
    hands = track(world.clip(), networks=world).hands
    assert set(hands.track) == {0, 1}
    for one in (0, 1):
        rows = hands.track == one
        assert len(set(hands.side[rows])) == 1
        assert np.sign(hands.translation[rows, 0][0]) == -np.sign(hands.translation[rows, 0][-1])


def test_a_hand_that_vanishes_in_flight_is_not_thought_far_away(make_world, make_actor):
    world = make_world(
        [make_actor(1, lambda t: None if 0.3 < t < 0.7 else (min(-0.4 + 1.8 * t, 0.14), 0.05, 0.6))], seconds=1.2
    )
    assert set(track(world.clip(), networks=world, max_hands=1).hands.track) == {0}


def test_a_lost_hand_is_looked_for_at_once(make_world, make_actor):
    world = make_world(
        [
            make_actor(1, lambda t: (0.12, 0.05, 0.5)),
            make_actor(0, lambda t: None if 0.49 < t < 0.56 else (-0.12, 0.05, 0.5)),
        ]
    )
    hands = track(world.clip(), networks=world, detect_every=100).hands
    assert set(range(30)) - set(hands.frame[hands.side == 0]) == {15, 16}


def test_a_hand_that_is_followed_is_not_looked_at_again(one_right):
    track(one_right.clip(), networks=one_right, max_hands=2, detect_every=3)
    crops = [frame for kind, frame, _ in one_right.calls if kind == "landmarker"]
    assert crops == [0, *range(30)]


def test_the_second_look_is_upright_and_in_the_middle(make_world, make_actor):
    turn = rotmat_from_rotvec(np.array([0.0, 0.0, 0.8]))
    world = make_world([make_actor(1, lambda t: (0.1, 0.05, 0.5), lambda t: turn @ waving(0))], seconds=0.1)
    cut, answer = [], world.landmarks

    def noted(image, crops):
        cut.extend(crops)
        return answer(image, crops)

    world.landmarks = noted
    track(world.clip(), networks=world, stills=True)
    upright = cut[1].to_crop(world.truth(0)[0].keypoints)
    low, high = upright.min(0), upright.max(0)
    np.testing.assert_allclose((low + high) / 2, 63.5, atol=0.01)  # the hull as seen in the crop, not in the picture
    assert (high - low).max() == pytest.approx(128 / 1.6, abs=0.01)
    assert upright[9, 0] == pytest.approx(upright[0, 0], abs=0.01)
    assert upright[9, 1] < upright[0, 1]


def test_depth_is_stiller_than_the_rest(make_world, make_actor):
    world = make_world([make_actor(1, lambda t: (0.0, 0.05, 0.5))], seconds=3, noise=1.5)
    rough, calm = (
        track(world.clip(), networks=world, smooth=smooth).hands.translation[30:].std(0) for smooth in (False, True)
    )
    assert calm[2] < 0.2 * rough[2]


def test_a_settled_hand_whose_side_turns_over_is_another_hand(make_world, make_actor):
    world = make_world(
        [make_actor(1, lambda t: (0.1, 0.05, 0.5))],
        seconds=4,
        side_error=lambda frame, actor: 0.98 if frame > 60 else 0.02,
    )
    hands = track(world.clip(), networks=world).hands
    assert set(hands.track) == {0, 1}
    assert set(hands.side[hands.track == 0]) == {1}
    assert set(hands.side[hands.track == 1]) == {0}


class Cuts:
    """A world's networks, and the crops that they were asked to look at."""

    def __init__(self, world) -> None:
        self.world, self.crops = world, []
        self.detect, self.hashes = world.detect, world.hashes

    def landmarks(self, image, crops):
        self.crops.append(crops[0])
        return self.world.landmarks(image, crops)


def test_a_trembling_hand_is_looked_at_in_one_place(make_world, make_actor):
    world = make_world([make_actor(1, lambda t: (0.0, 0.05, 0.5))], noise=0.8)
    cuts = Cuts(world)
    track(world.clip(), networks=cuts)
    followed = cuts.crops[2:]  # after the two looks of the detection
    assert len(followed) > 25
    assert len({(c.centre, c.side, c.angle) for c in followed}) <= 2


def test_a_hand_that_moves_is_never_far_from_its_crop(make_world, make_actor):
    for speed in (0.02, 0.3):  # metres a second: a little more than nothing, and a wave
        world = make_world([make_actor(1, lambda t, v=speed: (v * (t - 0.5), 0.05, 0.5), waving)])
        cuts = Cuts(world)
        track(world.clip(), networks=cuts)
        off = []
        for index, crop in enumerate(cuts.crops[2:], start=1):
            (truth,) = world.truth(index)
            points = crop.to_crop(truth.keypoints)
            off.append(np.abs((points.min(0) + points.max(0)) / 2 - 63.5).max() / 128)
        assert max(off) < (0.06 if speed < 0.1 else 0.1)
        assert len({c.centre for c in cuts.crops}) > 5


def test_a_hand_taken_for_the_other_one_for_a_while_stays_as_it_is(make_world, make_actor):
    """The landmarker takes the hand for one of the other side and describes that one: its mirror image in depth."""
    world = make_world([make_actor(1, lambda t: (0.1, 0.05, 0.8), waving, shape=SHAPE)], seconds=2)
    plain = track(world.clip(), networks=world, smooth=False).hands
    answers, half_turn = world.landmarks, np.diag([-1.0, 1.0, -1.0])

    def mistaken(image, crops):
        found = answers(image, crops)
        if 30 <= int(image[0, 0, 0]) * 256 + int(image[0, 0, 1]) < 40:
            found.side[:] = 0.2
            found.rotations[:, 0] = half_turn @ found.rotations[:, 0]
        return found

    world.landmarks = mistaken
    hands = track(world.clip(), networks=world, smooth=False).hands
    assert set(hands.side) == {1}
    np.testing.assert_allclose(hands.joints, plain.joints, atol=1e-5)
    np.testing.assert_allclose(hands.pose, plain.pose, atol=1e-4)
