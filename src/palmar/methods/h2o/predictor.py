"""A trained pose network on frames: hands and object in metres, and how fast."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from palmar.geometry.camera import Camera
from palmar.methods.h2o import tagcn
from palmar.methods.h2o.clips import recognise
from palmar.methods.h2o.model import Config, PoseNetwork, surest
from palmar.methods.h2o.pictures import in_metres, squeezed
from palmar.methods.h2o.tagcn import TaGcn
from palmar.tasks.action import probabilities
from palmar.tasks.handobject import HandsAndObject, one_at_a_time
from palmar.train.described import read_network
from palmar.train.loop import load_average
from palmar.types.firstperson import EgoFrame, Vocabulary

POSE, ACTION = "h2o", "ta-gcn"


class PosePredictor:
    """A run's averaged network on frames, one at a time."""

    def __init__(self, model: PoseNetwork, vocabulary: Vocabulary, *, device: str = "cpu") -> None:
        self.model = model.to(device).eval()
        self.vocabulary, self.config, self.device = vocabulary, model.config, device

    @staticmethod
    def of_run(folder: Path, *, device: str = "cpu") -> PosePredictor:
        """Raises PalmarError for a folder that is no run of this network."""
        config, vocabulary = read_network(folder, Config, name=POSE)
        model, _ = load_average(folder, PoseNetwork(config))
        assert isinstance(model, PoseNetwork)
        return PosePredictor(model, vocabulary, device=device)

    @torch.inference_mode()
    def one(self, image: UInt8[np.ndarray, "h w 3"], camera: Camera) -> HandsAndObject:
        """One picture; `fps` is that of this one. The class is the object's, 0 where the network has no object."""
        began = time.perf_counter()
        picture = torch.from_numpy(squeezed(image, self.config))[None].to(self.device)
        found = surest(self.model(picture))
        metres = in_metres(found.points[0].cpu().numpy(), camera, self.config)
        sure = found.confidence[0].cpu().numpy()
        joints, points = np.full((1, 2, 21, 3), np.nan), np.full((1, 21, 3), np.nan)
        scores, objects = np.zeros((1, 3)), np.zeros(1, np.int64)
        for e, name in enumerate(self.config.entities):
            place = ("left", "right", "object").index(name)
            scores[0, place] = sure[e]
            if name == "object":
                points[0], objects[0] = metres[e], 1 + int(found.objects[0, e].argmax())
            else:
                joints[0, place] = metres[e]
        return HandsAndObject(joints, points, objects, scores, 1 / (time.perf_counter() - began))

    def __call__(self, frames: Sequence[EgoFrame]) -> HandsAndObject:
        """Raises PalmarError for a frame without a picture, and for no frames."""
        return one_at_a_time(frames, self.one)


class ActionPredictor:
    """A run's averaged TA-GCN on clips: see `palmar.tasks.action`."""

    def __init__(self, net: TaGcn, vocabulary: Vocabulary, *, device: str = "cpu") -> None:
        self.net, self.vocabulary = net.to(device).eval(), vocabulary

    @staticmethod
    def of_run(folder: Path, *, device: str = "cpu") -> ActionPredictor:
        """Raises PalmarError for a folder that is no run of this network."""
        config, vocabulary = read_network(folder, tagcn.Config, name=ACTION)
        net, _ = load_average(folder, TaGcn(config))
        assert isinstance(net, TaGcn)
        return ActionPredictor(net, vocabulary, device=device)

    def __call__(self, clips: Sequence[EgoClip]) -> Float[np.ndarray, "n k"]:
        """The probability of each action of each clip."""
        return probabilities(recognise(self.net, clips))
