"""The camera of a batch: linear light in, 8-bit pictures out, with the faults and distributions of
`palmar.synth.sensor`.

The order of the faults is that of the host's `apply`. What a sample's camera does not do is done with zero strength:
an identity matrix, a flat spectrum, a blend of weight 0. Pictures are [b, 3, s, s] until the last step. Two things are
nearer to optics here than there: streaks and discs are as fine as their true size, and JPEG's two roundings of colours
to whole numbers are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Inexact, Int, UInt8
from torch import Tensor

from palmar.synth.device.filters import (
    bilateral,
    blur_matrix,
    cosines,
    enlarge_matrix,
    grid,
    median,
    optics,
    separable,
    shrink_matrix,
)
from palmar.synth.device.philox import Draws
from palmar.synth.device.resident import resident
from palmar.synth.sensor import metering_weights

KNOTS = 5
MOST_CUTOUTS = 6
LUMA = (0.299, 0.587, 0.114)
KERNEL = 7
"""Largest random kernel."""


@dataclass(frozen=True, eq=False)
class SensorBatch:
    """Cameras of b samples; `palmar.synth.sensor.Sensor` has the meaning of each field. Lengths are shares of the
    picture's side."""

    metering: Float[Tensor, " b"]
    exposure: Float[Tensor, " b"]
    white_balance: Float[Tensor, "b 3"]
    vignette: Float[Tensor, " b"]
    vignette_centre: Float[Tensor, "b 2"]
    motion: Float[Tensor, "b 2"]
    defocus: Float[Tensor, " b"]
    native: Float[Tensor, " b"]
    native_last: Bool[Tensor, " b"]
    shrink_area: Bool[Tensor, " b"]
    enlarge: Int[Tensor, " b"]
    """0 linear, 1 cubic, 2 nearest."""
    shot: Float[Tensor, " b"]
    read: Float[Tensor, " b"]
    grain: Float[Tensor, " b"]
    denoise: Int[Tensor, " b"]
    """0 none, 1 median, 2 bilateral."""
    chroma_blur: Float[Tensor, " b"]
    unsharp: Float[Tensor, " b"]
    unsharp_sigma: Float[Tensor, " b"]
    toned: Bool[Tensor, " b"]
    tone: Float[Tensor, "b 5"]
    saturation: Float[Tensor, " b"]
    hue: Float[Tensor, " b"]
    contrast: Float[Tensor, " b"]
    brightness: Float[Tensor, " b"]
    local_contrast: Float[Tensor, " b"]
    jpeg: Float[Tensor, " b"]
    subsampling: Int[Tensor, " b"]
    """0 of 444, 1 of 422, 2 of 420."""
    jpeg_phase: Int[Tensor, "b 2"]
    video_block: Int[Tensor, " b"]
    """0 off, 1 of 8 pixels, 2 of 16."""
    video_threshold: Float[Tensor, " b"]
    video_deblock: Bool[Tensor, " b"]
    spectrum: Float[Tensor, "b 2"]
    """alpha and beta, 0 for none."""
    spectrum_luma: Bool[Tensor, " b"]
    convolution: Int[Tensor, " b"]
    """Half of the kernel's size, rounded down; 0 off."""
    cutouts: Float[Tensor, "b 6 4"]
    """Empty ones have no extent."""

    @staticmethod
    def sample(draw: Draws, strength: float) -> SensorBatch:
        """Random cameras, with the distribution of `Sensor.sample`."""
        rate, size = min(strength, 1.0), min(strength, 2.0)

        def occurs(p: float | Tensor) -> Tensor:
            return draw.chance(p * rate)

        def spread(sigma: float, shape: tuple[int, ...] = ()) -> Tensor:
            return draw.normal(sigma * size, shape)

        def maybe(p: float, value: Tensor) -> Tensor:
            return value * occurs(p)

        zero = torch.zeros(draw.count, device=draw.device)
        metered = occurs(0.6)
        stops = torch.where(metered, spread(0.7), draw.uniform(-2.0, 1.3))
        red, blue = torch.exp(spread(0.12)), torch.exp(spread(0.12))
        streak = maybe(0.3, 0.12 * draw.uniform() ** 1.5) * size
        angle = draw.uniform(0.0, math.pi)
        resampled = occurs(0.6)
        native = torch.where(resampled, draw.log_uniform(0.3, 3.2).clamp(max=1.0), 1.0) ** size

        noisy = occurs(0.7)
        highest = torch.where(draw.chance(0.15), math.log(0.03), math.log(0.012))
        log_shot = draw.uniform(math.log(1e-4), highest)
        log_read = 2.18 * log_shot + 1.20 + spread(0.26)
        shot, read = (torch.exp(v) * size**2 * noisy for v in (log_shot, log_read))
        coarse = shot > 4e-3
        denoise = (1 + draw.integer(2)) * occurs(torch.where(coarse, 0.6, 0.35))
        unsharp = occurs(0.4) * draw.uniform(0.2, torch.where(coarse, 0.6, 1.5)) * size  # noisy cameras sharpen little

        toned = occurs(0.7)
        tone = torch.exp(spread(0.35, (KNOTS,)))
        curve = draw.uniform()
        s_shape = 1.0 + 1.2 * size * curve[:, None] * (_s_curve(draw.device) - 1.0)  # the S of most cameras
        saturation = torch.exp(occurs(0.5) * draw.uniform(math.log(0.4), math.log(1.5)) * size)
        spectral = occurs(0.5)
        alpha, beta = 3.0 * draw.uniform() ** 1.5 * size * spectral, draw.uniform(0.1, 0.5) * size * spectral
        jpeg = torch.floor(draw.uniform(20.0, 96.0)) * occurs(0.5)
        return SensorBatch(
            metering=draw.uniform(0.3, 1.0) * metered,
            exposure=2.0 ** (stops * size),
            white_balance=torch.stack([red, torch.ones_like(red), blue], -1),
            vignette=(maybe(0.2, draw.uniform(0.1, 0.7)) * size).clamp(max=0.9),
            vignette_centre=draw.uniform(0.2, 0.8, (2,)),
            motion=torch.stack([streak * torch.cos(angle), streak * torch.sin(angle)], -1),
            defocus=maybe(0.25, 0.03 * draw.uniform(0.1, 1.0) ** 1.5) * size,
            native=native,
            native_last=draw.chance(0.5),
            shrink_area=draw.chance(0.75),
            enlarge=(draw.integer(4) - 1).clamp(min=0),
            shot=shot,
            read=read,
            grain=draw.uniform(0.0, 0.8) * noisy,
            denoise=denoise,
            chroma_blur=maybe(0.2, draw.uniform(1.0, 3.0)),
            unsharp=unsharp,
            unsharp_sigma=draw.uniform(0.6, 2.0),
            toned=toned,
            tone=torch.where((curve < 0.3)[:, None], s_shape, tone),
            saturation=torch.where(occurs(0.1), zero, saturation),
            hue=maybe(0.4, draw.uniform(-1.0, 1.0) * math.radians(8.0)) * size,
            contrast=1.0 + maybe(0.4, draw.uniform(-0.35, 0.35)) * size,
            brightness=maybe(0.4, draw.uniform(-0.15, 0.15)) * size,
            local_contrast=maybe(0.1, draw.uniform(1.0, 3.0)) * size,
            jpeg=jpeg,
            subsampling=draw.pick((0.25, 0.25, 0.5)),
            jpeg_phase=draw.integer(8, (2,)),
            video_block=(1 + draw.integer(2)) * occurs(0.2),
            video_threshold=draw.uniform(2.0, 12.0) * size,
            video_deblock=draw.chance(0.6),
            spectrum=torch.stack([alpha, beta], -1),
            spectrum_luma=draw.chance(0.75),
            convolution=(1 + draw.integer(3)) * occurs(0.1),
            cutouts=_rectangles(draw, occurs(0.2)),
        )

    def hides(self, points_px: Float[Tensor, "b n 2"], size: int) -> Bool[Tensor, "b n"]:
        """Which points lie under a cut-out, as `Sensor.hides`."""
        x0, y0, x1, y1 = _pixels(self.cutouts, size).unbind(-1)  # b 6
        x, y = points_px[..., 0, None], points_px[..., 1, None]
        at = lambda t: t[:, None] - 0.5  # noqa: E731
        return ((x >= at(x0)) & (x < at(x1)) & (y >= at(y0)) & (y < at(y1))).any(-1)


