"""`palmar train|eval effhandegonet` and `effhandnet`: the pose networks, through palmar's training loop."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import nn
from tyro.conf import arg

from palmar.data.datasets import frames_of, full_name, open_split, parse_data
from palmar.errors import PalmarError
from palmar.methods.effhandegonet.model import EffHandEgoNet, EgoNetConfig
from palmar.methods.effhandegonet.objective import EgoLoss, keypoints_of
from palmar.methods.effhandegonet.pictures import Augmentation, EgoBatches
from palmar.methods.effhandegonet.reader import squeezed, unsqueezed
from palmar.methods.effhandegonet.scores import score_frames
from palmar.metrics.firstperson import fpha_epe_official, pck_of_width, top1
from palmar.nn.detector import Detector
from palmar.nn.trunks import Name, make_trunk, read_state
from palmar.tasks.method import Report
from palmar.train.described import NETWORK, data_of, read_network, told, write_network
from palmar.train.loop import Recipe, load_average, train
from palmar.train.options import RunOptions
from palmar.train.start import LINEAGE, digest_of, inherited, keep_lineage, start_from
from palmar.types.firstperson import EgoFrame

NAME = "effhandegonet"
SHIPPED = "shipped"
"""In place of a file to start from: the package's own hand detector."""
CALIBRATION = 4
"""Batches whose pictures give the batch norms of a detector's file their statistics."""


