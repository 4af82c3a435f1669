"""The light of a batch, with the distributions of `palmar.synth.light.sample_light`."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from palmar.render.batch import LightBatch
from palmar.synth.device.philox import Draws

MOST_LOBES, MOST_LAMPS = 5, 3


def _directions(draw: Draws, n: int) -> Float[Tensor, "b n 3"]:
    d = draw.normal(shape=(n, 3))
    d = torch.stack([d[..., 0], d[..., 1] - 0.5, d[..., 2]], -1)  # more light comes from above (-y) than from below
    return d / torch.linalg.vector_norm(d, dim=-1, keepdim=True)


def _colour(draw: Draws, n: int) -> Float[Tensor, "b n 3"]:
    """About 2500 to 9000 K, as factors of linear RGB with mean 1."""
    warm = draw.uniform(-1.0, 1.0, (n, 1))
    colour = torch.exp(torch.cat([0.38 * warm, 0.03 * warm, -0.50 * warm], -1) + draw.normal(0.05, (n, 3)))
    return colour / colour.mean(-1, keepdim=True)


def sh_basis(d: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 9"]:
    """`palmar.render.light.sh_basis` of tensors."""
    x, y, z = d.unbind(-1)
    s = math.sqrt
    one = torch.full_like(x, 0.5 * s(1.0 / math.pi))
    a, b, c = s(0.75 / math.pi), s(3.75 / math.pi), 0.25 * s(5.0 / math.pi)
    rows = [one, a * y, a * z, a * x, b * x * y, b * y * z, c * (3.0 * z * z - 1.0), b * x * z]
    return torch.stack([*rows, 0.5 * b * (x * x - y * y)], -1)


def sh_from_lobes(
    directions: Float[Tensor, "b n 3"],
    colours: Float[Tensor, "b n 3"],
    sharpness: Float[Tensor, "b n"],
    ambient: Float[Tensor, "b 3"],
) -> Float[Tensor, "b 9 3"]:
    """`palmar.render.light.sh_from_lobes` of a batch, for sharpness of 0.1 and more."""
    k = sharpness
    zeroth = -2.0 * math.pi * torch.expm1(-2.0 * k) / k
    first = 1.0 / torch.tanh(k) - 1.0 / k
    second = 1.0 - 3.0 / k * first
    zonal = torch.stack([zeroth, *[zeroth * first] * 3, *[zeroth * second] * 5], -1)
    sh = ((zonal * sh_basis(directions))[..., None] * colours[..., None, :]).sum(1)
    glow = torch.cat([2.0 * math.sqrt(math.pi) * ambient[:, None], torch.zeros_like(sh[:, 1:])], 1)
    return sh + glow


def sample_light(draw: Draws) -> LightBatch:
    """2 to 5 soft lobes, and 0 to 3 lamps with a key to fill ratio of 1 to 16. Mean irradiance is about 1."""
    lobes = 2 + draw.integer(4)
    number = torch.arange(MOST_LOBES, device=draw.device)
    weight = draw.exponential((MOST_LOBES,)) * (number < lobes[:, None])
    weight = weight / weight.sum(-1, keepdim=True).clamp(min=1e-12)
    sharpness = draw.log_uniform(0.5, 20.0, (MOST_LOBES,))
    # a lobe's share of irradiance hardly hangs on its sharpness this way
    colours = _colour(draw, MOST_LOBES) * (weight * (0.8 + 0.35 * sharpness))[..., None]
    ambient = _colour(draw, 1)[:, 0] * draw.uniform(0.1, 0.6)[:, None]
    sh = sh_from_lobes(_directions(draw, MOST_LOBES), colours, sharpness, ambient)
    sh = sh / (sh[:, 0].mean(-1) * 0.282).clamp(min=1e-6)[:, None, None]  # Y00: mean radiance 1

    lamps = draw.pick((0.3, 0.4, 0.2, 0.1))
    number = torch.arange(MOST_LAMPS, device=draw.device)
    there = number < lamps[:, None]
    key = torch.exp(draw.uniform(0.0, math.log(16.0)))
    share = key / (1.0 + key) * draw.uniform(0.3, 1.0) * (lamps > 0)
    strength = draw.exponential((MOST_LAMPS,)) * there
    strength = strength / strength.sum(-1, keepdim=True).clamp(min=1e-12)
    strength = strength.sort(-1, descending=True).values * (share * 2.2)[:, None]
    directions = _directions(draw, MOST_LAMPS)
    towards = draw.chance(0.7)  # the key mostly comes from the camera's side
    z = directions[:, 0, 2]
    first = torch.stack([directions[:, 0, 0], directions[:, 0, 1], torch.where(towards, -z.abs(), z)], -1)
    directions = torch.cat([first[:, None], directions[:, 1:]], 1)
    red = draw.uniform(0.0, 0.2)
    return LightBatch(
        sh=sh * (1.0 - share)[:, None, None],
        directions=directions,
        colours=_colour(draw, MOST_LAMPS) * strength[..., None],
        shadows=(draw.chance(0.7) & (lamps > 0))[:, None] & (number == 0),
        wrap=torch.stack([red, red / 5, red / 7], -1),
        shadow_size=96,
        shadow_bias=0.004,
        casting=1,
    )