@resident
def _s_curve(device: torch.device) -> Tensor:
    return torch.tensor((0.3, 1.2, 1.6, 1.2, 0.3), device=device)


def _rectangles(draw: Draws, some: Bool[Tensor, " b"]) -> Float[Tensor, "b 6 4"]:
    count = (1 + torch.floor(draw.uniform() ** 2 * 6)) * some
    width, height = draw.uniform(0.04, 0.28, (MOST_CUTOUTS,)), draw.uniform(0.04, 0.28, (MOST_CUTOUTS,))
    x, y = draw.uniform(-0.1, 1.0, (MOST_CUTOUTS,)), draw.uniform(-0.1, 1.0, (MOST_CUTOUTS,))
    there = torch.arange(MOST_CUTOUTS, device=draw.device) < count[:, None]
    return torch.stack([x, y, x + width, y + height], -1) * there[..., None]


def _pixels(rectangles: Float[Tensor, "b n 4"], size: int) -> Float[Tensor, "b n 4"]:
    low, high = (torch.round(rectangles[..., k : k + 2] * size).clamp(0, size) for k in (0, 2))
    return torch.cat([low, torch.maximum(high, low)], -1)


# ------------------------------------------------------------------------------------------------------- the picture


def at(values: Tensor) -> Tensor:
    """[b] as [b, 1, 1, 1]."""
    return values[:, None, None, None]


