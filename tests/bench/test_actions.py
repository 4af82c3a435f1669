"""Actions from 2D against 3D poses: what an estimator's error is, and a table that comes out."""

import numpy as np
import pytest

pytest.importorskip("torch")

from palmar.bench.actions import ESTIMATED, TRUE, Actions, PoseError, told
from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.types.firstperson import EgoClip, Vocabulary


def clip(index: int, length: int = 6) -> EgoClip:
    rng = np.random.default_rng(index)
    joints = (rng.normal(0, 0.02, (length, 2, 21, 3)) + np.array([0.0, 0.0, 0.5])).astype(np.float32)
    points = (rng.normal(0, 0.02, (length, 21, 3)) + np.array([0.0, 0.0, 0.5])).astype(np.float32)
    return EgoClip(str(index), Camera.from_fov(320, 240, 1.2), np.arange(length) / 10, joints, np.ones(length, int),
                   points, index % 2)  # fmt: skip


def test_an_estimators_error_lasts_a_clip_and_true_poses_stay():
    one = clip(0)
    assert told([one], TRUE, 4, (0,)) == [one]
    off = PoseError(across=0.01, along=0.05)(one, np.random.default_rng(1))
    moved = off.joints - one.joints
    np.testing.assert_allclose(moved, np.repeat(moved[:1], 6, 0), atol=1e-6)
    assert np.ptp(moved[0, 0, :, 2]) == pytest.approx(0, abs=1e-6)  # a hand as a whole
    assert moved[0, 0, 0, 2] != pytest.approx(moved[0, 1, 0, 2])
    many = [PoseError(across=0.01)(one, np.random.default_rng(i)) for i in range(200)]
    spread = np.std([m.joints[0, :, :, :2] - one.joints[0, :, :, :2] for m in many])
    assert spread == pytest.approx(0.01, rel=0.05)
    missed = np.mean(
        [np.isnan(PoseError(missed=0.3)(one, np.random.default_rng(i)).joints[0, :, 0, 0]) for i in range(400)]
    )
    assert missed == pytest.approx(0.3, abs=0.06)
    assert len(told([one, one], ESTIMATED, 3, (0,))) == 6


def test_a_table_of_every_recogniser_on_both_kinds_of_poses():
    words = Vocabulary(("none", "box"), ("lift", "turn"))
    clips = [clip(i) for i in range(6)]
    report = Actions("any", steps=2, batch=2, seeds=(0,), copies=1).compare(clips, clips[:4], words)
    assert len(report.figures["top-1"]) == 6
    assert all(0 <= v <= 1 for row in report.figures["top-1"].values() for v in row)
    with pytest.raises(PalmarError, match="0 clips"):
        Actions("any").compare([], clips, words)
