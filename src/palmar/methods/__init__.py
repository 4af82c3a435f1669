"""Published methods, one folder each. Methods never import each other; what two of them share lives in `palmar.nn`.

    methods()["effhandegonet"].paper

A method is found by its folder, and fails alone: a folder whose card cannot be read is named by `broken()` and is
otherwise as if it were not there.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping

from palmar.tasks.method import Method, Network


@functools.cache
def _found() -> tuple[Mapping[str, Method], Mapping[str, str]]:
    cards: dict[str, Method] = {}
    broken: dict[str, str] = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda m: m.name):
        if not module.ispkg:
            continue
        try:
            cards[module.name] = importlib.import_module(f"{__name__}.{module.name}").METHOD
        except Exception as err:  # whatever is wrong with one method must not touch another
            broken[module.name] = f"{type(err).__name__}: {err}"
    return cards, broken


def methods() -> Mapping[str, Method]:
    """The cards by name."""
    return _found()[0]


def broken() -> Mapping[str, str]:
    """Folders whose card cannot be read, and why."""
    return _found()[1]


def networks() -> Mapping[str, Network]:
    """All networks of all methods by name."""
    return {network.name: network for method in methods().values() for network in method.networks}
