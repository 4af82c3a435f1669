"""`palmar check gla_gcn`: local readout, adaptive edges and time, each against doing without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from palmar.methods.gla_gcn.model import Config, build
from palmar.methods.gla_gcn.objective import lifting_loss
from palmar.methods.gla_gcn.predictor import Lifter
from palmar.methods.gla_gcn.training import errors
from palmar.tasks.method import Report
from palmar.train.checks import Runs, brief, chosen, trained
from palmar.train.options import CheckOptions, on_threads
from palmar.train.tracks import Batches, Tracks, open_tracks

OURS = "GLA-GCN"
_SMALL = Config(width=32, dropout=0.0)
VARIANTS: Mapping[str, Config] = {
    OURS: _SMALL,
    "pooled readout": replace(_SMALL, readout="pooled"),
    "fixed edges": replace(_SMALL, learned=False, attention=False),
    "temporal convolution": replace(_SMALL, kind="temporal", width=112),
    "single frames": replace(_SMALL, kind="frame", width=140),
}
"""The last two have about as many numbers as the first."""
NOISES = (0.0, 2.0, 5.0)
"""Pixels on the points that are lifted; all learned from points with `Check.noise`."""
COLUMNS = {"mpjpe_mm": "MPJPE, mm", "pa_mpjpe_mm": "P-MPJPE, mm", "mpjve_mm_s": "MPJVE, mm/s"}
CLAIMS = (("pooled readout", "mpjpe_mm"), ("fixed edges", "mpjpe_mm"), ("temporal convolution", "mpjpe_mm"),
          ("single frames", "mpjpe_mm"), ("single frames", "mpjve_mm_s"))  # fmt: skip


@dataclass(frozen=True)
class Check(CheckOptions):
    """GLA-GCN against one layer on the mean of all joints, fixed edges only, a plain temporal convolution and lifting
    frame by frame, on held-out hands in motion: errors over seeds, and how they grow with noise on the 2D points."""

    data: str = "drawn:400"
    test: str = "drawn:40"
    noise: float = 2.0
    """Pixels, of the points to learn from and, in the table, to lift."""
    steps: int = 1000
    batch: int = 64
    rate: float = 3e-3
    variants: tuple[str, ...] = tuple(VARIANTS)

    def run(self) -> Report:
        chosen(self.variants, VARIANTS, OURS, self.seeds)
        learn, test = open_tracks(self.data, "train"), open_tracks(self.test, "test")
        runs, growing = Runs(), []
        with on_threads(self.threads):
            for name in self.variants:
                config = replace(VARIANTS[name], skeleton=learn.skeleton)  # type: ignore[arg-type]
                for seed in self.seeds:
                    lifter = self.lifter(config, learn, seed)
                    runs.add(name, errors(lifter, test, noise=self.noise))
                    if name == OURS:
                        growing.append([errors(lifter, test, noise=noise)["mpjpe_mm"] for noise in NOISES])
        where = (
            f"{len(learn.tracks)} clips to learn from, {len(test.tracks)} held out, {self.noise:g} px of noise; "
            f"{self.steps * self.batch:,} windows of {VARIANTS[OURS].frames} frames a run"
        )
        return report(runs, np.array(growing), where)

    def lifter(self, config: Config, learn: Tracks, seed: int) -> Lifter:
        """That learned from tracks."""
        recipe = brief(self.steps, self.batch, self.rate, seed, decay=0.5, weight_decay=0.01)
        batches = Batches(learn, config.frames, size=self.batch, seed=seed, noise=self.noise)
        return Lifter(trained(lambda: build(config), lifting_loss, batches, recipe, self))


def report(runs: Runs, growing: np.ndarray, where: str) -> Report:
    """Table and verdicts. growing: [seeds, noises] millimetres of GLA-GCN."""
    claims = {f"better than {other} ({COLUMNS[c]})": runs.lower(OURS, other, c) for other, c in CLAIMS if other in runs}
    noise = growing.mean(0)
    claims["error grows with noise"] = bool((np.diff(noise) > 0).all())
    told = ", ".join(f"{n:g} px: {e:.2f} mm" for n, e in zip(NOISES, noise, strict=True))
    return runs.report([*runs.table(COLUMNS), "", f"{OURS} with {told}."], claims, where,
                       **{"noise px": list(NOISES), "mpjpe by noise": noise.tolist()})  # fmt: skip
