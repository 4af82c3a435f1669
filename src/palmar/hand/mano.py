"""Hands of MANO files (Romero et al. 2017, version 1.2), for those who hold the licence; palmar ships none.

    right = HandModel.from_mano("MANO_RIGHT.pkl")                       # flat hand; tips of TIP_SETS["smplx"]
    left = HandModel.from_mano("MANO_LEFT.pkl", rest="mean", tips="freihand")
    turn = left.rotations_from_pose(pose48)                             # axis-angle + mean
    turn = left.rotations_from_components(wrist3, coefficients)         # principal directions + mean
    left.shaped(betas).posed(turn, trans).skin()                        # [778, 3] metres

The published files are Python 2 pickles with chumpy objects inside. They are read without chumpy, and without calling
anything that a pickle names (`palmar.media.pickles`). An .npz with the same keys is read too.

What data sets mean by a pose (all axis-angle unless said otherwise): FreiHAND, InterHand2.6M, ARCTIC rest="mean"; HO3D
and H2O rest="flat"; DexYCB 45 principal coefficients and rest="mean".

The root turns about the wrist joint, which depends on shape. So the rigid motion x -> Q x + t of a posed hand is
`moved_root`: root' = Q R_0, translation' = Q (J_0 + translation) + t - J_0.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from palmar.errors import PalmarError, one_of
from palmar.hand.joints import MANO_PARENTS, ORDERS, TIPS
from palmar.hand.model import HandModel
from palmar.media.pickles import MAX_NUMBERS, Array, Objects, read_pickle

TIP_SETS: Mapping[str, tuple[int, int, int, int, int]] = MappingProxyType(
    {
        "smplx": (744, 320, 443, 554, 671),  # HaMeR, WiLoR, hand_tracking_toolkit
        "freihand": (744, 320, 443, 555, 672),  # its labels; simpleHand, ReJSHand
        "ho3d": (744, 333, 444, 555, 672),  # the setup script
        "manopth": (745, 317, 444, 556, 673),  # right hands; IntagHand, DIR: both
        "manopth_left": (745, 317, 445, 556, 673),  # left hands; HACO, Hand4Whole: both
    }
)
"""Vertices that public code takes for the tips, thumb to little. They lie millimetres apart: name yours."""

MAX_BYTES = 64 << 20
"""Of a file. A MANO file has 4 MB."""
EXPECTED = "a MANO_RIGHT.pkl or MANO_LEFT.pkl of your own"

_KEYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f", "hands_components",
         "hands_mean")  # fmt: skip


# Reading -------------------------------------------------------------------------------------------------------------


def read_mano(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a MANO file: float64 template [V, 3], shapedirs [V, 3, 10], posedirs [V, 3, 135], J_regressor
    [16, V], weights [V, 16], hands_components [45, 45], hands_mean [45]; int32 f [F, 3], parents [16].

    Raises PalmarError where the file is missing, too large, refused, or not a MANO hand.
    """
    path = Path(path)
    plain = path.suffix.lower() == ".npz"
    raw = _read_npz(path) if plain else read_pickle(path, MAX_BYTES, EXPECTED, _KEYS, _OBJECTS)
    try:
        missing = [key for key in _KEYS if key not in raw]
        if missing:
            raise PalmarError(f"not a MANO hand, it lacks {', '.join(missing)}.")
        return _checked({key: _numbers(key, raw[key]) for key in _KEYS})
    except PalmarError as err:
        raise PalmarError(f"{path}: {err}") from err


