"""Where what a pixel sees is at another time: optical flow, and whether it can still be seen there.

A scene's pieces keep their faces, so a point of a surface is a face and three weights at every time. Its pixel at the
other time is the projection of the same face and weights there, through the lens and from wherever the camera then is.
That is exact, also where shading, noise or occlusion leave nothing to match. What lies behind all pieces is infinitely
far: it moves with the camera's rotation alone.

The two shots may differ in time, in place, or both: flow to another camera at the same time is stereo correspondence.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32, UInt8

from palmar.errors import PalmarError
from palmar.render import Buffers, rasterize
from palmar.render.kernel import kernel
from palmar.synth.sense.geometry import Surface, rays, surface
from palmar.synth.world import Scene, Shot, View, shoot


class Fate(enum.IntEnum):
    """What becomes of a pixel's point at the other time."""

    SEEN = 0
    HIDDEN = 1
    """Something else stands before it there."""
    OUTSIDE = 2
    """Off the picture, behind the camera, or where the lens has no pixel."""


class Flow(NamedTuple):
    """vectors: pixels x, y from here to there; NaN where there is no pixel there. fate: `Fate`."""

    vectors: Float32[np.ndarray, "h w 2"]
    fate: UInt8[np.ndarray, "h w"]


def flow(here: Shot, there: Shot, surface_: Surface | None = None) -> Flow:
    """For each pixel of `here`, where what it sees is in `there`.

    Raises PalmarError where the two are not shots of one scene (their faces differ).
    """
    if here.mesh.faces.shape != there.mesh.faces.shape or not np.array_equal(here.mesh.faces, there.mesh.faces):
        raise PalmarError(
            f"flow: the two moments have different faces ({len(here.mesh.faces)} and {len(there.mesh.faces)}); "
            "flow needs two shots of one scene, whose pieces keep their faces."
        )
    seen = surface(here) if surface_ is None else surface_
    points = _carried(here, there, seen)
    height, width = seen.face.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    goal = there.camera.project(points)
    fate = np.full((height, width), Fate.OUTSIDE, np.uint8)
    inside = there.camera.inside(goal)
    hidden = hides(there, goal[inside], points[inside], seen.face[inside])
    fate[inside] = np.where(hidden, Fate.HIDDEN, Fate.SEEN)
    return Flow((goal - np.stack([x, y], -1)).astype(np.float32), fate)


def _carried(here: Shot, there: Shot, seen: Surface) -> Float[np.ndarray, "h w 3"]:
    """The points seen here, in the camera frame there; the background as directions times a large distance."""
    turn_here, turn_there = _rotation(here), _rotation(there)
    points = rays(here.camera) @ (turn_there.T @ turn_here).T * 1e9
    at = seen.face >= 0
    corners = there.mesh.vertices[there.mesh.faces[seen.face[at]]].astype(np.float64)
    points[at] = np.einsum("nk,nkc->nc", seen.weights[at], corners)
    return points


def _rotation(shot: Shot) -> Float[np.ndarray, "3 3"]:
    pose = shot.camera.world_from_camera
    assert pose is not None
    return pose[:3, :3]


def hides(
    shot: Shot,
    pixels: Float[np.ndarray, "n 2"],
    points: Float[np.ndarray, "n 3"],
    face: Int32[np.ndarray, " n"] | None = None,
    *,
    tolerance: float = 1e-3,
) -> Bool[np.ndarray, " n"]:
    """Whether something in the shot stands before points (camera frame) that project to these pixels, all inside.

    Asks a z-buffer of four times as many samples each way (twice, of large pictures). It knows surfaces at its samples
    only, so the triangles that the four samples around a pixel see are continued to the point's own ray: the point is
    seen where one of them is its own (`face`), or passes no more than `tolerance` of its depth before or behind it;
    hidden where the nearest sample's passes before it and none of them is.
    """
    scale = 4 if shot.camera.width * shot.camera.height <= 160_000 else 2
    fine = _finer(shot, scale)
    own = np.full(len(points), -2, np.int32) if face is None else face.astype(np.int32)
    out = np.zeros(len(points), bool)
    _hidden(
        shot.mesh.vertices, shot.mesh.faces, fine.face, shot.buffers.face, scale, np.ascontiguousarray(pixels),
        np.ascontiguousarray(points), own, tolerance, out,
    )  # fmt: skip
    return out


