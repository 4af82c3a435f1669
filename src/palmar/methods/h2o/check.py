"""`palmar check h2o`: what each input and each kind of link gives the recogniser of actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from tyro.conf import arg

from palmar.data.datasets import open_split
from palmar.errors import PalmarError
from palmar.methods.h2o.action_training import loss
from palmar.methods.h2o.clips import Batches, recognise
from palmar.methods.h2o.tagcn import SMALL, Config, TaGcn
from palmar.metrics.firstperson import top1
from palmar.tasks.method import Report
from palmar.train.checks import Runs, brief, chosen, trained
from palmar.train.loop import Recipe
from palmar.train.options import CheckOptions, on_threads
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
TOP1 = "top-1"
CLAIMS = (
    (ALL, "both hands"),
    ("both hands", "right hand"),
    (ALL, "ST-GCN (fixed links)"),
    (ALL, "no links between"),
    (ALL, "no sampled links"),
)
"""Left is better than right: of the paper's tables 4 and 5."""


@dataclass(frozen=True)
class Check(CheckOptions):
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
    variants: tuple[str, ...] = tuple(VARIANTS)

    def run(self) -> Report:
        train = open_split(self.data, "train")
        held_out = open_split(self.test or self.data, self.split, train.vocabulary)
        with on_threads(self.threads):
            return self.compare(list(train.clips), list(held_out.clips), train.vocabulary)

    def compare(self, learn: Sequence[EgoClip], test: Sequence[EgoClip], words: Vocabulary) -> Report:
        """Trains every variant with every seed and scores it."""
        chosen(self.variants, VARIANTS, None, self.seeds)
        if not learn or not test:
            raise PalmarError(f"check: {len(learn)} clips to learn from, {len(test)} held out.")
        config = replace(CONFIG, classes=max(len(words.actions), 2))
        runs = Runs()
        for name in self.variants:
            one = replace(config, **VARIANTS[name])
            for seed in self.seeds:
                recipe = brief(self.steps, self.batch, self.rate, seed, weight_decay=0.01)
                runs.add(name, {TOP1: trained_top1(learn, test, one, recipe, self)})
        return report(runs, scale(learn, test, words, self.steps * self.batch))


def trained_top1(
    learn: Sequence[EgoClip], test: Sequence[EgoClip], config: Config, recipe: Recipe,
    options: CheckOptions, *, noise: float = 0.0,
) -> float:  # fmt: skip
    """Of a network trained for it alone. noise: of `Batches`."""
    batches = Batches(learn, config, size=recipe.batch, seed=recipe.seed, noise=noise)
    net = trained(lambda: TaGcn(config), loss, batches, recipe, options)
    return top1(recognise(net, test).argmax(1), np.array([clip.action for clip in test]))


def scale(learn: Sequence[EgoClip], test: Sequence[EgoClip], words: Vocabulary, samples: int) -> str:
    """What a table is of."""
    kinds = len({clip.action for clip in learn})
    return f"{len(learn):,} clips to learn from, {len(test)} held out, {kinds} actions; {samples:,} samples a run"


def report(runs: Runs, where: str) -> Report:
    """Table and verdicts."""
    claims = {f"{more} above {less}": runs.higher(more, less, TOP1) for more, less in CLAIMS
              if more in runs and less in runs}  # fmt: skip
    return runs.report(runs.table({TOP1: TOP1}, digits=3), claims, where)
