"""DiffPose: samples of heat maps make a condition, and a diffusion makes poses that fit it.

Letters: b poses, j joints with a heat map, s samples of each map. A sample is (x, y, likelihood), its place -1 to 1.
Poses inside are vectors [b, 3 k]: all x, all y, all z of k joints, scaled to deviate by about one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from palmar.errors import PalmarError, one_of
from palmar.nn.diffusion import Cosine

BINS = 64
"""Cells of a map's side, and of the soft bins."""
REACH = math.pi / 4 * BINS / 2
"""Of a bin: its squared cosine is zero from an eighth of the half map on."""
TOKEN = 2 * BINS
Kind = Literal["diffusion", "regression"]
Says = Literal["noise", "velocity"]


@dataclass(frozen=True)
class Config:
    """One network; the defaults are the paper's, but for a hand's joints."""

    kind: Kind = "diffusion"
    """regression: the denoiser's layers say one pose straight from the condition."""
    maps: int = 21
    """Joints with a heat map."""
    joints: int = 20
    """Joints of the pose: the hand's without its wrist, which is the origin."""
    samples: int = 32
    """Of each map, the highest cell among them; 1: that alone."""
    condition: int = 128
    """Numbers of the condition for each map."""
    hidden: int = 1024
    layers: int = 4
    """Of the transformer over joints."""
    dropped: float = 0.1
    """Share of joints without samples while training."""
    steps: int = 25
    says: Says = "noise"
    """What the denoiser says of a noisy pose: its noise, as the paper; or velocity (`Cosine.velocity`), of which the
    same noise and pose follow. The early steps of sampling multiply an error of the noise (16 times at step 23, 508 at
    step 24), so that much has to be learned before they say anything of the pose; a velocity is never multiplied."""
    noises: int = 1
    """Noisy poses for each condition while training. They cost little beside the condition, and the loss is the same
    in the mean."""
    scale: float = 25.0
    """Of metres. The paper's 10 brings bodies to deviations of 2 to 3."""
    limit: float = 8.0
    """Of scaled poses, while sampling."""

    def __post_init__(self) -> None:
        one_of("kind", self.kind, ("diffusion", "regression"))
        one_of("says", self.says, ("noise", "velocity"))
        for name in ("maps", "joints", "samples", "condition", "hidden", "layers", "steps", "noises"):
            if getattr(self, name) < 1:
                raise PalmarError(f"Config.{name} must be positive, got {getattr(self, name)}.")

    @property
    def numbers(self) -> int:
        """Of a pose."""
        return 3 * self.joints


PAPER_BODY = Config(maps=16, joints=16, scale=10.0, limit=30.0)
"""The paper's network for Human3.6M: 16 joints about their own mean."""
PAPER = Config()
SMALL = Config(condition=16, hidden=192, layers=1, dropped=0.01, says="velocity", noises=16)
"""For processors: it learns in minutes."""


def soft_bins(places: Float[Tensor, "*b"]) -> Float[Tensor, "*b 64"]:
    """Squared cosines about the centres of 64 bins from -1 to 1, each of which reaches two of its neighbours."""
    centres = torch.linspace(-1, 1, BINS, dtype=places.dtype, device=places.device)
    angle = (places[..., None] - centres) * REACH
    return torch.where(angle.abs() > math.pi / 2, torch.zeros_like(angle), angle.cos().square())


def codes(samples: Float[Tensor, "b j s 3"]) -> Float[Tensor, "b j 128"]:
    """Soft bins of x, then of y, weighed by likelihood and summed over samples. Samples stand on cells of a map
    (`candidates`), so that the bins of all 64 places are looked up: half of a training step goes to cosines else."""
    cells = torch.arange(BINS, dtype=samples.dtype, device=samples.device)
    table = soft_bins((cells - BINS / 2) / (BINS / 2))
    at = (samples[..., :2] * (BINS / 2) + BINS / 2).round().long()  # b j s 2
    return torch.einsum("bjsak,bjs->bjak", F.embedding(at, table), samples[..., 2]).flatten(-2)


class Conditioner(nn.Module):
    """Samples -> the condition: each joint's samples are binned, weighed by their likelihood and summed; joints attend
    to each other."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.project = nn.Linear(TOKEN, TOKEN)
        self.joint = nn.Parameter(torch.randn(config.maps, TOKEN) * 0.02)
        layer = nn.TransformerEncoderLayer(TOKEN, 4, 4 * TOKEN, 0.1, batch_first=True)
        self.transformer = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.out = nn.Linear(config.maps * TOKEN, config.maps * config.condition)

    def forward(self, samples: Float[Tensor, "b j s 3"]) -> Float[Tensor, "b c"]:
        summed = codes(samples)
        if self.training and self.config.dropped:
            there = torch.rand(samples.shape[:2], device=samples.device) >= self.config.dropped
            summed = summed * there[..., None]
        # The layer on each sample, then their sum, is the layer on the sum with its bias once for each.
        tokens = F.linear(summed, self.project.weight, samples.shape[2] * self.project.bias) + self.joint
        return self.out(self.transformer(tokens).flatten(1))


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        return x + F.leaky_relu(self.second(F.leaky_relu(self.first(x))))


class Denoiser(nn.Module):
    """(noisy pose, step, condition) -> noise or velocity. The step goes in as it is counted."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.into = nn.Linear(config.numbers + 1 + config.maps * config.condition, config.hidden)
        self.blocks = nn.Sequential(Block(config.hidden), Block(config.hidden))
        self.out = nn.Linear(config.hidden, config.numbers)

    def forward(
        self, pose: Float[Tensor, "b d"], step: Float[Tensor, " b"], condition: Float[Tensor, "b c"]
    ) -> Float[Tensor, "b d"]:
        return self.out(self.blocks(self.into(torch.cat([pose, step[:, None], condition], 1))))


