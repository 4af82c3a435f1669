"""Pictures against closed forms: where a ball stands, how a matt one is lit, where its shadow falls."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.render import NO_PART, Light, Mesh, render, sh_basis, sh_from_lobes


@pytest.mark.parametrize("supersample", [1, 2, 3])
@pytest.mark.parametrize("place", [(0, 0), (0.0613, -0.0427), (-0.0577, 0.0333)])
def test_a_ball_is_seen_where_it_projects(scenes, supersample, place):
    """The half-pixel law: the middle of the coverage is the middle of the ball's image, to 0.05 pixel."""
    size, focal, z, radius = 192, 400.0, 0.5, 0.04
    matrix = scenes.camera(focal, size)
    got = render(scenes.sphere((*place, z), radius), matrix, size, size, scenes.uniform(), supersample=supersample)
    y, x = np.mgrid[:size, :size]
    centroid = np.array([(got.alpha * x).sum(), (got.alpha * y).sum()]) / got.alpha.sum()
    # The image of a ball is an ellipse; its middle lies a little farther out than the projected centre.
    middle = focal * np.array(place) * z / (z**2 - radius**2) + (size - 1) / 2
    np.testing.assert_allclose(centroid, middle, atol=0.05)


def ball_hits(matrix, size, centre, radius):
    """Normals and mask where the rays of pixel centres meet a ball."""
    y, x = np.mgrid[:size, :size]
    rays = np.stack([x, y, np.ones_like(x)], -1) @ np.linalg.inv(matrix).T
    a, b = (rays**2).sum(-1), rays @ centre
    root = b**2 - a * (centre @ centre - radius**2)
    t = (b - np.sqrt(np.maximum(root, 0))) / a
    return (t[..., None] * rays - centre) / radius, root > 0


CENTRE = np.array([0.03, -0.02, 0.5])


def render_ball(scenes, light, *, supersample=1, **more):
    """A matt white ball of 10 cm, and the normals that rays find there, away from its rim."""
    matrix = scenes.camera(300.0, 96)
    ball = scenes.sphere(tuple(CENTRE), 0.05, subdivisions=5, albedo=1.0, **more)
    normals, hit = ball_hits(matrix, 96, CENTRE, 0.05)
    got = render(ball, matrix, 96, 96, light, supersample=supersample)
    inside = hit & (got.alpha == 1) & ((normals * (-CENTRE / np.linalg.norm(CENTRE))).sum(-1) > 0.3)
    assert inside.sum() > 2000
    return got.rgb[inside].astype(np.float64), normals[inside]


@pytest.mark.parametrize("wrap", [(0.0, 0.0, 0.0), (0.3, 0.1, 0.0)])
def test_a_matt_ball_under_a_lamp_follows_the_cosine(scenes, wrap):
    towards = scenes.unit(0.5, -0.6, -0.7)
    light = replace(scenes.lamp(*towards), wrap=np.float32(wrap), colours=np.float32([[1.0, 0.8, 0.5]]))
    rgb, normals = render_ball(scenes, light)
    w = np.array(wrap)
    expected = np.maximum(((normals @ towards)[:, None] + w) / (1 + w), 0) / (1 + w) * [1.0, 0.8, 0.5]
    np.testing.assert_allclose(rgb, expected, atol=0.01)


@pytest.mark.parametrize("harmonic", range(9))
def test_a_matt_ball_in_surroundings_shows_their_irradiance(scenes, harmonic):
    """Against the integral of radiance times cosine over the sphere, for each of the nine harmonics in turn."""
    z, weight = np.polynomial.legendre.leggauss(48)
    angle = (np.arange(96) + 0.5) * 2 * np.pi / 96
    r = np.sqrt(1 - z**2)[:, None]
    d = np.stack([r * np.cos(angle), r * np.sin(angle), np.broadcast_to(z[:, None], (48, 96))], -1).reshape(-1, 3)
    area = np.repeat(weight * 2 * np.pi / 96, 96)
    sh = np.zeros((9, 3))
    sh[0] = 4.0
    sh[harmonic] += (1.0, 0.5, -0.5)
    rgb, normals = render_ball(scenes, Light(sh.astype(np.float32)))
    some = slice(None, None, 37)
    expected = np.maximum(normals[some] @ d.T, 0) @ (sh_basis(d) @ sh * area[:, None]) / np.pi
    assert harmonic == 0 or expected[:, 0].std() > 0.02
    np.testing.assert_allclose(rgb[some], expected, atol=4e-3)


