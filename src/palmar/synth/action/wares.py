"""Goods about the sizes of the objects of FPHA (Garcia-Hernando et al. 2018): bottles, a jar, cutlery, salt, a tea bag,
letters, a calculator, a match and a candle, a charger, glasses, a wallet, wine; and what they are used on.

Conventions are those of `goods`. What has a side to which it opens is made for the side of the hand that opens it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.synth.action import props
from palmar.synth.action.goods import about, label
from palmar.synth.action.props import UP, Prop, Rng, Way, grasp_frame
from palmar.synth.things import primitives as p
from palmar.synth.things import solid as s
from palmar.synth.things import surface as f
from palmar.synth.things.material import material
from palmar.synth.things.thing import Joint, Material, Shell, Thing


def _side(height: float, half: float, *, round: bool = False) -> Way:
    return Way("wrap", grasp_frame(UP, np.array([-1.0, 0.0, -0.2]), (0, height, 0)), half, round=round)


def _ellipsoid(half: Float[np.ndarray, " 3"], of: Material, at: tuple = (0.0, 0.0, 0.0), part: int = 0) -> Shell:
    t = np.linspace(0, np.pi, 15)
    profile = np.stack([np.sin(t), -np.cos(t)], 1)
    profile[[0, -1], 0] = 0.0
    unit = f.lathe_surface(profile, 24)
    shell = Shell(f.Surface(unit.vertices * half, unit.faces, unit.uv), s.ellipsoid(np.asarray(half)), of, part)
    return shell.moved(np.eye(3), at)


# ------------------------------------------------------------------------------------------------- what has a cap


def juice_bottle(rng: Rng) -> tuple[Prop, float, float, str]:
    """Of 7.5 x 7 x 23 cm, its shoulder long."""
    wide, tall = about(rng, 73.0, 231.0)
    radius, high = rng.uniform(0.0165, 0.0195), rng.uniform(0.015, 0.02)
    r, y, neck = wide / 2, (tall - 0.6 * high) / 2, radius - 0.0025
    outline = np.array([[0, -y], [neck, -y], [neck, -y + 0.022], [0.62 * r, -y + 0.045], [0.94 * r, -y + 0.078],
                        [r, -y + 0.095], [0.95 * r, 0.1 * y], [r, 0.35 * y], [r, y - 0.006], [r - 0.005, y],
                        [0, y]])  # fmt: skip
    band = np.array([[0, -0.12 * y], [r + 0.0004, -0.12 * y], [r + 0.0004, y - 0.03], [0, y - 0.03]])
    shells = (p.lathe_shell(outline, material(rng, "plastic", "glass")),
              p.lathe_shell(band, label(rng, "juice", "orange", "apple", "mango", times=2)))  # fmt: skip
    prop = Prop("juice bottle", Thing("juice bottle", "kitchen", shells, (), 0.9),
                {"body": _side(0.25 * y, r, round=True)}, "x", {"mouth": np.array([0, -y, 0])}, neck)  # fmt: skip
    return prop, radius, high, "pinch"


def peanut_butter(rng: Rng) -> tuple[Prop, float, float, str]:
    """A jar with a wide lid."""
    wide, tall = about(rng, 76.0, 128.0)
    high = rng.uniform(0.017, 0.021)
    r, y = wide / 2, (tall - 0.8 * high) / 2
    neck = 0.88 * r
    body, _ = props.vessel([(r - 0.004, y), (r, y - 0.007), (r, -y + 0.018), (neck, -y + 0.012), (neck, -y)],
                           0.002, 0.004, material(rng, "plastic", "glass"))  # fmt: skip
    band = np.array([[0, -y + 0.022], [r + 0.0004, -y + 0.022], [r + 0.0004, y - 0.01], [0, y - 0.01]])
    cream = Material("cream", (0.42, 0.2, 0.06), 0.5, 0.6)
    fill = p.lathe_shell(
        np.array([[0, -y + 0.02], [neck - 0.003, -y + 0.018], [neck - 0.003, y - 0.005], [0, y - 0.005]]), cream
    )
    shells = (body, p.lathe_shell(band, label(rng, "peanut", "crunchy", "smooth", times=2)), fill)
    prop = Prop("peanut butter", Thing("peanut butter", "kitchen", shells, (), 0.4),
                {"body": _side(y - 0.042, r, round=True)}, "x", {"mouth": np.array([0, -y, 0])}, neck)  # fmt: skip
    return prop, neck + 0.003, high, "top"


def liquid_soap(rng: Rng) -> tuple[Prop, float, float, str]:
    """A flat bottle of 8.7 x 5.1 x 22.9 cm."""
    wide, deep, tall = about(rng, 84.0, 50.0, 226.0)
    radius, high = rng.uniform(0.014, 0.017), rng.uniform(0.02, 0.026)
    y, neck = (tall - 0.6 * high) / 2, radius - 0.0025
    profile = np.array([[0, -y + 0.014], [0.45, -y + 0.016], [0.72, -y + 0.036], [0.95, -y + 0.065], [1.0, -y + 0.09],
                        [0.93, 0.2 * y], [1.0, y - 0.02], [0.94, y], [0, y]])  # fmt: skip
    # Narrow from the front, so that a hand reaches round it: x is its thin side.
    stretch = np.array([deep / 2 / (deep / 2), 1.0, wide / deep])
    unit = profile * [deep / 2, 1.0]
    turned = f.lathe_surface(unit)
    body = Shell(f.Surface(turned.vertices * stretch, turned.faces, turned.uv), s.lathe(unit).stretched(stretch),
                 label(rng, "soap", "wash", "lemon", "clean", times=2))  # fmt: skip
    pipe = np.array([[0, -y], [neck, -y], [neck, -y + 0.02], [0, -y + 0.02]])
    shells = (body, p.lathe_shell(pipe, material(rng, "plastic")))
    prop = Prop("liquid soap", Thing("liquid soap", "bath", shells, (), 0.5),
                {"body": _side(0.2 * y, 0.96 * deep / 2)}, "x", {"mouth": np.array([0, -y, 0])}, neck)  # fmt: skip
    return prop, radius, high, "pinch"


# ------------------------------------------------------------------------------------------------- table and kitchen


def cutlery(rng: Rng, noun: str) -> Prop:
    """A fork or a spoon along z, its tip at +z, held as it is used: like a pen, a hand's breadth from the tip."""
    long = rng.uniform(0.175, 0.195)
    of = material(rng, "metal") if noun == "fork" or rng.random() < 0.7 else material(rng, "plastic", "wood")
    y = long / 2
    path = np.array([[0, 0, -y], [0, 0.0015, -0.4 * y], [0, 0, y - 0.05 if noun == "fork" else y - 0.042]])
    shells = [p.tube_shell(path, np.array([0.0042, 0.0036, 0.0027]), of)]
    if noun == "fork":
        root = p.box_shell(np.array([0.021, 0.0028, 0.018]), 0.001, of).moved(np.eye(3), (0, 0, y - 0.046))
        shells.append(root)
        for k in range(4):
            tine = np.array([[0.0063 * (k - 1.5), 0, y - 0.04], [0.0063 * (k - 1.5), 0.002, y - 0.018],
                             [0.006 * (k - 1.5), 0.0, y]])  # fmt: skip
            shells.append(p.tube_shell(tine, np.array([0.0014, 0.0012, 0.0007]), of))
    else:
        shells.append(_ellipsoid(np.array([0.0145, 0.0035, 0.024]), of, (0, 0.001, y - 0.022)))
    at = (0, 0, y - 0.108)
    way = Way("pen", grasp_frame(np.array([-0.26, 0.97, 0.0]), np.array([0, 0, 1.0]), at), 0.0036, aloft=True)
    marks = {"tip": np.array([0, 0, y - (0.0 if noun == "fork" else 0.02)])}
    return Prop(noun, Thing(noun, "kitchen", tuple(shells), (), 0.04), {"use": way}, "x", marks)


