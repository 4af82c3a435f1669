"""The kernels for a GPU, run by Triton's interpreter on the CPU, against the Numba ones; and that they compile.

The interpreter is chosen before Triton is imported and for a whole process, so all cases run in one Python of their
own, on arrays that this one made. They are small: interpreted code is some thousand times slower.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from palmar.hand import HandModel
from palmar.render import LightBatch, Mesh, MeshBatch, ambient_occlusion, rasterize, render

pytestmark = [
    pytest.mark.plain,
    pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed here"),
]

SCRIPT = """
import sys
import numpy as np, torch
from palmar.render import LightBatch, MeshBatch, ambient_occlusion, rasterize, render
from palmar.render.triton_kernels import fill_batch

torch.set_num_threads(1)
given, out = dict(np.load(sys.argv[1])), {}
for name in sorted({key.split("/")[0] for key in given}):
    points, faces, size, cull = (torch.from_numpy(given[f"{name}/{k}"]) for k in ("points", "faces", "size", "cull"))
    height, width = size.tolist()
    out[f"{name}/face"], out[f"{name}/bary"], out[f"{name}/depth"] = rasterize(points, faces, height, width, cull=cull)

# Faces that name no vertex cannot come through the front on a CPU, and are not looked at on a GPU.
snapped = torch.tensor([[[-512, -512], [4096, -512], [-512, 4096]]], dtype=torch.int32)
faces = torch.tensor([[[0, 1, 3], [-1, 1, 2], [0, 2, 1], [2**31 - 1, 0, 1]]], dtype=torch.int32)
cull = torch.zeros((1, 4), dtype=torch.bool)
out["bad/face"], out["bad/key"] = fill_batch(snapped, torch.ones((1, 3)), faces, cull, 4, 4)

mesh, light, matrix = (torch.load(sys.argv[3])[k] for k in ("mesh", "light", "matrix"))
mesh = MeshBatch(**mesh)
out["render/rgb"], out["render/alpha"], *_ = render(mesh, matrix, 14, 12, LightBatch(**light, shadow_size=16))
out["render/occlusion"] = ambient_occlusion(mesh.vertices, mesh.faces, closed=mesh.closed, directions=2, size=16)
np.savez(sys.argv[2], **{key: value.numpy() for key, value in out.items()})
"""


def soup(seed, spread=(30.0, 26.0), middle=(12.0, 10.0), faces=40, samples=1, size=(20, 24), grid=None, **more):
    """Triangles between random points around the picture, some of them behind the camera."""
    rng = np.random.default_rng(seed)
    points = np.concatenate(
        [rng.normal(size=(samples, 40, 2)) * spread + middle, rng.uniform(-0.05, 2.0, (samples, 40, 1))], -1
    ).astype(np.float32)
    if grid is not None:
        points[..., :2] = np.round(points[..., :2] / grid) * grid
    given = {"points": points, "faces": rng.integers(0, 40, (faces, 3)).astype(np.int32), "size": np.array(size)}
    return {**given, "cull": np.zeros(faces, bool), **more}


def scattered(seed: int, side: float, count: int, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Triangles apart from each other, about `side` pixels long."""
    rng = np.random.default_rng(seed)
    middle = rng.uniform(0, 1, (1, count, 1, 2)) * size[::-1]
    corners = middle + rng.normal(size=(1, count, 3, 2)) * side / 2
    points = np.concatenate([corners, rng.uniform(0.3, 1.0, (1, count, 3, 1))], -1).reshape(1, -1, 3)
    faces = np.arange(3 * count).reshape(count, 3)
    return {
        "points": points.astype(np.float32),
        "faces": faces.astype(np.int32),
        "size": np.array(size),
        "cull": np.zeros(count, bool),
    }


def hand() -> Mesh:
    model = HandModel.default()
    rotations = np.tile(np.eye(3), (16, 1, 1))
    rotations[0] = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    vertices = model.shaped(np.zeros(10)).posed(rotations).skin()
    vertices = (vertices - vertices.mean(0) + [0, 0, 0.4]).astype(np.float32)
    return Mesh(vertices, model.faces.astype(np.int32), np.zeros_like(vertices))


def projected(mesh: Mesh, size: int) -> dict[str, np.ndarray]:
    points = mesh.vertices.copy()
    points[:, :2] = points[:, :2] / points[:, 2:] * 1.8 * size + (size - 1) / 2
    more = {"faces": mesh.faces, "size": np.array([size, size]), "cull": np.ones(len(mesh.faces), bool)}
    return {"points": points[None], **more}


