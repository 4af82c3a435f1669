"""Arrays of sensors as pictures that can be looked at. Everything is RGB uint8."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, Float, Integer, Shaped, UInt8

EMPTY = (38, 42, 48)
"""Where there is nothing."""
PALETTE = np.array(
    [
        EMPTY, (86, 180, 233), (230, 159, 0), (0, 158, 115), (204, 121, 167), (240, 228, 66), (213, 94, 0),
        (0, 114, 178), (148, 103, 189), (140, 200, 120), (255, 152, 150), (23, 190, 207), (160, 120, 90),
    ],
    np.uint8,
)  # fmt: skip
"""Of individuals; the first eight after Okabe and Ito, whom also the colour-blind can tell apart."""
HUES = (10, 35, 75, 105, 140)
"""OpenCV's hue of thumb, index, middle, ring, little finger."""


def coloured(values: Float[np.ndarray, "h w"], low: float, high: float) -> UInt8[np.ndarray, "h w 3"]:
    """Small values bright, large ones dark (viridis); what is not finite is `EMPTY`."""
    known = np.isfinite(values)
    share = np.clip((np.where(known, values, low) - low) / max(high - low, 1e-9), 0, 1)
    mapped = cv2.applyColorMap(np.round(255 * (1 - share)).astype(np.uint8), cv2.COLORMAP_VIRIDIS)[..., ::-1]
    return np.where(known[..., None], mapped, np.array(EMPTY, np.uint8)).astype(np.uint8)


def span(values: Float[np.ndarray, "*s"]) -> tuple[float, float]:
    """Range of what is finite, without the outermost hundredth."""
    known = values[np.isfinite(values)]
    return (0.0, 1.0) if not known.size else tuple(np.percentile(known, (1, 99)).tolist())  # type: ignore[return-value]


