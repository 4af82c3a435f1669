"""`Hands`: the one noun that crosses every public call. Immutable struct of arrays, one row per hand and frame."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float16, Float32, Int32, UInt8

from palmar.errors import PalmarError, one_of

SCHEMA_VERSION = 1
"""Raised when a column changes its meaning; a reader refuses a file of a later version than its own."""

LEFT, RIGHT = 0, 1
"""Values of `Hands.side`: the person's own left and right."""


@dataclass(frozen=True)
class Column:
    """Dtype, shape after the row axis (None: any length, the same in all rows), unit and meaning of a column."""

    dtype: str
    shape: tuple[int | None, ...]
    unit: str
    meaning: str


COLUMNS: Mapping[str, Column] = {
    "frame": Column("int32", (), "1", "frame number, from 0"),
    "track": Column("int32", (), "1", "identity over time; -1 none"),
    "view": Column("int32", (), "1", "camera number, from 0"),
    "side": Column("uint8", (), "1", "0 left, 1 right: the person's own"),
    "score": Column("float32", (), "1", "detection confidence, 0 to 1"),
    "box": Column("float32", (4,), "pixel", "x0 y0 x1 y1"),
    "keypoints": Column("float32", (21, 3), "pixel, pixel, 1", "x, y, confidence; OpenPose order"),
    "joints": Column("float32", (21, 3), "metre", "camera frame: x right, y down, z forward; OpenPose order"),
    "pose": Column("float32", (16, 3), "radian", "axis-angle: wrist (camera frame), 15 finger joints; MANO tree order"),
    "shape": Column("float32", (10,), "1", "shape coefficients of the hand model, standard deviations"),
    "translation": Column(
        "float32", (3,), "metre", "camera frame; added after the wrist's rotation about its own joint"
    ),
    "world_from_camera": Column("float32", (4, 4), "metre", "where the world is known"),
    "contact": Column("float16", (None,), "1", "contact probability per vertex"),
    "action": Column("str", (), "", "label"),
    "phase": Column("str", (), "", "label"),
    "text": Column("str", (), "", "free description"),
}
REQUIRED = ("frame", "track", "view", "side", "score", "box")


