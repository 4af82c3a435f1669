"""From a mesh and a light to linear light, coverage and labels, in one pass over the samples.

Samples of the supersampled picture are gathered from the z-buffer in blocks, one row of `block` per quantity, so that
the shading itself is straight loops over contiguous numbers which the compiler turns into vector code. Letters:
n normal, v towards the camera, l towards the lamp, h halfway between v and l.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np
from jaxtyping import Float, Float32, Int32, UInt8

from palmar.errors import PalmarError
from palmar.render.kernel import kernel
from palmar.render.light import Light
from palmar.render.mesh import Mesh, _vertex_normals
from palmar.render.rasterize import SUBPIXEL_BITS, contiguous, empty_maps, fill, snap

if TYPE_CHECKING:
    from torch import Tensor

    from palmar.render.batch import LightBatch, MeshBatch, RenderedBatch

NO_PART = 255
"""The part of pixels where nothing is."""
F0 = 0.028
"""Reflectance of skin seen head-on: index of refraction 1.4."""
GRAZING = 0.3
"""Cosine below which a surface reflects its surroundings no more strongly. At the outline of a coarse mesh the normals
between vertices look past the face by up to half the angle between two faces; unbounded, every finger had a bright rim
two pixels wide."""

# Rows of the block. The first twelve are interpolated from the columns of the vertex table, in this order. They lie a
# little farther apart than they are long, for at a power of two they would fight over the same lines of the cache.
_SIZE = 512
_STEP = _SIZE + 24
_PX, _PY, _PZ = 0 * _STEP, 1 * _STEP, 2 * _STEP
_NX, _NY, _NZ = 3 * _STEP, 4 * _STEP, 5 * _STEP
_AR, _AG, _AB = 6 * _STEP, 7 * _STEP, 8 * _STEP
_ROUGH, _SPEC, _OCC = 9 * _STEP, 10 * _STEP, 11 * _STEP
_VX, _VY, _VZ, _NV = 12 * _STEP, 13 * _STEP, 14 * _STEP, 15 * _STEP
_R, _G, _B, _SHADE = 16 * _STEP, 17 * _STEP, 18 * _STEP, 19 * _STEP
_U, _V, _KEY = 20 * _STEP, 21 * _STEP, 22 * _STEP
_WEIGHT = 23 * _STEP
_ROWS = 24
_FINITE = {"contract", "nsz", "arcp", "reassoc"}


class Rendered(NamedTuple):
    """A picture of a mesh. Where nothing is: rgb and alpha 0, part NO_PART, depth inf, face -1.

    The last three tell of the nearest sample in each pixel that has any, however small its alpha.
    """

    rgb: Float32[np.ndarray, "h w 3"]
    """Linear light, premultiplied by alpha; may exceed 1."""
    alpha: Float32[np.ndarray, "h w"]
    """Share of the pixel that the mesh covers."""
    part: UInt8[np.ndarray, "h w"]
    depth: Float32[np.ndarray, "h w"]
    """Metres along the optical axis."""
    face: Int32[np.ndarray, "h w"]


@kernel()
def _project(vertices, matrix, pixels, given, scale, near):
    """Where vertices fall in the supersampled picture and one over their depth, 0 for those not deeper than near."""
    n = len(vertices)
    xs = np.empty(n, np.float64)
    ys = np.empty(n, np.float64)
    keys = np.zeros(n, np.float32)
    for i in range(n):
        x = np.float64(vertices[i, 0])
        y = np.float64(vertices[i, 1])
        z = np.float64(vertices[i, 2])
        xs[i] = 0.0
        ys[i] = 0.0
        if z > near:
            if given:
                u = np.float64(pixels[i, 0])
                v = np.float64(pixels[i, 1])
            else:
                u = (matrix[0, 0] * x + matrix[0, 1] * y) / z + matrix[0, 2]
                v = (matrix[1, 0] * x + matrix[1, 1] * y) / z + matrix[1, 2]
            xs[i] = (u + 0.5) * scale - 0.5
            ys[i] = (v + 0.5) * scale - 0.5
            keys[i] = 1.0 / z
    return xs, ys, keys


@kernel()
def _lamp_view(vertices, direction, size):
    """The mesh seen from a lamp, without perspective: positions in the map's pixels, keys larger nearer to the lamp.

    Also the map's axes: row 0 and 1 give x and y in pixels, row 2 the key in metres, each as (x, y, z, constant).
    """
    axes = np.zeros((3, 4), np.float64)
    dx = np.float64(direction[0])
    dy = np.float64(direction[1])
    dz = np.float64(direction[2])
    if abs(dx) < 0.6:
        length = np.sqrt(dy * dy + dz * dz)
        ux, uy, uz = 0.0, dz / length, -dy / length
    else:
        length = np.sqrt(dx * dx + dz * dz)
        ux, uy, uz = -dz / length, 0.0, dx / length
    axes[0, :3] = (ux, uy, uz)
    axes[1, :3] = (uy * dz - uz * dy, uz * dx - ux * dz, ux * dy - uy * dx)
    axes[2, :3] = (dx, dy, dz)
    low = np.full(3, np.inf)
    high = np.full(3, -np.inf)
    n = len(vertices)
    for i in range(n):
        for k in range(3):
            t = axes[k, 0] * vertices[i, 0] + axes[k, 1] * vertices[i, 1] + axes[k, 2] * vertices[i, 2]
            if np.isfinite(t):
                low[k] = min(low[k], t)
                high[k] = max(high[k], t)
    extent = max(high[0] - low[0], high[1] - low[1], 1e-9)
    scale = (size - 3) / extent
    for k in range(2):
        axes[k] *= scale
        axes[k, 3] = 0.5 * (size - 1) - 0.5 * (low[k] + high[k]) * scale
    axes[2, 3] = 1.0 - low[2]  # keys start at 1, so that 0 means nothing there
    xs = np.empty(n, np.float64)
    ys = np.empty(n, np.float64)
    keys = np.empty(n, np.float32)
    for i in range(n):
        x = vertices[i, 0]
        y = vertices[i, 1]
        z = vertices[i, 2]
        xs[i] = axes[0, 0] * x + axes[0, 1] * y + axes[0, 2] * z + axes[0, 3]
        ys[i] = axes[1, 0] * x + axes[1, 1] * y + axes[1, 2] * z + axes[1, 3]
        keys[i] = axes[2, 0] * x + axes[2, 1] * y + axes[2, 2] * z + axes[2, 3]
    return xs, ys, keys, axes.astype(np.float32), np.float32(1.0 / scale)


@kernel()
def _texture_gradients(vertices, faces, uv, layer, texture_height, texture_width):
    """Per face the gradients on the surface, in texels per metre, of the texture's column and row: [F, 6]."""
    gradients = np.zeros((len(faces), 6), np.float32)
    for f in range(len(faces)):
        if layer[f] < 0:
            continue
        a = faces[f, 0]
        b = faces[f, 1]
        c = faces[f, 2]
        px = vertices[b, 0] - vertices[a, 0]
        py = vertices[b, 1] - vertices[a, 1]
        pz = vertices[b, 2] - vertices[a, 2]
        qx = vertices[c, 0] - vertices[a, 0]
        qy = vertices[c, 1] - vertices[a, 1]
        qz = vertices[c, 2] - vertices[a, 2]
        pp = px * px + py * py + pz * pz
        pq = px * qx + py * qy + pz * qz
        qq = qx * qx + qy * qy + qz * qz
        gram = pp * qq - pq * pq
        if not gram > 0.0:
            continue
        for k in range(2):
            size = np.float32(texture_width) if k == 0 else -np.float32(texture_height)
            along_p = (uv[f, 1, k] - uv[f, 0, k]) * size
            along_q = (uv[f, 2, k] - uv[f, 0, k]) * size
            s = (along_p * qq - along_q * pq) / gram
            t = (along_q * pp - along_p * pq) / gram
            gradients[f, 3 * k] = s * px + t * qx
            gradients[f, 3 * k + 1] = s * py + t * qy
            gradients[f, 3 * k + 2] = s * pz + t * qz
    return gradients


