"""Plain bodies: boxes, cylinders, capsules, ellipsoids, cones, rings, sheets, and what looks like them."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from palmar.synth.things import solid as s
from palmar.synth.things import surface as f
from palmar.synth.things.material import material
from palmar.synth.things.thing import Grip, Material, Shell, Thing, frame

Rng = np.random.Generator
X, Y, Z = np.eye(3)
ALONG_X = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]).T
"""Turns what stands along y into what lies along x."""
ALONG_Z = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])


def log_uniform(rng: Rng, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def box_shell(size: Float[np.ndarray, " 3"], radius: float, of: Material, part: int = 0) -> Shell:
    return Shell(f.box_surface(size, radius), s.box(size, radius), of, part)


def lathe_shell(profile: Float[np.ndarray, "n 2"], of: Material, part: int = 0, around: int = 40) -> Shell:
    return Shell(f.lathe_surface(profile, around), s.lathe(profile), of, part)


def tube_shell(path: Float[np.ndarray, "n 3"], radius, of: Material, part: int = 0, around: int = 14) -> Shell:
    """Vertices are drawn onto the solid: at bends and where the radius changes, the circles are not quite on it."""
    solid = s.tube(path, radius)
    return Shell(f.drawn_on(f.tube_surface(path, radius, around), solid), solid, of, part)


def loop_shell(path: Float[np.ndarray, "n 3"], radius: float, of: Material, part: int = 0) -> Shell:
    """A flat closed line with thickness."""
    solid = s.tube(np.concatenate([path, path[:1]]), radius)
    return Shell(f.drawn_on(f.loop_surface(path, radius), solid), solid, of, part)


def extrude_shell(outline: Float[np.ndarray, "n 2"], thickness: float, of: Material, part: int = 0) -> Shell:
    return Shell(f.extrude_surface(outline, thickness), s.extrude(outline, thickness), of, part)


def box_grips(size: Float[np.ndarray, " 3"], at=(0.0, 0.0, 0.0), name: str = "body", part: int = 0) -> tuple[Grip, ...]:
    """Of a box along the thing's axes: flat between every pair of opposite sides, and a rod along its longest axis."""
    half = np.asarray(size, np.float64) / 2
    grips = []
    for thin in range(3):
        others = [k for k in range(3) if k != thin]
        along = others[int(np.argmax(half[others]))]
        across = others[int(np.argmin(half[others]))] if half[others[0]] != half[others[1]] else 3 - thin - along
        extent = np.array([half[across], half[thin], half[along]])
        grips.append(Grip("slab", extent, frame(np.eye(3)[along], np.eye(3)[thin], at), False, name, part))
    long = int(np.argmax(half))
    others = [k for k in range(3) if k != long]
    extent = np.array([half[others[1]], half[others[0]], half[long]])
    rod = frame(np.eye(3)[long], np.eye(3)[others[0]], at)
    grips.append(Grip("rod", extent, rod, False, name, part))
    return tuple(grips)


def rod_grip(radius: float, length: float, axis=Y, at=(0.0, 0.0, 0.0), name: str = "body", part: int = 0) -> Grip:
    """A round rod: full length, along an axis of the thing."""
    other = Z if abs(axis[2]) < 0.9 else X
    return Grip("rod", np.array([radius, radius, length / 2]), frame(axis, other, at), True, name, part)


def disk_grip(radius: float, height: float, at=(0.0, 0.0, 0.0), name: str = "body", part: int = 0, axis=Y) -> Grip:
    """A flat round about an axis whose upper side is -axis: full height."""
    other = Z if abs(axis[2]) < 0.9 else X
    return Grip("disk", np.array([radius, height / 2, radius]), frame(other, axis, at), True, name, part)


def ball_grip(radius: float, at=(0.0, 0.0, 0.0), name: str = "body", part: int = 0) -> Grip:
    place = np.eye(4)
    place[:3, 3] = at
    return Grip("ball", np.full(3, radius), place, True, name, part)


# ------------------------------------------------------------------------------------------------------- generators


def box(rng: Rng) -> Thing:
    size = np.exp(rng.uniform(math.log(0.02), math.log(0.16), 3))
    radius = float(rng.uniform(0, 0.25) * size.min()) if rng.random() < 0.7 else 0.0
    shell = box_shell(size, radius, material(rng))
    return Thing("box", "primitive", (shell,), box_grips(size), _mass(size.prod(), rng))


def sheet(rng: Rng) -> Thing:
    """A card, a sheet, a folder: 1 to 4 mm."""
    size = np.array([rng.uniform(0.05, 0.16), rng.uniform(0.001, 0.004), rng.uniform(0.07, 0.24)])
    shell = box_shell(size, 0.0, material(rng, "paper", "printed", "plastic", "patterned"))
    return Thing("sheet", "primitive", (shell,), box_grips(size)[1:2], _mass(size.prod(), rng))


def cylinder(rng: Rng) -> Thing:
    radius, length = log_uniform(rng, 0.006, 0.05), log_uniform(rng, 0.05, 0.24)
    edge = min(float(rng.uniform(0.0003, 0.004)), 0.4 * radius)
    profile = rounded_profile(radius, length, edge)
    shell = lathe_shell(profile, material(rng))
    grips = [rod_grip(radius, length)]
    if radius > 0.018:
        grips.append(disk_grip(radius, length))
    return Thing("cylinder", "primitive", (shell,), tuple(grips), _mass(np.pi * radius**2 * length, rng))


