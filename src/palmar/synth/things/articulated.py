"""Things with parts that move: lids, blades, screens, drawers, triggers. Rest is closed."""

from __future__ import annotations

import numpy as np

from palmar.synth.things.lathed import body_grips, closed_profile, smooth
from palmar.synth.things.material import material
from palmar.synth.things.primitives import (
    X,
    Y,
    Z,
    box_grips,
    box_shell,
    disk_grip,
    extrude_shell,
    lathe_shell,
    loop_shell,
    rod_grip,
    rounded_profile,
    tube_shell,
)
from palmar.synth.things.thing import Grip, Joint, Shell, Thing, frame

Rng = np.random.Generator
UP = np.eye(3)


def _tray(size: np.ndarray, wall: float, of, part: int = 0) -> list[Shell]:
    """A box that is open above (-y): floor and four walls, the long ones between the short ones."""
    w, h, d = size
    return [
        box_shell(np.array([w, wall, d]), 0.0, of, part).moved(UP, (0, h / 2 - wall / 2, 0)),
        *(
            box_shell(np.array([wall, h - wall, d]), 0.0, of, part).moved(UP, (x * (w - wall) / 2, -wall / 2, 0))
            for x in (-1, 1)
        ),
        *(
            box_shell(np.array([w - 2 * wall, h - wall, wall]), 0.0, of, part).moved(
                UP, (0, -wall / 2, z * (d - wall) / 2)
            )
            for z in (-1, 1)
        ),
    ]


def hinged_box(rng: Rng) -> Thing:
    """A chest whose lid swings up about its far edge (+z)."""
    size = np.array([rng.uniform(0.08, 0.2), rng.uniform(0.04, 0.09), rng.uniform(0.06, 0.13)])
    of, lid_height, wall = (
        material(rng, "wood", "plastic", "metal", "printed", "paper"),
        rng.uniform(0.008, 0.02),
        0.004,
    )
    lid = box_shell(np.array([size[0], lid_height, size[2]]), 0.001, of, 1).moved(
        UP, (0, -size[1] / 2 - lid_height / 2, 0)
    )
    knob = box_shell(np.array([0.016, 0.006, 0.006]), 0.001, material(rng, "metal"), 1).moved(
        UP, (0, -size[1] / 2 - lid_height / 2, -size[2] / 2 - 0.002)
    )
    top = -size[1] / 2 - lid_height / 2
    edge = Grip(
        "slab", np.array([0.02, lid_height / 2, 0.03]), frame(X, Y, (0, top, -size[2] / 2 + 0.02)), False, "lid", 1
    )
    hinge = Joint("lid", -X, np.array([0, -size[1] / 2, size[2] / 2]), 0.0, 1.9)
    shells = (*_tray(size, wall, of), lid, knob)
    return Thing("box with lid", "articulated", shells, (edge, *box_grips(size)), 0.3, (hinge,))


def pill_box(rng: Rng) -> Thing:
    """A small round tin with a lid that lifts off."""
    radius, height = rng.uniform(0.02, 0.045), rng.uniform(0.015, 0.035)
    lid_height = 0.4 * height
    body = lathe_shell(rounded_profile(radius * 0.97, height, 0.001), material(rng, "metal", "plastic", "wood"))
    lid = lathe_shell(rounded_profile(radius, lid_height, 0.001), material(rng, "metal", "printed", "plastic"), 1)
    at = (0.0, -height / 2 + lid_height / 2 - 0.001, 0.0)
    grips = (disk_grip(radius, lid_height, at, "lid", 1), disk_grip(radius, height))
    slide = Joint("lid", -Y, np.zeros(3), 0.0, 0.05, "slide")
    return Thing("tin with lid", "articulated", (body, lid.moved(UP, at)), grips, 0.08, (slide,))


def scissors(rng: Rng) -> Thing:
    """Two blades with loops, along x, that open about a pin: 87 x 200 x 14."""
    scale, steel = rng.uniform(0.75, 1.0), material(rng, "metal")
    of = material(rng, "plastic", "rubber", "metal")
    shells: list[Shell] = []
    t = 2 * np.pi * np.arange(20) / 20
    for part, side in ((0, 1.0), (1, -1.0)):
        blade = np.array([[-0.095, 0.0005], [-0.094, -0.0015], [-0.02, -0.0075], [0.012, -0.0055], [0.03, 0.006],
                          [0.024, 0.0125], [0.008, 0.0065], [-0.01, 0.0055]]) * scale  # fmt: skip
        blade = blade * [1.0, side]
        level = 0.0009 * side
        shells.append(extrude_shell(blade, 0.0017, steel, part).moved(_flat(), (0, level, 0)))
        ring = np.stack([0.021 * np.cos(t), 0 * t, 0.0145 * np.sin(t)], 1) * scale
        # Extruded outlines have x and y; laid flat their y is -z, so the loop of this blade lies at -z for side 1.
        centre = np.array([0.052, 0.0, -side * 0.0195]) * scale
        shells.append(loop_shell(ring + centre, 0.0042 * scale, of, part))
        neck = np.array([[0.02, level / scale, -side * 0.007], [0.035, 0.0, -side * 0.012]]) * scale
        shells.append(tube_shell(neck, 0.0036 * scale, of, part, around=10))
    shells.append(lathe_shell(rounded_profile(0.0045 * scale, 0.006, 0.0008), material(rng, "metal"), around=18))
    loops = tuple(
        Grip("rod", np.array([0.0042, 0.0042, 0.012]) * scale,
             frame(X, Y, np.array([0.052, 0.0, -side * 0.034]) * scale), True, "loop", part)
        for part, side in ((0, 1.0), (1, -1.0))
    )  # fmt: skip
    both = Grip("slab", np.array([0.02, 0.034, 0.014]) * scale, frame(X, Z, (0.052 * scale, 0, 0)), False, "loops")
    pin = Joint("blades", Y, np.zeros(3), 0.0, 0.7)
    return Thing("scissors", "articulated", tuple(shells), (both, *loops), 0.082, (pin,))


