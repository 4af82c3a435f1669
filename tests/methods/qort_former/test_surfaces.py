"""Inverse kinematics, boxes, contact values."""

from __future__ import annotations

import numpy as np
import pytest

from palmar.geometry.rotations import angle_between, rotmat_from_rotvec
from palmar.hand import HandModel
from palmar.hand.joints import BONE_OF_JOINT, PARENTS
from palmar.methods.qort_former.surfaces import (
    KNUCKLES,
    box_frame,
    box_surface,
    chosen_vertices,
    contact_value,
    distance_to_box,
    distance_to_points,
    frame_surfaces,
    mesh_from_joints,
    rotations_from_joints,
    shortest_turn,
    skin_rows,
)
from palmar.types.firstperson import box_points


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_contact_values_are_the_documented_ones():
    found = contact_value(np.array([0, 0.25, 0.5, 1, 2, 5]) / 100)
    np.testing.assert_allclose(found, [1, 0.755081, 0.537883, 0.238406, 0.035972, 0.000091], atol=1e-6)
    assert contact_value(np.array([np.nan])) == pytest.approx(0, abs=1e-12)


def test_the_shortest_turn_turns_about_the_axis_across_both(rng):
    a, b = rng.normal(size=(2, 50, 3))
    R = shortest_turn(a, b)
    np.testing.assert_allclose(np.swapaxes(R, -1, -2) @ R, np.broadcast_to(np.eye(3), R.shape), atol=1e-12)
    unit = [v / np.linalg.norm(v, axis=-1, keepdims=True) for v in (a, b)]
    np.testing.assert_allclose((R @ unit[0][..., None])[..., 0], unit[1], atol=1e-12)
    axis = np.cross(a, b)
    np.testing.assert_allclose((R @ axis[..., None])[..., 0], axis, atol=1e-11)


def test_the_shortest_turn_between_opposites_and_equals():
    x = np.array([[1.0, 0, 0], [1.0, 0, 0]])
    R = shortest_turn(x, np.array([[-1.0, 0, 0], [2.0, 0, 0]]))
    np.testing.assert_allclose((R[0] @ x[0]), [-1, 0, 0], atol=1e-12)
    assert np.linalg.det(R[0]) == pytest.approx(1)
    np.testing.assert_allclose(R[1], np.eye(3), atol=1e-12)


def posed_sticks(template, rotations):
    """Joints of a hand of sticks: the definition, one bone after the other."""
    world, q = {0: rotations[0]}, {0: template[0]}
    for k in range(1, 21):
        parent = PARENTS[k]
        world[k] = world[0] if k in KNUCKLES else world[parent] @ rotations[BONE_OF_JOINT[parent]]
        q[k] = q[parent] + world[k] @ (template[k] - template[parent])
    return np.stack([q[k] for k in range(21)])


def test_inverse_kinematics_returns_the_joints_of_a_hand_of_sticks(rng):
    template = HandModel.default().shaped(np.zeros(10)).rest_landmarks
    turns = rotmat_from_rotvec(np.concatenate([rng.normal(0, 1, (1, 3)), rng.normal(0, 0.7, (15, 3))]))
    joints = posed_sticks(template, turns) * 1.3 + [0.1, 0.2, 0.5]
    found = rotations_from_joints(joints, template)
    np.testing.assert_allclose(angle_between(found[0], turns[0]), 0, atol=1e-6)
    again = posed_sticks(template, found)
    expected = (joints - joints[0]) / 1.3 + template[0]
    np.testing.assert_allclose(again, expected, atol=1e-9)


@pytest.mark.parametrize("side", [0, 1])
def test_a_mesh_from_joints_lies_on_the_hand_they_are_of(side, rng):
    model, rows = HandModel.default(side), chosen_vertices(60)
    angles = np.zeros((20, 5, 3, 3))
    angles[..., 0] = rng.uniform(0, 1.0, (20, 5, 3))
    rotations = model.rotations_from_angles(angles)
    rotations[:, 0] = rotmat_from_rotvec(rng.normal(size=(20, 3)))
    posed = model.shaped(np.zeros((20, 10))).posed(rotations, rng.normal(size=(20, 3)))
    joints = posed.joints()
    found = mesh_from_joints(joints, side, rows)
    error = np.linalg.norm(found - posed.skin()[:, rows], axis=-1)
    assert error.mean() < 0.008  # joints are not where the bones turn, and nothing twists
    other = mesh_from_joints(joints, 1 - side, rows)
    assert np.linalg.norm(other - posed.skin()[:, rows], axis=-1).mean() > 2 * error.mean()
    joints[3, 5] = np.nan
    assert np.isnan(mesh_from_joints(joints, side, rows)[3]).all()


