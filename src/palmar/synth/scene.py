"""Hands, arms, sleeves and objects as meshes in a camera's frame, with the truth about them.

A `Person` is drawn first (shape, skin, what the arm wears), then posed and placed: `Placed` holds the mesh pieces and
the labels of one hand. Left hands do not occur here: a sample with a left hand is the mirror image of one with a right
hand.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand import HandModel, ShapedHand
from palmar.render import Mesh
from palmar.synth.anatomy import bend_wrist, forearm, joined_normals, sleeve, stub_ring, surface_masks, tube_faces
from palmar.synth.collision import Body
from palmar.synth.pose import sample_orientation, sample_pose
from palmar.synth.skin import Painted, Skin, paint, sample_cloth, sample_skin

ARM, CLOTH, THING = 16, 20, 21
"""Part labels beside the hand's own 0 to 15."""


@dataclass(frozen=True, eq=False)
class Placed:
    """One right hand in the camera frame: what is drawn of it, and the truth."""

    mesh: Mesh
    joints: Float32[np.ndarray, "21 3"]
    """Metres, camera frame."""
    rotations: Float32[np.ndarray, "16 3 3"]
    """Wrist (camera frame), then 15 local."""
    shape: Float32[np.ndarray, " 10"]


def sample_shape(rng: np.random.Generator) -> Float[np.ndarray, " 10"]:
    """Shape coefficients in standard deviations, Gaussian, cut at 2.5."""
    return rng.normal(0.0, 1.0, 10).clip(-2.5, 2.5)


