"""Which recording a frame belongs to, and its number there, by the frame's name: what writers of layouts go by."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MOST = 10_000
"""Frames of one recording, where a layout has four digits for them."""


@dataclass
class Takes:
    """Recordings in the order of their first frames: `scene3/12` is of the recording `scene3`.

    Their names become letters and digits, unlike each other. A recording of more than `most` frames goes on in another.
    """

    most: int = MOST
    names: dict[tuple[str, int], str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def place(self, frame: str) -> tuple[str, int]:
        """Name of the recording, and how many of its frames came before."""
        own = frame.rpartition("/")[0] or "take"
        count = self.counts.get(own, 0)
        self.counts[own] = count + 1
        key = (own, count // self.most)
        if key not in self.names:
            clean = re.sub(r"[^A-Za-z0-9]", "", own.removeprefix("train/").removeprefix("evaluation/")) or "take"
            taken, name, more = set(self.names.values()), clean, 1
            while name in taken:
                more += 1
                name = f"{clean}x{more}"
            self.names[key] = name
        return self.names[key], count % self.most
