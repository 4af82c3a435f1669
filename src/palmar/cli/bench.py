"""`palmar bench`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from palmar.cli.options import at_least
from palmar.errors import PalmarError


@dataclass(frozen=True)
class Bench:
    """Measure the tracker on recordings of real hands, beside MediaPipe if wanted; prints a table."""

    what: Positional[Literal["real"]]
    """real: on a folder of labelled photographs and a video."""
    path: Annotated[Positional[Path], arg(metavar="PATH")]
    """The folder: webcam/, digits/ and video/ in it, those that are there."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write all numbers here too."""
    mediapipe: Annotated[Path | None, arg(metavar="PYTHON")] = None
    """The Python of an environment that has MediaPipe 0.10.21: it then runs on the same frames."""
    split: Literal["adapt", "evaluate"] = "evaluate"
    """Which part of the labelled photographs."""
    limit: int | None = None
    """At most this many pictures of each set and frames of the video."""

    def run(self) -> int:
        from palmar.bench.real import measure, render
        from palmar.media import whole_file

        if not self.path.is_dir():
            raise PalmarError(f"{self.path}: no such folder.")
        if self.mediapipe is not None and not self.mediapipe.is_file():
            raise PalmarError(f"{self.mediapipe}: no such file; give the python of the environment that has MediaPipe.")
        at_least(1, limit=self.limit)
        if self.json is not None and not self.json.absolute().parent.is_dir():
            raise PalmarError(f"{self.json}: there is no folder to write this file in.")
        found = measure(self.path, mediapipe=self.mediapipe, limit=self.limit, split=self.split)
        if self.json is not None:
            with whole_file(self.json) as part:
                part.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(render(found))
        return 0