def test_uniform_light_shows_the_albedo_and_occlusion_dims_it(scenes):
    rgb, _ = render_ball(scenes, scenes.uniform(0.7))
    np.testing.assert_allclose(rgb, 0.7, atol=1e-3)
    half, _ = render_ball(scenes, scenes.uniform(0.7), occlusion=np.full(10242, 0.5, np.float32))
    assert (half < 0.7 * 0.95).all()
    assert (half > 0.7 * 0.5).all()  # white walls light each other
    dark, _ = render_ball(scenes, scenes.uniform(0.7), occlusion=np.zeros(10242, np.float32))
    np.testing.assert_array_equal(dark, 0)
    black = scenes.square((0, 0, 1), 0.5, albedo=0.04, occlusion=np.full(4, 0.5, np.float32))
    got = render(black, scenes.camera(32.0, 32), 32, 32, scenes.uniform())
    np.testing.assert_allclose(got.rgb, 0.02, rtol=0.01)


def test_occlusion_leaves_the_lamps_alone(scenes):
    light = scenes.lamp(0, 0, -1)
    open_, _ = render_ball(scenes, light)
    hidden, _ = render_ball(scenes, light, occlusion=np.zeros(10242, np.float32))
    np.testing.assert_array_equal(open_, hidden)


def gloss_reference(normal, view, towards, roughness):
    """Microfacets in plain words: GGX, Schlick, and the masking of Smith in Hammon's approximation, times pi n.l."""
    half = (view + towards) / np.linalg.norm(view + towards)
    nl, nv, nh, vh = normal @ towards, normal @ view, normal @ half, view @ half
    alpha = roughness**2
    distribution = alpha**2 / (np.pi * (nh**2 * (alpha**2 - 1) + 1) ** 2)
    fresnel = 0.028 + (1 - 0.028) * (1 - vh) ** 5
    both = nl * (nv * (1 - alpha) + alpha) + nv * (nl * (1 - alpha) + alpha)
    return distribution * fresnel * 0.5 / both * np.pi * nl


@pytest.mark.parametrize("roughness", [0.3, 0.6])
def test_gloss_of_a_lamp_follows_the_microfacets(scenes, roughness):
    towards = scenes.unit(0.3, -0.4, -0.8).astype(np.float64)
    count = 10242
    matrix = scenes.camera(300.0, 96)
    ball = scenes.sphere(tuple(CENTRE), 0.05, 5, 0.0)
    ball = replace(ball, specular=np.full(count, 2.0, np.float32), roughness=np.full(count, roughness, np.float32))
    got = render(ball, matrix, 96, 96, scenes.lamp(*towards), supersample=1).rgb[..., 0]
    normals, hit = ball_hits(matrix, 96, CENTRE, 0.05)
    y, x = np.mgrid[:96, :96]
    rays = np.stack([x, y, np.ones_like(x)], -1) @ np.linalg.inv(matrix).T
    checked = 0
    for row, column in np.argwhere(hit)[::41]:
        normal, view = normals[row, column], -rays[row, column] / np.linalg.norm(rays[row, column])
        if normal @ towards < 0.1 or normal @ view < 0.3:
            continue
        expected = 2.0 * gloss_reference(normal, view, towards, roughness)
        assert got[row, column] == pytest.approx(expected, rel=0.08, abs=2e-3)
        checked += 1
    assert checked > 50
    assert got.max() > 0.05


