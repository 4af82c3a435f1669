"""A person at a table who does things: labelled sequences of `palmar.synth.action`, seen from the own head, from before
the table and from the side.

The class of a scene's main action is its index modulo the number of classes, so that any run of indices is balanced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from palmar.geometry.camera import Camera
from palmar.geometry.transforms import inverse
from palmar.render import Mesh
from palmar.synth.action import ACTIONS, Action, Script, State, action_names, compose
from palmar.synth.action.daily import DAILY
from palmar.synth.action.stage import RIGHT, Item
from palmar.synth.action.vocabulary import FPHA_ACTIONS, H2O_ACTIONS
from palmar.synth.cameras import Shake, around, look_at, still, webcam
from palmar.synth.people.body import BodyPose
from palmar.synth.people.hands import Grip
from palmar.synth.people.person import Person, looking, own_eyes, stance
from palmar.synth.scenes.stage import Stage, table
from palmar.synth.world import Kind, Moment, Piece, Scene, ThingTruth, View, moved

STREAM = 4107
PERSON = 1
"""Instance numbers: the person, then the left and the right hand, then things in the script's order, then liquids."""
THING = 10
LIQUID = 50
TOUCH = 0.002
"""Metres from a thing's surface within which skin touches."""
RINGS, AROUND = 14, 10
"""Of a stream's tube."""


def class_of(index: int, names: Sequence[str] | None = None) -> str:
    """The class of the main action of the scene with this index: of `names` in turn, `action_names()` by default."""
    names = action_names() if names is None else names
    return names[index % len(names)]


@dataclass(frozen=True, eq=False)
class Play:
    """What a scene of acting is made from."""

    person: Person
    script: Script
    pose: BodyPose
    scene: Scene


def build(seed: int, index: int) -> Scene:
    """A scene of acting; `play` tells more of the same scene."""
    return play(seed, index).scene


def play(
    seed: int,
    index: int,
    names: Sequence[str] | None = None,
    *,
    among: Mapping[str, Action] = ACTIONS,
    side: int | None = None,
) -> Play:
    """A person, what they do, and the scene of it, drawn from (seed, index). names: classes of actions to take in
    turns, all that there are by default. among: where these are found. side: of the hand that does most, any by
    default."""
    rng = np.random.default_rng((seed, index, STREAM))
    person = Person.sample(rng)
    script = compose(rng, class_of(index, names), shaped=person.hands[1].shaped, side=side, among=among)
    stage = Stage.sample(rng)
    pose = _seated(rng, person)
    pose = _in_reach(person, script, pose)
    target = _middle(script)
    pose = looking(person, pose, target)
    top = table(rng, script.stage.table, (0.10, float(rng.uniform(0.75, 1.0))), (-0.75, 0.75))
    streams = [_Stream.of(rng, script, k) for k in range(len(script.stage.flows))]

    def at(time: float) -> Moment:
        return _moment(person, script, pose, top, streams, time)

    views = (
        _riding(own_eyes(rng, person, pose, target, fisheye=False), person, script, pose),
        _riding(own_eyes(rng, person, pose, target, fisheye=True), person, script, pose),
        _before(rng, target),
        _beside(rng, target),
    )
    scene = Scene("acting", at, stage.light, views, script.seconds, script.segments, stage.background, script.name)
    return Play(person, script, pose, scene)


def h2o(seed: int, index: int) -> Play:
    """The same with the 36 actions of the H2O data set in turns, on its eight objects."""
    return play(seed, index, H2O_ACTIONS)


def fpha(seed: int, index: int) -> Play:
    """The same with the actions of FPHA that one person can do, on its objects; the right hand does most."""
    return play(seed, index, FPHA_ACTIONS, among=DAILY, side=RIGHT)


PLAYS: Mapping[str, Callable[[int, int], Play]] = {"acting": play, "h2o acting": h2o, "fpha acting": fpha}
"""Scenes of acting by name, for sequences; the first is one of `palmar.synth.scenes.SCENES`, too."""
CLASSES: Mapping[str, Callable[[], Sequence[str]]] = {
    "acting": action_names, "h2o acting": lambda: H2O_ACTIONS, "fpha acting": lambda: FPHA_ACTIONS
}  # fmt: skip
"""The classes that each of them takes in turns."""


def _seated(rng: np.random.Generator, person: Person) -> BodyPose:
    """Sitting or standing with the eyes at the world's origin, looking along +z."""
    pose = stance(
        np.zeros(3),
        facing=np.pi + rng.normal(0, 0.05),
        lean=rng.normal((0.12, 0.0, 0.0), (0.08, 0.03, 0.03)),
        thigh=1.5 if rng.random() < 0.8 else 0.0,
    )
    head = person.posed(pose).head
    eyes = head[1] + head[0] @ (person.body.ends[4:].mean(0) - person.body.joints[5])
    return replace(pose, place=pose.place - eyes + np.array([0.0, 0.0, -0.02]))


