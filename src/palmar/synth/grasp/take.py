"""A thing taken into a hand: a grasp that touches without going into it.

    grasp = take(rng, dressed.shaped, thing, "Medium Wrap")
    grasp.angles                                  # [5, 3, 3], for Dressed.posed
    turn, shift = grasp.placed(world_from_thing)  # for Dressed.posed(angles, turn, translation=shift)

The hand is first put around one of the thing's grips as its kind says, open as wide as the thing; then `fit` moves
wrist and fingers until the patches of the kind touch and nothing is pressed in. What does not hold (too deep, out of
the joints' range, fingers in each other, nothing to press against) is drawn again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from palmar.errors import PalmarError
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand import ShapedHand, limits
from palmar.hand.joints import FINGERS, POSE_OF_FINGER
from palmar.hand.mirror import mirror_points
from palmar.synth.collision import _PAIRS, _place
from palmar.synth.grasp.feel import Feel
from palmar.synth.grasp.fit import _forward, close, fit
from palmar.synth.grasp.taxonomy import GRASPS, GraspKind, grasp_kind
from palmar.synth.pose import wrap
from palmar.synth.scene import Dressed
from palmar.synth.things.solid import Solid, run, tube, union
from palmar.synth.things.thing import REFLECTION, Grip, Thing

Rng = np.random.Generator

CONTACT = 0.002
"""Metres from the surface within which skin counts as touching."""
DEEPEST = 0.002
"""Metres that skin may lie in a thing."""
AGAINST = -0.3
"""Cosine between the surface's normals under the two virtual fingers, from which on they press against each other."""
WIDEST = 85.0
"""Millimetres of a slab in the palm over whose far edge fingers can reach."""
LOOKS = 8
"""Starts that are looked at, at most, before one is tried."""
BEGIN = 0.004
"""Metres in the thing from which a start is good enough to be tried at once."""
LENGTH = 0.19
"""Metres from wrist to fingertip of the mean hand."""


@dataclass(frozen=True, eq=False)
class Grasp:
    """A hand on a thing."""

    kind: GraspKind
    angles: Float[np.ndarray, "5 3 3"]
    """Inside `limits.ACTIVE`, fingers free of each other."""
    thing_from_hand: Float[np.ndarray, "4 4"]
    """Of the hand's own rest frame (that of `HandModel.default(side)`)."""
    wrist: Float[np.ndarray, " 3"]
    """The hand's wrist joint in its rest frame."""
    grip: Grip
    """Of the thing; for a left hand that of its mirror image."""
    articulation: Float[np.ndarray, " a"]
    distance: Float[np.ndarray, " v"]
    """Metres from every vertex of the hand to the thing, < 0 inside."""
    contact: Float[np.ndarray, " v"]
    """1 where that is less than `CONTACT`, else 0."""
    touching: tuple[str, ...]
    """Patches that touch, of those the kind names."""
    opposition: float
    """Cosine between the thing's normals where the first and the second virtual finger press: -1 straight against each
    other; of all pairs of their patches the best."""
    draws: int
    """How many starts it took."""
    side: int = 1
    """0 left, 1 right."""

    def mirrored(self) -> Grasp:
        """The same by the other hand on the mirror image of the thing."""
        return replace(
            self,
            thing_from_hand=REFLECTION @ self.thing_from_hand @ REFLECTION,
            wrist=mirror_points(self.wrist),
            side=1 - self.side,
        )

    @property
    def penetration(self) -> float:
        """Metres of the deepest vertex; 0 where none is inside."""
        return max(0.0, -float(self.distance.min()))

    def placed(
        self, world_from_thing: Float[np.ndarray, "4 4"]
    ) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, " 3"]]:
        """world_from_hand as a rotation and the model's translation (after the wrist has turned about its joint)."""
        world_from_hand = world_from_thing @ self.thing_from_hand
        turn = world_from_hand[:3, :3]
        return turn, world_from_hand[:3, 3] - self.wrist + turn @ self.wrist