def reflected_share(cosine: float, roughness: float, *, samples: int = 20_000) -> float:
    """Share of uniform surroundings that a GGX surface reflects to an eye at this cosine: drawn half vectors (Walter et
    al. 2007), Schlick's Fresnel, Smith's term of both sides together."""
    rng = np.random.default_rng(0)
    alpha2 = roughness**4
    u, v = rng.random((2, samples))
    up = np.sqrt((1 - u) / (1 + (alpha2 - 1) * u))
    half = np.stack([np.sqrt(1 - up**2) * np.cos(2 * np.pi * v), np.sqrt(1 - up**2) * np.sin(2 * np.pi * v), up], -1)
    eye = np.array([np.sqrt(1 - cosine**2), 0.0, cosine])
    vh = half @ eye
    light = 2 * vh[:, None] * half - eye
    nl = np.maximum(light[:, 2], 0.0)
    smith = lambda c: (np.sqrt(alpha2 + (1 - alpha2) * c**2) / np.maximum(c, 1e-9) - 1) / 2  # noqa: E731
    both = 1 / (1 + smith(cosine) + smith(nl))
    fresnel = 0.028 + 0.972 * (1 - np.clip(vh, 0, 1)) ** 5
    return float(np.mean(np.where((nl > 0) & (vh > 0), fresnel * both * vh / (cosine * up), 0.0)))


@pytest.mark.parametrize("roughness", [0.25, 0.4, 0.6, 0.85])
def test_gloss_of_uniform_surroundings_is_that_of_the_microfacets(scenes, roughness):
    """Up to where the mesh's outline is near; there it is bounded, and never a mirror's."""
    matrix = scenes.camera(300.0, 96)
    ball = scenes.sphere((0, 0, 0.5), 0.05, 5, 0.0)
    black = render(ball, matrix, 96, 96, scenes.uniform(), supersample=1).rgb
    assert not black.any()
    glossy = replace(ball, specular=np.ones(10242, np.float32), roughness=np.full(10242, roughness, np.float32))
    got = render(glossy, matrix, 96, 96, scenes.uniform(), supersample=1).rgb[48, 48:, 1]
    checked = 0
    for column, value in enumerate(got):
        ray = np.array([(column + 0.5) / 300.0, 0.5 / 300.0, 1.0])
        ray /= np.linalg.norm(ray)
        inside = 0.05**2 - 0.5**2 * (1 - ray[2] ** 2)
        if inside <= 0:
            continue
        cosine = np.sqrt(inside) / 0.05
        if cosine > 0.32:
            assert value == pytest.approx(reflected_share(cosine, roughness), abs=0.02, rel=0.22)
            checked += 1
        else:
            assert value < 0.16
    assert checked > 20
    assert got.max() > 1.2 * got[0]


def test_a_ball_throws_its_shadow_where_light_is_cut_off(scenes):
    """A small ball before a wall, lamp from the upper left: a shadow of the right place and size, and nowhere else."""
    matrix = scenes.camera(200.0, 128)
    wall = scenes.square((0, 0, 0.6), 0.15)
    ball = scenes.sphere((-0.05, -0.05, 0.52), 0.02, closed=np.ones(5120, bool))
    towards = scenes.unit(-0.5, -0.4, -1.0)
    light = scenes.lamp(*towards, shadows=True, shadow_size=256)
    alone = render(wall, matrix, 128, 128, light)
    lit = 0.5 * -towards[2]
    np.testing.assert_allclose(alone.rgb[alone.alpha == 1], lit, rtol=1e-4)
    both = render(Mesh.concatenate([wall, ball]), matrix, 128, 128, light)
    on_wall = (both.depth > 0.595) & (both.alpha == 1)
    dark = on_wall & (both.rgb[..., 0] < 0.5 * lit)
    centre = np.array([-0.05, -0.05]) + towards[:2] / towards[2] * (0.6 - 0.52)
    y, x = np.mgrid[:128, :128]
    points = (np.stack([x, y], -1) - 63.5) / 200.0 * 0.6
    # The shadow of a ball in parallel light: an ellipse stretched by 1 / cos along the lamp's direction on the wall.
    offset = points - centre
    along = towards[:2] / np.linalg.norm(towards[:2])
    radius = np.hypot(offset @ along * -towards[2], offset @ np.array([-along[1], along[0]]))
    inside, outside = on_wall & (radius < 0.017), on_wall & (radius > 0.023)
    assert inside.sum() > 50
    assert dark[inside].all()
    assert not dark[outside].any()
    np.testing.assert_allclose(both.rgb[inside], 0.0, atol=1e-6)
    np.testing.assert_allclose(both.rgb[outside], np.full((outside.sum(), 3), lit), rtol=1e-3)
    without = render(Mesh.concatenate([wall, ball]), matrix, 128, 128, replace(light, shadows=None))
    np.testing.assert_allclose(without.rgb[on_wall], lit, rtol=1e-3)


