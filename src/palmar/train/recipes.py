"""The default networks' recipes: which samples, how many, how long. `palmar train` runs these."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from palmar.data.ego import read_ego
from palmar.errors import PalmarError
from palmar.nn.detector import Detector
from palmar.nn.landmarker import Landmarker
from palmar.nn.objects import ObjectConfig, ObjectDetector
from palmar.synth.background import Backgrounds
from palmar.synth.device import World, crops_of, world
from palmar.synth.sample import CropSample, FrameSample, crop_sample, frame_sample
from palmar.train.detector import DetectorLoss
from palmar.train.landmarker import LandmarkerLoss
from palmar.train.loop import Outcome, Recipe, train
from palmar.train.objects import ObjectBatches, ObjectLoss
from palmar.train.photographs import Album, load_photographs, photo_crop, photo_frame
from palmar.train.scenes import load_scenes
from palmar.train.start import digest_of, keep_lineage, start_from
from palmar.types import Vocabulary

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
    samples: Literal["host", "device"] = "host"
    """Where those that are drawn are made. The landmarker's alone can be made on the device; they are other samples
    than the host's, with the same distribution."""


LANDMARKER = Recipe("landmarker", seed=1, batch=64, steps=60_000, rate=1e-3, warmup=300)
DETECTOR = Recipe("detector", seed=1, batch=32, steps=30_000, rate=1e-3, warmup=300)
OBJECTS = Recipe("objects", seed=1, batch=32, steps=6_000, rate=1e-3, warmup=300)


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
        return {
            **_stacked(samples),
            "has3d": np.array([album is None for album, _ in self.places(number)], np.float32),
            "weight": np.ones(len(samples), np.float32),
        }


STAIR = 16
"""Batches over which the strength of device samples stays the same, so that they can be made together."""
TOGETHER = 1024
"""Samples that a GPU makes at a time: enough to keep it busy, while few enough to fit."""


