"""Backgrounds of a batch: the pool of `palmar.synth.background`, resident on the device, mixed anew for every sample.

All plates lie in one long row of packed pixels, four channels to a word, with a table of where each level of each
plate begins. A layer of a sample is then one gather of words per tap of the bilinear filter, whatever plate it is of.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int32
from torch import Tensor

from palmar.synth.background import _SKIN_SHARE, Backgrounds, _Plate
from palmar.synth.device.filters import blur_matrix, separable
from palmar.synth.device.philox import Draws

GROUPS = ("photographs", "scenes", "textures", "people", "things", "masks")


def srgb_to_linear(code: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Of codes 0 to 1. IEC 61966-2-1."""
    return torch.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055).clamp(min=0.0) ** 2.4)


@dataclass(frozen=True, eq=False)
class Plates:
    """The pool on the device."""

    words: Int32[Tensor, " n"]
    """Packed RGBA, red in the lowest byte."""
    offset: Int[Tensor, "p l"]
    height: Int[Tensor, "p l"]
    width: Int[Tensor, "p l"]
    levels: Int[Tensor, " p"]
    grey: Bool[Tensor, " p"]
    upright: Bool[Tensor, " p"]
    first: dict[str, int]
    """Of each group; its plates stand one after the other."""
    count: dict[str, int]

    @staticmethod
    def of(backgrounds: Backgrounds, device: torch.device) -> Plates:
        pool = backgrounds._pool
        plates: list[_Plate] = []
        first, count = {}, {}
        for group in GROUPS:
            own = getattr(pool, group)
            first[group], count[group] = len(plates), len(own)
            plates += own
        deepest = max(len(plate.levels) for plate in plates)
        offset, height, width = np.zeros((3, len(plates), deepest), np.int64)
        words: list[np.ndarray] = []
        total = 0
        for p, plate in enumerate(plates):
            for k in range(deepest):
                level = plate.levels[min(k, len(plate.levels) - 1)]
                height[p, k], width[p, k] = level.shape[:2]
                if k < len(plate.levels):
                    words.append(packed(level))
                    offset[p, k], total = total, total + len(words[-1])
                else:
                    offset[p, k] = offset[p, k - 1]
        put = lambda a: torch.from_numpy(a).to(device)  # noqa: E731
        return Plates(
            words=put(np.concatenate(words)),
            offset=put(offset),
            height=put(height),
            width=put(width),
            levels=put(np.array([len(plate.levels) for plate in plates])),
            grey=put(np.array([plate.grey for plate in plates])),
            upright=put(np.array([plate.upright for plate in plates])),
            first=first,
            count=count,
        )

    def view(
        self,
        plate: Int[Tensor, " b"],
        matrix: tuple[Tensor, Tensor, Tensor, Tensor],
        centre: tuple[Tensor, Tensor],
        size: int,
        *,
        reflect: bool,
        channels: int = 4,
    ) -> Float[Tensor, "b c s s"]:
        """`_Plate.view` of a batch: square windows of `size` pixels, values 0 to 255; what lies outside is a reflection
        or nothing."""
        a, b, c, d = matrix
        step = torch.minimum(torch.hypot(a, c), torch.hypot(b, d)).clamp(min=1.0)
        level = torch.minimum((torch.log2(step) + 0.3).long(), self.levels[plate] - 1)
        height, width = self.height[plate, level], self.width[plate, level]
        ratio_x = width / self.width[plate, 0]
        ratio_y = height / self.height[plate, 0]
        a, b, c, d = a * ratio_x, b * ratio_x, c * ratio_y, d * ratio_y
        x0, y0 = (centre[0] + 0.5) * ratio_x - 0.5, (centre[1] + 0.5) * ratio_y - 0.5
        along = torch.arange(size, device=plate.device, dtype=torch.float32) - (size - 1) / 2.0
        u, v = along[None, None, :], along[None, :, None]
        at = lambda t: t[:, None, None]  # noqa: E731
        x = at(x0) + at(a) * u + at(b) * v
        y = at(y0) + at(c) * u + at(d) * v
        left, top = torch.floor(x), torch.floor(y)
        fx, fy = (x - left)[:, None], (y - top)[:, None]
        left, top = left.int(), top.int()
        w, h, start = at(width.int()), at(height.int()), at(self.offset[plate, level])

        def place(k: Tensor, n: Tensor) -> tuple[Tensor, Tensor | None]:
            """Where to read, and whether there is anything."""
            if reflect:
                return _reflected(k, n), None
            return k.clamp(min=0).minimum(n - 1), (k >= 0) & (k < n)

        columns = [place(left, w), place(left + 1, w)]
        rows = [(start + row * w, there) for row, there in (place(top, h), place(top + 1, h))]

        def tap(row: tuple[Tensor, Tensor | None], column: tuple[Tensor, Tensor | None]) -> Tensor:
            word = self.words[row[0] + column[0]]
            if row[1] is not None and column[1] is not None:
                word = word * (row[1] & column[1])
            return torch.stack([(word >> (8 * k)) & 255 for k in range(channels)], 1).float()

        upper = torch.lerp(tap(rows[0], columns[0]), tap(rows[0], columns[1]), fx)
        lower = torch.lerp(tap(rows[1], columns[0]), tap(rows[1], columns[1]), fx)
        return torch.lerp(upper, lower, fy)


