"""Deferred shading of batches against the picture of one mesh at a time, which has references of its own.

Tolerances: with supersample^2 surfaces per pixel the two do the same arithmetic in another order, and differ by the
rounding of single precision where a lobe of gloss is sharp, up to 1e-4 of the light. With fewer surfaces, pixels where
more of them meet differ.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from palmar.errors import PalmarError
from palmar.hand import HandModel
from palmar.render import (
    Light,
    LightBatch,
    Mesh,
    MeshBatch,
    ambient_occlusion,
    deferred,
    device,
    rasterize,
    render,
    visible,
)
from palmar.render.deferred import render_batch
from palmar.render.grain import value_noise

SIZE = 48
ROUNDING = 2e-5
"""Of colours up to about 1; gloss is the ratio of large numbers near a mirror."""


def random_light(seed: int, lamps: int = 2) -> Light:
    rng = np.random.default_rng(seed)
    sh = rng.normal(0, 0.3, (9, 3)).astype(np.float32)
    sh[0] = 1.5
    towards = rng.normal(size=(lamps, 3)) - [0, 0, 1.5]
    towards = (towards / np.linalg.norm(towards, axis=1, keepdims=True)).astype(np.float32)
    colours = rng.uniform(0.2, 0.8, (lamps, 3)).astype(np.float32)
    casts = np.arange(lamps) < 1
    return Light(sh, towards, colours, casts, np.float32([0.05, 0.01, 0.007]), shadow_size=48)


def hand(seed: int) -> Mesh:
    """A hand 35 cm ahead, back of the hand or palm, with everything a surface can have but a texture."""
    rng = np.random.default_rng(seed)
    model = HandModel.default()
    rotations = np.tile(np.eye(3), (16, 1, 1))
    turn = [[0, 0, 1], [1, 0, 0], [0, 1, 0]] if seed % 2 else [[0, 0, -1], [1, 0, 0], [0, -1, 0]]
    rotations[0] = turn
    vertices = model.shaped(np.zeros(10)).posed(rotations).skin()
    vertices = (vertices - vertices.mean(0) + [0, 0, 0.35]).astype(np.float32)
    v = len(vertices)
    return Mesh(
        vertices,
        model.faces.astype(np.int32),
        rng.uniform(0.1, 0.7, (v, 3)).astype(np.float32),
        roughness=rng.uniform(0.2, 0.7, v).astype(np.float32),
        specular=rng.uniform(0, 1, v).astype(np.float32),
        occlusion=rng.uniform(0.3, 1, v).astype(np.float32),
        part=model.parts.astype(np.uint8),
        closed=np.ones(len(model.faces), bool) if seed % 2 else None,
    )


@pytest.fixture(scope="module")
def hands():
    return [hand(0), hand(1)]


@pytest.fixture(scope="module")
def matrices(scenes):
    return np.stack([scenes.camera(75.0, SIZE), scenes.camera(90.0, SIZE)])


def batch_of(meshes, lights, matrices, **options):
    return render_batch(
        MeshBatch.stack(meshes), torch.from_numpy(matrices), SIZE, SIZE, LightBatch.stack(lights), **options
    )


def assert_equal(got, row, one, rgb=ROUNDING):
    assert 0.05 < (one.alpha > 0).mean() < 0.95
    np.testing.assert_array_equal(got.alpha[row].numpy(), one.alpha)
    np.testing.assert_array_equal(got.face[row].numpy(), one.face)
    np.testing.assert_array_equal(got.part[row].numpy(), one.part)
    np.testing.assert_allclose(got.depth[row].numpy(), one.depth, rtol=1e-6)
    np.testing.assert_allclose(got.rgb[row].numpy(), one.rgb, atol=rgb, rtol=2e-4)


@pytest.mark.parametrize(("supersample", "merge"), [(2, 0.02), (2, 0.0), (1, 0.02), (3, 0.02)])
def test_pictures_of_hands_are_those_of_single_meshes(hands, matrices, supersample, merge):
    lights = [random_light(0), random_light(1, 1)]
    options = {"supersample": supersample, "merge": merge}
    got = batch_of(hands, lights, matrices, surfaces=supersample**2, **options)
    for row in range(2):
        assert_equal(got, row, render(hands[row], matrices[row], SIZE, SIZE, lights[row], **options))


def test_two_surfaces_are_nearly_always_enough(hands, matrices):
    lights = [random_light(0), random_light(1, 1)]
    got = batch_of(hands, lights, matrices)
    for row in range(2):
        one = render(hands[row], matrices[row], SIZE, SIZE, lights[row])
        assert_equal(got, row, one, rgb=1.0)  # coverage and labels stay exact
        off = np.abs(got.rgb[row].numpy() - one.rgb)
        assert off.mean() < 5e-4
        assert (off.max(-1) > ROUNDING).sum() < 0.02 * (one.alpha > 0).sum()


def test_one_surface_takes_the_nearest_for_all(scenes):
    """Half a pixel of a white square before a black one: the black half is counted with the white."""
    wall = scenes.square((0, 0, 2), 2.0, albedo=0.0)
    front = scenes.square((0.5, 0, 1), 0.5, albedo=1.0)
    mesh = MeshBatch.stack([Mesh.concatenate([wall, front])])
    matrix = torch.from_numpy(scenes.camera(16.0, 17))[None]
    light = LightBatch.stack([scenes.uniform()])
    one, two = (render(mesh, matrix, 17, 17, light, surfaces=n).rgb[0, 8, :, 0] for n in (1, 2))
    assert one[8] == pytest.approx(1.0, abs=1e-3)
    assert two[8] == pytest.approx(0.5, abs=1e-3)
    assert one[7] == two[7] == 0
    torch.testing.assert_close(one[9:], two[9:])


@pytest.mark.parametrize("closed", [False, True])
def test_textures_and_heights_are_those_of_single_meshes(scenes, closed):
    rng = np.random.default_rng(4)
    ball = scenes.sphere((0.02, -0.01, 0.5), 0.09, 3, albedo=0.6)
    uv = (ball.vertices[:, :2] * 7)[ball.faces]
    faces = len(ball.faces)
    layer = rng.integers(-1, 2, faces).astype(np.int16)
    texture = rng.uniform(0.3, 1, (2, 8, 12, 4)).astype(np.float32)
    texture[..., 3] *= 0.002
    first = replace(ball, uv=uv, texture=texture, layer=layer, closed=np.full(faces, closed))
    inside_out = replace(
        first, faces=ball.faces[:, ::-1].copy(), uv=uv[:, ::-1].copy(), texture=texture[:1], layer=None
    )
    meshes = [first, replace(inside_out, closed=None) if not closed else first]
    if not closed:
        meshes[0] = replace(first, closed=None)
    matrices = np.stack([scenes.camera(110.0, SIZE)] * 2)
    lights = [random_light(2), random_light(3)]
    got = batch_of(meshes, lights, matrices, surfaces=4)
    for row in range(2):
        assert_equal(got, row, render(meshes[row], matrices[row], SIZE, SIZE, lights[row]), rgb=2e-4)
    plain = batch_of([replace(m, texture=None) for m in meshes], lights, matrices, surfaces=4)
    assert (plain.rgb - got.rgb).abs().mean() > 0.01


def test_given_projections_replace_the_camera(hands, matrices):
    pixels = np.stack([mesh.vertices[:, :2] * [130, 110] + [20, 25] for mesh in hands])
    lights = [random_light(0)] * 2
    got = batch_of(hands, lights, matrices, surfaces=4, pixels=torch.from_numpy(pixels))
    for row in range(2):
        one = render(hands[row], matrices[row], SIZE, SIZE, lights[row], pixels=pixels[row])
        assert_equal(got, row, one)


def test_a_sample_knows_nothing_of_its_neighbours(hands, matrices):
    """NaN in one of them too."""
    lights = [random_light(0), random_light(1)]
    both = batch_of(hands, lights, matrices)
    broken = replace(hands[0], vertices=np.full_like(hands[0].vertices, np.nan))
    beside = batch_of([broken, hands[1]], lights, matrices)
    for one, other in zip(both, beside, strict=True):
        assert torch.equal(one[1], other[1])
    assert (beside.alpha[0] == 0).all()
    assert (beside.rgb[0] == 0).all()
    assert (beside.part[0] == 255).all()
    assert torch.isinf(beside.depth[0]).all()


def test_vertices_that_are_nan_leave_out_their_triangles_only(scenes):
    near, far = scenes.square((0, 0, 0.5), 0.2, albedo=0.2), scenes.square((0, 0, 1), 1.0, albedo=0.7)
    both = Mesh.concatenate([near, far])
    vertices = both.vertices.copy()
    vertices[:4] = np.nan
    matrix = np.stack([scenes.camera(30.0, SIZE)] * 2)
    got = batch_of([both, replace(both, vertices=vertices)], [scenes.uniform()] * 2, matrix)
    assert got.rgb[0, 24, 24, 0] == pytest.approx(0.2, abs=1e-3)
    torch.testing.assert_close(got.rgb[1], torch.full_like(got.rgb[1], 0.7), atol=1e-3, rtol=0)


@pytest.mark.parametrize("column", ["sh", "directions", "colours", "shadows", "wrap", "shadow_bias", "casting"])
def test_every_part_of_the_light_matters(hands, matrices, column):
    light = LightBatch.stack([random_light(0), random_light(1)])
    changed = {
        "sh": light.sh * 0.5,
        "directions": light.directions.flip(1),
        "colours": light.colours * 0.5,
        "shadows": ~light.shadows,
        "wrap": None,
        "shadow_bias": 0.05,
        "casting": 0,
    }
    mesh, matrix = MeshBatch.stack(hands), torch.from_numpy(matrices)
    light = replace(light, casting=2)
    before = render(mesh, matrix, SIZE, SIZE, light).rgb
    after = render(mesh, matrix, SIZE, SIZE, replace(light, **{column: changed[column]})).rgb
    assert (before != after).any()
    assert torch.isfinite(after).all()


def test_a_batch_of_nothing_is_an_empty_batch(hands, matrices):
    mesh = MeshBatch.stack(hands)
    none = replace(mesh, faces=mesh.faces[:0], closed=None)
    got = render(none, torch.from_numpy(matrices), SIZE, SIZE, LightBatch.stack([random_light(0)] * 2))
    assert (got.face == -1).all()
    assert (got.part == 255).all()
    assert got.rgb.shape == (2, SIZE, SIZE, 3)


def test_occlusion_is_that_of_single_meshes(hands):
    closed = torch.tensor([[i == 1] for i in range(2)]).expand(2, len(hands[0].faces))
    vertices = torch.from_numpy(np.stack([mesh.vertices for mesh in hands]))
    got = ambient_occlusion(vertices, torch.from_numpy(hands[0].faces), closed=closed, directions=7, size=32)
    for row in range(2):
        one = ambient_occlusion(
            hands[row].vertices, hands[row].faces, closed=closed[row].numpy(), directions=7, size=32
        )
        assert one.std() > 0.1
        # A vertex that lies on a texel's edge, or as deep as its occluder, may fall on the other side by rounding.
        assert (np.abs(got[row].numpy() - one) > 1e-4).mean() < 0.002


def test_noise_has_mean_zero_its_gradient_and_no_seams():
    rng = np.random.default_rng(0)
    points = torch.from_numpy(rng.uniform(-40, 40, (20000, 3)).astype(np.float32))
    value, gradient = value_noise(points)
    assert value.abs().max() <= 1
    assert value.mean().abs() < 0.02
    assert 0.3 < value.std() < 0.5
    for axis in range(3):
        step = torch.zeros(3)
        step[axis] = 2.0**-7
        differences = (value_noise(points + step)[0] - value_noise(points - step)[0]) * 2.0**6
        torch.testing.assert_close(differences, gradient[:, axis], atol=3e-3, rtol=0)
    nodes = torch.floor(points)
    torch.testing.assert_close(value_noise(nodes - 1e-4)[0], value_noise(nodes)[0], atol=1e-3, rtol=0)
    assert len(torch.unique(value_noise(nodes[:1000])[0])) > 950


@pytest.fixture(scope="module")
def grained(scenes):
    """A wall half a metre ahead, its grain at rest elsewhere; pixels of 0.5 mm."""
    steps = np.linspace(-1, 1, 9)
    x, y = np.meshgrid(steps, steps)
    rest = np.stack([x, y, 0 * x], -1).reshape(-1, 3) * 0.02
    a = (np.arange(8)[:, None] * 9 + np.arange(8)).reshape(-1)
    faces = np.concatenate([np.stack([a, a + 10, a + 1], 1), np.stack([a, a + 9, a + 10], 1)]).astype(np.int32)
    wall = Mesh(
        (rest + np.float32([0, 0, 0.5])).astype(np.float32),
        faces,
        np.full((81, 3), 0.5, np.float32),
        specular=np.zeros(81, np.float32),
    )
    mesh = MeshBatch.stack([wall])
    return replace(mesh, speckle=torch.ones((1, 81)), rest=torch.from_numpy(rest.astype(np.float32) + 0.1))


def test_grain_sticks_to_the_body(scenes, grained):
    matrix = torch.from_numpy(scenes.camera(1000.0, SIZE))[None]
    light = LightBatch.stack([scenes.lamp(0.5, -0.3, -0.8)])
    plain = render(replace(grained, speckle=None), matrix, SIZE, SIZE, light).rgb[0, ..., 0]
    here = render(grained, matrix, SIZE, SIZE, light).rgb[0, ..., 0]
    assert 0.02 < ((here / plain).log()).std() < 0.15
    assert torch.equal(
        render(replace(grained, speckle=torch.zeros((1, 81))), matrix, SIZE, SIZE, light).rgb[0, ..., 0], plain
    )
    moved = replace(grained, vertices=grained.vertices + torch.tensor([0.004, 0, 0]))  # eight pixels to the right
    there = render(moved, matrix, SIZE, SIZE, light).rgb[0, ..., 0]
    torch.testing.assert_close(there[:, 8:], here[:, :-8], atol=2e-4, rtol=0)
    other = render(replace(grained, rest=grained.rest + 0.0007), matrix, SIZE, SIZE, light).rgb[0, ..., 0]
    assert (other - here).abs().mean() > 0.003


def test_grain_fades_with_distance_and_its_slope_turns_with_the_body(scenes, grained):
    """Far away a pixel holds many cells. Under a lamp right in front a slope is hardly seen, and albedo is."""
    light = LightBatch.stack([scenes.lamp(0.5, -0.3, -0.8)])
    spread = []
    for focal in (1000.0, 100.0):  # 0.5 and 5 mm
        matrix = torch.from_numpy(scenes.camera(focal, SIZE))[None]
        plain = render(replace(grained, speckle=None), matrix, SIZE, SIZE, light)
        got = render(grained, matrix, SIZE, SIZE, light)
        whole = plain.alpha == 1
        spread.append(float((got.rgb[whole] / plain.rgb[whole]).log().std()))
    assert spread[1] < 0.4 * spread[0]
    turned = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    matrix = torch.from_numpy(scenes.camera(1000.0, SIZE))[None]
    quarter = replace(grained, vertices=grained.vertices @ turned.T)
    lamp = LightBatch.stack([scenes.lamp(0.3, 0.5, -0.8)])  # the first one turned with the wall
    here = render(grained, matrix, SIZE, SIZE, light).rgb[0, ..., 0]
    there = render(quarter, matrix, SIZE, SIZE, lamp).rgb[0, ..., 0]
    torch.testing.assert_close(torch.rot90(there, 1), here, atol=3e-3, rtol=0)


@pytest.mark.plain
def test_bad_arguments_are_named(hands, matrices):
    mesh, light = MeshBatch.stack(hands), LightBatch.stack([random_light(0)] * 2)
    matrix = torch.from_numpy(matrices)
    for bad in ({"supersample": 0}, {"surfaces": 0}):
        with pytest.raises(PalmarError, match="must have pixels"):
            render(mesh, matrix, SIZE, SIZE, light, **bad)
    with pytest.raises(PalmarError, match="2 meshes need as many lights"):
        render(mesh, matrix[:1], SIZE, SIZE, light)
    with pytest.raises(PalmarError, match=r"pixels must be of shape \(2, "):
        render(mesh, matrix, SIZE, SIZE, light, pixels=torch.zeros((2, 3, 2)))


@pytest.mark.plain
def test_shading_is_one_graph(hands, monkeypatch):
    """Traced without a break, with all that a surface can have; the compiler behind it takes minutes, so not here."""
    mesh = MeshBatch.stack([hands[1]])
    v, f = mesh.vertices.shape[1], mesh.faces.shape[0]
    mesh = replace(
        mesh,
        uv=torch.linspace(0, 1, f * 6).reshape(f, 3, 2),
        texture=torch.ones((1, 2, 2, 4)),
        speckle=torch.ones((1, v)),
        rest=mesh.vertices,
    )
    matrix = torch.tensor([[[30.0, 0, 8], [0, 30, 8], [0, 0, 1]]])
    light = LightBatch.stack([random_light(0)])
    traced = torch.compile(deferred.shade, backend="eager", fullgraph=True, dynamic=False)
    monkeypatch.setattr(deferred, "_compiled_shade", lambda: traced)
    got, plain = (render(mesh, matrix, 16, 16, light, compiled=compiled) for compiled in (True, False))
    assert 0 < got.alpha.mean() < 1
    for one, other in zip(got, plain, strict=True):
        torch.testing.assert_close(one, other)


class OffTheHost(TorchDispatchMode):
    """Raises where a tensor on the CPU takes part, but for single numbers, which travel with the call."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for tensor in tree_leaves((args, kwargs, out)):
            if isinstance(tensor, torch.Tensor) and tensor.device.type == "cpu" and tensor.ndim:
                raise AssertionError(f"{function} with a tensor on the host")
        return out


