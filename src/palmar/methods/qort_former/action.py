"""The recogniser of actions: a transformer over frames of meshes with contact values.

Of Cho et al., "Transformer-based Unified Recognition of Two Hands Manipulating Objects", CVPR 2023, as QORT-Former uses
it. A frame is a token: left mesh, right mesh and object, each of points (x, y, z, contact) through a linear layer, then
the probabilities of the object's classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from palmar.errors import PalmarError
from palmar.methods.qort_former.surfaces import frame_surfaces
from palmar.types.firstperson import EgoClip


@dataclass(frozen=True)
class ActionConfig:
    """`PAPER_ACTION` and `PAPER_ACTION_FPHA` are the published ones."""

    frames: int = 64
    actions: int = 37
    """The first is "none"."""
    objects: int = 8
    """Classes without "none"."""
    hands: tuple[int, ...] = (0, 1)
    vertices: int = 778
    """Per hand."""
    object_points: int = 2000
    part: int = 100
    """Numbers that each mesh becomes."""
    layers: int = 4
    heads: int = 3
    head_width: int = 64
    dropout: float = 0.2
    contact: bool = True
    """The fourth number of a point; False: always 0."""
    compatible: bool = False
    """With the released layers that nothing runs through: one of 2,000 inputs, and the left hand's of FPHA."""

    def __post_init__(self) -> None:
        for name in ("frames", "actions", "objects", "vertices", "object_points", "part", "layers", "heads"):
            if getattr(self, name) < 1:
                raise PalmarError(f"ActionConfig.{name} must be positive, got {getattr(self, name)}.")

    @property
    def width(self) -> int:
        """Of a token."""
        return (len(self.hands) + 1) * self.part + self.objects

    @property
    def inputs(self) -> int:
        """Numbers of a frame: points of hands, of the object, probabilities."""
        return 4 * (len(self.hands) * self.vertices + self.object_points) + self.objects


PAPER_ACTION = ActionConfig()
PAPER_ACTION_FPHA = ActionConfig(frames=32, actions=11, objects=4, hands=(1,))
SMALL_ACTION = ActionConfig(frames=32, vertices=100, object_points=100, part=32, layers=2, heads=2, head_width=32)


class Attention(nn.Module):
    """Several heads, projections without bias, no dropout of the weights; heads may be wider than the token."""

    def __init__(self, width: int, heads: int, head_width: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.inward = nn.Linear(width, 3 * heads * head_width, bias=False)
        self.outward = nn.Linear(heads * head_width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "b t c"]) -> Float[Tensor, "b t c"]:
        q, k, v = self.inward(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v)
        return self.dropout(self.outward(mixed.transpose(1, 2).flatten(2)))


class Block(nn.Module):
    """Pre-norm. Vaswani et al. 2017 with the norms of Xiong et al. 2020."""

    def __init__(self, config: ActionConfig) -> None:
        super().__init__()
        d = config.width
        self.norms = nn.ModuleList(nn.LayerNorm(d) for _ in range(2))
        self.attention = Attention(d, config.heads, config.head_width, config.dropout)
        self.mlp = nn.Sequential(
            nn.Linear(d, 4 * d), nn.GELU(), nn.Dropout(config.dropout), nn.Linear(4 * d, d), nn.Dropout(config.dropout)
        )

    def forward(self, x: Float[Tensor, "b t c"]) -> Float[Tensor, "b t c"]:
        x = x + self.attention(self.norms[0](x))
        return x + self.mlp(self.norms[1](x))


