"""The default networks' recipes: which samples, how many, how long. `palmar train` runs these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from palmar.errors import PalmarError
from palmar.nn.detector import Detector
from palmar.nn.landmarker import Landmarker
from palmar.synth.background import Backgrounds
from palmar.synth.sample import CropSample, FrameSample, crop_sample, frame_sample
from palmar.train.detector import DetectorLoss
from palmar.train.landmarker import LandmarkerLoss
from palmar.train.loop import Outcome, Recipe, train
from palmar.train.photographs import Album, load_photographs, photo_crop, photo_frame
from palmar.train.scenes import load_scenes
from palmar.train.start import digest_of, keep_lineage, start_from

MOST_HANDS = 4
"""Rows of a detector batch's boxes."""


@dataclass(frozen=True)
class Data:
    """What a run sees. Photographs are adapted to only where folders are given: the weights are then named adapted."""

    seed: int = 1
    photographs: tuple[Path, ...] = ()
    """Folders with labels.json; only their split `adapt` is read."""
    share: float = 0.3
    """Part of each batch that comes from photographs, where there are any."""
    scenes: tuple[Path, ...] = ()
    """Data sets of scenes that `palmar synth` made, for whole people, held things and two hands."""
    scene_share: float = 0.3
    """Part of each batch that comes from them, where there are any."""
    strength: float = 0.7
    """Of the sensor's randomisation at the end of its ramp; 1 needs longer runs than a CPU affords."""


LANDMARKER = Recipe("landmarker", seed=1, batch=64, steps=60_000, rate=1e-3, warmup=300)
DETECTOR = Recipe("detector", seed=1, batch=32, steps=30_000, rate=1e-3, warmup=300)


class Batches:
    """Number of a batch -> its arrays; a pure function of the number, the recipe and the data."""

    def __init__(self, recipe: Recipe, data: Data) -> None:
        cv2.setNumThreads(1)  # before OpenCV starts threads: a forked worker would wait for them for ever
        self.recipe, self.data = recipe, data
        self.album: Album | None = load_photographs(list(data.photographs)) if data.photographs else None
        self.scenes: Album | None = load_scenes(list(data.scenes)) if data.scenes else None

    def places(self, number: int) -> list[tuple[Album | None, int]]:
        """(where it is cut from, None for one that is drawn; index of the sample) of every sample of a batch."""
        size = self.recipe.batch
        real = round(size * self.data.share) if self.album else 0
        staged = min(round(size * self.data.scene_share), size - real) if self.scenes else 0
        albums = [self.album] * real + [self.scenes] * staged + [None] * (size - real - staged)
        return [(album, number * size + i) for i, album in enumerate(albums)]


class LandmarkerBatches(Batches):
    def __init__(self, recipe: Recipe, data: Data) -> None:
        super().__init__(recipe, data)
        self.album = self.album and self.album.with_opinions()
        self.scenes = self.scenes and self.scenes.with_opinions()

    def __call__(self, number: int) -> dict[str, np.ndarray]:
        strength = self.data.strength * self.recipe.strength(number)
        samples: list[CropSample] = [
            photo_crop(album, self.data.seed, index, strength)
            if album
            else crop_sample(self.data.seed, index, strength)
            for album, index in self.places(number)
        ]
        stack = lambda name: np.stack([getattr(s, name) for s in samples]).astype(np.float32)  # noqa: E731
        return {
            "image": np.stack([s.image for s in samples]),
            **{
                name: stack(name)
                for name in ("keypoints", "visible", "presence", "side", "rotations", "shape", "joints")
            },
            "has3d": np.array([album is None for album, _ in self.places(number)], np.float32),
            "weight": np.ones(len(samples), np.float32),
        }


