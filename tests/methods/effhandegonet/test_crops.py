"""EffHandNet's crops: the documented rectangle, samples, training and scoring, and the comparison with whole frames."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.methods.effhandegonet import crop_training, pose_training
from palmar.methods.effhandegonet.compare import compared
from palmar.methods.effhandegonet.crop_training import EvalEffHandNet, TrainEffHandNet, on_true_crops
from palmar.methods.effhandegonet.crops import HandBatches, PublishedCrop, crop_map, cut
from palmar.types.firstperson import EgoFrame, Split, Vocabulary

CAMERA = Camera(fx=80.0, fy=80.0, cx=63.5, cy=47.5, width=128, height=96)


def dots(seed: int) -> EgoFrame:
    """A right hand of 21 dots, each of its own brightness."""
    rng = np.random.default_rng(seed)
    image = np.full((96, 128, 3), 40, np.uint8)
    angle = np.linspace(0, 2 * np.pi, 21, endpoint=False) + rng.uniform(-0.2, 0.2)
    pixels = np.array([64, 48]) + rng.uniform(-15, 15, 2) + 24 * np.column_stack([np.cos(angle), np.sin(angle)])
    for k, (x, y) in enumerate(np.rint(pixels).astype(int)):
        cv2.circle(image, (int(x), int(y)), 2, (80 + 8 * k, 255 - 8 * k, 120), -1)
    joints = np.full((2, 21, 3), np.nan, np.float32)
    joints[1] = np.column_stack([(pixels - (63.5, 47.5)) / 80, np.ones(21)])
    return EgoFrame(str(seed), CAMERA, image, joints)


@pytest.fixture(scope="module")
def split():
    return Split(Vocabulary(("none",), ("none",)), [dots(i) for i in range(6)], ())


def test_the_documented_crop():
    crop = PublishedCrop.of_row((0.25, 0.5), (0.1, 0.2), (1280, 720))
    assert (crop.x0, crop.x1, crop.y0, crop.y1) == (234, 405, 265, 454)
    assert crop.extent == (171, 189)
    np.testing.assert_allclose(crop.to_picture(np.array([0.5, 0.25])), (319.5, 312.25))


def test_wide_crops_are_padded_at_the_bottom_and_corners_stay_inside():
    wide = PublishedCrop.of_row((0.5, 0.5), (0.3, 0.1), (1280, 720))
    assert wide.extent[0] == wide.extent[1] == wide.x1 - wide.x0 > wide.y1 - wide.y0
    made = wide.cut(np.full((720, 1280, 3), 200, np.uint8))
    assert made.shape == (128, 128, 3)
    assert made[0].min() == 200
    assert made[-1].max() == 0
    edge = PublishedCrop.of_row((0.01, 0.99), (0.1, 0.2), (1280, 720))
    assert (edge.x0, edge.y1) == (0, 720)
    with pytest.raises(PalmarError, match="outside"):
        PublishedCrop.of_row((3.0, 0.5), (0.1, 0.1), (1280, 720))


@pytest.mark.parametrize("mirror", [False, True])
def test_a_crop_holds_its_hand(mirror):
    box = np.array([30.0, 20, 70, 80])
    m = crop_map(box, 64, margin=1.5, turn=0.4, mirror=mirror)
    corners = np.array([[30.0, 20], [70, 20], [70, 80], [30, 80]]) @ m[:, :2].T + m[:, 2]
    np.testing.assert_allclose(corners.mean(0), 31.5)
    assert (np.linalg.det(m[:, :2]) < 0) == mirror
    assert np.sqrt(abs(np.linalg.det(m[:, :2]))) == pytest.approx(64 / 90)


def test_samples_have_their_dots_where_they_say(split):
    batches = HandBatches([split], 96, 2, 0, strength=0.0)
    a, b = batches(3), HandBatches([split], 96, 2, 0, strength=0.0)(3)
    assert all(np.array_equal(a[name], b[name]) for name in a)
    hits = []
    for index in range(20):
        image, points = batches.sample(index)
        inside = ((points > 1) & (points < 94)).all(1)
        for k in np.flatnonzero(inside):
            x, y = np.rint(points[k]).astype(int)
            hits.append(abs(int(image[y, x, 0]) - (80 + 8 * k)) < 40)
    assert len(hits) > 200
    assert np.mean(hits) > 0.95
    nobody = EgoFrame("x", CAMERA, np.zeros((96, 128, 3), np.uint8))
    with pytest.raises(PalmarError, match="none of the frames"):
        HandBatches([Split(split.vocabulary, [nobody], ())], 96, 2, 0)


def test_it_trains_and_is_scored(split, tmp_path, monkeypatch):
    for module in (crop_training, pose_training):
        monkeypatch.setattr(module, "open_split", lambda *_: split)
    monkeypatch.setattr(pose_training, "parse_data", lambda _: ("synthetic", tmp_path))
    job = TrainEffHandNet(
        ("synthetic:x",), tmp_path / "run", "palmar", 64, head=8, steps=3, batch=2, threads=1, device="cpu", quiet=True
    )
    first = job.run().figures
    assert np.isfinite(first["loss"])
    report = EvalEffHandNet(tmp_path / "run", data="synthetic:x").run()
    assert report.figures["all"]["pictures"] == 6


def test_keypoints_come_back_from_crops(split):
    """A network that knows where the dots of the crop are gives them back in the picture."""
    from palmar.methods.effhandegonet.model import EffHandNet, HandNetConfig
    from palmar.nn.heatmaps import gaussian_maps

    class Knowing(EffHandNet):
        def __init__(self, frames):
            super().__init__(HandNetConfig("palmar", 128, head=4))
            self.frames = iter(frames)

        def forward(self, image):
            frame = next(self.frames)
            points = frame.keypoints[1]
            m = crop_map(np.concatenate([points.min(0), points.max(0)]), 128)
            assert np.array_equal(image[0].numpy(), cut(frame.image, m, 128))
            return gaussian_maps(torch.tensor(points @ m[:, :2].T + m[:, 2]), 128, 128, 3.0)[None]

    found = on_true_crops(Knowing(split.frames), split.frames)
    true = np.stack([frame.keypoints for frame in split.frames])
    assert np.isnan(found[:, 0]).all()
    assert np.abs(found[:, 1] - true[:, 1]).max() < 0.05


def test_crops_behind_a_detector_are_those_of_its_boxes(split, monkeypatch):
    """Sides are the detector's; two hands of one side are told apart; what is not found stays away."""
    from palmar.hand.box import hand_box
    from palmar.methods.effhandegonet import crop_training
    from palmar.tracking.detector import Detections

    frame = split.frames[0]
    true = hand_box(frame.keypoints[1])
    seen = []
    monkeypatch.setattr(crop_training, "in_crop", lambda net, frame, box: seen.append(box) or np.full((21, 2), box[0]))

    def told(score, side):
        n = len(score)
        boxes = np.stack([true, true + 40, true + 80])[:n]
        return lambda image: Detections(boxes, np.array(score), np.array(side), np.tile([0.0, -1.0], (n, 1)))

    found = crop_training.behind_detector(None, [frame], told([0.9], [0.8]))
    assert np.isnan(found[0, 0]).all()
    inner = np.concatenate([frame.keypoints[1].min(0), frame.keypoints[1].max(0)])
    np.testing.assert_allclose(seen[0], inner, atol=1e-6)               # a hand's box, without its margin
    both = crop_training.behind_detector(None, [frame], told([0.9, 0.3, 0.6], [0.8, 0.1, 0.95]))
    assert both[0, 1, 0, 0] == pytest.approx(inner[0] + 80)             # the surest two; of one side, the surer right
    assert both[0, 0, 0, 0] == pytest.approx(inner[0])
    assert np.isnan(crop_training.behind_detector(None, [frame], told([], []))).all()


def figures(value: float) -> dict:
    return {
        part: {"epe": 10.0, "pck_of_all": value, "pictures": 4} for part in ("all", "overlapping or holding")
    }  # fmt: skip


def test_the_comparison_can_fail():
    better = compared({"ego": [figures(0.8), figures(0.82)], "hand": [figures(0.7), figures(0.71)]})
    worse = compared({"ego": [figures(0.6), figures(0.82)], "hand": [figures(0.7), figures(0.71)]})
    assert better.passed is True
    assert worse.passed is False
    assert "0.810 +- 0.010" in better.table
