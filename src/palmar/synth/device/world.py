"""What a synthetic world keeps on the device: tables drawn once on the host, and the constants of the hand.

A table holds what costs the host's own code to draw well: poses whose fingers do not run into each other, skins, dyes,
plates of backgrounds, noise. A sample picks rows of them by its own random numbers, and mixes and varies them.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int32, Int64, UInt8
from torch import Tensor

from palmar.errors import PalmarError
from palmar.hand import HandModel
from palmar.synth.anatomy import RING, stub_ring, surface_masks, tube_faces
from palmar.synth.background import Backgrounds
from palmar.synth.collision import Body
from palmar.synth.device.background import Plates
from palmar.synth.device.body import TUBE_RINGS, HandTensors
from palmar.synth.device.environment import Places
from palmar.synth.device.resident import resident
from palmar.synth.device.sensor import NoisePool
from palmar.synth.device.surface import Cloths, Skins
from palmar.synth.environment import environments
from palmar.synth.pose import sample_pose
from palmar.synth.scene import ARM, CLOTH, THING, sample_shape
from palmar.synth.skin import sample_cloth, sample_skin

STREAM = 77
"""Of the generators that draw the tables."""
THING_RINGS, THING_AROUND = 9, 16
THINGS = 2
"""Objects that a scene has room for."""


@dataclass(frozen=True)
class Size:
    """How large the tables are. Another size is another world: it gives other samples."""

    poses: int = 8192
    skins: int = 4096
    cloths: int = 2048
    canvases: int = 64
    canvas: int = 384
    """Pixels along a side."""
    noise: int = 512

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise PalmarError(f"Size.{name} must be positive, got {value}.")


SMALL = Size(poses=64, skins=32, cloths=16, canvases=9, canvas=96, noise=160)
"""For tests, and for machines without room."""


@dataclass(frozen=True, eq=False)
class Topology:
    """What all scenes have in common: a hand, its arm and cover, another hand likewise, and things, in one mesh.

    The first hand is closed and drawn from outside only. The other may be a left one, the mirror image with its faces
    running the wrong way, so both its sides are drawn: the renderer turns normals to the camera.
    """

    faces: Int32[Tensor, "f 3"]
    part: UInt8[Tensor, " v"]
    closed: Bool[Tensor, " f"]
    corners: Int64[Tensor, "v n"]
    """Faces that meet at each vertex; F, one past the last, where there are fewer."""

    @staticmethod
    def of(model: HandModel, device: torch.device) -> Topology:
        tube = tube_faces(TUBE_RINGS, RING)
        person = [(model.faces, model.parts), (tube, np.full(TUBE_RINGS * RING, ARM)), (tube, np.full(120, CLOTH))]
        round_ = (tube_faces(THING_RINGS, THING_AROUND), np.full(THING_RINGS * THING_AROUND, THING))
        faces, parts, start = [], [], 0
        for own, part in [*person, *person, *[round_] * THINGS]:
            faces.append(own + start)
            parts.append(part)
            start += len(part)
        every = np.concatenate(faces).astype(np.int32)
        closed = np.arange(len(every)) < len(model.faces)
        return Topology(
            faces=torch.from_numpy(every).to(device),
            part=torch.from_numpy(np.concatenate(parts).astype(np.uint8)).to(device),
            closed=torch.from_numpy(closed).to(device),
            corners=torch.from_numpy(_corners(*_one_skin(model, every), start)).to(device),
        )

    def normals(self, vertices: Float[Tensor, "b v 3"]) -> Float[Tensor, "b v 3"]:
        """`palmar.render.vertex_normals` of a batch, summed in the same order on every run."""
        a, b, c = (vertices[:, self.faces[:, k].long()] for k in range(3))
        face = torch.linalg.cross(b - a, c - a)
        face = torch.where(torch.isfinite(face), face, 0.0)
        face = torch.nn.functional.pad(face, (0, 0, 0, 1))
        total = face[:, self.corners[:, 0]]
        for k in range(1, self.corners.shape[1]):
            total = total + face[:, self.corners[:, k]]
        length = torch.linalg.vector_norm(total, dim=-1, keepdim=True)
        unit = total / length.clamp(min=1e-30)
        return torch.where(length > 0, unit, _towards_camera(vertices.device))


@resident
def _towards_camera(device: torch.device) -> Float[Tensor, " 3"]:
    return torch.tensor([0.0, 0.0, -1.0], device=device)


def _one_skin(model: HandModel, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(faces, which of them shape normals, row that each vertex takes its normal from) with both arms grown on to their
    hands, as `anatomy.joined_normals` has it."""
    v, person = len(model.parts), len(model.parts) + TUBE_RINGS * RING + 120
    home, counts = np.arange(faces.max() + 1), np.ones(len(faces), bool)
    cap = (model.behind[model.faces] == 1.0).all(1)
    each = len(model.faces) + 2 * len(tube_faces(TUBE_RINGS, RING))
    for number in range(2):
        home[person * number + v : person * number + v + RING] = person * number + stub_ring(model)
        counts[each * number : each * number + len(cap)] = ~cap
    return home[faces], counts, home


