"""`palmar check rejshand`: tokens under the joints against the map's mean and a fixed grid; and what the head costs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import nn

from palmar.errors import PalmarError
from palmar.hand import HandModel
from palmar.methods.rejshand.model import SMALL, Config, ReJSHand, Said
from palmar.methods.rejshand.objective import MeshLoss
from palmar.methods.rejshand.training import begun, regressor_of
from palmar.tasks.mesh import HandMeshes, MeshTruth, figures
from palmar.tasks.method import Report
from palmar.train.loop import Recipe, train
from palmar.train.meshcrops import held_out, open_crops

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
class Check:
    """ReJSHand against all vertices from the map's mean, and against tokens from a fixed grid: PA-MPVPE of held-out
    drawn crops over seeds; and the head's time against its backbone's, both at the paper's size."""

    data: str = "drawn:3000"
    test: str = "drawn:400"
    steps: int = 500
    batch: int = 32
    rate: float = 1e-3
    seeds: tuple[int, ...] = (0, 1, 2)
    variants: tuple[str, ...] = (OURS, *CLAIMS)
    threads: int = 1

    def run(self) -> Report:
        if not self.seeds or OURS not in self.variants or not set(self.variants) <= set(VARIANTS):
            raise PalmarError(f"check: seeds, and variants out of {', '.join(VARIANTS)} with {OURS} among them.")
        if not self.data.startswith("drawn:") or not self.test.startswith("drawn:"):
            raise PalmarError("check: so many drawn crops, drawn:COUNT, for the data and the test.")
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        found: dict[str, list[dict[str, float]]] = {}
        try:
            crops = open_crops(self.data, "train", size=SMALL.size)
            learn, _ = held_out(crops, 0)
            arrays, truth = held_out(open_crops(self.test, "test", size=SMALL.size), 0)
            trunk = begun(SMALL, regressor_of(crops), crops).trunk.eval()
            learn["image"], arrays["image"] = (maps(trunk, part["image"]) for part in (learn, arrays))
            for name in self.variants:
                for seed in self.seeds:
                    network = self.trained(VARIANTS[name], learn, seed)
                    found.setdefault(name, []).append(errors(network, arrays["image"], truth))
            share, milliseconds = cost()
        finally:
            torch.set_num_threads(before)
        where = (
            f"{len(learn['image']):,} crops to learn from, {len(truth.joints)} held out; "
            f"{self.steps * self.batch:,} samples a run"
        )
        return report(found, where, share, milliseconds)

    def trained(self, config: Config, learn: Mapping[str, np.ndarray], seed: int) -> ReJSHand:
        """A head that learned from the maps of crops."""
        regressor = HandModel.default().landmark_regressor

        def batches(number: int) -> dict[str, np.ndarray]:
            rows = np.random.default_rng((seed, number)).integers(len(learn["image"]), size=self.batch)
            return {name: learn[name][rows] for name in ("image", "keypoints", "joints", "vertices")}

        loss = MeshLoss(config.size, torch.from_numpy(regressor.astype(np.float32)))
        recipe = Recipe("check", seed, self.batch, self.steps, self.rate, max(self.steps // 20, 1), weight_decay=0.01)
        with tempfile.TemporaryDirectory() as folder:
            outcome = train(lambda: OnMaps(config, regressor), loss, batches, recipe, Path(folder), device="cpu",
                            checkpoint_minutes=60, quiet=True, threads=self.threads)  # fmt: skip
        assert isinstance(outcome.model, OnMaps)
        return outcome.model.network


class OnMaps(nn.Module):
    """A mesh network that is given its trunk's maps. The trunk is not learned."""

    def __init__(self, config: Config, regressor: Float[np.ndarray, "21 v"]) -> None:
        super().__init__()
        self.network = ReJSHand(config, regressor)
        self.network.trunk = nn.Identity()

    def forward(self, features: Float[torch.Tensor, "b c h w"]) -> Said:
        return self.network.read(features)


@torch.inference_mode()
def maps(trunk: nn.Module, images: UInt8[np.ndarray, "n s s 3"], batch: int = 64) -> Float[np.ndarray, "n c h w"]:
    """What the trunk makes of all crops."""
    parts = [trunk(torch.from_numpy(images[i : i + batch])).numpy() for i in range(0, len(images), batch)]
    return np.concatenate(parts)


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


def report(
    found: Mapping[str, Sequence[Mapping[str, float]]], where: str, share: float, milliseconds: float
) -> Report:  # fmt: skip
    """Table and verdicts."""
    mean = {n: {c: float(np.mean([r[c] for r in runs])) for c in COLUMNS} for n, runs in found.items()}
    spread = {n: {c: float(np.std([r[c] for r in runs])) for c in COLUMNS} for n, runs in found.items()}
    rows = [f"| | {' | '.join(COLUMNS.values())} |", "|---|" + "---|" * len(COLUMNS)]
    for name in found:
        digits = {c: 3 if c.startswith("f") else 2 for c in COLUMNS}
        cells = [f"{mean[name][c]:.{digits[c]}f} ± {spread[name][c]:.{digits[c]}f}" for c in COLUMNS]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    claims = {
        f"better than {other} (PA-MPVPE)": bool(
            mean[other]["pa_mpvpe_mm"] - mean[OURS]["pa_mpvpe_mm"]
            > max(spread[other]["pa_mpvpe_mm"], spread[OURS]["pa_mpvpe_mm"])
        )
        for other in CLAIMS
        if other in found
    }
    claims[f"the head takes less than {SHARE:.0%} of its backbone's time"] = share < SHARE
    rows += [
        "",
        f"{where}; millimetres; {len(next(iter(found.values())))} seeds. At the paper's size the head takes "
        f"{share:.1%} of the backbone's time, both together {milliseconds:.0f} ms a crop on one thread.",
        "",
        *(f"- {claim}: {'held' if held else 'did not hold'}" for claim, held in claims.items()),
    ]
    values = {"scale": where, "runs": {k: [dict(r) for r in v] for k, v in found.items()}, "claims": claims,
              "head over backbone": share, "milliseconds": milliseconds}  # fmt: skip
    return Report(values, "\n".join(rows), all(claims.values()))
