"""The networks: a convolutional reader of the band, decoders that roll a pose out step by step, and two baselines.

Signals are [b, c, t] (electrodes in ring order, 2000 Hz), angles [b, 20, t'] in radians, in the order of
`palmar.tasks.signal.JOINTS`. emg2pose (NeurIPS D&B 2024); the reader is a time-depth separable network (Hannun et al.
2019), NeuroPose is Liu, Zhang, Gowda 2021, SensingDynamics Simpetru et al. 2022.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from scipy.signal import butter, sosfreqz
from torch import Tensor, nn

from palmar.errors import PalmarError, one_of
from palmar.tasks.signal import DOF

Kind = Literal["rollout", "neuropose", "sensing"]
Decoder = Literal["lstm", "mlp"]
Predict = Literal["velocity", "hybrid", "position"]
Resampling = Literal["stretched", "steady", "hold"]

KERNELS, STRIDES = (11, 5, 17, 9), (5, 2, 4, 2)
"""Of the reader's four convolutions."""
BLOCKS = {2: 9, 3: 5}
"""Kernel of the two pairs of time-depth separable blocks after its third and its fourth."""
MAPS = 16
"""Maps that a time-depth separable convolution mixes, over width / MAPS slots."""


@dataclass(frozen=True)
class Config:
    """One network. The defaults are the paper's sizes; its own networks are `PAPER`."""

    kind: Kind = "rollout"
    decoder: Decoder = "lstm"
    predict: Predict = "hybrid"
    """What the decoder says at each step: the pose's change; the pose; or (hybrid) the pose in the first quarter of a
    second where the first pose is not known, and its change after that."""
    electrodes: int = 16
    width: int = 256
    """Of the reader; for NeuroPose and SensingDynamics of the widest map, and the others in proportion."""
    features: int = 64
    hidden: int = 512
    """Of the decoder."""
    scale: float = 0.01
    """Of the decoder's output. 0.01 rad a step suits velocities; a position needs more to reach far (the paper has 0.01
    for both, and a later study of 2026 says that its positions suffer from it)."""
    rate: int = 2000
    """Hertz of the signal."""
    rollout: int = 50
    """Steps a second."""
    begin: int = 500
    """Samples in which hybrid decoders say positions."""
    resampling: Resampling = "stretched"
    """How features at 25 Hz become steps at 50 Hz. stretched: as in the paper, each window is stretched so that its
    first and last features stand at its ends, which depends on the window's length and looks up to 50 ms ahead. steady:
    a step on each feature and one halfway, 20 ms ahead at most. hold: the latest feature, never ahead."""
    smooth: float = 0.15
    """Seconds of the moving average over what SensingDynamics says, outside training; 0 for none."""

    def __post_init__(self) -> None:
        one_of("kind", self.kind, ("rollout", "neuropose", "sensing"))
        one_of("decoder", self.decoder, ("lstm", "mlp"))
        one_of("predict", self.predict, ("velocity", "hybrid", "position"))
        one_of("resampling", self.resampling, ("stretched", "steady", "hold"))
        for name in ("electrodes", "width", "features", "hidden", "rate", "rollout"):
            if getattr(self, name) < 1:
                raise PalmarError(f"emg2pose: {name} must be positive, got {getattr(self, name)}.")
        if self.width % MAPS:
            raise PalmarError(f"emg2pose: width must be a multiple of {MAPS}, got {self.width}.")

    @property
    def context(self) -> int:
        """Samples before the first one that gets a pose."""
        return reach()[0] if self.kind == "rollout" else 0


PAPER = {
    "tracking_vemg2pose": Config(predict="velocity"),
    "regression_vemg2pose": Config(predict="hybrid"),
    "emg2pose": Config(decoder="mlp", predict="position"),
    "neuropose": Config(kind="neuropose"),
    "sensingdynamics": Config(kind="sensing"),
}
"""The paper's networks (SensingDynamics as its own paper has it, with twice the weights that emg2pose counts)."""


