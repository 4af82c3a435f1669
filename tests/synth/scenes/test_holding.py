"""Scenes with things in hands: contact is where the surfaces are, nothing slips, everything is repeatable."""

import numpy as np
import pytest

from palmar.hand import HandModel
from palmar.synth.grasp import CONTACT, DEEPEST
from palmar.synth.grasp.contact import mesh_distance
from palmar.synth.scenes import SCENES, holding
from palmar.synth.world import Kind, shoot

MAKERS = {"one": holding.one_hand, "both": holding.both_hands, "table": holding.from_table}
FACET = 6e-4
"""Metres by which facets and rounded vertices are off the solids."""


@pytest.fixture(scope="module")
def scenes():
    return {name: make(np.random.default_rng((2, 5))) for name, make in MAKERS.items()}


def thing_piece(moment):
    return next(piece for piece in moment.pieces if piece.kind == Kind.THING)


@pytest.mark.parametrize("name", MAKERS)
def test_contact_is_where_the_surfaces_are(scenes, name):
    moment = scenes[name].at(3.0)
    piece, truth = thing_piece(moment), moment.things[0]
    assert piece.instance == truth.instance == holding.THING_INSTANCE
    holders = [hand for hand in moment.hands if hand.holds]
    assert len(holders) == (2 if name == "both" else 1)
    mesh = piece.mesh
    for hand in holders:
        assert hand.holds == truth.instance
        distance = mesh_distance(mesh.vertices.astype(np.float64), mesh.faces, hand.vertices)
        assert distance.min() > -DEEPEST - FACET
        assert hand.contact is not None
        assert hand.contact.sum() >= 4
        assert distance[hand.contact > 0].max() < CONTACT + FACET
        assert distance[hand.contact == 0].min() > CONTACT - FACET


@pytest.mark.parametrize("name", ["one", "both"])
def test_what_is_held_does_not_slip(scenes, name):
    moments = [scenes[name].at(t) for t in (0.0, 1.7, 4.0)]
    model = HandModel.default()
    for i in range(2):
        if not moments[0].hands[i].holds:
            continue
        seen = []
        for moment in moments:
            there = moment.things[0].world_from_thing
            seen.append((moment.hands[i].vertices[model.behind <= 0] - there[:3, 3]) @ there[:3, :3])
        np.testing.assert_allclose(seen[1], seen[0], atol=1e-9)
        np.testing.assert_allclose(seen[2], seen[0], atol=1e-9)
    assert not np.allclose(moments[0].things[0].world_from_thing, moments[2].things[0].world_from_thing)


def test_a_thing_on_the_table_waits_until_it_is_taken(scenes):
    scene = scenes["table"]
    reach = next(s for s in scene.segments if s.verb == "reach")
    before, taken, end = scene.at(reach.start), scene.at(reach.end), scene.at(scene.seconds)
    np.testing.assert_array_equal(before.things[0].world_from_thing, taken.things[0].world_from_thing)
    assert end.things[0].world_from_thing[1, 3] < before.things[0].world_from_thing[1, 3] - 0.01  # lifted
    board = next(piece for piece in before.pieces if piece.kind == Kind.ROOM).mesh.vertices[:, 1].min()
    for time in np.linspace(0, scene.seconds, 9):
        moment = scene.at(float(time))
        assert thing_piece(moment).mesh.vertices[:, 1].max() < board + 1e-3
        side = scene.segments[0].side
        assert moment.hands[side].vertices[:, 1].max() < board + DEEPEST + FACET
    assert not any(hand.holds for hand in before.hands)
    assert before.hands[scene.segments[0].side].contact.sum() == 0
    gap = np.linalg.norm(before.hands[reach.side].joints[9] - before.things[0].world_from_thing[:3, 3])
    assert gap > np.linalg.norm(taken.hands[reach.side].joints[9] - taken.things[0].world_from_thing[:3, 3]) + 0.03


def test_hands_on_one_thing_keep_out_of_each_other(scenes):
    left, right = scenes["both"].at(0.0).hands
    faces = HandModel.default().faces
    outer = HandModel.default().behind <= 0
    assert mesh_distance(right.vertices, faces, left.vertices[outer]).min() > -0.005


@pytest.mark.parametrize("name", MAKERS)
def test_truth_is_that_of_the_hand_model(scenes, name):
    for hand in scenes[name].at(1.0).hands:
        model = HandModel.default(hand.side)
        skin = model.shaped(hand.shape).posed(hand.rotations, hand.translation).skin()
        on_hand = model.behind <= 0
        np.testing.assert_allclose(skin[on_hand], hand.vertices[on_hand], atol=1e-6)


@pytest.mark.parametrize("name", MAKERS)
def test_pieces_keep_their_faces_and_are_seen(scenes, name):
    scene = scenes[name]
    one, two = scene.at(0.0), scene.at(2.9)
    assert len(one.pieces) == len(two.pieces)
    for a, b in zip(one.pieces, two.pieces, strict=True):
        np.testing.assert_array_equal(a.mesh.faces, b.mesh.faces)
        assert (a.kind, a.instance) == (b.kind, b.instance)
    shot = shoot(scene, scene.views[0], 2.9)
    kinds = {shot.moment.pieces[i].kind for i in np.unique(shot.piece_map()) if i >= 0}
    assert Kind.HAND in kinds
    assert Kind.THING in kinds


def test_scenes_are_functions_of_seed_and_index():
    build = SCENES["holding"]
    one, two, other = build(7, 1), build(7, 1), build(7, 2)
    for a, b in zip(one.at(1.0).pieces, two.at(1.0).pieces, strict=True):
        np.testing.assert_array_equal(a.mesh.vertices, b.mesh.vertices)
    assert one.segments == two.segments
    assert one.segments != other.segments or one.at(0.0).things[0].name != other.at(0.0).things[0].name
