"""`palmar view`."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from palmar.cli.talk import Progress, note, quiet_opencv
from palmar.cli.track import source_of
from palmar.errors import PalmarError, need

if TYPE_CHECKING:
    from palmar.types import Clip
    from palmar.view.recording import Action


@dataclass(frozen=True)
class View:
    """Look at a result, or at a recording that is tracked first, in Rerun's viewer: pictures, hands in them and in
    space, camera, curves, actions, on one clock.

    The viewer is Rerun's own program (pip install 'palmar[view]'). It counts its uses for its makers unless told not to
    (rerun analytics disable); recordings stay on this machine.
    """

    input: Annotated[Positional[str], arg(metavar="OUT|CLIP")]
    """Folder that palmar track or palmar act wrote; or a video, picture or folder of pictures."""
    save: Annotated[Path | None, arg(metavar="FILE.rrd")] = None
    """Write the recording here and open nothing."""
    web: bool = False
    """Open in the browser, on a page that only this machine can see."""
    pictures: bool = True
    """Leave the recording's own pictures out."""
    overwrite: bool = False
    """Replace an earlier FILE.rrd."""

    def run(self) -> int:
        need("rerun", extra="view")
        from palmar.view.recording import open_viewer, save

        if self.save is not None:
            if self.web:
                raise PalmarError("--save opens nothing; leave --web out.")
            if self.save.suffix.lower() != ".rrd":
                raise PalmarError(f"{self.save}: recordings of Rerun end in .rrd.")
            if self.save.exists() and not self.overwrite:
                raise PalmarError(f"{self.save}: is there already; give another name, or --overwrite.")
        clip, actions = self.clip()
        pictures = self.pictures and not clip.frames.source.startswith("webcam:")
        with tempfile.TemporaryDirectory(prefix="palmar-view-") as folder:
            file = self.save or Path(folder) / f"{Path(self.input).name or 'hands'}.rrd"
            with quiet_opencv(), Progress("write") as writing:
                save(clip, file, actions=actions, pictures=pictures, progress=writing)
            if self.save is not None:
                note(f"written to {file}; open it with: rerun {file}")
                return 0
            return open_viewer(file, web=self.web)

    def clip(self) -> tuple[Clip, list[Action]]:
        """The result, or the recording tracked now; and its actions."""
        from palmar.tracking import OnnxNetworks, read_result, track
        from palmar.tracking.result import CLIP
        from palmar.view.recording import read_actions

        place = Path(self.input)
        if (place / CLIP).is_file():
            return read_result(place), read_actions(place)
        source = source_of((self.input,))
        if isinstance(source, int):
            raise PalmarError("a webcam's pictures are not kept: palmar track it first, then view the result.")
        with quiet_opencv(), Progress("track") as tracking:
            return track(source, networks=OnnxNetworks(), progress=tracking), []