def normals(vectors: Float[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """Right red, up green, towards the camera blue."""
    out = np.round(255 * (0.5 + 0.5 * vectors * (1, -1, -1))).clip(0, 255).astype(np.uint8)
    out[~vectors.any(-1)] = EMPTY
    return out


def numbers(values: Integer[np.ndarray, "h w"], nothing: int = 0) -> UInt8[np.ndarray, "h w 3"]:
    """Whole numbers by colour."""
    rows = 1 + (values.astype(np.int64) - 1) % (len(PALETTE) - 1)
    return PALETTE[np.where(values == nothing, 0, rows)]


def segments(
    values: Integer[np.ndarray, "h w"], finger: Sequence[int], level: Sequence[int]
) -> UInt8[np.ndarray, "h w 3"]:
    """Parts of a hand: a hue for each finger (-1 palm, -2 forearm, -3 nothing), lighter towards the tip."""
    table = np.zeros((256, 3), np.uint8)
    table[:] = EMPTY
    for number, (which, far) in enumerate(zip(finger, level, strict=True)):
        if which >= 0:
            hsv = np.array([[[HUES[which], 210 - 45 * far, 170 + 40 * far]]], np.uint8)
            table[number] = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0]
        elif which > -3:
            table[number] = (200, 203, 208) if which == -1 else (128, 133, 140)
    return table[values]


def flow(vectors: Float[np.ndarray, "h w 2"], most: float) -> UInt8[np.ndarray, "h w 3"]:
    """Direction as hue, length as saturation up to `most` pixels: nothing moves where it is white."""
    known = np.asarray(np.isfinite(vectors).all(-1))
    v = np.where(known[..., None], vectors, 0.0)
    hue = np.mod(np.arctan2(v[..., 1], v[..., 0]) / (2 * np.pi), 1.0) * 179
    length = np.clip(np.linalg.norm(v, axis=-1) / max(most, 1e-6), 0, 1)
    hsv = np.stack([hue, 255 * np.sqrt(length), np.full_like(hue, 250)], -1)
    out = cv2.cvtColor(np.round(hsv).astype(np.uint8), cv2.COLOR_HSV2RGB)
    out[~known] = EMPTY
    return out


def flow_wheel(size: int = 96) -> UInt8[np.ndarray, "s s 3"]:
    """The legend of `flow`."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    vectors = np.stack([x, y], -1) / (size / 2)
    out = flow(vectors, 1.0)
    out[np.linalg.norm(vectors, axis=-1) > 1] = 255
    return out


def outlines(
    picture: UInt8[np.ndarray, "h w 3"], masks: Bool[np.ndarray, "h w n"], numbers: Integer[np.ndarray, " n"]
) -> UInt8[np.ndarray, "h w 3"]:
    """Whole shapes over a grey picture, each tinted, with a rim."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    out = np.repeat((grey[..., None] * 0.55).astype(np.uint8), 3, -1)
    for n, number in enumerate(numbers):
        colour = PALETTE[1 + (int(number) - 1) % (len(PALETTE) - 1)]
        mask = np.ascontiguousarray(masks[..., n].astype(np.uint8))
        out[mask > 0] = (0.6 * out[mask > 0] + 0.4 * colour).astype(np.uint8)
        rims, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(out, rims, -1, colour.tolist(), 1, cv2.LINE_AA)
    return out


def events(
    x: Integer[np.ndarray, " n"],
    y: Integer[np.ndarray, " n"],
    polarity: Integer[np.ndarray, " n"],
    height: int,
    width: int,
) -> UInt8[np.ndarray, "h w 3"]:
    """Brighter blue, darker red, on white: the sum of each pixel's."""
    total = np.zeros((height, width))
    np.add.at(total, (y.astype(int), x.astype(int)), np.where(polarity > 0, 1.0, -1.0))
    share = np.clip(np.abs(total) / 2, 0, 1)[..., None]
    colour = np.where(total[..., None] > 0, (31, 119, 220), (220, 50, 40))
    return np.round(255 + share * (colour - 255.0)).astype(np.uint8)


def traces(rows: Float[np.ndarray, "r n"], width: int = 400) -> UInt8[np.ndarray, "h w 3"]:
    """Curves below each other: of every stretch of time that falls on a pixel the least and the most, joined."""
    n = rows.shape[1] // width * width
    pieces = rows[:, :n].reshape(len(rows), width, -1).astype(np.float64)
    scale = float(np.percentile(np.abs(pieces), 99.5)) + 1e-12
    out = np.full((11 * len(rows) + 6, width, 3), 255, np.uint8)
    for number, row in enumerate(pieces):
        ends = 8 + 11 * number - 8 * np.clip(np.stack([row.min(-1), row.max(-1)], -1) / scale, -1, 1)
        for column, (low, high) in enumerate(np.round(ends).astype(int).tolist()):
            out[max(high, 0) : low + 1, column] = (35, 99, 168)
    return out


def anything(values: Shaped[np.ndarray, "h w *c"]) -> UInt8[np.ndarray, "h w 3"] | None:
    """A picture of an array that nothing better is known of; None where it has too many channels."""
    if values.dtype == np.uint8 and values.ndim == 3 and values.shape[2] == 3:
        return values
    if values.ndim == 2:
        if values.dtype.kind == "f":
            return coloured(values.astype(np.float64), *span(values.astype(np.float64)))
        return numbers(values.astype(np.int64), 255 if values.dtype == np.uint8 and (values == 255).any() else 0)
    if values.ndim == 3 and values.shape[2] == 3 and values.dtype.kind == "f":
        known = np.asarray(np.isfinite(values).all(-1))
        spans = np.array([span(values[..., c].astype(np.float64)) for c in range(3)])
        widest = max(float(np.ptp(spans, axis=1).max()), 1e-9)  # one scale: a channel in which nothing changes is even
        out = (np.where(known[..., None], values, spans[:, 0]) - spans.mean(1)) / widest + 0.5
        out = np.round(255 * out.clip(0, 1)).astype(np.uint8)
        out[~known] = EMPTY
        return out
    return None
