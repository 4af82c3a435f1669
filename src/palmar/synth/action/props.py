"""Things to act on, and the ways to hold them.

A `Prop` is a thing of `palmar.synth.things` with what actions ask about it: ways to take hold, where its mouth is, what
may be done with it. Ways are written for a right hand whose fingers point along the thing's +z (away from the person)
and are turned with the thing; a left hand takes the mirror image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from palmar.errors import one_of
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.render import Mesh
from palmar.synth.things import GENERATORS
from palmar.synth.things import primitives as p
from palmar.synth.things import solid as s
from palmar.synth.things import surface as f
from palmar.synth.things.material import material
from palmar.synth.things.thing import Joint, Material, Shell, Thing

Rng = np.random.Generator
UP = np.array([0.0, -1.0, 0.0])


@dataclass(frozen=True, eq=False)
class Way:
    """One way to hold a thing."""

    style: str
    """Of `palmar.synth.action.grip`."""
    frame: Float[np.ndarray, "4 4"]
    """part_from_grasp, see `grip.seats`; a right hand's."""
    half: float
    """Half thickness between the fingers, or radius, metres."""
    part: int = 0
    at: tuple[float, ...] | None = None
    """Articulation at which it is held, rest where not given."""
    lead: float | None = None
    """Angle from the part's +z to the left in which a right hand is taken to point; its fingers' where not given."""
    aloft: bool = False
    """Whether it is only held so in the air: elsewhere the hand keeps above what the thing stands on."""
    round: bool = False
    """Whether the hand may come from any side about the vertical, so that the thing need not be turned for it."""


@dataclass(frozen=True, eq=False)
class Prop:
    """A thing that actions know how to use."""

    noun: str
    thing: Thing
    ways: Mapping[str, Way]
    mirror: Literal["x", "turn", "none"] = "x"
    """What its mirror image in x is: itself, itself turned by half a turn about the vertical, or neither."""
    marks: Mapping[str, Float[np.ndarray, " 3"]] = field(default_factory=dict)
    """Places on it, thing's frame: "mouth" (middle of an opening), "tip", "top", "nozzle"."""
    mouth: float = 0.0
    """Radius of its opening, metres."""
    soft: Float[np.ndarray, " 3"] | None = None
    """Of what can be squeezed: share of its extent along its axes that it loses at the hardest. It has one degree of
    freedom, from 0 to 1, in place of joints."""

    @property
    def freedoms(self) -> int:
        """Numbers of its articulation."""
        return 1 if self.soft is not None else len(self.thing.joints)

    def mesh(self, articulation: Float[np.ndarray, " a"]) -> Mesh:
        """As it is drawn, thing's frame."""
        if self.soft is None:
            return self.thing.mesh(articulation)
        drawn = self.thing.mesh()
        share = 1.0 - float(articulation[0]) * self.soft
        centre = self.thing.bounds.mean(0)
        vertices = (centre + (drawn.vertices - centre) * share).astype(np.float32)
        return replace(drawn, vertices=vertices)

    def relaxed(
        self, points: Float[np.ndarray, "n 3"], articulation: Float[np.ndarray, " a"]
    ) -> Float[np.ndarray, "n 3"]:
        """Points about a squeezed thing as they would lie about it at rest; the same for what is not soft."""
        if self.soft is None:
            return points
        centre = self.thing.bounds.mean(0)
        return centre + (points - centre) / (1.0 - float(articulation[0]) * self.soft)

    @property
    def low(self) -> float:
        """From its origin down to what it stands on, metres."""
        return float(self.thing.bounds[1, 1])

    @property
    def top(self) -> float:
        """From its origin up to its top, metres."""
        return float(-self.thing.bounds[0, 1])

    @property
    def reach(self) -> float:
        """How far it goes sideways from its axis, metres."""
        return float(np.hypot(*np.abs(self.thing.bounds[:, [0, 2]]).max(0)))


def grasp_frame(x: np.ndarray, z: np.ndarray, at: np.ndarray | tuple = (0, 0, 0)) -> Float[np.ndarray, "4 4"]:
    """part_from_grasp: z along `z`, x as near to `x` as that allows."""
    z = np.asarray(z, np.float64) / np.linalg.norm(z)
    x = np.asarray(x, np.float64) - z * (np.asarray(x, np.float64) @ z)
    x = x / np.linalg.norm(x)
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = np.stack([x, np.cross(z, x), z], 1), at
    return out


