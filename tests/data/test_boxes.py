from __future__ import annotations

import json

import numpy as np
import pytest

from palmar.data.boxes import (
    H2O_LEFT,
    H2O_OBJECTS,
    H2O_RIGHT,
    FrameBoxes,
    best_of,
    read_coco,
    read_yolo,
    used_object,
    used_objects,
    write_coco,
    write_yolo,
)
from palmar.errors import PalmarError


def frame(*rows) -> FrameBoxes:
    """(class, score, x0 of its box)"""
    boxes = np.array([(x, 2.0, x + 10, 20.0) for _, _, x in rows]).reshape(-1, 4)
    kinds, scores = np.array([k for k, _, _ in rows], np.int64), np.array([s for _, s, _ in rows], np.float64)
    return FrameBoxes(boxes, kinds, scores)


def test_the_example_of_yolo(tmp_path):
    path = tmp_path / "000000.txt"
    path.write_text("4 0.5 0.4 0.2 0.3\n8 0.25 0.5 0.1 0.2\n")
    found = read_yolo(path, 1280, 720, compatible=True)
    label, box = used_object(found, H2O_OBJECTS)
    assert label == 5  # milk
    np.testing.assert_allclose(box / (1280, 720, 1280, 720), (0.4, 0.25, 0.6, 0.55))
    np.testing.assert_allclose(best_of(found, H2O_LEFT), (256, 288, 384, 432))
    assert np.isnan(best_of(found, H2O_RIGHT)).all()
    np.testing.assert_allclose(read_yolo(path, 1280, 720).boxes, found.boxes - 0.5)  # edges in palmar's pixels
    whole = tmp_path / "whole.txt"
    whole.write_text("0 0.5 0.5 1 1 0.75")
    np.testing.assert_allclose(read_yolo(whole, 64, 48).boxes, [(-0.5, -0.5, 63.5, 47.5)])
    assert read_yolo(whole, 64, 48).scores.tolist() == [0.75]


def test_which_object_is_used():
    found = frame((9, 0.99, 0), (3, 0.6, 1), (1, 0.7, 2), (3, 0.9, 3), (7, 0.2, 4))
    assert used_object(found, H2O_OBJECTS) == (4, pytest.approx((3, 2, 13, 20)))  # the surest that is no hand
    # the first box of each class (3 at 1, 1 at 2, 7 at 4), and of these the last
    assert used_object(found, H2O_OBJECTS, "last") == (8, pytest.approx((4, 2, 14, 20)))
    repeated = frame((1, np.nan, 0), (3, np.nan, 1), (1, np.nan, 2))
    assert used_object(repeated, H2O_OBJECTS)[0] == 2  # without scores the first
    assert used_object(repeated, H2O_OBJECTS, "last")[1][0] == 1  # not the second box of class 1
    label, box = used_object(frame((8, 0.9, 0)), H2O_OBJECTS, "last")
    assert label == 0
    assert np.isnan(box).all()
    labels, boxes = used_objects([found, FrameBoxes.empty()], H2O_OBJECTS)
    assert labels.tolist() == [4, 0]  # nothing found: no label, whatever the truth is
    assert np.isnan(boxes).all(1).tolist() == [False, True]
    assert used_objects([], H2O_OBJECTS)[1].shape == (0, 4)
    with pytest.raises(PalmarError, match="unknown rule 'first'"):
        used_object(found, H2O_OBJECTS, "first")


def test_yolo_reads_what_was_written(tmp_path):
    found = frame((2, 0.5, 3.25), (0, np.nan, -1))
    write_yolo(tmp_path / "a.txt", found, 320, 240)
    back = read_yolo(tmp_path / "a.txt", 320, 240)
    np.testing.assert_allclose(back.boxes, found.boxes, atol=1e-6)
    np.testing.assert_array_equal(back.classes, found.classes)
    np.testing.assert_array_equal(back.scores, found.scores)
    write_yolo(tmp_path / "a.txt", FrameBoxes.empty(), 320, 240)
    assert len(read_yolo(tmp_path / "a.txt", 320, 240)) == 0


def test_a_picture_without_file(tmp_path):
    assert len(read_yolo(tmp_path / "a.txt", 9, 9, missing=True)) == 0
    with pytest.raises(PalmarError, match="no such file"):
        read_yolo(tmp_path / "a.txt", 9, 9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0.5 0.5 0.1\n", r"line 1: 4 numbers; expected rows of class"),
        ("0 .5 .5 .1 .1\n\n1 .5 .5 .1 x\n", r"line 3: 'x' is not a number"),
        ("0.5 .5 .5 .1 .1\n", r"line 1: expected a class, a whole number"),
        ("0 .5 .5 -.1 .1\n", r"line 1: '0 .5 .5 -.1 .1': expected rows"),
        ("0 640 360 10 10\n", r"line 1: '0 640 360 10 10': expected rows"),
        ("0 nan .5 .1 .1\n", r"line 1: '0 nan .5 .1 .1': expected rows"),
    ],
)
def test_bad_yolo_is_named(tmp_path, text, message):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(PalmarError, match=message):
        read_yolo(tmp_path / "a.txt", 1280, 720)


def test_coco_reads_what_was_written(tmp_path):
    pictures = {"a.png": frame((1, 0.5, 3.25), (2, np.nan, 1)), "b.png": FrameBoxes.empty(), "c.png": frame((1, 1, 0))}
    write_coco(tmp_path / "a.json", pictures, {1: "book", 2: "milk"}, {"a.png": (64, 48)})
    back = read_coco(tmp_path / "a.json")
    assert back.names == {1: "book", 2: "milk"}
    assert set(back.pictures) == set(pictures)
    for name, found in pictures.items():
        np.testing.assert_allclose(back[name].boxes, found.boxes)
        np.testing.assert_array_equal(back[name].classes, found.classes)
        np.testing.assert_array_equal(back[name].scores, found.scores)
    assert len(back["nowhere.png"]) == 0


def test_results_of_coco(tmp_path):
    (tmp_path / "r.json").write_text(
        json.dumps([{"image_id": 7, "category_id": 3, "bbox": [0, 0, 64, 48], "score": 0.5}])
    )
    (tmp_path / "a.json").write_text(json.dumps({"images": [{"id": 7, "file_name": "x.png"}], "annotations": []}))
    found = read_coco(tmp_path / "r.json", tmp_path / "a.json")["x.png"]
    assert found.boxes.tolist() == [[-0.5, -0.5, 63.5, 47.5]]
    assert read_coco(tmp_path / "r.json", compatible=True)["7"].boxes.tolist() == [[0, 0, 64, 48]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "expected a list of results"),
        ("[1]", "entry 0: expected an object with image_id"),
        ('[{"image_id": "1"}]', r"entry 0: image_id: expected a whole number, got '1'"),
        ('[{"image_id": 1, "bbox": [0, 0, 1]}]', "entry 0: expected bbox x y w h"),
        ('[{"image_id": 1, "bbox": [0, 0, -1, 1]}]', "entry 0: expected bbox x y w h"),
        ('[{"image_id": 1, "bbox": [0, 0, NaN, 1]}]', "NaN is not a number"),
        ('[{"image_id": 1, "bbox": [0, 0, 1, 1], "category_id": 1.5}]', "category_id: expected a whole number"),
        ('{"images": [{"id": 2}], "annotations": [{"image_id": 1}]}', "image_id 1 is none of the images"),
        ('{"images": [2], "annotations": []}', "images: expected a list of objects"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_bad_coco_is_named(tmp_path, text, message):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(PalmarError, match=message):
        read_coco(tmp_path / "a.json")
