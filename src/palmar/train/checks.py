"""What the checks of methods share: variants trained alike over seeds, their figures as a table, claims with a verdict.

    runs = Runs()
    for seed in seeds:
        for name in variants:
            runs.add(name, errors(trained(...)))
    claims = {"better than B": runs.lower("A", "B", "mpjpe_mm")}
    return runs.report(runs.table({"mpjpe_mm": "MPJPE"}), claims, "where")
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import nn

from palmar.errors import PalmarError
from palmar.tasks.method import Report
from palmar.train.loop import Batches, Objective, Recipe, train
from palmar.train.options import CheckOptions

N = TypeVar("N", bound=nn.Module)
Figures = Mapping[str, float]


def chosen(variants: Collection[str], known: Collection[str], ours: str | None, seeds: Collection[int]) -> None:
    """Raises PalmarError unless there are seeds, and variants out of the known ones, with the method among them where
    one is named."""
    if not seeds or not variants or not set(variants) <= set(known) or ours not in {None, *variants}:
        among = "" if ours is None else f" with {ours} among them"
        raise PalmarError(f"check: seeds, and variants out of {', '.join(known)}{among}.")


@dataclass
class Runs:
    """Figures of every variant, one mapping a seed."""

    found: dict[str, list[Figures]] = field(default_factory=dict)

    def add(self, name: str, figures: Figures) -> None:
        """Of one more seed."""
        self.found.setdefault(name, []).append(figures)

    def __contains__(self, name: str) -> bool:
        return name in self.found

    def values(self, name: str, column: str) -> Float[np.ndarray, " s"]:
        """Of one column over seeds; NaN where a variant has no such figure."""
        return np.array([figures.get(column, np.nan) for figures in self.found[name]])

    def mean(self, name: str, column: str) -> float:
        return float(self.values(name, column).mean())

    def spread(self, name: str, column: str) -> float:
        """Standard deviation over seeds."""
        return float(self.values(name, column).std())

    def lower(self, one: str, other: str, column: str) -> bool:
        """Whether one's mean is lower than the other's by more than the larger of the two spreads."""
        return self.above(other, column, one, column)

    def higher(self, one: str, other: str, column: str) -> bool:
        return self.above(one, column, other, column)

    def above(self, more: str, column: str, less: str, other: str) -> bool:
        """The same of two columns, of one variant or two: whether `column` of `more` is above `other` of `less`."""
        gap = self.mean(more, column) - self.mean(less, other)
        return bool(gap > max(self.spread(more, column), self.spread(less, other)))

    def table(self, columns: Mapping[str, str], *, corner: str = "", digits: int = 2) -> list[str]:
        """Mean and spread; an empty cell where a variant has no such figure. columns: name -> heading."""
        rows = [f"| {corner} | {' | '.join(columns.values())} |", "|---|" + "---|" * len(columns)]
        for name in self.found:
            cells = [
                "" if np.isnan(self.mean(name, c))
                else f"{self.mean(name, c):.{digits}f} ± {self.spread(name, c):.{digits}f}"
                for c in columns
            ]  # fmt: skip
            rows.append(f"| {name} | {' | '.join(cells)} |")
        return rows

    def report(self, rows: Sequence[str], claims: Mapping[str, bool], where: str, **more: Any) -> Report:
        """Table, where it is of, and the verdict: passed where every claim held. more: for the record."""
        seeds = max(len(figures) for figures in self.found.values())
        said = [f"- {claim}: {'held' if held else 'did not hold'}" for claim, held in claims.items()]
        text = "\n".join([*rows, "", f"{where}; {seeds} seeds.", "", *said])
        record = {"scale": where, "runs": {name: [dict(f) for f in runs] for name, runs in self.found.items()}}
        return Report({**record, "claims": dict(claims), **more}, text, all(claims.values()) if claims else None)


def trained(
    build: Callable[[], N], objective: Objective, batches: Batches, recipe: Recipe, options: CheckOptions
) -> N:
    """A network trained for a check alone, on the processor again: nothing of it is kept on disk."""
    with tempfile.TemporaryDirectory() as folder:
        outcome = train(
            build, objective, batches, recipe, Path(folder), device=options.device, checkpoint_minutes=60, quiet=True,
            threads=options.threads,
        )  # fmt: skip
    return outcome.model.cpu()  # type: ignore[return-value]


def brief(steps: int, batch: int, rate: float, seed: int, **more: Any) -> Recipe:
    """The recipe of a check: a twentieth of the steps to warm up."""
    return Recipe("check", seed, batch, steps, rate, max(steps // 20, 1), **more)


class OnMaps(nn.Module):
    """A network with a `trunk` and a `read` that is given its trunk's maps: heads that learn on a trunk that does not.

    What the trunk makes of all crops is made once (`maps`).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.network.trunk = nn.Identity()

    def forward(self, features: Float[torch.Tensor, "b c h w"]) -> Any:
        return self.network.read(features)


@torch.inference_mode()
def maps(trunk: nn.Module, images: UInt8[np.ndarray, "n s s 3"], batch: int = 64) -> Float[np.ndarray, "n c h w"]:
    """What a trunk makes of all crops."""
    trunk.eval()
    parts = [trunk(torch.from_numpy(images[i : i + batch])).numpy() for i in range(0, len(images), batch)]
    return np.concatenate(parts)


@dataclass(frozen=True)
class Rows:
    """Number of a batch -> rows of columns that are all at hand, drawn with replacement."""

    columns: Mapping[str, np.ndarray]
    size: int
    seed: int

    def __call__(self, number: int) -> dict[str, np.ndarray]:
        count = len(next(iter(self.columns.values())))
        rows = np.random.default_rng((self.seed, number)).integers(count, size=self.size)
        return {name: column[rows] for name, column in self.columns.items()}