def _around(height: float, radius: float) -> Way:
    """The hand wraps an upright rod from the right."""
    return Way("wrap", grasp_frame(UP, np.array([-1.0, 0.0, -0.2]), (0, height, 0)), radius, round=True)


def from_above(height: float, radius: float, *, pitch: float = 0.35) -> Way:
    """Fingertips round the rim of something round, from above and behind."""
    down = np.array([0.0, math.cos(pitch), math.sin(pitch)])
    return Way("top", grasp_frame(np.array([-0.5, 0.0, -1.0]), down, (0, height, 0)), radius, round=True)


def _pinched(
    at: tuple[float, float, float], half: float, *, across: tuple[float, float, float], pitch: float = 0.5
) -> Way:
    """Thumb and two fingers from above; across leads from the fingers to the thumb."""
    down = np.array([0.0, math.cos(pitch), math.sin(pitch)])
    return Way("pinch", grasp_frame(np.array(across), down, at), half)


def vessel(
    outer: list[tuple[float, float]], wall: float, floor: float, of: Material, around: int = 40
) -> tuple[Shell, float]:
    """An open vessel from its outer outline (radius, height y) from the bottom up, and the radius of its mouth."""
    rows = np.array(outer)
    inner = rows - [wall, 0.0]
    inner = inner[inner[:, 1] < rows[0, 1] - floor]
    bottom = np.interp(rows[0, 1] - floor, rows[::-1, 1], rows[::-1, 0]) - wall
    inside = np.concatenate([[[0, rows[0, 1] - floor], [bottom, rows[0, 1] - floor]], inner])
    profile = np.concatenate([inside, rows[::-1], [[0, rows[0, 1]]]])
    keep = np.concatenate([[True], np.abs(np.diff(profile, axis=0)).sum(1) > 1e-7])
    return p.lathe_shell(profile[keep], of, 0, around), float(inner[-1, 0])


# ----------------------------------------------------------------------------------------------------- what there is


def mug(rng: Rng) -> Prop:
    """With a handle, which points away from the palm."""
    r, h = rng.uniform(0.036, 0.043), rng.uniform(0.085, 0.105)
    body, mouth = vessel([(r * 0.94, h / 2), (r, h / 2 - 0.012), (r, -h / 2)], 0.004, 0.006,
                          material(rng, "ceramic", "patterned", "plastic"))  # fmt: skip
    t = np.linspace(-1.15, 1.15, 14)
    out, tall = rng.uniform(0.024, 0.03), 0.30 * h
    path = np.stack([-(r - 0.006 + out * np.cos(t) ** 0.8), tall * np.sin(t) / np.sin(1.15), 0 * t], 1)
    path[[0, -1], 0] = -(r - 0.003)
    handle = p.tube_shell(path, 0.0055, body.material, 0, 12)
    thing = Thing("mug", "kitchen", (body, handle), (), 0.3)
    return Prop("mug", thing, {"body": _around(0.0, r), "rim": from_above(-h / 2 + 0.012, r)}, "turn",
                {"mouth": np.array([0, -h / 2, 0])}, mouth)  # fmt: skip


def glass(rng: Rng) -> Prop:
    r, h = rng.uniform(0.030, 0.036), rng.uniform(0.10, 0.135)
    body, mouth = vessel([(r * 0.88, h / 2), (r * 0.97, -0.1 * h), (r, -h / 2)], 0.0025, 0.008,
                          material(rng, "glass", "plastic"))  # fmt: skip
    thing = Thing("glass", "kitchen", (body,), (), 0.25)
    return Prop("glass", thing, {"body": _around(-0.08 * h, 0.94 * r)}, "x", {"mouth": np.array([0, -h / 2, 0])}, mouth)


def bowl(rng: Rng) -> Prop:
    r, h = rng.uniform(0.065, 0.085), rng.uniform(0.048, 0.065)
    t = np.linspace(0.25, 1.0, 9)
    outer = [(r * math.sin(a * math.pi / 2) ** 0.9, h / 2 - h * (1 - math.cos(a * math.pi / 2))) for a in t]
    outer = [(0.5 * outer[0][0] + 0.01, h / 2), *[(x, y) for x, y in outer if y < h / 2 - 0.003]]
    body, mouth = vessel(outer, 0.0035, 0.006, material(rng, "ceramic", "plastic", "metal", "wood"))
    thing = Thing("bowl", "kitchen", (body,), (), 0.4)
    side = grasp_frame(np.array([1.0, 0, 0.25]), np.array([-0.25, 1.0, 0.45]), (r - 0.004, -h / 2 + 0.018, -0.005))
    return Prop(
        "bowl", thing, {"rim": Way("clamp", side, 0.004, round=True)}, "x", {"mouth": np.array([0, -h / 2, 0])}, mouth
    )


