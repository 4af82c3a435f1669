"""Gestures from landmarks alone: static hand shapes, or short motions, learned from a few recordings of each.

    gestures, report = train_gestures(read_examples("folder"))     # one sub-folder per gesture
    gestures.save("gestures.json")
    clip = Gestures.load("gestures.json")(palmar.track("clip.mp4"))
    clip.hands.action                                              # a name, or None

Seconds on one core, without PyTorch. A hand unlike everything that was shown is no gesture.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from palmar.errors import PalmarError, PalmarWarning, one_of
from palmar.recognition.features import motion_features, points_of, pose_features
from palmar.recognition.linear import Linear, fit, temperature
from palmar.types import LEFT, Clip, Hands

SCHEMA_VERSION = 1
Kind = Literal["static", "motion"]
SURE = 0.5
"""Probability from which a gesture is named."""
SMOOTH_S = 0.15
"""Half of the time over which a hand's probabilities are averaged."""
MOST = 400
"""Rows of one recording that a static gesture is learned from; more are thinned."""
LARGEST = 64 << 20
"""Bytes of a file of gestures at most."""


@dataclass(frozen=True, eq=False)
class Example:
    """The hands of one recording that shows one gesture."""

    name: str
    """Of the gesture."""
    source: str
    hands: Hands
    fps: float | None
    """None for pictures that are no sequence."""


@dataclass(frozen=True, eq=False)
class Report:
    """How well gestures are told apart in recordings that were left out of training, one at a time."""

    names: tuple[str, ...]
    confusion: Float[np.ndarray, "k k"]
    """Rows: what was shown; columns: what was said; numbers of samples."""
    samples: int
    recordings: int

    @property
    def accuracy(self) -> float:
        """Mean over the gestures of the share that is right; NaN where a gesture has one recording only."""
        rows = self.confusion.sum(1)
        return float((np.diag(self.confusion)[rows > 0] / rows[rows > 0]).mean()) if (rows > 0).all() else float("nan")


@dataclass(frozen=True, eq=False)
class Gestures:
    """A trained recogniser; a stage Clip -> Clip that fills `Hands.action`."""

    kind: Kind
    names: tuple[str, ...]
    linear: Linear
    seconds: float = 0.0
    """Of a motion: how long the window is."""
    sure: float = SURE

    def __call__(self, clip: Clip) -> Clip:
        """The clip with the gesture of every hand in every frame, None where it is none."""
        fps = None if clip.info.get("stills") else clip.frames.fps
        return clip.replace(hands=self.label(clip.hands, fps))

    def label(self, hands: Hands, fps: float | None) -> Hands:
        """The same for hands alone. fps: None for unrelated pictures. Raises PalmarError for motions without it."""
        chances = self.probabilities(hands, fps)
        best = chances.argmax(1) if len(chances) else np.zeros(0, int)
        said = [self.names[k] if row[k] >= self.sure else None for row, k in zip(chances, best, strict=True)]
        return hands.with_columns(action=np.array(said, object).reshape(len(hands)))

    def probabilities(self, hands: Hands, fps: float | None) -> Float[np.ndarray, "n k"]:
        """Of each gesture; rows of zeros where a hand is like nothing that was shown. Means over a moment of the same
        hand."""
        out = np.zeros((len(hands), len(self.names)))
        if not len(hands):
            return out
        if self.kind == "static":
            features = pose_features(points_of(hands))
            out = self.linear.probabilities(features) * self.linear.known(features)[:, None]
            return out if fps is None else _smoothed(out, hands, SMOOTH_S * fps)
        if fps is None:
            raise PalmarError("these gestures are motions; they need a video, not unrelated pictures.")
        for rows in _tracks(hands):
            windows = list(_windows(hands[rows], fps, self.seconds))
            if not windows:
                continue
            features = np.stack([feature for _, feature in windows])
            found = self.linear.probabilities(features) * self.linear.known(features)[:, None]
            total = np.zeros((len(rows), 1))
            for (span, _), chance in zip(windows, found, strict=True):
                inside = np.linspace(-1, 1, span.stop - span.start)
                weight = (1.05 - np.abs(inside))[:, None]  # a window tells most of its middle
                out[rows[span]] += weight * chance
                total[span] += weight
            out[rows] /= np.maximum(total, 1e-9)
        return out

    def save(self, path: str | Path) -> None:
        """Write the recogniser as one JSON file, whole or not at all."""
        path = Path(path)
        values: dict[str, Any] = {
            "schema": SCHEMA_VERSION, "what": "palmar gestures", "kind": self.kind, "names": list(self.names),
            "seconds": self.seconds, "sure": self.sure,
            "linear": {
                field.name: _rounded(getattr(self.linear, field.name)) for field in fields(Linear)
            },
        }  # fmt: skip
        part = path.with_name(path.name + ".part")
        try:
            part.write_text(json.dumps(values) + "\n", encoding="utf-8")
            part.replace(path)
        except OSError as err:
            part.unlink(missing_ok=True)
            raise PalmarError(f"{path}: cannot write here ({err.strerror or err}).") from err

    @staticmethod
    def load(path: str | Path) -> Gestures:
        """Read what `save` wrote. Raises PalmarError for a file that is missing, damaged, or something else."""
        path = Path(path)
        try:
            if path.stat().st_size > LARGEST:
                raise PalmarError(f"{path}: too large for a file of gestures.")
            values = json.loads(path.read_text(encoding="utf-8"))
        except OSError as err:
            raise PalmarError(f"{path}: cannot be read ({err.strerror or err}).") from err
        except (ValueError, RecursionError) as err:
            raise PalmarError(f"{path}: not a file of gestures, it is no JSON ({err}).") from err
        try:
            if values["what"] != "palmar gestures" or int(values["schema"]) > SCHEMA_VERSION:
                raise PalmarError(f"{path}: no gestures, or those of a later palmar.")
            names = tuple(str(name) for name in values["names"])
            table = values["linear"]
            arrays = {f.name: np.asarray(table[f.name], np.float64) for f in fields(Linear) if f.name != "temperature"}
            linear = Linear(**arrays, temperature=float(table["temperature"]))
            kind: Kind = values["kind"]
            one_of("kind of gestures", kind, ("static", "motion"))
            found = Gestures(kind, names, linear, float(values["seconds"]), float(values["sure"]))
        except (KeyError, TypeError, ValueError) as err:
            raise PalmarError(f"{path}: a damaged file of gestures ({type(err).__name__}: {err}).") from err
        f, k = linear.weights.shape if linear.weights.ndim == 2 else (0, 0)
        expected = {"mean": (f,), "scale": (f,), "bias": (k,), "radius": (k,)}
        good = len(names) == k and all(getattr(linear, name).shape == shape for name, shape in expected.items())
        good &= linear.basis.shape == (f, linear.centres.shape[-1]) and linear.centres.shape[0] == k
        if not good or not all(np.isfinite(a).all() for a in arrays.values()) or f != width(kind):
            raise PalmarError(f"{path}: a damaged file of gestures: its tables do not fit each other.")
        return found


