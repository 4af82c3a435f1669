from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from palmar.data.datasets import open_split
from palmar.data.fpha import pose_of_box
from palmar.data.h2o import (
    CAMERA,
    H2O,
    HALF_EXTENTS,
    OBJECTS,
    VERBS,
    VOCABULARY,
    clip_id,
    read_camera_pose,
    read_depth,
    read_h2o,
    read_hands,
    read_intrinsics,
    read_mano,
    read_mesh,
    read_object,
    read_object_pose,
    template,
    unprojected,
    write_depth,
    write_h2o,
    write_object,
    write_object_pose,
)
from palmar.data.meshes import write_ply
from palmar.errors import PalmarError
from palmar.geometry.align import procrustes
from palmar.geometry.camera import BrownConrady
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.types.firstperson import EDGES, Vocabulary

RT = "1 0 -1 0 0.05 1 0 0 -0.02 0 0 1 0.4 0 0 0 1"
HEADER = "id path start_act end_act\n"
LABELLED = "id path action_label start_act end_act\n"
PAUSE = " ".join(["0"] * 63)


@pytest.fixture
def example(tmp_path):
    """One frame of the release, with made-up numbers in the true format; every folder in another case."""
    here = tmp_path / "h2o" / "subject1" / "h1" / "0" / "cam4"
    joints = np.random.default_rng(0).normal((0, 0, 0.5), 0.05, (21, 3))
    joints[0] = 0.1, -0.05, 0.5
    box = template(1) @ np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]]).T + (0.05, -0.02, 0.4)
    files = {
        "cam_pose/000000.txt": "0 0 1 0.1 0 1 0 0.2 -1 0 0 0.3 0 0 0 1",
        "Hand_Pose/000000.txt": f"0 {PAUSE} 1 " + " ".join(map(str, joints.ravel())) + "\n",
        "hand_pose_MANO/000000.txt": "0 " + " ".join(["nan"] * 61) + " 1 0.02 -0.05 0.45 " + " ".join(["0.1"] * 58),
        "obj_pose/000000.txt": "1 " + " ".join(map(str, box.ravel())),
        "obj_pose_RT/000000.txt": RT,
        "verb_label/000000.txt": "2",
        "action_label/000000.txt": "9.0",
    }
    for name, text in files.items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(text)
    (here / "cam_intrinsics.txt").write_text(
        "636.6593017578125 636.251953125 635.283881879317 366.8740353496978 1280 720"
    )
    lists = tmp_path / "h2o" / "label_split"
    lists.mkdir()
    (lists / "pose_train.txt").write_text("subject1/h1/0/cam4/rgb/000000.png\n")
    (lists / "action_train.txt").write_text(
        "id path action_label start_act end_act start_frame end_frame\n1 subject1/h1/0 9 0 0 0 449\n"
    )
    (lists / "action_test.txt").write_text(
        "id path start_act end_act start_frame end_frame\n1 subject4/h1/0 0 80 0 500\n"
    )
    return tmp_path / "h2o"


def test_the_words(example):
    assert len(VOCABULARY.objects) == 9
    assert len(VOCABULARY.actions) == 37
    assert len(VOCABULARY.verbs) == 12
    # the table of verbs that published evaluations use
    table = [0] + [1] * 8 + [2] * 8 + [3] * 3 + [4] * 3 + [5] + [6] * 4 + [7] * 3 + [8] * 2 + [9] * 2 + [10, 11]
    assert list(VOCABULARY.verb_of) == table
    for action, verb, thing in zip(
        VOCABULARY.actions[1:], VOCABULARY.verb_of[1:], VOCABULARY.object_of[1:], strict=True
    ):
        assert action == f"{VERBS[verb]} {OBJECTS[thing]}"
    assert VOCABULARY.actions[16] == "place cappuccino"
    assert VOCABULARY.actions[23] == "pour milk"
    assert VOCABULARY.actions[34:] == ("read espresso", "spray spray", "squeeze lotion")


