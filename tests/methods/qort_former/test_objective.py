"""Targets and losses."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.methods.qort_former.model import PAPER, TINY, Found, Heads
from palmar.methods.qort_former.objective import QortLoss, focal, hungarian, in_region
from palmar.methods.qort_former.pictures import (
    Batches,
    arrays,
    contact_target,
    depth_unit,
    hand_vertices,
    jittered,
    region,
    stretched,
    target,
    told,
    untold,
)
from palmar.methods.qort_former.surfaces import chosen_vertices

CONFIG = replace(TINY, objects=3, hand_queries=4, object_queries=3)


@pytest.fixture(scope="module")
def targets(frames):
    return [target(frame, CONFIG) for frame in frames[:4]]


@pytest.fixture(scope="module")
def batch(targets):
    return {name: torch.as_tensor(value) for name, value in arrays(targets).items()}


def answer(batch, config=CONFIG, noise=0.0, seed=0):
    """What a network says that knows (almost) everything: query i answers entity i and stands on a cell of it."""
    g = torch.Generator().manual_seed(seed)
    b, q, n = len(batch["label"]), config.queries, config.objects
    classes = torch.full((b, q, config.classes), -9.0)
    locations = torch.zeros(b, q, 2)
    hands = torch.rand(b, 2, q, 21, 3, generator=g)
    thing = torch.rand(b, q, 21, 3, generator=g)
    h, w = batch["regions"].shape[-2:]
    for i in range(b):
        for e in range(3):
            label = n + 1 + e if e < 2 else int(batch["label"][i])
            cells = batch["regions"][i, e].nonzero()
            if len(cells):
                row, column = cells[len(cells) // 2].tolist()
                locations[i, e] = torch.tensor([column / (w - 1), row / (h - 1)])
                classes[i, e, label] = 9.0
        hands[i, 0, 0], hands[i, 1, 1], thing[i, 2] = batch["hands"][i, 0], batch["hands"][i, 1], batch["object"][i]
    hands, thing = (x + noise * torch.randn(x.shape, generator=g) for x in (hands, thing))
    heads = Heads(classes, hands[..., :2], hands, thing)
    proposals = [torch.zeros(b, k, h, w) for k in (2, 2, n + 2)]
    for x in proposals:
        x[:, -1] = 12.0
    for i in range(b):
        for e, channel in ((0, 0), (1, 0), (2, int(batch["label"][i]))):
            if batch["regions"][i, e].any():
                row, column = batch["regions"][i, e].nonzero()[0].tolist()
                proposals[e][i, channel, row, column] = 24.0
    contact = torch.logit(batch["contact"].clamp(1e-4, 1 - 1e-4))
    return Found(heads, [heads], contact, proposals, locations)


def test_the_documented_point_is_where_it_should_be():
    camera = Camera(1280, 720, 636.6593017578125, 636.251953125, 635.283881879317, 366.8740353496978)
    compatible = replace(PAPER, compatible=True)
    middle = untold(np.array([[0.5, 0.5, 0.5]]), camera, compatible)[0]
    np.testing.assert_allclose(middle * 1000, [3.703801, -5.401976, 500], atol=1e-3)
    np.testing.assert_allclose(camera.project(middle), [640, 360], atol=1e-9)
    np.testing.assert_allclose(camera.project(untold(np.array([[0.5, 0.5, 0.5]]), camera, PAPER)[0]), [639.5, 359.5])


@pytest.mark.parametrize("config", [PAPER, replace(PAPER, compatible=True), TINY])
def test_what_is_told_comes_back(config, frames):
    frame = frames[1]
    points, known = told(frame.joints.astype(np.float64), frame.camera, config)
    assert known.any()
    np.testing.assert_allclose(untold(points, frame.camera, config), frame.joints, atol=1e-6)


def test_a_fraction_does_not_change_with_the_size_of_the_picture(frames):
    frame = frames[1]
    big = frame.camera.resized(960, 600)
    a, b = (told(frame.joints.astype(np.float64), camera, TINY)[0] for camera in (frame.camera, big))
    np.testing.assert_allclose(a, b, atol=1e-9)


def test_a_longer_lens_sees_things_nearer():
    near, far = Camera.from_fov(320, 240, 1.5), Camera.from_fov(320, 240, 0.75)
    assert depth_unit(far, TINY) / depth_unit(near, TINY) == pytest.approx(far.fx / near.fx)
    assert depth_unit(far, PAPER) == 1.0
    x = np.array([[0.0, 0.0, 0.6]])
    np.testing.assert_allclose(told(x * far.fx / near.fx, far, TINY)[0][0, 2], told(x, near, TINY)[0][0, 2])


def test_targets_say_what_is_there_and_nothing_else(frames, targets):
    first = targets[0]  # has no left hand
    assert not first.hands_known[0].any()
    assert not first.contact_known[0]
    assert not first.regions[0].any()
    assert all(np.isfinite(getattr(first, name)).all() for name in ("hands", "object", "contact"))
    assert first.image.shape == (96, 168, 3)
    np.testing.assert_array_equal(target(frames[0], CONFIG).image, stretched(frames[0].image, CONFIG))
    assert targets[1].label == frames[1].object
    assert target(frames[1], replace(CONFIG, objects=1)).label == 0  # no class of the network's


def test_a_region_is_the_hull_of_its_points():
    points = np.full((21, 3), 0.5)
    points[:4, :2] = [(0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8)]
    cells = region(points, CONFIG)
    rows, columns = CONFIG.grid(16)
    y, x = (np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns
    inside = ((y > 0.2) & (y < 0.8))[:, None] & ((x > 0.2) & (x < 0.8))
    assert (cells & inside).sum() == inside.sum()
    assert (cells & ~inside).sum() <= 2 * (inside.any(1).sum() + inside.any(0).sum()) + 4  # the rim that it cuts
    assert region(np.full((21, 3), 0.31), CONFIG).sum() == 1
    assert not region(np.full((21, 3), np.nan), CONFIG).any()
    assert not region(np.full((21, 3), 3.0), CONFIG).any()


def test_contact_falls_as_the_object_goes_away(frames):
    frame = frames[1]
    near, known = contact_target(frame, CONFIG)
    away = replace(frame, points=frame.points + np.float32(0.5))
    assert known.all()
    assert near.max() > 0.05
    assert contact_target(away, CONFIG)[0].max() < 1e-6
    rows = chosen_vertices(CONFIG.vertices)
    exact = hand_vertices(frame, 1, rows)
    guessed = hand_vertices(replace(frame, pose=None), 1, rows)
    assert 1e-4 < np.linalg.norm(exact - guessed, axis=1).mean() < 0.015


def test_a_frame_without_a_picture_is_refused(frames):
    with pytest.raises(PalmarError, match="no picture"):
        target(replace(frames[0], image=None), CONFIG)


def test_batches_are_pure_functions_of_their_number(frames):
    one, two = (Batches(frames, CONFIG, size=3, seed=5) for _ in range(2))
    two.targets.fill()
    for name, value in one(7).items():
        np.testing.assert_array_equal(value, two(7)[name])
    assert not np.array_equal(one(7)["image"], one(8)["image"])
    with pytest.raises(PalmarError, match="no frames"):
        Batches([], CONFIG, size=1, seed=0)


def test_jitter_changes_colours_and_no_shape():
    image = np.random.default_rng(0).integers(0, 255, (8, 9, 3), np.uint8)
    out = jittered(image, np.random.default_rng(1), 1.0)
    assert out.shape == image.shape
    assert not np.array_equal(out, image)
    np.testing.assert_array_equal(jittered(image, np.random.default_rng(1), 0.0), image)


# --------------------------------------------------------------------------------------------------------------- losses


def test_the_hungarian_match_is_the_best_of_all():
    rng = np.random.default_rng(2)
    cost = rng.normal(size=(5, 3, 5))
    there = np.array([[1, 1, 1], [1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 0]], bool)
    found = hungarian(cost, there)
    for c, t, f in zip(cost, there, found, strict=True):
        rows = np.flatnonzero(t)
        assert (f[~t] == -1).all()
        least = min(
            sum(c[r, q] for r, q in zip(rows, p, strict=True)) for p in itertools.permutations(range(5), len(rows))
        )
        assert sum(c[r, f[r]] for r in rows) == pytest.approx(least)
        assert len(set(f[t])) == t.sum()


def test_focal_loss_is_its_formula():
    x, y = torch.tensor([0.3, -2.0, 4.0]), torch.tensor([1.0, 0.0, 0.0])
    p = torch.sigmoid(x)
    expected = torch.where(y > 0, -0.25 * (1 - p) ** 2 * p.log(), -0.75 * p**2 * (1 - p).log())
    torch.testing.assert_close(focal(x, y), expected)


def test_the_truth_costs_next_to_nothing(batch):
    terms = QortLoss(CONFIG)(answer(batch), batch, 0.0)
    assert terms["hands3d"] < 1e-5
    assert terms["hands2d"] < 1e-5
    assert terms["object"] < 1e-5
    assert terms["classes"] < 1e-3
    assert terms["proposals"] < 1e-3


@pytest.mark.parametrize("kind", ["cross-entropy", "l1"])
def test_the_true_contact_costs_least(batch, kind):
    loss = QortLoss(CONFIG, contact_kind=kind)
    found = answer(batch)
    right = found.contact if kind == "cross-entropy" else batch["contact"]
    costs = [loss(found._replace(contact=right + shift), batch, 0.0)["contact"] for shift in (-0.5, 0.0, 0.5)]
    assert costs[1] < costs[0]
    assert costs[1] < costs[2]


def test_more_noise_costs_more_and_the_sum_is_weighted(batch):
    loss = QortLoss(CONFIG)
    terms = [loss(answer(batch, noise=noise), batch, 0.0) for noise in (0.0, 0.01, 0.03)]
    for name in ("hands3d", "hands2d", "object", "loss"):
        assert terms[0][name] < terms[1][name] < terms[2][name]
    t = terms[2]
    total = 10 * t["classes"] + 5 * (t["hands3d"] + t["hands2d"] + t["object"] + t["proposals"]) + t["contact"]
    torch.testing.assert_close(t["loss"], total)


def test_a_query_in_the_region_goes_before_a_better_one_outside(batch):
    loss = QortLoss(CONFIG)
    found = answer(batch)
    row = 1  # both hands are there
    assert loss.match(found.heads, found.locations, batch)[row].tolist() == [0, 1, 2]
    moved = found.locations.clone()
    moved[row, 5], moved[row, 0] = found.locations[row, 0], torch.tensor([0.0, 0.0])
    assert not in_region(batch["regions"], moved)[row, 0, 0]
    assert loss.match(found.heads, moved, batch)[row, 0] == 5
    without = QortLoss(replace(CONFIG, division=False))
    assert without.match(found.heads, moved, batch)[row, 0] == 0


def test_what_is_not_there_is_not_learned(batch):
    loss, found = QortLoss(CONFIG), answer(batch, noise=0.02)
    before = loss(found, batch, 0.0)
    hands = batch["hands"].clone()
    hands[0, 0] = 0.77  # of a hand that is absent
    after = loss(found, {**batch, "hands": hands}, 0.0)
    torch.testing.assert_close(before["loss"], after["loss"])
    nobody = {
        **batch,
        "hands_known": torch.zeros_like(batch["hands_known"]),
        "label": torch.zeros_like(batch["label"]),
        "object_known": torch.zeros_like(batch["object_known"]),
    }
    terms = loss(found, nobody, 0.0)
    assert torch.isfinite(terms["loss"])
    assert terms["hands3d"] == terms["object"] == 0


def test_regions_are_read_at_the_queries_cells():
    regions = torch.zeros(1, 1, 4, 6, dtype=torch.bool)
    regions[0, 0, 3, 5] = True
    where = torch.tensor([[[1.0, 1.0], [0.8, 1.0], [0.0, 0.0]]])
    assert in_region(regions, where)[0, 0].tolist() == [True, False, False]
