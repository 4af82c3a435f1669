"""`palmar check haco`: the two remedies for imbalance against a class-balanced loss and bare cross-entropy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Bool, Float
from tyro.conf import arg

from palmar.hand import HandModel
from palmar.methods.haco.balance import balanced
from palmar.methods.haco.model import SMALL, Haco
from palmar.methods.haco.training import Batches, Loss, begun, loss_of
from palmar.tasks.contact import figures
from palmar.tasks.method import Report
from palmar.train.checks import OnMaps, Runs, brief, chosen, maps, trained
from palmar.train.contacts import read_contacts
from palmar.train.options import CheckOptions, on_threads

OURS = "VCB and BCS"
VARIANTS: Mapping[str, tuple[Loss, bool]] = {
    OURS: ("vcb", True),
    "VCB alone": ("vcb", False),
    "class-balanced": ("class", False),
    "cross-entropy": ("plain", False),
}
"""Loss, and whether pictures are sampled in balance."""
FLOOR = "mean contact"
COLUMNS = {"f1": "F1", "precision": "precision", "recall": "recall", "recall_rare": "recall of rare vertices"}
RARE = 0.5
"""Of the vertices that ever touch, this share is called rare: those that touch least."""
CLAIMS = (
    ("cross-entropy", "f1"),
    ("class-balanced", "f1"),
    ("cross-entropy", "recall_rare"),
    (FLOOR, "f1"),
)


@dataclass(frozen=True)
class Check(CheckOptions):
    """HACO's balanced sampling and weights against a class-balanced loss and bare cross-entropy, and the mean contact
    as the floor: F1 on held-out hands, sampled in balance, and the recall of vertices that seldom touch, over seeds."""

    data: Annotated[Path, arg(metavar="DIR")]
    """Scenes with touch to learn from: palmar synth DIR --kind scenes --sensors clean,touch."""
    test: Annotated[Path, arg(metavar="DIR")]
    """Scenes of another seed."""
    steps: int = 600
    batch: int = 24
    rate: float = 1e-3
    variants: tuple[str, ...] = tuple(VARIANTS)

    def run(self) -> Report:
        chosen(self.variants, VARIANTS, OURS, self.seeds)
        learn, test = (read_contacts(folder, size=SMALL.size) for folder in (self.data, self.test))
        rows = balanced(test.contact, np.random.default_rng(0))
        true, rare = test.contact[rows] > 0.5, rare_vertices(learn.contact)
        runs = Runs()
        with on_threads(self.threads):
            trunk = begun(SMALL, learn.images).trunk
            features, held = (maps(trunk, images) for images in (learn.images, test.images[rows]))
            for name in self.variants:
                loss, balance = VARIANTS[name]
                for seed in self.seeds:
                    head = self.head(features, learn.contact, loss, seed, balance=balance)
                    with torch.inference_mode():
                        said = head.read(torch.from_numpy(held)).sigmoid().numpy()
                    runs.add(name, scores(said, true, rare))
        floor = np.broadcast_to(learn.contact.mean(0), true.shape)
        tries = np.quantile(learn.contact.mean(0), np.linspace(0.5, 0.99, 25)).tolist()
        runs.add(FLOOR, scores(floor, true, rare, max(tries, key=lambda t: figures(floor, true, t)["f1"])))
        where = (
            f"{len(learn)} crops to learn from, {len(rows)} held out in balance, contact of "
            f"{100 * learn.contact.mean():.1f} % of the vertices; {self.steps * self.batch:,} samples a run"
        )
        return report(runs, where)

    def head(self, features: np.ndarray, contact: np.ndarray, loss: Loss, seed: int, *, balance: bool) -> Haco:
        """That learned from the maps of crops."""
        objective = loss_of(contact, HandModel.default(), loss)
        batches = Batches(features, contact, size=self.batch, seed=seed, balance=balance)
        recipe = brief(self.steps, self.batch, self.rate, seed, weight_decay=1e-4)
        found = trained(lambda: OnMaps(Haco(SMALL)), objective, batches, recipe, self)
        assert isinstance(found.network, Haco)
        return found.network


def rare_vertices(contact: Float[np.ndarray, "n v"]) -> Bool[np.ndarray, " v"]:
    """Those that touch less often than the median of all that touch at all."""
    often = contact.mean(0)
    return np.asarray((often > 0) & (often <= np.quantile(often[often > 0], RARE)))


def scores(found: np.ndarray, true: np.ndarray, rare: np.ndarray, threshold: float = 0.5) -> dict[str, float]:
    """The columns."""
    values = figures(found, true, threshold)
    there = true[:, rare]
    values["recall_rare"] = float((found[:, rare] >= threshold)[there].mean()) if there.any() else np.nan
    return {name: values[name] for name in COLUMNS}


def report(runs: Runs, where: str) -> Report:
    """Table and verdicts."""
    claims = {
        f"better than {other} ({COLUMNS[c]})": runs.higher(OURS, other, c) for other, c in CLAIMS if other in runs
    }
    return runs.report(runs.table(COLUMNS, digits=3), claims, where)
