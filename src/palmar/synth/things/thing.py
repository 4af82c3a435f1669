"""What a thing is: closed shells with their solids, parts that move, and the places where a hand can take hold of it.

    thing = cup(rng)
    thing.mesh()                     # the rest mesh with its colours
    thing.sdf(points)                # metres, < 0 inside, in the thing's own frame
    thing.mesh([1.2])                # a lid opened by 1.2 radians

Frame: metres; things stand upright with y downwards (as in the world), so their top has the smallest y; the origin is
near their middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32

from palmar.errors import PalmarError
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.render import Mesh
from palmar.synth.things import solid as solids
from palmar.synth.things.solid import Solid
from palmar.synth.things.surface import Surface, creased

TEXTURE = 128
"""Texels along both sides of every texture of a thing."""

GripShape = Literal["rod", "ball", "slab", "disk"]


@dataclass(frozen=True, eq=False)
class Material:
    """What a surface is made of."""

    name: str
    albedo: tuple[float, float, float]
    """Diffuse reflectance, linear light."""
    roughness: float = 0.5
    specular: float = 1.0
    texture: Float32[np.ndarray, "t t 4"] | None = None
    """Factor on the albedo and height, as in `Mesh.texture`."""


@dataclass(frozen=True, eq=False)
class Shell:
    """One closed surface of a thing. Shells of a thing may run into each other."""

    surface: Surface
    solid: Solid
    material: Material
    part: int = 0
    """0 the body; k > 0 moves with joint k - 1."""

    def moved(self, rotation: Float[np.ndarray, "3 3"], translation: Float[np.ndarray, " 3"] | tuple) -> Shell:
        """Turned, then shifted."""
        return replace(
            self,
            surface=self.surface.moved(rotation, translation),
            solid=self.solid.moved(rotation, translation),
        )


@dataclass(frozen=True, eq=False)
class Joint:
    """How part k moves, k - 1 being its place in `Thing.joints`."""

    name: str
    axis: Float[np.ndarray, " 3"]
    """Unit vector, thing's frame at rest."""
    origin: Float[np.ndarray, " 3"]
    """A point of the axis."""
    low: float
    high: float
    """Radians for a hinge or a screw, metres for a slide; rest is 0."""
    kind: Literal["hinge", "slide", "screw"] = "hinge"
    pitch: float = 0.0
    """Metres along the axis per radian of a screw."""

    def motion(self, value: float) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, " 3"]]:
        """Rotation and translation of the part at a value."""
        if self.kind == "slide":
            return np.eye(3), self.axis * value
        turn = rotmat_from_rotvec(self.axis * value)
        return turn, self.origin - turn @ self.origin + self.axis * (self.pitch * value)


@dataclass(frozen=True, eq=False)
class Grip:
    """A place where a hand can take hold.

    rod: along its z, cross-section half extents x and y. slab: flat, its thin direction y. ball: about its origin.
    disk: a flat round, its axis y.
    """

    shape: GripShape
    half: Float[np.ndarray, " 3"]
    """Half extents along the grip's axes, metres."""
    thing_from_grip: Float[np.ndarray, "4 4"]
    round: bool = False
    """A rod that may be turned about its axis by any angle, not by quarters only."""
    name: str = "body"
    part: int = 0


REFLECTION = np.diag([-1.0, 1.0, 1.0, 1.0])
"""x -> -x for 4 x 4 transforms."""


def frame(
    z: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray, at: Sequence[float] | np.ndarray = (0, 0, 0)
) -> Float[np.ndarray, "4 4"]:
    """thing_from_grip with its z along `z`, its y as near to `y` as that allows, its origin at `at`."""
    third = np.asarray(z, np.float64) / np.linalg.norm(z)
    second = np.asarray(y, np.float64) - third * (third @ np.asarray(y, np.float64))
    second = second / np.linalg.norm(second)
    out = np.eye(4)
    out[:3, :3] = np.stack([np.cross(second, third), second, third], 1)
    out[:3, 3] = at
    return out


