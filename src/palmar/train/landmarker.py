"""What the landmarker is trained to: batches of labelled crops, and the loss.

A batch is a dictionary of arrays, b crops each: image uint8 [b, s, s, 3]; keypoints [b, 21, 2] crop pixels; visible
[b, 21], 1 seen, 0 hidden or outside; presence [b]; side [b], 1 right; rotations [b, 16, 3, 3], shape [b, 10] and joints
[b, 21, 3] (metres, crop camera frame, root-relative) as of a right hand; has3d [b], 0 where there is no exact pose;
weight [b]. Labels of a crop without a hand are not looked at, nor are rotations and shape where has3d is 0; joints
that are all zero there are unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from palmar.hand import HandModel
from palmar.nn.landmarker import Landmarks

Batch = Mapping[str, Tensor]
JointsOf = Callable[[Tensor, Tensor], Tensor]
"""Rotations [b, 16, 3, 3] and shape [b, 10] of right hands -> joints [b, 21, 3], metres."""


def right_hand_joints(rotations: Float[Tensor, "b 16 3 3"], shape: Float[Tensor, "b 10"]) -> Float[Tensor, "b 21 3"]:
    """Joints of the default hand model's right hand: metres, the wrist's joint stays where the shape puts it."""
    return HandModel.default().shaped(shape).posed(rotations).joints()


@dataclass(frozen=True)
class LandmarkerLoss:
    """Weighted sum of the terms below; a callable (landmarks, batch, progress) -> the terms, the sum under "loss".

    progress: part of the run that is done, 0 to 1.
    """

    joints_of: JointsOf = right_hand_joints
    """Forward kinematics of the hand model, differentiable."""
    heat: float = 0.5
    heat_sigma: float = 1.2
    """Standard deviation of the target of a heat map, cells."""
    keypoints: float = 1.0
    keypoint_unit: float = 6.0
    """Pixels of error that cost 1."""
    likelihood: float = 0.25
    likelihood_ramp: float = 0.2
    """Part of the run in which the likelihood starts to move keypoints too, not only their sigma."""
    joints: float = 1.0
    joint_unit: float = 0.02
    """Metres of error that cost 1."""
    rotations: float = 0.5
    wrist: float = 3.0
    """Weight of the wrist's rotation against that of a finger joint's."""
    shape: float = 0.05
    flags: float = 0.5
    hidden: float = 0.5
    """Weight of a joint that is in the crop but not seen."""
    approximate: float = 0.2
    """Weight of the joints of a crop without exact 3D, compared after both are centred."""

    def __call__(self, found: Landmarks, batch: Batch, progress: float) -> dict[str, Tensor]:
        size = batch["image"].shape[1]
        weight = batch["weight"]
        hand = weight * batch["presence"]
        truth = batch["keypoints"]
        inside = ((truth > -0.5) & (truth < size - 0.5)).all(-1)                            # b 21
        joint = hand[:, None] * inside * (self.hidden + (1 - self.hidden) * batch["visible"])
        exact = hand * batch["has3d"]
        truth = where_known(hand, truth, found.keypoints)
        side = where_known(hand, batch["side"], found.side)
        chord = matrix_distance(found.rotations, where_known(exact, batch["rotations"], found.rotations))   # b 16
        shape = where_known(exact, batch["shape"], found.shape)
        per_rotation = torch.ones_like(chord)
        per_rotation[:, 0] = self.wrist
        terms = {
            "heat": mean(heat_cross_entropy(found.heat, truth, size / found.heat.shape[-1], self.heat_sigma), joint),
            "keypoints": mean(distance(found.keypoints, truth) / self.keypoint_unit, joint),
            "likelihood": mean(
                gaussian_likelihood(
                    found.keypoints, found.log_sigma, truth, inside * min(1.0, progress / self.likelihood_ramp)
                ),
                hand[:, None].expand_as(joint) * (self.hidden + (1 - self.hidden) * batch["visible"]),
            ),
            "joints": self._joints(found, batch, exact, hand),
            "rotations": mean(chord, exact[:, None] * per_rotation),
            "shape": mean((found.shape - shape).square(), exact[:, None].expand_as(found.shape)),
            "flags": mean(binary(found.presence, batch["presence"]), weight) + mean(binary(found.side, side), hand),
        }
        terms["loss"] = torch.stack([getattr(self, name) * term for name, term in terms.items()]).sum()
        with torch.no_grad():
            terms["error_px"] = mean(distance(found.keypoints, truth), joint)
            terms["side_wrong"] = mean(((found.side > 0) != (side > 0.5)).float(), hand)
        return terms

    def _joints(self, found: Landmarks, batch: Batch, exact: Tensor, hand: Tensor) -> Tensor:
        """Root-relative where the truth is exact; where it is not, both centred on their mean, at the lesser weight."""
        joints = self.joints_of(found.rotations, found.shape)
        rooted = joints - joints[:, :1]
        truth = where_known(hand, batch["joints"], rooted)
        known = (hand - exact) * self.approximate * (truth.abs().amax((1, 2)) > 0)
        centred = mean(centre(rooted) - centre(truth), known[:, None, None].expand_as(truth), absolute=True)
        exactly = mean(rooted - (truth - truth[:, :1]), exact[:, None, None].expand_as(truth), absolute=True)
        share = exact.sum() / (exact.sum() + known.sum()).clamp_min(1e-6)
        return (exactly * share + centred * (1 - share)) / self.joint_unit


def mean(values: Tensor, weights: Tensor, *, absolute: bool = False) -> Tensor:
    """Weighted mean of the values, or of their magnitudes; 0 where no weight is at all."""
    return ((values.abs() if absolute else values) * weights).sum() / weights.sum().clamp_min(1e-6)


def where_known(
    known: Float[Tensor, " b"], truth: Float[Tensor, "b ..."], found: Float[Tensor, "b ..."]
) -> Float[Tensor, "b ..."]:
    """The truth where its crop's weight is positive, else what was found: labels not looked at may be NaN."""
    return torch.where(known.view(-1, *[1] * (truth.ndim - 1)) > 0, truth, found.detach())


