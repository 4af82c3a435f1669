"""Sorts of scenes by name: each is a function of (seed, index) that gives a `palmar.synth.world.Scene`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from palmar.synth.scenes import acting, company, desk, face, holding, interacting, wearer, webcam
from palmar.synth.world import Scene

Builder = Callable[[int, int], Scene]
"""Takes (seed, index)."""

SCENES: Mapping[str, Builder] = {
    "webcam": webcam.build,
    "interacting": interacting.build,
    "egocentric": wearer.build,
    "hand at face": face.build,
    "company": company.build,
    "desk": desk.build,
    "holding": holding.build,
    "acting": acting.build,
}
