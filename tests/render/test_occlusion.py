"""Ambient occlusion against shapes whose share of open sky is known."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from palmar.errors import PalmarError
from palmar.render import Mesh, ambient_occlusion, spread_directions


def test_the_spread_is_even():
    d = spread_directions(200)
    np.testing.assert_allclose(np.linalg.norm(d, axis=-1), 1.0)
    np.testing.assert_allclose(d.mean(0), 0.0, atol=0.01)
    np.testing.assert_allclose(d.T @ d / 200, np.eye(3) / 3, atol=0.01)


@pytest.mark.parametrize("closed", [False, True])
def test_nothing_hides_the_sky_from_a_ball(scenes, closed):
    ball = scenes.sphere((0, 0, 0.5), 0.1, subdivisions=3)
    open_ = ambient_occlusion(ball.vertices, ball.faces, closed=np.full(len(ball.faces), closed))
    assert open_.min() > 0.93
    assert open_.mean() > 0.99


def test_inside_a_box_it_is_dark():
    box = trimesh.creation.box((0.2, 0.2, 0.2)).subdivide().subdivide()
    faces = np.asarray(box.faces, np.int32)[:, ::-1].copy()  # seen from inside
    dark = ambient_occlusion(np.asarray(box.vertices, np.float32), faces, directions=32)
    inside_a_side = (np.abs(np.abs(box.vertices) - 0.1) < 1e-6).sum(1) == 1  # not on the box's edges
    assert dark[inside_a_side].max() < 0.1
    assert dark.mean() < 0.15


def test_a_wall_takes_its_share_of_the_sky():
    """At the foot of a wall half of the light is left, farther off more, by the closed form for a long wall."""
    x = np.linspace(0, 1, 41)
    floor_xy = np.stack(np.meshgrid(x, np.linspace(-2, 2, 41), indexing="ij"), -1).reshape(-1, 2)
    floor = np.concatenate([floor_xy, np.zeros((len(floor_xy), 1))], 1)
    index = np.arange(41 * 41).reshape(41, 41)
    a, b, c, d = index[:-1, :-1].ravel(), index[1:, :-1].ravel(), index[:-1, 1:].ravel(), index[1:, 1:].ravel()
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
    wall = np.array([[0, -2, 0], [0, 2, 0], [0, 2, 2], [0, -2, 2]], float)
    vertices = np.concatenate([floor, wall]).astype(np.float32)
    n = len(floor)
    faces = np.concatenate([faces, [[n, n + 1, n + 2], [n, n + 2, n + 3]]]).astype(np.int32)
    share = ambient_occlusion(vertices, faces, directions=200, size=128)[:n].reshape(41, 41)
    # A wall that rises to the elevation e hides (1 - cos e) / 2 of a level patch's light.
    expected = (1 + np.cos(np.arctan2(2.0, x))) / 2
    np.testing.assert_allclose(share[4:, 15:26].mean(1), expected[4:], atol=0.06)
    assert expected[-1] - expected[4] > 0.19


def test_the_gap_between_two_balls_is_darker(scenes):
    two = Mesh.concatenate([scenes.sphere((s * 0.0105, 0, 0.5), 0.01, subdivisions=3) for s in (-1, 1)])
    share = ambient_occlusion(two.vertices, two.faces, closed=np.ones(len(two.faces), bool))
    inner = np.abs(two.vertices[:, 0]) < 0.003
    outer = np.abs(two.vertices[:, 0]) > 0.015
    assert share[outer].mean() > 0.97
    assert share[inner].mean() < 0.7


def test_bad_arguments_are_named(scenes):
    ball = scenes.sphere((0, 0, 0.5), 0.1, subdivisions=1)
    with pytest.raises(PalmarError, match="1 direction"):
        ambient_occlusion(ball.vertices, ball.faces, directions=0)
