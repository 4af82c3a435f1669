"""DexYCB: its files, its four setups, and read(write(x)) = x."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from palmar.data.dexycb import DexYCB, Part, in_part, read_dexycb, write_dexycb
from palmar.data.ycb import VOCABULARY
from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.types.firstperson import Vocabulary

META = """\
serials:
- '836212060125'
- '839512060362'
num_frames: 2
extrinsics: '20200702_151821'
mano_calib:
- 20200514_142106_subject-01
mano_sides:
- {side}
ycb_ids:
- 11
- 3
ycb_grasp_ind: 1
"""
POSE = np.concatenate([rotmat_from_rotvec(np.array([0.1, 0.2, 0.3])), [[0.1], [0.2], [0.8]]], 1)


@pytest.fixture
def example(tmp_path):
    """As the data set's own files are: made without the writer."""
    root = tmp_path / "dexycb"
    rng = np.random.default_rng(0)
    truth = {}
    for subject in ("20200709-subject-01", "20200928-subject-07"):
        for number in range(5):
            folder = root / subject / f"2020_{number}"
            for serial in ("836212060125", "839512060362"):
                (folder / serial).mkdir(parents=True)
                for frame in range(2):
                    joints = rng.normal((0, 0, 0.7), 0.05, (1, 21, 3)).astype(np.float32)
                    if frame == 1 and number == 0:
                        joints[:] = -1
                    truth[f"{subject}/2020_{number}/{serial}/{frame:06d}"] = joints[0]
                    poses = np.stack([np.zeros((3, 4)), POSE]).astype(np.float32)
                    if frame == 1 and number == 1:
                        poses[:] = 0
                    np.savez(
                        folder / serial / f"labels_{frame:06d}.npz", joint_3d=joints, pose_y=poses,
                        pose_m=np.arange(51, dtype=np.float32)[None], joint_2d=joints[..., :2],
                        seg=np.full((4, 6), 255, np.uint8),
                    )  # fmt: skip
            (folder / "meta.yml").write_text(META.format(side="left" if number == 2 else "right"))
    files = {
        "intrinsics/836212060125_640x480.yml": "color:\n  fx: 617.5\n  fy: 618.5\n  ppx: 312.5\n  ppy: 241.0\n",
        "intrinsics/839512060362_640x480.yml": "color:\n  fx: 600\n  fy: 601\n  ppx: 320\n  ppy: 240\n",
        "extrinsics_20200702_151821/extrinsics.yml": "extrinsics:\n"
        "  '836212060125': [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]\n"
        "  '839512060362':\n"
        + "".join(f"  - {v}\n" for v in POSE.ravel())
        + "  apriltag:\n  - 1.0\nmaster: '836212060125'\n",
        "mano_20200514_142106_subject-01/mano.yml": "betas:\n" + "".join(f"- {v}.5\n" for v in range(10)),
    }
    for name, text in files.items():
        path = root / "calibration" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    model = root / "models/004_sugar_box"
    model.mkdir(parents=True)
    box = ((-0.03, 0.04), (-0.02, 0.02), (-0.1, 0.11))
    rows = [f"v {x} {y} {z}" for x in box[0] for y in box[1] for z in box[2]]
    (model / "textured_simple.obj").write_text("\n".join([*rows, "f 1 2 3"]))
    return root, truth


def test_the_files_of_the_release(example):
    root, truth = example
    frames = read_dexycb(root, "train").frames
    assert len(frames) == 2 * 4 * 2 * 2
    names = [frame.name for frame in frames]
    assert names == sorted(names)
    assert not [name for name in names if "2020_4" in name]  # every fifth sequence is held out
    for frame in frames:
        side = int("2020_2" not in frame.name)
        want = truth[frame.name]
        want = np.full((21, 3), np.nan) if (want == -1).all() else want
        np.testing.assert_array_equal(frame.joints[side], want)
        assert np.isnan(frame.joints[1 - side]).all()
    frame = frames[2]
    assert frame.name == "20200709-subject-01/2020_0/839512060362/000000"
    assert (frame.camera.fx, frame.camera.width) == (600, 640)
    np.testing.assert_allclose(frame.camera.world_from_camera[:3], POSE, atol=1e-7)
    assert frame.object == 3
    np.testing.assert_allclose(frame.camera_from_object[:3], POSE, atol=1e-6)
    np.testing.assert_allclose(frame.points[1], POSE[:, :3] @ (0.04, 0.02, 0.11) + POSE[:, 3], atol=1e-6)
    gone = next(f for f in frames if f.name.endswith("2020_1/836212060125/000001"))
    assert (gone.object, gone.camera_from_object) == (0, None)
    data = DexYCB(root)
    assert data.shape(data.sequences[0].mano)[9] == 9.5
    assert data.shape("other") is None


def test_mano_and_masks(example):
    from palmar.data.dexycb import Labels

    root, _ = example
    labels = Labels(root / "20200709-subject-01/2020_0/836212060125/labels_000000.npz")
    wrist, coefficients, place = labels.mano
    assert (wrist[0], coefficients[0], place[2]) == (0, 3, 50)
    assert labels.segmentation.tolist() == [[255] * 6] * 4
    assert labels.array("nothing", 1) is None


