"""The camera of the synthetic world: linear light in, the 8-bit picture of some cheap camera out.

Clean renders differ from photographs at every spatial frequency, and that is the largest rendering factor in how well
a network trained on them does on real hands. So a sample passes, in the order light and data do, through exposure,
white balance, vignette, motion blur, defocus, the sensor's own resolution, shot and read noise, denoising, sharpening,
the tone curve, colour, JPEG or video coding, and at last an augmentation of the amplitude spectrum.

Nothing here moves anything: every kernel is symmetric about its centre, so labels in pixels stay true. What a cut-out
hides is known from the `Sensor` before a pixel is drawn (`Sensor.hides`).

Linear light is scene-linear sRGB with 1.0 at the white of the display. One core handles a 128-pixel crop in about one
millisecond; call `cv2.setNumThreads(1)` in worker processes.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import scipy.fft
from jaxtyping import Bool, Float, Float32, UInt8

from palmar.errors import PalmarError
from palmar.synth.draws import Draws

Denoiser = Literal["none", "median", "bilateral"]
Subsampling = Literal["444", "422", "420"]
Interpolation = Literal["nearest", "linear", "cubic", "area"]

_CV_SUBSAMPLING = {
    "444": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "422": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "420": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
}
_CV_INTERPOLATION = {
    "nearest": cv2.INTER_NEAREST_EXACT,  # plain INTER_NEAREST moves the picture by up to half a source pixel
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
}
_LUMA_WEIGHTS = (0.299, 0.587, 0.114)
_LUMA = np.array([_LUMA_WEIGHTS], np.float32)
_TONE_STEPS = 4096
_TONE_KNOTS = 5
_POOL = 512


@dataclass(frozen=True)
class Sensor:
    """One camera and one shot with it. The defaults are the perfect camera: sRGB coding and nothing else.

    Lengths are shares of the picture's longer side, so one sensor means the same at every picture size. What is noise
    by nature (grain, the random spectrum, what fills a cut-out) is drawn when the sensor is applied.
    """

    metering: float = 0.0
    """0 keeps the scene's light, 1 brings its mean to middle grey (0.18), between is between (in stops). The middle
    counts more than the corners (`metering_weights`), as with most cameras."""
    exposure: float = 1.0
    """Gain on linear light."""
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Gains of red, green and blue."""
    vignette: float = 0.0
    """Light lost in the corner of a centred vignette, 0 to 1."""
    vignette_centre: tuple[float, float] = (0.5, 0.5)
    """x, y as shares of width and height."""
    motion: tuple[float, float] = (0.0, 0.0)
    """The streak of a point, end to end: x, y as shares of the longer side."""
    defocus: float = 0.0
    """Radius of the disc of confusion, share of the longer side."""
    native: float = 1.0
    """Resolution of the recording over that of the result; 1 and above change nothing."""
    native_last: bool = False
    """Noise, processing and coding happen at the native resolution, before enlarging, as in a cropped photograph."""
    shrink: Interpolation = "area"
    enlarge: Interpolation = "linear"
    shot: float = 0.0
    """Noise variance on linear signal x is shot * x + read."""
    read: float = 0.0
    grain: float = 0.0
    """Share of the noise variance that is correlated over about two pixels (demosaicing smears it)."""
    denoise: Denoiser = "none"
    chroma_blur: float = 0.0
    """Sigma in pixels of the blur of the two colour-difference channels."""
    unsharp: float = 0.0
    """Amount of the unsharp mask."""
    unsharp_sigma: float = 1.0
    """Pixels."""
    tone: tuple[float, ...] = ()
    """Slopes (positive, relative) of the tone curve over sRGB at five equally spaced knots; empty is sRGB itself."""
    saturation: float = 1.0
    hue: float = 0.0
    """Turn about the grey axis, radians."""
    contrast: float = 1.0
    """About mid-scale, on display values."""
    brightness: float = 0.0
    """Added to display values, share of full scale."""
    local_contrast: float = 0.0
    """Clip limit of a contrast-limited adaptive histogram equalisation of the luma; 0 is off."""
    jpeg: int = 0
    """JPEG quality, 1 to 100; 0 is off."""
    jpeg_subsampling: Subsampling = "420"
    jpeg_phase: tuple[int, int] = (0, 0)
    """Where the block grid begins: pixels x, y that would lie before the picture."""
    video_block: int = 0
    """Block size in pixels of the video coder; 0 is off."""
    video_threshold: float = 0.0
    """Detail below this many levels (of 255) is dropped, in colour twice as much."""
    video_deblock: bool = False
    spectrum: tuple[float, float] | None = None
    """alpha, beta of the amplitude spectrum's random gains: see `perturb_spectrum`. None is off."""
    spectrum_luma: bool = True
    """One random field for the luma only, instead of one for each channel."""
    convolution: int = 0
    """Size of a random symmetric kernel, odd; 0 is off."""
    cutouts: tuple[tuple[float, float, float, float], ...] = ()
    """Rectangles x0, y0, x1, y1 as shares of width and height, which something featureless covers."""

    @classmethod
    def sample(cls, rng: np.random.Generator, strength: float = 1.0, *, coding_free: bool = False) -> Sensor:
        """A random camera. `strength` scales how often a fault occurs and how large it is; 0 is the perfect camera.

        coding_free: leave exposure, vignette and resolution out and halve all else, for pictures that a real camera has
        already taken (`augment_photo`).
        Raises PalmarError if strength is negative or not finite.
        """
        if not (math.isfinite(strength) and strength >= 0):
            raise PalmarError(f"Sensor.sample: strength must be 0 or more, got {strength}.")
        if strength == 0:
            return cls()
        draw = _Faults(rng, strength * (0.5 if coding_free else 1.0), strength)
        size = draw.size

        metered = draw.occurs(0.6)
        stops = draw.spread(0.7) if metered else draw.uniform(-2.0, 1.3)
        metering = draw.uniform(0.3, 1.0) if metered else 0.0
        white_balance = (math.exp(draw.spread(0.12)), 1.0, math.exp(draw.spread(0.12)))
        vignette = draw.maybe(0.2, draw.uniform(0.1, 0.7)) * size
        centre = (draw.uniform(0.2, 0.8), draw.uniform(0.2, 0.8))

        streak = draw.maybe(0.3, 0.12 * draw.uniform(0.0, 1.0) ** 1.5) * size
        angle = draw.uniform(0.0, math.pi)
        defocus = draw.maybe(0.25, 0.03 * draw.uniform(0.1, 1.0) ** 1.5) * size

        native = draw.log_uniform(0.3, 3.2) if draw.occurs(0.6) else 1.0
        native = 1.0 if coding_free else min(native, 1.0) ** size
        native_last = draw.chance(0.5)
        shrink: Interpolation = draw.choose(("area", "area", "area", "linear"))
        enlarge: Interpolation = draw.choose(("linear", "linear", "cubic", "nearest"))

        shot = read = grain = 0.0
        noisy = draw.occurs(0.7)
        log_shot = draw.uniform(math.log(1e-4), math.log(0.03 if draw.chance(0.15) else 0.012))
        log_read = 2.18 * log_shot + 1.20 + draw.spread(0.26)
        if noisy:
            shot, read = math.exp(log_shot) * size**2, math.exp(log_read) * size**2
            grain = draw.uniform(0.0, 0.8)
        denoise: Denoiser = (
            draw.choose(("median", "bilateral")) if draw.occurs(0.6 if shot > 4e-3 else 0.35) else "none"
        )
        chroma_blur = draw.maybe(0.2, draw.uniform(1.0, 3.0))
        unsharp = draw.maybe(0.4, draw.uniform(0.2, 0.6 if shot > 4e-3 else 1.5)) * size  # noisy cameras sharpen little
        unsharp_sigma = draw.uniform(0.6, 2.0)

        tone = tuple(math.exp(draw.spread(0.35)) for _ in range(_TONE_KNOTS))
        curve = draw.uniform(0.0, 1.0)
        if not draw.occurs(0.7):
            tone = ()
        elif curve < 0.3:  # the S of most cameras
            tone = tuple(1.0 + (1.2 * size * curve) * (s - 1.0) for s in (0.3, 1.2, 1.6, 1.2, 0.3))
        saturation = math.exp(draw.uniform(math.log(0.4), math.log(1.5)) * size) if draw.occurs(0.5) else 1.0
        saturation = draw.maybe(0.1, 0.0, otherwise=saturation)
        hue = draw.maybe(0.4, draw.uniform(-1.0, 1.0) * math.radians(8.0)) * size
        contrast = 1.0 + draw.maybe(0.4, draw.uniform(-0.35, 0.35)) * size
        brightness = draw.maybe(0.4, draw.uniform(-0.15, 0.15)) * size
        local_contrast = draw.maybe(0.1, draw.uniform(1.0, 3.0)) * size

        jpeg = int(draw.uniform(20.0, 96.0)) if draw.occurs(0.5) else 0
        subsampling: Subsampling = draw.choose(("420", "420", "422", "444"))
        phase = (int(draw.uniform(0.0, 8.0)), int(draw.uniform(0.0, 8.0)))
        video_block = draw.choose((8, 16)) if draw.occurs(0.2) else 0
        video_threshold = draw.uniform(2.0, 12.0) * size
        deblock = draw.chance(0.6)

        spectrum = (3.0 * draw.uniform() ** 1.5 * size, draw.uniform(0.1, 0.5) * size) if draw.occurs(0.5) else None
        spectrum_luma = draw.chance(0.75)
        convolution = draw.choose((3, 5, 7)) if draw.occurs(0.1) else 0
        cutouts = draw.rectangles() if draw.occurs(0.2) else ()
        return cls(
            metering=0.0 if coding_free else metering,
            exposure=2.0 ** (draw.spread(0.4) if coding_free else stops * size),
            white_balance=white_balance,
            vignette=0.0 if coding_free else min(vignette, 0.9),
            vignette_centre=centre,
            motion=(streak * math.cos(angle), streak * math.sin(angle)),
            defocus=defocus,
            native=native,
            native_last=native_last,
            shrink=shrink,
            enlarge=enlarge,
            shot=shot,
            read=read,
            grain=grain,
            denoise=denoise,
            chroma_blur=chroma_blur,
            unsharp=unsharp,
            unsharp_sigma=unsharp_sigma,
            tone=tone,
            saturation=saturation,
            hue=hue,
            contrast=contrast,
            brightness=brightness,
            local_contrast=local_contrast,
            jpeg=jpeg,
            jpeg_subsampling=subsampling,
            jpeg_phase=phase,
            video_block=video_block,
            video_threshold=video_threshold,
            video_deblock=deblock,
            spectrum=spectrum,
            spectrum_luma=spectrum_luma,
            convolution=convolution,
            cutouts=cutouts,
        )

    def hides(self, points_px: Float[np.ndarray, "*n 2"], height: int, width: int) -> Bool[np.ndarray, " *n"]:
        """Which points lie under a cut-out. Pixel centres are at integers. Points off the picture are not hidden."""
        hidden = np.zeros(points_px.shape[:-1], bool)
        for rectangle in self.cutouts:
            x0, y0, x1, y1 = _pixels(rectangle, height, width)
            x, y = points_px[..., 0], points_px[..., 1]
            hidden |= (x >= x0 - 0.5) & (x < x1 - 0.5) & (y >= y0 - 0.5) & (y < y1 - 0.5)
        return hidden


