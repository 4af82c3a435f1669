"""Where the surface seen in each pixel lies: depth, distance, normals and coordinates, exact for any lens.

The z-buffer says which triangle a pixel sees. The point itself is the meeting of the pixel's own ray (through the lens,
float64) with the plane of that triangle, so that depth is right to rounding error and not to the rasteriser's 1/256
pixel, and no straight-line interpolation is made where a fisheye bends lines. What stays straight are the edges between
triangles: large triangles near a strong lens should be cut into smaller ones by whoever makes the scene.
Nothing there: depth and distance are inf (the truth: nothing up to infinity; sensors that fail give 0, see
`depth_noise`), normals are 0, coordinates NaN.
"""

from __future__ import annotations

import functools
import weakref
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int32

from palmar.geometry.camera import Camera
from palmar.hand import HandModel
from palmar.render import Buffers, vertex_normals
from palmar.synth.world import Kind, Shot


class Surface(NamedTuple):
    """What each pixel's ray meets first."""

    face: Int32[np.ndarray, "h w"]
    """Triangle of the shot's mesh, -1 for none."""
    weights: Float[np.ndarray, "h w 3"]
    """Of the triangle's corners, adding to 1; 0 where nothing is."""
    points: Float[np.ndarray, "h w 3"]
    """Metres, camera frame; NaN where nothing is."""


@functools.lru_cache(maxsize=8)
def _rays(camera: Camera) -> Float[np.ndarray, "h w 3"]:
    x, y = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    rays = camera.unproject(np.stack([x, y], -1).astype(np.float64))
    rays.flags.writeable = False
    return rays


def rays(camera: Camera) -> Float[np.ndarray, "h w 3"]:
    """Direction through the middle of every pixel, camera frame, scaled to z = 1; NaN where the lens has none.
    Read-only, and kept for the next call."""
    return _rays(replace(camera, world_from_camera=None))


_SURFACES: weakref.WeakKeyDictionary[Shot, Surface] = weakref.WeakKeyDictionary()


def surface(shot: Shot, buffers: Buffers | None = None) -> Surface:
    """The point of the surface in the middle of every pixel. buffers: those of `shot.alone`, for what is hidden.

    Read-only: of what is seen it is kept as long as the shot, for most sensors ask for it.
    """
    if buffers is not None:
        return _surface(shot, buffers)
    found = _SURFACES.get(shot)
    if found is None:
        found = _SURFACES[shot] = _surface(shot, shot.buffers)
    return found


def _surface(shot: Shot, seen: Buffers) -> Surface:
    height, width = seen.face.shape
    weights, points = np.zeros((height, width, 3)), np.full((height, width, 3), np.nan)
    at = seen.face >= 0
    corners = shot.mesh.vertices[shot.mesh.faces[seen.face[at]]].astype(np.float64)
    w = meet(corners, rays(shot.camera)[at], seen.bary[at])
    weights[at], points[at] = w, np.einsum("nk,nkc->nc", w, corners)
    weights.flags.writeable = points.flags.writeable = False
    return Surface(seen.face, weights, points)


def meet(
    corners: Float[np.ndarray, "n 3 3"], through: Float[np.ndarray, "n 3"], fallback: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "n 3"]:
    """Weights of each triangle's corners at which the ray from the origin meets its plane, none negative, sum 1.

    A ray that passes beside the triangle (by the z-buffer's rounding) is moved onto its edge; where it runs along the
    plane, or passes far off, `fallback` stands. Moeller and Trumbore 1997.
    """
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    with np.errstate(all="ignore"):
        # The volumes of ray and opposite edge are the weights but for their sum.
        w = np.stack([_volume(through, b, c), _volume(through, c, a), _volume(through, a, b)], -1)
        w = w / w.sum(-1, keepdims=True)
        good = np.isfinite(w).all(-1) & (w.min(-1) > -0.5)
        w = np.where(good[:, None], np.maximum(w, 0.0), fallback)
        return w / w.sum(-1, keepdims=True)


