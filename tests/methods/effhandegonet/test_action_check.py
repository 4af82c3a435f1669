"""The comparison of inputs, on clips where only the label, or nothing, tells the action."""

from __future__ import annotations

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.methods.effhandegonet import METHOD
from palmar.methods.effhandegonet.action_check import compare, verdicts
from palmar.tasks.method import load
from palmar.train.checks import Runs
from palmar.types.firstperson import EgoClip, Vocabulary

VOCABULARY = Vocabulary(("none", "cup", "pen"), ("pour", "write"))


def clips(count, seed):
    rng = np.random.default_rng(seed)
    camera = Camera(width=64, height=36, fx=50.0, fy=50.0, cx=31.5, cy=17.5)
    out = []
    for n in range(count):
        joints = rng.normal((0, 0, 0.6), 0.03, (20, 2, 21, 3)).astype(np.float32)
        points = np.full((20, 21, 3), np.nan, np.float32)
        out.append(EgoClip(f"c{n}", camera, np.arange(20) / 30, joints, np.full(20, 1 + n % 2), points, n % 2))
    return out


def test_where_only_the_label_tells_hands_stay_at_chance_and_the_check_fails():
    report = compare(clips(24, 0), clips(40, 1), VOCABULARY, (0,), 120)
    top = {name: values[0]["top-1"] for name, values in report.figures["runs"].items()}
    assert top["most frequent action"] == 0.5
    assert top["hands + box + label"] > 0.9
    assert top["hands"] < 0.8
    assert report.passed is False  # noise on hands that tell nothing takes nothing away, the box adds nothing
    assert "| most frequent action | 0.500 ± 0.000 |  |" in report.table


def test_a_difference_within_the_spread_is_no_result():
    runs = Runs()
    runs.add("most frequent action", {"top-1": 0.02})
    flat = [(0.600, 0.604, 0.596, 0.598), (0.640, 0.641, 0.630, 0.638), (0.560, 0.562, 0.557, 0.561)]
    steep = [(0.60, 0.50, 0.40, 0.30), (0.64, 0.51, 0.40, 0.30), (0.56, 0.50, 0.41, 0.29)]
    for name, rows in (("hands", flat), ("hands + box", [(0.61,), (0.65,), (0.56,)]), ("hands + box + label", steep)):
        for row in rows:
            keys = ("top-1", "10 px of noise", "30 px of noise", "100 px of noise")
            runs.add(name, dict(zip(keys, row, strict=False)))
    assert verdicts(runs) == {
        "most frequent action < hands": True,
        "hands < hands + box": False,
        "hands + box < hands + box + label": False,
        "hands: noise takes away": False,
        "hands + box + label: noise takes away": True,
    }
    back = Runs({"hands": [dict(zip(keys, (0.6, 0.3, 0.4, 0.3), strict=True))] * 3})
    assert verdicts(back) == {"hands: noise takes away": False}


def test_bad_calls_and_the_card():
    with pytest.raises(PalmarError, match="0 held out"):
        compare(clips(2, 0), [], VOCABULARY, (0,), 10)
    for network in METHOD.networks:
        assert load(network.train)
        assert load(network.evaluate)
    assert load(METHOD.check)
