"""BVH, by a parser of our own: the sheet's worked example, and forward kinematics against the model."""

from __future__ import annotations

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.export import Options, export
from palmar.export.bvh import angles

EXAMPLE = """HIERARCHY
ROOT wrist
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT index1
  {
    OFFSET 0 9 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 4 0
    }
  }
}
MOTION
Frames: 3
Frame Time: 0.0333333
0 100 0 0 0 0 0 0 0
1 100 2 90 0 0 0 45 0
0 0 0 30 20 10 -15 40 5
"""


def turn(axis, degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array({"X": [[1, 0, 0], [0, c, -s], [0, s, c]], "Y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
                     "Z": [[c, -s, 0], [s, c, 0], [0, 0, 1]]}[axis])  # fmt: skip


def parsed(text):
    """Names, world positions [frames, joints, 3] (end sites too, as name-end), seconds between frames."""
    words = iter(text.split())
    joints, stack = [], []
    for word in words:
        if word in ("ROOT", "JOINT"):
            joints.append([next(words), stack[-1] if stack else None, None, []])
        elif word == "End":
            assert next(words) == "Site"
            joints.append([f"{joints[stack[-1]][0]}-end", stack[-1], None, []])
        elif word == "{":
            stack.append(len(joints) - 1)
        elif word == "}":
            stack.pop()
        elif word == "OFFSET":
            joints[-1][2] = np.array([float(next(words)) for _ in range(3)])
        elif word == "CHANNELS":
            joints[-1][3] = [next(words) for _ in range(int(next(words)))]
        elif word == "MOTION":
            break
    assert next(words) == "Frames:"
    frames = int(next(words))
    assert [next(words), next(words)] == ["Frame", "Time:"]
    step = float(next(words))
    rows = np.array([float(w) for w in words]).reshape(frames, -1)
    out = np.zeros((frames, len(joints), 3))
    for f, row in enumerate(rows):
        left, world = list(row), []
        for j, (_, parent, offset, channels) in enumerate(joints):
            rotation, place = np.eye(3), offset.copy()
            for channel in channels:
                value = left.pop(0)
                if channel.endswith("position"):
                    place["XYZ".index(channel[0])] = value
                else:
                    rotation = rotation @ turn(channel[0], value)
            above, origin = (np.eye(3), np.zeros(3)) if parent is None else (world[parent], out[f, parent])
            out[f, j] = origin + above @ place
            world.append(above @ rotation)
        assert not left
    return [joint[0] for joint in joints], out, step


def test_the_parser_gives_the_worked_example():
    _, at, step = parsed(EXAMPLE)
    want = [[[0, 100, 0], [0, 109, 0], [0, 113, 0]], [[1, 100, 2], [-8, 100, 2], [-10.828427, 100, 4.828427]],
            [[0, 0, 0], [-4.228617, 7.324179, 3.078181], [-4.146749, 9.637370, 6.340457]]]  # fmt: skip
    np.testing.assert_allclose(at, want, atol=1e-5)
    assert step == pytest.approx(1 / 30, abs=1e-6)


def test_forward_kinematics_gives_the_models_joints_and_tips(clip, truth, tmp_path):
    folder = export(clip, tmp_path / "bvh", "bvh")
    names, at, step = parsed((folder / "right-0.bvh").read_text())
    assert step == pytest.approx(1 / 25)
    bones = {
        "wrist": 0,
        "index-finger-phalanx-proximal": 1,
        "middle-finger-phalanx-distal": 6,
        "pinky-finger-phalanx-intermediate": 8,
        "ring-finger-phalanx-distal": 12,
        "thumb-phalanx-distal": 15,
    }
    rows = np.flatnonzero(clip.hands.side == 1)
    for name, bone in bones.items():
        found = at[:, names.index(name)] / 100  # centimetres
        np.testing.assert_allclose(found, truth.origins[rows, bone] * [1, -1, -1], atol=1e-5)
    for name, tip in (("thumb-phalanx-distal-end", 4), ("index-finger-phalanx-distal-end", 8),
                      ("pinky-finger-phalanx-distal-end", 20)):  # fmt: skip
        found = at[:, names.index(name)] / 100
        np.testing.assert_allclose(found, truth.joints[rows, tip] * [1, -1, -1], atol=1e-5)
    assert len(names) == 21


def test_a_hand_that_is_not_seen_stays_where_it_was(clip, tmp_path):
    folder = export(clip, tmp_path / "bvh", "bvh")
    _, at, _ = parsed((folder / "left-5.bvh").read_text())
    assert len(at) == 7  # frames 2 to 8
    np.testing.assert_allclose(at[3], at[2])
    np.testing.assert_allclose(at[4], at[2])
    assert "left-5.bvh  begins 0.080 s" in (folder / "hands.bvh.txt").read_text()


def test_angles_at_the_pole_and_across_the_turn():
    zxy = lambda z, x, y: turn("Z", z) @ turn("X", x) @ turn("Y", y)  # noqa: E731
    found = angles(np.stack([zxy(30, 20, 10), zxy(40, 90, 0)]))
    np.testing.assert_allclose(found[0], [30, 20, 10], atol=1e-9)
    np.testing.assert_allclose(zxy(*found[1]), zxy(40, 90, 0), atol=1e-7)
    around = angles(np.stack([zxy(z, 5, 0) for z in (170, 179, 188, 197)]))
    assert np.abs(np.diff(around[:, 0])).max() < 10


def test_uneven_times_become_even_by_blending(clip, truth, tmp_path):
    """Halfway between two frames in time, the wrist is halfway and has turned by half; nothing drifts."""
    times = [0.0, 0.04, 0.12, 0.16, 0.2, 0.24, 0.28, 0.32, 0.36, 0.4]
    folder = export(clip.replace(info={**clip.info, "times": times}), tmp_path / "a", "bvh", Options(fps=25))
    names, at, step = parsed((folder / "right-0.bvh").read_text())
    assert (len(at), step) == (11, pytest.approx(0.04))
    rows = np.flatnonzero(clip.hands.side == 1)
    wrist, knuckle = names.index("wrist"), names.index("index-finger-phalanx-proximal")
    exact = {0: 0, 1: 1, 3: 2, 4: 3, 10: 9}
    for frame, row in exact.items():
        for joint, bone in ((wrist, 0), (knuckle, 1)):
            np.testing.assert_allclose(at[frame, joint] / 100, truth.origins[rows[row], bone] * [1, -1, -1], atol=1e-5)
    np.testing.assert_allclose(at[2, wrist], (at[1, wrist] + at[3, wrist]) / 2, atol=1e-5)
    ways = [at[k, knuckle] - at[k, wrist] for k in (1, 2, 3)]
    between = lambda a, b: np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))  # noqa: E731
    assert between(ways[0], ways[1]) == pytest.approx(between(ways[1], ways[2]), rel=1e-3)
    assert np.linalg.norm(ways[1]) == pytest.approx(np.linalg.norm(ways[0]), abs=1e-5)  # bones keep their length


def test_another_rate_shows_the_same_motion(clip, tmp_path):
    own = parsed((export(clip, tmp_path / "a", "bvh") / "right-0.bvh").read_text())[1]
    twice = parsed((export(clip, tmp_path / "b", "bvh", Options(fps=50)) / "right-0.bvh").read_text())[1]
    half = parsed((export(clip, tmp_path / "c", "bvh", Options(fps=12.5)) / "right-0.bvh").read_text())[1]
    assert (len(own), len(twice), len(half)) == (10, 19, 5)
    np.testing.assert_allclose(twice[::2], own, atol=1e-4)
    np.testing.assert_allclose(half, own[::2], atol=1e-4)


def test_times_that_claim_endless_frames_are_an_error(clip, tmp_path):
    times = [*clip.info["times"][:9], 1e9]
    with pytest.raises(PalmarError, match="are more than"):
        export(clip.replace(info={**clip.info, "times": times}), tmp_path / "a", "bvh", Options(fps=1000))
    assert not list(tmp_path.iterdir())