@pytest.mark.parametrize("towards", [(0, 0, -1), (-1, 0, -0.3), (0.3, -1, -0.2), (1, 1, -1), (0.2, 0.5, 1)])
@pytest.mark.parametrize("closed", [False, True])
def test_a_ball_does_not_shade_its_own_lit_side(scenes, towards, closed):
    light = scenes.lamp(*towards)
    free, normals = render_ball(scenes, light)
    own, _ = render_ball(scenes, replace(light, shadows=np.array([True])), closed=np.full(20480, closed), supersample=1)
    clear = normals @ scenes.unit(*towards) > 0.2
    np.testing.assert_allclose(own[clear], free[clear], atol=1e-5)


def test_texture_colours_the_place_its_coordinates_name(scenes):
    """A square that covers pixels 8..23 takes texel by texel; the first row of the texture is up."""
    texture = np.random.default_rng(0).uniform(0, 1, (1, 16, 16, 4)).astype(np.float32)
    texture[..., 3] = 0
    corner_uv = np.float32([[0, 1], [1, 1], [1, 0], [0, 0]])
    square = scenes.square((0, 0, 1), 0.5, albedo=0.5)
    matrix = scenes.camera(16.0, 32)
    square = replace(square, uv=corner_uv[square.faces], texture=texture)
    got = render(square, matrix, 32, 32, scenes.uniform(), supersample=1)
    np.testing.assert_allclose(got.rgb[8:24, 8:24], 0.5 * texture[0, ..., :3], atol=1e-4)
    assert got.alpha.sum() == 256
    repeated = replace(square, uv=square.uv + np.float32([2, -3]))
    np.testing.assert_allclose(
        render(repeated, matrix, 32, 32, scenes.uniform(), supersample=1).rgb, got.rgb, atol=1e-4
    )
    plain = replace(square, layer=np.int16([-1, -1]))
    np.testing.assert_allclose(
        render(plain, matrix, 32, 32, scenes.uniform(), supersample=1).rgb[8:24, 8:24], 0.5, atol=1e-3
    )


@pytest.mark.parametrize("slope", [(0.3, 0.0), (0.0, 0.3), (-0.2, 0.4)])
def test_heights_tilt_the_normal_by_their_slope(scenes, slope):
    """A plane of heights `slope . (x, y)`, outward (towards the camera), is lit like the tilted plane it stands for."""
    y, x = (np.mgrid[:64, :64] + 0.5) / 64 - 0.5  # metres: the square is one metre wide
    texture = np.ones((1, 64, 64, 4), np.float32)
    texture[0, ..., 3] = slope[0] * x + slope[1] * y
    square = scenes.square((0, 0, 1), 0.5, albedo=1.0)
    square = replace(square, uv=np.float32([[0, 1], [1, 1], [1, 0], [0, 0]])[square.faces], texture=texture)
    towards = scenes.unit(0.4, 0.3, -1)
    got = render(square, scenes.camera(32.0, 64), 64, 64, scenes.lamp(*towards)).rgb[24:40, 24:40]
    normal = scenes.unit(-slope[0], -slope[1], -1)  # the surface z = 1 - height
    np.testing.assert_allclose(got, max(normal @ towards, 0), atol=2e-3)


