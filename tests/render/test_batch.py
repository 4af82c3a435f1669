"""The nouns of batches, and what their surfaces need, against the same of one sample at a time."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from palmar.errors import PalmarError
from palmar.render import Light, LightBatch, Mesh, MeshBatch, rasterize, vertex_normals, visible
from palmar.render.batch import vertex_normals_batch
from palmar.render.device import uses_triton


def soup(seed: int, vertices: int = 30, faces: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Random triangles over a picture of 24 x 20 pixels, some of them out of it or too near."""
    rng = np.random.default_rng(seed)
    points = rng.uniform([-6, -6, 0.005], [30, 26, 2.0], (vertices, 3)).astype(np.float32)
    return points, rng.integers(0, vertices, (faces, 3)).astype(np.int32)


@pytest.mark.parametrize("cull", [False, True])
@pytest.mark.parametrize("own_faces", [False, True])
def test_a_batch_is_rasterised_as_its_samples_are(cull, own_faces):
    points, faces = zip(*[soup(seed) for seed in range(3)], strict=True)
    given = np.stack(faces) if own_faces else faces[0]
    got = rasterize(torch.from_numpy(np.stack(points)), torch.from_numpy(given), 20, 24, cull=cull)
    for i in range(3):
        one = rasterize(points[i], faces[i] if own_faces else faces[0], 20, 24, cull=cull)
        assert len(np.unique(one.face)) > 5
        np.testing.assert_array_equal(got.face[i].numpy(), one.face)
        np.testing.assert_allclose(got.depth[i].numpy(), one.depth, rtol=1e-6)
        np.testing.assert_allclose(got.bary[i].numpy(), one.bary, atol=1e-6)


def test_cull_may_differ_from_face_to_face():
    points, faces = soup(5)
    cull = np.random.default_rng(0).random(len(faces)) < 0.5
    got = rasterize(torch.from_numpy(points)[None], torch.from_numpy(faces), 20, 24, cull=torch.from_numpy(cull))
    doubled = rasterize(points, faces, 20, 24).face
    assert (got.face[0].numpy() != doubled).any()
    x, y = points[faces][..., 0].astype(np.float64), points[faces][..., 1].astype(np.float64)
    behind = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (y[:, 1] - y[:, 0]) * (x[:, 2] - x[:, 0]) > 0
    kept = np.flatnonzero(~(behind & cull))
    alone = rasterize(points, faces[kept], 20, 24).face
    np.testing.assert_array_equal(got.face[0].numpy(), np.where(alone >= 0, kept[alone], -1))


def test_no_faces_and_no_samples_give_empty_pictures():
    points = torch.zeros((2, 3, 3))
    got = rasterize(points, torch.zeros((0, 3), dtype=torch.int32), 4, 5)
    assert (got.face == -1).all()
    assert torch.isinf(got.depth).all()
    assert got.bary.shape == (2, 4, 5, 3)
    assert rasterize(points[:0], torch.zeros((1, 3), dtype=torch.int32), 4, 5).face.shape == (0, 4, 5)


def test_normals_are_those_of_single_meshes():
    points, faces = zip(*[soup(seed) for seed in range(2)], strict=True)
    points[1][4] = np.nan
    faces[0][faces[0] == 7] = 8  # a vertex of no triangle
    got = vertex_normals_batch(torch.from_numpy(np.stack(points)), torch.from_numpy(np.stack(faces)))
    for i in range(2):
        expected = vertex_normals(points[i], faces[i])
        np.testing.assert_allclose(got[i].numpy(), expected, atol=2e-5)
    assert got[0, 7].tolist() == [0, 0, -1]


def test_visible_points_are_those_of_single_pictures():
    rng = np.random.default_rng(1)
    points = rng.uniform([-1, -1, -0.2], [1, 1, 2], (2, 200, 3))
    points[0, 3] = np.nan
    depth = rng.uniform(0.5, 1.5, (2, 12, 16)).astype(np.float32)
    depth[:, :4] = np.inf
    matrix = np.stack([[[20.0, 0, 7], [0, 20, 5], [0, 0, 1]], [[9, 1, 8], [0, 12, 6], [0, 0, 1]]])
    got = visible(torch.from_numpy(points), torch.from_numpy(depth), torch.from_numpy(matrix), 0.1)
    for i in range(2):
        expected = visible(points[i], depth[i], matrix[i], 0.1)
        assert 10 < expected.sum() < 190
        np.testing.assert_array_equal(got[i].numpy(), expected)