@kernel(fastmath=True)
def _prepare(block, n):
    """Make normals and directions to the camera unit vectors, and bring every number into its range."""
    for i in range(n):
        x = block[_NX + i]
        y = block[_NY + i]
        z = block[_NZ + i]
        over = np.float32(1.0) / np.sqrt(x * x + y * y + z * z + np.float32(1e-20))
        block[_NX + i] = x * over
        block[_NY + i] = y * over
        block[_NZ + i] = z * over
    for i in range(n):
        x = block[_PX + i]
        y = block[_PY + i]
        z = block[_PZ + i]
        over = np.float32(-1.0) / np.sqrt(x * x + y * y + z * z + np.float32(1e-20))
        block[_VX + i] = x * over
        block[_VY + i] = y * over
        block[_VZ + i] = z * over
    for i in range(n):
        nv = block[_NX + i] * block[_VX + i] + block[_NY + i] * block[_VY + i] + block[_NZ + i] * block[_VZ + i]
        block[_NV + i] = max(abs(nv), np.float32(0.02))  # normals between vertices may look away where no face does
        block[_ROUGH + i] = min(max(block[_ROUGH + i], np.float32(0.05)), np.float32(1.0))
        # Numbers read a little beyond a triangle's edge may leave their range.
        block[_AR + i] = max(block[_AR + i], np.float32(0.0))
        block[_AG + i] = max(block[_AG + i], np.float32(0.0))
        block[_AB + i] = max(block[_AB + i], np.float32(0.0))
        block[_SPEC + i] = max(block[_SPEC + i], np.float32(0.0))
        block[_OCC + i] = min(max(block[_OCC + i], np.float32(0.0)), np.float32(1.0))


