"""The detector of used objects from training to pictures: on things that are easy to see it must find them."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.nn.detector import Detector, DetectorConfig
from palmar.nn.objects import ObjectConfig, ObjectDetector
from palmar.recognition.objects import ObjectFinder
from palmar.tracking.detector import iou
from palmar.train.export import Provenance, export
from palmar.train.loop import Recipe, train
from palmar.train.objects import HEIGHT, WIDTH, ObjectBatches, ObjectLoss, seen
from palmar.types import EgoFrame, Split, Vocabulary
from palmar.types.firstperson import box_points

CAMERA = Camera.from_fov(192, 144, np.radians(70))
COLOURS = {1: (230, 40, 40), 2: (40, 60, 230)}
WORDS = Vocabulary(("none", "tomato", "plum"), ())
SMALL = DetectorConfig(stem=8, widths=(8, 16, 24, 32), blocks=(1, 1, 1, 1), pyramid=16)


def picture(seed: int) -> EgoFrame:
    """A red or a blue cuboid face in a grey room, or nothing."""
    rng = np.random.default_rng(seed)
    image = np.full((144, 192, 3), rng.integers(90, 150), np.uint8)
    kind = int(rng.integers(0, 3))
    if not kind:
        return EgoFrame(str(seed), CAMERA, image)
    middle = np.array([rng.uniform(-0.2, 0.2), rng.uniform(-0.15, 0.15), 0.5])
    half = np.append(rng.uniform(0.03, 0.07, 2), 0.0)
    points = box_points(middle - half, middle + half).astype(np.float32)
    frame = EgoFrame(str(seed), CAMERA, image, object=kind, points=points)
    x0, y0, x1, y1 = np.round(frame.object_box).astype(int)
    image[max(y0, 0) : y1 + 1, max(x0, 0) : x1 + 1] = COLOURS[kind]
    return frame


@pytest.fixture(scope="module")
def split() -> Split:
    return Split(WORDS, [picture(seed) for seed in range(60)], ())


@pytest.fixture(scope="module")
def trained(split, tmp_path_factory):
    run = tmp_path_factory.mktemp("objects")
    batches = ObjectBatches([split], 16, seed=1, strength=0.0)
    recipe = Recipe("objects", seed=1, batch=16, steps=90, rate=4e-3, warmup=10, ema=0.9)
    config = ObjectConfig(2, SMALL)
    done = train(lambda: ObjectDetector(config), ObjectLoss(), batches, recipe, run, threads=1)
    provenance = Provenance(recipe, recipe.steps, [], {}, words={"objects": WORDS.objects})
    export(done.model, run / "objects.onnx", provenance)
    return run


def test_what_was_never_shown_is_found_and_named(trained):
    find = ObjectFinder(trained, threads=1)
    overlap, right, false = [], [], 0
    for seed in range(1000, 1040):
        frame = picture(seed)
        found = find(frame.image)
        if not frame.object:
            false += len(found)
            continue
        overlap.append(iou(found.box[:1], frame.object_box[None])[0, 0] if len(found) else 0.0)
        right.append(len(found) > 0 and found.kind[0] == frame.object)
    assert np.mean(np.array(overlap) > 0.5) > 0.85
    assert np.mean(right) > 0.85
    assert false <= 4


def test_boxes_move_with_the_picture(split):
    batches = ObjectBatches([split], 8, seed=3, strength=0.0)
    overlaps = []
    for index in range(80):
        image, box, kind = batches.sample(index)
        assert image.shape == (HEIGHT, WIDTH, 3)
        if not kind:
            continue
        colour = np.array(COLOURS[kind], float)
        near = np.linalg.norm(image.astype(float) - colour, axis=-1) < 60
        inside = (box[:2] > 6).all() and (box[2:] < (WIDTH - 7, HEIGHT - 7)).all()
        if not inside or near.sum() < 40:
            continue
        rows, columns = np.nonzero(near)
        hull = np.array([columns.min(), rows.min(), columns.max(), rows.max()], float)
        overlaps.append(iou(hull[None], box[None])[0, 0])
    assert len(overlaps) > 15
    assert np.median(overlaps) > 0.75
    assert np.mean(np.array(overlaps) > 0.5) > 0.8  # mirrored borders show some things twice


def test_samples_are_a_function_of_their_number(split):
    one, two = (ObjectBatches([split], 4, seed=9)(3) for _ in range(2))
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_an_object_behind_the_camera_is_none():
    points = box_points(np.array([-0.1, -0.1, -0.6]), np.array([0.1, 0.1, -0.4])).astype(np.float32)
    frame = EgoFrame("behind", CAMERA, np.zeros((144, 192, 3), np.uint8), object=1, points=points)
    assert seen(frame).kind == 0


def test_pictures_without_objects_or_pictures_are_refused():
    with pytest.raises(PalmarError, match="acted scenes"):
        ObjectBatches([Split(WORDS, [EgoFrame("a", CAMERA, np.zeros((9, 9, 3), np.uint8))], ())], 2, 1)
    with pytest.raises(PalmarError, match="no picture"):
        seen(EgoFrame("a", CAMERA))


def test_the_body_begins_with_that_of_the_hand_detector():
    with torch.no_grad():
        hands, things = Detector(SMALL).eval(), ObjectDetector(ObjectConfig(3, SMALL)).eval()
        things.begin(hands)
        image = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
        x = image.permute(0, 3, 1, 2).float() / 64 - 2
        for a, b in zip(hands.backbone(x), things.backbone(x), strict=True):
            torch.testing.assert_close(a, b)


def test_a_card_must_name_the_objects(trained, tmp_path):
    for name in ("objects.onnx", "objects.json"):
        (tmp_path / name).write_bytes((trained / name).read_bytes())
    card = json.loads((tmp_path / "objects.json").read_text())
    (tmp_path / "objects.json").write_text(json.dumps({**card, "objects": ["none", "tomato"]}))
    with pytest.raises(PalmarError, match="kinds"):
        ObjectFinder(tmp_path)(np.zeros((64, 64, 3), np.uint8))
    (tmp_path / "objects.json").write_text(json.dumps({k: v for k, v in card.items() if k != "objects"}))
    with pytest.raises(PalmarError, match="names of objects"):
        ObjectFinder(tmp_path)
