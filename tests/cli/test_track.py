"""`palmar track` on recordings of every kind, with tiny networks."""

from __future__ import annotations

import json
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from PIL import Image

import palmar as package
from palmar.cli.track import beside, source_of
from palmar.media import read, write_video

WIDTH, HEIGHT = 160, 120


def read_clip(out):
    return json.loads((out / "clip.json").read_text())


def test_a_video(palmar, clip, tiny_weights, tmp_path):
    """The spot moves four pixels a frame from x = 60; the hand that follows it does the same."""
    heard = palmar("track", clip, "--weights", tiny_weights)
    out = tmp_path / "clip-hands"
    assert (heard.code, heard.out) == (0, "")
    assert heard.err.startswith("palmar: 10 frames, 10 hands (1 followed) in 10 of them, ")
    assert heard.err.count("\n") == 1
    assert "frames per second" in heard.err
    assert sorted(p.name for p in out.iterdir()) == ["clip.json", "hands.parquet", "overlay.mp4"]
    hands = package.Hands.from_parquet(out / "hands.parquet")
    np.testing.assert_array_equal(hands.frame, np.arange(10))
    assert set(hands.side.tolist()) == {1}
    assert len(set(hands.track.tolist())) == 1
    middle = hands.keypoints[:, :, 0].mean(1)
    assert middle[-1] - middle[0] == pytest.approx(36, abs=6)  # smoothing lags a little
    frames = list(read(out / "overlay.mp4").frames)
    assert [round(frame.time * 25) for frame in frames] == list(range(10))
    plain = list(read(clip).frames)
    assert all(np.abs(a.image.astype(int) - b.image).max() > 60 for a, b in zip(frames, plain, strict=True))
    entries = read_clip(out)
    cards = {
        name: json.loads((tiny_weights / f"{name}.json").read_text())["sha256"] for name in ("detector", "landmarker")
    }
    assert entries["info"]["weights"] == cards
    assert {"field_of_view", "hand_size", "mirrored"} <= set(entries["info"]["assumptions"])
    assert entries["info"]["versions"]["palmar"] == package.__version__


