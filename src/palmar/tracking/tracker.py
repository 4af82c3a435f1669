"""Hands followed through a recording, one frame at a time, causal: `Tracker`.

In each frame, hands that are followed are looked for where they are expected; the detector runs only where a hand may
be missing. What the landmarker answers is assigned to hands (`associate`), smoothed (`smooth`) and placed in the
camera's frame (`solve`). A hand that is lost keeps its identity for half a second.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float, Int, UInt8

from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.geometry.crop import Crop
from palmar.hand.box import hand_box
from palmar.hand.crop import aim_at, crops_of
from palmar.hand.mirror import mirror_points, mirror_rotvecs
from palmar.hand.model import HandModel
from palmar.tracking import solve
from palmar.tracking.associate import Expected, SideVote, assign, duplicates, lengths, match_cost
from palmar.tracking.detector import iou
from palmar.tracking.landmarker import SIZE, Landmarks, agreed, mirrored, mirrored_crops
from palmar.tracking.networks import Networks
from palmar.tracking.smooth import (
    OneEuro,
    PointFilter,
    RotationFilter,
    RunningMean,
    quaternion_from_rotmat,
    rotmat_from_quaternion,
    rotvec_from_quaternion,
)
from palmar.types import Frame, Hands

ASSUMED_FOV = math.radians(60.0)
"""Across the longer side of the picture, where no camera is given. Webcams have 55 to 80 degrees, phones 60 to 80."""
ASSUMED_FPS = 30.0
"""For sequences of pictures that carry no times."""
WRIST, MIDDLE_MCP = 0, 9
FOLLOW = OneEuro(min_cutoff=0.8, beta=4.0)
"""With palms a second as the unit, at 30 frames a second: white noise on a hand at rest comes down to 0.4 of itself, a
swipe over three palms in 0.3 s is followed 0.12 palms behind at most. (beta 2: 0.35 and 0.20; beta 8: 0.45 and 0.07.)
"""
FOLLOW_DEPTH = OneEuro(min_cutoff=0.4, beta=4.0)
FOLLOW_CROP = OneEuro(min_cutoff=0.5, beta=4.0)


@dataclass(frozen=True)
class Settings:
    """The tracker's numbers. Times in seconds, lengths in hand lengths (the longer side of the keypoints' box)."""

    presence_to_look_again: float = 0.3
    """A detection is looked at a second time only with at least this probability of a hand in its crop."""
    score_to_start: float = 0.35
    """A hand is taken up from a detection only with at least this score (`scores`). Among detections in photographs
    that may be tuned on, 2 % of the hands and 98 % of what is none lie below."""
    score_to_keep: float = 0.2
    """A hand that is followed is lost below this."""
    memory_s: float = 0.5
    """How long a lost hand may come back as itself."""
    known_overlap: float = 0.4
    """A detection that overlaps a followed hand's box by more than this (IoU) is that hand."""
    settled_s: float = 1.0
    """A hand followed for longer than this whose side turns over is another hand, with a new identity."""
    crop_scale: float = 1.6
    """Width of a crop, in hand lengths."""
    hold: float = 0.015
    """A crop stays while it is off by less than this part of its width (twice that in size, four times in radians)."""
    keypoints: OneEuro = FOLLOW
    """Unit of speed: palms a second."""
    rotations: OneEuro = FOLLOW
    """Unit of speed: radians a second."""
    depth: OneEuro = FOLLOW_DEPTH
    """Of the logarithm of the distance, which is worse known than the place across. Unit of speed: palms a second."""
    crop: OneEuro = FOLLOW_CROP
    """Of the crop's middle, size and direction. Unit of speed: hand lengths a second."""


DOUBT = 0.1
"""Probability of the other side from which on the landmarker's rotations are tried as those of a hand of that side."""
NOWHERE = 1e9
"""Of a crop that was not cut yet: near to none."""
PALM_M = 0.09
"""Metres from wrist to middle knuckle, for units of speed only."""


@dataclass(eq=False)
class _Track:
    """A hand that is or was followed. `slot` is its row in the filters."""

    track: int
    slot: int
    born_s: float
    seen_s: float
    keypoints: Float[np.ndarray, "21 2"]
    """As last seen, unfiltered."""
    vote: SideVote = field(default_factory=SideVote)
    place: Float[np.ndarray, " 3"] = field(default_factory=lambda: np.full(3, np.nan))
    """As last solved for, in the picture's camera frame."""
    settled: bool = False
    """Followed for so long that its side is beyond doubt."""


