"""The two networks as the tracker sees them. `Networks` is all it asks for, so that tests track with networks that know
the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from palmar.geometry.crop import Crop
from palmar.tracking import detector, landmarker
from palmar.tracking.detector import Detections, Detector
from palmar.tracking.landmarker import Landmarker, Landmarks
from palmar.tracking.weights import open_session, read_weights


@runtime_checkable
class Networks(Protocol):
    """Finds hands in pictures, and describes the hand in a crop."""

    @property
    def hashes(self) -> Mapping[str, str]:
        """sha256 of each weights file in use, for the result; empty where there is no file."""
        ...

    def detect(self, image: UInt8[np.ndarray, "h w 3"]) -> Detections:
        """Hands in the picture, best first."""
        ...

    def landmarks(self, image: UInt8[np.ndarray, "h w 3"], crops: Sequence[Crop]) -> Landmarks:
        """The hand in each crop of the picture; one crop at least."""
        ...


class OnnxNetworks:
    """The networks in the package, or in a folder of the user's own, run by ONNX Runtime.

    int8: the landmarker whose convolutions are in eight bits, landmarker-int8.onnx: more than twice as fast on one
    core, and as exact to half a point of AUC.
    Raises PalmarError for files that are missing or not what their cards say, and for a device that is not there.
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        device: str = "cpu",
        threads: int | None = None,
        int8: bool = False,
    ) -> None:
        files = {"detector": "detector", "landmarker": "landmarker-int8" if int8 else "landmarker"}
        weights = {name: read_weights(file, folder) for name, file in files.items()}
        self.cards: Mapping[str, Mapping[str, Any]] = {name: w.card for name, w in weights.items()}
        self.hashes: Mapping[str, str] = {name: w.sha256 for name, w in weights.items()}

        def network(name: str, outputs: tuple[str, ...]) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
            session = open_session(weights[name], device=device, threads=threads, outputs=outputs)

            def run(image: np.ndarray) -> dict[str, np.ndarray]:
                answers = session.run(outputs, {"image": image})
                return {key: np.asarray(answer) for key, answer in zip(outputs, answers, strict=True)}

            return run

        self._detector = Detector(network("detector", detector.OUTPUTS))
        self._landmarker = Landmarker(network("landmarker", landmarker.OUTPUTS))

    def detect(self, image: UInt8[np.ndarray, "h w 3"]) -> Detections:
        """Hands in the picture, best first."""
        return self._detector(image)

    def landmarks(self, image: UInt8[np.ndarray, "h w 3"], crops: Sequence[Crop]) -> Landmarks:
        """The hand in each crop of the picture; one crop at least."""
        return self._landmarker(image, crops)