class DiffPose(nn.Module):
    """Samples of heat maps -> poses."""

    def __init__(self, config: Config = PAPER) -> None:
        super().__init__()
        self.config = config
        self.condition = Conditioner(config)
        self.denoiser = Denoiser(config)
        self.schedule = Cosine(config.steps)

    def forward(self, packed: Float[Tensor, "b n"]) -> tuple[Float[Tensor, "r d"], Float[Tensor, "r d"]]:
        """Samples and true pose in one array (`packed`) -> (what the network says, what it should): of random steps the
        noise or velocity (`Config.says`), `Config.noises` rows for each condition; of a regression, the pose."""
        samples, pose = unpacked(packed, self.config)
        condition = self.condition(samples)
        if self.config.kind == "regression":
            return self.regressed(condition), pose
        condition, pose = (x.repeat_interleave(self.config.noises, 0) for x in (condition, pose))
        step = torch.randint(self.config.steps, (len(pose),), device=pose.device)
        noise = torch.randn_like(pose)
        said = self.denoiser(self.schedule.noised(pose, step, noise), step.to(pose), condition)
        return said, self.schedule.velocity(pose, step, noise) if self.config.says == "velocity" else noise

    def noise(self, x: Float[Tensor, "b d"], step: int, condition: Float[Tensor, "b c"]) -> Float[Tensor, "b d"]:
        """Of noisy poses, all of one step."""
        said = self.denoiser(x, x.new_full((len(x),), step), condition)
        return self.schedule.noise(x, step, said) if self.config.says == "velocity" else said

    def regressed(self, condition: Float[Tensor, "b c"]) -> Float[Tensor, "b d"]:
        zero = condition.new_zeros(len(condition), self.config.numbers)
        return self.denoiser(zero, zero[:, 0], condition)

    def poses(
        self, samples: Float[Tensor, "b j s 3"], random: torch.Generator, *, means: bool = False
    ) -> Float[Tensor, "b k 3"]:
        """One pose for each set of samples, metres. means: follow the posterior's means from a random start."""
        condition = self.condition(samples)
        if self.config.kind == "regression":
            x = self.regressed(condition)
        else:
            start = torch.randn(len(samples), self.config.numbers, generator=random, dtype=condition.dtype)
            x = self.schedule.sampled(
                start.to(condition.device),
                lambda x, t: self.noise(x, t, condition),
                limit=self.config.limit,
                random=None if means else random,
            )
        return x.unflatten(1, (3, -1)).transpose(1, 2) / self.config.scale


def packed(samples: Float[np.ndarray, "b j s 3"], poses: Float[np.ndarray, "b k 3"], config: Config) -> np.ndarray:
    """Samples, and poses in metres, as one array that the training loop hands on."""
    vector = config.scale * poses.transpose(0, 2, 1).reshape(len(poses), -1)
    return np.concatenate([samples.reshape(len(samples), -1), vector], 1).astype(np.float32)


def unpacked(both: Float[Tensor, "b n"], config: Config) -> tuple[Float[Tensor, "b j s 3"], Float[Tensor, "b d"]]:
    """What `packed` packed; the poses scaled."""
    samples = both[:, : -config.numbers]
    return samples.reshape(len(both), config.maps, -1, 3), both[:, -config.numbers :]


def odds(heat: Float[np.ndarray, "*k 64 64"]) -> Float[np.ndarray, "*k 4096"]:
    """Of each cell, row by row, summed up: what is below zero counts nothing, an empty map is even."""
    flat = heat.reshape(*heat.shape[:-2], BINS * BINS)
    return np.cumsum(np.maximum(flat, 0.0).astype(np.float64) + 1e-12, -1)


def candidates(
    heat: Float[np.ndarray, "*k 64 64"],
    rng: np.random.Generator,
    samples: int,
    total: Float[np.ndarray, "*k 4096"] | None = None,
) -> Float[np.ndarray, "*k s 3"]:
    """The highest cell of each map and samples - 1 drawn with their heat as odds, with replacement: x and y from -1 at
    the first cell, by 1/32 a cell; the heat there. total: the maps' `odds`, where they are at hand."""
    return drawn(heat, rng, samples, 1, total)[0]


def drawn(
    heat: Float[np.ndarray, "*k 64 64"],
    rng: np.random.Generator,
    samples: int,
    times: int,
    total: Float[np.ndarray, "*k 4096"] | None = None,
) -> Float[np.ndarray, "n *k s 3"]:
    """`candidates`, so many times of the same maps."""
    flat = heat.reshape(-1, BINS * BINS)
    best = np.broadcast_to(flat.argmax(1)[:, None, None], (len(flat), times, 1))
    cells = best
    if samples > 1:
        total = (odds(heat) if total is None else total).reshape(-1, BINS * BINS)
        draws = rng.random((len(flat), times * (samples - 1))) * total[:, -1:]
        found = np.stack([np.searchsorted(row, draw, side="right") for row, draw in zip(total, draws, strict=True)])
        found = np.minimum(found, BINS * BINS - 1).reshape(len(flat), times, samples - 1)
        cells = np.concatenate([best, found], 2)
    place = (np.stack([cells % BINS, cells // BINS], -1) - BINS / 2) / (BINS / 2)
    value = np.take_along_axis(flat[:, None], cells, 2)[..., None]
    out = np.concatenate([place, value], -1).astype(np.float32).swapaxes(0, 1)
    return out.reshape(times, *heat.shape[:-2], samples, 3)