def luma(picture: Inexact[Tensor, "b 3 h w"]) -> Inexact[Tensor, "b 1 h w"]:
    return LUMA[0] * picture[:, :1] + LUMA[1] * picture[:, 1:2] + LUMA[2] * picture[:, 2:]


def expose(
    light: Float[Tensor, "b 3 s s"], sensor: SensorBatch, draw: Draws, pool: NoisePool
) -> UInt8[Tensor, "b s s 3"]:
    """The pictures that the cameras take of linear light. `draw` says which part of the pool is the grain, the random
    spectrum and kernel, and what fills the cut-outs."""
    size = light.shape[-1]
    light = _gains(light, sensor)
    defocus = sensor.defocus * size
    x, y = (sensor.motion * size).unbind(-1)
    light = optics(light, x, y, torch.where(defocus > 0.3, defocus, 0.0))
    n = torch.round(size * sensor.native).clamp(2, size).long()
    shrink = shrink_matrix(n, size, sensor.shrink_area)
    enlarge = enlarge_matrix(n, size, sensor.enlarge)
    last = sensor.native_last[:, None, None]
    early = torch.where(last, shrink, enlarge @ shrink)
    light = separable(early, light, early)
    light = add_noise(light, sensor, draw, pool)
    light = _process(light, sensor)
    display = _colour(develop(light, sensor), sensor)
    display = _video(jpeg(display, sensor), sensor)
    out, source = grid(size, light.device)
    late = torch.where(last, enlarge, (out == source).float())
    display = separable(late, display, late)
    display = _spectrum(display, sensor, draw, pool)
    picture = (display + 0.5).clamp(0.0, 255.0).to(torch.uint8)
    return _cut(picture.permute(0, 2, 3, 1), sensor, draw, pool)


