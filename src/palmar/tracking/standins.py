"""Networks of published methods in the tracker's place for what they are better at: keypoints, or the whole mesh.

    networks = WithMesh(OnnxNetworks(), palmar.load("hamba", "runs/hamba"))
    clip = palmar.track("clip.mp4", networks=networks)

The tracker goes on to find, follow, smooth and place hands as with its own networks; what stands in sees the crops that
the landmarker saw, cut again as it was trained to see them. Presence and side stay the landmarker's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, UInt8

from palmar.errors import PalmarError
from palmar.geometry.crop import Crop
from palmar.hand.box import hand_box
from palmar.hand.crop import aim_at, crops_of
from palmar.hand.inverse import pose_of_joints, pose_of_skin
from palmar.hand.model import HandModel
from palmar.tasks.crops import CropSpec
from palmar.tasks.keypoints import KeypointPredictor
from palmar.tasks.mesh import HandMeshes, MeshPredictor
from palmar.tracking.detector import Detections
from palmar.tracking.landmarker import Landmarks, mirrored_crops
from palmar.tracking.networks import Networks

LEAST_PRESENCE = 0.1
"""Crops that show a hand with less probability than this are left as they are; there is nothing to look at twice."""


class _StandIn:
    """What all have in common: the networks behind, and the crops in front."""

    def __init__(self, networks: Networks, crop: CropSpec, stage: str, sha256: str) -> None:
        self.networks, self.spec = networks, crop
        self._hashes = {**networks.hashes, stage: sha256} if sha256 else dict(networks.hashes)

    @property
    def hashes(self) -> Mapping[str, str]:
        """Those of the networks behind, and of what stands in."""
        return self._hashes

    def detect(self, image: UInt8[np.ndarray, "h w 3"]) -> Detections:
        """As the networks behind do."""
        return self.networks.detect(image)

    def _shown(self, found: Landmarks, crops: Sequence[Crop]) -> tuple[np.ndarray, list[Crop]]:
        """Rows that show a hand, and their crops as the network wants them: about the keypoints found."""
        rows = np.flatnonzero((found.presence >= LEAST_PRESENCE) & np.isfinite(found.keypoints).all((1, 2)))
        if self.spec.upright:
            return rows, crops_of(aim_at(found.keypoints[rows], self.spec.scale), self.spec.size)
        boxes = np.concatenate([found.keypoints[rows].min(1), found.keypoints[rows].max(1)], -1)
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 2)  # keypoints on one spot are no place to look
        return rows, [Crop.around(box, scale=self.spec.scale, size=self.spec.size) for box in boxes]


class WithKeypoints(_StandIn):
    """Keypoints and how sure they are from a network of `palmar.tasks.keypoints`."""

    def __init__(self, networks: Networks, predictor: KeypointPredictor, *, sha256: str = "") -> None:
        super().__init__(networks, predictor.crop, "keypoints", sha256)
        self.predictor = predictor

    def landmarks(self, image: UInt8[np.ndarray, "h w 3"], crops: Sequence[Crop]) -> Landmarks:
        """What the landmarker says, with other keypoints."""
        found = self.networks.landmarks(image, crops)
        rows, cuts = self._shown(found, crops)
        if not len(rows):
            return found
        said = self.predictor(np.stack([cut.extract(image) for cut in cuts]))
        keypoints, sigma = found.keypoints.copy(), found.sigma.copy()
        for row, cut, points in zip(rows, cuts, said.keypoints.astype(np.float64), strict=True):
            keypoints[row] = cut.to_image(points)
        sigma[rows] = _sigma(said.confidence.astype(np.float64), keypoints[rows])
        return replace(found, keypoints=keypoints, sigma=sigma)


class WithMesh(_StandIn):
    """Pose and shape from a network of `palmar.tasks.mesh`, whatever hand model its surface is of.

    Rotations and shape are taken as they are where the surface is palmar's and the network says them; else pose and
    shape are sought that lay palmar's hand on the surface (`pose_of_skin`), or through the joints where it is another
    model's (`pose_of_joints`).
    """

    def __init__(self, networks: Networks, predictor: MeshPredictor, *, sha256: str = "") -> None:
        super().__init__(networks, predictor.crop, "mesh", sha256)
        self.predictor, self.model = predictor, HandModel.default()

    def landmarks(self, image: UInt8[np.ndarray, "h w 3"], crops: Sequence[Crop]) -> Landmarks:
        """What the landmarker says, with another pose and shape."""
        found = self.networks.landmarks(image, crops)
        rows, cuts = self._shown(found, crops)
        if not len(rows):
            return found
        left = found.side[rows] < 0.5
        other, back = mirrored_crops(image, cuts)
        pictures = [
            (one.extract(other) if is_left else cut.extract(image))
            for cut, one, is_left in zip(cuts, back, left, strict=True)
        ]
        turns, shape = self._posed(self.predictor(np.stack(pictures)))
        if not (np.isfinite(turns).all() and np.isfinite(shape).all()):
            raise PalmarError("the mesh network answers with numbers that are not finite: its weights are damaged.")
        # from the axes of its crop to those of the landmarker's, which may be turned against it
        angle = np.array([cut.angle - crops[row].angle for row, cut in zip(rows, cuts, strict=True)])
        turns[:, 0] = _about_z(np.where(left, -angle, angle)) @ turns[:, 0]
        rotations, shapes = found.rotations.copy(), found.shape.copy()
        rotations[rows], shapes[rows] = turns, shape
        return replace(found, rotations=rotations, shape=shapes)

    def _posed(self, said: HandMeshes) -> tuple[Float[np.ndarray, "n 16 3 3"], Float[np.ndarray, "n 10"]]:
        ours = said.vertices.shape[1] == len(self.model.template)
        if ours and said.rotations is not None and said.shape is not None:
            return said.rotations.astype(np.float64).copy(), said.shape.astype(np.float64)
        return pose_of_skin(said.vertices, self.model) if ours else pose_of_joints(said.joints, self.model)


def _about_z(angle: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 3 3"]:
    """Clockwise as seen in pictures, whose y points down."""
    c, s, o, i = np.cos(angle), np.sin(angle), 0 * angle, 0 * angle + 1
    return np.stack([np.stack([c, -s, o], -1), np.stack([s, c, o], -1), np.stack([o, o, i], -1)], -2)


def _sigma(sure: Float[np.ndarray, "n 21"], keypoints: Float[np.ndarray, "n 21 2"]) -> Float[np.ndarray, "n 21"]:
    """The standard deviations, pixels, under which `tracking.landmarker.confidence` says what the network does."""
    box = hand_box(keypoints)
    radius = 0.1 * (box[:, 2:] - box[:, :2]).max(1)
    sure = np.minimum(np.maximum(sure, 0.01), 0.99)
    return radius[:, None] / np.sqrt(-2 * np.log1p(-sure))
