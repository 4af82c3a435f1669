"""What is made of frames once and kept, as long as there is room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from palmar.errors import PalmarError
from palmar.types.firstperson import EgoFrame

T = TypeVar("T")


class KeptTargets(Generic[T]):
    """Frames as a network's targets: `kept[i]` is `make(frames[i])`, made once where it fits."""

    def __init__(self, frames: Sequence[EgoFrame], make: Callable[[EgoFrame], T], *, each: int, room: float) -> None:
        """each: bytes of a target; room: bytes for all. Raises PalmarError where there are no frames."""
        if not len(frames):
            raise PalmarError("no frames to learn from; see --data.")
        self.frames, self.make = frames, make
        self.most = int(room / each)
        self._made: dict[int, T] = {}

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> T:
        found = self._made.get(index)
        if found is None:
            found = self.make(self.frames[index])
            if len(self._made) < self.most:
                self._made[index] = found
        return found

    def fill(self) -> None:
        """Makes all targets, in the order in which data sets are read fastest, where all of them fit."""
        if len(self) <= self.most:
            for index in range(len(self)):
                self[index]