def test_both_sides_are_shaded_alike_unless_closed(scenes):
    square = scenes.square((0, 0, 1), 0.5)
    turned = replace(square, faces=square.faces[:, ::-1].copy())
    light, matrix = scenes.lamp(0.3, 0, -1), scenes.camera(32.0, 32)
    front = render(square, matrix, 32, 32, light)
    assert front.alpha.min() == 1
    np.testing.assert_allclose(render(turned, matrix, 32, 32, light).rgb, front.rgb, atol=1e-6)
    assert not render(replace(turned, closed=np.ones(2, bool)), matrix, 32, 32, light).alpha.any()
    np.testing.assert_array_equal(
        render(replace(square, closed=np.ones(2, bool)), matrix, 32, 32, light).rgb, front.rgb
    )


def test_coverage_is_the_share_of_samples(scenes):
    """An edge through the middle of a pixel column halves it; the colour is premultiplied."""
    square = scenes.square((0.0, 0.0, 1.0), 8.0)
    square = replace(square, vertices=square.vertices - np.float32([8.0, 0, 0]))  # its right edge at x = 0
    matrix = np.array([[1.0, 0, 4.0], [0, 1.0, 4.0], [0, 0, 1]])
    got = render(square, matrix, 9, 9, scenes.uniform(), supersample=2)
    np.testing.assert_array_equal(got.alpha[4], [1, 1, 1, 1, 0.5, 0, 0, 0, 0])
    np.testing.assert_allclose(got.rgb[4, :, 0], np.array([1, 1, 1, 1, 0.5, 0, 0, 0, 0]) * 0.5, atol=1e-4)
    np.testing.assert_array_equal(got.part[4], [0] * 5 + [NO_PART] * 4)
    np.testing.assert_array_equal(np.isfinite(got.depth[4]), [True] * 5 + [False] * 4)
    np.testing.assert_array_equal(got.face[4] >= 0, [True] * 5 + [False] * 4)
    np.testing.assert_allclose(got.depth[4, :5], 1.0, rtol=1e-6)


def test_supersampling_is_the_mean_of_a_larger_picture(scenes):
    ball = scenes.sphere((0.01, 0.02, 0.5), 0.1, subdivisions=3)
    ball = replace(ball, specular=None, albedo=np.random.default_rng(0).uniform(0, 1, (642, 3)).astype(np.float32))
    light = replace(scenes.lamp(0.3, -0.5, -1, shadows=True), sh=scenes.uniform().sh)
    matrix = scenes.camera(60.0, 32)
    resize = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1.0]])
    large = render(ball, resize @ matrix, 64, 64, light, supersample=1)
    small = render(ball, matrix, 32, 32, light, supersample=2, merge=0.0)
    np.testing.assert_allclose(small.rgb, large.rgb.reshape(32, 2, 32, 2, 3).mean((1, 3)), atol=2e-5)
    np.testing.assert_array_equal(small.alpha, large.alpha.reshape(32, 2, 32, 2).mean((1, 3)))
    np.testing.assert_allclose(small.depth, large.depth.reshape(32, 2, 32, 2).min((1, 3)), rtol=1e-6)


