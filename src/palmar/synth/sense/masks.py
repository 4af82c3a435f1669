"""Which individual, kind of surface and part of a hand each pixel shows, whole shapes behind what hides them, and which
joints can be seen.

Masks ask the middle of every pixel. Part labels of hands, `PART_NAMES`, are one per bone of MANO's tree, as DIGIT (Fan
et al. 2021) and ACR (Yu et al. 2023) render them: the palm with the wrist, then three segments of each finger. Without
the palm they are the 15 finger segments (`fifteen`); both hands in one picture make 33 classes (`two_hands`).
"""

from __future__ import annotations

import enum

import numpy as np
from jaxtyping import Bool, Float, Int32, UInt8

from palmar.hand.joints import BONE_OF_JOINT, FINGERS, MANO_JOINTS
from palmar.render import Buffers
from palmar.synth.sense.geometry import Surface, surface
from palmar.synth.world import HandTruth, Kind, Piece, Shot

PART_NAMES = ("palm", *MANO_JOINTS[1:], "forearm")
"""Names of part labels 0 to 16."""
FOREARM = 16
NONE = 255
"""Of kind and part masks: nothing there, or no hand."""

FIFTEEN = tuple(f"{finger}_{segment}" for finger in FINGERS for segment in ("proximal", "middle", "distal"))
"""Names of the labels 1 to 15 of `fifteen`: thumb to little; the thumb's are metacarpal, proximal, distal."""
_FIFTEEN_OF_BONE = np.zeros(256, np.uint8)
for _number, _bone in enumerate([13, 14, 15, 1, 2, 3, 4, 5, 6, 10, 11, 12, 7, 8, 9], start=1):
    _FIFTEEN_OF_BONE[_bone] = _number


class Seen(enum.IntEnum):
    """Whether a joint is to be seen."""

    VISIBLE = 0
    SELF = 1
    """Behind another part of its own hand."""
    OTHER = 2
    """Behind something else: another hand, a thing, cloth, the room."""
    OUTSIDE = 3
    """Not in the picture, or behind the camera."""


def instance(shot: Shot, buffers: Buffers | None = None) -> Int32[np.ndarray, "h w"]:
    """`Piece.instance` of what each pixel shows, 0 for nothing."""
    numbers = np.array([piece.instance for piece in shot.moment.pieces] + [0], np.int32)
    return numbers[shot.piece_map(buffers)]


def kind(shot: Shot, buffers: Buffers | None = None) -> UInt8[np.ndarray, "h w"]:
    """`Kind` of what each pixel shows, `NONE` for nothing."""
    kinds = np.array([piece.kind for piece in shot.moment.pieces] + [NONE], np.uint8)
    return kinds[shot.piece_map(buffers)]


THIN = 0.006
"""Metres: what is worn no farther off the skin counts as the part under it."""


def part(shot: Shot, surface_: Surface | None = None) -> UInt8[np.ndarray, "h w"]:
    """Part of a hand each pixel shows: 0 palm, 1 to 15 finger segments in MANO's order, 16 forearm stub, `NONE` no
    hand. A pixel takes the part with most of its triangle's weight there.

    Rings, hairs, nails, bandages and the like are part of what they are worn on, up to `THIN` off the skin; sleeves are
    not. `instance` and `kind` tell them apart from the hand.
    """
    seen = surface(shot) if surface_ is None else surface_
    out = np.full(seen.face.shape, NONE, np.uint8)
    if shot.mesh.part is None:
        return out
    kinds = kind(shot, Buffers(seen.face, *shot.buffers[1:]))
    out = _labels(shot, seen, kinds == Kind.HAND)
    if (kinds == Kind.WEAR).any():
        skin = surface(shot, shot.alone(lambda piece: piece.kind == Kind.HAND))
        with np.errstate(invalid="ignore"):
            gap = np.linalg.norm(skin.points - seen.points, axis=-1)
            worn = (kinds == Kind.WEAR) & (skin.face >= 0) & (gap < THIN)
        out = np.where(worn, _labels(shot, skin, worn), out)
    return out