def centre(points: Float[Tensor, "b k 3"]) -> Float[Tensor, "b k 3"]:
    return points - points.mean(1, keepdim=True)


def distance(a: Float[Tensor, "*b 2"], b: Float[Tensor, "*b 2"]) -> Float[Tensor, "*b"]:
    """Euclidean, with a gradient at zero."""
    return ((a - b).square().sum(-1) + 1e-4).sqrt() - 1e-2


def matrix_distance(a: Float[Tensor, "*b 3 3"], b: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b"]:
    """2 sin(angle / 2) of the rotation between: the angle in radians while it is small, and no singularity at pi."""
    return ((a - b).square().sum((-2, -1)) / 2 + 1e-6).sqrt()


def binary(logit: Float[Tensor, " b"], truth: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    return F.binary_cross_entropy_with_logits(logit, truth, reduction="none")


def heat_cross_entropy(
    heat: Float[Tensor, "b k h w"], truth: Float[Tensor, "b k 2"], stride: float, sigma: float
) -> Float[Tensor, "b k"]:
    """Cross-entropy of log-probability maps against a Gaussian of `sigma` cells around the true pixel.

    Less the target's own entropy, so that a perfect map costs 0. The target sums to one over the cells there are.
    """
    _, _, h, w = heat.shape
    place = (truth + 0.5) / stride - 0.5                                                   # in cells
    along = []
    for axis, count in enumerate((w, h)):
        cells = torch.arange(count, device=heat.device, dtype=heat.dtype)
        along.append(torch.softmax(-(cells - place[..., axis, None]).square() / (2 * sigma**2), -1))
    x, y = along
    crossed = -((y[..., None, :] @ heat).squeeze(-2) * x).sum(-1)
    return crossed - sum(-torch.xlogy(p, p).sum(-1) for p in along)


def gaussian_likelihood(
    keypoints: Float[Tensor, "b k 2"],
    log_sigma: Float[Tensor, "b k"],
    truth: Float[Tensor, "b k 2"],
    pull: Float[Tensor, "b k"],
) -> Float[Tensor, "b k"]:
    """Negative log-likelihood of an isotropic Gaussian, less its constant: |d|^2 / (2 s^2) + 2 log s.

    pull, 0 to 1, scales the gradient that reaches the keypoints; that of sigma is whole.
    """
    keypoints = keypoints.detach() + (keypoints - keypoints.detach()) * pull[..., None]
    return (keypoints - truth).square().sum(-1) * torch.exp(-2 * log_sigma) / 2 + 2 * log_sigma
