"""HInt: hands in the wild in 2D, each joint with whether it is hidden (Pavlakos et al., CVPR 2024).

    hands = read_hint("HInt_annotation", "TEST")     # every hand of a part; hands[0].image is read when asked for
    write_hint("folder", {"TEST_newdays_img": hands})

    TEST_newdays_img/ND_abc_frame008373_l.jpg        # and TEST_epick_img, TEST_ego4d_img, TEST_ego4d_seq
    TEST_newdays_img/ND_abc_frame008373_l.json       # a list of one: keypoints, occlusion, bbox

Pixels of the picture, OpenPose order: the files' own conventions are palmar's. The last word of a name says the side.
Pictures of Ego4D are not in the release; a hand without picture has None. `hint_scores` is the published figure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8

from palmar.data.ego import Lazy
from palmar.data.textfiles import NAME, read_json, write_text
from palmar.errors import PalmarError, one_of
from palmar.media.folder import whole_folder
from palmar.media.picture import decode, write_image
from palmar.types.firstperson import EgoFrame
from palmar.types.hands import LEFT, RIGHT

PARTS = ("TRAIN", "VAL", "TEST")
SOURCES = ("newdays_img", "epick_img", "ego4d_img", "ego4d_seq")
_EXPECTED = "a list of one object with keypoints, occlusion and bbox"
_MAX = 64 << 10


@dataclass(frozen=True, eq=False)
class HintHand:
    """One hand of a picture."""

    name: str
    """Its last word is l or r."""
    side: int
    keypoints: Float[np.ndarray, "21 2"]
    """Pixels."""
    hidden: Bool[np.ndarray, " 21"]
    box: Float[np.ndarray, " 4"]
    """x0 y0 x1 y1, pixels, not widened."""
    image: UInt8[np.ndarray, "h w 3"] | None = None


def read_hand(path: Path) -> HintHand:
    """One JSON file, with the picture beside it, if there is any."""
    side = {"l": LEFT, "r": RIGHT}.get(path.stem.rpartition("_")[2])
    if side is None:
        raise PalmarError(f"{path}: expected a name that ends in _l or _r.")
    rows = read_json(path, _MAX, _EXPECTED)
    if not isinstance(rows, list) or len(rows) != 1 or not isinstance(rows[0], dict):
        raise PalmarError(f"{path}: expected {_EXPECTED}.")
    found = {}
    for key, shapes in (("keypoints", ((21, 2),)), ("occlusion", ((21,),)), ("bbox", ((1, 4), (4,)))):
        try:
            array = np.array(rows[0].get(key), np.float64)
        except (TypeError, ValueError, OverflowError) as err:
            raise PalmarError(f"{path}: {key}: not numbers; expected {_EXPECTED}.") from err
        if array.shape not in shapes or not np.isfinite(array).all():
            wanted = " x ".join(map(str, shapes[0]))
            raise PalmarError(f"{path}: {key}: expected {wanted} finite numbers, got shape {array.shape}.")
        found[key] = array
    picture = path.with_suffix(".jpg")
    image = decode(picture).image if picture.exists() else None
    return HintHand(path.stem, side, found["keypoints"], found["occlusion"] > 0, found["bbox"].reshape(4), image)


def read_hint(root: str | Path, part: str = "TEST", sources: Iterable[str] = SOURCES) -> Lazy:
    """Every `HintHand` of a part, source after source, in the alphabet's order; each is read when it is asked for."""
    root = Path(root)
    one_of("part of HInt", part, PARTS)
    folders = [root / f"{part}_{one_of('source of HInt', source, SOURCES)}" for source in sources]
    files = [path for folder in folders if folder.is_dir() for path in sorted(folder.glob("*.json"))]
    if not files:
        raise PalmarError(f"{root}: no folder such as {part}_newdays_img with JSON files in it.")
    return Lazy(len(files), lambda i: read_hand(files[i]))


def hands_of(frames: Iterable[EgoFrame]) -> Iterable[HintHand]:
    """The hands of pictures whose joints all lie before the camera. What hides a joint is not known: none is hidden."""
    for frame in frames:
        for side in (LEFT, RIGHT):
            points = frame.keypoints[side]
            if np.isfinite(points).all():
                name = f"{frame.name.replace('/', '_')}_{'lr'[side]}"
                box = np.concatenate([points.min(0), points.max(0)])
                yield HintHand(name, side, points, np.zeros(21, bool), box, frame.image)


def write_hint(root: str | Path, folders: Mapping[str, Iterable[HintHand]], *, overwrite: bool = False) -> None:
    """Hands in the layout of HInt: the folder appears whole or not at all. folders: by name, `TEST_newdays_img`."""
    names = [f"{part}_{source}" for part in PARTS for source in SOURCES]
    first = next(iter(folders), "TEST_newdays_img")
    with whole_folder(root, overwrite, marker=f"{first}/palmar.txt") as whole:
        for folder, hands in folders.items():
            place = whole / one_of("folder of HInt", folder, names)
            place.mkdir()
            write_text(place / "palmar.txt", "Written by palmar.\n")
            for hand in hands:
                if not NAME.fullmatch(hand.name) or hand.name[-2:] != f"_{'lr'[hand.side]}":
                    raise PalmarError(f"{hand.name[:80]!r}: expected a name of a file that ends in _{'lr'[hand.side]}.")
                path = place / f"{hand.name}.json"
                if path.exists():
                    raise PalmarError(f"{hand.name}: two hands of this name.")
                row = {
                    "keypoints": hand.keypoints.tolist(),
                    "occlusion": hand.hidden.astype(int).tolist(),
                    "bbox": [hand.box.tolist()],
                }
                write_text(path, json.dumps([row]))
                if hand.image is not None:
                    write_image(path.with_suffix(".jpg"), hand.image)
