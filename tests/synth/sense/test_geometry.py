"""Depth, normals and coordinates against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from palmar.geometry.camera import Camera, KannalaBrandt
from palmar.hand import HandModel
from palmar.synth.cameras import look_at
from palmar.synth.sense import geometry, masks
from palmar.synth.world import Kind, View, shoot

LENSES = {
    "pinhole": Camera.from_fov(64, 48, 1.0),
    "fisheye": Camera(64, 48, 24.0, 24.0, 31.0, 24.0, KannalaBrandt(0.01, -0.003)),
}


@pytest.fixture(scope="module")
def shot(scene, view):
    return shoot(scene, view, 0.3)


@pytest.fixture(scope="module")
def seen(shot):
    return geometry.surface(shot)


@pytest.fixture(scope="module", params=LENSES)
def plane(request, rigid, shapes):
    """A tilted square before a lens, with its pose and the shot."""
    grid, _, pose = shapes
    world_from_plane = pose((0.5, -0.4, 0.2), (0.05, 0.0, 0.8))
    scene = rigid([(grid(1.0, 40), Kind.ROOM)], lambda k, t: world_from_plane)
    return world_from_plane, shoot(scene, View.still(LENSES[request.param])), LENSES[request.param]


def test_depth_of_a_plane_is_exact_through_any_lens(plane):
    pose, shot, camera = plane
    n, p = pose[:3, 2], pose[:3, 3]
    rays = geometry.rays(camera)
    with np.errstate(invalid="ignore"):
        truth = (n @ p) / (rays @ n)
    depth = geometry.depth(shot)
    on = np.isfinite(depth)
    assert on.sum() > 400
    # Vertices are float32, and a pixel over an edge of the square may be moved onto it.
    off = np.abs(depth - truth)[on] / truth[on]
    assert np.quantile(off, 0.97) < 2e-6
    assert off.max() < 2e-3
    far = geometry.distance(shot)
    np.testing.assert_allclose(far[on], (truth * np.linalg.norm(rays, axis=-1))[on], rtol=2e-3)
    assert np.isinf(depth[~on]).all()
    assert np.isinf(far[~on]).all()


def test_normals_of_a_plane(plane):
    pose, shot, _ = plane
    on = shot.buffers.face >= 0
    for flat in (False, True):
        normals = geometry.normals(shot, flat=flat)
        np.testing.assert_allclose(normals[on], np.broadcast_to(-pose[:3, 2], (on.sum(), 3)), atol=2e-4)
        assert (normals[~on] == 0).all()


def test_what_is_seen_from_behind_shows_its_inside(rigid, shapes):
    grid, _, pose = shapes
    scene = rigid([(grid(1.0, 2), Kind.ROOM)], lambda k, t: pose((0, np.pi, 0), (0, 0, 0.8)))
    normals = geometry.normals(shoot(scene, View.still(LENSES["pinhole"])))
    np.testing.assert_allclose(normals[24, 32], [0, 0, -1], atol=1e-5)


def test_depth_agrees_with_the_rasteriser(shot, seen):
    on = seen.face >= 0
    off = np.abs(geometry.depth(shot, seen) - shot.buffers.depth)[on]
    assert np.quantile(off, 0.99) < 3e-4
    assert (np.isfinite(geometry.depth(shot, seen)) == on).all()


def test_points_lie_on_their_pixels_rays(shot, seen):
    on = seen.face >= 0
    y, x = np.nonzero(on)
    off = np.abs(shot.camera.project(seen.points[on]) - np.stack([x, y], -1)).max(1)
    assert np.quantile(off, 0.95) < 1e-9
    assert off.max() < 0.02  # moved onto an edge, by the z-buffer's rounding
    np.testing.assert_allclose(seen.weights[on].sum(-1), 1, atol=1e-12)
    assert (seen.weights >= 0).all()


def test_normals_are_unit_and_face_the_camera(shot, seen):
    on = seen.face >= 0
    for flat in (False, True):
        normals = geometry.normals(shot, seen, flat=flat)[on]
        np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
        facing = np.einsum("nc,nc->n", normals, seen.points[on])
        assert (facing < 0).mean() > (0.9999 if flat else 0.98)  # smooth ones tilt past the rim


def test_world_coordinates_stay_where_they_are_when_the_camera_moves(scene, shot, seen):
    pose = look_at(np.array([0.12, -0.1, 0.05]), np.array([0.05, 0.0, 0.45]))
    other = shoot(scene, View.still(shot.camera, pose), 0.3)
    world = geometry.world_coordinates(other)
    on = np.isfinite(world[..., 0])
    camera = other.camera
    back = camera.project((world[on] - pose[:3, 3]) @ pose[:3, :3])
    y, x = np.nonzero(on)
    assert np.quantile(np.abs(back - np.stack([x, y], -1)), 0.99) < 1e-3
    wall = masks.kind(other) == Kind.ROOM
    np.testing.assert_allclose(world[wall][:, 2], 1.2, atol=1e-5)
    np.testing.assert_allclose(
        geometry.world_coordinates(shot, seen)[seen.face >= 0], seen.points[seen.face >= 0], 1e-5
    )


def test_thing_coordinates_lie_on_the_box(shot, seen):
    found = geometry.thing_coordinates(shot, seen)
    on = masks.kind(shot) == Kind.THING
    assert on.sum() > 50
    assert (np.isfinite(found[..., 0]) == on).all()
    share = np.abs(found[on]) / (shot.moment.things[0].size / 2)
    assert share.max() < 1.001
    np.testing.assert_allclose(share.max(1), 1, atol=1e-3)  # on one of its sides


def test_hand_coordinates_name_the_same_skin(shot, seen):
    found = geometry.hand_coordinates(shot, seen)
    numbers = masks.instance(shot)
    for hand in shot.moment.hands:
        on = (masks.kind(shot) == Kind.HAND) & (numbers == hand.instance)
        rest = found[on]
        template = HandModel.default(hand.side).template
        near = np.linalg.norm(rest[:, None] - template[None], axis=-1).argmin(1)
        skin = hand.vertices[near]  # world is camera here
        gap = np.linalg.norm(skin - seen.points[on], axis=1)
        assert np.median(gap) < 0.004
        assert gap.max() < 0.02
    assert np.isnan(found[masks.kind(shot) != Kind.HAND]).all()


def test_rays_are_kept_and_cannot_be_written(shot):
    rays = geometry.rays(shot.camera)
    assert geometry.rays(shot.camera) is rays
    with pytest.raises(ValueError, match="read-only"):
        rays[0, 0, 0] = 1
