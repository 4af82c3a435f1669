"""Crops: pixel centres on real arrays, round trips, and the golden virtual camera."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palmar.errors import PalmarError
from palmar.geometry import BrownConrady, Camera, Crop, angle_up, extract_view, virtual_camera

CROPS = st.builds(Crop, st.tuples(st.floats(-50, 700), st.floats(-50, 500)), st.floats(2, 900), st.floats(-7, 7),
                  st.integers(1, 300))


def smooth(width: int = 320, height: int = 240) -> np.ndarray:
    """A picture with no detail finer than tens of pixels."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([127 + 120 * np.sin(x / 31), 127 + 120 * np.cos(y / 23), 127 + 100 * np.sin((x + y) / 41)],
                    -1).round().astype(np.uint8)


def value_at(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    return cv2.remap(image.astype(np.float32), points[..., 0].astype(np.float32), points[..., 1].astype(np.float32),
                     cv2.INTER_LINEAR).astype(float)


@given(CROPS, st.integers(0, 2**32 - 1))
def test_there_and_back(crop, seed):
    points = np.random.default_rng(seed).uniform(-500, 1000, (3, 21, 2))
    np.testing.assert_allclose(crop.to_crop(crop.to_image(points)), points, atol=1e-6)
    middle = np.full(2, (crop.size - 1) / 2)
    np.testing.assert_allclose(crop.to_image(middle), crop.centre, atol=1e-9)
    np.testing.assert_allclose(crop.to_image(middle) - crop.to_image(middle + np.array([0, crop.size])),
                               crop.side * np.array([np.sin(crop.angle), -np.cos(crop.angle)]), atol=1e-8)


def test_a_crop_of_whole_pixels_is_the_array_itself():
    image = smooth()
    crop = Crop((71.5, 51.5), 64.0, size=64)           # the pixels 40..103, 20..83
    np.testing.assert_array_equal(crop.extract(image), image[20:84, 40:104])
    np.testing.assert_allclose(crop.crop_from_image, [[1, 0, -40], [0, 1, -20]], atol=1e-12)


@pytest.mark.parametrize("side", [256.0, 128.0, 32.0])
def test_a_crop_is_resized_as_cv2_resize_does(side):
    image = smooth(512, 512)
    start = 128
    part = image[start:start + int(side), start:start + int(side)]
    crop = Crop((start + (side - 1) / 2, start + (side - 1) / 2), side, size=64)
    method = cv2.INTER_AREA if side > 64 else cv2.INTER_LINEAR
    expected = cv2.resize(part, (64, 64), interpolation=method).astype(int)
    inner = slice(2, -2)                                       # at its rim cv2.resize sees no neighbours
    assert np.abs(crop.extract(image).astype(int) - expected)[inner, inner].max() <= 2


@pytest.mark.parametrize("angle", [0.0, 0.4, np.pi / 2, -2.5])
@pytest.mark.parametrize("side", [50.0, 97.3, 180.0])
@pytest.mark.parametrize("size", [32, 64])
def test_each_pixel_shows_what_its_place_in_the_picture_shows(angle, side, size):
    image = smooth()
    crop = Crop((160.3, 121.8), side, angle, size)
    places = crop.to_image(np.stack(np.meshgrid(np.arange(float(size)), np.arange(float(size))), -1))
    inside = ((places > 1) & (places < (318, 238))).all(-1)
    off = np.abs(crop.extract(image).astype(float) - value_at(image, places))[inside]
    assert off.max() <= 4                                      # one pixel off would be up to 5.2, half a pixel 2.6
    assert off.mean() < 0.9


def test_up_points_up():
    x, y = np.meshgrid(np.arange(200), np.arange(200))
    image = (250 * np.exp(-((x - 140) ** 2 + (y - 100) ** 2) / 32)).astype(np.uint8)     # a light, right of the middle
    crop = Crop.around(np.array([60.0, 60.0, 140.0, 140.0]), up=np.array([50.0, 0.0]), scale=1.5, size=64)
    assert crop.angle == pytest.approx(np.pi / 2)
    light = crop.extract(image).astype(float)
    y, x = (np.argwhere(light > -1) * light.reshape(-1, 1)).sum(0) / light.sum()
    np.testing.assert_allclose((x, y), crop.to_crop(np.array([140.0, 100.0])), atol=0.02)
    assert abs(x - 31.5) < 1
    assert y < 15
    np.testing.assert_allclose(angle_up(np.array([[0.0, -1], [1, 0], [0, 1], [-1, 0], [0, 0]])),
                               [0, np.pi / 2, np.pi, -np.pi / 2, 0])


def test_outside_the_picture():
    image = smooth()
    beside = Crop((-200.0, 100.0), 60.0, 0.3, 32)
    assert (beside.extract(image) == 0).all()
    assert (beside.extract(image, border=114) == 114).all()
    assert beside.extract(image, border=None).min() > 0
    half = Crop((-0.5, 119.5), 64.0, size=64).extract(image, border=7)
    assert (half[:, :32] == 7).all()
    np.testing.assert_array_equal(half[:, 32:], image[88:152, :32])


def test_a_shrunk_crop_does_not_alias():
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    grey = Crop((255.5, 255.5), 400.0, 0.2, 64).extract(stripes).astype(float)
    assert np.abs(grey - 127.5).max() < 40


def test_extract_leaves_the_picture_alone_and_takes_grey():
    image = smooth()
    before = image.copy()
    assert Crop((100.0, 100.0), 300.0, size=16).extract(image).shape == (16, 16, 3)
    assert Crop((100.0, 100.0), 30.0, size=16).extract(image[..., 0]).shape == (16, 16)
    np.testing.assert_array_equal(image, before)
    assert Crop((0.0, 0.0), 20.0, size=8).extract(image[:1, :1]).shape == (8, 8, 3)


def test_around():
    box = np.array([10.0, 20.0, 50.0, 40.0])
    crop = Crop.around(box, scale=1.5)
    assert (crop.centre, crop.side, crop.size, crop.angle) == ((30.0, 30.0), 60.0, 128, 0.0)
    points = np.array([[10.0, 30], [50, 20], [np.nan, 5], [12, 40]])
    assert Crop.around(points, scale=1.5) == crop
    with pytest.raises(PalmarError, match="at least one finite"):
        Crop.around(np.full((3, 2), np.nan))
    with pytest.raises(PalmarError, match="side"):
        Crop.around(np.ones((3, 2)))


def test_the_golden_virtual_camera():
    """Independent golden numbers, whose pixels count from the corner: half a pixel is taken off each."""
    camera = Camera(640, 480, 600.0, 600.0, 319.5, 239.5)
    view, R = virtual_camera(camera, (519.5, 139.5), 160.0, size=256)
    np.testing.assert_allclose(R, [[0.949634, 0.025183, -0.312348], [0.025183, 0.987409, 0.156174],
                                   [0.312348, -0.156174, 0.937043]], atol=1e-6)
    assert (view.fx, view.fy, view.width) == (960.0, 960.0, 256)
    seen = view.project(R @ camera.unproject(np.array([559.5, 159.5])))
    np.testing.assert_allclose(seen + 0.5, [184.873074, 158.669225], atol=1e-6)
    point = R @ np.array([0.12, -0.05, 0.4])
    np.testing.assert_allclose(point, [-0.012242, 0.016121, 0.420107], atol=1e-6)
    np.testing.assert_allclose(view.project(point) + 0.5, [100.025278, 164.838660], atol=1e-5)


@pytest.mark.parametrize("roll", [0.0, 1.2])
@pytest.mark.parametrize("lens", [None, BrownConrady(-0.2, 0.05)])
def test_a_virtual_camera_sees_the_picture(roll, lens):
    camera = Camera(320, 240, 300.0, 290.0, 158.0, 121.0, lens)
    image = smooth()
    view, R = virtual_camera(camera, (230.0, 90.0), 90.0, size=64, roll=roll)
    middle = np.full(2, 31.5)
    np.testing.assert_allclose(camera.project(view.unproject(middle) @ R), (230.0, 90.0), atol=1e-9)
    places = camera.project(view.unproject(np.stack(np.meshgrid(np.arange(64.0), np.arange(64.0)), -1)) @ R)
    off = np.abs(extract_view(image, camera, view, R).astype(float) - value_at(image, places))
    assert off.max() <= 3
    up = camera.project(view.unproject(middle - [0, 5]) @ R) - (230.0, 90.0)
    assert abs(float(angle_up(up)) - roll) < 0.15              # exact on the axis only: the plane is seen from the side
    affine = Crop((230.0, 90.0), 90.0, roll, 64).to_image(np.array([20.0, 40.0]))
    assert np.linalg.norm(places[40, 20] - affine) < 8


def test_a_virtual_camera_keeps_its_place_in_the_world():
    pose = np.eye(4)
    pose[:3, 3] = 0.1, 0.2, 0.3
    camera = Camera(320, 240, 300.0, 300.0, 159.5, 119.5, world_from_camera=pose)
    view, R = virtual_camera(camera, (250.0, 30.0), 50.0)
    assert view.world_from_camera is not None
    point = np.array([0.1, -0.1, 0.6])
    np.testing.assert_allclose(view.world_from_camera[:3, :3] @ (R @ point) + view.world_from_camera[:3, 3],
                               point + pose[:3, 3], atol=1e-12)


@pytest.mark.parametrize("bad", [{"side": 0.0}, {"side": np.nan}, {"size": 0}, {"angle": np.inf},
                                 {"centre": (np.nan, 1.0)}])
def test_crops_that_are_none(bad):
    with pytest.raises(PalmarError, match="a crop needs"):
        Crop(**{"centre": (1.0, 2.0), "side": 3.0, **bad})
    camera = Camera(100, 100, 50.0, 50.0, 50.0, 50.0, BrownConrady(-0.5))
    with pytest.raises(PalmarError, match="no view"):
        virtual_camera(camera, (99.0, 99.0), 10.0)
    with pytest.raises(PalmarError, match="no view"):
        virtual_camera(camera, (50.0, 50.0), 0.0)
