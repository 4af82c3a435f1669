"""Signal to pose: the hand's kinematics against other arithmetic and the published model's numbers; scores; windows."""

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.hand import HandModel
from palmar.hand.joints import POSE_OF_FINGER
from palmar.tasks import signal as S

TOY_BASE = np.array([(-40, 30, 0), (-20, 90, 0), (0, 95, 0), (20, 90, 0), (40, 80, 0)], float)
TOY_SEGMENTS = np.array([(35, 30, 25), (40, 25, 20), (45, 28, 22), (40, 26, 20), (32, 20, 18)], float)
B = np.array(
    [0.3, -0.2, 0.5, 0.4, 0.1, 0.6, 0.8, 0.3, -0.05, 0.7, 0.9, 0.35, 0.08, 0.5, 0.6, 0.2, -0.15, 0.4, 0.5, 0.25]
)  # fmt: skip


@pytest.fixture(scope="module")
def toy() -> S.SignalHand:
    """Straight fingers along +y, millimetres."""
    up = np.concatenate([np.zeros((5, 1)), TOY_SEGMENTS.cumsum(1)], 1)[..., None] * np.array([0.0, 1.0, 0.0])
    finger = [(0, 0, 1), (1, 0, 0), (1, 0, 0), (1, 0, 0)]
    axes = np.array([(0, 1, 0), (0, 0, 1), (1, 0, 0), (1, 0, 0), *(finger * 4)], float)
    hand = S.hand_of_joints(TOY_BASE[:, None] + up, axes)
    hand.rest[20] = (0, 50, 0)
    return hand


@pytest.mark.parametrize(
    ("angles", "expected"),
    [
        (
            0.1 * np.arange(20),
            {
                0: (-48.6198, 115.9102, 17.9457), 1: (-36.3163, 128.5917, 60.9342), 2: (2.0513, 93.0078, 64.8508),
                3: (41.0745, 81.8067, 32.2227), 4: (51.4228, 80.3337, 10.8078), 6: (-43.4942, 64.8251, 0),
                10: (-38.0858, 132.7770, 41.4572), 20: (3.6145, 54.5995, -6.2463), 5: (0, 0, 0), 8: (-20, 90, 0),
            },
        ),
        (
            B,
            {
                0: (-15.3732, 105.3355, 27.9359), 1: (-23.4628, 124.5124, 67.0552), 2: (1.2723, 120.4245, 77.4150),
                3: (15.8247, 142.0797, 61.6196), 4: (47.3612, 128.7058, 44.5577), 6: (-33.3571, 64.3023, -2.0549),
                10: (-23.7201, 127.0764, 47.2219), 20: (-0.0982, 52.0512, -5.4778), 14: (20, 90, 0),
            },
        ),
        (np.zeros(20), {0: (-40, 120, 0), 4: (40, 150, 0), 6: (-40, 65, 0), 10: (-20, 155, 0), 20: (0, 50, 0)}),
    ],
)  # fmt: skip
def test_landmarks_of_known_numbers(toy, angles, expected):
    found = toy.landmarks(angles)
    for i, point in expected.items():
        np.testing.assert_allclose(found[i], point, atol=6e-5, err_msg=S.LANDMARKS[i])


def test_distances_of_known_numbers(toy):
    q = 0.1 * np.arange(20)
    assert S.distance(q, q + 0.05, S.SCORED, toy) == pytest.approx(3.091310, abs=1e-6)
    assert S.distance(q, q + 0.05, S.TIPS, toy) == pytest.approx(4.490318, abs=1e-6)
    assert len(S.SCORED) == 17


def test_torch_agrees_and_its_gradient_is_finite_where_poses_are_equal(toy):
    torch = pytest.importorskip("torch")
    q = torch.tensor(np.stack([B, 0 * B]), requires_grad=True)
    np.testing.assert_allclose(toy.landmarks(q).detach(), toy.landmarks(np.stack([B, 0 * B])), atol=1e-10)
    S.distance(q, q.detach(), S.TIPS, toy).sum().backward()
    assert torch.isfinite(q.grad).all()
    moved = S.distance(q, q.detach() + 0.1, S.TIPS, toy).sum()
    moved.backward()
    assert q.grad.abs().sum() > 1


@pytest.fixture(scope="module")
def model() -> HandModel:
    return HandModel.default(1)


def angles_of(q: np.ndarray) -> np.ndarray:
    out = np.zeros((5, 3, 3))
    out[0, 0, :2], out[0, 1, 0], out[0, 2, 0] = q[:2], q[2], q[3]
    out[1:, 0, 1], out[1:, :, 0] = q[4:].reshape(4, 4)[:, 0] * (1, 1, -1, -1), q[4:].reshape(4, 4)[:, 1:]
    return out


