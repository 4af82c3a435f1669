"""What dex-retargeting wants of a hand: reference values for its position, vector and DexPilot optimisers.

    indices = retargeting.optimizer.target_link_human_indices          # of dex-retargeting, not imported here
    for row in range(len(hands)):
        q = retargeting.retarget(reference(hands.joints[row], hands.side[row], indices))

The operator's frame: origin in the wrist; of a right hand x points out of the palm, y from the little finger to the
thumb, z from the wrist to the fingertips; of a left hand y points from the thumb to the little finger. A robot hand
whose URDF has another base frame needs a fixed turn first.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from palmar.errors import PalmarError
from palmar.types import RIGHT

WRIST, INDEX_MCP, MIDDLE_MCP = 0, 5, 9
TIPS = (4, 8, 12, 16, 20)
OPERATOR_FROM_WRIST = (
    np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
    np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
)
"""Left, right: rows of points in the wrist's frame times this are points in the operator's."""


def wrist_frame(joints: Float[np.ndarray, "*b 21 3"]) -> Float[np.ndarray, "*b 3 3"]:
    """Axes of the wrist as columns, in the joints' frame: x from the middle knuckle to the wrist, y across the plane of
    wrist, index and middle knuckle, z towards the index finger."""
    wrist, index, middle = (joints[..., k, :].astype(np.float64) for k in (WRIST, INDEX_MCP, MIDDLE_MCP))
    across = np.cross(index - wrist, middle - wrist)
    across = across / np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-12)
    x = wrist - middle
    x = x - (x * across).sum(-1, keepdims=True) * across
    x = x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)
    z = np.cross(x, across)
    flip = np.where((z * (index - middle)).sum(-1, keepdims=True) < 0, -1.0, 1.0)
    return np.stack([x, flip * across, flip * z], -1)


def operator_joints(joints: Float[np.ndarray, "*b 21 3"], side: int | np.integer) -> Float[np.ndarray, "*b 21 3"]:
    """Joints in the operator's frame, metres from the wrist. joints: in any frame; side: 0 left, 1 right.

    Raises PalmarError for numbers that are not finite: a robot is to be told nothing then.
    """
    if not np.isfinite(joints).all():
        raise PalmarError("these joints are not finite; leave such rows out before a robot is moved by them.")
    from_wrist = joints.astype(np.float64) - joints[..., WRIST : WRIST + 1, :]
    return from_wrist @ wrist_frame(joints) @ OPERATOR_FROM_WRIST[int(side == RIGHT)]


def reference(
    joints: Float[np.ndarray, "*b 21 3"],
    side: int | np.integer,
    indices: Int[np.ndarray, "2 k"] | Int[np.ndarray, " k"],
) -> Float[np.ndarray, "*b k 3"]:
    """What `retarget` takes. indices: `target_link_human_indices`: [k] joints whose places are wanted (position), or
    [2, k] the origins and ends of vectors (vector, DexPilot). Raises PalmarError for indices that are none."""
    rows = np.asarray(indices)
    if rows.ndim not in (1, 2) or (rows.ndim == 2 and len(rows) != 2) or ((rows < 0) | (rows > 20)).any():
        raise PalmarError(f"indices: expected [k] or [2, k] of joints 0 to 20, got shape {list(rows.shape)}.")
    own = operator_joints(joints, side)
    if rows.ndim == 1:
        return own[..., rows, :]
    return own[..., rows[1], :] - own[..., rows[0], :]


def dexpilot_indices(fingers: int) -> Int[np.ndarray, "2 k"]:
    """Of DexPilot with so many fingers, 2 to 5: all pairs of fingertips, then the wrist to each."""
    if not 2 <= fingers <= 5:
        raise PalmarError(f"DexPilot knows 2 to 5 fingers, not {fingers}.")
    tips = (WRIST, *TIPS)
    pairs = [(j, i) for i in range(1, fingers) for j in range(i + 1, fingers + 1)]
    pairs += [(0, i) for i in range(1, fingers + 1)]
    return np.array([[tips[a] for a, _ in pairs], [tips[b] for _, b in pairs]])
