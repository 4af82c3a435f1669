"""Procedural pictures to stand behind hands: textures, and scenes made of them. Pure functions of a generator.

A canvas is an sRGB picture, uint8 [n, n, 3]. `TEXTURES` need nothing; `SCENES` also take textures to paint with. None
is meant to be looked at for long: together they should hold the edges, scales and colours of desks, rooms and clothes.
Each takes 2 to 40 ms at 384 pixels.
"""

from __future__ import annotations

import colorsys
import functools
import string
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

Canvas = UInt8[np.ndarray, "n n 3"]
Texture = UInt8[np.ndarray, "t t 3"]
"""A canvas to paint with, of any size."""
Rng = np.random.Generator


def palette(rng: Rng, count: int) -> UInt8[np.ndarray, "count 3"]:
    """Colours that go together: mostly the muted ones of rooms and clothes, some wood, some loud."""
    kind, hue = rng.random(2)
    colours = []
    for _ in range(count):
        if kind < 0.5:
            hsv = (hue + rng.normal(0, 0.12), rng.uniform(0, 0.35), rng.uniform(0.08, 0.97))
        elif kind < 0.75:
            hsv = (rng.uniform(0.03, 0.12), rng.uniform(0.15, 0.65), rng.uniform(0.15, 0.9))
        else:
            hsv = (hue + rng.normal(0, 0.25), rng.uniform(0.3, 1.0), rng.uniform(0.15, 1.0))
        colours.append(colorsys.hsv_to_rgb(hsv[0] % 1.0, hsv[1], hsv[2]))
    return (255 * np.array(colours)).astype(np.uint8)


def fbm(rng: Rng, size: int, *, cells: float = 3.0, octaves: int = 6, gain: float = 0.55) -> Float32[np.ndarray, "n n"]:
    """Fractal noise between 0 and 1. cells: bumps across the picture in the first octave; they double with each."""
    field = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        count = round(cells * 2**octave)
        if count >= size:
            break
        lattice = rng.random((count + 1, count + 1), dtype=np.float32) * np.float32(gain**octave)
        field += cv2.resize(lattice, (size, size), interpolation=cv2.INTER_CUBIC)
    cv2.normalize(field, field, 0.0, 1.0, cv2.NORM_MINMAX)
    return field


def colourise(field: Float32[np.ndarray, "n n"], colours: UInt8[np.ndarray, "c 3"]) -> Canvas:
    """The field's values 0 to 1 looked up along the colours."""
    at = np.linspace(0, len(colours) - 1, 256)
    table = np.stack([np.interp(at, range(len(colours)), colours[:, c]) for c in range(3)], 1).astype(np.uint8)
    return np.take(table, (np.clip(field, 0, 1) * np.float32(255)).astype(np.uint8), axis=0)


@functools.lru_cache(maxsize=4)
def _grid(size: int) -> tuple[Float32[np.ndarray, "n n"], Float32[np.ndarray, "n n"]]:
    y, x = np.mgrid[:size, :size].astype(np.float32) / np.float32(size)
    return x, y


def _turned(rng: Rng, size: int) -> tuple[Float32[np.ndarray, "n n"], Float32[np.ndarray, "n n"]]:
    """Plane coordinates 0 to about 1 of a plane seen at a slant, turned, its lines slightly bent."""
    x, y = _grid(size)
    angle = rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)]) + rng.normal(0, 0.05)
    u, v = np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y
    if rng.random() < 0.5:
        slant = 1.0 + np.float32(rng.uniform(0.2, 1.5)) * (y if rng.random() < 0.5 else x)
        u, v = u / slant, v / slant
    if rng.random() < 0.3:
        u = u + np.float32(rng.uniform(0.02, 0.1)) * fbm(rng, size, cells=2.0, octaves=2)
    return u.astype(np.float32), v.astype(np.float32)


def _shade(canvas: Canvas, light: Float32[np.ndarray, "n n"]) -> Canvas:
    """Multiplied by `light` and clipped."""
    return cv2.multiply(canvas, cv2.merge([light, light, light]), dtype=cv2.CV_8U)


