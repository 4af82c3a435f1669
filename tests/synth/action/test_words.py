"""Words: every verb with every noun, no slot left, one hand named at a time."""

import re

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.synth.action import ACTIONS
from palmar.synth.action.props import PROPS
from palmar.synth.action.words import PHRASES, by_hand, joined, phrase, segment_text, slots

NOUNS = sorted({*PROPS, *(a.noun for a in ACTIONS.values() if a.noun)} - {"tray", "chest", "sheet"})
GIVEN = {"into": "bowl", "other": "left hand", "how": "from one to three"}


@pytest.mark.parametrize("verb", PHRASES)
def test_every_pair_is_said_without_a_slot_left(verb):
    rng = np.random.default_rng(0)
    said = {(noun, phrase(rng, verb, noun=noun, **GIVEN)) for noun in NOUNS for _ in range(8)}
    for noun, text in said:
        assert "{" not in text
        assert "}" not in text
        assert "  " not in text
        assert re.match(r"^[a-z]+(s|es|ies)\b", text), text  # third person singular, a verb first
        assert not re.search(r"\bthe (the|a|an)\b|\bthe (in|on|with|into|of|to)\b", text), text
        assert ("noun" in slots(verb)) == (f"the {noun}" in text), text
    assert len(said) > len(NOUNS) or "noun" not in slots(verb)  # several ways to say it
    assert len({text.replace(noun, "it") for noun, text in said}) > 1


@pytest.mark.parametrize("verb", [verb for verb in PHRASES if slots(verb)])
def test_a_slot_that_is_not_given_is_an_error(verb):
    with pytest.raises(PalmarError, match="needs"):
        phrase(np.random.default_rng(0), verb)
    with pytest.raises(PalmarError, match="unknown verb"):
        phrase(np.random.default_rng(0), "juggle", noun="ball")


def test_manners_follow_the_phrase():
    rng = np.random.default_rng(0)
    assert any(phrase(rng, "wave", manner="slow").endswith(("slowly", "carefully", "haste")) for _ in range(3))


def test_hands_are_named_where_they_change():
    rng = np.random.default_rng(1)
    text = joined(rng, [("picks up the mug", 1), ("reads the mug", None), ("shakes the mug", 1), ("waves", 0)])
    assert len(re.findall("right hand", text)) == 1
    assert len(re.findall("left hand", text)) == 1
    assert text[0].isupper()
    assert text.endswith(".")
    assert joined(rng, []).endswith("does nothing.")
    assert by_hand(rng, "opens the jar", 2) == "opens the jar with both hands"
    assert segment_text(rng, "rest", 0).startswith("The left hand ")
