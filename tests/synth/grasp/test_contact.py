"""Distances to a mesh against closed forms, and contact that both sides agree on."""

import numpy as np
import pytest

from palmar.hand import HandModel
from palmar.synth.grasp import CONTACT, Feel, take
from palmar.synth.grasp.contact import contact, mesh_distance
from palmar.synth.things import sample_thing, solid, surface


def test_distance_to_a_box_mesh_is_that_of_the_box():
    size = np.array([0.05, 0.03, 0.04])
    made = surface.box_surface(size)
    points = np.random.default_rng(0).uniform(-0.04, 0.04, (500, 3))
    exact = solid.box(size).distance(points)
    found = mesh_distance(made.vertices, made.faces, points)
    near = np.abs(exact) < 0.0199
    assert (exact[near] < 0).any()
    np.testing.assert_allclose(found[near], exact[near], atol=1e-9)
    np.testing.assert_allclose(found[~near], np.abs(exact[~near]), atol=1e-9)


def test_mirrored_meshes_have_the_same_insides():
    made = surface.box_surface(np.array([0.05, 0.03, 0.04])).mirrored()
    assert mesh_distance(made.vertices, made.faces, np.zeros((1, 3)))[0] == pytest.approx(-0.015)
    inside_out = np.ascontiguousarray(made.faces[:, ::-1])
    assert mesh_distance(made.vertices, inside_out, np.zeros((1, 3)))[0] == pytest.approx(-0.015)


@pytest.mark.parametrize("side", [0, 1])
def test_hand_and_thing_agree(side):
    shape = np.zeros(10)
    thing = sample_thing(np.random.default_rng(1), "orange")
    grasp = take(np.random.default_rng(0), Feel.of(HandModel.default().shaped(shape)), thing, "Power Sphere", side=side)
    assert grasp is not None
    world_from_thing = np.eye(4)
    world_from_thing[:3, :3] = [[0, 0, -1], [0, 1, 0], [1, 0, 0]]
    world_from_thing[:3, 3] = 0.1, 0.2, 0.6
    model = HandModel.default(side)
    rotations = model.rotations_from_angles(grasp.angles)
    rotations[0], shift = grasp.placed(world_from_thing)
    hand = model.shaped(shape).posed(rotations, shift).skin()
    found = contact(hand, model.faces, thing, world_from_thing)
    np.testing.assert_allclose(found.hand_distance, grasp.distance, atol=1e-6)
    np.testing.assert_array_equal(found.hand, grasp.contact)
    assert found.thing.sum() > 10
    # Where the thing's skin touches, some of the hand's must be near: vertices are a few millimetres apart.
    local = (hand - world_from_thing[:3, 3]) @ world_from_thing[:3, :3]
    touched = thing.mesh().vertices[found.thing > 0]
    gaps = np.linalg.norm(touched[:, None] - local[None], axis=-1).min(1)
    assert gaps.max() < 0.008
    assert (grasp.distance[np.linalg.norm(touched[:, None] - local[None], axis=-1).argmin(1)] < CONTACT + 0.003).all()
    assert found.thing_distance.min() > -0.006
