"""Signal to pose: what a band of electrodes around the wrist says about the angles of the fingers.

A window of signal goes in ([16, t] at 2000 Hz), the 20 joint angles at every sample come out ([20, t'], radians).
**Regression** finds the pose; **tracking** is given the one at the first sample. Scores are those of emg2pose (Salter
et al., NeurIPS Datasets and Benchmarks 2024): mean angular error, landmark distance on one generic hand, by held-out
users, held-out stages (families of gestures), and both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from palmar.errors import PalmarError
from palmar.geometry.rotations import namespace, rotmat_from_rotvec
from palmar.tasks.method import Report

JOINTS = (
    "THUMB_CMC_FE", "THUMB_CMC_AA", "THUMB_MCP_FE", "THUMB_IP_FE",
    *(f"{f}_{j}" for f in ("INDEX", "MIDDLE", "RING", "PINKY") for j in ("MCP_AA", "MCP_FE", "PIP_FE", "DIP_FE")),
)  # fmt: skip
"""FE: flexion > 0; AA: abduction, of fingers > 0 towards the thumb's side."""
DOF = len(JOINTS)
FINGERS = ("thumb", "index", "middle", "ring", "pinky")
"""Four angles each, in this order."""
GROUPS: Mapping[str, tuple[int, ...]] = {
    "proximal": (0, 1, 4, 5, 8, 9, 12, 13, 16, 17),
    "mid": (2, 6, 10, 14, 18),
    "distal": (3, 7, 11, 15, 19),
}
LIMITS = np.array(
    [
        (-0.7873, 1.2873), (-0.6118, 0.6118), (0.0, 1.2873), (-0.2585, 1.0873),
        (-0.3373, 0.4873), (-0.2873, 1.3373), (0.0, 1.8825), (0.0, 1.4337),
        (-0.4873, 0.2873), (-0.2873, 1.4373), (0.0, 1.8825), (0.0, 1.4337),
        (-0.2873, 0.2873), (-0.2873, 1.5373), (0.0, 1.8825), (0.0, 1.4337),
        (-0.6873, 0.4873), (-0.4873, 1.6373), (0.0, 1.8825), (0.0, 1.4337),
    ]
)  # fmt: skip
"""Radians, lowest and highest of the data set's generic hand. Nothing clamps to them."""
RATE = 2000
"""Samples per second of signal and angles."""
ELECTRODES = 16
UNKNOWN = 1e-8
"""A pose whose angles are all this small is no pose: inverse kinematics failed there."""
EVERY = 40
"""Distances on the hand are measured on every 40th sample."""


def known(angles: Float[np.ndarray, "*b 20"]) -> Bool[np.ndarray, "*b"]:
    """Where there is a pose. The angles are last."""
    return (np.abs(angles) > UNKNOWN).any(-1)


# ------------------------------------------------------------------------------------------------------------ the hand

LANDMARKS = (
    "thumb tip", "index tip", "middle tip", "ring tip", "pinky tip", "wrist", "thumb intermediate", "thumb distal",
    *(f"{f} {j}" for f in FINGERS[1:] for j in ("proximal", "intermediate", "distal")), "palm",
)  # fmt: skip
TIPS = tuple(range(5))
SCORED = tuple(i for i, name in enumerate(LANDMARKS) if not name.endswith("proximal"))
"""Landmark distance leaves the four points out that never move, but for the wrist."""
_BONE = (4, 7, 10, 13, 16, 1, 2, 3, 1, 5, 6, 1, 8, 9, 1, 11, 12, 1, 14, 15)
"""The frame that each landmark but the palm moves with: 1 the wrist, then three of each finger."""
_PALM_BONES = (1, 8, 5)


@dataclass(frozen=True, eq=False)
class SignalHand:
    """One hand for everyone: an axis and a point on it for every angle, all of them in the frame of the hand at rest.

    Angles of a finger act in order, each in the frame that those before it have turned. Metres, or whatever the points
    are in.
    """

    axes: Float[np.ndarray, "20 3"]
    points: Float[np.ndarray, "20 3"]
    rest: Float[np.ndarray, "21 3"]
    """`LANDMARKS` at rest; the wrist is the origin."""
    palm: tuple[float, float, float] = (0.8, 0.15, 0.05)
    """How much the palm's centre moves with the wrist, the middle and the index finger."""

    def landmarks(self, angles: Float[Any, "*b 20"]) -> Float[Any, "*b 21 3"]:
        """Where the landmarks are. NumPy or PyTorch, and differentiable."""
        xp = namespace(angles)
        axes, points, rest = (_like(a, angles) for a in (self.axes, self.points, self.rest))
        turns = rotmat_from_rotvec(angles[..., None] * axes)  # b 20 3 3
        turned: dict[int, Any] = {}
        moved: dict[int, Any] = {}
        for finger in range(5):
            turn = shift = None
            for k in range(4):
                d = 4 * finger + k
                own = points[d] - _apply(turns[..., d, :, :], points[d])
                if turn is None:
                    turn, shift = turns[..., d, :, :], own
                else:
                    turn, shift = turn @ turns[..., d, :, :], _apply(turn, own) + shift
                if k:
                    turned[1 + 3 * finger + k], moved[1 + 3 * finger + k] = turn, shift
        still = angles[..., :1] * 0
        out = []
        for i, bone in enumerate(_BONE):
            out.append(rest[i] + still if bone == 1 else _apply(turned[bone], rest[i]) + moved[bone])
        weights = np.asarray(self.palm) / np.sum(self.palm)
        palm = weights[0] * (rest[20] + still)
        for w, bone in zip(weights[1:], _PALM_BONES[1:], strict=True):
            palm = palm + w * (_apply(turned[bone], rest[20]) + moved[bone])
        return xp.stack([*out, palm], -2)


