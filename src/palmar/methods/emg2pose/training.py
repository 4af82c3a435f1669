"""`palmar train|eval vemg2pose`, `emg2pose`, `neuropose`, `sensingdynamics`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from tyro.conf import arg

from palmar.data.emg2pose import Emg2Pose
from palmar.errors import PalmarError
from palmar.methods.emg2pose.convert import load_official
from palmar.methods.emg2pose.model import PAPER, Config, Rollout, build, reach
from palmar.methods.emg2pose.objective import Loss
from palmar.methods.emg2pose.recordings import Batches, Mode, Source, Window, every, unpacked
from palmar.methods.emg2pose.stream import speed
from palmar.tasks.method import Report
from palmar.tasks.signal import RATE, Scored, errors, known, report
from palmar.train.described import read_network, told, write_network
from palmar.train.loop import Outcome, Recipe, load_average, train
from palmar.train.options import RunOptions, on_threads

NAME = "emg2pose"
"""In `network.json` of a run: all networks of this method, which their configs tell apart."""
SMALL = {"width": 32, "features": 32, "hidden": 64}


class Unpacking(nn.Module):
    """A network that takes signal and first pose in the loop's one array."""

    def __init__(self, net: nn.Module, electrodes: int) -> None:
        super().__init__()
        self.net, self.electrodes = net, electrodes

    def forward(self, image: Tensor) -> Tensor:
        return self.net(*unpacked(image, self.electrodes))


def fit(sources: Sequence[Source], config: Config, recipe: Recipe, folder: Path, *, span: int, mode: Mode,
        turn: int = 1, tips: float = 0.01, **options: Any) -> Outcome:  # fmt: skip
    """A network trained on recordings. span: samples of a window that get a pose. options: of palmar.train.loop.train.

    The outcome's model is the network itself.
    """
    batches = Batches(sources, config.context, span, recipe.batch, recipe.seed, mode, turn)
    outcome = train(lambda: Unpacking(build(config), config.electrodes), Loss(tips), batches, recipe, folder, **options)
    assert isinstance(outcome.model, Unpacking)
    return replace(outcome, model=outcome.model.net)