def bottle(rng: Rng) -> Prop:
    """Of plastic or glass, without its cap."""
    r, h, neck = rng.uniform(0.029, 0.036), rng.uniform(0.185, 0.22), rng.uniform(0.0115, 0.0135)
    y = h / 2
    profile = np.array([[0, -y], [neck, -y], [neck, -y + 0.028], [0.6 * r, -y + 0.045], [0.93 * r, -y + 0.062],
                        [r, -y + 0.078], [r, y - 0.006], [r - 0.005, y], [0, y]])  # fmt: skip
    body = p.lathe_shell(profile, material(rng, "plastic", "glass"))
    top = -y + 0.085
    band = np.array([[0, top], [r + 0.0004, top], [r + 0.0004, y - 0.03], [0, y - 0.03]])
    label = p.lathe_shell(band, material(rng, "printed"))
    thing = Thing("bottle", "kitchen", (body, label), (), 0.5)
    ways = {
        "body": _around(0.15 * y, r),
        "low": _around(0.6 * y, r),
        "high": _around(-0.32 * y, 0.96 * r),
    }
    marks = {"mouth": np.array([0, -y, 0]), "label": np.array([0, 0.2 * y, 0])}
    return Prop("bottle", thing, ways, "x", marks, neck)


def cap(rng: Rng, neck: float) -> Prop:
    """The screw cap of a bottle. Its origin is at the middle of its height, its top closed."""
    r, h = neck + 0.0025, rng.uniform(0.016, 0.022)
    n = 40
    angle = 2 * np.pi * np.arange(2 * n) / (2 * n)
    wave = r + 0.0004 * (-1.0) ** np.arange(2 * n)
    outline = np.stack([wave * np.cos(angle), wave * np.sin(angle)], 1)
    ribbed = f.extrude_surface(outline, h).moved(p.ALONG_Z, (0, 0, 0))
    shell = Shell(ribbed, s.cylinder(h, r), material(rng, "plastic", "metal"))  # its ribs are 0.4 mm high
    thing = Thing("bottle cap", "kitchen", (shell,), (), 0.004)
    return Prop("bottle cap", thing, {"top": replace(from_above(-0.4 * h, r, pitch=0.2), style="pinch")}, "x")


def jar(rng: Rng) -> Prop:
    """Without its lid."""
    r, h = rng.uniform(0.034, 0.040), rng.uniform(0.105, 0.135)
    y, neck = h / 2, 0.86 * r
    body, _mouth = vessel([(r - 0.004, y), (r, y - 0.006), (r, -y + 0.022), (neck, -y + 0.014), (neck, -y)],
                          0.003, 0.005, material(rng, "glass", "ceramic"))  # fmt: skip
    band = np.array([[0, -y + 0.03], [r + 0.0004, -y + 0.03], [r + 0.0004, y - 0.012], [0, y - 0.012]])
    shells = (body,) if rng.random() < 0.4 else (body, p.lathe_shell(band, material(rng, "printed")))
    thing = Thing("jar", "kitchen", shells, (), 0.4)
    return Prop("jar", thing, {"body": _around(y - 0.043, r)}, "x", {"mouth": np.array([0, -y, 0])}, neck)


def lid(rng: Rng, neck: float) -> Prop:
    """The screw lid of a jar."""
    r, h = neck + 0.003, rng.uniform(0.015, 0.019)
    shell = p.lathe_shell(p.rounded_profile(r, h, 0.0015), material(rng, "metal", "plastic", "printed"))
    thing = Thing("jar lid", "kitchen", (shell,), (), 0.02)
    return Prop("jar lid", thing, {"top": from_above(-0.4 * h, r, pitch=0.25)}, "x")


