"""Surfaces: a hand's mesh from its 21 joints without learning, an object's from its box, and how near they touch.

NumPy only; any leading batch axes; metres.
"""

from __future__ import annotations

import functools

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import KDTree

from palmar.geometry.align import procrustes
from palmar.geometry.sampling import farthest_points
from palmar.hand.joints import BONE_OF_JOINT, PARENTS
from palmar.hand.model import HandModel
from palmar.types.firstperson import CORNERS

KNUCKLES = (1, 5, 9, 13, 17)
"""The joints that are rigid with the wrist."""
FAR = 10.0
"""Metres: further than this from a surface, or where there is none, is no contact."""


# ------------------------------------------------------------------------------------------------- inverse kinematics


def shortest_turn(source: Float[np.ndarray, "*b 3"], target: Float[np.ndarray, "*b 3"]) -> Float[np.ndarray, "*b 3 3"]:
    """The rotation about source x target that turns one direction into the other: the one without twist.

    None where either has no length; half a turn about any axis across where they are opposite.
    """
    a, b = (v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12) for v in (source, target))
    axis, cosine = np.cross(a, b), (a * b).sum(-1)[..., None, None]
    x, y, z = axis[..., 0], axis[..., 1], axis[..., 2]
    zero = np.zeros_like(x)
    skew = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*x.shape, 3, 3)
    turn = np.eye(3) + skew + skew @ skew / np.maximum(1 + cosine, 1e-9)
    least = np.eye(3)[np.abs(a).argmin(-1)]
    across = np.cross(a, least)
    across = across / np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-12)
    half = 2 * across[..., :, None] * across[..., None, :] - np.eye(3)
    return np.where(cosine < -1 + 1e-9, half, turn)


def rotations_from_joints(
    joints: Float[np.ndarray, "*b 21 3"], template: Float[np.ndarray, "21 3"]
) -> Float[np.ndarray, "*b 16 3 3"]:
    """Local rotations of MANO's tree, wrist first, that pose a hand with these joints at rest like those observed.

    The wrist turns as the five vectors to the knuckles do; every other joint by the shortest turn that points its bone
    where it is seen, so that no finger twists. Bone lengths are the template's.
    """
    scale = np.linalg.norm(template[9] - template[0]) / np.linalg.norm(joints[..., 9, :] - joints[..., 0, :], axis=-1)
    P = template[0] + (joints - joints[..., :1, :]) * scale[..., None, None]
    lead = P.shape[:-2]
    fan_T = np.broadcast_to(template[list(KNUCKLES)] - template[0], (*lead, 5, 3))
    fan_P = P[..., list(KNUCKLES), :] - P[..., :1, :]
    # Alignment of vectors, not of points: the wrist is a sixth point that both sides have at zero, mirrored.
    root = procrustes(np.concatenate([fan_T, -fan_T], -2), np.concatenate([fan_P, -fan_P], -2), scale=False).rotation
    out = np.broadcast_to(np.eye(3), (*lead, 16, 3, 3)).copy()
    out[..., 0, :, :] = root
    world = {0: root}
    q = {0: np.broadcast_to(template[0], (*lead, 3))}
    for k in range(1, 21):
        parent = PARENTS[k]
        t = template[k] - template[parent]
        if k in KNUCKLES:
            world[k] = root
        else:
            d = (np.swapaxes(world[parent], -1, -2) @ (P[..., k, :] - q[parent])[..., None])[..., 0]
            local = shortest_turn(np.broadcast_to(t, d.shape), d)
            out[..., BONE_OF_JOINT[parent], :, :] = local
            world[k] = world[parent] @ local
        q[k] = q[parent] + (world[k] @ t)
    return out


@functools.cache
def chosen_vertices(count: int) -> Int[np.ndarray, " v"]:
    """So many vertices of the hand, spread evenly: each is the farthest from those before it. No forearm.

    As many as there are where more are asked for. Left and right are the same rows.
    """
    model = HandModel.default()
    rows = np.flatnonzero(model.behind <= 0)
    points = model.template[rows]
    tip = int(points[:, 0].argmin())  # the longest finger's
    return rows[farthest_points(points, count, first=tip)]


def skin_rows(
    model: HandModel,
    shape: Float[np.ndarray, "*b 10"],
    rotations: Float[np.ndarray, "*b 16 3 3"],
    rows: Int[np.ndarray, " v"],
) -> Float[np.ndarray, "*b v 3"]:
    """Some vertices of a posed hand, before translation: `shaped(...).posed(...).skin()[rows]`, for less."""
    shaped = model.shaped(shape)
    posed = shaped.posed(rotations)
    turn = posed.bone_rotations
    place = posed.bone_origins - (turn @ shaped.rest_joints[..., None])[..., 0]
    w = model.weights[rows]
    rest = model.template[rows] + (model.shape_directions[rows] @ shape[..., None, :, None])[..., 0]
    blended = np.einsum("vj,...jrc->...vrc", w, turn)
    return (blended @ rest[..., None])[..., 0] + w @ place


