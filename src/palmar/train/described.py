"""What a run's weights are of, beside its checkpoints: the network, its config, its vocabulary, the data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from palmar.errors import PalmarError
from palmar.tasks.method import Report
from palmar.train.loop import Outcome
from palmar.types.firstperson import Vocabulary

C = TypeVar("C")
NETWORK = "network.json"
"""In the folder of a run."""


NO_WORDS = Vocabulary(("none",), ())
"""Of networks that name nothing."""


def write_network(
    folder: Path, config: Any, vocabulary: Vocabulary | None, data: str | Sequence[str], *, name: str
) -> None:
    """Says in a run's folder what it is of. config: a dataclass of numbers, words, tuples of them and such dataclasses.
    vocabulary: None for networks that name nothing. data: as on the command line. Raises PalmarError where the folder's
    run is of something else."""
    vocabulary = NO_WORDS if vocabulary is None else vocabulary
    mine: dict[str, Any] = json.loads(
        json.dumps({"network": name, "config": asdict(config), "vocabulary": asdict(vocabulary),
                    "data": [data] if isinstance(data, str) else data})
    )
    file = folder / NETWORK
    if file.exists():
        theirs = _read(file)
        if any(theirs.get(name) != mine[name] for name in ("network", "config", "vocabulary")):
            raise PalmarError(f"{folder}: a run of another network, size or vocabulary; use a new folder.")
        return
    folder.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(mine, indent=1) + "\n", encoding="utf-8")
    part.replace(file)


def read_network(folder: Path, kind: type[C], *, name: str) -> tuple[C, Vocabulary]:
    """Config and vocabulary of a run. Raises PalmarError for a folder that is no run of this network."""
    file = folder / NETWORK
    found = _read(file)
    if found.get("network") != name:
        raise PalmarError(f"{file}: not a run of {name} but of {found.get('network')!r}.")
    try:
        words = {k: tuple(v) for k, v in found["vocabulary"].items()}
        return _built(kind, found["config"]), Vocabulary(**words)
    except (KeyError, TypeError, AttributeError) as err:
        raise PalmarError(f"{file}: does not say config and vocabulary as this version writes them ({err}).") from err


def data_of(folder: Path) -> tuple[str, ...]:
    """What a run learned from, as on its command line."""
    return tuple(map(str, _read(folder / NETWORK).get("data", ())))


def _built(kind: type[C], raw: Mapping[str, Any]) -> C:
    """A dataclass again from its `asdict`, dataclasses in it too; lists become tuples."""
    hints = get_type_hints(kind)
    values = {}
    for name, value in raw.items():
        inner = next((t for t in (hints.get(name), *get_args(hints.get(name))) if is_dataclass(t)), None)
        values[name] = _built(inner, value) if inner and isinstance(value, dict) else _tuples(value)  # type: ignore
    return kind(**values)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as err:
        raise PalmarError(f"{file}: cannot be read ({err.strerror or err}); name the folder of a run.") from err
    except ValueError as err:
        raise PalmarError(f"{file}: not readable as JSON ({err}).") from err
    if not isinstance(found, dict):
        raise PalmarError(f"{file}: expected one JSON object.")
    return found


def told(outcome: Outcome, folder: Path) -> Report:
    """What a training job says at its end."""
    figures = {"step": outcome.step, "finished": outcome.finished, **outcome.figures}
    rows = [f"| {name} | {value:.4g} |" for name, value in figures.items()]
    return Report(figures, "\n".join([f"{folder}:", "", "| figure | last stretch |", "|---|---|", *rows]))
