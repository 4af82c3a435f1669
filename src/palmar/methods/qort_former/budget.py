"""What each part of the network costs: weights, operations, bytes, milliseconds.

python -m palmar.methods.qort_former.budget --size paper --threads 1
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from palmar.methods.qort_former.model import Config, QortFormer
from palmar.tasks.method import Report
from palmar.train.options import on_threads

PARTS: Mapping[str, tuple[str, ...]] = {
    "backbone": ("backbone",),
    "feature decoder": ("decoder",),
    "proposals": ("division",),
    "contact": ("contact",),
    "step 1: picture": ("layers.*.pixel_attention", "layers.*.pixel_mlp"),
    "step 2: patches": ("layers.*.patches",),
    "step 3: queries": ("layers.*.query_attention", "layers.*.query_self", "layers.*.query_mlp"),
    "heads": ("read.classes", "read.hands", "read.object"),
    "refiners": ("read.refine",),
}
"""Modules of each part; * stands for every layer."""


@dataclass(frozen=True)
class Cost:
    parameters: int
    multiply_adds: int
    bytes: int
    """Weights read and results of modules without parts written, float32."""
    milliseconds: float | None = None


def parts_of(model: QortFormer) -> dict[str, list[nn.Module]]:
    """Modules of every part that the network has; those that are lists are their items."""
    out: dict[str, list[nn.Module]] = {}
    for part, patterns in PARTS.items():
        found: list[nn.Module] = []
        for pattern in patterns:
            for i in range(len(model.layers)) if "*" in pattern else (0,):
                at: Any = model
                for name in pattern.replace("*", str(i)).split("."):
                    at = getattr(at, name, None)
                if at is not None:
                    found += list(at) if isinstance(at, nn.ModuleList) else [at]
        if found:
            out[part] = found
    return out


def costs(config: Config, *, fold: bool = True, answer_only: bool = True) -> dict[str, Cost]:
    """Of one picture, counted on tensors without data, so that it costs nothing.

    fold: the contact estimator as it runs. answer_only: only the chosen queries are read, as when it runs; False: all
    of them, as the release does. "whole" is the network's, with what belongs to no part.
    """
    with torch.device("meta"):
        model = QortFormer(config).eval()
        image = torch.zeros((1, config.height, config.width, 3), dtype=torch.uint8)
    if fold and config.contact:
        with torch.device("meta"):
            model.contact.fold()
    written: dict[str, int] = defaultdict(int)
    operations: dict[str, int] = defaultdict(int)
    parts = parts_of(model)
    counter = FlopCounterMode(display=False)
    hooks = []
    for part, modules in parts.items():
        for module in modules:
            hooks += _measured(module, part, operations, counter.get_total_flops)
            for inner in module.modules():
                if not list(inner.children()):
                    hooks.append(inner.register_forward_hook(_writes(written, part)))
    with counter, torch.no_grad():
        model.detect(image) if answer_only else model(image)
    for hook in hooks:
        hook.remove()
    out = {}
    for part, modules in parts.items():
        weights = sum(p.numel() for module in modules for p in (*module.parameters(), *module.buffers()))
        learned = sum(p.numel() for module in modules for p in module.parameters())
        out[part] = Cost(learned, int(operations[part]) // 2, 4 * (weights + written[part]))
    total = sum(p.numel() for p in model.parameters())
    out["whole"] = Cost(total, counter.get_total_flops() // 2, sum(cost.bytes for cost in out.values()))
    return out


def _measured(
    module: nn.Module, part: str, into: dict[str, Any], clock: Callable[[], float]
) -> list[torch.utils.hooks.RemovableHandle]:
    """Adds what the clock gains while the module runs."""
    began: list[float] = []

    def before(*_: object) -> None:
        began.append(clock())

    def after(*_: object) -> None:
        into[part] += clock() - began.pop()

    return [module.register_forward_pre_hook(before), module.register_forward_hook(after)]


def _writes(into: dict[str, int], part: str) -> Callable[..., None]:
    def after(_: nn.Module, __: object, out: Any) -> None:
        into[part] += sum(x.numel() for x in (out if isinstance(out, tuple) else (out,)) if isinstance(x, Tensor))

    return after


@torch.inference_mode()
def timed(model: QortFormer, repeats: int = 5) -> dict[str, float]:
    """Milliseconds of every part for one picture, the median of repeats after one that does not count, on the CPU. In
    the threads that PyTorch has."""
    config = model.config
    image = torch.randint(0, 255, (1, config.height, config.width, 3), dtype=torch.uint8)
    rounds: list[dict[str, float]] = []
    spent: dict[str, float] = defaultdict(float)
    hooks = [
        hook
        for part, modules in parts_of(model).items()
        for module in modules
        for hook in _measured(module, part, spent, time.perf_counter)
    ]
    for _ in range(repeats + 1):
        spent.clear()
        began = time.perf_counter()
        model.detect(image)
        rounds.append({**spent, "whole": time.perf_counter() - began})
    for hook in hooks:
        hook.remove()
    return {part: 1000 * float(np.median([one[part] for one in rounds[1:]])) for part in rounds[-1]}


@dataclass(frozen=True)
class Budget:
    """Weights, operations, bytes and milliseconds of every part, one picture at a time on the CPU."""

    size: Literal["paper", "paper-fpha", "small", "tiny"] = "paper"
    threads: int = 1
    repeats: int = 5
    seed: int = 0

    def run(self) -> Report:
        from palmar.methods.qort_former.training import SIZES

        config = SIZES[self.size]
        with on_threads(self.threads):
            torch.manual_seed(self.seed)
            model = QortFormer(config).eval()
            if config.contact:
                model.contact.fold()
            spent = timed(model, self.repeats)
        counted, whole = costs(config), costs(config, fold=False)
        rows = ["| part | weights | as trained | multiply-adds, M | MB moved | ms |", "|---|---|---|---|---|---|"]
        for part, cost in counted.items():
            rows.append(
                f"| {part} | {cost.parameters:,} | {whole[part].parameters:,} | {cost.multiply_adds / 1e6:,.1f} "
                f"| {cost.bytes / 1e6:,.1f} | {spent.get(part, 0.0):,.1f} |"
            )
        rows += ["", f"{config.width} x {config.height}, {self.threads} threads, float32, median of {self.repeats}."]
        figures = {
            part: {
                "parameters": c.parameters,
                "multiply_adds": c.multiply_adds,
                "bytes": c.bytes,
                "ms": spent.get(part),
            }
            for part, c in counted.items()
        }
        return Report(figures, "\n".join(rows))


if __name__ == "__main__":
    import tyro

    print(tyro.cli(Budget).run().table)
