"""Labelled samples per second of the synthetic world, whole samples, on all cores.

    python benchmarks/synth.py [--samples 2000] [--processes 2] [--kind crops]

Prints samples per second, and beside it the floor: what the pixels alone cost when the same number of pictures of that
size is copied three times (the least a renderer writes: linear light, background, result).
"""

from __future__ import annotations

import argparse
import multiprocessing
import platform
import time

import cv2
import numpy as np


def work(task: tuple[str, int, int]) -> int:
    from palmar.synth.sample import crop_sample, frame_sample

    cv2.setNumThreads(1)
    kind, first, count = task
    make = crop_sample if kind == "crops" else frame_sample
    return sum(make(1, index).image.shape[0] > 0 for index in range(first, first + count))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--kind", choices=("crops", "frames"), default="crops")
    a = parser.parse_args()
    piece = 50
    with multiprocessing.get_context("spawn").Pool(a.processes) as pool:
        pool.map(
            work, [(a.kind, 10**6 + i * piece, piece) for i in range(a.processes)], chunksize=1
        )  # compile, fill pools
        started = time.perf_counter()
        done = sum(pool.imap_unordered(work, [(a.kind, i * piece, piece) for i in range(a.samples // piece)]))
        seconds = time.perf_counter() - started
    h, w = (128, 128) if a.kind == "crops" else (160, 192)
    picture = np.zeros((h, w, 3), np.float32)
    started = time.perf_counter()
    for _ in range(1000):
        for _ in range(3):
            picture.copy()
    floor = (time.perf_counter() - started) / 1000
    print(
        # compile, fill pools
        f"{platform.processor() or platform.machine()}, {a.processes} processes: "
        f"{done} {a.kind} of {w} x {h} in {seconds:.1f} s, "
        f"{done / seconds:.0f} a second, {1000 * seconds * a.processes / done:.2f} ms each on a core; "
        f"floor (3 copies of the pixels) {1000 * floor:.3f} ms"
    )


if __name__ == "__main__":
    main()
