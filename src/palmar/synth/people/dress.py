"""What a person looks like and wears: skin of body and face, hair, shirts, trousers.

Clothes and hair are shells (`palmar.synth.wear.shell`) over the body.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy.sparse import csr_matrix

from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand import HandModel
from palmar.render import Mesh
from palmar.synth.people.body import BONE, FOREARM, RING, UPPER_ARM, ShapedBody
from palmar.synth.people.hands import OwnHand
from palmar.synth.scene import ARM, CLOTH
from palmar.synth.skin import Cloth, Skin, albedo, paint, sample_cloth
from palmar.synth.wear.band import Band, band
from palmar.synth.wear.shell import Shell, cut, smoother

HEAD, TRUNK, EYE, HAIR = 22, 23, 24, 25
"""Part labels beside those of `palmar.synth.scene`."""


Garment = Shell
Hair = Shell


def arm_reach(body: ShapedBody) -> Float[np.ndarray, " v"]:
    """How far out on an arm: below 0 on the trunk, 0 at the shoulder, 1 at the elbow, 2 at the wrist."""
    weights = body.model.weights
    out = np.full(len(body.vertices), -1.0)
    for side in range(2):
        upper, fore = weights[:, UPPER_ARM[side]], weights[:, FOREARM[side]]
        own = upper + fore > 0.02
        s, e = body.joints[UPPER_ARM[side]], body.joints[FOREARM[side]]
        before = (body.vertices - s) @ (e - s) / np.sum((e - s) ** 2)
        far = np.where(fore > 0.5, 1.0 + body.along[side, 1], np.minimum(before, 1.0 + body.along[side, 1]))
        out[own] = far[own]
    return out


# ------------------------------------------------------------------------------------------------------- skin


def paint_body(
    rng: np.random.Generator,
    body: ShapedBody,
    skin: Skin,
    hands: tuple[OwnHand, OwnHand],
    hair: Float[np.ndarray, " 3"],
) -> Mesh:
    """The bare body with its skin, eyes, brows and lips; vertices at rest. hair: its colour."""
    model, v = body.model, len(body.vertices)
    rest = paint(skin, {}, body.vertices.astype(np.float32))
    colour = rest.albedo.astype(np.float64)
    roughness, specular = rest.roughness.copy(), rest.specular.copy()
    part = np.full(v, TRUNK, np.uint8)
    for side in range(2):  # arms are painted as the hand is, so that colours meet
        weight = model.weights[:, FOREARM[side]] + model.weights[:, UPPER_ARM[side]]
        rows = np.flatnonzero(weight > 0.01)
        local = (body.vertices[rows] - body.ends[side]) @ body.body_from_local(side) + hands[side].wrist
        high = np.clip(2.2 - arm_reach(body)[rows], 0, 1)
        mask = {"forearm": np.clip(1.2 - high, 0, 1).astype(np.float32)}
        sun = paint(skin, {"forearm": np.maximum(mask["forearm"], (arm_reach(body)[rows] > 1.0).astype(np.float32))},
                    local.astype(np.float32))  # fmt: skip
        w = weight[rows, None]
        colour[rows] = (1 - w) * colour[rows] + w * sun.albedo
        roughness[rows], specular[rows] = sun.roughness, sun.specular
        part[rows[weight[rows] > 0.5]] = ARM
    part[model.masks["head"] > 0.5] = HEAD
    eyes = body.ends[4:]
    apart = float(np.linalg.norm(eyes[0] - eyes[1])) / 2  # half the distance of the eyes: the face's unit
    middle = eyes.mean(0)
    face = (body.vertices - middle) / apart
    # blood in cheeks, nose, ears
    red = np.exp(-((np.abs(face[:, 0]) - 1.1) ** 2 / 0.5 + (face[:, 1] - 1.3) ** 2 / 0.5)) * (face[:, 2] < 0.6)
    red = red + np.exp(-(face[:, 0] ** 2 / 0.1 + (face[:, 1] - 1.3) ** 2 / 0.1)) * (face[:, 2] < 0.0)
    red = np.clip(red * 0.5 + 0.6 * model.masks["ears"], 0, 1) * model.masks["head"]
    flushed = albedo(skin.fm, min(skin.fb * 1.8, 0.05)) / albedo(skin.fm, skin.fb)
    colour *= 1.0 + red[:, None] * (flushed - 1.0)
    lips = model.masks["lips"].astype(np.float64)[:, None]
    lip = albedo(skin.fm * rng.uniform(0.6, 0.9), min(skin.fb * rng.uniform(2.0, 3.5), 0.05)) * skin.tint * 0.9
    if rng.random() < 0.12:
        lip = np.array([rng.uniform(0.25, 0.5), rng.uniform(0.02, 0.12), rng.uniform(0.04, 0.12)])
    colour += lips * (lip - colour)
    brow = _brows(face, rng)[:, None] * model.masks["head"][:, None]
    colour += brow * (hair * 0.9 - colour)
    if rng.random() < 0.3:  # shadow of a beard
        chin = _smooth(face[:, 1], 1.7, 2.4) * (1 - _smooth(face[:, 2], 0.2, 1.2)) * (1 - model.masks["lips"])
        chin = chin * (1 - _smooth(face[:, 1], 4.2, 4.8)) * model.masks["head"] * rng.uniform(0.15, 0.7)
        colour += chin[:, None] * (hair * 0.8 - colour)
    colour *= 1.0 - 0.5 * model.masks["eye_cavity"][:, None] * (1 - model.masks["eyelids"][:, None])
    _eyes(body, colour, roughness, specular, part)
    return Mesh(
        body.vertices.astype(np.float32), model.faces, np.clip(colour, 0.0, 0.95).astype(np.float32),
        roughness.astype(np.float32), specular.astype(np.float32), part=part,
    )  # fmt: skip


def _smooth(x: np.ndarray, low: float, high: float) -> np.ndarray:
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)


def _brows(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """0 to 1 on the two arcs above the eyes. face: unit of half the eyes' distance, origin between them."""
    x = np.abs(face[:, 0])
    arc = -0.72 + 0.22 * (x - 1.05) ** 2
    thick = rng.uniform(0.10, 0.2)
    return np.exp(-(((face[:, 1] - arc) / thick) ** 2)) * _smooth(x, 0.25, 0.5) * (1 - _smooth(x, 1.6, 1.95)) \
        * (face[:, 2] < 0.6) * rng.uniform(0.4, 0.9)  # fmt: skip


