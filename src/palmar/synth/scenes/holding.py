"""Somebody with a thing in a hand, in both, or before them on a table: grasps of the taxonomy, held before a camera.

    scene = build(seed, index)

The thing and the hands on it move as one. What touches is exact: every `HandTruth` has its contact and what it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from palmar.geometry.rotations import rotmat_from_rotvec, rotvec_from_rotmat
from palmar.synth.cameras import phone, webcam
from palmar.synth.grasp import Feel, Grasp, hand_solid, possible, take
from palmar.synth.grasp.take import opened
from palmar.synth.people.body import BodyPose
from palmar.synth.people.hands import REFLECTION, Grip
from palmar.synth.people.person import Person, looking, own_eyes, stance
from palmar.synth.pose import minimum_jerk, webcam_view
from palmar.synth.scenes.stage import Stage, table
from palmar.synth.things import Thing, sample_thing
from palmar.synth.things import solid as solids
from palmar.synth.world import Kind, Moment, Piece, Scene, Segment, ThingTruth, moved

STREAM = 4107
SECONDS = 4.0
THING_INSTANCE = 10
LARGEST = 0.3
"""Metres: longer things are left on the shelf."""

UPRIGHT = frozenset({
    "bottle", "jar", "glass", "mug", "bowl", "can", "cup", "pitcher", "plate", "wine glass", "coffee mug", "soup bowl",
    "spray bottle", "vase", "coffee can", "tin with lid",
})  # fmt: skip
"""Names of what is mostly held upright: it could be full."""

Pose = Float[np.ndarray, "4 4"]


@dataclass(frozen=True, eq=False)
class Held:
    """A thing, and the hands on it."""

    thing: Thing
    articulation: Float[np.ndarray, " a"]
    grasps: Mapping[int, Grasp]
    """By side."""

    def grips(self, world_from_thing: Pose) -> dict[int, Grip]:
        """What the hands do when the thing stands there."""
        out = {}
        for side, grasp in self.grasps.items():
            world_from_hand = world_from_thing @ grasp.thing_from_hand
            wrist = world_from_hand[:3, :3] @ grasp.wrist + world_from_hand[:3, 3]
            out[side] = Grip(grasp.angles, world_from_hand[:3, :3], wrist, grasp.contact)
        return out


def build(seed: int, index: int) -> Scene:
    """Held in one hand (55 %), in both (25 %), or taken from a table (20 %)."""
    rng = np.random.default_rng((seed, index, STREAM))
    draw = rng.random()
    return (one_hand if draw < 0.55 else both_hands if draw < 0.8 else from_table)(rng)


def one_hand(rng: np.random.Generator) -> Scene:
    """A thing in one hand, shown from several sides."""
    person, stage, pose = _setting(rng)
    side = int(rng.integers(2))
    while True:
        held = _take_one(rng, person, side)
        first = None if held is None else _placed(rng, person, pose, held)
        if held is not None and first is not None:
            break
    return _shown(rng, person, stage, pose, held, first)


def both_hands(rng: np.random.Generator) -> Scene:
    """One thing in both hands."""
    person, stage, pose = _setting(rng)
    while True:
        held = _take_both(rng, person)
        first = None if held is None else _placed(rng, person, pose, held)
        if held is not None and first is not None:
            break
    return _shown(rng, person, stage, pose, held, first)


def from_table(rng: np.random.Generator) -> Scene:
    """A thing on a table; a hand reaches for it, takes it, and lifts it."""
    person, stage, pose = _setting(rng)
    side = int(rng.integers(2))
    height = float(pose.place[1]) - rng.uniform(0.08, 0.16)
    ahead = -rng.uniform(0.34, 0.46)
    while True:
        out = rng.normal(0.1, 0.08) * (1 if side == 0 else -1)
        found = _take_standing(rng, person, pose, side, height, pose.place + np.array([out, 0.0, ahead]))
        if found is not None:
            break
    held, standing, back, before = found
    grasp = held.grasps[side]
    start, taken, lift = 0.4, rng.uniform(1.2, 1.8), 2.2
    away = standing.copy()
    away[:3, 3] += rng.normal((0.0, -0.12, 0.02), (0.05, 0.03, 0.04))
    room = [table(rng, height, (float(pose.place[2]) - 0.85, float(pose.place[2]) - 0.2))]

    def thing_at(time: float) -> Pose:
        share = float(minimum_jerk(np.array((time - lift) / (SECONDS - 0.2 - lift))))
        return _between(standing, away, share)

    def grips_at(time: float) -> dict[int, Grip]:
        grip = held.grips(thing_at(time))[side]
        if time >= taken:
            return {side: grip}
        share = float(minimum_jerk(np.array((time - start) / (taken - start))))
        angles = before + float(minimum_jerk(np.array((share - 0.5) / 0.5))) * (grasp.angles - before)
        contact = np.zeros_like(grasp.contact)
        return {side: Grip(angles, grip.world_from_hand, grip.wrist + (1 - share) * back, contact)}

    noun, which = held.thing.name, ("left", "right")[side]
    segments = (
        Segment(start, taken, "reach", noun, side, f"reaches for a {noun} with the {which} hand", "reach"),
        Segment(taken, lift, "grasp", noun, side, f"takes the {noun}", "hold"),
        Segment(lift, SECONDS, "lift", noun, side, f"lifts the {noun}", "hold"),
    )
    holds = lambda time: {side} if time >= taken else set()  # noqa: E731
    return _scene(rng, person, stage, pose, held, thing_at, grips_at, holds, segments, room)


# ---------------------------------------------------------------------------------------------------------- the parts


def _setting(rng: np.random.Generator) -> tuple[Person, Stage, BodyPose]:
    person, stage = Person.sample(rng), Stage.sample(rng)
    pose = stance(
        np.array([rng.normal(0, 0.05), 0.45, 0.75]),
        facing=rng.normal(0, 0.2),
        lean=rng.normal((0.06, 0.0, 0.0), (0.08, 0.07, 0.05)),
        thigh=1.5,
    )
    return person, stage, pose


def _some_thing(rng: np.random.Generator, shortest: float = 0.0) -> tuple[Thing, np.ndarray]:
    """A thing of a size that people hold up, its parts moved in four of ten."""
    while True:
        thing = sample_thing(rng)
        if not shortest <= thing.size.max() <= LARGEST:
            continue
        state = np.array([rng.uniform(j.low, j.high) if j.kind != "screw" else 0.0 for j in thing.joints])
        return thing, state * float(rng.random() < 0.4)


def _take_one(rng: np.random.Generator, person: Person, side: int) -> Held | None:
    """A grasp of some thing by one hand, every kind that fits equally often."""
    thing, state = _some_thing(rng)
    feel = Feel.of(person.hands[side].shaped)
    kinds = list(possible(thing, feel.scale))
    if not kinds:
        return None
    kind = kinds[int(rng.integers(len(kinds)))]
    grasp = take(rng, feel, thing, kind, articulation=state, side=side, draws=3)
    return None if grasp is None else Held(thing, state, {side: grasp})


def _take_both(rng: np.random.Generator, person: Person) -> Held | None:
    """A grasp by one hand and then by the other, which keeps out of the first."""
    thing, state = _some_thing(rng, shortest=0.08)
    first = int(rng.integers(2))
    feel = Feel.of(person.hands[first].shaped)
    if not possible(thing, feel.scale):
        return None
    one = take(rng, feel, thing, articulation=state, side=first, draws=3)
    if one is None:
        return None
    other = take(rng, feel, thing, articulation=state, side=1 - first, avoid=_solid_of(feel, one), draws=4)
    if other is None or one.thing_from_hand[:3, 0] @ other.thing_from_hand[:3, 0] * -1.0 < -0.5:
        return None  # arms that would come from opposite sides (a left hand's own x points to its fingers)
    return Held(thing, state, {first: one, 1 - first: other})


def _solid_of(feel: Feel, grasp: Grasp) -> solids.Solid:
    """A hand in the frame of the thing it holds."""
    hand = hand_solid(feel, grasp.angles)
    if grasp.side == 0:
        hand = hand.mirrored()
    return hand.moved(grasp.thing_from_hand[:3, :3], grasp.thing_from_hand[:3, 3])


def _take_standing(
    rng: np.random.Generator, person: Person, pose: BodyPose, side: int, height: float, place: np.ndarray
) -> tuple[Held, Pose, np.ndarray, np.ndarray] | None:
    """A thing that stands on the table, taken there: also its pose, the way the hand came (metres from the grasp back
    to the start) and the angles before."""
    thing, state = _some_thing(rng)
    feel = Feel.of(person.hands[side].shaped)
    low = max(float(shell.surface.vertices[:, 1].max()) for shell in thing.shells)
    board = solids.box((2.0, 0.2, 2.0)).moved(translation=(0.0, low + 0.1, 0.0))
    if not possible(thing, feel.scale):
        return None
    state = np.zeros_like(state)
    grasp = take(rng, feel, thing, articulation=state, side=side, avoid=board, draws=4)
    if grasp is None:
        return None
    held = Held(thing, state, {side: grasp})
    best, least = None, np.inf
    for _ in range(16):
        standing = np.eye(4)
        standing[:3, :3] = rotmat_from_rotvec(np.array([0.0, rng.uniform(-np.pi, np.pi), 0.0]))
        standing[:3, 3] = place[0], height - low, place[2]
        strain = _strain(person, pose, held, standing)
        if strain < least:
            best, least = standing, strain
    if best is None or least > 2.0:
        return None
    before = opened(grasp.angles, grasp.kind)
    outward = (best @ grasp.thing_from_hand)[:3, :3] @ np.array([0.35 if side == 1 else -0.35, 0.9, 0.0])
    back = outward * rng.uniform(0.08, 0.14) + np.array([0.0, -rng.uniform(0.02, 0.06), 0.06])
    # The way must be free: the open hand is looked at on four places of it.
    solid = thing.solid(state) | board
    sign = np.array([-1.0, 1.0, 1.0]) if side == 0 else np.ones(3)
    skin = feel.skin(before) * sign
    for share in (1.0, 0.6, 0.3, 0.12):
        shift = grasp.thing_from_hand[:3, 3] + best[:3, :3].T @ (back * share)
        if float(solid.distance(skin @ grasp.thing_from_hand[:3, :3].T + shift).min()) < -0.004:
            return None
    return held, best, back, before


def _strain(person: Person, pose: BodyPose, held: Held, world_from_thing: Pose) -> float:
    """How hard it is for the arms, and whether the thing runs into them or the trunk."""
    total = 0.0
    thing_from_world = np.linalg.inv(world_from_thing)
    solid = held.thing.solid(held.articulation)
    _, joints = person.body.trunk(pose)
    spine = joints[0] + np.linspace(0, 1.2, 10)[:, None] * (joints[5] - joints[0])  # and the head
    chest = solid.distance(spine @ thing_from_world[:3, :3].T + thing_from_world[:3, 3])
    total += 60.0 * max(0.15 - float(chest.min()), 0.0)
    for side, grip in held.grips(world_from_thing).items():
        arm = person.arm(pose, side, grip)
        total += arm.strain + 40.0 * float(np.linalg.norm(arm.wrist - grip.wrist))
        along = arm.wrist + np.linspace(0.25, 1, 6)[:, None] * (arm.elbow - arm.wrist)
        near = solid.distance(along @ thing_from_world[:3, :3].T + thing_from_world[:3, 3])
        total += 60.0 * max(0.045 - float(near.min()), 0.0)
    return total


def _placed(rng: np.random.Generator, person: Person, pose: BodyPose, held: Held) -> Pose | None:
    """Where the thing is held: the first easy place of some, the easiest, or None where none is easy enough."""
    upright = held.thing.name in UPRIGHT and rng.random() < 0.8
    best, least, limit = None, np.inf, 0.9 * len(held.grasps)
    for k in range(36 if upright or len(held.grasps) == 2 else 16):
        if len(held.grasps) == 2:
            local = np.array([rng.normal(0, 0.05), rng.uniform(-0.55, -0.28), -rng.uniform(0.28, 0.42)])
        else:
            out = (0.14 + rng.normal(0, 0.07)) * (1 if 0 in held.grasps else -1)
            local = np.array([out, rng.uniform(-0.66, -0.28), -rng.uniform(0.28, 0.46)])
        there = np.eye(4)
        side, grasp = next(iter(held.grasps.items()))
        if upright:
            tilt = rotmat_from_rotvec(rng.normal(0, 0.12, 3) * [1.0, 0.0, 1.0])
            there[:3, :3] = tilt @ rotmat_from_rotvec(np.array([0.0, rng.uniform(-np.pi, np.pi), 0.0]))
        elif len(held.grasps) == 2:
            there[:3, :3] = rotmat_from_rotvec(rng.normal(0, 0.3, 3)) @ _facing(held, pose)
        else:
            view = webcam_view(rng)
            hand = view if side == 1 else REFLECTION @ view @ REFLECTION
            there[:3, :3] = hand @ grasp.thing_from_hand[:3, :3].T
        middle = 0.5 * (grasp.thing_from_hand[:3, 3] + grasp.wrist) if len(held.grasps) == 1 else np.zeros(3)
        there[:3, 3] = pose.place + pose.world_from_body @ local - there[:3, :3] @ middle
        strain = _strain(person, pose, held, there)
        if strain < least:
            best, least = there, strain
        if least < limit or (k == 11 and least > 3.0 * limit):
            break
    return best if least < 1.5 * limit else None


def _facing(held: Held, pose: BodyPose) -> Float[np.ndarray, "3 3"]:
    """world_from_thing's rotation at which both arms come from the body and neither crosses the other."""
    left, right = held.grasps[0], held.grasps[1]
    arms = right.thing_from_hand[:3, 0] - left.thing_from_hand[:3, 0]  # a left hand's own x leads to its fingers
    wrists = [grasp.thing_from_hand[:3, :3] @ grasp.wrist + grasp.thing_from_hand[:3, 3] for grasp in (left, right)]
    thing = _square(arms, wrists[1] - wrists[0])
    body = _square(np.array([0.0, 0.6, 0.8]), np.array([-1.0, 0.0, 0.0]))  # down and back; the right hand is at -x
    return pose.world_from_body @ body @ thing.T


