"""`palmar check diffpose`: many poses from samples of heat maps, against their peaks alone and against one pose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from palmar.methods.diffpose.model import SMALL, Config, DiffPose
from palmar.methods.diffpose.objective import noise_loss
from palmar.methods.diffpose.predictor import Hypothesiser
from palmar.methods.diffpose.training import Batches, errors, parts
from palmar.tasks.method import Report
from palmar.train.checks import Runs, brief, chosen, trained
from palmar.train.heatmaps import HeatSample, heat_samples
from palmar.train.options import CheckOptions, on_threads

OURS, PEAKS, ONE = "DiffPose", "peaks alone", "one pose from peaks"
VARIANTS: Mapping[str, Config] = {
    OURS: SMALL,
    PEAKS: replace(SMALL, samples=1),
    ONE: replace(SMALL, samples=1, kind="regression"),
}
COLUMNS = {
    "unsure pa_mpjpe_mm": "PA-MPJPE, unsure",
    "unsure mpjpe_mm": "MPJPE, unsure",
    "sure pa_mpjpe_mm": "PA-MPJPE, sure",
    "unsure calibration": "calibration",
    "unsure spread_follows_doubt": "spread follows doubt",
}
HONEST = 0.15
"""Calibration lies this near 0.5."""


@dataclass(frozen=True)
class Check(CheckOptions):
    """DiffPose against a diffusion that sees each map's highest cell alone, and against one pose regressed from it: the
    best of 50 hypotheses on held-out hands with ambiguous joints and without, over seeds; and whether unsure joints
    spread, and as far as they should."""

    hands: int = 6000
    test: int = 200
    hypotheses: int = 50
    steps: int = 2500
    batch: int = 16
    rate: float = 3e-3
    variants: tuple[str, ...] = tuple(VARIANTS)

    def run(self) -> Report:
        chosen(self.variants, VARIANTS, OURS, self.seeds)
        learn, test = heat_samples("train", self.hands), parts(heat_samples("test", self.test))
        runs = Runs()
        with on_threads(self.threads):
            for name in self.variants:
                count = 1 if VARIANTS[name].kind == "regression" else self.hypotheses
                for seed in self.seeds:
                    network = self.network(VARIANTS[name], learn, seed)
                    both = {part: errors(network, test[part], count) for part in ("sure", "unsure")}
                    runs.add(name, {f"{part} {k}": v for part, values in both.items() for k, v in values.items()})
        where = (
            f"Millimetres; {self.hands:,} hands to learn from, {len(test['sure'])} and {len(test['unsure'])} held out, "
            f"best of {self.hypotheses}; {self.steps * self.batch:,} samples a run"
        )
        return report(runs, where)

    def network(self, config: Config, learn: Sequence[HeatSample], seed: int) -> Hypothesiser:
        """That learned from heat maps."""
        recipe = brief(self.steps, self.batch, self.rate, seed, weight_decay=0.0, ema=0.995, decay=0.9)
        batches = Batches(learn, config, size=self.batch, seed=seed)
        return Hypothesiser(trained(lambda: DiffPose(config), noise_loss, batches, recipe, self))


def report(runs: Runs, where: str) -> Report:
    """Table and verdicts."""
    error, _, _, honest, follows = COLUMNS
    claims = {}
    if PEAKS in runs:
        claims["samples are better than peaks alone (PA-MPJPE, unsure)"] = runs.lower(OURS, PEAKS, error)
    if PEAKS in runs and ONE in runs:
        claims["many poses are better than one (PA-MPJPE, unsure)"] = runs.lower(PEAKS, ONE, error)
    claims["unsure joints spread more (rank correlation above 0)"] = runs.mean(OURS, follows) > 0
    near = abs(runs.mean(OURS, honest) - 0.5) <= HONEST
    claims[f"the spread is honest (calibration within {HONEST:g} of 0.5)"] = near
    return runs.report(runs.table(COLUMNS), claims, where)
