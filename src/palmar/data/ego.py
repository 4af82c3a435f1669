"""First-person data that `palmar synth` made, as readers of other data sets give theirs: a `palmar.types.Split`.

    split = read_ego("folder")                       # of palmar synth --kind sequences, or --kind scenes --cameras 1
    split.clips[0].keypoints                         # [T, 2, 21, 2] pixels

A folder of sequences gives clips, one of scenes frames with their pictures, and clips of the same frames. A scene's
first camera is the wearer's, where it was made with acted scenes. What the picture does not show is absent: a hand with
fewer than `SEEN_JOINTS` in it, an object with less than `SEEN_SHARE` of its box in it. In a vocabulary that is given,
an action or an object that it does not name has index 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from palmar.data.shards import Shards, Stored, read_shards
from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.types.firstperson import EgoClip, EgoFrame, Split, Vocabulary, box_points
from palmar.types.hands import LEFT

PICTURES = ("rgb", "clean")
SEEN_JOINTS = 7
SEEN_SHARE = 0.25


def read_ego(folder: str | Path, vocabulary: Vocabulary | None = None, *, rows: slice = slice(None)) -> Split:
    """What lies in a folder of shards. Nothing but its index is read before it is asked for.

    vocabulary: by default that of the folder: its actions in the order of its card, its objects in the alphabet's.
    rows: some of its scenes or sequences only. Raises PalmarError for a folder of something else.
    """
    shards = read_shards(folder)
    card, kind = shards.card, shards.card.get("kind")
    if kind not in ("scenes", "sequences") or "action" not in shards.table.column_names:
        raise PalmarError(f"{folder}: not sequences or acted scenes; make them with palmar synth --kind sequences.")
    if vocabulary is None:
        vocabulary = own_vocabulary(shards)
    shards = shards[rows]
    if kind == "sequences":
        clips = Lazy(len(shards), lambda i: _sequence(shards[i], vocabulary))
        return Split(vocabulary, (), clips, float(card.get("fps") or 30.0))
    scenes = _Scenes(shards, vocabulary)
    return Split(
        vocabulary,
        Lazy(len(scenes.rows), lambda i: scenes.frame(*scenes.rows[i])),
        Lazy(len(shards), scenes.clip),
        float(card.get("fps") or 30.0),
    )


def own_vocabulary(shards: Shards) -> Vocabulary:
    """Of a folder: "none" and the things in it, and the card's actions after "none"."""
    nouns = sorted({thing for things in shards.column("things") for thing in things} - {"liquid"})
    actions = list(shards.card.get("actions") or ()) or sorted(set(shards.column("action")) - {""})
    return Vocabulary(("none", *nouns), ("none", *actions))


@dataclass(frozen=True)
class Lazy(Sequence[Any]):
    """So many items, each made when it is asked for."""

    size: int
    make: Callable[[int], Any]

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            rows = range(self.size)[index]
            return Lazy(len(rows), lambda i: self.make(rows[i]))
        if not -self.size <= index < self.size:
            raise IndexError(index)
        return self.make(range(self.size)[index])


