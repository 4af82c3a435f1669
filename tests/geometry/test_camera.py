"""Cameras against OpenCV, and against the meaning of pixel centres on real arrays."""

import json
import math
from dataclasses import astuple, replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palmar.errors import PalmarError
from palmar.geometry import BrownConrady, Camera, KannalaBrandt, read_camera

BROWN = [
    BrownConrady(-0.28, 0.09, 0.001, -0.0007),
    BrownConrady(0.12, -0.25, -0.002, 0.001, 0.15),
    BrownConrady(0.4, -0.1, 0.0005, 0.0004, 0.02, 0.7, -0.05, 0.03),
]
FISH = [KannalaBrandt(), KannalaBrandt(-0.02, 0.01, -0.003, 0.0002), KannalaBrandt(0.08, -0.03, 0.01, -0.002)]
PINHOLE = Camera(640, 480, 600.0, 610.0, 318.2, 241.7)


def grid(camera: Camera) -> np.ndarray:
    across, down = np.linspace(-0.5, camera.width - 0.5, 41), np.linspace(-0.5, camera.height - 0.5, 31)
    return np.stack(np.meshgrid(across, down), -1)


@pytest.fixture
def points() -> np.ndarray:
    return np.random.default_rng(1).uniform([-0.45, -0.35, 0.9], [0.45, 0.35, 1.4], (200, 3))


@pytest.mark.parametrize("lens", [None, *BROWN])
def test_projection_is_opencvs(lens, points):
    camera = replace(PINHOLE, distortion=lens)
    k = np.zeros(8) if lens is None else np.array(astuple(lens))       # the fields stand in OpenCV's order
    expected = cv2.projectPoints(points, np.zeros(3), np.zeros(3), camera.matrix, k)[0][:, 0]
    np.testing.assert_allclose(camera.project(points), expected, atol=1e-9)


@pytest.mark.parametrize("lens", FISH)
def test_fisheye_projection_is_opencvs(lens, points):
    camera = Camera(640, 480, 280.0, 282.0, 320.0, 240.0, lens)
    wide = points * (3.0, 3.0, 1.0)                            # out to 65 degrees
    expected = cv2.fisheye.projectPoints(wide[:, None], np.zeros(3), np.zeros(3), camera.matrix,
                                         np.array([lens.k1, lens.k2, lens.k3, lens.k4]))[0][:, 0]
    np.testing.assert_allclose(camera.project(wide), expected, atol=1e-9)


@pytest.mark.parametrize("lens", [None, *BROWN, *FISH])
@pytest.mark.parametrize("batch", [(), (1,), (3, 1, 2)])
def test_a_ray_projects_to_its_pixel(lens, batch):
    camera = replace(PINHOLE, distortion=lens)
    pixels = np.random.default_rng(2).uniform((-0.5, -0.5), (639.5, 479.5), (*batch, 2))
    rays = camera.unproject(pixels)
    assert rays.shape == (*batch, 3)
    assert (rays[..., 2] == 1).all()
    np.testing.assert_allclose(camera.project(rays * 0.7), pixels, atol=1e-9)


@pytest.mark.parametrize("camera", [replace(PINHOLE, distortion=lens) for lens in BROWN]
                         + [Camera(640, 480, 260.0, 260.0, 320.0, 240.0, lens) for lens in FISH])
def test_unprojection_over_the_whole_picture_is_exact_or_nan(camera):
    pixels = grid(camera)
    rays = camera.unproject(pixels)
    known = np.isfinite(rays).all(-1)
    assert known.mean() > 0.9
    np.testing.assert_allclose(camera.project(rays)[known], pixels[known], atol=1e-8)


@given(st.floats(-0.5, 0.3), st.floats(-0.2, 0.2), st.floats(-0.005, 0.005), st.floats(-0.005, 0.005),
       st.floats(0.0, 0.999), st.floats(0.0, 6.28))
def test_undistort_inverts_distort_inside_the_fold(k1, k2, p1, p2, share, angle):
    lens = BrownConrady(k1, k2, 0.0, 0.0)
    point = 0.97 * share * min(lens.max_radius, 2.0) * np.array([math.cos(angle), math.sin(angle)])
    np.testing.assert_allclose(lens.undistort(lens.distort(point)), point, atol=1e-7)
    bent = replace(lens, p1=p1, p2=p2)
    inner = 0.8 * point * min(1.0, 1.0 / max(np.linalg.norm(point), 1e-9))
    np.testing.assert_allclose(bent.undistort(bent.distort(inner)), inner, atol=1e-7)


