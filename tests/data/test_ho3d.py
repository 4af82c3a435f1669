"""HO3D: its axes and order of joints, what its pickles leave open, and read(write(x)) = x."""

from __future__ import annotations

import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest

from palmar.data.ho3d import HO3D, read_depth, read_ho3d, write_depth, write_ho3d
from palmar.data.ycb import VOCABULARY, YCB
from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotmat_from_rotvec

K = np.array([[617.0, 0, 312.5], [0, 618.0, 241.0], [0, 0, 1]])
LIST = (0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20)


@pytest.fixture
def example(tmp_path):
    """As the data set's own files are: made without the writer."""
    root = tmp_path / "HO3D_v2"
    rng = np.random.default_rng(0)
    joints = rng.normal((0, 0, -0.6), 0.05, (3, 21, 3))
    corners = np.array([[x, y, z] for x in (-0.03, 0.04) for y in (-0.02, 0.02) for z in (-0.1, 0.11)])
    known = {
        "camMat": K, "objRot": np.array([[0.3], [-0.2], [0.5]]), "objTrans": np.array([0.1, 0.05, -0.7]),
        "objName": "003_cracker_box", "objCorners3DRest": corners, "objLabel": 1, "handPose": np.arange(48.0),
        "handTrans": np.array([0.1, 0.2, -0.6]), "handBeta": np.zeros(10), "handVertContact": np.ones(778),
    }  # fmt: skip
    unknown = {"camMat": K} | dict.fromkeys([key for key in known if key != "camMat"]) | {"handJoints3D": None}
    metas = {
        "train/ABF10/0000": known | {"handJoints3D": joints[0]},
        "train/ABF10/0007": unknown,
        "train/BB11/0000": known | {"handJoints3D": joints[1]},
        "evaluation/SM1/0000": known | {"handJoints3D": joints[2, 0], "handBoundingBox": [1, 2, 30, 40]},
    }
    for name, values in metas.items():
        (root / name).parent.joinpath("meta").mkdir(parents=True, exist_ok=True)
        (root / name).parent.joinpath("meta", f"{name[-4:]}.pkl").write_bytes(pickle.dumps(values))
    (root / "train.txt").write_text("ABF10/0000\nABF10/0007\nBB11/0000\n")
    (root / "evaluation.txt").write_text("SM1/0000\n")
    return root, joints, corners


def test_the_files_of_the_release(example):
    root, joints, corners = example
    split = read_ho3d(root, "train")
    assert [f.name for f in split.frames] == ["train/ABF10/0000", "train/ABF10/0007", "train/BB11/0000"]
    frame = split.frames[0]
    assert frame.present.tolist() == [False, True]
    for ours, theirs in enumerate(LIST):
        x, y, z = joints[0, theirs]
        np.testing.assert_allclose(frame.joints[1, ours], (x, -y, -z), rtol=1e-6)
    assert (frame.joints[1, :, 2] > 0).all()
    assert split.vocabulary.objects[frame.object] == "003_cracker_box"
    assert YCB.index("003_cracker_box") == 1
    turn = rotmat_from_rotvec(np.array([0.3, -0.2, 0.5]))
    box = (corners @ turn.T + (0.1, 0.05, -0.7)) * (1, -1, -1)
    off = np.linalg.norm(frame.points[1:9, None] - box[None], axis=-1)
    np.testing.assert_allclose(off.min(1), 0, atol=1e-6)
    assert len(set(off.argmin(1))) == 8
    nobody = split.frames[1]
    assert not nobody.present.any()
    assert (nobody.object, nobody.camera_from_object) == (0, None)
    assert np.isnan(nobody.points).all()
    meta = HO3D(root).meta(0)
    assert meta.mano[0].shape == (48,)
    assert meta.contact.sum() == 778
    assert HO3D(root).meta(1).mano is None


def test_evaluation_knows_the_wrist_until_its_truth_is_there(example):
    root, joints, _ = example
    frame = read_ho3d(root, "test").frames[0]
    assert not frame.present.any()
    assert frame.object == 2
    meta = HO3D(root, "evaluation").meta(0)
    np.testing.assert_allclose(meta.wrist, joints[2, 0] * (1, -1, -1))
    assert meta.box.tolist() == [1, 2, 30, 40]
    (root / "evaluation_xyz.json").write_text(str(joints[2:].tolist()))
    frame = read_ho3d(root, "evaluation").frames[0]
    np.testing.assert_allclose(frame.joints[1], joints[2, LIST] * (1, -1, -1), rtol=1e-6)
    (root / "evaluation_xyz.json").write_text(str(joints[1:].tolist()))
    with pytest.raises(PalmarError, match=r"2 entries, but 1 in evaluation\.txt"):
        read_ho3d(root, "evaluation").frames[0]


