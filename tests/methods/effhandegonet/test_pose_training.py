"""Training, evaluation, the file and its reader, end to end on drawn hands; samples and their mirror images."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.hand.joints import BONES
from palmar.methods.effhandegonet import pose_training
from palmar.methods.effhandegonet.objective import ABSENT
from palmar.methods.effhandegonet.pictures import EgoBatches, firstperson_map, moved, paper_map, stretch
from palmar.methods.effhandegonet.pose_training import EvalEffHandEgoNet, TrainEffHandEgoNet, from_network, read_ego
from palmar.methods.effhandegonet.reader import EgoNet, squeezed, unsqueezed
from palmar.methods.effhandegonet.scores import holding, overlapping, score_frames
from palmar.types.firstperson import EgoFrame, Split, Vocabulary

CAMERA = Camera(fx=80.0, fy=80.0, cx=63.5, cy=47.5, width=128, height=96)


def drawn(seed: int) -> EgoFrame:
    """Two hands as fans of bones in the colour of their side, one of them missing now and then."""
    rng = np.random.default_rng(seed)
    image = np.full((96, 128, 3), rng.integers(90, 140), np.uint8)
    joints = np.full((2, 21, 3), np.nan, np.float32)
    for side in range(2):
        if seed % 3 == side + 1:
            continue
        pixels = np.zeros((21, 2))
        pixels[0] = rng.uniform((20 + 64 * side, 60), (44 + 64 * side, 80))
        for finger in range(5):
            angle = np.radians(-90 + (1 - 2 * side) * (finger - 2) * 16 + rng.normal(0, 3))
            for k in range(4):
                pixels[1 + 4 * finger + k] = pixels[0] + (12 + 7 * k) * np.array([np.cos(angle), np.sin(angle)])
        colour = ((230, 60, 40), (40, 80, 230))[side]
        for a, b in BONES:
            cv2.line(image, *(tuple(int(v) for v in np.rint(pixels[i])) for i in (a, b)), colour, 2)
        joints[side] = np.column_stack([(pixels - (63.5, 47.5)) / 80, np.ones(21)])
    return EgoFrame(str(seed), CAMERA, image, joints)


@pytest.fixture(scope="module")
def split():
    return Split(Vocabulary(("none", "cup"), ("none",)), [drawn(i) for i in range(12)], ())


@pytest.fixture(scope="module")
def run(split, tmp_path_factory):
    """A short training of the smallest network, on these frames as they are."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pose_training, "open_split", lambda *_: split)
        patch.setattr(pose_training, "parse_data", lambda _: ("synthetic", folder))
        job = TrainEffHandEgoNet(
            ("synthetic:x",), folder, width=128, height=96, head=16, steps=40, batch=6, rate=4e-3, sigma=1.5,
            start="none", augmentation="none", threads=1, device="cpu", quiet=True,
        )  # fmt: skip
        first = job.run()
        again = job.run()
        assert again.figures["step"] == first.figures["step"] == 40
        report = EvalEffHandEgoNet(folder, data="synthetic:x", export=folder / "out").run()
    return folder, report


def test_it_learns_and_is_scored(run):
    _, report = run
    assert report.figures["all"]["pictures"] == 12
    assert min(report.figures["all"]["presence"]) > 0.7
    assert "PCK@0.2" in report.table


def test_the_file_answers_as_the_network(run, split):
    folder, _ = run
    net, step = read_ego(folder)
    predict, reader = from_network(net), EgoNet(folder / "out", threads=1)
    for frame in split.frames[:4]:
        found = reader(frame.image)
        assert found.keypoints.shape == (2, 21, 2)
        assert found.confidence.shape == (2, 21)
        assert ((found.present >= 0) & (found.present <= 1)).all()
        ours, theirs = predict(frame.image), reader.keypoints(frame.image)
        assert (np.isnan(ours) == np.isnan(theirs)).all()
        gap = np.abs(ours - theirs)
        assert np.nanmax(gap, initial=0) < 0.01
    card = json.loads((folder / "out" / "effhandegonet.json").read_text())
    assert card["steps"] == step == 40
    assert card["parity"] < 1e-3
    assert all(row["licence"] != "unknown" for row in card["licences"])


def test_a_file_that_was_changed_is_refused(run, tmp_path):
    folder, _ = run
    for name in ("effhandegonet.onnx", "effhandegonet.json"):
        (tmp_path / name).write_bytes((folder / "out" / name).read_bytes() + (b" " if name.endswith("onnx") else b""))
    with pytest.raises(PalmarError, match="sha256"):
        EgoNet(tmp_path)
    with pytest.raises(PalmarError, match="expected RGB"):
        EgoNet(folder / "out")(np.zeros((4, 4), np.uint8))


