"""`palmar track`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from palmar.clean.recipe import NOTHING, Cleaning
from palmar.cli.talk import Progress, note, quiet_opencv
from palmar.errors import PalmarError

if TYPE_CHECKING:
    from palmar.tracking.networks import Networks
    from palmar.types import Clip, Frame, Hands


@dataclass(frozen=True)
class Track:
    """Find hands in pictures, a video or a webcam.

    Writes a folder with hands.parquet (every hand of every frame), clip.json (cameras, versions, assumptions) and the
    recording with the hands drawn on it. The folder appears whole or not at all.
    """

    input: Annotated[Positional[tuple[str, ...]], arg(metavar="INPUT...")]
    """A video, one or more pictures, a folder of pictures, or the number of a webcam (ended with Ctrl-C)."""
    out: Annotated[Path | None, arg(aliases=["-o"], metavar="OUT")] = None
    """Folder to write. By default beside INPUT, with -hands behind its name."""
    max_hands: int = 2
    """Followed at once."""
    camera: Annotated[Path | None, arg(metavar="FILE")] = None
    """JSON with width, height, fx, fy, cx, cy (or K) in pixels, and distortion if there is any."""
    fov: Annotated[float | None, arg(metavar="DEG")] = None
    """Instead of a camera: degrees from the picture's left edge to its right. With neither, one is assumed."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the networks run."""
    video: bool = True
    """Do not draw: no overlay.mp4, no overlay pictures."""
    stills: bool = False
    """The pictures are unrelated, not a sequence in the order of their names."""
    mirrored: bool = False
    """The recording is a mirror image (selfie view): left and right are exchanged in it."""
    weights: Annotated[Path | None, arg(metavar="DIR")] = None
    """Folder with detector.onnx, landmarker.onnx and their cards, instead of the package's."""
    int8: bool = False
    """The landmarker in eight bits: faster on processors, hardly less exact."""
    landmarker: Annotated[str | None, arg(metavar="NETWORK:RUN")] = None
    """Take the keypoints from a published method's network, trained by `palmar train`: effhandnet:runs/effhandnet."""
    mesh: Annotated[str | None, arg(metavar="NETWORK:RUN")] = None
    """Take pose and shape from one that says meshes: hamba:runs/hamba. `palmar methods` names all."""
    gesture: Annotated[Path | None, arg(metavar="FILE")] = None
    """Name the gestures that `palmar gesture train` learned, in the column action."""
    cleaning: OmitArgPrefixes[Cleaning] = NOTHING
    overwrite: bool = False
    """Replace an earlier result at OUT."""

    def run(self) -> int:
        from palmar.clean import clean
        from palmar.geometry.camera import read_camera
        from palmar.media import read
        from palmar.recognition.gesture import Gestures
        from palmar.tracking import Result, track
        from palmar.tracking.result import camera_of

        if not self.input:
            raise PalmarError(
                "nothing to track: name pictures, a video, a folder of pictures, or the number of a webcam."
            )
        if self.camera is not None and self.fov is not None:
            raise PalmarError("give --camera or --fov, not both.")
        source = source_of(self.input)
        if self.stills and self.cleaning.steps():
            raise PalmarError("unrelated pictures cannot be cleaned over time; leave --stills out, or the cleaning.")
        self.cleaning.check()
        out = self.out or beside(source)
        gestures = None if self.gesture is None else Gestures.load(self.gesture)
        camera = None if self.camera is None else read_camera(self.camera)
        clip = read(source, stills=self.stills, camera=camera, fov=self.fov, mirrored=self.mirrored)
        with quiet_opencv(), Result(out, overlay=self.video, overwrite=self.overwrite) as result:
            networks = self.networks()

            def live(frame: Frame, hands: Hands) -> None:
                camera = camera_of(clip, frame.image)
                if gestures is not None and gestures.kind == "static":
                    hands = gestures.label(hands, None)
                result.observe(frame, hands, camera=camera, mirrored=self.mirrored, fps=clip.frames.fps)

            with Progress("track") as tracking:
                tracked = track(
                    clip,
                    max_hands=self.max_hands,
                    networks=networks,
                    progress=tracking,
                    observe=live if isinstance(source, int) else None,
                )
            tracked = clean(tracked, self.cleaning)
            if gestures is not None:
                tracked = gestures(tracked)
            with Progress("draw") as drawing:
                result.write(tracked, progress=drawing)
        note(f"{summary(tracked)}, {tracking.rate:.1f} frames per second; written to {out}")
        return 0


    def networks(self) -> Networks:
        """The package's or the folder's, with what stands in for their parts."""
        from palmar.methods import stand_in
        from palmar.tracking import OnnxNetworks
        from palmar.tracking.standins import WithKeypoints, WithMesh

        networks: Networks = OnnxNetworks(self.weights, device=self.device, int8=self.int8)
        if self.landmarker is not None:
            network, sha256 = stand_in("landmarker", self.landmarker, device=self.device)
            networks = WithKeypoints(networks, network, sha256=sha256)
        if self.mesh is not None:
            network, sha256 = stand_in("mesh", self.mesh, device=self.device)
            networks = WithMesh(networks, network, sha256=sha256)
        return networks


def source_of(words: tuple[str, ...]) -> int | str | list[str]:
    """What `palmar.read` takes: one path, several, or a webcam's number (a file of that name comes first)."""
    if len(words) != 1:
        return list(words)
    (word,) = words
    return int(word) if word.isascii() and word.isdigit() and not Path(word).exists() else word


def beside(source: int | str | list[str]) -> Path:
    """The default place of a result: the (first) input's name, its suffix replaced by -hands, in the same folder."""
    if isinstance(source, int):
        return Path(f"webcam{source}-hands")
    path = Path(source if isinstance(source, str) else source[0])
    path = path if path.name not in ("", "..") else path.resolve()
    name = path.name if path.is_dir() else path.stem
    return path.with_name(f"{name}-hands")


def summary(clip: Clip) -> str:
    """How many frames, and in how many of them hands were found."""
    import numpy as np

    hands, frames = clip.hands, clip.info["frames"]
    seen = len(np.unique(hands.frame))
    followed = "" if clip.info["stills"] else f" ({len(np.unique(hands.track))} followed)"
    return f"{frames} frames, {len(hands)} hands{followed} in {seen} of them"