@kernel()
def _meets(vertices, faces, f, x, y, z):
    """Depth at which the ray through a point meets the plane of triangle f, kept to its own depths: continued
    far, a steep triangle says nothing of the surface."""
    a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
    ax, ay, az = np.float64(vertices[a, 0]), np.float64(vertices[a, 1]), np.float64(vertices[a, 2])
    bx, by, bz = vertices[b, 0] - ax, vertices[b, 1] - ay, vertices[b, 2] - az
    cx, cy, cz = vertices[c, 0] - ax, vertices[c, 1] - ay, vertices[c, 2] - az
    nx, ny, nz = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
    low, high = az + min(0.0, bz, cz), az + max(0.0, bz, cz)
    along = (nx * x + ny * y) / z + nz
    if along == 0.0:
        return 0.5 * (low + high)
    return min(max((nx * ax + ny * ay + nz * az) / along, low), high)


@kernel()
def _hidden(vertices, faces, fine, coarse, scale, pixels, points, own, tolerance, out):
    height, width = fine.shape
    for i in range(len(points)):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        u, v = (pixels[i, 0] + 0.5) * scale - 0.5, (pixels[i, 1] + 0.5) * scale - 0.5
        seen = False
        # Where a pixel's own middle is asked, its own answer counts.
        column, row = int(np.floor(pixels[i, 0] + 0.5)), int(np.floor(pixels[i, 1] + 0.5))
        if max(abs(pixels[i, 0] - column), abs(pixels[i, 1] - row)) < 0.1:
            column, row = min(max(column, 0), coarse.shape[1] - 1), min(max(row, 0), coarse.shape[0] - 1)
            f = coarse[row, column]
            seen = f == own[i] or (f >= 0 and abs(_meets(vertices, faces, f, x, y, z) - z) <= tolerance * z)
        for k in range(4):
            if seen:
                break
            column = min(max(int(np.floor(u)) + k % 2, 0), width - 1)
            row = min(max(int(np.floor(v)) + k // 2, 0), height - 1)
            f = fine[row, column]
            if f == own[i] or (f < 0 and own[i] < 0):
                seen = True
            elif f >= 0:
                seen = abs(_meets(vertices, faces, f, x, y, z) - z) <= tolerance * z
        if seen:
            continue
        column = min(max(int(np.floor(u + 0.5)), 0), width - 1)
        row = min(max(int(np.floor(v + 0.5)), 0), height - 1)
        f = fine[row, column]
        out[i] = f >= 0 and f != own[i] and _meets(vertices, faces, f, x, y, z) < z * (1.0 - tolerance)


def _finer(shot: Shot, scale: int) -> Buffers:
    """The shot's z-buffer with `scale` times as many samples each way."""
    plane = (shot.pixels + 0.5) * scale - 0.5
    points = np.concatenate([plane, shot.mesh.vertices[:, 2:]], 1).astype(np.float32)
    return rasterize(points, shot.mesh.faces, shot.camera.height * scale, shot.camera.width * scale)


def forward(scene: Scene, view: View, time: float, step: float) -> Flow:
    """From the picture at `time` to the picture at `time + step` (seconds)."""
    return flow(shoot(scene, view, time), shoot(scene, view, time + step))


def backward(scene: Scene, view: View, time: float, step: float) -> Flow:
    """From the picture at `time + step` back to the picture at `time`: the other direction of the same pair."""
    return flow(shoot(scene, view, time + step), shoot(scene, view, time))


def scene_flow(here: Shot, there: Shot, surface_: Surface | None = None) -> Float32[np.ndarray, "h w 3"]:
    """How far what each pixel sees moves in the world between the shots, metres, world axes; NaN for the background."""
    seen = surface(here) if surface_ is None else surface_
    moved = _carried(here, there, seen)
    out = np.full(moved.shape, np.nan, np.float32)
    at = seen.face >= 0
    before, after = (shot.camera.world_from_camera for shot in (here, there))
    assert before is not None
    assert after is not None
    start = seen.points[at] @ before[:3, :3].T + before[:3, 3]
    out[at] = moved[at] @ after[:3, :3].T + after[:3, 3] - start
    return out


def wheel(vectors: Float32[np.ndarray, "h w 2"], largest: float | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """A picture of flow: hue for direction, saturation for length up to `largest` pixels (the 99th percentile where
    not given), grey where there is none."""
    length = np.linalg.norm(vectors, axis=-1)
    known = np.isfinite(length)
    if largest is None:
        largest = float(np.quantile(length[known], 0.99)) if known.any() else 1.0
    strength = np.clip(np.where(known, length, 0.0) / max(largest, 1e-6), 0.0, 1.0)
    angle = np.where(known, np.arctan2(vectors[..., 1], vectors[..., 0]), 0.0)
    hue = angle[..., None] - np.array([0.0, 2 * np.pi / 3, -2 * np.pi / 3])
    colour = 1.0 - strength[..., None] * (0.5 - 0.5 * np.cos(hue))
    return (255 * np.where(known[..., None], colour, 0.5)).astype(np.uint8)
