"""The layout of the authors' checkpoint for H2O, and of torchvision's ResNets for the backbone, in and out.

The release keeps one copy of the heads for before the layer and one for after it, tied: both copies are in the file
and hold the same numbers. Here there is one. All keys are accounted for, or nothing is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from palmar.errors import PalmarError
from palmar.methods.qort_former.backbone import SHAPES
from palmar.methods.qort_former.model import PAPER, Config, Found, QortFormer
from palmar.nn.chebyshev import graformer_names
from palmar.nn.trunks import read_state

_SIDES = ("left", "right")


def official_names(config: Config = PAPER) -> dict[str, tuple[str, ...]]:
    """Our name of every parameter and buffer -> the names it has in the release, two where it is tied.

    Raises PalmarError for a network that the release cannot express: more or fewer layers, no division, no contact.
    """
    if config.layers != 1 or not config.division or not config.contact or not config.patches:
        raise PalmarError("the release has one layer with division, contact and patches; this network has not.")
    names = {**_backbone(config), **_decoder()}
    p = "predictor"
    names |= {
        "table": (f"{p}.meta_pos_embed",),
        "spare": (f"{p}.empty_query_features.weight",),
        "spare_place": (f"{p}.empty_query_pos_embed.weight",),
    }
    proposal = f"{p}.query_proposal"
    heads = {f"division.hands.{i}": _SIDES[side] for i, side in enumerate(config.hands)} | {"division.object": "obj"}
    for ours, theirs in heads.items():
        names |= _pair({f"{ours}.{i}": (f"{proposal}.conv_proposal_{theirs}_cls_logits.{i}",) for i in (0, 2)})
    names |= _pair(
        {
            "contact.convs.0": (f"{proposal}.contactmap_estimation.0",),
            "contact.convs.2": (f"{proposal}.contactmap_estimation.2",),
            "contact.read": (f"{proposal}.contactmap_estimation.6",),
            "contact.embed": (f"{proposal}.contactmap_conv.conv1d",),
            "contact.spread": (f"{proposal}.contactmap_conv.linear",),
            "norms.0": (f"{p}.decoder_query_norm_layers.0",),
            "norms.1": (f"{p}.decoder_query_norm_layers.1",),
        }
    )
    attentions = {
        "pixel_attention": ("mask_cross_attention", "multihead_attn"),
        "query_attention": ("query_cross_attention", "multihead_attn"),
        "query_self": ("query_self_attention", "self_attn"),
    }
    for ours, (theirs, inner) in attentions.items():
        there = f"{p}.transformer_{theirs}_layers.0"
        for kind in ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"):
            names[f"layers.0.{ours}.attention.{kind}"] = (f"{there}.{inner}.{kind}",)
        names |= _pair({f"layers.0.{ours}.norm": (f"{there}.norm",)})
    for ours, theirs in (("pixel_mlp", "mask"), ("query_mlp", "query")):
        there = f"{p}.transformer_{theirs}_ffn_layers.0"
        for mine, inner in (("first", "linear1"), ("second", "linear2"), ("norm", "norm")):
            names |= _pair({f"layers.0.{ours}.{mine}": (f"{there}.{inner}",)})
    tied = {"read.classes": "class_embed_layers.{}"}
    for i, side in enumerate(config.hands):
        for mine, inner in ((0, 0), (2, 1), (4, 2)):
            tied[f"read.hands.{i}.{mine}"] = f"keypoint_embed_{_SIDES[side]}.{{}}.layers.{inner}"
    for mine, inner in ((0, 0), (2, 1), (4, 2)):
        tied[f"read.object.{mine}"] = f"obj_keypoint_embed.{{}}.layers.{inner}"
    names |= _pair({ours: tuple(f"{p}.{theirs.format(copy)}" for copy in (0, 1)) for ours, theirs in tied.items()})
    for i, side in enumerate(config.hands):
        for ours, theirs in graformer_names().items():
            names[f"read.refine.{i}.{ours}"] = tuple(f"{p}.graformer_{_SIDES[side]}.{c}.{theirs}" for c in (0, 1))
    return names


def _pair(names: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Weight and bias of each."""
    return {
        f"{ours}.{kind}": tuple(f"{there}.{kind}" for there in theirs)
        for ours, theirs in names.items()
        for kind in ("weight", "bias")
    }


def _backbone(config: Config) -> dict[str, tuple[str, ...]]:
    kind, _, _, counts = SHAPES[config.backbone]
    last = 3 if kind == "bottleneck" else 2
    names = {"stem": "stem.conv1"}
    for stage, count in enumerate(counts):
        for block in range(count):
            here, there = f"stages.{stage}.{block}", f"res{stage + 2}.{block}"
            names |= {f"{here}.convs.{i}": f"{there}.conv{i + 1}" for i in range(last)}
            if block == 0 and (stage > 0 or kind == "bottleneck"):
                names[f"{here}.shortcut"] = f"{there}.shortcut"
    out: dict[str, tuple[str, ...]] = {}
    for ours, theirs in names.items():
        out[f"backbone.{ours}.conv.weight"] = (f"backbone.{theirs}.weight",)
        for part in ("weight", "bias", "running_mean", "running_var"):
            out[f"backbone.{ours}.norm.{part}"] = (f"backbone.{theirs}.norm.{part}",)
    return out


