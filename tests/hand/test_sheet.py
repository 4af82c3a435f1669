"""The contact sheet of the hand against the one in the documentation, by structural similarity.

Kind of golden: made by our own code (tools/make_pictures.py) and looked at; it guards against change, not against
error.
"""

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("numba")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pictures():
    spec = importlib.util.spec_from_file_location("make_pictures", ROOT / "tools" / "make_pictures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_hand_looks_as_it_did(pictures):
    from skimage.metrics import structural_similarity

    golden = cv2.imread(str(ROOT / "docs" / "hand.png"))[:, :, ::-1]
    now = pictures.hand_sheet()
    assert now.shape == golden.shape
    assert structural_similarity(now, golden, channel_axis=2) > 0.985  # 1 where it was made; edges differ elsewhere


def test_the_distance_sees_a_finger(pictures, monkeypatch):
    """One finger bent 20 degrees too far in one tile: the bound above is tight enough to notice."""
    from skimage.metrics import structural_similarity

    golden = cv2.imread(str(ROOT / "docs" / "hand.png"))[:, :, ::-1]
    poses = pictures.poses()
    for angles in poses.values():
        angles[1, :, 0] += 0.35
    monkeypatch.setattr(pictures, "poses", lambda: poses)
    assert structural_similarity(pictures.hand_sheet(), golden, channel_axis=2) < 0.985


def test_left_column_is_the_mirror_of_the_right(pictures):
    tile = np.asarray(pictures.hand_sheet(64))
    step = 64 + 4
    right, left = tile[4 : 4 + 64], tile[4 + 3 * step : 4 + 3 * step + 64]
    for k in range(12):
        a, b = (row[:, 4 + k * step : 4 + k * step + 64].astype(float) for row in (right, left))
        shadow = np.abs(a.mean(2) - b[:, ::-1].mean(2))  # the lamp stands on one side
        silhouette = (a.mean(2) < 225) != (b[:, ::-1].mean(2) < 225)
        assert silhouette.mean() < 0.04, k
        assert shadow.mean() < 25
