"""`palmar synth`: labelled samples of the synthetic world as a folder of shards, or as a stream."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

import palmar
from palmar.cli.options import at_least
from palmar.cli.talk import Progress, note
from palmar.errors import PalmarError, need

if TYPE_CHECKING:
    from palmar.synth.dataset import Recipe

CONVENTIONS = (
    "Metres, radians, seconds, pixels. Camera axes: x right, y down, z forward; the world's: y down, that of gravity. "
    "Pixel (0, 0) is the centre of the top-left pixel. a_from_b maps b's coordinates into a's. Rotations are "
    "axis-angle in MANO's tree order, 21 joints in OpenPose's. Left and right are the person's own."
)


@dataclass(frozen=True)
class Synth:
    """Make labelled samples of the synthetic world: the same seed and number give the same sample on every run.

    Writes a folder of WebDataset shards with an index (index.parquet) and a card (card.json: name, licences, units).
    It appears whole or not at all; a run that was stopped goes on with the same command and ends with the same bytes.
    `palmar.data.shards.read_shards` reads it. `palmar synth gallery OUT` makes a page of everything there is to see.
    """

    out: Annotated[Positional[str], arg(metavar="OUT")]
    """Folder to write; - for one tar on stdout."""
    kind: Literal["crops", "frames", "scenes", "sequences"] = "crops"
    """crops: 128 pixels around a hand, for the landmarker. frames: none, one or more hands, for the detector. scenes:
    whole scenes, still or moving, as the sensors see them. sequences: hands and things that are used, as joints and
    boxes without pictures, for recognisers of actions."""
    count: int = 1000
    """How many samples."""
    seed: int = 1
    """Of the world."""
    first: int = 0
    """Number of the first sample: samples are the same however a range is cut up."""
    scene: Annotated[str | None, arg(metavar="NAME[,NAME]")] = None
    """Scenes and sequences: which sorts, in turns. By default all that there are; a wrong name lists them."""
    sensors: Annotated[str | None, arg(metavar="NAME[,NAME]")] = None
    """Scenes: what is recorded, each as an array. By default rgb,depth,masks."""
    seconds: float | None = None
    """Scenes and sequences: how much of a moving one, from its beginning, 0 for its first moment. By default all."""
    fps: float | None = None
    """Scenes and sequences: frames per second of moving ones. By default 30."""
    width: int | None = None
    """Scenes: pixels of a picture; its height follows. By default what each camera has."""
    cameras: int | None = None
    """Scenes: only the first so many cameras of each; the first of acted ones is the wearer's. By default all."""
    shard_mb: int = 256
    """MiB of a shard at most."""
    workers: int | None = None
    """Processes; by default as many as there are cores. Their number changes no byte."""
    overwrite: bool = False
    """Replace an earlier folder of samples at OUT."""

    def run(self) -> int:
        at_least(1, count=self.count, workers=self.workers, shard_mb=self.shard_mb, cameras=self.cameras)
        at_least(0, seed=self.seed, first=self.first)
        self._check_scene_options()
        need("numba", extra="torch")
        from palmar.synth.processes import packed

        recipe, stop = self.recipe(), self.first + self.count
        if self.out == "-":
            from palmar.data.shards import write_stream

            with (
                closing(packed(recipe, self.first, stop, self._workers())) as made,
                Progress("synth", "samples") as shown,
            ):
                for done in write_stream(made, sys.stdout.buffer):
                    shown(done, self.count)
            return 0
        return self._write(recipe)

    def _write(self, recipe: Recipe) -> int:
        from palmar.data.shards import ShardWriter
        from palmar.synth.processes import packed

        stop, writer = self.first + self.count, None
        try:
            with (
                ShardWriter(
                    self.out,
                    self.card(recipe),
                    recipe.layers,
                    recipe.columns,
                    shard_bytes=self.shard_mb << 20,
                    overwrite=self.overwrite,
                ) as writer,
                Progress("synth", "samples") as shown,
            ):
                before = writer.done
                if before:
                    note(f"going on after {before} of {self.count} samples")
                begin = self.first + before if writer.unsure is None else writer.unsure
                with closing(packed(recipe, begin, stop, self._workers())) as made:
                    for one in made:
                        writer.add(one)
                        shown(writer.done - before, self.count - before)
        except (KeyboardInterrupt, SystemExit):
            if writer is not None and writer.done:
                note(f"stopped after {writer.done} of {self.count} samples; the same command goes on from there")
            raise
        speed = f"{shown.rate:.0f}" if shown.rate >= 10 else f"{shown.rate:.2g}"
        note(f"{self.name(recipe)}, {speed} samples per second; written to {self.out}")
        return 0

    def _workers(self) -> int:
        from palmar.tracking.weights import usable_cores

        return self.workers or usable_cores()

    def _check_scene_options(self) -> None:
        if self.kind == "scenes":
            return
        none = ("sensors", "width", "cameras")
        none = none if self.kind == "sequences" else ("scene", "seconds", "fps", *none)
        given = [name for name in none if getattr(self, name) is not None]
        if given:
            raise PalmarError(f"--{given[0]} is for --kind scenes; {self.kind} have none.")

    def recipe(self) -> Recipe:
        """What the samples are made of. Raises PalmarError for names that are none."""
        from palmar.synth.dataset import DEFAULT_SENSORS, Recipe
        from palmar.synth.scenes import SCENES
        from palmar.synth.scenes.acting import PLAYS

        if self.kind in ("crops", "frames"):
            return Recipe(self.kind, self.seed)
        every = PLAYS if self.kind == "sequences" else SCENES
        return Recipe(
            self.kind,
            self.seed,
            tuple(every) if self.scene is None else names(self.scene),
            DEFAULT_SENSORS if self.sensors is None else names(self.sensors),
            self.seconds,
            30.0 if self.fps is None else self.fps,
            self.width,
            self.cameras,
        )

    def name(self, recipe: Recipe) -> str:
        """Names the data: whoever has it can make the same again."""
        made = f"palmar-synth/{palmar.__version__}/{self.seed}/{recipe.name}"
        return f"{made}/{self.first}..{self.first + self.count - 1}"

    def card(self, recipe: Recipe) -> dict[str, Any]:
        """What stands in card.json, beside the descriptions of arrays and columns."""
        from palmar.licenses import world

        return {
            "name": self.name(recipe),
            "generator": "palmar.synth",
            "palmar": palmar.__version__,
            "kind": self.kind,
            "seed": self.seed,
            "first": self.first,
            "count": self.count,
            **recipe.to_dict(),
            "conventions": CONVENTIONS,
            "licence": "Apache-2.0",
            "licences": world(),
        }


def names(text: str) -> tuple[str, ...]:
    """Words between commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
