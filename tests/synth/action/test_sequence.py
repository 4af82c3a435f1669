"""Composing: classes, determinism, sentences, what is asked for."""

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.hand import HandModel
from palmar.synth.action import ACTIONS, action_names, compose


@pytest.fixture(scope="module")
def shaped():
    return HandModel.default().shaped(np.zeros(10))


def test_there_are_enough_classes_and_each_is_named_once():
    names = action_names()
    assert len(names) >= 24
    assert len(set(names)) == len(names)
    verbs = {action.verb for action in ACTIONS.values()}
    wanted = (
        "pour open close screw unscrew squeeze spray read write point wave count sign move place shake stir cut wipe"
    )
    assert {*wanted.split(), "hand over", "put in", "take out"} <= verbs
    assert len({(action.verb, action.noun) for action in ACTIONS.values()}) == len(names)


@pytest.mark.parametrize("name", ["shake can", "screw bottle cap", "sign", "drink mug", "close box"])
def test_a_sequence_is_a_function_of_the_generator(shaped, name):
    np.random.seed(1)  # noqa: NPY002
    one = compose(np.random.default_rng(3), name, shaped=shaped, tries=1)
    np.random.seed(2)  # noqa: NPY002
    two = compose(np.random.default_rng(3), name, shaped=shaped, tries=1)
    assert one.text == two.text
    assert one.segments == two.segments
    for time in np.linspace(0, one.seconds, 4):
        np.testing.assert_array_equal(one.at(time).world_from_hand, two.at(time).world_from_hand)
        np.testing.assert_array_equal(one.at(time).world_from_thing, two.at(time).world_from_thing)
    other = compose(np.random.default_rng(4), name, shaped=shaped, tries=1)
    assert other.seconds != one.seconds
    # What was asked for was done, in one to five actions, and the sentence says so.
    action = ACTIONS[name]
    assert any(d.verb == action.verb and (d.noun == action.noun or not action.noun) for d in one.actions)
    assert 1 <= len(one.actions) <= 6
    for done in one.actions:
        assert done.text in one.text
        assert 0.0 <= done.start < done.end <= one.seconds


def test_the_side_is_the_one_asked_for(shaped):
    for side in (0, 1):
        script = compose(np.random.default_rng(5), "shake can", shaped=shaped, side=side, alone=True, tries=1)
        assert {d.side for d in script.actions} == {side}


def test_a_left_hand_acts_as_the_mirror_image_acts(shaped):
    """A can is its own mirror image: the left hand's grip is the right one's, seen in a mirror."""
    grips = {}
    for side in (0, 1):
        stage = compose(np.random.default_rng(6), "shake can", shaped=shaped, side=side, alone=True, tries=1).stage
        grips[side] = stage.grip(side, stage.items[0], "body").part_from_hand
    mirror = np.diag([-1.0, 1, 1, 1])
    np.testing.assert_allclose(mirror @ grips[0] @ mirror, grips[1], atol=0.02)  # cans of different sizes


def test_unknown_names_are_errors(shaped):
    with pytest.raises(PalmarError, match="unknown action"):
        compose(np.random.default_rng(0), "pour botle", shaped=shaped)
