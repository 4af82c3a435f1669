"""`palmar bench`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from palmar.cli.options import at_least
from palmar.errors import PalmarError


@dataclass(frozen=True)
class Bench:
    """Measure the tracker on recordings of real hands, or the synthetic pictures by another tracker; prints a table."""

    what: Positional[Literal["real", "judge", "sequences"]]
    """real: our tracker on a folder of labelled photographs and videos, beside MediaPipe if wanted. judge: MediaPipe on
    clean synthetic pictures, against their truth. sequences: recognisers of signs and fingertip paths side by side."""
    path: Annotated[Positional[Path | None], arg(metavar="PATH")] = None
    """Of real: the folder with webcam/, digits/ and video/ in it, those that are there. Of sequences: the folder with
    sign-words.npz and point_history.csv."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write all numbers here too."""
    mediapipe: Annotated[Path | None, arg(metavar="PYTHON")] = None
    """The Python of an environment that has MediaPipe 0.10.21: it then runs on the same frames. judge needs it."""
    split: Literal["adapt", "evaluate"] = "evaluate"
    """Of real: which part of the labelled photographs."""
    limit: int | None = None
    """Of real: at most this many pictures of each set and frames of the video."""
    only: Annotated[str | None, arg(metavar="PART,...")] = None
    """Of real: some of webcam, digits, video, jitter, speed, truth; all of them, or the first three with --against."""
    weights: Annotated[Path | None, arg(metavar="DIR")] = None
    """A folder with the networks to measure, in place of the package's."""
    against: Annotated[Path | None, arg(metavar="DIR")] = None
    """Of real: a second folder with networks; prints what --weights gains over it, and how sure that is."""
    count: int = 2000
    """Of judge: how many pictures."""
    seed: int = 0
    """Of judge: of the pictures."""
    scene: str | None = None
    """Of judge: pictures of this sort of scene of `palmar synth`, in place of the judge's own; slow."""
    own: bool = False
    """Of judge: our tracker answers too."""
    sheet: Annotated[Path | None, arg(metavar="FILE")] = None
    """Of judge: write the worst pictures here, .png or .jpg."""

    def run(self) -> int:
        if self.mediapipe is not None and not self.mediapipe.is_file():
            raise PalmarError(f"{self.mediapipe}: no such file; give the python of the environment that has MediaPipe.")
        at_least(1, limit=self.limit)
        for file in (self.json, self.sheet):
            if file is not None and not file.absolute().parent.is_dir():
                raise PalmarError(f"{file}: there is no folder to write this file in.")
        return {"real": self._real, "judge": self._judge, "sequences": self._sequences}[self.what]()

    def _sequences(self) -> int:
        if self.path is None or not self.path.is_dir():
            raise PalmarError(f"{self.path or 'bench sequences'}: no such folder; name the one with the sequences.")
        from palmar.bench.sequences import measure, render
        from palmar.cli.talk import Progress

        with Progress("sequences", "runs") as progress:
            found = measure(self.path, progress=progress)
        print(render(found))
        if self.json is not None:
            self.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        return 0

    def _real(self) -> int:
        if self.path is None:
            raise PalmarError("bench real: name the folder to measure on; see palmar bench real --help.")
        if not self.path.is_dir():
            raise PalmarError(f"{self.path}: no such folder.")
        if self.against is not None and self.mediapipe is not None:
            raise PalmarError("--against compares two of our own trackers; leave --mediapipe out.")
        from palmar.bench.real import PARTS, SETS, compare, measure, render, render_comparison
        from palmar.tracking import OnnxNetworks

        default = PARTS if self.against is None else SETS
        parts = default if self.only is None else tuple(word.strip() for word in self.only.split(","))
        networks = None if self.weights is None else OnnxNetworks(self.weights, threads=2)
        if self.against is not None:
            first = networks or OnnxNetworks(threads=2)
            second = OnnxNetworks(self.against, threads=2)
            found = compare(self.path, first, second, limit=self.limit, split=self.split, only=parts)
            table = render_comparison(found)
        else:
            found = measure(
                self.path,
                mediapipe=self.mediapipe,
                limit=self.limit,
                split=self.split,
                networks=networks,
                only=parts,
            )
            table = render(found)
        self._write(found)
        print(table)
        return 0

    def _judge(self) -> int:
        given = {"--only": self.only, "--against": self.against, "--limit": self.limit}
        for name, value in given.items():
            if value is not None:
                raise PalmarError(f"bench judge: {name} is an option of bench real.")
        if self.path is not None:
            raise PalmarError(f"bench judge: makes its own pictures; what is {self.path} for?")
        if self.mediapipe is None:
            raise PalmarError("bench judge: needs --mediapipe PYTHON, the environment of the tracker that judges.")
        if self.weights is not None and not self.own:
            raise PalmarError("bench judge: --weights are those of our tracker; it answers with --own.")
        if self.sheet is not None and self.sheet.suffix.lower() not in (".png", ".jpg", ".jpeg"):
            raise PalmarError(f"{self.sheet}: a sheet is written as .png or .jpg.")
        at_least(4, count=self.count)
        at_least(0, seed=self.seed)
        from palmar.bench.judge import judge, picture, render, scene_picture, sheet
        from palmar.bench.mediapipe_peer import Peer
        from palmar.cli.talk import Progress
        from palmar.media import write_image
        from palmar.tracking import OnnxNetworks

        networks = OnnxNetworks(self.weights, threads=2) if self.own else None
        draw = picture if self.scene is None else scene_picture(self.scene)
        with Peer(self.mediapipe) as peer, Progress("judged", "pictures") as progress:
            found, judged = judge(
                peer,
                self.count,
                self.seed,
                networks=networks,
                draw=draw,
                observe=lambda done: progress(done, self.count),
            )
        self._write(found)
        if self.sheet is not None:
            write_image(self.sheet, sheet(judged))
        print(render(found))
        return 0

    def _write(self, found: Mapping[str, Any]) -> None:
        from palmar.media import whole_file

        if self.json is not None:
            with whole_file(self.json) as part:
                part.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
