"""What hands and sleeves look like before light falls on them: albedo and roughness for every vertex.

Skin is coloured by two pigments: melanin (`fm`, volume fraction of melanosomes in the epidermis) and blood (`fb`,
volume fraction in the dermis). What varies over a hand varies one of the two: palms have less melanin, tips and
knuckles more blood. So colours stay those of skin, for light and dark hands alike.

Colours are linear sRGB reflectances under D65. Tones are those of the Monk scale, 1 (light) to 10 (dark). A pattern is
a function of the position on the hand at rest, so it moves with the skin.
"""

from __future__ import annotations

import colorsys
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32, Int

from palmar.errors import PalmarError, one_of

MASKS = ("palm", "back", "nail", "knuckle", "crease", "tip", "forearm")
"""Names that `paint` knows. Each is a weight 0 to 1 per vertex; a missing one means that the part is not told apart."""

MONK_SRGB = ("f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96", "a07e56", "825c43", "604134", "3a312a", "292420")
"""The Monk scale's swatches as displayed, tone 1 first. skintone.google, CC-BY-4.0."""

Kind = Literal["skin", "paint", "glove"]

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
_FLOOR = 0.015
_WAVES = 8


def albedo(fm: Float[np.ndarray, "*n"] | float, fb: Float[np.ndarray, "*n"] | float) -> Float[np.ndarray, "*n 3"]:
    """Reflectance of skin with these volume fractions of melanosomes (0.01 to 0.45) and blood (0.002 to 0.05).

    A fit to the chain of Jacques' and Donner and Jensen's absorption, D65 to linear sRGB, error below 0.012 up to
    fm 0.25; above that it is extrapolated. A floor of 0.015 stands for what the surface scatters.
    """
    fm, root = np.asarray(fm)[..., None], np.sqrt(np.asarray(fb))[..., None]
    return np.exp(_EXPONENT[0] + _EXPONENT[1] * fm + _EXPONENT[2] * root) + _FLOOR


_EXPONENT = np.array([[-0.434, -0.306, -0.524], [-2.405, -4.568, -8.409], [-2.220, -6.738, -5.914]])


@functools.cache
def _monk_linear() -> Float[np.ndarray, "10 3"]:
    code = np.array([[int(tone[i : i + 2], 16) for i in (0, 2, 4)] for tone in MONK_SRGB]) / 255.0
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


@functools.cache
def monk_luminance() -> Float[np.ndarray, " 10"]:
    """Luminance of the albedo that goes with each tone.

    The swatches are colours on a display, and the light ones are brighter than any skin; so their luminances are
    mapped, in logarithms, onto those of skin: 0.50 for tone 1, 0.03 for tone 10. Tone 3 is lighter than tone 2.
    """
    shown = _monk_linear() @ _LUMINANCE
    power = math.log(0.50 / 0.03) / math.log(shown[0] / shown[-1])
    return 0.50 * (shown / shown[0]) ** power


def monk_tone(reflectance: Float[np.ndarray, "*n 3"]) -> Int[np.ndarray, "*n"]:
    """The tone, 1 to 10, whose luminance (see `monk_luminance`) is nearest in the logarithm."""
    luminance = np.log(np.maximum(reflectance @ _LUMINANCE, 1e-6))[..., None]
    return np.asarray(np.abs(luminance - np.log(monk_luminance())).argmin(-1) + 1)


@functools.cache
def _tone_ranges() -> Float[np.ndarray, "10 2"]:
    """Lowest and highest logarithm of luminance of each tone."""
    level = np.log(monk_luminance())
    order = np.argsort(level)
    middle = (level[order][1:] + level[order][:-1]) / 2
    edges = np.concatenate([[level.min() - 0.15], middle, [level.max() + 0.06]])
    ranges = np.empty((10, 2))
    ranges[order] = np.stack([edges[:-1], edges[1:]], 1)
    return ranges


