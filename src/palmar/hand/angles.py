"""Anatomical angles of a pose: how far each joint is bent, spread and twisted. The inverse of
`HandModel.rotations_from_angles`."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from palmar.geometry.rotations import rotmat_from_rotvec, rotvec_from_rotmat
from palmar.hand.joints import POSE_OF_FINGER
from palmar.hand.model import HandModel

MOTIONS = ("flexion", "abduction", "twist")
JOINT_NAMES = {
    "thumb": ("CMC", "MCP", "IP"),
    "index": ("MCP", "PIP", "DIP"),
    "middle": ("MCP", "PIP", "DIP"),
    "ring": ("MCP", "PIP", "DIP"),
    "little": ("MCP", "PIP", "DIP"),
}
"""Finger to its joints, proximal to distal: the first two axes of an array of angles."""
STEPS = 25
DAMPING = 1e-3
"""Of Levenberg and Marquardt's steps. At a flexion of 90 degrees abduction and twist turn about the same axis, and only
their sum is told; the damping then shares it out evenly."""


def angles_from_rotations(
    rotations: Float[np.ndarray, "*b 16 3 3"], model: HandModel | None = None
) -> Float[np.ndarray, "*b 5 3 3"]:
    """Radians: fingers thumb to little, joints proximal to distal, then flexion, abduction, twist.

    rotations: local ones, wrist first (it is not looked at), MANO's tree; model: whose axes count, a right hand's by
    default. R = abduction flexion twist is solved by least squares, for the thumb's axes are not square to each other.
    Numbers that are not finite stay NaN, finger joint by finger joint.
    """
    model = HandModel.default() if model is None else model
    order = [row for rows in POSE_OF_FINGER for row in rows]
    batch = rotations.shape[:-3]
    wanted = np.asarray(rotations, np.float64)[..., order, :, :].reshape(-1, 15, 3, 3)
    good = np.isfinite(wanted).all((-1, -2))
    wanted = np.where(good[..., None, None], wanted, np.eye(3))
    flex, spread, along = (axis.reshape(15, 3) for axis in model._angle_axes)
    found = np.zeros((len(wanted), 15, 3))
    for _ in range(STEPS):
        a = rotmat_from_rotvec(spread * found[..., 1:2])
        f = rotmat_from_rotvec(flex * found[..., 0:1])
        t = rotmat_from_rotvec(along * found[..., 2:3])
        error = rotvec_from_rotmat(np.swapaxes(a @ f @ t, -1, -2) @ wanted)
        back = np.swapaxes(t, -1, -2)
        columns = (
            (back @ flex[..., None])[..., 0],
            (back @ np.swapaxes(f, -1, -2) @ spread[..., None])[..., 0],
            np.broadcast_to(along, found.shape),
        )
        jacobian = np.stack(columns, -1)  # of the turn that is still to go, in the frame of the bone
        square = np.swapaxes(jacobian, -1, -2) @ jacobian + DAMPING * np.eye(3)
        step = np.linalg.solve(square, (np.swapaxes(jacobian, -1, -2) @ error[..., None]))[..., 0]
        found = found + step
        if np.abs(step).max(initial=0.0) < 1e-9:
            break
    found = np.where(good[..., None], (found + np.pi) % (2 * np.pi) - np.pi, np.nan)
    return found.reshape(*batch, 5, 3, 3)
