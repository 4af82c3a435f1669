"""The types that cross every public call: `Clip`, `Frame`, `Hands`; of first-person data sets `EgoFrame`, `EgoClip`."""

from palmar.types.clip import Clip, Frame, Frames
from palmar.types.firstperson import EgoClip, EgoFrame, Split, Vocabulary
from palmar.types.hands import COLUMNS, LEFT, RIGHT, SCHEMA_VERSION, Hands

__all__ = [
    "COLUMNS", "LEFT", "RIGHT", "SCHEMA_VERSION", "Clip", "EgoClip", "EgoFrame", "Frame", "Frames", "Hands", "Split",
    "Vocabulary",
]  # fmt: skip
