"""What one hand wears, drawn together: a glove, or rings, a watch, bracelets, bandages, ink and hair."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int32

from palmar.hand import HandModel, ShapedHand
from palmar.hand.joints import POSE_OF_FINGER
from palmar.render import Mesh
from palmar.synth.anatomy import surface_masks
from palmar.synth.people.surface import Surface
from palmar.synth.skin import Painted, Skin
from palmar.synth.wear.band import Band, band, round_profile, strap_profile
from palmar.synth.wear.fine import drawing, hair, ink
from palmar.synth.wear.glove import Glove, Sort, draw_glove
from palmar.synth.wear.shell import Shell

WEAR_PART = 30
METALS = ((0.83, 0.62, 0.25), (0.75, 0.75, 0.76), (0.80, 0.52, 0.42), (0.10, 0.10, 0.11))
"""Gold, silver, rose gold, blackened steel: linear reflectances."""


@dataclass(frozen=True, eq=False)
class Stud:
    """A solid thing on a band: a watch's case, a ring's stone. It rides on one point of the band."""

    band: Band
    column: int
    """Which point of the loops it sits on."""
    mesh: Mesh
    """Own frame: z away from the skin, x along the limb, origin on the band."""

    def on(self, vertices: Float[np.ndarray, "v 3"], normals: Float[np.ndarray, "v 3"]) -> Mesh:
        """Over a posed surface."""
        points = self.band.points(vertices)
        middle = points.mean(1)
        at = points[:, self.column].mean(0)
        along = middle[_farthest(points)] - middle[0]
        across = points[:, self.column + 1].mean(0) - points[:, self.column - 1].mean(0)
        z = at - middle.mean(0)
        x = along if np.linalg.norm(along) > 1e-6 else np.cross(across, z)
        x = x / np.linalg.norm(x)
        z = z - z @ x * x
        z = z / np.linalg.norm(z)
        frame = np.stack([x, np.cross(z, x), z])
        moved = self.mesh.vertices @ frame + at
        return replace(self.mesh, vertices=moved.astype(np.float32))


def _farthest(points: np.ndarray) -> int:
    middle = points.mean(1)
    return int(np.argmax(np.linalg.norm(middle - middle[0], axis=1)))


Item = Band | Shell | Stud


@dataclass(frozen=True, eq=False)
class Outfit:
    """All that a hand wears. Items ride on the hand's mesh."""

    glove: Glove | None = None
    items: tuple[Item, ...] = ()

    def pieces(
        self, vertices: Float[np.ndarray, "v 3"], normals: Float[np.ndarray, "v 3"], *, left: bool
    ) -> list[Mesh]:
        """Meshes over a posed hand in any frame. left: the vertices are a left hand's."""
        out = []
        for item in (*self.items, *((self.glove.cuff,) if self.glove is not None and self.glove.cuff else ())):
            mesh = item.on(vertices, normals)
            flip = left and not isinstance(item, Stud)
            out.append(replace(mesh, faces=np.ascontiguousarray(mesh.faces[:, ::-1])) if flip else mesh)
        return out


BARE = Outfit()


def draw_outfit(
    rng: np.random.Generator,
    shaped: ShapedHand,
    bare: Painted,
    skin: Skin,
    *,
    glove: Sort | None = None,
    gloved: float = 0.08,
    hair_colour: Float[np.ndarray, " 3"] | None = None,
    hairy: float | None = None,
) -> Outfit:
    """A random outfit of a right hand. gloved: share of hands in gloves; glove: a sort to wear in any case.

    hairy: 0 to 1, how much hair there is on the back; drawn where not given.
    """
    rest = shaped.vertices()
    if glove is not None or rng.random() < gloved:
        return Outfit(draw_glove(rng, rest, bare, glove))
    items: list[Item] = []
    thick = float(rng.uniform(0.0, 1.0)) if hairy is None else hairy
    if thick > 0.35:
        items.append(back_hair(rng, shaped, bare, hair_colour, thick))
    if rng.random() < 0.10:
        tattoo = back_tattoo(rng, shaped)
        if tattoo is not None:
            items.append(tattoo)
    if rng.random() < 0.22:
        for finger in rng.permutation(4)[: int(rng.choice((1, 2, 3), p=(0.7, 0.2, 0.1)))]:
            items += ring(rng, shaped, 1 + int(finger))
    draw = rng.random()
    if draw < 0.12:
        items += watch(rng, shaped)
    elif draw < 0.22:
        items += bracelets(rng, shaped)
    if rng.random() < 0.05:
        items.append(bandage(rng, shaped))
    return Outfit(None, tuple(items))


# ----------------------------------------------------------------------------------------------------------- pieces


