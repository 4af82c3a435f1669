"""Released checkpoints of the pose networks, read by their public key layout.

    net = ego_from_official(Path("EffHandEgoNet_H2O_512x512.pth"))

No weights are part of this package, and the licence of the released ones is not stated: who loads a file answers for
it. The released heads hold two up-steps and a batch norm that nothing runs through; they are dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from palmar.errors import PalmarError
from palmar.methods.effhandegonet.model import EffHandEgoNet, EffHandNet, EgoNetConfig, HandNetConfig
from palmar.nn.trunks import load_exactly, read_state

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
WIDTH = 256
SIDES = ("left", "right")


def official_names(net: EffHandEgoNet | EffHandNet) -> dict[str, str]:
    """Name of each of our tensors -> its name in a released checkpoint."""
    names = {
        name: name.replace("trunk.body.", "backbone.backbone.0.", 1)
        for name in net.state_dict()
        if name.startswith("trunk.body.")
    }
    if isinstance(net, EffHandNet):
        for i in range(5):
            names |= {f"head.steps.{i}.0.{key}": f"head.deconv{i + 1}.deconv.0.{key}" for key in NORM}
            names |= {f"head.steps.{i}.1.{key}": f"head.deconv{i + 1}.deconv.1.{key}" for key in NORM[:2]}
        return names | {f"head.final.{key}": f"head.final.{key}" for key in NORM[:2]}
    for s in range(net.config.hands):
        theirs = f"{SIDES[s]}_pose" if net.config.hands == 2 else "hand_pose"
        for i, number in enumerate((1, 2, 5)):
            names |= {f"pose.{s}.steps.{i}.up.{key}": f"{theirs}.deconv{number}.deconv.{key}" for key in NORM[:2]}
            if number != 5:
                names |= {f"pose.{s}.steps.{i}.norm.{key}": f"{theirs}.deconv{number}.norm.0.{key}" for key in NORM}
        names |= {f"pose.{s}.final.{key}": f"{theirs}.final.{key}" for key in NORM[:2]}
        if net.config.hands == 2:
            names |= {f"flag.{s}.{key}": f"{SIDES[s]}_hand.{key}" for key in NORM[:2]}
    if net.object is not None:
        names |= {f"object.{key}": f"obj_class.{key}" for key in NORM[:2]}
    return names


def dead_layers(net: EffHandEgoNet | EffHandNet) -> Iterator[tuple[str, Tensor]]:
    """Tensors of a released checkpoint that no output depends on, fresh."""
    if isinstance(net, EffHandNet):
        return
    for s in range(net.config.hands):
        theirs = f"{SIDES[s]}_pose" if net.config.hands == 2 else "hand_pose"
        for number in (3, 4, 5):
            if number != 5:
                yield f"{theirs}.deconv{number}.deconv.weight", torch.zeros(WIDTH, WIDTH, 2, 2)
                yield f"{theirs}.deconv{number}.deconv.bias", torch.zeros(WIDTH)
            for key, value in nn.BatchNorm2d(WIDTH).state_dict().items():
                yield f"{theirs}.deconv{number}.norm.0.{key}", value


def to_official(net: EffHandEgoNet | EffHandNet) -> dict[str, Tensor]:
    """Our weights in the released layout, dead layers and all."""
    own = net.state_dict()
    return {**{theirs: own[ours] for ours, theirs in official_names(net).items()}, **dict(dead_layers(net))}


def load_official(net: EffHandEgoNet | EffHandNet, state: Mapping[str, Tensor], what: str = "checkpoint") -> None:
    """Into `net`, in place. Raises PalmarError that names missing and unknown keys, and shapes that differ."""
    names = official_names(net)
    ours = {theirs: name for name, theirs in names.items()}
    dead = {name: tuple(value.shape) for name, value in dead_layers(net)}
    wrong = [key for key in dead.keys() & state.keys() if tuple(state[key].shape) != dead[key]]
    if wrong:
        raise PalmarError(f"{what}: {sorted(wrong)[0]} has the shape {tuple(state[sorted(wrong)[0]].shape)}.")
    load_exactly(net, {ours.get(key, key): value for key, value in state.items() if key not in dead}, what)


def ego_from_official(file: Path, *, objects: int = 0) -> EffHandEgoNet:
    """EffHandEgoNet as released for H2O; with `objects` (27), the variant as released for FPHA. In eval mode."""
    state = read_state(file)
    one = objects > 0
    net = EffHandEgoNet(EgoNetConfig(hands=1 if one else 2, objects=objects, compatible=True))
    load_official(net, state, str(file))
    return net.eval()


def hand_from_official(file: Path) -> EffHandNet:
    """EffHandNet as released for FreiHAND, in eval mode."""
    net = EffHandNet(HandNetConfig(compatible=True))
    load_official(net, read_state(file), str(file))
    return net.eval()
