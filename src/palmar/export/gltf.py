"""glTF 2.0 binary (GLB): every followed hand as a skinned mesh that moves, and the camera that saw it.

Axes of glTF: x right, y up, z towards the viewer; metres; the camera stands at the origin. Joints carry the names of
WebXR's hand joints, so that what retargets those retargets these. A hand that is not seen has the scale 0.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from palmar.export.joints import BONE_NAMES, TIP_NAMES, TIP_PARENTS
from palmar.export.motion import Y_UP, Motion, motions, quaternions
from palmar.export.options import PLAIN, Options
from palmar.geometry.camera import Camera
from palmar.hand.joints import MANO_PARENTS, TIPS
from palmar.media import whole_file
from palmar.types import Clip

FLOAT, UINT16, UINT8 = 5126, 5123, 5121
ARRAY, ELEMENTS = 34962, 34963
"""Kinds of buffers: of vertices, of their numbers in triangles."""
SKIN_COLOUR = (0.80, 0.58, 0.46, 1.0)
"""Linear RGB and opacity."""
INFLUENCES = 4
"""Bones that may move a vertex."""


def write(clip: Clip, path: Path, options: Options = PLAIN) -> None:
    """Raises PalmarError where nothing can be exported, and where the file cannot be written."""
    data = glb(motions(clip), clip.camera)
    with whole_file(path) as part:
        part.write_bytes(data)


def glb(hands: Sequence[Motion], camera: Camera | None = None) -> bytes:
    """The file's bytes. Raises PalmarError without hands."""
    out = _File()
    roots = [_hand(out, motion) for motion in hands]
    if camera is not None:
        out.json["cameras"] = [
            {
                "type": "perspective",
                "name": "camera",
                "perspective": {
                    "yfov": 2 * math.atan(camera.height / 2 / camera.fy),
                    "aspectRatio": camera.width / camera.fx * camera.fy / camera.height,
                    "znear": 0.01,
                },
            }
        ]
        roots.append([out.node({"name": "camera", "camera": 0})])
    out.json["scenes"] = [{"name": "hands", "nodes": [node for part in roots for node in part]}]
    return out.bytes()


