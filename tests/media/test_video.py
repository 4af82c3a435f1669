"""Video: every frame carries its number in the picture, so that what is given can be told from what is promised."""

from __future__ import annotations

import gc
import os
import sys
import threading
import warnings
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palmar.errors import PalmarError, PalmarWarning
from palmar.media import VideoFrames, VideoWriter, read, write_video
from palmar.media.video import _Account, _in_order

SIZE = (128, 64)


def numbered(k, size=SIZE):
    """k in binary, in the upper half, in cells of 16 pixels (the right end lowest); moving noise below."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    for bit in range(8):
        image[:size[1] // 2, size[0] - 16 * (bit + 1):size[0] - 16 * bit] = 255 * (k >> bit & 1)
    noise = np.random.default_rng(0).integers(0, 256, (size[1] // 8, size[0] // 4, 3), dtype=np.uint8)
    image[size[1] // 2:] = np.roll(noise, k, 1).repeat(4, 0).repeat(4, 1)
    return image


def number(image):
    return sum(int(image[8:24, image.shape[1] - 16 * bit - 12:image.shape[1] - 16 * bit - 4].mean() > 128) << bit
               for bit in range(8))


def encode(path, frames=48, times=None, *, gop=12, bframes=2, setup=None, images=None, rate=30, mux=None, **options):
    """A video by PyAV alone, not by the code under test."""
    images = [numbered(k) for k in range(frames)] if images is None else images
    with av.open(str(path), "w", options=mux or {}, **options) as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height = (images[0].shape[1], images[0].shape[0]) if images else SIZE
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 90000)
        stream.codec_context.gop_size = gop
        stream.codec_context.max_b_frames = bframes
        if setup:
            setup(stream)
        if not images:
            container.start_encoding()
            return
        for k, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = round((k / rate if times is None else times[k]) * 90000)
            frame.time_base = Fraction(1, 90000)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)


def packets(path):
    with av.open(str(path)) as container:
        return [(p.pos, p.size, p.pts, p.dts) for p in container.demux(video=0) if p.size]


def spoil(source, target, which, part=(0.0, 1.0)):
    """Overwrite this part of the bytes of these packets (in file order) with noise."""
    data = bytearray(source.read_bytes())
    rng = np.random.default_rng(1)
    places = packets(source)
    for k in which:
        at, size = places[k][:2]
        a, b = at + int(size * part[0]), at + int(size * part[1])
        data[a:b] = rng.integers(0, 256, b - a, dtype=np.uint8).tobytes()
    target.write_bytes(bytes(data))
    return target


@pytest.fixture(scope="module")
def movie(tmp_path_factory):
    path = tmp_path_factory.mktemp("movie") / "a film ü.mp4"
    encode(path, mux={"movflags": "faststart"})
    return path


def quiet(frames):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return list(frames)


def test_frames_and_times(movie):
    order = [pts for *_, pts, _ in packets(movie)]
    assert order != sorted(order), "the test needs B-frames"
    clip = read(movie)
    assert clip.frames.count == 48
    assert clip.frames.fps == pytest.approx(30)
    assert clip.frames.size == SIZE
    assert clip.frames.names is None
    assert clip.frames.source == str(movie)
    assert clip.camera is None
    for _ in range(2):                                   # iterating again starts from the first
        frames = quiet(clip.frames)
        assert [number(f.image) for f in frames] == list(range(48))
        assert [f.index for f in frames] == list(range(48))
        np.testing.assert_allclose([f.time for f in frames], np.arange(48) / 30, atol=1e-4)
        assert all(f.image.dtype == np.uint8 and f.image.flags.c_contiguous for f in frames)
    assert [f.time for f in read(movie, fps=10).frames][:3] == [0.0, 0.1, 0.2]
    assert read(movie, fov=70).camera.hfov == pytest.approx(np.radians(70))
    with pytest.raises(PalmarError, match="stills"):
        read(movie, stills=True)


def test_times_count_from_the_first_frame(tmp_path):
    encode(tmp_path / "x.mkv", 5, times=[7.0, 7.1, 7.5, 8.0, 8.01])
    assert VideoFrames(tmp_path / "x.mkv").count < 60     # a guess from the length of the video, not from its end
    assert [f.time for f in quiet(VideoFrames(tmp_path / "x.mkv"))] == pytest.approx([0, 0.1, 0.5, 1.0, 1.01], abs=1e-3)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gaps=st.lists(st.floats(0.001, 3.0), min_size=1, max_size=12), start=st.floats(-10, 1e5))
def test_any_times_survive_writing_and_reading(tmp_path, gaps, start):
    times = start + np.concatenate([[0], np.cumsum(gaps)])
    with VideoWriter(tmp_path / "x.mp4", fps=30, preset="ultrafast") as writer:
        for k, time in enumerate(times):
            writer.add(numbered(k), float(time))
    frames = quiet(read(tmp_path / "x.mp4").frames)
    assert [number(f.image) for f in frames] == list(range(len(times)))
    np.testing.assert_allclose([f.time for f in frames], times - times[0], atol=1.2e-5)


def test_variable_rate_of_a_foreign_file(tmp_path):
    times = np.cumsum(np.random.default_rng(0).uniform(0.005, 0.2, 30))
    encode(tmp_path / "x.mp4", 30, times=times)
    frames = quiet(read(tmp_path / "x.mp4").frames)
    np.testing.assert_allclose([f.time for f in frames], times - times[0], atol=2e-5)
    assert [number(f.image) for f in frames] == list(range(30))


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotation_metadata(tmp_path, degrees):
    """FFmpeg's display rotation counts counterclockwise, as numpy's rot90."""
    encode(tmp_path / "x.mp4", 3, setup=lambda stream: stream.set_display_rotation(degrees))
    clip = read(tmp_path / "x.mp4", fov=60)
    want = np.rot90(numbered(1), degrees // 90)
    frame = quiet(clip.frames)[1]
    assert frame.image.shape == want.shape
    assert frame.image.flags.c_contiguous
    assert np.abs(frame.image.astype(int) - want).mean() < 12
    assert clip.frames.size == (clip.camera.width, clip.camera.height) == (want.shape[1], want.shape[0])


def test_mirrored_display_matrix(tmp_path):
    """What front cameras write: x mirrored, without a turn."""
    matrix = (-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    encode(tmp_path / "x.mp4", 3, setup=lambda stream: stream.set_display_matrix(matrix))
    frame = quiet(read(tmp_path / "x.mp4").frames)[1]
    assert np.abs(frame.image.astype(int) - numbered(1)[:, ::-1]).mean() < 12


@pytest.mark.parametrize(("space", "matrix"), [(1, (0.2126, 0.0722)), (6, (0.299, 0.114))])
def test_colours_follow_the_tag(tmp_path, space, matrix):
    """Planes from the definition of BT.709 and BT.601, limited range."""
    colours = np.array([(200, 30, 30), (30, 200, 30), (30, 30, 200), (220, 170, 140), (255, 255, 255), (0, 0, 0)])
    kr, kb = matrix
    y = colours @ (kr, 1 - kr - kb, kb)
    planes = np.stack([16 + y * 219 / 255, 128 + (colours[:, 2] - y) / (1 - kb) / 2 * 224 / 255,
                       128 + (colours[:, 0] - y) / (1 - kr) / 2 * 224 / 255], 1).round().astype(np.uint8)
    luma = np.repeat(planes[:, 0], 32)[None].repeat(32, 0)
    chroma = [np.repeat(planes[:, k], 16)[None].repeat(16, 0) for k in (1, 2)]
    with av.open(str(tmp_path / "x.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 192, 32, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = space, 1
        flat = np.concatenate([luma.ravel(), *(c.ravel() for c in chroma)]).reshape(48, 192)
        frame = av.VideoFrame.from_ndarray(flat, format="yuv420p")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (frame,) = quiet(read(tmp_path / "x.mp4").frames)
    assert np.abs(frame.image[16, 16::32].astype(int) - colours).max() <= 4


def test_written_colours_come_back(tmp_path):
    colours = np.array([(200, 30, 30), (30, 200, 30), (30, 30, 200), (220, 170, 140)], np.uint8)
    image = np.repeat(np.repeat(colours[None], 32, 1), 32, 0)
    assert write_video(tmp_path / "x.mp4", [image] * 3, 25) == 3
    frames = quiet(read(tmp_path / "x.mp4").frames)
    assert [f.time for f in frames] == pytest.approx([0, 0.04, 0.08])
    assert np.abs(frames[2].image[16, 16::32].astype(int) - colours).max() <= 6


@pytest.mark.parametrize(("matrix", "tag", "kr", "kb"), [("bt709", 1, 0.2126, 0.0722), ("bt601", 6, 0.299, 0.114)])
def test_the_matrix_of_colours_is_the_one_asked_for_and_named(tmp_path, matrix, tag, kr, kb):
    """Luma and chroma turned back by the standard's own formula, whatever the file says of itself."""
    colours = np.array([(200, 30, 30), (30, 200, 30), (30, 30, 200), (220, 170, 140)], np.uint8)
    with VideoWriter(tmp_path / "x.mp4", 25, matrix=matrix) as writer:
        writer.add(np.repeat(np.repeat(colours[None], 32, 1), 32, 0))
    with av.open(str(tmp_path / "x.mp4")) as container:
        assert container.streams.video[0].codec_context.colorspace == tag
        planes = next(container.decode(video=0)).to_ndarray().astype(float)
    y = (planes[16, 16::32] - 16) * 255 / 219
    blue, red = ((planes[row].reshape(2, 64)[0, 8::16] - 128) * 255 / 112 for row in (36, 44))
    r, b = y + (1 - kr) * red, y + (1 - kb) * blue
    found = np.stack([r, (y - kr * r - kb * b) / (1 - kr - kb), b], 1)
    assert np.abs(found - colours).max() <= 6
    assert np.abs(quiet(read(tmp_path / "x.mp4").frames)[0].image[16, 16::32].astype(int) - colours).max() <= 6