def _decoder() -> dict[str, tuple[str, ...]]:
    d = "feature_decoder"
    out: dict[str, tuple[str, ...]] = {}
    for ours, theirs in (("lateral", "adapter"), ("smooth", "layer")):
        for i in range(3):
            out[f"decoder.{ours}.{i}.conv.weight"] = (f"{d}.{theirs}_{i + 1}.weight",)
            out |= _pair({f"decoder.{ours}.{i}.norm": (f"{d}.{theirs}_{i + 1}.norm",)})
    out |= _pair({f"decoder.pooling.stages.{i}": (f"{d}.ppm.stages.{i}.1",) for i in range(4)})
    return out | _pair({"decoder.pooling.bottleneck": (f"{d}.ppm.bottleneck",)})


def from_official(state: Mapping[str, Tensor], config: Config = PAPER) -> dict[str, Tensor]:
    """Our state dict. Raises PalmarError that names a key that is missing, not known, of a wrong shape, or whose tied
    copies differ."""
    names = official_names(config)
    with torch.device("meta"):
        shapes = {name: tuple(x.shape) for name, x in QortFormer(config).state_dict().items() if _counted(name)}
    known = {theirs for all_theirs in names.values() for theirs in all_theirs}
    _account(known, state)
    out = {}
    for ours, theirs in names.items():
        first, *copies = (state[name] for name in theirs)
        if tuple(first.shape) != shapes[ours]:
            raise PalmarError(f"{theirs[0]}: expected shape {shapes[ours]}, got {tuple(first.shape)}.")
        for name, copy in zip(theirs[1:], copies, strict=True):
            if not torch.equal(first, copy):
                raise PalmarError(f"{name} differs from {theirs[0]}, to which it should be tied.")
        out[ours] = first
    return out


def to_official(state: Mapping[str, Tensor], config: Config = PAPER) -> dict[str, Tensor]:
    """The other way; tied tensors twice."""
    return {name: state[ours] for ours, theirs in official_names(config).items() for name in theirs}


def read_official(path: Path, config: Config = PAPER) -> QortFormer:
    """The network with the weights of an official checkpoint, in eval mode, computing as the release does."""
    from dataclasses import replace

    state = read_state(path)
    model = QortFormer(replace(config, compatible=True))
    model.load_state_dict(from_official(state, config))
    return model.eval()


def official_outputs(found: Found) -> dict[str, Any]:
    """What the network found, as the release returns it: b pictures, q located queries.

    pred_logits [b, q, k]; pred_keypoints [4, b, q, 63], left and right in 3D, then in 2D with a third number that means
    nothing, sigmoid(1); pred_obj_keypoints [b, q, 63]; contact_map [b, 2, v, 1]; proposal_cls_logits, a list. A hand
    that the network does not know is left out.
    """
    flat, deep = found.heads.hands2d.transpose(0, 1), found.heads.hands3d.transpose(0, 1)
    dummy = torch.full_like(flat[..., :1], 1.0).sigmoid()
    return {
        "pred_logits": found.heads.classes,
        "pred_keypoints": torch.cat([deep, torch.cat([flat, dummy], -1)]).flatten(-2),
        "pred_obj_keypoints": found.heads.object.flatten(-2),
        "contact_map": found.contact[..., None],
        "proposal_cls_logits": found.proposals,
    }


def load_backbone(model: QortFormer, path: Path) -> None:
    """Fills the backbone from torchvision's ResNet of the same name: a file with its bare state dict.

    Such weights have licences and data sets of their own: they are the user's choice, and not ours to ship.
    """
    state = {name: x for name, x in read_state(path).items() if not name.startswith("fc.") and _counted(name)}
    names = torchvision_names(model.config)
    _account(set(names.values()), state)
    own = model.backbone.state_dict()
    for ours, theirs in names.items():
        if own[ours].shape != state[theirs].shape:
            raise PalmarError(f"{path}: {theirs} has shape {tuple(state[theirs].shape)}, not {tuple(own[ours].shape)}.")
        own[ours].copy_(state[theirs])


def torchvision_names(config: Config) -> dict[str, str]:
    """Our name of every tensor of the backbone -> torchvision's."""
    kind, _, _, counts = SHAPES[config.backbone]
    pairs = {"stem.conv": "conv1", "stem.norm": "bn1"}
    for stage, count in enumerate(counts):
        for block in range(count):
            here, there = f"stages.{stage}.{block}", f"layer{stage + 1}.{block}"
            for i in range(3 if kind == "bottleneck" else 2):
                pairs |= {
                    f"{here}.convs.{i}.conv": f"{there}.conv{i + 1}",
                    f"{here}.convs.{i}.norm": f"{there}.bn{i + 1}",
                }
            if block == 0 and (stage > 0 or kind == "bottleneck"):
                pairs |= {
                    f"{here}.shortcut.conv": f"{there}.downsample.0",
                    f"{here}.shortcut.norm": f"{there}.downsample.1",
                }
    out = {}
    for ours, theirs in pairs.items():
        parts = ("weight",) if ours.endswith("conv") else ("weight", "bias", "running_mean", "running_var")
        out |= {f"{ours}.{part}": f"{theirs}.{part}" for part in parts}
    return out


def _counted(name: str) -> bool:
    """Whether a tensor decides what is computed; counters of batches do not."""
    return not name.endswith("num_batches_tracked")


def _account(known: set[str], state: Mapping[str, Tensor]) -> None:
    missing, extra = sorted(known - state.keys()), sorted(state.keys() - known)
    if missing or extra:
        parts = [f"no {', '.join(missing[:5])}"] * bool(missing) + [f"unknown {', '.join(extra[:5])}"] * bool(extra)
        raise PalmarError(
            f"these are not the weights of this network: {'; '.join(parts)} ({len(missing)} and "
            f"{len(extra)} keys in all)."
        )


def count(module: nn.Module) -> int:
    """Parameters, each once."""
    return sum(p.numel() for p in module.parameters())
