"""The goods and actions of FPHA."""

import numpy as np
import pytest

from palmar.hand import HandModel
from palmar.synth.action import compose, look
from palmar.synth.action.daily import DAILY
from palmar.synth.action.vocabulary import FPHA_ACTIONS


@pytest.fixture(scope="module")
def shaped():
    return HandModel.default().shaped(np.zeros(10))


def test_every_class_has_a_program_and_a_name_of_its_own():
    assert tuple(DAILY) == FPHA_ACTIONS
    assert all(action.brief for action in DAILY.values())


@pytest.mark.parametrize("name", ["pour wine", "put tea bag"])
def test_what_the_class_says_is_done_without_faults(shaped, name):
    script = compose(np.random.default_rng(3), name, shaped=shaped, side=1, alone=True, tries=1, among=DAILY)
    again = compose(np.random.default_rng(3), name, shaped=shaped, side=1, alone=True, tries=1, among=DAILY)
    assert script.segments == again.segments
    action = DAILY[name]
    done = next(d for d in script.actions if d.verb == action.verb and d.noun == action.noun)
    assert 0.0 <= done.start < done.end <= script.seconds
    time = 0.5 * (done.start + done.end)
    row = script.at(time).holds[1]
    assert script.items[row].noun == action.noun
    assert look(script).cost < 10.0
