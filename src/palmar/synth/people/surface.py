"""Distance to a mesh: of each point to its closest triangle, negative behind it (the sign of the interpolated normal
there)."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numba
import numpy as np
from jaxtyping import Float, Int32
from scipy.spatial import cKDTree

from palmar.render import vertex_normals

NEAR = 0.02
"""Metres beyond which distances are not computed."""


@dataclass(frozen=True, eq=False)
class Surface:
    """A mesh whose distance can be asked for."""

    vertices: Float[np.ndarray, "v 3"]
    faces: Int32[np.ndarray, "f 3"]
    normals: Float[np.ndarray, "v 3"]
    tree: cKDTree
    starts: Int32[np.ndarray, " v1"]
    """Row of `around` at which the faces of each vertex begin."""
    around: Int32[np.ndarray, " n"]

    @staticmethod
    def of(vertices: Float[np.ndarray, "v 3"], faces: Int32[np.ndarray, "f 3"]) -> Surface:
        normals = vertex_normals(vertices.astype(np.float32), faces).astype(np.float64)
        starts, around = _faces_of_vertices(faces.tobytes(), len(vertices))
        return Surface(vertices, faces, normals, cKDTree(vertices), starts, around)

    def distance(self, points: Float[np.ndarray, "n 3"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Signed distance [n], inf beyond `NEAR`; the closest point's triangle [n], and weights [n, 3]."""
        n = len(points)
        out, face, bary = np.full(n, np.inf), np.zeros(n, np.int64), np.zeros((n, 3))
        low, high = self.vertices.min(0) - NEAR, self.vertices.max(0) + NEAR
        rows = np.flatnonzero(((points > low) & (points < high)).all(1))
        if not len(rows):
            return out, face, bary
        near, index = self.tree.query(points[rows], k=3, distance_upper_bound=2.0 * NEAR)
        keep = np.isfinite(near[:, 0])
        rows, index = rows[keep], index[keep]
        if not len(rows):
            return out, face, bary
        index = np.where(index < len(self.vertices), index, index[:, :1])
        d, f, w = _closest(
            np.ascontiguousarray(points[rows]),
            index.astype(np.int64),
            self.starts,
            self.around,
            self.faces,
            self.vertices,
            self.normals,
        )
        close = np.abs(d) < NEAR
        rows = rows[close]
        out[rows], face[rows], bary[rows] = d[close], f[close], w[close]
        return out, face, bary


@functools.lru_cache(maxsize=64)
def _faces_of_vertices(faces: bytes, count: int) -> tuple[np.ndarray, np.ndarray]:
    corner = np.frombuffer(faces, np.int32)
    order = np.argsort(corner, kind="stable")
    starts = np.searchsorted(corner[order], np.arange(count + 1))
    return starts.astype(np.int32), (order // 3).astype(np.int32)


@numba.njit(cache=True)
def _closest(points, candidates, starts, around, faces, vertices, normals):
    n = len(points)
    distance, face, bary = np.full(n, np.inf), np.zeros(n, np.int64), np.zeros((n, 3))
    for i in range(n):
        px, py, pz = points[i, 0], points[i, 1], points[i, 2]
        best = np.inf
        for k in range(candidates.shape[1]):
            c = candidates[i, k]
            for row in range(starts[c], starts[c + 1]):
                f = around[row]
                square, u, v, w = _triangle(px, py, pz, vertices, faces[f, 0], faces[f, 1], faces[f, 2])
                if square < best:
                    best, face[i] = square, f
                    bary[i, 0], bary[i, 1], bary[i, 2] = u, v, w
        f = face[i]
        side = 0.0
        for j in range(3):
            at, normal = 0.0, 0.0
            for c in range(3):
                at += bary[i, c] * vertices[faces[f, c], j]
                normal += bary[i, c] * normals[faces[f, c], j]
            side += (points[i, j] - at) * normal
        distance[i] = np.sqrt(best) if side >= 0.0 else -np.sqrt(best)
    return distance, face, bary


@numba.njit(cache=True)
def _triangle(px, py, pz, vertices, a, b, c):
    """Squared distance to a triangle, and weights of the closest point. Ericson 2005, section 5.1.5."""
    ax, ay, az = vertices[a, 0], vertices[a, 1], vertices[a, 2]
    abx, aby, abz = vertices[b, 0] - ax, vertices[b, 1] - ay, vertices[b, 2] - az
    acx, acy, acz = vertices[c, 0] - ax, vertices[c, 1] - ay, vertices[c, 2] - az
    apx, apy, apz = px - ax, py - ay, pz - az
    bpx, bpy, bpz = apx - abx, apy - aby, apz - abz
    cpx, cpy, cpz = apx - acx, apy - acy, apz - acz
    d1, d2 = abx * apx + aby * apy + abz * apz, acx * apx + acy * apy + acz * apz
    d3, d4 = abx * bpx + aby * bpy + abz * bpz, acx * bpx + acy * bpy + acz * bpz
    d5, d6 = abx * cpx + aby * cpy + abz * cpz, acx * cpx + acy * cpy + acz * cpz
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    if d1 <= 0 and d2 <= 0:
        u, v, w = 1.0, 0.0, 0.0
    elif d3 >= 0 and d4 <= d3:
        u, v, w = 0.0, 1.0, 0.0
    elif d6 >= 0 and d5 <= d6:
        u, v, w = 0.0, 0.0, 1.0
    elif vc <= 0 and d1 >= 0 and d3 <= 0:
        v = d1 / (d1 - d3)
        u, w = 1.0 - v, 0.0
    elif vb <= 0 and d2 >= 0 and d6 <= 0:
        w = d2 / (d2 - d6)
        u, v = 1.0 - w, 0.0
    elif va <= 0 and d4 - d3 >= 0 and d5 - d6 >= 0:
        w = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        u, v = 0.0, 1.0 - w
    else:
        s = 1.0 / (va + vb + vc)
        u, v, w = va * s, vb * s, vc * s
    x, y, z = v * abx + w * acx - apx, v * aby + w * acy - apy, v * abz + w * acz - apz
    return x * x + y * y + z * z, u, v, w


def depth(points: Float[np.ndarray, "n 3"], surface: Surface) -> Float[np.ndarray, " n"]:
    """How far inside the surface each point is, metres; 0 outside."""
    distance, _, _ = surface.distance(points)
    return np.maximum(-distance, 0.0)
