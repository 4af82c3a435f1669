"""Jobs behind `palmar eval` that networks of one task share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from palmar.data.datasets import clips_of, open_split
from palmar.tasks.action import Recogniser, score
from palmar.tasks.method import Report
from palmar.train.options import on_threads


@dataclass(frozen=True)
class EvaluateActions(ABC):
    """Score a recogniser: top-1 of actions, and of their verbs, on clips."""

    weights: Annotated[Path, arg(metavar="DIR")]
    """Folder of a run."""
    data: str = field(kw_only=True)
    """kind:/path."""
    split: str = "test"
    """Part of the data."""
    threads: int = 1

    @abstractmethod
    def recogniser(self) -> Recogniser:
        """That of the run."""

    def run(self) -> Report:
        recogniser = self.recogniser()
        clips = clips_of(open_split(self.data, self.split, recogniser.vocabulary), f"{self.data} {self.split}")
        with on_threads(self.threads):
            found = recogniser(clips)
        return score(found, clips, recogniser.vocabulary)
