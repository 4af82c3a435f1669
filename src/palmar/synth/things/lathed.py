"""Turned things with random outlines: bottles, jars, cups, mugs, glasses, bowls, vases, bulbs, knobs.

Outlines are (distance from the axis, height y), y downwards, from the axis above (or inside) round to the axis below.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.interpolate import PchipInterpolator

from palmar.synth.things.material import material
from palmar.synth.things.primitives import (
    Y,
    Z,
    ball_grip,
    disk_grip,
    lathe_shell,
    rod_grip,
    rounded_profile,
    tube_shell,
)
from palmar.synth.things.thing import Grip, Joint, Material, Shell, Thing, frame

Rng = np.random.Generator
Outline = Float[np.ndarray, "_ 2"]


def smooth(knots: Float[np.ndarray, "k 2"], count: int = 24) -> Outline:
    """An outline through (radius, y) knots with growing y, without overshoot (Fritsch and Carlson 1980)."""
    y = np.linspace(knots[0, 1], knots[-1, 1], count)
    return np.stack([PchipInterpolator(knots[:, 1], knots[:, 0])(y), y], 1)


def closed_profile(side: Outline, edge: float = 0.002) -> Outline:
    """A full body: its side from top to bottom, closed by two flat ends with slightly rounded edges."""
    top, bottom = side[0], side[-1]
    edge = min(edge, 0.3 * top[0], 0.3 * bottom[0], 0.1 * (bottom[1] - top[1]))
    t = np.linspace(0, np.pi / 2, 4)[:-1]
    ring = np.stack([edge * np.sin(t), -edge * np.cos(t)], 1)
    upper = top + ring + [-edge, edge]
    lower = (bottom + ring * [1, -1] + [-edge, -edge])[::-1]
    inner = side[(side[:, 1] > top[1] + 1.2 * edge) & (side[:, 1] < bottom[1] - 1.2 * edge)]
    return np.concatenate([[[0, top[1]]], upper, inner, lower, [[0, bottom[1]]]])


def vessel_profile(side: Outline, wall: float, floor: float) -> Outline:
    """An open body: from the middle of its floor up inside, over a round rim, and down outside.

    side: its outside from the rim to the base. wall, floor: thickness in metres.
    """
    normal = np.gradient(side, axis=0)
    normal = np.stack([-normal[:, 1], normal[:, 0]], 1)
    normal = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    inside = side + wall * normal
    base = side[-1, 1]
    inside = inside[(inside[:, 1] < base - floor) & (inside[:, 0] > 0.002)]
    inside = inside[np.concatenate([[True], np.diff(inside[:, 1]) > 1e-5])]
    t = np.linspace(0, np.pi, 5)[1:-1]
    middle = (side[0] + inside[0]) / 2
    out = (side[0] - inside[0]) / 2
    up = np.array([out[1], -out[0]])
    rim = middle - np.cos(t)[:, None] * out + np.sin(t)[:, None] * up
    last = inside[-1]
    floor_edge = np.array([[max(last[0] - 0.003, 0.3 * last[0]), base - floor]])
    return np.concatenate([[[0, base - floor]], floor_edge, inside[::-1], rim, side, [[0, base]]])


def _volume(profile: Outline) -> float:
    """Cubic metres of the turned body (Pappus, by trapezoids)."""
    r, y = profile[:, 0], profile[:, 1]
    return abs(float(np.pi * ((r[:-1] ** 2 + r[:-1] * r[1:] + r[1:] ** 2) / 3 * np.diff(y)).sum()))


def body_grips(side: Outline, name: str = "body") -> list[Grip]:
    """Rods where a hand's breadth of the side is nearly as wide everywhere."""
    grips = []
    top, bottom = side[0, 1], side[-1, 1]
    length = min(0.085, bottom - top)
    for middle in np.arange(top + length / 2, bottom - length / 2 + 1e-6, 0.02):
        near = np.abs(side[:, 1] - middle) <= length / 2 + 1e-6
        r = side[near, 0]
        if len(r) >= 2 and np.ptp(r) < 0.28 * r.mean():
            grips.append(rod_grip(float(r.max()), length, Y, (0, middle, 0), name))
    return grips


def band(material: Material, radius: float, top: float, bottom: float, part: int = 0) -> Shell:
    """A label around a body of that radius, a third of a millimetre thick, closed by its own ends."""
    return lathe_shell(rounded_profile(radius + 0.0003, bottom - top, 0.0002), material, part).moved(
        np.eye(3), (0.0, (top + bottom) / 2, 0.0)
    )