@kernel(fastmath=True)
def _surroundings(block, n, sh):
    """Add the light of the surroundings: matt by irradiance at n, gloss by the same at the mirrored direction.

    sh: [9, 3] factors of 1, x, y, z, xy, yz, xz, z2, x2 - y2 in irradiance over pi. Occlusion darkens bright surfaces
    less, for light goes to and fro between them: Jimenez et al. 2016, the fit to albedo.
    """
    one = np.float32(1.0)
    zero = np.float32(0.0)
    for channel in range(3):
        s0 = sh[0, channel]
        s1 = sh[1, channel]
        s2 = sh[2, channel]
        s3 = sh[3, channel]
        s4 = sh[4, channel]
        s5 = sh[5, channel]
        s6 = sh[6, channel]
        s7 = sh[7, channel]
        s8 = sh[8, channel]
        albedo_row = _AR + channel * _STEP
        out_row = _R + channel * _STEP
        for i in range(n):
            x = block[_NX + i]
            y = block[_NY + i]
            z = block[_NZ + i]
            matt = (
                s0 + s1 * x + s2 * y + s3 * z + s4 * x * y + s5 * y * z + s6 * x * z + s7 * z * z + s8 * (x * x - y * y)
            )
            albedo = block[albedo_row + i]
            ao = block[_OCC + i]
            fit_a = np.float32(2.0404) * albedo - np.float32(0.3324)
            fit_b = np.float32(-4.7951) * albedo + np.float32(0.6417)
            fit_c = np.float32(2.7552) * albedo + np.float32(0.6903)
            ao = max(ao, ((ao * fit_a + fit_b) * ao + fit_c) * ao)
            block[out_row + i] = albedo * ao * max(matt, zero)
        for i in range(n):
            nv = block[_NV + i]
            rough = block[_ROUGH + i]
            # The lobe of a rough surface leans from the mirror's direction to the normal: Lagarde & de Rousiers 2014.
            lean = (one - rough) * (np.sqrt(one - rough) + rough)
            more = np.float32(2.0) * nv * lean + one - lean
            x = more * block[_NX + i] - lean * block[_VX + i]
            y = more * block[_NY + i] - lean * block[_VY + i]
            z = more * block[_NZ + i] - lean * block[_VZ + i]
            over = one / np.sqrt(x * x + y * y + z * z + np.float32(1e-12))
            x, y, z = x * over, y * over, z * over
            gloss = (
                s0 + s1 * x + s2 * y + s3 * z + s4 * x * y + s5 * y * z + s6 * x * z + s7 * z * z + s8 * (x * x - y * y)
            )
            # Fit to the GGX lobe's share over all directions: Karis 2014. A rough surface has no mirror's bright rim.
            cut = min((one - rough) * (one - rough), np.exp2(np.float32(-9.28) * max(nv, np.float32(GRAZING))))
            lobe = cut * (one - rough) + np.float32(0.0425) - np.float32(0.0275) * rough
            facing = np.float32(1.04) - np.float32(0.572) * rough - np.float32(1.04) * lobe
            share = np.float32(F0) * facing + np.float32(1.04) * lobe + np.float32(0.022) * rough - np.float32(0.04)
            block[out_row + i] += block[_SPEC + i] * max(share, zero) * block[_OCC + i] * max(gloss, zero)


