"""The 21 YCB objects (Calli et al. 2015; numbers of Xiang et al. 2018) that HO3D and DexYCB show."""

from __future__ import annotations

from pathlib import Path

from palmar.data.textfiles import read_json
from palmar.errors import PalmarError
from palmar.types.firstperson import Vocabulary

YCB = (
    "002_master_chef_can", "003_cracker_box", "004_sugar_box", "005_tomato_soup_can", "006_mustard_bottle",
    "007_tuna_fish_can", "008_pudding_box", "009_gelatin_box", "010_potted_meat_can", "011_banana",
    "019_pitcher_base", "021_bleach_cleanser", "024_bowl", "025_mug", "035_power_drill", "036_wood_block",
    "037_scissors", "040_large_marker", "051_large_clamp", "052_extra_large_clamp", "061_foam_brick",
)  # fmt: skip
"""Names of objects 1 to 21."""
VOCABULARY = Vocabulary(("none", *YCB), ("none",))
EXTRA = "palmar.json"
"""What palmar writes beside the data where the objects are not these."""


def read_extra(root: Path) -> dict[str, object]:
    """`palmar.json` of a folder; nothing where there is none, as in the real data sets."""
    path = root / EXTRA
    if not path.is_file():
        return {}
    found = read_json(path, 1 << 20, "what palmar wrote beside a data set")
    if not isinstance(found, dict):
        raise PalmarError(f"{path}: expected an object.")
    return found


def vocabulary_of(root: Path) -> Vocabulary:
    """YCB's, or that of `palmar.json`."""
    names = read_extra(root).get("objects")
    if names is None:
        return VOCABULARY
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise PalmarError(f"{root / EXTRA}: objects: expected a list of names.")
    try:
        return Vocabulary(tuple(names), ("none",))
    except PalmarError as err:
        raise PalmarError(f"{root / EXTRA}: {err}") from err
