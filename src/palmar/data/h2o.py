"""H2O: two hands and an object from a head camera (Kwon et al., ICCV 2021), read and written in its own layout.

    split = read_h2o("h2o", "train")                 # a palmar.types.Split; only the lists are read
    write_h2o("folder", {"train": split})            # any split, so that what reads H2O reads it

    subject1/h1/0/cam4/rgb/000000.png                # and rgb256, depth, cam_pose, hand_pose, hand_pose_mano, obj_pose,
                       hand_pose/000000.txt          # obj_pose_rt, verb_label, action_label, cam_intrinsics.txt
    label_split/pose_train.txt                       # or in pose_lists/, action_labels/, or beside the subjects
    label_split/action_train.txt

Folders are found whatever the case of their letters, and in the trees of the download packs, `subject1_ego` and
`subject1_pose`, as if they were one. A folder that is absent means that nobody knows what it would say (no picture, no
world); a file that is absent from a folder that is there is an error. Hands, objects and intrinsics must be there.
Metres, camera frame, OpenPose order: the files' own conventions are palmar's.

The split is official: train is subjects 1 and 2 and h1, h2, k1 of subject 3, val the rest of subject 3, test subject 4,
whose clips have no action in the lists. Hand poses of test are in the release for pose estimation; a recogniser of
actions must not read them (rule of the challenge): give it `read_estimates`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from palmar.data.ego import Lazy
from palmar.data.meshes import read_obj, read_ply
from palmar.data.textfiles import (
    Parsed,
    Tree,
    line_of,
    read_json,
    read_numbers,
    safe_parts,
    whole,
    write_text,
)
from palmar.errors import PalmarError, one_of
from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotmat_from_rotvec, rotvec_from_rotmat
from palmar.media.folder import whole_file, whole_folder
from palmar.media.header import read_header
from palmar.media.picture import MAX_PIXELS, decode, write_image
from palmar.types.firstperson import EgoClip, EgoFrame, Split, Vocabulary, box_points

SPLITS = ("train", "val", "test")
FPS = 30.0
VIEWS = ("cam0", "cam1", "cam2", "cam3", "cam4")
"""cam4 is on the head, the others stand."""
CAMERA = Camera(1280, 720, 636.6593017578125, 636.251953125, 635.283881879317, 366.8740353496978)
"""Of cam4 in every take; what the takes' own files say is what the reader uses."""
OBJECTS = ("none", "book", "espresso", "lotion", "spray", "milk", "cocoa", "chips", "cappuccino")
VERBS = (
    "none", "grab", "place", "open", "close", "pour", "take out", "put in", "apply", "read", "spray", "squeeze",
)  # fmt: skip
_PAIRS = (
    ("none", "none"),
    *(("grab", thing) for thing in OBJECTS[1:]),
    *(("place", thing) for thing in OBJECTS[1:]),
    ("open", "lotion"), ("open", "milk"), ("open", "chips"),
    ("close", "lotion"), ("close", "milk"), ("close", "chips"),
    ("pour", "milk"),
    ("take out", "espresso"), ("take out", "cocoa"), ("take out", "chips"), ("take out", "cappuccino"),
    ("put in", "espresso"), ("put in", "cocoa"), ("put in", "cappuccino"),
    ("apply", "lotion"), ("apply", "spray"),
    ("read", "book"), ("read", "espresso"),
    ("spray", "spray"),
    ("squeeze", "lotion"),
)  # fmt: skip
VOCABULARY = Vocabulary(
    OBJECTS,
    tuple("none" if verb == "none" else f"{verb} {thing}" for verb, thing in _PAIRS),
    VERBS,
    tuple(VERBS.index(verb) for verb, _ in _PAIRS),
    tuple(OBJECTS.index(thing) for _, thing in _PAIRS),
)
"""Eight objects, eleven verbs, 36 actions, and "none" before each: the numbers that the files hold."""
HALF_EXTENTS = (
    (0.0195, 0.1053, 0.1158), (0.0162, 0.0323, 0.0759), (0.0189, 0.0308, 0.1024), (0.0228, 0.0256, 0.1011),
    (0.0367, 0.0392, 0.1012), (0.0406, 0.0466, 0.0732), (0.0357, 0.0373, 0.1306), (0.0560, 0.0563, 0.0579),
)  # fmt: skip
"""Metres along x, y, z of objects 1 to 8, whose boxes stand around their own zero."""

MESH_NAMES = (
    ("book",), ("espresso",), ("lotion",), ("lotion_spray", "spray"), ("milk",), ("cocoa", "ovomaltine"),
    ("chips", "pringles"), ("cappuccino", "starbucks"),
)  # fmt: skip
"""Folders of objects 1 to 8 in object.zip: some have the name of a product."""