def bottle(rng: Rng) -> Thing:
    """Body, shoulder, neck and a cap that screws off."""
    radius, height = rng.uniform(0.026, 0.045), rng.uniform(0.15, 0.27)
    neck = rng.uniform(0.011, 0.018)
    shoulder = height * rng.uniform(0.5, 0.75)
    y0 = -height / 2
    cap_height = rng.uniform(0.014, 0.026)
    waist = radius * rng.uniform(0.86, 1.0)
    knots = np.array([
        [neck, y0 + cap_height - 0.002],
        [neck * 1.03, y0 + cap_height + rng.uniform(0.005, 0.03)],
        [radius, y0 + height - shoulder],
        [waist, y0 + height - 0.5 * shoulder],
        [radius, y0 + height - 0.01],
        [radius * 0.94, y0 + height],
    ])  # fmt: skip
    knots[2, 1] = max(knots[2, 1], knots[1, 1] + 0.02)
    knots[3, 1] = max(knots[3, 1], knots[2, 1] + 0.02)
    side = smooth(knots, 30)
    profile = closed_profile(side)
    of = material(rng, "plastic", "glass", "metal")
    body = lathe_shell(profile, of)
    cap_radius = neck + rng.uniform(0.0015, 0.004)
    cap_at = y0 + cap_height / 2
    cap = lathe_shell(rounded_profile(cap_radius, cap_height, 0.0015), material(rng, "plastic", "metal"), 1)
    shells = [body, cap.moved(np.eye(3), (0.0, cap_at, 0.0))]
    if waist > 0.97 * radius and rng.random() < 0.8:
        top, bottom = knots[2, 1] + 0.006, knots[4, 1] - 0.012
        if bottom - top > 0.03:
            shells.append(band(material(rng, "printed"), radius, top, bottom))
    grips = body_grips(side[side[:, 1] > knots[2, 1] - 0.01])
    grips.append(rod_grip(cap_radius, cap_height, Y, (0, cap_at, 0), "cap", 1))
    grips.append(disk_grip(cap_radius, cap_height, (0, cap_at, 0), "cap", 1))
    screw = Joint("cap", -Y, np.zeros(3), 0.0, 4 * np.pi, "screw", 0.003 / (2 * np.pi))
    return Thing("bottle", "lathe", tuple(shells), tuple(grips), 0.03 + 0.7e3 * _volume(profile), (screw,))


def jar(rng: Rng) -> Thing:
    """A wide body with a lid that screws off."""
    radius, height = rng.uniform(0.028, 0.046), rng.uniform(0.06, 0.14)
    lid_height, lid_radius = rng.uniform(0.012, 0.022), radius * rng.uniform(0.85, 1.02)
    y0 = -height / 2
    mouth = lid_radius - 0.002
    knots = np.array([[mouth, y0 + lid_height - 0.003], [mouth, y0 + lid_height + 0.004],
                      [radius, y0 + lid_height + 0.014], [radius, y0 + height - 0.008],
                      [0.93 * radius, y0 + height]])  # fmt: skip
    side = smooth(knots, 22)
    profile = closed_profile(side)
    lid = lathe_shell(rounded_profile(lid_radius, lid_height, 0.0015), material(rng, "metal", "plastic"), 1)
    at = y0 + lid_height / 2
    shells = [lathe_shell(profile, material(rng, "glass", "ceramic", "plastic")), lid.moved(np.eye(3), (0.0, at, 0.0))]
    if rng.random() < 0.7 and knots[3, 1] - knots[2, 1] > 0.03:
        shells.append(band(material(rng, "printed", "paper"), radius, knots[2, 1] + 0.004, knots[3, 1] - 0.004))
    grips = [
        rod_grip(radius, height - lid_height, Y, (0, lid_height / 2, 0)),
        disk_grip(lid_radius, lid_height, (0, at, 0), "lid", 1),
    ]
    screw = Joint("lid", -Y, np.zeros(3), 0.0, 2 * np.pi, "screw", 0.008 / (2 * np.pi))
    return Thing("jar", "lathe", tuple(shells), tuple(grips), 0.05 + 0.8e3 * _volume(profile), (screw,))


def glass(rng: Rng) -> Thing:
    """A tumbler or paper cup: open, straight or wider at its rim."""
    base, rim, height = rng.uniform(0.024, 0.035), 0.0, rng.uniform(0.08, 0.15)
    rim = base * rng.uniform(1.0, 1.4)
    knots = np.array([[rim, -height / 2], [base + 0.45 * (rim - base), 0.0], [base, height / 2]])
    side = smooth(knots, 14)
    profile = vessel_profile(side, rng.uniform(0.0012, 0.0025), rng.uniform(0.003, 0.008))
    shell = lathe_shell(profile, material(rng, "glass", "plastic", "paper", "printed", "ceramic"))
    grips = [*body_grips(side), disk_grip(rim, height, (0, 0, 0), "rim")]
    return Thing("glass", "lathe", (shell,), tuple(grips), 0.02 + 2e3 * _volume(profile) * 0.5)


