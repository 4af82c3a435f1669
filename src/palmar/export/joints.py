"""Names of joints in other worlds: WebXR's 25, and those of our 16 bones by them."""

from __future__ import annotations

FINGERS = ("index", "middle", "ring", "pinky")
WEBXR: tuple[str, ...] = (
    "wrist",
    *(f"thumb-{part}" for part in ("metacarpal", "phalanx-proximal", "phalanx-distal", "tip")),
    *(
        f"{finger}-finger-{part}"
        for finger in FINGERS
        for part in ("metacarpal", "phalanx-proximal", "phalanx-intermediate", "phalanx-distal", "tip")
    ),
)
"""The WebXR Hand Input module's joints in their order (OpenXR has the palm before them)."""
OF_21 = (0, 1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 13, 14, 16, 17, 18, 19, 21, 22, 23, 24)
"""Rows of WebXR's joints that are our 21; the metacarpals of the four fingers (5, 10, 15, 20) are not among them."""
WEBXR_PARENTS = (-1, 0, 1, 2, 3, 0, 5, 6, 7, 8, 0, 10, 11, 12, 13, 0, 15, 16, 17, 18, 0, 20, 21, 22, 23)
BONE_NAMES = tuple(WEBXR[i] for i in (0, 6, 7, 8, 11, 12, 13, 21, 22, 23, 16, 17, 18, 1, 2, 3))
"""Of the model's 16 bones: wrist, index, middle, little, ring, thumb (MANO's tree)."""
TIP_NAMES = tuple(WEBXR[i] for i in (4, 9, 14, 19, 24))
"""Thumb to little."""
TIP_PARENTS = (15, 3, 6, 12, 9)
"""Bones that the tips ride on."""
