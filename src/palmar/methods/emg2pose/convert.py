"""The authors' checkpoints (PyTorch Lightning, CC BY-NC-SA 4.0) in this package's networks, for those who may use them.

    model = load_official("regression_vemg2pose.ckpt")

What a file holds is told by its keys. Only tensors are read; a file that needs more is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from palmar.errors import PalmarError
from palmar.methods.emg2pose.model import PAPER, build
from palmar.nn.trunks import load_exactly, read_state

PREFIX = "model."
Rules = Sequence[tuple[str, Callable[[re.Match[str]], str]]]
_READER: Rules = (
    (r"network\.layers\.([01])\.conv\.0\.(\w+)", lambda m: f"reader.layers.{m[1]}.conv.{m[2]}"),
    (r"network\.layers\.([01])\.norm\.(\w+)", lambda m: f"reader.layers.{m[1]}.norm.{m[2]}"),
    (
        r"network\.layers\.([23])\.layers\.conv1dblock\.(?:conv\.0|(norm))\.(\w+)",
        lambda m: f"reader.layers.{_stage(m[1])}.{m[2] or 'conv'}.{m[3]}",
    ),
    (
        r"network\.layers\.([23])\.layers\.tds_block\.tds_conv_blocks\.([0-3])\.(conv2d|layer_norm|fc_block\.[02])\.(\w+)",
        lambda m: f"reader.layers.{_stage(m[1]) + 1 + int(m[2])}.{_PARTS[m[3]]}.{m[4]}",
    ),
    (r"network\.layers\.3\.linear_layer\.(\w+)", lambda m: f"reader.out.{m[1]}"),
    (r"decoder\.lstm\.(\w+)", lambda m: f"decoder.lstm.{m[1]}"),
    (r"decoder\.mlp_out\.1\.(\w+)", lambda m: f"decoder.out.{m[1]}"),
    (r"decoder\.mlp\.([01346])\.(\w+)", lambda m: f"decoder.layers.{m[1]}.{m[2]}"),
)
_NEUROPOSE: Rules = (
    (r"network\.network\.([3-7])\.network\.(\d+)\.(\w+)", lambda m: f"layers.{m[1]}.layers.{m[2]}.{m[3]}"),
    (r"network\.network\.(\d+)\.network\.([01])\.(\w+)", lambda m: f"layers.{m[1]}.{m[2]}.{m[3]}"),
    (r"network\.linear\.(\w+)", lambda m: f"out.{m[1]}"),
)
_PARTS = {"conv2d": "conv", "layer_norm": "norm", "fc_block.0": "first", "fc_block.2": "second"}


def _stage(number: str) -> int:
    """Where a stage of the authors' stands among our layers."""
    return {"2": 2, "3": 7}[number]


def load_official(path: str | Path) -> nn.Module:
    """The network of a checkpoint. Raises PalmarError for a file with other keys or shapes, and names them."""
    state = read_state(Path(path))
    return from_official({key.removeprefix(PREFIX): value for key, value in state.items()}, str(path))


def from_official(state: dict[str, Tensor], where: str) -> nn.Module:
    """The network of the authors' state dict, without the prefix."""
    if "decoder.mlp_out.1.weight" in state:
        kind = "regression_vemg2pose" if len(state["decoder.mlp_out.1.weight"]) == 40 else "tracking_vemg2pose"
    elif "decoder.mlp.6.weight" in state:
        kind = "emg2pose"
    elif "network.linear.weight" in state:
        kind = "neuropose"
    else:
        raise PalmarError(f"{where}: not a checkpoint of vemg2pose, emg2pose or NeuroPose.")
    rules = _NEUROPOSE if kind == "neuropose" else _READER
    ours = {_own_key(key, rules): value for key, value in state.items()}
    with torch.device("meta"):
        model = build(PAPER[kind])
    load_exactly(model, ours, f"{where}, read as {kind}", assign=True)
    return model.float().eval()


def _own_key(theirs: str, rules: Rules) -> str:
    """Our name of a parameter of theirs; what has none keeps its own, which no network here knows."""
    for pattern, rename in rules:
        if found := re.fullmatch(pattern, theirs):
            return rename(found)
    return theirs
