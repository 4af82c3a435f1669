"""An event camera: pixels that report changes of log intensity, each when it happens.

The pixel is the one of v2e (Hu, Liu, Delbruck 2021, "v2e: From Video Frames to Realistic DVS Events"), step by step:
lin-log intensity, low-pass whose cutoff falls in the dark, a memorised level, ON and OFF thresholds that differ from
pixel to pixel, leak, refractory time, shot noise. A pixel state is

    L   low-passed log intensity            M   memorised level, from which change is counted
    th  thresholds of ON and OFF events     d   L - M

in natural-log units. Everything inside is float64, and times are handed out as int64 microseconds: float32 seconds
would be 2 us apart after 20 s.

    camera = EventCamera(NOISY, np.random.default_rng(7))
    for luma, t in frames:                       # 0 to 255, seconds
        events = camera.frame(luma, t)           # none for the first frame

`record` films a scene. Its frames come from the renderer at the rate one asks for, so that no frames are made up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float32, Int8, Int16, Int32, Int64, UInt8

from palmar.errors import PalmarError
from palmar.synth.sense import rgb
from palmar.synth.world import Moment, Scene, View

LINEAR_BELOW = 20.0
"""Luma at which the pixel's response goes over from linear to logarithmic."""
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


@dataclass(frozen=True, eq=False)
class Events:
    """N events of one camera, oldest first."""

    time_us: Int64[np.ndarray, " n"]
    x: Int16[np.ndarray, " n"]
    y: Int16[np.ndarray, " n"]
    polarity: Int8[np.ndarray, " n"]
    """1 brighter (ON), -1 darker (OFF)."""
    noise: Bool[np.ndarray, " n"]
    """Whether shot noise made it, as far as the model tells: leak and mismatch make others that are not marked."""
    width: int
    height: int

    def __len__(self) -> int:
        return len(self.time_us)

    def __getitem__(self, keep: slice | np.ndarray) -> Events:
        """Some of them, by slice, mask or indices."""
        rows = {f.name: getattr(self, f.name)[keep] for f in fields(self) if f.name not in ("width", "height")}
        return Events(**rows, width=self.width, height=self.height)

    @staticmethod
    def none(height: int, width: int) -> Events:
        kinds = (np.int64, np.int16, np.int16, np.int8, bool)
        return Events(*(np.zeros(0, kind) for kind in kinds), width=width, height=height)

    @staticmethod
    def concatenate(parts: Sequence[Events]) -> Events:
        """One list of several, in their order. Raises PalmarError for none, and for cameras of different sizes."""
        if not parts or len({(part.height, part.width) for part in parts}) > 1:
            raise PalmarError("Events.concatenate: give at least one list, all of one camera size.")
        rows = [f.name for f in fields(Events) if f.name not in ("width", "height")]
        joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in rows}
        return Events(**joined, width=parts[0].width, height=parts[0].height)

    def between(self, start_us: int, end_us: int) -> Events:
        """Those at start_us <= t < end_us. The list must be in order of time."""
        first, last = np.searchsorted(self.time_us, [start_us, end_us])
        return self[slice(int(first), int(last))]


@dataclass(frozen=True)
class Pixel:
    """What the pixels of an event camera are like. Thresholds in natural-log units."""

    on: float = 0.2
    off: float = 0.2
    sigma: float = 0.03
    """Standard deviation of the thresholds from pixel to pixel; they stay above 0.01. 0: all alike."""
    cutoff_hz: float = 300.0
    """Bandwidth of the photoreceptor in full light, 0 for no limit. In the dark it is 14 times slower."""
    leak_hz: float = 0.01
    """ON events per second that a pixel makes of nothing."""
    leak_jitter: float = 0.1
    """Share by which the leak differs from frame to frame."""
    leak_spread: float = 0.1
    """Decades by which it differs from pixel to pixel."""
    shot_hz: float = 0.001
    """Noise events per second and pixel in the dark; a quarter in full light."""
    refractory: float = 0.0005
    """Seconds for which a pixel is silent after an event."""
    photoreceptor_noise: bool = False
    """Make the noise of `shot_hz` by noise on L, which then goes through the thresholds, and not by events as such.
    Needs cutoff_hz and shot_hz above 0."""
    timing: Literal["early", "linear"] = "early"
    """When the events of one frame's interval fire. early: as in v2e, the interval is divided by the most events of
    any pixel, and every pixel fires at the first of these times. linear: where a straight line from the last L to this
    one crosses each threshold, which is what a slow change does, and smears no burst over the frame rate."""

    def __post_init__(self) -> None:
        if not (self.on > 0 and self.off > 0):
            raise PalmarError(f"Pixel: thresholds must be above 0, got {self.on} and {self.off}.")
        for name in ("sigma", "cutoff_hz", "leak_hz", "leak_jitter", "leak_spread", "shot_hz", "refractory"):
            if not getattr(self, name) >= 0:
                raise PalmarError(f"Pixel.{name}: must be 0 or more, got {getattr(self, name)}.")
        if self.photoreceptor_noise and not (self.cutoff_hz > 0 and self.shot_hz > 0):
            raise PalmarError("Pixel: photoreceptor noise needs cutoff_hz and shot_hz above 0.")


