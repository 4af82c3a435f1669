"""`palmar train|eval gla-gcn`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from tyro.conf import arg

from palmar.errors import PalmarError
from palmar.methods.gla_gcn.convert import load_official
from palmar.methods.gla_gcn.model import Config, Kind, Readout, build
from palmar.methods.gla_gcn.objective import lifting_loss
from palmar.methods.gla_gcn.predictor import NAME, Lifter
from palmar.tasks import lifting
from palmar.tasks.method import Report
from palmar.train.described import told, write_network
from palmar.train.loop import Outcome, Recipe, train
from palmar.train.options import RunOptions, on_threads
from palmar.train.tracks import Batches, Tracks, noisy, open_tracks


@dataclass(frozen=True)
class Train(RunOptions):
    """Train GLA-GCN, or a lifter that it is compared with, and go on where the run stands."""

    data: Annotated[str, arg(metavar="DATA")] = "drawn:400"
    """Tracks to learn from: drawn:COUNT, clips of hands in motion, or human36m:/path."""
    folder: Annotated[Path, arg(name="run", metavar="DIR")] = Path("runs/gla-gcn")
    """Folder of the run."""
    kind: Kind = "gla-gcn"
    """temporal: a plain temporal convolution; frame: a perceptron on single frames."""
    frames: int = 27
    """Of a window: 27, 81 or 243."""
    width: int = 96
    readout: Readout = "joint"
    """joint: a layer of each joint's own; shared: one for all; pooled: one on the mean of all nodes."""
    sequence: bool = False
    """Say and learn all frames too."""
    noise: float = 0.0
    """Pixels, on the points it learns from."""
    steps: int = 20_000
    batch: int = 256
    rate: float = 2e-3
    seed: int = 0

    def run(self) -> Report:
        tracks = open_tracks(self.data, "train")
        config = Config(kind=self.kind, skeleton=tracks.skeleton, frames=self.frames, width=self.width,
                        readout=self.readout, sequence=self.sequence)  # type: ignore[arg-type]  # fmt: skip
        write_network(self.folder, config, None, self.data, name=NAME)
        recipe = Recipe(NAME, self.seed, self.batch, self.steps, self.rate, min(300, max(self.steps // 10, 1)),
                        decay=0.5, weight_decay=0.01, precision=self.precision)  # fmt: skip
        outcome = fit(tracks, config, recipe, self.folder, noise=self.noise, **self.options())
        return told(outcome, self.folder)


def fit(tracks: Tracks, config: Config, recipe: Recipe, folder: Path, *, noise: float = 0.0, **options: Any) -> Outcome:
    """The network trained on tracks. noise: pixels. options: of `palmar.train.loop.train`."""
    batches = Batches(tracks, config.frames, size=recipe.batch, seed=recipe.seed, noise=noise)
    return train(lambda: build(config), lifting_loss, batches, recipe, folder, **options)


def errors(lifter: Lifter, tracks: Tracks, *, noise: float = 0.0, seed: int = 0) -> dict[str, float]:
    """The task's figures on whole tracks. noise: pixels on every point."""
    rng = np.random.default_rng(seed)
    found = [lifter(noisy(track.points, track.pixel * noise, rng)) for track in tracks.tracks]
    return lifting.figures(found, [track.poses.astype(np.float64) for track in tracks.tracks], tracks.fps)


@dataclass(frozen=True)
class Evaluate:
    """Score a lifter on tracks it never saw: MPJPE, P-MPJPE, velocity."""

    weights: Annotated[Path, arg(metavar="PATH")]
    """Folder of a run, or a checkpoint in the authors' layout."""
    data: str = field(default="drawn:50", kw_only=True)
    """drawn:COUNT or human36m:/path."""
    split: str = "test"
    noise: float = 0.0
    """Pixels, on the points it is shown."""
    threads: int = 1
    device: str = "cpu"

    def run(self) -> Report:
        tracks = open_tracks(self.data, self.split)
        lifter = (Lifter.of_run(self.weights, device=self.device) if self.weights.is_dir()
                  else Lifter(load_official(self.weights), device=self.device))  # fmt: skip
        if lifter.network.config.skeleton != tracks.skeleton:
            raise PalmarError(f"{self.weights}: lifts a {lifter.network.config.skeleton}; {self.data} are of a "
                              f"{tracks.skeleton}.")  # fmt: skip
        with on_threads(self.threads):
            values = errors(lifter, tracks, noise=self.noise)
        frames = sum(len(track.points) for track in tracks.tracks)
        where = f"{self.data} {self.split}, {self.noise:g} px of noise"
        return lifting.score(values, len(tracks.tracks), frames, where)
