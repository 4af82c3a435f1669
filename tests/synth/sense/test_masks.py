"""Masks and visibility on scenes whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from palmar.geometry.camera import Camera
from palmar.render import vertex_normals
from palmar.synth.cameras import look_at
from palmar.synth.sense import geometry, masks
from palmar.synth.sense.masks import Seen
from palmar.synth.world import Kind, Piece, Scene, View, shoot


@pytest.fixture(scope="module")
def shot(scene, view):
    return shoot(scene, view, 0.3)


def only(scene: Scene, *instances: int) -> Scene:
    """The scene with some of its pieces."""

    def at(time):
        moment = scene.at(time)
        return replace(moment, pieces=tuple(p for p in moment.pieces if p.instance in instances))

    return replace(scene, at=at)


def test_instances_and_kinds_belong_together(shot):
    numbers, kinds = masks.instance(shot), masks.kind(shot)
    pairs = {(int(n), Kind(k)) for n, k in zip(numbers.ravel(), kinds.ravel(), strict=True)}
    assert pairs == {(2, Kind.HAND), (3, Kind.HAND), (1, Kind.ARM), (4, Kind.THING), (5, Kind.ROOM)}


def test_nothing_is_zero_and_none(scene, view):
    shot = shoot(only(scene, 4), view, 0.3)
    empty = shot.buffers.face < 0
    assert empty.any()
    assert (masks.instance(shot)[empty] == 0).all()
    assert (masks.kind(shot)[empty] == masks.NONE).all()
    assert (masks.part(shot) == masks.NONE).all()


def test_parts_are_those_of_the_nearest_vertex(shot):
    seen = geometry.surface(shot)
    parts = masks.part(shot, seen)
    on = masks.kind(shot) == Kind.HAND
    assert ((parts != masks.NONE) == on).all()
    top = np.take_along_axis(shot.mesh.faces[seen.face[on]], seen.weights[on].argmax(1)[:, None], 1)[:, 0]
    assert (shot.mesh.part[top] == parts[on]).mean() > 0.97
    assert set(np.unique(parts[on])) == set(range(17))


def test_each_segment_lies_around_its_bone(shot):
    parts, numbers = masks.part(shot), masks.instance(shot)
    for hand in shot.moment.hands:
        pixels = shot.camera.project(hand.joints)
        for joint in (5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19, 2, 3):  # the bone from this joint to the next
            on = (parts == masks.parts_of_joints()[joint]) & (numbers == hand.instance)
            y, x = np.nonzero(on)
            middle = (pixels[joint] + pixels[joint + 1]) / 2
            assert np.linalg.norm(middle - [x.mean(), y.mean()]) < 3.5, joint


def test_the_fifteen_segments_run_from_thumb_to_little():
    labels = masks.fifteen(np.arange(18, dtype=np.uint8)[None])[0]
    names = [masks.PART_NAMES[k] for k in np.argsort(labels) if labels[k] > 0]
    assert names == [f"{f}{k}" for f in ("thumb", "index", "middle", "ring", "little") for k in (1, 2, 3)]
    assert labels[0] == labels[16] == labels[17] == 0
    assert len(masks.FIFTEEN) == 15
    assert masks.FIFTEEN[3] == "index_proximal"


def test_two_hands_make_33_classes(shot):
    parts, numbers = masks.part(shot), masks.instance(shot)
    classes = masks.two_hands(shot, parts)
    bare = parts < masks.FOREARM
    assert (classes[bare & (numbers == 2)] == parts[bare & (numbers == 2)] + 1).all()
    assert (classes[bare & (numbers == 3)] == parts[bare & (numbers == 3)] + 17).all()
    assert (classes[~bare] == 0).all()
    assert classes.max() <= 32


def test_what_is_worn_close_to_the_skin_is_part_of_it(scene, view, shot):
    def at(time, off, kind):
        moment = scene.at(time)
        hand = moment.pieces[0]
        normals = vertex_normals(hand.mesh.vertices, hand.mesh.faces)
        glove = replace(hand.mesh, vertices=hand.mesh.vertices + np.float32(off) * normals, part=None)
        return replace(moment, pieces=(*moment.pieces, Piece(glove, kind, 1)))

    bare, numbers = masks.part(shot), masks.instance(shot)
    for off, kind, counts in ((0.002, Kind.WEAR, True), (0.012, Kind.WEAR, False), (0.002, Kind.CLOTH, False)):
        worn = shoot(replace(scene, at=lambda t, o=off, k=kind: at(t, o, k)), view, 0.3)
        parts = masks.part(worn)
        covered = (numbers == 2) & (masks.instance(worn) == 1)
        assert covered.sum() > 300
        same = (parts[covered] == bare[covered]).mean()
        assert (same > 0.9) if counts else (same < 0.3)
        assert (masks.two_hands(worn, parts)[covered & (parts < 16)] <= 16).all()


def test_amodal_masks_hold_what_others_hide(scene, view):
    shot = shoot(scene, view, 0.9)
    numbers, whole = masks.amodal(shot)
    assert numbers == (2, 3, 4)
    found = masks.instance(shot)
    for number, mask in zip(numbers, whole, strict=True):
        alone = shoot(only(scene, number), view, 0.9)
        assert (mask == (alone.buffers.face >= 0)).all()
        assert not ((found == number) & ~mask).any()
        assert masks.box(mask)[2] - masks.box(mask)[0] >= mask.sum(1).max()
    assert (whole[2] & (found != 4)).sum() + (whole[0] & (found != 2)).sum() + (whole[1] & (found != 3)).sum() > 0
    assert np.isnan(masks.box(np.zeros((4, 4), bool))).all()


def test_boxes_reach_the_outer_edges_of_pixels():
    mask = np.zeros((6, 8), bool)
    mask[2:4, 3] = True
    np.testing.assert_array_equal(masks.box(mask), [2.5, 1.5, 3.5, 3.5])


def test_an_open_hand_shows_all_its_joints(scene, view):
    shot = shoot(scene, view, 0.0)
    assert (masks.joints_seen(shot, shot.moment.hands[0]) == Seen.VISIBLE).all()


def test_a_fist_from_behind_hides_its_fingertips_itself(scene):
    knuckle = scene.at(1.0).hands[0].joints[9]
    behind = View.still(Camera.from_fov(200, 200, 0.6), look_at(knuckle + np.array([0, 0, 0.4]), knuckle))
    shot = shoot(only(scene, 1, 2, 3, 4), behind, 1.0)
    seen = masks.joints_seen(shot, shot.moment.hands[0])
    assert (seen[[8, 12, 16, 20]] == Seen.SELF).all()
    assert (seen[[5, 9, 13, 17]] == Seen.VISIBLE).all()


def test_a_thing_before_the_hand_hides_it(scene, view, rigid, shapes):
    grid, _, pose = shapes

    def at(time):
        moment = scene.at(time)
        hand = moment.hands[0]
        screen = rigid([(grid(0.1, 2), Kind.THING)], lambda k, t: pose((0, 0, 0), tuple(hand.joints[10] * 0.7)))
        return replace(moment, pieces=(*moment.pieces, replace(screen.at(0).pieces[0], instance=9)))

    hidden = replace(scene, at=at)
    shot = shoot(hidden, view, 0.0)
    seen = masks.joints_seen(shot, shot.moment.hands[0])
    pixels = shot.camera.project(shot.moment.hands[0].joints)
    row, column = np.floor(pixels[:, 1] + 0.5).astype(int), np.floor(pixels[:, 0] + 0.5).astype(int)
    behind = masks.instance(shot)[row, column] == 9
    assert 4 < behind.sum() < 21
    np.testing.assert_array_equal(seen, np.where(behind, Seen.OTHER, Seen.VISIBLE))


def test_joints_off_the_picture_are_outside(scene, view):
    narrow = View.still(Camera(40, 96, 122.9, 122.9, 19.5 - 60, 47.5))
    shot = shoot(scene, narrow, 0.0)
    seen = masks.joints_seen(shot, shot.moment.hands[0])
    pixels = narrow.camera.project(shot.moment.hands[0].joints)
    np.testing.assert_array_equal(seen == Seen.OUTSIDE, ~narrow.camera.inside(pixels))
    turned = View.still(view.camera, look_at(np.zeros(3), np.array([0.0, 0, -1])))
    shot = shoot(scene, turned, 0.0)
    assert (masks.joints_seen(shot, shot.moment.hands[0]) == Seen.OUTSIDE).all()
