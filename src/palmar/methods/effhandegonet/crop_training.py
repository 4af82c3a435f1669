"""`palmar train|eval effhandnet`: keypoints of one hand in its crop, through palmar's training loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import nn
from tyro.conf import arg

from palmar.data.datasets import frames_of, full_name, open_split
from palmar.errors import PalmarError
from palmar.hand.box import BOX_MARGIN
from palmar.methods.effhandegonet.crops import HandBatches, crop_map, cut
from palmar.methods.effhandegonet.model import EffHandNet, HandNetConfig
from palmar.methods.effhandegonet.objective import HandLoss, keypoints_of
from palmar.methods.effhandegonet.scores import boxes, score_frames
from palmar.nn.trunks import Name, make_trunk
from palmar.tasks.method import Report
from palmar.tracking.detector import Detections
from palmar.tracking.networks import OnnxNetworks
from palmar.train.described import read_network, told, write_network
from palmar.train.loop import Recipe, load_average, train
from palmar.train.options import RunOptions
from palmar.types.firstperson import EgoFrame

NAME = "effhandnet"


@dataclass(frozen=True)
class TrainEffHandNet(RunOptions):
    """Train EffHandNet, the heat maps of one hand in its crop, and go on where the run stands.

    The paper's network is --trunk efficientnet_v2_s --head 256.
    """

    data: Annotated[tuple[str, ...], arg(metavar="DATA...")]
    """What it learns from: kind:/path, the part train of each."""
    folder: Annotated[Path, arg(name="run", metavar="DIR")] = Path("runs/effhandnet")
    """Folder of the run."""
    trunk: Name = "mobilenet_v3_small"
    size: int = 128
    """Pixels of the crop."""
    head: int = 64
    """Channels of the up-steps."""
    sigma: float = 3.0
    """Of the heat, pixels of the crop."""
    imagenet: Annotated[Path | None, arg(metavar="FILE")] = None
    """torchvision's ImageNet weights of the trunk to begin from."""
    steps: int = 12_000
    batch: int = 32
    rate: float = 1e-3
    seed: int = 0
    strength: float = 0.7
    """Of the changes of light and sensor."""
    part: str = "train"
    """Part of each data set."""

    def run(self) -> Report | None:
        config = HandNetConfig(self.trunk, self.size, self.head, self.sigma)
        batches = HandBatches(
            [open_split(text, self.part) for text in self.data], self.size, self.batch, self.seed, self.strength
        )
        warmup = min(300, max(self.steps // 10, 1))
        recipe = Recipe(NAME, self.seed, self.batch, self.steps, self.rate, warmup=warmup, precision=self.precision)
        write_network(self.folder, config, None, [full_name(text) for text in self.data], name=NAME)

        def build() -> nn.Module:
            net = EffHandNet(config)
            if self.imagenet is not None:
                net.trunk = make_trunk(self.trunk, weights=self.imagenet, statistics=config.statistics)
            return net

        outcome = train(
            build, HandLoss(self.sigma), batches, recipe, self.folder, **self.options()
        )  # fmt: skip
        return told(outcome, self.folder)


def read_hand(folder: Path) -> tuple[EffHandNet, int]:
    """The averaged network of a run, in eval mode, and its step."""
    config, _ = read_network(folder, HandNetConfig, name=NAME)
    net, step = load_average(folder, EffHandNet(config))
    assert isinstance(net, EffHandNet)
    return net, step


def on_true_crops(net: EffHandNet, frames: Sequence[EgoFrame]) -> Float[np.ndarray, "n 2 21 2"]:
    """Keypoints in pixels of each frame, from crops about the true hands: the best that a top-down network is given.
    NaN where there is no hand."""
    found = np.full((len(frames), 2, 21, 2), np.nan)
    for n, frame in enumerate(frames):
        true = frame.keypoints
        for side in np.flatnonzero(np.isfinite(true).all((1, 2))):
            found[n, side] = in_crop(net, frame, boxes(true[side]))
    return found


def behind_detector(
    net: EffHandNet, frames: Sequence[EgoFrame], detect: Callable[[np.ndarray], Detections] | None = None
) -> Float[np.ndarray, "n 2 21 2"]:
    """Keypoints in pixels of each frame, from crops about the hands that a detector finds, by default the tracker's.

    Of each side the surest box counts, and a second one of the same side where the other was not found, for a side is
    easily mistaken. NaN where none was found.
    """
    detect = OnnxNetworks(threads=1).detect if detect is None else detect
    found = np.full((len(frames), 2, 21, 2), np.nan)
    for n, frame in enumerate(frames):
        boxed = detect(_picture(frame))
        best = [int(i) for i in np.argsort(-boxed.score, kind="stable")[:2]]
        sides = [int(boxed.side[i] > 0.5) for i in best]
        if len(best) == 2 and sides[0] == sides[1]:
            more = int(boxed.side[best[1]] > boxed.side[best[0]])
            sides[more], sides[1 - more] = 1, 0
        for row, side in zip(best, sides, strict=True):
            box = boxed.box[row]
            grow = (box[2:] - box[:2]).max() * BOX_MARGIN / (1 + 2 * BOX_MARGIN)  # a hand's box reaches beyond joints
            inner = np.concatenate([box[:2] + grow, box[2:] - grow])
            found[n, side] = in_crop(net, frame, inner)
    return found


def in_crop(net: EffHandNet, frame: EgoFrame, box: Float[np.ndarray, " 4"]) -> Float[np.ndarray, "21 2"]:
    """Keypoints of the hand whose joints lie in a box, pixels of the frame."""
    config = net.config
    m = crop_map(box, config.size)
    with torch.no_grad():
        maps = net(torch.as_tensor(cut(_picture(frame), m, config.size)[None]))[0]
    points, _ = keypoints_of(maps, 1.0, config.sigma, compatible=config.compatible)
    return np.linalg.solve(m[:, :2], (points.double().numpy() - m[:, 2]).T).T


def _picture(frame: EgoFrame) -> UInt8[np.ndarray, "h w 3"]:
    if frame.image is None:
        raise PalmarError(f"{frame.name}: there is no picture.")
    return frame.image


@dataclass(frozen=True)
class EvalEffHandNet:
    """Score EffHandNet on crops about the true hands of first-person pictures."""

    weights: Annotated[Path, arg(metavar="DIR")]
    """Folder of a run."""
    data: str = field(kw_only=True)
    """kind:/path."""
    split: str = "test"
    limit: int = 0
    """Frames at most, spread over all; 0: all."""

    def run(self) -> Report:
        net, _ = read_hand(self.weights)
        frames = frames_of(open_split(self.data, self.split), self.data, self.limit)
        return score_frames(on_true_crops(net, frames), frames)
