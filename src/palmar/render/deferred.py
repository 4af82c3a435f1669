"""Shading of batches: from z-buffers to linear light, coverage and labels, in plain PyTorch operations.

The formulas are those of `palmar.render.shade`, which stays the reference. What differs is the order of work: there the
samples of a pixel are gathered into lists as they come; here every pixel has the same number of surfaces, whether or
not it needs them, for a GPU must not ask how many there are. Shapes are static and no number is looked at on the host,
so the whole can be compiled (`torch.compile`, no graph breaks). Letters as there: n normal, v towards the camera, l
towards the lamp, h halfway between v and l.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int32, Int64
from torch import Tensor

from palmar.errors import PalmarError
from palmar.render.batch import LightBatch, MeshBatch, RenderedBatch, check_faces, per_sample, vertex_normals_batch
from palmar.render.device import lamp_views, project_batch, snap_batch, z_buffer
from palmar.render.grain import CELL, CONTRAST, DEPTH, value_noise
from palmar.render.light import spread_directions
from palmar.render.rasterize import SUBPIXEL_BITS
from palmar.render.shade import F0, GRAZING, NO_PART


class Surfaces(NamedTuple):
    """What the shading needs of the points it is asked for: [b, n] or [b, n, 3]."""

    point: Tensor
    normal: Tensor
    albedo: Tensor
    roughness: Tensor
    specular: Tensor
    occlusion: Tensor


class Maps(NamedTuple):
    """Shadow maps of the lamps that may cast: keys [b, m, s, s], axes [b, m, 3, 4], metres per texel [b, m]."""

    keys: Tensor
    axes: Tensor
    texels: Tensor


def render_batch(
    mesh: MeshBatch,
    camera_matrix: Float[Tensor, "b 3 3"],
    height: int,
    width: int,
    light: LightBatch,
    *,
    supersample: int = 2,
    near: float = 0.01,
    merge: float = 0.02,
    surfaces: int = 2,
    edges: float = 0.125,
    pixels: Float[Tensor, "b v 2"] | None = None,
    compiled: bool = False,
) -> RenderedBatch:
    """`render` for a batch of tensors; see there. All samples have one size of picture.

    surfaces: how many different surfaces (those that `merge` keeps apart) a pixel can show. Samples beyond them are
    counted with the last, so that coverage stays exact and only pixels where more surfaces meet than that are a little
    off; with supersample^2 surfaces every pixel is that of `render`. Time grows with it.

    edges: on a GPU, the largest share of a picture's pixels that can show more than one surface, for there is room for
    so many and nobody asks how many there are; in pixels beyond it, row by row, all samples count with the nearest
    surface. In crops of hands 1 to 5 % of the pixels have a second surface. On a CPU there is room for all.

    compiled: shade through `torch.compile`, which takes a minute or two at the first call for every shape of batch.
    Step by step, two surfaces of 128 x 128 pixels under two lamps read and write 0.16 GB, which alone keeps an H100
    (3.35 TB/s) below 21,000 pictures a second; compiled, 6 MB of it are left to be written and read again. Results
    differ by rounding.
    """
    b, v = mesh.vertices.shape[:2]
    f = mesh.faces.shape[-2]
    if height < 1 or width < 1 or supersample < 1 or surfaces < 1 or not 0 < edges <= 1:
        raise PalmarError(
            f"render: the picture must have pixels, got {height} x {width}, supersample {supersample}, "
            f"surfaces {surfaces}, edges {edges}."
        )
    if len(light) != b or tuple(camera_matrix.shape) != (b, 3, 3):
        raise PalmarError(
            f"render: {b} meshes need as many lights and camera matrices of shape (3, 3), got {len(light)} lights and "
            f"matrices of shape {tuple(camera_matrix.shape)}."
        )
    if pixels is not None and tuple(pixels.shape) != (b, v, 2):
        raise PalmarError(f"render: pixels must be of shape {(b, v, 2)}, got {tuple(pixels.shape)}.")
    if b == 0 or f == 0 or v == 0:
        return _empty(b, height, width, mesh.vertices.device)
    faces = per_sample(mesh.faces, 2, b)
    closed = torch.zeros(f, dtype=torch.bool, device=faces.device) if mesh.closed is None else mesh.closed
    closed = per_sample(closed, 1, b)
    snapped, key = snap_batch(*project_batch(mesh.vertices, camera_matrix, pixels, supersample, near))
    face_map, key_map = z_buffer(snapped, key, faces, closed, height * supersample, width * supersample)
    maps = shadow_maps(mesh.vertices, faces, closed, light)
    focal = camera_matrix[:, 0, 0].float()
    shading = _compiled_shade() if compiled else shade
    fit = mesh.vertices.device.type == "cpu" and not compiled
    return shading(mesh, light, snapped, key, face_map, key_map, maps, focal, supersample, merge, surfaces, edges, fit)


@functools.cache
def _compiled_shade() -> Callable[..., RenderedBatch]:
    return torch.compile(shade, fullgraph=True, dynamic=False)


def _empty(b: int, height: int, width: int, device: torch.device) -> RenderedBatch:
    shape = (b, height, width)
    return RenderedBatch(
        torch.zeros((*shape, 3), device=device),
        torch.zeros(shape, device=device),
        torch.full(shape, NO_PART, dtype=torch.uint8, device=device),
        torch.full(shape, torch.inf, device=device),
        torch.full(shape, -1, dtype=torch.int32, device=device),
    )


def shadow_maps(vertices: Tensor, faces: Tensor, closed: Tensor, light: LightBatch) -> Maps | None:
    """The depth maps of the lamps that may cast shadows. A lamp that does not gets an empty one."""
    if light.shadows is None:
        return None
    casting = light.directions.shape[1] if light.casting is None else light.casting
    if casting == 0:
        return None
    b, v = vertices.shape[:2]
    size = light.shadow_size
    xs, ys, keys, axes, texels = lamp_views(vertices, light.directions[:, :casting], size)
    keys = torch.where(light.shadows[:, :casting, None], keys, 0.0)  # triangles of no lamp are drawn nowhere
    snapped, key = snap_batch(xs.reshape(-1, v), ys.reshape(-1, v), keys.reshape(-1, v))
    each = faces[:, None].expand(b, casting, -1, 3).reshape(b * casting, -1, 3)
    backs = closed[:, None].expand(b, casting, -1).reshape(b * casting, -1)
    _, depth = z_buffer(snapped, key, each, backs, size, size)
    return Maps(depth.reshape(b, casting, size, size), axes, texels)


def shade(
    mesh: MeshBatch,
    light: LightBatch,
    snapped: Int32[Tensor, "b v 2"],
    key: Float32[Tensor, "b v"],
    face_map: Int32[Tensor, "b hs ws"],
    key_map: Float32[Tensor, "b hs ws"],
    maps: Maps | None,
    focal: Float32[Tensor, " b"],
    supersample: int,
    merge: float,
    surfaces: int,
    edges: float,
    fit: bool,
) -> RenderedBatch:
    """The picture of z-buffers of supersample^2 samples per pixel. focal: pixels, for the size of a pixel on the
    surface. fit: look how many pixels there are to shade, and shade no others; only where looking costs nothing."""
    s = supersample
    b, height, width = len(face_map), face_map.shape[1] // s, face_map.shape[2] // s
    pixels, device = height * width, face_map.device
    part = torch.zeros(mesh.vertices.shape[1:2], dtype=torch.uint8, device=device) if mesh.part is None else mesh.part
    part = per_sample(part, 1, b)
    look = _Look(mesh, per_sample(mesh.faces, 2, b), _vertex_table(mesh), snapped, key, focal, s, width)

    # One list per sample of a pixel, in the order of reading, of tensors [b, h * w].
    face = [face_map[:, i::s, j::s].reshape(b, pixels) for i in range(s) for j in range(s)]
    keys = [key_map[:, i::s, j::s].reshape(b, pixels) for i in range(s) for j in range(s)]
    count = len(face)
    left = [one >= 0 for one in face]
    group = _groups(face, keys, left, part, look.faces, merge)
    nearest, lead = torch.zeros_like(keys[0]), torch.full_like(group[0], count)
    front_face = torch.full_like(face[0], -1)
    for i in range(count):
        closer = keys[i] > nearest
        nearest = torch.where(closer, keys[i], nearest)
        lead = torch.where(closer, group[i], lead)
        front_face = torch.where(closer, face[i], front_face)
    covered = torch.stack(left).sum(0, dtype=torch.float32)

    # The pixels in work, from which those drop out whose samples have all been shaded. One more place takes the rest.
    rgb = torch.zeros((b, pixels + 1, 3), device=device)
    front_part = torch.full((b, pixels + 1), NO_PART, dtype=torch.uint8, device=device)
    at = torch.arange(pixels, device=device).expand(b, pixels)
    on = covered > 0
    if fit:
        chosen, _ = _choose(on, _most(on))
        at, on = _of(at, chosen, pixels), _of(on, chosen, False)
        face, keys, group = ([_of(one, chosen, 0) for one in many] for many in (face, keys, group))
        left, lead = [_of(one, chosen, False) for one in left], _of(lead, chosen, count)
    layers = min(surfaces, count)
    for layer in range(layers):
        if layer:  # the first surface that was not yet shaded
            lead = torch.full_like(group[0], count)
            for i in range(count):
                lead = torch.where(left[i], torch.minimum(lead, group[i]), lead)
        inside = [one & (own == lead) for one, own in zip(left, group, strict=True)]
        left = [one & ~other for one, other in zip(left, inside, strict=True)]
        beyond = torch.stack(left).sum(0, dtype=torch.int32)
        members = torch.stack(inside).sum(0, dtype=torch.int32)
        best, closest = torch.zeros_like(keys[0]), torch.zeros_like(face[0])
        sum_x, sum_y = torch.zeros_like(members), torch.zeros_like(members)
        for i in range(count):
            sum_x, sum_y = sum_x + inside[i] * (i % s), sum_y + inside[i] * (i // s)
            closer = inside[i] & (keys[i] > best)
            best = torch.where(closer, keys[i], best)
            closest = torch.where(closer, face[i], closest)
        surface, vertex = look.at(closest, at, members, sum_x, sum_y, best)

        # Where samples are left and will not be shaded, they count with this surface.
        chosen, kept = None, torch.zeros_like(on)
        if layer + 1 < layers:
            more = on & (beyond > 0)
            chosen, kept = _choose(more, _most(more) if fit else min(math.ceil(edges * pixels), at.shape[1]))
        share = torch.where(kept, members, members + beyond).to(torch.float32) / count
        colour = torch.where(on[..., None], _lit(surface, light, maps) * share[..., None], 0.0)
        rgb = rgb.scatter_add(1, at[..., None].expand(-1, -1, 3), colour)
        if layer == 0:
            own = torch.where(on, part.gather(1, vertex), NO_PART)
            front_part = front_part.scatter(1, at, own.to(torch.uint8))
        if chosen is not None:
            at, on = _of(at, chosen, pixels), _of(on, chosen, False)
            face, keys, group = ([_of(one, chosen, 0) for one in many] for many in (face, keys, group))
            left = [_of(one, chosen, False) for one in left]
    shape = (b, height, width)
    depth = torch.where(covered > 0, 1.0 / nearest, torch.inf)
    return RenderedBatch(
        rgb[:, :pixels].reshape(*shape, 3),
        (covered / count).reshape(shape),
        front_part[:, :pixels].reshape(shape),
        depth.reshape(shape),
        front_face.reshape(shape),
    )


def _groups(face, keys, hit, part, faces, merge) -> list[Tensor]:
    """Which surface each sample belongs to: the number of the first sample which is near enough and of the same part;
    as many as there are samples where there is none."""
    count = len(face)
    sample = torch.arange(len(faces), device=faces.device)[:, None]
    first_part = part.gather(1, faces[..., 0].long())  # of every face
    own = [first_part[sample, one.clamp(min=0)] for one in face]
    group = [torch.full_like(face[0], count) for _ in range(count)]
    for i in range(count):
        leads = hit[i] & (group[i] == count)
        group[i] = torch.where(leads, i, group[i])
        reach = merge * keys[i]
        for j in range(i + 1, count):
            joins = leads & hit[j] & (group[j] == count) & (own[j] == own[i]) & ((keys[j] - keys[i]).abs() < reach)
            group[j] = torch.where(joins, i, group[j])
    return group


def _most(mask: Bool[Tensor, "b n"]) -> int:
    """How many are true in the fullest row, 1 at least. Looks at the numbers."""
    return max(int(mask.sum(1).max()), 1)


def _choose(mask: Bool[Tensor, "b n"], room: int) -> tuple[Int64[Tensor, "b m"], Bool[Tensor, "b n"]]:
    """The places of the first `room` true ones of every row, n where there are fewer, and which were taken."""
    b, n = mask.shape
    order = mask.cumsum(1) - 1
    taken = mask & (order < room)
    places = torch.arange(n, device=mask.device).expand(b, n)
    chosen = torch.full((b, room + 1), n, dtype=torch.int64, device=mask.device)
    return chosen.scatter(1, torch.where(taken, order, room), places)[:, :room], taken


def _of(values: Tensor, chosen: Int64[Tensor, "b m"], empty: float) -> Tensor:
    """The chosen values of every row, `empty` where there is none."""
    n = values.shape[1]
    return torch.where(chosen < n, values.gather(1, chosen.clamp(max=n - 1)), empty).to(values.dtype)


class _Look(NamedTuple):
    """All that is needed to look at a triangle through a pixel."""

    mesh: MeshBatch
    faces: Tensor
    table: Tensor
    snapped: Tensor
    key: Tensor
    focal: Tensor
    supersample: int
    width: int

    def at(self, face, pixel, members, sum_x, sum_y, best) -> tuple[Surfaces, Tensor]:
        """The surface of a face in the middle of the members' samples in a pixel, and the vertex that weighs most
        there. All [b, n]; best: the key nearest to the camera among the samples."""
        sample = torch.arange(len(face), device=face.device)[:, None]
        corners = self.faces[sample, face].long()  # [b, n, 3]
        safe = members.clamp(min=1)
        row, column = torch.div(pixel, self.width, rounding_mode="floor"), pixel.remainder(self.width)
        qx = (column * self.supersample << SUBPIXEL_BITS) + torch.div(
            sum_x << SUBPIXEL_BITS, safe, rounding_mode="floor"
        )
        qy = (row * self.supersample << SUBPIXEL_BITS) + torch.div(sum_y << SUBPIXEL_BITS, safe, rounding_mode="floor")
        weights, behind = _weights(
            self.snapped[sample[..., None], corners].long(), self.key[sample[..., None], corners], qx, qy, best
        )
        heaviest = torch.where(
            (weights[..., 1] > weights[..., 0]) & (weights[..., 1] >= weights[..., 2]),
            1,
            torch.where(weights[..., 2] > weights[..., 0], 2, 0),
        )
        found = _interpolate(self.mesh, self.table, corners, sample, face, weights, behind, self.focal)
        return found, corners.gather(-1, heaviest[..., None])[..., 0]


def _vertex_table(mesh: MeshBatch) -> Tensor:
    """[b, v, 12]: place, normal, albedo, roughness, specular, occlusion; [b, v, 16] with strength and place of the
    grain."""
    normals = vertex_normals_batch(mesh.vertices, mesh.faces) if mesh.normals is None else mesh.normals
    one = torch.ones_like(mesh.vertices[..., 0])
    scalars = [
        0.5 * one if mesh.roughness is None else mesh.roughness,
        one if mesh.specular is None else mesh.specular,
        one if mesh.occlusion is None else mesh.occlusion,
    ]
    columns = [mesh.vertices, normals, mesh.albedo, torch.stack(scalars, -1)]
    if mesh.speckle is not None and mesh.rest is not None:
        columns += [mesh.speckle[..., None], per_sample(mesh.rest, 2, len(mesh))]
    return torch.cat(columns, -1)


def _weights(place, keys, qx, qy, best):
    """Perspective-correct weights of the corners, [b, n, 3], at a point in 1/256 of a sample, and whether the triangle
    is seen from behind. Where the point lies so far outside that the weights mean nothing, those of a point inside."""
    x, y = place[..., 0] - qx[..., None], place[..., 1] - qy[..., None]
    areas = x.roll(-1, -1) * y.roll(-2, -1) - y.roll(-1, -1) * x.roll(-2, -1)  # opposite each corner
    area = areas.sum(-1)
    behind = area > 0
    areas = torch.where(behind[..., None], areas, -areas)
    area = area.abs()
    near_by = torch.maximum(areas, -(area >> 1)[..., None]).float() * keys
    inside = areas.clamp(min=0).float() * keys
    far = near_by.sum(-1) < 0.5 * area.float() * best
    weights = torch.where(far[..., None], inside, near_by)
    return weights / weights.sum(-1, keepdim=True), behind


def _interpolate(mesh, table, corners, sample, at, weights, behind, focal) -> Surfaces:
    """What the surface is like at the weighted middle of its corners."""
    rows = table[sample[..., None], corners]  # [b, n, 3, 12 or 16]
    value = (rows * weights[..., None]).sum(-2)
    point, normal, albedo = value[..., 0:3], value[..., 3:6], value[..., 6:9]
    normal = torch.where(behind[..., None], -normal, normal)
    edges = rows[..., 1, 0:3] - rows[..., 0, 0:3], rows[..., 2, 0:3] - rows[..., 0, 0:3]
    tilt = torch.zeros_like(normal)
    if mesh.texture is not None:
        factor, slope = _textured(mesh, sample, at, weights, edges)
        albedo, tilt = albedo * factor, tilt + slope
    if mesh.speckle is not None:
        factor, slope = _grained(rows, value, edges, focal)
        albedo, tilt = albedo * factor, tilt + slope
    normal = torch.where(behind[..., None], normal + tilt, normal - tilt)  # a bump outside is a dent inside
    return Surfaces(
        point,
        _unit(normal),
        albedo.clamp(min=0),
        value[..., 9].clamp(0.05, 1.0),
        value[..., 10].clamp(min=0),
        value[..., 11].clamp(0, 1),
    )


def _unit(vector: Tensor) -> Tensor:
    return vector * torch.rsqrt((vector * vector).sum(-1, keepdim=True) + 1e-20)


def _gradient(edges: tuple[Tensor, Tensor], along_p: Tensor, along_q: Tensor) -> Tensor:
    """The gradient in the triangle's plane of what grows by along_p and along_q [b, n] over its first two edges."""
    p, q = edges
    pp, pq, qq = ((a * b).sum(-1) for a, b in ((p, p), (p, q), (q, q)))
    gram = pp * qq - pq * pq
    over = torch.where(gram > 0, 1.0 / gram, 0.0)
    s, t = (along_p * qq - along_q * pq) * over, (along_q * pp - along_p * pq) * over
    return s[..., None] * p + t[..., None] * q


