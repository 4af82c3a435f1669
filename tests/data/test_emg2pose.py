"""emg2pose's files: what is written is read back; the layout byte for byte; files that are not what they say."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("h5py")

import h5py

from palmar.data import emg2pose as D
from palmar.errors import PalmarError
from palmar.tasks.signal import Record

NAME = "2023-04-19-1681935420-1-cv-emg-pose-train@2-recording-7_left"


def record(name: str = NAME, n: int = 50, **changes) -> Record:
    rng = np.random.default_rng(n)
    made = Record(
        name, rng.normal(size=(n, 16)).astype(np.float32), rng.normal(size=(n, 20)).astype(np.float32), "u1", "fist",
        "s1", "left", times=1.68e9 + np.arange(n) / 2000,
    )  # fmt: skip
    return replace(made, **changes)


def assert_same(a: Record, b: Record) -> None:
    for name in ("emg", "angles", "times"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        assert getattr(a, name).dtype == getattr(b, name).dtype
    for name in ("name", "user", "stage", "session", "side", "split", "generalization"):
        assert getattr(a, name) == getattr(b, name)


@pytest.mark.parametrize("wide", [False, True])
def test_what_is_written_is_read_back(tmp_path, wide):
    made = [record(), record("b_right", 30, side="right", split="test", generalization="user_stage", user="ü2")]
    found = D.write_emg2pose(tmp_path, made, wide=wide)
    for entry, one in zip(found.entries, made, strict=True):
        assert_same(entry.read(), one)
    assert [(e.held_out_user, e.held_out_stage) for e in found.entries] == [(False, False), (True, True)]
    part = found.records("test")[0].read(3, 9)
    np.testing.assert_array_equal(part.emg, made[1].emg[3:9])
    np.testing.assert_array_equal(D.read_angles(found.entries[0].path), made[0].angles)


def test_the_layout_is_the_published_one(tmp_path):
    D.write_emg2pose(tmp_path, [record()])
    with h5py.File(tmp_path / f"{NAME}.hdf5") as file:
        assert list(file) == ["emg2pose"]
        assert not file.attrs
        group = file["emg2pose"]
        assert list(group) == ["timeseries"]
        assert set(group.attrs) == {
            "filename", "session", "stage", "user", "side", "sample_rate", "start", "end", "num_channels",
        }  # fmt: skip
        text = group.attrs.get_id("user").get_type()
        assert text.is_variable_str()
        assert text.get_cset() == h5py.h5t.CSET_UTF8
        assert text.get_strpad() == h5py.h5t.STR_NULLTERM
        assert group.attrs["sample_rate"] == 2000.0
        assert group.attrs.get_id("start").dtype == np.dtype("<f8")
        assert group.attrs.get_id("num_channels").dtype == np.dtype("<i8")
        series = group["timeseries"]
        assert series.chunks is None
        assert series.compression is None
        assert not series.attrs
        dtype = series.dtype
        assert dtype.itemsize == 152
        assert [dtype.fields[n][1] for n in ("time", "joint_angles", "emg")] == [0, 8, 88]
    assert D.row(wide=True).itemsize == 232
    assert D.row(wide=True).fields["emg"][1] == 168
    lines = (tmp_path / "metadata.csv").read_text().splitlines()
    assert lines[0] == (
        "user,session,stage,side,moving_hand,held_out_user,held_out_stage,split,generalization,filename"
    )
    assert lines[1] == f"u1,s1,fist,left,both,False,False,train,none,{NAME}"


def test_the_header(tmp_path):
    D.write_emg2pose(tmp_path, [record()])
    header, count = D.read_header(tmp_path / f"{NAME}.hdf5")
    assert count == 50
    assert header == D.Header(NAME, "s1", "fist", "u1", "left", 2000.0, 1.68e9, 1.68e9 + 49 / 2000, 16)


def test_files_may_lie_in_the_folder_of_the_archive(tmp_path):
    D.write_emg2pose(tmp_path / "emg2pose_dataset", [record()])
    (tmp_path / "emg2pose_dataset" / "metadata.csv").rename(tmp_path / "metadata.csv")
    assert len(D.Emg2Pose.open(tmp_path).records("train")[0].read().emg) == 50


def test_only_parts_that_are_there(tmp_path):
    found = D.write_emg2pose(tmp_path, [record()])
    assert found.records("train", side="left", user="u1")
    with pytest.raises(PalmarError, match="no recording"):
        found.records("test")
    with pytest.raises(PalmarError, match="train"):
        found.records("trian")


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("u,s,st,left,both,False,False,train,none,../../secret", "no name of a recording"),
        ("u,s,st,middle,both,False,False,train,none,a", "side"),
        ("u,s,st,left,both,False,False,trian,none,a", "split"),
    ],
)
def test_rows_that_are_wrong(tmp_path, line, match):
    (tmp_path / "metadata.csv").write_text(",".join(D.COLUMNS) + "\n" + line + "\n")
    with pytest.raises(PalmarError, match=match):
        D.Emg2Pose.open(tmp_path)
    (tmp_path / "metadata.csv").write_text("user,stage\na,b\n")
    with pytest.raises(PalmarError, match="no column split, filename"):
        D.Emg2Pose.open(tmp_path)


def spoil(path, how):
    with h5py.File(path, "w") as file:
        group = file.create_group("emg2pose")
        if how == "empty":
            return
        if how == "external":
            group["timeseries"] = h5py.ExternalLink("other.hdf5", "/emg2pose/timeseries")
        elif how == "storage":
            group.create_dataset("timeseries", (5,), D.row(), external=[("/etc/passwd", 0, 5 * 152)])
        elif how == "long":
            group.create_dataset("timeseries", (1 << 30,), D.row(), chunks=(1024,))
        else:
            group.create_dataset("timeseries", data=np.zeros((5, 16), np.float32))


@pytest.mark.parametrize(
    ("how", "match"),
    [("empty", "not in this file"), ("external", "not in this file"), ("storage", "other files"),
     ("long", "at most"), ("plain", "expected")],
)  # fmt: skip
def test_files_that_are_something_else(tmp_path, how, match):
    path = tmp_path / "a.hdf5"
    spoil(path, how)
    with pytest.raises(PalmarError, match=match):
        D.read_samples(path)


def test_files_that_are_no_hdf5_or_not_there(tmp_path):
    (tmp_path / "a.hdf5").write_bytes(b"nothing" * 100)
    with pytest.raises(PalmarError, match="cannot be read as HDF5"):
        D.read_samples(tmp_path / "a.hdf5")
    with pytest.raises(PalmarError, match="no such file"):
        D.read_header(tmp_path / "b.hdf5")
    D.write_emg2pose(tmp_path, [record("c")])
    data = (tmp_path / "c.hdf5").read_bytes()
    (tmp_path / "c.hdf5").write_bytes(data[:-2000])
    with pytest.raises(PalmarError):
        D.read_samples(tmp_path / "c.hdf5")


def test_numbers_that_are_not_finite(tmp_path):
    made = record("a")
    made.emg[7, 3] = np.nan
    found = D.write_emg2pose(tmp_path, [made])
    with pytest.raises(PalmarError, match="emg holds numbers that are not finite"):
        found.entries[0].read()


def test_names_that_lead_elsewhere_are_not_written(tmp_path):
    with pytest.raises(PalmarError, match="no name of a file"):
        D.write_emg2pose(tmp_path, [record("../a")])
