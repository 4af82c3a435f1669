"""DiffPose in use: see `palmar.tasks.hypotheses`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from palmar.errors import PalmarError
from palmar.methods.diffpose.model import BINS, Config, DiffPose, drawn
from palmar.train.described import read_network
from palmar.train.loop import load_average

NAME = "diffpose"


class Hypothesiser:
    """A network on heat maps of a hand. Each hypothesis has its own samples of the maps and its own noise; the same
    seed gives the same ones."""

    def __init__(self, network: DiffPose, *, device: str = "cpu", seed: int = 0, batch: int = 512) -> None:
        self.network, self.config = network.to(device).eval(), network.config
        self.device, self.seed, self.batch = device, seed, batch

    @staticmethod
    def of_run(folder: Path, *, device: str = "cpu") -> Hypothesiser:
        """Raises PalmarError for a folder that is no run of this network."""
        config, _ = read_network(folder, Config, name=NAME)
        network, _ = load_average(folder, DiffPose(config))
        assert isinstance(network, DiffPose)
        return Hypothesiser(network, device=device)

    @torch.inference_mode()
    def __call__(self, heat: Float[np.ndarray, "n j 64 64"], count: int) -> Float[np.ndarray, "n h j 3"]:
        """Poses about the wrist, which is put in front, metres. A regression says the same pose each time."""
        want = (self.config.maps, BINS, BINS)
        if heat.shape[1:] != want or not len(heat) or count < 1:
            raise PalmarError(f"heat maps are [n, {want[0]}, {BINS}, {BINS}] and hypotheses at least one here, got "
                              f"{list(heat.shape)} and {count}.")  # fmt: skip
        if not np.isfinite(heat).all():
            raise PalmarError("heat maps with numbers that are not finite.")
        rng, random = np.random.default_rng(self.seed), torch.Generator().manual_seed(self.seed)
        out = []
        for maps in heat:
            samples = torch.from_numpy(drawn(maps, rng, self.config.samples, count))
            for some in samples.split(self.batch):
                out.append(self.network.poses(some.to(self.device), random).cpu().numpy())
        poses = np.concatenate(out).astype(np.float64)
        poses = np.concatenate([0 * poses[:, :1], poses], 1) if self.config.joints == self.config.maps - 1 else poses
        return poses.reshape(len(heat), count, *poses.shape[1:])
