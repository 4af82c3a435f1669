"""Depth maps from files: units, order, and files that are none."""

import cv2
import numpy as np
import pytest

from palmar.clean import Cleaning, clean, hand_length, scaled_to_length
from palmar.clean.depth import DepthMaps, by_depth
from palmar.clean.size import length_of
from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.media import ArrayFrames
from palmar.types import Clip


def test_millimetres_and_metres_in_the_order_of_numbers(tmp_path):
    for number, z in ((2, 700), (10, 900)):
        cv2.imwrite(str(tmp_path / f"d{number}.png"), np.full((4, 6), z, np.uint16))
    np.save(tmp_path / "d11.npy", np.full((4, 6), 1.25, np.float32))
    maps = DepthMaps(tmp_path)
    assert [float(maps(i)[0, 0]) for i in range(3)] == pytest.approx([0.7, 0.9, 1.25])
    assert maps(3) is None


def test_what_is_no_depth_map_is_named(tmp_path):
    with pytest.raises(PalmarError, match="no such folder"):
        DepthMaps(tmp_path / "none")
    with pytest.raises(PalmarError, match="no depth maps"):
        DepthMaps(tmp_path)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "b.npy").write_bytes(b"junk")
    np.save(tmp_path / "c.npy", np.array([{}], object), allow_pickle=True)
    maps = DepthMaps(tmp_path)
    for frame, name in enumerate(("a.png", "b.npy", "c.npy")):
        with pytest.raises(PalmarError, match=name):
            maps(frame)


def test_a_clip_gets_the_size_that_depth_says(hand, tmp_path):
    true = hand(frames=tuple(range(4)), speed=(0, 0, 0), spin=0.0)
    near = scaled_to_length(true, 0.8 * length_of(true, 0))
    for frame in range(4):
        surface = np.full((240, 320), 1000 * (true.joints[0, :, 2].mean() - 0.008))
        cv2.imwrite(str(tmp_path / f"{frame}.png"), surface.astype(np.uint16))
    clip = Clip(ArrayFrames([np.zeros((240, 320, 3), np.uint8)] * 4, fps=5.0), hands=near)
    hands, scales = by_depth(near, tmp_path)
    found = clean(clip, Cleaning(depth=tmp_path))
    np.testing.assert_array_equal(found.hands.joints, hands.joints)
    np.testing.assert_allclose(hand_length(found.hands.joints), hand_length(true.joints), rtol=0.06)
    np.testing.assert_allclose(found.hands.joints[:, 0, 2], true.joints[:, 0, 2], rtol=0.06)
    assert found.info["cleaned"]["scaled_by_depth"] == scales
    assert scales["0"] == pytest.approx(1.25, rel=0.06)
    with pytest.raises(PalmarError, match="two sizes"):
        clean(clip, Cleaning(depth=tmp_path, hand_length=0.18))
    with pytest.raises(PalmarError, match=r"maps of 320 x 240, pictures of 64 x 48"):
        by_depth(near, tmp_path, Camera.from_fov(64, 48, 1.0))