def hand_solid(
    feel: Feel, angles: Float[np.ndarray, "5 3 3"], frame_from_hand: Float[np.ndarray, "4 4"] | None = None
) -> Solid:
    """A right hand as the 19 capsules of `palmar.synth.collision`, which fill its flesh to a few millimetres. A left
    hand's is `.mirrored()` of it, before it is moved."""
    ends = _place(np.ascontiguousarray(angles, np.float64), feel.body.joints, feel.body.axes, feel.body.ends)
    whole = union([tube(pair, radius) for pair, radius in zip(ends, feel.body.radii, strict=True)])
    return whole if frame_from_hand is None else whole.moved(frame_from_hand[:3, :3], frame_from_hand[:3, 3])


def suits(kind: GraspKind, grip: Grip, scale: float = 1.0) -> bool:
    """Whether a hand of this scale can take the grip so."""
    sizes = kind.suits.get(grip.shape)
    if sizes is None:
        return False
    if kind.wraps and grip.shape == "slab" and 2e3 * grip.half[0] > WIDEST * scale:
        return False
    low, high = sizes
    if grip.shape == "rod" and (
        2e3 * grip.half[2] < kind.long * scale or grip.half[:2].max() > kind.slim * grip.half[:2].min()
    ):
        return False
    return 0.8 * low * scale <= 1e3 * _width(kind, grip) <= high * scale


def possible(thing: Thing, scale: float = 1.0) -> dict[str, list[Grip]]:
    """The grasps that fit a thing, and the grips they fit."""
    found = {name: [g for g in thing.grips if suits(kind, g, scale)] for name, kind in GRASPS.items()}
    return {name: grips for name, grips in found.items() if grips}


def take(
    rng: Rng,
    hand: Dressed | ShapedHand | Feel,
    thing: Thing,
    kind: str | int | GraspKind | None = None,
    *,
    articulation: Sequence[float] | Float[np.ndarray, " a"] | None = None,
    grip: Grip | str | None = None,
    side: int = 1,
    avoid: Solid | None = None,
    draws: int = 10,
) -> Grasp | None:
    """A grasp of the thing, or None where none was found in so many draws.

    kind: name or number of one of the 33, or None for any that fits. grip: one of the thing's, or the name that it must
    have, or None for any that fits. side: 0 for a left hand, whose shape is given as that of a right one. avoid: what
    the hand must not enter either, in the thing's frame: a table, the other hand (`hand_solid`). Raises PalmarError for
    an unknown kind, and where the thing has no grip that it suits.
    """
    if side == 0:
        other = None if avoid is None else avoid.mirrored()
        wanted = thing.grips.index(grip) if isinstance(grip, Grip) else None
        image = thing.mirrored()
        chosen = grip if wanted is None else image.grips[wanted]
        found = take(rng, hand, image, kind, articulation=articulation, grip=chosen, avoid=other, draws=draws)
        return None if found is None else found.mirrored()
    feel = hand if isinstance(hand, Feel) else Feel.of(hand.shaped if isinstance(hand, Dressed) else hand)
    kinds = list(GRASPS.values()) if kind is None else [grasp_kind(kind)]
    grips = [grip] if isinstance(grip, Grip) else [g for g in thing.grips if grip is None or g.name == grip]
    pairs = [(k, g) for k in kinds for g in grips if suits(k, g, feel.scale)]
    if not pairs:
        what = "grasp" if kind is None else kinds[0].name
        raise PalmarError(f"take: no grip of {thing.name!r} suits {what}: see palmar.synth.grasp.possible.")
    solid = thing.solid(articulation)
    alone = solid.steps, solid.values, solid.outline
    both = solid if avoid is None else solid | avoid
    program = both.steps, both.values, both.outline
    state = np.zeros(len(thing.joints)) if articulation is None else np.asarray(articulation, np.float64)
    for draw in range(draws):
        one, two = pairs[int(rng.integers(len(pairs)))]
        angles, thing_from_hand = _start(rng, feel, one, two, thing.grip(two, articulation), program)
        found = _closed(feel, one, angles, thing_from_hand, program, alone)
        if found is None:
            continue
        angles, thing_from_hand, distance, touching, against = found
        contact = (distance < CONTACT).astype(np.float64)
        wrist = np.asarray(feel.shaped.rest_joints[0], np.float64)
        return Grasp(one, angles, thing_from_hand, wrist, two, state, distance, contact, touching, against, draw + 1)
    return None


