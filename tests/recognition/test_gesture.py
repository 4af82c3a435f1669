"""Gestures: what is learned from a few recordings holds for hands of other size, side and place."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from palmar.errors import PalmarError
from palmar.hand import HandModel
from palmar.hand.mirror import mirror_points
from palmar.recognition.features import palm_frame, points_of, pose_features
from palmar.recognition.gesture import Example, Gestures, train_gestures
from palmar.recognition.linear import fit, temperature
from palmar.synth import gestures as shapes
from palmar.types import Hands

NAMES = ("fist", "open", "point", "thumb up", "ok", "count 2", "horns", "spyglass")
FACING = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def hands(rng, name: str, rows: int, *, side: int = 1, size: float = 1.0, shape=None) -> Hands:
    """A hand that holds a shape, a little otherwise in every row, in front of a camera."""
    model = HandModel.default()
    shaped = model.shaped(rng.normal(0, 1, 10) if shape is None else shape)
    joints = []
    for _ in range(rows):
        angles = shapes.shape(name) + np.radians(rng.normal(0, 3, (5, 3, 3)))
        local = shaped.posed(model.rotations_from_angles(angles)).joints()
        turn = Rotation.from_euler("xyz", rng.normal(0, 12, 3), degrees=True).as_matrix() @ FACING
        joints.append((local - local[0]) @ turn.T * size)
    joints = np.array(joints)
    joints = mirror_points(joints) if side == 0 else joints
    joints += [rng.normal(0, 0.1), rng.normal(0, 0.1), 0.6]
    return made(joints, np.arange(rows), side)


def made(joints: np.ndarray, frame: np.ndarray, side: int = 1, track: int = 0) -> Hands:
    pixels = joints[..., :2] / joints[..., 2:] * 500 + [320, 240]
    n = len(joints)
    return Hands(
        frame=frame, track=np.full(n, track), view=np.zeros(n), side=np.full(n, side), score=np.ones(n),
        box=np.concatenate([pixels.min(1), pixels.max(1)], 1), joints=joints,
        keypoints=np.concatenate([pixels, np.ones((n, 21, 1))], -1),
    )  # fmt: skip


def joined(*parts: Hands) -> Hands:
    """One after the other."""
    frames = np.cumsum([0, *(int(np.ptp(p.frame)) + 1 for p in parts)])
    return Hands.concat([p.with_columns(frame=p.frame + f) for p, f in zip(parts, frames, strict=False)])


@pytest.fixture(scope="module")
def static():
    rng = np.random.default_rng(1)
    examples = [Example(name, f"{name} {k}", hands(rng, name, 15), 30.0) for name in NAMES for k in range(4)]
    return train_gestures(examples, motion=False)


def test_recordings_left_out_are_told_apart(static):
    report = static[1]
    assert report.accuracy > 0.97
    assert report.confusion.sum() == report.samples == 8 * 4 * 15


def test_hands_of_the_other_side_and_another_size_are_known(static):
    rng = np.random.default_rng(2)
    right = []
    for name in NAMES:
        for side, size in ((0, 0.7), (1, 1.3)):
            found = static[0].label(hands(rng, name, 10, side=side, size=size), None)
            right += [said == name for said in found.action]
    assert np.mean(right) > 0.9


def test_what_was_never_shown_is_no_gesture(static):
    rng = np.random.default_rng(3)
    joints = rng.normal(0, 0.05, (60, 21, 3)) + np.array([0, 0, 0.6])  # no hand at all
    assert all(said is None for said in static[0].label(made(joints, np.arange(60)), None).action)


def test_a_moment_decides_where_a_hand_is_followed(static):
    """One wild frame in a video changes nothing."""
    rng = np.random.default_rng(4)
    video = joined(hands(rng, "fist", 10), hands(rng, "open", 1), hands(rng, "fist", 10))
    said = static[0].label(video, 30.0).action
    assert set(said[2:-2]) == {"fist"}


def paths(kind: str, rng, rows: int = 24) -> Hands:
    """An open hand that moves: circles either way, a wave, or a push to the right."""
    model = HandModel.default()
    local = model.shaped(rng.normal(0, 1, 10)).posed(model.rotations_from_angles(shapes.shape("open"))).joints()
    local = (local - local[0]) @ FACING.T
    t = np.linspace(0, 1, rows)
    turn = 2 * np.pi * t + rng.uniform(-0.3, 0.3)
    way = {
        "circle": np.stack([np.cos(turn), np.sin(turn)], -1) * 0.08,
        "circle back": np.stack([np.cos(turn), -np.sin(turn)], -1) * 0.08,
        "wave": np.stack([0.08 * np.sin(2 * turn), 0 * t], -1),
        "push": np.stack([0.25 * t, 0 * t], -1),
    }[kind] * rng.uniform(0.8, 1.25)
    joints = local[None] + np.concatenate([way, np.full((rows, 1), 0.7)], 1)[:, None]
    return made(joints + rng.normal(0, 0.001, joints.shape), np.arange(rows))


@pytest.fixture(scope="module")
def motion():
    rng = np.random.default_rng(5)
    kinds = ("circle", "circle back", "wave", "push")
    return train_gestures([Example(k, f"{k} {n}", paths(k, rng), 25.0) for k in kinds for n in range(5)])


def test_short_recordings_are_taken_for_motions_and_told_apart(motion):
    gestures, report = motion
    assert gestures.kind == "motion"
    assert gestures.seconds == pytest.approx(23 / 25)
    assert report.accuracy > 0.9


def test_each_hand_of_a_video_has_its_own_motion(motion):
    rng = np.random.default_rng(6)
    push, circle = paths("push", rng), paths("circle", rng)
    video = Hands.concat([push, circle.with_columns(frame=circle.frame + 9, track=circle.track + 1)])
    said = motion[0].label(video, 25.0).action
    assert set(said[:24]) == {"push"}
    assert set(said[24:]) == {"circle"}
    with pytest.raises(PalmarError, match="need a video"):
        motion[0].label(video, None)


def test_files_give_back_what_was_trained(static, motion, tmp_path):
    rng = np.random.default_rng(7)
    for gestures, of in ((static[0], hands(rng, "ok", 6)), (motion[0], paths("wave", rng))):
        gestures.save(tmp_path / "g.json")
        again = Gestures.load(tmp_path / "g.json")
        np.testing.assert_allclose(again.probabilities(of, 25.0), gestures.probabilities(of, 25.0), atol=1e-4)
        assert (tmp_path / "g.json").stat().st_size < 600_000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v.pop("linear"), "linear"),
        (lambda v: v.update(what="something"), "no gestures"),
        (lambda v: v.update(schema=99), "later palmar"),
        (lambda v: v["linear"].update(bias=[1.0]), "do not fit"),
        (lambda v: v["linear"]["mean"].__setitem__(0, float("nan")), "do not fit"),
        (lambda v: v["names"].pop(), "do not fit"),
        (lambda v: v.update(kind="odd"), "kind"),
    ],
)
def test_damaged_files_are_named(static, tmp_path, change, said):
    static[0].save(tmp_path / "g.json")
    values = json.loads((tmp_path / "g.json").read_text())
    change(values)
    (tmp_path / "g.json").write_text(json.dumps(values))
    with pytest.raises(PalmarError, match=said):
        Gestures.load(tmp_path / "g.json")


def test_too_little_to_learn_from():
    rng = np.random.default_rng(8)
    fist = Example("fist", "a", hands(rng, "fist", 5), 30.0)
    with pytest.raises(PalmarError, match="two at least"):
        train_gestures([fist])
    with pytest.raises(PalmarError, match="no hand was found"):
        train_gestures([fist, Example("open", "b", Hands.empty(), 30.0)])
    with pytest.raises(PalmarError, match="no time"):
        train_gestures([fist, Example("open", "b", hands(rng, "open", 5), None)], motion=True)


def test_features_know_neither_place_nor_size_nor_side():
    rng = np.random.default_rng(9)
    one = hands(rng, "ok", 4)
    joints = one.joints.astype(float)
    far = made((joints - joints[:, :1]) * 1.7 + [0.3, -0.1, 1.2], one.frame)
    left = made(mirror_points(joints), one.frame, side=0)
    expected = pose_features(points_of(one))
    np.testing.assert_allclose(pose_features(points_of(far)), expected, atol=1e-5)
    np.testing.assert_allclose(pose_features(points_of(left)), expected, atol=1e-5)
    turned = points_of(one) @ Rotation.random(random_state=1).as_matrix().T
    np.testing.assert_allclose(pose_features(turned)[:, 60:], expected[:, 60:], atol=1e-5)
    frames = palm_frame(turned)
    np.testing.assert_allclose(np.linalg.det(frames), 1.0)


def test_regression_is_that_of_the_textbook():
    """Gradient zero at the answer; the temperature brings overconfident logits back."""
    rng = np.random.default_rng(10)
    labels = rng.integers(0, 3, 300)
    x = rng.normal(size=(300, 5)) + np.eye(3, 5)[labels] * 1.5
    found = fit(x, labels, 3)
    z = (x - found.mean) / found.scale
    share = 1.0 / (np.bincount(labels)[labels] * 3)
    gap = share[:, None] * (found.probabilities(x) - np.eye(3)[labels])
    np.testing.assert_allclose(z.T @ gap + found.weights / 300, 0.0, atol=2e-4)
    true = rng.normal(size=(4000, 3)) * 2
    said = np.array([rng.choice(3, p=np.exp(t) / np.exp(t).sum()) for t in true])
    assert temperature(true * 3.0, said) == pytest.approx(3.0, rel=0.1)


def test_no_torch_is_imported():
    code = "import sys, palmar.recognition.gesture, palmar.recognition.examples; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
