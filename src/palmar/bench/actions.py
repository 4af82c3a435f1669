"""Actions from 2D poses against actions from 3D poses, on the same clips: the action transformer of EffHandEgoNet and
TA-GCN of H2O.

    python -m palmar.bench.actions --data synthetic:DIR --test synthetic:DIR

Each row trains its network with every seed and scores it on held-out clips. Poses: true ones; or with an error of a
pose estimator, which lasts: every point is off by an amount drawn once for a clip, and in some clips a hand is missed.
The network is taught with errors of the same size. In pixels and in metres the error is that of one camera: what is
off by so many metres across the line of sight is off by the pixels that it spans at the hands' distance, and depth,
which no picture tells, is off by more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from tyro.conf import arg

from palmar.data.datasets import open_split
from palmar.errors import PalmarError
from palmar.metrics.firstperson import top1
from palmar.tasks.method import Report
from palmar.types.firstperson import EgoClip, Vocabulary


@dataclass(frozen=True)
class PoseError:
    """Of an estimator, metres, camera frame; standard deviations."""

    across: float = 0.0
    """Of every point, once for a clip, along x and y."""
    along: float = 0.0
    """Of all points of a hand or object together, once for a clip: distance from the camera."""
    missed: float = 0.0
    """Probability that a hand is missed in a clip."""

    def __call__(self, clip: EgoClip, rng: np.random.Generator) -> EgoClip:
        """The clip as such an estimator would tell it."""
        joints, points = clip.joints.astype(np.float64), clip.points.astype(np.float64)
        for each in (joints[:, 0], joints[:, 1], points):
            each[..., :2] += rng.normal(0, 1, (1, 21, 2)) * self.across
            each[..., 2] += rng.normal() * self.along
        gone = rng.random(2) < self.missed
        joints[:, gone] = np.nan
        return replace(clip, joints=joints.astype(np.float32), points=points.astype(np.float32))


TRUE = PoseError()
ESTIMATED = PoseError(across=0.01, along=0.03, missed=0.1)
"""About what a small network that never saw the test's bodies is off by."""
POSES: Mapping[str, PoseError] = {"true": TRUE, "estimated": ESTIMATED}


@dataclass(frozen=True)
class Actions:
    """Compare recognisers of actions from 2D and from 3D poses: top-1, mean and spread over seeds."""

    data: str
    """kind:/path with a part to learn from."""
    test: str | None = None
    """kind:/path with the held-out clips; `data` itself if not given."""
    split: str = "test"
    steps: int = 600
    """Of every network."""
    batch: int = 32
    seeds: tuple[int, ...] = (0, 1, 2)
    copies: int = 4
    """Times that each clip is shown with errors of its own."""
    threads: int = 1
    out: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write all figures here too, as JSON."""

    def run(self) -> Report:
        from palmar.train.options import on_threads

        train = open_split(self.data, "train")
        held_out = open_split(self.test or self.data, self.split, train.vocabulary)
        with on_threads(self.threads):
            report = self.compare(list(train.clips), list(held_out.clips), train.vocabulary)
        if self.out is not None:
            self.out.write_text(json.dumps(report.figures, indent=1) + "\n", encoding="utf-8")
        return report

    def compare(self, learn: Sequence[EgoClip], test: Sequence[EgoClip], words: Vocabulary) -> Report:
        """Every recogniser on every kind of poses. Raises PalmarError without clips or seeds."""
        from palmar.methods.h2o.check import scale

        if not learn or not test or not self.seeds:
            raise PalmarError(f"{len(learn)} clips to learn from, {len(test)} held out, {len(self.seeds)} seeds.")
        found: dict[str, list[float]] = {}
        for name, recognise in self.recognisers(words).items():
            for kind, error in POSES.items():
                for seed in self.seeds:
                    shown = told(learn, error, self.copies if error != TRUE else 1, (seed, 1))
                    row = found.setdefault(f"{name}, {kind} poses", [])
                    row.append(recognise(shown, told(test, error, 1, (seed, 2)), seed))
        where = scale(learn, test, words, self.steps * self.batch)
        rows = ["| recogniser | top-1 | spread |", "|---|---|---|"]
        rows += [f"| {name} | {np.mean(values):.3f} | {np.std(values):.3f} |" for name, values in found.items()]
        off = (
            f"estimated: {ESTIMATED.across * 1000:.0f} mm across, {ESTIMATED.along * 1000:.0f} mm in depth, "
            f"{ESTIMATED.missed:.0%} of hands missed."
        )
        table = "\n".join([*rows, "", f"{where}; {len(self.seeds)} seeds; {off}"])
        return Report({"scale": where, "top-1": found}, table)

    def recognisers(
        self, words: Vocabulary
    ) -> Mapping[str, Callable[[Sequence[EgoClip], Sequence[EgoClip], int], float]]:
        """By name: trained on clips, scored on others, with a seed."""
        from palmar.methods.effhandegonet.action import fit as fit_transformer
        from palmar.methods.effhandegonet.sequences import Layout
        from palmar.methods.h2o.check import CONFIG, trained_top1
        from palmar.train.loop import Recipe
        from palmar.train.options import CheckOptions

        config = replace(CONFIG, classes=max(len(words.actions), 2))

        def transformer(layout: Any) -> Any:
            def run(learn: Sequence[EgoClip], test: Sequence[EgoClip], seed: int) -> float:
                fitted = fit_transformer(
                    learn, words, layout=layout, steps=self.steps, batch=self.batch, seed=seed, threads=self.threads
                )
                true = np.array([clip.action for clip in test])
                return top1(fitted.logits(test).argmax(1), true)

            return run

        def graph(learn: Sequence[EgoClip], test: Sequence[EgoClip], seed: int) -> float:
            recipe = Recipe("bench", seed, self.batch, self.steps, 3e-3, self.steps // 20 + 1, weight_decay=0.01)
            return trained_top1(learn, test, config, recipe, CheckOptions(threads=self.threads))

        return {
            "2D: action transformer, hands and box": transformer(Layout(label=False)),
            "2D: the same with the object's label": transformer(Layout()),
            "3D: TA-GCN, hands and box": graph,
        }


def told(clips: Sequence[EgoClip], error: PoseError, copies: int, seed: tuple[int, ...]) -> list[EgoClip]:
    """All clips, `copies` times, as an estimator with this error tells them."""
    if error == TRUE:
        return list(clips)
    return [
        error(clip, np.random.default_rng((*seed, i, copy))) for copy in range(copies) for i, clip in enumerate(clips)
    ]


if __name__ == "__main__":
    import tyro

    print(tyro.cli(Actions).run().table)
