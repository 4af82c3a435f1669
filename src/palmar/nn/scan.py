"""Selective state spaces (Mamba, Gu & Dao 2023): the scan, and a layer that scans in several orders.

    h_t = exp(delta_t A) h_{t-1} + delta_t B_t x_t        y_t = C_t . h_t + D x_t        h_0 = 0

B is multiplied by delta, not integrated over the step as A is: so do the kernels in use. Letters: b batch, l length,
d channels, n states.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from palmar.errors import PalmarError

Way = Literal["auto", "steps", "parallel", "triton"]


def selective_scan(
    x: Float[Tensor, "*k l d"],
    delta: Float[Tensor, "*k l d"],
    a: Float[Tensor, "*#k d n"],
    b: Float[Tensor, "*k l n"],
    c: Float[Tensor, "*k l n"],
    d: Float[Tensor, "*#k d"] | None = None,
    *,
    way: Way = "auto",
) -> Float[Tensor, "*k l d"]:
    """y of the recurrence above, for any leading axes.

    delta: after its softplus, positive. a: negative. way: "steps" is the recurrence; "parallel" doubles the span that
    every element knows of, ceil(log2 l) times (Hillis & Steele 1986): O(l log l) work in O(log l) steps. Both are
    differentiable and agree to rounding. "triton" is the recurrence in one launch (`palmar.nn.triton_scan`). "auto"
    steps on a processor, where it is up to six times as fast (`benchmarks/scan.py`); on a GPU it takes Triton where
    that is installed, which reads and writes a hundredth of the bytes, and doubles elsewhere.
    """
    if way == "auto":
        way = "steps" if x.device.type == "cpu" else "triton" if _has_triton(x.device) else "parallel"
    if way == "steps":
        y = _Steps.apply(x, delta, a, b, c)
    elif way == "triton":
        from palmar.nn.triton_scan import scanned

        y = scanned(x, delta, a, b, c)
    else:
        decay = torch.exp(delta[..., None] * a[..., None, :, :])  # k l d n
        states = _doubling(decay, (delta * x)[..., None] * b[..., None, :])
        y = (states @ c[..., None])[..., 0]
    return y if d is None else y + x * d[..., None, :]


def _has_triton(device: torch.device) -> bool:
    return device.type == "cuda" and find_spec("triton") is not None


class _Steps(torch.autograd.Function):
    """The recurrence step by step. Only the states are kept for the way back; decays are made again, so that a step
    works on what fits a processor's cache. Once differentiable."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        h = x.new_zeros(*x.shape[:-2], x.shape[-1], b.shape[-1])
        kept, out = [], []
        for t in range(x.shape[-2]):
            decay = torch.exp(delta[..., t, :, None] * a)
            h = decay.mul_(h).addcmul_((delta[..., t, :] * x[..., t, :])[..., None], b[..., t, None, :])
            kept.append(h)
            out.append((h @ c[..., t, :, None])[..., 0])
        ctx.save_for_backward(x, delta, a, b, c, *kept)
        return torch.stack(out, -2) if out else x.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        x, delta, a, b, c, *kept = ctx.saved_tensors
        (of_y,) = grads
        of_x, of_delta, of_b, of_c = (torch.zeros_like(part) for part in (x, delta, b, c))
        of_a = torch.zeros_like(torch.broadcast_to(a, (*x.shape[:-2], *a.shape[-2:])))
        of_h = torch.zeros_like(of_a)
        for t in reversed(range(x.shape[-2])):
            step, into = delta[..., t, :, None], x[..., t, :]
            of_c[..., t, :] = (of_y[..., t, None, :] @ kept[t])[..., 0, :]
            of_h.addcmul_(of_y[..., t, :, None], c[..., t, None, :])
            of_u = (of_h @ b[..., t, :, None])[..., 0]
            of_b[..., t, :] = ((delta[..., t, :] * into)[..., None, :] @ of_h)[..., 0, :]
            of_x[..., t, :] = of_u * delta[..., t, :]
            of_h.mul_(torch.exp(step * a))  # now of the state before
            if t:
                through = of_h * kept[t - 1]
                of_a.addcmul_(through, step)
                of_delta[..., t, :] = (through * a).sum(-1)
            of_delta[..., t, :] += of_u * into
        return of_x, of_delta, _sum_to(of_a, a.shape), of_b, of_c


