"""What the commands' options share."""

from __future__ import annotations

from palmar.errors import PalmarError


def at_least(least: int, **values: int | None) -> None:
    """Raises PalmarError naming the first option below `least`. None: not given, and fine."""
    for name, value in values.items():
        if value is not None and value < least:
            raise PalmarError(f"--{name.replace('_', '-')} must be at least {least}, got {value}.")