class _Faults(Draws):
    """Draws of a camera's faults. rate scales how often they occur, size how large they are."""

    def __init__(self, rng: np.random.Generator, rate: float, size: float) -> None:
        super().__init__(rng)
        self.rate, self.size = min(rate, 1.0), min(size, 2.0)

    def spread(self, sigma: float) -> float:
        """Normal, scaled by the size."""
        return self.normal(sigma) * self.size

    def occurs(self, p: float) -> bool:
        return self.chance(p * self.rate)

    def maybe(self, p: float, value: float, *, otherwise: float = 0.0) -> float:
        return value if self.occurs(p) else otherwise

    def rectangles(self) -> tuple[tuple[float, float, float, float], ...]:
        found = []
        for _ in range(1 + int(self.uniform() ** 2 * 6)):
            width, height = self.uniform(0.04, 0.28), self.uniform(0.04, 0.28)
            x, y = self.uniform(-0.1, 1.0), self.uniform(-0.1, 1.0)
            found.append((x, y, x + width, y + height))
        return tuple(found)


def expose(
    linear_rgb: Float32[np.ndarray, "h w 3"], rng: np.random.Generator, strength: float = 1.0
) -> UInt8[np.ndarray, "h w 3"]:
    """The picture a random camera takes of linear light. The same generator state gives the same picture."""
    return apply(linear_rgb, Sensor.sample(rng, strength), rng)


