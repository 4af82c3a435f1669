"""Meshes: normals, checks, and several as one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.render import Mesh, render, vertex_normals


def test_normals_of_a_ball_point_away_from_its_middle(scenes):
    ball = scenes.sphere((0.1, -0.2, 0.7), 0.05, subdivisions=3)
    normals = vertex_normals(ball.vertices, ball.faces)
    np.testing.assert_allclose(normals, ball.normals, atol=0.02)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1.0, atol=1e-6)


def test_normals_equal_their_definition():
    rng = np.random.default_rng(0)
    vertices = rng.normal(size=(12, 3)).astype(np.float32)
    faces = rng.integers(0, 11, (15, 3)).astype(np.int32)
    expected = np.zeros((12, 3))
    for a, b, c in faces:
        for v in (a, b, c):
            expected[v] += np.cross(vertices[b] - vertices[a], vertices[c] - vertices[a])
    length = np.linalg.norm(expected, axis=-1, keepdims=True)
    expected = np.where(length > 0, expected / np.maximum(length, 1e-12), [0, 0, -1])
    np.testing.assert_allclose(vertex_normals(vertices, faces), expected, atol=1e-5)


def test_a_triangle_that_is_not_finite_spoils_no_neighbour():
    vertices = np.float32([[0, 0, 1], [0, 1, 1], [1, 0, 1], [np.nan, 0, 1]])
    normals = vertex_normals(vertices, np.int32([[0, 1, 2], [0, 1, 3]]))
    np.testing.assert_array_equal(normals, np.float32([[0, 0, -1]] * 4))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("albedo", np.zeros((3, 3), np.float32), r"Mesh\.albedo: expected shape \(4, 3\), got \(3, 3\)"),
        ("part", np.zeros(5, np.uint8), r"Mesh\.part"),
        ("faces", np.int32([[0, 1, 4]]), r"0\.\.3"),
        ("texture", np.ones((1, 4, 4, 3), np.float32), r"Mesh\.texture"),
        ("texture", np.ones((1, 4, 4, 4), np.float32), "needs uv"),
    ],
)
def test_a_mesh_checks_itself(scenes, name, value, message):
    with pytest.raises(PalmarError, match=message):
        replace(scenes.square((0, 0, 1), 0.1), **{name: value})


def test_a_layer_that_is_not_there_is_named(scenes):
    textured = {"uv": np.zeros((2, 3, 2), np.float32), "texture": np.ones((1, 2, 2, 4), np.float32)}
    with pytest.raises(PalmarError, match="layer 1"):
        scenes.square((0, 0, 1), 0.1, layer=np.int16([0, 1]), **textured)


def test_two_meshes_as_one_look_like_the_nearer_in_front_of_the_other(scenes):
    matrix, light = scenes.camera(100.0, 32), scenes.uniform()
    near = scenes.sphere((-0.03, 0, 0.5), 0.05, albedo=0.8, part=np.full(2562, 1, np.uint8))
    far = scenes.sphere((0.03, 0, 0.7), 0.06, albedo=0.3, part=np.full(2562, 2, np.uint8))
    alone = [render(m, matrix, 32, 32, light, merge=0.0) for m in (near, far)]
    both = render(Mesh.concatenate([far, near]), matrix, 32, 32, light, merge=0.0)
    front = alone[0].alpha == 1
    assert front.sum() > 150
    np.testing.assert_array_equal(both.rgb[front], alone[0].rgb[front])
    np.testing.assert_array_equal(both.part[front], 1)
    back = (alone[0].alpha == 0) & (alone[1].alpha > 0)
    assert back.sum() > 50
    np.testing.assert_array_equal(both.rgb[back], alone[1].rgb[back])
    np.testing.assert_array_equal(both.face[back], alone[1].face[back])
    np.testing.assert_array_equal(both.face[front], alone[0].face[front] + len(far.faces))


def test_concatenating_fills_in_what_a_mesh_does_not_say(scenes):
    uv = np.zeros((2, 3, 2), np.float32)
    plain = scenes.square((0, 0, 1), 0.1)
    one = scenes.square(
        (0, 0, 2), 0.1, uv=uv, texture=np.ones((1, 2, 3, 4), np.float32), roughness=np.full(4, 0.2, np.float32)
    )
    two = scenes.square(
        (0, 0, 3),
        0.1,
        uv=uv,
        texture=np.ones((2, 2, 3, 4), np.float32),
        layer=np.int16([1, -1]),
        closed=np.ones(2, bool),
    )
    mesh = Mesh.concatenate([plain, one, two])
    np.testing.assert_array_equal(mesh.layer, [-1, -1, 0, 0, 2, -1])
    np.testing.assert_array_equal(mesh.roughness, np.float32([0.5] * 4 + [0.2] * 4 + [0.5] * 4))
    np.testing.assert_array_equal(mesh.closed, [False] * 4 + [True] * 2)
    assert mesh.texture.shape == (3, 2, 3, 4)
    assert mesh.occlusion is None
    assert mesh.part is None
    np.testing.assert_array_equal(mesh.faces[4:], two.faces + 8)
    with pytest.raises(PalmarError, match="differ in size"):
        Mesh.concatenate([one, replace(two, texture=np.ones((2, 4, 3, 4), np.float32))])
    with pytest.raises(PalmarError, match="at least one"):
        Mesh.concatenate([])
