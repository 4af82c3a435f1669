"""The parametric hand against the plain definition, against anatomy tables, and as a differentiable function."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from palmar.errors import PalmarError
from palmar.hand import HandModel, mirror_points, mirror_rotmats, mirror_rotvecs
from palmar.hand.joints import BONE_OF_JOINT, MANO_PARENTS, POSE_OF_FINGER


@pytest.fixture(scope="module")
def right() -> HandModel:
    return HandModel.default()


def random_pose(rng: np.random.Generator, batch: tuple[int, ...] = ()) -> np.ndarray:
    return Rotation.from_rotvec(rng.normal(0, 0.6, (int(np.prod(batch)) * 16, 3))).as_matrix().reshape(*batch, 16, 3, 3)


def plain_skin(model: HandModel, shape: np.ndarray, rotations: np.ndarray, translation: np.ndarray):
    """Linear blend skinning as its definition says, with loops."""
    v = model.template + sum(shape[k] * model.shape_directions[:, :, k] for k in range(len(shape)))
    joints = model.joint_regressor @ v
    world = []
    for j, parent in enumerate(MANO_PARENTS):
        local = np.eye(4)
        local[:3, :3] = rotations[j]
        local[:3, 3] = joints[j] - (joints[parent] if parent >= 0 else 0)
        world.append(local if parent < 0 else world[parent] @ local)
    out = np.zeros_like(v)
    for i in range(len(v)):
        for j in range(16):
            if model.weights[i, j] > 0:
                rest = np.append(v[i] - joints[j], 1.0)
                out[i] += model.weights[i, j] * (world[j] @ rest)[:3]
    landmarks = model.landmark_regressor @ v
    points = [(world[b] @ np.append(landmarks[i] - joints[b], 1.0))[:3] for i, b in enumerate(BONE_OF_JOINT)]
    return out + translation, np.array(points) + translation


def test_skinning_is_its_definition(right):
    rng = np.random.default_rng(0)
    shape, rotations, translation = rng.normal(size=10), random_pose(rng), rng.normal(size=3)
    vertices, joints = plain_skin(right, shape, rotations, translation)
    posed = right.shaped(shape).posed(rotations, translation)
    np.testing.assert_allclose(posed.skin(), vertices, atol=1e-12)
    np.testing.assert_allclose(posed.joints(), joints, atol=1e-12)


@pytest.mark.parametrize("batch", [(), (1,), (2, 3)])
def test_any_batch_axes_and_both_kinds_of_array(right, batch):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    shape, rotations, translation = rng.normal(size=(*batch, 10)), random_pose(rng, batch), rng.normal(size=(*batch, 3))
    ours = right.shaped(shape).posed(rotations, translation)
    theirs = right.shaped(torch.tensor(shape)).posed(torch.tensor(rotations), torch.tensor(translation))
    assert ours.skin().shape == (*batch, len(right.template), 3)
    np.testing.assert_allclose(theirs.skin().numpy(), ours.skin(), atol=1e-12)
    np.testing.assert_allclose(theirs.joints().numpy(), ours.joints(), atol=1e-12)


def test_gradients_flow_to_shape_pose_and_translation(right):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    inputs = [torch.tensor(x, requires_grad=True) for x in (rng.normal(size=10), random_pose(rng), rng.normal(size=3))]
    assert torch.autograd.gradcheck(lambda s, r, t: right.shaped(s).posed(r, t).joints(), inputs)
    right.shaped(inputs[0]).posed(inputs[1], inputs[2]).skin().sum().backward()
    assert all(x.grad is not None and bool((x.grad != 0).any()) for x in inputs)


def test_asset_is_a_closed_outward_mesh_of_plain_weights(right):
    edges = np.sort(np.concatenate([right.faces[:, [0, 1]], right.faces[:, [1, 2]], right.faces[:, [2, 0]]]), 1)
    _, count = np.unique(edges, axis=0, return_counts=True)
    assert (count == 2).all()
    for model in (right, right.mirrored()):
        t = model.template[model.faces]
        volume = np.einsum("ij,ij->i", t[:, 0], np.cross(t[:, 1], t[:, 2])).sum() / 6
        assert 2e-4 < volume < 6e-4  # a hand and a wrist's stub: 200 to 600 cm3
    np.testing.assert_allclose(right.weights.sum(1), 1.0, atol=1e-9)
    for regressor in (right.joint_regressor, right.landmark_regressor, right.palm_regressor):
        np.testing.assert_allclose(regressor.sum(1), 1.0, atol=1e-6)
        assert regressor.min() >= 0.0
    assert right.uv.min() >= -1e-6
    assert right.uv.max() <= 1 + 1e-6
    assert right.face_uv.max() < len(right.uv)


def test_rest_frame(right):
    joints = right.shaped(np.zeros(10)).posed(np.tile(np.eye(3), (16, 1, 1))).joints()
    np.testing.assert_allclose((right.joint_regressor @ right.template)[0], 0, atol=5e-4)
    assert (joints[[8, 12, 16, 20], 0] < -0.11).all()  # fingers towards -x
    assert joints[2, 2] > 0.02  # the thumb on the +z side
    assert joints[4, 1] < -0.01  # which faces the palm's side, -y


def test_size_against_ansur(right):
    """Length and breadth over the shape population against ANSUR II: men 193 +- 10 and 88 +- 4, women 181 +- 10 and 78
    +- 4 mm."""
    rng = np.random.default_rng(3)
    shape = rng.normal(size=(400, 10))
    vertices = right.shaped(shape).vertices()
    hand = right.behind == 0
    length = -vertices[:, hand, 0].min(1)
    assert 0.165 < length.mean() < 0.190  # one person in five is a child
    knuckles = (
        (vertices[:, :, 0] < -0.45 * length[:, None])
        & (vertices[:, :, 0] > -0.60 * length[:, None])
        & (right.weights[:, 13:].sum(1) < 0.2)
    )
    z = vertices[..., 2]
    breadth = np.where(knuckles, z, -9).max(1) - np.where(knuckles, z, 9).min(1)
    assert 0.41 < (breadth / length).mean() < 0.51  # ANSUR: 0.457 men, 0.432 women, P1 to P99 0.38 to 0.51
    order = right.shape_directions.reshape(-1, 10)
    energy = (order**2).sum(0)
    assert (np.diff(energy) <= 1e-9).all()  # ordered by variance


def test_tips_lie_at_the_finger_ends(right):
    joints = right.shaped(np.zeros(10)).posed(np.tile(np.eye(3), (16, 1, 1))).joints()
    for tip, rows in zip((4, 8, 12, 16, 20), POSE_OF_FINGER, strict=True):
        along = right.along[rows[2]]
        own = right.weights.argmax(1) == rows[2]
        end = (right.template[own] @ along).max()
        assert 0.0 < end - joints[tip] @ along < 0.009


@pytest.mark.parametrize("finger", range(5))
def test_flexion_bends_to_the_palm(right, finger):
    angles = np.zeros((5, 3, 3))
    angles[finger, :, 0] = 0.5
    joints = right.shaped(np.zeros(10)).posed(right.rotations_from_angles(angles)).joints()
    rest = right.shaped(np.zeros(10)).posed(right.rotations_from_angles(angles * 0)).joints()
    tip = 4 * finger + 4
    if finger:
        assert joints[tip, 1] < rest[tip, 1] - 0.02
    else:
        assert joints[tip, 2] < rest[tip, 2] - 0.02  # the thumb moves across the palm
    others = [i for i in range(21) if not 4 * finger < i <= 4 * finger + 4]
    np.testing.assert_allclose(joints[others], rest[others], atol=1e-12)


def test_abduction_spreads(right):
    angles = np.zeros((5, 3, 3))
    angles[1:, 0, 1] = 0.2
    tips = [8, 12, 16, 20]
    spread = right.shaped(np.zeros(10)).posed(right.rotations_from_angles(angles)).joints()[tips, 2]
    rest = right.shaped(np.zeros(10)).posed(right.rotations_from_angles(angles * 0)).joints()[tips, 2]
    assert spread[0] > rest[0] + 0.01
    assert spread[2] < rest[2] - 0.01
    assert spread[3] < rest[3] - 0.007  # 5 cm of little finger, 0.2 rad


def test_left_hand_is_the_mirror_image(right):
    left = right.mirrored()
    rng = np.random.default_rng(4)
    shape, rotations, translation = rng.normal(size=10), random_pose(rng), rng.normal(size=3)
    ours = right.shaped(shape).posed(rotations, translation)
    theirs = left.shaped(shape).posed(mirror_rotmats(rotations), mirror_points(translation))
    np.testing.assert_allclose(theirs.skin(), mirror_points(ours.skin()), atol=1e-12)
    np.testing.assert_allclose(theirs.joints(), mirror_points(ours.joints()), atol=1e-12)
    angles = rng.normal(0, 0.3, (5, 3, 3))
    np.testing.assert_allclose(
        left.rotations_from_angles(angles), mirror_rotmats(right.rotations_from_angles(angles)), atol=1e-12
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_mirror_of_vectors_and_matrices_agree_and_undo_themselves(vector):
    rotvec = np.array(vector)
    np.testing.assert_allclose(
        Rotation.from_rotvec(mirror_rotvecs(rotvec)).as_matrix(),
        mirror_rotmats(Rotation.from_rotvec(rotvec).as_matrix()),
        atol=1e-9,
    )
    np.testing.assert_array_equal(mirror_points(mirror_points(rotvec)), rotvec)


def test_palm_bones_at_rest_change_nothing_and_bent_do(right):
    rng = np.random.default_rng(5)
    rotations = random_pose(rng)
    shaped = right.shaped(np.zeros(10))
    still = shaped.posed(rotations, palm=np.tile(np.eye(3), (4, 1, 1)))
    np.testing.assert_allclose(still.skin(), shaped.posed(rotations).skin(), atol=1e-12)
    bent = shaped.posed(rotations, palm=np.tile(Rotation.from_rotvec([0.0, 0, 0.3]).as_matrix(), (4, 1, 1)))
    assert np.abs(bent.joints()[[8, 12, 16, 20]] - still.joints()[[8, 12, 16, 20]]).max() > 0.01
    np.testing.assert_allclose(bent.joints()[:5], still.joints()[:5], atol=1e-12)  # the thumb has no palm bone


def test_too_many_shape_coefficients(right):
    with pytest.raises(PalmarError, match="at most 10"):
        right.shaped(np.zeros(11))


def test_no_candy_wrapper_at_the_wrist(right):
    """Turning the whole hand leaves the stub's girth: it goes with the wrist."""
    turn = np.tile(np.eye(3), (16, 1, 1))
    turn[0] = Rotation.from_rotvec([1.5, 0, 0]).as_matrix()
    ring = np.flatnonzero((right.behind > 0.2) & (right.behind < 0.3))
    girth = lambda v: np.linalg.norm(v[ring] - v[ring].mean(0), axis=1)  # noqa: E731
    moved = right.shaped(np.zeros(10)).posed(turn).skin()
    np.testing.assert_allclose(girth(moved), girth(right.template), atol=1e-9)