def augment_photo(
    image: UInt8[np.ndarray, "h w 3"], rng: np.random.Generator, strength: float = 1.0
) -> UInt8[np.ndarray, "h w 3"]:
    """A real photograph as another camera might have taken it: photometric changes only, gentler than `expose`."""
    return apply(srgb_to_linear(image), Sensor.sample(rng, strength, coding_free=True), rng)


def apply(image: Float32[np.ndarray, "h w 3"], sensor: Sensor, rng: np.random.Generator) -> UInt8[np.ndarray, "h w 3"]:
    """The picture that `sensor` takes of the linear light `image` (any size). `image` is left as it was.

    `rng` gives the grain, the random spectrum and kernel, and what fills the cut-outs.
    Raises PalmarError for another shape or dtype.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.float32 or 0 in image.shape:
        raise PalmarError(
            f"sensor.apply: expected linear RGB, float32 [h, w, 3], got {image.dtype} {list(image.shape)}."
        )
    height, width = image.shape[:2]
    light = _gains(image, sensor)
    longer = max(height, width)
    if sensor.motion != (0.0, 0.0):
        light = motion_blur(light, sensor.motion[0] * longer, sensor.motion[1] * longer)
    if sensor.defocus * longer > 0.3:
        light = defocus(light, sensor.defocus * longer)
    if sensor.native < 1.0:
        small = (max(round(width * sensor.native), 2), max(round(height * sensor.native), 2))
        light = cv2.resize(light, small, interpolation=_CV_INTERPOLATION[sensor.shrink])
        if not sensor.native_last:
            light = cv2.resize(light, (width, height), interpolation=_CV_INTERPOLATION[sensor.enlarge])
    if sensor.shot > 0.0 or sensor.read > 0.0:
        light = add_noise(light, sensor.shot, sensor.read, rng, grain=sensor.grain)
    light = _process(light, sensor)
    display = develop(light, sensor.tone)
    display = _colour(display, sensor)
    display = _code(display, sensor)
    if display.shape[:2] != (height, width):
        display = cv2.resize(display, (width, height), interpolation=_CV_INTERPOLATION[sensor.enlarge])
    if sensor.spectrum is not None:
        display = _spectrum(display, sensor, rng)
    if sensor.convolution:
        display = cv2.filter2D(display, -1, _random_kernel(sensor.convolution, rng), borderType=cv2.BORDER_REFLECT)
    picture = _to_uint8(display)
    for rectangle in sensor.cutouts:
        _cut(picture, rectangle, rng)
    return picture


# ------------------------------------------------------------------------------------------------- coding of light


@functools.cache
def _decode_table() -> Float32[np.ndarray, " 256"]:
    code = np.arange(256) / 255.0
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4).astype(np.float32)


def srgb_to_linear(image: UInt8[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """8-bit sRGB to linear light, 0 to 1. IEC 61966-2-1."""
    if image.ndim < 2:
        return _decode_table()[image]
    return cv2.LUT(image, _decode_table())


@functools.cache
def _tone_grid() -> tuple[Float32[np.ndarray, " s"], Float32[np.ndarray, "s k"]]:
    """sRGB code (0 to 255) on a grid of square roots of linear light, and the integrals of the knots' hat functions.

    The square root spreads the levels almost evenly over the grid, so one table serves the shadows too.
    """
    linear = np.linspace(0.0, 1.0, _TONE_STEPS) ** 2
    code = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    position = code[:, None] * (_TONE_KNOTS - 1) - np.arange(_TONE_KNOTS)  # in hats, centred on each knot
    left, right = np.clip(position, -1.0, 0.0), np.clip(position, 0.0, 1.0)
    integral = (left + 1.0) ** 2 / 2.0 + right - right**2 / 2.0
    integral -= integral[:1]  # half of the first hat lies before 0
    return (255.0 * code).astype(np.float32), integral.astype(np.float32)


def _tone_table(slopes: tuple[float, ...]) -> Float32[np.ndarray, " s"]:
    code, integral = _tone_grid()
    if not slopes:
        return code
    curve = integral @ np.asarray(slopes, np.float32)
    return curve * np.float32(255.0 / curve[-1])


def develop(light: Float32[np.ndarray, "h w 3"], tone: tuple[float, ...] = ()) -> Float32[np.ndarray, "h w 3"]:
    """Display values 0 to 255 of linear light: sRGB coding, then the tone curve. Light outside 0 to 1 clips.

    tone: slopes of the curve at equally spaced knots of the code, between which they run straight; the curve is their
    integral, so positive slopes make it increase and smooth.
    """
    table = _tone_table(tone)
    root = cv2.sqrt(np.clip(light, 0.0, 1.0))
    root *= np.float32(_TONE_STEPS - 1)
    root += np.float32(0.5)
    return np.take(table, root.astype(np.uint16))


def _to_uint8(display: Float32[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    return cv2.convertScaleAbs(np.clip(display, 0.0, 255.0))


# ------------------------------------------------------------------------------------------------- light and optics


METERED, METERED_WIDTH = 6.0, 0.22
"""Centre-weighted metering: the middle counts so many times more than the corners, and the standard deviation of the
weights as a share of the picture's sides."""


