"""FreiHAND: single right hands in 224 x 224 pictures (Zimmermann et al., ICCV 2019), read and written in its layout.

    split = read_freihand("freihand", "train")       # frames only; nothing but lists of numbers is read
    write_freihand("folder", split)

    training/rgb/00000000.jpg                        # four times as many as entries: picture i shows entry i mod n
    training_K.json  training_xyz.json  training_scale.json  training_verts.json  training_mano.json
    evaluation/rgb/00000000.jpg                      # and evaluation_K.json, ..., one picture for each entry

Metres, camera frame, OpenPose order: the files' own conventions are palmar's. A part "train", "val" or "test" is cut
from the training pictures in their order, at 8 and 9 tenths, as sheets of published results do: 104,192, 13,024 and
13,024 of 130,240. As the four copies of an entry differ in their background only, its test part holds hands of its
train part; `by="entry"` cuts the entries instead. "evaluation" is the official test set.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float

from palmar.data.ego import Lazy
from palmar.data.textfiles import write_text
from palmar.errors import PalmarError, one_of
from palmar.geometry.camera import Camera
from palmar.geometry.crop import Crop
from palmar.media.folder import whole_folder
from palmar.media.picture import decode, write_image
from palmar.types.firstperson import EgoFrame, Split, Vocabulary
from palmar.types.hands import LEFT, RIGHT

PARTS = ("train", "val", "test", "training", "evaluation")
VOCABULARY = Vocabulary(("none",), ("none",))
SIZE = 224
VERTICES = 778
MANO = 61
"""Numbers of an entry of `*_mano.json`: pose 48, shape 10, and place 3 (u, v, scale)."""
MAX_BYTES = 4 << 30
"""Of one list of numbers; vertices of the training part are about 2 GB."""
_ALLOWED = b"0123456789+-.eE,[] \t\r\n"


def read_array(path: Path, tail: tuple[int, ...], expected: str) -> Float[np.ndarray, "*n"]:
    """A JSON file that is a list of nothing but arrays of one shape, [n, *tail], of finite numbers.

    It is not parsed into objects, of which the longest lists need tens of gigabytes. Raises PalmarError for anything
    else.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PalmarError(f"{path}: more than {MAX_BYTES >> 30} GiB; expected {expected}.")
        data = path.read_bytes()
    except FileNotFoundError as err:
        raise PalmarError(f"{path}: no such file; expected {expected}.") from err
    except OSError as err:
        raise PalmarError(f"{path}: cannot be read ({err.strerror or err}); expected {expected}.") from err
    strange = data.translate(None, _ALLOWED)
    if strange:
        at = data.find(strange[:1])
        line = data.count(b"\n", 0, at) + 1
        what = data[at : at + 20].decode("utf-8", "replace")
        raise PalmarError(f"{path}: line {line}, byte {at}: {what!r}; expected {expected}, of finite numbers.")
    skeleton = data.translate(None, bytes(set(_ALLOWED) - set(b"[],")))
    per = max(int(np.prod(tail)), 1)
    commas = skeleton.count(b",")
    count = (commas + 1) // per if skeleton != b"[]" else 0
    one = b",".join([b""] * max(tail[-1], 1)) if tail else b""  # a number is nothing here
    for size in reversed(tail[:-1]):
        one = b",".join([b"[" + one + b"]"] * size)
    entry = b"[" + one + b"]" if tail else b""
    want = b"[" + b",".join([entry] * count) + b"]"
    if skeleton != want:
        raise PalmarError(f"{path}: expected {expected}; its brackets and commas are not those of a list of these.")
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # how NumPy before 2.3 says that a word is no number
        try:
            text = data.translate(bytes.maketrans(b"[],", b"   "))
            values = np.fromstring(text, np.float64, sep=" ") if count else np.zeros(0)
        except (ValueError, DeprecationWarning) as err:
            raise PalmarError(f"{path}: a word is no number; expected {expected}.") from err
    if len(values) != count * per:
        raise PalmarError(f"{path}: {len(values)} readable numbers; expected {expected}, {count} times.")
    if not np.isfinite(values).all():
        raise PalmarError(f"{path}: number {int(np.argmin(np.isfinite(values))) + 1} is too large.")
    return values.reshape(-1, *tail)