@dataclass(frozen=True, eq=False)
class Hands:
    """Hands of a clip, one row per hand and frame. N may be 0; a column that no stage has filled is None.

    Units, frames and orders of the columns are in `COLUMNS`. Arrays are made read-only copies of what is passed.
    Labels are object arrays of str or None. Raises PalmarError when a column has the wrong shape or length.
    """

    frame: Int32[np.ndarray, " n"]
    track: Int32[np.ndarray, " n"]
    view: Int32[np.ndarray, " n"]
    side: UInt8[np.ndarray, " n"]
    score: Float32[np.ndarray, " n"]
    box: Float32[np.ndarray, "n 4"]
    keypoints: Float32[np.ndarray, "n 21 3"] | None = None
    joints: Float32[np.ndarray, "n 21 3"] | None = None
    pose: Float32[np.ndarray, "n 16 3"] | None = None
    shape: Float32[np.ndarray, "n 10"] | None = None
    translation: Float32[np.ndarray, "n 3"] | None = None
    world_from_camera: Float32[np.ndarray, "n 4 4"] | None = None
    contact: Float16[np.ndarray, "n v"] | None = None
    action: np.ndarray | None = None
    phase: np.ndarray | None = None
    text: np.ndarray | None = None

    def __post_init__(self) -> None:
        n = len(np.asarray(self.frame))
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None:
                if field.name in REQUIRED:
                    raise PalmarError(f"Hands.{field.name}: this column is required, got None.")
                continue
            column = COLUMNS[field.name]
            dtype = object if column.dtype == "str" else np.dtype(column.dtype)
            array = np.array(value, dtype=dtype)
            shape = tuple(
                array.shape[i + 1] if want is None and array.ndim > i + 1 else want
                for i, want in enumerate(column.shape)
            )
            if array.shape != (n, *shape):
                raise PalmarError(f"Hands.{field.name}: expected shape {(n, *column.shape)}, got {array.shape}.")
            array.flags.writeable = False
            object.__setattr__(self, field.name, array)
        if n and self.side.max() > RIGHT:
            raise PalmarError(f"Hands.side: expected 0 (left) or 1 (right), got {int(self.side.max())}.")

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, keep: slice | int | np.ndarray | list[int]) -> Hands:
        """Some of the rows, by slice, mask, index or indices. Always a `Hands`."""
        rows = np.arange(len(self))[keep].reshape(-1)
        return Hands(**{name: column[rows] for name, column in self.columns().items()})

    def __repr__(self) -> str:
        return f"Hands({len(self)} rows, {len(np.unique(self.track))} tracks; {', '.join(self.columns())})"

    @classmethod
    def empty(cls) -> Hands:
        """No rows, the required columns only."""
        return cls(**{name: np.zeros((0, *COLUMNS[name].shape), COLUMNS[name].dtype) for name in REQUIRED})  # type: ignore[arg-type]

    def columns(self) -> dict[str, np.ndarray]:
        """The columns that are filled, in schema order."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}

    def select(self, *names: str) -> Hands:
        """The required columns and the named ones."""
        for name in names:
            one_of("column", name, COLUMNS)
        keep = {*REQUIRED, *names}
        return Hands(**{name: column for name, column in self.columns().items() if name in keep})

    def filter(
        self,
        *,
        frame: int | None = None,
        track: int | None = None,
        side: int | None = None,
        view: int | None = None,
        min_score: float | None = None,
    ) -> Hands:
        """The rows that meet every condition given."""
        keep = np.ones(len(self), bool)
        for name, value in (("frame", frame), ("track", track), ("side", side), ("view", view)):
            if value is not None:
                keep &= getattr(self, name) == value
        if min_score is not None:
            keep &= self.score >= min_score
        return self[keep]

    def with_columns(self, **columns: Any) -> Hands:
        """A copy with these columns set or replaced."""
        for name in columns:
            one_of("column", name, COLUMNS)
        return replace(self, **columns)

    @staticmethod
    def concat(parts: Iterable[Hands]) -> Hands:
        """All rows, in the order given. A column is kept only if every part that has rows has it."""
        some = [part for part in parts if len(part)]
        if not some:
            return Hands.empty()
        names = [name for name in some[0].columns() if all(getattr(p, name) is not None for p in some)]
        return Hands(**{name: np.concatenate([getattr(p, name) for p in some]) for name in names})

    def to_table(self) -> pa.Table:
        """An Arrow table: fixed-size lists for arrays, units and meaning in each field's metadata, version in the
        schema's."""
        arrays, schema = [], []
        for name, value in self.columns().items():
            column = COLUMNS[name]
            meta = {"unit": column.unit, "meaning": column.meaning, "shape": json.dumps(value.shape[1:])}
            if column.dtype == "str":
                kind: pa.DataType = pa.dictionary(pa.int32(), pa.string())
                array = pa.array(value.tolist(), pa.string()).dictionary_encode()
            else:
                kind = pa.from_numpy_dtype(value.dtype)
                array = pa.array(value.reshape(-1), kind)
                if value.ndim > 1:
                    width = int(np.prod(value.shape[1:]))
                    kind = pa.list_(kind, width)
                    array = pa.FixedSizeListArray.from_arrays(array, width)
            arrays.append(array)
            schema.append(pa.field(name, kind, metadata=meta))
        return pa.Table.from_arrays(arrays, schema=pa.schema(schema, metadata={"palmar.schema": str(SCHEMA_VERSION)}))

    @staticmethod
    def from_table(table: pa.Table) -> Hands:
        """The inverse of `to_table`. Raises PalmarError for a table that palmar did not write, or a later version
        wrote."""
        version = (table.schema.metadata or {}).get(b"palmar.schema")
        if version is None:
            raise PalmarError("not a table of hands: its schema has no palmar.schema entry.")
        if not version.isdigit() or int(version) > SCHEMA_VERSION:
            raise PalmarError(
                f"hands of schema version {version.decode(errors='replace')}, this palmar reads up to "
                f"{SCHEMA_VERSION}: update palmar."
            )
        columns: dict[str, np.ndarray] = {}
        for field, chunked in zip(table.schema, table.columns, strict=True):
            column = COLUMNS[one_of("column", field.name, COLUMNS)]
            array = chunked.combine_chunks()
            if isinstance(array, pa.ChunkedArray):
                array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
            if column.dtype == "str":
                columns[field.name] = np.array(array.to_pylist(), object)
                continue
            try:
                shape = tuple(int(n) for n in json.loads((field.metadata or {})[b"shape"]))
                flat = (array.flatten() if shape else array).to_numpy(zero_copy_only=False)
                columns[field.name] = (
                    flat.reshape(-1, *shape) if shape and len(flat) else flat.reshape(0, *shape) if shape else flat
                )
            except (KeyError, ValueError, TypeError, AttributeError) as err:
                raise PalmarError(
                    f"column {field.name!r} of this table does not hold what its metadata says: {err}."
                ) from err
        missing = [name for name in REQUIRED if name not in columns]
        if missing:
            raise PalmarError(f"not a table of hands: no column {', '.join(missing)}.")
        return Hands(**columns)

    def to_parquet(self, path: str | Path) -> None:
        """Write `to_table` as Parquet (zstd), whole or not at all."""
        path = Path(path)
        part = path.with_name(path.name + ".part")
        try:
            pq.write_table(self.to_table(), part, compression="zstd")
            part.replace(path)
        except OSError as err:
            part.unlink(missing_ok=True)
            raise PalmarError(f"{path}: cannot write here ({err.strerror or err}).") from err

    @staticmethod
    def from_parquet(path: str | Path) -> Hands:
        """Read what `to_parquet` wrote. Raises PalmarError for a file that is missing, damaged or not of hands."""
        path = Path(path)
        if not path.is_file():
            raise PalmarError(f"{path}: no such file.")
        try:
            table = pq.read_table(path)
        except (pa.ArrowException, OSError) as err:
            raise PalmarError(f"{path}: not a readable Parquet file ({err}).") from err
        try:
            return Hands.from_table(table)
        except PalmarError as err:
            raise PalmarError(f"{path}: {err}") from err