def test_the_frame_of_the_example(example):
    split = read_h2o(example)
    frame = split.frames[0]
    assert frame.name == "subject1/h1/0/000000"
    assert frame.image is None  # there is no rgb
    assert frame.present.tolist() == [False, True]
    np.testing.assert_allclose(frame.keypoints[1, 0], (762.615742, 303.248840), atol=2e-4)
    world = frame.camera.world_from_camera
    np.testing.assert_allclose(world[:3, :3] @ (0.1, -0.05, 0.5) + world[:3, 3], (0.6, 0.15, 0.2), atol=1e-12)
    np.testing.assert_allclose(frame.points[1], (-0.0553, -0.0005, 0.5158), atol=1e-7)
    np.testing.assert_allclose(world[:3, :3] @ frame.points[1] + world[:3, 3], (0.6158, 0.1995, 0.3553), atol=1e-7)
    np.testing.assert_allclose(frame.object_box, (511.401900, 278.443521, 983.183916, 366.257273), atol=2e-4)
    moved = template(1) @ frame.camera_from_object[:3, :3].T + frame.camera_from_object[:3, 3]
    np.testing.assert_allclose(frame.points, moved, atol=1e-6)
    assert (frame.object, frame.verb, frame.action) == (1, 2, 9)
    assert frame.camera.matrix.tolist() == CAMERA.matrix.tolist()
    assert frame.pose is None  # MANO's parameters are not this hand model's
    hands = H2O(example).take("subject1/h1/0").mano(0)
    assert hands.present.tolist() == [False, True]
    np.testing.assert_allclose(hands.translation[1], (0.02, -0.05, 0.45))
    assert hands.pose.shape == (2, 16, 3)


def test_the_lists_of_the_example(example):
    split = open_split(f"h2o:{example}")
    assert len(split.frames) == len(split.clips) == 1
    clip = split.clips[0]
    assert clip_id(clip) == 1
    assert clip.frames == ("subject1/h1/0/000000",)
    assert clip.action == 9
    (example / "label_split" / "pose_test.txt").write_text("")
    rows = H2O(example).clip_rows("test")
    assert (rows[0].first, rows[0].last, rows[0].action) == (0, 80, 0)
    with pytest.raises(PalmarError, match="unknown subject of H2O 'subject4'"):
        read_h2o(example, "test").clips[0]


def test_depth(tmp_path):
    depth = np.full((720, 1280), np.nan, np.float32)
    depth[400, 700] = 0.512
    write_depth(tmp_path / "000000.png", depth)
    read = read_depth(tmp_path / "000000.png")
    np.testing.assert_array_equal(np.isnan(read), np.isnan(depth))
    np.testing.assert_allclose(unprojected(CAMERA, read)[400, 700], (0.052045, 0.026657, 0.512), atol=1e-6)


def test_the_boxes():
    for number, half in enumerate(HALF_EXTENTS, 1):
        points = template(number)
        np.testing.assert_allclose(points[1], half)
        np.testing.assert_allclose(points[7], -np.array(half))
        for middle, (a, b) in zip(points[9:], EDGES, strict=True):
            np.testing.assert_allclose(middle, (points[a] + points[b]) / 2)
            assert (points[a] != points[b]).sum() == 1  # an edge, no diagonal
    signs = np.sign(template(1))
    assert signs[9:].tolist() == [
        [0, 1, 1], [0, -1, 1], [0, -1, -1], [0, 1, -1], [1, 0, 1], [-1, 0, 1], [-1, 0, -1], [1, 0, -1],
        [1, 1, 0], [-1, 1, 0], [-1, -1, 0], [1, -1, 0],
    ]  # fmt: skip


