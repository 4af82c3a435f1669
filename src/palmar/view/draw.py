"""Hands drawn onto a picture: skeletons with a colour for each finger, doubt visible."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

from palmar.errors import PalmarError
from palmar.hand.joints import BONES
from palmar.types import Hands

Colour = tuple[int, int, int]
SHIFT = 4
"""Bits of a pixel's fraction that OpenCV is given."""
FAR = 1 << 14
"""Pixels; what lies further out than this is moved there, so that OpenCV's integers suffice."""


@dataclass(frozen=True)
class Style:
    """How hands are drawn. Colours are RGB."""

    fingers: tuple[Colour, Colour, Colour, Colour, Colour] = (
        (255, 99, 72),
        (255, 193, 7),
        (46, 204, 113),
        (52, 152, 219),
        (187, 107, 217),
    )
    """Thumb, index, middle, ring, little."""
    palm: Colour = (236, 240, 241)
    doubt: Colour = (120, 120, 120)
    """What a joint's colour fades to as its confidence falls."""
    outline: Colour = (20, 20, 20)
    min_confidence: float = 0.2
    """Joints below this are absent, with their bones."""
    width: float | None = None
    """Of a bone, pixels; None: a fiftieth of the hand, 1 to 8."""
    label: bool = True
    """Side, track number and action beside the wrist."""
    box: bool = False


def draw(image: UInt8[np.ndarray, "h w 3"], hands: Hands, style: Style = Style()) -> UInt8[np.ndarray, "h w 3"]:
    """A copy of `image` with the hands on it. RGB.

    hands: those of this picture: all rows are drawn. What lies outside the picture is left out; hands without keypoints
    are drawn as their boxes. Raises PalmarError for a picture that is not RGB uint8.
    """
    out = canvas(image)
    for i in range(len(hands)):
        box = hands.box[i]
        colour = style.palm
        if hands.keypoints is None or style.box:
            _box(out, box, style)
        if hands.keypoints is not None:
            _skeleton(out, hands.keypoints[i].astype(np.float64), float(max(box[2:] - box[:2])), style)
        if style.label:
            anchor = (
                box[[0, 1]] if hands.keypoints is None else hands.keypoints[i, 0, :2] + (0.0, 0.12 * (box[3] - box[1]))
            )
            text = "right" if hands.side[i] else "left"
            text = text if hands.track[i] < 0 else f"{text} {hands.track[i]}"
            said = None if hands.action is None else hands.action[i]
            _text(out, text if said is None else f"{text}: {said}", anchor, colour, style)
    return out


def canvas(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """A copy to draw on. Raises PalmarError for what is no RGB uint8 picture."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise PalmarError(f"a picture to draw on: expected an RGB array [h, w, 3] of uint8, got {got}.")
    return np.array(image, order="C")


def _colour_of(joint: int, style: Style) -> Colour:
    return style.palm if joint == 0 else style.fingers[(joint - 1) // 4]


def _faded(colour: Colour, confidence: float, style: Style) -> Colour:
    share = min(max(confidence, 0.0), 1.0)
    return tuple(round(share * c + (1 - share) * d) for c, d in zip(colour, style.doubt, strict=True))  # type: ignore[return-value]


def _fixed(points: np.ndarray) -> np.ndarray:
    """Integers with SHIFT bits of fraction."""
    return np.round(np.clip(points, -FAR, FAR) * (1 << SHIFT)).astype(np.int32)


def _skeleton(out: np.ndarray, keypoints: np.ndarray, length: float, style: Style) -> None:
    width = min(max(length / 50, 1.0), 8.0) if style.width is None else style.width
    sure = np.nan_to_num(keypoints[:, 2])
    shown = np.isfinite(keypoints).all(1) & (sure >= style.min_confidence)
    at = _fixed(np.nan_to_num(keypoints[:, :2])).tolist()
    bones = [(a, b) for a, b in BONES if shown[a] and shown[b]]
    thick, rim = max(1, round(width)), max(1, round(width)) + 2
    for a, b in bones:
        cv2.line(out, at[a], at[b], style.outline, rim, cv2.LINE_AA, SHIFT)
    for a, b in bones:
        colour = style.palm if a == 0 else _colour_of(b, style)
        cv2.line(out, at[a], at[b], _faded(colour, min(sure[a], sure[b]), style), thick, cv2.LINE_AA, SHIFT)
    radius = round(max(width * 0.9, 1.0) * (1 << SHIFT))
    for joint in np.flatnonzero(shown).tolist():
        cv2.circle(out, at[joint], radius + (1 << SHIFT), style.outline, -1, cv2.LINE_AA, SHIFT)
        cv2.circle(out, at[joint], radius, _faded(_colour_of(joint, style), sure[joint], style), -1, cv2.LINE_AA, SHIFT)


def _box(out: np.ndarray, box: np.ndarray, style: Style) -> None:
    if np.isfinite(box).all():
        (x0, y0), (x1, y1) = _fixed(box.reshape(2, 2)).tolist()
        cv2.rectangle(out, (x0, y0), (x1, y1), style.palm, 1, cv2.LINE_AA, SHIFT)


def _text(out: np.ndarray, text: str, anchor: np.ndarray, colour: Colour, style: Style) -> None:
    if not np.isfinite(anchor).all():
        return
    scale = max(0.35, min(out.shape[:2]) / 900)
    x, y = np.clip(anchor, -FAR, FAR).round().astype(int).tolist()
    thick = max(1, round(scale))
    for tint, shift in ((style.outline, thick), (colour, 0)):
        cv2.putText(out, text, (x + shift, y + shift), cv2.FONT_HERSHEY_SIMPLEX, scale, tint, thick, cv2.LINE_AA)