def reach() -> tuple[int, int]:
    """(samples before the one a feature is of, samples between features) of the reader: 1790 and 80."""
    before, step = 0, 1
    for i, (kernel, stride) in enumerate(zip(KERNELS, STRIDES, strict=True)):
        before += (kernel - 1) * step
        step *= stride
        before += 2 * (BLOCKS.get(i, 1) - 1) * step
    return before, step


# ---------------------------------------------------------------------------------------------------------- the reader


class Norm(nn.LayerNorm):
    """Over the channels of each time step."""

    def forward(self, x: Float[Tensor, "b c t"]) -> Float[Tensor, "b c t"]:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class Stem(nn.Module):
    """Convolution without padding, ReLU, norm."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.conv = nn.Conv1d(inputs, outputs, kernel, stride)
        self.norm = Norm(outputs)

    def forward(self, x: Float[Tensor, "b i t"]) -> Float[Tensor, "b o s"]:
        return self.norm(F.relu(self.conv(x)))


class Temporal(nn.Module):
    """Time-depth separable convolution: mixes maps within each slot over time; adds the latest inputs; norm."""

    def __init__(self, width: int, kernel: int, maps: int = MAPS) -> None:
        super().__init__()
        self.kernel, self.stride, self.maps = kernel, 1, maps
        self.conv = nn.Conv2d(maps, maps, (1, kernel))
        self.norm = Norm(width)

    def forward(self, x: Float[Tensor, "b c t"]) -> Float[Tensor, "b c s"]:
        b, c, t = x.shape
        mixed = F.relu(self.conv(x.reshape(b, self.maps, c // self.maps, t))).reshape(b, c, -1)
        return self.norm(mixed + x[..., self.kernel - 1 :])


class Pointwise(nn.Module):
    """Two layers on each time step, around a shortcut; norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.kernel, self.stride = 1, 1
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        self.norm = Norm(width)

    def forward(self, x: Float[Tensor, "b c t"]) -> Float[Tensor, "b c t"]:
        y = self.second(F.relu(self.first(x.transpose(1, 2)))).transpose(1, 2)
        return self.norm(y + x)


