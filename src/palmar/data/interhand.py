"""InterHand2.6M v1.0: single and interacting hands in a dome of cameras (Moon et al., ECCV 2020).

    split = read_interhand("InterHand2.6M_5fps_batch1", "train")   # a palmar.types.Split of frames
    write_interhand("folder", {"train": split.frames})

    images/train/Capture0/ROM01_No_Interaction_2_Hand/cam400262/image12345.jpg
    annotations/train/InterHand2.6M_train_data.json       # pictures, boxes, which hands
    annotations/train/InterHand2.6M_train_camera.json     # of each capture and camera
    annotations/train/InterHand2.6M_train_joint_3d.json   # of each capture and moment, in the world
    annotations/train/InterHand2.6M_train_MANO_NeuralAnnot.json

Millimetres, x_camera = camrot (x_world - campos), right hand's 21 joints before the left's, from the tip of the thumb
to the wrist; a frame has metres, the camera's axes and palmar's order, left hand first. A joint that is not valid is
NaN, and so is a hand whose wrist is not.

The lists are read whole: those of train hold 1.4 million pictures and take some gigabytes while they are read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from palmar.data.ego import Lazy
from palmar.data.takes import Takes
from palmar.data.textfiles import read_json, safe_parts, whole, write_text
from palmar.errors import PalmarError, one_of
from palmar.geometry.camera import Camera
from palmar.hand.joints import convert
from palmar.media.folder import whole_folder
from palmar.media.picture import decode, write_image
from palmar.types.firstperson import EgoFrame, Split, Vocabulary
from palmar.types.hands import LEFT, RIGHT

PARTS = ("train", "val", "test")
VOCABULARY = Vocabulary(("none",), ("none",))
KINDS = ("right", "left", "interacting")
"""Values of hand_type."""
MAX_LIST = 4 << 30
SIZE = (334, 512)
"""Width and height of the released pictures, where a list does not say."""
_MOST_NUMBERS = 1_000_000


@dataclass(frozen=True)
class Picture:
    """A row of the list: what is known of a picture beside its hands."""

    name: str
    """Capture0/ROM01_No_Interaction_2_Hand/cam400262/image12345.jpg"""
    capture: str
    camera: str
    moment: str
    """frame_idx, which names the hands in joint_3d and MANO."""
    size: tuple[int, int]
    annotation: int
    """Its id, by which RootNet's file goes."""
    box: tuple[float, float, float, float]
    """x, y, width, height, pixels."""
    kind: str
    kind_valid: bool
    valid: Bool[np.ndarray, " 42"]
    """Of its own joints, in the file's order: right hand first."""