def rounded_profile(radius: float, length: float, edge: float, steps: int = 4) -> Float[np.ndarray, "n 2"]:
    """Outline of a cylinder about y with rounded edges, for a lathe: from the top (-y) to the bottom."""
    t = np.linspace(0, np.pi / 2, steps)
    corner = np.stack([radius - edge + edge * np.sin(t), -length / 2 + edge - edge * np.cos(t)], 1)
    return np.concatenate([[[0, -length / 2]], corner, (corner * [1, -1])[::-1], [[0, length / 2]]])


def capsule(rng: Rng) -> Thing:
    radius = log_uniform(rng, 0.008, 0.035)
    length = rng.uniform(0.5, 5) * radius
    t = np.linspace(0, np.pi / 2, 9)
    cap = np.stack([radius * np.sin(t), -length / 2 - radius * np.cos(t)], 1)
    profile = np.concatenate([cap, (cap * [1, -1])[::-1]])
    profile[[0, -1], 0] = 0.0
    shell = lathe_shell(profile, material(rng, "plastic", "rubber", "metal", "ceramic"))
    grips = (rod_grip(radius, length + radius),)
    return Thing("capsule", "primitive", (shell,), grips, _mass(np.pi * radius**2 * (length + radius), rng))


def ball(rng: Rng) -> Thing:
    radius = log_uniform(rng, 0.012, 0.055)
    t = np.linspace(0, np.pi, 25)
    profile = radius * np.stack([np.sin(t), -np.cos(t)], 1)
    profile[[0, -1], 0] = 0.0
    shell = lathe_shell(profile, material(rng))
    return Thing("ball", "primitive", (shell,), (ball_grip(radius),), _mass(4.2 * radius**3, rng))


def ellipsoid(rng: Rng) -> Thing:
    """Eggs, stones, lemons, soaps: turned about y, then stretched along z."""
    half = np.sort(np.exp(rng.uniform(math.log(0.014), math.log(0.045), 3)))[[1, 0, 2]]
    t = np.linspace(0, np.pi, 25)
    profile = np.stack([np.sin(t), -np.cos(t)], 1)
    profile[[0, -1], 0] = 0.0
    unit = f.lathe_surface(profile)
    surface = f.Surface(unit.vertices * half, unit.faces, unit.uv)
    shell = Shell(surface, s.ellipsoid(half), material(rng, "plastic", "rubber", "ceramic", "patterned", "wood"))
    long = frame(Z, Y)
    grips = (Grip("ball", half[[0, 1, 2]], np.eye(4), False), Grip("rod", half * [1, 1, 0.7], long, False))
    return Thing("ellipsoid", "primitive", (shell,), grips, _mass(4.2 * half.prod(), rng))


def cone(rng: Rng) -> Thing:
    """A frustum, wider at its bottom or its top."""
    top, bottom, length = log_uniform(rng, 0.006, 0.04), log_uniform(rng, 0.012, 0.045), rng.uniform(0.05, 0.16)
    profile = np.array([[0, -length / 2], [top, -length / 2], [bottom, length / 2], [0, length / 2]])
    shell = lathe_shell(profile, material(rng))
    middle = (top + bottom) / 2
    return Thing("cone", "primitive", (shell,), (rod_grip(middle, length),), _mass(np.pi * middle**2 * length, rng))


def torus(rng: Rng) -> Thing:
    """A ring that lies flat: bracelets, rolls of tape, toy rings."""
    tube = log_uniform(rng, 0.004, 0.012)
    ring = tube + rng.uniform(0.012, 0.04)
    t = 2 * np.pi * np.arange(36) / 36
    surface = f.loop_surface(np.stack([ring * np.sin(t), 0 * t, ring * np.cos(t)], 1), tube, 14)
    shell = Shell(surface, s.torus(ring, tube), material(rng, "plastic", "rubber", "metal", "ceramic"))
    side = Grip("slab", np.array([tube, tube, 0.6 * tube]), frame(Z, Y, (ring, 0, 0)), False, "rim")
    grips = (disk_grip(ring + tube, 2 * tube), side)
    return Thing("torus", "primitive", (shell,), grips, _mass(20 * ring * tube**2, rng))


def phone(rng: Rng) -> Thing:
    """A slab with round corners and a dark or lit screen, in one hand or two."""
    size = np.array([rng.uniform(0.064, 0.08), rng.uniform(0.007, 0.0095), rng.uniform(0.138, 0.168)])
    body = box_shell(size, 0.003, material(rng, "plastic", "metal", "glass"))
    screen = size * [0.93, 0, 0.95] + [0, 0.0006, 0]
    lit = material(rng, "printed") if rng.random() < 0.5 else Material("screen", (0.012, 0.012, 0.014), 0.07, 2.0)
    glass = box_shell(screen, 0.0, lit).moved(np.eye(3), (0.0, -size[1] / 2, 0.0))
    grips = box_grips(size)
    return Thing("phone", "household", (body, glass), (grips[1], grips[0]), 0.18)


def _mass(volume: float, rng: Rng) -> float:
    """Of a body that is partly hollow, 150 to 1,000 kg per cubic metre."""
    return float(volume * rng.uniform(150, 1000))
