"""What lies behind the hands: procedural canvases and free photographs, mixed anew for every sample.

A pool of canvases, photographs and figures is made once from a seed, in a second or two, when first used. Each sample
then takes random crops of it, turned, mirrored, blended, with people and things laid over them and their colours moved.
That costs under a millisecond at 128 pixels and hardly ever gives the same picture twice.
"""

from __future__ import annotations

import functools
import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from palmar.errors import PalmarError
from palmar.synth.canvas import SCENES, TEXTURES, fbm
from palmar.synth.draws import Draws
from palmar.synth.figure import SKIN_FIGURES, bust, thing
from palmar.synth.sensor import srgb_to_linear


@dataclass(frozen=True)
class Photograph:
    """A photograph in a Python package, and the right by which it is used."""

    name: str
    """File name in the package's data."""
    package: str
    spdx: str
    """Licence of the picture itself; LicenseRef-PublicDomain where its author gave it to the public."""
    source: str
    keep: tuple[int, int, int, int] | None = None
    """Rows and columns used (top, bottom, left, right); None is all. Cuts away hands, gloves and frames."""
    extra: str = "torch"
    """The extra of palmar that installs the package."""


def _skimage(name: str, spdx: str, source: str, keep: tuple[int, int, int, int] | None = None) -> Photograph:
    return Photograph(name, "scikit-image", spdx, source, keep)


PHOTOGRAPHS: tuple[Photograph, ...] = (
    _skimage(
        "astronaut.png", "LicenseRef-PublicDomain", "NASA Great Images, https://flic.kr/p/r9qvLn", (0, 440, 0, 512)
    ),
    _skimage("brick.png", "CC0-1.0", "https://cc0textures.com/view.php?tex=Bricks25"),
    _skimage("camera.png", "CC0-1.0", "photograph by Lav Varshney", (266, 512, 150, 512)),
    _skimage("chelsea.png", "CC0-1.0", "photograph by Stefan van der Walt"),
    _skimage("clock_motion.png", "LicenseRef-PublicDomain", "photograph by Stefan van der Walt"),
    _skimage("coffee.png", "CC0-1.0", "photograph by Rachel Michetti, Pikolo Espresso Bar"),
    _skimage("grass.png", "CC0-1.0", "https://www.deviantart.com/linolafett/art/Grass-01-434853879"),
    _skimage("gravel.png", "CC0-1.0", "https://cc0textures.com/view.php?tex=Gravel04"),
    _skimage("retina.jpg", "CC0-1.0", "Mikael Häggström, WikiJournal of Medicine 1 (2) 2014", (250, 1160, 250, 1160)),
    _skimage("rocket.jpg", "LicenseRef-PublicDomain", "https://www.flickr.com/photos/spacexphotos/16511594820"),
    _skimage("text.png", "LicenseRef-PublicDomain", "https://en.wikipedia.org/wiki/File:Corner.png"),
)
"""Every photograph that backgrounds are made of. Each was looked at: no hand is in the parts kept."""

_FOLDERS = {"scikit-image": ("skimage", "data")}
_SKIN_SHARE = 0.5
_MASK_SIZE = 128


def load_photograph(photograph: Photograph) -> UInt8[np.ndarray, "h w 3"]:
    """The kept part, RGB. Raises PalmarError where the package or the file is missing."""
    module, *folder = _FOLDERS[photograph.package]
    found = importlib.util.find_spec(module)  # finding is enough; importing it would take a second
    if found is None or not found.submodule_search_locations:
        raise PalmarError(
            f"backgrounds need pictures of the Python package {photograph.package!r}: install palmar with the "
            f"[{photograph.extra}] extra, pip install 'palmar[{photograph.extra}]'."
        )
    path = Path(found.submodule_search_locations[0], *folder, photograph.name)
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise PalmarError(
            f"{path}: no readable picture. Install {photograph.package} again, or an older version of it."
        )
    top, bottom, left, right = photograph.keep or (0, image.shape[0], 0, image.shape[1])
    return cv2.cvtColor(image[top:bottom, left:right], cv2.COLOR_BGR2RGB)


