"""The detector's targets against a slow loop, its loss against definitions, and its masks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from palmar.nn.detector import STRIDE, Detections, Detector, DetectorConfig
from palmar.train.detector import REACH, SPREAD, DetectorLoss, focal, giou, iou, targets

TINY = DetectorConfig(stem=4, widths=(4, 6, 8, 8), blocks=(1, 1, 1, 1), pyramid=6)


@pytest.fixture
def batch(pictures) -> dict[str, torch.Tensor]:
    return {name: torch.as_tensor(value) for name, value in pictures(0, 1).items()}


def slow_targets(boxes: np.ndarray, h: int, w: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Score, nearest cells, and which box each cell belongs to, one picture, cell by cell."""
    score, centre, owner = np.zeros((h, w)), np.zeros((h, w)), np.zeros((h, w), int)
    for m, (x0, y0, x1, y1) in enumerate(boxes):
        best, at = math.inf, (0, 0)
        for i in range(h):
            for j in range(w):
                px, py = (j + 0.5) * STRIDE - 0.5, (i + 0.5) * STRIDE - 0.5
                off = math.hypot(px - (x0 + x1) / 2, py - (y0 + y1) / 2)
                if off < best:
                    best, at = off, (i, j)
        centre[at] = 1
        sx, sy = max(SPREAD * (x1 - x0) / STRIDE, 0.4), max(SPREAD * (y1 - y0) / STRIDE, 0.4)
        for i in range(h):
            for j in range(w):
                value = math.exp(-(((j - at[1]) / sx) ** 2 + ((i - at[0]) / sy) ** 2) / 2)
                if value > score[i, j]:
                    score[i, j], owner[i, j] = value, m
    return score, centre, owner


@pytest.mark.parametrize("seed", range(4))
def test_targets_against_a_slow_loop(seed):
    rng = np.random.default_rng(seed)
    h, w, m = 6, 9, 4
    low = rng.uniform(-20, (w * 8, h * 8), (3, m, 2))          # some centres lie outside the picture
    boxes = np.concatenate([low, low + rng.uniform(4, 70, (3, m, 2))], -1).astype(np.float32)
    count = np.array([0, 2, 4])
    boxes[np.arange(m) >= count[:, None]] = np.nan
    found = targets(torch.as_tensor(boxes), torch.as_tensor(count), h, w)
    for b in range(3):
        score, centre, owner = slow_targets(boxes[b, : count[b]], h, w)
        np.testing.assert_allclose(found.score[b], score, atol=1e-6)
        np.testing.assert_array_equal(found.centre[b], centre)
        np.testing.assert_array_equal(found.owner[b][score > 1e-6], owner[score > 1e-6])
        np.testing.assert_array_equal(found.weight[b] > 0, score > REACH)
        for i, j in np.argwhere(score > REACH):
            x0, y0, x1, y1 = boxes[b, owner[i, j]]
            px, py = (j + 0.5) * 8 - 0.5, (i + 0.5) * 8 - 0.5
            expected = np.maximum([px - x0, py - y0, x1 - px, y1 - py], 1.0)
            np.testing.assert_allclose(found.box[b, i, j], expected, rtol=1e-5)


def test_overlap_against_rectangles_on_a_pixel_grid():
    rng = np.random.default_rng(0)
    a, b = rng.integers(1, 30, (2, 50, 4))
    grid = np.mgrid[-32:32, -32:32]
    both = torch.as_tensor(a).float(), torch.as_tensor(b).float()
    for p, q, one, two in zip(a, b, iou(*both), giou(*both), strict=True):
        inside = [
            (grid[1] >= -d[0]) & (grid[0] >= -d[1]) & (grid[1] < d[2]) & (grid[0] < d[3]) for d in (p, q)
        ]
        union = (inside[0] | inside[1]).sum()
        hull = np.prod(np.maximum(p, q)[:2] + np.maximum(p, q)[2:])
        expected = (inside[0] & inside[1]).sum() / union
        np.testing.assert_allclose([one, two], [expected, expected - (hull - union) / hull], rtol=1e-5)


def test_focal_against_the_formula_in_loops():
    rng = np.random.default_rng(0)
    logit, score = rng.normal(size=(1, 3, 4)), rng.uniform(0, 0.9, (1, 3, 4))
    score[0, 1, 2] = score[0, 0, 0] = 1
    expected = 0.0
    for x, y in zip(logit.ravel(), score.ravel(), strict=True):
        p = 1 / (1 + math.exp(-x))
        expected -= (1 - p) ** 2 * math.log(p) if y == 1 else (1 - y) ** 4 * p**2 * math.log(1 - p)
    found = focal(torch.as_tensor(logit), torch.as_tensor(score), torch.as_tensor((score == 1) * 1.0))
    np.testing.assert_allclose(found, expected / 2, rtol=1e-10)


def test_focal_stays_finite_when_wrong_and_sure():
    logit = torch.tensor([[[200.0, -200.0]]], requires_grad=True)
    focal(logit, torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[0.0, 1.0]]])).backward()
    assert torch.isfinite(logit.grad).all()


def terms(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    found = DetectorLoss()(Detector(TINY)(batch["image"]), batch, 0.5)
    return {name: value.detach() for name, value in found.items()}


def test_the_truth_costs_next_to_nothing(batch):
    truth = targets(batch["boxes"], batch["count"], 8, 12)
    index = truth.owner.flatten(1)
    side = torch.gather(batch["sides"], 1, index).view(4, 8, 12)
    direction = torch.gather(batch["directions"], 1, index[..., None].expand(-1, -1, 2)).view(4, 8, 12, 2)
    logit = torch.where(truth.centre > 0, 40.0, -40.0)
    perfect = Detections(logit, truth.box, 40 * (2 * side - 1), direction)
    assert float(DetectorLoss()(perfect, batch, 1.0)["loss"]) < 1e-3


@pytest.mark.parametrize("label", ["boxes", "sides", "directions"])
@pytest.mark.parametrize("value", [5.0, float("nan")])
def test_rows_beyond_the_count_do_not_matter(batch, label, value):
    before = terms(batch)
    beyond = torch.arange(3) >= batch["count"][:, None]
    shaped = beyond.view(*beyond.shape, *[1] * (batch[label].ndim - 2))
    after = terms(batch | {label: torch.where(shaped, value, batch[label])})
    for name in before:
        torch.testing.assert_close(before[name], after[name], rtol=0, atol=0)


@pytest.mark.parametrize("label", ["boxes", "sides", "directions", "count"])
def test_rows_within_the_count_do(batch, label):
    changed = batch[label].clone()
    row = int(batch["count"].argmax())
    changed[row] = changed[row] * 0.5 if label == "boxes" else 1 - changed[row].clamp(max=1)
    assert abs(float(terms(batch)["loss"] - terms(batch | {label: changed})["loss"])) > 1e-5


def test_an_unknown_direction_is_not_looked_at(batch):
    batch["directions"][:] = 0
    assert float(terms(batch)["direction"]) == 0.0


def test_pictures_without_hands_have_a_finite_loss(batch):
    batch["count"][:] = 0
    found = terms(batch)
    assert all(torch.isfinite(v) for v in found.values())
    assert float(found["overlap"]) == float(found["box"]) == 0.0
