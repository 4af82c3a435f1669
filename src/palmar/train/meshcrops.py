"""Crops of right hands for networks that say meshes: from the world, or from a data set in its own layout.

    crops = open_crops("drawn", "train", size=128)             # endless, exact, made as they are asked for
    crops = open_crops("drawn:6000", "train", size=128)        # the first 6,000 of them, kept in memory
    crops = open_crops("freihand:/data/freihand", "train", size=256)
    crops = open_crops("ho3d:/data/HO3D_v3", "train", size=256)

A crop is a dictionary of arrays: image uint8 [s, s, 3]; keypoints [21, 2], its pixels; visible [21], 1 seen; joints
[21, 3], metres from the wrist's joint, axes of the crop; vertices [v, 3] likewise, of drawn and synthetic hands and
FreiHAND's; rotations [16, 3, 3] and shape [10] where the hand model is palmar's. Left hands are mirrored to right ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from palmar.data.datasets import KINDS as DATASETS
from palmar.data.datasets import open_split
from palmar.data.freihand import VERTICES, FreiHand, part_rows
from palmar.errors import PalmarError, one_of
from palmar.geometry.crop import Crop, extract_view, virtual_camera
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand import HandModel
from palmar.hand.mirror import mirror_points, mirror_rotmats
from palmar.synth.sample import crop_sample
from palmar.tasks.mesh import MeshPredictor, MeshTruth, score
from palmar.tasks.method import Report
from palmar.train.options import on_threads
from palmar.types.firstperson import EgoFrame
from palmar.types.hands import RIGHT

MeshCrop = Mapping[str, np.ndarray]
SEEDS = {"train": 61, "val": 62, "test": 63}
"""Of the world, for each part: no hand, light or room of one is in another."""
KINDS = ("drawn", *DATASETS)


@runtime_checkable
class MeshCrops(Protocol):
    """Crops by number. The same number gives the same crop, but for the shake."""

    vertices: int
    """Of a mesh: 1,690 of palmar's hand, 778 of MANO's, 0 where none is known."""
    parametric: bool
    """Whether rotations and shape of palmar's hand are known."""
    upright: bool
    """Whether crops are turned so that the hand points up, as tracking cuts them."""

    def __len__(self) -> int:
        """0 for endless ones."""
        ...

    def crop(self, index: int, shake: np.random.Generator | None = None) -> MeshCrop:
        """shake: moves, scales and turns the cut at random, where that is not in the data already."""
        ...


@dataclass(frozen=True, eq=False)
class Drawn:
    """Crops of the synthetic world with a hand in them."""

    seed: int
    count: int = 0
    size: int = 128
    strength: float = 0.7
    """Of the sensor's randomisation."""
    keep_bytes: float = 2e9
    """Memory for crops that were made already."""
    vertices: int = field(default=0, init=False)
    parametric: bool = field(default=True, init=False)
    upright: bool = field(default=True, init=False)
    _kept: dict[int, MeshCrop] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "vertices", len(HandModel.default().template))

    def __len__(self) -> int:
        return self.count

    def crop(self, index: int, shake: np.random.Generator | None = None) -> MeshCrop:
        """Nothing is shaken: every crop is cut as tracking would, errors included."""
        found = self._kept.get(index)
        if found is None:
            found = self._made(index)
            if self.count and (len(self._kept) + 1) * self.size**2 * 3 < self.keep_bytes:
                self._kept[index] = found
        rotations, shape = found["rotations"], found["shape"]
        posed = HandModel.default().shaped(shape).posed(rotations)
        skin, root = posed.skin(), posed.joints()[..., :1, :]
        return {**found, "vertices": np.asarray(skin - root, np.float32)}

    def _made(self, index: int) -> MeshCrop:
        turn = 0
        while True:  # past those that show no hand
            sample = crop_sample(self.seed + 1000 * turn, index, self.strength, size=self.size)
            if sample.presence > 0.5:
                break
            turn += 1
        image, keypoints = sample.image, sample.keypoints
        if sample.side < 0.5:  # the labels are a right hand's already
            image, keypoints = flipped(image, keypoints)
        return {
            "image": image,
            "keypoints": keypoints,
            "visible": sample.visible,
            "joints": sample.joints,
            "rotations": sample.rotations,
            "shape": sample.shape,
        }


