"""Labelled recordings: a folder with a sub-folder per class, and in it videos, pictures, or results of `palmar track`.

for example in read_examples("folder"):
    example.name, example.hands
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from palmar.errors import PalmarError
from palmar.media.header import sniff
from palmar.media.source import natural
from palmar.recognition.gesture import Example
from palmar.tracking.networks import Networks, OnnxNetworks
from palmar.tracking.result import CLIP, HANDS, read_result
from palmar.tracking.stage import track
from palmar.types import Hands

MOST = 20_000
"""Files of a folder of examples at most."""


@dataclass(frozen=True)
class Recording:
    """A file or result of a class, not yet looked into."""

    name: str
    """Of the class."""
    path: Path


def recordings(folder: str | Path) -> list[Recording]:
    """What a folder of examples holds, in the order of its names. Hidden files are left out.

    Raises PalmarError for a folder that is missing, without classes, or with an empty one.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise PalmarError(f"{folder}: no such folder; give one with a sub-folder of recordings for each class.")
    found: list[Recording] = []
    places = sorted((p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")), key=_order)
    if not places:
        raise PalmarError(f"{folder}: there are no sub-folders in it; put the recordings of each class into one.")
    for place in places:
        of = [p for p in sorted(place.iterdir(), key=_order) if not p.name.startswith(".") and _takes(p)]
        if not of:
            raise PalmarError(f"{place}: no recording in it: videos, pictures, or results of palmar track.")
        found += [Recording(place.name, path) for path in of]
    if len(found) > MOST:
        raise PalmarError(f"{folder}: {len(found)} recordings; {MOST} at most.")
    return found


def read_examples(
    folder: str | Path,
    *,
    max_hands: int = 1,
    networks: Networks | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Iterator[Example]:
    """Every recording with its hands, tracked where it is no result yet. One that shows no hand has none.

    progress: called with the number of recordings done and of all. Raises PalmarError as `recordings` does, and for a
    file that cannot be read.
    """
    every = recordings(folder)
    for done, one in enumerate(every, 1):
        if one.path.is_dir() or one.path.suffix == ".parquet":
            yield _stored(one)
        else:
            networks = networks or OnnxNetworks()
            stills = sniff(one.path) is not None
            clip = track(str(one.path), max_hands=max_hands, networks=networks, stills=stills)
            yield Example(one.name, str(one.path), clip.hands, None if stills else clip.frames.fps)
        if progress is not None:
            progress(done, len(every))


def _stored(one: Recording) -> Example:
    if one.path.is_dir():
        clip = read_result(one.path)
        return Example(one.name, str(one.path), clip.hands, None if clip.info.get("stills") else clip.frames.fps)
    hands = Hands.from_parquet(one.path)
    if (hands.track < 0).all():
        return Example(one.name, str(one.path), hands, None)
    raise PalmarError(f"{one.path}: hands of a video without its {CLIP}; give the whole folder of the result.")


def _takes(path: Path) -> bool:
    if path.is_dir():
        return (path / CLIP).is_file() and (path / HANDS).is_file()
    return path.is_file() and path.suffix.lower() not in (".json", ".txt", ".md", ".csv")


def _order(path: Path) -> tuple:
    return natural(path.name)