@dataclass(frozen=True, eq=False)
class Skin:
    """One person's skin, and how it is today. A `Skin` is a number of draws; `paint` puts it on a mesh."""

    tone: int
    """Monk tone of the back of the hand, 1 to 10."""
    fm: float
    fb: float
    tint: Float32[np.ndarray, " 3"]
    """Factor on the reflectance that the pigments give on the back: model error, the greyer hue of much melanin. Its
    logarithm shrinks with the melanin, so that light palms keep their colour."""
    waves: Float32[np.ndarray, "8 3"]
    """Wave vectors of the low-frequency fields, radians per metre."""
    phases: Float32[np.ndarray, " 8"]
    mixing: Float32[np.ndarray, "8 4"]
    """Weights of the waves in the fields of melanin, blood, veins and roughness."""
    palm_fm: float = 1.0
    """Melanin of palm and nail beds over that of the back."""
    palm_fb: float = 1.0
    tip_fb: float = 1.0
    """Blood of the finger tips over that of the rest."""
    crease: float = 1.0
    """Factor on the reflectance in the creases of palm and fingers; 1 shows none."""
    knuckle_fm: float = 1.0
    knuckle_fb: float = 1.0
    mottle_fm: float = 0.0
    """Size of the low-frequency variation of melanin, in logarithms."""
    mottle_fb: float = 0.0
    veins: float = 1.0
    """Factor on red along the veins of back and forearm; 1 is none."""
    moles: int = 0
    mole_seed: int = 0
    roughness: float = 0.5
    specular: float = 1.0
    """Factor on the reflection of skin's own surface."""
    nail_colour: Float32[np.ndarray, " 3"] | None = None
    """Polish; None is the bare nail."""
    nail_roughness: float = 0.2
    forearm_gain: float = 1.0
    """Sun: factor on the forearm's melanin."""
    kind: Kind = "skin"
    cover: Cloth | None = None
    """What a glove or paint looks like; a glove leaves the forearm bare."""
    fingerless: bool = False

    @property
    def base(self) -> Float[np.ndarray, " 3"]:
        """Reflectance of the back of the hand."""
        return albedo(self.fm, self.fb) * self.tint


@dataclass(frozen=True, eq=False)
class Cloth:
    """A dyed surface: one or two colours, in stripes, checks, dots, blotches or none."""

    albedo: Float32[np.ndarray, " 3"]
    second: Float32[np.ndarray, " 3"]
    pattern: Literal["plain", "stripes", "checks", "dots", "blotches"] = "plain"
    axes: Float32[np.ndarray, "3 3"] = field(default_factory=lambda: np.eye(3, dtype=np.float32))
    """Rows: the directions along which the pattern runs."""
    period: float = 0.02
    """Metres."""
    roughness: float = 0.8
    specular: float = 0.5

    def paint(self, positions: Float[np.ndarray, "v 3"]) -> Float32[np.ndarray, "v 3"]:
        """Albedo at positions (metres) on the body at rest."""
        if self.pattern == "plain":
            return np.broadcast_to(self.albedo, positions.shape).astype(np.float32)
        turned = positions @ self.axes.T * np.float32(2 * math.pi / self.period)
        wave = np.sin(turned)
        if self.pattern == "stripes":
            share = wave[:, 0] > 0
        elif self.pattern == "checks":
            share = (wave[:, 0] > 0) ^ (wave[:, 1] > 0)
        elif self.pattern == "dots":
            share = wave.sum(1) > 1.2
        else:
            share = np.clip(0.5 + wave.sum(1) + 0.5 * np.sin(2.3 * turned).sum(1), 0, 1)
        share = np.asarray(share, np.float32)[:, None]
        return (self.albedo + share * (self.second - self.albedo)).astype(np.float32)


def _uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(rng.random())


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return math.exp(_uniform(rng, math.log(low), math.log(high)))


def _random_axes(rng: np.random.Generator) -> Float32[np.ndarray, "3 3"]:
    return np.linalg.qr(rng.standard_normal((3, 3)))[0].astype(np.float32)


def sample_cloth(rng: np.random.Generator) -> Cloth:
    """Cloth of a sleeve: mostly dark or pale and muted, some loud; four in ten have a pattern."""

    def dye() -> Float32[np.ndarray, " 3"]:
        kind = rng.random()
        if kind < 0.3:  # black, grey, white
            value = _log_uniform(rng, 0.015, 0.85)
            return (value * np.exp(rng.normal(0, 0.05, 3))).astype(np.float32)
        saturation = _uniform(rng, 0.1, 0.6) if kind < 0.75 else _uniform(rng, 0.6, 0.98)
        rgb = colorsys.hsv_to_rgb(_uniform(rng, 0.0, 1.0), saturation, _log_uniform(rng, 0.03, 0.8))
        return np.asarray(rgb, np.float32)

    patterns = ("stripes", "checks", "dots", "blotches")
    return Cloth(
        albedo=np.clip(dye(), 0.01, 0.9),
        second=np.clip(dye(), 0.01, 0.9),
        pattern="plain" if rng.random() < 0.6 else patterns[int(rng.random() * 4)],
        axes=_random_axes(rng),
        period=_log_uniform(rng, 0.006, 0.06),
        roughness=_uniform(rng, 0.55, 0.95),
        specular=_uniform(rng, 0.1, 0.9),
    )