@functools.cache
def _finger_faces(finger: int, joint: int) -> Int32[np.ndarray, "f 3"]:
    model = HandModel.default()
    rows = POSE_OF_FINGER[finger]
    own = np.isin(model.weights.argmax(1), [rows[joint], *(rows[joint - 1 : joint] if joint else ())])
    return model.faces[own[model.faces].all(1)]


def _finger_band(
    shaped: ShapedHand, finger: int, joint: int, along: float, profile, *, colour, roughness, specular
) -> Band:
    """A band around a phalanx, `along` its length; narrower than its profile where a small finger has no room for
    it."""
    model = shaped.model
    rest = shaped.vertices()
    rows = POSE_OF_FINGER[finger]
    head = shaped.rest_joints[rows[joint]]
    end = shaped.rest_joints[rows[joint + 1]] if joint < 2 else shaped.rest_landmarks[4 * finger + 4]
    way = end - head
    faces = _finger_faces(finger, joint)
    axis = way / np.linalg.norm(way)
    back = np.cross(axis, model.hinge[rows[joint]])
    back = back if back[1] > 0 else -back
    place = head + along * way
    height = (rest[np.unique(faces)] - place) @ axis
    low, high = (max(abs(float(s)) - ROOM, 1e-4) for s in (height.min(), height.max()))
    short = min(1.0, low / max(-min(s for s, _ in profile), 1e-9), high / max(max(s for s, _ in profile), 1e-9))
    return band(
        rest, faces, np.ones(len(faces), bool), place, axis, back, [(short * s, gap) for s, gap in profile],
        colour=colour, roughness=roughness, specular=specular, part=WEAR_PART,
    )  # fmt: skip


ROOM = 0.002
"""Metres that a band stays away from the end of a finger's skin."""


def _metal(rng: np.random.Generator) -> Float[np.ndarray, " 3"]:
    return np.array(METALS[int(rng.choice(4, p=(0.45, 0.35, 0.1, 0.1)))]) * rng.uniform(0.6, 0.95)


def ring(rng: np.random.Generator, shaped: ShapedHand, finger: int) -> list[Item]:
    """A ring on the first phalanx of a finger (0 thumb to 4 little), perhaps with a stone."""
    wide, thick = float(rng.uniform(0.002, 0.006)), float(rng.uniform(0.0013, 0.0022))
    along = float(rng.uniform(0.56, 0.68))
    hoop = _finger_band(
        shaped, finger, 0 if finger else 1, along, round_profile(thick, wide), colour=_metal(rng),
        roughness=float(rng.uniform(0.08, 0.3)), specular=8.0,
    )  # fmt: skip
    if rng.random() < 0.65:
        return [hoop]
    size = float(rng.uniform(0.002, 0.0045))
    colour = np.array([rng.uniform(0.02, 0.7), rng.uniform(0.02, 0.7), rng.uniform(0.05, 0.8)])
    return [hoop, Stud(hoop, 0, _dome(size, size * 0.8, colour, 0.06, 4.0))]


def watch(rng: np.random.Generator, shaped: ShapedHand) -> list[Item]:
    """A strap around the wrist with a round or square case on the back."""
    wide = float(rng.uniform(0.014, 0.024))
    metal = rng.random() < 0.4
    colour = _metal(rng) if metal else np.array([0.02, 0.02, 0.02]) + rng.uniform(0, 0.35, 3) * (rng.random() < 0.5)
    strap = _wrist_band(
        rng, shaped, strap_profile(float(rng.uniform(0.0018, 0.003)), wide), colour=colour,
        roughness=0.25 if metal else 0.6, specular=5.0 if metal else 0.6,
    )  # fmt: skip
    case = _case(rng, float(rng.uniform(0.014, 0.021)), square=bool(rng.random() < 0.35))
    return [strap, Stud(strap, 0, case)]


def bracelets(rng: np.random.Generator, shaped: ShapedHand) -> list[Item]:
    """One to three hoops, cords or a wide band."""
    out: list[Item] = []
    for k in range(int(rng.integers(1, 4))):
        metal = rng.random() < 0.5
        colour = _metal(rng) if metal else rng.uniform(0.01, 0.7, 3)
        thick = float(rng.uniform(0.0018, 0.0045))
        out.append(
            _wrist_band(
                rng,
                shaped,
                round_profile(thick, thick * float(rng.choice((1.0, 1.0, 3.0))), sunk=0.1),
                colour=colour,
                roughness=0.2 if metal else 0.7,
                specular=6.0 if metal else 0.5,
                at=0.35 + 0.18 * k,
            )
        )
    return out


