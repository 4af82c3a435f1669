"""`palmar demo`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from palmar.cli.track import Track


@dataclass(frozen=True)
class Demo:
    """Track the clip that comes with the package: five seconds of a synthetic hand.

    Writes what `palmar track` writes. No network, no download, no GPU.
    """

    out: Annotated[Path, arg(aliases=["-o"], metavar="OUT")] = Path("palmar-demo")
    """Folder to write."""
    overwrite: bool = False
    """Replace an earlier result at OUT."""

    def run(self) -> int:
        with as_file(files("palmar") / "demo" / "demo.mp4") as clip:
            return Track((str(clip),), out=self.out, fov=60.0, max_hands=1, overwrite=self.overwrite).run()
