"""A person: a body with its own hands, skin, hair and clothes, drawn once and posed as often as wanted.

    person = Person.sample(rng)
    shown = person.posed(Stance(...), left=Grip(...), right=None, first_instance=1)
    shown.pieces, shown.hands                    # same pieces, same faces at every time

Where a hand is out of reach the whole body moves; a hand that is given nothing to do hangs at the side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from palmar.geometry.rotations import rotmat_from_rotvec, rotvec_from_rotmat
from palmar.render import Mesh, vertex_normals
from palmar.synth.cameras import egocentric, head_turning, look_at, still, turned
from palmar.synth.people.body import FOREARM, LONGEST, RING, SHARPEST, Arm, BodyModel, BodyPose, ShapedBody
from palmar.synth.people.dress import (
    Cuff,
    Eyes,
    Garment,
    Hair,
    Shoes,
    draw_cuffs,
    draw_eyes,
    draw_garments,
    draw_hair,
    draw_shoes,
    hair_colour,
    paint_body,
)
from palmar.synth.people.hands import Grip, LocalHand, OwnHand, ring_rows
from palmar.synth.people.surface import Surface
from palmar.synth.pose import sample_synergy
from palmar.synth.skin import Skin, sample_skin
from palmar.synth.wear.fine import drawing, ink
from palmar.synth.wear.fine import hair as strands
from palmar.synth.wear.glove import SORTS
from palmar.synth.wear.outfit import draw_outfit
from palmar.synth.wear.shell import Shell
from palmar.synth.world import HandTruth, Kind, Piece, View

BONES_OF_HEAD = 5


@dataclass(frozen=True, eq=False)
class Shown:
    """A person at a moment."""

    pieces: tuple[Piece, ...]
    hands: tuple[HandTruth, ...]
    """Left, then right."""
    arms: tuple[Arm, Arm]
    pose: BodyPose
    """Where the body went so that the hands could be where they are."""
    head: tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, " 3"]]
    """world_from_head and the place of the head's joint."""
    vertices: Float[np.ndarray, "v 3"]
    """Of the bare body, cuffs included."""


