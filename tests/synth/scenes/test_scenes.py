"""Scenes without things: what holds in all of them, and what each sort promises."""

from __future__ import annotations

import numpy as np
import pytest

from palmar.hand import HandModel
from palmar.synth.people.person import Person, stance
from palmar.synth.people.surface import Surface
from palmar.synth.scenes import SCENES
from palmar.synth.scenes.face import PLACES, face_scene, head_surface, touch_face
from palmar.synth.scenes.interacting import meeting_scene
from palmar.synth.scenes.pairs import world_from_hand
from palmar.synth.scenes.stage import Collage, panel
from palmar.synth.world import Kind, View, shoot

NAMES = ("webcam", "interacting", "egocentric", "hand at face", "company", "desk")


@pytest.fixture(scope="module")
def scenes():
    return {name: SCENES[name](3, 1) for name in NAMES}


@pytest.fixture(scope="module")
def moments(scenes):
    return {name: [scene.at(t) for t in (0.0, 1.7, 2.9)] for name, scene in scenes.items()}


def faces_of(side: int) -> np.ndarray:
    return HandModel.default(side).faces


@pytest.mark.parametrize("name", NAMES)
def test_pieces_and_faces_are_the_same_at_every_time(moments, name):
    first = moments[name][0].pieces
    for moment in moments[name][1:]:
        assert [(p.kind, p.instance) for p in moment.pieces] == [(p.kind, p.instance) for p in first]
        for a, b in zip(first, moment.pieces, strict=True):
            np.testing.assert_array_equal(a.mesh.faces, b.mesh.faces)
            np.testing.assert_array_equal(a.mesh.albedo, b.mesh.albedo)
            assert np.isfinite(b.mesh.vertices).all()


@pytest.mark.parametrize("name", NAMES)
def test_hands_are_where_the_truth_says(moments, name):
    for moment in moments[name]:
        pieces = {p.instance: p for p in moment.pieces if p.kind == Kind.HAND}
        assert sorted(pieces) == sorted(h.instance for h in moment.hands)
        people = {p.instance for p in moment.pieces if p.kind == Kind.BODY}
        for hand in moment.hands:
            assert hand.person in people
            model = HandModel.default(hand.side)
            posed = model.shaped(hand.shape).posed(hand.rotations, hand.translation)
            np.testing.assert_allclose(posed.joints(), hand.joints, atol=1e-8)
            off = np.linalg.norm(pieces[hand.instance].mesh.vertices - hand.vertices, axis=1)
            assert off.max() < 0.006  # as thick as a glove is
            identity = hand.rotations @ hand.rotations.transpose(0, 2, 1)
            np.testing.assert_allclose(identity, np.tile(np.eye(3), (16, 1, 1)), atol=1e-9)
            np.testing.assert_allclose(np.linalg.det(hand.rotations), 1.0)


@pytest.mark.parametrize("name", NAMES)
def test_arms_meet_their_hands(moments, name):
    model = HandModel.default()
    last = np.flatnonzero(model.behind == 1.0)[:20]
    for moment in moments[name]:
        for hand in moment.hands:
            arm = next(p.mesh for p in moment.pieces if p.kind == Kind.ARM and p.instance == hand.person)
            ring = hand.vertices[last]
            near = np.linalg.norm(arm.vertices - ring.mean(0), axis=1) < 0.08
            gap = np.linalg.norm(arm.vertices[near][:, None] - ring[None], axis=2).min(0)
            assert gap.max() < 1e-4
            # a forearm that does not reach would be drawn out over the gap
            behind = np.sort(np.linalg.norm(arm.vertices[near] - ring.mean(0), axis=1))
            assert behind[40] < 0.06


