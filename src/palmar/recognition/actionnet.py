"""The recogniser of actions in use: windows of poses in, probabilities of actions out.

A recogniser is a folder with `action.onnx`, an action transformer that knows its vocabulary and what of a pose it looks
at (`palmar.methods.effhandegonet`), and its card `action.json`, which says how many `seconds` a window spans and from
how many frames a second it was learned (`fps`). `palmar act train` writes such a folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.special import softmax

from palmar.errors import PalmarError
from palmar.methods.effhandegonet.onnx import ActionReader
from palmar.methods.effhandegonet.sequences import FRAMES, Layout, vectors_of
from palmar.tracking.weights import Weights, read_weights
from palmar.types import RIGHT, Hands


@dataclass(frozen=True, eq=False)
class Poses:
    """What is seen of hands and the object in T frames. Pixels; NaN where something is absent."""

    keypoints: Float[np.ndarray, "t 2 21 2"]
    boxes: Float[np.ndarray, "t 4"]
    kinds: Int[np.ndarray, " t"]
    """Index of the object in the recogniser's vocabulary, 0 for none."""
    width: int
    height: int

    def __len__(self) -> int:
        return len(self.kinds)

    def vectors(self, layout: Layout) -> Float[np.ndarray, "t d"]:
        """As the network sees them."""
        return vectors_of(self.keypoints, self.boxes, self.kinds, (self.width, self.height), layout)


def keypoints_of(hands: Hands, frames: int, mirrored: bool = False) -> Float[np.ndarray, "t 2 21 2"]:
    """The surest left and right hand of every frame, pixels, NaN where there is none."""
    out = np.full((frames, 2, 21, 2), np.nan)
    if not len(hands):
        return out
    if hands.keypoints is None:
        raise PalmarError("actions are read off keypoints, and these hands have none; track them again.")
    for row in np.argsort(hands.score, kind="stable"):
        side = int(hands.side[row] == RIGHT)
        out[hands.frame[row], 1 - side if mirrored else side] = hands.keypoints[row, :, :2]
    return out


class ActionNet:
    """A recogniser of actions. folder: of action.onnx and action.json; the package's by default.

    Raises PalmarError where they are missing or not what the card says.
    """

    def __init__(self, folder: str | Path | None = None, *, threads: int = 1) -> None:
        weights = read_weights("action", folder)
        self.sha256 = weights.sha256
        place = files("palmar") / "weights" if folder is None else Path(folder)
        with as_file(place / "action.onnx") as file:
            self._reader = ActionReader(file, threads=threads)
        self.vocabulary, self.layout = self._reader.vocabulary, self._reader.layout
        self.frames = FRAMES
        self.seconds = float(_number(weights, "seconds", 0.05, 600.0))

    def probabilities(self, windows: Float[np.ndarray, "b n d"]) -> Float[np.ndarray, "b k"]:
        """Of each action, for windows of `frames` poses."""
        return softmax(self._reader.logits(windows.astype(np.float32)).astype(np.float64), axis=-1)


def _number(weights: Weights, name: str, low: float, high: float) -> Any:
    value = weights.card.get(name)
    if not isinstance(value, int | float) or not low <= value <= high:
        raise PalmarError(f"{weights.name}.json: {name} must lie between {low:g} and {high:g}, got {value!r}.")
    return value