def can(rng: Rng) -> Prop:
    r, h = rng.uniform(0.029, 0.035), rng.uniform(0.10, 0.13)
    y = h / 2
    profile = np.array([[0, -y + 0.003], [0.78 * r, -y + 0.003], [0.82 * r, -y], [r, -y + 0.01], [r, y - 0.008],
                        [0.8 * r, y], [0, y]])  # fmt: skip
    thing = Thing("can", "kitchen", (p.lathe_shell(profile, material(rng, "printed", "metal")),), (), 0.33)
    return Prop("can", thing, {"body": _around(0.0, r)}, "x",
                {"mouth": np.array([0, -y, 0]), "label": np.zeros(3)}, 0.8 * r)  # fmt: skip


def block(rng: Rng) -> Prop:
    size = rng.uniform(0.028, 0.048, 3)
    thing = Thing("block", "toy", (p.box_shell(size, 0.003, material(rng, "wood", "plastic", "patterned")),), (), 0.06)
    half = float(size[0] / 2)
    way = Way("top" if half > 0.017 else "pinch",
              grasp_frame(np.array([-1.0, 0, -0.35]),
                          np.array([0, 1.0, 0.3]), (0, -0.1 * size[1], 0)), half)  # fmt: skip
    return Prop("block", thing, {"top": way}, "x")


def ball(rng: Rng) -> Prop:
    """A soft ball."""
    r = rng.uniform(0.026, 0.034)
    t = np.linspace(0, np.pi, 25)
    profile = r * np.stack([np.sin(t), -np.cos(t)], 1)
    profile[[0, -1], 0] = 0.0
    thing = Thing("ball", "toy", (p.lathe_shell(profile, material(rng, "rubber", "patterned")),), (), 0.05)
    return Prop("ball", thing, {"top": from_above(-0.15 * r, 0.97 * r, pitch=0.3)}, "x",
                soft=np.array([0.16, -0.06, 0.16]))  # fmt: skip


def sponge(rng: Rng) -> Prop:
    """Held from above across its shorter side."""
    size = np.array([rng.uniform(0.058, 0.068), rng.uniform(0.028, 0.036), rng.uniform(0.09, 0.11)])
    rough = p.box_shell(size * [1, 0.3, 1], 0.003, material(rng, "rubber")).moved(np.eye(3), (0, 0.35 * size[1], 0))
    soft = p.box_shell(
        size * [1, 0.7, 1], 0.004, Material("foam", tuple((rng.uniform(0.2, 0.9, 3)).tolist()), 0.9, 0.2)
    )
    soft = soft.moved(np.eye(3), (0, -0.15 * size[1], 0))
    thing = Thing("sponge", "kitchen", (soft, rough), (), 0.02)
    way = Way("top", grasp_frame(np.array([-1.0, 0, -0.3]), np.array([0, 1.0, 0.35]), (0, -0.1 * size[1], 0.0)),
              float(size[0] / 2))  # fmt: skip
    return Prop("sponge", thing, {"top": way}, "x", soft=np.array([0.22, -0.05, -0.03]))


def pen(rng: Rng) -> Prop:
    """Lies along its z, its tip at larger z: away from the person."""
    r, n = rng.uniform(0.004, 0.0052), rng.uniform(0.13, 0.15)
    y = n / 2
    profile = np.array([[0, -y], [0.0006, -y], [0.45 * r, -y + 0.008], [r, -y + 0.022], [r, y - 0.002], [0.8 * r, y],
                        [0, y]])  # fmt: skip
    body = p.lathe_shell(profile, material(rng, "plastic", "wood", "metal"), 0, 18)
    turn = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])  # -y becomes z
    thing = Thing("pen", "desk", (body.moved(turn, (0, 0, 0)),), (), 0.012)
    write = Way(
        "pen", grasp_frame(np.array([-0.26, 0.97, 0.0]), np.array([0, 0, 1.0]), (0, 0, y - 0.033)), 0.9 * r, aloft=True
    )
    ways = {"body": _pinched((0, -0.5 * r, 0.1 * y), r, across=(-1.0, 0, 0.0), pitch=0.35), "write": write}
    return Prop("pen", thing, ways, "x", {"tip": np.array([0, 0, y])})


