from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from palmar.data.datasets import open_split
from palmar.data.freihand import FreiHand, part_rows, read_array, read_freihand, right_hands, write_freihand
from palmar.data.h2o import VOCABULARY
from palmar.errors import PalmarError
from palmar.geometry.camera import Camera

K = [[480.0, 0, 112.5], [0, 481.5, 110.0], [0, 0, 1]]


@pytest.fixture
def example(tmp_path):
    """Two entries and no pictures."""
    root = tmp_path / "freihand"
    root.mkdir()
    joints = np.random.default_rng(0).normal((0, 0, 0.6), 0.05, (2, 21, 3)).tolist()
    files = {
        "training_K": [K, K],
        "training_xyz": joints,
        "training_scale": [0.03, 0.031],
        "training_verts": np.zeros((2, 778, 3)).tolist(),
        "training_mano": np.arange(122.0).reshape(2, 1, 61).tolist(),
        "evaluation_K": [K],
    }
    for name, values in files.items():
        (root / f"{name}.json").write_text(json.dumps(values))
    return root


def test_the_lists(example):
    data = FreiHand(example)
    assert data.vertices.shape == (2, 778, 3)
    assert data.mano[1, 0] == 61
    assert data.scales.tolist() == [0.03, 0.031]
    assert data.pictures == 0
    frame = read_freihand(example, "training").frames[1]
    assert frame.name == "training/00000001"
    assert frame.present.tolist() == [False, True]
    assert (frame.camera.fy, frame.camera.cx, frame.camera.width) == (481.5, 112.5, 224)
    np.testing.assert_array_equal(frame.joints[1], data.joints[1].astype(np.float32))
    z = data.joints[1, 5, 2]
    np.testing.assert_allclose(frame.keypoints[1, 5], data.joints[1, 5] @ np.array(K)[:2].T / z, rtol=1e-6)
    unseen = read_freihand(example, "evaluation").frames[0]  # its truth was not public for years
    assert not unseen.present.any()


def test_the_parts_of_the_release():
    count, entries = 130_240, 32_560
    train, val, test = (part_rows(part, count, entries) for part in ("train", "val", "test"))
    assert (train[0], train[-1]) == (0, 104_191)
    assert (val[0], val[-1]) == (104_192, 117_215)
    assert (test[0], len(test)) == (117_216, 13_024)
    own = [set(part_rows(part, count, entries, "entry") % entries) for part in ("train", "val", "test")]
    assert sum(map(len, own)) == entries == len(set.union(*own))  # no hand in two parts
    assert set(train % entries) & set(test % entries)  # whereas the published cut shares them


def test_read_gives_what_was_written(tmp_path, tiny):
    frames = tiny(VOCABULARY).frames
    write_freihand(tmp_path / "out", frames, frames[:3])
    split = open_split(str(tmp_path / "out"), "training")
    assert len(split.frames) == 8
    assert len(split.clips) == 0
    for a, b in zip(frames, split.frames, strict=True):
        np.testing.assert_array_equal(a.joints[1], b.joints[1])
        assert np.isnan(b.joints[0]).all()
        assert a.camera.matrix.tolist() == b.camera.matrix.tolist()
        off = [abs(a.image.astype(float) - other.image).mean() for other in split.frames]
        assert min(off) == abs(a.image.astype(float) - b.image).mean() < 6  # JPEG
    assert [len(read_freihand(tmp_path / "out", part).frames) for part in ("train", "val", "test")] == [6, 1, 1]
    assert len(read_freihand(tmp_path / "out", "evaluation").frames) == 3
    scales = FreiHand(tmp_path / "out").scales
    assert scales[0] == pytest.approx(np.linalg.norm(frames[0].joints[1, 10] - frames[0].joints[1, 9]))


def test_hands_of_any_picture_become_right_ones(tiny):
    """A mark on a joint is on that joint of the crop, mirrored or not."""
    camera = Camera(160, 120, 150, 152, 80, 60)
    frame = tiny(VOCABULARY, camera=camera).frames[0]
    image = np.full((120, 160, 3), 40, np.uint8)
    points = np.round(frame.keypoints[:, 9]).astype(int)
    for (x, y), colour in zip(points, ((255, 0, 0), (0, 255, 0)), strict=True):
        image[y - 1 : y + 2, x - 1 : x + 2] = colour
    found = list(right_hands([replace(frame, image=image), replace(frame, image=None)], size=96, seen=0.1))
    assert [f.name for f in found] == ["clip0/0/left", "clip0/0/right"]
    for side, hand in enumerate(found):
        assert hand.image.shape == (96, 96, 3)
        assert hand.present.tolist() == [False, True]
        x, y = hand.keypoints[1, 9]
        colour = hand.image[round(float(y)), round(float(x))].astype(int)
        assert colour[side] > colour[1 - side] + 60
        size = np.ptp(hand.keypoints[1], 0).max()
        assert size == pytest.approx(96 / 1.6)
        np.testing.assert_allclose(hand.joints[1, :, 1:], frame.joints[side, :, 1:])


