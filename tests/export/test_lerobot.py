"""The LeRobot data set, read by a reader of our own that believes nothing: layout, types, times, statistics, video."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from palmar.errors import PalmarError
from palmar.export import Options
from palmar.export.lerobot import ACTION_NAMES, CAMERA, STATE_NAMES, rows_of, sampled, stats_of, stats_of_colours, write
from palmar.geometry.rotations import rotmat_from_rotvec, rotmat_from_sixd
from palmar.hand import HandModel
from palmar.media import ArrayFrames
from palmar.types import Hands

AUTOMATIC = {"timestamp": "float32"} | dict.fromkeys(("frame_index", "episode_index", "index", "task_index"), "int64")
STATISTICS = {"min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99"}
ALLOWED = {"int8", "int64", "float32", "video"}


class Reader:
    """Opens a set and checks all that a loader relies on."""

    def __init__(self, root: Path):
        self.root = root
        self.info = json.loads((root / "meta/info.json").read_text())
        self.stats = json.loads((root / "meta/stats.json").read_text())
        info = self.info
        assert info["codebase_version"] == "v3.0"
        assert isinstance(info["fps"], int)
        assert info["fps"] > 0
        tasks = pq.read_table(root / "meta/tasks.parquet")
        described = json.loads(tasks.schema.metadata[b"pandas"])
        (index,) = described["index_columns"]
        self.tasks = dict(zip(tasks["task_index"].to_pylist(), tasks[index].to_pylist(), strict=True))
        assert [c for c in tasks.column_names if c != "task_index"] == [index]
        assert sorted(self.tasks) == list(range(info["total_tasks"]))
        self.episodes = pq.read_table(root / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
        assert len(self.episodes) == info["total_episodes"]
        self.video = [name for name, f in info["features"].items() if f["dtype"] == "video"]
        self.table = self._data()
        for name in {*info["features"]} - {*self.video}:
            self._feature(name)
        for episode in self.episodes:
            self._episode(episode)
        assert set(self.stats) == set(info["features"])

    def _data(self):
        (file,) = (self.root / "data").rglob("*.parquet")
        assert str(file.relative_to(self.root)) == self.info["data_path"].format(chunk_index=0, file_index=0)
        parquet = pq.ParquetFile(file)
        assert parquet.num_row_groups == len(self.episodes)
        lengths = [parquet.metadata.row_group(i).num_rows for i in range(parquet.num_row_groups)]
        assert lengths == [episode["length"] for episode in self.episodes]
        assert parquet.metadata.num_rows == self.info["total_frames"]
        table = parquet.read()
        assert set(table.column_names) == {*self.info["features"]} - {*self.video}
        return table

    def _feature(self, name):
        feature, field = self.info["features"][name], self.table.schema.field(name)
        shape, kind = tuple(feature["shape"]), pa.from_numpy_dtype(feature["dtype"])
        assert feature["dtype"] in ALLOWED
        assert "/" not in name
        told = json.loads(self.table.schema.metadata[b"huggingface"])["info"]["features"][name]
        (width,) = shape  # a table of numbers in a row breaks the public package's tools
        if width == 1:
            assert field.type == kind
            assert told == {"dtype": feature["dtype"], "_type": "Value"}
        else:
            assert field.type.list_size == width
            assert field.type.value_type == kind
            assert told == {"feature": {"dtype": feature["dtype"], "_type": "Value"}, "length": width, "_type": "List"}
        values = self.column(name)
        assert values.shape == (self.info["total_frames"], *shape)
        assert np.isfinite(values).all(), name
        if feature["names"] is not None:
            assert len(feature["names"]) == shape[0] == len(set(feature["names"]))
        self._stats(self.stats[name], values)

    def column(self, name):
        """Values [T, *shape]."""
        return np.array(self.table[name].to_pylist()).reshape(len(self.table), *self.info["features"][name]["shape"])

    def _stats(self, found, values):
        assert set(found) == STATISTICS
        flat = values.reshape(-1, values.shape[-1]).astype(np.float64)
        assert found["count"] == [len(values)]
        for name, want in (("min", flat.min(0)), ("max", flat.max(0)), ("mean", flat.mean(0)), ("std", flat.std(0))):
            np.testing.assert_allclose(found[name], want, rtol=1e-6, atol=1e-7)
        order = np.sort(flat, 0)
        for name, share in (("q01", 0.01), ("q10", 0.1), ("q50", 0.5), ("q90", 0.9), ("q99", 0.99)):
            at = share * (len(order) - 1)
            low, high = order[int(np.floor(at))], order[int(np.ceil(at))]
            np.testing.assert_allclose(found[name], low + (at % 1) * (high - low), rtol=1e-6, atol=1e-7)

    def _episode(self, episode):
        first, end = episode["dataset_from_index"], episode["dataset_to_index"]
        assert end - first == episode["length"]
        part = self.table.slice(first, end - first)
        count = np.arange(end - first)
        np.testing.assert_array_equal(part["frame_index"].to_numpy(), count)
        np.testing.assert_array_equal(part["index"].to_numpy(), count + first)
        np.testing.assert_array_equal(part["timestamp"].to_numpy(), (count / self.info["fps"]).astype(np.float32))
        assert set(part["episode_index"].to_pylist()) == {episode["episode_index"]}
        assert {self.tasks[i] for i in part["task_index"].to_pylist()} == set(episode["tasks"])
        for key in {*self.info["features"]} - {*self.video}:
            values = self.column(key)[first:end]
            self._stats({name: episode[f"stats/{key}/{name}"] for name in STATISTICS}, values)
        for key in self.video:
            file = self.file(key, episode)
            with av.open(str(file)) as container:
                stream = container.streams.video[0]
                times = np.array([float(f.pts * stream.time_base) for f in container.decode(stream)])
                shape = self.info["features"][key]["shape"]
                assert shape == [stream.height, stream.width, 3]
            start = episode[f"videos/{key}/from_timestamp"]
            want = start + part["timestamp"].to_numpy().astype(np.float64)
            assert len(times) == episode["length"]
            assert np.abs(times[:, None] - want[None]).min(0).max() < 1e-4
            assert episode[f"videos/{key}/to_timestamp"] == pytest.approx(start + len(times) / self.info["fps"])

    def file(self, key, episode):
        where = {n: episode[f"videos/{key}/{n}"] for n in ("chunk_index", "file_index")}
        return self.root / self.info["video_path"].format(video_key=key, **where)


@pytest.fixture(scope="module")
def root(clip, tmp_path_factory):
    root = tmp_path_factory.mktemp("lerobot") / "set"
    write([clip, clip.replace(hands=clip.hands.filter(side=1))], root, Options(task="wave"))
    return root


@pytest.fixture(scope="module")
def reader(root):
    return Reader(root)


def test_a_reader_that_believes_nothing_accepts_it(reader, root):
    assert reader.info["total_episodes"] == 2
    assert reader.info["total_frames"] == 20
    assert reader.info["fps"] == 25
    assert reader.tasks == {0: "wave"}
    names = {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()}
    assert names == {
        "meta/info.json",
        "meta/stats.json",
        "meta/tasks.parquet",
        "meta/palmar.json",
        "meta/episodes/chunk-000/file-000.parquet",
        "data/chunk-000/file-000.parquet",
        f"videos/{CAMERA}/chunk-000/file-000.mp4",
        f"videos/{CAMERA}/chunk-000/file-001.mp4",
    }


def test_the_automatic_columns(reader):
    for name, kind in AUTOMATIC.items():
        assert reader.info["features"][name] == {"dtype": kind, "shape": [1], "names": None}


def test_only_state_action_and_pictures_look_like_what_a_policy_takes(reader):
    begins = [n for n in reader.info["features"] if n.startswith(("observation", "action"))]
    assert sorted(begins) == ["action", CAMERA, "observation.state"]


def test_the_state_is_the_wrist_and_the_fingers(reader, clip, truth):
    """Left first; the wrist is the model's joint, its rotation two columns, the fingers the rows' own."""
    state = reader.column("observation.state")[:10]
    assert len(STATE_NAMES) == 108
    for row in range(len(clip.hands)):
        at, side = int(clip.hands.frame[row]), int(clip.hands.side[row])
        mine = state[at, 54 * side : 54 * side + 54]
        np.testing.assert_allclose(mine[:3], truth.origins[row, 0], atol=1e-6)
        turn = rotmat_from_sixd(mine[3:9].astype(np.float64))
        np.testing.assert_allclose(turn, rotmat_from_rotvec(clip.hands.pose[row, 0].astype(np.float64)), atol=1e-6)
        np.testing.assert_array_equal(mine[9:], clip.hands.pose[row, 1:].ravel())


def test_the_actions_lead_from_each_state_to_the_next(reader, clip):
    """Replayed from the first state, the actions of a hand that is always seen give all its states."""
    state = reader.column("observation.state")[:10, 54:].astype(np.float64)
    action = reader.column("action")[:10, 51:].astype(np.float64)
    assert len(ACTION_NAMES) == 102
    place, turn = state[0, :3], rotmat_from_sixd(state[0, 3:9])
    for i in range(9):
        place = place + turn @ action[i, :3]
        turn = turn @ rotmat_from_rotvec(action[i, 3:6])
        np.testing.assert_allclose(place, state[i + 1, :3], atol=1e-6)
        np.testing.assert_allclose(turn, rotmat_from_sixd(state[i + 1, 3:9]), atol=1e-5)
        np.testing.assert_allclose(action[i, 6:], state[i + 1, 9:], atol=0)
    np.testing.assert_array_equal(action[9, :6], 0)
    assert np.abs(action[:9, :6]).max() > 0.05


def test_a_hand_that_is_not_seen_is_held_and_said_to_be(reader):
    valid = reader.column("hand.left.valid")[:10, 0].tolist()
    assert valid == [0, 0, 1, 1, 1, 0, 0, 1, 1, 0]
    steps = reader.column("hand.left.action_valid")[:10, 0].tolist()
    assert steps == [0, 0, 1, 1, 0, 0, 0, 1, 0, 0]
    state, action = reader.column("observation.state")[:10, :54], reader.column("action")[:10, :51]
    np.testing.assert_array_equal(state[[0, 1]], state[[2, 2]])
    np.testing.assert_array_equal(state[[5, 6]], state[[4, 4]])
    np.testing.assert_array_equal(action[[0, 1, 4, 5, 6, 8], :6], 0)  # nowhere a jump to where it comes back
    points = reader.column("hand.left.keypoints3d")[:10]
    np.testing.assert_array_equal(points[5], points[4])


def test_a_hand_that_never_appears_is_flat_and_not_valid(reader):
    second = slice(10, 20)
    assert not reader.column("hand.left.valid")[second].any()
    state = reader.column("observation.state")[second, :54]
    np.testing.assert_array_equal(rotmat_from_sixd(state[0, 3:9].astype(np.float64)), np.eye(3))
    np.testing.assert_array_equal(np.delete(state, [3, 7], 1), 0)


def test_points_and_camera_come_back_as_they_were(reader, clip):
    right = clip.hands.filter(side=1)
    np.testing.assert_array_equal(reader.column("hand.right.keypoints3d")[:10], right.joints.reshape(-1, 63))
    np.testing.assert_array_equal(reader.column("hand.right.shape")[:10], right.shape)
    assert reader.info["features"]["hand.left.keypoints3d"]["names"][:4] == [
        "wrist_x",
        "wrist_y",
        "wrist_z",
        "thumb_cmc_x",
    ]
    np.testing.assert_array_equal(reader.column("camera.intrinsics"), np.tile([140, 142, 78, 61], (20, 1)))


def test_the_pictures_are_those_of_the_rows(reader, clip):
    with av.open(str(reader.file(CAMERA, reader.episodes[0]))) as container:
        frames = list(container.decode(video=0))
    assert {f.colorspace for f in frames} == {6}
    shown = [f.to_ndarray(format="rgb24").astype(float) for f in frames]
    for picture, frame in zip(shown, clip.frames, strict=True):
        error = np.mean((picture - frame.image) ** 2)
        assert 10 * np.log10(255**2 / error) > 35
    colours = np.array(reader.stats[CAMERA]["mean"])
    assert colours.shape == (3, 1, 1)
    np.testing.assert_allclose(colours[:, 0, 0], clip.frames.images.mean((0, 1, 2)) / 255, atol=1e-6)


def test_key_frames_are_near(reader):
    with av.open(str(reader.file(CAMERA, reader.episodes[0]))) as container:
        is_key = [f.key_frame for f in container.decode(video=0)]
    assert max(np.diff([*np.flatnonzero(is_key), len(is_key)])) <= 2


def test_times_of_a_recording_with_an_uneven_rate_become_exact(clip, tmp_path):
    """Rows a 25th of a second apart, each the nearest frame."""
    times = [0.0, 0.05, 0.07, 0.13, 0.16, 0.2, 0.21, 0.31, 0.32, 0.36]
    write(clip.replace(info={**clip.info, "times": times}), tmp_path / "set", Options(video=False))
    reader = Reader(tmp_path / "set")
    shown = reader.column("source.frame")[:, 0]
    assert len(shown) == 10  # 0, 0.04 ... 0.36
    for i, frame in enumerate(shown):
        assert abs(times[frame] - i / 25) == pytest.approx(min(abs(t - i / 25) for t in times))
    assert reader.info["video_path"] is None
    right = clip.hands.filter(side=1)
    np.testing.assert_array_equal(reader.column("hand.right.keypoints3d"), right.joints[shown].reshape(-1, 63))


@pytest.mark.parametrize(
    ("rate", "frames", "rows"), [(29.97, 621, 621), (30.0, 300, 300), (23.976, 240, 241), (59.94, 600, 600)]
)
def test_broadcast_rates_are_rounded_without_drift(rate, frames, rows):
    times = np.arange(frames) / rate
    shown = rows_of(times, round(rate))
    assert len(shown) in (rows, rows - 1)
    assert np.abs(times[shown] - np.arange(len(shown)) / round(rate)).max() < 0.51 / rate


def test_pictures_for_statistics():
    assert len(sampled(5)) == 5
    assert len(sampled(621)) == 124
    assert sampled(1000)[-1] == 999


def test_statistics_of_a_small_column():
    """Values 0 to 4: the median is 2, exactly."""
    found = stats_of(np.arange(5, dtype=np.float32)[:, None])
    assert found["q50"] == [2.0]
    assert found["std"] == pytest.approx([np.sqrt(2)])
    assert found["count"] == [5]
    assert stats_of(np.arange(5)[:, None])["max"] == [4]
    assert len(stats_of(np.zeros((7, 3)))["mean"]) == 3


def test_statistics_of_pictures_are_those_of_their_pixels():
    pixels = np.random.default_rng(2).integers(3, 90, (4, 31, 17, 3)) ** 2 // 40
    counts = np.array([np.bincount(pixels[..., c].ravel(), minlength=256) for c in range(3)])
    found, wanted = stats_of_colours(counts, 4), stats_of(pixels.reshape(-1, 3) / 255)
    assert found["count"] == [4]
    assert set(found) == STATISTICS
    for name in STATISTICS - {"count"}:
        np.testing.assert_allclose(np.ravel(found[name]), wanted[name], atol=1e-12)
        assert np.shape(found[name]) == (3, 1, 1)
    single = stats_of_colours(np.eye(256, dtype=int)[[0, 255, 7]], 1)
    np.testing.assert_allclose(np.ravel(single["q50"]), [0, 1, 7 / 255])


def test_without_a_task_the_recording_is_its_name(clip, tmp_path):
    other = clip.replace(frames=ArrayFrames(clip.frames.images, 25.0, source="/somewhere/../pour water.mp4"))
    write([other, clip, other], tmp_path / "set", Options(video=False))
    reader = Reader(tmp_path / "set")
    assert reader.tasks == {0: "pour water", 1: "array"}
    assert [e["tasks"] for e in reader.episodes] == [["pour water"], ["array"], ["pour water"]]
    about = json.loads((tmp_path / "set/meta/palmar.json").read_text())
    assert about[0]["source"] == "pour water.mp4"  # no path of this machine


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: [], "no recording"),
        (lambda c: c.replace(hands=Hands.empty()), "no hand was found"),
        (lambda c: c.replace(hands=c.hands.select("joints")), "no pose, shape, translation"),
        (lambda c: c.replace(frames=ArrayFrames(c.frames.images[:4], 25.0)), "4 of 10 pictures"),
        (
            lambda c: [c, c.replace(frames=ArrayFrames(np.zeros((10, 64, 64, 3), np.uint8), 25.0))],
            "different sizes",
        ),
    ],
)
def test_what_cannot_be_a_set_leaves_nothing(clip, tmp_path, change, words):
    with pytest.raises(PalmarError, match=words):
        write(change(clip), tmp_path / "set")
    assert not list(tmp_path.iterdir())


def test_only_a_set_is_replaced_and_only_when_asked(clip, tmp_path):
    place = tmp_path / "set"
    write(clip, place, Options(video=False))
    with pytest.raises(PalmarError, match="exists already"):
        write(clip, place, Options(video=False))
    write(clip, place, Options(video=False, overwrite=True, task="again"))
    assert Reader(place).tasks == {0: "again"}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").write_text("dear")
    with pytest.raises(PalmarError, match="not overwritten"):
        write(clip, tmp_path / "mine", Options(video=False, overwrite=True))
    assert (tmp_path / "mine" / "letter").read_text() == "dear"


def test_rotations_of_the_left_hand_are_its_own(reader, clip, truth):
    """The left state, posed with the left model, is the left hand."""
    row = int(np.flatnonzero(clip.hands.side == 0)[0])
    state = reader.column("observation.state")[clip.hands.frame[row], :54].astype(np.float64)
    shape = reader.column("hand.left.shape")[clip.hands.frame[row]].astype(np.float64)
    turns = np.concatenate([rotmat_from_sixd(state[3:9])[None], rotmat_from_rotvec(state[9:].reshape(15, 3))])
    shaped = HandModel.default(0).shaped(shape)
    found = shaped.posed(turns, state[:3] - shaped.rest_joints[0]).joints()
    np.testing.assert_allclose(found, truth.joints[row], atol=1e-6)


def test_the_public_package_loads_it(root, reader):
    """Where it is installed, which needs a Python of its own: rows, pictures, the actions to come and their padding."""
    public = pytest.importorskip("lerobot.datasets.lerobot_dataset", reason="lerobot is not installed")
    step = 1 / reader.info["fps"]
    rows = public.LeRobotDataset(
        "palmar/test", root=root, video_backend="pyav", delta_timestamps={"action": [0.0, step, 2 * step]}
    )
    assert len(rows) == len(reader.table) == 20
    for i, wanted in enumerate(reader.table.to_pylist()):
        found = rows[i]
        for name, value in wanted.items():
            np.testing.assert_array_equal(np.asarray(found[name][0] if name == "action" else found[name]), value)
        assert found["task"] == "wave"
        assert found[CAMERA].shape == (3, 120, 160)
        green = float(found[CAMERA][1].mean()) * 255
        assert green == pytest.approx(20 * (i % 10), abs=3)  # the rows' own pictures
    assert rows[8]["action_is_pad"].tolist() == [False, False, True]
    np.testing.assert_array_equal(rows[8]["action"][1], reader.column("action")[9])
