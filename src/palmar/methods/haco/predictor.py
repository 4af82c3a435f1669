"""HACO in use: see `palmar.tasks.contact`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from palmar.methods.haco.model import Config, Haco
from palmar.tasks.crops import CropSpec, read_by
from palmar.train.described import read_network
from palmar.train.loop import load_average

NAME = "haco"


class ContactPredictor:
    """A network on crops of right hands."""

    def __init__(self, network: Haco, *, device: str = "cpu", batch: int = 64) -> None:
        self.network, self.device, self.batch = network.to(device).eval(), device, batch
        config = network.config
        self.crop = CropSpec(config.size, config.scale, config.upright)

    @staticmethod
    def of_run(folder: Path, *, device: str = "cpu") -> ContactPredictor:
        """Raises PalmarError for a folder that is no run of this network."""
        config, _ = read_network(folder, Config, name=NAME)
        network, _ = load_average(folder, Haco(config))
        assert isinstance(network, Haco)
        return ContactPredictor(network, device=device)

    @torch.inference_mode()
    def __call__(self, crops: UInt8[np.ndarray, "n s s 3"]) -> Float[np.ndarray, "n v"]:
        """The probability that each vertex touches."""
        read_by(self.crop, crops)
        parts = [self.network(torch.from_numpy(crops[i : i + self.batch]).to(self.device)).sigmoid().cpu().numpy()
                 for i in range(0, len(crops), self.batch)]  # fmt: skip
        return np.concatenate(parts)
