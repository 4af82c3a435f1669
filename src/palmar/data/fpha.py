"""FPHA: a right hand that does 45 things, seen from the head (Garcia-Hernando et al., CVPR 2018), in its own layout.

    split = read_fpha("fpha", "train")               # the official half of the recordings; only lists are read
    write_fpha("folder", {"train": split})           # any split, so that what reads FPHA reads it

    data_split_action_recognition.txt                # Training 600, rows, Test 575, rows
    Hand_pose_annotation_v1_1/Subject_1/put_salt/1/skeleton.txt
    Object_6D_pose_annotation_v1_1/Subject_1/put_salt/1/object_pose.txt
    Video_files/Subject_1/put_salt/1/color/color_0000.jpeg, .../depth/depth_0000.png
    Object_models/salt_model/salt_model.ply

The files are in millimetres and in the frame of the depth camera; what comes out is in metres and, as a frame's camera
is the colour camera, in that camera's frame, in OpenPose order. Only the right hand is annotated. The object of a
recording is that of its action: each action has one, so who is given it as an input knows much of the answer.
"""

from __future__ import annotations

import json
import warnings
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int

from palmar.data.ego import Lazy
from palmar.data.h2o import fps_of, read_depth, vocabulary_of
from palmar.data.meshes import read_ply
from palmar.data.textfiles import NAME, Parsed, Tree, read_json, read_rows, safe_parts, whole, write_text
from palmar.errors import PalmarError, PalmarWarning, one_of
from palmar.geometry.camera import Camera
from palmar.geometry.transforms import inverse
from palmar.media.folder import whole_folder
from palmar.media.picture import decode, write_image
from palmar.types.firstperson import EgoClip, EgoFrame, Split, Vocabulary, box_points
from palmar.types.hands import RIGHT

