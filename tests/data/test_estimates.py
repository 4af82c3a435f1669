from __future__ import annotations

import shutil

import numpy as np
import pytest

from palmar.data.estimates import Estimates, read_estimates, read_keypoints, write_estimates, write_keypoints
from palmar.data.h2o import H2O, VOCABULARY, write_h2o
from palmar.errors import PalmarError


@pytest.fixture
def data(tmp_path, tiny):
    write_h2o(tmp_path / "h2o", {"test": tiny(VOCABULARY)}, hide_test=True)
    return H2O(tmp_path / "h2o")


def seen(frames: int) -> Estimates:
    rng = np.random.default_rng(0)
    keypoints, boxes = rng.uniform(0, 30, (frames, 2, 21, 2)), rng.uniform(0, 15, (frames, 4))
    boxes[:, 2:] += boxes[:, :2]
    keypoints[1, 0], boxes[2] = np.nan, np.nan
    return Estimates(keypoints, boxes, np.array([5, 5, 0, 8, 1])[:frames], (48, 32))


def test_read_gives_what_was_written(data):
    row = data.clip_rows("test")[0]
    assert row.action == 0
    want = seen(5)
    write_estimates(data, row, want)
    back = read_estimates(data, row)
    np.testing.assert_allclose(back.keypoints, want.keypoints, atol=1e-6)
    np.testing.assert_allclose(back.boxes, want.boxes, atol=1e-5)
    np.testing.assert_array_equal(back.objects, want.objects)
    assert back.size == (48, 32)


def test_nothing_of_the_truth_is_opened(data):
    """Frame 2 has an object in truth, but the detector found none: it stays unknown, also without any truth on disk."""
    row = data.clip_rows("test")[0]
    write_estimates(data, row, seen(5))
    cam = data.root / "subject4/h1/0/cam4"
    for truth in ("hand_pose", "obj_pose", "obj_pose_rt", "action_label", "verb_label"):
        shutil.rmtree(cam / truth)
    (cam / "obj_pose_ownmodel/000003.txt").unlink()  # as detectors leave a picture without boxes
    back = read_estimates(H2O(data.root), row)
    assert back.objects.tolist() == [5, 5, 0, 0, 1]
    assert np.isnan(back.boxes).all(1).tolist() == [False, False, True, True, False]
    alone = read_estimates(H2O(data.root), row, objects=None)
    assert not alone.objects.any()
    with pytest.raises(PalmarError, match="no folder hand_pose_mediapipe"):
        read_estimates(H2O(data.root), row, hands="hand_pose_mediapipe")


def test_a_hand_of_zeros_is_absent(tmp_path):
    hands = np.stack([np.full((21, 2), np.nan), np.arange(42.0).reshape(21, 2)])
    write_keypoints(tmp_path / "a.txt", hands)
    assert (tmp_path / "a.txt").read_text().startswith("0 0\n0 0\n")
    np.testing.assert_array_equal(read_keypoints(tmp_path / "a.txt"), hands)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2\n" * 41, "41 rows; expected 42 rows of x y"),
        ("1 2\n" * 41 + "1 2 3\n", "line 42: '1 2 3'"),
        ("1 2\n" * 41 + "1 nan\n", "line 42: '1 nan'"),
        ("1 2\n" * 3000, "more than 8192 bytes"),
    ],
)
def test_a_bad_file_is_named(tmp_path, text, message):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(PalmarError, match=message):
        read_keypoints(tmp_path / "a.txt")
