"""Bodies around the hand: where the skin differs on it, the forearm behind it, sleeves and bands over that.

The hand's own mesh is `palmar.hand.HandModel`; here it gets the masks that `palmar.synth.skin` paints by, and tubes
that continue its stub towards the elbow. Everything is in the hand's rest or camera frame, metres.
"""

from __future__ import annotations

import functools

import numpy as np
from jaxtyping import Float, Float32, Int32

from palmar.hand import HandModel
from palmar.hand.joints import POSE_OF_FINGER
from palmar.render import vertex_normals

RING = 20
"""Vertices around the wrist loop of the hand asset, and so around every tube that continues it."""


def _smoothstep(x: np.ndarray, low: float, high: float) -> np.ndarray:
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)


@functools.cache
def surface_masks(model: HandModel) -> dict[str, Float32[np.ndarray, " v"]]:
    """Per vertex, 0 to 1: palm, back, nail, knuckle, tip, forearm. From the rest geometry of the right hand."""
    v, faces = model.template, model.faces
    normals = np.zeros_like(v)
    corner = v[faces]
    face_normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    for k in range(3):
        np.add.at(normals, faces[:, k], face_normal)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    joints = model.joint_regressor @ v
    dominant = model.weights.argmax(1)

    dorsal = np.zeros((16, 3))
    dorsal[:] = (0.0, 1.0, 0.0)
    for j in range(1, 16):
        out = np.cross(model.along[j], model.hinge[j])  # out of the back of the finger
        dorsal[j] = -out if model.side == 1 else out
    if (dorsal[1:13] @ np.array([0.0, 1.0, 0.0])).mean() < 0:
        dorsal[1:] *= -1
    back_cosine = np.sum(normals * dorsal[dominant], 1)
    back = _smoothstep(back_cosine, -0.15, 0.35)
    masks = {"back": back, "palm": (1 - back) * (1 - _smoothstep(model.behind, 0.0, 0.6))}
    nail, knuckle, tip = (np.zeros(len(v)) for _ in range(3))
    for rows in POSE_OF_FINGER:
        last = rows[2]
        own = dominant == last
        along = model.along[last]
        length = float(((v[own] - joints[last]) @ along).max())
        s = (v - joints[last]) @ along / length
        sideways = np.abs((v - joints[last]) @ model.hinge[last]) / length
        nail = np.maximum(
            nail,
            own
            * _smoothstep(s, 0.40, 0.50)
            * (1 - _smoothstep(s, 0.97, 1.05))
            * _smoothstep(back_cosine, 0.35, 0.6)
            * (1 - _smoothstep(sideways, 0.22, 0.34)),
        )
        tip = np.maximum(tip, own * _smoothstep(s, 0.35, 0.8))
        for row in rows:
            near = np.exp(-np.sum((v - joints[row]) ** 2, 1) / (2 * 0.007**2))
            knuckle = np.maximum(knuckle, near * back)
    masks |= {"nail": nail, "knuckle": knuckle, "tip": tip * (1 - nail), "forearm": model.behind}
    return {name: mask.astype(np.float32) for name, mask in masks.items()}


def stub_ring(model: HandModel) -> Int32[np.ndarray, " 20"]:
    """Vertices of the last ring of the stub, in the order of the loop."""
    last = np.flatnonzero(model.behind == 1.0)
    return last[:RING].astype(np.int32)


def bend_wrist(
    vertices: Float[np.ndarray, "v 3"], behind: Float[np.ndarray, " v"], bend: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, "v 3"]:
    """Turn what lies behind the wrist by the rotation vector `bend` about the origin, the stub's first half
    gradually."""
    rows = np.flatnonzero(behind > 0)
    share = _smoothstep(behind[rows], 0.0, 0.6)[:, None]
    angle = np.linalg.norm(bend)
    if angle < 1e-9:
        return vertices
    k = bend / angle
    p = vertices[rows]
    a = angle * share
    turned = p * np.cos(a) + np.cross(k, p) * np.sin(a) + k * (p @ k)[:, None] * (1 - np.cos(a))
    out = vertices.copy()
    out[rows] = turned
    return out


@functools.cache
def tube_faces(rings: int, around: int) -> Int32[np.ndarray, "f 3"]:
    """Faces of a tube of rings x around vertices, ring by ring; no caps."""
    i, j = np.meshgrid(np.arange(rings - 1), np.arange(around), indexing="ij")
    a = (i * around + j).ravel()
    b = (i * around + (j + 1) % around).ravel()
    return np.concatenate([np.stack([a, b, b + around], 1), np.stack([a, b + around, a + around], 1)]).astype(np.int32)


def forearm(
    ring: Float[np.ndarray, "20 3"], axis: Float[np.ndarray, " 3"], length: float, elbow: float, rings: int = 6
) -> Float[np.ndarray, "n 3"]:
    """Vertices of a tube from the stub's last ring towards the elbow, widening to `elbow` times the ring."""
    centre = ring.mean(0)
    s = np.linspace(0.0, 1.0, rings)[:, None, None]
    grow = 1.0 + (elbow - 1.0) * (1.0 - (1.0 - s) ** 2)
    return ((centre + (ring - centre) * grow) + axis * (s * length)).reshape(-1, 3)


def sleeve(
    ring: Float[np.ndarray, "20 3"],
    axis: Float[np.ndarray, " 3"],
    start: float,
    length: float,
    elbow: float,
    arm_length: float,
    gap: Float[np.ndarray, "r 20"],
) -> Float[np.ndarray, "n 3"]:
    """Vertices of cloth around the arm, from `start` metres behind the ring (negative: over the wrist), `gap` metres
    off the skin."""
    rings = len(gap)
    centre = ring.mean(0)
    along = start + np.linspace(0.0, 1.0, rings) * length
    s = np.clip(along / arm_length, 0, 1)[:, None, None]
    grow = 1.0 + (elbow - 1.0) * (1.0 - (1.0 - s) ** 2)
    radial = ring - centre
    size = np.linalg.norm(radial, axis=1, keepdims=True)
    return (centre + radial * (grow + gap[..., None] / size) + axis * along[:, None, None]).reshape(-1, 3)


def without_cap(model: HandModel) -> Int32[np.ndarray, "f 3"]:
    """The model's faces but those that close the stub, which no one sees where an arm goes on."""
    return model.faces[~(model.behind[model.faces] == 1.0).all(1)]


def joined_normals(
    model: HandModel,
    vertices: Float[np.ndarray, "v 3"],
    tube: Float[np.ndarray, "n 3"],
    faces: Int32[np.ndarray, "f 3"],
) -> tuple[Float32[np.ndarray, "v 3"], Float32[np.ndarray, "n 3"]]:
    """Normals of a hand and of the arm behind it, as if they were one surface: without a step in shading between them.

    tube: rings of the arm, of which the first is `stub_ring`; faces: its own. Inside the cap they mean nothing.
    """
    ring, v = stub_ring(model), len(vertices)
    row = np.concatenate([ring, v + np.arange(len(tube) - RING)]).astype(np.int32)
    normals = vertex_normals(
        np.concatenate([vertices, tube[RING:]]).astype(np.float32), np.concatenate([without_cap(model), row[faces]])
    )
    return normals[:v], normals[row]
