"""From what the landmarker says of a crop to a hand in the camera's frame: rotations, joints, translation.

Three frames: the hand's own (rest frame of the model), the crop's (a camera turned so that its axis goes through the
crop's middle and its up is the crop's up), the camera's. The landmarker speaks of right hands in crops. A left hand is
described as its crop's mirror image, so its wrist in the crop's frame is S R S with S = diag(-1, 1, 1), and its fingers
are S R S too: that is the mirror rule of `palmar.hand.mirror`, used here for both.
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

_JOINTS = np.array([[5, 6, 7, 8], [9, 10, 11, 12], [17, 18, 19, 20], [13, 14, 15, 16], [1, 2, 3, 4]])
"""The joints of MANO's fingers (index, middle, little, ring, thumb), outwards."""
HALF_TURN = np.array([-1.0, 1.0, -1.0])
"""Factors on the rows of a rotation that turn it about the crop's upright axis: see `wrist_in_camera`."""
_CARRIERS = [0, 1, 2, 2]
"""The bone of a finger that carries each of its joints."""


def camera_from_crop(crops: Sequence[Crop], camera: Camera) -> Float[np.ndarray, "n 3 3"]:
    """The rotation from each crop's frame into the camera's: `geometry.virtual_camera`'s, transposed, all crops at
    once.

    A crop whose middle lies outside the picture is taken at the picture's edge, where the lens still has a ray.
    """
    middle = np.array([crop.centre for crop in crops])
    rays = camera.unproject(np.clip(middle, -0.5, (camera.width - 0.5, camera.height - 0.5)))
    out = np.empty((len(crops), 3, 3))
    for i, crop in enumerate(crops):
        x, y, z = (rays[i] / math.sqrt(rays[i] @ rays[i])).tolist()
        c, s, k = math.cos(crop.angle), math.sin(crop.angle), 1 / (1 + z)
        right, down = (1 - k * x * x, -k * x * y, -x), (-k * x * y, 1 - k * y * y, -y)  # axes after the shortest turn
        out[i] = [(c * r + s * d, c * d - s * r, ray) for r, d, ray in zip(right, down, (x, y, z), strict=True)]
    return out


def wrist_in_camera(
    wrist: Float[np.ndarray, "n 3 3"],
    camera_from_crop: Float[np.ndarray, "n 3 3"],
    left: Bool[np.ndarray, " n"],
    mistaken: Bool[np.ndarray, " n"] | None = None,
) -> Float[np.ndarray, "n 3 3"]:
    """The wrist's rotation in the camera's frame, from the network's: that of a right hand in the crop's frame.

    mistaken: hands that the network took for ones of the other side. The palm of a right hand looks like the back of a
    left one: what was described is the hand's mirror image in depth, which half a turn about the crop's upright axis
    makes the hand itself, with the same joints in the picture and the same fingers.
    """
    if mistaken is not None and mistaken.any():
        wrist = np.where(mistaken[:, None, None], HALF_TURN[:, None] * wrist, wrist)
    return camera_from_crop @ (np.where(left[:, None, None], mirror_rotmats(wrist), wrist) if left.any() else wrist)