def test_the_box_says_how_the_object_lies(example):
    """Procrustes of the example's points to the book's box: a proper rotation, and nothing scaled."""
    frame = read_h2o(example).frames[0]
    scale, turn, place = procrustes(template(1), frame.points.astype(np.float64))
    assert scale == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(turn, [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-6)
    np.testing.assert_allclose(place, (0.05, -0.02, 0.4), atol=1e-6)
    np.testing.assert_allclose(pose_of_box(frame.points)[:3], frame.camera_from_object[:3], atol=1e-6)


def test_a_hand_of_mano_in_the_world(example):
    hands = H2O(example).take("subject1/h1/0").mano(0)
    wrists = np.array([(0, 0, 0), (0.09, 0.006, 0.006)])
    world = read_camera_pose(example / "subject1/h1/0/cam4/cam_pose/000000.txt")
    moved = hands.moved(world, wrists)
    np.testing.assert_allclose(moved.translation[1], (0.466, 0.15, 0.184), atol=1e-6)
    np.testing.assert_allclose(moved.translation[1] + wrists[1], (0.556, 0.156, 0.19), atol=1e-6)
    turned = rotmat_from_rotvec(moved.pose[1, 0].astype(np.float64))
    np.testing.assert_allclose(turned, world[:3, :3] @ rotmat_from_rotvec(np.full(3, 0.1)), atol=1e-6)
    np.testing.assert_array_equal(moved.pose[1, 1:], hands.pose[1, 1:])
    assert moved.present.tolist() == [False, True]


def test_meshes(tmp_path):
    for name in ("book", "Starbucks"):
        (tmp_path / name).mkdir()
    write_ply(tmp_path / "book" / "mesh.ply", template(1)[:3], np.array([[0, 1, 2]]))
    (tmp_path / "Starbucks" / "texture.png").touch()
    (tmp_path / "Starbucks" / "starbucks.obj").write_text("v 0 0 1\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    np.testing.assert_array_equal(read_mesh(tmp_path, 1)[0], template(1)[:3])
    assert read_mesh(tmp_path, 8)[1].tolist() == [[0, 1, 2]]
    with pytest.raises(PalmarError, match="no folder lotion_spray or spray with a PLY or OBJ file"):
        read_mesh(tmp_path, 4)


def test_packs_are_one_tree(example):
    """The ego pack has the pictures and the pose pack the numbers, under names of their own."""
    shutil.copytree(example / "subject1", example / "subject1_pose_v1_1")
    shutil.move(example / "subject1", example / "Subject1_ego")
    shutil.rmtree(example / "Subject1_ego" / "h1" / "0" / "cam4" / "Hand_Pose")
    assert H2O(example).takes() == ("subject1/h1/0",)
    frame = read_h2o(example).frames[0]
    assert frame.present[1]


# ------------------------------------------------------------------------------------------ reading what is written


def same_frames(a, b) -> None:
    assert a.camera == b.camera
    np.testing.assert_array_equal(a.image, b.image)
    for name in ("joints", "points", "camera_from_object", "pose", "shape", "translation"):
        left, right = getattr(a, name), getattr(b, name)
        assert (left is None) == (right is None), name
        if left is not None:
            np.testing.assert_array_equal(left, right, name)
    assert (a.object, a.action, a.verb) == (b.object, b.action, b.verb)


def same_clips(a, b) -> None:
    assert a.camera == b.camera
    np.testing.assert_allclose(a.times, b.times, atol=1e-12)
    for name in ("joints", "points", "objects"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), name)
    assert a.action == b.action


def test_read_gives_what_was_written(tmp_path, tiny):
    parts = {"train": tiny(VOCABULARY, seed=1), "val": tiny(VOCABULARY, seed=2), "test": tiny(VOCABULARY, seed=3)}
    write_h2o(tmp_path / "out", parts)
    for name, split in parts.items():
        back = open_split(str(tmp_path / "out"), name)
        assert back.vocabulary == VOCABULARY
        assert back.fps == 30
        assert len(back.frames) == len(split.frames) == 8
        for a, b in zip(split.frames, back.frames, strict=True):
            same_frames(a, b)
        for a, b in zip(split.clips, back.clips, strict=True):
            same_clips(a, b)
        assert [f.name for f in back.frames] == [n for clip in back.clips for n in clip.frames]


def test_labels_without_their_folders(tmp_path, tiny):
    """The list says the action of every frame of a clip, its last too, and the action its verb."""
    write_h2o(tmp_path / "out", {"train": tiny(VOCABULARY)})
    for take in "01":
        for folder in ("action_label", "verb_label", "obj_pose_rt", "cam_pose"):
            shutil.rmtree(tmp_path / "out/subject1/h1" / take / "cam4" / folder)
    frames = read_h2o(tmp_path / "out").frames
    assert [frame.action for frame in frames] == [1] * 5 + [2] * 3
    assert all(frame.verb == 1 for frame in frames)
    assert frames[0].camera_from_object is None
    assert frames[0].camera.world_from_camera is None


def test_an_object_without_points(tmp_path):
    nowhere = np.full((21, 3), np.nan, np.float32)
    write_object(tmp_path / "a.txt", 3, nowhere)
    number, points = read_object(tmp_path / "a.txt")
    assert number == 3
    np.testing.assert_array_equal(points, nowhere)
    write_object_pose(tmp_path / "a.txt", 3, None)
    assert read_object_pose(tmp_path / "a.txt") == (3, None)


def test_another_vocabulary_and_hand_model(tmp_path, tiny):
    words = Vocabulary(("none", "cup", "pot"), ("none", "wave cup", "wave pot"), ("none", "wave"), (0, 1, 1), (0, 1, 2))
    split = tiny(words, fps=15.0)
    rng = np.random.default_rng(5)
    frames = []
    for frame in split.frames:
        pose, shape = rng.normal(0, 1, (2, 16, 3)), rng.normal(0, 1, (2, 10))
        place = rng.normal(0, 1, (2, 3))
        pose[0], shape[0], place[0] = np.nan, np.nan, np.nan
        values = {"pose": pose, "shape": shape, "translation": place}
        frames.append(replace(frame, **{k: v.astype(np.float32) for k, v in values.items()}))
    loose = [replace(frames[0], name="alone"), replace(frames[1], name="too")]
    split = replace(split, frames=tuple(frames + loose))
    write_h2o(tmp_path / "out", {"train": split})
    back = read_h2o(tmp_path / "out")
    assert back.vocabulary == words
    assert back.fps == 15
    for a, b in zip(split.frames, back.frames, strict=True):
        same_frames(a, b)
    assert back.frames[8].name == "subject1/h1/2/000000"
    assert back.frames[9].name == "subject1/h1/2/000001"
    same_clips(split.clips[1], back.clips[1])
    write_h2o(tmp_path / "out", {"train": tiny(VOCABULARY)}, overwrite=True)
    assert read_h2o(tmp_path / "out").vocabulary == VOCABULARY


def test_a_hidden_test_has_no_labels(tmp_path, tiny):
    write_h2o(tmp_path / "out", {"test": tiny(VOCABULARY)}, hide_test=True)
    assert (tmp_path / "out/action_labels/action_test.txt").read_text().splitlines() == [
        "id path start_act end_act start_frame end_frame",
        "1 subject4/h1/0 0 4 0 4",
        "2 subject4/h1/1 0 2 0 2",
    ]
    assert [clip.action for clip in read_h2o(tmp_path / "out", "test").clips] == [0, 0]


def test_nothing_is_left_when_writing_fails(tmp_path, tiny):
    split = tiny(VOCABULARY)
    bad = replace(split.frames[5], image=None)
    with pytest.raises(PalmarError, match="some frames of this recording have rgb, some have none"):
        write_h2o(tmp_path / "out", {"train": replace(split, frames=(*split.frames[:6], replace(bad, name="clip1/1")))})
    lens = replace(split.clips[0].camera, distortion=BrownConrady(0.1))
    with pytest.raises(PalmarError, match="no place for a lens"):
        write_h2o(tmp_path / "out", {"train": replace(split, clips=(replace(split.clips[0], camera=lens),))})
    with pytest.raises(PalmarError, match="not 30 per second"):
        write_h2o(tmp_path / "out", {"train": replace(split, clips=(replace(split.clips[0], times=np.arange(5.0)),))})
    assert list(tmp_path.iterdir()) == []


def test_pictures_of_another_size(tmp_path, tiny):
    split = tiny(VOCABULARY)
    write_h2o(tmp_path / "out", {"train": split})
    cam = tmp_path / "out/subject1/h1/0/cam4"
    shutil.copytree(cam / "rgb", cam / "rgb256")
    (cam / "cam_intrinsics.txt").write_text("60.5 63 46.5 33.5 96 64")
    with pytest.raises(PalmarError, match=r"48 x 32 pixels, but cam_intrinsics.txt says 96 x 64"):
        read_h2o(tmp_path / "out").frames[0]
    assert read_h2o(tmp_path / "out", pictures=None).frames[0].image is None
    frame = read_h2o(tmp_path / "out", pictures="rgb256").frames[0]
    assert (frame.camera.width, frame.camera.fx, frame.camera.cx) == (48, 30.25, 23.0)


# ------------------------------------------------------------------------------------------------------------ bad files


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("Hand_Pose/000000.txt", "1 2 3", r"line 1: 3 numbers; expected 128 numbers"),
        ("Hand_Pose/000000.txt", "0 " * 127 + "x", r"'x' is not a number"),
        ("Hand_Pose/000000.txt", "1 " * 127 + "nan", r"a number of the right hand is not finite"),
        (
            "Hand_Pose/000000.txt",
            "2 " + "0 " * 127,
            r"flag of the left hand, a whole number from 0 to 1, got '2.0'",
        ),
        ("Hand_Pose/000000.txt", "1 " * 10_000, r"more than 8192 bytes"),
        ("Hand_Pose/000000.txt", b"\xff\xfe", r"not text"),
        ("Hand_Pose/000000.txt", None, r"no such file; expected 128 numbers"),
        ("obj_pose/000000.txt", "9 " + "0.1 " * 63, r"the class of the object, a whole number from 0 to 8, got '9.0'"),
        ("obj_pose/000000.txt", "1 " + "inf " * 63, r"number 2 is not finite"),
        ("obj_pose_RT/000000.txt", "1 " + "1 " * 16, r"expected a rotation and a translation"),
        ("cam_pose/000000.txt", "0 0 1 0.1 0 1 0 0.2 1 0 0 0.3 0 0 0 1", r"expected a rotation"),
        ("cam_intrinsics.txt", "0 1 1 1 1280 720", r"cam_intrinsics.txt: line 1: Camera.fx"),
        ("cam_intrinsics.txt", None, r"no cam_intrinsics.txt in "),
        ("verb_label/000000.txt", "12", r"a verb, a whole number from 0 to 11"),
        ("action_label/000000.txt", "1_0", r"'1_0' is not a number"),
    ],
)
def test_a_bad_file_is_named(example, name, text, message):
    path = example / "subject1" / "h1" / "0" / "cam4" / name
    path.unlink()
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PalmarError, match=message) as info:
        read_h2o(example).frames[0]
    assert path.name in str(info.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("pose_train.txt", "subject1/h1/0/cam4/rgb/000000.png\n../../etc/rgb/000000.png\n", r"line 2: '../../etc"),
        ("pose_train.txt", "/subject1/h1/0/cam4/rgb/000000.png", r"line 1.*expected a row like subject1"),
        ("action_train.txt", "", r"line 1: expected a header with end_act, id, path, start_act"),
        ("action_train.txt", HEADER + "1 ../../x 0 1\n", r"line 2: '../../x' is no path"),
        ("action_train.txt", HEADER + "1 subject1/h1 0 1\n", r"line 2: .*expected a take like"),
        ("action_train.txt", HEADER + "1 subject1/h1/0 0\n", r"line 2: 3 words for the 4 columns"),
        ("action_train.txt", HEADER + "1 subject1/h1/0 5 4\n", r"line 2: expected end_act"),
        ("action_train.txt", HEADER + "1 subject1/h1/0 0 999999999\n", r"expected end_act"),
        ("action_train.txt", HEADER + "1 subject1/h1/0 0 1\n1 subject1/h1/0 2 3\n", r"id 1 stands in two"),
        ("action_train.txt", LABELLED + "1 subject1/h1/0 37 0 1\n", r"an action, a whole num"),
    ],
)  # fmt: skip
def test_a_bad_list_is_named(example, name, text, message):
    (example / "label_split" / name).write_text(text)
    with pytest.raises(PalmarError, match=message) as info:
        read_h2o(example)
    assert name in str(info.value)