@dataclass(frozen=True, eq=False)
class Opinion:
    """What the rows of the last step rest on, for who looks at a whole recording afterwards: `one_side_each`."""

    log_odds_right: Float[np.ndarray, " n"]
    camera_from_crop: Float[np.ndarray, "n 3 3"]


class Tracker:
    """Follows hands through frames given one after the other. Holds what it needs of the past, no frames.

    networks: what finds and describes hands. camera: of the frames, or a function that gives it from their width and
    height; left alone, one is assumed (`ASSUMED_FOV`).
    mirrored: the recording is a mirror image (a selfie view): sides are swapped, and the three-dimensional columns are
    those of the real hand, in the frame of the camera as it stood; keypoints and boxes stay in the pixels of the
    recording.
    stills: frames have nothing to do with each other: no identity (track -1), no smoothing, the detector on each.
    detect_every: with fewer than max_hands followed, look for more every that many frames. Raises PalmarError for
    counts below 1.
    """

    def __init__(
        self,
        networks: Networks,
        *,
        max_hands: int = 2,
        camera: Camera | Callable[[int, int], Camera] | None = None,
        mirrored: bool = False,
        stills: bool = False,
        smooth: bool = True,
        detect_every: int = 5,
        settings: Settings = Settings(),
    ) -> None:
        for name, value in (("max_hands", max_hands), ("detect_every", detect_every)):
            if value < 1 or value != int(value):
                raise PalmarError(f"{name}: expected a whole number above 0, got {value!r}.")
        self.networks, self.settings = networks, settings
        self.camera: Camera | None = camera if isinstance(camera, Camera) else None
        """The camera of the frame last seen."""
        self._camera_for = None if isinstance(camera, Camera) else camera or assumed_camera
        self.max_hands, self.detect_every = int(max_hands), int(detect_every)
        self.mirrored, self.stills, self.smooth = mirrored, stills, smooth and not stills
        self.model = HandModel.default()
        self.seconds: dict[str, float] = {}
        """What the last step took: "detector", "landmarker" (with cutting the crops), and "all"."""
        self.opinion = Opinion(np.zeros(0), np.zeros((0, 3, 3)))
        slots = 3 * self.max_hands
        self._keypoints = PointFilter(settings.keypoints, slots, (21, 2))
        self._crops = PointFilter(settings.crop, slots, (3, 2))
        self._cut = np.full((slots, 3, 2), NOWHERE)
        self._depth = PointFilter(settings.depth, slots, (1, 1))
        self._rotations = RotationFilter(settings.rotations, slots, 16)
        self._shape = RunningMean(slots, 10)
        self._free = list(range(slots))
        self._followed: list[_Track] = []
        self._lost: list[_Track] = []
        self._next = 0
        self._since_detection = self.detect_every
        self._last_s = -math.inf

    def step(self, frame: Frame) -> Hands:
        """The hands of this frame, by track. Frames come in order of time; two of one time are taken a millisecond
        apart.

        Raises PalmarError for a picture of another size than the camera's, and for time that runs backwards.
        """
        return hands_of([self.columns(frame)])

    def columns(self, frame: Frame) -> dict[str, np.ndarray]:
        """What `step` gives, as bare columns of `Hands`; empty where no hand was seen. `hands_of` makes hands of many
        frames'.
        """
        begin = time.perf_counter()
        self.seconds = {"detector": 0.0, "landmarker": 0.0}
        image, now = frame.image, self._time_of(frame)
        camera = self._camera_of(image)
        if self.stills:
            for track in (*self._followed, *self._lost):
                self._drop(track)
            self._followed, self._lost = [], []
        for track in [t for t in self._lost if now - t.seen_s > self.settings.memory_s]:
            self._lost.remove(track)
            self._drop(track)

        seen: list[tuple[_Track, Landmarks, Crop]] = self._follow(image, now) if self._followed else []
        few = len(seen) < self.max_hands
        self._since_detection += 1
        if few and (not seen or self._lost or self._since_detection >= self.detect_every):
            self._since_detection = 0
            seen += self._find(image, now, [found.keypoints[0] for _, found, _ in seen])
        seen.sort(key=lambda one: one[0].track)
        self._followed = [track for track, _, _ in seen]
        rows = self._rows(frame, now, camera, seen)
        self.seconds["all"] = time.perf_counter() - begin
        return rows

    # Time and camera

    def _time_of(self, frame: Frame) -> float:
        now = frame.index / ASSUMED_FPS if frame.time is None else frame.time
        if not now >= self._last_s and not self.stills:
            raise PalmarError(
                f"frame {frame.index}: its time {now} s is before the last frame's, {self._last_s} s; give frames "
                "in order, or use stills for pictures that are no sequence."
            )
        self._last_s = now
        return now

    def _camera_of(self, image: UInt8[np.ndarray, "h w 3"]) -> Camera:
        height, width = image.shape[:2]
        if self.camera is not None and (self.camera.width, self.camera.height) == (width, height):
            return self.camera
        if self._camera_for is None:
            assert self.camera is not None
            raise PalmarError(
                f"the camera is of pictures of {self.camera.width} x {self.camera.height} pixels, this one has "
                f"{width} x {height}; if it was only resized, give camera.resized({width}, {height})."
            )
        self.camera = self._camera_for(width, height)
        return self.camera

    # Where to look

    def _follow(self, image: np.ndarray, now: float) -> list[tuple[_Track, Landmarks, Crop]]:
        """Looks for each followed hand where it is expected. Those not found become lost."""
        tracks = self._followed
        slots = np.array([t.slot for t in tracks])
        moved = self._moved(slots, np.array([now - t.seen_s for t in tracks]))
        aim = self._crops.value[slots]
        aim[:, 0] += moved
        aim = self._held(slots, aim)
        crops = crops_of(aim)
        found = self._landmarks(image, crops)
        sure = scores(found) >= self.settings.score_to_keep
        if len(tracks) == 1 and sure[0]:
            return [(tracks[0], found, crops[0])]
        sure[list(duplicates(found.keypoints, found.presence * sure))] = False
        rows = np.flatnonzero(sure)
        pairs: list[tuple[int, int]] = []
        if len(rows):
            cost = match_cost(self._expected(tracks, now), _as_seen(found[rows]))
            own = np.arange(len(tracks))[:, None] == rows[None]
            pairs = assign(np.where(own, np.minimum(cost, 2.0), cost + 0.1), limit=2.5)
        self._lost += [t for i, t in enumerate(tracks) if i not in {row for row, _ in pairs}]
        return [(tracks[i], found[rows[j : j + 1]], crops[rows[j]]) for i, j in pairs]

    def _find(self, image: np.ndarray, now: float, known: list[np.ndarray]) -> list[tuple[_Track, Landmarks, Crop]]:
        """Runs the detector, and describes the hands it finds that are not known. They are lost hands come back, or
        new.
        """
        s = self.settings
        begin = time.perf_counter()
        detected = self.networks.detect(image)
        self.seconds["detector"] += time.perf_counter() - begin
        if known and len(detected):
            boxes = np.stack([np.concatenate([k.min(0), k.max(0)]) for k in known])
            detected = detected[iou(detected.box, boxes).max(1) <= s.known_overlap]
        sound = np.isfinite(detected.box).all(1) & (detected.box[:, 2:] > detected.box[:, :2]).all(1)
        room = self.max_hands - len(known)
        detected = detected[np.flatnonzero(sound)[: room + 1]]  # one more: the landmarker may refuse one
        if not len(detected):
            return []
        crops = [
            Crop.around(box, scale=s.crop_scale, size=SIZE, up=up)
            for box, up in zip(detected.box, detected.direction, strict=True)
        ]
        first = self._landmarks(image, crops)  # the detector is coarse: look twice
        good = np.flatnonzero(first.presence >= s.presence_to_look_again)
        if not len(good):
            return []
        crops = crops_of(aim_at(first.keypoints[good], s.crop_scale))
        found = self._landmarks(image, crops)
        if self.stills:  # no other frame will come: the mirror image is a second opinion
            found = agreed(found, mirrored(self._landmarks(*mirrored_crops(image, crops)), image.shape[1]))
        new = np.flatnonzero(scores(found) >= s.score_to_start)
        worth = np.concatenate([np.full(len(known), 2.0), found.presence[new]])
        both = np.concatenate([np.stack(known), found.keypoints[new]]) if known else found.keypoints[new]
        twice = duplicates(both, worth)
        new = np.array([row for i, row in enumerate(new) if i + len(known) not in twice], int)
        new = new[np.argsort(-found.presence[new] * detected.score[good[new]], kind="stable")[:room]]
        if not len(new):
            return []
        pairs = assign(match_cost(self._expected(self._lost, now), _as_seen(found[new]))) if self._lost else []
        back = {column: self._lost[row] for row, column in pairs}
        self._lost = [t for t in self._lost if t not in back.values()]
        out = []
        for i, row in enumerate(new.tolist()):
            track = back.get(i) or self._start(now, float(detected.side[good[row]]))
            self._crops.reset(track.slot)  # whoever was lost may be anywhere by now
            out.append((track, found[row : row + 1], crops[row]))
        return out

    def _held(self, slots: Int[np.ndarray, " n"], aim: Float[np.ndarray, "n 3 2"]) -> Float[np.ndarray, "n 3 2"]:
        """Where to cut: as in the frame before, while that is near enough. A crop that follows every tremble of the
        keypoints makes them tremble more, and slowly, which no filter takes away."""
        before, hold = self._cut[slots], self.settings.hold
        width = np.exp(aim[:, 1, 0])
        off = np.sqrt(((aim[:, 0] - before[:, 0]) ** 2).sum(-1)) / width
        grown = np.abs(aim[:, 1, 0] - before[:, 1, 0])
        turned = np.abs(_between(before[:, 2], aim[:, 2]))
        near = (off < hold) & (grown < 2 * hold) & (turned < 4 * hold)
        now = np.where(near[:, None, None], before, aim)
        self._cut[slots] = now
        return now

    def _landmarks(self, image: np.ndarray, crops: list[Crop]) -> Landmarks:
        """The landmarker's answers. One with a number that is not finite counts as no hand."""
        begin = time.perf_counter()
        found = self.networks.landmarks(image, crops)
        self.seconds["landmarker"] += time.perf_counter() - begin
        columns = (found.keypoints, found.sigma, found.side, found.rotations, found.shape)
        if math.isfinite(sum(float(column.sum()) for column in columns)):
            return found
        good = np.all([np.isfinite(column).reshape(len(found), -1).all(1) for column in columns], 0)
        return replace(found, presence=np.where(good, found.presence, 0.0), keypoints=np.nan_to_num(found.keypoints))

    def _moved(self, slots: Int[np.ndarray, " n"], gap_s: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 2"]:
        """Pixels each hand has gone since it was seen, as fast as it went then, for a tenth of a second at most."""
        return self._crops.rate[slots, 0] * np.minimum(gap_s, 0.1)[:, None]

    def _expected(self, tracks: list[_Track], now: float) -> Expected:
        slots = np.array([t.slot for t in tracks])
        gap = np.array([now - t.seen_s for t in tracks])
        keypoints = np.stack([t.keypoints for t in tracks]) + self._moved(slots, gap)[:, None]
        return Expected(keypoints, np.array([t.vote.probability for t in tracks]), self._shape.value[slots], gap)

    # Who it is

    def _start(self, now: float, side: float) -> _Track:
        if not self._free:  # more were lost than are remembered
            self._drop(self._lost.pop(0))
        track = _Track(self._next, self._free.pop(0), now, now, np.zeros((21, 2)))
        track.vote.expect(side)
        self._next += 1
        for filtered in (self._keypoints, self._crops, self._depth, self._rotations, self._shape):
            filtered.reset(track.slot)
        self._cut[track.slot] = NOWHERE
        return track

    def _drop(self, track: _Track) -> None:
        self._free.append(track.slot)

    # What it does

    def _rows(
        self, frame: Frame, now: float, camera: Camera, seen: list[tuple[_Track, Landmarks, Crop]]
    ) -> dict[str, np.ndarray]:
        """Filters what was seen of each track, solves for the place, and writes the rows."""
        n = len(seen)
        if not n:
            self.opinion = Opinion(np.zeros(0), np.zeros((0, 3, 3)))
            return {}
        tracks = [track for track, _, _ in seen]
        found = Landmarks.concat([landmarks for _, landmarks, _ in seen])
        slots = np.array([t.slot for t in tracks])
        dt = np.array([now - t.seen_s for t in tracks])
        sure = found.confidence
        weight = scores(found)
        side = np.minimum(np.maximum(found.side, 1e-6), 1 - 1e-6)
        opinions = weight * np.log(side / (1 - side))
        for i, track in enumerate(tracks):
            turned = track.vote.add(
                float(found.side[i]), float(weight[i]) * (min(1.0, dt[i] * ASSUMED_FPS) if dt[i] else 1.0)
            )
            if turned:
                self._rotations.reset(track.slot)  # these, and the depth that followed, were read as of the other side
                self._depth.reset(track.slot)
                track.place = np.full(3, np.nan)
                if track.settled:
                    track.track, track.born_s, self._next = self._next, now, self._next + 1
            track.settled = now - track.born_s > self.settings.settled_s
            track.keypoints, track.seen_s = found.keypoints[i], now
        right = np.array([track.vote.right for track in tracks], bool)

        aim = aim_at(found.keypoints, self.settings.crop_scale)
        unit = np.ones((n, 3))
        unit[:, 0] = np.exp(aim[:, 1, 0]) / self.settings.crop_scale
        self._crops.step(slots, aim, dt, unit)
        palm = np.linalg.norm(found.keypoints[:, MIDDLE_MCP] - found.keypoints[:, WRIST], axis=-1)
        palm = np.maximum(palm, 0.4 * lengths(found.keypoints))  # seen end on, it is short: the hand is not small
        keypoints = found.keypoints
        if self.smooth:
            certainty = np.sort(found.sigma, 1)[:, 10:11] / np.maximum(found.sigma, 1e-9)  # against the median
            keypoints = self._keypoints.step(slots, keypoints, dt, palm, np.minimum(np.maximum(certainty, 0.5), 2.0))
        shape = self._shape.step(slots, found.shape, np.maximum(weight, 1e-3)) if self.smooth else found.shape

        to_camera = solve.camera_from_crop([crop for _, _, crop in seen], camera)
        rotations = found.rotations.copy()  # the fingers stay those of right hands
        wrist = solve.wrist_in_camera(rotations[:, 0], to_camera, ~right)
        doubtful = np.abs(found.side - right) > DOUBT
        if doubtful.any():
            other = solve.wrist_in_camera(rotations[:, 0], to_camera, ~right, doubtful)
            as_is, as_other = (
                solve.misfit(
                    solve.relative_joints(self.model, shape, turn, rotations[:, 1:], ~right), keypoints, found.sigma,
                    camera,
                )
                for turn in (wrist, other)
            )  # fmt: skip
            wrist = np.where((as_other < as_is)[:, None, None], other, wrist)
        rotations[:, 0] = wrist
        turns = quaternion_from_rotmat(rotations)
        if self.smooth:
            turns = self._rotations.step(slots, turns, dt)
            rotations = rotmat_from_quaternion(turns)
        relative = solve.relative_joints(self.model, shape, rotations[:, 0], rotations[:, 1:], ~right)
        place = solve.translation(relative, keypoints, found.sigma, camera, np.stack([t.place for t in tracks]))
        if self.smooth:
            place = self._still_depth(slots, place, dt)
        for track, where in zip(tracks, place, strict=True):
            track.place = where

        pose = rotvec_from_quaternion(turns)
        pose[~right, 1:] = mirror_rotvecs(pose[~right, 1:])
        joints = relative + place[:, None]
        if self.mirrored:
            right, opinions = ~right, -opinions
            pose, joints, place = mirror_rotvecs(pose), mirror_points(joints), mirror_points(place)
        self.opinion = Opinion(opinions, to_camera)
        return {
            "frame": np.full(n, frame.index),
            "track": np.array([-1 if self.stills else t.track for t in tracks]),
            "view": np.zeros(n),
            "side": right,
            "score": weight,
            "box": hand_box(keypoints),
            "keypoints": np.concatenate([keypoints, sure[..., None]], -1),
            "joints": joints,
            "pose": pose,
            "shape": shape,
            "translation": place,
        }

    def _still_depth(
        self, slots: np.ndarray, place: Float[np.ndarray, "n 3"], dt: np.ndarray
    ) -> Float[np.ndarray, "n 3"]:
        """Each hand moved along its line of sight to its filtered depth. What is NaN stays so, and is left out."""
        good = np.isfinite(place).all(1)
        if not good.any():
            return place
        z = place[good, 2]
        filtered = np.exp(self._depth.step(slots[good], np.log(z)[:, None, None], dt[good], PALM_M / z)[:, 0, 0])
        out = place.copy()
        out[good] *= (filtered / z)[:, None]
        return out


def _between(a: Float[np.ndarray, "n 2"], b: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " n"]:
    """The angle from one direction to the other, radians."""
    return np.arctan2(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0], (a * b).sum(-1))


def _as_seen(found: Landmarks) -> Expected:
    return Expected(found.keypoints, found.side, found.shape, np.zeros(len(found)))


def scores(found: Landmarks) -> Float[np.ndarray, " n"]:
    """How sure it is that a hand is there and where: presence times the mean confidence of its keypoints.

    Presence alone is easily fooled; what is no hand has keypoints that nobody could be sure of.
    """
    return found.presence * found.confidence.mean(1)


def hands_of(frames: Sequence[Mapping[str, np.ndarray]]) -> Hands:
    """All rows of the columns of many frames."""
    some = [columns for columns in frames if columns]
    if not some:
        return Hands.empty()
    return Hands(**{name: np.concatenate([columns[name] for columns in some]) for name in some[0]})


def assumed_camera(width: int, height: int) -> Camera:
    """The camera taken where none is known: a pinhole with `ASSUMED_FOV` across the longer side."""
    focal = max(width, height) / 2 / math.tan(ASSUMED_FOV / 2)
    return Camera(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)
