"""Crops with meshes: labels agree with each other, parts do not overlap, FreiHAND's layout is cut exactly."""

import json

import cv2
import numpy as np
import pytest

from palmar.data.freihand import VERTICES
from palmar.errors import PalmarError
from palmar.geometry.align import procrustes
from palmar.geometry.camera import Camera
from palmar.geometry.rotations import angle_between
from palmar.hand import HandModel
from palmar.media.picture import write_image
from palmar.train.meshcrops import Batches, held_out, open_crops


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
