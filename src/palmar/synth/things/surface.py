"""Closed surfaces of solids: vertices, faces that look outward, and texture coordinates of every corner.

Boxes, turned, extruded and swept bodies are built where their edges lie; what combines several solids is polygonised
(marching cubes, Lorensen and Cline 1987) and its vertices are then drawn onto the surface. Every edge belongs to
exactly two faces. `creased` splits vertices along sharp edges, for shading only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int32

from palmar.errors import PalmarError
from palmar.synth.things.solid import Solid


@dataclass(frozen=True, eq=False)
class Surface:
    """Triangles around a solid."""

    vertices: Float[np.ndarray, "v 3"]
    """Metres."""
    faces: Int32[np.ndarray, "f 3"]
    """Counter-clockwise seen from outside."""
    uv: Float[np.ndarray, "f 3 2"]
    """Texture coordinates of every corner."""

    def moved(self, rotation: Float[np.ndarray, "3 3"], translation: Float[np.ndarray, " 3"] | tuple) -> Surface:
        return Surface(self.vertices @ rotation.T + np.asarray(translation), self.faces, self.uv)

    def mirrored(self) -> Surface:
        """Reflected in x -> -x, its faces turned so that they still look outward."""
        vertices = self.vertices * [-1.0, 1.0, 1.0]
        return Surface(vertices, np.ascontiguousarray(self.faces[:, ::-1]), np.ascontiguousarray(self.uv[:, ::-1]))

    def volume(self) -> float:
        """Cubic metres, > 0 where faces look outward."""
        a, b, c = (self.vertices[self.faces[:, i]] for i in range(3))
        return float(np.einsum("fi,fi->f", a, np.cross(b, c)).sum() / 6)


def outward(vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray) -> Surface:
    """A surface whose faces are turned over if they looked inward."""
    found = Surface(np.ascontiguousarray(vertices, np.float64), np.ascontiguousarray(faces, np.int32), uv)
    if found.volume() >= 0:
        return found
    return Surface(found.vertices, np.ascontiguousarray(found.faces[:, ::-1]), np.ascontiguousarray(found.uv[:, ::-1]))


def _quads(rows: int, columns: int, wrap: bool) -> np.ndarray:
    """Faces [2 n, 3] of a grid of vertices, its last column joined to its first where `wrap`."""
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns if wrap else columns - 1), indexing="ij")
    k = (j + 1) % columns
    a, b, c, d = i * columns + j, i * columns + k, (i + 1) * columns + k, (i + 1) * columns + j
    return np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], -1).reshape(-1, 3)


def box_surface(size: Float[np.ndarray, " 3"], radius: float = 0.0, arc: int = 3) -> Surface:
    """arc: pieces of a quarter circle at its edges. Texture: each of the six sides takes the whole picture, upright,
    up being -y."""
    half = np.asarray(size, np.float64) / 2
    radius = min(radius, float(half.min()))
    arc = arc if radius > 1e-6 else 0
    n = 2 * (arc + 1)
    lean = np.tan(np.concatenate([np.linspace(-np.pi / 4, 0, arc + 1), np.linspace(0, np.pi / 4, arc + 1)]))
    if not arc:
        lean = np.array([-1.0, 1.0])
    side = np.concatenate([-np.ones(arc + 1), np.ones(arc + 1)])
    index = np.full((n, n, n), -1)
    grid = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1)
    shell = ((grid == 0) | (grid == n - 1)).any(-1)
    index[shell] = np.arange(shell.sum())
    at = grid[shell]
    direction = lean[at]
    direction = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    vertices = side[at] * (half - radius) + radius * direction if arc else side[at] * half
    faces = []
    for axis in range(3):
        for end in (0, n - 1):
            square = np.take(index, end, axis)
            a, b, c, d = square[:-1, :-1], square[1:, :-1], square[1:, 1:], square[:-1, 1:]
            turn = (end == 0) == (axis != 1)
            tris = np.stack([a, b, c, a, c, d], -1).reshape(-1, 3)
            faces.append(tris[:, ::-1] if turn else tris)
    rows = np.concatenate(faces)
    found = outward(vertices, rows, np.zeros((len(rows), 3, 2)))
    return Surface(found.vertices, found.faces, planar(found, half))


def planar(surface: Surface, half: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "f 3 2"]:
    """Texture coordinates by the side of the box (half extents) that a face looks to."""
    corners = surface.vertices[surface.faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    axis = np.abs(normal / half).argmax(1)
    sign = np.sign(np.take_along_axis(normal, axis[:, None], 1))
    at = corners / (2 * half) + 0.5
    across = np.where(axis[:, None] == 0, at[..., 2], at[..., 0])
    up = 1 - np.where(axis[:, None] == 1, at[..., 2], at[..., 1])
    right = np.where(axis[:, None] == 2, sign < 0, sign > 0)  # letters run the right way, seen from outside
    return np.stack([np.where(right, across, 1 - across), up], -1)


def lathe_surface(profile: Float[np.ndarray, "n 2"], around: int = 40) -> Surface:
    """The outline (distance from the axis, height y) turned about y; it begins and ends at the axis. Texture: once
    around, and once from the bottom to the top, which is the smallest y."""
    profile = np.asarray(profile, np.float64)
    if len(profile) < 3 or profile[0, 0] > 1e-9 or profile[-1, 0] > 1e-9 or (profile[1:-1, 0] <= 1e-9).any():
        raise PalmarError("lathe: the outline must begin and end at the axis and stay off it between.")
    t = 2 * np.pi * np.arange(around) / around
    ring = profile[1:-1]
    m = len(ring)
    rings = np.stack([ring[:, :1] * np.sin(t), np.repeat(ring[:, 1:], around, 1), ring[:, :1] * np.cos(t)], -1)
    vertices = np.concatenate([rings.reshape(-1, 3), [[0, profile[0, 1], 0], [0, profile[-1, 1], 0]]])
    j, k = np.arange(around), (np.arange(around) + 1) % around
    top = (m - 1) * around
    first, last = np.full(around, m * around), np.full(around, m * around + 1)
    fans = np.concatenate([np.stack([first, k, j], -1), np.stack([last, top + j, top + k], -1)])
    faces = np.concatenate([_quads(m, around, True), fans])
    angle = np.where(faces < m * around, faces % around, -1) / around
    # Corners on the seam belong to the far end of the picture, those on the axis to the middle of their face.
    angle = np.where((angle == 0) & (angle.max(1, keepdims=True) > 0.75), 1.0, angle)
    angle = np.where(angle < 0, angle.max(1, keepdims=True) - 0.5 / around, angle)
    height = vertices[faces][..., 1]
    low, high = profile[:, 1].min(), profile[:, 1].max()
    return outward(vertices, faces, np.stack([1 - angle, (high - height) / max(high - low, 1e-9)], -1))


def _area(outline: np.ndarray) -> float:
    x, y = outline[:, 0], outline[:, 1]
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)


def triangulated(outline: Float[np.ndarray, "n 2"]) -> Int32[np.ndarray, "t 3"]:
    """Triangles of a simple polygon that runs counter-clockwise, by ear clipping (Meisters 1975)."""
    left = list(range(len(outline)))
    triangles = []
    while len(left) > 3:
        points = outline[left]
        before, after = np.roll(points, 1, 0), np.roll(points, -1, 0)
        one, two = points - before, after - points
        turn = one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]
        diagonal = np.linalg.norm(after - before, axis=1)
        for k in np.argsort(np.where(turn > 1e-14, diagonal, np.inf)):  # short diagonals first: no slivers
            i, j = (k - 1) % len(left), (k + 1) % len(left)
            corners = points[[i, k, j]]
            edge = np.roll(corners, -1, 0) - corners
            rest = np.delete(points, [i, k, j], 0)[:, None] - corners
            inside = (edge[:, 0] * rest[..., 1] - edge[:, 1] * rest[..., 0] >= -1e-15).all(1)
            same = (np.abs(rest) < 1e-12).all(-1).any(1)
            if turn[k] > 1e-14 and not (inside & ~same).any():
                break
        else:
            k = int(np.argmax(turn))
        triangles.append((left[(k - 1) % len(left)], left[k], left[(k + 1) % len(left)]))
        del left[int(k)]
    triangles.append(tuple(left))
    return np.array(triangles, np.int32)


def extrude_surface(outline: Float[np.ndarray, "n 2"], thickness: float) -> Surface:
    """A simple polygon in x and y from -thickness/2 to thickness/2 along z. Texture: x and y over the extent."""
    outline = np.asarray(outline, np.float64)
    if _area(outline) < 0:
        outline = outline[::-1]
    n = len(outline)
    caps = triangulated(outline)
    vertices = np.concatenate(
        [np.column_stack([outline, np.full(n, -thickness / 2)]), np.column_stack([outline, np.full(n, thickness / 2)])]
    )
    j, k = np.arange(n), (np.arange(n) + 1) % n
    sides = np.concatenate([np.stack([j, k, n + k], -1), np.stack([j, n + k, n + j], -1)])
    faces = np.concatenate([caps[:, ::-1], caps + n, sides])
    low, size = outline.min(0), np.maximum(np.ptp(outline, axis=0), 1e-9)
    return outward(vertices, faces, (vertices[faces][..., :2] - low) / size)


def tube_surface(path: Float[np.ndarray, "n 3"], radius: float | Float[np.ndarray, " n"], around: int = 14) -> Surface:
    """Circles along a line, with round ends. Texture: once around, once along."""
    path = np.asarray(path, np.float64)
    radii = np.broadcast_to(np.asarray(radius, np.float64), (len(path),))
    ahead = np.diff(path, axis=0)
    ahead = ahead / np.linalg.norm(ahead, axis=1, keepdims=True)
    tangent = np.concatenate([ahead[:1], ahead[:-1] + ahead[1:], ahead[-1:]])
    tangent = tangent / np.linalg.norm(tangent, axis=1, keepdims=True)
    side = np.zeros_like(path)
    start = np.eye(3)[np.abs(tangent[0]).argmin()]
    for i, axis in enumerate(tangent):  # carried along without turning about the line
        start = start - (start @ axis) * axis
        start = start / np.linalg.norm(start)
        side[i] = start
    steps = 4
    turn = np.pi / 2 * np.arange(1, steps + 1) / (steps + 1)
    centres, sizes, axes, sides = [], [], [], []
    for end, sign in ((0, -1), (-1, 1)):
        order = turn[::-1] if sign < 0 else turn
        centres.append(path[end] + sign * radii[end] * np.sin(order)[:, None] * tangent[end])
        sizes.append(radii[end] * np.cos(order))
        axes.append(np.repeat(tangent[end][None], steps, 0))
        sides.append(np.repeat(side[end][None], steps, 0))
    centre = np.concatenate([centres[0], path, centres[1]])
    size = np.concatenate([sizes[0], radii, sizes[1]])
    axis = np.concatenate([axes[0], tangent, axes[1]])
    one = np.concatenate([sides[0], side, sides[1]])
    two = np.cross(axis, one)
    t = 2 * np.pi * np.arange(around) / around
    # At a bend the ring lies in the plane between both pieces and is stretched to meet both.
    rings = centre[:, None] + size[:, None, None] * (
        one[:, None] * np.cos(t)[:, None] + two[:, None] * np.sin(t)[:, None]
    )
    m = len(centre)
    ends = np.stack([path[0] - radii[0] * tangent[0], path[-1] + radii[-1] * tangent[-1]])
    vertices = np.concatenate([rings.reshape(-1, 3), ends])
    j, k = np.arange(around), (np.arange(around) + 1) % around
    top, first, last = (m - 1) * around, np.full(around, m * around), np.full(around, m * around + 1)
    fans = np.concatenate([np.stack([first, k, j], -1), np.stack([last, top + j, top + k], -1)])
    faces = np.concatenate([_quads(m, around, True), fans])
    along = np.concatenate([np.repeat(np.linspace(0, 1, m), around), [0, 1]])
    angle = np.concatenate([np.tile(j / around, m), [0, 0]])[faces]
    angle = np.where((angle == 0) & (angle.max(1, keepdims=True) > 0.75), 1.0, angle)
    return outward(vertices, faces, np.stack([angle, along[faces]], -1))


def loop_surface(path: Float[np.ndarray, "n 3"], radius: float, around: int = 12) -> Surface:
    """Circles along a flat closed line, whose last point is joined to its first."""
    path = np.asarray(path, np.float64)
    tangent = np.roll(path, -1, 0) - np.roll(path, 1, 0)
    tangent = tangent / np.linalg.norm(tangent, axis=1, keepdims=True)
    up = np.cross(path[0] - path.mean(0), tangent[0])
    up = up / np.linalg.norm(up)
    side = np.cross(tangent, up)
    t = 2 * np.pi * np.arange(around) / around
    rings = path[:, None] + radius * (side[:, None] * np.cos(t)[:, None] + up * np.sin(t)[:, None])
    n = len(path)
    i, j = np.meshgrid(np.arange(n), np.arange(around), indexing="ij")
    a, b = i * around + j, i * around + (j + 1) % around
    c, d = (i + 1) % n * around + (j + 1) % around, (i + 1) % n * around + j
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], -1).reshape(-1, 3)
    return outward(rings.reshape(-1, 3), faces, np.zeros((len(faces), 3, 2)))


def drawn_on(surface: Surface, solid: Solid, rounds: int = 3) -> Surface:
    """The surface with its vertices moved onto the solid's own, along the gradient of the distance."""
    vertices = surface.vertices
    for _ in range(rounds):
        gradient = solid.gradient(vertices, 1e-5)
        square = np.maximum((gradient**2).sum(1, keepdims=True), 0.25)
        vertices = vertices - solid.distance(vertices)[:, None] * gradient / square
    return Surface(vertices, surface.faces, surface.uv)


