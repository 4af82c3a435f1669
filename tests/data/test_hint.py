"""HInt: a file for each hand, its side in the name, and read(write(x)) = x."""

from __future__ import annotations

import json

import numpy as np
import pytest

from palmar.data.hint import hands_of, read_hint, write_hint
from palmar.data.ycb import VOCABULARY
from palmar.errors import PalmarError
from palmar.media.picture import write_image

ROW = {"keypoints": [[k + 0.5, 2 * k] for k in range(21)], "occlusion": [0, 1] * 10 + [0], "bbox": [[1, 2, 30.5, 40]]}


@pytest.fixture
def example(tmp_path):
    """As the data set's own files are: made without the writer."""
    for folder, name in (
        ("TEST_epick_img", "EK_0064_P03_10_frame_0000000249_r"),
        ("TEST_newdays_img", "ND_x_frame1_l"),
    ):
        (tmp_path / "hint" / folder).mkdir(parents=True)
        (tmp_path / "hint" / folder / f"{name}.json").write_text(json.dumps([ROW]))
    write_image(tmp_path / "hint/TEST_newdays_img/ND_x_frame1_l.jpg", np.zeros((32, 48, 3), np.uint8))
    return tmp_path / "hint"


def test_the_files_of_the_release(example):
    one, two = read_hint(example, "TEST")
    assert (one.name, one.side, two.side) == ("ND_x_frame1_l", 0, 1)
    assert (one.image.shape, two.image) == ((32, 48, 3), None)
    assert one.keypoints[3].tolist() == [3.5, 6]
    assert one.hidden.sum() == 10
    assert one.box.tolist() == [1, 2, 30.5, 40]
    assert len(read_hint(example, "TEST", ("epick_img",))) == 1
    with pytest.raises(PalmarError, match="no folder such as VAL_newdays_img"):
        read_hint(example, "VAL")


def test_read_gives_what_was_written(tmp_path, tiny):
    hands = list(hands_of(tiny(VOCABULARY).frames))
    assert [hand.side for hand in hands] == [0, 1] * 5 + [1] * 3
    write_hint(tmp_path / "out", {"TEST_newdays_img": hands, "VAL_epick_img": hands[:2]})
    found = {hand.name: hand for hand in read_hint(tmp_path / "out", "TEST")}
    assert len(found) == len(hands)
    for hand in hands:
        back = found[hand.name]
        np.testing.assert_array_equal(back.keypoints, hand.keypoints)
        np.testing.assert_array_equal(back.box, hand.box)
        assert (back.side, back.hidden.any(), back.image.shape) == (hand.side, False, hand.image.shape)
    write_hint(tmp_path / "out", {"TEST_newdays_img": hands[:1]}, overwrite=True)
    assert len(read_hint(tmp_path / "out", "TEST")) == 1
    with pytest.raises(PalmarError, match="two hands of this name"):
        write_hint(tmp_path / "more", {"TEST_newdays_img": hands[:1] * 2})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": [[1, 2]]}, "keypoints: expected 21 x 2 finite numbers"),
        ({"occlusion": None}, "occlusion: expected 21 finite numbers"),
        ({"bbox": [["a", 1, 2, 3]]}, "bbox: not numbers"),
    ],
)
def test_a_bad_file_is_named(example, change, message):
    path = example / "TEST_newdays_img/ND_x_frame1_l.json"
    path.write_text(json.dumps([ROW | change]))
    with pytest.raises(PalmarError, match=rf"ND_x_frame1_l\.json: {message}"):
        read_hint(example)[0]
    path.write_text(json.dumps([ROW, ROW]))
    with pytest.raises(PalmarError, match="expected a list of one"):
        read_hint(example)[0]
    path.rename(path.with_name("ND_x.json"))
    with pytest.raises(PalmarError, match="ends in _l or _r"):
        read_hint(example)[0]
