"""What is drawn on the skin in strokes: hair and tattoos. Every stroke is a thin strip of faces that rides on it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32, Int32
from scipy.sparse import csr_matrix

from palmar.synth.people.surface import Surface
from palmar.synth.wear.shell import Shell

HAIR_PART, INK_PART = 27, 28
REAL_WIDTH = 0.00008
"""Metres: what a hair with its shadow covers."""


def _weights(surface: Surface, points: Float[np.ndarray, "n 3"]) -> tuple[csr_matrix, Float[np.ndarray, " n"]]:
    """Combinations of the surface's vertices at its points closest to the given ones, and the distances."""
    distance, face, bary = surface.distance(points)
    rows = np.repeat(np.arange(len(points)), 3)
    columns = surface.faces[face].reshape(-1)
    matrix = csr_matrix((bary.reshape(-1), (rows, columns)), shape=(len(points), len(surface.vertices)))
    return matrix, distance


def scatter(
    rng: np.random.Generator, surface: Surface, density: Float[np.ndarray, " f"], count: int
) -> tuple[Int32[np.ndarray, " n"], Float[np.ndarray, "n 3"]]:
    """Random points of a surface: faces drawn by density x area, and weights within them."""
    v = surface.vertices[surface.faces]
    area = np.linalg.norm(np.cross(v[:, 1] - v[:, 0], v[:, 2] - v[:, 0]), axis=1) * density
    face = rng.choice(len(area), count, p=area / area.sum())
    u = np.sqrt(rng.random(count))
    w = rng.random(count)
    return face.astype(np.int32), np.stack([1 - u, u * (1 - w), u * w], 1)


def hair(
    rng: np.random.Generator,
    surface: Surface,
    density: Float[np.ndarray, " f"],
    flow: Float[np.ndarray, "v 3"],
    count: int,
    *,
    colour: Float[np.ndarray, " 3"],
    skin: Float32[np.ndarray, "v 3"],
    length: float,
    width: float,
) -> Shell:
    """Strands that lean along `flow` (directions at the surface's vertices), each of two faces that end in a point and
    one before them.

    skin: albedo of the surface. length, width: metres, of the average strand. Real hair is 0.05 to 0.08 mm thick, less
    than a pixel at any distance: a strand is wider, and as much paler (mixed with the skin) as it is wider.
    """
    face, bary = scatter(rng, surface, density, count)
    root = np.einsum("nk,nki->ni", bary, surface.vertices[surface.faces[face]])
    normal = np.einsum("nk,nki->ni", bary, surface.normals[surface.faces[face]])
    way = np.einsum("nk,nki->ni", bary, flow[surface.faces[face]])
    way = way + rng.normal(0.0, 0.28, way.shape)
    way -= np.sum(way * normal, 1, keepdims=True) * normal
    way /= np.linalg.norm(way, axis=1, keepdims=True) + 1e-9
    across = np.cross(normal, way)
    reach = (length * np.exp(rng.normal(0.0, 0.3, count)))[:, None]
    half = width / 2 * np.exp(rng.normal(0.0, 0.2, count))[:, None]
    curl = across * reach * rng.normal(0.0, 0.15, (count, 1))
    middle, tip = root + 0.45 * reach * way + curl * 0.5, root + 0.85 * reach * way + curl
    points = np.stack(
        [root - half * across, root + half * across, middle - half * across, middle + half * across, tip], 1
    )
    matrix, _ = _weights(surface, points.reshape(-1, 3))
    lift = np.stack([0 * reach, 0 * reach, 0.2 * reach, 0.2 * reach, 0.32 * reach], 1)[..., 0].reshape(-1)
    first = 5 * np.arange(count)[:, None, None]
    faces = (first + np.array([[0, 3, 1], [0, 2, 3], [2, 4, 3]])).reshape(-1, 3).astype(np.int32)
    below = np.einsum("nk,nki->ni", bary, skin[surface.faces[face]])
    cover = min(1.0, REAL_WIDTH / width)
    strand = below + cover * (colour * np.exp(rng.normal(0.0, 0.2, (count, 1))) - below)
    tint = np.repeat(strand, 5, 0).clip(0.004, 0.9).astype(np.float32)
    return Shell(matrix, faces, (lift + 0.0001).astype(np.float32), tint, 0.6, 0.12, HAIR_PART, flat=True)