def _square(first: Float[np.ndarray, " 3"], second: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "3 3"]:
    """A rotation whose first column is `first` and whose second lies as near to `second` as it can."""
    x = first / max(float(np.linalg.norm(first)), 1e-9)
    y = second - second @ x * x
    y = y / max(float(np.linalg.norm(y)), 1e-9)
    return np.stack([x, y, np.cross(x, y)], 1)


def _shown(rng: np.random.Generator, person: Person, stage: Stage, pose: BodyPose, held: Held, first: Pose) -> Scene:
    """The thing moved and turned between two to four places."""
    places = [first]
    for _ in range(int(rng.integers(1, 4))):
        wanted = []
        for _ in range(6):
            there = first.copy()
            there[:3, :3] = rotmat_from_rotvec(rng.normal(0, 0.3, 3)) @ first[:3, :3]
            there[:3, 3] += rng.normal(0, 0.05, 3)
            wanted.append((_strain(person, pose, held, there), len(wanted), there))
        places.append(min(wanted)[2])
    k = len(places)
    ends = np.cumsum(rng.dirichlet(np.full(2 * k - 1, 4.0)) * SECONDS)
    reached, left = np.concatenate([[0.0], ends[1::2]]), ends[0::2]

    def thing_at(time: float) -> Pose:
        i = int(np.clip(np.searchsorted(reached, time, side="right") - 1, 0, k - 1))
        if i == k - 1 or time <= left[i]:
            return places[i]
        span = max(float(reached[i + 1] - left[i]), 1e-6)
        return _between(places[i], places[i + 1], float(minimum_jerk(np.array((time - left[i]) / span))))

    sides = tuple(held.grasps)
    noun, which = held.thing.name, "both hands" if len(sides) == 2 else f"the {('left', 'right')[sides[0]]} hand"
    segment = Segment(
        0.0, SECONDS, "hold", noun, 2 if len(sides) == 2 else sides[0], f"holds a {noun} in {which}", "hold"
    )
    holds = lambda time: set(sides)  # noqa: E731
    grips_at = lambda time: held.grips(thing_at(time))  # noqa: E731
    return _scene(rng, person, stage, pose, held, thing_at, grips_at, holds, (segment,), [])


