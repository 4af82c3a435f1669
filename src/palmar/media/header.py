"""What a picture file says of itself, read without decoding it: kind, size, orientation, focal length, completeness.

The size decides beforehand whether decoding is safe; the rest is what the decoder would otherwise drop in silence.
Formats: JPEG, PNG, WebP, BMP, TIFF, PBM/PGM/PPM, by content and never by suffix.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from palmar.errors import PalmarError

MIN_SIDE = 8
"""Pixels. No hand can be seen in less."""

ORIENTATION, EXIF_FOLDER, FOCAL_35MM = 0x0112, 0x8769, 0xA405
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, FORMAT = 256, 257, 258, 259, 262, 277, 339


@dataclass(frozen=True)
class Turn:
    """How stored rows become an upright picture: exchange x and y, then mirror. What EXIF and display matrices say."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the upright picture from those stored."""
        return (height, width) if self.transpose else (width, height)


UPRIGHT = Turn()
EXIF_TURNS: Mapping[int, Turn] = {
    1: UPRIGHT, 2: Turn(flip_x=True), 3: Turn(flip_x=True, flip_y=True), 4: Turn(flip_y=True),
    5: Turn(transpose=True), 6: Turn(transpose=True, flip_x=True), 7: Turn(True, True, True),
    8: Turn(transpose=True, flip_y=True),
}


@dataclass(frozen=True)
class Header:
    """kind: jpeg, png, webp, bmp, tiff, pnm. width, height: pixels as stored. turn: from stored to upright.

    bytes_per_pixel: memory that decoding takes; 0 where the decoder can reduce while it decodes (sequential JPEG).
    bits: significant bits per sample where the file states them. focal_35mm: millimetres for a 36 x 24 mm frame.
    """

    kind: str
    width: int
    height: int
    turn: Turn = UPRIGHT
    bytes_per_pixel: float = 3.0
    bits: int | None = None
    focal_35mm: float | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright picture."""
        return self.turn.size(self.width, self.height)


class _Bad(Exception):
    """What is wrong with the file, for the error's text."""


_BMP_HEADERS = frozenset(struct.pack("<I", size) for size in (12, 16, 40, 52, 56, 64, 108, 124))


def sniff(path: Path) -> str | None:
    """The kind of picture by the first bytes: jpeg, png, webp, bmp, tiff, pnm, gif, heif; None for anything else."""
    try:
        with path.open("rb") as file:
            start = file.read(32)
    except OSError as err:
        raise PalmarError(f"{path}: cannot be read ({err.strerror or err}).") from err
    if start.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "webp"
    if start[:2] == b"BM" and start[14:18] in _BMP_HEADERS:
        return "bmp"
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    if start[:1] == b"P" and start[1:2] in b"123456" and start[2:3].isspace():
        return "pnm"
    if start[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if start[4:8] == b"ftyp" and start[8:12] in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1",
                                                 b"avif", b"avis"):
        return "heif"
    return None


def read_header(path: Path) -> Header:
    """The header of a picture file. Raises PalmarError for files that are no picture, cut off, too small, or of a kind
    that would come out wrong."""
    kind = sniff(path)
    try:
        if kind == "heif":
            raise _Bad("HEIC and AVIF pictures cannot be read; save it as JPEG or PNG")
        if kind is None or kind == "gif":
            raise _Bad("not a picture that palmar reads (JPEG, PNG, WebP, BMP, TIFF, PPM)" if path.stat().st_size
                       else "empty file")
        with path.open("rb") as file:
            header = _READERS[kind](file, path.stat().st_size)
    except (_Bad, struct.error, IndexError, OverflowError) as err:
        what = str(err) if isinstance(err, _Bad) else f"damaged or cut-off {kind} header"
        raise PalmarError(f"{path}: {what}.") from err
    except OSError as err:
        raise PalmarError(f"{path}: cannot be read ({err.strerror or err}).") from err
    if min(header.width, header.height) < MIN_SIDE:
        raise PalmarError(f"{path}: {header.width} x {header.height} pixels are too few to show a hand; at least "
                          f"{MIN_SIDE} x {MIN_SIDE} are needed.")
    return header


def _exactly(file: BinaryIO, n: int) -> bytes:
    data = file.read(n)
    if len(data) != n:
        raise _Bad("the file is cut off")
    return data


def _hold(size: int, width: int, height: int, bits: float) -> None:
    """Refuse a header that promises more pixels, of this many bits at least, than the whole file can hold."""
    if size * 8 < width * height * bits:
        raise _Bad(f"the header promises {width} x {height} pixels, more than {size} bytes can hold; the file is "
                   f"cut off or damaged")


