"""`palmar act` and `palmar act train`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from palmar.cli.options import at_least
from palmar.cli.talk import Progress, note, quiet_opencv
from palmar.cli.track import source_of
from palmar.errors import PalmarError, need

if TYPE_CHECKING:
    import numpy as np

    from palmar.recognition.act import Acts, Finder
    from palmar.recognition.actionnet import ActionNet
    from palmar.types import Frame, Hands


@dataclass(frozen=True)
class Act:
    """Say what hands do in a recording that was made from where their owner looks.

    Writes a folder with the timeline (actions.parquet, actions.json: action, verb, object, start, end, confidence), the
    recording with it drawn on (annotated.mp4), the probabilities over time (scores.png), and the hands as
    `palmar track` gives them. The folder appears whole or not at all. `palmar act train FOLDER` makes a recogniser of
    your own clips.
    """

    input: Annotated[Positional[tuple[str, ...]], arg(metavar="INPUT...")]
    """A video, a folder of frames, or the number of a webcam (ended with Ctrl-C)."""
    out: Annotated[Path | None, arg(aliases=["-o"], metavar="OUT")] = None
    """Folder to write. By default beside INPUT, with -actions behind its name."""
    recogniser: Annotated[Path | None, arg(metavar="DIR")] = None
    """Folder with action.onnx and its card, instead of the package's."""
    objects: Annotated[Path | None, arg(metavar="DIR")] = None
    """Folder with objects.onnx and its card, instead of the package's."""
    boxes: Annotated[Path | None, arg(metavar="PATH")] = None
    """Boxes of the used object by another detector: a folder of YOLO text files, one for each frame, or COCO JSON."""
    hands: Annotated[Literal["tracker", "egonet"], arg(metavar="tracker|egonet")] = "tracker"
    """What the actions are read off: the tracker's hands, or EffHandEgoNet's, which sees both in the whole picture at
    once. The hands of the result are the tracker's either way."""
    live: bool = False
    """Print each change of the current action at once, with its time in the recording."""
    fov: Annotated[float | None, arg(metavar="DEG")] = None
    """Degrees from the picture's left edge to its right. Without, 60 are assumed; actions hardly depend on it."""
    weights: Annotated[Path | None, arg(metavar="DIR")] = None
    """Folder with detector.onnx, landmarker.onnx and their cards, instead of the package's."""
    video: bool = True
    """Do not draw: no annotated.mp4."""
    overwrite: bool = False
    """Replace an earlier result at OUT."""

    def run(self) -> int:
        from palmar.media import read
        from palmar.recognition.act import act
        from palmar.recognition.actionnet import ActionNet
        from palmar.recognition.timeline import plot, write_actions
        from palmar.tracking import OnnxNetworks, Result

        if not self.input:
            raise PalmarError("nothing to look at: name a video, a folder of frames, or the number of a webcam.")
        if self.boxes is not None and self.objects is not None:
            raise PalmarError("give --boxes or --objects, not both.")
        source = source_of(self.input)
        out = self.out or _beside(source)
        net = ActionNet(self.recogniser)
        find = self.finder(net)
        see = None
        if self.hands == "egonet":
            from palmar.methods.effhandegonet.reader import EgoNet

            see = EgoNet(self.weights if self.own_egonet() else None).keypoints
        networks = OnnxNetworks(self.weights)
        clip = read(source, fov=self.fov)
        with quiet_opencv(), Result(out, overlay=False, overwrite=self.overwrite) as result:
            with Progress("act") as acting:
                telling = _Telling(net) if self.live else None
                found = act(clip, net=net, find=find, see=see, networks=networks, progress=acting, observe=telling)
            result.write(found.clip)
            about = {
                "source": found.clip.frames.source,
                "recogniser": net.sha256,
                "hands": self.hands,
                "objects": None if find is None else find.said,
                "vocabulary": list(net.vocabulary.actions),
                "window_seconds": net.seconds,
            }
            write_actions(result.folder, found.actions, about)
            plot(result.folder / "scores.png", found.scores, found.times, found.actions, net.vocabulary.actions)
            if self.video and not isinstance(source, int):
                with Progress("draw") as drawing:
                    _draw(found, result.folder / "annotated.mp4", drawing)
        for one in found.actions:
            print(f"{one.start:7.2f} s to {one.end:7.2f} s  {one.action}  {one.confidence:.2f}")
        frames = found.clip.info["frames"]
        note(f"{frames} frames, {len(found.actions)} actions, {acting.rate:.1f} frames per second; written to {out}")
        return 0

    def own_egonet(self) -> bool:
        """Whether the folder of --weights has an EffHandEgoNet, too."""
        return self.weights is not None and (self.weights / "effhandegonet.onnx").is_file()

    def finder(self, net: ActionNet) -> Finder | None:
        """What says where the used object is; None where nothing does."""
        from palmar.recognition.act import Finder

        if self.boxes is not None:
            return Finder.files(self.boxes, net.vocabulary.objects)
        if self.objects is not None or (files("palmar") / "weights" / "objects.onnx").is_file():
            return Finder.network(self.objects)
        return None