def test_what_is_missing_is_named(example, tmp_path):
    with pytest.raises(PalmarError, match="no such folder"):
        read_h2o(tmp_path / "nowhere")
    with pytest.raises(PalmarError, match=r"no list pose_val.txt or val_pose.txt|no list action_val.txt"):
        read_h2o(example, "val")
    with pytest.raises(PalmarError, match="unknown split of H2O 'training'"):
        read_h2o(example, "training")
    (example / "label_split" / "pose_train.txt").write_text("subject1/k1/3/cam4/rgb/000000.png")
    with pytest.raises(PalmarError, match=r"subject1/k1/3: no folder"):
        read_h2o(example).frames[0]
    (tmp_path / "empty").mkdir()
    with pytest.raises(PalmarError, match="neither H2O"):
        open_split(str(tmp_path / "empty"))
    with pytest.raises(PalmarError, match=r"unknown kind of data set 'h20'. Did you mean h2o"):
        open_split("h20:/nowhere")


def test_files_one_by_one(example):
    cam = example / "subject1/h1/0/cam4"
    assert read_intrinsics(cam / "cam_intrinsics.txt") == CAMERA
    assert read_hands(cam / "Hand_Pose/000000.txt").dtype == np.float32
    assert read_mano(cam / "hand_pose_MANO/000000.txt").shape[1].tolist() == pytest.approx([0.1] * 10)
    assert read_object(cam / "obj_pose/000000.txt")[0] == 1
    number, matrix = read_object_pose(cam / "obj_pose_RT/000000.txt")
    assert number == 1
    assert matrix[:, 3].tolist() == pytest.approx([0.05, -0.02, 0.4, 1])
    np.testing.assert_array_equal(read_camera_pose(cam / "cam_pose/000000.txt")[0], (0, 0, 1, 0.1))
