"""glTF 2.0, one binary file: a skinned mesh for every followed hand, its bones moving at the recording's times.

Axes: x right, y up, z backward, the recording's camera at the origin; metres, seconds. The bind pose is the flat hand
with identity rotations, so a node's rotation is the joint's own; the axes are turned once, in the wrist's keys.
A hand that is not seen is scaled to zero at the node above its joints, the way the specification gives for hiding a
skinned mesh (section 3.5.3 of glTF 2.0).
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

import palmar
from palmar.export.motion import (
    NODE_NAMES,
    NODE_PARENTS,
    YUP_FROM_CAMERA,
    Motion,
    Timeline,
    keys,
    motions,
    quaternions,
    timeline,
)
from palmar.export.options import Options
from palmar.export.skin import BASE_COLOUR, ROUGHNESS, normals, skin_of
from palmar.hand import HandModel
from palmar.media import whole_file
from palmar.types import Clip

FLOAT, U8, U16, U32 = 5126, 5121, 5123, 5125
KINDS = {np.dtype(np.float32): FLOAT, np.dtype(np.uint8): U8, np.dtype(np.uint16): U16, np.dtype(np.uint32): U32}
SHAPES = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}
VERTICES, INDICES = 34962, 34963


def write(clip: Clip, path: Path, options: Options) -> None:
    """See the module. Raises PalmarError where there is no motion to write, or the place cannot be written."""
    line = timeline(clip)
    data = encode(clip, motions(clip, line), line)
    with whole_file(path) as part:
        part.write_bytes(data)


def encode(clip: Clip, found: list[Motion], line: Timeline) -> bytes:
    """The file."""
    doc = _Document()
    moving = len(line.times) > 1
    doc.json["asset"] = {
        "version": "2.0",
        "generator": f"palmar {palmar.__version__}",
        "extras": {
            "units": "metre, second",
            "axes": "x right, y up, z backward; the recording's camera at the origin",
            "times": line.note,
            "camera": clip.camera_note,
        },
    }
    doc.json["materials"] = [
        {
            "name": "skin",
            "pbrMetallicRoughness": {
                "baseColorFactor": [*BASE_COLOUR, 1.0],
                "metallicFactor": 0.0,
                "roughnessFactor": ROUGHNESS,
            },
        }
    ]
    shared: dict[int, dict[str, int]] = {}
    samplers: list[dict[str, Any]] = []
    channels: list[dict[str, Any]] = []
    for motion in found:
        if motion.side not in shared:
            shared[motion.side] = _shared(doc, motion.rest.model)
        _hand(doc, motion, line, shared[motion.side], samplers if moving else None, channels)
    if clip.camera is not None:
        camera = clip.camera
        doc.json["cameras"] = [
            {
                "type": "perspective",
                "name": "recording",
                "perspective": {
                    "yfov": 2 * float(np.arctan(camera.height / 2 / camera.fy)),
                    "aspectRatio": camera.width * camera.fy / (camera.height * camera.fx),
                    "znear": 0.01,
                    "zfar": 100.0,
                },
            }
        ]
        doc.root({"name": "camera", "camera": 0})
    if channels:
        doc.json["animations"] = [{"name": "recording", "samplers": samplers, "channels": channels}]
    return doc.to_bytes()


def _shared(doc: _Document, model: HandModel) -> dict[str, int]:
    """Accessors that all hands of a side use: everything of the mesh but where its vertices are."""
    skin = skin_of(model)
    out = {"uv": doc.add(np.stack([skin.uv[:, 0], 1 - skin.uv[:, 1]], 1).astype(np.float32), VERTICES)}
    weights = skin.weights.astype(np.float32)
    weights[:, 0] = 1.0 - weights[:, 1:].astype(np.float64).sum(1)  # the sum is 1 after rounding, too
    for block in range(skin.bones.shape[1] // 4):
        four = slice(4 * block, 4 * block + 4)
        out[f"JOINTS_{block}"] = doc.add(skin.bones[:, four].astype(np.uint8), VERTICES)
        out[f"WEIGHTS_{block}"] = doc.add(np.ascontiguousarray(weights[:, four]), VERTICES)
    kind = np.uint16 if len(skin.vertex) < 65535 else np.uint32
    out["indices"] = doc.add(skin.triangles.reshape(-1).astype(kind), INDICES)
    return out


def _hand(
    doc: _Document,
    motion: Motion,
    line: Timeline,
    shared: dict[str, int],
    samplers: list[dict[str, Any]] | None,
    channels: list[dict[str, Any]],
) -> None:
    model, rest = motion.rest.model, motion.rest
    vertex = skin_of(model).vertex
    flat = rest.vertices()
    attributes = {
        "POSITION": doc.add(flat[vertex].astype(np.float32), VERTICES, bounds=True),
        "NORMAL": doc.add(normals(flat, model.faces)[vertex].astype(np.float32), VERTICES),
        "TEXCOORD_0": shared["uv"],
        **{name: index for name, index in shared.items() if name.startswith(("JOINTS", "WEIGHTS"))},
    }
    doc.list("meshes").append(
        {
            "name": motion.name,
            "primitives": [{"attributes": attributes, "indices": shared["indices"], "material": 0}],
        }
    )
    at = keys(motion, line)
    turns, places = node_motion(motion)
    nodes = doc.list("nodes")
    above = doc.root({"name": motion.name})
    first = len(nodes)
    nodes[above]["children"] = [first]
    where = motion.rest_nodes
    for joint, parent in enumerate(NODE_PARENTS):
        offset = places[0] if parent < 0 else where[joint] - where[parent]
        node: dict[str, Any] = {"name": NODE_NAMES[joint], "translation": offset.astype(float).tolist()}
        if joint < 16:
            node["rotation"] = turns[0, joint].astype(float).tolist()
        below = [first + child for child, its in enumerate(NODE_PARENTS) if its == joint]
        if below:
            node["children"] = below
        nodes.append(node)
    inverse = np.tile(np.eye(4, dtype=np.float32), (21, 1, 1))
    inverse[:, 3, :3] = -where  # columns first: the translation is the last row here
    skins = doc.list("skins")
    skins.append(
        {
            "name": motion.name,
            "joints": list(range(first, first + 21)),
            "inverseBindMatrices": doc.add(inverse),
            "skeleton": above,
        }
    )
    doc.root({"name": f"{motion.name}-mesh", "mesh": len(doc.list("meshes")) - 1, "skin": len(skins) - 1})
    if samplers is None:
        return

    def animate(node: int, what: str, times: int, values: np.ndarray, how: str) -> None:
        channels.append({"sampler": len(samplers), "target": {"node": node, "path": what}})
        samplers.append({"input": times, "output": doc.add(values.astype(np.float32)), "interpolation": how})

    times = doc.add(seconds(at.times), bounds=True)
    animate(first, "translation", times, places[at.moments], "LINEAR")
    for joint in range(16):
        animate(first + joint, "rotation", times, turns[at.moments, joint], "LINEAR")
    if not at.shown.all():
        shown = doc.add(seconds(at.shown_times), bounds=True)
        animate(above, "scale", shown, np.repeat(at.shown[:, None], 3, 1), "STEP")


def node_motion(motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Quaternions xyzw [T, 16, 4] of the joints and places [T, 3] of the wrist, y up."""
    local = motion.rotations.copy()
    local[:, 0] = YUP_FROM_CAMERA @ local[:, 0]
    places = (motion.translation + motion.rest.rest_joints[0]) @ YUP_FROM_CAMERA.T
    return quaternions(local), places


