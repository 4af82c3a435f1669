"""What somebody with a camera on their head sees: both own hands with their arms over a table, busy with nothing."""

from __future__ import annotations

import numpy as np

from palmar.synth.people.hands import REFLECTION, Grip, grip_at
from palmar.synth.people.person import Person, looking, own_eyes, stance
from palmar.synth.pose import sample_pose
from palmar.synth.scenes.keys import Keys, both, comfortable
from palmar.synth.scenes.pairs import world_from_hand
from palmar.synth.scenes.stage import Stage, table
from palmar.synth.world import Moment, Scene

STREAM = 4103
SECONDS = 4.0


def build(seed: int, index: int) -> Scene:
    """The wearer sits or stands before a table or nothing; hands move in the middle of what they see."""
    rng = np.random.default_rng((seed, index, STREAM))
    person = Person.sample(rng)
    stage = Stage.sample(rng)
    sits = rng.random() < 0.7
    # the wearer looks along +z, away from where webcams stand
    pose = stance(
        np.array([0.0, 0.45 if sits else 0.40, 0.0]),
        facing=np.pi + rng.normal(0, 0.1),
        lean=rng.normal((0.10, 0.0, 0.0), (0.10, 0.05, 0.05)),
        thigh=1.5 if sits else 0.0,
    )
    height = float(pose.place[1]) - (0.13 if sits else 0.05) + rng.normal(0, 0.02)
    has_table = rng.random() < 0.75
    shown = (0, 1) if rng.random() < 0.85 else (int(rng.integers(2)),)
    floor = height - 0.02 if has_table else np.inf
    keys = both(lambda side: _keys(rng, person, pose, side, floor), shown, SECONDS)
    target = pose.place + pose.world_from_body @ np.array([0.0, -0.28, -0.38])
    pose = looking(person, pose, target)
    # behind the table's edge sits the trunk
    room = [table(rng, height, (float(pose.place[2]) + 0.20, float(pose.place[2]) + 1.1))] if has_table else []

    def at(time: float) -> Moment:
        left, right = (keys[side].at(time) if side in keys else None for side in (0, 1))
        now = person.posed(pose, left, right)
        return Moment(time, (*now.pieces, *room), now.hands)

    views = (
        own_eyes(rng, person, pose, target, fisheye=False),
        own_eyes(rng, person, pose, target, fisheye=True),
    )
    return Scene("egocentric", at, stage.light, views, SECONDS, background=stage.background)


def _keys(rng: np.random.Generator, person: Person, pose, side: int, floor: float) -> Keys:
    """Two to four grips of one hand, all of it above `floor` (a world y)."""
    hand = person.hands[side]

    def propose() -> Grip:
        angles = hand.body.resolve(sample_pose(rng).angles)
        # fingers ahead and inward, back of the hand up, turned about all axes
        ahead = pose.world_from_body @ np.array([rng.normal(0.35, 0.5), rng.normal(-0.1, 0.45), -1.0])
        down = pose.world_from_body @ np.array([rng.normal(0.3, 0.7), 1.0, rng.normal(0.0, 0.5)])
        if side == 0:  # mirrored about the body's middle
            mirror = pose.world_from_body @ REFLECTION @ pose.world_from_body.T
            ahead, down = mirror @ ahead, mirror @ down
        turn = world_from_hand(side, tuple(ahead), tuple(down))
        out = rng.normal(0.14, 0.07) * (1 if side == 0 else -1)
        local = np.array([out, rng.uniform(-0.42, -0.2), -rng.uniform(0.28, 0.5)])
        grip = grip_at(hand, angles, turn, knuckle=pose.place + pose.world_from_body @ local)
        lowest = float(hand.to_world(grip, hand.local(angles).vertices)[:, 1].max())
        return grip.moved(np.eye(3), np.zeros(3), np.array([0.0, min(floor - lowest, 0.0), 0.0]))

    grips = [comfortable(person, pose, side, propose) for _ in range(int(rng.integers(2, 5)))]
    return Keys.spread(rng, hand, grips, SECONDS)