def test_a_stack_shares_what_is_the_same_and_numbers_the_textures():
    points, faces = soup(0)
    texture = [np.full((n, 4, 4, 4), n, np.float32) for n in (1, 2)]
    plain = Mesh(points, faces, points, uv=np.zeros((60, 3, 2), np.float32))
    layer = np.tile(np.int16([0, 1, -1]), 20)
    meshes = [
        replace(plain, texture=texture[0], part=np.arange(30, dtype=np.uint8)),
        replace(plain, texture=texture[1], layer=layer),
        replace(plain, texture=texture[0], roughness=np.zeros(30, np.float32)),
        plain,
    ]
    got = MeshBatch.stack(meshes)
    assert len(got) == 4
    assert got.faces.shape == (60, 3)
    assert got.uv is not None
    assert got.uv.shape == (60, 3, 2)
    assert got.part is not None
    assert got.part.shape == (4, 30)
    assert got.roughness is not None
    assert got.roughness[:, 0].tolist() == [0.5, 0.5, 0.0, 0.5]
    assert got.texture is not None
    assert got.texture[:, 0, 0, 0].tolist() == [1, 2, 2]
    assert got.layer is not None
    assert [row[:3].tolist() for row in got.layer] == [[0, 0, 0], [1, 2, -1], [0, 0, 0], [-1, -1, -1]]
    assert got.closed is None


def test_lights_are_padded_with_black_lamps():
    sh = np.zeros((9, 3), np.float32)
    one = Light(sh, np.float32([[0, -1, 0]]), np.ones((1, 3), np.float32), np.array([True]))
    got = LightBatch.stack([Light(sh), one])
    assert got.colours[:, 0, 0].tolist() == [0, 1]
    assert got.shadows is not None
    assert got.shadows.tolist() == [[False], [True]]
    assert got.casting == 1
    assert LightBatch.stack([Light(sh)]).directions.shape == (1, 0, 3)


def batch(**more):
    return MeshBatch(
        **{
            "vertices": torch.zeros((2, 4, 3)),
            "faces": torch.zeros((5, 3), dtype=torch.int32),
            "albedo": torch.zeros((2, 4, 3)),
            **more,
        }
    )


@pytest.mark.plain
@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"albedo": torch.zeros((4, 3))}, r"MeshBatch.albedo: expected shape \(2, 4, 3\), got \(4, 3\)"),
        ({"closed": torch.zeros((3, 5), dtype=torch.bool)}, r"expected shape \(5,\) or \(2, 5\)"),
        ({"faces": torch.full((5, 3), 4, dtype=torch.int32)}, r"0\.\.3"),
        ({"texture": torch.zeros((1, 2, 2, 4))}, "needs uv"),
        (
            {
                "texture": torch.zeros((1, 2, 2, 4)),
                "uv": torch.zeros((5, 3, 2)),
                "layer": torch.ones(5, dtype=torch.int16),
            },
            "layer 1 of a texture with 1 layers",
        ),
        ({"speckle": torch.zeros((2, 4))}, "needs rest"),
        ({"albedo": torch.zeros((2, 4, 3), device="meta")}, "on meta, but the vertices are on cpu"),
    ],
)
def test_a_bad_batch_is_named(more, message):
    batch()
    with pytest.raises(PalmarError, match=message):
        batch(**more)


@pytest.mark.plain
def test_bad_arguments_are_named():
    points, faces = (torch.from_numpy(a) for a in soup(0))
    with pytest.raises(PalmarError, match=r"\(b, v, 3\)"):
        rasterize(points, faces, 4, 4)
    with pytest.raises(PalmarError, match=r"0\.\.29"):
        rasterize(points[None], faces + 1, 4, 4)
    with pytest.raises(PalmarError, match="height 0"):
        rasterize(points[None], faces, 0, 4)
    with pytest.raises(PalmarError, match="cpu or cuda"):
        rasterize(points[None].to("meta"), faces.to("meta"), 4, 4)
    with pytest.raises(PalmarError, match="unit vectors"):
        LightBatch(torch.zeros((1, 9, 3)), torch.ones((1, 1, 3)), torch.ones((1, 1, 3)))
    with pytest.raises(PalmarError, match="casting"):
        LightBatch(torch.zeros((1, 9, 3)), torch.zeros((1, 0, 3)), torch.zeros((1, 0, 3)), casting=1)
    with pytest.raises(PalmarError, match="equally many"):
        MeshBatch.stack(
            [
                Mesh(np.zeros((n, 3), np.float32), np.zeros((1, 3), np.int32), np.zeros((n, 3), np.float32))
                for n in (3, 4)
            ]
        )


@pytest.mark.plain
def test_a_missing_triton_is_named_where_a_gpu_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    assert not uses_triton(torch.device("cpu"))
    with pytest.raises(PalmarError, match=r"'triton'.*\[torch\]"):
        uses_triton(torch.device("cuda"))


@pytest.mark.plain
def test_pytorch_comes_only_when_batches_are_asked_for():
    code = (
        "import sys, palmar.render as r\n"
        "assert 'torch' not in sys.modules; r.MeshBatch; assert 'torch' in sys.modules\n"
        "try: r.Nothing\nexcept AttributeError as err: assert 'Nothing' in str(err)\nelse: raise SystemExit(1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