def test_parts(example):
    root, _, _ = example
    with pytest.warns(UserWarning, match="no official val"):
        assert [f.name for f in read_ho3d(root, "val").frames] == ["train/BB11/0000"]
    assert [f.name for f in read_ho3d(root, "fit").frames] == ["train/ABF10/0000", "train/ABF10/0007"]
    (root / "train.txt").write_text("ABF10/0000\n")
    with pytest.raises(PalmarError, match="too few to hold some out"):
        read_ho3d(root, "fit")


def test_depth_is_as_documented(tmp_path):
    blue_green_red = np.zeros((8, 8, 3), np.uint8)
    blue_green_red[0, :3] = [0, 10, 200], [0, 31, 64], [0, 0, 0]
    cv2.imwrite(str(tmp_path / "a.png"), blue_green_red)
    depth = read_depth(tmp_path / "a.png")
    np.testing.assert_allclose(depth[0, :2], [0.344963, 0.999893], atol=1e-6)
    assert np.isnan(depth[0, 2])
    write_depth(tmp_path / "b.png", depth)
    np.testing.assert_array_equal(read_depth(tmp_path / "b.png"), depth)


@pytest.mark.parametrize(("version", "both"), [(2, False), (3, False), (2, True)])
def test_read_gives_what_was_written(tmp_path, tiny, version, both):
    frames = tiny(VOCABULARY).frames
    frames = [replace(frame, object=1 + i % 21 if frame.object else 0) for i, frame in enumerate(frames)]
    write_ho3d(tmp_path / "out", frames, () if both else frames[:3], version=version, both_hands=both)
    split = read_ho3d(tmp_path / "out", "train")
    assert len(split.frames) == 8
    assert [f.name for f in split.frames][::5] == ["train/clip0/0000", "train/clip1/0000"]
    for a, b in zip(frames, split.frames, strict=True):
        np.testing.assert_array_equal(a.joints[1], b.joints[1])
        np.testing.assert_array_equal(b.joints[0], a.joints[0] if both else np.nan)
        assert a.camera.matrix.tolist() == b.camera.matrix.tolist()
        assert a.object == b.object
        np.testing.assert_allclose(a.points, b.points, atol=1e-6)
        if a.object:
            np.testing.assert_allclose(a.camera_from_object, b.camera_from_object, atol=1e-6)
        assert abs(a.image.astype(float) - b.image).max() <= (0 if version == 2 else 60)
    held = read_ho3d(tmp_path / "out", "test").frames
    assert len(held) == (0 if both else 3)
    for a, b in zip(frames, held, strict=False):
        np.testing.assert_array_equal(a.joints[1], b.joints[1])
    # what was read is written again to the same bytes
    write_ho3d(tmp_path / "again", split.frames, held, version=version, both_hands=both)
    for path in sorted((tmp_path / "out").rglob("*.pkl")):
        one, two = (
            pickle.loads(p.read_bytes()) for p in (path, tmp_path / "again" / path.relative_to(tmp_path / "out"))
        )
        assert one.keys() == two.keys()
        for key, value in one.items():
            if isinstance(value, np.ndarray):
                np.testing.assert_allclose(two[key], value, atol=1e-6, err_msg=key)
            else:
                assert two[key] == value


def test_what_does_not_fit_is_refused(tmp_path, tiny):
    frames = tiny(VOCABULARY).frames
    gone = replace(frames[0], joints=np.full((2, 21, 3), np.nan, np.float32))
    with pytest.raises(PalmarError, match="needs one right hand"):
        write_ho3d(tmp_path / "out", (), (gone,))
    lens = Camera.from_dict({**frames[0].camera.to_dict(), "distortion": {"model": "kannala_brandt", "k1": 0.1}})
    with pytest.raises(PalmarError, match="no place for a lens"):
        write_ho3d(tmp_path / "out", (replace(frames[0], camera=lens),))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"handJoints3D": np.zeros((20, 3))}, r"handJoints3D: expected 21 x 3 or 3 or 1 x 3 finite numbers.*\(20, 3\)"),
        ({"objRot": np.array([np.nan, 0, 0])}, "objRot: expected 3"),
        ({"objName": "cup"}, "objName 'cup': no such object among the 21"),
        ({"camMat": None}, "no camMat"),
        ({"camMat": np.ones((3, 3))}, "camMat is no pinhole"),
        ({"objTrans": "far"}, "objTrans: not numbers"),
    ],
)
def test_a_bad_file_is_named(example, change, message):
    root, _, _ = example
    path = root / "train/ABF10/meta/0000.pkl"
    path.write_bytes(pickle.dumps(pickle.loads(path.read_bytes()) | change))
    with pytest.raises(PalmarError, match=r"0000\.pkl: " + message):
        read_ho3d(root, "train").frames[0]


def test_a_bad_list_is_named(example):
    root, _, _ = example
    for row in ("../../etc/0000", "ABF10", "ABF10/0000/1"):
        (root / "train.txt").write_text(f"{row}\n")
        with pytest.raises(PalmarError, match=r"train\.txt: line 1"):
            read_ho3d(root, "train")
