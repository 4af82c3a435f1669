"""A hand at the face: it comes up, touches cheek, chin, mouth, brow, ear, nose or hair, and goes away again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int32

from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand import limits
from palmar.render import vertex_normals
from palmar.synth import gestures
from palmar.synth.cameras import phone, webcam
from palmar.synth.people.body import BONE, BodyPose
from palmar.synth.people.hands import Grip, OwnHand, grip_at
from palmar.synth.people.person import Person, Shown, stance
from palmar.synth.people.surface import NEAR, Surface
from palmar.synth.people.touch import Pull, Touched, contacts, settle
from palmar.synth.scenes.keys import Keys
from palmar.synth.scenes.pairs import world_from_hand
from palmar.synth.scenes.stage import Stage, table
from palmar.synth.world import Moment, Scene, Segment

STREAM = 4104
SECONDS = 4.0
Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Place:
    """Where a right hand touches. Face frame: unit is half the eyes' distance (about 31 mm), origin between the eyes,
    x to the person's left, y down, z to the back. So the right cheek is at negative x."""

    spot: Vector
    shape: str
    fingers: Vector
    palm: Vector
    knuckle: Vector
    """Of the middle finger's base."""
    touch: tuple[str, ...]
    """Places of the hand that touch near the spot."""
    sentence: str
    reach: float = 1.2
    """Radius around the spot, units."""


PLACES: Mapping[str, Place] = {
    "cheek": Place((-1.7, 1.5, 0.6), "rest soft", (0.15, -0.95, 0.2), (0.75, 0.0, 0.6), (-2.6, 2.2, -0.4),
                   ("middle pad", "index pad", "ring pad"), "touches the cheek"),
    "cheek in hand": Place((-1.7, 2.0, 0.7), "flat", (0.1, -0.9, 0.45), (0.9, -0.25, 0.25), (-2.5, 1.8, 0.8),
                           ("palm", "middle finger"), "rests the cheek in the hand", 1.8),
    "chin": Place((-0.1, 3.9, 0.1), "pinch open", (0.75, -0.5, 0.45), (0.45, -0.2, 0.85), (-1.6, 4.6, -1.3),
                  ("index pad", "thumb pad"), "holds the chin"),
    "mouth": Place((0.0, 2.3, -0.5), "flat closed", (0.9, -0.45, 0.1), (0.1, 0.1, 1.0), (-1.6, 3.0, -0.95),
                   ("middle finger", "index finger"), "covers the mouth"),
    "lips": Place((0.0, 2.2, -0.6), "point", (0.2, -0.95, 0.15), (0.1, 0.2, 1.0), (-0.5, 5.0, -1.2),
                  ("index pad",), "lays a finger on the lips", 0.8),
    "eye": Place((-1.1, -0.1, -0.2), "point loose", (0.45, -0.8, 0.4), (0.3, 0.1, 1.0), (-2.4, 1.6, -1.7),
                 ("index pad",), "rubs an eye", 0.9),
    "forehead": Place((-0.4, -1.7, 0.0), "rest soft", (0.6, -0.75, 0.3), (0.15, 0.2, 1.0), (-2.2, -0.6, -1.5),
                      ("middle pad", "index pad", "ring pad"), "touches the forehead", 1.4),
    "face palm": Place((-0.3, -0.9, -0.1), "flat closed", (0.25, -0.95, 0.15), (0.0, 0.1, 1.0), (-0.6, 0.1, -1.2),
                       ("palm", "middle finger"), "covers the face", 2.2),
    "temple": Place((-2.1, -0.9, 1.0), "point", (0.55, -0.75, 0.35), (0.6, 0.0, 0.7), (-3.8, 0.9, -0.5),
                    ("index tip",), "taps the temple", 1.0),
    "ear": Place((-2.5, 1.0, 3.0), "pinch", (0.3, -0.5, 0.85), (0.85, 0.1, 0.3), (-3.6, 1.8, 1.2),
                 ("index pad", "thumb pad"), "pulls at an ear", 1.3),
    "behind the ear": Place((-2.5, 0.4, 3.3), "cupped", (0.15, -0.95, 0.35), (0.75, 0.0, -0.65), (-3.2, 1.0, 3.4),
                            ("index finger", "index side"), "puts a hand behind the ear", 1.6),
    "hair": Place((-1.5, -3.0, 1.8), "claw", (0.55, -0.6, 0.6), (0.55, 0.5, 0.6), (-2.6, -2.2, 0.2),
                  ("middle pad", "index pad", "ring pad"), "goes through the hair", 1.8),
    "nose": Place((0.0, 1.3, -1.0), "pinch", (0.5, -0.8, 0.35), (0.4, 0.2, 0.9), (-1.3, 3.4, -2.2),
                  ("index pad",), "scratches the nose", 0.7),
    "neck": Place((-1.7, 5.4, 2.2), "flat", (0.6, -0.3, 0.75), (0.8, 0.0, 0.6), (-2.7, 5.9, 1.4),
                  ("middle finger", "index finger"), "holds the neck", 2.0),
}  # fmt: skip
"""By name, for the right hand; a left one mirrors them."""


