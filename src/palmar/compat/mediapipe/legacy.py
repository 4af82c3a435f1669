"""`mp.solutions.hands`, as MediaPipe had it until it was taken out."""

from __future__ import annotations

import enum
from types import TracebackType
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from palmar.compat.mediapipe.results import Classification, ClassificationList, LandmarkList, Session
from palmar.errors import PalmarError

_FINGERS = {
    "THUMB": ("CMC", "MCP", "IP", "TIP"),
    **{name: ("MCP", "PIP", "DIP", "TIP") for name in ("INDEX_FINGER", "MIDDLE_FINGER", "RING_FINGER", "PINKY")},
}
HandLandmark = enum.IntEnum(  # type: ignore[misc]
    "HandLandmark", ["WRIST", *(f"{name}_{part}" for name, parts in _FINGERS.items() for part in parts)], start=0
)
"""WRIST = 0 to PINKY_TIP = 20."""
HAND_CONNECTIONS: frozenset[tuple[int, int]] = frozenset(
    [(0, 1), (0, 5), (5, 9), (9, 13), (13, 17), (0, 17)]
    + [(first + k, first + k + 1) for first in (1, 5, 9, 13, 17) for k in range(3)]
)
"""Pairs of landmarks between which a line is drawn: the outline of the palm, and the fingers."""


class Connection(NamedTuple):
    """As the newer tasks tell a line."""

    start: int
    end: int


CONNECTION_OBJECTS = [Connection(*pair) for pair in sorted(HAND_CONNECTIONS)]


class SolutionOutputs(NamedTuple):
    """None where no hand was found; else one entry for each hand."""

    multi_hand_landmarks: list[LandmarkList] | None
    """x and y as shares of the picture, z about on the scale of x, from the wrist."""
    multi_hand_world_landmarks: list[LandmarkList] | None
    """Metres, about the hand's middle."""
    multi_handedness: list[ClassificationList] | None
    """Left or Right of a mirror image: see `Session`."""


class Hands:
    """Finds hands in one picture after the other.

    model_complexity: 0 the landmarker in eight bits, 1 the full one.
    """

    def __init__(
        self,
        static_image_mode: bool = False,
        max_num_hands: int = 2,
        model_complexity: int = 1,
        min_detection_confidence: float = 0.5,
        min_tracking_confidence: float = 0.5,
    ) -> None:
        if model_complexity not in (0, 1):
            raise PalmarError(f"model_complexity: expected 0 or 1, got {model_complexity}.")
        self._session: Session | None = Session(
            stills=static_image_mode, hands=max_num_hands, starts=min_detection_confidence,
            follows=min_tracking_confidence, int8=model_complexity == 0,
        )  # fmt: skip

    def process(self, image: UInt8[np.ndarray, "h w 3"]) -> SolutionOutputs:
        """The hands of an RGB picture. Raises PalmarError for another kind of picture, and after `close`."""
        if self._session is None:
            raise PalmarError("these Hands were closed; make new ones.")
        found = self._session.look(image)
        if not found.flat:
            return SolutionOutputs(None, None, None)
        sides = [
            ClassificationList([Classification(int(label == "Right"), score, label)])
            for label, score in zip(found.label, found.score, strict=True)
        ]
        return SolutionOutputs(
            [LandmarkList(points) for points in found.flat], [LandmarkList(points) for points in found.world], sides
        )

    def close(self) -> None:
        """Lets go of the networks."""
        self._session = None

    def __enter__(self) -> Hands:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
