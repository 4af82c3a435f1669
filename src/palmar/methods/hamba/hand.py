"""What a head says of a hand, and the hand that it means: parameters, mesh, camera of the crop.

The camera is weak perspective in its numbers (s, tx, ty), a real pinhole in its effect (Kanazawa et al. 2018; HaMeR):
5000 pixels of focal length for a crop of 256, the hand at (tx, ty, 2 f / (size s)), so that 2 / s is about the width of
the crop in metres where the hand is. Keypoints are shares of the crop's side from its middle, -0.5 to 0.5.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from palmar.geometry.rotations import rotmat_from_sixd
from palmar.hand import HandModel

FOCAL = 5000 / 256
"""In sides of the crop."""
SIDEWAYS = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
"""6D rotation of MANO's rest frame, turned about x: what HaMeR's mean means, with columns that are a rotation. Its
fingers point to the left."""
UPRIGHT = (0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
"""Fingers up in the picture, palm to the camera: the mean of crops that are turned so."""
NUMBERS = (96, 10, 3)
"""Of pose (16 rotations of 6), shape, camera."""


class Said(NamedTuple):
    """Numbers of b hands before they are a hand."""

    pose: Float[Tensor, "b 96"]
    """6D: two columns of each rotation, one after the other; wrist first, then MANO's tree."""
    shape: Float[Tensor, "b 10"]
    camera: Float[Tensor, "b 3"]


class Meant(NamedTuple):
    """The hands: axes of the crop, metres."""

    rotations: Float[Tensor, "b 16 3 3"]
    shape: Float[Tensor, "b 10"]
    camera: Float[Tensor, "b 3"]
    joints: Float[Tensor, "b 21 3"]
    """In the model's frame, turned by the wrist's rotation; not about the wrist where the model is not."""
    keypoints: Float[Tensor, "b 21 2"]
    """Shares of the crop's side from its middle."""


def meant(said: Said, model: HandModel) -> Meant:
    """The hand of a model that the numbers mean, and where the crop's camera sees it."""
    rotations = rotmat_from_sixd(said.pose.unflatten(-1, (16, 6)))
    joints = model.shaped(said.shape).posed(rotations).joints()
    return Meant(rotations, said.shape, said.camera, joints, projected(joints, said.camera))


def place(camera: Float[Tensor, "b 3"]) -> Float[Tensor, "b 3"]:
    """Where the model's origin stands before the crop's camera: (tx, ty, 2 f / s), f in sides of the crop."""
    scale, x, y = camera.unbind(-1)
    return torch.stack([x, y, 2 * FOCAL / (scale + 1e-9)], -1)


def projected(points: Float[Tensor, "b k 3"], camera: Float[Tensor, "b 3"]) -> Float[Tensor, "b k 2"]:
    """Points of the model as shares of the crop's side from its middle."""
    there = points + place(camera)[:, None]
    return FOCAL * there[..., :2] / there[..., 2:]


def full_camera(
    camera: Float[Tensor, "b 3"],
    centre: Float[Tensor, "b 2"],
    side: Float[Tensor, " b"],
    picture: tuple[int, int],
    focal: float | None = None,
) -> Float[Tensor, "b 3"]:
    """Where the hands stand in the frame of a picture (width, height) whose camera looks at its middle.

    centre, side: of the crop, pixels. focal: of the picture's camera in pixels; left alone it is the crop's, grown with
    the picture's longer side, as HaMeR has it: metres are then as wrong as that guess.
    """
    width, height = picture
    focal = FOCAL * max(width, height) if focal is None else focal
    scale, x, y = camera.unbind(-1)
    wide = side * scale + 1e-9
    return torch.stack(
        [x + 2 * (centre[:, 0] - width / 2) / wide, y + 2 * (centre[:, 1] - height / 2) / wide, 2 * focal / wide], -1
    )