def test_shading_a_surface_once_per_pixel_changes_little(scenes):
    near = scenes.sphere((0.01, 0.02, 0.5), 0.06, subdivisions=4, part=np.full(2562, 1, np.uint8))
    far = scenes.sphere((-0.02, 0.03, 0.7), 0.12, subdivisions=4, albedo=0.9, part=np.full(2562, 2, np.uint8))
    mesh = Mesh.concatenate([near, far])
    light = replace(scenes.lamp(0.3, -0.5, -1), sh=scenes.uniform(0.3).sh)
    each, once = (render(mesh, scenes.camera(120.0, 64), 64, 64, light, merge=m) for m in (0.0, 0.02))
    np.testing.assert_array_equal(each.alpha, once.alpha)
    for name in ("part", "face", "depth"):  # of the nearest sample, either way
        np.testing.assert_array_equal(getattr(each, name), getattr(once, name))
    difference = np.abs(each.rgb - once.rgb)
    assert 0 < difference.mean() < 1e-3
    assert difference.max() < 0.05


def test_parts_are_those_of_the_nearest_vertex(scenes):
    square = scenes.square((0, 0, 1), 0.5, part=np.uint8([1, 2, 3, 4]))
    got = render(square, scenes.camera(32.0, 32), 32, 32, scenes.uniform())
    assert [got.part[1, 1], got.part[1, 30], got.part[30, 30], got.part[30, 1]] == [1, 2, 3, 4]


def test_given_projections_replace_the_camera(scenes):
    ball = scenes.sphere((0.01, 0.02, 0.5), 0.1, subdivisions=3)
    matrix = scenes.camera(60.0, 32)
    pixels = ball.vertices.astype(np.float64) @ matrix.T
    pixels = pixels[:, :2] / pixels[:, 2:]
    pinhole = render(ball, matrix, 32, 32, scenes.uniform())
    given = render(ball, matrix, 32, 32, scenes.uniform(), pixels=pixels)
    np.testing.assert_array_equal(given.alpha, pinhole.alpha)
    moved = render(ball, matrix, 32, 32, scenes.uniform(), pixels=pixels + np.array([3.0, 0.0]))
    np.testing.assert_array_equal(moved.alpha[:, 3:], pinhole.alpha[:, :-3])
    with pytest.raises(PalmarError, match="pixels must be"):
        render(ball, matrix, 32, 32, scenes.uniform(), pixels=pixels[1:])


def test_every_input_matters(scenes):
    """Changing any one of them changes the picture."""
    square = scenes.square((0, 0, 1), 0.5)
    base = Mesh.concatenate([square, replace(scenes.square((0.1, 0.1, 0.8), 0.1), part=np.full(4, 1, np.uint8))])
    count, faces = len(base.vertices), len(base.faces)
    base = replace(
        base,
        specular=np.ones(count, np.float32),
        roughness=np.full(count, 0.5, np.float32),
        occlusion=np.full(count, 0.8, np.float32),
        normals=np.tile(np.float32([0, 0, -1]), (count, 1)),
        uv=np.zeros((faces, 3, 2), np.float32),
        texture=np.random.default_rng(0).uniform(0.5, 1, (1, 4, 4, 4)).astype(np.float32),
    )
    towards = np.stack([scenes.unit(0.9, 0.8, -1), scenes.unit(0, -1, -1)])
    sh = sh_from_lobes(towards, np.ones((2, 3)), np.ones(2))
    light = Light(sh, towards, np.ones((2, 3), np.float32), np.array([True, False]))
    matrix = scenes.camera(30.0, 24)
    reference = render(base, matrix, 24, 24, light)
    changes = {
        "vertices": base.vertices + np.float32([0, 0, 0.1]),
        "albedo": base.albedo * 0.9,
        "roughness": base.roughness * 0.5,
        "specular": base.specular * 0.5,
        "occlusion": base.occlusion * 0.5,
        "normals": np.tile(scenes.unit(0.2, 0, -1), (count, 1)),
        "uv": base.uv + np.float32(0.4),
        "texture": base.texture * 0.7,
        "layer": np.full(faces, -1, np.int16),
    }
    for name, value in changes.items():
        assert not np.allclose(render(replace(base, **{name: value}), matrix, 24, 24, light).rgb, reference.rgb), name
    changes = {
        "sh": light.sh * 0.9,
        "directions": light.directions[::-1].copy(),
        "colours": light.colours * 0.9,
        "shadows": np.array([False, False]),
        "wrap": np.float32([0.2, 0, 0]),
        "shadow_size": 16,
    }
    for name, value in changes.items():
        assert not np.allclose(render(base, matrix, 24, 24, replace(light, **{name: value})).rgb, reference.rgb), name
    assert not np.allclose(render(base, matrix, 24, 24, light, near=0.9).rgb, reference.rgb)


