"""Hands that hold things: the 33 grasps of the GRASP taxonomy, closed on any thing until they touch."""

from palmar.synth.grasp.feel import Feel
from palmar.synth.grasp.take import CONTACT, DEEPEST, Grasp, hand_solid, possible, suits, take
from palmar.synth.grasp.taxonomy import GRASPS, GraspKind, grasp_kind

__all__ = [
    "CONTACT",
    "DEEPEST",
    "GRASPS",
    "Feel",
    "Grasp",
    "GraspKind",
    "grasp_kind",
    "hand_solid",
    "possible",
    "suits",
    "take",
]
