"""Video files in and out, by PyAV: exact time stamps, orientation, and an account of what could not be decoded."""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import av
import cv2
import numpy as np
from av.error import EOFError as EndOfStream
from av.error import FFmpegError, InvalidDataError
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from jaxtyping import UInt8

from palmar.errors import PalmarError
from palmar.media.folder import whole_file
from palmar.media.frames import check_fps
from palmar.media.header import MIN_SIDE, UPRIGHT, Turn
from palmar.media.picture import check_rgb, turned
from palmar.media.prefetch import Note, depth, prefetched, warned
from palmar.types import Frame

TICKS = 90_000
"""Per second, of the videos written: frame times are kept to 6 microseconds."""

MATRICES = {"bt709": (Colorspace.ITU709, 1), "bt601": (Colorspace.ITU601, 6)}
"""How RGB becomes luma and chroma: for the converter, and the number that stands in the file."""

_REORDER = 8
"""Frames held back to sort them, once damage has disturbed the decoder's own order."""


@dataclass
class _Account:
    """What the demuxer promised and the decoder kept, in ticks of the stream."""

    sent: dict[int, None] = field(default_factory=dict)
    """Presentation times of the packets that should give a frame, in file order."""
    given: set[int] = field(default_factory=set)
    packets: int = 0
    end: int | None = None
    errors: int = 0
    broken_off: bool = False
    late: int = 0


class VideoFrames:
    """The pictures of a video file, decoded ahead in a background thread; iterate as often as you like.

    Frames are upright (display matrix applied), of square pixels (anamorphic video is stretched), all of one `size`.
    Times are the file's presentation times, seconds from the first frame given; fps replaces them by index / fps.
    What cannot be decoded is named in one PalmarWarning at the end of the iteration, and in `notes`. Damage that the
    codec itself cannot notice (parts of HEVC, VP9, AV1 pictures) passes unseen, as in every player.
    Raises PalmarError for files that are no video, have no picture that decodes, or are too small to show a hand.
    """

    def __init__(self, path: str | Path, fps: float | None = None) -> None:
        self.path = Path(path)
        self.source = str(path)
        self.names: tuple[str, ...] | None = None
        self.notes: list[str] = []
        self._fps = check_fps(fps)
        self.fps: float | None = None
        self.size: tuple[int, int] = (0, 0)
        with _opened(self.path) as (container, stream):
            rate = stream.average_rate or stream.guessed_rate or stream.base_rate
            self.fps = self._fps or (float(rate) if rate else None)
            end = _stated_end(container, stream)
            start = float((stream.start_time or 0) * (stream.time_base or 0))
            guess = round((end - start) * self.fps) if end and self.fps else None
            self.count: int | None = stream.frames or guess
            self.codec = stream.codec_context.name
        with closing(self._decoded()) as items:
            first = next((item for item in items if isinstance(item, Frame)), None)
        if first is None:
            raise PalmarError(f"{self.source}: a video without a single picture that can be decoded.")
        self.size = (first.image.shape[1], first.image.shape[0])
        if min(self.size) < MIN_SIDE:
            raise PalmarError(f"{self.source}: {self.size[0]} x {self.size[1]} pixels are too few to show a hand; at "
                              f"least {MIN_SIDE} x {MIN_SIDE} are needed.")

    def __iter__(self) -> Iterator[Frame]:
        self.notes = []
        yield from warned(prefetched(self._decoded(), depth(*self.size)), self.notes)

    def _decoded(self) -> Generator[Frame | Note, None, None]:
        with _opened(self.path) as (container, stream):
            stream.thread_type = "AUTO"
            account = _Account()
            tick = float(stream.time_base or Fraction(1, TICKS))
            step = 1.0 / (self.fps or 30.0)
            convert = _ToRgb(stream, self.source)
            index, start, last = 0, None, None
            for picture in _in_order(_pictures(container, stream, account), account):
                stamp = picture.pts
                if stamp is not None:
                    account.given.add(stamp)
                if self._fps is not None:
                    time = index / self._fps
                elif stamp is None:
                    time = 0.0 if last is None else last + step
                else:
                    start = stamp if start is None else start
                    time = (stamp - start) * tick
                    if last is not None and time <= last:
                        account.late += 1
                        continue
                yield Frame(index, time, convert(picture, time))
                index, last = index + 1, time
            text = _damage(account, stream, container, index)
            if text and index:
                yield Note(f"{self.source}: {text}")