@dataclass(frozen=True)
class _Train(RunOptions):
    data: Annotated[Path, arg(metavar="DIR")]
    """Folder in emg2pose's layout, with metadata.csv: the public data set, or python -m
    palmar.methods.emg2pose.synthetic."""
    folder: Annotated[Path | None, arg(name="run", metavar="DIR")] = None
    """Folder of the run; runs/NETWORK if not given."""
    size: Literal["paper", "small"] = "paper"
    """small: an eighth of the width, for processors."""
    mode: Literal["regression", "tracking", "both"] = "regression"
    """regression: the first pose is to be found; tracking: it is given; both: half of the windows each."""
    span: int | None = None
    """Samples of a window that get a pose; the paper's if not given."""
    scale: float | None = None
    """Of the decoder's output; the paper's 0.01 if not given."""
    resampling: Literal["stretched", "steady", "hold"] = "stretched"
    """stretched: as in the paper; steady, hold: as a stream has it."""
    turn: int = 1
    """Electrodes by which the signal is turned around the ring at most."""
    part: str = "train"
    steps: int = 100_000
    batch: int = 64
    rate: float = 1e-3
    seed: int = 0

    network: ClassVar[str]
    spans: ClassVar[int]

    def base(self) -> Config:
        """The paper's."""
        return PAPER[self.network]

    def config(self) -> Config:
        changes: dict[str, Any] = dict(SMALL) if self.size == "small" else {}
        if self.scale is not None:
            changes["scale"] = self.scale
        return replace(self.base(), resampling=self.resampling, **changes)

    def run(self) -> Report:
        sources = Emg2Pose.open(self.data).records(self.part)
        folder = Path("runs") / self.network if self.folder is None else self.folder
        config = self.config()
        if config.kind != "rollout" and self.mode != "regression":
            raise PalmarError(f"{self.network} cannot be told a first pose; take --mode regression.")
        write_network(folder, config, None, str(self.data), name=NAME)
        recipe = Recipe(
            f"{self.network}-{self.mode}", self.seed, self.batch, self.steps, self.rate,
            min(500, max(self.steps // 20, 1)), weight_decay=0.0, clip=1.0, precision=self.precision,
        )  # fmt: skip
        outcome = fit(
            sources, config, recipe, folder, span=self.span or self.spans, mode=self.mode, turn=self.turn,
            **self.options(),
        )  # fmt: skip
        return told(outcome, folder)


@dataclass(frozen=True)
class TrainVelocity(_Train):
    """Train vemg2pose: how the pose changes, 50 times a second; in regression it first finds a pose for 0.24 s."""

    network: ClassVar[str] = "vemg2pose"
    spans: ClassVar[int] = 10_000

    def base(self) -> Config:
        return PAPER["tracking_vemg2pose" if self.mode == "tracking" else "regression_vemg2pose"]


@dataclass(frozen=True)
class TrainPosition(_Train):
    """Train emg2pose's position variant: each pose from the signal and the pose before."""

    network: ClassVar[str] = "emg2pose"
    spans: ClassVar[int] = 4000


@dataclass(frozen=True)
class TrainNeuroPose(_Train):
    """Train NeuroPose, a coder and decoder over whole windows."""

    network: ClassVar[str] = "neuropose"
    spans: ClassVar[int] = 4000


@dataclass(frozen=True)
class TrainSensingDynamics(_Train):
    """Train SensingDynamics: each pose from the last 84 ms."""

    network: ClassVar[str] = "sensingdynamics"
    spans: ClassVar[int] = 10_167


# ---------------------------------------------------------------------------------------------------------- evaluation


def load_model(weights: str | Path, *, device: str = "cpu") -> nn.Module:
    """The network of a run's folder, or of a checkpoint file in the authors' layout: `Rollout`, `NeuroPose` or
    `SensingDynamics`."""
    weights = Path(weights)
    if weights.is_file():
        return load_official(weights).to(device)
    config, _ = read_network(weights, Config, name=NAME)
    model, _ = load_average(weights, Unpacking(build(config), config.electrodes))
    assert isinstance(model, Unpacking)
    return model.net.to(device)


TOGETHER = 16
"""Windows that are scored at once: a roll-out takes as long for sixteen as for two."""


@torch.no_grad()
def predict(model: nn.Module, windows: Sequence[Window], *, track: bool, context: int) -> list[np.ndarray]:
    """Angles [t, 20] of the samples after each window's context; all windows of one length. Networks that need no
    context get none."""
    device = next(model.parameters()).device
    own = model.config.context
    emg = torch.as_tensor(np.stack([w.emg[:, context - own :] for w in windows]), device=device)
    start = torch.as_tensor(np.stack([w.angles[:, 0] for w in windows]), device=device) if track else None
    return list(model(emg, start).transpose(1, 2).cpu().numpy())


def score(
    model: nn.Module, windows: Sequence[Window], *, track: bool, context: int, compatible: bool = False
) -> list[Scored]:
    """Scores of every window of which the first pose is known where it is told; all of one length."""
    model.eval()
    told = [w for w in windows if not track or known(w.angles.T[:1])[0]]
    out = []
    for i in range(0, len(told), TOGETHER):
        some = told[i : i + TOGETHER]
        for window, found in zip(some, predict(model, some, track=track, context=context), strict=True):
            true = window.angles.T
            figures = errors(found, true, known(true), compatible=compatible)
            out.append(Scored(**window.about, figures=figures))
    return out


@dataclass(frozen=True)
class Evaluate:
    """Score a network as emg2pose does: mean angular error and landmark distance by what was held out, mean and spread
    over users; and the time a stream takes for 20 ms of signal."""

    weights: Annotated[Path, arg(metavar="DIR")]
    """Folder of a run, or a checkpoint file in the authors' layout."""
    data: Annotated[Path, arg(metavar="DIR")] = field(kw_only=True)
    """Folder in emg2pose's layout."""
    split: str = "test"
    """Part of the data."""
    mode: Literal["regression", "tracking"] = "regression"
    """tracking: the pose at the first sample is given."""
    span: int = 10_000
    """Samples of a window that are scored."""
    limit: int = 0
    """Windows of a recording at most; 0: all."""
    compatible: bool = False
    """Acceleration and jerk as published, in units that are neither."""
    threads: int = 1
    device: str = "cpu"

    def run(self) -> Report:
        with on_threads(self.threads):
            model = load_model(self.weights).to(self.device).eval()
            rolls = isinstance(model, Rollout)
            if self.mode == "tracking" and not rolls:
                raise PalmarError("this network cannot be told a first pose; take --mode regression.")
            context = reach()[0]  # the same samples are scored of every network
            sources = Emg2Pose.open(self.data).records(self.split)
            found: list[Scored] = []
            for source in sources:
                windows = list(every([source], context, self.span, limit=self.limit))
                found += score(
                    model, windows, track=self.mode == "tracking", context=context, compatible=self.compatible
                )
            about = f"{self.mode}, windows of {self.span / RATE:g} s; mean ± spread over users"
            out = report(found, about)
            if rolls:
                fast = speed(model)
                figures = {**out.figures, "stream": vars(fast)}
                line = (
                    f"Stream: {fast.median_ms:.2f} ms (99 of 100 below {fast.slowest_ms:.2f} ms) for 20 ms of signal, "
                    f"{fast.times_real:.0f} times as fast as it comes; {self.device}, {self.threads} threads."
                )
                out = replace(out, figures=figures, table=f"{out.table}\n{line}")
            return out