def test_the_same_run_gives_the_same_bytes(palmar, clip, tiny_weights, tmp_path):
    for name in ("a", "b"):
        assert palmar("track", clip, "-o", tmp_path / name, "--weights", tiny_weights).code == 0
    for name in ("hands.parquet", "clip.json", "overlay.mp4"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def grey(rgb):
    return Image.fromarray(rgb[..., 0])


def sixteen(rgb):
    return Image.fromarray(rgb[..., 0].astype(np.uint16) * 257)


def cmyk(rgb):
    return Image.fromarray(rgb).convert("CMYK")


def alpha(rgb):
    return Image.fromarray(np.concatenate([rgb, np.full_like(rgb[..., :1], 255)], -1))


@pytest.mark.parametrize(
    ("kind", "ending"),
    [(grey, "png"), (grey, "jpg"), (sixteen, "png"), (sixteen, "tiff"), (cmyk, "jpg"), (alpha, "png"), (alpha, "webp")],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_pictures_of_every_kind(palmar, spot, tiny_weights, tmp_path, kind, ending):
    """They show the same spot as the plain picture, so the same hand is found."""
    found = {}
    for name, image in (("plain.png", Image.fromarray(spot())), (f"other.{ending}", kind(spot()))):
        image.save(tmp_path / name)
        heard = palmar("track", tmp_path / name, "--weights", tiny_weights)
        assert (heard.code, heard.errors) == (0, [])
        out = tmp_path / f"{name.split('.')[0]}-hands"
        found[name] = package.Hands.from_parquet(out / "hands.parquet")
        (overlay,) = (out / "overlay").iterdir()
        assert cv2.imread(str(overlay)).shape == (HEIGHT, WIDTH, 3)
    plain, other = found.values()
    assert len(plain) == len(other) == 1
    np.testing.assert_allclose(other.keypoints, plain.keypoints, atol=0.5)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_an_exif_rotated_picture_is_turned_upright(palmar, spot, tiny_weights, tmp_path, orientation):
    """A picture stored lying down, and its tag: the hand is found where it is in the upright picture."""
    upright = Image.fromarray(spot(WIDTH, HEIGHT, 40.0, 60.0))
    turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright.transpose(turn).save(tmp_path / "lying.jpg", exif=exif, quality=95)
    upright.save(tmp_path / "upright.jpg", quality=95)
    found = []
    for name in ("lying", "upright"):
        assert palmar("track", tmp_path / f"{name}.jpg", "--weights", tiny_weights).code == 0
        found.append(package.Hands.from_parquet(tmp_path / f"{name}-hands" / "hands.parquet"))
        (overlay,) = (tmp_path / f"{name}-hands" / "overlay").iterdir()
        assert cv2.imread(str(overlay)).shape == (HEIGHT, WIDTH, 3)
    np.testing.assert_allclose(found[0].keypoints, found[1].keypoints, atol=1.0)


@pytest.fixture
def folder(tmp_path, spot):
    """Three pictures whose names sort as numbers, and a file that is none."""
    path = tmp_path / "pictures"
    path.mkdir()
    for number in (2, 10, 1):
        Image.fromarray(spot(x=30.0 + 5 * number)).save(path / f"p{number}.png")
    (path / "notes.txt").write_text("not a picture")
    return path


@pytest.mark.parametrize("stills", [False, True])
def test_a_folder(palmar, folder, tiny_weights, tmp_path, stills):
    heard = palmar("track", folder, "--weights", tiny_weights, *(["--stills"] if stills else []))
    assert heard.code == 0
    warned, said = heard.err.splitlines()
    assert warned == f"palmar: warning: {folder}: no pictures, left out: notes.txt."
    assert said.startswith("palmar: 3 frames, 3 hands")
    out = tmp_path / "pictures-hands"
    entries = read_clip(out)
    assert entries["names"] == ["p1.png", "p2.png", "p10.png"]
    hands = package.Hands.from_parquet(out / "hands.parquet")
    assert (hands.track == -1).all() == stills
    assert sorted(p.name for p in (out / "overlay").iterdir()) == ["000000-p1.jpg", "000001-p2.jpg", "000002-p10.jpg"]


def test_several_pictures(palmar, folder, tiny_weights, tmp_path):
    heard = palmar(
        "track", folder / "p10.png", folder / "p1.png", "-o", tmp_path / "o", "--weights", tiny_weights, "--no-video"
    )
    assert heard.code == 0
    assert read_clip(tmp_path / "o")["names"] == [str(folder / "p10.png"), str(folder / "p1.png")]
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == ["clip.json", "hands.parquet"]


def test_options_do_something(palmar, spot, tiny_weights, tmp_path):
    two = np.maximum(spot(x=40.0), spot(x=120.0))
    Image.fromarray(two).save(tmp_path / "two.png")
    camera = {"width": WIDTH, "height": HEIGHT, "fx": 200, "fy": 200, "cx": 79.5, "cy": 59.5}
    (tmp_path / "camera.json").write_text(json.dumps(camera))

    def run(*words):
        words = ("-o", tmp_path / "o", "--weights", tiny_weights, "--overwrite", *words)
        assert palmar("track", tmp_path / "two.png", *words).code == 0
        return read_clip(tmp_path / "o"), package.Hands.from_parquet(tmp_path / "o" / "hands.parquet")

    entries, hands = run()
    assert (len(hands), set(hands.side.tolist())) == (2, {1})
    assert entries["camera_note"].startswith("assumed")
    assert len(run("--max-hands", 1)[1]) == 1
    entries, other = run("--mirrored")
    assert set(other.side.tolist()) == {0}
    assert entries["info"]["mirrored"] is True
    entries, near = run("--fov", 90)
    assert entries["cameras"][0]["fx"] == pytest.approx(WIDTH / 2)
    assert entries["camera_note"].startswith("from the field of view")
    entries, far = run("--camera", tmp_path / "camera.json")
    assert entries["cameras"][0]["fx"] == 200
    assert np.median(far.translation[:, 2] / near.translation[:, 2]) == pytest.approx(200 / 80, rel=0.15)


def test_what_is_at_out_is_kept_unless_asked(palmar, picture, tiny_weights, tmp_path):
    words = ("track", picture, "-o", tmp_path / "o", "--weights", tiny_weights)
    assert palmar(*words).code == 0
    before = (tmp_path / "o" / "clip.json").stat().st_ino
    heard = palmar(*words)
    assert (heard.code, len(heard.errors)) == (2, 1)
    assert (tmp_path / "o" / "clip.json").stat().st_ino == before
    assert palmar(*words, "--overwrite").code == 0
    assert (tmp_path / "o" / "clip.json").stat().st_ino != before


def test_a_video_damaged_in_the_middle(palmar, spot, tiny_weights, tmp_path):
    """What decodes is tracked; one warning names the rest."""
    path = tmp_path / "long.mp4"
    rng = np.random.default_rng(0)
    write_video(
        path,
        [
            np.clip(spot(x=60.0 + k) + rng.integers(0, 9, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)
            for k in range(40)
        ],
        25.0,
    )
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 8] = bytes(len(data) // 8)
    path.write_bytes(data)
    heard = palmar("track", path, "--weights", tiny_weights)
    assert heard.code == 0
    warned, said = heard.err.splitlines()
    assert warned.startswith(f"palmar: warning: {path}: ")
    assert "could not be decoded" in warned
    frames = int(said.removeprefix("palmar: ").split()[0])
    assert 5 < frames < 40
    assert read_clip(tmp_path / "long-hands")["info"]["frames"] == frames


# What is wrong


def no_file(path, picture, clip):
    pass


def empty(path, picture, clip):
    path.write_bytes(b"")


def text(path, picture, clip):
    path.write_text("a letter, not a recording\n" * 50)


def cut_video(path, picture, clip):
    path.write_bytes(clip.read_bytes()[:700])


def cut_picture(path, picture, clip):
    path.write_bytes(picture.read_bytes()[:60])


def half_a_picture(path, picture, clip):
    data = picture.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def sound(path, picture, clip):
    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


def no_frames(path, picture, clip):
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for packet in stream.encode(None):
            container.mux(packet)


def one_pixel(path, picture, clip):
    Image.fromarray(np.full((1, 1, 3), 9, np.uint8)).save(path, format="png")


def noise_as_png(path, picture, clip):
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(np.random.default_rng(0).integers(0, 256, 500, np.uint8)))


def empty_folder(path, picture, clip):
    path.mkdir()


def folder_of_text(path, picture, clip):
    path.mkdir()
    (path / "a.txt").write_text("x")


def folder_of_sizes(path, picture, clip):
    path.mkdir()
    for size in (32, 64):
        Image.fromarray(np.zeros((size, size, 3), np.uint8)).save(path / f"{size}.png")


BAD = [
    (no_file, "x.mp4", "no such file"), (no_file, "x.png", "no such file"), (empty, "x.mp4", "empty"),
    (empty, "x.png", "empty"),
    (text, "x.mp4", "not a video"), (text, "x.png", "not a picture"), (cut_video, "x.mp4", "cut off"),
    (cut_video, "x", "cut off"),
    (cut_picture, "x.png", "cut"), (half_a_picture, "x.png", "cut off"), (sound, "x.wav", "no video"),
    (sound, "x.mp4", "no video"),
    (no_frames, "x.mp4", ""), (one_pixel, "x.png", "1 x 1"), (noise_as_png, "x.png", "PNG"),
    (empty_folder, "x", "empty"), (folder_of_text, "x", "without pictures"), (folder_of_sizes, "x", "one size"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "name", "says"), BAD, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_bad_input_is_one_line(palmar, listed, picture, clip, tiny_weights, tmp_path, make, name, says):
    where = tmp_path / "in"
    where.mkdir()
    make(where / name, picture, clip)
    before = listed(tmp_path)
    heard = palmar("track", where / name, "--weights", tiny_weights)
    assert heard.code == 2
    assert heard.out == ""
    assert heard.err.count("\n") == len(heard.errors) == 1
    assert says in heard.err
    assert str(where / name) in heard.err
    assert listed(tmp_path) == before


@pytest.mark.parametrize(
    "words",
    [
        ["--device", "tpu"], ["--max-hands", "many"], ["--max-hands", "0"], ["--max-hands", "1.5"],
        ["--fov", "0"], ["--fov", "180"],
        ["--fov", "wide"], ["--fov", "nan"], ["--camera", "nowhere.json"], ["--camera", "text.json"],
        ["--camera", "half.json"],
        ["--fov", "60", "--camera", "half.json"], ["--nonsense"], ["--smooth", "3"], ["-o"], ["--weights", "nowhere"],
        ["-o", "text.json"], ["-o", "text.json/deeper"], ["-o", "full"], ["-o", "full", "--overwrite"],
        ["-o", "a" * 300],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_bad_option_is_one_line(palmar, listed, picture, tiny_weights, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.json").write_text("no JSON")
    (tmp_path / "half.json").write_text('{"width": 160}')
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("x")
    before = listed(tmp_path)
    heard = palmar("track", picture, "--weights", tiny_weights, *words)
    assert heard.code == 2
    assert heard.out == ""
    assert heard.err.count("\n") == len(heard.errors) == 1
    assert listed(tmp_path) == before


def test_stills_of_a_recording_are_refused(palmar, clip, tiny_weights):
    heard = palmar("track", clip, "--stills", "--weights", tiny_weights)
    assert (heard.code, len(heard.errors)) == (2, 1)


def test_no_input_at_all(palmar):
    heard = palmar("track")
    assert (heard.code, len(heard.errors), heard.err.count("\n")) == (2, 1, 1)


def test_a_webcam_that_is_not_there(palmar, listed, tiny_weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    heard = palmar("track", "93", "--weights", tiny_weights)
    assert heard.code == 2
    assert heard.err.count("\n") == len(heard.errors) == 1
    assert "webcam:93" in heard.err
    assert not listed(tmp_path)


@pytest.mark.parametrize("damage", ["sha", "network", "no card", "no network", "card"])
def test_wrong_weights_are_refused(palmar, listed, picture, tiny_weights, tmp_path, damage):
    weights = tmp_path / "weights"
    weights.mkdir()
    for file in tiny_weights.iterdir():
        (weights / file.name).write_bytes(file.read_bytes())
    network, card = weights / "landmarker.onnx", weights / "landmarker.json"
    match damage:
        case "sha":
            network.write_bytes(network.read_bytes() + b"\0")
        case "network":
            import hashlib

            network.write_bytes(b"no network")
            card.write_text(json.dumps({"name": "landmarker", "sha256": hashlib.sha256(b"no network").hexdigest()}))
        case "no card":
            card.unlink()
        case "no network":
            network.unlink()
        case "card":
            card.write_text("{}")
    before = listed(tmp_path)
    heard = palmar("track", picture, "--weights", weights)
    assert heard.code == 2
    assert heard.err.count("\n") == len(heard.errors) == 1
    assert ("sha256" in heard.err) == (damage in ("sha", "card"))
    assert listed(tmp_path) == before


def test_cuda_where_there_is_none_is_an_error_and_no_fallback(palmar, picture, tiny_weights):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("there is one")
    heard = palmar("track", picture, "--device", "cuda", "--weights", tiny_weights)
    assert (heard.code, len(heard.errors)) == (2, 1)


@pytest.mark.parametrize(
    ("words", "source", "out"),
    [
        (("0",), 0, "webcam0-hands"),
        (("clip.mp4",), "clip.mp4", "clip-hands"),
        (("a.b/c.d.mp4",), "a.b/c.d.mp4", "a.b/c.d-hands"),
        (("b.jpg", "a.jpg"), ["b.jpg", "a.jpg"], "b-hands"),
        (("٣",), "٣", "٣-hands"),
    ],
)
def test_where_a_result_goes(words, source, out):
    assert source_of(words) == source
    assert str(beside(source)) == out


def test_a_file_whose_name_is_a_number_comes_before_a_webcam(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "0").mkdir()
    assert source_of(("0",)) == "0"
    assert str(beside("0")) == "0-hands"
    assert beside(".") == tmp_path.with_name(f"{tmp_path.name}-hands")
