"""A lifter in use: see `palmar.tasks.lifting`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from palmar.errors import PalmarError
from palmar.methods.gla_gcn.model import Config, Frame, GlaGcn, Temporal, build
from palmar.tasks.lifting import ROOT, windows
from palmar.train.described import read_network
from palmar.train.loop import load_average

NAME = "gla-gcn"


class Lifter:
    """A network on tracks of its skeleton, a pose for every frame. The root is where it is, at zero."""

    def __init__(self, network: GlaGcn | Temporal | Frame, *, device: str = "cpu", batch: int = 256) -> None:
        self.network, self.device, self.batch = network.to(device).eval(), device, batch
        self.frames = network.config.frames

    @staticmethod
    def of_run(folder: Path, *, device: str = "cpu") -> Lifter:
        """Raises PalmarError for a folder that is no run of this network."""
        config, _ = read_network(folder, Config, name=NAME)
        network, _ = load_average(folder, build(config))
        assert isinstance(network, GlaGcn | Temporal | Frame)
        return Lifter(network, device=device)

    @torch.inference_mode()
    def __call__(self, track: Float[np.ndarray, "t v 2"]) -> Float[np.ndarray, "t v 3"]:
        """Screen coordinates to metres about the root. Raises PalmarError for a track of another skeleton."""
        nodes = len(self.network.config.parents)
        if track.ndim != 3 or track.shape[1:] != (nodes, 2) or not len(track):
            raise PalmarError(f"a track is [t, {nodes}, 2] of screen coordinates here, got {list(track.shape)}.")
        if not np.isfinite(track).all():
            raise PalmarError("the track has points that are not finite; fill its gaps first (palmar clean).")
        x, rows = torch.from_numpy(track.astype(np.float32)).to(self.device), windows(len(track), self.frames)
        found = [self.network(x[torch.from_numpy(rows[i : i + self.batch]).to(self.device)])[0]
                 for i in range(0, len(rows), self.batch)]  # fmt: skip
        poses = torch.cat(found).cpu().numpy().astype(np.float64)
        return poses - poses[:, ROOT : ROOT + 1]
