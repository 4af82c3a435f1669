"""Somebody before a webcam who shows one hand or both."""

from __future__ import annotations

import numpy as np

from palmar.synth.cameras import phone, webcam
from palmar.synth.people.hands import REFLECTION, Grip, grip_at
from palmar.synth.people.person import Person, stance
from palmar.synth.pose import sample_pose, webcam_view
from palmar.synth.scenes.keys import Keys, both, comfortable
from palmar.synth.scenes.stage import Stage, table
from palmar.synth.world import Moment, Scene

STREAM = 4101


def build(seed: int, index: int) -> Scene:
    """A seated person, hands raised before the chest, three to five poses in four seconds."""
    rng = np.random.default_rng((seed, index, STREAM))
    person = Person.sample(rng)
    stage = Stage.sample(rng)
    seconds = 4.0
    pose = stance(
        np.array([rng.normal(0, 0.05), 0.45, 0.75]),
        facing=rng.normal(0, 0.2),
        lean=rng.normal((0.05, 0.0, 0.0), (0.10, 0.08, 0.06)),
        head=rng.normal(0, (0.12, 0.25, 0.08)),
        thigh=1.5,
    )
    shown = [side for side in (0, 1) if rng.random() < 0.75] or [int(rng.integers(2))]

    def draw(side: int) -> Keys:
        hand = person.hands[side]

        def propose() -> Grip:
            angles = hand.body.resolve(sample_pose(rng).angles)
            turn = webcam_view(rng)
            turn = turn if side == 1 else REFLECTION @ turn @ REFLECTION
            out = (0.17 + rng.normal(0, 0.07)) * (1 if side == 0 else -1)
            local = np.array([out, rng.uniform(-0.68, -0.25), -rng.uniform(0.28, 0.48)])
            return grip_at(hand, angles, turn, knuckle=pose.place + pose.world_from_body @ local)

        grips = [comfortable(person, pose, side, propose) for _ in range(int(rng.integers(2, 5)))]
        return Keys.spread(rng, hand, grips, seconds)

    keys = both(draw, shown, seconds)
    room = []
    if rng.random() < 0.5:
        room = [table(rng, float(pose.place[1] - 0.16 + rng.normal(0, 0.015)), (0.0, float(pose.place[2]) - 0.3))]

    def at(time: float) -> Moment:
        left, right = (keys[side].at(time) if side in keys else None for side in (0, 1))
        shown_now = person.posed(pose, left, right)
        return Moment(time, (*shown_now.pieces, *room), shown_now.hands)

    target = pose.place + np.array([0.0, -0.46, -0.3])
    views = (webcam(rng, target), phone(rng, target, seconds=seconds))
    return Scene("webcam", at, stage.light, views, seconds, background=stage.background)
