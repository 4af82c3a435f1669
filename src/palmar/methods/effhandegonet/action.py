"""The action transformer: 20 frames of hands, object box and label -> what is being done.

fitted = fit(clips, vocabulary)              # minutes on a CPU
fitted(other_clips)                          # probabilities [n, actions]
fitted.save("action.onnx")                   # for `palmar.methods.effhandegonet.onnx`, without PyTorch
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Int
from torch import Tensor, nn

import palmar
from palmar.errors import PalmarError, need
from palmar.media import whole_file
from palmar.methods.effhandegonet.sequences import (
    FRAMES,
    H2O,
    VANISH,
    Layout,
    augmented,
    evenly,
    pose_vector,
    randomly,
    vectors,
)
from palmar.nn.trunks import load_exactly
from palmar.tasks.action import probabilities
from palmar.train.loop import Recipe, train
from palmar.types.firstperson import EgoClip, Vocabulary

__all__ = ["ActionTransformer", "Fitted", "fit", "from_official", "pose_vector", "positions"]


def positions(rows: int, width: int, *, compatible: bool = False) -> Float32[np.ndarray, "rows width"]:
    """Sines in even columns and cosines in odd ones (Vaswani et al. 2017), as the released code spaces them.

    compatible: odd columns hold the sine of the cosine, as there.
    """
    column = np.arange(width)
    angle = np.arange(rows)[:, None] / 10000.0 ** ((column - column % 2) / width)
    odd = np.sin(np.cos(angle)) if compatible else np.cos(angle)
    return np.where(column % 2, odd, np.sin(angle)).astype(np.float32)


class Attention(nn.Module):
    """Of several heads, with dropout of its weights. Written out: it exports as plain products."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, x: Float[Tensor, "b t c"]) -> Float[Tensor, "b t c"]:
        parts = F.linear(x, self.in_proj_weight, self.in_proj_bias).unflatten(-1, (3, self.heads, -1))
        q, k, v = parts.permute(2, 0, 3, 1, 4)  # each b heads t c/heads
        weights = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1)
        mixed = F.dropout(weights, self.dropout, self.training) @ v
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention, then a layer for each token; a norm over tokens and channels together after each."""

    def __init__(self, tokens: int, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(width, heads, dropout)
        self.norm_1 = nn.LayerNorm((tokens, width))
        self.ffn = nn.Sequential(nn.Linear(width, width), nn.ReLU())
        self.norm_2 = nn.LayerNorm((tokens, width))

    def forward(self, x: Float[Tensor, "b t c"]) -> Float[Tensor, "b t c"]:
        x = self.norm_1(x + self.attention(x))
        return self.norm_2(x + self.ffn(x))


class ActionTransformer(nn.Module):
    """[b, 20, d] -> logits [b, classes]. The number of frames is part of the weights.

    compatible: the released code's table of positions. head_dropout: 0.2 in its network for FPHA.
    """

    table: Tensor

    def __init__(
        self,
        inputs: int = 93,
        classes: int = 37,
        *,
        width: int = 42,
        layers: int = 2,
        heads: int = 2,
        frames: int = FRAMES,
        dropout: float = 0.2,
        head_dropout: float = 0.0,
        compatible: bool = False,
    ) -> None:
        super().__init__()
        if width % heads:
            raise PalmarError(f"ActionTransformer: width {width} is no multiple of {heads} heads.")
        self.class_token = nn.Parameter(torch.rand(1, width))
        self.embed = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(Block(frames + 1, width, heads, dropout) for _ in range(layers))
        self.drop = nn.Dropout(head_dropout)
        self.head = nn.Linear(width, classes)
        table = torch.tensor(positions(frames + 1, width, compatible=compatible))
        self.register_buffer("table", table, persistent=False)

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b k"]:
        tokens = self.embed(x)
        first = F.pad(self.class_token, (0, 0, 0, tokens.shape[1]))
        h = F.pad(tokens, (0, 0, 1, 0)) + (first + self.table)  # the token leads; written so that the batch stays free
        for block in self.blocks:
            h = block(h)
        return self.head(self.drop(h[:, 0]))


RENAMED = (
    ("linear_mapper.", "embed."),
    ("encoder_layers.", "blocks."),
    (".MultHeaAtten.", ".attention."),
    (".layer_norm_", ".norm_"),
    ("mlp.0.", "head."),
    ("mlp.1.", "head."),
)
"""Names of the released checkpoints, and ours."""


def from_official(state: Mapping[str, Tensor], what: str = "checkpoint") -> ActionTransformer:
    """The network of a released state dict (of H2O, `mlp.0`, or FPHA, `mlp.1`).

    Raises PalmarError that names keys which are missing or not known.
    """
    renamed = {}
    for name, value in state.items():
        for old, new in RENAMED:
            name = name.replace(old, new)
        renamed[name] = value
    if not {"embed.weight", "head.weight"} <= renamed.keys():
        raise PalmarError(f"{what}: lacks linear_mapper.weight or mlp weights: not a checkpoint of the transformer.")
    (width, inputs), classes = renamed["embed.weight"].shape, len(renamed["head.weight"])
    dropout = 0.2 if "mlp.1.weight" in state else 0.0
    net = ActionTransformer(inputs, classes, width=width, head_dropout=dropout, compatible=True)
    load_exactly(net, renamed, what)
    return net.eval()


# ------------------------------------------------------------------------------------------------------------- training


def objective(logits: Float[Tensor, "b k"], batch: Mapping[str, Tensor], _: float) -> dict[str, Tensor]:
    """Cross-entropy."""
    return {"loss": F.cross_entropy(logits, batch["action"])}


@dataclass(frozen=True, eq=False)
class ClipBatches:
    """Number -> a batch of sampled and augmented clips. A pure function of the number."""

    vectors: Sequence[Float32[np.ndarray, "_ d"]]
    actions: Int[np.ndarray, " n"]
    layout: Layout
    seed: int
    size: int = 64
    augment: bool = True
    vanish: float = VANISH
    kind: Literal["h2o", "fpha"] = "h2o"
    compatible: bool = False

    def __call__(self, number: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng((self.seed, number))
        chosen = rng.integers(len(self.vectors), size=self.size)
        rows = [self._clip(int(i), rng) for i in chosen]
        return {"image": np.stack(rows), "action": self.actions[chosen]}

    def _clip(self, i: int, rng: np.random.Generator) -> Float32[np.ndarray, "t d"]:
        x = self.vectors[i][randomly(len(self.vectors[i]), rng)]
        options: dict[str, Any] = {"kind": self.kind, "vanish": self.vanish, "compatible": self.compatible}
        return augmented(x, rng, self.layout, move=self.augment, **options)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained transformer and what its numbers mean."""

    net: ActionTransformer
    vocabulary: Vocabulary
    layout: Layout

    def logits(self, clips: Sequence[EgoClip]) -> Float32[np.ndarray, "n k"]:
        if not clips:
            return np.zeros((0, len(self.vocabulary.actions)), np.float32)
        return self.scores(np.stack([vectors(clip, self.layout)[evenly(len(clip))] for clip in clips]))

    def scores(self, sequences: Float32[np.ndarray, "n t d"]) -> Float32[np.ndarray, "n k"]:
        """Logits of vectors of 20 frames each."""
        with torch.inference_mode():
            return np.asarray(self.net.eval()(torch.from_numpy(sequences)).numpy())

    def __call__(self, clips: Sequence[EgoClip]) -> Float32[np.ndarray, "n k"]:
        """The probability of each action of each clip."""
        z = self.logits(clips)
        return probabilities(z) if len(z) else z

    def save(self, file: str | Path) -> Path:
        """An ONNX file: `sequence` float32 [b, 20, d] -> `logits` [b, k]; layout and vocabulary in its metadata."""
        return save_onnx(self.net, self.vocabulary, self.layout, file)


