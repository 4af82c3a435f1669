"""`read`: whatever a user can point at, as a `Clip`."""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from palmar.errors import PalmarError, PalmarWarning
from palmar.geometry.camera import Camera
from palmar.media.frames import ArrayFrames, ImageFrames, WebcamFrames, check_fps
from palmar.media.header import Header, read_header, sniff
from palmar.media.video import VideoFrames
from palmar.types import Clip

Source = str | os.PathLike[str] | int | np.ndarray | Sequence[str | os.PathLike[str]]

ASSUMED_FPS = 30.0
PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm"})


def read(source: Source, *, stills: bool = False, camera: Camera | None = None, fov: float | None = None,
         mirrored: bool = False, fps: float | None = None) -> Clip:
    """A picture, video, folder of pictures, list of pictures, webcam number, or RGB array as a clip.

    Nothing is decoded yet but a video's first frame.
    source: a path, told apart by content, not by suffix; of a folder the pictures directly in it, in natural name order
        (2 before 10), hidden files ignored, others named in a PalmarWarning; an int is a webcam (opened when iteration
        begins); an array [h, w, 3] is one picture, [t, h, w, 3] a sequence, RGB uint8.
    stills: several pictures are unrelated, of any sizes, and have no times; else they are a sequence of one size.
    camera: of the upright picture. Where the picture has another size of the same shape it is resized along.
    fov: instead of a camera, degrees from left edge to right edge of the upright picture. Pictures of several sizes
        leave `clip.camera` None, and `info["fov_deg"]` holds for each of them.
    Neither given: the focal length that a picture's EXIF states for 36 x 24 mm film (f px = f mm / 43.27 mm x diagonal
        px), if all pictures agree; else `clip.camera` is None and `camera_note` says why.
    mirrored: the recording is a mirror image (selfie view). Kept in `info["mirrored"]`; pixels stay as they are.
    fps: of a sequence of pictures or arrays (30 assumed, and noted, when None); for a video it replaces its times; a
        webcam is asked for it.

    Info: source, mirrored, stills; where they apply fov_deg, fps_note, left_out (names and reasons), reduced (a list of
    frame, factor, original size in pixels: pictures above 40 megapixels are given smaller by this factor; coordinates
    are those of the frame given, and x_original = (x + 0.5) factor - 0.5).
    Raises PalmarError for everything that is missing, damaged, no picture or video, or contradictory.
    """
    if camera is not None and fov is not None:
        raise PalmarError("give a camera or a field of view, not both.")
    if fov is not None and not 0 < fov < 180:
        raise PalmarError(f"the field of view must lie between 0 and 180 degrees, got {fov!r}.")
    if stills and fps is not None:
        raise PalmarError("unrelated pictures (stills) have no frames per second; leave out one of the two.")
    fps = check_fps(fps)
    info: dict[str, Any] = {"mirrored": mirrored, "stills": stills}
    if isinstance(source, np.ndarray):
        frames: ArrayFrames | ImageFrames | VideoFrames | WebcamFrames = _array(source, stills, fps, info)
    elif isinstance(source, (int, np.integer)) and not isinstance(source, bool):
        frames = WebcamFrames(int(source), fps)
    elif isinstance(source, (str, os.PathLike)):
        frames = _path(Path(source), stills, fps, info)
    elif isinstance(source, Sequence) and all(isinstance(item, (str, os.PathLike)) for item in source):
        frames = _listed([Path(item) for item in source], stills, fps, info)
    else:
        raise PalmarError(f"cannot read a {type(source).__name__}: expected a path, a list of paths, a webcam number "
                          f"or an RGB array.")
    if stills and isinstance(frames, (VideoFrames, WebcamFrames)):
        raise PalmarError(f"{frames.source}: only pictures can be unrelated (stills); this is a recording.")
    info["source"] = frames.source
    camera, note = _camera(frames, camera, fov, info)
    return Clip(frames, camera, note, info=info)


def _array(array: np.ndarray, stills: bool, fps: float | None, info: dict[str, Any]) -> ArrayFrames:
    if array.ndim not in (3, 4):
        raise PalmarError(f"an array is one picture [h, w, 3] or a sequence [t, h, w, 3]; got shape {array.shape}.")
    if array.ndim == 3:
        return ArrayFrames([array], None)
    return ArrayFrames(array, _sequence_fps(stills, fps, info))


def _sequence_fps(stills: bool, fps: float | None, info: dict[str, Any]) -> float | None:
    if stills or fps is not None:
        return fps
    info["fps_note"] = f"the pictures carry no times: {ASSUMED_FPS:g} frames per second were assumed"
    return ASSUMED_FPS


def _path(path: Path, stills: bool, fps: float | None, info: dict[str, Any]) -> ImageFrames | VideoFrames:
    _need(path)
    if path.is_dir():
        return _folder(path, stills, fps, info)
    kind = sniff(path)
    if kind == "gif" or (kind is None and path.suffix.lower() not in PICTURE_SUFFIXES):
        return VideoFrames(path, fps)
    return _pictures([path], [path.name], str(path), stills, fps, info)


def _need(path: Path) -> None:
    """Raise PalmarError unless there is a file or folder of this name."""
    try:
        if not path.exists():
            raise PalmarError(f"{path}: no such file or folder.")
        if not path.is_file() and not path.is_dir():
            raise PalmarError(f"{path}: is neither a file nor a folder.")
    except (OSError, ValueError) as err:                 # a name too long, or with a zero byte
        raise PalmarError(f"{path}: cannot be read ({err}).") from err