def _textured(mesh, sample, at, weights, edges):
    """The texture's factor on the albedo, and the slope of its heights, in the camera frame."""
    b = len(mesh)
    layers, height, width, _ = mesh.texture.shape
    uv = per_sample(mesh.uv, 3, b)[sample, at]  # [b, n, 3, 2]
    layer = torch.zeros_like(at) if mesh.layer is None else per_sample(mesh.layer, 1, b)[sample, at].long()
    has = (layer >= 0)[..., None]
    place = (uv * weights[..., None]).sum(-2)
    u = place[..., 0] * width - 0.5
    v = (1.0 - place[..., 1]) * height - 0.5
    column, row = torch.floor(u), torch.floor(v)
    fu, fv = (u - column)[..., None], (v - row)[..., None]
    left = torch.nan_to_num(column).long().remainder(width)
    upper = torch.nan_to_num(row).long().remainder(height)
    right, lower = (left + 1).remainder(width), (upper + 1).remainder(height)
    base = layer.clamp(0, layers - 1) * height
    texels = mesh.texture.reshape(-1, 4)
    p00, p01 = texels[(base + upper) * width + left], texels[(base + upper) * width + right]
    p10, p11 = texels[(base + lower) * width + left], texels[(base + lower) * width + right]
    above, below = p00 + fu * (p01 - p00), p10 + fu * (p11 - p10)
    factor = (above + fv * (below - above))[..., :3]
    slope_above, slope_below = (p01 - p00)[..., 3:], (p11 - p10)[..., 3:]
    slope_left, slope_right = (p10 - p00)[..., 3:], (p11 - p01)[..., 3:]
    along_u = slope_above + fv * (slope_below - slope_above)
    along_v = slope_left + fu * (slope_right - slope_left)
    # The gradients on the surface, in texels per metre, of the texture's column and row.
    p, q = uv[..., 1, :] - uv[..., 0, :], uv[..., 2, :] - uv[..., 0, :]
    slope = along_u * _gradient(edges, p[..., 0] * width, q[..., 0] * width)
    slope = slope - along_v * _gradient(edges, p[..., 1] * height, q[..., 1] * height)
    return torch.where(has, factor, 1.0), torch.where(has, slope, 0.0)