@kernel()
def _shadow(block, n, direction, shadow_map, axes, texel, bias):
    """How much of the lamp reaches each sample: a 2 x 2 comparison with bilinear weights."""
    size = shadow_map.shape[0]
    zero = np.float32(0.0)
    last = np.float32(size - 1.001)
    dx = direction[0]
    dy = direction[1]
    dz = direction[2]
    ux, uy, uz, u0 = axes[0, 0], axes[0, 1], axes[0, 2], axes[0, 3]
    vx, vy, vz, v0 = axes[1, 0], axes[1, 1], axes[1, 2], axes[1, 3]
    kx, ky, kz, k0 = axes[2, 0], axes[2, 1], axes[2, 2], axes[2, 3] + bias
    for i in range(n):
        nx = block[_NX + i]
        ny = block[_NY + i]
        nz = block[_NZ + i]
        nl = nx * dx + ny * dy + nz * dz
        # Look up from a point lifted off the surface, farther where light grazes it and one texel spans more depth.
        lift = texel * (np.float32(2.0) - np.float32(1.5) * max(nl, zero))
        x = block[_PX + i] + lift * nx
        y = block[_PY + i] + lift * ny
        z = block[_PZ + i] + lift * nz
        block[_U + i] = min(max(ux * x + uy * y + uz * z + u0, zero), last)
        block[_V + i] = min(max(vx * x + vy * y + vz * z + v0, zero), last)
        block[_KEY + i] = kx * x + ky * y + kz * z + k0
    for i in range(n):
        u = block[_U + i]
        v = block[_V + i]
        key = block[_KEY + i]
        column = np.uint32(u)
        row = np.uint32(v)
        fu = u - np.float32(column)
        fv = v - np.float32(row)
        upper_left = np.float32(shadow_map[row, column] <= key)
        upper_right = np.float32(shadow_map[row, column + np.uint32(1)] <= key)
        lower_left = np.float32(shadow_map[row + np.uint32(1), column] <= key)
        lower_right = np.float32(shadow_map[row + np.uint32(1), column + np.uint32(1)] <= key)
        top = upper_left + fu * (upper_right - upper_left)
        bottom = lower_left + fu * (lower_right - lower_left)
        block[_SHADE + i] = top + fv * (bottom - top)


@kernel(fastmath=True)
def _lamp(block, n, direction, colour, wrap):
    """Add one lamp: matt with wrap per colour, gloss by GGX, Schlick's Fresnel and Hammon's form of Smith's term."""
    one = np.float32(1.0)
    zero = np.float32(0.0)
    lx = direction[0]
    ly = direction[1]
    lz = direction[2]
    cr = colour[0]
    cg = colour[1]
    cb = colour[2]
    wr = one / (one + wrap[0])
    wg = one / (one + wrap[1])
    wb = one / (one + wrap[2])
    for i in range(n):
        nl = block[_NX + i] * lx + block[_NY + i] * ly + block[_NZ + i] * lz
        shade = block[_SHADE + i]
        vl = block[_VX + i] * lx + block[_VY + i] * ly + block[_VZ + i] * lz
        over_h = one / np.sqrt(np.float32(2.0) + np.float32(2.0) * vl + np.float32(1e-6))
        nv = block[_NV + i]
        nh = min((nl + nv) * over_h, one)
        vh = (one + vl) * over_h
        alpha = block[_ROUGH + i] * block[_ROUGH + i]
        alpha2 = alpha * alpha
        lit = max(nl, zero)
        away = one - vh
        grazing = away * away * away * away * away
        fresnel = np.float32(F0) + np.float32(1.0 - F0) * grazing
        spread = nh * nh * (alpha2 - one) + one
        masking = lit * (nv * (one - alpha) + alpha) + nv * (lit * (one - alpha) + alpha)
        # D V F n.l E with E = pi * colour; D's own 1 / pi cancels.
        gloss = block[_SPEC + i] * shade * fresnel * lit * alpha2 * np.float32(0.5) / (spread * spread * masking)
        block[_R + i] += cr * (shade * block[_AR + i] * max((nl + wrap[0]) * wr, zero) * wr + gloss)
        block[_G + i] += cg * (shade * block[_AG + i] * max((nl + wrap[1]) * wg, zero) * wg + gloss)
        block[_B + i] += cb * (shade * block[_AB + i] * max((nl + wrap[2]) * wb, zero) * wb + gloss)


