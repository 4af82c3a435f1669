"""What both interfaces answer with, and how a frame's hands become it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8

from palmar.errors import PalmarError
from palmar.export.mediapipe import landmarks
from palmar.tracking import OnnxNetworks, Tracker
from palmar.tracking.tracker import Settings
from palmar.types import RIGHT, Frame, Hands

NAMES = ("Left", "Right")


@dataclass
class Landmark:
    """A point. Visibility and presence are not told for hands, by MediaPipe neither."""

    x: float
    y: float
    z: float
    visibility: float = 0.0
    presence: float = 0.0

    def HasField(self, name: str) -> bool:
        """Whether a value was told."""
        return name in ("x", "y", "z")


@dataclass
class LandmarkList:
    landmark: list[Landmark] = field(default_factory=list)


@dataclass
class Classification:
    index: int
    score: float
    label: str
    display_name: str = ""


@dataclass
class ClassificationList:
    classification: list[Classification] = field(default_factory=list)


@dataclass
class Found:
    """Of one picture, one entry a hand."""

    flat: list[list[Landmark]]
    world: list[list[Landmark]]
    label: list[str]
    score: list[float]


class Session:
    """A tracker behind either interface.

    MediaPipe takes a picture for a mirror image: of a picture that is none it calls a right hand "Left". That is kept
    here, for scripts count on it. confidence: of starting and of following a hand, in MediaPipe's scale, where 0.5 is
    the default: other values move palmar's own thresholds in proportion.
    """

    def __init__(self, *, stills: bool, hands: int, starts: float, follows: float, int8: bool = False) -> None:
        for name, value in (("detection", starts), ("tracking", follows)):
            if not 0.0 <= value <= 1.0:
                raise PalmarError(f"min_{name}_confidence: expected 0 to 1, got {value}.")
        own = Settings()
        settings = Settings(
            score_to_start=min(own.score_to_start * starts / 0.5, 0.99),
            score_to_keep=min(own.score_to_keep * follows / 0.5, 0.99),
        )
        self._make = lambda: Tracker(networks, max_hands=hands, stills=stills, settings=settings)
        networks = OnnxNetworks(int8=int8)
        self._tracker = self._make()
        self._size: tuple[int, ...] = ()
        self._count = 0

    def look(self, image: UInt8[np.ndarray, "h w 3"], time: float | None = None) -> Found:
        """The hands of one picture. time: seconds; without, thirty pictures a second are taken for granted. A picture
        of another size begins anew. Raises PalmarError for what is no RGB picture."""
        if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise PalmarError("expected an RGB picture, uint8 [h, w, 3]; of BGR make it with cv2.cvtColor.")
        if image.shape[:2] != self._size:
            self._tracker, self._size = self._make(), image.shape[:2]
        now = self._count / 30.0 if time is None else time
        hands = self._tracker.step(Frame(self._count, now, np.ascontiguousarray(image)))
        self._count += 1
        return self._told(hands)

    def _told(self, hands: Hands) -> Found:
        camera = self._tracker.camera
        assert camera is not None
        flat, world = landmarks(hands, camera)
        points = lambda rows: [[Landmark(*p) for p in hand] for hand in rows.tolist()]  # noqa: E731
        labels = [NAMES[int(side != RIGHT)] for side in hands.side.tolist()]  # of a mirror image
        return Found(points(flat), points(world), labels, [float(s) for s in hands.score])
