"""A mesh network in use: see `palmar.tasks.mesh`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import nn

from palmar.errors import PalmarError
from palmar.hand import HandModel
from palmar.methods.hamba.model import Config, MeshNetwork
from palmar.tasks.crops import CropSpec
from palmar.tasks.mesh import HandMeshes, one_at_a_time
from palmar.train.described import read_network
from palmar.train.loop import load_average

NAME = "hamba"
"""In `network.json` of a run: both heads, which their configs tell apart."""


class MeshPredictor:
    """Crops of right hands to meshes, one at a time; `fps` is that of the median one."""

    def __init__(self, network: nn.Module, model: HandModel, crop: CropSpec, *, device: str = "cpu") -> None:
        self.network, self.model, self.crop, self.device = network.to(device).eval(), model, crop, device

    @staticmethod
    def of_run(folder: Path, *, device: str = "cpu", mano: Path | None = None) -> MeshPredictor:
        """mano: the file that a run with `--mano` was trained with. Raises PalmarError for a folder that is no run of
        these networks, and where a MANO file is missing or one too many."""
        config, model = read_config(folder, mano)
        network, _ = load_average(folder, MeshNetwork(config, model))
        return MeshPredictor(network, model, crop_of(config), device=device)

    @torch.inference_mode()
    def __call__(self, crops: UInt8[np.ndarray, "n s s 3"]) -> HandMeshes:
        """Joints and vertices in metres about the wrist, keypoints in pixels of the crops."""
        return one_at_a_time(crops, self.crop, self.one)

    def one(self, crop: UInt8[np.ndarray, "1 s s 3"]) -> HandMeshes:
        found = self.network(torch.from_numpy(crop).to(self.device))[0]
        skin = self.model.shaped(found.shape).posed(found.rotations).skin()
        root, size = found.joints[:, :1], self.crop.size
        values = (found.joints - root, skin - root, (found.keypoints + 0.5) * size - 0.5, found.rotations, found.shape)
        return HandMeshes(*(value.cpu().numpy() for value in values))


def crop_of(config: Config) -> CropSpec:
    """How the network wants its crops."""
    return CropSpec(config.size, config.scale, config.upright)


def read_config(folder: Path, mano: Path | None = None) -> tuple[Config, HandModel]:
    """The network's config and the hand that it was trained to say."""
    config, _ = read_network(folder, Config, name=NAME)
    if config.hand == "mano" and mano is None:
        raise PalmarError(f"{folder}: this run says MANO's hand; give the MANO file that it was trained with.")
    if config.hand == "palmar" and mano is not None:
        raise PalmarError(f"{folder}: this run says palmar's hand; leave the MANO file out.")
    return config, HandModel.default() if mano is None else HandModel.from_mano(mano, side=1)