def paper(rng: Rng) -> Prop:
    """A sheet or notebook that lies on the table."""
    size = np.array([rng.uniform(0.13, 0.2), rng.choice([0.0015, 0.008]), rng.uniform(0.19, 0.28)])
    of = material(rng, "paper")
    shell = p.box_shell(size, 0.0, replace(of, albedo=tuple((0.35 + 0.6 * np.array(of.albedo)).tolist())))
    return Prop("paper", Thing("paper", "desk", (shell,), (), 0.01), {}, "x", {"top": np.array([0, -size[1] / 2, 0])})


def sheet(rng: Rng) -> Prop:
    """A sheet of paper or card in the hand; its plane is y and z, its far end is cut."""
    size = np.array([0.0012, rng.uniform(0.12, 0.17), rng.uniform(0.15, 0.2)])
    shell = p.box_shell(size, 0.0, material(rng, "paper", "printed"))
    # Held by the left hand at its left edge, which is its -z here: see `tools.cut`.
    way = Way(
        "clamp",
        grasp_frame(np.array([-1.0, 0, 0]), np.array([0, 0, 1.0]), (0, 0, -size[2] / 2 + 0.03)),
        0.001,
        aloft=True,
    )
    return Prop("paper", Thing("sheet of paper", "desk", (shell,), (), 0.005), {"edge": way}, "x",
                {"edge": np.array([0, 0, size[2] / 2])})  # fmt: skip


def book(rng: Rng) -> Prop:
    """A thin one that lies open."""
    width, long, thick = rng.uniform(0.11, 0.15), rng.uniform(0.18, 0.23), rng.uniform(0.007, 0.012)
    return open_book(rng, width, long, thick, material(rng, "printed", "patterned", "plastic"))


def open_book(rng: Rng, width: float, long: float, thick: float, cover: Material) -> Prop:
    """Lies open, its pages look to -y, its spine runs along z; held at the left and right edges. Sizes of a half."""
    sheets = material(rng, "printed")
    lift = rng.uniform(0.08, 0.22)
    shells = []
    for sign in (1.0, -1.0):
        turn = rotmat_from_rotvec(np.array([0, 0, -sign * lift]))
        for size, below, of in (((width, 0.003, long), 0.0, cover),
                                ((width - 0.004, thick, long - 0.008), -0.5 * thick - 0.0016, sheets)):  # fmt: skip
            half = p.box_shell(np.array(size), 0.0, of).moved(np.eye(3), (sign * width / 2, below, 0.0))
            shells.append(half.moved(turn, (0, 0, 0)))
    edge = width * np.array([math.cos(lift), -math.sin(lift), 0.0])
    inward = -edge / np.linalg.norm(edge)
    front = np.array([-math.sin(lift), -math.cos(lift), 0.0])
    at = edge + 0.028 * inward + 0.5 * thick * front + np.array([0, 0, -0.12 * long])
    way = Way("clamp", grasp_frame(front, inward + np.array([0, 0, 0.5]), at), thick / 2 + 0.0015, aloft=True)
    return Prop("book", Thing("book", "desk", tuple(shells), (), 0.4), {"edge": way}, "x")


def phone(rng: Rng) -> Prop:
    """Its screen looks to +y, its long side runs along z, its upper end at +z; held from behind."""
    size = np.array([rng.uniform(0.066, 0.076), rng.uniform(0.0075, 0.0095), rng.uniform(0.138, 0.16)])
    body = p.box_shell(size, 0.003, material(rng, "plastic", "metal", "glass"))
    lit = material(rng, "printed") if rng.random() < 0.6 else Material("screen", (0.012, 0.012, 0.014), 0.07, 2.0)
    glass = p.box_shell(size * [0.93, 0, 0.95] + [0, 0.0006, 0], 0.0, lit).moved(yaw(np.pi), (0, size[1] / 2, 0))
    way = Way("top", grasp_frame(np.array([-1.0, 0, -0.25]), np.array([0, 1.0, 0.3]), (0, -0.1 * size[1], 0.0)),
              float(size[0] / 2), aloft=True)  # fmt: skip
    return Prop("phone", Thing("phone", "desk", (body, glass), (), 0.18), {"edges": way}, "x",
                {"top": np.array([0, size[1] / 2, 0])})  # fmt: skip


