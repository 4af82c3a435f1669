"""Flow against closed forms, against the pictures, and against itself in the other direction."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.geometry.camera import Camera, KannalaBrandt
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.synth.cameras import look_at, moving
from palmar.synth.sense import flow as F
from palmar.synth.sense import geometry, masks, rgb
from palmar.synth.sense.flow import Fate
from palmar.synth.world import Kind, View, shoot

CAMERA = Camera.from_fov(96, 72, 1.0)


@pytest.fixture(scope="module")
def pair(scene, view):
    """Two shots of the moving hands from a camera that moves too."""
    poses = {0.2: np.eye(4), 0.3: look_at(np.array([0.01, 0.005, 0.01]), np.array([0.02, 0.0, 0.5]))}
    moving_view = replace(view, world_from_camera=lambda t: poses[t])
    return tuple(shoot(scene, moving_view, t) for t in poses)


@pytest.mark.parametrize("lens", [None, KannalaBrandt(0.02, -0.004)])
def test_a_plane_that_moves_and_turns(lens, rigid, shapes):
    grid, _, pose = shapes
    places = [pose((0.3, 0.2, 0), (0, 0, 0.7)), pose((0.1, 0.5, 0.1), (0.03, -0.02, 0.75))]
    scene = rigid([(grid(1.4, 30), Kind.ROOM)], lambda k, t: places[round(t)])
    camera = replace(CAMERA, distortion=lens)
    here, there = (shoot(scene, View.still(camera), float(t)) for t in (0, 1))
    found = F.flow(here, there)
    # The same by hand: the pixel's ray meets the plane, the point moves rigidly, and is projected.
    rays = geometry.rays(camera)
    n, p = places[0][:3, 2], places[0][:3, 3]
    point = rays * ((n @ p) / (rays @ n))[..., None]
    moved = (point - p) @ places[0][:3, :3] @ places[1][:3, :3].T + places[1][:3, 3]
    truth = camera.project(moved) - np.stack(np.meshgrid(np.arange(96), np.arange(72)), -1)
    inner = here.buffers.face >= 0
    assert inner.mean() > 0.8
    off = np.linalg.norm(found.vectors - truth, axis=-1)[inner]
    assert np.quantile(off, 0.98) < 1e-3
    assert np.linalg.norm(truth, axis=-1)[inner].mean() > 3


def test_the_background_turns_with_the_camera(rigid, shapes):
    grid, _, pose = shapes
    scene = rigid([(grid(0.05, 2), Kind.THING)], lambda k, t: pose((0, 0, 0), (0, 0, 0.5)))
    turn = np.eye(4)
    turn[:3, :3] = rotmat_from_rotvec(np.array([0.02, -0.05, 0.1]))
    shifted = turn.copy()
    shifted[:3, 3] = (0.1, -0.05, 0.02)
    view = View(CAMERA, lambda t: np.eye(4) if t == 0 else turn if t == 1 else shifted)
    here = shoot(scene, view, 0.0)
    empty = here.buffers.face < 0
    vectors = F.flow(here, shoot(scene, view, 1.0)).vectors
    homography = CAMERA.matrix @ turn[:3, :3].T @ np.linalg.inv(CAMERA.matrix)
    x, y = np.meshgrid(np.arange(96.0), np.arange(72.0))
    q = np.stack([x, y, 1 + 0 * x], -1) @ homography.T
    np.testing.assert_allclose(vectors[empty], (q[..., :2] / q[..., 2:] - np.stack([x, y], -1))[empty], atol=1e-4)
    again = F.flow(here, shoot(scene, view, 2.0)).vectors  # infinitely far: a shift changes nothing
    np.testing.assert_allclose(again[empty], vectors[empty], atol=1e-4)


def test_what_stands_still_does_not_flow(scene, view):
    shot = shoot(scene, view, 0.4)
    found = F.flow(shot, shot)
    assert (found.fate == Fate.SEEN).all()
    assert np.quantile(np.abs(found.vectors), 0.95) < 1e-6
    assert np.abs(found.vectors).max() < 0.02


def test_there_and_back(pair):
    here, there = pair
    onward, back = F.flow(here, there), F.flow(there, here)
    height, width = onward.fate.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    gone = np.stack([x, y], -1) + onward.vectors
    returned = cv2.remap(back.vectors, gone[..., 0], gone[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    gap = np.linalg.norm(onward.vectors + returned, axis=-1)
    seen = onward.fate == Fate.SEEN
    assert seen.mean() > 0.8
    # Beside an outline the bilinear look-up mixes two motions; everywhere else the way back is the way there.
    outline = cv2.dilate(
        (cv2.Laplacian(masks.instance(here).astype(np.float32), -1) != 0).astype(np.uint8), np.ones((7, 7))
    )
    inner = seen & (outline == 0)
    assert inner.mean() > 0.5
    assert np.quantile(gap[inner], 0.99) < 0.1
    assert np.median(gap[inner]) < 5e-3
    hidden = onward.fate == Fate.HIDDEN
    assert hidden.sum() > 30
    assert np.median(gap[hidden]) > 1.0


def test_hidden_means_another_surface_is_there(pair, scene):
    """Asked of a picture eight times as fine, taken from there."""
    here, there = pair
    found = F.flow(here, there)
    height, width = found.fate.shape
    camera = there.camera.resized(8 * width, 8 * height)
    fine = masks.instance(shoot(scene, View(camera, lambda t: there.camera.world_from_camera), 0.3))
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    goal = (np.stack([x, y], -1) + found.vectors + 0.5) * 8 - 0.5
    column = np.clip(np.floor(goal[..., 0] + 0.5), 0, 8 * width - 1).astype(int)
    row = np.clip(np.floor(goal[..., 1] + 0.5), 0, 8 * height - 1).astype(int)
    owner_here, owner_there = masks.instance(here), fine[row, column]
    seen, hidden = found.fate == Fate.SEEN, found.fate == Fate.HIDDEN
    assert (owner_here == owner_there)[seen].mean() > 0.99
    wall = owner_here == 5
    assert (hidden & wall).sum() > 50
    assert (owner_there != 5)[hidden & wall].mean() > 0.97
    assert ((owner_there != 5) & wall & seen).sum() < 0.01 * wall.sum()


def test_pictures_warp_onto_each_other(scene, pair):
    here, there = pair
    view = View(here.camera, lambda t: (here if t == 0.2 else there).camera.world_from_camera)
    flat = replace(
        scene,
        light=replace(
            scene.light, directions=np.zeros((0, 3), np.float32), colours=np.zeros((0, 3), np.float32), shadows=None
        ),
    )
    first = rgb.linear(flat, view, 0.2, shot=replace(here, light=flat.light))
    second = rgb.linear(flat, view, 0.3, shot=replace(there, light=flat.light))
    found = F.flow(here, there)
    x, y = np.meshgrid(np.arange(first.shape[1], dtype=np.float32), np.arange(first.shape[0], dtype=np.float32))
    warp = cv2.remap(second, x + found.vectors[..., 0], y + found.vectors[..., 1], cv2.INTER_LINEAR)
    seen = found.fate == Fate.SEEN
    off, before = np.abs(warp - first).mean(-1)[seen], np.abs(second - first).mean(-1)[seen]
    assert np.median(off) < 0.02
    assert off.mean() < 0.25 * before.mean()


def test_outside_and_behind(scene, view):
    away = View(view.camera, lambda t: np.eye(4) if t == 0 else look_at(np.zeros(3), np.array([0.0, 0, -1])))
    found = F.forward(scene, away, 0.0, 0.5)
    assert (found.fate == Fate.OUTSIDE).all()
    assert np.isnan(found.vectors).all()


def test_backward_is_the_other_direction(scene, view):
    found = F.backward(scene, view, 0.2, 0.1)
    again = F.flow(shoot(scene, view, 0.3), shoot(scene, view, 0.2))
    np.testing.assert_array_equal(found.vectors, again.vectors)


def test_flow_between_cameras_is_disparity(scene, view):
    right = np.eye(4)
    right[0, 3] = 0.06
    here, there = shoot(scene, view, 0.3), shoot(scene, View.still(view.camera, right), 0.3)
    vectors = F.flow(here, there).vectors
    on = here.buffers.face >= 0
    np.testing.assert_allclose(vectors[..., 0][on], -(view.camera.fx * 0.06 / geometry.depth(here))[on], atol=0.03)
    assert np.quantile(np.abs(vectors[..., 1][on]), 0.99) < 1e-3


def test_scene_flow_ignores_the_camera(pair, scene):
    here, there = pair
    found = F.scene_flow(here, there)
    numbers = masks.instance(here)
    assert np.abs(found[numbers == 5]).max() < 1e-5  # the wall
    hand = scene.at(0.3).hands[0].joints[9] - scene.at(0.2).hands[0].joints[9]
    palm = (masks.part(here) == 0) & (numbers == 2)
    np.testing.assert_allclose(np.median(found[palm], axis=0), hand, atol=2e-3)


def test_other_scenes_are_refused(scene, view, rigid, shapes):
    grid, _, _ = shapes
    other = shoot(rigid([(grid(1.0, 2), Kind.ROOM)], lambda k, t: shapes[2]((0, 0, 0), (0, 0, 1))), view)
    with pytest.raises(PalmarError, match="different faces"):
        F.flow(shoot(scene, view, 0.0), other)


def test_the_wheel_shows_direction_and_length():
    vectors = np.zeros((1, 4, 2), np.float32)
    vectors[0, 1], vectors[0, 2], vectors[0, 3] = (2, 0), (-2, 0), (np.nan, np.nan)
    picture = F.wheel(vectors, 2.0)
    assert (picture[0, 0] == 255).all()
    assert picture[0, 1, 0] == 255
    assert picture[0, 1, 1] < 100
    assert picture[0, 2, 0] == 0
    assert (picture[0, 3] == 127).all()


def test_a_path_of_a_camera_can_be_followed(scene):
    view = moving(np.random.default_rng(0), np.array([0.0, 0.0, 0.45]), size=(64, 48))
    found = F.forward(scene, view, 0.1, 1 / 30)
    assert (found.fate == Fate.SEEN).mean() > 0.7
