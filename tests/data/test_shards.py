"""Shards: what is read is what was written, a killed writer ends with the same bytes, and no folder can do harm."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import re
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from palmar.data import shards
from palmar.data.shards import (
    Column,
    Layer,
    Npy,
    Npz,
    Png,
    Sample,
    ShardWriter,
    Steps,
    decode,
    encode,
    pack,
    plain,
    read_shards,
    write_stream,
)
from palmar.errors import PalmarError

LAYERS = {
    "rgb": Layer("uint8", "1", "sRGB", Png()),
    "seen": Layer("bool", "1", "seen", Png()),
    "instance": Layer("uint16", "1", "who", Png()),
    "depth": Layer("float32", "metre", "depth", Steps(1e-4, nothing="inf")),
    "flow": Layer("float32", "pixel", "flow", Steps(1 / 64, -512.0, channels=2)),
    "normal": Layer("float32", "1", "normal", Steps(1 / 32767, -32768 / 32767, nothing="0", channels=3)),
    "events": Layer("float64", "s", "events", Npy()),
    "whole": Layer("bool", "1", "whole shapes", Npz()),
    "number": Layer("int32", "1", "who", Png()),
}
COLUMNS = {
    "scene": Column("str", (), "", "sort"),
    "sides": Column("float32", (None,), "1", "of the hands"),
    "keypoints": Column("float32", (None, 21, 2), "pixel", "x, y"),
    "shape": Column("float32", (10,), "1", "of the hand"),
    "frames": Column("int64", (), "1", "how many"),
    "things": Column("str", (None,), "", "names"),
}
CARD = {"name": "test/1", "count": 6}


def sample(index: int, size: int = 24) -> Sample:
    """A sample in which every layer has something, and nothing, in it; all of it is exactly representable."""
    rng = np.random.default_rng(index)
    depth = (rng.integers(1, 65536, (size, size)) * 1e-4).astype(np.float32)
    depth[0] = np.inf
    flow = (rng.integers(1, 65536, (size, size, 2)) / 64 - 512).astype(np.float32)
    flow[:, 3] = np.nan
    normal = (rng.integers(1, 65536, (size, size, 3)) / 32767 - 32768 / 32767).astype(np.float32)
    normal[2] = 0.0
    hands = index % 3
    return Sample(
        index,
        {
            "rgb": rng.integers(0, 256, (size, size, 3), dtype=np.uint8),
            "t000.left.depth": depth,
            "t001.left.depth": depth[::-1].copy(),
            "seen": rng.random((size, size)) < 0.5,
            "instance": rng.integers(0, 65536, (size, size), dtype=np.uint16),
            "flow": flow,
            "normal": normal,
            "events": rng.normal(size=(hands, 4)),
            "whole": rng.random((size, size, hands)) < 0.1,
            "number": rng.integers(0, 65536, (size, size), dtype=np.int32),
        },
        {
            "scene": "näh",
            "sides": rng.integers(0, 2, hands).astype(np.float32),
            "keypoints": rng.normal(size=(hands, 21, 2)).astype(np.float32),
            "shape": rng.normal(size=10).astype(np.float32),
            "frames": index,
            "things": ["cup"] * hands,
            "held": None,
            "deep": [{"a": [1, 2.5, "x"]}],
        },
    )


def write(out: Path, numbers=range(6), *, upto: int | None = None, **options) -> Path:
    """A folder of those samples; upto: stopped before that one."""
    options = {"shard_bytes": 40_000, **options}
    with ShardWriter(out, CARD, LAYERS, COLUMNS, **options) as writer:
        for index in numbers[writer.done :]:
            if index == upto:
                raise KeyboardInterrupt
            writer.add(pack(sample(index), LAYERS, COLUMNS))
    return out


def bytes_of(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def same(a: Sample, b: Sample) -> None:
    assert a.index == b.index
    assert list(a.arrays) == list(b.arrays)
    for name, array in a.arrays.items():
        assert b.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(b.arrays[name], array)
    assert plain(a.labels) == plain(b.labels)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("shards") / "set")


@pytest.fixture
def broken(folder, tmp_path) -> Path:
    """A copy that a test may damage."""
    return shutil.copytree(folder, tmp_path / "copy")


# What is written is what is read --------------------------------------------------------------------------------------


def test_what_is_read_is_what_was_written(folder):
    found = read_shards(folder, verify=True)
    assert [stored.index for stored in found] == list(range(6))
    for stored in found:
        same(sample(stored.index), stored.load())
    assert list(found.check()) == list(range(6))
    assert found.card["name"] == "test/1"
    assert found.layers == LAYERS


def test_samples_are_chosen_by_position_and_number(folder):
    found = read_shards(folder)
    assert found[-1].index == found.find(5).index == 5
    assert [s.index for s in found[1:6:2]] == [s.index for s in found[np.arange(6) % 2 == 1]] == [1, 3, 5]
    assert [s.index for s in found[[4, 0]]] == [4, 0]
    with pytest.raises(IndexError):
        found[6]
    with pytest.raises(PalmarError, match="no sample 7"):
        found.find(7)
    with pytest.raises(PalmarError, match=r"unknown array 'rbg'. Did you mean rgb"):
        found[0]["rbg"]


def test_a_reader_can_be_sent_to_another_process(folder):
    there = pickle.loads(pickle.dumps(read_shards(folder)))
    same(sample(2), there[2].load())


def test_labels_of_the_index_have_their_shapes_and_units(folder):
    found = read_shards(folder)
    np.testing.assert_array_equal(found.column("shape"), [sample(i).labels["shape"] for i in range(6)])
    for i, keypoints in enumerate(found.column("keypoints")):
        assert keypoints.shape == (i % 3, 21, 2)
        np.testing.assert_array_equal(keypoints, sample(i).labels["keypoints"])
    assert found.column("things")[2] == ["cup", "cup"]
    assert found.column("frames").tolist() == list(range(6))
    field = found.table.schema.field("keypoints")
    assert field.metadata == {b"unit": b"pixel", b"meaning": b"x, y", b"shape": b"[-1, 21, 2]"}


def test_shards_are_no_larger_than_asked(folder):
    tars = sorted(folder.glob("shard-*.tar"))
    assert len(tars) > 2
    assert all(tar.stat().st_size <= 40_000 + 10_240 for tar in tars)  # a tar ends on a whole record
    index = read_shards(folder).table
    assert sorted(set(index["shard"].to_pylist())) == [tar.name for tar in tars]


def test_a_sample_larger_than_a_shard_has_its_own(tmp_path):
    write(tmp_path / "o", range(3), shard_bytes=1)
    assert len(list((tmp_path / "o").glob("*.tar"))) == 3


def test_every_member_stands_where_the_index_says(folder):
    for row in pq.read_table(folder / "index.parquet").to_pylist():
        data = (folder / row["shard"]).read_bytes()
        for member in row["members"]:
            there = data[member["offset"] : member["offset"] + member["size"]]
            assert hashlib.sha256(there).digest() == member["sha256"]


def test_tarfile_and_the_naming_rule_of_webdataset_read_them(folder):
    """The rule: all before the first dot of the base name is the key, the rest in lower case is the field; files of a
    sample follow each other, and no field comes twice."""
    found = {}
    order = []
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            for entry in tar:
                assert entry.isreg()
                assert (entry.mtime, entry.uid, entry.gid, entry.uname) == (0, 0, 0, "")
                key, field = re.match(r"^((?:.*/|)[^.]+)[.]([^/]*)$", entry.name).groups()
                assert field == field.lower()
                if not order or order[-1] != key:
                    assert key not in order
                    order.append(key)
                assert field not in found.setdefault(key, {})
                found[key][field] = tar.extractfile(entry).read()
    assert order == [f"{i:09d}" for i in range(6)]
    for stored in read_shards(folder):
        assert found[stored.key] == {name: stored.bytes_of(name) for name in stored.members}
        labels = json.loads(found[stored.key]["json"])
        assert labels == stored.labels


def test_a_stream_holds_the_same_files(folder):
    file = io.BytesIO()
    assert list(write_stream((pack(sample(i), LAYERS, COLUMNS) for i in range(2)), file)) == [1, 2]
    assert len(file.getvalue()) % 10_240 == 0
    with tarfile.open(fileobj=io.BytesIO(file.getvalue())) as tar:
        streamed = {entry.name: tar.extractfile(entry).read() for entry in tar}
    found = read_shards(folder)[:2]
    assert streamed == {f"{s.key}.{name}": s.bytes_of(name) for s in found for name in s.members}


# Codings --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["depth", "flow", "normal"])
def test_steps_are_right_to_half_a_step_and_then_stay(name):
    layer = LAYERS[name]
    shape = (16, 16) if layer.coding.channels == 1 else (16, 16, layer.coding.channels)
    rng = np.random.default_rng(3)
    low, high = {"depth": (0.2, 6.5), "flow": (-500, 500), "normal": (-1, 1)}[name]
    array = rng.uniform(low, high, shape).astype(np.float32)
    once = decode(encode(array, layer), layer)
    assert np.abs(once - array).max() <= layer.coding.step / 2 * 1.001 + np.spacing(np.float32(high))
    np.testing.assert_array_equal(decode(encode(once, layer), layer), once)
    assert np.abs(once - array).max() > 0


def test_what_steps_cannot_hold_is_nothing():
    depth = np.array([[0.00001, 1.0, 6.5535, 6.5537, -1.0, np.nan, np.inf]], np.float32)
    out = decode(encode(depth, LAYERS["depth"]), LAYERS["depth"])
    np.testing.assert_allclose(out, [[np.inf, 1.0, 6.5535, np.inf, np.inf, np.inf, np.inf]], atol=1e-6)
    flow = np.zeros((1, 2, 2), np.float32)
    flow[0, 1, 0] = 600.0  # one channel too large: the vector is nothing
    out = decode(encode(flow, LAYERS["flow"]), LAYERS["flow"])
    np.testing.assert_array_equal(out, [[[0, 0], [np.nan, np.nan]]])


def test_depth_is_a_picture_of_tenths_of_millimetres():
    """What other software sees in the file."""
    import cv2

    data = encode(np.array([[0.5, np.inf]], np.float32), LAYERS["depth"])
    np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED), [[5000, 0]])
    data = encode(np.array([[[1.0, -2.0]]], np.float32), LAYERS["flow"])
    np.testing.assert_array_equal(
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)[..., ::-1],
        [[[2**15 + 64, 2**15 - 128, 1]]],  # KITTI: 64 u + 2^15, 64 v + 2^15, valid
    )


@pytest.mark.plain
@pytest.mark.parametrize(
    ("array", "name"),
    [
        (np.zeros((4, 4), np.float32), "rgb"),
        (np.zeros((4, 4, 4), np.uint8), "rgb"),
        (np.zeros((0, 4, 3), np.uint8), "rgb"),
        (np.zeros((4, 4, 2), np.float32), "depth"),
        (np.zeros((4, 4), np.float32), "flow"),
        (np.zeros((4, 4), np.float64), "depth"),
        (np.full((4, 4), -1, np.int32), "number"),
        (np.full((4, 4), 65536, np.int32), "number"),
    ],
)
def test_an_array_that_is_not_its_layer_is_refused(array, name):
    with pytest.raises(PalmarError, match=r"expected|no pixels|65535"):
        encode(array, LAYERS[name])


def test_labels_are_short_and_exact():
    values = np.random.default_rng(0).normal(size=50).astype(np.float32)
    text = json.dumps(plain(values))
    np.testing.assert_array_equal(np.array(json.loads(text), np.float32), values)
    assert len(text) < 50 * 15
    for bad in (np.nan, np.array([np.inf]), [float("nan")]):
        with pytest.raises(PalmarError, match="not finite"):
            plain(bad)


# Killed and continued -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("upto", [1, 2, 3, 5])
def test_an_interrupted_folder_goes_on_and_ends_with_the_same_bytes(folder, tmp_path, upto):
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "o", upto=upto)
    assert not (tmp_path / "o").exists()
    with ShardWriter(tmp_path / "o", CARD, LAYERS, COLUMNS, shard_bytes=40_000) as writer:
        assert (writer.done, writer.last) == (upto, upto - 1)
        for index in range(writer.done, 6):
            writer.add(pack(sample(index), LAYERS, COLUMNS))
    assert bytes_of(tmp_path / "o") == bytes_of(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["o"]


@pytest.mark.parametrize("damage", ["tail", "torn journal", "flipped byte", "lost bytes", "no tar"])
def test_what_a_crash_leaves_half_written_is_written_again(folder, tmp_path, damage):
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "o", upto=2, shard_bytes=1 << 20)
    (part,) = tmp_path.iterdir()
    tar, journal = part / "shard-000000.tar", part / "shard-000000.jsonl"
    if damage == "tail":
        tar.write_bytes(tar.read_bytes() + b"x" * 1000)
    elif damage == "torn journal":
        journal.write_bytes(journal.read_bytes()[:-40])
    elif damage == "flipped byte":
        data = bytearray(tar.read_bytes())
        data[-2000] ^= 1
        tar.write_bytes(data)
    elif damage == "lost bytes":
        os.truncate(tar, tar.stat().st_size // 2)
    else:
        tar.unlink()
    write(tmp_path / "o", shard_bytes=1 << 20)
    write(tmp_path / "whole", shard_bytes=1 << 20)
    assert bytes_of(tmp_path / "o") == bytes_of(tmp_path / "whole")


def test_killed_just_before_the_end(folder, tmp_path, monkeypatch):
    """When index and card are written and only the name is missing."""
    monkeypatch.setattr(Path, "unlink", stop_at("parquet", Path.unlink))
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "o")
    monkeypatch.undo()
    with ShardWriter(tmp_path / "o", CARD, LAYERS, COLUMNS, shard_bytes=40_000) as writer:
        assert writer.done == 6
    assert bytes_of(tmp_path / "o") == bytes_of(folder)


def stop_at(suffix, real):
    def unlink(self, **options):
        if self.suffix == f".{suffix}":
            raise KeyboardInterrupt
        return real(self, **options)

    return unlink


@pytest.mark.plain
def test_a_process_that_is_killed_leaves_what_can_be_gone_on_with(folder, tmp_path):
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); import test_shards as t; from pathlib import Path\n"
        "with t.ShardWriter(Path(sys.argv[2]), t.CARD, t.LAYERS, t.COLUMNS, shard_bytes=40_000) as w:\n"
        "    for i in range(4): w.add(t.pack(t.sample(i), t.LAYERS, t.COLUMNS))\n"
        "    print('here', flush=True); time.sleep(60)"
    )
    words = [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path / "o")]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"here\n"
        with pytest.raises(PalmarError, match="another process"):
            write(tmp_path / "o")
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "o").exists()
    with ShardWriter(tmp_path / "o", CARD, LAYERS, COLUMNS, shard_bytes=40_000) as writer:
        assert writer.done == 4
        for index in (4, 5):
            writer.add(pack(sample(index), LAYERS, COLUMNS))
    assert bytes_of(tmp_path / "o") == bytes_of(folder)


def test_samples_of_changed_code_do_not_follow_those_of_the_old(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "o", upto=1)
    changed = pack(replace(sample(0), labels={**sample(0).labels, "frames": 7}), LAYERS, COLUMNS)
    with pytest.raises(PalmarError, match="other bytes"):
        add(tmp_path / "o", [changed])
    with ShardWriter(tmp_path / "o", CARD, LAYERS, COLUMNS, shard_bytes=40_000) as writer:
        assert writer.unsure == 0
        writer.add(pack(sample(0), LAYERS, COLUMNS))
        assert writer.done == 1  # compared, not written twice


def add(out: Path, packed: list) -> None:
    with ShardWriter(out, CARD, LAYERS, COLUMNS, shard_bytes=40_000) as writer:
        for one in packed:
            writer.add(one)


def test_another_card_begins_anew(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "o", upto=1)
    with ShardWriter(tmp_path / "o", {**CARD, "seed": 2}, LAYERS, COLUMNS) as writer:
        assert writer.done == 0
        writer.add(pack(sample(0), LAYERS, COLUMNS))


def test_samples_come_in_order(tmp_path):
    with pytest.raises(PalmarError, match="in order"):
        add(tmp_path / "o", [pack(sample(index), LAYERS, COLUMNS) for index in (3, 2)])


def test_what_is_no_data_set_is_kept(tmp_path):
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "thesis.tex").write_text("x")
    for overwrite in (False, True):
        with pytest.raises(PalmarError, match=r"exists already|no result"):
            write(tmp_path / "o", overwrite=overwrite)
    assert [p.name for p in tmp_path.rglob("*")] == ["o", "thesis.tex"]


def test_an_earlier_data_set_is_replaced_when_asked(folder, tmp_path):
    write(tmp_path / "o", range(2))
    write(tmp_path / "o", overwrite=True)
    assert bytes_of(tmp_path / "o") == bytes_of(folder)


@pytest.mark.parametrize("name", ["../rgb", "a b.rgb", ".rgb", "A.rgb", "rgb.", "x.nothing"])
def test_names_that_are_none_are_refused(name):
    with pytest.raises(PalmarError):
        pack(Sample(0, {name: np.zeros((2, 2, 3), np.uint8)}, {}), LAYERS, {})


@pytest.mark.parametrize(
    "labels",
    [{}, {"shape": np.zeros(9)}, {"shape": float("nan")}],
    ids=["missing", "wrong shape", "not finite"],
)
def test_labels_that_the_index_misses_are_refused(labels):
    with pytest.raises(PalmarError, match="sample 4: "):
        pack(Sample(4, {}, labels), LAYERS, {"shape": COLUMNS["shape"]})


# Hostile folders ------------------------------------------------------------------------------------------------------


def rewrite(folder: Path, change) -> None:
    """The index with its rows changed."""
    table = pq.read_table(folder / "index.parquet")
    rows = table.to_pylist()
    for row in rows:
        change(row)
    pq.write_table(pa.Table.from_pylist(rows, table.schema), folder / "index.parquet")


@pytest.mark.parametrize(
    ("of_member", "values"),
    [
        (False, {"shard": "../secret.tar"}),
        (False, {"shard": "/etc/passwd"}),
        (False, {"shard": "shard-000000.tar/../../x"}),
        (False, {"shard": "shard-000077.tar"}),
        (False, {"index": -1}),
        (True, {"name": "../../x.png"}),
        (True, {"name": "rgb.png\x00"}),
        (True, {"offset": -5}),
        (True, {"offset": 0}),
        (True, {"offset": 1 << 40}),
        (True, {"offset": (1 << 63) - 1}),
        (True, {"size": -1}),
        (True, {"size": 1 << 40}),
        (True, {"size": 1 << 29}),
        (True, {"offset": 512 + 512}),
        (True, {"sha256": bytes(32)}),
    ],
)
def test_an_index_that_lies(broken, of_member, values):
    rewrite(broken, lambda row: (row["members"][0] if of_member else row).update(values))
    with pytest.raises(PalmarError):
        read_shards(broken, verify=True)[0].load()


def test_a_link_out_of_the_folder(broken, tmp_path):
    (broken / "shard-000000.tar").rename(tmp_path / "elsewhere.tar")
    (broken / "shard-000000.tar").symlink_to(tmp_path / "elsewhere.tar")
    with pytest.raises(PalmarError, match="leads out"):
        read_shards(broken)[0]


@pytest.mark.parametrize("keep", [0, 100, 512, 3000])
def test_a_shard_that_is_cut_off(broken, keep):
    os.truncate(broken / "shard-000000.tar", keep)
    with pytest.raises(PalmarError, match=r"shard-000000\.tar.*(cut off|something else)"):
        read_shards(broken)[0].load()


def test_every_flipped_bit_is_found_on_demand(broken):
    tar = broken / "shard-000000.tar"
    whole = tar.read_bytes()
    rows = [row for row in pq.read_table(broken / "index.parquet").to_pylist() if row["shard"] == tar.name]
    member = rows[0]["members"][-1]
    for at in np.linspace(member["offset"], member["offset"] + member["size"] - 1, 20).astype(int):
        data = bytearray(whole)
        data[at] ^= 4
        tar.write_bytes(data)
        with pytest.raises(PalmarError, match="sha256"):
            list(read_shards(broken).check())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("card.json", "{"),
        ("card.json", "[]"),
        ("card.json", "[" * 100_000),
        ("card.json", '{"schema": 2}'),
        ("card.json", '{"schema": 1}'),
        ("card.json", '{"schema": 1, "arrays": {"rgb": 3}}'),
        ("card.json", '{"schema": 1, "arrays": {"rgb": {"coding": {"kind": "pickle"}, "dtype": "u1"}}}'),
        ("card.json", '{"schema": 1, "arrays": {"rgb": {"coding": {"kind": "npy"}, "dtype": "object"}}}'),
        ("card.json", '{"schema": 1, "arrays": {"rgb": {"coding": {"kind": "steps", "step": NaN}, "dtype": "f4"}}}'),
        ("index.parquet", "PAR1"),
        ("index.parquet", ""),
    ],
)
def test_a_card_or_an_index_that_is_none(broken, name, text):
    (broken / name).write_text(text)
    with pytest.raises(PalmarError, match=re.escape(name)):
        read_shards(broken)


def test_a_missing_folder_and_a_missing_column(broken, tmp_path):
    with pytest.raises(PalmarError, match="not a folder of shards"):
        read_shards(tmp_path / "nothing")
    table = pq.read_table(broken / "index.parquet")
    pq.write_table(table.drop_columns(["members"]), broken / "index.parquet")
    with pytest.raises(PalmarError, match="members"):
        read_shards(broken)


def png(width: int, height: int, *, bits: int = 8, colour: int = 2, data: bytes = b"") -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def npy(shape, descr: str = "<f8", fortran: bool = False, data: bytes = b"") -> bytes:
    head = f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data


def zipped(name: str, data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as to:
        to.writestr(name, data)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("rgb", b""),
        ("rgb", b"\x89PNG\r\n\x1a\n"),
        ("rgb", png(100_000, 100_000)),
        ("rgb", png(4, 4, bits=16)),
        ("rgb", png(4, 4, colour=6)),
        ("rgb", png(4, 4, data=b"\0" * 20)),
        ("depth", png(4, 4, bits=16, colour=2, data=(b"\0" + b"\1" * 24) * 4)),
        ("events", b""),
        ("events", b"\x93NUMPY"),
        ("events", npy((1 << 60, 1 << 60))),
        ("events", npy((-1, 4))),
        ("events", npy((2, 4))),
        ("events", npy((1,), "|O", data=b"\0" * 8)),
        ("events", npy((2, 2), fortran=True, data=b"\0" * 32)),
        ("events", npy((1,), "<f4", data=b"\0" * 4)),
        ("whole", b""),
        ("whole", zipped("other.npy", b"x")),
        ("whole", zipped("array.npy", npy((3,), "|b1"))),
        ("whole", zipped("array.npy", npy((3,), "|b1", data=b"\0" * 3))[:-30]),
        ("whole", zipped("array.npy", b"\0" * (1 << 20))),
        ("events", b"\x93NUMPY\x01\x00" + struct.pack("<H", 60000) + b"(" * 60000),
    ],
)
def test_files_that_are_not_what_they_claim(name, data):
    with pytest.raises(PalmarError):
        decode(data, LAYERS[name])


def test_a_zip_that_unpacks_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(shards, "MAX_MEMBER", 1 << 20)
    with pytest.raises(PalmarError, match="larger than 1 MiB"):
        decode(zipped("array.npy", bytes(4 << 20)), LAYERS["whole"])


@pytest.mark.parametrize("text", [b"{", b"[1]", b'{"a": NaN}', b"\xff\xfe", b"[" * 200_000])
def test_labels_that_are_no_json(tmp_path, text, monkeypatch):
    packed = pack(sample(0), LAYERS, COLUMNS)
    members = (*packed.members[:-1], ("json", text))
    with ShardWriter(tmp_path / "o", CARD, LAYERS, COLUMNS) as writer:
        writer.add(replace(packed, members=members))
    with pytest.raises(PalmarError, match="JSON"):
        read_shards(tmp_path / "o", verify=True)[0].labels  # noqa: B018


def test_a_full_disk_is_one_error_and_can_be_gone_on_from(folder, tmp_path, monkeypatch):
    def full(file, data):
        if room[0] < len(data):
            file.write(data[: room[0]])
            raise OSError(28, "No space left on device")
        room[0] -= len(data)
        real(file, data)

    real, room = shards._write, [50_000]
    monkeypatch.setattr(shards, "_write", full)
    with pytest.raises(PalmarError, match="No space left"):
        write(tmp_path / "o")
    monkeypatch.undo()
    assert bytes_of(write(tmp_path / "o")) == bytes_of(folder)
