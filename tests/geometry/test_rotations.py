"""Rotations against SciPy, their laws, and their derivatives where numbers break."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from palmar.geometry import (
    angle_between,
    rotmat_between,
    rotmat_from_rotvec,
    rotmat_from_sixd,
    rotvec_from_rotmat,
    sixd_from_rotmat,
)

ANGLES = [0.0, 1e-12, 1e-9, 1e-5, 9.9e-4, 1.01e-3, 0.3, 2.0, np.pi - 1e-6, np.pi, 4.0]


@pytest.mark.parametrize("batch", [(), (1,), (3, 1, 2)])
@pytest.mark.parametrize("angle", ANGLES)
def test_rotmat_from_rotvec_is_scipys(batch, angle):
    axis = np.random.default_rng(0).normal(size=(*batch, 3))
    rotvec = angle * axis / np.linalg.norm(axis, axis=-1, keepdims=True)
    expected = Rotation.from_rotvec(rotvec.reshape(-1, 3)).as_matrix().reshape(*batch, 3, 3)
    np.testing.assert_allclose(rotmat_from_rotvec(rotvec), expected, atol=1e-14)
    np.testing.assert_allclose(rotmat_from_rotvec(torch.tensor(rotvec)).numpy(), expected, atol=1e-14)
    single = rotmat_from_rotvec(torch.tensor(rotvec, dtype=torch.float32))
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("angle", ANGLES[:-1])
def test_rotvec_comes_back(angle):
    axis = np.random.default_rng(1).normal(size=(50, 3))
    rotvec = angle * axis / np.linalg.norm(axis, axis=-1, keepdims=True)
    back = rotvec_from_rotmat(rotmat_from_rotvec(rotvec))
    same = np.abs(back - rotvec).max(-1) < 1e-9
    flipped = np.abs(back + rotvec).max(-1) < 1e-9             # at pi both signs are right
    assert (same | (flipped if angle == np.pi else False)).all()


def test_golden_rotations():
    np.testing.assert_allclose(rotmat_from_rotvec(np.array([0.3, -0.2, 0.5])), [
        [0.859534, -0.497992, -0.114917], [0.439868, 0.835316, -0.329794], [0.260227, 0.232921, 0.937032]], atol=1e-6)
    np.testing.assert_allclose(rotmat_from_rotvec(np.array([np.pi, 0.0, 0.0])), np.diag([1, -1, -1]), atol=1e-12)
    np.testing.assert_allclose(rotmat_from_sixd(np.arange(1.0, 7.0)), [
        [0.267261, 0.872872, -0.408248], [0.534522, 0.218218, 0.816497], [0.801784, -0.436436, -0.408248]], atol=1e-6)


@pytest.mark.parametrize("near", [0.0, 1e-8, 1e-3, 0.7])
def test_derivatives_at_and_near_zero(near):
    start = torch.tensor([[near, -0.5 * near, 0.2 * near]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(rotmat_from_rotvec, start, eps=1e-7, atol=1e-6)
    slope = torch.autograd.functional.jacobian(rotmat_from_rotvec, torch.zeros(3, dtype=torch.float64))
    generators = np.zeros((3, 3, 3))                           # at zero the derivative is the cross product
    for i, (a, b) in enumerate([(1, 2), (2, 0), (0, 1)]):
        generators[b, a, i], generators[a, b, i] = 1.0, -1.0
    np.testing.assert_allclose(slope.numpy(), generators, atol=1e-12)


def test_derivatives_of_sixd():
    sixd = torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(rotmat_from_sixd, sixd)
    assert torch.autograd.gradcheck(sixd_from_rotmat, rotmat_from_sixd(sixd).detach().requires_grad_())


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10.0), st.floats(0.1, 10.0), st.floats(-5.0, 5.0))
def test_sixd_is_the_two_columns_up_to_gram_schmidt(seed, first, second, lean):
    R = Rotation.random(3, rng=np.random.default_rng(seed)).as_matrix()      # three: a trap for a cross product
    sixd = sixd_from_rotmat(R)
    np.testing.assert_array_equal(sixd, np.concatenate([R[..., 0], R[..., 1]], -1))
    stretched = np.concatenate([first * sixd[:, :3], second * sixd[:, 3:] + lean * sixd[:, :3]], -1)
    np.testing.assert_allclose(rotmat_from_sixd(stretched), R, atol=1e-10)
    np.testing.assert_allclose(rotmat_from_sixd(torch.tensor(stretched)).numpy(), R, atol=1e-10)
    np.testing.assert_array_equal(sixd_from_rotmat(torch.tensor(R)).numpy(), sixd)


def test_a_sixd_that_means_no_rotation_is_not_finite():
    assert not np.isfinite(rotmat_from_sixd(np.array([0.0, 0, 0, 1, 0, 0]))).all()
    assert not np.isfinite(rotmat_from_sixd(np.array([1.0, 0, 0, 2, 0, 0]))).all()


def test_rotvec_of_what_is_not_quite_a_rotation():
    R = Rotation.random(4, rng=np.random.default_rng(3))
    rough = R.as_matrix() + 1e-6 * np.random.default_rng(4).normal(size=(4, 3, 3))
    rough[2] = np.nan
    out = rotvec_from_rotmat(rough)
    assert np.isnan(out[2]).all()
    np.testing.assert_allclose(out[[0, 1, 3]], R.as_rotvec()[[0, 1, 3]], atol=1e-5)
    assert rotvec_from_rotmat(np.zeros((0, 16, 3, 3))).shape == (0, 16, 3)


@given(st.integers(0, 2**32 - 1))
def test_the_shortest_rotation(seed):
    a, b = np.random.default_rng(seed).normal(size=(2, 5, 3))
    R = rotmat_between(a, b)
    unit_a, unit_b = (v / np.linalg.norm(v, axis=-1, keepdims=True) for v in (a, b))
    np.testing.assert_allclose(np.einsum("nij,nj->ni", R, unit_a), unit_b, atol=1e-10)
    np.testing.assert_allclose(angle_between(R, np.eye(3)), np.arccos((unit_a * unit_b).sum(-1).clip(-1, 1)), atol=1e-7)
    np.testing.assert_allclose(R @ np.swapaxes(R, -1, -2), np.broadcast_to(np.eye(3), R.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(R), 1.0)


def test_no_shortest_rotation():
    z = np.array([0.0, 0.0, 1.0])
    np.testing.assert_allclose(rotmat_between(z, 2 * z), np.eye(3), atol=1e-15)
    assert np.isnan(rotmat_between(z, -z)).all()
    assert np.isnan(rotmat_between(z, 0 * z)).all()


@given(st.integers(0, 2**32 - 1))
def test_the_angle_between_rotations_is_scipys(seed):
    a, b = (Rotation.random(4, rng=np.random.default_rng(seed + i)) for i in range(2))
    np.testing.assert_allclose(angle_between(a.as_matrix(), b.as_matrix()), (a.inv() * b).magnitude(), atol=1e-7)