def build(seed: int, index: int) -> Scene:
    """One place of `PLACES`, touched by one hand, the other at rest; sometimes both cheeks in both hands."""
    rng = np.random.default_rng((seed, index, STREAM))
    names = list(PLACES)
    return face_scene(rng, names[int(rng.integers(len(names)))])


def face_scene(rng: np.random.Generator, name: str) -> Scene:
    """The scene of a named place."""
    person = Person.sample(rng, thick=False)
    stage = Stage.sample(rng)
    place = PLACES[name]
    side = 1 if rng.random() < 0.6 else 0
    pose = stance(
        np.array([rng.normal(0, 0.05), 0.45, 0.75]),
        facing=rng.normal(0, 0.25),
        lean=rng.normal((0.08, 0.0, 0.0), (0.08, 0.06, 0.05)),
        head=rng.normal((0.05, 0.0, 0.0), (0.12, 0.2, 0.1)),
        thigh=1.5,
    )
    still = person.posed(pose)
    head = head_surface(person, still)
    found = touch_face(rng, person, pose, still, head, name, side)
    held = found.grips[0]
    hand = person.hands[side]
    away = _away(person, still, held, hand)
    first, last = (
        replace(
            held,
            angles=hand.body.resolve(gestures.shape(str(rng.choice(("rest", "rest soft", "flat", "rest curled"))))),
            wrist=held.wrist + away * rng.uniform(0.10, 0.2) + np.array([0.0, rng.uniform(0.0, 0.12), 0.0]),
            contact=None,
        )
        for _ in range(2)
    )
    near = replace(held, wrist=held.wrist + away * 0.03, contact=None)
    t = np.cumsum(rng.uniform((0.2, 0.5, 0.2, 0.9, 0.2, 0.5), (0.5, 0.8, 0.3, 1.6, 0.3, 0.8)))
    keys = Keys(
        hand,
        np.array([0.0, t[1], t[2], t[4], t[5]]),
        np.array([t[0], t[1], t[3], t[4], t[5]]),
        (first, near, held, near, last),
    )
    head_at = head.vertices

    def at(time: float) -> Moment:
        grip = keys.at(time)
        left, right = (grip, None) if side == 0 else (None, grip)
        now = person.posed(pose, left, right, fixed=True)
        surface = Surface.of(head_at, head.faces)
        touched = contacts([h.vertices for h in now.hands], person.hands, surface)
        hands = tuple(replace(h, contact=c) for h, c in zip(now.hands, touched, strict=True))
        return Moment(time, (*now.pieces, *room), hands)

    room = []
    if rng.random() < 0.4:
        room = [table(rng, float(pose.place[1]) - 0.16, (0.0, float(pose.place[2]) - 0.3))]
    target = held.wrist + np.array([0.0, -0.02, 0.0])
    views = (
        webcam(rng, target, distance=float(rng.uniform(0.4, 0.8))),
        phone(rng, target, seconds=SECONDS),
    )
    text = f"Somebody {place.sentence}."
    segments = (
        Segment(0.0, float(t[2]), "touch", name, side, text, "reach"),
        Segment(float(t[2]), float(t[3]), "touch", name, side, text, "hold"),
        Segment(float(t[3]), SECONDS, "touch", name, side, text, "release"),
    )
    return Scene("hand at face", at, stage.light, views, SECONDS, segments, stage.background)


