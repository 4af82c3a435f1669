"""Paths: smooth, exact at their ends, riding on what moves."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from palmar.synth.action.track import Curve, Move, Path, Sway, fixed, riding, share
from palmar.synth.pose import minimum_jerk


def pose(rng: np.random.Generator) -> np.ndarray:
    out = np.eye(4)
    out[:3, :3] = Rotation.from_rotvec(rng.normal(0, 0.6, 3)).as_matrix()
    out[:3, 3] = rng.normal(0, 0.2, 3)
    return out


def test_share_is_the_minimum_jerk_of_poses():
    times = np.linspace(0.5, 4.0, 50)
    np.testing.assert_allclose([share(t, 1.0, 2.0) for t in times], minimum_jerk((times - 1.0) / 2.0), atol=1e-15)


def test_a_move_of_no_length_is_a_step():
    assert share(0.999, 1.0, 0.0) == 0.0
    assert share(1.0, 1.0, 0.0) == 1.0


@pytest.fixture(scope="module")
def path() -> Path:
    """Two moves with departure and approach, the second to an anchor that moves, and a rest between."""
    rng = np.random.default_rng(0)

    def carrier(time: float) -> np.ndarray:
        out = np.eye(4)
        out[:3, 3] = 0.1 * np.sin(3 * time), 0.0, 0.05 * time
        return out

    path = Path(fixed(pose(rng)))
    path.add(Move(0.5, 0.8, fixed(pose(rng)), depart=np.array([0, -0.1, 0]), arrive=np.array([0.05, 0, 0])))
    path.add(Move(1.6, 0.9, riding(carrier, pose(rng)), arrive=np.array([0, -0.06, 0])))
    return path


def test_a_path_has_velocity_and_acceleration_everywhere(path):
    """Of a function with a bounded third derivative, third differences shrink with the cube of the step."""

    def worst(step: float) -> list[float]:
        poses = np.stack([path(t) for t in np.arange(0.0, 3.0, step)])
        return [float(np.abs(np.diff(poses, order, axis=0)).max()) / step**order for order in (1, 2, 3)]

    coarse, fine = worst(2e-3), worst(1e-3)
    for a, b in zip(coarse, fine, strict=True):
        assert b < 1.25 * a  # a jump or a corner would double it


def test_a_path_meets_its_anchors_and_stays_a_rotation(path):
    for move in path.moves:
        np.testing.assert_allclose(path(move.end), move.to(move.end), atol=1e-12)
    np.testing.assert_allclose(path(2.9), path.moves[-1].to(2.9), atol=0)  # rides on
    for t in np.linspace(0, 3, 31):
        np.testing.assert_allclose(path(t)[:3, :3] @ path(t)[:3, :3].T, np.eye(3), atol=1e-12)


def test_departure_and_approach_lead_where_they_say():
    path = Path(fixed(np.eye(4)))
    goal = np.eye(4)
    goal[0, 3] = 0.4
    path.add(Move(0.0, 1.0, fixed(goal), depart=np.array([0, -0.1, 0]), arrive=np.array([0, 0, -0.1])))
    early, late = path(0.2)[:3, 3], path(0.85)[:3, 3]
    assert early[1] < -0.02
    assert abs(early[0]) < abs(early[1])
    assert late[2] < -0.005
    assert abs(late[0] - 0.4) < abs(late[2])


def test_a_plain_move_has_a_bell_of_speed():
    path = Path(fixed(np.eye(4)))
    goal = np.eye(4)
    goal[0, 3] = 0.3
    path.add(Move(0.0, 1.0, fixed(goal)))
    x = np.array([path(t)[0, 3] for t in np.linspace(0, 1, 101)])
    speed = np.diff(x)
    top = int(speed.argmax())
    assert (np.diff(speed[: top + 1]) > -1e-12).all()
    assert (np.diff(speed[top:]) < 1e-12).all()
    assert speed.max() * 100 == pytest.approx(1.875 * 0.3, rel=0.01)  # Flash and Hogan 1985


def test_moves_and_steps_may_not_overlap():
    path = Path(fixed(np.eye(4)))
    path.add(Move(0.0, 1.0, fixed(np.eye(4))))
    with pytest.raises(AssertionError):
        path.add(Move(0.9, 1.0, fixed(np.eye(4))))
    curve = Curve(np.zeros(2))
    curve.add(0.0, 1.0, np.ones(2))
    with pytest.raises(AssertionError):
        curve.add(0.5, 1.0, np.zeros(2))


def test_a_curve_keeps_what_it_reached():
    curve = Curve(np.array([0.0, 1.0]))
    curve.add(1.0, 0.5, np.array([2.0, 3.0]))
    np.testing.assert_array_equal(curve(0.5), [0.0, 1.0])
    np.testing.assert_allclose(curve(1.25), [1.0, 2.0])
    np.testing.assert_array_equal(curve(7.0), curve.last)
    assert curve.end == 1.5


def test_sway_is_small_and_trembles_at_eight_to_twelve_hertz():
    for seed in range(20):
        sway = Sway.sample(np.random.default_rng(seed))
        rate = 200.0
        times = np.arange(0, 20, 1 / rate)
        track = np.stack([sway(t) for t in times])
        spectrum = np.abs(np.fft.rfft(track * np.hanning(len(track))[:, None], axis=0))
        hertz = np.fft.rfftfreq(len(track), 1 / rate)
        fast = hertz > 1.0
        assert 7.9 < hertz[fast][spectrum[fast].max(1).argmax()] < 12.1
        tremor = track - np.stack(
            [np.interp(times, times[10::20], track[:, k].reshape(-1, 20).mean(1)) for k in range(3)], 1
        )
        assert np.abs(tremor).max() < 0.3e-3
        assert np.abs(track).max() < 4e-3