def spoon(rng: Rng) -> Prop:
    """Along y, its bowl below."""
    n, r = rng.uniform(0.14, 0.17), rng.uniform(0.0022, 0.003)
    of = material(rng, "metal", "wood", "plastic")
    handle = p.tube_shell(
        np.array([[0, -n / 2, 0], [0, 0, 0.001], [0, n / 2 - 0.03, 0.0]]), np.array([r * 1.3, r, r]), of
    )
    t = np.linspace(0, np.pi, 17)
    profile = np.stack([np.sin(t), -np.cos(t)], 1)
    profile[[0, -1], 0] = 0.0
    half, unit = np.array([0.013, 0.021, 0.003]), f.lathe_surface(profile, 24)
    bowl_of = Shell(f.Surface(unit.vertices * half, unit.faces, unit.uv), s.ellipsoid(half), of)
    thing = Thing("spoon", "kitchen", (handle, bowl_of.moved(np.eye(3), (0, n / 2 - 0.018, 0))), (), 0.03)
    way = Way(
        "pinch",
        grasp_frame(np.array([-0.7, 0, -0.7]), np.array([-0.5, 0.75, 0.6]), (0, -n / 2 + 0.03, 0)),
        r * 1.2,
        aloft=True,
    )
    return Prop("spoon", thing, {"handle": way}, "x", {"tip": np.array([0, n / 2, 0])})


def tray(rng: Rng) -> Prop:
    """An open box with low walls, to put things in."""
    size = np.array([rng.uniform(0.17, 0.22), 0.0, rng.uniform(0.13, 0.16)])
    size[1] = rng.uniform(0.035, 0.05)
    of = material(rng, "plastic", "wood", "patterned", "paper")
    return open_box(("box", "tray", "basket")[int(rng.integers(3))], size, of)


def open_box(noun: str, size: Float[np.ndarray, " 3"], of: Material) -> Prop:
    """Full extents, without a lid."""
    shells = tuple(_plates(size, of))
    floor = size[1] / 2 - WALL
    return Prop(noun, Thing("tray", "household", shells, (), 0.2), {}, "x", {"floor": np.array([0, floor, 0])},
                float(min(size[0], size[2])) / 2)  # fmt: skip


WALL = 0.005
"""Thickness of a box's walls, metres."""


def _plates(size: Float[np.ndarray, " 3"], of: Material) -> list[Shell]:
    """Floor and four walls of a box."""
    wide, tall, deep = size.tolist()
    plates = [((wide, WALL, deep), (0.0, (tall - WALL) / 2, 0.0))]
    for sign in (-1, 1):
        plates.append(((WALL, tall, deep), (sign * (wide - WALL) / 2, 0.0, 0.0)))
        plates.append(((wide, tall, WALL), (0.0, 0.0, sign * (deep - WALL) / 2)))
    return [p.box_shell(np.array(full), 0.001, of).moved(np.eye(3), at) for full, at in plates]


def chest(rng: Rng) -> Prop:
    """A box with a hinged lid; the hinge is away from the person."""
    wide, tall, deep = rng.uniform(0.12, 0.18), rng.uniform(0.065, 0.09), rng.uniform(0.09, 0.13)
    of, cover = material(rng, "wood", "plastic", "printed", "patterned"), material(rng, "wood", "plastic", "patterned")
    y, lid = tall / 2, 0.010
    shells = _plates(np.array([wide, tall, deep]), of)
    over = 0.016
    shells.append(p.box_shell(np.array([wide + 0.004, lid, deep + over]), 0.002, cover, 1)
                  .moved(np.eye(3), (0, -y - lid / 2 - 0.0003, -over / 2)))  # fmt: skip
    joint = Joint("lid", np.array([-1.0, 0, 0]), np.array([0, -y, deep / 2]), 0.0, 1.9)
    at = (rng.uniform(0.0, 0.25) * wide, -y - lid / 2, -deep / 2 - over + 0.013)
    way = Way(
        "pinch", grasp_frame(np.array([0.0, 1.0, 0.1]), np.array([-0.25, 0.0, 1.0]), at), lid / 2, part=1, lead=0.45
    )
    noun = ("box", "chest")[int(rng.integers(2))]
    return Prop(noun, Thing("box with a lid", "household", tuple(shells), (), 0.3, (joint,)),
                {"lid": way}, "x")  # fmt: skip


def spray_bottle(rng: Rng) -> Prop:
    """Of a household, for cleaning."""
    return trigger_bottle(rng, "spray bottle", rng.uniform(0.028, 0.034), rng.uniform(0.172, 0.192) + 0.022, 0.075,
                          material(rng, "printed"))  # fmt: skip


