"""DexYCB: single hands that take YCB objects, before eight cameras (Chao et al., CVPR 2021).

    split = read_dexycb("DexYCB", "train")           # a palmar.types.Split of frames; setup="s0", "s1", "s2", "s3"
    write_dexycb("folder", {"train": split.frames})

    20200709-subject-01/20200709_141754/meta.yml
    20200709-subject-01/20200709_141754/836212060125/color_000000.jpg
                                                     aligned_depth_to_color_000000.png    # millimetres
                                                     labels_000000.npz    # seg, pose_y, pose_m, joint_3d, joint_2d
    calibration/intrinsics/836212060125_640x480.yml
    calibration/extrinsics_20200702_151821/extrinsics.yml
    calibration/mano_20200514_142106_subject-01/mano.yml
    models/002_master_chef_can/textured_simple.obj

Metres, camera frame, OpenPose order: the files' own conventions are palmar's. A hand is a left or a right one for a
whole sequence. The object of a frame is the one that is taken; its box comes from its mesh, where that is at hand.
A world is that of the master camera.

A split is one of four setups: sequences held out of all subjects (s0), subjects (s1), cameras (s2) or objects (s3).
The frames of a part have the official order, sequence, camera, frame, whose numbers submissions go by.
"""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from palmar.data.ego import Lazy
from palmar.data.h2o import read_depth
from palmar.data.meshes import read_obj
from palmar.data.plainyaml import read_yaml, yaml_text
from palmar.data.takes import Takes
from palmar.data.textfiles import NAME, whole, write_text
from palmar.data.ycb import EXTRA, VOCABULARY, read_extra, vocabulary_of
from palmar.errors import PalmarError, one_of
from palmar.geometry.camera import Camera
from palmar.media.folder import whole_file, whole_folder
from palmar.media.picture import decode, write_image
from palmar.types.firstperson import EgoFrame, Split, Vocabulary, box_points
from palmar.types.hands import LEFT, RIGHT

PARTS = ("train", "val", "test")
SETUPS = ("s0", "s1", "s2", "s3")
SIZE = (640, 480)
_SUBJECT = re.compile(r"[0-9]{8}-subject-([0-9]{2})")
_INTRINSICS = re.compile(r"([0-9A-Za-z]+)_([0-9]{1,5})x([0-9]{1,5})\.yml")
_META = "serials, num_frames, extrinsics, mano_calib, mano_sides, ycb_ids, ycb_grasp_ind"
_LABELS = "labels with joint_3d, pose_y, ..."
_YAML = 1 << 20
_MAX_ARRAY = 64 << 20
_WRITTEN = {"train": 1, "val": 7, "test": 8}
"""Subjects of the parts that are written: setup s1."""


def in_part(setup: str, part: str, subject: int, sequence: int, camera: int) -> bool:
    """Whether frames of this subject (from 1), of the so-manieth of its sequences and of the serials (from 0), are in.

    The official setups: s0 unseen sequences, s1 unseen subjects, s2 unseen views, s3 unseen objects.
    """
    match one_of("setup of DexYCB", setup, SETUPS):
        case "s0":
            held = sequence % 5 == 4
            own = "train" if not held else "val" if subject <= 2 else "test"
        case "s1":
            own = "val" if subject == 7 else "test" if subject in (8, 9) else "train"
        case "s2":
            own = "val" if camera == 6 else "test" if camera == 7 else "train"
        case _:
            group = sequence // 5
            own = "val" if group in (3, 19) else "test" if group in (7, 11, 15) else "train"
    return own == one_of("part of DexYCB", part, PARTS)


# ---------------------------------------------------------------------------------------------------------- one file


