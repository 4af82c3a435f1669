"""BVH: the skeleton of each followed hand, a file each. Centimetres, y up, degrees; channels Z, X, Y.

Offsets are those of the person's hand at rest, all axes along the world's, so that zero rotations are the hand at rest.
BVH knows no missing frames: while a hand is not seen it stays where it was. It knows one time between frames: those of
an uneven recording, and of another rate, are blended between the frames before and after.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from palmar.errors import PalmarError
from palmar.export.joints import BONE_NAMES, TIP_PARENTS
from palmar.export.motion import ASSUMED_FPS, MAX_FRAMES, Y_UP, Motion, motions
from palmar.export.options import PLAIN, Options
from palmar.geometry.rotations import rotmat_from_rotvec, rotvec_from_rotmat
from palmar.hand.joints import MANO_PARENTS, TIPS
from palmar.media import whole_folder
from palmar.types import Clip

CENTIMETRES = 100.0
MARK = "hands.bvh.txt"
"""A file beside the hands that says what they are."""


def write(clip: Clip, path: Path, options: Options = PLAIN) -> None:
    """A folder with right-0.bvh, left-1.bvh and so on, options.fps frames a second (None: the recording's mean rate).

    Raises PalmarError where nothing can be exported.
    """
    hands = motions(clip)
    steps = [1 / options.fps if options.fps else mean_step(motion) for motion in hands]
    with whole_folder(path, options.overwrite, marker=MARK) as folder:
        said = []
        for motion, step in zip(hands, steps, strict=True):
            turns, places = even(motion, step)
            (folder / f"{motion.name}.bvh").write_text(text(motion, turns, places, step), encoding="ascii")
            said.append(f"{motion.name}.bvh  begins {motion.times[0]:.3f} s after the recording, {len(turns)} frames\n")
        (folder / MARK).write_text("".join(said), encoding="ascii")


def mean_step(motion: Motion) -> float:
    """Seconds from frame to frame."""
    return float(np.mean(np.diff(motion.times))) if len(motion) > 1 else 1 / ASSUMED_FPS


def even(motion: Motion, step: float) -> tuple[Float[np.ndarray, "f 16 3 3"], Float[np.ndarray, "f 3"]]:
    """Rotations and translations at times `step` seconds apart, from the motion's first. A time within a thousandth of
    a frame is that frame. Raises PalmarError for so many frames that the times must be damaged."""
    count = int((motion.times[-1] - motion.times[0]) / step + 0.05) + 1
    if count > MAX_FRAMES:
        raise PalmarError(f"{motion.name}: {count} frames are more than {MAX_FRAMES}; give a lower rate.")
    at = np.interp(motion.times[0] + np.arange(count) * step, motion.times, np.arange(len(motion)))
    near = np.round(at)
    at = np.where(np.abs(at - near) < 1e-3, near, at)
    before = at.astype(int)
    after, share = np.minimum(before + 1, len(motion) - 1), at - before
    turns, places = motion.rotations, motion.translation
    way = rotvec_from_rotmat(np.swapaxes(turns[before], -1, -2) @ turns[after])
    return (
        turns[before] @ rotmat_from_rotvec(way * share[:, None, None]),
        places[before] + (places[after] - places[before]) * share[:, None],
    )


def text(
    motion: Motion, rotations: Float[np.ndarray, "f 16 3 3"], translations: Float[np.ndarray, "f 3"], step: float
) -> str:
    """The file of one hand: its bones, and these frames of them, `step` seconds apart."""
    rest = motion.shaped.rest_joints @ Y_UP * CENTIMETRES
    tips = motion.shaped.rest_landmarks[list(TIPS)] @ Y_UP * CENTIMETRES
    children: dict[int, list[int]] = {j: [] for j in range(16)}
    for j, parent in enumerate(MANO_PARENTS):
        if parent >= 0:
            children[parent].append(j)
    rows: list[str] = ["HIERARCHY"]
    order: list[int] = []

    def place(offset: np.ndarray) -> str:
        return "OFFSET " + " ".join(f"{v:.6f}" for v in offset)

    def tell(j: int, depth: int) -> None:
        pad = "  " * depth
        order.append(j)
        parent = MANO_PARENTS[j]
        rows.append(f"{pad}{'ROOT' if parent < 0 else 'JOINT'} {BONE_NAMES[j]}")
        rows.append(f"{pad}{{")
        rows.append(f"{pad}  {place(np.zeros(3) if parent < 0 else rest[j] - rest[parent])}")
        more = "Xposition Yposition Zposition " if parent < 0 else ""
        rows.append(f"{pad}  CHANNELS {6 if parent < 0 else 3} {more}Zrotation Xrotation Yrotation")
        for child in children[j]:
            tell(child, depth + 1)
        if j in TIP_PARENTS:
            finger = TIP_PARENTS.index(j)
            rows.append(f"{pad}  End Site")
            rows.append(f"{pad}  {{")
            rows.append(f"{pad}    {place(tips[finger] - rest[j])}")
            rows.append(f"{pad}  }}")
        rows.append(f"{pad}}}")

    tell(0, 0)
    turned = np.stack([angles(Y_UP @ rotations[:, j] @ Y_UP) for j in order], 1)
    wrist = (motion.shaped.rest_joints[0] + translations) @ Y_UP * CENTIMETRES
    rows += ["MOTION", f"Frames: {len(rotations)}", f"Frame Time: {step:.7f}"]
    for at, degrees in zip(wrist, turned.reshape(len(rotations), -1), strict=True):
        rows.append(" ".join(f"{v:.6f}" for v in (*at, *degrees)))
    return "\n".join(rows) + "\n"


def angles(rotations: Float[np.ndarray, "t 3 3"]) -> Float[np.ndarray, "t 3"]:
    """Degrees about z, x, y of R = Rz Rx Ry, without jumps of a turn over time."""
    r = rotations
    x = np.arcsin(np.clip(r[:, 2, 1], -1, 1))
    flat = np.abs(r[:, 2, 1]) > 1 - 1e-9  # z and y turn about the same axis there
    y = np.where(flat, 0.0, np.arctan2(-r[:, 2, 0], r[:, 2, 2]))
    z = np.where(flat, np.arctan2(r[:, 1, 0], r[:, 0, 0]), np.arctan2(-r[:, 0, 1], r[:, 1, 1]))
    return np.degrees(np.unwrap(np.stack([z, x, y], 1), axis=0))
