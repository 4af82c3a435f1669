"""EffHandEgoNet on one's own pictures, with NumPy and ONNX Runtime alone.

net = EgoNet()
hands = net(image)
hands.keypoints[hands.present > 0.5]                     # pixels of the picture
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from palmar.errors import PalmarError
from palmar.tracking.weights import open_session, read_weights

NAME = "effhandegonet"
OUTPUTS = ("keypoints", "confidence", "present")


def squeezed(image: UInt8[np.ndarray, "h w 3"], size: tuple[int, int]) -> UInt8[np.ndarray, "H W 3"]:
    """The picture stretched to the network's width and height."""
    smaller = image.shape[1] > size[0] or image.shape[0] > size[1]
    resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    return np.ascontiguousarray(resized)


def unsqueezed(
    points: Float[np.ndarray, "*k 2"], size: tuple[int, int], to: tuple[int, int]
) -> Float[np.ndarray, "*k 2"]:
    """Pixels of the network's input as pixels of the picture (width, height)."""
    return (points + 0.5) * (np.array(to) / np.array(size)) - 0.5


@dataclass(frozen=True, eq=False)
class EgoKeypoints:
    """Both hands of a picture, left first."""

    keypoints: Float[np.ndarray, "2 21 2"]
    """Pixels; of no meaning where a hand is absent."""
    present: Float[np.ndarray, " 2"]
    """Probability that the hand is in the picture."""
    confidence: Float[np.ndarray, "2 21"]
    """Height of each joint's heat, 0 to 1."""


class EgoNet:
    """Pictures in, `EgoKeypoints` out.

    folder: of the user's own effhandegonet.onnx and its card; the package's by default. Raises PalmarError where they
    are missing or not what the card says.
    """

    def __init__(self, folder: str | Path | None = None, *, device: str = "cpu", threads: int | None = None) -> None:
        weights = read_weights(NAME, folder)
        self.sha256 = weights.sha256
        self._session = open_session(weights, device=device, threads=threads, outputs=OUTPUTS)
        shape = self._session.get_inputs()[0].shape
        if len(shape) != 4 or not all(isinstance(n, int) and n > 0 for n in shape[1:3]):
            raise PalmarError(f"{NAME}.onnx: not an EffHandEgoNet of palmar: its input has the shape {shape}.")
        self.size: tuple[int, int] = (shape[2], shape[1])
        """Width and height that the network sees."""

    def __call__(self, image: UInt8[np.ndarray, "h w 3"]) -> EgoKeypoints:
        """Raises PalmarError for what is no RGB picture."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
            raise PalmarError(f"EgoNet: expected RGB, uint8 [h, w, 3], got {image.dtype} {list(image.shape)}.")
        sheet = squeezed(image, self.size)
        points, confidence, present = (np.asarray(a)[0] for a in self._session.run(OUTPUTS, {"image": sheet[None]}))
        to = (image.shape[1], image.shape[0])
        return EgoKeypoints(
            unsqueezed(points.astype(np.float64), self.size, to),
            present.astype(np.float64),
            confidence.astype(np.float64),
        )

    def keypoints(self, image: UInt8[np.ndarray, "h w 3"], threshold: float = 0.5) -> Float[np.ndarray, "2 21 2"]:
        """Pixels, NaN of hands that are less likely there."""
        found = self(image)
        return np.where((found.present > threshold)[:, None, None], found.keypoints, np.nan)
