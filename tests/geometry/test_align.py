"""Procrustes against SciPy and a plain search, over many pairs at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.transform import Rotation

from palmar.errors import PalmarError
from palmar.geometry import Similarity, apply, procrustes


def similarity(rng, n) -> Similarity:
    return Similarity(rng.uniform(0.2, 3, n), Rotation.random(n, rng=rng).as_matrix(), rng.normal(size=(n, 3)))


@given(st.integers(0, 2**32 - 1), st.integers(3, 30))
def test_a_similarity_is_found_again(seed, k):
    rng = np.random.default_rng(seed)
    points, motion = rng.normal(size=(4, k, 3)), similarity(rng, 4)
    found = procrustes(points, apply(motion, points))
    for ours, true in zip(found, motion, strict=True):
        np.testing.assert_allclose(ours, true, atol=1e-6)
    one = procrustes(points[2], apply(motion, points)[2])
    np.testing.assert_allclose(one.rotation, found.rotation[2], atol=1e-9)
    assert one.scale.shape == ()


@pytest.mark.parametrize("mirrored", [False, True])
def test_with_reflection_it_is_scipys(mirrored):
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(2, 6, 21, 3))
    target = source * (-1 if mirrored else 1, 1, 1) + 0.1 * target
    s, R, t = procrustes(source, target, reflection=True)
    for i in range(6):
        a, b = source[i] - source[i].mean(0), target[i] - target[i].mean(0)
        turn, total = orthogonal_procrustes(a, b)              # rows: a @ turn is near b
        np.testing.assert_allclose(R[i], turn.T, atol=1e-9)
        assert s[i] == pytest.approx(total / (a**2).sum())
        np.testing.assert_allclose(t[i], target[i].mean(0) - s[i] * R[i] @ source[i].mean(0))
    assert (np.sign(np.linalg.det(R)) == (-1 if mirrored else 1)).all()
    assert np.linalg.det(procrustes(source, target).rotation) == pytest.approx(np.ones(6))


@given(st.integers(0, 2**32 - 1), st.booleans(), st.booleans(), st.booleans())
def test_no_other_similarity_does_better(seed, scale, reflection, weighted):
    rng = np.random.default_rng(seed)
    source, target = rng.normal(size=(2, 3, 8, 3))
    w = rng.uniform(0, 1, (3, 8)) if weighted else np.ones((3, 8))
    best = procrustes(source, target, scale=scale, reflection=reflection, weights=w if weighted else None)

    def cost(motion: Similarity) -> np.ndarray:
        return (w[..., None] * (apply(motion, source) - target) ** 2).sum((-1, -2))

    if not scale:
        np.testing.assert_array_equal(best.scale, 1.0)
    for size in (1e-3, 0.3):
        turn = Rotation.from_rotvec(size * rng.normal(size=(3, 3))).as_matrix()
        other = Similarity(best.scale * (1 + scale * size * rng.normal(size=3)), turn @ best.rotation,
                           best.translation + size * rng.normal(size=(3, 3)))
        assert (cost(other) >= cost(best) - 1e-9).all()


def test_weight_zero_leaves_out_even_nan():
    rng = np.random.default_rng(1)
    points, motion = rng.normal(size=(2, 9, 3)), similarity(rng, 2)
    target, w = apply(motion, points), np.ones((2, 9))
    target[:, 4], w[:, 4] = np.nan, 0.0
    np.testing.assert_allclose(procrustes(points, target, weights=w).scale, motion.scale)
    spoilt = procrustes(points, target)
    assert np.isnan(spoilt.scale).all()
    assert np.isnan(spoilt.rotation).all()
    assert np.isnan(procrustes(points, points, weights=0 * w).translation).all()


def test_edges():
    rng = np.random.default_rng(2)
    target = rng.normal(size=(1, 5, 3))
    flat = apply(procrustes(np.zeros((1, 5, 3)), target), np.zeros((1, 5, 3)))
    np.testing.assert_allclose(flat, np.broadcast_to(target.mean(1), (1, 5, 3)), atol=1e-12)
    plane = rng.normal(size=(1, 6, 2))
    assert procrustes(plane, 2 * plane).scale == pytest.approx(2.0)
    assert procrustes(np.zeros((0, 21, 3)), np.zeros((0, 21, 3))).rotation.shape == (0, 3, 3)
    with pytest.raises(PalmarError, match="go together"):
        procrustes(np.zeros((2, 5, 3)), np.zeros((2, 6, 3)))