@pytest.mark.parametrize("bend", [0.0, 1.0])
def test_the_default_hand_is_palmars(model, bend):
    """The same tips and middle joints as the hand model's, straight and bent; but for the second angle of the thumb,
    which acts before the first there."""
    q = bend * B
    q[1] = 0.0
    posed = model.shaped(np.zeros(model.shape_directions.shape[-1])).posed(model.rotations_from_angles(angles_of(q)))
    wrist, found = posed.bone_origins[0], S.HAND.landmarks(q)
    np.testing.assert_allclose(found[:5], posed.joints("bones")[[4, 8, 12, 16, 20]] - wrist, atol=5e-4)
    heads = [rows[1] for rows in POSE_OF_FINGER[1:]]
    np.testing.assert_allclose(found[[9, 12, 15, 18]], posed.bone_origins[heads] - wrist, atol=5e-4)


def test_the_wrist_and_the_knuckles_never_move():
    q = np.random.default_rng(0).uniform(*S.LIMITS.T, (7, 20))
    still = [i for i in range(21) if i not in S.SCORED or i == 5]
    np.testing.assert_array_equal(S.HAND.landmarks(q)[:, still], np.tile(S.HAND.rest[still], (7, 1, 1)))


# --------------------------------------------------------------------------------------------------------------- scores


def test_speeds_of_known_numbers():
    ramp = np.array([0, 1, 3, 6, 10, 15, 21, 28.0]) / 1000
    found = np.repeat(ramp[:, None], 20, 1)
    there = np.arange(8) != 4
    old = S.errors(found, found, there, compatible=True)
    np.testing.assert_allclose([old["vel"], old["acc"], old["jerk"]], [7.6, 2.0, 0.0], atol=1e-9)
    assert S.errors(found, found, np.ones(8, bool))["vel"] == pytest.approx(8.0)
    assert S.errors(found, found, there)["acc"] == pytest.approx(2.0 * 2000)


def test_angular_errors_of_known_numbers():
    true = np.random.default_rng(0).normal(size=(50, 20))
    found = true.copy()
    found[:, 3] -= 0.2
    found[:, 5] += 0.1
    out = S.errors(found, true)
    expected = {"mae": 0.015, "mae_thumb": 0.05, "mae_index": 0.025, "mae_middle": 0, "mae_ring": 0, "mae_pinky": 0,
                "mae_proximal": 0.01, "mae_mid": 0, "mae_distal": 0.04}  # fmt: skip
    assert {k: out[k] for k in expected} == pytest.approx(expected)
    assert 0 < out["landmark_distance"] < out["fingertip_distance"] < 0.01


def test_samples_without_a_pose_do_not_count():
    true = np.ones((80, 20))
    true[40:] = 0.0
    found = true.copy()
    found[40:] = 5.0
    assert S.errors(found, true)["mae"] == 0
    assert S.errors(found, true)["fingertip_distance"] == 0
    assert np.isnan(S.errors(found[40:], true[40:])["mae"])
    with pytest.raises(PalmarError, match="expected"):
        S.errors(found[1:], true)


def test_no_pose_means_that_all_angles_are_nothing():
    rows = np.zeros((4, 20))
    rows[1], rows[2, 7], rows[3, 0] = 1e-8, 2e-8, -0.3
    assert S.known(rows).tolist() == [False, False, True, True]


def test_report_is_by_what_was_held_out_and_by_user():
    figures = dict.fromkeys(S.errors(np.ones((5, 20)), np.ones((5, 20))), 0.0)
    one = [S.Scored("a", "s", "user", {**figures, "mae": x}) for x in (0.1, 0.3)]
    two = [S.Scored("b", "s", "user", {**figures, "mae": 0.4}), S.Scored("a", "t", "user_stage", {**figures, "mae": 1})]
    out = S.report([*one, *two]).figures
    assert out["user"]["users"] == 2
    assert out["user"]["mean"]["mae"] == pytest.approx(0.3)
    assert out["user"]["spread"]["mae"] == pytest.approx(0.1)
    assert out["user_stage"]["mean"]["mae"] == 1
    with pytest.raises(PalmarError, match="no window"):
        S.report([])


# -------------------------------------------------------------------------------------------------------------- windows


@pytest.mark.parametrize(
    ("length", "starts"),
    [(10, [0, 10, 33, 43, 53, 63, 73]), (28, [0, 33]), (29, [33]), (30, [33]), (55, [33]), (56, [])],
)
def test_windows_as_published(length, starts):
    there = np.ones(100, bool)
    there[30:33] = there[90:] = False
    assert S.windows(there, length, length) == starts
    assert S.windows(np.ones(100, bool), 30, 30) == [0, 30, 60]


def test_windows_that_fit():
    there = np.ones(100, bool)
    there[30:33] = there[90:] = False
    assert S.windows(there, 30, 30, compatible=False) == [0, 33]
    assert S.windows(there, 10, 10, compatible=False) == [0, 10, 20, 33, 43, 53, 63, 73]


def test_records_that_do_not_hold_together():
    with pytest.raises(PalmarError, match="samples of signal"):
        S.Record("r", np.zeros((4, 16)), np.zeros((3, 20)))
    with pytest.raises(PalmarError, match="side"):
        S.Record("r", np.zeros((4, 16)), np.zeros((4, 20)), side="both")
