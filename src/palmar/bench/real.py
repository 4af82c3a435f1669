"""The tracker measured on a folder of real recordings, beside MediaPipe where it is given: `measure`, `render`; and
two trackers against each other on the same hands: `compare`, `render_comparison`.

The folder holds, each if it likes, `webcam/` and `digits/` (see `palmar.data.photographs`) and `video/NAME.mp4` with
`NAME.mediapipe.npz` beside it (keypoints [t, 21, 2] px, joints [t, 21, 3] m, side [t]: 0, 1, or -1 where no hand is).
Only boxes are drawn by people; keypoints, joints and sides there are MediaPipe's opinion, so what is measured against
them is agreement.
"""

from __future__ import annotations

import contextlib
import math
import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from scipy.optimize import linear_sum_assignment

from palmar import metrics
from palmar.bench.mediapipe_peer import Found, Peer
from palmar.bench.slices import (
    AUC_TO,
    HEADING,
    NOTES,
    Rows,
    by_slice,
    describe,
    figures,
    hand_size,
    lines,
    paired_bootstrap,
    worst,
)
from palmar.data.photographs import Opinion, Photograph, read_photographs
from palmar.errors import PalmarError, one_of
from palmar.hand.box import hand_box
from palmar.hand.joints import BONES
from palmar.media import ArrayFrames, read
from palmar.tracking import Networks, OnnxNetworks, Tracker, track
from palmar.tracking.detector import Detections
from palmar.tracking.tracker import hands_of
from palmar.types import Clip, Frame, Frames, Hands

SETS = ("webcam", "digits", "video")
PARTS = (*SETS, "jitter", "speed", "truth")
"""What can be measured, each alone if wanted."""
PCK_AT = (0.05, 0.1, 0.2)
SAME_HAND = 0.5
"""Keypoints farther apart than this on average, in hand sizes, are of two hands."""
AP_FROM = 0.05
"""Average precision counts detections from this score on, where the detector's threshold can be lowered."""
GROUPS: Mapping[str, tuple[int, ...]] = {
    "wrist": (0,),
    "MCP": (1, 5, 9, 13, 17),
    "PIP": (2, 6, 10, 14, 18),
    "DIP": (3, 7, 11, 15, 19),
    "tip": (4, 8, 12, 16, 20),
}
"""The thumb's CMC, MCP and IP count as MCP, PIP and DIP."""
STILL_FRAMES, STILL_SIGMA, STILL_SETTLED, SEED = 60, 3.0, 10, 7
TIMED_FRAMES, TIMED_SIZE, CHUNK, WARM = 300, (640, 480), 30, 10
STRETCH = 30
"""Frames of a video that are drawn together where two trackers are compared."""


