"""HaMeR's losses, worked out by hand."""

import numpy as np
import torch

from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.methods.hamba.hand import Meant
from palmar.methods.hamba.objective import MeshLoss, joints_loss, keypoints_loss, rotations_loss


def test_worked_sums():
    found = torch.zeros(2, 21, 3)
    found[0, 5] = torch.tensor([0.01, -0.02, 0.03])
    found[1, 0] = 0.1
    sure = torch.ones(2, 21)
    sure[1, 7] = 0
    total = joints_loss(found, torch.zeros(2, 21, 3), sure).sum()
    np.testing.assert_allclose(total, 0.06 + 19 * 0.3, rtol=1e-5)
    points = torch.zeros(2, 21, 2)
    points[0, 3] = torch.tensor([0.1, -0.2])
    np.testing.assert_allclose(keypoints_loss(points, torch.zeros(2, 21, 2), torch.full((2, 21), 0.5)).sum(), 0.15)
    turned = torch.from_numpy(rotmat_from_rotvec(np.array([0.3, -0.2, 0.5]))).float()
    both = torch.eye(3).repeat(2, 15, 1, 1)
    both[0, 0] = turned
    np.testing.assert_allclose(rotations_loss(both, torch.eye(3).repeat(2, 15, 1, 1))[0], 0.736236, atol=1e-5)


def said(batch: int) -> Meant:
    g = torch.Generator().manual_seed(0)
    n = lambda *s: torch.randn(*s, generator=g)  # noqa: E731
    return Meant(n(batch, 16, 3, 3), n(batch, 10), n(batch, 3), n(batch, 21, 3), n(batch, 21, 2))


def truth(batch: int) -> dict[str, torch.Tensor]:
    other = said(batch + 1)
    return {
        "joints": other.joints[1:], "keypoints": 64 * other.keypoints[1:], "rotations": other.rotations[1:],
        "shape": other.shape[1:],
    }  # fmt: skip


def test_the_regressor_learns_alone_at_first():
    loss, batch = MeshLoss(128, alone=0.1), truth(3)
    last, first = said(3), Meant(*(x + 0.5 for x in said(3)))
    own, theirs = loss.terms(last, batch)["loss"], loss.terms(first, batch)["loss"]
    for progress, share in ((0.0, 0.0), (0.1, 0.0), (0.15, 0.5), (0.2, 1.0), (1.0, 1.0)):
        found = loss((last, first), batch, progress)["loss"]
        np.testing.assert_allclose(found, share * own + theirs, rtol=1e-5)
    np.testing.assert_allclose(loss((last, None), batch, 0.0)["loss"], own, rtol=1e-6)


def test_published_weights_sum_over_the_batch():
    batch, found = truth(4), said(4)
    ours = MeshLoss(128, published=True).terms(found, batch)["loss"]
    theirs = MeshLoss(128, published=True, compatible=True).terms(found, batch)["loss"]
    np.testing.assert_allclose(theirs, 4 * ours, rtol=1e-5)


def test_without_poses_joints_are_enough():
    batch = {name: value for name, value in truth(2).items() if name in ("joints", "keypoints")}
    assert set(MeshLoss(128).terms(said(2), batch)) == {"joints", "keypoints", "loss"}


def test_keypoints_are_pixels_whose_centres_lie_at_integers():
    batch = truth(1)
    batch["keypoints"] = torch.full((1, 21, 2), 63.5)
    found = said(1)._replace(keypoints=torch.zeros(1, 21, 2))
    assert MeshLoss(128).terms(found, batch)["keypoints"] == 0