class _ToRgb:
    """Decoded pictures to upright RGB of square pixels, at the size of the first one."""

    def __init__(self, stream: Any, source: str) -> None:
        self.source, self.stream = source, stream
        self.reformatter = VideoReformatter()            # keeps its tables from frame to frame
        self.turn = UPRIGHT
        self.stored: tuple[int, int] | None = None

    def __call__(self, picture: av.VideoFrame, time: float) -> np.ndarray:
        if self.stored is None:
            aspect = self.stream.sample_aspect_ratio or Fraction(1)
            self.stored = (max(round(picture.width * aspect), 1), picture.height)
            self.turn = _display_turn(picture)
            self.aspect = picture.width / picture.height
        width, height = self.stored
        if abs(picture.width / picture.height / self.aspect - 1) > 0.02:
            raise PalmarError(f"{self.source}: the shape of the picture changes at {time:.3f} s, to {picture.width} x "
                              f"{picture.height} pixels; cut the video there and read the parts.")
        rgb = self.reformatter.reformat(picture, width=width, height=height, format="rgb24")
        return np.ascontiguousarray(turned(rgb.to_ndarray(), self.turn))


def _display_turn(picture: Any) -> Turn:
    """From the display matrix (a b u; c d v; x y w): x' = a x + c y, y' = b x + d y, in quarter turns and mirrors."""
    for data in picture.side_data:
        if getattr(data.type, "name", "") == "DISPLAYMATRIX":
            a, b, _, c, d = np.frombuffer(memoryview(data), np.int32, 5).tolist()
            if abs(b) + abs(c) > abs(a) + abs(d):
                return Turn(True, c < 0, b < 0)
            return Turn(False, a < 0, d < 0)
    return UPRIGHT


