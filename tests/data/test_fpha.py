from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from palmar.data.datasets import open_split
from palmar.data.fpha import (
    BOXES,
    COLOUR,
    COLOUR_FROM_DEPTH,
    DEPTH,
    FPHA,
    ORDER,
    POSED_VOCABULARY,
    SKIPPED,
    VOCABULARY,
    Row,
    pose_of_box,
    read_action_info,
    read_fpha,
    read_object_poses,
    read_skeleton,
    read_split,
    write_fpha,
    write_skeleton,
)
from palmar.data.h2o import write_depth
from palmar.errors import PalmarError, PalmarWarning
from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.types.firstperson import Vocabulary, box_points

SPLIT = """Training 2
Subject_1/put_salt/1 15
Subject_2/close_milk/4 11
Test 2
Subject_2/put_salt/1 15
Subject_3/write/2 25
"""
POSE = "0 1 0 0 -1 0 0 0 0 0 1 0 10 20 400 1"


def skeleton(rows: int) -> str:
    """Joint j of the file is (20 + j, -30, 400 + j) mm."""
    joints = " ".join(f"{20 + j} -30 {400 + j}" for j in range(21))
    return "".join(f"{t} {joints}\n" for t in range(rows))


@pytest.fixture
def example(tmp_path):
    root = tmp_path / "fpha"
    for name in ("Subject_1/put_salt/1", "Subject_2/close_milk/4", "Subject_2/put_salt/1", "Subject_3/write/2"):
        (root / "hand_pose_annotation_v1" / name).mkdir(parents=True)
        (root / "hand_pose_annotation_v1" / name / "skeleton.txt").write_text(skeleton(3))
    there = root / "Object_6D_pose_annotation_v1_1" / "Subject_1/put_salt/1"
    there.mkdir(parents=True)
    there.joinpath("object_pose.txt").write_text(f"0 {POSE}\n2 {POSE}\n")
    (root / "data_split_action_recognition.txt").write_text(SPLIT)
    return root


def test_the_words():
    assert len(VOCABULARY.objects) == 27
    assert len(VOCABULARY.actions) == 45
    named = dict(zip(VOCABULARY.actions, VOCABULARY.object_of, strict=True))
    assert VOCABULARY.actions[15] == "put_salt"
    assert VOCABULARY.objects[named["put_salt"]] == "salt"
    assert VOCABULARY.objects[named["read_letter"]] == "paper"
    assert VOCABULARY.objects[named["charge_cell_phone"]] == "cell_charger"
    assert VOCABULARY.actions[44] == "high_five"
    assert set(VOCABULARY.object_of) == set(range(1, 27))  # each object is used
    assert len(POSED_VOCABULARY.actions) == 11
    assert POSED_VOCABULARY.objects[POSED_VOCABULARY.object_of[7]] == "salt"


def test_a_point_in_both_cameras():
    point = COLOUR_FROM_DEPTH[:3, :3] @ (0.02, -0.03, 0.4) + COLOUR_FROM_DEPTH[:3, 3]
    np.testing.assert_allclose(point, (0.0462335, -0.0297811, 0.4037986), atol=5e-8)
    np.testing.assert_allclose(COLOUR.project(point), (1095.5406, 437.7412), atol=5e-5)
    np.testing.assert_allclose(COLOUR.project(point) / (1920, 1080), (0.570594, 0.405316), atol=5e-7)
    np.testing.assert_allclose(DEPTH.project(np.array((0.02, -0.03, 0.4))), (339.6982, 209.6571), atol=5e-5)


def test_the_object_pose_has_columns(tmp_path):
    (tmp_path / "object_pose.txt").write_text(f"0 {POSE}\n")
    numbers, poses = read_object_poses(tmp_path / "object_pose.txt")
    assert numbers.tolist() == [0]
    point = poses[0] @ (0.0375, 0.035, 0.1155, 1)
    np.testing.assert_allclose(point[:3], (-0.025, 0.0575, 0.5155), atol=1e-9)


