"""What recordings the page takes, decided before any work on them begins."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import av
from av.error import FFmpegError

from palmar.errors import PalmarError
from palmar.media import read
from palmar.media.header import read_header, sniff
from palmar.types import Clip

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,h264,hevc"
"""Kinds of video files that hold their own data. Playlists (HLS, DASH, concat) name other files, and are not opened."""
MEGA = 1_000_000


@dataclass(frozen=True)
class Limits:
    """Raises PalmarError for what cannot be."""

    megabytes: float = 500.0
    """Of one upload."""
    seconds: float = 180.0
    """Of a video."""
    megapixels: float = 9.0
    """Of one picture of a video (4K is 8.3). Photographs may have four times as many."""
    frames: int = 12_000
    """Of a video, whatever it says of its length."""

    def __post_init__(self) -> None:
        for name in ("megabytes", "seconds", "megapixels", "frames"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise PalmarError(f"{name}: expected a number above 0, got {value!r}.")

    @property
    def bytes(self) -> int:
        return round(self.megabytes * MEGA)


def opened(path: Path, limits: Limits, *, fov: float | None = None, mirrored: bool = False) -> Clip:
    """The recording as a clip. Raises PalmarError, with the file's own name, for what is none or is too much."""
    name = path.name
    try:
        size = path.stat().st_size
        if size > limits.bytes:
            raise PalmarError(f"{name}: {size / MEGA:.0f} MB; at most {limits.megabytes:g} MB are taken.")
        if not size:
            raise PalmarError(f"{name}: empty file.")
        if sniff(path) in (None, "gif"):
            _check_video(path, limits)
        else:
            header = read_header(path)
            _check_pixels(name, *header.size, 4 * limits.megapixels)
        clip = read(path, fov=fov, mirrored=mirrored)
    except PalmarError as err:
        raise PalmarError(str(err).replace(str(path), name)) from err
    except OSError as err:
        raise PalmarError(f"{name}: cannot be read ({err.strerror}).") from err
    return clip


def _check_video(path: Path, limits: Limits) -> None:
    """By what the file says of itself; nothing is decoded."""
    name = path.name
    options = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
    try:
        with av.open(f"file:{path}", options=options) as container:
            streams = container.streams.video
            if not streams:
                raise PalmarError(f"{name}: holds no video.")
            for stream in streams:
                context = getattr(stream, "codec_context", None)
                if context is not None:
                    _check_pixels(name, context.width, context.height, limits.megapixels)
            stream = streams[0]
            length = max(
                float((container.duration or 0) / av.time_base),
                float((stream.duration or 0) * (stream.time_base or 0)),
            )
            if length > limits.seconds + 0.5:
                raise PalmarError(
                    f"{name}: {_spoken(length)} long; at most {_spoken(limits.seconds)} are taken. Cut it, or use "
                    "palmar track, which has no limit."
                )
            if stream.frames > limits.frames:
                raise PalmarError(f"{name}: {stream.frames} frames; at most {limits.frames} are taken. Cut it.")
    except (FFmpegError, OSError, ValueError) as err:
        raise PalmarError(f"{name}: not a video or picture that can be read here, or damaged, or cut off.") from err


def _check_pixels(name: str, width: int, height: int, megapixels: float) -> None:
    if width * height > megapixels * MEGA:
        raise PalmarError(f"{name}: {width} x {height} pixels; at most {megapixels:g} megapixels are taken. Shrink it.")


def _spoken(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min".replace(".0 ", " ")
