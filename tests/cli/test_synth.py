"""`palmar synth`: what it writes is what the world gives, however a range is cut up."""

from __future__ import annotations

import io
import json
import tarfile

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from palmar.cli import synth
from palmar.synth.sample import crop_sample, frame_sample


def column(table, name, row):
    """A label of one row, in the shape that its field's metadata states."""
    shape = json.loads(table.schema.field(name).metadata[b"shape"])
    return np.array(table[name][row].as_py(), np.float32).reshape(shape)


@pytest.mark.parametrize(("kind", "make"), [("crops", crop_sample), ("frames", frame_sample)])
def test_a_folder_holds_the_worlds_samples(palmar, tmp_path, kind, make):
    heard = palmar("synth", tmp_path / "o", "--kind", kind, "--seed", 3, "--first", 5, "--count", 4, "--workers", 1)
    assert (heard.code, heard.out) == (0, "")
    assert heard.err.startswith(f"palmar: palmar-synth/{synth.palmar.__version__}/3/{kind}/5..8, ")
    table = pq.read_table(tmp_path / "o" / "labels.parquet")
    assert table["index"].to_pylist() == [5, 6, 7, 8]
    for row in range(4):
        truth = make(3, 5 + row)
        image = cv2.imread(str(tmp_path / "o" / table["file"][row].as_py()))
        np.testing.assert_array_equal(image[..., ::-1], truth.image)
        for name in synth.LABELS[kind]:
            np.testing.assert_array_equal(column(table, name, row), np.asarray(getattr(truth, name), np.float32))
    card = json.loads((tmp_path / "o" / "card.json").read_text())
    assert card["name"] == f"palmar-synth/{card['palmar']}/3/{kind}/5..8"
    assert set(card["columns"]) == set(synth.LABELS[kind])
    assert all(row["licence"] != "unknown" for row in card["licences"])
    assert len(list((tmp_path / "o" / "images").rglob("*.png"))) == 4


def test_processes_and_ranges_change_nothing(monkeypatch):
    monkeypatch.setattr(synth, "CHUNK", 2)
    alone = list(synth.samples("crops", 3, 0, 5, workers=1))
    several = list(synth.samples("crops", 3, 0, 5, workers=2))
    tail = list(synth.samples("crops", 3, 4, 1, workers=1))
    assert [one.index for one in alone] == [0, 1, 2, 3, 4]
    assert several == alone
    assert tail == alone[4:]


def test_a_stream_is_a_tar_of_the_same_samples(capfdbinary):
    from palmar.cli import main

    bytes_of = []
    for _ in range(2):
        assert main(["synth", "-", "--count", "2", "--seed", "3", "--workers", "1"]) == 0
        out, err = capfdbinary.readouterr()
        bytes_of.append(out)
        assert err == b""
    assert bytes_of[0] == bytes_of[1]
    with tarfile.open(fileobj=io.BytesIO(out)) as tar:
        assert tar.getnames() == ["00000000.png", "00000000.json", "00000001.png", "00000001.json"]
        for made in synth.samples("crops", 3, 0, 2, workers=1):
            assert tar.extractfile(f"{made.index:08d}.png").read() == made.png
            assert json.load(tar.extractfile(f"{made.index:08d}.json")) == made.labels


@pytest.mark.parametrize(
    "words",
    [
        ["--count", "0"],
        ["--seed", "-1"],
        ["--first", "-1"],
        ["--workers", "0"],
        ["--kind", "films"],
        ["--count", "many"],
    ],
    ids=" ".join,
)
def test_bad_options(palmar, listed, tmp_path, words):
    heard = palmar("synth", tmp_path / "o", *words)
    assert (heard.code, heard.out) == (2, "")
    assert heard.err.count("\n") == len(heard.errors) == 1
    assert not listed(tmp_path)


def test_what_is_no_folder_of_samples_is_kept(palmar, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("x")
    for words in ([], ["--overwrite"]):
        heard = palmar("synth", tmp_path / "home", "--count", 1, *words)
        assert (heard.code, len(heard.errors)) == (2, 1)
    assert [p.name for p in tmp_path.rglob("*")] == ["home", "thesis.tex"]


def test_an_interrupted_folder_is_not_there(palmar, listed, tmp_path, monkeypatch):
    def stop(kind, seed, index):
        if index == 2:
            raise KeyboardInterrupt
        return real(kind, seed, index)

    real = synth.sample
    monkeypatch.setattr(synth, "sample", stop)
    assert palmar("synth", tmp_path / "deep" / "o", "--count", 3, "--workers", 1).code == 130
    assert not listed(tmp_path)
