"""`palmar check gla_gcn`: local readout, adaptive edges and time, each against doing without."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from palmar.errors import PalmarError
from palmar.methods.gla_gcn.model import Config, Frame, GlaGcn, Temporal
from palmar.methods.gla_gcn.predictor import Lifter
from palmar.methods.gla_gcn.training import errors, fit
from palmar.tasks.method import Report
from palmar.train.loop import Recipe
from palmar.train.tracks import Tracks, open_tracks

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
COLUMNS = {"mpjpe_mm": "MPJPE", "pa_mpjpe_mm": "P-MPJPE", "mpjve_mm_s": "MPJVE"}
CLAIMS = (("pooled readout", "mpjpe_mm"), ("fixed edges", "mpjpe_mm"), ("temporal convolution", "mpjpe_mm"),
          ("single frames", "mpjpe_mm"), ("single frames", "mpjve_mm_s"))  # fmt: skip


@dataclass(frozen=True)
class Check:
    """GLA-GCN against one layer on the mean of all joints, fixed edges only, a plain temporal convolution and lifting
    frame by frame, on held-out hands in motion: errors over seeds, and how they grow with noise on the 2D points."""

    data: str = "drawn:400"
    test: str = "drawn:40"
    noise: float = 2.0
    """Pixels, of the points to learn from and, in the table, to lift."""
    steps: int = 1000
    batch: int = 64
    rate: float = 3e-3
    seeds: tuple[int, ...] = (0, 1, 2)
    variants: tuple[str, ...] = tuple(VARIANTS)
    threads: int = 1

    def run(self) -> Report:
        if not self.seeds or OURS not in self.variants or not set(self.variants) <= set(VARIANTS):
            raise PalmarError(f"check: seeds, and variants out of {', '.join(VARIANTS)} with {OURS} among them.")
        learn, test = open_tracks(self.data, "train"), open_tracks(self.test, "test")
        found: dict[str, list[dict[str, float]]] = {}
        growing: list[list[float]] = []
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            for name in self.variants:
                config = replace(VARIANTS[name], skeleton=learn.skeleton)  # type: ignore[arg-type]
                for seed in self.seeds:
                    lifter = self.trained(config, learn, seed)
                    found.setdefault(name, []).append(errors(lifter, test, noise=self.noise))
                    if name == OURS:
                        growing.append([errors(lifter, test, noise=noise)["mpjpe_mm"] for noise in NOISES])
        finally:
            torch.set_num_threads(before)
        where = (f"{len(learn.tracks)} clips to learn from, {len(test.tracks)} held out, {self.noise:g} px of noise; "
                 f"{self.steps * self.batch:,} windows of {VARIANTS[OURS].frames} frames a run")  # fmt: skip
        return report(found, np.array(growing), where)

    def trained(self, config: Config, learn: Tracks, seed: int) -> Lifter:
        recipe = Recipe("check", seed, self.batch, self.steps, self.rate, max(self.steps // 20, 1), decay=0.5,
                        weight_decay=0.01)  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            outcome = fit(learn, config, recipe, Path(folder), noise=self.noise, device="cpu", checkpoint_minutes=60,
                          quiet=True, threads=self.threads)  # fmt: skip
        assert isinstance(outcome.model, GlaGcn | Temporal | Frame)
        return Lifter(outcome.model)


def report(found: Mapping[str, Sequence[Mapping[str, float]]], growing: np.ndarray, where: str) -> Report:
    """Table and verdicts."""
    mean = {n: {c: float(np.mean([r[c] for r in runs])) for c in COLUMNS} for n, runs in found.items()}
    spread = {n: {c: float(np.std([r[c] for r in runs])) for c in COLUMNS} for n, runs in found.items()}
    rows = ["| | MPJPE mm | P-MPJPE mm | MPJVE mm/s |", "|---|---|---|---|"]
    for name in found:
        cells = " | ".join(f"{mean[name][c]:.2f} ± {spread[name][c]:.2f}" for c in COLUMNS)
        rows.append(f"| {name} | {cells} |")
    claims: dict[str, bool] = {}
    for other, column in CLAIMS:
        if other in found:
            claims[f"better than {other} ({COLUMNS[column]})"] = bool(
                mean[other][column] - mean[OURS][column] > max(spread[other][column], spread[OURS][column])
            )
    noise = growing.mean(0)
    claims["error grows with noise"] = bool((np.diff(noise) > 0).all())
    rows += ["", f"{where}; {len(next(iter(found.values())))} seeds. GLA-GCN with "
             + ", ".join(f"{n:g} px: {e:.2f} mm" for n, e in zip(NOISES, noise, strict=True)) + ".", "",
             *(f"- {claim}: {'held' if held else 'did not hold'}" for claim, held in claims.items())]  # fmt: skip
    values = {"scale": where, "runs": {k: [dict(r) for r in v] for k, v in found.items()}, "claims": claims,
              "noise px": list(NOISES), "mpjpe by noise": noise.tolist()}  # fmt: skip
    return Report(values, "\n".join(rows), all(claims.values()))
