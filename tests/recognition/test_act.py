"""Actions over time: from poses to probabilities to a timeline, and how late what is said is."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from palmar.data.boxes import FrameBoxes, write_yolo
from palmar.errors import PalmarError
from palmar.methods.effhandegonet.sequences import H2O
from palmar.recognition.act import EVERY_S, ActionStream, Finder, labelled
from palmar.recognition.actionnet import ActionNet, Poses, keypoints_of
from palmar.recognition.timeline import Acted, parts_of, plot, timeline, write_actions
from palmar.types import Frame, Hands, Vocabulary

WORDS = Vocabulary(
    ("none", "cup", "pen"), ("none", "lift cup", "use pen"), ("none", "lift", "use"), (0, 1, 2), (0, 1, 2)
)


def hand(x: float, y: float, *, side: int = 1, frame: int = 0) -> Hands:
    points = np.zeros((1, 21, 3))
    points[..., 0], points[..., 1], points[..., 2] = x, y, 1.0
    return Hands(
        frame=[frame], track=[0], view=[0], side=[side], score=[0.9], box=[[x, y, x + 1, y + 1]], keypoints=points
    )


class Height:
    """A recogniser that knows one thing: in the upper half of the picture a cup is lifted, below a pen is used."""

    vocabulary = WORDS
    frames, seconds = 20, 1.0
    layout = H2O

    def probabilities(self, windows: np.ndarray) -> np.ndarray:
        high = windows[:, -1, 43] < 0.5  # y of the right wrist, at the end
        return np.where(high[:, None], [0.02, 0.95, 0.03], [0.02, 0.03, 0.95])


@pytest.mark.parametrize("fps", [10.0, 30.0, 60.0])
def test_a_change_is_said_within_200_ms_of_video(fps):
    stream = ActionStream(Height(), fps=fps)
    changed = 2.0
    for k in range(int(4 * fps)):
        time = k / fps
        said = stream.push(hand(50, 20 if time < changed else 80), None, (100, 100), time)
        if time >= changed and said.argmax() == 2 and said[2] > 0.5:
            break
        assert said.argmax() == 1
    assert time - changed <= 0.2


def test_the_stream_rests_on_the_past_alone():
    one, two = ActionStream(Height(), fps=20.0), ActionStream(Height(), fps=20.0)
    rng = np.random.default_rng(0)
    ys = rng.uniform(0, 100, 40)
    first = [one.push(hand(50, y), None, (100, 100), k / 20) for k, y in enumerate(ys)]
    second = [two.push(hand(50, y), None, (100, 100), k / 20) for k, y in enumerate(np.append(ys[:20], 99 - ys[20:]))]
    np.testing.assert_array_equal(first[:20], second[:20])
    assert not np.array_equal(first[20:], second[20:])
    with pytest.raises(PalmarError, match="in order"):
        one.push(hand(1, 1), None, (100, 100), 0.5)


def test_a_timeline_holds_on_and_lets_go():
    times = np.arange(40) * EVERY_S
    scores = np.tile([0.9, 0.05, 0.05], (40, 1))
    scores[5:15] = [0.2, 0.7, 0.1]
    scores[9] = [0.35, 0.4, 0.25]  # a dip that does not end it
    scores[15:20] = [0.1, 0.2, 0.7]  # another takes over
    scores[30:32] = [0.1, 0.8, 0.1]  # too short
    found = timeline(scores, times, WORDS)
    assert [(a.action, round(a.start, 3), round(a.end, 3)) for a in found] == [
        ("lift cup", 0.5, 1.5),
        ("use pen", 1.5, 2.0),
    ]
    assert (found[0].verb, found[0].object) == ("lift", "cup")
    assert found[0].confidence == pytest.approx(0.67)
    assert timeline(np.zeros((0, 3)), np.zeros(0), WORDS) == ()


def test_what_a_vocabulary_does_not_say_stays_open():
    assert parts_of(Vocabulary(("none",), ("wave",)), 0) == ("wave", "")


def test_files_of_a_timeline(tmp_path):
    acted = (Acted("lift cup", "lift", "cup", 0.5, 1.5, 0.7),)
    write_actions(tmp_path, acted, {"source": "x"})
    table = pq.read_table(tmp_path / "actions.parquet")
    assert table.to_pylist()[0]["object"] == "cup"
    assert table.schema.field("start").metadata[b"unit"] == b"second"
    assert json.loads((tmp_path / "actions.json").read_text())["actions"][0]["end"] == 1.5
    times = np.arange(20) / 10
    plot(tmp_path / "s.png", np.random.default_rng(0).random((20, 3)), times, acted, WORDS.actions)
    plot(tmp_path / "empty.png", np.zeros((0, 3)), np.zeros(0), (), WORDS.actions)
    assert (tmp_path / "s.png").stat().st_size > (tmp_path / "empty.png").stat().st_size > 1000


def test_the_surest_hand_of_each_side_counts():
    sure, unsure = hand(30, 40), hand(70, 80).with_columns(score=[0.4])
    both = Hands.concat([sure, unsure, hand(10, 20, side=0, frame=2)])
    found = keypoints_of(both, 4)
    np.testing.assert_array_equal(found[0, 1, 0], [30, 40])
    np.testing.assert_array_equal(found[2, 0, 5], [10, 20])
    assert np.isnan(found[1]).all()
    assert np.isnan(found[0, 0]).all()
    np.testing.assert_array_equal(keypoints_of(both, 4, mirrored=True)[0, 0, 0], [30, 40])


def test_vectors_are_shares_of_the_picture_and_zero_where_nothing_is():
    poses = Poses(np.full((1, 2, 21, 2), np.nan), np.array([[40.0, 10, 60, 30]]), np.array([2]), 100, 50)
    x = poses.vectors(Height.layout)[0]
    assert (x[:84] == 0).all()
    np.testing.assert_allclose(x[84:92], [0.4, 0.2, 0.6, 0.2, 0.4, 0.6, 0.6, 0.6], atol=1e-6)
    assert x[92] == 2


def test_boxes_of_files_are_those_of_the_frame(tmp_path):
    box = np.array([[10.0, 20.0, 50.0, 60.0]])
    for k, kind in ((0, 1), (1, 0)):
        found = FrameBoxes(box + k, np.array([kind]), np.array([0.8]))
        write_yolo(tmp_path / f"{k}.txt", found, 100, 80)
    find = Finder.files(tmp_path, WORDS.objects)
    image = np.zeros((80, 100, 3), np.uint8)
    seen = [find.look(Frame(k, k / 30, image)) for k in range(3)]
    assert [int(s.kind[0]) for s in seen[:2]] == [2, 1]
    np.testing.assert_allclose(seen[1].box, box + 1, atol=1e-3)
    assert len(seen[2]) == 0
    (tmp_path / "none").mkdir()
    with pytest.raises(PalmarError, match="files of boxes"):
        Finder.files(tmp_path / "none", WORDS.objects)


def test_hands_are_labelled_while_it_is_done():
    hands = Hands.concat([hand(1, 1, frame=k) for k in range(4)])
    said = labelled(hands, np.arange(4) * 0.5, (Acted("lift cup", "lift", "cup", 0.5, 1.5, 0.7),)).action
    assert said.tolist() == [None, "lift cup", "lift cup", None]


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory):
    """Of hands that rise and hands that go to the right, from six clips each."""
    pytest.importorskip("torch")
    from palmar.recognition.own import Shown, train_recogniser, write_recogniser

    rng = np.random.default_rng(3)
    clips = []
    for k in range(12):
        t = int(rng.integers(25, 40))
        way = np.linspace(0, 60, t)
        start = rng.uniform(20, 30, 2)
        points = np.full((t, 2, 21, 2), np.nan)
        spread = rng.normal(0, 3, (21, 2))
        move = np.stack([way, 0 * way], -1) if k % 2 else np.stack([0 * way, way], -1)
        points[:, 1] = start + move[:, None] + spread
        poses = Poses(points, np.full((t, 4), np.nan), np.zeros(t, np.int64), 120, 120)
        clips.append(Shown(f"clip {k}", k % 2, poses, 30.0))
    trained = train_recogniser(clips, Vocabulary(("none",), ("rise", "right")), steps=150, seed=1)
    folder = tmp_path_factory.mktemp("recogniser")
    write_recogniser(trained, folder)
    return trained, folder


def test_own_clips_are_learned_and_their_held_out_part_is_told(recogniser):
    trained, folder = recogniser
    assert trained.about["held_out"] == 4
    assert trained.accuracy == 1.0
    net = ActionNet(folder)
    assert net.vocabulary.actions == ("rise", "right")
    assert 0.8 < net.seconds < 1.4
    window = np.zeros((1, net.frames, net.layout.width))
    assert net.probabilities(window).sum() == pytest.approx(1.0)


def test_damaged_recognisers_are_named(recogniser, tmp_path):
    for name in ("action.onnx", "action.json"):
        (tmp_path / name).write_bytes((recogniser[1] / name).read_bytes())
    card = json.loads((tmp_path / "action.json").read_text())
    (tmp_path / "action.json").write_text(json.dumps({**card, "seconds": "long"}))
    with pytest.raises(PalmarError, match="seconds"):
        ActionNet(tmp_path)
    (tmp_path / "action.json").write_text(json.dumps({**card, "sha256": "0" * 64}))
    with pytest.raises(PalmarError, match="wrong weights file"):
        ActionNet(tmp_path)


@pytest.mark.parametrize(("y", "action"), [(20.0, 1), (80.0, 2)])
def test_bare_keypoints_are_taken_as_hands_are(y, action):
    keypoints = np.full((2, 21, 2), np.nan)
    keypoints[1] = 50.0, y
    said = ActionStream(Height(), fps=10.0).push(keypoints, None, (100, 100), 0.0)
    assert said.argmax() == action
    np.testing.assert_array_equal(said, ActionStream(Height(), fps=10.0).push(hand(50, y), None, (100, 100), 0.0))
