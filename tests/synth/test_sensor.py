"""The sensor: what must not change, laws of noise and spectrum, and that nothing moves."""

import dataclasses

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palmar.errors import PalmarError
from palmar.synth import sensor as sensors
from palmar.synth.sensor import (
    Sensor,
    add_noise,
    apply,
    augment_photo,
    colour_matrix,
    defocus,
    develop,
    expose,
    jpeg,
    metering_weights,
    motion_blur,
    perturb_spectrum,
    srgb_to_linear,
)


def generator(*key: int) -> np.random.Generator:
    return np.random.default_rng(key)


def picture(height: int = 64, width: int = 80, seed: int = 0) -> np.ndarray:
    """A smooth random picture, uint8 RGB."""
    coarse = generator(seed).integers(0, 256, (9, 11, 3)).astype(np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def spot(size: int = 65, sigma: float = 3.0) -> np.ndarray:
    """A soft bright spot in the middle of a grey picture, linear."""
    at = np.arange(size) - size // 2
    bump = np.exp(-(at**2 + at[:, None] ** 2) / (2 * sigma**2))
    return np.repeat((0.1 + 0.6 * bump)[..., None], 3, 2).astype(np.float32)


def centroid(image: np.ndarray) -> np.ndarray:
    """x, y of what is brighter than the border, pixels."""
    weight = image.astype(np.float64).sum(2)
    weight = np.clip(weight - np.median(weight), 0, None)
    y, x = np.mgrid[: weight.shape[0], : weight.shape[1]]
    return np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()


# ----------------------------------------------------------------------------------------------------------- codes


def test_srgb_is_the_standard():
    code = np.arange(256) / 255
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in code]
    np.testing.assert_allclose(srgb_to_linear(np.arange(256, dtype=np.uint8)), linear, rtol=1e-6)
    assert srgb_to_linear(picture()).shape == (64, 80, 3)


def test_develop_undoes_srgb():
    codes = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, 2)
    np.testing.assert_allclose(develop(srgb_to_linear(codes))[0, :, 0], np.arange(256), atol=0.1)


@given(tone=st.lists(st.floats(0.05, 20), min_size=5, max_size=5))
def test_tone_curves_rise_from_black_to_white(tone):
    light = np.linspace(0, 1, 500, dtype=np.float32)[None, :, None].repeat(3, 2)
    curve = develop(light, tuple(tone))[0, :, 0]
    assert (np.diff(curve) >= 0).all()
    np.testing.assert_allclose(curve[[0, -1]], [0, 255], atol=1e-3)


def test_equal_slopes_are_srgb():
    light = np.linspace(0, 1, 500, dtype=np.float32)[None, :, None].repeat(3, 2)
    np.testing.assert_allclose(develop(light, (2.0,) * 5), develop(light), atol=1e-2)


# -------------------------------------------------------------------------------------------- the whole, as a whole


@pytest.mark.parametrize("size", [(64, 80), (1, 1), (7, 128), (192, 192)])
def test_the_perfect_camera_changes_nothing(size):
    image = picture(*size)
    np.testing.assert_array_equal(apply(srgb_to_linear(image), Sensor(), generator(0)), image)
    np.testing.assert_array_equal(expose(srgb_to_linear(image), generator(0), 0.0), image)
    np.testing.assert_array_equal(augment_photo(image, generator(0), 0.0), image)


@pytest.mark.parametrize("take", [lambda i, r: expose(srgb_to_linear(i), r), augment_photo])
def test_the_same_generator_gives_the_same_picture_and_the_input_is_kept(take):
    image = picture()
    kept, different = image.copy(), 0
    for k in range(30):
        first, again = take(image, generator(1, k)), take(image, generator(1, k))
        np.testing.assert_array_equal(first, again)
        different += not np.array_equal(first, take(image, generator(2, k)))
    np.testing.assert_array_equal(image, kept)
    assert different >= 29


