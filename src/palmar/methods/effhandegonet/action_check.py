"""The paper's ideas about actions on true poses: each input adds, and worse poses give worse actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from palmar.data.datasets import clips_of, open_split
from palmar.errors import PalmarError
from palmar.methods.effhandegonet.action import Fitted, fit
from palmar.methods.effhandegonet.sequences import CANVAS, Layout, evenly, vectors
from palmar.metrics.firstperson import top1
from palmar.tasks.method import Report
from palmar.train.checks import Runs
from palmar.types.firstperson import EgoClip, Vocabulary

INPUTS = {
    "hands": Layout(box=False, label=False),
    "hands + box": Layout(label=False),
    "hands + box + label": Layout(),
}
NOISE = (10, 30, 100)
"""Pixels of 1280 x 720, standard deviation, drawn once for every point of a clip: an estimator's errors last, and noise
drawn anew in each of 20 frames averages out."""
CLEAN, MAJORITY = "top-1", "most frequent action"
SWEPT = ("hands", "hands + box + label")
"""Inputs whose poses are made noisy."""
SLACK = 0.01
"""By which accuracy may rise from one noise to the next and still count as falling."""


@dataclass(frozen=True)
class CheckActions:
    """Hands < hands + box < hands + box + label, and accuracy against noise of the poses, on held-out clips.

    An input adds, and noise takes away, where the means differ by more than the larger of their spreads over seeds.
    """

    data: str
    """kind:/path with a part to learn from."""
    test: str | None = None
    """kind:/path with the held-out clips; `data` itself if not given."""
    split: str = "test"
    """Part of the held-out clips."""
    steps: int = 3000
    seeds: tuple[int, ...] = field(default=(0, 1, 2))

    def run(self) -> Report:
        train = open_split(self.data, "train")
        held_out = open_split(self.test or self.data, self.split, train.vocabulary)
        learn, test = clips_of(train, self.data), clips_of(held_out, self.test or self.data)
        return compare(learn, test, train.vocabulary, self.seeds, self.steps)


def compare(
    train: Sequence[EgoClip], test: Sequence[EgoClip], vocabulary: Vocabulary, seeds: Sequence[int], steps: int
) -> Report:
    """Accuracy of each set of inputs, mean and spread over seeds; and of some of them under noise."""
    if not len(train) or not len(test) or not len(seeds):
        raise PalmarError(f"check: {len(train)} clips to learn from, {len(test)} held out, {len(seeds)} seeds.")
    true = np.array([clip.action for clip in test])
    common = np.bincount([clip.action for clip in train]).argmax()
    runs = Runs()
    runs.add(MAJORITY, {CLEAN: top1(np.full(len(true), common), true)})
    for name, layout in INPUTS.items():
        for seed in seeds:
            fitted = fit(train, vocabulary, layout=layout, steps=steps, seed=seed)
            noisy = {column(sigma): under_noise(fitted, test, sigma, seed) for sigma in NOISE if name in SWEPT}
            runs.add(name, {CLEAN: top1(fitted.logits(test).argmax(1), true), **noisy})
    columns = {CLEAN: "top-1", **{column(sigma): column(sigma) for sigma in NOISE}}
    classes = len(vocabulary.actions)
    where = f"{len(train):,} clips to learn from, {len(test)} held out, {classes} classes; {steps:,} steps"
    return runs.report(runs.table(columns, corner="input", digits=3), verdicts(runs), where)


def column(sigma: int) -> str:
    return f"{sigma} px of noise"


def verdicts(runs: Runs) -> dict[str, bool]:
    """What held of top-1 over seeds."""
    names = [name for name in (MAJORITY, *INPUTS) if name in runs]
    claims = {f"{less} < {more}": runs.higher(more, less, CLEAN) for less, more in pairwise(names)}
    for name in SWEPT:
        if name in runs:
            means = [runs.mean(name, CLEAN), *(runs.mean(name, column(sigma)) for sigma in NOISE)]
            spread = max(runs.spread(name, CLEAN), runs.spread(name, column(NOISE[-1])))
            falls = bool((np.diff(means) < SLACK).all())
            claims[f"{name}: noise takes away"] = falls and means[0] - means[-1] > spread
    return claims


def under_noise(fitted: Fitted, clips: Sequence[EgoClip], sigma: float, seed: int) -> float:
    """Top-1 with noise, the same in all frames of a clip, on the points of the hands that are there."""
    rng = np.random.default_rng((seed, int(sigma)))
    x = np.stack([vectors(clip, fitted.layout)[evenly(len(clip))] for clip in clips])
    for part in fitted.layout.parts[: len(fitted.layout.sides)]:
        there = x[..., part].any(-1, keepdims=True)
        noise = rng.normal(0, sigma, (len(x), 1, 42)) / np.tile(CANVAS["h2o"], 21)
        x[..., part] += np.where(there, noise, 0).astype(np.float32)
    return top1(fitted.scores(x).argmax(1), np.array([clip.action for clip in clips]))
