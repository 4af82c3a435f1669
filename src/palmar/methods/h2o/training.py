"""`palmar train|eval h2o`: the pose network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from tyro.conf import arg

from palmar.data.datasets import frames_of, open_split
from palmar.methods.h2o.model import PAPER, SMALL, Config, PoseNetwork
from palmar.methods.h2o.objective import PoseLoss
from palmar.methods.h2o.pictures import Batches, object_pose
from palmar.methods.h2o.predictor import POSE, PosePredictor
from palmar.tasks.handobject import HandsAndObject, score
from palmar.tasks.method import Report
from palmar.train.described import told, write_network
from palmar.train.loop import Outcome, Recipe, train
from palmar.train.options import RunOptions, on_threads
from palmar.types.firstperson import EgoFrame

SIZES = {"paper": PAPER, "small": SMALL}


@dataclass(frozen=True)
class TrainPose(RunOptions):
    """Train the H2O network, two hands and an object from one picture, and go on where the run stands."""

    data: Annotated[str, arg(metavar="DATA")]
    """What it learns from: kind:/path, such as synthetic:/data/acted or h2o:/data/h2o."""
    folder: Annotated[Path, arg(name="run", metavar="DIR")] = Path("runs/h2o")
    """Folder of the run."""
    size: Literal["paper", "small"] = "small"
    """paper: Darknet-19 at 416 x 416; small: a fifth of its layers' width at 208 x 208. Both 13 x 13 x 5 cells."""
    focal: float | None = None
    """Tell depth as a camera of this focal length, in widths of the picture, would see it. By default 0.5 for data of
    many cameras, 0 (as it is) for h2o and fpha."""
    interactions: bool = False
    """Also say the interaction for every cell, as H+O does."""
    part: str = "train"
    steps: int = 20_000
    batch: int = 16
    rate: float = 1e-4
    strength: float = 1.0
    """Of the random hue, saturation and exposure."""
    seed: int = 0

    def run(self) -> Report:
        split = open_split(self.data, self.part)
        one_camera = self.data.split(":", 1)[0] in ("h2o", "fpha")
        config = replace(
            SIZES[self.size],
            objects=len(split.vocabulary.objects) - 1,
            actions=len(split.vocabulary.actions) if self.interactions else 0,
            focal=(0.0 if one_camera else 0.5) if self.focal is None else self.focal,
        )
        write_network(self.folder, config, split.vocabulary, self.data, name=POSE)
        recipe = Recipe("h2o", self.seed, self.batch, self.steps, self.rate, min(500, max(self.steps // 10, 1)),
                        weight_decay=5e-4, precision=self.precision)  # fmt: skip
        outcome = fit(
            split.frames, config, recipe, self.folder, strength=self.strength, **self.options()
        )  # fmt: skip
        return told(outcome, self.folder)


def fit(
    frames: Sequence[EgoFrame], config: Config, recipe: Recipe, folder: Path, *, strength: float = 1.0, **options: Any
) -> Outcome:
    """The network trained on frames. options: of `palmar.train.loop.train`."""
    batches = Batches(frames, config, size=recipe.batch, seed=recipe.seed, strength=strength)
    batches.targets.fill()
    return train(lambda: PoseNetwork(config), PoseLoss(config), batches, recipe, folder, **options)


@dataclass(frozen=True)
class EvaluatePose:
    """Score the H2O network: mean end-point error of hands and object in millimetres of the camera's frame, rotation of
    the object, its class, frames per second one at a time."""

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
            predictor = PosePredictor.of_run(self.weights, device=self.device)
            frames = frames_of(open_split(self.data, self.split, predictor.vocabulary), self.data, self.limit)
            found = predictor(frames)
        report = score(found, frames, f"{self.device}, {self.threads} threads, one frame at a time")
        turned = rotation_error(found, frames)
        note = f"{report.table}\nObject's rotation off by {turned:.1f} degrees (median, of the known box)."
        return Report({**report.figures, "object_degrees": turned}, note)


def rotation_error(found: HandsAndObject, frames: Sequence[EgoFrame]) -> float:
    """Degrees, median over frames whose object's pose is known: that of the known box, rigidly aligned to the predicted
    points. NaN where there is none."""
    out = []
    for points, frame in zip(found.points, frames, strict=True):
        truth = frame.camera_from_object
        if truth is None or not np.isfinite(frame.points).all() or not np.isfinite(points).all():
            continue
        box = (frame.points.astype(np.float64) - truth[:3, 3]) @ truth[:3, :3]
        turn = object_pose(points, box)[:3, :3] @ truth[:3, :3].T
        out.append(np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))))
    return float(np.median(out)) if out else float("nan")
