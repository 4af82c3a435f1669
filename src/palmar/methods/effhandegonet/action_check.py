"""The paper's ideas about actions on true poses: each input adds, and worse poses give worse actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from palmar.data.datasets import open_split
from palmar.errors import PalmarError
from palmar.methods.effhandegonet.action import Fitted, fit
from palmar.methods.effhandegonet.sequences import CANVAS, Layout, evenly, vectors
from palmar.metrics.firstperson import top1
from palmar.tasks.method import Report
from palmar.types.firstperson import EgoClip, Vocabulary

INPUTS = {
    "hands": Layout(box=False, label=False),
    "hands + box": Layout(label=False),
    "hands + box + label": Layout(),
}
NOISE = (0, 10, 30, 100)
"""Pixels of 1280 x 720, standard deviation, drawn once for every point of a clip: an estimator's errors last, and noise
drawn anew in each of 20 frames averages out."""
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
        return compare(list(train.clips), list(held_out.clips), train.vocabulary, self.seeds, self.steps)


def compare(
    train: Sequence[EgoClip], test: Sequence[EgoClip], vocabulary: Vocabulary, seeds: Sequence[int], steps: int
) -> Report:
    """Accuracy of each set of inputs, mean and spread over seeds; and of some of them under noise."""
    if not len(train) or not len(test) or not len(seeds):
        raise PalmarError(f"check: {len(train)} clips to learn from, {len(test)} held out, {len(seeds)} seeds.")
    true = np.array([clip.action for clip in test])
    common = np.bincount([clip.action for clip in train]).argmax()
    majority = top1(np.full(len(true), common), true)
    accuracy: dict[str, list[float]] = {}
    noisy: dict[str, list[list[float]]] = {}
    for name, layout in INPUTS.items():
        for seed in seeds:
            fitted = fit(train, vocabulary, layout=layout, steps=steps, seed=seed)
            accuracy.setdefault(name, []).append(top1(fitted.logits(test).argmax(1), true))
            if name in SWEPT:
                noisy.setdefault(name, []).append([under_noise(fitted, test, sigma, seed) for sigma in NOISE])
    claims = verdicts(majority, accuracy, noisy)
    rows = [f"| most frequent action | {majority:.3f} | |"]
    rows += [f"| {name} | {np.mean(values):.3f} | {np.std(values):.3f} |" for name, values in accuracy.items()]
    for name, runs in noisy.items():
        means, spreads = np.mean(runs, 0), np.std(runs, 0)
        cells = zip(NOISE[1:], means[1:], spreads[1:], strict=True)
        rows += [f"| {name}, noise of {sigma} px | {m:.3f} | {s:.3f} |" for sigma, m, s in cells]
    table = "\n".join(["| input | top-1 | spread |", "|---|---|---|", *rows, ""])
    table += "".join(f"\n- {claim}: {'held' if held else 'did not hold'}" for claim, held in claims.items())
    classes = len(vocabulary.actions)
    figures = {
        "scale": f"{len(train):,} clips to learn from, {len(test)} held out, {classes} classes; {steps:,} steps; "
        f"seeds {' '.join(map(str, seeds))}",
        "claims": claims,
        "majority": majority,
        "top-1": accuracy,
        "noise in pixels": list(NOISE),
        "top-1 under noise": noisy,
    }
    return Report(figures, table, all(claims.values()))


def verdicts(
    majority: float, accuracy: Mapping[str, Sequence[float]], noisy: Mapping[str, Sequence[Sequence[float]]]
) -> dict[str, bool]:
    """What held, from top-1 of each seed, and of each seed and noise."""

    def above(more: Sequence[float], less: Sequence[float]) -> bool:
        return bool(np.mean(more) - np.mean(less) > max(np.std(more), np.std(less)))

    claims = {}
    before, lower = "most frequent action", [majority]
    for name, values in accuracy.items():
        claims[f"{before} < {name}"] = above(values, lower)
        before, lower = name, list(values)
    for name, runs in noisy.items():
        swept = np.array(runs)
        falls = bool((np.diff(swept.mean(0)) < SLACK).all())
        claims[f"{name}: noise takes away"] = falls and above(swept[:, 0].tolist(), swept[:, -1].tolist())
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
