"""First-person recordings of hands and an object, with what is known of them: what readers of data sets, the synthetic
world and the recognisers of actions hand to each other.

Camera frame as everywhere: metres, x right, y down, z forward. Hands: left first, then right, each of a person's own
side. The object of a frame is the one in hand, or the one that an action is about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8

from palmar.errors import PalmarError
from palmar.geometry.camera import Camera

BOX_POINTS = 21
"""Points of an object's box: centre, 8 corners, 12 middles of edges, in the order of the H2O data set."""
CORNERS = np.array(
    [
        (1, 1, 1), (-1, 1, 1), (-1, 1, -1), (1, 1, -1), (1, -1, 1), (-1, -1, 1), (-1, -1, -1), (1, -1, -1),
    ],
    np.float64,
)  # fmt: skip
"""Signs of points 1 to 8 along x, y, z of the object (H2O, Kwon et al. 2021)."""
EDGES = ((1, 2), (5, 6), (7, 8), (3, 4), (1, 5), (2, 6), (3, 7), (4, 8), (1, 4), (2, 3), (6, 7), (5, 8))
"""Corners, numbered from 1, whose middles are points 9 to 20."""


def box_points(low: Float[np.ndarray, " 3"], high: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "21 3"]:
    """The 21 points of a box with these extents, in its own frame, the units of the extents."""
    middle, half = (np.asarray(low) + high) / 2, (np.asarray(high) - low) / 2
    corners = middle + CORNERS * half
    edges = [(corners[a - 1] + corners[b - 1]) / 2 for a, b in EDGES]
    return np.concatenate([middle[None], corners, edges])


@dataclass(frozen=True)
class Vocabulary:
    """What objects and actions are called; an index names each. Index 0 of objects is "none"."""

    objects: tuple[str, ...]
    actions: tuple[str, ...]
    verbs: tuple[str, ...] = ()
    verb_of: tuple[int, ...] = ()
    """Index of each action's verb."""
    object_of: tuple[int, ...] = ()
    """Index of each action's object, 0 for none."""

    def __post_init__(self) -> None:
        if not self.objects or self.objects[0] != "none":
            raise PalmarError('Vocabulary: the first object must be "none".')
        for what, names in (("object", self.objects), ("action", self.actions), ("verb", self.verbs)):
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise PalmarError(f"Vocabulary: {what} {twice!r} is named twice.")
        for what, of, names in (("verb_of", self.verb_of, self.verbs), ("object_of", self.object_of, self.objects)):
            if of and (len(of) != len(self.actions) or not all(0 <= i < len(names) for i in of)):
                raise PalmarError(
                    f"Vocabulary: {what} must give one known index for each of {len(self.actions)} actions."
                )


@dataclass(frozen=True, eq=False)
class EgoFrame:
    """One picture with its truth. What is absent is NaN, an unknown label 0."""

    name: str
    """Of the frame in its data set, unique there: `subject1/h1/0/000012`."""
    camera: Camera
    image: UInt8[np.ndarray, "h w 3"] | None = None
    """RGB."""
    joints: Float32[np.ndarray, "2 21 3"] = field(default_factory=lambda: np.full((2, 21, 3), np.nan, np.float32))
    """Metres, camera frame, OpenPose order."""
    object: int = 0
    """Index in the vocabulary, 0 for none."""
    points: Float32[np.ndarray, "21 3"] = field(default_factory=lambda: np.full((21, 3), np.nan, np.float32))
    """Of the object's box, metres, camera frame; see `box_points`."""
    camera_from_object: Float32[np.ndarray, "4 4"] | None = None
    pose: Float32[np.ndarray, "2 16 3"] | None = None
    """Of the hand model, axis-angle, wrist in the camera frame; with `shape` and `translation`, where known."""
    shape: Float32[np.ndarray, "2 10"] | None = None
    translation: Float32[np.ndarray, "2 3"] | None = None
    action: int = 0
    verb: int = 0

    @property
    def present(self) -> Bool[np.ndarray, " 2"]:
        """Which hands are there."""
        return np.isfinite(self.joints).all((1, 2))

    @property
    def keypoints(self) -> Float[np.ndarray, "2 21 2"]:
        """Pixels; NaN where the hand is absent or behind the camera."""
        return self.camera.project(self.joints.astype(np.float64))

    @property
    def object_box(self) -> Float[np.ndarray, " 4"]:
        """x0 y0 x1 y1 around the projected box points, pixels; NaN where there is none."""
        return _hull(self.camera.project(self.points.astype(np.float64)))


@dataclass(frozen=True, eq=False)
class EgoClip:
    """T frames of one action, without pictures."""

    name: str
    camera: Camera
    """Of all frames; its size is that of the pictures."""
    times: Float[np.ndarray, " t"]
    """Seconds from the clip's first frame."""
    joints: Float32[np.ndarray, "t 2 21 3"]
    objects: Int[np.ndarray, " t"]
    points: Float32[np.ndarray, "t 21 3"]
    action: int = 0
    frames: tuple[str, ...] = ()
    """Names of the frames."""

    def __post_init__(self) -> None:
        t = len(self.times)
        for what in ("joints", "objects", "points"):
            if len(getattr(self, what)) != t:
                raise PalmarError(f"EgoClip {self.name}: {len(getattr(self, what))} {what} for {t} times.")

    def __len__(self) -> int:
        return len(self.times)

    @property
    def keypoints(self) -> Float[np.ndarray, "t 2 21 2"]:
        """Pixels; NaN where a hand is absent."""
        return self.camera.project(self.joints.astype(np.float64))

    @property
    def object_boxes(self) -> Float[np.ndarray, "t 4"]:
        """x0 y0 x1 y1, pixels; NaN where there is none."""
        return _hull(self.camera.project(self.points.astype(np.float64)))

    def __getitem__(self, rows: slice | Sequence[int] | np.ndarray) -> EgoClip:
        """Some of its frames."""
        names = tuple(np.array(self.frames, object)[rows]) if self.frames else ()
        return replace(
            self,
            times=self.times[rows],
            joints=self.joints[rows],
            objects=self.objects[rows],
            points=self.points[rows],
            frames=names,
        )


def _hull(pixels: Float[np.ndarray, "*b 21 2"]) -> Float[np.ndarray, "*b 4"]:
    """NaN in any point makes it NaN."""
    return np.concatenate([pixels.min(-2), pixels.max(-2)], -1)


@dataclass(frozen=True)
class Split:
    """Frames and clips of a part of a data set. Both are read when they are asked for."""

    vocabulary: Vocabulary
    frames: Sequence[EgoFrame]
    clips: Sequence[EgoClip]
    fps: float = 30.0
