"""The z-buffer of a batch, in Triton: compiled for a GPU, or interpreted on CPU tensors (slowly, for tests).

A hand in a crop has some thousand triangles, most of them over one to ten samples of the picture. The usual plan of
sorting triangles into lists per tile, and of letting a program per tile walk through its list with the tile's z-buffer
in registers, wastes itself on them: all 256 or more pixels of a tile are tested for a triangle that covers ten, and
lists need a count, a prefix sum and a capacity. So the work is split by size:

1. `_draw`: a lane per triangle walks over the pixels of its bounding box and writes by an atomic maximum of 64 bits,
   key above and face below. What is written does not depend on who comes first, and of equal keys the first face stays.
   Edges fit 32 bits here. Work is proportional to bounding boxes (about 25 samples for a triangle of 10), the 32 lanes
   of a program wait for the largest among them and for no others, and nothing is ever full.
2. Triangles over more than `FEW` pixels (tables, arms, hands that fill a large picture) are put into a list, which has
   room for all of them. `_finish`, a program per tile, walks through it: 32 bounding boxes at a time are compared with
   the tile, and those that meet it are tested pixel by pixel in 64 bits. It then splits the numbers into faces and
   keys, which has to visit every pixel anyway.

Numbers are those of `rasterize.fill`, operation by operation; products are not fused with sums, division rounds
correctly. So both give the same faces and the same keys, bit by bit. Measured on: CPU interpreter.
"""

# Kernels are no Python to a type checker:
# pyright: reportOperatorIssue=false, reportArgumentType=false

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl
from jaxtyping import Bool, Float32, Int32
from torch import Tensor

from palmar.errors import PalmarError
from palmar.render.device import interpreted
from palmar.render.rasterize import SUBPIXEL_BITS

FEW = 256
"""Pixels of a bounding box up to which one lane draws a triangle alone."""
LONGEST = 1 << 15
"""Triangles must be narrower and lower than this, in 1/256 pixel, for their edges to fit 32 bits: at D both ways a
product of two differences stays below D^2, and an edge is the difference of two such products."""
LAST = 0x7FFFFFFF
CHUNK = 32
TILE = 32


def jit(function: Callable) -> Any:
    """`triton.jit` of the function without the wrappers that a run-time type checker puts around it."""
    return triton.jit(inspect.unwrap(function))


