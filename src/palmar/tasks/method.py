"""The card of a published method: what the command line, the documentation and other code read of it.

A method is a folder of `palmar.methods` whose `__init__` holds one paragraph and `METHOD`. The card names what trains,
evaluates and checks it by import path, so that reading cards imports no PyTorch.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from palmar.errors import PalmarError


@dataclass(frozen=True)
class Report:
    """What an evaluation or a check found: figures, and the table that people read."""

    figures: Mapping[str, Any]
    """JSON values."""
    table: str
    """Markdown."""
    passed: bool | None = None
    """Of a check: whether its idea held on all counts it names; None for an evaluation."""


@runtime_checkable
class Job(Protocol):
    """A frozen dataclass whose fields are the command's options (tyro), with docstrings for their help."""

    def run(self) -> Report | None: ...


@dataclass(frozen=True)
class Network:
    """One network of a method: `palmar train NAME`, `palmar eval NAME`."""

    name: str
    """On the command line: lower case, words joined by hyphens; unique in the toolkit."""
    about: str
    """One line."""
    train: str
    """"package.module:Class" of the `Job` that trains it and, called again, goes on."""
    evaluate: str
    """The same for the job that scores a run or given weights on a data set."""
    load: str = ""
    """"package.module:callable" that gives (folder of a run, device=...) -> the network with its weights, as its task
    defines it; "Class.method" is fine. Behind `palmar.load(NAME, RUN)`."""
    stands_in: Literal["", "landmarker", "mesh"] = ""
    """The stage of `palmar track` that it can stand in for: `palmar track CLIP --mesh NAME:RUN`."""


@dataclass(frozen=True)
class Method:
    name: str
    """Of its folder."""
    title: str
    paper: str
    """Authors, title, place, year."""
    task: str
    """In the field's words: "action recognition, first person"."""
    networks: tuple[Network, ...]
    check: str
    """"package.module:Class" of the `Job` behind `palmar check NAME`: its key idea against the paper's baseline."""
    full: Mapping[str, Any] = field(default_factory=dict)
    """Options of the check at `--scale full`, by their fields; its own defaults are the small scale, which ends in
    minutes on two processor cores."""
    weights: str = "none shipped"
    licence: str = "Apache-2.0 (our implementation)"
    notes: str = ""
    """What is known of official code and weights and their licences."""
    extras: Sequence[str] = field(default=("torch",))
    """Extras of the package that it needs."""


def load(path: str) -> Callable[..., Any]:
    """What "package.module:name" or "package.module:Class.name" means. Raises PalmarError where it leads nowhere."""
    module, _, name = path.partition(":")
    try:
        return functools.reduce(getattr, name.split("."), importlib.import_module(module))
    except (ImportError, AttributeError) as err:
        raise PalmarError(f"{path}: cannot be loaded ({err}).") from err
