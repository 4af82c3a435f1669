"""The job: a recording in, a result folder out, with what the page shows of it."""

from __future__ import annotations

import shutil
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from palmar.app.jobs import Job
from palmar.app.limits import Limits, opened
from palmar.app.scene import pack
from palmar.errors import PalmarError
from palmar.export import FORMATS, Options, export
from palmar.media import read, whole_file
from palmar.tracking import OnnxNetworks, Result, read_result, track
from palmar.tracking.result import CLIP, HANDS, PICTURES, VIDEO
from palmar.types import Clip, Frame, Frames
from palmar.view import MeshStyle, Style

RESULT, SCENE, EXPORTS, SOURCE = "result", "scene.bin", "exports", "source.txt"
"""In the folder of a result: what `palmar track` writes, the viewer's file, exports once they are asked for, and where
the recording lies, for exports that hold its pictures."""
SHOWS = ("skeleton", "mesh", "boxes", "labels")
MOST_HANDS = 8
TITLES = {"mediapipe": "MediaPipe", "webxr": "WebXR", "npz": "NumPy", "lerobot": "LeRobot"}
"""Of formats whose names are not written in capitals."""
_EXPORTING = threading.Lock()
"""One export at a time: each may take all of a core."""


@dataclass(frozen=True)
class Choices:
    """What the page asks for. Raises PalmarError for what cannot be."""

    show: tuple[str, ...] = ("skeleton", "mesh", "labels")
    mirrored: bool = False
    fov: float | None = None
    """Degrees from left to right; None: not known."""
    max_hands: int = 2

    def __post_init__(self) -> None:
        unknown = [name for name in self.show if name not in SHOWS]
        if unknown:
            raise PalmarError(f"show: {', '.join(SHOWS)}; not {unknown[0]!r}.")
        if self.fov is not None and not 5 <= self.fov <= 170:
            raise PalmarError(
                f"field of view: between 5 and 170 degrees, or empty where it is not known; got {self.fov:g}."
            )
        if not 1 <= self.max_hands <= MOST_HANDS:
            raise PalmarError(f"hands: between 1 and {MOST_HANDS}, got {self.max_hands}.")

    def style(self) -> tuple[Style, MeshStyle | None]:
        sure = Style.min_confidence if "skeleton" in self.show else 2.0  # no joint is as sure as that
        style = Style(box="boxes" in self.show, label="labels" in self.show, min_confidence=sure)
        return style, MeshStyle() if "mesh" in self.show else None


@dataclass(frozen=True)
class Found:
    """What the page tells of a finished job."""

    token: str
    name: str
    video: str
    """File of the result to show: a video, or a picture."""
    frames: int
    hands: int
    seen: int
    """Frames with hands."""
    seconds: float | None
    notes: tuple[tuple[str, str], ...]
    """(title, sentence): what was assumed, what was left out."""


@dataclass
class _Named:
    """Frames under the recording's own name: where it lies on this machine is nobody's business."""

    frames: Frames
    source: str

    def __post_init__(self) -> None:
        self.count, self.fps = self.frames.count, self.frames.fps
        names = self.frames.names
        self.names = None if names is None else tuple(Path(name).name for name in names)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.frames)


def work(
    job: Job, source: Path, token: str, folder: Path, choices: Choices, limits: Limits, *, weights: Path | None = None
) -> Found:
    """Tracks, draws, and writes `folder` / RESULT and SCENE; nothing is left of a job that is cancelled or fails."""
    name = source.name
    try:
        job.begin("Opening the recording")
        clip = opened(source, limits, fov=choices.fov, mirrored=choices.mirrored)
        networks = OnnxNetworks(weights, threads=1)  # a core for each job
        style, mesh = choices.style()

        def bounded(done: int, total: int | None) -> None:
            if done > limits.frames:
                raise PalmarError(f"{name}: more than {limits.frames} frames, whatever the file says; cut it.")
            job.progress(done, None if total is None else max(done, total))

        def timed(frame: Frame, _: object) -> None:
            if frame.time is not None and frame.time > limits.seconds + 1:
                raise PalmarError(f"{name}: longer than {limits.seconds:g} s, whatever the file says; cut it.")

        with Result(folder / RESULT, style=style, mesh=mesh) as result:
            job.begin("Finding hands", clip.frames.count)
            tracked = track(clip, max_hands=choices.max_hands, networks=networks, progress=bounded, observe=timed)
            info = {**tracked.info, "source": name}
            if "warnings" in info:
                info["warnings"] = [str(note).replace(str(source), name) for note in info["warnings"]]
            tracked = tracked.replace(frames=_Named(tracked.frames, name), info=info)
            job.begin("Drawing them", info["frames"])
            result.write(tracked, progress=job.progress)
        job.begin("Putting them into space")
        with whole_file(folder / SCENE) as part:
            part.write_bytes(pack(tracked))
        (folder / SOURCE).write_text(str(source), encoding="utf-8")
        return Found(
            token=token,
            name=name,
            video=shown(folder / RESULT),
            frames=int(info["frames"]),
            hands=len({(int(t), int(s)) for t, s in zip(tracked.hands.track, tracked.hands.side, strict=True)}),
            seen=len(np.unique(tracked.hands.frame)),
            seconds=None if not info.get("times") else float(info["times"][-1]),
            notes=notes(tracked),
        )
    except PalmarError as err:
        _empty(folder)
        raise PalmarError(str(err).replace(str(source), name).replace(f"{folder}/", "")) from err
    except BaseException:
        _empty(folder)
        raise


