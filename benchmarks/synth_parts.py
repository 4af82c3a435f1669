"""Milliseconds of the synthetic world's parts for a 128-pixel crop: python benchmarks/synth_parts.py

The median, the mean and the 95th percentile of 200 calls with different generators, in processor time of one core, so
that what else the machine does hardly counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np

from palmar.synth.background import Backgrounds
from palmar.synth.sensor import augment_photo, expose
from palmar.synth.skin import MASKS, paint, sample_skin

CALLS, SIZE, VERTICES = 200, 128, 1609


def measure(name: str, call: Callable[[np.random.Generator], object]) -> None:
    for k in range(20):
        call(np.random.default_rng((0, k)))
    spent = []
    for k in range(CALLS):
        rng = np.random.default_rng((1, k))
        start = time.thread_time()
        call(rng)
        spent.append(1e3 * (time.thread_time() - start))
    print(
        f"{name:24s} median {np.median(spent):6.2f}   mean {np.mean(spent):6.2f}   p95 {np.percentile(spent, 95):6.2f}"
    )


def main() -> None:
    cv2.setNumThreads(1)
    backgrounds = Backgrounds()
    start = time.thread_time()
    light = backgrounds.sample(np.random.default_rng(0), SIZE, SIZE)
    print(f"pool of backgrounds: {time.thread_time() - start:.2f} s, once")
    photograph = (255 * np.clip(light, 0, 1)).astype(np.uint8)
    positions = np.random.default_rng(0).uniform(-0.1, 0.1, (VERTICES, 3)).astype(np.float32)
    masks = {name: np.random.default_rng(k).random(VERTICES, dtype=np.float32) for k, name in enumerate(MASKS)}
    print(f"milliseconds of one call, {SIZE} x {SIZE} pixels:")
    measure("background", lambda rng: backgrounds.sample(rng, SIZE, SIZE))
    measure("sensor", lambda rng: expose(light, rng))
    measure("both", lambda rng: expose(backgrounds.sample(rng, SIZE, SIZE), rng))
    measure("photograph", lambda rng: augment_photo(photograph, rng))
    measure("skin, sampled", sample_skin)
    measure(f"skin on {VERTICES} vertices", lambda rng: paint(sample_skin(rng), masks, positions))


if __name__ == "__main__":
    main()
