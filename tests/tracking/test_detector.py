"""Letterbox, decoding and suppression, and the detector with networks that were written by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palmar.tracking.detector import Detector, decode, iou, letterbox, suppress


@pytest.mark.parametrize(
    ("width", "height"), [(640, 480), (480, 640), (1920, 1080), (333, 77), (100, 100), (1, 1), (2000, 3)]
)
def test_a_letterbox_keeps_places(width, height):
    image = np.zeros((height, width, 3), np.uint8)
    sheet = letterbox(image)
    h, w = sheet.image.shape[:2]
    assert h % 32 == 0
    assert w % 32 == 0
    assert max(h, w) == 192
    corners = np.array([[-0.5, -0.5, width - 0.5, height - 0.5]])  # the picture's edges land on the filled part's edges
    shown = (corners + 0.5) * np.tile(sheet.scale, 2) - 0.5
    filled = (sheet.image != 114).any(-1)
    assert filled.sum() == round(shown[0, 2] + 0.5) * round(shown[0, 3] + 0.5)
    np.testing.assert_allclose(sheet.to_image(shown), corners, atol=1e-9)


def test_a_spot_is_found_where_it_is():
    image = np.zeros((480, 640, 3), np.uint8)
    image[300:320, 400:440] = 255
    sheet = letterbox(image)
    weight = sheet.image[:144, :192, 0].astype(float)
    y, x = (float((np.arange(n) * weight.sum(1 - axis)).sum() / weight.sum()) for axis, n in ((0, 144), (1, 192)))
    np.testing.assert_allclose(sheet.to_image(np.array([[x, y]])), [[419.5, 309.5]], atol=0.2)


def plain_iou(a, b):
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(wide, 0) * max(high, 0)
    area = [max(c[2] - c[0], 0) * max(c[3] - c[1], 0) for c in (a, b)]
    return both / (sum(area) - both) if sum(area) - both > 0 else 0.0


@given(st.integers(0, 2**32 - 1), st.integers(0, 8))
@settings(max_examples=40, deadline=None)
def test_suppression_by_the_definition(seed, n):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 50, (n, 2))
    boxes = np.concatenate([low, low + rng.uniform(-2, 60, (n, 2))], 1)
    np.testing.assert_allclose(
        iou(boxes, boxes), np.array([[plain_iou(a, b) for b in boxes] for a in boxes]).reshape(n, n), atol=1e-12
    )
    keep = []
    for i in range(n):
        if all(plain_iou(boxes[i], boxes[j]) <= 0.4 for j in keep):
            keep.append(i)
    assert suppress(boxes, 0.4).tolist() == keep


def maps(hands, h=20, w=24):
    """What a detector would say: hands of (row, column, score, box edges, right, direction)."""
    score, box = np.full((h, w), 0.01, np.float32), np.ones((h, w, 4), np.float32)
    side, direction = np.full((h, w), 0.5, np.float32), np.zeros((h, w, 2), np.float32)
    for row, column, value, edges, right, towards in hands:
        for r in (-1, 0, 1):
            for c in (-1, 0, 1):
                if 0 <= row + r < h and 0 <= column + c < w:
                    score[row + r, column + c] = max(score[row + r, column + c], value * (1 - 0.2 * (abs(r) + abs(c))))
        box[row, column], side[row, column], direction[row, column] = edges, right, towards
    return score, box, side, direction


def test_decoding_reads_boxes_from_cell_centres():
    found = decode(
        *maps(
            [
                (3, 5, 0.9, (10, 12, 14, 16), 0.8, (0.0, -2.0)),
                (15, 20, 0.7, (20, 20, 20, 20), 0.1, (1.0, 1.0)),
                (10, 2, 0.4, (9, 9, 9, 9), 0.1, (1.0, 0.0)),
            ]
        ),
        threshold=0.5,
    )
    np.testing.assert_allclose(found.score, [0.9, 0.7], atol=1e-6)  # best first, the faint one left out
    x, y = (5 + 0.5) * 8 - 0.5, (3 + 0.5) * 8 - 0.5
    np.testing.assert_allclose(found.box[0], [x - 10, y - 12, x + 14, y + 16])
    np.testing.assert_allclose(found.side, [0.8, 0.1], atol=1e-6)
    np.testing.assert_allclose(found.direction, [[0, -1], [np.sqrt(0.5), np.sqrt(0.5)]], atol=1e-6)


def test_one_hand_is_not_found_twice_whichever_side():
    edges = (30, 30, 30, 30)
    found = decode(*maps([(5, 5, 0.9, edges, 0.9, (0, -1)), (5, 7, 0.8, edges, 0.1, (0, -1))]), threshold=0.5)
    assert len(found) == 1
    assert found.side[0] > 0.5
    assert len(decode(*maps([]), threshold=0.5)) == 0


def test_equal_neighbours_are_one_hand():
    score, box, side, direction = maps([])
    score[4:6, 4:6] = 0.9
    box[:] = 40.0
    assert len(decode(score, box, side, direction, threshold=0.5)) == 1


def test_the_detector_answers_in_pixels_of_the_picture():
    def network(image):
        assert image.shape == (1, 160, 192, 3)
        assert image.dtype == np.uint8
        score, box, side, direction = maps([(8, 11, 0.9, (12, 12, 12, 12), 0.9, (0, -1))], 20, 24)
        return {"score": score[None], "box": box[None], "side": side[None], "direction": direction[None]}

    found = Detector(network)(np.zeros((480, 640, 3), np.uint8))
    scale = 640 / 192
    centre = np.array([(11 + 0.5) * 8, (8 + 0.5) * 8]) * scale - 0.5
    np.testing.assert_allclose(found.box[0], [*(centre - 12 * scale), *(centre + 12 * scale)], atol=1e-6)


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), (640, 480), (770, 642)])
def test_halving_first_changes_next_to_nothing(size):
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8), size, interpolation=cv2.INTER_CUBIC)
    image = np.clip(image + rng.normal(0, 10, image.shape), 0, 255).astype(np.uint8)
    width, height = 192, round(192 * size[1] / size[0])
    plain = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    found = letterbox(image).image[:height, :width]
    assert np.abs(found.astype(int) - plain).mean() < 0.1 * plain.std()