def test_a_run_of_another_size_is_refused(run, split, monkeypatch):
    folder, _ = run
    monkeypatch.setattr(pose_training, "open_split", lambda *_: split)
    monkeypatch.setattr(pose_training, "full_name", str)
    with pytest.raises(PalmarError, match="another network, size or vocabulary"):
        TrainEffHandEgoNet(("synthetic:x",), folder, width=64, height=64, start="none").run()
    with pytest.raises(PalmarError, match="cannot be read"):
        read_ego(folder / "out")


def test_it_begins_from_the_shipped_detector(split, tmp_path):
    from palmar.methods.effhandegonet.model import EgoNetConfig
    from palmar.nn.detector import Detector
    from palmar.train.loop import Recipe
    from palmar.train.start import start_from

    batches = EgoBatches([split], (128, 96), 4, 0)
    job = TrainEffHandEgoNet(("synthetic:x",), tmp_path / "run")
    config = EgoNetConfig("palmar", 96, 128, head=8)
    build, recipe = pose_training.begun(job, config, Recipe("x", steps=4, batch=4), batches)
    net = build().eval()
    images = torch.cat([torch.as_tensor(batches(3 - n)["image"]) for n in range(4)])
    file = pose_training.files("palmar") / "weights" / "detector.onnx"
    detector = start_from(Detector(), file, images).eval()
    with torch.no_grad():
        planes = net.trunk.planes(images)
        torch.testing.assert_close(net.trunk(images), detector.backbone(planes)[-1], atol=1e-4, rtol=1e-4)
    assert len(recipe.start) == 16


# -------------------------------------------------------------------------------------------------------------- samples


def test_a_sample_is_a_function_of_its_number(split):
    one, two = (EgoBatches([split], (128, 96), 3, seed=5) for _ in range(2))
    for name, value in one(7).items():
        assert np.array_equal(value, two(7)[name])
    assert not np.array_equal(one(7)["image"], one(8)["image"])


@pytest.mark.parametrize("augmentation", ["firstperson", "paper", "none"])
def test_points_move_with_the_picture_and_keep_their_side(split, augmentation):
    """Joints lie on coloured bones, and a left hand turns as left ones do, whatever was done to the picture."""
    batches = EgoBatches([split], (128, 96), 1, seed=3, augmentation=augmentation, strength=0.0)
    coloured, turns = [], []
    for index in range(60):
        image, points, there, _ = batches.sample(index)
        for side in np.flatnonzero(there):
            inside = ((points[side] > 2) & (points[side] < (125, 93))).all(-1)
            for x, y in np.rint(points[side][inside]).astype(int):
                around = image[y - 1 : y + 2, x - 1 : x + 2].astype(int)
                coloured.append(np.abs(around[..., 0] - around[..., 2]).max() > 15)
            thumb, little = points[side][[4, 20]] - points[side][0]
            turns.append((thumb[0] * little[1] > thumb[1] * little[0]) == (side == 0))
    assert len(turns) > 40
    assert np.mean(coloured) > 0.97
    assert all(turns)


def test_a_right_hand_alone_is_never_mirrored(split):
    batches = EgoBatches([split], (128, 96), 20, seed=3, strength=0.0, right_only=True)
    batch = batches(0)
    assert batch["keypoints"].shape == (20, 1, 21, 2)
    assert batch["present"].shape == (20, 1)
    assert batch["object"].shape == (20,)
    hands = batch["keypoints"][batch["present"] > 0]
    thumb, little = hands[:, 4] - hands[:, 0], hands[:, 20] - hands[:, 0]
    assert len(hands) > 5
    assert (thumb[:, 0] * little[:, 1] < thumb[:, 1] * little[:, 0]).all()


def test_a_mirror_swaps_and_a_half_turn_does_not():
    rng = np.random.default_rng(0)
    hands = rng.uniform(10, 50, (2, 21, 2))
    hands[1] = np.nan
    mirror = np.array([[-1.0, 0, 63], [0, 1, 0]])
    points, there = moved(hands, mirror, (64, 64))
    assert there.tolist() == [False, True]
    np.testing.assert_allclose(points[1, :, 0], 63 - hands[0, :, 0], atol=1e-5)
    assert (points[0] == ABSENT).all()
    assert moved(hands, np.array([[-1.0, 0, 63], [0, -1, 63]]), (64, 64))[1].tolist() == [True, False]
    assert not moved(hands, np.array([[1.0, 0, 60], [0, 1, 0]]), (64, 64))[1].any()


