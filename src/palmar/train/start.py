"""Begin a run from finished weights: a palmar ONNX file back into the network it came from.

The file holds batch norms folded into the convolutions before them. Unfolded, every batch norm gets the statistics of
some calibration pictures and the scale and shift that undo them: the network answers as the file does, and trains on.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from palmar.errors import PalmarError, need
from palmar.nn.landmarker import Landmarker, LandmarkerTrunk
from palmar.train.loop import checkpoints, load_average


def start_from(net: nn.Module, file: Path, images: UInt8[Tensor, "b h w 3"]) -> nn.Module:
    """`net`, in place, with the weights of an ONNX file that `palmar.train.export` wrote from a network of its kind, or
    the averaged weights of a run's folder.

    images: calibration pictures as the run will see them, for a file; a hundred or more. Raises PalmarError where the
    file does not hold this network.
    """
    if file.is_dir():
        return load_average(file, net)[0]
    onnx, graph = need("onnx", extra="torch"), read_graph(file)
    values = {i.name: torch.from_numpy(onnx.numpy_helper.to_array(i).copy()) for i in graph.initializer}
    convolutions = _in_order(net, images[:1])
    nodes = [node for node in graph.node if node.op_type == "Conv"]
    if len(nodes) != len(convolutions):
        raise PalmarError(f"{file}: {len(nodes)} convolutions, but this network has {len(convolutions)}.")
    state = net.state_dict()
    taken: dict[str, Tensor] = {}
    for node, (name, norm) in zip(nodes, convolutions, strict=True):
        taken[f"{name}.weight"] = values[node.input[1]]
        if norm is None:
            taken[f"{name}.bias"] = values[node.input[2]]
        else:
            eps = net.get_submodule(norm).eps  # the running variance that makes the norm the identity
            taken |= {f"{norm}.weight": torch.ones_like(values[node.input[2]]), f"{norm}.bias": values[node.input[2]]}
            taken |= {f"{norm}.running_mean": torch.zeros_like(values[node.input[2]])}
            taken |= {f"{norm}.running_var": torch.full_like(values[node.input[2]], 1.0 - float(eps))}
    linear = [values[node.input[1]].T for node in graph.node if node.op_type == "MatMul" and node.input[1] in values]
    for name, value in state.items():
        if name in taken or name.endswith("num_batches_tracked"):
            continue
        if f"net.{name}" in values:
            taken[name] = values[f"net.{name}"]
        elif linear and linear[0].shape == value.shape:
            taken[name] = linear.pop(0)
        else:
            raise PalmarError(f"{file}: holds nothing for {name} {tuple(value.shape)} of this network.")
    for name, value in taken.items():
        if state[name].shape != value.shape:
            raise PalmarError(f"{file}: {name} is {tuple(value.shape)} there, {tuple(state[name].shape)} here.")
    net.load_state_dict(state | taken)
    _unfold(net, images)
    return net


def read_graph(file: Path) -> Any:
    """The graph of an ONNX file. Raises PalmarError where there is none."""
    onnx = need("onnx", extra="torch")
    try:
        return onnx.load(str(file)).graph
    except FileNotFoundError as err:
        raise PalmarError(f"{file}: no such file.") from err
    except Exception as err:  # onnx and protobuf raise classes of their own
        raise PalmarError(f"{file}: not a readable ONNX file ({err}).") from err


def start_trunk(trunk: LandmarkerTrunk, images: UInt8[np.ndarray, "b s s 3"]) -> LandmarkerTrunk:
    """`trunk`, in place, with the weights of the package's landmarker. images: calibration crops, some dozens."""
    file = Path(str(files("palmar") / "weights" / "landmarker.onnx"))
    with torch.random.fork_rng():
        whole = start_from(Landmarker(), file, torch.from_numpy(images)).state_dict()
    trunk.load_state_dict({name: whole[name] for name in trunk.state_dict()})
    return trunk