def _in_reach(person: Person, script: Script, pose: BodyPose) -> BodyPose:
    """The body leant or moved so that most of the script is within the arms' reach."""
    shifts = []
    for time in np.arange(0.0, script.seconds, 0.4):
        left, right = _grips(person, script.at(time))
        shifts.append(person.settled(pose, left, right).place - pose.place)
    far = np.array(shifts)
    return replace(pose, place=pose.place + (far.min(0) + far.max(0)) / 2)


def _grips(
    person: Person, state: State, contact: tuple[np.ndarray | None, np.ndarray | None] = (None, None)
) -> tuple[Grip, Grip]:
    out = []
    for side in (0, 1):
        wrist = person.hands[side].wrist * np.array([1.0 if side else -1.0, 1.0, 1.0])
        pose = state.world_from_hand[side]
        out.append(Grip(state.angles[side], pose[:3, :3], pose[:3, :3] @ wrist + pose[:3, 3], contact[side]))
    return out[0], out[1]


def _moment(person: Person, script: Script, pose: BodyPose, top: Piece, streams: list[_Stream], time: float) -> Moment:
    state = script.at(time)
    contact = touching(script, state)
    shown = person.posed(pose, *_grips(person, state, contact), first_instance=PERSON)
    hands = tuple(
        replace(hand, holds=THING + row if (row := state.holds[hand.side]) >= 0 else 0) for hand in shown.hands
    )
    pieces, things = [], []
    for row, item in enumerate(script.items):
        world = state.world_from_thing[row]
        mesh = moved(item.prop.mesh(state.articulation[row]), world[:3, :3], world[:3, 3])
        pieces.append(Piece(mesh, Kind.THING, THING + row))
        thing = item.prop.thing
        things.append(
            ThingTruth(item.noun, THING + row, world, thing.size, state.articulation[row], thing.bounds.mean(0))
        )
    pieces += [Piece(stream.at(script, time), Kind.THING, LIQUID + k) for k, stream in enumerate(streams)]
    for k, stream in enumerate(streams):
        things.append(ThingTruth("liquid", LIQUID + k, np.eye(4), stream.size(script, time)))
    return Moment(time, (*shown.pieces, *pieces, top), hands, tuple(things))


def touching(script: Script, state: State) -> tuple[Float[np.ndarray, " v"], Float[np.ndarray, " v"]]:
    """Per vertex of the left and of the right hand, 1 where it is within `TOUCH` of a thing, else 0."""
    shaped = script.stage.shaped
    skins = shaped.posed(shaped.model.rotations_from_angles(state.angles)).skin()
    skins[0] *= np.array([-1.0, 1.0, 1.0])
    out = []
    for side in (0, 1):
        pose = state.world_from_hand[side]
        skin = skins[side] @ pose[:3, :3].T + pose[:3, 3]
        touch = np.zeros(len(skin))
        for row, item in enumerate(script.items):
            size = float(np.linalg.norm(item.prop.thing.size))
            near = np.flatnonzero(np.linalg.norm(skin - state.world_from_thing[row][:3, 3], axis=1) < 0.6 * size + 0.01)
            near = near[shaped.model.parts[near] < 16]
            if len(near):
                back = inverse(state.world_from_thing[row])
                local = skin[near] @ back[:3, :3].T + back[:3, 3]
                local = item.prop.relaxed(local, state.articulation[row])
                values = None if item.prop.soft is not None else state.articulation[row]
                touch[near] = np.maximum(touch[near], item.prop.thing.sdf(local, values) < TOUCH)
        out.append(touch)
    return out[0], out[1]


# ------------------------------------------------------------------------------------------------------------- liquid