def _wrist_band(
    rng: np.random.Generator,
    shaped: ShapedHand,
    profile,
    *,
    colour,
    roughness: float,
    specular: float,
    at: float | None = None,
) -> Band:
    model = shaped.model
    rest = shaped.vertices()
    reach = float(rest[model.behind == 1.0][:, 0].mean())
    wide = max(abs(s) for s, _ in profile)
    place = float(np.clip((rng.uniform(0.42, 0.62) if at is None else at) * reach, wide + 0.007, 0.95 * reach - wide))
    stub = model.faces[(model.behind[model.faces] > 0).any(1) & ~(model.faces == len(rest) - 1).any(1)]
    return band(
        rest, stub, np.ones(len(stub), bool), np.array([place, 0.0, 0.0]), np.array([1.0, 0.0, 0.0]),
        np.array([0.0, 1.0, 0.0]), profile, colour=np.asarray(colour, float).clip(0.005, 0.9), roughness=roughness,
        specular=specular, part=WEAR_PART,
    )  # fmt: skip


def bandage(rng: np.random.Generator, shaped: ShapedHand) -> Item:
    """A plaster or a wrapped strip around a phalanx, or around the palm."""
    white = np.array([0.78, 0.76, 0.72]) * rng.uniform(0.8, 1.05)
    tan = np.array([0.55, 0.36, 0.22]) * rng.uniform(0.7, 1.15)
    colour = (white if rng.random() < 0.6 else tan).clip(0.02, 0.88)
    if rng.random() < 0.7:
        finger, joint = int(rng.integers(5)), int(rng.integers(1, 3))
        wide, thick = float(rng.uniform(0.010, 0.016)), float(rng.uniform(0.0006, 0.0012))
        made = _finger_band(
            shaped,
            finger,
            joint,
            0.5 if joint == 1 else 0.35,
            strap_profile(thick, wide),
            colour=colour,
            roughness=0.9,
            specular=0.2,
        )
    else:
        model, rest = shaped.model, shaped.vertices()
        thumb = np.isin(model.weights.argmax(1), POSE_OF_FINGER[0])
        others = np.isin(model.weights.argmax(1), [b for f in range(1, 5) for b in POSE_OF_FINGER[f]])
        faces = model.faces[~(thumb | others)[model.faces].any(1) & (model.behind[model.faces] == 0).all(1)]
        knuckle = float(shaped.rest_joints[POSE_OF_FINGER[2][0]][0])
        wide, thick = float(rng.uniform(0.028, 0.04)), float(rng.uniform(0.0015, 0.0025))
        steps = np.linspace(-wide / 2, wide / 2, 7)
        profile = [(float(steps[0]), -0.0005), *((float(s), thick) for s in steps), (float(steps[-1]), -0.0005)]
        made = band(
            rest,
            faces,
            np.ones(len(faces), bool),
            np.array([0.66 * knuckle, 0.0, 0.0]),
            np.array([-1.0, 0, 0]),
            np.array([0.0, 1, 0]),
            profile,
            colour=colour,
            roughness=0.95,
            specular=0.2,
            part=WEAR_PART,
            count=40,
        )
    stripes = np.repeat(1.0 - 0.12 * (np.arange(made.loops) % 2), len(made.gap) // made.loops)
    return replace(made, albedo=(made.albedo * stripes[:, None]).astype(np.float32))


def back_hair(
    rng: np.random.Generator,
    shaped: ShapedHand,
    bare: Painted,
    colour: Float[np.ndarray, " 3"] | None,
    thick: float,
) -> Shell:
    """Hair on the back of the hand, the first phalanges and the wrist, leaning towards the little finger's side."""
    model = shaped.model
    masks = surface_masks(model)
    surface = Surface.of(shaped.vertices(), model.faces)
    main = model.weights.argmax(1)
    first = np.isin(main, [POSE_OF_FINGER[f][0] for f in range(1, 5)])
    side = np.clip(0.6 - surface.vertices[:, 2] / 0.05, 0.15, 1.3)  # more towards the little finger
    density = masks["back"] * ((main == 0) * side + 0.8 * first + 0.8 * (model.behind > 0)) * (1 - masks["nail"])
    faces = model.faces
    per_face = density[faces].mean(1) ** 1.5
    per_face[(model.behind[faces] == 1.0).all(1)] = 0.0  # the cap
    flow = np.tile(np.array([-0.75, 0.0, -0.65]), (len(main), 1))
    colour = np.array([0.02, 0.013, 0.01]) if colour is None else np.asarray(colour)
    return hair(
        rng, surface, per_face, flow, int(120 + 480 * thick), colour=colour * 0.8,
        skin=bare.albedo,
        length=float(rng.uniform(0.005, 0.009)), width=float(rng.uniform(0.00018, 0.00028)),
    )  # fmt: skip


def back_tattoo(rng: np.random.Generator, shaped: ShapedHand) -> Shell | None:
    """Ink on the back of the hand or of the wrist."""
    model = shaped.model
    surface = Surface.of(shaped.vertices(), model.faces)
    size = float(rng.uniform(0.02, 0.045))
    knuckle = shaped.rest_joints[POSE_OF_FINGER[2][0]]
    middle = knuckle * rng.uniform(0.35, 0.7) if rng.random() < 0.7 else np.array([0.025, 0.0, 0.0])
    height = surface.vertices[np.linalg.norm((surface.vertices - middle)[:, [0, 2]], axis=1) < 0.01, 1].max()
    centre = np.array([middle[0], height, middle[2]])
    axes = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    dark = np.array([0.02, 0.025, 0.035]) + (rng.uniform(0, 0.25, 3) if rng.random() < 0.2 else 0.0)
    return ink(surface, drawing(rng, size), centre, axes, width=float(rng.uniform(0.001, 0.0022)), colour=dark)


def _dome(radius: float, height: float, colour, roughness: float, specular: float) -> Mesh:
    t = np.arange(12) * (2 * np.pi / 12)
    rings = [(radius, 0.0), (radius * 0.85, height * 0.6), (radius * 0.4, height)]
    points = [np.stack([r * np.cos(t), r * np.sin(t), np.full(12, z)], 1) for r, z in rings]
    vertices = np.concatenate([*points, [[0.0, 0.0, height * 1.05]]])
    faces = []
    for k in range(2):
        for i in range(12):
            a, b = 12 * k + i, 12 * k + (i + 1) % 12
            faces += [(a, b, b + 12), (a, b + 12, a + 12)]
    faces += [(24 + i, 24 + (i + 1) % 12, 36) for i in range(12)]
    return _solid(vertices, np.array(faces), np.tile(colour, (37, 1)), roughness, specular)


def _case(rng: np.random.Generator, radius: float, *, square: bool) -> Mesh:
    """A watch: a drum with a rim, a dial, and two hands on it."""
    n = 24
    t = np.arange(n) * (2 * np.pi / n)
    if square:
        k = np.maximum(np.abs(np.cos(t)), np.abs(np.sin(t))) ** 0.85
        shape = np.stack([np.cos(t) / k, np.sin(t) / k], 1)
    else:
        shape = np.stack([np.cos(t), np.sin(t)], 1)
    high = float(rng.uniform(0.006, 0.010))
    metal, dial = _metal(rng), np.array([rng.choice((0.015, 0.75))] * 3) * rng.uniform(0.6, 1.0, 3)
    loops = [(1.0, -0.002, metal), (1.0, high * 0.8, metal), (0.92, high, metal), (0.86, high, metal),
             (0.86, high - 0.0008, dial)]  # fmt: skip
    vertices = [np.concatenate([shape * radius * r, np.full((n, 1), z)], 1) for r, z, _ in loops]
    colours = [np.tile(c, (n, 1)) for _, _, c in loops]
    faces = []
    for k in range(len(loops) - 1):
        for i in range(n):
            a, b = n * k + i, n * k + (i + 1) % n
            faces += [(a, b, b + n), (a, b + n, a + n)]
    centre = n * len(loops)
    faces += [(centre - n + i, centre - n + (i + 1) % n, centre) for i in range(n)]
    vertices.append(np.array([[0.0, 0.0, high - 0.0008]]))
    colours.append(dial[None])
    count = centre + 1
    mark = 0.8 - 0.78 * (dial.mean() > 0.3)
    for length, wide in ((0.7, 0.0012), (0.45, 0.0018)):
        angle = rng.uniform(0, 2 * np.pi)
        way, side = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
        quad = np.stack([-side * wide / 2, side * wide / 2, way * length * radius + side * wide / 2,
                         way * length * radius - side * wide / 2])  # fmt: skip
        vertices.append(np.concatenate([quad, np.full((4, 1), high - 0.0003)], 1))
        colours.append(np.full((4, 3), mark))
        faces += [(count, count + 2, count + 1), (count, count + 3, count + 2)]
        count += 4
    return _solid(np.concatenate(vertices), np.array(faces), np.concatenate(colours), 0.2, 3.0)


def _solid(vertices: np.ndarray, faces: np.ndarray, colour: np.ndarray, roughness: float, specular: float) -> Mesh:
    n = len(vertices)
    return Mesh(
        vertices.astype(np.float32), faces.astype(np.int32), np.asarray(colour, np.float32).clip(0.005, 0.9),
        np.full(n, roughness, np.float32), np.full(n, specular, np.float32), part=np.full(n, WEAR_PART, np.uint8),
    )  # fmt: skip


__all__ = ["BARE", "Item", "Outfit", "Stud", "draw_outfit"]
