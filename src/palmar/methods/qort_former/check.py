"""`palmar check qort_former`: each of the three ideas taken away, and the number of queries and layers put back."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.stats import rankdata
from tyro.conf import arg

from palmar.data.datasets import frames_of, open_split
from palmar.methods.qort_former.budget import costs, timed
from palmar.methods.qort_former.model import Config, QortFormer
from palmar.methods.qort_former.pictures import contact_target
from palmar.methods.qort_former.predictor import QortPredictor
from palmar.methods.qort_former.training import SIZES, fit
from palmar.tasks.method import Report
from palmar.train.checks import Runs, brief, chosen
from palmar.train.options import CheckOptions, on_threads
from palmar.types.firstperson import EgoFrame, Vocabulary

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "QORT-Former": {},
    "undivided queries": {"division": False},
    "no contact features": {"contact": False},
    "no patches": {"patches": False},
}
"""What is changed of the config; as many queries in all."""
MANY: Mapping[str, Any] = {
    "layers": 6, "division": False, "contact": False, "patches": False, "hand_queries": 120, "object_queries": 60,
}  # fmt: skip
"""300 learned queries and six layers."""
OURS, CONSTANT = "QORT-Former", "mean of training"
COLUMNS = ("left", "right", "object", "mean", "hands", "mean with contact")
LOST = {"undivided queries": "mean", "no contact features": "mean with contact", "no patches": "hands"}
"""What doing without an idea should worsen."""
TOUCHES = 0.5
"""A vertex with a contact value above this touches: within six millimetres of the object's box."""


@dataclass(frozen=True)
class Check(CheckOptions):
    """Each idea of QORT-Former against the same network without it, on held-out frames, over seeds; and its speed
    against 300 queries in six layers.

    Fails where taking an idea away does no harm beyond the spread over seeds: undivided queries to the mean error, no
    contact features to the error on frames with contact, no patches to the hands' error; where the contact map is no
    better than a constant one; or where it is less than twice as fast.
    """

    data: Annotated[str, arg(metavar="DATA")]
    """kind:/path with a part to learn from."""
    test: str | None = None
    """kind:/path with the held-out frames; DATA itself if not given."""
    split: str = "test"
    """Part of the held-out frames."""
    size: Literal["small", "tiny"] = "tiny"
    frames: int = 2000
    """Frames at most to learn from, spread over all."""
    held_out: int = 400
    """Frames at most to score on, spread over all."""
    steps: int = 1500
    batch: int = 16
    rate: float = 1e-3
    variants: tuple[str, ...] = tuple(VARIANTS)

    def run(self) -> Report:
        train = open_split(self.data, "train")
        learn = frames_of(train, self.data, self.frames)
        test = frames_of(open_split(self.test or self.data, self.split, train.vocabulary), self.data, self.held_out)
        config = replace(SIZES[self.size], objects=len(train.vocabulary.objects) - 1)
        with on_threads(self.threads):
            return self.compare(learn, test, config, train.vocabulary)

    def compare(self, learn: Sequence[EgoFrame], test: Sequence[EgoFrame], config: Config, words: Vocabulary) -> Report:
        """Trains every variant with every seed and scores it."""
        chosen(self.variants, VARIANTS, OURS, self.seeds)
        runs = Runs()
        for name in self.variants:
            for seed in self.seeds:
                one = replace(config, **VARIANTS[name])
                recipe = brief(self.steps, self.batch, self.rate, seed, weight_decay=0.05)
                with tempfile.TemporaryDirectory() as folder:
                    outcome = fit(
                        learn, one, recipe, Path(folder), threads=self.threads, device=self.device,
                        checkpoint_minutes=60, quiet=True,
                    )  # fmt: skip
                assert isinstance(outcome.model, QortFormer)
                runs.add(name, errors(QortPredictor(outcome.model, words), test))
        guess = constant(learn, test)
        return report(runs, guess, speed(config), self.steps * self.batch)