def test_rough_slivers_are_finite(scenes):
    """Numbers are read a little beyond a sliver's edge, where roughness would be above 1."""
    rng = np.random.default_rng(0)
    middle = np.concatenate([rng.uniform(-0.1, 0.1, (2000, 2)), rng.uniform(0.3, 0.6, (2000, 1))], 1)
    vertices = (middle[:, None] + rng.normal(0, 0.01, (2000, 3, 3)) * [1, 0.1, 3]).reshape(-1, 3).astype(np.float32)
    mesh = Mesh(vertices, np.arange(6000, dtype=np.int32).reshape(-1, 3), np.full((6000, 3), 0.5, np.float32),
                rng.choice([0.2, 1.0], 6000).astype(np.float32))  # fmt: skip
    got = render(mesh, scenes.camera(200.0, 96), 96, 96, scenes.uniform(), supersample=3)
    assert got.alpha.mean() > 0.5
    assert np.isfinite(got.rgb).all()


def test_vertices_that_cannot_be_seen_leave_the_rest_alone(scenes):
    ball = scenes.sphere((0, 0, 0.5), 0.1, subdivisions=3)
    light, matrix = scenes.lamp(0.3, -0.5, -1, shadows=True), scenes.camera(60.0, 32)
    clean = render(ball, matrix, 32, 32, light)
    junk = Mesh(
        np.float32([[np.nan] * 3, [0, 0, np.inf], [0, 0, -0.1], [0, 0, 0.3], [0.1, 0, 0.3]]),
        np.int32([[0, 3, 4], [1, 3, 4], [2, 3, 4], [3, 3, 4]]),
        np.ones((5, 3), np.float32),
    )
    dirty = render(Mesh.concatenate([ball, junk]), matrix, 32, 32, light)
    assert np.isfinite(dirty.rgb).all()
    np.testing.assert_array_equal(dirty.alpha, clean.alpha)
    assert np.abs(dirty.rgb - clean.rgb).mean() < 5e-3  # the shadow map spans more, so its texels differ


def test_an_empty_mesh_is_an_empty_picture(scenes):
    nothing = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32), np.zeros((0, 3), np.float32))
    got = render(nothing, scenes.camera(10.0, 8), 8, 5, scenes.lamp(0, 0, -1, shadows=True))
    assert got.rgb.shape == (8, 5, 3)
    assert not got.rgb.any()
    assert not got.alpha.any()
    assert (got.part == NO_PART).all()
    with pytest.raises(PalmarError, match="must have pixels"):
        render(nothing, scenes.camera(10.0, 8), 0, 5, scenes.uniform())


def test_the_same_bytes_from_many_threads(scenes):
    ball = scenes.sphere((0, 0, 0.5), 0.1, subdivisions=3)
    light, matrix = scenes.lamp(0.3, -0.5, -1, shadows=True), scenes.camera(60.0, 32)
    first = render(ball, matrix, 32, 32, light)
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda _: render(ball, matrix, 32, 32, light), range(16)):
            for mine, theirs in zip(got, first, strict=True):
                assert mine.tobytes() == theirs.tobytes()


def test_a_missing_numba_is_named():
    code = (
        "import sys; sys.modules['numba'] = None\n"
        "from palmar.errors import PalmarError\n"
        "try:\n    import palmar.render\n"
        "except PalmarError as err:\n    print(err)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert "numba" in said
    assert "[torch]" in said
