"""Published methods, one folder each. Methods never import each other; what two of them share lives in `palmar.nn`.

    methods()["effhandegonet"].paper
    load("h2o", "runs/h2o")                     # a network with the weights of a run, as its task defines it

A method is found by its folder, here or in any installed package that names it under the entry point `palmar.methods`
(docs/methods.md). It fails alone: one whose card cannot be read is named by `broken()` and is otherwise as if it were
not there.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import pkgutil
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from palmar.errors import PalmarError, need, one_of
from palmar.tasks.method import Method, Network
from palmar.tasks.method import load as by_path

GROUP = "palmar.methods"
"""Of entry points: name of a method -> the package whose METHOD is its card."""


@functools.cache
def _found() -> tuple[Mapping[str, Method], Mapping[str, str]]:
    cards: dict[str, Method] = {}
    broken: dict[str, str] = {}
    own = {m.name: f"{__name__}.{m.name}" for m in pkgutil.iter_modules(__path__) if m.ispkg}
    others = {point.name: point.value for point in entry_points(group=GROUP) if point.name not in own}
    for name, module in sorted({**own, **others}.items()):
        try:
            cards[name] = importlib.import_module(module).METHOD
        except Exception as err:  # whatever is wrong with one method must not touch another
            broken[name] = f"{type(err).__name__}: {err}"
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


def load(name: str, run: str | Path, *, device: str = "cpu") -> Any:
    """A network of a method with the weights of a run (`palmar train NAME --run RUN`), ready to be called.

    What it takes and gives is its task's: `palmar.tasks.mesh.MeshPredictor`, say. Raises PalmarError for a network that
    is none, an extra that is not installed, and a folder that is no run of it.
    """
    known = networks()
    network = known[one_of("network", name, known)]
    if not network.load:
        raise PalmarError(f"{name}: this network is not loaded by itself; its method's README says what uses it.")
    for extra in next(m.extras for m in methods().values() if network in m.networks):
        need(extra, extra=extra)
    if not Path(run).is_dir():
        raise PalmarError(f"{run}: no such folder; name the folder of a run of palmar train {name}.")
    return by_path(network.load)(Path(run), device=device)


def stand_in(stage: str, text: str, *, device: str = "cpu") -> tuple[Any, str]:
    """The network of "NETWORK:RUN" for a stage of `palmar track`, "landmarker" or "mesh", and the hash of its weights.

    Raises PalmarError where that network cannot stand there, and as `load` does.
    """
    name, colon, run = text.partition(":")
    able = sorted(n for n, network in networks().items() if network.stands_in == stage)
    if not colon or not run or name not in able:
        raise PalmarError(f"--{stage} {text}: expected NETWORK:RUN, a network out of {', '.join(able)} and the folder "
                          "that palmar train wrote.")  # fmt: skip
    network = load(name, run, device=device)
    return network, _hash_of(Path(run))


def _hash_of(run: Path) -> str:
    """sha256 of what a run's weights are read from: its last checkpoint's average, or its only file of weights."""
    found = sorted(run.glob("checkpoint-*/average.pt")) or sorted(run.glob("*.onnx"))
    if not found:
        return ""
    with found[-1].open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
