"""The hands of a result as motions: one per followed hand, with the gaps in it. What every writer of a moving skeleton
begins from."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from palmar.errors import PalmarError
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand.model import HandModel, ShapedHand
from palmar.types import Clip, Hands

Y_UP = np.diag([1.0, -1.0, -1.0])
"""From the camera's axes (x right, y down, z forward) to those of glTF, USD and BVH: x right, y up, z towards the
viewer. A proper rotation, its own inverse."""


@dataclass(frozen=True, eq=False)
class Motion:
    """One followed hand, T frames, from its first to its last.

    Camera's frame, metres. In frames where it was not seen, rotations, translation and joints are those of the frame
    before.
    """

    name: str
    """right-0: side and track, unique in the clip."""
    side: int
    track: int
    view: int
    frames: np.ndarray
    """[T] int, numbers of the recording's frames, without a hole."""
    times: Float[np.ndarray, " t"]
    """Seconds from the recording's first frame, strictly rising."""
    seen: Bool[np.ndarray, " t"]
    shaped: ShapedHand
    """Of the mean shape over the frames: a skeleton has one length of each bone."""
    rotations: Float[np.ndarray, "t 16 3 3"]
    """Wrist in the camera's frame, then 15 local ones; MANO's tree."""
    translation: Float[np.ndarray, "t 3"]
    """Added after the wrist has turned about its own joint; such that the wrist is where it was seen, whatever the
    shape of that frame."""

    def __len__(self) -> int:
        return len(self.times)

    @property
    def model(self) -> HandModel:
        return self.shaped.model

    def joints(self) -> Float[np.ndarray, "t 21 3"]:
        """Of the skeleton with one length of each bone."""
        return self.shaped.posed(self.rotations, self.translation).joints()


ASSUMED_FPS = 30.0
"""Of a single picture, which stands still."""
MAX_FRAMES = 10_000_000
"""No result may claim more: four days at 30 a second."""


def times_of(clip: Clip) -> Float[np.ndarray, " f"]:
    """Seconds of the recording's frames, from its first, rising; of a single picture 0.

    Raises PalmarError for unrelated pictures, where neither times nor a rate are known, and for a result whose times
    are damaged.
    """
    last = int(clip.hands.frame.max()) if len(clip.hands) else -1
    if len(clip.hands) and clip.hands.frame.min() < 0:
        raise PalmarError(f"{clip.frames.source}: frames are counted from 0; there is {int(clip.hands.frame.min())}.")
    known = clip.info.get("times") if clip.frames.names is None else None  # pictures left out keep their numbers
    if known is not None:
        try:
            times = np.array(known, np.float64)
        except (TypeError, ValueError):
            times = np.array([np.nan])
        if times.ndim != 1 or not np.isfinite(times).all() or (np.diff(times) < 0).any() or len(times) <= last:
            raise PalmarError(
                f"{clip.frames.source}: the times of its frames (info.times) are damaged: expected one number for each "
                "frame, rising. Track it again."
            )
        return _rising(times - times[0]) if len(times) else times
    said = clip.info.get("frames", clip.frames.count)
    count = max(said if isinstance(said, int) and not isinstance(said, bool) else 0, last + 1)
    if count > MAX_FRAMES:
        raise PalmarError(f"{clip.frames.source}: {count} frames are more than {MAX_FRAMES}; the result is damaged.")
    if count == 1:
        return np.zeros(1)
    fps = clip.frames.fps
    if fps is None or clip.info.get("stills"):
        raise PalmarError(
            f"{clip.frames.source}: unrelated pictures have no time; this format is of motion (track a video, or a "
            "folder of frames)."
        )
    if not isinstance(fps, int | float) or not np.isfinite(fps) or fps <= 0:
        raise PalmarError(f"{clip.frames.source}: a rate of {fps!r} frames a second is none; the result is damaged.")
    return np.arange(count) / fps


def frames_of(clip: Clip) -> int:
    """How many frames the recording has, at least as many as hands were found in. Raises PalmarError for a number that
    only a damaged result can hold."""
    hands = clip.hands
    if len(hands) and hands.frame.min() < 0:
        raise PalmarError(f"{clip.frames.source}: frames are counted from 0; there is {int(hands.frame.min())}.")
    said = clip.info.get("frames", clip.frames.count)
    known = said if isinstance(said, int) and not isinstance(said, bool) else 0
    named = len(clip.frames.names or ())
    count = max(known, named, int(hands.frame.max()) + 1 if len(hands) else 0)
    if count > MAX_FRAMES:
        raise PalmarError(f"{clip.frames.source}: {count} frames are more than {MAX_FRAMES}; the result is damaged.")
    return count


