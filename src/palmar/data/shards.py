"""Data sets on disk: samples in tar shards that WebDataset reads, and an index that knows where every byte of them is.

A folder holds `card.json` (what the data are, and how every array is stored), `index.parquet` (a row per sample: shard,
place, size and hash of each of its files, and labels to choose by) and `shard-000000.tar` and so on. A sample's files
stand together in one shard, `<index>.<array>.png` or `.npy`, then `<index>.json` with its labels: all that stands
before the first dot is the key by which WebDataset puts them together. Tars are POSIX ustar, without times or owners:
the same samples are the same bytes.

`ShardWriter` writes such a folder, `read_shards` opens one. What a writer gets is `Packed`: whoever makes samples in
many processes packs them there.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, overload

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Float, UInt16

from palmar.errors import PalmarError, one_of
from palmar.media import resumable_folder, whole_file

SCHEMA_VERSION = 1
"""Of a folder. Raised when something in it changes its meaning; a reader refuses a later version than its own."""
CARD, INDEX, LABELS = "card.json", "index.parquet", "json"
SHARD_BYTES = 256 << 20
"""Of a shard, at most, by default. A single sample that is larger has a shard of its own."""

MAX_MEMBER = 1 << 30
"""Bytes of one file of a sample; a reader takes none that claims more."""
MAX_PIXELS = 40_000_000
"""Of a picture that is decoded."""
MAX_CARD = 16 << 20
"""Bytes of card.json."""

_SHARD = re.compile(r"shard-[0-9]{6,}\.tar")
_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
_INSIDE = "array.npy"
_BLOCK, _RECORD = 512, 10_240
"""Bytes: everything in a tar is a multiple of a block, and the whole of a record."""


# How an array becomes a file ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Png:
    """A PNG of the numbers as they are: bool (0 and 255), uint8, uint16, or int32 between 0 and 65535 (16 bits);
    [h, w] or [h, w, 3]."""


@dataclass(frozen=True)
class Steps:
    """Floats as whole numbers of a step in a PNG of 16 bits: value = low + step x number, 0 where there is nothing.

    [h, w], [h, w, 3], or [h, w, 2], whose third channel is 1 where there is something, as the KITTI benchmark stores
    flow. What the numbers 1 to 65535 do not reach is nothing, too.
    """

    step: float
    low: float = 0.0
    nothing: Literal["nan", "inf", "0"] = "nan"
    """What stands where there is nothing."""
    channels: int = 1

    def __post_init__(self) -> None:
        if not (self.step > 0 and np.isfinite(self.step) and np.isfinite(self.low)) or self.channels not in (1, 2, 3):
            raise PalmarError(f"Steps: expected a step above 0, a finite low and 1 to 3 channels, got {self}.")
        one_of("value for nothing", self.nothing, ("nan", "inf", "0"))


@dataclass(frozen=True)
class Npy:
    """NumPy's own format, little-endian, C order; without pickled objects."""


@dataclass(frozen=True)
class Npz:
    """The same, deflated: a zip with `array.npy` in it, for arrays that are mostly empty."""


Coding = Png | Steps | Npy | Npz
CODINGS: Mapping[str, type[Coding]] = {"png": Png, "steps": Steps, "npy": Npy, "npz": Npz}


@dataclass(frozen=True)
class Layer:
    """What an array of a sample is, and how it is stored."""

    dtype: str
    """Of NumPy, by name."""
    unit: str
    meaning: str
    coding: Coding = Npy()

    @property
    def ending(self) -> str:
        return {Npy: "npy", Npz: "npz"}.get(type(self.coding), "png")

    def to_dict(self) -> dict[str, Any]:
        """JSON values; `from_dict` reads them back."""
        name = next(name for name, kind in CODINGS.items() if isinstance(self.coding, kind))
        return {
            "file": self.ending,
            "dtype": self.dtype,
            "unit": self.unit,
            "meaning": self.meaning,
            "coding": {"kind": name, **asdict(self.coding)},
        }

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Layer:
        """Raises PalmarError for an unknown coding or dtype, and for what is missing."""
        try:
            coding = dict(values["coding"])
            kind = CODINGS[one_of("coding", str(coding.pop("kind")), CODINGS)]
            dtype = str(values["dtype"])
            if np.dtype(dtype).hasobject:
                raise PalmarError(f"arrays of {dtype} are not read.")
            return Layer(dtype, str(values["unit"]), str(values["meaning"]), kind(**coding))
        except (KeyError, TypeError, ValueError, AttributeError) as err:
            raise PalmarError(f"not the description of an array ({type(err).__name__}: {err}).") from err


