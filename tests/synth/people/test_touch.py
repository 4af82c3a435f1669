"""Contact: distances against brute force, slopes against differences, hands that part and touch."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from palmar.errors import PalmarError
from palmar.hand import HandModel
from palmar.synth import gestures
from palmar.synth.people.hands import Grip, OwnHand
from palmar.synth.people.surface import NEAR, Surface
from palmar.synth.people.touch import TOUCHING, Pull, _State, contacts, patches, settle
from palmar.synth.scenes.pairs import MEETINGS, meet
from palmar.synth.skin import sample_skin


@pytest.fixture(scope="module")
def hands() -> tuple[OwnHand, OwnHand]:
    rng = np.random.default_rng(3)
    skin = sample_skin(rng, gloves=0.0, painted=0.0)
    shape = rng.normal(0, 1, 10).clip(-1.5, 1.5)
    return OwnHand.of(0, shape, skin), OwnHand.of(1, shape, skin)


def skin_of(hand: OwnHand, grip: Grip) -> np.ndarray:
    return hand.to_world(grip, hand.local(grip.angles).vertices)


def faces_of(hand: OwnHand) -> np.ndarray:
    faces = hand.shaped.model.faces
    return faces if hand.side == 1 else np.ascontiguousarray(faces[:, ::-1])


def winding(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """How often a closed mesh winds around each point: 1 inside, 0 outside (van Oosterom and Strackee 1983)."""
    out = []
    for p in points:
        a, b, c = (vertices[faces[:, k]] - p for k in range(3))
        la, lb, lc = (np.linalg.norm(x, axis=1) for x in (a, b, c))
        top = np.einsum("fi,fi->f", a, np.cross(b, c))
        low = la * lb * lc + np.sum(a * b, 1) * lc + np.sum(b * c, 1) * la + np.sum(c * a, 1) * lb
        out.append(np.arctan2(top, low).sum() / (2 * np.pi))
    return np.array(out)


def ball() -> tuple[np.ndarray, np.ndarray]:
    u, v = np.meshgrid(np.arange(40) * (2 * np.pi / 40), np.linspace(0.02, np.pi - 0.02, 30), indexing="ij")
    points = 0.05 * np.stack([np.sin(v) * np.cos(u), np.sin(v) * np.sin(u), np.cos(v)], -1).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(40), np.arange(29), indexing="ij")
    a, b = (i * 30 + j).ravel(), ((i + 1) % 40 * 30 + j).ravel()
    return points, np.concatenate([np.stack([a, a + 1, b + 1], 1), np.stack([a, b + 1, b], 1)]).astype(np.int32)


def test_distance_to_a_ball_is_that_to_its_middle_less_its_radius():
    surface = Surface.of(*ball())
    rng = np.random.default_rng(0)
    way = rng.normal(size=(200, 3))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    way = way[np.abs(way[:, 2]) < 0.95]  # the poles are open
    radius = rng.uniform(0.036, 0.064, (len(way), 1))
    distance, face, bary = surface.distance(way * radius)
    np.testing.assert_allclose(distance, radius[:, 0] - 0.05, atol=3e-4)  # facets: sagitta of 8 degrees
    foot = np.einsum("nk,nki->ni", bary, surface.vertices[surface.faces[face]])
    np.testing.assert_allclose(np.linalg.norm(foot - way * radius, axis=1), np.abs(distance), atol=1e-12)


def test_what_is_far_away_has_no_distance():
    surface = Surface.of(*ball())
    distance, _, _ = surface.distance(np.array([[0.05 + 1.5 * NEAR, 0, 0], [9.0, 9, 9]]))
    assert np.isinf(distance).all()


def test_the_sign_is_that_of_the_winding_number(hands):
    hand = hands[1]
    grip = Grip(hand.body.resolve(gestures.shape("rest")), np.eye(3), np.zeros(3))
    skin = skin_of(hand, grip)
    surface = Surface.of(skin, faces_of(hand))
    rng = np.random.default_rng(1)
    points = skin[rng.integers(0, len(skin), 150)] + rng.normal(0, 0.004, (150, 3))
    distance, _, _ = surface.distance(points)
    inside = winding(points, skin, faces_of(hand)) > 0.5
    clear = np.abs(distance) > 3e-4
    assert inside[clear].sum() > 10
    assert ((distance < 0) == inside)[clear].mean() > 0.99


def test_slopes_are_those_of_differences(hands):
    for hand in hands:
        turn = Rotation.from_rotvec([0.3, -0.8, 0.5]).as_matrix()
        grip = Grip(gestures.shape("claw"), turn, np.array([0.1, -0.2, 0.4]))
        state = _State(hand, grip, True)
        rows = np.array([100, 500, 900, 1300, 1500])[:, None]
        found = state.jacobian(rows, np.ones((5, 1)))
        before = state.skin[rows[:, 0]]
        for d in range(found.shape[1]):
            step = np.zeros(found.shape[1])
            step[d] = 1e-5
            after = skin_of(hand, state.moved(step))[rows[:, 0]]
            # blended skinning: the joints' slopes are those of a vertex that goes with its bones' weights
            np.testing.assert_allclose((after - before) / 1e-5, found[:, d], atol=4e-3)


def test_places_are_where_their_names_say():
    model = HandModel.default()
    rest = model.shaped(np.zeros(10))
    v, joints = rest.vertices(), rest.posed(np.tile(np.eye(3), (16, 1, 1))).joints()
    p = patches()
    assert all(len(rows) > 3 for rows in p.values())
    assert v[p["palm"], 1].mean() < v[p["back"], 1].mean() - 0.01  # the palm faces -y
    for k, name in enumerate(("thumb", "index", "middle", "ring", "little")):
        assert np.linalg.norm(v[p[f"{name} tip"]].mean(0) - joints[4 * k + 4]) < 0.012
        assert v[p[f"{name} pad"], 1].mean() < v[p[f"{name} back"], 1].mean()


@pytest.mark.parametrize("name", ["prayer", "steeple", "pointing at palm", "stacked", "interlaced"])
def test_hands_that_meet_touch_and_do_not_enter_each_other(hands, name):
    found, _ = meet(np.random.default_rng(8), name, hands, tries=2)
    assert found.farthest < 0.002
    assert found.overlap < 0.0015
    skins = [skin_of(hand, grip) for hand, grip in zip(hands, found.grips, strict=True)]
    # independent of the solver: vertices that the other mesh winds around, and how far its nearest vertex is
    for a in range(2):
        other, faces = skins[1 - a], faces_of(hands[1 - a])
        near = np.linalg.norm(skins[a][:, None] - other[None, ::3], axis=2).min(1) < 0.012
        inside = np.flatnonzero(near)[winding(skins[a][near], other, faces) > 0.5]
        if len(inside):
            distance, _, _ = Surface.of(other, faces).distance(skins[a][inside])
            assert np.abs(distance).max() < 0.002
    assert min(g.contact.sum() for g in found.grips) > 0
    touched = contacts(skins, hands)
    for grip, contact in zip(found.grips, touched, strict=True):
        np.testing.assert_array_equal(grip.contact, contact)


def test_contact_is_a_matter_of_distance(hands):
    left, right = (Grip(np.zeros((5, 3, 3)), np.eye(3), np.array([x, 0.0, 0.0])) for x in (0.0, 1.0))
    apart = contacts([skin_of(hands[0], left), skin_of(hands[1], right)], hands)
    assert not any(c.any() for c in apart)
    skin = skin_of(hands[0], left)
    plate = skin[skin[:, 1].argmin()] - [0, 0.5 * TOUCHING, 0]
    grid = np.stack(np.meshgrid(np.linspace(-0.1, 0.1, 30), np.linspace(-0.1, 0.1, 30), indexing="ij"), -1).reshape(
        -1, 2
    )
    points = plate + np.stack([grid[:, 0], np.zeros(900), grid[:, 1]], 1)
    i, j = np.meshgrid(np.arange(29), np.arange(29), indexing="ij")
    a = (i * 30 + j).ravel()
    faces = np.concatenate([np.stack([a, a + 1, a + 31], 1), np.stack([a, a + 31, a + 30], 1)]).astype(np.int32)
    (touched,) = contacts([skin], hands[:1], Surface.of(points, faces))
    assert touched[skin[:, 1].argmin()] == 1
    assert 0 < touched.sum() < 0.5 * len(touched)


def test_only_what_may_move_moves(hands):
    grips = [Grip(gestures.shape("flat"), np.eye(3), np.array([0.0, y, 0.0])) for y in (0.0, 0.012)]
    found = settle(hands, grips, [], moving=np.array([False, True]), rounds=6)
    np.testing.assert_array_equal(found.grips[0].angles, grips[0].angles)
    np.testing.assert_array_equal(found.grips[0].wrist, grips[0].wrist)
    assert np.abs(found.grips[1].wrist - grips[1].wrist).max() > 1e-4


def test_a_pull_to_nothing_is_an_error(hands):
    grip = Grip(np.zeros((5, 3, 3)), np.eye(3), np.zeros(3))
    with pytest.raises(PalmarError, match="pull of hand 0 to -1"):
        settle(hands[:1], [grip], [Pull(0, "palm")])


def test_every_template_is_complete():
    for name, meeting in MEETINGS.items():
        assert meeting.sentence, name
        assert {meeting.left.shape, meeting.right.shape} <= set(gestures.NAMES)
        for side, here, there in meeting.touch:
            assert side in (0, 1)
            assert here in patches()
            assert there in {"", *patches()}
