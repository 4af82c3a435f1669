"""Hands of MANO files (Romero et al. 2017, version 1.2), for those who hold the licence; palmar ships none.

    right = HandModel.from_mano("MANO_RIGHT.pkl")                       # flat hand; tips of TIP_SETS["smplx"]
    left = HandModel.from_mano("MANO_LEFT.pkl", rest="mean", tips="freihand")
    turn = left.rotations_from_pose(pose48)                             # axis-angle + mean
    turn = left.rotations_from_components(wrist3, coefficients)         # principal directions + mean
    left.shaped(betas).posed(turn, trans).skin()                        # [778, 3] metres

The published files are Python 2 pickles with chumpy objects inside. They are read without chumpy, and without calling
anything that a pickle names: each name stands for a passive record of ours, which only holds its state, and arrays are
then built from checked sizes. A file that names anything else is refused. An .npz with the same keys is read too.

What data sets mean by a pose (all axis-angle unless said otherwise): FreiHAND, InterHand2.6M, ARCTIC rest="mean"; HO3D
and H2O rest="flat"; DexYCB 45 principal coefficients and rest="mean".

The root turns about the wrist joint, which depends on shape. So the rigid motion x -> Q x + t of a posed hand is
`moved_root`: root' = Q R_0, translation' = Q (J_0 + translation) + t - J_0.
"""

from __future__ import annotations

import pickle
import pickletools
import re
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from palmar.errors import PalmarError, one_of
from palmar.hand.joints import MANO_PARENTS, ORDERS, TIPS
from palmar.hand.model import HandModel

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

MAX_BYTES, MAX_STEPS, MAX_VALUES = 64 << 20, 1_000_000, 5_000_000
"""Bounds of a file: bytes, pickle instructions, numbers in one array. A MANO file has 4 MB."""

_KEYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f", "hands_components",
         "hands_mean")  # fmt: skip


# Reading -------------------------------------------------------------------------------------------------------------