def handle_path(radius: float, top: float, bottom: float, reach: float, count: int = 16) -> Float[np.ndarray, "n 3"]:
    """A D-shaped line in x and y from the wall of a body and back into it: `reach` metres off the wall."""
    t = np.linspace(-np.pi / 2, np.pi / 2, count)
    x = np.cos(t) ** 0.55 * reach
    y = (top + bottom) / 2 + np.sin(t) * (bottom - top) / 2
    path = np.stack([radius + x, y, np.zeros(count)], 1)
    into = np.array([[-0.0015, 0, 0]])
    return np.concatenate([path[:1] + into, path, path[-1:] + into])


def handle_grips(radius: float, top: float, bottom: float, reach: float, tube: float) -> tuple[Grip, ...]:
    """Of a handle at +x: the bar of its outer run, pinched from both sides, or with fingers through it."""
    at = (radius + reach, (top + bottom) / 2, 0.0)
    length = 0.6 * (bottom - top)
    slab = Grip("slab", np.array([tube, tube, length / 2]), frame(Y, Z, at), False, "handle")
    return slab, rod_grip(tube, length, Y, at, "handle")


def mug(rng: Rng) -> Thing:
    radius, height = rng.uniform(0.036, 0.046), rng.uniform(0.08, 0.11)
    bulge = rng.uniform(-0.06, 0.12)
    knots = np.array([[radius, -height / 2], [radius * (1 + bulge), 0.1 * height], [radius * 0.95, height / 2]])
    side = smooth(knots, 14)
    profile = vessel_profile(side, rng.uniform(0.003, 0.0045), 0.006)
    of = material(rng, "ceramic", "ceramic", "printed", "metal", "plastic")
    tube, reach = rng.uniform(0.004, 0.006), rng.uniform(0.026, 0.036)
    top, bottom = -0.36 * height, 0.34 * height
    wall = float(np.interp([top, bottom], side[:, 1], side[:, 0]).min()) - tube * 0.3
    plain = Material(of.name, of.albedo, of.roughness, of.specular)
    handle = tube_shell(handle_path(wall, top, bottom, reach), tube, plain)
    grips = [
        *body_grips(side),
        *handle_grips(wall, top, bottom, reach, tube),
        disk_grip(radius, height, (0, 0, 0), "rim"),
    ]
    return Thing("mug", "lathe", (lathe_shell(profile, of), handle), tuple(grips), 0.3)


def wineglass(rng: Rng) -> Thing:
    bowl, height, foot = rng.uniform(0.03, 0.042), rng.uniform(0.16, 0.22), rng.uniform(0.03, 0.038)
    stem = rng.uniform(0.0035, 0.005)
    y0, y1 = -height / 2, height / 2
    cup = 0.45 * height
    side = smooth(np.array([[bowl * 0.8, y0], [bowl, y0 + 0.6 * cup], [bowl * 0.6, y0 + 0.9 * cup],
                            [stem, y0 + 1.08 * cup], [stem, y1 - 0.012], [foot * 0.9, y1 - 0.003],
                            [foot, y1 - 0.001], [foot, y1]]), 40)  # fmt: skip
    inside = smooth(np.array([[0.8 * bowl - 0.0015, y0], [bowl - 0.0015, y0 + 0.6 * cup],
                              [bowl * 0.52, y0 + 0.88 * cup]]), 12)[::-1]  # fmt: skip
    profile = np.concatenate([[[0, y0 + 0.93 * cup]], inside, [[0.8 * bowl - 0.0007, y0 - 0.0006]], side, [[0, y1]]])
    shell = lathe_shell(profile, material(rng, "glass"))
    middle = y0 + 1.08 * cup + 0.5 * (height - 1.08 * cup - 0.012)
    length = height - 1.1 * cup - 0.014
    grips = (
        rod_grip(stem, length, Y, (0, middle, 0), "stem"),
        rod_grip(bowl, 0.5 * cup, Y, (0, y0 + 0.5 * cup, 0), "bowl"),
    )
    return Thing("wine glass", "lathe", (shell,), grips, 0.15)


