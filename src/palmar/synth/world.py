"""The nouns of the synthetic world: what stands where at one moment, with the truth about it, and who looks at it.

A `Scene` answers `at(time)` with a `Moment`: surfaces (`Piece`), and the truth about hands and things. The pieces of a
scene are the same at every time and have the same faces; only vertices move, so that a point of a surface can be
followed. A `View` is a camera that may move. `shoot` brings the three together: a `Shot` holds everything that the
sensors (`palmar.synth.sense`) turn into pictures and labels.

World frame: metres, x right, y down (gravity), z forward; that of a level camera, whose pose is then the identity.
Everything is a pure function of what a scene was drawn from, (seed, index).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32

from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.hand.mirror import mirror_points, mirror_rotmats
from palmar.render import Buffers, Light, Mesh, rasterize, rotate_sh


class Kind(enum.IntEnum):
    """What a surface belongs to."""

    HAND = 0
    """The hand model's own mesh, gloved or bare, with its stub of forearm."""
    ARM = 1
    """Bare arm behind the stub."""
    BODY = 2
    """Head, trunk, legs and hair of a person."""
    CLOTH = 3
    """Sleeves and other clothes."""
    WEAR = 4
    """Rings, watches, bracelets, bandages, nails put on."""
    THING = 5
    """Objects that a hand could take."""
    ROOM = 6
    """Tables, walls, floors, furniture."""


@dataclass(frozen=True, eq=False)
class Piece:
    """One surface of a scene at a moment, in the world frame."""

    mesh: Mesh
    kind: Kind
    instance: int
    """Number of the individual it belongs to, from 1, unique in the scene: a hand, a person (arms, body, clothes and
    wear), a thing, the room. `HandTruth.instance` and `ThingTruth.instance` name the same numbers."""


@dataclass(frozen=True, eq=False)
class HandTruth:
    """One hand at a moment, world frame. A left hand's rotations are its own: those of `HandModel.default(side=0)`."""

    side: int
    """0 left, 1 right: the person's own."""
    person: int
    """Instance number of the person it belongs to."""
    instance: int
    joints: Float[np.ndarray, "21 3"]
    rotations: Float[np.ndarray, "16 3 3"]
    """world_from_hand of the wrist, then 15 local ones; MANO tree order."""
    shape: Float[np.ndarray, " 10"]
    translation: Float[np.ndarray, " 3"]
    """Of the posed model, after the wrist has turned about its own joint."""
    vertices: Float[np.ndarray, "v 3"]
    """The hand model's vertices, without what is worn on them."""
    contact: Float[np.ndarray, " v"] | None = None
    """Per vertex, 1 where it touches something, 0 where not; None where nobody looked."""
    holds: int = 0
    """Instance number of the thing it holds, 0 for none."""


@dataclass(frozen=True, eq=False)
class ThingTruth:
    """One object at a moment."""

    name: str
    instance: int
    world_from_thing: Float[np.ndarray, "4 4"]
    size: Float[np.ndarray, " 3"]
    """Extent of its rest mesh along its own axes, metres."""
    articulation: Float[np.ndarray, " a"] = field(default_factory=lambda: np.zeros(0))
    """Radians or metres of its joints, none for a rigid one."""
    middle: Float[np.ndarray, " 3"] = field(default_factory=lambda: np.zeros(3))
    """Of that extent, in its own frame, metres."""


@dataclass(frozen=True, eq=False)
class Moment:
    """Everything that is where it is at one time."""

    time: float
    pieces: tuple[Piece, ...]
    hands: tuple[HandTruth, ...] = ()
    things: tuple[ThingTruth, ...] = ()


@dataclass(frozen=True)
class Segment:
    """A stretch of a scene in which one hand does one thing."""

    start: float
    """Seconds."""
    end: float
    verb: str
    noun: str
    """Name of the thing acted on; empty where there is none."""
    side: int
    """0 left, 1 right, 2 both."""
    text: str
    """A sentence that says it."""
    phase: str = ""
    """Of the contact: "free", "reach", "hold", "release"; empty where the segment has several."""


@dataclass(frozen=True, eq=False)
class View:
    """A camera that looks at a scene, and how it moves."""

    camera: Camera
    """Intrinsics and lens; its own `world_from_camera` is not looked at."""
    world_from_camera: Callable[[float], Float[np.ndarray, "4 4"]]
    """Pose at a time in seconds."""
    name: str = "view"

    @staticmethod
    def still(camera: Camera, world_from_camera: Float[np.ndarray, "4 4"] | None = None, name: str = "view") -> View:
        pose = np.eye(4) if world_from_camera is None else np.array(world_from_camera, np.float64)
        return View(camera, lambda _: pose, name)

    def camera_at(self, time: float) -> Camera:
        """The camera with its pose at that time."""
        return replace(self.camera, world_from_camera=self.world_from_camera(time))


