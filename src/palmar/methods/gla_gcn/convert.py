"""The authors' checkpoints for Human3.6M and HumanEva-shaped graphs in this folder's network, for those who may use
them: the keys of `model_pos`, with or without the prefix of data-parallel training."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor

from palmar.errors import PalmarError
from palmar.methods.gla_gcn.model import SKELETONS, Config, GlaGcn
from palmar.nn.trunks import load_exactly, read_state

_PARTS = (
    (r"gcn1\.PA", "graph.learned"),
    (r"gcn1\.conv_a\.", "graph.theta."),
    (r"gcn1\.conv_b\.", "graph.phi."),
    (r"gcn1\.conv_d\.", "graph.out."),
    (r"gcn1\.down\.", "graph.down."),
    (r"gcn1\.bn\.", "graph.norm."),
    (r"tcn1\.conv\.", "time.conv."),
    (r"tcn1\.bn\.", "time.norm."),
    (r"residual\.conv\.", "widen.conv."),
    (r"residual\.bn\.", "widen.norm."),
)


def own_key(theirs: str) -> str:
    """Our name of a parameter of theirs, without the prefix."""
    name = re.sub(r"^data_bn\.", "norm.", theirs)
    name = re.sub(r"^expand_gcn\.", "expand.", name)
    name = re.sub(r"^layers_tcngcn\.(\d+)\.", r"units.\1.", name)
    name = re.sub(r"^fc\.", "read.", name)
    for pattern, ours in _PARTS:
        name = re.sub(pattern, ours, name)
    return name


def load_official(file: Path) -> GlaGcn:
    """The network of a checkpoint, in eval mode: width, window and skeleton are those of its tensors.

    The released files also hold a pickled random state, which is refused; the message says what to do. Raises
    PalmarError for keys that are missing or unknown, and for other shapes.
    """
    state = {key.removeprefix("module."): value for key, value in read_state(file).items()}
    network = GlaGcn(config_of(state, str(file)))
    load_exactly(network, renamed(state), str(file))
    return network.eval()


def config_of(state: dict[str, Tensor], where: str) -> Config:
    """What a state dict is of."""
    try:
        nodes, width = len(state["data_bn.weight"]) // 2, state["fc.weight"].shape[1]
        units = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("layers_tcngcn."))
    except (KeyError, ValueError, IndexError) as err:
        raise PalmarError(f"{where}: not a checkpoint of GLA-GCN ({', '.join(list(state)[:5])}).") from err
    named = {len(parents): name for name, parents in SKELETONS.items()}
    if nodes not in named:
        raise PalmarError(f"{where}: a skeleton of {nodes} joints; known are {', '.join(map(str, named))}.")
    return Config(skeleton=named[nodes], frames=3 ** (units // 2), width=width, readout="shared",
                  quiet=True)  # type: ignore[arg-type]  # fmt: skip


def renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """By our names; the readout's convolution of one frame as a linear layer."""
    out = {own_key(key): value for key, value in state.items()}
    if out.get("read.weight", torch.zeros(1)).ndim == 3:
        out["read.weight"] = out["read.weight"][..., 0]
    return out
