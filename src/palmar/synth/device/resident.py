"""Small constants that are made once for each device and then stay there."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch

F = TypeVar("F", bound=Callable)

_KEPT: dict[tuple, Any] = {}


def resident(function: F) -> F:
    """The function, called once for every combination of its arguments: numbers and at last a device.

    As `functools.cache`, but in plain code that `torch.compile` can follow: what is kept already is an input to its
    graph.
    """
    name = f"{function.__module__}.{function.__qualname__}"

    @functools.wraps(function)
    def kept(*arguments):
        device: torch.device = arguments[-1]
        key = (name, *arguments[:-1], device.type, device.index)
        if key not in _KEPT:
            _KEPT[key] = function(*arguments)
        return _KEPT[key]

    return kept  # type: ignore[return-value]