HAND = "128 numbers (a flag and 21 x 3 metres of the left hand, then of the right)"
MANO = "124 numbers (a flag, translation 3, pose 48, shape 10 of the left hand, then of the right)"
POINTS = "64 numbers (the class, 21 x 3 metres)"
POSE = "17 numbers (the class, a 4 x 4 matrix in rows)"
EXTRA = "palmar.json"
"""What palmar writes beside the subjects: vocabulary and frames per second of a split that is not H2O."""
_FRAME = re.compile(r"(subject[0-9]+)/([a-z0-9]+)/([0-9]+)/(cam[0-9])/rgb/([0-9]{6})\.(?:png|jpg)", re.IGNORECASE)
_TREE = re.compile(r"(subject[0-9]+)(_ego|_pose)?(_v[0-9_]+)?", re.IGNORECASE)
_LISTED = "a row like subject1/h1/0/cam4/rgb/000000.png"
_LONGEST = 100_000
"""Frames of a clip at most."""


def template(number: int) -> Float[np.ndarray, "21 3"]:
    """Box points of object 1 to 8 in its own frame, metres."""
    half = np.array(HALF_EXTENTS[whole(number, 1, 8, "H2O", "an object") - 1])
    return box_points(-half, half)


def read_mesh(folder: str | Path, number: int) -> tuple[Float[np.ndarray, "v 3"], Int[np.ndarray, "f 3"]]:
    """Vertices (metres, the object's own frame) and triangles of object 1 to 8, from the unpacked object.zip.

    folder: with one folder for each object in it, of the object's name or the shop's. The first PLY or OBJ file is it.
    """
    names = MESH_NAMES[whole(number, 1, 8, "H2O", "an object") - 1]
    place = Tree(Path(folder)).folder(*names)
    files = [f for f in place.entries.values() if f.suffix.lower() in (".ply", ".obj")] if place is not None else []
    if not files:
        raise PalmarError(f"{folder}: no folder {' or '.join(names)} with a PLY or OBJ file; unpack object.zip there.")
    return read_ply(files[0]) if files[0].suffix.lower() == ".ply" else read_obj(files[0])


# ---------------------------------------------------------------------------------------------------------- one file


@dataclass(frozen=True, eq=False)
class ManoHands:
    """`hand_pose_mano`: parameters of MANO (no PCA, flat mean, and its own frame), NaN for a hand without.

    The vertices of a layer with this pose and shape, plus the translation, lie in the camera frame.
    """

    translation: Float32[np.ndarray, "2 3"]
    pose: Float32[np.ndarray, "2 16 3"]
    shape: Float32[np.ndarray, "2 10"]

    @property
    def present(self) -> Bool[np.ndarray, " 2"]:
        return np.asarray(np.isfinite(self.translation).all(1))

    def moved(self, world_from_camera: Float[np.ndarray, "4 4"], wrists: Float[np.ndarray, "2 3"]) -> ManoHands:
        """The parameters of the same hands in the world.

        wrists: where the layer itself puts each wrist for this shape, metres. The wrist's rotation is about that point
        and not about zero, so that the translation takes a share of it.
        """
        turn, place = world_from_camera[:3, :3], world_from_camera[:3, 3]
        pose = self.pose.copy()
        there = self.present
        pose[there, 0] = rotvec_from_rotmat(turn @ rotmat_from_rotvec(self.pose[there, 0].astype(np.float64)))
        translation = (wrists + self.translation) @ turn.T + place - wrists
        return ManoHands(translation.astype(np.float32), pose, self.shape)


def _two_hands(path: Path, length: int, expected: str) -> Float[np.ndarray, "2 n"]:
    """Two flags and the numbers behind each: undefined where the flag is 0, which becomes NaN."""
    values = read_numbers(path, 2 * (length + 1), expected, finite=False).reshape(2, length + 1)
    for side, row in zip(("left", "right"), values, strict=True):
        flag = whole(row[0], 0, 1, f"{path}: line 1", f"the flag of the {side} hand")
        if flag and not np.isfinite(row).all():
            raise PalmarError(f"{path}: line 1: a number of the {side} hand is not finite; expected {expected}.")
    return np.where(values[:, :1] == 1, values[:, 1:], np.nan)


def read_hands(path: Path) -> Float32[np.ndarray, "2 21 3"]:
    """`hand_pose`: joints, left then right; NaN for a hand that is not annotated."""
    return _two_hands(path, 63, HAND).reshape(2, 21, 3).astype(np.float32)


def write_hands(path: Path, joints: Float32[np.ndarray, "2 21 3"]) -> None:
    """`hand_pose`. A hand with a joint that is not finite is not annotated: flag 0 and zeros."""
    write_text(path, " ".join(_flagged(hand) for hand in joints.reshape(2, 63)))