def filled_bowl(rng: Rng, noun: str = "bowl") -> Prop:
    """A bowl with sugar, powder or grains in it."""
    bowl = props.bowl(rng)
    colours = ((0.85, 0.84, 0.8), (0.3, 0.14, 0.05), (0.7, 0.5, 0.2), (0.75, 0.68, 0.5))
    of = Material("grains", colours[int(rng.integers(4))], 0.9, 0.1)
    r, low = bowl.mouth, bowl.low
    y = 0.1 * low
    heap = np.array([[0, y - 0.012], [0.4 * r, y - 0.008], [0.72 * r, y], [0.5 * r, low - 0.008], [0, low - 0.006]])
    shells = (*bowl.thing.shells, p.lathe_shell(heap, of))
    return replace(bowl, noun=noun, thing=replace(bowl.thing, shells=shells))


def plate(rng: Rng) -> Prop:
    """Flat, with a low rim."""
    r, h = rng.uniform(0.11, 0.125), rng.uniform(0.016, 0.02)
    y, flat = h / 2, 0.74 * r
    profile = np.array([[0, y - 0.006], [flat, y - 0.006], [0.86 * r, y - 0.011], [r, -y], [r, -y + 0.003],
                        [0.84 * r, y - 0.004], [0.7 * r, y], [0, y]])  # fmt: skip
    thing = Thing("plate", "kitchen", (p.lathe_shell(profile, material(rng, "ceramic", "patterned")),), (), 0.5)
    return Prop("plate", thing, {}, "x", {"floor": np.array([0, y - 0.006, 0])}, flat)


