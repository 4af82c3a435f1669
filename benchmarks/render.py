"""Milliseconds per render of a mesh of a hand's size, and what they are made of. Run: python benchmarks/render.py

One at a time: a wavy ball of 3,200 triangles covers about half of 128 x 128 pixels, 2 x 2 samples each, on one core.
The floor is what the same buffers and operations would cost at the machine's own speed: the bytes that must be written
and read at the rate of a plain copy, and the arithmetic at eight operations per cycle. It shows what is left to win,
and is never reached.

In batches: a ball of 5,000 triangles over a quarter of the picture in every sample, each with its own vertices, colours
and light, to pictures with coverage, parts, depth, faces and the visibility of 21 points; on one thread of the CPU and,
where there is one, on a GPU. Counted are the bytes that every step must read and write and the operations on them;
beside it what PyTorch's operations move one by one, which is what `compiled` saves.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from palmar.render import (
    Light,
    LightBatch,
    Mesh,
    MeshBatch,
    ambient_occlusion,
    rasterize,
    render,
    vertex_normals,
    visible,
)
from palmar.render.device import project_batch, snap_batch


def ball(rings: int = 41, sectors: int = 40, radius: float = 0.08) -> tuple[np.ndarray, np.ndarray]:
    """A closed wavy ball half a metre ahead: vertices [V, 3] and faces [F, 3], counter-clockwise from outside."""
    polar = np.linspace(0, np.pi, rings + 1)[1:-1, None]
    turn = np.arange(sectors) * 2 * np.pi / sectors
    body = np.stack(np.broadcast_arrays(np.sin(polar) * np.cos(turn), np.cos(polar), np.sin(polar) * np.sin(turn)), -1)
    unit = np.concatenate([body.reshape(-1, 3), [[0, 1, 0], [0, -1, 0]]])
    faces = []
    for r in range(rings - 1):
        for s in range(sectors):
            t = (s + 1) % sectors
            if r == 0:
                faces.append((len(unit) - 2, t, s))
            if r == rings - 2:
                faces.append((r * sectors + s, r * sectors + t, len(unit) - 1))
            else:
                a, b, c, d = r * sectors + s, r * sectors + t, (r + 1) * sectors + s, (r + 1) * sectors + t
                faces += [(a, b, c), (b, d, c)]
    waves = 1 + 0.12 * np.sin(9 * unit[:, 0]) * np.sin(8 * unit[:, 1]) * np.sin(7 * unit[:, 2])
    vertices = radius * waves[:, None] * unit + [0, 0, 0.5]
    return vertices.astype(np.float32), np.array(faces, np.int32)


def milliseconds(call: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median and smallest time of a call, after three that are not counted."""
    for _ in range(3):
        call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times), min(times)