@dataclass(frozen=True)
class Labels:
    """One `labels_*.npz`. Every array is read when it is asked for; None where the file has it not."""

    path: Path

    def array(self, key: str, *shape: int | None) -> np.ndarray | None:
        """Of this shape, where None stands for any number. Raises PalmarError for another, and for a damaged file."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                member = next((item for item in archive.infolist() if item.filename == f"{key}.npy"), None)
                if member is None:
                    return None
                if member.file_size > _MAX_ARRAY:
                    raise PalmarError(f"{self.path}: {key} is larger than {_MAX_ARRAY >> 20} MiB.")
            with np.load(self.path, allow_pickle=False) as stored:
                found = stored[key]
        except FileNotFoundError as err:
            raise PalmarError(f"{self.path}: no such file; expected {_LABELS}.") from err
        except (OSError, ValueError, EOFError, KeyError, SyntaxError, RuntimeError, NotImplementedError, MemoryError,
                zipfile.BadZipFile, zlib.error) as err:  # fmt: skip
            raise PalmarError(f"{self.path}: {key}: cannot be read ({err}); expected {_LABELS}.") from err
        fits = found.ndim == len(shape) and all(s in (None, n) for s, n in zip(shape, found.shape, strict=True))
        if not fits or found.dtype.kind not in "biuf":
            wanted = " x ".join("n" if s is None else str(s) for s in shape)
            raise PalmarError(f"{self.path}: {key}: expected {wanted} numbers, got {found.dtype} {found.shape}.")
        if found.dtype.kind == "f" and not np.isfinite(found).all():
            raise PalmarError(f"{self.path}: {key}: a number is not finite.")
        return found

    def _must(self, key: str, *shape: int | None) -> np.ndarray:
        found = self.array(key, *shape)
        if found is None:
            raise PalmarError(f"{self.path}: no {key}; expected {_LABELS}.")
        return found

    @property
    def joints(self) -> Float32[np.ndarray, "21 3"]:
        """Metres, camera frame; NaN where the hand is not there."""
        found = self._must("joint_3d", 1, 21, 3)[0].astype(np.float32)
        return np.full((21, 3), np.nan, np.float32) if (found == -1).all() else found

    @property
    def objects(self) -> Float[np.ndarray, "n 3 4"]:
        """camera_from_object of each object of the sequence; all zeros where it is not there."""
        return self._must("pose_y", None, 3, 4).astype(np.float64)

    @property
    def mano(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Of MANO with its mean: wrist's rotation [3], 45 coefficients of the principal components, translation [3]."""
        found = self._must("pose_m", 1, 51)[0].astype(np.float64)
        return (found[:3], found[3:48], found[48:]) if found.any() else None

    @property
    def segmentation(self) -> UInt8[np.ndarray, "h w"] | None:
        """0 nothing, 1 to 21 the object of that number, 255 the hand."""
        found = self.array("seg", None, None)
        return None if found is None else found.astype(np.uint8)


@dataclass(frozen=True)
class Sequence:
    """One recording: what its `meta.yml` says."""

    folder: Path
    subject: int
    number: int
    """Among the sequences of its subject, from 0."""
    serials: tuple[str, ...]
    frames: int
    extrinsics: str
    mano: str
    side: int
    objects: tuple[int, ...]
    """Numbers of the objects on the table."""
    taken: int | None
    """Index in `objects` of the one that is taken."""

    @classmethod
    def read(cls, folder: Path, subject: int, number: int) -> Sequence:
        path = folder / "meta.yml"
        meta = read_yaml(path, _YAML, _META)
        if not isinstance(meta, dict):
            raise PalmarError(f"{path}: expected {_META}.")

        def listed(key: str) -> list[Any]:
            value = meta.get(key)
            if not isinstance(value, list):
                raise PalmarError(f"{path}: {key}: expected a list.")
            return value

        serials = tuple(str(serial) for serial in listed("serials"))
        sides, calibrations = [str(side) for side in listed("mano_sides")], [str(v) for v in listed("mano_calib")]
        names = (*serials, str(meta.get("extrinsics")), *calibrations)
        strange = next((name for name in names if not NAME.fullmatch(name)), None)
        if strange is not None:
            raise PalmarError(f"{path}: {strange[:40]!r} is no name of a folder.")
        if len(sides) != 1 or sides[0] not in ("left", "right") or len(calibrations) != 1:
            raise PalmarError(f"{path}: expected one hand: mano_sides left or right, and one mano_calib.")
        objects = tuple(whole(str(v), 1, 10_000, path.as_posix(), "an entry of ycb_ids") for v in listed("ycb_ids"))
        taken = None
        if objects:
            taken = whole(str(meta.get("ycb_grasp_ind")), 0, len(objects) - 1, path.as_posix(), "ycb_grasp_ind")
        frames = whole(str(meta.get("num_frames")), 0, 10**6, path.as_posix(), "num_frames")
        return cls(
            folder, subject, number, serials, frames,
            str(meta.get("extrinsics")), calibrations[0], (LEFT, RIGHT)[sides[0] == "right"], objects, taken,
        )  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- folder