def bite(rng: Rng) -> Prop:
    """A piece of fruit, bread or potato."""
    half = rng.uniform(0.013, 0.018, 3) * [1, 0.8, 1]
    colours = ((0.55, 0.1, 0.05), (0.6, 0.4, 0.12), (0.25, 0.45, 0.1), (0.7, 0.6, 0.35))
    of = Material("food", colours[int(rng.integers(4))], 0.6, 0.5)
    return Prop("food", Thing("food", "kitchen", (_ellipsoid(half, of),), (), 0.01), {}, "x")


def salt(rng: Rng) -> Prop:
    """A drum of salt, about 7 x 7 x 14 cm, that pours from the rim of its top."""
    wide, tall = about(rng, 69.0, 142.0)
    r, y = wide / 2, tall / 2
    body = p.lathe_shell(p.rounded_profile(r, tall, 0.003), label(rng, "salt", "sea salt", "sel", times=2))
    top = p.lathe_shell(p.rounded_profile(0.55 * r, 0.006, 0.001), material(rng, "plastic"))
    shells = (body, top.moved(np.eye(3), (0, -y - 0.002, 0)))
    return Prop("salt", Thing("salt", "kitchen", shells, (), 0.5), {"body": _side(0.15 * y, r, round=True)}, "x",
                {"mouth": np.array([0, -y - 0.005, 0])}, 0.014)  # fmt: skip


def tea_bag(rng: Rng) -> Prop:
    """It hangs from its thread, held by the tag above."""
    wide, tall, thick = rng.uniform(0.036, 0.043), rng.uniform(0.045, 0.055), rng.uniform(0.007, 0.01)
    thread = rng.uniform(0.075, 0.095)
    low = (tall + thread + 0.02) / 2
    of = Material("gauze", (0.5, 0.36, 0.2), 0.95, 0.1)
    bag = p.box_shell(np.array([thick, tall, wide]), 0.0034, of).moved(np.eye(3), (0, low - tall / 2, 0))
    top = low - tall
    string = p.tube_shell(np.array([[0, top + 0.002, 0], [0.0006, top - thread / 2, 0], [0, top - thread, 0]]), 0.0005,
                          Material("thread", (0.8, 0.8, 0.78), 0.9, 0.1), 0, 8)  # fmt: skip
    tag = p.box_shell(np.array([0.0018, 0.022, 0.024]), 0.0003, label(rng, "tea", "mint", "green"))
    tag = tag.moved(np.eye(3), (0, top - thread - 0.008, 0))
    way = Way("pinch", grasp_frame(np.array([-1.0, 0, 0]), np.array([0, 0.75, 0.65]), (0, top - thread - 0.010, 0)),
              0.001, aloft=True)  # fmt: skip
    return Prop("tea bag", Thing("tea bag", "kitchen", (bag, string, tag), (), 0.003), {"tag": way}, "x",
                {"bag": np.array([0, low, 0])})  # fmt: skip


def soda_can(rng: Rng) -> Prop:
    """A can of 33 cl and its tab, which a finger lifts at the end towards the person."""
    r, h = about(rng, 33.0, 115.0)
    y = h / 2
    profile = np.array([[0, -y + 0.004], [0.78 * r, -y + 0.004], [0.8 * r, -y], [0.84 * r, -y], [r, -y + 0.012],
                        [r, y - 0.009], [0.8 * r, y], [0, y]])  # fmt: skip
    body = p.lathe_shell(profile, label(rng, "cola", "soda", "lemon", "fizz", times=2))
    metal = material(rng, "metal")
    disk = p.lathe_shell(p.rounded_profile(0.77 * r, 0.0016, 0.0005), metal).moved(np.eye(3), (0, -y + 0.0035, 0))
    tab = p.box_shell(np.array([0.015, 0.0018, 0.025]), 0.0008, metal, 1).moved(np.eye(3), (0, -y - 0.0005, -0.0105))
    joint = Joint("tab", np.array([1.0, 0, 0]), np.array([0, -y - 0.0005, 0.001]), 0.0, 1.4)
    way = Way("pinch", grasp_frame(np.array([0.0, -0.6, -0.8]), np.array([-0.2, 0.75, 0.6]), (0, -y - 0.012, -0.017)),
              0.0012, at=(0.5,))  # fmt: skip
    return Prop("soda can", Thing("soda can", "kitchen", (body, disk, tab), (), 0.35, (joint,)),
                {"body": _side(y - 0.046, r, round=True), "tab": way}, "x", {"mouth": np.array([0, -y, 0])},
                0.01)  # fmt: skip


