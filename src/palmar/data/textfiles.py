"""Text files of data sets, read with a bound on their size and a name for every mistake: file, line, what was expected.

They come from others: nothing here runs code, follows `..`, or reads more than it was told to expect.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from palmar.errors import PalmarError
from palmar.media.folder import read_bounded, whole_file

SMALL = 8 << 10
"""Bytes of a file that holds one line of numbers; 128 numbers with every digit are 3,300."""
LIST = 64 << 20
"""Bytes of a list of files, or of the rows of one recording."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
"""A part of a path in a list: no separator, no drive, not `..`."""


def read_text(path: Path, limit: int, expected: str) -> str:
    """A file of at most `limit` bytes. Raises PalmarError for a missing, larger or undecodable one."""
    data = read_bounded(path, limit, expected)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise PalmarError(f"{path}: not text (byte {err.start}); expected {expected}.") from err


def floats(words: Sequence[str], where: str, expected: str) -> Float[np.ndarray, " n"]:
    """Words as numbers, NaN and infinite ones among them. `where` names file and line in the error."""
    try:
        values = np.array(words, dtype=np.str_).astype(np.float64) if words else np.zeros(0)
        bad = next((word for word in words if "_" in word), None)
    except ValueError:
        bad = next((word for word in words if not _is_number(word)), "")
        values = np.zeros(0)
    if bad is not None:
        raise PalmarError(f"{where}: {bad[:40]!r} is not a number; expected {expected}.")
    return values


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return "_" not in word


def read_numbers(path: Path, count: int, expected: str, *, finite: bool = True) -> Float[np.ndarray, " n"]:
    """The numbers of a file that holds exactly so many, between white space.

    finite: refuse NaN and infinity; where False the caller looks at those numbers that mean something.
    """
    words = read_text(path, SMALL, expected).split()
    if len(words) != count:
        raise PalmarError(f"{path}: line 1: {len(words)} numbers; expected {expected}.")
    values = floats(words, f"{path}: line 1", expected)
    if finite and not np.isfinite(values).all():
        raise PalmarError(f"{path}: line 1: number {int(np.argmin(np.isfinite(values))) + 1} is not finite.")
    return values


def read_rows(path: Path, columns: int, expected: str, *, most: int = 100_000) -> Float[np.ndarray, "n columns"]:
    """Rows of so many finite numbers each; empty lines at the end count nowhere."""
    lines = read_text(path, LIST, expected).rstrip().splitlines()
    if len(lines) > most:
        raise PalmarError(f"{path}: {len(lines)} lines; expected {expected}, {most} at most.")
    out = np.empty((len(lines), columns))
    for number, line in enumerate(lines, 1):
        words = line.split()
        if len(words) != columns:
            raise PalmarError(f"{path}: line {number}: {len(words)} numbers; expected {expected}.")
        out[number - 1] = floats(words, f"{path}: line {number}", expected)
    finite = np.isfinite(out).all(1)
    if not finite.all():
        raise PalmarError(f"{path}: line {int(np.argmin(finite)) + 1}: a number is not finite; expected {expected}.")
    return out


def whole(value: float | str, low: int, high: int, where: str, what: str) -> int:
    """A number that must be a whole one from `low` to `high`."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not (number == number and number % 1 == 0 and low <= number <= high):
        raise PalmarError(f"{where}: expected {what}, a whole number from {low} to {high}, got {str(value)[:40]!r}.")
    return int(number)


def write_text(path: Path, text: str) -> None:
    """Whole or not at all."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def line_of(values: Iterable[float] | np.ndarray) -> str:
    """Numbers between spaces, each with the digits that give it back: 9 for float32, 17 for float64."""
    values = np.asarray(values)
    digits = 9 if values.dtype == np.float32 else 17
    return " ".join(f"{float(v):.{digits}g}" for v in values.ravel())


def read_json(path: Path, limit: int, expected: str) -> Any:
    """A JSON file of at most `limit` bytes; NaN and Infinity, which are not JSON, are refused."""
    try:
        return json.loads(read_text(path, limit, expected), parse_constant=_refuse)
    except (ValueError, RecursionError) as err:
        raise PalmarError(f"{path}: not JSON ({err}); expected {expected}.") from err


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not a number")


def safe_parts(text: str, where: str, expected: str) -> tuple[str, ...]:
    """The parts of a relative path of a list. Raises PalmarError for one that could lead out of its folder."""
    parts = tuple(text.strip().split("/"))
    if not all(NAME.fullmatch(part) for part in parts):
        raise PalmarError(f"{where}: {text.strip()[:80]!r} is no path of this data set; expected {expected}.")
    return parts


@dataclass(frozen=True)
class Tree:
    """A folder whose entries are found whatever the case of their letters."""

    path: Path
    seen: dict[str, Path] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def entries(self) -> Mapping[str, Path]:
        """Entries by their name in lower case. Of two that differ in case only, the one that the alphabet has last."""
        try:
            return {entry.name.lower(): entry for entry in sorted(self.path.iterdir())}
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as err:
            raise PalmarError(f"{self.path}: cannot be read ({err.strerror or err}).") from err

    def find(self, *names: str) -> Path | None:
        """The first entry of one of these names."""
        return next((self.entries[name.lower()] for name in names if name.lower() in self.entries), None)

    def folder(self, *names: str) -> Tree | None:
        """The first folder of one of these names."""
        found = self.find(*names)
        return Tree(found) if found is not None and found.is_dir() else None


@dataclass(frozen=True)
class Parsed:
    """Lines of a list with their numbers, for errors that name them."""

    path: Path
    lines: tuple[str, ...]

    @classmethod
    def read(cls, path: Path, expected: str, limit: int = LIST) -> Parsed:
        return cls(path, tuple(read_text(path, limit, expected).splitlines()))

    def where(self, index: int) -> str:
        return f"{self.path}: line {index + 1}"

    def rows(self, parse: Callable[[str, str], Any], start: int = 0) -> list[Any]:
        """parse(line, where) of every line that is not empty, from line `start` on, counted from 0."""
        return [parse(line, self.where(i)) for i, line in enumerate(self.lines) if i >= start and line.strip()]
