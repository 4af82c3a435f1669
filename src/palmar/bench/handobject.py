"""Networks for hands and the object they hold, side by side: the same held-out frames, the same machine, accuracy and
frames per second.

    python -m palmar.bench.handobject --data synthetic:DIR --qort-former runs/qort-former --h2o runs/h2o

Each network is found by its name on the cards of the methods and scored by its own `palmar eval` job, whose figures
have agreed names. One that is not there, or that has no run, is a row that says so.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import arg

from palmar.errors import PalmarError
from palmar.methods import networks
from palmar.tasks.method import Report, load

COLUMNS = {
    "mepe_left_mm": "left, mm",
    "mepe_right_mm": "right, mm",
    "mepe_object_mm": "object, mm",
    "object_top1": "object class",
    "fps": "frames/s",
}
"""Figures of an evaluation, and what they are called here."""


@dataclass(frozen=True)
class HandObject:
    """Compare networks for two hands and an object: mean end-point errors, and frames per second one at a time."""

    data: str
    """kind:/path of the held-out frames."""
    qort_former: Annotated[Path | None, arg(metavar="DIR")] = None
    """Run of QORT-Former."""
    h2o: Annotated[Path | None, arg(metavar="DIR")] = None
    """Run of the H2O network."""
    split: str = "test"
    limit: int = 0
    """Frames at most, spread over all; 0: all."""
    threads: int = 1
    """Threads that every network runs in."""
    out: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write all figures here too, as JSON."""

    def run(self) -> Report:
        runs = {"qort-former": self.qort_former, "h2o": self.h2o}
        if not any(runs.values()):
            raise PalmarError("nothing to compare: name the run of a network (--qort-former DIR, --h2o DIR).")
        report = compare(runs, self.data, split=self.split, limit=self.limit, threads=self.threads)
        if self.out is not None:
            self.out.write_text(json.dumps(report.figures, indent=1) + "\n", encoding="utf-8")
        return report


def compare(runs: Mapping[str, Path | None], data: str, **options: Any) -> Report:
    """Runs by the names of networks. options: of the evaluations; those that a job does not know are an error.

    Raises PalmarError where networks were not scored on equally many frames.
    """
    figures: dict[str, Any] = {}
    rows = ["| network | " + " | ".join(COLUMNS.values()) + " |", "|---|" + "---|" * len(COLUMNS)]
    for name, run in runs.items():
        found = scored(name, run, data, options)
        if isinstance(found, str):
            rows.append(f"| {name} | {found} |" + " |" * (len(COLUMNS) - 1))
            figures[name] = {"missing": found}
            continue
        figures[name] = dict(found)
        rows.append(f"| {name} | " + " | ".join(_cell(column, found.get(column)) for column in COLUMNS) + " |")
    counts = {name: one["frames"] for name, one in figures.items() if "frames" in one}
    if len(set(counts.values())) > 1:
        raise PalmarError(f"networks were not scored on the same frames: {counts}.")
    threads = options.get("threads")
    some = f"{next(iter(counts.values()))} frames, " if counts else ""
    rows += ["", f"{some}one at a time, {threads} thread(s), {platform.processor() or platform.machine()}."]
    return Report(figures, "\n".join(rows))


def scored(name: str, run: Path | None, data: str, options: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """Figures of a network's own evaluation, or why there are none."""
    if name not in networks():
        return "not in this version"
    if run is None:
        return "no run given"
    job = load(networks()[name].evaluate)
    known = {field.name for field in fields(job)}  # type: ignore[arg-type]
    unknown = sorted(set(options) - known)
    if unknown:
        raise PalmarError(f"{name}: its evaluation has no option {', '.join(unknown)}.")
    report = job(run, data=data, **options).run()
    lacking = sorted({"mepe_left_mm", "mepe_right_mm", "mepe_object_mm", "fps"} - set(report.figures))
    if lacking:
        raise PalmarError(f"{name}: its evaluation says nothing of {', '.join(lacking)}.")
    return report.figures


def _cell(column: str, value: float | None) -> str:
    if value is None or value != value:
        return ""
    return f"{value:.3f}" if column == "object_top1" else f"{value:.1f}"


if __name__ == "__main__":
    import tyro

    print(tyro.cli(HandObject).run().table)