def test_sound_is_ignored_and_sound_alone_refused(tmp_path):
    for name, pictures in (("both.mp4", 6), ("sound.mp4", 0)):
        with av.open(str(tmp_path / name), "w") as container:
            video = container.add_stream("libx264", rate=30) if pictures else None
            if video:
                video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
            sound = container.add_stream("aac", rate=16000, layout="mono")
            tone = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
            tone.sample_rate = 16000
            container.mux(sound.encode(tone))
            for k in range(pictures):
                container.mux(video.encode(av.VideoFrame.from_ndarray(numbered(k), format="rgb24")))
            for stream in filter(None, (video, sound)):
                container.mux(stream.encode(None))
    assert [number(f.image) for f in quiet(read(tmp_path / "both.mp4").frames)] == list(range(6))
    with pytest.raises(PalmarError, match="no video, only sound"):
        read(tmp_path / "sound.mp4")


def check_honest(path, total=48, rate=30):
    """Iterates a damaged copy of the numbered film. Every frame must stand at its own time; the rest must be named."""
    clip = read(path)
    with pytest.warns(PalmarWarning) as caught:
        frames = list(clip.frames)
    (text,) = [str(w.message) for w in caught]
    assert str(path) in text
    assert clip.frames.notes == [text]
    times = np.array([f.time for f in frames])
    assert (np.diff(times) > 0).all()
    assert [f.index for f in frames] == list(range(len(frames)))
    assert 0 < len(frames) < total
    return frames, text