@dataclass
class _Measured:
    """What is gathered on the way, ours and the peer's, and the rows of the sets by their names."""

    ours: dict[str, Any] = field(default_factory=dict)
    theirs: dict[str, Any] = field(default_factory=dict)
    rows: dict[str, Rows] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def clocked(self, part: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - begin


def measure(
    folder: Path,
    *,
    mediapipe: Path | None = None,
    limit: int | None = None,
    split: str = "evaluate",
    networks: Networks | None = None,
    only: Sequence[str] = PARTS,
) -> dict[str, Any]:
    """All figures of a folder, JSON values only; None where a figure has nothing to be taken from.

    mediapipe: the Python of an environment with MediaPipe 0.10.21, which then gets the same frames. limit: at most so
    many pictures of each set and frames of each video. split: of the labelled photographs. networks: others than the
    package's; those run with two threads. only: some of `PARTS`. Where speed is among them the process, and what it
    starts, keeps to two cores.
    Raises PalmarError where the folder holds nothing to measure on, and where MediaPipe does not run.
    """
    return _measure(folder, mediapipe, limit, split, networks, only)[0]


def _measure(
    folder: Path,
    mediapipe: Path | None,
    limit: int | None,
    split: str,
    networks: Networks | None,
    only: Sequence[str],
) -> tuple[dict[str, Any], _Measured]:
    folder = Path(folder)
    if limit is not None and limit < 1:
        raise PalmarError(f"limit: expected a whole number above 0, got {limit!r}.")
    for part in only:
        one_of("part of the measurement", part, PARTS)
    if not only:
        raise PalmarError(f"nothing is asked for; expected some of {', '.join(PARTS)}.")
    filmed = {"video", "jitter", "speed"} & set(only)
    videos = sorted((folder / "video").glob("*.mp4")) if filmed else []
    wanted = [name for name in ("webcam", "digits") if name in only]
    sets = {name: folder / name for name in wanted if (folder / name / "labels.json").is_file()}
    got = _Measured(left_out=[f"{name}: no {name}/labels.json" for name in wanted if name not in sets])
    if filmed and not videos:
        got.left_out.append(f"{', '.join(part for part in PARTS if part in filmed)}: no video/*.mp4")
    if not videos and not sets and (wanted or filmed):
        raise PalmarError(
            f"{folder}: nothing to measure on; expected webcam/labels.json, digits/labels.json or video/*.mp4 in it."
        )
    with contextlib.ExitStack() as stack:
        if "speed" in only:
            stack.enter_context(_two_cores())
        networks = networks or OnnxNetworks(threads=2)
        peer = stack.enter_context(Peer(mediapipe)) if mediapipe is not None else None
        for name, path in sets.items():
            photographs = read_photographs(path, split)[:limit]
            if not photographs:
                got.left_out.append(f"{name}: no picture of the split {split!r}")
                continue
            with got.clocked(name):
                got.ours[name], got.theirs[name], got.rows[name] = _photographs(photographs, networks, peer)
        for path in videos if "video" in only else ():
            with got.clocked("video"):
                ours, theirs, rows = _video(path, networks, peer, limit)
            got.ours.setdefault("video", {})[path.stem], got.theirs.setdefault("video", {})[path.stem] = ours, theirs
            if rows is None:
                got.left_out.append(f"agreement on {path.name}: no {path.stem}.mediapipe.npz")
            else:
                got.rows[f"video {path.stem}"] = rows
        if videos and "jitter" in only:
            with got.clocked("jitter"):
                got.ours["jitter"], got.theirs["jitter"] = _jitter(videos[0], networks, peer, limit)
        if videos and "speed" in only:
            with got.clocked("speed"):
                got.ours["speed"], got.theirs["speed"] = _speed(videos[0], networks, peer, limit)
        if "truth" in only:
            with got.clocked("truth"):
                truth = _truth(networks, peer, limit)
            if truth is None:
                got.left_out.append("truth: the synthetic world needs the [torch] extra")
            else:
                got.ours["truth"], got.theirs["truth"] = truth
        version = peer.version if peer is not None else None
        cores = _cores()
    result = {
        "folder": folder.name,
        "split": split,
        "limit": limit,
        "only": list(only),
        "left_out": got.left_out,
        "weights": dict(networks.hashes),
        "machine": {"processor": platform.processor() or platform.machine(), "cores": cores},
        "mediapipe_version": version,
        "seconds": got.seconds,
        "notes": _notes(version is not None),
        "palmar": got.ours,
        "mediapipe": got.theirs if version is not None else None,
    }
    return plain(result), got


def compare(
    folder: Path,
    a: Networks,
    b: Networks,
    *,
    limit: int | None = None,
    split: str = "evaluate",
    only: Sequence[str] = SETS,
) -> dict[str, Any]:
    """Both trackers measured on the same hands, JSON values only: "a" and "b" as `measure` gives them, and
    "difference": per set a - b of each figure with its 95 % interval (`slices.paired_bootstrap`).

    Pictures are drawn, and of a video stretches of `STRETCH` frames. Pictures of one room and of one person are alike,
    which the interval does not know: it is the least that the uncertainty can be.
    """
    of_a, got_a = _measure(folder, None, limit, split, a, only)
    of_b, got_b = _measure(folder, None, limit, split, b, only)
    difference = {}
    for name, rows in got_a.rows.items():
        unit = rows.picture // STRETCH if name.startswith("video") else rows.picture
        difference[name] = {
            "hands": len(rows),
            "units": len(np.unique(unit)),
            **paired_bootstrap(rows, got_b.rows[name], unit),
        }
    return plain({"a": of_a, "b": of_b, "difference": difference})


@contextlib.contextmanager
def _two_cores() -> Iterator[None]:
    """This thread, and all threads and processes that it starts from here on, on two cores; where the system can."""
    if not hasattr(os, "sched_getaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[-2:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _notes(peer: bool) -> list[str]:
    notes = [
        "Keypoints, joints and sides of the labels are MediaPipe's opinion, not truth; boxes are drawn by people.",
        "Errors are over the longer side of the label's hand box; a hand that was missed has an infinite error, "
        f"except in the rows 'found only'. Hands are matched one to one; a mean error above {SAME_HAND} of the hand "
        "is a miss. Of labels of which one lies in another one's box the larger counts.",
        f"Jitter: one photograph {STILL_FRAMES} times with fresh Gaussian noise of {STILL_SIGMA:g} grey levels, RMS "
        f"about the mean after {STILL_SETTLED} frames; mm of joints from the wrist.",
        f"Speed: milliseconds a frame of the video fitted into {TIMED_SIZE[0]} x {TIMED_SIZE[1]}, two threads on two "
        f"cores, at most {TIMED_FRAMES} frames, the first {WARM} left out"
        + (f"; the trackers take turns of {CHUNK} frames." if peer else "."),
        *NOTES,
    ]
    if peer:
        notes.append(
            "MediaPipe's agreement with labels that it made itself is 1 by construction: that column says nothing of "
            "its error. (Its labels of digits were made on pictures enlarged three times, so there it differs.)"
        )
    return notes


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def plain(value: Any) -> Any:
    """JSON values: NaN and infinity become None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value


# Hands found against labels


def found_of(hands: Hands) -> Found:
    """Rows of one frame as `Found`."""
    n = len(hands)
    if not n or hands.keypoints is None or hands.joints is None:
        return Found(np.zeros((0, 21, 2)), np.zeros((0, 21, 3)), np.zeros(0, int), np.zeros(0), np.zeros(0, int))
    return Found(
        hands.keypoints[..., :2].astype(float),
        hands.joints.astype(float),
        hands.side.astype(int),
        hands.score.astype(float),
        hands.track.astype(int),
    )


def match(found: Float[np.ndarray, "n 21 2"], labels: Float[np.ndarray, "m 21 2"]) -> list[tuple[int, int]]:
    """Which found hand is which label: one to one, least sum of mean errors in hand sizes, none above `SAME_HAND`."""
    if not len(found) or not len(labels):
        return []
    apart = np.linalg.norm(found[:, None] - labels[None], axis=-1).mean(-1) / hand_size(labels)[None]
    cost = np.where(apart <= SAME_HAND, apart, 1e3)
    return [(int(i), int(j)) for i, j in zip(*linear_sum_assignment(cost), strict=True) if apart[i, j] <= SAME_HAND]


@dataclass(frozen=True, eq=False)
class _Against:
    """Found hands matched with labelled ones."""

    rows: Rows
    extra: int
    """Found hands that no label is of."""
    joints: Float[np.ndarray, "m 2 21 3"]
    """Found and labelled, of the hands that have both."""


def _against(found: Sequence[Found], labels: Sequence[Found]) -> _Against:
    error: list[np.ndarray] = []
    right: list[np.ndarray] = []
    joints: list[np.ndarray] = []
    extra = 0
    for seen, truth in zip(found, labels, strict=True):
        pairs = match(seen.keypoints, truth.keypoints)
        extra += len(seen) - len(pairs)
        error.append(np.full((len(truth), 21), np.inf))
        right.append(np.full(len(truth), np.nan))
        for i, j in pairs:
            apart = metrics.distances(seen.keypoints[[i]], truth.keypoints[[j]])[0]
            error[-1][j] = apart / hand_size(truth.keypoints[j])
            right[-1][j] = float(seen.side[i] == truth.side[j])
            if np.isfinite(seen.joints[i]).all() and np.isfinite(truth.joints[j]).all():
                joints.append(np.stack([seen.joints[i], truth.joints[j]]))
    rows = Rows(
        np.concatenate([np.zeros((0, 21)), *error]),
        np.concatenate([np.zeros(0), *right]),
        np.repeat(np.arange(len(labels)), [len(truth) for truth in labels]),
    )
    return _Against(rows, extra, np.stack(joints) if joints else np.zeros((0, 2, 21, 3)))


def agreement(found: Sequence[Found], labels: Sequence[Found]) -> dict[str, Any]:
    """Keypoints, sides and joints of pictures against their labels."""
    return _agreement(_against(found, labels), len(found))


def _agreement(against: _Against, pictures: int) -> dict[str, Any]:
    every, known = against.rows.error, ~np.isnan(against.rows.right)
    hit = every[known]
    out: dict[str, Any] = {
        "pictures": pictures,
        "hands": len(every),
        "found": len(hit),
        "extra_hands": against.extra,
    }
    if not len(every):
        return out
    out |= {
        **_curve(every),
        "found_only": {**_curve(hit), "mean_error": metrics.mean_error(hit), "median_error": _quantile(hit, 0.5)},
        "groups": {
            name: {**_curve(every[:, rows]), "mean_error_found": metrics.mean_error(hit[:, rows])}
            for name, rows in GROUPS.items()
        },
        "side_accuracy": float(against.rows.right[known].mean()) if known.any() else None,
    }
    if len(against.joints):
        a, b = against.joints[:, 0], against.joints[:, 1]
        out["joints_mm"] = {
            "hands": len(a),
            "root_relative": 1e3 * metrics.mpjpe(a, b),
            "aligned": 1e3 * metrics.pa_mpjpe(a, b),
        }
    return out


def _sliced(rows: Rows, described: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """What is said of slices of labelled hands; nothing where there is no hand."""
    if not len(rows):
        return {}
    slices = by_slice(rows, described)
    return {"slices": slices, "all_hands": figures(rows), "worst_slice": worst(slices)}


def _curve(error: Float[np.ndarray, "n k"]) -> dict[str, float]:
    shares = metrics.pck(error, PCK_AT) if len(error) else np.full(len(PCK_AT), np.nan)
    return {
        **{f"pck@{at:g}": float(share) for at, share in zip(PCK_AT, shares, strict=True)},
        f"auc@{AUC_TO:g}": metrics.auc(error, AUC_TO) if len(error) else math.nan,
    }


def _quantile(values: np.ndarray, q: float) -> float | None:
    return float(np.quantile(values, q)) if values.size else None


def detection(
    boxes: Sequence[np.ndarray], scores: Sequence[np.ndarray], true: Sequence[np.ndarray], *, threshold: float = 0.0
) -> dict[str, Any]:
    """Precision and recall from a score on, and AP50 of all boxes; a box is right at an overlap of 0.5."""
    precision, recall = metrics.evaluate_detections(boxes, scores, true).at(threshold)
    return {
        "pictures": len(true),
        "hands": sum(len(t) for t in true),
        "precision": precision,
        "recall": recall,
        "ap50": metrics.average_precision(boxes, scores, true),
    }


# Photographs


class _Watched:
    """Networks whose detections are kept. Where the detector's threshold can be lowered, weak ones are kept too, but
    not used."""

    def __init__(self, networks: Networks) -> None:
        self.networks = networks
        self.hashes = networks.hashes
        self.threshold = 0.0
        self.last = Detections.empty()

    @contextlib.contextmanager
    def low(self) -> Iterator[None]:
        detector = getattr(self.networks, "_detector", None)
        if detector is None:
            yield
            return
        self.threshold, detector.threshold = detector.threshold, AP_FROM
        try:
            yield
        finally:
            detector.threshold = self.threshold

    def detect(self, image: UInt8[np.ndarray, "h w 3"]) -> Detections:
        self.last = self.networks.detect(image)
        return self.last[np.flatnonzero(self.last.score >= self.threshold)]

    def landmarks(self, image: np.ndarray, crops: Sequence[Any]) -> Any:
        return self.networks.landmarks(image, crops)


def once_each(opinions: Sequence[Opinion]) -> tuple[Opinion, ...]:
    """Labels without those that see a hand a second time: of which half the box or more lies in a larger label's box.

    Another tracker makes such labels of a ring of fingers: a small hand within the hand.
    """
    box = np.array([hand_box(o.keypoints) for o in opinions], float).reshape(-1, 4)
    area = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])
    common = np.minimum(box[:, None, 2:], box[None, :, 2:]) - np.maximum(box[:, None, :2], box[None, :, :2])
    inside = np.prod(np.maximum(common, 0), -1) / np.maximum(area, 1e-9)[:, None]
    larger = area[None] > area[:, None]
    return tuple(o for o, doubled in zip(opinions, ((inside >= 0.5) & larger).any(1), strict=True) if not doubled)


def _photographs(
    photographs: Sequence[Photograph], networks: Networks, peer: Peer | None
) -> tuple[dict[str, Any], dict[str, Any], Rows]:
    """Of a set of stills: ours, theirs, and our rows."""
    watched = _Watched(networks)
    tracker = Tracker(watched, stills=True)
    detected: list[Detections] = []
    ours: list[Found] = []
    theirs: list[Found] = []
    images: list[np.ndarray] = []
    used: list[Photograph] = []
    described: list[dict[str, str]] = []
    clip = read([photo.path for photo in photographs], stills=True)
    with watched.low():
        for frame in clip.frames:
            photo = photographs[frame.index]
            used.append(photo)
            opinions = once_each(photo.opinions)
            hands = len(photo.boxes) if photo.has_boxes else len(opinions)
            described += [
                {"group": photo.group} | describe(frame.image, o.keypoints.astype(float), o.side, hands)
                for o in opinions
            ]
            ours.append(found_of(tracker.step(frame)))
            detected.append(watched.last)
            if peer is not None:
                images.append(frame.image)
                if len(images) == CHUNK:
                    theirs += peer(images, static=True)[0]
                    images = []
    if peer is not None and images:
        theirs += peer(images, static=True)[0]
    kept = [once_each(p.opinions) for p in used]
    labels = [
        Found(
            np.array([o.keypoints for o in opinions], float).reshape(-1, 21, 2),
            np.array([o.joints for o in opinions], float).reshape(-1, 21, 3),
            np.array([o.side for o in opinions], int),
            np.array([o.score for o in opinions]),
            np.full(len(opinions), -1),
        )
        for opinions in kept
    ]
    boxed = [i for i, p in enumerate(used) if p.has_boxes]
    true = [used[i].boxes for i in boxed]

    def of(found: list[Found], against: _Against) -> dict[str, Any]:
        out: dict[str, Any] = {"agreement": _agreement(against, len(found))}
        if boxed:
            out["boxes"] = detection(
                [hand_box(found[i].keypoints) if len(found[i]) else np.zeros((0, 4)) for i in boxed],
                [found[i].score for i in boxed],
                true,
            )
        return out

    against = _against(ours, labels)
    doubled = sum(len(p.opinions) - len(opinions) for p, opinions in zip(used, kept, strict=True))
    mine = of(ours, against) | {"labels_left_out": doubled} | _sliced(against.rows, described)
    if boxed:
        mine["detector"] = {
            **detection(
                [detected[i].box for i in boxed], [detected[i].score for i in boxed], true, threshold=watched.threshold
            ),
            "threshold": watched.threshold,
        }
    return mine, of(theirs, _against(theirs, labels)) if peer is not None else {}, against.rows


# Video


class _Some:
    """The first frames of others."""

    def __init__(self, frames: Frames, count: int | None) -> None:
        self.frames = frames
        self.source, self.fps, self.names = frames.source, frames.fps, frames.names
        self._limit = count
        self.count: int | None = frames.count if count is None else min(count, frames.count or count)

    def __iter__(self) -> Iterator[Frame]:
        for done, frame in enumerate(self.frames, 1):
            yield frame
            if done == self._limit:
                return


def _video(
    path: Path, networks: Networks, peer: Peer | None, limit: int | None
) -> tuple[dict[str, Any], dict[str, Any], Rows | None]:
    """Ours, theirs, and our rows where there are labels."""
    theirs: list[Found] = []
    images: list[np.ndarray] = []
    indices: list[int] = []
    described: list[dict[str, str]] = []
    label_of = _video_labels(path.with_suffix(".mediapipe.npz"))

    def ask() -> None:
        if peer is not None and images:
            theirs.extend(peer(images, static=False, fresh=not theirs)[0])
            images.clear()

    def observe(frame: Frame, _: Hands) -> None:
        indices.append(frame.index)
        if label_of is not None:
            label = label_of(frame.index)
            described.extend(
                describe(frame.image, points, int(side), len(label))
                for points, side in zip(label.keypoints, label.side, strict=True)
            )
        if peer is not None:
            images.append(frame.image)
            if len(images) == CHUNK:
                ask()

    clip = read(path)
    clip = track(clip.replace(frames=_Some(clip.frames, limit)), networks=networks, observe=observe)
    ask()
    ours = [found_of(clip.hands.filter(frame=index)) for index in indices]
    labels = None if label_of is None else [label_of(index) for index in indices]
    mine = of_video(ours, labels)
    rows = None
    if labels is not None:
        rows = _against(ours, labels).rows
        mine |= _sliced(rows, described)
    return mine, of_video(theirs, labels) if peer is not None else {}, rows


def _video_labels(path: Path) -> Callable[[int], Found] | None:
    """The labelled hands of each frame, one or none."""
    if not path.is_file():
        return None
    try:
        with np.load(path) as data:
            keypoints, joints, side = (np.asarray(data[name]) for name in ("keypoints", "joints", "side"))
    except (OSError, ValueError, KeyError) as err:
        raise PalmarError(f"{path}: expected the arrays keypoints, joints and side ({err}).") from err

    def at(index: int) -> Found:
        rows = [index] if index < len(side) and side[index] >= 0 and np.isfinite(keypoints[index]).all() else []
        return Found(
            keypoints[rows].astype(float),
            joints[rows].astype(float),
            side[rows].astype(int),
            np.ones(len(rows)),
            np.full(len(rows), -1),
        )

    return at


def of_video(found: Sequence[Found], labels: Sequence[Found] | None) -> dict[str, Any]:
    """Of a recording of one hand. The right side is most labels'; the hand of a frame is the one of highest score."""
    best = [int(np.argmax(f.score)) if len(f) else -1 for f in found]
    seen = [(f, i) for f, i in zip(found, best, strict=True) if i >= 0]
    out: dict[str, Any] = {"frames": len(found), "with_hand_percent": 100 * len(seen) / len(found) if found else None}
    votes = Counter(int(side) for f in labels or () for side in f.side)
    if votes and seen:
        side = votes.most_common(1)[0][0]
        out["right_side_percent"] = 100 * float(np.mean([f.side[i] == side for f, i in seen]))
    tracks = {int(t) for f in found for t in f.track}
    out["identities"] = len(tracks) if tracks and -1 not in tracks else None
    if seen:
        joints = np.stack([f.joints[i] for f, i in seen])
        joints = joints[np.isfinite(joints).all((1, 2))]
        out["bone_length_variation_percent"] = 100 * bone_length_variation(joints) if len(joints) > 1 else None
    if labels is not None:
        out["agreement"] = agreement(found, labels)
    return out


def bone_length_variation(joints: Float[np.ndarray, "t 21 3"]) -> float:
    """Standard deviation over mean of each bone's length over time, mean of the 20 bones."""
    a, b = np.array(BONES).T
    length = np.linalg.norm(joints[:, a] - joints[:, b], axis=-1)
    return float((length.std(0) / length.mean(0)).mean())


# A still hand


class _Still:
    """One picture over and over with fresh sensor noise. The same again at each iteration."""

    def __init__(self, image: UInt8[np.ndarray, "h w 3"], count: int | None = STILL_FRAMES) -> None:
        self.image = image.astype(np.float32)
        self.count: int | None = count
        self.source = "still"
        self.fps: float | None = 30.0
        self.names: tuple[str, ...] | None = None

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self.count or 0):
            noise = np.random.default_rng((SEED, index)).standard_normal(self.image.shape, np.float32)
            yield Frame(index, index / 30, (self.image + STILL_SIGMA * noise).round().clip(0, 255).astype(np.uint8))


def _jitter(
    path: Path, networks: Networks, peer: Peer | None, limit: int | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    clip = read(path)
    indices = list(range(min(clip.frames.count or 1, limit or clip.frames.count or 1)))
    label_of = _video_labels(path.with_suffix(".mediapipe.npz"))
    good = [i for i in indices if label_of is not None and len(label_of(i))]
    wanted = good[len(good) // 2] if good else len(indices) // 2
    image, index = None, 0
    for frame in clip.frames:
        image, index = frame.image, frame.index
        if frame.index >= wanted:
            break
    if image is None:
        raise PalmarError(f"{path}: no frame could be read.")
    still = _Still(image)
    ours: dict[str, Any] = {"frame": index}
    for name, smooth in (("smooth", True), ("raw", False)):
        hands = track(Clip(still), networks=networks, smooth=smooth).hands
        ours[name] = of_still([found_of(hands.filter(frame=i)) for i in range(STILL_FRAMES)])
    if peer is None:
        return ours, {}
    theirs: list[Found] = []
    images: list[np.ndarray] = []
    for frame in still:
        images.append(frame.image)
        if len(images) == CHUNK or frame.index == STILL_FRAMES - 1:
            theirs += peer(images, static=False, fresh=not theirs)[0]
            images = []
    return ours, {"frame": index, "smooth": of_still(theirs)}


def of_still(found: Sequence[Found]) -> dict[str, Any]:
    """RMS about the mean of the best hand's keypoints, and of its joints from the wrist, once settled."""
    hands = [(f, int(np.argmax(f.score))) for f in found[STILL_SETTLED:] if len(f)]
    out: dict[str, Any] = {"frames": len(found) - STILL_SETTLED, "with_hand": len(hands)}
    if len(hands) > 1:
        keypoints, joints = (np.stack([getattr(f, name)[i] for f, i in hands]) for name in ("keypoints", "joints"))
        out |= {
            "pixels": metrics.jitter(keypoints),
            "hand_pixels": float(hand_size(keypoints).mean()),
            "millimetres": 1e3 * metrics.jitter(joints - joints[:, :1]),
        }
    return out


# Truth


TRUTH_CLIPS, TRUTH_FRAMES, TRUTH_SEED = 6, 45, 424242


def _truth(networks: Networks, peer: Peer | None, limit: int | None) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Both trackers on synthetic clips whose truth is exact, the camera given; None without the synthetic world."""
    try:
        from palmar.synth.clip import moving_hand
    except PalmarError:
        return None
    ours: list[dict[str, float]] = []
    theirs: list[dict[str, float]] = []
    for index in range(TRUTH_CLIPS):
        clip = moving_hand(TRUTH_SEED, index, frames=min(TRUTH_FRAMES, limit or TRUTH_FRAMES))
        frames = ArrayFrames(list(clip.images), clip.fps)
        hands = track(Clip(frames, camera=clip.camera), networks=networks, max_hands=1).hands
        found = [found_of(hands.filter(frame=i)) for i in range(len(clip.images))]
        ours.append(against_truth(found, clip.keypoints, clip.joints))
        if peer is not None:
            seen = peer(list(clip.images), static=False, fresh=True)[0]
            theirs.append(against_truth(seen, clip.keypoints, clip.joints, camera_space=False))
    return _over_clips(ours), _over_clips(theirs)


def against_truth(
    found: Sequence[Found],
    keypoints: Float[np.ndarray, "t 21 2"],
    joints: Float[np.ndarray, "t 21 3"],
    *,
    camera_space: bool = True,
) -> dict[str, float]:
    """Of one clip of one right hand: how often it was found and named right, pixels, and millimetres where it was
    found.

    camera_space: whether the joints stand in the camera's frame at all (a peer's may be centred on the hand).
    """
    rows = [(t, f, int(np.argmax(f.score))) for t, f in enumerate(found) if len(f)]
    out = {"frames_with_hand_percent": 100 * len(rows) / max(len(found), 1)}
    if not rows:
        return out
    at = [t for t, _, _ in rows]
    pixels, metres = (
        np.stack([getattr(f, name)[i] for _, f, i in rows]).astype(float) for name in ("keypoints", "joints")
    )
    size = hand_size(keypoints[at].astype(float))
    exact = joints[at].astype(float)
    error = np.linalg.norm(pixels - keypoints[at], axis=-1) / size[:, None]
    out["right_side_percent"] = 100 * float(np.mean([f.side[i] == 1 for _, f, i in rows]))
    out["keypoint_error_over_size"] = float(error.mean())
    solved = np.isfinite(metres).all((1, 2))  # a place that could not be solved for is not a number
    metres, exact = metres[solved], exact[solved]
    out["frames_with_joints_percent"] = 100 * len(metres) / len(found)
    if not len(metres):
        return out
    out["root_relative_mm"] = 1e3 * float(metrics.mpjpe(metres, exact, root=0))
    out["aligned_mm"] = 1e3 * float(metrics.pa_mpjpe(metres, exact))
    if camera_space:
        out["camera_space_mm"] = 1e3 * float(np.linalg.norm(metres - exact, axis=-1).mean())
    return out


def _over_clips(clips: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Mean and standard deviation of each figure over the clips that have it."""
    out: dict[str, Any] = {"clips": len(clips)} if clips else {}
    for name in dict.fromkeys(name for clip in clips for name in clip):
        values = [clip[name] for clip in clips if name in clip]
        out[name] = float(np.mean(values))
        out[name + "_spread"] = float(np.std(values))
    return out


# Time


def fitted(image: UInt8[np.ndarray, "h w 3"], width: int, height: int) -> UInt8[np.ndarray, "height width 3"]:
    """Resized to fit, its shape kept, on grey."""
    h, w = image.shape[:2]
    ratio = min(width / w, height / h)
    size = (min(width, max(1, round(w * ratio))), min(height, max(1, round(h * ratio))))
    out = np.full((height, width, 3), 114, np.uint8)
    x, y = (width - size[0]) // 2, (height - size[1]) // 2
    out[y : y + size[1], x : x + size[0]] = cv2.resize(
        image, size, interpolation=cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR
    )
    return out


def _speed(
    path: Path, networks: Networks, peer: Peer | None, limit: int | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both with one hand looked for at most, and with two."""
    images = [
        fitted(frame.image, *TIMED_SIZE) for frame in _Some(read(path).frames, min(limit or TIMED_FRAMES, TIMED_FRAMES))
    ]
    ours, theirs = {}, {}
    for name, most in (("at most one hand", 1), ("at most two", 2)):
        ours[name], theirs[name] = _timed(images, networks, peer, most)
    return ours, theirs


def _timed(
    images: Sequence[UInt8[np.ndarray, "h w 3"]], networks: Networks, peer: Peer | None, most: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    frames = iter(ArrayFrames(images, source="timed"))
    tracker = Tracker(networks, max_hands=most)
    stages: list[tuple[float, float, float, float]] = []
    theirs: dict[bool, list[float]] = {False: [], True: []}
    columns = []
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK]
        for _ in chunk:
            begin = time.perf_counter()
            columns.append(tracker.columns(next(frames)))
            whole = time.perf_counter() - begin
            s = tracker.seconds
            stages.append((s["detector"], s["landmarker"], s["all"] - s["detector"] - s["landmarker"], whole))
        for lite, taken in theirs.items() if peer is not None else ():
            taken += peer(chunk, static=False, fresh=start == 0, lite=lite, most=most)[1].tolist()
    ms = 1e3 * np.array(stages)
    warm = WARM if len(ms) > 2 * WARM else 0
    ms = ms[warm:]
    ran = ms[ms[:, 0] > 0, 0]
    ours = {
        "frames": len(ms),
        "hands": len(hands_of(columns)),
        "detect_ran_percent": 100 * len(ran) / len(ms),
        "detect": _spread(ran),
        **{name: _spread(ms[:, k]) for name, k in (("landmark", 1), ("rest", 2), ("loop", 3))},
        "frames_per_second": float(1e3 / ms[:, 3].mean()),
    }
    if peer is None:
        return ours, {}
    full, lite = (np.array(theirs[kind][warm:]) for kind in (False, True))
    ours["times_as_fast_as_full"] = float(full.mean() / ms[:, 3].mean())
    ours["times_as_fast_as_lite"] = float(lite.mean() / ms[:, 3].mean())
    return ours, {
        "frames": len(full),
        "loop": _spread(full),
        "frames_per_second": float(1e3 / full.mean()),
        "lite_loop": _spread(lite),
        "lite_frames_per_second": float(1e3 / lite.mean()),
    }


def _spread(ms: np.ndarray) -> dict[str, float | None]:
    return {"p50": _quantile(ms, 0.5), "p95": _quantile(ms, 0.95), "mean": float(ms.mean()) if ms.size else None}


# The table

HEADINGS = {
    "webcam": "webcam: photographs with boxes drawn by people",
    "digits": "digits: photographs of signed digits",
    "video": "video",
    "jitter": "jitter of a still hand",
    "speed": "speed: milliseconds a frame",
    "truth": "truth: synthetic clips",
}


def render(result: Mapping[str, Any]) -> str:
    """What `measure` gave, as a table to read."""
    ours, theirs = result["palmar"], result["mediapipe"]
    columns = ["palmar", *([f"MediaPipe {result['mediapipe_version']}"] if theirs is not None else [])]
    text = [
        f"{result['folder']}, split {result['split']}"
        + (f", at most {result['limit']} of each" if result["limit"] else "")
        + f"; {result['machine']['processor']}, {result['machine']['cores']} cores"
    ]
    for section, heading in HEADINGS.items():
        if section not in ours:
            continue
        left, right = dict(_leaves(ours[section])), dict(_leaves((theirs or {}).get(section) or {}))
        names = [*left, *(name for name in right if name not in left)]
        text += ["", f"{heading:<58}" + "".join(f"{column:>20}" for column in columns)]
        for name in names:
            cells = [left.get(name), *([right.get(name)] if theirs is not None else [])]
            text.append(f"  {name:<56}" + "".join(f"{_cell(value):>20}" for value in cells))
    for name, section in _with_slices(ours):
        found = section["worst_slice"]
        text += ["", f"{name + ', by slice':<48}{HEADING}", *lines({"all": {"hands": section["all_hands"]}})]
        text += lines(section["slices"])  # a group is a scene of webcam, a digit of digits
        if found is not None:
            all_auc = section["all_hands"]["auc"]
            text.append(f"  worst AUC: {found['auc']:.3f} in {found['slice']} (n {found['n']}), {all_auc:.3f} in all")
    text += ["", *(f"left out: {part}" for part in result["left_out"]), *result["notes"]]
    return "\n".join(text)


def _with_slices(ours: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The sets that have slices, by name."""
    sets = [(name, ours[name]) for name in ("webcam", "digits") if name in ours]
    sets += [(f"video {name}", section) for name, section in ours.get("video", {}).items()]
    yield from ((name, section) for name, section in sets if "slices" in section)


def render_comparison(result: Mapping[str, Any]) -> str:
    """What `compare` gave, as a table to read: A, B, A - B and its 95 % interval."""
    text = []
    for name, rows in result["difference"].items():
        sides = [dict(_with_slices(result[which]["palmar"])).get(name) for which in ("a", "b")]
        text.append(f"{name}: {rows['hands']} hands, {rows['units']} units drawn")
        text.append(f"  {'':<16}{'A':>10}{'B':>10}{'A - B':>10}{'95 % interval':>24}")
        for figure in ("auc", "pck@0.1", "side_accuracy", "recall"):
            if figure not in rows:
                continue
            one, two = (_cell(None if side is None else side["all_hands"][figure]) for side in sides)
            row = rows[figure]
            low, high = (f"{row[end]:+.4f}" if row[end] is not None else "-" for end in ("low", "high"))
            change = f"{row['difference']:+.4f}" if row["difference"] is not None else "-"
            text.append(f"  {figure:<16}{one:>10}{two:>10}{change:>10}{f'{low} to {high}':>24}")
    for name in ("webcam", "digits"):
        aps = [result[which]["palmar"].get(name, {}).get("detector", {}).get("ap50") for which in ("a", "b")]
        if None not in aps:
            text.append(f"{name}: detector AP50 {aps[0]:.4f} and {aps[1]:.4f}")
    return "\n".join([*text, "", *NOTES])


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key not in ("slices", "all_hands", "worst_slice"):  # those have a table of their own
                yield from _leaves(item, f"{path}, {key}" if path else str(key))
    else:
        yield path.replace("_", " "), value


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return str(value)
