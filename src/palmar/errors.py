"""How palmar says that something is wrong: one exception for the caller's mistakes, one warning for damage it worked
around."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Collection
from types import ModuleType


class PalmarError(Exception):
    """The caller's mistake or a bad input: says what was expected, what came, and what to do. The CLI exits with 2 on
    it."""


class PalmarWarning(UserWarning):
    """Part of an input was unusable; the rest was used. The text names what was left out."""


def one_of(kind: str, name: str, known: Collection[str]) -> str:
    """`name` if it is known, else an error that lists the near ones."""
    if name in known:
        return name
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(sorted(known))}."
    raise PalmarError(f"unknown {kind} {name!r}. {hint}")


def need(module: str, *, extra: str) -> ModuleType:
    """The imported module, or a PalmarError naming the extra that installs it. A broken install shows its own error."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as err:
        if err.name != module.split(".")[0]:
            raise
        raise PalmarError(
            f"this needs the Python package {module.split('.')[0]!r}: install palmar with the [{extra}] extra, "
            f"pip install 'palmar[{extra}]'."
        ) from err