class DetectorBatches(Batches):
    def __init__(self, recipe: Recipe, data: Data, height: int = 160, width: int = 192) -> None:
        super().__init__(recipe, data)
        self.height, self.width = height, width
        self.backgrounds = Backgrounds()

    def __call__(self, number: int) -> dict[str, np.ndarray]:
        strength = self.data.strength * self.recipe.strength(number)
        samples: list[FrameSample] = [
            photo_frame(album, self.backgrounds, self.data.seed, index, self.height, self.width, strength)
            if album
            else frame_sample(self.data.seed, index, self.height, self.width, strength)
            for album, index in self.places(number)
        ]
        b = len(samples)
        out: dict[str, Any] = {
            "image": np.stack(
                [
                    _letterboxed(s.image, self.data.seed, index)
                    for s, (_, index) in zip(samples, self.places(number), strict=True)
                ]
            ),
            "boxes": np.zeros((b, MOST_HANDS, 4), np.float32),
            "sides": np.zeros((b, MOST_HANDS), np.float32),
            "directions": np.zeros((b, MOST_HANDS, 2), np.float32),
            "count": np.zeros(b, np.int64),
        }
        for i, s in enumerate(samples):
            n = min(len(s.boxes), MOST_HANDS)
            out["boxes"][i, :n], out["sides"][i, :n], out["directions"][i, :n], out["count"][i] = (
                s.boxes[:n],
                s.sides[:n],
                s.directions[:n],
                n,
            )
        return out


def _letterboxed(image: np.ndarray, seed: int, index: int) -> np.ndarray:
    """Sometimes the strip that tracking pads below 4:3 and wider pictures."""
    if np.random.default_rng((seed, index, 4)).random() < 0.4:
        image = image.copy()
        image[144:] = 114
    return image


def run_landmarker(
    run: Path, data: Data, recipe: Recipe = LANDMARKER, *, start: Path | None = None, **options: Any
) -> Outcome:
    """Train the landmarker in the folder `run`, or go on where it stands.

    start: weights to begin from, an ONNX file or another run's folder. Other options are those of
    `palmar.train.loop.train`.
    """
    batches = LandmarkerBatches(recipe, data)
    recipe, build = begun(run, recipe, Landmarker, batches, start)
    return train(build, LandmarkerLoss(), batches, recipe, run, **options)


def run_detector(
    run: Path, data: Data, recipe: Recipe = DETECTOR, *, start: Path | None = None, **options: Any
) -> Outcome:
    """Train the detector in the folder `run`, or go on where it stands. Options are those of `run_landmarker`."""
    batches = DetectorBatches(recipe, data)
    recipe, build = begun(run, recipe, Detector, batches, start)
    return train(build, DetectorLoss(), batches, recipe, run, **options)


CALIBRATION = 4
"""Batches whose pictures give the batch norms of finished weights their statistics."""


def begun(
    run: Path,
    recipe: Recipe,
    network: type[nn.Module],
    batches: Callable[[int], dict[str, Any]],
    start: Path | None,
) -> tuple[Recipe, Callable[[], nn.Module]]:
    """The recipe, marked with what it starts from, and what builds the network so."""
    if start is None:
        return recipe, network
    digest = digest_of(start)
    keep_lineage(run, start)

    def build() -> nn.Module:
        images = np.concatenate([batches(recipe.steps - 1 - n)["image"] for n in range(CALIBRATION)])
        return start_from(network(), start, torch.from_numpy(images))

    return replace(recipe, start=digest, ease=1.0), build  # finished weights need no easing in


RUNS: dict[str, tuple[Callable[..., Outcome], Recipe]] = {
    "landmarker": (run_landmarker, LANDMARKER),
    "detector": (run_detector, DETECTOR),
}


def with_steps(recipe: Recipe, steps: int | None) -> Recipe:
    """The recipe, shortened or lengthened. Raises PalmarError for fewer than one step."""
    if steps is not None and steps < 1:
        raise PalmarError(f"steps must be positive, got {steps}.")
    return recipe if steps is None else replace(recipe, steps=steps)
