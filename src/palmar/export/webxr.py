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

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int

from palmar.errors import PalmarError
from palmar.export.joints import WEBXR
from palmar.export.motion import Y_UP, times_of
from palmar.export.options import PLAIN, Options
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand import HandModel, PosedHand
from palmar.media import whole_file
from palmar.types import Clip

SIDES = ("left", "right")
BONES = (0, 13, 14, 15, 15, 0, 1, 2, 3, 3, 0, 4, 5, 6, 6, 0, 10, 11, 12, 12, 0, 7, 8, 9, 9)
"""The bone of MANO's tree that carries each of WebXR's joints."""
METACARPALS, TIPS = (5, 10, 15, 20), (4, 9, 14, 19, 24)
"""Of index, middle, ring, little; and of all fingers, thumb first."""
NEXT = (11, *(min(i + 1, 24) for i in range(1, 25)))
"""The joint that each looks at. (A tip's is never asked for.)"""


def write(clip: Clip, path: Path, options: Options = PLAIN) -> None:
    """Raises PalmarError for hands without pose, shape and place."""
    text = json.dumps(record(clip), allow_nan=False)
    with whole_file(path) as part:
        part.write_text(text + "\n", encoding="utf-8")


def record(clip: Clip) -> dict[str, Any]:
    """What is written. Of several hands of one side in a frame, the one of the highest score.

    {"joints": names, ..., "frames": [{"frame": 0, "time": seconds or null, "left": null, "right": {"track": 0, "score":
    0.9, "poses": [25 x 16], "radii": [25]}}]}
    """
    hands = clip.hands
    missing = [n for n in ("pose", "shape", "translation") if len(hands) and getattr(hands, n) is None]
    if missing:
        raise PalmarError(f"these hands have no {', '.join(missing)}; WebXR's joints need them. Track them again.")
    frames: list[dict[str, Any]]
    if clip.info.get("stills"):  # unrelated pictures: no times, and only those with hands
        numbers = np.unique(hands.frame).tolist()
        frames = [{"frame": number, "time": None, "left": None, "right": None} for number in numbers]
    else:
        times = np.round(times_of(clip), 6).tolist()
        frames = [{"frame": i, "time": t, "left": None, "right": None} for i, t in enumerate(times)]
    by_number = {frame["frame"]: frame for frame in frames}
    order = np.argsort(np.nan_to_num(hands.score, nan=-1.0), kind="stable")
    for side in (0, 1):
        rows = order[hands.side[order] == side]
        for column in (hands.pose, hands.shape, hands.translation):
            if column is not None:
                rows = rows[np.isfinite(column[rows]).all(tuple(range(1, column.ndim)))]
        if not len(rows):
            continue
        assert hands.pose is not None
        assert hands.shape is not None
        assert hands.translation is not None
        model = HandModel.default(side)
        posed = model.shaped(hands.shape[rows].astype(np.float64)).posed(
            rotmat_from_rotvec(hands.pose[rows].astype(np.float64)), hands.translation[rows].astype(np.float64)
        )
        poses, radius = joint_poses(posed), radii(posed)
        flat = np.swapaxes(poses, -1, -2).reshape(-1, 25, 16)
        for row, pose, r in zip(rows.tolist(), np.round(flat, 6).tolist(), np.round(radius, 6).tolist(), strict=True):
            frame = by_number.get(int(hands.frame[row]))
            if frame is None:
                raise PalmarError(
                    f"hands of frame {int(hands.frame[row])}, but the recording has {len(frames)} frames."
                )
            score = round(float(np.nan_to_num(hands.score[row])), 6)
            frame[SIDES[side]] = {"track": int(hands.track[row]), "score": score, "poses": pose, "radii": r}
    return {
        "joints": list(WEBXR),
        "units": "metre, second",
        "axes": "x right, y up, z backward; the recording's camera at the origin",
        "poses": "16 numbers, column by column; -z along the bone to the tip, +y out of the back of the hand",
        "frames": frames,
    }


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
