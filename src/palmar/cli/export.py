"""`palmar export`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, UseAppendAction, arg

from palmar.cli.talk import Progress, note
from palmar.errors import PalmarError, one_of

if TYPE_CHECKING:
    from palmar.types import Clip, Frame, Frames


@dataclass(frozen=True)
class Export:
    """Write the hands of a result for other programs.

    Formats: glb (Blender, three.js), usd, bvh, coco, mediapipe, webxr, csv, npz, lerobot. docs/exports.md says what is
    in each. Files are written beside the result, folders too; each appears whole or not at all.
    """

    results: Annotated[Positional[tuple[Path, ...]], arg(metavar="OUT...")]
    """Folders that palmar track wrote. Several at once only for lerobot, an episode each."""
    to: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="FORMAT")] = ()
    """What to write; may be given several times. With -o it may be left out where the name's ending says it."""
    out: Annotated[Path | None, arg(aliases=["-o"], metavar="PATH")] = None
    """File or folder to write, of one format. By default beside OUT, with its name."""
    fps: Annotated[float | None, arg(metavar="RATE")] = None
    """Of bvh and lerobot: frames per second; by default the recording's. lerobot takes whole numbers."""
    task: Annotated[str | None, arg(metavar="WORDS")] = None
    """Of lerobot: what is done in the recordings, in words; by default their names."""
    video: bool = True
    """Of lerobot: leave the pictures out. The recording is not needed then."""
    overwrite: bool = False
    """Replace what is there."""

    def run(self) -> int:
        from palmar.export import FORMATS, Options, check, export, resolve
        from palmar.tracking import read_result

        first = next(iter(self.results), None)
        if first is None:
            raise PalmarError("nothing to export: name the folder of a result; see palmar export --help.")
        if self.out is not None and len(self.to) > 1:
            raise PalmarError("-o names one file: give one --to with it.")
        if self.out is None and not self.to:
            raise PalmarError(f"say what to write: --to with one of {', '.join(FORMATS)}.")
        options = Options(self.fps, self.task or "", self.video, self.overwrite)
        if self.out is None:
            kinds = [one_of("format", name, FORMATS) for name in self.to]
        else:
            kinds = [resolve(self.out, name) for name in self.to or (None,)]
        places = {kind: self.out or beside(first, kind, FORMATS[kind].suffix) for kind in kinds}
        for kind, place in places.items():
            check(kind, options)
            if len(self.results) > 1 and not FORMATS[kind].many:
                raise PalmarError(f"{len(self.results)} results at once: only lerobot takes several, {kind} one.")
            if place.exists() and not self.overwrite:
                raise PalmarError(f"{place}: is there already; give another name with -o, or --overwrite.")
        clips = [read_result(folder) for folder in self.results]
        for kind, place in places.items():
            with Progress(kind) as progress:
                shown = told(clips, progress) if "video" in FORMATS[kind].options else clips
                export(shown if FORMATS[kind].many else shown[0], place, kind, options)
            note(f"{kind}: written to {place}")
        return 0


class Told:
    """Frames that say how far they are read."""

    def __init__(self, frames: Frames, tell: Callable[[int], None]) -> None:
        self.source, self.count, self.fps, self.names = frames.source, frames.count, frames.fps, frames.names
        self._frames, self._tell = frames, tell

    def __iter__(self) -> Iterator[Frame]:
        for number, frame in enumerate(self._frames, 1):
            yield frame
            self._tell(number)


def told(clips: list[Clip], progress: Progress) -> list[Clip]:
    """The same recordings; the frames read of all of them go to the progress."""
    from palmar.export.motion import frames_of

    counts = [frames_of(clip) for clip in clips]
    before = [sum(counts[:i]) for i in range(len(counts))]
    return [
        clip.replace(frames=Told(clip.frames, lambda n, first=first: progress(first + n, sum(counts) or None)))
        for clip, first in zip(clips, before, strict=True)
    ]


def beside(folder: Path, kind: str, suffix: str) -> Path:
    """The default place: beside the result, with its name; folders with the format behind it."""
    named = folder if folder.name not in ("", "..") else folder.resolve()
    return named.with_name(f"{named.name}{suffix or '-' + kind}")
