"""`Clip`: frames, their camera, and the hands known so far. What every stage takes and gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from palmar.geometry.camera import Camera
from palmar.types.hands import Hands


@dataclass(frozen=True)
class Frame:
    """One decoded picture. time: seconds from the first frame; None for pictures that belong to no sequence."""

    index: int
    time: float | None
    image: UInt8[np.ndarray, "h w 3"]
    """RGB, upright (orientation metadata applied)."""


@runtime_checkable
class Frames(Protocol):
    """Pictures decoded one at a time. Iterating again starts from the first (not so for a webcam)."""

    source: str
    """The path, or webcam:0."""
    count: int | None
    """Number of frames where it is known before decoding; an estimate for video without an index; None for a webcam."""
    fps: float | None
    """Mean frames per second; None for unrelated pictures."""
    names: tuple[str, ...] | None
    """The file of each frame for folders and lists of pictures, else None."""

    def __iter__(self) -> Iterator[Frame]: ...


@dataclass(frozen=True, eq=False)
class Clip:
    """A recording and what is known of it. A stage is a callable Clip -> Clip that adds to it.

    camera: None where nothing is known; `camera_note` then says why, or, for an assumed camera, what was assumed.
    info: provenance (versions, hashes of weights, assumptions), JSON values only.
    """

    frames: Frames
    camera: Camera | None = None
    camera_note: str = "no camera was given"
    hands: Hands = field(default_factory=Hands.empty)
    info: Mapping[str, Any] = field(default_factory=dict)

    def replace(self, **changes: Any) -> Clip:
        """A copy with these fields changed."""
        return replace(self, **changes)
