"""The landmarker's loss: terms against their definitions; what must not matter does not, and what must does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from scipy.stats import multivariate_normal

from palmar.nn.landmarker import Landmarker, LandmarkerConfig, Landmarks
from palmar.train.landmarker import (
    LandmarkerLoss,
    gaussian_likelihood,
    heat_cross_entropy,
    matrix_distance,
    right_hand_joints,
)

TINY = LandmarkerConfig(
    size=64, stem=4, widths=(4, 6, 8, 8), blocks=(1, 1, 1, 1), pyramid=6, gathered=4, squeezed=4, hidden=16
)
LOSS = LandmarkerLoss()


@pytest.fixture
def batch(crops) -> dict[str, torch.Tensor]:
    return {name: torch.as_tensor(value) for name, value in crops(0, 0).items()}


@pytest.fixture
def found(batch) -> Landmarks:
    torch.manual_seed(0)
    return Landmarks(*(v.detach().requires_grad_() for v in Landmarker(TINY)(batch["image"])))


def gradients(found: Landmarks, batch: dict[str, torch.Tensor], progress: float = 0.5) -> list[torch.Tensor]:
    loss = LOSS(found, batch, progress)["loss"]
    grads = torch.autograd.grad(loss, list(found), allow_unused=True)
    return [loss.detach(), *(torch.zeros_like(v) if g is None else g for v, g in zip(found, grads, strict=True))]


def test_heat_cross_entropy_against_the_definition_in_loops():
    rng = np.random.default_rng(0)
    heat = torch.log_softmax(torch.as_tensor(rng.normal(size=(1, 2, 5 * 7))), -1).view(1, 2, 5, 7)
    truth = torch.as_tensor([[[10.0, 3.0], [25.2, 18.9]]])
    found = heat_cross_entropy(heat, truth, 4.0, 1.3)
    for k in range(2):
        target = np.zeros((5, 7))
        for i in range(5):
            for j in range(7):
                x, y = (j + 0.5) * 4 - 0.5, (i + 0.5) * 4 - 0.5
                off = (x - float(truth[0, k, 0])) ** 2 + (y - float(truth[0, k, 1])) ** 2
                target[i, j] = np.exp(-off / (2 * (1.3 * 4) ** 2))
        target /= target.sum()
        expected = -(target * heat[0, k].numpy()).sum() + (target * np.log(target)).sum()
        np.testing.assert_allclose(found[0, k], expected, rtol=1e-10)


def test_heat_cross_entropy_is_zero_for_the_target_itself():
    x, y = torch.arange(8.0), torch.arange(6.0)
    target = torch.softmax((-(x - 3.2).square() - (y[:, None] - 2.1).square()).flatten() / 2, 0).view(1, 1, 6, 8)
    pixel = torch.tensor([[[(3.2 + 0.5) * 4 - 0.5, (2.1 + 0.5) * 4 - 0.5]]])
    np.testing.assert_allclose(heat_cross_entropy(target.log(), pixel, 4.0, 1.0), [[0.0]], atol=1e-6)


def test_likelihood_is_that_of_a_gaussian_and_sigma_wants_the_error():
    rng = np.random.default_rng(0)
    at, truth, sigma = rng.normal(0, 5, 2), rng.normal(0, 5, 2), 3.7
    found = gaussian_likelihood(*(torch.as_tensor(v)[None, None] for v in (at, np.log(sigma), truth, 1.0)))
    expected = -multivariate_normal(at, sigma**2 * np.eye(2)).logpdf(truth) - np.log(2 * np.pi)
    np.testing.assert_allclose(found, [[expected]], rtol=1e-12)

    best = np.sqrt(((at - truth) ** 2).sum() / 2)                # the maximum-likelihood sigma of one error
    log_sigma = torch.tensor([[np.log(best)]], requires_grad=True)
    gaussian_likelihood(*(torch.as_tensor(v)[None, None] for v in (at,)), log_sigma, torch.as_tensor(truth)[None, None],
                        torch.ones(1, 1)).sum().backward()
    np.testing.assert_allclose(log_sigma.grad, [[0.0]], atol=1e-12)


@pytest.mark.parametrize("pull", [0.0, 0.3, 1.0])
def test_pull_scales_the_gradient_of_the_keypoints_alone(pull):
    at = torch.tensor([[[1.0, 2.0]]], requires_grad=True)
    log_sigma = torch.tensor([[0.4]], requires_grad=True)
    args = log_sigma, torch.zeros(1, 1, 2)
    a = torch.autograd.grad(gaussian_likelihood(at, *args, torch.full((1, 1), pull)).sum(), [at, log_sigma])
    b = torch.autograd.grad(gaussian_likelihood(at, *args, torch.ones(1, 1)).sum(), [at, log_sigma])
    torch.testing.assert_close(a[0], b[0] * pull)
    torch.testing.assert_close(a[1], b[1])


@pytest.mark.parametrize("angle", [0.01, 0.5, 2.0, np.pi])
def test_matrix_distance_is_that_of_the_angle(angle):
    rng = np.random.default_rng(0)
    axis = rng.normal(size=3)
    a = Rotation.random(random_state=1)
    b = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis)) * a
    found = matrix_distance(torch.as_tensor(a.as_matrix()), torch.as_tensor(b.as_matrix()))
    np.testing.assert_allclose(found, 2 * np.sin(angle / 2), atol=1e-3 if angle < 0.1 else 1e-5)


def test_the_truth_costs_nothing_where_nothing_is_uncertain(batch):
    batch["visible"][:] = 1
    logit = 40 * (2 * batch["side"] - 1)
    perfect = Landmarks(
        torch.zeros(8, 21, 16, 16), batch["keypoints"], torch.zeros(8, 21), 40 * (2 * batch["presence"] - 1), logit,
        batch["rotations"], batch["shape"],
    )
    terms = LOSS(perfect, batch, 1.0)
    for name in ("keypoints", "likelihood", "flags", "shape", "side_wrong"):
        assert abs(float(terms[name])) < 1e-3, name
    assert float(terms["joints"]) < 1e-3
    assert float(terms["rotations"]) < 2e-3


def test_joints_are_the_hand_models_and_every_coefficient_moves_them(batch):
    rotations, shape = batch["rotations"].requires_grad_(), batch["shape"].requires_grad_()
    joints = right_hand_joints(rotations, shape)
    np.testing.assert_allclose((joints - joints[:, :1]).detach(), batch["joints"], atol=1e-6)
    joints[0].square().sum().backward()
    assert (shape.grad[0] != 0).all()
    assert (shape.grad[1:] == 0).all()


@pytest.mark.parametrize(
    ("label", "rows"),
    [
        *((label, "no hand") for label in ("keypoints", "visible", "side", "joints", "shape", "rotations", "has3d")),
        ("rotations", "no 3d"),
        ("shape", "no 3d"),
    ],
)
@pytest.mark.parametrize("value", [0.3, float("nan")])
def test_labels_that_must_not_matter_do_not(found, batch, label, rows, value):
    mask = batch["presence"] == 0 if rows == "no hand" else batch["has3d"] == 0
    if label in ("visible", "has3d"):
        value = 0.3                              # flags are always numbers
    before = gradients(found, batch)
    assert all(torch.isfinite(g).all() for g in before)
    batch[label] = torch.where(mask.view(-1, *[1] * (batch[label].ndim - 1)), value, batch[label])
    for a, b in zip(before, gradients(found, batch), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


@pytest.mark.parametrize("label", ["keypoints", "visible", "presence", "side", "rotations", "shape", "joints", "has3d"])
def test_labels_that_must_matter_do(found, batch, label):
    before = gradients(found, batch)[0]
    batch[label] = batch[label].clone()
    batch[label][0] = 1 - batch[label][0]
    assert abs(float(gradients(found, batch)[0] - before)) > 1e-5


def test_a_sample_of_no_weight_is_not_there(found, batch):
    batch["weight"][3:] = 0
    kept = {name: value[:3] for name, value in batch.items()}
    whole, part = LOSS(found, batch, 0.5), LOSS(Landmarks(*(v[:3] for v in found)), kept, 0.5)
    for name in whole:
        torch.testing.assert_close(whole[name], part[name])


def test_joints_outside_the_crop_teach_sigma_only(found, batch):
    batch["keypoints"][:, 5] = torch.tensor([90.0, -40.0])
    _, heat, keypoints, log_sigma, *_ = gradients(found, batch, progress=1.0)
    assert (keypoints[:, 5] == 0).all()
    assert (heat[:, 5] == 0).all()
    assert (log_sigma[batch["presence"] > 0, 5] < 0).all()       # descent raises it


def test_approximate_joints_are_compared_centred_and_weigh_less(found, batch):
    batch["has3d"][:] = 0
    before = gradients(found, batch)[0]
    moved = batch | {"joints": batch["joints"] + torch.tensor([0.0, 0.1, 0.2])}
    torch.testing.assert_close(gradients(found, moved)[0], before)
    bent = batch | {"joints": batch["joints"] * 1.3}
    assert abs(float(gradients(found, bent)[0] - before)) > 1e-4
    none = batch | {"joints": torch.zeros_like(batch["joints"])}
    assert float(LOSS(found, none, 0.5)["joints"].detach()) == 0.0
