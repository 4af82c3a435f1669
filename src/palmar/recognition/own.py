"""A recogniser of a user's own actions: from a folder of labelled clips to the files that `palmar act` reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

import palmar
from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.methods.effhandegonet.action import Fitted, fit
from palmar.methods.effhandegonet.sequences import Layout
from palmar.recognition.act import Finder
from palmar.recognition.actionnet import Poses, keypoints_of
from palmar.recognition.examples import recordings
from palmar.tracking.networks import Networks, OnnxNetworks
from palmar.tracking.result import CLIP, read_result
from palmar.tracking.stage import track
from palmar.types import Clip, EgoClip, Frame, Hands, Vocabulary
from palmar.types.firstperson import BOX_POINTS

HELD_OUT = 0.25
"""Of the clips of every action that has three at least."""
WINDOWS = ((0.0, 1.0), (0.0, 0.6), (0.2, 0.8), (0.4, 1.0))
"""Parts of a clip that are learned from: a recogniser looks before an action is over."""


@dataclass(frozen=True, eq=False)
class Shown:
    """A clip of one action, as the network sees it."""

    source: str
    action: int
    poses: Poses
    fps: float

    @property
    def seconds(self) -> float:
        return len(self.poses) / self.fps


@dataclass(frozen=True, eq=False)
class Recogniser:
    """A trained one, and how it did on the clips it was not shown (None where there were none)."""

    fitted: Fitted
    seconds: float
    accuracy: float | None
    table: str
    about: dict[str, Any]


def read_clips(
    folder: str | Path,
    *,
    objects: bool = True,
    networks: Networks | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> tuple[list[Shown], Vocabulary]:
    """The clips of a folder with a sub-folder per action, tracked where they are no results yet.

    objects: look for used objects, where the package has a detector of them. Raises PalmarError for fewer than two
    actions, pictures that are no sequence, and clips without hands.
    """
    every = recordings(folder)
    names = sorted({one.name for one in every}, key=lambda name: (name != "none", name))
    if len(names) < 2:
        raise PalmarError(f"{folder}: actions are told from each other: two sub-folders at least, got {len(names)}.")
    find = Finder.network() if objects and (files("palmar") / "weights" / "objects.onnx").is_file() else None
    things = ("none",) if find is None else find.objects
    networks = networks or OnnxNetworks()
    clips = []
    for done, one in enumerate(every, 1):
        clips.append(_shown(str(one.path), names.index(one.name), find, networks))
        if progress is not None:
            progress(done, len(every))
    return clips, Vocabulary(things, tuple(names))


def _shown(path: str, action: int, find: Finder | None, networks: Networks) -> Shown:
    boxes: list[np.ndarray] = []
    kinds: list[int] = []
    sizes: list[tuple[int, int]] = []

    def look(frame: Frame, _: Hands | None = None) -> None:
        found = None if find is None else find.look(frame)
        some = found is not None and len(found) > 0
        boxes.append(found.box[0] if found is not None and some else np.full(4, np.nan))
        kinds.append(int(found.kind[0]) if found is not None and some else 0)
        sizes.append((frame.image.shape[1], frame.image.shape[0]))

    stored = (Path(path) / CLIP).is_file()
    clip: Clip = read_result(path) if stored else track(path, networks=networks, observe=look)
    if clip.frames.fps is None or clip.info.get("stills"):
        raise PalmarError(f"{path}: actions take time; give videos, not pictures.")
    if not len(clip.hands):
        raise PalmarError(f"{path}: no hand was found in it; take it out, or record it again.")
    frames = int(clip.info["frames"])
    if stored:  # its pictures are not opened again: their size is what the camera says, else what the hands need
        camera = clip.camera
        size = (camera.width, camera.height) if camera else tuple(int(v) for v in np.ceil(clip.hands.box[:, 2:].max(0)))
        boxes, kinds, sizes = [np.full(4, np.nan)] * frames, [0] * frames, [size] * frames  # type: ignore[list-item]
    mirrored = bool(clip.info.get("mirrored"))
    poses = Poses(keypoints_of(clip.hands, frames, mirrored), np.array(boxes), np.array(kinds, np.int64), *sizes[0])
    return Shown(path, action, poses, float(clip.frames.fps))


def train_recogniser(
    clips: Sequence[Shown], vocabulary: Vocabulary, *, steps: int = 1500, seed: int = 0, quiet: bool = True
) -> Recogniser:
    """Trained on all clips; what it says of itself is measured by one that was not shown some of them."""
    rng = np.random.default_rng(seed)
    actions = np.array([clip.action for clip in clips])
    held: list[int] = []
    for action in range(len(vocabulary.actions)):
        rows = np.flatnonzero(actions == action)
        if len(rows) >= 3:
            held += rng.permutation(rows)[: max(1, round(HELD_OUT * len(rows)))].tolist()
    layout = Layout(box=len(vocabulary.objects) > 1, label=len(vocabulary.objects) > 1)
    confusion = np.zeros((len(vocabulary.actions), len(vocabulary.actions)), int)
    if held:
        shown = [clip for row, clip in enumerate(clips) if row not in held]
        tried = _fit(shown, vocabulary, layout, steps, seed, quiet)
        said = tried.logits([_as_clip(clips[row]) for row in held]).argmax(1)
        np.add.at(confusion, (actions[held], said), 1)
    fitted = _fit(clips, vocabulary, layout, steps, seed, quiet)
    right = float(np.trace(confusion) / confusion.sum()) if held else None
    rows = ["| action | right | of |", "|---|---|---|"]
    rows += [f"| {name} | {confusion[k, k]} | {confusion[k].sum()} |" for k, name in enumerate(vocabulary.actions)]
    about = {
        "clips": len(clips), "held_out": len(held), "accuracy": right, "steps": steps, "seed": seed,
        "confusion": confusion.tolist(),
    }  # fmt: skip
    seconds = float(np.clip(np.median([clip.seconds for clip in clips]), 0.3, 60.0))
    return Recogniser(fitted, seconds, right, "\n".join(rows), about)


def write_recogniser(trained: Recogniser, folder: Path, licences: Sequence[dict[str, str]] = ()) -> None:
    """action.onnx and its card in a folder that exists."""
    file = trained.fitted.save(folder / "action.onnx")
    data = file.read_bytes()
    card = {
        "name": "action",
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "palmar": palmar.__version__,
        "seconds": trained.seconds,
        **{name: list(words) for name, words in asdict(trained.fitted.vocabulary).items()},
        "figures": trained.about,
        "licences": list(licences),
    }
    file.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def _fit(clips: Sequence[Shown], vocabulary: Vocabulary, layout: Layout, steps: int, seed: int, quiet: bool) -> Fitted:
    parts = [part for clip in clips for part in _parts(_as_clip(clip))]
    return fit(parts, vocabulary, layout=layout, steps=steps, seed=seed, quiet=quiet)


def _parts(clip: EgoClip) -> list[EgoClip]:
    t = len(clip)
    windows = WINDOWS if t >= 10 else WINDOWS[:1]
    return [clip[int(begin * t) : max(int(end * t), int(begin * t) + 1)] for begin, end in windows]


def _as_clip(clip: Shown) -> EgoClip:
    """As readers of data sets give theirs. Nothing is known of depth: all stands at one metre, which the network, that
    looks at pixels, does not see."""
    p = clip.poses
    camera = Camera.from_fov(p.width, p.height, np.radians(60.0))
    corners = p.boxes[:, [0, 1, 2, 1, 0, 3, 2, 3]].reshape(-1, 4, 2)
    points = camera.unproject(corners[:, np.arange(BOX_POINTS) % 4])
    return EgoClip(
        clip.source,
        camera,
        np.arange(len(p)) / clip.fps,
        camera.unproject(p.keypoints).astype(np.float32),
        p.kinds,
        points.astype(np.float32),
        clip.action,
    )