def test_beyond_the_fold_there_is_no_pixel_and_no_ray():
    lens = BrownConrady(-0.5)                                  # r - r^3 / 2 grows until r = sqrt(2/3)
    assert lens.max_radius == pytest.approx(math.sqrt(2 / 3))
    camera = replace(PINHOLE, distortion=lens)
    tip = math.sqrt(2 / 3) * (1 - 1 / 3)
    seen = camera.project(np.array([[0.81, 0.0, 1.0], [0.82, 0.0, 1.0], [1.4, 0.0, 1.0]]))
    assert np.isfinite(seen[0]).all()
    assert np.isnan(seen[1:]).all()
    edge = 318.2 + 600 * tip
    assert np.isfinite(camera.unproject(np.array([edge - 0.01, 241.7]))).all()
    assert np.isnan(camera.unproject(np.array([edge + 0.01, 241.7]))).all()
    assert np.isnan(Camera(9, 9, 1.0, 1.0, 4.0, 4.0, KannalaBrandt()).unproject(np.array([4 + 1.58, 4.0]))).all()


def test_behind_the_camera_there_is_no_pixel():
    seen = PINHOLE.project(np.array([[0.1, 0.1, -1.0], [0.1, 0.1, 0.0], [0.0, 0.0, 1.0], [np.nan, 0.0, 1.0]]))
    assert np.isnan(seen[[0, 1]]).all()
    assert np.isnan(seen[3, 0])
    np.testing.assert_allclose(seen[2], [318.2, 241.7])


@given(st.integers(1, 4000), st.integers(1, 4000), st.floats(0.05, 3.0))
def test_field_of_view_is_what_was_asked(width, height, hfov):
    camera = Camera.from_fov(width, height, hfov)
    assert camera.hfov == pytest.approx(hfov)
    half = camera.project(np.array([math.tan(hfov / 2), 0.0, 1.0]))
    np.testing.assert_allclose(half, [width - 0.5, (height - 1) / 2], atol=1e-6)


def ramp(width: int, height: int) -> np.ndarray:
    """A picture whose channels are its own pixel coordinates."""
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)


@pytest.mark.parametrize(("width", "height", "method"), [(320, 240, cv2.INTER_AREA), (160, 60, cv2.INTER_AREA),
                                                         (1280, 960, cv2.INTER_LINEAR), (900, 700, cv2.INTER_LINEAR)])
def test_a_resized_camera_is_that_of_the_resized_picture(width, height, method, points):
    small = cv2.resize(ramp(640, 480), (width, height), interpolation=method)
    before, after = PINHOLE.project(points), PINHOLE.resized(width, height).project(points)
    pixels = np.stack(np.meshgrid(np.arange(10, width - 10, 7), np.arange(10, height - 10, 7)), -1).reshape(-1, 2)
    shown = small[pixels[:, 1], pixels[:, 0]].astype(float)    # where in the picture each of these pixels comes from
    np.testing.assert_allclose((shown + 0.5) * (width / 640, height / 480) - 0.5, pixels, atol=0.02)
    np.testing.assert_allclose((before + 0.5) * (width / 640, height / 480) - 0.5, after, atol=1e-9)
    assert PINHOLE.resized(width, height).resized(640, 480).fx == pytest.approx(PINHOLE.fx)


def test_a_cropped_camera_is_that_of_the_cropped_picture(points):
    affine = np.array([[2.0, 0.0, -150.0], [0.0, 1.5, -40.0]])
    cut = PINHOLE.cropped(affine, 300, 200)
    np.testing.assert_allclose(cut.project(points), PINHOLE.project(points) * (2, 1.5) - (150, 40), atol=1e-9)
    shown = cv2.warpAffine(ramp(640, 480), affine, (300, 200))[100, 120].astype(float)
    np.testing.assert_allclose(cut.unproject(np.array([120.0, 100.0])), PINHOLE.unproject(shown), atol=1e-4)
    for bad in ([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]], [[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]):
        with pytest.raises(PalmarError, match="virtual_camera"):
            PINHOLE.cropped(np.array(bad), 10, 10)


