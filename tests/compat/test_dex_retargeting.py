"""Reference values for dex-retargeting: known numbers, turns that change nothing, both hands alike."""

import numpy as np
import pytest

from palmar.compat.dex_retargeting import dexpilot_indices, operator_joints, reference, wrist_frame
from palmar.errors import PalmarError
from palmar.geometry.rotations import rotmat_from_rotvec


def left() -> np.ndarray:
    joints = np.zeros((21, 3))
    joints[5], joints[9] = (-0.025, -0.09, 0.01), (0, -0.095, 0)
    joints[4], joints[12] = (-0.07, -0.06, -0.03), (0, -0.18, -0.02)
    return joints


def test_known_numbers_of_both_hands():
    expected = {
        4: (0.053852, -0.053852, 0.06), 5: (0, -0.026926, 0.09), 9: (0, 0, 0.095), 12: (0.018570, 0.007428, 0.18),
    }  # fmt: skip
    frame = [[0, -0.371391, -0.928477], [1, 0, 0], [0, -0.928477, 0.371391]]
    np.testing.assert_allclose(wrist_frame(left()), frame, atol=1e-6)
    own = operator_joints(left(), 0)
    mirrored = operator_joints(left() * (-1, 1, 1), 1)
    for joint, place in expected.items():
        np.testing.assert_allclose(own[joint], place, atol=1e-6)
        np.testing.assert_allclose(mirrored[joint], np.array(place) * (1, -1, 1), atol=1e-6)


def test_where_the_hand_is_and_how_it_is_turned_does_not_matter():
    rng = np.random.default_rng(0)
    joints = rng.normal(0, 0.05, (6, 21, 3))
    turn, shift = rotmat_from_rotvec(rng.normal(0, 1, 3)), rng.normal(0, 1, 3)
    np.testing.assert_allclose(operator_joints(joints @ turn.T + shift, 1), operator_joints(joints, 1), atol=1e-9)
    sizes = np.linalg.norm(joints - joints[:, :1], axis=-1)
    np.testing.assert_allclose(np.linalg.norm(operator_joints(joints, 1), axis=-1), sizes, atol=1e-12)


def test_places_and_vectors():
    own = operator_joints(left(), 0)
    np.testing.assert_array_equal(reference(left(), 0, np.array([4, 12])), own[[4, 12]])
    np.testing.assert_array_equal(reference(left(), 0, np.array([[0, 4], [12, 9]])), own[[12, 9]] - own[[0, 4]])


def test_dexpilots_pairs():
    tip = lambda rows: [0 if k == 0 else 4 * k for k in rows]  # noqa: E731
    np.testing.assert_array_equal(
        dexpilot_indices(4), [tip([2, 3, 4, 3, 4, 4, 0, 0, 0, 0]), tip([1, 1, 1, 2, 2, 3, 1, 2, 3, 4])]
    )
    np.testing.assert_array_equal(
        dexpilot_indices(5),
        [tip([2, 3, 4, 5, 3, 4, 5, 4, 5, 5, 0, 0, 0, 0, 0]), tip([1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 1, 2, 3, 4, 5])],
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda: operator_joints(np.full((21, 3), np.nan), 1),
        lambda: reference(left(), 0, np.array([21])),
        lambda: reference(left(), 0, np.zeros((3, 2), int)),
        lambda: dexpilot_indices(6),
    ],
)
def test_mistakes_are_said(call):
    with pytest.raises(PalmarError):
        call()