def _flagged(row: np.ndarray) -> str:
    known = bool(np.isfinite(row).all())
    return f"{int(known)} {line_of(row if known else np.zeros_like(row))}"


def read_mano(path: Path) -> ManoHands:
    """`hand_pose_mano`."""
    values = _two_hands(path, 61, MANO).astype(np.float32)
    return ManoHands(values[:, :3], values[:, 3:51].reshape(2, 16, 3), values[:, 51:])


def write_mano(path: Path, hands: ManoHands) -> None:
    """`hand_pose_mano`."""
    rows = np.concatenate([hands.translation, hands.pose.reshape(2, 48), hands.shape], 1)
    write_text(path, " ".join(_flagged(row) for row in rows))


def read_object(path: Path, most: int = 8) -> tuple[int, Float32[np.ndarray, "21 3"]]:
    """`obj_pose`: class and box points. Of class 0, or where all are zero, the points are unknown: NaN."""
    values = read_numbers(path, 64, POINTS)
    number = whole(values[0], 0, most, f"{path}: line 1", "the class of the object")
    points = values[1:].reshape(21, 3).astype(np.float32)
    return number, points if number and points.any() else np.full((21, 3), np.nan, np.float32)


def write_object(path: Path, number: int, points: Float32[np.ndarray, "21 3"]) -> None:
    """`obj_pose`. Points that are unknown are zeros."""
    known = number and np.isfinite(points).all()
    write_text(path, f"{number} {line_of(points if known else np.zeros((21, 3), np.float32))}")


def read_object_pose(path: Path, most: int = 8) -> tuple[int, Float32[np.ndarray, "4 4"] | None]:
    """`obj_pose_rt`: class and camera_from_object; None where it is all zero or of class 0."""
    values = read_numbers(path, 17, POSE)
    number = whole(values[0], 0, most, f"{path}: line 1", "the class of the object")
    matrix = values[1:].reshape(4, 4)
    if not number or not matrix.any():
        return number, None
    _check_rigid(matrix, path)
    return number, matrix.astype(np.float32)


def write_object_pose(path: Path, number: int, camera_from_object: Float32[np.ndarray, "4 4"] | None) -> None:
    """`obj_pose_rt`."""
    if not number or camera_from_object is None:
        camera_from_object = np.zeros((4, 4), np.float32)
    write_text(path, f"{number} {line_of(camera_from_object)}")


def read_camera_pose(path: Path) -> Float[np.ndarray, "4 4"]:
    """`cam_pose`: world_from_camera."""
    matrix = read_numbers(path, 16, "16 numbers (a 4 x 4 matrix in rows, camera to world)").reshape(4, 4)
    _check_rigid(matrix, path)
    return matrix


def _check_rigid(matrix: Float[np.ndarray, "4 4"], path: Path) -> None:
    turn = matrix[:3, :3]
    square = np.allclose(turn @ turn.T, np.eye(3), atol=1e-2) and np.linalg.det(turn) > 0
    if not square or not np.allclose(matrix[3], (0, 0, 0, 1), atol=1e-6):
        raise PalmarError(f"{path}: line 1: expected a rotation and a translation in rows, the last row 0 0 0 1.")
    matrix[3] = (0, 0, 0, 1)


def _orthonormal(matrix: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "4 4"]:
    """The same with the nearest rotation, since files are rounded; as it is where that changes nothing to speak of."""
    turn = matrix[:3, :3]
    if np.allclose(turn @ turn.T, np.eye(3), atol=1e-5):
        return matrix
    u, _, v = np.linalg.svd(turn)
    out = matrix.copy()
    out[:3, :3] = u @ v
    return out


def read_intrinsics(path: Path) -> Camera:
    """`cam_intrinsics.txt`: fx fy cx cy width height."""
    fx, fy, cx, cy, width, height = read_numbers(path, 6, "six numbers (fx fy cx cy width height)")
    try:
        return Camera(int(width), int(height), fx, fy, cx, cy)
    except PalmarError as err:
        raise PalmarError(f"{path}: line 1: {err}") from err


def write_intrinsics(path: Path, camera: Camera) -> None:
    """`cam_intrinsics.txt`. Raises PalmarError for a lens, of which the layout knows nothing."""
    if camera.distortion is not None:
        raise PalmarError(f"{path}: the layout has no place for a lens ({camera.distortion.name}); undistort first.")
    numbers = np.array([camera.fx, camera.fy, camera.cx, camera.cy])
    write_text(path, f"{line_of(numbers)} {camera.width} {camera.height}\n")


def read_label(path: Path, most: int, what: str) -> int:
    """`verb_label` and `action_label`."""
    return whole(read_numbers(path, 1, "one number")[0], 0, most, f"{path}: line 1", what)


