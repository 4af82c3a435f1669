"""Bands around a finger, the palm, the wrist or the forearm: rings, bracelets, watch straps, bandages, cuffs.

A band is a stack of loops. Each loop is where a plane cuts the surface at rest, as combinations of vertices, so that it
follows the skin in every pose; a profile says how far off the skin each loop is held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32
from scipy.sparse import csr_matrix, vstack

from palmar.errors import PalmarError
from palmar.render import Mesh


@dataclass(frozen=True, eq=False)
class Band:
    """Loops of n points each around something, joined one to the next, and the last to the first where closed."""

    from_surface: csr_matrix
    """[k n, v] convex combinations, loop by loop."""
    loops: int
    gap: Float32[np.ndarray, " kn"]
    """Metres off the surface, away from the loop's middle."""
    albedo: Float32[np.ndarray, "kn 3"]
    roughness: float
    specular: float
    part: int
    closed: bool = True

    @property
    def faces(self) -> Int32[np.ndarray, "f 3"]:
        """Outward where loops follow each other along the direction about which they run counter-clockwise."""
        n = len(self.gap) // self.loops
        i, j = np.meshgrid(np.arange(self.loops if self.closed else self.loops - 1), np.arange(n), indexing="ij")
        after, turn = (i + 1) % self.loops, (j + 1) % n
        a, b = (i * n + j).ravel(), (i * n + turn).ravel()
        c, d = (after * n + turn).ravel(), (after * n + j).ravel()
        return np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]).astype(np.int32)

    def points(self, vertices: Float[np.ndarray, "v 3"]) -> Float[np.ndarray, "k n 3"]:
        """Over a posed surface."""
        on = (self.from_surface @ vertices).reshape(self.loops, -1, 3)
        out = on - on.mean(1, keepdims=True)
        out /= np.linalg.norm(out, axis=2, keepdims=True) + 1e-12
        return on + out * self.gap.reshape(self.loops, -1, 1)

    def on(self, vertices: Float[np.ndarray, "v 3"], normals: Float[np.ndarray, "v 3"]) -> Mesh:
        """The band over a posed surface; normals are not needed."""
        points = self.points(vertices).reshape(-1, 3)
        n = len(points)
        return Mesh(
            points.astype(np.float32),
            self.faces,
            self.albedo,
            np.full(n, self.roughness, np.float32),
            np.full(n, self.specular, np.float32),
            part=np.full(n, self.part, np.uint8),
        )


def section(
    vertices: Float[np.ndarray, "v 3"],
    faces: Int32[np.ndarray, "f 3"],
    use: Bool[np.ndarray, " f"],
    point: Float[np.ndarray, " 3"],
    normal: Float[np.ndarray, " 3"],
    start: Float[np.ndarray, " 3"],
    count: int,
) -> csr_matrix:
    """Where a plane cuts the chosen faces, at `count` equal angles about its middle, counter-clockwise about `normal`.

    start: direction of the first point. Returns combinations [count, v]. Raises PalmarError where the plane misses.
    """
    normal = normal / np.linalg.norm(normal)
    height = (vertices - point) @ normal
    f = faces[use]
    edges = np.unique(np.sort(np.concatenate([f[:, [0, 1]], f[:, [1, 2]], f[:, [2, 0]]]), 1), axis=0)
    a, b = edges.T
    cut = (height[a] > 0) != (height[b] > 0)
    a, b = a[cut], b[cut]
    if len(a) < 3:
        raise PalmarError("section: the plane does not cut the surface there.")
    share = height[a] / (height[a] - height[b])
    points = vertices[a] + share[:, None] * (vertices[b] - vertices[a])
    first = start - start @ normal * normal
    first = first / np.linalg.norm(first)
    second = np.cross(normal, first)
    middle = (points.max(0) + points.min(0)) / 2
    angle = np.arctan2((points - middle) @ second, (points - middle) @ first) % (2 * np.pi)
    order = np.argsort(angle, kind="stable")
    angle, a, b, share = angle[order], a[order], b[order], share[order]
    wanted = np.arange(count) * (2 * np.pi / count)
    after = np.searchsorted(angle, wanted) % len(angle)
    before = after - 1
    span = (angle[after] - angle[before]) % (2 * np.pi)
    mix = np.where(span > 1e-9, ((wanted - angle[before]) % (2 * np.pi)) / np.maximum(span, 1e-9), 0.0).clip(0, 1)
    rows = np.repeat(np.arange(count), 4)
    columns = np.stack([a[before], b[before], a[after], b[after]], 1).reshape(-1)
    one, two = share[before], share[after]
    values = np.stack([(1 - mix) * (1 - one), (1 - mix) * one, mix * (1 - two), mix * two], 1).reshape(-1)
    return csr_matrix((values, (rows, columns)), shape=(count, len(vertices)))


def band(
    vertices: Float[np.ndarray, "v 3"],
    faces: Int32[np.ndarray, "f 3"],
    use: Bool[np.ndarray, " f"],
    point: Float[np.ndarray, " 3"],
    normal: Float[np.ndarray, " 3"],
    start: Float[np.ndarray, " 3"],
    profile: Sequence[tuple[float, float]],
    *,
    colour: Float[np.ndarray, " 3"],
    roughness: float,
    specular: float,
    part: int,
    count: int = 28,
    closed: bool = True,
) -> Band:
    """A band whose cross-section is `profile`: metres along `normal` from `point`, and metres off the surface."""
    normal = normal / np.linalg.norm(normal)
    loops = [section(vertices, faces, use, point + s * normal, normal, start, count) for s, _ in profile]
    gap = np.repeat([g for _, g in profile], count).astype(np.float32)
    albedo = np.tile(np.asarray(colour, np.float32), (len(gap), 1))
    return Band(csr_matrix(vstack(loops)), len(loops), gap, albedo, roughness, specular, part, closed)


def round_profile(thick: float, wide: float, sides: int = 8, sunk: float = 0.35) -> list[tuple[float, float]]:
    """An oval cross-section, `sunk` of its thickness in the skin, running so that a band of it faces outward."""
    angle = -np.arange(sides) * (2 * np.pi / sides)
    return [(float(wide / 2 * np.cos(t)), float(thick * (0.5 - sunk) - thick / 2 * np.sin(t))) for t in angle][::-1]


def strap_profile(thick: float, wide: float) -> list[tuple[float, float]]:
    """A flat cross-section with edges that go into the skin."""
    w = wide / 2
    return [(-w, -0.0005), (-w, thick), (-w / 3, thick * 1.05), (w / 3, thick * 1.05), (w, thick), (w, -0.0005)]
