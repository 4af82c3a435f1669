"""The authors' checkpoints (CC BY-NC 4.0) with the backbone of HaMeR in this folder's network, for those who may use
them. All keys are accounted for, or nothing is loaded."""

from __future__ import annotations

from pathlib import Path

import torch

from palmar.errors import PalmarError
from palmar.methods.haco.model import PAPER, Config, Haco
from palmar.nn.decoder import own_key
from palmar.nn.trunks import load_exactly, read_state


def haco_key(theirs: str) -> str:
    """Our name of a parameter of theirs."""
    if theirs.startswith("decoder.transformer."):
        return f"decoder.{own_key(theirs.removeprefix('decoder.transformer.'))}"
    return (
        theirs.replace("backbone.", "trunk.vit.", 1)
        .replace("decoder.deccontact.", "contact.", 1)
        .replace("decoder.init_contact", "start", 1)
    )


def load_official(file: Path, config: Config = PAPER) -> Haco:
    """The network of a checkpoint, in eval mode: the contact of MANO's 778 vertices of a right hand.

    Raises PalmarError for a file that is none, and for keys that are missing or unknown.
    """
    state = read_state(file)
    if "decoder.deccontact.weight" not in state:
        raise PalmarError(f"{file}: not a checkpoint of HACO ({', '.join(list(state)[:5])}).")
    with torch.device("meta"):
        network = Haco(config)
    load_exactly(network, {haco_key(key): value for key, value in state.items()}, str(file), assign=True)
    return network.eval()