def trigger_bottle(rng: Rng, noun: str, r: float, tall: float, head_long: float, of_label: Material) -> Prop:
    """Its nozzle and trigger look to +z, away from the person. head_long: of what sits on top, along z."""
    neck, high, cap = 0.0145, 0.062, 0.022
    y = tall / 2
    shoulder = -y + cap + high
    profile = np.array([[0, shoulder - high], [neck, shoulder - high], [neck, shoulder - 0.02],
                        [0.75 * r, shoulder - 0.004], [r, shoulder + 0.012], [r, y - 0.006], [r - 0.005, y],
                        [0, y]])  # fmt: skip
    body = p.lathe_shell(profile, material(rng, "plastic", "glass"))
    ring = np.array([[0, shoulder + 0.02], [r + 0.0004, shoulder + 0.02], [r + 0.0004, y - 0.015], [0, y - 0.015]])
    wrapped = p.lathe_shell(ring, of_label)
    of = material(rng, "plastic")
    top = shoulder - high
    front = head_long - 0.026
    head = p.box_shell(np.array([0.026, 0.024, head_long]), 0.005, of).moved(
        np.eye(3), (0, top - 0.010, front - head_long / 2)
    )
    nozzle = p.lathe_shell(p.rounded_profile(0.008, 0.012, 0.001), of).moved(p.ALONG_Z, (0, top - 0.010, front + 0.005))
    at = min(0.034, front - 0.002)
    path = np.array([[0, top + 0.002, at + 0.002], [0, top + 0.020, at], [0, top + 0.040, at + 0.006]])
    trigger = p.tube_shell(path, np.array([0.0055, 0.005, 0.0045]), material(rng, "plastic"), 1)
    joint = Joint("trigger", np.array([1.0, 0, 0]), np.array([0, top, at]), -0.45, 0.0)
    thing = Thing(noun, "household", (body, wrapped, head, nozzle, trigger), (), 0.4, (joint,))
    way = Way("wrap", grasp_frame(UP, np.array([-0.85, 0.0, 0.5]), (0, top + 0.038, 0)), 0.019)
    return Prop(noun, thing, {"neck": way}, "x", {"nozzle": np.array([0, top - 0.010, front + 0.012])})


def scissors(rng: Rng) -> Prop:
    """Blades along +z in the plane of y and z, bows towards the person; both legs turn about x."""
    blade, bow, half = rng.uniform(0.075, 0.10), rng.uniform(0.062, 0.07), 0.0018
    steel, grip_of = material(rng, "metal"), material(rng, "plastic", "rubber")
    shells = []
    for part, sign in ((1, 1.0), (2, -1.0)):  # the first has its bow below (y > 0), its blade above
        outline = np.array([[-0.012, -sign * 0.006], [blade, 0.0], [blade * 0.5, sign * 0.004], [-0.012, sign * 0.006]])
        outline = outline if sign > 0 else outline[::-1]
        turn = np.array([[0, 0, 1.0], [0, 1.0, 0], [-1.0, 0, 0]]).T  # x becomes z
        leg = p.extrude_shell(outline * [1, -1], 2 * half, steel, part).moved(turn, (sign * half, 0, 0))
        t = np.linspace(0, 2 * np.pi, 25)
        ring = np.stack([0 * t, sign * (0.0125 + 0.0085 * np.cos(t)), -bow - 0.018 * np.sin(t)], 1)
        stem = np.array([[0, -sign * 0.002, 0.004], [0, sign * 0.004, -0.02], [0, sign * 0.009, -bow + 0.016]])
        shells += [leg, p.tube_shell(ring, 0.0038, grip_of, part, 10), p.tube_shell(stem, 0.0038, grip_of, part, 10)]
    joints = (Joint("lower", np.array([1.0, 0, 0]), np.zeros(3), 0.0, OPEN),
              Joint("upper", np.array([-1.0, 0, 0]), np.zeros(3), 0.0, OPEN))  # fmt: skip
    thing = Thing("scissors", "desk", tuple(shells), (), 0.05, joints)
    way = Way("clamp", grasp_frame(UP, np.array([-0.25, 0.0, 1.0]), (0.0, 0.0, -bow + 0.01)), 0.025 + 0.85 * OPEN * bow,
              at=(-OPEN, -OPEN), aloft=True)  # fmt: skip
    return Prop("scissors", thing, {"bows": way}, "x", {"tip": np.array([0, 0, blade])})


