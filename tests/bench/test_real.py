"""The figures against values worked out by hand, and the whole on a tiny folder with networks that know the truth."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from palmar.bench import real
from palmar.bench.mediapipe_peer import Found, Peer
from palmar.bench.slices import ORDER
from palmar.data.photographs import Opinion
from palmar.errors import PalmarError
from palmar.hand.box import hand_box
from palmar.media import write_image, write_video


def hand(shift: float = 0.0, side: int = 1, score: float = 1.0, size: float = 100.0, track: int = -1) -> Found:
    """21 points on a diagonal; the box's longer side is `size`."""
    line = np.linspace(0, size / 1.12, 21)  # the box is widened by 0.06 on each side
    points = np.stack([line + shift, line], -1)
    joints = np.stack([line, line, line], -1) / 1000
    return Found(points[None], joints[None], np.array([side]), np.array([score]), np.array([track]))


def both(a: Found, b: Found) -> Found:
    return Found(
        *(
            np.concatenate([getattr(a, name), getattr(b, name)])
            for name in ("keypoints", "joints", "side", "score", "track")
        )
    )


NONE = real.found_of(real.Hands.empty())


def test_agreement_by_hand() -> None:
    """Errors 0, 0.08, 0.15 of the hand and one miss."""
    found = [hand(), hand(8.0), hand(15.0, side=0), NONE]
    got = real.agreement(found, [hand()] * 4)
    assert (got["hands"], got["found"], got["extra_hands"]) == (4, 3, 0)
    assert [got[f"pck@{t}"] for t in ("0.05", "0.1", "0.2")] == pytest.approx([0.25, 0.5, 0.75])
    assert got["found_only"]["pck@0.1"] == pytest.approx(2 / 3)
    assert got["found_only"]["mean_error"] == pytest.approx(0.23 / 3)
    assert got["found_only"]["median_error"] == pytest.approx(0.08)
    assert got["auc@0.3"] == pytest.approx((1 + (1 - 0.08 / 0.3) + (1 - 0.15 / 0.3)) / 4, abs=0.01)
    assert got["side_accuracy"] == pytest.approx(2 / 3)
    assert got["joints_mm"]["root_relative"] == pytest.approx(0, abs=1e-9)
    for name in real.GROUPS:
        assert got["groups"][name]["pck@0.1"] == pytest.approx(0.5)


def test_groups_tell_joints_apart() -> None:
    label, off = hand(), hand()
    off.keypoints[0, [4, 8, 12, 16, 20]] += [40.0, 0]
    groups = real.agreement([off], [label])["groups"]
    assert groups["tip"]["mean_error_found"] == pytest.approx(0.4)
    assert groups["tip"]["pck@0.2"] == 0
    assert all(groups[name]["mean_error_found"] == 0 for name in ("wrist", "MCP", "PIP", "DIP"))
    assert sorted(j for rows in real.GROUPS.values() for j in rows) == list(range(21))


def test_matching_is_one_to_one() -> None:
    """Two answers on one hand: the second is extra, the other hand missed; order does not matter."""
    labels = both(hand(), hand(300))
    got = real.agreement([both(hand(1), hand(2))], [labels])
    assert (got["found"], got["extra_hands"]) == (1, 1)
    assert got["found_only"]["mean_error"] == pytest.approx(0.01)
    assert real.match(both(hand(301), hand(3)).keypoints, labels.keypoints) == [(0, 1), (1, 0)]
    assert real.match(hand(51).keypoints, hand().keypoints) == []
    assert real.match(hand(49).keypoints, hand().keypoints) == [(0, 0)]


def test_detection_by_hand() -> None:
    true = [np.array([[0, 0, 10, 10.0]]), np.array([[0, 0, 10, 10.0]])]
    boxes = [np.array([[0, 0, 10, 9.0], [50, 50, 60, 60.0]]), np.zeros((0, 4))]
    got = real.detection(boxes, [np.array([0.9, 0.3]), np.zeros(0)], true, threshold=0.5)
    assert (got["precision"], got["recall"]) == (1.0, 0.5)
    assert got["ap50"] == pytest.approx(51 / 101)
    assert real.detection(boxes, [np.array([0.9, 0.3]), np.zeros(0)], true, threshold=0.2)["precision"] == 0.5


def test_video_by_hand() -> None:
    labels = [hand(), hand(), hand(side=0), hand()]
    got = real.of_video([hand(track=0), hand(side=0, track=0), hand(track=3), NONE], labels)
    assert got["with_hand_percent"] == 75
    assert got["right_side_percent"] == pytest.approx(200 / 3)
    assert got["identities"] == 2
    assert got["bone_length_variation_percent"] == pytest.approx(0, abs=1e-9)
    grown = np.stack([hand().joints[0], 3 * hand().joints[0]])
    assert real.bone_length_variation(grown) == pytest.approx(0.5)  # lengths 1 and 3: deviation 1, mean 2