PARTS = ("train", "test", "fit", "val")
PROTOCOLS = ("action", "cross-subject", "cross-object", "objects")
FPS = 30.0
COLOUR = Camera(1920, 1080, 1395.749023, 1395.749268, 935.732544, 540.681030)
DEPTH = Camera(640, 480, 475.065948, 475.065857, 315.944855, 245.287079)
COLOUR_FROM_DEPTH = np.array(
    [
        [0.999988496304, -0.00468848412856, 0.000982563360594, 0.0257],
        [0.00469115935266, 0.999985218048, -0.00273845880292, 0.00122],
        [-0.000969709653873, 0.00274303671904, 0.99999576807, 0.003902],
        [0, 0, 0, 1],
    ]
)
"""Metres."""
ORDER = (0, 1, 6, 7, 8, 2, 9, 10, 11, 3, 12, 13, 14, 4, 15, 16, 17, 5, 18, 19, 20)
"""Rows of a skeleton for the joints in OpenPose order: the files have wrist, five MCPs, then three of each finger."""
OBJECTS = (
    "none", "juice", "peanut_butter", "fork", "spoon", "milk", "mug", "tea_bag", "salt", "liquid_soap", "sponge",
    "soda_can", "spray", "pen", "paper", "letter", "book", "calculator", "match", "cell_charger", "glasses", "wallet",
    "coin", "card", "wine_bottle", "wine_glass", "hand",
)  # fmt: skip
_ACTIONS = (
    ("open_juice_bottle", 1), ("close_juice_bottle", 1), ("pour_juice_bottle", 1), ("open_peanut_butter", 2),
    ("close_peanut_butter", 2), ("prick", 3), ("sprinkle", 4), ("scoop_spoon", 4), ("put_sugar", 4), ("stir", 4),
    ("open_milk", 5), ("close_milk", 5), ("pour_milk", 5), ("drink_mug", 6), ("put_tea_bag", 7), ("put_salt", 8),
    ("open_liquid_soap", 9), ("close_liquid_soap", 9), ("pour_liquid_soap", 9), ("wash_sponge", 10),
    ("flip_sponge", 10), ("scratch_sponge", 10), ("squeeze_sponge", 10), ("open_soda_can", 11), ("use_flash", 12),
    ("write", 13), ("tear_paper", 14), ("squeeze_paper", 14), ("open_letter", 15), ("take_letter_from_enveloppe", 15),
    ("read_letter", 14), ("flip_pages", 16), ("use_calculator", 17), ("light_candle", 18), ("charge_cell_phone", 19),
    ("unfold_glasses", 20), ("clean_glasses", 20), ("open_wallet", 21), ("give_coin", 22), ("receive_coin", 22),
    ("give_card", 23), ("pour_wine", 24), ("toast_wine", 25), ("handshake", 26), ("high_five", 26),
)  # fmt: skip
VOCABULARY = Vocabulary(OBJECTS, tuple(name for name, _ in _ACTIONS), object_of=tuple(thing for _, thing in _ACTIONS))
"""45 actions, numbered from 0 as in the split file: there is none that means "unknown"."""
POSED = ("juice", "liquid_soap", "milk", "salt")
"""Objects with a model and 6D poses."""
_POSED_ACTIONS = (
    "open_juice_bottle", "close_juice_bottle", "pour_juice_bottle", "open_milk", "close_milk", "pour_milk", "put_salt",
    "open_liquid_soap", "close_liquid_soap", "pour_liquid_soap",
)  # fmt: skip
POSED_VOCABULARY = Vocabulary(
    ("none", *POSED),
    ("none", *_POSED_ACTIONS),
    object_of=(0, *(1 + POSED.index(OBJECTS[dict(_ACTIONS)[name]]) for name in _POSED_ACTIONS)),
)
"""Of the recordings with object poses, protocol "objects": ten actions, numbered from 1."""
BOXES: Mapping[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "juice": ((-0.0375, -0.0350, -0.1155), (0.0375, 0.0350, 0.1155)),
    "milk": ((-0.0491, -0.0595, -0.1341), (0.0491, 0.0595, 0.1341)),
    "liquid_soap": ((-0.0437, -0.0018, -0.1115), (0.0431, 0.0491, 0.1172)),
    "salt": ((-0.0374, -0.0026, -0.1120), (0.0340, 0.0679, 0.0301)),
}
"""Least and largest coordinates of the models, metres."""
SKIPPED = ("Subject_2/close_milk/4", "Subject_2/put_tea_bag/2", "Subject_4/flip_sponge/2")
"""Recordings whose annotation is damaged, left out as published evaluations do."""
_SUBJECTS = {"train": (1, 3, 4), "test": (2, 5, 6)}
_UNSEEN = ("peanut_butter", "fork", "milk", "tea_bag", "liquid_soap", "spray", "paper", "calculator", "cell_charger",
           "coin", "card", "wine_bottle")  # fmt: skip
"""Objects of the test part of the cross-object protocol; paper is what read_letter has, too."""

HANDS = ("Hand_pose_annotation_v1_1", "Hand_pose_annotation_v1")
THINGS = ("Object_6D_pose_annotation_v1_1", "Object_6D_pose_annotation_v1")
VIDEOS = {"color": "Video_files", "480": "Video_files_480"}
SPLIT_FILE, INFO_FILE, EXTRA = "data_split_action_recognition.txt", "action_object_info.txt", "palmar.json"


def _moved(a_from_b: Float[np.ndarray, "4 4"], points_b: Float[np.ndarray, "*k 3"]) -> Float[np.ndarray, "*k 3"]:
    return points_b @ a_from_b[:3, :3].T + a_from_b[:3, 3]


# -------------------------------------------------------------------------------------------------------------- files


def read_skeleton(path: Path) -> tuple[Int[np.ndarray, " t"], Float[np.ndarray, "t 21 3"]]:
    """`skeleton.txt`: frame numbers, and joints in metres, frame of the depth camera, OpenPose order.

    A row of zeros is a hand that is not annotated: NaN.
    """
    rows = read_rows(path, 64, "64 numbers (the frame, 21 x 3 millimetres)")
    joints = rows[:, 1:].reshape(-1, 21, 3)[:, ORDER] / 1000
    joints = np.where(np.asarray(rows[:, 1:].any(1))[:, None, None], joints, np.nan)
    return _numbers(rows[:, 0], path), joints


