"""What touches what: distances between a hand and a thing, both ways, exact on both surfaces.

The hand's vertices ask the thing's solid. The thing's vertices ask the hand's mesh: the nearest triangle gives the
distance, the winding number of the closed mesh its sign (Jacobson et al. 2013; solid angles after Van Oosterom and
Strackee 1983).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int32
from scipy.spatial import cKDTree

from palmar.render.kernel import kernel
from palmar.synth.grasp.take import CONTACT
from palmar.synth.things.thing import Thing


@dataclass(frozen=True, eq=False)
class Contact:
    """Of one hand and one thing. v vertices of the hand model, w of the thing's drawn mesh."""

    hand_distance: Float[np.ndarray, " v"]
    """Metres from the hand's vertices to the thing, < 0 inside."""
    hand: Float[np.ndarray, " v"]
    """1 where that is below `CONTACT`."""
    thing_distance: Float[np.ndarray, " w"]
    """Metres from the thing's vertices to the hand, < 0 inside."""
    thing: Float[np.ndarray, " w"]


def contact(
    vertices: Float[np.ndarray, "v 3"],
    faces: Int32[np.ndarray, "f 3"],
    thing: Thing,
    world_from_thing: Float[np.ndarray, "4 4"],
    articulation: Float[np.ndarray, " a"] | None = None,
) -> Contact:
    """Between a hand's mesh (closed, world frame, of either side) and a thing that stands at `world_from_thing`."""
    turn, place = world_from_thing[:3, :3], world_from_thing[:3, 3]
    local = (vertices - place) @ turn
    one = thing.sdf(local, articulation)
    two = mesh_distance(local, faces, thing.mesh(articulation).vertices.astype(np.float64))
    return Contact(one, (one < CONTACT).astype(np.float64), two, (two < CONTACT).astype(np.float64))


def mesh_distance(
    vertices: Float[np.ndarray, "v 3"], faces: Int32[np.ndarray, "f 3"], points: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, " n"]:
    """Metres from points to a closed mesh, < 0 inside. Signs only within 20 mm; beyond, points count as outside."""
    vertices = np.ascontiguousarray(vertices, np.float64)
    upper, _ = cKDTree(vertices).query(points)
    corners = vertices[faces]
    middle = corners.mean(1)
    radius = np.linalg.norm(corners - middle[:, None], axis=-1).max(1)
    return _mesh_distance(np.ascontiguousarray(points, np.float64), corners, middle, radius, upper)


@kernel()
def _to_triangle(px, py, pz, t):
    """Squared distance of a point to a triangle [3, 3]. Ericson 2005, section 5.1.5."""
    abx, aby, abz = t[1, 0] - t[0, 0], t[1, 1] - t[0, 1], t[1, 2] - t[0, 2]
    acx, acy, acz = t[2, 0] - t[0, 0], t[2, 1] - t[0, 1], t[2, 2] - t[0, 2]
    apx, apy, apz = px - t[0, 0], py - t[0, 1], pz - t[0, 2]
    d1, d2 = abx * apx + aby * apy + abz * apz, acx * apx + acy * apy + acz * apz
    aa, bb, ab = abx * abx + aby * aby + abz * abz, acx * acx + acy * acy + acz * acz, abx * acx + aby * acy + abz * acz
    d3, d4, d5, d6 = d1 - aa, d2 - ab, d1 - ab, d2 - bb
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    if d1 <= 0.0 and d2 <= 0.0:
        v, w = 0.0, 0.0
    elif d3 >= 0.0 and d4 <= d3:
        v, w = 1.0, 0.0
    elif d6 >= 0.0 and d5 <= d6:
        v, w = 0.0, 1.0
    elif vc <= 0.0 and d1 >= 0.0 and d3 <= 0.0:
        v, w = d1 / (d1 - d3), 0.0
    elif vb <= 0.0 and d2 >= 0.0 and d6 <= 0.0:
        v, w = 0.0, d2 / (d2 - d6)
    elif va <= 0.0 and d4 >= d3 and d5 >= d6:
        w = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        v = 1.0 - w
    else:
        total = va + vb + vc
        v, w = vb / total, vc / total
    x, y, z = apx - v * abx - w * acx, apy - v * aby - w * acy, apz - v * abz - w * acz
    return x * x + y * y + z * z


@kernel()
def _mesh_distance(points, corners, middle, radius, upper):
    out = np.empty(len(points))
    for i in range(len(points)):
        px, py, pz = points[i, 0], points[i, 1], points[i, 2]
        best = upper[i]
        for f in range(len(corners)):
            x, y, z = px - middle[f, 0], py - middle[f, 1], pz - middle[f, 2]
            reach = best + radius[f]
            if x * x + y * y + z * z < reach * reach:
                best = min(best, np.sqrt(_to_triangle(px, py, pz, corners[f])))
        if best < 0.02:
            angle = 0.0
            for f in range(len(corners)):
                t = corners[f]
                ax, ay, az = t[0, 0] - px, t[0, 1] - py, t[0, 2] - pz
                bx, by, bz = t[1, 0] - px, t[1, 1] - py, t[1, 2] - pz
                cx, cy, cz = t[2, 0] - px, t[2, 1] - py, t[2, 2] - pz
                a = np.sqrt(ax * ax + ay * ay + az * az)
                b = np.sqrt(bx * bx + by * by + bz * bz)
                c = np.sqrt(cx * cx + cy * cy + cz * cz)
                top = ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)
                bottom = (
                    a * b * c
                    + (ax * bx + ay * by + az * bz) * c
                    + (bx * cx + by * cy + bz * cz) * a
                    + (cx * ax + cy * ay + cz * az) * b
                )
                angle += np.arctan2(top, bottom)
            if abs(angle) > np.pi:  # a full turn of 4 pi is 2 pi of these half angles
                best = -best
        out[i] = best
    return out
