"""Where to cut the picture for a network that looks at one hand: upright, about the hull of its keypoints."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from palmar.geometry.crop import Crop, angle_up

WRIST, MIDDLE_MCP = 0, 9


def aim_at(keypoints: Float[np.ndarray, "n 21 2"], scale: float) -> Float[np.ndarray, "n 3 2"]:
    """Where to cut a crop around each hand: its middle, (logarithm of its width, 0), and the direction that points up
    in it.

    The hull is that of the hand turned upright, as the landmarker learned it. The direction's length is the palm's over
    the hull's, so that it counts little in a filter where the hand is seen end on and it says little.
    """
    up = keypoints[:, MIDDLE_MCP] - keypoints[:, WRIST]
    length = np.maximum(np.sqrt((up * up).sum(-1, keepdims=True)), 1e-6)
    axes = np.empty((len(up), 2, 2))  # rows: right and down in the crop
    axes[:, 1] = -up / length
    axes[:, 0, 0], axes[:, 0, 1] = axes[:, 1, 1], -axes[:, 1, 0]
    turned = keypoints @ np.swapaxes(axes, -1, -2)
    low, high = turned.min(1), turned.max(1)
    long = np.maximum((high - low).max(-1), 2.0)
    out = np.zeros((len(keypoints), 3, 2))
    out[:, 0] = ((low + high)[:, None] / 2 @ axes)[:, 0]
    out[:, 1, 0] = np.log(scale * long)
    out[:, 2] = up / long[:, None]
    return out


def crops_of(aim: Float[np.ndarray, "n 3 2"], size: int = 128) -> list[Crop]:
    """The crops of `aim_at`."""
    angles = angle_up(aim[:, 2])
    return [
        Crop((x, y), math.exp(width), angle, size)
        for (x, y), width, angle in zip(aim[:, 0].tolist(), aim[:, 1, 0].tolist(), angles.tolist(), strict=True)
    ]
