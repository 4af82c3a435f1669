"""`palmar check haco`: the two remedies for imbalance against a class-balanced loss and bare cross-entropy."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from tyro.conf import arg

from palmar.errors import PalmarError
from palmar.hand import HandModel
from palmar.methods.haco.balance import balanced
from palmar.methods.haco.model import SMALL, Config, Haco
from palmar.methods.haco.training import Batches, Loss, begun, loss_of
from palmar.tasks.contact import figures
from palmar.tasks.method import Report
from palmar.train.contacts import read_contacts
from palmar.train.loop import Recipe, train

OURS = "VCB and BCS"
VARIANTS: Mapping[str, tuple[Loss, bool]] = {
    OURS: ("vcb", True),
    "VCB alone": ("vcb", False),
    "class-balanced": ("class", False),
    "cross-entropy": ("plain", False),
}
"""Loss, and whether pictures are sampled in balance."""
FLOOR = "mean contact"
COLUMNS = ("f1", "precision", "recall", "recall of rare vertices")
RARE = 0.5
"""Of the vertices that ever touch, this share is called rare: those that touch least."""
CLAIMS = (
    ("cross-entropy", "f1"),
    ("class-balanced", "f1"),
    ("cross-entropy", "recall of rare vertices"),
    (FLOOR, "f1"),
)


@dataclass(frozen=True)
class Check:
    """HACO's balanced sampling and weights against a class-balanced loss and bare cross-entropy, and the mean contact
    as the floor: F1 on held-out hands, sampled in balance, and the recall of vertices that seldom touch, over seeds."""

    data: Annotated[Path, arg(metavar="DIR")]
    """Scenes with touch to learn from: palmar synth DIR --kind scenes --sensors clean,touch."""
    test: Annotated[Path, arg(metavar="DIR")]
    """Scenes of another seed."""
    steps: int = 600
    batch: int = 24
    rate: float = 1e-3
    seeds: tuple[int, ...] = (0, 1, 2)
    variants: tuple[str, ...] = tuple(VARIANTS)
    threads: int = 1

    def run(self) -> Report:
        if not self.seeds or OURS not in self.variants or not set(self.variants) <= set(VARIANTS):
            raise PalmarError(f"check: seeds, and variants out of {', '.join(VARIANTS)} with {OURS} among them.")
        learn, test = (read_contacts(folder, size=SMALL.size) for folder in (self.data, self.test))
        rows = balanced(test.contact, np.random.default_rng(0))
        true, rare = test.contact[rows] > 0.5, rare_vertices(learn.contact)
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        found: dict[str, list[dict[str, float]]] = {}
        try:
            trunk = begun(SMALL, learn.images).trunk.eval()
            features, held = (maps(trunk, images) for images in (learn.images, test.images[rows]))
            for name in self.variants:
                loss, balance = VARIANTS[name]
                for seed in self.seeds:
                    network = self.trained(features, learn.contact, loss, seed, balance=balance)
                    with torch.inference_mode():
                        said = network.read(torch.from_numpy(held)).sigmoid().numpy()
                    found.setdefault(name, []).append(scores(said, true, rare))
        finally:
            torch.set_num_threads(before)
        floor = np.broadcast_to(learn.contact.mean(0), true.shape)
        best = max(np.quantile(learn.contact.mean(0), np.linspace(0.5, 0.99, 25)),
                   key=lambda t: figures(floor, true, float(t))["f1"])  # fmt: skip
        found[FLOOR] = [scores(floor, true, rare, float(best))]
        where = (
            f"{len(learn)} crops to learn from, {len(rows)} held out in balance, contact of "
            f"{100 * learn.contact.mean():.1f} % of the vertices; {self.steps * self.batch:,} samples a run"
        )
        return report(found, where)

    def trained(self, features: np.ndarray, contact: np.ndarray, loss: Loss, seed: int, *, balance: bool) -> Haco:
        objective = loss_of(contact, HandModel.default(), loss)
        batches = Batches(features, contact, size=self.batch, seed=seed, balance=balance)
        recipe = Recipe("check", seed, self.batch, self.steps, self.rate, max(self.steps // 20, 1), weight_decay=1e-4)
        with tempfile.TemporaryDirectory() as folder:
            outcome = train(lambda: OnMaps(SMALL), objective, batches, recipe, Path(folder), device="cpu",
                            checkpoint_minutes=60, quiet=True, threads=self.threads)  # fmt: skip
        assert isinstance(outcome.model, OnMaps)
        return outcome.model.network


class OnMaps(nn.Module):
    """A network that is given its trunk's maps. The trunk is not learned."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.network = Haco(config)
        self.network.trunk = nn.Identity()

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b v"]:
        return self.network.read(features)


@torch.inference_mode()
def maps(trunk: nn.Module, images: np.ndarray, batch: int = 64) -> Float[np.ndarray, "n c h w"]:
    """What the trunk makes of all crops."""
    parts = [trunk(torch.from_numpy(images[i : i + batch])).numpy() for i in range(0, len(images), batch)]
    return np.concatenate(parts)


def rare_vertices(contact: Float[np.ndarray, "n v"]) -> Bool[np.ndarray, " v"]:
    """Those that touch less often than the median of all that touch at all."""
    often = contact.mean(0)
    return np.asarray((often > 0) & (often <= np.quantile(often[often > 0], RARE)))


def scores(found: np.ndarray, true: np.ndarray, rare: np.ndarray, threshold: float = 0.5) -> dict[str, float]:
    """The columns."""
    values = figures(found, true, threshold)
    there = true[:, rare]
    values["recall of rare vertices"] = float((found[:, rare] >= threshold)[there].mean()) if there.any() else np.nan
    return {name: values[name] for name in COLUMNS}


def report(found: Mapping[str, Sequence[Mapping[str, float]]], where: str) -> Report:
    """Table and verdicts."""
    mean = {n: {c: float(np.mean([r[c] for r in runs])) for c in COLUMNS} for n, runs in found.items()}
    spread = {n: {c: float(np.std([r[c] for r in runs])) for c in COLUMNS} for n, runs in found.items()}
    rows = ["| | F1 | precision | recall | recall of rare vertices |", "|---|---|---|---|---|"]
    for name in found:
        rows.append(f"| {name} | {' | '.join(f'{mean[name][c]:.3f} ± {spread[name][c]:.3f}' for c in COLUMNS)} |")
    claims = {
        f"better than {other} ({'F1' if c == 'f1' else c})": bool(
            mean[OURS][c] - mean[other][c] > max(spread[OURS][c], spread[other][c])
        )
        for other, c in CLAIMS
        if other in found
    }
    rows += ["", f"{where}; {len(found[OURS])} seeds.", "",
             *(f"- {claim}: {'held' if held else 'did not hold'}" for claim, held in claims.items())]  # fmt: skip
    values = {"scale": where, "runs": {k: [dict(r) for r in v] for k, v in found.items()}, "claims": claims}
    return Report(values, "\n".join(rows), all(claims.values()))