def encode(array: np.ndarray, layer: Layer) -> bytes:
    """The file of an array. Raises PalmarError for an array that is not of the layer's dtype, or no picture where it
    must be one."""
    if array.dtype != np.dtype(layer.dtype):
        raise PalmarError(f"an array to store: expected {layer.dtype}, got {array.dtype}.")
    match layer.coding:
        case Npy():
            return _npy(array)
        case Npz():
            file = io.BytesIO()
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as zipped:
                zipped.writestr(zipfile.ZipInfo(_INSIDE), _npy(array), zipfile.ZIP_DEFLATED, 4)  # of 1980
            return file.getvalue()
        case Png():
            if array.dtype == np.int32 and array.size and (array.min() < 0 or array.max() > 65535):
                raise PalmarError("an array to store: whole numbers below 0 or above 65535 are not for a PNG.")
            return _png(array * np.uint8(255) if array.dtype == bool else array.astype(_depth_of(layer)))
        case Steps() as steps:
            return _png(_numbers(array, steps))


def decode(data: bytes, layer: Layer) -> np.ndarray:
    """The array in a file. Raises PalmarError for a file that is damaged, too large, or not what the layer says."""
    match layer.coding:
        case Npy():
            return _from_npy(data, layer)
        case Npz():
            return _from_npy(_unzipped(data), layer)
        case Png():
            array = _picture(data, _depth_of(layer))
            return array >= 128 if layer.dtype == "bool" else array.astype(layer.dtype)
        case Steps() as steps:
            numbers = _picture(data, np.dtype(np.uint16))
            if (numbers.shape[2] if numbers.ndim == 3 else 1) != (3 if steps.channels > 1 else 1):
                raise PalmarError(f"a picture with {steps.channels} channels of numbers, got shape {numbers.shape}.")
            return _values(numbers, steps).astype(layer.dtype)


def _depth_of(layer: Layer) -> np.dtype:
    """Of the PNG's samples."""
    return np.dtype({"bool": "uint8", "int32": "uint16"}.get(layer.dtype, layer.dtype))


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)  # of none to one axis
    np.lib.format.write_array(file, array, version=(1, 0), allow_pickle=False)
    return file.getvalue()


def _unzipped(data: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as zipped, zipped.open(_INSIDE) as file:
            inside = file.read(MAX_MEMBER + 1)
    except (zipfile.BadZipFile, KeyError, ValueError, NotImplementedError, RuntimeError, EOFError, zlib.error) as err:
        raise PalmarError(f"not a .npz file with {_INSIDE} in it ({err}).") from err
    if len(inside) > MAX_MEMBER:
        raise PalmarError(f"unpacked it is larger than {MAX_MEMBER >> 20} MiB.")
    return inside


def _numbers(array: np.ndarray, steps: Steps) -> UInt16[np.ndarray, "h w *k"]:
    shape = array.shape[2:] if array.ndim > 2 else ()
    if array.ndim not in (2, 3) or shape != ((steps.channels,) if steps.channels > 1 else ()):
        raise PalmarError(f"an array to store: expected [h, w] with {steps.channels} channels, got {array.shape}.")
    with np.errstate(invalid="ignore", over="ignore"):
        number = np.round((np.asarray(array, np.float64) - steps.low) / steps.step)
        held = (number >= 1) & (number <= 65535)
        if steps.nothing == "0":
            held &= (array != 0).any(-1, keepdims=True) if array.ndim == 3 else array != 0
    if array.ndim == 3:
        held = np.broadcast_to(held.all(-1, keepdims=True), array.shape)
    out = np.where(held, number, 0).astype(np.uint16)
    return np.concatenate([out, held[..., :1].astype(np.uint16)], -1) if steps.channels == 2 else out


def _values(numbers: UInt16[np.ndarray, "h w *c"], steps: Steps) -> Float[np.ndarray, "h w *k"]:
    kept = numbers[..., :2] if steps.channels == 2 else numbers
    held = numbers[..., 2:] > 0 if steps.channels == 2 else kept > 0
    return np.where(held, steps.low + steps.step * kept.astype(np.float64), float(steps.nothing))


def _png(array: np.ndarray) -> bytes:
    if array.ndim not in (2, 3) or array.dtype not in (np.uint8, np.uint16) or array.shape[2:] not in ((), (3,)):
        raise PalmarError(f"a picture to store: expected 8 or 16 bits [h, w] or [h, w, 3], got {array.shape}.")
    if not array.size:
        raise PalmarError(f"a picture to store has no pixels: {array.shape}.")
    swapped = array[..., ::-1] if array.ndim == 3 else array  # OpenCV has blue first
    ok, data = cv2.imencode(".png", np.ascontiguousarray(swapped), [cv2.IMWRITE_PNG_COMPRESSION, 3])
    assert ok
    return data.tobytes()


def _picture(data: bytes, dtype: np.dtype) -> np.ndarray:
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR" or len(data) < 33:
        raise PalmarError("not a PNG.")
    width, height, bits, colour = struct.unpack(">IIBB", data[16:26])
    if width * height > MAX_PIXELS:
        raise PalmarError(f"{width} x {height} pixels are more than {MAX_PIXELS // 1_000_000} megapixels.")
    if bits != 8 * dtype.itemsize or colour not in (0, 2):
        raise PalmarError(f"expected a picture of {8 * dtype.itemsize} bits, grey or RGB, got {bits} bits.")
    try:
        array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as err:
        raise PalmarError(f"this picture does not decode ({err.err or err}).") from err
    if array is None or array.shape[:2] != (height, width) or array.dtype != dtype or data[-8:-4] != b"IEND":
        raise PalmarError("this picture is damaged or cut off.")
    return np.ascontiguousarray(array[..., ::-1]) if array.ndim == 3 else array


def _from_npy(data: bytes, layer: Layer) -> np.ndarray:
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"version {version} is not written here")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as err:
        raise PalmarError(f"not a .npy file ({err}).") from err
    if dtype.hasobject or dtype != np.dtype(layer.dtype) or fortran:
        raise PalmarError(f"expected an array of {layer.dtype} in C order, got {dtype}.")
    size = dtype.itemsize
    for n in shape:  # Python's whole numbers do not overflow
        size *= n
    if min(shape, default=0) < 0 or size != len(data) - file.tell():
        raise PalmarError(f"an array {shape} of {dtype} has {size} bytes, the file {len(data) - file.tell()}.")
    return np.frombuffer(data, dtype, offset=file.tell()).reshape(shape).astype(np.dtype(layer.dtype))


