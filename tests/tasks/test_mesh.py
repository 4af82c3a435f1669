"""Mesh from a crop: figures against NumPy, slices, and what is refused."""

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.tasks.mesh import HandMeshes, MeshTruth, figures, score


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