# ------------------------------------------------------------------------------------------------------------ start


def _width(kind: GraspKind, grip: Grip) -> float:
    """Metres between the surfaces that the kind presses."""
    x, y, _ = grip.half
    if grip.shape == "disk":
        return 2 * float(x if _by_rim(kind, grip) else y)
    if grip.shape == "rod":
        return 2 * float(np.sqrt(x * y)) if kind.wraps else 2 * float(min(x, y))
    return 2 * float(y)


def _by_rim(kind: GraspKind, grip: Grip) -> bool:
    """Whether a disk is held across its diameter, rather than flat between two fingers."""
    return kind.lie in ("rim", "out") and grip.shape == "disk"


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v)


def _orthogonal(v: np.ndarray, to: np.ndarray) -> np.ndarray:
    return _unit(v - (v @ to) * to)


def _jitter(rng: Rng, angles: np.ndarray, degrees: float = 4.0) -> np.ndarray:
    noise = np.zeros((5, 3, 3))
    noise[:, :, 0] = rng.normal(0, np.radians(degrees), (5, 3))
    noise[:, 0, 1] = rng.normal(0, np.radians(degrees / 2), 5)
    return limits.clip(angles + noise)


def _start(
    rng: Rng, feel: Feel, kind: GraspKind, grip: Grip, thing_from_grip: np.ndarray, solid: tuple
) -> tuple[np.ndarray, np.ndarray]:
    """Angles to aim at and thing_from_hand: the first of some draws that does not begin deep in the thing, or the least
    deep."""
    best, least = None, np.inf
    for _ in range(LOOKS):
        angles, hand_from_grip = (_wrapped if kind.wraps else _between)(rng, feel, kind, grip)
        thing_from_hand = thing_from_grip @ np.linalg.inv(hand_from_grip)
        before = opened(angles, kind)
        turn, place = thing_from_hand[:3, :3], thing_from_hand[:3, 3]
        depth = -float(_distance(feel, before, turn, place, solid).min())
        if depth < least:
            best, least = (angles, thing_from_hand), depth
        if least < min(BEGIN, 0.2 * _width(kind, grip)):
            break
    assert best is not None
    return best


def _wrapped(rng: Rng, feel: Feel, kind: GraspKind, grip: Grip) -> tuple[np.ndarray, np.ndarray]:
    """Angles and hand_from_grip of a thing in the palm."""
    low, high = kind.suits[grip.shape]
    width = _width(kind, grip)
    share = float(np.clip((1e3 * width / feel.scale - low) / (high - low), 0, 1))
    angles = kind.start[0] + share * (kind.start[1] - kind.start[0])
    thick = width
    x, y, z = grip.half
    down = np.array([0.0, -1.0, 0.0])
    row = _unit(feel.shaped.rest_joints[1] - feel.shaped.rest_joints[7])
    row = _orthogonal(row, down)
    slant = np.radians(rng.uniform(*kind.slant))
    row = rotmat_from_rotvec(down * slant) @ row  # the little finger's end goes towards the wrist
    heads, palm = (feel.rest[feel.patch[name][0]] for name in ("heads", "palm"))
    if grip.shape == "rod":
        thick = 2 * float(y)
        turn = rng.integers(4)
        axes = np.stack([np.cross(down, row), down, row], 1)
        if grip.round:
            axes = axes @ rotmat_from_rotvec(np.array([0, 0, rng.uniform(-np.pi, np.pi)]))
        elif turn % 2:
            axes, thick = axes @ rotmat_from_rotvec(np.array([0, 0, np.pi / 2])), 2 * float(x)
        if turn >= 2:
            axes = axes @ np.diag([-1.0, 1, -1])
        slide = max(float(z) - 0.035 * feel.scale, 0.0)
        along = rng.uniform(-slide, slide)
        big = float(np.clip(width / (0.09 * feel.scale), 0, 1))
        at = heads + (0.25 + 0.5 * big) * (palm - heads)
        fingers = wrap(width / 2 / (LENGTH * feel.scale))
        if kind.name == "Fixed Hook":
            at = heads + np.array([-0.012, 0.0, 0.0]) * feel.scale
        else:
            angles[1:, :, 0] = fingers
            if kind.name == "Index Finger Extension":
                angles[1, :, 0] = np.radians((30, 18, 8))
        at = at + along * row
    elif grip.shape == "ball":
        axes = rotmat_from_rotvec(rng.normal(0, 1, 3)) if grip.round else np.eye(3)[:, rng.permutation(3)]
        axes = axes * np.sign(np.linalg.det(axes))
        big = float(np.clip(width / (0.09 * feel.scale), 0, 1))
        at = heads + (0.3 + 0.5 * big) * (palm - heads) + np.array([0, 0, 0.004])
        angles[1:, :, 0] = wrap(width / 2 / (LENGTH * feel.scale))
    elif grip.shape == "disk":
        turned = rotmat_from_rotvec(down * rng.uniform(-np.pi, np.pi)) @ row
        side = down if rng.random() < 0.5 else -down
        axes = np.stack([np.cross(side, turned), side, turned], 1)
        thick, at = 2 * float(y), heads + 0.5 * (palm - heads) + np.array([-0.002, 0, 0.004])
    else:
        side = down if rng.random() < 0.5 else -down
        axes = np.stack([np.cross(side, row), side, row], 1)
        far = float(x) - 0.025 * feel.scale  # its far edge lies under the middle bones of the fingers
        thick, at = 2 * float(y), heads + far * np.cross(row, down)
    place = np.eye(4)
    place[:3, :3], place[:3, 3] = axes, at + down * (thick / 2 + 0.001)
    return _jitter(rng, limits.clip(angles)), place