def test_the_order_of_joints(tmp_path):
    """In the file: wrist, MCP of thumb, index, ...; then PIP, DIP, tip of the thumb, ..."""
    assert sorted(ORDER) == list(range(21))
    (tmp_path / "skeleton.txt").write_text(skeleton(1))
    _, joints = read_skeleton(tmp_path / "skeleton.txt")
    row = np.round(joints[0, :, 0] * 1000 - 20).astype(int)
    assert row.tolist() == [0, 1, 6, 7, 8, 2, 9, 10, 11, 3, 12, 13, 14, 4, 15, 16, 17, 5, 18, 19, 20]


def test_the_split_file(tmp_path):
    path = tmp_path / "split.txt"
    path.write_text(SPLIT)
    training, test = read_split(path)
    assert training == [Row("Subject_1/put_salt/1", 15), Row("Subject_2/close_milk/4", 11)]
    assert [row.action for row in test] == [15, 25]


def test_the_example(example):
    split = open_split(f"fpha:{example}")
    assert len(split.clips) == 1  # close_milk/4 is damaged
    assert SKIPPED[0] == "Subject_2/close_milk/4"
    assert len(read_fpha(example, skip=False).clips) == 2
    clip = split.clips[0]
    assert (clip.name, clip.action, len(clip)) == ("Subject_1/put_salt/1", 15, 3)
    assert np.isnan(clip.joints[:, 0]).all()
    np.testing.assert_allclose(clip.keypoints[1, 1, 0], (1095.5406, 437.7412), atol=1e-3)
    assert clip.objects.tolist() == [8, 8, 8]
    assert np.isfinite(clip.points).all((1, 2)).tolist() == [True, False, True]
    model = box_points(*np.array(BOXES["salt"]))[1] * 1000  # millimetres
    depth = np.array([-model[1] + 10, model[0] + 20, model[2] + 400])
    want = COLOUR_FROM_DEPTH[:3, :3] @ depth + COLOUR_FROM_DEPTH[:3, 3] * 1000
    np.testing.assert_allclose(clip.points[0, 1] * 1000, want, atol=1e-4)
    assert len(split.frames) == 3
    frame = split.frames[2]
    assert frame.name == "Subject_1/put_salt/1/0002"
    assert frame.image is None
    np.testing.assert_array_equal(frame.joints, clip.joints[2])
    np.testing.assert_array_equal(frame.points, clip.points[2])
    assert [f.name for f in split.frames] == list(clip.frames)


def test_protocols(example):
    data = FPHA(example)
    names = lambda part, protocol: [row.name for row in data.rows(part, protocol)]  # noqa: E731
    assert names("train", "cross-subject") == ["Subject_1/put_salt/1", "Subject_3/write/2"]
    assert names("test", "cross-subject") == ["Subject_2/put_salt/1"]
    assert names("test", "action") == ["Subject_2/put_salt/1", "Subject_3/write/2"]
    assert names("train", "cross-object") == ["Subject_1/put_salt/1", "Subject_2/put_salt/1", "Subject_3/write/2"]
    assert data.rows("train", "objects") == [Row("Subject_1/put_salt/1", 7)]
    assert data.rows("test", "objects") == []  # no object poses there
    clip = read_fpha(example, protocol="objects").clips[0]
    assert POSED_VOCABULARY.objects[clip.objects[0]] == "salt"
    with pytest.warns(PalmarWarning, match="train on 'fit'"):
        assert len(read_fpha(example, "val").clips) == 0
    assert len(read_fpha(example, "fit").clips) == 1


