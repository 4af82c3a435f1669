"""The pose networks of a run in use, from PyTorch: keypoints of one hand in its crop; of both in a whole picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from palmar.methods.effhandegonet.crop_training import read_hand
from palmar.methods.effhandegonet.crops import MARGIN
from palmar.methods.effhandegonet.model import EffHandNet
from palmar.methods.effhandegonet.objective import keypoints_of
from palmar.methods.effhandegonet.pose_training import from_network, read_ego
from palmar.tasks.crops import CropSpec
from palmar.tasks.keypoints import CropKeypoints


class CropPredictor:
    """EffHandNet on crops: see `palmar.tasks.keypoints`. The confidence is the height of a joint's peak."""

    def __init__(self, net: EffHandNet, *, device: str = "cpu") -> None:
        self.net, self.device = net.to(device).eval(), device
        self.crop = CropSpec(net.config.size, MARGIN, upright=False)

    @staticmethod
    def of_run(folder: Path, *, device: str = "cpu") -> CropPredictor:
        """Raises PalmarError for a folder that is no run of this network."""
        return CropPredictor(read_hand(folder)[0], device=device)

    @torch.inference_mode()
    def __call__(self, crops: UInt8[np.ndarray, "n s s 3"]) -> CropKeypoints:
        """Keypoints in pixels of the crops, any hand's of either side."""
        config = self.net.config
        maps = self.net(torch.from_numpy(crops).to(self.device))
        points, height = keypoints_of(maps, 1.0, config.sigma, compatible=config.compatible)
        return CropKeypoints(points.double().cpu().numpy(), height.double().clamp(0, 1).cpu().numpy())


def ego(folder: Path, *, device: str = "cpu") -> Callable[[np.ndarray], Float[np.ndarray, "2 21 2"]]:
    """EffHandEgoNet: a picture to the keypoints [2, 21, 2] of left and right in its pixels, NaN of hands that the
    network thinks absent. Raises PalmarError for a folder that is no run of this network."""
    return from_network(read_ego(folder)[0].to(device))