@kernel()
def _flush(block, target, n, rgb, sh, directions, colours, wrap, shadow_index, maps, axes, texels, bias):
    """Shade the n samples of the block and add them to the picture."""
    _prepare(block, n)
    _surroundings(block, n, sh)
    for lamp in range(len(directions)):
        m = shadow_index[lamp]
        if m >= 0:
            _shadow(block, n, directions[lamp], maps[m], axes[m], texels[m], bias)
        else:
            for i in range(n):
                block[_SHADE + i] = 1.0
        _lamp(block, n, directions[lamp], colours[lamp], wrap)
    for i in range(n):
        t = target[i]
        weight = block[_WEIGHT + i]
        rgb[t, 0] += block[_R + i] * weight
        rgb[t, 1] += block[_G + i] * weight
        rgb[t, 2] += block[_B + i] * weight


@kernel(fastmath=_FINITE)
def _shade(
    face_map,
    key_map,
    snapped,
    key,
    faces,
    table,
    vertex_part,
    supersample,
    merge,
    textured,
    uv,
    layer,
    texture,
    gradients,
    sh,
    directions,
    colours,
    wrap,
    shadow_index,
    maps,
    axes,
    texels,
    bias,
    rgb,
    alpha,
    part,
    depth,
    face,
):
    sample_width = face_map.shape[1]
    width = sample_width // supersample
    height = face_map.shape[0] // supersample
    face_row = face_map.reshape(-1)
    key_row = key_map.reshape(-1)
    per_pixel = supersample * supersample
    faces_here = np.empty(per_pixel, np.int32)
    offsets = np.empty(per_pixel, np.int64)
    for i in range(per_pixel):
        offsets[i] = i // supersample * sample_width + i % supersample
    share = np.float32(1.0 / (supersample * supersample))
    block = np.empty(_ROWS * _STEP, np.float32)
    target = np.empty(_SIZE, np.int64)
    n = 0
    for y in range(height):
        for x in range(width):
            pixel = y * width + x
            rgb[pixel, 0] = 0.0
            rgb[pixel, 1] = 0.0
            rgb[pixel, 2] = 0.0
            covered = 0
            nearest = np.float32(0.0)
            nearest_face = np.int32(-1)
            nearest_part = np.uint8(NO_PART)
            top_left = (y * supersample) * sample_width + x * supersample
            for i in range(per_pixel):
                faces_here[i] = face_row[top_left + offsets[i]]
            for i in range(per_pixel):
                f = faces_here[i]
                if f < 0:
                    continue
                # One point stands for this sample and all later ones that lie on the same surface.
                members = 1
                sum_x = i % supersample
                sum_y = i // supersample
                k = key_row[top_left + offsets[i]]
                own = vertex_part[faces[f, 0]]
                reach = merge * k
                best = k
                for j in range(i + 1, per_pixel):
                    g = faces_here[j]
                    if g < 0:
                        continue
                    other = key_row[top_left + offsets[j]]
                    if abs(other - k) < reach and vertex_part[faces[g, 0]] == own:
                        faces_here[j] = -1
                        if other > best:
                            best = other
                            f = g
                        members += 1
                        sum_x += j % supersample
                        sum_y += j // supersample
                covered += members
                a = np.uint32(faces[f, 0])
                b = np.uint32(faces[f, 1])
                c = np.uint32(faces[f, 2])
                qx = np.int64(x * supersample << SUBPIXEL_BITS) + (sum_x << SUBPIXEL_BITS) // members
                qy = np.int64(y * supersample << SUBPIXEL_BITS) + (sum_y << SUBPIXEL_BITS) // members
                ax = np.int64(snapped[a, 0]) - qx
                ay = np.int64(snapped[a, 1]) - qy
                bx = np.int64(snapped[b, 0]) - qx
                by = np.int64(snapped[b, 1]) - qy
                cx = np.int64(snapped[c, 0]) - qx
                cy = np.int64(snapped[c, 1]) - qy
                area_a = bx * cy - by * cx
                area_b = cx * ay - cy * ax
                area_c = ax * by - ay * bx
                behind = area_a + area_b + area_c > 0
                if not behind:
                    area_a = -area_a
                    area_b = -area_b
                    area_c = -area_c
                # The middle of several samples may lie outside the triangle. A little beyond its edges its numbers
                # still hold; where that leads far (slivers, steep depth), take a point inside instead.
                area = area_a + area_b + area_c
                wa = np.float32(max(area_a, -(area >> 1))) * key[a]
                wb = np.float32(max(area_b, -(area >> 1))) * key[b]
                wc = np.float32(max(area_c, -(area >> 1))) * key[c]
                if wa + wb + wc < np.float32(0.5) * np.float32(area) * best:
                    wa = np.float32(max(area_a, 0)) * key[a]
                    wb = np.float32(max(area_b, 0)) * key[b]
                    wc = np.float32(max(area_c, 0)) * key[c]
                over = np.float32(1.0) / (wa + wb + wc)
                wa *= over
                wb *= over
                wc *= over
                if best > nearest:
                    nearest = best
                    nearest_face = f
                    top = a
                    if wb > wa and wb >= wc:
                        top = b
                    elif wc > wa:
                        top = c
                    nearest_part = vertex_part[top]
                at = np.uint64(n)
                block[_PX + at] = wa * table[a, 0] + wb * table[b, 0] + wc * table[c, 0]
                block[_PY + at] = wa * table[a, 1] + wb * table[b, 1] + wc * table[c, 1]
                block[_PZ + at] = wa * table[a, 2] + wb * table[b, 2] + wc * table[c, 2]
                block[_NX + at] = wa * table[a, 3] + wb * table[b, 3] + wc * table[c, 3]
                block[_NY + at] = wa * table[a, 4] + wb * table[b, 4] + wc * table[c, 4]
                block[_NZ + at] = wa * table[a, 5] + wb * table[b, 5] + wc * table[c, 5]
                block[_AR + at] = wa * table[a, 6] + wb * table[b, 6] + wc * table[c, 6]
                block[_AG + at] = wa * table[a, 7] + wb * table[b, 7] + wc * table[c, 7]
                block[_AB + at] = wa * table[a, 8] + wb * table[b, 8] + wc * table[c, 8]
                block[_ROUGH + at] = wa * table[a, 9] + wb * table[b, 9] + wc * table[c, 9]
                block[_SPEC + at] = wa * table[a, 10] + wb * table[b, 10] + wc * table[c, 10]
                block[_OCC + at] = wa * table[a, 11] + wb * table[b, 11] + wc * table[c, 11]
                if behind:  # seen from behind: the normal belongs to the other side
                    block[_NX + at] = -block[_NX + at]
                    block[_NY + at] = -block[_NY + at]
                    block[_NZ + at] = -block[_NZ + at]
                if textured and layer[f] >= 0:
                    _apply_texture(
                        block, at, np.uint32(f), wa, wb, wc, uv, texture, np.uint32(layer[f]), gradients, behind
                    )
                target[n] = pixel
                block[_WEIGHT + at] = np.float32(members) * share
                n += 1
                if n == _SIZE:
                    _flush(
                        block,
                        target,
                        n,
                        rgb,
                        sh,
                        directions,
                        colours,
                        wrap,
                        shadow_index,
                        maps,
                        axes,
                        texels,
                        bias,
                    )
                    n = 0
            alpha[pixel] = np.float32(covered) * share
            part[pixel] = nearest_part
            face[pixel] = nearest_face
            depth[pixel] = np.float32(1.0) / nearest if covered else np.float32(np.inf)
    _flush(block, target, n, rgb, sh, directions, colours, wrap, shadow_index, maps, axes, texels, bias)