def relative_joints(
    model: HandModel,
    shape: Float[np.ndarray, "n 10"],
    wrist_in_camera: Float[np.ndarray, "n 3 3"],
    fingers: Float[np.ndarray, "n 15 3 3"],
    left: Bool[np.ndarray, " n"],
) -> Float[np.ndarray, "n 21 3"]:
    """The 21 joints along the camera's axes before translation, metres.

    model: the right hand. fingers: as of right hands, whatever the side. A left hand is posed as its mirror image,
    turned into itself, and then turned by its own wrist. The fast twin of `HandModel.shaped(...).posed(...).joints()`,
    which
    it must equal: all fingers go outwards together, as each has three bones.
    """
    rest = model.shaped(shape)
    n, root = len(shape), rest.rest_joints[:, :1]
    heads = rest.rest_joints[:, 1:].reshape(n, 5, 3, 3)  # finger, bone outwards
    local = (
        rest.rest_landmarks[:, _JOINTS] - heads[:, :, _CARRIERS]
    )  # [n, 5, 4, 3] from the head of the bone that carries it
    bones = heads[:, :, 1:] - heads[:, :, :-1]
    turn, place = np.empty((n, 5, 3, 3, 3)), np.empty((n, 5, 3, 3))
    turn[:, :, 0], place[:, :, 0] = fingers[:, ::3], heads[:, :, 0]
    for bone in (0, 1):
        turn[:, :, bone + 1] = turn[:, :, bone] @ fingers[:, bone + 1 :: 3]
        place[:, :, bone + 1] = place[:, :, bone] + (turn[:, :, bone] @ bones[:, :, bone, :, None])[..., 0]
    points = np.empty((n, 21, 3))
    points[:, 0] = rest.rest_landmarks[:, 0]
    points[:, _JOINTS] = place[:, :, _CARRIERS] + (turn[:, :, _CARRIERS] @ local[..., None])[..., 0]
    if left.any():
        points, root = (np.where(left[:, None, None], mirror_points(x), x) for x in (points, root))
    return (points - root) @ np.swapaxes(wrist_in_camera, -1, -2) + root


def misfit(
    relative: Float[np.ndarray, "n 21 3"],
    keypoints: Float[np.ndarray, "n 21 2"],
    sigma: Float[np.ndarray, "n 21"],
    camera: Camera,
) -> Float[np.ndarray, " n"]:
    """How far the joints lie from the keypoints, wherever the hand stands best: the sum of squares over sigma, infinite
    where it can stand nowhere."""
    place = translation(relative, keypoints, sigma, camera)
    off = (camera.project(relative + place[:, None]) - keypoints) / np.maximum(sigma, 1e-3)[..., None]
    return np.nan_to_num((off * off).sum((1, 2)), nan=np.inf, posinf=np.inf)


def translation(
    relative: Float[np.ndarray, "n 21 3"],
    keypoints: Float[np.ndarray, "n 21 2"],
    sigma: Float[np.ndarray, "n 21"],
    camera: Camera,
    start: Float[np.ndarray, "n 3"] | None = None,
) -> Float[np.ndarray, "n 3"]:
    """Where each hand stands, metres in the camera's frame: its joints' pixels lie nearest the keypoints, the sure ones
    first.

    start: about where, from the frame before; a few Gauss-Newton steps from there cost a third of solving anew, which
    is done where there is no start or the steps do not settle. NaN where keypoints and pose agree on no place in front
    of the camera. Only the place is solved for; pose and shape stay the networks'. Refining them too belongs here.
    """
    rays = camera.unproject(keypoints)
    weights = 1 / np.maximum(sigma, 1e-3) ** 2
    if start is not None and np.isfinite(start).all() and np.isfinite(rays).all():
        near = _settled(relative, rays, weights, start)
        if near is not None:
            return near
    return translation_from_rays(relative, rays, weights)


def _settled(relative: np.ndarray, rays: np.ndarray, weights: np.ndarray, start: np.ndarray) -> np.ndarray | None:
    """Gauss-Newton on the squared errors on the plane z = 1, in closed form; None unless it soon settles."""
    seen, t = rays[..., :2], start
    with np.errstate(all="ignore"):
        for _ in range(4):
            points = relative + t[:, None]
            z = points[..., 2:]
            p = points[..., :2] / z
            w = weights[..., None] / (z * z)
            w = w / w.sum(1, keepdims=True)
            error = (seen - p) * z
            p_mean = (w * p).sum(1, keepdims=True)
            off = p - p_mean
            weighted = w * off
            dz = -(weighted * error).sum((1, 2)) / (weighted * off).sum((1, 2))
            step = np.empty_like(t)
            step[:, :2] = (w * error).sum(1) + p_mean[:, 0] * dz[:, None]
            step[:, 2] = dz
            t = t + step
            if (np.abs(step) < 3e-4 * np.abs(t[:, 2:])).all() and (z > 0.01).all():
                return t
    return None
