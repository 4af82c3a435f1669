"""Pictures: every odd kind comes out as Pillow shows it, or is refused in words. Pillow is the independent reader."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import warnings
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from palmar.errors import PalmarError, PalmarWarning
from palmar.media import read, write_image
from palmar.media.header import read_header

ORIENTATION, FOCAL_35MM, EXIF = 0x0112, 0xA405, 0x8769


@pytest.fixture(scope="module")
def rgb():
    """Smooth, without symmetry, 48 x 32."""
    small = np.random.default_rng(3).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return cv2.resize(small, (48, 32), interpolation=cv2.INTER_CUBIC)


def saved(path, image, **options):
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)
    return path


def only(path, **options):
    (frame,) = read(path, **options).frames
    return frame


def by_pillow(path):
    """Upright, over white."""
    image = ImageOps.exif_transpose(Image.open(path))
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
    return np.asarray(image.convert("RGB"))


def near(got, want, tolerance):
    assert got.shape == want.shape
    assert got.dtype == np.uint8
    assert np.abs(got.astype(int) - want.astype(int)).max() <= tolerance


@pytest.mark.parametrize(("mode", "ending", "tolerance"), [
    ("RGB", "png", 0), ("RGB", "jpg", 3), ("RGB", "bmp", 0), ("RGB", "tiff", 0), ("RGB", "ppm", 0), ("RGB", "webp", 4),
    ("L", "png", 0), ("L", "jpg", 1), ("L", "bmp", 0), ("L", "tiff", 0), ("1", "png", 0), ("1", "bmp", 0),
    ("P", "png", 0), ("P", "bmp", 0), ("CMYK", "jpg", 3), ("RGBA", "png", 1), ("LA", "png", 1), ("RGBA", "webp", 4),
])
def test_every_kind_looks_as_in_pillow(tmp_path, rgb, mode, ending, tolerance):
    image = Image.fromarray(rgb).convert(mode)
    if mode in ("RGBA", "LA"):
        alpha = np.tile(np.linspace(0, 255, 48).astype(np.uint8), (32, 1))
        image.putalpha(Image.fromarray(alpha))
    path = saved(tmp_path / f"x.{ending}", image, **({"quality": 95} if ending in ("jpg", "webp") else {}))
    frame = only(path)
    near(frame.image, by_pillow(path), tolerance)
    assert (frame.index, frame.time) == (0, None)
    if mode == "CMYK":
        near(frame.image, rgb, 40)                       # and not inverted


def test_palette_with_a_transparent_entry(tmp_path, rgb):
    path = saved(tmp_path / "x.png", Image.fromarray(rgb).convert("P"), transparency=7)
    near(only(path).image, by_pillow(path), 0)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("ending", "tolerance"), [("jpg", 3), ("png", 0), ("tiff", 0), ("webp", 4)])
def test_orientation_is_applied(tmp_path, rgb, orientation, ending, tolerance):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = saved(tmp_path / f"x.{ending}", rgb, exif=exif, **({"quality": 95} if ending in ("jpg", "webp") else {}))
    want = by_pillow(path)
    assert (want.shape[0] > want.shape[1]) == (orientation > 4)
    clip = read(path)
    (frame,) = clip.frames
    near(frame.image, want, tolerance)
    assert clip.frames.size == (want.shape[1], want.shape[0])


def test_16_bits_use_the_whole_range(tmp_path):
    deep = np.linspace(0, 65535, 32 * 48).astype(np.uint16).reshape(32, 48)
    for ending in ("png", "tiff"):
        cv2.imwrite(str(tmp_path / f"x.{ending}"), deep)
        near(only(tmp_path / f"x.{ending}").image, np.repeat(np.round(deep / 257).astype(np.uint8)[..., None], 3, 2), 1)


@pytest.mark.parametrize("bits", [10, 12])
def test_fewer_bits_in_16_are_noticed(tmp_path, bits):
    deep = np.linspace(0, 2**bits - 1, 32 * 48).astype(np.uint16).reshape(32, 48)
    cv2.imwrite(str(tmp_path / "x.png"), deep)
    with pytest.warns(PalmarWarning, match=f"taken as {bits}-bit"):
        image = only(tmp_path / "x.png").image
    near(image[..., 0], np.round(deep * (255 / (2**bits - 1))).astype(np.uint8), 1)


def test_stated_bits_are_believed(tmp_path):
    """sBIT of a PNG, with nothing bright in it."""
    cv2.imwrite(str(tmp_path / "x.png"), np.full((32, 48), 512, np.uint16))
    data = (tmp_path / "x.png").read_bytes()
    chunk = b"sBIT" + bytes([12])
    chunk = struct.pack(">I", 1) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "y.png").write_bytes(data[:33] + chunk + data[33:])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert only(tmp_path / "y.png").image[0, 0, 0] == round(512 * 255 / 4095)


def test_a_dark_frame_does_not_flicker_in_a_sequence(tmp_path):
    cv2.imwrite(str(tmp_path / "1.png"), np.full((16, 16), 60000, np.uint16))
    cv2.imwrite(str(tmp_path / "2.png"), np.full((16, 16), 900, np.uint16))
    bright, dark = read(tmp_path).frames
    assert (bright.image[0, 0, 0], dark.image[0, 0, 0]) == (233, 4)


def test_focal_length_in_exif_makes_the_camera(tmp_path, rgb):
    exif = Image.Exif()
    exif.get_ifd(EXIF)[FOCAL_35MM] = 28
    exif[ORIENTATION] = 6
    path = saved(tmp_path / "x.jpg", rgb, exif=exif)
    clip = read(path)
    assert clip.camera.fx == pytest.approx(28 / np.hypot(36, 24) * np.hypot(32, 48))
    assert (clip.camera.width, clip.camera.height) == (32, 48)
    assert "28 mm" in clip.camera_note
    given = read(path, fov=60)
    assert given.camera.hfov == pytest.approx(np.radians(60))
    assert "60" in given.camera_note
    saved(tmp_path / "y.jpg", rgb.transpose(1, 0, 2))
    both = read([path, tmp_path / "y.jpg"], stills=True)
    assert both.camera is None
    assert "differ" in both.camera_note


@pytest.mark.parametrize("ending", ["jpg", "png"])
@pytest.mark.parametrize(("limit", "factor"), [(160_000, 1), (100_000, 2), (20_000, 4), (3_000, 8)])
def test_a_huge_picture_comes_reduced(tmp_path, monkeypatch, ending, limit, factor):
    """A gradient: the colour at each place is known. The side of 801 is no multiple of any factor."""
    monkeypatch.setattr("palmar.media.picture.MAX_PIXELS", limit)
    x = np.linspace(0, 255, 801)
    exif = Image.Exif()
    exif[ORIENTATION] = 3
    gradient = np.repeat(np.repeat(x.astype(np.uint8)[None, :, None], 3, 2), 190, 0)
    path = saved(tmp_path / f"x.{ending}", gradient, exif=exif)
    clip = read(path, fov=90)
    (frame,) = clip.frames
    width = -(-801 // factor)
    assert frame.image.shape == (-(-190 // factor), width, 3)
    assert (clip.camera.width, clip.camera.height) == clip.frames.size == (width, frame.image.shape[0])
    if factor == 1:
        assert "reduced" not in clip.info
        return
    assert clip.info["reduced"] == [{"frame": 0, "factor": factor, "original": [801, 190]}]
    where = (np.arange(width) + 0.5) * factor - 0.5      # as the docstring of read says
    inner = slice(1, width - 2)
    want = 255 - np.interp(where, np.arange(801), x)
    assert np.abs(frame.image[5, inner, 0] - want[inner]).max() < 3.5


def test_too_huge_is_refused(tmp_path, monkeypatch, rgb):
    monkeypatch.setattr("palmar.media.picture.MAX_PIXELS", 10)
    with pytest.raises(PalmarError, match="too many to decode safely"):
        read(saved(tmp_path / "x.png", rgb))


MEMORY = """
import sys
from palmar.media import read
(frame,) = read(sys.argv[1]).frames
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(frame.image.shape, peak // 1024)
"""


def flat_jpeg(width, height):
    """A sequential grey JPEG of one colour, made block by block: each is a zero difference and an end of block."""
    ok, small = cv2.imencode(".jpg", np.full((8, 8), 128, np.uint8))
    assert ok
    data = small.tobytes()
    sof = data.index(b"\xff\xc0")
    sos = data.index(b"\xff\xda")
    start = sos + 2 + struct.unpack(">H", data[sos + 2:sos + 4])[0]
    head = data[:sof + 5] + struct.pack(">HH", height, width) + data[sof + 9:start]
    blocks = -(-width // 8) * -(-height // 8)            # standard Huffman tables: 00 and 1010, six bits a block
    bits = "001010" * 4
    scan = int(bits, 2).to_bytes(3, "big") * (-(-blocks // 4))
    return head + scan + b"\xff\xd9"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_panorama_does_not_exhaust_memory(tmp_path):
    path = tmp_path / "x.jpg"
    path.write_bytes(flat_jpeg(20000, 10000))            # 600 MB as RGB
    out = subprocess.run([sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, check=True).stdout
    assert out.startswith("(2500, 5000, 3)"), out
    assert int(out.split()[-1]) < 450, out


def test_odd_files_are_refused_in_words(tmp_path, rgb):
    jpeg = saved(tmp_path / "ok.jpg", rgb).read_bytes()
    png = saved(tmp_path / "ok.png", rgb).read_bytes()
    webp = saved(tmp_path / "ok.webp", rgb).read_bytes()
    bmp = saved(tmp_path / "ok.bmp", rgb).read_bytes()
    tiff = saved(tmp_path / "ok.tiff", rgb).read_bytes()
    cmyk = saved(tmp_path / "cmyk.jpg", Image.fromarray(rgb).convert("CMYK")).read_bytes()
    adobe = cmyk.index(b"\xff\xee")
    sof = jpeg.index(b"\xff\xc0")
    ihdr = bytearray(png)
    ihdr[16:24] = struct.pack(">II", 60000, 60000)
    ihdr[29:33] = struct.pack(">I", zlib.crc32(bytes(ihdr[12:29])))
    apng = io.BytesIO()
    Image.fromarray(rgb).save(apng, "PNG", save_all=True, append_images=[Image.fromarray(255 - rgb)])
    moving = io.BytesIO()
    Image.fromarray(rgb).save(moving, "WEBP", save_all=True, append_images=[Image.fromarray(255 - rgb)])
    deep = io.BytesIO()
    Image.fromarray(rgb[..., 0].astype(np.float32)).save(deep, "TIFF")
    inks = io.BytesIO()
    Image.fromarray(rgb).convert("CMYK").save(inks, "TIFF")
    cases = {
        "empty.jpg": (b"", "empty"), "empty.png": (b"", "empty"), "text.png": (b"hello there\n" * 9, "not a picture"),
        "cut.jpg": (jpeg[:-100], "cut off"), "early.jpg": (jpeg[:200], "cut off"), "tiny.jpg": (jpeg[:3], "cut off"),
        "cut.png": (png[:-40], "cut off"), "early.png": (png[:20], "cut off"), "cut.webp": (webp[:-9], "cut off"),
        "cut.bmp": (bmp[:-500], "cut off"), "cut.tiff": (tiff[:100], "cut off"),
        "lie.jpg": (jpeg[:sof + 5] + struct.pack(">HH", 60000, 60000) + jpeg[sof + 9:], "promises 60000 x 60000"),
        "lie.png": (bytes(ihdr), "promises 60000 x 60000"), "inks.jpg": (cmyk[:adobe] + cmyk[adobe + 16:], "CMYK"),
        "inks.tiff": (inks.getvalue(), "CMYK"), "float.tiff": (deep.getvalue(), "no fixed white"),
        "apng.png": (apng.getvalue(), "animated"), "moving.webp": (moving.getvalue(), "animated"),
        "x.heic": (b"\0\0\0\x18ftypheic" + bytes(20), "HEIC"), "noise.jpg": (os.urandom(500), "not a picture"),
    }
    for name, (data, words) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(PalmarError, match=words) as caught:
            only(tmp_path / name)
        assert name in str(caught.value)


def test_a_lower_height_than_promised_is_noticed(tmp_path, rgb):
    """The size in the header must be the size decoded, whatever the decoder makes of it."""
    path = saved(tmp_path / "x.bmp", rgb)
    data = bytearray(path.read_bytes())
    data[22:26] = struct.pack("<i", 320)
    path.write_bytes(bytes(data))
    with pytest.raises(PalmarError, match="promises"):
        only(path)


@pytest.mark.parametrize("size", [(1, 1), (7, 100), (100, 7)])
def test_too_small_is_refused(tmp_path, size):
    path = saved(tmp_path / "x.png", Image.new("RGB", size))
    with pytest.raises(PalmarError, match="too few to show a hand"):
        read(path)


def test_what_follows_a_jpeg_does_no_harm(tmp_path, rgb):
    path = saved(tmp_path / "x.jpg", rgb)
    want = only(path).image
    path.write_bytes(path.read_bytes() + b"maker's trailer" * 20)
    np.testing.assert_array_equal(only(path).image, want)


def test_a_file_of_another_name_is_read_by_its_content(tmp_path, rgb):
    path = saved(tmp_path / "x.dat", rgb, format="PNG")
    np.testing.assert_array_equal(only(path).image, rgb)


def test_comments_and_text_chunks_do_no_harm(tmp_path, rgb):
    text = PngImagePlugin.PngInfo()
    text.add_text("note", "IEND" * 50)
    np.testing.assert_array_equal(only(saved(tmp_path / "x.png", rgb, pnginfo=text)).image, rgb)
    (tmp_path / "x.ppm").write_bytes(b"P6\n# a comment\n48 32\n255\n" + rgb.tobytes())
    np.testing.assert_array_equal(only(tmp_path / "x.ppm").image, rgb)


def test_any_prefix_of_a_picture_is_whole_or_refused(tmp_path, rgb):
    """Cut anywhere: never a library's exception, never a silently wrong picture."""
    for ending in ("jpg", "png", "webp", "tiff", "bmp", "ppm"):
        whole = saved(tmp_path / f"x.{ending}", rgb).read_bytes()
        want = only(tmp_path / f"x.{ending}").image
        for length in np.linspace(0, len(whole) - 1, 25).astype(int):
            (tmp_path / f"cut.{ending}").write_bytes(whole[:length])
            try:
                got = only(tmp_path / f"cut.{ending}").image
            except PalmarError:
                continue
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tiff", "bmp"])
def test_damaged_bytes_never_end_in_a_library_error(tmp_path, rgb, ending, capfd):
    whole = saved(tmp_path / f"x.{ending}", rgb).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        data = bytearray(whole)
        for at in rng.integers(0, min(len(data), 400), 3):
            data[at] = rng.integers(256)
        (tmp_path / f"bad.{ending}").write_bytes(bytes(data))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PalmarWarning)
                frame = only(tmp_path / f"bad.{ending}")
            assert frame.image.dtype == np.uint8
        except PalmarError:
            pass


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_written_pictures_come_back(tmp_path, rgb, ending):
    path = tmp_path / f"a b ü.{ending}"
    write_image(path, rgb)
    near(only(path).image, by_pillow(path), 3)
    near(by_pillow(path), rgb, 0 if ending == "png" else 25)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_writing_says_what_is_wrong(tmp_path, rgb):
    with pytest.raises(PalmarError, match=r"\.png or \.jpg"):
        write_image(tmp_path / "x.xyz", rgb)
    with pytest.raises(PalmarError, match="uint8"):
        write_image(tmp_path / "x.png", rgb.astype(np.float32))
    with pytest.raises(PalmarError, match="cannot write here"):
        write_image(tmp_path / "missing" / "x.png", rgb)
    assert not list(tmp_path.iterdir())


def test_the_header_alone_gives_size_and_turn(tmp_path, rgb):
    exif = Image.Exif()
    exif[ORIENTATION] = 8
    header = read_header(saved(tmp_path / "x.jpg", rgb, exif=exif))
    assert (header.width, header.height, header.size) == (48, 32, (32, 48))