class Moved(TorchDispatchMode):
    """Counts what PyTorch's operations read and write, one by one; views are free."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0
        self.operations = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        read = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        there = {tensor.untyped_storage().data_ptr() for tensor in read}
        made = [leaf for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor)]
        made = [tensor for tensor in made if tensor.untyped_storage().data_ptr() not in there]
        if made:
            most = max(tensor.numel() for tensor in made) * 4
            self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in made)
            self.bytes += sum(min(tensor.numel(), most) * tensor.element_size() for tensor in read)
            self.operations += sum(tensor.numel() for tensor in made)
        return out


class Batch:
    """The scene of the benchmark for one device, and what must be moved and done for it."""

    def __init__(self, count: int, size: int, device: str) -> None:
        vertices, faces = ball(51, 50, 0.057)
        generator = torch.Generator().manual_seed(0)
        shift = (torch.rand((count, 1, 3), generator=generator) - 0.5) * 0.01
        points = torch.from_numpy(vertices) + shift
        colours = 0.2 + 0.4 * torch.rand(points.shape, generator=generator)
        self.mesh = MeshBatch(
            points,
            torch.from_numpy(faces),
            colours,
            part=(torch.arange(len(vertices)) % 16).to(torch.uint8),
            closed=torch.ones(len(faces), dtype=torch.bool),
        ).to(device)
        towards = torch.tensor([[0.3, -0.8, -0.52], [-0.9, 0.1, -0.42]])
        towards = (towards / towards.norm(dim=-1, keepdim=True)).expand(count, 2, 3).contiguous()
        sh = torch.zeros((count, 9, 3))
        sh[:, 0] = 2 + torch.rand((count, 3), generator=generator)
        lamps = torch.rand((count, 2, 3), generator=generator)
        shadows = torch.tensor([True, False]).expand(count, 2).contiguous()
        self.light = LightBatch(sh, towards, lamps, shadows, torch.full((count, 3), 0.02), casting=1).to(device)
        matrix = torch.tensor([[2.5 * size, 0, size / 2 - 0.5], [0, 2.5 * size, size / 2 - 0.5], [0, 0, 1]])
        self.matrix = matrix.expand(count, 3, 3).contiguous().to(device)
        self.points = self.mesh.vertices[:, ::125][:, :21].contiguous()
        self.count, self.size = count, size

    def draw(self, surfaces: int, compiled: bool) -> None:
        got = render(self.mesh, self.matrix, self.size, self.size, self.light, surfaces=surfaces, compiled=compiled)
        visible(self.points, got.depth, self.matrix, 0.01)

    def draw_one_by_one(self) -> None:
        """The same through the single-picture functions."""
        for i in range(self.count):
            mesh = Mesh(
                self.mesh.vertices[i].numpy(),
                self.mesh.faces.numpy(),
                self.mesh.albedo[i].numpy(),
                part=self.mesh.part.numpy(),
                closed=self.mesh.closed.numpy(),
            )
            light = Light(
                self.light.sh[i].numpy(),
                self.light.directions[i].numpy(),
                self.light.colours[i].numpy(),
                self.light.shadows[i].numpy(),
                self.light.wrap[i].numpy(),
            )
            matrix = self.matrix[i].double().numpy()
            got = render(mesh, matrix, self.size, self.size, light)
            visible(self.points[i].numpy(), got.depth, matrix, 0.01)

    def floor(self, surfaces: int) -> tuple[float, float]:
        """Bytes and operations per picture that no order of work can save, given two maps, one of them of shadows.

        A map's samples are cleared, taken part in one maximum per fragment, and read once, 8 bytes each; face and key
        are written and read, 4 bytes each. Vertices, table and faces are read once per pass. Per fragment `_draw`
        spends 39 instructions, counted in its machine code for compute capability 9.0, on all 32 lanes of a program
        as long as its largest box lasts, and 300 per triangle before; shading takes what `Moved` counts.
        """
        f, v = self.mesh.faces.shape[0], self.mesh.vertices.shape[1]
        samples, shadow = (2 * self.size) ** 2, self.light.shadow_size**2
        fragments, lanes = self.fragments()
        moved = (samples + shadow) * (8 + 8 + 8 + 8) + (fragments * 1.3) * 16
        moved += 2 * (f * 12 + v * 12) + v * 48 + self.size**2 * (12 + 4 + 1 + 4 + 4)
        counted = Moved()
        with counted:
            render(self.mesh, self.matrix, self.size, self.size, self.light, surfaces=surfaces)
        return moved, lanes * 1.3 * 39 + 2 * f * 300 + counted.operations / self.count

    def fragments(self) -> tuple[float, float]:
        """Samples of all triangles that are drawn in the first picture, and turns of lanes that look for them."""
        one = project_batch(self.mesh.vertices[:1], self.matrix[:1], None, 2, 0.01)
        place = snap_batch(*one)[0][0].cpu().numpy()[self.mesh.faces.cpu().numpy()] / 256.0  # [f, 3, 2]
        box = np.maximum(np.floor(place.max(1)) - np.ceil(place.min(1)) + 1, 0).prod(-1)
        u, w = place[:, 1] - place[:, 0], place[:, 2] - place[:, 0]
        area = u[:, 0] * w[:, 1] - u[:, 1] * w[:, 0]
        box[area >= 0] = 0
        rows = np.pad(box, (0, -len(box) % 32)).reshape(-1, 32)
        return float(np.abs(area[area < 0]).sum() / 2), float(rows.max(1).sum() * 32)


def device_rates(device: str) -> tuple[float, float]:
    """Bytes and operations per second: of a plain copy, and one per lane and cycle."""
    large = torch.empty(1 << (28 if device == "cuda" else 24), dtype=torch.uint8, device=device)
    other = torch.empty_like(large)
    seconds = seconds_of(lambda: other.copy_(large), device, 5)
    if device == "cuda":
        about = torch.cuda.get_device_properties(device)
        operations = about.multi_processor_count * 128 * getattr(about, "clock_rate", 1_700_000) * 1e3
    else:
        operations = 8 * 3e9
    return 2 * len(large) / seconds, operations


def seconds_of(call: Callable[[], object], device: str, repeats: int) -> float:
    """Median time of a call after two that are not counted, the device's work included."""
    times = []
    for turn in range(repeats + 2):
        if device == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
        if turn >= 2:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def report_batches(device: str, count: int, size: int, repeats: int, compiled: bool) -> None:
    """Pictures per second with shading and labels, and the share of the floor that is reached."""
    batch = Batch(count, size, device)
    name = torch.cuda.get_device_name() if device == "cuda" else "one thread of the CPU"
    print(f"{count} pictures of {size} x {size} with labels, {batch.mesh.faces.shape[0]} triangles, on {name}")
    byte_rate, operation_rate = device_rates(device)
    if device == "cpu":
        one = seconds_of(batch.draw_one_by_one, device, repeats) / count
        print(f"  one by one (Numba)                         {1 / one:10.0f} per second")
    for surfaces in (1, 2):
        moved, operations = batch.floor(surfaces)
        steps = Moved()
        with steps:
            batch.draw(surfaces, False)
        least = max(moved / byte_rate, operations / operation_rate)
        for through in (False, True) if compiled else (False,):
            seconds = seconds_of(lambda n=surfaces, c=through: batch.draw(n, c), device, repeats) / count
            kind = "compiled" if through else "step by step"
            print(
                f"  batch, {surfaces} surface{'s' if surfaces > 1 else ' '} a pixel, {kind:13s}   "
                f"{1 / seconds:10.0f} per second; floor {moved / 1e6:.1f} MB at {byte_rate / 1e9:.0f} GB/s and "
                f"{operations / 1e6:.1f} M operations at {operation_rate / 1e9:.0f} G/s = {1 / least:.0f} per second, "
                f"reached {least / seconds:.1%}"
                + ("" if through else f"; moved in all {steps.bytes / count / 1e6:.0f} MB")
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=128, help="pixels along a side")
    parser.add_argument("--supersample", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=300)
    parser.add_argument("--batch", type=int, default=0, help="pictures in a batch; 8 on a CPU, 512 on a GPU by default")
    parser.add_argument(
        "--compiled", action="store_true", help="batches also through torch.compile, which takes minutes"
    )
    parser.add_argument("--only-batches", action="store_true")
    options = parser.parse_args()
    if not options.only_batches:
        report_single(options)
    for device in ("cpu", "cuda"):
        torch.set_num_threads(1)
        if device == "cpu" or torch.cuda.is_available():
            count = options.batch or (8 if device == "cpu" else 512)
            report_batches(device, count, options.size, 5 if device == "cpu" else 20, options.compiled)


