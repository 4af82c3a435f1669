"""The networks' files: found, checked against their cards, opened in ONNX Runtime.

A card `{name}.json` beside `{name}.onnx` holds the file's sha256, how it was trained, its figures and licences. A file
whose hash is not its card's is refused: results name the hash, so it must be the hash of what ran.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import onnxruntime

from palmar.errors import PalmarError, one_of

PROVIDERS: Mapping[str, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
"""ONNX Runtime's name of each device."""


@dataclass(frozen=True)
class Weights:
    """A checked network file and its card."""

    name: str
    data: bytes
    card: Mapping[str, Any]

    @property
    def sha256(self) -> str:
        """Of the file that was read."""
        return self.card["sha256"]


def read_weights(name: str, folder: str | Path | None = None) -> Weights:
    """Read `{name}.onnx` and `{name}.json` from the package, or from a folder of the user's own.

    Raises PalmarError when one of them is missing, the card is no card, or the file's sha256 is not the card's.
    """
    where = files("palmar") / "weights" if folder is None else Path(folder)
    network, card_file = where / f"{name}.onnx", where / f"{name}.json"
    fix = (
        "install palmar again"
        if folder is None
        else "give a folder that holds the network and its card as training wrote them"
    )
    for file in (network, card_file):
        if not file.is_file():
            raise PalmarError(f"{file}: no such file; {fix}.")
    try:
        card = json.loads(card_file.read_text(encoding="utf-8"))
        stated = str(card["sha256"]).lower()
    except (ValueError, KeyError, TypeError) as err:
        raise PalmarError(f"{card_file}: not a card of weights, it has no readable sha256; {fix}.") from err
    try:
        data = network.read_bytes()
    except OSError as err:
        raise PalmarError(f"{network}: cannot be read ({err.strerror or err}); {fix}.") from err
    found = hashlib.sha256(data).hexdigest()
    if found != stated:
        raise PalmarError(f"{network}: wrong weights file: its sha256 is {found}, its card says {stated}; {fix}.")
    return Weights(name, data, card)


def open_session(
    weights: Weights,
    *,
    device: str = "cpu",
    threads: int | None = None,
    inputs: tuple[str, ...] = ("image",),
    outputs: tuple[str, ...] = (),
) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session of these weights.

    device: "cpu" or "cuda". threads: of one run; by default the cores this process may use, four at most, as the
    networks are too small to fill more. inputs, outputs: names that the file must have.
    Raises PalmarError for a device that this installation of ONNX Runtime lacks (never another device in silence), and
    for a file that is no network of this kind.
    """
    provider = PROVIDERS[one_of("device", device, PROVIDERS)]
    if provider not in onnxruntime.get_available_providers():
        raise PalmarError(
            f"device {device!r}: this ONNX Runtime has no {provider}; install onnxruntime-gpu in place of "
            "onnxruntime, or use device='cpu'."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or min(4, usable_cores())
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # patterns are per input shape; the number of hands varies
    options.log_severity_level = 3
    # Growing by what is asked, not by doubling: a long run keeps the size of its largest batch.
    settings = {"arena_extend_strategy": "kSameAsRequested"} if device == "cuda" else {}
    try:
        session = onnxruntime.InferenceSession(weights.data, options, providers=[(provider, settings)])
    except Exception as err:  # ONNX Runtime has no common class for its errors
        raise PalmarError(f"{weights.name}: ONNX Runtime cannot open these weights ({err}).") from err
    if session.get_providers()[0] != provider:
        raise PalmarError(
            f"device {device!r}: ONNX Runtime could not start {provider}; see its messages, or use device='cpu'."
        )
    for kind, wanted, present in (("input", inputs, session.get_inputs()), ("output", outputs, session.get_outputs())):
        missing = [name for name in wanted if name not in {entry.name for entry in present}]
        if missing:
            raise PalmarError(f"{weights.name}: not a {weights.name} of palmar: it has no {kind} {', '.join(missing)}.")
    return session


def usable_cores() -> int:
    """The cores this process may run on, not those of the machine: containers are often given fewer."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
