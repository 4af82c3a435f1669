"""Milliseconds per render of a mesh of a hand's size, and what they are made of. Run: python benchmarks/render.py

A wavy ball of 3,200 triangles covers about half of 128 x 128 pixels, 2 x 2 samples each, on one core. The floor is
what the same buffers and operations would cost at the machine's own speed: the bytes that must be written and read at
the rate of a plain copy, and the arithmetic at eight operations per cycle. It shows what is left to win, and is never
reached.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from palmar.render import Light, Mesh, ambient_occlusion, rasterize, render, vertex_normals


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=128, help="pixels along a side")
    parser.add_argument("--supersample", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=300)
    options = parser.parse_args()

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
