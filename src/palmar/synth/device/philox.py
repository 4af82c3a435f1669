"""Random numbers that are pure functions of where they stand: Philox 4x32-10 in integer tensor operations.

A number is named by (seed, index of the sample, stream, place in the stream), so what a sample draws does not depend on
which batch it is in, on the order of the draws of others, or on the device. Salmon et al., Parallel random numbers: as
easy as 1, 2, 3 (SC 2011).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor

from palmar.errors import PalmarError

_MULTIPLIER = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_WORD = 0xFFFFFFFF


def philox(counter: Int64[Tensor, "*b 4"], key: tuple[int, int]) -> Int64[Tensor, "*b 4"]:
    """Four random words of 32 bits for every counter of four, all as int64 between 0 and 2^32 - 1.

    A product of two words fills 64 bits; as int64 it wraps, and its halves are still those of the unsigned product.
    """
    a, b, c, d = counter.unbind(-1)
    k0, k1 = key
    for _ in range(_ROUNDS):
        first, second = a * _MULTIPLIER[0], c * _MULTIPLIER[1]
        a, b = ((second >> 32) & _WORD) ^ b ^ k0, second & _WORD
        c, d = ((first >> 32) & _WORD) ^ d ^ k1, first & _WORD
        k0, k1 = (k0 + _WEYL[0]) & _WORD, (k1 + _WEYL[1]) & _WORD
    return torch.stack([a, b, c, d], -1)


def uniforms(
    seed: int, index: Int64[Tensor, " b"], stream: int | Int64[Tensor, " b"], count: int
) -> Float[Tensor, "b n"]:
    """`count` numbers in [0, 1) for every sample: multiples of 2^-24, equal on every device. stream: one for all
    samples, or each one's own.

    Raises PalmarError for a seed outside 0 to 2^64 - 1.
    """
    if not 0 <= seed < 2**64:
        raise PalmarError(f"seed must lie between 0 and 2^64 - 1, got {seed}.")
    blocks = -(-count // 4)
    block = torch.arange(blocks, device=index.device).expand(len(index), blocks)
    low, high = (index & _WORD)[:, None].expand_as(block), ((index >> 32) & _WORD)[:, None].expand_as(block)
    own = stream[:, None].expand_as(block) if isinstance(stream, Tensor) else torch.full_like(block, stream)
    counter = torch.stack([block, low, high, own], -1)
    words = philox(counter, (seed & _WORD, seed >> 32)).reshape(len(index), 4 * blocks)[:, :count]
    return (words >> 8).to(torch.float32) * 2.0**-24


Value = float | Tensor


class Draws:
    """The draws of a batch of samples: as `palmar.synth.draws.Draws`, a row for every sample.

    Every call takes the next columns of a block that is drawn at once, the same number of them whatever the values are.
    Trailing dimensions come from `shape`; bounds broadcast against [b, *shape].
    Raises PalmarError where the block is used up.
    """

    def __init__(
        self, seed: int, index: Int64[Tensor, " b"], stream: int | Int64[Tensor, " b"], block: int = 256
    ) -> None:
        self.device, self.count = index.device, len(index)
        self._block, self._used = uniforms(seed, index, stream, block), 0

    def uniform(self, low: Value = 0.0, high: Value = 1.0, shape: Sequence[int] = ()) -> Float[Tensor, "b ..."]:
        size = math.prod(shape)
        first, self._used = self._used, self._used + size
        if self._used > self._block.shape[1]:
            raise PalmarError(f"Draws: more than the {self._block.shape[1]} numbers of the block were asked for.")
        u = self._block[:, first : self._used].reshape(self.count, *shape)
        if isinstance(low, float) and isinstance(high, float) and (low, high) == (0.0, 1.0):
            return u
        return low + (high - low) * u

    def log_uniform(self, low: float, high: float, shape: Sequence[int] = ()) -> Float[Tensor, "b ..."]:
        return torch.exp(self.uniform(math.log(low), math.log(high), shape))

    def normal(self, sigma: Value = 1.0, shape: Sequence[int] = ()) -> Float[Tensor, "b ..."]:
        """Box and Muller."""
        radius = torch.sqrt(-2.0 * torch.log(1.0 - self.uniform(shape=shape)))
        return sigma * radius * torch.cos(2.0 * math.pi * self.uniform(shape=shape))

    def exponential(self, shape: Sequence[int] = ()) -> Float[Tensor, "b ..."]:
        """Mean 1. Shares of a sum of these are uniform on the simplex (Dirichlet with ones)."""
        return -torch.log(1.0 - self.uniform(shape=shape))

    def chance(self, p: Value, shape: Sequence[int] = ()) -> Bool[Tensor, "b ..."]:
        return self.uniform(shape=shape) < p

    def integer(self, count: int, shape: Sequence[int] = ()) -> Int[Tensor, "b ..."]:
        """0 to count - 1."""
        return (self.uniform(shape=shape) * count).long().clamp(max=count - 1)

    def pick(self, shares: Sequence[float], shape: Sequence[int] = ()) -> Int[Tensor, "b ..."]:
        """A number of 0 to len(shares) - 1, drawn with these probabilities, which sum to 1."""
        u = self.uniform(shape=shape)
        out = torch.zeros_like(u, dtype=torch.long)
        total = 0.0
        for share in shares[:-1]:
            total += share
            out = out + (u >= total)
        return out

    def sign(self, shape: Sequence[int] = ()) -> Float[Tensor, "b ..."]:
        """-1 or 1."""
        return torch.where(self.chance(0.5, shape), 1.0, -1.0)
