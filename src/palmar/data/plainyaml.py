"""The part of YAML that data sets use: nested mappings and lists of words and numbers, by indentation or in brackets.

No tags, anchors, references or text over several lines; whatever is not of this part is an error that names its line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from palmar.data.textfiles import read_text
from palmar.errors import PalmarError

MAX_DEPTH = 8
_KEY = re.compile(r"('[^']*'|\"[^\"\\]*\"|[^\s'\"\[\]{}#&*!|>%@`,:-][^:#]*?)\s*:(?:\s+(.*))?")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_STRANGE = "&*!|>%@`{"


def read_yaml(path: Path, limit: int, expected: str) -> Any:
    """Mappings (keys are words), lists, words, numbers, None; from a file of at most `limit` bytes."""
    rows: list[tuple[int, str, str]] = []
    open_list = ""
    for number, line in enumerate(read_text(path, limit, expected).splitlines(), 1):
        text = _uncommented(line).rstrip()
        where = f"{path}: line {number}"
        if not text.strip() or text.strip() in ("---", "..."):
            continue
        if "\t" in text[: len(text) - len(text.lstrip())]:
            raise PalmarError(f"{where}: a tab before the text; expected {expected}.")
        if open_list:  # a list in brackets goes on
            indent, so_far, at = rows[-1]
            rows[-1] = (indent, f"{so_far} {text.strip()}", at)
        else:
            rows.append((len(text) - len(text.lstrip()), text.strip(), where))
        open_list = "[" if rows[-1][1].count("[") > rows[-1][1].count("]") else ""
    value, end = _block(rows, 0, rows[0][0] if rows else 0, expected, 0)
    if end < len(rows):
        raise PalmarError(f"{rows[end][2]}: {rows[end][1][:40]!r} does not belong here; expected {expected}.")
    return value


def _uncommented(line: str) -> str:
    """A line without what follows a # at its start or behind a space, outside quotes."""
    quote, before = "", " "
    for at, mark in enumerate(line):
        if quote:
            quote = "" if mark == quote else quote
        elif mark in "'\"" and before in " [,:-":
            quote = mark
        elif mark == "#" and before in " \t":
            return line[:at]
        before = mark
    return line


def _block(rows: list[tuple[int, str, str]], at: int, indent: int, expected: str, depth: int) -> tuple[Any, int]:
    """The value that begins at row `at` with this indentation, and the row behind it."""
    if at >= len(rows):
        return None, at
    if depth > MAX_DEPTH:
        raise PalmarError(f"{rows[at][2]}: nested too deeply; expected {expected}.")
    if _is_item(rows[at][1]):
        return _list(rows, at, indent, expected, depth)
    out: dict[str, Any] = {}
    while at < len(rows) and rows[at][0] == indent and not _is_item(rows[at][1]):
        _, text, where = rows[at]
        found = _KEY.fullmatch(text)
        if found is None:
            if not out and (at + 1 == len(rows) or rows[at + 1][0] < indent):
                return _scalar(text, where, expected), at + 1
            raise PalmarError(f"{where}: {text[:40]!r}; expected {expected}.")
        key = found[1].strip("'\"")
        at += 1
        if found[2]:
            out[key] = _scalar(found[2], where, expected)
        elif at < len(rows) and (rows[at][0] > indent or (rows[at][0] == indent and _is_item(rows[at][1]))):
            out[key], at = _block(rows, at, rows[at][0], expected, depth + 1)
        else:
            out[key] = None
    return out, at


def _is_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")


def _list(rows: list[tuple[int, str, str]], at: int, indent: int, expected: str, depth: int) -> tuple[list[Any], int]:
    out: list[Any] = []
    while at < len(rows) and rows[at][0] == indent and _is_item(rows[at][1]):
        _, text, where = rows[at]
        rest = text[1:].lstrip()
        if rest and not _is_item(rest) and _KEY.fullmatch(rest) is None:
            out.append(_scalar(rest, where, expected))
            at += 1
            continue
        if rest:  # what follows the dash is the first row of a block of its own
            inner = indent + len(text) - len(rest)
            rows[at] = (inner, rest, where)
        else:
            at += 1
            inner = rows[at][0] if at < len(rows) else -1
        if inner <= indent:
            out.append(None)
            continue
        value, at = _block(rows, at, inner, expected, depth + 1)
        out.append(value)
    return out, at


def _scalar(text: str, where: str, expected: str) -> Any:
    if text[0] == "[":
        if text[-1] != "]" or "[" in text[1:] or "]" in text[:-1]:
            raise PalmarError(
                f"{where}: {text[:40]!r}: a list in brackets holds words and numbers; expected {expected}."
            )
        inner = text[1:-1].strip().removesuffix(",")
        return [_scalar(word.strip() or "~", where, expected) for word in inner.split(",")] if inner else []
    if text[0] in "'\"":
        if len(text) < 2 or text[-1] != text[0] or text[0] in text[1:-1] or "\\" in text:
            raise PalmarError(f"{where}: {text[:40]!r} is not in whole quotes; expected {expected}.")
        return text[1:-1]
    if text[0] in _STRANGE or _KEY.fullmatch(text):
        raise PalmarError(f"{where}: {text[:40]!r} is not read here; expected {expected}.")
    if text in ("~", "null", "Null", "NULL"):
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if _NUMBER.fullmatch(text) and len(text) <= 40:
        return int(text) if text.lstrip("+-").isdecimal() else float(text)
    return text


def yaml_text(values: Mapping[str, Any], indent: int = 0) -> str:
    """A mapping of mappings, lists, words and finite numbers as YAML that `read_yaml` and others read."""
    lines = []
    space = " " * indent
    for key, value in values.items():
        name = _word(key)
        if isinstance(value, Mapping):
            lines.append(f"{space}{name}:\n{yaml_text(value, indent + 2)}")
        elif isinstance(value, list):
            lines.append(f"{space}{name}:{'' if value else ' []'}\n" + "".join(f"{space}- {_word(v)}\n" for v in value))
        else:
            lines.append(f"{space}{name}: {_word(value)}\n")
    return "".join(lines)


def _word(value: Any) -> str:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise PalmarError(f"{value} cannot be written: numbers of these files are finite.")
        return repr(value) if "e" not in repr(value) else f"{value:.17e}"  # 1e-05 is a word to others
    if isinstance(value, int):
        return str(value)
    text = str(value)
    if any(mark in text for mark in "'\"\\\n"):
        raise PalmarError(f"{text[:40]!r} cannot be written: quotes and line breaks are left out.")
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", text) and text.lower() not in (
        "true",
        "false",
        "null",
        "yes",
        "no",
    )
    return text if plain else f"'{text}'"