@dataclass
class _File:
    """JSON and binary parts as they grow."""

    json: dict[str, Any] = field(
        default_factory=lambda: {"asset": {"version": "2.0", "generator": f"palmar {version('palmar')}"}, "scene": 0}
    )
    binary: bytearray = field(default_factory=bytearray)

    def add(self, kind: str, entry: dict[str, Any]) -> int:
        """The number that an entry of this kind gets."""
        entries = self.json.setdefault(kind, [])
        entries.append(entry)
        return len(entries) - 1

    def node(self, entry: dict[str, Any]) -> int:
        return self.add("nodes", entry)

    def accessor(self, values: np.ndarray, component: int, kind: str, *, target: int = 0, bounds: bool = False) -> int:
        """An array in the binary part, each row one element."""
        self.binary.extend(b"\0" * (-len(self.binary) % 4))
        dtype = {FLOAT: "<f4", UINT16: "<u2", UINT8: "u1"}[component]
        packed = np.ascontiguousarray(values, dtype)
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(self.binary), "byteLength": packed.nbytes}
        if target:
            view["target"] = target
        self.binary.extend(packed.tobytes())
        entry: dict[str, Any] = {
            "bufferView": self.add("bufferViews", view),
            "componentType": component,
            "count": len(packed),
            "type": kind,
        }
        if bounds:
            flat = packed.reshape(len(packed), -1)
            entry["min"], entry["max"] = flat.min(0).tolist(), flat.max(0).tolist()
        return self.add("accessors", entry)

    def bytes(self) -> bytes:
        """Header, JSON, binary."""
        binary = bytes(self.binary) + b"\0" * (-len(self.binary) % 4)
        self.json["buffers"] = [{"byteLength": len(binary)}]
        text = json.dumps(self.json, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
        return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _hand(out: _File, motion: Motion) -> list[int]:
    """Adds a hand; answers with its root nodes: the mesh, and the armature that moves it."""
    mesh = _mesh(out, motion)
    first = len(out.json.setdefault("nodes", []))
    rest = motion.shaped.rest_joints @ Y_UP
    names = [f"{BONE_NAMES[j]}" for j in range(16)]
    for j, parent in enumerate(MANO_PARENTS):
        place = rest[j] if parent < 0 else rest[j] - rest[parent]
        out.node({"name": names[j], "translation": place.tolist()})
    landmarks = motion.shaped.rest_landmarks @ Y_UP
    for name, parent, tip in zip(TIP_NAMES, TIP_PARENTS, TIPS, strict=True):
        out.node({"name": name, "translation": (landmarks[tip] - rest[parent]).tolist()})
    nodes = out.json["nodes"]
    for child, parent in [*enumerate(MANO_PARENTS), *((16 + i, p) for i, p in enumerate(TIP_PARENTS))]:
        if parent >= 0:
            nodes[first + parent].setdefault("children", []).append(first + child)
    inverse = np.tile(np.eye(4), (16, 1, 1))
    inverse[:, 3, :3] = -rest  # column by column: the translation is the last row here
    skin = out.add(
        "skins",
        {
            "name": motion.name,
            "joints": list(range(first, first + 16)),
            "skeleton": first,
            "inverseBindMatrices": out.accessor(inverse.reshape(16, 16), FLOAT, "MAT4"),
        },
    )
    extras = {"side": ("left", "right")[motion.side], "track": motion.track, "view": motion.view}
    holder = out.node({"name": motion.name, "mesh": mesh, "skin": skin, "extras": extras})
    _animation(out, motion, first)
    return [first, holder]


def _mesh(out: _File, motion: Motion) -> int:
    """Vertices at rest, cut along the seams of the texture's coordinates."""
    model = motion.model
    pairs, corner = np.unique(np.stack([model.faces.ravel(), model.face_uv.ravel()], 1), axis=0, return_inverse=True)
    vertices = (motion.shaped.vertices() @ Y_UP)[pairs[:, 0]]
    upward = normals(motion.shaped.vertices(), model.faces) @ Y_UP
    bones, weights = influences(model.weights)
    uv = model.uv[pairs[:, 1]] * (1, -1) + (0, 1)  # glTF counts v from the top
    attributes = {
        "POSITION": out.accessor(vertices, FLOAT, "VEC3", target=ARRAY, bounds=True),
        "NORMAL": out.accessor(upward[pairs[:, 0]], FLOAT, "VEC3", target=ARRAY),
        "TEXCOORD_0": out.accessor(uv, FLOAT, "VEC2", target=ARRAY),
    }
    attributes["JOINTS_0"] = out.accessor(bones[pairs[:, 0]], UINT8, "VEC4", target=ARRAY)
    attributes["WEIGHTS_0"] = out.accessor(weights[pairs[:, 0]], FLOAT, "VEC4", target=ARRAY)
    if "materials" not in out.json:
        surface = {"baseColorFactor": list(SKIN_COLOUR), "metallicFactor": 0.0, "roughnessFactor": 0.6}
        out.add("materials", {"name": "skin", "pbrMetallicRoughness": surface})
    indices = out.accessor(np.asarray(corner).reshape(-1, 1), UINT16, "SCALAR", target=ELEMENTS)
    return out.add(
        "meshes", {"name": motion.name, "primitives": [{"attributes": attributes, "indices": indices, "material": 0}]}
    )


def influences(weights: Float[np.ndarray, "v 16"]) -> tuple[np.ndarray, Float[np.ndarray, "v 4"]]:
    """Bones [v, 4] and weights of each vertex, strongest first, summing to 1; unused ones are 0 of bone 0."""
    order = np.argsort(-weights, 1, kind="stable")[:, :INFLUENCES]
    kept = np.take_along_axis(weights, order, 1)
    kept = (kept / kept.sum(1, keepdims=True)).astype(np.float32)
    return np.where(kept > 0, order, 0), kept / kept.sum(1, keepdims=True)


def normals(vertices: Float[np.ndarray, "v 3"], faces: np.ndarray) -> Float[np.ndarray, "v 3"]:
    """Mean of the faces' normals by area, unit length."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    out = np.zeros_like(vertices)
    np.add.at(out, faces, np.cross(b - a, c - a)[:, None])
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)


def _animation(out: _File, motion: Motion, first: int) -> None:
    """Rotations of all joints, place of the wrist, and scale 0 while the hand is not seen."""
    times = out.accessor(motion.times[:, None], FLOAT, "SCALAR", bounds=True)
    rotations = Y_UP @ motion.rotations @ Y_UP
    place = (motion.shaped.rest_joints[0] + motion.translation) @ Y_UP
    samplers: list[dict[str, Any]] = []
    channels: list[dict[str, Any]] = []

    def move(node: int, path: str, values: np.ndarray, kind: str, at: int = times, way: str = "LINEAR") -> None:
        samplers.append({"input": at, "output": out.accessor(values, FLOAT, kind), "interpolation": way})
        channels.append({"sampler": len(samplers) - 1, "target": {"node": node, "path": path}})

    move(first, "translation", place, "VEC3")
    for j in range(16):
        move(first + j, "rotation", quaternions(rotations[:, j]), "VEC4")
    there, when = _presence(motion)
    if not there.all():
        clock = out.accessor(when[:, None], FLOAT, "SCALAR", bounds=True)
        move(first, "scale", np.repeat(there[:, None].astype(float), 3, 1), "VEC3", clock, "STEP")
    out.add("animations", {"name": motion.name, "samplers": samplers, "channels": channels})


def _presence(motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Whether the hand is there from a time on, and those times: also before its first frame and after its last."""
    when, there = motion.times.tolist(), motion.seen.tolist()
    step = float(np.median(np.diff(motion.times))) if len(motion) > 1 else 1 / 30
    if when[0] > 1e-6:
        when, there = [0.0, *when], [False, *there]
    return np.array([*there, False]), np.array([*when, when[-1] + step])