def _between(rng: Rng, feel: Feel, kind: GraspKind, grip: Grip) -> tuple[np.ndarray, np.ndarray]:
    """Angles and hand_from_grip of a thing between patches that face each other."""
    width = _width(kind, grip)
    closed, wide = kind.start
    noise = _jitter(rng, np.zeros((5, 3, 3)))
    ones, twos = ([int(feel.patch[name][0]) for name in names] for names in (kind.ones[:1], kind.twos))
    if kind.opposition == "side":
        twos = twos[:1]
    for share in np.linspace(0.0, 1.5, 16):
        angles = limits.clip(closed + share * (wide - closed) + noise)
        skin = feel.skin(angles)
        one, two = skin[ones].mean(0), skin[twos].mean(0)
        if np.linalg.norm(one - two) > width + 0.006:
            break
    across = _unit(one - two)
    turns, _, _ = _forward(angles, feel.body.joints, feel.body.axes)
    names = [name.split()[0] for name in (*kind.ones[:1], *kind.twos)]
    bones = [FINGERS.index(name) * 3 + 2 for name in dict.fromkeys(names)]
    if kind.opposition == "side" and kind.number in (16, 29, 32):
        bones = bones[:1]  # sticks out beyond the thumb
    out = np.stack([turns[b] @ _along(feel, b) for b in bones]).mean(0)
    if len({name for name in names[1:]}) > 1:
        row = _orthogonal(skin[twos[0]] - skin[twos[-1]], across)
        q = np.cross(across, row)
        out = q * np.sign(q @ out)
    else:
        out = _orthogonal(out, across)
    row = np.cross(out, across)
    half = grip.half
    flip = rng.choice((-1.0, 1.0))
    centre = (one + two) / 2
    if grip.shape == "ball":
        axes = rotmat_from_rotvec(rng.normal(0, 1, 3)) if grip.round else np.stack([row, across, out], 1)
        axes = axes * np.sign(np.linalg.det(axes))
        centre = centre + 0.15 * half[1] * out
    elif _by_rim(kind, grip):
        axis = flip * out
        around = rotmat_from_rotvec(axis * rng.uniform(-np.pi, np.pi)) @ across
        axes = np.stack([np.cross(axis, around), axis, around], 1)
        inset = min(float(half[1]), rng.uniform(0.003, 0.008))
        centre = centre + (half[1] - inset) * out
    else:
        angle = {"row": 0.0, "out": np.pi / 2, "rim": 0.0, "any": rng.uniform(-np.pi, np.pi)}[kind.lie]
        if grip.shape == "slab":
            angle = np.pi / 2 * rng.integers(4) + np.radians(rng.uniform(*kind.slant))
        elif kind.lie != "any":
            angle += np.radians(rng.uniform(*kind.slant)) + (np.pi if rng.random() < 0.5 else 0.0)
        along = np.cos(angle) * row + np.sin(angle) * out
        axes = np.stack([np.cross(flip * across, along), flip * across, along], 1)
        if grip.shape == "rod":
            if grip.round:
                axes = axes @ rotmat_from_rotvec(np.array([0, 0, rng.uniform(-np.pi, np.pi)]))
            elif half[0] < half[1]:
                axes = axes @ rotmat_from_rotvec(np.array([0, 0, np.pi / 2]))
        # Where the pads press, in the grip: near the end that the hand comes from, anywhere along the row.
        inset = rng.uniform(0.006, 0.014) * feel.scale
        if kind.deep:
            inset = rng.uniform(0.03, 0.05) * feel.scale
        local_out, local_row = axes.T @ out, axes.T @ row
        spread = 0.5 * _spread(skin, twos) * np.abs(local_row)
        free = np.maximum(half - np.maximum(spread + 0.004, inset * np.abs(local_out)), 0.0)
        near = np.clip(-1.5 * local_out, -1, 1)
        point = free * (near + (1 - np.abs(near)) * rng.uniform(-1, 1, 3))
        point = np.where(np.abs(axes.T @ across) > 0.5, 0.0, point)
        if grip.shape == "rod" and abs(local_out[2]) < 0.7:  # lies across: pressed through its axis, or beyond it
            point[:2] = 0.0
            centre = centre - (0.35 * float(half[0]) if kind.name == "Ring" else 0.0) * out
        centre = centre - axes @ point
    place = np.eye(4)
    place[:3, :3], place[:3, 3] = axes, centre
    return angles, place