def width(kind: Kind) -> int:
    """How many features gestures of a kind are told apart by."""
    points = np.random.default_rng(0).normal(size=(2, 21, 3))
    if kind == "static":
        return pose_features(points).shape[1]
    return len(motion_features(points, np.zeros((2, 2)), 1.0, np.arange(2.0)))


def train_gestures(
    examples: Sequence[Example],
    *,
    motion: bool | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> tuple[Gestures, Report]:
    """A recogniser, and how it does on recordings that it was not shown.

    motion: whether the gestures are movements; by default they are where every recording is a sequence of at most
    three seconds. progress: called with the number of left-out rounds done and of all. Raises PalmarError for fewer
    than two gestures, and for one without a hand in any of its recordings; single ones without are left out with a
    warning.
    """
    names = tuple(sorted({example.name for example in examples}))
    if len(names) < 2:
        raise PalmarError(f"gestures are told from each other: two at least are needed, got {len(names)}.")
    if motion is None:
        motion = all(e.fps is not None and 4 <= _frames(e.hands) <= 3.0 * e.fps for e in examples)
    kind: Kind = "motion" if motion else "static"
    seconds = 0.0
    if motion:
        if any(e.fps is None for e in examples):
            raise PalmarError("motions are learned from videos; pictures have no time.")
        seconds = float(np.median([(_frames(e.hands) - 1) / float(e.fps or 1) for e in examples]))
    features, labels, source, empty = [], [], [], []
    for number, example in enumerate(examples):
        found = _features(example, kind)
        if not len(found):
            empty.append(example.source)
            continue
        features.append(found)
        labels += [names.index(example.name)] * len(found)
        source += [number] * len(found)
    lacking = [name for k, name in enumerate(names) if k not in labels]
    if lacking:
        raise PalmarError(f"gesture {lacking[0]!r}: no hand was found in any of its recordings; record it again.")
    if empty:
        warnings.warn(
            f"no hand was found in {len(empty)} recordings, {empty[0]} the first of them; they are left out.",
            PalmarWarning,
            stacklevel=2,
        )
    x, y, group = np.concatenate(features), np.array(labels), np.array(source)
    folds = _folds(group, y)
    logits, held = np.zeros((len(y), len(names))), np.zeros(len(y), bool)
    for done, out in enumerate(folds):
        test = np.isin(group, out)
        if len(np.unique(y[~test])) == len(names):
            part = fit(x[~test], y[~test], len(names))
            logits[test] = ((x[test] - part.mean) / part.scale) @ part.weights + part.bias
            held |= test
        if progress is not None:
            progress(done + 1, len(folds))
    confusion = np.zeros((len(names), len(names)))
    np.add.at(confusion, (y[held], logits[held].argmax(1)), 1.0)
    linear = fit(x, y, len(names))
    if held.any():
        linear = replace(linear, temperature=temperature(logits[held], y[held]))
    return Gestures(kind, names, linear, seconds), Report(names, confusion, len(y), len(examples))


def _folds(group: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """Recordings to leave out together: one of each gesture at a time, ten rounds at most."""
    of = [np.unique(group[labels == k]) for k in np.unique(labels)]
    rounds = min(10, max(len(rows) for rows in of))
    return [np.concatenate([rows[i::rounds] for rows in of if len(rows) > 1] or [rows[:0] for rows in of])
            for i in range(rounds)]  # fmt: skip


def _features(example: Example, kind: Kind) -> np.ndarray:
    hands = example.hands
    if kind == "static":
        step = max(1, -(-len(hands) // MOST))
        return pose_features(points_of(hands[::step])) if len(hands) else np.zeros((0, 1))
    tracks = sorted(_tracks(hands), key=len, reverse=True)[:1]  # the hand that is seen longest makes it
    out = []
    for rows in tracks:
        of = hands[rows]
        times = of.frame / float(example.fps or 1)
        if len(rows) >= 4:
            for early, late in ((0.0, 0.0), (0.1, 0.1), (0.0, 0.25), (0.25, 0.0)):  # a window never fits exactly
                part = (times >= times[0] + early * np.ptp(times)) & (times <= times[-1] - late * np.ptp(times))
                if part.sum() >= 4:
                    out.append(_motion(of[part], times[part]))
    return np.stack(out) if out else np.zeros((0, 1))


def _motion(hands: Hands, times: np.ndarray) -> Float[np.ndarray, " f"]:
    if hands.keypoints is None:
        raise PalmarError("motions need keypoints; track the recordings again.")
    way = hands.keypoints[:, 0, :2].astype(np.float64)
    if hands.side[0] == LEFT:
        way = way * [-1.0, 1.0]
    palm = np.linalg.norm(hands.keypoints[:, 9, :2] - hands.keypoints[:, 0, :2], axis=1)
    box = (hands.box[:, 2:] - hands.box[:, :2]).max(1)
    return motion_features(points_of(hands), way, float(np.median(np.maximum(palm, 0.35 * box))), times)


def _windows(hands: Hands, fps: float, seconds: float) -> Iterator[tuple[slice, np.ndarray]]:
    """(rows, features) of windows of one track, a sixth of a window apart; of a shorter track, all of it."""
    times = hands.frame / fps
    step = max(seconds / 6, 1.0 / fps)
    end = min(times[0] + seconds, times[-1])
    while end <= times[-1] + 1e-6:
        rows = slice(int(np.searchsorted(times, end - seconds - 1e-6)), int(np.searchsorted(times, end + 1e-6)))
        if rows.stop - rows.start >= 4 and np.ptp(times[rows]) >= 0.6 * seconds:
            yield rows, _motion(hands[rows], times[rows])
        end += step


def _tracks(hands: Hands) -> list[np.ndarray]:
    """Rows of each track in order of time; hands without identity all together are none's."""
    found = []
    for view, track in sorted(set(zip(hands.view.tolist(), hands.track.tolist(), strict=True))):
        rows = np.flatnonzero((hands.track == track) & (hands.view == view))
        found.append(rows[np.argsort(hands.frame[rows], kind="stable")])
    return found


def _smoothed(chances: np.ndarray, hands: Hands, half: float) -> np.ndarray:
    out = chances.copy()
    for rows in _tracks(hands):
        if hands.track[rows[0]] < 0 or len(rows) < 2:
            continue
        frames = hands.frame[rows]
        low, high = np.searchsorted(frames, frames - half), np.searchsorted(frames, frames + half, "right")
        total = np.concatenate([np.zeros((1, chances.shape[1])), np.cumsum(chances[rows], 0)])
        out[rows] = (total[high] - total[low]) / (high - low)[:, None]
    return out


def _frames(hands: Hands) -> int:
    return int(np.ptp(hands.frame)) + 1 if len(hands) else 0


def _rounded(value: Any) -> Any:
    return float(value) if np.ndim(value) == 0 else np.round(np.asarray(value, np.float64), 7).tolist()
