"""Losses of the pose networks: the documented numbers, empty selections, decoding in pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from palmar.methods.effhandegonet.model import EgoHands
from palmar.methods.effhandegonet.objective import ABSENT, EgoLoss, HandLoss, keypoints_of, targets
from palmar.nn.heatmaps import compatible_maps


def documented() -> tuple[EgoHands, dict[str, torch.Tensor]]:
    """Left maps are 3 cells off, right ones perfect; the left flag of the second sample says absent."""
    at = torch.full((2, 2, 21, 2), 256.0) + 0.5  # cell 64 of 128
    shifted = at.clone()
    shifted[:, 0, :, 0] += 12
    maps = compatible_maps((shifted + 0.5) / 512)
    flags = torch.tensor([[[0.0, 2], [0, 1]], [[1, 0], [0, 3]]])
    batch = {"keypoints": at, "present": torch.tensor([[1, 1], [1, 0]])}
    return EgoHands(maps, flags, None), batch


def test_the_documented_loss():
    found, batch = documented()
    terms = EgoLoss(3.0, over="predicted", compatible=True)(found, batch, 0.0)
    flags, there = found.flags, batch["present"]
    sides = [torch.nn.functional.cross_entropy(flags[:, s], there[:, s]) for s in range(2)]
    np.testing.assert_allclose(sides, [0.720095, 1.680925], atol=1e-6)
    assert float(terms["loss"]) == pytest.approx(0.201520, abs=2e-6)
    assert float(terms["presence_wrong"]) == 0.5


def test_which_hands_count():
    found, batch = documented()
    maps = {over: float(EgoLoss(3.0, over=over, compatible=True)(found, batch, 0)["maps"]) for over in
            ("predicted", "present", "either")}  # fmt: skip
    assert maps["predicted"] == pytest.approx(0.362266 / 2, abs=1e-6)
    assert maps["present"] == pytest.approx(0.362266 / 2, abs=1e-6)
    wrong = torch.tensor([[[0.0, 2], [0, 1]], [[0, 1], [3, 0]]])
    third = EgoLoss(3.0, over="predicted", compatible=True)(EgoHands(found.maps, wrong, None), batch, 0)
    assert float(third["maps"]) == pytest.approx(0.362266 / 2, abs=1e-6)


def test_no_hand_that_counts_is_no_nan():
    found, batch = documented()
    nobody = torch.tensor([[[2.0, 0], [2, 0]], [[2, 0], [2, 0]]])
    maps = found.maps.clone().requires_grad_()
    batch["present"] = torch.zeros(2, 2, dtype=torch.long)
    batch["keypoints"] = torch.full((2, 2, 21, 2), ABSENT)
    for over in ("predicted", "present", "either"):
        terms = EgoLoss(3.0, over=over)(EgoHands(maps, nobody, None), batch, 0)
        assert terms["maps"].item() == 0
        assert float(terms["pixels"]) == 0
        terms["loss"].backward()
        assert torch.isfinite(maps.grad).all()


def test_an_absent_hand_asks_for_an_empty_map():
    found, batch = documented()
    batch["keypoints"] = torch.full((2, 2, 21, 2), ABSENT)
    assert float(EgoLoss(3.0, over="predicted")(found, batch, 0)["maps"]) > 0.999
    empty = EgoHands(torch.zeros_like(found.maps), found.flags, None)
    assert float(EgoLoss(3.0, over="predicted")(empty, batch, 0)["maps"]) == 0


def test_one_hand_and_its_object():
    found, batch = documented()
    logits = torch.tensor([[0.0, 1, 0], [2, 0, 0]])
    one = EgoHands(found.maps[:, :1], None, logits)
    batch = {"keypoints": batch["keypoints"][:, :1], "present": batch["present"][:, :1], "object": torch.tensor([1, 1])}
    terms = EgoLoss(3.0, presence=0.01, compatible=True)(one, batch, 0)
    named = float(torch.nn.functional.cross_entropy(logits, batch["object"]))
    assert float(terms["loss"]) == pytest.approx(0.01 * named + 0.99 * 0.362266, abs=1e-6)


@pytest.mark.parametrize("stride", [1.0, 4.0])
def test_what_is_drawn_is_found(stride):
    rng = np.random.default_rng(0)
    points = torch.tensor(rng.uniform((40, 40), (200, 140), (30, 2)))
    h, w = int(192 / stride), int(256 / stride)
    sigma = 8.0 / stride
    maps = targets(points, (h, w), stride, sigma)
    found, height = keypoints_of(maps, stride, sigma)
    assert (found - points).abs().max() < 0.06 * stride
    assert (height > 0.95).all()


def test_the_published_decoder_stands_half_a_cell_away():
    rng = np.random.default_rng(0)
    points = torch.tensor(rng.uniform(150, 350, (2000, 2)))
    found, _ = keypoints_of(targets(points, (128, 128), 4.0, 3.0, compatible=True), 4.0, 3.0, compatible=True)
    np.testing.assert_allclose((found - points).mean(0), -2.0, atol=0.1)


def test_the_crop_networks_loss():
    at = torch.tensor([[[[64.0, 30.0]] * 21]])
    maps = targets(at[:, 0], (128, 128), 1.0, 3.0)
    batch = {"image": torch.zeros(1, 128, 128, 3), "keypoints": at}
    assert float(HandLoss(3.0)(maps, batch, 0)["loss"]) == pytest.approx(0, abs=1e-6)
    assert float(HandLoss(3.0)(maps / 2, batch, 0)["loss"]) == pytest.approx(1 / 3, abs=1e-6)
    shifted = torch.roll(maps, 3, -1)
    assert float(HandLoss(3.0)(shifted, batch, 0)["loss"]) == pytest.approx(0.362266, abs=1e-5)
    assert float(HandLoss(3.0)(shifted, batch, 0)["pixels"]) == pytest.approx(3, abs=0.05)
