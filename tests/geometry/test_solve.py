"""Triangulation, pose and translation: against OpenCV, exact data, noise, and data that determine nothing."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import least_squares

from palmar.errors import PalmarError
from palmar.geometry import (
    BrownConrady,
    Camera,
    KannalaBrandt,
    inverse,
    rigid,
    rotmat_from_rotvec,
    solve_pnp,
    solve_translation,
    transformed,
    triangulate,
    triangulate_views,
)

LENSES = [None, BrownConrady(-0.2, 0.05, 0.001, -0.001), KannalaBrandt(-0.02, 0.01)]
CAMERA = Camera.from_fov(640, 480, 1.1)


def rig(rng, n, lens=None) -> list[Camera]:
    poses = rigid(rotmat_from_rotvec(rng.normal(size=(n, 3)) * 0.1), rng.normal(size=(n, 3)) * 0.2)
    return [Camera(640, 480, 500.0 + 40 * i, 510.0, 320.0, 240.0, lens, pose) for i, pose in enumerate(poses)]


def views(cameras, points) -> np.ndarray:
    return np.stack([c.project(transformed(inverse(c.world_from_camera), points)) for c in cameras])


def test_transforms():
    rng = np.random.default_rng(0)
    a_from_b, b_from_c = rigid(rotmat_from_rotvec(rng.normal(size=(2, 4, 3))), rng.normal(size=(2, 4, 3)))
    points_c = rng.normal(size=(4, 7, 3))
    np.testing.assert_allclose(transformed(a_from_b @ b_from_c, points_c),
                               transformed(a_from_b, transformed(b_from_c, points_c)), atol=1e-12)
    np.testing.assert_allclose(inverse(a_from_b), np.linalg.inv(a_from_b), atol=1e-12)
    np.testing.assert_allclose(transformed(a_from_b, np.zeros((4, 1, 3)))[:, 0], a_from_b[:, :3, 3])


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize("n", [2, 5])
def test_exact_views_meet_in_the_point(lens, n):
    rng = np.random.default_rng(1)
    cameras, points = rig(rng, n, lens), rng.uniform([-0.3, -0.2, 1.0], [0.3, 0.2, 1.6], (21, 3))
    np.testing.assert_allclose(triangulate_views(cameras, views(cameras, points)), points, atol=1e-9)


def test_two_views_are_opencvs():
    rng = np.random.default_rng(2)
    cameras = [Camera(640, 480, 500.0, 500.0, 320.0, 240.0, None, c.world_from_camera) for c in rig(rng, 2)]
    points = rng.uniform([-0.3, -0.2, 1.0], [0.3, 0.2, 1.6], (21, 3))
    pixels = views(cameras, points) + rng.normal(size=(2, 21, 2))
    P = np.stack([c.matrix @ inverse(c.world_from_camera)[:3] for c in cameras])
    X = cv2.triangulatePoints(P[0], P[1], pixels[0].T, pixels[1].T)
    np.testing.assert_allclose(triangulate(P, pixels), (X[:3] / X[3]).T, atol=1e-8)


def test_weights_and_missing_views():
    rng = np.random.default_rng(3)
    cameras, points = rig(rng, 4), rng.uniform([-0.3, -0.2, 1.0], [0.3, 0.2, 1.6], (5, 3))
    pixels = views(cameras, points)
    pixels[0, 0], pixels[1, 1] = np.nan, pixels[1, 1] + 50     # one view missing, one wrong
    w = np.ones((4, 5))
    w[1, 1] = 0
    np.testing.assert_allclose(triangulate_views(cameras, pixels, w), points, atol=1e-9)
    light = triangulate_views(cameras, pixels, np.where(w == 0, 1e-3, w))
    plain = triangulate_views(cameras, pixels)
    assert np.linalg.norm(light[1] - points[1]) < 0.01 * np.linalg.norm(plain[1] - points[1])
    w[1:, 3] = 0
    assert np.isnan(triangulate_views(cameras, pixels, w)[3]).all()


def test_what_does_not_meet_is_nan():
    camera = rig(np.random.default_rng(4), 1)[0]
    assert np.isnan(triangulate_views([camera, camera], np.full((2, 1, 2), 100.0))).all()
    beside = Camera(640, 480, 500.0, 500.0, 320.0, 240.0, None, rigid(np.eye(3), np.array([0.2, 0.0, 0.0])))
    home = Camera(640, 480, 500.0, 500.0, 320.0, 240.0, None, np.eye(4))
    assert np.isnan(triangulate_views([home, beside], np.full((2, 1, 2), 100.0))).all()      # parallel
    with pytest.raises(PalmarError, match="two or more"):
        triangulate_views([home], np.zeros((1, 3, 2)))
    with pytest.raises(PalmarError, match="world_from_camera"):
        triangulate_views([home, CAMERA], np.zeros((2, 3, 2)))


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize("flat", [False, True])
def test_a_pose_is_found_again(lens, flat):
    rng = np.random.default_rng(5)
    camera = Camera(640, 480, 500.0, 520.0, 320.0, 240.0, lens)
    for _ in range(5):
        points = rng.normal(size=(12, 3)) * (0.08, 0.08, 0.0 if flat else 0.08)
        pose = rigid(rotmat_from_rotvec(rng.normal(size=3)), np.array([0.1, -0.05, 0.7]))
        pixels = camera.project(transformed(pose, points))
        np.testing.assert_allclose(solve_pnp(points, pixels, camera), pose, atol=1e-6)


def test_a_noisy_pose_is_opencvs_iterative_one():
    rng = np.random.default_rng(6)
    lens = LENSES[1]
    camera = Camera(640, 480, 500.0, 520.0, 320.0, 240.0, lens)
    points = rng.normal(size=(21, 3)) * 0.06
    pose = rigid(rotmat_from_rotvec(rng.normal(size=3)), np.array([0.02, -0.05, 0.6]))
    pixels = camera.project(transformed(pose, points)) + rng.normal(size=(21, 2))
    _, r, t = cv2.solvePnP(points, pixels, camera.matrix, np.array([lens.k1, lens.k2, lens.p1, lens.p2]),
                           flags=cv2.SOLVEPNP_ITERATIVE)
    found = solve_pnp(points, pixels, camera)
    np.testing.assert_allclose(found[:3, 3], t[:, 0], atol=2e-4)          # errors are counted before or after the lens
    np.testing.assert_allclose(found[:3, :3], cv2.Rodrigues(r)[0], atol=3e-3)


def test_no_pose():
    line = np.linspace(0, 1, 6)[:, None] * (0.1, 0.2, 0.0)
    with pytest.raises(PalmarError, match="one line"):
        solve_pnp(line, np.random.default_rng(0).uniform(0, 400, (6, 2)), CAMERA)
    with pytest.raises(PalmarError, match="four points"):
        solve_pnp(np.eye(3), np.zeros((3, 2)), CAMERA)
    with pytest.raises(PalmarError, match="four points"):
        solve_pnp(np.random.default_rng(0).normal(size=(5, 3)), np.full((5, 2), np.nan), CAMERA)
    with pytest.raises(PalmarError, match="go together"):
        solve_pnp(np.zeros((5, 3)), np.zeros((4, 2)), CAMERA)


def hands(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 21, 3)) * 0.05, np.c_[rng.uniform(-0.1, 0.1, (n, 2)), rng.uniform(0.3, 0.9, n)]


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize("batch", [(), (1,), (2, 3)])
def test_a_translation_is_found_again(lens, batch):
    camera = Camera(640, 480, 500.0, 520.0, 320.0, 240.0, lens)
    points, t = hands(0, 6)
    n = int(np.prod(batch))
    points, t = points[:n].reshape(*batch, 21, 3), t[:n].reshape(*batch, 3)
    found = solve_translation(points, camera.project(points + t[..., None, :]), camera)
    np.testing.assert_allclose(found, t, atol=1e-9)


def test_a_noisy_translation_is_the_least_squares_one_and_not_biased():
    points, t = hands(1, 400)
    rng = np.random.default_rng(7)
    pixels, w = CAMERA.project(points + t[:, None]) + 3 * rng.normal(size=(400, 21, 2)), rng.uniform(0.2, 1, (400, 21))
    found = solve_translation(points, pixels, CAMERA, w)
    for i in range(5):
        def error(x: np.ndarray, i: int = i) -> np.ndarray:
            return (np.sqrt(w[i])[:, None] * (CAMERA.project(points[i] + x) - pixels[i])).ravel()

        best = least_squares(error, t[i], xtol=1e-12, ftol=1e-12)
        np.testing.assert_allclose(found[i], best.x, atol=1e-4)
    off = (found - t)[:, 2] / t[:, 2]
    assert abs(off.mean()) < 3.5 * off.std() / 20 + 1e-3
    assert off.std() < 0.03


def test_weights_of_a_translation():
    points, t = hands(2, 3)
    pixels = CAMERA.project(points + t[:, None])
    w = np.ones((3, 21))
    pixels[:, 5] += 100
    w[:, 5] = 0
    np.testing.assert_allclose(solve_translation(points, pixels, CAMERA, w), t, atol=1e-9)
    points[:, 5], pixels[:, 5] = np.nan, np.nan
    np.testing.assert_allclose(solve_translation(points, pixels, CAMERA, w), t, atol=1e-9)
    assert np.abs(solve_translation(np.nan_to_num(points), np.nan_to_num(pixels), CAMERA) - t).max() > 1e-3
    np.testing.assert_allclose(solve_translation(points, pixels, CAMERA, 1e-9 * w), t, atol=1e-9)


def test_a_hand_that_determines_no_translation_is_nan_alone():
    points, t = hands(3, 7)
    pixels = CAMERA.project(points + t[:, None])
    w = np.ones((7, 21))
    pixels[0] = pixels[0, :1]                                  # all rays the same
    points[1] = 0.0                                            # a hand without size
    w[2, 1:] = 0.0                                             # one point in use
    points[3, 4, 1] = np.nan
    w[4, 3] = -1.0
    points[5] *= -1                                            # upside down: it would have to stand behind the camera
    found = solve_translation(points, pixels, CAMERA, w)
    assert np.isnan(found[:6]).all()
    np.testing.assert_allclose(found[6], t[6], atol=1e-9)
    assert solve_translation(points[:0], pixels[:0], CAMERA).shape == (0, 3)
    with pytest.raises(PalmarError, match="go together"):
        solve_translation(points, pixels[:, :20], CAMERA)


@given(st.integers(0, 2**32 - 1), st.floats(0.3, 3.0))
def test_a_hand_twice_as_large_is_twice_as_far(seed, size):
    points, t = hands(seed, 2)
    pixels = CAMERA.project(points + t[:, None])
    np.testing.assert_allclose(solve_translation(size * points, pixels, CAMERA), size * t, atol=1e-6)