def _labels(shot: Shot, seen: Surface, at: Bool[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """Label with most weight, of some pixels; `NONE` elsewhere."""
    out = np.full(seen.face.shape, NONE, np.uint8)
    assert shot.mesh.part is not None
    labels, w = shot.mesh.part[shot.mesh.faces[seen.face[at]]], seen.weights[at]
    votes = np.einsum("nij,nj->ni", (labels[:, :, None] == labels[:, None, :]).astype(np.float64), w)
    out[at] = np.take_along_axis(labels, votes.argmax(1)[:, None], 1)[:, 0]
    return out


def fifteen(parts: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """The 15 finger segments, thumb to little and proximal to distal (`FIFTEEN`), as 1 to 15; all else 0."""
    return _FIFTEEN_OF_BONE[parts]


def two_hands(shot: Shot, parts: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """33 classes: 0 for all but hands, 1 to 16 the parts of right hands, 17 to 32 those of left ones (ACR's order).
    The forearm counts as background."""
    numbers = instance(shot)
    out = np.zeros(parts.shape, np.uint8)
    for hand in shot.moment.hands:
        at = (numbers == hand.instance) & (parts < FOREARM)
        out[at] = parts[at] + (1 if hand.side == 1 else 17)
    worn = (out == 0) & (parts < FOREARM)
    if worn.any():  # on the skin of some hand: whose, its own picture tells
        whose = instance(shot, shot.alone(lambda piece: piece.kind == Kind.HAND))
        for hand in shot.moment.hands:
            at = worn & (whose == hand.instance)
            out[at] = parts[at] + (1 if hand.side == 1 else 17)
    return out


def amodal(shot: Shot) -> tuple[tuple[int, ...], Bool[np.ndarray, "n h w"]]:
    """Whole shapes of all hands and things, as if each were alone: their instance numbers, and a mask of each."""
    numbers = (*(h.instance for h in shot.moment.hands), *(t.instance for t in shot.moment.things))
    size = (shot.camera.height, shot.camera.width)
    found = [shot.alone(lambda piece, n=n: _is_body(piece, n)).face >= 0 for n in numbers]
    return numbers, np.stack(found) if found else np.zeros((0, *size), bool)


def _is_body(piece: Piece, number: int) -> bool:
    return piece.instance == number and piece.kind in (Kind.HAND, Kind.THING)


def box(mask: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, " 4"]:
    """x0, y0, x1, y1 of the pixels' outer edges; NaN for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return np.full(4, np.nan)
    return np.array([columns[0] - 0.5, rows[0] - 0.5, columns[-1] + 0.5, rows[-1] + 0.5])


def joint_radii(hand: HandTruth) -> Float[np.ndarray, " 21"]:
    """Metres from each joint to the nearest skin of its hand."""
    gaps = np.linalg.norm(hand.joints[:, None] - hand.vertices[None], axis=-1)
    return gaps.min(1)


def joints_seen(shot: Shot, hand: HandTruth, surface_: Surface | None = None) -> UInt8[np.ndarray, " 21"]:
    """`Seen` of the 21 joints of a hand.

    A joint lies inside the flesh. It counts as seen where what the pixel over it shows is the skin around it: at most
    1.8 times as far in front of it as the nearest skin is from it, plus 3 mm. Otherwise it is hidden by its own hand if
    the hand alone would hide it too and nothing else lies before that, and by another thing if not.
    """
    seen = surface(shot) if surface_ is None else surface_
    camera = shot.camera
    pose = camera.world_from_camera
    assert pose is not None
    points = (hand.joints - pose[:3, 3]) @ pose[:3, :3]
    pixels = camera.project(points)
    inside = camera.inside(pixels)
    out = np.full(21, Seen.OUTSIDE, np.uint8)
    column = np.clip(np.floor(np.where(inside, pixels[:, 0], 0) + 0.5).astype(int), 0, camera.width - 1)
    row = np.clip(np.floor(np.where(inside, pixels[:, 1], 0) + 0.5).astype(int), 0, camera.height - 1)
    own = shot.alone(lambda piece: piece.instance == hand.instance and piece.kind == Kind.HAND)
    reach = 1.8 * joint_radii(hand) + 0.003
    first = np.linalg.norm(seen.points[row, column], axis=-1)
    first = np.where(np.isnan(first), np.inf, first)
    stretch = np.linalg.norm(points, axis=-1) / np.where(points[:, 2] > 0, points[:, 2], 1.0)
    skin = own.depth[row, column] * stretch  # along the ray, as `first` is
    far = np.linalg.norm(points, axis=-1)
    hides = far - first > reach
    by_own = hides & (far - skin > reach) & (skin <= first + 1e-4)
    out[inside] = np.where(by_own, Seen.SELF, np.where(hides, Seen.OTHER, Seen.VISIBLE))[inside]
    return out


def parts_of_joints() -> UInt8[np.ndarray, " 21"]:
    """The part label that carries each of the 21 joints."""
    return np.array(BONE_OF_JOINT, np.uint8)