def _flat() -> np.ndarray:
    """Turns what was extruded along z so that it lies flat: its x stays, its y becomes -z."""
    return np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])


def tongs(rng: Rng) -> Thing:
    """Two arms along x joined at +x; a squeeze closes them."""
    length, gap = rng.uniform(0.12, 0.22), rng.uniform(0.02, 0.035)
    of = material(rng, "metal", "plastic", "wood")
    angle = np.arctan2(gap / 2, length)
    shells = []
    for part, side in ((0, 1.0), (1, -1.0)):
        arm = box_shell(np.array([length, 0.0022, 0.012]), 0.0008, of, part)
        c, d = np.cos(angle * side), np.sin(angle * side)
        turn = np.array([[c, d, 0], [-d, c, 0], [0, 0, 1]])
        shells.append(arm.moved(turn, turn @ np.array([-length / 2, 0, 0]) + [length / 2, 0.0, 0.0]))
    shells.append(lathe_shell(rounded_profile(0.005, 0.013, 0.001), of, around=18).moved(_flat(), (length / 2, 0, 0)))
    at = (0.12 * length, 0.0, 0.0)
    spread = 0.38 * gap
    grips = (Grip("slab", np.array([0.006, spread / 2 + 0.0011, 0.02]), frame(X, Y, at), False, "arms"),)
    joint = Joint("arm", Z, np.array([length / 2, 0.0, 0.0]), -1.8 * float(angle), 0.0)
    return Thing("tongs", "articulated", tuple(shells), grips, 0.04, (joint,))


def laptop(rng: Rng) -> Thing:
    """Base and screen, the hinge at +z, closed at rest."""
    size = np.array([rng.uniform(0.27, 0.36), 0.0, rng.uniform(0.19, 0.25)])
    of = material(rng, "metal", "plastic")
    base, lid = rng.uniform(0.009, 0.014), rng.uniform(0.004, 0.007)
    shells = [box_shell(np.array([size[0], base, size[2]]), 0.002, of)]
    top = -base / 2 - lid / 2
    shells.append(box_shell(np.array([size[0], lid, size[2]]), 0.0018, of, 1).moved(UP, (0, top, 0)))
    screen = material(rng, "printed")
    shells.append(box_shell(size * [0.94, 0, 0.9] + [0, 0.0004, 0], 0.0, screen, 1).moved(UP, (0, top + lid / 2, 0)))
    dark = material(rng, "rubber")
    shells.append(box_shell(size * [0.85, 0, 0.38] + [0, 0.0006, 0], 0.0, dark).moved(UP, (0, -base / 2, 0.02)))
    hinge = Joint("screen", -X, np.array([0, -base / 2, size[2] / 2]), 0.0, 2.2)
    edge = Grip("slab", np.array([0.02, lid / 2, 0.04]), frame(X, Y, (0, top, -size[2] / 2 + 0.02)), False, "screen", 1)
    whole = np.array([size[0], base + lid, size[2]])
    return Thing(
        "laptop", "articulated", tuple(shells), (*box_grips(whole, (0, -lid / 2, 0))[1:2], edge), 1.3, (hinge,)
    )


def book(rng: Rng) -> Thing:
    """A book whose front cover opens about its spine (-x)."""
    size = np.array([rng.uniform(0.1, 0.19), rng.uniform(0.008, 0.035), rng.uniform(0.15, 0.25)])
    cover, board = material(rng, "printed", "patterned"), rng.uniform(0.0012, 0.003)
    pages = size - [0.006, 2 * board, 0.006]
    paper = material(rng, "paper")
    shells = [
        box_shell(pages, 0.0, paper).moved(UP, (-0.002, 0, 0)),
        box_shell(np.array([size[0], board, size[2]]), 0.0, cover).moved(UP, (0, size[1] / 2 - board / 2, 0)),
        box_shell(np.array([board, size[1], size[2]]), 0.0, cover).moved(UP, (-size[0] / 2 + board / 2, 0, 0)),
        box_shell(np.array([size[0], board, size[2]]), 0.0, cover, 1).moved(UP, (0, -size[1] / 2 + board / 2, 0)),
    ]
    hinge = Joint("cover", -Z, np.array([-size[0] / 2, -size[1] / 2, 0.0]), 0.0, 3.0)
    return Thing("book", "articulated", tuple(shells), box_grips(size), float(size.prod() * 700), (hinge,))