@dataclass(frozen=True)
class TrainEffHandEgoNet(RunOptions):
    """Train EffHandEgoNet, both hands' heat maps from a whole first-person picture, and go on where the run stands.

    The defaults are small enough for two processor cores: the body of palmar's hand detector, 256 x 192 pixels. The
    paper's network is --trunk efficientnet_v2_s --width 512 --height 512 --head 256 --sigma 3 --augmentation paper; its
    variant for FPHA, the right hand and what it holds, has --hands right besides.
    """

    data: Annotated[tuple[str, ...], arg(metavar="DATA...")]
    """What it learns from: kind:/path, such as synthetic:/data/acted or h2o:/data/h2o; the part train of each."""
    folder: Annotated[Path, arg(name="run", metavar="DIR")] = Path("runs/effhandegonet")
    """Folder of the run."""
    hands: Literal["both", "right"] = "both"
    """both: with flags that say which are there. right: the right hand and the object's class."""
    trunk: Name = "palmar"
    """Feature extractor."""
    width: int = 256
    """Pixels of the input; frames are stretched to it."""
    height: int = 192
    head: int = 64
    """Channels of the up-steps."""
    sigma: float = 2.0
    """Of the heat, in cells of four pixels."""
    start: str = SHIPPED
    """What it begins from. With the trunk palmar: "shipped", the hand detector of the package, or a file of one; with
    the others: a file of torchvision's ImageNet weights; "none"; or the folder of an earlier run of the same network.
    "shipped" means "none" for the other trunks."""
    steps: int = 12_000
    batch: int = 32
    rate: float = 1e-3
    """Learning rate (AdamW; the paper has SGD at 0.1 for up to 1,000 epochs)."""
    seed: int = 0
    augmentation: Augmentation = "firstperson"
    """firstperson: what another wearer would see; paper: with any turn and strong zoom-out; none."""
    strength: float = 0.7
    """Of the changes of light and sensor."""
    over: Literal["predicted", "present", "either"] = "either"
    """Hands whose maps are learned from; the paper's are those that the network thinks to be there."""
    part: str = "train"
    """Part of each data set."""

    def config(self, objects: int) -> EgoNetConfig:
        """objects: names that the data has, "none" included."""
        right = self.hands == "right"
        return EgoNetConfig(
            self.trunk, self.height, self.width, self.head, 1 if right else 2, objects if right else 0, self.sigma
        )

    def run(self) -> Report | None:
        splits = [open_split(text, self.part) for text in self.data]
        right = self.hands == "right"
        names = splits[0].vocabulary.objects
        if right and any(split.vocabulary.objects != names for split in splits):
            raise PalmarError("--hands right: the data sets name other objects; train on one of them.")
        config = self.config(len(names))
        batches = EgoBatches(
            splits, (self.width, self.height), self.batch, self.seed,
            augmentation=self.augmentation, strength=self.strength, right_only=right,
        )  # fmt: skip
        recipe = Recipe(
            "effhandegonet", self.seed, self.batch, self.steps, self.rate,
            warmup=min(300, max(self.steps // 10, 1)), precision=self.precision,
        )  # fmt: skip
        build, recipe = begun(self, config, recipe, batches)
        write_network(self.folder, config, None, [full_name(text) for text in self.data], name=NAME)
        loss = EgoLoss(self.sigma, presence=0.01 if right else 0.02, over=self.over)
        outcome = train(
            build, loss, batches, recipe, self.folder, **self.options()
        )  # fmt: skip
        return told(outcome, self.folder)


def begun(
    job: TrainEffHandEgoNet, config: EgoNetConfig, recipe: Recipe, batches: Callable[[int], dict[str, Any]]
) -> tuple[Callable[[], nn.Module], Recipe]:
    """What builds the network with the weights that it starts from, and the recipe, marked with them."""
    if job.start == "none" or (job.start == SHIPPED and job.trunk != "palmar"):
        return lambda: EffHandEgoNet(config), recipe
    file = Path(str(files("palmar") / "weights" / "detector.onnx")) if job.start == SHIPPED else Path(job.start)
    marked = replace(recipe, start=digest_of(file))
    if file.is_dir():
        keep_lineage(job.folder, file)
        return lambda: load_average(file, EffHandEgoNet(config))[0], marked
    if job.trunk != "palmar":
        read_state(file)  # a file that is no state dict is named before the pictures are read

        def imagenet() -> nn.Module:
            net = EffHandEgoNet(config)
            net.trunk = make_trunk(job.trunk, weights=file)
            return net

        return imagenet, marked
    keep_lineage(job.folder, file)

    def build() -> nn.Module:
        net = EffHandEgoNet(config)
        images = [torch.as_tensor(batches(recipe.steps - 1 - n)["image"]) for n in range(CALIBRATION)]
        hands = start_from(Detector(), file, torch.cat(images))
        net.trunk.body.backbone.load_state_dict(hands.backbone.state_dict())  # type: ignore[union-attr]
        return net

    return build, marked


def read_ego(folder: Path) -> tuple[EffHandEgoNet, int]:
    """The averaged network of a run, in eval mode, and its step."""
    config, _ = read_network(folder, EgoNetConfig, name=NAME)
    net, step = load_average(folder, EffHandEgoNet(config))
    assert isinstance(net, EffHandEgoNet)
    return net, step


# ---------------------------------------------------------------------------------------------------------- evaluation


@dataclass(frozen=True)
class EvalEffHandEgoNet:
    """Score EffHandEgoNet on first-person pictures: 2D error, PCK, presence; all frames, and those of hands that
    overlap, or hold something."""

    weights: Annotated[Path, arg(metavar="DIR")]
    """Folder of a run, or one with effhandegonet.onnx and its card."""
    data: str = field(kw_only=True)
    """kind:/path."""
    split: str = "test"
    """Part of the data."""
    limit: int = 0
    """Frames at most, spread over all; 0: all."""
    export: Annotated[Path | None, arg(metavar="DIR")] = None
    """Write the run's averaged weights there, as effhandegonet.onnx, and their card with these figures."""

    def run(self) -> Report:
        from palmar.methods.effhandegonet.reader import EgoNet

        if self.export is not None and not (self.weights / NETWORK).is_file():
            raise PalmarError(f"{self.weights}: not the folder of a run; only a run's weights can be exported.")
        chosen = frames_of(open_split(self.data, self.split), self.data, self.limit)
        if (self.weights / NETWORK).is_file():
            net, _ = read_ego(self.weights)
            if net.config.hands == 1:
                if self.export is not None:
                    raise PalmarError(f"{self.weights}: a run of --hands right; only that of two hands is exported.")
                return score_right(net, chosen)
            predict = from_network(net)
        else:
            predict = EgoNet(self.weights).keypoints
        found = np.stack([predict(frame.image) for frame in chosen])  # type: ignore[arg-type]
        report = score_frames(found, chosen)
        if self.export is not None:
            export_run(
                self.weights, self.export, {f"{parse_data(self.data)[1].name} {self.split}": dict(report.figures)}
            )
        return report


def score_right(net: EffHandEgoNet, frames: Sequence[EgoFrame]) -> Report:
    """The variant for FPHA on frames with a right hand: error in pixels of their own size, share of the joints within a
    fifth of the hand's width, top-1 of the object; and the error as the published script has it."""
    size = (net.config.width, net.config.height)
    found, named, frames = [], [], [frame for frame in frames if frame.present[1]]
    if not frames:
        raise PalmarError("no frame has a right hand; this network knows only that.")
    for frame in frames:
        image = frame.image
        if image is None:
            raise PalmarError(f"{frame.name}: there is no picture.")
        with torch.no_grad():
            told = net(torch.as_tensor(squeezed(image, size)[None]))
        points = keypoints_of(told.maps, 4.0, net.config.sigma, compatible=net.config.compatible)[0][0, 0]
        found.append(unsqueezed(points.double().numpy(), size, (image.shape[1], image.shape[0])))
        assert told.object is not None
        named.append(int(told.object.argmax()))
    mine, true = np.stack(found), np.stack([frame.keypoints[1] for frame in frames])
    extent = np.array([(frame.camera.width, frame.camera.height) for frame in frames], np.float64)[:, None]
    figures = {
        "epe": float(np.linalg.norm(mine - true, axis=-1).mean()),
        "pck": float(pck_of_width(mine, true).mean()),
        "epe as published": fpha_epe_official(mine / extent, true / extent),
        "object top-1": top1(np.array(named), np.array([frame.object for frame in frames])),
        "pictures": len(frames),
    }
    rows = [f"| {name} | {value:.4g} |" for name, value in figures.items()]
    return Report(figures, "\n".join(["| figure | value |", "|---|---|", *rows]))


def export_run(folder: Path, to: Path, figures: Mapping[str, Any]) -> dict[str, Any]:
    """A run's averaged weights as the reader's file, with a card that says where they come from."""
    from palmar.licenses import world
    from palmar.methods.effhandegonet.export import export_ego

    net, step = read_ego(folder)
    data, lineage = [parse_data(text) for text in data_of(folder)], folder / LINEAGE
    recipe = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
    kinds = [kind for kind, _ in data]
    foreign = [
        {"name": kind, "licence": f"LicenseRef-{kind}-research-only", "what": f"data: frames of {kind}"}
        for kind in sorted(set(kinds) - {"synthetic"})
    ]
    training = {
        "recipe": recipe,
        "seed": recipe["seed"],
        "steps": step,
        "samples": step * recipe["batch"],
        "data": [f"{kind}:{path.name}" for kind, path in data],
        "began_from": json.loads(lineage.read_text(encoding="utf-8")) if lineage.exists() else [],
    }
    licences = inherited(training["began_from"], world(adapted_to=foreign))
    return export_ego(net, to, licences=licences, training=training, figures=figures)


def from_network(net: EffHandEgoNet) -> Callable[[np.ndarray], Float[np.ndarray, "2 21 2"]]:
    """Picture -> keypoints in its pixels, NaN of hands that the network thinks absent; without ONNX."""
    from palmar.methods.effhandegonet.export import EgoNetFile
    file = EgoNetFile(net).eval()
    size, device = (net.config.width, net.config.height), next(net.parameters()).device

    def predict(image: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            points, _, present = file(torch.as_tensor(squeezed(image, size)[None]).to(device))
        pixels = unsqueezed(points[0].double().cpu().numpy(), size, (image.shape[1], image.shape[0]))
        return np.where(present[0].cpu().numpy()[:, None, None] > 0.5, pixels, np.nan)

    return predict
