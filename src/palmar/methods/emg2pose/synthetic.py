"""Recordings of palmar's synthetic muscles in emg2pose's form: users, stages, and bands put on again and again.

    python -m palmar.methods.emg2pose.synthetic /data/muscles --users 12 --held-out 4

A user is a forearm (`palmar.synth.sense.emg.Arm`), a session one wearing of the band, a stage a family of gestures. The
hand goes through the stage's poses with minimum-jerk moves and rests; muscles, motor units and the band's recording are
those of `palmar.synth.sense.emg`. Everything is a pure function of (seed, user, stage, session).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from jaxtyping import Float
from tyro.conf import Positional, arg

from palmar.data.emg2pose import write_emg2pose
from palmar.errors import one_of
from palmar.hand import limits
from palmar.synth import gestures, pose
from palmar.synth.sense import emg
from palmar.tasks.method import Report
from palmar.tasks.signal import RATE, Record

ELECTRODE = 2 * math.pi / emg.ELECTRODES
"""Radians from one electrode to the next."""
STEP = 0.01
"""Seconds between the poses that muscles follow."""
LOST = 0.07
"""Share of samples without a pose, as if motion capture had failed."""
Angles = Float[np.ndarray, "5 3 3"]
Draw = Callable[[np.random.Generator], Angles]


def _named(prefix: str) -> Draw:
    names = [name for name in gestures.NAMES if name.startswith(prefix)]
    return lambda rng: gestures.shape(names[int(rng.integers(len(names)))])


def _single(rng: np.random.Generator) -> Angles:
    """One finger bent, the others at rest."""
    out = emg.relaxed_angles()
    finger = int(rng.integers(5))
    out[finger, :, 0] = np.array([1.2, 1.3, 0.8] if finger else [0.5, 0.8, 0.9]) * rng.uniform(-0.2, 1.0)
    return limits.clip(out)


def _fist(rng: np.random.Generator) -> Angles:
    """All fingers together, between open and closed."""
    share = rng.random()
    return limits.clip((1 - share) * gestures.shape("count 5") + share * gestures.shape("letter S"))


def _spread(rng: np.random.Generator) -> Angles:
    """Straight fingers, near each other or apart."""
    share = rng.random()
    return limits.clip((1 - share) * gestures.shape("letter B") + share * gestures.shape("count 5"))


STAGES: Mapping[str, Draw] = {
    "fist": _fist,
    "single_finger": _single,
    "counting": _named("count"),
    "spread": _spread,
    "free": lambda rng: pose.sample_pose(rng).angles,
    "letters": _named("letter"),
    "grasps": lambda rng: pose.sample_grasp(rng).angles,
}
TRAINED = ("fist", "single_finger", "counting", "spread", "free")
"""Stages to learn from; the others are held out."""
HELD = tuple(name for name in STAGES if name not in TRAINED)


def joint_angles(angles: Float[np.ndarray, "*b 5 3 3"]) -> Float[np.ndarray, "*b 20"]:
    """Anatomical angles in emg2pose's 20: abduction of fingers > 0 towards the thumb's side."""
    thumb = np.stack([angles[..., 0, 0, 0], angles[..., 0, 0, 1], angles[..., 0, 1, 0], angles[..., 0, 2, 0]], -1)
    aside = angles[..., 1:, 0, 1] * np.array([1.0, 1.0, -1.0, -1.0])
    fingers = np.concatenate([aside[..., None], angles[..., 1:, :, 0]], -1)
    return np.concatenate([thumb, fingers.reshape(*fingers.shape[:-2], 16)], -1)


def motion(draw: Draw, rng: np.random.Generator, seconds: float) -> Float[np.ndarray, "t 5 3 3"]:
    """Minimum-jerk moves of 0.2 to 0.8 s from pose to pose with rests between, every `STEP`."""
    times = np.arange(round(seconds / STEP) + 1) * STEP
    out = np.empty((len(times), 5, 3, 3))
    here, clock = emg.relaxed_angles(), 0.0
    while clock <= times[-1]:
        there, length, rest = draw(rng), rng.uniform(0.2, 0.8), rng.exponential(0.3)
        rows = (times >= clock) & (times < clock + length + rest)
        done = pose.minimum_jerk((times[rows] - clock) / length)[:, None, None, None]
        out[rows] = here + done * (there - here)
        here, clock = there, clock + length + rest
    return out


@dataclass(frozen=True)
class People:
    """Who is recorded. The draws of a user do not depend on how many there are."""

    seed: int = 0
    seconds: float = 60.0
    """Of one recording."""

    def record(
        self,
        user: int,
        stage: str,
        session: int = 0,
        *,
        turn: float = 0.0,
        split: str = "train",
        generalization: str = "none",
    ) -> Record:
        """One recording. turn: electrodes by which the band sits away from the user's habit, besides its own chance."""
        one_of("stage", stage, STAGES)
        person = np.random.default_rng((self.seed, 1, user))
        arm, habit = emg.Arm.sample(person), emg.Band.sample(person)
        key = (self.seed, 2, user, zlib.crc32(stage.encode()), session)
        rng = np.random.default_rng(key)
        side = ("left", "right")[int(rng.integers(2))]
        arm = replace(arm, side=int(side == "right"))
        band = emg.Band.sample(np.random.default_rng((self.seed, 3, user, session)), habit)
        band = replace(band, rotation=band.rotation + turn * ELECTRODE)
        angles = motion(STAGES[stage], rng, self.seconds)
        clock = np.arange(len(angles)) * STEP
        found = emg.record(arm, band, clock, angles, rng)
        signal = emg.normalised(found, band)
        flat = joint_angles(angles)
        labels = np.stack([np.interp(found.times, clock, column) for column in flat.T], 1).astype(np.float32)
        labels[lost(rng, len(labels))] = 0.0
        name = f"user{user:03d}-{stage}-recording-{session}_{side}"
        return Record(
            name, signal, labels, f"user{user:03d}", stage, f"user{user:03d}-{session}", side, split, generalization,
            found.times,
        )  # fmt: skip

    def everyone(
        self, users: Sequence[int], stages: Sequence[str], sessions: Sequence[int] = (0,), **options
    ) -> Iterator[Record]:
        for user in users:
            for stage in stages:
                for session in sessions:
                    yield self.record(user, stage, session, **options)


