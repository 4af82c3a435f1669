"""InterHand2.6M: millimetres of a world, the right hand first, and read(write(x)) = x."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from palmar.data.interhand import InterHand, read_interhand, read_rootnet, write_interhand
from palmar.data.ycb import VOCABULARY
from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotmat_from_rotvec

NAME = "Capture3/ROM01_x/cam400262/image00077.jpg"
LIST = (20, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12, 19, 18, 17, 16)
TURN, PLACE = rotmat_from_rotvec(np.array([0.3, -0.2, 2.5])), np.array([100.0, -200.0, 900.0])


@pytest.fixture
def example(tmp_path):
    """As the data set's own files are: made without the writer."""
    folder = tmp_path / "ih/annotations/train"
    folder.mkdir(parents=True)
    world = np.random.default_rng(0).normal(0, 80, (42, 3))
    valid = np.ones(42, int)
    valid[3] = 0  # of the right thumb, its first joint
    files = {
        "data": {
            "images": [{
                "id": 9, "file_name": NAME, "width": 334, "height": 512, "capture": 3, "subject": 0,
                "seq_name": "ROM01_x", "camera": "400262", "frame_idx": 77,
            }],
            "annotations": [{
                "id": 5, "image_id": 9, "bbox": [10.5, 20, 100, 120.25], "joint_valid": [1] * 42,
                "hand_type": "interacting", "hand_type_valid": 1,
            }],
        },
        "camera": {"3": {
            "campos": {"400262": PLACE.tolist()}, "camrot": {"400262": TURN.tolist()},
            "focal": {"400262": [1270.5, 1271.0]}, "princpt": {"400262": [160.0, 250.0]},
        }},
        "joint_3d": {"3": {"77": {
            "world_coord": world.tolist(), "joint_valid": valid[:, None].tolist(), "hand_type": "interacting",
            "hand_type_valid": True,
        }}},
        "MANO_NeuralAnnot": {"3": {"77": {
            "right": {"pose": list(range(48)), "shape": [0] * 10, "trans": [1, 2, 3]}, "left": None,
        }}},
    }  # fmt: skip
    for key, values in files.items():
        (folder / f"InterHand2.6M_train_{key}.json").write_text(json.dumps(values))
    return tmp_path / "ih", world


def test_the_files_of_the_release(example):
    root, world = example
    split = read_interhand(root, "train")
    (frame,) = split.frames
    assert frame.name == f"train/{NAME[:-4]}"
    assert (frame.camera.width, frame.camera.height, frame.camera.fy) == (334, 512, 1271.0)
    for side, offset in ((1, 0), (0, 21)):
        for ours, theirs in enumerate(LIST):
            there = TURN @ (world[offset + theirs] - PLACE) / 1000
            if (side, theirs) == (1, 3):
                there = np.full(3, np.nan)
            np.testing.assert_allclose(frame.joints[side, ours], there, rtol=1e-5, atol=1e-6)
    assert frame.present.tolist() == [True, False]
    x_world = frame.joints[0, 9].astype(float) @ frame.camera.world_from_camera[:3, :3].T
    x_world += frame.camera.world_from_camera[:3, 3]
    np.testing.assert_allclose(x_world, world[21 + LIST[9]] / 1000, atol=1e-6)
    data = InterHand(root)
    assert data.kinds.tolist() == [2]
    assert data.kinds_valid.tolist() == [True]
    assert data.pictures[0].box == (10.5, 20, 100, 120.25)
    left, right = data.mano("3", "77")
    assert left is None
    assert right[0][47] == 47
    assert right[2].tolist() == [1, 2, 3]


def test_a_hand_without_wrist_is_absent(example):
    root, _ = example
    path = root / "annotations/train/InterHand2.6M_train_data.json"
    values = json.loads(path.read_text())
    values["annotations"][0]["joint_valid"][41] = 0
    path.write_text(json.dumps(values))
    assert np.isnan(read_interhand(root).frames[0].joints[0]).all()


def test_depths_of_rootnet(tmp_path):
    (tmp_path / "r.json").write_text(json.dumps([{"annot_id": 5, "bbox": [0, 0, 1, 1], "abs_depth": [900.0, 1000.0]}]))
    assert read_rootnet(tmp_path / "r.json")[5].tolist() == [1.0, 0.9]