def _grained(rows, value, edges, focal):
    """The grain's factor on the albedo, and the slope of its heights, in the camera frame. What a pixel averages over
    many cells is less by the square root of their number."""
    strength = value[..., 12].clamp(0, 1)
    noise, gradient = value_noise(torch.nan_to_num(value[..., 13:16] / CELL, posinf=0, neginf=0))
    footprint = value[..., 2] / focal[:, None]
    strength = strength * (CELL / footprint.clamp(min=CELL))
    rest = rows[..., 13:16]
    p, q = rest[..., 1, :] - rest[..., 0, :], rest[..., 2, :] - rest[..., 0, :]
    scale = strength * (DEPTH / CELL)
    slope = _gradient(edges, (gradient * p).sum(-1) * scale, (gradient * q).sum(-1) * scale)
    return (1 + CONTRAST * strength * noise)[..., None], slope


def _polynomial(sh: Tensor) -> list[Tensor]:
    """Factors [b, 1, 3] of 1, x, y, z, xy, yz, xz, z2, x2 - y2 in irradiance over pi (Ramamoorthi and Hanrahan 2001,
    eq. 13)."""
    c1, c2, c3, c4, c5 = (c / torch.pi for c in (0.429043, 0.511664, 0.743125, 0.886227, 0.247708))
    h = [row[:, None, :] for row in sh.unbind(1)]
    return [
        c4 * h[0] - c5 * h[6],
        2 * c2 * h[3],
        2 * c2 * h[1],
        2 * c2 * h[2],
        2 * c1 * h[4],
        2 * c1 * h[5],
        2 * c1 * h[7],
        c3 * h[6],
        c1 * h[8],
    ]


