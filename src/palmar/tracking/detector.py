"""Where hands are in a picture: letterbox, network, decoding.

The network sees the picture with its long side resized to 192, in the top left of a sheet padded to multiples of 32,
and answers once for every cell of 8 x 8 pixels: is a hand's centre here, how far are its box's edges, which side, which
way up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

STRIDE, PAD_VALUE, MULTIPLE = 8, 114, 32
OUTPUTS = ("score", "box", "side", "direction")
THRESHOLD = 0.3
"""Score from which a cell counts. Low, because what is found is looked at twice more before it counts as a hand: on the
photographs that may be tuned on, 0.5 misses three hands in ten, 0.3 one."""


@dataclass(frozen=True, eq=False)
class Detections:
    """Hands found in one picture, best first."""

    box: Float[np.ndarray, "n 4"]
    """x0 y0 x1 y1, pixels of the picture."""
    score: Float[np.ndarray, " n"]
    side: Float[np.ndarray, " n"]
    """Probability of a right hand, as the picture shows it."""
    direction: Float[np.ndarray, "n 2"]
    """Unit vector from wrist to middle MCP, x right, y down."""

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, rows: np.ndarray | slice) -> Detections:
        return Detections(*(getattr(self, field.name)[rows] for field in fields(self)))

    @staticmethod
    def empty() -> Detections:
        """None found."""
        return Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0), np.zeros((0, 2)))


@dataclass(frozen=True, eq=False)
class Letterbox:
    """A picture as the network sees it, and the way back."""

    image: UInt8[np.ndarray, "h w 3"]
    scale: tuple[float, float]
    """Resized over original size, in x and in y (they differ by rounding)."""

    def to_image(self, points: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n c"]:
        """x, y, x, y, ... from sheet pixels to the picture's."""
        scale = np.tile(self.scale, points.shape[-1] // 2)
        return (points + 0.5) / scale - 0.5


def letterbox(image: UInt8[np.ndarray, "h w 3"], long_side: int = 192) -> Letterbox:
    """Resized keeping the aspect (by area to shrink, linearly to enlarge), top left, padded to multiples of 32.

    Large pictures are halved first: averages of averages, within a grey level of the same, in a quarter of the time.
    """
    h, w = image.shape[:2]
    ratio = long_side / max(h, w)
    new_w, new_h = max(1, round(w * ratio)), max(1, round(h * ratio))
    sheet = np.full((-(-new_h // MULTIPLE) * MULTIPLE, -(-new_w // MULTIPLE) * MULTIPLE, 3), PAD_VALUE, np.uint8)
    scale = (new_w / w, new_h / h)
    while (
        min(image.shape[:2]) >= 2
        and max(image.shape[:2]) >= 2 * long_side
        and not (image.shape[0] | image.shape[1]) % 2
    ):
        image = cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)
    how = cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR
    sheet[:new_h, :new_w] = cv2.resize(image, (new_w, new_h), interpolation=how)
    return Letterbox(sheet, scale)


def decode(
    score: Float[np.ndarray, "h w"],
    box: Float[np.ndarray, "h w 4"],
    side: Float[np.ndarray, "h w"],
    direction: Float[np.ndarray, "h w 2"],
    *,
    threshold: float,
    max_overlap: float = 0.5,
) -> Detections:
    """Hands of one picture from the network's maps, in sheet pixels.

    Cells above the threshold that no neighbour (3 x 3) exceeds, then greedy suppression of boxes that overlap a better
    one by more than `max_overlap` (IoU), whichever side: one hand is never both.
    """
    peak = (score >= threshold) & (score >= cv2.dilate(score, np.ones((3, 3), np.uint8)))
    rows, columns = np.nonzero(peak)
    order = np.argsort(-score[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    x, y = (columns + 0.5) * STRIDE - 0.5, (rows + 0.5) * STRIDE - 0.5
    edge = box[rows, columns]
    corners = np.stack([x - edge[:, 0], y - edge[:, 1], x + edge[:, 2], y + edge[:, 3]], -1)
    towards = direction[rows, columns].astype(np.float64)
    towards /= np.maximum(np.linalg.norm(towards, axis=-1, keepdims=True), 1e-6)
    found = Detections(
        corners.astype(np.float64),
        score[rows, columns].astype(np.float64),
        side[rows, columns].astype(np.float64),
        towards,
    )
    return found[suppress(found.box, max_overlap)]


def iou(a: Float[np.ndarray, "n 4"], b: Float[np.ndarray, "m 4"]) -> Float[np.ndarray, "n m"]:
    """Intersection over union of boxes; 0 for two that are empty."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(-1)
    area_a, area_b = (np.clip(c[:, 2:] - c[:, :2], 0, None).prod(-1) for c in (a, b))
    return both / np.maximum(area_a[:, None] + area_b[None] - both, 1e-12)


def suppress(boxes: Float[np.ndarray, "n 4"], max_overlap: float) -> Int[np.ndarray, " k"]:
    """Rows to keep of boxes sorted best first: each overlaps no kept one before it by more than max_overlap."""
    overlap = iou(boxes, boxes)
    keep: list[int] = []
    for i in range(len(boxes)):
        if not keep or overlap[i, keep].max() <= max_overlap:
            keep.append(i)
    return np.array(keep, np.intp)


class Detector:
    """Pictures in, `Detections` in the picture's pixels out.

    network: a call from the sheet [1, h, w, 3] uint8 to the maps `score`, `box`, `side`, `direction` (see the module's
    text).
    """

    def __init__(
        self,
        network: Callable[[np.ndarray], Mapping[str, np.ndarray]],
        *,
        threshold: float = THRESHOLD,
        long_side: int = 192,
    ) -> None:
        self.network, self.threshold, self.long_side = network, threshold, long_side

    def __call__(self, image: UInt8[np.ndarray, "h w 3"]) -> Detections:
        """Hands in the picture, best first."""
        sheet = letterbox(image, self.long_side)
        maps = self.network(sheet.image[None])
        found = decode(*(maps[name][0] for name in OUTPUTS), threshold=self.threshold)
        return Detections(sheet.to_image(found.box), found.score, found.side, found.direction)