def read_depth(path: Path) -> Float32[np.ndarray, "h w"]:
    """`depth`: metres along z, aligned with the colour picture; NaN where the sensor says nothing."""
    header = read_header(path)
    if header.width * header.height > MAX_PIXELS:
        raise PalmarError(f"{path}: {header.width} x {header.height} pixels are too many; expected a depth picture.")
    stored = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if stored is None or stored.ndim != 2 or stored.dtype != np.uint16:
        raise PalmarError(f"{path}: expected a grey PNG of 16 bits (millimetres), {header.width} x {header.height}.")
    return np.where(stored > 0, stored.astype(np.float32) / 1000, np.nan).astype(np.float32)


def write_depth(path: Path, depth: Float32[np.ndarray, "h w"]) -> None:
    """`depth`, rounded to millimetres; what is unknown or beyond 65.535 m is 0."""
    millimetres = np.round(np.where(np.isfinite(depth), depth, 0) * 1000)
    stored = np.where((millimetres > 0) & (millimetres < 65536), millimetres, 0).astype(np.uint16)
    ok, data = cv2.imencode(".png", stored)
    if not ok:
        raise PalmarError(f"{path}: this depth picture cannot be written.")
    with whole_file(path) as part:
        part.write_bytes(data.tobytes())


def unprojected(camera: Camera, depth: Float32[np.ndarray, "h w"]) -> Float[np.ndarray, "h w 3"]:
    """Points of a depth picture in the camera frame, metres."""
    rows, columns = np.indices(depth.shape)
    return camera.unproject(np.stack([columns, rows], -1).astype(np.float64)) * depth[..., None]


# ------------------------------------------------------------------------------------------------------------- takes


@dataclass(frozen=True)
class Take:
    """One view of one recording, `subject1/h1/0` of `cam4`: what each of its files says of a frame."""

    name: str
    folders: Mapping[str, Path]
    """By lower-case name; of all trees of the subject."""
    vocabulary: Vocabulary = VOCABULARY
    trees: tuple[Path, ...] = ()

    def has(self, kind: str) -> bool:
        return kind in self.folders

    def file(self, kind: str, number: int, ending: str = "txt") -> Path:
        """Of a frame. Raises PalmarError where the take has no such folder."""
        if kind not in self.folders:
            raise PalmarError(f"{self.name}: no folder {kind} in {' or '.join(map(str, self.trees))}.")
        return self.folders[kind] / f"{number:06d}.{ending}"

    @cached_property
    def camera(self) -> Camera:
        """Without its place in the world."""
        if "cam_intrinsics.txt" not in self.folders:
            raise PalmarError(f"{self.name}: no cam_intrinsics.txt in {' or '.join(map(str, self.trees))}.")
        return read_intrinsics(self.folders["cam_intrinsics.txt"])

    def world_from_camera(self, number: int) -> Float[np.ndarray, "4 4"] | None:
        if not self.has("cam_pose"):
            return None
        return _orthonormal(read_camera_pose(self.file("cam_pose", number)))

    def joints(self, number: int) -> Float32[np.ndarray, "2 21 3"]:
        return read_hands(self.file("hand_pose", number))

    def mano(self, number: int) -> ManoHands:
        return read_mano(self.file("hand_pose_mano", number))

    def object(self, number: int) -> tuple[int, Float32[np.ndarray, "21 3"]]:
        return read_object(self.file("obj_pose", number), len(self.vocabulary.objects) - 1)

    def camera_from_object(self, number: int) -> Float32[np.ndarray, "4 4"] | None:
        if not self.has("obj_pose_rt"):
            return None
        return read_object_pose(self.file("obj_pose_rt", number), len(self.vocabulary.objects) - 1)[1]

    def verb(self, number: int) -> int | None:
        if not self.has("verb_label"):
            return None
        return read_label(self.file("verb_label", number), max(len(self.vocabulary.verbs) - 1, 0), "a verb")

    def action(self, number: int) -> int | None:
        if not self.has("action_label"):
            return None
        return read_label(self.file("action_label", number), len(self.vocabulary.actions) - 1, "an action")

    def depth(self, number: int) -> Float32[np.ndarray, "h w"]:
        return read_depth(self.file("depth", number, "png"))

    def picture(self, number: int, kind: str = "rgb") -> np.ndarray:
        """RGB. kind: "rgb", or "rgb256", 455 pixels wide. JPEG where there is no PNG."""
        path = self.file(kind, number, "png")
        jpeg = path.with_suffix(".jpg")
        return decode(jpeg if not path.exists() and jpeg.exists() else path).image


