"""A fine grain on surfaces of batches: value noise in the resting body's space, so that it moves with the skin.

Skin is furrowed 20 to 100 micrometres deep about every millimetre, and its colour is mottled at that scale; a camera a
forearm away sees it as a slight unrest. The grain is a pure function of the resting place and of nothing else.
"""

from __future__ import annotations

import torch
from jaxtyping import Float32
from torch import Tensor

CELL = 0.0013
"""Metres between the lattice points of the noise."""
CONTRAST = 0.06
"""Albedo is multiplied by 1 plus this times the noise at strength 1."""
DEPTH = 0.00006
"""Metres that the surface rises where the noise is 1, at strength 1."""


def value_noise(points: Float32[Tensor, "*c 3"]) -> tuple[Float32[Tensor, "*c"], Float32[Tensor, "*c 3"]]:
    """Noise between -1 and 1 with mean 0, and its gradient. points: in cells; finite.

    Random values at whole numbers, between them the quintic blend of Perlin (2002), whose gradient is continuous.
    """
    base = torch.floor(points)
    t = points - base
    corner = base.to(torch.int32)
    blend = t * t * t * (t * (t * 6 - 15) + 10)
    slope = 30 * t * t * (t - 1) * (t - 1)
    low = [one * factor for one, factor in zip(corner.unbind(-1), (73856093, 19349663, 83492791), strict=True)]
    high = [one + factor for one, factor in zip(low, (73856093, 19349663, 83492791), strict=True)]
    values = [
        _random(x ^ y ^ z) for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])
    ]  # z turns fastest
    bx, by, bz = blend.unbind(-1)
    along_z = [a + bz * (b - a) for a, b in zip(values[::2], values[1::2], strict=True)]
    over_z = [b - a for a, b in zip(values[::2], values[1::2], strict=True)]
    along_y = [a + by * (b - a) for a, b in zip(along_z[::2], along_z[1::2], strict=True)]
    over_y = [b - a for a, b in zip(along_z[::2], along_z[1::2], strict=True)]
    over_yz = [a + by * (b - a) for a, b in zip(over_z[::2], over_z[1::2], strict=True)]
    value = along_y[0] + bx * (along_y[1] - along_y[0])
    gradient = torch.stack(
        [
            along_y[1] - along_y[0],
            over_y[0] + bx * (over_y[1] - over_y[0]),
            over_yz[0] + bx * (over_yz[1] - over_yz[0]),
        ],
        -1,
    )
    return value, gradient * slope


def _random(number: Tensor) -> Tensor:
    """A number between -1 and 1 for every int32, by the finalizer of MurmurHash3. Products wrap around."""
    h = number
    h = (h ^ ((h >> 16) & 0xFFFF)) * -2048144789
    h = (h ^ ((h >> 13) & 0x7FFFF)) * -1028477387
    h = h ^ ((h >> 16) & 0xFFFF)
    return (h & 0xFFFFFF).to(torch.float32) * (2.0 / 0xFFFFFF) - 1.0
