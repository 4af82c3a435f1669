"""Plots of a result: joint angles, reach, speed, who is there when. Each takes a clip and gives a Matplotlib figure.

Lines break where a hand was not seen; nothing is drawn across a gap. Colours tell sides and fingers apart for colour-
blind eyes too (Okabe & Ito 2008).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from palmar.errors import PalmarError
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand.angles import JOINT_NAMES, angles_from_rotations
from palmar.hand.joints import TIPS
from palmar.hand.model import HandModel
from palmar.types import Clip

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDES = ("left", "right")
SIDE_COLOURS = ("#0072B2", "#D55E00")
FINGER_COLOURS = {
    "thumb": "#D55E00", "index": "#0072B2", "middle": "#009E73", "ring": "#CC79A7", "little": "#E69F00",
}  # fmt: skip
STYLES = ("-", "--", ":")
"""Joints from proximal to distal."""
GAP = 1.5
"""Times the usual step, from which two rows have a gap between them."""
MOST = 6
"""Hands that a plot has room for: those that are there longest."""


@dataclass(frozen=True, eq=False)
class Path:
    """Rows of one followed hand in order, with a row of NaN put into every gap."""

    name: str
    side: int
    times: Float[np.ndarray, " t"]
    """Seconds; frame numbers where no times are known. Inside a gap, its middle."""
    rows: np.ndarray
    """Row of the hands, -1 in a gap."""

    def of(self, column: np.ndarray) -> np.ndarray:
        """A column of the hands along the path, NaN in gaps."""
        out = column[np.maximum(self.rows, 0)].astype(np.float64)
        out[self.rows < 0] = np.nan
        return out


def times_of(clip: Clip) -> tuple[Float[np.ndarray, " f"], str]:
    """A number for every frame, and what it is of: seconds where times or a rate are known."""
    count = int(clip.info.get("frames") or (clip.hands.frame.max() + 1 if len(clip.hands) else 0))
    known = clip.info.get("times")
    if known is not None and len(known) >= count:
        return np.asarray(known, np.float64), "time (s)"
    if clip.frames.fps:
        return np.arange(count) / clip.frames.fps, "time (s)"
    return np.arange(count, dtype=np.float64), "picture"


def paths(clip: Clip) -> Iterator[Path]:
    """All followed hands of a clip."""
    hands = clip.hands
    times, _ = times_of(clip)
    for view, track, side in sorted(
        set(zip(hands.view.tolist(), hands.track.tolist(), hands.side.tolist(), strict=True))
    ):
        rows = np.flatnonzero((hands.view == view) & (hands.track == track) & (hands.side == side))
        rows = rows[np.argsort(hands.frame[rows], kind="stable")]
        frames = hands.frame[rows]
        holes = np.flatnonzero(np.diff(frames) > GAP) + 1
        at = times[frames]
        middle = (at[holes - 1] + at[holes]) / 2
        name = f"{SIDES[side]} {track}" + (f", view {view}" if view else "")
        yield Path(name, side, np.insert(at, holes, middle), np.insert(rows, holes, -1))


def longest(clip: Clip, figure_of: str) -> tuple[list[Path], str]:
    """The `MOST` hands with most rows, and a line that says how many are left out ("" for none)."""
    every = list(paths(clip))
    rows = [int((path.rows >= 0).sum()) for path in every]
    kept = sorted(np.argsort([-n for n in rows], kind="stable")[:MOST].tolist())
    left = len(every) - len(kept)
    return [every[i] for i in kept], f"{figure_of}; {left} more hands, seen more briefly, are left out" if left else ""


def joint_angles(clip: Clip) -> Figure:
    """Flexion of every joint and abduction of the fingers over time, degrees, a column for each hand."""
    hands = clip.hands
    if hands.pose is None or not len(hands):
        raise PalmarError(f"{clip.frames.source}: no hand with a pose, whose angles could be drawn.")
    shown, said = longest(clip, "joint angles")
    figure, axes = _figure(6, len(shown), (5.2 * len(shown) + 1.2, 10.5), sharex=True, sharey="row")
    rotations = rotmat_from_rotvec(np.nan_to_num(hands.pose.astype(np.float64)))
    bad = ~np.isfinite(hands.pose).all((1, 2))
    for column, path in enumerate(shown):
        angles = np.degrees(angles_from_rotations(rotations, HandModel.default(path.side)))
        angles[bad] = np.nan
        along = path.of(angles)
        for f, (finger, joints) in enumerate(JOINT_NAMES.items()):
            axis = axes[f][column]
            for j, joint in enumerate(joints):
                axis.plot(path.times, along[:, f, j, 0], STYLES[j], color=FINGER_COLOURS[finger], label=joint, lw=1.3)
            axes[5][column].plot(path.times, along[:, f, 0, 1], color=FINGER_COLOURS[finger], label=finger, lw=1.3)
            if not column:
                axis.set_ylabel(f"{finger}\nflexion (°)")
        axes[0][column].set_title(path.name)
        axes[5][column].set_xlabel(times_of(clip)[1])
    axes[5][0].set_ylabel("abduction (°)")
    if said:
        figure.suptitle(said)
    for row in axes:
        row[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8)
    return figure


def reach(clip: Clip) -> Figure:
    """Where wrist and fingertips went, metres: seen as the camera sees it, from above, from the side; dots, and the
    hull of each hand's."""
    joints = clip.hands.joints
    if joints is None or not len(clip.hands):
        raise PalmarError(f"{clip.frames.source}: no hand with joints in space, whose reach could be drawn.")
    figure, axes = _figure(1, 3, (13.0, 4.6))
    planes = (("camera's view", 0, 1, True), ("from above", 0, 2, False), ("from the side", 2, 1, True))
    for path in paths(clip):
        rows = path.rows[path.rows >= 0]
        tips = joints[rows][:, [0, *TIPS]].astype(np.float64)
        tips = tips[np.isfinite(tips).all((1, 2))]
        for axis, (_, a, b, _) in zip(axes[0], planes, strict=True):
            flat = tips[..., [a, b]].reshape(-1, 2)
            axis.plot(
                tips[:, 1:, a].ravel(), tips[:, 1:, b].ravel(), ".", ms=2, alpha=0.25, color=SIDE_COLOURS[path.side]
            )
            axis.plot(
                tips[:, 0, a], tips[:, 0, b], "-", lw=1.2, color=SIDE_COLOURS[path.side], label=f"{path.name}: wrist"
            )
            hull = _hull(flat)
            if hull is not None:
                axis.fill(*hull.T, color=SIDE_COLOURS[path.side], alpha=0.12, lw=0)
    names = "xyz"
    for axis, (title, a, b, down) in zip(axes[0], planes, strict=True):
        axis.set_title(title)
        axis.set_xlabel(f"{names[a]} (m)")
        axis.set_ylabel(f"{names[b]} (m)" + (", down" if down else ", away"))
        axis.set_aspect("equal", "datalim")
        if down:
            axis.invert_yaxis()
    axes[0][0].legend(frameon=False, fontsize=8)
    return figure


