"""Shapes and light for the tests of this room: the fixture `scenes` has the functions below."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import trimesh

from palmar.render import Light, Mesh


def sphere(
    centre: tuple[float, float, float], radius: float, subdivisions: int = 4, albedo: float = 0.5, **more: np.ndarray
) -> Mesh:
    """A closed ball without gloss whose corners lie on the sphere; normals are the sphere's own."""
    ball = trimesh.creation.icosphere(subdivisions=subdivisions, radius=1.0)
    unit = np.asarray(ball.vertices, np.float32)
    count = len(unit)
    return Mesh(
        unit * np.float32(radius) + np.float32(centre),
        np.asarray(ball.faces, np.int32),
        np.full((count, 3), albedo, np.float32),
        **{"specular": np.zeros(count, np.float32), "normals": unit, **more},
    )


def square(centre: tuple[float, float, float], half: float, albedo: float = 0.5, **more: np.ndarray) -> Mesh:
    """A square across the optical axis, facing the camera; corners upper left, upper right, lower right, lower left."""
    corners = np.float32([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * np.float32(half) + np.float32(centre)
    return Mesh(
        corners,
        np.int32([[0, 2, 1], [0, 3, 2]]),
        np.full((4, 3), albedo, np.float32),
        **{"specular": np.zeros(4, np.float32), **more},
    )


def camera(focal: float, size: int) -> np.ndarray:
    """A pinhole whose principal point is the middle of the picture."""
    return np.array([[focal, 0, (size - 1) / 2], [0, focal, (size - 1) / 2], [0, 0, 1]], np.float64)


def unit(*vector: float) -> np.ndarray:
    """The vector made one long, float32."""
    v = np.array(vector, np.float64)
    return (v / np.linalg.norm(v)).astype(np.float32)


def lamp(*towards: float, colour: float = 1.0, shadows: bool = False, **more) -> Light:
    """One lamp in the dark."""
    return Light(
        np.zeros((9, 3), np.float32),
        unit(*towards)[None],
        np.full((1, 3), colour, np.float32),
        np.array([shadows]),
        **more,
    )


def uniform(radiance: float = 1.0) -> Light:
    """The same light from everywhere."""
    sh = np.zeros((9, 3), np.float32)
    sh[0] = radiance * 2 * np.sqrt(np.pi)
    return Light(sh)


@pytest.fixture(scope="session")
def scenes() -> SimpleNamespace:
    return SimpleNamespace(sphere=sphere, square=square, camera=camera, unit=unit, lamp=lamp, uniform=uniform)