OPEN = 0.2
"""Radians by which each leg of open scissors is turned."""

PROPS: Mapping[str, Callable[[Rng], Prop]] = {
    "mug": mug, "glass": glass, "bowl": bowl, "bottle": bottle, "jar": jar, "can": can, "block": block, "ball": ball,
    "sponge": sponge, "pen": pen, "paper": paper, "sheet": sheet, "book": book, "phone": phone, "spoon": spoon,
    "tray": tray, "chest": chest, "spray bottle": spray_bottle, "scissors": scissors,
}  # fmt: skip


ADOPTED = (
    "apple", "orange", "plum", "lemon", "tennis ball", "baseball", "golf ball", "cup", "soup can", "vase", "bulb",
    "tuna can", "roll of tape", "banana", "marker", "screwdriver", "remote control", "mouse", "padlock", "meat can",
    "gelatin box", "pudding box", "pill box", "wine glass", "carved", "knob",
)  # fmt: skip
"""Sorts of `palmar.synth.things` that can be taken from a table as they stand on it."""
_CALLED = {"carved": "figure", "knob": "chess piece", "bulb": "light bulb", "mouse": "computer mouse"}


def adopted(rng: Rng, name: str) -> Prop:
    """A thing of the household as a prop: it can be taken, carried and put down. The way to hold it follows from its
    places to grip: upright rods are wrapped, everything else is taken from above across its narrower side."""
    thing = GENERATORS[one_of("thing", name, ADOPTED)](rng)
    noun = _CALLED.get(name, name)
    for grip in thing.grips:
        axes, at, half = grip.thing_from_grip[:3, :3], grip.thing_from_grip[:3, 3], grip.half
        if grip.part:
            continue
        if grip.shape == "rod" and abs(axes[1, 2]) > 0.9 and half[0] > 0.019 and half[2] > 0.025:
            if grip.round and abs(half[0] - half[1]) < 0.002 and np.hypot(at[0], at[2]) < 0.004:
                low = float(thing.bounds[1, 1])
                return Prop(noun, thing, {"body": _around(min(float(at[1]), low - 0.045), float(half[0]))}, "none")
            continue
        if grip.shape in ("ball", "disk"):
            top = float(thing.bounds[0, 1])
            height = float(at[1]) - 0.15 * half[0] if grip.shape == "ball" else top + min(0.012, 0.6 * half[1])
            radius = float(half[0] if grip.shape == "disk" else max(half[0], half[2] if half[2] < 0.034 else 0.0))
            if radius < 0.043:
                return Prop(noun, thing, {"top": from_above(height, radius * 0.97, pitch=0.3)}, "none")
            continue
        flat = [k for k in range(3) if abs(axes[1, k]) < 0.35 and half[k] < 0.036]
        if flat:
            k = min(flat, key=lambda j: half[j])
            across = axes[:, k] * np.array([1.0, 0.0, 1.0])
            across = across if across @ np.array([-1.0, 0.0, -0.4]) > 0 else -across
            upper = at + np.array([0.0, -0.25 * _vertical(axes, half), 0.0])
            style = "top" if half[k] > 0.0155 else "pinch"
            frame = grasp_frame(across, np.array([0.0, math.cos(0.35), math.sin(0.35)]), upper)
            return Prop(noun, thing, {"body": Way(style, frame, float(half[k]))}, "none")
    side = float(np.hypot(*thing.size[[0, 2]]) / 2)
    return Prop(
        noun, thing, {"top": from_above(float(thing.bounds[0, 1]) + 0.012, min(side, 0.04), pitch=0.3)}, "none"
    )


def _vertical(axes: np.ndarray, half: np.ndarray) -> float:
    """Half extent along y of a grip's box."""
    return float(np.abs(axes[1]) @ half)


def prop(rng: Rng, noun: str) -> Prop:
    """A thing of that name."""
    known = (*PROPS, *ADOPTED)
    return PROPS[noun](rng) if noun in PROPS else adopted(rng, one_of("thing", noun, known))


def yaw(angle: float) -> Float[np.ndarray, "3 3"]:
    """Turn about the vertical that leads +z to (-sin, 0, cos): to the left, seen by who looks along +z."""
    return rotmat_from_rotvec(np.array([0.0, -angle, 0.0]))
