"""The way from the crop's frame to the camera's, against the slow twins of each step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from palmar.geometry.camera import Camera, KannalaBrandt
from palmar.geometry.crop import Crop, virtual_camera
from palmar.geometry.pnp import solve_translation
from palmar.hand.mirror import mirror_rotmats
from palmar.hand.model import HandModel
from palmar.tracking.solve import camera_from_crop, relative_joints, translation, wrist_in_camera

CAMERA = Camera.from_fov(640, 480, 1.1)


def poses(seed, n, spread=0.6):
    rng = np.random.default_rng(seed)
    rotations = Rotation.from_rotvec(spread * rng.normal(size=(n * 16, 3))).as_matrix().reshape(n, 16, 3, 3)
    return rotations, rng.normal(size=(n, 10)), rng.random(n) < 0.5


@given(st.floats(-200, 800), st.floats(-200, 700), st.floats(10, 900), st.floats(-4, 4), st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_crop_is_the_virtual_camera(x, y, side, angle, fisheye):
    camera = Camera(640, 480, 300, 310, 320, 236, KannalaBrandt(0.02, -0.01)) if fisheye else CAMERA
    crop = Crop((x, y), side, angle)
    inside = np.clip((x, y), -0.5, (639.5, 479.5))
    _, crop_from_camera = virtual_camera(camera, inside, side, roll=angle)
    np.testing.assert_allclose(camera_from_crop([crop, crop], camera)[1], crop_from_camera.T, atol=1e-9)


@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_joints_are_the_hand_models(seed, n):
    rotations, shape, left = poses(seed, n)
    out = relative_joints(HandModel.default(), shape, rotations[:, 0], rotations[:, 1:], left)
    for i in range(n):
        own = rotations[i].copy()
        if left[i]:
            own[1:] = mirror_rotmats(own[1:])
        slow = HandModel.default(0 if left[i] else 1).shaped(shape[i]).posed(own).joints()
        np.testing.assert_allclose(out[i], slow, atol=1e-12)


def test_a_left_hand_in_a_mirrored_crop_is_a_right_hand():
    """The definition of what the network says of a left hand: flip the crop, describe the right hand that is then in
    it.
    """
    rotations, shape, _ = poses(3, 1)
    crop = Crop((400.0, 200.0), 150.0, 0.4)
    turn = camera_from_crop([crop], CAMERA)
    wrist = wrist_in_camera(rotations[:, 0], turn, np.array([True]))
    left = relative_joints(HandModel.default(), shape, wrist, rotations[:, 1:], np.array([True]))
    in_crop = left @ turn[0]  # rows times R is R^T times columns
    right = HandModel.default().shaped(shape).posed(rotations).joints()
    np.testing.assert_allclose(in_crop * [-1, 1, 1], right, atol=2e-4)  # the model's wrist lies 0.02 mm off its origin


@pytest.mark.parametrize("left", [False, True])
def test_a_hand_taken_for_the_other_one_is_its_mirror_image_in_depth(left):
    rotations, shape, _ = poses(4, 1)
    turn = camera_from_crop([Crop((400.0, 200.0), 150.0, 0.4)], CAMERA)
    joints = []
    for side, mistaken in ((not left, False), (left, True)):
        sides, taken = np.array([side]), np.array([mistaken])
        wrist = wrist_in_camera(rotations[:, 0], turn, sides, taken)
        assert np.linalg.det(wrist[0]) == pytest.approx(1)
        relative = relative_joints(HandModel.default(), shape, wrist, rotations[:, 1:], sides)
        joints.append((relative - relative[:, :1]) @ turn[0])
    np.testing.assert_allclose(joints[1], joints[0] * [1, 1, -1], atol=1e-12)


@pytest.mark.parametrize("start", [None, "near", "far", "unknown"])
def test_the_place_is_found_again(start):
    rotations, shape, left = poses(1, 2)
    relative = relative_joints(HandModel.default(), shape, rotations[:, 0], rotations[:, 1:], left)
    place = np.array([[0.1, -0.05, 0.5], [-0.2, 0.1, 0.9]])
    pixels = CAMERA.project(relative + place[:, None])
    begin = {None: None, "near": place * 1.05, "far": place * [[1, 1, 30]], "unknown": place * np.nan}[start]
    np.testing.assert_allclose(translation(relative, pixels, np.ones((2, 21)), CAMERA, begin), place, atol=1e-6)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_starting_near_gives_what_solving_anew_gives(seed):
    rng = np.random.default_rng(seed)
    rotations, shape, left = poses(seed, 2)
    relative = relative_joints(HandModel.default(), shape, rotations[:, 0], rotations[:, 1:], left)
    place = rng.uniform([-0.2, -0.2, 0.4], [0.2, 0.2, 1.2], (2, 3))
    sigma = rng.uniform(0.5, 4, (2, 21))
    pixels = CAMERA.project(relative + place[:, None]) + sigma[..., None] * rng.normal(size=(2, 21, 2))
    anew = solve_translation(relative, pixels, CAMERA, 1 / sigma**2)
    near = translation(relative, pixels, sigma, CAMERA, place)
    np.testing.assert_allclose(near, anew, atol=1e-4 * np.abs(anew[:, 2:]).max())


def test_no_place_is_nan():
    rotations, shape, left = poses(1, 1)
    relative = relative_joints(HandModel.default(), shape, rotations[:, 0], rotations[:, 1:], left)
    assert np.isnan(translation(relative, np.full((1, 21, 2), 100.0), np.ones((1, 21)), CAMERA)).all()