def lost(rng: np.random.Generator, count: int) -> np.ndarray:
    """Where motion capture fails: stretches of 0.2 to 1 s, `LOST` of all samples in the mean."""
    out = np.zeros(count, bool)
    for _ in range(rng.poisson(LOST * count / (0.6 * RATE))):
        start = int(rng.integers(count))
        out[start : start + int(rng.uniform(0.2, 1.0) * RATE)] = True
    return out


@dataclass(frozen=True)
class Write:
    """Write a data set of synthetic muscles in emg2pose's files and splits."""

    folder: Annotated[Positional[Path], arg(metavar="DIR")]
    """Where the set is written."""
    users: int = 12
    """To learn from."""
    held_out: int = 4
    """Users held out; the first quarter of them, at least one, for val."""
    sessions: int = 2
    """Wearings of the band of each user to learn from."""
    seconds: float = 60.0
    """Of one recording."""
    seed: int = 0

    def run(self) -> Report:
        people = People(self.seed, self.seconds)
        known = range(self.users)
        late = range(self.users, self.users + self.held_out)
        val = late[: max(self.held_out // 4, 1)]
        test = late[len(val) :]

        def all_of_it() -> Iterator[Record]:
            again = (self.sessions,)
            yield from people.everyone(known, TRAINED, range(self.sessions))
            yield from people.everyone(val, TRAINED, split="val", generalization="user")
            yield from people.everyone(val, HELD[:1], split="val", generalization="user_stage")
            yield from people.everyone(test, TRAINED, split="test", generalization="user")
            yield from people.everyone(known, HELD, again, split="test", generalization="stage")
            yield from people.everyone(test, HELD, split="test", generalization="user_stage")

        made = write_emg2pose(self.folder, all_of_it())
        counts = {part: sum(e.split == part for e in made.entries) for part in ("train", "val", "test")}
        rows = [f"| {part} | {count} |" for part, count in counts.items()]
        return Report(dict(counts), "\n".join([f"{self.folder}:", "", "| part | recordings |", "|---|---|", *rows]))


if __name__ == "__main__":
    import tyro

    print(tyro.cli(Write).run().table)
