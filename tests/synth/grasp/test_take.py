"""Grasps touch, do not go in, stay possible, and are the same on every run."""

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.hand import HandModel, limits
from palmar.synth.collision import Body
from palmar.synth.grasp import CONTACT, DEEPEST, GRASPS, Feel, hand_solid, possible, suits, take
from palmar.synth.things import GENERATORS, primitives, sample_thing, solid

SHAPE = np.array([0.8, -1.0, 0.4, 0, 0.6, 0, -0.3, 0, 0, 0])


@pytest.fixture(scope="module")
def feel() -> Feel:
    return Feel.of(HandModel.default().shaped(SHAPE))


@pytest.fixture(scope="module")
def grasps(feel):
    """One draw at each kind: (thing, grasp or None)."""
    out = []
    for name, kind in GRASPS.items():
        for index in range(400):
            rng = np.random.default_rng((11, index))
            thing = sample_thing(rng)
            if any(suits(kind, grip, feel.scale) for grip in thing.grips):
                out.append((name, thing, take(rng, feel, thing, name)))
                break
    return out


def test_most_kinds_find_a_grasp(grasps):
    assert len({name for name, _, _ in grasps}) == 33
    assert np.mean([grasp is not None for _, _, grasp in grasps]) > 0.9


def test_skin_touches_and_does_not_go_in(grasps, feel):
    body = Body.of(feel.shaped)
    for name, thing, grasp in grasps:
        if grasp is None:
            continue
        model = feel.shaped.model
        skin = feel.shaped.posed(model.rotations_from_angles(grasp.angles)).skin()
        moved = skin @ grasp.thing_from_hand[:3, :3].T + grasp.thing_from_hand[:3, 3]
        distance = thing.sdf(moved, grasp.articulation)
        np.testing.assert_allclose(grasp.distance, distance, atol=1e-6)
        assert distance.min() >= -DEEPEST - 1e-6, name
        np.testing.assert_array_equal(grasp.contact > 0, grasp.distance < CONTACT)
        kind = GRASPS[name]
        for side in (kind.ones, kind.twos):
            assert any(grasp.contact[feel.patch[patch]].any() for patch in side if patch in grasp.touching), name
        assert limits.inside(grasp.angles), name
        assert -1.0 <= grasp.opposition < -0.3, name  # it presses from two sides
        assert body.overlap(grasp.angles) == 0, name


def test_a_grasp_can_be_placed_in_the_world(grasps, feel):
    _, thing, grasp = next(item for item in grasps if item[2] is not None)
    world_from_thing = np.eye(4)
    world_from_thing[:3, :3] = np.array([[0, 0, 1.0], [1, 0, 0], [0, 1, 0]])
    world_from_thing[:3, 3] = 0.3, -0.2, 0.9
    turn, shift = grasp.placed(world_from_thing)
    rotations = feel.shaped.model.rotations_from_angles(grasp.angles)
    rotations[0] = turn
    world = feel.shaped.posed(rotations, shift).skin()
    local = (world - world_from_thing[:3, 3]) @ world_from_thing[:3, :3]
    np.testing.assert_allclose(thing.sdf(local, grasp.articulation), grasp.distance, atol=1e-6)


def test_the_same_draw_gives_the_same_grasp(feel):
    name, balls = "Sphere 3 Finger", (primitives.ball(np.random.default_rng(i)) for i in range(20))
    thing = next(ball for ball in balls if name in possible(ball, feel.scale))
    one, two = (take(np.random.default_rng(5), feel, thing, name) for _ in range(2))
    other = take(np.random.default_rng(6), feel, thing, name)
    assert one is not None
    assert two is not None
    assert other is not None
    np.testing.assert_array_equal(one.angles, two.angles)
    np.testing.assert_array_equal(one.thing_from_hand, two.thing_from_hand)
    assert not np.array_equal(one.thing_from_hand, other.thing_from_hand)