def test_freihands_root_from_its_pixel_and_scale():
    """An independent golden: computed once with the official tool's formula."""
    camera = Camera(224, 224, 480.0, 482.0, 112.0, 112.0)
    scale, f = 700.0, 481.0
    root = np.array([(130 - 112) / scale, (100 - 112) / scale, f / scale])
    np.testing.assert_allclose(root, [0.025714, -0.017143, 0.687143], atol=1e-6)
    assert np.abs(camera.project(root) - (130, 100)).max() < 0.05       # 480 and 482 are not 481


POSE = np.array([[0.0, -1, 0, 0.1], [1, 0, 0, 0.2], [0, 0, 1, 0.3], [0, 0, 0, 1]])


@pytest.mark.parametrize("camera", [PINHOLE, replace(PINHOLE, distortion=BROWN[2], world_from_camera=POSE),
                                    replace(PINHOLE, distortion=FISH[1])])
def test_json_keeps_everything(camera, tmp_path):
    path = tmp_path / "camera.json"
    path.write_text(json.dumps(camera.to_dict()))
    assert read_camera(path) == camera
    assert read_camera(path) != replace(camera, cx=camera.cx + 1e-9)
    assert hash(read_camera(path)) == hash(camera)


def test_a_matrix_and_opencvs_list_are_read(tmp_path):
    path = tmp_path / "camera.json"
    path.write_text('{"width": 640, "height": 480, "K": [[600, 0, 320], [0, 601, 240], [0, 0, 1]], '
                    '"distortion": [0.1, 0.2, 0.3, 0.4, 0.5]}')
    assert read_camera(path) == Camera(640, 480, 600, 601, 320, 240, BrownConrady(0.1, 0.2, 0.3, 0.4, 0.5))


GOOD = {"width": 640, "height": 480, "fx": 600, "fy": 600, "cx": 320, "cy": 240}
K = {"width": 640, "height": 480, "K": [[600, 0, 320], [0, 600, 240], [0, 0, 1]]}


@pytest.mark.parametrize(("values", "message"), [
    ({**GOOD, "fx": -1}, "fx"), ({**GOOD, "fx": "wide"}, "fx"), ({**GOOD, "width": 640.5}, "width"),
    ({**GOOD, "height": 0}, "height"), ({**GOOD, "cx": None}, "cx"), ({**GOOD, "cy": math.inf}, "cy"),
    ({k: v for k, v in GOOD.items() if k != "fy"}, "no fy"), ({**GOOD, "focal": 3}, "unknown camera entry 'focal'"),
    ({**K, "fx": 600}, "one of them"), ({**K, "K": [[600, 0], [0, 600]]}, "3 x 3"), ({**K, "K": "no"}, "3 x 3"),
    ({**K, "K": [[600, 5, 320], [0, 600, 240], [0, 0, 1]]}, "K must be"),
    ({**GOOD, "distortion": [1, 2, 3]}, "4, 5 or 8"), ({**GOOD, "distortion": 0.1}, "4, 5 or 8"),
    ({**GOOD, "distortion": {"model": "brown_conrad", "k1": 1}}, "Did you mean brown_conrady"),
    ({**GOOD, "distortion": {"model": "kannala_brandt", "p1": 1}}, "coefficient"),
    ({**GOOD, "distortion": {"model": "kannala_brandt", "k1": "x"}}, "finite"),
    ({**GOOD, "world_from_camera": [[1, 0], [0, 1]]}, "4 x 4"),
    ({**GOOD, "world_from_camera": (2 * np.eye(4)).tolist()}, "rotation"), ([1, 2], "JSON object"),
])
def test_bad_files_get_one_clear_error(values, message, tmp_path):
    path = tmp_path / "camera.json"
    path.write_text(json.dumps(values))
    with pytest.raises(PalmarError, match=message) as error:
        read_camera(path)
    assert str(path) in str(error.value)


def test_files_that_are_no_json(tmp_path):
    with pytest.raises(PalmarError, match="no such file"):
        read_camera(tmp_path / "none.json")
    with pytest.raises(PalmarError, match="not a readable JSON"):
        read_camera(tmp_path)
    (tmp_path / "x.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(PalmarError, match="not a readable JSON"):
        read_camera(tmp_path / "x.json")
    with pytest.raises(PalmarError, match="field of view"):
        Camera.from_fov(640, 480, 3.2)


def test_inside():
    ok = PINHOLE.inside(np.array([[-0.5, -0.5], [639.5, 479.5], [-0.6, 0.0], [0.0, 479.6], [np.nan, 3.0]]))
    assert ok.tolist() == [True, True, False, False, False]