def shown(result: Path) -> str:
    """The file to look at: the video, or the picture where there is one only."""
    pictures = sorted((result / PICTURES).glob("*")) if (result / PICTURES).is_dir() else []
    return f"{PICTURES}/{pictures[0].name}" if pictures else VIDEO


def notes(clip: Clip) -> tuple[tuple[str, str], ...]:
    """What the numbers rest on, in plain words."""
    said: list[tuple[str, str]] = []
    assumed = dict(clip.info.get("assumptions", {}))
    if "field_of_view" in assumed:
        said.append(
            ("Camera", "No camera is known, so a lens of 60° was assumed. Shapes and angles hardly depend on it; "
             "distances from the camera do. Give the field of view if you know it.")
        )  # fmt: skip
    else:
        said.append(("Camera", f"{clip.camera_note[:1].upper()}{clip.camera_note[1:]}."))
    said.append(
        ("Size", "The hand's size is read off its looks, near that of a mean adult. Metres are in error by as much as "
         "that is; angles are not.")
    )  # fmt: skip
    said.append(
        ("Sides", "Taken as a mirror image: left and right are the person's own again." if clip.info.get("mirrored")
         else "Taken as not mirrored. In a selfie view left and right are exchanged: tick “Mirrored”.")
    )  # fmt: skip
    said += [("Left out", str(note)) for note in clip.info.get("warnings", ())]
    return tuple(said)


@dataclass(frozen=True)
class Download:
    """Something to take away. missing: what to install first, where the format needs it."""

    key: str
    title: str
    about: str
    missing: str = ""


def downloads(result: Path) -> list[Download]:
    """Everything there is to take away of a result: its own files first, then the formats of `palmar.export`."""
    own = [Download("parquet", HANDS, "Apache Parquet: every hand of every frame, all columns"),
           Download("clip", CLIP, "JSON: camera, times, versions, what was assumed")]  # fmt: skip
    if (result / VIDEO).is_file():
        own.insert(0, Download("video", VIDEO, "The recording with the hands drawn on it"))
    else:
        own.insert(0, Download("picture", "overlay.jpg", "The picture with the hands drawn on it"))
    needs = {"usd": ("pxr", "pip install 'palmar[usd]'")}
    more = []
    for kind, one in FORMATS.items():
        module, how = needs.get(kind, ("", ""))
        lacking = bool(module) and find_spec(module) is None
        more.append(Download(kind, TITLES.get(kind, kind.upper()), one.about, how if lacking else ""))
    return own + more


def fetch(folder: Path, key: str) -> tuple[Path, str]:
    """The file of a download, made now if need be, and the name it is to have. Raises PalmarError where the format is
    unknown, or cannot hold these hands."""
    result = folder / RESULT
    own = {"parquet": HANDS, "clip": CLIP, "video": VIDEO, "picture": shown(result)}
    stem = Path(read_result(result).frames.source).stem
    if key in own and (result / own[key]).is_file():
        return result / own[key], f"{stem}-{Path(own[key]).name}"
    if key not in FORMATS:
        raise PalmarError(f"unknown download {key[:40]!r}.")
    kind = FORMATS[key]
    folder_of = folder / EXPORTS
    bare = kind.suffix == ""
    target = folder_of / (f"{key}.zip" if bare else f"hands{kind.suffix}")
    with _EXPORTING:
        if not target.is_file():
            folder_of.mkdir(exist_ok=True)
            clip = _with_recording(read_result(result), folder)
            plain = folder_of / key if bare else target
            try:
                pictures = isinstance(clip.frames, _Named) or "video" not in kind.options
                export(clip, plain, key, Options(overwrite=True, video=pictures))
                if plain.is_dir():
                    with whole_file(target) as part:
                        _zip(plain, part)
            except PalmarError as err:
                raise PalmarError(str(err).replace(f"{folder_of}/", "")) from err
            finally:
                if bare:
                    shutil.rmtree(plain, ignore_errors=True)
    return target, f"{stem}-{key}.zip" if bare else f"{stem}{kind.suffix}"


def _with_recording(clip: Clip, folder: Path) -> Clip:
    """With its pictures, where the upload is still there; else without."""
    place = Path((folder / SOURCE).read_text(encoding="utf-8"))
    return clip.replace(frames=_Named(read(place).frames, clip.frames.source)) if place.is_file() else clip


def _zip(folder: Path, out: Path) -> None:
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))


def _empty(folder: Path) -> None:
    for path in folder.glob("*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
