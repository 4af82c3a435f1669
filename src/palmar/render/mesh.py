"""The one mesh a picture is made of: hands, sleeves and objects are concatenated before rendering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float32, Int16, Int32, UInt8

from palmar.errors import PalmarError
from palmar.render.kernel import kernel
from palmar.render.rasterize import check_faces, contiguous


@kernel()
def _vertex_normals(vertices, faces):
    normals = np.zeros((len(vertices), 3), np.float32)
    for f in range(len(faces)):
        a = faces[f, 0]
        b = faces[f, 1]
        c = faces[f, 2]
        ux = vertices[b, 0] - vertices[a, 0]
        uy = vertices[b, 1] - vertices[a, 1]
        uz = vertices[b, 2] - vertices[a, 2]
        vx = vertices[c, 0] - vertices[a, 0]
        vy = vertices[c, 1] - vertices[a, 1]
        vz = vertices[c, 2] - vertices[a, 2]
        x = uy * vz - uz * vy
        y = uz * vx - ux * vz
        z = ux * vy - uy * vx
        if not np.isfinite(x + y + z):
            continue
        for v in (a, b, c):
            normals[v, 0] += x
            normals[v, 1] += y
            normals[v, 2] += z
    for v in range(len(vertices)):
        x = normals[v, 0]
        y = normals[v, 1]
        z = normals[v, 2]
        length = np.sqrt(x * x + y * y + z * z)
        if length > 0.0:
            normals[v, 0] = x / length
            normals[v, 1] = y / length
            normals[v, 2] = z / length
        else:
            normals[v, 2] = -1.0
    return normals


def vertex_normals(vertices: Float32[np.ndarray, "v 3"], faces: Int32[np.ndarray, "f 3"]) -> Float32[np.ndarray, "v 3"]:
    """Unit normals, each the mean of its triangles' normals weighted by their areas; they point to the side from which
    the vertices run counter-clockwise. Triangles that are not finite count nothing; a vertex of no triangle gets
    (0, 0, -1).
    """
    vertices = contiguous(vertices, np.float32)
    faces = contiguous(faces, np.int32)
    check_faces(faces, len(vertices))
    return _vertex_normals(vertices, faces)


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles in the camera frame and what their surface is like. Only `vertices`, `faces` and `albedo` are needed.

    All values per vertex are interpolated, but for `part`, where the nearest vertex counts. Both sides of a triangle
    are seen and shaded alike, but for `closed` ones.
    """

    vertices: Float32[np.ndarray, "v 3"]
    """Metres; x right, y down, z forward."""
    faces: Int32[np.ndarray, "f 3"]
    """Counter-clockwise seen from outside."""
    albedo: Float32[np.ndarray, "v 3"]
    """Diffuse reflectance in linear light, 0 to 1, RGB."""
    roughness: Float32[np.ndarray, " v"] | None = None
    """GGX roughness (its square is alpha), 0.05 to 1; 0.5 where not given."""
    specular: Float32[np.ndarray, " v"] | None = None
    """Factor on the reflection of a surface of index 1.4 (F0 = 0.028); 1 where not given, 0 for none."""
    occlusion: Float32[np.ndarray, " v"] | None = None
    """Share of the surroundings that reaches the vertex; 1 where not given. It dims the surroundings, not the lamps."""
    part: UInt8[np.ndarray, " v"] | None = None
    """Label written to `Rendered.part`; 0 where not given."""
    normals: Float32[np.ndarray, "v 3"] | None = None
    """Unit normals, outward; `vertex_normals` of the mesh where not given."""
    closed: Bool[np.ndarray, " f"] | None = None
    """Faces of a closed surface, which is never seen from inside: their backs are left out, which is much faster. None
    where not given."""
    uv: Float32[np.ndarray, "f 3 2"] | None = None
    """Texture coordinates of every corner of every face; (0, 0) is the lower left corner of the texture, as in OBJ."""
    layer: Int16[np.ndarray, " f"] | None = None
    """Which layer of `texture` a face takes, -1 for none; 0 where not given."""
    texture: Float32[np.ndarray, "l th tw 4"] | None = None
    """Per layer: a factor on the albedo (RGB) and the height of the surface in metres, outward. It repeats beyond 0..1.
    There is no filter but the supersampling, so texels should not be much smaller than samples."""

    def __post_init__(self) -> None:
        v, f = len(self.vertices), len(self.faces)
        expected = {
            "vertices": (v, 3),
            "faces": (f, 3),
            "albedo": (v, 3),
            "roughness": (v,),
            "specular": (v,),
            "occlusion": (v,),
            "part": (v,),
            "normals": (v, 3),
            "closed": (f,),
            "uv": (f, 3, 2),
            "layer": (f,),
        }
        for name, shape in expected.items():
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise PalmarError(f"Mesh.{name}: expected shape {shape}, got {value.shape}.")
        check_faces(self.faces, v)
        if self.texture is None:
            return
        if self.texture.ndim != 4 or self.texture.shape[-1] != 4 or 0 in self.texture.shape:
            raise PalmarError(f"Mesh.texture: expected shape (layers, height, width, 4), got {self.texture.shape}.")
        if self.uv is None:
            raise PalmarError("Mesh.texture: a texture needs uv, the texture coordinates of every face's corners.")
        if self.layer is not None and f and int(self.layer.max()) >= len(self.texture):
            raise PalmarError(
                f"Mesh.layer: layer {int(self.layer.max())} of a texture with {len(self.texture)} layers."
            )

    @staticmethod
    def concatenate(meshes: Sequence[Mesh]) -> Mesh:
        """One mesh of several, in their order. Textures must all have one size; a mesh without one stays without."""
        if not meshes:
            raise PalmarError("Mesh.concatenate: give at least one mesh.")
        starts = np.cumsum([0, *(len(m.vertices) for m in meshes)])
        columns: dict[str, np.ndarray | None] = {}
        for name, default in (("roughness", 0.5), ("specular", 1.0), ("occlusion", 1.0)):
            columns[name] = _joined(meshes, name, lambda m, d=default: np.full(len(m.vertices), d, np.float32))
        columns["part"] = _joined(meshes, "part", lambda m: np.zeros(len(m.vertices), np.uint8))
        columns["normals"] = _joined(meshes, "normals", lambda m: vertex_normals(m.vertices, m.faces))
        columns["closed"] = _joined(meshes, "closed", lambda m: np.zeros(len(m.faces), bool))
        columns["uv"] = _joined(meshes, "uv", lambda m: np.zeros((len(m.faces), 3, 2), np.float32))
        textured = [m.texture for m in meshes if m.texture is not None]
        if textured:
            if len({t.shape[1:] for t in textured}) > 1:
                raise PalmarError(f"Mesh.concatenate: textures differ in size, {[t.shape for t in textured]}.")
            columns["texture"] = textured[0] if len(textured) == 1 else np.concatenate(textured)
            layers, first = [], 0
            for m in meshes:
                if m.texture is None:
                    layers.append(np.full(len(m.faces), -1, np.int16))
                    continue
                own = np.zeros(len(m.faces), np.int16) if m.layer is None else m.layer
                layers.append(np.where(own < 0, -1, own + first).astype(np.int16))
                first += len(m.texture)
            columns["layer"] = np.concatenate(layers)
        return Mesh(
            vertices=np.concatenate([m.vertices for m in meshes]),
            faces=np.concatenate([m.faces + np.int32(s) for m, s in zip(meshes, starts[:-1], strict=True)]),
            albedo=np.concatenate([m.albedo for m in meshes]),
            **columns,  # pyright: ignore[reportArgumentType]  (each column has its own dtype, built above)
        )


def _joined(meshes: Sequence[Mesh], name: str, default) -> np.ndarray | None:
    """The column of all meshes, `default(mesh)` where one has none; None where none has it."""
    assert name in {f.name for f in fields(Mesh)}
    values = [getattr(m, name) for m in meshes]
    if all(value is None for value in values):
        return None
    return np.concatenate([default(m) if value is None else value for m, value in zip(meshes, values, strict=True)])