def _eyes(body: ShapedBody, colour, roughness, specular, part) -> None:
    """The whites; irises are pieces of their own (`draw_eyes`), as the eyeball has too few vertices for them."""
    rows = np.flatnonzero(body.model.masks["eye_front"] > 0.5)
    colour[rows] = np.array([0.62, 0.58, 0.55])
    roughness[rows], specular[rows], part[rows] = 0.15, 1.2, EYE


@dataclass(frozen=True, eq=False)
class Eyes:
    """Both irises: caps of spheres just before the eyeballs. Head frame: body axes, origin at the head's joint."""

    centres: Float[np.ndarray, "2 3"]
    """Of the eyeballs, left and right."""
    radius: float
    caps: Float[np.ndarray, "n 3"]
    """Points of one cap that looks along -z, unit sphere."""
    faces: Int32[np.ndarray, "f 3"]
    albedo: Float32[np.ndarray, "n 3"]
    gaze: Float[np.ndarray, " 2"]
    """Radians down and to the left."""

    def on(self, world_from_head: Float[np.ndarray, "3 3"], place: Float[np.ndarray, " 3"]) -> Mesh:
        """In the world, for a head whose joint stands at `place`."""
        down, aside = self.gaze
        turn = rotmat_from_rotvec(np.array([0.0, -aside, 0.0])) @ rotmat_from_rotvec(np.array([down, 0.0, 0.0]))
        points = [c + self.radius * self.caps @ turn.T for c in self.centres]
        n = len(self.caps)
        return Mesh(
            (np.concatenate(points) @ world_from_head.T + place).astype(np.float32),
            np.concatenate([self.faces, self.faces + n]).astype(np.int32),
            np.tile(self.albedo, (2, 1)),
            np.full(2 * n, 0.08, np.float32),
            np.full(2 * n, 1.6, np.float32),
            part=np.full(2 * n, EYE, np.uint8),
        )