def _along(feel: Feel, bone: int) -> np.ndarray:
    return feel.shaped.model.along[POSE_OF_FINGER[bone // 3][bone % 3]]


def _spread(skin: np.ndarray, rows: list[int]) -> float:
    return float(np.linalg.norm(skin[rows[0]] - skin[rows[-1]]))


# ------------------------------------------------------------------------------------------------------------- close


def _stiffness() -> np.ndarray:
    """Radians of each angle that count as 1 unit."""
    sd = np.full((5, 3, 3), np.radians(20.0))
    sd[1:, :, 1] = np.radians(8.0)
    sd[0, 0] = np.radians((14.0, 14.0, 5.0))
    sd[0, 1, 1] = np.radians(6.0)
    return sd


_SD = _stiffness()
_TIGHTER = np.ones((5, 3, 3))
_TIGHTER[1:, :, 0] = 1.2
_WRIST_SD = np.array([0.2, 0.2, 0.2, 0.008, 0.008, 0.008])
_BEND = (
    float(np.radians(limits.RISE)),
    limits.RISE_PER_FLEXION,
    (1.0 - limits.ABDUCTION_AT_90) / (np.pi / 2),
)


def _closed(
    feel: Feel, kind: GraspKind, angles: np.ndarray, thing_from_hand: np.ndarray, solid: tuple, alone: tuple
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, ...], float] | None:
    """Angles, thing_from_hand, distances, the patches that touch, and how they press against each other; None where it
    does not hold. solid: all that the hand must not enter; alone: the thing."""
    must = dict.fromkeys(kind.twos, 1.0)
    if kind.wraps:
        must |= dict.fromkeys(kind.ones, 0.6) | dict.fromkeys(kind.twos, 0.5)
    else:
        must |= dict.fromkeys(kind.ones[:1], 1.0)
    names = must | {name: 0.3 for name in kind.also}
    rows = [feel.patch[name] for name in names]
    touch = (
        np.concatenate(rows),
        np.cumsum([0, *map(len, rows)]),
        np.array(list(names.values())),
    )
    body = feel.body
    low, high = limits.bounds()
    capsules = body.joints, body.axes, body.ends, body.radii, body.slack - 0.0006, _PAIRS
    skin = feel.rest, feel.bones, feel.weights
    turn, place = np.ascontiguousarray(thing_from_hand[:3, :3]), np.ascontiguousarray(thing_from_hand[:3, 3])
    fixed = low, high, _BEND
    if kind.wraps:
        # First the palm with open fingers, then the fingers around it.
        goal, angles = angles, opened(angles, kind)
        palm = [feel.patch[name] for name in kind.ones]
        only = np.concatenate(palm), np.cumsum([0, *map(len, palm)]), np.full(len(palm), 0.6)
        angles, turn, place, _ = fit(
            angles, 0.3 * _SD, *fixed, turn, place, 0.7 * _WRIST_SD, skin, capsules, only, 3.0, 0.0, solid, 12
        )
        angles = close(angles, limits.clip(goal * _TIGHTER), 0.0008, turn, place, skin, capsules, solid)
    else:
        goal, angles = limits.clip(angles - 0.5 * (kind.start[1] - kind.start[0])), opened(angles, kind)
        angles = close(angles, goal, 0.0008, turn, place, skin, capsules, solid)
    for push, apart, rounds in ((1.5, 2.0, 25), (5.0, 6.0, 12)):
        angles, turn, place, _ = fit(
            np.ascontiguousarray(angles), _SD, *fixed, turn, place, _WRIST_SD, skin, capsules, touch,
            push, apart, solid, rounds,
        )  # fmt: skip
        angles = limits.clip(angles)
    if body.overlap(angles) > 0:
        angles = body.resolve(angles)
    distance = _distance(feel, angles, turn, place, alone)
    deepest = -float(_distance(feel, angles, turn, place, solid).min())
    touching = tuple(name for name in names if distance[feel.patch[name]].min() < CONTACT)
    against = _opposition(feel, kind, angles, turn, place, distance, touching, alone)
    if _verdict(kind, body.overlap(angles), angles, deepest, touching, against):
        return None
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = turn, place
    return angles, out, distance, touching, against


def _opposition(
    feel: Feel,
    kind: GraspKind,
    angles: np.ndarray,
    turn: np.ndarray,
    place: np.ndarray,
    distance: np.ndarray,
    touching: tuple[str, ...],
    solid: tuple,
) -> float:
    """See `Grasp.opposition`; 1 where one of the two does not touch."""
    skin = feel.skin(angles) @ turn.T + place
    thing = Solid(*solid)
    sides = []
    for names in (kind.ones, kind.twos):
        normals = []
        for name in names:
            if name in touching:
                rows = feel.patch[name]
                mean = thing.gradient(skin[rows[distance[rows] < CONTACT]], 1e-4).mean(0)
                if np.linalg.norm(mean) > 0.1:  # else on both sides of an edge
                    normals.append(_unit(mean))
        sides.append(normals)
    return min((float(a @ b) for a in sides[0] for b in sides[1]), default=1.0)


def opened(angles: Float[np.ndarray, "5 3 3"], kind: GraspKind) -> Float[np.ndarray, "5 3 3"]:
    """The posture before fingers close: around a thing in the palm a third of their flexion, the thumb as for something
    large; between fingers a step on the way from closed to open."""
    if not kind.wraps:
        return limits.clip(angles + 0.25 * (kind.start[1] - kind.start[0]))
    out = angles.copy()
    out[1:, :, 0] *= 0.35
    out[0] = kind.start[1][0]
    return limits.clip(out)


def _verdict(
    kind: GraspKind, overlap: float, angles: np.ndarray, deepest: float, touching: tuple[str, ...], against: float
) -> str:
    """What is wrong with a grasp; empty where nothing is."""
    if deepest > DEEPEST:
        return "too deep"
    if overlap > 0:
        return "fingers in each other"
    if not limits.inside(angles):
        return "out of range"
    if not set(kind.ones) & set(touching):
        return "first finger off"
    fingers = {name.split()[0] for name in set(kind.twos) & set(touching)}
    if 2 * len(fingers) < min(len(kind.second), len({name.split()[0] for name in kind.twos})):
        return "second finger off"
    return "" if against < AGAINST else "nothing to press against"


def _distance(feel: Feel, angles: np.ndarray, turn: np.ndarray, place: np.ndarray, solid: tuple) -> np.ndarray:
    return run(*solid, feel.skin(angles) @ turn.T + place)