@dataclass(frozen=True)
class Clip:
    """A row of an action list: frames `first` to `last` of a take, both included, show one action."""

    id: int
    take: str
    """`subject1/h1/0`"""
    action: int
    """0 in the list of test."""
    first: int
    last: int


@dataclass(frozen=True)
class H2O:
    """A folder in the layout of H2O. Lists are read when they are asked for, files one by one."""

    root: Path
    view: str = "cam4"
    kept: dict[str, Take] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def trees(self) -> Mapping[str, tuple[Path, ...]]:
        """Folders of each subject: that of the whole pack, then the ego pack's, then the pose pack's."""
        out: dict[str, list[tuple[int, Path]]] = {}
        for name, path in Tree(self.root).entries.items():
            match = _TREE.fullmatch(name)
            if match and path.is_dir():
                rank = {None: 0, "_ego": 1, "_pose": 2}[match[2]]
                out.setdefault(match[1], []).append((rank, path))
        if not out:
            raise PalmarError(f"{self.root}: no folder subject1, subject1_ego, ...: not the layout of H2O.")
        return {name: tuple(path for _, path in sorted(found)) for name, found in sorted(out.items())}

    @cached_property
    def extra(self) -> Mapping[str, object]:
        """What `write_h2o` says of a split of something else."""
        path = self.root / EXTRA
        if not path.exists():
            return {}
        values = read_json(path, 1 << 20, "an object with fps and vocabulary")
        if not isinstance(values, dict):
            raise PalmarError(f"{path}: expected an object with fps and vocabulary.")
        return values

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return vocabulary_of(self.extra, self.root / EXTRA, VOCABULARY)

    @cached_property
    def fps(self) -> float:
        return fps_of(self.extra, self.root / EXTRA, FPS)

    def takes(self) -> tuple[str, ...]:
        """Names of all that lie here, `subject1/h1/0`."""
        names = set()
        for subject, trees in self.trees.items():
            for tree in trees:
                for scene in Tree(tree).entries.values():
                    if scene.is_dir():
                        found = Tree(scene).entries
                        names |= {(subject, scene.name.lower(), int(n)) for n in found if n.isdecimal() and n.isascii()}
        return tuple(f"{subject}/{scene}/{number}" for subject, scene, number in sorted(names))

    def take(self, name: str) -> Take:
        """By its name, `subject1/h1/0`."""
        if name not in self.kept:
            subject, *rest = safe_parts(name, f"{self.root}", "a take like subject1/h1/0")
            one_of("subject of H2O", subject.lower(), self.trees)
            folders: dict[str, Path] = {}
            trees = []
            for tree in self.trees[subject.lower()]:
                place: Tree | None = Tree(tree)
                for part in (*rest, self.view):
                    place = place.folder(part) if place is not None else None
                trees.append(tree.joinpath(*rest, self.view))
                if place is not None:
                    folders = {**place.entries, **folders}
            if not folders:
                raise PalmarError(f"{name}: no folder {' or '.join(map(str, trees))}.")
            self.kept[name] = Take(f"{name}/{self.view}", folders, self.vocabulary, tuple(trees))
        return self.kept[name]

    def list_file(self, *names: str) -> Path:
        """A list by one of its names, in one of the folders where people keep them."""
        root = Tree(self.root)
        places = [root, *(root.folder(n) for n in ("label_split", "pose_lists", "action_labels", "splits"))]
        for place in places:
            for tree in (place, *(place.folder(n) for n in ("pose_lists", "action_labels") if place)) if place else ():
                found = tree.find(*names) if tree else None
                if found is not None:
                    return found
        raise PalmarError(f"{self.root}: no list {' or '.join(names)}, here or in label_split; it is in the release.")

    def rows(self, split: str) -> list[tuple[str, int]]:
        """(take, frame number) of each row of a pose list."""
        one_of("split of H2O", split, SPLITS)
        listed = Parsed.read(self.list_file(f"pose_{split}.txt", f"{split}_pose.txt"), _LISTED)
        return listed.rows(_frame_row)

    def clip_rows(self, split: str) -> list[Clip]:
        """The rows of an action list. Its header says which columns it has: that of test has no labels."""
        one_of("split of H2O", split, SPLITS)
        expected = "a header and rows like 1 subject1/h1/0 16 0 61 0 449"
        listed = Parsed.read(self.list_file(f"action_{split}.txt", f"{split}_action.txt"), expected)
        header = listed.lines[0].split() if listed.lines else []
        wanted = {"id", "path", "start_act", "end_act"}
        if not wanted <= set(header):
            raise PalmarError(f"{listed.where(0)}: expected a header with {', '.join(sorted(wanted))}.")

        def row(line: str, where: str) -> Clip:
            words = line.split()
            if len(words) != len(header):
                raise PalmarError(f"{where}: {len(words)} words for the {len(header)} columns of the header.")
            cells = dict(zip(header, words, strict=True))
            safe = safe_parts(cells["path"], where, "a take like subject1/h1/0")
            if len(safe) != 3:
                raise PalmarError(f"{where}: {cells['path'][:80]!r}: expected a take like subject1/h1/0.")
            most = len(self.vocabulary.actions) - 1
            action = whole(cells.get("action_label", 0), 0, most, where, "an action")
            first = whole(cells["start_act"], 0, 999_999, where, "start_act")
            last = whole(cells["end_act"], first, min(first + _LONGEST - 1, 999_999), where, "end_act")
            return Clip(whole(cells["id"], 0, 1 << 31, where, "an id"), "/".join(safe).lower(), action, first, last)

        clips = listed.rows(row, 1)
        ids = [clip.id for clip in clips]
        if len(set(ids)) < len(ids):
            twice = next(i for i in ids if ids.count(i) > 1)
            raise PalmarError(f"{listed.path}: id {twice} stands in two rows.")
        return clips

    def split(self, name: str, *, pictures: str | None = "rgb") -> Split:
        """See `read_h2o`."""
        if pictures is not None:
            one_of("kind of picture", pictures, ("rgb", "rgb256"))
        clips = self.clip_rows(name)
        frames = _Frames(self, tuple(self.rows(name)), tuple(clips), pictures)
        reader = _Clips(self, tuple(clips))
        return Split(self.vocabulary, Lazy(len(frames.rows), frames.frame), Lazy(len(clips), reader.clip), self.fps)