def packed(level: np.ndarray) -> Int32[np.ndarray, " n"]:
    """Pixels as words of four channels, red lowest; missing colours are 255."""
    channels = level.reshape(-1, 1) if level.ndim == 2 else level.reshape(-1, level.shape[2])
    rgba = np.full((len(channels), 4), 255, np.uint8)
    rgba[:, : channels.shape[1]] = channels
    return np.ascontiguousarray(rgba).view("<i4")[:, 0].astype(np.int32)


def _reflected(k: Int32[Tensor, "b s s"], n: Int32[Tensor, "b 1 1"]) -> Int32[Tensor, "b s s"]:
    """Places beyond the ends of n pixels, thrown back without the end doubled, as often as needed."""
    period = (2 * n - 2).clamp(min=1)
    k = torch.remainder(k, period)
    return torch.minimum(k, period - k)


def sample_backgrounds(plates: Plates, draw: Draws, size: int) -> Float[Tensor, "b 3 s s"]:
    """Backgrounds in linear RGB, 0 to about 1.5, with the distribution of `Backgrounds.sample`."""
    picture, grey = _base(plates, draw, size)
    scale = size / 128.0
    picture = _soften(picture, draw.chance(0.35), draw.log_uniform(0.6, 6.0) * scale)
    person = draw.chance(_SKIN_SHARE)
    # A second person or a second thing, hardly ever both: one layer serves.
    second_person = person & draw.chance(0.25)
    thing = draw.chance(0.25)
    second_thing = thing & draw.chance(0.3) & ~second_person
    people = lambda: plates.first["people"] + draw.integer(plates.count["people"])  # noqa: E731
    things = lambda: plates.first["things"] + draw.integer(plates.count["things"])  # noqa: E731
    picture = _lay(plates, draw, picture, people(), person)
    picture = _lay(plates, draw, picture, torch.where(second_person, people(), things()), second_person | second_thing)
    picture = _lay(plates, draw, picture, things(), thing)
    picture = _soften(picture, draw.chance(0.15), draw.log_uniform(0.6, 3.0) * scale)
    return _slope(draw, _coloured(draw, picture, grey))


def _base(plates: Plates, draw: Draws, size: int) -> tuple[Float[Tensor, "b 3 s s"], Bool[Tensor, " b"]]:
    """The lowest layer, and whether it has no colour of its own."""
    kind = draw.pick((0.20, 0.48, 0.32))
    groups = ("photographs", "scenes", "textures")
    own = [plates.first[g] + draw.integer(plates.count[g]) for g in groups]
    plate = torch.where(kind == 0, own[0], torch.where(kind == 1, own[1], own[2]))
    view = _crop(plates, draw, plate, size, 3)
    mixed = draw.uniform() < torch.where(kind == 0, 0.15, torch.where(kind == 1, 0.2, 0.5))
    every = sum(plates.count[g] for g in groups)
    assert plates.first["photographs"] == 0  # the three groups stand first, so that a number below `every` is in them
    other = _crop(plates, draw, draw.integer(every), size, 3)
    mask = _crop(plates, draw, plates.first["masks"] + draw.integer(plates.count["masks"]), size, 1)
    weight = mask * ((draw.uniform(0.4, 1.0) * mixed) / 255.0)[:, None, None, None]
    return torch.lerp(view, other, weight), plates.grey[plate] & ~mixed


