"""WebXR's joints: axes by the specification's words, places by the model, the written file read back."""

from __future__ import annotations

import json

import numpy as np
import pygltflib
import pytest
from scipy.spatial.transform import Rotation

from palmar.errors import PalmarError
from palmar.export.joints import OF_21, WEBXR, WEBXR_PARENTS
from palmar.export.options import Options
from palmar.export.webxr import BONES, METACARPALS, NEXT, TIPS, joint_poses, looking, radii, write
from palmar.hand import HandModel
from palmar.types import Hands

RIGS = "@webxr-input-profiles/assets@1.0.20"


def posed(side, shape=None, angles=None):
    model = HandModel.default(side)
    shape = np.zeros((1, 10)) if shape is None else shape
    turns = np.zeros((1, 5, 3, 3)) if angles is None else angles
    return model.shaped(shape).posed(model.rotations_from_angles(turns))


@pytest.fixture(scope="module")
def written(clip, tmp_path_factory):
    path = tmp_path_factory.mktemp("webxr") / "hands.webxr.json"
    write(clip, path, Options())
    return json.loads(path.read_text())


def test_the_names_are_those_of_the_specification_in_its_order(written):
    assert written["joints"] == list(WEBXR)
    assert len(WEBXR) == 25
    assert WEBXR[0] == "wrist"
    assert WEBXR[4] == "thumb-tip"
    assert WEBXR[5] == "index-finger-metacarpal"
    assert WEBXR[24] == "pinky-finger-tip"


def test_a_frame_built_of_directions():
    """The sheet's vector: d = -z, b = y is the identity."""
    np.testing.assert_array_equal(looking(np.array([0.0, 0, -1]), np.array([0.0, 1, 0])), np.eye(3))


@pytest.mark.parametrize("side", [0, 1])
def test_minus_z_runs_along_the_bone_and_y_out_of_the_back(side):
    rng = np.random.default_rng(4)
    angles = np.zeros((1, 5, 3, 3))
    angles[..., 0] = rng.uniform(0, 0.9, (5, 3))
    pose = joint_poses(posed(side, angles=angles))[0]
    at, turn = pose[:, :3, 3], pose[:, :3, :3]
    np.testing.assert_allclose(turn @ np.swapaxes(turn, 1, 2), np.broadcast_to(np.eye(3), (25, 3, 3)), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(turn), 1, atol=1e-9)
    for child, parent in enumerate(WEBXR_PARENTS):
        if parent > 0:
            bone = (at[child] - at[parent]) / np.linalg.norm(at[child] - at[parent])
            np.testing.assert_allclose(-turn[parent, :, 2], bone, atol=1e-9)
    for tip in TIPS:
        np.testing.assert_array_equal(turn[tip], turn[tip - 1])


@pytest.mark.parametrize("side", [0, 1])
def test_the_flat_hand_lies_on_the_back_of_its_joints(side):
    """At rest in the hand frame the palm looks along -y; WebXR's y is turned with the axes: +y there is -y here."""
    turn = joint_poses(posed(side))[0, :, :3, :3]
    up = turn[:, 1, 1] * -1  # Y_UP turns y over
    fingers = [0, *range(5, 25)]
    assert (up[fingers] > 0.85).all()
    thumb_back = (turn[1:5, :, 1] * [1, -1, -1])[:, 2]
    assert (thumb_back > 0.2).all()  # the thumbnail looks to the thumb's side (+z of the hand frame) and up


def test_a_bent_finger_turns_its_nail_forward():
    """90 degrees at the knuckle: the finger points to the palm, its nail away along the hand."""
    angles = np.zeros((1, 5, 3, 3))
    angles[0, 2, 0, 0] = np.pi / 2
    pose = joint_poses(posed(1, angles=angles))[0]
    nail = pose[12, :3, 1] * [1, -1, -1]  # middle proximal phalanx, in the hand frame
    assert nail[0] < -0.9  # fingers lie towards -x


def test_both_hands_have_the_same_axes_not_mirrored_ones():
    right, left = joint_poses(posed(1))[0], joint_poses(posed(0))[0]
    flip = np.diag([-1.0, 1, 1])
    np.testing.assert_allclose(left[:, :3, 3], right[:, :3, 3] @ flip, atol=1e-9)
    np.testing.assert_allclose(left[:, :3, 2], right[:, :3, 2] @ flip, atol=1e-9)
    np.testing.assert_allclose(left[:, :3, 1], right[:, :3, 1] @ flip, atol=1e-9)
    np.testing.assert_allclose(left[:, :3, 0], -right[:, :3, 0] @ flip, atol=1e-9)  # x = y cross z


