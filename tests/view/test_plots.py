"""Plots: known motions give known curves, gaps stay gaps, what cannot be drawn is said."""

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.geometry.rotations import rotvec_from_rotmat
from palmar.hand import HandModel
from palmar.media import ArrayFrames
from palmar.types import Clip, Hands
from palmar.view import plots


def clip(frames=(0, 1, 2, 5, 6, 7), *, fps=10.0, side=1, speed=0.5, bend=30.0, tracks=1, **drop) -> Clip:
    """Hands that move to the right at `speed` metres a second while the index finger's MCP bends by `bend` degrees a
    second."""
    model = HandModel.default(side)
    rows = [(track, frame) for track in range(tracks) for frame in frames]
    poses, joints = [], []
    for _, frame in rows:
        angles = np.zeros((5, 3, 3))
        angles[1, 0, 0] = np.radians(bend) * frame / fps
        rotations = model.rotations_from_angles(angles)
        place = np.array([speed * frame / fps, 0.0, 0.5])
        poses.append(rotvec_from_rotmat(rotations))
        joints.append(model.shaped(np.zeros(10)).posed(rotations, place).joints())
    n = len(rows)
    columns = {
        "frame": [frame for _, frame in rows], "track": [track for track, _ in rows], "view": np.zeros(n),
        "side": np.full(n, side), "score": np.linspace(0.5, 1, n), "box": np.zeros((n, 4)), "pose": poses,
        "joints": joints, "shape": np.zeros((n, 10)), "translation": np.zeros((n, 3)),
    }  # fmt: skip
    images = np.zeros((max(frames) + 1, 8, 8, 3), np.uint8)
    info = {"frames": len(images), "times": [i / fps for i in range(len(images))]}
    hands = Hands(**{name: value for name, value in columns.items() if name not in drop})
    return Clip(ArrayFrames(list(images), fps=fps), hands=hands, info=info)


def test_a_steady_motion_has_a_steady_speed_and_gaps_stay_open():
    made = clip()
    (path,) = plots.paths(made)
    assert path.name == "right 0"
    assert (path.rows < 0).sum() == 1
    times, speed = plots.speeds(made, path)
    known = np.isfinite(speed[:, 0])
    assert known.sum() == 4                                                 # 0-1, 1-2, 5-6, 6-7
    np.testing.assert_allclose(speed[known, 0], 0.5, atol=1e-4)
    assert not ((times[known] > 0.2) & (times[known] < 0.5)).any()
    figure = plots.speed(made)
    lines = figure.axes[0].lines
    assert len(lines) == 6
    assert np.isnan(lines[-1].get_ydata()).any()


@pytest.mark.parametrize("side", [0, 1])
def test_angles_are_those_that_were_set(side):
    made = clip(side=side)
    figure = plots.joint_angles(made)
    index = figure.axes[1]
    mcp = index.lines[0]
    seen = np.isfinite(mcp.get_ydata())
    np.testing.assert_allclose(mcp.get_ydata()[seen], 30 * mcp.get_xdata()[seen], atol=0.1)
    for other in (figure.axes[0], figure.axes[2], figure.axes[3]):
        assert all(np.nanmax(np.abs(line.get_ydata())) < 0.1 for line in other.lines)


def test_presence_shows_every_row_where_it_is():
    figure = plots.presence(clip(frames=(0, 1, 4), tracks=2))
    bars = [c for c in figure.axes[0].collections]
    assert [len(c.get_paths()) for c in bars] == [3, 3]
    starts = sorted(p.vertices[:, 0].min() for p in bars[0].get_paths())
    np.testing.assert_allclose(starts, [0.0, 0.1, 0.4])


def test_reach_spans_the_tips():
    made = clip()
    figure = plots.reach(made)
    tips = made.hands.joints[:, [0, 4, 8, 12, 16, 20]]
    hull = figure.axes[0].patches[0].get_xy()
    np.testing.assert_allclose(hull.min(0), tips[..., :2].min((0, 1)), atol=1e-6)
    np.testing.assert_allclose(hull.max(0), tips[..., :2].max((0, 1)), atol=1e-6)
    assert figure.axes[0].yaxis_inverted()                                  # y runs down


def test_only_those_who_stay_longest_are_drawn():
    made = clip(frames=(0, 1), tracks=plots.MOST + 2)
    figure = plots.joint_angles(made)
    assert len(figure.axes) == 6 * plots.MOST
    assert "2 more hands" in figure.get_suptitle()


def test_one_frame_can_be_drawn():
    for draw in plots.PLOTS.values():
        draw(clip(frames=(0,)))


@pytest.mark.parametrize("name", list(plots.PLOTS))
def test_without_hands_or_columns_it_is_said(name):
    with pytest.raises(PalmarError, match="no hand"):
        plots.PLOTS[name](Clip(ArrayFrames([np.zeros((4, 4, 3), np.uint8)], fps=1.0)))
    if name != "presence":
        with pytest.raises(PalmarError, match="no hand with"):
            plots.PLOTS[name](clip(pose=1, joints=1))