@dataclass(frozen=True, eq=False)
class _Plate:
    """A picture at full, half, quarter ... size, so that small views of it do not alias. A fourth channel is coverage,
    with which the colours are then multiplied."""

    levels: tuple[UInt8[np.ndarray, " ..."], ...]
    """Each [h, w, c], or [h, w] with one channel."""
    grey: bool = False
    upright: bool = False

    @classmethod
    def of(cls, image: UInt8[np.ndarray, "h w *c"], *, upright: bool = False) -> _Plate:
        levels = [np.ascontiguousarray(image)]
        while min(levels[-1].shape[:2]) >= 48:
            height, width = levels[-1].shape[:2]
            levels.append(cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA))
        grey = image.shape[2:] == (3,) and int(np.ptp(image[::7, ::7].astype(np.int16), axis=2).max()) < 4
        return cls(tuple(levels), grey, upright)

    def view(
        self,
        matrix: tuple[float, float, float, float],
        centre: tuple[float, float],
        height: int,
        width: int,
        border: int,
    ) -> UInt8[np.ndarray, "h w *c"]:
        """The picture seen through a height x width window: `matrix` turns steps of the window into steps of the full
        size, `centre` is what its middle sees, in pixels of the full size."""
        a, b, c, d = matrix
        step = max(min(math.hypot(a, c), math.hypot(b, d)), 1.0)
        level = min(int(math.log2(step) + 0.3), len(self.levels) - 1)
        source = self.levels[level]
        ratio_x = source.shape[1] / self.levels[0].shape[1]
        ratio_y = source.shape[0] / self.levels[0].shape[0]
        a, b, c, d = a * ratio_x, b * ratio_x, c * ratio_y, d * ratio_y
        x, y = (centre[0] + 0.5) * ratio_x - 0.5, (centre[1] + 0.5) * ratio_y - 0.5
        u, v = (width - 1) / 2.0, (height - 1) / 2.0
        affine = np.array([[a, b, x - a * u - b * v], [c, d, y - c * u - d * v]], np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(source, affine, (width, height), flags=flags, borderMode=border)


@dataclass(frozen=True, eq=False)
class _Pool:
    textures: tuple[_Plate, ...]
    scenes: tuple[_Plate, ...]
    photographs: tuple[_Plate, ...]
    extra: tuple[_Plate, ...]
    people: tuple[_Plate, ...]
    things: tuple[_Plate, ...]
    masks: tuple[_Plate, ...]


class Backgrounds:
    """Backgrounds, each a pure function of the pool's seed and the generator it is sampled with.

    extra: photographs of the user's own to stand among them, sRGB uint8 [h, w, 3]; or [h, w, 4] with a fourth channel
    that is 0 where the photograph must not show (a hand in it) and 255 elsewhere, a canvas showing through instead.
    extra_share: share of the samples that begin with one of them.
    Raises PalmarError for an extra picture of another shape or dtype.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        extra: Sequence[np.ndarray] = (),
        extra_share: float = 0.35,
        canvases: int = 64,
        size: int = 384,
    ) -> None:
        for k, image in enumerate(extra):
            if image.ndim != 3 or image.shape[2] not in (3, 4) or image.dtype != np.uint8 or min(image.shape[:2]) < 2:
                raise PalmarError(
                    f"Backgrounds: extra[{k}] must be uint8 [h, w, 3 or 4], got {image.dtype} {list(image.shape)}."
                )
        self.seed, self.canvases, self.size, self.extra_share = seed, canvases, size, extra_share
        self._extra = tuple(extra)

    @functools.cached_property
    def _pool(self) -> _Pool:
        def generator(kind: int, index: int) -> np.random.Generator:
            return np.random.default_rng((self.seed, 0xBAC6, kind, index))

        half = max(self.canvases * 7 // 16, len(TEXTURES))
        textures = [TEXTURES[i % len(TEXTURES)](generator(0, i), self.size) for i in range(half)]
        scenes = [
            SCENES[i % len(SCENES)](generator(1, i), self.size, textures) for i in range(max(self.canvases - half, 1))
        ]
        figure_size = self.size // 2
        people = []
        for i in range(max(self.canvases * 7 // 16, 1)):
            make = SKIN_FIGURES[i % len(SKIN_FIGURES)]
            people.append(_Plate.of(make(generator(2, i), figure_size), upright=make is bust))
        things = [_Plate.of(thing(generator(3, i), figure_size)) for i in range(max(self.canvases // 5, 1))]
        masks = [_Plate.of(_mask(generator(4, i))) for i in range(max(self.canvases // 3, 1))]
        return _Pool(
            textures=tuple(map(_Plate.of, textures)),
            scenes=tuple(map(_Plate.of, scenes)),
            photographs=tuple(_Plate.of(load_photograph(photograph)) for photograph in PHOTOGRAPHS),
            extra=tuple(_Plate.of(_premultiplied(image)) for image in self._extra),
            people=tuple(people),
            things=tuple(things),
            masks=tuple(masks),
        )

    def sample(self, rng: np.random.Generator, height: int, width: int) -> Float32[np.ndarray, "h w 3"]:
        """A background in linear RGB, 0 to about 1.5, of height x width pixels."""
        draw, pool = Draws(rng, 192), self._pool
        picture, grey = self._base(draw, pool, height, width)
        if draw.chance(0.35):
            picture = _soften(picture, draw.log_uniform(0.6, 6.0) * max(height, width) / 128.0)
        if draw.chance(_SKIN_SHARE):
            for _ in range(1 + draw.chance(0.25)):
                picture = _lay(draw, picture, draw.choose(pool.people))
        if draw.chance(0.25):
            for _ in range(1 + draw.chance(0.3)):
                picture = _lay(draw, picture, draw.choose(pool.things))
        if draw.chance(0.15):
            picture = _soften(picture, draw.log_uniform(0.6, 3.0) * max(height, width) / 128.0)
        linear = cv2.LUT(picture, _colour_table(draw, grey))
        if draw.chance(0.3):
            linear = _slope(draw, linear)
        return linear

    def _base(self, draw: Draws, pool: _Pool, height: int, width: int) -> tuple[UInt8[np.ndarray, "h w 3"], bool]:
        """The lowest layer, and whether it has no colour of its own."""
        kind = draw.uniform()
        if pool.extra and draw.chance(self.extra_share):
            plate = draw.choose(pool.extra)
            view = _crop(draw, plate, height, width)
            if view.shape[2] == 3:
                return view, plate.grey
            return _over(view, _crop(draw, draw.choose(pool.textures), height, width)), plate.grey
        if kind < 0.20:
            plate, second = draw.choose(pool.photographs), 0.15
        elif kind < 0.68:
            plate, second = draw.choose(pool.scenes), 0.2
        else:
            plate, second = draw.choose(pool.textures), 0.5
        view = _crop(draw, plate, height, width)
        if not draw.chance(second):
            return view, plate.grey
        other = _crop(draw, draw.choose((*pool.scenes, *pool.textures, *pool.photographs)), height, width)
        weight = _crop(draw, draw.choose(pool.masks), height, width).astype(np.float32)
        weight *= np.float32(draw.uniform(0.4, 1.0) / 255.0)
        return cv2.blendLinear(other, view, weight, np.float32(1.0) - weight), False


def _premultiplied(image: UInt8[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h w c"]:
    if image.shape[2] == 3:
        return image
    colour = (image[..., :3].astype(np.uint16) * image[..., 3:] // 255).astype(np.uint8)
    return np.concatenate([colour, image[..., 3:]], 2)


def _mask(rng: np.random.Generator) -> UInt8[np.ndarray, "n n"]:
    """A soft or hard division of the plane in two."""
    y, x = np.mgrid[-1 : 1 : _MASK_SIZE * 1j, -1 : 1 : _MASK_SIZE * 1j].astype(np.float32)
    kind, angle = rng.random(), rng.uniform(0, 2 * np.pi)
    u, v = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    if kind < 0.35:
        field = fbm(rng, _MASK_SIZE, cells=rng.uniform(1.5, 6)) - 0.5
    elif kind < 0.6:
        field = u
    elif kind < 0.8:
        field = rng.uniform(0.3, 0.8) - np.hypot(u, v * rng.uniform(1, 3))
    else:
        field = np.minimum(rng.uniform(0.2, 0.8) - np.abs(u), rng.uniform(0.2, 0.8) - np.abs(v))
    sharpness = np.exp(rng.uniform(np.log(1.0), np.log(60.0)))
    return (np.clip(field * sharpness + 0.5, 0, 1) * 255).astype(np.uint8)


def _crop(draw: Draws, plate: _Plate, height: int, width: int) -> UInt8[np.ndarray, "h w *c"]:
    """A random resized crop of a random resized crop, turned and mirrored; what lies outside is a reflection."""
    full_height, full_width = plate.levels[0].shape[:2]
    share = math.sqrt(draw.uniform(0.2, 1.0) * draw.uniform(0.3, 1.0))
    step = share * min(full_height / height, full_width / width)
    stretch = math.exp(draw.normal(0.1))
    step_x, step_y = step * stretch, step / stretch
    kind = draw.uniform()
    angle = draw.uniform(-math.pi, math.pi) if kind < 0.15 else (draw.normal(0.15) if kind < 0.6 else 0.0)
    mirror = -1.0 if draw.chance(0.5) else 1.0
    cos, sin = math.cos(angle), math.sin(angle)
    half_x, half_y = step_x * width / 2.0, step_y * height / 2.0
    x = draw.uniform(min(half_x, full_width / 2), max(full_width - half_x, full_width / 2))
    y = draw.uniform(min(half_y, full_height / 2), max(full_height - half_y, full_height / 2))
    matrix = (mirror * step_x * cos, -step_y * sin, mirror * step_x * sin, step_y * cos)
    return plate.view(matrix, (x, y), height, width, cv2.BORDER_REFLECT_101)


def _over(front: UInt8[np.ndarray, "h w 4"], back: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """The premultiplied front laid over the back."""
    through = cv2.bitwise_not(cv2.extractChannel(front, 3))
    behind = cv2.multiply(back, cv2.merge([through, through, through]), scale=1.0 / 255.0)
    return cv2.add(cv2.cvtColor(front, cv2.COLOR_RGBA2RGB), behind)


def _lay(draw: Draws, picture: UInt8[np.ndarray, "h w 3"], plate: _Plate) -> UInt8[np.ndarray, "h w 3"]:
    """A figure over the picture, in a random place, size, turn and light."""
    height, width = picture.shape[:2]
    size = plate.levels[0].shape[0]
    span = draw.log_uniform(0.6, 2.2) if plate.upright else draw.log_uniform(0.25, 1.5)
    step = size / (span * max(height, width))
    turned = draw.chance(0.12 if plate.upright else 0.8)
    angle = draw.uniform(-math.pi, math.pi) if turned else draw.normal(0.15)
    mirror = -1.0 if draw.chance(0.5) else 1.0
    cos, sin = math.cos(angle) * step, math.sin(angle) * step
    x, y = width * draw.uniform(), height * draw.uniform()
    u, v = x - width / 2.0, y - height / 2.0  # the figure's middle from the window's
    a, b, c, d = mirror * cos, -sin, mirror * sin, cos
    centre = (size / 2.0 - a * u - b * v, size / 2.0 - c * u - d * v)
    view = plate.view((a, b, c, d), centre, height, width, cv2.BORDER_CONSTANT)
    light = math.exp(draw.normal(0.3))
    gains = [light * math.exp(draw.normal(0.06)) for _ in range(3)]
    return _over(cv2.transform(view, np.diag([*gains, 1.0]).astype(np.float32)), picture)


def _soften(picture: UInt8[np.ndarray, "h w 3"], sigma: float) -> UInt8[np.ndarray, "h w 3"]:
    """Blurred by about `sigma` pixels; large blurs go through a smaller picture, as nobody sees the difference."""
    if sigma < 1.5:
        return cv2.GaussianBlur(picture, (5, 5), sigma)
    height, width = picture.shape[:2]
    small = (max(round(width / sigma), 2), max(round(height / sigma), 2))
    picture = cv2.GaussianBlur(cv2.resize(picture, small, interpolation=cv2.INTER_AREA), (3, 3), 0.8)
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)


def _colour_table(draw: Draws, grey: bool) -> Float32[np.ndarray, "1 256 3"]:
    """From codes to linear light, with a random gamma, brightness and tint; strong tints only for grey pictures."""
    gamma, light = draw.uniform(0.8, 1.3), math.exp(draw.normal(0.35))
    tint = 0.35 if grey and draw.chance(0.7) else 0.09
    gains = [light * math.exp(draw.normal(tint)) for _ in range(3)]
    curve = _codes() ** np.float32(gamma)
    return np.minimum(curve[:, None] * np.array(gains, np.float32), np.float32(1.5))[None]


@functools.cache
def _codes() -> Float32[np.ndarray, " 256"]:
    return srgb_to_linear(np.arange(256, dtype=np.uint8))


def _slope(draw: Draws, linear: Float32[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "h w 3"]:
    """Light that falls off across the picture, to a third at most."""
    height, width = linear.shape[:2]
    angle, depth = draw.uniform(0.0, 2.0 * math.pi), draw.uniform(0.1, 0.5)
    x = np.linspace(-depth, depth, width, dtype=np.float32) * np.float32(math.cos(angle))
    y = np.linspace(-depth, depth, height, dtype=np.float32) * np.float32(math.sin(angle))
    light = np.maximum(np.float32(1.0) + x + y[:, None], np.float32(0.33))
    return cv2.multiply(linear, cv2.merge([light, light, light]))
