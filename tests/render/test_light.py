"""Harmonics of light against direct integration over the sphere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from scipy.special import sph_harm_y

from palmar.errors import PalmarError
from palmar.render import Light, lamp_from_environment, rotate_sh, sh_basis, sh_from_environment, sh_from_lobes


def unit(*vector: float) -> np.ndarray:
    return np.array(vector) / np.linalg.norm(vector)


def directions_and_weights(count: int = 200):
    """A quadrature of the sphere: Gauss in z, even in the angle around it."""
    z, w = np.polynomial.legendre.leggauss(count)
    angle = (np.arange(2 * count) + 0.5) * np.pi / count
    r = np.sqrt(1 - z**2)[:, None]
    d = np.stack([r * np.cos(angle), r * np.sin(angle), np.broadcast_to(z[:, None], (count, 2 * count))], -1)
    return d.reshape(-1, 3), np.repeat(w * np.pi / count, 2 * count)


D, W = directions_and_weights()


def test_the_basis_is_that_of_scipy():
    d = np.random.default_rng(0).normal(size=(50, 3))
    d /= np.linalg.norm(d, axis=-1, keepdims=True)
    theta, phi = np.arccos(d[:, 2]), np.arctan2(d[:, 1], d[:, 0])
    expected = []
    for degree in range(3):
        for order in range(-degree, degree + 1):
            y = sph_harm_y(degree, abs(order), theta, phi) * (-1) ** order  # without the Condon-Shortley phase
            expected.append(y.real if order == 0 else np.sqrt(2) * (y.real if order > 0 else y.imag))
    np.testing.assert_allclose(sh_basis(d), np.stack(expected, -1), atol=1e-12)


def test_the_basis_is_orthonormal():
    basis = sh_basis(D)
    np.testing.assert_allclose(basis.T @ (basis * W[:, None]), np.eye(9), atol=1e-10)


@pytest.mark.parametrize("sharpness", [0.0, 1e-4, 0.009, 0.011, 0.5, 3.0, 40.0])
def test_lobes_equal_their_integral(sharpness):
    axes = np.stack([unit(0.3, -0.9, 0.2), unit(-1, 0.1, -2)])
    colours = np.array([[1.0, 0.5, 0.2], [0.0, 0.3, 2.0]])
    ambient = np.array([0.1, 0.2, 0.3])
    radiance = np.exp(sharpness * (D @ axes.T - 1)) @ colours + ambient
    expected = sh_basis(D).T @ (radiance * W[:, None])
    np.testing.assert_allclose(
        sh_from_lobes(axes, colours, np.full(2, sharpness), ambient=ambient), expected, atol=2e-6
    )


def test_lobes_refuse_negative_sharpness():
    with pytest.raises(PalmarError, match="sharpness"):
        sh_from_lobes(np.zeros((1, 3)), np.zeros((1, 3)), np.array([-1.0]))


def equirect(radiance, height=64):
    """A picture of all directions, written by its definition: top is -y, middle forward, right of it +x."""
    picture = np.zeros((height, 2 * height, 3))
    for row in range(height):
        for column in range(2 * height):
            elevation = np.pi / 2 - (row + 0.5) / height * np.pi
            azimuth = (column + 0.5) / (2 * height) * 2 * np.pi - np.pi
            picture[row, column] = radiance(
                np.array([np.cos(elevation) * np.sin(azimuth), -np.sin(elevation), np.cos(elevation) * np.cos(azimuth)])
            )
    return picture


def test_an_environment_equals_the_lobe_it_shows():
    axis, colour = unit(0.4, -0.7, 0.5), np.array([1.0, 0.6, 0.1])
    picture = equirect(lambda d: np.exp(4 * (d @ axis - 1)) * colour)
    np.testing.assert_allclose(
        sh_from_environment(picture), sh_from_lobes(axis[None], colour[None], np.array([4.0])), atol=2e-3
    )


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_turned_harmonics_are_those_of_the_turned_light(seed):
    rng = np.random.default_rng(seed)
    turn = Rotation.random(random_state=seed).as_matrix()
    axes = rng.normal(size=(3, 3))
    axes /= np.linalg.norm(axes, axis=-1, keepdims=True)
    colours, sharpness = rng.uniform(0, 1, (3, 3)), rng.uniform(0, 9, 3)
    np.testing.assert_allclose(
        rotate_sh(sh_from_lobes(axes, colours, sharpness), turn),
        sh_from_lobes(axes @ turn.T, colours, sharpness),
        atol=3e-6,
    )


def test_the_sun_is_found_and_taken_out_whole():
    axis, colour = unit(-0.6, -0.6, 0.4), np.array([9.0, 8.0, 7.0])
    picture = equirect(lambda d: 0.2 + 30 * np.exp(300 * (d @ axis - 1)) * colour)
    direction, lamp, rest = lamp_from_environment(picture)
    assert np.degrees(np.arccos(min(1.0, direction @ axis))) < 1.0
    np.testing.assert_allclose(rest, 0.2, atol=0.02 * 30)
    np.testing.assert_allclose(lamp, 30 * colour * 2 / 300, rtol=0.02)  # the lobe's integral is 2 pi / 300
    as_harmonics = sh_basis(direction)[:, None] * lamp * np.pi
    np.testing.assert_allclose(sh_from_environment(rest) + as_harmonics, sh_from_environment(picture), atol=0.1)


def test_a_dark_environment_has_a_dark_lamp():
    direction, lamp, rest = lamp_from_environment(np.zeros((8, 16, 3)))
    np.testing.assert_allclose(np.linalg.norm(direction), 1.0, atol=1e-6)
    assert not lamp.any()
    assert not rest.any()


def test_light_checks_itself():
    sh = np.zeros((9, 3), np.float32)
    with pytest.raises(PalmarError, match=r"Light.sh: expected shape \(9, 3\)"):
        Light(np.zeros((4, 3), np.float32))
    with pytest.raises(PalmarError, match="unit vectors"):
        Light(sh, np.float32([[0, 0, 2]]), np.ones((1, 3), np.float32))
    with pytest.raises(PalmarError, match=r"Light\.colours"):
        Light(sh, np.float32([[0, 0, 1]]), np.ones((2, 3), np.float32))
    with pytest.raises(PalmarError, match="shadow_size"):
        Light(sh, shadow_size=2)