@dataclass(frozen=True, eq=False)
class Dressed:
    """One person's hand with its arm and what the arm wears, drawn once and posed as often as wanted.

    Its pieces have the same faces in every pose. Everything is a right hand's; `world.mirrored` makes a left one of it.
    """

    shaped: ShapedHand
    shape: Float[np.ndarray, " 10"]
    body: Body
    painted: Painted
    length: float
    """Metres of arm behind the stub."""
    elbow: float
    """How much wider than the wrist the arm becomes."""
    scale: float
    """Of the wrist over an average one."""
    clothes: tuple[Cover, ...]

    @staticmethod
    def sample(
        rng: np.random.Generator,
        *,
        shape: Float[np.ndarray, " 10"] | None = None,
        skin: Skin | None = None,
        arm: tuple[float, float] = (0.16, 0.30),
    ) -> Dressed:
        """A person's hand. arm: range of the arm's length in metres behind the stub."""
        model = HandModel.default()
        shape = sample_shape(rng) if shape is None else shape
        skin = sample_skin(rng) if skin is None else skin
        shaped = model.shaped(shape)
        rest = shaped.vertices()
        painted = paint(skin, surface_masks(model), rest.astype(np.float32))
        ring = rest[stub_ring(model)]
        scale = float(np.linalg.norm(ring - ring.mean(0), axis=1).mean()) / 0.025
        length, elbow = scale * rng.uniform(*arm), float(rng.uniform(1.15, 1.7))
        clothes = _clothes(rng, ring, length, elbow, scale)
        return Dressed(shaped, shape, Body.of(shaped), painted, length, elbow, scale, clothes)

    def posed(
        self,
        angles: Float[np.ndarray, "5 3 3"],
        frame_from_hand: Float[np.ndarray, "3 3"],
        bend: Float[np.ndarray, " 3"] | None = None,
        *,
        knuckle: Float[np.ndarray, " 3"] | None = None,
        translation: Float[np.ndarray, " 3"] | None = None,
    ) -> Worn:
        """The hand at anatomical angles (not taken apart: see `Body.resolve`), turned by `frame_from_hand`.

        bend: rotation vector of the arm against the hand. It stands where its middle MCP is at `knuckle`, or where the
        model's `translation` says.
        """
        model = self.shaped.model
        rotations = model.rotations_from_angles(angles)
        posed = self.shaped.posed(rotations)  # rest frame; turned into the target frame below
        bend = np.zeros(3) if bend is None else bend
        vertices, joints = bend_wrist(posed.skin(), model.behind, bend), posed.joints()
        ring_rows = stub_ring(model)
        ring, axis = vertices[ring_rows], rotmat_from_rotvec(bend) @ np.array([1.0, 0.0, 0.0])
        tube = forearm(ring, axis, self.length, self.elbow)
        arm_rows = np.tile(ring_rows, len(tube) // len(ring))
        tubes = tube_faces(len(tube) // len(ring), len(ring))
        p = self.painted
        parts = [
            (vertices, model.faces, p.albedo, p.roughness, p.specular, model.parts),
            (
                tube,
                tubes,
                p.albedo[arm_rows],
                p.roughness[arm_rows],
                p.specular[arm_rows],
                np.full(len(tube), ARM, np.uint8),
            ),
        ]
        parts += [cover.on(ring, axis, self.length, self.elbow) for cover in self.clothes]
        wrist = self.shaped.rest_joints[0]
        if translation is None:
            place = np.zeros(3) if knuckle is None else np.asarray(knuckle) - frame_from_hand @ joints[9]
            translation = place - (wrist - frame_from_hand @ wrist)
        place = translation + wrist - frame_from_hand @ wrist  # the wrist turns about its own joint
        camera = lambda points: points @ frame_from_hand.T + place  # noqa: E731
        normals = [(n @ frame_from_hand.T).astype(np.float32) for n in joined_normals(model, vertices, tube, tubes)]
        meshes = [
            Mesh(
                camera(v).astype(np.float32),
                f,
                a.astype(np.float32),
                r,
                s,
                part=part,
                normals=n,
                closed=np.full(len(f), f is model.faces),
            )
            for (v, f, a, r, s, part), n in itertools.zip_longest(parts, normals)
        ]
        world = rotations.copy()
        world[0] = frame_from_hand
        return Worn(meshes[0], meshes[1], tuple(meshes[2:]), camera(joints), world, np.asarray(translation, np.float64))


@dataclass(frozen=True, eq=False)
class Worn:
    """A posed right hand: its meshes, and the truth in the same frame."""

    hand: Mesh
    arm: Mesh
    clothes: tuple[Mesh, ...]
    joints: Float[np.ndarray, "21 3"]
    rotations: Float[np.ndarray, "16 3 3"]
    """Wrist (frame_from_hand), then 15 local."""
    translation: Float[np.ndarray, " 3"]
    """Of the model, after the wrist has turned about its own joint."""


@dataclass(frozen=True, eq=False)
class Cover:
    """A sleeve or band around the arm."""

    start: float
    """Metres behind the stub's last ring; negative over the wrist."""
    extent: float
    gap: Float[np.ndarray, "r 20"]
    """Metres off the skin."""
    albedo: Float32[np.ndarray, "n 3"]
    roughness: float
    specular: float

    def on(self, ring: np.ndarray, axis: np.ndarray, length: float, elbow: float) -> tuple:
        points = sleeve(ring, axis, self.start, self.extent, elbow, length, self.gap)
        n = len(points)
        return (
            points,
            tube_faces(len(self.gap), len(ring)),
            self.albedo,
            np.full(n, self.roughness, np.float32),
            np.full(n, self.specular, np.float32),
            np.full(n, CLOTH, np.uint8),
        )


def place_hand(
    rng: np.random.Generator,
    place: Float[np.ndarray, " 3"],
    *,
    look: Float[np.ndarray, "3 3"] | None = None,
    skin: Skin | None = None,
    arm: tuple[float, float] = (0.16, 0.30),
    posed_as: tuple[Float[np.ndarray, "5 3 3"], Float[np.ndarray, "3 3"]] | None = None,
) -> Placed:
    """A hand with arm and clothes whose middle (the middle MCP) stands at `place`, metres of the camera frame.

    look: camera_from_view, applied after the sampled orientation (the turn of the ray to the hand). arm: range of the
    arm's length in metres behind the stub. posed_as: anatomical angles and camera_from_hand in place of drawn ones; the
    same generator then gives the same person in another pose, as a moving picture needs. Fingers that run into each
    other are taken apart.
    """
    shape = sample_shape(rng)
    angles, turn = sample_pose(rng).angles, sample_orientation(rng)
    if posed_as is not None:
        angles, turn = posed_as
    if look is not None:
        turn = look @ turn
    bend = rng.normal(0.0, 1.0, 3) * (0.15, 0.30, 0.45)
    dressed = Dressed.sample(rng, shape=shape, skin=skin, arm=arm)
    worn = dressed.posed(dressed.body.resolve(angles), turn, bend, knuckle=place)
    return Placed(
        Mesh.concatenate([worn.hand, worn.arm, *worn.clothes]),
        worn.joints.astype(np.float32),
        worn.rotations.astype(np.float32),
        shape.astype(np.float32),
    )


def _clothes(
    rng: np.random.Generator, ring: np.ndarray, length: float, elbow: float, scale: float
) -> tuple[Cover, ...]:
    """Nothing (50 %), a long sleeve (38 %), or a band, watch or bracelet (12 %). ring: the stub's end at rest."""
    draw = rng.random()
    if draw < 0.50:
        return ()
    if draw < 0.88:
        start = scale * rng.uniform(-0.065, 0.06)
        gap = rng.uniform(0.003, 0.014) + rng.normal(0, 0.0012, (6, len(ring)))
        gap[0] += rng.uniform(0.0, 0.006)
        gap, extent = np.maximum(gap, 0.002), length - start + 0.02
    else:
        start = scale * rng.uniform(-0.055, -0.01)
        gap = np.full((4, len(ring)), rng.uniform(0.0015, 0.004))
        gap[[0, -1]] = -0.001
        extent = scale * rng.uniform(0.008, 0.03)
    points = sleeve(ring, np.array([1.0, 0.0, 0.0]), start, extent, elbow, length, gap)
    cloth = sample_cloth(rng)
    albedo = cloth.paint(points.astype(np.float32)) * rng.uniform(0.85, 1.0, (len(points), 1)).astype(np.float32)
    return (Cover(start, extent, gap, albedo, cloth.roughness, float(rng.uniform(0.0, 0.6))),)


def _box() -> tuple[np.ndarray, np.ndarray]:
    corner = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    quads = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
    vertices = np.concatenate([corner[list(q)] for q in quads])  # corners apart, so that edges stay sharp
    faces = np.array([[4 * k, 4 * k + i, 4 * k + i + 1] for k in range(6) for i in (1, 2)], np.int32)
    return vertices, faces


def _round(profile: np.ndarray, around: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """A turned body about x from (x, radius) rows; ends with radius 0 close it."""
    t = 2 * np.pi * np.arange(around) / around
    x, r = profile[:, :1], profile[:, 1:]
    vertices = np.stack([np.broadcast_to(x, (len(profile), around)), r * np.cos(t), r * np.sin(t)], -1).reshape(-1, 3)
    return vertices, tube_faces(len(profile), around)


_BALL = np.stack([-np.cos(np.linspace(0, np.pi, 9)), np.sin(np.linspace(0, np.pi, 9))], -1)
_CYLINDER = np.array([[-1, 0], [-1, 1], [-1, 1], [1, 1], [1, 1], [1, 0]], float)


def sample_thing(rng: np.random.Generator, hand: Placed) -> Mesh:
    """An object in or before the hand: box, sheet, ball, cylinder or rod, in the camera frame."""
    kind = rng.choice(5, p=(0.2, 0.15, 0.15, 0.25, 0.25))
    if kind <= 1:
        points, faces = _box()
        size = (
            rng.uniform(0.008, 0.06, 3)
            if kind == 0
            else np.array([rng.uniform(0.03, 0.1), rng.uniform(0.03, 0.08), 0.002])
        )
    elif kind == 2:
        points, faces = _round(_BALL, 12)
        size = np.full(3, rng.uniform(0.01, 0.045))
    else:
        points, faces = _round(_CYLINDER)
        radius = rng.uniform(0.01, 0.04) if kind == 3 else rng.uniform(0.002, 0.007)
        size = np.array([rng.uniform(0.04, 0.12), radius, radius])
    turn = rotmat_from_rotvec(rng.normal(size=3) * 2.0)
    joints = hand.joints
    anchor = joints[rng.integers(21)] if rng.random() < 0.5 else joints[[5, 9, 13, 17, 0]].mean(0)
    palm_out = hand.rotations[0] @ np.array([0.0, -1.0, 0.0])
    reach = rng.uniform(0.01, 0.05)
    towards = palm_out if rng.random() < 0.6 else np.array([0.0, 0.0, -1.0])
    place = anchor + towards * reach + rng.normal(0, 0.012, 3)
    vertices = (points * size) @ turn.T + place
    n = len(vertices)
    colour = rng.uniform(0.0, 1.0, 3) ** 2 * 0.9 + 0.01
    return Mesh(
        vertices.astype(np.float32),
        faces,
        np.tile(colour, (n, 1)).astype(np.float32),
        np.full(n, rng.uniform(0.15, 0.9), np.float32),
        np.full(n, rng.uniform(0, 2), np.float32),
        None,
        np.full(n, THING, np.uint8),
    )
