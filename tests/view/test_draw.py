"""Skeletons, by their pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from palmar import Hands, PalmarError
from palmar.hand.joints import BONES
from palmar.view import Style, draw

QUIET = Style(label=False)


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(60, 90, (480, 640, 3), dtype=np.uint8)


@pytest.fixture
def hand(make_hands, camera):
    return make_hands(camera, (1, (0.0, 0.08, 0.4)))


def flat_hand():
    """Fingers drawn far apart, so that no bone covers another."""
    keypoints = np.zeros((1, 21, 3))
    keypoints[0, 0] = (320, 440, 1)
    for finger in range(5):
        for joint in range(4):
            keypoints[0, 1 + 4 * finger + joint] = (80 + 120 * finger, 300 - 80 * joint, 1)
    box = np.array([[80, 60, 560, 440]])
    return Hands(frame=[0], track=[3], view=[0], side=[1], score=[1], box=box, keypoints=keypoints)


def test_no_hands_is_the_same_picture(image):
    before = image.copy()
    out = draw(image, Hands.empty())
    np.testing.assert_array_equal(out, image)
    assert out is not image
    assert not np.shares_memory(out, image)
    np.testing.assert_array_equal(image, before)


def test_the_picture_given_is_left_alone(image, hand):
    before = image.copy()
    image.flags.writeable = False
    out = draw(image, hand)
    np.testing.assert_array_equal(image, before)
    assert (out != image).any(-1).sum() > 500
    flipped = draw(image[:, ::-1], hand)  # also a view of one
    assert flipped.shape == image.shape


def test_every_joint_and_bone_has_its_fingers_colour(image):
    hand = flat_hand()
    out = draw(image, hand, QUIET)
    points = hand.keypoints[0, :, :2]
    for joint in range(21):
        x, y = points[joint].astype(int)
        want = QUIET.palm if joint == 0 else QUIET.fingers[(joint - 1) // 4]
        np.testing.assert_array_equal(out[y, x], want)
    for a, b in BONES:
        x, y = ((points[a] + points[b]) / 2).round().astype(int)
        want = QUIET.palm if a == 0 else QUIET.fingers[(b - 1) // 4]
        assert np.abs(out[y - 1 : y + 2, x - 1 : x + 2].astype(int) - want).sum(-1).min() < 30


def test_pixel_centres_are_integers(image):
    """A joint half a pixel to the right is drawn half a pixel to the right."""
    black = np.zeros((60, 60, 3), np.uint8)
    for x, y in ((30.0, 30.0), (30.5, 29.5)):
        keypoints = np.tile([x, y, 1.0], (1, 21, 1))
        hand = Hands(frame=[0], track=[0], view=[0], side=[0], score=[1], box=[[20, 20, 40, 40]], keypoints=keypoints)
        out = draw(
            black,
            hand,
            replace(QUIET, width=3.0, outline=(255, 255, 255), palm=(255, 255, 255), fingers=((255, 255, 255),) * 5),
        )
        weight = out[..., 0].astype(float)
        rows, columns = np.indices(weight.shape)
        assert (weight * columns).sum() / weight.sum() == pytest.approx(x, abs=0.1)
        assert (weight * rows).sum() / weight.sum() == pytest.approx(y, abs=0.1)


def test_doubt_is_seen_and_the_unseen_is_absent(image):
    hand = flat_hand()
    keypoints = hand.keypoints.copy()
    keypoints[0, 8, 2], keypoints[0, 20, 2] = 0.1, 0.5  # index tip unknown, little tip doubtful
    hand = hand.with_columns(keypoints=keypoints)
    out = draw(image, hand, QUIET)
    x, y = keypoints[0, 8, :2].astype(int)
    np.testing.assert_array_equal(out[y - 20 : y + 20, x - 20 : x + 20], image[y - 20 : y + 20, x - 20 : x + 20])
    np.testing.assert_array_equal(out[:3, :3], image[:3, :3])  # nothing at (0, 0) either
    x, y = keypoints[0, 20, :2].astype(int)
    halfway = (np.array(QUIET.fingers[4]) + QUIET.doubt) / 2
    assert np.abs(out[y, x] - halfway).max() <= 1


@pytest.mark.parametrize("shift", [(5000, 0), (-5000, 300), (1e9, -1e9), (np.nan, np.nan), (np.inf, 0)])
def test_a_hand_off_the_picture_is_no_error(image, hand, shift):
    keypoints = hand.keypoints.copy()
    keypoints[..., :2] += shift
    out = draw(image, hand.with_columns(keypoints=keypoints), replace(Style(), box=False, label=False))
    np.testing.assert_array_equal(out, image)


def test_a_hand_partly_off_the_picture_is_drawn_in_part(image, hand):
    keypoints = hand.keypoints.copy()
    keypoints[..., 0] -= keypoints[0, 9, 0]
    out = draw(image, hand.with_columns(keypoints=keypoints), QUIET)
    changed = np.argwhere((out != image).any(-1))
    assert len(changed) > 100
    assert changed[:, 1].max() < 200


def test_side_track_and_box(image, hand):
    plain = draw(image, hand, QUIET)
    assert (draw(image, hand) != plain).any()
    left = hand.with_columns(side=1 - hand.side)
    assert (draw(image, left) != draw(image, hand)).any()  # the side is legible
    still = hand.with_columns(track=-1 + 0 * hand.track)
    assert (draw(image, still) != draw(image, hand)).any()
    boxed = draw(image, hand, replace(QUIET, box=True))
    x0, y0 = hand.box[0, :2].round().astype(int)
    assert (boxed[y0, x0 + 20 : x0 + 60] != plain[y0, x0 + 20 : x0 + 60]).any()


def test_hands_without_keypoints_are_boxes(image, hand):
    bare = hand.select()
    out = draw(image, bare, QUIET)
    changed = np.argwhere((out != image).any(-1))[:, ::-1]
    np.testing.assert_allclose([*changed.min(0), *changed.max(0)], hand.box[0], atol=2)


@pytest.mark.parametrize(
    "bad", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), None, [[1]]]
)
def test_what_is_no_picture_is_refused(bad, hand):
    with pytest.raises(PalmarError, match="uint8"):
        draw(bad, hand)
