"""The reader of labelled photographs: what it gives, and what it refuses."""

import json

import cv2
import numpy as np
import pytest

from palmar.data.photographs import read_photographs
from palmar.errors import PalmarError

HAND = {
    "side": "left",
    "score": 0.9,
    "keypoints": [[i, 2 * i] for i in range(21)],
    "joints": [[0.001 * i, 0, 0] for i in range(21)],
}


def folder(tmp_path, entries) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "labels.json").write_text(json.dumps(entries))


def test_reads_boxes_and_opinions(tmp_path):
    folder(
        tmp_path,
        [
            {"image": "a.png", "split": "adapt", "scene": "3", "hands": [{"box": [1, 2, 3, 4]}], "mediapipe": [HAND]},
            {"image": "a.png", "split": "evaluate", "digit": 7, "mediapipe": []},
        ],
    )
    one, two = read_photographs(tmp_path)
    assert (one.group, two.group, one.has_boxes, two.has_boxes) == ("3", "7", True, False)
    assert one.opinions[0].side == 0
    np.testing.assert_array_equal(one.opinions[0].keypoints[:, 1], 2 * np.arange(21))
    np.testing.assert_array_equal(one.boxes, [[1, 2, 3, 4]])
    assert two.boxes.shape == (0, 4)
    assert [p.split for p in read_photographs(tmp_path, "evaluate")] == ["evaluate"]


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({}, "expected a list"),
        ([{"split": "adapt"}], "entry 0 is not a labelled picture"),
        ([{"image": "../../etc/passwd"}], "leads out of the folder"),
        ([{"image": "a.png", "mediapipe": [{**HAND, "side": "up"}]}], "entry 0"),
        ([{"image": "a.png", "mediapipe": [{**HAND, "keypoints": [[1, 2]]}]}], "entry 0"),
    ],
)
def test_refuses(tmp_path, entries, words):
    folder(tmp_path, entries)
    with pytest.raises(PalmarError, match=words):
        read_photographs(tmp_path)


def test_missing_and_not_json(tmp_path):
    with pytest.raises(PalmarError, match="no such file"):
        read_photographs(tmp_path)
    (tmp_path / "labels.json").write_text("{")
    with pytest.raises(PalmarError, match="not JSON"):
        read_photographs(tmp_path)
