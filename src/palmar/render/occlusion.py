"""How much of the surroundings reaches each vertex: small depth maps from directions all around."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import numpy as np
from jaxtyping import Bool, Float32, Int32

from palmar.errors import PalmarError
from palmar.render.kernel import kernel
from palmar.render.light import spread_directions
from palmar.render.mesh import _vertex_normals
from palmar.render.rasterize import check_faces, contiguous, fill, snap
from palmar.render.shade import _lamp_view

if TYPE_CHECKING:
    from torch import Tensor


@kernel()
def _add(keys, xs, ys, normals, direction, depth_map, texel, bias, seen, possible):
    """Add one direction's share to every vertex: its cosine, and as much of it as the map lets through."""
    last = depth_map.shape[0] - 1
    for i in range(len(normals)):
        nl = normals[i, 0] * direction[0] + normals[i, 1] * direction[1] + normals[i, 2] * direction[2]
        if not nl > 0.0 or not np.isfinite(keys[i]):
            continue
        possible[i] += nl
        column = min(max(int(xs[i] + 0.5), 0), last)
        row = min(max(int(ys[i] + 0.5), 0), last)
        # Within one texel the surface itself may rise by the slope that the direction has to it.
        slope = min(np.sqrt(max(1.0 - nl * nl, 0.0)) / nl, 3.0)
        if depth_map[row, column] <= keys[i] + bias + texel * slope:
            seen[i] += nl


@overload
def ambient_occlusion(
    vertices: Float32[np.ndarray, "v 3"],
    faces: Int32[np.ndarray, "f 3"],
    *,
    closed: Bool[np.ndarray, " f"] | None = None,
    directions: int = 12,
    size: int = 48,
    bias: float = 0.003,
) -> Float32[np.ndarray, " v"]: ...


@overload
def ambient_occlusion(
    vertices: Tensor,
    faces: Tensor,
    *,
    closed: Tensor | None = None,
    directions: int = 12,
    size: int = 48,
    bias: float = 0.003,
) -> Tensor: ...


def ambient_occlusion(
    vertices: Any, faces: Any, *, closed: Any = None, directions: int = 12, size: int = 48, bias: float = 0.003
) -> Any:
    """The share of the surroundings' light that reaches each vertex past the mesh itself: 1 in the open, 0 enclosed.

    Weighted by the cosine to the vertex normal. closed: as in `Mesh`. directions, size: how many depth maps of how many
    pixels; each spans the mesh, so hands that stand apart are better done one by one. bias: metres that an occluder
    must stand off. The error is about 1 / sqrt(directions) of what is hidden, smooth over the surface.
    Tensors are a batch: vertices [b, v, 3], faces and closed for all samples or for each, and [b, v] comes back.
    """
    if directions < 1 or size < 8:
        raise PalmarError(
            f"ambient_occlusion: expected at least 1 direction and 8 pixels, got {directions} and {size}."
        )
    if not isinstance(vertices, np.ndarray):
        from palmar.render.deferred import ambient_occlusion_batch

        return ambient_occlusion_batch(vertices, faces, closed, directions, size, bias)
    vertices, faces = contiguous(vertices, np.float32), contiguous(faces, np.int32)
    check_faces(faces, len(vertices))
    backs = np.zeros(len(faces), bool) if closed is None else contiguous(closed, bool)
    normals = _vertex_normals(vertices, faces)
    seen, possible = np.zeros(len(vertices), np.float32), np.zeros(len(vertices), np.float32)
    face_map = np.empty((size, size), np.int32)
    for direction in spread_directions(directions).astype(np.float32):
        xs, ys, keys, _, texel = _lamp_view(vertices, direction, size)
        snapped, key = snap(xs, ys, keys)
        depth_map = np.zeros((size, size), np.float32)
        fill(snapped, key, faces, backs, face_map, depth_map)
        _add(keys, xs, ys, normals, direction, depth_map, texel, np.float32(bias), seen, possible)
    return np.where(possible > 0, seen / np.maximum(possible, 1e-6), 1.0).astype(np.float32)
