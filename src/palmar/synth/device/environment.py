"""Photographed places of a batch: their light and what is seen of them behind the hands, as `palmar.synth.environment`
and `palmar.synth.sample` have them.

A place is turned about the vertical, mirrored, tinted, and seen by a camera that is tilted and rolled against it. In
one of four a second place's light is mixed in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Int32
from torch import Tensor

from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.render.batch import LightBatch
from palmar.render.light import sh_basis as sh_basis_numpy
from palmar.render.light import spread_directions
from palmar.synth.device.background import packed, srgb_to_linear
from palmar.synth.device.body import along, chain
from palmar.synth.device.filters import blur_matrix, separable
from palmar.synth.device.light import MOST_LAMPS, sh_basis
from palmar.synth.device.philox import Draws
from palmar.synth.environment import Environment

_ODD_IN_X = (1, 1, 1, -1, -1, 1, 1, -1, 1)
"""Signs of the nine harmonics under x -> -x."""
MIXED = 0.25


@dataclass(frozen=True, eq=False)
class Places:
    """The light of e places, and pictures of all directions, packed RGBA."""

    sh: Float[Tensor, "e 9 3"]
    direction: Float[Tensor, "e 3"]
    colour: Float[Tensor, "e 3"]
    words: Int32[Tensor, "e eh ew"]
    odd_in_x: Float[Tensor, " 9"]
    spread: Float[Tensor, "n 3"]
    """Directions that fix nine harmonics,"""
    from_spread: Float[Tensor, "9 n"]
    """and the harmonics of values there."""

    @staticmethod
    def of(environments: tuple[Environment, ...], device: torch.device) -> Places:
        put = lambda a: torch.from_numpy(np.asarray(a, np.float32)).to(device)  # noqa: E731
        spread = spread_directions(32)
        shape = environments[0].picture.shape[:2]
        words = np.stack([packed(e.picture).reshape(shape) for e in environments])
        return Places(
            sh=put(np.stack([e.sh for e in environments])),
            direction=put(np.stack([e.directions[0] for e in environments])),
            colour=put(np.stack([e.colours[0] for e in environments])),
            words=torch.from_numpy(words).to(device),
            odd_in_x=put(_ODD_IN_X),
            spread=put(spread),
            from_spread=put(np.linalg.pinv(sh_basis_numpy(spread))),
        )

    def rotate(self, sh: Float[Tensor, "b 9 3"], turn: Float[Tensor, "b 3 3"]) -> Float[Tensor, "b 9 3"]:
        """Harmonics of the same light in a turned frame (new from old), as `palmar.render.rotate_sh`."""
        before = along(turn.mT[:, None], self.spread)  # what now lies at the spread's directions lay there
        values = (sh_basis(before)[..., None] * sh[:, None]).sum(2)
        return (self.from_spread[:, :, None] * values[:, None]).sum(2)


@dataclass(frozen=True, eq=False)
class Seen:
    """Places as the samples see them."""

    number: Int[Tensor, " b"]
    camera_from_picture: Float[Tensor, "b 3 3"]
    """A reflection too, where the place is mirrored."""
    gains: Float[Tensor, "b 3"]
    light: LightBatch


def _varied(places: Places, draw: Draws, camera_from_level: Tensor) -> tuple[Tensor, ...]:
    """A place turned, mirrored and tinted: number, its turn, gains; harmonics, direction and colour of the lamp."""
    number = draw.integer(len(places.sh))
    zero = torch.zeros(draw.count, device=draw.device)
    yaw = rotmat_from_rotvec(torch.stack([zero, draw.uniform(-math.pi, math.pi), zero], -1))
    mirrored = draw.chance(0.5)
    warm = draw.normal(0.12)
    gains = torch.exp(torch.stack([warm, zero, -warm], -1) + draw.normal(0.03, (3,)))
    lamp = torch.exp(draw.normal(0.4))  # a cloud before the sun, a lamp that is nearer
    turn = chain(camera_from_level, yaw)
    odd = torch.where(mirrored[:, None], places.odd_in_x, 1.0)
    sh = places.rotate(places.sh[number] * odd[..., None], turn) * gains[:, None]
    flip = torch.stack([torch.where(mirrored, -1.0, 1.0), torch.ones_like(zero), torch.ones_like(zero)], -1)
    whole = turn * flip[:, None]
    return (
        number,
        whole,
        gains,
        sh,
        along(whole, places.direction[number]),
        places.colour[number] * gains * lamp[:, None],
    )


def see(places: Places, draw: Draws) -> Seen:
    """A place for every sample. Lamps are ordered by their strength; the first casts a shadow where it is any."""
    zero = torch.zeros(draw.count, device=draw.device)
    camera_from_level = rotmat_from_rotvec(torch.stack([draw.normal(0.3), zero, draw.normal(0.12)], -1))
    number, turn, gains, sh, direction, colour = _varied(places, draw, camera_from_level)
    _, _, _, other_sh, other_direction, other_colour = _varied(places, draw, camera_from_level)
    share = (draw.uniform(0.2, 0.8) * draw.chance(MIXED))[:, None]
    colour, other_colour = (1.0 - share) * colour, share * other_colour
    swap = (other_colour.mean(-1) > colour.mean(-1))[:, None]
    first, second = torch.where(swap, other_colour, colour), torch.where(swap, colour, other_colour)
    to_first = torch.where(swap, other_direction, direction)
    to_second = torch.where(swap, direction, other_direction)
    red = draw.uniform(0.0, 0.2)
    casts = (first.mean(-1) > 0.02)[:, None] & (torch.arange(MOST_LAMPS, device=draw.device) == 0)
    light = LightBatch(
        sh=torch.lerp(sh, other_sh, share[..., None]),
        directions=torch.stack([to_first, to_second, to_second], 1),
        colours=torch.stack([first, second, torch.zeros_like(first)], 1),
        shadows=casts,
        wrap=torch.stack([red, red / 5, red / 7], -1),
        shadow_size=96,
        shadow_bias=0.004,
        casting=1,
    )
    return Seen(number, turn, gains, light)


def views(places: Places, seen: Seen, draw: Draws, size: int) -> Float[Tensor, "b 3 s s"]:
    """What cameras of 25 to 95 degrees see of the places, out of focus: linear light, as `Environment.view`."""
    field = torch.deg2rad(draw.log_uniform(25.0, 95.0))
    focal = size / 2 / torch.tan(field / 2)
    run = torch.arange(size, device=draw.device) - (size - 1) / 2
    x = (run / focal[:, None])[:, None, :].expand(-1, size, size)
    ray = torch.stack([x, x.mT, torch.ones_like(x)], -1)
    ray = along(seen.camera_from_picture.mT[:, None, None], ray)
    height, width = places.words.shape[1:]
    column = (torch.atan2(ray[..., 0], ray[..., 2]) / (2 * math.pi) + 0.5) * width - 0.5
    up = torch.atan2(-ray[..., 1], torch.hypot(ray[..., 0], ray[..., 2]))
    row = ((0.5 - up / math.pi) * height - 0.5).clamp(0.0, height - 1.0)
    left, top = torch.floor(column), torch.floor(row)
    fx, fy = (column - left)[:, None], (row - top)[:, None]
    columns = [torch.remainder(left, width).int(), torch.remainder(left + 1, width).int()]  # its ends meet
    rows = [top.int() * width, (top + 1).clamp(max=height - 1.0).int() * width]
    flat, start = places.words.flatten(), (seen.number * (height * width))[:, None, None]

    def tap(r: Tensor, c: Tensor) -> Tensor:
        word = flat[start + r + c]
        return torch.stack([(word >> (8 * k)) & 255 for k in range(3)], 1).float()

    upper = torch.lerp(tap(rows[0], columns[0]), tap(rows[0], columns[1]), fx)
    lower = torch.lerp(tap(rows[1], columns[0]), tap(rows[1], columns[1]), fx)
    linear = srgb_to_linear(torch.lerp(upper, lower, fy) / 255.0) * seen.gains[..., None, None]
    blur = blur_matrix(draw.log_uniform(0.4, 4.0) * (size / 128.0), size)
    return separable(blur, linear, blur)
