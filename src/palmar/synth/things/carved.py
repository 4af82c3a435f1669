"""Bodies that nobody made: random solids united, cut and hollowed, and lumps that flow into each other."""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial.transform import Rotation

from palmar.synth.things import solid as s
from palmar.synth.things import surface as f
from palmar.synth.things.material import material
from palmar.synth.things.solid import Solid
from palmar.synth.things.thing import Grip, Shell, Thing

Rng = np.random.Generator


def _turn(rng: Rng) -> np.ndarray:
    """Upright in half of the cases, else anyhow."""
    if rng.random() < 0.5:
        return Rotation.from_euler("y", rng.uniform(0, 2 * np.pi)).as_matrix()
    return Rotation.from_quat(rng.standard_normal(4)).as_matrix()


def _leaf(rng: Rng, size: float) -> Solid:
    kind = int(rng.integers(6))
    a, b, c = (size * np.exp(rng.uniform(-0.7, 0.2, 3))).tolist()
    if kind == 0:
        return s.box((2 * a, 2 * b, 2 * c), 0.25 * min(a, b, c) * rng.random())
    if kind == 1:
        return s.cylinder(2 * a, b, 0.15 * min(a, b))
    if kind == 2:
        return s.ball(a)
    if kind == 3:
        return s.capsule(1.4 * a, 0.6 * b)
    if kind == 4:
        return s.torus(a, min(0.45 * b, 0.6 * a))
    sides = int(rng.integers(3, 8))
    t = 2 * np.pi * np.arange(sides) / sides
    return s.extrude(a * np.stack([np.cos(t), np.sin(t)], 1), 1.4 * c, 0.001)


def _bounds(solid: Solid, reach: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Corners of a box around a solid within `reach` of the origin, from a coarse grid; None for an empty one."""
    axis = np.linspace(-reach, reach, 27)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
    cell = axis[1] - axis[0]
    near = solid.distance(grid) < 0.87 * cell  # half the diagonal of a cell
    if not near.any():
        return None
    points = grid[near]
    return points.min(0) - 0.6 * cell, points.max(0) + 0.6 * cell


def principal_grips(vertices: np.ndarray, solid: Solid) -> tuple[Grip, ...]:
    """Grips of a body of any shape: rod, ball or slab by the extents along its principal axes."""
    middle = vertices.mean(0)
    _, _, axes = np.linalg.svd(vertices - middle, full_matrices=False)
    axes = axes * np.sign(np.linalg.det(axes))
    local = (vertices - middle) @ axes.T  # longest first
    low, high = local.min(0), local.max(0)
    half, centre = (high - low) / 2, middle + axes.T @ ((low + high) / 2)
    place = np.eye(4)
    place[:3, :3], place[:3, 3] = np.stack([axes[1], axes[2], axes[0]], 1), centre  # x middle, y thin, z long
    extent = half[[1, 2, 0]]
    grips = [Grip("slab", extent, place)]
    if half[0] > 1.3 * half[1]:
        grips.append(Grip("rod", extent, place))
    if half[0] < 1.5 * half[2]:
        ball = np.eye(4)
        ball[:3, 3] = centre
        grips.append(Grip("ball", np.full(3, half.mean()), ball, True))
    inside = float(solid.distance(centre[None])[0]) < 0
    return tuple(grips) if inside else tuple(grips[:1])


def _made(rng: Rng, name: str, solid: Solid, reach: float, cells: int) -> Thing | None:
    corners = _bounds(solid, reach)
    if corners is None:
        return None
    surface = f.polygonised(solid, *corners, cells)
    parts = _pieces(surface.faces, len(surface.vertices))
    if np.bincount(parts[surface.faces[:, 0]]).max() < len(surface.faces):
        return None
    extent = np.ptp(surface.vertices, axis=0)
    if extent.max() > 0.2 or extent.min() < 0.012:
        return None
    shell = Shell(surface, solid, material(rng, "plastic", "wood", "metal", "ceramic", "rubber", "patterned"))
    grips = principal_grips(surface.vertices, solid)
    return Thing(name, "carved", (shell,), grips, float(surface.volume() * rng.uniform(200, 1200)))


def _pieces(faces: np.ndarray, count: int) -> np.ndarray:
    """Number of the connected piece that each vertex belongs to."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, columns = faces.reshape(-1), np.roll(faces, 1, 1).reshape(-1)
    graph = coo_array((np.ones(len(rows), np.int8), (rows, columns)), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def carved(rng: Rng) -> Thing:
    """Two to four solids, the later ones united with, cut from, or cutting down the first."""
    while True:
        size = math.exp(rng.uniform(math.log(0.018), math.log(0.045)))
        whole = _leaf(rng, size).moved(_turn(rng))
        for _ in range(int(rng.integers(1, 4))):
            other = _leaf(rng, size * rng.uniform(0.5, 1.1)).moved(_turn(rng), rng.normal(0, 0.6 * size, 3))
            how = rng.random()
            if how < 0.5:
                whole = whole.union(other, float(rng.choice([0.0, 0.3])) * size)
            elif how < 0.85:
                whole = whole - other
            else:
                whole = whole & other.grown(0.5 * size)
        made = _made(rng, "carved", whole, 5 * size, 36)
        if made is not None:
            return made


def blob(rng: Rng) -> Thing:
    """Stones, roots, dough: three to six balls and ovals that flow into each other."""
    while True:
        size = math.exp(rng.uniform(math.log(0.012), math.log(0.03)))
        balls = []
        at = np.zeros(3)
        for _ in range(int(rng.integers(3, 7))):
            balls.append(s.ball(size * math.exp(rng.uniform(-0.6, 0.2))).moved(translation=at))
            at = at + rng.normal(0, 0.75 * size, 3)
        made = _made(rng, "blob", s.union(balls, 0.8 * size), 7 * size, 32)
        if made is not None:
            return made