@pytest.mark.parametrize("name", NAMES)
def test_both_sides_are_a_persons_own(moments, name):
    for moment in moments[name]:
        for person in {h.person for h in moment.hands}:
            assert sorted(h.side for h in moment.hands if h.person == person) == [0, 1]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_and_index_make_the_same_scene(scenes, moments, name):
    if name in ("interacting", "company"):
        pytest.skip("slow; their parts are tested for it")
    again = SCENES[name](3, 1)
    for a, b in zip(moments[name][1].pieces, again.at(1.7).pieces, strict=True):
        np.testing.assert_array_equal(a.mesh.vertices, b.mesh.vertices)
        np.testing.assert_array_equal(a.mesh.albedo, b.mesh.albedo)
    np.testing.assert_array_equal(scenes[name].light.sh, again.light.sh)
    view, other = scenes[name].views[0], again.views[0]
    np.testing.assert_array_equal(view.world_from_camera(0.4), other.world_from_camera(0.4))


@pytest.mark.parametrize("name", NAMES)
def test_somebody_can_see_the_hands(scenes, name):
    """The first view has at least one of the hands in its picture at some time, and its background is that size."""
    scene = scenes[name]
    seen = 0
    for time in (0.5, 2.0, 3.0):
        shot = shoot(scene, scene.views[0], time)
        kinds = np.array([p.kind for p in shot.moment.pieces])[shot.piece_of_face]
        seen += int((kinds[shot.buffers.face[shot.buffers.face >= 0]] == Kind.HAND).sum())
    assert seen > 100
    behind = scene.background(scene.views[0], 0.0)
    camera = scene.views[0].camera
    assert behind.shape == (camera.height, camera.width, 3)
    assert np.isfinite(behind).all()
    assert behind.max() > 0


def test_hands_that_meet_come_together_and_part():
    """At first and at last nothing touches; in between both do, no deeper than 2 mm."""
    scene = meeting_scene(np.random.default_rng(5), "steeple")
    phases = {s.phase: s for s in scene.segments}
    free, held = scene.at(0.0), scene.at((phases["hold"].start + phases["hold"].end) / 2)
    assert all(h.contact.sum() == 0 for h in free.hands)
    assert all(h.contact.sum() > 5 for h in held.hands)
    for time in np.linspace(0, scene.seconds, 9):
        hands = scene.at(float(time)).hands
        for a in range(2):
            other = hands[1 - a]
            distance, _, _ = Surface.of(other.vertices, faces_of(other.side)).distance(hands[a].vertices)
            assert distance.min() > -0.002
    apart = [np.linalg.norm(m.hands[0].joints[8] - m.hands[1].joints[8]) for m in (free, held)]
    assert apart[0] > apart[1] + 0.05


def test_a_slide_stays_in_contact():
    scene = meeting_scene(np.random.default_rng(9), "rubbing")
    hold = next(s for s in scene.segments if s.phase == "hold")
    for time in np.linspace(hold.start, hold.end, 4):
        left, right = scene.at(float(time)).hands
        assert min(left.contact.sum(), right.contact.sum()) > 0
        for a, b in ((left, right), (right, left)):
            distance, _, _ = Surface.of(b.vertices, faces_of(b.side)).distance(a.vertices)
            assert distance.min() > -0.0025


@pytest.mark.parametrize("name", ["cheek", "lips"])
def test_a_hand_touches_the_face_and_does_not_enter_it(name):
    rng = np.random.default_rng(21)
    person = Person.sample(rng, wear=False)
    pose = stance(np.array([0.0, 0.45, 0.75]), thigh=1.5)
    shown = person.posed(pose)
    head = head_surface(person, shown)
    for side in range(2):
        found = touch_face(rng, person, pose, shown, head, name, side, tries=3)
        assert found.deepest < 0.002
        assert found.farthest < 0.006  # the last of three fingers may hover
        moment = person.posed(pose, *((found.grips[0], None) if side == 0 else (None, found.grips[0])), fixed=True)
        hand = moment.hands[side]
        assert hand.contact.sum() > 0
        # it touches on its own side of the face, or at the middle
        spot = hand.vertices[hand.contact > 0].mean(0)
        local = shown.head[0].T @ (spot - shown.head[1])
        assert local[0] * (1 if side == 0 else -1) > -0.02
        assert local[2] < 0.02  # in front


