"""`palmar train|eval qort-former` and `qort-action`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from torch import nn
from tyro.conf import arg

from palmar.data.datasets import frames_of, open_split
from palmar.methods.qort_former.action import (
    PAPER_ACTION,
    PAPER_ACTION_FPHA,
    SMALL_ACTION,
    ActionConfig,
    ActionTransformer,
    ClipBatches,
    action_loss,
)
from palmar.methods.qort_former.convert import load_backbone
from palmar.methods.qort_former.model import PAPER, PAPER_FPHA, SMALL, TINY, Config, QortFormer
from palmar.methods.qort_former.objective import QortLoss
from palmar.methods.qort_former.pictures import Batches
from palmar.methods.qort_former.predictor import ACTION, POSE, ActionPredictor, QortPredictor
from palmar.tasks.handobject import score
from palmar.tasks.method import Report
from palmar.train.described import told, write_network
from palmar.train.evaluation import EvaluateActions
from palmar.train.loop import Outcome, Recipe, train
from palmar.train.options import RunOptions, on_threads
from palmar.train.start import digest_of
from palmar.types.firstperson import EgoClip, EgoFrame

SIZES = {"paper": PAPER, "paper-fpha": PAPER_FPHA, "small": SMALL, "tiny": TINY}
ACTION_SIZES = {"paper": PAPER_ACTION, "paper-fpha": PAPER_ACTION_FPHA, "small": SMALL_ACTION}


@dataclass(frozen=True)
class TrainPose(RunOptions):
    """Train QORT-Former, two hands and an object from one picture, and go on where the run stands."""

    data: Annotated[str, arg(metavar="DATA")]
    """What it learns from: kind:/path, such as synthetic:/data/acted or h2o:/data/h2o."""
    folder: Annotated[Path, arg(name="run", metavar="DIR")] = Path("runs/qort-former")
    """Folder of the run."""
    size: Literal["paper", "paper-fpha", "small", "tiny"] = "small"
    """paper: ResNet-50 at 960 x 540, 108 queries; small: ResNet-18 at 336 x 192, 56 queries; tiny: for two CPU cores,
    168 x 96. The options below change what is given."""
    channels: int | None = None
    """Of the maps and tokens."""
    height: int | None = None
    """Of the picture that goes in."""
    width: int | None = None
    hand_queries: int | None = None
    """Per hand."""
    object_queries: int | None = None
    vertices: int | None = None
    """Per hand, of the contact map."""
    layers: int | None = None
    start: Path | None = None
    """torchvision's weights of the backbone (its state dict) to begin from."""
    norm: Literal["frozen", "batch"] | None = None
    """Norms of the backbone: frozen with weights to begin from, batch without."""
    part: str = "train"
    steps: int = 20_000
    batch: int = 16
    rate: float = 4e-4
    """The paper's criterion has 1e-4 for a backbone that begins from weights."""
    weight_decay: float = 0.05
    strength: float = 1.0
    """Of the colour jitter."""
    seed: int = 0

    def config(self, objects: int) -> Config:
        names = ("channels", "height", "width", "hand_queries", "object_queries", "vertices", "layers", "norm")
        changes: dict[str, Any] = {n: v for n in names if (v := getattr(self, n)) is not None}
        if self.norm is None:
            changes["norm"] = "batch" if self.start is None else "frozen"
        return replace(SIZES[self.size], objects=objects, **changes)

    def run(self) -> Report:
        split = open_split(self.data, self.part)
        config = self.config(len(split.vocabulary.objects) - 1)
        write_network(self.folder, config, split.vocabulary, self.data, name=POSE)
        recipe = Recipe(
            "qort-former", self.seed, self.batch, self.steps, self.rate, min(500, max(self.steps // 10, 1)),
            weight_decay=self.weight_decay, precision=self.precision,
            start="" if self.start is None else digest_of(self.start),
        )  # fmt: skip
        outcome = fit(
            split.frames, config, recipe, self.folder, strength=self.strength, start=self.start, **self.options()
        )  # fmt: skip
        return told(outcome, self.folder)


def fit(
    frames: Sequence[EgoFrame],
    config: Config,
    recipe: Recipe,
    folder: Path,
    *,
    strength: float = 1.0,
    start: Path | None = None,
    **options: Any,
) -> Outcome:
    """The network trained on frames. options: of `palmar.train.loop.train`."""

    def build() -> nn.Module:
        model = QortFormer(config)
        if start is not None:
            load_backbone(model, start)
        return model

    batches = Batches(frames, config, size=recipe.batch, seed=recipe.seed, strength=strength)
    batches.targets.fill()
    return train(build, QortLoss(config), batches, recipe, folder, **options)


# ---------------------------------------------------------------------------------------------------------- evaluation


@dataclass(frozen=True)
class EvaluatePose:
    """Score QORT-Former: mean end-point error of hands and object in millimetres of the camera's frame, class of the
    object, frames per second one at a time."""

    weights: Annotated[Path, arg(metavar="DIR")]
    """Folder of a run."""
    data: str = field(kw_only=True)
    """kind:/path."""
    split: str = "test"
    """Part of the data."""
    limit: int = 0
    """Frames at most, spread over all; 0: all."""
    threads: int = 1
    """CPU threads that it runs in, and that the frames per second are of."""
    device: str = "cpu"

    def run(self) -> Report:
        with on_threads(self.threads):
            predictor = QortPredictor.of_run(self.weights, device=self.device)
            frames = frames_of(open_split(self.data, self.split, predictor.vocabulary), self.data, self.limit)
            return score(predictor(frames), frames, f"{self.device}, {self.threads} threads, one frame at a time")


# -------------------------------------------------------------------------------------------------------------- action


@dataclass(frozen=True)
class TrainAction(RunOptions):
    """Train the recogniser of actions on clips of hands and objects, from meshes with contact values."""

    data: Annotated[str, arg(metavar="DATA")]
    """kind:/path of clips."""
    folder: Annotated[Path, arg(name="run", metavar="DIR")] = Path("runs/qort-action")
    """Folder of the run."""
    size: Literal["paper", "paper-fpha", "small"] = "small"
    """paper: 64 frames, four layers; small: 32 frames, two layers, 100 points of each surface."""
    frames: int | None = None
    vertices: int | None = None
    """Per hand, at most as many as the hand model has."""
    object_points: int | None = None
    contact: bool = True
    """Contact values; without, points alone."""
    part: str = "train"
    steps: int = 2000
    batch: int = 32
    rate: float = 3e-4
    seed: int = 0

    def run(self) -> Report:
        split = open_split(self.data, self.part)
        words = split.vocabulary
        changes = {n: v for n in ("frames", "vertices", "object_points") if (v := getattr(self, n)) is not None}
        config = replace(
            ACTION_SIZES[self.size], objects=max(len(words.objects) - 1, 1), actions=len(words.actions),
            contact=self.contact, **changes,
        )  # fmt: skip
        write_network(self.folder, config, words, self.data, name=ACTION)
        recipe = Recipe(
            ACTION, self.seed, self.batch, self.steps, self.rate, min(200, max(self.steps // 10, 1)),
            weight_decay=0.05, precision=self.precision,
        )  # fmt: skip
        outcome = fit_action(
            split.clips, config, recipe, self.folder, **self.options()
        )  # fmt: skip
        return told(outcome, self.folder)


def fit_action(clips: Sequence[EgoClip], config: ActionConfig, recipe: Recipe, folder: Path, **options: Any) -> Outcome:
    """The recogniser trained on clips. options: of `palmar.train.loop.train`."""
    batches = ClipBatches(clips, config, size=recipe.batch, seed=recipe.seed)
    return train(lambda: ActionTransformer(config), action_loss, batches, recipe, folder, **options)


@dataclass(frozen=True)
class EvaluateAction(EvaluateActions):
    """Score the recogniser of actions: top-1 on clips."""

    def recogniser(self) -> ActionPredictor:
        return ActionPredictor.of_run(self.weights)
