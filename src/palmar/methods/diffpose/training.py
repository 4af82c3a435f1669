"""`palmar train|eval diffpose`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from tyro.conf import arg

from palmar.methods.diffpose.model import PAPER, SMALL, Config, DiffPose, Kind, candidates, odds, packed
from palmar.methods.diffpose.objective import noise_loss
from palmar.methods.diffpose.predictor import NAME, Hypothesiser
from palmar.tasks import hypotheses
from palmar.tasks.method import Report
from palmar.train.described import told, write_network
from palmar.train.heatmaps import HeatSample, heat_samples
from palmar.train.loop import Outcome, Recipe, train
from palmar.train.options import RunOptions, on_threads

SIZES = {"small": SMALL, "paper": PAPER}


class Batches:
    """Number of a batch -> samples of heat maps, drawn anew each time, and poses, packed."""

    def __init__(self, data: Sequence[HeatSample], config: Config, *, size: int, seed: int) -> None:
        self.data, self.config, self.size, self.seed = data, config, size, seed
        self.odds: dict[int, np.ndarray] = {}

    def __call__(self, number: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng((self.seed, number))
        rows = rng.integers(len(self.data), size=self.size).tolist()
        samples = np.stack([self.samples(row, rng) for row in rows])
        return {"image": packed(samples, np.stack([self.data[row].pose[1:] for row in rows]), self.config)}

    def samples(self, row: int, rng: np.random.Generator) -> np.ndarray:
        """Of one hand, drawn anew."""
        heat = self.data[row].heat
        if self.config.samples == 1:
            return candidates(heat, rng, 1)
        if row not in self.odds:
            self.odds[row] = odds(heat).astype(np.float32)
        return candidates(heat, rng, self.config.samples, self.odds[row])


@dataclass(frozen=True)
class Train(RunOptions):
    """Train DiffPose, many 3D poses from a hand's heat maps, and go on where the run stands."""

    count: int = 10_000
    """Hands to learn from, drawn by the synthetic world; all are kept in memory (0.7 MB each)."""
    folder: Annotated[Path, arg(name="run", metavar="DIR")] = Path("runs/diffpose")
    """Folder of the run."""
    size: Literal["small", "paper"] = "small"
    kind: Kind = "diffusion"
    """regression: one pose by the same layers; the baseline."""
    samples: int = 32
    """Of each map; 1: its highest cell alone."""
    steps: int = 30_000
    batch: int = 64
    rate: float = 1e-3
    seed: int = 0

    def run(self) -> Report:
        config = replace(SIZES[self.size], kind=self.kind, samples=self.samples)
        write_network(self.folder, config, None, f"drawn:{self.count}", name=NAME)
        recipe = Recipe(NAME, self.seed, self.batch, self.steps, self.rate, min(300, max(self.steps // 10, 1)),
                        weight_decay=0.0, ema=0.995, precision=self.precision)  # fmt: skip
        outcome = fit(heat_samples("train", self.count), config, recipe, self.folder, **self.options())
        return told(outcome, self.folder)


def fit(data: Sequence[HeatSample], config: Config, recipe: Recipe, folder: Path, **options: Any) -> Outcome:
    """The network trained on heat maps. options: of `palmar.train.loop.train`."""
    batches = Batches(data, config, size=recipe.batch, seed=recipe.seed)
    return train(lambda: DiffPose(config), noise_loss, batches, recipe, folder, **options)


def errors(network: Hypothesiser, data: Sequence[HeatSample], count: int) -> dict[str, float]:
    """The task's figures."""
    found = network(np.stack([one.heat for one in data]), count)
    true = np.stack([one.pose for one in data]).astype(np.float64)
    return hypotheses.figures(found, true, np.stack([one.unsure for one in data]))


@dataclass(frozen=True)
class Evaluate:
    """Score DiffPose on hands it never saw: the best of many hypotheses, and whether their spread is honest."""

    weights: Annotated[Path, arg(metavar="DIR")]
    """Folder of a run."""
    hands: int = 200
    hypotheses: int = 50
    split: Literal["all", "sure", "unsure"] = "all"
    """unsure: hands with joints whose maps are ambiguous."""
    threads: int = 1
    device: str = "cpu"

    def run(self) -> Report:
        data = parts(heat_samples("test", self.hands))[self.split]
        with on_threads(self.threads):
            values = errors(Hypothesiser.of_run(self.weights, device=self.device), data, self.hypotheses)
        return hypotheses.score(values, len(data), self.hypotheses, f"drawn hands, {self.split}")


def parts(data: Sequence[HeatSample]) -> dict[str, list[HeatSample]]:
    """All hands, those whose every map is sure, and the others."""
    unsure = [bool(one.unsure.any()) for one in data]
    return {
        "all": list(data),
        "sure": [one for one, doubt in zip(data, unsure, strict=True) if not doubt],
        "unsure": [one for one, doubt in zip(data, unsure, strict=True) if doubt],
    }