def write_skeleton(path: Path, joints: Float[np.ndarray, "t 21 3"]) -> None:
    """`skeleton.txt` of frames 0, 1, ...; what `read_skeleton` reads back."""
    raw = np.empty_like(joints)
    raw[:, ORDER] = joints * 1000
    raw = np.where(np.asarray(np.isfinite(raw).all((1, 2)))[:, None, None], raw, 0)
    write_text(path, "".join(f"{t} {_short(row)}\n" for t, row in enumerate(raw)))


def _short(values: np.ndarray) -> str:
    return " ".join(f"{v:.9g}" for v in values.ravel())


def _numbers(column: np.ndarray, path: Path) -> Int[np.ndarray, " t"]:
    """Frame numbers, whole and rising."""
    bad = (column % 1 != 0) | (column < 0) | (np.diff(column, prepend=-1) <= 0) | (column > 999_999)
    if bad.any():
        line = int(np.argmax(bad)) + 1
        raise PalmarError(f"{path}: line {line}: expected the number of the frame, a whole one that rises.")
    return column.astype(np.int64)


def read_object_poses(path: Path) -> tuple[Int[np.ndarray, " t"], Float[np.ndarray, "t 4 4"]]:
    """`object_pose.txt`: frame numbers, and depth_from_object, metres. The file has columns, and millimetres."""
    rows = read_rows(path, 17, "17 numbers (the frame, a 4 x 4 matrix in columns, millimetres)")
    poses = rows[:, 1:].reshape(-1, 4, 4).transpose(0, 2, 1).copy()
    turns = poses[:, :3, :3]
    good = np.isclose(turns @ turns.transpose(0, 2, 1), np.eye(3), atol=1e-2).all((1, 2)) & (np.linalg.det(turns) > 0)
    good &= np.isclose(poses[:, 3], (0, 0, 0, 1), atol=1e-6).all(1)
    if not good.all():
        line = int(np.argmin(good)) + 1
        raise PalmarError(f"{path}: line {line}: expected a rotation and a translation, column after column.")
    poses[:, :3, 3] /= 1000
    return _numbers(rows[:, 0], path), poses


def write_object_poses(path: Path, numbers: Sequence[int], depth_from_object: Float[np.ndarray, "t 4 4"]) -> None:
    """`object_pose.txt`."""
    poses = np.array(depth_from_object, np.float64)
    poses[:, :3, 3] *= 1000
    rows = zip(numbers, poses.transpose(0, 2, 1), strict=True)
    write_text(path, "".join(f"{number} {_short(pose)}\n" for number, pose in rows))


@dataclass(frozen=True)
class Row:
    """A recording, `Subject_1/put_salt/1`, and its action."""

    name: str
    action: int


def read_split(path: Path, actions: int = 45) -> tuple[list[Row], list[Row]]:
    """`data_split_action_recognition.txt`: training and test. The words of the headers part them, not row numbers."""
    listed = Parsed.read(path, "Training 600, rows, Test 575, rows")
    parts: dict[str, list[Row]] = {}
    promised: dict[str, int] = {}
    current = ""
    for index, line in enumerate(listed.lines):
        words, where = line.split(), listed.where(index)
        if not words:
            continue
        if words[0] in ("Training", "Test") and len(words) == 2:
            current = words[0]
            if current in parts:
                raise PalmarError(f"{where}: a second header {current}.")
            parts[current], promised[current] = [], whole(words[1], 0, 100_000, where, "a number of rows")
            continue
        expected = "a row like Subject_1/put_salt/1 15"
        if not current or len(words) != 2:
            raise PalmarError(f"{where}: expected {expected if current else 'the header Training N'}.")
        safe = safe_parts(words[0], where, expected)
        if len(safe) != 3:
            raise PalmarError(f"{where}: {words[0][:80]!r}: expected {expected}.")
        parts[current].append(Row("/".join(safe), whole(words[1], 0, actions - 1, where, "an action")))
    for name in ("Training", "Test"):
        if name not in parts:
            raise PalmarError(f"{path}: no header {name} with a number of rows.")
        if len(parts[name]) != promised[name]:
            raise PalmarError(f"{path}: {name} has {len(parts[name])} rows, its header says {promised[name]}.")
    return parts["Training"], parts["Test"]


