"""The paper's ideas about actions on true poses: each input adds, and worse poses give worse actions."""

from __future__ import annotations

from collections.abc import Sequence
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
"""Pixels of 1280 x 720, standard deviation."""


@dataclass(frozen=True)
class CheckActions:
    """Hands < hands + box < hands + box + label, and accuracy against noise of the poses, on held-out clips."""

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
    """Accuracy of each set of inputs, mean and spread over seeds; and of all inputs under noise."""
    if not len(train) or not len(test) or not len(seeds):
        raise PalmarError(f"check: {len(train)} clips to learn from, {len(test)} held out, {len(seeds)} seeds.")
    true = np.array([clip.action for clip in test])
    common = np.bincount([clip.action for clip in train]).argmax()
    majority = top1(np.full(len(true), common), true)
    accuracy: dict[str, list[float]] = {}
    noisy = np.zeros((len(seeds), len(NOISE)))
    for name, layout in INPUTS.items():
        for n, seed in enumerate(seeds):
            fitted = fit(train, vocabulary, layout=layout, steps=steps, seed=seed)
            accuracy.setdefault(name, []).append(top1(fitted.logits(test).argmax(1), true))
            if layout == Layout():
                noisy[n] = [under_noise(fitted, test, sigma, seed) for sigma in NOISE]
    means = [float(np.mean(values)) for values in accuracy.values()]
    swept = noisy.mean(0)
    passed = majority < means[0] < means[1] < means[2] and bool((np.diff(swept) < 0.01).all() and swept[-1] < swept[0])
    rows = [f"| {name} | {np.mean(values):.3f} | {np.std(values):.3f} |" for name, values in accuracy.items()] + [
        f"| all, noise of {sigma} px | {m:.3f} | {s:.3f} |"
        for sigma, m, s in zip(NOISE, swept, noisy.std(0), strict=True)
    ]
    table = "\n".join(
        ["| input | top-1 | spread |", "|---|---|---|", f"| most frequent action | {majority:.3f} | |", *rows]
    )
    figures = {
        "majority": majority,
        "top-1": accuracy,
        "noise": dict(zip(map(str, NOISE), swept.tolist(), strict=True)),
    }
    return Report(figures, table, passed)


def under_noise(fitted: Fitted, clips: Sequence[EgoClip], sigma: float, seed: int) -> float:
    """Top-1 with noise on the points of the hands that are there."""
    rng = np.random.default_rng((seed, int(sigma)))
    x = np.stack([vectors(clip, fitted.layout)[evenly(len(clip))] for clip in clips])
    for part in fitted.layout.parts[: len(fitted.layout.sides)]:
        there = x[..., part].any(-1, keepdims=True)
        noise = rng.normal(0, sigma, x[..., part].shape) / np.tile(CANVAS["h2o"], 21)
        x[..., part] += np.where(there, noise, 0).astype(np.float32)
    return top1(fitted.scores(x).argmax(1), np.array([clip.action for clip in clips]))