def rows_of_frames(hands: Hands, count: int) -> list[list[int]]:
    """For each of so many frames the rows of its hands, in their order."""
    order = np.argsort(hands.frame, kind="stable")
    ends = np.searchsorted(hands.frame[order], np.arange(count + 1))
    return [order[a:b].tolist() for a, b in itertools.pairwise(ends.tolist())]


def scores(hands: Hands) -> list[float]:
    """To six digits; 0 where there is none."""
    known = hands.score.astype(np.float64)
    return np.round(np.where(np.isfinite(known), known, 0.0), 6).tolist()


def motions(clip: Clip) -> list[Motion]:
    """All followed hands, in the order of track and view.

    Raises PalmarError where there are no hands, or none with pose, shape and place.
    """
    hands = clip.hands
    if not len(hands):
        raise PalmarError(f"{clip.frames.source}: no hand was found in it; there is nothing to export.")
    if hands.pose is None or hands.shape is None or hands.translation is None:
        raise PalmarError(f"{clip.frames.source}: these hands have no pose, shape and place; track them again.")
    times = times_of(clip)
    good = np.isfinite(hands.pose).all((1, 2)) & np.isfinite(hands.shape).all(1) & np.isfinite(hands.translation).all(1)
    found = []
    free = int(hands.track.max()) + 1 + np.arange(len(hands))
    tracks = np.where(hands.track < 0, free, hands.track)  # who belongs to no track is a hand of its own
    for view, track, side in sorted(set(zip(hands.view.tolist(), tracks.tolist(), hands.side.tolist(), strict=True))):
        rows = np.flatnonzero(good & (hands.view == view) & (tracks == track) & (hands.side == side))
        if len(rows):
            found.append(_motion(hands, rows, times, view, track, side))
    if not found:
        raise PalmarError(f"{clip.frames.source}: no hand has a finite pose; there is nothing to export.")
    return found


def _motion(hands: Hands, rows: np.ndarray, times: np.ndarray, view: int, track: int, side: int) -> Motion:
    assert hands.pose is not None
    assert hands.shape is not None
    assert hands.translation is not None
    worth = np.nan_to_num(hands.score[rows], nan=-1.0)
    rows = rows[np.lexsort((-worth, hands.frame[rows]))]  # of two in a frame the surer one comes first, and stays
    frames = hands.frame[rows].astype(int)
    rows, frames = rows[np.unique(frames, return_index=True)[1]], np.unique(frames)
    if frames[-1] >= len(times):
        raise PalmarError(f"hands of frame {frames[-1]}, but the recording has {len(times)} frames.")
    every = np.arange(frames[0], frames[-1] + 1)
    last = np.searchsorted(frames, every, "right") - 1
    held = rows[last]
    model = HandModel.default(side)
    shaped = model.shaped(hands.shape[rows].astype(np.float64).mean(0))
    rotations = rotmat_from_rotvec(hands.pose[held].astype(np.float64))
    wrist = model.shaped(hands.shape[held].astype(np.float64)).rest_joints[:, 0]
    translation = hands.translation[held].astype(np.float64) + wrist - shaped.rest_joints[0]
    name = f"{('left', 'right')[side]}-{track}" + (f"-view{view}" if view else "")
    return Motion(name, side, track, view, every, times[every], np.isin(every, frames), shaped, rotations, translation)


def _rising(times: Sequence[float] | np.ndarray) -> Float[np.ndarray, " t"]:
    """Times that repeat or run backwards, as damaged recordings have them, moved on by a tenth of a millisecond."""
    out = np.array(times, np.float64)
    for i in range(1, len(out)):
        out[i] = max(out[i], out[i - 1] + 1e-4)
    return out


def quaternions(rotations: Float[np.ndarray, "t 3 3"]) -> Float[np.ndarray, "t 4"]:
    """x, y, z, w over time, each in the hemisphere of the one before it, so that they can be blended."""
    from scipy.spatial.transform import Rotation

    q = Rotation.from_matrix(rotations).as_quat()
    for i in range(1, len(q)):
        if q[i] @ q[i - 1] < 0:
            q[i] = -q[i]
    return q
