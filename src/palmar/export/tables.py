"""CSV and NumPy: the table of hands as it is, for spreadsheets and scripts."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow.csv import WriteOptions
from pyarrow.csv import write_csv as write_rows

from palmar.errors import PalmarError
from palmar.export.motion import times_of
from palmar.export.options import PLAIN, Options
from palmar.hand.joints import JOINTS
from palmar.media import whole_file
from palmar.types import Clip, Hands
from palmar.types.hands import COLUMNS

POSES = ("wrist", *(f"{finger}_{k}" for finger in ("index", "middle", "little", "ring", "thumb") for k in (1, 2, 3)))
"""The 16 joints of `pose`, MANO's tree."""


def write_csv(clip: Clip, path: Path, options: Options = PLAIN) -> None:
    """One row per hand and frame, a column per number, named as `joints.index_tip.x`; a second column `time` in
    seconds where it is known. Labels that are not there are empty. Numbers have as many digits as it takes for them to
    come back as themselves."""
    columns = spread(clip.hands)
    if not clip.info.get("stills"):
        columns.insert(1, ("time", pa.array(times_of(clip)[clip.hands.frame])))
    table = pa.Table.from_arrays([values for _, values in columns], names=[name for name, _ in columns])
    with whole_file(path) as part, part.open("wb") as file:
        file.write((",".join(table.column_names) + "\n").encode())
        write_rows(table, file, WriteOptions(include_header=False, quoting_style="needed"))


def spread(hands: Hands) -> list[tuple[str, pa.Array]]:
    """Columns of single numbers and words. Contact is left out: it has a number for every vertex."""
    out: list[tuple[str, pa.Array]] = []
    for name, values in hands.columns().items():
        if name == "contact":
            continue
        if COLUMNS[name].dtype == "str":
            out.append((name, pa.array([_plain(v) for v in values.tolist()], pa.string())))
            continue
        flat = values.reshape(len(values), math.prod(values.shape[1:]))
        parts = [".".join([name, *part]) for part in _parts(name, values.shape[1:])]
        out += [(part, pa.array(np.ascontiguousarray(flat[:, i]))) for i, part in enumerate(parts)]
    return out


def _parts(name: str, shape: tuple[int, ...]) -> list[tuple[str, ...]]:
    """Names of the numbers of one row of a column."""
    if not shape:
        return [()]
    if name == "box":
        return [(v,) for v in ("x0", "y0", "x1", "y1")]
    if name == "translation":
        return [(v,) for v in "xyz"]
    if name in ("keypoints", "joints", "pose"):
        last = ("x", "y", "confidence") if name == "keypoints" else ("x", "y", "z")
        return list(itertools.product(POSES if name == "pose" else JOINTS, last))
    return [tuple(str(i) for i in index) for index in np.ndindex(*shape)]


def _plain(label: str | None) -> str | None:
    """A label that no spreadsheet takes for a formula: one that begins like one gets an apostrophe before it."""
    return f"'{label}" if label is not None and label.startswith(("=", "+", "-", "@", "\t", "\r")) else label


def write_npz(clip: Clip, path: Path, options: Options = PLAIN) -> None:
    """Every column as an array, labels as strings ("" for none), and `times`, `camera` [3, 3] and `size` where they are
    known. Nothing in it needs pickle."""
    arrays: dict[str, np.ndarray] = {}
    for name, values in clip.hands.columns().items():
        words = COLUMNS[name].dtype == "str"
        arrays[name] = np.array(["" if v is None else str(v) for v in values.tolist()], np.str_) if words else values
    if not clip.info.get("stills"):
        arrays["times"] = times_of(clip)
    if clip.camera is not None:
        arrays["camera"], arrays["size"] = clip.camera.matrix, np.array([clip.camera.width, clip.camera.height])
    with whole_file(path) as part, part.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def read_npz(path: Path) -> Hands:
    """The hands of such a file. Raises PalmarError for one that is none."""
    try:
        with np.load(path, allow_pickle=False) as raw:
            found = {name: raw[name] for name in raw.files if name in COLUMNS}
    except (OSError, ValueError, KeyError) as err:
        raise PalmarError(f"{path}: not a readable file of hands ({err}).") from err
    for name, values in found.items():
        if COLUMNS[name].dtype == "str":
            found[name] = np.array([v or None for v in values.tolist()], object)
    try:
        return Hands(**found)
    except TypeError as err:
        raise PalmarError(f"{path}: not a file of hands ({err}).") from err
