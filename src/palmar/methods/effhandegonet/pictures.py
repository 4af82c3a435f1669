"""Frames in memory, and the samples that the pose networks learn from: pure functions of (seed, number).

All of an augmentation's turns, crops and pads are one affine map, so that a picture is resampled once. A mirror image
swaps left and right; a hand with fewer than seven joints in the sample is absent, whatever moved it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from palmar.errors import PalmarError
from palmar.methods.effhandegonet.objective import ABSENT
from palmar.synth.sensor import augment_photo
from palmar.types.firstperson import EgoFrame, Split

Augmentation = Literal["firstperson", "paper", "none"]
SEEN_JOINTS = 7
STREAM = 17
SPARE = 1.25
"""Pixels kept of a picture over those that the network sees: a close-up has some more."""


@dataclass(frozen=True, eq=False)
class Kept:
    """A picture in memory and its hands, in its own pixels."""

    image: UInt8[np.ndarray, "h w 3"]
    keypoints: Float32[np.ndarray, "2 21 2"]
    """NaN where a hand is absent."""
    object: int


def kept(frame: EgoFrame, longest: int) -> Kept:
    """Raises PalmarError for a frame without a picture."""
    if frame.image is None:
        raise PalmarError(f"{frame.name}: there is no picture to learn from.")
    h, w = frame.image.shape[:2]
    scale = min(1.0, longest / max(h, w))
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    image = frame.image if scale == 1 else cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA)
    points = (frame.keypoints + 0.5) * (np.array(size) / (w, h)) - 0.5
    return Kept(np.ascontiguousarray(image), points.astype(np.float32), frame.object)


def stretch(size: tuple[int, int], to: tuple[int, int]) -> Float[np.ndarray, "2 3"]:
    """Pixels of a picture (width, height) -> pixels of the network's input, each axis for itself."""
    factor = np.array(to) / np.array(size)
    return np.column_stack([np.diag(factor), 0.5 * factor - 0.5])


def _then(after: np.ndarray, first: np.ndarray) -> Float[np.ndarray, "2 3"]:
    return np.column_stack([after[:, :2] @ first[:, :2], after[:, :2] @ first[:, 2] + after[:, 2]])


def _about(matrix: np.ndarray, size: tuple[float, float]) -> Float[np.ndarray, "2 3"]:
    """A linear map about the middle of a picture (width, height)."""
    middle = (np.array(size) - 1) / 2
    return np.column_stack([matrix, middle - matrix @ middle])


def _turn(degrees: float) -> Float[np.ndarray, "2 2"]:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s], [s, c]])


def firstperson_map(
    rng: np.random.Generator, size: tuple[int, int], to: tuple[int, int], hands: Float[np.ndarray, "n 2"]
) -> Float[np.ndarray, "2 3"]:
    """What another wearer's camera would see: mirrored half of the time, turned a little, nearer or farther, mostly
    with a hand in sight. hands: middles of those in the picture."""
    matrix = _turn(rng.normal(0, 9)) * np.exp(rng.uniform(np.log(0.75), np.log(1.6)))
    matrix = matrix @ np.diag([np.exp(rng.normal(0, 0.1)), 1.0])
    if rng.random() < 0.5:
        matrix = matrix @ np.diag([-1.0, 1.0])
    m = _then(stretch(size, to), _about(matrix, size))
    if len(hands) and rng.random() < 0.5:
        middle = hands[int(rng.integers(len(hands)))]
        m[:, 2] = rng.uniform(0.15, 0.85, 2) * to - m[:, :2] @ middle
    else:
        m[:, 2] += rng.normal(0, 0.08, 2) * to
    return m


