"""A finished sequence: where hands and things are at every time, and what is being done."""

from __future__ import annotations

import bisect
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from palmar.hand import limits
from palmar.synth.action.props import Prop
from palmar.synth.action.stage import Done, Hand, Item, Stage
from palmar.synth.world import Segment


@dataclass(frozen=True, eq=False)
class State:
    """One moment of a script. Left hand first."""

    time: float
    world_from_hand: Float[np.ndarray, "2 4 4"]
    """Of each hand's own rest frame (`HandModel.default(side)`)."""
    angles: Float[np.ndarray, "2 5 3 3"]
    world_from_thing: Float[np.ndarray, "n 4 4"]
    articulation: tuple[Float[np.ndarray, " _"], ...]
    """Of every thing."""
    holds: tuple[int, int]
    """Row of the thing in each hand, -1 for none."""


@dataclass(frozen=True, eq=False)
class Script:
    """A sequence of actions of one person with two hands. Made by `compose`."""

    stage: Stage
    seconds: float
    name: str
    """The class of its main action, one of `action_names()`."""
    actions: tuple[Done, ...]
    """What was done, in order of their beginnings."""
    segments: tuple[Segment, ...]
    """What each hand does at every time: for each hand they follow each other without gap or overlap."""
    text: str
    """A sentence for all of it."""

    @property
    def things(self) -> tuple[Prop, ...]:
        return tuple(item.prop for item in self.stage.items)

    @property
    def items(self) -> tuple[Item, ...]:
        return tuple(self.stage.items)

    def phase(self, side: int, time: float) -> tuple[str, str, str]:
        """Phase, noun and verb of what a hand does at a time."""
        segments = self.stage.hands[side].segments
        row = bisect.bisect_right([s.start for s in segments], time) - 1
        segment = segments[max(row, 0)]
        return segment.phase, segment.noun, segment.verb

    def at(self, time: float) -> State:
        """Everything at a time in seconds; before 0 and after the end it stands as it does there."""
        time = min(max(float(time), 0.0), self.seconds)
        hands = self.stage.hands
        items = self.stage.items
        held = [_held(hand, time) for hand in hands]
        return State(
            time,
            np.stack([hand.path(time) for hand in hands]),
            np.stack([limits.clip(hand.shape(time)) for hand in hands]),
            np.stack([item.path(time) for item in items]) if items else np.zeros((0, 4, 4)),
            tuple(np.atleast_1d(item.joints(time)) for item in items),
            (held[0], held[1]),
        )


def _held(hand: Hand, time: float) -> int:
    row = bisect.bisect_right([s.start for s in hand.segments], time) - 1
    return hand.rows[max(row, 0)] if hand.rows else -1
