"""CSV and NumPy files: what is read back is what was written."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from palmar.errors import PalmarError
from palmar.export import export
from palmar.export.tables import read_npz
from palmar.hand import JOINTS


def test_csv_holds_every_number_to_the_last_bit(clip, tmp_path):
    path = export(clip, tmp_path / "hands.csv")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(clip.hands)
    for name, last in (("joints", "xyz"), ("keypoints", ("x", "y", "confidence"))):
        found = np.array([[[row[f"{name}.{j}.{a}"] for a in last] for j in JOINTS] for row in rows], np.float32)
        np.testing.assert_array_equal(found, getattr(clip.hands, name))
    assert [float(row["time"]) for row in rows] == [clip.info["times"][f] for f in clip.hands.frame]
    assert [int(row["side"]) for row in rows] == clip.hands.side.tolist()


def test_a_label_is_no_formula(clip, tmp_path):
    labels = np.array(["=1+1", "wave", None] + ["-x"] * (len(clip.hands) - 3), object)
    path = export(clip.replace(hands=clip.hands.with_columns(action=labels)), tmp_path / "hands.csv")
    with path.open(newline="", encoding="utf-8") as file:
        assert [row["action"] for row in csv.DictReader(file)][:4] == ["'=1+1", "wave", "", "'-x"]


def test_labels_of_any_words_come_back(clip, tmp_path):
    words = ["a, b", 'say "so"', "two\nlines", "größer ✋", " ", None]
    labels = np.array((words * 4)[: len(clip.hands)], object)
    path = export(clip.replace(hands=clip.hands.with_columns(text=labels)), tmp_path / "hands.csv")
    with path.open(newline="", encoding="utf-8") as file:
        assert [row["text"] for row in csv.DictReader(file)] == [word or "" for word in labels.tolist()]


def test_npz_reads_back_as_the_same_hands_and_needs_no_pickle(clip, tmp_path):
    labels = np.array(["wave", None] * 20, object)[: len(clip.hands)]
    hands = clip.hands.with_columns(action=labels)
    path = export(clip.replace(hands=hands), tmp_path / "hands.npz")
    back = read_npz(path)
    assert set(back.columns()) == set(hands.columns())
    for name, values in hands.columns().items():
        np.testing.assert_array_equal(getattr(back, name), values)
    with np.load(path, allow_pickle=False) as raw:
        np.testing.assert_allclose(raw["times"], clip.info["times"])
        np.testing.assert_array_equal(raw["camera"], clip.camera.matrix)


def test_a_file_that_is_none_is_named(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"nothing")
    with pytest.raises(PalmarError, match=r"x\.npz"):
        read_npz(tmp_path / "x.npz")