def _irradiance(factors: list[Tensor], direction: Tensor) -> Tensor:
    """Irradiance over pi on a surface that faces `direction`, not below 0."""
    x, y, z = direction.split(1, -1)
    s0, s1, s2, s3, s4, s5, s6, s7, s8 = factors
    value = s0 + x * (s1 + s4 * y + s6 * z + s8 * x) + y * (s2 + s5 * z - s8 * y) + z * (s3 + s7 * z)
    return value.clamp(min=0)


def _lit(surface: Surfaces, light: LightBatch, maps: Maps | None) -> Tensor:
    """Linear light [b, n, 3] from the surroundings and every lamp."""
    normal, albedo = surface.normal, surface.albedo
    roughness, specular, occlusion = (
        one[..., None] for one in (surface.roughness, surface.specular, surface.occlusion)
    )
    view = -_unit(surface.point)
    nv = (normal * view).sum(-1, keepdim=True).abs().clamp(min=0.02)
    factors = _polynomial(light.sh)

    # Light goes to and fro between bright walls, so occlusion darkens them less: Jimenez et al. 2016, fit to albedo.
    a, b, c = 2.0404 * albedo - 0.3324, -4.7951 * albedo + 0.6417, 2.7552 * albedo + 0.6903
    open_ = torch.maximum(occlusion, ((occlusion * a + b) * occlusion + c) * occlusion)
    rgb = albedo * open_ * _irradiance(factors, normal)
    # Fit to the GGX lobe's share over all directions, which is no mirror's: Karis 2014. The lobe leans to the normal:
    # Lagarde & de Rousiers 2014.
    smooth = 1 - roughness
    lobe = torch.minimum(smooth**2, torch.exp2(-9.28 * nv.clamp(min=GRAZING))) * smooth + 0.0425 - 0.0275 * roughness
    facing = 1.04 - 0.572 * roughness - 1.04 * lobe
    share = (F0 * facing + 1.04 * lobe + 0.022 * roughness - 0.04).clamp(min=0)
    lean = smooth * (smooth.sqrt() + roughness)
    mirrored = _unit((2 * nv * lean + 1 - lean) * normal - lean * view)
    rgb = rgb + specular * share * occlusion * _irradiance(factors, mirrored)

    alpha = roughness * roughness
    alpha2 = alpha * alpha
    for lamp in range(light.directions.shape[1]):
        towards = light.directions[:, lamp][:, None, :]
        colour = light.colours[:, lamp][:, None, :]
        nl = (normal * towards).sum(-1, keepdim=True)
        vl = (view * towards).sum(-1, keepdim=True)
        shadow = _shadow(surface, towards, nl, light, maps, lamp)
        over_h = torch.rsqrt(2 + 2 * vl + 1e-6)
        nh = ((nl + nv) * over_h).clamp(max=1)
        vh = (1 + vl) * over_h
        lit = nl.clamp(min=0)
        schlick = F0 + (1 - F0) * (1 - vh) ** 5
        spread = nh * nh * (alpha2 - 1) + 1
        masking = lit * (nv * (1 - alpha) + alpha) + nv * (lit * (1 - alpha) + alpha)
        # D V F n.l E with E = pi * colour; D's own 1 / pi cancels.
        gloss = specular * shadow * schlick * lit * alpha2 * 0.5 / (spread * spread * masking)
        if light.wrap is None:
            matt = lit
        else:
            wrap = light.wrap[:, None, :]
            matt = (nl + wrap).clamp(min=0) / ((1 + wrap) * (1 + wrap))
        rgb = rgb + colour * (shadow * albedo * matt + gloss)
    return rgb