@dataclass(frozen=True)
class ActionInfo:
    """A row of `action_object_info.txt`."""

    action: int
    """Label: the file's id less 1."""
    name: str
    object: str
    tag: str
    """Whether and under which name it has object poses, in the file's words."""
    scenario: str


def read_action_info(path: Path) -> list[ActionInfo]:
    """`action_object_info.txt`: a header, then id, action, object, object_pose_tag, scenario."""
    expected = "a row of id action object object_pose_tag scenario"
    listed = Parsed.read(path, expected, 1 << 20)

    def row(line: str, where: str) -> ActionInfo:
        words = line.split(maxsplit=4)
        if len(words) != 5:
            raise PalmarError(f"{where}: {len(words)} words; expected {expected}.")
        return ActionInfo(whole(words[0], 1, 100_000, where, "an id") - 1, *words[1:])

    return listed.rows(row, 1)


def read_model(path: Path) -> tuple[Float[np.ndarray, "v 3"], Int[np.ndarray, "f 3"]]:
    """`Object_models/salt_model/salt_model.ply`: vertices in metres, and triangles."""
    return read_ply(path)


# --------------------------------------------------------------------------------------------------------- recordings


@dataclass(frozen=True)
class Recording:
    """What lies on disk of `Subject_1/put_salt/1`."""

    name: str
    hand_file: Path
    object_file: Path | None
    videos: Mapping[str, Path]
    """Folders with color and depth in them, by kind: "color" and "480"."""

    @cached_property
    def skeleton(self) -> tuple[Int[np.ndarray, " t"], Float[np.ndarray, "t 21 3"]]:
        """Frame numbers and joints, metres, depth camera."""
        return read_skeleton(self.hand_file)

    @cached_property
    def poses(self) -> Mapping[int, Float[np.ndarray, "4 4"]]:
        """colour_from_object by frame number; empty without object poses."""
        if self.object_file is None:
            return {}
        numbers, poses = read_object_poses(self.object_file)
        return dict(zip(numbers.tolist(), COLOUR_FROM_DEPTH @ poses, strict=True))

    @property
    def joints(self) -> Float32[np.ndarray, "t 21 3"]:
        """Metres, colour camera."""
        return _moved(COLOUR_FROM_DEPTH, self.skeleton[1]).astype(np.float32)

    def picture(self, number: int, kind: str = "color") -> np.ndarray | None:
        """RGB: "color", 1920 x 1080, or "480", the copies at a quarter. None where there is no such folder."""
        folder = Tree(self.videos[kind]).folder("color", "colour") if kind in self.videos else None
        return None if folder is None else decode(_numbered(folder, "color", number, ("jpeg", "jpg", "png"))).image

    def depth(self, number: int) -> Float32[np.ndarray, "h w"] | None:
        """Metres, NaN for nothing, by the depth camera (`DEPTH`). None where there is no such folder."""
        folder = Tree(self.videos["color"]).folder("depth") if "color" in self.videos else None
        return None if folder is None else read_depth(_numbered(folder, "depth", number, ("png",)))


def _numbered(folder: Tree, stem: str, number: int, endings: Sequence[str]) -> Path:
    names = [f"{stem}_{number:04d}.{ending}" for ending in endings]
    found = next((folder.path / name for name in names if (folder.path / name).exists()), None)
    if found is None:
        raise PalmarError(f"{folder.path / names[0]}: no such file; expected a picture of frame {number}.")
    return found


