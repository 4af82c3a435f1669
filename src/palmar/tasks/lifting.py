"""Lifting: windows of a track of 2D points in, the 3D pose of each window's middle about its root out.

Points are screen coordinates: x from -1 at the picture's left edge to 1 at its right, y by the same unit from the
picture's middle line (Pavllo et al. 2019). Poses are metres, axes of the camera.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from palmar.errors import PalmarError
from palmar.metrics.points import epe, pa_mpjpe
from palmar.tasks.method import Report

ROOT = 0
"""Wrist of a hand, hip of a body."""


@runtime_checkable
class Lifter(Protocol):
    """A network of this task with its weights."""

    frames: int
    """Of a window, odd."""

    def __call__(self, track: Float[np.ndarray, "t v 2"]) -> Float[np.ndarray, "t v 3"]:
        """A pose about the root for every frame of a track, windows past its ends filled with its first and last
        frames."""
        ...


def screen(pixels: Float[np.ndarray, "*t 2"], width: int, height: int) -> Float[np.ndarray, "*t 2"]:
    """Pixels (centres at integers) as screen coordinates; the width spans -1 to 1."""
    return (pixels + 0.5) * (2 / width) - np.array([1.0, height / width])


def windows(count: int, frames: int) -> Int[np.ndarray, "t f"]:
    """Rows of the window around each of `count` frames; beyond the ends the first and the last row again."""
    if frames < 1 or frames % 2 == 0:
        raise PalmarError(f"a window has an odd number of frames, got {frames}.")
    return np.clip(np.arange(count)[:, None] + np.arange(frames) - frames // 2, 0, count - 1)


def figures(
    found: list[Float[np.ndarray, "t v 3"]], true: list[Float[np.ndarray, "t v 3"]], fps: float
) -> dict[str, float]:
    """Over all frames of all tracks: MPJPE about the root (protocol 1), after similarity (protocol 2), millimetres; and
    the error of the joints' velocity, millimetres a second (MPJVE), which shows what shakes."""
    if not found or len(found) != len(true):
        raise PalmarError(f"{len(found)} tracks found and {len(true)} true ones; needed as many, and one at least.")
    mine, theirs = ([p - p[:, ROOT : ROOT + 1] for p in poses] for poses in (found, true))
    velocity = [
        np.linalg.norm(np.diff(a, axis=0) - np.diff(b, axis=0), axis=-1) for a, b in zip(mine, theirs, strict=True)
    ]
    one, two = np.concatenate(mine), np.concatenate(theirs)
    moved = np.concatenate([v.ravel() for v in velocity])
    return {
        "mpjpe_mm": 1000 * epe(one, two),
        "pa_mpjpe_mm": 1000 * pa_mpjpe(one, two),
        "mpjve_mm_s": 1000 * fps * float(moved.mean()) if len(moved) else float("nan"),
    }


def score(values: dict[str, float], tracks: int, frames: int, where: str) -> Report:
    """The figures' table. where: what ran it."""
    rows = ["| figure | |", "|---|---|", *(f"| {name} | {value:.4g} |" for name, value in values.items())]
    rows += ["", f"{tracks} tracks, {frames} frames; {where}."]
    return Report({**values, "tracks": tracks, "frames": frames, "where": where}, "\n".join(rows))
