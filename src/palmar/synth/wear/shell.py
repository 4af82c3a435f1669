"""Shells: surfaces that ride on another one, whatever its pose.

Every vertex of a shell is a convex combination of the vertices below it, held a given way off along the normal there.
That is one sparse matrix, made once from the rest surface; posing the shell is a product, and its faces never change.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int32
from scipy.sparse import csr_matrix, identity

from palmar.render import Mesh


@dataclass(frozen=True, eq=False)
class Shell:
    """A part of the body's surface, cut, smoothed, and held `gap` metres off."""

    from_body: csr_matrix
    """[n, v] convex combinations."""
    faces: Int32[np.ndarray, "f 3"]
    gap: Float32[np.ndarray, " n"]
    albedo: Float32[np.ndarray, "n 3"]
    roughness: float
    specular: float
    part: int
    flat: bool = False
    """Lies on the surface like ink or hair: shaded with the normals below it."""

    def lift(self, count: int) -> Float[np.ndarray, " v"]:
        """How far each of `count` body vertices would have to be lifted to be covered, about; metres."""
        weight = self.from_body.T
        total = np.asarray(weight.sum(1)).reshape(-1)
        lifted = weight @ self.gap.astype(np.float64)
        assert len(lifted) == count
        return np.where(total > 0.05, lifted / np.maximum(total, 0.05), 0.0)

    def on(self, vertices: Float[np.ndarray, "v 3"], normals: Float[np.ndarray, "v 3"]) -> Mesh:
        """Over a posed body."""
        out = self.from_body @ normals
        out /= np.linalg.norm(out, axis=1, keepdims=True) + 1e-9
        points = self.from_body @ vertices + out * self.gap[:, None]
        n = len(points)
        return Mesh(
            points.astype(np.float32),
            self.faces,
            self.albedo,
            np.full(n, self.roughness, np.float32),
            np.full(n, self.specular, np.float32),
            part=np.full(n, self.part, np.uint8),
            normals=out.astype(np.float32) if self.flat else None,
        )


def cut(faces: Int32[np.ndarray, "f 3"], field: Float[np.ndarray, " v"]) -> tuple[csr_matrix, Int32[np.ndarray, "g 3"]]:
    """The part of a mesh where the field is above 0, cut exactly along its zero.

    Returns the new vertices as combinations of the old [n, v], and the faces.
    """
    inside = field > 0
    count = inside[faces].sum(1)
    whole = faces[count == 3]
    new: dict[tuple[int, int], int] = {}
    pairs: list[tuple[int, int, float]] = []

    def crossing(a: int, b: int) -> int:
        key = (min(a, b), max(a, b))
        if key not in new:
            new[key] = len(pairs)
            share = field[key[0]] / (field[key[0]] - field[key[1]])
            pairs.append((key[0], key[1], float(share)))
        return -1 - new[key]

    made: list[tuple[int, int, int]] = []
    for f in faces[(count == 1) | (count == 2)]:
        k = int(np.flatnonzero(inside[f] == (inside[f].sum() == 1))[0])
        a, b, c = (int(f[(k + i) % 3]) for i in range(3))
        ab, ca = crossing(a, b), crossing(c, a)
        if inside[a]:
            made.append((a, ab, ca))
        else:
            made += [(ab, b, c), (ab, c, ca)]
    old = np.unique(np.concatenate([whole.reshape(-1), [i for f in made for i in f if i >= 0]]).astype(int))
    number = {int(o): k for k, o in enumerate(old)}
    lookup = np.full(len(field), -1)
    lookup[old] = np.arange(len(old))
    rest = [[number[i] if i >= 0 else len(old) - 1 - i for i in f] for f in made]
    out_faces = np.concatenate([lookup[whole], np.array(rest, int).reshape(-1, 3)]).astype(np.int32)
    rows = np.concatenate([np.arange(len(old)), np.repeat(np.arange(len(pairs)) + len(old), 2)])
    columns = np.concatenate([old, [i for a, b, _ in pairs for i in (a, b)]])
    values = np.concatenate([np.ones(len(old)), [w for _, _, s in pairs for w in (1 - s, s)]])
    matrix = csr_matrix((values, (rows, columns.astype(int))), shape=(len(old) + len(pairs), len(field)))
    return matrix, out_faces


def smoother(faces: Int32[np.ndarray, "f 3"], count: int, steps: int) -> csr_matrix:
    """[n, n]: `steps` times halfway to the mean of the neighbours; edges of the surface only along themselves."""
    edge = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    key = np.sort(edge, 1)
    both, uses = np.unique(key, axis=0, return_counts=True)
    rim = np.zeros(count, bool)
    rim[both[uses == 1]] = True
    keep = (uses == 1) | ~rim[both].all(1)
    i, j = both[keep].T
    # a vertex of the rim follows only its neighbours on the rim
    rim_edge = uses[keep] == 1
    out_i = np.concatenate([i[rim_edge | ~rim[i]], j[rim_edge | ~rim[j]]])
    out_j = np.concatenate([j[rim_edge | ~rim[i]], i[rim_edge | ~rim[j]]])
    ones = csr_matrix((np.ones(len(out_i)), (out_i, out_j)), shape=(count, count))
    degree = np.asarray(ones.sum(1)).reshape(-1)
    mean = csr_matrix((1.0 / np.maximum(degree, 1), (np.arange(count), np.arange(count))), shape=(count, count)) @ ones
    lonely = csr_matrix((np.where(degree == 0, 0.5, 0.0), (np.arange(count), np.arange(count))), shape=(count, count))
    step = 0.5 * identity(count, format="csr") + 0.5 * mean + lonely
    out = identity(count, format="csr")
    for _ in range(steps):
        out = step @ out
        out.data[np.abs(out.data) < 1e-4] = 0.0
        out.eliminate_zeros()
    sums = np.asarray(out.sum(1)).reshape(-1)
    return csr_matrix(csr_matrix((1 / sums, (np.arange(count), np.arange(count))), shape=(count, count)) @ out)
