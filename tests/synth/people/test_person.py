"""A whole person: hands where the truth says, arms that meet them, the right hand on the right side."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from palmar.hand import HandModel
from palmar.synth import gestures
from palmar.synth.people.body import RING
from palmar.synth.people.hands import ring_rows
from palmar.synth.people.person import Grip, Person, looking, stance
from palmar.synth.scenes.pairs import world_from_hand
from palmar.synth.world import Kind


@pytest.fixture(scope="module")
def person() -> Person:
    return Person.sample(np.random.default_rng(11), sleeve=0.5, wear=False)


@pytest.fixture(scope="module")
def pose():
    return stance(np.array([0.0, 0.45, 0.75]), thigh=1.5)


def grips(person: Person, pose, seed: int) -> list[Grip]:
    rng = np.random.default_rng(seed)
    out = []
    for side, hand in enumerate(person.hands):
        fingers = (rng.normal(0, 0.3), -1.0, rng.normal(0, 0.3))
        turn = world_from_hand(side, fingers, (rng.normal(0, 0.5), rng.normal(0, 0.3), -1.0))
        wrist = pose.place + np.array([(0.2 if side == 0 else -0.2), rng.uniform(-0.45, -0.2), -0.33])
        angles = hand.body.resolve(gestures.shape(gestures.NAMES[int(rng.integers(len(gestures.NAMES)))]))
        out.append(Grip(angles, turn, wrist))
    return out


@pytest.fixture(scope="module")
def shown(person, pose):
    return [person.posed(pose, *grips(person, pose, seed)) for seed in range(3)]


def test_truth_is_what_the_hand_model_makes_of_it(shown):
    for moment in shown:
        for hand in moment.hands:
            model = HandModel.default(hand.side)
            posed = model.shaped(hand.shape).posed(hand.rotations, hand.translation)
            np.testing.assert_allclose(posed.joints(), hand.joints, atol=1e-9)
            fixed = model.behind == 0  # the stub bends with the wrist
            np.testing.assert_allclose(posed.skin()[fixed], hand.vertices[fixed], atol=1e-9)


def test_the_hands_pieces_are_where_the_truth_says(shown):
    for moment in shown:
        pieces = {p.instance: p.mesh for p in moment.pieces if p.kind == Kind.HAND}
        for hand in moment.hands:
            np.testing.assert_allclose(pieces[hand.instance].vertices, hand.vertices, atol=1e-6)
            # faces look outward on both sides: the volume is positive
            v = pieces[hand.instance].vertices[pieces[hand.instance].faces].astype(float)
            assert np.einsum("fi,fi->", v[:, 0], np.cross(v[:, 1], v[:, 2])) > 0


def test_arm_and_stub_share_their_ring(person, shown):
    rows = ring_rows(HandModel.default())
    for moment in shown:
        arm = next(p.mesh for p in moment.pieces if p.kind == Kind.ARM)
        for side, hand in enumerate(moment.hands):
            ring = hand.vertices[rows]
            gap = np.linalg.norm(arm.vertices[:, None] - ring[None], axis=2).min(0)
            assert gap.max() < 1e-5
            # and the strip from the ring to the arm is neither torn nor folded
            v = len(person.body.vertices)
            cuff = np.arange(v - 2 * RING + RING * side, v - RING + RING * side)
            sewn = person.body.model.faces[np.isin(person.body.model.faces, cuff).any(1)]
            corner = moment.vertices[sewn]
            edges = np.linalg.norm(corner - np.roll(corner, 1, axis=1), axis=2)
            assert edges.max() < 0.045


def test_nothing_shows_where_arm_and_stub_meet(shown):
    """Normals and colour are the same on both sides of the seam."""
    rows = ring_rows(HandModel.default())
    moment = shown[0]
    arm = next(p.mesh for p in moment.pieces if p.kind == Kind.ARM)
    for piece in (p for p in moment.pieces if p.kind == Kind.HAND):
        for row in rows:
            nearest = np.linalg.norm(arm.vertices - piece.mesh.vertices[row], axis=1).argmin()
            assert arm.normals[nearest] @ piece.mesh.normals[row] > 0.999
            np.testing.assert_allclose(arm.albedo[nearest], piece.mesh.albedo[row], atol=0.06)


def test_the_wrists_are_met(person, pose, shown):
    for seed, moment in enumerate(shown):
        for arm, grip in zip(moment.arms, grips(person, pose, seed), strict=True):
            assert np.linalg.norm(arm.wrist - grip.wrist) < 1e-6


def test_a_raised_palm_shows_its_thumb_on_the_right_side(person, pose):
    """Fingers up, palm to a camera that looks along +z: the right thumb is on the picture's right, the left on the
    left, and the person's left hand is on the picture's right."""
    made = []
    for side, hand in enumerate(person.hands):
        turn = world_from_hand(side, (0, -1, 0), (0, 0, -1))
        wrist = pose.place + np.array([(0.25 if side == 0 else -0.25), -0.3, -0.3])
        made.append(Grip(hand.body.resolve(gestures.shape("open")), turn, wrist))
    left, right = person.posed(pose, *made).hands
    assert (left.side, right.side) == (0, 1)
    assert left.joints[4, 0] < left.joints[17, 0] - 0.05
    assert right.joints[4, 0] > right.joints[17, 0] + 0.05
    assert left.joints[:, 0].min() > right.joints[:, 0].max()
    for hand in (left, right):
        assert (hand.joints[[8, 12, 16, 20], 1] < hand.joints[0, 1] - 0.1).all()


def test_idle_hands_hang_at_their_own_side(person):
    standing = person.posed(stance(np.array([0.0, 0.1, 2.0])))
    left, right = standing.hands
    assert left.joints[9, 0] > 0.15
    assert right.joints[9, 0] < -0.15
    for hand in (left, right):
        assert hand.joints[12, 1] > hand.joints[0, 1] + 0.05  # fingers point down


def test_a_body_follows_a_hand_that_is_out_of_reach(person, pose):
    far = grips(person, pose, 0)[1]
    far = Grip(far.angles, far.world_from_hand, far.wrist + np.array([-0.4, -0.3, -0.8]))
    moment = person.posed(pose, None, far)
    assert np.linalg.norm(moment.arms[1].wrist - far.wrist) < 1e-4
    shift = moment.pose.place - pose.place
    assert 0.3 < np.linalg.norm(shift) < 1.0
    near = person.posed(pose, None, grips(person, pose, 0)[1])
    np.testing.assert_array_equal(near.pose.place, pose.place)  # who reaches stays


def test_faces_are_the_same_in_every_pose(shown):
    first = shown[0].pieces
    for moment in shown[1:]:
        assert [(p.kind, p.instance) for p in moment.pieces] == [(p.kind, p.instance) for p in first]
        for a, b in zip(first, moment.pieces, strict=True):
            np.testing.assert_array_equal(a.mesh.faces, b.mesh.faces)
            np.testing.assert_array_equal(a.mesh.albedo, b.mesh.albedo)


def test_the_same_generator_makes_the_same_person(pose):
    a, b = (Person.sample(np.random.default_rng(5)).posed(pose) for _ in range(2))
    other = Person.sample(np.random.default_rng(6)).posed(pose)
    for p, q in zip(a.pieces, b.pieces, strict=True):
        np.testing.assert_array_equal(p.mesh.vertices, q.mesh.vertices)
        np.testing.assert_array_equal(p.mesh.albedo, q.mesh.albedo)
    assert a.vertices.shape == other.vertices.shape
    assert np.abs(a.vertices - other.vertices).max() > 0.005


@pytest.mark.parametrize("aside", [-0.5, 0.5])
def test_a_head_turns_to_what_it_looks_at(person, pose, aside):
    target = pose.place + np.array([aside, -0.3, -0.5])
    turned = person.posed(looking(person, pose, target)).head[0]
    straight = person.posed(pose).head[0]
    to = target - person.posed(pose).head[1]
    ahead = np.array([0.0, 0.0, -1.0])
    assert (turned @ ahead) @ to > (straight @ ahead) @ to + 0.02


def test_grips_move_rigidly(person):
    hand, grip = person.hands[0], Grip(np.zeros((5, 3, 3)), np.eye(3), np.array([0.1, 0.2, 0.3]))
    turn, about, shift = Rotation.from_rotvec([0.2, 0.5, -0.3]).as_matrix(), np.array([1.0, 0, 0]), np.ones(3)
    points = hand.local(grip.angles).vertices
    moved = hand.to_world(grip.moved(turn, about, shift), points)
    np.testing.assert_allclose(moved, (hand.to_world(grip, points) - about) @ turn.T + about + shift, atol=1e-12)
