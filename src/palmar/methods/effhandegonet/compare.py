"""The whole frame against crops: EffHandEgoNet beside EffHandNet on the same pictures, and where hands overlap or hold.

EffHandNet is given crops about the hands that the tracker's detector finds, as it would be used, and, as the best that
it could be given, crops about the true hands. A hand that a network or the detector thinks absent has no keypoints, so
the column "missed = 0" is the fair one.

    python -m palmar.methods.effhandegonet.compare --ego RUN... --hand RUN... --data synthetic:DIR
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
from tyro.conf import arg

from palmar.data.datasets import frames_of, open_split
from palmar.errors import PalmarError
from palmar.methods.effhandegonet.crop_training import behind_detector, on_true_crops, read_hand
from palmar.methods.effhandegonet.pose_training import from_network, read_ego
from palmar.methods.effhandegonet.scores import score_frames
from palmar.tasks.method import Report

HARD = "overlapping or holding"
EGO, BEHIND, CROPS = "EffHandEgoNet, whole frame", "EffHandNet, behind the detector", "EffHandNet, true crops"


@dataclass(frozen=True)
class ComparePose:
    """Runs of EffHandEgoNet against as many of EffHandNet, one pair for each seed, on held-out frames."""

    ego: Annotated[tuple[Path, ...], arg(metavar="DIR...")]
    """Runs of EffHandEgoNet."""
    hand: Annotated[tuple[Path, ...], arg(metavar="DIR...")]
    """Runs of EffHandNet."""
    data: str = field(kw_only=True)
    split: str = "test"
    limit: int = 400
    """Frames at most."""

    def run(self) -> Report:
        if len(self.ego) != len(self.hand) or not self.ego:
            raise PalmarError(f"{len(self.ego)} runs of EffHandEgoNet and {len(self.hand)} of EffHandNet; give pairs.")
        frames = frames_of(open_split(self.data, self.split), self.data, self.limit)
        found: dict[str, list] = {EGO: [], BEHIND: [], CROPS: []}
        for ego, hand in zip(self.ego, self.hand, strict=True):
            predict, crops = from_network(read_ego(ego)[0]), read_hand(hand)[0]
            whole = np.stack([predict(frame.image) for frame in frames])  # type: ignore[arg-type]
            told = whole, behind_detector(crops, frames), on_true_crops(crops, frames)
            for rows, points in zip(found.values(), told, strict=True):
                rows.append(score_frames(points, frames).figures)
        return compared(found)


def compared(found: dict[str, list]) -> Report:
    """Mean and spread over seeds of each network's figures, by part.

    It passes where the first, the whole frame, has a higher PCK than the second, misses counted, on hands that overlap
    or hold, by more than the spreads.
    """
    figures: dict[str, dict] = {}
    rows = ["| network | frames | EPE px | PCK@0.2, missed = 0 |", "|---|---|---|---|"]
    for name, seeds in found.items():
        for part in seeds[0]:
            values = {key: np.array([seed[part][key] for seed in seeds]) for key in ("epe", "pck_of_all")}
            mean, spread = ({key: float(f(v)) for key, v in values.items()} for f in (np.mean, np.std))
            figures.setdefault(name, {})[part] = {"mean": mean, "spread": spread, "n": seeds[0][part]["pictures"]}
            rows.append(
                f"| {name} | {part} ({seeds[0][part]['pictures']}) | {mean['epe']:.1f} +- {spread['epe']:.1f} | "
                f"{mean['pck_of_all']:.3f} +- {spread['pck_of_all']:.3f} |"
            )
    hard = [of.get(HARD) for of in figures.values()]
    passed = None
    if all(part is not None for part in hard):
        gap = hard[0]["mean"]["pck_of_all"] - hard[1]["mean"]["pck_of_all"]
        passed = gap > hard[0]["spread"]["pck_of_all"] + hard[1]["spread"]["pck_of_all"]
    return Report(figures, "\n".join(rows), passed)


if __name__ == "__main__":
    import tyro

    print(tyro.cli(ComparePose).run().table)
