"""What a caller may say of an export."""

from __future__ import annotations

import math
from dataclasses import dataclass

from palmar.errors import PalmarError


@dataclass(frozen=True)
class Options:
    """Of all formats. `palmar.export.FORMATS` says which knows what; one that another says something of is refused.

    Raises PalmarError for what cannot be.
    """

    fps: float | None = None
    """Frames per second of formats with one fixed rate (bvh; lerobot, where it is a whole number). None: the
    recording's own, the mean where it varies."""
    task: str = ""
    """What the person does, in words (lerobot); empty: the recording's name."""
    video: bool = True
    """Put the recording into formats that hold one (lerobot). False: the hands alone, which needs no recording."""
    overwrite: bool = False
    """Replace what an earlier export left at the place."""

    def __post_init__(self) -> None:
        if self.fps is not None and not (math.isfinite(self.fps) and 0 < self.fps <= 1000):
            raise PalmarError(f"fps: expected a number above 0, at most 1000, got {self.fps!r}.")
        if len(self.task) > 1000:
            raise PalmarError("task: expected a sentence of at most 1000 characters.")


PLAIN = Options()
"""Nothing said."""
