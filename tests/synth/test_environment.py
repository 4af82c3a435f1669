"""Photographed surroundings: the light on a surface and the picture behind it belong to the same place."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.render import lamp_from_environment, sh_from_environment
from palmar.synth.environment import ASSETS, PICTURE_UNIT, Environment, _varied, environments, sample_environment
from palmar.synth.sensor import srgb_to_linear

CAMERA = Camera.from_fov(33, 25, 1.2)


def samples(count: int = 12) -> list[Environment]:
    return [sample_environment(np.random.default_rng(seed)) for seed in range(count)]


def radiance(place: Environment) -> np.ndarray:
    """What the harmonics, the lamps left out, say of the mean radiance, per colour."""
    return place.sh[0] / (2 * np.sqrt(np.pi))


def test_the_card_names_the_bytes() -> None:
    card = json.loads((ASSETS / "environments.json").read_text())
    assert card["sha256"] == hashlib.sha256((ASSETS / "environments.npz").read_bytes()).hexdigest()
    assert card["environments"] == [place.name for place in environments()]
    assert card["licence"] == "CC0-1.0"


@pytest.mark.parametrize("place", environments(), ids=lambda p: p.name)
def test_every_place_has_a_mean_radiance_of_one(place: Environment) -> None:
    """The lamp's irradiance over pi, spread over the sphere, is a quarter of itself in mean radiance."""
    assert float((radiance(place) + place.colours.sum(0) / 4).mean()) == pytest.approx(1.0, abs=0.02)


@pytest.fixture(scope="module")
def made_up() -> Environment:
    """A place with one lamp up to the right, baked as the real ones are; nothing in its picture is clipped."""
    y, x = np.mgrid[:64, :128]
    lamp = np.exp(-((x - 90) ** 2 + (y - 20) ** 2) / 18.0)
    light = 0.2 + 0.2 * (y < 32)[..., None] * np.array([1.0, 1.2, 1.5]) + lamp[..., None]
    direction, colour, rest = lamp_from_environment(light)
    coded = np.where(light < 0.0031308, 12.92 * light, 1.055 * (light / 2) ** (1 / 2.4) - 0.055)
    ones = np.ones(3, np.float32)
    picture = (coded * 255 + 0.5).astype(np.uint8)
    return Environment("made up", sh_from_environment(rest), direction[None], colour[None], picture, ones)


def test_light_and_picture_are_turned_and_mirrored_alike(made_up: Environment) -> None:
    """However the place is varied, a camera that looks towards its lamp has the lamp in its middle."""
    wide = Camera.from_fov(65, 65, 1.6)
    for seed in range(12):
        place = _varied(np.random.default_rng(seed), made_up)
        z = place.directions[0].astype(np.float64)
        x = np.cross([0.0, 1.0, 0.0], z) / np.linalg.norm(np.cross([0.0, 1.0, 0.0], z))
        seen = place.view(wide, np.stack([x, np.cross(z, x), z], 1)).mean(-1)
        row, column = np.unravel_index(np.argmax(seen), seen.shape)
        assert abs(row - 32) <= 2
        assert abs(column - 32) <= 2


def test_the_harmonics_are_mirrored_as_the_picture_is() -> None:
    """Of a lit place without lamps: its harmonics are those of its own picture, up to clipping."""
    errors = []
    for place in environments():
        if place.colours.mean() > 0.4:
            continue
        for seed in range(4):
            found = _varied(np.random.default_rng(seed), place)
            shown = srgb_to_linear(found.picture).astype(np.float64) * found.gains / PICTURE_UNIT
            a, b = sh_from_environment(shown)[1:].ravel(), found.sh[1:].ravel()
            errors.append(np.corrcoef(a, b)[0, 1])
    assert len(errors) >= 12
    assert np.median(errors) > 0.9


def test_a_turned_camera_sees_what_the_turned_light_says() -> None:
    place = samples()[0]
    turn = rotmat_from_rotvec(np.array([0.3, 2.0, -0.2]))
    lit = place.light(turn)
    np.testing.assert_allclose(lit.directions, place.directions @ turn.T, atol=1e-6)
    np.testing.assert_allclose(lit.sh[0], place.sh[0], atol=1e-5)
    ahead = place.view(CAMERA, turn.T)[12, 16]
    z = turn.T[:, 2]
    column = (np.arctan2(z[0], z[2]) / (2 * np.pi) + 0.5) * place.picture.shape[1] - 0.5
    row = (0.5 - np.arctan2(-z[1], np.hypot(z[0], z[2])) / np.pi) * place.picture.shape[0] - 0.5
    near = place.picture[int(row) : int(row) + 2, int(column) : int(column) + 2].reshape(-1, 3)
    low, high = (srgb_to_linear(f(near, 0)[None].astype(np.uint8))[0] * place.gains for f in (np.min, np.max))
    assert (ahead >= low - 0.01).all()
    assert (ahead <= high + 0.01).all()


def test_the_seam_behind_the_camera_does_not_show() -> None:
    for place in environments()[:6]:
        back = np.diag([-1.0, 1.0, -1.0])
        seen = place.view(Camera.from_fov(64, 48, 0.5), back)
        steps = np.abs(np.diff(seen, axis=1)).mean((0, 2))
        assert steps[31] < 4 * np.median(steps) + 0.02


def test_pure_function_of_the_generator() -> None:
    a, b = (sample_environment(np.random.default_rng(5)) for _ in range(2))
    for name in ("sh", "directions", "colours", "picture", "gains"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert len({place.sh.tobytes() for place in samples()}) == 12
