"""Where the forearm goes: a shoulder, an elbow, and a wrist that only bends so far."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from palmar.geometry.rotations import rotmat_between, rotvec_from_rotmat

SHOULDER = np.array([0.17, 0.22, -0.06])
"""Of the right arm, from between the eyes, metres."""
UPPER, FORE = 0.29, 0.27
"""Metres from shoulder to elbow and from elbow to wrist of an average person."""
FLEX, DEVIATE = math.radians(70.0), math.radians(32.0)
"""How far a wrist bends to palm and back, and to thumb and little finger."""


def elbow(
    wrist: Float[np.ndarray, " 3"], lead: Float[np.ndarray, " 3"], shoulder: Float[np.ndarray, " 3"] = SHOULDER
) -> Float[np.ndarray, " 3"]:
    """Where a right elbow is, on the circle that both bones allow: near where the hand points back to (`lead`, a unit
    vector from the wrist), and rather low and outside. Continuous in its arguments but where the arm is straight."""
    way = wrist - shoulder
    far = float(np.linalg.norm(way))
    axis = way / far
    reach = min(far, 0.999 * (UPPER + FORE))
    along = (UPPER**2 - FORE**2 + reach**2) / (2 * reach)
    radius = math.sqrt(max(UPPER**2 - along**2, 0.0))
    wish = wrist + FORE * lead - shoulder
    pole = wish + 0.25 * np.array([0.6, 0.8, -0.1])
    pole = pole - axis * (pole @ axis)
    size = float(np.linalg.norm(pole))
    return shoulder + axis * along * (far / reach) + radius * pole / max(size, 1e-6)


def bend(
    world_from_hand: Float[np.ndarray, "4 4"], wrist: Float[np.ndarray, " 3"]
) -> tuple[Float[np.ndarray, " 3"], float]:
    """Of a right hand at a pose: the rotation vector of its forearm against it (as `Dressed.posed` takes it), and how
    far beyond its range the wrist would have to go, radians."""
    turn = world_from_hand[:3, :3]
    point = turn @ wrist + world_from_hand[:3, 3]
    back = turn.T @ (elbow(point, turn[:, 0]) - point)
    back = back / np.linalg.norm(back)
    flex, deviate = math.atan2(back[1], back[0]), math.asin(min(max(back[2], -1.0), 1.0))
    soft_flex, soft_deviate = FLEX * math.tanh(flex / FLEX), DEVIATE * math.tanh(deviate / DEVIATE)
    beyond = max(abs(flex) - FLEX, abs(deviate) - 1.2 * DEVIATE, 0.0)
    c = math.cos(soft_deviate)
    goal = np.array([c * math.cos(soft_flex), c * math.sin(soft_flex), math.sin(soft_deviate)])
    return rotvec_from_rotmat(rotmat_between(np.array([1.0, 0.0, 0.0]), goal)), beyond
