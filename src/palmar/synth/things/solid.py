"""Solids by their distance: a small program per solid, run for many points by one compiled loop.

    cup = lathe(outline).union(tube(handle), smooth=0.004) - ball(0.02).moved(translation=(0, 0.05, 0))
    cup.distance(points)                        # metres, < 0 inside

A program is a list of steps in postfix order: a leaf pushes its distance, a combination takes what lies on the stack.
Leaves are exact distances (but for `tube` with changing radius); unions are exact outside, all other combinations are
bounds: never further from 0 than the true distance, with its sign and zero where the surface is. Gradients have at most
length 1. All leaves turn about, or stand along, their own y; an extruded outline lies in x and y and is drawn along z.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int64

from palmar.errors import PalmarError
from palmar.render.kernel import kernel

BOX, BALL, CAPSULE, CYLINDER, TORUS, ELLIPSOID, LATHE, EXTRUDE, TUBE = range(9)
UNION, COMMON, MINUS, OFFSET = range(20, 24)
_AT = 12
"""Column of a step's first parameter, after rotation (row by row) and place."""


@dataclass(frozen=True, eq=False)
class Solid:
    """A body given by the distance to its surface, metres, in its own frame."""

    steps: Int64[np.ndarray, "k 3"]
    """What is done, then first row and number of rows of `outline` it reads."""
    values: Float[np.ndarray, "k 20"]
    """frame_from_leaf as 9 + 3 numbers (for a stretched leaf the inverse of its transpose), then up to 8 parameters."""
    outline: Float[np.ndarray, "n 4"]
    """Points of profiles, outlines and tubes."""

    def distance(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n"]:
        """Metres to the surface, < 0 inside."""
        flat = np.ascontiguousarray(points, np.float64).reshape(-1, 3)
        return run(self.steps, self.values, self.outline, flat).reshape(points.shape[:-1])

    def gradient(self, points: Float[np.ndarray, "n 3"], step: float = 2e-5) -> Float[np.ndarray, "n 3"]:
        """Of the distance, by central differences: the outward normal near the surface."""
        offsets = step * np.concatenate([np.eye(3), -np.eye(3)])
        d = self.distance(points[:, None] + offsets)
        return (d[:, :3] - d[:, 3:]) / (2 * step)

    def moved(
        self, rotation: Float[np.ndarray, "3 3"] | None = None, translation: Float[np.ndarray, " 3"] | tuple = (0, 0, 0)
    ) -> Solid:
        """Turned, then shifted."""
        turn = np.eye(3) if rotation is None else np.asarray(rotation, np.float64)
        values = self.values.copy()
        leaf = self.steps[:, 0] < UNION
        values[leaf, :9] = (turn @ self.values[leaf, :9].reshape(-1, 3, 3)).reshape(-1, 9)
        values[leaf, 9:12] = self.values[leaf, 9:12] @ turn.T + np.asarray(translation, np.float64)
        return replace(self, values=values)

    def mirrored(self) -> Solid:
        """Reflected in x -> -x."""
        sign = np.array([-1.0, 1.0, 1.0])
        values = self.values.copy()
        leaf = self.steps[:, 0] < UNION
        values[leaf, :9] = (self.values[leaf, :9].reshape(-1, 3, 3) * sign[:, None]).reshape(-1, 9)
        values[leaf, 9:12] = self.values[leaf, 9:12] * sign
        return replace(self, values=values)

    def stretched(self, factors: Sequence[float] | Float[np.ndarray, " 3"]) -> Solid:
        """Drawn out along x, y and z about the origin, by factors of at least 1. The distance becomes a bound: drawing
        out only moves points apart. Raises PalmarError for smaller factors."""
        k = np.asarray(factors, np.float64)
        if k.shape != (3,) or (k < 1.0).any():
            raise PalmarError(f"stretched: expected three factors of at least 1, got {factors}.")
        values = self.values.copy()
        leaf = self.steps[:, 0] < UNION
        values[leaf, :9] = (self.values[leaf, :9].reshape(-1, 3, 3) / k[:, None]).reshape(-1, 9)
        values[leaf, 9:12] = self.values[leaf, 9:12] * k
        return replace(self, values=values)

    def union(self, other: Solid, smooth: float = 0.0) -> Solid:
        """Both together. smooth: metres over which the seam is filled (polynomial smooth minimum)."""
        return _combined(self, other, UNION, smooth)

    def __or__(self, other: Solid) -> Solid:
        return _combined(self, other, UNION)

    def __and__(self, other: Solid) -> Solid:
        return _combined(self, other, COMMON)

    def __sub__(self, other: Solid) -> Solid:
        return _combined(self, other, MINUS)

    def grown(self, by: float) -> Solid:
        """Everything within `by` metres of it; rounds its outer edges. Exact where the distance is."""
        steps = np.concatenate([self.steps, [[OFFSET, 0, 0]]])
        values = np.concatenate([self.values, np.zeros((1, 20))])
        values[-1, _AT] = by
        return Solid(steps, values, self.outline)


def _leaf(kind: int, *parameters: float, outline: np.ndarray | None = None) -> Solid:
    values = np.zeros((1, 20))
    values[0, :9] = np.eye(3).reshape(-1)
    values[0, _AT : _AT + len(parameters)] = parameters
    rows = np.zeros((0, 4)) if outline is None else np.ascontiguousarray(outline, np.float64)
    return Solid(np.array([[kind, 0, len(rows)]], np.int64), values, rows)


def _combined(a: Solid, b: Solid, how: int, smooth: float = 0.0) -> Solid:
    shifted = b.steps.copy()
    shifted[:, 1] += len(a.outline)
    values = np.zeros((1, 20))
    values[0, _AT] = smooth
    return Solid(
        np.concatenate([a.steps, shifted, np.array([[how, 0, 0]], np.int64)]),
        np.concatenate([a.values, b.values, values]),
        np.concatenate([a.outline, b.outline]),
    )


def union(solids: Sequence[Solid], smooth: float = 0.0) -> Solid:
    """All of them together, one after the other."""
    if not solids:
        raise PalmarError("union: give at least one solid.")
    whole = solids[0]
    for solid in solids[1:]:
        whole = whole.union(solid, smooth)
    return whole


def box(size: Sequence[float] | Float[np.ndarray, " 3"], radius: float = 0.0) -> Solid:
    """size: full extents. radius: of its edges and corners, at most half the shortest extent."""
    half = np.asarray(size, np.float64) / 2
    return _leaf(BOX, *half.tolist(), min(radius, float(half.min())))


def ball(radius: float) -> Solid:
    return _leaf(BALL, radius)


def capsule(length: float, radius: float) -> Solid:
    """length: of its axis along y, without the two caps."""
    return _leaf(CAPSULE, length / 2, radius)


def cylinder(length: float, radius: float, edge: float = 0.0) -> Solid:
    """Along y. edge: radius of its two edges."""
    return _leaf(CYLINDER, length / 2, radius, min(edge, length / 2, radius))


def torus(ring: float, radius: float) -> Solid:
    """ring: radius of the circle in x and z that the tube of `radius` follows."""
    return _leaf(TORUS, ring, radius)


def ellipsoid(half: Sequence[float] | Float[np.ndarray, " 3"]) -> Solid:
    return _leaf(ELLIPSOID, *np.asarray(half, np.float64).tolist())


def lathe(profile: Float[np.ndarray, "n 2"], radius: float = 0.0) -> Solid:
    """A turned body: the outline (distance from the axis, height y) from the axis round to the axis. radius: metres by
    which everything is grown."""
    rows = np.zeros((len(profile), 4))
    rows[:, :2] = profile
    return _leaf(LATHE, radius, outline=rows)


def extrude(outline: Float[np.ndarray, "n 2"], thickness: float, radius: float = 0.0) -> Solid:
    """A closed outline in x and y, its last point joined to its first, from -thickness/2 to thickness/2 along z;
    then grown by `radius`."""
    rows = np.zeros((len(outline), 4))
    rows[:, :2] = outline
    return _leaf(EXTRUDE, thickness / 2, radius, outline=rows)


def tube(path: Float[np.ndarray, "n 3"], radius: float | Float[np.ndarray, " n"]) -> Solid:
    """Everything within a radius of a line of straight pieces; a radius per point is interpolated."""
    rows = np.zeros((len(path), 4))
    rows[:, :3], rows[:, 3] = path, radius
    slope = np.abs(np.diff(rows[:, 3])) / np.maximum(np.linalg.norm(np.diff(rows[:, :3], axis=0), axis=1), 1e-9)
    return _leaf(TUBE, float(1.0 / np.sqrt(1.0 + slope.max() ** 2)), outline=rows)


# ------------------------------------------------------------------------------------------------- the compiled loop


@kernel()
def _ellipsoid(x, y, z, a, b, c):
    """Signed distance to an axis-aligned ellipsoid: the nearest surface point is (a^2 x / (t + a^2), ...) for the
    largest root t of the sum of its squares over the semi-axes (Eberly, Distance from a point to an ellipsoid),
    here by bisection."""
    x, y, z = abs(x), abs(y), abs(z)
    aa, bb, cc = a * a, b * b, c * c
    least = min(aa, min(bb, cc))
    # Off the symmetry planes by a trace, so that the root is the one sought inside as well; u is t + least, which keeps
    # its digits near the centre.
    trace = 1e-9 * np.sqrt(least)
    x, y, z = max(x, trace), max(y, trace), max(z, trace)
    aa, bb, cc = aa - least, bb - least, cc - least
    low = np.sqrt(least) * (x if aa == 0.0 else (y if bb == 0.0 else z))
    high = np.sqrt(a * a * x * x + b * b * y * y + c * c * z * z)
    for _ in range(60):
        u = 0.5 * (low + high)
        p, q, r = a * x / (u + aa), b * y / (u + bb), c * z / (u + cc)
        if p * p + q * q + r * r > 1.0:
            low = u
        else:
            high = u
        if high - low < 1e-10 * high:
            break
    u = 0.5 * (low + high)
    dx, dy, dz = x - a * a * x / (u + aa), y - b * b * y / (u + bb), z - c * c * z / (u + cc)
    d = np.sqrt(dx * dx + dy * dy + dz * dz)
    return d if x * x / (a * a) + y * y / (b * b) + z * z / (c * c) > 1.0 else -d


@kernel()
def _lathe(r, y, outline, first, count):
    """Signed distance in the half plane to an open line of pieces that begins and ends at the axis."""
    best = 1e18
    inside = False
    for k in range(first, first + count - 1):
        ax, ay = outline[k, 0], outline[k, 1]
        bx, by = outline[k + 1, 0], outline[k + 1, 1]
        ex, ey = bx - ax, by - ay
        wx, wy = r - ax, y - ay
        square = ex * ex + ey * ey
        h = (wx * ex + wy * ey) / square if square > 0.0 else 0.0
        h = min(max(h, 0.0), 1.0)
        px, py = wx - h * ex, wy - h * ey
        best = min(best, px * px + py * py)
        if (ay > y) != (by > y) and r < ax + (y - ay) * ex / ey:
            inside = not inside
    d = np.sqrt(best)
    return -d if inside else d


@kernel()
def _outline(x, y, outline, first, count):
    """Signed distance to a closed outline."""
    best = 1e18
    inside = False
    b = first + count - 1
    for k in range(first, first + count):
        ax, ay = outline[b, 0], outline[b, 1]
        bx, by = outline[k, 0], outline[k, 1]
        b = k
        ex, ey = bx - ax, by - ay
        wx, wy = x - ax, y - ay
        square = ex * ex + ey * ey
        h = (wx * ex + wy * ey) / square if square > 0.0 else 0.0
        h = min(max(h, 0.0), 1.0)
        px, py = wx - h * ex, wy - h * ey
        best = min(best, px * px + py * py)
        if (ay > y) != (by > y) and x < ax + (y - ay) * ex / ey:
            inside = not inside
    d = np.sqrt(best)
    return -d if inside else d


@kernel()
def _tube(x, y, z, outline, first, count):
    best = 1e18
    for k in range(first, first + count - 1):
        ex, ey, ez = (
            outline[k + 1, 0] - outline[k, 0],
            outline[k + 1, 1] - outline[k, 1],
            outline[k + 1, 2] - outline[k, 2],
        )
        wx, wy, wz = x - outline[k, 0], y - outline[k, 1], z - outline[k, 2]
        square = ex * ex + ey * ey + ez * ez
        h = (wx * ex + wy * ey + wz * ez) / square if square > 0.0 else 0.0
        h = min(max(h, 0.0), 1.0)
        px, py, pz = wx - h * ex, wy - h * ey, wz - h * ez
        radius = outline[k, 3] + h * (outline[k + 1, 3] - outline[k, 3])
        best = min(best, np.sqrt(px * px + py * py + pz * pz) - radius)
    return best


@kernel()
def _capped(radial, along, half):
    """Of something with signed distance `radial` across and the slab |along| <= half."""
    w = abs(along) - half
    out_r, out_w = max(radial, 0.0), max(w, 0.0)
    return min(max(radial, w), 0.0) + np.sqrt(out_r * out_r + out_w * out_w)


@kernel()
def at_point(steps, values, outline, px, py, pz, stack):
    """The distance of one point; `stack` [16] is scratch."""
    top = 0
    for k in range(len(steps)):
        kind = steps[k, 0]
        if kind < 20:
            qx, qy, qz = px - values[k, 9], py - values[k, 10], pz - values[k, 11]
            x = values[k, 0] * qx + values[k, 3] * qy + values[k, 6] * qz
            y = values[k, 1] * qx + values[k, 4] * qy + values[k, 7] * qz
            z = values[k, 2] * qx + values[k, 5] * qy + values[k, 8] * qz
            a, b, c, e = values[k, 12], values[k, 13], values[k, 14], values[k, 15]
            d = 0.0
            if kind == 0:
                wx, wy, wz = abs(x) - a + e, abs(y) - b + e, abs(z) - c + e
                ox, oy, oz = max(wx, 0.0), max(wy, 0.0), max(wz, 0.0)
                d = np.sqrt(ox * ox + oy * oy + oz * oz) + min(max(wx, max(wy, wz)), 0.0) - e
            elif kind == 1:
                d = np.sqrt(x * x + y * y + z * z) - a
            elif kind == 2:
                y = y - min(max(y, -a), a)
                d = np.sqrt(x * x + y * y + z * z) - b
            elif kind == 3:
                d = _capped(np.sqrt(x * x + z * z) - b + c, y, a - c) - c
            elif kind == 4:
                r = np.sqrt(x * x + z * z) - a
                d = np.sqrt(r * r + y * y) - b
            elif kind == 5:
                d = _ellipsoid(x, y, z, a, b, c)
            elif kind == 6:
                d = _lathe(np.sqrt(x * x + z * z), y, outline, steps[k, 1], steps[k, 2]) - a
            elif kind == 7:
                d = _capped(_outline(x, y, outline, steps[k, 1], steps[k, 2]), z, a) - b
            else:
                d = a * _tube(x, y, z, outline, steps[k, 1], steps[k, 2])
            stack[top] = d
            top += 1
        elif kind == 23:
            stack[top - 1] -= values[k, 12]
        else:
            top -= 1
            one, two = stack[top - 1], stack[top]
            if kind == 20:
                smooth = values[k, 12]
                d = min(one, two)
                if smooth > 0.0:
                    h = max(smooth - abs(one - two), 0.0)
                    d -= h * h / (4.0 * smooth)
                stack[top - 1] = d
            elif kind == 21:
                stack[top - 1] = max(one, two)
            else:
                stack[top - 1] = max(one, -two)
    return stack[0]


@kernel()
def run(steps, values, outline, points):
    """Distances [n] of points [n, 3]."""
    stack = np.empty(16)
    out = np.empty(len(points))
    for i in range(len(points)):
        out[i] = at_point(steps, values, outline, points[i, 0], points[i, 1], points[i, 2], stack)
    return out