@pytest.mark.parametrize("size", [(128, 128), (192, 192), (96, 160), (33, 47), (8, 8)])
def test_any_size_comes_out_as_it_went_in(size):
    light = srgb_to_linear(picture(*size))
    for k in range(40):
        taken = expose(light, generator(3, k), 1.5)
        assert taken.shape == (*size, 3)
        assert taken.dtype == np.uint8


def test_sampling_does_not_depend_on_the_picture():
    assert Sensor.sample(generator(4)) == Sensor.sample(generator(4))
    assert Sensor.sample(generator(4)) != Sensor.sample(generator(5))
    assert Sensor.sample(generator(4), 0.0) == Sensor()


def test_faults_are_as_frequent_as_they_should_be():
    shares = (
        (0.3, lambda s: s.motion != (0.0, 0.0)),
        (0.25, lambda s: s.defocus > 0),
        (0.7, lambda s: s.read > 0),
        (0.5, lambda s: s.jpeg > 0),
        (0.2, lambda s: s.video_block > 0),
        (0.1, lambda s: s.saturation == 0),
        (0.5, lambda s: s.spectrum is not None),
        (0.2, lambda s: len(s.cutouts) > 0),
    )
    for strength in (1.0, 0.5):
        cameras = [Sensor.sample(generator(6, k), strength) for k in range(1200)]
        for share, of in shares:
            assert abs(np.mean([of(camera) for camera in cameras]) - share * strength) < 0.06


FAULTS = {
    "metering": 0.5,
    "exposure": 0.5,
    "white_balance": (1.3, 1.0, 0.8),
    "vignette": 0.5,
    "motion": (0.1, 0.05),
    "defocus": 0.03,
    "native": 0.4,
    "shot": 0.01,
    "read": 0.001,
    "denoise": "median",
    "chroma_blur": 2.0,
    "unsharp": 1.0,
    "tone": (0.5, 1.0, 2.0, 1.0, 0.5),
    "saturation": 0.3,
    "hue": 0.2,
    "contrast": 1.3,
    "brightness": 0.1,
    "local_contrast": 2.0,
    "jpeg": 30,
    "video_block": 8,
    "spectrum": (1.0, 0.3),
    "convolution": 5,
    "cutouts": ((0.2, 0.2, 0.5, 0.5),),
}


@pytest.mark.parametrize("field", FAULTS)
def test_every_fault_shows(field):
    image = picture()
    base = Sensor(video_threshold=8.0) if field == "video_block" else Sensor()
    taken = apply(srgb_to_linear(image), dataclasses.replace(base, **{field: FAULTS[field]}), generator(7))
    assert np.abs(taken.astype(int) - image).max() >= 3


def test_mistakes_are_named():
    with pytest.raises(PalmarError, match="float32"):
        apply(picture(), Sensor(), generator(0))  # type: ignore[arg-type]
    with pytest.raises(PalmarError, match="strength"):
        Sensor.sample(generator(0), -1.0)


# ----------------------------------------------------------------------------------------------------- nothing moves


@pytest.mark.parametrize(
    "fault",
    [
        {"motion": (0.2, 0.0)},
        {"motion": (-0.11, 0.17)},
        {"defocus": 0.05},
        {"native": 0.3},
        {"native": 0.43, "native_last": True, "enlarge": "cubic"},
        {"native": 0.37, "enlarge": "nearest"},
        {"native": 0.5, "shrink": "linear"},
        {"unsharp": 1.5, "unsharp_sigma": 2.0},
        {"denoise": "median"},
        {"denoise": "bilateral", "read": 1e-4},
        {"jpeg": 60, "jpeg_phase": (3, 5)},
        {"video_block": 8, "video_threshold": 3.0, "video_deblock": True},
        {"chroma_blur": 3.0},
        {"local_contrast": 2.0},
    ],
)
def test_a_spot_stays_where_it_is(fault):
    light = spot()
    taken = apply(light, Sensor(**fault), generator(8))
    np.testing.assert_allclose(centroid(taken), [32, 32], atol=0.35)