def test_pictures(example):
    place = example / "Video_files_480" / "Subject_1/put_salt/1" / "color"
    place.mkdir(parents=True)
    from palmar.media.picture import write_image

    picture = np.full((270, 480, 3), 90, np.uint8)
    for t in range(3):
        write_image(place / f"color_{t:04d}.jpeg", picture)
    frame = read_fpha(example, pictures="480").frames[1]
    assert frame.image.shape == (270, 480, 3)
    assert abs(frame.image.astype(int) - 90).max() <= 2
    np.testing.assert_allclose((frame.camera.fx, frame.camera.fy), (COLOUR.fx / 4, COLOUR.fy / 4))
    (place / "color_0001.jpeg").unlink()
    with pytest.raises(PalmarError, match=r"color_0001.jpeg: no such file; expected a picture of frame 1"):
        read_fpha(example, pictures="480").frames[1]
    deep = example / "Video_files" / "Subject_1/put_salt/1" / "depth"
    deep.mkdir(parents=True)
    write_depth(deep / "depth_0000.png", np.full((480, 640), 0.285, np.float32))
    recording = FPHA(example).recording("Subject_1/put_salt/1")
    assert recording.depth(0)[3, 5] == np.float32(0.285)
    assert recording.picture(0, "color") is None


def test_action_info(tmp_path):
    path = tmp_path / "action_object_info.txt"
    path.write_text("id action object object_pose_tag scenario\n16 put_salt salt 1 kitchen\n")
    info = read_action_info(path)[0]
    assert (info.action, info.name, info.object, info.tag, info.scenario) == (15, "put_salt", "salt", "1", "kitchen")
    path.write_text("id action\n16 put_salt\n")
    with pytest.raises(PalmarError, match=r"line 2: 2 words; expected a row of id action"):
        read_action_info(path)


# ------------------------------------------------------------------------------------------ reading what is written


WORDS = Vocabulary(
    ("none", "cup", "tea pot"), ("none", "wave cup", "turn tea pot"), ("none", "wave", "turn"), (0, 1, 2), (0, 1, 2)
)


@pytest.mark.parametrize("words", [VOCABULARY, WORDS])
def test_read_gives_what_was_written(tmp_path, tiny, words):
    parts = {"train": tiny(words, seed=1, left=False, fps=15.0), "test": tiny(words, seed=2, left=False, fps=15.0)}
    write_fpha(tmp_path / "out", parts)
    for name, split in parts.items():
        back = open_split(str(tmp_path / "out"), name)
        assert back.vocabulary == words
        assert back.fps == 15
        assert len(back.frames) == 8
        for a, b in zip(split.clips, back.clips, strict=True):
            assert a.camera == b.camera
            assert a.action == b.action
            np.testing.assert_allclose(a.times, b.times)
            np.testing.assert_array_equal(a.objects, b.objects)
            np.testing.assert_allclose(a.joints, b.joints, atol=1e-6)
            np.testing.assert_allclose(a.points, b.points, atol=1e-6)
        for a, b in zip(split.frames, back.frames, strict=True):
            np.testing.assert_allclose(a.joints, b.joints, atol=1e-6)
            np.testing.assert_allclose(a.points, b.points, atol=1e-6)
            assert (a.camera_from_object is None) == (b.camera_from_object is None)
            if a.camera_from_object is not None:
                np.testing.assert_allclose(a.camera_from_object, b.camera_from_object, atol=1e-6)
            assert (a.object, a.action) == (b.object, b.action)
            off = [abs(a.image.astype(float) - other.image).mean() for other in back.frames]
            assert off[int(np.argmin(off))] == abs(a.image.astype(float) - b.image).mean() < 6  # JPEG
    info = read_action_info(tmp_path / "out" / "action_object_info.txt")
    assert len(info) == len(words.actions)


def test_clips_alone_say_how_their_box_lies(tmp_path, tiny):
    split = tiny(WORDS, left=False)
    write_fpha(tmp_path / "out", {"train": replace(split, frames=())})
    back = read_fpha(tmp_path / "out")
    for a, b in zip(split.clips, back.clips, strict=True):
        np.testing.assert_allclose(a.points, b.points, atol=1e-6)


def test_the_pose_of_a_box():
    rng = np.random.default_rng(0)
    half = np.array([0.02, 0.1, 0.05])
    for thin in range(4):
        size = half.copy()
        if thin < 3:
            size[thin] = 0.0  # a sheet
        turn = rotmat_from_rotvec(rng.normal(0, 1, 3))
        pose = pose_of_box(box_points(-size, size) @ turn.T + (0.1, 0.2, 0.3))
        np.testing.assert_allclose(pose[:3, :3], turn, atol=1e-9)
        np.testing.assert_allclose(pose[:3, 3], (0.1, 0.2, 0.3))
    with pytest.raises(PalmarError, match="on a line"):
        pose_of_box(box_points(np.array([-1.0, 0, 0]), np.array([1.0, 0, 0])))