class ActionTransformer(nn.Module):
    """[b, frames, inputs] -> logits [b, actions]."""

    def __init__(self, config: ActionConfig = PAPER_ACTION) -> None:
        super().__init__()
        self.config = config
        d = config.width
        self.hands = nn.ModuleList(nn.Linear(4 * config.vertices, config.part) for _ in config.hands)
        self.object = nn.Linear(4 * config.object_points, config.part)
        if config.compatible:
            self.unused = nn.ModuleList([nn.Linear(2000, 100)])
            if len(config.hands) == 1:
                self.unused.append(nn.Linear(4 * config.vertices, config.part))
        self.class_token = nn.Parameter(torch.randn(1, 1, d) * 0.02)
        self.places = nn.Parameter(torch.randn(1, config.frames + 1, d) * 0.02)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(d)
        self.head = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, config.actions))

    def forward(self, x: Float[Tensor, "b t i"]) -> Float[Tensor, "b k"]:
        config = self.config
        sizes = [4 * config.vertices] * len(config.hands) + [4 * config.object_points, config.objects]
        *meshes, thing, label = x.split(sizes, -1)
        parts = [layer(mesh) for layer, mesh in zip(self.hands, meshes, strict=True)]
        tokens = torch.cat([*parts, self.object(thing), label], -1)
        h = torch.cat([self.class_token.expand(len(x), -1, -1), tokens], 1) + self.places
        h = self.dropout(h)
        for block in self.blocks:
            h = block(h)
        return self.head(self.norm(h)[:, 0])


# ------------------------------------------------------------------------------------------------------------- samples


def sampled(length: int, frames: int) -> Int[np.ndarray, " n"]:
    """Frames of a clip that are looked at: spread evenly from its first, repeated where it is shorter."""
    if length < 1:
        raise PalmarError("a clip without frames has no action.")
    return np.arange(frames) * length // frames


def vectors(clip: EgoClip, config: ActionConfig) -> Float[np.ndarray, "t i"]:
    """What the network reads of a clip: metres of the camera's frame; 0 for what is absent.

    Meshes come from the joints by inverse kinematics, the object's points from its box.
    """
    part = clip[sampled(len(clip), config.frames)]
    hands, thing = frame_surfaces(
        part.joints.astype(np.float64), part.points.astype(np.float64), config.vertices, config.object_points
    )
    if hands.shape[2] < config.vertices:
        raise PalmarError(f"the hand has {hands.shape[2]} vertices, fewer than {config.vertices}.")
    if not config.contact:
        hands[..., 3], thing[..., 3] = 0, 0
    label = np.zeros((config.frames, config.objects))
    for row, one in enumerate(part.objects):
        if 0 < one <= config.objects:
            label[row, one - 1] = 1
    flat = [hands[:, side].reshape(config.frames, -1) for side in config.hands]
    return np.concatenate([*flat, thing.reshape(config.frames, -1), label], 1).astype(np.float32)


class ClipBatches:
    """Number -> a batch of clips; a pure function of the number. Vectors are made once, and kept in half precision."""

    def __init__(self, clips: Sequence[EgoClip], config: ActionConfig, *, size: int, seed: int) -> None:
        if not len(clips):
            raise PalmarError("no clips to learn from; see --data.")
        self.size, self.seed = size, seed
        self.actions = np.array([clip.action for clip in clips], np.int64)
        self.vectors = np.stack([vectors(clip, config).astype(np.float16) for clip in clips])
        if self.actions.max() >= config.actions:
            raise PalmarError(f"a clip has action {self.actions.max()}; known are {config.actions}.")

    def __call__(self, number: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng((self.seed, number))
        chosen = rng.integers(len(self.vectors), size=self.size)
        return {"image": self.vectors[chosen].astype(np.float32), "action": self.actions[chosen]}


def action_loss(logits: Float[Tensor, "b k"], batch: Mapping[str, Tensor], progress: float) -> dict[str, Tensor]:
    """Cross-entropy."""
    right = (logits.argmax(1) == batch["action"]).float().mean()
    return {"loss": F.cross_entropy(logits, batch["action"]), "right": right.detach()}


@torch.inference_mode()
def recognise(net: ActionTransformer, clips: Sequence[EgoClip]) -> Float[np.ndarray, "n k"]:
    """Logits of clips."""
    device = next(net.eval().parameters()).device
    x = [net(torch.from_numpy(vectors(clip, net.config))[None].to(device))[0].cpu().numpy() for clip in clips]
    return np.stack(x) if x else np.zeros((0, net.config.actions), np.float32)