def test_still_by_hand() -> None:
    found = [hand(999)] * real.STILL_SETTLED + [hand(2.0 * (i % 2)) for i in range(20)]
    got = real.of_still(found)
    assert got["pixels"] == pytest.approx(1)
    assert got["millimetres"] == pytest.approx(0, abs=1e-9)
    assert got["hand_pixels"] == pytest.approx(100)
    assert got["with_hand"] == 20


def test_fitted_keeps_the_shape() -> None:
    wide = real.fitted(np.full((90, 160, 3), 200, np.uint8), 64, 48)
    assert wide.shape == (48, 64, 3)
    assert (wide[6:42] == 200).all()
    assert (wide[:6] == 114).all()
    assert (wide[42:] == 114).all()


class Oracle:
    """A `World` whose frame number is not read from the picture: always its first frame."""

    def __init__(self, world) -> None:
        self.world, self.hashes = world, world.hashes

    def detect(self, image):
        return self.world.detect(self.world.image(0))

    def landmarks(self, image, crops):
        return self.world.landmarks(self.world.image(0), crops)


@pytest.fixture
def oracle(worlds, monkeypatch):
    """Knows the truth of one picture, and not of its mirror image, in which stills are looked at once more."""
    monkeypatch.setattr("palmar.tracking.tracker.mirrored_crops", lambda image, crops: (image, crops))
    monkeypatch.setattr("palmar.tracking.tracker.mirrored", lambda found, _: found)
    return Oracle(worlds.World([worlds.Actor(1, lambda t: (0.0, 0.0, 0.5))], width=160, height=120))


@pytest.fixture
def folder(tmp_path, oracle) -> Path:
    """Two photographs, one with the hand where the networks see it, one without any; a video of twelve frames."""
    truth = oracle.world.truth(0)[0]
    label = {"side": "right", "score": 1.0, "keypoints": truth.keypoints.tolist(), "joints": truth.joints.tolist()}
    out = tmp_path / "real"
    (out / "webcam").mkdir(parents=True)
    (out / "video").mkdir()
    entries = [
        {
            "image": "a.png",
            "split": "evaluate",
            "hands": [{"box": hand_box(truth.keypoints).tolist()}],
            "mediapipe": [label],
        },
        {"image": "b.png", "split": "evaluate", "hands": [], "mediapipe": []},
        {"image": "a.png", "split": "adapt", "hands": [], "mediapipe": []},
    ]
    for name in ("a.png", "b.png"):
        write_image(out / "webcam" / name, np.full((120, 160, 3), 90, np.uint8))
    (out / "webcam" / "labels.json").write_text(json.dumps(entries))
    write_video(out / "video" / "one.mp4", [np.full((120, 160, 3), 90, np.uint8)] * 12)
    np.savez(
        out / "video" / "one.mediapipe.npz",
        keypoints=np.repeat(truth.keypoints[None], 12, 0),
        joints=np.repeat(truth.joints[None], 12, 0),
        side=np.r_[-1, np.ones(11, int)],
    )
    return out


def test_measure_and_render(folder, oracle, fake_mediapipe) -> None:
    result = real.measure(folder, mediapipe=fake_mediapipe, networks=oracle)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    webcam, video = result["palmar"]["webcam"], result["palmar"]["video"]["one"]
    assert webcam["detector"]["recall"] == 1
    assert webcam["detector"]["precision"] == 0.5
    assert webcam["detector"]["ap50"] == 1
    assert webcam["detector"]["hands"] == 1
    assert webcam["agreement"]["auc@0.3"] == pytest.approx(1, abs=0.01)
    assert webcam["agreement"]["extra_hands"] == 1
    assert webcam["agreement"]["joints_mm"]["root_relative"] == pytest.approx(0, abs=0.1)
    assert video["frames"] == 12
    assert video["with_hand_percent"] == 100
    assert video["identities"] == 1
    assert video["right_side_percent"] == 100
    assert video["agreement"]["hands"] == 11
    assert video["agreement"]["joints_mm"]["aligned"] == pytest.approx(0, abs=0.1)
    assert result["palmar"]["jitter"]["smooth"]["pixels"] < 0.01
    for times in result["palmar"]["speed"].values():
        assert times["frames"] == 12
        assert times["loop"]["p95"] >= times["loop"]["p50"] > 0
        assert times["frames_per_second"] == pytest.approx(1000 / times["loop"]["mean"])
        assert times["times_as_fast_as_full"] > 0
        assert times["times_as_fast_as_lite"] > 0
    theirs = result["mediapipe"]
    assert theirs["webcam"]["boxes"]["hands"] == 1
    assert theirs["video"]["one"]["right_side_percent"] == 100
    assert theirs["speed"]["at most one hand"]["frames"] == 12
    assert theirs["speed"]["at most two"]["lite_loop"]["p50"] > 0
    slices = webcam["slices"]
    assert {kind: sum(row["n"] for row in rows.values()) for kind, rows in slices.items()} == dict.fromkeys(
        ("group", *ORDER), 1
    )
    assert slices["side"] == {"right": {"n": 1}}  # one hand: too few to say anything
    assert video["slices"]["hands in the picture"]["1"]["auc"] == pytest.approx(1, abs=0.01)
    assert webcam["all_hands"]["recall"] == 1
    assert set(result["seconds"]) == set(real.PARTS) - {"digits"}
    assert result["mediapipe_version"] == "0.0-fake"
    assert [text.split(":")[0] for text in result["left_out"]] == ["digits"]
    table = real.render(result)
    assert "1 by construction" in table
    assert "MediaPipe 0.0-fake" in table
    assert "digits: no digits/labels.json" in table
    assert all(word in table for word in ("ap50", "auc@0.3", "with hand percent", "loop, p95", "too few"))


