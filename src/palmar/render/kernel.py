"""How the compiled loops of this room are made."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from numba import njit


def kernel(**options: Any) -> Callable[[Callable], Callable]:
    """Decorator: compile on first use, keep on disk, release the interpreter's lock, and divide by zero as NumPy does.

    options: for `numba.njit`. Wrappers that a run-time type checker puts around every function are taken off first,
    for Numba cannot see through them.
    """

    def compile_lazily(function: Callable) -> Callable:
        return njit(cache=True, nogil=True, error_model="numpy", **options)(inspect.unwrap(function))

    return compile_lazily
