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
from palmar.render.kernel import kernel
from palmar.render.rasterize import contiguous
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
    vertices, faces = contiguous(shot.mesh.vertices, np.float32), contiguous(shot.mesh.faces, np.int32)
    _meet(vertices, faces, seen.face, rays(shot.camera), seen.bary, weights, points)
    weights.flags.writeable = points.flags.writeable = False
    return Surface(seen.face, weights, points)


@kernel()
def _meet(vertices, faces, face, through, bary, weights, points):
    """Weights of each pixel's triangle at which the pixel's ray from the origin meets its plane, none negative, sum 1,
    and the point.

    A ray that passes beside the triangle (by the z-buffer's rounding) is moved onto its edge; where it runs along the
    plane, or passes far off, the z-buffer's weights stand. The volumes of ray and opposite edge are the weights but for
    their sum: Moeller and Trumbore 1997.
    """
    for y in range(face.shape[0]):
        for x in range(face.shape[1]):
            f = face[y, x]
            if f < 0:
                continue
            i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
            ax, ay, az = np.float64(vertices[i, 0]), np.float64(vertices[i, 1]), np.float64(vertices[i, 2])
            bx, by, bz = np.float64(vertices[j, 0]), np.float64(vertices[j, 1]), np.float64(vertices[j, 2])
            cx, cy, cz = np.float64(vertices[k, 0]), np.float64(vertices[k, 1]), np.float64(vertices[k, 2])
            px, py, pz = through[y, x, 0], through[y, x, 1], through[y, x, 2]
            wa = px * (by * cz - bz * cy) + py * (bz * cx - bx * cz) + pz * (bx * cy - by * cx)
            wb = px * (cy * az - cz * ay) + py * (cz * ax - cx * az) + pz * (cx * ay - cy * ax)
            wc = px * (ay * bz - az * by) + py * (az * bx - ax * bz) + pz * (ax * by - ay * bx)
            total = wa + wb + wc
            wa, wb, wc = wa / total, wb / total, wc / total
            if not (np.isfinite(wa + wb + wc) and min(wa, wb, wc) > -0.5):
                wa, wb, wc = np.float64(bary[y, x, 0]), np.float64(bary[y, x, 1]), np.float64(bary[y, x, 2])
            wa, wb, wc = max(wa, 0.0), max(wb, 0.0), max(wc, 0.0)
            total = wa + wb + wc
            wa, wb, wc = wa / total, wb / total, wc / total
            weights[y, x, 0], weights[y, x, 1], weights[y, x, 2] = wa, wb, wc
            points[y, x, 0] = wa * ax + wb * bx + wc * cx
            points[y, x, 1] = wa * ay + wb * by + wc * cy
            points[y, x, 2] = wa * az + wb * bz + wc * cz


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
    vertices, faces = contiguous(shot.mesh.vertices, np.float32), contiguous(shot.mesh.faces, np.int32)
    smooth = shot.mesh.normals
    if flat:
        smooth = np.zeros((0, 3), np.float32)
    elif smooth is None:
        smooth = vertex_normals(vertices, faces)
    _normals(vertices, faces, contiguous(smooth, np.float32), seen.face, seen.weights, seen.points, out)
    return out


@kernel()
def _normals(vertices, faces, smooth, face, weights, points, out):
    """Of the triangles themselves where there are no smooth ones."""
    for y in range(face.shape[0]):
        for x in range(face.shape[1]):
            f = face[y, x]
            if f < 0:
                continue
            i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
            ax, ay, az = np.float64(vertices[i, 0]), np.float64(vertices[i, 1]), np.float64(vertices[i, 2])
            bx, by, bz = vertices[j, 0] - ax, vertices[j, 1] - ay, vertices[j, 2] - az
            cx, cy, cz = vertices[k, 0] - ax, vertices[k, 1] - ay, vertices[k, 2] - az
            nx, ny, nz = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
            behind = nx * points[y, x, 0] + ny * points[y, x, 1] + nz * points[y, x, 2] > 0.0
            if len(smooth):
                wa, wb, wc = weights[y, x, 0], weights[y, x, 1], weights[y, x, 2]
                nx = wa * smooth[i, 0] + wb * smooth[j, 0] + wc * smooth[k, 0]
                ny = wa * smooth[i, 1] + wb * smooth[j, 1] + wc * smooth[k, 1]
                nz = wa * smooth[i, 2] + wb * smooth[j, 2] + wc * smooth[k, 2]
            length = max(np.sqrt(nx * nx + ny * ny + nz * nz), 1e-300)
            if behind:
                length = -length
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = nx / length, ny / length, nz / length


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
