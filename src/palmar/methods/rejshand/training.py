"""`palmar train|eval rejshand`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from tyro.conf import arg

from palmar.errors import PalmarError
from palmar.hand import HandModel
from palmar.methods.rejshand.convert import load_backbone
from palmar.methods.rejshand.model import PAPER, SMALL, Config, ReJSHand
from palmar.methods.rejshand.objective import MeshLoss
from palmar.methods.rejshand.predictor import NAME, MeshPredictor
from palmar.nn.fastvit import FastVit
from palmar.nn.landmarker import LandmarkerTrunk
from palmar.tasks.method import Report
from palmar.train.described import told, write_network
from palmar.train.loop import Outcome, Recipe, train
from palmar.train.meshcrops import Batches, FreiHandCrops, MeshCrops, evaluate, open_crops, some_pictures
from palmar.train.options import RunOptions
from palmar.train.start import start_trunk

SIZES = {"small": SMALL, "paper": PAPER}
HANDS = 2000
"""That a regressor of joints is fitted to."""


@dataclass(frozen=True)
class Train(RunOptions):
    """Train ReJSHand, a mesh from one crop in real time, and go on where the run stands."""

    data: Annotated[str, arg(metavar="DATA")] = "drawn"
    """Crops to learn from: drawn, drawn:COUNT, synthetic:/path or freihand:/path."""
    folder: Annotated[Path, arg(name="run", metavar="DIR")] = Path("runs/rejshand")
    """Folder of the run."""
    size: Literal["small", "paper"] = "small"
    """small: the trunk of palmar's landmarker, begun from its weights, 128 pixels. paper: FastViT-MA36, 224 pixels."""
    backbone: Annotated[Path | None, arg(metavar="FILE")] = None
    """Weights of timm's fastvit_ma36 (its state dict) to begin the paper's backbone from."""
    graph: bool = False
    """Gather along the hand's bones in the first stage."""
    coordinate: bool = False
    """Coordinate attention on the expanded map."""
    steps: int = 20_000
    batch: int = 64
    rate: float = 5e-4
    seed: int = 0

    def run(self) -> Report:
        size = SIZES[self.size].size
        crops = open_crops(self.data, "train", size=size)
        regressor = regressor_of(crops)
        config = replace(SIZES[self.size], graph=self.graph, coordinate=self.coordinate, vertices=crops.vertices,
                         scale=1.6, upright=crops.upright)  # fmt: skip
        write_network(self.folder, config, None, self.data, name=NAME)
        recipe = Recipe(NAME, self.seed, self.batch, self.steps, self.rate, min(1280, max(self.steps // 10, 1)),
                        weight_decay=0.01, clip=1.0, precision=self.precision)  # fmt: skip
        outcome = fit(crops, config, recipe, self.folder, regressor, backbone=self.backbone, **self.options())
        return told(outcome, self.folder)


def fit(
    crops: MeshCrops, config: Config, recipe: Recipe, folder: Path, regressor: Float[np.ndarray, "21 v"], *,
    backbone: Path | None = None, **options: Any,
) -> Outcome:  # fmt: skip
    """The network trained on crops. regressor, backbone: see `begun`. options: of `palmar.train.loop.train`."""
    batches = Batches(crops, size=recipe.batch, seed=recipe.seed)
    loss = MeshLoss(config.size, torch.from_numpy(regressor.astype(np.float32)))
    return train(lambda: begun(config, regressor, crops, backbone), loss, batches, recipe, folder, **options)


def begun(
    config: Config, regressor: Float[np.ndarray, "21 v"], crops: MeshCrops, backbone: Path | None = None
) -> ReJSHand:
    """A new network, its trunk begun from the landmarker's weights where it is that one, or from a file of timm's
    fastvit_ma36. Raises PalmarError for a file that is not of the trunk."""
    network = ReJSHand(config, regressor)
    if backbone is not None:
        if not isinstance(network.trunk, FastVit):
            raise PalmarError(f"{backbone}: weights of FastViT-MA36; the small size has another trunk, use size paper.")
        load_backbone(network.trunk, backbone)
    if isinstance(network.trunk, LandmarkerTrunk):
        start_trunk(network.trunk, some_pictures(crops))
    return network


def regressor_of(crops: MeshCrops) -> Float[np.ndarray, "21 v"]:
    """The joints of a mesh as sums of its vertices: palmar's own regressor, or the one that a data set's joints and
    vertices were made with, found again by least squares, so that no file of a hand model is needed."""
    if not crops.vertices:
        raise PalmarError("ReJSHand learns from vertices, which these data have not; take drawn crops, "
                          "synthetic:/path or freihand:/path.")  # fmt: skip
    if not isinstance(crops, FreiHandCrops):
        return HandModel.default().landmark_regressor
    entries = np.unique([crops.data.entry(int(row)) for row in crops.rows])
    entries = entries[np.linspace(0, len(entries) - 1, min(HANDS, len(entries))).astype(int)]
    if crops.data.vertices is None:
        raise PalmarError(f"{crops.data.file('verts')}: no such file; ReJSHand learns from vertices.")
    return fitted(crops.data.vertices[entries], crops.data.joints[entries])


def fitted(
    vertices: Float[np.ndarray, "n v 3"], joints: Float[np.ndarray, "n 21 3"], ridge: float = 1e-6
) -> Float[np.ndarray, "21 v"]:
    """J with J vertices = joints and rows that sum to 1, the one of least squares; metres."""
    middle = vertices.mean(1, keepdims=True)
    v = (vertices - middle).transpose(0, 2, 1).reshape(-1, vertices.shape[1]).astype(np.float64)
    j = (joints - middle).transpose(0, 2, 1).reshape(-1, joints.shape[1]).astype(np.float64)
    u, s, vt = np.linalg.svd(v, full_matrices=False)
    weights = (vt.T * (s / (s**2 + (ridge * s[0]) ** 2))) @ (u.T @ j)  # v 21
    spare = 1 - weights.sum(0)  # given to all vertices alike it moves nothing here, where their mean is 0
    return weights.T + spare[:, None] / vertices.shape[1]


@dataclass(frozen=True)
class Evaluate:
    """Score ReJSHand on crops it never saw: FreiHAND's figures, errors about the wrist, frames per second."""

    weights: Annotated[Path, arg(metavar="DIR")]
    """Folder of a run."""
    data: str = field(default="drawn:1000", kw_only=True)
    """drawn:COUNT, or a data set: synthetic, freihand, ho3d, interhand, dexycb, h2o or fpha:/path."""
    split: str = "test"
    """Part of the data: train, val or test; of FreiHAND also training and evaluation."""
    limit: int = 0
    """Crops at most, spread over all; 0: all."""
    threads: int = 1
    device: str = "cpu"

    def run(self) -> Report:
        predictor = MeshPredictor.of_run(self.weights, device=self.device)
        return evaluate(predictor, self.data, self.split, limit=self.limit, threads=self.threads, device=self.device)
