"""`palmar convert`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from palmar.cli.talk import note


@dataclass(frozen=True)
class Convert:
    """Write a first-person data set, such as what palmar synth acted, in the layout of H2O, FPHA,
    FreiHAND, HO3D, InterHand2.6M or DexYCB.

    Each loses what its layout has no place for (docs/datasets.md). All that reads the layout then runs without the real
    data.
    """

    data: Annotated[Positional[str], arg(metavar="DATA")]
    """kind:/path, such as synthetic:/data/acted or h2o:/data/h2o; or a path, whose contents say what it is."""
    out: Annotated[Positional[str], arg(metavar="OUT")]
    """Folder to write; it appears whole or not at all."""
    to: Annotated[
        Literal["h2o", "fpha", "freihand", "ho3d", "interhand", "dexycb"],
        arg(metavar="h2o|fpha|freihand|ho3d|interhand|dexycb"),
    ]
    """Layout."""
    overwrite: bool = False
    """Replace an earlier one."""

    def run(self) -> int:
        from palmar.data.datasets import WRITTEN, open_split, write_dataset

        splits = {name: open_split(self.data, name) for name in WRITTEN[self.to]}
        splits = {name: split for name, split in splits.items() if len(split.frames) or len(split.clips)}
        write_dataset(self.to, self.out, splits, overwrite=self.overwrite)
        parts = [f"{name} {len(split.frames)} frames, {len(split.clips)} clips" for name, split in splits.items()]
        note(f"{self.out}: {self.to}: {', '.join(parts)}.")
        return 0