def _tiff_tags(data: bytes) -> dict[int, list[int]]:
    """Numeric tags of the first TIFF directory and of its EXIF directory; what is damaged is left out."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    tags: dict[int, list[int]] = {}
    if order is None or len(data) < 8:
        return tags
    folders = [struct.unpack_from(order + "I", data, 4)[0]]
    for start in folders:                                # grows by the EXIF directory, once
        if start + 2 > len(data):
            continue
        for k in range(struct.unpack_from(order + "H", data, start)[0]):
            at = start + 2 + 12 * k
            if at + 12 > len(data):
                break
            tag, kind, count = struct.unpack_from(order + "HHI", data, at)
            letter = {1: "B", 3: "H", 4: "I"}.get(kind)
            if letter is None or not 0 < count <= 16:
                continue
            size = struct.calcsize(letter) * count
            where = at + 8 if size <= 4 else struct.unpack_from(order + "I", data, at + 8)[0]
            if where + size <= len(data):
                tags.setdefault(tag, list(struct.unpack_from(f"{order}{count}{letter}", data, where)))
        if EXIF_FOLDER in tags and len(folders) == 1:
            folders.append(tags[EXIF_FOLDER][0])
    return tags


def _with_exif(header: Header, exif: bytes) -> Header:
    tags = _tiff_tags(exif.removeprefix(b"Exif\0\0"))
    focal = tags.get(FOCAL_35MM, [0])[0]
    return replace(header, turn=EXIF_TURNS.get(tags.get(ORIENTATION, [1])[0], UPRIGHT),
                   focal_35mm=float(focal) if focal else None)


def _jpeg(file: BinaryIO, size: int) -> Header:
    file.seek(2)
    exif, header, adobe, parts = b"", None, False, 0
    while True:
        mark = _exactly(file, 2)
        if mark[0] != 0xFF:
            raise _Bad("damaged JPEG: no marker where one must stand")
        while mark[1] == 0xFF:                           # fill bytes
            mark = bytes((0xFF, _exactly(file, 1)[0]))
        code = mark[1]
        if code == 0x01 or 0xD0 <= code <= 0xD8:
            continue
        if code == 0xD9:
            raise _Bad("damaged JPEG: it ends before its picture")
        length = struct.unpack(">H", _exactly(file, 2))[0] - 2
        body_at = file.tell()
        if code == 0xDA:
            break
        if 0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC):
            bits, height, width, parts = struct.unpack(">BHHB", _exactly(file, 6))
            if bits != 8 or not width or not height:
                raise _Bad(f"a JPEG of {bits} bits and {width} x {height} pixels cannot be read; save it as 8-bit JPEG")
            sequential = code in (0xC0, 0xC1)
            if sequential:
                _hold(size, width, height, 2 / 64)       # the least for a block of 8 x 8
            header = Header("jpeg", width, height, bytes_per_pixel=0.0 if sequential else 6.0)
        elif code == 0xE1 and not exif:
            body = _exactly(file, max(length, 0))
            exif = body if body.startswith(b"Exif\0\0") else b""
        elif code == 0xEE:
            adobe = adobe or _exactly(file, max(length, 0)).startswith(b"Adobe")
        file.seek(body_at + max(length, 0))
    if header is None:
        raise _Bad("damaged JPEG: no size")
    if parts == 4 and not adobe:
        raise _Bad("a CMYK JPEG without Adobe's marker does not say which end of its scale is white; save it as RGB")
    scan_at = file.tell()
    file.seek(max(size - 2, 0))
    if file.read(2) != b"\xff\xd9":                      # more data may follow the picture: then look for its end
        file.seek(scan_at)
        if b"\xff\xd9" not in file.read():
            raise _Bad("the JPEG is cut off: its end marker is missing; copy the file again")
    return _with_exif(header, exif)


def _png(file: BinaryIO, size: int) -> Header:
    file.seek(8)
    exif, header, bits = b"", None, None
    while True:
        try:
            length, name = struct.unpack(">I4s", _exactly(file, 8))
            after = file.tell() + length + 4
            if after > size:
                raise _Bad("the file is cut off")
        except _Bad as err:
            raise _Bad("the PNG is cut off: its last chunk is missing; copy the file again") from err
        if name == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", _exactly(file, 10))
            samples = {0: 1, 2: 3, 3: 4, 4: 4, 6: 4}.get(colour)
            if samples is None or depth not in (1, 2, 4, 8, 16):
                raise _Bad("damaged PNG header")
            bits = depth
            _hold(size, width, height, depth / 1032)     # the most that deflate can do
            header = Header("png", width, height, bytes_per_pixel=samples * max(depth, 8) / 8)
        elif name == b"sBIT":
            bits = max(_exactly(file, length)[:3], default=bits)
        elif name == b"acTL":
            raise _Bad("an animated PNG cannot be read; save it as a video or as single pictures")
        elif name == b"eXIf":
            exif = _exactly(file, length)
        elif name == b"IEND":
            break
        file.seek(after)
    if header is None:
        raise _Bad("damaged PNG header")
    return replace(_with_exif(header, exif), bits=bits)


def _webp(file: BinaryIO, size: int) -> Header:
    start = _exactly(file, 12)
    if struct.unpack_from("<I", start, 4)[0] + 8 > size:
        raise _Bad("the WebP is cut off; copy the file again")
    exif, header = b"", None
    while file.tell() + 8 <= size:
        name, length = struct.unpack("<4sI", _exactly(file, 8))
        at = file.tell()
        if name == b"VP8X":
            flags, *sides = struct.unpack("<B3x3s3s", _exactly(file, 10))
            if flags & 0x02:
                raise _Bad("an animated WebP cannot be read; save it as a video or as single pictures")
            width, height = (int.from_bytes(side, "little") + 1 for side in sides)
            header = Header("webp", width, height, bytes_per_pixel=4.0)
        elif name == b"VP8 " and header is None:
            width, height = struct.unpack("<6xHH", _exactly(file, 10))
            header = Header("webp", width & 0x3FFF, height & 0x3FFF, bytes_per_pixel=4.0)
        elif name == b"VP8L" and header is None:
            packed = struct.unpack("<xI", _exactly(file, 5))[0]
            header = Header("webp", (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1, bytes_per_pixel=4.0)
        elif name == b"EXIF":
            exif = _exactly(file, length)
        file.seek(at + length + length % 2)
    if header is None:
        raise _Bad("damaged WebP: no size")
    return _with_exif(header, exif)


def _bmp(file: BinaryIO, size: int) -> Header:
    start = _exactly(file, 26)
    if struct.unpack_from("<I", start, 14)[0] == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", start, 18)
        packed = 0
    else:
        width, height, _, bits, packed = struct.unpack("<iiHHI", start[18:] + _exactly(file, 8))
    if packed in (0, 3):
        _hold(size, abs(width), abs(height), bits)
    return Header("bmp", abs(width), abs(height), bytes_per_pixel=4.0)


def _tiff(file: BinaryIO, size: int) -> Header:
    file.seek(0)
    data = file.read()
    if data[2:4] in (b"+\0", b"\0+"):
        raise _Bad("a BigTIFF cannot be read; save it as PNG")
    tags = _tiff_tags(data)
    if WIDTH not in tags or HEIGHT not in tags:
        raise _Bad("the TIFF is damaged or cut off: no size")
    bits = max(tags.get(BITS, [1]))
    if tags.get(FORMAT, [1])[0] != 1 or bits > 16:
        raise _Bad(f"a TIFF of {bits}-bit or floating-point samples has no fixed white; save it with 8 or 16 bits")
    if tags.get(PHOTOMETRIC, [2])[0] == 5:
        raise _Bad("a CMYK TIFF cannot be read; save it as RGB")
    width, height, samples = tags[WIDTH][0], tags[HEIGHT][0], tags.get(SAMPLES, [1])[0]
    if tags.get(COMPRESSION, [1])[0] == 1:
        _hold(size, width, height, samples * bits)
    header = Header("tiff", width, height, bytes_per_pixel=max(samples, 3) * max(bits, 8) / 8)
    return replace(_with_exif(header, data), bits=bits)


def _pnm(file: BinaryIO, size: int) -> Header:
    words: list[bytes] = []
    for line in file.read(4096).split(b"\n"):
        words += line.split(b"#")[0].split()
        if len(words) >= 4:
            break
    try:
        width, height = int(words[1]), int(words[2])
        white = 255 if words[0] in (b"P1", b"P4") else int(words[3])
    except ValueError as err:
        raise _Bad("damaged PPM header") from err
    least = {b"P4": 1, b"P5": 8, b"P6": 24}.get(words[0], 1) * (2 if white > 255 else 1)
    _hold(size, width, height, least)
    return Header("pnm", width, height, bytes_per_pixel=3.0 if white < 256 else 6.0, bits=white.bit_length())


_READERS = {"jpeg": _jpeg, "png": _png, "webp": _webp, "bmp": _bmp, "tiff": _tiff, "pnm": _pnm}
