"""`palmar train|eval ta-gcn`: the recogniser of actions, from 3D paths alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch.nn.functional as F
from torch import Tensor
from tyro.conf import arg

from palmar.data.datasets import open_split
from palmar.methods.h2o.clips import Batches
from palmar.methods.h2o.predictor import ACTION, ActionPredictor
from palmar.methods.h2o.tagcn import PAPER, SMALL, Config, TaGcn
from palmar.tasks.method import Report
from palmar.train.described import told, write_network
from palmar.train.evaluation import EvaluateActions
from palmar.train.loop import Outcome, Recipe, train
from palmar.train.options import RunOptions
from palmar.types.firstperson import EgoClip

SIZES = {"paper": PAPER, "small": SMALL}


@dataclass(frozen=True)
class TrainAction(RunOptions):
    """Train TA-GCN on clips of 3D hands and objects, and go on where the run stands."""

    data: Annotated[str, arg(metavar="DATA")]
    """kind:/path of clips."""
    folder: Annotated[Path, arg(name="run", metavar="DIR")] = Path("runs/ta-gcn")
    """Folder of the run."""
    size: Literal["paper", "small"] = "small"
    """paper: ten blocks of 64 to 256 channels, 200 frames; small: four of 16 to 32, 32 frames."""
    frames: int | None = None
    parts: tuple[str, ...] = ("left", "right", "object")
    """What it sees."""
    noise: float = 0.0
    """Metres by which points are shifted, each for a whole clip, while it learns; for poses that are estimated."""
    part: str = "train"
    steps: int = 2000
    batch: int = 32
    rate: float = 2e-3
    seed: int = 0

    def run(self) -> Report:
        split = open_split(self.data, self.part)
        size = SIZES[self.size]
        config = replace(
            size, classes=max(len(split.vocabulary.actions), 2), parts=self.parts, frames=self.frames or size.frames
        )
        write_network(self.folder, config, split.vocabulary, self.data, name=ACTION)
        recipe = Recipe(ACTION, self.seed, self.batch, self.steps, self.rate, min(200, max(self.steps // 10, 1)),
                        weight_decay=0.01, precision=self.precision)  # fmt: skip
        outcome = fit(
            split.clips, config, recipe, self.folder, noise=self.noise, **self.options()
        )  # fmt: skip
        return told(outcome, self.folder)


def loss(logits: Tensor, batch: Mapping[str, Tensor], _progress: float) -> dict[str, Tensor]:
    """Cross-entropy."""
    value = F.cross_entropy(logits, batch["action"])
    right = (logits.argmax(-1) == batch["action"]).float().mean()
    return {"loss": value, "top1": right.detach()}


def fit(
    clips: Sequence[EgoClip], config: Config, recipe: Recipe, folder: Path, *, noise: float = 0.0, **options: Any
) -> Outcome:
    """The network trained on clips. options: of `palmar.train.loop.train`."""
    batches = Batches(clips, config, size=recipe.batch, seed=recipe.seed, noise=noise)
    return train(lambda: TaGcn(config), loss, batches, recipe, folder, **options)


@dataclass(frozen=True)
class EvaluateAction(EvaluateActions):
    """Score TA-GCN: top-1 of actions, and of their verbs, on clips."""

    def recogniser(self) -> ActionPredictor:
        return ActionPredictor.of_run(self.weights)
