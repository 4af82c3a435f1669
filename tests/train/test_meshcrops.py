"""Crops with meshes: labels agree with each other, parts do not overlap, FreiHAND's layout is cut exactly."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from palmar.data.freihand import VERTICES
from palmar.errors import PalmarError
from palmar.geometry.align import procrustes
from palmar.geometry.camera import BrownConrady, Camera
from palmar.geometry.rotations import angle_between, rotmat_from_rotvec
from palmar.hand import HandModel
from palmar.media.picture import write_image
from palmar.train import meshcrops
from palmar.train.meshcrops import Batches, held_out, open_crops
from palmar.types.firstperson import EgoFrame, Split, Vocabulary


@pytest.fixture(scope="module")
def some():
    return held_out(open_crops("drawn:12", "train", size=64), 0)


def test_drawn_labels_agree(some):
    arrays, truth = some
    model = HandModel.default()
    posed = model.shaped(arrays["shape"]).posed(arrays["rotations"])
    joints = posed.joints()
    np.testing.assert_allclose(joints - joints[:, :1], truth.joints, atol=1e-6)
    np.testing.assert_allclose(posed.skin() - joints[:, :1], truth.vertices, atol=1e-6)
    assert arrays["image"].shape == (12, 64, 64, 3)


def test_drawn_hands_are_right_hands_in_the_picture(some):
    """Joints seen from the camera project as the keypoints do: a mirrored label would not, whatever the depth."""
    arrays, truth = some
    for points, pixels in zip(truth.joints, arrays["keypoints"], strict=True):
        flat = points[:, :2] - points[:, :2].mean(0)
        image = pixels - pixels.mean(0)
        fit, *_ = np.linalg.lstsq(flat, image, rcond=None)
        assert np.linalg.det(fit) > 0


def test_same_number_same_crop_and_parts_differ():
    first, again = (open_crops("drawn", "train", size=64).crop(7) for _ in range(2))
    other = open_crops("drawn", "test", size=64).crop(7)
    assert np.array_equal(first["image"], again["image"])
    assert not np.array_equal(first["shape"], other["shape"])


def test_batches_are_pure_and_seeds_of_endless_ones_apart():
    crops = open_crops("drawn", "train", size=64)
    a, b, c = (Batches(crops, size=2, seed=s)(3) for s in (0, 0, 1))
    assert np.array_equal(a["image"], b["image"])
    assert not np.array_equal(a["shape"], c["shape"])
    assert a["vertices"].shape == (2, 1690, 3)


@pytest.fixture
def freihand(tmp_path):
    rng = np.random.default_rng(0)
    camera = Camera(224, 224, 400.0, 400.0, 112.0, 110.0)
    joints = rng.normal(size=(4, 21, 3)) * 0.03 + [0.01, 0.02, 0.6]
    vertices = rng.normal(size=(4, VERTICES, 3)) * 0.03 + [0.01, 0.02, 0.6]
    for name, values in (("K", [camera.matrix] * 4), ("xyz", joints), ("verts", vertices)):
        (tmp_path / f"training_{name}.json").write_text(json.dumps(np.asarray(values).tolist()))
    (tmp_path / "training" / "rgb").mkdir(parents=True)
    for i in range(4):
        write_image(tmp_path / "training" / "rgb" / f"{i:08d}.jpg", rng.integers(0, 255, (224, 224, 3), np.uint8))
    return tmp_path, camera, joints, vertices


def looked_at(found, joints, vertices):
    """The turn that brought the joints to where they are said to be, after checks that all of a crop is turned by it,
    and that a pinhole in the crop's middle sees the joints at its keypoints."""
    turn = procrustes(joints - joints[0], found["joints"].astype(float), scale=False).rotation
    np.testing.assert_allclose((joints - joints[0]) @ turn.T, found["joints"], atol=1e-6)
    np.testing.assert_allclose((vertices - joints[0]) @ turn.T, found["vertices"], atol=1e-6)
    there = joints @ turn.T
    rays, middle = there[:, :2] / there[:, 2:], (len(found["image"]) - 1) / 2
    focal = (rays * (found["keypoints"] - middle)).sum() / (rays**2).sum()
    np.testing.assert_allclose(focal * rays + middle, found["keypoints"], atol=1e-2)
    return turn