def test_damage_in_the_middle(movie, tmp_path):
    path = spoil(movie, tmp_path / "x.mp4", range(18, 22))
    frames, text = check_honest(path)
    places = [round(f.time * 30) for f in frames]
    lost = sorted(set(range(48)) - set(places))
    assert 0 < len(lost) <= 8
    assert f"{len(lost)} of 48 frames" in text
    assert f"{lost[0] / 30:.3f}" in text
    key = next(k for k in (24, 36) if k > lost[-1])      # from the next key frame on all is well again
    assert {p for p in places if p < 12 or p >= key} == {*range(12), *range(key, 48)}
    for frame, place in zip(frames, places, strict=True):
        if place < lost[0] or place >= key:
            assert number(frame.image) == place


def test_a_damaged_key_frame_keeps_what_came_before(movie, tmp_path):
    """The decoder then gives frames out of order; they must come sorted, and none be dropped for being late."""
    frames, _ = check_honest(spoil(movie, tmp_path / "x.mp4", [12], (0.3, 0.9)))
    places = [round(f.time * 30) for f in frames]
    assert places[:10] == list(range(10))
    assert [number(f.image) for f in frames if f.time < 0.31] == list(range(10))
    assert set(range(24, 48)) <= set(places)


def test_frames_out_of_order_after_damage_are_sorted():
    """The order that H.264 decoders were seen to give after the loss of a key frame."""
    account = _Account()

    def pictures():
        for pts in (0, 1, 2, 3, 9, 4, 10, 5, 11, 12):
            account.errors += pts == 3
            yield SimpleNamespace(pts=pts)

    assert [p.pts for p in _in_order(pictures(), account)] == [0, 1, 2, 3, 4, 5, 9, 10, 11, 12]