def _volume(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> np.ndarray:
    return np.einsum("nc,nc->n", p, np.cross(q, r))


def depth(shot: Shot, surface_: Surface | None = None) -> Float32[np.ndarray, "h w"]:
    """Metres along the optical axis (z), inf where nothing is."""
    z = (surface(shot) if surface_ is None else surface_).points[..., 2]
    return np.where(np.isnan(z), np.inf, z).astype(np.float32)


def distance(shot: Shot, surface_: Surface | None = None) -> Float32[np.ndarray, "h w"]:
    """Metres from the camera's centre along the pixel's ray, inf where nothing is."""
    r = np.linalg.norm((surface(shot) if surface_ is None else surface_).points, axis=-1)
    return np.where(np.isnan(r), np.inf, r).astype(np.float32)


def normals(shot: Shot, surface_: Surface | None = None, *, flat: bool = False) -> Float32[np.ndarray, "h w 3"]:
    """Unit normals in the camera frame that face the camera's side of the surface; 0 where nothing is.

    Those the shading uses (interpolated between corners), or with `flat` those of the triangles themselves. A surface
    seen from inside shows its inner side.
    """
    seen = surface(shot) if surface_ is None else surface_
    out = np.zeros((*seen.face.shape, 3), np.float32)
    at = seen.face >= 0
    corners = shot.mesh.faces[seen.face[at]]
    v = shot.mesh.vertices[corners].astype(np.float64)
    plane = np.cross(v[:, 1] - v[:, 0], v[:, 2] - v[:, 0])
    behind = np.einsum("nc,nc->n", plane, seen.points[at]) > 0
    if flat:
        n = plane
    else:
        smooth = shot.mesh.normals
        smooth = vertex_normals(shot.mesh.vertices, shot.mesh.faces) if smooth is None else smooth
        n = np.einsum("nk,nkc->nc", seen.weights[at], smooth[corners].astype(np.float64))
    n = np.where(behind[:, None], -n, n)
    length = np.linalg.norm(n, axis=-1, keepdims=True)
    out[at] = n / np.maximum(length, 1e-12)
    return out


def world_coordinates(shot: Shot, surface_: Surface | None = None) -> Float32[np.ndarray, "h w 3"]:
    """The surface's points in the world, metres; NaN where nothing is."""
    pose = shot.camera.world_from_camera
    assert pose is not None
    points = (surface(shot) if surface_ is None else surface_).points
    return (points @ pose[:3, :3].T + pose[:3, 3]).astype(np.float32)


def thing_coordinates(shot: Shot, surface_: Surface | None = None) -> Float32[np.ndarray, "h w 3"]:
    """The points of things in each thing's own frame, metres; NaN elsewhere. Divided by `ThingTruth.size` they are
    normalised object coordinates."""
    world = world_coordinates(shot, surface_).astype(np.float64)
    seen = shot.buffers.face if surface_ is None else surface_.face
    piece = np.where(seen >= 0, shot.piece_of_face[seen], -1)
    instance = np.array([p.instance for p in shot.moment.pieces] + [0])[piece]
    out = np.full(world.shape, np.nan, np.float32)
    for thing in shot.moment.things:
        at = instance == thing.instance
        pose = thing.world_from_thing
        out[at] = (world[at] - pose[:3, 3]) @ pose[:3, :3]
    return out


def hand_coordinates(shot: Shot, surface_: Surface | None = None) -> Float32[np.ndarray, "h w 3"]:
    """Where each pixel of a hand lies on the mean hand at rest (hand frame of its side, metres): the same number names
    the same skin in every pose, shape and picture. NaN elsewhere, and on hands that are not of the default model's
    mesh."""
    seen = surface(shot) if surface_ is None else surface_
    out = np.full((*seen.face.shape, 3), np.nan, np.float32)
    sides = {hand.instance: hand.side for hand in shot.moment.hands}
    piece = np.where(seen.face >= 0, shot.piece_of_face[seen.face], -1)
    for number, part in enumerate(shot.moment.pieces):
        if part.kind != Kind.HAND or part.instance not in sides:
            continue
        template = HandModel.default(sides[part.instance]).template
        if len(part.mesh.vertices) != len(template):
            continue
        at = piece == number
        corners = shot.mesh.faces[seen.face[at]] - shot.first_vertex[number]
        out[at] = np.einsum("nk,nkc->nc", seen.weights[at], template[corners])
    return out