def test_augmentations_are_what_they_say():
    size, to = (128, 96), (256, 192)
    rng = np.random.default_rng(0)
    ours = [firstperson_map(rng, size, to, np.zeros((0, 2))) for _ in range(400)]
    papers = [paper_map(rng, size, (512, 512)) for _ in range(400)]
    mirrored = [np.mean([np.linalg.det(m[:, :2]) < 0 for m in maps]) for maps in (ours, papers)]
    assert abs(mirrored[0] - 0.5) < 0.08
    assert abs(mirrored[1] - 0.3 * 0.66 / 1.49) < 0.06
    base = np.sqrt(np.linalg.det(stretch(size, (512, 512))[:, :2]))
    scales = np.sqrt([abs(np.linalg.det(m[:, :2])) for m in papers]) / base
    assert scales.max() < 1.2
    assert 0.15 < scales.min() < 0.2  # 512 / 3000
    assert abs(np.mean(scales < 0.3) - 0.25) < 0.07


def test_stretching_there_and_back():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 100, (5, 2))
    m = stretch((320, 240), (256, 192))
    np.testing.assert_allclose(unsqueezed(points @ m[:, :2].T + m[:, 2], (256, 192), (320, 240)), points)
    assert squeezed(np.zeros((240, 320, 3), np.uint8), (256, 192)).shape == (192, 256, 3)


# --------------------------------------------------------------------------------------------------------------- scores


def test_scores_of_the_truth_and_of_nothing(split):
    true = np.stack([frame.keypoints for frame in split.frames])
    perfect = score_frames(true, split.frames).figures["all"]
    assert perfect["epe"] == pytest.approx(0, abs=1e-9)
    assert perfect["pck"] == perfect["pck_of_all"] == 1
    assert perfect["presence"] == [1, 1]
    half = true.copy()
    half[:, 0] = np.nan
    missed = score_frames(half, split.frames).figures["all"]
    assert missed["pck"] == 1
    assert missed["pck_of_all"] == pytest.approx(0.5)
    moved_right = score_frames(true + np.array([1.28, 0]), split.frames).figures["all"]
    assert moved_right["epe"] == pytest.approx(12.8)
    with pytest.raises(PalmarError, match="predictions for"):
        score_frames(true[:3], split.frames)


def test_slices():
    hand = np.stack([np.tile(np.linspace(0, 20, 21)[:, None], 2)] * 2)
    pair = np.stack([hand, hand, hand, hand])
    pair[1, 1] += 15
    pair[2, 1] += 5
    pair[3, 1] = np.nan
    assert overlapping(pair).tolist() == [True, False, True, False]
    boxes = np.array([[0, 0, 3.5, 50], [0, 0, 4.5, 50], [100, 0, 200, 50], [np.nan] * 4])
    assert holding(pair, boxes).tolist() == [False, True, False, False]


def test_the_right_hand_and_its_object_train_and_are_scored(tmp_path, monkeypatch):
    """The variant for FPHA, through the jobs of the command line."""
    words = Vocabulary(("none", "cup", "pen"), ("none",))
    frames = [replace(drawn(3 * i), object=1 + i % 2) for i in range(6)]          # both hands in every third
    monkeypatch.setattr(pose_training, "open_split", lambda *_: Split(words, frames, ()))
    monkeypatch.setattr(pose_training, "parse_data", lambda _: ("fpha", tmp_path))
    job = TrainEffHandEgoNet(
        ("fpha:x",), tmp_path / "run", hands="right", width=128, height=96, head=16, steps=30, batch=6, rate=4e-3,
        sigma=1.5, augmentation="none", start="none", threads=1, device="cpu", quiet=True,
    )  # fmt: skip
    report = job.run()
    assert report is not None
    assert report.figures["object_wrong"] < 0.7
    net, _ = read_ego(tmp_path / "run")
    assert (net.config.hands, net.config.objects) == (1, 3)
    found = EvalEffHandEgoNet(tmp_path / "run", data="fpha:x").run().figures
    assert found["pictures"] == 6
    assert found["epe"] < 40
    assert 0 <= found["object top-1"] <= 1
    with pytest.raises(PalmarError, match="two hands"):
        EvalEffHandEgoNet(tmp_path / "run", data="fpha:x", export=tmp_path / "out").run()
    other = Split(Vocabulary(("none", "book"), ("none",)), frames, ())
    both = iter([Split(words, frames, ()), other])
    monkeypatch.setattr(pose_training, "open_split", lambda *_: next(both))
    with pytest.raises(PalmarError, match="other objects"):
        replace(job, data=("fpha:x", "h2o:y")).run()