def paper_map(rng: np.random.Generator, size: tuple[int, int], to: tuple[int, int]) -> Float[np.ndarray, "2 3"]:
    """The published augmentation, on a canvas that is square until the end: a mirror or turn, a crop, a zoom-out (hands
    become 1/1.4 to 1/6 of their size), any turn."""
    side = 512.0
    canvas = (side, side)
    m = stretch(size, (int(side), int(side)))
    if rng.random() < 0.3:
        first = int(rng.choice(4, p=np.array([0.33, 0.33, 0.33, 0.5]) / 1.49))
        matrix = (np.diag([-1.0, 1.0]), np.diag([1.0, -1.0]), -np.eye(2), None)[first]
        turned = _turn(rng.uniform(-180, 180)) if matrix is None else matrix
        m = _then(stretch(size, (int(side), int(side))), _about(turned, size))
    second = int(rng.choice(4, p=np.array([1, 0.5, 1, 1]) / 3.5))
    if second >= 2:
        m = _then(_about(_turn(rng.uniform(-30, 30)), canvas), m)
    if second in (1, 2):
        part = side * np.sqrt(rng.uniform(0.8 if second == 1 else 0.7, 1.0))
        corner = rng.uniform(0, side - part, 2)
        m = _then(np.column_stack([np.eye(2), -corner]), m)
        m = _then(np.column_stack([np.eye(2) * side / part, np.full(2, 0.5 * side / part - 0.5)]), m)
    if rng.random() < 0.5:
        wide = float(rng.choice([2000, 3000]) if rng.random() < 0.5 else rng.choice([side, 700, 800, 1000, 1200]))
        m = _then(_about(np.eye(2) * side / wide, canvas), m)
    if rng.random() < 0.5:
        m = _then(_about(_turn(rng.uniform(-180, 180)), canvas), m)
    return _then(stretch((int(side), int(side)), to), m)


def moved(
    keypoints: Float[np.ndarray, "2 21 2"], m: Float[np.ndarray, "2 3"], to: tuple[int, int]
) -> tuple[Float32[np.ndarray, "2 21 2"], Bool[np.ndarray, " 2"]]:
    """Hands under an affine map, in pixels of the result (width, height), and which are there.

    Swapped where it mirrors; `ABSENT` where fewer than seven joints of one remain.
    """
    points = keypoints @ m[:, :2].T + m[:, 2]
    if np.linalg.det(m[:, :2]) < 0:
        points = points[::-1]
    with np.errstate(invalid="ignore"):
        inside = ((points > -0.5) & (points < np.array(to) - 0.5)).all(-1)
    there = inside.sum(-1) >= SEEN_JOINTS
    return np.where(there[:, None, None], points, ABSENT).astype(np.float32), there


class EgoBatches:
    """Number of a batch -> its arrays (see `objective`)."""

    def __init__(
        self,
        splits: Sequence[Split],
        size: tuple[int, int],
        batch: int,
        seed: int,
        *,
        augmentation: Augmentation = "firstperson",
        strength: float = 0.7,
        right_only: bool = False,
    ) -> None:
        """size: width and height of the network's input. right_only: the right hand and the object (FPHA)."""
        cv2.setNumThreads(1)
        self.kept = [kept(frame, round(SPARE * max(size))) for split in splits for frame in split.frames]
        if not self.kept:
            raise PalmarError("there are no frames to learn from; name data that has pictures.")
        self.size, self.batch, self.seed = size, batch, seed
        self.augmentation, self.strength, self.right_only = augmentation, strength, right_only

    def __call__(self, number: int) -> dict[str, np.ndarray]:
        found = [self.sample(number * self.batch + i) for i in range(self.batch)]
        hands = slice(1, 2) if self.right_only else slice(0, 2)
        return {
            "image": np.stack([image for image, _, _, _ in found]),
            "keypoints": np.stack([points[hands] for _, points, _, _ in found]),
            "present": np.stack([there[hands] for _, _, there, _ in found]).astype(np.int64),
            "object": np.array([thing for _, _, _, thing in found], np.int64),
        }

    def sample(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        rng = np.random.default_rng((self.seed, index, STREAM))
        one = self.kept[int(rng.integers(len(self.kept)))]
        size = (one.image.shape[1], one.image.shape[0])
        if self.augmentation == "none":
            m = stretch(size, self.size)
        elif self.augmentation == "paper":
            m = paper_map(rng, size, self.size)
        else:
            middles = one.keypoints.mean(1)
            m = firstperson_map(rng, size, self.size, middles[np.isfinite(middles).all(1)])
        if self.right_only and np.linalg.det(m[:, :2]) < 0:
            m = _then(_about(np.diag([-1.0, 1.0]), self.size), m)  # a right hand must stay one
        smaller = np.sqrt(abs(np.linalg.det(m[:, :2])))
        picture = one.image if smaller > 0.7 else cv2.GaussianBlur(one.image, (0, 0), 0.4 / smaller)
        border = cv2.BORDER_CONSTANT if rng.random() < 0.5 else cv2.BORDER_REFLECT_101
        image = cv2.warpAffine(picture, m, self.size, flags=cv2.INTER_LINEAR, borderMode=border)
        if self.augmentation != "none" and self.strength > 0:
            image = augment_photo(image, rng, self.strength)
        points, there = moved(one.keypoints.astype(np.float64), m, self.size)
        return image, points, there, one.object