def polygonised(solid: Solid, low: Float[np.ndarray, " 3"], high: Float[np.ndarray, " 3"], cells: int = 44) -> Surface:
    """The zero of a solid's distance inside a box that encloses it. cells: along the box's longest side."""
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    cell = float((high - low).max() / cells)
    count = np.ceil((high - low) / cell).astype(int) + 5
    low = (low + high) / 2 - (count - 1) * cell / 2 + 1e-7  # off the planes on which flat sides love to lie
    grid = np.stack(np.meshgrid(*(low[i] + cell * np.arange(count[i]) for i in range(3)), indexing="ij"), -1)
    field = solid.distance(grid)
    field = np.where(np.abs(field) < 1e-9, 1e-9, field)
    edge = np.ones(field.shape, bool)
    edge[1:-1, 1:-1, 1:-1] = False
    if not (field < 0).any() or (field[edge] < 0).any():
        raise PalmarError("polygonised: the solid is empty, too thin for the grid, or reaches out of its box.")
    from skimage.measure import marching_cubes  # slow to import, and few things need it

    vertices, faces, _, _ = marching_cubes(field, 0.0)
    vertices = low + vertices.astype(np.float64) * cell
    for _ in range(2):
        gradient = solid.gradient(vertices, 1e-5)
        square = np.maximum((gradient**2).sum(1, keepdims=True), 0.25)
        step = solid.distance(vertices)[:, None] * gradient / square
        vertices = vertices - np.clip(step, -0.4 * cell, 0.4 * cell)
    found = outward(vertices, faces, np.zeros((len(faces), 3, 2)))
    half = np.maximum(np.abs(found.vertices).max(0), 1e-6)
    return Surface(found.vertices, found.faces, planar(found, half))


