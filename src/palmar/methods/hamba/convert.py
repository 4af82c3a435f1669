"""Checkpoints of HaMeR (MIT code; weights for research) and WiLoR (CC BY-NC-ND) in this folder's networks, for those
who may use them. What a file holds is told by its keys; all of them are accounted for, or nothing is loaded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from palmar.errors import PalmarError
from palmar.hand import HandModel
from palmar.methods.hamba.model import HAMER, Config, MeshNetwork
from palmar.methods.hamba.wilor import Wilor
from palmar.nn.decoder import own_key
from palmar.nn.trunks import load_exactly, read_state
from palmar.nn.vit import HUGE, VitConfig

UNUSED = ("discriminator.", "mano.", "initialized")
"""Of training, or of the hand model, which is the user's own file here."""
_VIT = r"(pos_embed|patch_embed\..*|blocks\..*|last_norm\..*)"
_MEANS = {"hand_pose": "pose", "betas": "shape", "cam": "camera"}
_READ = {"decpose": 0, "decshape": 1, "deccam": 2}


def hamer_key(theirs: str) -> str | None:
    """Our name of a parameter of HaMeR's; None for one that is not known."""
    if found := re.fullmatch(rf"backbone\.{_VIT}", theirs):
        return f"trunk.vit.{found[1]}"
    if theirs.startswith("mano_head.transformer."):
        return f"head.decoder.{own_key(theirs.removeprefix('mano_head.transformer.'))}"
    if found := re.fullmatch(r"mano_head\.(decpose|decshape|deccam)\.(\w+)", theirs):
        return f"head.read.{_READ[found[1]]}.{found[2]}"
    if found := re.fullmatch(r"mano_head\.init_(hand_pose|betas|cam)", theirs):
        return f"head.means.{_MEANS[found[1]]}"
    return None


def wilor_key(theirs: str) -> str | None:
    """The same of WiLoR's."""
    if found := re.fullmatch(rf"backbone\.{_VIT}", theirs):
        return f"backbone.trunk.vit.{found[1]}"
    if found := re.fullmatch(r"backbone\.init_(hand_pose|betas|cam)", theirs):
        return f"backbone.means.{_MEANS[found[1]]}"
    if found := re.fullmatch(r"backbone\.((?:pose_emb|shape_emb|cam_emb|decpose|decshape|deccam)\.\w+)", theirs):
        return f"backbone.{found[1]}"
    if found := re.fullmatch(r"refine_net\.deconv\.first_conv\.0\.(\w+)", theirs):
        return f"refine.first.{found[1]}"
    if found := re.fullmatch(r"refine_net\.deconv\.deconv\.([01])\.(\d\.\w+)", theirs):
        return f"refine.{('once', 'twice')[int(found[1])]}.{found[2]}"
    if found := re.fullmatch(r"refine_net\.(dec_(?:pose|shape|cam)\.\w+)", theirs):
        return f"refine.{found[1]}"
    return None


def renamed(state: dict[str, Tensor], kind: Literal["hamer", "wilor"], where: str) -> dict[str, Tensor]:
    """Their parameters by our names, means as vectors. Raises PalmarError that names keys that are not known."""
    own = hamer_key if kind == "hamer" else wilor_key
    ours, strange = {}, []
    for key, value in state.items():
        if key.startswith(UNUSED):
            continue
        name = own(key)
        if name is None:
            strange.append(key)
        else:
            ours[name] = value.flatten().float() if ".means." in name else value.float()
    if strange:
        more = f" and {len(strange) - 5} more" if len(strange) > 5 else ""
        raise PalmarError(f"{where}: read as {kind}; unknown {', '.join(strange[:5])}{more}.")
    return ours


def kind_of(state: dict[str, Tensor], where: str) -> Literal["hamer", "wilor"]:
    """Whose checkpoint this is."""
    if any(key.startswith("refine_net.") for key in state):
        return "wilor"
    if any(key.startswith("mano_head.transformer.") for key in state):
        return "hamer"
    raise PalmarError(f"{where}: neither HaMeR's nor WiLoR's checkpoint ({', '.join(list(state)[:5])}).")


def official(
    file: Path, model: HandModel, *, compatible: bool = False, config: Config = HAMER, vit: VitConfig = HUGE,
    width: int = 640,
) -> nn.Module:  # fmt: skip
    """The network of a checkpoint, in eval mode, with the user's MANO hand. config, vit, width: of other sizes than the
    released ones. compatible: WiLoR's refining net looks where the released one does.

    Raises PalmarError for another checkpoint, for keys that are missing or too many, and for other shapes.
    """
    state = read_state(file)
    kind = kind_of(state, str(file))
    with torch.device("meta"):
        network = MeshNetwork(config, model) if kind == "hamer" else Wilor(model, vit, width, compatible=compatible)
    load_exactly(network, renamed(state, kind, str(file)), str(file), assign=True)
    return network.eval()


def load_official(file: Path, part: Literal["backbone"]) -> dict[str, Tensor]:
    """State of `VitTrunk` out of a checkpoint of either."""
    state = read_state(file)
    kind = kind_of(state, str(file))
    prefix = {"hamer": "trunk.", "wilor": "backbone.trunk."}[kind]
    found = renamed(state, kind, str(file))
    return {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(f"{prefix}vit.")}
