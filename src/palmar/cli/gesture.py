"""`palmar gesture train`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from palmar.cli.options import at_least
from palmar.cli.talk import Progress, note, quiet_opencv
from palmar.errors import PalmarError

if TYPE_CHECKING:
    from palmar.recognition.gesture import Report


@dataclass(frozen=True)
class Gesture:
    """Make a recogniser of gestures from a few recordings of each: hand shapes, or short motions.

    FOLDER has a sub-folder for each gesture, named as it shall be called, with videos, pictures, or results of
    `palmar track` in it. The file it writes is used by `palmar track --gesture FILE`, which fills the column action of
    the hands. Says how many are right in recordings that were left out. Needs no PyTorch.
    """

    what: Positional[Literal["train"]]
    """train, for now."""
    folder: Annotated[Positional[Path], arg(metavar="FOLDER")]
    """With a sub-folder for each gesture."""
    out: Annotated[Path, arg(aliases=["-o"], metavar="FILE")] = Path("gestures.json")
    """File to write."""
    kind: Literal["auto", "static", "motion"] = "auto"
    """Hand shapes or movements; auto: movements where all recordings are videos of three seconds at most."""
    max_hands: int = 1
    """Hands of a recording that show the gesture."""
    weights: Annotated[Path | None, arg(metavar="DIR")] = None
    """Folder with detector.onnx, landmarker.onnx and their cards, instead of the package's."""
    overwrite: bool = False
    """Replace an earlier file."""

    def run(self) -> int:
        from palmar.recognition.examples import read_examples
        from palmar.recognition.gesture import train_gestures
        from palmar.tracking import OnnxNetworks

        at_least(1, max_hands=self.max_hands)
        if self.out.exists() and not self.overwrite:
            raise PalmarError(f"{self.out}: exists; give another name, or --overwrite.")
        if not self.out.absolute().parent.is_dir():
            raise PalmarError(f"{self.out}: there is no folder to write this file in.")
        with quiet_opencv(), Progress("track", "recordings") as tracking:
            networks = OnnxNetworks(self.weights)
            examples = list(read_examples(self.folder, max_hands=self.max_hands, networks=networks, progress=tracking))
        motion = None if self.kind == "auto" else self.kind == "motion"
        with Progress("learn", "rounds") as learning:
            gestures, report = train_gestures(examples, motion=motion, progress=learning)
        gestures.save(self.out)
        print(table(report))
        right = "not known, each needs two recordings" if report.accuracy != report.accuracy else (
            f"{report.accuracy:.1%}"
        )  # fmt: skip
        kinds = "hand shapes" if gestures.kind == "static" else f"motions of {gestures.seconds:.1f} s"
        note(f"{len(gestures.names)} {kinds} from {report.recordings} recordings; right where left out: {right}")
        note(f"written to {self.out}; use it with palmar track --gesture {self.out}")
        return 0


def table(report: Report) -> str:
    """Who was taken for whom in the recordings left out, as Markdown."""
    rows = ["| shown | said | of |", "|---|---|---|"]
    for name, row in zip(report.names, report.confusion, strict=True):
        said = [f"{other} {n:.0f}" for n, other in sorted(zip(-row, report.names, strict=True)) if n < 0]
        said = [text.replace(" -", " ") for text in said]
        rows.append(f"| {name} | {', '.join(said) or '-'} | {row.sum():.0f} |")
    return "\n".join(rows)