@functools.lru_cache(8)
def metering_weights(height: int, width: int) -> Float32[np.ndarray, "h w"]:
    """How much each pixel counts where a camera measures light; all of them together 1."""
    y, x = ((np.arange(n) + 0.5) / n - 0.5 for n in (height, width))
    bump = np.exp(-(y[:, None] ** 2 + x**2) / (2 * METERED_WIDTH**2))
    weights = 1.0 + (METERED - 1.0) * bump
    return (weights / weights.sum()).astype(np.float32)


def _gains(image: Float32[np.ndarray, "h w 3"], sensor: Sensor) -> Float32[np.ndarray, "h w 3"]:
    """Exposure, white balance and vignette: one multiplication. Light beyond 4 is cut, which keeps sums finite."""
    gain = sensor.exposure
    if sensor.metering > 0.0:
        mean = np.tensordot(metering_weights(*image.shape[:2]), image, 2)
        grey = 0.2126 * mean[0] + 0.7152 * mean[1] + 0.0722 * mean[2]
        gain *= (0.18 / max(grey, 1e-3)) ** sensor.metering
    if gain == 1.0 and sensor.white_balance == (1.0, 1.0, 1.0) and sensor.vignette == 0.0:
        return image
    light = cv2.transform(image, np.diag([gain * g for g in sensor.white_balance]).astype(np.float32))
    if sensor.vignette > 0.0:
        height, width = image.shape[:2]
        x = (np.arange(width, dtype=np.float32) + 0.5) / width - sensor.vignette_centre[0]
        y = (np.arange(height, dtype=np.float32) + 0.5) / height - sensor.vignette_centre[1]
        falloff = np.maximum(1.0 - 2.0 * sensor.vignette * (x * x + (y * y)[:, None]), 0.02).astype(np.float32)
        light = cv2.multiply(light, cv2.merge([falloff, falloff, falloff]))
    return np.minimum(light, np.float32(4.0), out=light)