def test_freihand_crops_follow_their_pictures(freihand):
    root, _, joints, vertices = freihand
    crops = open_crops(f"freihand:{root}", "training", size=96)
    assert len(crops) == 4
    assert crops.vertices == VERTICES
    straight = crops.crop(2)
    looked_at(straight, joints[2], vertices[2])
    low, high = straight["keypoints"].min(0), straight["keypoints"].max(0)
    assert (high - low).max() == pytest.approx(96 / 1.6, rel=0.02)
    np.testing.assert_allclose((low + high) / 2, 47.5, atol=1.0)


def test_shaking_turns_picture_and_points_together(freihand):
    root, _, joints, vertices = freihand
    crops = open_crops(f"freihand:{root}", "training", size=96)
    straight = looked_at(crops.crop(1), joints[1], vertices[1])
    angles = []
    for seed in range(6):
        shaken = looked_at(crops.crop(1, np.random.default_rng(seed)), joints[1], vertices[1])
        angles.append(np.degrees(angle_between(straight, shaken)))
    assert min(angles) < 3
    assert max(angles) > 20


def test_freihand_pictures_are_seen_where_the_points_say(tmp_path):
    """Dots at the projected joints of a picture lie at the crop's keypoints."""
    rng, camera = np.random.default_rng(3), Camera(224, 224, 480.0, 470.0, 110.0, 114.0)
    joints = np.array([0.05, -0.04, 0.6]) + rng.uniform(-0.05, 0.05, (1, 21, 3))
    image = np.zeros((224, 224, 3), np.uint8)
    x, y = np.round(16 * camera.project(joints[0])[7]).astype(int).tolist()
    cv2.circle(image, (x, y), 60, (255, 255, 255), -1, cv2.LINE_AA, 4)
    for name, values in (("K", [camera.matrix]), ("xyz", joints), ("verts", rng.normal(size=(1, VERTICES, 3)))):
        (tmp_path / f"training_{name}.json").write_text(json.dumps(np.asarray(values).tolist()))
    (tmp_path / "training" / "rgb").mkdir(parents=True)
    write_image(tmp_path / "training" / "rgb" / "00000000.jpg", image)
    for shake in (None, np.random.default_rng(0)):
        found = open_crops(f"freihand:{tmp_path}", "training", size=128).crop(0, shake)
        light = found["image"].astype(float).sum(-1) * (found["image"][..., 0] > 60)
        y, x = np.mgrid[:128, :128]
        seen = np.array([(light * x).sum(), (light * y).sum()]) / light.sum()
        np.testing.assert_allclose(seen, found["keypoints"][7], atol=0.6)


@pytest.fixture
def two_hands(monkeypatch):
    """Frames of palmar's hands, a disc at one joint of each, seen off the axis of a wide lens."""
    rng, camera = np.random.default_rng(5), Camera(640, 480, 300.0, 310.0, 320.0, 236.0, BrownConrady(-0.05, 0.01))
    frames = []
    for n, sides in enumerate([(0, 1), (), (0,), (0, 1)]):
        pose, shape = rng.normal(size=(2, 16, 3)) * 0.3, rng.normal(size=(2, 10))
        place = np.array([[-0.25, -0.15, 0.4], [0.28, 0.12, 0.45]])
        joints, image = np.full((2, 21, 3), np.nan), np.zeros((480, 640, 3), np.uint8)
        for side in sides:
            posed = HandModel.default(side).shaped(shape[side]).posed(rotmat_from_rotvec(pose[side]), place[side])
            joints[side] = posed.joints()
            x, y = np.round(16 * camera.project(joints[side])[JOINT]).astype(int).tolist()
            cv2.circle(image, (x, y), 40, (255, 255, 255), -1, cv2.LINE_AA, 4)
        frames.append(EgoFrame(f"f{n}", camera, image, joints.astype(np.float32), pose=pose.astype(np.float32),
                               shape=shape.astype(np.float32)))  # fmt: skip
    split = Split(Vocabulary(("none",), ()), frames, ())
    monkeypatch.setattr(meshcrops, "open_split", lambda *_: split)
    return frames


