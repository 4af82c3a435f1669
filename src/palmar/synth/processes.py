"""Samples made by several processes, in order, and the same whatever the number of processes."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from palmar.data.shards import Packed
from palmar.errors import PalmarError
from palmar.synth.dataset import Kind, Recipe

CHUNK: dict[Kind, int] = {"crops": 64, "frames": 64, "scenes": 1, "sequences": 4}
"""Samples that a process makes at a time."""


def packed(recipe: Recipe, start: int, stop: int, workers: int) -> Generator[Packed, None, None]:
    """Samples `start` to `stop - 1` in order, made by so many processes; one is this one."""
    step = CHUNK[recipe.kind]
    starts = range(start, stop, step)
    workers = min(workers, len(starts))
    if workers <= 1:
        for index in range(start, stop):
            yield recipe.packed(index)
        return
    # Not forked: OpenCV's threads, once started, do not survive a fork, and their absence is waited for.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_alone)
    ahead: deque[Future[list[Packed]]] = deque()  # bounded: a slow reader must not fill the memory
    most = 2 * workers if step > 1 else workers + 1  # a scene may be large
    try:
        for begin in starts:
            ahead.append(pool.submit(_some, recipe, begin, min(begin + step, stop)))
            if len(ahead) > most:
                yield from ahead.popleft().result()
        while ahead:
            yield from ahead.popleft().result()
    except BrokenProcessPool as err:
        raise PalmarError(
            "a process that makes samples was killed, perhaps for its memory: try fewer --workers."
        ) from err
    finally:
        pool.shutdown(cancel_futures=True)


def _some(recipe: Recipe, start: int, stop: int) -> list[Packed]:
    return [recipe.packed(index) for index in range(start, stop)]


def _alone() -> None:
    """Settings of a process that makes samples: one thread, and the parent decides when to stop."""
    import cv2

    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    """A parent that was killed cannot end its processes, and they would wait for work for ever."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)
