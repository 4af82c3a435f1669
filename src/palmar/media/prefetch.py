"""Decoding ahead in one background thread, and warnings that travel with the frames."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TypeVar

from palmar.errors import PalmarWarning
from palmar.types import Frame

T = TypeVar("T")

AHEAD_FRAMES = 4
AHEAD_BYTES = 100_000_000
"""At most this many frames, and about this much memory, wait decoded."""


@dataclass(frozen=True)
class Note:
    """Something the consumer should be warned of, at its place among the frames."""

    text: str


@dataclass(frozen=True)
class _End:
    error: BaseException | None


def depth(width: int, height: int) -> int:
    """How many frames of this size to decode ahead."""
    return max(1, min(AHEAD_FRAMES, AHEAD_BYTES // (3 * width * height)))


def prefetched(items: Generator[T, None, None], ahead: int) -> Generator[T, None, None]:
    """The same items, made in a background thread at most `ahead` before they are asked for.

    An error in `items` is raised here, after the items before it. When the consumer stops early (closes or drops the
    iterator), `items` is closed in its thread and the thread has ended.
    """
    room = threading.Semaphore(ahead)
    ready: SimpleQueue[T | _End] = SimpleQueue()
    stopped = threading.Event()

    def work() -> None:
        error: BaseException | None = None
        try:
            room.acquire()
            for item in items:
                ready.put(item)
                room.acquire()
                if stopped.is_set():
                    break
        except BaseException as err:
            error = err
        try:
            items.close()
        except BaseException as err:
            error = error or err
        ready.put(_End(error))

    thread = threading.Thread(target=work, name="palmar-decode", daemon=True)
    thread.start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            room.release()
            yield item
            del item                                     # free the frame before the next one is waited for
    finally:
        stopped.set()
        room.release()
        thread.join()


def warned(items: Generator[Frame | Note, None, None], notes: list[str]) -> Iterator[Frame]:
    """The frames; every note among them becomes a PalmarWarning and is added to `notes`. Closes `items` at the end."""
    with closing(items):
        for item in items:
            if isinstance(item, Note):
                notes.append(item.text)
                warnings.warn(item.text, PalmarWarning, stacklevel=3)
            else:
                yield item