def _checked(a: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    vertices = len(a["v_template"]) if a["v_template"].ndim else 0
    if a["shapedirs"].ndim == 3 and a["shapedirs"].shape[-1] > 10:
        a["shapedirs"] = a["shapedirs"][..., :10]
    if a["kintree_table"].shape == (2, 16):
        # the root's parent is -1, kept as unsigned
        a["kintree_table"] = np.where(a["kintree_table"] > 15, -1, a["kintree_table"])[0]
    a["hands_mean"] = a["hands_mean"].reshape(-1)
    faces = a["f"]
    shapes = {"v_template": (vertices, 3), "shapedirs": (vertices, 3, 10), "posedirs": (vertices, 3, 135),
              "J_regressor": (16, vertices), "weights": (vertices, 16), "kintree_table": (16,),
              "f": (len(faces) if faces.ndim else 0, 3), "hands_components": (45, 45), "hands_mean": (45,)}  # fmt: skip
    for key, shape in shapes.items():
        if a[key].shape != shape or not a[key].size:
            raise PalmarError(f"{key}: expected shape {shape}, got {a[key].shape}.")
        if not np.isfinite(a[key]).all():
            raise PalmarError(f"{key}: numbers that are not finite.")
    if tuple(a["kintree_table"].tolist()) != MANO_PARENTS:
        raise PalmarError(f"kintree_table: expected the parents {MANO_PARENTS}, got {a['kintree_table'].tolist()}.")
    if faces.min() < 0 or faces.max() >= vertices:
        raise PalmarError(f"f: vertex numbers {faces.min()} to {faces.max()}, but there are {vertices} vertices.")
    out = {key: np.ascontiguousarray(value, np.float64) for key, value in a.items()}
    return out | {"f": faces.astype(np.int32), "kintree_table": a["kintree_table"].astype(np.int32)}


def _read_npz(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(item.file_size for item in archive.infolist()) > MAX_BYTES:
                raise PalmarError(f"{path}: more than {MAX_BYTES} bytes unpacked; expected {EXPECTED}.")
        with np.load(path, allow_pickle=False) as raw:
            return {key: raw[key] for key in raw.files if key in _KEYS}
    except FileNotFoundError as err:
        raise PalmarError(f"{path}: no such file; expected {EXPECTED}.") from err
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as err:
        raise PalmarError(f"{path}: not a readable .npz of plain arrays ({err}); expected {EXPECTED}.") from err


def _of_chumpy(state: Mapping[str, Any], array: Array) -> np.ndarray:
    """chumpy's array: `x` holds the numbers; a selection has `a`, `idxs` and `preferred_shape` instead."""
    if "idxs" not in state:
        return array(state["x"])
    chosen = array(state["a"]).reshape(-1)[array(state["idxs"]).astype(np.int64)]
    shape = state.get("preferred_shape")
    return chosen if shape is None else chosen.reshape(tuple(array(shape).astype(np.int64)))


def _of_sparse(state: Mapping[str, Any], array: Array, *, by_row: bool) -> np.ndarray:
    """A matrix of scipy.sparse, by row or by column, with its zeros."""
    rows, columns = (int(n) for n in array(state.get("_shape", state.get("shape"))))
    if min(rows, columns) < 0 or rows * columns > MAX_NUMBERS:
        raise PalmarError(f"damaged array: it claims the shape {(rows, columns)}")
    data, indices, starts = (array(state[key]) for key in ("data", "indices", "indptr"))
    counts = np.diff(starts.astype(np.int64))
    if len(counts) != (rows if by_row else columns) or (counts < 0).any() or counts.sum() != len(indices):
        raise PalmarError("damaged sparse array: its columns do not add up")
    major, minor = np.repeat(np.arange(len(counts)), counts), indices.astype(np.int64)
    if len(data) != len(indices) or (minor < 0).any():
        raise PalmarError("damaged sparse array: its entries do not add up")
    out = np.zeros((rows, columns))
    np.add.at(out, (major, minor) if by_row else (minor, major), data)
    return out


_OBJECTS: Objects = {
    r"chumpy(\.\w+)+": _of_chumpy,
    r"scipy\.sparse(\.\w+)*\.csc_(matrix|array)": partial(_of_sparse, by_row=False),
    r"scipy\.sparse(\.\w+)*\.csr_(matrix|array)": partial(_of_sparse, by_row=True),
}


def _numbers(key: str, value: Any) -> np.ndarray:
    out = np.asarray(value)
    if out.dtype.kind not in "biuf":
        raise PalmarError(f"{key}: numbers were expected.")
    return out


# The model -----------------------------------------------------------------------------------------------------------


def from_mano(
    path: str | Path,
    *,
    side: int | None = None,
    rest: Literal["flat", "mean"] = "flat",
    tips: str = "smplx",
    left_shape: Literal["check", "keep", "flip"] = "check",
    right: str | Path | None = None,
) -> HandModel:
    """The hand of a MANO file, .pkl or .npz.

    side: 0 left, 1 right; None: seen from the template, whose fingers lead towards -x if it is a right hand's.
    rest: "mean" adds the file's mean pose to axis-angles and coefficients (`flat_hand_mean=False` elsewhere).
    tips: name in `TIP_SETS`.
    left_shape: the published left file has the wrong sign in the x components of its shape directions (they equal the
        right hand's, and should be their mirror image). "check" compares with the right file (`right`, or
        MANO_RIGHT of the same ending beside the file) and mends it where needed; "keep" leaves it, for shapes that
        were fitted with it; "flip" changes the sign unseen.

    Only the wrist's frame and the directions of bending are not in the file: they are taken from palmar's own hand, so
    that `rotations_from_angles` works. No texture coordinates, no palm bones.
    """
    one_of("left_shape", left_shape, ("check", "keep", "flip"))
    one_of("rest", rest, ("flat", "mean"))
    path, tip_vertices = Path(path), TIP_SETS[one_of("fingertip set", tips, TIP_SETS)]
    a = read_mano(path)
    template, directions, regressor = a["v_template"], a["shapedirs"], a["J_regressor"]
    if max(tip_vertices) >= len(template):
        raise PalmarError(f"{path}: {len(template)} vertices, but the tips {tips!r} are vertices {tip_vertices}.")
    joints = regressor @ template
    if side is None:
        side = int(joints[[3, 6, 9, 12], 0].mean() < joints[0, 0])
    if side not in (0, 1):
        raise PalmarError(f"side: 0 left or 1 right, got {side!r}.")
    if side == 0 and left_shape != "keep":
        flip = left_shape == "flip" or _has_right_signs(directions, path, right)
        directions = directions * np.array([-1.0 if flip else 1.0, 1.0, 1.0])[:, None]

    landmarks = np.zeros((21, len(template)))
    order = np.array(ORDERS["mano"].to_palmar)
    landmarks[order < 16] = regressor[order[order < 16]]
    landmarks[list(TIPS), list(tip_vertices)] = 1.0
    ends = template[list(tip_vertices)][[1, 2, 4, 3, 0]]  # in the tree's order of fingers
    along = np.concatenate(
        [joints[4:5] - joints[0], *(_outwards(joints[3 * f + 1 : 3 * f + 4], ends[f]) for f in range(5))]
    )
    along /= np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-9)
    hinge = HandModel.default(side).hinge
    hinge = hinge - np.sum(hinge * along, -1, keepdims=True) * along
    hinge /= np.maximum(np.linalg.norm(hinge, axis=-1, keepdims=True), 1e-9)
    return HandModel(
        template=template,
        shape_directions=directions,
        faces=a["f"],
        uv=np.zeros((1, 2)),
        face_uv=np.zeros_like(a["f"]),
        weights=a["weights"],
        palm_weights=np.zeros((len(template), 4)),
        joint_regressor=regressor,
        palm_regressor=np.zeros((4, len(template))),
        landmark_regressor=landmarks,
        hinge=hinge,
        along=along,
        behind=np.zeros(len(template)),
        name=f"mano ({rest}, tips {tips})",
        side=side,
        pose_directions=a["posedirs"],
        mean_pose=a["hands_mean"].reshape(15, 3) if rest == "mean" else None,
        components=a["hands_components"],
        tip_vertices=tip_vertices,
    ).frozen()


def _outwards(heads: np.ndarray, end: np.ndarray) -> np.ndarray:
    """[3, 3] from each of a finger's bone heads to the next, the last to the tip."""
    return np.diff(np.concatenate([heads, end[None]]), axis=0)


def _has_right_signs(directions: np.ndarray, path: Path, right: str | Path | None) -> bool:
    """Whether a left file's shape directions point where the right hand's do in x: the published defect."""
    beside = path.with_name(f"MANO_RIGHT{path.suffix}")
    if right is None and not beside.is_file():
        raise PalmarError(
            f"{path}: the published left hand has a wrong sign in its shapes, which only the right hand's file shows. "
            "Give right=PATH of MANO_RIGHT, or left_shape='flip' to change the sign, or 'keep' to leave the file as is."
        )
    other = read_mano(beside if right is None else right)["shapedirs"]
    if other.shape != directions.shape:
        raise PalmarError(f"{path}: its right hand has other vertices, {other.shape} instead of {directions.shape}.")
    return bool(np.abs(directions[:, 0] - other[:, 0]).sum() < 1.0)


def moved_root(
    wrist: Float[np.ndarray, "*b 3"],
    rotation: Float[np.ndarray, "*b 3 3"],
    translation: Float[np.ndarray, "*b 3"],
    turn: Float[np.ndarray, "*b 3 3"],
    shift: Float[np.ndarray, "*b 3"],
) -> tuple[Float[np.ndarray, "*b 3 3"], Float[np.ndarray, "*b 3"]]:
    """Root rotation and translation of the hand moved rigidly by x -> turn x + shift.

    wrist: J_0, the rest joint of that shape (`shaped.rest_joints[..., 0, :]`), about which the root turns; leaving it
    out is wrong by (turn - I) J_0, which is centimetres.
    """
    return turn @ rotation, (turn @ (wrist + translation)[..., None])[..., 0] + shift - wrist
