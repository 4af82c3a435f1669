"""Photographed places on the device against those of the host: turned harmonics, views, and the same statistics."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("numba")

import torch

from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.render import rotate_sh
from palmar.synth.device import environment
from palmar.synth.device.environment import Places, Seen, see, views
from palmar.synth.device.philox import Draws
from palmar.synth.environment import environments, sample_environment


@pytest.fixture(scope="module")
def places():
    return Places.of(environments(), torch.device("cpu"))


def test_harmonics_turn_as_on_the_host(places):
    rng = np.random.default_rng(0)
    sh = rng.normal(size=(4, 9, 3))
    turn = rotmat_from_rotvec(rng.normal(size=(4, 3)))
    found = places.rotate(torch.from_numpy(sh).float(), torch.from_numpy(turn).float())
    for i in range(4):
        np.testing.assert_allclose(found[i], rotate_sh(sh[i], turn[i]), atol=1e-5)


def test_views_are_those_of_the_host(places, monkeypatch):
    """The same camera in the same place, sharp: the picture that the host remaps."""
    monkeypatch.setattr(environment, "blur_matrix", lambda sigma, size: torch.eye(size).expand(len(sigma), -1, -1))
    rng = np.random.default_rng(1)
    draw = Draws(2, torch.arange(3), 0, 64)
    field = torch.deg2rad(Draws(2, torch.arange(3), 0, 64).log_uniform(25.0, 95.0)).double().numpy()
    turn = rotmat_from_rotvec(rng.normal(size=(3, 3)))
    gains = rng.uniform(0.8, 1.2, (3, 3)).astype(np.float32)
    number = torch.tensor([0, 7, 3])
    seen = Seen(number, torch.from_numpy(turn).float(), torch.from_numpy(gains), see(places, draw).light)
    found = views(places, seen, Draws(2, torch.arange(3), 0, 64), 40).permute(0, 2, 3, 1).numpy()
    for i in range(3):
        place = environments()[int(number[i])]
        mine = place.view(Camera.from_fov(40, 40, float(field[i])), turn[i].T) * gains[i]
        assert np.abs(found[i] - mine).mean() < 0.01 * mine.mean() + 2e-3


def test_light_of_places_has_the_statistics_of_the_host(places):
    rng = np.random.default_rng(2)
    mine = []
    for _ in range(500):
        turn = rotmat_from_rotvec(np.array([rng.normal(0.0, 0.3), 0.0, rng.normal(0.0, 0.12)]))
        mine.append(sample_environment(rng).light(turn, red=rng.uniform(0.0, 0.2)))
    found = see(places, Draws(1, torch.arange(3000), 0, 128)).light
    assert found.shadows is not None

    def near(there, here):
        there, here = np.asarray(there, float), np.asarray(here, float)
        assert abs(there.mean() - here.mean()) < 0.2 * here.std() + 0.01
        assert abs(there.std() - here.std()) < 0.2 * here.std() + 0.02

    for k in range(9):
        near(found.sh[:, k].mean(-1), [m.sh[k].mean() for m in mine])
    near(found.colours.sum((1, 2)), [m.colours.sum() for m in mine])
    near(found.shadows.float().sum(1), [m.shadows.sum() for m in mine])
    strongest = [m.directions[m.colours.mean(1).argmax()] for m in mine]
    for axis in range(3):
        near(found.directions[:, 0, axis], [d[axis] for d in strongest])
    torch.testing.assert_close(torch.linalg.vector_norm(found.directions, dim=-1), torch.ones(3000, 3))
    assert (found.colours[:, 0].mean(-1) >= found.colours[:, 1].mean(-1)).all()
