"""Cameras, crops, rotations, alignment. Metres, radians, pixels; camera axes x right, y down, z forward."""

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

__all__ = [
    "BrownConrady", "Camera", "Crop", "Distortion", "KannalaBrandt", "angle_between", "angle_up", "extract_view",
    "read_camera", "rotmat_between", "rotmat_from_rotvec", "rotmat_from_sixd", "rotvec_from_rotmat", "sixd_from_rotmat",
    "solve_pnp", "solve_translation", "translation_from_rays", "virtual_camera",
]
