"""The network, in the paper's order: backbone, feature decoder, query division, contact, the three-step layer, heads.

Letters: E3, E4, E5 maps of the feature decoder at 1/8, 1/16, 1/32; P pixel tokens (E3), Q query tokens, R tokens of
the 3x3 patches; b pictures, q located queries, c channels, s hands, v vertices of a hand.

Sides of hands as everywhere: 0 left, 1 right. Classes: 0 nothing, then the objects, then the hands. Points leave the
network as fractions of the picture's width and height and metres of depth; see `coordinates`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from palmar.errors import PalmarError
from palmar.methods.qort_former.backbone import SHAPES, Norm, ResNet
from palmar.nn.chebyshev import GraphTransformer

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pictures, red green blue."""


@dataclass(frozen=True)
class Config:
    """Everything about the network. `PAPER` is the paper's for H2O, `PAPER_FPHA` the one for FPHA."""

    height: int = 540
    """Of the picture that goes in, pixels."""
    width: int = 960
    backbone: Literal["resnet50", "resnet18", "small"] = "resnet50"
    norm: Norm = "frozen"
    """Norms of the backbone: frozen where it begins from weights, batch where it begins from nothing."""
    channels: int = 256
    heads: int = 8
    hidden: int = 1024
    """Width inside the feed-forward layers."""
    groups: int = 32
    """Of the group norms."""
    hands: tuple[int, ...] = (0, 1)
    """Sides that are looked for."""
    objects: int = 8
    """Classes of objects, without "none"."""
    hand_queries: int = 40
    """Per hand."""
    object_queries: int = 20
    spare_queries: int = 8
    """Auxiliary queries, for the background: attended to, never read."""
    table: int = 10
    """Side of the learned table of positions, before it is stretched over the picture."""
    vertices: int = 778
    """Per hand, of the contact map."""
    contact_channels: tuple[int, int] = (64, 32)
    graph: int = 64
    """Width of the refiners."""
    layers: int = 1
    division: bool = True
    """Queries located by one head per kind; False: as many learned queries that stand nowhere (DETR)."""
    contact: bool = True
    """The contact map's embedding is added to the queries."""
    patches: bool = True
    """Step 2: tokens of the picture around the first guess of the joints."""
    margin: float = 0.0
    """Points may lie this far outside the picture, in widths and heights; 0.5 for FPHA."""
    depth: float = 1.0
    """Largest depth, metres."""
    focal: float = 0.0
    """Focal length, in widths of the picture, that depths are told for; other cameras' are scaled to it. 0: depths are
    as they are, the paper's choice, which asks that all pictures are of one camera."""
    compatible: bool = False
    """As the release computes: every picture's patches take the positions of the first picture's cells, and the pixel
    of a fraction x is x times the width, without the half pixel."""

    def __post_init__(self) -> None:
        if self.channels % self.heads or self.channels % self.groups or self.channels % 4:
            raise PalmarError(
                f"Config.channels must be a multiple of heads, groups and 4; got {self.channels}, {self.heads}, "
                f"{self.groups}."
            )
        if self.backbone not in SHAPES:
            raise PalmarError(f"unknown backbone {self.backbone!r}. Known: {', '.join(SHAPES)}.")
        if not self.hands or any(side not in (0, 1) for side in self.hands) or len(set(self.hands)) < len(self.hands):
            raise PalmarError(f"Config.hands must name each side once, 0 left, 1 right; got {self.hands}.")
        for name in ("objects", "hand_queries", "object_queries", "vertices", "layers", "table"):
            if getattr(self, name) < 1:
                raise PalmarError(f"Config.{name} must be positive, got {getattr(self, name)}.")
        if min(self.grid(8)) < 3:
            raise PalmarError(f"a picture of {self.width} x {self.height} has no room for patches; 24 pixels at least.")
        cells = self.grid(16)[0] * self.grid(16)[1]
        if self.division and max(self.hand_queries, self.object_queries) > cells:
            raise PalmarError(
                f"a picture of {self.width} x {self.height} has {cells} cells at 1/16 for {self.hand_queries} and "
                f"{self.object_queries} queries: take a larger picture or fewer queries."
            )

    @property
    def queries(self) -> int:
        """Located ones."""
        return len(self.hands) * self.hand_queries + self.object_queries

    @property
    def classes(self) -> int:
        return 1 + self.objects + len(self.hands)

    def grid(self, stride: int) -> tuple[int, int]:
        """Rows and columns of the map at a stride of 8, 16 or 32; each level halves the one before, rounded up."""
        rows, columns = self.height, self.width
        while stride > 1:
            rows, columns, stride = -(-rows // 2), -(-columns // 2), stride // 2
        return rows, columns


PAPER = Config()
PAPER_FPHA = replace(PAPER, hands=(1,), objects=4, margin=0.5)
SMALL = Config(
    height=192, width=336, backbone="resnet18", norm="batch", channels=128, hidden=512, hand_queries=16,
    object_queries=16, spare_queries=8, vertices=200, margin=0.25, depth=1.5, focal=0.5,
)  # fmt: skip
TINY = replace(
    SMALL, height=96, width=168, backbone="small", channels=64, heads=4, hidden=256, groups=16, hand_queries=12,
    object_queries=8, spare_queries=4, vertices=100, contact_channels=(32, 16), graph=32,
)  # fmt: skip
"""For two CPU cores."""


class Heads(NamedTuple):
    """What is read from located queries."""

    classes: Float[Tensor, "b q k"]
    """Logits; sigmoid."""
    hands2d: Float[Tensor, "b s q 21 2"]
    """Fractions of width and height."""
    hands3d: Float[Tensor, "b s q 21 3"]
    """The same refined, and metres of depth."""
    object: Float[Tensor, "b q 21 3"]
    """Points of the object's box."""


class Found(NamedTuple):
    """What the network says of b pictures."""

    heads: Heads
    """After the last layer."""
    before: list[Heads]
    """Before the first layer and between layers; for the loss. Empty in eval mode."""
    contact: Float[Tensor, "b s v"]
    """Logits of contact per vertex; see `objective.contact_value`."""
    proposals: list[Float[Tensor, "b _ h w"]]
    """Logits at 1/16, one map per hand (hand, none), then the object's (one per class from 0, none). Empty without
    division."""
    locations: Float[Tensor, "b q 2"]
    """Fractions: where the queries stand, 0 and 1 the centres of the outermost cells. NaN without division."""


class Best(NamedTuple):
    """The queries that are answers: one per hand and one for the object, none suppressed."""

    scores: Float[Tensor, "b s"]
    """Of each hand, 0 to 1."""
    hands: Float[Tensor, "b s 21 3"]
    object_class: Int[Tensor, " b"]
    """From 1."""
    object_scores: Float[Tensor, "b o"]
    """Of every class of objects, from 1, at the chosen query."""
    object: Float[Tensor, "b 21 3"]
    contact: Float[Tensor, "b s v"]


# ------------------------------------------------------------------------------------------------------------ features


class ConvNorm(nn.Module):
    """Convolution without bias and group norm."""

    def __init__(self, inputs: int, outputs: int, size: int, groups: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)
        self.norm = nn.GroupNorm(groups, outputs)

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h w"]:
        return self.norm(self.conv(x))


class PyramidPooling(nn.Module):
    """Means over 1, 2x2, 3x3 and 6x6 parts of the picture beside what is local. Zhao et al., CVPR 2017."""

    SIZES = (1, 2, 3, 6)

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(nn.Conv2d(width, width // 4, 1) for _ in self.SIZES)
        self.bottleneck = nn.Conv2d(2 * width, width, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        pooled = [
            _stretched(F.relu(conv(F.adaptive_avg_pool2d(x, size))), x)
            for size, conv in zip(self.SIZES, self.stages, strict=True)
        ]
        return F.relu(self.bottleneck(torch.cat([*pooled, x], 1)))


def _stretched(x: Float[Tensor, "b c _ _"], like: Float[Tensor, "_ _ h w"]) -> Float[Tensor, "b c h w"]:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


class FeatureDecoder(nn.Module):
    """Feature pyramid with pooling at its top: FastInst's. He et al., CVPR 2023. Levels fine to coarse."""

    def __init__(self, widths: tuple[int, ...], width: int, groups: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(ConvNorm(w, width, 1, groups) for w in widths)
        self.smooth = nn.ModuleList(ConvNorm(width, width, 3, groups) for _ in widths)
        self.pooling = PyramidPooling(width)

    def forward(self, maps: list[Float[Tensor, "b _ _ _"]]) -> list[Float[Tensor, "b c _ _"]]:
        """E3, E4, E5."""
        top = F.relu(self.smooth[-1](self.pooling(self.lateral[-1](maps[-1]))))
        out = [top]
        for i in reversed(range(len(maps) - 1)):
            lateral = self.lateral[i](maps[i])
            out.insert(0, F.relu(self.smooth[i](lateral + _stretched(out[0], lateral))))
        return out


# ------------------------------------------------------------------------------------------------------------- queries


def local_maxima(probabilities: Float[Tensor, "b k h w"]) -> Float[Tensor, "b k h w"]:
    """One more where a value is no smaller than its eight neighbours in its own channel; nothing is higher than 2."""
    around = F.max_pool2d(F.pad(probabilities, (1, 1, 1, 1)), 3, 1)
    return probabilities + ((probabilities >= around) & (probabilities >= 1e-6))


def proposal_scores(logits: Float[Tensor, "b k h w"]) -> Float[Tensor, "b h w"]:
    """How much a cell wants a query: its best class's probability, above 1 where it is a local maximum of its class.

    The last channel is "none".
    """
    some = logits.softmax(1)[:, :-1]
    best, which = some.max(1, keepdim=True)
    alone = torch.zeros_like(some).scatter(1, which, best)
    return local_maxima(alone).amax(1)


def proposal_head(width: int, classes: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, classes, 1))


class Division(nn.Module):
    """Three heads on E4, each with its own number of queries: query division."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        c = config.channels
        self.budgets = (*[config.hand_queries] * len(config.hands), config.object_queries)
        self.hands = nn.ModuleList(proposal_head(c, 2) for _ in config.hands)
        self.object = proposal_head(c, config.objects + 2)

    def forward(self, E4: Float[Tensor, "b c h w"]) -> tuple[list[Float[Tensor, "b _ h w"]], Int[Tensor, "b q"]]:
        """Logits of every head, and the numbers of the chosen cells, row by row: best first within each head's."""
        logits = [head(E4) for head in (*self.hands, self.object)]
        cells = [
            proposal_scores(one).flatten(1).topk(count, 1).indices
            for one, count in zip(logits, self.budgets, strict=True)
        ]
        return logits, torch.cat(cells, 1)


class ContactEstimator(nn.Module):
    """Contact of every vertex of the hands, from E4, and what of it every query is told.

    The pooling stretches the rows of the map to as many as there are vertices, which copies rows and means of two.
    It is linear, and so is the layer after it: `fold` joins them into one layer over the rows, with a twentieth of the
    weights, which gives the same numbers and is what should run.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        c, (first, second), v = config.channels, config.contact_channels, config.vertices
        self.config, self.folded = config, False
        self.convs = nn.Sequential(
            nn.Conv2d(c, first, 3, padding=1), nn.ReLU(), nn.Conv2d(first, second, 3, padding=1), nn.ReLU()
        )
        self.read = nn.Linear(second * v, len(config.hands) * v)
        self.embed = nn.Conv1d(len(config.hands), c, 3)
        self.spread = nn.Linear(c, c * config.queries)

    def forward(self, E4: Float[Tensor, "b c h w"]) -> tuple[Float[Tensor, "b s v"], Float[Tensor, "b q c"]]:
        """The map, and what is added to the queries."""
        x = self.convs(E4)
        rows = x.mean(3) if self.folded else F.adaptive_avg_pool2d(x, (self.config.vertices, 1))
        contact = self.read(rows.flatten(1)).unflatten(1, (len(self.config.hands), self.config.vertices))
        summary = self.embed(contact).mean(2)
        return contact, self.spread(summary).unflatten(1, (self.config.channels, -1)).transpose(1, 2)

    @torch.no_grad()
    def fold(self) -> None:
        """Joins pooling and the layer after it, in place. Not for training."""
        if self.folded:
            return
        v, h = self.config.vertices, self.config.grid(16)[0]
        weight = self.read.weight.unflatten(1, (-1, v)) @ pooling_rows(v, h).to(self.read.weight)
        read = nn.Linear(weight[0].numel(), len(weight), device=weight.device)
        read.weight.copy_(weight.flatten(1))
        read.bias.copy_(self.read.bias)
        self.read, self.folded = read, True


def pooling_rows(outputs: int, inputs: int) -> Float[Tensor, "o i"]:
    """The matrix of adaptive average pooling: row k is the mean of inputs floor(k i / o) to ceil((k + 1) i / o) - 1."""
    k = torch.arange(outputs)[:, None]
    row = torch.arange(inputs)
    start, end = k * inputs // outputs, -(-(k + 1) * inputs // outputs)
    inside = (row >= start) & (row < end)
    return inside / inside.sum(1, keepdim=True)


# --------------------------------------------------------------------------------------------------------------- layer


class Attend(nn.Module):
    """LN(x + attention): post-norm, as in DETR. Carion et al., ECCV 2020."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(config.channels, config.heads, batch_first=True)
        self.norm = nn.LayerNorm(config.channels)

    def forward(
        self,
        x: Float[Tensor, "b n c"],
        place_x: Float[Tensor, "#b n c"],
        to: Float[Tensor, "b m c"],
        place_to: Float[Tensor, "#b m c"],
    ) -> Float[Tensor, "b n c"]:
        mixed, _ = self.attention(x + place_x, to + place_to, to, need_weights=False)
        return self.norm(x + mixed)


class FeedForward(nn.Module):
    """LN(x + MLP(x))."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.first = nn.Linear(config.channels, config.hidden)
        self.second = nn.Linear(config.hidden, config.channels)
        self.norm = nn.LayerNorm(config.channels)

    def forward(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        return self.norm(x + self.second(F.relu(self.first(x))))


def patch_cells(points: Float[Tensor, "b k 2"], rows: int, columns: int) -> Int[Tensor, "b k9"]:
    """Numbers of the cells of the 3x3 patches around points given as fractions, row by row within a patch.

    Patches are moved to lie within the map: the middle's row is 1 to rows - 2.
    """
    column = (points[..., 0] * columns).long().clamp(1, columns - 2)
    row = (points[..., 1] * rows).long().clamp(1, rows - 2)
    step = torch.arange(-1, 2, device=points.device)
    cells = (row[..., None, None] + step[:, None]) * columns + column[..., None, None] + step
    return cells.flatten(1)


class Patches(nn.Module):
    """Tokens of the map around points, with their positions. A module so that it can be timed."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.compatible = config.compatible

    def forward(
        self,
        P: Float[Tensor, "b n c"],
        place: Float[Tensor, "1 n c"],
        points: Float[Tensor, "b k 2"],
        rows: int,
        columns: int,
    ) -> tuple[Float[Tensor, "b k9 c"], Float[Tensor, "b k9 c"]]:
        cells = patch_cells(points, rows, columns)
        there = cells[:1].expand_as(cells) if self.compatible else cells
        return _rows(P, cells), _rows(place.expand(len(P), -1, -1), there)


def _rows(x: Float[Tensor, "b n c"], which: Int[Tensor, "b k"]) -> Float[Tensor, "b k c"]:
    return x.gather(1, which[..., None].expand(-1, -1, x.shape[-1]))


class Layer(nn.Module):
    """One decoder layer: enhanced features, features at the joints, queries."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.patches = Patches(config) if config.patches else None
        self.pixel_attention, self.pixel_mlp = Attend(config), FeedForward(config)
        self.query_attention, self.query_self = Attend(config), Attend(config)
        self.query_mlp = FeedForward(config)

    def forward(
        self,
        P: Float[Tensor, "b n c"],
        place_P: Float[Tensor, "1 n c"],
        Q: Float[Tensor, "b m c"],
        place_Q: Float[Tensor, "b m c"],
        guess: Float[Tensor, "b k 2"] | None,
        rows: int,
        columns: int,
    ) -> tuple[Float[Tensor, "b n c"], Float[Tensor, "b m c"]]:
        # 1. The picture by the queries.
        P = self.pixel_mlp(self.pixel_attention(P, place_P, Q, place_Q))

        # 2. The picture around the joints, once more.
        M, place_M = P, place_P
        if self.patches is not None and guess is not None:
            R, place_R = self.patches(P, place_P, guess, rows, columns)
            M, place_M = torch.cat([P, R], 1), torch.cat([place_P.expand(len(P), -1, -1), place_R], 1)

        # 3. The queries by both.
        Q = self.query_attention(Q, place_Q, M, place_M)
        return P, self.query_mlp(self.query_self(Q, place_Q, Q, place_Q))


# --------------------------------------------------------------------------------------------------------------- heads


def _mlp(width: int, outputs: int) -> nn.Sequential:
    last = nn.Linear(width, outputs)
    nn.init.zeros_(last.weight)  # every point starts in the middle
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), last)


class Read(nn.Module):
    """Class, points of hands, points of the object of each query; shared by all layers."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.classes = nn.Linear(config.channels, config.classes)
        nn.init.constant_(self.classes.bias, -math.log(99))  # nothing is likely before anything is known
        self.hands = nn.ModuleList(_mlp(config.channels, 42) for _ in config.hands)
        self.object = _mlp(config.channels, 63)
        self.refine = nn.ModuleList(GraphTransformer(width=config.graph) for _ in config.hands)

    def forward(self, Q: Float[Tensor, "b q c"]) -> Heads:
        flat = torch.stack([mlp(Q) for mlp in self.hands], 1).unflatten(-1, (21, 2))
        deep = torch.stack([refine(flat[:, s]) for s, refine in enumerate(self.refine)], 1)
        thing = self.object(Q).unflatten(-1, (21, 3))
        return Heads(self.classes(Q), self.points(flat), self.points(deep), self.points(thing))

    def points(self, logits: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        """Fractions and metres."""
        m = self.config.margin
        out = logits.sigmoid()
        flat = out[..., :2] * (1 + 2 * m) - m
        return torch.cat([flat, out[..., 2:] * self.config.depth], -1)

    def choose(self, classes: Float[Tensor, "b q k"]) -> Int[Tensor, "b s1"]:
        """The query of each hand and of the object: that with the highest logit of its class, of any object's."""
        n = self.config.objects
        scores = torch.cat([classes[..., n + 1 :], classes[..., 1 : n + 1].amax(-1, keepdim=True)], -1)
        return scores.argmax(1)

    def guess(self, Q: Float[Tensor, "b q c"]) -> Float[Tensor, "b k 2"]:
        """Where the joints of the hands and the points of the object are about: 21 of each, fractions. No gradient."""
        with torch.no_grad():
            chosen = _rows(Q, self.choose(self.classes(Q)))
            flat = [self.points(mlp(chosen[:, s]).unflatten(-1, (21, 2))) for s, mlp in enumerate(self.hands)]
            thing = self.points(self.object(chosen[:, -1]).unflatten(-1, (21, 3)))[..., :2]
            return torch.cat([*flat, thing], 1)

    def best(self, Q: Float[Tensor, "b q c"], contact: Float[Tensor, "b s v"]) -> Best:
        """As reading every query and taking the chosen ones, without reading the others."""
        classes = self.classes(Q)
        chosen = self.choose(classes)
        q = _rows(Q, chosen)
        scores = _rows(classes, chosen).sigmoid()
        n, count = self.config.objects, len(self.hands)
        hands = [self.points(self.refine[s](mlp(q[:, s]).unflatten(-1, (21, 2)))) for s, mlp in enumerate(self.hands)]
        of_object = scores[:, -1, 1 : n + 1]
        return Best(
            torch.stack([scores[:, s, n + 1 + s] for s in range(count)], 1),
            torch.stack(hands, 1),
            of_object.argmax(-1) + 1,
            of_object,
            self.points(self.object(q[:, -1]).unflatten(-1, (21, 3))),
            contact,
        )


# ----------------------------------------------------------------------------------------------------------- the whole


class QortFormer(nn.Module):
    """Ismayilzada et al. 2025, figure 2."""

    def __init__(self, config: Config = PAPER) -> None:
        super().__init__()
        self.config = config
        c = config.channels
        self.backbone = ResNet(config.backbone, config.norm)
        self.decoder = FeatureDecoder(self.backbone.widths, c, config.groups)
        self.table = nn.Parameter(torch.randn(1, c, config.table, config.table) * 0.02)
        self.spare = nn.Parameter(torch.randn(config.spare_queries, c))
        self.spare_place = nn.Parameter(torch.randn(config.spare_queries, c))
        if config.division:
            self.division = Division(config)
        else:
            self.learned = nn.Parameter(torch.randn(config.queries, c))
            self.learned_place = nn.Parameter(torch.randn(config.queries, c))
        if config.contact:
            self.contact = ContactEstimator(config)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norms = nn.ModuleList(nn.LayerNorm(c) for _ in range(config.layers + 1))
        """Before the first layer, and after each."""
        self.read = Read(config)

    def forward(self, image: UInt8[Tensor, "b h w 3"]) -> Found:
        proposals, locations, contact, states = self.states(image)
        before = [self.read(norm(Q)) for Q, norm in zip(states[:-1], self.norms, strict=False)] if self.training else []
        return Found(self.read(self.norms[-1](states[-1])), before, contact, proposals, locations)

    def detect(self, image: UInt8[Tensor, "b h w 3"]) -> Best:
        """The answer alone: what `best(self(image))` gives, for less."""
        _, _, contact, states = self.states(image)
        return self.read.best(self.norms[-1](states[-1]), contact)

    def states(
        self, image: UInt8[Tensor, "b h w 3"]
    ) -> tuple[list[Tensor], Float[Tensor, "b q 2"], Float[Tensor, "b s v"], list[Float[Tensor, "b q c"]]]:
        """Proposals, locations, contact, and the located queries before the first and after every layer."""
        if image.shape[1:] != (self.config.height, self.config.width, 3):
            raise PalmarError(
                f"the network takes pictures of {self.config.width} x {self.config.height}, got "
                f"{image.shape[2]} x {image.shape[1]}."
            )
        b = len(image)
        E3, E4, _ = self.decoder(self.backbone(planes(image)))

        # Query division: features and positions of the chosen cells.
        rows4, columns4 = E4.shape[-2:]
        if self.config.division:
            proposals, cells = self.division(E4)
            Q = _rows(E4.flatten(2).transpose(1, 2), cells)
            place_Q = _rows(_stretched(self.table, E4).flatten(2).transpose(1, 2).expand(b, -1, -1), cells)
            column, row = cells % columns4, cells // columns4
            locations = torch.stack([column / max(columns4 - 1, 1), row / max(rows4 - 1, 1)], -1)
        else:
            proposals = []
            Q, place_Q = (x.expand(b, -1, -1) for x in (self.learned, self.learned_place))
            locations = Q.new_full((b, self.config.queries, 2), torch.nan)

        # Contact-map features are added. (The paper's figure joins them end to end; the release adds, so do we.)
        if self.config.contact:
            contact, told = self.contact(E4)
            Q = Q + told
        else:
            contact = Q.new_zeros(b, len(self.config.hands), self.config.vertices)

        # Auxiliary queries.
        q = Q.shape[1]
        Q = torch.cat([Q, self.spare.expand(b, -1, -1)], 1)
        place_Q = torch.cat([place_Q, self.spare_place.expand(b, -1, -1)], 1)

        # Three-step update.
        P = E3.flatten(2).transpose(1, 2)
        place_P = _stretched(self.table, E3).flatten(2).transpose(1, 2)
        states = [Q[:, :q]]
        for layer in self.layers:
            guess = self.read.guess(Q[:, :q]) if self.config.patches else None  # on queries that no norm has seen
            P, Q = layer(P, place_P, Q, place_Q, guess, *E3.shape[-2:])
            states.append(Q[:, :q])
        return proposals, locations, contact, states


def best(found: Found, config: Config) -> Best:
    """The answers among all queries."""
    classes, n = found.heads.classes, config.objects
    scores = torch.cat([classes[..., n + 1 :], classes[..., 1 : n + 1].amax(-1, keepdim=True)], -1)
    chosen = scores.argmax(1)
    at = torch.arange(len(classes), device=classes.device)
    of_object = classes[at, chosen[:, -1], 1 : n + 1].sigmoid()
    sides = range(len(config.hands))
    return Best(
        torch.stack([scores[at, chosen[:, s], s].sigmoid() for s in sides], 1),
        torch.stack([found.heads.hands3d[at, s, chosen[:, s]] for s in sides], 1),
        of_object.argmax(-1) + 1,
        of_object,
        found.heads.object[at, chosen[:, -1]],
        found.contact,
    )


def planes(image: UInt8[Tensor, "b h w 3"]) -> Float[Tensor, "b 3 h w"]:
    """0 to 255 to ImageNet's zero mean and unit deviation."""
    mean, std = (torch.tensor(x, device=image.device) for x in (MEAN, STD))
    return ((image.float() / 255 - mean) / std).permute(0, 3, 1, 2)
