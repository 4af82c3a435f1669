"""The ways of the selective scan, forward and backward, against each other; Triton's on a GPU only.

    python benchmarks/scan.py [--threads 1] [--device cpu]

Prints milliseconds (median of nine, taken in turns), their ratio, and floors: megabytes of states and decays, which the
first two must write once and read once each way; and those that Triton's reads and writes.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from palmar.nn.scan import selective_scan

BATCH, CHANNELS, STATES = 8, 128, 16


def took(parts: list[torch.Tensor], way: str) -> float:
    x, delta, a, b, c = parts
    begun = time.perf_counter()
    selective_scan(x.clone().requires_grad_(), delta, a, b, c, way=way).sum().backward()  # type: ignore[arg-type]
    if x.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print("length  steps ms  parallel ms  parallel/steps  floor MB  Triton ms  its MB")
    for length in (22, 64, 192, 512):
        shapes = (
            (BATCH, length, CHANNELS),
            (BATCH, length, CHANNELS),
            (CHANNELS, STATES),
            *[(BATCH, length, STATES)] * 2,
        )
        x, delta, a, b, c = (torch.rand(s, device=options.device) for s in shapes)
        times: dict[str, list[float]] = {"steps": [], "parallel": []}
        if x.device.type == "cuda":
            times["triton"] = []
            took([x, delta, -a, b, c], "triton")  # compiles
        for _ in range(9):
            for way, found in times.items():
                found.append(took([x, delta, -a, b, c], way))
        steps, parallel, *more = (statistics.median(found) for found in times.values())
        floor = 4 * 2 * x.numel() * STATES * 4 / 1e6
        least = 4 * (8 * x.numel() + 6 * b.numel()) / 1e6
        line = f"{length:6}  {1e3 * steps:8.1f}  {1e3 * parallel:11.1f}  {parallel / steps:14.2f}  {floor:8.1f}"
        print(line + (f"  {1e3 * more[0]:9.1f}" if more else f"  {'':9}") + f"  {least:6.1f}")


if __name__ == "__main__":
    main()
