"""What actions are called: several ways to say each, and sentences for a whole clip.

A phrase is a predicate in the third person ("picks up the mug"); a segment's sentence has the hand for its subject, a
clip's sentence the person.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence

import numpy as np

from palmar.errors import PalmarError, one_of

NAMES_OF_SIDE = ("left hand", "right hand", "both hands")

PHRASES: Mapping[str, tuple[str, ...]] = {
    "reach": ("reaches for the {noun}", "moves towards the {noun}", "stretches out for the {noun}"),
    "grasp": ("grasps the {noun}", "takes hold of the {noun}", "closes around the {noun}", "grips the {noun}"),
    "pick up": ("picks up the {noun}", "takes the {noun}", "lifts the {noun}", "grabs the {noun}"),
    "move": ("moves the {noun}", "carries the {noun} across", "brings the {noun} over"),
    "place": ("puts down the {noun}", "sets the {noun} down", "places the {noun} on the table"),
    "release": ("lets go of the {noun}", "releases the {noun}", "leaves the {noun}"),
    "hand over": ("passes the {noun} to the {other}", "hands the {noun} over to the {other}",
                  "gives the {noun} to the {other}"),
    "pour": ("pours from the {noun} into the {into}", "pours into the {into} from the {noun}",
             "tips the {noun} over the {into}"),
    "open": ("opens the {noun}", "gets the {noun} open"),
    "close": ("closes the {noun}", "shuts the {noun}"),
    "screw": ("screws on the {noun}", "tightens the {noun}", "twists the {noun} on"),
    "unscrew": ("unscrews the {noun}", "loosens the {noun}", "twists the {noun} off"),
    "squeeze": ("squeezes the {noun}", "presses the {noun} together", "gives the {noun} a squeeze"),
    "spray": ("sprays with the {noun}", "pulls the trigger of the {noun}", "uses the {noun}"),
    "read": ("reads the {noun}", "looks at the {noun}", "studies the {noun}"),
    "read the label of": ("reads the label of the {noun}", "looks at the label on the {noun}",
                          "checks the label of the {noun}"),
    "write": ("writes with the {noun}", "writes something down with the {noun}", "takes a note with the {noun}"),
    "point": ("points at the {noun}", "points to the {noun}", "shows the {noun} by pointing"),
    "wave": ("waves", "waves hello", "gives a wave"),
    "count": ("counts {how} on the fingers", "shows the numbers {how}", "counts {how}"),
    "sign": ("signs the letters {how}", "spells {how} in the finger alphabet", "fingerspells {how}"),
    "put in": ("puts the {noun} into the {into}", "drops the {noun} into the {into}",
               "places the {noun} in the {into}"),
    "take out": ("takes the {noun} out of the {into}", "gets the {noun} out of the {into}",
                 "removes the {noun} from the {into}"),
    "shake": ("shakes the {noun}", "gives the {noun} a shake", "shakes the {noun} up and down"),
    "stir": ("stirs in the {into} with the {noun}", "stirs what is in the {into} with the {noun}"),
    "cut": ("cuts the {into} with the {noun}", "snips at the {into} with the {noun}"),
    "wipe": ("wipes the table with the {noun}", "cleans the table with the {noun}", "rubs the table with the {noun}"),
    "tap": ("taps on the {noun}", "types on the {noun}"),
    "drink": ("drinks from the {noun}", "takes a sip from the {noun}"),
    "apply": ("rubs the {noun} in", "spreads the {noun} on the hands", "applies the {noun}"),
    "prick": ("picks up a piece with the {noun}", "pricks a piece with the {noun}"),
    "sprinkle": ("sprinkles something from the {noun}", "shakes something off the {noun}"),
    "scoop": ("scoops something up with the {noun}", "takes some with the {noun}"),
    "put": ("puts some into the {into} with the {noun}", "uses the {noun} over the {into}"),
    "wash": ("washes the plate with the {noun}", "wipes round on the plate with the {noun}"),
    "scratch": ("scours the plate with the {noun}", "scratches at the plate with the {noun}"),
    "flip": ("turns over the {noun}", "flips the {noun}"),
    "toast": ("raises the {noun} to a toast", "proposes a toast with the {noun}"),
    "tear": ("tears the {noun}", "tears the {noun} in two"),
    "light": ("lights the candle with the {noun}", "sets the candle alight with the {noun}"),
    "charge": ("plugs the {noun} into the phone", "connects the {noun} to the phone"),
    "unfold": ("unfolds the {noun}", "opens out the {noun}"),
    "clean": ("cleans the {noun}", "polishes the {noun}"),
    "wait for": ("waits open for the {noun}", "is held open for the {noun}", "lies open for the {noun}"),
    "hold": ("holds the {noun}", "keeps hold of the {noun}", "steadies the {noun}"),
    "rest": ("rests", "is at rest", "lies still"),
}  # fmt: skip
"""Predicates by verb."""

SEEN = ("read", "read the label of")
"""Verbs that eyes do."""

MANNERS: Mapping[str, tuple[str, ...]] = {
    "slow": ("slowly", "carefully", "without haste"),
    "fast": ("quickly", "swiftly"),
}
"""Adverbs that may follow."""


def slots(verb: str) -> frozenset[str]:
    """What the phrases of a verb ask for: "noun", "into", "other", "how"."""
    phrases = PHRASES[one_of("verb", verb, PHRASES)]
    return frozenset(name for phrase in phrases for _, name, _, _ in string.Formatter().parse(phrase) if name)


def phrase(rng: np.random.Generator, verb: str, *, manner: str = "", **given: str) -> str:
    """One way to say it. Raises PalmarError where a slot of the verb is not given."""
    choices = PHRASES[one_of("verb", verb, PHRASES)]
    missing = sorted(name for name in slots(verb) if not given.get(name))
    if missing:
        raise PalmarError(f"phrase: the verb {verb!r} needs {', '.join(missing)}.")
    said = choices[int(rng.integers(len(choices)))].format(**given)
    if manner in MANNERS:
        words = MANNERS[manner]
        said += " " + words[int(rng.integers(len(words)))]
    return said


def by_hand(rng: np.random.Generator, said: str, side: int) -> str:
    """With the hand named: "... with the right hand"."""
    if side == 2:
        return f"{said} with both hands"
    return f"{said} {('with the', 'using the')[int(rng.integers(2))]} {NAMES_OF_SIDE[side]}"


def segment_text(rng: np.random.Generator, verb: str, side: int, **given: str) -> str:
    """A sentence whose subject is the left (0) or right (1) hand."""
    return f"The {NAMES_OF_SIDE[side]} {phrase(rng, verb, **given)}."


def joined(rng: np.random.Generator, actions: Sequence[tuple[str, int | None]]) -> str:
    """One sentence for a clip: predicates in order, each with the side (2 for both) that did it, None where hands are
    not the point. A hand is named where it changes."""
    subject = ("The person", "Someone", "A person")[int(rng.integers(3))]
    if not actions:
        return f"{subject} does nothing."
    said: list[str] = []
    before: int | None = None
    for text, side in actions:
        said.append(text if side is None or side == before else by_hand(rng, text, side))
        before = before if side is None else side
    link = (", then ", " and then ", ", and after that ")[int(rng.integers(3))]
    head = ", ".join(said[:-1])
    return f"{subject} {head}{link if head else ''}{said[-1]}."