def pavement(seed: int, step: int, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Squares of whole pixels, halved this way or that: every edge runs through pixel centres, and one in three is
    level. Corners begin anywhere and run either way."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : size[0] : step, 0 : size[1] : step]
    rows, columns = y.shape
    corner = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = (m.reshape(-1) for m in (corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]))
    halves = np.where(
        rng.random((len(a), 1, 1)) < 0.5,
        np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], 1),
        np.stack([np.stack([a, b, d], -1), np.stack([b, c, d], -1)], 1),
    ).reshape(-1, 3)
    faces = rng.permuted(rng.permutation(halves), axis=1)
    faces = faces[rng.random(len(faces)) < 0.8]  # gaps, so that edges have an outside
    points = np.stack([x, y, np.ones_like(x)], -1).reshape(1, -1, 3).astype(np.float32)
    more = {"size": np.array(size), "cull": np.zeros(len(faces), bool)}
    return {"points": points, "faces": faces.astype(np.int32), **more}


def giants(seed: int, count: int = 24) -> dict[str, np.ndarray]:
    """Triangles of a hundred thousand pixels with an edge through the picture."""
    rng = np.random.default_rng(seed)
    middle = rng.uniform(0, 20, (count, 2))
    turn = rng.uniform(0, 2 * np.pi, count)
    along = np.stack([np.cos(turn), np.sin(turn)], -1) * rng.uniform(1e5, 9e5, (count, 1))
    aside = along[:, ::-1] * [-1, 1] * rng.choice([-1, 1], (count, 1))
    corners = np.stack([middle + along, middle - along, middle + aside], 1)
    points = np.concatenate([corners, rng.uniform(0.5, 1.0, (count, 3, 1))], -1).reshape(1, -1, 3)
    more = {"size": np.array([20, 24]), "cull": np.zeros(count, bool)}
    return {
        "points": points.astype(np.float32),
        "faces": np.arange(3 * count).reshape(count, 3).astype(np.int32),
        **more,
    }


@pytest.fixture(scope="module")
def cases():
    random = np.random.default_rng(9)
    plain = soup(0)
    twice = np.concatenate([plain["faces"][::-1], plain["faces"]]).astype(np.int32)
    own = np.stack([plain["faces"], random.integers(0, 40, (40, 3)).astype(np.int32)])
    bad = soup(7)
    bad["points"][0, :8, 2] = [np.nan, np.inf, -np.inf, 0, 0.01, -1, 1e-3, 1e30]
    bad["points"][0, 8:11] = [[np.nan, 2, 1], [3e7, 3, 1], [3, -np.inf, 1]]
    return {
        "faces of each sample's own": {**soup(0, samples=2), "faces": own},
        "on the grid of pixel centres": soup(1, (8, 7), grid=1.0),
        "on the finest grid": soup(2, (8, 7), grid=1 / 256),
        "every triangle twice": {**plain, "faces": twice, "cull": np.zeros(80, bool)},
        "some culled, two samples": soup(3, samples=2, cull=random.random(40) < 0.5),
        "giants": giants(3),
        "small pavement": pavement(11, 4, (22, 26)),
        "large pavement": pavement(12, 20, (62, 62)),
        "needles": soup(4, (4e5, 3.0)),
        "hardly a pixel": scattered(5, 2.0, 200, (24, 33)),
        "small and large, tiles cut": scattered(6, 22.0, 40, (40, 70)),
        "bad vertices": bad,
        "one pixel": soup(8, (3.0, 3.0), (0.0, 0.0), size=(1, 1)),
        "no triangles": soup(10, faces=0),
        "a hand": projected(hand(), 32),
    }


@pytest.fixture(scope="module")
def lit(scenes):
    """A ball before a wall in light of which one lamp casts shadows, twice: what `render` takes."""
    meshes = [
        Mesh.concatenate([scenes.sphere((x, 0, 0.5), 0.06, 1), scenes.square((0, 0, 0.7), 0.5)]) for x in (0.0, 0.02)
    ]
    meshes = [replace(mesh, closed=np.arange(len(mesh.faces)) < 80) for mesh in meshes]
    towards = torch.from_numpy(np.stack([scenes.unit(0.6, -0.5, -0.6), scenes.unit(-0.4, 0.1, -0.8)]))
    light = {
        "sh": torch.linspace(0, 1, 54).reshape(2, 9, 3),
        "directions": towards.expand(2, 2, 3).contiguous(),
        "colours": torch.ones((2, 2, 3)),
        "shadows": torch.tensor([[True, False], [True, False]]),
        "casting": 1,
    }
    return MeshBatch.stack(meshes), light, torch.from_numpy(np.stack([scenes.camera(40.0, 13)] * 2))


@pytest.fixture(scope="module")
def interpreted(cases, lit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("interpreted")
    mesh = {field.name: getattr(lit[0], field.name) for field in fields(lit[0])}
    torch.save({"mesh": mesh, "light": lit[1], "matrix": lit[2]}, folder / "lit.pt")
    arrays = {f"{name}/{key}": value for name, case in cases.items() for key, value in case.items()}
    np.savez(folder / "given.npz", **arrays)
    names = ("given.npz", "found.npz", "lit.pt")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, *(str(folder / n) for n in names)],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return dict(np.load(folder / "found.npz"))


