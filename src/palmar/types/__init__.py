"""The types that cross every public call: `Clip`, `Frame`, `Hands`."""

from palmar.types.clip import Clip, Frame, Frames
from palmar.types.hands import COLUMNS, LEFT, RIGHT, SCHEMA_VERSION, Hands

__all__ = ["COLUMNS", "LEFT", "RIGHT", "SCHEMA_VERSION", "Clip", "Frame", "Frames", "Hands"]