def _melanin(luminance: float, fb: float) -> float:
    """The melanin that gives this luminance with so much blood, as near as 0.01 to 0.6 allows. Bisection."""
    low, high = 0.01, 0.6
    root, rows = math.sqrt(fb), list(zip(_LUMINANCE.tolist(), *_EXPONENT.tolist(), strict=True))
    for _ in range(24):
        middle = (low + high) / 2
        reflected = _FLOOR  # luminance of albedo(middle, fb); plain floats are ten times as fast here
        for weight, constant, melanin, blood in rows:
            reflected += weight * math.exp(constant + melanin * middle + blood * root)
        if reflected > luminance:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def sample_skin(
    rng: np.random.Generator, *, tone: int | None = None, gloves: float = 0.05, painted: float = 0.03
) -> Skin:
    """A random skin; each of the ten Monk tones is equally likely unless one is asked for.

    gloves, painted: shares of hands in a glove, and of hands of any colour at all, so that colour alone never decides.
    Raises PalmarError for a tone outside 1 to 10.
    """
    if tone is None:
        tone = 1 + int(rng.random() * 10)
    if not 1 <= tone <= 10:
        raise PalmarError(f"sample_skin: tone must be 1 to 10 (Monk), got {tone}.")
    luminance = math.exp(_uniform(rng, *_tone_ranges()[tone - 1]))
    fb = _log_uniform(rng, 0.006, 0.025) if luminance > 0.15 else _log_uniform(rng, 0.004, 0.02)
    fm = _melanin(luminance, fb)
    colour = albedo(fm, fb)
    # Above fm 0.25 the fit turns too red: pull the hue towards the swatch, the more the darker.
    swatch = _monk_linear()[tone - 1]
    pull = _uniform(rng, 0.0, 0.25) + (_uniform(rng, 0.2, 0.6) if tone >= 7 else 0.0)
    hue = (swatch / (swatch @ _LUMINANCE)) / (colour / (colour @ _LUMINANCE))
    tint = hue**pull * np.exp(rng.normal(0, 0.025, 3))
    tint *= luminance / ((colour * tint) @ _LUMINANCE)
    dark = float(np.clip((fm - 0.06) / 0.2, 0, 1))
    waves = rng.standard_normal((_WAVES, 3)) * (2 * math.pi / 0.05) * rng.uniform(0.3, 1.6, (_WAVES, 1))
    skin = Skin(
        tone=tone,
        fm=fm,
        fb=fb,
        tint=tint.astype(np.float32),
        waves=waves.astype(np.float32),
        phases=rng.uniform(0, 2 * math.pi, _WAVES).astype(np.float32),
        mixing=(rng.standard_normal((_WAVES, 4)) / math.sqrt(_WAVES)).astype(np.float32),
        palm_fm=_uniform(rng, 0.2, 0.5) if fm > 0.06 else _uniform(rng, 0.6, 1.0),
        palm_fb=_uniform(rng, 1.0, 1.7) + 0.5 * dark,
        tip_fb=_uniform(rng, 1.05, 2.0),
        knuckle_fm=1.0 + dark * _uniform(rng, 0.0, 0.6),
        knuckle_fb=1.0 + (1.0 - dark) * _uniform(rng, 0.0, 1.0),
        mottle_fm=_uniform(rng, 0.0, 0.25),
        mottle_fb=_uniform(rng, 0.0, 0.45),
        veins=_uniform(rng, 0.85, 0.95) if rng.random() < 0.4 else 1.0,
        moles=int(rng.poisson(3)) if rng.random() < 0.4 else 0,
        mole_seed=int(rng.integers(2**31)),
        roughness=_uniform(rng, 0.15, 0.3) if rng.random() < 0.1 else _uniform(rng, 0.35, 0.65),
        specular=_uniform(rng, 0.7, 1.3),
        crease=_uniform(rng, 0.65, 1.0),
        nail_roughness=_uniform(rng, 0.1, 0.35),
        forearm_gain=_uniform(rng, 0.75, 1.25),
    )
    if rng.random() < 0.1:
        polish = np.asarray(colorsys.hsv_to_rgb(rng.random(), rng.random(), 0.05 + 0.85 * rng.random()))
        skin = replace(skin, nail_colour=polish.astype(np.float32), nail_roughness=_uniform(rng, 0.05, 0.2))
    which = rng.random()
    if which < gloves:
        cloth = sample_cloth(rng)
        if rng.random() < 0.4:  # rubber: plain and shiny
            cloth = replace(
                cloth, pattern="plain", roughness=_uniform(rng, 0.15, 0.4), specular=_uniform(rng, 0.8, 1.6)
            )
        return replace(skin, kind="glove", cover=cloth, fingerless=bool(rng.random() < 0.15))
    if which < gloves + painted:
        return replace(skin, kind="paint", cover=sample_cloth(rng))
    return skin


@dataclass(frozen=True, eq=False)
class Painted:
    """The surface of V vertices, as `palmar.render.Mesh` takes it."""

    albedo: Float32[np.ndarray, "v 3"]
    """Linear RGB, 0 to 0.95."""
    roughness: Float32[np.ndarray, " v"]
    """GGX, 0.05 to 1."""
    specular: Float32[np.ndarray, " v"]
    """Factor on the reflection at the surface."""


