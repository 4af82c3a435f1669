"""Training samples from labelled photographs, in the form of `palmar.synth.sample`: adaptation to real pictures.

Only pictures of the split `adapt` are ever read here; the split `evaluate` cannot be asked for. Keypoints come from
the opinions beside the pictures (another tracker's), boxes from people where they drew any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8

from palmar.data.photographs import Opinion, Photograph, read_photographs
from palmar.errors import PalmarError
from palmar.geometry.crop import Crop, angle_up
from palmar.hand.box import hand_box
from palmar.hand.mirror import mirror_points
from palmar.synth.background import Backgrounds
from palmar.synth.sample import CROP_SCALE, CROP_SIZE, CropSample, FrameSample
from palmar.synth.sensor import augment_photo, develop

LARGEST = 400
"""Pixels along the longer side of a picture kept in memory."""


@dataclass(frozen=True, eq=False)
class Kept:
    """A picture in memory, at most LARGEST pixels wide, with its labels in its own pixels."""

    image: UInt8[np.ndarray, "h w 3"]
    boxes: Float32[np.ndarray, "m 4"]
    sides: Float32[np.ndarray, " m"]
    """0 left, 1 right, 0.5 unknown."""
    directions: Float32[np.ndarray, "m 2"]
    """Zero where unknown."""
    opinions: tuple[Opinion, ...]


@dataclass(frozen=True, eq=False)
class Album:
    """Pictures to draw from. A large group (a room, a day) is drawn less often than its number says: folders, and the
    groups of each, have weights that go with the square root of their pictures."""

    kept: tuple[Kept, ...]
    until: Float64[np.ndarray, " n"]
    """Cumulative probabilities."""

    @staticmethod
    def of(folders: Sequence[Sequence[tuple[Kept, str]]]) -> Album:
        """Of folders of (picture, name of its group)."""
        kept, weights = [], []
        for folder in folders:
            sizes = Counter(group for _, group in folder)
            share = np.array([sizes[group] ** -0.5 for _, group in folder])
            weights.append(share / share.sum() * len(folder) ** 0.5)
            kept += [picture for picture, _ in folder]
        until = np.cumsum(np.concatenate(weights))
        return Album(tuple(kept), until / until[-1])

    def draw(self, rng: np.random.Generator) -> Kept:
        return self.kept[min(int(np.searchsorted(self.until, rng.random(), side="right")), len(self.kept) - 1)]

    def with_opinions(self) -> Album:
        """Those whose keypoints are known. Raises PalmarError where there are none."""
        known = np.array([bool(picture.opinions) for picture in self.kept])
        if not known.any():
            raise PalmarError("none of the photographs has labelled keypoints; the landmarker needs some.")
        until = np.cumsum(np.diff(self.until, prepend=0.0)[known])
        return Album(tuple(k for k in self.kept if k.opinions), until / until[-1])


def load_photographs(folders: list[Path]) -> Album:
    """The `adapt` split of these folders, decoded. Raises PalmarError where there is none, or a file does not
    decode."""
    loaded = [
        [
            (_keep(photo), photo.group)
            for photo in read_photographs(folder, "adapt")
            if photo.opinions or len(photo.boxes)
        ]
        for folder in folders
    ]
    loaded = [folder for folder in loaded if folder]
    if not loaded:
        raise PalmarError(f"no labelled pictures of the split 'adapt' in {', '.join(map(str, folders))}.")
    return Album.of(loaded)


def _keep(photo: Photograph) -> Kept:
    image = cv2.imread(str(photo.path), cv2.IMREAD_COLOR)
    if image is None:
        raise PalmarError(f"{photo.path}: not a readable picture.")
    h, w = image.shape[:2]
    s = min(1.0, LARGEST / max(h, w))
    if s < 1:
        image = cv2.resize(image, (round(w * s), round(h * s)), interpolation=cv2.INTER_AREA)
    sx, sy = image.shape[1] / w, image.shape[0] / h
    move = lambda p: (p + 0.5) * np.array([sx, sy], np.float32) - 0.5  # noqa: E731
    opinions = tuple(Opinion(o.side, o.score, move(o.keypoints), o.joints) for o in photo.opinions)
    boxes = move(photo.boxes.reshape(-1, 2)).reshape(-1, 4)
    if not photo.has_boxes:
        boxes = np.array([hand_box(o.keypoints) for o in opinions], np.float32).reshape(-1, 4)
    sides, directions = np.full(len(boxes), 0.5, np.float32), np.zeros((len(boxes), 2), np.float32)
    for row, box in enumerate(boxes):
        for o in opinions:
            x, y = o.keypoints.mean(0)
            if box[0] < x < box[2] and box[1] < y < box[3]:
                up = o.keypoints[9] - o.keypoints[0]
                sides[row], directions[row] = o.side, up / max(float(np.linalg.norm(up)), 1e-6)
    return Kept(np.ascontiguousarray(image[:, :, ::-1]), boxes.astype(np.float32), sides, directions, opinions)


def photo_crop(album: Album, seed: int, index: int, strength: float = 1.0) -> CropSample:
    """A crop of a random hand, turned, scaled, shifted, mirrored and re-photographed; without exact 3D.

    album: pictures whose keypoints are known, see `Album.with_opinions`.
    """
    rng = np.random.default_rng((seed, index, 2))
    photo = album.draw(rng)
    opinion = photo.opinions[rng.integers(len(photo.opinions))]
    points = opinion.keypoints.astype(np.float64)
    angle = float(angle_up(points[9] - points[0])) + (
        rng.uniform(-np.pi, np.pi) if rng.random() < 0.08 else rng.normal(0.0, 0.30)
    )
    c, s = np.cos(angle), np.sin(angle)
    turned = points @ np.array([[c, -s], [s, c]])
    low, high = turned.min(0), turned.max(0)
    longer = float((high - low).max())
    middle = np.array([[c, -s], [s, c]]) @ ((low + high) / 2 + rng.normal(0.0, 0.055, 2) * longer)
    side = CROP_SCALE * longer * np.exp(rng.normal(0.0, 0.13))
    absent = rng.random() < 0.05
    if absent:
        h, w = photo.image.shape[:2]
        for _ in range(10):
            middle = rng.uniform((0, 0), (w, h))
            if all(
                np.abs(middle - o.keypoints.mean(0)).max() > 0.8 * np.ptp(o.keypoints, axis=0).max()
                for o in photo.opinions
            ):
                break
        else:
            absent = False
    crop = Crop((float(middle[0]), float(middle[1])), float(side), angle, CROP_SIZE)
    image = crop.extract(photo.image, border=int(rng.integers(256)) if rng.random() < 0.5 else 0)
    keypoints = crop.to_crop(points)
    stretch = np.exp(rng.normal(0, 0.06))  # lenses and people differ more than ten rooms show
    middle_px = (CROP_SIZE - 1) / 2
    keypoints[:, 0] = (keypoints[:, 0] - middle_px) * stretch + middle_px
    image = cv2.warpAffine(
        image,
        np.array([[stretch, 0, middle_px * (1 - stretch)], [0, 1, 0]]),
        (CROP_SIZE, CROP_SIZE),
        borderMode=cv2.BORDER_REPLICATE,
    )
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]])
    joints = (opinion.joints - opinion.joints[0]) @ turn.T
    is_right = opinion.side == 1
    if not is_right:
        joints = mirror_points(joints)
    if rng.random() < 0.5:  # the picture's mirror image shows the other hand
        image, keypoints, is_right = (
            np.ascontiguousarray(image[:, ::-1]),
            keypoints * [-1, 1] + [CROP_SIZE - 1, 0],
            not is_right,
        )
    image = augment_photo(image, rng, strength)
    inside = ((keypoints > -0.5) & (keypoints < CROP_SIZE - 0.5)).all(1)
    visible = inside if opinion.seen is None else inside & opinion.seen
    eye = np.tile(np.eye(3, dtype=np.float32), (16, 1, 1))
    return CropSample(
        image,
        keypoints.astype(np.float32),
        np.asarray(visible, np.float32),
        0.0 if absent else 1.0,
        float(is_right),
        eye,
        np.zeros(10, np.float32),
        joints.astype(np.float32),
    )


def photo_frame(
    album: Album,
    backgrounds: Backgrounds,
    seed: int,
    index: int,
    height: int = 160,
    width: int = 192,
    strength: float = 1.0,
) -> FrameSample:
    """A window of a random picture, larger or smaller than it, the rest filled with a background."""
    rng = np.random.default_rng((seed, index, 3))
    photo = album.draw(rng)
    h, w = photo.image.shape[:2]
    fit = min(height / h, width / w)
    scale = fit * np.exp(rng.uniform(np.log(0.35), np.log(1.7)))
    stretch = np.exp(rng.normal(0, 0.07))
    angle = rng.normal(0, 0.12)
    a = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.diag([scale * stretch, scale])
    flip = rng.random() < 0.5
    if flip:
        a = a @ np.diag([-1.0, 1.0])
    slack = np.array([width, height]) - scale * np.array([w, h])
    centre = np.array([width, height]) / 2 + rng.uniform(-0.5, 0.5, 2) * np.abs(slack)
    m = np.column_stack([a, centre - a @ (np.array([w, h]) / 2)])
    inter = cv2.INTER_AREA if scale < 0.6 else cv2.INTER_LINEAR
    source = photo.image
    if scale < 0.6:  # warpAffine does not average
        source = cv2.resize(source, None, fx=scale, fy=scale, interpolation=inter)
        sx, sy = source.shape[1] / w, source.shape[0] / h
        m_source = np.column_stack(
            [m[:, :2] @ np.diag([1 / sx, 1 / sy]), m[:, 2] + m[:, :2] @ (np.array([0.5 / sx, 0.5 / sy]) - 0.5)]
        )
    else:
        m_source = m
    if rng.random() < 0.6:
        fill = develop(backgrounds.sample(rng, height, width)).astype(np.uint8)
    else:
        fill = np.full((height, width, 3), rng.integers(256), np.uint8)
    image = cv2.warpAffine(
        source,
        m_source,
        (width, height),
        dst=np.ascontiguousarray(fill),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_TRANSPARENT,
    )
    image = augment_photo(image, rng, strength)
    boxes, sides, directions = [], [], []
    for box, side, direction in zip(photo.boxes, photo.sides, photo.directions, strict=True):
        corners = np.array([[box[i], box[j]] for i in (0, 2) for j in (1, 3)]) @ m[:, :2].T + m[:, 2]
        middle = corners.mean(0)
        size = (
            np.abs(m[:, :2]) @ (box[2:] - box[:2]) * (1 - 0.8 * abs(np.sin(angle)))
        )  # a turned box grows; hands do not fill their corners
        new = np.concatenate([middle - size / 2, middle + size / 2])
        cut = np.clip(new, 0, np.array([width, height, width, height]) - 1)
        if (cut[2:] - cut[:2]).prod() < 0.35 * size.prod():
            continue
        turned = m[:, :2] @ direction
        boxes.append(cut)
        sides.append(1 - side if flip else side)
        directions.append(turned / max(float(np.linalg.norm(turned)), 1e-6))
    n = len(boxes)
    return FrameSample(
        image,
        np.array(boxes, np.float32).reshape(n, 4),
        np.array(sides, np.float32),
        np.array(directions, np.float32).reshape(n, 2),
        np.zeros((n, 21, 2), np.float32),
    )
