"""Meshes in PLY (text or binary) and OBJ files: vertices and triangles; what else is in them is skipped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from palmar.data.textfiles import floats, whole
from palmar.errors import PalmarError
from palmar.media.folder import whole_file

MAX_BYTES = 512 << 20
MAX_HEADER = 64 << 10
TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4",
    "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "float32": "f4", "float64": "f8",
}  # fmt: skip


@dataclass
class _Element:
    name: str
    count: int
    plain: list[tuple[str, str]]
    """Name and type of properties that are one number."""
    lists: list[tuple[str, str, str]]
    """Name, type of the length and type of the entries of those that are lists."""


def read_ply(path: Path) -> tuple[Float[np.ndarray, "v 3"], Int[np.ndarray, "f 3"]]:
    """Vertices in the file's unit, and triangles: a face of more corners becomes a fan.

    Raises PalmarError for what is no PLY file, cut off, or whose faces name vertices that it has not.
    """
    data = _bytes(path, "a PLY mesh")
    form, elements, start = _header(path, data)
    body = data[start:]
    reader = _Text(path, body, form) if form == "ascii" else _Binary(path, body, "<" if form.count("little") else ">")
    vertices = np.zeros((0, 3))
    triangles: list[tuple[int, int, int]] = []
    for element in elements:
        if element.name == "vertex":
            names = [name for name, _ in element.plain]
            if element.lists or not {"x", "y", "z"} <= set(names):
                raise PalmarError(f"{path}: expected vertices with x, y, z and without lists.")
            table = reader.table(element)
            vertices = table[:, [names.index(axis) for axis in "xyz"]]
        else:
            for corners in reader.lists(element):
                if element.name == "face":
                    triangles += [(corners[0], b, c) for b, c in pairwise(corners[1:])]
    return _checked(path, vertices.astype(np.float64), triangles)


def read_obj(path: Path) -> tuple[Float[np.ndarray, "v 3"], Int[np.ndarray, "f 3"]]:
    """The same of an OBJ file: its lines v and f, of all its objects and groups together."""
    expected = "lines v x y z and f a b c"
    vertices: list[np.ndarray] = []
    triangles: list[tuple[int, int, int]] = []
    for number, line in enumerate(_bytes(path, "an OBJ mesh").decode("utf-8", "replace").splitlines(), 1):
        words, where = line.split(), f"{path}: line {number}"
        if not words or words[0] not in ("v", "f"):
            continue
        if len(words) < 4:
            raise PalmarError(f"{where}: {len(words) - 1} entries; expected {expected}.")
        if words[0] == "v":
            vertices.append(floats(words[1:4], where, expected))
            continue
        corners = [whole(word.partition("/")[0], -(1 << 31), 1 << 31, where, "a vertex") for word in words[1:]]
        corners = [len(vertices) + corner if corner < 0 else corner - 1 for corner in corners]  # -1 is the last so far
        triangles += [(corners[0], b, c) for b, c in pairwise(corners[1:])]
    return _checked(path, np.array(vertices).reshape(-1, 3), triangles)


def _bytes(path: Path, expected: str) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PalmarError(f"{path}: more than {MAX_BYTES >> 20} MiB; expected {expected}.")
        return path.read_bytes()
    except OSError as err:
        raise PalmarError(f"{path}: cannot be read ({err.strerror or err}); expected {expected}.") from err


def _checked(
    path: Path, vertices: Float[np.ndarray, "v 3"], triangles: Sequence[tuple[int, int, int]]
) -> tuple[Float[np.ndarray, "v 3"], Int[np.ndarray, "f 3"]]:
    if not np.isfinite(vertices).all():
        raise PalmarError(f"{path}: vertex {int(np.argmin(np.isfinite(vertices).all(1)))} is not finite.")
    faces = np.array(triangles, np.int64).reshape(-1, 3)
    if faces.size and not (faces.min() >= 0 and faces.max() < len(vertices)):
        bad = int(faces.min() if faces.min() < 0 else faces.max())
        raise PalmarError(f"{path}: a face names vertex {bad} of {len(vertices)}, counted from 0.")
    return vertices, faces


def _header(path: Path, data: bytes) -> tuple[str, list[_Element], int]:
    end = data.find(b"end_header", 0, MAX_HEADER)
    if not data.startswith(b"ply") or end < 0:
        raise PalmarError(f"{path}: not a PLY file: no header.")
    start = data.find(b"\n", end) + 1
    form, elements = "", []
    for number, line in enumerate(data[:end].decode("ascii", "replace").splitlines(), 1):
        where, words = f"{path}: line {number}", line.split()
        match words:
            case ["format", name, _]:
                form = name
            case ["element", name, count]:
                elements.append(_Element(name, whole(count, 0, MAX_BYTES, where, "a number of entries"), [], []))
            case ["property", "list", length, kind, name] if elements and {length, kind} <= set(TYPES):
                elements[-1].lists.append((name, TYPES[length], TYPES[kind]))
            case ["property", kind, name] if elements and kind in TYPES:
                elements[-1].plain.append((name, TYPES[kind]))
            case ["property", *_]:
                raise PalmarError(f"{where}: {line[:80]!r} is no property of a PLY file.")
    if form not in ("ascii", "binary_little_endian", "binary_big_endian"):
        raise PalmarError(f"{path}: format {form!r}; expected ascii, binary_little_endian or binary_big_endian.")
    return form, elements, start or len(data)


@dataclass
class _Text:
    path: Path
    data: bytes
    form: str

    def __post_init__(self) -> None:
        self.lines: Iterator[str] = iter(self.data.decode("ascii", "replace").splitlines())
        self.left = self.data.count(b"\n") + 1

    def rows(self, element: _Element) -> Iterator[list[str]]:
        if element.count > self.left:
            raise PalmarError(f"{self.path}: cut off: {element.count} entries of {element.name} are promised.")
        for _ in range(element.count):
            yield next(self.lines, "").split()

    def table(self, element: _Element) -> np.ndarray:
        width = len(element.plain)
        out = np.empty((min(element.count, self.left), width))
        for i, words in enumerate(self.rows(element)):
            if len(words) < width:
                raise PalmarError(f"{self.path}: {element.name} {i}: {len(words)} numbers, expected {width}.")
            out[i] = floats(words[:width], f"{self.path}: {element.name} {i}", f"{width} numbers")
        return out

    def lists(self, element: _Element) -> Iterator[list[int]]:
        for i, words in enumerate(self.rows(element)):
            where = f"{self.path}: {element.name} {i}"
            if element.name != "face" or not element.lists:
                continue
            words = words[len(element.plain) :] if len(element.lists) == 1 else words
            count = whole(words[0] if words else "", 0, 1000, where, "a number of corners")
            if len(words) < 1 + count:
                raise PalmarError(f"{where}: {len(words) - 1} corners, expected {count}.")
            yield [whole(word, 0, 1 << 31, where, "a vertex") for word in words[1 : 1 + count]]


@dataclass
class _Binary:
    path: Path
    data: bytes
    order: str
    at: int = 0

    def take(self, kind: str, count: int) -> np.ndarray:
        dtype = np.dtype(self.order + kind)
        end = self.at + dtype.itemsize * count
        if end > len(self.data):
            raise PalmarError(f"{self.path}: cut off at byte {len(self.data)} behind the header.")
        out = np.frombuffer(self.data, dtype, count, self.at)
        self.at = end
        return out

    def table(self, element: _Element) -> np.ndarray:
        dtype = np.dtype([(f"{i}", self.order + kind) for i, (_, kind) in enumerate(element.plain)])
        end = self.at + dtype.itemsize * element.count
        if end > len(self.data):
            raise PalmarError(f"{self.path}: cut off at byte {len(self.data)} behind the header.")
        table = np.frombuffer(self.data, dtype, element.count, self.at)
        self.at = end
        return np.stack([table[name].astype(np.float64) for name in dtype.names or ()], 1)

    def lists(self, element: _Element) -> Iterator[list[int]]:
        for _ in range(element.count):
            for _, kind in element.plain:
                self.take(kind, 1)
            found: list[int] = []
            for number, (_, length, kind) in enumerate(element.lists):
                values = self.take(kind, int(self.take(length, 1)[0]))
                found = found if number else values.tolist()
            yield found
            if not element.plain and not element.lists:
                return


def write_ply(path: Path, vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> None:
    """As text, with all digits of the vertices."""
    if not np.isfinite(vertices).all():
        raise PalmarError(f"{path}: a vertex is not finite.")
    lines = [
        "ply", "format ascii 1.0", f"element vertex {len(vertices)}",
        *(f"property double {axis}" for axis in "xyz"),
        f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header",
        *(" ".join(f"{v:.17g}" for v in row) for row in vertices.tolist()),
        *(f"3 {a} {b} {c}" for a, b, c in faces.tolist()),
    ]  # fmt: skip
    with whole_file(path) as part:
        part.write_text("\n".join(lines) + "\n", encoding="ascii", newline="\n")