def drawer(rng: Rng) -> Thing:
    """A small chest with a drawer that slides out towards -z."""
    size = np.array([rng.uniform(0.12, 0.2), rng.uniform(0.06, 0.1), rng.uniform(0.1, 0.16)])
    of, wall = material(rng, "wood", "plastic", "paper"), 0.005
    w, h, d = size
    shells = [
        *(box_shell(np.array([w, wall, d]), 0.0, of).moved(UP, (0, y * (h - wall) / 2, 0)) for y in (-1, 1)),
        *(box_shell(np.array([wall, h - 2 * wall, d]), 0.0, of).moved(UP, (x * (w - wall) / 2, 0, 0)) for x in (-1, 1)),
        box_shell(np.array([w - 2 * wall, h - 2 * wall, wall]), 0.0, of).moved(UP, (0, 0, (d - wall) / 2)),
    ]
    inner = np.array([w - 2 * wall - 0.002, h - 2 * wall - 0.004, d - wall - 0.002])
    front = material(rng, "wood", "plastic", "patterned")
    shells += [shell.moved(UP, (0, 0.001, -wall / 2)) for shell in _tray(inner, 0.003, of, 1)]
    shells.append(
        box_shell(np.array([w - 0.001, h - 0.001, 0.006]), 0.001, front, 1).moved(UP, (0, 0, -d / 2 - 0.0035))
    )
    handle_z = -d / 2 - 0.007
    if rng.random() < 0.5:
        profile = np.array([[0, -0.02], [0.009, -0.019], [0.011, -0.014], [0.005, -0.006], [0.006, 0.0], [0, 0.0]])
        shells.append(lathe_shell(profile, material(rng, "metal", "wood"), 1, 20).moved(
            np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]), (0, 0, handle_z + 0.001)))  # fmt: skip
        grip = disk_grip(0.011, 0.008, (0, 0, handle_z - 0.014), "knob", 1, Z)
    else:
        t = np.linspace(-1, 1, 13)
        arch = np.stack([0.045 * t, 0 * t, handle_z - 0.024 * (1 - t**6)], 1)
        shells.append(tube_shell(arch, 0.0045, material(rng, "metal"), 1))
        grip = rod_grip(0.0045, 0.07, X, (0, 0, handle_z - 0.024), "handle", 1)
    slide = Joint("drawer", -Z, np.zeros(3), 0.0, 0.8 * float(d), "slide")
    return Thing("drawer", "articulated", tuple(shells), (grip, *box_grips(size)[:3]), 0.6, (slide,))


def spray_bottle(rng: Rng) -> Thing:
    """A bottle with a spray head: neck to be held, a trigger that is pulled (towards +x, at -x of the neck)."""
    radius, height = rng.uniform(0.032, 0.04), rng.uniform(0.15, 0.19)
    y0, y1 = -height / 2, height / 2
    knots = np.array(
        [[0.0135, y0], [0.0145, y0 + 0.045], [radius, y0 + 0.085], [radius, y1 - 0.01], [0.95 * radius, y1]]
    )
    side = smooth(knots, 26)
    head = material(rng, "plastic")
    shells = [
        lathe_shell(closed_profile(side), material(rng, "plastic", "glass")),
        box_shell(np.array([0.085, 0.024, 0.026]), 0.006, head).moved(UP, (-0.012, y0 - 0.022, 0)),
        lathe_shell(rounded_profile(0.0155, 0.022, 0.002), head, around=24).moved(UP, (0, y0 - 0.004, 0)),
        lathe_shell(rounded_profile(0.007, 0.012, 0.001), head, around=18).moved(
            np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), (-0.058, y0 - 0.024, 0)),
    ]  # fmt: skip
    t = np.linspace(0, 1, 8)
    pull = np.stack([-0.034 - 0.012 * np.sin(np.pi * t) ** 2 + 0.004 * t, y0 - 0.014 + 0.055 * t, 0 * t], 1)
    shells.append(tube_shell(pull, np.linspace(0.006, 0.0045, 8), head, 1, around=12))
    trigger = Joint("trigger", Z, np.array([-0.034, y0 - 0.016, 0.0]), -0.4, 0.0)
    neck = rod_grip(0.0145, 0.05, Y, (0, y0 + 0.022, 0), "neck")
    bar = Grip("rod", np.array([0.0055, 0.0055, 0.02]), frame(Y, X, tuple(pull[4])), True, "trigger", 1)
    lower = body_grips(side[side[:, 1] > y0 + 0.08])
    return Thing("spray bottle", "articulated", tuple(shells), (neck, bar, *lower), 0.5, (trigger,))
