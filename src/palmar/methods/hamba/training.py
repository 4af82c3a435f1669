"""`palmar train|eval hamba` and `hamer`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import arg

from palmar.errors import PalmarError
from palmar.hand import HandModel
from palmar.methods.hamba.convert import load_official
from palmar.methods.hamba.model import HAMER, PAPER, SMALL, SMALL_HAMER, Config, MeshNetwork
from palmar.methods.hamba.objective import MeshLoss
from palmar.methods.hamba.predictor import NAME, MeshPredictor, crop_of
from palmar.nn.landmarker import LandmarkerTrunk
from palmar.tasks.method import Report
from palmar.train.described import told, write_network
from palmar.train.loop import Outcome, Recipe, train
from palmar.train.meshcrops import Batches, MeshCrops, evaluate, open_crops, some_pictures
from palmar.train.options import RunOptions
from palmar.train.start import start_trunk

HEADS = {"hamba": {"small": SMALL, "paper": PAPER}, "hamer": {"small": SMALL_HAMER, "paper": HAMER}}


@dataclass(frozen=True)
class _Train(RunOptions):
    data: Annotated[str, arg(metavar="DATA")] = "drawn"
    """Crops to learn from: drawn, drawn:COUNT, or a data set: synthetic, freihand, ho3d, interhand, dexycb, h2o
    or fpha:/path."""
    folder: Annotated[Path | None, arg(name="run", metavar="DIR")] = None
    """Folder of the run; runs/NETWORK if not given."""
    size: Literal["small", "paper"] = "small"
    """small: the trunk of palmar's landmarker, begun from its weights, 128 pixels. paper: ViT-H/16, 256 pixels."""
    backbone: Annotated[Path | None, arg(metavar="FILE")] = None
    """Checkpoint of HaMeR or WiLoR to take the paper's transformer from; else it begins at random."""
    mano: Annotated[Path | None, arg(metavar="FILE")] = None
    """MANO_RIGHT.pkl of your own: the network then says MANO's hand instead of palmar's."""
    steps: int = 20_000
    batch: int = 32
    rate: float = 5e-4
    published: bool = False
    """HaMeR's weights of the losses, summed over the batch; its rate is 1e-5."""
    seed: int = 0

    def trained(self, head: str) -> Report:
        model = HandModel.default() if self.mano is None else HandModel.from_mano(self.mano, side=1)
        hand: Literal["palmar", "mano"] = "palmar" if self.mano is None else "mano"
        folder, small = self.folder or Path("runs") / head, HEADS[head][self.size]
        crops = open_crops(self.data, "train", size=small.size)
        config = replace(small, scale=1.6, upright=crops.upright, hand=hand)
        if self.mano is not None and crops.parametric:
            raise PalmarError(f"--mano: {self.data} are of palmar's hand; train MANO's on freihand:/path, say.")
        write_network(folder, config, None, self.data, name=NAME)
        recipe = Recipe(head, self.seed, self.batch, self.steps, self.rate, min(500, max(self.steps // 10, 1)),
                        weight_decay=1e-4, precision=self.precision)  # fmt: skip
        outcome = fit(
            crops, config, recipe, folder, model=model, backbone=self.backbone, published=self.published,
            **self.options(),
        )  # fmt: skip
        return told(outcome, folder)


@dataclass(frozen=True)
class TrainHamba(_Train):
    """Train Hamba: a first hand, then graph-guided state spaces over what lies under its joints. A run goes on where it
    stands."""

    def run(self) -> Report:
        return self.trained("hamba")


@dataclass(frozen=True)
class TrainHamer(_Train):
    """Train HaMeR's head, one query that asks the map; Hamba's baseline. A run goes on where it stands."""

    def run(self) -> Report:
        return self.trained("hamer")


def fit(
    crops: MeshCrops, config: Config, recipe: Recipe, folder: Path, *, model: HandModel | None = None,
    backbone: Path | None = None, published: bool = False, **options: Any,
) -> Outcome:  # fmt: skip
    """The network trained on crops. options: of `palmar.train.loop.train`."""
    batches = Batches(crops, size=recipe.batch, seed=recipe.seed)
    loss = MeshLoss(config.size, published=published, compatible=published)
    return train(lambda: begun(config, model, crops, backbone), loss, batches, recipe, folder, **options)


def begun(config: Config, model: HandModel | None, crops: MeshCrops, backbone: Path | None = None) -> MeshNetwork:
    """A new network whose trunk has learned before: palmar's from the landmarker's weights, a transformer from a
    checkpoint."""
    network = MeshNetwork(config, model)
    if isinstance(network.trunk, LandmarkerTrunk):
        if backbone is not None:
            raise PalmarError("--backbone: of a transformer; it goes with --size paper.")
        start_trunk(network.trunk, some_pictures(crops))
    elif backbone is not None:
        network.trunk.load_state_dict(load_official(backbone, "backbone"))
    return network


@dataclass(frozen=True)
class Evaluate:
    """Score a mesh network on crops it never saw: FreiHAND's figures, and the errors about the wrist."""

    weights: Annotated[Path, arg(metavar="PATH")]
    """Folder of a run, or a checkpoint of HaMeR or WiLoR (with --mano)."""
    data: str = field(default="drawn:1000", kw_only=True)
    """drawn:COUNT or a data set, as for palmar train."""
    split: str = "test"
    """Part of the data: train, val or test; of FreiHAND also training and evaluation."""
    mano: Annotated[Path | None, arg(metavar="FILE")] = None
    """MANO_RIGHT.pkl of your own, for networks that say MANO's hand."""
    limit: int = 0
    """Crops at most, spread over all; 0: all."""
    compatible: bool = False
    """WiLoR as published, its refining net looking into the corner of the map."""
    threads: int = 1
    device: str = "cpu"

    def run(self) -> Report:
        return evaluate(self.predictor(), self.data, self.split, limit=self.limit, threads=self.threads,
                        device=self.device)  # fmt: skip

    def predictor(self) -> MeshPredictor:
        if self.weights.is_dir():
            return MeshPredictor.of_run(self.weights, device=self.device, mano=self.mano)
        if self.mano is None:
            raise PalmarError(f"{self.weights}: official weights say MANO's hand; give --mano MANO_RIGHT.pkl of yours.")
        from palmar.methods.hamba.convert import official

        model = HandModel.from_mano(self.mano, side=1)
        network = official(self.weights, model, compatible=self.compatible)
        return MeshPredictor(network, model, crop_of(HAMER), device=self.device)
