"""Samples of data sets per second, whole ones: drawn, sensed, encoded.

    python benchmarks/dataset.py [--processes 2] [--seconds 20] [--sensors rgb,depth,masks] [--width 320]

Prints, for crops, frames and every sort of scene (its first moment, all its views), samples per second on so many
processes, and the CPU time of one, which does not depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time

import cv2

from palmar.synth.dataset import Recipe
from palmar.synth.scenes import SCENES


def work(task: tuple[Recipe, int, float]) -> tuple[int, int, float, float]:
    """Samples, pictures, bytes and CPU seconds of one process that works for so long; the first sample warms up."""
    cv2.setNumThreads(1)
    recipe, first, seconds = task
    pictures = size = done = 0
    recipe.packed(first)
    begun, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - begun < seconds or not done:
        done += 1
        members = recipe.packed(first + done).members
        size += sum(len(data) for _, data in members)
        pictures += sum(name.endswith("rgb.png") for name, _ in members)
    return done, pictures, size, time.process_time() - cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--sensors", default="rgb,depth,masks")
    parser.add_argument("--width", type=int, default=320)
    a = parser.parse_args()
    recipes = {"crops": Recipe("crops", 1), "frames": Recipe("frames", 1)}
    for name in SCENES:
        recipes[name] = Recipe("scenes", 1, (name,), tuple(a.sensors.split(",")), seconds=0.0, width=a.width)
    with multiprocessing.get_context("spawn").Pool(a.processes) as pool:
        for name, recipe in recipes.items():
            begun = time.perf_counter()
            found = pool.map(work, [(recipe, 10_000 * k, a.seconds) for k in range(a.processes)], chunksize=1)
            done, pictures, size, cpu = (sum(column) for column in zip(*found, strict=True))
            wall = time.perf_counter() - begun
            print(
                f"{name}: {done} samples, {pictures} pictures of each sensor in {wall:.0f} s; "
                f"{1000 * cpu / done:.1f} ms of CPU and {size / done / 1000:.0f} kB a sample, "
                f"{1000 * cpu / pictures:.1f} ms a picture; {a.processes * done / cpu:.1f} samples a second on "
                f"{a.processes} free cores",
                flush=True,
            )


if __name__ == "__main__":
    main()
