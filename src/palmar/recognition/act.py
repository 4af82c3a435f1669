"""`act`: from a first-person recording to a timeline of actions, all of it or as it comes.

found = palmar.act("clip.mp4")
for action in found.actions:
    action.action, action.start, action.end, action.confidence

stream = ActionStream(ActionNet())                         # one frame after the other
said = stream.push(hands, objects, image.shape)            # probabilities now
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from palmar.data.boxes import FrameBoxes, read_coco, read_yolo, used_object
from palmar.errors import PalmarError
from palmar.media.source import Source, natural, read
from palmar.recognition.actionnet import ActionNet, Poses, keypoints_of
from palmar.recognition.objects import FoundObjects, ObjectFinder
from palmar.recognition.timeline import Acted, timeline
from palmar.tracking.networks import Networks
from palmar.tracking.stage import track
from palmar.types import Clip, Frame, Hands

EVERY_S = 0.1
"""Between two decisions."""
SMOOTH_S = 0.1
"""Time constant over which probabilities are averaged, by the past only."""


@dataclass(frozen=True)
class Finder:
    """What says where the used object of a frame is: a network, or a file."""

    objects: tuple[str, ...]
    """Names of the kinds it tells apart, "none" first."""
    look: Callable[[Frame], FoundObjects]
    said: str
    """Where it comes from, for the result."""

    @staticmethod
    def network(folder: str | Path | None = None) -> Finder:
        """The detector of used objects in the package, or in a folder of the user's own."""
        find = ObjectFinder(folder)
        return Finder(find.objects, lambda frame: find(frame.image), f"objects.onnx {find.sha256[:12]}")

    @staticmethod
    def files(path: str | Path, objects: tuple[str, ...]) -> Finder:
        """Boxes that another detector found: a folder of YOLO's text files, the n-th in the order of names for frame
        n, or COCO's JSON with the pictures in that order. Class k of the files is `objects[k + 1]`, unless COCO's
        categories name them."""
        path = Path(path)
        if path.is_dir():
            texts = sorted(path.glob("*.txt"), key=lambda p: natural(p.name))
            if not texts:
                raise PalmarError(f"{path}: there are no text files of boxes in it.")
            labels: dict[int, int] = {k: k + 1 for k in range(len(objects) - 1)}

            def frame_boxes(frame: Frame) -> FrameBoxes:
                if frame.index >= len(texts):
                    return FrameBoxes.empty()
                return read_yolo(texts[frame.index], frame.image.shape[1], frame.image.shape[0])
        else:
            coco = read_coco(path)
            order = sorted(coco.pictures, key=natural)
            labels = {k: objects.index(n) for k, n in coco.names.items() if n in objects[1:]}
            labels = labels or {k: k for k in range(1, len(objects))}

            def frame_boxes(frame: Frame) -> FrameBoxes:
                return coco[order[frame.index]] if frame.index < len(order) else FrameBoxes.empty()

        def look(frame: Frame) -> FoundObjects:
            kind, box = used_object(frame_boxes(frame), labels)
            rows = slice(0, 1 if kind else 0)
            one = np.ones(1)
            return FoundObjects(box[None][rows], one[rows], np.array([kind])[rows], one[rows])

        return Finder(objects, look, f"boxes of {path.name}")


@dataclass(frozen=True, eq=False)
class Acts:
    """What was done in a recording."""

    clip: Clip
    """With its hands; their column action is what is being done."""
    actions: tuple[Acted, ...]
    times: Float[np.ndarray, " t"]
    """Seconds of the decisions."""
    scores: Float[np.ndarray, "t k"]
    """Probability of each action at each decision."""
    net: ActionNet
    poses: Poses


