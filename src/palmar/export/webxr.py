"""JSON of WebXR's 25 hand joints: a pose (16 numbers, column by column) and a radius for each, per frame and hand.

Axes: x right, y up, z backward, metres, the recording's camera at the origin looking along -z, as a viewer does in
WebXR. Of a joint, -z runs along its bone towards the tip, +y out of the back of the hand, for both hands alike; a tip
is turned as the joint before it, and the wrist's -z points at the middle knuckle. A hand that is not seen in a frame is
null: WebXR gives a hand's joints all or none.

Positions are the hand model's joints, the heads of its bones: not the 21 points of MediaPipe's kind, whose wrist lies
15 mm further in. The four metacarpals of the fingers are not tracked: they are the model's, for this person's shape,
fixed to the palm. A radius is the mean distance from the joint to the person's skin around it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int

from palmar.errors import PalmarError
from palmar.export.joints import WEBXR
from palmar.export.motion import Y_UP, scores, times_of
from palmar.export.options import PLAIN, Options
from palmar.export.texts import write_json
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand import HandModel, PosedHand
from palmar.types import Clip, Hands

SIDES = ("left", "right")
BONES = (0, 13, 14, 15, 15, 0, 1, 2, 3, 3, 0, 4, 5, 6, 6, 0, 10, 11, 12, 12, 0, 7, 8, 9, 9)
"""The bone of MANO's tree that carries each of WebXR's joints."""
METACARPALS, TIPS = (5, 10, 15, 20), (4, 9, 14, 19, 24)
"""Of index, middle, ring, little; and of all fingers, thumb first."""
HEAD = {
    "joints": list(WEBXR),
    "units": "metre, second",
    "axes": "x right, y up, z backward; the recording's camera at the origin",
    "poses": "16 numbers, column by column; -z along the bone to the tip, +y out of the back of the hand",
}
CHUNK = 500
"""Frames whose hands are posed at once: an hour's do not fit into memory."""
NEXT = (11, *(min(i + 1, 24) for i in range(1, 25)))
"""The joint that each looks at. (A tip's is never asked for.)"""


def write(clip: Clip, path: Path, options: Options = PLAIN) -> None:
    """{"joints": names, ..., "frames": [{"frame": 0, "time": seconds or null, "left": null, "right": {"track": 0,
    "score": 0.9, "poses": [25 x 16], "radii": [25]}}]}

    Of several hands of one side in a frame, the one of the highest score. Raises PalmarError for hands without pose,
    shape and place.
    """
    write_json(path, frames(clip), HEAD)


def frames(clip: Clip) -> Iterator[dict[str, Any]]:
    """One after the other: all frames, or of unrelated pictures, which have no times, those with hands."""
    hands = clip.hands
    missing = [n for n in ("pose", "shape", "translation") if len(hands) and getattr(hands, n) is None]
    if missing:
        raise PalmarError(f"these hands have no {', '.join(missing)}; WebXR's joints need them. Track them again.")
    if clip.info.get("stills"):
        numbers = np.unique(hands.frame)
        times: list[float | None] = [None] * len(numbers)
    else:
        known = times_of(clip)
        numbers, times = np.arange(len(known)), np.round(known, 6).tolist()
    shown = _shown(hands)
    for first in range(0, len(numbers), CHUNK):
        some = numbers[first : first + CHUNK]
        found = _joints(hands, shown[(hands.frame[shown] >= some[0]) & (hands.frame[shown] <= some[-1])])
        for number, time in zip(some.tolist(), times[first : first + CHUNK], strict=True):
            yield {"frame": number, "time": time} | {side: found.get((number, side)) for side in SIDES}


def _shown(hands: Hands) -> Int[np.ndarray, " r"]:
    """Rows with finite pose, shape and place: of a frame and side the surest."""
    rows = np.arange(len(hands))
    for column in (hands.pose, hands.shape, hands.translation):
        if column is not None:
            rows = rows[np.isfinite(column[rows]).all(tuple(range(1, column.ndim)))]
    rows = rows[np.argsort(-np.nan_to_num(hands.score[rows], nan=-1.0), kind="stable")]
    one_each = np.unique(np.stack([hands.frame[rows], hands.side[rows]], 1), axis=0, return_index=True)[1]
    return rows[one_each]


