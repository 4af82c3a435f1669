"""The hand: joint orders, the mirror rule, joint limits, the parametric model, MANO files, fits between models."""

from palmar.hand.fitting import Fit, fit
from palmar.hand.inverse import pose_of_joints, pose_of_skin
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
    "Fit",
    "HandModel",
    "PosedHand",
    "ShapedHand",
    "convert",
    "fit",
    "mirror_points",
    "mirror_rotmats",
    "mirror_rotvecs",
    "pose_of_joints",
    "pose_of_skin",
]