@pytest.mark.plain
def test_nothing_waits_for_the_host(monkeypatch):
    """On tensors without numbers, where looking at one, choosing by a mask and copying from or to the host all fail.
    The kernels are left out; they are launched and not asked."""

    def drawn(snapped, key, faces, cull, height, width):
        shape = (len(key), height, width)
        return torch.empty(shape, dtype=torch.int32, device=key.device), torch.empty(shape, device=key.device)

    def refuse(*words, **options):
        raise AssertionError("a tensor from numbers of the host")

    def new(*shape, dtype=torch.float32):
        return torch.empty(shape, dtype=dtype, device="meta")

    monkeypatch.setattr(deferred, "z_buffer", drawn)
    monkeypatch.setattr(device, "z_buffer", drawn)
    monkeypatch.setattr(torch, "tensor", refuse)
    b, v, f = 2, 10, 7
    surface = {"roughness": new(b, v), "specular": new(b, v), "occlusion": new(b, v), "part": new(v, dtype=torch.uint8)}
    texture = {"uv": new(f, 3, 2), "layer": new(b, f, dtype=torch.int16), "texture": new(2, 4, 4, 4)}
    grain = {"speckle": new(b, v), "rest": new(v, 3)}
    with OffTheHost():
        closed = new(f, dtype=torch.bool)
        faces = new(f, 3, dtype=torch.int32)
        mesh = MeshBatch(new(b, v, 3), faces, new(b, v, 3), closed=closed, **surface, **texture, **grain)
        light = LightBatch(
            new(b, 9, 3), new(b, 2, 3), new(b, 2, 3), shadows=new(b, 2, dtype=torch.bool), wrap=new(b, 3)
        )
        got = render(mesh, new(b, 3, 3), 8, 8, light)
        assert got.rgb.shape == (b, 8, 8, 3)
        assert rasterize(new(b, v, 3), faces, 8, 8, cull=closed).bary.shape == (b, 8, 8, 3)
        assert ambient_occlusion(mesh.vertices, faces, closed=closed).shape == (b, v)
        assert visible(new(b, 5, 3), got.depth, new(b, 3, 3), 0.1).shape == (b, 5)
        with pytest.raises(RuntimeError):
            bool(got.alpha.any())
        with pytest.raises(AssertionError, match="on the host"):
            torch.ones(3).to("meta")


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """With compiled=True, the shading for devices that must not be asked how many pixels there are, uncompiled."""
    monkeypatch.setattr(deferred, "_compiled_shade", lambda: deferred.shade)


