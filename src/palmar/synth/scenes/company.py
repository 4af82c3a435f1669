"""Two to four people in a room, some with hands raised."""

from __future__ import annotations

from functools import partial

import numpy as np

from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand import limits
from palmar.synth import gestures
from palmar.synth.cameras import webcam
from palmar.synth.people.body import BodyPose
from palmar.synth.people.hands import REFLECTION, Grip, grip_at
from palmar.synth.people.person import Person, stance
from palmar.synth.pose import sample_pose, webcam_view
from palmar.synth.scenes.keys import Keys, both, comfortable
from palmar.synth.scenes.stage import Stage, panel, stool
from palmar.synth.world import Moment, Scene

STREAM = 4105
SECONDS = 4.0
SHOWS = ("open", "flat", "peace", "thumb up", "point", "count 3", "open wide", "ok", "rest soft")


def build(seed: int, index: int) -> Scene:
    """They stand or sit beside each other, 0.7 m apart or more; each raises a hand, both, or none, and waves."""
    rng = np.random.default_rng((seed, index, STREAM))
    stage = Stage.sample(rng)
    count = int(rng.choice((2, 3, 4), p=(0.4, 0.35, 0.25)))
    people, poses, keys, room = [], [], [], []
    order = rng.permutation(count)
    for k in range(count):
        person = Person.sample(rng)
        sits = rng.random() < 0.35
        x = (order[k] - (count - 1) / 2) * rng.uniform(0.8, 1.0)
        z = 1.9 + rng.uniform(-0.25, 0.5) + 0.15 * count
        # the soles of all stand on one floor; who sits has a stool
        hips = float(person.shoes.points[..., 1].max() + person.body.ends[2:4, 1].mean()) if not sits else 0.48
        pose = stance(
            np.array([x, 0.95 - hips, z]),
            facing=float(np.arctan2(x, z)) * 0.7 + rng.normal(0, 0.3),
            lean=rng.normal((0.03, 0.0, 0.0), (0.06, 0.05, 0.05)),
            head=rng.normal(0.0, (0.12, 0.3, 0.08)),
            thigh=1.5 if sits else 0.0,
        )
        raised = [side for side in (0, 1) if rng.random() < 0.55]
        keys.append(both(partial(_keys, rng, person, pose), raised, SECONDS) if raised else {})
        if sits:
            room.append(stool(rng, pose.place + np.array([0.0, 0.11, 0.06]), 0.955))
        people.append(person)
        poses.append(pose)
    if all(not k for k in keys):
        keys[0] = {1: _keys(rng, people[0], poses[0], 1)}
    room += [panel(rng, np.array([-5.0, 0.955, 0.4]), np.array([10.0, 0, 0]), np.array([0.0, 0, 4.2]), step=0.12)]
    if rng.random() < 0.6:
        room.append(
            panel(rng, np.array([-5.0, -2.2, 4.6]), np.array([10.0, 0, 0]), np.array([0.0, 3.155, 0]), step=0.08)
        )

    def at(time: float) -> Moment:
        pieces, hands = [], []
        for k, (person, pose) in enumerate(zip(people, poses, strict=True)):
            left, right = (keys[k][side].at(time) if side in keys[k] else None for side in (0, 1))
            now = person.posed(pose, left, right, first_instance=1 + 3 * k)
            pieces += now.pieces
            hands += now.hands
        return Moment(time, (*pieces, *room), tuple(hands))

    target = np.mean([pose.place for pose in poses], axis=0) + np.array([0.0, -0.35, -0.25])
    views = (
        webcam(rng, target, distance=float(rng.uniform(1.3, 2.2))),
        webcam(rng, target, distance=float(rng.uniform(1.6, 2.4)), facing=float(rng.choice((-0.6, 0.6)))),
    )
    return Scene("company", at, stage.light, views, SECONDS, background=stage.background)


def _keys(rng: np.random.Generator, person: Person, pose: BodyPose, side: int) -> Keys:
    """A raised hand that changes its pose, or waves."""
    hand = person.hands[side]

    def propose() -> Grip:
        if rng.random() < 0.6:
            noise = rng.normal(0.0, 1.0, (5, 3, 3)) * np.radians((5.0, 2.0, 0.0))
            angles = limits.clip(gestures.shape(SHOWS[int(rng.integers(len(SHOWS)))]) + noise)
        else:
            angles = sample_pose(rng).angles
        turn = webcam_view(rng)
        turn = turn if side == 1 else REFLECTION @ turn @ REFLECTION
        out = (0.28 + rng.normal(0, 0.08)) * (1 if side == 0 else -1)
        local = np.array([out, rng.uniform(-0.9, -0.3), -rng.uniform(0.12, 0.4)])
        return grip_at(
            hand,
            hand.body.resolve(angles),
            pose.world_from_body @ turn,
            knuckle=pose.place + pose.world_from_body @ local,
        )

    grips = [comfortable(person, pose, side, propose, tries=20)]
    if rng.random() < 0.4:  # waves: turns to and fro about the forearm
        first = grips[0]
        axis = first.world_from_hand @ np.array([0.0, 1.0, 0.0])
        for k in range(5):
            turn = rotmat_from_rotvec(axis * (0.35 if k % 2 else -0.35))
            grips.append(Grip(first.angles, turn @ first.world_from_hand, first.wrist))
    else:
        grips += [comfortable(person, pose, side, propose) for _ in range(int(rng.integers(1, 3)))]
    return Keys.spread(rng, hand, grips, SECONDS)
