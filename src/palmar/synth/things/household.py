"""Things of a household and a workshop at the sizes of those in the YCB set (Calli et al. 2015, table 1: extents as
facts; the shapes are ours), and a few more. Each takes a generator for colours and sizes a few per cent around."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from palmar.synth.things import solid as s
from palmar.synth.things import surface as f
from palmar.synth.things.lathed import band, bowl, closed_profile, handle_grips, handle_path, smooth, vessel_profile
from palmar.synth.things.material import material
from palmar.synth.things.primitives import (
    ALONG_X,
    X,
    Y,
    Z,
    ball_grip,
    box_grips,
    box_shell,
    disk_grip,
    extrude_shell,
    lathe_shell,
    rod_grip,
    rounded_profile,
    tube_shell,
)
from palmar.synth.things.thing import Grip, Material, Shell, Thing, frame

Rng = np.random.Generator
UP = np.eye(3)


def _about(rng: Rng, *size: float, share: float = 0.06) -> Float[np.ndarray, " n"]:
    """Millimetres as metres, all a few per cent larger or smaller."""
    return np.array(size) * 1e-3 * rng.uniform(1 - share, 1 + share)


def _package(rng: Rng, name: str, width: float, height: float, depth: float, mass: float, *of: str) -> Thing:
    """A box that stands."""
    size = _about(rng, width, height, depth)
    shell = box_shell(size, 0.0015, material(rng, *(of or ("printed",))))
    return Thing(name, "household", (shell,), box_grips(size), mass)


def cracker_box(rng: Rng) -> Thing:
    return _package(rng, "cracker box", 158, 210, 60, 0.411)


def sugar_box(rng: Rng) -> Thing:
    return _package(rng, "sugar box", 89, 175, 38, 0.514)


def pudding_box(rng: Rng) -> Thing:
    return _package(rng, "pudding box", 110, 89, 35, 0.187)


def gelatin_box(rng: Rng) -> Thing:
    return _package(rng, "gelatin box", 85, 73, 28, 0.097)


def meat_can(rng: Rng) -> Thing:
    """Rounded rectangle, 50 x 97 x 82."""
    size = _about(rng, 97, 82, 50)
    outline = _rounded(size[0], size[2], 0.015)
    shell = extrude_shell(outline, float(size[1]), material(rng, "printed")).moved(_upright(), (0, 0, 0))
    return Thing("meat can", "household", (shell,), box_grips(size), 0.37)


def _upright() -> np.ndarray:
    """Turns what was extruded along z so that it stands along y."""
    return np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])


def _rounded(width: float, height: float, radius: float, steps: int = 6) -> Float[np.ndarray, "n 2"]:
    """Outline of a rectangle with round corners, counter-clockwise."""
    t = np.linspace(0, np.pi / 2, steps)
    arc = radius * np.stack([np.cos(t), np.sin(t)], 1)
    x, y = width / 2 - radius, height / 2 - radius
    corners = []
    for k, (a, b) in enumerate(((x, y), (-x, y), (-x, -y), (x, -y))):
        c, d = math.cos(k * np.pi / 2), math.sin(k * np.pi / 2)
        corners.append(arc @ np.array([[c, d], [-d, c]]) + [a, b])
    return np.concatenate(corners)


def _tin(rng: Rng, name: str, diameter: float, height: float, mass: float) -> Thing:
    radius, tall = _about(rng, diameter / 2, height)
    shells = (
        lathe_shell(rounded_profile(radius, tall, 0.002), material(rng, "metal")),
        band(material(rng, "printed"), radius, -0.46 * tall, 0.46 * tall),
    )
    return Thing(name, "household", shells, (rod_grip(radius, tall), disk_grip(radius, tall)), mass)


def soup_can(rng: Rng) -> Thing:
    return _tin(rng, "soup can", 66, 101, 0.349)


def coffee_can(rng: Rng) -> Thing:
    return _tin(rng, "coffee can", 102, 139, 0.414)


def tuna_can(rng: Rng) -> Thing:
    return _tin(rng, "tuna can", 85, 33, 0.171)


def mustard_bottle(rng: Rng) -> Thing:
    """Flattened bottle, 58 x 190 x 95, with a pointed cap."""
    width, height, depth = _about(rng, 95, 190, 58)
    body_height = 0.78 * height
    y0, y1 = height / 2 - body_height, height / 2
    knots = np.array([[0.30, y0], [0.42, y0 + 0.006], [0.92, y0 + 0.035], [1.0, y0 + 0.06], [0.97, 0.5 * (y0 + y1)],
                      [1.0, y1 - 0.008], [0.95, y1]])  # fmt: skip
    side = smooth(knots, 22)
    unit = closed_profile(side * [depth / 2, 1.0])
    stretch = np.array([width / depth, 1.0, 1.0])
    of = material(rng, "plastic")
    turned = f.lathe_surface(unit)
    drawn = f.Surface(turned.vertices * stretch, turned.faces, turned.uv)
    body = Shell(drawn, s.lathe(unit).stretched(stretch), of)
    cap = np.array([[0, -height / 2], [0.0035, -height / 2], [0.005, -height / 2 + 0.014], [0.011, -height / 2 + 0.02],
                    [0.0125, y0 + 0.004], [0, y0 + 0.004]])  # fmt: skip
    shells = (body, lathe_shell(cap, material(rng, "plastic")))
    at = (0.0, 0.5 * (y0 + y1) + 0.01, 0.0)
    grips = [
        Grip("rod", np.array([width / 2, depth / 2, 0.045]), frame(Y, Z, at)),
        Grip("slab", np.array([width / 2, depth / 2, 0.045]), frame(Y, Z, at)),
        rod_grip(0.012, 0.02, Y, (0, y0 - 0.008, 0), "cap"),
    ]
    return Thing("mustard bottle", "household", shells, tuple(grips), 0.6)


def bleach_bottle(rng: Rng) -> Thing:
    """A canister of 102 x 250 x 67 with a handle cut into its upper part."""
    width, height, depth = _about(rng, 98, 240, 65)
    top = -height / 2 + 0.045
    main = s.box((width, height / 2 - top, depth), 0.022).moved(translation=(0.0, (height / 2 + top) / 2, 0.0))
    neck = s.cylinder(0.05, 0.016).moved(translation=(-0.2 * width, top - 0.012, 0.0))
    through = s.box((0.027, 0.082, 0.2), 0.0134).moved(translation=(0.13 * width, top + 0.055, 0.0))
    whole = main.union(neck, 0.02) - through
    low, high = np.array([-width / 2, -height / 2, -depth / 2]), np.array([width / 2, height / 2, depth / 2])
    surface = f.polygonised(whole, low - 0.004, high + 0.004, 56)
    cap = rounded_profile(0.018, 0.024, 0.002)
    cap_shell = lathe_shell(cap, material(rng, "plastic")).moved(UP, (-0.2 * width, top - 0.03, 0.0))
    label = material(rng, "plastic")
    bar = (width / 2 - 0.5 * (width / 2 - 0.13 * width - 0.0135), top + 0.055, 0.0)
    bar_half = 0.5 * (width / 2 - 0.13 * width - 0.0135)
    grips = (
        Grip("rod", np.array([width / 2, depth / 2, 0.045]), frame(Y, Z, (0, 0.05, 0))),
        Grip("rod", np.array([bar_half, 0.5 * depth, 0.033]), frame(Y, Z, bar), False, "handle"),
        rod_grip(0.018, 0.024, Y, (-0.2 * width, top - 0.03, 0.0), "cap"),
    )
    return Thing("bleach bottle", "household", (Shell(surface, whole, label), cap_shell), grips, 1.13)


def pitcher(rng: Rng) -> Thing:
    """A jug, 108 wide and 235 high, with a handle."""
    radius, height = _about(rng, 52, 210)
    side = smooth(np.array([[radius * 0.94, -height / 2], [radius, 0.0], [radius * 0.86, height / 2]]), 12)
    of = material(rng, "plastic", "ceramic", "glass")
    body = lathe_shell(vessel_profile(side, 0.003, 0.005), of)
    top, bottom, reach, tube = -0.42 * height, 0.22 * height, 0.045, 0.0095
    handle = tube_shell(handle_path(radius * 0.93, top, bottom, reach), tube, of)
    plain = Material(of.name, of.albedo, of.roughness, of.specular)
    handle = Shell(handle.surface, handle.solid, plain)
    grips = (*handle_grips(radius * 0.93, top, bottom, reach, tube), rod_grip(radius, 0.08, Y, (0, 0.04, 0)))
    return Thing("pitcher", "household", (body, handle), grips, 0.18)


def ycb_mug(rng: Rng) -> Thing:
    """80 wide and 82 high."""
    radius, height = _about(rng, 40, 82)
    side = np.array([[radius, -height / 2], [radius, 0.0], [radius, height / 2 - 0.004], [radius - 0.003, height / 2]])
    of = material(rng, "ceramic")
    body = lathe_shell(vessel_profile(side, 0.0035, 0.006), of)
    handle = tube_shell(handle_path(radius - 0.002, -0.027, 0.027, 0.031), 0.005, of)
    grips = (*handle_grips(radius - 0.002, -0.027, 0.027, 0.031, 0.005), rod_grip(radius, height),
             disk_grip(radius, height, (0, 0, 0), "rim"))  # fmt: skip
    return Thing("coffee mug", "household", (body, handle), grips, 0.118)


def ycb_bowl(rng: Rng) -> Thing:
    made = bowl(rng)
    return Thing("soup bowl", "household", made.shells, made.grips, 0.147)


def plate(rng: Rng) -> Thing:
    """258 across, 24 high."""
    radius, height = _about(rng, 110, 22)
    y = height / 2
    profile = np.array([[0, y - 0.005], [0.6 * radius, y - 0.005], [0.7 * radius, y - 0.009], [radius - 0.002, -y],
                        [radius, -y + 0.0006], [radius - 0.001, -y + 0.003], [0.72 * radius, y - 0.005],
                        [0.62 * radius, y], [0, y]])  # fmt: skip
    shell = lathe_shell(profile, material(rng, "ceramic", "plastic", "patterned"), around=56)
    angle = math.atan2(height - 0.009, 0.3 * radius)
    across = np.array([math.sin(angle), -math.cos(angle), 0])
    rim = Grip("slab", np.array([0.014, 0.0018, 0.02]), frame(Z, across, (0.86 * radius, -0.1 * y, 0)), False, "rim")
    return Thing("plate", "household", (shell,), (rim,), 0.279)


def banana(rng: Rng) -> Thing:
    """36 thick and 190 long, bent."""
    length, radius = _about(rng, 170, 18)
    bend = rng.uniform(0.9, 1.4)
    t = np.linspace(-0.5, 0.5, 17)
    big = length / bend
    path = np.stack([big * np.sin(bend * t), big * (1 - np.cos(bend * t)) - 0.03, np.zeros(17)], 1)
    thick = radius * np.clip(1.15 * (1 - (2 * np.abs(t)) ** 4.0), 0.28, 1.0)
    skin = Material("peel", (0.72, 0.5, 0.04), 0.55, 0.6)
    end = tube_shell(np.stack([path[-1], path[-1] + (path[-1] - path[-2]) * 1.4]), np.array([0.3, 0.22]) * radius,
                     Material("peel", (0.16, 0.12, 0.03), 0.7, 0.4))  # fmt: skip
    grips = tuple(
        Grip("rod", np.array([radius, radius, 0.036]), frame(path[k + 2] - path[k - 2], Z, path[k]), True)
        for k in (6, 8, 10)
    )
    return Thing("banana", "household", (tube_shell(path, thick, skin, around=10), end), grips, 0.066)


def _fruit(rng: Rng, name: str, diameter: float, colour: tuple[float, float, float], dent: float, mass: float) -> Thing:
    """A ball with a dent at its stalk."""
    radius = float(_about(rng, diameter / 2)[0])
    t = np.linspace(0, np.pi, 27)
    r = radius * (1 - dent * np.exp(-((t / 0.45) ** 2)) - 0.4 * dent * np.exp(-(((np.pi - t) / 0.4) ** 2)))
    profile = np.stack([r * np.sin(t), -r * np.cos(t)], 1)
    profile[[0, -1], 0] = 0.0
    tint = np.clip(np.array(colour) * rng.uniform(0.8, 1.2, 3), 0, 0.9)
    shell = lathe_shell(profile, Material("peel", (float(tint[0]), float(tint[1]), float(tint[2])), 0.4, 0.9))
    return Thing(name, "household", (shell,), (ball_grip(radius * 0.98),), mass)


def apple(rng: Rng) -> Thing:
    return _fruit(rng, "apple", 75, (0.45, 0.04, 0.03), 0.22, 0.068)


def orange(rng: Rng) -> Thing:
    return _fruit(rng, "orange", 73, (0.85, 0.3, 0.02), 0.03, 0.047)


def plum(rng: Rng) -> Thing:
    return _fruit(rng, "plum", 52, (0.12, 0.02, 0.06), 0.1, 0.025)


def lemon(rng: Rng) -> Thing:
    """54 thick, 68 long, with a point at both ends."""
    radius, long = _about(rng, 27, 34)
    t = np.linspace(0, np.pi, 27)
    y = -long * np.cos(t) - 0.004 * np.sign(np.cos(t)) * np.exp(-((np.sin(t) / 0.3) ** 2))
    profile = np.stack([radius * np.sin(t) ** 1.15, y], 1)
    profile[[0, -1], 0] = 0.0
    shell = lathe_shell(profile, Material("peel", (0.85, 0.62, 0.05), 0.45, 0.8)).moved(ALONG_X, (0, 0, 0))
    return Thing("lemon", "household", (shell,), (ball_grip(radius), rod_grip(radius * 0.96, 0.04, X)), 0.029)


def _sphere(rng: Rng, name: str, diameter: float, mass: float, *of: str) -> Thing:
    radius = float(_about(rng, diameter / 2, share=0.02)[0])
    t = np.linspace(0, np.pi, 27)
    profile = radius * np.stack([np.sin(t), -np.cos(t)], 1)
    profile[[0, -1], 0] = 0.0
    return Thing(name, "household", (lathe_shell(profile, material(rng, *of)),), (ball_grip(radius),), mass)


def tennis_ball(rng: Rng) -> Thing:
    return _sphere(rng, "tennis ball", 64.7, 0.058, "rubber", "plastic")


def baseball(rng: Rng) -> Thing:
    return _sphere(rng, "baseball", 75, 0.148, "patterned", "plastic")


def golf_ball(rng: Rng) -> Thing:
    return _sphere(rng, "golf ball", 42.7, 0.046, "plastic")


def die(rng: Rng) -> Thing:
    size = np.full(3, float(_about(rng, 16.2)[0]))
    shell = box_shell(size, 0.0025, material(rng, "plastic"))
    return Thing("die", "household", (shell,), (*box_grips(size)[:3], ball_grip(float(size[0]) * 0.5)), 0.005)


def sponge(rng: Rng) -> Thing:
    size = _about(rng, 114, 14, 72)
    foam = Material("foam", material(rng, "plastic").albedo, 0.95, 0.1)
    return Thing("sponge", "household", (box_shell(size, 0.003, foam),), box_grips(size), 0.006)


def wood_block(rng: Rng) -> Thing:
    return _package(rng, "wood block", 85, 200, 85, 0.729, "wood")


def marker(rng: Rng) -> Thing:
    """18 thick, 121 long: a barrel along x with a cap."""
    radius, length = _about(rng, 8.5, 121)
    x = -length / 2
    barrel = np.array([[0, x + 0.4 * length], [0.93 * radius, x + 0.4 * length], [radius, x + 0.42 * length],
                       [radius, length / 2 - 0.003], [0.7 * radius, length / 2], [0, length / 2]])  # fmt: skip
    cap = np.array([[0, x], [0.8 * radius, x], [1.05 * radius, x + 0.004], [1.08 * radius, x + 0.4 * length + 0.004],
                    [0, x + 0.4 * length + 0.004]])  # fmt: skip
    shells = (lathe_shell(barrel, material(rng, "plastic", "printed"), around=20),
              lathe_shell(cap, material(rng, "plastic"), around=20))  # fmt: skip
    shells = tuple(shell.moved(ALONG_X, (0, 0, 0)) for shell in shells)
    return Thing("marker", "household", shells, (rod_grip(radius, length, X),), 0.016)


def pen(rng: Rng) -> Thing:
    """A pencil, ball pen or brush: 7 to 11 thick, 130 to 190 long, with a point."""
    radius, length = rng.uniform(0.0035, 0.0055), rng.uniform(0.13, 0.19)
    tip, x = rng.uniform(0.012, 0.022), -length / 2
    profile = np.array([[0, x], [0.0006, x + 0.0003], [0.55 * radius, x + 0.5 * tip], [radius, x + tip],
                        [radius, length / 2 - 0.001], [0.6 * radius, length / 2], [0, length / 2]])  # fmt: skip
    shell = lathe_shell(profile, material(rng, "plastic", "metal", "wood", "printed"), around=16)
    end = rounded_profile(radius * 1.02, 0.012, 0.0008)
    shells = (
        shell.moved(ALONG_X, (0, 0, 0)),
        lathe_shell(end, material(rng, "metal", "rubber"), around=16).moved(ALONG_X, (length / 2 - 0.008, 0.0, 0.0)),
    )
    return Thing("pen", "household", shells, (rod_grip(radius, length - tip, X, (tip / 2, 0, 0)),), 0.01)


def hammer(rng: Rng) -> Thing:
    """24 x 32 x 135 head on a shaft of 300: along x, the head at -x."""
    length, head = _about(rng, 270, 108)
    grip_radius = rng.uniform(0.012, 0.016)
    x = -length / 2
    shaft = smooth(np.array([[0.0085, x - 0.004], [0.008, x + 0.06], [grip_radius, x + 0.14],
                             [grip_radius, length / 2 - 0.01], [grip_radius * 1.08, length / 2]]), 16)  # fmt: skip
    handle = lathe_shell(closed_profile(shaft), material(rng, "wood", "rubber"), around=20).moved(ALONG_X, (0, 0, 0))
    steel = material(rng, "metal")
    front = smooth(np.array([[0.0135, -0.1 * head], [0.011, 0.16 * head], [0.0105, 0.22 * head], [0.0135, 0.3 * head],
                             [0.0135, 0.42 * head]]), 12)  # fmt: skip
    face = lathe_shell(closed_profile(front), steel, around=24).moved(UP, (x, 0.0, 0.0))
    claw = np.array([[0.011, 0.012], [-0.011, 0.012], [-0.0095, -0.012], [-0.004, -0.5 * head], [0.004, -0.58 * head],
                     [0.008, -0.56 * head], [0.0095, -0.02]])  # fmt: skip
    claws = extrude_shell(claw, 0.02, steel).moved(UP, (x, 0.0, 0.0))
    grips = (rod_grip(grip_radius, 0.115, X, (length / 2 - 0.062, 0, 0), "handle"),
             rod_grip(0.012, 0.08, X, (x + 0.11, 0, 0), "shaft"))  # fmt: skip
    return Thing("hammer", "tool", (handle, face, claws), grips, 0.665)


def screwdriver(rng: Rng) -> Thing:
    """31 thick, 215 long."""
    length, radius = _about(rng, 205, 14.5)
    x, end = -length / 2, 0.105
    middle = length / 2 - end
    side = smooth(np.array([[0.5 * radius, middle], [0.8 * radius, middle + 0.01], [0.62 * radius, middle + 0.018],
                            [radius, middle + 0.05], [radius, length / 2 - 0.012],
                            [0.7 * radius, length / 2]]), 22)  # fmt: skip
    handle = lathe_shell(closed_profile(side, 0.004), material(rng, "plastic", "rubber"), around=24)
    blade = np.array([[0, x], [0.0014, x], [0.003, x + 0.008], [0.003, middle + 0.004], [0, middle + 0.004]])
    shaft = lathe_shell(blade, material(rng, "metal"), around=14)
    shells = (handle.moved(ALONG_X, (0, 0, 0)), shaft.moved(ALONG_X, (0, 0, 0)))
    at = (-middle - 0.06, 0, 0)  # `ALONG_X` leads +y to -x
    return Thing("screwdriver", "tool", shells, (rod_grip(radius, 0.085, X, at, "handle"),), 0.098)


def spatula(rng: Rng) -> Thing:
    """35 x 83 x 350: a blade with slots on a long handle."""
    length, width = _about(rng, 310, 80)
    x, blade = -length / 2, 0.1
    of = material(rng, "plastic", "metal", "rubber")
    outline = np.array([[x, -0.42 * width], [x + blade, -0.5 * width], [x + blade + 0.02, -0.012],
                        [x + blade + 0.02, 0.012], [x + blade, 0.5 * width], [x, 0.42 * width]])  # fmt: skip
    flat = extrude_shell(outline, 0.003, of).moved(_upright(), (0.0, 0.012, 0.0))
    t = np.linspace(0, 1, 9)
    start = np.array([x + blade + 0.004, 0.012, 0.0])
    path = start + np.stack([(length - blade - 0.01) * t, -0.02 * np.sin(np.minimum(3 * t, 1) * np.pi / 2), 0 * t], 1)
    thick = np.clip(0.004 + 0.02 * t, 0.004, 0.0105)
    handle = tube_shell(path, thick, material(rng, "plastic", "wood", "rubber"), around=16)
    at = path[6]
    grips = (rod_grip(0.0105, 0.11, X, at, "handle"),)
    return Thing("spatula", "household", (flat, handle), grips, 0.05)


def _cutlery(rng: Rng, name: str, head: float, mass: float) -> Thing:
    """A handle that widens to its end, along x, and a head at -x: spoon, fork or knife."""
    length = float(_about(rng, 195)[0])
    x, end = -length / 2, length / 2
    of = material(rng, "metal", "metal", "plastic")
    w = 0.0042
    outline = np.array([[x + 0.05, -w], [end - 0.05, -1.2 * w], [end - 0.008, -2.2 * w], [end, -1.1 * w],
                        [end, 1.1 * w], [end - 0.008, 2.2 * w], [end - 0.05, 1.2 * w], [x + 0.05, w]])  # fmt: skip
    shells = [extrude_shell(outline, 0.0026, of).moved(_upright(), (0, 0, 0))]
    if name == "spoon":
        t = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        oval = np.stack([x + 0.03 + 0.03 * np.cos(t), 0.5 * head * np.sin(t)], 1)
        shells.append(extrude_shell(oval, 0.0032, of).moved(_upright(), (0, 0, 0)))
    elif name == "fork":
        h = 0.5 * head
        teeth = [[x + 0.06, -0.4 * h], [x + 0.045, -h]]
        for k in range(4):
            low = -h + 2 * h * k / 4
            teeth += [[x, low + 0.1 * h], [x, low + 0.34 * h]]
            if k < 3:
                teeth += [[x + 0.04, low + 0.38 * h], [x + 0.04, low + 0.56 * h]]
        teeth += [[x + 0.045, h], [x + 0.06, 0.4 * h]]
        shells.append(extrude_shell(np.array(teeth), 0.0022, of).moved(_upright(), (0, 0, 0)))
    else:
        h = 0.5 * head
        edge = np.array([[x, -0.2 * h], [x + 0.02, -h], [x + 0.09, -0.9 * h], [x + 0.1, 0.8 * h], [x, 0.8 * h]])
        shells.append(extrude_shell(edge, 0.0018, of).moved(_upright(), (0, 0, 0)))
    at = (end - 0.06, 0, 0)
    grips = (
        Grip("rod", np.array([2.5 * w / 2, 0.0013, 0.055]), frame(X, Y, at), False, "handle"),
        Grip("slab", np.array([1.3 * w, 0.0013, 0.055]), frame(X, Y, at), False, "handle"),
        Grip("rod", np.array([1.2 * w, 0.0016, 0.075]), frame(X, Y, (0.02, 0, 0)), False, "shaft"),
    )
    return Thing(name, "household", tuple(shells), grips, mass)


def spoon(rng: Rng) -> Thing:
    return _cutlery(rng, "spoon", 0.04, 0.03)


def fork(rng: Rng) -> Thing:
    return _cutlery(rng, "fork", 0.025, 0.034)


def knife(rng: Rng) -> Thing:
    return _cutlery(rng, "knife", 0.02, 0.031)


def drill(rng: Rng) -> Thing:
    """35 x 46 x 184 pistol: motor along x, handle down, battery below."""
    of, dark = material(rng, "plastic"), material(rng, "rubber")
    motor = s.capsule(0.09, 0.029).moved(ALONG_X, (0.0, -0.055, 0.0))
    tilt = np.array([[np.cos(0.15), -np.sin(0.15), 0], [np.sin(0.15), np.cos(0.15), 0], [0, 0, 1]])
    handle = s.box((0.046, 0.14, 0.034), 0.0165).moved(tilt, (0.02, 0.01, 0.0))
    battery = s.box((0.1, 0.045, 0.07), 0.01).moved(translation=(0.008, 0.095, 0.0))
    whole = motor.union(handle, 0.02).union(battery, 0.008)
    low, high = np.array([-0.08, -0.09, -0.04]), np.array([0.08, 0.122, 0.04])
    body = Shell(f.polygonised(whole, low, high, 52), whole, of)
    chuck = np.array([[0, -0.118], [0.004, -0.118], [0.009, -0.108], [0.018, -0.088], [0.02, -0.07], [0, -0.07]])
    shells = (body, lathe_shell(chuck, dark).moved(ALONG_X, (0.0, -0.055, 0.0)))
    grips = (Grip("rod", np.array([0.017, 0.023, 0.045]), frame(tilt @ Y, X, (0.02, 0.018, 0)), False, "handle"),)
    return Thing("drill", "tool", shells, grips, 0.895)


def clamp(rng: Rng) -> Thing:
    """A screw clamp: C-shaped frame and a spindle with a bar."""
    scale = rng.uniform(0.85, 1.1)
    a, b, w = 0.06 * scale, 0.04 * scale, 0.009
    outline = np.array([[-a, -b], [a, -b], [a, -b + 2 * w], [-a + 1.6 * w, -b + 2 * w], [-a + 1.6 * w, b - 2 * w],
                        [a, b - 2 * w], [a, b], [-a, b]])  # fmt: skip
    of = material(rng, "metal", "plastic")
    body = extrude_shell(outline, 0.014, of)
    spindle = lathe_shell(rounded_profile(0.005, 2.2 * b, 0.001), material(rng, "metal"), around=16)
    foot = lathe_shell(rounded_profile(0.01, 0.006, 0.001), material(rng, "metal"), around=20)
    shells = (
        body,
        spindle.moved(UP, (a - w, 0.6 * b, 0.0)),
        foot.moved(UP, (a - w, -0.48 * b, 0.0)),
        tube_shell(np.array([[x, 1.62 * b, 0] for x in (a - w - 0.02, a - w + 0.02)]), 0.003, material(rng, "metal")),
    )
    back = Grip("rod", np.array([0.8 * w, 0.007, b]), frame(Y, Z, (-a + 0.8 * w, 0, 0)), False, "frame")
    return Thing("clamp", "tool", shells, (back, rod_grip(0.005, 0.03, Y, (a - w, 1.3 * b, 0), "spindle")), 0.2)


def padlock(rng: Rng) -> Thing:
    """A lock of 47 x 51 x 24 and its shackle."""
    size = _about(rng, 47, 38, 23)
    t = np.linspace(np.pi, 2 * np.pi, 13)
    r = 0.33 * size[0]
    arch = np.stack([r * np.cos(t), r * np.sin(t) - size[1] / 2 - 0.012, 0 * t], 1)
    down = np.array([[0, 0.016, 0]])
    shackle = tube_shell(np.concatenate([arch[:1] + down, arch, arch[-1:] + down]), 0.0042, material(rng, "metal"))
    shell = box_shell(size, 0.003, material(rng, "metal", "plastic"))
    return Thing("padlock", "tool", (shell, shackle), box_grips(size), 0.208)


def key(rng: Rng) -> Thing:
    """A flat key: bow, blade and teeth."""
    t = np.linspace(0.35, 2 * np.pi - 0.35, 20)
    bow = np.stack([0.0115 * np.cos(t), 0.0115 * np.sin(t)], 1)
    n = int(rng.integers(4, 7))
    x = np.linspace(0.042, 0.016, 2 * n)
    teeth = np.stack([x, -0.0038 + rng.uniform(0, 0.003, 2 * n)], 1)
    blade = np.concatenate([teeth[::-1], [[0.046, 0.0]], [[0.043, 0.0038]]])
    outline = np.concatenate([bow, blade]) - [0.018, 0.0]
    shell = extrude_shell(outline, 0.0024, material(rng, "metal")).moved(_upright(), (0, 0, 0))
    at = (-0.0195, 0.0, 0.0)
    grip = Grip("slab", np.array([0.0095, 0.0012, 0.0095]), frame(X, Y, at), False, "bow")
    return Thing("key", "tool", (shell,), (grip,), 0.01)


def cup(rng: Rng) -> Thing:
    """One of a set of nested cups: 55 to 85 across."""
    radius = rng.uniform(0.0275, 0.0425)
    height = rng.uniform(0.055, 0.075)
    side = smooth(np.array([[radius, -height / 2], [0.92 * radius, 0.0], [0.84 * radius, height / 2]]), 10)
    shell = lathe_shell(vessel_profile(side, 0.0016, 0.002), material(rng, "plastic"))
    return Thing("cup", "household", (shell,), (rod_grip(radius, height), disk_grip(radius, height)), 0.02)


def tape_roll(rng: Rng) -> Thing:
    """A ring with square edges."""
    outer, inner, height = rng.uniform(0.028, 0.05), 0.0, rng.uniform(0.012, 0.05)
    inner = outer * rng.uniform(0.55, 0.8)
    whole = s.cylinder(height, outer) - s.cylinder(2 * height, inner)
    t = 2 * np.pi * np.arange(44) / 44
    ring = np.array([[outer, -height / 2], [outer, height / 2], [inner, height / 2], [inner, -height / 2]])
    vertices = np.stack([np.sin(t)[:, None] * ring[:, 0], np.broadcast_to(ring[:, 1], (44, 4)),
                         np.cos(t)[:, None] * ring[:, 0]], -1).reshape(-1, 3)  # fmt: skip
    i, j = np.meshgrid(np.arange(44), np.arange(4), indexing="ij")
    a, b, c, d = i * 4 + j, i * 4 + (j + 1) % 4, (i + 1) % 44 * 4 + (j + 1) % 4, (i + 1) % 44 * 4 + j
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], -1).reshape(-1, 3)
    surface = f.outward(vertices, faces, np.zeros((len(faces), 3, 2)))
    shell = Shell(surface, whole, material(rng, "plastic", "paper", "rubber"))
    wall = (outer - inner) / 2
    side = Grip("slab", np.array([height / 2, wall, 0.006]), frame(Z, X, ((outer + inner) / 2, 0, 0)), False, "wall")
    return Thing("roll of tape", "household", (shell,), (disk_grip(outer, height), side), 0.06)


def remote(rng: Rng) -> Thing:
    """A remote control with buttons, along z."""
    size = np.array([rng.uniform(0.042, 0.056), rng.uniform(0.016, 0.024), rng.uniform(0.15, 0.21)])
    shells = [box_shell(size, 0.007, material(rng, "plastic"))]
    of = material(rng, "rubber", "plastic")
    rows, columns = int(rng.integers(4, 9)), 3
    for i in range(rows):
        for j in range(columns):
            at = ((j - 1) * size[0] * 0.28, -size[1] / 2, (i - (rows - 1) / 2) * 0.65 * size[2] / rows)
            shells.append(box_shell(np.array([0.009, 0.003, 0.007]), 0.0, of).moved(UP, at))
    return Thing("remote control", "household", tuple(shells), box_grips(size), 0.1)


def mouse(rng: Rng) -> Thing:
    """A computer mouse, lying, its front at -z."""
    half = np.array([0.031, 0.021, 0.056]) * rng.uniform(0.9, 1.08)
    cut = s.box((0.2, 0.1, 0.3)).moved(translation=(0, 0.05 + 0.35 * half[1], 0))
    whole = s.ellipsoid(half) - cut
    surface = f.polygonised(whole, -half - 0.003, half + 0.003, 40)
    wheel = lathe_shell(rounded_profile(0.007, 0.005, 0.001), material(rng, "rubber"), around=20)
    wheel = wheel.moved(ALONG_X, (0.0, -0.86 * half[1] + 0.003, -0.45 * half[2]))
    grips = (
        Grip("ball", half, np.eye(4)),
        Grip("slab", half[[2, 0, 1]] * [0.5, 0.95, 0.4], frame(Y, X, (0, -0.003, 0))),
    )
    return Thing("mouse", "household", (Shell(surface, whole, material(rng, "plastic")), wheel), grips, 0.08)
