"""What a hand looks like in a crop: keypoints and their doubt, presence, side, pose, shape; all hands of a picture in
one call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, UInt8

from palmar.geometry.crop import Crop
from palmar.hand.box import hand_box
from palmar.tracking.solve import HALF_TURN

OUTPUTS = ("keypoints", "sigma", "presence", "side", "rotations", "shape")
SIZE = 128
"""Width of a crop as the network sees it, pixels."""


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Hands of one picture, one row a crop. Pose is the network's: that of a right hand, in the frame of the crop.

    A left hand is described as its mirror image is: what it is in the camera's frame, `solve.py` says.
    """

    keypoints: Float[np.ndarray, "n 21 2"]
    """Pixels of the picture."""
    sigma: Float[np.ndarray, "n 21"]
    """Standard deviation per axis, pixels of the picture."""
    presence: Float[np.ndarray, " n"]
    """Probability that there is a hand."""
    side: Float[np.ndarray, " n"]
    """Probability of a right hand, as the picture shows it."""
    rotations: Float[np.ndarray, "n 16 3 3"]
    shape: Float[np.ndarray, "n 10"]

    def __len__(self) -> int:
        return len(self.presence)

    @cached_property
    def confidence(self) -> Float[np.ndarray, "n 21"]:
        """Of each keypoint: see the function of that name."""
        return confidence(self.sigma, self.keypoints)

    def __getitem__(self, rows: np.ndarray | slice | list[int]) -> Landmarks:
        return Landmarks(*(getattr(self, field.name)[rows] for field in fields(self)))

    @staticmethod
    def concat(parts: Sequence[Landmarks]) -> Landmarks:
        """All rows. Needs one part at least."""
        if len(parts) == 1:
            return parts[0]
        return Landmarks(*(np.concatenate([getattr(p, field.name) for p in parts]) for field in fields(Landmarks)))


def confidence(sigma: Float[np.ndarray, "n 21"], keypoints: Float[np.ndarray, "n 21 2"]) -> Float[np.ndarray, "n 21"]:
    """Probability that a keypoint lies within a tenth of the longer side of the hand's box of the truth.

    Errors are taken to be Gaussian, alike in x and y, so the distance is Rayleigh distributed: 1 - exp(-r^2 / (2
    sigma^2)).
    """
    box = hand_box(keypoints)
    radius = 0.1 * (box[:, 2:] - box[:, :2]).max(1)
    return -np.expm1(-0.5 * (radius[:, None] / np.maximum(sigma, 1e-9)) ** 2)


def mirrored_crops(
    image: UInt8[np.ndarray, "h w 3"], crops: Sequence[Crop]
) -> tuple[UInt8[np.ndarray, "h w 3"], list[Crop]]:
    """The mirror image, and the crops that show the mirror images of what these show."""
    last = image.shape[1] - 1
    turned = [replace(crop, centre=(last - crop.centre[0], crop.centre[1]), angle=-crop.angle) for crop in crops]
    return np.ascontiguousarray(image[:, ::-1]), turned


def mirrored(found: Landmarks, width: int) -> Landmarks:
    """What was found in the mirror image of a picture, as of the picture. The pose stays: a hand and its mirror image
    are described alike."""
    keypoints = found.keypoints * np.array([-1.0, 1.0]) + np.array([width - 1.0, 0.0])
    return replace(found, keypoints=keypoints, side=1.0 - found.side)


def agreed(one: Landmarks, two: Landmarks) -> Landmarks:
    """Two opinions of the same hands as one: keypoints by their certainty, the rest as means.

    sigma is that of the surer one, for both are wrong in the same way more often than not. Where they are of different
    sides, the wrist of the one that gives in is half a turn off (`solve.wrist_in_camera`).
    """
    w1, w2 = (1.0 / np.maximum(o.sigma, 1e-9)[..., None] ** 2 for o in (one, two))
    side = (one.side + two.side) / 2
    turns = []
    for opinion in (one, two):
        turn = opinion.rotations.copy()
        given_in = (opinion.side > 0.5) != (side > 0.5)
        turn[given_in, 0] *= HALF_TURN[:, None]
        turns.append(turn)
    u, _, vt = np.linalg.svd(turns[0] + turns[1])
    u[..., -1] *= np.linalg.det(u @ vt)[..., None]  # the nearest rotation, Arun et al. 1987
    return Landmarks(
        (w1 * one.keypoints + w2 * two.keypoints) / (w1 + w2),
        np.minimum(one.sigma, two.sigma),
        (one.presence + two.presence) / 2,
        side,
        u @ vt,
        (one.shape + two.shape) / 2,
    )


class Landmarker:
    """A picture and crops in, `Landmarks` in the picture's pixels out.

    network: a call from crops [n, 128, 128, 3] uint8 to the arrays named in `OUTPUTS`, pixels of the crop.
    """

    def __init__(self, network: Callable[[np.ndarray], Mapping[str, np.ndarray]]) -> None:
        self.network = network

    def __call__(self, image: UInt8[np.ndarray, "h w 3"], crops: Sequence[Crop]) -> Landmarks:
        """One row for each crop. Needs one crop at least; their size must be `SIZE`."""
        cut = np.empty((len(crops), SIZE, SIZE, 3), np.uint8)
        for i, crop in enumerate(crops):
            cut[i] = crop.extract(image)
        out = {name: value.astype(np.float64) for name, value in self.network(cut).items()}
        keypoints = np.stack([crop.to_image(points) for crop, points in zip(crops, out["keypoints"], strict=True)])
        scale = np.array([crop.side / crop.size for crop in crops])
        return Landmarks(
            keypoints, out["sigma"] * scale[:, None], out["presence"], out["side"], out["rotations"], out["shape"]
        )