# Labels ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Column:
    """A label that the index repeats, so that samples can be chosen without opening a shard."""

    dtype: Literal["float32", "int64", "str"]
    shape: tuple[int | None, ...]
    """None, first if at all: as many as there are."""
    unit: str
    meaning: str

    def __post_init__(self) -> None:
        assert None not in self.shape[1:]
        assert self.dtype != "str" or self.shape in ((), (None,))

    @property
    def type(self) -> pa.DataType:
        """Of Arrow: inner axes are flattened to one, in C order; the field's metadata state the shape."""
        of = {"float32": pa.float32(), "int64": pa.int64(), "str": pa.string()}[self.dtype]
        fixed = [n for n in self.shape if n is not None]
        if fixed:
            of = pa.list_(of, int(np.prod(fixed)))
        return pa.list_(of) if None in self.shape else of

    def value(self, given: Any) -> Any:
        """A label as Arrow takes it. Raises PalmarError for another shape than the column's."""
        if self.dtype == "str":
            return [str(one) for one in given] if self.shape else str(given)
        array = np.asarray(given, self.dtype)
        if None in self.shape and not array.size:
            array = array.reshape(0, *self.shape[1:])
        want = tuple(array.shape[0] if n is None and array.ndim else n for n in self.shape)
        if array.shape != want:
            raise PalmarError(f"expected a label of shape {self.shape}, got {array.shape}.")
        inner = [n for n in self.shape if n is not None]
        if not inner:
            return array.tolist()
        return array.reshape(-1, int(np.prod(inner))).tolist() if None in self.shape else array.reshape(-1).tolist()


def plain(value: Any) -> Any:
    """JSON values of nested labels: arrays as lists, floats of 32 bits in the fewest digits that tell them apart.

    Raises PalmarError for NaN and infinity, which JSON has not: what is unknown is None.
    """
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        if array.dtype.kind == "f":
            if not np.isfinite(array).all():
                raise PalmarError("a label is not finite: JSON has no NaN. Give None where something is unknown.")
            if array.dtype == np.float32 and array.size:
                return array.astype("U32").astype(np.float64).tolist()
        return array.tolist()
    if isinstance(value, float) and not np.isfinite(value):
        raise PalmarError("a label is not finite: JSON has no NaN. Give None where something is unknown.")
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value


# Writing --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Sample:
    """A labelled sample: its arrays by name, and its labels."""

    index: int
    """Number of the sample, from 0; its key in the shards."""
    arrays: Mapping[str, np.ndarray]
    """The last word of a name, after the last dot, says which layer it is: `rgb`, or `t003.left.rgb`."""
    labels: Mapping[str, Any]
    """JSON values, and arrays, which become lists."""


