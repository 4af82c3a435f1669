"""emg2pose's streams: milliseconds for 20 ms of signal on one thread, a pose each, untrained networks in turn.

    python benchmarks/emg_stream.py [--seconds 10] [--rounds 3]

Prints for each network the median and the 99th of 100 chunks, how many times as fast as the signal comes, and the
share of chunks that took longer than the 20 ms they are of. Two chunks make one feature, so times alternate.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np
import torch

from palmar.methods.emg2pose.model import PAPER, Rollout, build
from palmar.methods.emg2pose.stream import Streamer
from palmar.methods.emg2pose.training import SMALL

NETWORKS = {
    "vemg2pose": PAPER["regression_vemg2pose"],
    "emg2pose": PAPER["emg2pose"],
    "vemg2pose small": replace(PAPER["regression_vemg2pose"], **SMALL),
    "emg2pose small": replace(PAPER["emg2pose"], **SMALL),
}


def took(model: Rollout, signal: np.ndarray) -> list[float]:
    """Milliseconds of each chunk, once the stream says poses."""
    stream = Streamer(model)
    stream.push(signal[:, :4000])
    out = []
    for chunk in np.split(signal, range(stream.period, signal.shape[1], stream.period), 1):
        begun = time.perf_counter()
        stream.push(chunk)
        out.append(1000 * (time.perf_counter() - begun))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    models = {name: build(config) for name, config in NETWORKS.items()}
    signal = np.random.default_rng(0).standard_normal((16, round(options.seconds * 2000))).astype(np.float32)
    times: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(options.rounds):
        for name, model in models.items():
            assert isinstance(model, Rollout)
            times[name] += took(model, signal)
    print("network          median ms  99 of 100 ms  times real  late %")
    for name, found in times.items():
        print(
            f"{name:15}  {np.median(found):9.2f}  {np.quantile(found, 0.99):12.2f}  {20 / np.mean(found):10.1f}"
            f"  {100 * np.mean(np.array(found) > 20):6.2f}"
        )


if __name__ == "__main__":
    main()