def test_radii_are_a_persons():
    r = radii(posed(1))[0]
    assert (r > 0.002).all()
    assert (r < 0.022).all()
    fingers = [[6, 7, 8], [11, 12, 13], [16, 17, 18], [21, 22, 23]]
    r_of = r[fingers]
    assert (r_of[:, 2] < r_of[:, :2].min(1)).all()  # fingers taper
    assert (r[13] > 0.005) & (r[13] < 0.010)  # the middle finger's last joint, 10 to 20 mm across
    bigger = posed(1, shape=np.array([[2.0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]))
    assert not np.allclose(radii(bigger)[0], r)


def test_metacarpals_lie_between_wrist_and_knuckle():
    at = joint_poses(posed(1))[0, :, :3, 3]
    for i in METACARPALS:
        reach = np.linalg.norm(at[i] - at[0]) / np.linalg.norm(at[i + 1] - at[0])
        assert 0.05 < reach < 0.6


def test_places_are_the_models_bones_and_tips(written, clip, truth):
    tips = {4: 4, 9: 8, 14: 12, 19: 16, 24: 20}
    for row in range(len(clip.hands)):
        side = ("left", "right")[clip.hands.side[row]]
        hand = written["frames"][clip.hands.frame[row]][side]
        poses = np.array(hand["poses"]).reshape(25, 4, 4).transpose(0, 2, 1)
        assert hand["track"] == clip.hands.track[row]
        for joint in range(25):
            if joint in METACARPALS:
                continue
            where = truth.joints[row, tips[joint]] if joint in tips else truth.origins[row, BONES[joint]]
            np.testing.assert_allclose(poses[joint, :3, 3], where * [1, -1, -1], atol=2e-6)
        np.testing.assert_allclose(poses[:, 3], np.tile([0, 0, 0, 1], (25, 1)))


def test_a_hand_is_there_whole_or_null(written, clip):
    seen = {(int(f), ("left", "right")[s]) for f, s in zip(clip.hands.frame, clip.hands.side, strict=True)}
    assert len(written["frames"]) == 10
    for i, frame in enumerate(written["frames"]):
        assert frame["time"] == pytest.approx(clip.info["times"][i])
        for side in ("left", "right"):
            assert (frame[side] is not None) == ((i, side) in seen)


@pytest.mark.parametrize("side", [0, 1])
def test_axes_are_those_of_the_hands_that_browsers_show(npm, side):
    """The public generic-hand: nodes by the specification's names, each with the pose that a browser gives its joint.

    The rule by which ours are turned gives its axes, and the flat hand's are to the wrist as those of its relaxed one.
    """
    rigs = npm(RIGS) / "node_modules/@webxr-input-profiles/assets/dist/profiles/generic-hand"
    doc = pygltflib.GLTF2().load(str(rigs / ("left.glb", "right.glb")[side]))
    above = {child: i for i, node in enumerate(doc.nodes) for child in node.children or []}
    index = {node.name: i for i, node in enumerate(doc.nodes)}

    def world(i):
        node, local = doc.nodes[i], np.eye(4)
        local[:3, :3] = Rotation.from_quat(node.rotation or [0, 0, 0, 1]).as_matrix() * (node.scale or [1, 1, 1])
        local[:3, 3] = node.translation or [0, 0, 0]
        return world(above[i]) @ local if i in above else local

    rig = np.array([world(index[name]) for name in WEBXR])
    at, turn = rig[:, :3, 3], rig[:, :3, :3]

    def apart(a, b):
        """Degrees between rotations."""
        return np.degrees(Rotation.from_matrix(np.swapaxes(a, 1, 2) @ b).magnitude())

    bones = [i for i in range(25) if i not in TIPS]
    ruled = looking(at[list(NEXT)] - at, turn[:, :, 1])
    assert apart(turn[bones], ruled[bones]).max() < 6
    ours = joint_poses(posed(side))[0, :, :3, :3]
    assert (
        apart(turn[0].T @ turn, ours[0].T @ ours).max() < 45
    )  # a relaxed hand against a flat one; other axes are 90 off


def test_our_21_points_are_where_the_table_says():
    assert [WEBXR[i] for i in OF_21[:6]] == [*WEBXR[:5], "index-finger-phalanx-proximal"]


def test_unrelated_pictures_have_no_times_and_hands_without_pose_are_an_error(clip, tmp_path):
    stills = clip.replace(info={"frames": 10, "times": None, "stills": True})
    write(stills, tmp_path / "a.json", Options())
    frames = json.loads((tmp_path / "a.json").read_text())["frames"]
    assert {frame["time"] for frame in frames} == {None}
    write(clip.replace(hands=Hands.empty()), tmp_path / "b.json", Options())
    assert all(f["right"] is None for f in json.loads((tmp_path / "b.json").read_text())["frames"])
    with pytest.raises(PalmarError, match="no pose"):
        write(clip.replace(hands=clip.hands.select("joints")), tmp_path / "c.json", Options())
    assert not (tmp_path / "c.json").exists()
