"""The rasteriser against the definition of what a pixel sees, in whole numbers and by rays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import Delaunay

from palmar.errors import PalmarError
from palmar.render import rasterize, visible

UNIT = 1 << 48
"""A pixel in the whole numbers of the reference; positions are multiples of UNIT / 256, the hair is far smaller."""


def rasterize_reference(vertices_px, faces, height, width, near=0.01, cull=False):
    """Every pixel against every triangle, in whole numbers: face, bary, depth, and the depth of the second nearest.

    The top-left rule in its other form: a pixel belongs to the triangle that holds the point a hair to the right of its
    centre and a hair of that hair below, which lies on no edge. Positions are rounded to 1/256 pixel first.
    """
    face = np.full((height, width), -1, np.int32)
    bary = np.zeros((height, width, 3))
    depth = np.full((height, width), np.inf)
    second = np.full((height, width), np.inf)
    for f, corners in enumerate(faces):
        points = vertices_px[corners].astype(np.float64)
        if not np.isfinite(points).all() or (points[:, 2] <= near).any():
            continue
        (ax, ay), (bx, by), (cx, cy) = [
            [int(np.floor(value * 256 + 0.5)) * (UNIT // 256) for value in point[:2]] for point in points
        ]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0 or (cull and area > 0):
            continue
        sign = 1 if area > 0 else -1
        for y in range(height):
            for x in range(width):
                px, py = x * UNIT + (1 << 20), y * UNIT + 1
                weights = [
                    ((bx - px) * (cy - py) - (by - py) * (cx - px)) * sign,
                    ((cx - px) * (ay - py) - (cy - py) * (ax - px)) * sign,
                    ((ax - px) * (by - py) - (ay - py) * (bx - px)) * sign,
                ]
                if min(weights) < 0:
                    continue
                over_depth = np.array([w / abs(area) for w in weights]) / points[:, 2]
                z = 1.0 / over_depth.sum()
                second[y, x] = min(second[y, x], max(z, depth[y, x]))
                if z < depth[y, x]:
                    depth[y, x] = z
                    face[y, x] = f
                    bary[y, x] = over_depth * z
    return face, bary, depth, second


def assert_same(vertices_px, faces, height, width, **options):
    got = rasterize(vertices_px, faces, height, width, **options)
    face, bary, depth, second = rasterize_reference(vertices_px, faces, height, width, **options)
    np.testing.assert_array_equal(got.face >= 0, face >= 0)
    np.testing.assert_allclose(got.depth, depth, rtol=1e-5)
    same = got.face == face
    assert (
        same | (second < depth * (1 + 1e-5))
    ).all()  # where two triangles meet just there, rounding may choose either
    np.testing.assert_allclose(got.bary[same], bary[same], atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), grid=st.sampled_from([None, 1.0, 0.5, 1 / 256]), cull=st.booleans())
def test_equals_the_definition(seed, grid, cull):
    """Random soups, also with corners and edges right on pixel centres."""
    rng = np.random.default_rng(seed)
    vertices = rng.uniform([-4, -4, 0.1], [12, 10, 2.0], (9, 3))
    if grid is not None:
        vertices[:, :2] = np.round(vertices[:, :2] / grid) * grid
    faces = rng.integers(0, 9, (6, 3)).astype(np.int32)
    assert_same(vertices.astype(np.float32), faces, 6, 8, cull=cull)


def test_neighbours_share_no_pixel_and_miss_none():
    """A triangulation of a square, corners at pixel centres among them, takes each pixel once, edges by the rule."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(0, 17, 4.0), np.arange(0, 17, 4.0)), -1).reshape(-1, 2)
    inside = rng.uniform(0.5, 15.5, (40, 2))
    inside[:20] = np.round(inside[:20] * 2) / 2
    points = np.unique(np.concatenate([grid, inside]), axis=0)
    faces = Delaunay(points).simplices.astype(np.int32)
    vertices = np.concatenate([points, np.ones((len(points), 1))], 1).astype(np.float32)
    count = np.zeros((20, 20), int)
    for face in faces:
        count += rasterize(vertices, face[None], 20, 20).face >= 0
    expected = np.zeros((20, 20), int)
    expected[:16, :16] = 1  # the left and upper border belong to the square, the right and lower do not
    np.testing.assert_array_equal(count, expected)


