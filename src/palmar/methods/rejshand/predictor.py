"""A run of ReJSHand in use: see `palmar.tasks.mesh`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from palmar.methods.rejshand.model import Config, ReJSHand
from palmar.tasks.crops import CropSpec
from palmar.tasks.mesh import HandMeshes, one_at_a_time
from palmar.train.described import read_network
from palmar.train.loop import load_average

NAME = "rejshand"


class MeshPredictor:
    """Crops of right hands to meshes, one at a time; `fps` is that of the median one."""

    def __init__(self, network: ReJSHand, *, device: str = "cpu") -> None:
        self.network, self.device = network.to(device).eval(), device
        config = network.config
        self.crop = CropSpec(config.size, config.scale, config.upright)

    @staticmethod
    def of_run(folder: Path, *, device: str = "cpu") -> MeshPredictor:
        """Raises PalmarError for a folder that is no run of this network."""
        config, _ = read_network(folder, Config, name=NAME)
        network, _ = load_average(folder, ReJSHand(config))
        assert isinstance(network, ReJSHand)
        return MeshPredictor(network, device=device)

    @torch.inference_mode()
    def __call__(self, crops: UInt8[np.ndarray, "n s s 3"]) -> HandMeshes:
        """Joints and vertices in metres about the wrist, keypoints in pixels of the crops."""
        return one_at_a_time(crops, self.crop, self.one)

    def one(self, crop: UInt8[np.ndarray, "1 s s 3"]) -> HandMeshes:
        found = self.network(torch.from_numpy(crop).to(self.device))
        root = found.joints[:, :1]
        values = (found.joints - root, found.vertices - root, found.uv * self.crop.size - 0.5)
        return HandMeshes(*(value.cpu().numpy() for value in values))