@dataclass(frozen=True, eq=False)
class Person:
    """Drawn once. Person and hands are numbered from `first_instance` on: the person, the left hand, the right."""

    body: ShapedBody
    hands: tuple[OwnHand, OwnHand]
    """Left, right."""
    skin: Skin
    garments: tuple[Garment, ...]
    cuffs: tuple[Cuff, ...]
    """Of long sleeves, left and right, or none."""
    shoes: Shoes
    hair: Hair | None
    eyes: Eyes | None
    arm_items: tuple[Shell, ...]
    """Hair and ink on the arms."""
    surface: Mesh
    """The bare body's faces and paint; vertices are those at rest."""
    arm_faces: np.ndarray
    body_faces: np.ndarray
    idle: tuple[np.ndarray, np.ndarray]
    """Angles of a hand that has nothing to do, left and right."""

    @staticmethod
    def sample(
        rng: np.random.Generator,
        *,
        skin: Skin | None = None,
        sleeve: float | None = None,
        headless: bool = False,
        wear: bool = True,
        gloved: float = 0.08,
        thick: bool = True,
    ) -> Person:
        """A person. sleeve: how far sleeves reach, 0 shoulder, 1 elbow, 2 wrist; drawn where not given.

        wear: whether hands may wear anything. gloved: share of persons in gloves. thick: whether these may be of cloth;
        where hands touch, only skin-thin ones leave contact true.

        headless: without head and hair, as the wearer of a camera sees themselves.
        """
        skin = sample_skin(rng, gloves=0.0, painted=0.0) if skin is None else skin
        shape = rng.normal(0.0, 1.0, 10).clip(-2.5, 2.5)
        coefficients = rng.normal(0.0, 1.0, 8).clip(-2.0, 2.0)
        coefficients[0] = 0.2 + 0.4 * coefficients[0]  # the first direction is growing up: mostly adults
        hands = (OwnHand.of(0, shape, skin), OwnHand.of(1, shape, skin))
        body = BodyModel.default().shaped(coefficients)
        # a big hand has a big body: bring the forearm's end near the stub's size
        rest = hands[1].shaped.vertices()[ring_rows(hands[1].shaped.model)]
        rows = _cuff_neighbours(body, 1)
        size = _radius(body.vertices[rows]) / _radius(rest)
        scale = float(np.clip(size**-0.7, 0.88, 1.12))
        body = BodyModel.default().shaped(coefficients, scale)
        body = replace(body, vertices=_fitted_forearms(body, hands))
        colour = hair_colour(rng, skin)
        surface = paint_body(rng, body, skin, hands, colour)
        garments, hidden, long = draw_garments(rng, body, hands, sleeve)
        cuffs = draw_cuffs(rng, hands, garments[0]) if long else ()
        shoes = draw_shoes(rng, body)
        hair = None if headless else draw_hair(rng, body, colour)
        eyes = None if headless else draw_eyes(rng, body)
        items: tuple[Shell, ...] = ()
        if wear:
            hands, items = _worn(rng, body, hands, skin, colour, surface.albedo, hidden, gloved, thick)
        arm = body.model.weights[:, list(FOREARM)].sum(1) + body.model.weights[:, 8:10].sum(1) > 0.5
        faces = body.model.faces
        seen = ~hidden[faces].all(1)
        if headless:
            seen &= ~(body.model.weights[:, [4, BONES_OF_HEAD]].sum(1) > 0.3)[faces].any(1)
        of_arm = arm[faces].all(1)
        return Person(
            body,
            hands,
            skin,
            garments,
            cuffs,
            shoes,
            hair,
            eyes,
            items,
            surface,
            faces[seen & of_arm],
            faces[seen & ~of_arm],
            (hands[0].body.resolve(sample_synergy(rng).angles), hands[1].body.resolve(sample_synergy(rng).angles)),
        )

    def posed(
        self,
        pose: BodyPose,
        left: Grip | None = None,
        right: Grip | None = None,
        *,
        first_instance: int = 1,
        fixed: bool = False,
    ) -> Shown:
        """The person with their hands as given. fixed: the body stays where `pose` says even if hands are out of
        reach; they then come apart from the arms, so use it only where `settled` was asked before."""
        if not fixed:
            pose = self.settled(pose, left, right)
        turn, place = self.body.trunk(pose)
        given = (left, right)
        clavicles, arms, grips = [], [], []
        for side in range(2):
            chest, root = turn[3], place[6 + side]
            grip = given[side]
            if grip is None:
                grip = self._hanging(side, chest, root, pose)
            clavicle, shoulder = self.body.shrug(side, chest, root, grip.wrist)
            hand = self.hands[side]
            arms.append(self.body.reach(side, chest, shoulder, grip.wrist, hand.world_from_local(grip)))
            clavicles.append(clavicle)
            grips.append(grip)
        locals_ = [hand.local(grip.angles, arm.bend) for hand, grip, arm in zip(self.hands, grips, arms, strict=True)]
        skins = [
            hand.to_world(grip, local.vertices) for hand, grip, local in zip(self.hands, grips, locals_, strict=True)
        ]
        rows = ring_rows(self.hands[0].shaped.model)
        maps = np.stack([hand.world_from_local(grip) for hand, grip in zip(self.hands, grips, strict=True)])
        cuffs = np.stack([skin[rows] for skin in skins])
        vertices = self.body.posed(pose, np.stack(clavicles), (arms[0], arms[1]), maps, cuffs)
        normals, hand_normals = self._normals(vertices, skins)
        person = first_instance
        pieces: list[Piece] = []
        truths = []
        for side in range(2):
            hand, grip, local = self.hands[side], grips[side], locals_[side]
            instance = first_instance + 1 + side
            truths.append(hand.truth(grip, local, person=person, instance=instance))
            mesh = self._hand_mesh(side, skins[side], hand_normals[side])
            pieces.append(Piece(mesh, Kind.HAND, instance))
            worn = hand.outfit.pieces(mesh.vertices.astype(np.float64), hand_normals[side], left=side == 0)
            pieces += [Piece(m, Kind.WEAR, person) for m in worn]
        pieces.append(Piece(self._part(vertices, normals, self.arm_faces), Kind.ARM, person))
        pieces.append(Piece(self._part(vertices, normals, self.body_faces), Kind.BODY, person))
        for garment in self.garments:
            pieces.append(Piece(garment.on(vertices, normals), Kind.CLOTH, person))
        for side, cuff in enumerate(self.cuffs):
            mesh = cuff.on(skins[side], hand_normals[side])
            flipped = np.ascontiguousarray(mesh.faces[:, ::-1])
            pieces.append(Piece(replace(mesh, faces=flipped) if side == 0 else mesh, Kind.CLOTH, person))
        pieces.append(Piece(self.shoes.on(*self.body.shins(pose)), Kind.CLOTH, person))
        for shell in self.arm_items:
            pieces.append(Piece(shell.on(vertices, normals), Kind.WEAR, person))
        if self.hair is not None:
            pieces.append(Piece(self.hair.on(vertices, normals), Kind.BODY, person))
        head = _world_of_head(self.body, pose)
        if self.eyes is not None:
            pieces.append(Piece(self.eyes.on(*head), Kind.BODY, person))
        return Shown(tuple(pieces), tuple(truths), (arms[0], arms[1]), pose, head, vertices)

    def arm(self, pose: BodyPose, side: int, grip: Grip) -> Arm:
        """How the arm would lie with the body where `pose` says; what is out of reach is met as nearly as can be."""
        turn, place = self.body.trunk(pose)
        _, shoulder = self.body.shrug(side, turn[3], place[6 + side], grip.wrist)
        return self.body.reach(side, turn[3], shoulder, grip.wrist, self.hands[side].world_from_local(grip))

    def settled(self, pose: BodyPose, *grips: Grip | None) -> BodyPose:
        """The pose with the body moved just far enough for both wrists to be in reach."""
        place = pose.place.copy()
        for _ in range(12):
            worst = 0.0
            turn, where = self.body.trunk(replace(pose, place=place))
            for side, grip in enumerate(grips):
                if grip is None:
                    continue
                _, shoulder = self.body.shrug(side, turn[3], where[6 + side], grip.wrist)
                to = grip.wrist - shoulder
                far = float(np.linalg.norm(to))
                upper, fore = self.body.lengths[side]
                low = 1.02 * np.sqrt(upper**2 + fore**2 - 2 * upper * fore * np.cos(SHARPEST))
                off = far - float(np.clip(far, low, LONGEST * (upper + fore)))
                worst = max(worst, abs(off))
                place = place + to / max(far, 1e-9) * off
            if worst < 1e-5:
                break
        return replace(pose, place=place)

    def _hanging(self, side: int, chest: np.ndarray, root: np.ndarray, pose: BodyPose) -> Grip:
        """A hand at the side of who stands, on the thigh of who sits."""
        out = np.array([1.0 if side == 0 else -1.0, 0.0, 0.0])
        upper, fore = self.body.lengths[side]
        bone = self.body.joints[8 + side] - self.body.joints[6 + side]
        down = pose.world_from_body @ np.array([0.0, 1.0, 0.0])
        ahead = pose.world_from_body @ np.array([0.0, 0.0, -1.0])
        outward = pose.world_from_body @ out
        shoulder = root + chest @ bone
        if pose.thigh > 0.7:
            wrist = shoulder + down * 0.93 * upper + ahead * 0.82 * fore - outward * 0.02
            x, y = -(0.95 * ahead + 0.1 * down - 0.3 * outward), -down  # on the thigh, palm down
        else:
            wrist = shoulder + (upper + fore) * (0.955 * down + 0.10 * ahead + 0.16 * outward)
            x, y = -(0.97 * down + 0.1 * ahead), outward  # fingers down, back of the hand outward
        x = x / np.linalg.norm(x)
        y = y - y @ x * x
        y = y / np.linalg.norm(y)
        world_from_local = np.stack([x, y, np.cross(x, y) * (1.0 if side == 1 else -1.0)], 1)
        own = world_from_local if side == 1 else world_from_local @ np.diag([-1.0, 1.0, 1.0])
        return Grip(self.idle[side], own, wrist)

    def _normals(self, vertices: np.ndarray, skins: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Of body and hands as one surface, so that nothing shows where they meet."""
        model = self.hands[0].shaped.model
        v, h = len(vertices), len(model.template)
        rows = ring_rows(model)
        faces = [self.body.model.faces.copy()]
        for side in range(2):
            cuff = np.arange(v - 2 * RING + RING * side, v - RING + RING * side)
            first = v + h * side
            lookup = np.arange(v + 2 * h)
            lookup[cuff] = first + rows
            faces[0] = lookup[faces[0]]
            stub = model.faces[~(model.faces == h - 1).any(1)]  # without the cap, whose middle is the last vertex
            faces.append((stub if side == 1 else stub[:, ::-1]) + first)
        joined = vertex_normals(
            np.concatenate([vertices, *skins]).astype(np.float32), np.concatenate(faces).astype(np.int32)
        )
        hands = [joined[v + h * side : v + h * (side + 1)] for side in range(2)]
        normals = joined[:v].copy()
        for side in range(2):
            normals[v - 2 * RING + RING * side : v - RING + RING * side] = hands[side][rows]
        return normals, hands

    def _hand_mesh(self, side: int, skin: np.ndarray, normals: np.ndarray) -> Mesh:
        hand = self.hands[side]
        model, glove = hand.shaped.model, hand.outfit.glove
        faces = model.faces if side == 1 else np.ascontiguousarray(model.faces[:, ::-1])
        surface = hand.painted
        if glove is not None:
            skin, surface = glove.skin(skin, normals.astype(np.float64)), glove.painted
            if glove.smooth is not None:
                normals = vertex_normals(skin.astype(np.float32), faces)
        return Mesh(
            skin.astype(np.float32),
            faces,
            surface.albedo,
            surface.roughness,
            surface.specular,
            part=model.parts,
            normals=normals,
            closed=np.ones(len(faces), bool),
        )

    def _part(self, vertices: np.ndarray, normals: np.ndarray, faces: np.ndarray) -> Mesh:
        rows, number = np.unique(faces, return_inverse=True)
        s = self.surface
        assert s.roughness is not None
        assert s.specular is not None
        assert s.part is not None
        return Mesh(
            vertices[rows].astype(np.float32),
            number.reshape(-1, 3).astype(np.int32),
            s.albedo[rows],
            s.roughness[rows],
            s.specular[rows],
            part=s.part[rows],
            normals=normals[rows],
        )


def _worn(
    rng: np.random.Generator,
    body: ShapedBody,
    hands: tuple[OwnHand, OwnHand],
    skin: Skin,
    colour: np.ndarray,
    surface_albedo: np.ndarray,
    hidden: np.ndarray,
    gloved: float,
    thick: bool,
) -> tuple[tuple[OwnHand, OwnHand], tuple[Shell, ...]]:
    """Both hands with what they wear, and hair and ink on the bare part of the arms."""
    glove = None
    if rng.random() < gloved:
        glove = SORTS[int(rng.choice(4, p=(0.4, 0.2, 0.25, 0.15) if thick else (0.7, 0.3, 0.0, 0.0)))]
    hairy = float(rng.uniform(0.0, 1.0))
    state = rng.bit_generator.state
    dressed = []
    for hand in hands:
        if glove is not None:
            rng.bit_generator.state = state  # a pair of gloves is alike
        outfit = draw_outfit(
            rng, hand.shaped, hand.painted, skin, glove=glove, gloved=0.0, hair_colour=colour, hairy=hairy
        )
        dressed.append(replace(hand, outfit=outfit))
    items: list[Shell] = []
    bare = ~hidden
    for side in range(2):
        weight = body.model.weights[:, FOREARM[side]]
        local = (body.vertices - body.ends[side]) @ body.body_from_local(side)
        outer = np.clip((local[:, 1] - local[weight > 0.5, 1].mean()) / 0.02 + 0.6, 0.0, 1.0)
        density = (outer * bare * (weight > 0.4))[body.model.faces].min(1)
        if density.sum() < 1.0:
            continue
        surface = Surface.of(body.vertices, body.model.faces)
        if hairy > 0.35:
            way = body.body_from_local(side) @ np.array([-0.85, 0.0, -0.5])
            items.append(
                strands(
                    rng,
                    surface,
                    density,
                    np.tile(way, (len(local), 1)),
                    int(150 + 600 * hairy),
                    colour=0.8 * colour,
                    skin=surface_albedo,
                    length=float(rng.uniform(0.008, 0.014)),
                    width=float(rng.uniform(0.0002, 0.0003)),
                )
            )
        if rng.random() < 0.12:
            spot = np.flatnonzero((outer > 0.9) & bare & (weight > 0.9))
            if len(spot):
                at = int(rng.choice(spot))
                normal = surface.normals[at]
                along = _unit_row(body.joints[FOREARM[side]] - body.ends[side])
                along = _unit_row(along - along @ normal * normal)
                drawn = ink(
                    surface,
                    drawing(rng, float(rng.uniform(0.03, 0.07))),
                    body.vertices[at],
                    np.stack([along, np.cross(normal, along)]),
                    width=float(rng.uniform(0.001, 0.0025)),
                    colour=np.array([0.02, 0.025, 0.035]),
                )
                items += [drawn] if drawn is not None else []
    return (dressed[0], dressed[1]), tuple(items)


def _unit_row(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v)


def _world_of_head(body: ShapedBody, pose: BodyPose) -> tuple[np.ndarray, np.ndarray]:
    turn, place = body.trunk(pose)
    return turn[BONES_OF_HEAD], place[BONES_OF_HEAD]


def _cuff_neighbours(body: ShapedBody, side: int) -> np.ndarray:
    """Body vertices that the faces of a cuff are sewn to."""
    v = len(body.vertices)
    cuff = np.arange(v - 2 * RING + RING * side, v - RING + RING * side)
    faces = body.model.faces
    sewn = faces[np.isin(faces, cuff).any(1)]
    return np.setdiff1d(sewn, cuff)


def _radius(points: np.ndarray) -> float:
    return float(np.linalg.norm(points - points.mean(0), axis=1).mean())


def _fitted_forearms(body: ShapedBody, hands: tuple[OwnHand, OwnHand]) -> Float[np.ndarray, "v 3"]:
    """Rest vertices whose forearms run smoothly into the stubs' last rings."""
    out = body.vertices.copy()
    for side in range(2):
        hand = hands[side]
        ring = hand.shaped.vertices()[ring_rows(hand.shaped.model)] - hand.wrist
        frame = body.body_from_local(side)
        rows = np.flatnonzero(body.model.weights[:, FOREARM[side]] > 0)
        rows = rows[rows < len(out) - 2 * RING]
        local = (body.vertices[rows] - body.ends[side]) @ frame
        edge = (body.vertices[_cuff_neighbours(body, side)] - body.ends[side]) @ frame
        target, present = _Profile(ring), _Profile(edge)
        share = 1.0 - _smoothstep((local[:, 0] - edge[:, 0].mean()) / (0.55 * body.lengths[side, 1]))
        # stations at which the arm would meet the ring's size: a forearm widens from the wrist on
        widen = 1.0 + 0.10 * np.clip((local[:, 0] - ring[:, 0].mean()) / 0.06, 0.0, 1.0)
        angle = np.arctan2(local[:, 1] - present.centre[0], local[:, 2] - present.centre[1])
        wanted = target.radius_at(angle) / present.radius_at(angle)
        factor = 1.0 + share * (wanted * np.clip(widen, 1.0, 1.03) - 1.0)
        flat = (local[:, 1:] - present.centre) * factor[:, None] + present.centre
        flat = flat + share[:, None] * (target.centre - present.centre)
        moved = np.concatenate([local[:, :1], flat], 1)
        weight = body.model.weights[rows, FOREARM[side], None]
        out[rows] += weight * ((moved - local) @ frame.T)
        v = len(out)
        out[v - 2 * RING + RING * side : v - RING + RING * side] = ring @ frame.T + body.ends[side]
    return out


class _Profile:
    """A closed line around the forearm: its middle, and its radius by angle, in the plane across the arm."""

    def __init__(self, points: np.ndarray) -> None:
        self.centre = (points[:, 1:].max(0) + points[:, 1:].min(0)) / 2
        off = points[:, 1:] - self.centre
        angle = np.arctan2(off[:, 0], off[:, 1])
        order = np.argsort(angle)
        radius = np.linalg.norm(off, axis=1)[order]
        self._angle = np.concatenate([angle[order] - 2 * np.pi, angle[order], angle[order] + 2 * np.pi])
        self._radius = np.tile(radius, 3)

    def radius_at(self, angle: np.ndarray) -> np.ndarray:
        return np.interp(angle, self._angle, self._radius)


def _smoothstep(x: np.ndarray) -> np.ndarray:
    t = np.clip(x, 0.0, 1.0)
    return t * t * (3 - 2 * t)


def stance(
    place: Float[np.ndarray, " 3"],
    *,
    facing: float = 0.0,
    lean: Float[np.ndarray, " 3"] | None = None,
    head: Float[np.ndarray, " 3"] | None = None,
    thigh: float = 0.0,
) -> BodyPose:
    """A posture. facing: radians about the vertical, 0 looks along -z (into a camera at the world's origin)."""
    turn = rotmat_from_rotvec(np.array([0.0, facing, 0.0]))
    zero = np.zeros(3)
    return BodyPose(
        turn, np.asarray(place, np.float64), zero if lean is None else lean, zero if head is None else head, thigh
    )


def looking(
    person: Person, pose: BodyPose, target: Float[np.ndarray, " 3"], off: Float[np.ndarray, " 2"] | None = None
) -> BodyPose:
    """The posture with the head turned to a world point as far as necks go, then by `off` (radians up, to the left)."""
    turn, place = person.body.trunk(replace(pose, head=np.zeros(3)))
    to = turn[3].T @ (target - (place[BONES_OF_HEAD] + turn[3] @ np.array([0.0, -0.08, -0.1])))
    down = np.arctan2(to[1], np.hypot(to[0], to[2]))
    aside = np.arctan2(to[0], -to[2])
    extra = np.zeros(2) if off is None else off
    down = float(np.clip(0.7 * down - extra[0], -0.6, 0.75))  # the rest is done by the eyes
    aside = float(np.clip(0.7 * aside + extra[1], -0.9, 0.9))
    return replace(pose, head=rotvec_from_rotmat(_about(1, -aside) @ _about(0, down)))


def _about(axis: int, angle: float) -> Float[np.ndarray, "3 3"]:
    return rotmat_from_rotvec(np.eye(3)[axis] * angle)


def own_eyes(
    rng: np.random.Generator,
    person: Person,
    pose: BodyPose,
    target: Float[np.ndarray, " 3"],
    *,
    fisheye: bool | None = None,
    moving: bool = True,
) -> View:
    """A camera on this person's forehead that looks at a world point: pinhole or fisheye, turning with the head."""
    turn, place = person.body.trunk(pose)
    eyes = person.body.ends[4:].mean(0) - person.body.joints[BONES_OF_HEAD]
    up = np.array([rng.normal(0.0, 0.01), -rng.uniform(0.0, 0.05), -rng.uniform(0.035, 0.06)])
    eye = place[BONES_OF_HEAD] + turn[BONES_OF_HEAD] @ (eyes + up)
    lens = "fisheye" if (rng.random() < 0.3 if fisheye is None else fisheye) else "pinhole"
    view = egocentric(rng, target, lens=lens, moving=False)
    aim = np.asarray(target) + rng.normal(0.0, 0.04, 3) + np.array([0.0, rng.uniform(-0.12, 0.02), 0.0])
    at = turned(look_at(eye, aim), np.array([0.0, 0.0, rng.normal(0.0, 0.04)]), np.zeros(3))
    return View(view.camera, head_turning(rng, at, amount=0.4) if moving else still(at), view.name)


__all__ = ["BodyPose", "Grip", "LocalHand", "OwnHand", "Person", "Shown", "looking", "own_eyes", "stance"]
