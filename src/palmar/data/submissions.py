"""Files that the benchmarks' servers take, and their readers, so that a file is checked before it is sent."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from palmar.data.ho3d import cv_from_gl
from palmar.data.textfiles import floats, read_text, whole, write_text
from palmar.errors import PalmarError
from palmar.hand.joints import convert
from palmar.media.folder import whole_file

H2O_MEMBER, FREIHAND_MEMBER = "action_labels.json", "pred.json"
H2O_BYTES, FREIHAND_BYTES = 1 << 20, 1 << 30
H2O_ACTIONS = 36
VERTICES = 778


def _write(path: Path, member: str, text: str) -> None:
    """A ZIP file of one member, the same bytes for the same text."""
    entry = zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    with whole_file(path) as part, zipfile.ZipFile(part, "w") as archive:
        archive.writestr(entry, text)


def _read(path: Path, member: str, limit: int) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if names != [member]:
                raise PalmarError(f"{path}: holds {', '.join(names)[:80] or 'nothing'}; expected {member} alone.")
            with archive.open(member) as file:
                data = file.read(limit + 1)  # not what the header claims: what comes out
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, zlib.error) as err:
        raise PalmarError(f"{path}: cannot be read as a ZIP file ({err}).") from err
    if len(data) > limit:
        raise PalmarError(f"{path}: {member} is larger than {limit >> 20} MiB.")
    try:
        return json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError) as err:
        raise PalmarError(f"{path}: {member} is not JSON ({err}).") from err


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not a number")


# ----------------------------------------------------------------------------------------------------------------- H2O


@dataclass(frozen=True)
class H2OActions:
    """Actions of H2O's test clips."""

    modality: str
    """What the recogniser was given, in the server's words: "hand+obj", for one."""
    actions: Mapping[int, int]
    """By the id of the clip in action_test.txt."""


def write_h2o_actions(
    path: str | Path, actions: Mapping[int, int], ids: Sequence[int], *, modality: str = "hand+obj"
) -> None:
    """action_labels.json in a ZIP file. ids: of all clips of the list, each of which must have its action, 0 to 36."""
    found = H2OActions(modality, {int(i): int(action) for i, action in actions.items()})
    _check(path, found, ids)
    rows = {"modality": modality, **{str(i): found.actions[i] for i in sorted(found.actions)}}
    _write(Path(path), H2O_MEMBER, json.dumps(rows))


def read_h2o_actions(path: str | Path, ids: Sequence[int] | None = None) -> H2OActions:
    """A file that `write_h2o_actions` or another program made. ids: check that it names exactly these clips."""
    values = _read(Path(path), H2O_MEMBER, H2O_BYTES)
    if not isinstance(values, dict) or not isinstance(values.get("modality"), str):
        raise PalmarError(f"{path}: expected an object with modality and an action for each clip id.")
    actions: dict[int, int] = {}
    for key, value in values.items():
        if key == "modality":
            continue
        if not (key.isascii() and key.isdecimal()) or not isinstance(value, int) or isinstance(value, bool):
            raise PalmarError(f"{path}: {key[:40]!r}: {str(value)[:40]}; expected a clip id and a whole number.")
        actions[int(key)] = value
    found = H2OActions(values["modality"], actions)
    _check(path, found, ids)
    return found


def _check(path: str | Path, found: H2OActions, ids: Sequence[int] | None) -> None:
    if not found.modality.strip():
        raise PalmarError(f"{path}: modality: say what the recogniser was given, such as hand+obj.")
    for i, action in found.actions.items():
        if not 0 <= action <= H2O_ACTIONS:
            raise PalmarError(f"{path}: clip {i}: action {action}; expected 0 to {H2O_ACTIONS}.")
    if ids is not None and set(ids) != set(found.actions):
        missing, extra = sorted(set(ids) - set(found.actions)), sorted(set(found.actions) - set(ids))
        what = f"no action for clip {missing[0]}" if missing else f"an action for clip {extra[0]}, which is not listed"
        raise PalmarError(f"{path}: {what} ({len(missing)} missing, {len(extra)} too many of {len(set(ids))}).")


# ------------------------------------------------------------------------------------------------------------ FreiHAND


def write_freihand_predictions(
    path: str | Path, joints: Float[np.ndarray, "n 21 3"], vertices: Float[np.ndarray, "n 778 3"] | None = None
) -> None:
    """pred.json in a ZIP file: [joints, vertices] of the evaluation pictures in their order, metres, camera frame.

    Without vertices they are zeros, and the server's figures of the mesh say nothing. Tenths of micrometres are kept.
    """
    if vertices is None:
        vertices = np.zeros((len(joints), VERTICES, 3))
    for what, values, count in (("joints", joints, 21), ("vertices", vertices, VERTICES)):
        if values.shape != (len(joints), count, 3) or not np.isfinite(values).all():
            raise PalmarError(f"{what}: expected {len(joints)} x {count} x 3 finite numbers, got {values.shape}.")
    rounded = [np.round(values.astype(np.float64), 7).tolist() for values in (joints, vertices)]
    _write(Path(path), FREIHAND_MEMBER, json.dumps(rounded))


