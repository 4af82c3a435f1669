"""The z-buffer for batches of tensors: on a GPU by kernels in Triton, on a CPU by the one of `rasterize`, in a loop.

Both follow the same rules in the same numbers (positions in 1/256 pixel, edges in whole numbers, the top-left rule,
one key per sample of a picture in single precision, the first face at equal keys), so they agree in every face.
"""

from __future__ import annotations

import os

import torch
from jaxtyping import Bool, Float, Float32, Float64, Int32
from torch import Tensor

from palmar.errors import PalmarError, need
from palmar.render.batch import BufferBatch, check_faces, per_sample
from palmar.render.rasterize import REACH_PX, SUBPIXEL_BITS, fill


def interpreted() -> bool:
    """Whether kernels in Triton run on CPU tensors: TRITON_INTERPRET=1 was set before Triton was imported."""
    return os.environ.get("TRITON_INTERPRET", "") == "1"


def uses_triton(device: torch.device) -> bool:
    """Whether batches on this device go through the kernels in Triton. Raises PalmarError where they would have to and
    Triton is not there, and for devices that have neither way."""
    if device.type == "cpu":
        return interpreted()
    if device.type != "cuda":
        raise PalmarError(f"render: batches are drawn on cpu or cuda, got tensors on {device}.")
    need("triton", extra="torch")
    return True


def snap_batch(
    xs: Float[Tensor, "b v"], ys: Float[Tensor, "b v"], keys: Float32[Tensor, "b v"]
) -> tuple[Int32[Tensor, "b v 2"], Float32[Tensor, "b v"]]:
    """Positions in 1/256 pixel, and the keys with 0 for every vertex that cannot be used."""
    place = torch.stack([xs, ys], -1).double()
    usable = (place.abs() < REACH_PX).all(-1) & (keys > 0) & (keys < torch.inf)  # false for NaN too
    whole = torch.floor(place * (1 << SUBPIXEL_BITS) + 0.5)
    snapped = torch.where(usable[..., None], whole, 0.0).to(torch.int32)
    return snapped, torch.where(usable, keys, 0.0)


def z_buffer(
    snapped: Int32[Tensor, "b v 2"],
    key: Float32[Tensor, "b v"],
    faces: Int32[Tensor, "b f 3"],
    cull: Bool[Tensor, "b f"],
    height: int,
    width: int,
) -> tuple[Int32[Tensor, "b h w"], Float32[Tensor, "b h w"]]:
    """The nearest triangle of every pixel, -1 for none, and its key, 0 for none: `rasterize.fill` for every sample."""
    b = len(snapped)
    if uses_triton(snapped.device):
        from palmar.render.triton_kernels import fill_batch

        return fill_batch(snapped, key, faces, cull, height, width)
    face_map = torch.full((b, height, width), -1, dtype=torch.int32)
    key_map = torch.zeros((b, height, width))
    for i in range(b):
        fill(
            snapped[i].contiguous().numpy(),
            key[i].contiguous().numpy(),
            faces[i].contiguous().numpy(),
            cull[i].contiguous().numpy(),
            face_map[i].numpy(),
            key_map[i].numpy(),
        )
    return face_map, key_map


def project_batch(
    vertices: Float32[Tensor, "b v 3"],
    camera_matrix: Float[Tensor, "b 3 3"],
    pixels: Float[Tensor, "b v 2"] | None,
    scale: int,
    near: float,
) -> tuple[Float64[Tensor, "b v"], Float64[Tensor, "b v"], Float32[Tensor, "b v"]]:
    """Where vertices fall in a picture of `scale` samples per pixel and side, and one over their depth, 0 for those not
    deeper than near. In double precision, so that positions snap alike everywhere."""
    x, y, z = vertices.double().unbind(-1)
    m = camera_matrix.double()[:, :, :, None]
    if pixels is None:
        u = (m[:, 0, 0] * x + m[:, 0, 1] * y) / z + m[:, 0, 2]
        v = (m[:, 1, 0] * x + m[:, 1, 1] * y) / z + m[:, 1, 2]
    else:
        u, v = pixels.double().unbind(-1)
    keys = torch.where(z > near, 1.0 / z, 0.0).float()
    return (u + 0.5) * scale - 0.5, (v + 0.5) * scale - 0.5, keys