def paint(skin: Skin, masks: Mapping[str, Float[np.ndarray, " v"]], positions: Float[np.ndarray, "v 3"]) -> Painted:
    """The skin put on a mesh.

    masks: weights 0 to 1 by the names in `MASKS`. positions: metres, of the hand at rest, whatever pose it is drawn in.
    Raises PalmarError for an unknown mask name or a mask of another length.
    """
    positions = positions.astype(np.float32, copy=False)
    masks = {name: mask.astype(np.float32, copy=False) for name, mask in masks.items()}
    count = len(positions)
    for name, mask in masks.items():
        one_of("mask", name, MASKS)
        if mask.shape != (count,):
            raise PalmarError(
                f"paint: mask {name!r} must have shape {(count,)}, one weight per vertex, got {mask.shape}."
            )

    def blend(name: str, factor: float) -> Float32[np.ndarray, " v"] | float:
        mask = masks.get(name)
        return 1.0 if mask is None or factor == 1.0 else 1.0 + np.float32(factor - 1.0) * mask

    fields = np.sin(positions @ skin.waves.T + skin.phases) @ skin.mixing  # [v, 4], deviation about 0.7
    light = blend("palm", skin.palm_fm) * blend("nail", skin.palm_fm)
    fm = skin.fm * light * blend("knuckle", skin.knuckle_fm) * blend("forearm", skin.forearm_gain)
    fm = fm * np.exp(np.float32(skin.mottle_fm) * fields[:, 0])
    fb = skin.fb * blend("palm", skin.palm_fb) * blend("tip", skin.tip_fb) * blend("knuckle", skin.knuckle_fb)
    fb = fb * blend("nail", 1.8) * np.exp(np.float32(skin.mottle_fb) * fields[:, 1])
    if skin.moles:
        fm = fm + _moles(skin, positions)
    exponent = _EXPONENT.astype(np.float32)
    fm = np.clip(fm, 0.005, 0.7).astype(np.float32)[:, None]
    root = np.sqrt(np.clip(fb, 0.001, 0.08)).astype(np.float32)[:, None]
    colour = np.exp(exponent[0] + exponent[1] * fm + exponent[2] * root) + np.float32(_FLOOR)
    colour *= np.exp(np.minimum(fm / np.float32(skin.fm), 1.0) * np.log(skin.tint))
    roughness = np.float32(skin.roughness) * (1.0 + np.float32(0.15) * fields[:, 3])
    specular = np.full(count, skin.specular, np.float32)

    crease = masks.get("crease")
    if crease is not None and skin.crease < 1.0:
        colour *= (1.0 - np.float32(1.0 - skin.crease) * crease)[:, None]
    if skin.veins < 1.0:
        ridge = np.clip(1.0 - 3.0 * np.abs(fields[:, 2]), 0.0, 1.0)
        where = masks.get("back", 0.0) + masks.get("forearm", 0.0)
        colour[:, 0] *= 1.0 - np.float32(1.0 - skin.veins) * np.minimum(where, 1.0) * ridge
    nail = masks.get("nail")
    if nail is not None:
        roughness = roughness + nail * (np.float32(skin.nail_roughness) - roughness)
        specular += nail * np.float32(0.4)
        if skin.nail_colour is not None:
            colour += nail[:, None] * (skin.nail_colour - colour)
    if skin.cover is not None:
        worn = np.ones(count, np.float32)
        if skin.kind == "glove":
            worn -= masks.get("forearm", np.float32(0.0))
            if skin.fingerless:
                worn *= 1.0 - np.clip(masks.get("tip", np.float32(0.0)) + masks.get("nail", np.float32(0.0)), 0, 1)
        colour += worn[:, None] * (skin.cover.paint(positions) - colour)
        roughness = roughness + worn * (np.float32(skin.cover.roughness) - roughness)
        specular += worn * (np.float32(skin.cover.specular) - specular)
    return Painted(
        np.clip(colour, 0.0, 0.95).astype(np.float32), np.clip(roughness, 0.05, 1.0).astype(np.float32), specular
    )


def _moles(skin: Skin, positions: Float32[np.ndarray, "v 3"]) -> Float32[np.ndarray, " v"]:
    """Melanin that moles add, each a soft spot of 1 to 4 mm about some vertex."""
    rng = np.random.default_rng(skin.mole_seed)
    extra = np.zeros(len(positions), np.float32)
    for _ in range(skin.moles):
        centre = positions[int(rng.integers(len(positions)))]
        squared = ((positions - centre) ** 2).sum(1)
        extra += np.float32(rng.uniform(0.1, 0.5)) * np.exp(squared * np.float32(-0.5 / rng.uniform(0.001, 0.004) ** 2))
    return extra