@given(size=st.sampled_from([3, 5, 7]), seed=st.integers(0, 1000))
def test_random_kernels_are_symmetric_and_keep_light(size, seed):
    kernel = sensors._random_kernel(size, generator(seed))
    np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-7)
    assert kernel.sum() == pytest.approx(1.0, abs=1e-5)


def test_motion_blur_is_the_mean_along_the_streak():
    image = generator(9).random((40, 50, 3), dtype=np.float32)
    blurred = motion_blur(image, 8.0, 4.0)
    steps = [(0, 0)] + [(s * round(k / 4 * 4.0), s * round(k / 4 * 2.0)) for k in range(1, 5) for s in (-1, 1)]
    slow = np.mean([image[20 + dy, 25 + dx] for dx, dy in steps], 0)
    np.testing.assert_allclose(blurred[20, 25], slow, atol=1e-5)
    assert motion_blur(image, 0.4, 0.2) is image


def test_defocus_is_a_disc():
    point = np.zeros((41, 41, 3), np.float32)
    point[20, 20] = 1.0
    disc = defocus(point, 6.0)[..., 0]
    assert disc.sum() == pytest.approx(1.0, abs=1e-5)
    y, x = np.mgrid[-20:21, -20:21]
    assert disc[np.hypot(x, y) > 7].max() < 1e-6
    np.testing.assert_allclose(disc[np.hypot(x, y) < 5], 1 / (np.pi * 36), rtol=0.02)


# ------------------------------------------------------------------------------------------------------------- noise


@pytest.mark.parametrize("grain", [0.0, 0.5])
@pytest.mark.parametrize("level", [0.0, 0.1, 0.6])
def test_noise_has_the_variance_of_the_formula(level, grain):
    shot, read = 0.008, 0.0004
    light = np.full((128, 128, 3), level, np.float32)
    noise = np.stack([add_noise(light, shot, read, generator(10, k), grain=grain) - level for k in range(12)])
    assert noise.var() == pytest.approx(shot * level + read, rel=0.04)
    assert abs(noise.mean()) < 0.03 * noise.std()
    neighbours = (noise[:, :, 1:] * noise[:, :, :-1]).mean() / noise.var()
    assert (neighbours > 0.2) == (grain > 0)


def test_noise_windows_larger_than_the_pool():
    light = np.full((600, 530, 3), 0.3, np.float32)
    assert (add_noise(light, 0.01, 0.0, generator(11)) - light).var() == pytest.approx(0.003, rel=0.05)


# ---------------------------------------------------------------------------------------------------------- spectrum


@settings(max_examples=30)
@given(
    height=st.integers(2, 40),
    width=st.integers(2, 40),
    alpha=st.floats(0, 3),
    beta=st.floats(0, 0.5),
    seed=st.integers(0, 99),
)
def test_spectrum_keeps_the_mean_and_the_phase(height, width, alpha, beta, seed):
    planes = generator(seed).random((2, height, width), dtype=np.float32)
    changed = perturb_spectrum(planes, alpha, beta, generator(seed, 1))
    assert changed.shape == planes.shape
    np.testing.assert_allclose(changed.mean((1, 2)), planes.mean((1, 2)), atol=1e-4)
    before, after = np.fft.fft2(planes), np.fft.fft2(changed)  # the whole plane: independent of the half that is kept
    ratio = (after * before.conj()) / np.maximum(np.abs(before) ** 2, 1e-9)
    strong = np.abs(before) > 1e-2 * np.abs(before).max()
    np.testing.assert_allclose(ratio.imag[strong], 0, atol=2e-2)
    assert ratio.real[strong].min() > -2e-2


def test_spectrum_gains_have_the_deviation_of_the_formula():
    planes = generator(0).random((1, 64, 64), dtype=np.float32)
    before = np.abs(np.fft.rfft2(planes))[0, 1:20, 2:20]
    gains = np.stack(
        [
            np.abs(np.fft.rfft2(perturb_spectrum(planes, 0.8, 0.1, generator(12, k))))[0, 1:20, 2:20] / before
            for k in range(300)
        ]
    )
    radius = np.hypot(np.fft.fftfreq(64)[1:20, None], np.fft.rfftfreq(64)[2:20]) / np.hypot(0.5, 0.5)
    np.testing.assert_allclose(gains.std(0).mean(), ((0.8 * radius) ** 2 + 0.1).mean(), rtol=0.03)
    np.testing.assert_allclose(gains.mean(), 1.0, atol=0.01)


