"""What animated formats need of a clip: when its frames are, and each followed hand as a skeleton of one person.

A skeleton has one size. The shape of a hand is therefore one for the whole motion, the mean of the rows' shapes by
score; rotations and places are the rows' own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from palmar.errors import PalmarError
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand import HandModel, PosedHand, ShapedHand
from palmar.hand.joints import MANO_PARENTS
from palmar.types import Clip, Hands

ASSUMED_FPS = 30.0
"""For pictures in order that carry no times."""
MAX_FRAMES = 10_000_000
"""No file may claim more: four days at 30 frames a second."""
SIDES = ("left", "right")

YUP_FROM_CAMERA = np.diag([1.0, -1.0, -1.0])
"""x right, y down, z forward -> x right, y up, z backward: glTF's, USD's and WebXR's axes with the camera at the
origin, looking along -z. A half turn about x, so left stays left."""

NODE_PARENTS = (*MANO_PARENTS, 15, 3, 6, 12, 9)
"""Of the skeleton that is written: MANO's 16 joints in tree order, then the tips of thumb, index, middle, ring,
little."""
NODE_NAMES = (
    "wrist",
    *(
        f"{finger}-finger-phalanx-{bone}"
        for finger in ("index", "middle", "pinky", "ring")
        for bone in ("proximal", "intermediate", "distal")
    ),
    "thumb-metacarpal",
    "thumb-phalanx-proximal",
    "thumb-phalanx-distal",
    "thumb-tip",
    *(f"{finger}-finger-tip" for finger in ("index", "middle", "ring", "pinky")),
)
"""WebXR's names, which three.js, Babylon and A-Frame know."""


@dataclass(frozen=True, eq=False)
class Timeline:
    """When the frames of a clip are: `times` in seconds, rising, one for each frame, seen hands or none."""

    times: Float64[np.ndarray, " f"]
    fps: float
    """Mean rate; of one frame alone the assumed one."""
    note: str
    """Where the times come from."""

    @property
    def even(self) -> bool:
        """Whether every frame is within a tenth of a frame of where a fixed rate would put it."""
        if len(self.times) < 3:
            return True
        ideal = self.times[0] + np.arange(len(self.times)) / self.fps
        return bool(np.abs(self.times - ideal).max() < 0.1 / self.fps)


def timeline(clip: Clip) -> Timeline:
    """Of a clip. Raises PalmarError for times that are damaged, and for unrelated pictures, which have none, unless it
    is a single one."""
    info, hands = clip.info, clip.hands
    last = int(hands.frame.max()) if len(hands) else -1
    if len(hands) and hands.frame.min() < 0:
        raise PalmarError(f"frame numbers begin at 0; there is {int(hands.frame.min())}.")
    given = info.get("times")
    count = info.get("frames", clip.frames.count)
    if given is not None:
        try:
            times = np.array(given, np.float64)
        except (TypeError, ValueError):
            times = np.full(1, np.nan)
        if times.ndim != 1 or not np.isfinite(times).all() or (np.diff(times) <= 0).any() or len(times) <= last:
            raise PalmarError(
                "the frames' times (clip.json, info.times) are damaged: expected one number for each frame, rising."
            )
        span = times[-1] - times[0] if len(times) > 1 else 0.0
        fps = (len(times) - 1) / span if span > 0 else ASSUMED_FPS
        return Timeline(times, float(fps), "presentation times of the recording")
    whole = isinstance(count, int) and not isinstance(count, bool)
    total = max(count if whole else 0, last + 1)  # type: ignore[type-var]
    if total > MAX_FRAMES:
        raise PalmarError(f"{total} frames are more than the {MAX_FRAMES} that are written.")
    if info.get("stills") and total > 1:
        raise PalmarError(
            "unrelated pictures have no motion to write. Track them as a sequence (without --stills), or export csv, "
            "npz, coco or mediapipe."
        )
    fps = clip.frames.fps
    known = isinstance(fps, int | float) and np.isfinite(fps) and fps > 0
    rate = float(fps) if known else ASSUMED_FPS  # type: ignore[arg-type]
    return Timeline(
        np.arange(total) / rate, rate, "frame number over the rate" if known else f"assumed, {ASSUMED_FPS:g} a second"
    )


@dataclass(frozen=True, eq=False)
class Motion:
    """One followed hand. T moments in rising order; the wrist's rotation and the places are in camera axes, metres."""

    track: int
    view: int
    side: int
    frames: Int[np.ndarray, " t"]
    """Frame numbers in which the hand is known; the others are gaps."""
    times: Float64[np.ndarray, " t"]
    shape: Float64[np.ndarray, "10"]
    rotations: Float64[np.ndarray, "t 16 3 3"]
    """Local rotations in MANO's tree order, the wrist's first."""
    translation: Float64[np.ndarray, "t 3"]

    @property
    def name(self) -> str:
        """Unique in a clip: hand-0-right."""
        return f"hand-{self.track}-{SIDES[self.side]}" + (f"-view-{self.view}" if self.view else "")

    @cached_property
    def rest(self) -> ShapedHand:
        """The person's hand, flat."""
        return HandModel.default(self.side).shaped(self.shape)

    @cached_property
    def posed(self) -> PosedHand:
        """At every moment, camera axes."""
        rest = self.rest
        many = np.broadcast_to(rest.rest_joints, (len(self.times), 16, 3))
        landmarks = np.broadcast_to(rest.rest_landmarks, (len(self.times), 21, 3))
        palm = np.broadcast_to(rest.rest_palm, (len(self.times), 4, 3))
        shape = np.broadcast_to(self.shape, (len(self.times), 10))
        return replace(rest, shape=shape, rest_joints=many, rest_palm=palm, rest_landmarks=landmarks).posed(
            self.rotations, self.translation
        )

    @cached_property
    def rest_nodes(self) -> Float64[np.ndarray, "21 3"]:
        """Rest positions of the written skeleton (`NODE_PARENTS`), hand frame: joints, then tips."""
        return np.concatenate([self.rest.rest_joints, self.rest.rest_landmarks[[4, 8, 12, 16, 20]]])

    def seen(self, line: Timeline) -> Bool[np.ndarray, " f"]:
        """For each frame of the clip, whether the hand is known in it."""
        out = np.zeros(len(line.times), bool)
        out[self.frames] = True
        return out


