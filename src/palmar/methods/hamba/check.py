"""`palmar check hamba`: scanning along the hand against HaMeR's query, a plain perceptron, another order, one way."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from palmar.errors import PalmarError
from palmar.methods.hamba.hand import Meant
from palmar.methods.hamba.model import SMALL, SMALL_HAMER, Config, MeshNetwork
from palmar.methods.hamba.objective import MeshLoss
from palmar.methods.hamba.training import begun
from palmar.tasks.mesh import HandMeshes, MeshTruth, figures
from palmar.tasks.method import Report
from palmar.train.loop import Recipe, train
from palmar.train.meshcrops import held_out, open_crops

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
class Check:
    """Hamba's head against HaMeR's of equal size, a perceptron on the sampled tokens, joints in a shuffled order, and
    one direction: error of held-out drawn crops, also of hands that are mostly hidden, over seeds."""

    data: str = "drawn:4000"
    test: str = "drawn:600"
    steps: int = 500
    batch: int = 32
    rate: float = 1e-3
    seeds: tuple[int, ...] = (0, 1, 2)
    variants: tuple[str, ...] = tuple(VARIANTS)
    threads: int = 1

    def run(self) -> Report:
        if not self.seeds or OURS not in self.variants or not set(self.variants) <= set(VARIANTS):
            raise PalmarError(f"check: seeds, and variants out of {', '.join(VARIANTS)} with {OURS} among them.")
        if not self.data.startswith("drawn:") or not self.test.startswith("drawn:"):
            raise PalmarError("check: so many drawn crops, drawn:COUNT, for the data and the test.")
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        found: dict[str, list[dict[str, float]]] = {}
        sizes: dict[str, int] = {}
        try:
            crops = open_crops(self.data, "train", size=SMALL.size)
            learn, _ = held_out(crops, 0)
            arrays, truth = held_out(open_crops(self.test, "test", size=SMALL.size), 0)
            trunk = begun(SMALL, None, crops).trunk.eval()
            learn["image"], arrays["image"] = (maps(trunk, part["image"]) for part in (learn, arrays))
            for name in self.variants:
                for seed in self.seeds:
                    network = self.trained(VARIANTS[name], learn, seed)
                    sizes[name] = sum(p.numel() for p in network.head.parameters())
                    found.setdefault(name, []).append(errors(network, arrays["image"], truth))
        finally:
            torch.set_num_threads(before)
        where = (
            f"{len(learn['image']):,} crops to learn from, {len(truth.joints)} held out, {int(truth.occluded.sum())} "
            f"of them with most joints hidden; {self.steps * self.batch:,} samples a run"
        )
        return report(found, sizes, where)

    def trained(self, config: Config, learn: Mapping[str, np.ndarray], seed: int) -> MeshNetwork:
        """A head that learned from the maps of crops."""

        def batches(number: int) -> dict[str, np.ndarray]:
            rows = np.random.default_rng((seed, number)).integers(len(learn["image"]), size=self.batch)
            return {name: column[rows] for name, column in learn.items() if name != "vertices"}

        recipe = Recipe("check", seed, self.batch, self.steps, self.rate, max(self.steps // 20, 1), weight_decay=1e-4)
        with tempfile.TemporaryDirectory() as folder:
            outcome = train(lambda: OnMaps(config), MeshLoss(config.size), batches, recipe, Path(folder), device="cpu",
                            checkpoint_minutes=60, quiet=True, threads=self.threads)  # fmt: skip
        assert isinstance(outcome.model, OnMaps)
        return outcome.model.network


class OnMaps(nn.Module):
    """A mesh network that is given its trunk's maps. The trunk is not learned."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.network = MeshNetwork(config)
        self.network.trunk = nn.Identity()

    def forward(self, features: Float[Tensor, "b c h w"]) -> tuple[Meant, Meant | None]:
        return self.network.read(features)


@torch.inference_mode()
def maps(trunk: nn.Module, images: UInt8[np.ndarray, "n s s 3"], batch: int = 64) -> Float[np.ndarray, "n c h w"]:
    """What the trunk makes of all crops."""
    parts = [trunk(torch.from_numpy(images[i : i + batch])).numpy() for i in range(0, len(images), batch)]
    return np.concatenate(parts)


@torch.inference_mode()
def errors(network: MeshNetwork, features: Float[np.ndarray, "n c h w"], truth: MeshTruth) -> dict[str, float]:
    """The columns of held-out crops."""
    found = network.read(torch.from_numpy(features))[0]
    joints = (found.joints - found.joints[:, :1]).numpy()
    all_ = figures(HandMeshes(joints, joints), MeshTruth(truth.joints, None, truth.visible))
    return {name: value for name, value in all_.items() if name in COLUMNS}


def report(found: Mapping[str, Sequence[Mapping[str, float]]], sizes: Mapping[str, int], where: str) -> Report:
    """Table and verdicts."""
    names = [c for c in COLUMNS if all(c in run for runs in found.values() for run in runs)]
    mean = {n: {c: float(np.mean([r[c] for r in runs])) for c in names} for n, runs in found.items()}
    spread = {n: {c: float(np.std([r[c] for r in runs])) for c in names} for n, runs in found.items()}
    rows = [f"| mm | head | {' | '.join(COLUMNS[c] for c in names)} |", "|---|---|" + "---|" * len(names)]
    for name in found:
        cells = " | ".join(f"{mean[name][c]:.2f} ± {spread[name][c]:.2f}" for c in names)
        rows.append(f"| {name} | {sizes[name] / 1000:.0f} k | {cells} |")
    claims = {
        f"better than {other} ({COLUMNS[c]})": bool(
            mean[other][c] - mean[OURS][c] > max(spread[other][c], spread[OURS][c])
        )
        for other, c in CLAIMS
        if other in found and c in names
    }
    rows += ["", f"{where}; {len(next(iter(found.values())))} seeds.", ""]
    rows += [f"- {claim}: {'held' if held else 'did not hold'}" for claim, held in claims.items()]
    values = {"scale": where, "runs": {k: [dict(r) for r in v] for k, v in found.items()}, "claims": claims,
              "head numbers": dict(sizes)}  # fmt: skip
    return Report(values, "\n".join(rows), all(claims.values()) if claims else None)
