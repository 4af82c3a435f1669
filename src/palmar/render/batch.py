"""Many meshes of one build at once, as PyTorch tensors on any device: the nouns, and what their surfaces need.

A batch holds b samples, each with its own vertices, light and camera; what does not differ between them (faces, parts,
textures) is given once. Where samples have different numbers of pieces, give all of them the faces of the richest and
make the vertices of the absent ones NaN: a triangle with such a vertex is drawn nowhere, and costs next to nothing.
Nothing here copies a number back to the host, so shapes never depend on what is in the tensors.

Letters in shapes: b samples, v vertices, f faces, l lamps, h and w pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int16, Int32, Integer, UInt8
from torch import Tensor

from palmar.errors import PalmarError
from palmar.render.light import Light
from palmar.render.mesh import Mesh, vertex_normals


class BufferBatch(NamedTuple):
    """What the pixels of every sample see, as in `Buffers`."""

    face: Int32[Tensor, "b h w"]
    bary: Float32[Tensor, "b h w 3"]
    depth: Float32[Tensor, "b h w"]


class RenderedBatch(NamedTuple):
    """A picture per sample, as in `Rendered`."""

    rgb: Float32[Tensor, "b h w 3"]
    alpha: Float32[Tensor, "b h w"]
    part: UInt8[Tensor, "b h w"]
    depth: Float32[Tensor, "b h w"]
    face: Int32[Tensor, "b h w"]


@dataclass(frozen=True, eq=False)
class MeshBatch:
    """Triangles of every sample in its camera's frame, and what their surface is like; the fields of `Mesh`, with a
    leading axis b. All tensors are on one device. Only `vertices`, `faces` and `albedo` are needed.

    Columns of shape [f, ...] or [v] may also be given per sample, [b, f, ...] or [b, v]. On a CPU the numbers of
    vertices and layers that faces name are checked; elsewhere that would wait for the device, and a face that names
    none is left out.
    """

    vertices: Float32[Tensor, "b v 3"]
    faces: Int32[Tensor, "f 3"] | Int32[Tensor, "b f 3"]
    albedo: Float32[Tensor, "b v 3"]
    roughness: Float32[Tensor, "b v"] | None = None
    specular: Float32[Tensor, "b v"] | None = None
    occlusion: Float32[Tensor, "b v"] | None = None
    part: UInt8[Tensor, " v"] | UInt8[Tensor, "b v"] | None = None
    normals: Float32[Tensor, "b v 3"] | None = None
    closed: Bool[Tensor, " f"] | Bool[Tensor, "b f"] | None = None
    uv: Float32[Tensor, "f 3 2"] | Float32[Tensor, "b f 3 2"] | None = None
    layer: Int16[Tensor, " f"] | Int16[Tensor, "b f"] | None = None
    """Layer of `texture`, -1 for none; 0 where not given. Samples with textures of their own take their own layers."""
    texture: Float32[Tensor, "l th tw 4"] | None = None
    """Shared by all samples."""
    speckle: Float32[Tensor, "b v"] | None = None
    """Strength of a fine grain (`palmar.render.grain`) per vertex, 0 to 1; none where not given. `Mesh` has no such
    thing."""
    rest: Float32[Tensor, "v 3"] | Float32[Tensor, "b v 3"] | None = None
    """Where the vertices are when the body rests, metres: what the grain sticks to. Needed with `speckle` only."""

    def __post_init__(self) -> None:
        if self.vertices.ndim != 3 or self.vertices.shape[-1] != 3:
            raise PalmarError(f"MeshBatch.vertices: expected shape (b, v, 3), got {tuple(self.vertices.shape)}.")
        if self.faces.ndim not in (2, 3) or self.faces.shape[-1] != 3:
            raise PalmarError(f"MeshBatch.faces: expected shape (f, 3) or (b, f, 3), got {tuple(self.faces.shape)}.")
        b, v = self.vertices.shape[:2]
        f = self.faces.shape[-2]
        own = {"albedo": (b, v, 3), "roughness": (b, v), "specular": (b, v), "occlusion": (b, v), "normals": (b, v, 3)}
        shared = {"faces": (f, 3), "part": (v,), "closed": (f,), "uv": (f, 3, 2), "layer": (f,), "rest": (v, 3)}
        own["speckle"] = (b, v)
        for name, shape in {**own, **shared}.items():
            value = getattr(self, name)
            allowed = [shape] if name in own else [shape, (b, *shape)]
            if value is not None and tuple(value.shape) not in allowed:
                raise PalmarError(
                    f"MeshBatch.{name}: expected shape {' or '.join(map(str, allowed))}, got {tuple(value.shape)}."
                )
        for column in fields(self):
            value = getattr(self, column.name)
            if value is not None and value.device != self.vertices.device:
                raise PalmarError(
                    f"MeshBatch.{column.name}: on {value.device}, but the vertices are on {self.vertices.device}."
                )
        if self.speckle is not None and self.rest is None:
            raise PalmarError("MeshBatch.speckle: a grain needs rest, the places on the resting body it sticks to.")
        if self.texture is not None:
            if self.texture.ndim != 4 or self.texture.shape[-1] != 4 or 0 in self.texture.shape:
                raise PalmarError(
                    f"MeshBatch.texture: expected shape (layers, height, width, 4), got {tuple(self.texture.shape)}."
                )
            if self.uv is None:
                raise PalmarError("MeshBatch.texture: a texture needs uv, the coordinates of every face's corners.")
        if self.vertices.device.type == "cpu":
            check_faces(self.faces, v)
            layers = 0 if self.texture is None else len(self.texture)
            if layers and self.layer is not None and self.layer.numel() and int(self.layer.max()) >= layers:
                raise PalmarError(f"MeshBatch.layer: layer {int(self.layer.max())} of a texture with {layers} layers.")

    def __len__(self) -> int:
        return len(self.vertices)

    def to(self, device: torch.device | str) -> MeshBatch:
        """The same batch on another device."""
        return _to(self, device)

    @staticmethod
    def stack(meshes: Sequence[Mesh], device: torch.device | str = "cpu") -> MeshBatch:
        """A batch of meshes with equally many vertices and faces. Faces, parts, texture coordinates and textures that
        are the same in all of them are given once; other textures stand as layers of their own."""
        if not meshes:
            raise PalmarError("MeshBatch.stack: give at least one mesh.")
        first = meshes[0]
        for mesh in meshes:
            if len(mesh.vertices) != len(first.vertices) or len(mesh.faces) != len(first.faces):
                raise PalmarError(
                    f"MeshBatch.stack: meshes must have equally many vertices and faces, got {len(mesh.vertices)} and "
                    f"{len(mesh.faces)} beside {len(first.vertices)} and {len(first.faces)}; pad with NaN vertices."
                )
        v, f = len(first.vertices), len(first.faces)
        columns: dict[str, Tensor | None] = {}
        defaults: dict[str, Callable[[Mesh], Any] | None] = {
            "vertices": None,
            "albedo": None,
            "roughness": lambda m: np.full(v, 0.5, np.float32),
            "specular": lambda m: np.ones(v, np.float32),
            "occlusion": lambda m: np.ones(v, np.float32),
            "normals": lambda m: vertex_normals(m.vertices, m.faces),
            "faces": None,
            "part": lambda m: np.zeros(v, np.uint8),
            "closed": lambda m: np.zeros(f, bool),
            "uv": lambda m: np.zeros((f, 3, 2), np.float32),
        }
        for name, default in defaults.items():
            values: list[Any] = [getattr(mesh, name) for mesh in meshes]
            if all(value is None for value in values):
                continue
            rows: list[Any] = [
                default(m) if value is None and default else value for m, value in zip(meshes, values, strict=True)
            ]
            once = name in ("faces", "part", "closed", "uv") and all(np.array_equal(row, rows[0]) for row in rows)
            columns[name] = torch.from_numpy(rows[0].copy() if once else np.stack(rows))
        textures: list[np.ndarray] = []
        first_layer: dict[int, int] = {}
        layers = []
        for mesh in meshes:
            if mesh.texture is None:
                layers.append(np.full(f, -1, np.int16))
                continue
            if id(mesh.texture) not in first_layer:
                first_layer[id(mesh.texture)] = sum(map(len, textures))
                textures.append(mesh.texture)
            layer = np.zeros(f, np.int16) if mesh.layer is None else mesh.layer
            layers.append(np.where(layer < 0, -1, layer + first_layer[id(mesh.texture)]).astype(np.int16))
        if textures:
            if len({texture.shape[1:] for texture in textures}) > 1:
                raise PalmarError(f"MeshBatch.stack: textures differ in size, {[t.shape for t in textures]}.")
            columns["texture"] = torch.from_numpy(np.concatenate(textures))
            columns["layer"] = torch.from_numpy(np.stack(layers))
        return MeshBatch(**columns).to(device)  # pyright: ignore[reportArgumentType]  (the needed ones are there)


@dataclass(frozen=True, eq=False)
class LightBatch:
    """What shines on every sample; the fields of `Light` with a leading axis b. Linear light, RGB, camera frame."""

    sh: Float32[Tensor, "b 9 3"]
    directions: Float32[Tensor, "b l 3"]
    """Unit vectors towards the lamps. Lamps that a sample has not got are black."""
    colours: Float32[Tensor, "b l 3"]
    shadows: Bool[Tensor, "b l"] | None = None
    """Which lamps cast shadows; none where not given."""
    wrap: Float32[Tensor, "b 3"] | None = None
    """How far light creeps past the terminator, per colour; 0 where not given."""
    shadow_size: int = 128
    shadow_bias: float = 0.002
    casting: int | None = None
    """Only the first so many lamps may cast shadows, so that no map is made for the others; all where not given."""

    def __post_init__(self) -> None:
        if self.directions.ndim != 3:
            raise PalmarError(f"LightBatch.directions: expected shape (b, l, 3), got {tuple(self.directions.shape)}.")
        b, lamps = self.directions.shape[:2]
        expected = {"sh": (b, 9, 3), "directions": (b, lamps, 3), "colours": (b, lamps, 3), "shadows": (b, lamps)}
        expected["wrap"] = (b, 3)
        for name, shape in expected.items():
            value = getattr(self, name)
            if value is not None and tuple(value.shape) != shape:
                raise PalmarError(f"LightBatch.{name}: expected shape {shape}, got {tuple(value.shape)}.")
        if self.shadow_size < 8:
            raise PalmarError(f"LightBatch.shadow_size: expected at least 8 pixels, got {self.shadow_size}.")
        if self.casting is not None and not 0 <= self.casting <= lamps:
            raise PalmarError(f"LightBatch.casting: expected 0 to {lamps} lamps, got {self.casting}.")
        if self.directions.device.type == "cpu" and lamps:
            length = torch.linalg.vector_norm(self.directions, dim=-1)
            if not bool(((length - 1).abs() < 1e-3).all()):
                raise PalmarError("LightBatch.directions: expected unit vectors towards the lamps.")

    def __len__(self) -> int:
        return len(self.sh)

    def to(self, device: torch.device | str) -> LightBatch:
        """The same light on another device."""
        return _to(self, device)

    @staticmethod
    def stack(lights: Sequence[Light], device: torch.device | str = "cpu") -> LightBatch:
        """A batch of lights with up to as many lamps as the richest has. Shadow maps must be of one size and bias."""
        if not lights:
            raise PalmarError("LightBatch.stack: give at least one light.")
        if len({(light.shadow_size, light.shadow_bias) for light in lights}) > 1:
            raise PalmarError("LightBatch.stack: lights must agree in shadow_size and shadow_bias.")
        lamps = max(len(light.directions) for light in lights)
        directions = np.tile(np.array([0, 0, -1], np.float32), (len(lights), lamps, 1))
        colours = np.zeros((len(lights), lamps, 3), np.float32)
        shadows = np.zeros((len(lights), lamps), bool)
        for row, light in enumerate(lights):
            own = len(light.directions)
            directions[row, :own] = light.directions
            colours[row, :own] = light.colours
            if light.shadows is not None:
                shadows[row, :own] = light.shadows
        used = np.flatnonzero(shadows.any(0))
        return LightBatch(
            torch.from_numpy(np.stack([light.sh for light in lights])),
            torch.from_numpy(directions),
            torch.from_numpy(colours),
            torch.from_numpy(shadows) if len(used) else None,
            torch.from_numpy(np.stack([light.wrap for light in lights])),
            lights[0].shadow_size,
            lights[0].shadow_bias,
            int(used[-1]) + 1 if len(used) else 0,
        ).to(device)


def _to(batch, device):
    moved = {
        column.name: getattr(batch, column.name).to(device)
        for column in fields(batch)
        if isinstance(getattr(batch, column.name), Tensor)
    }
    return replace(batch, **moved)


def check_faces(faces: Integer[Tensor, "*b f 3"], vertices: int) -> None:
    """Raise PalmarError where a face of a CPU tensor names a vertex that is not there."""
    if faces.numel() and (int(faces.min()) < 0 or int(faces.max()) >= vertices):
        raise PalmarError(f"faces: indices must lie in 0..{vertices - 1}, got {int(faces.min())}..{int(faces.max())}.")


def per_sample(column: Tensor, axes: int, batch: int) -> Tensor:
    """A column with `axes` axes of its own as [b, ...], without a copy where it is shared."""
    return column.expand(batch, *column.shape) if column.ndim == axes else column


def vertex_normals_batch(
    vertices: Float32[Tensor, "b v 3"], faces: Int32[Tensor, "f 3"] | Int32[Tensor, "b f 3"]
) -> Float32[Tensor, "b v 3"]:
    """Unit normals of every sample, as `vertex_normals` defines them. On a GPU the sums are taken in any order, so that
    the last bits may differ from run to run."""
    b, v = vertices.shape[:2]
    corners = per_sample(faces, 2, b).long()
    rows = corners + (torch.arange(b, device=vertices.device) * v)[:, None, None]
    flat = vertices.reshape(b * v, 3)
    p0, p1, p2 = (flat[rows[..., k]] for k in range(3))
    face = torch.linalg.cross(p1 - p0, p2 - p0)
    face = torch.where(torch.isfinite(face).all(-1, keepdim=True), face, 0.0)
    total = torch.zeros_like(flat)
    for k in range(3):
        total.index_add_(0, rows[..., k].reshape(-1), face.reshape(-1, 3))
    length = torch.linalg.vector_norm(total, dim=-1, keepdim=True)
    unit = total / torch.where(length > 0, length, 1.0)
    unit[:, 2:] = torch.where(length > 0, unit[:, 2:], -1.0)
    return unit.reshape(b, v, 3)


def visible_batch(
    points_camera: Float[Tensor, "b n 3"],
    depth: Float32[Tensor, "b h w"],
    camera_matrix: Float[Tensor, "b 3 3"],
    tolerance: float | Float[np.ndarray, " _"],
) -> Bool[Tensor, "b n"]:
    """Whether each point lies in its sample's picture with nothing more than `tolerance` metres before it: `visible`
    for batches, by the same rules."""
    points = points_camera.double()
    z = points[..., 2]
    height, width = depth.shape[1:]
    pixels = torch.einsum("bij,bnj->bni", camera_matrix.double(), points)[..., :2] / z[..., None]
    at = torch.floor(pixels + 0.5)
    inside = (z > 0) & (at >= 0).all(-1) & (at[..., 0] < width) & (at[..., 1] < height)
    row = torch.where(inside, at[..., 1], 0.0).long()
    column = torch.where(inside, at[..., 0], 0.0).long()
    seen = depth.reshape(len(depth), -1).gather(1, row * width + column)
    return inside & (z <= seen + torch.as_tensor(tolerance, device=z.device))
