"""`mp.tasks.vision.HandLandmarker`, and the pictures it takes."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import UInt8

from palmar.compat.mediapipe.results import Landmark, Session
from palmar.errors import PalmarError


class ImageFormat(enum.IntEnum):
    """Kinds of pictures; SRGB alone is taken."""

    SRGB = 1
    SRGBA = 2


class RunningMode(enum.Enum):
    IMAGE = "IMAGE"
    VIDEO = "VIDEO"
    LIVE_STREAM = "LIVE_STREAM"


class Image:
    """A picture, RGB."""

    def __init__(
        self, image_format: ImageFormat = ImageFormat.SRGB, data: UInt8[np.ndarray, "h w 3"] | None = None
    ) -> None:
        if data is None or image_format != ImageFormat.SRGB:
            raise PalmarError("Image: expected image_format=ImageFormat.SRGB and data, uint8 [h, w, 3].")
        self._data = np.ascontiguousarray(data)

    @staticmethod
    def create_from_file(file_name: str | os.PathLike[str]) -> Image:
        """Raises PalmarError for a file that is no picture."""
        from palmar.media import read

        frame = next(iter(read([os.fspath(file_name)], stills=True).frames))
        return Image(ImageFormat.SRGB, frame.image)

    def numpy_view(self) -> np.ndarray:
        return self._data

    @property
    def width(self) -> int:
        return int(self._data.shape[1])

    @property
    def height(self) -> int:
        return int(self._data.shape[0])


@dataclass
class BaseOptions:
    """model_asset_path and the like are taken and not used: the networks are palmar's own."""

    model_asset_path: str | None = None
    model_asset_buffer: bytes | None = None
    delegate: Any = None


@dataclass
class Category:
    index: int
    score: float
    display_name: str
    category_name: str


@dataclass
class HandLandmarkerResult:
    """One entry for each hand; empty lists where there is none."""

    handedness: list[list[Category]] = field(default_factory=list)
    hand_landmarks: list[list[Landmark]] = field(default_factory=list)
    hand_world_landmarks: list[list[Landmark]] = field(default_factory=list)


@dataclass
class HandLandmarkerOptions:
    base_options: BaseOptions = field(default_factory=BaseOptions)
    running_mode: RunningMode = RunningMode.IMAGE
    num_hands: int = 1
    min_hand_detection_confidence: float = 0.5
    min_hand_presence_confidence: float = 0.5
    min_tracking_confidence: float = 0.5
    result_callback: Callable[[HandLandmarkerResult, Image, int], None] | None = None


class HandLandmarker:
    """Made by `create_from_options` or `create_from_model_path`."""

    def __init__(self, options: HandLandmarkerOptions) -> None:
        live = options.running_mode is RunningMode.LIVE_STREAM
        if live != (options.result_callback is not None):
            raise PalmarError("HandLandmarker: a result_callback belongs to RunningMode.LIVE_STREAM, and only there.")
        self.options = options
        self._session: Session | None = Session(
            stills=options.running_mode is RunningMode.IMAGE, hands=options.num_hands,
            starts=options.min_hand_detection_confidence,
            follows=max(options.min_hand_presence_confidence, options.min_tracking_confidence),
        )  # fmt: skip
        self._last = -1

    @staticmethod
    def create_from_options(options: HandLandmarkerOptions) -> HandLandmarker:
        return HandLandmarker(options)

    @staticmethod
    def create_from_model_path(model_path: str) -> HandLandmarker:
        return HandLandmarker(HandLandmarkerOptions(BaseOptions(model_path)))

    def detect(self, image: Image) -> HandLandmarkerResult:
        """Of one picture, in RunningMode.IMAGE."""
        return self._look(RunningMode.IMAGE, image, None)

    def detect_for_video(self, image: Image, timestamp_ms: int) -> HandLandmarkerResult:
        """Of the next picture of a video; times rise."""
        return self._look(RunningMode.VIDEO, image, timestamp_ms)

    def detect_async(self, image: Image, timestamp_ms: int) -> None:
        """The same, told to the callback, before this returns."""
        found = self._look(RunningMode.LIVE_STREAM, image, timestamp_ms)
        assert self.options.result_callback is not None
        self.options.result_callback(found, image, timestamp_ms)

    def close(self) -> None:
        self._session = None

    def __enter__(self) -> HandLandmarker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _look(self, mode: RunningMode, image: Image, timestamp_ms: int | None) -> HandLandmarkerResult:
        if self._session is None:
            raise PalmarError("this HandLandmarker was closed; make a new one.")
        if self.options.running_mode is not mode:
            raise PalmarError(f"made for {self.options.running_mode.name}, called as for {mode.name}.")
        if timestamp_ms is not None:
            if timestamp_ms <= self._last:
                raise PalmarError(f"times must rise: {timestamp_ms} ms after {self._last} ms.")
            self._last = timestamp_ms
        found = self._session.look(image.numpy_view(), None if timestamp_ms is None else timestamp_ms / 1000)
        sides = [
            [Category(int(label == "Right"), score, label, label)]
            for label, score in zip(found.label, found.score, strict=True)
        ]
        return HandLandmarkerResult(sides, found.flat, found.world)