def creased(surface: Surface, angle: float = 0.6) -> tuple[Float[np.ndarray, "w 3"], Int32[np.ndarray, "f 3"]]:
    """Vertices and faces with vertices split where faces meet at more than `angle` radians, so that normals taken from
    them stay apart. Faces keep their order."""
    vertices, faces = surface.vertices, surface.faces
    corner = vertices[faces]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    unit = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-18)
    owner = np.repeat(np.arange(len(faces)), 3)
    flat = faces.reshape(-1)
    order = np.argsort(flat, kind="stable")
    count = np.bincount(flat, minlength=len(vertices))
    first = np.cumsum(count) - count
    mine = count[flat]  # corners around each corner's vertex
    start = np.repeat(first[flat], mine)
    inner = np.arange(mine.sum()) - np.repeat(np.cumsum(mine) - mine, mine)
    other = owner[order[start + inner]]
    me = np.repeat(owner, mine)
    near = (unit[me] * unit[other]).sum(1) > np.cos(angle)
    row = np.repeat(np.arange(len(flat)), mine)[near]
    summed = np.stack([np.bincount(row, normal[other[near], i], len(flat)) for i in range(3)], 1)
    summed = summed / np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-18)
    key = np.column_stack([flat, np.round(summed * 50).astype(np.int64) @ np.array([1, 1000, 1000000])])
    _, rows, back = np.unique(key, axis=0, return_index=True, return_inverse=True)
    return vertices[flat[rows]], back.reshape(-1, 3).astype(np.int32)