@dataclass(frozen=True, eq=False)
class Scene:
    """What was drawn from one (seed, index)."""

    kind: str
    """Name of the sort of scene, as in `palmar.synth.scenes`."""
    at: Callable[[float], Moment]
    light: Light
    """World frame."""
    views: tuple[View, ...]
    seconds: float = 0.0
    """How long it lasts; 0 for a still one."""
    segments: tuple[Segment, ...] = ()
    background: Callable[[View, float], Float32[np.ndarray, "h w 3"]] | None = None
    """What is seen behind all pieces, linear light; black where not given."""
    action: str = ""
    """Class of the main action, for recognisers; empty where nothing is acted."""


@dataclass(frozen=True, eq=False)
class Shot:
    """A moment as one camera sees it. Labels ask `buffers`, which sees the middle of every pixel."""

    moment: Moment
    camera: Camera
    """With its pose."""
    mesh: Mesh
    """All pieces in the camera frame, in their order."""
    pixels: Float[np.ndarray, "v 2"]
    """Projections of the mesh's vertices; NaN where the lens has none."""
    piece_of_face: Int32[np.ndarray, " f"]
    first_vertex: Int32[np.ndarray, " p1"]
    """Row of the mesh at which each piece begins, and the number of all at the end."""
    light: Light
    """Camera frame."""

    @cached_property
    def buffers(self) -> Buffers:
        """Face, weights and depth at the middle of every pixel."""
        return self._buffers(np.ones(len(self.piece_of_face), bool))

    def alone(self, keep: Callable[[Piece], bool]) -> Buffers:
        """The same for some of the pieces, as if the others were not there (amodal). Faces are numbered as in
        `mesh`."""
        chosen = np.array([keep(piece) for piece in self.moment.pieces], bool)
        return self._buffers(chosen[self.piece_of_face])

    def _buffers(self, faces: Bool[np.ndarray, " f"]) -> Buffers:
        points = np.concatenate([self.pixels, self.mesh.vertices[:, 2:]], 1).astype(np.float32)
        rows = np.flatnonzero(faces)
        seen = rasterize(points, self.mesh.faces[rows], self.camera.height, self.camera.width)
        face = np.where(seen.face >= 0, rows[seen.face] if len(rows) else -1, -1).astype(np.int32)
        return Buffers(face, seen.bary, seen.depth)

    def piece_map(self, buffers: Buffers | None = None) -> Int32[np.ndarray, "h w"]:
        """Which piece every pixel sees, -1 for none."""
        face = (self.buffers if buffers is None else buffers).face
        return np.where(face >= 0, self.piece_of_face[face], -1).astype(np.int32)


def shoot(scene: Scene, view: View, time: float = 0.0) -> Shot:
    """The scene at a time, seen by a camera. Raises PalmarError for a moment without pieces."""
    moment = scene.at(time)
    if not moment.pieces:
        raise PalmarError(f"scene {scene.kind}: there is nothing in it at {time} s.")
    camera = view.camera_at(time)
    assert camera.world_from_camera is not None
    turn = camera.world_from_camera[:3, :3]
    place = camera.world_from_camera[:3, 3]
    meshes = [moved(piece.mesh, turn.T, -turn.T @ place) for piece in moment.pieces]
    mesh = Mesh.concatenate(meshes)
    owner = np.repeat(np.arange(len(meshes), dtype=np.int32), [len(m.faces) for m in meshes])
    first = np.cumsum([0, *(len(m.vertices) for m in meshes)]).astype(np.int32)
    light = replace(
        scene.light,
        sh=rotate_sh(scene.light.sh, turn.T),
        directions=(scene.light.directions @ turn).astype(np.float32),
    )
    return Shot(moment, camera, mesh, camera.project(mesh.vertices), owner, first, light)


def moved(mesh: Mesh, rotation: Float[np.ndarray, "3 3"], translation: Float[np.ndarray, " 3"]) -> Mesh:
    """The mesh turned, then shifted."""
    turn = np.asarray(rotation, np.float64).T
    normals = None if mesh.normals is None else (mesh.normals @ turn).astype(np.float32)
    vertices = (mesh.vertices @ turn + translation).astype(np.float32)
    return replace(mesh, vertices=vertices, normals=normals)


def mirrored(mesh: Mesh) -> Mesh:
    """The mesh reflected in x -> -x, its faces turned so that they still look outward."""
    normals = None if mesh.normals is None else mirror_points(mesh.normals)
    uv = None if mesh.uv is None else np.ascontiguousarray(mesh.uv[:, ::-1])
    faces = np.ascontiguousarray(mesh.faces[:, ::-1])
    return replace(mesh, vertices=mirror_points(mesh.vertices), faces=faces, normals=normals, uv=uv)


def mirrored_rotations(rotations: Float[np.ndarray, "*b 3 3"]) -> Float[np.ndarray, "*b 3 3"]:
    """Local rotations of a right hand as the left hand's, and back."""
    return mirror_rotmats(rotations)


def instances(pieces: Sequence[Piece]) -> Int32[np.ndarray, " p"]:
    """Instance number of every piece."""
    return np.array([piece.instance for piece in pieces], np.int32)