def speeds(clip: Clip, path: Path) -> tuple[Float[np.ndarray, " t"], Float[np.ndarray, "t 6"]]:
    """Metres per second of the wrist and the five tips between neighbouring frames, and the times halfway; NaN where
    one of the two is missing."""
    joints = clip.hands.joints
    if joints is None:
        raise PalmarError(f"{clip.frames.source}: no hand with joints in space, whose speed could be told.")
    at = path.of(joints)[:, [0, *TIPS]]
    step = np.diff(path.times)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (path.times[1:] + path.times[:-1]) / 2, np.linalg.norm(np.diff(at, axis=0), axis=-1) / step[:, None]


def speed(clip: Clip) -> Figure:
    """Speed of the wrist and the fingertips over time, metres per second, a row for each hand."""
    if clip.hands.joints is None or not len(clip.hands):
        raise PalmarError(f"{clip.frames.source}: no hand with joints in space, whose speed could be drawn.")
    if times_of(clip)[1] != "time (s)":
        raise PalmarError(f"{clip.frames.source}: unrelated pictures have no time, and hands in them no speed.")
    shown, said = longest(clip, "speed")
    figure, axes = _figure(len(shown), 1, (9.5, 2.6 * len(shown) + 0.8), sharex=True)
    for axis, path in zip(axes[:, 0], shown, strict=True):
        times, values = speeds(clip, path)
        for k, finger in enumerate(JOINT_NAMES):
            axis.plot(times, values[:, 1 + k], color=FINGER_COLOURS[finger], lw=0.9, label=f"{finger} tip")
        axis.plot(times, values[:, 0], color="black", lw=1.6, label="wrist")
        axis.set_ylabel(f"{path.name}\nspeed (m/s)")
        axis.set_ylim(bottom=0)
    axes[-1, 0].set_xlabel("time (s)")
    if said:
        figure.suptitle(said)
    axes[0, 0].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8)
    return figure


def presence(clip: Clip) -> Figure:
    """Left and right over time: a bar where a hand is there, as strong as its score, and the scores below."""
    from matplotlib.collections import PolyCollection

    if not len(clip.hands):
        raise PalmarError(f"{clip.frames.source}: no hand was found in it.")
    times, unit = times_of(clip)
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    figure, axes = _figure(2, 1, (9.5, 3.8), sharex=True)
    bars, scores = axes[:, 0]
    lanes = 0
    names = []
    for path in paths(clip):
        rows = path.rows[path.rows >= 0]
        start = times[clip.hands.frame[rows]]
        score = clip.hands.score[rows]
        low, high = lanes - 0.38, lanes + 0.38
        boxes = [[(t, low), (t + step, low), (t + step, high), (t, high)] for t in start]
        shade = PolyCollection(boxes, facecolors=SIDE_COLOURS[path.side], edgecolors="none")
        shade.set_alpha(np.clip(0.25 + 0.75 * score, 0, 1))
        bars.add_collection(shade)
        scores.plot(path.times, path.of(clip.hands.score), color=SIDE_COLOURS[path.side], lw=1.1)
        names.append(path.name)
        lanes += 1
    bars.set_yticks(range(lanes), names)
    bars.set_ylim(lanes - 0.4, -0.6)
    scores.set_ylim(0, 1.05)
    scores.set_xlim(times[0] if len(times) else 0, (times[-1] if len(times) else 1) + step)
    scores.set_ylabel("score")
    scores.set_xlabel(unit)
    return figure


PLOTS: Mapping[str, Callable[[Clip], Any]] = {
    "angles": joint_angles,
    "reach": reach,
    "speed": speed,
    "presence": presence,
}
"""By the names of files."""


def _figure(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Figure, np.ndarray]:
    """Without pyplot, which keeps every figure alive and asks for a screen."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(max(rows, 1), max(columns, 1), squeeze=False, **options)
    for axis in axes.ravel():
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _hull(points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "k 2"] | None:
    """Corners of the convex hull; None of points that span no area."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        return points[ConvexHull(points).vertices] if len(points) > 2 else None
    except QhullError:
        return None