def _apply(turn: Any, point: Any) -> Any:
    return (turn @ point[..., None])[..., 0]


def _like(values: np.ndarray, angles: Any) -> Any:
    if isinstance(angles, np.ndarray):
        return values.astype(angles.dtype)
    return angles.new_tensor(values)


def _default() -> SignalHand:
    joints = np.array(
        [
            (-34.9, -3.7, 22.4), (-45.7, -22.6, 40.4), (-70.1, -39.4, 58.5), (-87.7, -49.9, 63.1),
            (-95.8, -3.8, 24.0), (-120.4, -3.9, 29.3), (-142.3, -4.2, 34.3), (-160.6, -4.6, 39.3),
            (-94.9, 0.1, 0.0), (-126.6, 0.0, -2.5), (-153.0, -0.1, -2.7), (-170.6, 0.0, -2.2),
            (-89.5, 0.4, -18.0), (-117.0, 0.6, -25.5), (-139.6, 0.3, -29.6), (-157.2, -0.1, -32.5),
            (-80.8, -3.8, -35.0), (-99.4, -3.4, -43.7), (-113.1, -3.4, -49.5), (-126.4, -4.0, -55.9),
        ]
    ).reshape(5, 4, 3) / 1000  # fmt: skip
    axes = np.array(
        [
            (0.81, -0.574, -0.117), (0.857, 0.0, 0.516), (0.625, -0.772, 0.116), (0.588, -0.787, 0.186),
            (0.045, 0.969, 0.242), (0.209, -0.246, 0.946), (0.223, -0.245, 0.944), (0.257, -0.254, 0.932),
            (-0.019, 0.984, 0.177), (-0.078, -0.178, 0.981), (-0.004, -0.157, 0.988), (-0.014, -0.176, 0.984),
            (-0.046, 0.987, 0.154), (-0.263, -0.16, 0.951), (-0.178, -0.142, 0.974), (-0.224, -0.157, 0.962),
            (0.001, 1.0, -0.003), (-0.427, 0.003, 0.904), (-0.386, 0.006, 0.922), (-0.409, 0.01, 0.913),
        ]
    )  # fmt: skip
    return hand_of_joints(joints, axes / np.linalg.norm(axes, axis=-1, keepdims=True))


def hand_of_joints(joints: Float[np.ndarray, "5 4 3"], axes: Float[np.ndarray, "20 3"]) -> SignalHand:
    """A hand of its joints at rest (fingers thumb to little; three joints and the tip; the wrist at the origin)."""
    wrist = np.zeros(3)
    rest = [*joints[:, 3], wrist, joints[0, 1], joints[0, 2], *joints[1:, :3].reshape(12, 3), joints[2, 0] / 2]
    return SignalHand(axes, joints[:, [0, 0, 1, 2]].reshape(DOF, 3), np.array(rest))


HAND = _default()
"""palmar's own hand of mean shape, right; metres, its hand frame. Left hands have the same angles."""


def distance(
    found: Float[Any, "*b 20"], true: Float[Any, "*b 20"], rows: tuple[int, ...] = SCORED, hand: SignalHand = HAND
) -> Float[Any, "*b"]:
    """Mean distance of the landmarks `rows` in every pose, in the hand's unit. Differentiable in PyTorch, too where the
    poses are equal."""
    gap = hand.landmarks(found)[..., list(rows), :] - hand.landmarks(true)[..., list(rows), :]
    if isinstance(gap, np.ndarray):
        return np.sqrt((gap**2).sum(-1)).mean(-1)
    return ((gap**2).sum(-1) + 1e-20).sqrt().mean(-1)


# ----------------------------------------------------------------------------------------------------------- recordings


@dataclass(frozen=True, eq=False)
class Record:
    """One hand in one stage: signal and angles over about a minute."""

    name: str
    emg: Float[np.ndarray, "t e"]
    """Electrodes in ring order; silence has a standard deviation of about 1."""
    angles: Float[np.ndarray, "t 20"]
    """Radians; rows of zeros where there is no pose (`known`)."""
    user: str = ""
    stage: str = ""
    session: str = ""
    side: str = "right"
    """"left" or "right"."""
    split: str = "train"
    generalization: str = "none"
    """What of a test recording is held out: "user", "stage", "user_stage"; "none" of training."""
    times: Float[np.ndarray, " t"] | None = None
    """Seconds, unix time in the data set; from 0 at `RATE` if not given."""

    def __post_init__(self) -> None:
        if len(self.emg) != len(self.angles):
            raise PalmarError(f"{self.name}: {len(self.emg)} samples of signal, {len(self.angles)} of angles.")
        if self.side not in ("left", "right"):
            raise PalmarError(f"{self.name}: side must be left or right, got {self.side!r}.")