def _gains(light: Float[Tensor, "b 3 s s"], sensor: SensorBatch) -> Float[Tensor, "b 3 s s"]:
    """Exposure, white balance and vignette. Light beyond 4 is cut."""
    size = light.shape[-1]
    mean = (light * _metering(size, light.device)).sum((2, 3))
    grey = 0.2126 * mean[:, 0] + 0.7152 * mean[:, 1] + 0.0722 * mean[:, 2]
    gain = sensor.exposure * (0.18 / grey.clamp(min=1e-3)) ** sensor.metering
    along = (torch.arange(size, device=light.device) + 0.5) / size
    x = along - sensor.vignette_centre[:, :1]
    y = along - sensor.vignette_centre[:, 1:]
    falloff = (1.0 - 2.0 * sensor.vignette[:, None, None] * ((x * x)[:, None] + (y * y)[:, :, None])).clamp(min=0.02)
    return (light * (gain[:, None] * sensor.white_balance)[..., None, None] * falloff[:, None]).clamp(max=4.0)


@resident
def _metering(size: int, device: torch.device) -> Tensor:
    return torch.from_numpy(metering_weights(size, size)).to(device)


@dataclass(frozen=True, eq=False)
class NoisePool:
    """Standard normal noise on the device. Windows of it, turned over at random, are far cheaper than draws."""

    white: Float[Tensor, "p p 3"]
    coarse: Float[Tensor, "p p 3"]
    """Correlated over about two pixels."""
    plane: Float[Tensor, "p p"]

    @staticmethod
    def of(device: torch.device, size: int = 512) -> NoisePool:
        """The host's own pools, or a corner of them."""
        from palmar.synth import sensor

        white, coarse = sensor._noise_pool()
        put = lambda a: torch.from_numpy(np.ascontiguousarray(a[:size, :size])).to(device)  # noqa: E731
        return NoisePool(put(white), put(coarse), put(sensor._plane_pool()))


def window(pool: Float[Tensor, "p p *c"], draw: Draws, height: int, width: int) -> Float[Tensor, "b h w *c"]:
    """A random window of the pool for every sample, mirrored in half of them each way. The pool repeats."""
    p = len(pool)

    def places(length: int) -> Tensor:
        run = torch.arange(length, device=pool.device)
        start, back = draw.integer(p)[:, None], draw.chance(0.5)[:, None]
        return (start + torch.where(back, length - 1 - run, run)) % p

    rows, columns = places(height), places(width)
    return pool[rows[:, :, None], columns[:, None, :]]


def add_noise(
    light: Float[Tensor, "b 3 s s"], sensor: SensorBatch, draw: Draws, pool: NoisePool
) -> Float[Tensor, "b 3 s s"]:
    """Zero-mean Gaussian noise of variance shot * light + read, a share `grain` of it correlated."""
    size = light.shape[-1]
    noise = at(torch.sqrt(1.0 - sensor.grain)) * window(pool.white, draw, size, size)
    noise = noise + at(torch.sqrt(sensor.grain)) * window(pool.coarse, draw, size, size)
    variance = (light * at(sensor.shot) + at(sensor.read)).clamp(min=0.0)
    return light + torch.sqrt(variance) * noise.permute(0, 3, 1, 2)


def _process(light: Float[Tensor, "b 3 s s"], sensor: SensorBatch) -> Float[Tensor, "b 3 s s"]:
    """Denoising, chroma blur and sharpening, still in linear light."""
    size = light.shape[-1]
    deviation = torch.sqrt(sensor.shot * 0.3 + sensor.read)
    kind = at(sensor.denoise)
    quiet = torch.where(kind == 1, median(light), bilateral(light, (3.0 * deviation).clamp(min=0.02)))
    light = torch.where(kind == 0, light, quiet)
    blur = blur_matrix(sensor.chroma_blur, size)
    smooth = separable(blur, light, blur)
    light = smooth + luma(light - smooth)
    blur = blur_matrix(sensor.unsharp_sigma * (sensor.unsharp > 0), size)
    return light + at(sensor.unsharp) * (light - separable(blur, light, blur))