def _frame_row(line: str, where: str) -> tuple[str, int]:
    match = _FRAME.fullmatch(line.strip())
    if not match:
        raise PalmarError(f"{where}: {line.strip()[:80]!r}: expected {_LISTED}.")
    return f"{match[1]}/{match[2]}/{match[3]}".lower(), int(match[5])


@dataclass(frozen=True)
class _Frames:
    data: H2O
    rows: tuple[tuple[str, int], ...]
    clips: tuple[Clip, ...]
    pictures: str | None

    @cached_property
    def by_take(self) -> Mapping[str, list[Clip]]:
        out: dict[str, list[Clip]] = {}
        for clip in self.clips:
            out.setdefault(clip.take, []).append(clip)
        return out

    def frame(self, index: int) -> EgoFrame:
        name, number = self.rows[index]
        take = self.data.take(name)
        vocabulary = self.data.vocabulary
        image = take.picture(number, self.pictures) if self.pictures and take.has(self.pictures) else None
        known, points = take.object(number)
        clips = self.by_take.get(name, ())
        in_list = next((clip.action for clip in clips if clip.first <= number <= clip.last), 0)
        action = take.action(number)
        action = in_list if action is None else action
        verb = take.verb(number)
        if verb is None:
            verb = vocabulary.verb_of[action] if vocabulary.verb_of else 0
        camera = _placed(take.camera, take.world_from_camera(number))
        if image is not None and image.shape[:2] != (camera.height, camera.width):
            if self.pictures == "rgb":
                raise PalmarError(
                    f"{take.file('rgb', number, 'png')}: {image.shape[1]} x {image.shape[0]} pixels, but "
                    f"cam_intrinsics.txt says {camera.width} x {camera.height}."
                )
            camera = camera.resized(image.shape[1], image.shape[0])
        pose = shape = place = None
        if self.data.extra.get("hand_model") == "palmar" and take.has("hand_pose_mano"):
            hands = take.mano(number)
            pose, shape, place = hands.pose, hands.shape, hands.translation
        return EgoFrame(
            f"{name}/{number:06d}",
            camera,
            image,
            take.joints(number),
            known,
            points,
            take.camera_from_object(number),
            pose,
            shape,
            place,
            action,
            verb,
        )


def _placed(camera: Camera, world_from_camera: Float[np.ndarray, "4 4"] | None) -> Camera:
    return Camera.from_dict({**camera.to_dict(), "world_from_camera": world_from_camera})


@dataclass(frozen=True)
class _Clips:
    data: H2O
    rows: tuple[Clip, ...]

    def clip(self, index: int) -> EgoClip:
        row = self.rows[index]
        take = self.data.take(row.take)
        numbers = range(row.first, row.last + 1)
        objects, points = zip(*(take.object(number) for number in numbers), strict=True)
        return EgoClip(
            f"{row.take}#{row.id}",
            take.camera,
            np.arange(len(numbers)) / self.data.fps,
            np.stack([take.joints(number) for number in numbers]),
            np.array(objects),
            np.stack(points),
            row.action,
            tuple(f"{row.take}/{number:06d}" for number in numbers),
        )