def ink(
    surface: Surface,
    lines: list[Float[np.ndarray, "_ 2"]],
    centre: Float[np.ndarray, " 3"],
    axes: Float[np.ndarray, "2 3"],
    *,
    width: float,
    colour: Float[np.ndarray, " 3"],
    step: float = 0.0012,
) -> Shell | None:
    """Lines drawn on a plane (metres along `axes` from `centre`) and laid on the surface below. None where all miss."""
    points, faces, first = [], [], 0
    for line in lines:
        length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
        n = max(int(length[-1] / step), 2)
        at = np.linspace(0, length[-1], n)
        p = np.stack([np.interp(at, length, line[:, k]) for k in range(2)], 1)
        tangent = np.gradient(p, axis=0)
        tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-12
        side = np.stack([-tangent[:, 1], tangent[:, 0]], 1) * width / 2
        points.append(np.stack([p - side, p + side], 1).reshape(-1, 2))
        k = first + 2 * np.arange(n - 1)[:, None]
        faces += [k + np.array([0, 2, 3]), k + np.array([0, 3, 1])]
        first += 2 * n
    flat = np.concatenate(points)
    space = centre + flat @ axes
    for _ in range(3):  # down to the surface along the plane's normal
        matrix, _ = _weights(surface, space)
        down = np.cross(axes[0], axes[1])
        space = space + ((matrix @ surface.vertices - space) @ down)[:, None] * down
    matrix, distance = _weights(surface, space)
    good = np.isfinite(distance) & (np.abs(distance) < 0.002)
    if not good.any():
        return None
    kept = np.concatenate(faces).astype(np.int32)
    kept = kept[good[kept].all(1)]
    if not len(kept):
        return None
    n = len(space)
    return Shell(
        matrix, kept, np.full(n, 0.0003, np.float32), np.tile(np.asarray(colour, np.float32), (n, 1)), 0.5, 0.8,
        INK_PART, flat=True,
    )  # fmt: skip


def drawing(rng: np.random.Generator, size: float) -> list[Float[np.ndarray, "_ 2"]]:
    """Lines of a tattoo about as large as `size`, metres: rings, stars, waves, a rose of curves, letters of strokes."""
    kind = int(rng.integers(6))
    t = np.linspace(0, 2 * np.pi, 96)
    circle = np.stack([np.cos(t), np.sin(t)], 1)
    lines: list[np.ndarray]
    if kind == 0:  # rings
        lines = [circle * r for r in np.linspace(0.3, 1.0, int(rng.integers(2, 5)))]
    elif kind == 1:  # star
        n, skip = (5, 2) if rng.random() < 0.5 else (8, 3)
        order = (np.arange(n + 1) * skip) % n
        corner = np.stack([np.sin(2 * np.pi * order / n), np.cos(2 * np.pi * order / n)], 1)
        lines = [corner] + ([circle] if rng.random() < 0.5 else [])
    elif kind == 2:  # waves
        x = np.linspace(-1, 1, 96)
        rate = rng.uniform(4, 9)
        lines = [np.stack([x, 0.18 * np.sin(rate * x + k) + 0.35 * (k - 1)], 1) for k in range(3)]
    elif kind == 3:  # rose
        n = int(rng.integers(3, 8))
        lines = [circle * np.abs(np.cos(n * t / 2))[:, None] ** 0.7, circle * 0.25]
    elif kind == 4:  # leaf with veins
        half = np.stack([np.linspace(-1, 1, 48), 0.45 * np.cos(np.linspace(-np.pi / 2, np.pi / 2, 48))], 1)
        veins = [
            np.array([[x, 0.0], [x + 0.22, s * 0.3 * np.cos(x * 1.4)]])
            for x in np.linspace(-0.7, 0.5, 5)
            for s in (-1, 1)
        ]
        lines = [half, half * [1, -1], np.array([[-1.0, 0], [1.0, 0]]), *veins]
    else:  # strokes like writing
        x = -1.0
        lines = []
        while x < 0.9:
            stroke = np.cumsum(rng.normal(0, 0.16, (6, 2)), 0)
            stroke = stroke - stroke.mean(0) + [x, 0]
            fine = np.linspace(0, 5, 30)
            lines.append(np.stack([np.interp(fine, np.arange(6), stroke[:, k]) for k in range(2)], 1))
            x += rng.uniform(0.25, 0.4)
    turn = rng.uniform(0, 2 * np.pi)
    c, s = np.cos(turn), np.sin(turn)
    return [line @ np.array([[c, -s], [s, c]]) * size / 2 for line in lines]
