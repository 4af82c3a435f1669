"""A run of ReJSHand in use: see `palmar.tasks.mesh`."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from palmar.errors import PalmarError
from palmar.methods.rejshand.model import Config, ReJSHand
from palmar.nn.fastvit import FastVitConfig
from palmar.tasks.crops import CropSpec
from palmar.tasks.mesh import HandMeshes
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
        raw, _ = read_network(folder, dict, name=NAME)  # type: ignore[var-annotated]
        try:
            widths = {key: tuple(value) if isinstance(value, list) else value for key, value in raw["fastvit"].items()}
            config = Config(**raw | {"fastvit": FastVitConfig(**widths)})
        except (TypeError, KeyError, AttributeError) as err:
            raise PalmarError(f"{folder}: not a config of this version ({err}).") from err
        network, _ = load_average(folder, ReJSHand(config))
        assert isinstance(network, ReJSHand)
        return MeshPredictor(network, device=device)

    @torch.inference_mode()
    def __call__(self, crops: UInt8[np.ndarray, "n s s 3"]) -> HandMeshes:
        """Joints and vertices in metres about the wrist, keypoints in pixels of the crops."""
        size = self.crop.size
        if not len(crops) or crops.shape[1:] != (size, size, 3):
            raise PalmarError(f"crops are {list(crops.shape)}; this network reads [n, {size}, {size}, 3], n above 0.")
        joints, vertices, keypoints, took = [], [], [], []
        for crop in crops:
            began = time.perf_counter()
            found = self.network(torch.from_numpy(crop[None]).to(self.device))
            root = found.joints[:, :1]
            joints.append((found.joints - root).cpu().numpy())
            vertices.append((found.vertices - root).cpu().numpy())
            keypoints.append((found.uv * size - 0.5).cpu().numpy())
            took.append(time.perf_counter() - began)
        fps = 1 / float(np.median(took))
        return HandMeshes(np.concatenate(joints), np.concatenate(vertices), np.concatenate(keypoints), fps=fps)