def _sum_to(grad: Tensor, shape: torch.Size) -> Tensor:
    """Sums a gradient over the axes that were broadcast."""
    extra = grad.ndim - len(shape)
    grad = grad.sum(tuple(range(extra))) if extra else grad
    ones = [i for i, n in enumerate(shape) if n == 1 and grad.shape[i] > 1]
    return grad.sum(ones, keepdim=True) if ones else grad


def _doubling(decay: Float[Tensor, "*k l d n"], state: Float[Tensor, "*k l d n"]) -> Float[Tensor, "*k l d n"]:
    """Element t holds (product of decays, sum of states) of the last 2^i elements up to t."""
    length, reach = state.shape[-3], 1
    while reach < length:
        # What the span before mine hands on; elements whose span is whole already keep theirs.
        first, before, late = state[..., :reach, :, :], state[..., :-reach, :, :], decay[..., reach:, :, :]
        state = torch.cat([first, torch.addcmul(state[..., reach:, :, :], late, before)], -3)
        decay = torch.cat([decay[..., :reach, :, :], late * decay[..., :-reach, :, :]], -3)
        reach *= 2
    return state


class SelectiveScan(nn.Module):
    """Tokens scanned in several orders, each with its own parameters; what the scans say of one token is added up.

    Two orders, there and back, are the bidirectional scan; the four of a map's rows and columns are VMamba's SS2D (Liu
    et al. 2024). Numbers for d channels, n states, rank r and k orders: k (d (r + 2n) + r d + d + d n + d).
    """

    def __init__(self, width: int, orders: int, *, states: int = 16, rank: int | None = None) -> None:
        """rank: of the map that makes delta; ceil(width / 32) by default, which is a sixteenth of the model's width
        where the layer is twice as wide."""
        super().__init__()
        self.states, self.rank = states, rank or math.ceil(width / 32)
        self.to_parts = nn.Parameter(torch.empty(orders, self.rank + 2 * states, width))
        self.to_delta = nn.Parameter(torch.empty(orders, width, self.rank))
        self.delta_bias = nn.Parameter(torch.empty(orders, width))
        self.log_decay = nn.Parameter(torch.arange(1.0, states + 1).log().repeat(orders, width, 1))
        self.through = nn.Parameter(torch.ones(orders, width))
        for weight in self.to_parts:
            nn.init.kaiming_uniform_(weight, a=math.sqrt(5))
        nn.init.uniform_(self.to_delta, -(self.rank**-0.5), self.rank**-0.5)
        with torch.no_grad():  # deltas from 0.001 to 0.1, evenly in their logarithm
            delta = torch.exp(torch.empty(orders, width).uniform_(math.log(1e-3), math.log(1e-1))).clamp_min(1e-4)
            self.delta_bias.copy_(delta + torch.log(-torch.expm1(-delta)))  # inverse of softplus

    def forward(self, x: Float[Tensor, "b l d"], orders: Sequence[Int[Tensor, " l"]]) -> Float[Tensor, "b l d"]:
        """orders: for each scan, the tokens in the order in which it meets them.

        Raises PalmarError where there are not as many as the layer was made for.
        """
        if len(orders) != len(self.to_parts):
            raise PalmarError(f"SelectiveScan: made for {len(self.to_parts)} orders, got {len(orders)}.")
        met = torch.stack(list(orders)).to(x.device)  # k l
        along = x[:, met]  # b k l d
        parts = along @ self.to_parts.mT  # every order has its own
        low, b, c = parts.split((self.rank, self.states, self.states), -1)
        delta = F.softplus(low @ self.to_delta.mT + self.delta_bias[:, None])
        y = selective_scan(along, delta, -self.log_decay.exp(), b, c, self.through)
        place = met.argsort(1)[None, :, :, None].expand(len(x), -1, -1, x.shape[-1])
        return y.gather(2, place).sum(1)


def snakes(rows: int, columns: int) -> tuple[Int[Tensor, " l"], ...]:
    """The four orders of SS2D over a map flattened row by row: along rows, along columns, and both backwards."""
    along = torch.arange(rows * columns)
    down = along.view(rows, columns).T.flatten()
    return along, down, along.flip(0), down.flip(0)