def motion_blur(image: Float32[np.ndarray, "h w 3"], x_px: float, y_px: float) -> Float32[np.ndarray, "h w 3"]:
    """The mean of the image moved along a straight streak of this size, which is centred on each point.

    Steps are whole pixels, one for each pixel of the streak's longer extent. Borders are mirrored.
    """
    half = round(max(abs(x_px), abs(y_px)) / 2.0)
    if half == 0:
        return image
    height, width = image.shape[:2]
    reach_x, reach_y = math.ceil(abs(x_px) / 2.0) + 1, math.ceil(abs(y_px) / 2.0) + 1
    wide = cv2.copyMakeBorder(image, reach_y, reach_y, reach_x, reach_x, cv2.BORDER_REFLECT)
    total = image.copy()
    for k in range(1, half + 1):
        dx, dy = round(k / half * x_px / 2.0), round(k / half * y_px / 2.0)
        for sign in (-1, 1):
            top, left = reach_y + sign * dy, reach_x + sign * dx
            cv2.add(total, wide[top : top + height, left : left + width], dst=total)
    total *= np.float32(1.0 / (2 * half + 1))
    return total


@functools.lru_cache(maxsize=256)
def _disc(tenths: int) -> Float32[np.ndarray, "k k"]:
    radius = tenths / 10.0
    reach = math.ceil(radius)
    fine = (np.arange((2 * reach + 1) * 8) + 0.5) / 8.0 - reach - 0.5
    inside = (fine**2 + fine[:, None] ** 2 <= radius**2).astype(np.float32)
    kernel = inside.reshape(2 * reach + 1, 8, 2 * reach + 1, 8).mean((1, 3))
    return kernel / kernel.sum()


