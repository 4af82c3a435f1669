"""Light of a batch: harmonics against the host's, and the same statistics."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("numba")

import torch

from palmar.render import light as host
from palmar.synth.device.light import sample_light, sh_basis, sh_from_lobes
from palmar.synth.device.philox import Draws
from palmar.synth.light import sample_light as sample_one


def test_harmonics_are_those_of_the_host():
    rng = np.random.default_rng(0)
    d = rng.normal(size=(3, 4, 3))
    d /= np.linalg.norm(d, axis=-1, keepdims=True)
    colours, sharpness, ambient = rng.random((3, 4, 3)), rng.uniform(0.5, 20, (3, 4)), rng.random((3, 3))
    t = torch.from_numpy
    np.testing.assert_allclose(sh_basis(t(d)), host.sh_basis(d), atol=1e-12)
    found = sh_from_lobes(t(d), t(colours), t(sharpness), t(ambient))
    for i in range(3):
        mine = host.sh_from_lobes(d[i], colours[i], sharpness[i], ambient=ambient[i])
        np.testing.assert_allclose(found[i], mine, rtol=1e-5, atol=1e-6)


def test_light_has_the_statistics_of_the_host():
    rng = np.random.default_rng(1)
    mine = [sample_one(rng) for _ in range(1000)]
    found = sample_light(Draws(1, torch.arange(6000), 0, 160))
    torch.testing.assert_close(torch.linalg.vector_norm(found.directions, dim=-1), torch.ones(6000, 3))

    def near(there, here, tolerance):
        assert abs(float(there) - float(here)) < tolerance, (float(there), float(here))

    lamps = np.array([len(m.directions) for m in mine])
    near((found.colours.sum(-1) > 0).sum(1).float().mean(), lamps.mean(), 0.08)
    near(found.shadows.float().sum(1).mean(), np.mean([m.shadows.sum() for m in mine]), 0.05)
    for k in range(4):
        near(found.sh[:, k].mean(), np.mean([m.sh[k].mean() for m in mine]), 0.08)
        near(found.sh[:, k].std(), np.std([m.sh[k] for m in mine]), 0.12)
    keys = np.array([m.colours[0].mean() for m in mine if len(m.colours)])
    key = found.colours[:, 0].mean(-1)
    near(key[key > 0].mean(), keys.mean(), 0.04)
    near(key[key > 0].std(), keys.std(), 0.04)
    z = np.array([m.directions[0, 2] for m in mine if len(m.directions)])
    near(found.directions[:, 0, 2].mean(), z.mean(), 0.05)