@dataclass(frozen=True, eq=False)
class _Stream:
    """What runs out of one vessel into another: a tube of the same faces at all times, shrunk into the mouth while
    nothing runs."""

    start: float
    end: float
    item: Item
    into: Item
    faces: np.ndarray
    colour: np.ndarray
    radius: float

    @staticmethod
    def of(rng: np.random.Generator, script: Script, number: int) -> _Stream:
        start, end, item, into = script.stage.flows[number]
        i, j = np.meshgrid(np.arange(RINGS - 1), np.arange(AROUND), indexing="ij")
        a, b = (i * AROUND + j).ravel(), (i * AROUND + (j + 1) % AROUND).ravel()
        faces = np.concatenate([np.stack([a, b, b + AROUND], 1), np.stack([a, b + AROUND, a + AROUND], 1)])
        colours = np.array(
            [[0.55, 0.6, 0.62], [0.12, 0.05, 0.02], [0.7, 0.3, 0.03], [0.75, 0.72, 0.65], [0.4, 0.02, 0.05]]
        )
        radius = float(rng.uniform(0.0025, 0.004) * (1.0 if item.prop.mouth < 0.02 else 1.4))
        return _Stream(start, end, item, into, faces.astype(np.int32), colours[int(rng.integers(5))], radius)

    def _line(self, script: Script, time: float) -> tuple[np.ndarray, float]:
        """Middle of the stream [r, 3], and how much of its width it has."""
        pose = self.item.path(time)
        mouth = self.item.prop.marks["mouth"]
        down = pose[:3, :3].T @ np.array([0.0, 1.0, 0.0])
        side = np.array([down[0], 0.0, down[2]])
        side = side / max(float(np.linalg.norm(side)), 1e-9)
        lip = pose[:3, :3] @ (mouth + 0.93 * self.item.prop.mouth * side + np.array([0, 0.002, 0])) + pose[:3, 3]
        if not self.start < time < self.end:
            return np.repeat(lip[None], RINGS, 0), 0.0
        floor = float(self.into.path(time)[1, 3]) + self.into.prop.low - 0.012
        grow = float(np.clip((time - self.start) / 0.12, 0, 1))
        thin = float(np.clip((self.end - time) / 0.15, 0, 1))
        fall = (floor - lip[1]) * grow
        push = pose[:3, :3] @ side
        push = np.array([push[0], 0.0, push[2]])
        push = push / max(float(np.linalg.norm(push)), 1e-9)
        s = np.linspace(0, 1, RINGS)
        line = lip + np.outer(s**2, [0.0, fall, 0.0]) + np.outer(s, 0.012 * push)
        return line, thin

    def at(self, script: Script, time: float) -> Mesh:
        line, width = self._line(script, time)
        s = np.linspace(0, 1, RINGS)
        radius = self.radius * width * (1.25 - 0.5 * s) * (1.0 + 0.06 * np.sin(40 * s - 30 * time))
        t = 2 * np.pi * np.arange(AROUND) / AROUND
        ring = np.stack([np.sin(t), np.zeros(AROUND), np.cos(t)], -1)
        vertices = (line[:, None] + radius[:, None, None] * ring).reshape(-1, 3)
        n = len(vertices)
        return Mesh(
            vertices.astype(np.float32),
            self.faces,
            np.tile(self.colour, (n, 1)).astype(np.float32),
            np.full(n, 0.08, np.float32),
            np.full(n, 2.0, np.float32),
        )

    def size(self, script: Script, time: float) -> np.ndarray:
        return np.ptp(self._line(script, time)[0], axis=0)


# -------------------------------------------------------------------------------------------------------------- views


def _middle(script: Script) -> np.ndarray:
    """Where most is done: between the table's middle and where busy hands are on average."""
    busy = [
        script.stage.hands[s.side].path((s.start + s.end) / 2)[:3, 3]
        for s in script.segments
        if s.verb not in ("rest", "reach", "release")
    ]
    table_middle = np.array([0.0, script.stage.table - 0.04, 0.34])
    return 0.4 * table_middle + 0.6 * np.mean(busy, axis=0) if busy else table_middle


def _riding(view: View, person: Person, script: Script, pose: BodyPose) -> View:
    """The view moved along with the body, which follows hands that reach far."""

    def path(time: float) -> Float[np.ndarray, "4 4"]:
        out = view.world_from_camera(time).copy()
        out[:3, 3] += person.settled(pose, *_grips(person, script.at(time))).place - pose.place
        return out

    return replace(view, world_from_camera=path)


def _before(rng: np.random.Generator, target: np.ndarray) -> View:
    """A webcam on the table or a screen opposite."""
    aim = target + np.array([0.0, -0.08, -0.05])
    return webcam(rng, aim, distance=float(rng.uniform(0.65, 1.0)), facing=np.pi)


def _beside(rng: np.random.Generator, target: np.ndarray) -> View:
    """Somebody films from the side or over the table."""
    azimuth = np.pi + float(rng.choice((-1.0, 1.0)) * rng.uniform(0.5, 1.7))
    eye = around(target, float(rng.uniform(0.7, 1.15)), azimuth, float(rng.uniform(0.25, 1.0)))
    camera = Camera.from_fov(640, 480, float(np.radians(rng.uniform(45.0, 62.0))))
    pose = look_at(eye, target + rng.normal(0.0, 0.03, 3) + np.array([0.0, -0.05, 0.0]))
    steady = rng.random() < 0.5
    return View(camera, still(pose) if steady else Shake.sample(rng, 0.004, 0.003).on(still(pose)), "third-person")


__all__ = ["CLASSES", "PLAYS", "Play", "build", "class_of", "play", "touching"]
