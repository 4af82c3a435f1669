"""What commands say on stderr: a line for an error or a warning, a bar for progress."""

from __future__ import annotations

import io
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

BAR = 24
"""Characters."""
PAUSE_S = 0.1
"""Between two drawings of a bar."""


def say(kind: str, what: object) -> None:
    """`palmar: kind: what` as one line on stderr, whatever line breaks `what` has."""
    print(f"palmar: {kind}: {' '.join(str(what).split())}", file=sys.stderr, flush=True)


def note(what: str) -> None:
    """`palmar: what` as one line on stderr."""
    print(f"palmar: {what}", file=sys.stderr, flush=True)


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Without OpenCV's own messages: what matters of them comes as a PalmarError."""
    from cv2.utils import logging

    before = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(before)


class Progress:
    """How far a job is and how fast: a bar on a terminal, nothing elsewhere. Call it with the number done and of all.

    Use as a context: the bar is taken away when it ends, so that what is said next stands on a line of its own.
    """

    def __init__(self, what: str, unit: str = "frames", stream: TextIO | io.TextIOBase | None = None) -> None:
        self.what, self.unit = what, unit
        self.done = 0
        self._stream = sys.stderr if stream is None else stream
        self._shown = self._stream.isatty()
        self._begun = time.monotonic()
        self._drawn = 0.0

    def __enter__(self) -> Progress:
        return self

    def __call__(self, done: int, total: int | None) -> None:
        self.done = done
        now = time.monotonic()
        if self._shown and (now - self._drawn > PAUSE_S or done == total):
            self._drawn = now
            width = max(shutil.get_terminal_size().columns - 1, 20)
            self._stream.write("\r\x1b[K" + line(self.what, self.unit, done, total, now - self._begun)[:width])
            self._stream.flush()

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._begun
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    @property
    def rate(self) -> float:
        """Done per second, over the whole context."""
        return self.done / max(self.seconds, 1e-9)

    seconds = 0.0
    """How long the context took; 0 while it is open."""


def line(what: str, unit: str, done: int, total: int | None, seconds: float) -> str:
    """A bar as text. total None: how much there is nobody knows, as with a webcam."""
    rate = done / max(seconds, 1e-9)
    speed = f"{rate:.0f} {unit}/s" if rate >= 10 else f"{rate:.1f} {unit}/s"
    if not total:
        return f"{what}  {done} {unit}  {speed}"
    share = min(done / total, 1.0)  # a total may be an estimate, and too low
    full = round(share * BAR)
    left = round((total - done) / rate) if rate and done < total else 0
    bar = "━" * full + "─" * (BAR - full)
    count = f"{done}/{max(total, done)} {unit}"
    return f"{what}  {bar} {share:4.0%}  {count}  {speed}  {left // 60}:{left % 60:02d} left"
