"""What things are made of: colours, gloss, and printed, grained or brushed pictures. Pure functions of a generator."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Mapping

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from palmar.errors import one_of
from palmar.synth import canvas
from palmar.synth.things.thing import TEXTURE, Material

Rng = np.random.Generator


def linear(rgb: np.ndarray) -> np.ndarray:
    """Linear light of sRGB values from 0 to 1 (IEC 61966-2-1)."""
    rgb = np.asarray(rgb, np.float64)
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def colour(rng: Rng) -> tuple[float, float, float]:
    """Of everyday goods, linear light: white, grey and black in four of ten, else a hue, often a strong one."""
    draw = rng.random()
    if draw < 0.22:
        hsv = (rng.random(), rng.uniform(0, 0.08), rng.uniform(0.75, 0.97))
    elif draw < 0.4:
        hsv = (rng.random(), rng.uniform(0, 0.1), rng.uniform(0.08, 0.5))
    else:
        hsv = (rng.random(), rng.uniform(0.3, 1.0), rng.uniform(0.3, 0.97))
    r, g, b = linear(np.array(colorsys.hsv_to_rgb(*hsv))).clip(0.01, 0.9).tolist()
    return r, g, b


def _texture(picture: UInt8[np.ndarray, "n n 3"], height: np.ndarray | float = 0.0) -> Float32[np.ndarray, "t t 4"]:
    out = np.zeros((TEXTURE, TEXTURE, 4), np.float32)
    out[..., :3] = linear(picture / 255.0)
    out[..., 3] = height
    return out


WHITE = (1.0, 1.0, 1.0)


def plastic(rng: Rng) -> Material:
    gloss = rng.uniform(0.12, 0.6)
    return Material("plastic", colour(rng), gloss, float(rng.uniform(0.8, 1.6)))


def metal(rng: Rng) -> Material:
    """Grey with a strong gloss: the shader has no mirror, so most of what a metal reflects is diffuse here."""
    tint = rng.choice([[0.45, 0.45, 0.46], [0.3, 0.3, 0.31], [0.55, 0.42, 0.2], [0.4, 0.24, 0.16], [0.16, 0.16, 0.17]])
    r, g, b = (tint * rng.uniform(0.7, 1.1)).tolist()
    return Material("metal", (r, g, b), float(rng.uniform(0.16, 0.45)), float(rng.uniform(3, 6)))


def wood(rng: Rng) -> Material:
    return Material(
        "wood", WHITE, float(rng.uniform(0.4, 0.8)), float(rng.uniform(0.3, 1)), _texture(canvas.wood(rng, TEXTURE))
    )


def rubber(rng: Rng) -> Material:
    r, g, b = (np.array(colour(rng)) * rng.uniform(0.3, 0.9)).tolist()
    return Material("rubber", (r, g, b), float(rng.uniform(0.6, 0.9)), 0.4)


def ceramic(rng: Rng) -> Material:
    r, g, b = (0.75 * np.array(colour(rng)) + 0.15).tolist()
    return Material("ceramic", (r, g, b), float(rng.uniform(0.08, 0.35)), float(rng.uniform(1.2, 2.0)))


def glass(rng: Rng) -> Material:
    """Glass as far as an opaque shader goes: pale or coloured and dark, with a sharp gloss."""
    tint = rng.choice([[0.5, 0.56, 0.56], [0.05, 0.14, 0.06], [0.16, 0.07, 0.02], [0.08, 0.12, 0.2], [0.36, 0.4, 0.4]])
    r, g, b = (tint * rng.uniform(0.8, 1.1)).tolist()
    return Material("glass", (r, g, b), 0.07, 2.6)


def paper(rng: Rng) -> Material:
    r, g, b = (np.array(colour(rng)) * 0.4 + 0.45).clip(0, 0.9).tolist()
    return Material("paper", (r, g, b), 0.85, 0.15)


def printed(rng: Rng) -> Material:
    """A package or label: a field of colour, bands, shapes, lettering."""
    colours = canvas.palette(rng, 5)
    if rng.random() < 0.7:  # goods are louder than rooms
        hue = rng.random()
        loud = [
            colorsys.hsv_to_rgb((hue + d) % 1, rng.uniform(0.6, 1), rng.uniform(0.5, 1)) for d in (0, 0.08, 0.5, 0.6)
        ]
        colours[:4] = 255 * np.array(loud)
    picture = np.empty((TEXTURE, TEXTURE, 3), np.uint8)
    picture[:] = colours[0]
    t = TEXTURE
    for _ in range(int(rng.integers(1, 4))):
        c = colours[rng.integers(1, 5)].tolist()
        a, b = rng.integers(0, t, (2, 2)).tolist()
        kind = rng.integers(4)
        if kind == 0:
            cv2.rectangle(picture, (0, a[1]), (t, a[1] + int(rng.integers(6, 50))), c, -1)
        elif kind == 1:
            cv2.circle(picture, a, int(rng.integers(8, 40)), c, -1, cv2.LINE_AA)
        elif kind == 2:
            cv2.ellipse(
                picture, a, (int(rng.integers(20, 60)), int(rng.integers(8, 30))), 0, 0, 360, c, -1, cv2.LINE_AA
            )
        else:
            cv2.fillConvexPoly(picture, np.array([a, b, rng.integers(0, t, 2)]), c, cv2.LINE_AA)
    ink = (255, 255, 255) if rng.random() < 0.6 else colours[4].tolist()
    letters = np.array(list("ABCDEFGHIKLMNOPRSTUVWZaeioumnrstl"))
    word = "".join(rng.choice(letters, int(rng.integers(3, 8))))
    scale = float(rng.uniform(0.7, 1.3))
    cv2.putText(picture, word, (8, int(rng.integers(30, 70))), cv2.FONT_HERSHEY_DUPLEX, scale, ink, 2, cv2.LINE_AA)
    for k in range(int(rng.integers(0, 6))):
        line = "".join(rng.choice(letters, 14))
        cv2.putText(picture, line, (10, 84 + 8 * k), cv2.FONT_HERSHEY_PLAIN, 0.55, ink, 1, cv2.LINE_AA)
    return Material("printed", WHITE, float(rng.uniform(0.25, 0.7)), float(rng.uniform(0.4, 1.2)), _texture(picture))


def patterned(rng: Rng) -> Material:
    """Cloth, checks, stripes, clouds: whatever surfaces are covered with."""
    makers = (canvas.checks, canvas.stripes, canvas.clouds, canvas.cells, canvas.cloth, canvas.leaves)
    picture = makers[int(rng.integers(len(makers)))](rng, TEXTURE)
    return Material("patterned", WHITE, float(rng.uniform(0.3, 0.9)), float(rng.uniform(0.2, 1)), _texture(picture))


MATERIALS: Mapping[str, Callable[[Rng], Material]] = {
    "plastic": plastic,
    "metal": metal,
    "wood": wood,
    "rubber": rubber,
    "ceramic": ceramic,
    "glass": glass,
    "paper": paper,
    "printed": printed,
    "patterned": patterned,
}


def material(rng: Rng, *names: str) -> Material:
    """One of the named kinds, or of all."""
    known = names or tuple(MATERIALS)
    name = one_of("material", known[int(rng.integers(len(known)))], MATERIALS)
    return MATERIALS[name](rng)
