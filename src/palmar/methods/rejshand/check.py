"""`palmar check rejshand`: tokens under the joints against the map's mean and a fixed grid; and what the head costs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float

from palmar.errors import PalmarError
from palmar.hand import HandModel
from palmar.methods.rejshand.model import SMALL, Config, ReJSHand
from palmar.methods.rejshand.objective import MeshLoss
from palmar.methods.rejshand.training import begun, regressor_of
from palmar.tasks.mesh import HandMeshes, MeshTruth, figures
from palmar.tasks.method import Report
from palmar.train.checks import OnMaps, Rows, Runs, brief, chosen, maps, trained
from palmar.train.meshcrops import held_out, open_crops
from palmar.train.options import CheckOptions, on_threads

OURS = "ReJSHand"
VARIANTS: Mapping[str, Config] = {
    OURS: SMALL,
    "the map's mean": replace(SMALL, head="pooled"),
    "a fixed grid": replace(SMALL, head="grid"),
    "gathered along bones": replace(SMALL, graph=True),
}
"""On the same trunk, which stays as the landmarker left it, so that its maps are made once."""
COLUMNS = {"pa_mpvpe_mm": "PA-MPVPE", "pa_mpjpe_mm": "PA-MPJPE", "f5": "F@5", "f15": "F@15"}
CLAIMS = ("the map's mean", "a fixed grid")
"""ReJSHand's mean PA-MPVPE is lower than that of these by more than the larger of the two spreads."""
SHARE = 0.15
"""Of the time of the paper's backbone that its head may take."""


@dataclass(frozen=True)
class Check(CheckOptions):
    """ReJSHand against all vertices from the map's mean, and against tokens from a fixed grid: PA-MPVPE of held-out
    drawn crops over seeds; and the head's time against its backbone's, both at the paper's size."""

    data: str = "drawn:3000"
    test: str = "drawn:400"
    steps: int = 500
    batch: int = 32
    rate: float = 1e-3
    variants: tuple[str, ...] = (OURS, *CLAIMS)

    def run(self) -> Report:
        chosen(self.variants, VARIANTS, OURS, self.seeds)
        if not self.data.startswith("drawn:") or not self.test.startswith("drawn:"):
            raise PalmarError("check: so many drawn crops, drawn:COUNT, for the data and the test.")
        runs = Runs()
        with on_threads(self.threads):
            crops = open_crops(self.data, "train", size=SMALL.size)
            learn, _ = held_out(crops, 0)
            arrays, truth = held_out(open_crops(self.test, "test", size=SMALL.size), 0)
            trunk = begun(SMALL, regressor_of(crops), crops).trunk
            learn["image"], arrays["image"] = (maps(trunk, part["image"]) for part in (learn, arrays))
            for name in self.variants:
                for seed in self.seeds:
                    runs.add(name, errors(self.head(VARIANTS[name], learn, seed), arrays["image"], truth))
            share, milliseconds = cost()
        where = (
            f"Millimetres; {len(learn['image']):,} crops to learn from, {len(truth.joints)} held out; "
            f"{self.steps * self.batch:,} samples a run"
        )
        return report(runs, where, share, milliseconds)

    def head(self, config: Config, learn: Mapping[str, np.ndarray], seed: int) -> ReJSHand:
        """That learned from the maps of crops."""
        regressor = HandModel.default().landmark_regressor
        columns = {name: learn[name] for name in ("image", "keypoints", "joints", "vertices")}
        loss = MeshLoss(config.size, torch.from_numpy(regressor.astype(np.float32)))
        recipe = brief(self.steps, self.batch, self.rate, seed, weight_decay=0.01)
        batches = Rows(columns, self.batch, seed)
        found = trained(lambda: OnMaps(ReJSHand(config, regressor)), loss, batches, recipe, self)
        assert isinstance(found.network, ReJSHand)
        return found.network


@torch.inference_mode()
def errors(network: ReJSHand, features: Float[np.ndarray, "n c h w"], truth: MeshTruth) -> dict[str, float]:
    """The columns of held-out crops."""
    found = network.read(torch.from_numpy(features))
    root = found.joints[:, :1]
    all_ = figures(HandMeshes((found.joints - root).numpy(), (found.vertices - root).numpy()), truth)
    return {name: value for name, value in all_.items() if name in COLUMNS}


@torch.inference_mode()
def cost(rounds: int = 5) -> tuple[float, float]:
    """The head's time over the backbone's, both as in the paper, medians of rounds in turn; milliseconds of both."""
    network = ReJSHand().eval()
    image = torch.zeros(1, network.config.size, network.config.size, 3, dtype=torch.uint8)
    planes = image.permute(0, 3, 1, 2).float()
    features = network.trunk(planes)
    took: list[tuple[float, float]] = []
    for _ in range(rounds):
        begun_ = time.perf_counter()
        network.trunk(planes)
        between = time.perf_counter()
        network.read(features)
        took.append((between - begun_, time.perf_counter() - between))
    trunk, head = np.median(np.array(took), 0)
    return float(head / trunk), 1000 * float(head + trunk)


def report(runs: Runs, where: str, share: float, milliseconds: float) -> Report:
    """Table and verdicts."""
    claims = {
        f"better than {other} (PA-MPVPE)": runs.lower(OURS, other, "pa_mpvpe_mm") for other in CLAIMS if other in runs
    }
    claims[f"the head takes less than {SHARE:.0%} of its backbone's time"] = share < SHARE
    cost = (
        f"At the paper's size the head takes {share:.1%} of the backbone's time, both together {milliseconds:.0f} ms a "
        "crop on one thread."
    )
    return runs.report([*runs.table(COLUMNS, digits=3), "", cost], claims, where,
                       **{"head over backbone": share, "milliseconds": milliseconds})  # fmt: skip