def test_hands_at_the_border_are_left_out(tiny):
    frame = tiny(VOCABULARY, camera=Camera(400, 300, 200, 200, 200, 150)).frames[0]
    frame = replace(frame, image=np.zeros((300, 400, 3), np.uint8), joints=frame.joints.copy())
    frame.joints[0] -= frame.joints[0].mean(0) - np.array([0, 0, 0.4], np.float32)
    frame.joints[1] = frame.joints[0] + np.array([0.4, 0, 0], np.float32)  # its middle on the right edge
    inside = frame.camera.inside(frame.keypoints).mean(1)
    assert inside[0] == 1
    assert 0.2 < inside[1] < 0.8
    assert [hand.name for hand in right_hands([frame])] == ["clip0/0/left"]
    assert len(list(right_hands([frame], seen=0.2))) == 2


def test_four_pictures_show_one_entry(tmp_path, tiny):
    frames = tiny(VOCABULARY).frames[:2]
    write_freihand(tmp_path / "out", frames)
    rgb = tmp_path / "out/training/rgb"
    for copy in range(1, 4):
        for i in range(2):
            (rgb / f"{2 * copy + i:08d}.jpg").write_bytes((rgb / f"{i:08d}.jpg").read_bytes())
    split = read_freihand(tmp_path / "out", "training")
    assert len(split.frames) == 8
    for i, frame in enumerate(split.frames):
        np.testing.assert_array_equal(frame.joints, split.frames[i % 2].joints)
    (rgb / "00000007.jpg").unlink()
    with pytest.raises(PalmarError, match="7 pictures for 2 entries"):
        read_freihand(tmp_path / "out")


def test_what_does_not_fit_is_refused(tmp_path, tiny):
    frames = tiny(VOCABULARY).frames
    gone = replace(frames[0], joints=np.full((2, 21, 3), np.nan, np.float32))
    with pytest.raises(PalmarError, match="no right hand"):
        write_freihand(tmp_path / "out", (gone,))
    with pytest.raises(PalmarError, match="some frames have a picture"):
        write_freihand(tmp_path / "out", (frames[0], replace(frames[1], image=None)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[1, 2], [3, NaN]]", r"line 1, byte 13: 'NaN\]\]'; expected pairs, of finite numbers"),
        ("[[1, 2],\n [3, null]]", r"line 2, byte 14: 'null\]\]'"),
        ("[[1, 2], [3, 4]", r"its brackets and commas are not those"),
        ("[[1, 2], [3]]", r"its brackets and commas are not those"),
        ("[[1, 2], [3, 4, 5]]", r"its brackets and commas are not those"),
        ("[[[1, 2]], [[3, 4]]]", r"its brackets and commas are not those"),
        ("[[1, 2], [3, 4],]", r"its brackets and commas are not those"),
        ("[[1, 2], [3, ]]", r"3 readable numbers; expected pairs, 2 times"),
        ("[[1, 2], [3, 4 5]]", r"5 readable numbers; expected pairs, 2 times"),
        ("[[1, 2], [3, 4-5]]", r"a word is no number; expected pairs"),
        ("[[1, 2], [3, 1e999]]", r"number 4 is too large"),
        ('{"a": 1}', r"line 1, byte 0"),
        ("", r"its brackets and commas are not those"),
    ],
)
def test_a_bad_list_is_named(tmp_path, text, message):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(PalmarError, match=message):
        read_array(tmp_path / "a.json", (2,), "pairs")


@pytest.mark.parametrize("shape", [(0, 2), (1, 2), (3,), (0,), (2, 3, 4), (5, 1, 2)])
def test_arrays_as_json_reads_them(tmp_path, shape):
    values = np.random.default_rng(0).normal(0, 1e3, shape)
    (tmp_path / "a.json").write_text(json.dumps(values.tolist(), indent=1))
    np.testing.assert_array_equal(read_array(tmp_path / "a.json", shape[1:], "arrays"), values)


def test_what_is_missing_is_named(example):
    (example / "training_K.json").unlink()
    with pytest.raises(PalmarError, match=r"training_K.json: no such file; expected a list of 3 x 3 matrices"):
        read_freihand(example)
    (example / "training_K.json").write_text(json.dumps([K]))
    with pytest.raises(PalmarError, match=r"training_xyz.json: 2 entries, but 1 in training_K.json"):
        read_freihand(example, "training").frames[0]
    (example / "training_K.json").write_text(json.dumps([[[1, 2, 3], [0, 1, 1], [0, 0, 1]]] * 2))
    with pytest.raises(PalmarError, match=r"training_K.json: entry 0 is no pinhole"):
        read_freihand(example, "training").frames[0]
    (example / "training_xyz.json").unlink()
    with pytest.raises(PalmarError, match=r"training_xyz.json: no such file"):
        read_freihand(example)