NAMES = [
    "faces of each sample's own", "on the grid of pixel centres", "on the finest grid", "every triangle twice",
    "some culled, two samples", "giants", "small pavement", "large pavement", "needles", "hardly a pixel",
    "small and large, tiles cut", "bad vertices", "one pixel", "no triangles", "a hand",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_kernels_for_a_gpu_see_what_the_cpu_sees(cases, interpreted, name):
    """Faces equal in every pixel, not only in 99.9 % of them; the numbers behind them are the same ones."""
    case = cases[name]
    assert set(NAMES) == set(cases)
    height, width = case["size"]
    for i, points in enumerate(case["points"]):
        faces = case["faces"] if case["faces"].ndim == 2 else case["faces"][i]
        keep = ~(case["cull"] & (_area(points, faces) > 0))
        one = rasterize(points, faces[keep], int(height), int(width))
        expected = np.where(one.face >= 0, np.flatnonzero(keep)[one.face] if len(faces) else -1, -1)
        assert len(np.unique(expected)) > {"one pixel": 0, "no triangles": 0, "giants": 2}.get(name, 5)
        np.testing.assert_array_equal(interpreted[f"{name}/face"][i], expected)
        np.testing.assert_array_equal(interpreted[f"{name}/depth"][i], one.depth)
        np.testing.assert_allclose(interpreted[f"{name}/bary"][i], one.bary, atol=1e-6)


def _area(points, faces):
    """Twice the area of each snapped triangle, positive where it is seen from behind; 0 where it cannot be drawn."""
    with np.errstate(invalid="ignore"):
        x, y = np.moveaxis(np.floor(points[faces][..., :2].astype(np.float64) * 256 + 0.5), -1, 0)
        area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (y[:, 1] - y[:, 0]) * (x[:, 2] - x[:, 0])
    return np.nan_to_num(area)


def test_of_equal_triangles_the_first_is_seen(interpreted):
    assert interpreted["every triangle twice/face"].max() < 40


def test_faces_that_name_no_vertex_are_left_out(interpreted):
    assert (interpreted["bad/face"] == 2).all()
    assert (interpreted["bad/key"] == 1).all()


def test_pictures_through_them_are_the_same(lit, interpreted):
    mesh, light, matrix = lit
    light = LightBatch(**light, shadow_size=16)
    one = render(mesh, matrix, 14, 12, light)
    assert (render(mesh, matrix, 14, 12, replace(light, casting=0)).rgb - one.rgb).abs().max() > 0.1
    np.testing.assert_array_equal(interpreted["render/alpha"], one.alpha)
    np.testing.assert_array_equal(interpreted["render/rgb"], one.rgb)
    occlusion = ambient_occlusion(mesh.vertices, mesh.faces, closed=mesh.closed, directions=2, size=16)
    assert occlusion.std() > 0.1
    np.testing.assert_array_equal(interpreted["render/occlusion"], occlusion)


COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from palmar.render import triton_kernels as kernels

pointers = {"key": "*fp32", "key_map": "*fp32", "cull": "*u8", "packed": "*i64"}
arrays = {"snapped", "faces", "listed", "boxes", "count", "face_map"}
constants = {"BITS": 8, "BLOCK": 32, "CHUNK": kernels.CHUNK, "FEW": kernels.FEW, "LAST": kernels.LAST,
             "LONGEST": kernels.LONGEST, "TILE": kernels.TILE}
for kernel, warps in ((kernels._draw, 1), (kernels._finish, 4)):
    names = kernel.arg_names
    kinds = {n: pointers.get(n, "*i32" if n in arrays else "constexpr" if n in constants else "i32") for n in names}
    source = ASTSource(kernel, kinds, {(i,): constants[n] for i, n in enumerate(names) if n in constants})
    made = triton.compile(source, target=GPUTarget("cuda", 90, 32),
                          options={"num_warps": warps, "enable_fp_fusion": False})
    assert len(made.asm["cubin"]) > 1000
    print(made.asm["ptx"])
"""


def test_the_kernels_compile_for_a_gpu(tmp_path):
    """Down to machine code of compute capability 9.0, without such a device. What the agreement with the CPU rests on
    is in it: no fused product and sum, division that rounds correctly, and no value brought back by the maximum."""
    done = subprocess.run(
        [sys.executable, "-c", COMPILE],
        env={**os.environ, "TRITON_CACHE_DIR": str(tmp_path), "TRITON_INTERPRET": "0"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "fma." not in done.stdout
    assert done.stdout.count("div.rn.f32") == 2
    assert "div.full" not in done.stdout
    assert done.stdout.count("red.global.gpu.relaxed.max.s64") == 1
