"""Heat maps of hands with known doubt, and the poses that made them: for networks that answer with many poses.

    sample = heat_sample("train", 7)          # heat [21, 64, 64], pose [21, 3], unsure [21]

A hand of the synthetic world is seen by a pinhole in a square about it, as a detector's crop. A joint that is sure has
a narrow bump, as detectors of keypoints make them. Of the others, as where something hides a finger, one part are broad
and weak, one part have a second bump where the neighbouring finger has the same joint, and one part are nearly even.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from palmar.errors import PalmarError, one_of
from palmar.hand import HandModel
from palmar.synth.pose import sample_orientation, sample_pose

SIZE = 64
SEEDS = {"train": 81, "val": 82, "test": 83}
UNSURE = 0.3
"""Share of joints that are unsure in a hand where any are; half of the hands have none."""
NEIGHBOUR = {1: 2, 2: 3, 3: 4, 4: 3}
"""Finger (thumb 0) whose joint is mistaken for that of this one."""


@dataclass(frozen=True, eq=False)
class HeatSample:
    heat: Float32[np.ndarray, "21 64 64"]
    pose: Float32[np.ndarray, "21 3"]
    """Metres about the wrist, axes of the camera."""
    unsure: Bool[np.ndarray, " 21"]


def heat_sample(part: str, index: int) -> HeatSample:
    """A pure function of part and number."""
    rng = np.random.default_rng((SEEDS[one_of("part", part, SEEDS)], index))
    model = HandModel.default()
    rotations = model.rotations_from_angles(sample_pose(rng).angles)
    rotations[0] = sample_orientation(rng)
    joints = model.shaped(rng.normal(0, 1, 10)).posed(rotations).joints()
    depth = rng.uniform(0.35, 0.8)
    seen = joints[:, :2] / (joints[:, 2:] + depth)
    low, high = seen.min(0), seen.max(0)
    side = float((high - low).max()) * rng.uniform(1.2, 1.5)
    middle = (low + high) / 2 + rng.uniform(-0.05, 0.05, 2) * side
    places = (seen - middle) * (SIZE / side) + (SIZE - 1) / 2
    unsure = np.zeros(21, bool)
    if rng.random() < 0.5:
        unsure = rng.random(21) < UNSURE
        unsure[0] = False
    heat = np.stack([_map(rng, places, joint, bool(unsure[joint])) for joint in range(21)])
    return HeatSample(heat.astype(np.float32), (joints - joints[0]).astype(np.float32), unsure)


def _bump(place: np.ndarray, sigma: float) -> np.ndarray:
    cells = np.arange(SIZE)
    x, y = (np.exp(-0.5 * ((cells - at) / sigma) ** 2) for at in place)
    return y[:, None] * x


def _map(rng: np.random.Generator, places: np.ndarray, joint: int, unsure: bool) -> np.ndarray:
    noise = rng.normal(0, 0.004, (SIZE, SIZE))
    if not unsure:
        return rng.uniform(0.6, 0.95) * _bump(places[joint] + rng.normal(0, 0.7, 2), rng.uniform(1.6, 2.4)) + noise
    kind = rng.integers(3)
    if kind == 0:
        return rng.uniform(0.15, 0.35) * _bump(places[joint] + rng.normal(0, 4, 2), rng.uniform(5, 8)) + noise
    finger, which = divmod(joint - 1, 4)
    if kind == 1 and finger in NEIGHBOUR:
        other = places[1 + 4 * NEIGHBOUR[finger] + which]
        share = rng.uniform(0.3, 0.7)
        true, false = (_bump(place + rng.normal(0, 0.7, 2), 2.2) for place in (places[joint], other))
        return 0.5 * (share * true + (1 - share) * false) + noise
    return 0.02 + 0.03 * _bump(places[joint] + rng.normal(0, 8, 2), 14.0) + noise


def heat_samples(part: str, count: int) -> list[HeatSample]:
    """The first `count` of a part."""
    if count < 1:
        raise PalmarError(f"heat maps: {count} of them; give a count above 0.")
    return [heat_sample(part, i) for i in range(count)]
