"""A library of named hand shapes: counting, finger alphabets, signs of everyday life, grasps, rest.

A shape is one line: `thumb | index middle ring little | spread`, each word a state from the tables below; one finger
word stands for all four. Degrees from the flat rest hand, right and left alike (a left hand is a mirrored right one).
Thumb up and thumb down are one shape in two orientations, and a shape does not know where the camera is: see
`palmar.synth.pose.sample_orientation`. The states are ours, set by eye on the hand model; those of a thumb that meets a
finger were solved on its template.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from palmar.errors import one_of
from palmar.hand import limits

FINGER: Mapping[str, tuple[float, float, float]] = {
    "straight": (2, 3, 2),
    "back": (-16, 3, 2),
    "soft": (14, 18, 11),
    "relaxed": (28, 36, 22),
    "curved": (38, 42, 27),
    "half": (48, 58, 38),
    "slope": (45, 10, 6),
    "table": (82, 8, 5),
    "claw": (6, 58, 40),
    "hook": (6, 98, 64),
    "crook": (32, 80, 52),
    "bow": (58, 38, 22),
    "loose": (66, 82, 52),
    "fist": (84, 100, 62),
    "tuck": (74, 106, 72),
    "cover": (62, 78, 44),
}
"""Flexion of MCP, PIP, DIP."""

MEETING: Mapping[str, tuple[tuple[float, float, float], ...]] = {
    "meet": ((47, 41, 27), (70, 66, 44), (72, 68, 45), (71, 58, 39)),
    "purse": ((55, 38, 25), (67, 47, 31), (66, 50, 33), (62, 44, 29)),
    "ring": ((42, 48, 32), (55, 58, 39), (54, 60, 40), (48, 55, 37)),
}
"""The same for index, middle, ring and little when they meet the thumb: one of them, all of them drawn out, all of them
rounded."""

THUMB: Mapping[str, tuple[float, float, float, float, float]] = {
    "rest": (6, -10, 0, 13, 8),
    "side": (4, -42, 4, 28, 12),
    "out": (-20, -8, 6, -4, -4),
    "wide": (-20, 10, 8, -8, -12),
    "up": (-20, 4, 8, -6, -10),
    "hitch": (-20, 0, 8, -10, -15),
    "beside": (2, -35, 10, 40, 0),
    "over": (40, 8, 10, 12, 58),
    "over loose": (36, -14, 10, 4, 26),
    "across": (45, -26, 10, 42, 2),
    "under": (26, -2, 10, 58, 12),
    "between": (45, -42, 10, 34, -8),
    "key": (-6, -24, 10, 56, 6),
    "cee": (22, -4, 8, 8, 8),
    "opposed": (-10, 20, 4, 34, 2),
    "meet index": (33, 4, 10, 2, -8),
    "meet middle": (41, -45, 6, 60, 30),
    "meet ring": (36, -20, 10, 60, 36),
    "meet little": (44, -6, 6, 48, 28),
    "meet purse": (32, 13, 0, 0, 11),
    "meet all": (41, 8, 10, -4, 14),
}
"""CMC flexion, abduction, twist; MCP flexion; IP flexion."""

SPREAD: Mapping[str, tuple[float, float, float, float]] = {
    "rest": (0, 0, 0, 0),
    "closed": (-15, 2, -10, -17),
    "near": (-8, 1, -5, -8),
    "wide": (7, 0, 7, 18),
    "fan": (4, 0, 4, 9),
    "vee": (5, 0, -6, -9),
    "salute": (-9, 8, 0, -8),
    "scissors": (4, -2, -5, -7),
    "crossed": (-18, 11, -4, -6),
    "horns": (4, 0, -4, 10),
}
"""Abduction of index, middle, ring, little."""

SHAPES: Mapping[str, str] = {
    # Counting on one hand: North America and the deaf United States, then central Europe, Japan, China, others.
    "count 1": "over | straight fist fist fist | rest",
    "count 2": "over | straight straight fist fist | vee",
    "count 3": "over | straight straight straight fist | fan",
    "count 4": "across | straight | fan",
    "count 5": "out | straight | wide",
    "count 6 asl": "meet little | straight straight straight meet | fan",
    "count 7 asl": "meet ring | straight straight meet straight | fan",
    "count 8 asl": "meet middle | straight meet straight straight | fan",
    "count 9 asl": "meet index | meet straight straight straight | fan",
    "count 0 asl": "meet all | ring | closed",
    "count 1 europe": "up | fist | near",
    "count 2 europe": "out | straight fist fist fist | rest",
    "count 3 europe": "out | straight straight fist fist | vee",
    "count 4 europe": "out | straight straight straight fist | fan",
    "count 1 japan": "across | straight | near",
    "count 2 japan": "across | cover straight straight straight | near",
    "count 3 japan": "across | cover cover straight straight | near",
    "count 4 japan": "across | cover cover cover straight | near",
    "count 5 japan": "across | cover | near",
    "count 6 japan": "across | cover cover cover straight | rest",
    "count 6 china": "out | fist fist fist straight | horns",
    "count 7 china": "meet purse | purse purse fist fist | closed",
    "count 8 china": "out | straight tuck tuck tuck | rest",
    "count 9 china": "over | hook fist fist fist | rest",
    "count 10 china": "over | soft straight fist fist | crossed",
    "count 1 little": "over | fist fist fist straight | horns",
    "count 2 little": "over | fist fist straight straight | fan",
    "count 3 little": "over | fist straight straight straight | fan",
    "count 3 ring": "meet index | meet straight straight straight | near",
    "count joints": "meet ring | soft soft meet soft | near",
    # Letters of the American one-hand alphabet that are held still (J and Z by the shape they start from).
    "letter A": "beside | fist | near",
    "letter B": "across | straight | closed",
    "letter C": "cee | curved | near",
    "letter D": "meet middle | straight meet ring ring | near",
    "letter E": "under | crook | closed",
    "letter F": "meet index | meet straight straight straight | fan",
    "letter G": "key | slope tuck tuck tuck | rest",
    "letter H": "over | slope slope tuck tuck | closed",
    "letter I": "over | fist fist fist straight | rest",
    "letter K": "between | straight slope fist fist | vee",
    "letter L": "out | straight fist fist fist | rest",
    "letter M": "under | table table table fist | closed",
    "letter N": "under | table table fist fist | closed",
    "letter O": "meet all | ring | closed",
    "letter P": "between | slope table fist fist | vee",
    "letter R": "over | soft straight fist fist | crossed",
    "letter S": "over | fist | near",
    "letter T": "between | half fist fist fist | near",
    "letter U": "over | straight straight fist fist | closed",
    "letter V": "over | straight straight fist fist | vee",
    "letter W": "meet little | straight straight straight meet | fan",
    "letter X": "over | hook fist fist fist | rest",
    "letter Y": "out | fist fist fist straight | horns",
    # Letters of other alphabets whose shape is not above.
    "letter T irish": "out | bow straight straight straight | near",
    "letter SCH german": "out | straight | fan",
    "kana ki": "meet purse | straight purse purse straight | rest",
    "kana chi": "meet purse | purse purse purse straight | closed",
    "kana ne": "out | back back back back | wide",
    "kana ro": "over | hook hook fist fist | closed",
    # Signs.
    "thumb up": "up | fist | near",
    "thumb up loose": "up | loose | near",
    "hitchhiker": "hitch | tuck | near",
    "ok": "meet index | meet soft soft straight | fan",
    "ok fist": "meet index | meet half half half | near",
    "ok middle": "meet middle | soft meet soft soft | fan",
    "pinch": "meet index | meet relaxed curved half | near",
    "pinch open": "cee | slope relaxed curved half | near",
    "point": "over | straight fist fist fist | rest",
    "point loose": "beside | soft loose loose loose | near",
    "point thumb": "beside | straight tuck tuck tuck | rest",
    "pistol": "out | straight fist fist fist | rest",
    "pistol two": "up | straight straight fist fist | closed",
    "fist": "over | fist | near",
    "fist loose": "over loose | loose | near",
    "fist thumb inside": "across | cover | near",
    "fist thumb beside": "beside | loose | near",
    "flat": "out | straight | rest",
    "flat closed": "side | straight | closed",
    "flat thumb in": "across | straight | closed",
    "flat back": "out | back | fan",
    "open": "out | straight | fan",
    "open wide": "wide | back | wide",
    "stop": "side | back | closed",
    "claw": "cee | claw | fan",
    "claw tight": "beside | hook | near",
    "claw wide": "wide | claw | wide",
    "call me": "out | tuck tuck tuck straight | horns",
    "peace": "over | straight straight tuck tuck | vee",
    "peace loose": "over loose | soft soft loose loose | vee",
    "quotes": "over | hook hook fist fist | near",
    "scissors": "across | straight straight tuck tuck | scissors",
    "crossed": "over loose | soft straight loose loose | crossed",
    "vulcan": "out | straight | salute",
    "horns": "over | straight fist fist straight | horns",
    "horns thumb": "out | straight fist fist straight | horns",
    "web": "out | straight tuck tuck soft | horns",
    "middle finger": "over | fist straight fist fist | rest",
    "middle finger loose": "out | half straight half half | rest",
    "little finger": "over | fist fist fist straight | rest",
    "ring finger": "over | tuck half straight half | rest",
    "beckon": "over | hook loose loose loose | near",
    "snap": "meet middle | soft meet fist fist | near",
    "heart of fingers": "key | bow fist fist fist | near",
    "heart half": "cee | bow | closed",
    "fox": "meet purse | straight purse purse straight | horns",
    "blessing": "out | straight straight tuck tuck | closed",
    "scout": "across | straight straight straight tuck | closed",
    "purse": "meet purse | purse | closed",
    "beak": "meet purse | table | closed",
    "beak open": "opposed | table | closed",
    "rub money": "key | bow bow curved curved | near",
    "spyglass": "meet all | ring | near",
    "salute": "side | straight | near",
    "hang loose": "wide | tuck tuck tuck straight | horns",
    "swipe two": "beside | straight straight fist fist | closed",
    "paw": "beside | crook | near",
    "press": "beside | slope half half half | near",
    "knock": "beside | loose fist fist fist | near",
    # Grasps, after the usual families: power, precision, between.
    "hold cylinder large": "opposed | curved | near",
    "hold cylinder": "opposed | half | near",
    "hold cylinder small": "over | loose | near",
    "hold hammer": "side | fist | near",
    "hold ball": "opposed | claw | wide",
    "hold ball small": "cee | half | fan",
    "hold box": "opposed | slope slope slope slope | near",
    "hold hook": "side | hook | near",
    "hold key": "key | fist | near",
    "hold card": "key | loose loose fist fist | near",
    "hold plate": "opposed | table | near",
    "hold book": "opposed | slope table table slope | closed",
    "hold pen": "meet purse | purse purse half loose | closed",
    "hold brush": "meet purse | slope purse curved half | near",
    "hold phone": "side | curved curved half half | near",
    "hold phone and tap": "across | curved | near",
    "hold cigarette": "rest | straight straight curved curved | closed",
    "hold chopsticks": "meet purse | slope purse half loose | near",
    "hold trigger": "over loose | crook loose loose loose | near",
    "hold lid": "opposed | claw | fan",
    "hold cup handle": "key | loose loose loose half | near",
    "hold glass stem": "meet index | meet bow curved half | near",
    # At rest and at work.
    "rest": "rest | relaxed | near",
    "rest soft": "rest | soft | near",
    "rest hanging": "side | soft relaxed relaxed curved | near",
    "rest lying": "rest | straight | rest",
    "rest curled": "rest | curved curved half half | near",
    "cupped": "side | slope | closed",
    "bowl": "side | curved | closed",
    "mouse": "rest | soft soft relaxed relaxed | near",
    "typing": "rest | relaxed | rest",
    "piano": "rest | curved | fan",
}
"""All shapes by name."""


def shape(name: str) -> Float[np.ndarray, "5 3 3"]:
    """The angles of a named shape, inside the active limits. Raises PalmarError for an unknown name. A new array each
    time."""
    return _ANGLES[NAMES.index(one_of("hand shape", name, NAMES))].copy()


def _angles(line: str) -> Float[np.ndarray, "5 3 3"]:
    thumb, fingers, spread = (part.strip() for part in line.split("|"))
    words = fingers.split()
    angles = np.zeros((5, 3, 3))
    angles[0, 0] = THUMB[thumb][:3]
    angles[0, 1:, 0] = THUMB[thumb][3:]
    for finger, word in enumerate(words * 4 if len(words) == 1 else words):
        angles[1 + finger, :, 0] = MEETING[word][finger] if word in MEETING else FINGER[word]
    angles[1:, 0, 1] = SPREAD[spread]
    return limits.clip(np.radians(angles))


NAMES: tuple[str, ...] = tuple(SHAPES)
_ANGLES = np.stack([_angles(line) for line in SHAPES.values()])
_ANGLES.setflags(write=False)
