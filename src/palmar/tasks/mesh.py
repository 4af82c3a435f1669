"""Mesh from a crop: a square picture of one right hand in, its surface and joints out, relative to the wrist.

Left hands are mirrored before and after. Figures are those of FreiHAND (Zimmermann et al. 2019), with the errors
relative to the wrist beside them, and once more for hands of which a good part is hidden.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, UInt8

from palmar.errors import PalmarError
from palmar.metrics.firstperson import freihand_scores
from palmar.metrics.points import mpjpe, pa_mpjpe
from palmar.tasks.crops import CropSpec, read_by
from palmar.tasks.method import Report

SEEN = 1 / 3
"""A hand is called occluded where a smaller share of its joints than this is seen; fingers also hide each other."""


@dataclass(frozen=True, eq=False)
class HandMeshes:
    """What a network says of n crops of right hands: metres, axes of the crop's camera."""

    joints: Float[np.ndarray, "n 21 3"]
    vertices: Float[np.ndarray, "n v 3"]
    keypoints: Float[np.ndarray, "n 21 2"] | None = None
    """Pixels of the crop."""
    rotations: Float[np.ndarray, "n 16 3 3"] | None = None
    """Wrist and 15 finger joints, of networks that say them."""
    shape: Float[np.ndarray, "n 10"] | None = None
    fps: float = float("nan")
    """Crops per second one at a time, as the median one takes."""


@runtime_checkable
class MeshPredictor(Protocol):
    """A network of this task with its weights."""

    crop: CropSpec

    def __call__(self, crops: UInt8[np.ndarray, "n s s 3"]) -> HandMeshes: ...


def one_at_a_time(
    crops: UInt8[np.ndarray, "n s s 3"], spec: CropSpec, one: Callable[[UInt8[np.ndarray, "1 s s 3"]], HandMeshes]
) -> HandMeshes:
    """What a network says of each crop alone, joined; `fps` is that of the median one. Raises PalmarError for crops of
    another size than it reads, and for none."""
    read_by(spec, crops)
    found, took = [], []
    for i in range(len(crops)):
        began = time.perf_counter()
        found.append(one(crops[i : i + 1]))
        took.append(time.perf_counter() - began)
    names = [name for name in ("joints", "vertices", "keypoints", "rotations", "shape")
             if getattr(found[0], name) is not None]  # fmt: skip
    columns = {name: np.concatenate([getattr(each, name) for each in found]) for name in names}
    return HandMeshes(**columns, fps=1 / float(np.median(took)))


@dataclass(frozen=True, eq=False)
class MeshTruth:
    """Of n crops."""

    joints: Float[np.ndarray, "n 21 3"]
    """Metres, from wherever; they are compared relative to the wrist or aligned."""
    vertices: Float[np.ndarray, "n v 3"] | None = None
    visible: Float[np.ndarray, "n 21"] | None = None
    """1 seen, 0 hidden."""

    @property
    def occluded(self) -> Bool[np.ndarray, " n"]:
        """Crops with a smaller share of their joints seen than `SEEN`; none where it is not known."""
        if self.visible is None:
            return np.zeros(len(self.joints), bool)
        return self.visible.mean(1) < SEEN


def figures(found: HandMeshes, truth: MeshTruth) -> dict[str, float]:
    """Millimetres and shares. Raises PalmarError where the meshes are of different topologies."""
    if truth.vertices is not None and found.vertices.shape != truth.vertices.shape:
        raise PalmarError(
            f"meshes of {found.vertices.shape[1]} vertices against a truth of {truth.vertices.shape[1]}: the weights "
            "are of another hand model than the data."
        )
    joints, true = found.joints.astype(np.float64), truth.joints.astype(np.float64)
    vertices = None if truth.vertices is None else found.vertices.astype(np.float64)
    official = freihand_scores(joints, true, vertices, None if vertices is None else truth.vertices.astype(np.float64))
    out = {
        "mpjpe_mm": 1000 * mpjpe(joints, true),
        "pa_mpjpe_mm": 1000 * official.pa_mpjpe,
        "auc_joints": official.auc,
    }
    if official.pa_mpvpe is not None and official.f5 is not None and official.f15 is not None:
        out |= {"pa_mpvpe_mm": 1000 * official.pa_mpvpe, "f5": official.f5, "f15": official.f15}
    hidden = truth.occluded
    if hidden.any():
        out["pa_mpjpe_occluded_mm"] = 1000 * pa_mpjpe(joints[hidden], true[hidden], reflection=True)
    return out


def score(found: HandMeshes, truth: MeshTruth, where: str) -> Report:
    """Figures and their table. where: what ran it."""
    values = figures(found, truth)
    rows = ["| figure | |", "|---|---|", *(f"| {name} | {value:.4g} |" for name, value in values.items())]
    rows += [f"| fps | {found.fps:.1f} |", "", f"{len(truth.joints)} crops, {int(truth.occluded.sum())} of them "
             f"occluded; {where}."]  # fmt: skip
    return Report({**values, "fps": found.fps, "crops": len(truth.joints), "where": where}, "\n".join(rows))