def head_surface(person: Person, shown: Shown) -> Surface:
    """Head and neck of a posed person, hair included where it is thick."""
    model = person.body.model
    own = model.weights[:, [BONE["head"], BONE["neck"]]].sum(1) > 0.5
    own &= model.masks["eye_cavity"] < 0.5
    faces = model.faces[own[model.faces].all(1)]
    vertices = shown.vertices.copy()
    if person.hair is not None:
        lifted = person.hair.lift(len(vertices))
        normals = _normals(vertices, model.faces)
        vertices += normals * lifted[:, None]
    rows, number = np.unique(faces, return_inverse=True)
    return Surface.of(vertices[rows], number.reshape(-1, 3).astype(np.int32))


def _normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    return vertex_normals(vertices.astype(np.float32), faces).astype(np.float64)


def touch_face(
    rng: np.random.Generator,
    person: Person,
    pose: BodyPose,
    shown: Shown,
    head: Surface,
    name: str,
    side: int,
    *,
    tries: int = 6,
) -> Touched:
    """The grip with which a hand touches a place of the face: the best of some tries."""
    place, hand = PLACES[name], person.hands[side]
    turn, at = shown.head
    eyes = person.body.ends[4:]
    middle = at + turn @ (eyes.mean(0) - person.body.joints[BONE["head"]])
    unit = float(np.linalg.norm(eyes[0] - eyes[1])) / 2
    mirror = np.array([1.0, 1.0, 1.0]) if side == 1 else np.array([-1.0, 1.0, 1.0])
    world = lambda v: turn @ (np.asarray(v, float) * mirror)  # noqa: E731
    spot = middle + unit * world(place.spot)
    there = _around(head, spot, place.reach * unit)
    pulls = [Pull(0, here, there, -1, count=3) for here in place.touch]
    best, least = None, np.inf
    for _ in range(tries):
        loose = rotmat_from_rotvec(rng.normal(0.0, 0.18, 3))
        frame = loose @ world_from_hand(side, tuple(world(place.fingers)), tuple(world(place.palm)))
        noise = rng.normal(0.0, 1.0, (5, 3, 3)) * np.radians((6.0, 2.0, 0.0))
        angles = hand.body.resolve(limits.clip(gestures.shape(place.shape) + noise))
        knuckle = middle + unit * world(np.asarray(place.knuckle) + rng.normal(0.0, 0.15, 3))
        start = grip_at(hand, angles, frame, knuckle=knuckle)
        found = settle([hand], [_outside(hand, start, head, knuckle - spot)], pulls, fixed=head)
        arm = person.arm(pose, side, found.grips[0])
        bad = (
            300.0 * max(found.deepest - 0.0015, 0.0)
            + 100.0 * max(found.farthest - 0.002, 0.0)
            + 100.0 * max(found.overlap - 0.001, 0.0)
            + 0.1 * arm.strain
            + 40.0 * float(np.linalg.norm(arm.wrist - found.grips[0].wrist))
        )
        if bad < least:
            best, least = found, bad
        if least < 0.3:
            break
    assert best is not None
    return best


def _outside(hand: OwnHand, grip: Grip, head: Surface, out: Float[np.ndarray, " 3"]) -> Grip:
    """The grip moved along `out` until no vertex lies deep in the head."""
    step = out / max(float(np.linalg.norm(out)), 1e-9) * 0.006
    for _ in range(12):
        distance, _, _ = head.distance(hand.to_world(grip, hand.local(grip.angles).vertices))
        if distance.min() > -0.004:
            break
        grip = grip.moved(np.eye(3), np.zeros(3), step)
    return grip


def _around(head: Surface, spot: Float[np.ndarray, " 3"], radius: float) -> Int32[np.ndarray, " n"]:
    found = np.array(sorted(head.tree.query_ball_point(spot, max(radius, 0.5 * NEAR))), np.int32)
    if len(found) >= 3:
        return found
    return head.tree.query(spot, k=6)[1].astype(np.int32)


def _away(person: Person, shown: Shown, grip: Grip, hand: OwnHand) -> Float[np.ndarray, " 3"]:
    """Direction from the head's middle to the hand, more forward than not."""
    turn, at = shown.head
    points = hand.to_world(grip, hand.local(grip.angles).joints)
    out = points.mean(0) - (at + turn @ np.array([0.0, -0.08, 0.0]))
    out = out / np.linalg.norm(out) + 0.4 * (turn @ np.array([0.0, 0.0, -1.0]))
    return out / np.linalg.norm(out)