def _joints(hands: Hands, rows: Int[np.ndarray, " r"]) -> dict[tuple[int, str], dict[str, Any]]:
    """By frame and side."""
    out: dict[tuple[int, str], dict[str, Any]] = {}
    score = scores(hands)
    for side, name in enumerate(SIDES):
        mine = rows[hands.side[rows] == side]
        if not len(mine):
            continue
        assert hands.pose is not None
        assert hands.shape is not None
        assert hands.translation is not None
        shaped = HandModel.default(side).shaped(hands.shape[mine].astype(np.float64))
        turns = rotmat_from_rotvec(hands.pose[mine].astype(np.float64))
        posed = shaped.posed(turns, hands.translation[mine].astype(np.float64))
        flat = np.round(np.swapaxes(joint_poses(posed), -1, -2).reshape(-1, 25, 16), 6)
        for row, pose, radius in zip(mine.tolist(), flat.tolist(), np.round(radii(posed), 6).tolist(), strict=True):
            told = {"track": int(hands.track[row]), "score": score[row], "poses": pose, "radii": radius}
            out[int(hands.frame[row]), name] = told
    return out


def places(posed: PosedHand) -> Float64[np.ndarray, "n 25 3"]:
    """Where the joints are, in the frame of the posed hand."""
    bones = list(BONES)
    rest = _rest(posed)
    offset = rest - posed.shaped.rest_joints[..., bones, :]
    turned = (posed.bone_rotations[..., bones, :, :] @ offset[..., None])[..., 0]
    return posed.bone_origins[..., bones, :] + turned


def joint_poses(posed: PosedHand) -> Float64[np.ndarray, "n 25 4 4"]:
    """In WebXR's axes, of hands posed in the camera's."""
    at = places(posed)
    along = at[..., list(NEXT), :] - at
    back = (posed.bone_rotations[..., list(BONES), :, :] @ _backs(posed.shaped.model.side)[..., None])[..., 0]
    turn = looking(along, back)
    for tip in TIPS:
        turn[..., tip, :, :] = turn[..., tip - 1, :, :]
    out = np.zeros((*at.shape[:-1], 4, 4))
    out[..., :3, :3] = Y_UP @ turn
    out[..., :3, 3] = at @ Y_UP.T
    out[..., 3, 3] = 1.0
    return out


def looking(along: Float[np.ndarray, "*b 3"], back: Float[np.ndarray, "*b 3"]) -> Float64[np.ndarray, "*b 3 3"]:
    """Columns x, y, z: -z along the bone, y as near to the back as a right angle allows."""
    z = -along / np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-9)
    y = back - (back * z).sum(-1, keepdims=True) * z
    y = y / np.maximum(np.linalg.norm(y, axis=-1, keepdims=True), 1e-9)
    return np.stack([np.cross(y, z), y, z], -1)


def radii(posed: PosedHand) -> Float64[np.ndarray, "n 25"]:
    """Metres from each joint to the skin around it, at rest: the mean over what `_around` names."""
    rest, skin = _rest(posed), posed.shaped.vertices()
    around = _around(posed.shaped.model.side)
    return np.stack(
        [np.linalg.norm(skin[..., its, :] - rest[..., i, None, :], axis=-1).mean(-1) for i, its in enumerate(around)],
        -1,
    )


@cache
def _around(side: int) -> tuple[Int[np.ndarray, " v"], ...]:
    """For each joint, the vertices of its ring: of its bone or the one before, within 6 mm along and 18 mm off. Where
    the palm has no ring (wrist, metacarpals), and at tips, the nearest one."""
    model = HandModel.default(side)
    flat = model.shaped(np.zeros((1, 10))).posed(np.broadcast_to(np.eye(3), (1, 16, 3, 3)))
    rest, skin = _rest(flat)[0], model.template
    out = []
    for i, bone in enumerate(BONES):
        away = skin - rest[i]
        far = np.linalg.norm(away, axis=1)
        nearest = np.array([int(far.argmin())])
        if i == 0 or i in METACARPALS or i in TIPS:
            out.append(nearest)
            continue
        ring = np.isin(model.parts, (bone, model.parents[bone])) & (np.abs(away @ model.along[bone]) < 0.006)
        ring &= far < 0.018
        out.append(np.flatnonzero(ring) if ring.any() else nearest)
    return tuple(out)


def _rest(posed: PosedHand) -> Float64[np.ndarray, "n 25 3"]:
    """The joints of the flat hand, hand frame: bone heads, the model's palm bones, fingertips."""
    shaped = posed.shaped
    out = shaped.rest_joints[..., list(BONES), :].copy()
    out[..., METACARPALS, :] = shaped.rest_palm
    out[..., TIPS, :] = shaped.rest_landmarks[..., [4, 8, 12, 16, 20], :]
    return out


@cache
def _backs(side: int) -> Float64[np.ndarray, "25 3"]:
    """Out of the back of each joint's bone at rest: about its hinge a bone bends to the palm, away from its back."""
    model = HandModel.default(side)
    back = -np.cross(model.hinge, model.along)
    back[0] = (0.0, 1.0, 0.0)  # the palm looks along -y
    return (back / np.linalg.norm(back, axis=1, keepdims=True))[list(BONES)]
