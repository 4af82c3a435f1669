"""Where the used object is in a first-person picture, by the detector of `palmar.nn.objects`, through ONNX Runtime.

find = ObjectFinder()
found = find(image)
find.objects[found.kind[0]], found.box[0], found.score[0]
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from palmar.errors import PalmarError
from palmar.tracking.detector import STRIDE, letterbox, suppress
from palmar.tracking.weights import open_session, read_weights

OUTPUTS = ("score", "box", "kind")
THRESHOLD = 0.3
LONG_SIDE = 192


@dataclass(frozen=True, eq=False)
class FoundObjects:
    """Used objects of one picture, best first."""

    box: Float[np.ndarray, "n 4"]
    """x0 y0 x1 y1, pixels of the picture; of the whole object, also where a hand hides it."""
    score: Float[np.ndarray, " n"]
    """That something is used there, whatever it is."""
    kind: Int[np.ndarray, " n"]
    """Index in `ObjectFinder.objects`, from 1."""
    sure: Float[np.ndarray, " n"]
    """Probability of that kind, given that something is there."""

    def __len__(self) -> int:
        return len(self.score)


class ObjectFinder:
    """Pictures in, `FoundObjects` in the picture's pixels out.

    folder: of the user's own objects.onnx and its card; the package's by default. Raises PalmarError where they are
    missing or not what the card says.
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        threshold: float = THRESHOLD,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        weights = read_weights("objects", folder)
        names = weights.card.get("objects")
        if not isinstance(names, list) or len(names) < 2:
            raise PalmarError("objects.json: a card without the names of objects; export the run again.")
        self.objects: tuple[str, ...] = tuple(str(name) for name in names)
        self.sha256 = weights.sha256
        self.threshold = threshold
        self._session = open_session(weights, device=device, threads=threads, outputs=OUTPUTS)

    def __call__(self, image: UInt8[np.ndarray, "h w 3"]) -> FoundObjects:
        sheet = letterbox(image, LONG_SIDE)
        score, box, kind = (np.asarray(a)[0] for a in self._session.run(OUTPUTS, {"image": sheet.image[None]}))
        if kind.shape[-1] != len(self.objects) - 1:
            raise PalmarError(
                f"objects.onnx: tells {kind.shape[-1]} kinds apart, its card names {len(self.objects) - 1}."
            )
        peak = (score >= self.threshold) & (score >= cv2.dilate(score, np.ones((3, 3), np.uint8)))
        rows, columns = np.nonzero(peak)
        order = np.argsort(-score[rows, columns], kind="stable")
        rows, columns = rows[order], columns[order]
        middle = (np.stack([columns, rows], -1) + 0.5) * STRIDE - 0.5
        edge = box[rows, columns]
        corners = sheet.to_image(np.concatenate([middle - edge[:, :2], middle + edge[:, 2:]], -1).astype(np.float64))
        keep = suppress(corners, 0.5)
        of = kind[rows, columns][keep]
        return FoundObjects(
            corners[keep],
            score[rows, columns][keep].astype(np.float64),
            of.argmax(-1) + 1 if len(of) else np.zeros(0, np.int64),
            of.max(-1).astype(np.float64) if len(of) else np.zeros(0),
        )