@dataclass(frozen=True)
class InterHand:
    """A folder in the layout of InterHand2.6M: "train", "val" or "test"."""

    root: Path
    part: str = "train"

    def file(self, kind: str) -> Path:
        return self.root / "annotations" / self.part / f"InterHand2.6M_{self.part}_{kind}.json"

    def _object(self, kind: str, expected: str) -> dict[str, Any]:
        found = read_json(self.file(kind), MAX_LIST, expected)
        if not isinstance(found, dict):
            raise PalmarError(f"{self.file(kind)}: expected {expected}.")
        return found

    @cached_property
    def pictures(self) -> tuple[Picture, ...]:
        """In the order of the annotations."""
        path, found = self.file("data"), self._object("data", "an object with images and annotations")
        images, annotations = found.get("images"), found.get("annotations")
        if not isinstance(images, list) or not isinstance(annotations, list):
            raise PalmarError(f"{path}: expected an object with images and annotations.")
        by_id = {_entry(row, "id", f"{path}: images, row {i}"): row for i, row in enumerate(images)}
        return tuple(self._picture(row, by_id, f"{path}: annotations, row {i}") for i, row in enumerate(annotations))

    def _picture(self, row: Any, images: Mapping[Any, Any], where: str) -> Picture:
        image = images.get(_entry(row, "image_id", where))
        if image is None:
            raise PalmarError(f"{where}: image_id {str(row['image_id'])[:40]} is no picture of the list.")
        name = str(_entry(image, "file_name", where))
        safe_parts(name, where, "a path like Capture0/ROM01/cam400262/image12345.jpg")
        capture, camera, moment = (str(_entry(image, key, where)) for key in ("capture", "camera", "frame_idx"))
        kind = _entry(row, "hand_type", where)
        if kind not in KINDS:
            raise PalmarError(f"{where}: hand_type {str(kind)[:40]!r}; expected {', '.join(KINDS)}.")
        valid = _array(_entry(row, "joint_valid", where), (42,), f"{where}: joint_valid", flat=True)
        box = _array(_entry(row, "bbox", where), (4,), f"{where}: bbox")
        size = [
            whole(image.get(key, s), 1, 1 << 16, where, key) for key, s in zip(("width", "height"), SIZE, strict=True)
        ]
        return Picture(
            name, capture, camera, moment, (size[0], size[1]),
            whole(_entry(row, "id", where), 0, 1 << 53, where, "the id"),
            (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
            str(kind), bool(row.get("hand_type_valid", 1)), valid > 0,
        )  # fmt: skip

    @cached_property
    def _cameras(self) -> dict[str, Any]:
        return self._object("camera", "an object of captures")

    def camera(self, capture: str, camera: str, size: tuple[int, int] = SIZE) -> Camera:
        """Of a capture, in its world, metres."""
        where = f"{self.file('camera')}: capture {capture}, camera {camera}"
        entry = self._cameras.get(capture)
        place, turn, focal, middle = (
            _array(_entry(_entry(entry, key, where), camera, where), shape, f"{where}: {key}")
            for key, shape in (("campos", (3,)), ("camrot", (3, 3)), ("focal", (2,)), ("princpt", (2,)))
        )
        world_from_camera = np.eye(4)
        world_from_camera[:3, :3], world_from_camera[:3, 3] = turn.T, place / 1000
        try:
            return Camera(*size, *focal, *middle, world_from_camera=world_from_camera)
        except PalmarError as err:
            raise PalmarError(f"{where}: {err}") from err

    @cached_property
    def _joints(self) -> dict[str, Any]:
        return self._object("joint_3d", "an object of captures")

    def world_joints(self, capture: str, moment: str) -> tuple[Float[np.ndarray, "2 21 3"], Bool[np.ndarray, "2 21"]]:
        """Metres in the world, palmar's order, left hand first; and which are valid by themselves."""
        where = f"{self.file('joint_3d')}: capture {capture}, moment {moment}"
        entry = _entry(_entry(self._joints, capture, where), moment, where)
        points = _array(_entry(entry, "world_coord", where), (42, 3), f"{where}: world_coord")
        valid = _array(_entry(entry, "joint_valid", where), (42,), f"{where}: joint_valid", flat=True) > 0
        return _ours(points / 1000), _ours(valid[:, None])[..., 0]

    @cached_property
    def _mano(self) -> dict[str, Any]:
        return self._object("MANO_NeuralAnnot", "an object of captures")

    def mano(self, capture: str, moment: str) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray] | None, ...]:
        """Pose [48] without the mean, shape [10] and translation [3] (metres, world) of the left, then the right hand.

        None for a hand without. The left one's shapes are of a basis whose x has been mended.
        """
        where = f"{self.file('MANO_NeuralAnnot')}: capture {capture}, moment {moment}"
        entry = _entry(_entry(self._mano, capture, where), moment, where)
        hands = []
        for side in ("left", "right"):
            hand = entry.get(side) if isinstance(entry, dict) else None
            parts = None if hand is None else tuple(
                _array(_entry(hand, key, where), (count,), f"{where}: {side} {key}")
                for key, count in (("pose", 48), ("shape", 10), ("trans", 3))
            )  # fmt: skip
            hands.append(parts)
        return tuple(hands)  # type: ignore[return-value]

    def image(self, picture: Picture) -> np.ndarray | None:
        folder = self.root / "images" / self.part
        return decode(folder.joinpath(*picture.name.split("/"))).image if folder.is_dir() else None

    def frame(self, index: int) -> EgoFrame:
        """A picture with its truth."""
        picture = self.pictures[index]
        image = self.image(picture)
        size = picture.size if image is None else (image.shape[1], image.shape[0])
        camera = self.camera(picture.capture, picture.camera, size)
        world, valid = self.world_joints(picture.capture, picture.moment)
        valid = valid & _ours(picture.valid[:, None])[..., 0]
        valid &= valid[:, :1]
        pose = camera.world_from_camera
        assert pose is not None
        joints = np.where(valid[..., None], (world - pose[:3, 3]) @ pose[:3, :3], np.nan)
        return EgoFrame(f"{self.part}/{picture.name.rpartition('.')[0]}", camera, image, joints.astype(np.float32))

    @cached_property
    def kinds(self) -> Int[np.ndarray, " n"]:
        """Index in `KINDS` of each picture: what `interhand_scores` takes."""
        return np.array([KINDS.index(p.kind) for p in self.pictures], np.int64)

    @cached_property
    def kinds_valid(self) -> Bool[np.ndarray, " n"]:
        """hand_type_valid."""
        return np.array([p.kind_valid for p in self.pictures], bool)


