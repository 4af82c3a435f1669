"""Trained networks in use: hands and object of frames in metres, and how fast; the action of clips."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from palmar.geometry.camera import Camera
from palmar.methods.qort_former.action import ActionConfig, ActionTransformer, recognise
from palmar.methods.qort_former.model import Config, QortFormer
from palmar.methods.qort_former.pictures import stretched, untold
from palmar.tasks.action import probabilities
from palmar.tasks.handobject import HandsAndObject, one_at_a_time
from palmar.train.described import read_network
from palmar.train.loop import load_average
from palmar.types.firstperson import EgoFrame, Vocabulary

POSE, ACTION = "qort-former", "qort-action"


class QortPredictor:
    """A run's averaged network on frames, one at a time."""

    def __init__(self, model: QortFormer, vocabulary: Vocabulary, *, device: str = "cpu") -> None:
        self.model = model.to(device).eval()
        if model.config.contact:
            model.contact.fold()
        self.vocabulary, self.config, self.device = vocabulary, model.config, device

    @staticmethod
    def of_run(folder: Path, *, device: str = "cpu") -> QortPredictor:
        """Raises PalmarError for a folder that is no run of this network."""
        config, vocabulary = read_network(folder, Config, name=POSE)
        model, _ = load_average(folder, QortFormer(config))
        assert isinstance(model, QortFormer)
        return QortPredictor(model, vocabulary, device=device)

    @torch.inference_mode()
    def one(self, image: UInt8[np.ndarray, "h w 3"], camera: Camera) -> HandsAndObject:
        """One picture; `fps` is that of this one."""
        began = time.perf_counter()
        picture = torch.from_numpy(stretched(image, self.config))[None].to(self.device)
        found = self.model.detect(picture)
        joints = np.full((1, 2, 21, 3), np.nan)
        scores = np.zeros((1, 3))
        contact = np.zeros((1, 2, self.config.vertices))
        sides = list(self.config.hands)
        joints[:, sides] = untold(found.hands.cpu().numpy(), camera, self.config)
        points = untold(found.object.cpu().numpy(), camera, self.config)
        scores[:, sides] = found.scores.cpu().numpy()
        scores[:, 2] = found.object_scores.max(-1).values.cpu().numpy()
        contact[:, sides] = found.contact.sigmoid().cpu().numpy()
        seconds = time.perf_counter() - began
        return HandsAndObject(joints, points, found.object_class.cpu().numpy(), scores, 1 / seconds, contact)

    def __call__(self, frames: Sequence[EgoFrame]) -> HandsAndObject:
        """Raises PalmarError for a frame without a picture, and for no frames."""
        return one_at_a_time(frames, self.one)


class ActionPredictor:
    """A run's averaged recogniser on clips: see `palmar.tasks.action`."""

    def __init__(self, net: ActionTransformer, vocabulary: Vocabulary, *, device: str = "cpu") -> None:
        self.net, self.vocabulary = net.to(device).eval(), vocabulary

    @staticmethod
    def of_run(folder: Path, *, device: str = "cpu") -> ActionPredictor:
        """Raises PalmarError for a folder that is no run of this network."""
        config, vocabulary = read_network(folder, ActionConfig, name=ACTION)
        net, _ = load_average(folder, ActionTransformer(config))
        assert isinstance(net, ActionTransformer)
        return ActionPredictor(net, vocabulary, device=device)

    def __call__(self, clips: Sequence[EgoClip]) -> Float[np.ndarray, "n k"]:
        """The probability of each action of each clip."""
        return probabilities(recognise(self.net, clips))