def _shadow(surface: Surfaces, towards, nl, light: LightBatch, maps: Maps | None, lamp: int):
    """How much of a lamp reaches each point [b, n, 1]: a 2 x 2 comparison with bilinear weights."""
    if maps is None or light.shadows is None or lamp >= maps.keys.shape[1]:
        return torch.ones_like(nl)
    size = light.shadow_size
    texel = maps.texels[:, lamp][:, None, None]
    # Look up from a point lifted off the surface, farther where light grazes it and one texel spans more depth.
    lift = texel * (2 - 1.5 * nl.clamp(min=0))
    point = surface.point + lift * surface.normal
    axes = maps.axes[:, lamp][:, None]  # [b, 1, 3, 4]
    place = (axes[..., :3] * point[..., None, :]).sum(-1) + axes[..., 3]
    last = size - 1.001
    u, v = torch.nan_to_num(place[..., 0]).clamp(0, last), torch.nan_to_num(place[..., 1]).clamp(0, last)
    key = place[..., 2] + light.shadow_bias
    column, row = torch.floor(u), torch.floor(v)
    fu, fv = u - column, v - row
    index = row.long() * size + column.long()
    flat = maps.keys[:, lamp].reshape(len(key), -1)

    def passes(offset: int) -> Tensor:
        return (flat.gather(1, index + offset) <= key).float()

    upper_left, upper_right, lower_left, lower_right = (passes(o) for o in (0, 1, size, size + 1))
    top = upper_left + fu * (upper_right - upper_left)
    bottom = lower_left + fu * (lower_right - lower_left)
    share = (top + fv * (bottom - top))[..., None]
    return torch.where(light.shadows[:, lamp][:, None, None], share, 1.0)