def wine_bottle(rng: Rng) -> Prop:
    """Of 75 cl."""
    r, h = about(rng, 37.0, 298.0)
    y, neck = h / 2, 0.0138
    outline = np.array([[0, -y], [neck, -y], [neck + 0.0012, -y + 0.004], [neck, -y + 0.02], [neck + 0.001, -y + 0.075],
                        [0.75 * r, -y + 0.098], [0.97 * r, -y + 0.118], [r, -y + 0.13], [r, y - 0.004],
                        [r - 0.005, y], [0, y]])  # fmt: skip
    green = Material(
        "bottle glass", ((0.02, 0.05, 0.02), (0.05, 0.02, 0.01), (0.3, 0.35, 0.25))[int(rng.integers(3))], 0.08, 2.2
    )
    band = np.array([[0, -0.05 * y], [r + 0.0004, -0.05 * y], [r + 0.0004, y - 0.03], [0, y - 0.03]])
    shells = (
        p.lathe_shell(outline, green),
        p.lathe_shell(band, label(rng, "merlot", "rioja", "chianti", "wine", times=2)),
    )
    return Prop("wine bottle", Thing("wine bottle", "kitchen", shells, (), 1.1),
                {"body": _side(0.12 * y, r, round=True)}, "x", {"mouth": np.array([0, -y, 0])}, neck)  # fmt: skip


def wine_glass(rng: Rng) -> Prop:
    """Held by the lower half of its bowl."""
    r, h = about(rng, 36.0, 185.0)
    y, stem = h / 2, 0.0038
    foot, bowl = y - 0.006, 0.02
    inner = [[0, -y + 0.088], [0.6 * r, -y + 0.078], [r - 0.002, -y + 0.045], [0.82 * r - 0.002, -y]]
    outer = [[0.82 * r, -y], [r, -y + 0.045], [0.66 * r, -y + 0.08], [stem, -y + 0.096], [stem, foot - 0.01],
             [0.3 * r, foot], [0.92 * r, y - 0.002], [0.92 * r, y], [0, y]]  # fmt: skip
    of = Material("wine glass", (0.55, 0.6, 0.62), 0.05, 2.5)
    wine = Material("wine", ((0.12, 0.0, 0.02), (0.5, 0.42, 0.12))[int(rng.integers(2))], 0.1, 1.5)
    fill = np.array([[0, -y + 0.055], [0.9 * r, -y + 0.054], [0.58 * r, -y + 0.0775], [0, -y + 0.086]])
    shells = (p.lathe_shell(np.array(inner + outer), of), p.lathe_shell(fill, wine))
    assert bowl > 0
    return Prop("wine glass", Thing("wine glass", "kitchen", shells, (), 0.2),
                {"bowl": _side(-y + 0.052, 0.97 * r, round=True)}, "x", {"mouth": np.array([0, -y, 0])},
                0.8 * r)  # fmt: skip


# --------------------------------------------------------------------------------------------------- paper and pockets


def _leaf(size: tuple[float, float, float], of: Material, at: tuple, part: int = 0) -> Shell:
    return p.box_shell(np.array(size), 0.0, of, part).moved(np.eye(3), at)


def _held_edge(long: float, half: float) -> Way:
    """From its -z end, as `props.sheet` is."""
    at = (0, 0, -long / 2 + 0.028)
    return Way("clamp", grasp_frame(np.array([-1.0, 0, 0]), np.array([0, 0, 1.0]), at), half, aloft=True)


def _flap_way(at: tuple, half: float, start: float) -> Way:
    """A hand from the other side and from the person pinches an edge, its thumb to the person. For a right hand, whose
    left one holds the thing: the person is at +x."""
    return Way("pinch", grasp_frame(np.array([1.0, -0.25, 0.2]), np.array([-0.15, 0.55, -0.8]), at), half,
               at=(start,), aloft=True)  # fmt: skip


AJAR = 0.75
"""Radians by which a flap stands off at first, so that fingers get behind it."""


