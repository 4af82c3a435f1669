"""Recognisers of short recordings of real hands side by side: `palmar bench sequences FOLDER`.

    words   sign-words.npz: 180 recordings of 30 frames, 3 words; 5 folds, whole recordings held out
    paths   point_history.csv: 5,296 paths of a fingertip over 16 frames, 4 kinds; three blocks of ten of each kind's
            rows held out. A row is mostly the row before it, one frame later, so rows that share frames with held-out
            ones are not learned from either

The action transformer of EffHandEgoNet (Mucha and Kampel 2024) against the nearest neighbour under dynamic time warping
(Sakoe and Chiba 1978), a GRU (Cho et al. 2014) of about as many weights, and logistic regression on the mean over time.
Those that begin at random are trained with three seeds.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from palmar.errors import PalmarError, need
from palmar.recognition.linear import fit as fit_linear

SEEDS = (0, 1, 2)
FOLDS = 5
BLOCKS, HELD = 10, (2, 5, 8)
"""Each kind's rows are cut into so many blocks in the file's order; these are held out."""
STEPS, BATCH, RATE = 600, 64, 2e-3
BAND = 5
"""Frames by which the warping may lead or lag."""
LARGEST = 1 << 28


@dataclass(frozen=True, eq=False)
class Task:
    """N sequences of T frames, and which of them are learned from and held out."""

    name: str
    x: Float[np.ndarray, "n t d"]
    y: Int[np.ndarray, " n"]
    classes: int
    folds: tuple[tuple[Int[np.ndarray, " _"], Int[np.ndarray, " _"]], ...]
    """Rows that are learned from, and rows that are held out."""


Recogniser = Callable[[np.ndarray, np.ndarray, np.ndarray, int, int], np.ndarray]
"""(sequences and labels to learn, sequences to name, classes, seed) -> labels."""


def words(file: Path) -> Task:
    """Both hands and the upper body's arms, x and y relative to the shoulders' middle and width; 0 where not seen."""
    try:
        with np.load(file, allow_pickle=False) as found:
            left, right, pose, label = (found[name] for name in ("left", "right", "pose", "label"))
    except (OSError, ValueError, KeyError) as err:
        raise PalmarError(f"{file}: expected arrays left, right, pose and label ({err}).") from err
    shoulders = pose[:, :, 11:13, :2]
    middle = shoulders.mean(2, keepdims=True)
    size = np.maximum(np.linalg.norm(shoulders[:, :, 0] - shoulders[:, :, 1], axis=-1), 1e-3)[:, :, None, None]
    parts = []
    for points in (left[..., :2], right[..., :2], pose[:, :, 11:17, :2]):
        seen = (points != 0).any((2, 3), keepdims=True)
        parts.append(np.where(seen, (points - middle) / size, 0.0).reshape(*points.shape[:2], -1))
    y = np.unique(label, return_inverse=True)[1]
    order = np.random.default_rng(0).permutation(len(y))
    every = np.arange(len(y))
    folds = tuple((np.setdiff1d(every, order[k::FOLDS]), order[k::FOLDS]) for k in range(FOLDS))
    return Task("words", np.concatenate(parts, -1), y, int(y.max()) + 1, folds)


def paths(file: Path) -> Task:
    """Paths of a fingertip, as the file has them: x and y relative to the first, over the picture's size."""
    try:
        if file.stat().st_size > LARGEST:
            raise PalmarError(f"{file}: too large for a table of paths.")
        with open(file, encoding="utf-8-sig", newline="") as handle:
            rows = np.array([[float(value) for value in row] for row in csv.reader(handle) if row])
        y, x = rows[:, 0].astype(int), rows[:, 1:].reshape(len(rows), -1, 2)
    except (OSError, ValueError, IndexError) as err:
        raise PalmarError(f"{file}: expected rows of a label and x, y by turns ({err}).") from err
    return Task("paths", x, y, int(y.max()) + 1, (blocks(y, x.shape[1]),))