def test_what_does_not_fit_is_refused(feel):
    thing = primitives.sheet(np.random.default_rng(0))
    with pytest.raises(PalmarError, match="suits"):
        take(np.random.default_rng(0), feel, thing, "Power Sphere")
    with pytest.raises(PalmarError, match="from 1 to 33"):
        take(np.random.default_rng(0), feel, thing, 34)


def test_every_sort_of_thing_has_a_grasp_that_fits():
    for name in GENERATORS:
        fits = [possible(sample_thing(np.random.default_rng(i), name)) for i in range(10)]
        assert np.mean([len(f) > 0 for f in fits]) > 0.4, name


def test_a_left_hand_takes_the_thing_itself(feel):
    """A mug is not its own mirror image: the left hand must fit the real one."""
    thing = sample_thing(np.random.default_rng(2), "mug")
    left = take(np.random.default_rng(1), feel, thing, "Large Diameter", side=0)
    assert left is not None
    assert left.side == 0
    assert np.linalg.det(left.thing_from_hand[:3, :3]) == pytest.approx(1.0)
    shaped = HandModel.default(0).shaped(SHAPE)
    np.testing.assert_allclose(shaped.rest_joints[0], left.wrist, atol=1e-12)
    posed = shaped.posed(shaped.model.rotations_from_angles(left.angles)).skin()
    moved = posed @ left.thing_from_hand[:3, :3].T + left.thing_from_hand[:3, 3]
    np.testing.assert_allclose(thing.sdf(moved), left.distance, atol=1e-6)
    assert left.penetration <= DEEPEST


def test_a_hand_stays_out_of_what_it_must_avoid(feel):
    """A can on a table, taken round its side, with the table in the way of the little finger."""
    thing = sample_thing(np.random.default_rng(4), "soup can")
    top = float(thing.bounds[1, 1])
    table = solid.box((1.0, 0.1, 1.0)).moved(translation=(0.0, top + 0.05, 0.0))
    free = [take(np.random.default_rng(i), feel, thing, "Precision Disk", draws=4) for i in range(6)]
    kept = [take(np.random.default_rng(i), feel, thing, "Precision Disk", avoid=table, draws=12) for i in range(6)]
    entered = [_deepest(feel, grasp, table) for grasp in free if grasp is not None]
    assert max(entered) > 0.01  # without the table some come from below
    assert sum(grasp is not None for grasp in kept) >= 4
    for grasp in kept:
        if grasp is not None:
            assert _deepest(feel, grasp, table) <= DEEPEST
            assert grasp.touching


def _deepest(feel, grasp, table) -> float:
    skin = feel.skin(grasp.angles) @ grasp.thing_from_hand[:3, :3].T + grasp.thing_from_hand[:3, 3]
    return -float(table.distance(skin).min())


def test_capsules_stand_for_the_hand(feel):
    angles = np.zeros((5, 3, 3))
    angles[1:, 1, 0] = 0.6
    skin = feel.skin(angles)
    fingers = feel.weights.max(1) * (feel.bones[:, 0] < 15) > 0.9
    distance = hand_solid(feel, angles).distance(skin[fingers])
    assert np.abs(np.median(distance)) < 0.002
    assert np.percentile(np.abs(distance), 90) < 0.005


def test_opposition_is_measured_between_the_pressed_surfaces(feel):
    """A thin sheet is pressed on its two sides; its normals there are known."""
    thing = sample_thing(np.random.default_rng(1), "sheet")
    grasp = take(np.random.default_rng(0), feel, thing, "Palmar Pinch")
    assert grasp is not None
    assert grasp.opposition == pytest.approx(-1.0, abs=0.05)
    skin = feel.skin(grasp.angles) @ grasp.thing_from_hand[:3, :3].T + grasp.thing_from_hand[:3, 3]
    thumb, index = (skin[feel.patch[name][0], 1] for name in ("thumb 2 pad", "index 2 pad"))
    assert thumb * index < 0  # on either side
