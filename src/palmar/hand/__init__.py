"""The hand: joint orders, the mirror rule, joint limits, and the parametric model."""

from palmar.hand.joints import BONES, FINGERS, JOINTS, ORDERS, PARENTS, TIPS, convert
from palmar.hand.mirror import mirror_points, mirror_rotmats, mirror_rotvecs
from palmar.hand.model import HandModel, PosedHand, ShapedHand

__all__ = [
    "BONES",
    "FINGERS",
    "JOINTS",
    "ORDERS",
    "PARENTS",
    "TIPS",
    "HandModel",
    "PosedHand",
    "ShapedHand",
    "convert",
    "mirror_points",
    "mirror_rotmats",
    "mirror_rotvecs",
]
