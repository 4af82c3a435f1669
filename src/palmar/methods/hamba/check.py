"""`palmar check hamba`: scanning along the hand against HaMeR's query, a plain perceptron, another order, one way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float

from palmar.errors import PalmarError
from palmar.methods.hamba.model import SMALL, SMALL_HAMER, Config, MeshNetwork
from palmar.methods.hamba.objective import MeshLoss
from palmar.methods.hamba.training import begun
from palmar.tasks.mesh import HandMeshes, MeshTruth, figures
from palmar.tasks.method import Report
from palmar.train.checks import OnMaps, Rows, Runs, brief, chosen, maps, trained
from palmar.train.meshcrops import held_out, open_crops
from palmar.train.options import CheckOptions, on_threads

OURS = "Hamba"
VARIANTS: Mapping[str, Config] = {
    OURS: SMALL,
    "HaMeR's head": SMALL_HAMER,
    "perceptron on the tokens": replace(SMALL, head="pooled", width=136),
    "shuffled order": replace(SMALL, order="shuffled"),
    "one direction": replace(SMALL, directions=1),
}
"""Heads of about as many numbers on the same trunk, which stays as the landmarker left it, so that its maps are made
once."""
COLUMNS = {"pa_mpjpe_mm": "PA-MPJPE", "pa_mpjpe_occluded_mm": "PA-MPJPE, hidden hands", "mpjpe_mm": "MPJPE"}
CLAIMS = (
    ("HaMeR's head", "pa_mpjpe_occluded_mm"),
    ("perceptron on the tokens", "pa_mpjpe_mm"),
    ("shuffled order", "pa_mpjpe_mm"),
    ("one direction", "pa_mpjpe_mm"),
)
"""Hamba's mean is lower than this variant's in this column by more than the larger of the two spreads."""


@dataclass(frozen=True)
class Check(CheckOptions):
    """Hamba's head against HaMeR's of equal size, a perceptron on the sampled tokens, joints in a shuffled order, and
    one direction: error of held-out drawn crops, also of hands that are mostly hidden, over seeds."""

    data: str = "drawn:4000"
    test: str = "drawn:600"
    steps: int = 500
    batch: int = 32
    rate: float = 1e-3
    variants: tuple[str, ...] = tuple(VARIANTS)

    def run(self) -> Report:
        chosen(self.variants, VARIANTS, OURS, self.seeds)
        if not self.data.startswith("drawn:") or not self.test.startswith("drawn:"):
            raise PalmarError("check: so many drawn crops, drawn:COUNT, for the data and the test.")
        runs, sizes = Runs(), {}
        with on_threads(self.threads):
            crops = open_crops(self.data, "train", size=SMALL.size)
            learn, _ = held_out(crops, 0)
            arrays, truth = held_out(open_crops(self.test, "test", size=SMALL.size), 0)
            trunk = begun(SMALL, None, crops).trunk
            learn["image"], arrays["image"] = (maps(trunk, part["image"]) for part in (learn, arrays))
            for name in self.variants:
                for seed in self.seeds:
                    head = self.head(VARIANTS[name], learn, seed)
                    sizes[name] = sum(p.numel() for p in head.head.parameters())
                    runs.add(name, errors(head, arrays["image"], truth))
        where = (
            f"Millimetres; {len(learn['image']):,} crops to learn from, {len(truth.joints)} held out, "
            f"{int(truth.occluded.sum())} of them with most joints hidden; {self.steps * self.batch:,} samples a run"
        )
        return report(runs, sizes, where)

    def head(self, config: Config, learn: Mapping[str, np.ndarray], seed: int) -> MeshNetwork:
        """That learned from the maps of crops."""
        columns = {name: column for name, column in learn.items() if name != "vertices"}
        recipe = brief(self.steps, self.batch, self.rate, seed, weight_decay=1e-4)
        loss, batches = MeshLoss(config.size), Rows(columns, self.batch, seed)
        found = trained(lambda: OnMaps(MeshNetwork(config)), loss, batches, recipe, self)
        assert isinstance(found.network, MeshNetwork)
        return found.network


@torch.inference_mode()
def errors(network: MeshNetwork, features: Float[np.ndarray, "n c h w"], truth: MeshTruth) -> dict[str, float]:
    """The columns of held-out crops."""
    found = network.read(torch.from_numpy(features))[0]
    joints = (found.joints - found.joints[:, :1]).numpy()
    all_ = figures(HandMeshes(joints, joints), MeshTruth(truth.joints, None, truth.visible))
    return {name: value for name, value in all_.items() if name in COLUMNS}


def report(runs: Runs, sizes: Mapping[str, int], where: str) -> Report:
    """Table and verdicts."""
    columns = {c: heading for c, heading in COLUMNS.items() if not np.isnan(runs.mean(OURS, c))}
    claims = {
        f"better than {other} ({COLUMNS[c]})": runs.lower(OURS, other, c)
        for other, c in CLAIMS
        if other in runs and c in columns
    }
    numbers = ", ".join(f"{name} {size / 1000:.0f} k" for name, size in sizes.items())
    return runs.report([*runs.table(columns), "", f"Numbers in the heads: {numbers}."], claims, where,
                       **{"head numbers": dict(sizes)})  # fmt: skip
