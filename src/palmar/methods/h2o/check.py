"""`palmar check h2o`: what each input and each kind of link gives the recogniser of actions."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from tyro.conf import arg

from palmar.data.datasets import open_split
from palmar.errors import PalmarError
from palmar.methods.h2o.action_training import fit
from palmar.methods.h2o.clips import recognise
from palmar.methods.h2o.tagcn import SMALL, Config, TaGcn
from palmar.metrics.firstperson import top1
from palmar.tasks.method import Report
from palmar.train.loop import Recipe
from palmar.types.firstperson import EgoClip, Vocabulary

CONFIG = replace(SMALL, channels=(12, 12, 24), frames=24)
"""Small enough that six variants over three seeds end within the hour on a processor core."""
ALL = "TA-GCN"
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    ALL: {},
    "right hand": {"parts": ("right",)},
    "both hands": {"parts": ("left", "right")},
    "no links between": {"inter": False, "free_inter": False, "sampled": False},
    "no sampled links": {"sampled": False},
    "ST-GCN (fixed links)": {"free_intra": False, "free_inter": False, "sampled": False},
}
"""What is changed of the config. "no links between": nothing passes between hands and object before the last mean."""
CLAIMS = (
    (ALL, "both hands"),
    ("both hands", "right hand"),
    (ALL, "ST-GCN (fixed links)"),
    (ALL, "no links between"),
    (ALL, "no sampled links"),
)
"""Left is better than right: of the paper's tables 4 and 5."""


@dataclass(frozen=True)
class Check:
    """TA-GCN with fewer inputs and fewer links, top-1 on held-out clips of true 3D poses, over seeds.

    A claim holds where the means differ by more than the larger of the two spreads.
    """

    data: Annotated[str, arg(metavar="DATA")]
    """kind:/path with a part to learn from."""
    test: str | None = None
    """kind:/path with the held-out clips; DATA itself if not given."""
    split: str = "test"
    """Part of the held-out clips."""
    steps: int = 600
    batch: int = 32
    rate: float = 3e-3
    seeds: tuple[int, ...] = (0, 1, 2)
    variants: tuple[str, ...] = tuple(VARIANTS)
    threads: int = 1

    def run(self) -> Report:
        train = open_split(self.data, "train")
        held_out = open_split(self.test or self.data, self.split, train.vocabulary)
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            return self.compare(list(train.clips), list(held_out.clips), train.vocabulary)
        finally:
            torch.set_num_threads(before)

    def compare(self, learn: Sequence[EgoClip], test: Sequence[EgoClip], words: Vocabulary) -> Report:
        """Trains every variant with every seed and scores it."""
        if not self.seeds or not set(self.variants) <= set(VARIANTS):
            raise PalmarError(f"check: seeds, and variants out of {', '.join(VARIANTS)}.")
        if not learn or not test:
            raise PalmarError(f"check: {len(learn)} clips to learn from, {len(test)} held out.")
        config = replace(CONFIG, classes=max(len(words.actions), 2))
        found: dict[str, list[float]] = {}
        for name in self.variants:
            one = replace(config, **VARIANTS[name])
            for seed in self.seeds:
                recipe = self.recipe(seed)
                found.setdefault(name, []).append(trained_top1(learn, test, one, recipe, threads=self.threads))
        return report(found, scale(learn, test, words, self.steps * self.batch))

    def recipe(self, seed: int) -> Recipe:
        return Recipe("check", seed, self.batch, self.steps, self.rate, max(self.steps // 20, 1), weight_decay=0.01)


def trained_top1(
    learn: Sequence[EgoClip], test: Sequence[EgoClip], config: Config, recipe: Recipe, **options: Any
) -> float:
    """Of a network trained for it alone. options: of `fit`."""
    with tempfile.TemporaryDirectory() as folder:
        outcome = fit(learn, config, recipe, Path(folder), device="cpu", checkpoint_minutes=60, quiet=True, **options)
    assert isinstance(outcome.model, TaGcn)
    return top1(recognise(outcome.model, test).argmax(1), np.array([clip.action for clip in test]))


def scale(learn: Sequence[EgoClip], test: Sequence[EgoClip], words: Vocabulary, samples: int) -> str:
    """What a table is of."""
    kinds = len({clip.action for clip in learn})
    return f"{len(learn):,} clips to learn from, {len(test)} held out, {kinds} actions; {samples:,} samples a run"


def report(found: Mapping[str, Sequence[float]], where: str) -> Report:
    """Table and verdicts."""
    rows = ["| | top-1 | spread |", "|---|---|---|"]
    rows += [f"| {name} | {np.mean(values):.3f} | {np.std(values):.3f} |" for name, values in found.items()]
    claims = {
        f"{more} above {less}": bool(
            np.mean(found[more]) - np.mean(found[less]) > max(np.std(found[more]), np.std(found[less]))
        )
        for more, less in CLAIMS
        if more in found and less in found
    }
    seeds = len(next(iter(found.values())))
    rows += ["", f"{where}; {seeds} seeds.", ""]
    rows += [f"- {claim}: {'held' if held else 'did not hold'}" for claim, held in claims.items()]
    figures = {"scale": where, "top-1": {k: list(v) for k, v in found.items()}, "claims": claims}
    return Report(figures, "\n".join(rows), all(claims.values()) if claims else None)
