"""Mesh networks side by side: crops per second one at a time on one thread, in turn in one run, and, given runs,
their errors on the same held-out crops.

    python benchmarks/mesh_methods.py
    python benchmarks/mesh_methods.py --runs hamba:runs/hamba hamer:runs/hamer rejshand:runs/rejshand

Times are of the networks with meshes, medians over rounds; ratios are to the first. The floor beside each is its
multiply-adds over those that this machine does in a large matrix product in the same run.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro
from torch.utils.flop_counter import FlopCounterMode
from tyro.conf import arg

import palmar
from palmar.hand import HandModel
from palmar.methods.hamba.model import SMALL, SMALL_HAMER, MeshNetwork
from palmar.methods.hamba.predictor import MeshPredictor as HambaPredictor
from palmar.methods.hamba.predictor import crop_of
from palmar.methods.rejshand.model import SMALL as SMALL_REJSHAND
from palmar.methods.rejshand.model import ReJSHand
from palmar.methods.rejshand.predictor import MeshPredictor as ReJSHandPredictor
from palmar.tasks.mesh import figures
from palmar.train.meshcrops import held_out, open_crops


@dataclass(frozen=True)
class Options:
    """Compare mesh networks."""

    runs: Annotated[tuple[str, ...], arg(metavar="NETWORK:RUN")] = ()
    """Trained ones; none: untrained networks of the small size, for their times alone."""
    crops: int = 200
    """Held-out drawn crops to score on, where runs are given."""
    rounds: int = 40


def untrained() -> dict[str, Any]:
    model = HandModel.default()
    networks = {name: MeshNetwork(config, model) for name, config in (("hamba", SMALL), ("hamer", SMALL_HAMER))}
    out: dict[str, Any] = {
        name: HambaPredictor(network, model, crop_of(network.config)) for name, network in networks.items()
    }
    return {"rejshand": ReJSHandPredictor(ReJSHand(SMALL_REJSHAND, model.landmark_regressor)), **out}


def peak() -> float:
    """Multiply-adds a second in a product of matrices of 1024."""
    a = torch.randn(1024, 1024)
    best = np.inf
    for _ in range(8):
        began = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - began)
    return 1024**3 / best


@torch.inference_mode()
def main(options: Options) -> None:
    torch.set_num_threads(1)
    predictors = untrained()
    if options.runs:
        predictors = {text: palmar.load(*text.split(":", 1)) for text in options.runs}
    took: dict[str, list[float]] = {name: [] for name in predictors}
    images = {name: np.zeros((1, p.crop.size, p.crop.size, 3), np.uint8) for name, p in predictors.items()}
    for round_ in range(options.rounds + 3):
        for name, predictor in predictors.items():
            began = time.perf_counter()
            predictor(images[name])
            if round_ >= 3:
                took[name].append(time.perf_counter() - began)
    speed = peak()
    first = float(np.median(next(iter(took.values()))))
    print(f"one thread, {options.rounds} rounds in turn; {speed / 1e9:.0f} G multiply-adds a second in a product")
    print("| network | numbers | M multiply-adds | floor ms | ms | crops/s | ratio |\n|---|---|---|---|---|---|---|")
    for name, predictor in predictors.items():
        with FlopCounterMode(display=False) as counter:
            predictor.network(torch.from_numpy(images[name]))
        work, ms = counter.get_total_flops() / 2, 1000 * float(np.median(took[name]))
        size = sum(p.numel() for p in predictor.network.parameters())
        numbers = f"{size / 1e6:.2f} M | {work / 1e6:.0f} | {1000 * work / speed:.2f} | {ms:.2f} | {1000 / ms:.0f}"
        print(f"| {name} | {numbers} | {ms / 1000 / first:.2f} |")
    if options.runs:
        print("\n| run | PA-MPJPE mm | PA-MPVPE mm | F@5 | F@15 |\n|---|---|---|---|---|")
        for name, predictor in predictors.items():
            arrays, truth = held_out(open_crops(f"drawn:{options.crops}", "test", size=predictor.crop.size), 0)
            f = figures(predictor(arrays["image"]), truth)
            print(f"| {Path(name).name} | {f['pa_mpjpe_mm']:.2f} | {f['pa_mpvpe_mm']:.2f} | {f['f5']:.3f} | "
                  f"{f['f15']:.3f} |")  # fmt: skip


if __name__ == "__main__":
    main(tyro.cli(Options))