@dataclass(frozen=True)
class DexYCB:
    """A folder in the layout of DexYCB."""

    root: Path
    _cache: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def sequences(self) -> tuple[Sequence, ...]:
        """All that there are, subject after subject, in the alphabet's order."""
        out = []
        subjects = sorted(folder for folder in self.root.iterdir() if _SUBJECT.fullmatch(folder.name))
        for folder in subjects:
            found = _SUBJECT.fullmatch(folder.name)
            inside = sorted(inner for inner in folder.iterdir() if inner.is_dir())
            out += [Sequence.read(inner, int(found[1] if found else 0), i) for i, inner in enumerate(inside)]
        if not out:
            raise PalmarError(f"{self.root}: no folder such as 20200709-subject-01 with sequences in it.")
        return tuple(out)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return vocabulary_of(self.root)

    @cached_property
    def setup(self) -> str:
        """The one that this folder is cut by: s0, or what `palmar.json` says."""
        return one_of("setup of DexYCB", str(read_extra(self.root).get("setup", "s0")), SETUPS)

    @cached_property
    def _intrinsics(self) -> dict[str, tuple[Path, int, int]]:
        """File, width and height by serial."""
        folder = self.root / "calibration" / "intrinsics"
        if not folder.is_dir():
            raise PalmarError(f"{folder}: no such folder; expected the intrinsics of the cameras.")
        found = {path: _INTRINSICS.fullmatch(path.name) for path in sorted(folder.iterdir())}
        return {m[1]: (path, int(m[2]), int(m[3])) for path, m in found.items() if m is not None}

    def camera(self, serial: str, extrinsics: str = "") -> Camera:
        """extrinsics: name of a calibration, for the place in the world of its master camera; unknown without."""
        if (serial, extrinsics) not in self._cache:
            self._cache[serial, extrinsics] = self._camera(serial, extrinsics)
        return self._cache[serial, extrinsics]

    def _camera(self, serial: str, extrinsics: str) -> Camera:
        if serial not in self._intrinsics:
            raise PalmarError(
                f"{self.root / 'calibration/intrinsics'}: no such file: {serial}_{SIZE[0]}x{SIZE[1]}.yml."
            )
        path, width, height = self._intrinsics[serial]
        found = read_yaml(path, _YAML, "color with fx, fy, ppx, ppy")
        colour = found.get("color") if isinstance(found, dict) else None
        numbers = [colour.get(key) if isinstance(colour, dict) else None for key in ("fx", "fy", "ppx", "ppy")]
        world = None
        place = self.root / "calibration" / f"extrinsics_{extrinsics}" / "extrinsics.yml"
        if extrinsics and place.parent.is_dir():
            known = read_yaml(place, _YAML, "master, and extrinsics of each camera")
            cameras = known.get("extrinsics") if isinstance(known, dict) else None
            world = np.eye(4)
            world[:3] = _numbers(cameras.get(serial) if isinstance(cameras, dict) else None, 12,
                                 f"{place}: extrinsics of {serial}").reshape(3, 4)  # fmt: skip
            u, _, v = np.linalg.svd(world[:3, :3])  # as rotations in files are rounded
            if np.allclose(u @ v, world[:3, :3], atol=1e-2):
                world[:3, :3] = u @ v if not np.allclose(u @ v, world[:3, :3], atol=1e-6) else world[:3, :3]
        try:
            return Camera(width, height, *_numbers(numbers, 4, f"{path}: color"), world_from_camera=world)
        except PalmarError as err:
            raise PalmarError(f"{place if world is not None else path}: {err}") from err

    def shape(self, mano: str) -> Float[np.ndarray, " 10"] | None:
        """MANO's shape of a calibration; None where that is not at hand."""
        path = self.root / "calibration" / f"mano_{mano}" / "mano.yml"
        if not path.exists():
            return None
        found = read_yaml(path, _YAML, "betas, ten numbers")
        return _numbers(found.get("betas") if isinstance(found, dict) else None, 10, f"{path}: betas")

    def extents(self, number: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Lowest and highest corner of an object in its own frame; None where there is no mesh of it."""
        if number not in self._cache:
            path = self.root / "models" / self.vocabulary.objects[number] / "textured_simple.obj"
            vertices = read_obj(path)[0] if path.exists() else None
            if vertices is not None and not len(vertices):
                raise PalmarError(f"{path}: no vertices.")
            self._cache[number] = None if vertices is None else (vertices.min(0), vertices.max(0))
        return self._cache[number]

    def frame(self, sequence: Sequence, serial: str, number: int) -> EgoFrame:
        """A picture with its truth."""
        folder = sequence.folder / serial
        labels = Labels(folder / f"labels_{number:06d}.npz")
        camera = self.camera(serial, sequence.extrinsics)
        path = folder / f"color_{number:06d}.jpg"
        pictured = (folder / "color_000000.jpg").exists() or path.exists()
        image = decode(path).image if pictured else None
        if image is not None and image.shape[:2] != (camera.height, camera.width):
            raise PalmarError(f"{path}: {image.shape[1]} x {image.shape[0]} pixels, but its camera has "
                              f"{camera.width} x {camera.height}.")  # fmt: skip
        joints = np.full((2, 21, 3), np.nan, np.float32)
        joints[sequence.side] = labels.joints
        known, pose, points = 0, None, np.full((21, 3), np.nan)
        if sequence.taken is not None:
            known, pose, points = self._object(sequence, labels)
        return EgoFrame(
            "/".join((sequence.folder.parent.name, sequence.folder.name, serial, f"{number:06d}")),
            camera, image, joints, known, points.astype(np.float32), pose,
        )  # fmt: skip

    def _object(self, sequence: Sequence, labels: Labels) -> tuple[int, np.ndarray | None, np.ndarray]:
        assert sequence.taken is not None
        known, poses = sequence.objects[sequence.taken], labels.objects
        if known >= len(self.vocabulary.objects):
            raise PalmarError(f"{sequence.folder / 'meta.yml'}: object {known} of {len(self.vocabulary.objects) - 1}.")
        if len(poses) != len(sequence.objects):
            raise PalmarError(
                f"{labels.path}: poses of {len(poses)} objects, but meta.yml has {len(sequence.objects)}."
            )
        if not poses[sequence.taken].any():
            return 0, None, np.full((21, 3), np.nan)
        pose = np.eye(4)
        pose[:3] = poses[sequence.taken]
        extents = self.extents(known)
        points = np.full((21, 3), np.nan) if extents is None else box_points(*extents) @ pose[:3, :3].T + pose[:3, 3]
        return known, pose.astype(np.float32), points

    def depth(self, sequence: Sequence, serial: str, number: int) -> Float32[np.ndarray, "h w"]:
        """Metres along z, aligned with the colour picture; NaN where the sensor says nothing."""
        return read_depth(sequence.folder / serial / f"aligned_depth_to_color_{number:06d}.png")


def _numbers(value: Any, count: int, where: str) -> Float[np.ndarray, " n"]:
    good = isinstance(value, list) and len(value) == count
    if not good or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in value):
        raise PalmarError(f"{where}: expected {count} numbers.")
    out = np.array([float(v) for v in value])
    if not np.isfinite(out).all():
        raise PalmarError(f"{where}: a number is too large.")
    return out


@dataclass(frozen=True, eq=False)
class Part:
    """The frames of a part in the official order: blocks of one sequence and camera."""

    data: DexYCB
    blocks: tuple[tuple[Sequence, str], ...]
    ends: Int[np.ndarray, " b"]

    @classmethod
    def of(cls, data: DexYCB, setup: str, part: str) -> Part:
        blocks = tuple(
            (sequence, serial)
            for sequence in data.sequences
            for camera, serial in enumerate(sequence.serials)
            if in_part(setup, part, sequence.subject, sequence.number, camera)
        )
        return cls(data, blocks, np.cumsum([sequence.frames for sequence, _ in blocks], dtype=np.int64))

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def where(self, index: int) -> tuple[Sequence, str, int]:
        """Sequence, serial and number of a frame."""
        block = int(np.searchsorted(self.ends, index, side="right"))
        sequence, serial = self.blocks[block]
        return sequence, serial, index - int(self.ends[block]) + sequence.frames

    def frame(self, index: int) -> EgoFrame:
        return self.data.frame(*self.where(index))


def read_dexycb(root: str | Path, split: str = "train", *, setup: str | None = None) -> Split:
    """A part of DexYCB: frames, no clips.

    setup: "s0" by default; of what palmar wrote, the one that it says. Depth, MANO's parameters and masks lie in
    `DexYCB(root)`. Raises PalmarError naming what is malformed.
    """
    root = Path(root)
    one_of("split of DexYCB", split, PARTS)
    if not root.is_dir():
        raise PalmarError(f"{root}: no such folder; expected the root of DexYCB.")
    data = DexYCB(root)
    part = Part.of(data, setup or data.setup, split)
    return Split(data.vocabulary, Lazy(len(part), part.frame), ())


# ------------------------------------------------------------------------------------------------------------ writing


def write_dexycb(
    root: str | Path,
    parts: Mapping[str, Iterable[EgoFrame]],
    *,
    vocabulary: Vocabulary = VOCABULARY,
    overwrite: bool = False,
) -> None:
    """Frames in the layout of DexYCB, setup s1 (subjects 1, 7 and 8): the folder appears whole or not at all.

    Frames `a/b/0` and `a/b/1` are of one sequence. It has one hand, the right one if there is any, and one object, the
    one in most of its frames. Lost are the other hand and objects, names, actions, a world in which the camera moves,
    and boxes of objects that change their size; MANO's parameters are zeros, which is the layout's "unknown", and there
    are no masks. Raises PalmarError for a lens.
    """
    for name in parts:
        one_of("part of DexYCB to write", name, PARTS)
    with whole_folder(root, overwrite, marker=EXTRA) as part:
        write_text(part / EXTRA, json.dumps({"setup": "s1", "objects": list(vocabulary.objects)}))
        (part / "calibration" / "intrinsics").mkdir(parents=True)
        writer = _Writer(part, vocabulary)
        for name in PARTS:
            if name in parts:
                writer.write(_WRITTEN[name], parts[name])
        writer.write_models()


@dataclass
class _Writer:
    root: Path
    vocabulary: Vocabulary
    serials: dict[tuple[float, ...], str] = field(default_factory=dict)
    sizes: dict[int, list[np.ndarray]] = field(default_factory=dict)
    """Lowest and highest corners of each object."""
    calibrations: int = 0

    def serial(self, camera: Camera) -> str:
        """Of the intrinsics, whose file is written the first time."""
        key = (camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy)
        if key not in self.serials:
            name = f"83{len(self.serials):010d}"
            self.serials[key] = name
            numbers = dict(zip(("fx", "fy", "ppx", "ppy"), map(float, key[2:]), strict=True))
            path = self.root / "calibration" / "intrinsics" / f"{name}_{camera.width}x{camera.height}.yml"
            write_text(path, yaml_text({"color": numbers}))
        return self.serials[key]

    def write(self, subject: int, frames: Iterable[EgoFrame]) -> None:
        takes, found = Takes(1_000_000), dict[str, list[EgoFrame]]()
        folder = self.root / f"20200101-subject-{subject:02d}"
        folders: dict[str, Path] = {}
        for frame in frames:
            if frame.camera.distortion is not None:
                raise PalmarError(f"{frame.name}: the layout has no place for a lens; undistort first.")
            serial = self.serial(frame.camera)
            take, number = takes.place(f"{frame.name.rpartition('/')[0]} {serial}/")
            place = folders.setdefault(take, folder / f"20200101_{len(folders):06d}") / serial
            place.mkdir(parents=True, exist_ok=True)
            if frame.image is not None:
                write_image(place / f"color_{number:06d}.jpg", frame.image)
            found.setdefault(take, []).append(replace(frame, image=None))
        for take, own in found.items():
            self.write_sequence(folders[take], own)

    def write_sequence(self, folder: Path, frames: list[EgoFrame]) -> None:
        side = RIGHT if any(f.present[RIGHT] for f in frames) or not any(f.present[LEFT] for f in frames) else LEFT
        seen = Counter(f.object for f in frames if f.object and f.camera_from_object is not None)
        thing = seen.most_common(1)[0][0] if seen else None
        serial = self.serial(frames[0].camera)
        name = self.write_extrinsics(serial, frames)
        for number, frame in enumerate(frames):
            pose = np.zeros((int(thing is not None), 3, 4), np.float32)
            if thing is not None and frame.object == thing and frame.camera_from_object is not None:
                pose[0] = frame.camera_from_object[:3]
                if np.isfinite(frame.points).all():
                    own = (frame.points - pose[0, :, 3]).astype(np.float64) @ pose[0, :, :3]
                    self.sizes.setdefault(thing, []).append(np.stack([own.min(0), own.max(0)]))
            there = frame.present[side]
            with whole_file(folder / serial / f"labels_{number:06d}.npz") as path, path.open("wb") as file:
                np.savez_compressed(
                    file,
                    joint_3d=frame.joints[side][None] if there else np.full((1, 21, 3), -1, np.float32),
                    joint_2d=(frame.keypoints[side][None] if there else np.full((1, 21, 2), -1)).astype(np.float32),
                    pose_y=pose,
                    pose_m=np.zeros((1, 51), np.float32),
                )
        meta = {
            "serials": [serial], "num_frames": len(frames), "extrinsics": name, "mano_calib": ["unknown"],
            "mano_sides": [("left", "right")[side]], "ycb_ids": [] if thing is None else [thing], "ycb_grasp_ind": 0,
        }  # fmt: skip
        write_text(folder / "meta.yml", yaml_text(meta))

    def write_extrinsics(self, serial: str, frames: list[EgoFrame]) -> str:
        """Name of the calibration; "unknown", and no file, where the camera has no world or moves in it."""
        worlds = [frame.camera.world_from_camera for frame in frames]
        if worlds[0] is None or not all(w is not None and np.array_equal(w, worlds[0]) for w in worlds):
            return "unknown"
        name = f"20200101_{self.calibrations:06d}"
        self.calibrations += 1
        folder = self.root / "calibration" / f"extrinsics_{name}"
        folder.mkdir()
        numbers = [float(v) for v in worlds[0][:3].ravel()]
        write_text(folder / "extrinsics.yml", yaml_text({"extrinsics": {serial: numbers}, "master": serial}))
        return name

    def write_models(self) -> None:
        """A box for each object whose size is the same wherever it is seen."""
        for number, sizes in self.sizes.items():
            if np.ptp(np.array(sizes), axis=0).max() > 1e-4:
                continue
            low, high = np.median(np.array(sizes), axis=0)
            name = self.vocabulary.objects[number]
            if not NAME.fullmatch(name.replace(" ", "_")):
                continue
            folder = self.root / "models" / name
            folder.mkdir(parents=True)
            corners = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
            rows = [
                "v " + " ".join(f"{(low, high)[c][axis]:.9g}" for axis, c in enumerate(corner)) for corner in corners
            ]
            sides = ((1, 2, 4, 3), (5, 7, 8, 6), (1, 5, 6, 2), (3, 4, 8, 7), (1, 3, 7, 5), (2, 6, 8, 4))
            rows += ["f " + " ".join(map(str, side)) for side in sides]
            write_text(folder / "textured_simple.obj", "\n".join(rows) + "\n")
