"""Depth cameras as they are: structured light and time of flight, from what causes their faults.

Both give metres along the optical axis, and 0 where the camera has no reading, as their drivers do; exact depth
(`geometry.depth`) has inf where nothing is.

**Structured light** (`structured_light`; first Kinect, PrimeSense). A projector beside the camera throws a pattern, and
a window around each pixel is found in it. So: shadows where the projector does not reach (a second rasterisation from
there), disparity in steps, holes where the window is torn by an outline or hardly lit, ragged outlines. Axial noise and
lateral noise are the fits of Nguyen, Izadi and Lovell (3DIMPVT 2012): with z in metres and t the angle between ray and
normal,
    sigma_z = 0.0012 + 0.0019 (z - 0.4)^2 + 0.0001 / sqrt(z) t^2 / (pi/2 - t)^2   metres (the last term from 60 degrees)
    sigma_L = 0.8 + 0.035 t / (pi/2 - t)                                          pixels of 640
Disparity in eighths of a pixel: Konolige and Mihelich's calibration notes; Khoshelham and Elberink (Sensors 2012).

**Time of flight** (`time_of_flight`; second Kinect and the like). Each pixel measures the phase of light that it sent.
It is a sum: of all surfaces within the pixel (flying pixels at outlines come of that), and of light that came by way of
other surfaces (hollows read too far). Light received falls with distance squared, slope and reflectance; its shot noise
makes range noise grow as sqrt(A + B) / A, A signal and B ambient (Lange and Seitz, IEEE JQE 2001), which meets the
1.3 mm at 1 m and some 4 mm at 4 m that Fankhauser et al. (ICAR 2015) measured on a Kinect v2. A coarse second frequency
tells the periods apart. Where too little comes back there is no reading. A modulation that is no pure sine adds the
"wiggling" error, periodic in distance (Lindner et al., CVIU 2010).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Complex, Float, Float32, Int

from palmar.errors import PalmarError
from palmar.render.kernel import kernel
from palmar.synth.sense.flow import hides
from palmar.synth.sense.geometry import Surface, normals, rays, surface
from palmar.synth.world import Kind, Shot, moved

LIGHT = 299_792_458.0
"""Metres per second."""


def infrared(shot: Shot) -> Float[np.ndarray, " v"]:
    """Reflectance at 850 nm of every vertex, from its colour: guesswork but for skin, which reflects 0.5 to 0.65 there
    whatever its tone (melanin hardly absorbs any more), and cloth, whose dyes mostly let it through."""
    mean = shot.mesh.albedo.astype(np.float64).mean(1)
    kinds = _kinds(shot)
    out = np.clip(mean, 0.02, 0.95)
    out = np.where(kinds == Kind.CLOTH, 0.35 + 0.5 * out, out)
    return np.where(np.isin(kinds, (Kind.HAND, Kind.ARM)), 0.5 + 0.2 * out, out)


def _kinds(shot: Shot) -> Int[np.ndarray, " v"]:
    """`Kind` of every vertex."""
    owner = np.repeat(np.arange(len(shot.moment.pieces)), np.diff(shot.first_vertex))
    return np.array([int(piece.kind) for piece in shot.moment.pieces])[owner]


@dataclass(frozen=True, eq=False)
class _Lit:
    """A surface as a lamp at the camera sees it; flat arrays over the N pixels that see any."""

    seen: Surface
    at: Bool[np.ndarray, "h w"]
    points: Float[np.ndarray, "n 3"]
    normals: Float[np.ndarray, "n 3"]
    reach: Float[np.ndarray, " n"]
    """Distance from the camera."""
    cosine: Float[np.ndarray, " n"]
    """Of the angle between ray and normal."""
    reflectance: Float[np.ndarray, " n"]

    @staticmethod
    def of(shot: Shot) -> _Lit:
        seen = surface(shot)
        at = seen.face >= 0
        points, n = seen.points[at], normals(shot, seen, flat=True)[at].astype(np.float64)
        reach = np.linalg.norm(points, axis=1)
        cosine = np.clip(-np.einsum("nc,nc->n", points, n) / np.maximum(reach, 1e-9), 0.0, 1.0)
        dull = infrared(shot)[shot.mesh.faces[seen.face[at]]]
        return _Lit(seen, at, points, n, reach, cosine, np.einsum("nk,nk->n", dull, seen.weights[at]))


# --------------------------------------------------------------------------------------------------- structured light


@dataclass(frozen=True)
class StructuredLight:
    """A camera with a pattern projector. The defaults are the first Kinect's."""

    baseline: float = 0.075
    """Metres from camera to projector, towards +x of the camera; negative for one on the left."""
    focal: float = 580.0
    """Pixels; disparity is focal * baseline / z whatever the size of the view's picture."""
    steps: float = 8.0
    """Steps of disparity per pixel."""
    near: float = 0.5
    """Metres."""
    far: float = 4.5
    window: int = 9
    """Pixels (of 640) that are matched together."""
    least_light: float = 0.012
    """Reflectance times cosine over squared distance below which nothing is matched."""
    axial: float = 1.0
    lateral: float = 1.0
    """Scale of the two noises; 0 is none."""
    torn: float = 0.5
    """Share of pixels on an outline that find no match."""

    def __post_init__(self) -> None:
        if not (self.focal > 0 and self.steps > 0 and 0 < self.near < self.far) or self.baseline == 0:
            raise PalmarError(
                "StructuredLight: expected focal, steps > 0, 0 < near < far and a baseline that is not 0."
            )


