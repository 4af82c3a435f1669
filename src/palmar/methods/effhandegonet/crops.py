"""EffHandNet's crops of one hand: ours, square about the hand; the published one of a detector's box; samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from palmar.errors import PalmarError
from palmar.methods.effhandegonet.pictures import kept
from palmar.synth.sensor import augment_photo
from palmar.types.firstperson import Split

MARGIN = 1.4
"""Side of a crop over the longer side of the box around the hand's joints."""
LONGEST = 960
STREAM = 18


def crop_map(
    box: Float[np.ndarray, " 4"], size: int, *, margin: float = MARGIN, turn: float = 0.0, mirror: bool = False
) -> Float[np.ndarray, "2 3"]:
    """Pixels of the picture -> pixels of a square crop about a box x0 y0 x1 y1, turned by radians and mirrored."""
    middle = (box[:2] + box[2:]) / 2
    scale = size / max(margin * float((box[2:] - box[:2]).max()), 2.0)
    c, s = np.cos(turn), np.sin(turn)
    a = scale * np.array([[c, -s], [s, c]]) @ np.diag([-1.0 if mirror else 1.0, 1.0])
    return np.column_stack([a, (size - 1) / 2 - a @ middle])


def cut(image: UInt8[np.ndarray, "h w 3"], m: Float[np.ndarray, "2 3"], size: int) -> UInt8[np.ndarray, "s s 3"]:
    """The crop; black outside the picture."""
    scale = float(np.sqrt(abs(np.linalg.det(m[:, :2]))))
    source = image if scale > 0.7 else cv2.GaussianBlur(image, (0, 0), 0.4 / scale)
    return np.ascontiguousarray(cv2.warpAffine(source, m, (size, size), flags=cv2.INTER_LINEAR))


@dataclass(frozen=True)
class PublishedCrop:
    """The rectangle that the published pipeline cuts for a detector's row: x0 y0 x1 y1 pixels, the last not in it."""

    x0: int
    y0: int
    x1: int
    y1: int

    @staticmethod
    def of_row(centre: tuple[float, float], size: tuple[float, float], picture: tuple[int, int]) -> PublishedCrop:
        """centre, size: shares of the picture (width, height). A tenth wider, 15 pixels more on each side; clamped to
        the picture, where the published code takes a wrong slice for negative corners."""
        low = [int((c - 1.1 * s / 2) * n) - 15 for c, s, n in zip(centre, size, picture, strict=True)]
        high = [int((c + 1.1 * s / 2) * n) + 15 for c, s, n in zip(centre, size, picture, strict=True)]
        x0, y0 = (max(v, 0) for v in low)
        x1, y1 = (min(v, n) for v, n in zip(high, picture, strict=True))
        if x1 <= x0 or y1 <= y0:
            raise PalmarError(f"a hand's box at {centre}, {size}: outside the picture.")
        return PublishedCrop(x0, y0, x1, y1)

    @property
    def extent(self) -> tuple[int, int]:
        """Width and height after padding: wide crops become square, tall ones stay."""
        width = self.x1 - self.x0
        return width, max(self.y1 - self.y0, width)

    def cut(self, image: UInt8[np.ndarray, "h w 3"], size: int = 128) -> UInt8[np.ndarray, "s s 3"]:
        """Padded with black at the bottom, stretched to a square."""
        width, height = self.extent
        sheet = np.zeros((height, width, 3), np.uint8)
        part = image[self.y0 : self.y1, self.x0 : self.x1]
        sheet[: part.shape[0], : part.shape[1]] = part
        return np.ascontiguousarray(cv2.resize(sheet, (size, size)))

    def to_picture(self, shares: Float[np.ndarray, "*k 2"]) -> Float[np.ndarray, "*k 2"]:
        """Shares of the crop as pixels of the picture."""
        return shares * np.array(self.extent) + (self.x0, self.y0)


class HandBatches:
    """Number of a batch -> image uint8 [b, s, s, 3] and keypoints [b, 1, 21, 2] of one hand each."""

    def __init__(self, splits: Sequence[Split], size: int, batch: int, seed: int, strength: float = 0.7) -> None:
        cv2.setNumThreads(1)
        self.kept = [kept(frame, LONGEST) for split in splits for frame in split.frames]
        self.hands = [
            (i, side) for i, one in enumerate(self.kept) for side in range(2) if np.isfinite(one.keypoints[side]).all()
        ]
        if not self.hands:
            raise PalmarError("none of the frames shows a hand; crops are cut about hands.")
        self.size, self.batch, self.seed, self.strength = size, batch, seed, strength

    def __call__(self, number: int) -> dict[str, np.ndarray]:
        found = [self.sample(number * self.batch + i) for i in range(self.batch)]
        return {
            "image": np.stack([image for image, _ in found]),
            "keypoints": np.stack([points for _, points in found])[:, None].astype(np.float32),
        }

    def sample(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """A hand turned up to 20 degrees, nearer or farther, off the middle, mirrored half of the time."""
        rng = np.random.default_rng((self.seed, index, STREAM))
        i, side = self.hands[int(rng.integers(len(self.hands)))]
        one = self.kept[i]
        points = one.keypoints[side].astype(np.float64)
        m = crop_map(
            np.concatenate([points.min(0), points.max(0)]), self.size,
            margin=float(rng.uniform(1.1, 1.9)), turn=float(rng.uniform(-0.35, 0.35)), mirror=bool(rng.random() < 0.5),
        )  # fmt: skip
        m[:, 2] += rng.uniform(-0.08, 0.08, 2) * self.size
        image = cut(one.image, m, self.size)
        if self.strength > 0:
            image = augment_photo(image, rng, self.strength)
        return image, points @ m[:, :2].T + m[:, 2]