def test_some_vertices_are_skinned_as_all_are(rng):
    model, rows = HandModel.default(0), chosen_vertices(50)
    shape, rotations = rng.normal(size=(4, 10)), rotmat_from_rotvec(rng.normal(size=(4, 16, 3)))
    expected = model.shaped(shape).posed(rotations).skin()[:, rows]
    np.testing.assert_allclose(skin_rows(model, shape, rotations, rows), expected, atol=1e-12)


def test_chosen_vertices_are_spread_and_of_the_hand():
    few, many = chosen_vertices(50), chosen_vertices(100)
    np.testing.assert_array_equal(few, many[:50])
    model = HandModel.default()
    assert (model.behind[many] <= 0).all()
    assert len(set(many)) == 100
    apart = np.linalg.norm(model.template[few][:, None] - model.template[few], axis=-1)
    to_chosen = np.linalg.norm(model.template[model.behind <= 0][:, None] - model.template[few], axis=-1).min(1)
    assert apart[~np.eye(50, dtype=bool)].min() >= to_chosen.max() * 0.999


def test_a_box_comes_back_from_its_points(rng):
    low, high = np.array([-0.1, -0.02, -0.03]), np.array([0.1, 0.04, 0.05])
    R, t = rotmat_from_rotvec(rng.normal(size=3)), np.array([0.1, 0.2, 0.5])
    points = box_points(low, high) @ R.T + t
    rotation, middle, half = box_frame(points)
    np.testing.assert_allclose(rotation, R, atol=1e-9)
    np.testing.assert_allclose(half, (high - low) / 2, atol=1e-9)
    surface = box_surface(points, 500)
    local = (surface - middle) @ rotation
    np.testing.assert_allclose((np.abs(local) / half).max(1), 1, atol=1e-9)
    assert (local.max(0) > 0.8 * half).all()
    assert (local.min(0) < -0.8 * half).all()
    assert np.isnan(box_surface(np.full((21, 3), np.nan), 5)).all()


def test_distance_to_a_box_is_that_to_its_nearest_point(rng):
    points = box_points(np.array([-0.1, -0.05, -0.02]), np.array([0.1, 0.05, 0.02]))
    where = rng.normal(0, 0.2, (200, 3))
    nearest = np.clip(where, [-0.1, -0.05, -0.02], [0.1, 0.05, 0.02])
    np.testing.assert_allclose(distance_to_box(where, points), np.linalg.norm(where - nearest, axis=1), atol=1e-12)
    np.testing.assert_allclose(distance_to_box(np.zeros((1, 3)), points), 0, atol=1e-12)


def test_distance_to_nothing_is_far():
    assert (distance_to_points(np.zeros((3, 3)), np.full((5, 3), np.nan)) == 10).all()


def test_surfaces_of_a_clip_touch_where_they_meet(rng):
    rows = chosen_vertices(60)
    joints = np.full((2, 2, 21, 3), np.nan)
    joints[:, 1] = HandModel.default(1).shaped(np.zeros(10)).rest_landmarks + np.array([0, 0, 0.5])
    mesh = mesh_from_joints(joints[0, 1], 1, rows)
    points = np.stack([box_points(mesh[0] - 0.01, mesh[0] + 0.01), np.full((21, 3), np.nan)])
    hands, thing = frame_surfaces(joints, points, 60, 80)
    assert (hands[:, 0] == 0).all()  # no left hand
    np.testing.assert_allclose(hands[0, 1, :, :3], mesh)
    assert hands[0, 1, 0, 3] > 0.2
    assert hands[0, 1, :, 3].argmax() == 0 or hands[0, 1, :, 3].max() > hands[0, 1, 0, 3]
    assert (hands[1, 1, :, 3] < 1e-9).all()  # no object, no contact
    assert (thing[1] == 0).all()
    far = np.linalg.norm(thing[0, :, None, :3] - mesh, axis=-1).min(1)
    np.testing.assert_allclose(thing[0, :, 3], contact_value(far), atol=1e-12)