def test_read_gives_what_was_written(tmp_path, tiny):
    frames = list(tiny(VOCABULARY).frames)
    frames[2] = replace(frames[2], joints=frames[2].joints.copy())
    frames[2].joints[0, 7] = np.nan
    write_interhand(tmp_path / "out", {"train": frames, "test": frames[5:]})
    split = read_interhand(tmp_path / "out", "train")
    for a, b in zip(frames, split.frames, strict=True):
        np.testing.assert_allclose(a.joints, b.joints, atol=1e-7)
        assert a.camera.matrix.tolist() == b.camera.matrix.tolist()
        np.testing.assert_allclose(a.camera.world_from_camera, b.camera.world_from_camera, atol=1e-12)
        assert a.image.shape == b.image.shape
        off = [abs(a.image.astype(float) - other.image).mean() for other in split.frames]
        assert min(off) == abs(a.image.astype(float) - b.image).mean() < 6  # JPEG
    assert InterHand(tmp_path / "out").kinds.tolist() == [2] * 5 + [0] * 3
    assert len(read_interhand(tmp_path / "out", "test").frames) == 3
    data = InterHand(tmp_path / "out")
    assert [p.name.split("/")[0] for p in data.pictures] == ["Capture0"] * 5 + ["Capture1"] * 3
    rows = (tmp_path / "out/annotations/skeleton.txt").read_text().splitlines()
    assert (rows[0], rows[3], rows[20], rows[21], rows[41]) == (
        "r_thumb4 0 1", "r_thumb1 3 20", "r_wrist 20 -1", "l_thumb4 21 22", "l_wrist 41 -1",
    )  # fmt: skip
    # and again
    write_interhand(tmp_path / "again", {"train": split.frames})
    for a, b in zip(split.frames, read_interhand(tmp_path / "again").frames, strict=True):
        np.testing.assert_allclose(a.joints, b.joints, atol=1e-7)


def test_a_camera_that_stands_is_one(tmp_path, tiny):
    frames = [replace(f, camera=Camera(48, 32, 30, 31, 23, 16), image=None) for f in tiny(VOCABULARY).frames]
    write_interhand(tmp_path / "out", {"val": frames})
    cameras = json.loads((tmp_path / "out/annotations/val/InterHand2.6M_val_camera.json").read_text())
    assert {key: list(values["campos"]) for key, values in cameras.items()} == {"0": ["400000"], "1": ["400000"]}
    back = read_interhand(tmp_path / "out", "val").frames[0]
    assert (back.camera.width, back.image) == (48, None)


def test_what_does_not_fit_is_refused(tmp_path, tiny):
    frame = tiny(VOCABULARY).frames[0]
    with pytest.raises(PalmarError, match="no hand"):
        write_interhand(tmp_path / "out", {"val": [replace(frame, joints=np.full((2, 21, 3), np.nan, np.float32))]})
    with pytest.raises(PalmarError, match="part of InterHand"):
        write_interhand(tmp_path / "out", {"all": [frame]})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("data", lambda v: v["images"][0].update(file_name="../../x.jpg"), "no path of this data set"),
        ("data", lambda v: v["annotations"][0].update(image_id=8), "image_id 8 is no picture"),
        ("data", lambda v: v["annotations"][0].update(hand_type="both"), "hand_type 'both'; expected right, left"),
        ("data", lambda v: v["annotations"][0].update(joint_valid=[1]), "joint_valid: expected 42 finite numbers"),
        ("data", lambda v: v.pop("images"), "an object with images"),
        ("camera", lambda v: v["3"]["focal"].clear(), "no 400262"),
        ("camera", lambda v: v["3"]["camrot"].update({"400262": [[1, 2, 3]] * 3}), "rotation"),
        ("joint_3d", lambda v: v["3"].clear(), "no 77"),
        ("joint_3d", lambda v: v["3"]["77"]["world_coord"].pop(), "expected 42 x 3 finite numbers"),
    ],
)
def test_a_bad_list_is_named(example, kind, change, message):
    root, _ = example
    path = root / f"annotations/train/InterHand2.6M_train_{kind}.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))
    with pytest.raises(PalmarError, match=rf"InterHand2\.6M_train_{kind}\.json.*{message}"):
        read_interhand(root, "train").frames[0]