def fit(
    clips: Sequence[EgoClip],
    vocabulary: Vocabulary,
    *,
    layout: Layout = H2O,
    steps: int = 3000,
    batch: int = 64,
    rate: float = 1e-3,
    seed: int = 0,
    augment: bool = True,
    vanish: float | None = None,
    kind: Literal["h2o", "fpha"] = "h2o",
    compatible: bool = False,
    run: Path | None = None,
    minutes: float | None = None,
    threads: int | None = 1,
    quiet: bool = True,
) -> Fitted:
    """The transformer trained on clips.

    run: folder of the run; with one, a call that was cut short goes on where it stood. augment and vanish: the replayed
    move and the probability that a part vanishes, by default the paper's: 30 in 101 for H2O, never for FPHA.
    compatible: positions and augmentation of the released code.
    Raises PalmarError without clips and for an action that the vocabulary does not have.
    """
    actions = np.array([clip.action for clip in clips], np.int64)
    if not len(clips):
        raise PalmarError("fit: no clips to learn from.")
    if actions.min() < 0 or actions.max() >= len(vocabulary.actions):
        bad = clips[int(np.argmax((actions < 0) | (actions >= len(vocabulary.actions))))]
        raise PalmarError(f"fit: clip {bad.name} has action {bad.action}; known are {len(vocabulary.actions)}.")
    if vanish is None:
        vanish = VANISH if kind == "h2o" else 0.0
    data = ClipBatches(
        [vectors(clip, layout) for clip in clips], actions, layout, seed, batch, augment, vanish, kind, compatible
    )
    recipe = Recipe(
        "action-transformer",
        seed=seed,
        batch=batch,
        steps=steps,
        rate=rate,
        warmup=min(100, steps // 10),
        weight_decay=1e-4,
    )

    def build() -> nn.Module:
        dropout = 0.2 if kind == "fpha" else 0.0
        return ActionTransformer(layout.width, len(vocabulary.actions), head_dropout=dropout, compatible=compatible)

    with tempfile.TemporaryDirectory() as scratch:
        where = Path(scratch) / "run" if run is None else run
        outcome = train(
            build, objective, data, recipe, where, minutes=minutes, threads=threads, device="cpu", quiet=quiet
        )
    assert isinstance(outcome.model, ActionTransformer)
    return Fitted(outcome.model, vocabulary, layout)


# --------------------------------------------------------------------------------------------------------------- export


def save_onnx(net: ActionTransformer, vocabulary: Vocabulary, layout: Layout, file: str | Path) -> Path:
    """Writes the file that `palmar.methods.effhandegonet.onnx.ActionReader` reads; checks that it answers alike."""
    onnx = need("onnx", extra="torch")
    runtime = need("onnxruntime", extra="torch")
    x = torch.from_numpy(np.random.default_rng(0).uniform(0, 1, (2, FRAMES, layout.width)).astype(np.float32))
    buffer = io.BytesIO()
    net = net.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            (x,),
            buffer,
            input_names=["sequence"],
            output_names=["logits"],
            dynamic_axes={"sequence": {0: "b"}, "logits": {0: "b"}},
            opset_version=17,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    meaning = {"format": "palmar-action-1", "layout": asdict(layout), "vocabulary": asdict(vocabulary)}
    onnx.helper.set_model_props(model, {"palmar": json.dumps(meaning)})
    data = model.SerializeToString()
    answer = runtime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"sequence": x.numpy()})[0]
    with torch.inference_mode():
        difference = float(np.abs(answer - net(x).numpy()).max())
    if not difference < 1e-3:
        raise PalmarError(f"{file}: the exported transformer answers differently, by {difference:.2g}.")
    path = Path(file)
    with whole_file(path) as part:
        part.write_bytes(data)
    return path


def write_card(file: Path, fitted: Fitted, clips: Sequence[EgoClip], figures: Mapping[str, Any]) -> Path:
    """The card beside an exported file: its hash, what a window spans, what it sees and names.

    `palmar act --recogniser` takes the folder of both. clips: what was learned from; a window spans their median.
    """
    data = file.read_bytes()
    spans = np.array([clip.times[-1] - clip.times[0] for clip in clips])
    counts = np.array([len(clip) for clip in clips])
    rates = (counts[counts > 1] - 1) / np.maximum(spans[counts > 1], 1e-6)
    layout = fitted.layout
    parts = [("left hand", "right hand")[side] for side in layout.sides]
    card = {
        "name": file.stem,
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "palmar": palmar.__version__,
        "seconds": float(np.clip(np.median(spans), 0.3, 60.0)),
        "frames": FRAMES,
        "fps": float(np.median(rates)) if len(rates) else None,
        "parts": parts + ["object box"] * layout.box + ["object label"] * layout.label,
        **{name: list(words) for name, words in asdict(fitted.vocabulary).items()},
        "figures": dict(figures),
    }
    path = file.with_suffix(".json")
    with whole_file(path) as part:
        part.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return path