def motions(clip: Clip, line: Timeline) -> list[Motion]:
    """The followed hands of a clip, by view and track; rows without a finite pose and place are gaps.

    Of two rows of one hand in one frame the one of the higher score is taken. Raises PalmarError for hands without
    pose, shape and translation, and where there is no hand at all.
    """
    hands = clip.hands
    if not len(hands):
        raise PalmarError("no hand was found in this recording, so there is no motion to write.")
    missing = [name for name in ("pose", "shape", "translation") if getattr(hands, name) is None]
    if missing:
        raise PalmarError(f"these hands have no {', '.join(missing)}; a moving skeleton needs pose, shape, translation.")
    assert hands.pose is not None
    assert hands.shape is not None
    assert hands.translation is not None
    good = np.isfinite(hands.translation).all(1) & np.isfinite(hands.pose).all((1, 2)) & np.isfinite(hands.shape).all(1)
    found = []
    for view, track, rows in groups(hands):
        rows = rows[good[rows]]
        best: dict[int, int] = {}
        for row in rows[np.argsort(hands.score[rows], kind="stable")].tolist():
            best[int(hands.frame[row])] = row
        if not best:
            continue
        rows = np.array([best[frame] for frame in sorted(best)])
        weight = np.maximum(hands.score[rows].astype(np.float64), 1e-6)
        weight = np.where(np.isfinite(weight), weight, 1e-6)
        side = int(np.average(hands.side[rows], weights=weight) >= 0.5)
        rows = rows[hands.side[rows] == side]
        weight = np.maximum(np.nan_to_num(hands.score[rows].astype(np.float64)), 1e-6)
        found.append(
            Motion(
                track=track,
                view=view,
                side=side,
                frames=hands.frame[rows].astype(np.int64),
                times=line.times[hands.frame[rows]],
                shape=np.average(hands.shape[rows].astype(np.float64), axis=0, weights=weight),
                rotations=rotmat_from_rotvec(hands.pose[rows].astype(np.float64)),
                translation=hands.translation[rows].astype(np.float64),
            )
        )
    if not found:
        raise PalmarError("no hand of this recording has a finite pose and place, so there is no motion to write.")
    return found


def groups(hands: Hands) -> list[tuple[int, int, Int[np.ndarray, " n"]]]:
    """View, track and rows of each followed hand. Rows that belong to no track (-1) are each a hand of its own, numbered
    after the tracks."""
    keys: dict[tuple[int, int], list[int]] = {}
    free = int(hands.track.max(initial=-1)) + 1
    for row, (view, track) in enumerate(zip(hands.view.tolist(), hands.track.tolist(), strict=True)):
        if track < 0:
            track, free = free, free + 1
        keys.setdefault((view, track), []).append(row)
    return [(view, track, np.array(rows)) for (view, track), rows in sorted(keys.items())]


def quaternions(rotations: Float[np.ndarray, "t *n 3 3"]) -> Float64[np.ndarray, "t *n 4"]:
    """Unit quaternions xyzw; along the first axis each lies in the half space of the one before, so that linear
    interpolation goes the short way."""
    from scipy.spatial.transform import Rotation  # here: it takes longer to import than all else

    q = Rotation.from_matrix(rotations.reshape(-1, 3, 3)).as_quat().reshape(*rotations.shape[:-2], 4)
    if len(q) > 1:
        flips = np.where((q[1:] * q[:-1]).sum(-1, keepdims=True) < 0, -1.0, 1.0)
        q[1:] *= np.cumprod(flips, axis=0)
    return q


@dataclass(frozen=True, eq=False)
class Keys:
    """When an animation has keys, and which moment of the motion each shows."""

    times: Float64[np.ndarray, " k"]
    moments: Int[np.ndarray, " k"]
    shown_times: Float64[np.ndarray, " s"]
    shown: Bool[np.ndarray, " s"]
    """From each of `shown_times` on, whether the hand is there."""


def keys(motion: Motion, line: Timeline) -> Keys:
    """A key in every frame in which the hand is known, and one more that holds it in the frame in which it is first
    missing, so that nothing moves while it is still to be seen."""
    seen = motion.seen(line)
    moment = np.cumsum(seen) - 1
    hold = np.flatnonzero(~seen[1:] & seen[:-1]) + 1
    at = np.union1d(motion.frames, hold)
    changes = np.concatenate([[0], np.flatnonzero(seen[1:] != seen[:-1]) + 1])
    return Keys(line.times[at], moment[at], line.times[changes], seen[changes])
