"""A world with known truth, and networks that know it: hands that move before a camera, and answers without error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest

from palmar.geometry.camera import Camera
from palmar.geometry.crop import Crop, virtual_camera
from palmar.hand.box import hand_box
from palmar.hand.mirror import mirror_rotmats
from palmar.hand.model import HandModel
from palmar.tracking.detector import Detections
from palmar.tracking.landmarker import Landmarks
from palmar.tracking.tracker import assumed_camera
from palmar.types import Clip, Frame

UPRIGHT = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
"""Of a right hand: fingers up in the picture, palm to the camera."""


@dataclass(frozen=True)
class Truth:
    """A hand at one time, in the camera's frame."""

    side: int
    joints: np.ndarray
    keypoints: np.ndarray
    rotations: np.ndarray
    shape: np.ndarray
    translation: np.ndarray


@dataclass
class Actor:
    """A hand: where it is and how it is turned, by time; None where it is out of sight."""

    side: int
    place: Callable[[float], Sequence[float] | None]
    turn: Callable[[float], np.ndarray] = lambda t: UPRIGHT
    bend: Callable[[float], float] = lambda t: 0.3
    shape: np.ndarray = field(default_factory=lambda: np.zeros(10))

    def at(self, t: float, camera: Camera) -> Truth | None:
        place = self.place(t)
        if place is None:
            return None
        angles = np.zeros((5, 3, 3))
        angles[:, :, 0] = self.bend(t) * np.array([0.6, 0.7, 0.8, 0.9, 1.0])[:, None]
        rotations = HandModel.default(1).rotations_from_angles(angles)
        rotations[0] = self.turn(t)
        if self.side == 0:
            rotations = mirror_rotmats(rotations)
        joints = HandModel.default(self.side).shaped(self.shape).posed(rotations, np.array(place, float)).joints()
        return Truth(self.side, joints, camera.project(joints), rotations, self.shape, np.array(place, float))


@dataclass
class World:
    """Frames of actors, and networks that know them. Frames are black but for their number, in both upper corners."""

    actors: list[Actor]
    seconds: float = 1.0
    fps: float = 30.0
    width: int = 640
    height: int = 480
    noise: float = 0.0
    """Pixels, standard deviation of the keypoints' error."""
    side_error: Callable[[int, int], float] = lambda frame, actor: 0.02
    """Probability that the landmarker gives to the wrong side."""
    hides: float = 0.0
    """A hand nearer than this many hand lengths to one in front of it cannot be seen."""
    times: list[float] | None = None
    source: str = "world"
    names: tuple[str, ...] | None = None
    calls: list[tuple[str, int, int]] = field(default_factory=list)
    """What the networks were asked: (which, frame, how many crops)."""
    _truths: dict[int, list[Truth | None]] = field(default_factory=dict)
    hashes: ClassVar = {"detector": "d" * 64, "landmarker": "1" * 64}

    def __post_init__(self) -> None:
        self.camera = assumed_camera(self.width, self.height)
        self.count: int | None = round(self.seconds * self.fps) if self.times is None else len(self.times)

    # Frames

    def time(self, index: int) -> float:
        return index / self.fps if self.times is None else self.times[index]

    def image(self, index: int) -> np.ndarray:
        image = np.zeros((self.height, self.width, 3), np.uint8)
        image[0, 0], image[0, -1] = (index // 256, index % 256, 1), (index // 256, index % 256, 2)
        return image

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self.count or 0):
            yield Frame(index, self.time(index), self.image(index))

    def clip(self) -> Clip:
        return Clip(self)

    def truth(self, index: int) -> list[Truth | None]:
        if index not in self._truths:
            self._truths[index] = [actor.at(self.time(index), self.camera) for actor in self.actors]
        return self._truths[index]

    # Networks

    def _seen(self, image: np.ndarray) -> tuple[int, list[tuple[int, Truth]], bool]:
        high, low, corner = image[0, 0].tolist()
        index = high * 256 + low
        hands = [(i, truth) for i, truth in enumerate(self.truth(index)) if truth is not None]
        out = []
        for i, truth in hands:
            front = [other for j, other in hands if j != i and other.translation[2] < truth.translation[2]]
            length = np.ptp(truth.keypoints, axis=0).max()
            apart = [np.linalg.norm((truth.keypoints - other.keypoints).mean(0)) / length for other in front]
            if min(apart, default=np.inf) >= self.hides:
                out.append((i, truth))
        return index, out, corner == 2

    def _shown(self, truth: Truth, flipped: bool) -> tuple[np.ndarray, int]:
        """Keypoints and side as the picture shows them."""
        if flipped:
            return truth.keypoints * [-1, 1] + [self.width - 1, 0], 1 - truth.side
        return truth.keypoints, truth.side

    def detect(self, image: np.ndarray) -> Detections:
        index, hands, flipped = self._seen(image)
        self.calls.append(("detector", index, 1))
        if not hands:
            return Detections.empty()
        shown = [self._shown(truth, flipped) for _, truth in hands]
        keypoints = np.stack([k for k, _ in shown])
        up = keypoints[:, 9] - keypoints[:, 0]
        side = np.array([0.9 if s else 0.1 for _, s in shown])
        return Detections(
            hand_box(keypoints), np.full(len(shown), 0.9), side, up / np.linalg.norm(up, axis=1, keepdims=True)
        )

    def landmarks(self, image: np.ndarray, crops: Sequence[Crop]) -> Landmarks:
        """The hand nearest to each crop's middle; presence falls to 0.02 where none is inside."""
        index, hands, flipped = self._seen(image)
        self.calls.append(("landmarker", index, len(crops)))
        n = len(crops)
        out = Landmarks(
            np.zeros((n, 21, 2)),
            np.ones((n, 21)),
            np.full(n, 0.02),
            np.full(n, 0.5),
            np.tile(np.eye(3), (n, 16, 1, 1)),
            np.zeros((n, 10)),
        )
        for row, crop in enumerate(crops):
            away = [
                np.abs(self._shown(truth, flipped)[0].mean(0) - crop.centre).max() / crop.side for _, truth in hands
            ]
            if not away or min(away) > 0.5:
                continue
            actor, truth = hands[int(np.argmin(away))]
            keypoints, side = self._shown(truth, flipped)
            rng = np.random.default_rng((index, actor))
            out.keypoints[row] = keypoints + self.noise * rng.normal(size=(21, 2))
            out.presence[row] = 0.99
            wrong = self.side_error(index, actor)
            out.side[row] = 1 - wrong if side else wrong
            rotations = truth.rotations.copy()
            if flipped:
                rotations = mirror_rotmats(rotations)
            _, crop_from_camera = virtual_camera(self.camera, crop.centre, crop.side, roll=crop.angle)
            rotations[0] = crop_from_camera @ rotations[0]
            out.rotations[row] = rotations if side else mirror_rotmats(rotations)
            out.shape[row] = truth.shape
        return out


class Flipped:
    """The frames of a world as a mirror shows them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.source, self.count, self.fps, self.names = "mirror", world.count, world.fps, None

    def __iter__(self) -> Iterator[Frame]:
        for frame in self.world:
            yield Frame(frame.index, frame.time, np.ascontiguousarray(frame.image[:, ::-1]))


@pytest.fixture
def make_world() -> type[World]:
    return World


@pytest.fixture
def make_actor() -> type[Actor]:
    return Actor


@pytest.fixture
def flipped() -> type[Flipped]:
    return Flipped
