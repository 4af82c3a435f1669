"""Goods with the true sizes of the objects of H2O (Kwon et al. 2021): a book, a box of espresso, lotion, a spray, a
carton of milk, cocoa, a tube of chips, a cup of cappuccino; and what stands on a table like them.

Each is drawn about its size, in any colour, with its word on it. Here as everywhere y is down and things stand; H2O's
own z is our -y, and where it is long and thin (x of the book, the box, the lotion) so is our x or z.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Mapping
from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float

from palmar.synth.action import props
from palmar.synth.action.props import UP, Prop, Rng, Way, grasp_frame
from palmar.synth.things import primitives as p
from palmar.synth.things import solid as s
from palmar.synth.things import surface as f
from palmar.synth.things.material import linear, material
from palmar.synth.things.thing import TEXTURE, Material, Shell, Thing

COMMON, OWN = 0.06, 0.04
"""Shares by which the sizes of a thing vary, all together and each on its own: a tenth at most."""


def about(rng: Rng, *millimetres: float) -> Float[np.ndarray, " n"]:
    """Sizes near these, metres."""
    vary = 1.0 + rng.uniform(-COMMON, COMMON) + rng.uniform(-OWN, OWN, len(millimetres))
    return 1e-3 * np.array(millimetres) * vary


def label(rng: Rng, *words: str, times: int = 1) -> Material:
    """A printed face: a colour, a field, a picture of something round, a word, small lines. times: how often it comes
    across the texture: twice around a tube it is seen from both sides."""
    high, wide = TEXTURE, TEXTURE // times
    hue, pale = rng.random(), rng.random() < 0.3
    tint = [(hue, 0.1 if pale else rng.uniform(0.5, 1), rng.uniform(0.8, 1) if pale else rng.uniform(0.35, 0.95)),
            ((hue + rng.uniform(0.03, 0.6)) % 1, rng.uniform(0.4, 1), rng.uniform(0.4, 1)),
            ((hue + 0.5) % 1, rng.uniform(0, 0.9), rng.uniform(0.6, 1))]  # fmt: skip
    ground, field, spot = (tuple(255 * c for c in colorsys.hsv_to_rgb(*hsv)) for hsv in tint)
    picture = np.empty((high, wide, 3), np.uint8)
    picture[:] = ground
    edge = int(rng.uniform(0.55, 0.8) * high)
    cv2.rectangle(picture, (0, edge), (wide, high), field, -1)
    at = (int(rng.uniform(0.35, 0.65) * wide), edge - int(0.02 * high))
    round_ = (int(rng.uniform(0.2, 0.34) * wide), int(rng.uniform(0.1, 0.2) * high))
    cv2.ellipse(picture, at, round_, float(rng.uniform(-30, 30)), 0, 360, spot, -1, cv2.LINE_AA)
    ink = (20, 20, 25) if 0.3 * ground[0] + 0.6 * ground[1] + 0.1 * ground[2] > 140 else (245, 245, 240)
    word = words[int(rng.integers(len(words)))].upper()
    long = cv2.getTextSize(word, cv2.FONT_HERSHEY_DUPLEX, 1.0, 2)[0][0]
    scale = min(0.86 * wide / long, 1.4)
    left, high_up = int((wide - scale * long) / 2), int(rng.uniform(0.24, 0.42) * high)
    cv2.putText(
        picture, word, (left, high_up), cv2.FONT_HERSHEY_DUPLEX, scale, ink, 2 if scale > 0.5 else 1, cv2.LINE_AA
    )
    for row in range(int(rng.integers(1, 5))):
        y = edge + 10 + 7 * row
        cv2.line(picture, (int(0.1 * wide), y), (int(rng.uniform(0.5, 0.9) * wide), y), ink, 1)
    texture = np.zeros((TEXTURE, TEXTURE, 4), np.float32)
    texture[..., :3] = linear(np.tile(picture, (1, times, 1)) / 255.0)
    return Material("printed", (1.0, 1.0, 1.0), float(rng.uniform(0.25, 0.7)), float(rng.uniform(0.4, 1.2)), texture)


def _wrapped(height: float, half: float, *, round: bool = False) -> Way:
    """The hand takes an upright body from the right, its palm at the side."""
    return Way("wrap", grasp_frame(UP, np.array([-1.0, 0.0, -0.2]), (0, height, 0)), half, round=round)


def _oval(profile: Float[np.ndarray, "n 2"], wide: float, deep: float, of: Material) -> Shell:
    """A turned outline, in shares of its half extent, drawn out to an oval of these full extents in x and z."""
    thin = min(wide, deep) / 2
    stretch = np.array([wide / 2 / thin, 1.0, deep / 2 / thin])
    unit = np.asarray(profile) * [thin, 1.0]
    turned = f.lathe_surface(unit)
    return Shell(f.Surface(turned.vertices * stretch, turned.faces, turned.uv), s.lathe(unit).stretched(stretch), of)


def _cap(rng: Rng, noun: str, radius: float, high: float, style: str = "pinch") -> Prop:
    """What closes it: a screw cap, or the lid of a tube."""
    shell = p.lathe_shell(p.rounded_profile(radius, high, 0.0015), material(rng, "plastic"))
    # A pinch comes from higher, so that no fingertip is under the table where the cap is put down.
    way = replace(props.from_above(-(0.4 if style == "top" else 0.85) * high, radius, pitch=0.2), style=style)
    return Prop(noun, Thing(noun, "kitchen", (shell,), (), 0.004), {"top": way}, "x")


SEAT = 0.2
"""Share of its own half height by which the middle of a cap stands above the mouth that it closes."""


def _closed(base: Prop, cover: Prop) -> Prop:
    """Both as one thing."""
    at = base.marks["mouth"] + SEAT * cover.top * UP
    shells = (*base.thing.shells, *(shell.moved(np.eye(3), at) for shell in cover.thing.shells))
    thing = replace(base.thing, shells=shells)
    down = (thing.bounds[0, 1] + thing.bounds[1, 1]) / 2  # the origin is in the middle of the whole
    moved = tuple(shell.moved(np.eye(3), (0.0, -down, 0.0)) for shell in shells)
    ways = {}
    for name, way in base.ways.items():
        frame = way.frame.copy()
        frame[1, 3] -= down
        ways[name] = replace(way, frame=frame)
    return Prop(base.noun, replace(thing, shells=moved), ways, base.mirror, soft=base.soft)


def capped(rng: Rng, noun: str) -> tuple[Prop, Prop]:
    """What has a cap or a lid, and that, apart."""
    base, radius, high, style = BASES[noun](rng)
    return base, _cap(rng, f"{noun} {'lid' if style == 'top' else 'cap'}", radius, high, style)


# -------------------------------------------------------------------------------------------------- the eight of H2O


def book(rng: Rng) -> Prop:
    """It stands upright, its back to the person: the hand takes it by its back."""
    thick, deep, tall = about(rng, 39.0, 210.6, 231.6)
    board = 0.003
    cover, sheets = label(rng, "novel", "atlas", "history", "physics", "poems"), material(rng, "paper")
    back = replace(label(rng, "novel", "atlas"), roughness=cover.roughness)
    shells = [p.box_shell(np.array([thick - 2 * board, tall - 0.008, deep - 0.006]), 0.0, sheets)]
    for sign in (1.0, -1.0):
        side = p.box_shell(np.array([board, tall, deep]), 0.0005, cover)
        shells.append(side.moved(np.eye(3), (sign * (thick - board) / 2, 0, 0)))
    spine = p.box_shell(np.array([thick, tall, board]), 0.0005, back)
    shells.append(spine.moved(np.eye(3), (0, 0, -(deep - board) / 2)))
    at = (0.0, -0.05 * tall, -deep / 2 + 0.035)
    way = Way("clamp", grasp_frame(np.array([-1.0, 0, 0]), np.array([0, 0.25, 1.0]), at), thick / 2)
    return Prop("book", Thing("book", "desk", tuple(shells), (), 0.9), {"back": way}, "x")


def opened_book(rng: Rng) -> Prop:
    """The same, open: to be read in both hands."""
    thick, wide, tall = about(rng, 39.0, 210.6, 231.6)
    return props.open_book(rng, wide, tall, thick / 2, label(rng, "novel", "atlas", "history", "poems"))


def espresso(rng: Rng) -> Prop:
    """A flat box that stands; taken from above across its wide side."""
    deep, wide, tall = about(rng, 32.4, 64.6, 151.8)
    shell = p.box_shell(np.array([wide, tall, deep]), 0.0008, label(rng, "espresso", "caffe", "arabica"))
    frame = grasp_frame(np.array([-1.0, 0, -0.1]), np.array([0, 0.8, 0.6]), (0, -tall / 2 + 0.03, 0))
    side = grasp_frame(np.array([-1.0, 0, -0.15]), np.array([0, 0.35, 1.0]), (0, -0.1 * tall, 0))
    ways = {"top": Way("top", frame, wide / 2), "body": Way("clamp", side, wide / 2)}
    return Prop("espresso", Thing("espresso", "kitchen", (shell,), (), 0.12), ways, "x",
                {"label": np.zeros(3)})  # fmt: skip


def _lotion(rng: Rng) -> tuple[Prop, float, float, str]:
    deep, wide, tall = about(rng, 37.8, 61.6, 204.8)
    radius, high = rng.uniform(0.0135, 0.0165), rng.uniform(0.026, 0.032)
    body = tall - 0.6 * high
    y, neck = body / 2, radius - 0.0025
    n = neck / (min(wide, deep) / 2)
    profile = np.array([[0, -y + 0.012], [0.75, -y + 0.013], [0.9, -y + 0.02], [1.0, -y + 0.042], [1.0, y - 0.012],
                        [0.97, y - 0.004], [0.9, y], [0, y]])  # fmt: skip
    shells = (_oval(profile, wide, deep, label(rng, "lotion", "creme", "care", "aloe", times=2)),
              p.lathe_shell(np.array([[0, -y], [neck, -y], [neck, -y + 0.02], [0, -y + 0.02]]),
                            material(rng, "plastic")))  # fmt: skip
    assert n < 1.0
    soft = np.array([-0.03, 0.0, 0.12])
    prop = Prop("lotion", Thing("lotion", "bath", shells, (), 0.25), {"body": _wrapped(0.05 * y, wide / 2)}, "x",
                {"mouth": np.array([0, -y, 0])}, neck, soft=soft)  # fmt: skip
    return prop, radius, high, "pinch"


def _milk(rng: Rng) -> tuple[Prop, float, float, str]:
    wide, deep, tall = about(rng, 73.4, 78.4, 202.4)
    radius, high = rng.uniform(0.0145, 0.017), rng.uniform(0.015, 0.019)
    y, neck = (tall - 0.6 * high) / 2, radius - 0.0025
    roof, spout = 0.034, 0.008
    of = label(rng, "milk", "milch", "latte")
    walls = y + y - spout - roof
    carton = p.box_shell(np.array([wide, walls, deep]), 0.001, of).moved(np.eye(3), (0, y - walls / 2, 0))
    top = y - walls
    gable = np.array([[-deep / 2, top], [deep / 2, top], [0.012, -y + spout], [-0.012, -y + spout]])
    turn = np.array([[0, 0, 1.0], [0, 1.0, 0], [-1.0, 0, 0]])
    roofed = p.extrude_shell(gable, wide, replace(material(rng, "paper"), albedo=(0.75, 0.75, 0.72))).moved(
        turn, (0, 0, 0)
    )
    pipe = p.lathe_shell(np.array([[0, -y], [neck, -y], [neck, -y + 0.03], [0, -y + 0.03]]), material(rng, "plastic"))
    prop = Prop("milk", Thing("milk", "kitchen", (carton, roofed, pipe), (), 0.6),
                {"body": _wrapped(0.1 * y, wide / 2)}, "x",
                {"mouth": np.array([0, -y, 0]), "label": np.zeros(3)}, neck)  # fmt: skip
    return prop, radius, high, "pinch"


def cocoa(rng: Rng) -> Prop:
    """An oval tin with its lid on."""
    wide, deep, tall = about(rng, 81.2, 93.2, 146.4)
    y, brim = tall / 2, 0.016
    side = [[0, -y + 0.004], [0.97, -y + 0.004], [0.97, y - 0.003], [0.94, y], [0, y]]
    lid = [[0, -y], [0.97, -y], [1.0, -y + 0.002], [1.0, -y + brim], [0, -y + brim]]
    shells = (_oval(np.array(side), wide, deep, label(rng, "cocoa", "kakao", "choco", times=2)),
              _oval(np.array(lid), wide, deep, material(rng, "plastic")))  # fmt: skip
    return Prop("cocoa", Thing("cocoa", "kitchen", shells, (), 0.5), {"body": _wrapped(0.0, 0.485 * wide)}, "x",
                {"label": np.zeros(3)})  # fmt: skip


def _chips(rng: Rng) -> tuple[Prop, float, float, str]:
    wide, _, tall = about(rng, 71.4, 74.6, 261.2)
    r, high = wide / 2 - 0.001, rng.uniform(0.011, 0.014)
    y = (tall - 0.6 * high) / 2
    body, mouth = props.vessel([(r, y), (r, -y)], 0.0018, 0.004, label(rng, "chips", "crisps", "paprika", times=2))
    foot = p.lathe_shell(p.rounded_profile(r + 0.0006, 0.005, 0.001), material(rng, "metal"))
    shells = (body, foot.moved(np.eye(3), (0, y - 0.0025, 0)))
    prop = Prop("chips", Thing("chips", "kitchen", shells, (), 0.2), {"body": _wrapped(0.1 * y, r, round=True)}, "x",
                {"mouth": np.array([0, -y, 0])}, mouth)  # fmt: skip
    return prop, r + 0.001, high, "top"


def cappuccino(rng: Rng) -> Prop:
    """A wide paper cup with a lid, narrower below, where it is held."""
    wide, _, tall = about(rng, 112.0, 112.6, 115.8)
    r, y = wide / 2, tall / 2
    low = r * rng.uniform(0.64, 0.7)
    rim = np.array([[0, -y], [0.72 * r, -y], [0.76 * r, -y + 0.008], [0.96 * r, -y + 0.011], [r, -y + 0.014],
                    [r, -y + 0.02], [0.95 * r, -y + 0.023], [0, -y + 0.023]])  # fmt: skip
    cup = np.array([[0, -y + 0.02], [0.96 * r, -y + 0.02], [low, y - 0.002], [low - 0.002, y], [0, y]])
    sleeve = np.interp([-0.1 * tall, 0.3 * tall], [-y + 0.02, y - 0.002], [0.96 * r, low])
    shells = (p.lathe_shell(cup, label(rng, "coffee", "cappuccino", "caffe", times=2)),
              p.lathe_shell(rim, material(rng, "plastic")))  # fmt: skip
    at = 0.18 * y
    held = float(np.interp(at, [-y + 0.02, y - 0.002], [0.96 * r, low]))
    assert sleeve[0] > sleeve[1]
    return Prop("cappuccino", Thing("cappuccino", "kitchen", shells, (), 0.3),
                {"body": _wrapped(at, held, round=True)}, "x", {"label": np.zeros(3)})  # fmt: skip


def spray(rng: Rng) -> Prop:
    """A slim bottle with a trigger."""
    wide, _, tall = about(rng, 45.6, 51.2, 202.2)
    return props.trigger_bottle(rng, "spray", wide / 2, tall, 0.051, label(rng, "spray", "fresh", "mist", times=2))


def crate(rng: Rng) -> Prop:
    """A low open box, wide enough for any of them."""
    size = np.array([rng.uniform(0.24, 0.29), rng.uniform(0.032, 0.045), rng.uniform(0.19, 0.22)])
    return props.open_box("box", size, material(rng, "plastic", "wood", "paper"))


BASES: Mapping[str, Callable[[Rng], tuple[Prop, float, float, str]]] = {
    "lotion": _lotion, "milk": _milk, "chips": _chips
}  # fmt: skip
"""What has a cap: without it, with the cap's radius, height and how it is held."""


def _shut(noun: str) -> Callable[[Rng], Prop]:
    return lambda rng: _closed(*capped(rng, noun))


def _bare(noun: str) -> Callable[[Rng], Prop]:
    return lambda rng: BASES[noun](rng)[0]


GOODS: Mapping[str, Callable[[Rng], Prop]] = {
    "closed book": book, "opened book": opened_book, "espresso": espresso, "lotion": _shut("lotion"), "spray": spray,
    "milk": _shut("milk"), "cocoa": cocoa, "chips": _shut("chips"), "cappuccino": cappuccino, "crate": crate,
    "uncapped lotion": _bare("lotion"), "uncapped milk": _bare("milk"), "uncapped chips": _bare("chips"),
}  # fmt: skip
"""By the name under which `palmar.synth.action.sequence` asks for them; their noun may be another."""


def prop(rng: Rng, name: str) -> Prop:
    """A thing of that name, of these or of `props`."""
    return GOODS[name](rng) if name in GOODS else props.prop(rng, name)
