"""Selective state spaces (Mamba, Gu & Dao 2023) in plain PyTorch: the scan, and a layer that scans in several orders.

    h_t = exp(delta_t A) h_{t-1} + delta_t B_t x_t        y_t = C_t . h_t + D x_t        h_0 = 0

B is multiplied by delta, not integrated over the step as A is: so do the kernels in use. Letters: b batch, l length,
d channels, n states.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from palmar.errors import PalmarError

Way = Literal["auto", "steps", "parallel"]


def selective_scan(
    x: Float[Tensor, "b l d"],
    delta: Float[Tensor, "b l d"],
    a: Float[Tensor, "d n"],
    b: Float[Tensor, "b l n"],
    c: Float[Tensor, "b l n"],
    d: Float[Tensor, " d"] | None = None,
    *,
    way: Way = "auto",
) -> Float[Tensor, "b l d"]:
    """y of the recurrence above.

    delta: after its softplus, positive. a: negative. way: "steps" is the recurrence; "parallel" doubles the span that
    every element knows of, ceil(log2 l) times (Hillis & Steele 1986): O(l log l) work in O(log l) steps. Both are
    differentiable and agree to rounding. "auto" steps on a processor, where it is up to six times as fast
    (`benchmarks/scan.py`), and doubles elsewhere, where every step is a launch.
    """
    decay = torch.exp(delta[..., None] * a)  # b l d n
    state = (delta * x)[..., None] * b[:, :, None]  # b l d n
    if way == "steps" or (way == "auto" and x.device.type == "cpu"):
        states = _steps(decay, state)
    else:
        states = _doubling(decay, state)
    y = torch.einsum("bldn,bln->bld", states, c)
    return y if d is None else y + x * d


def _steps(decay: Float[Tensor, "b l d n"], state: Float[Tensor, "b l d n"]) -> Float[Tensor, "b l d n"]:
    h = torch.zeros_like(state[:, 0])
    out = []
    for keep, add in zip(decay.unbind(1), state.unbind(1), strict=True):  # slices' gradients are whole tensors
        h = keep * h + add
        out.append(h)
    return torch.stack(out, 1) if out else state


def _doubling(decay: Float[Tensor, "b l d n"], state: Float[Tensor, "b l d n"]) -> Float[Tensor, "b l d n"]:
    """Element t holds (product of decays, sum of states) of the last 2^i elements up to t."""
    length, reach = state.shape[1], 1
    while reach < length:
        # What the span before mine hands on; elements whose span is whole already keep theirs.
        state = torch.cat([state[:, :reach], state[:, reach:] + decay[:, reach:] * state[:, :-reach]], 1)
        decay = torch.cat([decay[:, :reach], decay[:, reach:] * decay[:, :-reach]], 1)
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
        total = torch.zeros_like(x)
        for k, order in enumerate(orders):
            along = x[:, order]
            low, b, c = F.linear(along, self.to_parts[k]).split((self.rank, self.states, self.states), -1)
            delta = F.softplus(F.linear(low, self.to_delta[k], self.delta_bias[k]))
            y = selective_scan(along, delta, -self.log_decay[k].exp(), b, c, self.through[k])
            total = total.index_add(1, order, y)
        return total


def snakes(rows: int, columns: int) -> tuple[Int[Tensor, " l"], ...]:
    """The four orders of SS2D over a map flattened row by row: along rows, along columns, and both backwards."""
    along = torch.arange(rows * columns)
    down = along.view(rows, columns).T.flatten()
    return along, down, along.flip(0), down.flip(0)