JOINT = 12


def test_frames_of_any_data_set(two_hands, tmp_path):
    crops = open_crops(f"synthetic:{tmp_path}", "train", size=96)
    assert (len(crops), crops.vertices, crops.parametric, crops.upright) == (4, 1690, True, False)
    for number, (frame, side) in enumerate([(0, 1), (2, 0), (2, 0), (3, 0)]):
        for shake in (None, np.random.default_rng(number)):
            found = crops.crop(number, shake)
            light = found["image"].astype(float).sum(-1)
            y, x = np.mgrid[:96, :96]
            seen = np.array([(light * x).sum(), (light * y).sum()]) / light.sum()
            np.testing.assert_allclose(seen, found["keypoints"][JOINT], atol=0.5)
            pose, shape = two_hands[frame].pose[side].astype(float), two_hands[frame].shape[side]
            model = HandModel.default(side).shaped(shape).posed(rotmat_from_rotvec(pose))
            own = [points - model.joints()[:1] for points in (model.joints(), model.skin())]
            if side == 0:
                own = [points * [-1.0, 1, 1] for points in own]
            turn = procrustes(own[0], found["joints"].astype(float), scale=False).rotation
            np.testing.assert_allclose(own[0] @ turn.T, found["joints"], atol=1e-5)
            np.testing.assert_allclose(own[1] @ turn.T, found["vertices"], atol=1e-5)
            posed = HandModel.default().shaped(found["shape"]).posed(found["rotations"])
            np.testing.assert_allclose(posed.joints() - posed.joints()[:1], found["joints"], atol=1e-5)
        straight = crops.crop(number)["keypoints"]
        assert (straight.max(0) - straight.min(0)).max() == pytest.approx(60, rel=0.03)
        np.testing.assert_allclose((straight.max(0) + straight.min(0)) / 2, 47.5, atol=2)


def test_data_sets_without_meshes_give_joints(two_hands, tmp_path):
    crops = open_crops(f"ho3d:{tmp_path}", "train", size=96)
    assert not crops.vertices
    arrays, truth = held_out(crops, 0)
    assert set(arrays) == {"image", "keypoints", "visible", "joints"}
    assert truth.vertices is None
    with_mesh = open_crops(f"synthetic:{tmp_path}", "train", size=96).crop(3)
    np.testing.assert_array_equal(arrays["joints"][3], with_mesh["joints"])
    nothing = [replace(frame, joints=np.full((2, 21, 3), np.nan, np.float32)) for frame in two_hands]
    with pytest.raises(PalmarError, match="no frame has a hand"):
        replace(crops, frames=nothing).crop(1)
    with pytest.raises(PalmarError, match="f0: no picture"):
        replace(crops, frames=[replace(two_hands[0], image=None)]).crop(0)


@pytest.mark.parametrize("data", ["nothing:3", "drawn:0", "drawn:-4", "drawn:many", "freihand:", "freihand:/no/where"])
def test_what_is_no_source_is_named(data):
    with pytest.raises(PalmarError, match=data.split(":")[0]):
        open_crops(data, "train", size=64)


def test_missing_truth_is_named(freihand):
    root, *_ = freihand
    (root / "training_verts.json").unlink()
    with pytest.raises(PalmarError, match=r"training_verts\.json"):
        open_crops(f"freihand:{root}", "train", size=96).crop(0)
    with pytest.raises(PalmarError, match="endless"):
        held_out(open_crops("drawn", "test", size=64), 0)
