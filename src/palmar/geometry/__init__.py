"""Cameras, crops, rotations, alignment. Metres, radians, pixels; camera axes x right, y down, z forward."""

from palmar.geometry.align import Similarity, apply, procrustes
from palmar.geometry.camera import BrownConrady, Camera, Distortion, KannalaBrandt, read_camera
from palmar.geometry.crop import Crop, angle_up, extract_view, virtual_camera
from palmar.geometry.pnp import solve_pnp, solve_translation, translation_from_rays
from palmar.geometry.rotations import (
    angle_between,
    rotmat_between,
    rotmat_from_rotvec,
    rotmat_from_sixd,
    rotvec_from_rotmat,
    sixd_from_rotmat,
)
from palmar.geometry.sampling import farthest_points
from palmar.geometry.transforms import inverse, rigid, transformed
from palmar.geometry.triangulate import triangulate, triangulate_views

__all__ = [
    "BrownConrady", "Camera", "Crop", "Distortion", "KannalaBrandt", "Similarity", "angle_between", "angle_up", "apply",
    "extract_view", "farthest_points", "inverse", "procrustes", "read_camera", "rigid", "rotmat_between",
    "rotmat_from_rotvec", "rotmat_from_sixd", "rotvec_from_rotmat", "sixd_from_rotmat", "solve_pnp",
    "solve_translation", "transformed", "translation_from_rays", "triangulate", "triangulate_views", "virtual_camera",
]