def mesh_from_joints(
    joints: Float[np.ndarray, "*b 21 3"], side: int, rows: Int[np.ndarray, " v"]
) -> Float[np.ndarray, "*b v 3"]:
    """Vertices of a hand whose joints are these: analytic inverse kinematics of the mean hand, scaled to the observed
    palm, its wrist where the observed one is. NaN for joints that are not there."""
    model = HandModel.default(side)
    known = np.isfinite(joints).all((-1, -2))
    lead = joints.shape[:-2]
    flat = joints[known].astype(np.float64)
    out = np.full((*lead, len(rows), 3), np.nan)
    if len(flat):
        rest = model.shaped(np.zeros(10))
        template = rest.rest_landmarks
        rotations = rotations_from_joints(flat, template)
        mesh = skin_rows(model, np.zeros((len(flat), 10)), rotations, rows)
        wrist = rest.rest_joints[0] + rotations[:, 0] @ (template[0] - rest.rest_joints[0])
        palm = np.linalg.norm(template[9] - template[0])
        size = np.linalg.norm(flat[:, 9] - flat[:, 0], axis=-1) / palm
        out[known] = flat[:, :1] + (mesh - wrist[:, None]) * size[:, None, None]
    return out


# ------------------------------------------------------------------------------------------------------------ objects


@functools.cache
def _on_unit_box(count: int) -> Float[np.ndarray, "n 3"]:
    """Points of the surface of the box from -1 to 1, in a fixed order: a grid of golden angles pushed onto it."""
    i = np.arange(count) + 0.5
    z, turn = 1 - 2 * i / count, np.pi * (1 + 5**0.5) * i
    around = np.stack([np.sqrt(1 - z**2) * np.cos(turn), np.sqrt(1 - z**2) * np.sin(turn), z], -1)
    return around / np.abs(around).max(1, keepdims=True)


def box_frame(points: Float[np.ndarray, "*b 21 3"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rotation [*b, 3, 3], middle [*b, 3] and half extents [*b, 3] of the box nearest to 21 points."""
    corners = points[..., 1:9, :].astype(np.float64)
    middle = corners.mean(-2)
    axes = (CORNERS[:, :, None] * (corners - middle[..., None, :])[..., :, None, :]).mean(-3)  # *b axis 3
    half = np.linalg.norm(axes, axis=-1)
    unit = axes / np.maximum(half, 1e-9)[..., None]
    u, _, vt = np.linalg.svd(np.where(np.isfinite(unit), unit, 0.0))
    u[..., -1] *= np.sign(np.linalg.det(u) * np.linalg.det(vt))[..., None]
    rotation = np.swapaxes(u @ vt, -1, -2)
    bad = ~np.isfinite(middle).all(-1)
    return np.where(bad[..., None, None], np.nan, rotation), middle, half


def box_surface(points: Float[np.ndarray, "*b 21 3"], count: int) -> Float[np.ndarray, "*b n 3"]:
    """So many points of the surface of the box, always the same ones of it."""
    rotation, middle, half = box_frame(points)
    local = _on_unit_box(count) * half[..., None, :]
    return local @ np.swapaxes(rotation, -1, -2) + middle[..., None, :]


def distance_to_box(
    where: Float[np.ndarray, "*b v 3"], points: Float[np.ndarray, "*b 21 3"]
) -> Float[np.ndarray, "*b v"]:
    """Metres from the box; 0 inside it, where the surface of what is in the box may be anywhere."""
    rotation, middle, half = box_frame(points)
    local = (where - middle[..., None, :]) @ rotation
    return np.linalg.norm(np.maximum(np.abs(local) - half[..., None, :], 0.0), axis=-1)


def distance_to_points(where: Float[np.ndarray, "v 3"], cloud: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " v"]:
    """Metres to the nearest of the points; `FAR` where there are none that are finite."""
    cloud = cloud[np.isfinite(cloud).all(1)]
    good = np.isfinite(where).all(1)
    out = np.full(len(where), FAR)
    if len(cloud) and good.any():
        out[good] = KDTree(cloud).query(where[good])[0]
    return out


def contact_value(metres: Float[np.ndarray, "*b"]) -> Float[np.ndarray, "*b"]:
    """1 where surfaces touch, 0.24 at a centimetre, nothing at five: 2 (1 - sigmoid(2 d)), d in centimetres."""
    d = np.clip(200 * np.nan_to_num(metres, nan=FAR), 0, 700)
    return 2 / (1 + np.exp(d))


# ------------------------------------------------------------------------------------------------------- action tokens


def frame_surfaces(
    joints: Float[np.ndarray, "t 2 21 3"], points: Float[np.ndarray, "t 21 3"], vertices: int, object_points: int
) -> tuple[Float[np.ndarray, "t 2 v 4"], Float[np.ndarray, "t n 4"]]:
    """Meshes of the hands and of the object, the contact value as fourth number; all 0 where one is absent.

    A hand's vertex is compared with the object's nearest point, the object's with the nearest of both hands.
    """
    rows = chosen_vertices(vertices)
    hands = np.stack([mesh_from_joints(joints[:, side], side, rows) for side in (0, 1)], 1)
    thing = box_surface(points, object_points)
    t = len(joints)
    touch_hands, touch_thing = np.zeros((t, 2, len(rows))), np.zeros((t, object_points))
    for i in range(t):
        both = hands[i].reshape(-1, 3)
        touch_hands[i] = contact_value(distance_to_points(both, thing[i])).reshape(2, -1)
        touch_thing[i] = contact_value(distance_to_points(thing[i], both))
    return tuple(  # type: ignore[return-value]
        np.nan_to_num(np.concatenate([where, touch[..., None]], -1) * np.isfinite(where).all(-1, keepdims=True))
        for where, touch in ((hands, touch_hands), (thing, touch_thing))
    )