def test_what_does_not_fit_is_refused(tmp_path, tiny):
    split = tiny(VOCABULARY)
    with pytest.raises(PalmarError, match="has a left hand"):
        write_fpha(tmp_path / "out", {"train": split})
    other = replace(split.frames[4], camera=Camera(48, 32, 31, 31, 23, 16))
    with pytest.raises(PalmarError, match=r"Subject_1/.*/1: its frames have several cameras"):
        write_fpha(tmp_path / "out", {"train": replace(split, frames=(*split.frames[:4], other))}, drop_left=True)
    assert list(tmp_path.iterdir()) == []
    write_fpha(tmp_path / "out", {"train": split}, drop_left=True)
    assert np.isnan(read_fpha(tmp_path / "out").clips[0].joints[:, 0]).all()
    write_fpha(tmp_path / "other", {"train": tiny(WORDS, left=False)})
    with pytest.raises(PalmarError, match="about the objects of FPHA"):
        read_fpha(tmp_path / "other", protocol="objects")


def test_an_unseen_hand(tmp_path):
    joints = np.full((2, 21, 3), 0.25)
    joints[1] = np.nan
    write_skeleton(tmp_path / "skeleton.txt", joints)
    numbers, back = read_skeleton(tmp_path / "skeleton.txt")
    assert numbers.tolist() == [0, 1]
    np.testing.assert_array_equal(back, joints)


# ---------------------------------------------------------------------------------------------------------- bad files


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Subject_1/put_salt/1 15\n", r"line 1: expected the header Training N"),
        ("Training 1\nSubject_1/put_salt 15\nTest 0\n", r"line 2: .*expected a row like"),
        ("Training 1\n../put_salt/1 15\nTest 0\n", r"line 2: '../put_salt/1' is no path"),
        ("Training 1\nSubject_1/put_salt/1 45\nTest 0\n", r"line 2: expected an action, a whole number from 0 to 44"),
        ("Training 2\nSubject_1/put_salt/1 15\nTest 0\n", r"Training has 1 rows, its header says 2"),
        ("Training 0\n", r"no header Test"),
        ("Training 0\nTraining 0\nTest 0\n", r"line 2: a second header Training"),
    ],
)
def test_a_bad_split_is_named(tmp_path, text, message):
    (tmp_path / "split.txt").write_text(text)
    with pytest.raises(PalmarError, match=message):
        read_split(tmp_path / "split.txt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1 2\n", r"line 1: 3 numbers; expected 64 numbers"),
        (skeleton(2).replace("400", "nan", 1), r"line 1: a number is not finite"),
        (skeleton(2).replace("400", "4OO", 1), r"line 1: '4OO' is not a number"),
        (skeleton(1) + skeleton(1), r"line 2: expected the number of the frame, a whole one that rises"),
    ],
)
def test_a_bad_skeleton_is_named(example, text, message):
    path = example / "hand_pose_annotation_v1/Subject_1/put_salt/1/skeleton.txt"
    path.write_text(text)
    with pytest.raises(PalmarError, match=message) as info:
        read_fpha(example).clips[0]
    assert str(path) in str(info.value)
    path.unlink()
    with pytest.raises(PalmarError, match=r"no Hand_pose_annotation_v1_1/Subject_1/put_salt/1/skeleton.txt"):
        read_fpha(example).clips[0]


def test_a_bad_object_pose_is_named(example):
    path = example / "Object_6D_pose_annotation_v1_1/Subject_1/put_salt/1/object_pose.txt"
    rows = "0 " + " ".join(np.array(POSE.split()).reshape(4, 4).T.ravel())  # rows, not columns
    path.write_text(rows)
    with pytest.raises(PalmarError, match=r"line 1: expected a rotation and a translation, column after column"):
        read_fpha(example).clips[0]
