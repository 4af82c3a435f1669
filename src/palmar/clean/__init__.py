"""Hands of a whole recording made cleaner: gaps filled, wild rows taken out, one hand with one length of bones, true
size, smoothed both ways in time. Every function takes `Hands` and gives `Hands`.

    hands = palmar.clean.reject_outliers(clip.hands, times)
    hands = palmar.clean.fill_gaps(hands, times, longest=0.2)
    clip = palmar.clean.clean(clip, palmar.clean.Cleaning(fill_gaps=0.2, smooth=0.05))

The tracker filters as frames come and knows the past alone; here the future is known too.
"""

from palmar.clean.gaps import fill_gaps, reject_outliers, trim
from palmar.clean.recipe import Cleaning, clean
from palmar.clean.size import fix_bone_lengths, hand_length, scale_from_depth, scaled_to_length
from palmar.clean.smooth import smooth

__all__ = [
    "Cleaning",
    "clean",
    "fill_gaps",
    "fix_bone_lengths",
    "hand_length",
    "reject_outliers",
    "scale_from_depth",
    "scaled_to_length",
    "smooth",
    "trim",
]