# ----------------------------------------------------------------------------------------------------- colour, coding


def test_colour_matrix_leaves_greys_and_keeps_luma_when_saturating():
    grey = np.array([80.0, 80.0, 80.0, 1.0])
    np.testing.assert_allclose(colour_matrix(0.3, 0.7) @ grey, 80.0, atol=1e-3)
    colour = np.array([200.0, 50.0, 90.0, 1.0])
    luma = [0.299, 0.587, 0.114]
    assert luma @ (colour_matrix(0.4) @ colour) == pytest.approx(luma @ colour[:3], abs=1e-3)
    np.testing.assert_allclose(colour_matrix(), np.eye(3, 4), atol=1e-6)
    np.testing.assert_allclose(colour_matrix(contrast=2.0) @ np.array([127.5, 127.5, 127.5, 1]), 127.5, atol=1e-3)


def test_turning_the_hue_is_a_rotation():
    turn = colour_matrix(hue=0.3)[:, :3]
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-6)
    assert np.trace(turn) == pytest.approx(1 + 2 * np.cos(0.3), abs=1e-6)


def test_jpeg_keeps_colours_and_loses_more_at_low_quality():
    image = picture(90, 70)
    loss = [np.abs(jpeg(image, q, "444").astype(int) - image).mean() for q in (95, 50, 10)]
    assert loss[0] < 1.5
    assert loss[0] < loss[1] < loss[2]
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 220
    assert np.abs(jpeg(red, 90, "420", (3, 6)).astype(int) - red).max() < 6


def test_grey_cameras_give_grey():
    taken = apply(srgb_to_linear(picture()), Sensor(saturation=0.0, hue=0.1), generator(0))
    assert np.ptp(taken.astype(int), axis=2).max() <= 1


def test_metering_brings_the_mean_to_middle_grey():
    light = np.full((32, 32, 3), 0.02, np.float32)
    taken = apply(light, Sensor(metering=1.0), generator(0))
    assert srgb_to_linear(taken).mean() == pytest.approx(0.18, rel=0.02)


def test_what_stands_in_the_middle_sets_the_exposure():
    """A bright thing in the middle of a dark room is not burnt out, one in the corner is."""
    middle, corner = (np.full((60, 80, 3), 0.01, np.float32) for _ in range(2))
    middle[20:40, 28:52], corner[:20, :24] = 0.4, 0.4
    taken = [apply(light, Sensor(metering=1.0), generator(0)) for light in (middle, corner)]
    assert taken[0][30, 40].max() < 240
    assert taken[1][10, 12].min() == 255
    assert metering_weights(60, 80).sum() == pytest.approx(1.0, rel=1e-5)


# ------------------------------------------------------------------------------------------------------------ cut-out


def test_cutouts_cover_what_they_hide_and_nothing_else():
    image = picture(60, 100)
    for k in range(20):
        camera = dataclasses.replace(Sensor(), cutouts=((0.13, 0.21, 0.42, 0.55), (0.9, 0.8, 1.3, 1.2)))
        taken = apply(srgb_to_linear(image), camera, generator(13, k))
        points = np.stack(np.meshgrid(np.arange(100.0), np.arange(60.0)), -1)
        hidden = camera.hides(points, 60, 100)
        assert (taken[~hidden] == image[~hidden]).all()
        assert (taken[hidden] != image[hidden]).any(1).mean() > 0.9
        assert hidden.mean() == pytest.approx(0.29 * 0.34 + 0.1 * 0.2, abs=0.01)
    assert not Sensor().hides(np.zeros((21, 2)), 60, 100).any()