def defocus(image: Float32[np.ndarray, "h w 3"], radius_px: float) -> Float32[np.ndarray, "h w 3"]:
    """The image blurred with a disc of this radius, to a tenth of a pixel. Below half a pixel nothing changes."""
    return cv2.filter2D(image, -1, _disc(max(round(radius_px * 10), 1)), borderType=cv2.BORDER_REFLECT)


# ------------------------------------------------------------------------------------------------------------ noise


@functools.cache
def _noise_pool() -> tuple[Float32[np.ndarray, "p p 3"], Float32[np.ndarray, "p p 3"]]:
    """Standard normal noise, white and correlated over about two pixels. Windows of it are far cheaper than draws."""
    rng = np.random.default_rng(20240229)
    white = rng.standard_normal((_POOL, _POOL, 3), dtype=np.float32)
    coarse = rng.standard_normal((_POOL // 2, _POOL // 2, 3), dtype=np.float32)
    coarse = cv2.resize(coarse, (_POOL, _POOL), interpolation=cv2.INTER_CUBIC)
    coarse /= coarse.std(axis=(0, 1), keepdims=True)
    return white, coarse


def _window(
    pool: Float32[np.ndarray, "p p *c"], height: int, width: int, rng: np.random.Generator
) -> Float32[np.ndarray, "h w *c"]:
    """A random window of a pool; the pool repeats where the window is larger."""
    repeat = (-(-height // _POOL), -(-width // _POOL))
    if repeat != (1, 1):
        pool = np.tile(pool, (*repeat, *[1] * (pool.ndim - 2)))
    y, x = rng.random(2).tolist()
    top, left = int(y * (pool.shape[0] - height + 1)), int(x * (pool.shape[1] - width + 1))
    return pool[top : top + height, left : left + width]


def add_noise(
    light: Float32[np.ndarray, "h w 3"], shot: float, read: float, rng: np.random.Generator, *, grain: float = 0.0
) -> Float32[np.ndarray, "h w 3"]:
    """Linear light with zero-mean Gaussian noise of variance shot * light + read, its mean kept (nothing is clipped).

    grain: the share of the variance that is correlated over about two pixels. Brooks et al. 2019, equation 2.
    """
    height, width = light.shape[:2]
    white, coarse = _noise_pool()
    noise = _window(white, height, width, rng)
    if grain > 0.0:
        smeared = _window(coarse, height, width, rng)
        noise = cv2.addWeighted(noise, math.sqrt(1.0 - grain), smeared, math.sqrt(grain), 0.0)
    variance = light * np.float32(shot)
    variance += np.float32(read)
    np.maximum(variance, np.float32(0.0), out=variance)
    return cv2.add(light, cv2.multiply(cv2.sqrt(variance), noise))


# ------------------------------------------------------------------------------------------- the camera's processor


def _process(light: Float32[np.ndarray, "h w 3"], sensor: Sensor) -> Float32[np.ndarray, "h w 3"]:
    """Denoising, chroma blur and sharpening, still in linear light."""
    if sensor.denoise == "median":
        light = cv2.medianBlur(light, 3)
    elif sensor.denoise == "bilateral":
        deviation = math.sqrt(sensor.shot * 0.3 + sensor.read)
        light = cv2.bilateralFilter(light, 5, max(3.0 * deviation, 0.02), 1.5)
    if sensor.chroma_blur > 0.0:
        luma = cv2.transform(light, _LUMA)
        smooth = _blur(light, sensor.chroma_blur)
        change = cv2.subtract(luma, cv2.transform(smooth, _LUMA))
        light = cv2.add(smooth, cv2.merge([change, change, change]))
    if sensor.unsharp > 0.0:
        smooth = _blur(light, sensor.unsharp_sigma)
        light = cv2.addWeighted(light, 1.0 + sensor.unsharp, smooth, -sensor.unsharp, 0.0)
    return light


def _blur(image: Float32[np.ndarray, "h w 3"], sigma: float) -> Float32[np.ndarray, "h w 3"]:
    size = 2 * math.ceil(2.0 * sigma) + 1
    return cv2.GaussianBlur(image, (size, size), sigma)


def colour_matrix(
    saturation: float = 1.0, hue: float = 0.0, contrast: float = 1.0, brightness: float = 0.0
) -> Float32[np.ndarray, "3 4"]:
    """The affine map of display values (0 to 255) that these four do together. Greys stay grey under the first two."""
    cos, sin = math.cos(hue), math.sin(hue) / math.sqrt(3.0)
    third = (1.0 - cos) / 3.0
    turn = ((third + cos, third - sin, third + sin), (third + sin, third + cos, third - sin))  # Rodrigues, (1, 1, 1)
    turn = (*turn, (third - sin, third + sin, third + cos))
    red, green, blue = _LUMA_WEIGHTS
    grey = [red * turn[0][k] + green * turn[1][k] + blue * turn[2][k] for k in range(3)]
    offset = 127.5 * (1.0 - contrast) + 255.0 * brightness
    rows = [[contrast * (grey[k] + saturation * (row[k] - grey[k])) for k in range(3)] + [offset] for row in turn]
    return np.array(rows, np.float32)


def _colour(display: Float32[np.ndarray, "h w 3"], sensor: Sensor) -> Float32[np.ndarray, "h w 3"]:
    if (sensor.saturation, sensor.hue, sensor.contrast, sensor.brightness) != (1.0, 0.0, 1.0, 0.0):
        matrix = colour_matrix(sensor.saturation, sensor.hue, sensor.contrast, sensor.brightness)
        display = cv2.transform(display, matrix)
    if sensor.local_contrast > 0.0:
        luma = cv2.transform(display, _LUMA)
        levels = cv2.convertScaleAbs(np.clip(luma, 0.0, 255.0))
        equal = cv2.createCLAHE(sensor.local_contrast, (4, 4)).apply(levels).astype(np.float32)
        change = 0.6 * (equal - luma)
        display = cv2.add(display, cv2.merge([change, change, change]))
    return display


def _code(display: Float32[np.ndarray, "h w 3"], sensor: Sensor) -> Float32[np.ndarray, "h w 3"]:
    """JPEG, then the video coder."""
    if sensor.jpeg:
        display = jpeg(_to_uint8(display), sensor.jpeg, sensor.jpeg_subsampling, sensor.jpeg_phase).astype(np.float32)
    if sensor.video_block:
        height, width = display.shape[:2]
        blocks = (-(-width // sensor.video_block), -(-height // sensor.video_block))
        flat = cv2.resize(display, blocks, interpolation=cv2.INTER_AREA)
        between = cv2.INTER_LINEAR if sensor.video_deblock else cv2.INTER_NEAREST_EXACT
        flat = cv2.resize(flat, (width, height), interpolation=between)
        detail = cv2.subtract(display, flat)
        luma = cv2.transform(detail, _LUMA)
        colour = cv2.subtract(detail, cv2.merge([luma, luma, luma]))
        limit = np.float32(sensor.video_threshold)
        luma -= np.clip(luma, -limit, limit)
        colour -= np.clip(colour, -2 * limit, 2 * limit)
        display = flat + colour + cv2.merge([luma, luma, luma])
    return display


def jpeg(
    image: UInt8[np.ndarray, "h w 3"], quality: int, subsampling: Subsampling = "420", phase: tuple[int, int] = (0, 0)
) -> UInt8[np.ndarray, "h w 3"]:
    """The RGB image after JPEG coding and decoding.

    phase: pixels x, y by which the block grid begins before the image.
    """
    height, width = image.shape[:2]
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    if phase != (0, 0):
        bgr = cv2.copyMakeBorder(bgr, phase[1], 0, phase[0], 0, cv2.BORDER_REPLICATE)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, _CV_SUBSAMPLING[subsampling]]
    done, code = cv2.imencode(".jpg", bgr, options)
    assert done
    coded = cv2.imdecode(code, cv2.IMREAD_COLOR)
    assert coded is not None
    return cv2.cvtColor(coded[phase[1] : phase[1] + height, phase[0] : phase[0] + width], cv2.COLOR_BGR2RGB)


# --------------------------------------------------------------------------------------------------- augmentations


@functools.lru_cache(maxsize=32)
def _frequencies(height: int, width: int) -> Float32[np.ndarray, "h f"]:
    """|f| / f_max on the half plane of `rfft2`."""
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    return (radius / max(radius.max(), 1e-12)).astype(np.float32)


@functools.cache
def _plane_pool() -> Float32[np.ndarray, "p p"]:
    return np.random.default_rng(20240301).standard_normal((_POOL, _POOL), dtype=np.float32)


def perturb_spectrum(
    planes: Float32[np.ndarray, "c h w"], alpha: float, beta: float, rng: np.random.Generator, *, power: float = 2.0
) -> Float32[np.ndarray, "c h w"]:
    """Real planes whose amplitudes are multiplied by random gains; phases and the mean stay as they are.

    Gains are normal with mean 1 and deviation (alpha |f| / f_max)^power + beta, cut at 0 so that no phase turns over.
    PASTA (Chattopadhyay et al., ICCV 2023, equation 3), with gains equal at f and -f, so that the result is
    real without dropping an imaginary part.
    """
    count, height, width = planes.shape
    radius = _frequencies(height, width)
    deviation = (np.float32(alpha) * radius) ** np.float32(power) + np.float32(beta)
    spectrum = np.asarray(scipy.fft.rfft2(planes))
    for plane in range(count):
        gain = deviation * _window(_plane_pool(), height, radius.shape[1], rng)
        gain += np.float32(1.0)
        np.maximum(gain, np.float32(0.0), out=gain)
        for column in (0, -1) if width % 2 == 0 else (0,):  # these columns hold both f and -f
            gain[: height // 2 : -1, column] = gain[1 : (height + 1) // 2, column]
        gain[0, 0] = 1.0
        spectrum[plane] *= gain
    return np.asarray(scipy.fft.irfft2(spectrum, s=(height, width)))


def _spectrum(
    display: Float32[np.ndarray, "h w 3"], sensor: Sensor, rng: np.random.Generator
) -> Float32[np.ndarray, "h w 3"]:
    assert sensor.spectrum is not None
    alpha, beta = sensor.spectrum
    if sensor.spectrum_luma:
        luma = cv2.transform(display, _LUMA)
        change = perturb_spectrum(luma[None], alpha, beta, rng)[0] - luma
        return cv2.add(display, cv2.merge([change, change, change]))
    planes = np.stack(cv2.split(display))
    return cv2.merge(list(perturb_spectrum(planes, alpha, beta, rng)))


def _random_kernel(size: int, rng: np.random.Generator) -> Float32[np.ndarray, "k k"]:
    """A kernel of sum 1, equal under a half turn, so that it moves nothing."""
    kernel = rng.standard_normal((size, size)) / size**2
    kernel = (kernel + kernel[::-1, ::-1]) / 2.0
    kernel[size // 2, size // 2] += 1.0 - kernel.sum()
    return kernel.astype(np.float32)


def _pixels(rectangle: tuple[float, float, float, float], height: int, width: int) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = rectangle
    left, top = min(max(round(x0 * width), 0), width), min(max(round(y0 * height), 0), height)
    return left, top, max(min(round(x1 * width), width), left), max(min(round(y1 * height), height), top)


def _cut(picture: UInt8[np.ndarray, "h w 3"], rectangle: tuple[float, float, float, float], rng: np.random.Generator):
    """Cover the rectangle in place: with one colour, a noisy colour, or another part of the picture."""
    height, width = picture.shape[:2]
    left, top, right, bottom = _pixels(rectangle, height, width)
    size = (bottom - top, right - left)
    if 0 in size:
        return
    kind, x, y, *colour = rng.random(6).tolist()
    if kind < 0.3:
        source_x, source_y = int(x * (width - size[1] + 1)), int(y * (height - size[0] + 1))
        picture[top:bottom, left:right] = picture[source_y : source_y + size[0], source_x : source_x + size[1]].copy()
        return
    fill = np.array(colour, np.float32) * 255.0
    if kind < 0.65:
        picture[top:bottom, left:right] = fill.astype(np.uint8)
        return
    noise = _window(_noise_pool()[0], *size, rng) * np.float32(10.0 + 50.0 * x)
    picture[top:bottom, left:right] = np.clip(noise + fill, 0.0, 255.0).astype(np.uint8)