def _speckle(rng: Rng, canvas: Canvas, amount: float) -> Canvas:
    """With fine grey detail of this deviation, in levels."""
    size = len(canvas)
    noise = rng.standard_normal((size // 2, size // 2), dtype=np.float32)
    noise = cv2.resize(noise, (size, size), interpolation=cv2.INTER_LINEAR) * np.float32(amount)
    return cv2.add(canvas, cv2.merge([noise, noise, noise]), dtype=cv2.CV_8U)


# --------------------------------------------------------------------------------------------------------- textures


def clouds(rng: Rng, size: int) -> Canvas:
    """Fractal noise in two to five colours: plaster, carpet, marble, sky."""
    field = fbm(rng, size, cells=rng.uniform(1.5, 12), gain=rng.uniform(0.4, 0.75))
    if rng.random() < 0.3:
        field = np.abs(2 * field - 1)  # ridges
    return colourise(field, palette(rng, int(rng.integers(2, 6))))


def cells(rng: Rng, size: int) -> Canvas:
    """Voronoi cells with shaded borders: stones, tiles, leather."""
    seeds = np.full((size, size), 255, np.uint8)
    count = int(np.exp(rng.uniform(np.log(12), np.log(700))))
    seeds[rng.integers(0, size, count), rng.integers(0, size, count)] = 0
    distance, label = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    colours = palette(rng, int(rng.integers(2, 8)))
    chosen = colours[rng.integers(0, len(colours), label.max() + 1)]
    depth = np.float32(rng.uniform(-0.6, 0.6)) * distance / np.float32(size / np.sqrt(count))
    return _shade(chosen[label.astype(np.int32)], np.clip(0.9 - depth, 0.2, 1.3).astype(np.float32))


def checks(rng: Rng, size: int) -> Canvas:
    """Checks and tiles with joints, seen at a slant."""
    u, v = _turned(rng, size)
    frequency = np.exp(rng.uniform(np.log(3), np.log(30)))
    u, v = u * frequency, v * frequency * rng.choice([1.0, 0.5, 0.25])
    if rng.random() < 0.4:
        u = u + 0.5 * (np.floor(v) % 2)  # bricks
    row, column = np.floor(u), np.floor(v)
    colours = palette(rng, 4)
    if rng.random() < 0.5:
        index = ((row + column) % 2).astype(np.uint8)
    else:
        index = ((row * 7 + column * 13 + np.floor(row * column * 0.37)) % 3).astype(np.uint8)
    joint = rng.uniform(0, 0.12)
    index[(u - row < joint) | (v - column < joint)] = 3
    return _speckle(rng, colours[index], rng.uniform(0, 10))


def stripes(rng: Rng, size: int) -> Canvas:
    """Stripes, or two sets crossing as in plaid cloth, with folds."""
    u, v = _turned(rng, size)
    colours = palette(rng, 6)
    pattern = rng.integers(0, 6, 24)
    frequency = np.exp(rng.uniform(np.log(10), np.log(120)))
    canvas = colours[pattern[(u * frequency).astype(np.int32) % 24]]
    if rng.random() < 0.5:
        canvas = cv2.addWeighted(canvas, 0.5, colours[pattern[(v * frequency).astype(np.int32) % 24]], 0.5, 0)
    if rng.random() < 0.6:
        canvas = _shade(canvas, 0.5 + 0.8 * fbm(rng, size, cells=rng.uniform(2, 6), octaves=3))
    return canvas


def gradient(rng: Rng, size: int) -> Canvas:
    """A wall in soft light: a smooth run of two or three colours, plane or round."""
    x, y = _grid(size)
    angle = rng.uniform(0, 2 * np.pi)
    if rng.random() < 0.5:
        field = 0.5 + 0.7 * (np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5))
    else:
        field = np.hypot(x - rng.uniform(0, 1), y - rng.uniform(0, 1)) * rng.uniform(0.6, 1.4)
    canvas = colourise(field.astype(np.float32), palette(rng, int(rng.integers(2, 4))))
    return _speckle(rng, canvas, rng.uniform(0, 6))


def leaves(rng: Rng, size: int) -> Canvas:
    """Dead leaves: discs, ellipses or triangles over each other, radii by a power law as in natural pictures."""
    colours = palette(rng, int(rng.integers(3, 10)))
    canvas = np.empty((size, size, 3), np.uint8)
    canvas[:] = colours[0]
    count = int(rng.integers(150, 450))
    radii = np.sort((rng.random(count) * (0.025**-2 - 0.4**-2) + 0.4**-2) ** -0.5)[::-1] * size
    centres, angles = rng.random((count, 2)) * size, rng.random(count) * 360
    flatness = rng.uniform(0.15, 1.0) if rng.random() < 0.6 else 1.0
    triangles = rng.random() < 0.2
    brightness = rng.uniform(0.5, 1.2, count)
    for centre, radius, angle, light in zip(centres, radii, angles, brightness, strict=True):
        colour = np.clip(colours[int(angle * 7) % len(colours)] * light, 0, 255).tolist()
        middle = (int(centre[0]), int(centre[1]))
        if triangles:
            turns = np.radians(angle + np.array([0, 110, 200]))
            corners = centre + radius * np.stack([np.cos(turns), np.sin(turns)], 1)
            cv2.fillConvexPoly(canvas, corners.astype(np.int32), colour, cv2.LINE_AA)
        else:
            axes = (max(int(radius), 1), max(int(radius * flatness), 1))
            cv2.ellipse(canvas, middle, axes, angle, 0, 360, colour, -1, cv2.LINE_AA)
    return _shade(canvas, 0.7 + 0.5 * fbm(rng, size, cells=3.0, octaves=5))


_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_PLAIN,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
)
_LETTERS = np.array(list(string.ascii_letters + string.digits + "     .,-"))