@dataclass(frozen=True)
class FPHA:
    """A folder in the layout of FPHA."""

    root: Path
    kept: dict[str, Recording] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def top(self) -> Tree:
        return Tree(self.root)

    @cached_property
    def extra(self) -> Mapping[str, Any]:
        """What `write_fpha` says of a split of something else."""
        path = self.root / EXTRA
        if not path.exists():
            return {}
        values = read_json(path, 64 << 20, "an object with fps, vocabulary, recordings")
        things = values.get("recordings") if isinstance(values, dict) else None
        if not isinstance(things, dict):
            raise PalmarError(f"{path}: expected an object with fps, vocabulary, recordings.")
        for name, thing in things.items():
            box = np.array(thing.get("box") or np.zeros((2, 3)), object) if isinstance(thing, dict) else np.zeros(0)
            if box.shape != (2, 3) or not all(isinstance(v, int | float) and abs(v) < 1e3 for v in box.ravel()):
                raise PalmarError(f"{path}: recordings: {name[:80]}: expected an object and a box of 2 x 3 numbers.")
            whole(
                thing.get("object", -1),
                0,
                len(self.vocabulary_in(values).objects) - 1,
                f"{path}: {name[:80]}",
                "object",
            )
        return values

    def vocabulary_in(self, values: Mapping[str, Any]) -> Vocabulary:
        return vocabulary_of(values, self.root / EXTRA, VOCABULARY)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return self.vocabulary_in(self.extra)

    def camera(self, name: str) -> Camera:
        """The colour camera of a recording: FPHA's, if palmar.json does not say another."""
        stated = self.extra.get("recordings", {}).get(name, {}).get("camera")
        if stated is None:
            return COLOUR
        try:
            return Camera.from_dict(stated)
        except PalmarError as err:
            raise PalmarError(f"{self.root / EXTRA}: recordings: {name}: {err}") from err

    def recording(self, name: str) -> Recording:
        if name not in self.kept:
            parts = safe_parts(name, str(self.root), "a recording like Subject_1/put_salt/1")

            def under(*tops: str) -> Tree | None:
                for top in tops:
                    place = self.top.folder(top)
                    for part in parts:
                        place = place.folder(part) if place is not None else None
                    if place is not None:
                        return place
                return None

            hand = under(*HANDS)
            file = hand.find("skeleton.txt") if hand is not None else None
            if file is None:
                raise PalmarError(f"{self.root}: no {HANDS[0]}/{name}/skeleton.txt, which the split file names.")
            thing = under(*THINGS)
            videos = {kind: place.path for kind, top in VIDEOS.items() if (place := under(top)) is not None}
            if len(self.kept) >= 2000:
                self.kept.clear()
            self.kept[name] = Recording(name, file, thing.find("object_pose.txt") if thing else None, videos)
        return self.kept[name]

    def rows(self, part: str, protocol: str = "action", *, skip: bool = True) -> list[Row]:
        """See `read_fpha`."""
        one_of("protocol of FPHA", protocol, PROTOCOLS)
        one_of("part of FPHA", part, PARTS)
        path = self.top.find(SPLIT_FILE)
        if path is None:
            raise PalmarError(f"{self.root}: no {SPLIT_FILE}; expected the root of FPHA.")
        training, test = read_split(path, len(self.vocabulary.actions))
        if skip:
            training, test = ([row for row in rows if row.name not in SKIPPED] for rows in (training, test))
        wanted = "test" if part == "test" else "train"
        if protocol == "cross-subject":
            subjects = {f"subject_{k}" for k in _SUBJECTS[wanted]}
            rows = [row for row in training + test if row.name.partition("/")[0].lower() in subjects]
        elif protocol == "cross-object":
            unseen = {OBJECTS.index(name) for name in _UNSEEN}
            rows = [
                row for row in training + test if (VOCABULARY.object_of[row.action] in unseen) == (wanted == "test")
            ]
        else:
            rows = test if wanted == "test" else training
        if protocol == "objects":
            names = {VOCABULARY.actions.index(name): 1 + i for i, name in enumerate(_POSED_ACTIONS)}
            rows = [Row(row.name, names[row.action]) for row in rows if row.action in names]
            rows = [row for row in rows if self.recording(row.name).object_file is not None]
        if part in ("fit", "val"):
            rows = [row for i, row in enumerate(rows) if (i % 10 == 9) == (part == "val")]
        return rows

    def split(self, part: str, protocol: str, *, pictures: str | None, skip: bool) -> Split:
        """See `read_fpha`."""
        if protocol not in ("action", "cross-subject") and self.vocabulary != VOCABULARY:
            raise PalmarError(
                f"{self.root}: the protocol {protocol!r} is about the objects of FPHA, which are not here."
            )
        vocabulary = POSED_VOCABULARY if protocol == "objects" else self.vocabulary
        rows = self.rows(part, protocol, skip=skip)
        reader = _Reader(self, tuple(rows), vocabulary, pictures)
        fps = fps_of(self.extra, self.root / EXTRA, FPS)
        clips = Lazy(len(rows), lambda i: reader.clip(i, fps))
        return Split(vocabulary, _Frames(reader), clips, fps)