@kernel(forceinline=True, fastmath=_FINITE)
def _apply_texture(block, n, f, wa, wb, wc, uv, texels, which, gradients, behind):
    """Multiply the albedo of sample n by the texture and tilt its normal by the slope of the heights."""
    height = texels.shape[1]
    width = texels.shape[2]
    u = (wa * uv[f, 0, 0] + wb * uv[f, 1, 0] + wc * uv[f, 2, 0]) * np.float32(width) - np.float32(0.5)
    v = (np.float32(1.0) - (wa * uv[f, 0, 1] + wb * uv[f, 1, 1] + wc * uv[f, 2, 1])) * np.float32(height)
    v -= np.float32(0.5)
    column = int(np.floor(u))
    row = int(np.floor(v))
    fu = u - np.float32(column)
    fv = v - np.float32(row)
    if column < 0 or column >= width:
        column %= width
    if row < 0 or row >= height:
        row %= height
    left = np.uint32(column)
    upper = np.uint32(row)
    right = np.uint32(column + 1 if column + 1 < width else 0)
    lower = np.uint32(row + 1 if row + 1 < height else 0)
    for k in range(3):
        above = texels[which, upper, left, k] + fu * (texels[which, upper, right, k] - texels[which, upper, left, k])
        below = texels[which, lower, left, k] + fu * (texels[which, lower, right, k] - texels[which, lower, left, k])
        block[np.uint64(_AR + k * _STEP) + n] *= above + fv * (below - above)
    slope_above = texels[which, upper, right, 3] - texels[which, upper, left, 3]
    slope_below = texels[which, lower, right, 3] - texels[which, lower, left, 3]
    slope_left = texels[which, lower, left, 3] - texels[which, upper, left, 3]
    slope_right = texels[which, lower, right, 3] - texels[which, upper, right, 3]
    along_u = slope_above + fv * (slope_below - slope_above)
    along_v = slope_left + fu * (slope_right - slope_left)
    if behind:  # a bump outside is a dent inside
        along_u = -along_u
        along_v = -along_v
    block[_NX + n] -= along_u * gradients[f, 0] + along_v * gradients[f, 3]
    block[_NY + n] -= along_u * gradients[f, 1] + along_v * gradients[f, 4]
    block[_NZ + n] -= along_u * gradients[f, 2] + along_v * gradients[f, 5]


