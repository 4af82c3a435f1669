"""Whose turn it is: a queue in front of a few workers, progress that others can watch, and a way out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from palmar.errors import PalmarError

State = Literal["waiting", "working", "done", "failed", "cancelled"]
MOST_WAITING = 32


class Cancelled(Exception):
    """Raised inside the work of a job that its visitor no longer wants."""


@dataclass(eq=False)
class Job:
    """One visitor's work. Written to by its worker, read by who watches."""

    visitor: str
    state: State = "waiting"
    step: str = ""
    """What is being done."""
    done: int = 0
    total: int | None = None
    """Of the step; None: not known."""
    begun_s: float = 0.0
    """Of the step, on the monotonic clock."""
    result: Any = None
    message: str = ""
    """Why it failed."""
    _stop: threading.Event = field(default_factory=threading.Event)

    def begin(self, step: str, total: int | None = None) -> None:
        """A new step of the work."""
        self.check()
        self.step, self.done, self.total, self.begun_s = step, 0, total, time.monotonic()

    def progress(self, done: int, total: int | None) -> None:
        """Called by the work after each frame. Raises Cancelled where it is to stop."""
        self.check()
        self.done, self.total = done, total

    def check(self) -> None:
        if self._stop.is_set():
            raise Cancelled

    def cancel(self) -> None:
        self._stop.set()
        if self.state == "waiting":
            self.state = "cancelled"

    @property
    def over(self) -> bool:
        return self.state in ("done", "failed", "cancelled")


class Desk:
    """Takes jobs, `workers` at a time, in order, one of each visitor. A context: all stop when it ends."""

    def __init__(self, workers: int, *, waiting: int = MOST_WAITING) -> None:
        if workers < 1:
            raise PalmarError(f"jobs at a time: expected a number above 0, got {workers}.")
        self.waiting = waiting
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="palmar-app")
        self._jobs: list[Job] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            for job in self._jobs:
                job.cancel()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def put(self, visitor: str, work: Callable[[Job], Any]) -> Job:
        """Queues work. Raises PalmarError where this visitor has some already, or the queue is full."""
        with self._lock:
            self._jobs = [job for job in self._jobs if not job.over]
            if any(job.visitor == visitor for job in self._jobs):
                raise PalmarError("one recording at a time: wait for the one before, or cancel it.")
            if sum(job.state == "waiting" for job in self._jobs) >= self.waiting:
                raise PalmarError(f"{self.waiting} recordings wait already; try again later.")
            job = Job(visitor)
            self._jobs.append(job)
            self._pool.submit(self._run, job, work)
        return job

    def ahead(self, job: Job) -> int:
        """Jobs that wait in front of this one."""
        with self._lock:
            waiting = [one for one in self._jobs if one.state == "waiting"]
        return waiting.index(job) if job in waiting else 0

    def cancel(self, visitor: str) -> None:
        """Whatever this visitor has here."""
        with self._lock:
            for job in self._jobs:
                if job.visitor == visitor:
                    job.cancel()

    def _run(self, job: Job, work: Callable[[Job], Any]) -> None:
        with self._lock:
            if job.over:
                return
            job.state = "working"
        try:
            job.result = work(job)
            job.state = "done"
        except Cancelled:
            job.state = "cancelled"
        except PalmarError as err:
            job.message, job.state = str(err), "failed"
        except Exception as err:  # a defect of ours must not leave a page waiting for ever
            job.message, job.state = (
                f"this is a defect of palmar ({type(err).__name__}: {err}); please report it, with palmar doctor.",
                "failed",
            )
