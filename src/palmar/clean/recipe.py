"""All cleaning of a clip in one place, in the order in which it makes sense."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import arg

from palmar.errors import PalmarError

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float

    from palmar.types import Clip


@dataclass(frozen=True)
class Cleaning:
    """What is done, from top to bottom. Nothing by default."""

    trim: tuple[float, float] | None = None
    """Keep hands from START to END seconds alone."""
    reject_outliers: bool = False
    """Take out rows whose wrist jumps where it cannot have been, or whose palm has another length."""
    fill_gaps: float | None = None
    """Put rows where a hand was away for this many seconds at most; they have score 0."""
    fix_bones: bool = False
    """One length of each bone over the recording."""
    hand_length: float | None = None
    """Metres from the wrist along the bones to the middle fingertip: sets the true size, and with it the distance."""
    depth: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Depth maps of the same camera, one a frame in the order of names: 16-bit PNG in millimetres, or .npy in metres.
    They set each hand's size and distance."""
    smooth: float | None = None
    """Smooth over this many seconds (standard deviation), both ways in time."""

    def check(self) -> None:
        """Raises PalmarError for steps that contradict each other and for depth maps that are not there."""
        if self.depth is None:
            return
        if self.hand_length is not None:
            raise PalmarError("two sizes for one hand: give --hand-length or --depth, not both.")
        from palmar.clean.depth import DepthMaps

        DepthMaps(self.depth)

    def steps(self) -> dict[str, Any]:
        """What is asked for, by name."""
        return {name: value for name, value in vars(self).items() if value not in (None, False)}


NOTHING = Cleaning()


def clean(clip: Clip, cleaning: Cleaning) -> Clip:
    """The clip with its hands cleaned, and what was done in `info`. Raises PalmarError for unrelated pictures, and what
    the steps raise."""
    steps = cleaning.steps()
    if not steps:
        return clip
    cleaning.check()
    from palmar.clean.depth import by_depth
    from palmar.clean.gaps import fill_gaps, reject_outliers, trim
    from palmar.clean.size import fix_bone_lengths, scaled_to_length
    from palmar.clean.smoothing import smooth

    times = _times(clip)
    hands = clip.hands
    told: dict[str, Any] = {name: str(value) if isinstance(value, Path) else value for name, value in steps.items()}
    if cleaning.trim is not None:
        hands = trim(hands, times, *cleaning.trim)
        told["trim"] = list(cleaning.trim)
    if cleaning.reject_outliers:
        before = len(hands)
        hands = reject_outliers(hands, times)
        told["rows_rejected"] = before - len(hands)
    if cleaning.fill_gaps is not None:
        before = len(hands)
        hands = fill_gaps(hands, times, cleaning.fill_gaps)
        told["rows_filled"] = len(hands) - before
    if len(hands) and cleaning.hand_length is not None:
        hands = scaled_to_length(hands, cleaning.hand_length)
    elif len(hands) and cleaning.depth is not None:
        hands, told["scaled_by_depth"] = by_depth(hands, cleaning.depth, clip.camera)
    elif len(hands) and cleaning.fix_bones:
        hands = fix_bone_lengths(hands)
    if cleaning.smooth is not None:
        hands = smooth(hands, times, cleaning.smooth)
    return clip.replace(hands=hands, info={**clip.info, "cleaned": told})


def _times(clip: Clip) -> Float[np.ndarray, " f"]:
    import numpy as np

    known = clip.info.get("times")
    if known is not None and len(known):
        return np.asarray(known, np.float64)
    if clip.frames.fps is None:
        raise PalmarError(f"{clip.frames.source}: unrelated pictures cannot be cleaned over time.")
    count = clip.info.get("frames") or (int(clip.hands.frame.max()) + 1 if len(clip.hands) else 0)
    return np.arange(int(count)) / clip.frames.fps
