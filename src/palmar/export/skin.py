"""The hand's mesh as files hold it: one row per corner that differs in place or texture, with its few bones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int

from palmar.hand import HandModel

BASE_COLOUR = (0.80, 0.58, 0.47)
"""Linear RGB of a mean skin."""
ROUGHNESS = 0.55


@dataclass(frozen=True, eq=False)
class Skin:
    """C corners of the mesh: `vertex` is the model's vertex of each."""

    vertex: Int[np.ndarray, " c"]
    uv: Float64[np.ndarray, "c 2"]
    """Texture coordinates, v upwards."""
    triangles: Int[np.ndarray, "f 3"]
    """Rows of the corners, outward by the right-hand rule."""
    bones: Int[np.ndarray, "c k"]
    """The bones that move a corner, heaviest first; 0 where the weight is 0. k is a multiple of 4."""
    weights: Float64[np.ndarray, "c k"]
    """Sum 1."""


def skin_of(model: HandModel) -> Skin:
    """The model's mesh. No influence is dropped: k grows where four bones are not enough."""
    pairs = np.stack([model.faces.reshape(-1), model.face_uv.reshape(-1)], 1)
    corners, index = np.unique(pairs, axis=0, return_inverse=True)
    vertex = corners[:, 0].astype(np.int64)
    most = int((model.weights > 0).sum(1).max())
    k = -(-most // 4) * 4
    order = np.argsort(-model.weights, axis=1, kind="stable")[:, :k]
    weights = np.take_along_axis(model.weights, order, 1)
    bones = np.where(weights > 0, order, 0)
    return Skin(
        vertex=vertex,
        uv=model.uv[corners[:, 1]].astype(np.float64),
        triangles=index.reshape(-1, 3).astype(np.int64),
        bones=bones[vertex].astype(np.int64),
        weights=(weights / weights.sum(1, keepdims=True))[vertex],
    )


def normals(vertices: Float64[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> Float64[np.ndarray, "v 3"]:
    """Unit normals of a closed mesh's vertices, mean of the faces' by area; up where a vertex has no face."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    face = np.cross(b - a, c - a)
    out = np.zeros_like(vertices)
    for i in range(3):
        np.add.at(out, faces[:, i], face)
    length = np.linalg.norm(out, axis=1, keepdims=True)
    return np.where(length > 1e-20, out / np.maximum(length, 1e-20), [0.0, 1.0, 0.0])
