"""glTF 2.0 binary (GLB): every followed hand as a skinned mesh that moves, and the camera that saw it.

Axes of glTF: x right, y up, z backward, the recording's camera at the origin looking along -z; metres, seconds. The
bind pose is the flat hand with identity rotations, so a node's rotation is the joint's own; the wrist's takes in the
axes. Joints carry the names of WebXR's hand joints, so that what retargets those retargets these. A hand that is not
seen has the scale 0 at the node above its joints: the specification's way to hide a skinned mesh (section 3.5.3). All
hands move in one animation, because players play one.
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
from palmar.export.motion import Y_UP, Motion, motions, quaternions, times_of
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
ROUGHNESS = 0.6
INFLUENCES = 4
"""Bones that may move a vertex."""


def write(clip: Clip, path: Path, options: Options = PLAIN) -> None:
    """Raises PalmarError where nothing can be exported, and where the file cannot be written."""
    data = glb(motions(clip), times_of(clip), clip.camera, note=clip.camera_note)
    with whole_file(path) as part:
        part.write_bytes(data)


def glb(
    hands: Sequence[Motion], times: Float[np.ndarray, " f"], camera: Camera | None = None, *, note: str = ""
) -> bytes:
    """The file's bytes. times: of all frames of the recording, those without hands too."""
    out = _File()
    out.json["asset"]["extras"] = {
        "units": "metre, second",
        "axes": "x right, y up, z backward; the recording's camera at the origin",
        "camera": note,
    }
    moves = _Moves(out)
    roots = [node for motion in hands for node in _hand(out, motion, times, moves)]
    if camera is not None:
        out.json["cameras"] = [
            {
                "type": "perspective",
                "name": "recording",
                "perspective": {
                    "yfov": 2 * math.atan(camera.height / 2 / camera.fy),
                    "aspectRatio": camera.width / camera.fx * camera.fy / camera.height,
                    "znear": 0.01,
                    "zfar": 100.0,
                },
            }
        ]
        roots.append(out.node({"name": "camera", "camera": 0}))
    out.json["scenes"] = [{"name": "hands", "nodes": roots}]
    if moves.channels:
        out.add("animations", {"name": "recording", "samplers": moves.samplers, "channels": moves.channels})
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


class _Moves:
    """The channels of the one animation."""

    def __init__(self, out: _File) -> None:
        self.out = out
        self.samplers: list[dict[str, Any]] = []
        self.channels: list[dict[str, Any]] = []

    def clock(self, times: Float[np.ndarray, " t"]) -> int:
        """An accessor of times."""
        return self.out.accessor(seconds(times)[:, None], FLOAT, "SCALAR", bounds=True)

    def add(self, node: int, path: str, values: np.ndarray, clock: int, way: str = "LINEAR") -> None:
        """A channel."""
        kind = f"VEC{values.shape[1]}"
        self.channels.append({"sampler": len(self.samplers), "target": {"node": node, "path": path}})
        self.samplers.append({"input": clock, "output": self.out.accessor(values, FLOAT, kind), "interpolation": way})


def seconds(times: Float[np.ndarray, " t"]) -> np.ndarray:
    """In single precision, as glTF has it, still rising: late in a long recording neighbours round to one number."""
    out = times.astype(np.float32)
    for i in range(1, len(out)) if (np.diff(out) <= 0).any() else ():
        out[i] = max(out[i], np.nextafter(out[i - 1], np.float32(np.inf)))
    return out


def _hand(out: _File, motion: Motion, times: Float[np.ndarray, " f"], moves: _Moves) -> list[int]:
    """Adds a hand; answers with its nodes at the top of the scene: what holds the joints, and the mesh."""
    mesh = _mesh(out, motion)
    above = out.node({"name": motion.name})
    first = above + 1
    nodes = out.json["nodes"]
    nodes[above]["children"] = [first]
    rest = np.concatenate([motion.shaped.rest_joints, motion.shaped.rest_landmarks[list(TIPS)]])
    turned = motion.rotations.copy()
    turned[:, 0] = Y_UP @ turned[:, 0]
    turns = np.stack([quaternions(turned[:, j]) for j in range(16)], 1)
    place = (motion.shaped.rest_joints[0] + motion.translation) @ Y_UP.T
    parents = (*MANO_PARENTS, *TIP_PARENTS)
    for j, (name, parent) in enumerate(zip((*BONE_NAMES, *TIP_NAMES), parents, strict=True)):
        where = place[0] if parent < 0 else rest[j] - rest[parent]
        node: dict[str, Any] = {"name": name, "translation": where.tolist()}
        if j < 16:
            node["rotation"] = turns[0, j].tolist()
        below = [first + child for child, its in enumerate(parents) if its == j]
        out.node(node | ({"children": below} if below else {}))
    inverse = np.tile(np.eye(4), (len(rest), 1, 1))
    inverse[:, 3, :3] = -rest  # column by column: the translation is the last row here
    skin = out.add(
        "skins",
        {
            "name": motion.name,
            "joints": list(range(first, first + len(rest))),
            "skeleton": above,
            "inverseBindMatrices": out.accessor(inverse.reshape(-1, 16), FLOAT, "MAT4"),
        },
    )
    extras = {"side": ("left", "right")[motion.side], "track": motion.track, "view": motion.view}
    holder = out.node({"name": f"{motion.name}-mesh", "mesh": mesh, "skin": skin, "extras": extras})
    if len(times) > 1:
        keys = _keys(motion, len(times))
        clock = moves.clock(times[keys + motion.frames[0]])
        held = np.minimum(keys, len(motion) - 1)
        moves.add(first, "translation", place[held], clock)
        for j in range(16):
            moves.add(first + j, "rotation", turns[held, j], clock)
        there = np.zeros(len(times), bool)
        there[motion.frames] = motion.seen
        changes = np.flatnonzero(np.diff(there, prepend=not there[0]))
        if not there.all():
            shown = np.repeat(there[changes, None].astype(float), 3, 1)
            moves.add(above, "scale", shown, moves.clock(times[changes]), "STEP")
    return [above, holder]


def _keys(motion: Motion, frames: int) -> np.ndarray:
    """Rows of the motion that are keys: where the hand is seen, and the frame after, which holds it while it is still
    shown. One row beyond the motion's last stands for the frame after it, if the recording has one."""
    seen = np.append(motion.seen, False)
    keys = np.flatnonzero(seen | np.append(False, seen[:-1]))
    return keys[keys + motion.frames[0] < frames]


def _mesh(out: _File, motion: Motion) -> int:
    """Vertices at rest, cut along the seams of the texture's coordinates."""
    model = motion.model
    pairs, corner = np.unique(np.stack([model.faces.ravel(), model.face_uv.ravel()], 1), axis=0, return_inverse=True)
    flat = motion.shaped.vertices()
    vertices, upward = flat[pairs[:, 0]], normals(flat, model.faces)
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
        surface = {"baseColorFactor": list(SKIN_COLOUR), "metallicFactor": 0.0, "roughnessFactor": ROUGHNESS}
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