def clip_id(clip: EgoClip) -> int:
    """The id of a clip in its action list, which a submission names."""
    number = clip.name.rpartition("#")[2]
    if not number.isdecimal():
        raise PalmarError(f"{clip.name}: not a clip of H2O; its name should end in # and its id.")
    return int(number)


def read_h2o(root: str | Path, split: str = "train", *, view: str = "cam4", pictures: str | None = "rgb") -> Split:
    """The official frames and clips of "train", "val" or "test". Only the lists are read; frames and clips when they
    are asked for.

    view: the standing cameras 0 to 3 have the same frames. pictures: "rgb" (1280 x 720), "rgb256" (455 x 256, camera
    resized), or None to leave them on disk. Raises PalmarError naming file, line, and what was expected.
    """
    root = Path(root)
    if not root.is_dir():
        raise PalmarError(f"{root}: no such folder; expected the root of H2O, with subject1 in it.")
    return H2O(root, one_of("view of H2O", view, VIEWS)).split(split, pictures=pictures)


def vocabulary_of(values: Mapping[str, object], path: Path, otherwise: Vocabulary) -> Vocabulary:
    """The vocabulary that a written folder states."""
    stated = values.get("vocabulary")
    if stated is None:
        return otherwise
    try:
        lists = {key: tuple(stated[key]) for key in ("objects", "actions", "verbs", "verb_of", "object_of")}  # type: ignore[index]
        kinds = (str, str, str, int, int)
        if not all(isinstance(v, kind) for kind, of in zip(kinds, lists.values(), strict=True) for v in of):
            raise TypeError("names are words, indices whole numbers")
        return Vocabulary(**lists)
    except (KeyError, TypeError) as err:
        raise PalmarError(
            f"{path}: vocabulary: expected lists objects, actions, verbs, verb_of, object_of ({err})."
        ) from err
    except PalmarError as err:
        raise PalmarError(f"{path}: {err}") from err


def fps_of(values: Mapping[str, object], path: Path, otherwise: float) -> float:
    """The frames per second that a written folder states."""
    fps = values.get("fps", otherwise)
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps < 1e5:
        raise PalmarError(f"{path}: fps: expected a number above 0, got {fps!r}.")
    return float(fps)


# ------------------------------------------------------------------------------------------------------------ writing


_PLACES = {"train": "subject1/h1", "val": "subject3/k2", "test": "subject4/h1"}
"""Where the takes of a part stand: in the official split, too, they belong to it."""


def write_h2o(
    root: str | Path,
    splits: Mapping[str, Split],
    *,
    hide_test: bool = False,
    overwrite: bool = False,
) -> None:
    """Splits of anything in the layout of H2O: the folder appears whole or not at all.

    Every clip becomes a take of its own, and so do the frames that belong to no clip, of one camera each. Numbers of
    objects, verbs and actions are those of the splits' vocabulary, which must be one; where it is not H2O's it is
    written to palmar.json, as are frames per second other than 30. `hand_pose_mano` gets the parameters of the frames'
    own hand model, and palmar.json says so. hide_test: the list of test has no labels, as the official one.

    What the layout has no place for raises PalmarError: a lens, cameras of several kinds in a clip, uneven times.
    Box points of an object of class 0 are lost, and the names of frames and clips.
    """
    if not splits:
        raise PalmarError(f"{root}: no split to write; give some of {', '.join(SPLITS)}.")
    for name in splits:
        one_of("split of H2O", name, SPLITS)
    first = next(iter(splits.values()))
    if any(split.vocabulary != first.vocabulary or split.fps != first.fps for split in splits.values()):
        raise PalmarError(f"{root}: the splits differ in vocabulary or frames per second; one folder has one of each.")
    with whole_folder(root, overwrite, marker=EXTRA) as part:
        writer = _Writer(part, first.vocabulary)
        start = 1
        for name, split in splits.items():
            start = writer.split(name, split, start, labels=not (hide_test and name == "test"))
        extra: dict[str, object] = {"fps": first.fps}
        if first.vocabulary != VOCABULARY:
            extra["vocabulary"] = asdict(first.vocabulary)
        if writer.posed:
            extra["hand_model"] = "palmar"
        write_text(part / EXTRA, json.dumps(extra, indent=1) + "\n")


