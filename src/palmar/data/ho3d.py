"""HO3D v2 and v3, and H2O-3D: hands with YCB objects before standing cameras (Hampali et al., CVPR 2020 and 2022).

    split = read_ho3d("HO3D_v2", "train")            # a palmar.types.Split of frames; only the lists are read
    write_ho3d("folder", train=split.frames)

    train.txt  evaluation.txt                        # rows like ABF10/0000
    train/ABF10/rgb/0000.png                         # .jpg in v3
    train/ABF10/depth/0000.png
    train/ABF10/meta/0000.pkl
    evaluation_xyz.json  evaluation_verts.json       # the truth of evaluation, where it is at hand

Metres. The files are in OpenGL's axes (y up, z backwards) and MANO's order of joints; a frame is in palmar's. Hands are
right ones in HO3D, both in H2O-3D. Whatever is None in a file is unknown.

"train" and "evaluation" (or "test") are official. Of evaluation the files say the wrist alone, so that its frames have
no hand, unless the truth lies beside them as in the submission: MANO's order, OpenGL. There is no official val: "val"
is the sequences `VAL` of train (Ohkawa et al. 2024), "fit" the others.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, Float32

from palmar.data.ego import Lazy
from palmar.data.freihand import read_array
from palmar.data.takes import Takes
from palmar.data.textfiles import Parsed, safe_parts, write_text
from palmar.data.ycb import EXTRA, VOCABULARY, vocabulary_of
from palmar.errors import PalmarError, one_of
from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotmat_from_rotvec, rotvec_from_rotmat
from palmar.hand.joints import convert
from palmar.media.folder import whole_file, whole_folder
from palmar.media.pickles import read_pickle, write_pickle
from palmar.media.picture import decode, write_image
from palmar.types.firstperson import CORNERS, EgoFrame, Split, Vocabulary, box_points
from palmar.types.hands import LEFT, RIGHT

PARTS = ("train", "fit", "val", "test", "evaluation")
VAL = ("BB11", "GPMF12", "MDF10", "MDF13", "SB10", "SMu41", "SS2", "ShSu13")
"""Sequences of train that are held out as "val"."""
SIZE = (640, 480)
GL = np.array([1.0, -1.0, -1.0])
"""OpenGL's axes into OpenCV's, and back."""
DEPTH_UNIT = 0.00012498664727900177
"""Metres of a step of the depth pictures."""
META = "a pickle with camMat, handJoints3D, objRot, ..."
MAX_META = 1 << 20
KEYS = (
    "camMat", "handJoints3D", "rightHandJoints3D", "leftHandJoints3D", "handBoundingBox", "handPose", "handBeta",
    "handTrans", "handVertContact", "objRot", "objTrans", "objName", "objCorners3DRest",
)  # fmt: skip
"""Entries of `meta` that are read. There are more in v3."""
ROW = "a row like ABF10/0000"
SIDES = ((LEFT, "leftHand"), (RIGHT, "rightHand"))


def cv_from_gl(points: Float[np.ndarray, "*b 3"]) -> Float[np.ndarray, "*b 3"]:
    """Points of OpenGL's axes in OpenCV's; the same the other way."""
    return np.asarray(points) * GL.astype(np.asarray(points).dtype)


def read_depth(path: Path) -> Float32[np.ndarray, "h w"]:
    """`depth`: metres along z; NaN where the sensor says nothing. Red is the low byte, green the high one."""
    image = decode(path).image.astype(np.float64)
    steps = image[..., 0] + 256 * image[..., 1]
    return np.where(steps > 0, steps * DEPTH_UNIT, np.nan).astype(np.float32)


def write_depth(path: Path, depth: Float32[np.ndarray, "h w"]) -> None:
    """`depth`, to the eighth of a millimetre; what is unknown or beyond 8.19 m is 0."""
    steps = np.round(np.where(np.isfinite(depth), depth, 0) / DEPTH_UNIT)
    steps = np.where((steps > 0) & (steps < 65536), steps, 0).astype(np.int64)
    ok, data = cv2.imencode(".png", np.stack([np.zeros_like(steps), steps >> 8, steps & 255], -1).astype(np.uint8))
    if not ok:
        raise PalmarError(f"{path}: this depth picture cannot be written.")
    with whole_file(path) as part:
        part.write_bytes(data.tobytes())


# ---------------------------------------------------------------------------------------------------------- one file


@dataclass(frozen=True)
class Meta:
    """`meta`: what is known of a frame, in the file's own axes and order. None where it is unknown."""

    path: Path
    values: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Meta:
        return cls(path, read_pickle(path, MAX_META, META, KEYS))

    def array(self, key: str, *shapes: tuple[int, ...]) -> np.ndarray | None:
        """An entry of one of these shapes. Raises PalmarError for one of another, or with numbers that are not finite.

        An entry that is absent is None as one that is unknown is.
        """
        value = self.values.get(key)
        if value is None:
            return None
        try:
            array = np.asarray(value, np.float64)
        except (TypeError, ValueError) as err:
            raise PalmarError(f"{self.path}: {key}: not numbers.") from err
        if array.shape not in shapes or not np.isfinite(array).all():
            wanted = " or ".join(" x ".join(map(str, shape)) for shape in shapes)
            raise PalmarError(f"{self.path}: {key}: expected {wanted} finite numbers, got shape {array.shape}.")
        return array

    def camera(self, size: tuple[int, int]) -> Camera:
        """Of a picture of that width and height."""
        k = self.array("camMat", (3, 3))
        if k is None:
            raise PalmarError(f"{self.path}: no camMat; expected {META}.")
        if not np.allclose((k[0, 1], k[1, 0], *k[2]), (0, 0, 0, 0, 1)):
            raise PalmarError(f"{self.path}: camMat is no pinhole (fx 0 cx; 0 fy cy; 0 0 1).")
        try:
            return Camera(*size, k[0, 0], k[1, 1], k[0, 2], k[1, 2])
        except PalmarError as err:
            raise PalmarError(f"{self.path}: camMat: {err}") from err

    @property
    def joints(self) -> Float32[np.ndarray, "2 21 3"]:
        """Camera frame, palmar's order; NaN for a hand without, and where the file says the wrist alone."""
        out = np.full((2, 21, 3), np.nan, np.float32)
        for side, key in (*((side, f"{word}Joints3D") for side, word in SIDES), (RIGHT, "handJoints3D")):
            found = self.array(key, (21, 3), (3,), (1, 3))
            if found is not None and len(found) == 21:
                out[side] = convert(cv_from_gl(found), "ho3d", "palmar")
        return out

    @property
    def wrist(self) -> Float[np.ndarray, " 3"] | None:
        """Of HO3D's right hand, camera frame: all that evaluation says."""
        found = self.array("handJoints3D", (21, 3), (3,), (1, 3))
        return None if found is None else cv_from_gl(found.reshape(-1, 3)[0])

    @property
    def box(self) -> Float[np.ndarray, " 4"] | None:
        """x0 y0 x1 y1 of HO3D's hand, pixels: in evaluation."""
        return self.array("handBoundingBox", (4,))

    @property
    def mano(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Pose [48], shape [10], translation [3] of MANO, mean pose included, in OpenGL's axes as the file has them."""
        found = self.array("handPose", (48,)), self.array("handBeta", (10,)), self.array("handTrans", (3,))
        return None if any(part is None for part in found) else found  # type: ignore[return-value]

    @property
    def contact(self) -> Float[np.ndarray, " 778"] | None:
        """1 for vertices of the hand that touch the object (v3)."""
        return self.array("handVertContact", (778,), (778, 1))

    @property
    def camera_from_object(self) -> Float[np.ndarray, "4 4"] | None:
        turn, place = self.array("objRot", (3,), (3, 1), (1, 3)), self.array("objTrans", (3,), (3, 1), (1, 3))
        if turn is None or place is None:
            return None
        out = np.eye(4)
        out[:3, :3] = GL[:, None] * rotmat_from_rotvec(turn.reshape(3))
        out[:3, 3] = cv_from_gl(place.reshape(3))
        return out

    @property
    def points(self) -> Float[np.ndarray, "21 3"]:
        """Of the object's box, camera frame; NaN where unknown."""
        corners, pose = self.array("objCorners3DRest", (8, 3)), self.camera_from_object
        if corners is None or pose is None:
            return np.full((21, 3), np.nan)
        return box_points(corners.min(0), corners.max(0)) @ pose[:3, :3].T + pose[:3, 3]

    def object(self, vocabulary: Vocabulary) -> int:
        """Its number; 0 where unknown. Raises PalmarError for one that is not named."""
        name = self.values.get("objName")
        if name is None or self.camera_from_object is None:
            return 0
        if not isinstance(name, str) or name not in vocabulary.objects:
            known = len(vocabulary.objects) - 1
            raise PalmarError(f"{self.path}: objName {str(name)[:40]!r}: no such object among the {known} of this set.")
        return vocabulary.objects.index(name)


# ------------------------------------------------------------------------------------------------------------- folder


@dataclass(frozen=True)
class HO3D:
    """A folder in the layout of HO3D: "train" or "evaluation". Frames have the order of the list, which submissions
    have too."""

    root: Path
    part: str = "train"

    @cached_property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """Sequence and number of each frame."""
        path = self.root / f"{self.part}.txt"

        def parse(line: str, where: str) -> tuple[str, str]:
            parts = safe_parts(line, where, ROW)
            if len(parts) != 2:
                raise PalmarError(f"{where}: {line[:80]!r}; expected {ROW}.")
            return parts[0], parts[1]

        return tuple(Parsed.read(path, f"the list of frames, {ROW}").rows(parse))

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return vocabulary_of(self.root)

    @cached_property
    def truth(self) -> Float[np.ndarray, "n 21 3"] | None:
        """Joints of evaluation, camera frame, palmar's order; None where `evaluation_xyz.json` is not at hand."""
        found = self._truth("xyz", 21)
        return None if found is None else convert(found, "ho3d", "palmar")

    @cached_property
    def vertices(self) -> Float[np.ndarray, "n 778 3"] | None:
        """MANO's vertices of evaluation, camera frame; None where `evaluation_verts.json` is not at hand."""
        return self._truth("verts", 778)

    def _truth(self, kind: str, count: int) -> np.ndarray | None:
        path = self.root / f"evaluation_{kind}.json"
        if self.part != "evaluation" or not path.exists():
            return None
        found = read_array(path, (count, 3), f"a list of {count} x 3 metres")
        if len(found) != len(self.rows):
            raise PalmarError(f"{path}: {len(found)} entries, but {len(self.rows)} in {self.part}.txt.")
        return cv_from_gl(found)

    def file(self, kind: str, index: int, *endings: str) -> Path:
        """Of a frame: the first that exists of these endings, otherwise of the first."""
        sequence, number = self.rows[index]
        paths = [self.root / self.part / sequence / kind / f"{number}.{ending}" for ending in endings]
        return next((path for path in paths if path.exists()), paths[0])

    def meta(self, index: int) -> Meta:
        return Meta.read(self.file("meta", index, "pkl"))

    def picture(self, index: int) -> np.ndarray | None:
        path = self.file("rgb", index, "png", "jpg")
        return decode(path).image if path.parent.is_dir() else None

    def depth(self, index: int) -> Float32[np.ndarray, "h w"] | None:
        """Metres; None without a folder of it."""
        path = self.file("depth", index, "png")
        return read_depth(path) if path.parent.is_dir() else None

    def frame(self, index: int) -> EgoFrame:
        """A picture with its truth."""
        image, meta = self.picture(index), self.meta(index)
        joints, number = meta.joints, meta.object(self.vocabulary)
        if self.truth is not None:
            joints[RIGHT] = self.truth[index]
        pose = meta.camera_from_object if number else None
        return EgoFrame(
            f"{self.part}/{'/'.join(self.rows[index])}",
            meta.camera(SIZE if image is None else (image.shape[1], image.shape[0])),
            image,
            joints,
            number,
            (meta.points if number else np.full((21, 3), np.nan)).astype(np.float32),
            None if pose is None else pose.astype(np.float32),
        )


def read_ho3d(root: str | Path, split: str = "train") -> Split:
    """A part of HO3D or H2O-3D: frames, no clips. See the module's words for the parts.

    Depth, MANO's parameters and the rest lie in `HO3D(root, "train")`. Raises PalmarError naming what is malformed.
    """
    root = Path(root)
    one_of("split of HO3D", split, PARTS)
    if not root.is_dir():
        raise PalmarError(f"{root}: no such folder; expected the root of HO3D.")
    data = HO3D(root, "evaluation" if split in ("test", "evaluation") else "train")
    rows = np.arange(len(data.rows))
    if split == "val":
        warnings.warn(
            "HO3D has no official val: these are sequences of train. Train on 'fit' to keep them apart.", stacklevel=2
        )
    if split in ("fit", "val"):
        held = _held_out(root, [sequence for sequence, _ in data.rows])
        kept = np.array([(sequence in held) == (split == "val") for sequence, _ in data.rows], bool)
        rows = rows[kept]
    return Split(data.vocabulary, Lazy(len(rows), lambda i: data.frame(int(rows[i]))), ())


def _held_out(root: Path, sequences: list[str]) -> set[str]:
    """Sequences of "val": the published ones, or the last tenth of another set's."""
    own = list(dict.fromkeys(sequences))
    held = set(own) & set(VAL) or set(own[len(own) - max(len(own) // 10, 1) :])
    if len(held) == len(own):
        raise PalmarError(f"{root}: {len(own)} sequences in train.txt are too few to hold some out as val.")
    return held


# ------------------------------------------------------------------------------------------------------------ writing


def write_ho3d(
    root: str | Path,
    train: Iterable[EgoFrame] = (),
    evaluation: Iterable[EgoFrame] = (),
    *,
    vocabulary: Vocabulary = VOCABULARY,
    version: int = 2,
    both_hands: bool = False,
    overwrite: bool = False,
) -> None:
    """Frames in the layout of HO3D: the folder appears whole or not at all.

    Frames `a/b/0` and `a/b/1` are of one sequence. version: 3 writes JPEG pictures, 2 PNG. both_hands: the entries of
    H2O-3D; otherwise the right hand alone is written. Of evaluation the pickles say the wrist, and the truth lies in
    `evaluation_xyz.json`, MANO's order, OpenGL. Lost are left hands (without `both_hands`), the world, boxes of objects
    whose pose is not known, and actions; MANO's parameters are None, since an `EgoFrame` has none. Raises PalmarError
    for a lens, and for a frame of evaluation without right hand.
    """
    one_of("version of HO3D", str(version), ("2", "3"))
    ending = "png" if version == 2 else "jpg"
    with whole_folder(root, overwrite, marker="train.txt") as part:
        if vocabulary != VOCABULARY:
            write_text(part / EXTRA, json.dumps({"objects": list(vocabulary.objects)}))
        for name, frames in (("train", train), ("evaluation", evaluation)):
            takes, rows, truth = Takes(), [], []
            for frame in frames:
                sequence, number = takes.place(frame.name)
                values = _meta(frame, vocabulary, both_hands)
                if name == "evaluation":
                    joints = values["handJoints3D"]
                    if both_hands or joints is None:
                        raise PalmarError(f"{frame.name}: every frame of evaluation needs one right hand.")
                    box = np.concatenate([frame.keypoints[RIGHT].min(0), frame.keypoints[RIGHT].max(0)])
                    truth.append(joints.tolist())
                    values |= {"handJoints3D": joints[0], "handBoundingBox": box}
                folder = part / name / sequence
                (folder / "meta").mkdir(parents=True, exist_ok=True)
                write_pickle(folder / "meta" / f"{number:04d}.pkl", values)
                if frame.image is not None:
                    (folder / "rgb").mkdir(exist_ok=True)
                    write_image(folder / "rgb" / f"{number:04d}.{ending}", frame.image)
                rows.append(f"{sequence}/{number:04d}\n")
            write_text(part / f"{name}.txt", "".join(rows))
            if truth:
                write_text(part / "evaluation_xyz.json", json.dumps(truth))


def _meta(frame: EgoFrame, vocabulary: Vocabulary, both_hands: bool) -> dict[str, Any]:
    if frame.camera.distortion is not None:
        raise PalmarError(f"{frame.name}: the layout has no place for a lens; undistort first.")
    hands = [
        convert(cv_from_gl(hand.astype(np.float64)), "palmar", "ho3d") if there else None
        for hand, there in zip(frame.joints, frame.present, strict=True)
    ]
    values: dict[str, Any] = {"camMat": frame.camera.matrix}
    if both_hands:
        values |= {f"{word}Joints3D": hands[side] for side, word in SIDES}
    else:
        values |= dict.fromkeys(("handPose", "handTrans", "handBeta")) | {"handJoints3D": hands[RIGHT]}
    values |= dict.fromkeys(("objRot", "objTrans", "objName", "objCorners3DRest"))
    pose = frame.camera_from_object
    if frame.object and pose is not None:
        pose = pose.astype(np.float64)
        values |= {
            "objRot": rotvec_from_rotmat(GL[:, None] * pose[:3, :3])[:, None],
            "objTrans": cv_from_gl(pose[:3, 3]),
            "objName": vocabulary.objects[frame.object],
        }
        if np.isfinite(frame.points).all():
            own = (frame.points - pose[:3, 3]) @ pose[:3, :3]
            low, high = own.min(0), own.max(0)
            values["objCorners3DRest"] = (low + high) / 2 + CORNERS * (high - low) / 2
    return values