def project(mesh, matrix):
    pixels = mesh.vertices @ matrix.T.astype(np.float32)
    return np.concatenate([pixels[:, :2] / pixels[:, 2:], mesh.vertices[:, 2:]], 1)


def test_a_ball_is_a_disc_without_holes(scenes):
    ball = scenes.sphere((0, 0, 0.5), 0.1, subdivisions=5)
    matrix = scenes.camera(250.0, 128)
    pixels = project(ball, matrix)
    front = rasterize(pixels, ball.faces, 128, 128, cull=True).face >= 0
    back = rasterize(pixels, ball.faces[:, ::-1].copy(), 128, 128, cull=True).face >= 0
    np.testing.assert_array_equal(front, back)
    layers = np.zeros((128, 128), int)
    for face in ball.faces:
        a, b, c = pixels[face, :2].astype(np.float64)
        if (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) >= 0:
            continue
        x0, y0 = np.floor(pixels[face, :2].min(0)).astype(int)
        local = pixels[face] - np.float32([x0, y0, 0])
        layers[y0 : y0 + 12, x0 : x0 + 12] += rasterize(local, np.int32([[0, 1, 2]]), 12, 12).face >= 0
    np.testing.assert_array_equal(layers, front)
    radius = 250.0 * 0.1 / np.sqrt(0.5**2 - 0.1**2)
    assert front.sum() == pytest.approx(np.pi * radius**2, rel=0.01)


def test_weights_and_depth_are_those_of_rays(scenes):
    """Rays through the pixel centres and Moeller and Trumbore's intersection see the same points."""
    rng = np.random.default_rng(3)
    faces = np.arange(36, dtype=np.int32).reshape(12, 3)
    corners = rng.uniform([-0.2, -0.2, 0.2], [0.2, 0.2, 0.9], (36, 3)).astype(np.float32)
    matrix = scenes.camera(60.0, 48)
    pixels = corners @ matrix.T
    pixels = np.concatenate([pixels[:, :2] / pixels[:, 2:], corners[:, 2:]], 1).astype(np.float32)
    got = rasterize(pixels, faces, 48, 48)
    y, x = np.mgrid[:48, :48]
    rays = np.stack([x, y, np.ones_like(x)], -1) @ np.linalg.inv(matrix).T
    depth = np.full((48, 48), np.inf)
    for a, b, c in corners[faces].astype(np.float64):
        p = np.cross(rays, c - a)
        det = p @ (b - a)
        u = p @ -a / det
        q = np.cross(-a, b - a)
        v = rays @ q / det
        t = q @ (c - a) / det
        depth = np.where((u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0) & (t < depth), t, depth)
    seen = got.face >= 0
    assert (seen == np.isfinite(depth)).mean() > 0.995
    both = seen & np.isfinite(depth)
    assert both.sum() > 300
    points = np.einsum("nk,nkd->nd", got.bary[both], corners[faces[got.face[both]]])
    back = points @ matrix.T
    # Snapping moves corners by up to 1/512 pixel, which a slanted triangle turns into more along its depth.
    np.testing.assert_allclose(back[:, :2] / back[:, 2:], np.stack([x, y], -1)[both], atol=0.004)
    np.testing.assert_allclose(points[:, 2], got.depth[both], rtol=1e-5)
    assert np.median(np.abs(got.depth[both] - depth[both])) < 1e-4
    assert np.quantile(np.abs(got.depth[both] - depth[both]), 0.97) < 5e-3


def test_depth_decides_whatever_the_order():
    near_one = np.float32([[-5, -5, 0.5], [30, -5, 0.5], [-5, 30, 0.5]])
    far_one = np.float32([[-5, -5, 0.9], [30, -5, 0.9], [-5, 30, 0.9]])
    vertices = np.concatenate([near_one, far_one])
    faces = np.int32([[0, 1, 2], [3, 4, 5]])
    assert (rasterize(vertices, faces, 4, 4).face == 0).all()
    assert (rasterize(vertices, faces[::-1].copy(), 4, 4).face == 1).all()