def windows(there: Bool[np.ndarray, " t"], length: int, stride: int, *, compatible: bool = True) -> list[int]:
    """First samples of windows without a hole: each run of known samples begins its own, `stride` apart.

    compatible: the published protocol, which counts a run as one sample shorter for whether it is long enough, and as
    two shorter for how many windows it holds; without, every window that fits.
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(np.int8)))
    out: list[int] = []
    for start, end in edges.reshape(-1, 2).tolist():
        run = end - start
        count = (run - length) // stride + 1 if run >= length else 0
        if compatible:
            count = (run - 2 - length) // stride + 1 if run - 1 >= length else 0
        out += [start + k * stride for k in range(count)]
    return out


# --------------------------------------------------------------------------------------------------------------- scores


def errors(
    found: Float[np.ndarray, "t 20"],
    true: Float[np.ndarray, "t 20"],
    there: Bool[np.ndarray, " t"] | None = None,
    *,
    hand: SignalHand = HAND,
    compatible: bool = False,
) -> dict[str, float]:
    """Scores of one window or recording, over the samples that have a pose: radians and metres (of `hand`), NaN of
    none.

    mae: mean angular error; by finger and by group. landmark_distance, fingertip_distance: on every 40th sample. vel,
    acc, jerk: how fast the angles found change, rad/s, rad/s2, rad/s3. compatible: acc and jerk as published, which
    multiply by the rate once instead of twice and three times.
    """
    if found.shape != true.shape or found.ndim != 2:
        raise PalmarError(f"signal.errors: angles found are {found.shape}, true ones {true.shape}; expected [t, 20].")
    there = known(true) if there is None else there
    gap = np.abs(found.astype(np.float64) - true)[there]
    nan = float("nan")
    out = {"mae": float(gap.mean()) if len(gap) else nan}
    for i, finger in enumerate(FINGERS):
        out[f"mae_{finger}"] = float(gap[:, 4 * i : 4 * i + 4].mean()) if len(gap) else nan
    for group, rows in GROUPS.items():
        out[f"mae_{group}"] = float(gap[:, list(rows)].mean()) if len(gap) else nan
    some = there[::EVERY]
    a, b = (x[::EVERY][some].astype(np.float64) for x in (found, true))
    for name, rows in (("landmark_distance", SCORED), ("fingertip_distance", TIPS)):
        out[name] = float(distance(a, b, rows, hand).mean()) if len(a) else nan
    for order, name in ((1, "vel"), (2, "acc"), (3, "jerk")):
        if len(found) <= order:
            out[name] = nan
            continue
        whole = np.lib.stride_tricks.sliding_window_view(there, order + 1).all(-1)
        change = np.abs(np.diff(found.astype(np.float64), order, axis=0))[whole]
        out[name] = float(change.mean()) * RATE ** (1 if compatible else order) if len(change) else nan
    return out


@dataclass(frozen=True)
class Scored:
    """Scores of one window and what it is of."""

    user: str
    stage: str
    generalization: str
    figures: Mapping[str, float]


def report(scored: Sequence[Scored], about: str = "") -> Report:
    """Means over windows of each user, then mean and spread over users, for each kind of generalization."""
    if not scored:
        raise PalmarError("no window to score: recordings are too short, or their poses unknown.")
    figures: dict[str, Any] = {"windows": len(scored)}
    rows = ["| held out | users | windows | angular error | landmarks | fingertips |", "|---|---|---|---|---|---|"]
    for kind in sorted({s.generalization for s in scored}, key=_order):
        here = [s for s in scored if s.generalization == kind]
        each = [by_mean([s.figures for s in here if s.user == user]) for user in sorted({s.user for s in here})]
        mean = by_mean(each)
        spread = {name: float(np.nanstd([e[name] for e in each])) for name in mean}
        figures[kind] = {"users": len(each), "windows": len(here), "mean": mean, "spread": spread}
        cells = [f"{np.degrees(mean['mae']):.1f} ± {np.degrees(spread['mae']):.1f} deg"]
        cells += [
            f"{1000 * mean[n]:.1f} ± {1000 * spread[n]:.1f} mm" for n in ("landmark_distance", "fingertip_distance")
        ]
        rows.append(f"| {kind.replace('_', ' + ')} | {len(each)} | {len(here)} | {' | '.join(cells)} |")
    return Report(figures, "\n".join(rows + (["", about] if about else [])))


def _order(kind: str) -> tuple[int, str]:
    known_kinds = ("none", "user", "stage", "user_stage")
    return (known_kinds.index(kind) if kind in known_kinds else len(known_kinds), kind)


def by_mean(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each figure over those that have it."""
    out = {}
    for name in figures[0]:
        values = np.array([f[name] for f in figures])
        values = values[np.isfinite(values)]
        out[name] = float(values.mean()) if len(values) else float("nan")
    return out
