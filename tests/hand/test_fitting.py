"""Fits between hand models: onto itself, from palmar's to a MANO-shaped hand and back, either side."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from palmar.errors import PalmarError
from palmar.hand import HandModel, fit, limits, mirror_points, mirror_rotmats


def hands(model: HandModel, n: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    rotations = model.rotations_from_angles(limits.clip(rng.normal(0.3, 0.5, (n, 5, 3, 3))))
    rotations[:, 0] = Rotation.random(n, rng).as_matrix()
    return model.shaped(rng.normal(0, 1, (n, 10))).posed(rotations, rng.normal(0, 0.3, (n, 3)))


def _place(hand) -> np.ndarray:
    return hand.bone_origins[:, 0] - hand.shaped.rest_joints[:, 0]


@pytest.fixture(scope="module")
def own() -> HandModel:
    return HandModel.default()


@pytest.fixture(scope="module")
def mano(handlike_mano) -> HandModel:
    return HandModel.from_mano(handlike_mano, rest="mean")


@pytest.fixture(scope="module")
def there(own, mano):
    hand = hands(own, 8)
    return hand, fit(hand, mano)


def test_side_is_seen_from_the_template(mano, handlike_mano):
    assert mano.side == 1
    bend = np.zeros((5, 3, 3))
    bend[1:, 0, 0] = 0.5  # MCP flexion moves the tips to the palm, -y, in a MANO file's frame too
    posed = mano.shaped(np.zeros(10)).posed(mano.rotations_from_angles(bend)).joints()
    rest = mano.shaped(np.zeros(10)).posed(mano.rotations_from_angles(0 * bend)).joints()
    assert ((posed - rest)[[8, 12, 16, 20], 1] < -0.02).all()


def test_onto_the_same_model(own):
    hand = hands(own, 3, seed=1)
    known = fit(hand, own, shape=hand.shaped.shape)
    np.testing.assert_allclose(known.posed.skin(), hand.skin(), atol=1e-4)
    sought = fit(hand, own)
    assert sought.error.max() < 0.0005
    assert np.abs(sought.shape - hand.shaped.shape).mean() < 0.3  # far below the 1 that they were drawn with


def test_to_a_mano_hand(there, mano):
    """The file's vertices are the default hand's, its joints, rest pose and shapes are not: the skin must come back."""
    hand, found = there
    assert found.posed.shaped.model is mano
    assert found.error.shape == (8,)
    assert found.error.max() < 0.0006
    for a, b in zip(found.posed.skin(), hand.skin(), strict=True):
        distance, nearest = cKDTree(b).query(a)
        assert distance.mean() < 0.001  # measured anew, vertex to nearest vertex
        assert len(set(nearest.tolist())) > 700  # of 778: not all onto a few


def test_and_back(there, own):
    hand, found = there
    back = fit(found.posed, own, shape=hand.shaped.shape)
    off = np.linalg.norm(back.posed.skin() - hand.skin(), axis=-1)[:, own.behind == 0]
    assert off.mean() < 0.001
    turn = Rotation.from_matrix((np.swapaxes(back.rotations, -1, -2) @ hand.rotations).reshape(-1, 3, 3)).magnitude()
    assert np.degrees(turn).mean() < 5


def test_twist_is_carried_over(own, mano):
    """The index finger's last bone turned about itself moves no joint of the default hand: its rotation says it."""
    rotations = np.tile(np.eye(3), (2, 16, 1, 1))
    rotations[1, 3] = Rotation.from_rotvec(0.3 * own.along[3]).as_matrix()
    still, twisted = fit(own.shaped(np.zeros((2, 10))).posed(rotations), mano).posed.bone_rotations[:, 3]
    turn = Rotation.from_matrix(twisted @ still.T).as_rotvec()
    assert turn @ own.along[3] == pytest.approx(0.3, abs=0.05)


def test_pose_is_what_the_file_means(there, mano):
    _, found = there
    again = mano.rotations_from_pose(found.pose())
    np.testing.assert_allclose(again, found.rotations, atol=1e-6)


def test_left_hands(there, mano):
    hand, found = there
    left = HandModel.default(0)
    with pytest.raises(PalmarError, match="mirrored"):
        fit(hand, mano.mirrored())
    turned = left.shaped(hand.shaped.shape[:2]).posed(
        mirror_rotmats(hand.rotations[:2]), mirror_points(_place(hand)[:2])
    )
    other = fit(turned, mano.mirrored())
    np.testing.assert_allclose(other.posed.joints(), mirror_points(found.posed.joints()[:2]), atol=1e-3)


def test_batch_axes(own, mano):
    hand = own.shaped(np.zeros(10)).posed(np.tile(np.eye(3), (16, 1, 1)))
    one = fit(hand, mano)
    assert one.error.shape == () and one.pose().shape == (48,) and one.translation.shape == (3,)  # noqa: PT018
    none = fit(own.shaped(np.zeros((0, 10))).posed(np.zeros((0, 16, 3, 3))), mano)
    assert none.error.shape == (0,)
    many = fit(hands(own, 10), mano, rounds=1)  # more than are held at one time
    pair = hands(own, 10)
    single = fit(
        pair.shaped.model.shaped(pair.shaped.shape[9]).posed(pair.rotations[9], _place(pair)[9]), mano, rounds=1
    )
    assert many.error[9] == pytest.approx(float(single.error), abs=1e-9)
    torch = pytest.importorskip("torch")
    with pytest.raises(PalmarError, match="NumPy"):
        fit(own.shaped(torch.zeros(10)).posed(torch.eye(3).expand(16, 3, 3)), mano)