@pytest.mark.parametrize(
    "bad",
    [
        (np.nan, 2, 0.5),
        (2, np.inf, 0.5),
        (2, 2, np.nan),
        (2, 2, np.inf),
        (2, 2, 0.01),
        (2, 2, 0.0),
        (2, 2, -0.5),
        (3e7, 2, 0.5),
    ],
)
def test_a_triangle_with_a_bad_vertex_is_left_out_and_no_other(bad):
    vertices = np.float32([[-5, -5, 0.5], [30, -5, 0.5], [-5, 30, 0.5], bad])
    good = np.int32([[0, 1, 2]])
    alone = rasterize(vertices, good, 5, 5)
    with_bad = rasterize(vertices, np.int32([[0, 1, 3], [3, 2, 1], [0, 1, 2]]), 5, 5)
    assert (alone.face == 0).all()
    assert (with_bad.face == 2).all()
    np.testing.assert_array_equal(alone.depth, with_bad.depth)


def test_degenerate_and_distant_triangles_leave_the_picture_empty():
    vertices = np.float32([[1, 1, 1], [2, 2, 1], [3, 3, 1], [900, 1, 1], [950, 2, 1], [900, 8, 1], [-90, -9, 1]])
    faces = np.int32([[0, 1, 2], [0, 0, 1], [1, 1, 1], [3, 4, 5], [6, 6, 6]])
    got = rasterize(vertices, faces, 5, 7)
    assert (got.face == -1).all()
    assert (got.bary == 0).all()
    assert np.isinf(got.depth).all()
    assert got.face.shape == (5, 7)
    none = rasterize(vertices, np.zeros((0, 3), np.int32), 2, 3)
    assert (none.face == -1).all()


def test_a_triangle_far_larger_than_the_picture_fills_it():
    vertices = np.float32([[-9e5, -9e5, 1], [9e5, -9e5, 1], [0, 9e5, 1]])
    assert (rasterize(vertices, np.int32([[0, 1, 2]]), 6, 6).face == 0).all()


def test_bad_arguments_are_named():
    vertices = np.zeros((3, 3), np.float32)
    with pytest.raises(PalmarError, match=r"0\.\.2"):
        rasterize(vertices, np.int32([[0, 1, 3]]), 4, 4)
    with pytest.raises(PalmarError, match=r"0\.\.2"):
        rasterize(vertices, np.int32([[0, 1, -1]]), 4, 4)
    with pytest.raises(PalmarError, match="height 0"):
        rasterize(vertices, np.int32([[0, 1, 2]]), 0, 4)


def test_visible_is_the_near_half_of_a_ball(scenes):
    ball = scenes.sphere((0.02, -0.01, 0.5), 0.1, subdivisions=4)
    matrix = scenes.camera(250.0, 128)
    depth = rasterize(project(ball, matrix), ball.faces, 128, 128).depth
    seen = visible(ball.vertices, depth, matrix, 0.002)
    facing = -(ball.normals * ball.vertices).sum(-1) / np.linalg.norm(ball.vertices, axis=-1)
    assert seen[facing > 0.5].all()
    assert not seen[facing < -0.4].any()
    assert visible(ball.vertices, depth, matrix, 0.5).all()


def test_visible_needs_a_place_in_the_picture():
    depth = np.full((4, 6), np.inf, np.float32)
    matrix = np.array([[10.0, 0, 0], [0, 10.0, 0], [0, 0, 1]])
    points = [[0, 0, 1], [0.54, 0.34, 1], [0.56, 0, 1], [0, 0.36, 1], [-0.04, 0, 1], [-0.06, 0, 1]]
    np.testing.assert_array_equal(
        visible(np.array(points), depth, matrix, 0.0), [True, True, False, False, True, False]
    )
    bad = np.array([[[0, 0, -1], [0, 0, 0]], [[np.nan, 0, 1], [0, 0, np.nan]]])
    assert not visible(bad, depth, matrix, 0.0).any()