def _irradiance_polynomial(sh: np.ndarray) -> np.ndarray:
    """Factors of 1, x, y, z, xy, yz, xz, z2, x2 - y2 in irradiance over pi (Ramamoorthi and Hanrahan 2001, eq. 13)."""
    c1, c2, c3, c4, c5 = 0.429043, 0.511664, 0.743125, 0.886227, 0.247708
    sh = np.asarray(sh, np.float64)
    rows = [
        c4 * sh[0] - c5 * sh[6],
        2 * c2 * sh[3],
        2 * c2 * sh[1],
        2 * c2 * sh[2],
        2 * c1 * sh[4],
        2 * c1 * sh[5],
        2 * c1 * sh[7],
        c3 * sh[6],
        c1 * sh[8],
    ]
    return (np.stack(rows) / np.pi).astype(np.float32)


_NO_UV = np.zeros((0, 3, 2), np.float32)
_NO_LAYER = np.zeros(0, np.int16)
_NO_TEXTURE = np.zeros((0, 1, 1, 4), np.float32)
_NO_GRADIENTS = np.zeros((0, 6), np.float32)


@overload
def render(
    mesh: Mesh,
    camera_matrix: Float[np.ndarray, "3 3"],
    height: int,
    width: int,
    light: Light,
    *,
    supersample: int = 2,
    near: float = 0.01,
    merge: float = 0.02,
    pixels: Float[np.ndarray, "v 2"] | None = None,
) -> Rendered: ...


@overload
def render(
    mesh: MeshBatch,
    camera_matrix: Tensor,
    height: int,
    width: int,
    light: LightBatch,
    *,
    supersample: int = 2,
    near: float = 0.01,
    merge: float = 0.02,
    surfaces: int = 2,
    edges: float = 0.125,
    pixels: Tensor | None = None,
    compiled: bool = False,
) -> RenderedBatch: ...