@pytest.mark.parametrize("which", [[0], [46, 47], list(range(24, 48)), list(range(5, 48, 7))])
def test_damage_anywhere(movie, tmp_path, which):
    frames, text = check_honest(spoil(movie, tmp_path / "x.mp4", which))
    assert "could not be decoded" in text
    assert len(frames) >= (48 - len(which)) // 3
    again = read(tmp_path / "x.mp4")
    with pytest.warns(PalmarWarning):
        assert [f.time for f in again.frames] == [f.time for f in frames]


def test_all_damaged(movie, tmp_path):
    with pytest.raises(PalmarError, match=r"x\.mp4: a video without a single picture"):
        read(spoil(movie, tmp_path / "x.mp4", range(48)))


def test_a_file_cut_off_gives_what_it_has(movie, tmp_path):
    whole = movie.read_bytes()                           # its index stands at the front
    for share in (0.4, 0.7, 0.95):
        path = tmp_path / f"{share}.mp4"
        path.write_bytes(whole[:int(len(whole) * share)])
        frames, text = check_honest(path)
        assert "promises 48 frames" in text
        count = len(frames)
        assert [number(f.image) for f in frames[:count - 3]] == list(range(count - 3))
    encode(tmp_path / "late.mp4")                        # its index stands at the end
    whole = (tmp_path / "late.mp4").read_bytes()
    (tmp_path / "late.mp4").write_bytes(whole[:len(whole) // 2])
    with pytest.raises(PalmarError, match="cut off"):
        read(tmp_path / "late.mp4")


def test_matroska_cut_off(tmp_path):
    encode(tmp_path / "x.mkv")
    assert len(quiet(read(tmp_path / "x.mkv").frames)) == 48
    whole = (tmp_path / "x.mkv").read_bytes()
    (tmp_path / "y.mkv").write_bytes(whole[:len(whole) // 2])
    frames, text = check_honest(tmp_path / "y.mkv")
    assert "promises 1.6" in text
    assert [number(f.image) for f in frames] == [round(f.time * 30) for f in frames]


def test_any_prefix_or_damage_is_handled(movie, tmp_path):
    whole = movie.read_bytes()
    rng = np.random.default_rng(5)
    for length in np.linspace(0, len(whole) - 1, 12).astype(int):
        data = bytearray(whole[:length] if length % 2 else whole)
        for at in rng.integers(0, max(len(data), 1), 20):
            data[at:at + 1] = bytes([rng.integers(256)])
        (tmp_path / "x.mp4").write_bytes(bytes(data))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PalmarWarning)
            try:
                times = [f.time for f in read(tmp_path / "x.mp4").frames]
            except PalmarError:
                continue
        assert (np.diff(times) > 0).all()


NO_VIDEO = r"cannot be read as video|not a video|no video"


@pytest.mark.parametrize(("name", "data", "words"), [
    ("empty.mp4", b"", "empty"), ("noise.mp4", bytes(range(256)) * 8, "cannot be read as video"),
    ("text.mp4", b"not a video\n" * 50, NO_VIDEO), ("text.txt", b"not a video\n" * 50, NO_VIDEO),
    ("none", b"\0" * 100, "cannot be read as video"),
    ("list.m3u8", b"#EXTM3U\n#EXTINF:1,\nhttp://localhost:1/x.ts\n", NO_VIDEO),
    ("page.html", b"<html></html>", NO_VIDEO),
    ("frame%03d.png", b"no picture", "not a picture"),
])
def test_not_a_video(tmp_path, name, data, words):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(PalmarError, match=words) as caught:
        read(tmp_path / name)
    assert name in str(caught.value)


def test_no_frames(tmp_path):
    encode(tmp_path / "x.mp4", images=[])
    with pytest.raises(PalmarError):
        read(tmp_path / "x.mp4")


def test_too_small(tmp_path):
    encode(tmp_path / "x.mp4", images=[np.zeros((4, 128, 3), np.uint8)])
    with pytest.raises(PalmarError, match="too few to show a hand"):
        read(tmp_path / "x.mp4")


@pytest.mark.parametrize("name", ["a:b.mp4", "http:x.mp4", "%03d.mp4", "a 'b' ü #?.mp4", "-i.mp4"])
def test_odd_names(movie, tmp_path, name, monkeypatch):
    (tmp_path / name).write_bytes(movie.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert next(iter(read(name).frames)).index == 0


def test_gif_is_a_video(tmp_path):
    image_module = pytest.importorskip("PIL.Image")
    pictures = [image_module.fromarray(numbered(k)) for k in (1, 2, 3)]
    pictures[0].save(tmp_path / "x.gif", save_all=True, append_images=pictures[1:], duration=[100, 250, 100])
    frames = quiet(read(tmp_path / "x.gif").frames)
    assert [number(f.image) for f in frames] == [1, 2, 3]
    assert [f.time for f in frames] == pytest.approx([0, 0.1, 0.35], abs=0.011)


def test_anamorphic_video_is_stretched(tmp_path):
    def narrow(stream):
        stream.codec_context.sample_aspect_ratio = Fraction(3, 2)

    encode(tmp_path / "x.mp4", 3, setup=narrow)
    frame = quiet(read(tmp_path / "x.mp4").frames)[1]
    assert frame.image.shape == (64, 192, 3)


def test_raw_stream_without_times(tmp_path):
    encode(tmp_path / "x.h264", 10, bframes=0, format="h264")
    frames = list(read(tmp_path / "x.h264", fps=25).frames)
    assert [number(f.image) for f in frames] == list(range(10))
    assert [f.time for f in frames] == pytest.approx(np.arange(10) / 25)
    times = [f.time for f in read(tmp_path / "x.h264").frames]
    assert len(times) == 10
    assert (np.diff(times) > 0).all()


def test_a_change_of_shape_is_an_error_and_of_scale_is_not(tmp_path):
    parts = {}
    for name, size in (("a", (128, 64)), ("b", (256, 128)), ("c", (64, 128))):
        images = [numbered(k, size) for k in range(4)]
        encode(tmp_path / f"{name}.h264", images=images, bframes=0, format="h264")
        parts[name] = (tmp_path / f"{name}.h264").read_bytes()
    (tmp_path / "ab.h264").write_bytes(parts["a"] + parts["b"])
    frames = list(VideoFrames(tmp_path / "ab.h264", fps=30))
    assert len(frames) == 8
    assert {f.image.shape for f in frames} == {(64, 128, 3)}
    (tmp_path / "ac.h264").write_bytes(parts["a"] + parts["c"])
    with pytest.raises(PalmarError, match="shape of the picture changes"):
        list(VideoFrames(tmp_path / "ac.h264", fps=30))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_stopping_early_leaves_no_thread_and_no_open_file(movie):
    for frame in read(movie).frames:
        if frame.index == 3:
            break
    del frame
    gc.collect()
    assert not [t for t in threading.enumerate() if t.name == "palmar-decode"]
    links = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{fd}"))
        except OSError:
            continue
    assert not [link for link in links if link.endswith(movie.name)]


@pytest.mark.parametrize("size", [(33, 31), (34, 31), (33, 32), (9, 9)])
def test_odd_sizes_get_one_more_row_or_column(tmp_path, size):
    image = np.full((size[1], size[0], 3), 90, np.uint8)
    image[:, -3:] = 200
    write_video(tmp_path / "x.mp4", [image] * 2)
    frame = quiet(read(tmp_path / "x.mp4").frames)[1]
    assert frame.image.shape == (size[1] + size[1] % 2, size[0] + size[0] % 2, 3)
    assert np.abs(frame.image[:, -1].astype(int) - 200).max() < 12


def test_writing_whole_or_not_at_all(tmp_path):
    path = tmp_path / "x.mp4"
    path.write_bytes(b"what stood here")

    def fails(error=None, words=None, *adds, kind=PalmarError):
        def work():
            with VideoWriter(path) as writer:
                for image, time in adds:
                    writer.add(image, time)
                if error:
                    raise error

        with pytest.raises(kind, match=words):
            work()
        assert path.read_bytes() == b"what stood here"
        assert list(tmp_path.iterdir()) == [path]

    a = numbered(0)
    fails(None, "no frames")
    fails(ValueError("mine"), "mine", (a, None), kind=ValueError)
    fails(KeyboardInterrupt(), None, (a, None), (a, None), kind=KeyboardInterrupt)
    fails(OSError(2, "another file", "elsewhere"), "another file", (a, None), kind=OSError)
    fails(None, "one size", (a, 0), (a[:32], 1))
    fails(None, "does not come after", (a, 1.0), (a, 1.0))
    fails(None, "does not come after", (a, 1.0), (a, 0.5))
    fails(None, "uint8", (a.astype(float), 0))
    fails(None, "time nan", (a, 0.0), (a, float("nan")))
    write_video(path, [a])
    assert len(quiet(read(path).frames)) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_places_that_cannot_be_written(tmp_path):
    with pytest.raises(PalmarError, match=r"\.mp4, \.mov or \.mkv"):
        VideoWriter(tmp_path / "x.avi")
    for bad in (tmp_path / "missing" / "x.mp4", tmp_path / "dir.mp4"):
        (tmp_path / "dir.mp4").mkdir(exist_ok=True)
        with pytest.raises(PalmarError, match=r"cannot write here|is a folder"), VideoWriter(bad):
            pass
    with pytest.raises(PalmarError, match="inside the context"):
        VideoWriter(tmp_path / "y.mp4").add(numbered(0))
    assert [p.name for p in tmp_path.iterdir()] == ["dir.mp4"]


def test_frames_keep_their_times_when_written(movie, tmp_path):
    clip = read(movie)
    assert write_video(tmp_path / "x.mkv", clip.frames) == 48
    frames = quiet(read(tmp_path / "x.mkv").frames)
    assert [number(f.image) for f in frames] == list(range(48))
    np.testing.assert_allclose([f.time for f in frames], np.arange(48) / 30, atol=1e-3)   # Matroska counts milliseconds


def test_the_same_pictures_are_the_same_bytes_whatever_memory_holds(tmp_path):
    """With several encoder threads about one file in three differed here."""
    u, v = np.meshgrid(np.arange(160), np.arange(120))
    spots = [40 + 215 * np.exp(-((u - 80 - 3 * i) ** 2 + (v - 60) ** 2) / 288) for i in range(8)]
    frames = [np.repeat(np.round(spot).astype(np.uint8)[..., None], 3, -1) for spot in spots]
    found = set()
    for k in range(15):
        junk = [np.random.default_rng(k).integers(0, 255, size).astype(np.uint8) for size in (20_000, 120_000, 500_000)]
        del junk
        with VideoWriter(tmp_path / "v.mp4", 10.0) as writer:
            for i, frame in enumerate(frames):
                writer.add(frame, i / 10)
        found.add((tmp_path / "v.mp4").read_bytes())
    assert len(found) == 1