class DeviceLandmarkerBatches(LandmarkerBatches):
    """Batches whose drawn samples are made on the device, and whose tensors lie there.

    What is cut from photographs and scenes is made on the host by threads, some batches ahead. On a GPU the drawn
    samples of several batches are made at a time; which batches those are depends on nothing but their numbers.
    stride: how far apart the numbers of this process are.
    """

    def __init__(
        self, recipe: Recipe, data: Data, device: str, *, home: World | None = None, threads: int = 1, stride: int = 1
    ) -> None:
        super().__init__(recipe, data)
        self.home = world(device) if home is None else home
        self.stride = stride
        self.cut = sum(album is not None for album, _ in self.places(0))
        self.together = 1 if self.home.device.type == "cpu" else max(1, min(STAIR, TOGETHER // recipe.batch))
        self.made: tuple[int, dict[str, Tensor]] | None = None
        self.threads = ThreadPoolExecutor(max(threads, 1)) if self.cut else None
        self.ahead: dict[int, Future[dict[str, Tensor]]] = {}

    def __call__(self, number: int) -> dict[str, Tensor]:
        drawn = self.drawn(number) if self.cut < self.recipe.batch else {}
        if self.threads is None:
            return drawn
        for later in range(number, number + 3 * self.stride, self.stride):
            if later not in self.ahead:
                self.ahead[later] = self.threads.submit(self.from_albums, later)
        cut = {
            name: value.to(self.home.device, non_blocking=True)
            for name, value in self.ahead.pop(number).result().items()
        }
        return {name: torch.cat([value, drawn[name]]) if drawn else value for name, value in cut.items()}

    def from_albums(self, number: int) -> dict[str, Tensor]:
        """The first samples of a batch, on the host."""
        strength = self.data.strength * self.recipe.strength(number)
        places = [(album, index) for album, index in self.places(number) if album]
        samples = [photo_crop(album, self.data.seed, index, strength) for album, index in places]
        arrays = _stacked(samples) | {"has3d": np.zeros(self.cut, np.float32), "weight": np.ones(self.cut, np.float32)}
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return {n: t.pin_memory() for n, t in tensors.items()} if self.home.device.type == "cuda" else tensors

    def drawn(self, number: int) -> dict[str, Tensor]:
        """The other samples of a batch, from the group it is made with."""
        batch = self.recipe.batch
        rank, step = number % self.stride, number // self.stride
        first = step // self.together * self.together
        if self.made is None or self.made[0] != first:
            strength = self.data.strength * self.recipe.strength(step // STAIR * STAIR * self.stride)
            run = torch.arange(self.together, device=self.home.device)
            places = torch.arange(self.cut, batch, device=self.home.device)
            index = ((first + run) * self.stride + rank)[:, None] * batch + places
            self.made = first, crops_of(self.home, self.data.seed, index.reshape(-1), strength)
        size = batch - self.cut
        rows = slice((step - first) * size, (step - first + 1) * size)
        return {name: values[rows] for name, values in self.made[1].items()}


def _stacked(samples: list[CropSample]) -> dict[str, np.ndarray]:
    stack = lambda name: np.stack([getattr(s, name) for s in samples]).astype(np.float32)  # noqa: E731
    names = ("keypoints", "visible", "presence", "side", "rotations", "shape", "joints")
    return {"image": np.stack([s.image for s in samples]), **{name: stack(name) for name in names}}


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
    batches = landmarker_batches(recipe, data, options)
    recipe, build = begun(run, recipe, Landmarker, batches, start)
    return train(build, LandmarkerLoss(), batches, recipe, run, **options)


def landmarker_batches(recipe: Recipe, data: Data, options: dict[str, Any]) -> LandmarkerBatches:
    """The batches of a run with these options of `palmar.train.loop.train`. With device samples its workers are the
    threads that cut crops from albums, and are taken out of the options."""
    if data.samples == "host":
        return LandmarkerBatches(recipe, data)
    device = options.get("device", "auto")
    if device == "cuda" or (device == "auto" and torch.cuda.is_available()):
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    else:
        device = "cpu"
    stride = int(os.environ.get("WORLD_SIZE", "1"))
    return DeviceLandmarkerBatches(recipe, data, device, threads=options.pop("workers", 1), stride=stride)


def run_detector(
    run: Path, data: Data, recipe: Recipe = DETECTOR, *, start: Path | None = None, **options: Any
) -> Outcome:
    """Train the detector in the folder `run`, or go on where it stands. Options are those of `run_landmarker`."""
    if data.samples == "device":
        raise PalmarError("the detector's samples are made on the host only; use --samples host, with --workers.")
    batches = DetectorBatches(recipe, data)
    recipe, build = begun(run, recipe, Detector, batches, start)
    return train(build, DetectorLoss(), batches, recipe, run, **options)


def run_objects(
    run: Path, data: Data, recipe: Recipe = OBJECTS, *, start: Path | None = None, **options: Any
) -> Outcome:
    """Train the detector of used objects on acted scenes (`data.scenes`) in the folder `run`, or go on where it stands.

    start: a hand detector's weights, of which the body begins with those, or an earlier run of this network. The names
    of the objects are kept in the run, in `VOCABULARY`. Options are those of `run_landmarker`.
    """
    if not data.scenes:
        raise PalmarError("the detector of objects learns from acted scenes; name them with --scenes.")
    if data.photographs or data.samples == "device":
        raise PalmarError("the detector of objects learns from acted scenes only, made on the host.")
    nouns = sorted({name for folder in data.scenes for name in read_ego(folder).vocabulary.objects} - {"none"})
    vocabulary = Vocabulary(("none", *nouns), ())
    splits = [read_ego(folder, vocabulary) for folder in data.scenes]
    batches = ObjectBatches(splits, recipe.batch, data.seed, data.strength)
    run.mkdir(parents=True, exist_ok=True)
    (run / VOCABULARY).write_text(json.dumps({"objects": vocabulary.objects}, indent=1) + "\n", encoding="utf-8")
    config = ObjectConfig(len(nouns))
    if start is None:
        return train(lambda: ObjectDetector(config), ObjectLoss(), batches, recipe, run, **options)
    keep_lineage(run, start)

    def build() -> nn.Module:
        if start.is_dir():
            return start_from(ObjectDetector(config), start, torch.zeros(0, 32, 32, 3, dtype=torch.uint8))
        last = max(recipe.steps, CALIBRATION) - 1
        images = [torch.as_tensor(batches(last - n)["image"]) for n in range(CALIBRATION)]
        hands = start_from(Detector(), start, torch.cat(images))
        assert isinstance(hands, Detector)
        return ObjectDetector(config).begin(hands)

    return train(build, ObjectLoss(), batches, replace(recipe, start=digest_of(start)), run, **options)


VOCABULARY = "vocabulary.json"
"""Names that a run of the detector of objects tells apart."""
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
        last = max(recipe.steps, CALIBRATION) - 1
        images = [torch.as_tensor(batches(last - n)["image"]).cpu() for n in range(CALIBRATION)]
        return start_from(network(), start, torch.cat(images))

    return replace(recipe, start=digest, ease=1.0), build  # finished weights need no easing in


RUNS: dict[str, tuple[Callable[..., Outcome], Recipe]] = {
    "landmarker": (run_landmarker, LANDMARKER),
    "detector": (run_detector, DETECTOR),
    "objects": (run_objects, OBJECTS),
}


def with_steps(recipe: Recipe, steps: int | None) -> Recipe:
    """The recipe, shortened or lengthened. Raises PalmarError for fewer than one step."""
    if steps is not None and steps < 1:
        raise PalmarError(f"steps must be positive, got {steps}.")
    return recipe if steps is None else replace(recipe, steps=steps)
