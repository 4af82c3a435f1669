"""Hands in space over time, as one binary file for the page's viewer (`page/palmar.js`).

Little endian. A uint32: length of the header; the header, JSON; padding to four bytes; then the arrays that the header
names, each at a multiple of four bytes. Points are int16 in units of `STEP_M` from their row's centre (float32 metres,
camera frame: x right, y down, z forward), so that a hand is exact to 5 micrometres.
"""

from __future__ import annotations

import json
import struct

import numpy as np

from palmar.geometry.rotations import rotvec_from_rotmat
from palmar.hand.joints import BONES
from palmar.hand.model import HandModel
from palmar.types import Clip, Hands
from palmar.view.mesh import WRIST_CUT, vertices_in_camera

STEP_M = 1e-5
MOST_ROWS = 1500
"""Hands that are sent, 7 kB each; of longer recordings every second frame, every third, and so on."""


def pack(clip: Clip) -> bytes:
    """The scene of a tracked clip. Rows without finite joints are left out."""
    hands = clip.hands
    times, fps = clip.info.get("times"), clip.frames.fps
    count = int(clip.info.get("frames") or (int(hands.frame.max()) + 1 if len(hands) else 1))
    every = [float(t) for t in times] if times else [k / (fps or 30.0) for k in range(count)]
    if hands.joints is None:
        good = np.zeros(0, int)
    else:
        known = np.isfinite(hands.joints).all((1, 2)) & (hands.frame < len(every))
        good = np.flatnonzero(known)
    stride = max(1, -(-len(good) // MOST_ROWS))
    good = good[hands.frame[good] % stride == 0]
    return pack_rows(hands[good], every, stride)


def pack_rows(hands: Hands, times: list[float], stride: int = 1) -> bytes:
    """hands: with finite joints. times: seconds of all frames. stride: only every so many frames have rows."""
    used, faces = _visible()
    n = len(hands)
    meshes = vertices_in_camera(hands)
    joints = np.zeros((0, 21, 3)) if hands.joints is None else hands.joints.astype(np.float64)
    centres = joints.mean(1).astype(np.float32)
    points = np.zeros((n, len(used), 3))
    meshed = np.zeros(n, np.uint8)
    for row, mesh in enumerate(meshes):
        if mesh is not None:
            points[row], meshed[row] = mesh[used] - centres[row], 1
    arrays = {
        "frame": hands.frame.astype("<i4"),
        "track": hands.track.astype("<i4"),
        "side": hands.side.astype(np.uint8),
        "meshed": meshed,
        "centre": centres.astype("<f4"),
        "joints": _steps(joints - centres[:, None]),
        "points": _steps(points),
        "faces_left": faces[0].astype("<u2"),
        "faces_right": faces[1].astype("<u2"),
    }
    entries, body = {}, b""
    for name, array in arrays.items():
        body += b"\0" * (-len(body) % 4)
        entries[name] = {"at": len(body), "type": array.dtype.str.lstrip("<|"), "shape": list(array.shape)}
        body += np.ascontiguousarray(array).tobytes()
    header = {"version": 1, "step": STEP_M, "times": times, "stride": stride, "bones": BONES, "arrays": entries}
    text = json.dumps(header, separators=(",", ":"), default=list).encode()
    text += b" " * (-(len(text) + 4) % 4)
    return struct.pack("<I", len(text)) + text + body


def unpack(data: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """Header and arrays of `pack`'s bytes."""
    (length,) = struct.unpack_from("<I", data)
    header = json.loads(data[4 : 4 + length])
    arrays = {}
    for name, entry in header["arrays"].items():
        count = int(np.prod(entry["shape"]))
        flat = np.frombuffer(data, np.dtype(f"<{entry['type']}"), count, 4 + length + entry["at"])
        arrays[name] = flat.reshape(entry["shape"])
    return header, arrays


def greeting(seconds: float = 6.0, fps: float = 12.0) -> bytes:
    """What the empty page shows: the model's own right hand, closing finger by finger and opening again, in a loop."""
    count = round(seconds * fps)
    model = HandModel.default()
    turn = np.linspace(0.0, 2 * np.pi, count, endpoint=False)
    late = np.array([0.25, 0.0, 0.3, 0.6, 0.9])  # radians of the loop, thumb to little finger
    closed = (0.5 - 0.5 * np.cos(turn[:, None] - late)) ** 1.5
    most = np.array([[0.25, 0.35, 0.5], *[[1.25, 1.45, 0.9]] * 4])  # flexion of each joint in a loose fist
    angles = np.zeros((count, 5, 3, 3))
    angles[..., 0] = closed[..., None] * most
    rotations = np.array(model.rotations_from_angles(angles))
    rotations[:, 0] = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]  # fingers up, palm to the camera
    place = np.tile([0.0, 0.1, 0.5], (count, 1))
    posed = model.shaped(np.zeros((count, 10))).posed(rotations, place)
    hands = Hands(
        frame=np.arange(count),
        track=np.zeros(count),
        view=np.zeros(count),
        side=np.ones(count),
        score=np.ones(count),
        box=np.tile([0.0, 0.0, 1.0, 1.0], (count, 1)),
        joints=posed.joints(),
        pose=rotvec_from_rotmat(rotations),
        shape=np.zeros((count, 10)),
        translation=place,
    )
    return pack_rows(hands, [k / fps for k in range(count)])


def _steps(points: np.ndarray) -> np.ndarray:
    return np.round(np.clip(points / STEP_M, -32767, 32767)).astype("<i2")


def _visible() -> tuple[np.ndarray, list[np.ndarray]]:
    """Vertices that are drawn (the forearm's stub is not), and each side's triangles of them."""
    models = [HandModel.default(side) for side in range(2)]
    kept = [m.faces[(m.behind[m.faces] <= WRIST_CUT).all(1)] for m in models]
    used = np.unique(np.concatenate([faces.reshape(-1) for faces in kept]))
    number = np.full(int(used.max()) + 1, -1)
    number[used] = np.arange(len(used))
    return used, [number[faces] for faces in kept]
