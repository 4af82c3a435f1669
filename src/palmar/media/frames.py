"""Frames that do not come from a video file: arrays, picture files, a webcam. All follow `palmar.types.Frames`.

Beyond that protocol each has `size` (width and height of every frame; None where frames differ or nothing is decoded
yet) and `notes` (what the last iteration warned of).
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from palmar.errors import PalmarError
from palmar.media.header import Header
from palmar.media.picture import check_rgb, decode, frame_size, reduction
from palmar.media.prefetch import Note, depth, prefetched, warned
from palmar.types import Frame


class ArrayFrames:
    """Frames from memory. images: RGB [h, w, 3] each. fps None: unrelated pictures, without times.

    Raises PalmarError for no images, arrays that are not RGB uint8, and an fps that is not above 0.
    """

    def __init__(self, images: Sequence[UInt8[np.ndarray, "_ _ 3"]] | UInt8[np.ndarray, "t h w 3"],
                 fps: float | None = 30.0, *, source: str = "array") -> None:
        for image in images:
            check_rgb(image)
        if not len(images):
            raise PalmarError(f"{source}: no pictures.")
        self.images = images
        self.source = source
        self.count: int | None = len(images)
        self.fps = check_fps(fps)
        self.names: tuple[str, ...] | None = None
        self.size = one_size([(image.shape[1], image.shape[0]) for image in images])
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        for index, image in enumerate(self.images):
            yield Frame(index, None if self.fps is None else index / self.fps, image)


class ImageFrames:
    """Frames from picture files, decoded ahead in a background thread.

    fps None: unrelated pictures, of any sizes, without times; else a sequence of one size.
    A file that turns out damaged is left out with a PalmarWarning and its number stays unused, so that frame numbers
    keep pointing into `names`; PalmarError if none is left. Pictures above 40 megapixels come reduced by `factors`.
    """

    def __init__(self, paths: Sequence[Path], headers: Sequence[Header], fps: float | None, *, source: str,
                 names: Sequence[str]) -> None:
        self.paths, self.headers = tuple(paths), tuple(headers)
        self.factors = tuple(reduction(header, path) for path, header in zip(paths, headers, strict=True))
        self.sizes = tuple(frame_size(header, n) for header, n in zip(headers, self.factors, strict=True))
        """Width and height of every frame."""
        self.source = source
        self.count: int | None = len(self.paths)
        self.fps = check_fps(fps)
        self.names: tuple[str, ...] | None = tuple(names)
        self.size = one_size(self.sizes)
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        self.notes = []
        ahead = depth(*max(self.sizes, key=lambda size: size[0] * size[1]))
        yield from warned(prefetched(self._decoded(), ahead), self.notes)

    def _decoded(self) -> Generator[Frame | Note, None, None]:
        given, bits = 0, 0
        for index, (path, header) in enumerate(zip(self.paths, self.headers, strict=True)):
            try:
                picture = decode(path, header, at_least_bits=bits)
            except PalmarError as err:
                if self.count == 1:
                    raise
                yield Note(f"left out, frame {index}: {err}")
                continue
            given += 1
            if picture.note is not None and picture.bits != bits:
                yield Note(picture.note)
            if self.fps is not None:
                bits = max(bits, picture.bits)
            yield Frame(index, None if self.fps is None else index / self.fps, picture.image)
        if not given:
            raise PalmarError(f"{self.source}: none of its {self.count} pictures could be decoded.")


class WebcamFrames:
    """Live frames of a camera of this computer, until the consumer stops. Open only while it is iterated.

    Times are those of arrival. fps: asked of the camera, which may give another.
    Raises PalmarError when the camera cannot be opened or gives nothing; when it stops later, a PalmarWarning and the
    end.
    """

    def __init__(self, number: int, fps: float | None = None) -> None:
        if number < 0:
            raise PalmarError(f"webcam number {number}: expected 0 or above.")
        self.number = number
        self.source = f"webcam:{number}"
        self.count: int | None = None
        self.fps = check_fps(fps)
        self.names: tuple[str, ...] | None = None
        self.size: tuple[int, int] | None = None
        """Known once a frame has been given."""
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        self.notes = []
        yield from warned(self._grabbed(), self.notes)

    def _grabbed(self) -> Generator[Frame | Note, None, None]:
        capture = cv2.VideoCapture(self.number)
        try:
            if not capture.isOpened():
                raise PalmarError(f"{self.source}: no such camera, or another program uses it, or you may not open it.")
            if self.fps is not None:
                capture.set(cv2.CAP_PROP_FPS, self.fps)
            index, start = 0, 0.0
            while True:
                ok, image = capture.read()
                now = time.monotonic()
                if not ok or image is None:
                    if not index:
                        raise PalmarError(f"{self.source}: the camera opens but gives no picture; is it in use?")
                    yield Note(f"{self.source}: the camera stopped after {index} frames, {now - start:.1f} s.")
                    return
                start = now if not index else start
                rgb = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_BGR2RGB)
                self.size = (rgb.shape[1], rgb.shape[0])
                yield Frame(index, now - start, rgb)
                index += 1
        finally:
            capture.release()


def one_size(sizes: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """The size if all are the same, else None."""
    return sizes[0] if len(set(sizes)) == 1 else None


def check_fps(fps: float | None) -> float | None:
    """`fps` as a float. Raises PalmarError unless it is None or above 0 and finite."""
    if fps is None:
        return None
    try:
        value = float(fps)
    except (TypeError, ValueError):
        value = 0.0
    if not 0 < value < float("inf"):
        raise PalmarError(f"frames per second must be a number above 0, got {fps!r}.")
    return value