def test_every_place_of_the_face_is_complete():
    from palmar.synth import gestures
    from palmar.synth.people.touch import patches

    for name, place in PLACES.items():
        assert place.shape in gestures.NAMES, name
        assert set(place.touch) <= set(patches())
        assert place.spot[0] <= 0  # a right hand's


def test_a_face_scene_holds_what_its_segments_say():
    scene = face_scene(np.random.default_rng(4), "lips")
    hold = next(s for s in scene.segments if s.phase == "hold")
    hand = scene.at((hold.start + hold.end) / 2).hands[hold.side]
    assert hand.contact.sum() > 0
    assert scene.at(0.0).hands[hold.side].contact.sum() == 0


def test_a_desk_is_touched_and_not_entered(scenes, moments):
    room = next(p.mesh for p in moments["desk"][0].pieces if p.kind == Kind.ROOM)
    height = room.vertices[:, 1].min()
    for time in np.linspace(0, 4, 9):
        for hand in scenes["desk"].at(float(time)).hands:
            if hand.contact is not None:
                assert hand.vertices[:, 1].max() < height + 0.001
                np.testing.assert_array_equal(hand.contact > 0, hand.vertices[:, 1] > height - 0.003)


def test_company_is_two_to_four(moments):
    for moment in moments["company"]:
        assert 2 <= len({h.person for h in moment.hands}) <= 4
    chests = [p.mesh.vertices.mean(0) for p in moments["company"][0].pieces if p.kind == Kind.ARM]
    apart = [np.linalg.norm(a - b) for k, a in enumerate(chests) for b in chests[:k]]
    assert min(apart) > 0.5


@pytest.mark.parametrize("side", [0, 1])
def test_directions_name_a_hands_frame(side):
    frame = world_from_hand(side, (0, -1, 0), (0, 0, -1))
    model = HandModel.default(side)
    joints = model.shaped(np.zeros(10)).posed(np.tile(np.eye(3), (16, 1, 1))).joints() @ frame.T
    assert np.linalg.det(frame) == pytest.approx(1.0)
    assert joints[12, 1] - joints[0, 1] < -0.15  # middle finger up
    bent = np.zeros((5, 3, 3))
    bent[1:, :, 0] = 0.8
    curled = model.shaped(np.zeros(10)).posed(model.rotations_from_angles(bent)).joints() @ frame.T
    assert curled[12, 2] < joints[12, 2] - 0.03  # and bends to where the palm faces


def test_a_collage_turns_with_the_world_and_not_with_the_camera():
    from palmar.geometry.camera import Camera
    from palmar.geometry.rotations import rotmat_from_rotvec

    rng = np.random.default_rng(0)
    picture = np.kron(rng.random((12, 20, 3)), np.ones((16, 16, 1))).astype(np.float32)
    camera = Camera.from_fov(64, 48, 1.0)
    pose = np.eye(4)
    pose[:3, :3] = rotmat_from_rotvec(np.array([0.0, 0.35, 0.0]))
    collage = Collage(picture)
    still, turned = (collage.seen(View.still(camera, p), 0.0) for p in (np.eye(4), pose))
    # the same direction has the same colour: where the turned camera sees the old axis
    x, y = camera.project(np.array([[-np.sin(0.35), 0.0, np.cos(0.35)]]))[0].round().astype(int)
    np.testing.assert_allclose(turned[y, x], still[int(camera.cy + 0.5), int(camera.cx + 0.5)], atol=0.35)
    assert np.abs(turned - still).max() > 0.2
    np.testing.assert_array_equal(still, collage.seen(View.still(camera), 3.0))


def test_a_panel_is_flat_and_looks_up():
    piece = panel(np.random.default_rng(0), np.zeros(3), np.array([1.0, 0, 0]), np.array([0.0, 0, 0.5]), thickness=0.02)
    v = piece.mesh.vertices
    top = v[:, 1] < 1e-6
    assert top.sum() > 100
    assert v[:, 1].max() == pytest.approx(0.02, abs=1e-6)
    corner = v[piece.mesh.faces[top[piece.mesh.faces].all(1)]]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    assert (np.sign(normal[:, 1]) == np.sign(normal[0, 1])).all()
