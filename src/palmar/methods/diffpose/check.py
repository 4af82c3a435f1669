"""`palmar check diffpose`: many poses from samples of heat maps, against their peaks alone and against one pose."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from palmar.errors import PalmarError
from palmar.methods.diffpose.model import SMALL, Config, DiffPose
from palmar.methods.diffpose.predictor import Hypothesiser
from palmar.methods.diffpose.training import errors, fit, parts
from palmar.tasks.method import Report
from palmar.train.heatmaps import HeatSample, heat_samples
from palmar.train.loop import Recipe

OURS, PEAKS, ONE = "DiffPose", "peaks alone", "one pose from peaks"
VARIANTS: Mapping[str, Config] = {
    OURS: SMALL,
    PEAKS: replace(SMALL, samples=1),
    ONE: replace(SMALL, samples=1, kind="regression"),
}
COLUMNS = ("unsure pa_mpjpe_mm", "unsure mpjpe_mm", "sure pa_mpjpe_mm", "unsure calibration",
           "unsure spread_follows_doubt")  # fmt: skip
HONEST = 0.15
"""Calibration lies this near 0.5."""


@dataclass(frozen=True)
class Check:
    """DiffPose against a diffusion that sees each map's highest cell alone, and against one pose regressed from it: the
    best of 50 hypotheses on held-out hands with ambiguous joints and without, over seeds; and whether unsure joints
    spread, and as far as they should."""

    hands: int = 6000
    test: int = 200
    hypotheses: int = 50
    steps: int = 4000
    batch: int = 64
    rate: float = 1e-3
    seeds: tuple[int, ...] = (0, 1, 2)
    variants: tuple[str, ...] = tuple(VARIANTS)
    threads: int = 1

    def run(self) -> Report:
        if not self.seeds or OURS not in self.variants or not set(self.variants) <= set(VARIANTS):
            raise PalmarError(f"check: seeds, and variants out of {', '.join(VARIANTS)} with {OURS} among them.")
        learn, test = heat_samples("train", self.hands), parts(heat_samples("test", self.test))
        found: dict[str, list[dict[str, float]]] = {}
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            for name in self.variants:
                for seed in self.seeds:
                    network = self.trained(VARIANTS[name], learn, seed)
                    count = 1 if VARIANTS[name].kind == "regression" else self.hypotheses
                    found.setdefault(name, []).append(
                        {
                            f"{part} {figure}": value
                            for part in ("sure", "unsure")
                            for figure, value in errors(network, test[part], count).items()
                        }
                    )
        finally:
            torch.set_num_threads(before)
        where = (f"{self.hands:,} hands to learn from, {len(test['sure'])} and {len(test['unsure'])} held out, best of "
                 f"{self.hypotheses}; {self.steps * self.batch:,} samples a run")  # fmt: skip
        return report(found, where)

    def trained(self, config: Config, learn: Sequence[HeatSample], seed: int) -> Hypothesiser:
        recipe = Recipe("check", seed, self.batch, self.steps, self.rate, max(self.steps // 20, 1), weight_decay=0.0,
                        ema=0.995)  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            outcome = fit(learn, config, recipe, Path(folder), device="cpu", checkpoint_minutes=60, quiet=True,
                          threads=self.threads)  # fmt: skip
        assert isinstance(outcome.model, DiffPose)
        return Hypothesiser(outcome.model)


def report(found: Mapping[str, Sequence[Mapping[str, float]]], where: str) -> Report:
    """Table and verdicts."""
    none = float("nan")
    mean = {n: {c: float(np.mean([r.get(c, none) for r in runs])) for c in COLUMNS} for n, runs in found.items()}
    spread = {n: {c: float(np.std([r.get(c, none) for r in runs])) for c in COLUMNS} for n, runs in found.items()}
    rows = ["| | PA-MPJPE, unsure | MPJPE, unsure | PA-MPJPE, sure | calibration | spread follows doubt |",
            "|---|---|---|---|---|---|"]  # fmt: skip
    for name in found:
        cells = ["" if np.isnan(mean[name][c]) else f"{mean[name][c]:.2f} ± {spread[name][c]:.2f}" for c in COLUMNS]
        rows.append(f"| {name} | {' | '.join(cells)} |")

    def lower(one: str, other: str, column: str) -> bool:
        return bool(mean[other][column] - mean[one][column] > max(spread[other][column], spread[one][column]))

    claims = {}
    if PEAKS in found:
        claims["samples are better than peaks alone (PA-MPJPE, unsure)"] = lower(OURS, PEAKS, COLUMNS[0])
    if {PEAKS, ONE} <= set(found):
        claims["many poses are better than one (PA-MPJPE, unsure)"] = lower(PEAKS, ONE, COLUMNS[0])
    claims["unsure joints spread more (rank correlation above 0)"] = bool(mean[OURS][COLUMNS[4]] > 0)
    claims[f"the spread is honest (calibration within {HONEST:g} of 0.5)"] = bool(
        abs(mean[OURS][COLUMNS[3]] - 0.5) <= HONEST
    )
    rows += ["", f"Millimetres; {where}; {len(next(iter(found.values())))} seeds.", "",
             *(f"- {claim}: {'held' if held else 'did not hold'}" for claim, held in claims.items())]  # fmt: skip
    values = {"scale": where, "runs": {k: [dict(r) for r in v] for k, v in found.items()}, "claims": claims}
    return Report(values, "\n".join(rows), all(claims.values()))