@dataclass(frozen=True)
class FreiHand:
    """A folder in the layout of FreiHAND: "training" or "evaluation". Every list is read once, when it is asked for."""

    root: Path
    part: str = "training"

    def file(self, kind: str) -> Path:
        return self.root / f"{self.part}_{kind}.json"

    def array(self, kind: str, tail: tuple[int, ...], expected: str) -> np.ndarray | None:
        """None where the file is absent, as the truth of evaluation was for years."""
        return read_array(self.file(kind), tail, expected) if self.file(kind).exists() else None

    @cached_property
    def cameras(self) -> Float[np.ndarray, "n 3 3"]:
        """K of each entry."""
        return read_array(self.file("K"), (3, 3), "a list of 3 x 3 matrices K")

    @cached_property
    def joints(self) -> Float[np.ndarray, "n 21 3"] | None:
        """Metres, camera frame."""
        return self.array("xyz", (21, 3), "a list of 21 x 3 metres")

    @cached_property
    def scales(self) -> Float[np.ndarray, " n"] | None:
        """Length of the middle finger's first bone, metres, which methods may know."""
        return self.array("scale", (), "a list of numbers")

    @cached_property
    def vertices(self) -> Float[np.ndarray, "n 778 3"] | None:
        """Of MANO's mesh, metres, camera frame."""
        return self.array("verts", (VERTICES, 3), f"a list of {VERTICES} x 3 metres")

    @cached_property
    def mano(self) -> Float[np.ndarray, "n 61"] | None:
        """MANO's pose 48, shape 10, and u, v, scale."""
        found = self.array("mano", (1, MANO), f"a list of 1 x {MANO} numbers")
        return None if found is None else found[:, 0]

    @cached_property
    def pictures(self) -> int:
        """How many there are: 0, or a whole number of times the entries. Their names must run from 0."""
        folder = self.root / self.part / "rgb"
        if not folder.is_dir():
            return 0
        count = sum(1 for entry in folder.iterdir() if entry.suffix.lower() == ".jpg")
        if count % max(len(self.cameras), 1):
            raise PalmarError(
                f"{folder}: {count} pictures for {len(self.cameras)} entries of {self.file('K').name}; "
                "expected a whole number of times as many."
            )
        return count

    def __len__(self) -> int:
        """Pictures; entries where there are no pictures."""
        return self.pictures or len(self.cameras)

    def entry(self, index: int) -> int:
        """Of the lists, for a picture."""
        return index % len(self.cameras)

    def picture(self, index: int) -> np.ndarray | None:
        return decode(self.root / self.part / "rgb" / f"{index:08d}.jpg").image if self.pictures else None

    def camera(self, index: int, size: tuple[int, int] = (SIZE, SIZE)) -> Camera:
        """Of a picture of that width and height."""
        k = self.cameras[self.entry(index)]
        if not np.allclose((k[0, 1], k[1, 0], *k[2]), (0, 0, 0, 0, 1)):
            raise PalmarError(f"{self.file('K')}: entry {self.entry(index)} is no pinhole (fx 0 cx; 0 fy cy; 0 0 1).")
        try:
            return Camera(*size, k[0, 0], k[1, 1], k[0, 2], k[1, 2])
        except PalmarError as err:
            raise PalmarError(f"{self.file('K')}: entry {self.entry(index)}: {err}") from err

    def frame(self, index: int) -> EgoFrame:
        """A picture with its truth; the hand is a right one."""
        image = self.picture(index)
        size = (SIZE, SIZE) if image is None else (image.shape[1], image.shape[0])
        joints = np.full((2, 21, 3), np.nan, np.float32)
        if self.joints is not None:
            if len(self.joints) != len(self.cameras):
                raise PalmarError(
                    f"{self.file('xyz')}: {len(self.joints)} entries, but {len(self.cameras)} in {self.file('K').name}."
                )
            joints[RIGHT] = self.joints[self.entry(index)]
        return EgoFrame(f"{self.part}/{index:08d}", self.camera(index, size), image, joints)


