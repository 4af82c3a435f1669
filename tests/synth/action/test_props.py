"""Things to act on: hands hold them, both hands, and keep out of the table."""

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.hand import HandModel
from palmar.synth.action.faults import skins
from palmar.synth.action.grip import other_hand
from palmar.synth.action.props import ADOPTED, PROPS, prop, yaw
from palmar.synth.action.script import State
from palmar.synth.action.stage import Stage

HELD = [name for name in PROPS if prop(np.random.default_rng(0), name).ways]


@pytest.fixture(scope="module")
def shaped():
    return HandModel.default().shaped(np.zeros(10))


def gaps(shaped, thing, grip, side: int, articulation) -> np.ndarray:
    """Metres from every vertex of the hand to the thing."""
    pose = np.stack([grip.part_from_hand, grip.part_from_hand])
    state = State(0.0, pose, np.stack([grip.angles, grip.angles]), np.zeros((0, 4, 4)), (), (-1, -1))
    return thing.sdf(skins(shaped, state)[0][side], articulation)


@pytest.mark.parametrize("name", [*HELD, "apple", "banana", "padlock", "screwdriver", "vase", "tuna can"])
def test_both_hands_hold_it(shaped, name):
    stage = Stage(np.random.default_rng(1), shaped, 0.42)
    item = stage._new(prop(np.random.default_rng(2), name))
    way = next(iter(item.prop.ways))
    given = item.prop.ways[way]
    touching = {}
    for side in (0, 1):
        grip = stage.grip(side, item, way)
        assert grip.holds, (name, grip.touching)
        d = gaps(shaped, item.prop.thing, grip, side, given.at)
        assert -0.006 < d.min() < 0.001, (name, side)
        touching[side] = int((d < 0.002).sum())
        assert touching[side] >= 8, (name, side)
        if not given.aloft:
            assert stage.lowest(side, grip.part_from_hand, grip.angles) < item.prop.low + 0.012, (name, side)
    if item.prop.mirror != "none":  # the left hand does what the right one does, mirrored
        left, right = (stage.grip(side, item, way).part_from_hand for side in (0, 1))
        turned = np.eye(4)
        turned[:3, :3] = yaw(np.pi if item.prop.mirror == "turn" else 0.0)
        np.testing.assert_allclose(turned @ other_hand(right), left, atol=1e-12)


@pytest.mark.parametrize("name", [*PROPS, *ADOPTED])
def test_it_is_a_body_that_stands(name):
    for seed in range(2):
        thing = prop(np.random.default_rng(seed), name)
        assert thing.low > 0
        assert thing.low + thing.top == pytest.approx(thing.thing.size[1])
        assert 0.01 < thing.reach < 0.25
        for shell in thing.thing.shells:
            assert shell.surface.volume() > 0
        if "mouth" in thing.marks:
            assert thing.mouth > 0.005
            assert thing.marks["mouth"][1] == pytest.approx(-thing.top, abs=2e-3)
        again = prop(np.random.default_rng(seed), name)
        np.testing.assert_array_equal(
            thing.mesh(np.zeros(thing.freedoms)).vertices, again.mesh(np.zeros(again.freedoms)).vertices
        )


def test_soft_things_give_way_and_points_about_them_follow():
    sponge = prop(np.random.default_rng(0), "sponge")
    full, squeezed = (np.ptp(sponge.mesh(np.array([a])).vertices, axis=0) for a in (0.0, 1.0))
    assert squeezed[0] < 0.85 * full[0]
    points = np.random.default_rng(1).normal(0, 0.03, (5, 3))
    np.testing.assert_allclose(sponge.relaxed(points, np.array([0.0])), points, atol=1e-15)
    drawn = sponge.mesh(np.array([0.7])).vertices.astype(np.float64)
    rest = sponge.mesh(np.array([0.0])).vertices
    np.testing.assert_allclose(sponge.relaxed(drawn, np.array([0.7])), rest, atol=1e-6)


def test_unknown_things_are_errors():
    with pytest.raises(PalmarError, match="unknown thing"):
        prop(np.random.default_rng(0), "mugg")
