"""Where scenes play: light and surroundings, tables and walls, and the instance number of the room."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float, Float32

from palmar.render import Light, Mesh
from palmar.synth.background import Backgrounds
from palmar.synth.canvas import TEXTURES
from palmar.synth.environment import sample_environment
from palmar.synth.light import sample_light
from palmar.synth.sensor import srgb_to_linear
from palmar.synth.world import Kind, Piece, View

ROOM = 1000
"""Instance number of tables and walls."""
ROOM_PART = 26
"""Their part label."""

Background = Callable[[View, float], Float32[np.ndarray, "h w 3"]]


@functools.cache
def _backgrounds() -> Backgrounds:
    return Backgrounds()


@dataclass(frozen=True, eq=False)
class Stage:
    """Light, and what is far away."""

    light: Light
    background: Background

    @staticmethod
    def sample(rng: np.random.Generator) -> Stage:
        """A photographed place (55 %), or lamps drawn at random before a collage."""
        if rng.random() < 0.55:
            place = sample_environment(rng)
            light = replace(place.light(), shadow_size=384, shadow_bias=0.006)

            def far(view: View, time: float) -> Float32[np.ndarray, "h w 3"]:
                return place.view(view.camera, view.world_from_camera(time)[:3, :3])

            return Stage(light, far)
        light = replace(sample_light(rng), shadow_size=384, shadow_bias=0.006)
        picture = _backgrounds().sample(rng, 480, 768)
        gain = np.float32(np.clip(picture.mean(), 0.05, 1.0) ** -0.3)
        return Stage(light, Collage(picture * gain).seen)


@dataclass(frozen=True, eq=False)
class Collage:
    """A picture around the viewer, 60 degrees of heights and 96 of bearings, mirrored beyond: what does not move with
    the camera as it turns."""

    picture: Float32[np.ndarray, "ph pw 3"]

    def seen(self, view: View, time: float) -> Float32[np.ndarray, "h w 3"]:
        """In the directions in which the camera looks; black where the lens has no ray."""
        camera = view.camera
        x, y = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
        rays = camera.unproject(np.stack([x, y], -1).astype(np.float64)) @ view.world_from_camera(time)[:3, :3].T
        height, width = self.picture.shape[:2]
        per_radian = height / np.radians(60.0)
        column = np.arctan2(rays[..., 0], rays[..., 2]) * per_radian + width / 2
        row = np.arctan2(rays[..., 1], np.hypot(rays[..., 0], rays[..., 2])) * per_radian + height / 2
        known = np.isfinite(column)
        u = np.where(known, _mirrored(column, width), 0).astype(np.float32)
        v = np.where(known, _mirrored(row, height), 0).astype(np.float32)
        seen = cv2.remap(self.picture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        return (seen * known[..., None]).astype(np.float32)


def _mirrored(at: np.ndarray, size: int) -> np.ndarray:
    folded = np.mod(at, 2 * (size - 1))
    return np.minimum(folded, 2 * (size - 1) - folded)


def panel(
    rng: np.random.Generator,
    corner: Float[np.ndarray, " 3"],
    first: Float[np.ndarray, " 3"],
    second: Float[np.ndarray, " 3"],
    *,
    step: float = 0.02,
    thickness: float = 0.0,
    plain: float = 0.3,
) -> Piece:
    """A flat rectangle of the room, from `corner` along two edges, coloured by a canvas at every `step` metres.

    It is made of small faces because a face that reaches behind a camera is not drawn at all. thickness: metres of a
    rim along `first` x `second`.
    """
    size = np.array([np.linalg.norm(first), np.linalg.norm(second)])
    n, m = (int(np.clip(np.ceil(s / step), 2, 96)) for s in size)
    s, t = np.meshgrid(np.linspace(0, 1, n + 1), np.linspace(0, 1, m + 1), indexing="ij")
    points = corner + s[..., None] * first + t[..., None] * second
    if rng.random() < plain:
        colour = np.broadcast_to(rng.uniform(0.05, 0.8) * rng.uniform(0.85, 1.0, 3), points.shape)
    else:
        texture = TEXTURES[int(rng.integers(len(TEXTURES)))](rng, 128)
        picture = cv2.resize(srgb_to_linear(texture), (m + 1, n + 1), interpolation=cv2.INTER_AREA)
        colour = 0.05 + 0.75 * picture * rng.uniform(0.5, 1.0)
    number = np.arange((n + 1) * (m + 1)).reshape(n + 1, m + 1)
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]
    quads = np.stack([a, b, c, d], -1).reshape(-1, 4)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    vertices, albedo = points.reshape(-1, 3), np.ascontiguousarray(colour).reshape(-1, 3)
    if thickness:
        rim = np.concatenate([number[:, 0], number[-1, 1:], number[-2::-1, -1], number[0, -2:0:-1]])
        normal = np.cross(first, second)
        low = vertices[rim] - thickness * normal / np.linalg.norm(normal)
        k, count = len(vertices), len(rim)
        here, after = np.arange(count), (np.arange(count) + 1) % count
        strip = np.concatenate([
            np.stack([rim, k + here, rim[after]], 1), np.stack([rim[after], k + here, k + after], 1)
        ])  # fmt: skip
        vertices, albedo = np.concatenate([vertices, low]), np.concatenate([albedo, albedo[rim] * 0.7])
        faces = np.concatenate([faces, strip])
    v = len(vertices)
    mesh = Mesh(
        vertices.astype(np.float32),
        faces.astype(np.int32),
        albedo.clip(0.005, 0.9).astype(np.float32),
        np.full(v, rng.uniform(0.25, 0.8), np.float32),
        np.full(v, rng.uniform(0.2, 1.0), np.float32),
        part=np.full(v, ROOM_PART, np.uint8),
    )
    return Piece(mesh, Kind.ROOM, ROOM)


def table(
    rng: np.random.Generator, height: float, z: tuple[float, float], x: tuple[float, float] = (-0.8, 0.8)
) -> Piece:
    """A table top at the world's y = `height`, between two depths and two sides."""
    return panel(
        rng,
        np.array([x[0], height, z[0]]),
        np.array([x[1] - x[0], 0.0, 0.0]),
        np.array([0.0, 0.0, z[1] - z[0]]),
        thickness=0.03,
    )