def ambient_occlusion_batch(
    vertices: Float32[Tensor, "b v 3"],
    faces: Int32[Tensor, "f 3"] | Int32[Tensor, "b f 3"],
    closed: Bool[Tensor, " f"] | Bool[Tensor, "b f"] | None,
    directions: int,
    size: int,
    bias: float,
) -> Float32[Tensor, "b v"]:
    """`ambient_occlusion` for a batch: one set of depth maps per direction."""
    b, v = vertices.shape[:2]
    if vertices.device.type == "cpu":
        check_faces(faces, v)
    normals = vertex_normals_batch(vertices, faces)
    each = per_sample(faces, 2, b)
    backs = torch.zeros(each.shape[1], dtype=torch.bool, device=faces.device) if closed is None else closed
    backs = per_sample(backs, 1, b)
    seen, possible = torch.zeros_like(vertices[..., 0]), torch.zeros_like(vertices[..., 0])
    for direction in spread_directions(directions).astype(np.float32).tolist():
        towards = torch.stack([torch.full((), part, device=vertices.device) for part in direction])
        xs, ys, keys, _, texels = (one[:, 0] for one in lamp_views(vertices, towards.expand(b, 1, 3), size))
        _, depth = z_buffer(*snap_batch(xs, ys, keys), each, backs, size, size)
        nl = (normals * towards).sum(-1)  # no matrix product: those are rounded under autocast
        counts = (nl > 0) & torch.isfinite(keys)
        column, row = (torch.nan_to_num(one + 0.5).long().clamp(0, size - 1) for one in (xs, ys))
        there = depth.reshape(b, -1).gather(1, row * size + column)
        # Within one texel the surface itself may rise by the slope that the direction has to it.
        slope = ((1 - nl * nl).clamp(min=0).sqrt() / nl).clamp(max=3.0)
        open_ = there <= keys + bias + texels[:, None] * slope
        possible = possible + torch.where(counts, nl, 0.0)
        seen = seen + torch.where(counts & open_, nl, 0.0)
    return torch.where(possible > 0, seen / possible.clamp(min=1e-6), 1.0)