def part_rows(part: str, count: int, entries: int, by: str = "picture") -> np.ndarray:
    """Numbers of the pictures of "train", "val" or "test" among `count` training pictures of so many entries."""
    one_of("way to cut FreiHAND", by, ("picture", "entry"))
    total = count if by == "picture" else entries
    cuts = {"train": (0, total * 8 // 10), "val": (total * 8 // 10, total * 9 // 10), "test": (total * 9 // 10, total)}
    low, high = cuts[one_of("part of FreiHAND", part, cuts)]
    rows = np.arange(count)
    kept = rows if by == "picture" else rows % max(entries, 1)
    return rows[(kept >= low) & (kept < high)]


def read_freihand(root: str | Path, split: str = "train", *, by: str = "picture") -> Split:
    """A part of FreiHAND: frames, no clips.

    split: "train", "val", "test" (of the training pictures), "training" (all of them) or "evaluation" (official).
    by: cut by "picture", as published results do, or by "entry", so that no hand is in two parts.
    Pictures, vertices and the rest lie in `FreiHand(root, "training")`. Raises PalmarError naming what is malformed.
    """
    root = Path(root)
    one_of("split of FreiHAND", split, PARTS)
    if not root.is_dir():
        raise PalmarError(f"{root}: no such folder; expected the root of FreiHAND.")
    data = FreiHand(root, "evaluation" if split == "evaluation" else "training")
    if data.part == "training" and not data.file("xyz").exists():
        raise PalmarError(f"{data.file('xyz')}: no such file; expected a list of 21 x 3 metres.")
    if split in ("training", "evaluation"):
        rows = np.arange(len(data))
    else:
        rows = part_rows(split, len(data), len(data.cameras), by)
    return Split(VOCABULARY, Lazy(len(rows), _Rows(data, rows).frame), ())


@dataclass(frozen=True, eq=False)
class _Rows:
    data: FreiHand
    rows: np.ndarray

    def frame(self, index: int) -> EgoFrame:
        return self.data.frame(int(self.rows[index]))


def right_hands(
    frames: Iterable[EgoFrame], *, size: int = SIZE, scale: float = 1.6, seen: float = 0.8
) -> Iterator[EgoFrame]:
    """A square picture around each hand of pictures, `size` pixels wide: what FreiHAND has, from anything.

    A left hand is mirrored, and so becomes a right one that the mirrored camera sees. scale: of the crop's side to the
    longer side of the box around the joints. seen: hands with a smaller share of their joints in the picture are left
    out, as are frames without picture.
    """
    for frame in frames:
        for side in (LEFT, RIGHT):
            keypoints = frame.keypoints[side]
            if frame.image is None or not np.isfinite(keypoints).all():
                continue
            if frame.camera.inside(keypoints).mean() < seen:
                continue
            crop = Crop.around(keypoints, scale=scale, size=size)
            image, joints = crop.extract(frame.image), frame.joints[side].copy()
            camera = replace(frame.camera, world_from_camera=None).cropped(crop.crop_from_image, size, size)
            if side == LEFT:
                image, joints[:, 0] = np.ascontiguousarray(image[:, ::-1]), -joints[:, 0]
                camera = replace(camera, cx=size - 1 - camera.cx)
            both = np.full((2, 21, 3), np.nan, np.float32)
            both[RIGHT] = joints
            yield EgoFrame(f"{frame.name}/{('left', 'right')[side]}", camera, image, both)


@dataclass
class _Columns:
    cameras: list[list[list[float]]] = field(default_factory=list)
    joints: list[list[list[float]]] = field(default_factory=list)
    scales: list[float] = field(default_factory=list)


def write_freihand(
    root: str | Path,
    training: Iterable[EgoFrame] = (),
    evaluation: Iterable[EgoFrame] = (),
    *,
    overwrite: bool = False,
) -> None:
    """Frames of right hands in the layout of FreiHAND: the folder appears whole or not at all. See `right_hands`.

    One picture of each entry, JPEG, of whatever size (FreiHAND's have 224 x 224; without pictures that is assumed).
    Numbers have the digits that give float32 back. Vertices and MANO's parameters are not written: an `EgoFrame` has
    none. Raises PalmarError for a frame without right hand, with a lens, or where some have pictures and some have not.
    """
    with whole_folder(root, overwrite, marker="training_xyz.json") as part:
        for name, frames in (("training", training), ("evaluation", evaluation)):
            columns, pictured = _Columns(), None
            for index, frame in enumerate(frames):
                if not frame.present[RIGHT]:
                    raise PalmarError(f"{frame.name}: no right hand; every picture of FreiHAND has one.")
                if frame.camera.distortion is not None:
                    raise PalmarError(f"{frame.name}: the layout has no place for a lens; undistort first.")
                if pictured not in (None, frame.image is not None):
                    raise PalmarError(f"{frame.name}: some frames have a picture, some have none.")
                pictured = frame.image is not None
                if frame.image is not None:
                    folder = part / name / "rgb"
                    folder.mkdir(parents=True, exist_ok=True)
                    write_image(folder / f"{index:08d}.jpg", frame.image)
                columns.cameras.append(frame.camera.matrix.tolist())
                joints = np.array([[float(f"{v:.9g}") for v in joint] for joint in frame.joints[RIGHT]])
                columns.joints.append(joints.tolist())
                columns.scales.append(float(np.linalg.norm(joints[10] - joints[9])))
            if columns.cameras or name == "training":
                write_text(part / f"{name}_K.json", json.dumps(columns.cameras))
                write_text(part / f"{name}_xyz.json", json.dumps(columns.joints))
                write_text(part / f"{name}_scale.json", json.dumps(columns.scales))
