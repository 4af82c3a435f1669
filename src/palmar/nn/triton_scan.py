"""The selective scan in Triton: compiled for a GPU, or interpreted on CPU tensors (slowly, for tests).

A program holds the states of some channels of one sequence in registers and walks along it, so that states never leave
the chip: of each element x and delta are read and y is written, 12 bytes, where doubling writes and reads decays and
states log2(l) times over, 16 bytes for each of n states and each time. For the way back the states before every
`CHUNK`th element are kept; a chunk's others are made again into a scratch of the program's own, which stays in the
cache. Sums over channels (of b's and c's gradients) are left as one part for each program and added up outside, so that
they do not depend on who comes first. Measured on: CPU interpreter.
"""

# Kernels are no Python to a type checker:
# pyright: reportOperatorIssue=false, reportArgumentType=false

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from palmar.render.triton_kernels import jit

CHUNK = 16
"""Elements between two states that are kept."""
CHANNELS = 32
"""Of a program."""


@jit
def _forward(
    x, delta, a, b, c, y, kept, decays, length, width, states,
    CHUNK: tl.constexpr, BLOCK: tl.constexpr, STATES: tl.constexpr,
):  # fmt: skip
    """Sequence program_id(0), channels BLOCK * program_id(1) and on. decays: rows of a, taken by sequences in turn."""
    sequence, part = tl.program_id(0).to(tl.int64), tl.program_id(1)
    channel, state = part * BLOCK + tl.arange(0, BLOCK), tl.arange(0, STATES)
    there, known = channel < width, state < states
    square = there[:, None] & known[None, :]
    place = channel[:, None] * states + state[None, :]
    rate = tl.load(a + sequence % decays * width * states + place, mask=square, other=0.0)
    h = tl.zeros((BLOCK, STATES), rate.dtype)
    chunks = (length + CHUNK - 1) // CHUNK
    for t in range(length):
        if t % CHUNK == 0:
            tl.store(kept + (sequence * chunks + t // CHUNK) * width * states + place, h, mask=square)
        row, few = (sequence * length + t) * width + channel, (sequence * length + t) * states + state
        step = tl.load(delta + row, mask=there, other=0.0)
        into = tl.load(x + row, mask=there, other=0.0)
        h = tl.exp(step[:, None] * rate) * h
        h += (step * into)[:, None] * tl.load(b + few, mask=known, other=0.0)[None, :]
        tl.store(y + row, tl.sum(h * tl.load(c + few, mask=known, other=0.0)[None, :], 1), mask=there)


@jit
def _backward(
    x, delta, a, b, c, kept, of_y, of_x, of_delta, of_a, of_b, of_c, scratch, decays, length, width, states,
    CHUNK: tl.constexpr, BLOCK: tl.constexpr, STATES: tl.constexpr,
):  # fmt: skip
    """of_b and of_c have a row for each program of a sequence; scratch CHUNK + 1 states for each program:
    before a chunk and after each of its elements."""
    sequence, part = tl.program_id(0).to(tl.int64), tl.program_id(1)
    parts = tl.num_programs(1)
    channel, state = part * BLOCK + tl.arange(0, BLOCK), tl.arange(0, STATES)
    there, known = channel < width, state < states
    square = there[:, None] & known[None, :]
    place = channel[:, None] * states + state[None, :]
    rate = tl.load(a + sequence % decays * width * states + place, mask=square, other=0.0)
    own = scratch + (sequence * parts + part) * (CHUNK + 1) * BLOCK * STATES
    inner = tl.arange(0, BLOCK)[:, None] * STATES + state[None, :]
    chunks = (length + CHUNK - 1) // CHUNK
    of_h = tl.zeros((BLOCK, STATES), rate.dtype)
    of_rate = tl.zeros((BLOCK, STATES), rate.dtype)
    for back in range(chunks):
        chunk = chunks - 1 - back
        first = chunk * CHUNK
        count = tl.minimum(length - first, CHUNK)
        h = tl.load(kept + (sequence * chunks + chunk) * width * states + place, mask=square, other=0.0)
        tl.store(own + inner, h)
        for i in range(count):
            row = (sequence * length + first + i) * width + channel
            few = (sequence * length + first + i) * states + state
            step = tl.load(delta + row, mask=there, other=0.0)
            into = tl.load(x + row, mask=there, other=0.0)
            h = tl.exp(step[:, None] * rate) * h
            h += (step * into)[:, None] * tl.load(b + few, mask=known, other=0.0)[None, :]
            tl.store(own + (i + 1) * BLOCK * STATES + inner, h)
        tl.debug_barrier()  # what one thread wrote another may read
        for j in range(count):
            i = count - 1 - j
            row = (sequence * length + first + i) * width + channel
            few = (sequence * length + first + i) * states + state
            step = tl.load(delta + row, mask=there, other=0.0)
            into = tl.load(x + row, mask=there, other=0.0)
            from_b = tl.load(b + few, mask=known, other=0.0)
            seen = tl.load(of_y + row, mask=there, other=0.0)
            last = tl.load(own + i * BLOCK * STATES + inner)
            h = tl.load(own + (i + 1) * BLOCK * STATES + inner)
            of_h += seen[:, None] * tl.load(c + few, mask=known, other=0.0)[None, :]
            sums = ((sequence * parts + part) * length + first + i) * states + state
            tl.store(of_c + sums, tl.sum(seen[:, None] * h, 0), mask=known)
            tl.store(of_b + sums, tl.sum((step * into)[:, None] * of_h, 0), mask=known)
            of_u = tl.sum(of_h * from_b[None, :], 1)
            tl.store(of_x + row, of_u * step, mask=there)
            of_h = of_h * tl.exp(step[:, None] * rate)  # now of the state before
            through = of_h * last
            of_rate += through * step[:, None]
            tl.store(of_delta + row, tl.sum(through * rate, 1) + of_u * into, mask=there)
        tl.debug_barrier()
    tl.store(of_a + sequence * width * states + place, of_rate, mask=square)


class TritonScan(torch.autograd.Function):
    """y of sequences x, delta [k, l, d], b, c [k, l, n] and decays a [m, d, n], which sequence i takes from row i % m.

    Contiguous, one dtype, float32 or float64; no axis of length 0. Once differentiable.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        k, length, width = x.shape
        y = torch.empty_like(x)
        kept = x.new_empty(k, triton.cdiv(length, CHUNK), width, b.shape[-1])
        _forward[(k, triton.cdiv(width, CHANNELS))](
            x, delta, a, b, c, y, kept, len(a), length, width, b.shape[-1],
            CHUNK=CHUNK, BLOCK=CHANNELS, STATES=triton.next_power_of_2(b.shape[-1]),
        )  # fmt: skip
        ctx.save_for_backward(x, delta, a, b, c, kept)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        x, delta, a, b, c, kept = ctx.saved_tensors
        of_y = grads[0].contiguous()
        k, length, width = x.shape
        states, parts = b.shape[-1], triton.cdiv(width, CHANNELS)
        padded = triton.next_power_of_2(states)
        of_x, of_delta, of_a = torch.empty_like(x), torch.empty_like(x), x.new_empty(k, width, states)
        of_b, of_c = (x.new_empty(k, parts, length, states) for _ in range(2))
        scratch = x.new_empty(k, parts, CHUNK + 1, CHANNELS, padded)
        _backward[(k, parts)](
            x, delta, a, b, c, kept, of_y, of_x, of_delta, of_a, of_b, of_c, scratch, len(a), length, width, states,
            CHUNK=CHUNK, BLOCK=CHANNELS, STATES=padded,
        )  # fmt: skip
        return of_x, of_delta, of_a.unflatten(0, (-1, len(a))).sum(0), of_b.sum(1), of_c.sum(1)


def scanned(
    x: Float[Tensor, "*k l d"],
    delta: Float[Tensor, "*k l d"],
    a: Float[Tensor, "*#k d n"],
    b: Float[Tensor, "*k l n"],
    c: Float[Tensor, "*k l n"],
) -> Float[Tensor, "*k l d"]:
    """`selective_scan` without its last term, in single precision where x is in a lower one."""
    kind = torch.promote_types(x.dtype, torch.float32)
    lead = x.shape[:-2]
    if not x.numel():
        return torch.zeros_like(x)
    rows = a.expand(*lead, *a.shape[-2:]) if a.ndim > 2 and _late(a, lead) else a
    flat = [part.to(kind).reshape(-1, *part.shape[-2:]).contiguous() for part in (x, delta, rows, b, c)]
    return TritonScan.apply(*flat).reshape(x.shape).to(x.dtype)


def _late(a: Tensor, lead: torch.Size) -> bool:
    """Whether decays differ along other than the last of the leading axes, so that no turn of rows fits."""
    own = (1,) * (len(lead) + 2 - a.ndim) + tuple(a.shape[:-2])
    kept = [i for i, n in enumerate(own) if n > 1]
    first = kept[0] if kept else len(own)
    return own[first:] != tuple(lead[first:])
