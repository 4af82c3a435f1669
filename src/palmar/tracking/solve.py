"""From what the landmarker says of a crop to a hand in the camera's frame: rotations, joints, translation.

Three frames: the hand's own (rest frame of the model), the crop's (a camera turned so that its axis goes through the crop's
middle and its up is the crop's up), the camera's. The landmarker speaks of right hands in crops. A left hand is described as
its crop's mirror image, so its wrist in the crop's frame is S R S with S = diag(-1, 1, 1), and its fingers are S R S too:
that is the mirror rule of `palmar.hand.mirror`, used here for both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from palmar.geometry.camera import Camera
from palmar.geometry.crop import Crop
from palmar.geometry.pnp import translation_from_rays
from palmar.hand.mirror import mirror_points, mirror_rotmats
from palmar.hand.model import HandModel

def camera_from_crop(crops: Sequence[Crop], camera: Camera) -> Float[np.ndarray, "n 3 3"]:
    """The rotation from each crop's frame into the camera's: `geometry.virtual_camera`'s, transposed, all crops at once.

    A crop whose middle lies outside the picture is taken at the picture's edge, where the lens still has a ray.
    """
    middle = np.array([crop.centre for crop in crops])
    rays = camera.unproject(np.clip(middle, -0.5, (camera.width - 0.5, camera.height - 0.5)))
    out = np.empty((len(crops), 3, 3))
    for i, crop in enumerate(crops):
        x, y, z = (rays[i] / math.sqrt(rays[i] @ rays[i])).tolist()
        c, s, k = math.cos(crop.angle), math.sin(crop.angle), 1 / (1 + z)
        shortest = np.array([[1 - k * x * x, -k * x * y, x], [-k * x * y, 1 - k * y * y, y], [-x, -y, z]])
        out[i] = shortest @ np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    return out


def wrist_in_camera(wrist: Float[np.ndarray, "n 3 3"], camera_from_crop: Float[np.ndarray, "n 3 3"],
                    left: Bool[np.ndarray, " n"]) -> Float[np.ndarray, "n 3 3"]:
    """The wrist's rotation in the camera's frame, of the network's, which is that of a right hand in the crop's frame."""
    return camera_from_crop @ np.where(left[:, None, None], mirror_rotmats(wrist), wrist)


def relative_joints(model: HandModel, shape: Float[np.ndarray, "n 10"], wrist_in_camera: Float[np.ndarray, "n 3 3"],
                    fingers: Float[np.ndarray, "n 15 3 3"], left: Bool[np.ndarray, " n"]) -> Float[np.ndarray, "n 21 3"]:
    """The 21 joints along the camera's axes before translation, metres: the wrist lies within a millimetre of 0.

    model: the right hand. fingers: as of right hands, whatever the side. Both sides go through the model at once: a left
    hand is posed as its mirror image, turned into itself, and then turned by its own wrist.
    """
    rest = model.shaped(shape)
    rotations = np.concatenate([np.broadcast_to(np.eye(3), (len(shape), 1, 3, 3)), fingers], 1)
    points, root = rest.posed(rotations).joints(), rest.rest_joints[:, :1]
    if left.any():
        points, root = (np.where(left[:, None, None], mirror_points(x), x) for x in (points, root))
    return (points - root) @ np.swapaxes(wrist_in_camera, -1, -2) + root


def translation(relative: Float[np.ndarray, "n 21 3"], keypoints: Float[np.ndarray, "n 21 2"],
                sigma: Float[np.ndarray, "n 21"], camera: Camera) -> Float[np.ndarray, "n 3"]:
    """Where each hand stands, metres in the camera's frame: its joints' pixels lie nearest the keypoints, the sure ones first.

    NaN where keypoints and pose agree on no place in front of the camera.
    Only the place is solved for here; pose and shape stay the network's. Refining them too belongs after this step.
    """
    return translation_from_rays(relative, camera.unproject(keypoints), 1 / np.maximum(sigma, 1e-3) ** 2)