@dataclass(frozen=True, eq=False)
class Thing:
    """An object at rest, with all that can be asked about it."""

    name: str
    category: str
    shells: tuple[Shell, ...]
    grips: tuple[Grip, ...]
    mass: float
    """Kilogrammes, roughly."""
    joints: tuple[Joint, ...] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        for shell in self.shells:
            if not 0 <= shell.part <= len(self.joints):
                raise PalmarError(f"thing {self.name}: a shell of part {shell.part}, but {len(self.joints)} joints.")

    def motions(
        self, articulation: Sequence[float] | np.ndarray | None = None
    ) -> list[tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, " 3"]]]:
        """Rotation and translation of the body and of every part, thing's frame. Raises PalmarError for a wrong number
        of values."""
        values = [0.0] * len(self.joints) if articulation is None else list(articulation)
        if len(values) != len(self.joints):
            raise PalmarError(f"thing {self.name}: it has {len(self.joints)} joints, got {len(values)} values.")
        pairs = zip(self.joints, values, strict=True)
        return [(np.eye(3), np.zeros(3)), *(joint.motion(float(value)) for joint, value in pairs)]

    def solid(self, articulation: Sequence[float] | np.ndarray | None = None) -> Solid:
        """Everything as one solid."""
        if not self.joints:
            return self._rest_solid
        motions = self.motions(articulation)
        return solids.union([shell.solid.moved(*motions[shell.part]) for shell in self.shells])

    @cached_property
    def _rest_solid(self) -> Solid:
        return solids.union([shell.solid for shell in self.shells])

    def sdf(
        self, points: Float[np.ndarray, "n 3"], articulation: Sequence[float] | np.ndarray | None = None
    ) -> Float[np.ndarray, " n"]:
        """Signed distance, metres, < 0 inside: exact, or nearer to 0 than the truth (`palmar.synth.things.solid`)."""
        return self.solid(articulation).distance(points)

    @cached_property
    def _meshes(self) -> tuple[Mesh, ...]:
        return tuple(_drawn(shell) for shell in self.shells)

    def mesh(self, articulation: Sequence[float] | np.ndarray | None = None) -> Mesh:
        """What is drawn: colours, and vertices split along sharp edges. Faces are the same at every articulation."""
        motions = self.motions(articulation)
        moved = []
        for shell, drawn in zip(self.shells, self._meshes, strict=True):
            turn, shift = motions[shell.part]
            vertices = (drawn.vertices.astype(np.float64) @ turn.T + shift).astype(np.float32)
            moved.append(replace(drawn, vertices=vertices))
        return Mesh.concatenate(moved)

    @cached_property
    def bounds(self) -> Float[np.ndarray, "2 3"]:
        """Lowest and highest corner of the rest mesh."""
        points = np.concatenate([shell.surface.vertices for shell in self.shells])
        return np.stack([points.min(0), points.max(0)])

    @property
    def size(self) -> Float[np.ndarray, " 3"]:
        """Extent of the rest mesh along its own axes, metres."""
        return self.bounds[1] - self.bounds[0]

    def mirrored(self) -> Thing:
        """The mirror image in x -> -x, with everything that moves mirrored too: what a right hand does to it, a left
        hand does to the thing itself."""
        sign = REFLECTION[:3, :3]
        shells = tuple(
            replace(shell, surface=shell.surface.mirrored(), solid=shell.solid.mirrored()) for shell in self.shells
        )
        grips = tuple(replace(g, thing_from_grip=REFLECTION @ g.thing_from_grip @ REFLECTION) for g in self.grips)
        joints = tuple(
            # an axis of turning is mirrored with a change of sign, one of sliding without
            replace(
                j, axis=sign @ j.axis * (1.0 if j.kind == "slide" else -1.0), origin=sign @ j.origin, pitch=-j.pitch
            )
            for j in self.joints
        )
        return replace(self, shells=shells, grips=grips, joints=joints)

    def grip(self, grip: Grip, articulation: Sequence[float] | np.ndarray | None = None) -> Float[np.ndarray, "4 4"]:
        """thing_from_grip at an articulation."""
        turn, shift = self.motions(articulation)[grip.part]
        moved = np.eye(4)
        moved[:3, :3], moved[:3, 3] = turn, shift
        return moved @ grip.thing_from_grip


def _drawn(shell: Shell) -> Mesh:
    vertices, faces = creased(shell.surface)
    n, material = len(vertices), shell.material
    texture = None if material.texture is None else material.texture[None]
    return Mesh(
        vertices.astype(np.float32),
        faces,
        np.tile(np.array(material.albedo, np.float32), (n, 1)),
        np.full(n, material.roughness, np.float32),
        np.full(n, material.specular, np.float32),
        closed=np.ones(len(faces), bool),
        uv=None if texture is None else shell.surface.uv.astype(np.float32),
        texture=texture,
    )