def stool(rng: np.random.Generator, seat: Float[np.ndarray, " 3"], floor: float) -> Piece:
    """A round stool whose top is at `seat`, down to the world's y = `floor`."""
    t = np.arange(20) * (2 * np.pi / 20)
    radius = float(rng.uniform(0.15, 0.2))
    rings = [(radius, 0.0), (radius, 0.04), (0.35 * radius, 0.06), (0.35 * radius, floor - seat[1] - 0.03),
             (0.95 * radius, floor - seat[1])]  # fmt: skip
    points = [np.stack([r * np.cos(t), np.full(20, y), r * np.sin(t)], 1) for r, y in rings]
    vertices = np.concatenate([*points, [[0.0, 0.0, 0.0]]]) + seat
    faces = []
    for k in range(len(rings) - 1):
        for i in range(20):
            a, b = 20 * k + i, 20 * k + (i + 1) % 20
            faces += [(a, b, b + 20), (a, b + 20, a + 20)]
    faces += [(100, (i + 1) % 20, i) for i in range(20)]
    n = len(vertices)
    colour = rng.uniform(0.03, 0.6) * rng.uniform(0.6, 1.0, 3)
    mesh = Mesh(
        vertices.astype(np.float32),
        np.array(faces, np.int32),
        np.tile(colour, (n, 1)).astype(np.float32),
        np.full(n, 0.5, np.float32),
        np.full(n, 0.5, np.float32),
        part=np.full(n, ROOM_PART, np.uint8),
    )
    return Piece(mesh, Kind.ROOM, ROOM)