class Reader(nn.Module):
    """1791 samples to one feature vector, and one more for every 80 samples more. Nothing is padded: a feature is of
    the past alone."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = config.electrodes
        for i, (kernel, stride) in enumerate(zip(KERNELS, STRIDES, strict=True)):
            layers.append(Stem(inputs, config.width, kernel, stride))
            inputs = config.width
            if i in BLOCKS:
                for _ in range(2):
                    layers += [Temporal(config.width, BLOCKS[i]), Pointwise(config.width)]
        self.layers = nn.ModuleList(layers)
        self.out = nn.Linear(config.width, config.features)

    def forward(self, emg: Float[Tensor, "b e t"]) -> Float[Tensor, "b f s"]:
        x = emg
        for layer in self.layers:
            x = layer(x)
        return self.say(x)

    def say(self, x: Float[Tensor, "b c t"]) -> Float[Tensor, "b f t"]:
        return self.out(x.transpose(1, 2)).transpose(1, 2)


# -------------------------------------------------------------------------------------------------------- the decoders


class Lstm(nn.Module):
    """Two layers of LSTM over feature and pose before; what it remembers is its caller's."""

    def __init__(self, config: Config, outputs: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(config.features + DOF, config.hidden, 2)
        self.out = nn.Linear(config.hidden, outputs)

    def forward(self, x: Float[Tensor, "b i"], memory: Any) -> tuple[Float[Tensor, "b o"], Any]:
        # Cell by cell: a call of the whole LSTM for one step takes twice as long on a processor.
        if memory is None:
            zero = x.new_zeros(len(x), self.lstm.hidden_size)
            memory = [(zero, zero)] * self.lstm.num_layers
        kept = []
        for weights, state in zip(self.lstm.all_weights, memory, strict=True):
            state = torch.lstm_cell(x, state, *weights)
            kept.append(state)
            x = state[0]
        return self.out(F.leaky_relu(x)), kept


class Mlp(nn.Module):
    """Three layers over feature and pose before."""

    def __init__(self, config: Config, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(config.features + DOF, config.hidden), nn.LayerNorm(config.hidden), nn.LeakyReLU(),
            nn.Linear(config.hidden, config.hidden), nn.LayerNorm(config.hidden), nn.LeakyReLU(),
            nn.Linear(config.hidden, outputs),
        )  # fmt: skip

    def forward(self, x: Float[Tensor, "b i"], memory: Any) -> tuple[Float[Tensor, "b o"], Any]:
        return self.layers(x), memory


@dataclass
class Rolling:
    """Where a roll-out stands."""

    pose: Float[Tensor, "b 20"]
    known: Bool[Tensor, " b"]
    """Where the first pose was given."""
    step: int = 0
    memory: Any = None


class Rollout(nn.Module):
    """emg2pose and vemg2pose: features at 25 Hz, a pose at 50 Hz that each step makes from the one before."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.reader = Reader(config)
        outputs = 2 * DOF if config.predict == "hybrid" else DOF
        self.decoder = (Lstm if config.decoder == "lstm" else Mlp)(config, outputs)
        self.first_steps = round(config.begin * config.rollout / config.rate)  # 12.5 to 12, as the paper's code has it

    def begin(self, start: Float[Tensor, "b 20"], known: Bool[Tensor, " b"]) -> Rolling:
        return Rolling(torch.where(known[:, None], start, torch.zeros_like(start)), known)

    def step(self, rolling: Rolling, feature: Float[Tensor, "b f"]) -> Float[Tensor, "b 20"]:
        """The next pose; moves `rolling` on."""
        said, rolling.memory = self.decoder(torch.cat([feature, rolling.pose], 1), rolling.memory)
        said = said * self.config.scale
        if self.config.predict == "position":
            pose = said
        elif self.config.predict == "velocity":
            pose = rolling.pose + said
        else:
            moved = rolling.pose + said[:, DOF:]
            pose = moved
            if rolling.step < self.first_steps:
                pose = torch.where(rolling.known[:, None], moved, said[:, :DOF])
        rolling.pose, rolling.step = pose, rolling.step + 1
        return pose

    def steps(self, features: Float[Tensor, "b f n"], samples: int) -> Float[Tensor, "b f m"]:
        """Features of the roll-out's steps. samples: those that get poses."""
        if self.config.resampling == "stretched":
            count = max(round(samples / self.config.rate * self.config.rollout), 1)
            return F.interpolate(features, count, mode="linear", align_corners=True)
        return steady(features, hold=self.config.resampling == "hold")

    def upsampled(self, poses: Float[Tensor, "b 20 m"], samples: int) -> Float[Tensor, "b 20 t"]:
        """Poses at every sample, on lines between the steps."""
        if self.config.resampling == "stretched":
            return F.interpolate(poses, samples, mode="linear", align_corners=False)
        at = torch.arange(samples, device=poses.device) * self.config.rollout / self.config.rate
        below = at.floor().long().clamp(max=poses.shape[-1] - 1)
        above = (below + 1).clamp(max=poses.shape[-1] - 1)
        return torch.lerp(poses[..., below], poses[..., above], (at - below).clamp(max=1).to(poses.dtype))

    def poses(
        self,
        emg: Float[Tensor, "b e t"],
        start: Float[Tensor, "b 20"] | None = None,
        known: Bool[Tensor, " b"] | None = None,
    ) -> Float[Tensor, "b 20 m"]:
        """Angles at the steps of the roll-out; see `forward`."""
        samples = _enough(emg, self.config.context)
        features = self.steps(self.reader(emg), samples)
        zero = emg.new_zeros(len(emg), DOF)
        told = torch.full((len(emg),), start is not None, device=emg.device) if known is None else known
        rolling = self.begin(zero if start is None else start, told)
        return torch.stack([self.step(rolling, feature) for feature in features.unbind(-1)], -1)

    def forward(
        self,
        emg: Float[Tensor, "b e t"],
        start: Float[Tensor, "b 20"] | None = None,
        known: Bool[Tensor, " b"] | None = None,
    ) -> Float[Tensor, "b 20 s"]:
        """Angles of the samples from `Config.context` on.

        start: the pose at the first of them, where it is known (tracking); without, it is to be found (regression).
        known: of which windows `start` counts, all of them if not given.
        """
        return self.upsampled(self.poses(emg, start, known), emg.shape[-1] - self.config.context)


def steady(features: Float[Tensor, "b f n"], *, hold: bool = False) -> Float[Tensor, "b f m"]:
    """Twice as many steps less one: on each feature and halfway to the next, or with `hold` the same again."""
    between = features[..., :-1] if hold else (features[..., :-1] + features[..., 1:]) / 2
    pairs = torch.stack([features[..., :-1], between], -1).flatten(2)
    return torch.cat([pairs, features[..., -1:]], -1)


def _enough(emg: Tensor, context: int, least: int = 1) -> int:
    """Samples after the context. Raises PalmarError for too short a window."""
    samples = emg.shape[-1] - context
    if samples < least:
        raise PalmarError(
            f"emg2pose: windows of {emg.shape[-1]} samples are too short; this network needs {context + least} or more."
        )
    return samples


# ----------------------------------------------------------------------------------------------------------- NeuroPose


def _same(inputs: int, outputs: int) -> list[nn.Module]:
    """Convolution over 3 samples and 2 electrodes that keeps both extents (a zero behind the last electrode: the ring
    is not closed)."""
    return [
        nn.Conv2d(inputs, outputs, (3, 2), padding="same"), nn.BatchNorm2d(outputs), nn.ReLU(), nn.Dropout(0.05),
    ]  # fmt: skip


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*_same(width, width), *_same(width, width), *_same(width, width))

    def forward(self, x: Float[Tensor, "b c t e"]) -> Float[Tensor, "b c t e"]:
        return x + self.layers(x)


