"""Two hands of one person that touch: they come together, stay or slide, and come apart again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.synth.cameras import phone, webcam
from palmar.synth.people.body import BodyPose
from palmar.synth.people.hands import Grip
from palmar.synth.people.person import Person, looking, own_eyes, stance
from palmar.synth.people.touch import Pull, contacts, deepest_of, patches, settle
from palmar.synth.scenes.keys import between, eased
from palmar.synth.scenes.pairs import MEETINGS, meet
from palmar.synth.scenes.stage import Stage, table
from palmar.synth.world import Moment, Scene, Segment

STREAM = 4102
SECONDS = 4.0
ALLOWED = 0.0014
"""Metres by which one hand may lie in the other while they move."""
APART = 0.14
"""Metres between the hands when they are farthest apart."""


def build(seed: int, index: int) -> Scene:
    """One meeting of `palmar.synth.scenes.pairs`, held where the arms are easy."""
    rng = np.random.default_rng((seed, index, STREAM))
    names = list(MEETINGS)
    name = names[int(rng.integers(len(names)))]
    return meeting_scene(rng, name)


def meeting_scene(rng: np.random.Generator, name: str) -> Scene:
    """The scene of a named meeting."""
    meeting = MEETINGS[name]
    person = Person.sample(rng, thick=False)
    stage = Stage.sample(rng)
    found, apart = meet(rng, name, person.hands)
    slid = _slid(person, found.grips, name) if any(meeting.slide) else [found.grips]

    pose = stance(
        np.array([rng.normal(0, 0.05), 0.45, 0.75]),
        facing=rng.normal(0, 0.2),
        lean=rng.normal((0.06, 0.0, 0.0), (0.08, 0.06, 0.05)),
        thigh=1.5,
    )
    turn, place = _easy(rng, person, pose, found.grips)
    pose = looking(person, pose, place, rng.normal(0.0, 0.15, 2) if rng.random() < 0.7 else rng.normal(-0.3, 0.3, 2))
    sway, phase = rng.normal(0.0, 0.012, 3), rng.uniform(0, 2 * np.pi)
    claps = name == "clap"
    start, end = (0.9, 3.0) if any(meeting.part) else (0.0, SECONDS)

    def gap(time: float) -> float:
        """Metres between the hands."""
        if name == "measuring":
            return 0.09 * float(np.sin(2 * np.pi * time / SECONDS + phase)) ** 2
        if not any(meeting.part):
            return 0.0
        if claps:
            return APART * float(np.clip(1.15 * np.sin(2 * np.pi * time / 0.8) ** 2 - 0.15, 0, 1))
        coming = 1 - eased(time / start)
        going = eased((time - end) / (SECONDS - end))
        return APART * max(coming, going)

    def grips_at(time: float) -> tuple[Grip, Grip]:
        grips = slid[0]
        if len(slid) == 3:
            share = np.sin(2 * np.pi * (time - start) / 1.0) if start <= time <= end else 0.0
            ends = (slid[0], slid[1] if share > 0 else slid[2])
            grips = tuple(between(a, b, abs(float(share))) for a, b in zip(*ends, strict=True))
        away = gap(time)
        shift = place + sway * np.sin(2 * np.pi * time / SECONDS + phase)
        moved = [
            grip.moved(turn, np.zeros(3), shift + turn @ (0.5 * away * _unit(direction)))
            for grip, direction in zip(grips, apart, strict=True)
        ]
        if away < 0.02 and any(meeting.part):  # between two grips that touch, hands may be too deep
            for _ in range(6):
                deep = deepest_of(person.hands, moved) - ALLOWED
                if deep <= 0:
                    break
                moved[1] = moved[1].moved(np.eye(3), np.zeros(3), turn @ _unit(apart[1]) * 1.2 * deep)
        return moved[0], moved[1]

    room = []
    low = float(pose.place[1]) - 0.15  # above the thighs
    if rng.random() < 0.5 and _lowest(person, grips_at, SECONDS) < low - 0.01:
        room = [table(rng, low, (0.0, float(pose.place[2]) - 0.26))]

    def at(time: float) -> Moment:
        left, right = grips_at(time)
        shown = person.posed(pose, left, right)
        touched = contacts([hand.vertices for hand in shown.hands], person.hands)
        hands = tuple(replace(hand, contact=c) for hand, c in zip(shown.hands, touched, strict=True))
        return Moment(time, (*shown.pieces, *room), hands)

    views = (
        webcam(rng, place, distance=float(rng.uniform(0.4, 0.75))),
        own_eyes(rng, person, pose, place),
        phone(rng, place, seconds=SECONDS),
    )
    sentence = f"Somebody {meeting.sentence}."
    segments = (Segment(0.0, SECONDS, name, "", 2, sentence),)
    if any(meeting.part) and not claps and meeting.touch:
        segments = (
            Segment(0.0, start, name, "", 2, sentence, "reach"),
            Segment(start, end, name, "", 2, sentence, "hold"),
            Segment(end, SECONDS, name, "", 2, sentence, "release"),
        )
    return Scene("interacting", at, stage.light, views, SECONDS, segments, stage.background)


def _unit(v: np.ndarray) -> np.ndarray:
    return v / max(float(np.linalg.norm(v)), 1e-9)


def _slid(person: Person, grips: tuple[Grip, ...], name: str) -> list[tuple[Grip, ...]]:
    """The grips, and the right hand slid to either end, again in contact; where that fails it does not slide there."""
    meeting = MEETINGS[name]
    out = [grips]
    for way in (1.0, -1.0):
        moved = replace(grips[1], wrist=grips[1].wrist + way * np.asarray(meeting.slide))
        pulls = [
            Pull(side, here, patches()[there] if there and here != "palm" else None, 1 - side, count=4)
            for side, here, there in meeting.touch
        ]
        found = settle(
            person.hands, (grips[0], moved), [replace(p, there=None) for p in pulls], moving=np.array([False, True]),
            stiff=6.0, rounds=16,
        )  # fmt: skip
        out.append(found.grips if found.deepest < 0.002 else grips)
    return out


def _easy(
    rng: np.random.Generator, person: Person, pose: BodyPose, grips: tuple[Grip, ...]
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, " 3"]]:
    """Turn and place of the pair frame in the world for which both arms are easy: the best of some."""
    best, least = (np.eye(3), np.zeros(3)), np.inf
    for _ in range(24):
        local = np.array([rng.normal(0, 0.05), rng.uniform(-0.44, -0.15), -rng.uniform(0.25, 0.42)])
        turn = pose.world_from_body @ rotmat_from_rotvec(rng.normal(0.0, (0.35, 0.2, 0.25)))
        place = pose.place + pose.world_from_body @ local
        strain = 0.0
        for side, grip in enumerate(grips):
            moved = grip.moved(turn, np.zeros(3), place)
            arm = person.arm(pose, side, moved)
            strain = max(strain, arm.strain + 40.0 * float(np.linalg.norm(arm.wrist - moved.wrist)))
        if strain < least:
            best, least = (turn, place), strain
        if least < 0.9:
            break
    return best


def _lowest(person: Person, grips_at, seconds: float) -> float:
    """The largest y of the hands."""
    low = -np.inf
    for time in np.linspace(0, seconds, 9):
        for hand, grip in zip(person.hands, grips_at(float(time)), strict=True):
            low = max(low, float(hand.to_world(grip, hand.local(grip.angles).vertices)[:, 1].max()))
    return low