@dataclass(frozen=True)
class _Reader:
    data: FPHA
    rows: tuple[Row, ...]
    vocabulary: Vocabulary
    pictures: str | None

    @cached_property
    def starts(self) -> list[int]:
        """Number of the first frame of each recording among all, and their sum: every skeleton is read for it."""
        counts = [len(self.data.recording(row.name).skeleton[0]) for row in self.rows]
        return [0, *np.cumsum(counts).tolist()]

    def thing(self, row: Row) -> tuple[int, Float[np.ndarray, "21 3"] | None, bool]:
        """The object of a recording, the points of its box, and whether it is there only where it has a pose."""
        stated = self.data.extra.get("recordings", {}).get(row.name)
        if stated is not None:
            box = stated.get("box")
            return int(stated["object"]), None if box is None else box_points(*np.array(box, np.float64)), True
        number = self.vocabulary.object_of[row.action] if self.vocabulary.object_of else 0
        name = self.vocabulary.objects[number]
        return number, box_points(*np.array(BOXES[name])) if name in BOXES else None, False

    def points(self, row: Row, numbers: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Objects [t] and box points [t, 21, 3] of some frames."""
        thing, box, only_posed = self.thing(row)
        poses = self.data.recording(row.name).poses
        points = np.full((len(numbers), 21, 3), np.nan, np.float32)
        if box is not None:
            for t, number in enumerate(numbers):
                if number in poses:
                    points[t] = _moved(poses[number], box)
        there = np.isfinite(points).all((1, 2)) | (not only_posed)
        return np.where(there, thing, 0), points

    def clip(self, index: int, fps: float) -> EgoClip:
        row = self.rows[index]
        recording = self.data.recording(row.name)
        numbers = recording.skeleton[0].tolist()
        if not numbers:
            raise PalmarError(f"{recording.hand_file}: no rows; expected one for each frame.")
        joints = np.full((len(numbers), 2, 21, 3), np.nan, np.float32)
        joints[:, RIGHT] = recording.joints
        objects, points = self.points(row, numbers)
        names = tuple(f"{row.name}/{number:04d}" for number in numbers)
        times = (np.array(numbers, np.float64) - numbers[0]) / fps
        return EgoClip(row.name, self.data.camera(row.name), times, joints, objects, points, row.action, names)

    def frame(self, index: int) -> EgoFrame:
        which = bisect_right(self.starts, index) - 1
        row, t = self.rows[which], index - self.starts[which]
        recording = self.data.recording(row.name)
        number = int(recording.skeleton[0][t])
        joints = np.full((2, 21, 3), np.nan, np.float32)
        joints[RIGHT] = _moved(COLOUR_FROM_DEPTH, recording.skeleton[1][t])
        objects, points = self.points(row, [number])
        image = recording.picture(number, self.pictures) if self.pictures else None
        camera = self.data.camera(row.name)
        if image is not None and image.shape[:2] != (camera.height, camera.width):
            camera = camera.resized(image.shape[1], image.shape[0])
        pose = recording.poses.get(number)
        return EgoFrame(
            f"{row.name}/{number:04d}",
            camera,
            image,
            joints,
            int(objects[0]),
            points[0],
            None if pose is None else pose.astype(np.float32),
            action=row.action,
        )


@dataclass(frozen=True)
class _Frames(Sequence[EgoFrame]):
    """All frames; how many there are is found out when it is asked for."""

    reader: _Reader

    def __len__(self) -> int:
        return self.reader.starts[-1]

    def __getitem__(self, index: Any) -> Any:
        return Lazy(len(self), self.reader.frame)[index]


def read_fpha(
    root: str | Path,
    split: str = "train",
    *,
    protocol: str = "action",
    pictures: str | None = "color",
    skip: bool = True,
) -> Split:
    """A part of FPHA.

    split: "train" or "test". There is no official validation part: "val" is every tenth recording of train, "fit" the
    others; train itself stays the official one, so who picks by val should train on fit.
    protocol: "action" (the official 600 and 575 recordings), "cross-subject" (train: subjects 1, 3, 4), "cross-object"
    (twelve objects only in test), or "objects" (recordings with object poses: 4 objects, 10 actions from 1).
    pictures: "color", "480" (copies of a quarter the size), or None. A frame has none where the videos are absent.
    skip: leave out three recordings whose annotation is damaged.
    Raises PalmarError naming file, line, and what was expected.
    """
    root = Path(root)
    if not root.is_dir():
        raise PalmarError(f"{root}: no such folder; expected the root of FPHA.")
    if pictures is not None:
        one_of("kind of picture", pictures, VIDEOS)
    if split == "val":
        warnings.warn(
            "FPHA has no validation part: val is every tenth recording of train; train on 'fit' to keep them apart.",
            PalmarWarning,
            stacklevel=2,
        )
    return FPHA(root).split(split, protocol, pictures=pictures, skip=skip)


# ------------------------------------------------------------------------------------------------------------ writing


def write_fpha(
    root: str | Path, splits: Mapping[str, Split], *, drop_left: bool = False, overwrite: bool = False
) -> None:
    """Splits of anything, "train" and "test", in the layout of FPHA: the folder appears whole or not at all.

    Every clip becomes a recording; frames that belong to none are lost, and so are names, places in a world, hand-model
    parameters, and all objects of a clip but the one that is seen longest. What the layout has no place for, the
    vocabulary, frames per second, and each recording's camera and box of the object, is in palmar.json. Numbers
    have nine digits, pictures are JPEG.

    Raises PalmarError for a left hand, unless `drop_left`, and for a recording with several cameras.
    """
    for name in splits:
        one_of("part of FPHA to write", name, ("train", "test"))
    if not splits:
        raise PalmarError(f"{root}: no split to write; give train, test or both.")
    first = next(iter(splits.values()))
    if any(split.vocabulary != first.vocabulary or split.fps != first.fps for split in splits.values()):
        raise PalmarError(f"{root}: the splits differ in vocabulary or frames per second; one folder has one of each.")
    with whole_folder(root, overwrite, marker=EXTRA) as part:
        writer = _Writer(part, first.vocabulary, drop_left)
        listed = {name: writer.split(name, splits[name]) if name in splits else [] for name in ("train", "test")}
        lines = []
        for title, rows in (("Training", listed["train"]), ("Test", listed["test"])):
            lines += [f"{title} {len(rows)}", *rows]
        write_text(part / SPLIT_FILE, "".join(f"{line}\n" for line in lines))
        words = first.vocabulary
        info = ["id action object object_pose_tag scenario"]
        for number, action in enumerate(words.actions):
            thing = words.objects[words.object_of[number]] if words.object_of else "none"
            info.append(f"{number + 1} {_folder(action)} {_folder(thing)} 1 none")
        write_text(part / INFO_FILE, "".join(f"{line}\n" for line in info))
        extra: dict[str, Any] = {"fps": first.fps}
        if words != VOCABULARY:
            extra["vocabulary"] = asdict(words)
        write_text(part / EXTRA, json.dumps({**extra, "recordings": writer.things}, indent=1) + "\n")


def _folder(name: str) -> str:
    """A name that may stand in a path."""
    out = "".join(c if c.isalnum() and c.isascii() else "_" for c in name).strip("_") or "unnamed"
    return out if NAME.fullmatch(out) else "unnamed"


@dataclass
class _Writer:
    root: Path
    vocabulary: Vocabulary
    drop_left: bool
    cameras: dict[str, Camera] = field(default_factory=dict)
    things: dict[str, Any] = field(default_factory=dict)
    """Object, box and camera of each recording."""

    def folder(self, top: str, name: str) -> Path:
        folder = self.root / top / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def seen(self, name: str, camera: Camera) -> None:
        camera = Camera.from_dict({**camera.to_dict(), "world_from_camera": None})
        if self.cameras.setdefault(name, camera) != camera:
            raise PalmarError(f"{name}: its frames have several cameras; a recording of FPHA has one.")

    def split(self, part: str, split: Split) -> list[str]:
        """Rows of the split file."""
        subject = {"train": 1, "test": 2}[part]
        counts: Counter[int] = Counter()
        rows, places = [], {}
        bases: dict[str, list[Float[np.ndarray, "4 4"] | None]] = {}
        clips = []
        for i in range(len(split.clips)):
            clip = split.clips[i]
            counts[clip.action] += 1
            name = f"Subject_{subject}/{_folder(self.vocabulary.actions[clip.action])}/{counts[clip.action]}"
            self.hand(name, clip)
            bases[name] = [None] * len(clip)
            places.update({frame: (name, t) for t, frame in enumerate(clip.frames)})
            rows.append(f"{name} {clip.action}")
            clips.append((name, i))
        pictured: Counter[str] = Counter()
        for frame in split.frames:
            if frame.name in places:
                name, t = places[frame.name]
                self.seen(name, frame.camera)
                bases[name][t] = frame.camera_from_object
                if frame.image is not None:
                    pictured[name] += 1
                    folder = self.folder("Video_files", f"{name}/color")
                    write_image(folder / f"color_{t:04d}.jpeg", frame.image)
        for name, i in clips:
            clip = split.clips[i]
            if pictured[name] not in (0, len(clip)):
                raise PalmarError(f"{clip.name}: {pictured[name]} pictures of {len(clip)} frames; give all or none.")
            self.thing(name, clip, bases[name])
        return rows

    def hand(self, name: str, clip: EgoClip) -> None:
        self.seen(name, clip.camera)
        if not self.drop_left and np.isfinite(clip.joints[:, 1 - RIGHT]).any():
            raise PalmarError(
                f"{clip.name}: has a left hand, for which FPHA has no place; drop_left=True leaves it out."
            )
        joints = _moved(inverse(COLOUR_FROM_DEPTH), clip.joints[:, RIGHT].astype(np.float64))
        write_skeleton(self.folder(HANDS[0], name) / "skeleton.txt", joints)

    def thing(self, name: str, clip: EgoClip, bases: Sequence[Float[np.ndarray, "4 4"] | None]) -> None:
        known = np.isfinite(clip.points).all((1, 2)) & (clip.objects > 0)
        number = Counter(clip.objects[clip.objects > 0].tolist()).most_common(1)
        which = number[0][0] if number else 0
        rows = np.flatnonzero(known & (clip.objects == which)).tolist()
        self.things[name] = {"object": int(which), "box": None, "camera": self.cameras[name].to_dict()}
        if not rows:
            return
        given = [base for base in (bases[t] for t in rows) if base is not None]
        posed = len(given) == len(rows)
        poses = np.stack(given if posed else [pose_of_box(clip.points[t]) for t in rows]).astype(np.float64)
        own = _moved(inverse(poses[0]), clip.points[rows[0]].astype(np.float64))
        self.things[name]["box"] = [own.min(0).tolist(), own.max(0).tolist()]
        depth_from_object = inverse(COLOUR_FROM_DEPTH) @ poses
        write_object_poses(self.folder(THINGS[0], name) / "object_pose.txt", rows, depth_from_object)


def pose_of_box(points: Float[np.ndarray, "21 3"]) -> Float[np.ndarray, "4 4"]:
    """The pose of a box by its points (`palmar.types.firstperson.box_points`): its middle, and its axes.

    Raises PalmarError for a box that is flat in two directions: nothing says how it is turned.
    """
    points = np.asarray(points, np.float64)
    axes = np.stack([points[1] - points[2], points[1] - points[5], points[1] - points[4]], 1)
    lengths = np.linalg.norm(axes, axis=0)
    thin = int(np.argmin(lengths))
    a, b = (thin + 1) % 3, (thin + 2) % 3
    if lengths[a] < 1e-6 or lengths[b] < 1e-6:
        raise PalmarError("box points that lie on a line do not say how the box is turned.")
    axes[:, thin] = np.cross(axes[:, a] / lengths[a], axes[:, b] / lengths[b])
    u, _, v = np.linalg.svd(axes / np.linalg.norm(axes, axis=0))
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = u @ v, points[0]
    return out