class _opened:
    """Context: the container and its video stream. Raises PalmarError for anything that is no video file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> tuple[Any, Any]:
        path = self.path
        if not path.exists():
            raise PalmarError(f"{path}: no such file.")
        if not path.is_file():
            raise PalmarError(f"{path}: is not a file.")
        if not path.stat().st_size:
            raise PalmarError(f"{path}: empty file.")
        try:                                             # without the prefix a colon in a name makes it an address
            self.container = av.open(f"file:{path.resolve()}", options={"protocol_whitelist": "file"})
        except (FFmpegError, OSError, ValueError) as err:
            unknown = isinstance(err, (InvalidDataError, ValueError))
            why = "not a video, or damaged, or cut off" if unknown else getattr(err, "strerror", None) or str(err)
            raise PalmarError(f"{path}: cannot be read as video ({why}).") from err
        try:
            kind = self.container.format.name
            if kind == "tty" or kind.endswith("_pipe") or kind.startswith("image2"):
                other = "." if kind == "tty" else " and not a picture that palmar reads; save it as PNG or JPEG."
                raise PalmarError(f"{path}: not a video{other}")
            streams = [s for s in self.container.streams.video if not _is_cover(s)]
            if not streams:
                what = "only sound" if self.container.streams.audio else "nothing to see"
                raise PalmarError(f"{path}: holds no video, {what}.")
            if getattr(streams[0], "codec_context", None) is None:
                raise PalmarError(f"{path}: its video codec is unknown; convert the file to H.264.")
        except BaseException:
            self.container.close()
            raise
        return self.container, streams[0]

    def __exit__(self, *_: object) -> None:
        self.container.close()


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & type(stream.disposition).attached_pic)


def _packets(container: Any, stream: Any, account: _Account) -> Iterator[Any]:
    """Packets with data, then one without (the end). After an unreadable stretch demuxing is tried again."""
    for _ in range(100):
        try:
            for packet in container.demux(stream):
                if not packet.size:                      # the demuxer's own end mark, or a frame that only repeats
                    continue
                account.packets += 1
                if packet.pts is not None:
                    account.end = max(account.end or packet.pts, packet.pts + (packet.duration or 0))
                    if not packet.is_discard:
                        account.sent[packet.pts] = None
                yield packet
            break
        except EndOfStream:
            break
        except FFmpegError:
            account.errors += 1
    else:
        account.broken_off = True
    yield None


def _pictures(container: Any, stream: Any, account: _Account) -> Iterator[Any]:
    """Pictures that decoded without error, as the decoder gives them. Those that it had to guess in part are no better
    than lost."""
    for picture in _decode(container, stream, account):
        if picture.is_corrupt:
            account.errors += 1
        else:
            yield picture


def _decode(container: Any, stream: Any, account: _Account) -> Iterator[Any]:
    for packet in _packets(container, stream, account):
        if packet is not None:
            try:
                yield from stream.codec_context.decode(packet)
            except FFmpegError:
                account.errors += 1
            continue
        for _ in range(64):                              # each error of a decoding thread surfaces alone when flushing
            try:
                yield from stream.codec_context.decode(None)
                break
            except EndOfStream:
                break
            except FFmpegError:
                account.errors += 1


def _in_order(pictures: Iterator[Any], account: _Account) -> Iterator[Any]:
    """By presentation time. Decoders sort by themselves until a frame is lost; from then on a few are held back."""
    held: list[tuple[int, int, Any]] = []
    number = count()
    for picture in pictures:
        if picture.pts is None or not account.errors:
            while held:
                yield heapq.heappop(held)[2]
            yield picture
            continue
        heapq.heappush(held, (picture.pts, next(number), picture))
        if len(held) > _REORDER:
            yield heapq.heappop(held)[2]
    while held:
        yield heapq.heappop(held)[2]


def _stated_end(container: Any, stream: Any) -> float | None:
    """The time, in seconds, at which the file says that its video ends."""
    if stream.duration and stream.time_base:
        return float((stream.duration + (stream.start_time or 0)) * stream.time_base)
    parts = (stream.metadata.get("DURATION") or "").split(":")
    if len(parts) == 3:
        with suppress(ValueError):
            return float(parts[0]) * 3600 + float(parts[1]) * 60 + float(parts[2])
    return container.duration / 1e6 if container.duration else None


def _damage(account: _Account, stream: Any, container: Any, given: int) -> str | None:
    """What was lost, in words; None if nothing was."""
    tick = float(stream.time_base or Fraction(1, TICKS))
    first = min(account.given, default=0)
    hidden = stream.codec_context.name == "vp8"          # has packets that show nothing, by design
    lost = sorted(t for t in account.sent if t not in account.given) if account.errors or not hidden else []
    parts = []
    if lost:
        spans = _spans(sorted(account.sent), lost)
        shown = [f"{(a - first) * tick:.3f}" + (f" to {(b - first) * tick:.3f} s" if b > a else " s") for a, b in spans]
        places = ", ".join(shown[:5]) + (f" and {len(shown) - 5} more places" if len(shown) > 5 else "")
        parts.append(f"{len(lost)} of {len(account.sent)} frames could not be decoded (at {places})")
    elif account.errors:
        parts.append(f"damaged in {account.errors} places")
    if account.late:
        parts.append(f"{account.late} frames whose times do not advance were left out (fps= keeps them)")
    if account.broken_off:
        parts.append("reading was given up after too many damaged places")
    stated = _stated_end(container, stream)
    promised = stream.frames or 0
    if promised > account.packets:
        parts.append(f"the file is cut off: it promises {promised} frames and holds {account.packets}")
    elif not promised and stated and account.end is not None and container.format.name.startswith(("matroska", "flv")):
        reached = account.end * tick
        if reached < stated - max(0.5, 0.02 * stated):
            parts.append(f"the file is cut off: it promises {stated:.2f} s and ends at {reached:.2f} s")
    if not parts:
        return None
    tail = ". Frames after a gap may show damage up to the next key frame." if lost or account.errors else "."
    return f"{given} frames were decoded; " + "; ".join(parts) + tail


def _spans(every: list[int], lost: list[int]) -> list[tuple[int, int]]:
    """Runs of `lost` that are neighbours in `every`; both sorted."""
    place = {t: k for k, t in enumerate(every)}
    spans: list[tuple[int, int]] = []
    for t in lost:
        if spans and place[t] == place[spans[-1][1]] + 1:
            spans[-1] = (spans[-1][0], t)
        else:
            spans.append((t, t))
    return spans


THREADS = "1"
"""Of the encoder. With several, x264 writes other bytes now and then for the same pictures (small ones, one time in
three), and others on machines with more cores. "cpu-independent" besides: on some processors its lookahead has fast
ways that write other bytes from run to run, with one thread too."""


class VideoWriter:
    """Writes H.264 (yuv420p) whole or not at all. Use as a context; an exception in it leaves no file.

        with VideoWriter("out.mp4", fps=30) as writer:
            for frame in clip.frames:
                writer.add(draw(frame.image), frame.time)

    path: .mp4, .mov or .mkv. fps: for frames without a time, and the duration of the last frame.
    crf: 0 (lossless) to 51; preset: x264's, from ultrafast to veryslow. gop: pictures from one key frame to the next,
    few where readers jump about; None: x264's choice. matrix: of colours in the file, which says so; bt601 for readers
    that do not listen and take every video for that.
    An odd side gets one more row or column, a copy of the last, because yuv420p has none.
    Raises PalmarError for an unwritable place, no frames, frames of different sizes, and times that do not advance.
    """

    def __init__(self, path: str | Path, fps: float = 30.0, *, crf: int = 20, preset: str = "veryfast",
                 gop: int | None = None, matrix: Literal["bt709", "bt601"] = "bt709") -> None:
        self.path = Path(path)
        kinds = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
        if self.path.suffix.lower() not in kinds:
            raise PalmarError(f"{path}: videos are written as .mp4, .mov or .mkv.")
        self._kind = kinds[self.path.suffix.lower()]
        self.fps = check_fps(fps) or 30.0
        self._options = {"crf": str(crf), "preset": preset, "threads": THREADS, "x264-params": "cpu-independent=1"}
        self._options |= {} if gop is None else {"g": str(gop)}
        self._to, self._tag = MATRICES[matrix]
        self._stack: ExitStack | None = None
        self._container: Any = None
        self._stream: Any = None
        self._reformatter = VideoReformatter()
        self._size: tuple[int, int] | None = None
        self._first: float = 0.0
        self._last_pts: int | None = None
        self._last_time: float | None = None
        self.count = 0

    def __enter__(self) -> VideoWriter:
        with ExitStack() as stack:
            part = stack.enter_context(whole_file(self.path))
            try:
                self._container = av.open(f"file:{part.resolve()}", "w", format=self._kind)
            except (FFmpegError, OSError) as err:
                raise PalmarError(f"{self.path}: cannot write here ({err}).") from err
            stack.callback(self._close)
            self._stack = stack.pop_all()
        return self

    def add(self, image: UInt8[np.ndarray, "h w 3"], time: float | None = None) -> None:
        """Append a frame. time: seconds, above that of the frame before; the first one is where the video begins.
        None: 1 / fps after the frame before."""
        if self._container is None:
            raise PalmarError(f"{self.path}: add frames inside the context: with VideoWriter(...) as writer.")
        check_rgb(image)
        size = (image.shape[1], image.shape[0])
        if self._size is None:
            self._begin(size)
        elif size != self._size:
            raise PalmarError(f"{self.path}: frame {self.count} has {size[0]} x {size[1]} pixels, the first one "
                              f"{self._size[0]} x {self._size[1]}; a video has one size.")
        if time is None:
            time = 0.0 if self._last_time is None else self._last_time + 1.0 / self.fps
        if not np.isfinite(time):
            raise PalmarError(f"{self.path}: frame {self.count} has the time {time}.")
        if self._last_time is None:
            self._first = time
        pts = round((time - self._first) * TICKS)
        if self._last_pts is not None and pts <= self._last_pts:
            raise PalmarError(f"{self.path}: the time of frame {self.count}, {time:.6f} s, does not come after that of "
                              f"the frame before, {self._last_time:.6f} s.")
        self._last_pts, self._last_time = pts, time
        if size[0] % 2 or size[1] % 2:
            image = cv2.copyMakeBorder(image, 0, size[1] % 2, 0, size[0] % 2, cv2.BORDER_REPLICATE)
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        picture = self._reformatter.reformat(rgb, format="yuv420p", dst_colorspace=self._to,
                                             dst_color_range=ColorRange.MPEG)
        picture.pts, picture.time_base = pts, Fraction(1, TICKS)
        picture.duration = round(TICKS / self.fps)
        self._write(picture)
        self.count += 1

    def _begin(self, size: tuple[int, int]) -> None:
        self._size = size
        if "libx264" not in av.codecs_available:
            raise PalmarError("this build of PyAV has no H.264 encoder (libx264); install av from PyPI.")
        rate = Fraction(self.fps).limit_denominator(1001)
        stream = self._container.add_stream("libx264", rate=rate, options=self._options)
        stream.width, stream.height = size[0] + size[0] % 2, size[1] + size[1] % 2
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, TICKS)
        context = stream.codec_context
        context.color_primaries = context.color_trc = 1     # BT.709's, which are sRGB's
        context.colorspace = self._tag
        context.color_range = 1                             # limited
        self._stream = stream

    def _write(self, picture: av.VideoFrame | None) -> None:
        try:
            for packet in self._stream.encode(picture):
                self._container.mux(packet)
        except (FFmpegError, OSError) as err:
            raise PalmarError(f"{self.path}: writing failed at frame {self.count} ({err}).") from err

    def _finish(self) -> None:
        if not self.count:
            raise PalmarError(f"{self.path}: no frames were given, so there is no video.")
        self._write(None)
        try:
            self._container.close()
        except (FFmpegError, OSError) as err:
            raise PalmarError(f"{self.path}: writing failed at the end ({err}).") from err

    def _close(self) -> None:
        container, self._container = self._container, None
        with suppress(FFmpegError, OSError):    # only after a failure, which was reported already
            container.close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        stack, self._stack = self._stack, None
        assert stack is not None
        try:
            if kind is None:
                self._finish()
        except BaseException as err:
            stack.__exit__(type(err), err, err.__traceback__)
            raise
        stack.__exit__(kind, error, trace)


def write_video(path: str | Path, frames: Iterable[Frame | UInt8[np.ndarray, "h w 3"]], fps: float = 30.0) -> int:
    """Write frames (at their own times) or RGB arrays (1 / fps apart) as H.264; returns how many. See `VideoWriter`."""
    with VideoWriter(path, fps) as writer:
        for frame in frames:
            if isinstance(frame, Frame):
                writer.add(frame.image, frame.time)
            else:
                writer.add(frame)
    return writer.count