def digest_of(file: Path) -> str:
    """Names weights to start from: 16 digits of the SHA-256 of the file, or of the averaged weights of a run."""
    if file.is_dir():
        found = checkpoints(file)
        if not found:
            raise PalmarError(f"{file}: no checkpoint here; name an ONNX file or the folder of a run.")
        file = found[-1] / "average.pt"
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    except OSError as err:
        raise PalmarError(f"{file}: cannot be read ({err.strerror or err}).") from err


LINEAGE = "lineage.json"
"""In the folder of a run that began from finished weights: what those went through, oldest first."""


def lineage_of(start: Path) -> list[dict[str, Any]]:
    """What weights to start from went through: a row per run, oldest first, as the card of an export names it.

    Read from the card beside an ONNX file, or from the files of a run. Raises PalmarError where they cannot be read.
    """
    card, run = start.with_suffix(".json"), start / "recipe.json"
    file = run if start.is_dir() else card
    if not file.exists():
        return [{"start": digest_of(start)}]
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        if not start.is_dir():
            before = told.get("began_from", [])
            recipe, steps, commit = told.get("recipe", {}), int(told.get("steps", 0)), told.get("commit")
        else:
            before = json.loads((start / LINEAGE).read_text(encoding="utf-8")) if (start / LINEAGE).exists() else []
            recipe, steps, commit = told, int(checkpoints(start)[-1].name.rpartition("-")[2]), None
        samples = steps * int(recipe.get("batch", 0))
    except (OSError, ValueError, TypeError, AttributeError, IndexError) as err:
        raise PalmarError(f"{file}: does not tell what these weights went through ({err}).") from err
    row = {"start": digest_of(start), "samples": samples, "steps": steps, "commit": commit, "recipe": recipe}
    licences = [] if start.is_dir() else told.get("licences", [])
    return [*before, row | ({"licences": licences} if licences else {})]


def inherited(lineage: Sequence[Mapping[str, Any]], own: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """`own` and, of what touched the weights that a run began from, what is not of its kind among them."""
    rows = [dict(row) for row in own]
    for told in lineage:
        for row in told.get("licences", ()):
            if (row.get("name"), row.get("licence")) not in {(r.get("name"), r.get("licence")) for r in rows}:
                rows.append(dict(row))
    return rows


def keep_lineage(run: Path, start: Path) -> None:
    """Writes `lineage_of(start)` into a new run's folder."""
    file = run / LINEAGE
    if file.exists():
        return
    run.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(lineage_of(start), indent=1) + "\n", encoding="utf-8")
    part.replace(file)


def _in_order(net: nn.Module, image: Tensor) -> list[tuple[str, str | None]]:
    """Names of the convolutions as they run, each with the batch norm that follows it in its Sequential, or None."""
    names = {module: name for name, module in net.named_modules()}
    follows = {
        a: b
        for block in net.modules()
        if isinstance(block, nn.Sequential)
        for a, b in itertools.pairwise(block)
        if isinstance(b, nn.BatchNorm2d)
    }
    found: list[tuple[str, str | None]] = []

    def note(module: nn.Module, *_: object) -> None:
        norm = follows.get(module)
        found.append((names[module], None if norm is None else names[norm]))

    hooks = [m.register_forward_hook(note) for m in net.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        net.eval()(image)
    for hook in hooks:
        hook.remove()
    return found


@torch.no_grad()
def _unfold(net: nn.Module, images: Tensor) -> None:
    """Gives every batch norm, now the identity plus a shift, the statistics of what comes in."""
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    sums: dict[nn.Module, list[Tensor]] = {norm: [] for norm in norms}

    def see(module: nn.Module, inputs: Sequence[Tensor], _: Tensor) -> None:
        x = inputs[0].double()
        sums[module].append(torch.stack([x.mean((0, 2, 3)), x.square().mean((0, 2, 3))]) * len(x))

    hooks = [norm.register_forward_hook(see) for norm in norms]
    for part in images.split(64):
        net.eval()(part)
    for hook in hooks:
        hook.remove()
    for norm in norms:
        mean, square = torch.stack(sums[norm]).sum(0) / len(images)
        variance = (square - mean.square()).clamp_min(1e-4)
        norm.bias.add_(mean.float())
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
