from __future__ import annotations

import numpy as np
import pytest

from palmar.data.textfiles import Tree, line_of, read_numbers, read_rows, safe_parts, whole
from palmar.errors import PalmarError


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_come_back(tmp_path, dtype):
    values = np.random.default_rng(0).normal(0, 1, 100).astype(dtype) * np.logspace(-20, 20, 100).astype(dtype)
    (tmp_path / "a.txt").write_text(line_of(values))
    np.testing.assert_array_equal(read_numbers(tmp_path / "a.txt", 100, "numbers").astype(dtype), values)


def test_rows(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbf1 2\r\n3\t4\r\n\r\n")  # another system's
    np.testing.assert_array_equal(read_rows(path, 2, "pairs"), [[1, 2], [3, 4]])
    path.write_text("1 2\n\n3 4\n")
    with pytest.raises(PalmarError, match="line 2: 0 numbers; expected pairs"):
        read_rows(path, 2, "pairs")
    path.write_text("1 2\n" * 11)
    with pytest.raises(PalmarError, match="11 lines; expected pairs, 10 at most"):
        read_rows(path, 2, "pairs", most=10)
    path.write_text("")
    assert read_rows(path, 2, "pairs").shape == (0, 2)


@pytest.mark.parametrize(
    "text", ["..", "a/..", "../a", "/a", "a//b", "a/./b", "C:/a", "a\\..\\b", ".hidden", "", "~/a", "a/\x00b", "a b"]
)
def test_no_path_leads_out(text):
    with pytest.raises(PalmarError, match="is no path of this data set"):
        safe_parts(text, "list: line 1", "a path")


def test_whole_numbers():
    assert whole("3.0", 0, 3, "here", "a number") == 3
    for bad in ("4", "-1", "2.5", "x", "nan", "inf", float("nan")):
        with pytest.raises(PalmarError, match="here: expected a number, a whole number from 0 to 3"):
            whole(bad, 0, 3, "here", "a number")


def test_names_whatever_their_case(tmp_path):
    (tmp_path / "Hand_Pose").mkdir()
    (tmp_path / "file.TXT").touch()
    tree = Tree(tmp_path)
    assert tree.folder("nothing", "HAND_POSE").path.name == "Hand_Pose"
    assert tree.folder("file.txt") is None
    assert tree.find("FILE.txt").name == "file.TXT"
    assert Tree(tmp_path / "nowhere").entries == {}