def test_limit_and_no_peer(folder, oracle) -> None:
    result = real.measure(folder, networks=oracle, limit=5)
    assert result["mediapipe"] is None
    assert result["palmar"]["video"]["one"]["frames"] == 5
    assert "by construction" not in real.render(result)
    assert "MediaPipe 0" not in real.render(result)


def test_labels_that_see_a_hand_twice_are_left_out() -> None:
    def opinion(x: float, size: float) -> Opinion:
        return Opinion(1, 1.0, hand(x, size=size).keypoints[0].astype(np.float32), np.zeros((21, 3), np.float32))

    big, inner, beside, overlapping = opinion(0, 100), opinion(10, 30), opinion(200, 90), opinion(60, 90)
    assert real.once_each([inner, big, beside]) == (big, beside)
    assert real.once_each([big, overlapping]) == (big, overlapping)  # two hands, one partly before the other
    assert real.once_each([]) == ()


def test_only_what_is_asked(folder, oracle) -> None:
    result = real.measure(folder, networks=oracle, only=["webcam"])
    assert set(result["palmar"]) == set(result["seconds"]) == {"webcam"}
    assert result["left_out"] == []
    with pytest.raises(PalmarError, match="webcams"):
        real.measure(folder, networks=oracle, only=["webcams"])
    with pytest.raises(PalmarError, match="nothing is asked"):
        real.measure(folder, networks=oracle, only=[])


class Shifted(Oracle):
    """The same, each landmark a fixed share of the crop aside, some hands overlooked."""

    def landmarks(self, image, crops):
        seen = super().landmarks(image, crops)
        return replace(seen, keypoints=seen.keypoints + np.float32(3))


def test_compare(folder, oracle) -> None:
    result = real.compare(folder, oracle, Shifted(oracle.world))
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    row = result["difference"]["video one"]
    assert (row["hands"], row["units"]) == (11, 1)
    assert row["auc"]["difference"] > 0.02
    assert row["auc"]["low"] == row["auc"]["high"] == pytest.approx(row["auc"]["difference"])
    assert row["recall"] == {"difference": 0.0, "low": 0.0, "high": 0.0}
    table = real.render_comparison(result)
    assert "video one: 11 hands, 1 units drawn" in table
    assert "AP50" in table


def test_two_cores(monkeypatch) -> None:
    at = [{0, 1, 5, 6}]
    monkeypatch.setattr(real.os, "sched_getaffinity", lambda _: at[-1], raising=False)
    monkeypatch.setattr(real.os, "sched_setaffinity", lambda _, cores: at.append(set(cores)), raising=False)
    with real._two_cores():
        assert at[-1] == {5, 6}
    assert at[-1] == {0, 1, 5, 6}


def test_nothing_to_measure(tmp_path, oracle) -> None:
    with pytest.raises(PalmarError, match="nothing to measure"):
        real.measure(tmp_path, networks=oracle)


def test_peer(fake_mediapipe) -> None:
    with Peer(fake_mediapipe) as peer:
        found, ms = peer([np.full((40, 80, 3), 9, np.uint8), np.zeros((20, 20, 3), np.uint8)], static=True)
        files = list(peer.folder.glob("*.np*"))
    assert [len(f) for f in found] == [1, 0]
    assert len(ms) == 2
    assert (ms > 0).all()
    assert not files
    assert found[0].keypoints[0, 20].tolist() == pytest.approx([40, 20])
    assert found[0].side.tolist() == [1]
    assert found[0].joints[0, 20, 0] == pytest.approx(0.2)
    assert math.isclose(found[0].score[0], 0.75)
    assert not peer.folder.exists()


def test_peer_that_fails(tmp_path, fake_mediapipe) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("raise SystemExit('no such module here')")
    with pytest.raises(PalmarError, match="no such module here"), Peer(fake_mediapipe, bad):
        pass
    with pytest.raises(PalmarError, match="cannot be started"), Peer(tmp_path / "nothing"):
        pass
