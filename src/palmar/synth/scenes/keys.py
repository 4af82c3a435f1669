"""Hands that move: between grips, by minimum-jerk moves with rests; and the search for grips an arm can hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from palmar.geometry.rotations import rotmat_from_rotvec, rotvec_from_rotmat
from palmar.synth.people.body import BONE, BodyPose
from palmar.synth.people.hands import Grip, OwnHand
from palmar.synth.people.person import Person
from palmar.synth.pose import minimum_jerk


@dataclass(frozen=True, eq=False)
class Keys:
    """Grips, and when each is reached and left. Before the first and after the last nothing moves."""

    hand: OwnHand
    reached: Float[np.ndarray, " k"]
    """Seconds."""
    left: Float[np.ndarray, " k"]
    grips: tuple[Grip, ...]

    @staticmethod
    def spread(rng: np.random.Generator, hand: OwnHand, grips: Sequence[Grip], seconds: float) -> Keys:
        """Rests and moves of random lengths that fill the time."""
        k = len(grips)
        share = rng.dirichlet(np.full(2 * k - 1, 4.0)) * seconds
        ends = np.cumsum(share)
        return Keys(hand, np.concatenate([[0.0], ends[1::2]]), ends[0::2], tuple(grips))

    def at(self, time: float) -> Grip:
        """Fingers that would meet on the way are taken apart."""
        k = int(np.clip(np.searchsorted(self.reached, time, side="right") - 1, 0, len(self.grips) - 1))
        if k == len(self.grips) - 1 or time <= self.left[k]:
            return self.grips[k]
        span = max(float(self.reached[k + 1] - self.left[k]), 1e-6)
        share = eased(float((time - self.left[k]) / span))
        grip = between(self.grips[k], self.grips[k + 1], share)
        return replace(grip, angles=self.hand.body.resolve(grip.angles))


def eased(share: float) -> float:
    """`minimum_jerk` of one number."""
    return float(minimum_jerk(np.array([share]))[0])


def between(one: Grip, two: Grip, share: float) -> Grip:
    """The grip that far on the way: angles and place straight, the turn about one axis. Contact of the nearer one."""
    turn = rotvec_from_rotmat(one.world_from_hand.T @ two.world_from_hand)
    return Grip(
        one.angles + share * (two.angles - one.angles),
        one.world_from_hand @ rotmat_from_rotvec(share * turn),
        one.wrist + share * (two.wrist - one.wrist),
        one.contact if share < 0.5 else two.contact,
    )


def comfortable(
    person: Person,
    pose: BodyPose,
    side: int,
    propose: Callable[[], Grip],
    *,
    tries: int = 16,
    enough: float = 0.8,
) -> Grip:
    """Of the proposed grips the first that is easy for the arm, or the easiest."""
    best, least = None, np.inf
    for _ in range(tries):
        grip = propose()
        arm = person.arm(pose, side, grip)
        strain = arm.strain + 40.0 * float(np.linalg.norm(arm.wrist - grip.wrist))
        strain += 100.0 * intrusion(person, pose, side, grip)
        if strain < least:
            best, least = grip, strain
        if least < enough:
            break
    assert best is not None
    return best


def intrusion(person: Person, pose: BodyPose, side: int, grip: Grip) -> float:
    """Metres by which a hand comes nearer to the person's head or trunk than a hand's thickness; 0 for clear ones."""
    turn, place = person.body.trunk(pose)
    hand = person.hands[side]
    joints = hand.to_world(grip, hand.shaped.posed(hand.shaped.model.rotations_from_angles(grip.angles)).joints())
    head, chest = BONE["head"], BONE["upper chest"]
    eyes = person.body.ends[4:].mean(0) - person.body.joints[head]
    middle = place[head] + turn[head] @ (eyes + np.array([0.0, 0.01, 0.09]))
    near_head = 0.15 - float(np.linalg.norm(joints - middle, axis=1).min())
    local = (joints - place[chest]) @ turn[chest]  # a board 0.34 m wide, from the shoulders down
    aside = np.abs(local[:, 0]) < 0.17
    front = -0.16 - 0.02 * np.clip(local[:, 1] / 0.3, 0, 1)
    near_trunk = float(np.where(aside & (local[:, 1] > -0.05), local[:, 2] - front, -1.0).max())
    return max(near_head, near_trunk, 0.0)


def apart(one: Keys, two: Keys, seconds: float) -> bool:
    """Whether two hands keep 35 mm between their joints at all times."""
    for time in np.linspace(0.0, seconds, 25):
        points = []
        for keys in (one, two):
            grip, hand = keys.at(float(time)), keys.hand
            rotations = hand.shaped.model.rotations_from_angles(grip.angles)
            points.append(hand.to_world(grip, hand.shaped.posed(rotations).joints()))
        if np.linalg.norm(points[0][:, None] - points[1][None], axis=2).min() < 0.035:
            return False
    return True


def both(draw: Callable[[int], Keys], sides: Sequence[int], seconds: float) -> dict[int, Keys]:
    """Keys of one hand or two that do not run into each other: the second is drawn anew until they do not, or, after
    eight times, left out."""
    keys = {sides[0]: draw(sides[0])}
    for side in sides[1:]:
        for _ in range(8):
            found = draw(side)
            if apart(keys[sides[0]], found, seconds):
                keys[side] = found
                break
    return keys
