"""What TA-GCN sees of a clip: the paths of 51 points, in as many frames as it wants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from palmar.errors import PalmarError
from palmar.methods.h2o.tagcn import Config, TaGcn
from palmar.types.firstperson import EgoClip


def paths(clip: EgoClip) -> Float32[np.ndarray, "t 51 3"]:
    """Metres, camera frame: left hand, right hand, the object's centre and corners; 0 where absent."""
    t = len(clip)
    points = np.concatenate([clip.joints.reshape(t, 42, 3), clip.points[:, :9]], 1)
    return np.nan_to_num(points).astype(np.float32)


def rows_of(length: int, frames: int, rng: np.random.Generator | None = None) -> Int[np.ndarray, " f"]:
    """Which frames of a clip: of a longer one random ones in order (spread evenly without rng), a shorter one is played
    again from its beginning."""
    if length < 1:
        raise PalmarError("a clip without frames has nothing to recognise.")
    if length <= frames:
        return np.arange(frames) % length
    if rng is None:
        return np.linspace(0, length - 1, frames).round().astype(np.int64)
    return np.sort(rng.choice(length, frames, replace=False))


def seen(
    clip: Float32[np.ndarray, "t 51 3"], config: Config, rng: np.random.Generator | None = None
) -> Float32[np.ndarray, "3 f n"]:
    """A clip's paths as the network sees them."""
    return np.ascontiguousarray(clip[rows_of(len(clip), config.frames, rng)][:, config.rows].transpose(2, 0, 1))


class Batches:
    """Number of a batch -> paths ("image": what the loop shows a network) and actions: a pure function of the number,
    the seed and the clips.

    noise: metres, standard deviation of a shift of every point of hands and object that lasts a whole clip; for
    networks that will see estimated poses.
    """

    def __init__(self, clips: Sequence[EgoClip], config: Config, *, size: int, seed: int, noise: float = 0.0) -> None:
        if not len(clips):
            raise PalmarError("no clips to learn from; see --data.")
        self.paths = [paths(clip) for clip in clips]
        self.actions = np.array([clip.action for clip in clips], np.int64)
        if self.actions.max() >= config.classes:
            raise PalmarError(f"clips have action {self.actions.max()}, the network {config.classes} classes.")
        self.config, self.size, self.seed, self.noise = config, size, seed, noise

    def __call__(self, number: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng((self.seed, number))
        picked = rng.integers(len(self.paths), size=self.size)
        x = np.stack([seen(self.paths[i], self.config, rng) for i in picked])
        if self.noise:
            there = (x != 0).any((1, 2), keepdims=True)
            x = x + (there * rng.normal(0, self.noise, (len(x), 3, 1, x.shape[-1]))).astype(np.float32)
        return {"image": x, "action": self.actions[picked]}


@torch.inference_mode()
def recognise(net: TaGcn, clips: Sequence[EgoClip], batch: int = 32) -> Float[np.ndarray, "n k"]:
    """Logits of clips."""
    net.eval()
    x = np.stack([seen(paths(clip), net.config) for clip in clips])
    device = next(net.parameters()).device
    found: list[Tensor] = [net(torch.from_numpy(x[i : i + batch]).to(device)) for i in range(0, len(x), batch)]
    return torch.cat(found).cpu().numpy()
