"""`palmar methods`, `palmar train|eval NETWORK` and `palmar check METHOD` of the published methods."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, make_dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.conf import OmitArgPrefixes, arg

from palmar.errors import PalmarError, need, one_of
from palmar.methods import broken, methods, networks
from palmar.tasks.method import Job, Method, Report, load

RECORD = "check.json"
"""In a method's folder: what its check found last, at the scale that its README quotes."""
JOBS = ("train", "eval", "check")
SCALES = ("small", "full")
"""Of a check: minutes on two processor cores, or what its method's card says, for which a GPU is wanted."""
ABOUT_SCALE = "--scale small|full: with full, the defaults below are those of the method's full scale."


@dataclass(frozen=True)
class Methods:
    """List the published methods that live in this toolkit: task, networks, paper, weights, and what their check found.

    `palmar train NETWORK` and `palmar eval NETWORK` run one of their networks, `palmar check METHOD` a method's key
    idea against the baseline that its paper argues with; each has its own --help.
    """

    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the cards here too."""

    def run(self) -> int:
        cards = methods()
        for card in cards.values():
            print(_paragraph(card))
        for name, why in broken().items():
            print(f"{name}: its card cannot be read: {why}\n")
        if self.json is not None:
            _write(self.json, {name: _plain(card) for name, card in cards.items()})
        return 0


@dataclass(frozen=True)
class Run:
    """A job of a method with its options read."""

    job: Job
    json: Path | None

    def run(self) -> int:
        """1 for a check that failed."""
        if self.json is not None and not self.json.absolute().parent.is_dir():
            raise PalmarError(f"{self.json}: there is no folder to write this file in.")
        report = self.job.run()
        if report is None:
            return 0
        print(report.table)
        if self.json is not None:
            _write(self.json, {"passed": report.passed, **report.figures})
        return 1 if report.passed is False else 0


def job_of(words: Sequence[str]) -> tuple[type, str, Sequence[str]] | None:
    """(dataclass of all options, the command's name, the words left) where the words name a method's job; else None.

    Raises PalmarError for a network or method that is none, and for an extra that is not installed.
    """
    verb, name = (*words[:2], "", "")[:2]
    if verb not in JOBS:
        return None
    full: Mapping[str, Any] = {}
    if verb == "check":
        if name in ("", "-h", "--help"):
            raise PalmarError(f"check: name a method: {', '.join(methods())}; see palmar methods.")
        card = methods()[one_of("method", name, methods())]
        path, extras = card.check, card.extras
        words, full = _scale(words, card)
    else:
        known = networks()
        if verb == "train" and name not in known:
            return None  # of the tracker, or a mistake it names
        if name in ("", "-h", "--help"):
            raise PalmarError(f"eval: name a network: {', '.join(known)}; see palmar methods.")
        network = known[one_of("network", name, known)]
        path = network.train if verb == "train" else network.evaluate
        extras = next(m.extras for m in methods().values() if network in m.networks)
    for extra in extras:
        need(extra, extra=extra)
    job = load(path)
    given = (_defaults(job, full),) if full else ()
    options: list[Any] = [
        ("job", OmitArgPrefixes[job], *given),  # type: ignore[valid-type]
        ("json", Annotated[Path | None, arg(metavar="FILE", help="Write all figures here too.")], None),
    ]
    whole = make_dataclass(str(getattr(job, "__name__", "Job")), options, frozen=True)
    whole.__doc__ = job.__doc__ if verb != "check" else f"{job.__doc__}\n\n    {ABOUT_SCALE}"
    return whole, f"palmar {verb} {name}", words[2:]


def _scale(words: Sequence[str], card: Method) -> tuple[Sequence[str], Mapping[str, Any]]:
    """The words without `--scale small|full`, and the options that this scale has before any that are given."""
    words = [part for word in words for part in (word.split("=", 1) if word.startswith("--scale=") else [word])]
    if "--scale" not in words:
        return words, {}
    at = words.index("--scale")
    scale = one_of("scale", words[at + 1] if at + 1 < len(words) else "", SCALES)
    return [*words[:at], *words[at + 2 :]], card.full if scale == "full" else {}


def _defaults(job: Any, values: Mapping[str, Any]) -> Any:
    """The job with these options in place of its defaults; what it needs is still to be given."""
    needed = {f.name: tyro.MISSING for f in fields(job) if f.default is MISSING and f.default_factory is MISSING}
    return job(**needed | values)


def _paragraph(card: Method) -> str:
    rows = [f"{card.name}: {card.title}", f"  {card.paper}", f"  task: {card.task}", f"  check: {_checked(card)}"]
    rows += [f"  {network.name}: {network.about}" for network in card.networks]
    rows += [f"  weights: {card.weights}", f"  licence: {card.licence}"]
    return "\n".join(rows) + "\n"


def _checked(card: Method) -> str:
    found = _record(card)
    if found is None:
        return "owed"
    return "passed" if found.get("passed") else "failed; see its README"


def _record(card: Method) -> dict[str, Any] | None:
    file = Path(__file__).parent.parent / "methods" / card.name / RECORD
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def _plain(card: Method) -> dict[str, Any]:
    names = ("name", "title", "paper", "task", "weights", "licence", "notes")
    return {
        **{name: getattr(card, name) for name in names},
        "networks": {network.name: network.about for network in card.networks},
        "check": _record(card),
    }


def _write(file: Path, values: Any) -> None:
    if not file.absolute().parent.is_dir():
        raise PalmarError(f"{file}: there is no folder to write this file in.")
    file.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


__all__ = ["JOBS", "Methods", "Report", "Run", "job_of"]
