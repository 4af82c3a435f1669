"""One picture file to upright RGB uint8, and back.

What becomes of the odd kinds: grey is repeated in three channels; transparency is laid over white; 16 bits are scaled
by the largest value that the significant bits can hold (those the file states, else 16, or 12 or 10 with a warning
where nothing brighter occurs); CMYK JPEG with Adobe's marker is converted as (1 - c)(1 - k), without colour profiles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from palmar.errors import PalmarError
from palmar.media.folder import whole_file
from palmar.media.header import Header, Turn, read_header

MAX_PIXELS = 40_000_000
"""Larger pictures are given reduced by 2, 4 or 8 (the least that goes below this)."""

MAX_BYTES = 600_000_000
"""Of one undecimated picture while it is decoded; larger ones are refused unless the format can reduce on the way."""

MAX_STORED = 1 << 30
"""Pixels, of any picture (OpenCV's own limit)."""


def reduction(header: Header, path: Path) -> int:
    """1, 2, 4 or 8: by how much both sides shrink to fit `MAX_PIXELS`. Raises PalmarError for too large a picture."""
    pixels = header.width * header.height
    factor = next((n for n in (1, 2, 4, 8) if pixels <= MAX_PIXELS * n * n), None)
    if factor is None or pixels > MAX_STORED or pixels * header.bytes_per_pixel > MAX_BYTES:
        below = min(MAX_BYTES / header.bytes_per_pixel if header.bytes_per_pixel else MAX_STORED, MAX_STORED) / 1e6
        raise PalmarError(f"{path}: {header.width} x {header.height} pixels are too many to decode safely; make it "
                          f"smaller, below {below:.0f} megapixels.")
    return factor


def frame_size(header: Header, factor: int) -> tuple[int, int]:
    """Width and height of the upright picture after the reduction."""
    width, height = header.size
    return math.ceil(width / factor), math.ceil(height / factor)


def turned(image: np.ndarray, turn: Turn) -> np.ndarray:
    """The upright picture, contiguous."""
    if turn.transpose:
        image = cv2.transpose(image)
    if turn.flip_x or turn.flip_y:
        image = cv2.flip(image, {(True, True): -1, (True, False): 1, (False, True): 0}[turn.flip_x, turn.flip_y])
    return image


@dataclass(frozen=True)
class Picture:
    """image: RGB, upright. factor: both sides are this much smaller than in the file. bits: significant bits per sample
    that were assumed. note: what the caller should be warned of."""

    image: UInt8[np.ndarray, "h w 3"]
    factor: int
    bits: int
    note: str | None = None


def decode(path: Path, header: Header | None = None, *, at_least_bits: int = 0) -> Picture:
    """The picture in a file. at_least_bits: for sequences, the bits assumed so far, so that brightness never jumps up.

    Raises PalmarError for what `read_header` refuses, and for pictures that do not decode at the size they state.
    """
    header = header or read_header(path)
    factor = reduction(header, path)
    flags = cv2.IMREAD_UNCHANGED
    if header.kind == "jpeg" and factor > 1:             # reduced while it decodes; IMREAD_UNCHANGED excludes that
        flags = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}[factor]
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    try:
        stored = cv2.imdecode(np.fromfile(path, np.uint8), flags)
    except OSError as err:
        raise PalmarError(f"{path}: cannot be read ({err.strerror or err}).") from err
    except cv2.error as err:
        raise PalmarError(f"{path}: this {header.kind} picture does not decode ({err.err or err}).") from err
    if stored is None:
        raise PalmarError(f"{path}: this {header.kind} picture is damaged or cut off and does not decode.")
    if header.kind != "tiff":                            # OpenCV turns TIFF itself, whatever the flags
        stored = turned(stored, header.turn)
    if factor > 1 and header.kind != "jpeg":
        stored = cv2.resize(stored, frame_size(header, factor), interpolation=cv2.INTER_AREA)
    if stored.shape[1::-1] != frame_size(header, factor):
        raise PalmarError(f"{path}: the header promises {header.size[0]} x {header.size[1]} pixels, the picture has "
                          f"{stored.shape[1]} x {stored.shape[0]}.")
    bits, note = 8, None
    if stored.dtype == np.uint16:
        bits, note = _significant_bits(stored, header, at_least_bits, path)
        stored = cv2.convertScaleAbs(stored, alpha=255.0 / (2**bits - 1))
    if stored.dtype != np.uint8:
        raise PalmarError(f"{path}: samples of type {stored.dtype} have no fixed white; save it with 8 or 16 bits.")
    return Picture(_rgb(stored), factor, bits, note)


def _significant_bits(stored: np.ndarray, header: Header, at_least: int, path: Path) -> tuple[int, str | None]:
    stated = header.bits or 16
    if 8 < stated < 16:
        return stated, None
    largest = max(int(stored.max()).bit_length(), at_least)
    if largest > 12:
        return 16, None
    bits = 12 if largest > 10 else 10
    return bits, (f"{path}: 16-bit samples with nothing brighter than {2**bits - 1}: taken as {bits}-bit. If it is a "
                  f"dark picture of full range, save it with 8 bits.")


def _rgb(stored: np.ndarray) -> np.ndarray:
    if stored.ndim == 2 or stored.shape[2] == 1:
        return cv2.cvtColor(stored, cv2.COLOR_GRAY2RGB)
    if stored.shape[2] == 4:
        alpha = stored[..., 3]
        image = cv2.cvtColor(stored, cv2.COLOR_BGRA2RGB)
        see_through = alpha < 255
        if see_through.any():
            a = alpha[see_through][:, None].astype(np.uint32)
            image[see_through] = (image[see_through] * a + 255 * (255 - a) + 127) // 255
        return image
    return cv2.cvtColor(stored, cv2.COLOR_BGR2RGB)


def write_image(path: str | Path, image: UInt8[np.ndarray, "h w 3"], *, quality: int = 95) -> None:
    """Write RGB as PNG or JPEG by the suffix, whole or not at all. quality: of JPEG, 1 to 100.

    Raises PalmarError for other suffixes, for arrays that are not RGB uint8, and where the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".png", ".jpg", ".jpeg"):
        raise PalmarError(f"{path}: pictures are written as .png or .jpg, not {suffix or 'without a suffix'}.")
    check_rgb(image)
    options = [cv2.IMWRITE_PNG_COMPRESSION, 3] if suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, quality]
    ok, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not ok:
        raise PalmarError(f"{path}: {image.shape[1]} x {image.shape[0]} pixels cannot be written as {suffix}.")
    with whole_file(path) as part:
        part.write_bytes(data.tobytes())


def check_rgb(image: object) -> None:
    """Raise PalmarError unless it is an array [h, w, 3] of uint8 with something in it."""
    got = type(image).__name__
    if isinstance(image, np.ndarray):
        if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size:
            return
        got = f"shape {image.shape} of {image.dtype}"
    raise PalmarError(f"a picture must be RGB, an array [height, width, 3] of uint8; got {got}.")