def blocks(y: Int[np.ndarray, " n"], frames: int) -> tuple[Int[np.ndarray, " _"], Int[np.ndarray, " _"]]:
    """Rows to learn from and rows held out, of windows of so many frames that follow one another frame by frame.

    Windows less than their length apart share frames, so those beside a held-out block belong to neither.
    """
    shown, held = [], []
    for kind in np.unique(y):
        of = np.flatnonzero(y == kind)
        place = np.arange(len(of))
        out = np.isin(place * BLOCKS // len(of), HELD)
        gap = np.abs(place[:, None] - place[out]).min(1, initial=len(of))
        held.append(of[out])
        shown.append(of[gap >= frames])
    return np.concatenate(shown), np.concatenate(held)


# -------------------------------------------------------------------------------------------------------- recognisers


def warped(a: Float[np.ndarray, "n t d"], b: Float[np.ndarray, "m t d"]) -> Float[np.ndarray, "n m"]:
    """Dynamic time warping distances: the least sum of Euclidean distances along a path through both sequences."""
    n, t, _ = a.shape
    m = len(b)
    out = np.empty((n, m))
    for i in range(n):
        gap = np.sqrt(((a[i][None, :, None] - b[:, None]) ** 2).sum(-1))  # m t t
        cost = np.full((m, t + 1, t + 1), np.inf)
        cost[:, 0, 0] = 0.0
        for p in range(1, t + 1):
            for q in range(max(1, p - BAND), min(t, p + BAND) + 1):
                before = np.minimum(np.minimum(cost[:, p - 1, q], cost[:, p, q - 1]), cost[:, p - 1, q - 1])
                cost[:, p, q] = gap[:, p - 1, q - 1] + before
        out[i] = cost[:, t, t]
    return out


def nearest(x: np.ndarray, y: np.ndarray, new: np.ndarray, classes: int, seed: int) -> np.ndarray:
    del classes, seed
    return y[warped(new, x).argmin(1)]


def mean_regression(x: np.ndarray, y: np.ndarray, new: np.ndarray, classes: int, seed: int) -> np.ndarray:
    del seed
    return fit_linear(x.mean(1), y, classes).probabilities(new.mean(1)).argmax(1)


def transformer(x: np.ndarray, y: np.ndarray, new: np.ndarray, classes: int, seed: int) -> np.ndarray:
    import torch

    from palmar.methods.effhandegonet.action import ActionTransformer
    from palmar.methods.effhandegonet.sequences import evenly, randomly

    torch.manual_seed(seed)
    net = ActionTransformer(x.shape[2], classes)
    return _trained(net, lambda s, rng: s[randomly(len(s), rng)], lambda s: s[evenly(len(s))], x, y, new, seed)


def gru(x: np.ndarray, y: np.ndarray, new: np.ndarray, classes: int, seed: int) -> np.ndarray:
    import torch
    from torch import nn

    class Recurrent(nn.Module):
        """One layer, its last state read linearly."""

        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = nn.GRU(x.shape[2], 64, batch_first=True), nn.Linear(64, classes)

        def forward(self, sequence):
            return self.head(self.body(sequence)[0][:, -1])

    torch.manual_seed(seed)
    return _trained(Recurrent(), lambda s, _: s, lambda s: s, x, y, new, seed)


def _trained(net: Any, draw: Any, whole: Any, x, y, new, seed: int) -> np.ndarray:
    """The same training for both: AdamW, cosine to zero."""
    import torch
    import torch.nn.functional as F

    rng = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(net.parameters(), RATE, weight_decay=1e-4)
    course = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    flat = x.reshape(-1, x.shape[-1])
    mean, scale = flat.mean(0), np.maximum(flat.std(0), 1e-3)
    x, new = (x - mean) / scale, (new - mean) / scale
    for _ in range(STEPS):
        rows = rng.integers(len(x), size=BATCH)
        batch = np.stack([draw(x[row], rng) for row in rows]).astype(np.float32)
        loss = F.cross_entropy(net.train()(torch.from_numpy(batch)), torch.from_numpy(y[rows]))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        course.step()
    with torch.inference_mode():
        batch = np.stack([whole(s) for s in new]).astype(np.float32)
        return net.eval()(torch.from_numpy(batch)).argmax(1).numpy()


RECOGNISERS: Mapping[str, tuple[Recogniser, bool]] = {
    "action transformer": (transformer, True),
    "GRU": (gru, True),
    "1-NN, dynamic time warping": (nearest, False),
    "logistic regression on the mean": (mean_regression, False),
}
"""By name, and whether it begins at random."""


# --------------------------------------------------------------------------------------------------------------- table


def measure(
    folder: Path, *, seeds: Sequence[int] = SEEDS, progress: Callable[[int, int | None], None] | None = None
) -> dict[str, Any]:
    """Accuracy of every recogniser on what it did not see: JSON values. Raises PalmarError where both files are
    missing."""
    need("torch", extra="torch")
    known = {"sign-words.npz": words, "point_history.csv": paths}
    tasks = [make(folder / name) for name, make in known.items() if (folder / name).is_file()]
    if not tasks:
        raise PalmarError(f"{folder}: neither {' nor '.join(known)} is in this folder.")
    out: dict[str, Any] = {}
    runs = sum(len(seeds) if random else 1 for _, random in RECOGNISERS.values()) * len(tasks)
    done = 0
    for task in tasks:
        held = sum(len(fold) for _, fold in task.folds)
        out[task.name] = {"classes": task.classes, "sequences": len(task.y), "held_out": held, "recognisers": {}}
        out[task.name]["learned"] = [len(shown) for shown, _ in task.folds]
        tested = np.concatenate([task.y[fold] for _, fold in task.folds])
        common = max(float((tested == k).mean()) for k in range(task.classes))
        out[task.name]["commonest"] = common
        for name, (recognise, random) in RECOGNISERS.items():
            begun, scores = time.perf_counter(), []
            for seed in seeds if random else seeds[:1]:
                right = 0
                for shown, fold in task.folds:
                    said = recognise(task.x[shown], task.y[shown], task.x[fold], task.classes, seed)
                    right += int((said == task.y[fold]).sum())
                scores.append(right / held)
                done += 1
                if progress is not None:
                    progress(done, runs)
            out[task.name]["recognisers"][name] = {
                "accuracy": float(np.mean(scores)), "spread": float(np.std(scores)), "runs": len(scores),
                "seconds": time.perf_counter() - begun,
            }  # fmt: skip
    return out


def render(found: Mapping[str, Any]) -> str:
    """A Markdown table."""
    names = list(found)
    head = [f"{n}: {found[n]['classes']} kinds, {found[n]['held_out']} held out" for n in names]
    rows = [f"| | {' | '.join(head)} |", "|---" * (len(names) + 1) + "|"]
    for one in RECOGNISERS:
        cells = []
        for name in names:
            r = found[name]["recognisers"][one]
            spread = f" ± {100 * r['spread']:.1f}" if r["runs"] > 1 else ""
            cells.append(f"{100 * r['accuracy']:.1f}{spread} %")
        rows.append(f"| {one} | {' | '.join(cells)} |")
    common = " | ".join(f"{100 * found[name]['commonest']:.1f} %" for name in names)
    rows.append(f"| always the commonest | {common} |")
    return "\n".join(rows)


__all__ = ["blocks", "measure", "paths", "render", "warped", "words"]
