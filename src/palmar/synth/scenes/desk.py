"""Somebody at a desk: hands lie on it, type, sweep over it, or are held above; seen from a rig, a phone, a screen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from palmar.hand import limits
from palmar.synth import gestures
from palmar.synth.cameras import phone, rig, webcam
from palmar.synth.people.body import BodyPose
from palmar.synth.people.hands import REFLECTION, Grip, OwnHand, grip_at
from palmar.synth.people.person import Person, looking, own_eyes, stance
from palmar.synth.people.touch import TOUCHING
from palmar.synth.pose import sample_pose
from palmar.synth.scenes.keys import Keys, both, comfortable
from palmar.synth.scenes.pairs import world_from_hand
from palmar.synth.scenes.stage import Stage, table
from palmar.synth.world import Moment, Scene

STREAM = 4106
SECONDS = 4.0
LYING = ("typing", "rest lying", "mouse", "piano", "flat", "rest soft", "rest curled", "point", "press", "open", "fist")
"""Shapes that hands have on a desk."""
PRESSED = 0.0008
"""Metres by which the skin of a hand that lies on the desk gives."""


def build(seed: int, index: int) -> Scene:
    """Two hands (nine in ten) in two to four places each; two thirds of the places lie on the desk."""
    rng = np.random.default_rng((seed, index, STREAM))
    person = Person.sample(rng)
    stage = Stage.sample(rng)
    pose = stance(
        np.array([rng.normal(0, 0.05), 0.45, 0.75]),
        facing=rng.normal(0, 0.1),
        lean=rng.normal((0.14, 0.0, 0.0), (0.08, 0.05, 0.05)),
        thigh=1.5,
    )
    height = float(pose.place[1]) - 0.14 + rng.normal(0, 0.015)
    sides = (0, 1) if rng.random() < 0.9 else (int(rng.integers(2)),)
    keys = both(lambda side: _keys(rng, person, pose, side, height), sides, SECONDS)
    target = pose.place + pose.world_from_body @ np.array([0.0, 0.0, -0.42])
    target[1] = height - 0.04
    pose = looking(person, pose, target, rng.normal(0.0, 0.15, 2))
    room = [table(rng, height, (-0.35, float(pose.place[2]) - 0.21))]

    def at(time: float) -> Moment:
        grips = [keys[side].at(time) if side in keys else None for side in (0, 1)]
        grips = [g if g is None else above(person.hands[s], g, height) for s, g in enumerate(grips)]
        now = person.posed(pose, *grips)
        hands = tuple(replace(h, contact=(h.vertices[:, 1] > height - TOUCHING).astype(float)) for h in now.hands)
        hands = tuple(h if s in keys else replace(h, contact=None) for s, h in enumerate(hands))
        return Moment(time, (*now.pieces, *room), hands)

    views = (
        rig(rng, target, count=2, kind="desk").views[0],
        phone(rng, target, seconds=SECONDS),
        webcam(rng, target + np.array([0.0, -0.12, 0.1])),
        own_eyes(rng, person, pose, target),
    )
    return Scene("desk", at, stage.light, views, SECONDS, background=stage.background)


def above(hand: OwnHand, grip: Grip, height: float) -> Grip:
    """The grip, lifted where it would go deeper into the desk than skin gives."""
    lowest = float(hand.to_world(grip, hand.local(grip.angles).vertices)[:, 1].max())
    return grip.moved(np.eye(3), np.zeros(3), np.array([0.0, min(height + PRESSED - lowest, 0.0), 0.0]))


def _keys(rng: np.random.Generator, person: Person, pose: BodyPose, side: int, height: float) -> Keys:
    hand = person.hands[side]

    def facing(fingers: Float[np.ndarray, " 3"], palm: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "3 3"]:
        """Directions are a right hand's, in the body's frame; a left one mirrors them."""
        mirror = REFLECTION if side == 0 else np.eye(3)
        ahead, down = (pose.world_from_body @ mirror @ v for v in (fingers, palm))
        return world_from_hand(side, tuple(ahead), tuple(down))

    def propose() -> Grip:
        lies = rng.random() < 0.66
        if lies:
            noise = rng.normal(0.0, 1.0, (5, 3, 3)) * np.radians((6.0, 2.0, 0.0))
            angles = limits.clip(gestures.shape(LYING[int(rng.integers(len(LYING)))]) + noise)
            fingers = np.array([rng.normal(0.45, 0.4), rng.normal(0.02, 0.08), -1.0])
            palm = np.array([rng.normal(0.1, 0.2), 1.0, rng.normal(0.0, 0.1)])
        else:
            angles = sample_pose(rng).angles
            fingers = np.array([rng.normal(0.4, 0.5), rng.normal(-0.2, 0.4), -1.0])
            palm = np.array([rng.normal(0.4, 0.6), 1.0, rng.normal(0.0, 0.5)])
        out = rng.normal(0.15, 0.06) * (1 if side == 0 else -1)
        knuckle = pose.place + pose.world_from_body @ np.array([out, 0.0, -rng.uniform(0.34, 0.52)])
        knuckle[1] = height - (0.03 if lies else rng.uniform(0.06, 0.25))
        grip = grip_at(hand, hand.body.resolve(angles), facing(fingers, palm), knuckle=knuckle)
        lowest = float(hand.to_world(grip, hand.local(grip.angles).vertices)[:, 1].max())
        drop = height + PRESSED - lowest
        return grip.moved(np.eye(3), np.zeros(3), np.array([0.0, drop if lies else min(drop, 0.0), 0.0]))

    grips = [comfortable(person, pose, side, propose) for _ in range(int(rng.integers(2, 5)))]
    return Keys.spread(rng, hand, grips, SECONDS)
