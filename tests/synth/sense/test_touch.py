"""Distance to what is near, against shapes whose distance is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from palmar.synth.grasp.take import CONTACT
from palmar.synth.sense import masks
from palmar.synth.sense.touch import distance_map, touch
from palmar.synth.world import Kind, Piece, shoot


def test_distance_to_a_box_is_that_of_its_formula(scene, shapes):
    _, box_mesh, _ = shapes
    moment = scene.at(0.0)
    hand = moment.hands[0]
    size, place = np.array([0.06, 0.05, 0.04]), hand.joints[9]  # right through the hand
    mesh = box_mesh(tuple(size), 2)
    mesh = replace(mesh, vertices=(mesh.vertices + place).astype(np.float32))
    found = touch(replace(moment, pieces=(Piece(mesh, Kind.THING, 8),)), hand)
    q = np.abs(hand.vertices - place) - size / 2
    truth = np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(1), 0)
    np.testing.assert_allclose(found.distance, truth, atol=1e-6)
    assert (truth < 0).sum() > 20
    assert (found.instance == 8).all()


def test_the_nearest_of_several_counts_and_the_hand_itself_does_not(scene):
    moment = scene.at(0.3)
    left = moment.hands[1]
    found = touch(moment, left)
    assert set(np.unique(found.instance)) == {2, 4}  # the other hand and the box
    only_box = touch(moment, left, among=(Kind.THING,))
    assert (found.distance <= only_box.distance).all()
    alone = replace(moment, pieces=tuple(p for p in moment.pieces if p.instance == left.instance))
    assert np.isinf(touch(alone, left).distance).all()
    assert (touch(alone, left).instance == 0).all()


def test_the_map_shows_the_distance_of_the_skin(scene, view):
    shot = shoot(scene, view, 0.3)
    touches = {hand.instance: touch(shot.moment, hand) for hand in shot.moment.hands}
    distance, near = distance_map(shot, touches)
    on = masks.kind(shot) == Kind.HAND
    assert (np.isfinite(distance) == on).all()
    assert ((near == 255) == ~on).all()
    assert ((near == 1) == (np.nan_to_num(distance, nan=1.0) < CONTACT)).all()
    pixel = shot.camera.project(shot.moment.hands[0].joints[9])
    x, y = np.floor(pixel + 0.5).astype(int)
    skin = np.linalg.norm(shot.moment.hands[0].vertices - shot.moment.hands[0].joints[9], axis=1).argmin()
    assert abs(distance[y, x] - touches[2].distance[skin]) < 0.03