def text(rng: Rng, size: int) -> Canvas:
    """Lines of letters on paper or a screen, with a few strokes of a pen."""
    paper, ink, pen = palette(rng, 3)
    if rng.random() < 0.5:
        paper, ink = np.array([[235, 233, 226], [40, 40, 48]], np.uint8)
    canvas = np.empty((size, size, 3), np.uint8)
    canvas[:] = paper
    y = rng.uniform(0, 0.1) * size
    scale = rng.uniform(0.3, 0.9)
    while y < size:
        if rng.random() < 0.1:
            scale = rng.uniform(0.3, 2.0)
        line = "".join(rng.choice(_LETTERS, int(rng.integers(5, 60))))
        left = int(rng.uniform(0.02, 0.15) * size)
        thickness = 1 if scale < 0.8 else int(rng.integers(1, 4))
        font = int(_FONTS[rng.integers(len(_FONTS))])
        cv2.putText(canvas, line, (left, int(y)), font, scale, ink.tolist(), thickness, cv2.LINE_AA)
        y += scale * rng.uniform(26, 40)
    for _ in range(int(rng.integers(0, 6))):
        path = np.cumsum(rng.normal(0, size / 18, (int(rng.integers(4, 20)), 2)), 0) + rng.random(2) * size
        cv2.polylines(canvas, [path.astype(np.int32)], False, pen.tolist(), int(rng.integers(1, 6)), cv2.LINE_AA)
    return canvas