def test_the_setups_are_partitions():
    """And of the sizes of the release: 10 subjects, 100 sequences each, 8 cameras."""
    cells = [(s, q, c) for s in range(1, 11) for q in range(100) for c in range(8)]
    counts = {}
    for setup in ("s0", "s1", "s2", "s3"):
        parts = {part: {cell for cell in cells if in_part(setup, part, *cell)} for part in ("train", "val", "test")}
        assert set.union(*parts.values()) == set(cells)
        counts[setup] = [len(cells_of) for cells_of in parts.values()]
        assert sum(counts[setup]) == len(cells)
    assert counts == {
        "s0": [6400, 320, 1280], "s1": [5600, 800, 1600], "s2": [6000, 1000, 1000], "s3": [6000, 800, 1200],
    }  # fmt: skip
    assert 581_880 * counts["s0"][0] / len(cells) == 465_504  # as published
    assert in_part("s0", "val", 2, 9, 0)
    assert in_part("s0", "test", 3, 9, 0)
    assert in_part("s1", "train", 10, 0, 0)
    assert in_part("s2", "test", 1, 0, 7)
    assert in_part("s3", "val", 1, 19, 0)
    assert in_part("s3", "test", 1, 79, 0)


def test_the_number_of_a_frame_is_the_official_one(example):
    data = DexYCB(example[0])
    part = Part.of(data, "s1", "val")
    assert [part.where(i)[1:] for i in range(4)] == [
        ("836212060125", 0), ("836212060125", 1), ("839512060362", 0), ("839512060362", 1),
    ]  # fmt: skip
    assert part.where(19)[0].folder.name == "2020_4"
    assert len(part) == 20
    assert len(read_dexycb(example[0], "test", setup="s1").frames) == 0


def standing(frames):
    return [replace(f, camera=replace(f.camera, world_from_camera=frames[0].camera.world_from_camera)) for f in frames]


def test_read_gives_what_was_written(tmp_path, tiny):
    frames = standing(tiny(VOCABULARY).frames)
    write_dexycb(tmp_path / "out", {"train": frames, "test": frames[5:]})
    split = read_dexycb(tmp_path / "out", "train")
    assert split.vocabulary.objects == VOCABULARY.objects
    for a, b in zip(frames, split.frames, strict=True):
        np.testing.assert_array_equal(a.joints[1], b.joints[1])
        assert np.isnan(b.joints[0]).all()
        assert a.camera.matrix.tolist() == b.camera.matrix.tolist()
        np.testing.assert_allclose(a.camera.world_from_camera, b.camera.world_from_camera, atol=1e-7)
        assert a.object == b.object
        np.testing.assert_allclose(a.points, b.points, atol=2e-6)
        if a.object:
            np.testing.assert_allclose(a.camera_from_object, b.camera_from_object, atol=1e-6)
        assert abs(a.image.astype(float) - b.image).mean() < 6  # JPEG
    assert len(read_dexycb(tmp_path / "out", "test").frames) == 3
    assert len(read_dexycb(tmp_path / "out", "val").frames) == 0
    write_dexycb(tmp_path / "again", {"train": split.frames})
    for a, b in zip(split.frames, read_dexycb(tmp_path / "again").frames, strict=True):
        np.testing.assert_array_equal(a.joints, b.joints)
        np.testing.assert_allclose(a.points, b.points, atol=4e-6)


def test_left_hands_moving_cameras_and_other_objects(tmp_path, tiny):
    words = Vocabulary(("none", "cup", "tea pot"), ("none", "a", "b"), ("none", "a", "b"), (0, 1, 2), (0, 1, 2))
    frames = [replace(f, joints=f.joints[::-1].copy(), image=None) for f in tiny(words, left=False).frames]
    write_dexycb(tmp_path / "out", {"train": frames}, vocabulary=words)
    split = read_dexycb(tmp_path / "out")
    assert split.vocabulary.objects == words.objects
    for a, b in zip(frames, split.frames, strict=True):
        np.testing.assert_array_equal(a.joints, b.joints)
        assert b.image is None
        assert b.camera.world_from_camera is None
        assert a.object == b.object


def test_no_place_for_a_lens(tmp_path, tiny):
    frame = tiny(VOCABULARY).frames[0]
    lens = Camera.from_dict({**frame.camera.to_dict(), "distortion": {"model": "kannala_brandt", "k1": 0.1}})
    with pytest.raises(PalmarError, match="no place for a lens"):
        write_dexycb(tmp_path / "out", {"train": [replace(frame, camera=lens)]})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("num_frames: 2", "num_frames: many", "num_frames"),
        ("- right", "- both", "expected one hand"),
        ("'20200702_151821'", "'../x'", "no name of a folder"),
        ("ycb_grasp_ind: 1", "ycb_grasp_ind: 2", "ycb_grasp_ind"),
        ("- 11\n", "- 11\n- 4\n", r"poses of 2 objects, but meta\.yml has 3"),
        ("serials:", "serial:", "serials: expected a list"),
    ],
)
def test_a_bad_recording_is_named(example, old, new, message):
    path = example[0] / "20200709-subject-01/2020_0/meta.yml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(PalmarError, match=message):
        read_dexycb(example[0]).frames[0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"joint_3d": np.zeros((21, 3))}, "joint_3d: expected 1 x 21 x 3 numbers"),
        ({"joint_3d": np.full((1, 21, 3), np.nan)}, "joint_3d: a number is not finite"),
        ({"joint_3d": np.array([print], object)}, "joint_3d: cannot be read"),
        ({}, "no joint_3d"),
        (None, "joint_3d: cannot be read"),
    ],
)
def test_bad_labels_are_named(example, values, message):
    path = example[0] / "20200709-subject-01/2020_0/836212060125/labels_000000.npz"
    path.write_bytes(b"PK\x03\x04 nothing") if values is None else np.savez(path, **values)
    with pytest.raises(PalmarError, match=r"labels_000000\.npz: " + message):
        read_dexycb(example[0]).frames[0]
