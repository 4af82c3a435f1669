"""`palmar synth gallery`: a page on which every sort of scene and every sensor can be looked at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from palmar.cli.options import at_least
from palmar.cli.talk import Progress, note
from palmar.errors import PalmarError, need, one_of


@dataclass(frozen=True)
class Gallery:
    """Make a page of every sort of scene and every sensor, with the truth drawn over the pictures.

    Writes a folder with index.html and its pictures; it needs no network. Every picture says which seed and number made
    it. The folder appears whole or not at all.
    """

    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """Folder to write."""
    scene: Annotated[str | None, arg(metavar="NAME[,NAME]")] = None
    """Which sorts of scenes. By default all that there are."""
    sensors: Annotated[str | None, arg(metavar="NAME[,NAME]")] = None
    """Which sensors. By default all that there are."""
    each: int = 4
    """Samples of every sort; the first is shown through all sensors."""
    seed: int = 1
    """Of the world."""
    first: int = 0
    """Number of the first sample."""
    width: int = 320
    """Pixels of a picture; its height follows."""
    frames: int = 16
    """Of a moving scene."""
    overwrite: bool = False
    """Replace an earlier gallery at OUT."""

    def run(self) -> int:
        at_least(1, each=self.each, frames=self.frames)
        at_least(0, seed=self.seed, first=self.first)
        if not 32 <= self.width <= 4096:
            raise PalmarError(f"--width must lie between 32 and 4096 pixels, got {self.width}.")
        need("numba", extra="torch")
        from palmar.cli.synth import names
        from palmar.synth.gallery.page import Wanted, write_page
        from palmar.synth.scenes import SCENES
        from palmar.synth.sense import SENSORS

        scenes = tuple(SCENES) if self.scene is None else names(self.scene)
        sensors = tuple(SENSORS) if self.sensors is None else names(self.sensors)
        wanted = Wanted(
            tuple(one_of("scene", name, SCENES) for name in scenes),
            tuple(one_of("sensor", name, SENSORS) for name in sensors),
            self.seed,
            range(self.first, self.first + self.each),
            self.width,
            self.frames,
        )
        with Progress("gallery", "scenes") as progress:
            write_page(self.out, wanted, progress, overwrite=self.overwrite)
        note(f"open {self.out / 'index.html'}")
        return 0