def lamp_views(
    vertices: Float32[Tensor, "b v 3"], directions: Float32[Tensor, "b l 3"], size: int
) -> tuple[
    Float64[Tensor, "b l v"],
    Float64[Tensor, "b l v"],
    Float32[Tensor, "b l v"],
    Float32[Tensor, "b l 3 4"],
    Float32[Tensor, "b l"],
]:
    """Every mesh seen from every lamp without perspective: positions in a map of size x size pixels, keys larger nearer
    to the lamp, the maps' axes as `shade._lamp_view` gives them, and metres per pixel."""
    d = directions.double()
    dx, dy, dz = d.unbind(-1)
    zero = torch.zeros_like(dx)
    level = dx.abs() < 0.6
    length = torch.where(level, (dy * dy + dz * dz).sqrt(), (dx * dx + dz * dz).sqrt())
    first = (
        torch.where(level[..., None], torch.stack([zero, dz, -dy], -1), torch.stack([-dz, zero, dx], -1))
        / length[..., None]
    )
    axes = torch.stack([first, torch.linalg.cross(first, d), d], -2)  # [b, l, 3, 3]
    along = torch.einsum("blkc,bvc->blkv", axes, vertices.double())
    finite = torch.isfinite(along)
    low = torch.where(finite, along, torch.inf).amin(-1)
    high = torch.where(finite, along, -torch.inf).amax(-1)
    extent = (high - low)[..., :2].amax(-1).clamp(min=1e-9)
    scale = (size - 3) / extent
    middle = 0.5 * (size - 1) - 0.5 * (low + high)[..., :2] * scale[..., None]
    offset = torch.cat([middle, 1.0 - low[..., 2:]], -1)  # keys start at 1, so that 0 means nothing there
    factor = torch.stack([scale, scale, torch.ones_like(scale)], -1)
    xs, ys, keys = (along * factor[..., None] + offset[..., None]).unbind(-2)
    table = torch.cat([axes * factor[..., None], offset[..., None]], -1)
    return xs, ys, keys.float(), table.float(), (1.0 / scale).float()


def rasterize_batch(
    vertices_px: Float32[Tensor, "b v 3"],
    faces: Int32[Tensor, "f 3"] | Int32[Tensor, "b f 3"],
    height: int,
    width: int,
    *,
    near: float = 0.01,
    cull: bool | Bool[Tensor, " f"] | Bool[Tensor, "b f"] = False,
) -> BufferBatch:
    """`rasterize` for a batch of tensors; see there. cull may also say it per face."""
    if height < 1 or width < 1:
        raise PalmarError(f"rasterize: the picture must have pixels, got height {height} and width {width}.")
    if vertices_px.ndim != 3 or vertices_px.shape[-1] != 3:
        raise PalmarError(f"rasterize: expected vertices of shape (b, v, 3), got {tuple(vertices_px.shape)}.")
    b = len(vertices_px)
    if faces.ndim not in (2, 3) or faces.shape[-1] != 3 or (faces.ndim == 3 and len(faces) != b):
        raise PalmarError(f"rasterize: expected faces of shape (f, 3) or ({b}, f, 3), got {tuple(faces.shape)}.")
    if faces.device != vertices_px.device:
        raise PalmarError(f"rasterize: faces are on {faces.device}, but the vertices are on {vertices_px.device}.")
    if vertices_px.device.type == "cpu":
        check_faces(faces, vertices_px.shape[1])
    faces_each = per_sample(faces, 2, b)
    backs = torch.full(faces_each.shape[1:2], cull, device=faces.device) if isinstance(cull, bool) else cull
    x, y, depth = vertices_px.float().unbind(-1)
    keys = torch.where(depth > near, 1.0 / depth, 0.0)
    snapped, key = snap_batch(x, y, keys)
    face_map, key_map = z_buffer(snapped, key, faces_each, per_sample(backs, 1, b), height, width)
    return _resolve(snapped, key, faces_each, face_map, key_map)


def _resolve(snapped, key, faces, face_map, key_map) -> BufferBatch:
    """Perspective-correct weights and depth of the triangle seen in each pixel, as `rasterize._resolve` has them."""
    b, height, width = face_map.shape
    seen = face_map >= 0
    if faces.shape[1] == 0:
        return BufferBatch(face_map, key_map.new_zeros((*face_map.shape, 3)), torch.full_like(key_map, torch.inf))
    sample = torch.arange(b, device=face_map.device)[:, None, None]
    corners = faces[sample, face_map.clamp(min=0).long()].long()  # [b, h, w, 3]
    place = snapped.long()[sample[..., None], corners]  # [b, h, w, 3, 2]
    weight = key.double()[sample[..., None], corners]
    py = (torch.arange(height, device=face_map.device) << SUBPIXEL_BITS)[:, None]
    px = torch.arange(width, device=face_map.device) << SUBPIXEL_BITS
    x, y = place[..., 0] - px[..., None], place[..., 1] - py[..., None]
    areas = x.roll(-1, -1) * y.roll(-2, -1) - y.roll(-1, -1) * x.roll(-2, -1)  # opposite each corner
    shares = areas.double() * weight
    total = shares.sum(-1)
    bary = torch.where(seen[..., None], shares / total[..., None], 0.0).float()
    depth = torch.where(seen, areas.sum(-1).double() / total, torch.inf).float()
    return BufferBatch(face_map, bary, depth)