@jit
def _draw(
    snapped,
    key,
    faces,
    cull,
    packed,
    listed,
    boxes,
    count,
    vertices,
    triangles,
    blocks,
    face_stride,
    cull_stride,
    height,
    width,
    BITS: tl.constexpr,
    FEW: tl.constexpr,
    LONGEST: tl.constexpr,
    LAST: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Draw the small triangles of one block and list the large ones."""
    program = tl.program_id(0)
    sample = (program // blocks).to(tl.int64)
    f = (program % blocks) * BLOCK + tl.arange(0, BLOCK)
    exists = f < triangles
    corner = faces + sample * face_stride + f * 3
    a = tl.load(corner, mask=exists, other=-1)
    b = tl.load(corner + 1, mask=exists, other=-1)
    c = tl.load(corner + 2, mask=exists, other=-1)
    exists = exists & (a >= 0) & (a < vertices) & (b >= 0) & (b < vertices) & (c >= 0) & (c < vertices)
    first = sample * vertices
    ka = tl.load(key + first + a, mask=exists, other=0.0)
    kb = tl.load(key + first + b, mask=exists, other=0.0)
    kc = tl.load(key + first + c, mask=exists, other=0.0)
    exists = exists & (ka > 0.0) & (kb > 0.0) & (kc > 0.0)
    place = snapped + first * 2
    ax = tl.load(place + a * 2, mask=exists, other=0)
    ay = tl.load(place + a * 2 + 1, mask=exists, other=0)
    bx = tl.load(place + b * 2, mask=exists, other=0)
    by = tl.load(place + b * 2 + 1, mask=exists, other=0)
    cx = tl.load(place + c * 2, mask=exists, other=0)
    cy = tl.load(place + c * 2 + 1, mask=exists, other=0)
    back = tl.load(cull + sample * cull_stride + f, mask=exists, other=0) != 0

    half: tl.constexpr = (1 << BITS) - 1
    left = tl.minimum(tl.minimum(ax, bx), cx)
    right = tl.maximum(tl.maximum(ax, bx), cx)
    upper = tl.minimum(tl.minimum(ay, by), cy)
    lower = tl.maximum(tl.maximum(ay, by), cy)
    x0 = tl.maximum((left + half) >> BITS, 0)
    x1 = tl.minimum(right >> BITS, width - 1)
    y0 = tl.maximum((upper + half) >> BITS, 0)
    y1 = tl.minimum(lower >> BITS, height - 1)
    exists = exists & (x0 <= x1) & (y0 <= y1)
    pixels = (x1 - x0 + 1) * (y1 - y0 + 1)
    small = (right - left < LONGEST) & (lower - upper < LONGEST) & (pixels <= FEW)

    large = exists & ~small
    slot = tl.atomic_add(count + sample + tl.zeros_like(f), 1, mask=large, sem="relaxed")
    at = sample * triangles + slot
    tl.store(listed + at, f, mask=large)
    tl.store(boxes + at * 2, x0 | (y0 << 16), mask=large)
    tl.store(boxes + at * 2 + 1, x1 | (y1 << 16), mask=large)

    # From here on only what the small ones have is of use, and fits 32 bits.
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    small = exists & small & (area != 0) & ~((area > 0) & back)
    turn = area < 0
    bx, cx = tl.where(turn, cx, bx), tl.where(turn, bx, cx)
    by, cy = tl.where(turn, cy, by), tl.where(turn, by, cy)
    kb, kc = tl.where(turn, kc, kb), tl.where(turn, kb, kc)
    # The edge opposite each vertex; positive inside. It is top or left where it goes up, or level to the right.
    dxa, dya = cx - bx, cy - by
    dxb, dyb = ax - cx, ay - cy
    dxc, dyc = bx - ax, by - ay
    biasa = tl.where((dya < 0) | ((dya == 0) & (dxa > 0)), 0, -1)
    biasb = tl.where((dyb < 0) | ((dyb == 0) & (dxb > 0)), 0, -1)
    biasc = tl.where((dyc < 0) | ((dyc == 0) & (dxc > 0)), 0, -1)
    px = x0 << BITS
    py = y0 << BITS
    rowa = dxa * (py - by) - dya * (px - bx) + biasa
    rowb = dxb * (py - cy) - dyb * (px - cx) + biasb
    rowc = dxc * (py - ay) - dyc * (px - ax) + biasc
    over_area = tl.div_rn(tl.full([BLOCK], 1.0, tl.float32), tl.where(turn, -area, area).to(tl.float32))
    kb = (kb - ka) * over_area
    kc = (kc - ka) * over_area
    low = (LAST - f).to(tl.int64)
    row = packed + sample * height * width + y0 * width
    ea, eb, ec = rowa, rowb, rowc
    x = x0
    pixels = tl.where(small, pixels, 0)
    for i in range(tl.max(pixels, 0)):
        k = ka + (eb - biasb).to(tl.float32) * kb + (ec - biasc).to(tl.float32) * kc
        seen = (i < pixels) & ((ea | eb | ec) >= 0) & (k > 0.0)
        value = (k.to(tl.int32, bitcast=True).to(tl.int64) << 32) | low
        tl.atomic_max(row + x, value, mask=seen, sem="relaxed")
        next_row = x >= x1
        rowa = tl.where(next_row, rowa + (dxa << BITS), rowa)
        rowb = tl.where(next_row, rowb + (dxb << BITS), rowb)
        rowc = tl.where(next_row, rowc + (dxc << BITS), rowc)
        ea = tl.where(next_row, rowa, ea - (dya << BITS))
        eb = tl.where(next_row, rowb, eb - (dyb << BITS))
        ec = tl.where(next_row, rowc, ec - (dyc << BITS))
        row = tl.where(next_row, row + width, row)
        x = tl.where(next_row, x0, x + 1)


@jit
def _finish(
    snapped,
    key,
    faces,
    cull,
    packed,
    listed,
    boxes,
    count,
    face_map,
    key_map,
    vertices,
    triangles,
    tiles,
    tiles_across,
    face_stride,
    cull_stride,
    height,
    width,
    BITS: tl.constexpr,
    LAST: tl.constexpr,
    CHUNK: tl.constexpr,
    TILE: tl.constexpr,
):
    """Draw the large triangles into one tile, then write its faces and keys."""
    program = tl.program_id(0)
    sample = (program // tiles).to(tl.int64)
    tile = program % tiles
    top = tile // tiles_across * TILE
    left = tile % tiles_across * TILE
    y = top + tl.arange(0, TILE)
    x = left + tl.arange(0, TILE)
    inside = (y < height)[:, None] & (x < width)[None, :]
    at = sample * height * width + y[:, None] * width + x[None, :]
    best = tl.load(packed + at, mask=inside, other=0)
    py = y.to(tl.int64) << BITS
    px = x.to(tl.int64) << BITS
    lane = tl.arange(0, CHUNK)
    many = tl.load(count + sample)
    first = sample * vertices
    for start in range(0, many, CHUNK):
        entry = sample * triangles + start + lane
        on = start + lane < many
        low_corner = tl.load(boxes + entry * 2, mask=on, other=0)
        high_corner = tl.load(boxes + entry * 2 + 1, mask=on, other=0)
        meets = on & ((low_corner & 0xFFFF) < left + TILE) & ((high_corner & 0xFFFF) >= left)
        meets = meets & ((low_corner >> 16) < top + TILE) & ((high_corner >> 16) >= top)
        bits = tl.sum(tl.where(meets, tl.full([CHUNK], 1, tl.int64) << lane.to(tl.int64), 0), 0)
        while bits != 0:
            lowest = bits & -bits
            bits = bits - lowest
            # The exponent of a power of two as a float is the number of its bit.
            which = (lowest.to(tl.float32).to(tl.int32, bitcast=True) >> 23) - 127
            f = tl.load(listed + sample * triangles + start + which)
            corner = faces + sample * face_stride + f * 3
            a = tl.load(corner)
            b = tl.load(corner + 1)
            c = tl.load(corner + 2)
            ka = tl.load(key + first + a)
            kb = tl.load(key + first + b)
            kc = tl.load(key + first + c)
            ax = tl.load(snapped + (first + a) * 2).to(tl.int64)
            ay = tl.load(snapped + (first + a) * 2 + 1).to(tl.int64)
            bx = tl.load(snapped + (first + b) * 2).to(tl.int64)
            by = tl.load(snapped + (first + b) * 2 + 1).to(tl.int64)
            cx = tl.load(snapped + (first + c) * 2).to(tl.int64)
            cy = tl.load(snapped + (first + c) * 2 + 1).to(tl.int64)
            back = tl.load(cull + sample * cull_stride + f) != 0
            area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            if (area != 0) & ((area < 0) | (back == 0)):
                turn = area < 0
                bx, cx = tl.where(turn, cx, bx), tl.where(turn, bx, cx)
                by, cy = tl.where(turn, cy, by), tl.where(turn, by, cy)
                kb, kc = tl.where(turn, kc, kb), tl.where(turn, kb, kc)
                dxa, dya = cx - bx, cy - by
                dxb, dyb = ax - cx, ay - cy
                dxc, dyc = bx - ax, by - ay
                biasa = tl.where((dya < 0) | ((dya == 0) & (dxa > 0)), 0, -1)
                biasb = tl.where((dyb < 0) | ((dyb == 0) & (dxb > 0)), 0, -1)
                biasc = tl.where((dyc < 0) | ((dyc == 0) & (dxc > 0)), 0, -1)
                ea = (dxa * (py - by) + biasa)[:, None] - (dya * (px - bx))[None, :]
                eb = (dxb * (py - cy))[:, None] - (dyb * (px - cx))[None, :]
                ec = (dxc * (py - ay))[:, None] - (dyc * (px - ax))[None, :]
                over_area = tl.div_rn(1.0, tl.where(turn, -area, area).to(tl.float32))
                kb = (kb - ka) * over_area
                kc = (kc - ka) * over_area
                k = ka + eb.to(tl.float32) * kb + ec.to(tl.float32) * kc
                seen = ((ea | (eb + biasb) | (ec + biasc)) >= 0) & (k > 0.0)
                value = (k.to(tl.int32, bitcast=True).to(tl.int64) << 32) | (LAST - f).to(tl.int64)
                best = tl.where(seen, tl.maximum(best, value), best)
    face = tl.where(best > 0, LAST - (best & LAST).to(tl.int32), -1)
    tl.store(face_map + at, face, mask=inside)
    tl.store(key_map + at, (best >> 32).to(tl.int32).to(tl.float32, bitcast=True), mask=inside)


def fill_batch(
    snapped: Int32[Tensor, "b v 2"],
    key: Float32[Tensor, "b v"],
    faces: Int32[Tensor, "b f 3"],
    cull: Bool[Tensor, "b f"],
    height: int,
    width: int,
) -> tuple[Int32[Tensor, "b h w"], Float32[Tensor, "b h w"]]:
    """The nearest triangle of every pixel and its key: `rasterize.fill` for every sample. Nothing waits for the host.

    Raises PalmarError for pictures of more than 32,767 pixels along a side.
    """
    b, v = key.shape
    f = faces.shape[1]
    if max(height, width) > 32767:
        raise PalmarError(f"rasterize: a batch's pictures have at most 32767 pixels a side, got {height} x {width}.")
    device = snapped.device
    face_map = torch.empty((b, height, width), dtype=torch.int32, device=device)
    key_map = torch.empty((b, height, width), device=device)
    if b == 0:
        return face_map, key_map
    snapped, key = snapped.contiguous(), key.contiguous()
    if faces.stride()[1:] != (3, 1):
        faces = faces.contiguous()
    if cull.stride(1) != 1:
        cull = cull.contiguous()
    backs = cull.view(torch.uint8)
    packed = torch.zeros((b, height, width), dtype=torch.int64, device=device)
    count = torch.zeros(b, dtype=torch.int32, device=device)
    listed = torch.empty((b, f), dtype=torch.int32, device=device)
    boxes = torch.empty((b, f, 2), dtype=torch.int32, device=device)
    strides = faces.stride(0), backs.stride(0)
    if f:
        # A program costs the interpreter milliseconds and a GPU nothing.
        block = min(triton.next_power_of_2(f), 1024) if interpreted() else 32
        blocks = triton.cdiv(f, block)
        _draw[(b * blocks,)](
            snapped, key, faces, backs, packed, listed, boxes, count, v, f, blocks, *strides, height, width,
            BITS=SUBPIXEL_BITS, FEW=FEW, LONGEST=LONGEST, LAST=LAST, BLOCK=block, num_warps=1, enable_fp_fusion=False,
        )  # fmt: skip
    down, across = triton.cdiv(height, TILE), triton.cdiv(width, TILE)
    _finish[(b * down * across,)](
        snapped, key, faces, backs, packed, listed, boxes, count, face_map, key_map, v, f, down * across, across,
        *strides, height, width,
        BITS=SUBPIXEL_BITS, LAST=LAST, CHUNK=CHUNK, TILE=TILE, num_warps=4, enable_fp_fusion=False,
    )  # fmt: skip
    return face_map, key_map