def read_freihand_predictions(
    path: str | Path, count: int | None = None
) -> tuple[Float[np.ndarray, "n 21 3"], Float[np.ndarray, "n 778 3"]]:
    """Joints and vertices. count: check that there are so many (3,960 in the official evaluation)."""
    values = _read(Path(path), FREIHAND_MEMBER, FREIHAND_BYTES)
    if not isinstance(values, list) or len(values) != 2:
        raise PalmarError(f"{path}: expected a list of two: joints and vertices.")
    out = []
    for what, rows, points in (("joints", values[0], 21), ("vertices", values[1], VERTICES)):
        try:
            array = np.array(rows, np.float64)
        except (TypeError, ValueError, OverflowError) as err:
            raise PalmarError(f"{path}: {what}: not arrays of {points} x 3 numbers.") from err
        if array.ndim != 3 or array.shape[1:] != (points, 3) or not np.isfinite(array).all():
            raise PalmarError(f"{path}: {what}: expected n x {points} x 3 finite numbers, got shape {array.shape}.")
        out.append(array)
    if len(out[0]) != len(out[1]) or (count is not None and len(out[0]) != count):
        want = "" if count is None else f", expected {count}"
        raise PalmarError(f"{path}: joints of {len(out[0])} and vertices of {len(out[1])} pictures{want}.")
    return out[0], out[1]


# ---------------------------------------------------------------------------------------------------------------- HO3D


def write_ho3d_predictions(
    path: str | Path, joints: Float[np.ndarray, "n 21 3"], vertices: Float[np.ndarray, "n 778 3"] | None = None
) -> None:
    """pred.json in a ZIP file: joints and vertices of the pictures in the order of evaluation.txt.

    Metres, camera frame, palmar's order; the file has MANO's order and OpenGL's axes, as the server wants. Raises
    PalmarError where every hand lies behind the camera, which the server's tool refuses too: axes are mixed up.
    """
    if joints.ndim == 3 and len(joints) and (joints[..., 2] < 0).all():
        raise PalmarError("joints: all lie behind the camera; expected metres with z forward.")
    theirs = convert(cv_from_gl(joints), "palmar", "ho3d") if joints.shape[1:] == (21, 3) else joints
    write_freihand_predictions(path, theirs, None if vertices is None else cv_from_gl(vertices))


def read_ho3d_predictions(
    path: str | Path, count: int | None = None
) -> tuple[Float[np.ndarray, "n 21 3"], Float[np.ndarray, "n 778 3"]]:
    """Joints and vertices in palmar's order and axes. count: check that there are so many (11,524 of v2)."""
    joints, vertices = read_freihand_predictions(path, count)
    return convert(cv_from_gl(joints), "ho3d", "palmar"), cv_from_gl(vertices)


# -------------------------------------------------------------------------------------------------------------- DexYCB


def write_dexycb_predictions(path: str | Path, joints: Mapping[int, Float[np.ndarray, "21 3"]]) -> None:
    """A CSV file: the number of a frame in its part (`dexycb.Part`), and 63 numbers in millimetres, in rising order.

    joints: metres, camera frame. Frames without a true hand do not count and may be left out.
    """
    rows = []
    for number in sorted(joints):
        values = np.asarray(joints[number], np.float64)
        if number < 0 or values.shape != (21, 3) or not np.isfinite(values).all():
            raise PalmarError(f"frame {number}: expected 21 x 3 finite numbers, got {values.shape}.")
        rows.append(",".join([str(number), *(f"{v:.6f}" for v in 1000 * values.ravel())]) + "\n")
    write_text(Path(path), "".join(rows))


def read_dexycb_predictions(path: str | Path) -> dict[int, Float[np.ndarray, "21 3"]]:
    """Joints by the number of the frame, metres. Raises PalmarError for a line that is none, or comes twice."""
    out: dict[int, Float[np.ndarray, "21 3"]] = {}
    expected = "the number of a frame and 63 numbers in millimetres"
    for i, line in enumerate(read_text(Path(path), FREIHAND_BYTES, expected).splitlines(), 1):
        where, words = f"{path}: line {i}", line.split(",")
        if not line.strip():
            continue
        number = whole(words[0], 0, 1 << 31, where, "the number of a frame")
        values = floats(words[1:], where, expected)
        if values.shape != (63,) or not np.isfinite(values).all():
            raise PalmarError(f"{where}: {len(values)} numbers; expected {expected}, all finite.")
        if number in out:
            raise PalmarError(f"{where}: frame {number} comes twice.")
        out[number] = values.reshape(21, 3) / 1000
    return out