def wood(rng: Rng, size: int) -> Canvas:
    """Planks: rings of a slowly varying field, drawn out along the grain."""
    _, y = _grid(size)
    field = cv2.resize(fbm(rng, size, cells=4.0, octaves=4)[: size // 6], (size, size), interpolation=cv2.INTER_LINEAR)
    rings = np.abs(np.sin((field * rng.uniform(4, 14) + y * rng.uniform(0, 12)) * np.float32(np.pi)))
    fine = cv2.resize(rng.random((size, 8), dtype=np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
    hue = rng.uniform(0.04, 0.11)
    ends = [colorsys.hsv_to_rgb(hue, rng.uniform(0.2, 0.7), v) for v in sorted(rng.uniform(0.15, 0.95, 2))]
    canvas = colourise(0.7 * rings + 0.3 * fine, (255 * np.array(ends)).astype(np.uint8))
    planks = rng.integers(0, 7)
    if planks:
        row = np.floor(y * planks)
        canvas = _shade(canvas, (0.75 + 0.45 * ((row * 0.618) % 1.0)).astype(np.float32))
        canvas[(y * planks - row) < 0.02] //= 3
    return canvas if rng.random() < 0.5 else np.ascontiguousarray(canvas.transpose(1, 0, 2))


def cloth(rng: Rng, size: int) -> Canvas:
    """One colour of cloth in folds, with its weave."""
    light = fbm(rng, size, cells=rng.uniform(1.5, 5), octaves=3)
    angle = rng.uniform(0, np.pi)
    x, y = _grid(size)
    folds = np.sin((np.cos(angle) * x + np.sin(angle) * y + 0.4 * light) * np.float32(rng.uniform(8, 40)))
    weave = rng.standard_normal((size, size), dtype=np.float32) * np.float32(0.06)
    canvas = np.empty((size, size, 3), np.uint8)
    canvas[:] = palette(rng, 1)[0]
    return _shade(canvas, np.clip(0.35 + 0.8 * light + 0.12 * folds + weave, 0.05, 2.0).astype(np.float32))


TEXTURES: tuple[Callable[[Rng, int], Canvas], ...] = (
    clouds,
    cells,
    checks,
    stripes,
    gradient,
    leaves,
    text,
    wood,
    cloth,
)


# ----------------------------------------------------------------------------------------------------------- scenes


def _paste(canvas: Canvas, corners: np.ndarray, texture: np.ndarray | None, colour: Any, light: float) -> None:
    """Paint a quadrilateral in place: with a texture seen in perspective, or with one colour."""
    size = len(canvas)
    if not np.isfinite(corners).all() or np.abs(corners).max() > 20 * size:
        return
    low = np.clip(np.floor(corners.min(0)), 0, size).astype(int)
    high = np.clip(np.ceil(corners.max(0)) + 1, 0, size).astype(int)
    if (high <= low).any():
        return
    inside = (corners - low).astype(np.float32)
    region = canvas[low[1] : high[1], low[0] : high[0]]
    mask = np.zeros(region.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, np.round(inside * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
    if texture is None:
        paint = np.empty_like(region)
        paint[:] = np.clip(np.asarray(colour, float) * light, 0, 255).astype(np.uint8)
    else:
        n = len(texture) - 1
        square = np.array([[0, 0], [n, 0], [n, n], [0, n]], np.float32)
        view = cv2.getPerspectiveTransform(square, inside)
        paint = cv2.warpPerspective(texture, view, (region.shape[1], region.shape[0]), borderMode=cv2.BORDER_REFLECT)
        paint = cv2.convertScaleAbs(paint, alpha=light)
    weight = mask.astype(np.float32) / 255.0
    region[:] = cv2.blendLinear(paint, np.ascontiguousarray(region), weight, 1.0 - weight)


def _pick(rng: Rng, textures: Sequence[Texture], share: float = 0.5) -> UInt8[np.ndarray, "m m 3"] | None:
    """A part of a random texture, or None in 1 - share of the calls."""
    if rng.random() > share:
        return None
    texture = textures[int(rng.integers(len(textures)))]
    span = int(len(texture) * rng.uniform(0.3, 1.0))
    y, x = rng.integers(0, len(texture) - span + 1, 2)
    return np.ascontiguousarray(texture[y : y + span, x : x + span])


class _Eye:
    """A pinhole in a room: x right, y down, z into the picture, metres, the floor 1 to 2 below."""

    def __init__(self, rng: Rng, size: int) -> None:
        self.focal = rng.uniform(0.6, 1.3) * size
        self.middle = size / 2 * (1 + rng.uniform(-0.3, 0.3, 2))
        yaw, self.roll = rng.uniform(-0.7, 0.7), rng.normal(0, 0.05)
        self.turn = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])

    def see(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 2"]:
        """Pixels; what lies behind is drawn in to a hand's breadth before the eye."""
        turned = points @ self.turn.T
        x, y, z = turned[:, 0], turned[:, 1], np.maximum(turned[:, 2], 0.1)
        u, v = self.focal * x / z, self.focal * y / z
        u, v = u * np.cos(self.roll) - v * np.sin(self.roll), u * np.sin(self.roll) + v * np.cos(self.roll)
        return np.stack([u, v], 1) + self.middle


def room(rng: Rng, size: int, textures: Sequence[Texture]) -> Canvas:
    """The inside of a room: walls, floor, pictures, a window or door, and three to twelve boxes, far ones first."""
    eye = _Eye(rng, size)
    canvas = np.empty((size, size, 3), np.uint8)
    colours = palette(rng, 10)
    wall = rng.integers(120, 245) * np.clip(rng.normal(1, 0.06, 3), 0.7, 1.0)
    canvas[:] = wall.astype(np.uint8)
    left, right, top, floor = -rng.uniform(1.2, 3), rng.uniform(1.2, 3), -rng.uniform(0.8, 1.6), rng.uniform(0.8, 1.6)
    near, far = 0.2, rng.uniform(2.0, 5.0)

    def quad(*points: tuple[float, float, float]) -> Float[np.ndarray, "4 2"]:
        return eye.see(np.array(points, float))

    def rows(z: float) -> tuple[tuple[float, float, float], ...]:
        return (left, top, z), (right, top, z), (right, floor, z), (left, floor, z)

    back, front = rows(far), rows(near)
    sides = {
        "ceiling": (front[0], front[1], back[1], back[0]),
        "floor": (back[3], back[2], front[2], front[3]),
        "left": (front[0], back[0], back[3], front[3]),
        "right": (back[1], front[1], front[2], back[2]),
        "back": back,
    }
    for name, points in sides.items():
        texture = _pick(rng, textures, 0.7 if name == "floor" else 0.2)
        _paste(canvas, quad(*points), texture, wall, rng.uniform(0.5, 1.1))
    for _ in range(int(rng.integers(0, 6))):  # on the walls
        width, height = rng.uniform(0.2, 1.2, 2)
        y = rng.uniform(top, floor - height)
        colour = [250.0, 250.0, 248.0] if rng.random() < 0.3 else colours[rng.integers(10)]
        texture = _pick(rng, textures)
        if rng.random() < 0.6:
            x = rng.uniform(left, right - width)
            frame = [(x, y, far), (x + width, y, far), (x + width, y + height, far), (x, y + height, far)]
        else:
            x, z = (left if rng.random() < 0.5 else right), rng.uniform(0.6, far - width)
            frame = [(x, y, z), (x, y, z + width), (x, y + height, z + width), (x, y + height, z)]
        if rng.random() < 0.5:
            _paste(canvas, quad(*frame), None, colours[rng.integers(10)], 0.5)
            middle = np.mean(frame, 0)
            frame = [tuple(middle + 0.9 * (np.array(p) - middle)) for p in frame]
        _paste(canvas, quad(*frame), texture, colour, rng.uniform(0.7, 1.3))
    boxes = sorted(rng.uniform(0.7, far, int(rng.integers(5, 16))), reverse=True)
    for z in boxes:
        width, height, depth = rng.uniform(0.1, 0.9, 3) * rng.uniform(0.3, 1.6)
        x = rng.uniform(left, right - width)
        base = floor if rng.random() < 0.6 else rng.uniform(0.0, floor)
        colour, texture = colours[rng.integers(10)], _pick(rng, textures, 0.5)
        ground = [(x - 0.05, base, z - 0.05), (x + width + 0.1, base, z - 0.05), (x + width + 0.1, base, z + depth)]
        _paste(canvas, quad(*ground, (x - 0.05, base, z + depth)), None, wall, 0.3)
        upper, lower = base - height, base
        if upper > 0:
            lid = [(x, upper, z + depth), (x + width, upper, z + depth), (x + width, upper, z), (x, upper, z)]
            _paste(canvas, quad(*lid), texture, colour, rng.uniform(0.9, 1.3))
        side = x if (eye.turn.T @ [0, 0, 1])[0] * z < x else x + width
        flank = [(side, upper, z), (side, upper, z + depth), (side, lower, z + depth), (side, lower, z)]
        _paste(canvas, quad(*flank), texture, colour, rng.uniform(0.3, 0.8))
        face = [(x, upper, z), (x + width, upper, z), (x + width, lower, z), (x, lower, z)]
        _paste(canvas, quad(*face), texture, colour, rng.uniform(0.5, 1.1))
    return _shade(canvas, 0.6 + 0.6 * fbm(rng, size, cells=1.5, octaves=2))


def shelves(rng: Rng, size: int, textures: Sequence[Texture]) -> Canvas:
    """Books and boxes upright in rows."""
    canvas = cv2.resize(textures[int(rng.integers(len(textures)))], (size, size))
    canvas = cv2.convertScaleAbs(canvas, alpha=rng.uniform(0.15, 0.5))
    colours = palette(rng, 12)
    y, step = rng.uniform(0, 0.2) * size, rng.uniform(0.14, 0.4) * size
    board = palette(rng, 1)[0]
    while y < size + step:
        x = 0.0
        while x < size:
            width, height = rng.uniform(0.015, 0.09) * size, step * rng.uniform(0.5, 0.95)
            lean = rng.normal(0, 0.03) * step
            if rng.random() < 0.85:
                corners = np.array([[x + lean, y - height], [x + lean + width, y - height], [x + width, y], [x, y]])
                colour = colours[rng.integers(12)]
                _paste(canvas, corners, _pick(rng, textures, 0.2), colour, rng.uniform(0.5, 1.2))
                if rng.random() < 0.4:
                    stripe = corners.copy()
                    stripe[:2, 1] += height * 0.15
                    stripe[2:, 1] -= height * rng.uniform(0.5, 0.7)
                    _paste(canvas, stripe, None, colours[rng.integers(12)], 1.0)
            x += width * rng.uniform(1.0, 1.2)
        thick = max(int(step * 0.06), 2)
        cv2.rectangle(canvas, (0, int(y)), (size, int(y) + thick), board.tolist(), -1)
        y += step + thick
    return _shade(canvas, 0.6 + 0.6 * fbm(rng, size, cells=1.5, octaves=2))


def desk(rng: Rng, size: int, textures: Sequence[Texture]) -> Canvas:
    """A table top from above: sheets, a keyboard, round things, cables."""
    canvas = wood(rng, size) if rng.random() < 0.5 else clouds(rng, size)
    canvas = canvas.copy()
    colours = palette(rng, 8)
    for _ in range(int(rng.integers(3, 9))):
        centre, span, angle = rng.random(2) * size, rng.uniform(0.06, 0.3, 2) * size, rng.uniform(0, 2 * np.pi)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        corners = (np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * span) @ turn.T + centre
        kind = rng.random()
        if kind < 0.55:
            _paste(canvas, corners + size * 0.012, None, [20, 20, 20], 1.0)
        colour = colours[rng.integers(8)]
        if kind < 0.35:  # paper, book, screen
            _paste(canvas, corners, _pick(rng, textures, 0.6), [240, 240, 235], rng.uniform(0.7, 1.1))
        elif kind < 0.55:  # keys
            _paste(canvas, corners, None, colour, 0.6)
            keys = rng.integers(3, 9, 2)
            for i in range(keys[0]):
                for j in range(keys[1]):
                    spot = (np.array([i, j]) + 0.5) / keys * 2 - 1
                    key = (np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * 0.8 / keys + spot) * span
                    _paste(canvas, key @ turn.T + centre, None, colour, rng.uniform(0.9, 1.3))
        else:  # cups, lids, balls: rings of falling brightness
            middle, radius = (int(centre[0]), int(centre[1])), int(span.min())
            for ring in np.linspace(1, 0.2, int(rng.integers(2, 6))):
                light = colour * rng.uniform(0.4, 1.2)
                cv2.circle(canvas, middle, max(int(radius * ring), 1), np.clip(light, 0, 255).tolist(), -1, cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 4))):
        knots = rng.random((4, 2)) * size
        t = np.linspace(0, 1, 40)[:, None]
        path = (
            (1 - t) ** 3 * knots[0] + 3 * t * (1 - t) ** 2 * knots[1] + 3 * t**2 * (1 - t) * knots[2] + t**3 * knots[3]
        )
        width = int(rng.integers(2, 9))
        cv2.polylines(canvas, [path.astype(np.int32)], False, colours[0].tolist(), width, cv2.LINE_AA)
    return _shade(canvas, 0.6 + 0.6 * fbm(rng, size, cells=1.5, octaves=2))


def screen(rng: Rng, size: int, textures: Sequence[Texture]) -> Canvas:
    """Windows of a computer on top of each other."""
    canvas = cv2.resize(textures[int(rng.integers(len(textures)))], (size, size))
    for _ in range(int(rng.integers(3, 10))):
        x, y = rng.uniform(-0.1, 0.8, 2) * size
        width, height = rng.uniform(0.15, 0.7, 2) * size
        corners = np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])
        pane = [250, 250, 250] if rng.random() < 0.5 else palette(rng, 1)[0]
        _paste(canvas, corners, _pick(rng, textures, 0.6), pane, 1.0)
        corners[2:, 1] = y + 0.03 * size
        _paste(canvas, corners, None, palette(rng, 1)[0], 1.0)
    return canvas


SCENES: tuple[Callable[[Rng, int, Sequence[Texture]], Canvas], ...] = (room, shelves, room, desk, room, screen)