def develop(light: Float[Tensor, "b 3 s s"], sensor: SensorBatch) -> Float[Tensor, "b 3 s s"]:
    """Display values 0 to 255: sRGB coding, then the tone curve, the integral of slopes that run straight between
    equally spaced knots of the code."""
    light = light.clamp(0.0, 1.0)
    code = torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light.clamp(min=1e-4) ** (1 / 2.4) - 0.055)
    slopes = torch.where(sensor.toned[:, None], sensor.tone, 1.0)
    place = code * (KNOTS - 1)
    curve = torch.zeros_like(code)
    total = torch.zeros_like(slopes[:, 0])
    for k in range(KNOTS - 1):
        t = (place - k).clamp(0.0, 1.0)
        first, step = slopes[:, k], slopes[:, k + 1] - slopes[:, k]
        curve = curve + t * (at(first) + at(0.5 * step) * t)
        total = total + first + 0.5 * step
    return curve * at(255.0 / total)


def _colour(display: Float[Tensor, "b 3 s s"], sensor: SensorBatch) -> Float[Tensor, "b 3 s s"]:
    """Hue, saturation, contrast and brightness (`sensor.colour_matrix`), then local contrast."""
    cos, sin = torch.cos(sensor.hue), torch.sin(sensor.hue) / math.sqrt(3.0)
    third = (1.0 - cos) / 3.0
    row = torch.stack([third + cos, third - sin, third + sin], -1)
    turn = torch.stack([row, row.roll(1, -1), row.roll(2, -1)], 1)  # about (1, 1, 1)
    grey = (turn * _luma_weights(display.device)[:, None]).sum(1, keepdim=True)
    matrix = sensor.contrast[:, None, None] * torch.lerp(grey, turn, sensor.saturation[:, None, None])
    offset = 127.5 * (1.0 - sensor.contrast) + 255.0 * sensor.brightness
    display = (matrix @ display.flatten(2)).reshape(display.shape) + at(offset)
    levels = luma(display)
    equal = equalised(levels[:, 0].clamp(0.0, 255.0), sensor.local_contrast)
    change = 0.6 * (equal[:, None] - levels)
    return display + torch.where(at(sensor.local_contrast) > 0, change, 0.0)


@resident
def _luma_weights(device: torch.device) -> Tensor:
    return torch.tensor(LUMA, device=device)


TILES = 4


def equalised(levels: Float[Tensor, "b s s"], clip: Float[Tensor, " b"]) -> Float[Tensor, "b s s"]:
    """Histograms of 4 x 4 tiles made flat as far as `clip` allows, blended between the tiles' middles. CLAHE."""
    b, size, _ = levels.shape
    tile = size // TILES
    whole = levels.round().long()
    rows = torch.arange(size, device=levels.device) // tile
    number = (rows[:, None] * TILES + rows).clamp(max=TILES * TILES - 1)
    place = (torch.arange(b, device=levels.device)[:, None, None] * TILES * TILES + number) * 256 + whole
    histogram = torch.zeros(b * TILES * TILES * 256, device=levels.device)
    histogram = histogram.scatter_add(0, place.flatten(), torch.ones_like(levels).flatten()).reshape(b, -1, 256)
    area = tile * tile
    limit = torch.floor(clip * area / 256).clamp(min=1.0)[:, None, None]
    excess = (histogram - limit).clamp(min=0.0).sum(-1, keepdim=True)
    # What is cut off goes to all levels alike, what then is left to every so manieth from the lowest, as OpenCV does.
    each = torch.floor(excess / 256)
    left = excess - 256 * each
    step = torch.floor(256 / left.clamp(min=1.0)).clamp(min=1.0)
    level = torch.arange(256, device=levels.device)
    more = (torch.remainder(level, step) == 0) & (level < step * left)
    table = (torch.minimum(histogram, limit) + each + more).cumsum(-1) * (255.0 / area)
    along = (torch.arange(size, device=levels.device) + 0.5) / tile - 0.5
    low = torch.floor(along)
    share = along - low
    first, second = low.clamp(0, TILES - 1).long(), (low + 1).clamp(0, TILES - 1).long()
    flat = table.flatten()

    def look(row: Tensor, column: Tensor) -> Tensor:
        tile_number = torch.arange(b, device=levels.device)[:, None, None] * TILES * TILES + (
            row[:, None] * TILES + column
        )
        return flat[tile_number * 256 + whole]

    upper = torch.lerp(look(first, first), look(first, second), share)
    lower = torch.lerp(look(second, first), look(second, second), share)
    return torch.lerp(upper, lower, share[:, None]).clamp(0.0, 255.0)