@dataclass(frozen=True)
class Packed:
    """A sample as bytes."""

    index: int
    members: tuple[tuple[str, bytes], ...]
    """What comes after the key and its dot, and the file."""
    row: Mapping[str, Any]
    """Its labels in the index, as `Column.value` gives them."""


class Packer:
    """Packs a sample array by array, so that a long one need not be held as it is.

    Raises PalmarError for an array whose name is none or whose layer is not there, and for labels that the columns
    miss.
    """

    def __init__(self, index: int, layers: Mapping[str, Layer], columns: Mapping[str, Column]) -> None:
        self.index, self.layers, self.columns = index, layers, columns
        self._members: list[tuple[str, bytes]] = []

    def add(self, name: str, array: np.ndarray) -> None:
        if not _NAME.fullmatch(name):
            raise PalmarError(f"sample {self.index}: {name!r} cannot be the name of an array: a-z, 0-9, _ and dots.")
        layer = self.layers[one_of("array", name.rpartition(".")[2], self.layers)]
        try:
            self._members.append((f"{name}.{layer.ending}", encode(array, layer)))
        except PalmarError as err:
            raise PalmarError(f"sample {self.index}, {name}: {err}") from err

    def finish(self, labels: Mapping[str, Any]) -> Packed:
        """The files: arrays in the order in which they came, then the labels."""
        try:
            values = plain(labels)
            row = {name: column.value(values[name]) for name, column in self.columns.items()}
        except KeyError as err:
            raise PalmarError(f"sample {self.index}: there is no label {err} for the index.") from err
        except PalmarError as err:
            raise PalmarError(f"sample {self.index}: {err}") from err
        text = json.dumps(values, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return Packed(self.index, (*self._members, (LABELS, text.encode())), row)


def pack(sample: Sample, layers: Mapping[str, Layer], columns: Mapping[str, Column]) -> Packed:
    """The files of a sample, see `Packer`."""
    packer = Packer(sample.index, layers, columns)
    for name, array in sample.arrays.items():
        packer.add(name, array)
    return packer.finish(sample.labels)


def key_of(index: int) -> str:
    """What the names of a sample's files begin with."""
    return f"{index:09d}"


def entries(packed: Packed) -> Iterator[tuple[str, bytes, bytes]]:
    """(file name, header, contents) of every file of a sample, both padded to whole blocks of a tar."""
    for name, data in packed.members:
        entry = tarfile.TarInfo(f"{key_of(packed.index)}.{name}")  # time, owner and group stay 0
        entry.size = len(data)
        yield entry.name, entry.tobuf(tarfile.USTAR_FORMAT), data + bytes(-len(data) % _BLOCK)


def tar_end(size: int) -> bytes:
    """What closes a tar of so many bytes."""
    return bytes(2 * _BLOCK + -(size + 2 * _BLOCK) % _RECORD)


def write_stream(packed: Iterable[Packed], to: BinaryIO | io.BufferedIOBase) -> Iterator[int]:
    """Write samples as one tar, and give how many are written after each."""
    size = 0
    for done, one in enumerate(packed, 1):
        data = b"".join(part for _, header, body in entries(one) for part in (header, body))
        to.write(data)
        size += len(data)
        yield done
    to.write(tar_end(size))
    to.flush()


@dataclass(frozen=True)
class _Row:
    """A line of the index while its shard is being written."""

    index: int
    members: list[tuple[str, int, int, str]]
    """Name, offset, size, sha256 in hexadecimal."""
    row: Mapping[str, Any]

    def line(self) -> bytes:
        return json.dumps([self.index, self.members, self.row]).encode() + b"\n"

    @staticmethod
    def read(line: bytes) -> _Row:
        index, members, row = json.loads(line)
        return _Row(index, [(name, offset, size, digest) for name, offset, size, digest in members], row)


class ShardWriter:
    """Writes a folder of shards, which appears whole or not at all. A killed one goes on where it was.

        with ShardWriter("out", card, layers, columns) as writer:
            for index in range(writer.done, count):
                writer.add(pack(make(index), layers, columns))

    Samples come in the order of their numbers. What is written of a folder that is not whole yet lies in a hidden one
    beside it, that of its card: the same card finds it again, and ends with the same bytes as if nothing had happened.

    card: JSON values, what the data are and how they can be made again; a shard's size and the descriptions of layers
    and columns are added. shard_bytes: of a shard at most.
    Raises PalmarError where the folder exists (and may not be replaced), cannot be made or written, or is being made by
    another process.
    """

    def __init__(
        self,
        out: str | Path,
        card: Mapping[str, Any],
        layers: Mapping[str, Layer],
        columns: Mapping[str, Column],
        *,
        shard_bytes: int = SHARD_BYTES,
        overwrite: bool = False,
    ) -> None:
        if shard_bytes < 1:
            raise PalmarError(f"a shard must be of one byte at least, got {shard_bytes}.")
        self.out, self.columns, self.shard_bytes = Path(out), dict(columns), shard_bytes
        self.card = {
            "schema": SCHEMA_VERSION,
            **plain(card),
            "shard_bytes": shard_bytes,
            "arrays": {name: layer.to_dict() for name, layer in layers.items()},
            "columns": {name: _described(column) for name, column in columns.items()},
        }
        self._text = json.dumps(self.card, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        key = hashlib.sha256(self._text.encode()).hexdigest()[:12]
        self._folder = resumable_folder(self.out, key, overwrite, marker=CARD)
        self._schema = schema(columns, {"name": str(card.get("name", "")), "schema": str(SCHEMA_VERSION)})
        self.done = 0
        """Samples that are written already."""
        self.last: int | None = None
        """Number of the last of them."""
        self.shards = 0
        """That are closed."""
        self._rows: list[_Row] = []
        self._end = 0
        self._tar: BinaryIO | None = None
        self._journal: BinaryIO | None = None

    def __enter__(self) -> ShardWriter:
        self._part = self._folder.__enter__()
        try:
            self._resume()
        except BaseException as err:
            self._folder.__exit__(type(err), err, err.__traceback__)
            raise
        return self

    def add(self, packed: Packed) -> None:
        """Write one more sample. Raises PalmarError where its number is not larger than the last one's, except that the
        last sample of an earlier try may be given again: then it is compared, so that two versions of what makes
        samples do not end up in one data set."""
        if self.last is not None and packed.index <= self.last:
            self._compare(packed)
            return
        parts = list(entries(packed))
        size = sum(len(header) + len(body) for _, header, body in parts)
        try:
            if self._rows and self._end + size + 2 * _BLOCK > self.shard_bytes:
                self._close()
            if self._tar is None:
                self._open("xb")
            members, at = [], self._end
            for (name, data), (_, header, body) in zip(packed.members, parts, strict=True):
                members.append((name, at + len(header), len(data), hashlib.sha256(data).hexdigest()))
                at += len(header) + len(body)
            row = _Row(packed.index, members, packed.row)
            assert self._tar is not None
            assert self._journal is not None
            _write(self._tar, b"".join(part for _, header, body in parts for part in (header, body)))
            _write(self._journal, row.line())  # after the bytes that it tells of
        except OSError as err:
            raise self._unwritable(err) from err
        self._end = at
        self._rows.append(row)
        self.done, self.last = self.done + 1, packed.index

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        except OSError as err:
            error = self._unwritable(err)
            self._folder.__exit__(type(error), error, None)
            raise error from err
        except BaseException as err:
            self._folder.__exit__(type(err), err, err.__traceback__)
            raise
        finally:
            for file in (self._tar, self._journal):
                if file is not None:
                    file.close()
        self._folder.__exit__(kind, error, trace)

    # Inside ----------------------------------------------------------------------------------------------------------

    def _named(self, number: int, ending: str) -> Path:
        return self._part / f"shard-{number:06d}.{ending}"

    def _open(self, mode: Literal["xb", "r+b"]) -> None:
        if mode == "xb":
            with suppress(FileNotFoundError):  # bytes that nothing tells of
                self._named(self.shards, "tar").unlink()
        self._tar = self._named(self.shards, "tar").open(mode, buffering=0)
        self._journal = self._named(self.shards, "jsonl").open("ab", buffering=0)
        self._tar.seek(0, os.SEEK_END)

    def _close(self) -> None:
        """End the shard: its tar, then its part of the index, then the journal goes."""
        assert self._tar is not None
        assert self._journal is not None
        _write(self._tar, tar_end(self._end))
        os.fsync(self._tar.fileno())
        self._tar.close()
        self._journal.close()
        with whole_file(self._named(self.shards, "parquet")) as file:
            pq.write_table(_table(self._rows, self._named(self.shards, "tar").name, self._schema), file)
        self._named(self.shards, "jsonl").unlink()
        self.shards, self._rows, self._end, self._tar, self._journal = self.shards + 1, [], 0, None, None

    def _finish(self) -> None:
        if self._rows:
            self._close()
        pieces = [self._named(number, "parquet") for number in range(self.shards)]
        if not (self._part / INDEX).exists():
            with whole_file(self._part / INDEX) as file, pq.ParquetWriter(file, self._schema, compression="zstd") as to:
                for piece in pieces:
                    to.write_table(pq.read_table(piece, memory_map=False))
        (self._part / CARD).write_text(self._text, encoding="utf-8")
        for piece in pieces:
            piece.unlink(missing_ok=True)

    def _resume(self) -> None:
        """Find what an earlier try has written; of the shard that was open, what is whole."""
        if (self._part / INDEX).exists():  # all but the folder's name was done
            found = pq.read_table(self._part / INDEX, columns=["index", "shard"])
            self.done, self.last = len(found), int(found["index"][-1].as_py()) if len(found) else None
            self.shards = len(found["shard"].unique())
            return
        while self._named(self.shards, "parquet").exists():
            numbers = pq.read_table(self._named(self.shards, "parquet"), columns=["index"])["index"]
            self.done, self.last = self.done + len(numbers), int(numbers[-1].as_py())
            self._named(self.shards, "jsonl").unlink(missing_ok=True)
            self.shards += 1
        journal, tar = self._named(self.shards, "jsonl"), self._named(self.shards, "tar")
        if not journal.exists() or not tar.exists():
            return
        self._rows = _whole_rows(journal, tar)
        with whole_file(journal) as file:
            file.write_bytes(b"".join(row.line() for row in self._rows))
        if self._rows:
            _, offset, size, _ = self._rows[-1].members[-1]
            self._end = offset + size + -size % _BLOCK
            self.done, self.last = self.done + len(self._rows), self._rows[-1].index
        os.truncate(tar, self._end)
        self._open("r+b")

    def _compare(self, packed: Packed) -> None:
        if not self._rows or packed.index != self.last:
            raise PalmarError(f"{self.out}: sample {packed.index} comes after {self.last}; give them in order.")
        want = [(name, digest) for name, _, _, digest in self._rows[-1].members]
        if want != [(name, hashlib.sha256(data).hexdigest()) for name, data in packed.members]:
            raise PalmarError(
                f"{self.out}: an earlier run wrote sample {packed.index} with other bytes: what makes the samples has "
                f"changed since. Remove {self._part} to begin again."
            )

    @property
    def unsure(self) -> int | None:
        """Number of the sample with which an earlier try may be compared, see `add`; None where there is none."""
        return self._rows[-1].index if self._rows else None

    def _unwritable(self, err: OSError) -> PalmarError:
        return PalmarError(f"{self.out}: cannot write here ({err.strerror or err}).")


def _write(file: BinaryIO, data: bytes) -> None:
    """All of it: a file without a buffer may take less at a time."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _whole_rows(journal: Path, tar: Path) -> list[_Row]:
    """The rows of a journal whose bytes stand in the tar, up to the first that does not."""
    rows: list[_Row] = []
    with open(tar, "rb") as file:
        for line in journal.read_bytes().splitlines():
            try:
                row = _Row.read(line)
            except ValueError:
                break
            for _, offset, size, digest in row.members:
                file.seek(offset)
                if hashlib.sha256(file.read(size)).hexdigest() != digest:
                    return rows
            rows.append(row)
    return rows


def _described(column: Column) -> dict[str, Any]:
    return {
        "dtype": column.dtype,
        "shape": [-1 if n is None else n for n in column.shape],
        "unit": column.unit,
        "meaning": column.meaning,
    }


_MEMBER = pa.struct([("name", pa.string()), ("offset", pa.int64()), ("size", pa.int64()), ("sha256", pa.binary(32))])


def schema(columns: Mapping[str, Column], metadata: Mapping[str, str]) -> pa.Schema:
    """Of the index: what is always there, and the columns, with unit, meaning and shape in their metadata."""
    said = {"unit": "byte", "meaning": "where each file of the sample begins in its shard, its size, and its hash"}
    fields = [
        pa.field("index", pa.int64(), False, {"unit": "1", "meaning": "number of the sample; its key in the shards"}),
        pa.field("shard", pa.string(), False, {"unit": "", "meaning": "file that holds the sample"}),
        pa.field("members", pa.list_(_MEMBER), False, said),
    ]
    for name, column in columns.items():
        about = _described(column)
        notes = {"unit": about["unit"], "meaning": about["meaning"], "shape": json.dumps(about["shape"])}
        fields.append(pa.field(name, column.type, False, notes))
    return pa.schema(fields, dict(metadata))


def _table(rows: Sequence[_Row], shard: str, of: pa.Schema) -> pa.Table:
    members = [
        [
            {"name": name, "offset": offset, "size": size, "sha256": bytes.fromhex(digest)}
            for name, offset, size, digest in row.members
        ]
        for row in rows
    ]
    fixed: dict[str, list[Any]] = {
        "index": [row.index for row in rows],
        "shard": [shard] * len(rows),
        "members": members,
    }
    arrays = [
        pa.array(fixed[field.name] if field.name in fixed else [row.row[field.name] for row in rows], field.type)
        for field in of
    ]
    return pa.Table.from_arrays(arrays, schema=of)


# Reading --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Member:
    """Where a file of a sample stands in its shard, in bytes."""

    name: str
    offset: int
    size: int
    sha256: bytes


@dataclass(frozen=True, eq=False)
class Stored:
    """A sample on disk: nothing of it is read before it is asked for."""

    index: int
    shard: Path
    members: Mapping[str, Member]
    """By name, key and ending included in the tar but not here: `rgb.png`, `json`."""
    layers: Mapping[str, Layer]
    verify: bool
    """Whether everything that is read is compared with its hash."""

    @property
    def key(self) -> str:
        return key_of(self.index)

    @property
    def names(self) -> tuple[str, ...]:
        """Of its arrays, in their order."""
        return tuple(name.rpartition(".")[0] for name in self.members if name != LABELS)

    @property
    def labels(self) -> dict[str, Any]:
        """Raises PalmarError for what is no JSON object."""
        try:
            values = json.loads(self.bytes_of(LABELS), parse_constant=_no_constant)
        except (ValueError, RecursionError) as err:
            raise PalmarError(f"{self._called(LABELS)}: not JSON ({err}).") from err
        if not isinstance(values, dict):
            raise PalmarError(f"{self._called(LABELS)}: expected a JSON object, got {type(values).__name__}.")
        return values

    def __getitem__(self, name: str) -> np.ndarray:
        """An array, decoded. Raises PalmarError for an unknown name, and a file that is damaged."""
        layer = self.layers[one_of("array", one_of("array", name, self.names).rpartition(".")[2], self.layers)]
        member = f"{name}.{layer.ending}"
        try:
            return decode(self.bytes_of(member), layer)
        except PalmarError as err:
            if str(err).startswith(str(self.shard)):
                raise
            raise PalmarError(f"{self._called(member)}: {err}") from err

    def bytes_of(self, name: str) -> bytes:
        """A file as it is. Raises PalmarError where the shard is missing, cut off, or holds something else there."""
        member = self.members[one_of("file", name, self.members)]
        try:
            with open(self.shard, "rb") as file:
                file.seek(member.offset - _BLOCK)
                header, data = file.read(_BLOCK), file.read(member.size)
        except OSError as err:
            raise PalmarError(f"{self.shard}: cannot be read ({err.strerror or err}).") from err
        if len(data) != member.size:
            raise PalmarError(f"{self._called(name)}: the shard is cut off.")
        if header[:100].rstrip(b"\0") != f"{self.key}.{name}".encode():
            raise PalmarError(f"{self._called(name)}: something else stands at its place; index and shard differ.")
        if self.verify and hashlib.sha256(data).digest() != member.sha256:
            raise PalmarError(f"{self._called(name)}: damaged: its sha256 is not the index's.")
        return data

    def load(self) -> Sample:
        """All of it."""
        return Sample(self.index, {name: self[name] for name in self.names}, self.labels)

    def _called(self, name: str) -> str:
        return f"{self.shard}, {self.key}.{name}"


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


@dataclass(frozen=True, eq=False)
class Shards(Sequence[Stored]):
    """The samples of a folder in their order. Chosen by position, slice, mask or positions; `find` goes by number."""

    folder: Path
    card: Mapping[str, Any]
    layers: Mapping[str, Layer]
    table: pa.Table
    """The index; labels to choose by are columns of it."""
    verify: bool = False

    def __len__(self) -> int:
        return len(self.table)

    @overload
    def __getitem__(self, at: int | np.integer) -> Stored: ...
    @overload
    def __getitem__(self, at: slice | np.ndarray | list[int]) -> Shards: ...
    def __getitem__(self, at: int | np.integer | slice | np.ndarray | list[int]) -> Stored | Shards:
        """One sample, or some of them as `Shards`. Raises IndexError beyond the end, PalmarError for a row of the index
        that cannot be."""
        if not isinstance(at, int | np.integer):
            return replace(self, table=self.table.take(np.arange(len(self))[at]))
        row = range(len(self))[int(at)]
        return self._stored(*(self.table[name][row].as_py() for name in ("index", "shard", "members")))

    def __iter__(self) -> Iterator[Stored]:
        for batch in self.table.select(["index", "shard", "members"]).to_batches(max_chunksize=1024):
            yield from (self._stored(*row.values()) for row in batch.to_pylist())

    def find(self, index: int) -> Stored:
        """The sample of that number. Raises PalmarError where it is not there."""
        rows = pc.index(self.table["index"], index).as_py()
        if rows < 0:
            raise PalmarError(f"{self.folder}: there is no sample {index}.")
        return self[rows]

    def column(self, name: str) -> np.ndarray:
        """A label of all samples: [n, ...] where its shape is fixed, else an array of n objects: arrays, strings, or
        lists of them."""
        field = self.table.schema.field(one_of("column", name, self.table.column_names))
        shape = [int(n) for n in json.loads((field.metadata or {}).get(b"shape", b"[]"))]
        values = self.table[name].to_pylist()
        kind = {"float": np.float32, "int64": np.int64}.get(_leaf(field.type))
        if kind is not None and -1 not in shape:
            return np.asarray(values, kind).reshape(len(self), *shape)
        out = np.empty(len(self), object)
        for row, value in enumerate(values):
            out[row] = value if kind is None else np.asarray(value, kind).reshape(-1, *shape[1:])
        return out

    def check(self) -> Iterator[int]:
        """Read every file of every sample and compare it with its hash; gives the number of each sample that is whole.
        Raises PalmarError at the first that is not."""
        for stored in replace(self, verify=True):
            for name in stored.members:
                stored.bytes_of(name)
            yield stored.index

    def _stored(self, index: int, shard: str, members: list[Mapping[str, Any]]) -> Stored:
        where = f"{self.folder / INDEX}: sample {index}"
        if index < 0 or not _SHARD.fullmatch(shard):
            raise PalmarError(f"{where}: {shard!r} is no name of a shard.")
        path = self.folder / shard
        if path.is_symlink():
            raise PalmarError(f"{where}: {shard} leads out of the folder.")
        found = {}
        for member in members:
            name, offset, size = member["name"], member["offset"], member["size"]
            if not _NAME.fullmatch(name):
                raise PalmarError(f"{where}: {name!r} is no name of a file.")
            if offset < _BLOCK or not 0 <= size <= MAX_MEMBER:
                raise PalmarError(f"{where}: {name} cannot stand at byte {offset} with {size} bytes.")
            found[name] = Member(name, offset, size, member["sha256"])
        return Stored(index, path, found, self.layers, self.verify)


def _leaf(of: pa.DataType) -> str:
    while pa.types.is_list(of) or pa.types.is_fixed_size_list(of):
        of = of.value_type
    return str(of)


def read_shards(folder: str | Path, *, verify: bool = False) -> Shards:
    """The samples that a `ShardWriter` wrote. Only card and index are read now; arrays when they are asked for.

    verify: compare everything that is read later with its hash.
    Raises PalmarError for a folder that is missing, not of this kind, damaged, or written by a later version.
    """
    folder = Path(folder)
    for name in (CARD, INDEX):
        if not (folder / name).is_file():
            raise PalmarError(f"{folder}: not a folder of shards: there is no {name} in it.")
    card = _read_card(folder / CARD)
    if card.get("schema") != SCHEMA_VERSION:
        raise PalmarError(
            f"{folder / CARD}: written as schema {card.get('schema')!r}, this palmar reads {SCHEMA_VERSION}; update it."
        )
    arrays = card.get("arrays")
    if not isinstance(arrays, dict) or not all(isinstance(value, dict) for value in arrays.values()):
        raise PalmarError(f"{folder / CARD}: there is no description of the arrays in it.")
    layers = {}
    for name, values in arrays.items():
        try:
            layers[name] = Layer.from_dict(values)
        except PalmarError as err:
            raise PalmarError(f"{folder / CARD}: {name}: {err}") from err
    try:
        table = pq.read_table(folder / INDEX)
    except (OSError, pa.ArrowException) as err:
        raise PalmarError(f"{folder / INDEX}: cannot be read as a Parquet file ({err}).") from err
    want = schema({}, {})
    for field in want:
        if field.name not in table.column_names or not table.schema.field(field.name).type.equals(field.type):
            raise PalmarError(f"{folder / INDEX}: expected a column {field.name} of {field.type}.")
        if table[field.name].null_count:
            raise PalmarError(f"{folder / INDEX}: the column {field.name} has gaps.")
    return Shards(folder, card, layers, table, verify)


def _read_card(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > MAX_CARD:
            raise PalmarError(f"{file}: larger than {MAX_CARD >> 20} MiB, and so no card.")
        card = json.loads(file.read_text(encoding="utf-8"), parse_constant=_no_constant)
    except (OSError, ValueError, RecursionError) as err:
        raise PalmarError(f"{file}: not a readable JSON file ({err}).") from err
    if not isinstance(card, dict):
        raise PalmarError(f"{file}: expected a JSON object, got {type(card).__name__}.")
    return card
