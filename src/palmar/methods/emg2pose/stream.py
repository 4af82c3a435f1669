"""A pose every 20 ms while the signal comes in, in chunks of any length, on one core.

    stream = Streamer(model)
    for chunk in band:                       # [16, n] at 2000 Hz
        found = stream.push(chunk)           # found.seconds [k], found.angles [k, 20]

The same numbers as from the whole signal at once: convolutions keep the few inputs they still need, the decoder its
memory. A step that stands on a feature comes with the sample it is of; one halfway between two features waits for the
second, 20 ms ("steady"), or takes the first again ("hold").
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from palmar.errors import PalmarError, one_of
from palmar.methods.emg2pose.model import Rolling, Rollout, reach
from palmar.tasks.signal import DOF


@dataclass(frozen=True, eq=False)
class Poses:
    seconds: Float[np.ndarray, " k"]
    """Since the first sample of the stream."""
    angles: Float[np.ndarray, "k 20"]
    """Radians."""


class Streamer:
    """A roll-out network fed as the signal comes. `reset` begins anew."""

    def __init__(self, model: Rollout, *, resampling: Literal["steady", "hold"] = "steady") -> None:
        """resampling: `Config.resampling` of the steps; a network trained on stretched windows may take either."""
        if not isinstance(model, Rollout):
            raise PalmarError(f"{type(model).__name__} reads whole windows and cannot be streamed; vemg2pose can.")
        self.model, self.config = model.eval(), model.config
        self.hold = one_of("resampling", resampling, ("steady", "hold")) == "hold"
        self.context, self.stride = reach()
        self.period = self.config.rate // self.config.rollout
        if self.stride != 2 * self.period:
            raise PalmarError("a streamed network has two steps to a feature.")
        self.reset()

    def reset(self, start: Float[np.ndarray, " 20"] | None = None) -> None:
        """Forgets the signal. start: the pose 0.9 s (`Config.context`) after the next sample, where it is known."""
        weight = next(self.model.parameters())
        pose = torch.zeros(1, DOF, dtype=weight.dtype, device=weight.device)
        if start is not None:
            pose += torch.as_tensor(start, dtype=weight.dtype, device=weight.device)
        self._rolling: Rolling = self.model.begin(pose, torch.tensor([start is not None], device=weight.device))
        self._kept: list[Tensor | None] = [None] * len(self.model.reader.layers)
        self._features: list[Tensor] = []  # the last two at most
        self._count = self._dropped = self._step = 0

    @torch.no_grad()
    def push(self, emg: Float[np.ndarray, "e n"]) -> Poses:
        """The poses that these samples complete; often none, after a long chunk many."""
        if emg.ndim != 2 or len(emg) != self.config.electrodes:
            raise PalmarError(f"stream: expected [{self.config.electrodes}, n] samples, got {list(emg.shape)}.")
        if not np.isfinite(emg).all():
            raise PalmarError("stream: the signal holds numbers that are not finite.")
        self._count += emg.shape[1]
        self._read(emg)
        out: list[Tensor] = []
        first = self._step
        while (feature := self._next()) is not None:
            out.append(self.model.step(self._rolling, feature)[0])
            self._step += 1
        seconds = (self.context + self.period * np.arange(first, self._step)) / self.config.rate
        angles = torch.stack(out).cpu().numpy() if out else np.zeros((0, DOF), np.float32)
        return Poses(seconds, angles)

    def _read(self, emg: Float[np.ndarray, "e n"]) -> None:
        weight = next(self.model.parameters())
        x = torch.as_tensor(np.ascontiguousarray(emg), dtype=weight.dtype, device=weight.device)[None]
        for i, layer in enumerate(self.model.reader.layers):
            kept = self._kept[i]
            x = x if kept is None else torch.cat([kept, x], -1)
            count = max((x.shape[-1] - layer.kernel) // layer.stride + 1, 0)
            self._kept[i] = x[..., count * layer.stride :]
            if not count:
                return
            x = layer(x[..., : (count - 1) * layer.stride + layer.kernel])
        self._features += list(self.model.reader.say(x).unbind(-1))

    def _next(self) -> Tensor | None:
        """The feature of the next step, if all it needs is there."""
        at, odd = divmod(self._step, 2)
        last = at if self.hold or not odd else at + 1
        have = self._dropped + len(self._features)
        if last >= have or self._count <= self.context + self.period * self._step:
            return None
        self._features = self._features[at - self._dropped :]
        self._dropped = at
        one = self._features[0]
        return one if last == at else (one + self._features[1]) / 2


@dataclass(frozen=True)
class Speed:
    """Of a stream fed 20 ms at a time."""

    median_ms: float
    """Per 20 ms of signal."""
    slowest_ms: float
    """The 99th of 100."""
    times_real: float
    """Seconds of signal per second of work."""


def speed(model: Rollout, seconds: float = 5.0, seed: int = 0) -> Speed:
    """How long a stream takes, in the threads that there are, on noise."""
    stream = Streamer(model)
    signal = np.random.default_rng(seed).standard_normal((model.config.electrodes, round(seconds * model.config.rate)))
    signal = signal.astype(np.float32)
    stream.push(signal[:, :4000])  # warm, and past the context
    took = []
    for chunk in np.split(signal, range(stream.period, signal.shape[1], stream.period), 1):
        begun = time.perf_counter()
        stream.push(chunk)
        took.append(time.perf_counter() - begun)
    total = float(np.sum(took))
    return Speed(1000 * float(np.median(took)), 1000 * float(np.quantile(took, 0.99)), seconds / total)
