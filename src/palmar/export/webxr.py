"""JSON of WebXR's 25 hand joints: a pose (16 numbers, column by column) and a radius for each, per frame and hand.

Axes of WebXR: x right, y up, z towards the viewer, metres, the camera at the origin. -z of a joint looks along its bone
to the tip, +y out of the back of the hand, for both hands. A hand that is not seen in a frame is null, as WebXR has it.
The four finger metacarpals are no joints of ours: they lie a quarter of the way from the wrist to the knuckle. Radii
are the distances from the joints to the skin of the model.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from palmar.errors import PalmarError
from palmar.export.joints import OF_21, WEBXR, WEBXR_PARENTS
from palmar.export.motion import Y_UP, times_of
from palmar.export.options import PLAIN, Options
from palmar.hand.model import HandModel
from palmar.media import whole_file
from palmar.types import RIGHT, Clip

METACARPAL = 0.25
"""Of the way from the wrist to the knuckle."""
SIDES = ("left", "right")


def write(clip: Clip, path: Path, options: Options = PLAIN) -> None:
    """Raises PalmarError for unrelated pictures and hands without joints."""
    with whole_file(path) as part:
        part.write_text(json.dumps(record(clip)), encoding="utf-8")


def record(clip: Clip) -> dict[str, Any]:
    """{"joints": names, "frames": [{"time": s, "left": null | {"poses": [25 x 16], "radii": [25]}, "right": ...}]};
    of several hands of one side the surest."""
    hands, times = clip.hands, times_of(clip)
    if len(hands) and hands.joints is None:
        raise PalmarError(f"{clip.frames.source}: these hands have no joints in space; track them again.")
    frames: list[dict[str, Any]] = [{"time": round(t, 6), "left": None, "right": None} for t in times.tolist()]
    for row in np.argsort(hands.score, kind="stable").tolist():
        assert hands.joints is not None
        joints = hands.joints[row].astype(np.float64)
        if not np.isfinite(joints).all():
            continue
        side = int(hands.side[row])
        poses = joint_poses(joints, side)
        flat = np.swapaxes(poses, -1, -2).reshape(25, 16)
        frames[int(hands.frame[row])][SIDES[side]] = {
            "poses": np.round(flat, 6).tolist(),
            "radii": np.round(radii() * scale_of(joints), 6).tolist(),
        }
    return {"joints": list(WEBXR), "frames": frames}


def places(joints: Float[np.ndarray, "*b 21 3"]) -> Float[np.ndarray, "*b 25 3"]:
    """Where the 25 joints are, in the frame of the 21."""
    out = np.empty((*joints.shape[:-2], 25, 3))
    out[..., list(OF_21), :] = joints
    for knuckle in (6, 11, 16, 21):
        wrist = out[..., 0, :]
        out[..., knuckle - 1, :] = wrist + METACARPAL * (out[..., knuckle, :] - wrist)
    return out


def joint_poses(joints: Float[np.ndarray, "21 3"], side: int) -> Float[np.ndarray, "25 4 4"]:
    """Poses in WebXR's axes, of joints in the camera's frame."""
    at = places(joints) @ Y_UP
    back = np.cross(at[6] - at[0], at[21] - at[0])  # index knuckle, little knuckle
    back = back if side == RIGHT else -back
    # Each finger's own back: square to its bone, in the plane of the bone and the back of the hand.
    out = np.tile(np.eye(4), (25, 1, 1))
    out[:, :3, 3] = at
    nexts = {parent: child for child, parent in enumerate(WEBXR_PARENTS) if parent > 0}
    nexts[0] = 11  # the wrist looks along the middle finger
    for i in range(25):
        child = nexts.get(i)
        if child is None:  # a tip: as its bone
            out[i, :3, :3] = out[WEBXR_PARENTS[i], :3, :3]
            continue
        bent = back
        if i in (2, 3, 7, 8, 12, 13, 17, 18, 22, 23):  # the back turns with the finger as it bends
            bent = out[WEBXR_PARENTS[i], :3, :3][:, 1]
            before = at[i] - at[WEBXR_PARENTS[i]]
            bent = _carried(before, at[child] - at[i], bent)
        out[i, :3, :3] = looking(at[child] - at[i], bent)
    return out


def _carried(before: np.ndarray, after: np.ndarray, back: np.ndarray) -> np.ndarray:
    """A direction carried along as one bone's direction turns into the next one's, by the shortest way."""
    a, b = before / max(np.linalg.norm(before), 1e-9), after / max(np.linalg.norm(after), 1e-9)
    axis = np.cross(a, b)
    cosine = float(a @ b)
    if cosine < -1 + 1e-6:
        return back
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return back + skew @ back + skew @ (skew @ back) / (1 + cosine)


def looking(along: Float[np.ndarray, " 3"], back: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "3 3"]:
    """Columns x, y, z: -z along the bone, y out of the back."""
    z = -along / max(np.linalg.norm(along), 1e-9)
    y = back - (back @ z) * z
    y = y / max(np.linalg.norm(y), 1e-9)
    return np.stack([np.cross(y, z), y, z], 1)


@cache
def radii() -> Float[np.ndarray, " 25"]:
    """Metres from each joint to the nearest skin, of the mean hand."""
    shaped = HandModel.default().shaped(np.zeros(10))
    joints = places(shaped.rest_landmarks)
    return np.linalg.norm(joints[:, None] - shaped.vertices()[None], axis=-1).min(1)


def scale_of(joints: Float[np.ndarray, "21 3"]) -> float:
    """Size of a hand over the mean hand's: wrist to the middle knuckle."""
    rest = HandModel.default().shaped(np.zeros(10)).rest_landmarks
    return float(np.linalg.norm(joints[9] - joints[0]) / np.linalg.norm(rest[9] - rest[0]))