class NeuroPose(nn.Module):
    """The window as a picture of time by electrodes, down to few cells, and up again; no context, no state."""

    down = ((10, 2), (8, 2), (4, 4))
    up = ((10, 4), (8, 4), (4, 2))
    """What the pools divide time and electrodes by, and the other way; the electrodes come out doubled."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.electrodes != 16:
            raise PalmarError(f"NeuroPose is made for 16 electrodes, got {config.electrodes}.")
        self.config = config
        widths = (1, config.width // 8, config.width // 2, config.width)
        coder = [
            nn.Sequential(*_same(a, b), nn.MaxPool2d(pool))
            for a, b, pool in zip(widths, widths[1:], self.down, strict=False)
        ]
        middle = [Residual(config.width) for _ in range(5)]
        back = [
            nn.Sequential(*_same(a, b), nn.Upsample(scale_factor=scale))
            for a, b, scale in zip(widths[:0:-1], widths[-2::-1], self.up, strict=True)
        ]
        self.layers = nn.Sequential(*coder, *middle, *back)
        self.out = nn.Linear(2 * config.electrodes, DOF)

    def forward(
        self, emg: Float[Tensor, "b e t"], start: Tensor | None = None, known: Tensor | None = None
    ) -> Float[Tensor, "b 20 t"]:
        """Angles at every sample. It cannot be told a first pose."""
        samples = _enough(emg, 0, 320)
        y = self.layers(emg.transpose(1, 2)[:, None])  # b 1 t e
        said = self.out(y.transpose(1, 2).flatten(2)).transpose(1, 2)
        return F.interpolate(said, samples, mode="linear", align_corners=False)


# ----------------------------------------------------------------------------------------------------- SensingDynamics


class Smu(nn.Module):
    """Smooth maximum unit (Biswas et al. 2021): max(x, alpha x), smoothed by the error function."""

    alpha = 0.01

    def __init__(self) -> None:
        super().__init__()
        self.mu = nn.Parameter(torch.tensor(2.5))

    def forward(self, x: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
        a = self.alpha
        return 0.5 * ((1 + a) * x + (1 - a) * x * torch.erf(self.mu * (1 - a) * x))


class SensingDynamics(nn.Module):
    """The signal and its slow part over a closed ring of electrodes; each pose is of the last 167 samples alone."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.electrodes != 16:
            raise PalmarError(f"SensingDynamics is made for 16 electrodes, got {config.electrodes}.")
        self.config = config
        wide, slim, mid, last = config.width, config.width // 8, config.width // 4, 2 * config.width
        self.layers = nn.Sequential(
            nn.Conv2d(2, wide, (1, 31), (1, 8)), nn.BatchNorm2d(wide), Smu(), nn.Dropout2d(0.25),
            nn.CircularPad2d((0, 0, 4, 4)),
            nn.Conv2d(wide, slim, (8, 18), dilation=(2, 1)), nn.BatchNorm2d(slim), Smu(),
            nn.Conv2d(slim, mid, (3, 1)), nn.BatchNorm2d(mid), Smu(),
        )  # fmt: skip
        self.head = nn.Sequential(
            nn.Dropout(0.4), nn.Linear(8 * mid, last), Smu(), nn.Linear(last, last), Smu(), nn.Linear(last, DOF),
        )  # fmt: skip

    def said(self, emg: Float[Tensor, "b e t"]) -> Float[Tensor, "b 20 s"]:
        """One pose for every 8 samples."""
        both = torch.stack([emg, slow(emg, self.config.rate)], 1)  # b 2 e t
        y = self.layers(both).flatten(1, 2).transpose(1, 2)
        return self.head(y).transpose(1, 2)

    def forward(
        self, emg: Float[Tensor, "b e t"], start: Tensor | None = None, known: Tensor | None = None
    ) -> Float[Tensor, "b 20 t"]:
        """Angles at every sample. It cannot be told a first pose."""
        samples = _enough(emg, 0, 167)
        y = F.interpolate(self.said(emg), samples, mode="linear", align_corners=False)
        half = round(self.config.smooth * self.config.rate / 2)
        if self.training or not half:
            return y
        return F.avg_pool1d(y, 2 * half + 1, 1, half, count_include_pad=False)