def _corners(faces: np.ndarray, counts: np.ndarray, home: np.ndarray, vertices: int) -> np.ndarray:
    rows = np.flatnonzero(counts)
    order = np.argsort(faces[rows].reshape(-1), kind="stable")
    vertex, face = faces[rows].reshape(-1)[order], rows[order // 3]
    first = np.searchsorted(vertex, np.arange(vertices))
    count = np.diff(np.append(first, len(vertex)))
    table = np.full((vertices, count.max()), len(faces), np.int64)
    table[vertex, np.arange(len(vertex)) - first[vertex]] = face
    return table[home]


def _solids() -> Float[np.ndarray, "3 n 3"]:
    """A box, a ball and a cylinder of unit half sizes on one net of rings about x; edges have a point for either side,
    and both ends are closed."""
    rings, around = THING_RINGS, THING_AROUND
    turn = 2 * np.pi * np.arange(around) / around
    circle = np.stack([np.cos(turn), np.sin(turn)], -1)
    side = np.linspace(-1, 1, around // 4)
    one = np.ones_like(side)
    square = np.concatenate([np.stack(s, -1) for s in ((one, side), (-side, one), (-one, -side), (side, -one))])
    ends = np.array([[-1, 0], [-1, 1], [-1, 1], [-1, 1], [1, 1], [1, 1], [1, 1], [1, 1], [1, 0]], float)
    polar = np.linspace(0, np.pi, rings)
    ball = np.stack([-np.cos(polar), np.sin(polar)], -1)
    solids = []
    for profile, outline in ((ends, square), (ball, circle), (ends, circle)):
        x = np.broadcast_to(profile[:, None, :1], (rings, around, 1))
        solids.append(np.concatenate([x, profile[:, None, 1:] * outline], -1).reshape(-1, 3))
    return np.stack(solids)


@dataclass(frozen=True, eq=False)
class World:
    """Everything resident. Made by `World.of`, or by `world` once for each device."""

    device: torch.device
    hand: HandTensors
    masks: Mapping[str, Tensor]
    topology: Topology
    solids: Float[Tensor, "3 n 3"]
    poses: Float[Tensor, "p 5 3 3"]
    """Anatomical angles of hands whose fingers do not run into each other."""
    shapes: Float[Tensor, "p 10"]
    """The hands they are of."""
    skins: Skins
    cloths: Cloths
    plates: Plates
    places: Places
    noise: NoisePool

    @staticmethod
    def of(device: torch.device | str = "cpu", size: Size = Size(), seed: int = 0) -> World:
        """Draw the tables; some seconds of one core at full size. The same size and seed give the same world."""
        device = torch.device(device)
        model = HandModel.default()
        rng = np.random.default_rng((seed, STREAM))
        shapes, poses = np.zeros((size.poses, 10)), np.zeros((size.poses, 5, 3, 3))
        for i in range(size.poses):
            shapes[i] = sample_shape(rng)
            poses[i] = Body.of(model.shaped(shapes[i])).resolve(sample_pose(rng).angles)
        skins = [sample_skin(rng) for _ in range(size.skins)]
        cloths = [sample_cloth(rng) for _ in range(size.cloths)]
        put = lambda a: torch.from_numpy(np.asarray(a, np.float32)).to(device)  # noqa: E731
        return World(
            device=device,
            hand=HandTensors.of(model, device),
            masks={name: put(mask) for name, mask in surface_masks(model).items()},
            topology=Topology.of(model, device),
            solids=put(_solids()),
            poses=put(poses),
            shapes=put(shapes),
            skins=Skins.of(skins, len(model.template), device),
            cloths=Cloths.of(cloths, device),
            plates=Plates.of(Backgrounds(seed, canvases=size.canvases, size=size.canvas), device),
            places=Places.of(environments(), device),
            noise=NoisePool.of(device, size.noise),
        )

    @property
    def bytes(self) -> int:
        """What the world takes on the device."""

        def count(value: object) -> int:
            if isinstance(value, Tensor):
                return value.numel() * value.element_size()
            parts = value.values() if isinstance(value, Mapping) else getattr(value, "__dict__", {}).values()
            return sum(map(count, parts))

        return count(self)


@functools.lru_cache(maxsize=4)
def world(device: str, size: Size = Size()) -> World:
    """The world of a device, made when it is first asked for."""
    return World.of(device, size)
