"""The 33 grasps of the GRASP taxonomy (Feix, Romero, Schmiedmayer, Dollar and Kragic 2016, IEEE THMS 46: 66): what each
is, what it suits, and the posture a hand starts from. Names, numbers, opposition, thumb and virtual fingers are the
taxonomy's; postures, sizes and patches are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float

from palmar.errors import PalmarError
from palmar.synth.gestures import _angles
from palmar.synth.things.thing import GripShape

Sizes = Mapping[GripShape, tuple[float, float]]
"""Millimetres between the surfaces that are pressed, smallest and largest, by the shape of the grip."""


@dataclass(frozen=True)
class GraspKind:
    """One of the 33."""

    number: int
    name: str
    type: Literal["power", "intermediate", "precision"]
    opposition: Literal["palm", "pad", "side"]
    thumb: Literal["abducted", "adducted"]
    second: tuple[int, ...]
    """Fingers of the second virtual finger, 2 the index to 5 the little, which press against the first (thumb, palm or
    the side of a finger)."""
    suits: Sizes
    closed: str
    """Posture around something very thin: a line as in `palmar.synth.gestures`."""
    open: str
    """Posture around something as large as it suits."""
    ones: tuple[str, ...]
    """Patches of the first virtual finger: one of them must touch."""
    twos: tuple[str, ...]
    """Patches of the second: one of them must touch."""
    also: tuple[str, ...] = ()
    """Patches that touch if they can."""
    lie: Literal["row", "out", "any", "rim"] = "any"
    """How a long thing lies: along the row of fingers, outward along them, anyhow; a disk held by its rim."""
    slant: tuple[float, float] = (-10.0, 10.0)
    """Degrees by which a rod in the palm, or a thing held `row` or `out`, may lie aslant."""
    wraps: bool = False
    """Lies in the palm, with the fingers around it."""
    deep: bool = False
    """Reaches further in from the end that the hand comes from than to the fingers' ends."""
    slim: float = np.inf
    """Largest ratio of the two widths of a rod."""
    long: float = 0.0
    """Millimetres of rod that must be free for the hand."""
    start: Float[np.ndarray, "2 5 3 3"] = field(init=False, repr=False, compare=False)
    """Angles of closed and open."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", np.stack([_angles(self.closed), _angles(self.open)]))


def _pads(*fingers: str, bone: int = 2) -> tuple[str, ...]:
    return tuple(f"{finger} {bone} pad" for finger in fingers)


_FOUR = ("index", "middle", "ring", "little")
_PALM = ("heads", "palm", "hypothenar", "thenar")
_WRAP = (*_pads(*_FOUR), *_pads(*_FOUR, bone=1))
_INNER = _pads(*_FOUR, bone=0)

_TABLE = (
    GraspKind(
        1, "Large Diameter", "power", "palm", "abducted", (2, 3, 4, 5), {"rod": (55, 106)},
        "opposed | half | near", "opposed | curved | near", _PALM, _WRAP,
        ("thumb 2 pad", *_INNER), "row", (-5, 15), True, long=70,
    ),
    GraspKind(
        2, "Small Diameter", "power", "palm", "abducted", (2, 3, 4, 5), {"rod": (16, 36)},
        "over | loose | near", "over loose | half | near", _PALM, _WRAP,
        ("thumb 2 pad", *_INNER), "row", (5, 25), True, long=70,
    ),
    GraspKind(
        3, "Medium Wrap", "power", "palm", "abducted", (2, 3, 4, 5), {"rod": (32, 62)},
        "over loose | loose | near", "opposed | half | near", _PALM, _WRAP,
        ("thumb 2 pad", *_INNER), "row", (0, 20), True, long=70,
    ),
    GraspKind(
        4, "Adducted Thumb", "power", "palm", "adducted", (2, 3, 4, 5), {"rod": (16, 40)},
        "side | loose | near", "side | half | near", _PALM, _WRAP,
        ("thumb 2 pad", *_INNER), "row", (15, 35), True, long=70,
    ),
    GraspKind(
        5, "Light Tool", "power", "palm", "adducted", (2, 3, 4, 5), {"rod": (9, 20)},
        "beside | fist | near", "side | loose | near", _PALM, _WRAP,
        ("thumb 2 pad", "index 1 pad", *_INNER), "row", (10, 35), True, long=60,
    ),
    GraspKind(
        6, "Prismatic 4 Finger", "precision", "pad", "abducted", (2, 3, 4, 5), {"rod": (5, 55), "slab": (5, 50)},
        "meet purse | purse | closed", "opposed | slope | near", ("thumb 2 pad",), _pads(*_FOUR), (), "row",
    ),
    GraspKind(
        7, "Prismatic 3 Finger", "precision", "pad", "abducted", (2, 3, 4), {"rod": (5, 50), "slab": (5, 45)},
        "meet purse | purse purse purse loose | closed", "opposed | slope slope slope half | near",
        ("thumb 2 pad",), _pads("index", "middle", "ring"), (), "row",
    ),
    GraspKind(
        8, "Prismatic 2 Finger", "precision", "pad", "abducted", (2, 3), {"rod": (4, 45), "slab": (3, 40)},
        "meet purse | purse purse half loose | closed", "opposed | slope slope half half | near",
        ("thumb 2 pad",), _pads("index", "middle"), (), "row",
    ),
    GraspKind(
        9, "Palmar Pinch", "precision", "pad", "abducted", (2,), {"slab": (0.5, 40), "rod": (3, 40), "disk": (1, 30)},
        "meet index | meet relaxed curved half | near", "cee | slope relaxed curved half | near",
        ("thumb 2 pad",), _pads("index"),
    ),
    GraspKind(
        10, "Power Disk", "power", "palm", "abducted", (2, 3, 4, 5), {"disk": (55, 108)},
        "opposed | claw | fan", "wide | claw | wide", _PALM, (*_pads(*_FOUR), *_INNER),
        ("thumb 2 pad", *_pads(*_FOUR, bone=1)), "rim", (-180, 180), True,
    ),
    GraspKind(
        11, "Power Sphere", "power", "palm", "abducted", (2, 3, 4, 5), {"ball": (45, 95)},
        "cee | half | fan", "opposed | claw | wide", _PALM, _WRAP,
        ("thumb 2 pad", *_INNER), "any", (-180, 180), True,
    ),
    GraspKind(
        12, "Precision Disk", "precision", "pad", "abducted", (2, 3, 4, 5), {"disk": (35, 105)},
        "meet all | ring | fan", "opposed | claw | wide", ("thumb 2 pad",), _pads(*_FOUR), (), "rim",
    ),
    GraspKind(
        13, "Precision Sphere", "precision", "pad", "abducted", (2, 3, 4, 5), {"ball": (35, 85)},
        "meet all | ring | fan", "opposed | claw | wide", ("thumb 2 pad",), _pads(*_FOUR),
    ),
    GraspKind(
        14, "Tripod", "precision", "pad", "abducted", (2, 3),
        {"ball": (12, 50), "rod": (8, 40), "disk": (12, 45), "slab": (8, 40)},
        "meet purse | purse purse half loose | closed", "opposed | slope slope half half | near",
        ("thumb 2 pad",), _pads("index", "middle"), (), "out", (-30, 30),
    ),
    GraspKind(
        15, "Fixed Hook", "power", "palm", "adducted", (2, 3, 4, 5), {"rod": (8, 36)},
        "side | hook | near", "side | crook | near", (*_pads(*_FOUR, bone=0), "heads"), _WRAP, (), "row", (-6, 6), True,
        long=60,
    ),
    GraspKind(
        16, "Lateral", "intermediate", "side", "adducted", (2,), {"slab": (0.5, 16), "rod": (2, 14), "disk": (1, 14)},
        "key | fist | near", "key | loose | near", ("thumb 2 pad",), ("index 1 radial", "index 2 radial"),
        (), "out", (-40, 40),
    ),
    GraspKind(
        17, "Index Finger Extension", "power", "palm", "adducted", (3, 4, 5), {"rod": (12, 36)},
        "side | soft fist fist fist | near", "side | soft loose loose loose | near", _PALM,
        (*_pads("middle", "ring", "little"), *_pads("middle", "ring", "little", bone=1)),
        ("index 2 pad", "thumb 2 pad", "index 1 pad"), "row", (10, 30), True, long=70,
    ),
    GraspKind(
        18, "Extension Type", "power", "pad", "abducted", (2, 3, 4, 5), {"slab": (2, 40), "disk": (4, 30)},
        "meet all | table | closed", "opposed | slope | near", ("thumb 2 pad", "thumb 1 pad"), _pads(*_FOUR),
        _pads(*_FOUR, bone=1), "any", deep=True,
    ),
    GraspKind(
        19, "Distal Type", "power", "pad", "abducted", (2, 3, 4, 5), {"rod": (15, 50), "slab": (15, 50)},
        "meet all | ring | closed", "opposed | bow | near", ("thumb 2 pad",), _pads(*_FOUR),
        _pads(*_FOUR, bone=1), "row",
    ),
    GraspKind(
        20, "Writing Tripod", "precision", "side", "abducted", (3,), {"rod": (5, 16)},
        "meet purse | purse bow half loose | closed", "meet purse | purse bow half loose | closed",
        ("thumb 2 pad",), ("middle 2 radial",), ("index 2 pad", "index 0 radial"), "out", (-10, 10),
        long=110, deep=True, slim=2.2,
    ),
    GraspKind(
        21, "Tripod Variation", "intermediate", "side", "abducted", (3, 4), {"rod": (4, 14)},
        "meet purse | slope bow half loose | near", "meet purse | slope bow half loose | near",
        ("thumb 2 pad", "index 2 pad"), ("middle 2 radial", "middle 1 radial"), ("index 0 radial",), "out", (-15, 15),
        long=110, deep=True, slim=2.2,
    ),
    GraspKind(
        22, "Parallel Extension", "precision", "pad", "adducted", (2, 3, 4, 5), {"slab": (2, 40)},
        "meet all | table | closed", "opposed | table | closed", ("thumb 2 pad",), _pads(*_FOUR),
        (), "row", (-20, 20),
    ),
    GraspKind(
        23, "Adduction Grip", "intermediate", "side", "abducted", (2,), {"rod": (4, 12), "slab": (1, 10)},
        "rest | straight straight curved curved | closed", "rest | soft soft curved curved | rest",
        ("index 2 ulnar", "index 1 ulnar"), ("middle 2 radial", "middle 1 radial"), (), "any",
    ),
    GraspKind(
        24, "Tip Pinch", "precision", "pad", "abducted", (2,), {"ball": (4, 14), "rod": (1.5, 9), "slab": (0.5, 8)},
        "meet index | meet relaxed curved half | near", "cee | crook relaxed curved half | near",
        ("thumb 2 tip",), ("index 2 tip",),
    ),
    GraspKind(
        25, "Lateral Tripod", "intermediate", "side", "adducted", (3,), {"rod": (5, 18), "slab": (3, 14)},
        "key | bow loose loose half | closed", "key | bow loose loose half | closed",
        ("thumb 2 pad",), ("middle 2 radial", "middle 1 radial"), ("index 2 pad",), "out", (-30, 30), slim=2.2,
    ),
    GraspKind(
        26, "Sphere 4 Finger", "power", "pad", "abducted", (2, 3, 4), {"ball": (40, 85)},
        "meet purse | ring ring ring half | fan", "opposed | claw | wide", ("thumb 2 pad",),
        _pads("index", "middle", "ring"), _pads("index", "middle", "ring", bone=1),
    ),
    GraspKind(
        27, "Quadpod", "precision", "pad", "abducted", (2, 3, 4), {"ball": (18, 60), "disk": (20, 65), "rod": (15, 50)},
        "meet purse | purse purse purse loose | closed", "opposed | slope slope slope half | near",
        ("thumb 2 pad",), _pads("index", "middle", "ring"), (), "out", (-30, 30),
    ),
    GraspKind(
        28, "Sphere 3 Finger", "power", "pad", "abducted", (2, 3), {"ball": (30, 75)},
        "meet purse | ring ring half loose | fan", "opposed | claw claw half half | fan", ("thumb 2 pad",),
        _pads("index", "middle"), _pads("index", "middle", bone=1),
    ),
    GraspKind(
        29, "Stick", "intermediate", "side", "adducted", (2,), {"rod": (8, 22)},
        "key | loose | near", "key | half | near", ("thumb 2 pad",), ("index 1 radial", "index 2 radial"),
        (), "out", (-20, 20), long=50, deep=True, slim=2.2,
    ),
    GraspKind(
        30, "Palmar", "power", "palm", "adducted", (2, 3, 4, 5), {"slab": (8, 40)},
        "side | slope | closed", "side | slope | near", _PALM, (*_pads(*_FOUR), *_INNER),
        (*_pads(*_FOUR, bone=1), "thumb 2 pad"), "row", (-25, 25), True,
    ),
    GraspKind(
        31, "Ring", "power", "pad", "abducted", (2,), {"rod": (24, 60), "ball": (22, 50)},
        "meet index | meet relaxed curved half | near", "opposed | bow relaxed curved half | near",
        ("thumb 2 pad", "thumb 1 pad", "thumb 2 ulnar", "thumb 2 tip"), _pads("index"), ("index 1 pad", "index 0 pad"),
        "row", slim=1.5,
    ),
    GraspKind(
        32, "Ventral", "intermediate", "side", "adducted", (2,), {"rod": (8, 26), "slab": (4, 20)},
        "key | loose fist fist fist | near", "key | half loose loose loose | near",
        ("thumb 2 pad",), ("index 1 radial", "index 0 radial"), (), "out", (-30, 30),
        long=40, deep=True,
    ),
    GraspKind(
        33, "Inferior Pincer", "precision", "pad", "abducted", (2,), {"slab": (1, 30), "ball": (5, 30), "rod": (3, 25)},
        "meet index | slope relaxed curved half | near", "cee | slope relaxed curved half | near",
        ("thumb 2 pad",), _pads("index"),
    ),
)  # fmt: skip

GRASPS: Mapping[str, GraspKind] = {kind.name: kind for kind in _TABLE}
"""All 33 by name, in the order of their numbers."""


def grasp_kind(which: str | int | GraspKind) -> GraspKind:
    """By name or number. Raises PalmarError for one that is not in the taxonomy."""
    if isinstance(which, GraspKind):
        return which
    if isinstance(which, str) and which in GRASPS:
        return GRASPS[which]
    if isinstance(which, int) and 1 <= which <= len(_TABLE):
        return _TABLE[which - 1]
    raise PalmarError(f"grasp {which!r}: give a number from 1 to 33 or a name of palmar.synth.grasp.GRASPS.")
