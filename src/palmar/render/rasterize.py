"""Which triangle is seen in each pixel: a z-buffer over triangles in pixel coordinates.

Positions are snapped to 1/256 pixel and edges are tested in whole numbers, so that with the top-left rule two triangles
with a common edge never both take a pixel on it and never both leave it out. Depth is compared through a key that is
linear on the screen and larger when nearer: 1 / depth in perspective; orthographic maps bring their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32

from palmar.errors import PalmarError
from palmar.render.kernel import kernel

if TYPE_CHECKING:
    from torch import Tensor

    from palmar.render.batch import BufferBatch

SUBPIXEL_BITS = 8
REACH_PX = 2.0**20
"""Triangles with a vertex farther out than this are left out: their edges would not fit the whole numbers used."""


class Buffers(NamedTuple):
    """What a pixel sees. face: index of the triangle, -1 where there is none. bary: its perspective-correct weights,
    0 where there is none. depth: metres along the optical axis, inf where there is none."""

    face: Int32[np.ndarray, "h w"]
    bary: Float32[np.ndarray, "h w 3"]
    depth: Float32[np.ndarray, "h w"]


@kernel()
def snap(xs, ys, keys):
    """Positions in 1/256 pixel, int32 [V, 2], and the keys with 0 for every vertex that cannot be used."""
    n = len(xs)
    snapped = np.empty((n, 2), np.int32)
    key = np.empty(n, np.float32)
    scale = 1 << SUBPIXEL_BITS
    for i in range(n):
        x = np.float64(xs[i])
        y = np.float64(ys[i])
        k = keys[i]
        if abs(x) < REACH_PX and abs(y) < REACH_PX and k > 0.0 and k < np.inf:  # false for NaN too
            snapped[i, 0] = np.int32(np.floor(x * scale + 0.5))
            snapped[i, 1] = np.int32(np.floor(y * scale + 0.5))
            key[i] = k
        else:
            snapped[i, 0] = 0
            snapped[i, 1] = 0
            key[i] = 0.0
    return snapped, key


@kernel()
def fill(snapped, key, faces, cull, face_map, key_map):
    """Write the nearest triangle of each pixel into face_map and its key into key_map (both given, -1 and 0 at first).

    cull: per triangle, whether to leave it out where its outer side (vertices counter-clockwise from outside) looks
    away from the camera. Of two triangles at the same key, the first stays.
    """
    height, width = face_map.shape
    half = (1 << SUBPIXEL_BITS) - 1
    for f in range(len(faces)):
        a = faces[f, 0]
        b = faces[f, 1]
        c = faces[f, 2]
        ka = key[a]
        kb = key[b]
        kc = key[c]
        if ka == 0.0 or kb == 0.0 or kc == 0.0:
            continue
        ax = np.int64(snapped[a, 0])
        ay = np.int64(snapped[a, 1])
        bx = np.int64(snapped[b, 0])
        by = np.int64(snapped[b, 1])
        cx = np.int64(snapped[c, 0])
        cy = np.int64(snapped[c, 1])
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0 or (area > 0 and cull[f]):
            continue
        if area < 0:
            bx, cx = cx, bx
            by, cy = cy, by
            kb, kc = kc, kb
            area = -area
        x0 = max((min(ax, bx, cx) + half) >> SUBPIXEL_BITS, 0)
        x1 = min(max(ax, bx, cx) >> SUBPIXEL_BITS, width - 1)
        y0 = max((min(ay, by, cy) + half) >> SUBPIXEL_BITS, 0)
        y1 = min(max(ay, by, cy) >> SUBPIXEL_BITS, height - 1)
        if x0 > x1 or y0 > y1:
            continue
        # The edge opposite each vertex; positive inside. It is top or left where it goes up, or level to the right.
        dxa = cx - bx
        dya = cy - by
        dxb = ax - cx
        dyb = ay - cy
        dxc = bx - ax
        dyc = by - ay
        biasa = 0 if dya < 0 or (dya == 0 and dxa > 0) else -1
        biasb = 0 if dyb < 0 or (dyb == 0 and dxb > 0) else -1
        biasc = 0 if dyc < 0 or (dyc == 0 and dxc > 0) else -1
        px = x0 << SUBPIXEL_BITS
        py = y0 << SUBPIXEL_BITS
        rowa = dxa * (py - by) - dya * (px - bx) + biasa
        rowb = dxb * (py - cy) - dyb * (px - cx) + biasb
        rowc = dxc * (py - ay) - dyc * (px - ax) + biasc
        over_area = np.float32(1.0) / np.float32(area)
        kb = (kb - ka) * over_area
        kc = (kc - ka) * over_area
        for y in range(y0, y1 + 1):
            ea = rowa
            eb = rowb
            ec = rowc
            for x in range(x0, x1 + 1):
                if (ea | eb | ec) >= 0:
                    k = ka + np.float32(eb - biasb) * kb + np.float32(ec - biasc) * kc
                    if k > key_map[y, x]:
                        key_map[y, x] = k
                        face_map[y, x] = f
                ea -= dya << SUBPIXEL_BITS
                eb -= dyb << SUBPIXEL_BITS
                ec -= dyc << SUBPIXEL_BITS
            rowa += dxa << SUBPIXEL_BITS
            rowb += dxb << SUBPIXEL_BITS
            rowc += dxc << SUBPIXEL_BITS


@kernel()
def _resolve(snapped, key, faces, face_map, bary, depth):
    """Perspective-correct weights and depth of the triangle seen in each pixel."""
    height, width = face_map.shape
    for y in range(height):
        for x in range(width):
            f = face_map[y, x]
            if f < 0:
                bary[y, x, 0] = 0.0
                bary[y, x, 1] = 0.0
                bary[y, x, 2] = 0.0
                depth[y, x] = np.inf
                continue
            a = faces[f, 0]
            b = faces[f, 1]
            c = faces[f, 2]
            px = np.int64(x) << SUBPIXEL_BITS
            py = np.int64(y) << SUBPIXEL_BITS
            ax = np.int64(snapped[a, 0]) - px
            ay = np.int64(snapped[a, 1]) - py
            bx = np.int64(snapped[b, 0]) - px
            by = np.int64(snapped[b, 1]) - py
            cx = np.int64(snapped[c, 0]) - px
            cy = np.int64(snapped[c, 1]) - py
            wa = np.float64(bx * cy - by * cx) * key[a]
            wb = np.float64(cx * ay - cy * ax) * key[b]
            wc = np.float64(ax * by - ay * bx) * key[c]
            area = np.float64((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
            total = wa + wb + wc
            bary[y, x, 0] = wa / total
            bary[y, x, 1] = wb / total
            bary[y, x, 2] = wc / total
            depth[y, x] = area / total


def contiguous(array: np.ndarray | None, dtype: type) -> np.ndarray:
    """The array as the kernels take it, a copy only where it must be: Numba would compile anew for other layouts."""
    return np.require(array, dtype, ["C", "W"])


def check_faces(faces: np.ndarray, vertices: int) -> None:
    """Raise PalmarError where a face names a vertex that is not there; the kernels do not look again."""
    if faces.ndim != 2 or faces.shape[1] != 3:
        raise PalmarError(f"faces: expected shape (F, 3), got {faces.shape}.")
    if len(faces) and (int(faces.min()) < 0 or int(faces.max()) >= vertices):
        raise PalmarError(f"faces: indices must lie in 0..{vertices - 1}, got {int(faces.min())}..{int(faces.max())}.")


def empty_maps(height: int, width: int) -> tuple[Int32[np.ndarray, "h w"], Float32[np.ndarray, "h w"]]:
    """A face map and a key map with nothing in them."""
    return np.full((height, width), -1, np.int32), np.zeros((height, width), np.float32)


@overload
def rasterize(
    vertices_px: Float32[np.ndarray, "v 3"],
    faces: Int32[np.ndarray, "f 3"],
    height: int,
    width: int,
    *,
    near: float = 0.01,
    cull: bool = False,
) -> Buffers: ...


@overload
def rasterize(
    vertices_px: Tensor,
    faces: Tensor,
    height: int,
    width: int,
    *,
    near: float = 0.01,
    cull: bool | Tensor = False,
) -> BufferBatch: ...


def rasterize(vertices_px: Any, faces: Any, height: int, width: int, *, near: float = 0.01, cull: Any = False) -> Any:
    """The nearest triangle of every pixel.

    vertices_px: x and y in pixels (centres at integers) and depth in metres. A triangle is left out where one of its
    vertices is NaN, infinite, not deeper than `near`, or more than 2**20 pixels out; nothing is clipped.
    cull: also leave out triangles seen from behind (outside is where the vertices run counter-clockwise).
    Raises PalmarError for faces that name no vertex and for an empty picture.

    Tensors are a batch: vertices [b, v, 3], faces [f, 3] for all or [b, f, 3], cull also per face, and `BufferBatch`
    comes back on the same device. On a GPU nothing waits for the host, faces are not looked at, and those that name no
    vertex are left out.
    """
    if not isinstance(vertices_px, np.ndarray):
        from palmar.render.device import rasterize_batch

        return rasterize_batch(vertices_px, faces, height, width, near=near, cull=cull)
    if height < 1 or width < 1:
        raise PalmarError(f"rasterize: the picture must have pixels, got height {height} and width {width}.")
    vertices_px = contiguous(vertices_px, np.float32)
    faces = contiguous(faces, np.int32)
    check_faces(faces, len(vertices_px))
    depth = vertices_px[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        keys = np.where(depth > near, np.float32(1.0) / depth, np.float32(0.0))
    snapped, key = snap(vertices_px[:, 0].copy(), vertices_px[:, 1].copy(), keys)
    face_map, key_map = empty_maps(height, width)
    fill(snapped, key, faces, np.full(len(faces), cull), face_map, key_map)
    bary = np.empty((height, width, 3), np.float32)
    _resolve(snapped, key, faces, face_map, bary, key_map)
    return Buffers(face_map, bary, key_map)


@overload
def visible(
    points_camera: Float[np.ndarray, "*c 3"],
    depth: Float[np.ndarray, "h w"],
    camera_matrix: Float[np.ndarray, "3 3"],
    tolerance: float | Float[np.ndarray, " _"],
) -> Bool[np.ndarray, "*c"]: ...


@overload
def visible(
    points_camera: Tensor, depth: Tensor, camera_matrix: Tensor, tolerance: float | Float[np.ndarray, " _"]
) -> Tensor: ...


def visible(
    points_camera: Any, depth: Any, camera_matrix: Any, tolerance: float | Float[np.ndarray, " _"]
) -> Any:
    """Whether each point lies in the picture with nothing more than `tolerance` metres in front of it.

    depth: metres at pixel centres, inf where empty, as `rasterize` and `render` give it; the pixel nearest to the
    point's projection is asked. Points that are not finite or not in front of the camera are not visible. A joint lies
    inside the flesh, so its tolerance must be what it has of it in front, one number per point if they differ; 2 mm
    suits points on the skin. Tensors are a batch: points [b, n, 3], depth [b, h, w], camera matrices [b, 3, 3].
    """
    if not isinstance(depth, np.ndarray):
        from palmar.render.batch import visible_batch

        return visible_batch(points_camera, depth, camera_matrix, tolerance)
    points = np.asarray(points_camera, np.float64)
    z = points[..., 2]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        pixels = (points @ np.asarray(camera_matrix, np.float64).T)[..., :2] / z[..., None]
        at = np.floor(pixels + 0.5)
        height, width = depth.shape
        inside = (z > 0) & (at[..., 0] >= 0) & (at[..., 0] < width) & (at[..., 1] >= 0) & (at[..., 1] < height)
    column = np.where(inside, at[..., 0], 0).astype(np.int64)
    row = np.where(inside, at[..., 1], 0).astype(np.int64)
    return inside & (z <= depth[row, column] + tolerance)