def read_interhand(root: str | Path, split: str = "train") -> Split:
    """A part of InterHand2.6M: frames, no clips. Raises PalmarError naming what is malformed."""
    root = Path(root)
    one_of("split of InterHand2.6M", split, PARTS)
    if not root.is_dir():
        raise PalmarError(f"{root}: no such folder; expected the root of InterHand2.6M.")
    data = InterHand(root, split)
    return Split(VOCABULARY, Lazy(len(data.pictures), data.frame), ())


def read_rootnet(path: str | Path) -> dict[int, Float[np.ndarray, " 2"]]:
    """Depth of the wrists by RootNet, metres, left then right, by the id of the annotation."""
    path = Path(path)
    rows = read_json(path, MAX_LIST, "a list of annot_id, bbox and abs_depth")
    out = {}
    for i, row in enumerate(_listed(rows)):
        where = f"{path}: row {i}"
        depth = _array(_entry(row, "abs_depth", where), (2,), f"{where}: abs_depth")
        out[whole(_entry(row, "annot_id", where), 0, 1 << 53, where, "annot_id")] = depth[::-1] / 1000
    return out


def _ours(rows: np.ndarray) -> np.ndarray:
    """[42, c] of the file as [2, 21, c] of palmar: left hand first."""
    return np.stack([convert(rows[21:], "interhand", "palmar"), convert(rows[:21], "interhand", "palmar")])


def _theirs(rows: np.ndarray) -> np.ndarray:
    """The inverse of `_ours`."""
    return np.concatenate([convert(rows[side], "palmar", "interhand") for side in (RIGHT, LEFT)])


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _entry(row: Any, key: str, where: str) -> Any:
    if not isinstance(row, dict) or row.get(key) is None:
        raise PalmarError(f"{where}: no {key[:40]}.")
    return row[key]


def _array(value: Any, shape: tuple[int, ...], where: str, *, flat: bool = False) -> Float[np.ndarray, "..."]:  # noqa: UP037
    try:
        array = np.array(value, np.float64)
    except (TypeError, ValueError, OverflowError) as err:
        raise PalmarError(f"{where}: expected {' x '.join(map(str, shape))} numbers.") from err
    array = array.reshape(-1) if flat else array
    if array.shape != shape or not np.isfinite(array).all():
        raise PalmarError(f"{where}: expected {' x '.join(map(str, shape))} finite numbers, got shape {array.shape}.")
    return array


# ------------------------------------------------------------------------------------------------------------ writing


def write_interhand(root: str | Path, parts: Mapping[str, Iterable[EgoFrame]], *, overwrite: bool = False) -> None:
    """Frames in the layout of InterHand2.6M: the folder appears whole or not at all.

    Each recording (`scene3` of a frame `scene3/12`) is a capture, each of its cameras a camera: a head that moves is a
    camera for each place. A frame without a world has its camera for it. Lost are objects and actions; there is no file
    of MANO's. Raises PalmarError for a lens, and for a frame without any joint.
    """
    for name in parts:
        one_of("part of InterHand2.6M to write", name, PARTS)
    with whole_folder(root, overwrite, marker="annotations/skeleton.txt") as part:
        (part / "annotations").mkdir()
        write_text(part / "annotations" / "skeleton.txt", _skeleton())
        for name in PARTS:
            if name in parts:
                _write_part(part, name, parts[name])