def _crop(plates: Plates, draw: Draws, plate: Tensor, size: int, channels: int) -> Float[Tensor, "b c s s"]:
    """A random resized crop of a random resized crop, turned and mirrored; what lies outside is a reflection."""
    height, width = plates.height[plate, 0], plates.width[plate, 0]
    share = torch.sqrt(draw.uniform(0.2, 1.0) * draw.uniform(0.3, 1.0))
    step = share * torch.minimum(height, width) / size
    stretch = torch.exp(draw.normal(0.1))
    step_x, step_y = step * stretch, step / stretch
    kind = draw.uniform()
    angle = torch.where(
        kind < 0.15, draw.uniform(-math.pi, math.pi), torch.where(kind < 0.6, draw.normal(0.15), torch.zeros_like(kind))
    )
    mirror = draw.sign()
    cos, sin = torch.cos(angle), torch.sin(angle)
    half_x, half_y = step_x * size / 2.0, step_y * size / 2.0
    x = draw.uniform(torch.minimum(half_x, width / 2), torch.maximum(width - half_x, width / 2))
    y = draw.uniform(torch.minimum(half_y, height / 2), torch.maximum(height - half_y, height / 2))
    matrix = (mirror * step_x * cos, -step_y * sin, mirror * step_x * sin, step_y * cos)
    return plates.view(plate, matrix, (x, y), size, reflect=True, channels=channels)


def _lay(
    plates: Plates, draw: Draws, picture: Float[Tensor, "b 3 s s"], plate: Int[Tensor, " b"], there: Bool[Tensor, " b"]
) -> Float[Tensor, "b 3 s s"]:
    """A figure over the picture, in a random place, size, turn and light; nothing where it is not there."""
    size = picture.shape[-1]
    upright = plates.upright[plate]
    full = plates.height[plate, 0]
    span = torch.where(upright, draw.log_uniform(0.6, 2.2), draw.log_uniform(0.25, 1.5))
    step = full / (span * size)
    turned = draw.uniform() < torch.where(upright, 0.12, 0.8)
    angle = torch.where(turned, draw.uniform(-math.pi, math.pi), draw.normal(0.15))
    mirror = draw.sign()
    cos, sin = torch.cos(angle) * step, torch.sin(angle) * step
    u, v = size * draw.uniform() - size / 2.0, size * draw.uniform() - size / 2.0  # its middle from the window's
    a, b, c, d = mirror * cos, -sin, mirror * sin, cos
    centre = (full / 2.0 - a * u - b * v, full / 2.0 - c * u - d * v)
    view = plates.view(plate, (a, b, c, d), centre, size, reflect=False) * there[:, None, None, None]
    gains = torch.exp(draw.normal(0.3))[:, None] * torch.exp(draw.normal(0.06, (3,)))
    front = (view[:, :3] * gains[..., None, None]).clamp(max=255.0)
    return (front + picture * (1.0 - view[:, 3:] / 255.0)).clamp(max=255.0)


def _soften(picture: Float[Tensor, "b 3 s s"], soft: Bool[Tensor, " b"], sigma: Float[Tensor, " b"]) -> Tensor:
    matrix = blur_matrix(torch.where(soft, sigma, torch.zeros_like(sigma)), picture.shape[-1])
    return separable(matrix, picture, matrix)


def _coloured(draw: Draws, picture: Float[Tensor, "b 3 s s"], grey: Bool[Tensor, " b"]) -> Float[Tensor, "b 3 s s"]:
    """From codes to linear light, with a random gamma, brightness and tint; strong tints only for grey pictures."""
    gamma, light = draw.uniform(0.8, 1.3), torch.exp(draw.normal(0.35))
    tint = torch.where(grey & draw.chance(0.7), 0.35, 0.09)
    gains = light[:, None] * torch.exp(draw.normal(shape=(3,)) * tint[:, None])
    linear = srgb_to_linear(picture.clamp(0.0, 255.0) / 255.0) ** gamma[:, None, None, None]
    return (linear * gains[..., None, None]).clamp(max=1.5)


def _slope(draw: Draws, linear: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b 3 s s"]:
    """Light that falls off across some of the pictures, to a third at most."""
    angle, depth = draw.uniform(0.0, 2.0 * math.pi), draw.uniform(0.1, 0.5) * draw.chance(0.3)
    ramp = torch.linspace(-1.0, 1.0, linear.shape[-1], device=linear.device)
    x, y = (depth * torch.cos(angle))[:, None] * ramp, (depth * torch.sin(angle))[:, None] * ramp
    light = (1.0 + x[:, None, :] + y[:, :, None]).clamp(min=0.33)
    return linear * light[:, None]
