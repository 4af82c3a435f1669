"""`palmar train|eval haco`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from tyro.conf import arg

from palmar.errors import PalmarError
from palmar.hand import HandModel
from palmar.methods.haco.balance import ClassBalance, balanced
from palmar.methods.haco.model import PAPER, SMALL, Config, Haco, coarser
from palmar.methods.haco.objective import ContactLoss, shared_faces
from palmar.methods.haco.predictor import NAME, ContactPredictor
from palmar.nn.landmarker import LandmarkerTrunk
from palmar.tasks import contact
from palmar.tasks.method import Report
from palmar.train.contacts import ContactCrops, read_contacts
from palmar.train.described import told, write_network
from palmar.train.loop import Outcome, Recipe, train
from palmar.train.options import RunOptions, on_threads
from palmar.train.start import start_trunk

SIZES = {"small": SMALL, "paper": PAPER}
Loss = Literal["vcb", "class", "plain"]


class Batches:
    """Number of a batch -> crops (or maps) and contact. balance: balanced contact sampling, drawn anew for every pass;
    else all rows."""

    def __init__(
        self, images: np.ndarray, contact: np.ndarray, *, size: int, seed: int, balance: bool, jitter: float = 0.0
    ) -> None:
        self.images, self.contact, self.size, self.seed, self.jitter = images, contact, size, seed, jitter
        self.rows = balanced(contact, np.random.default_rng(seed)) if balance else np.arange(len(images))

    def __call__(self, number: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng((self.seed, number))
        rows = rng.choice(self.rows, self.size)
        images = self.images[rows]
        if self.jitter:  # light of each channel, as the paper has it
            gain = rng.uniform(1 - self.jitter, 1 + self.jitter, (self.size, 1, 1, 3))
            images = np.clip(images * gain, 0, 255).astype(np.uint8)
        return {"image": images, "contact": self.contact[rows]}


def loss_of(contact: np.ndarray, model: HandModel, kind: Loss) -> ContactLoss:
    """The objective for a training set: vcb is the paper's; class has one weight for all vertices; plain is bare
    cross-entropy."""
    levels = [torch.from_numpy(level.astype(np.float32)) for level in coarser(model)]
    near = shared_faces(model.faces, contact.shape[1])
    mean = torch.from_numpy(contact.mean(0).astype(np.float32))
    return ContactLoss(ClassBalance.of(contact), levels, mean, near, plain=kind == "plain", per_vertex=kind == "vcb")


@dataclass(frozen=True)
class Train(RunOptions):
    """Train HACO, the contact of every vertex of a hand, and go on where the run stands."""

    data: Annotated[Path, arg(metavar="DIR")]
    """Scenes to learn from: palmar synth DIR --kind scenes --sensors clean,touch."""
    folder: Annotated[Path, arg(name="run", metavar="DIR")] = Path("runs/haco")
    """Folder of the run."""
    size: Literal["small", "paper"] = "small"
    """small: the trunk of palmar's landmarker, begun from its weights, 128 pixels. paper: ViT-H/16, 256 pixels."""
    loss: Loss = "vcb"
    """vcb: weights for the classes of each vertex; class: the same for all; plain: bare cross-entropy."""
    balance: bool = True
    """Balanced contact sampling."""
    threshold: float = 0.005
    """Metres nearer than which a vertex touches."""
    steps: int = 10_000
    batch: int = 24
    rate: float = 5e-4
    seed: int = 0

    def run(self) -> Report:
        model = HandModel.default()
        config = replace(SIZES[self.size], vertices=len(model.template), scale=1.6, upright=True)
        crops = read_contacts(self.data, size=config.size, threshold=self.threshold)
        write_network(self.folder, config, None, str(self.data), name=NAME)
        recipe = Recipe(NAME, self.seed, self.batch, self.steps, self.rate, min(300, max(self.steps // 10, 1)),
                        weight_decay=1e-4, precision=self.precision)  # fmt: skip
        outcome = fit(
            crops, config, recipe, self.folder, loss=self.loss, balance=self.balance, **self.options()
        )
        return told(outcome, self.folder)


def fit(
    crops: ContactCrops, config: Config, recipe: Recipe, folder: Path, *, loss: Loss = "vcb", balance: bool = True,
    **options: Any,
) -> Outcome:  # fmt: skip
    """The network trained on crops. options: of `palmar.train.loop.train`."""
    objective = loss_of(crops.contact, HandModel.default(), loss)
    batches = Batches(crops.images, crops.contact, size=recipe.batch, seed=recipe.seed, balance=balance, jitter=0.2)
    return train(lambda: begun(config, crops.images), objective, batches, recipe, folder, **options)


def begun(config: Config, images: np.ndarray) -> Haco:
    """A new network, its trunk begun from the landmarker's weights where it is that one."""
    network = Haco(config)
    if isinstance(network.trunk, LandmarkerTrunk):
        start_trunk(network.trunk, images[:64])
    return network


@dataclass(frozen=True)
class Evaluate:
    """Score HACO on hands it never saw: precision, recall and F1 of each picture, their means."""

    weights: Annotated[Path, arg(metavar="DIR")]
    """Folder of a run."""
    data: Annotated[Path, arg(metavar="DIR")] = field(kw_only=True)
    """Scenes with touch."""
    threshold: float = 0.5
    """Of the probabilities."""
    threads: int = 1
    device: str = "cpu"

    def run(self) -> Report:
        predictor = ContactPredictor.of_run(self.weights, device=self.device)
        crops = read_contacts(self.data, size=predictor.crop.size)
        if crops.contact.shape[1] != predictor.network.config.vertices:
            raise PalmarError(f"{self.data}: hands of {crops.contact.shape[1]} vertices; the network says "
                              f"{predictor.network.config.vertices}.")  # fmt: skip
        with on_threads(self.threads):
            found = predictor(crops.images)
        values: Mapping[str, float] = contact.figures(found, crops.contact > 0.5, self.threshold)
        return contact.score(dict(values), len(crops), f"{self.data}, {self.device}")

