"""Labelled samples per second of the synthetic world, whole samples: drawn by the cores, or in batches on a device.

    python benchmarks/synth.py [--samples 2000] [--processes 2] [--kind crops]
    python benchmarks/synth.py --device cuda [--batch 1024] [--size 128] [--compile]

The first prints samples per second, and beside it the floor: what the pixels alone cost when the same number of
pictures of that size is copied three times (the least a renderer writes: linear light, background, result).

The second makes landmarker crops with `palmar.synth.device`. It counts what one crop moves and computes: the bytes that
every operation reads and writes by itself (nothing fused), the bytes when each stage reads its inputs and writes its
results once (all fused), and the arithmetic. Then it measures, and prints crops per second, the time of each stage, and
the fraction of the device's rates that this is. On CUDA also as one replayed graph, which takes the launches away;
with --compile also fused by torch.compile. Rates are those of a plain copy and a plain product of matrices, measured
too. On a CPU, use a small batch: --device cpu --batch 8.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import platform
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np


def work(task: tuple[str, int, int]) -> int:
    from palmar.synth.sample import crop_sample, frame_sample

    cv2.setNumThreads(1)
    kind, first, count = task
    make = crop_sample if kind == "crops" else frame_sample
    return sum(make(1, index).image.shape[0] > 0 for index in range(first, first + count))


def on_cores(kind: str, samples: int, processes: int) -> float:
    """Prints and returns samples per second of so many processes."""
    piece = 50
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        warm = [(kind, 10**6 + i * piece, piece) for i in range(processes)]  # compile, fill pools
        pool.map(work, warm, chunksize=1)
        started = time.perf_counter()
        done = sum(pool.imap_unordered(work, [(kind, i * piece, piece) for i in range(samples // piece)]))
        seconds = time.perf_counter() - started
    h, w = (128, 128) if kind == "crops" else (160, 192)
    picture = np.zeros((h, w, 3), np.float32)
    started = time.perf_counter()
    for _ in range(1000):
        for _ in range(3):
            picture.copy()
    floor = (time.perf_counter() - started) / 1000
    print(
        f"{platform.processor() or platform.machine()}, {processes} processes: "
        f"{done} {kind} of {w} x {h} in {seconds:.1f} s, "
        f"{done / seconds:.0f} a second, {1000 * seconds * processes / done:.2f} ms each on a core; "
        f"floor (3 copies of the pixels) {1000 * floor:.3f} ms"
    )
    return done / seconds


# --------------------------------------------------------------------------------------------------------- the device

VIEWS = {
    "view", "expand", "select", "slice", "unsqueeze", "permute", "transpose", "as_strided", "_unsafe_view", "squeeze",
    "t", "detach", "alias", "unbind", "split", "_reshape_alias", "split_with_sizes", "unfold", "empty", "lift_fresh",
}  # fmt: skip
"""Operations that move nothing."""
GATHERS = {"index", "gather", "index_select"}
"""Operations that read of their source no more than they write."""
STAGES = ("Draws", "body_draws", "sample_scenes", "surroundings", "render", "expose", "visible_batch")
"""Functions of `palmar.synth.device.crops` that are measured by themselves."""


def bytes_of(value: Any) -> int:
    import torch

    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    return sum(map(bytes_of, value)) if isinstance(value, list | tuple) else 0


def arithmetic(name: str, args: tuple, out: Any) -> float:
    """Operations of a call, a multiplication and an addition counting two."""
    if name in ("bmm", "mm"):
        a, b = args[:2]
        return 2.0 * a.numel() * b.shape[-1]
    if name.startswith("_fft"):
        points = max(args[0].numel(), out.numel())
        return 2.5 * points * math.log2(max(points / len(args[0]) / 3, 2))
    if name in ("sum", "mean", "amax", "amin"):
        return float(args[0].numel())
    if name in ("copy_", "cat", "stack", "clone", "_to_copy", "fill_", "zeros_like", "constant_pad_nd", *GATHERS):
        return 0.0
    sizes = [o.numel() for o in (out if isinstance(out, list | tuple) else [out]) if hasattr(o, "numel")]
    return float(sum(sizes))


@contextmanager
def counted() -> Iterator[dict[str, float]]:
    """Calls, bytes (unfused) and operations of all tensor operations inside."""
    from torch.utils._python_dispatch import TorchDispatchMode

    total: dict[str, float] = defaultdict(float)

    class Count(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            name = function.overloadpacket.__name__
            if name not in VIEWS:
                read = bytes_of(list(args[1:])) + bytes_of(out) if name in GATHERS else bytes_of(list(args))
                total["calls"] += 1
                total["bytes"] += read + bytes_of(out)
                total["operations"] += arithmetic(name, args, out)
            return out

    with Count():
        yield total


def leaves(value: Any) -> int:
    """Bytes of all tensors in arguments or results, but not of the resident world."""
    import torch

    from palmar.synth.device import World
    from palmar.synth.device.background import Plates
    from palmar.synth.device.sensor import NoisePool

    if isinstance(value, torch.Tensor):
        return bytes_of(value)
    if isinstance(value, World | Plates | NoisePool):
        return 0
    if isinstance(value, dict):
        return leaves(list(value.values()))
    if isinstance(value, list | tuple):
        return sum(map(leaves, value))
    return leaves(list(vars(value).values())) if hasattr(value, "__dict__") else 0


@contextmanager
def staged(record: Callable[[str, Callable, tuple, dict], Any]) -> Iterator[None]:
    """Lets `record` call the stages."""
    from palmar.synth.device import crops

    plain = {name: getattr(crops, name) for name in STAGES}

    def wrapped(name: str) -> Callable:
        return lambda *args, **options: record(name, plain[name], args, options)

    try:
        for name in STAGES:
            setattr(crops, name, wrapped(name))
        yield
    finally:
        for name, function in plain.items():
            setattr(crops, name, function)


def rates(device: Any) -> tuple[float, float]:
    """Bytes per second of a copy (read and written), operations per second of a float32 product of matrices."""
    import torch

    n = 1 << (28 if device.type == "cuda" else 24)
    a, b = torch.zeros(n // 4, device=device), torch.zeros(n // 4, device=device)
    m = 4096 if device.type == "cuda" else 768
    x = torch.ones(m, m, device=device)
    moved = 2 * n / seconds_of(lambda: b.copy_(a), device)
    return moved, 2 * m**3 / seconds_of(lambda: x @ x, device)


def seconds_of(call: Callable[[], Any], device: Any, least: float = 1.0) -> float:
    """Mean time of a call, after three that are not counted; at least three, for about `least` seconds."""
    import torch

    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    for _ in range(3):
        call()
    wait()
    started, count = time.perf_counter(), 0
    while count < 3 or time.perf_counter() - started < least:
        call()
        count += 1
        if count % 4 == 0:
            wait()  # not too far ahead
    wait()
    return (time.perf_counter() - started) / count


def on_device(name: str, batch: int, size: int, strength: float, compiled: bool) -> None:
    """Counts, measures and prints."""
    import torch

    from palmar.synth.device import World, crops_of

    device = torch.device(name)
    title = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    started = time.perf_counter()
    home = World.of(device)
    print(f"{title}: world of {home.bytes / 1e6:.0f} MB made in {time.perf_counter() - started:.1f} s")
    index = torch.arange(batch, device=device)

    def make() -> dict[str, Any]:
        return crops_of(home, 1, index, strength, size=size)

    make()
    few = 4
    fused, parts = defaultdict(float), {}

    def look(stage: str, function: Callable, args: tuple, options: dict) -> Any:
        with counted() as total:
            out = function(*args, **options)
        own = parts.setdefault(stage, defaultdict(float))
        for key, value in total.items():
            own[key] += value / (1 if key == "calls" else few)
        fused[stage] += (leaves(args) + leaves(options) + leaves(out)) / few
        return out

    with staged(look):
        crops_of(home, 1, torch.arange(few, device=device), strength, size=size)
    calls, moved, done = (sum(p[key] for p in parts.values()) for key in ("calls", "bytes", "operations"))
    floor = sum(fused.values())
    print(f"a crop of {size} x {size}: {done / 1e6:.0f} M operations in {calls:.0f} calls a batch;")
    print(f"  {moved / 1e6:.0f} MB moved where nothing is fused, {floor / 1e6:.2f} MB where every stage is one kernel")

    spent: dict[str, float] = defaultdict(float)
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None

    def clock(stage: str, function: Callable, args: tuple, options: dict) -> Any:
        wait()
        start = time.perf_counter()
        out = function(*args, **options)
        wait()
        spent[stage] += time.perf_counter() - start
        return out

    rounds = 3
    with staged(clock):
        for _ in range(rounds):
            make()
    copied, multiplied = rates(device)
    print(f"rates: copy {copied / 1e9:.0f} GB/s, float32 product {multiplied / 1e12:.2f} TFLOP/s")
    for stage, total in sorted(spent.items(), key=lambda item: -item[1]):
        each = total / rounds / batch
        own = parts[stage]
        print(
            f"  {stage:14s} {each * 1e6:9.1f} us a crop  {own['calls']:5.0f} calls  {own['bytes'] / 1e6:7.2f} MB  "
            f"{own['operations'] / 1e6:7.1f} M operations  {own['bytes'] / copied / each:6.1%} of the copy's rate"
        )

    def report(kind: str, call: Callable[[], Any]) -> None:
        each = seconds_of(call, device, 3.0) / batch
        print(
            f"{kind}: {1 / each:.0f} crops a second, batches of {batch}; {moved / copied / each:.1%} of the copy's "
            f"rate by unfused bytes, {floor / copied / each:.2%} by fused ones, {done / multiplied / each:.1%} of the "
            "product's rate"
        )

    report("one by one", make)
    if device.type == "cuda":
        report("as a graph", replayed(make, index, batch))
    if compiled:
        fast = torch.compile(lambda: crops_of(home, 1, index, strength, size=size))
        report("compiled", fast)
        if device.type == "cuda":
            report("compiled, as a graph", replayed(fast, index, batch))


def replayed(make: Callable[[], Any], index: Any, batch: int) -> Callable[[], None]:
    """The same work recorded once and replayed for the next indices: no launches from the host."""
    import torch

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            make()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        make()

    def call() -> None:
        index.add_(batch)
        graph.replay()

    return call


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--kind", choices=("crops", "frames"), default="crops")
    parser.add_argument("--device", help="make crops in batches on it: cuda, cuda:1, cpu")
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--strength", type=float, default=0.7)
    parser.add_argument("--compile", action="store_true", help="also fused by torch.compile, which takes minutes first")
    a = parser.parse_args()
    if a.device is None:
        on_cores(a.kind, a.samples, a.processes)
        return
    on_device(a.device, a.batch, a.size, a.strength, a.compile)
    if a.samples >= 50:
        on_cores("crops", a.samples, a.processes)


if __name__ == "__main__":
    main()
