"""`palmar plot`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, UseAppendAction, arg

from palmar.cli.talk import note
from palmar.errors import PalmarError


@dataclass(frozen=True)
class Plot:
    """Draw a result's curves: joint angles, reach, speed, and who is there when.

    Writes angles.png, reach.png, speed.png and presence.png; the folder appears whole or not at all.
    """

    result: Annotated[Positional[Path], arg(metavar="OUT")]
    """Folder that palmar track wrote."""
    out: Annotated[Path | None, arg(aliases=["-o"], metavar="FOLDER")] = None
    """Folder to write; by default beside OUT, with -plots behind its name."""
    what: UseAppendAction[tuple[Literal["angles", "reach", "speed", "presence"], ...]] = ()
    """Some of them; may be given several times. All that the result has data for by default."""
    format: Literal["png", "svg", "pdf"] = "png"
    """Of the files."""
    overwrite: bool = False
    """Replace an earlier folder."""

    def run(self) -> int:
        from palmar.media import whole_folder
        from palmar.tracking import read_result
        from palmar.view.plots import PLOTS

        clip = read_result(self.result)
        named = self.result if self.result.name not in ("", "..") else self.result.resolve()
        out = self.out or named.with_name(f"{named.name}-plots")
        drawn, left = {}, []
        for name in self.what or PLOTS:
            try:
                drawn[name] = PLOTS[name](clip)
            except PalmarError as err:
                if self.what:
                    raise
                left.append(str(err))
        if not drawn:
            raise PalmarError(left[0])
        with whole_folder(out, self.overwrite, marker="plots.txt") as folder:
            for name, figure in drawn.items():
                figure.savefig(folder / f"{name}.{self.format}", dpi=110)
            (folder / "plots.txt").write_text("".join(f"{name}\n" for name in drawn), encoding="ascii")
        for why in left:
            note(f"left out: {why}")
        note(f"{', '.join(drawn)}: written to {out}")
        return 0
