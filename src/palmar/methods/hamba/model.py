"""Hamba in the paper's order: backbone, joints regressor, token sampler, graph-guided state spaces, fusion; and
HaMeR's head of one query, which it is compared with.

Letters: b crops, c channels, h w extent of the backbone's map. uv are shares of the crop's side from its middle.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from palmar.errors import PalmarError, one_of
from palmar.geometry.rotations import rotmat_from_sixd
from palmar.hand import HandModel
from palmar.methods.hamba.hand import NUMBERS, SIDEWAYS, UPRIGHT, Meant, Said, meant
from palmar.nn.decoder import DecoderConfig, QueryDecoder
from palmar.nn.graph import SemanticConv, hand_edges
from palmar.nn.landmarker import LandmarkerTrunk
from palmar.nn.scan import SelectiveScan, snakes
from palmar.nn.vit import HUGE, VitConfig, VitTrunk

Head = Literal["hamba", "query", "pooled"]
Order = Literal["graph", "shuffled"]
JOINTS = 21
STAGES = 3
"""Of the landmarker's trunk: a map of stride 16."""


@dataclass(frozen=True)
class Config:
    """One network. The defaults are the paper's; `HAMER` and the small ones stand below."""

    head: Head = "hamba"
    """hamba; query: HaMeR's; pooled: a perceptron on the sampled tokens and their mean, Hamba without its blocks."""
    trunk: Literal["vit", "palmar"] = "vit"
    """vit sees the middle three quarters of the crop's columns; palmar, the landmarker's, all of it."""
    size: int = 256
    """Pixels of the crop's side."""
    vit: VitConfig = HUGE
    width: int = 512
    """Of the head's tokens."""
    blocks: int = 2
    """Graph-guided state space blocks. The paper does not say how many; two bring the head to the size it reports."""
    regressor: int = 4
    """Blocks of the joints regressor."""
    states: int = 16
    order: Order = "graph"
    """In which the joints are scanned: along the hand, or shuffled once and for all."""
    directions: int = 2
    """1: only from the wrist outwards."""
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    """Of the head of one query."""
    scale: float = 2.0
    """Side of the crop over the longer side of the hand in it, as the network was trained."""
    upright: bool = False
    """Whether crops are turned so that the hand points up."""
    hand: Literal["palmar", "mano"] = "palmar"
    """Model of the hand that is said; mano's is in a file of the user's."""

    def __post_init__(self) -> None:
        one_of("head", self.head, ("hamba", "query", "pooled"))
        one_of("trunk", self.trunk, ("vit", "palmar"))
        if self.trunk == "vit" and (self.vit.height, self.vit.width) != (self.size, self.size * 3 // 4):
            raise PalmarError(
                f"Config: crops of {self.size} pixels go with a transformer of {self.size} x {self.size * 3 // 4}, not "
                f"{self.vit.height} x {self.vit.width}."
            )

    @property
    def seen(self) -> float:
        """Share of the crop's columns that the backbone sees, the middle ones."""
        return 0.75 if self.trunk == "vit" else 1.0


PAPER = Config()
HAMER = Config(head="query")
_SMALL = {"trunk": "palmar", "size": 128, "width": 64, "blocks": 3, "regressor": 1, "states": 4, "scale": 1.6,
          "upright": True}  # fmt: skip
SMALL = Config(**_SMALL)  # type: ignore[arg-type]
SMALL_HAMER = Config(**_SMALL | {"head": "query"}, decoder=DecoderConfig(96, 96, 3, 4, 24, 96))  # type: ignore[arg-type]
"""About as many numbers in the head as in `SMALL`'s."""


# -------------------------------------------------------------------------------------------------------- state spaces


class StateSpace(nn.Module):
    """VMamba's mixer (Liu et al. 2024): two branches; one is smoothed over neighbours and scanned in several orders,
    the other gates it."""

    def __init__(self, width: int, orders: int, states: int, neighbours: nn.Module) -> None:
        super().__init__()
        self.into = nn.Linear(width, 4 * width, bias=False)
        self.neighbours = neighbours
        self.scan = SelectiveScan(2 * width, orders, states=states)
        self.norm = nn.LayerNorm(2 * width)
        self.out = nn.Linear(2 * width, width, bias=False)

    def forward(self, x: Float[Tensor, "b n c"], orders) -> Float[Tensor, "b n c"]:
        inner, gate = self.into(x).chunk(2, -1)
        inner = F.silu(self.neighbours(inner))
        return self.out(self.norm(self.scan(inner, orders)) * F.silu(gate))


class AlongMap(nn.Module):
    """Depthwise 3 x 3 over tokens of a map."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.columns = 0

    def forward(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        plane = x.transpose(1, 2).unflatten(-1, (-1, self.columns))
        return self.conv(plane).flatten(2).transpose(1, 2)


class AlongTokens(nn.Module):
    """Depthwise over three tokens in a row."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, 3, padding=1, groups=width)

    def forward(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        return self.conv(x.transpose(1, 2)).transpose(1, 2)


class MapBlock(nn.Module):
    """VMamba's block: the four orders of a map's rows and columns, around a shortcut."""

    def __init__(self, width: int, states: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.along = AlongMap(2 * width)
        self.mix = StateSpace(width, 4, states, self.along)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        rows, columns = x.shape[-2:]
        self.along.columns = columns
        tokens = x.flatten(2).transpose(1, 2)
        orders = [order.to(x.device) for order in snakes(rows, columns)]
        tokens = tokens + self.mix(self.norm(tokens), orders)
        return tokens.transpose(1, 2).unflatten(-1, (rows, columns))


class GraphBlock(nn.Module):
    """Graph-guided state spaces: joints gather along bones, then joints and the mean token are scanned along the hand,
    there and back."""

    def __init__(self, width: int, states: int, directions: int, order: Order) -> None:
        super().__init__()
        self.graph = SemanticConv(width, width, hand_edges(), JOINTS)
        self.mix = StateSpace(width, directions, states, AlongTokens(2 * width))
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, 4 * width)
        self.second = nn.Linear(4 * width, width)
        along = np.arange(JOINTS + 1)
        if order == "shuffled":
            along[:JOINTS] = np.random.default_rng(0).permutation(JOINTS)
        self.register_buffer("along", torch.from_numpy(along), persistent=False)
        self.register_buffer("back", torch.from_numpy(np.argsort(along)), persistent=False)
        self.directions = directions

    def forward(
        self, joints: Float[Tensor, "b 21 c"], whole: Float[Tensor, "b 1 c"]
    ) -> tuple[Float[Tensor, "b 21 c"], Float[Tensor, "b 1 c"]]:
        tokens = torch.cat([F.relu(self.graph(joints)), whole], 1)[:, self.along]
        there = torch.arange(JOINTS + 1, device=tokens.device)
        tokens = self.mix(tokens, [there, there.flip(0)][: self.directions]) + tokens
        tokens = self.second(F.gelu(self.first(self.norm(tokens)))) + tokens
        tokens = tokens[:, self.back]
        return tokens[:, :JOINTS], tokens[:, JOINTS:]


# ------------------------------------------------------------------------------------------------------------ the heads


def sampled(features: Float[Tensor, "b c h w"], uv: Float[Tensor, "b k 2"], seen: float) -> Float[Tensor, "b k c"]:
    """The map under points of the crop, bilinear, zero beyond its edge. seen: share of the columns that it covers."""
    grid = torch.stack([2 * uv[..., 0] / seen, 2 * uv[..., 1]], -1)
    return F.grid_sample(features, grid[:, :, None], align_corners=False)[..., 0].transpose(1, 2)


class Means(nn.Module):
    """Numbers that a head's are added to: a flat hand of mean shape that stands in the middle of the crop and fills it
    as crops are cut, unless weights bring their own."""

    def __init__(self, model: HandModel, *, upright: bool = False, scale: float = 6.0) -> None:
        super().__init__()
        root = np.array(UPRIGHT if upright else SIDEWAYS)
        rest = model.shaped(np.zeros(10)).rest_landmarks @ rotmat_from_sixd(root).T
        middle = (rest.min(0) + rest.max(0)) / 2
        pose = np.concatenate([root, np.tile([1.0, 0, 0, 0, 1, 0], 15)])
        values = {"pose": pose, "shape": np.zeros(10), "camera": np.array([scale, -middle[0], -middle[1]])}
        for name, value in values.items():
            self.register_buffer(name, torch.from_numpy(value.astype(np.float32)))

    def forward(self, numbers: Float[Tensor, "b 109"]) -> Said:
        pose, shape, camera = numbers.split(NUMBERS, -1)
        return Said(self.pose + pose, self.shape + shape, self.camera + camera)


class QueryHead(nn.Module):
    """HaMeR's: one query asks the map; three linear maps read pose, shape and camera off it."""

    def __init__(self, config: DecoderConfig, means: Means) -> None:
        super().__init__()
        self.decoder = QueryDecoder(config)
        self.read = nn.ModuleList(begins_small(nn.Linear(config.dim, count)) for count in NUMBERS)
        self.means = means

    def forward(self, features: Float[Tensor, "b c h w"]) -> Said:
        found = self.decoder(features)
        return self.means(torch.cat([read(found) for read in self.read], -1))


class Regressor(nn.Module):
    """The joints regressor: a first hand from the whole map."""

    def __init__(self, width: int, blocks: int, states: int, means: Means) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(MapBlock(width, states) for _ in range(blocks)))
        self.read = perceptron(width, width, sum(NUMBERS))
        self.means = means

    def forward(self, features: Float[Tensor, "b c h w"]) -> Said:
        return self.means(self.read(self.blocks(features).mean((2, 3))))


class HambaHead(nn.Module):
    """A first hand says where its joints are; the map under them goes through graph-guided state spaces; everything
    together says the hand."""

    def __init__(self, config: Config, channels: int, model: HandModel) -> None:
        super().__init__()
        width = config.width
        self.model, self.seen = model, config.seen
        self.down = nn.Conv2d(channels, width, 1)
        self.means = Means(model, upright=config.upright)
        self.regressor = Regressor(width, config.regressor, config.states, self.means)
        blocks = config.blocks if config.head == "hamba" else 0
        self.blocks = nn.ModuleList(
            GraphBlock(width, config.states, config.directions, config.order) for _ in range(blocks)
        )
        kinds = 2 if blocks else 1  # tokens of the blocks and as sampled
        self.of_joint = nn.Linear(kinds * width + 2, max(width // 8, 8))
        self.read = perceptron(JOINTS * max(width // 8, 8) + width, width, sum(NUMBERS))

    def forward(self, features: Float[Tensor, "b c h w"]) -> tuple[Said, Said]:
        """The hand, and the joints regressor's."""
        features = self.down(features)
        first = self.regressor(features)
        uv = meant(first, self.model).keypoints.detach()  # where to look is the regressor's to learn by its own loss
        tokens, whole = sampled(features, uv, self.seen), features.mean((2, 3))[:, None]
        joints = tokens
        for block in self.blocks:
            joints, whole = block(joints, whole)
        parts = [joints, tokens, uv] if len(self.blocks) else [tokens, uv]
        of_joints = F.gelu(self.of_joint(torch.cat(parts, -1))).flatten(1)
        return self.means(self.read(torch.cat([of_joints, whole[:, 0]], -1))), first


def perceptron(*widths: int) -> nn.Sequential:
    """Linear layers with GELU between; the last one begins small."""
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(widths):
        layers += [nn.Linear(a, b), nn.GELU()]
    return nn.Sequential(*layers[:-2], begins_small(layers[-2]))


def begins_small(layer: nn.Module) -> nn.Module:
    """A linear layer that says next to nothing at first, so that a head begins at its means."""
    assert isinstance(layer, nn.Linear)
    nn.init.xavier_uniform_(layer.weight, 0.01)
    nn.init.zeros_(layer.bias)
    return layer


class MeshNetwork(nn.Module):
    """Crops of right hands -> the hand, and the joints regressor's where the head has one."""

    def __init__(self, config: Config = PAPER, model: HandModel | None = None) -> None:
        super().__init__()
        self.config, self.model = config, model or HandModel.default()
        self.trunk = VitTrunk(config.vit) if config.trunk == "vit" else LandmarkerTrunk(STAGES)
        channels = config.vit.dim if isinstance(self.trunk, VitTrunk) else self.trunk.channels
        self.head: nn.Module
        if config.head == "query":
            if config.decoder.context != channels:
                raise PalmarError(f"Config: the decoder reads {config.decoder.context} channels of {channels}.")
            self.head = QueryHead(config.decoder, Means(self.model, upright=config.upright))
        else:
            self.head = HambaHead(config, channels, self.model)

    def forward(self, image: UInt8[Tensor, "b s s 3"]) -> tuple[Meant, Meant | None]:
        features = self.trunk(image)
        with torch.autocast(image.device.type, enabled=False):
            return self.read(features.float())

    def read(self, features: Float[Tensor, "b c h w"]) -> tuple[Meant, Meant | None]:
        """What the head makes of the trunk's map."""
        found = self.head(features)
        if isinstance(found, Said):
            return meant(found, self.model), None
        return meant(found[0], self.model), meant(found[1], self.model)
