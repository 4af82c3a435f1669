"""`palmar clean`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from palmar.clean.recipe import NOTHING, Cleaning
from palmar.cli.talk import Progress, note, quiet_opencv
from palmar.errors import PalmarError, PalmarWarning


@dataclass(frozen=True)
class Clean:
    """Clean the hands of a result over its whole length: gaps, jumps, bones, size, tremor.

    Writes a new result beside the old one, with the recording drawn again where it is still at hand. The same options
    are there in palmar track. docs/cleaning.md says what each does, and what it gains.
    """

    result: Annotated[Positional[Path], arg(metavar="OUT")]
    """Folder that palmar track wrote."""
    out: Annotated[Path | None, arg(aliases=["-o"], metavar="NEW")] = None
    """Folder to write; by default beside OUT, with -clean behind its name."""
    cleaning: OmitArgPrefixes[Cleaning] = NOTHING
    video: bool = True
    """Do not draw."""
    overwrite: bool = False
    """Replace an earlier folder."""

    def run(self) -> int:
        import warnings

        from palmar.clean import clean
        from palmar.tracking import Result, read_result

        if not self.cleaning.steps():
            raise PalmarError("nothing to do: name a step, such as --fill-gaps 0.2; see palmar clean --help.")
        clip = read_result(self.result)
        named = self.result if self.result.name not in ("", "..") else self.result.resolve()
        out = self.out or named.with_name(f"{named.name}-clean")
        cleaned = clean(clip, self.cleaning)
        drawn = self.video and not clip.frames.source.startswith("webcam:")
        if drawn:
            try:
                next(iter(clip.frames), None)
            except PalmarError as err:
                warnings.warn(f"{err} The result is written without it.", PalmarWarning, stacklevel=2)
                drawn = False
        with (
            quiet_opencv(),
            Result(out, overlay=drawn, overwrite=self.overwrite) as result,
            Progress("draw") as drawing,
        ):
            result.write(cleaned, progress=drawing)
        said = cleaned.info.get("cleaned", {})
        counts = [
            f"{said[name]} rows {word}"
            for name, word in (("rows_rejected", "taken out"), ("rows_filled", "put in"))
            if name in said
        ]
        note(f"{len(clip.hands)} hands, {len(cleaned.hands)} now{''.join(', ' + c for c in counts)}; written to {out}")
        return 0
