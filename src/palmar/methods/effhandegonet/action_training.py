"""`palmar train|eval action-transformer`: the action transformer, from clips of hands and objects alone.

A run's folder holds `action.onnx` and its card besides the checkpoints, written when the run ends or its time is up:
`palmar act --recogniser` takes the folder.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from tyro.conf import arg

from palmar.data.datasets import open_split
from palmar.errors import PalmarError
from palmar.methods.effhandegonet.action import fit, write_card
from palmar.methods.effhandegonet.onnx import FILE, ActionReader
from palmar.methods.effhandegonet.sequences import Layout
from palmar.metrics.firstperson import top1
from palmar.tasks.action import score
from palmar.tasks.method import Report
from palmar.types.firstperson import EgoClip, Split, Vocabulary


@dataclass(frozen=True)
class TrainActionTransformer:
    """Train the action transformer, and go on where the run stands. Minutes on one processor core.

    The paper's networks are the default (H2O: 93 numbers a frame) and --hands right --no-box --kind fpha (FPHA: 43).
    """

    data: Annotated[tuple[str, ...], arg(metavar="DATA...")]
    """What it learns from: kind:/path, such as synthetic:/data/acted or h2o:/data/h2o."""
    folder: Annotated[Path, arg(name="run", metavar="DIR")] = Path("runs/action-transformer")
    """Folder of the run."""
    hands: Literal["both", "right", "none"] = "both"
    """Hands that it sees."""
    box: bool = True
    """Whether it sees the object's box."""
    label: bool = True
    """Whether it sees what the object is."""
    kind: Literal["h2o", "fpha"] = "h2o"
    """Set of random moves of a clip."""
    augment: bool = True
    """Move all frames of a clip alike, at random."""
    vanish: float | None = None
    """Probability that a hand, the box or the label vanishes from a clip; by default 30 in 101 for h2o, 0 for fpha."""
    compatible: bool = False
    """Positions and augmentation as in the released code, its slips included."""
    steps: int = 3000
    batch: int = 64
    rate: float = 1e-3
    seed: int = 0
    part: str = "train"
    """Part of each data set."""
    minutes: float | None = None
    """Stop with a checkpoint after this long; the next call goes on."""
    threads: int | None = 1
    quiet: bool = False

    def run(self) -> Report:
        sides = {"both": (0, 1), "right": (1,), "none": ()}[self.hands]
        clips, vocabulary = joined(self.data, self.part)
        fitted = fit(
            clips,
            vocabulary,
            layout=Layout(sides, self.box, self.label),
            steps=self.steps,
            batch=self.batch,
            rate=self.rate,
            seed=self.seed,
            augment=self.augment,
            vanish=self.vanish,
            kind=self.kind,
            compatible=self.compatible,
            run=self.folder,
            minutes=self.minutes,
            threads=self.threads,
            quiet=self.quiet,
        )
        file = fitted.save(self.folder / FILE)
        right = top1(fitted.logits(clips).argmax(1), actions(clips))
        figures = {"clips": len(clips), "actions": len(vocabulary.actions), "top-1 on these clips": right}
        write_card(file, fitted, clips, figures)
        return Report(figures, f"{file}: {len(clips)} clips, top-1 on them {right:.3f}.")


@dataclass(frozen=True)
class EvaluateActionTransformer:
    """Score an action transformer on clips: top-1 of actions and of their verbs."""

    weights: Annotated[Path, arg(metavar="PATH")]
    """action.onnx, or the folder of a run that holds one."""
    data: str = field(kw_only=True)
    """kind:/path."""
    split: str = "test"
    """Part of the data."""

    def run(self) -> Report:
        reader = ActionReader(self.weights / FILE if self.weights.is_dir() else self.weights)
        clips = list(open_split(self.data, self.split, reader.vocabulary).clips)
        if not clips:
            raise PalmarError(f"{self.data}: its part {self.split} has no clips.")
        return score(reader(clips), clips, reader.vocabulary)


def actions(clips: list[EgoClip]) -> np.ndarray:
    return np.array([clip.action for clip in clips], np.int64)


def joined(data: tuple[str, ...], part: str) -> tuple[list[EgoClip], Vocabulary]:
    """Clips of several data sets in the vocabulary of the first. Raises PalmarError where one has other actions."""
    if not data:
        raise PalmarError("nothing to learn from: name a data set, such as synthetic:/data/acted.")
    first: Split = open_split(data[0], part)
    clips = list(first.clips)
    for text in data[1:]:
        other = open_split(text, part)
        unknown = set(other.vocabulary.actions) - set(first.vocabulary.actions)
        if unknown:
            names = ", ".join(sorted(unknown)[:5])
            raise PalmarError(f"{text}: has actions that {data[0]} does not have: {names}.")
        clips += list(open_split(text, part, first.vocabulary).clips)
    if not clips:
        raise PalmarError(f"{' '.join(data)}: part {part} has no clips.")
    return clips, first.vocabulary