def errors(predictor: QortPredictor, frames: Sequence[EgoFrame]) -> dict[str, float]:
    """Millimetres, and the area under the curve of contact."""
    found = predictor(frames)
    truth, known = zip(*(contact_target(frame, predictor.config) for frame in frames), strict=True)
    there, touch = np.stack(known), np.stack(truth)
    sides = list(predictor.config.hands)
    touched = (touch[there] > TOUCHES).ravel()
    out = _millimetres(found.joints, found.points, frames, np.asarray((touch > TOUCHES).any((1, 2))))
    out["contact_auc"] = area_under_curve(found.contact[:, sides][there].ravel(), touched)
    return out


def constant(learn: Sequence[EgoFrame], test: Sequence[EgoFrame]) -> dict[str, float]:
    """What the mean of all hands and objects of the training frames gives."""
    joints = np.nanmean(np.stack([frame.joints for frame in learn]).astype(np.float64), 0)
    points = np.nanmean(np.stack([frame.points for frame in learn]).astype(np.float64), 0)
    n = len(test)
    return _millimetres(np.repeat(joints[None], n, 0), np.repeat(points[None], n, 0), test, np.zeros(n, bool))


def _millimetres(
    joints: Float[np.ndarray, "n 2 21 3"],
    points: Float[np.ndarray, "n 21 3"],
    frames: Sequence[EgoFrame],
    contact: Bool[np.ndarray, " n"],
) -> dict[str, float]:
    hands = 1000 * np.linalg.norm(joints - np.stack([f.joints for f in frames]), axis=-1).mean(-1)  # n 2
    thing = 1000 * np.linalg.norm(points - np.stack([f.points for f in frames]), axis=-1).mean(-1)  # n
    both = np.concatenate([hands, thing[:, None]], 1)
    parts = {name: _mean(both[:, i]) for i, name in enumerate(("left", "right", "object"))}
    return {
        **parts,
        "mean": float(np.nanmean(list(parts.values()))),
        "hands": _mean(hands),
        "mean with contact": _mean(both[contact]),
    }


def _mean(values: np.ndarray) -> float:
    """Of those that are there; NaN of none."""
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float("nan")


def area_under_curve(scores: Float[np.ndarray, " n"], positive: Bool[np.ndarray, " n"]) -> float:
    """Probability that a positive has a higher score than a negative, half of ties: 0.5 for a constant. NaN where one
    kind is missing."""
    good = int(positive.sum())
    bad = len(positive) - good
    if not good or not bad:
        return float("nan")
    return float((rankdata(scores)[positive].sum() - good * (good + 1) / 2) / (good * bad))


def speed(config: Config) -> dict[str, float]:
    """Frames per second of the network and of 300 queries in six layers, in the threads that there are."""
    out = {}
    for name, one in (("ours", config), ("many", replace(config, **MANY))):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = QortFormer(one).eval()
        if one.contact:
            model.contact.fold()
        out[f"fps_{name}"] = 1000 / timed(model, 9)["whole"]
        out[f"multiply_adds_{name}"] = float(costs(one)["whole"].multiply_adds)
    return out


def report(runs: Runs, guess: Mapping[str, float], fast: Mapping[str, float], samples: int) -> Report:
    """Table, and whether every idea that was taken away was missed."""
    runs.found = {CONSTANT: [guess], **runs.found}
    ratio = fast["fps_ours"] / fast["fps_many"]
    claims = {
        "contact map better than a constant": runs.mean(OURS, "contact_auc") > 0.5,
        "twice as fast": ratio >= 2,
    }
    for name, column in LOST.items():
        if name in runs:
            claims[f"{name} is worse ({column})"] = runs.lower(OURS, name, column)
    where = (
        f"Millimetres; {samples:,} samples a run. Speed: {fast['fps_ours']:.1f} frames/s against "
        f"{fast['fps_many']:.1f} with 300 queries in six layers, {ratio:.1f} times"
    )
    columns = {name: name for name in COLUMNS} | {"contact_auc": "contact, area under the curve"}
    return runs.report(runs.table(columns), claims, where, speed=dict(fast))