def report_single(options: argparse.Namespace) -> None:

    size, supersample = options.size, options.supersample
    vertices, faces = ball()
    matrix = np.array([[2.5 * size, 0, size / 2 - 0.5], [0, 2.5 * size, size / 2 - 0.5], [0, 0, 1]])
    rng = np.random.default_rng(0)
    open_ = Mesh(vertices, faces, rng.uniform(0.2, 0.5, vertices.shape).astype(np.float32))
    closed = replace(open_, closed=np.ones(len(faces), bool))
    uv = (vertices[:, :2] / 0.2 + 0.5).astype(np.float32)[faces]
    textured = replace(closed, uv=uv, texture=np.ones((1, 512, 512, 4), np.float32))
    sh = np.zeros((9, 3), np.float32)
    sh[0] = 3
    towards = np.array([[0.3, -0.8, -0.52], [-0.9, 0.1, -0.42], [0.1, 0.6, -0.79], [0, -1, 0]], np.float32)
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)

    def light(lamps: int, shadows: int) -> Light:
        return Light(sh, towards[:lamps], np.ones((lamps, 3), np.float32), np.arange(lamps) < shadows)

    covered = int((render(closed, matrix, size, size, light(0, 0)).alpha > 0).sum())
    print(
        f"{len(faces)} triangles, {size} x {size} pixels, {supersample} x {supersample} samples, "
        f"{covered} pixels covered ({covered / size**2:.0%})"
    )

    def report(name: str, call: Callable[[], object]) -> None:
        median, least = milliseconds(call, options.repeats)
        print(f"{name:58s} {median:6.2f} ms median, {least:6.2f} ms least")

    def report_render(name: str, mesh: Mesh, lamps: int, shadows: int, merge: float = 0.02) -> None:
        lit = light(lamps, shadows)
        report(
            f"render {name}, {lamps} lamps, {shadows} shadows",
            lambda: render(mesh, matrix, size, size, lit, supersample=supersample, merge=merge),
        )

    report("vertex normals", lambda: vertex_normals(vertices, faces))
    report("ambient occlusion, closed", lambda: ambient_occlusion(vertices, faces, closed=closed.closed))
    big = size * supersample
    pixels = vertices @ (np.diag([supersample, supersample, 1]) @ matrix).T.astype(np.float32)
    pixels = np.concatenate([pixels[:, :2] / pixels[:, 2:], vertices[:, 2:]], 1)
    report("rasterize all samples, with weights", lambda: rasterize(pixels, faces, big, big))
    for lamps, shadows in ((0, 0), (1, 1), (2, 1), (4, 2)):
        report_render("closed", closed, lamps, shadows)
    report_render("open", open_, 2, 1)
    report_render("closed, texture and bump", textured, 2, 1)
    report_render("closed, texture and bump, every sample shaded", textured, 2, 1, merge=0.0)

    samples = covered * supersample**2
    moved = big * big * 8 * 2  # face and key of every sample, written empty and read once
    moved += covered * (3 * 12 * 4 + 24 * 4)  # the corners' rows of the vertex table, and the block
    moved += size * size * (12 + 4 + 1 + 4 + 4) + len(faces) * 12 + len(vertices) * 48
    operations = len(faces) * 60 + samples * 10  # triangles set up, samples tested
    operations += covered * (12 * 5 + 30 + 3 * 65 + 2 * 60)  # interpolation, weights, surroundings, two lamps
    block = np.zeros(1 << 18, np.uint8)  # as large as the sample maps, so from the same cache
    copy_ms, _ = milliseconds(block.copy, 200)
    rate = 2 * len(block) / copy_ms
    print(
        f"floor of a render with 2 lamps: {moved / 1e6:.1f} MB at {rate * 1e-6:.0f} GB/s = {moved / rate:.2f} ms; "
        f"{operations / 1e6:.1f} M operations at 8 per cycle and 3 GHz = {operations / 8 / 3e6:.2f} ms"
    )


if __name__ == "__main__":
    main()