def render(
    mesh: Any,
    camera_matrix: Any,
    height: int,
    width: int,
    light: Any,
    *,
    supersample: int = 2,
    near: float = 0.01,
    merge: float = 0.02,
    surfaces: int = 2,
    edges: float = 0.125,
    pixels: Any = None,
    compiled: bool = False,
) -> Any:
    """The mesh in this light, seen by this camera, box-filtered from `supersample`^2 samples per pixel.

    camera_matrix: pixels from the camera frame, centres at integers. near: metres; triangles that reach nearer, and
    those with a vertex that is not finite, are left out whole. merge: samples of a pixel on the same part whose depths
    differ by less than this share of them are shaded once, at their middle; 0 shades every sample, at two to three
    times the cost, and counts where a texture is finer than a pixel. pixels: the vertices' projections where the camera
    is no pinhole; edges stay straight. The same arguments give the same bytes. Raises PalmarError for an empty picture.

    A `MeshBatch` in a `LightBatch` with camera matrices [b, 3, 3] gives a `RenderedBatch`, on the device of its
    tensors; `palmar.render.deferred.render_batch` says what is different there, and what `surfaces`, `edges`
    and `compiled` are.
    """
    if not isinstance(mesh, Mesh):
        from palmar.render.deferred import render_batch

        return render_batch(
            mesh,
            camera_matrix,
            height,
            width,
            light,
            supersample=supersample,
            near=near,
            merge=merge,
            surfaces=surfaces,
            edges=edges,
            pixels=pixels,
            compiled=compiled,
        )
    if height < 1 or width < 1 or supersample < 1:
        raise PalmarError(f"render: the picture must have pixels, got {height} x {width}, supersample {supersample}.")
    vertices = contiguous(mesh.vertices, np.float32)
    faces = contiguous(mesh.faces, np.int32)
    normals = _vertex_normals(vertices, faces) if mesh.normals is None else mesh.normals
    given = pixels is not None
    if given and pixels.shape != (len(vertices), 2):
        raise PalmarError(f"render: pixels must be of shape {(len(vertices), 2)}, got {pixels.shape}.")
    xs, ys, keys = _project(
        vertices,
        contiguous(camera_matrix, np.float64),
        contiguous(pixels, np.float64) if given else np.zeros((0, 2)),
        given,
        float(supersample),
        float(near),
    )
    snapped, key = snap(xs, ys, keys)
    closed = np.zeros(len(faces), bool) if mesh.closed is None else contiguous(mesh.closed, bool)
    face_map, key_map = empty_maps(height * supersample, width * supersample)
    fill(snapped, key, faces, closed, face_map, key_map)

    table = np.empty((len(vertices), 12), np.float32)
    table[:, 0:3] = vertices
    table[:, 3:6] = normals
    table[:, 6:9] = mesh.albedo
    table[:, 9] = 0.5 if mesh.roughness is None else mesh.roughness
    table[:, 10] = 1.0 if mesh.specular is None else mesh.specular
    table[:, 11] = 1.0 if mesh.occlusion is None else mesh.occlusion
    part = np.zeros(len(vertices), np.uint8) if mesh.part is None else contiguous(mesh.part, np.uint8)

    textured = mesh.texture is not None
    uv, layer, texture, gradients = _NO_UV, _NO_LAYER, _NO_TEXTURE, _NO_GRADIENTS
    if mesh.texture is not None:
        texture = contiguous(mesh.texture, np.float32)
        uv = contiguous(mesh.uv, np.float32)
        layer = np.zeros(len(faces), np.int16) if mesh.layer is None else contiguous(mesh.layer, np.int16)
        gradients = _texture_gradients(vertices, faces, uv, layer, texture.shape[1], texture.shape[2])

    directions = contiguous(light.directions, np.float32)
    lamps = len(directions)
    casting = np.flatnonzero(light.shadows) if light.shadows is not None else np.zeros(0, np.int64)
    shadow_index = np.full(lamps, -1, np.int64)
    shadow_index[casting] = np.arange(len(casting))
    size = light.shadow_size
    maps = np.zeros((len(casting), size, size), np.float32)
    axes = np.zeros((len(casting), 3, 4), np.float32)
    texels = np.zeros(len(casting), np.float32)
    for m, lamp in enumerate(casting):
        map_x, map_y, map_keys, axes[m], texels[m] = _lamp_view(vertices, directions[lamp], size)
        map_snapped, map_key = snap(map_x, map_y, map_keys)
        fill(map_snapped, map_key, faces, closed, np.empty((size, size), np.int32), maps[m])

    count = height * width
    rgb = np.empty((count, 3), np.float32)
    alpha = np.empty(count, np.float32)
    part_map = np.empty(count, np.uint8)
    depth = np.empty(count, np.float32)
    face = np.empty(count, np.int32)
    _shade(
        face_map,
        key_map,
        snapped,
        key,
        faces,
        table,
        part,
        supersample,
        np.float32(merge),
        textured,
        uv,
        layer,
        texture,
        gradients,
        _irradiance_polynomial(light.sh),
        directions,
        contiguous(light.colours, np.float32),
        contiguous(light.wrap, np.float32),
        shadow_index,
        maps,
        axes,
        texels,
        np.float32(light.shadow_bias),
        rgb,
        alpha,
        part_map,
        depth,
        face,
    )
    return Rendered(
        rgb.reshape(height, width, 3),
        alpha.reshape(height, width),
        part_map.reshape(height, width),
        depth.reshape(height, width),
        face.reshape(height, width),
    )