def bowl(rng: Rng) -> Thing:
    radius, height = rng.uniform(0.055, 0.085), rng.uniform(0.04, 0.065)
    base = radius * rng.uniform(0.4, 0.6)
    t = np.linspace(0, np.pi / 2, 14)
    side = np.stack([base + (radius - base) * np.cos(t), -height / 2 + height * np.sin(t)], 1)
    profile = vessel_profile(side, rng.uniform(0.002, 0.004), 0.004)
    shell = lathe_shell(profile, material(rng, "ceramic", "plastic", "metal", "wood", "glass"))
    rim = Grip("slab", np.array([0.012, 0.0025, 0.012]), frame(Z, (1, 0, 0), (radius - 0.004, -height / 2 + 0.012, 0)),
               False, "rim")  # fmt: skip
    return Thing("bowl", "lathe", (shell,), (rim, disk_grip(radius, height, (0, 0, 0), "rim")), 0.25)


def vase(rng: Rng) -> Thing:
    """Anything turned: four to six random widths, open or closed at the top."""
    count, height = int(rng.integers(4, 7)), rng.uniform(0.1, 0.24)
    y = np.linspace(-height / 2, height / 2, count)
    y[1:-1] += rng.uniform(-0.3, 0.3, count - 2) * height / count
    side = smooth(np.stack([rng.uniform(0.014, 0.046, count), y], 1), 32)
    hollow = rng.random() < 0.5 and side[0, 0] > 0.016
    profile = vessel_profile(side, 0.003, 0.02) if hollow else closed_profile(side)
    if hollow and not _plain(profile):
        profile = closed_profile(side)
    shell = lathe_shell(profile, material(rng))
    grips = body_grips(side) or [rod_grip(float(side[:, 0].max()), height)]
    return Thing("vase", "lathe", (shell,), tuple(grips), 0.02 + 1e3 * _volume(profile))


def _plain(profile: Outline) -> bool:
    """Whether the outline does not cross itself (checked between all pieces that are not neighbours)."""
    a, b = profile[:-1, None], profile[1:, None]
    c, d = profile[None, :-1], profile[None, 1:]

    def side(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> np.ndarray:
        return (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (r[..., 0] - p[..., 0])

    crossed = (side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0)
    return not crossed.any()


def bulb(rng: Rng) -> Thing:
    """A light bulb: a globe on a metal screw."""
    radius = rng.uniform(0.024, 0.034)
    neck = 0.0135
    t = np.linspace(0, np.pi - np.arcsin(neck / radius) - 0.25, 16)
    globe = np.stack([radius * np.sin(t), -radius * np.cos(t)], 1)
    globe[0, 0] = 0.0
    end = globe[-1, 1]
    profile = np.concatenate([globe, [[neck, end + 0.014], [0, end + 0.014]]])
    white = Material("glass", (0.8, 0.79, 0.75), 0.2, 1.5)
    base = np.array([[0, end + 0.012], [neck - 0.0005, end + 0.012], [neck - 0.0005, end + 0.032],
                     [0.007, end + 0.036], [0, end + 0.037]])  # fmt: skip
    grips = (ball_grip(radius), rod_grip(neck, 0.02, Y, (0, end + 0.022, 0), "screw"))
    return Thing("bulb", "lathe", (lathe_shell(profile, white), lathe_shell(base, material(rng, "metal"))), grips, 0.06)


def can(rng: Rng) -> Thing:
    """A tin: cylinder with a printed side."""
    radius, height = rng.uniform(0.026, 0.05), rng.uniform(0.05, 0.17)
    shells = (
        lathe_shell(rounded_profile(radius, height, 0.002), material(rng, "metal")),
        band(material(rng, "printed"), radius, -0.45 * height, 0.45 * height),
    )
    return Thing("can", "lathe", shells, (rod_grip(radius, height), disk_grip(radius, height)), 0.3)


def knob(rng: Rng) -> Thing:
    """A chess man, a stopper, a handle of a drawer: narrow, then round."""
    radius = rng.uniform(0.01, 0.024)
    height = 2.2 * radius + rng.uniform(0.015, 0.04)
    waist = radius * rng.uniform(0.35, 0.6)
    t = np.linspace(0.0, 2.3, 12)
    head = np.stack([radius * np.sin(t), -height / 2 + radius * (1 - np.cos(t))], 1)
    head[0, 0] = 0.0
    low = head[-1, 1]
    foot = radius * rng.uniform(0.9, 1.2)
    knots = np.array([[head[-1, 0], low], [waist, low + 0.25 * (height / 2 - low)], [foot, height / 2 - 0.004],
                      [foot, height / 2]])  # fmt: skip
    profile = np.concatenate([head, smooth(knots, 12)[1:], [[0, height / 2]]])
    shell = lathe_shell(profile, material(rng, "wood", "plastic", "metal", "ceramic"))
    return Thing("knob", "lathe", (shell,), (ball_grip(radius, (0, -height / 2 + radius, 0), "head"),), 0.05)
