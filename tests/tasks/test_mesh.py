"""Mesh from a crop: figures against NumPy, slices, and what is refused."""

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.tasks.crops import CropSpec
from palmar.tasks.mesh import HandMeshes, MeshTruth, figures, one_at_a_time, score


def drawn(n: int = 6, v: int = 40) -> MeshTruth:
    rng = np.random.default_rng(4)
    visible = (rng.random((n, 21)) < np.linspace(0, 1, n)[:, None]).astype(np.float32)
    return MeshTruth(rng.normal(size=(n, 21, 3)) * 0.05, rng.normal(size=(n, v, 3)) * 0.05, visible)


def test_the_truth_costs_nothing_wherever_it_lies():
    truth = drawn()
    moved = HandMeshes(truth.joints + 1.0, truth.vertices * 3.0)
    found = figures(moved, truth)
    assert found["mpjpe_mm"] < 1e-9
    assert found["pa_mpvpe_mm"] < 1e-9
    assert found["f5"] == 1.0


def test_wrist_relative_error_is_the_mean_distance():
    truth = drawn()
    shifted = truth.joints.copy()
    shifted[:, 5] += [0.003, 0.004, 0.0]
    assert figures(HandMeshes(shifted, truth.vertices), truth)["mpjpe_mm"] == pytest.approx(5 / 21)


def test_occluded_hands_are_a_slice_of_their_own():
    truth = drawn()
    rows = truth.visible.mean(1) < 1 / 3
    assert 0 < rows.sum() < len(rows)
    noise = np.random.default_rng(1).normal(size=truth.joints.shape) * 0.01 * rows[:, None, None]
    found = figures(HandMeshes(truth.joints + noise, truth.vertices), truth)
    share = rows.mean()
    assert found["pa_mpjpe_mm"] == pytest.approx(found["pa_mpjpe_occluded_mm"] * share)


def test_without_vertices_or_visibility_there_are_fewer_figures():
    truth = drawn()
    found = figures(HandMeshes(truth.joints, truth.vertices), MeshTruth(truth.joints))
    assert set(found) == {"mpjpe_mm", "pa_mpjpe_mm", "auc_joints"}


def test_meshes_of_another_hand_are_refused():
    truth = drawn()
    with pytest.raises(PalmarError, match="40"):
        score(HandMeshes(truth.joints, truth.vertices[:, :30]), truth, "here")


def test_report_names_crops_and_place():
    truth = drawn()
    report = score(HandMeshes(truth.joints, truth.vertices, fps=12.5), truth, "one thread")
    assert report.figures["crops"] == 6
    assert "one thread" in report.table
    assert "| fps | 12.5 |" in report.table


def test_crops_one_at_a_time():
    spec = CropSpec(8)
    crops = np.random.default_rng(0).integers(0, 255, (5, 8, 8, 3), np.uint8)
    seen = []

    def one(crop):
        seen.append(crop)
        value = float(crop.mean())
        return HandMeshes(np.full((1, 21, 3), value), np.full((1, 4, 3), -value), shape=np.full((1, 10), value))

    found = one_at_a_time(crops, spec, one)
    np.testing.assert_array_equal(np.concatenate(seen), crops)
    np.testing.assert_allclose(found.joints[:, 0, 0], crops.mean((1, 2, 3)))
    np.testing.assert_allclose(found.vertices[:, 0, 0], -crops.mean((1, 2, 3)))
    assert found.shape.shape == (5, 10)
    assert found.keypoints is None
    assert found.fps > 0
    for wrong in (crops[:0], crops[:, :4], crops[..., :1]):
        with pytest.raises(PalmarError, match=r"this network reads \[n, 8, 8, 3\], n above 0"):
            one_at_a_time(wrong, spec, one)
