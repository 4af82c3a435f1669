"""Long JSON, written piece by piece: a result of an hour is larger as Python's objects than as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from palmar.media import whole_file


def write_json(path: Path, frames: Iterable[Any], head: dict[str, Any] | None = None, key: str = "frames") -> None:
    """A list, a frame a line; with a head an object with the list as its last entry, under the key. Whole or not at
    all; numbers must be finite."""
    with whole_file(path) as part, part.open("w", encoding="utf-8") as file:
        file.writelines(_pieces(frames, head, key))


def _pieces(frames: Iterable[Any], head: dict[str, Any] | None, key: str) -> Iterator[str]:
    if head is not None:
        yield f"{json.dumps(head, allow_nan=False)[:-1]}{', ' if head else ''}{json.dumps(key)}: "
    yield "["
    for i, frame in enumerate(frames):
        yield f"{',' if i else ''}\n{json.dumps(frame, allow_nan=False)}"
    yield "\n]\n" if head is None else "\n]}\n"