@functools.cache
def _response(length: int, rate: int) -> np.ndarray:
    """Squared gain of the 20 Hz low pass at the frequencies of a real transform."""
    sos = butter(4, 20.0, "low", fs=rate, output="sos")
    _, gain = sosfreqz(sos, np.fft.rfftfreq(length, 1 / rate), fs=rate)
    return np.abs(gain) ** 2


def slow(emg: Float[Tensor, "b e t"], rate: int) -> Float[Tensor, "b e t"]:
    """What is below 20 Hz: a fourth-order Butterworth low pass run forwards and backwards, so that nothing shifts. The
    ends continue odd, as is usual."""
    edge = min(rate // 5, emg.shape[-1] - 1)
    before = 2 * emg[..., :1] - emg[..., 1 : edge + 1].flip(-1)
    after = 2 * emg[..., -1:] - emg[..., -edge - 1 : -1].flip(-1)
    long = torch.cat([before, emg, after], -1)
    gain = torch.as_tensor(_response(long.shape[-1], rate), dtype=emg.dtype, device=emg.device)
    return torch.fft.irfft(torch.fft.rfft(long) * gain, n=long.shape[-1])[..., edge : edge + emg.shape[-1]]


# ----------------------------------------------------------------------------------------------------------- any of it


def build(config: Config) -> nn.Module:
    """The network of a config: `Rollout`, `NeuroPose` or `SensingDynamics`. All are called alike."""
    return {"rollout": Rollout, "neuropose": NeuroPose, "sensing": SensingDynamics}[config.kind](config)