def _named(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else 0


def _sequence(stored: Stored, vocabulary: Vocabulary) -> EgoClip:
    labels = stored.labels
    things = [_named(vocabulary.objects, name) for name in labels["things"]]
    objects, points = stored["objects"], stored["points"]
    known = np.array([*things, 0])[objects]  # -1, nothing, is the last
    camera = Camera.from_dict(labels["camera"])
    points = _things_seen(camera, points)
    return EgoClip(
        stored.key,
        camera,
        stored["times"].astype(np.float64),
        _hands_seen(camera, stored["joints"]),
        np.where(np.isfinite(points).all((1, 2)), known, 0),
        points,
        _named(vocabulary.actions, labels["action"]),
    )


@dataclass(frozen=True)
class _Scenes:
    """Frames of the first camera of acted scenes."""

    shards: Shards
    vocabulary: Vocabulary
    last: dict[int, dict[str, Any]] = field(default_factory=dict)
    """The labels that were asked for last, by scene: frames are mostly asked for in their order."""

    @cached_property
    def rows(self) -> tuple[tuple[int, int], ...]:
        """(scene, frame) of every frame."""
        counts = [len(stamps) for stamps in self.shards.column("times")]
        return tuple((scene, frame) for scene, count in enumerate(counts) for frame in range(count))

    def moments(self, scene: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Labels of a scene, and of its frames in the first camera."""
        if scene not in self.last:
            labels = self.shards[scene].labels
            self.last.clear()
            self.last[scene] = labels
        labels = self.last[scene]
        views = max(len(labels["views"]), 1)
        return labels, labels["frames"][::views]

    def frame(self, scene: int, number: int) -> EgoFrame:
        stored = self.shards[scene]
        labels, moments = self.moments(scene)
        return self.made(stored, labels, moments[number], _main(moments), picture=True)

    def clip(self, scene: int) -> EgoClip:
        stored = self.shards[scene]
        labels, moments = self.moments(scene)
        main = _main(moments)
        frames = [self.made(stored, labels, moment, main, picture=False) for moment in moments]
        return EgoClip(
            stored.key,
            frames[0].camera,
            np.array(labels["times"], np.float64),
            np.stack([frame.joints for frame in frames]),
            np.array([frame.object for frame in frames]),
            np.stack([frame.points for frame in frames]),
            frames[0].action,
            tuple(frame.name for frame in frames),
        )

    def made(
        self, stored: Stored, labels: dict[str, Any], moment: dict[str, Any], main: int, *, picture: bool
    ) -> EgoFrame:
        image = None
        if picture:
            names = [moment["prefix"] + name for name in PICTURES if moment["prefix"] + name in stored.names]
            image = np.ascontiguousarray(stored[names[0]]) if names else None
        joints = np.full((2, 21, 3), np.nan, np.float32)
        pose, shape = np.full((2, 16, 3), np.nan, np.float32), np.full((2, 10), np.nan, np.float32)
        place = np.full((2, 3), np.nan, np.float32)
        person = next((hand["person"] for hand in moment["hands"]), 0)
        for hand in moment["hands"]:
            if hand["person"] != person:
                continue  # of a bystander, who wears no camera
            side = hand["side"]
            joints[side], pose[side] = hand["joints"], hand["pose"]
            shape[side], place[side] = hand["shape"], hand["translation"]
        held = [hand["holds"] for hand in sorted(moment["hands"], key=lambda h: h["side"] == LEFT) if hand["holds"]]
        wanted = main if main in held or not held else held[0]
        thing = next((thing for thing in moment["things"] if thing["instance"] == wanted), None)
        points, camera_from_object, known = np.full((21, 3), np.nan, np.float32), None, 0
        if thing is not None:
            camera_from_object = np.array(thing["camera_from_thing"], np.float32)
            middle, half = np.array(thing["middle"]), np.array(thing["size"]) / 2
            box = box_points(middle - half, middle + half)
            points = (box @ camera_from_object[:3, :3].T + camera_from_object[:3, 3]).astype(np.float32)
            known = _named(self.vocabulary.objects, thing["name"])
        camera = Camera.from_dict({**moment["camera"], "world_from_camera": None})
        joints, points = _hands_seen(camera, joints), _things_seen(camera, points)
        if np.isnan(points).any():
            known, camera_from_object = 0, None
        return EgoFrame(
            f"{stored.key}/{moment['prefix'].partition('.')[0]}",
            camera,
            image,
            joints,
            known,
            points,
            camera_from_object,
            pose,
            shape,
            place,
            _named(self.vocabulary.actions, labels["action"]),
        )


def _hands_seen(camera: Camera, joints: np.ndarray) -> np.ndarray:
    """The same, NaN where the picture has too few of a hand's joints [..., 21, 3]."""
    inside = camera.inside(camera.project(joints.astype(np.float64)))
    return np.where(inside.sum(-1)[..., None, None] >= SEEN_JOINTS, joints, np.nan).astype(np.float32)


def _things_seen(camera: Camera, points: np.ndarray) -> np.ndarray:
    """The same, NaN where the picture has too little of the box around the points [..., 21, 3]."""
    pixels = camera.project(points.astype(np.float64))
    low, high = pixels.min(-2), pixels.max(-2)
    last = np.array([camera.width, camera.height]) - 0.5
    part = (np.clip(high, -0.5, last) - np.clip(low, -0.5, last)).prod(-1)
    seen = part >= SEEN_SHARE * (high - low).prod(-1)  # false where NaN
    return np.where(seen[..., None, None], points, np.nan).astype(np.float32)


def _main(moments: list[dict[str, Any]]) -> int:
    """Instance number of the thing that is held longest, 0 for none."""
    held = [hand["holds"] for moment in moments for hand in moment["hands"] if hand["holds"]]
    return max(sorted(set(held)), key=held.count) if held else 0
