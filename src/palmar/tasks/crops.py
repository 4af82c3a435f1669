"""How a network wants the hand cut out of the picture."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CropSpec:
    """A square about the hull of the hand's keypoints."""

    size: int
    """Pixels of its side, as the network sees it."""
    scale: float = 1.6
    """Its side over the longer side of the hull."""
    upright: bool = True
    """Turned so that the palm's middle finger points up; else as the picture lies."""
