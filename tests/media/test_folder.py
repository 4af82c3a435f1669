"""Folders and files appear whole or not at all."""

from __future__ import annotations

import os

import pytest

from palmar.errors import PalmarError
from palmar.media import resumable_folder, whole_file, whole_folder


def test_a_folder_appears_when_it_is_whole(tmp_path):
    out = tmp_path / "a" / "b c" / "out"
    with whole_folder(out) as part:
        (part / "x.txt").write_text("x")
        assert not out.exists()
        assert part.parent == out.parent  # a sibling, so that renaming is one step
    assert (out / "x.txt").read_text() == "x"
    assert [p.name for p in out.parent.iterdir()] == ["out"]
    mask = os.umask(0)
    os.umask(mask)
    assert out.stat().st_mode & 0o777 == 0o777 & ~mask


@pytest.mark.parametrize("error", [ValueError(), KeyboardInterrupt(), SystemExit(3), PalmarError("x"), OSError(5, "x")])
def test_nothing_is_left_when_the_block_fails(tmp_path, error):
    def work():
        with whole_folder(tmp_path / "a" / "out") as part:
            (part / "deep").mkdir()
            (part / "deep" / "x").write_text("x")
            raise error

    with pytest.raises(type(error)) as caught:
        work()
    assert caught.value is error
    assert not list(tmp_path.iterdir())


def test_what_exists_is_kept(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with whole_folder(out) as part:  # an empty folder may be used
        (part / "clip.json").write_text("1")
    with pytest.raises(PalmarError, match="exists already"), whole_folder(out):
        pass
    (tmp_path / "file").write_text("x")
    with pytest.raises(PalmarError, match="is a file"), whole_folder(tmp_path / "file", overwrite=True):
        pass
    assert (out / "clip.json").read_text() == "1"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "out"]


def test_overwriting(tmp_path):
    out = tmp_path / "out"
    with whole_folder(out) as part:
        (part / "clip.json").write_text("1")
        (part / "old.txt").write_text("old")
    with pytest.raises(ValueError, match="mine"), whole_folder(out, overwrite=True) as part:
        raise ValueError("mine")
    assert (out / "old.txt").read_text() == "old"
    with whole_folder(out, overwrite=True) as part:
        (part / "clip.json").write_text("2")
        assert (out / "clip.json").read_text() == "1"
    assert [p.name for p in out.iterdir()] == ["clip.json"]
    assert (out / "clip.json").read_text() == "2"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_only_results_are_overwritten(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("x")
    with pytest.raises(PalmarError, match=r"holds no clip\.json"), whole_folder(tmp_path / "home", overwrite=True):
        pass
    assert (tmp_path / "home" / "thesis.tex").exists()


def test_someone_was_faster(tmp_path):
    def race():
        with whole_folder(tmp_path / "out"):
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "theirs").write_text("x")

    with pytest.raises(PalmarError, match="exists already"):
        race()
    assert [p.name for p in tmp_path.rglob("*")] == ["out", "theirs"]


def test_places_where_no_folder_can_be(tmp_path):
    (tmp_path / "file").write_text("x")
    for bad in (tmp_path / "file" / "out", tmp_path / ("x" * 300), "/proc/nowhere/out"):
        with pytest.raises(PalmarError, match="cannot"), whole_folder(bad):
            pass
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_parent(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(PalmarError, match="cannot make this folder"), whole_folder(tmp_path / "locked" / "out"):
        pass


def test_relative_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with whole_folder("out") as part:
        (part / "x").write_text("x")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(PalmarError, match="exists already"), whole_folder(".."):
        pass
    assert (tmp_path / "out" / "x").exists()


def test_whole_file(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")

    def fail():
        with whole_file(path) as part:
            part.write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_bytes() == b"old"
    with whole_file(path) as part:
        part.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def fill(out, names, *, key="00aa", stop=None):
    """What was there before, in a resumable folder in which files are made one after the other."""
    with resumable_folder(out, key) as part:
        before = sorted(path.name for path in part.iterdir())
        for name in names:
            if name == stop:
                raise KeyboardInterrupt
            (part / name).write_text(name)
    return before


def test_what_killed_processes_left_of_a_file_is_taken_away(tmp_path):
    old, fresh, empty, other = (tmp_path / f".a.csv.{name}.part" for name in ("00000000", "11111111", "22222222", "x"))
    for part in (old, fresh, other):
        part.write_text("half")
    empty.touch()
    for part in (old, empty, other):
        os.utime(part, (0, 0))
    with whole_file(tmp_path / "a.csv") as written:
        written.write_text("whole")
    assert (tmp_path / "a.csv").read_text() == "whole"
    assert not old.exists()
    assert fresh.exists()
    assert empty.exists()
    assert other.exists()


def test_a_resumable_folder_goes_on_where_it_was_stopped(tmp_path):
    out = tmp_path / "deep" / "out"
    with pytest.raises(KeyboardInterrupt):
        fill(out, "abc", stop="c")
    assert not out.exists()
    assert fill(out, "c") == ["a", "b"]
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert sorted(path.name for path in out.iterdir()) == ["a", "b", "c"]


def test_another_request_does_not_go_on_from_it(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path / "out", "ab", stop="b")
    assert fill(tmp_path / "out", "b", key="00bb") == []
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.00aa.unfinished", "out"]


def test_a_resumable_folder_leaves_nothing_when_nothing_was_made(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path / "deep" / "out", "a", stop="a")
    assert not list(tmp_path.iterdir())


def test_a_resumable_folder_is_made_by_one_process_at_a_time(tmp_path):
    with resumable_folder(tmp_path / "out", "00aa") as part:
        (part / "a").write_text("a")
        with pytest.raises(PalmarError, match="another process"):
            fill(tmp_path / "out", "b")
        assert [path.name for path in part.iterdir()] == ["a"]
    with pytest.raises(PalmarError, match="exists already"):
        fill(tmp_path / "out", "b")