class ActionStream:
    """Says what is being done, frame by frame, from the past alone.

    A decision is made every `EVERY_S` seconds of video and rests on all frames up to it, so what is said of a moment is
    at most that old.
    """

    def __init__(self, net: ActionNet, objects: tuple[str, ...] = ("none",), *, fps: float = 30.0) -> None:
        if not 0 < fps < math.inf:
            raise PalmarError(f"fps must be positive and finite, got {fps}.")
        self.net, self.fps = net, fps
        known = net.vocabulary.objects
        self._index = {k: known.index(name) for k, name in enumerate(objects) if k and name in known}
        self._vectors: deque[np.ndarray] = deque(maxlen=max(2, math.ceil(net.seconds * fps) + 1))
        self._times: deque[float] = deque(maxlen=self._vectors.maxlen)
        self._said: np.ndarray | None = None
        self._last_s = -math.inf
        self.decided_s = -math.inf
        """Time of the last decision."""

    def push(
        self,
        hands: Hands | Float[np.ndarray, "2 21 2"],
        found: FoundObjects | None,
        size: tuple[int, int],
        time: float,
    ) -> Float[np.ndarray, " k"]:
        """Probabilities of the actions after one more frame. hands: of this frame, or the keypoints of the left and the
        right one, pixels, NaN of one that is absent. size: width and height of the picture. Raises PalmarError for time
        that runs backwards."""
        if not time >= self._last_s:
            raise PalmarError(f"a frame at {time} s after one at {self._last_s} s; give frames in order.")
        self._last_s = time
        box, kind = np.full(4, np.nan), 0
        if found is not None and len(found):
            box, kind = found.box[0], self._index.get(int(found.kind[0]), 0)
        if isinstance(hands, Hands):
            keypoints = keypoints_of(hands.with_columns(frame=np.zeros(len(hands), np.int32)), 1)
        else:
            keypoints = hands[None]
        pose = Poses(keypoints, box[None], np.array([kind]), *size)
        self._vectors.append(pose.vectors(self.net.layout)[0])
        self._times.append(time)
        if self._said is None or time - self.decided_s >= EVERY_S - 1e-6:
            now = self.net.probabilities(self._window(time)[None])[0]
            keep = 0.0 if self._said is None else math.exp(-(time - self.decided_s) / SMOOTH_S)
            self._said = now if self._said is None else keep * self._said + (1 - keep) * now
            self.decided_s = time
        return self._said

    def _window(self, end: float) -> Float[np.ndarray, "n d"]:
        """Poses at evenly spaced times up to now; before the first frame, that one."""
        at = end - self.net.seconds + self.net.seconds * np.arange(1, self.net.frames + 1) / self.net.frames
        times = np.array(self._times)
        rows = np.clip(np.searchsorted(times, at + 1e-9, "right") - 1, 0, len(times) - 1)
        return np.stack([self._vectors[row] for row in rows])


def act(
    source: Clip | Source,
    *,
    net: ActionNet | None = None,
    find: Finder | None = None,
    see: Callable[[UInt8[np.ndarray, "h w 3"]], Float[np.ndarray, "2 21 2"]] | None = None,
    networks: Networks | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    observe: Callable[[Frame, Hands, np.ndarray], None] | None = None,
    **options: Any,
) -> Acts:
    """What is done in a recording, seen by whoever does it.

    source: as of `palmar.track`, whose options may follow. net: the package's recogniser by default. find: what finds
    used objects; None: none are looked for. see: what finds the hands that actions are read off, left and right, NaN
    where absent, such as `EgoNet().keypoints`; the tracker's own where not given. observe: called with each frame, its
    hands and the probabilities then.
    Raises PalmarError for pictures that are no sequence, and what `track` raises.
    """
    net = ActionNet() if net is None else net
    clip = source if isinstance(source, Clip) else read(source)
    fps = clip.frames.fps
    if fps is None:
        raise PalmarError("actions take time: give a video, a webcam, or a folder of frames with --fps, not pictures.")
    stream = ActionStream(net, ("none",) if find is None else find.objects, fps=fps)
    times: list[float] = []
    scores: list[np.ndarray] = []
    sizes: list[tuple[int, int]] = []
    seen: list[np.ndarray | None] = []
    boxes: list[np.ndarray] = []
    kinds: list[int] = []

    def look(frame: Frame, hands: Hands) -> None:
        height, width = frame.image.shape[:2]
        found = None if find is None else find.look(frame)
        now = frame.index / fps if frame.time is None else frame.time
        before = stream.decided_s
        keypoints = None if see is None else see(frame.image)
        pose = hands if keypoints is None else keypoints
        said = stream.push(pose, found, (width, height), max(now, times[-1] if times else now))
        if stream.decided_s != before:
            times.append(stream.decided_s)
            scores.append(said)
        seen.append(keypoints)
        sizes.append((width, height))
        boxes.append(found.box[0] if found is not None and len(found) else np.full(4, np.nan))
        kinds.append(int(found.kind[0]) if found is not None and len(found) else 0)
        if observe is not None:
            observe(frame, hands, said)

    tracked = track(clip, networks=networks, progress=progress, observe=look, **options)
    at = np.array(times, np.float64)
    chances = np.array(scores).reshape(len(times), len(net.vocabulary.actions))
    stamps = tracked.info.get("times") or [k / fps for k in range(len(sizes))]
    actions = timeline(chances, at, net.vocabulary, stamps[-1] + 1 / fps if stamps else None)
    tracked = tracked.replace(hands=labelled(tracked.hands, np.array(stamps, np.float64), actions))
    size = sizes[0] if sizes else (1, 1)
    points = keypoints_of(tracked.hands, len(sizes)) if see is None else np.array(seen).reshape(-1, 2, 21, 2)
    poses = Poses(points, np.array(boxes).reshape(-1, 4), np.array(kinds, np.int64), *size)
    return Acts(tracked, actions, at, chances, net, poses)


def labelled(hands: Hands, times: Float[np.ndarray, " f"], actions: tuple[Acted, ...]) -> Hands:
    """The hands with what is being done at their frame's time, None for nothing."""
    said = np.full(len(hands), None, object)
    for one in actions:
        now = times[hands.frame] if len(hands) else np.zeros(0)
        said[(now >= one.start) & (now < one.end)] = one.action
    return hands.with_columns(action=said)