def envelope(rng: Rng, side: int) -> Prop:
    """Upright in the other hand, its face with the flap to the person; the hand of this side opens it."""
    tall, long = about(rng, 112.0, 165.0)
    face = 1.0 if side else -1.0
    of = replace(material(rng, "paper"), albedo=tuple(rng.uniform(0.55, 0.85, 3).tolist()))
    drop = rng.uniform(0.045, 0.055)
    body = _leaf((0.0026, tall, long), of, (0, 0, 0))
    flap = np.array([[-0.5 * long, 0.0], [0.5 * long, 0.0], [0.12 * long, drop], [-0.12 * long, drop]])
    turn = np.array([[0, 0, 1.0], [0, 1.0, 0], [-1.0, 0, 0]])  # its x runs along -z
    shell = p.extrude_shell(flap, 0.0016, of, 1).moved(turn, (face * 0.0022, -tall / 2, 0))
    joint = Joint("flap", np.array([0, 0, face]), np.array([face * 0.0022, -tall / 2, 0]), -2.7, 0.0)
    tip = rotmat_from_rotvec(np.array([0, 0, -AJAR])) @ np.array([0.0, drop - 0.006, 0.0])
    at = (0.0022 + tip[0], -tall / 2 + tip[1], 0.015)
    ways = {"edge": _held_edge(long, 0.0012), "flap": _flap_way(at, 0.0008, -AJAR)}
    return Prop("letter", Thing("envelope", "desk", (body, shell), (), 0.01, (joint,)), ways, "x")


def open_envelope(rng: Rng) -> tuple[Prop, Prop]:
    """An envelope that is open at its +z end, and the letter that looks out of it there."""
    tall, long = about(rng, 110.0, 150.0)
    of = replace(material(rng, "paper"), albedo=tuple(rng.uniform(0.45, 0.8, 3).tolist()))
    # Solid: the letter is drawn out of it, and fingers stop at what is thicker than they are pressed in.
    shells = [_leaf((0.0036, tall, long), of, (0, 0, 0))]
    outside = Prop(
        "envelope", Thing("envelope", "desk", tuple(shells), (), 0.01), {"edge": _held_edge(long, 0.0022)}, "x"
    )
    sheet = _leaf((0.0018, tall - 0.012, long - 0.012), material(rng, "printed"), (0, 0, 0))
    # The other hand takes it by its +z end: its thumb to the person, who is at +x of what a left hand holds.
    at = (0, 0.005, long / 2 - 0.016)
    way = Way("pinch", grasp_frame(np.array([1.0, -0.2, 0.1]), np.array([-0.1, 0.35, -0.93]), at), 0.0008, aloft=True)
    inside = Prop("letter", Thing("letter", "desk", (sheet,), (), 0.005), {"end": way}, "x")
    return outside, inside


def letter(rng: Rng) -> Prop:
    """A sheet in both hands, its written face to -y, its lines along x."""
    wide, long = about(rng, 205.0, 285.0)
    of = material(rng, "printed")
    shell = p.box_shell(np.array([wide, 0.0018, long]), 0.0, of)
    at = np.array([wide / 2 - 0.03, 0.0, -0.15 * long])
    way = Way("clamp", grasp_frame(UP, np.array([-0.8, 0, 0.8]), at), 0.0006, aloft=True)
    return Prop("paper", Thing("letter", "desk", (shell,), (), 0.005), {"edge": way}, "x")


def half_sheet(rng: Rng, size: Float[np.ndarray, " 2"], of: Material) -> Prop:
    """What is left and right of a tear; held from its -z end. size: along y and z."""
    n = 15
    z = size[1] / 2 + 0.0016 * np.where(np.arange(n) % 2, 1.0, -1.0) * rng.uniform(0.4, 1.0, n)
    y = np.linspace(-size[0] / 2, size[0] / 2, n)
    outline = np.concatenate([np.stack([z, y], 1), [[-size[1] / 2, size[0] / 2], [-size[1] / 2, -size[0] / 2]]])
    turn = np.array([[0, 0, -1.0], [0, 1.0, 0], [1.0, 0, 0]])
    shell = p.extrude_shell(outline, 0.0018, of).moved(turn, (0, 0, 0))
    ways = {"edge": _held_edge(size[1], 0.0008)}
    return Prop("paper", Thing("sheet of paper", "desk", (shell,), (), 0.003), ways, "x",
                {"edge": np.array([0, 0, size[1] / 2])})  # fmt: skip