def _skeleton() -> str:
    """Rows of name, number and parent of the 42 joints."""
    rows = []
    for offset, side in ((0, "r"), (21, "l")):
        for finger in range(5):
            for k in range(4):
                number = offset + 4 * finger + k
                rows.append(f"{side}_{('thumb', 'index', 'middle', 'ring', 'pinky')[finger]}{4 - k} {number} "
                            f"{number + 1 if k < 3 else offset + 20}\n")  # fmt: skip
        rows.append(f"{side}_wrist {offset + 20} -1\n")
    return "".join(rows)


def _write_part(root: Path, part: str, frames: Iterable[EgoFrame]) -> None:
    takes = Takes(_MOST_NUMBERS)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    cameras: dict[str, dict[str, dict[str, Any]]] = {}
    joints: dict[str, dict[str, Any]] = {}
    numbers: dict[str, int] = {}
    known: dict[str, dict[str, str]] = {}
    for index, frame in enumerate(frames):
        if frame.camera.distortion is not None:
            raise PalmarError(f"{frame.name}: the layout has no place for a lens; undistort first.")
        take, moment = takes.place(frame.name)
        capture = str(numbers.setdefault(take, len(numbers)))
        own_cameras = known.setdefault(capture, {})
        name = own_cameras.setdefault(json.dumps(frame.camera.to_dict()), f"4{len(own_cameras):05d}")
        turn, place = np.eye(3), np.zeros(3)
        if frame.camera.world_from_camera is not None:
            turn, place = frame.camera.world_from_camera[:3, :3], frame.camera.world_from_camera[:3, 3]
        entry = cameras.setdefault(capture, {key: {} for key in ("campos", "camrot", "focal", "princpt")})
        entry["campos"][name], entry["camrot"][name] = (1000 * place).tolist(), turn.T.tolist()
        entry["focal"][name] = [frame.camera.fx, frame.camera.fy]
        entry["princpt"][name] = [frame.camera.cx, frame.camera.cy]
        own = frame.joints.astype(np.float64)
        valid = np.asarray(np.isfinite(own).all(-1))
        valid &= valid[:, :1]
        if not valid.any():
            raise PalmarError(f"{frame.name}: no hand; every picture of InterHand2.6M has one.")
        world = np.where(valid[..., None], own @ turn.T + place, 0.0)
        kind = "interacting" if valid.any(1).all() else "left" if valid[LEFT].any() else "right"
        flags = _theirs(valid[..., None].astype(np.int64))[:, 0]
        joints.setdefault(capture, {})[str(moment)] = {
            "world_coord": (1000 * _theirs(world)).tolist(),
            "joint_valid": flags[:, None].tolist(),
            "hand_type": kind,
            "hand_type_valid": True,
        }
        pixels = frame.keypoints[valid]
        pixels = pixels[np.isfinite(pixels).all(1)]
        low, high = (pixels.min(0), pixels.max(0)) if len(pixels) else (np.zeros(2), np.zeros(2))
        file = f"Capture{capture}/{take}/cam{name}/image{moment}.jpg"
        images.append({
            "id": index, "file_name": file, "width": frame.camera.width, "height": frame.camera.height,
            "capture": int(capture), "subject": 0, "seq_name": take, "camera": name, "frame_idx": moment,
        })  # fmt: skip
        annotations.append({
            "id": index, "image_id": index, "bbox": [*low.tolist(), *(high - low).tolist()],
            "joint_valid": flags.tolist(), "hand_type": kind, "hand_type_valid": 1,
        })  # fmt: skip
        if frame.image is not None:
            path = root / "images" / part / file
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, frame.image)
    folder = root / "annotations" / part
    folder.mkdir()
    for key, values in (("data", {"images": images, "annotations": annotations}), ("camera", cameras),
                        ("joint_3d", joints)):  # fmt: skip
        write_text(folder / f"InterHand2.6M_{part}_{key}.json", json.dumps(values))
