"""Whose files are whose: each visitor has a folder that nobody else is given anything of, until the visitor leaves.

A visitor is known by a random key that only the own browser holds. Folders are named by other random words, below one
folder that only this user of the machine may enter; all of it is gone when the app ends.
"""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
import threading
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from palmar.errors import PalmarError

WORD = re.compile(r"[A-Za-z0-9_-]{16,64}\Z")
"""What a token looks like."""
LONGEST_NAME = 80
MOST_BOXES = 6
"""Uploads and results of one visitor that are kept; of more, the oldest go."""
MOST_VISITORS = 64
"""At a time; of more, those who were not seen for longest go."""
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|\Z)", re.IGNORECASE)
"""Names that Windows takes for devices."""


@dataclass
class _Visitor:
    folder: Path
    seen_s: float
    boxes: dict[str, Path] = field(default_factory=dict)
    tabs: int = 0
    departures: int = 0
    """Raised whenever a tab opens or closes, so that a late clean-up knows whether it is still meant."""


class Rooms:
    """Folders of visitors. Use as a context: everything is deleted when it ends. Safe to use from many threads.

    grace_s: after its last tab closes, how long a visitor may come back (a page that is loaded anew) and find all
    where it was. idle_s: who was not seen for this long has left.
    left: called with a visitor's key before the files go, so that work on them stops.
    """

    def __init__(
        self, *, grace_s: float = 10.0, idle_s: float = 3600.0, left: Callable[[str], None] | None = None
    ) -> None:
        self.grace_s, self.idle_s, self.left = grace_s, idle_s, left
        self.root = Path(tempfile.mkdtemp(prefix="palmar-app-")).resolve()
        self._visitors: dict[str, _Visitor] = {}
        self._lock = threading.RLock()

    def __enter__(self) -> Rooms:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            for key in list(self._visitors):
                self._remove(key)
        shutil.rmtree(self.root, ignore_errors=True)

    def admit(self) -> str:
        """A new visitor's key."""
        with self._lock:
            self.sweep()
            while len(self._visitors) >= MOST_VISITORS:
                self._remove(
                    min(self._visitors, key=lambda key: (self._visitors[key].tabs, self._visitors[key].seen_s))
                )
            key = secrets.token_urlsafe(32)
            folder = self.root / secrets.token_hex(16)
            folder.mkdir(mode=0o700)
            self._visitors[key] = _Visitor(folder, time.monotonic())
            return key

    def knows(self, key: str) -> bool:
        """Whether this is a visitor; it has been seen now."""
        with self._lock:
            visitor = self._visitors.get(key)
            if visitor is not None:
                visitor.seen_s = time.monotonic()
            return visitor is not None

    def box(self, key: str) -> tuple[str, Path]:
        """A token and an empty folder for one upload or result of this visitor."""
        with self._lock:
            visitor = self._of(key)
            for token in list(visitor.boxes)[: max(0, len(visitor.boxes) - MOST_BOXES + 1)]:
                shutil.rmtree(visitor.boxes.pop(token), ignore_errors=True)
            token = secrets.token_urlsafe(24)
            folder = visitor.folder / secrets.token_hex(16)
            folder.mkdir(mode=0o700)
            visitor.boxes[token] = folder
            return token, folder

    def find(self, key: str, token: str) -> Path:
        """The folder of a token. Raises PalmarError, always the same, for what is not there or another visitor's."""
        with self._lock:
            visitor = self._visitors.get(key)
            folder = visitor.boxes.get(token) if visitor is not None and WORD.match(token) else None
        if folder is None or not folder.is_dir():
            raise PalmarError("this file is not here, or no longer: results are kept while their page is open.")
        return folder

    def opened(self, key: str) -> None:
        """A tab of this visitor opened."""
        with self._lock:
            if key in self._visitors:
                self._visitors[key].tabs += 1
                self._visitors[key].departures += 1

    def closed(self, key: str) -> None:
        """A tab of this visitor closed. After the last one everything of the visitor is deleted, `grace_s` later."""
        with self._lock:
            visitor = self._visitors.get(key)
            if visitor is None:
                return
            visitor.tabs = max(visitor.tabs - 1, 0)
            visitor.departures += 1
            if visitor.tabs:
                return
            timer = threading.Timer(self.grace_s, self._gone, (key, visitor.departures))
        timer.daemon = True
        timer.start()

    def sweep(self) -> None:
        """Sends away who has no page open and was not seen for `idle_s`."""
        with self._lock:
            before = time.monotonic() - self.idle_s
            for key in [key for key, one in self._visitors.items() if not one.tabs and one.seen_s < before]:
                self._remove(key)

    def _gone(self, key: str, departures: int) -> None:
        with self._lock:
            visitor = self._visitors.get(key)
            if visitor is not None and not visitor.tabs and visitor.departures == departures:
                self._remove(key)

    def _remove(self, key: str) -> None:
        visitor = self._visitors.pop(key)
        if self.left is not None:
            self.left(key)
        shutil.rmtree(visitor.folder, ignore_errors=True)

    def _of(self, key: str) -> _Visitor:
        visitor = self._visitors.get(key)
        if visitor is None:
            raise PalmarError("this page was left for too long; load it anew.")
        return visitor


def safe_name(name: str) -> str:
    """A file name to show and to write, of whatever a browser says it is called: no folders, nothing that is not seen,
    no leading dots, 80 characters at most."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    shown = "".join(c if c.isprintable() and c not in "<>:\"|?*%;&$`'" else "_" for c in last).strip(" .")
    stem, dot, suffix = shown.rpartition(".")
    if not dot or len(suffix) > 8:
        stem, suffix = shown, ""
    stem = stem[: LONGEST_NAME - 10].strip(" .-") or "recording"
    shown = f"{stem}.{suffix}" if suffix else stem
    return f"_{shown}" if RESERVED.match(shown) else shown