class _Telling:
    """Prints what is being done, when that changes."""

    def __init__(self, net: ActionNet) -> None:
        self.net, self.last = net, ""

    def __call__(self, frame: Frame, hands: Hands, scores: np.ndarray) -> None:
        from palmar.recognition.timeline import START

        best = int(scores.argmax())
        now = self.net.vocabulary.actions[best] if scores[best] >= START else "none"
        if now != self.last:
            self.last = now
            print(f"{frame.time or 0.0:7.2f} s  {now}  {scores[best]:.2f}")
            sys.stdout.flush()


def _draw(found: Acts, file: Path, progress: Any) -> None:
    """The recording with hands, the action and how sure it is."""
    import warnings

    import cv2
    import numpy as np

    from palmar.errors import PalmarWarning
    from palmar.media import VideoWriter
    from palmar.view import draw

    hands = found.clip.hands
    total = found.clip.info["frames"]
    fps = found.clip.frames.fps or 30.0
    last = -1.0
    with warnings.catch_warnings(), VideoWriter(file, fps) as writer:
        warnings.simplefilter("ignore", PalmarWarning)  # said once already, when it was tracked
        for done, frame in enumerate(found.clip.frames, 1):
            time = frame.index / fps if frame.time is None else frame.time
            image = draw(frame.image, hands.filter(frame=frame.index).with_columns(action=None))
            if frame.index < len(found.poses):
                box = found.poses.boxes[frame.index]
                if np.isfinite(box).all():
                    low, high = (tuple(int(v) for v in part) for part in (box[:2], box[2:]))
                    cv2.rectangle(image, low, high, (80, 200, 90), max(1, image.shape[0] // 300), cv2.LINE_AA)
            one = next((a for a in found.actions if a.start <= time < a.end), None)
            _banner(image, "" if one is None else f"{one.action}  {one.confidence:.2f}")
            last = max(time, last + 0.001)
            writer.add(image, last)
            progress(done, total)


def _banner(image: np.ndarray, text: str) -> None:
    import cv2

    height, width = image.shape[:2]
    tall = max(18, height // 14)
    image[:tall] = (image[:tall] * 0.35).astype(image.dtype)
    scale = tall / 34
    cv2.putText(
        image, text, (tall // 3, int(tall * 0.72)), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255),
        max(1, round(scale * 1.6)), cv2.LINE_AA,
    )  # fmt: skip
    assert width


def _beside(source: int | str | list[str]) -> Path:
    if isinstance(source, int):
        return Path(f"webcam{source}-actions")
    path = Path(source if isinstance(source, str) else source[0])
    path = path if path.name not in ("", "..") else path.resolve()
    return path.with_name(f"{path.name if path.is_dir() else path.stem}-actions")


@dataclass(frozen=True)
class ActTrain:
    """Make a recogniser of actions from your own clips: minutes on a processor.

    FOLDER has a sub-folder for each action, named as it shall be called, with videos or results of `palmar track` in
    it; one called "none" is what nothing else is. Some clips are held out to say how good it is. The folder it writes
    is used by `palmar act --recogniser DIR`.
    """

    folder: Annotated[Positional[Path], arg(metavar="FOLDER")]
    """With a sub-folder for each action."""
    out: Annotated[Path, arg(aliases=["-o"], metavar="DIR")] = Path("recogniser")
    """Folder to write."""
    steps: int = 1500
    """Of training."""
    seed: int = 0
    """Of training, and of which clips are held out."""
    boxes: bool = True
    """Do not look for used objects."""
    weights: Annotated[Path | None, arg(metavar="DIR")] = None
    """Folder with detector.onnx, landmarker.onnx and their cards, instead of the package's."""
    overwrite: bool = False
    """Replace an earlier recogniser at DIR."""

    def run(self) -> int:
        at_least(1, steps=self.steps)
        at_least(0, seed=self.seed)
        need("torch", extra="torch")
        from palmar.media.folder import whole_folder
        from palmar.recognition.own import read_clips, train_recogniser, write_recogniser
        from palmar.tracking import OnnxNetworks

        with quiet_opencv(), whole_folder(self.out, self.overwrite, marker="action.json") as part:
            with Progress("track", "clips") as tracking:
                clips, vocabulary = read_clips(
                    self.folder, objects=self.boxes, networks=OnnxNetworks(self.weights), progress=tracking
                )
            trained = train_recogniser(clips, vocabulary, steps=self.steps, seed=self.seed)
            write_recogniser(trained, part)
        print(trained.table)
        right = "not known: each action needs three clips" if trained.accuracy is None else f"{trained.accuracy:.1%}"
        note(f"{len(vocabulary.actions)} actions from {len(clips)} clips; right of those held out: {right}")
        note(f"written to {self.out}; use it with palmar act --recogniser {self.out}")
        return 0