def _scene(
    rng: np.random.Generator,
    person: Person,
    stage: Stage,
    pose: BodyPose,
    held: Held,
    thing_at: Callable[[float], Pose],
    grips_at: Callable[[float], dict[int, Grip]],
    holds: Callable[[float], set[int]],
    segments: tuple[Segment, ...],
    room: Sequence[Piece],
) -> Scene:
    drawn = held.thing.mesh(held.articulation)
    target = thing_at(0.0)[:3, 3]
    pose = looking(person, pose, target, rng.normal(0.0, 0.2, 2))

    def at(time: float) -> Moment:
        there = thing_at(time)
        grips = grips_at(time)
        now = person.posed(pose, grips.get(0), grips.get(1))
        piece = Piece(moved(drawn, there[:3, :3], there[:3, 3]), Kind.THING, THING_INSTANCE)
        holding = holds(time)
        hands = tuple(replace(hand, holds=THING_INSTANCE if hand.side in holding else 0) for hand in now.hands)
        middle = held.thing.bounds.mean(0)
        truth = ThingTruth(held.thing.name, THING_INSTANCE, there, held.thing.size, held.articulation, middle)
        return Moment(time, (*now.pieces, piece, *room), hands, (truth,))

    views = (
        webcam(rng, target, distance=rng.uniform(0.28, 0.75)),
        phone(rng, target, seconds=SECONDS),
        own_eyes(rng, person, pose, target),
    )
    return Scene("holding", at, stage.light, views, SECONDS, segments, stage.background)


def _between(one: Pose, two: Pose, share: float) -> Pose:
    """That far on the way from one pose to another: straight, turning about one axis."""
    out = np.eye(4)
    turn = rotvec_from_rotmat(one[:3, :3].T @ two[:3, :3])
    out[:3, :3] = one[:3, :3] @ rotmat_from_rotvec(share * turn)
    out[:3, 3] = one[:3, 3] + share * (two[:3, 3] - one[:3, 3])
    return out
