"""Denoising diffusion (Ho et al. 2020) over vectors: the cosine schedule, its posterior, sampling by predicted noise.

Schedules are tables of a few numbers, computed in float64. diffusers' schedulers say the same; a dependency of their
size is not worth a table (docs/decisions/0007).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from palmar.errors import PalmarError


@dataclass(frozen=True)
class Cosine:
    """The cosine schedule (Nichol & Dhariwal 2021): beta_t = 1 - abar(t+1) / abar(t), at most 0.999."""

    steps: int
    offset: float = 0.008

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise PalmarError(f"a diffusion has at least one step, got {self.steps}.")

    @cached_property
    def beta(self) -> Float[np.ndarray, " t"]:
        """Variance that each step adds."""
        u = np.arange(self.steps + 1) / self.steps
        kept = np.cos((u + self.offset) / (1 + self.offset) * math.pi / 2) ** 2
        return np.minimum(1 - kept[1:] / kept[:-1], 0.999)

    @cached_property
    def kept(self) -> Float[np.ndarray, " t"]:
        """abar: the part of the signal's power that is left after each step."""
        return np.cumprod(1 - self.beta)

    @cached_property
    def posterior(self) -> tuple[Float[np.ndarray, " t"], Float[np.ndarray, " t"], Float[np.ndarray, " t"]]:
        """Of x_{t-1} given x_t and x_0: variance, and the weights of x_0 and of x_t in its mean."""
        before = np.append(1.0, self.kept[:-1])
        rest = 1 - self.kept
        return (
            self.beta * (1 - before) / rest,
            self.beta * np.sqrt(before) / rest,
            (1 - before) * np.sqrt(1 - self.beta) / rest,
        )

    def noised(
        self, clean: Float[Tensor, "b d"], step: Int[Tensor, " b"], noise: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b d"]:
        """x_t: what is left of the signal, and noise."""
        kept = torch.from_numpy(self.kept).to(clean)[step][:, None]
        return kept.sqrt() * clean + (1 - kept).sqrt() * noise

    def clean(
        self, x: Float[Tensor, "b d"], step: int, noise: Float[Tensor, "b d"], limit: float
    ) -> Float[Tensor, "b d"]:
        """x_0 that the noise means, kept within +-limit: in the last step its factor is hundreds."""
        kept = float(self.kept[step])
        return ((x - math.sqrt(1 - kept) * noise) / math.sqrt(kept)).clamp(-limit, limit)

    def velocity(
        self, clean: Float[Tensor, "b d"], step: Int[Tensor, " b"], noise: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b d"]:
        """sqrt(abar) noise - sqrt(1 - abar) x_0 (Salimans & Ho 2022)."""
        kept = torch.from_numpy(self.kept).to(clean)[step][:, None]
        return kept.sqrt() * noise - (1 - kept).sqrt() * clean

    def noise(self, x: Float[Tensor, "b d"], step: int, velocity: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """The noise that a velocity means."""
        kept = float(self.kept[step])
        return math.sqrt(kept) * velocity + math.sqrt(1 - kept) * x

    def mean(
        self, x: Float[Tensor, "b d"], step: int, noise: Float[Tensor, "b d"], limit: float
    ) -> Float[Tensor, "b d"]:
        """Of x_{t-1}."""
        _, of_clean, of_x = self.posterior
        return float(of_clean[step]) * self.clean(x, step, noise, limit) + float(of_x[step]) * x

    def sampled(
        self,
        start: Float[Tensor, "b d"],
        noise_of: Callable[[Tensor, int], Tensor],
        *,
        limit: float,
        random: torch.Generator | None,
    ) -> Float[Tensor, "b d"]:
        """From noise to signal. noise_of: the network, (x_t, t) -> noise. random: None follows the means only."""
        x = start
        deviation = np.sqrt(self.posterior[0])
        for step in reversed(range(self.steps)):
            x = self.mean(x, step, noise_of(x, step), limit)
            if step and random is not None:
                x = x + float(deviation[step]) * torch.randn(x.shape, generator=random, dtype=x.dtype).to(x.device)
        return x
