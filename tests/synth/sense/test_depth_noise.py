"""Depth cameras: each fault where its cause is, as large as measured on real ones."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.render import Mesh
from palmar.synth.sense import depth_noise as D
from palmar.synth.sense import geometry, masks
from palmar.synth.sense.depth_noise import CLOSE, KINECT, StructuredLight, TimeOfFlight
from palmar.synth.world import Kind, Piece, View, shoot

IR = Camera(160, 120, 580.0, 580.0, 79.5, 59.5)
WIDE = Camera.from_fov(120, 90, 1.0)
QUIET = TimeOfFlight(noise=0.0, wiggle=0.0, bounces=0.0, stray=0.0, samples=1)


def grey(mesh: Mesh, value: float) -> Mesh:
    return replace(mesh, albedo=np.full_like(mesh.albedo, value))


@pytest.fixture(scope="module")
def wall(rigid, shapes):
    """shot of a wall at a depth, turned about the vertical, of a reflectance."""
    grid, _, pose = shapes

    def make(z, turn=0.0, value=0.6, camera=IR):
        scene = rigid([(grey(grid(8.0, 4), value), Kind.ROOM)], lambda k, t: pose((0, turn, 0), (0, 0, z)))
        return shoot(scene, View.still(camera))

    return make


@pytest.fixture(scope="module")
def step(rigid, shapes):
    """A square of 0.2 m at 0.8 m before a wall at 1.4 m."""
    grid, _, pose = shapes
    meshes = [(grey(grid(0.2, 2), 0.6), Kind.THING), (grey(grid(8.0, 4), 0.6), Kind.ROOM)]
    return shoot(rigid(meshes, lambda k, t: pose((0, 0, 0), (0, 0, 0.8 + 0.6 * k))), View.still(WIDE))


# ------------------------------------------------------------------------------------------------ structured light


@pytest.mark.parametrize(("z", "turn"), [(0.6, 0.0), (1.0, 0.0), (2.0, 0.0), (3.5, 0.0), (1.0, 0.7)])
def test_axial_noise_is_as_measured(wall, z, turn):
    shot = wall(z, turn)
    read = D.structured_light(shot, np.random.default_rng(0), KINECT)
    truth = geometry.depth(shot)
    on = (read > 0) & (np.abs(truth - z) < 0.1)
    assert on.mean() > 0.2
    off = (read - truth)[on]
    known = D.axial_sigma(truth[on].astype(float), np.full(on.sum(), turn)).mean()
    assert off.std() == pytest.approx(known, rel=0.2)
    assert abs(off.mean()) < 0.3 * known + z * z * 1e-4


def test_steep_surfaces_are_noisier():
    steep, mild = D.axial_sigma(np.ones(2), np.radians(np.array([80.0, 30.0])))
    assert steep > 2 * mild
    np.testing.assert_allclose(D.axial_sigma(np.ones(1), np.zeros(1)), 0.0012 + 0.0019 * 0.36)
    np.testing.assert_allclose(D.lateral_sigma(np.zeros(1)), 0.8)


def test_disparity_comes_in_eighths(wall):
    read = D.structured_light(wall(2.0), np.random.default_rng(0))
    steps = 8 * 580 * 0.075 / read[read > 0]
    np.testing.assert_allclose(steps, np.rint(steps), atol=2e-3)
    assert len(np.unique(read[read > 0])) < 20


def test_the_shadow_is_on_the_side_away_from_the_projector(step):
    quiet = StructuredLight(axial=0, lateral=0, torn=0, window=1)
    for sign in (1, -1):
        read = D.structured_light(step, np.random.default_rng(0), replace(quiet, baseline=sign * 0.075))
        row = read[45]
        square = np.flatnonzero(np.isclose(row, 0.8, atol=0.01))
        assert len(square) == pytest.approx(WIDE.fx * 0.2 / 0.8, abs=1)
        holes = np.flatnonzero(row == 0)
        width = WIDE.fx * 0.075 * (1 / 0.8 - 1 / 1.4)
        assert len(holes) == pytest.approx(width, abs=1.1)
        assert (holes < square[0]).all() if sign > 0 else (holes > square[-1]).all()


def test_outlines_are_torn_and_ragged(rigid, shapes):
    grid, _, pose = shapes
    meshes = [(grey(grid(0.1, 2), 0.6), Kind.THING), (grey(grid(8.0, 4), 0.6), Kind.ROOM)]
    shot = shoot(rigid(meshes, lambda k, t: pose((0, 0, 0), (0, 0, 0.8 + 0.6 * k))), View.still(IR))
    kept = [D.structured_light(shot, np.random.default_rng(k)) for k in range(6)]
    square = masks.kind(shot) == Kind.THING
    rim = square & ~np.roll(square, -1, 1)  # right rim, away from the shadow
    rim &= np.roll(square, 3, 0) & np.roll(square, -3, 0)
    beside = np.roll(rim, 1, 1)
    inner = cv2.erode(square.astype(np.uint8), np.ones((13, 13))) > 0
    lost = np.mean([(r[rim | beside] == 0).mean() for r in kept])
    assert 0.25 < lost < 0.8
    assert all((r[inner] > 0).all() for r in kept)
    assert all(np.abs(r[inner] - 0.8).max() < 0.02 for r in kept)
    on = lambda where, z: np.mean([(np.abs(r[where] - z) < 0.05).mean() for r in kept])  # noqa: E731
    assert on(rim, 1.4) > 0.02  # some of the square reads the wall
    assert on(beside, 0.8) > 0.02  # and the other way round
    assert on(rim, 0.8) > on(beside, 0.8)


def test_dark_far_and_near_surfaces_give_nothing(wall):
    read = lambda **k: D.structured_light(wall(**k), np.random.default_rng(0))  # noqa: E731
    assert (read(z=1.5, value=0.02) == 0).all()
    assert (read(z=5.0) == 0).all()
    assert (read(z=0.1) == 0).all()
    assert (read(z=1.5) > 0).mean() > 0.95
    near = D.structured_light(wall(0.3), np.random.default_rng(0), CLOSE)
    assert (near > 0).mean() > 0.95
    assert near.std() == pytest.approx(0.0012 + 0.0019 * 0.01, rel=0.2)
    assert (D.structured_light(wall(0.3), np.random.default_rng(0), KINECT) == 0).all()


def test_nothing_there_gives_nothing(scene, view):
    def at(time):
        moment = scene.at(time)
        return replace(moment, pieces=tuple(p for p in moment.pieces if p.kind != Kind.ROOM))

    shot = shoot(replace(scene, at=at), view, 0.3)
    read = D.structured_light(shot, np.random.default_rng(0))
    assert 0.3 < (read > 0)[shot.buffers.face >= 0].mean() < 1
    tof, _ = D.time_of_flight(shot, np.random.default_rng(0))
    assert (tof[:10, :10] == 0).all()


# -------------------------------------------------------------------------------------------------- time of flight


def test_a_perfect_one_is_exact(wall):
    for shot in (wall(1.0, 0.4, camera=WIDE), wall(2.6, -0.3, camera=WIDE)):
        z, _ = D.time_of_flight(shot, np.random.default_rng(0), QUIET)
        on = z > 0
        assert on.mean() > 0.95
        np.testing.assert_allclose(z[on], geometry.depth(shot)[on], atol=1e-5)


def test_range_noise_grows_with_distance_and_darkness(wall):
    settings = replace(QUIET, noise=0.0035)

    def spread(z, value=0.8):
        shot = wall(z, value=value)
        off = D.time_of_flight(shot, np.random.default_rng(0), settings)[0] - geometry.depth(shot)
        assert abs(off.mean()) < 3e-4
        return off.std()

    assert spread(1.0) == pytest.approx(0.0012, rel=0.15)
    assert 0.003 < spread(4.0) < 0.009
    assert spread(1.0, 0.2) > 1.8 * spread(1.0, 0.8)


def test_flying_pixels_lie_between_and_only_at_outlines(step):
    z, _ = D.time_of_flight(step, np.random.default_rng(0), replace(QUIET, samples=2, stray=0.5))
    flying = (z > 0.83) & (z < 1.35)
    assert flying.sum() > 20
    kinds = masks.kind(step) == Kind.THING
    edge = cv2.dilate(kinds.astype(np.uint8), np.ones((5, 5))) - cv2.erode(kinds.astype(np.uint8), np.ones((5, 5)))
    assert not (flying & (edge == 0)).any()


def corner(shapes, angle):
    """Two walls that meet before the camera, hollow for a positive angle."""
    grid, _, pose = shapes
    white = grey(grid(0.6, 2), 0.9)
    out = []
    for sign in (-1, 1):
        mesh = replace(white, vertices=(white.vertices + np.array([sign * 0.3, 0, 0])).astype(np.float32))
        turned = pose((0, sign * angle, 0), (0, 0, 0.9))
        out.append(replace(mesh, vertices=(mesh.vertices @ turned[:3, :3].T + turned[:3, 3]).astype(np.float32)))
    return Mesh.concatenate(out)


def test_hollows_read_too_far_and_ridges_do_not(rigid, shapes):
    settings = replace(QUIET, bounces=1.0)
    bias = []
    for angle in (0.8, -0.8):
        shot = shoot(rigid([(corner(shapes, angle), Kind.ROOM)]), View.still(WIDE))
        z, _ = D.time_of_flight(shot, np.random.default_rng(0), settings)
        truth = geometry.depth(shot)
        on = (z > 0) & np.isfinite(truth)
        bias.append((z - truth)[on & (np.abs(np.arange(120) - 59.5) < 20)])
    hollow, ridge = bias
    assert 0.01 < np.median(hollow) < 0.15
    assert np.abs(ridge).max() < 1e-4


def test_wiggling_is_periodic_in_distance(wall):
    settings = replace(QUIET, wiggle=0.004)
    depths = np.linspace(0.5, 1.5, 21)
    errors = [np.median(D.time_of_flight(wall(z), np.random.default_rng(0), settings)[0]) - z for z in depths]
    assert 0.002 < np.max(errors) < 0.0045
    assert -0.0045 < np.min(errors) < -0.002


def test_dark_and_grazing_surfaces_give_nothing(wall):
    dark, _ = D.time_of_flight(wall(3.0, value=0.03), np.random.default_rng(0))
    assert (dark > 0).mean() < 0.05
    steep = wall(2.0, 1.53, value=0.3)
    seen = np.isfinite(geometry.depth(steep)) & (geometry.depth(steep) < 5)
    assert (D.time_of_flight(steep, np.random.default_rng(0))[0] > 0)[seen].mean() < 0.6


def test_the_same_generator_gives_the_same_reading(step):
    for sensor in (D.structured_light, lambda s, r: D.time_of_flight(s, r)[0]):
        one, two, other = (sensor(step, np.random.default_rng(k)) for k in (1, 1, 2))
        np.testing.assert_array_equal(one, two)
        assert (one != other).mean() > 0.2


def test_settings_are_checked():
    with pytest.raises(PalmarError, match="near < far"):
        StructuredLight(near=2.0, far=1.0)
    with pytest.raises(PalmarError, match="frequency"):
        TimeOfFlight(frequency=1e6)


def test_skin_is_bright_in_the_infrared_whatever_its_tone(scene, view):
    def painted(value):
        moment = scene.at(0.0)
        return replace(
            moment,
            pieces=tuple(
                Piece(grey(p.mesh, value), p.kind, p.instance) if p.kind == Kind.HAND else p for p in moment.pieces
            ),
        )

    for value in (0.03, 0.6):
        shot = shoot(replace(scene, at=lambda t, v=value: painted(v)), view)
        ir = D.infrared(shot)[: shot.first_vertex[1]]
        assert 0.45 < ir.min() <= ir.max() < 0.7
