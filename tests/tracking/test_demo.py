"""The whole of `track`, with the weights in the package, on the clip in the package, against its exact truth.

The bounds stand about a third above what the weights of their card reach, so that another ONNX Runtime does not trip
them and a broken tracker does.
"""

import json
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pytest

import palmar
from palmar.hand.box import hand_box
from palmar.tracking import write_result


@pytest.fixture(scope="module")
def tracked():
    with as_file(files("palmar") / "demo" / "demo.mp4") as clip:
        return palmar.track(palmar.read(clip, fov=60.0), max_hands=1)


@pytest.fixture(scope="module")
def truth():
    return np.load(Path(__file__).parent / "demo_truth.npz")


def test_one_right_hand_in_every_frame(tracked, truth):
    assert tracked.hands.frame.tolist() == list(range(len(truth["joints"])))
    assert (tracked.hands.side == palmar.types.RIGHT).all()
    assert len(np.unique(tracked.hands.track)) == 1


def test_keypoints(tracked, truth):
    box = hand_box(truth["keypoints"])
    size = (box[:, 2:] - box[:, :2]).max(1)
    error = np.linalg.norm(tracked.hands.keypoints[..., :2] - truth["keypoints"], axis=-1)
    assert error.mean() < 9.0  # pixels of 640 x 480
    assert (error / size[:, None]).mean() < 0.055


def test_confidence_tells_good_from_bad(tracked, truth):
    error = np.linalg.norm(tracked.hands.keypoints[..., :2] - truth["keypoints"], axis=-1)
    sure = tracked.hands.keypoints[..., 2]
    least = sure <= np.quantile(sure, 0.2)  # most keypoints of this clip are as good as certain
    assert sure[least].max() < sure.max()
    assert error[~least].mean() < 0.8 * error[least].mean()


def test_joints_in_the_camera_frame(tracked, truth):
    joints, exact = tracked.hands.joints, truth["joints"]
    relative = np.linalg.norm((joints - joints[:, :1]) - (exact - exact[:, :1]), axis=-1)
    assert 1000 * relative.mean() < 25.0
    # How far a hand is away goes with how large it is, which one picture does not tell: with its true palm it must fit.
    palm, true_palm = (np.linalg.norm(x[:, 9] - x[:, 0], axis=-1).mean() for x in (joints, exact))
    assert abs(np.log(palm / true_palm)) < 0.15  # people's hands differ by some 5 % (one standard deviation)
    assert 1000 * np.linalg.norm(joints * (true_palm / palm) - exact, axis=-1).mean() < 35.0


def test_mesh_and_joints_agree(tracked):
    hands = tracked.hands
    model = palmar.hand.HandModel.default()
    from palmar.geometry.rotations import rotmat_from_rotvec

    rotations = rotmat_from_rotvec(hands.pose.astype(float))
    posed = model.shaped(hands.shape.astype(float)).posed(rotations, hands.translation.astype(float))
    np.testing.assert_allclose(posed.joints(), hands.joints, atol=2e-4)


def test_the_result_says_what_was_assumed(tracked, tmp_path):
    write_result(tracked, tmp_path / "out", overlay=False)
    card = json.loads((tmp_path / "out" / "clip.json").read_text())
    text = json.dumps(card)
    for name in ("detector", "landmarker"):
        sha = json.loads((files("palmar") / "weights" / f"{name}.json").read_text())["sha256"]
        assert sha in text
    back = palmar.Hands.from_parquet(tmp_path / "out" / "hands.parquet")
    np.testing.assert_array_equal(back.joints, tracked.hands.joints)
