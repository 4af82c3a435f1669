"""Hands of a whole recording made cleaner: gaps filled, wild rows taken out, one hand with one length of bones, true
size, smoothed both ways in time. Every function takes `Hands` and gives `Hands`.

    hands = palmar.clean.reject_outliers(clip.hands, times)
    hands = palmar.clean.fill_gaps(hands, times, longest=0.2)
    clip = palmar.clean.clean(clip, palmar.clean.Cleaning(fill_gaps=0.2, smooth=0.05))

The tracker filters as frames come and knows the past alone; here the future is known too.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from palmar.clean.recipe import Cleaning, clean

if TYPE_CHECKING:
    from palmar.clean.depth import by_depth
    from palmar.clean.gaps import fill_gaps, reject_outliers, trim
    from palmar.clean.size import fix_bone_lengths, hand_length, scale_from_depth, scaled_to_length
    from palmar.clean.smoothing import smooth

_HOMES = {
    "by_depth": "depth",
    "fill_gaps": "gaps",
    "reject_outliers": "gaps",
    "trim": "gaps",
    "fix_bone_lengths": "size",
    "hand_length": "size",
    "scale_from_depth": "size",
    "scaled_to_length": "size",
    "smooth": "smoothing",
}
"""Imported when asked for: the command line reads `Cleaning` for its help alone."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = [
    "Cleaning",
    "by_depth",
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