TYPICAL = Pixel()
CLEAN = Pixel(sigma=0.02, cutoff_hz=0.0, leak_hz=0.0, shot_hz=0.0, refractory=0.0, leak_jitter=0.0, leak_spread=0.0)
"""Good light: no noise, no limit of bandwidth."""
NOISY = Pixel(sigma=0.05, cutoff_hz=30.0, leak_hz=0.1, shot_hz=5.0, refractory=0.0)
"""Little light: slow pixels that make noise."""
IDEAL = replace(CLEAN, sigma=0.0)
"""Pixels that are all alike."""
PIXELS = {"clean": CLEAN, "typical": TYPICAL, "noisy": NOISY, "ideal": IDEAL}


def lin_log(luma: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s"]:
    """Log intensity of luma 0 to 255: linear up to 20, then the natural logarithm, continuous; to 8 decimals."""
    luma = np.asarray(luma, np.float64)
    slope = math.log(LINEAR_BELOW) / LINEAR_BELOW
    return np.round(np.where(luma <= LINEAR_BELOW, luma * slope, np.log(np.maximum(luma, LINEAR_BELOW))), 8)


def noise_rms(shot_hz: float, cutoff_hz: float, threshold: float) -> float:
    """RMS of the noise on L, after the low-pass, that makes `shot_hz` events at this threshold: v2e's fit."""
    x = math.log10(shot_hz / cutoff_hz / 2)
    return threshold / 10 ** (-0.0026 * x**3 - 0.036 * x**2 - 0.1949 * x + 0.321)


class EventCamera:
    """Turns frames of luma into events, one frame after the other. The first frame only sets the pixels."""

    def __init__(self, pixel: Pixel = TYPICAL, rng: np.random.Generator | None = None) -> None:
        """rng: what the pixels' differences and noise are drawn from; may be left out where `pixel` has neither."""
        drawn = (
            pixel.sigma > 0 or pixel.shot_hz > 0 or (pixel.leak_hz > 0 and pixel.leak_jitter + pixel.leak_spread > 0)
        )
        if rng is None and drawn:
            raise PalmarError("EventCamera: these pixels differ or make noise; give the generator to draw it from.")
        self.pixel = pixel
        self._rng = np.random.default_rng(0) if rng is None else rng  # then only the order within one time is drawn
        self._time: float | None = None

    def frame(self, luma: Float[np.ndarray, "h w"], time: float) -> Events:
        """Events since the last frame. luma: 0 to 255 at `time` in seconds.

        Raises PalmarError for another size than the first frame's, for a time that is not later than the last, and for
        luma that is negative or not finite.
        """
        luma = np.asarray(luma, np.float64)
        if luma.ndim != 2 or not np.isfinite(luma).all() or (luma.size and luma.min() < 0):
            raise PalmarError(f"EventCamera.frame: expected finite luma of 0 or more, [h, w], got shape {luma.shape}.")
        if self._time is None:
            self._begin(luma, time)
            return Events.none(*luma.shape)
        if luma.shape != self.level.shape:
            raise PalmarError(f"EventCamera.frame: the first frame was {self.level.shape}, this one is {luma.shape}.")
        dt = time - self._time
        if not dt > 0:
            raise PalmarError(
                f"EventCamera.frame: frames must come later and later, got {time} s after {self._time} s."
            )
        return self._step(luma, time, dt)

    @property
    def memory(self) -> Float[np.ndarray, "h w"]:
        """M, the level from which each pixel counts."""
        return self._memory

    def _begin(self, luma: np.ndarray, time: float) -> None:
        p, rng, shape = self.pixel, self._rng, luma.shape
        self.level = lin_log(luma)  # L
        self._memory = self.level.copy()
        self.on, self.off = np.full(shape, p.on), np.full(shape, p.off)
        if p.sigma > 0:
            self.on = np.maximum(rng.normal(p.on, p.sigma, shape), 0.01)
            self.off = np.maximum(rng.normal(p.off, p.sigma, shape), 0.01)
        spread = rng.standard_normal(shape) * p.leak_spread if p.leak_hz > 0 and p.leak_spread > 0 else np.zeros(shape)
        self._leak = 10.0**spread
        self._last = np.full(shape, -p.refractory)
        self._noise = np.zeros(shape)
        self._time = time

    def _step(self, luma: np.ndarray, time: float, dt: float) -> Events:
        p, rng = self.pixel, self._rng
        assert self._time is not None
        bright = (luma + 20.0) / 275.0
        before, goal, rate = self.level, lin_log(luma), 2 * math.pi * p.cutoff_hz
        if p.cutoff_hz > 0:
            share = np.minimum(bright * dt * rate, 1.0)
            self.level = (1 - share) * before + share * goal
        else:
            self.level = goal
        if p.leak_hz > 0:
            jitter = 1 - p.leak_jitter * rng.standard_normal(luma.shape) if p.leak_jitter > 0 else 1.0
            self._memory = self._memory - dt * p.leak_hz * self._leak * jitter * self.on

        difference = self.level - self._memory
        if p.photoreceptor_noise:
            share = min(dt * rate, 1.0)
            rms = noise_rms(p.shot_hz, p.cutoff_hz, min(p.on, p.off))
            white = rng.standard_normal(luma.shape) * rms * math.sqrt((2 - share) / share)
            self._noise = (1 - share) * self._noise + share * white
            difference = difference + self._noise
        rising = np.floor(np.maximum(difference, 0.0) / self.on).astype(np.int64)
        falling = np.floor(np.maximum(-difference, 0.0) / self.off).astype(np.int64)
        events, kept = self._fire(rising, falling, before, dt)

        noise = np.zeros(luma.shape, np.int8)
        if p.shot_hz > 0 and not p.photoreceptor_noise:
            chance = p.shot_hz / 2 * dt * ((0.25 - 1) * bright + 1)
            u = rng.random(luma.shape)
            noise = (u > 1 - chance * p.on / self.on).astype(np.int8) - (u < chance * p.off / self.off).astype(np.int8)
        sign = np.where(rising > 0, 1, -1)
        self._memory = self._memory + kept * sign * np.where(sign > 0, self.on, self.off)
        y, x = np.nonzero(noise)
        if len(y):
            self._memory[y, x] = self.level[y, x]
            stamp = np.full(len(y), round(time * 1e6), np.int64)
            height, width = luma.shape
            made = Events(
                stamp, x.astype(np.int16), y.astype(np.int16), noise[y, x], np.ones(len(y), bool), width, height
            )
            events = Events.concatenate([events, made])
        self._time = time
        return events

    def _fire(
        self, rising: Int64[np.ndarray, "h w"], falling: Int64[np.ndarray, "h w"], before: np.ndarray, dt: float
    ) -> tuple[Events, Int64[np.ndarray, "h w"]]:
        """The signal events of one interval in order of time, and how many of each pixel's were let through."""
        height, width = rising.shape
        counts = (rising + falling).reshape(-1)
        start, most = self._time, max(int(counts.max(initial=0)), 1)
        assert start is not None
        fired = np.flatnonzero(counts)
        if not len(fired):
            return Events.none(height, width), np.zeros((height, width), np.int64)
        pixel = np.repeat(fired, counts[fired])
        first = np.cumsum(counts[fired]) - counts[fired]
        number = np.arange(len(pixel)) - np.repeat(first, counts[fired]) + 1  # 1, 2, ... within each pixel
        sign = np.where(rising.reshape(-1)[pixel] > 0, 1, -1)
        if self.pixel.timing == "early":
            times = start + number * (dt / most)
            step = dt / most
        else:
            th = np.where(sign > 0, self.on.reshape(-1)[pixel], self.off.reshape(-1)[pixel])
            low, change = before.reshape(-1)[pixel], (self.level - before).reshape(-1)[pixel]
            with np.errstate(all="ignore"):
                share = (self._memory.reshape(-1)[pixel] + sign * number * th - low) / change
            # Leak and noise cross thresholds too; what the line never reaches fires at the end.
            share = np.where(np.isfinite(share) & (share <= 1.0), np.maximum(share, 0.0), 1.0)
            times, step = start + share * dt, 0.0
        keep = np.ones(len(pixel), bool)
        if self.pixel.refractory > step:
            keep = self._rest(pixel, number, times)
        order = np.lexsort((self._rng.random(len(pixel)), times))
        order = order[keep[order]]
        kept = np.bincount(pixel[keep], minlength=height * width).reshape(height, width)
        at = pixel[order]
        events = Events(
            np.rint(times[order] * 1e6).astype(np.int64),
            (at % width).astype(np.int16),
            (at // width).astype(np.int16),
            sign[order].astype(np.int8),
            np.zeros(len(at), bool),
            width,
            height,
        )
        return events, kept

    def _rest(self, pixel: np.ndarray, number: np.ndarray, times: np.ndarray) -> Bool[np.ndarray, " e"]:
        """Which events come later than the refractory time after the pixel's last one. As in v2e the last times are
        kept only in intervals whose own steps are shorter than the refractory time, for else nothing is dropped."""
        keep = np.zeros(len(pixel), bool)
        last = self._last.reshape(-1)
        for k in range(1, int(number.max()) + 1):
            rows = np.flatnonzero(number == k)
            free = times[rows] - last[pixel[rows]] > self.pixel.refractory
            keep[rows[free]] = True
            last[pixel[rows[free]]] = times[rows[free]]
        self._last = last.reshape(self._last.shape)
        return keep


# ------------------------------------------------------------------------------------------------------ from a scene


def luma(linear: Float32[np.ndarray, "h w 3"], gain: float = 1.0) -> Float[np.ndarray, "h w"]:
    """Luma 0 to 255 of linear light whose white is 1. It stays linear: the pixel itself takes the logarithm. Light
    above 255 is let through to 2550: an event camera has no white."""
    return np.clip((linear @ _LUMA).astype(np.float64) * (255.0 * gain), 0.0, 2550.0)


def interpolated(scene: Scene, rate_hz: float) -> Scene:
    """The scene with its surfaces moving in straight lines between moments at this rate.

    Asking a scene for a moment may cost more than drawing it. At 200 Hz a hand's surface is then within some ten
    micrometres of its place. Truth about hands and things is that of the moment before.
    """
    kept: dict[int, Moment] = {}

    def key(number: int) -> Moment:
        if number not in kept:
            if len(kept) > 4:
                kept.clear()
            kept[number] = scene.at(number / rate_hz)
        return kept[number]

    def at(time: float) -> Moment:
        number = math.floor(time * rate_hz + 1e-9)
        share = np.float32(time * rate_hz - number)
        first = key(number)
        if share <= 1e-6:
            return replace(first, time=time)
        pieces = []
        for one, two in zip(first.pieces, key(number + 1).pieces, strict=True):
            moved = one.mesh.vertices + share * (two.mesh.vertices - one.mesh.vertices)
            pieces.append(replace(one, mesh=replace(one.mesh, vertices=moved, normals=None)))
        return replace(first, time=time, pieces=tuple(pieces))

    return replace(scene, at=at)


def frames(
    scene: Scene,
    view: View,
    start: float,
    seconds: float,
    rate_hz: float,
    *,
    gain: float = 1.0,
    moments_hz: float = 200.0,
) -> Iterator[tuple[Float[np.ndarray, "h w"], float]]:
    """Luma and time of a scene, round(seconds * rate_hz) + 1 frames. Moments are asked for at `moments_hz`."""
    smooth = interpolated(scene, moments_hz) if moments_hz < rate_hz else scene
    for k in range(round(seconds * rate_hz) + 1):
        time = start + k / rate_hz
        yield luma(rgb.linear(smooth, view, time), gain), time


def record(
    scene: Scene,
    view: View,
    start: float,
    seconds: float,
    rng: np.random.Generator,
    *,
    pixel: Pixel = TYPICAL,
    rate_hz: float = 1000.0,
    gain: float = 1.0,
    moments_hz: float = 200.0,
) -> Events:
    """What an event camera with the view's lens and number of pixels sees of a scene, from `start` (seconds) on.

    rate_hz: of the frames behind it; an edge should move less than a pixel between two. gain: light on the sensor; 1
    brings the display's white to luma 255, a dark scene is 0.05 to 0.2 with `NOISY` pixels.
    """
    camera = EventCamera(pixel, rng)
    parts = [camera.frame(light, time) for light, time in frames(
        scene, view, start, seconds, rate_hz, gain=gain, moments_hz=moments_hz
    )]  # fmt: skip
    return Events.concatenate(parts)


def smaller(view: View, longer: int) -> View:
    """The view with fewer pixels: at most this many along the longer side."""
    share = longer / max(view.camera.width, view.camera.height)
    if share >= 1:
        return view
    size = (max(round(view.camera.width * share), 1), max(round(view.camera.height * share), 1))
    return replace(view, camera=view.camera.resized(*size))


# ---------------------------------------------------------------------------------------------------------- encoders


def voxel_grid(events: Events, start_us: float, end_us: float, bins: int = 5) -> Float32[np.ndarray, "b h w"]:
    """Signed sums in `bins` layers of time; each event is shared by the two layers its time lies between.

    Layer 0 is at start_us, the last at end_us; events outside are left out. Zhu et al. 2019, eq. 1 and 2.
    Raises PalmarError for fewer than two bins or an empty span.
    """
    if bins < 2 or not end_us > start_us:
        raise PalmarError(f"voxel_grid: expected 2 bins or more and end > start, got {bins}, {start_us}, {end_us}.")
    out = np.zeros((bins, events.height, events.width), np.float64)
    place = (events.time_us - start_us) / (end_us - start_us) * (bins - 1)
    on = (place >= 0) & (place <= bins - 1)
    place, x, y, p = place[on], events.x[on], events.y[on], events.polarity[on].astype(np.float64)
    low = np.minimum(np.floor(place).astype(np.int64), bins - 2)
    np.add.at(out, (low, y, x), p * (1 - (place - low)))
    np.add.at(out, (low + 1, y, x), p * (place - low))
    return out.astype(np.float32)


def count_image(events: Events) -> Int32[np.ndarray, "2 h w"]:
    """How many ON (layer 0) and OFF events (layer 1) each pixel has."""
    out = np.zeros((2, events.height, events.width), np.int32)
    np.add.at(out, ((events.polarity < 0).astype(np.int64), events.y, events.x), 1)
    return out


def time_surface(events: Events, at_us: float, tau_us: float = 30_000.0) -> Float32[np.ndarray, "2 h w"]:
    """exp(-(at - t) / tau) of each pixel's last ON and last OFF event until `at_us`; 0 where there was none."""
    last = np.full((2, events.height, events.width), -np.inf)
    on = events.time_us <= at_us
    layer = (events.polarity[on] < 0).astype(np.int64)
    np.maximum.at(last, (layer, events.y[on], events.x[on]), events.time_us[on].astype(np.float64))
    return np.exp((last - at_us) / tau_us).astype(np.float32)


def windows_of_count(events: Events, count: int) -> list[Events]:
    """Consecutive windows of `count` events; a rest of fewer is left out."""
    if count < 1:
        raise PalmarError(f"windows_of_count: count must be 1 or more, got {count}.")
    return [events[slice(k, k + count)] for k in range(0, len(events) - count + 1, count)]


def windows_of_area(events: Events, count: int, cell: int = 32) -> list[Events]:
    """Consecutive windows that each close when some cell of cell x cell pixels has collected `count` events: busy
    scenes get short ones (Liu and Delbruck 2018). A rest is left out."""
    if count < 1 or cell < 1:
        raise PalmarError(f"windows_of_area: count and cell must be 1 or more, got {count} and {cell}.")
    columns = -(-events.width // cell)
    owner = (events.y.astype(np.int64) // cell) * columns + events.x // cell
    out, first = [], 0
    tally = np.zeros(columns * -(-events.height // cell), np.int64)
    for k, area in enumerate(owner.tolist()):
        tally[area] += 1
        if tally[area] == count:
            out.append(events[slice(first, k + 1)])
            first = k + 1
            tally[:] = 0
    return out


def picture(events: Events) -> UInt8[np.ndarray, "h w 3"]:
    """Red where more ON, blue where more OFF events, white where none."""
    on, off = count_image(events).astype(np.float64)
    strength = np.clip((on - off) / 2.0, -1.0, 1.0)
    out = np.ones((events.height, events.width, 3))
    out[..., 0] += np.minimum(strength, 0)
    out[..., 1] -= np.abs(strength)
    out[..., 2] -= np.maximum(strength, 0)
    quiet = (strength == 0) & (on + off > 0)
    out[quiet] = 0.6
    return (255 * out).astype(np.uint8)