@dataclass(frozen=True, eq=False)
class FreiHandCrops:
    """Crops of FreiHAND's pictures around the projected joints: the view of a camera turned to the hand, with the truth
    turned as it is. MANO's parameters are not given: without a MANO file they mean nothing."""

    data: FreiHand
    rows: Int[np.ndarray, " n"]
    size: int = 224
    scale: float = 1.6
    """Of the crop's side to the longer side of the box around the joints."""
    vertices: int = field(default=VERTICES, init=False)
    parametric: bool = field(default=False, init=False)
    upright: bool = field(default=False, init=False)

    def __len__(self) -> int:
        return len(self.rows)

    def crop(self, index: int, shake: np.random.Generator | None = None) -> MeshCrop:
        """Raises PalmarError for an entry without picture, joints or vertices."""
        row = int(self.rows[index])
        frame = self.data.frame(row)
        if not frame.present[1]:
            raise PalmarError(f"{self.data.file('xyz')}: {frame.name}: no joints; this part has no truth.")
        found, turn = cut(frame, 1, self.size, self.scale, shake)
        if self.data.vertices is None:
            raise PalmarError(f"{self.data.file('verts')}: no such file; mesh networks learn from vertices.")
        surface = self.data.vertices[self.data.entry(row)].astype(np.float64)
        return {**found, "vertices": ((surface - frame.joints[1, 0]) @ turn.T).astype(np.float32)}


@dataclass(frozen=True, eq=False)
class FrameCrops:
    """Crops of the frames of any data set, cut as FreiHAND's are. Crop i is of frame i: of its only hand, or of its two
    the right one where i is even; a frame without hands stands for the next that has some.

    Synthetic frames have palmar's hand; of the others the joints are known alone.
    """

    frames: Sequence[EgoFrame]
    name: str
    """Of the data, for errors."""
    parametric: bool
    size: int = 224
    scale: float = 1.6
    upright: bool = field(default=False, init=False)

    @property
    def vertices(self) -> int:
        return len(HandModel.default().template) if self.parametric else 0

    def __len__(self) -> int:
        return len(self.frames)

    def crop(self, index: int, shake: np.random.Generator | None = None) -> MeshCrop:
        """Raises PalmarError for a frame without a picture, and where no frame has a hand."""
        for ahead in range(len(self.frames)):
            frame = self.frames[(index + ahead) % len(self.frames)]
            sides = np.flatnonzero(frame.present)
            if len(sides):
                return self.of(frame, int(sides[-1] if index % 2 == 0 else sides[0]), shake)
        raise PalmarError(f"{self.name}: no frame has a hand whose joints are known.")

    def of(self, frame: EgoFrame, side: int, shake: np.random.Generator | None) -> MeshCrop:
        found, turn = cut(frame, side, self.size, self.scale, shake)
        if not self.parametric:
            return found if side == RIGHT else mirrored(found)
        assert frame.pose is not None
        assert frame.shape is not None
        rotations = rotmat_from_rotvec(frame.pose[side].astype(np.float64))
        rotations[0] = turn @ rotations[0]
        found = {**found, "rotations": rotations.astype(np.float32), "shape": frame.shape[side]}
        found = found if side == RIGHT else mirrored(found)
        posed = HandModel.default().shaped(found["shape"]).posed(found["rotations"])
        return {**found, "vertices": np.asarray(posed.skin() - posed.joints()[:1], np.float32)}


def cut(
    frame: EgoFrame, hand: int, size: int, scale: float, shake: np.random.Generator | None
) -> tuple[dict[str, np.ndarray], Float[np.ndarray, "3 3"]]:
    """Picture, keypoints and joints of a frame's hand as a camera turned to it sees them, and crop_from_camera.

    scale: of the crop's side to the longer side of the box around the joints. shake: side by a factor of up to 1.3,
    turn by up to 60 degrees, place by up to a twentieth of the side. Raises PalmarError for a frame without a picture.
    """
    if frame.image is None:
        raise PalmarError(f"{frame.name}: no picture; mesh networks read pictures.")
    joints = frame.joints[hand].astype(np.float64)
    # a picture is stretched off its axis: what the box of the joints is as seen from the front decides
    crop = Crop.around(frame.camera.project(joints), scale=scale, size=size)
    view, turn = virtual_camera(frame.camera, crop.centre, crop.side, size=size)
    inner = Crop.around(view.project(joints @ turn.T), scale=scale, size=size)
    (x, y), side = frame.camera.project(view.unproject(np.array(inner.centre)) @ turn), crop.side * inner.side / size
    angle = 0.0
    if shake is not None:
        x, y = np.array([x, y]) + shake.uniform(-0.05, 0.05, 2) * side
        side *= np.exp(shake.uniform(-1, 1) * np.log(1.3))
        angle = float(np.clip(shake.normal(), -2, 2) * np.pi / 6) if shake.random() < 0.6 else 0.0
    view, turn = virtual_camera(frame.camera, (float(x), float(y)), float(side), size=size, roll=angle)
    found = {
        "image": extract_view(frame.image, frame.camera, view, turn),
        "keypoints": view.project(joints @ turn.T).astype(np.float32),
        "visible": np.ones(21, np.float32),
        "joints": ((joints - joints[0]) @ turn.T).astype(np.float32),
    }
    return found, turn


