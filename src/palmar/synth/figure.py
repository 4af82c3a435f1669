"""What stands between hand and wall and might be taken for a hand: faces, limbs, skin-coloured and other things.

A figure is a shaded sRGB picture, multiplied by its coverage, uint8 [n, n, 4], to be laid over a background. None shows
a hand. Skin has the colours of `palmar.synth.skin`, so that colour does not tell hands from the rest. Pure functions of
a generator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from palmar.synth.canvas import fbm
from palmar.synth.skin import sample_cloth, sample_skin

Figure = UInt8[np.ndarray, "n n 4"]
Rng = np.random.Generator


class _Sheet:
    """A picture being painted from back to front: linear colour and coverage, coordinates -1 to 1, y down."""

    def __init__(self, rng: Rng, size: int) -> None:
        self.size = size
        self.y, self.x = (np.mgrid[:size, :size].astype(np.float32) + np.float32(0.5)) / np.float32(size / 2) - 1
        self.colour = np.zeros((size, size, 3), np.float32)
        self.alpha = np.zeros((size, size), np.float32)
        direction = rng.normal((0.0, -0.4, 1.2), 1.0)
        direction[2] = max(direction[2], 0.1)
        self.light = (direction / np.linalg.norm(direction)).astype(np.float32)
        self.fill = np.float32(rng.uniform(0.15, 0.6))
        self.gloss = np.float32(rng.uniform(0.0, 0.12))

    def lay(
        self,
        inside: Float32[np.ndarray, "n n"],
        albedo: Any,
        normal: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
    ) -> None:
        """Paint where `inside`, a signed distance in units of the sheet, is positive. normal: x, y, z out."""
        weight = np.clip(inside * np.float32(self.size / 2) + np.float32(0.5), 0, 1)
        light = np.float32(1.0)
        gloss = np.float32(0.0)
        if normal is not None:
            cosine = self.light[0] * normal[0] + self.light[1] * normal[1] + self.light[2] * normal[2]
            light = np.maximum((cosine + np.float32(0.1)) / np.float32(1.1), 0) * (1 - self.fill) + self.fill
            gloss = self.gloss * np.clip(cosine, 0, 1) ** 24
        shaded = albedo * np.float32(1.4) * np.asarray(light)[..., None] + np.asarray(gloss)[..., None]
        self.colour += weight[..., None] * (shaded - self.colour)
        self.alpha = np.maximum(self.alpha, weight)

    def ellipse(self, x: float, y: float, a: float, b: float, angle: float, albedo: Any, depth: float = 1.0) -> None:
        """An ellipsoid with half axes a, b, flatter the larger `depth` is; with depth 0 an unshaded ellipse."""
        c, s = np.float32(math.cos(angle)), np.float32(math.sin(angle))
        dx, dy = self.x - np.float32(x), self.y - np.float32(y)
        u, v = (c * dx + s * dy) / np.float32(a), (c * dy - s * dx) / np.float32(b)
        radius = np.sqrt(u * u + v * v)
        normal = None
        if depth:
            z = np.sqrt(np.maximum(1 - radius * radius, 0)) * np.float32(1 / depth)
            nu, nv = u * np.float32(min(a, b) / a), v * np.float32(min(a, b) / b)
            length = np.sqrt(nu * nu + nv * nv + z * z) + np.float32(1e-6)
            normal = ((c * nu - s * nv) / length, (s * nu + c * nv) / length, z / length)
        self.lay((1 - radius) * np.float32(min(a, b)), albedo, normal)

    def tube(self, points: Sequence[tuple[float, float]], radii: Sequence[float], albedo: Any) -> None:
        """A tube along straight pieces, its radius changing along them, round at the ends."""
        best = np.full((self.size, self.size), -1e3, np.float32)
        nx, ny, nz = np.zeros_like(best), np.zeros_like(best), np.ones_like(best)
        for (x0, y0), (x1, y1), r0, r1 in zip(points, points[1:], radii, radii[1:], strict=False):
            dx, dy = self.x - np.float32(x0), self.y - np.float32(y0)
            ex, ey = np.float32(x1 - x0), np.float32(y1 - y0)
            t = np.clip((dx * ex + dy * ey) / (ex * ex + ey * ey + np.float32(1e-9)), 0, 1)
            ox, oy = dx - t * ex, dy - t * ey
            radius = np.float32(r0) + t * np.float32(r1 - r0)
            away = np.sqrt(ox * ox + oy * oy)
            inside = radius - away
            better = inside > best
            best = np.where(better, inside, best)
            px, py = ox / radius, oy / radius
            nx, ny = np.where(better, px, nx), np.where(better, py, ny)
            nz = np.where(better, np.sqrt(np.maximum(1 - px * px - py * py, 0)), nz)
        self.lay(best, albedo, (nx, ny, nz))

    def polygon(self, corners: list[tuple[float, float]], albedo: Any, light: np.ndarray | float = 1.0) -> None:
        points = np.round((np.array(corners) + 1) * self.size / 2 * 16).astype(np.int32)
        mask = np.zeros((self.size, self.size), np.uint8)
        cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, 4)
        weight = mask.astype(np.float32) / 255
        shaded = albedo * np.float32(1.2) * np.asarray(light, np.float32)[..., None]
        self.colour += weight[..., None] * (shaded - self.colour)
        self.alpha = np.maximum(self.alpha, weight)

    def finish(self) -> Figure:
        linear = np.clip(self.colour / np.maximum(self.alpha, np.float32(1e-3))[..., None], 0, 1)
        code = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** np.float32(1 / 2.4) - 0.055)
        return np.dstack([code * self.alpha[..., None] * 255 + 0.5, self.alpha * 255 + 0.5]).astype(np.uint8)


def _skin_colour(rng: Rng) -> Float32[np.ndarray, " 3"]:
    return np.asarray(sample_skin(rng, gloves=0.0, painted=0.0).base, np.float32)


def _mottled(rng: Rng, sheet: _Sheet, colour: np.ndarray, amount: float) -> Float32[np.ndarray, "n n 3"]:
    field = fbm(rng, sheet.size, cells=rng.uniform(2, 8), octaves=5) - np.float32(0.5)
    return colour * np.exp(np.float32(amount) * field)[..., None]


def bust(rng: Rng, size: int) -> Figure:
    """Head, hair, neck and shirt of a person who looks about ahead."""
    sheet = _Sheet(rng, size)
    skin = _skin_colour(rng)
    hair_colour = (
        np.array([0.05, 0.035, 0.025]) * np.exp(rng.normal(0.3, 1.0)) * np.array([1.0, *rng.uniform(0.5, 1.0, 2)])
    )
    hair_colour = np.clip(hair_colour, 0.006, 0.6).astype(np.float32)
    a, b = rng.uniform(0.26, 0.34), rng.uniform(0.36, 0.44)
    x, y, turn = rng.uniform(-0.1, 0.1), rng.uniform(-0.35, -0.2), rng.normal(0, 0.25)
    tilt = rng.normal(0, 0.12)
    style = rng.random()
    hair = _mottled(rng, sheet, hair_colour, 1.5)
    if style < 0.4:  # long hair behind
        sheet.ellipse(x, y + 0.15, a * 1.35, b * rng.uniform(1.3, 1.9), tilt, hair, 1.5)
    sheet.tube([(x, y + 0.1), (x, y + 0.75)], [a * 0.55, a * 0.65], _mottled(rng, sheet, skin * 0.9, 0.2))
    cloth = sample_cloth(rng)
    flat = np.stack([sheet.x, sheet.y, np.zeros_like(sheet.x)], -1).reshape(-1, 3) * np.float32(0.2)
    shirt = cloth.paint(flat).reshape(size, size, 3)
    folds = 0.5 + 0.8 * fbm(rng, size, cells=3.0, octaves=3)
    wide, drop = rng.uniform(0.65, 1.0), y + b + rng.uniform(0.05, 0.15)
    collar = rng.uniform(0.1, 0.3)
    neckline = [(x - collar, drop), (x, drop + collar * rng.uniform(0.2, 1.2)), (x + collar, drop)]
    right = [(x + wide, drop + 0.3), (x + wide * 1.1, 1.3)]
    sheet.polygon([*neckline, *right, (x - wide * 1.1, 1.3), (x - wide, drop + 0.3)], shirt, folds)
    for side in (-1, 1):
        sheet.ellipse(x + side * a * 0.97, y + 0.05, a * 0.14, b * 0.2, tilt, skin * np.float32(0.85))
    sheet.ellipse(x, y, a, b, tilt, _mottled(rng, sheet, skin, 0.4), 1.2)
    middle = x + turn * a  # of the face
    rose = (skin * np.array([1.0, 0.75, 0.78], np.float32)).astype(np.float32)
    for side in (-1, 1):
        sheet.ellipse(middle + side * a * 0.45, y + b * 0.25, a * 0.2, b * 0.12, 0.0, 0.5 * (skin + rose), 0.0)
        if rng.random() < 0.9:
            eye = middle + side * a * 0.4
            sheet.ellipse(eye, y - b * 0.08, a * 0.22, b * 0.09, 0.0, skin * np.float32(0.7), 0.0)
            sheet.ellipse(eye, y - b * 0.08, a * 0.16, b * 0.05, 0.0, np.array([0.7, 0.7, 0.68], np.float32), 0.0)
            sheet.ellipse(eye, y - b * 0.08, a * 0.065, b * 0.05, 0.0, np.array([0.03, 0.025, 0.02], np.float32), 0.0)
        sheet.ellipse(middle + side * a * 0.4, y - b * 0.25, a * 0.24, b * 0.035, side * 0.1, hair_colour, 0.0)
    sheet.tube([(middle, y - b * 0.1), (middle + turn * 0.1, y + b * 0.25)], [a * 0.08, a * 0.15], skin)
    sheet.ellipse(
        middle, y + b * 0.52, a * rng.uniform(0.25, 0.4), b * rng.uniform(0.03, 0.1), 0.0, rose * np.float32(0.7), 0.0
    )
    if rng.random() < 0.2:  # beard
        sheet.ellipse(middle, y + b * 0.8, a * 0.7, b * 0.25, 0.0, hair, 1.0)
    if style < 0.85:
        up = rng.uniform(0.6, 0.85)
        sheet.ellipse(x + rng.normal(0, 0.05), y - b * up, a * 1.08, b * rng.uniform(0.35, 0.55), tilt, hair, 1.3)
    if rng.random() < 0.25:  # glasses
        for side in (-1, 1):
            spot = np.array([middle + side * a * 0.42, y - b * 0.08])
            centre = tuple(((spot + 1) * size / 2).astype(int).tolist())
            cv2.circle(
                sheet.colour,
                centre,
                max(int(a * 0.3 * size / 2), 2),
                (0.02, 0.02, 0.02),
                max(size // 90, 1),
                cv2.LINE_AA,
            )
    return sheet.finish()


def limb(rng: Rng, size: int) -> Figure:
    """A bare arm, leg or neck: a bent tube of skin, often with the end of a sleeve."""
    sheet = _Sheet(rng, size)
    skin = _mottled(rng, sheet, _skin_colour(rng), 0.4)
    angle, bend = rng.uniform(0, 2 * math.pi), rng.uniform(-1.2, 1.2)
    joint = tuple(rng.uniform(-0.25, 0.25, 2))
    first = (joint[0] + 1.6 * math.cos(angle), joint[1] + 1.6 * math.sin(angle))
    last = (joint[0] - 1.6 * math.cos(angle + bend), joint[1] - 1.6 * math.sin(angle + bend))
    thick = rng.uniform(0.12, 0.4)
    radii = [thick * rng.uniform(0.9, 1.3), thick, thick * rng.uniform(0.6, 1.1)]
    sheet.tube([first, joint, last], radii, skin)
    if rng.random() < 0.5:
        share = rng.uniform(0.1, 0.9)
        end = (joint[0] + share * (first[0] - joint[0]), joint[1] + share * (first[1] - joint[1]))
        cloth = sample_cloth(rng)
        flat = np.stack([sheet.x, sheet.y, np.zeros_like(sheet.x)], -1).reshape(-1, 3) * np.float32(0.2)
        wide = thick * rng.uniform(1.2, 1.5)
        sheet.tube(
            [first, end], [wide * 1.1, wide], _mottled(rng, sheet, cloth.paint(flat).reshape(size, size, 3), 1.2)
        )
    return sheet.finish()


def blobs(rng: Rng, size: int) -> Figure:
    """One to four ellipsoids in the colours of skin: ears, fruit, wooden balls, bellies."""
    sheet = _Sheet(rng, size)
    skin = _skin_colour(rng)
    for _ in range(int(rng.integers(1, 5))):
        x, y = rng.uniform(-0.5, 0.5, 2)
        a, b = rng.uniform(0.15, 0.5, 2)
        colour = skin * np.exp(rng.normal(0, 0.08, 3)).astype(np.float32)
        sheet.ellipse(x, y, a, b, rng.uniform(0, math.pi), _mottled(rng, sheet, colour, 0.5), rng.uniform(0.7, 2.0))
    return sheet.finish()


def fabric(rng: Rng, size: int) -> Figure:
    """A sheet of something skin-coloured or dyed, with folds: cloth, leather, cardboard."""
    sheet = _Sheet(rng, size)
    colour = _skin_colour(rng) if rng.random() < 0.6 else sample_cloth(rng).albedo
    turns = np.sort(rng.uniform(0, 2 * math.pi, int(rng.integers(4, 9))))
    radii = rng.uniform(0.5, 1.0, len(turns))
    corners = [(r * math.cos(t), r * math.sin(t)) for r, t in zip(radii, turns, strict=True)]
    sheet.polygon(
        corners,
        np.broadcast_to(colour, (size, size, 3)),
        0.4 + 0.9 * fbm(rng, size, cells=rng.uniform(1.5, 6), octaves=3),
    )
    return sheet.finish()


def thing(rng: Rng, size: int) -> Figure:
    """A mug, bottle, ball, phone or book in any colour."""
    sheet = _Sheet(rng, size)
    cloth = sample_cloth(rng)
    flat = np.stack([sheet.x, sheet.y, np.zeros_like(sheet.x)], -1).reshape(-1, 3) * np.float32(0.1)
    colour = cloth.paint(flat).reshape(size, size, 3)
    kind = rng.random()
    if kind < 0.3:
        sheet.ellipse(0.0, 0.0, rng.uniform(0.3, 0.9), rng.uniform(0.3, 0.9), rng.uniform(0, math.pi), colour)
    elif kind < 0.65:
        angle, length, radius = rng.uniform(0, math.pi), rng.uniform(0.3, 0.7), rng.uniform(0.1, 0.4)
        end = (length * math.cos(angle), length * math.sin(angle))
        neck = (1.3 * end[0], 1.3 * end[1])
        sheet.tube([(-end[0], -end[1]), end, neck], [radius, radius, radius * rng.uniform(0.3, 0.9)], colour)
    else:
        angle, a, b = rng.uniform(0, math.pi), rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.8)
        c, s = math.cos(angle), math.sin(angle)
        corners = [(c * u * a - s * v * b, s * u * a + c * v * b) for u, v in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        sheet.polygon(corners, colour, rng.uniform(0.3, 1.0) + 0.2 * sheet.x)
        inner = [(0.85 * u, 0.85 * v) for u, v in corners]
        if rng.random() < 0.5:
            sheet.polygon(inner, np.full((size, size, 3), rng.uniform(0.01, 0.9), np.float32), 0.8 + 0.3 * sheet.y)
    return sheet.finish()


SKIN_FIGURES: tuple[Callable[[Rng, int], Figure], ...] = (bust, limb, bust, blobs, bust, limb, fabric)
"""In the proportions in which they are drawn."""
