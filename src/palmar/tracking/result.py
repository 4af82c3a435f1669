"""A result on disk: a folder with `hands.parquet`, `clip.json` and the annotated recording, there whole or not at all.

`clip.json` says where the hands come from: the source and the file of every frame, times, cameras, versions, hashes of
the weights, assumptions. Nothing in it depends on when or where it was written: the same run gives the same bytes.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import UInt8

from palmar.errors import PalmarError, PalmarWarning
from palmar.geometry.camera import Camera
from palmar.media import VideoWriter, read, whole_folder, write_image
from palmar.media.frames import check_fps
from palmar.tracking.tracker import assumed_camera
from palmar.types import Clip, Frame, Frames, Hands
from palmar.view import MeshStyle, Style, draw, draw_mesh

SCHEMA_VERSION = 1
"""Of clip.json. Raised when an entry changes its meaning; a reader refuses a later version than its own."""
HANDS, CLIP, VIDEO, PICTURES = "hands.parquet", "clip.json", "overlay.mp4", "overlay"
SKELETON, MESH = Style(), MeshStyle()


class Result:
    """A folder that appears, complete, when the context ends well; after an error or a kill there is nothing at its
    place.

        with Result("out") as result:            # an unwritable place is an error here, before the work
            clip = track("clip.mp4")
            result.write(clip)

    The recording is decoded once more to be drawn on. What cannot be decoded twice, a webcam, is drawn as it comes:
    `track(0, observe=result.observe)`.

    overlay: draw at all. overwrite: an earlier result at this place is replaced, when the new one is whole.
    Raises PalmarError where the folder exists, or cannot be made or written.
    """

    def __init__(
        self,
        out: str | Path,
        *,
        overlay: bool = True,
        overwrite: bool = False,
        style: Style = SKELETON,
        mesh: MeshStyle | None = MESH,
    ) -> None:
        self.out, self.overlay, self.style, self.mesh = Path(out), overlay, style, mesh
        self._folder = whole_folder(self.out, overwrite, marker=CLIP)
        self._part: Path | None = None
        self._live: _Overlay | None = None
        self._written = False

    def __enter__(self) -> Result:
        self._part = self._folder.__enter__()
        return self

    @property
    def folder(self) -> Path:
        """Where files that belong to the result are put until it is whole. Raises PalmarError outside the context."""
        return self._inside()

    def observe(
        self,
        frame: Frame,
        hands: Hands,
        *,
        camera: Camera | None = None,
        mirrored: bool = False,
        fps: float | None = None,
    ) -> None:
        """Draw a frame now; `write` then decodes nothing. Does nothing without an overlay."""
        if not self.overlay:
            return
        if self._live is None:
            self._live = _Overlay(self._inside(), fps or 30.0, None).__enter__()
        self._live.add(
            frame,
            self._drawn(
                frame.image, hands, camera or assumed_camera(frame.image.shape[1], frame.image.shape[0]), mirrored
            ),
        )

    def write(self, clip: Clip, *, progress: Callable[[int, int | None], None] | None = None) -> None:
        """Write the clip: its hands, what is known of it, and, unless it was drawn live, the frames with the hands on
        them.

        progress: called after each frame drawn, with the number done and of all.
        """
        part = self._inside()
        clip.hands.to_parquet(part / HANDS)
        text = json.dumps(_entries(clip), indent=1, allow_nan=False)
        (part / CLIP).write_text(text + "\n", encoding="utf-8")
        if self._live is not None:
            self._live.close()
        elif self.overlay:
            self._draw_all(clip, progress)
        self._written = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None and kind is not None:
            self._live.__exit__(kind, error, trace)
        if kind is None and not self._written:
            error = PalmarError(f"{self.out}: the result was not written: call write(clip) before the context ends.")
            self._folder.__exit__(type(error), error, None)
            raise error
        self._folder.__exit__(kind, error, trace)

    def _inside(self) -> Path:
        if self._part is None:
            raise PalmarError(f"{self.out}: write results inside the context: with Result(...) as result.")
        return self._part

    def _drawn(self, image: np.ndarray, hands: Hands, camera: Camera, mirrored: bool) -> UInt8[np.ndarray, "h w 3"]:
        if self.mesh is not None:
            image = draw_mesh(image, hands, camera, self.mesh, mirrored=mirrored)
        return draw(image, hands, self.style)

    def _draw_all(self, clip: Clip, progress: Callable[[int, int | None], None] | None) -> None:
        order = np.argsort(clip.hands.frame, kind="stable")
        frames = clip.hands.frame[order]
        total = clip.info.get("frames", clip.frames.count)
        mirrored = bool(clip.info.get("mirrored"))
        with warnings.catch_warnings(), _Overlay(self._inside(), clip.frames.fps, clip.frames.names) as overlay:
            warnings.simplefilter("ignore", PalmarWarning)  # said once already, when it was tracked
            for done, frame in enumerate(clip.frames, 1):
                rows = order[np.searchsorted(frames, frame.index) : np.searchsorted(frames, frame.index, "right")]
                camera = camera_of(clip, frame.image)
                overlay.add(frame, self._drawn(frame.image, clip.hands[rows], camera, mirrored))
                if progress is not None:
                    progress(done, total)


class _Overlay:
    """Annotated frames: one video of a recording, one picture for each picture."""

    def __init__(self, folder: Path, fps: float | None, names: tuple[str, ...] | None) -> None:
        self.folder, self.names = folder, names
        self._stack = ExitStack()
        self._video = None if names is not None or fps is None else VideoWriter(folder / VIDEO, fps)
        self._last_s = -math.inf

    def __enter__(self) -> _Overlay:
        if self._video is not None:
            self._stack.enter_context(self._video)
        else:
            (self.folder / PICTURES).mkdir()
        return self

    def add(self, frame: Frame, image: np.ndarray) -> None:
        if self._video is None:
            name = "" if self.names is None else f"-{Path(self.names[frame.index]).stem}"
            write_image(self.folder / PICTURES / f"{frame.index:06d}{name}.jpg", image, quality=92)
            return
        if frame.time is not None:  # damaged files may repeat a time; a video may not
            self._last_s = max(frame.time, self._last_s + 0.001)
        self._video.add(image, None if frame.time is None else self._last_s)

    def close(self) -> None:
        self._stack.close()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._stack.__exit__(kind, error, trace)


def write_result(
    clip: Clip,
    out: str | Path,
    *,
    overlay: bool = True,
    overwrite: bool = False,
    progress: Callable[[int, int | None], None] | None = None,
) -> Path:
    """Write a tracked clip as the folder `out`, whole or not at all. See `Result`."""
    with Result(out, overlay=overlay, overwrite=overwrite) as result:
        result.write(clip, progress=progress)
    return result.out


def camera_of(clip: Clip, image: UInt8[np.ndarray, "h w 3"]) -> Camera:
    """The camera that `track` took for this picture of the clip, also where pictures differ in size."""
    height, width = image.shape[:2]
    if clip.camera is not None:
        return clip.camera
    fov = clip.info.get("fov_deg")
    return assumed_camera(width, height) if fov is None else Camera.from_fov(width, height, math.radians(fov))


def _entries(clip: Clip) -> dict[str, Any]:
    return {
        "schema": SCHEMA_VERSION,
        "source": clip.frames.source,
        "fps": clip.frames.fps,
        "count": clip.frames.count,
        "names": None if clip.frames.names is None else list(clip.frames.names),
        "cameras": [] if clip.camera is None else [clip.camera.to_dict()],
        "camera_note": clip.camera_note,
        "info": dict(clip.info),
    }


@dataclass
class StoredFrames:
    """Frames of a result read back: what is known of them, and the recording itself where it still is."""

    source: str
    count: int | None
    fps: float | None
    names: tuple[str, ...] | None
    stills: bool = False

    def __iter__(self) -> Iterator[Frame]:
        """Opens the recording again. Raises PalmarError when it is no longer where it was, or was a webcam."""
        if self.source.startswith("webcam:"):
            raise PalmarError(
                f"{self.source}: the pictures of a webcam are not kept; only its hands are in the result."
            )
        place = Path(self.source)
        several = self.names is not None and not place.exists()
        frames: Frames = read(list(self.names or ()) if several else place, stills=self.stills).frames
        return iter(frames)


def _no_number(word: str) -> float:
    """NaN and Infinity, which are no JSON; palmar does not write them."""
    raise ValueError(f"{word} is no number")


def read_result(folder: str | Path) -> Clip:
    """The clip that `write_result` wrote. Frames are opened only when iterated.

    Raises PalmarError for a folder that is missing, no result, damaged, or written by a later version.
    """
    folder = Path(folder)
    file = folder / CLIP
    if not file.is_file():
        raise PalmarError(f"{folder}: not a result of palmar: there is no {CLIP} in it.")
    try:
        entries = json.loads(file.read_text(encoding="utf-8"), parse_constant=_no_number)
        version = int(entries["schema"])
        if version > SCHEMA_VERSION:
            raise PalmarError(
                f"{file}: written by a later palmar (schema {version}, this one reads up to {SCHEMA_VERSION}); "
                "update palmar."
            )
        info = dict(entries["info"])
        names = None if entries["names"] is None else tuple(entries["names"])
        if not all(isinstance(name, str) for name in names or ()):
            raise TypeError("names: expected words")
        source, stills = str(entries["source"]), bool(info.get("stills"))
        frames = StoredFrames(source, entries["count"], check_fps(entries["fps"]), names, stills)
        cameras = [Camera.from_dict(camera) for camera in entries["cameras"]]
        note = str(entries["camera_note"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        raise PalmarError(f"{file}: damaged or not of palmar ({type(err).__name__}: {err}).") from err
    return Clip(frames, cameras[0] if cameras else None, note, Hands.from_parquet(folder / HANDS), info)