@pytest.mark.parametrize(("supersample", "surfaces"), [(2, 1), (2, 2), (2, 4), (1, 1), (3, 3)])
def test_pictures_are_the_same_without_looking(hands, matrices, as_on_a_gpu, supersample, surfaces):
    lights = [random_light(0), random_light(1)]
    options = {"supersample": supersample, "surfaces": surfaces}
    looked, blind = (batch_of(hands, lights, matrices, compiled=compiled, **options) for compiled in (False, True))
    for one, other in zip(looked, blind, strict=True):
        assert torch.equal(one, other)


def test_beyond_the_room_for_edges_the_nearest_surface_counts_for_all(hands, matrices, as_on_a_gpu):
    """In the order of pixels, and coverage and labels stay exact."""
    lights = [random_light(0), random_light(1)]
    one, two, some = (
        batch_of(hands, lights, matrices, compiled=True, surfaces=n, edges=edges)
        for n, edges in ((1, 1.0), (2, 1.0), (2, 12 / SIZE**2))
    )
    for name in ("alpha", "part", "depth", "face"):
        assert torch.equal(getattr(some, name), getattr(two, name))
    for row in range(2):
        differs = (one.rgb[row] != two.rgb[row]).any(-1).reshape(-1)
        assert differs.sum() > 30
        as_two = (some.rgb[row] == two.rgb[row]).all(-1).reshape(-1)
        as_one = (some.rgb[row] == one.rgb[row]).all(-1).reshape(-1)
        assert (as_one | as_two).all()
        assert 8 <= (differs & as_two).sum() <= 12
        last = torch.nonzero(differs & as_two).max()
        assert not (differs & as_one)[:last].any()
