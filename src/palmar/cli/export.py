"""`palmar export`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

from palmar.cli.talk import note
from palmar.errors import PalmarError, one_of


@dataclass(frozen=True)
class Export:
    """Write the hands of a result for other programs.

    Formats: glb (Blender, three.js), usd, bvh, coco, mediapipe, webxr, csv, npz, lerobot. docs/exports.md says what is
    in each. Files are written beside the result, folders too; each appears whole or not at all.
    """

    results: Annotated[Positional[tuple[Path, ...]], arg(metavar="OUT...")]
    """Folders that palmar track wrote. Several at once only for lerobot, an episode each."""
    to: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="FORMAT")]
    """What to write; may be given several times."""
    out: Annotated[Path | None, arg(aliases=["-o"], metavar="PATH")] = None
    """File or folder to write, of one format. By default beside OUT, with its name."""
    task: str | None = None
    """Of lerobot: what is done in the recordings, in words; by default their names."""
    overwrite: bool = False
    """Replace what is there."""

    def run(self) -> int:
        from palmar.export import FORMATS, Options, export
        from palmar.tracking import read_result

        if not self.results:
            raise PalmarError("nothing to export: name the folder of a result; see palmar export --help.")
        kinds = [one_of("format", name, FORMATS) for name in self.to]
        if self.out is not None and len(kinds) != 1:
            raise PalmarError("-o names one file: give one --to with it.")
        if self.task is not None and kinds != ["lerobot"]:
            raise PalmarError("--task is an option of lerobot.")
        if len(self.results) > 1 and not all(FORMATS[kind].many for kind in kinds):
            raise PalmarError("several results at once: only lerobot takes them.")
        places = {kind: self.out or beside(self.results[0], kind, FORMATS[kind].suffix) for kind in kinds}
        for place in places.values():
            if place.exists() and not self.overwrite:
                raise PalmarError(f"{place}: is there already; give another name with -o, or --overwrite.")
        clips = [read_result(folder) for folder in self.results]
        for kind, place in places.items():
            options = Options(task=self.task or "", overwrite=self.overwrite)
            export(clips if FORMATS[kind].many else clips[0], place, kind, options)
            note(f"{kind}: written to {place}")
        return 0


def beside(folder: Path, kind: str, suffix: str) -> Path:
    """The default place: beside the result, with its name; folders with the format behind it."""
    named = folder if folder.name not in ("", "..") else folder.resolve()
    return named.with_name(f"{named.name}{suffix or '-' + kind}")
