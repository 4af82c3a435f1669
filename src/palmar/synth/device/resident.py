"""Small constants that are made once for each device and then stay there."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

F = TypeVar("F", bound=Callable)


def resident(function: F) -> F:
    """The function, called once for every combination of its arguments.

    To a compiler its results are constants: the mark is what `torch.compiler.assume_constant_result` leaves, without
    importing the compiler for it.
    """
    cached = functools.cache(function)

    @functools.wraps(function)
    def kept(*arguments):
        return cached(*arguments)

    kept._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return kept  # type: ignore[return-value]
