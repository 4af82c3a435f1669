"""emg2pose: wrist EMG with joint angles of the hand (Salter et al., NeurIPS Datasets and Benchmarks 2024).

    found = Emg2Pose.open("emg2pose_dataset")         # only metadata.csv is read
    record = found.records("test")[0].read()          # a palmar.tasks.signal.Record
    write_emg2pose("folder", records)

    metadata.csv                                      # a row for each file; also beside the folder of the files
    <session>-recording-<n>_<left|right>.hdf5         # one hand in one stage, about a minute

A file has one group, `emg2pose`, with nine attributes, and in it `timeseries`, one packed row for each sample: time
(float64, unix seconds), joint_angles (20, radians), emg (float32, 16). Angles are float32 in the published files and
float64 in some older ones; both are read, as float32. Rows whose angles are all zero have no pose.

Files are read by rows: a window of a recording costs what it holds. Links that lead out of a file, virtual data sets
and external storage are refused.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from palmar.data.textfiles import LIST, read_text, write_text
from palmar.errors import PalmarError, need, one_of
from palmar.media.folder import whole_file
from palmar.tasks.signal import DOF, ELECTRODES, RATE, Record

GROUP, SERIES = "emg2pose", "timeseries"
METADATA = "metadata.csv"
COLUMNS = (
    "user", "session", "stage", "side", "moving_hand", "held_out_user", "held_out_stage", "split", "generalization",
    "filename",
)  # fmt: skip
PARTS = ("train", "val", "test")
EXPECTED = f"an emg2pose recording: group {GROUP} with the data set {SERIES} of time, joint_angles [20], emg [16]"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+@-]{0,250}")
"""Of a file, without its ending."""
MOST = 1 << 25
"""Rows of a file, more than four hours."""


def row(*, wide: bool = False) -> np.dtype:
    """One sample: 152 bytes as published, 232 with angles in float64."""
    return np.dtype(
        [("time", "<f8"), ("joint_angles", "<f8" if wide else "<f4", (DOF,)), ("emg", "<f4", (ELECTRODES,))]
    )


@dataclass(frozen=True)
class Header:
    """The nine attributes of a file."""

    filename: str
    session: str
    stage: str
    user: str
    side: str
    sample_rate: float = float(RATE)
    start: float = 0.0
    """Unix seconds."""
    end: float = 0.0
    num_channels: int = ELECTRODES


@dataclass(frozen=True, eq=False)
class Samples:
    """Rows of a file."""

    time: Float64[np.ndarray, " t"]
    joint_angles: Float32[np.ndarray, "t 20"]
    emg: Float32[np.ndarray, "t 16"]


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """(group, data set) of a file, checked."""
    h5py = need("h5py", extra="torch")
    try:
        file = h5py.File(path, "r")
    except FileNotFoundError as err:
        raise PalmarError(f"{path}: no such file; expected {EXPECTED}.") from err
    except (OSError, RuntimeError) as err:
        raise PalmarError(f"{path}: cannot be read as HDF5 ({str(err)[:120]}); expected {EXPECTED}.") from err
    with file:
        try:
            group = _inside(h5py, file, GROUP, h5py.Group, path)
            series = _inside(h5py, group, SERIES, h5py.Dataset, path)
            if series.is_virtual or series.external:
                raise PalmarError(f"{path}: its samples lie in other files, which are not opened.")
            if len(series.shape) != 1 or series.shape[0] > MOST:
                raise PalmarError(f"{path}: {SERIES} has shape {series.shape}; expected at most {MOST} rows.")
            _check_row(series.dtype, path)
            yield group, series
        except PalmarError:
            raise
        except (OSError, RuntimeError, KeyError, TypeError, ValueError) as err:
            raise PalmarError(f"{path}: damaged ({str(err)[:120]}); expected {EXPECTED}.") from err


def _inside(h5py: Any, parent: Any, name: str, kind: type, path: Path) -> Any:
    link = parent.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink) or not isinstance(parent[name], kind):
        raise PalmarError(f"{path}: {name} is not in this file; expected {EXPECTED}.")
    return parent[name]


def _check_row(dtype: np.dtype, path: Path) -> None:
    for name, shape in (("time", ()), ("joint_angles", (DOF,)), ("emg", (ELECTRODES,))):
        field = None if dtype.fields is None else dtype.fields.get(name)
        if field is None or field[0].shape != shape or field[0].base.kind != "f" or field[0].itemsize > 8 * DOF:
            raise PalmarError(f"{path}: {SERIES} has no field {name} of shape {shape} in floats; expected {EXPECTED}.")


def read_header(path: str | Path) -> tuple[Header, int]:
    """Attributes, and how many samples there are."""
    path = Path(path)
    with _opened(path) as (group, series):
        text = {name: _text(group.attrs.get(name), name, path) for name in ("filename", "session", "stage", "user")}
        side = one_of(f"{path}: side", _text(group.attrs.get("side"), "side", path), ("left", "right"))
        numbers = {name: _number(group.attrs.get(name), name, path) for name in ("sample_rate", "start", "end")}
        channels = int(_number(group.attrs.get("num_channels"), "num_channels", path))
        if numbers["sample_rate"] != RATE or channels != ELECTRODES:
            raise PalmarError(
                f"{path}: {channels} electrodes at {numbers['sample_rate']:g} Hz; expected {ELECTRODES} at {RATE}."
            )
        return Header(**text, side=side, **numbers, num_channels=channels), int(series.shape[0])


def _text(value: Any, name: str, path: Path) -> str:
    value = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if not isinstance(value, str) or len(value) > 1000:
        raise PalmarError(f"{path}: attribute {name} is not a short text; expected {EXPECTED}.")
    return value


def _number(value: Any, name: str, path: Path) -> float:
    if not isinstance(value, (int, float, np.integer, np.floating)) or not np.isfinite(value):
        raise PalmarError(f"{path}: attribute {name} is not a number; expected {EXPECTED}.")
    return float(value)


def read_samples(path: str | Path, start: int = 0, stop: int | None = None) -> Samples:
    """Rows from `start` up to `stop`. Raises PalmarError where a signal or an angle is not finite."""
    path = Path(path)
    with _opened(path) as (_, series):
        count = int(series.shape[0])
        stop = count if stop is None else stop
        if not 0 <= start <= stop <= count:
            raise PalmarError(f"{path}: samples {start} to {stop} of {count}.")
        rows = series[start:stop]
    out = Samples(
        rows["time"].astype(np.float64), rows["joint_angles"].astype(np.float32), rows["emg"].astype(np.float32)
    )
    for name in ("time", "joint_angles", "emg"):
        if not np.isfinite(getattr(out, name)).all():
            raise PalmarError(f"{path}: {name} holds numbers that are not finite, in samples {start} to {stop}.")
    return out


def read_angles(path: str | Path) -> Float32[np.ndarray, "t 20"]:
    """The angles of a whole file."""
    path = Path(path)
    with _opened(path) as (_, series):
        return series.fields("joint_angles")[:].astype(np.float32)


def write_file(path: str | Path, header: Header, samples: Samples, *, wide: bool = False) -> None:
    """One file, whole or not at all, as the published ones are. wide: angles in float64."""
    h5py = need("h5py", extra="torch")
    rows = np.zeros(len(samples.time), row(wide=wide))
    for name in ("time", "joint_angles", "emg"):
        rows[name] = getattr(samples, name)
    with whole_file(path) as part, h5py.File(part, "w", libver="earliest") as file:
        group = file.create_group(GROUP)
        for name in ("filename", "session", "stage", "user", "side"):
            group.attrs.create(name, getattr(header, name), dtype=h5py.string_dtype("utf-8"))
        for name in ("sample_rate", "start", "end"):
            group.attrs.create(name, getattr(header, name), dtype=np.float64)
        group.attrs.create("num_channels", header.num_channels, dtype=np.int64)
        group.create_dataset(SERIES, data=rows, track_times=False)


# ------------------------------------------------------------------------------------------------------------- the set


@dataclass(frozen=True)
class Entry:
    """A row of metadata.csv and its file."""

    path: Path
    user: str
    session: str
    stage: str
    side: str
    moving_hand: str
    held_out_user: bool
    held_out_stage: bool
    split: str
    generalization: str

    def read(self, start: int = 0, stop: int | None = None) -> Record:
        """The recording, or a part of it."""
        found = read_samples(self.path, start, stop)
        return Record(
            self.path.stem, found.emg, found.joint_angles, self.user, self.stage, self.session, self.side, self.split,
            self.generalization, found.time,
        )  # fmt: skip


@dataclass(frozen=True)
class Emg2Pose:
    folder: Path
    entries: tuple[Entry, ...]

    @staticmethod
    def open(folder: str | Path) -> Emg2Pose:
        """The set in a folder: `metadata.csv` and the files beside it or in `emg2pose_dataset`."""
        folder = Path(folder)
        file = folder / METADATA
        reader = csv.DictReader(io.StringIO(read_text(file, LIST, f"a table with {', '.join(COLUMNS)}")))
        missing = [name for name in ("split", "filename") if name not in (reader.fieldnames or ())]
        if missing:
            raise PalmarError(f"{file}: no column {', '.join(missing)}; expected {', '.join(COLUMNS)}.")
        where = folder / "emg2pose_dataset"
        where = where if where.is_dir() else folder
        try:
            return Emg2Pose(
                folder, tuple(_entry(values, where, f"{file}: line {reader.line_num}") for values in reader)
            )
        except csv.Error as err:
            raise PalmarError(f"{file}: line {reader.line_num}: {err}.") from err
        return Emg2Pose(folder, entries)

    def records(self, split: str, *, user: str = "", side: str = "") -> tuple[Entry, ...]:
        """Entries of a part, of everyone and both sides if not said. Raises PalmarError where there are none."""
        split = one_of("part of emg2pose", split, PARTS)
        found = tuple(e for e in self.entries if e.split == split and user in ("", e.user) and side in ("", e.side))
        if not found:
            raise PalmarError(f"{self.folder}: no recording of its part {split}.")
        return found


def _entry(values: dict[str, str | None], folder: Path, where: str) -> Entry:
    text = {name: (values.get(name) or "").strip() for name in COLUMNS}
    name = text["filename"].removesuffix(".hdf5")
    if not NAME.fullmatch(name):
        raise PalmarError(f"{where}: {name[:60]!r} is no name of a recording.")
    for column, words in (("split", PARTS), ("side", ("left", "right", "")),
                          ("generalization", ("none", "user", "stage", "user_stage", ""))):  # fmt: skip
        if text[column] not in words:
            raise PalmarError(f"{where}: {column} {text[column][:40]!r}; expected one of {', '.join(words)}.")
    held = {column: text[column].lower() in ("true", "1") for column in ("held_out_user", "held_out_stage")}
    return Entry(
        folder / f"{name}.hdf5", text["user"], text["session"], text["stage"], text["side"] or "right",
        text["moving_hand"], **held, split=text["split"], generalization=text["generalization"] or "none",
    )  # fmt: skip


def write_emg2pose(
    folder: str | Path, records: Iterable[Record], *, moving_hand: str = "both", wide: bool = False
) -> Emg2Pose:
    """A set: its files and `metadata.csv`, which comes last. A record's name is its file's."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[Sequence[str]] = [COLUMNS]
    for record in records:
        if not NAME.fullmatch(record.name):
            raise PalmarError(f"emg2pose: {record.name!r} is no name of a file.")
        times = np.arange(len(record.emg)) / RATE if record.times is None else record.times
        if not len(times):
            raise PalmarError(f"emg2pose: {record.name} has no sample.")
        header = Header(
            record.name, record.session, record.stage, record.user, record.side, start=float(times[0]),
            end=float(times[-1]),
        )  # fmt: skip
        samples = Samples(np.asarray(times, np.float64), np.asarray(record.angles), np.asarray(record.emg, np.float32))
        write_file(folder / f"{record.name}.hdf5", header, samples, wide=wide)
        held = [str(record.split != "train" and part in record.generalization.split("_")) for part in ("user", "stage")]
        rows.append((record.user, record.session, record.stage, record.side, moving_hand, *held, record.split,
                     record.generalization, record.name))  # fmt: skip
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_text(folder / METADATA, text.getvalue())
    return Emg2Pose.open(folder)
