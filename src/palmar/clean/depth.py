"""Depth maps of a recording, by which its hands get their true size and distance."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float

from palmar.clean.size import length_of, scale_from_depth, scaled_to_length
from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.types import Hands

MILLIMETRES = 0.001
KINDS = (".png", ".npy")


class DepthMaps:
    """A folder of depth maps, the n-th in the order of names for frame n; read one at a time.

    Raises PalmarError for a folder without any.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise PalmarError(f"{folder}: no such folder of depth maps.")
        digits = re.compile(r"(\d+)")
        order = lambda p: [int(t) if t.isdigit() else t for t in digits.split(p.name)]  # noqa: E731
        self.files = sorted((p for p in folder.iterdir() if p.suffix.lower() in KINDS), key=order)
        if not self.files:
            raise PalmarError(f"{folder}: no depth maps in it; expected 16-bit .png in millimetres, or .npy in metres.")

    def __call__(self, frame: int) -> Float[np.ndarray, "h w"] | None:
        """Metres of a frame; None after the last. Raises PalmarError for a file that is no depth map."""
        if frame >= len(self.files):
            return None
        file = self.files[frame]
        if file.suffix.lower() == ".npy":
            try:
                found = np.load(file, allow_pickle=False)
            except (OSError, ValueError) as err:
                raise PalmarError(f"{file}: not a readable depth map ({err}).") from err
            if found.ndim != 2 or not np.issubdtype(found.dtype, np.floating):
                raise PalmarError(f"{file}: expected metres, float [h, w], got {found.dtype} {list(found.shape)}.")
            return found
        raw = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        if raw is None or raw.ndim != 2 or raw.dtype != np.uint16:
            raise PalmarError(f"{file}: expected a 16-bit grey PNG in millimetres.")
        return raw * MILLIMETRES


def by_depth(hands: Hands, folder: Path, camera: Camera | None = None) -> tuple[Hands, dict[str, float]]:
    """Each followed hand as large and as far away as depth says, and the scale of each track by its number.

    camera: that the pictures were taken with, where it is known. Raises PalmarError where no hand has enough depth, and
    for maps of another size than the pictures.
    """
    maps = DepthMaps(folder)
    first = maps(0)
    if camera is not None and first is not None and first.shape != (camera.height, camera.width):
        raise PalmarError(
            f"{folder}: maps of {first.shape[1]} x {first.shape[0]}, pictures of {camera.width} x "
            f"{camera.height}; depth has to be aligned to the pictures."
        )
    scales = scale_from_depth(hands, maps)
    if not scales:
        raise PalmarError(f"{folder}: no hand is seen in it well enough to tell its size.")
    for track, scale in scales.items():
        hands = scaled_to_length(hands, length_of(hands, track) * scale, track=track)
    return hands, {str(track): round(scale, 4) for track, scale in scales.items()}