# -------------------------------------------------------------------------------------------------------------- JPEG

_LUMA_TABLE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
"""ITU-T T.81, table K.1."""
_CHROMA_TABLE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *[(99,) * 8] * 4,
)
"""ITU-T T.81, table K.2."""


@resident
def _quantisers(device: torch.device) -> Float[Tensor, "3 8 8"]:
    return torch.tensor((_LUMA_TABLE, _CHROMA_TABLE, _CHROMA_TABLE), dtype=torch.float32, device=device)


@resident
def _transforms(size: int, device: torch.device) -> tuple[Float[Tensor, "t m s"], Float[Tensor, "t s m"]]:
    """From `size` values to the cosine coefficients of blocks of eight, and back: for the eight phases of the blocks
    at full resolution, then for the eight at half. m is the next multiple of 16 that holds a shifted line.

    Halving takes means of pairs; doubling weighs the nearer neighbour three to one, as decoders do.
    """
    m = -(-(size + 7) // 16) * 16
    blocks = torch.block_diag(*[cosines(torch.device("cpu"))] * (m // 8))
    forward, backward = [], []
    for half in (False, True):
        for phase in range(8):
            source = (torch.arange(m) - phase).clamp(0, size - 1)
            shift = torch.zeros(m, size)
            shift[torch.arange(m), source] = 1.0  # replicated borders
            there, back = shift, torch.zeros(size, m)
            back[torch.arange(size), torch.arange(size) + phase] = 1.0
            if half:
                mean, double = torch.zeros(m, m), torch.zeros(m, m)
                for k in range(m // 2):
                    mean[k, 2 * k], mean[k, 2 * k + 1] = 0.5, 0.5
                    double[2 * k, k] += 0.75
                    double[2 * k, max(k - 1, 0)] += 0.25
                    double[2 * k + 1, k] += 0.75
                    double[2 * k + 1, min(k + 1, m // 2 - 1)] += 0.25
                there, back = mean @ there, back @ double
            forward.append(blocks @ there)
            backward.append(back @ blocks.T)
    return torch.stack(forward).to(device), torch.stack(backward).to(device)


def jpeg(display: Float[Tensor, "b 3 s s"], sensor: SensorBatch) -> Float[Tensor, "b 3 s s"]:
    """The pictures after JPEG coding and decoding; those without come back as they were."""
    size = display.shape[-1]
    clipped = display.clamp(0.0, 255.0)
    bright = luma(clipped)
    blue, red = (clipped[:, 2:] - bright) / 1.772, (clipped[:, :1] - bright) / 1.402
    forward, backward = _transforms(size, display.device)
    x, y = sensor.jpeg_phase.unbind(-1)
    half_x, half_y = x + 8 * (sensor.subsampling > 0), y + 8 * (sensor.subsampling > 1)

    quality = sensor.jpeg.clamp(min=1.0)
    scale = torch.where(quality < 50, 5000.0 / quality, 200.0 - 2.0 * quality)
    steps = torch.floor((_quantisers(display.device) * at(scale) + 50.0) / 100.0).clamp(1.0, 255.0)  # b 3 8 8

    def coded(planes: Tensor, rows: Tensor, columns: Tensor, step: Tensor) -> Tensor:
        found = separable(forward[rows], planes, forward[columns])
        b, c, m, n = found.shape
        blocks = found.reshape(b, c, m // 8, 8, n // 8, 8)
        step = step[:, :, None, :, None, :]
        whole = torch.round(blocks / step) * step
        return separable(backward[rows], whole.reshape(b, c, m, n), backward[columns])

    bright = coded(bright - 128.0, y, x, steps[:, :1]) + 128.0
    blue, red = coded(torch.cat([blue, red], 1), half_y, half_x, steps[:, 1:]).split(1, 1)
    green = bright - (0.299 * 1.402 / 0.587) * red - (0.114 * 1.772 / 0.587) * blue
    done = torch.cat([bright + 1.402 * red, green, bright + 1.772 * blue], 1).clamp(0.0, 255.0)
    return torch.where(at(sensor.jpeg) > 0, done, display)


@resident
def _block_means(size: int, device: torch.device) -> Float[Tensor, "4 s s"]:
    """Means of blocks of 8 and 16 pixels, spread out again flat and linearly: 8 flat, 8 linear, 16 flat, 16 linear."""
    matrices = []
    for block in (8, 16):
        n = torch.tensor([-(-size // block)])
        shrink = shrink_matrix(n, size, torch.tensor([True]))
        matrices += [enlarge_matrix(n, size, torch.tensor([kind])) @ shrink for kind in (2, 0)]
    return torch.cat(matrices).to(device)


def _video(display: Float[Tensor, "b 3 s s"], sensor: SensorBatch) -> Float[Tensor, "b 3 s s"]:
    """Blocks whose detail below a threshold is dropped, in colour twice as much."""
    number = 2 * (sensor.video_block - 1).clamp(min=0) + sensor.video_deblock
    mean = _block_means(display.shape[-1], display.device)[number]
    flat = separable(mean, display, mean)
    detail = display - flat
    bright = luma(detail)
    limit = at(sensor.video_threshold * (sensor.video_block > 0))
    shrink = lambda t, most: t - torch.minimum(torch.maximum(t, -most), most)  # noqa: E731
    return flat + shrink(detail - bright, 2 * limit) + shrink(bright, limit)


# ----------------------------------------------------------------------------------------------------- augmentations


@resident
def _frequencies(size: int, device: torch.device) -> Float[Tensor, "s f"]:
    """|f| / f_max on the half plane."""
    radius = torch.hypot(torch.fft.fftfreq(size)[:, None], torch.fft.rfftfreq(size)[None])
    return (radius / radius.max()).to(device)


def _spectrum(
    display: Float[Tensor, "b 3 s s"], sensor: SensorBatch, draw: Draws, pool: NoisePool
) -> Float[Tensor, "b 3 s s"]:
    """Random gains of the amplitudes (PASTA, equation 3, as `sensor.perturb_spectrum`) and a random symmetric kernel,
    known by its transform."""
    size = display.shape[-1]
    radius = _frequencies(size, display.device)
    alpha, beta = sensor.spectrum[:, 0, None, None, None], sensor.spectrum[:, 1, None, None, None]
    fields = torch.stack([window(pool.plane, draw, *radius.shape) for _ in range(3)], 1)
    fields = torch.where(at(sensor.spectrum_luma), fields[:, :1], fields)
    gain = (1.0 + ((alpha * radius) ** 2 + beta) * fields).clamp(min=0.0)
    mirrored = _hermitian(gain)
    mirrored = torch.where(radius == 0, 1.0, mirrored)
    spectrum = torch.fft.rfft2(display)
    changed = spectrum * mirrored
    # One field for the luma moves all channels by the luma's change.
    bright = luma(spectrum)
    spectrum = torch.where(at(sensor.spectrum_luma), spectrum + bright * (mirrored - 1.0), changed)
    return torch.fft.irfft2(spectrum * _kernel_transform(sensor, draw, size)[:, None], s=(size, size))


def _hermitian(gain: Float[Tensor, "b c s f"]) -> Float[Tensor, "b c s f"]:
    """Gains equal at f and -f in the columns that hold both."""
    size = gain.shape[-2]
    k = torch.arange(size, device=gain.device)
    upper = torch.minimum(k, (size - k) % size)
    edge = gain[..., upper, :]
    column = torch.arange(gain.shape[-1], device=gain.device)
    both = (column == 0) | ((column == size // 2) & (size % 2 == 0))
    return torch.where(both, edge, gain)


def _kernel_transform(sensor: SensorBatch, draw: Draws, size: int) -> Float[Tensor, "b s f"]:
    """Of a random kernel of sum 1, equal under a half turn; 1 where there is none."""
    half = KERNEL // 2
    k = torch.arange(-half, half + 1, device=draw.device)
    reach = sensor.convolution[:, None, None]
    inside = (k.abs()[:, None] <= reach) & (k.abs() <= reach)
    weights = draw.normal(shape=(KERNEL, KERNEL)) / (2 * reach + 1) ** 2 * inside
    weights = (weights + weights.flip(1, 2)) / 2.0
    middle = torch.zeros_like(weights)
    middle[:, half, half] = 1.0 - weights.sum((1, 2))
    weights = torch.where(reach > 0, weights, 0.0) + torch.where(
        reach > 0, middle, (k.abs()[:, None] + k.abs() == 0).float()
    )
    fy = 2 * math.pi * torch.fft.fftfreq(size, device=draw.device)[:, None] * k
    fx = 2 * math.pi * torch.fft.rfftfreq(size, device=draw.device)[:, None] * k
    # cos(a + b) = cos a cos b - sin a sin b: the kernel is even, so its transform is real.
    return torch.cos(fy) @ weights @ torch.cos(fx).T - torch.sin(fy) @ weights @ torch.sin(fx).T


def _cut(
    picture: UInt8[Tensor, "b s s 3"], sensor: SensorBatch, draw: Draws, pool: NoisePool
) -> UInt8[Tensor, "b s s 3"]:
    """Cover the rectangles: with one colour, a noisy colour, or another part of the picture. Later ones lie on top."""
    b, size = picture.shape[:2]
    x0, y0, x1, y1 = (v[..., None, None] for v in _pixels(sensor.cutouts, size).unbind(-1))  # b 6 1 1
    run = torch.arange(size, device=picture.device)
    inside = (run >= x0) & (run < x1) & ((run[:, None] >= y0) & (run[:, None] < y1))  # b 6 s s
    number = torch.arange(1, MOST_CUTOUTS + 1, device=picture.device)[:, None, None]
    which = (inside * number).amax(1)  # b s s, 0 for none
    row = (which - 1).clamp(min=0).flatten(1)

    def per_pixel(values: Tensor) -> Tensor:
        """[b, 6] -> [b, s, s]."""
        return values.gather(1, row).reshape(b, size, size)

    kind = draw.uniform(shape=(MOST_CUTOUTS,))
    share_x, share_y = draw.uniform(shape=(MOST_CUTOUTS,)), draw.uniform(shape=(MOST_CUTOUTS,))
    colour = draw.uniform(0.0, 255.0, (MOST_CUTOUTS, 3))
    from_x = torch.floor(share_x * (size - (x1 - x0)[..., 0, 0] + 1)) - x0[..., 0, 0]
    from_y = torch.floor(share_y * (size - (y1 - y0)[..., 0, 0] + 1)) - y0[..., 0, 0]
    source = (run[:, None] + per_pixel(from_y)) * size + run + per_pixel(from_x)
    copied = picture.reshape(b, -1, 3).gather(
        1, source.long().clamp(0, size * size - 1).flatten(1)[..., None].expand(-1, -1, 3)
    )
    fill = torch.stack([per_pixel(colour[..., c]) for c in range(3)], -1)
    noise = window(pool.white, draw, size, size) * per_pixel((10.0 + 50.0 * share_x) * (kind >= 0.65))[..., None]
    fill = (fill + noise).clamp(0.0, 255.0).to(torch.uint8)
    fill = torch.where((per_pixel(kind) < 0.3)[..., None], copied.reshape(picture.shape), fill)
    return torch.where((which > 0)[..., None], fill, picture)
