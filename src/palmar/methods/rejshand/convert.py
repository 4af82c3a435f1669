"""Checkpoints of the released code's layout in this folder's network, and ImageNet weights of its backbone by the names
of timm, for those who have and may use them. Nobody published weights of ReJSHand; who trained it has such files."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from palmar.errors import PalmarError
from palmar.methods.rejshand.model import PAPER, Config, ReJSHand
from palmar.nn.fastvit import renamed
from palmar.nn.trunks import load_exactly, read_state

_HEAD = {
    r"keypoints_2d_head\.(\w+)": "keypoints.{0}",
    r"mesh_head\.(deconv\.[01]\.\w+|pred_final\.\w+)": "head.{0}",
    r"mesh_head\.pos_emb_(\d)": "head.stages.{0}.position",
    r"mesh_head\.proj_(\d)\.(\w+)": "head.stages.{0}.proj.{1}",
    r"mesh_head\.encoder_(\d)\.sgcn\.conv\.(\w+)": "head.stages.{0}.encoder.gather.{1}",
    r"mesh_head\.encoder_(\d)\.mhsa\.(\w+\.\w+)": "head.stages.{0}.encoder.attention.{1}",
    r"mesh_head\.encoder_(\d)\.(fc\.\w+)": "head.stages.{0}.encoder.{1}",
    r"mesh_head\.upsample_(\d)\.upsample\.(\w+)": "head.stages.{0}.upsample.{1}",
}


def head_key(theirs: str) -> str | None:
    """Our name of a number of the two heads, whose stages are counted from 1 there; None for one that is not known."""
    for pattern, ours in _HEAD.items():
        if found := re.fullmatch(pattern, theirs):
            first, *rest = found.groups()
            return ours.format(int(first) - 1 if first.isdigit() else first, *rest)
    return None


def released(file: Path, regressor: Float[np.ndarray, "21 v"], *, config: Config = PAPER) -> ReJSHand:
    """The network of a checkpoint of the released code, in eval mode, for RGB pictures.

    The file holds no regressor of the joints: that of a `HandModel` from the user's MANO file
    (`landmark_regressor`, tips "freihand"), or the one of `training.fitted`. The released code shows its network
    OpenCV's BGR; the first convolutions' channels are turned round here, which is the same.

    Raises PalmarError for another file, for keys that are missing or too many, and for other shapes.
    """
    state = read_state(file)
    ours: dict[str, Tensor] = {"regressor": torch.from_numpy(regressor.astype(np.float32))}
    trunk, strange = {}, []
    for key, value in state.items():
        if key.startswith("backbone."):
            trunk[key.removeprefix("backbone.")] = value
        elif name := head_key(key):
            value = value[..., 0] if name.endswith("gather.weight") and value.ndim == 3 else value
            ours[name] = value.float() if value.is_floating_point() else value
        else:
            strange.append(key)
    if strange:
        more = f" and {len(strange) - 5} more" if len(strange) > 5 else ""
        raise PalmarError(f"{file}: read as ReJSHand; unknown {', '.join(strange[:5])}{more}.")
    for name, value in renamed(trunk).items():
        ours[f"trunk.{name}"] = value.flip(1) if name in ("stem.0.full.0.weight", "stem.0.point.0.weight") else value
    network = ReJSHand(config, regressor)
    load_exactly(network, ours, str(file))
    return network.eval()


def load_backbone(trunk: nn.Module, file: Path) -> None:
    """timm's weights of `fastvit_ma36`, in place. Raises PalmarError for a file of another network."""
    load_exactly(trunk, renamed(read_state(file)), str(file))