def read_mano(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a MANO file: float64 template [V, 3], shapedirs [V, 3, 10], posedirs [V, 3, 135], J_regressor
    [16, V], weights [V, 16], hands_components [45, 45], hands_mean [45]; int32 f [F, 3], parents [16].

    Raises PalmarError where the file is missing, too large, refused, or not a MANO hand.
    """
    path = Path(path)
    if not path.is_file():
        raise PalmarError(f"{path}: no such file; give a MANO_RIGHT.pkl or MANO_LEFT.pkl of your own.")
    if path.stat().st_size > MAX_BYTES:
        raise PalmarError(f"{path}: more than {MAX_BYTES >> 20} MiB; not a MANO hand.")
    try:
        raw = _read_npz(path) if path.suffix.lower() == ".npz" else _read_pickle(path.read_bytes())
        missing = [key for key in _KEYS if key not in raw]
        if missing:
            raise PalmarError(f"not a MANO hand, it lacks {', '.join(missing)}.")
        a = {key: _numbers(raw[key]) for key in _KEYS}
        return _checked(a)
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
                raise PalmarError(f"more than {MAX_BYTES >> 20} MiB unpacked; not a MANO hand.")
        with np.load(path, allow_pickle=False) as raw:
            return {key: raw[key] for key in raw.files if key in _KEYS}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as err:
        raise PalmarError(f"not a readable .npz of plain arrays ({err}).") from err


# The restricted unpickler --------------------------------------------------------------------------------------------


class _Record:
    """A passive stand-in for an object of the pickle: keeps the arguments it was called with and the state it got."""

    state: Any = None

    def __init__(self, *args: Any) -> None:
        self.args = args

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Array(_Record):
    """numpy.ndarray, to be filled by its state (version, shape, dtype, Fortran order, bytes)."""


class _Buffer(_Record):
    """numpy's array in newer pickles: (bytes, dtype, shape, order)."""


class _Scalar(_Record):
    """numpy scalar: (dtype, bytes)."""


class _Dtype(_Record):
    """numpy.dtype: called with "f8", its state's second entry is the byte order."""


class _Bytes(_Record):
    """Bytes written as text, _codecs.encode(text, "latin1"), or none at all, bytes()."""


class _Chumpy(_Record):
    """chumpy array: `x` holds the numbers; a selection has `a`, `idxs` and `preferred_shape` instead."""

    def __new__(cls, *args: Any) -> _Chumpy:
        self = super().__new__(cls)
        self.args = args
        return self


class _Sparse(_Chumpy):
    """scipy.sparse matrix, by column."""


class _SparseRows(_Sparse):
    """scipy.sparse matrix, by row."""


class _Rebuilt(_Record):
    """copyreg._reconstructor(class, base, state): an object of the class, before its state."""

    def __new__(cls, kind: Any = None, *rest: Any) -> Any:
        return kind() if isinstance(kind, type) and issubclass(kind, _Record) else super().__new__(cls)


_NAMES: dict[str, type] = {
    "numpy.ndarray": _Record,
    "numpy.dtype": _Dtype,
    **{f"numpy.{core}.multiarray._reconstruct": _Array for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _Scalar for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _Buffer for core in ("core", "_core")},
    "_codecs.encode": _Bytes,
    "__builtin__.bytes": _Bytes,
    "__builtin__.object": _Record,
    "builtins.object": _Record,
    "copy_reg._reconstructor": _Rebuilt,
    "copyreg._reconstructor": _Rebuilt,
}
"""All that a pickle may name, and what stands for it; chumpy's and scipy.sparse's arrays beside."""
_FORBIDDEN_STEPS = {"EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID", "NEXT_BUFFER", "READONLY_BUFFER"}


class _Unpickler(pickle._Unpickler):  # pure Python: a step that goes wrong is an exception, never a fault
    def find_class(self, module: str, name: str) -> type:
        full = f"{module}.{name}"
        if full in _NAMES:
            return _NAMES[full]
        if module.split(".")[0] == "chumpy" and re.fullmatch(r"\w+", name):
            return _Chumpy
        if module.startswith("scipy.sparse") and name in ("csc_matrix", "csc_array"):
            return _Sparse
        if module.startswith("scipy.sparse") and name in ("csr_matrix", "csr_array"):
            return _SparseRows
        raise PalmarError(f"refused: the pickle asks for {full}, which no MANO file needs.")


def _read_pickle(data: bytes) -> dict[str, Any]:
    """The dictionary of a pickle, its arrays still records. Nothing outside this file is called by it."""
    try:
        for steps, (step, argument, _) in enumerate(pickletools.genops(data)):  # walks without doing
            if step.name in _FORBIDDEN_STEPS:
                raise PalmarError(f"refused: the pickle holds a {step.name} step, which no MANO file needs.")
            if steps > MAX_STEPS or (step.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > MAX_STEPS):
                raise PalmarError(f"refused: more than {MAX_STEPS} steps; not a MANO hand.")
        raw = _Unpickler(BytesIO(data), encoding="latin1").load()
    except PalmarError:
        raise
    except Exception as err:  # a damaged pickle may fail in any way that Python has
        raise PalmarError(f"not a readable pickle ({type(err).__name__}: {err}).") from err
    if not isinstance(raw, dict):
        raise PalmarError(f"not a MANO hand: a dictionary was expected, the pickle holds a {type(raw).__name__}.")
    return raw


def _numbers(value: Any, depth: int = 0) -> np.ndarray:
    """The plain array of a record, after checking every size it claims."""
    if depth > 6:
        raise PalmarError("refused: arrays nested too deeply.")
    try:
        if isinstance(value, np.ndarray):
            out = value
        elif isinstance(value, _Sparse):
            out = _dense(value, depth)
        elif isinstance(value, _Chumpy):
            state = value.state
            if "idxs" in state:
                out = _numbers(state["a"], depth + 1).reshape(-1)[_numbers(state["idxs"], depth + 1).astype(np.int64)]
                if state.get("preferred_shape") is not None:
                    out = out.reshape(_shape(state["preferred_shape"]))
            else:
                out = _numbers(state["x"], depth + 1)
        elif isinstance(value, _Array):
            _, shape, dtype, fortran, content = value.state
            out = _filled(content, dtype, shape, "F" if fortran else "C")
        elif isinstance(value, _Buffer):
            content, dtype, shape, order = value.args
            out = _filled(content, dtype, shape, order)
        elif isinstance(value, _Scalar):
            dtype, content = value.args
            out = _filled(content, dtype, (), "C")
        else:  # a number or a flat list of numbers; lists of lists could unfold without end
            flat = value if isinstance(value, list | tuple) else [value]
            if not all(isinstance(number, bool | int | float) for number in flat):
                raise PalmarError(f"damaged array: numbers were expected, got a {type(value).__name__}.")
            out = np.array(value, np.float64)
    except PalmarError:
        raise
    except Exception as err:
        raise PalmarError(f"damaged array ({type(err).__name__}: {err}).") from err
    if out.dtype.kind not in "biuf":
        raise PalmarError(f"damaged array: numbers were expected, got {out.dtype}.")
    return out


def _shape(claimed: Any) -> tuple[int, ...]:
    shape = tuple(int(n) for n in _numbers(claimed, 6).reshape(-1))
    if len(shape) > 4 or any(n < 0 or n > MAX_VALUES for n in shape) or np.prod(shape, dtype=np.float64) > MAX_VALUES:
        raise PalmarError(f"damaged array: it claims the shape {shape}.")
    return shape


def _filled(content: Any, dtype: _Dtype, shape: Any, order: str) -> np.ndarray:
    kind = dtype.args[0]
    if isinstance(kind, bytes):
        kind = kind.decode("latin1")
    if not re.fullmatch(r"[<>|=]?(b1|[iu][1248]|f[248])", kind):
        raise PalmarError(f"damaged array: numbers were expected, got {kind!r}.")
    order_of_bytes = dtype.state[1] if dtype.state else "="
    if isinstance(order_of_bytes, bytes):
        order_of_bytes = order_of_bytes.decode("latin1")
    plain = np.dtype(kind.lstrip("<>|=")).newbyteorder(order_of_bytes if order_of_bytes in ("<", ">") else "=")
    if isinstance(content, _Bytes):
        content = content.args[0] if content.args else b""
    if isinstance(content, str):  # Python 2 knew no bytes
        content = content.encode("latin1")
    if order not in ("C", "F"):
        raise PalmarError(f"damaged array: unknown order {order!r}.")
    flat = np.frombuffer(content, plain)
    return flat.reshape(_shape(shape), order=order).astype(plain.newbyteorder("="))


def _dense(sparse: _Sparse, depth: int) -> np.ndarray:
    state = sparse.state
    rows, columns = _shape(state.get("_shape", state.get("shape")))
    if rows * columns > MAX_VALUES:
        raise PalmarError(f"damaged array: it claims the shape {(rows, columns)}.")
    data, indices, starts = (_numbers(state[key], depth + 1) for key in ("data", "indices", "indptr"))
    by_row = isinstance(sparse, _SparseRows)
    counts = np.diff(starts.astype(np.int64))
    if len(counts) != (rows if by_row else columns) or (counts < 0).any() or counts.sum() != len(indices):
        raise PalmarError("damaged sparse array: its columns do not add up.")
    major, minor = np.repeat(np.arange(len(counts)), counts), indices.astype(np.int64)
    if len(data) != len(indices) or (minor < 0).any():
        raise PalmarError("damaged sparse array: its entries do not add up.")
    out = np.zeros((rows, columns))
    np.add.at(out, (major, minor) if by_row else (minor, major), data)
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
