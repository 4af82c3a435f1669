"""Crops in, answers in the picture's pixels out; what confidence means."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from palmar.geometry.crop import Crop
from palmar.hand.box import hand_box
from palmar.tracking.landmarker import (
    OUTPUTS,
    SIZE,
    Landmarker,
    Landmarks,
    agreed,
    confidence,
    mirrored,
    mirrored_crops,
)

CROPS = [Crop((200.0, 150.0), 160.0, 0.5, SIZE), Crop((420.0, 300.0), 90.0, -2.0, SIZE)]


def brightest(crops):
    """A landmarker that sees one thing: the brightest spot of its crop."""
    n = len(crops)
    spots = []
    for crop in crops:
        weight = crop[..., 0].astype(float) ** 4
        y, x = np.indices(weight.shape)
        spots.append([(weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()])
    return {
        "keypoints": np.tile(np.array(spots, np.float32)[:, None], (1, 21, 1)),
        "sigma": np.full((n, 21), 2.0, np.float32),
        "presence": np.full(n, 0.9, np.float32),
        "side": np.full(n, 0.3, np.float32),
        "rotations": np.tile(np.eye(3, dtype=np.float32), (n, 16, 1, 1)),
        "shape": np.zeros((n, 10), np.float32),
    }


def test_what_is_seen_in_a_crop_lies_there_in_the_picture():
    image = np.zeros((480, 640, 3), np.uint8)
    spots = np.array([[222.0, 131.0], [400.0, 310.0]])
    for x, y in spots:
        cv2.circle(image, (round(x), round(y)), 4, (255, 255, 255), -1, cv2.LINE_AA)
    found = Landmarker(brightest)(image, CROPS)
    np.testing.assert_allclose(found.keypoints[:, 0], spots, atol=0.3)
    np.testing.assert_allclose(found.sigma[:, 0], [2 * 160 / SIZE, 2 * 90 / SIZE])
    assert all(getattr(found, name).dtype == np.float64 for name in OUTPUTS)


def test_confidence_is_the_share_of_errors_within_a_tenth_of_the_hand():
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(0, 200, (1, 21, 2))
    sigma = np.linspace(2, 60, 21)[None]
    box = hand_box(keypoints)[0]
    radius = 0.1 * max(box[2] - box[0], box[3] - box[1])
    errors = np.linalg.norm(rng.normal(size=(200_000, 2)), axis=1)
    share = [(errors * s <= radius).mean() for s in sigma[0]]
    np.testing.assert_allclose(confidence(sigma, keypoints)[0], share, atol=5e-3)


@pytest.mark.parametrize("sigma", [0.0, 1e-12, 1e9])
def test_confidence_at_its_ends(sigma):
    value = confidence(np.full((1, 21), sigma), np.random.default_rng(0).uniform(0, 100, (1, 21, 2)))
    np.testing.assert_allclose(value, 0.0 if sigma > 1 else 1.0, atol=1e-9)


def test_rows_are_taken_and_joined():
    found = Landmarker(brightest)(np.full((480, 640, 3), 9, np.uint8), CROPS)
    again = Landmarks.concat([found[:1], found[1:]])
    for name in OUTPUTS:
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    assert len(found[[1]]) == 1


def test_the_mirror_image_is_the_same_hand():
    """What lies where in a mirrored picture, said of the picture itself."""
    rng = np.random.default_rng(1)
    image = cv2.GaussianBlur(rng.integers(0, 120, (480, 640, 3), np.uint8), (0, 0), 3.0)
    for x, y in ((222, 131), (400, 310)):
        cv2.circle(image, (x, y), 4, (255, 255, 255), -1, cv2.LINE_AA)
    turned, crops = mirrored_crops(image, CROPS)
    for crop, other in zip(CROPS, crops, strict=True):
        gap = crop.extract(image)[:, ::-1].astype(int) - other.extract(turned)
        assert np.abs(gap).mean() < 0.7  # weights are rounded to 1/32 pixel
    plain, back = Landmarker(brightest)(image, CROPS), mirrored(Landmarker(brightest)(turned, crops), 640)
    np.testing.assert_allclose(back.keypoints, plain.keypoints, atol=0.1)
    np.testing.assert_allclose(back.side, 0.7, rtol=1e-6)


def test_two_opinions_agree_on_the_surer_one():
    rng = np.random.default_rng(2)
    turns = Rotation.from_rotvec(rng.normal(size=(3 * 16, 3))).as_matrix().reshape(3, 16, 3, 3)

    def opinion(offset: float, sigma: float, turn: float) -> Landmarks:
        off = Rotation.from_rotvec([turn, 0, 0]).as_matrix()
        return Landmarks(
            np.full((3, 21, 2), offset), np.full((3, 21), sigma), np.full(3, 0.5 + offset), np.full(3, 0.9 * offset),
            turns @ off, np.full((3, 10), offset),
        )  # fmt: skip

    found = agreed(opinion(0.0, 1.0, -0.1), opinion(0.4, 2.0, 0.1))
    np.testing.assert_allclose(found.keypoints, 0.08)  # 1 to 4
    np.testing.assert_allclose(found.rotations, turns, atol=1e-9)
    np.testing.assert_allclose([found.presence[0], found.side[0], found.shape[0, 0]], [0.7, 0.18, 0.2])
    assert (found.sigma == 1.0).all()


def test_opinions_of_different_sides_are_averaged_as_one_hand():
    """The one that gives in described the mirror image in depth."""
    turns = Rotation.from_rotvec(np.random.default_rng(4).normal(size=(2 * 16, 3))).as_matrix().reshape(2, 16, 3, 3)
    other = turns.copy()
    other[:, 0] = np.diag([-1.0, 1.0, -1.0]) @ other[:, 0]

    def opinion(side: float, rotations: np.ndarray) -> Landmarks:
        return Landmarks(np.zeros((2, 21, 2)), np.ones((2, 21)), np.ones(2), np.full(2, side), rotations,
                         np.zeros((2, 10)))  # fmt: skip

    for one, two in ((opinion(0.9, turns), opinion(0.3, other)), (opinion(0.3, other), opinion(0.9, turns)),
                     (opinion(0.1, turns), opinion(0.7, other))):  # fmt: skip
        np.testing.assert_allclose(agreed(one, two).rotations, turns, atol=1e-9)
