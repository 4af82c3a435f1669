"""What a person looks like and wears: skin of body and face, hair, shirts, trousers.

Clothes and hair are shells (`palmar.synth.wear.shell`) over the body.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy.sparse import csr_matrix

from palmar.render import Mesh
from palmar.synth.people.body import BONE, FOREARM, MASKS, RING, UPPER_ARM, ShapedBody
from palmar.synth.people.hands import OwnHand
from palmar.synth.scene import ARM, CLOTH
from palmar.synth.skin import Cloth, Skin, albedo, paint, sample_cloth
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


def paint_body(rng: np.random.Generator, body: ShapedBody, skin: Skin, hands: tuple[OwnHand, OwnHand]) -> Mesh:
    """The bare body with its skin, eyes, brows and lips; vertices at rest."""
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
    hair = hair_colour(rng, skin)
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
    _eyes(rng, body, colour, roughness, specular, part)
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


def _eyes(rng, body, colour, roughness, specular, part) -> None:
    own = body.model.masks["eye_front"] > 0.5
    iris = np.array([(0.05, 0.025, 0.012), (0.11, 0.06, 0.025), (0.10, 0.12, 0.07), (0.10, 0.17, 0.25)])[
        int(rng.choice(4, p=(0.5, 0.25, 0.1, 0.15)))
    ]
    for side in range(2):
        rows = np.flatnonzero(own & ((body.vertices[:, 0] > 0) == (side == 0)))
        if not len(rows):
            continue
        front = rows[body.vertices[rows, 2].argmin()]
        away = np.linalg.norm((body.vertices[rows] - body.vertices[front])[:, :2], axis=1)
        white = np.array([0.62, 0.58, 0.55])
        ring = (1 - _smooth(away, 0.0050, 0.0064))[:, None]
        pupil = (1 - _smooth(away, 0.0015, 0.0026))[:, None]
        colour[rows] = white + ring * (iris - white)
        colour[rows] += pupil * (0.01 - colour[rows])
        roughness[rows], specular[rows], part[rows] = 0.12, 1.5, EYE


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


def draw_hair(rng: np.random.Generator, body: ShapedBody, surface: Mesh) -> Hair | None:
    """Bald (10 %), shorn, short, or down to the shoulders."""
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
    colour = hair_colour(rng, Skin_of(surface))
    strand = np.sin(at @ (rng.normal(0, 1, (4, 3)) * np.array([30.0, 4.0, 30.0])).T + phase[:4]).mean(1)
    tint = (colour * np.exp(0.35 * strand)[:, None]).clip(0.004, 0.9).astype(np.float32)
    return Shell(csr_matrix(smooth @ matrix), faces, gap, tint, float(rng.uniform(0.35, 0.6)), 1.0, HAIR)


@dataclass(frozen=True)
class _Tone:
    tone: int


def Skin_of(surface: Mesh):
    """Enough of a skin for `hair_colour`: how dark it is."""
    bright = float(np.median(surface.albedo @ np.array([0.2126, 0.7152, 0.0722])))
    return _Tone(8 if bright < 0.15 else 3)


# ------------------------------------------------------------------------------------------------------- clothes


def draw_garments(
    rng: np.random.Generator, body: ShapedBody, hands: tuple[OwnHand, OwnHand], sleeve: float | None
) -> tuple[tuple[Garment, ...], Bool[np.ndarray, " v"]]:
    """Top and trousers, and which body vertices they hide."""
    model, v = body.model, len(body.vertices)
    weights = model.weights
    reach = arm_reach(body)
    if sleeve is None:
        draw = rng.random()
        sleeve = float(
            rng.uniform(-0.05, 0.12) if draw < 0.08
            else rng.uniform(0.4, 0.8) if draw < 0.45
            else rng.uniform(0.95, 1.5) if draw < 0.6
            else 2.1
        )  # fmt: skip
    neck = body.joints[BONE["neck"]]
    size = np.linalg.norm(body.joints[BONE["neck"]] - body.joints[BONE["head"]])
    p = (body.vertices - neck) / size
    depth = rng.uniform(0.0, 0.45) if rng.random() < 0.7 else rng.uniform(0.4, 0.9)
    tilt = p[:, 1] - 0.15 - (0.35 + depth) * np.clip(-p[:, 2] - 0.15, 0, 1)  # lower in front
    wide = np.hypot(p[:, 0] * 1.0, p[:, 2] * 0.8) - rng.uniform(0.68, 0.82)
    neckline = np.maximum(tilt * 1.5, wide)
    head = weights[:, BONE["head"]] + 0.6 * weights[:, BONE["neck"]]
    hem = float(rng.uniform(0.02, 0.16))
    legs = weights[:, 12:16].sum(1)
    field = np.minimum(neckline, 0.45 - head)
    field = np.minimum(field, np.where(reach > -0.5, (sleeve - reach) * 0.7, 1.0))
    field = np.minimum(field, (hem - body.vertices[:, 1]) * 8.0)
    field = np.minimum(field, np.where(reach > 0.3, 1.0, 0.75 - legs + (hem - body.vertices[:, 1]) * 3))
    field[v - 2 * RING :] = -1.0 if sleeve < 2.0 else 1.0
    loose = float(np.exp(rng.uniform(np.log(0.006), np.log(0.022))))
    top, covered = _shell(rng, body, field, loose, 6)
    trousers = (body.vertices[:, 1] + rng.uniform(-0.02, 0.06)) * 8.0
    trousers = np.where(reach > 0.02, -1.0, trousers)
    trousers = np.minimum(trousers, np.where(weights[:, [*UPPER_ARM, *FOREARM]].sum(1) > 0.1, -1.0, 1.0))
    low, covered_low = _shell(rng, body, trousers, rng.uniform(0.004, 0.01), 5)
    garments = [top, low]
    return tuple(garments), covered | covered_low


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
    # hide what lies well inside, so that skin never shows through
    inner = field > 0
    for _ in range(2):
        edge = body.model.faces[~inner[body.model.faces].all(1)]
        inner = inner.copy()
        inner[edge] = False
    return garment, inner


def _dyed(cloth: Cloth, rest: Float[np.ndarray, "n 3"]) -> Float32[np.ndarray, "n 3"]:
    return cloth.paint(rest.astype(np.float32)).clip(0.005, 0.9).astype(np.float32)


assert set(MASKS) >= {"lips", "eyelids", "ears"}