def draw_eyes(rng: np.random.Generator, body: ShapedBody) -> Eyes:
    """Brown, hazel, green or blue irises that look a little off straight ahead."""
    own = body.model.masks["eye_front"] > 0.5
    centres, radii = [], []
    for side in range(2):
        rows = np.flatnonzero(own & ((body.vertices[:, 0] > 0) == (side == 0)))
        points = body.vertices[rows]
        # the sphere through the front's vertices: |p|^2 = 2 c p + (r^2 - |c|^2)
        solution, *_ = np.linalg.lstsq(np.c_[2 * points, np.ones(len(points))], np.sum(points**2, 1), rcond=None)
        centres.append(solution[:3])
        radii.append(float(np.sqrt(solution[3] + solution[:3] @ solution[:3])))
    iris = np.array([(0.05, 0.025, 0.012), (0.11, 0.06, 0.025), (0.10, 0.12, 0.07), (0.10, 0.17, 0.25)])[
        int(rng.choice(4, p=(0.5, 0.25, 0.1, 0.15)))
    ]
    radius = float(np.mean(radii))
    scale = radius / 0.0165
    loops = [(0.0019, 0.008), (0.0023, None), (0.0056, None), (0.0066, 0.02)]  # pupil, iris, dark rim
    t = np.arange(14) * (2 * np.pi / 14)
    caps, colours = [np.array([[0.0, 0.0, -1.0]])], [np.full((1, 3), 0.006)]
    for r, shade in loops:
        sine = r * scale / radius
        caps.append(np.stack([sine * np.cos(t), sine * np.sin(t), np.full(14, -np.sqrt(1 - sine**2))], 1))
        colours.append(np.tile(iris if shade is None else np.full(3, shade), (14, 1)))
    faces = [(0, 1 + (i + 1) % 14, 1 + i) for i in range(14)]
    for k in range(3):
        for i in range(14):
            a, b = 1 + 14 * k + i, 1 + 14 * k + (i + 1) % 14
            faces += [(a, b, b + 14), (a, b + 14, a + 14)]
    return Eyes(
        np.array(centres) - body.joints[BONE["head"]], radius * 1.012, np.concatenate(caps), np.array(faces, np.int32),
        np.concatenate(colours).astype(np.float32), rng.normal((0.05, 0.0), (0.10, 0.15)).clip(-0.35, 0.35),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------- hair


def hair_colour(rng: np.random.Generator, skin: Skin) -> Float[np.ndarray, " 3"]:
    """Linear reflectance: black and brown mostly, fair on light skin only, grey, a few dyed."""
    draw = rng.random()
    if draw < 0.12:
        return np.full(3, rng.uniform(0.2, 0.6)) * np.array([1.0, 0.98, 0.94])
    if draw < 0.16:
        return rng.uniform(0.05, 0.6, 3)
    dark = np.array([0.012, 0.009, 0.008])
    if skin.tone >= 6 or draw < 0.45:
        return dark * rng.uniform(0.8, 2.0)
    fair = np.array([[0.06, 0.032, 0.017], [0.15, 0.085, 0.04], [0.42, 0.29, 0.15], [0.25, 0.08, 0.025]])
    return fair[int(rng.choice(4, p=(0.5, 0.25, 0.17, 0.08)))] * rng.uniform(0.8, 1.25)


def draw_hair(rng: np.random.Generator, body: ShapedBody, colour: Float[np.ndarray, " 3"]) -> Hair | None:
    """Bald (8 %), shorn, short, or down to the shoulders."""
    style = rng.choice(("bald", "shorn", "short", "full", "long"), p=(0.08, 0.17, 0.30, 0.20, 0.25))
    if style == "bald":
        return None
    model = body.model
    eyes = body.ends[4:]
    apart = float(np.linalg.norm(eyes[0] - eyes[1])) / 2
    face = (body.vertices - eyes.mean(0)) / apart
    x, y, z = np.abs(face[:, 0]), face[:, 1], face[:, 2]
    line = rng.uniform(-2.6, -2.0)  # of the hair above the forehead
    front = -(y - line) + 0.55 * _smooth(x, 1.0, 2.2) * 3.0 + 1.1 * (z - 0.9) * (z > 0.9)
    lowest = {"shorn": 2.2, "short": 2.3, "full": 3.2, "long": 3.6}[str(style)]
    back = np.minimum(lowest - y, (z - (2.35 - 0.35 * np.clip(-y, 0, 2))) * 1.3)
    field = np.maximum(np.minimum(front, 4.0), back)
    field = np.minimum(field, lowest - y)
    field = np.where((model.masks["head"] > 0.5) & (model.masks["ears"] < 0.5), field, -1.0)
    field = np.where(model.masks["eye_front"] + model.masks["eye_cavity"] > 0.1, -1.0, field)
    matrix, faces = cut(model.faces, field)
    n = matrix.shape[0]
    smooth = smoother(faces, n, {"shorn": 1, "short": 2, "full": 3, "long": 4}[str(style)])
    at = matrix @ face
    depth = {"shorn": (0.002, 0.004), "short": (0.006, 0.016), "full": (0.016, 0.035), "long": (0.012, 0.024)}[
        str(style)
    ]
    thick = rng.uniform(*depth)
    inner = matrix @ np.maximum(field, 0.0)
    waves = rng.normal(0, 1, (6, 3)) * np.array([5.0, 2.5, 5.0])
    phase = rng.uniform(0, 2 * np.pi, 6)
    rough = np.sin(at @ waves.T + phase).mean(1)
    gap = (0.0015 + thick * np.clip(inner / 0.9, 0, 1) ** 0.6 * (1 + 0.35 * rough)).astype(np.float32)
    if style == "long":  # falls behind ears and neck
        gap = gap * (1 + 0.9 * _smooth(at[:, 1], 0.0, 2.5)).astype(np.float32)
    strand = np.sin(at @ (rng.normal(0, 1, (4, 3)) * np.array([30.0, 4.0, 30.0])).T + phase[:4]).mean(1)
    tint = (colour * np.exp(0.35 * strand)[:, None]).clip(0.004, 0.9).astype(np.float32)
    return Shell(csr_matrix(smooth @ matrix), faces, gap, tint, float(rng.uniform(0.35, 0.6)), 1.0, HAIR)


# ------------------------------------------------------------------------------------------------------- clothes


def draw_garments(
    rng: np.random.Generator, body: ShapedBody, hands: tuple[OwnHand, OwnHand], sleeve: float | None
) -> tuple[tuple[Garment, ...], Bool[np.ndarray, " v"], bool]:
    """Top and trousers, which body vertices they hide, and whether sleeves go down to the hands."""
    model, v = body.model, len(body.vertices)
    weights = model.weights
    reach = arm_reach(body)
    if sleeve is None:
        draw = rng.random()
        sleeve = float(
            rng.uniform(-0.05, 0.12)
            if draw < 0.08
            else rng.uniform(0.4, 0.8)
            if draw < 0.45
            else rng.uniform(0.95, 1.5)
            if draw < 0.6
            else 2.1
        )
    neck = body.joints[BONE["neck"]]
    size = np.linalg.norm(body.joints[BONE["neck"]] - body.joints[BONE["head"]])
    p = (body.vertices - neck) / size
    depth = rng.uniform(0.0, 0.45) if rng.random() < 0.7 else rng.uniform(0.4, 0.9)
    low = p[:, 1] - 0.55 - depth
    wide = np.hypot(p[:, 0] * 1.0, p[:, 2] * 0.8) - rng.uniform(0.68, 0.82)
    neckline = np.maximum(low, wide)
    neckline = np.minimum(neckline, np.where(p[:, 2] < -0.3, p[:, 1] - 0.42, 1.0))  # no cloth above the throat
    head = weights[:, BONE["head"]] + 0.6 * weights[:, BONE["neck"]]
    hem = float(rng.uniform(0.02, 0.16))
    field = np.minimum(neckline, np.where(p[:, 1] < 0.3, 0.45 - head, 1.0))
    field = np.minimum(field, np.where(reach > -0.5, (sleeve - reach) * 0.7, 1.0))
    field = np.minimum(field, (hem - body.vertices[:, 1]) * 8.0)
    field[v - 2 * RING :] = -1.0 if sleeve < 2.0 else 1.0
    loose = float(np.exp(rng.uniform(np.log(0.006), np.log(0.022))))
    top, covered = _shell(rng, body, field, loose, 6)
    trousers = (body.vertices[:, 1] - hem + rng.uniform(0.07, 0.10)) * 8.0
    trousers = np.where(reach > 0.02, -1.0, trousers)
    trousers = np.minimum(trousers, np.where(weights[:, [*UPPER_ARM, *FOREARM]].sum(1) > 0.1, -1.0, 1.0))
    low, covered_low = _shell(rng, body, trousers, 0.3 * loose, 5)
    return (top, low), covered | covered_low, sleeve >= 2.0


def _shell(
    rng: np.random.Generator, body: ShapedBody, field: Float[np.ndarray, " v"], loose: float, steps: int
) -> tuple[Garment, Bool[np.ndarray, " v"]]:
    matrix, faces = cut(body.model.faces, field)
    smooth = smoother(faces, matrix.shape[0], steps)
    rest = matrix @ body.vertices
    waves = rng.normal(0, 1, (5, 3)) * np.array([18.0, 12.0, 18.0])
    folds = np.sin(rest @ waves.T + rng.uniform(0, 2 * np.pi, 5)).mean(1)
    arm = np.clip(matrix @ arm_reach(body), 0, 2)
    gap = loose * (0.75 + 0.5 * folds) * (1.0 - 0.25 * arm / 2) + 0.003
    cloth = sample_cloth(rng)
    n = len(rest)
    garment = Shell(
        csr_matrix(smooth @ matrix), faces, gap.astype(np.float32), _dyed(cloth, rest), cloth.roughness,
        min(cloth.specular, 0.5), CLOTH,
    )  # fmt: skip
    assert n == len(garment.gap)
    # hide what lies well inside, so that skin never shows through; never the arm's end, which the hand's stub meets
    inner = (field > 0) & (arm_reach(body) < 1.7)
    inner[-2 * RING :] = False
    for _ in range(2):
        edge = body.model.faces[~inner[body.model.faces].all(1)]
        inner = inner.copy()
        inner[edge] = False
    return garment, inner


def _dyed(cloth: Cloth, rest: Float[np.ndarray, "n 3"]) -> Float32[np.ndarray, "n 3"]:
    return cloth.paint(rest.astype(np.float32)).clip(0.005, 0.9).astype(np.float32)


Cuff = Band


def draw_cuffs(rng: np.random.Generator, hands: tuple[OwnHand, OwnHand], top: Garment) -> tuple[Cuff, Cuff]:
    """Where long sleeves end: anywhere from the wrist's bend to the end of the stub, a little wider than the sleeve."""
    model = HandModel.default()
    edge = float(rng.uniform(0.1, 0.75))
    wide = float(top.gap[-1]) + float(rng.uniform(0.002, 0.006))
    colour = top.albedo.mean(0) * float(rng.uniform(0.75, 1.05))
    made = []
    for hand in hands:
        rest = hand.shaped.vertices()
        reach = float(rest[model.behind == 1.0][:, 0].mean())
        stub = model.faces[(model.behind[model.faces] > 0).any(1) & ~(model.faces == len(rest) - 1).any(1)]
        low = max(edge * reach, 0.007)
        rows = np.linspace(low, 0.985 * reach, 4)
        wave = rng.normal(0.0, 0.0008, 4)
        profile = [(low, 0.0008), *((float(x), wide + float(w)) for x, w in zip(rows, wave, strict=True))]
        profile += [(0.99 * reach, wide * 0.6)]
        made.append(
            band(
                rest,
                stub,
                np.ones(len(stub), bool),
                np.zeros(3),
                np.array([1.0, 0, 0]),
                np.array([0.0, 1, 0]),
                profile,
                colour=colour,
                roughness=top.roughness,
                specular=top.specular,
                part=CLOTH,
                closed=False,
            )
        )
    return made[0], made[1]


@dataclass(frozen=True, eq=False)
class Shoes:
    """A pair, each a closed shape in its shin's frame: body axes, origin at the ankle."""

    points: Float[np.ndarray, "2 n 3"]
    faces: Int32[np.ndarray, "f 3"]
    albedo: Float32[np.ndarray, "n 3"]

    def on(self, turns: Float[np.ndarray, "2 3 3"], ankles: Float[np.ndarray, "2 3"]) -> Mesh:
        """In the world."""
        moved = np.einsum("snj,sij->sni", self.points, turns) + ankles[:, None]
        n = self.points.shape[1]
        return Mesh(
            moved.reshape(-1, 3).astype(np.float32),
            np.concatenate([self.faces, self.faces + n]).astype(np.int32),
            np.tile(self.albedo, (2, 1)),
            np.full(2 * n, 0.5, np.float32),
            np.full(2 * n, 0.8, np.float32),
            part=np.full(2 * n, CLOTH, np.uint8),
        )


def draw_shoes(rng: np.random.Generator, body: ShapedBody) -> Shoes:
    """Shoes as long as the person's forearm, which a foot is."""
    length = float(body.lengths[:, 1].mean()) * rng.uniform(1.0, 1.08)
    # stations from heel to toe: share of length behind the ankle's front, half width, height, rise of the sole
    stations = np.array([
        (-0.27, 0.06, 0.30, 0.0), (-0.22, 0.13, 0.42, 0.0), (-0.08, 0.15, 0.46, 0.0), (0.10, 0.15, 0.40, 0.0),
        (0.32, 0.17, 0.28, 0.0), (0.52, 0.19, 0.20, 0.0), (0.66, 0.16, 0.15, 0.01), (0.73, 0.05, 0.08, 0.02),
    ])  # fmt: skip
    t = np.arange(14) * (2 * np.pi / 14)
    rows = []
    for z, wide, high, rise in stations:
        round_ = np.stack([wide * np.cos(t), 0.30 - rise - high * (0.5 + 0.5 * np.sin(t)) ** 0.8, np.full(14, -z)], 1)
        rows.append(round_)
    ends = [rows[0].mean(0, keepdims=True), rows[-1].mean(0, keepdims=True)]
    base = np.concatenate([*rows, *ends]) * length
    faces = []
    for k in range(len(rows) - 1):
        for i in range(14):
            a, b = 14 * k + i, 14 * k + (i + 1) % 14
            faces += [(a, b, b + 14), (a, b + 14, a + 14)]
    n = 14 * len(rows)
    faces += [(n, (i + 1) % 14, i) for i in range(14)]
    faces += [(n + 1, n - 14 + i, n - 14 + (i + 1) % 14) for i in range(14)]
    cloth = sample_cloth(rng)
    colour = np.tile(cloth.albedo * 0.8, (len(base), 1))
    sole = base[:, 1] > 0.235 * length
    colour[sole] = rng.choice((0.02, 0.6))
    feet = []
    for side in range(2):
        out = 0.15 if side == 0 else -0.15  # toes a little outward
        feet.append(base @ rotmat_from_rotvec(np.array([0.0, -out, 0.0])).T)
    return Shoes(np.stack(feet), np.array(faces, np.int32), colour.clip(0.005, 0.9).astype(np.float32))
