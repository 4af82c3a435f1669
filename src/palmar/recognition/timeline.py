"""From probabilities over time to a timeline: who did what from when to when."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float

from palmar.types import Vocabulary

START, KEEP = 0.5, 0.3
"""Probability from which an action begins, and below which it ends."""
SHORTEST_S = 0.4
SCHEMA_VERSION = 1

UNITS: Mapping[str, tuple[pa.DataType, str, str]] = {
    "action": (pa.string(), "", "name in the recogniser's vocabulary"),
    "verb": (pa.string(), "", "what is done"),
    "object": (pa.string(), "", "what it is done with; empty where the vocabulary does not say"),
    "start": (pa.float64(), "second", "from the first frame"),
    "end": (pa.float64(), "second", "from the first frame"),
    "confidence": (pa.float32(), "1", "mean probability over the action"),
}


@dataclass(frozen=True)
class Acted:
    """An action in a recording."""

    action: str
    verb: str
    object: str
    start: float
    """Seconds."""
    end: float
    confidence: float


def timeline(
    scores: Float[np.ndarray, "t k"],
    times: Float[np.ndarray, " t"],
    vocabulary: Vocabulary,
    seconds: float | None = None,
) -> tuple[Acted, ...]:
    """Actions in the order of their beginnings. One ends where its probability falls below `KEEP`, or another's is the
    highest and above `START`; shorter ones than `SHORTEST_S` are none. An action called "none" is background.

    scores: probabilities at the times, which rise. seconds: when the recording ends, by default a step after the last
    of them.
    """
    none = vocabulary.actions.index("none") if "none" in vocabulary.actions else -1
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    spans: list[tuple[int, int, int]] = []
    current, since = -1, 0
    for row, chances in enumerate(scores):
        best = int(chances.argmax())
        starts = best != none and chances[best] >= START
        if current >= 0 and (chances[current] < KEEP or (starts and best != current)):
            spans.append((current, since, row))
            current = -1
        if current < 0 and starts:
            current, since = best, row
    if current >= 0:
        spans.append((current, since, len(scores)))
    out = []
    for action, first, after in spans:
        begin, end = float(times[first]), float(times[after - 1]) + step
        end = end if seconds is None else min(end, seconds)
        if end - begin >= SHORTEST_S - 1e-6:
            verb, thing = parts_of(vocabulary, action)
            sure = float(scores[first:after, action].mean())
            out.append(Acted(vocabulary.actions[action], verb, thing, begin, end, sure))
    return tuple(out)


def parts_of(vocabulary: Vocabulary, action: int) -> tuple[str, str]:
    """Verb and object of an action: what the vocabulary says, else the whole name as verb."""
    verb = vocabulary.verbs[vocabulary.verb_of[action]] if vocabulary.verb_of else vocabulary.actions[action]
    thing = vocabulary.objects[vocabulary.object_of[action]] if vocabulary.object_of else ""
    return verb, "" if thing == "none" else thing


def write_actions(folder: Path, acted: Sequence[Acted], about: Mapping[str, Any]) -> None:
    """actions.parquet and actions.json in a folder that exists. about: JSON values for the latter."""
    rows = [asdict(one) for one in acted]
    fields = [
        pa.field(name, kind, metadata={"unit": unit, "meaning": meaning})
        for name, (kind, unit, meaning) in UNITS.items()
    ]
    schema = pa.schema(fields, metadata={"palmar.actions": str(SCHEMA_VERSION)})
    table = pa.Table.from_pylist(rows, schema=schema)
    pq.write_table(table, folder / "actions.parquet", compression="zstd")
    text = json.dumps({"schema": SCHEMA_VERSION, **about, "actions": rows}, indent=1, allow_nan=False)
    (folder / "actions.json").write_text(text + "\n", encoding="utf-8")


COLOURS = 20


def plot(
    file: Path, scores: Float[np.ndarray, "t k"], times: Float[np.ndarray, " t"], acted: Sequence[Acted],
    actions: Sequence[str], most: int = 8,
) -> None:  # fmt: skip
    """A picture of the probabilities of the likeliest actions over time, the timeline below them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    shown = [int(k) for k in np.argsort(-scores.max(0), kind="stable")[:most]] if len(scores) else []
    colour = {actions[k]: f"C{n}" for n, k in enumerate(shown)}
    for k in shown:
        above.plot(times, scores[:, k], color=colour[actions[k]], label=actions[k], linewidth=1.6)
    above.axhline(START, color="0.7", linewidth=0.8, linestyle="--")
    above.set(ylim=(0, 1.02), ylabel="probability")
    if shown:
        above.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8)
    for one in acted:
        below.axvspan(one.start, one.end, color=colour.get(one.action, "0.6"), alpha=0.55)
        below.text((one.start + one.end) / 2, 0.5, one.action, ha="center", va="center", fontsize=8)
    below.set(yticks=[], ylim=(0, 1), xlabel="seconds")
    if len(times):
        below.set_xlim(float(times[0]), max(float(times[-1]), float(times[0]) + 1e-3))
    for axes in (above, below):
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    figure.savefig(file)
