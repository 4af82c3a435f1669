"""Looking back over a whole recording: one side for each track.

While a recording runs, the first opinions on a hand's side may be wrong and the vote turns over; the rows before that
are then put right here, by the majority of all opinions on that track.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotmat_from_rotvec, rotvec_from_rotmat
from palmar.hand.box import hand_box
from palmar.hand.mirror import mirror_points, mirror_rotmats, mirror_rotvecs
from palmar.hand.model import HandModel
from palmar.tracking import solve
from palmar.types import Hands

_S, _F = np.diag([-1.0, 1.0, 1.0]), np.diag([1.0, 1.0, -1.0])


def one_side_each(
    hands: Hands,
    log_odds_right: Float[np.ndarray, " n"],
    camera_from_crop: Float[np.ndarray, "n 3 3"],
    camera: Camera,
    *,
    mirrored: bool = False,
) -> Hands:
    """The hands with each track on the side that most opinions of its rows speak for. Rows without a track (-1) stay.

    log_odds_right, camera_from_crop: of each row, as `Tracker.opinion` gives them; camera, mirrored: as the tracker had
    them.
    """
    side = hands.side.copy()
    for track in np.unique(hands.track[hands.track >= 0]):
        rows = hands.track == track
        if side[rows].min() != side[rows].max():
            side[rows] = log_odds_right[rows].sum() >= 0
    wrong = np.flatnonzero(side != hands.side)
    if not len(wrong):
        return hands
    fixed = _turned_over(hands[wrong], camera_from_crop[wrong], camera, mirrored)
    columns = {}
    for name in ("side", "joints", "pose", "translation"):
        columns[name] = getattr(hands, name).copy()
        columns[name][wrong] = getattr(fixed, name)
    return hands.with_columns(**columns)


def _turned_over(hands: Hands, camera_from_crop: Float[np.ndarray, "n 3 3"], camera: Camera, mirrored: bool) -> Hands:
    """The hands of the other side that look the same: mirrored in depth, as their crops see them; or mirrored in the
    crop, where the networks' answers were of the other side all along and so fit better. Put in their place again."""
    assert hands.keypoints is not None
    assert hands.pose is not None
    assert hands.shape is not None
    pose = mirror_rotvecs(hands.pose) if mirrored else hands.pose
    left: Bool[np.ndarray, " n"] = (hands.side == 1) ^ mirrored  # after turning over, in the picture
    rotations = rotmat_from_rotvec(pose.astype(np.float64))
    rotations[~left, 1:] = mirror_rotmats(rotations[~left, 1:])  # fingers as of right hands: until now these were left
    crop_from_camera = np.swapaxes(camera_from_crop, -1, -2)
    box = hand_box(hands.keypoints[..., :2])
    radius = 0.1 * (box[:, 2:] - box[:, :2]).max(1)
    doubt = np.maximum(-2 * np.log1p(-np.clip(hands.keypoints[..., 2], 1e-3, 0.999)), 1e-6)  # (radius / sigma)^2
    keypoints, sigma = hands.keypoints[..., :2].astype(np.float64), radius[:, None] / np.sqrt(doubt)
    readings = []
    for mirror in (_F, _S):
        turn = camera_from_crop @ mirror @ crop_from_camera @ rotations[:, 0] @ _S
        shape = hands.shape.astype(np.float64)
        relative = solve.relative_joints(HandModel.default(), shape, turn, rotations[:, 1:], left)
        readings.append((turn, relative, solve.misfit(relative, keypoints, sigma, camera)))
    (turn, relative, as_seen), (crossed, other, as_read) = readings
    better = (as_read < as_seen)[:, None, None]
    wrist, relative = np.where(better, crossed, turn), np.where(better, other, relative)
    place = solve.translation(relative, keypoints, sigma, camera)
    pose = np.concatenate([rotvec_from_rotmat(wrist)[:, None], mirror_rotvecs(pose[:, 1:])], 1)
    joints = relative + place[:, None]
    if mirrored:
        pose, joints, place = mirror_rotvecs(pose), mirror_points(joints), mirror_points(place)
    return hands.with_columns(side=1 - hands.side, pose=pose, joints=joints, translation=place)