KINECT = StructuredLight()
CLOSE = StructuredLight(baseline=0.025, steps=24.0, near=0.15, far=1.5)
"""For hands at arm's length and on a head: a short baseline, as close-range cameras of this kind have, and finer steps,
so that depth is as good as the first Kinect's."""


def axial_sigma(z: Float[np.ndarray, "*n"], angle: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Standard deviation in metres at depth z and angle (radians) between ray and normal: Nguyen et al. 2012."""
    angle = np.minimum(angle, np.radians(85.0))
    steep = 0.0001 / np.sqrt(z) * angle**2 / (np.pi / 2 - angle) ** 2
    return 0.0012 + 0.0019 * (z - 0.4) ** 2 + np.where(angle > np.radians(60.0), steep, 0.0)


def lateral_sigma(angle: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Standard deviation of an outline's place, pixels of 640: Nguyen et al. 2012."""
    angle = np.minimum(angle, np.radians(85.0))
    return 0.8 + 0.035 * angle / (np.pi / 2 - angle)


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> Float[np.ndarray, "h w"]:
    """Normal with SD 1, alike over about `sigma` pixels."""
    white = rng.standard_normal(shape)
    if sigma < 0.3:
        return white
    size = 2 * int(np.ceil(3 * sigma)) + 1
    line = cv2.getGaussianKernel(size, sigma)
    return cv2.sepFilter2D(white, -1, line, line, borderType=cv2.BORDER_REFLECT_101) / float((line**2).sum())


def shadow(shot: Shot, baseline: float, seen: Surface | None = None) -> Bool[np.ndarray, "h w"]:
    """Which pixels see what a projector `baseline` metres to the right (camera's +x) does not reach."""
    seen = surface(shot) if seen is None else seen
    shift = np.array([-baseline, 0.0, 0.0])
    mesh = moved(shot.mesh, np.eye(3), shift)
    there = replace(shot, mesh=mesh, pixels=shot.camera.project(mesh.vertices))
    out = np.zeros(seen.face.shape, bool)
    at = seen.face >= 0
    points, face = seen.points[at] + shift, seen.face[at]
    pixels = shot.camera.project(points)
    on = there.camera.inside(pixels)
    dark = np.zeros(len(points), bool)
    dark[on] = hides(there, pixels[on], points[on], face[on])
    out[at] = dark
    return out


def structured_light(
    shot: Shot, rng: np.random.Generator, settings: StructuredLight | None = None
) -> Float32[np.ndarray, "h w"]:
    """The depth that a structured-light camera in the view's place reads, metres; 0 for no reading.

    settings: where not given, `CLOSE` if a hand (or, where there are none, anything) is nearer than 0.7 m, else
    `KINECT`.
    """
    lit = _Lit.of(shot)
    places = shot.mesh.vertices[:, 2][np.isin(_kinds(shot), (Kind.HAND,))] if shot.moment.hands else lit.points[:, 2]
    s = (CLOSE if places.min(initial=np.inf) < 0.7 else KINECT) if settings is None else settings
    shape = lit.at.shape
    scale = shot.camera.fx / s.focal  # pixels here per pixel of 640
    z = np.full(shape, np.inf)
    z[lit.at] = lit.points[:, 2]
    angle = np.zeros(shape)
    angle[lit.at] = np.arccos(lit.cosine)
    light = np.zeros(shape)
    light[lit.at] = lit.reflectance * lit.cosine / lit.reach**2
    reached = lit.at & ~shadow(shot, s.baseline, lit.seen) & (light > s.least_light)
    # A window that is mostly dark is not found in the pattern.
    window = max(round(s.window * scale), 1)
    reached &= cv2.boxFilter(reached.astype(np.float32), -1, (window, window)) > 0.45

    # Outlines are ragged: a pixel near one may read the other side of it.
    spread = lateral_sigma(angle) * s.lateral * scale
    dx, dy = (_smooth_noise(rng, shape, 1.0 * scale) * spread for _ in range(2))
    y, x = np.mgrid[: shape[0], : shape[1]]
    column = np.clip(np.rint(x + dx), 0, shape[1] - 1).astype(np.int64)
    row = np.clip(np.rint(y + dy), 0, shape[0] - 1).astype(np.int64)
    with np.errstate(invalid="ignore"):
        across = ~(np.abs(z[row, column] - z) < 0.03 * z)  # the same surface is jittered by the axial noise already
    z, angle = np.where(across, z[row, column], z), np.where(across, angle[row, column], angle)
    reached = np.where(across, reached[row, column], reached) & np.isfinite(z)

    finite = np.where(np.isfinite(z), z, s.far * 4).astype(np.float32)
    ring = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    with np.errstate(invalid="ignore"):
        outline = cv2.dilate(finite, ring) - cv2.erode(finite, ring) > 0.03 * finite + 2 * np.tan(
            np.minimum(angle, 1.4)
        ) * finite / max(shot.camera.fx, 1.0)
    torn = _smooth_noise(rng, shape, 0.7 * scale) < _normal_quantile(s.torn)
    reached &= ~(outline & torn)

    safe = np.where(reached, z, 1.0)
    step = safe**2 / (s.steps * s.focal * s.baseline)  # metres per step of disparity
    sigma = axial_sigma(safe, angle)
    sigma = np.sqrt(np.maximum(sigma**2 - step**2 / 12, 0.0))  # the fit holds the steps' own noise already
    disparity = s.focal * s.baseline / safe
    disparity = disparity * (1 + s.axial * sigma / safe * _smooth_noise(rng, shape, 0.8 * scale))
    disparity = np.rint(disparity * s.steps) / s.steps
    with np.errstate(divide="ignore"):
        read = s.focal * s.baseline / disparity
    return np.where(reached & (read > s.near) & (read < s.far), read, 0.0).astype(np.float32)


def _normal_quantile(share: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(min(max(share, 1e-9), 1 - 1e-9)))


# ------------------------------------------------------------------------------------------------------ time of flight


@dataclass(frozen=True)
class TimeOfFlight:
    """A camera that measures the phase of modulated light at two frequencies. A signal of 1 is what a white surface
    sends back that faces the camera at 1 m."""

    frequency: float = 80e6
    """Hertz; the one that range is read from, every 1.87 m anew."""
    coarse: float = 16e6
    """Tells which period it is; itself good for 9.4 m."""
    noise: float = 0.0035
    """Of each part of the phasor, times sqrt(signal + ambient)."""
    ambient: float = 0.05
    least_signal: float = 0.008
    most_signal: float = 40.0
    """Above this the pixel is saturated."""
    disagree: float = 0.25
    """Metres by which the two frequencies may differ."""
    near: float = 0.15
    far: float = 6.0
    wiggle: float = 0.0015
    """Metres."""
    bounces: float = 1.0
    """Scale of the light that comes by way of other surfaces; 0 is none."""
    samples: int = 2
    """Per pixel and direction, for what surfaces share a pixel."""
    stray: float = 0.45
    """Sigma in pixels by which the lens smears the signal."""

    def __post_init__(self) -> None:
        if not (self.frequency > self.coarse > 0 and 0 <= self.near < self.far and self.samples >= 1):
            raise PalmarError(
                "TimeOfFlight: expected frequency > coarse > 0, 0 <= near < far and samples of 1 or more."
            )


@kernel()
def _gather(points, facing, reach, sources, source_facing, source_reach, sent, area, waves, out):
    """Light that reaches points by way of source patches, as phasors against each point's own direct way.

    out [n, f] complex: sum over patches of sent * cos * cos * area / (pi d^2) at the phase of the detour.
    """
    for i in range(len(points)):
        for j in range(len(sources)):
            dx = points[i, 0] - sources[j, 0]
            dy = points[i, 1] - sources[j, 1]
            dz = points[i, 2] - sources[j, 2]
            d2 = dx * dx + dy * dy + dz * dz
            if d2 < 1e-10:
                continue
            d = np.sqrt(d2)
            leaving = (dx * source_facing[j, 0] + dy * source_facing[j, 1] + dz * source_facing[j, 2]) / d
            coming = -(dx * facing[i, 0] + dy * facing[i, 1] + dz * facing[i, 2]) / d
            if leaving <= 0.0 or coming <= 0.0:
                continue
            got = sent[j] * leaving * coming * area[j] / (np.pi * d2 + area[j])
            detour = source_reach[j] + d - reach[i]
            for k in range(len(waves)):
                phase = waves[k] * detour
                out[i, k] += got * (np.cos(phase) + 1j * np.sin(phase))


def indirect(shot: Shot, lit: _Lit, waves: Float[np.ndarray, " f"]) -> Complex[np.ndarray, "h w f"]:
    """What one bounce off everything in view adds to each pixel, before its own reflectance, as a phasor against the
    direct way. waves: radians per metre. Patches do not hide each other.

    Computed for a picture of at most 72 pixels along the longer side, from patches of at most 28, and spread to all
    pixels by distance in depth.
    """
    height, width = lit.at.shape
    full = np.zeros((height, width, len(waves)), complex)
    number = np.full((height, width), -1)
    number[lit.at] = np.arange(len(lit.points))

    def spaced(count: int) -> tuple[np.ndarray, np.ndarray, int]:
        step = max(-(-max(height, width) // count), 1)
        rows, columns = np.arange(step // 2, height, step), np.arange(step // 2, width, step)
        return rows, columns, step

    rows, columns, step = spaced(28)
    source = number[np.ix_(rows, columns)].reshape(-1)
    source = source[source >= 0]
    camera = shot.camera
    pixel = lit.points[source, 2] ** 2 / (camera.fx * camera.fy) * step**2  # of a patch that faces the camera
    area = pixel / np.maximum(lit.cosine[source], 0.15)
    sent = lit.reflectance[source] * lit.cosine[source] / lit.reach[source] ** 2
    rows, columns, step = spaced(72)
    grid = number[np.ix_(rows, columns)]
    target = grid[grid >= 0]
    found = np.zeros((len(target), len(waves)), complex)
    _gather(
        lit.points[target], lit.normals[target], lit.reach[target], lit.points[source], lit.normals[source],
        lit.reach[source], sent, area, np.asarray(waves, np.float64), found,
    )  # fmt: skip
    coarse = np.zeros((*grid.shape, len(waves)), complex)
    coarse[grid >= 0] = found
    reach = np.full(grid.shape, np.inf)
    reach[grid >= 0] = lit.reach[target]

    y, x = np.nonzero(lit.at)
    spread = np.zeros((len(y), len(waves)), complex)
    _spread((y - rows[0]) / step, (x - columns[0]) / step, lit.reach, coarse, reach, spread)
    full[lit.at] = spread
    return full


@kernel()
def _spread(v, u, reach, coarse, coarse_reach, out):
    """Values of a coarse grid at finer places: bilinear, and less from what is not at the same distance."""
    height, width = coarse_reach.shape
    for i in range(len(v)):
        weight = 1e-12
        row, column = int(np.floor(v[i])), int(np.floor(u[i]))
        for k in range(4):
            r, c = min(max(row + k // 2, 0), height - 1), min(max(column + k % 2, 0), width - 1)
            if not np.isfinite(coarse_reach[r, c]):
                continue
            down = min(max(v[i], 0.0), height - 1.0) - r
            right = min(max(u[i], 0.0), width - 1.0) - c
            apart = (coarse_reach[r, c] - reach[i]) / (0.02 * reach[i])
            w = (max(1.0 - abs(down), 0.0) * max(1.0 - abs(right), 0.0) + 1e-3) * np.exp(-apart * apart)
            weight += w
            for n in range(out.shape[1]):
                out[i, n] += w * coarse[r, c, n]
        for n in range(out.shape[1]):
            out[i, n] /= weight


def _finer(shot: Shot, samples: int) -> Shot:
    """The shot with more pixels of the same picture."""
    if samples == 1:
        return shot
    camera = shot.camera.resized(shot.camera.width * samples, shot.camera.height * samples)
    return replace(shot, camera=camera, pixels=(shot.pixels + 0.5) * samples - 0.5)


def time_of_flight(
    shot: Shot, rng: np.random.Generator, settings: TimeOfFlight | None = None
) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"]]:
    """The depth that a time-of-flight camera in the view's place reads (metres; 0 for no reading), and its picture of
    the light that came back (1: a white surface that faces it at 1 m)."""
    s = TimeOfFlight() if settings is None else settings
    waves = 4 * np.pi * np.array([s.frequency, s.coarse]) / LIGHT  # radians per metre of range
    fine = _finer(shot, s.samples)
    lit = _Lit.of(fine)
    height, width = shot.camera.height, shot.camera.width
    signals = np.zeros((*lit.at.shape, 4))  # both frequencies' real parts, then the imaginary ones
    direct = lit.reflectance * lit.cosine / lit.reach**2
    turn = np.exp(1j * lit.reach[:, None] * waves)
    bounced = np.zeros((len(direct), 2), complex)
    if s.bounces > 0:
        # A detour counts once, the direct way there and back: half the radians per metre.
        bounced = s.bounces * lit.reflectance[:, None] * indirect(fine, lit, waves / 2)[lit.at]
    sums = turn * (direct[:, None] + bounced)
    signals[lit.at] = np.concatenate([np.real(sums), np.imag(sums)], 1)
    parts = signals.reshape(height, s.samples, width, s.samples, 4).mean((1, 3))
    if s.stray > 0:
        parts = cv2.GaussianBlur(parts, (0, 0), s.stray, borderType=cv2.BORDER_REFLECT_101)
    signal = np.hypot(parts[..., 0], parts[..., 2])
    grain = s.noise * np.sqrt(signal + s.ambient)
    parts = parts + grain[..., None] * rng.standard_normal(parts.shape)
    phasor = parts[..., :2] + 1j * parts[..., 2:]

    range_fine, range_coarse = np.moveaxis(np.mod(np.angle(phasor), 2 * np.pi) / waves, -1, 0)
    period = 2 * np.pi / waves[0]
    # The coarse one has a period too: near 0 it may come back at its end.
    turns = np.rint((range_coarse - range_fine) / period)
    read = range_fine + turns * period
    agree = np.abs(range_coarse - read) < s.disagree
    read = read + s.wiggle * np.sin(4 * np.angle(phasor[..., 0]))
    strength = np.abs(phasor[..., 0])
    good = agree & (strength > s.least_signal) & (strength < s.most_signal) & (read > s.near) & (read < s.far)
    stretch = np.linalg.norm(rays(shot.camera), axis=-1)
    with np.errstate(invalid="ignore"):
        z = np.where(good & np.isfinite(stretch), read / stretch, 0.0)
    return z.astype(np.float32), strength.astype(np.float32)
