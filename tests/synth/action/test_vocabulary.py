"""The words of published data sets, and the world's."""

from __future__ import annotations

import numpy as np

from palmar.data import fpha, h2o
from palmar.synth.action import action_names, compose
from palmar.synth.action.daily import DAILY
from palmar.synth.action.vocabulary import FPHA_ACTIONS, FPHA_OBJECTS, H2O_ACTIONS, H2O_OBJECTS
from palmar.synth.scenes.acting import CLASSES, PLAYS, class_of


def test_classes_are_those_of_h2o_in_its_order():
    assert len(H2O_ACTIONS) == 36
    assert ("none", *H2O_ACTIONS) == tuple(h2o.VOCABULARY.actions)
    assert set(H2O_ACTIONS) <= set(action_names())
    assert set(H2O_OBJECTS.values()) == set(range(1, 9))


def test_scenes_of_h2o_take_its_actions_in_turns():
    assert set(CLASSES) == set(PLAYS)
    assert [class_of(k, CLASSES["h2o acting"]()) for k in (0, 35, 36)] == ["grab book", "squeeze lotion", "grab book"]


def test_a_thing_is_the_one_that_the_class_says():
    for k, name in enumerate(("grab milk", "pour milk", "place chips", "put in cocoa")):
        script = compose(np.random.default_rng(k), name)
        assert script.name == name
        assert name.split()[-1] in {item.noun for item in script.items}


def test_classes_are_those_of_fpha_in_its_order():
    pairs = {"give coin", "receive coin", "give card", "handshake", "high five"}
    names = [name.replace("_", " ") for name in fpha.VOCABULARY.actions]
    assert [name for name in names if name not in pairs] == list(FPHA_ACTIONS)
    assert len(FPHA_ACTIONS) == len(names) - len(pairs)
    for name, number in FPHA_OBJECTS.items():
        assert 0 < number < len(fpha.OBJECTS), name
    for action in DAILY.values():
        of = fpha.VOCABULARY.object_of[names.index(action.name)]
        assert FPHA_OBJECTS[action.noun] == of, action.name
