"""Published counts, worked numbers, and what each part may see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from palmar.errors import PalmarError
from palmar.hand import HandModel
from palmar.methods.hamba.hand import Said, full_camera, meant, place, projected
from palmar.methods.hamba.model import (
    HAMER,
    PAPER,
    SMALL,
    SMALL_HAMER,
    Config,
    GraphBlock,
    MapBlock,
    MeshNetwork,
    sampled,
)
from palmar.methods.hamba.wilor import Backbone, Refine, under
from palmar.nn.graph import SemanticConv
from palmar.nn.vit import VitConfig

TINY_VIT = VitConfig(64, 48, 16, 2, 24, 2, 2, 2.0, 0.0)


def count(module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_published_counts():
    with torch.device("meta"):
        hamer, hamba = MeshNetwork(HAMER), MeshNetwork(PAPER)
        assert count(hamer) == 670_409_837
        assert count(hamer.head) == 39_497_837
        assert count(hamer.head.decoder) == 39_386_112
        assert count(hamer.trunk) == 630_912_000
        assert count(MapBlock(512, 16)) == 2_053_120
        assert count(GraphBlock(512, 16, 2, "graph")) == 4_176_313
        assert count(Backbone(HandModel.default())) == 630_964_499
        assert count(Refine()) == 8_316_429
        refine = Refine()
        assert count(refine.first) + count(refine.once) + count(refine.twice) == 8_194_240
    saved = 1 - count(hamba.head) / count(hamer.head)
    assert 0.50 < saved < 0.55  # the paper says 51.8 %


def test_semantic_convolution_worked_out():
    conv = SemanticConv(2, 2, [(0, 1), (1, 2), (0, 3)], 4, bias=False).double()
    m = torch.zeros(4, 4, dtype=torch.float64)
    for (i, j), value in {(0, 0): 0.5, (0, 1): 0.2, (0, 3): -0.1, (1, 0): 0.3, (1, 1): 1, (1, 2): 0.4, (2, 1): 0.6,
                          (2, 2): 0.1, (3, 0): 0, (3, 3): 0.8}.items():  # fmt: skip
        m[i, j] = value
    conv.edge_weight.data, conv.linear.weight.data = m, torch.tensor([[1.0, 2], [0, -1]], dtype=torch.float64).T
    x = torch.tensor([[[1.0, 0], [0, 1], [1, 1], [-1, 2]]], dtype=torch.float64)
    expected = [[0.197057, 0], [0.511097, 0.264977], [0.377541, 0], [0, 0]]
    np.testing.assert_allclose(conv(x)[0].relu().detach(), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("uv", "value"), [((0, 0), 95.5), ((0.2, -0.1), 79.5), ((-0.3, 0.3), 148.3), ((0.375, 0.5), 47.75), ((0.45, 0), 0)]
)
def test_sampling_under_points_of_the_crop(uv, value):
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(12.0), indexing="ij")
    found = sampled((12 * y + x)[None, None].double(), torch.tensor([[uv]], dtype=torch.float64), 0.75)
    assert float(found) == pytest.approx(value, abs=1e-6)


def test_camera_worked_out():
    camera = torch.tensor([[8.0, 0.01, -0.02]], dtype=torch.float64)
    point = torch.tensor([[[0.05, -0.03, 0.02]]], dtype=torch.float64)
    np.testing.assert_allclose(projected(point, camera)[0, 0], [0.239021, -0.199184], atol=1e-6)
    assert float(place(camera)[0, 2]) == pytest.approx(4.882812, abs=1e-6)
    centre, side = torch.tensor([[900.0, 300.0]], dtype=torch.float64), torch.tensor([400.0], dtype=torch.float64)
    np.testing.assert_allclose(full_camera(camera, centre, side, (1280, 720))[0], [0.1725, -0.0575, 15.625], atol=1e-6)
    near = full_camera(camera, centre, side, (1280, 720), focal=600.0)
    np.testing.assert_allclose(near[0], [0.1725, -0.0575, 0.375], atol=1e-6)
    seen = point[0] + near
    pixel = 600 * seen[..., :2] / seen[..., 2:] + torch.tensor([640.0, 360.0])
    np.testing.assert_allclose(pixel[0], [977.974684, 227.088608], atol=1e-5)


def test_wilor_looks_at_the_corner_only_where_it_has_to():
    """A point 8 cm right and 5 cm up of the axis: the released net looks at pixel (0.32, -0.20) of every map."""
    camera, point = torch.tensor([[8.0, 0.0, 0.0]]), torch.tensor([[[0.08, -0.05, 0.0]]])
    for height, width, true in ((64, 48, (43.98, 18.7)), (32, 24, (21.74, 9.1)), (16, 12, (10.62, 4.3))):
        y, x = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
        plane = torch.stack([x, y, torch.ones_like(x)])[None]
        clean = under(plane, point, camera, compatible=False)[0, 0]
        np.testing.assert_allclose(clean[:2], true, atol=0.02)
        corner = under(plane, point, camera, compatible=True)[0, 0]
        assert float(corner[2]) == pytest.approx(1 - 0.20, abs=0.01)  # partly beyond the edge, in zeros
        np.testing.assert_allclose(corner[:2], [0.32 * 0.80, 0], atol=0.01)


@pytest.fixture(scope="module")
def crops():
    return torch.from_numpy(np.random.default_rng(0).integers(0, 255, (2, 128, 128, 3), np.uint8))


@pytest.mark.parametrize("config", [SMALL, SMALL_HAMER, replace(SMALL, head="pooled"), replace(SMALL, directions=1)])
def test_a_head_begins_at_its_means_and_every_part_learns(config, crops):
    torch.manual_seed(0)
    network = MeshNetwork(config)
    last, first = network(crops)
    assert (first is None) == (config.head == "query")
    assert last.joints.shape == (2, 21, 3)
    assert last.keypoints.abs().max() < 0.5  # in the crop
    identity = torch.eye(3).expand(2, 15, 3, 3)
    assert (last.rotations[:, 1:] - identity).abs().max() < 0.2
    if config.upright:
        assert (last.keypoints[:, 12, 1] < last.keypoints[:, 0, 1] - 0.4).all()  # fingers up
        assert (last.joints[:, 4, 0] > last.joints[:, 20, 0]).all()  # a right palm: the thumb is to the right
    loss = last.joints.square().sum() + last.keypoints.square().sum()
    if first is not None:
        loss = loss + first.joints.square().sum() + first.keypoints.square().sum()
    loss.backward()
    still = {name for name, p in network.head.named_parameters() if p.grad is None or not p.grad.any()}
    assert still <= {"decoder.embedding.weight"}  # it is multiplied by nothing, as published


def test_the_order_of_a_scan_decides_what_a_joint_sees():
    torch.manual_seed(0)
    for directions, expected in ((1, {20, 21}), (2, set(range(22)))):
        block = GraphBlock(16, 4, directions, "graph").eval()
        joints, whole = torch.randn(1, 21, 16), torch.randn(1, 1, 16)
        other = joints.clone()
        other[:, 20] += 1.0
        block.graph.edge_weight.data.fill_diagonal_(50.0)  # each joint for itself, so that only the scan spreads
        before, after = (torch.cat(block(x, whole), 1) for x in (joints, other))
        moved = set(torch.nonzero((before - after).abs().sum(-1)[0] > 1e-6)[:, 0].tolist())
        assert moved == expected | ({19} if directions == 1 else set())  # its neighbour sees it through the smoothing


def test_shuffling_changes_the_order_and_nothing_else():
    block = GraphBlock(16, 4, 2, "shuffled")
    assert sorted(block.along.tolist()) == list(range(22))
    assert block.along.tolist()[:21] != list(range(21))
    assert block.along[21] == 21
    assert block.along[block.back].tolist() == list(range(22))
    assert count(block) == count(GraphBlock(16, 4, 2, "graph"))


def test_what_is_meant_is_the_hand_model():
    model = HandModel.default()
    flat = torch.tensor([1.0, 0, 0, 0, 1, 0], dtype=torch.float64).repeat(16)[None]
    shape = torch.linspace(-1, 1, 10, dtype=torch.float64)[None]
    found = meant(Said(flat, shape, torch.tensor([[6.0, 0, 0]], dtype=torch.float64)), model)
    rest = model.shaped(shape.numpy()).posed(np.tile(np.eye(3), (1, 16, 1, 1))).joints()
    np.testing.assert_allclose(found.joints, rest, atol=1e-12)


def test_configs_that_cannot_be():
    with pytest.raises(PalmarError, match="crops of 128 pixels go with a transformer of 128 x 96"):
        Config(size=128)
    with pytest.raises(PalmarError, match="decoder reads 1280 channels of 96"):
        MeshNetwork(Config(**{**vars(SMALL), "head": "query", "decoder": HAMER.decoder}))