def seconds(times: np.ndarray) -> np.ndarray:
    """As float32, still rising: what rounds to its neighbour is moved to the next number."""
    out = times.astype(np.float32)
    for i in range(1, len(out)) if (np.diff(out) <= 0).any() else ():
        out[i] = max(out[i], np.nextafter(out[i - 1], np.float32(np.inf)))
    return out


class _Document:
    """The JSON part and the bytes that it points into."""

    def __init__(self) -> None:
        self.json: dict[str, Any] = {"scene": 0, "scenes": [{"name": "recording", "nodes": []}]}
        self.bytes = bytearray()

    def list(self, name: str) -> list[Any]:
        return self.json.setdefault(name, [])

    def root(self, node: dict[str, Any]) -> int:
        """A node at the top of the scene; its number."""
        nodes = self.list("nodes")
        nodes.append(node)
        self.json["scenes"][0]["nodes"].append(len(nodes) - 1)
        return len(nodes) - 1

    def add(self, array: np.ndarray, target: int | None = None, *, bounds: bool = False) -> int:
        """The number of an accessor of the array. bounds: with min and max, as positions and times must have."""
        array = np.ascontiguousarray(array)
        raw = array.tobytes()
        views, accessors = self.list("bufferViews"), self.list("accessors")
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(self.bytes), "byteLength": len(raw)}
        if target is not None:
            view["target"] = target
        self.bytes += raw + b"\0" * (-len(raw) % 4)
        shape = array.shape[1:]
        accessor: dict[str, Any] = {
            "bufferView": len(views),
            "componentType": KINDS[array.dtype],
            "count": len(array),
            "type": SHAPES[shape],
        }
        if bounds:
            accessor["min"] = np.atleast_1d(array.min(0)).astype(float).tolist()
            accessor["max"] = np.atleast_1d(array.max(0)).astype(float).tolist()
        views.append(view)
        accessors.append(accessor)
        return len(accessors) - 1

    def to_bytes(self) -> bytes:
        self.json["buffers"] = [{"byteLength": len(self.bytes)}]
        text = json.dumps(self.json, separators=(",", ":"), allow_nan=False).encode()
        text += b" " * (-len(text) % 4)
        total = 12 + 8 + len(text) + 8 + len(self.bytes)
        return (
            struct.pack("<4sII", b"glTF", 2, total)
            + struct.pack("<I4s", len(text), b"JSON")
            + text
            + struct.pack("<I4s", len(self.bytes), b"BIN\0")
            + bytes(self.bytes)
        )