@dataclass
class _Writer:
    root: Path
    vocabulary: Vocabulary
    posed: bool = False
    cameras: dict[str, Camera] = field(default_factory=dict)
    """Of each take."""
    kinds: dict[tuple[str, str], bool] = field(default_factory=dict)
    """Whether a take's frames have a picture, a place in the world."""

    def folder(self, take: str, kind: str) -> Path:
        folder = self.root / take / "cam4" / kind
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def take(self, name: str, camera: Camera) -> None:
        camera = _placed(camera, None)
        if name not in self.cameras:
            self.cameras[name] = camera
            write_intrinsics(self.folder(name, "") / "cam_intrinsics.txt", camera)
        elif self.cameras[name] != camera:
            raise PalmarError(f"{name}: its frames have several cameras; a take of H2O has one.")

    def split(self, name: str, split: Split, start: int, *, labels: bool) -> int:
        """The id after the last clip's."""
        places: dict[str, tuple[str, int]] = {}
        columns = ["id", "path", "action_label", "start_act", "end_act", "start_frame", "end_frame"]
        rows = [columns if labels else [c for c in columns if c != "action_label"]]
        for i in range(len(split.clips)):
            clip, take = split.clips[i], f"{_PLACES[name]}/{i}"
            last = len(clip) - 1
            self.clip(take, clip, split.fps)
            places.update({frame: (take, t) for t, frame in enumerate(clip.frames)})
            action = [str(clip.action)] if labels else []
            rows.append([str(start + i), take, *action, "0", str(last), "0", str(last)])
        listed, alone = [], _Loose(f"{_PLACES[name]}", len(split.clips))
        for frame in split.frames:
            take, number = places[frame.name] if frame.name in places else alone.place(frame.camera)
            self.frame(take, number, frame)
            listed.append(f"{take}/cam4/rgb/{number:06d}.png")
        for folder in ("pose_lists", "action_labels"):
            (self.root / folder).mkdir(exist_ok=True)
        write_text(self.root / "pose_lists" / f"pose_{name}.txt", "".join(f"{row}\n" for row in listed))
        lines = "".join(f"{' '.join(row)}\n" for row in rows)
        write_text(self.root / "action_labels" / f"action_{name}.txt", lines)
        return start + len(split.clips)

    def clip(self, take: str, clip: EgoClip, fps: float) -> None:
        if not len(clip):
            raise PalmarError(f"{clip.name}: a clip without frames.")
        if np.abs(clip.times - clip.times[0] - np.arange(len(clip)) / fps).max() > 0.5 / fps:
            raise PalmarError(f"{clip.name}: its frames are not {fps:g} per second; H2O has even times.")
        self.take(take, clip.camera)
        verb = self.vocabulary.verb_of[clip.action] if self.vocabulary.verb_of else 0
        for t in range(len(clip)):
            known = int(clip.objects[t])
            self.common(take, t, clip.joints[t], known, clip.points[t], clip.action, verb)

    def common(
        self, take: str, number: int, joints: np.ndarray, known: int, points: np.ndarray, action: int, verb: int
    ) -> None:
        name = f"{number:06d}.txt"
        write_hands(self.folder(take, "hand_pose") / name, joints)
        write_object(self.folder(take, "obj_pose") / name, known, points)
        write_text(self.folder(take, "action_label") / name, str(action))
        write_text(self.folder(take, "verb_label") / name, str(verb))

    def frame(self, take: str, number: int, frame: EgoFrame) -> None:
        self.take(take, frame.camera)
        world = frame.camera.world_from_camera
        hands = None
        if frame.pose is not None and frame.shape is not None and frame.translation is not None:
            hands = ManoHands(frame.translation, frame.pose, frame.shape)
        for kind, there in (
            ("rgb", frame.image is not None),
            ("cam_pose", world is not None),
            ("hand_pose_mano", hands is not None),
        ):
            if self.kinds.setdefault((take, kind), there) != there:
                raise PalmarError(f"{frame.name}: some frames of this recording have {kind}, some have none.")
        if frame.image is not None:
            if frame.image.shape[:2] != (frame.camera.height, frame.camera.width):
                raise PalmarError(f"{frame.name}: picture and camera differ in size.")
            write_image(self.folder(take, "rgb") / f"{number:06d}.png", frame.image)
        name = f"{number:06d}.txt"
        if world is not None:
            write_text(self.folder(take, "cam_pose") / name, line_of(world))
        self.common(take, number, frame.joints, frame.object, frame.points, frame.action, frame.verb)
        write_object_pose(self.folder(take, "obj_pose_rt") / name, frame.object, frame.camera_from_object)
        if hands is not None:
            write_mano(self.folder(take, "hand_pose_mano") / name, hands)
            self.posed = True


@dataclass
class _Loose:
    """Takes for frames that belong to no clip, one for each camera."""

    place_of: str
    next: int
    takes: dict[Camera, list[int]] = field(default_factory=dict)

    def place(self, camera: Camera) -> tuple[str, int]:
        camera = _placed(camera, None)
        if camera not in self.takes:
            self.takes[camera] = [self.next, 0]
            self.next += 1
        take = self.takes[camera]
        take[1] += 1
        return f"{self.place_of}/{take[0]}", take[1] - 1