def natural(name: str) -> tuple[Any, ...]:
    """Sort key: digits as numbers, letters without case, ties by the name itself."""
    parts = re.split(r"(\d+)", name.casefold())
    return ([(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part], name)


def _folder(path: Path, stills: bool, fps: float | None, info: dict[str, Any]) -> ImageFrames:
    try:
        entries = sorted((e for e in path.iterdir() if not e.name.startswith(".")), key=lambda e: natural(e.name))
    except OSError as err:
        raise PalmarError(f"{path}: cannot be read ({err.strerror or err}).") from err
    files = [entry for entry in entries if entry.is_file()]
    pictures, others = [], []
    for file in files:
        known = sniff(file) not in (None, "gif") or file.suffix.lower() in PICTURE_SUFFIXES
        (pictures if known else others).append(file)
    if others:
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        shown = ", ".join(file.name for file in others[:5]) + more
        if pictures:
            warnings.warn(f"{path}: no pictures, left out: {shown}.", PalmarWarning, stacklevel=4)
        info["left_out"] = [{"file": file.name, "why": "not a picture"} for file in others]
    if not pictures:
        inside = f"it has {shown}" if others else "pictures in sub-folders are not read" if entries else "it is empty"
        raise PalmarError(f"{path}: a folder without pictures; {inside}.")
    return _pictures(pictures, [file.name for file in pictures], str(path), stills, fps, info)


def _listed(paths: list[Path], stills: bool, fps: float | None, info: dict[str, Any]) -> ImageFrames:
    if not paths:
        raise PalmarError("an empty list of pictures.")
    for path in paths:
        _need(path)
        if path.is_dir():
            raise PalmarError(f"{path}: a folder in a list of pictures; read it alone, or list its files.")
        if sniff(path) in (None, "gif") and path.suffix.lower() not in PICTURE_SUFFIXES:
            raise PalmarError(f"{path}: not a picture. A list may hold pictures only; read a video alone.")
    names = [str(path) for path in paths]
    source = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    return _pictures(paths, names, source, stills, fps, info)


def _pictures(paths: list[Path], names: list[str], source: str, stills: bool, fps: float | None,
              info: dict[str, Any]) -> ImageFrames:
    good: list[tuple[Path, str, Header]] = []
    bad: list[dict[str, str]] = []
    for path, name in zip(paths, names, strict=True):
        try:
            good.append((path, name, read_header(path)))
        except PalmarError as err:
            if len(paths) == 1:
                raise
            bad.append({"file": name, "why": str(err)})
    if not good:
        raise PalmarError(f"{source}: none of the {len(bad)} pictures can be read; the first one: {bad[0]['why']}")
    if bad:
        info.setdefault("left_out", []).extend(bad)
        shown = " ".join(entry["why"] for entry in bad[:3]) + (f" And {len(bad) - 3} more." if len(bad) > 3 else "")
        warnings.warn(f"{len(bad)} of {len(paths)} pictures left out. {shown}", PalmarWarning, stacklevel=5)
    kept, kept_names, headers = zip(*good, strict=True)
    alone = len(paths) == 1
    if not alone and not stills:
        first = headers[0].size
        other = next((k for k, header in enumerate(headers) if header.size != first), None)
        if other is not None:
            second = headers[other].size
            raise PalmarError(f"{source}: a sequence has one size, but {kept_names[0]} has {first[0]} x {first[1]} "
                              f"pixels and {kept_names[other]} {second[0]} x {second[1]}. Read unrelated pictures with "
                              f"stills.")
    rate = None if alone else _sequence_fps(stills, fps, info)
    frames = ImageFrames(kept, headers, rate, source=source, names=kept_names)
    reduced = [{"frame": k, "factor": factor, "original": list(header.size)}
               for k, (factor, header) in enumerate(zip(frames.factors, headers, strict=True)) if factor > 1]
    if reduced:
        info["reduced"] = reduced
    return frames


def _camera(frames: ArrayFrames | ImageFrames | VideoFrames | WebcamFrames, camera: Camera | None, fov: float | None,
            info: dict[str, Any]) -> tuple[Camera | None, str]:
    """The clip's camera and the note that explains it."""
    size = frames.size
    if camera is not None:
        if size is None and isinstance(frames, WebcamFrames):
            return camera, "given"
        if size is None:
            raise PalmarError(f"{frames.source}: pictures of several sizes cannot share a camera; give fov.")
        if (camera.width, camera.height) == size:
            return camera, "given"
        if abs(camera.width * size[1] / (camera.height * size[0]) - 1) < 0.005:
            return camera.resized(*size), f"given for {camera.width} x {camera.height} pixels, resized with the picture"
        raise PalmarError(f"{frames.source}: the camera is for {camera.width} x {camera.height} pixels, the picture "
                          f"has {size[0]} x {size[1]}, another shape. Give the camera of the upright picture.")
    if fov is not None:
        info["fov_deg"] = float(fov)
        if size is None:
            why = "known once the webcam runs" if isinstance(frames, WebcamFrames) else "of several sizes"
            return None, f"a field of view of {fov:g} degrees was given; the picture is {why}"
        return Camera.from_fov(*size, math.radians(fov)), f"from the field of view given, {fov:g} degrees left to right"
    if isinstance(frames, ImageFrames):
        focal = {header.focal_35mm for header in frames.headers}
        if len(focal) == 1 and None not in focal and size is not None:
            mm = float(focal.pop() or 0)
            pixels = mm / math.hypot(36, 24) * math.hypot(*size)
            return (Camera.from_fov(*size, 2 * math.atan(size[0] / 2 / pixels)),
                    f"from the EXIF focal length, {mm:g} mm for 36 x 24 mm film; the picture was taken as uncropped")
        if focal - {None}:
            return None, "no camera was given, and the pictures' EXIF focal lengths or sizes differ"
    return None, "no camera was given"
