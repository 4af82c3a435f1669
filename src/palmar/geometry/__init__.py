"""Cameras, crops, rotations and alignment. Conventions: metres, radians, pixels; camera axes x right, y down, z forward."""

from palmar.geometry.camera import BrownConrady, Camera, KannalaBrandt, read_camera

__all__ = ["BrownConrady", "Camera", "KannalaBrandt", "read_camera"]