def crumpled(rng: Rng, noun: str = "paper") -> Prop:
    """Paper or cloth crushed to a lump that gives way."""
    r = rng.uniform(0.027, 0.033)
    t = np.linspace(0, np.pi, 15)
    profile = r * np.stack([np.sin(t), -np.cos(t)], 1)
    profile[[0, -1], 0] = 0.0
    ball = f.lathe_surface(profile, 26)
    normals = rng.normal(size=(24, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    unit = ball.vertices / np.maximum(np.linalg.norm(ball.vertices, axis=1, keepdims=True), 1e-9)
    folds = np.abs(unit @ normals.T - rng.uniform(-0.6, 0.6, 24)).min(1)
    dents = 1.0 - 0.16 * np.exp(-((folds / 0.09) ** 2))
    of = material(rng, "patterned") if noun == "cloth" else replace(material(rng, "paper"), albedo=(0.75, 0.74, 0.7))
    shell = Shell(f.Surface(ball.vertices * dents[:, None], ball.faces, ball.uv), s.ellipsoid(np.full(3, 0.95 * r)), of)
    ways = {"top": props.from_above(-0.12 * r, 0.92 * r, pitch=0.3)}
    return Prop(noun, Thing(noun, "desk", (shell,), (), 0.005), ways, "x",
                soft=np.array([0.2, -0.04, 0.2]))  # fmt: skip


def cloth(rng: Rng) -> Prop:
    """A lump of cloth before the fingertips, which point to +z."""
    half = np.array([0.02, 0.019, 0.021]) * rng.uniform(0.9, 1.15)
    way = Way("top", grasp_frame(np.array([-1.0, 0.2, 0]), np.array([0, 0.25, 1.0]), (0, 0, -0.006)), 0.017, aloft=True)
    return Prop("cloth", Thing("cloth", "household", (_ellipsoid(half, material(rng, "patterned")),), (), 0.01),
                {"tips": way}, "x", {"front": np.array([0, 0, half[2]])})  # fmt: skip


def paged_book(rng: Rng, side: int) -> Prop:
    """Open on the table, its spine along z; one page of the hand's side stands off a little and can be turned over."""
    wide, long, thick = about(rng, 135.0, 205.0, 10.0)
    sign = 1.0 if side else -1.0
    cover, sheets = material(rng, "patterned", "plastic"), material(rng, "printed")
    y = thick / 2 + 0.0015
    shells = [p.box_shell(np.array([2 * wide, 0.003, long]), 0.0, cover).moved(np.eye(3), (0, y - 0.0015, 0))]
    for way in (-1.0, 1.0):
        shells.append(_leaf((wide - 0.004, thick, long - 0.008), sheets, (way * wide / 2, y - 0.003 - thick / 2, 0)))
    top = y - 0.003 - thick - 0.0008
    page = p.box_shell(np.array([wide - 0.005, 0.0016, long - 0.01]), 0.0, material(rng, "printed"), 1)
    shells.append(page.moved(np.eye(3), (sign * wide / 2, top, 0)))
    # Turned about -z it rises from +x over -y to -x.
    joint = Joint("page", np.array([0, 0, -sign]), np.array([0, top, 0]), 0.0, 3.0)
    rise = rotmat_from_rotvec(np.array([0, 0, -AJAR])) @ np.array([wide - 0.015, 0.0, 0.0])
    at = (rise[0], top + rise[1], -0.2 * long)
    way = Way("pinch", grasp_frame(np.array([-0.6, -0.75, 0.0]), np.array([-0.75, 0.45, 0.6]), at), 0.0008, at=(AJAR,))
    return Prop("book", Thing("book", "desk", tuple(shells), (), 0.4, (joint,)), {"page": way}, "x")


def wallet(rng: Rng, side: int) -> Prop:
    """Upright in the other hand; its front half opens to the person and down, about the edge below."""
    tall, long = about(rng, 88.0, 112.0)
    face, thick = 1.0 if side else -1.0, 0.0075
    of = Material(
        "leather",
        ((0.04, 0.02, 0.012), (0.1, 0.045, 0.02), (0.012, 0.012, 0.014), (0.18, 0.02, 0.02))[int(rng.integers(4))],
        0.55,
        0.6,
    )
    back = p.box_shell(np.array([thick, tall, long]), 0.002, of)
    front = p.box_shell(np.array([thick, tall, long]), 0.002, of, 1).moved(np.eye(3), (face * (thick + 0.0006), 0, 0))
    card = _leaf((0.0008, 0.05, 0.08), label(rng, "card", "bank"), (face * (thick / 2 + 0.0003), -0.012, 0.01))
    hinge = np.array([face * (thick + 0.0006) / 2, tall / 2, 0])
    joint = Joint("fold", np.array([0, 0, face]), hinge, 0.0, 2.6)
    start = 0.5
    tip = rotmat_from_rotvec(np.array([0, 0, start])) @ np.array([thick / 2, -tall + 0.012, 0.0])
    at = (abs(hinge[0]) + tip[0], tall / 2 + tip[1], 0.02)
    ways = {"edge": replace(_held_edge(long, thick / 2), at=(start,)), "flap": _flap_way(at, thick / 2, start)}
    return Prop("wallet", Thing("wallet", "desk", (back, front, card), (), 0.1, (joint,)), ways, "x")


# ----------------------------------------------------------------------------------------------------------- devices


def calculator(rng: Rng) -> Prop:
    """Held from behind as a phone is; its keys look to +y, its display is at +z."""
    size = about(rng, 78.0, 12.0, 138.0)
    of = material(rng, "plastic")
    y = size[1] / 2
    shells = [p.box_shell(size, 0.003, of),
              _leaf((0.8 * size[0], 0.0008, 0.17 * size[2]), Material("display", (0.32, 0.38, 0.28), 0.2, 1.5),
                    (0, y, 0.34 * size[2]))]  # fmt: skip
    keys = [Material("key", c, 0.5, 0.6) for c in ((0.03, 0.03, 0.035), (0.6, 0.6, 0.58), (0.6, 0.12, 0.03))]
    for row in range(5):
        for column in range(4):
            of_key = keys[2 if column == 3 and row == 4 else 0 if column == 3 or row == 0 else 1]
            at = ((column - 1.5) * 0.2 * size[0], y, 0.17 * size[2] - row * 0.135 * size[2])
            key = p.box_shell(np.array([0.15 * size[0], 0.003, 0.09 * size[2]]), 0.0008, of_key)
            shells.append(key.moved(np.eye(3), at))
    way = Way("top", grasp_frame(np.array([-1.0, 0, -0.25]), np.array([0, 1.0, 0.3]), (0, -0.1 * size[1], 0.0)),
              float(size[0] / 2), aloft=True)  # fmt: skip
    return Prop("calculator", Thing("calculator", "desk", tuple(shells), (), 0.12), {"edges": way}, "x",
                {"top": np.array([0, y + 0.0015, 0])})  # fmt: skip


def match(rng: Rng) -> Prop:
    """Along z, it burns at +z."""
    long = rng.uniform(0.046, 0.058)
    y = long / 2
    stick = p.box_shell(np.array([0.0024, 0.0024, long]), 0.0003, Material("match", (0.6, 0.42, 0.2), 0.8, 0.2))
    flame = _ellipsoid(
        np.array([0.0038, 0.0095, 0.0038]), Material("flame", (1.0, 0.62, 0.16), 0.9, 0.0), (0, -0.007, y)
    )
    at = (0, 0, -y + 0.011)
    way = Way("pinch", grasp_frame(np.array([-1.0, 0, 0.0]), np.array([0, 0.5, 0.85]), at), 0.0012, aloft=True)
    return Prop("match", Thing("match", "household", (stick, flame), (), 0.001), {"end": way}, "x",
                {"tip": np.array([0, 0, y])})  # fmt: skip


def candle(rng: Rng) -> Prop:
    r, h = rng.uniform(0.017, 0.032), rng.uniform(0.07, 0.12)
    of = Material("wax", tuple(rng.uniform(0.35, 0.85, 3).tolist()), 0.5, 0.6)
    wick = p.tube_shell(np.array([[0, -h / 2 + 0.002, 0], [0.0008, -h / 2 - 0.005, 0], [0.002, -h / 2 - 0.009, 0]]),
                        0.0009, Material("wick", (0.02, 0.02, 0.02), 0.9, 0.1), 0, 8)  # fmt: skip
    shells = (p.lathe_shell(p.rounded_profile(r, h, 0.003), of), wick)
    return Prop("candle", Thing("candle", "household", shells, (), 0.1), {}, "x",
                {"wick": np.array([0.002, -h / 2 - 0.009, 0])})  # fmt: skip


def charger(rng: Rng) -> Prop:
    """The plug of a charging cable along z, its contact at +z; the cable leads away behind and down."""
    of = Material("cable", ((0.8, 0.8, 0.78), (0.02, 0.02, 0.022))[int(rng.integers(2))], 0.5, 0.6)
    body = p.box_shell(np.array([0.0115, 0.0075, 0.026]), 0.0015, of)
    pin = p.box_shell(np.array([0.0075, 0.0028, 0.008]), 0.0005, material(rng, "metal")).moved(np.eye(3), (0, 0, 0.016))
    t = np.linspace(0, 1, 16)[:, None]
    line = np.array([0, 0, -0.012]) + t * np.array([0.012, 0.0, -0.045]) + t**2 * np.array([0.025, 0.02, -0.015])
    way = Way(
        "pinch",
        grasp_frame(np.array([-1.0, 0, 0.0]), np.array([0.0, 0.94, 0.34]), (0, -0.001, -0.003)),
        0.0057,
        aloft=True,
    )
    cable = p.tube_shell(line, 0.0018, of)
    return Prop("cell charger", Thing("cell charger", "desk", (body, pin, cable), (), 0.03), {"plug": way}, "x",
                {"tip": np.array([0, 0, 0.013])})  # fmt: skip


FOLDED = 1.42
"""Radians by which a temple of glasses is folded in."""


def glasses(rng: Rng) -> Prop:
    """They look to +z; each temple (first the one at +x) turns about its hinge, 0 where it is open."""
    half, r, arm = rng.uniform(0.066, 0.071), rng.uniform(0.0215, 0.0245), rng.uniform(0.128, 0.14)
    of = material(rng, "plastic", "metal")
    lens = Material("lens", (0.4, 0.45, 0.48), 0.04, 2.5)
    shells, joints = [], []
    squash = rng.uniform(0.8, 0.95)
    t = np.linspace(0, 2 * np.pi, 25)
    for sign in (1.0, -1.0):
        middle = np.array([sign * 0.033, 0.0, 0.0])
        ring = middle + np.stack([r * np.cos(t), squash * r * np.sin(t), 0 * t], 1)
        shells.append(p.tube_shell(ring, 0.0022, of, 0, 8))
        disk = np.stack([0.97 * r * np.cos(t[:-1]), 0.97 * squash * r * np.sin(t[:-1])], 1)
        shells.append(p.extrude_shell(disk, 0.0012, lens).moved(np.eye(3), tuple(middle)))
        lug = np.array(
            [[sign * (0.033 + r), -0.004, 0.0], [sign * half, -0.006, -0.001], [sign * half, -0.006, -0.006]]
        )
        shells.append(p.tube_shell(lug, 0.0022, of, 0, 8))
    bridge = np.array([[-0.033 + r, -0.006, 0], [0, -0.011, 0.001], [0.033 - r, -0.006, 0]])
    shells.append(p.tube_shell(bridge, 0.0022, of, 0, 8))
    for part, sign in ((1, 1.0), (2, -1.0)):
        hinge = np.array([sign * half, -0.006, -0.006])
        temple = hinge + np.array([[0, 0, 0], [0, 0, -0.75 * arm], [0, 0.012, -0.9 * arm], [0, 0.024, -arm]])
        shells.append(p.tube_shell(temple, 0.0021, of, part, 8))
        joints.append(Joint(("right", "left")[part - 1], np.array([0, sign, 0]), hinge, 0.0, 1.5))
    way = rotmat_from_rotvec(np.array([0, FOLDED, 0])) @ np.array([0, 0, -0.62 * arm])
    unfold = grasp_frame(np.array([0, -1.0, -0.3]), np.array([-0.9, 0.15, 0.4]), np.array([half, -0.006, -0.006]) + way)
    keep = grasp_frame(np.array([0, -1.0, -0.3]), np.array([-0.75, 0.15, 0.6]), (half, -0.006, -0.05))
    ways = {"temple": Way("pinch", unfold, 0.0021, at=(FOLDED, 0.0), aloft=True),
            "open": Way("pinch", keep, 0.0021, aloft=True)}  # fmt: skip
    return Prop("glasses", Thing("glasses", "household", tuple(shells), (), 0.03, tuple(joints)), ways, "x",
                {"lens": np.array([0.033, 0, 0])})  # fmt: skip


CAPPED: Mapping[str, Callable[[Rng], tuple[Prop, float, float, str]]] = {
    "juice bottle": juice_bottle, "peanut butter": peanut_butter, "liquid soap": liquid_soap,
}  # fmt: skip
"""What has a cap: without it, with the cap's radius, height and how it is held."""
WARES: Mapping[str, Callable[[Rng], Prop]] = {
    "fork": lambda rng: cutlery(rng, "fork"), "spoon": lambda rng: cutlery(rng, "spoon"), "filled bowl": filled_bowl,
    "plate": plate, "food": bite, "salt": salt, "tea bag": tea_bag, "soda can": soda_can, "wine bottle": wine_bottle,
    "wine glass": wine_glass, "letter": letter, "crumpled paper": crumpled, "cloth": cloth, "calculator": calculator,
    "match": match, "candle": candle, "cell charger": charger, "glasses": glasses,
    **{f"uncapped {noun}": (lambda rng, make=make: make(rng)[0]) for noun, make in CAPPED.items()},
}  # fmt: skip
"""What needs to know nothing of the hand that uses it."""
