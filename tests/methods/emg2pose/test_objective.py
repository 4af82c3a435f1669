"""The loss against its formula; samples without a pose."""

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from palmar.methods.emg2pose.objective import Loss
from palmar.tasks.signal import HAND


def batch(seed: int = 0):
    rng = np.random.default_rng(seed)
    angles = torch.as_tensor(rng.uniform(-0.2, 1.0, (2, 20, 100)))
    known = torch.as_tensor(rng.random((2, 100)) > 0.3)
    found = angles + torch.as_tensor(rng.normal(0, 0.1, (2, 20, 100)))
    return found, {"angles": angles, "known": known}


def test_the_loss_is_its_formula():
    found, b = batch()
    out = Loss()(found, b)
    f, t, k = (x.numpy().astype(float) for x in (found, b["angles"], b["known"]))
    mae = (np.abs(f - t).mean(1) * k).sum() / k.sum()
    tips = lambda x: HAND.landmarks(np.swapaxes(x, 1, 2)[:, ::40])[..., :5, :]  # noqa: E731
    far = 1000 * np.linalg.norm(tips(f) - tips(t), axis=-1).mean(-1)
    far = (far * k[:, ::40]).sum() / k[:, ::40].sum()
    assert float(out["mae"]) == pytest.approx(mae)
    assert float(out["tips_mm"]) == pytest.approx(far, rel=1e-6)
    assert float(out["loss"]) == pytest.approx(mae + 0.01 * far, rel=1e-6)


def test_samples_without_a_pose_do_not_count():
    found, b = batch()
    before = Loss()(found, b)["loss"]
    found = torch.where(b["known"][:, None], found, torch.full_like(found, 50.0))
    assert float(Loss()(found, b)["loss"]) == pytest.approx(float(before))
    nothing = Loss()(found.requires_grad_(), {**b, "known": torch.zeros(2, 100, dtype=torch.bool)})
    nothing["loss"].backward()
    assert float(nothing["loss"].detach()) == 0
    assert torch.isfinite(found.grad).all()


def test_a_true_answer_costs_nothing_and_has_a_gradient():
    _, b = batch()
    found = b["angles"].clone().requires_grad_()
    loss = Loss()(found, b)["loss"]
    loss.backward()
    assert float(loss.detach()) < 1e-6
    assert torch.isfinite(found.grad).all()