def flipped(
    image: UInt8[np.ndarray, "h w 3"], keypoints: Float[np.ndarray, "21 2"]
) -> tuple[UInt8[np.ndarray, "h w 3"], Float[np.ndarray, "21 2"]]:
    """Left and right exchanged."""
    last = np.float32([image.shape[1] - 1, 0])
    return np.ascontiguousarray(image[:, ::-1]), keypoints * np.float32([-1, 1]) + last


def mirrored(crop: MeshCrop) -> dict[str, np.ndarray]:
    """The crop of a left hand as that of a right one, and back; without vertices."""
    image, keypoints = flipped(crop["image"], crop["keypoints"])
    out = {**crop, "image": image, "keypoints": keypoints, "joints": mirror_points(crop["joints"])}
    if "rotations" in crop:
        out["rotations"] = mirror_rotmats(crop["rotations"])
    return out


def open_crops(data: str, part: str, *, size: int) -> MeshCrops:
    """Crops by one line of text, of a part "train", "val" or "test"; FreiHAND also has "training" and "evaluation".

    data: "drawn", "drawn:COUNT", or "kind:/path" of a data set that `palmar.data.datasets` reads. Raises PalmarError
    for what is none of them.
    """
    kind, _, rest = data.partition(":")
    one_of("kind of crops", kind, KINDS)
    if kind == "drawn":
        one_of("part of the drawn crops", part, SEEDS)
        if rest and not (rest.isascii() and rest.isdigit() and 0 < int(rest) < 10**9):
            raise PalmarError(
                f"{data}: what follows drawn: is how many, a whole number from 1; drawn alone is endless."
            )
        return Drawn(SEEDS[part], int(rest or 0), size)
    root = Path(rest)
    if not rest or not root.is_dir():
        raise PalmarError(f"{data}: no such folder; expected {kind}:/path, the root of a data set.")
    if kind != "freihand":
        frames = open_split(data, part).frames
        if not len(frames):
            raise PalmarError(f"{data}: its part {part} has no frames.")
        return FrameCrops(frames, f"{data} {part}", kind == "synthetic", size)
    one_of("split of FreiHAND", part, ("train", "val", "test", "training", "evaluation"))
    files = FreiHand(root, "evaluation" if part == "evaluation" else "training")
    whole = part in ("training", "evaluation")
    rows = np.arange(len(files)) if whole else part_rows(part, len(files), len(files.cameras))
    return FreiHandCrops(files, rows, size)


class Batches:
    """Number of a batch -> its arrays, [b, ...] each: a pure function of the number, the seed and the crops."""

    def __init__(self, crops: MeshCrops, *, size: int, seed: int) -> None:
        cv2.setNumThreads(1)
        self.crops, self.size, self.seed = crops, size, seed

    def __call__(self, number: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng((self.seed, number))
        if len(self.crops):
            rows = rng.integers(len(self.crops), size=self.size)
        else:
            rows = self.size * number + np.arange(self.size) + self.seed * 10**8  # each seed its own stretch
        return stacked([self.crops.crop(int(row), rng) for row in rows])


def stacked(crops: Sequence[MeshCrop]) -> dict[str, np.ndarray]:
    return {name: np.stack([crop[name] for crop in crops]) for name in crops[0]}


def held_out(crops: MeshCrops, count: int) -> tuple[dict[str, np.ndarray], MeshTruth]:
    """Crops spread over all there are, unshaken, and their truth. count: 0 for all.

    Raises PalmarError for all of endless ones.
    """
    total = len(crops)
    if not count and not total:
        raise PalmarError("the drawn crops are endless: say how many, as in drawn:1000.")
    rows: Float[np.ndarray, " n"] = (
        np.linspace(0, total - 1, min(count, total) if count else total) if total else np.arange(float(count))
    )
    arrays = stacked([crops.crop(int(row)) for row in rows])
    return arrays, MeshTruth(arrays["joints"], arrays.get("vertices"), arrays["visible"])


def some_pictures(crops: MeshCrops, count: int = 64) -> UInt8[np.ndarray, "n s s 3"]:
    """The first crops' pictures, to calibrate with."""
    return np.stack([crops.crop(i)["image"] for i in range(min(count, len(crops) or count))])


def evaluate(predictor: MeshPredictor, data: str, split: str, *, limit: int, threads: int, device: str) -> Report:
    """A network scored on the crops of one line of text, cut as it wants them, one at a time.

    limit: crops at most, spread over all; 0: all. threads: of PyTorch on the processor.
    """
    arrays, truth = held_out(open_crops(data, split, size=predictor.crop.size), limit)
    with on_threads(threads):
        found = predictor(arrays["image"])
    return score(found, truth, f"{data} {split}, {device}, {threads} threads, one at a time")
