"""A LeRobot data set (v3.0), an episode for each recording: the hands as state and action, the recording as its video.

Written with pyarrow and PyAV alone. Letters: T rows of an episode, D numbers of a feature.

Rows are exactly 1 / fps apart and fps is a whole number, because the format wants both: row i shows the frame of the
recording that is nearest in time, and `source.frame` says which. Per hand, left before right, camera axes (x right,
y down, z forward), metres and radians:

    observation.state [108]   wrist joint's place (3), its rotation as its first two columns (6), finger joints as
                              axis-angle (45, MANO's tree order)
    action [102]              how the wrist moves until the next row, seen from the wrist: place (3), axis-angle (3);
                              and the finger joints at the next row (45)

Learners cannot take NaN. A hand that is not seen keeps what was last known of it (before that, what is first known;
never seen: the flat hand at the camera), and `hand.<side>.valid` is 0. An action whose two rows are not of one hand
seen in both moves no wrist, and `hand.<side>.action_valid` is 0. These have names without `observation.` and `action`,
because learners take whatever begins so for inputs and outputs of the policy.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Float, Float64, Int, Shaped

import palmar
from palmar.errors import PalmarError
from palmar.export.motion import times_of
from palmar.export.options import PLAIN, Options
from palmar.geometry.rotations import rotmat_from_rotvec, rotvec_from_rotmat, sixd_from_rotmat
from palmar.hand import HandModel
from palmar.hand.joints import JOINTS
from palmar.media import VideoWriter, whole_folder
from palmar.types import Clip, Frame

SIDES = ("left", "right")
CAMERA = "observation.images.camera"
MARKER = "meta/info.json"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
MAX_NAME = 200
"""Characters."""
MAX_ROWS = 1_000_000
"""Nine hours at 30 a second; more is a damaged clip."""
GOP = 2
"""Pictures from one key frame to the next: learners jump to any."""

FINGER_NAMES = tuple(
    f"{finger}{joint}_{axis}"
    for finger in ("index", "middle", "little", "ring", "thumb")
    for joint in (1, 2, 3)
    for axis in "xyz"
)
STATE_NAMES = tuple(
    f"{side}_{name}"
    for side in SIDES
    for name in (*(f"wrist_{axis}" for axis in "xyz"), *(f"wrist_rot6d_{i}" for i in range(6)), *FINGER_NAMES)
)
ACTION_NAMES = tuple(
    f"{side}_{name}"
    for side in SIDES
    for name in (
        *(f"wrist_move_{axis}" for axis in "xyz"),
        *(f"wrist_turn_{axis}" for axis in "xyz"),
        *FINGER_NAMES,
    )
)

POINT_NAMES = tuple(f"{joint}_{axis}" for joint in JOINTS for axis in "xyz")
LENS = ("fx", "fy", "cx", "cy")


@dataclass(frozen=True, eq=False)
class Feature:
    """A column: its values [T, D] and the names of its numbers. D numbers in a row, never a table of them: the public
    package's own tools for editing a set break on those."""

    values: Shaped[np.ndarray, "t d"]
    names: list[str] | None = None

    @property
    def width(self) -> int:
        return self.values.shape[1]

    @property
    def dtype(self) -> str:
        return self.values.dtype.name


def write(clips: Clip | Sequence[Clip], path: Path, options: Options = PLAIN) -> None:
    """The folder `path`, whole or not at all; an episode for each clip.

    options.fps is the set's rate (None: the first recording's), rounded. Raises PalmarError for clips without pose and
    place, recordings of different sizes, and, with `options.video`, where a recording is no longer there.
    """
    clips = [clips] if isinstance(clips, Clip) else list(clips)
    if not clips:
        raise PalmarError("no recording was given; a data set has at least one episode.")
    rate = whole_rate(clips[0], options.fps)
    tasks = [options.task.strip() or named(clip) for clip in clips]
    numbers = {text: number for number, text in enumerate(dict.fromkeys(tasks))}
    episodes: list[Episode] = []
    with whole_folder(path, options.overwrite, marker=MARKER) as part:
        for number, (clip, text) in enumerate(zip(clips, tasks, strict=True)):
            times = times_of(clip)
            source = rows_of(times, rate)
            columns = features_of(clip, source, times)
            first = episodes[-1].end if episodes else 0
            columns |= _automatic(len(source), rate, number, first, numbers[text])
            video = None
            if options.video:
                file = part / VIDEO.format(video_key=CAMERA, chunk_index=number // 1000, file_index=number % 1000)
                file.parent.mkdir(parents=True, exist_ok=True)
                video = _video(clip, source, rate, file)
            episodes.append(Episode(number, text, first, columns, video))
        episodes = _alike(episodes)
        _data(part / DATA.format(chunk_index=0, file_index=0), episodes)
        _tasks(part / "meta" / "tasks.parquet", list(numbers))
        _episodes(part / EPISODES, episodes, rate)
        _json(part / "meta" / "stats.json", _stats(episodes))
        _json(part / MARKER, _info(episodes, rate, len(numbers)))
        _json(part / "meta" / "palmar.json", [_provenance(clip, rate) for clip in clips])


def named(clip: Clip) -> str:
    """A task for want of a better one: the recording's name, without its suffix."""
    return Path(clip.frames.source).stem.strip()[:MAX_NAME] or "recording"


def whole_rate(clip: Clip, fps: float | None) -> int:
    """Rows a second: a whole number, as the format has it."""
    if fps is None:
        times = times_of(clip)
        fps = float((len(times) - 1) / (times[-1] - times[0])) if len(times) > 1 else 30.0
    return max(round(fps), 1)


def rows_of(times: Float64[np.ndarray, " f"], fps: int) -> Int[np.ndarray, " t"]:
    """The frame of the recording that each row shows: the nearest in time."""
    if not len(times):
        raise PalmarError("a recording without frames has nothing to export.")
    rows = int(np.floor((times[-1] - times[0]) * fps + 0.05)) + 1  # a twentieth of a row: times are rounded
    if rows > MAX_ROWS:
        raise PalmarError(f"{rows} rows at {fps} a second are more than {MAX_ROWS}: give a lower rate, or a part.")
    if len(times) == 1:
        return np.zeros(rows, np.int64)
    at = times[0] + np.arange(rows) / fps
    after = np.clip(np.searchsorted(times, at), 1, len(times) - 1)
    before = after - 1
    return np.where(at - times[before] <= times[after] - at, before, after).astype(np.int64)


def features_of(clip: Clip, source: Int[np.ndarray, " t"], times: Float64[np.ndarray, " f"]) -> dict[str, Feature]:
    """Everything that is known of the hands in each row, but for the video and the automatic columns."""
    hands = clip.hands
    if not len(hands):
        raise PalmarError(f"{clip.frames.source}: no hand was found in it; there is nothing to export.")
    missing = [n for n in ("pose", "shape", "translation", "joints") if getattr(hands, n) is None]
    if missing:
        raise PalmarError(f"these hands have no {', '.join(missing)}; a robot data set needs them. Track them again.")
    sides = [_side(clip, side, source, len(times)) for side in (0, 1)]
    out = {
        "observation.state": Feature(np.concatenate([s.state for s in sides], 1), list(STATE_NAMES)),
        "action": Feature(np.concatenate([s.action for s in sides], 1), list(ACTION_NAMES)),
    }
    for name, s in zip(SIDES, sides, strict=True):
        out[f"hand.{name}.valid"] = Feature(s.seen.astype(np.int8)[:, None])
        out[f"hand.{name}.action_valid"] = Feature(s.step.astype(np.int8)[:, None])
        out[f"hand.{name}.keypoints3d"] = Feature(s.joints.reshape(-1, 63), list(POINT_NAMES))
        out[f"hand.{name}.shape"] = Feature(s.shape)
    if clip.camera is not None:
        lens = np.array([getattr(clip.camera, name) for name in LENS], np.float32)
        out["camera.intrinsics"] = Feature(np.tile(lens, (len(source), 1)), list(LENS))
    out["source.frame"] = Feature(source[:, None])
    out["source.time"] = Feature((times[source] - times[0]).astype(np.float32)[:, None])
    return out


@dataclass(frozen=True, eq=False)
class Video:
    """What is said of an episode's pictures."""

    entry: dict[str, Any]
    """In info.json."""
    colours: Int[np.ndarray, "3 256"]
    """How often each value of red, green and blue stands in the pixels that statistics are taken from."""
    pictures: int
    """That these pixels come from."""


@dataclass(frozen=True, eq=False)
class Episode:
    """One recording in the set."""

    number: int
    task: str
    first: int
    """Of its rows, among all rows of the set."""
    columns: dict[str, Feature]
    video: Video | None

    @property
    def rows(self) -> int:
        return len(self.columns["index"].values)

    @property
    def end(self) -> int:
        return self.first + self.rows

    def stats(self) -> dict[str, dict[str, list]]:
        """Of all its features."""
        out = {name: stats_of(feature.values) for name, feature in self.columns.items()}
        if self.video is not None:
            out[CAMERA] = stats_of_colours(self.video.colours, self.video.pictures)
        return out


def _alike(episodes: list[Episode]) -> list[Episode]:
    """With the columns that all of them have. Raises PalmarError for videos of different sizes."""
    sizes = sorted({tuple(e.video.entry["shape"]) for e in episodes if e.video is not None})
    if len(sizes) > 1:
        raise PalmarError(f"recordings of different sizes ({sizes[0]} and {sizes[1]}) do not fit into one data set.")
    names = [name for name in episodes[0].columns if all(name in e.columns for e in episodes)]
    return [replace(e, columns={name: e.columns[name] for name in names}) for e in episodes]


@dataclass(frozen=True, eq=False)
class _Hand:
    """One side over the rows of the set."""

    seen: Bool[np.ndarray, " t"]
    step: Bool[np.ndarray, " t"]
    """Whether the action leads from a seen row to a seen row."""
    state: Float[np.ndarray, "t 54"]
    action: Float[np.ndarray, "t 51"]
    joints: Float[np.ndarray, "t 21 3"]
    shape: Float[np.ndarray, "t 10"]


def _side(clip: Clip, side: int, source: Int[np.ndarray, " t"], frames: int) -> _Hand:
    """The best hand of this side in each row. Where one track ends and another begins, no action leads across."""
    hands = clip.hands
    assert hands.pose is not None
    assert hands.shape is not None
    assert hands.translation is not None
    assert hands.joints is not None
    good = (hands.side == side) & (hands.view == hands.view.min()) & (hands.frame >= 0) & (hands.frame < frames)
    for column in (hands.pose, hands.shape, hands.translation, hands.joints):
        good &= np.isfinite(column).reshape(len(hands), -1).all(1)
    rows = np.flatnonzero(good)
    rows = rows[np.argsort(np.nan_to_num(hands.score[rows], nan=-1.0), kind="stable")]
    of_frame = np.full(frames, -1)
    of_frame[hands.frame[rows]] = rows  # the last of a frame, the best, stays
    row = of_frame[source]
    seen = row >= 0
    if not seen.any():
        t = len(source)
        state = np.zeros((t, 54), np.float32)
        state[:, [3, 7]] = 1.0  # the identity's first two columns
        return _Hand(seen, seen, state, np.zeros((t, 51), np.float32), np.zeros((t, 21, 3), np.float32),
                     np.zeros((t, 10), np.float32))  # fmt: skip
    held = np.maximum.accumulate(np.where(seen, np.arange(len(row)), -1))
    row = row[np.where(held < 0, int(np.argmax(seen)), held)]
    model = HandModel.default(side)
    place = hands.translation[row].astype(np.float64)
    place = place + model.shaped(hands.shape[row].astype(np.float64)).rest_joints[:, 0]
    turn = rotmat_from_rotvec(hands.pose[row, 0].astype(np.float64))
    fingers = hands.pose[row, 1:].reshape(-1, 45)
    state = np.concatenate([place, sixd_from_rotmat(turn), fingers], 1).astype(np.float32)

    step = np.zeros(len(row), bool)
    step[:-1] = seen[:-1] & seen[1:] & (hands.track[row[:-1]] == hands.track[row[1:]])
    after = np.minimum(np.arange(len(row)) + 1, len(row) - 1)
    back = np.swapaxes(turn, 1, 2)
    move = (back @ (place[after] - place)[..., None])[..., 0] * step[:, None]
    twist = rotvec_from_rotmat(back @ turn[after]) * step[:, None]
    action = np.concatenate([move, twist, fingers[after]], 1).astype(np.float32)
    return _Hand(seen, step, state, action, hands.joints[row], hands.shape[row])


def _automatic(rows: int, fps: int, episode: int, first: int, task: int) -> dict[str, Feature]:
    count = np.arange(rows, dtype=np.int64)[:, None]
    return {
        "timestamp": Feature((count / fps).astype(np.float32)),
        "frame_index": Feature(count),
        "episode_index": Feature(np.full_like(count, episode)),
        "index": Feature(count + first),
        "task_index": Feature(np.full_like(count, task)),
    }


def stats_of(values: Shaped[np.ndarray, "t d"]) -> dict[str, list]:
    """Minimum, maximum, mean, population deviation, count and exact quantiles of each number over the rows."""
    number = np.int64 if values.dtype.kind in "iu" else np.float64
    exact = values.astype(np.float64)
    out = {
        "min": values.min(0).astype(number).tolist(),
        "max": values.max(0).astype(number).tolist(),
        "mean": exact.mean(0).tolist(),
        "std": exact.std(0).tolist(),
        "count": [len(values)],
    }
    return out | {name: np.quantile(exact, q, axis=0).tolist() for name, q in QUANTILES.items()}


def stats_of_colours(counts: Int[np.ndarray, "3 256"], pictures: int) -> dict[str, list]:
    """The same of pixels from 0 to 1, [3, 1, 1] as pictures' statistics are, from how often each value stands in them:
    exact, and never all pixels in memory."""
    levels = np.arange(256) / 255.0
    total = counts.sum(1)
    there = counts > 0
    mean = counts @ levels / total
    found = {
        "min": levels[there.argmax(1)],
        "max": levels[255 - there[:, ::-1].argmax(1)],
        "mean": mean,
        "std": np.sqrt((counts * (levels - mean[:, None]) ** 2).sum(1) / total),
    }
    upto = counts.cumsum(1)
    for name, share in QUANTILES.items():
        at = share * (total - 1)  # a place in the sorted pixels, between two of them
        low, high = np.floor(at).astype(np.int64), np.ceil(at).astype(np.int64)
        below, above = (levels[(upto <= place[:, None]).sum(1)] for place in (low, high))
        found[name] = below + (at - low) * (above - below)
    return {name: values.reshape(3, 1, 1).tolist() for name, values in found.items()} | {"count": [pictures]}


def _stats(episodes: list[Episode]) -> dict[str, dict[str, list]]:
    """Of the whole set, taken from the rows, not pooled from the episodes': quantiles cannot be pooled."""
    out = {name: stats_of(np.concatenate([e.columns[name].values for e in episodes])) for name in episodes[0].columns}
    videos = [e.video for e in episodes if e.video is not None]
    if videos:
        colours = np.sum([video.colours for video in videos], 0)
        out[CAMERA] = stats_of_colours(colours, sum(video.pictures for video in videos))
    return out


# The video


def _video(clip: Clip, source: Int[np.ndarray, " t"], fps: int, file: Path) -> Video:
    """Encodes the rows' pictures."""
    total = len(source)
    wanted = set(sampled(total).tolist())
    colours = np.zeros((3, 256), np.int64)
    size: tuple[int, int] = (0, 0)
    # PyAV before 16, which LeRobot reads with, takes every video for BT.601, whatever it says of itself.
    with VideoWriter(file, fps, gop=GOP, matrix="bt601") as writer:
        for row, frame in _shown(clip, source):
            image = frame.image
            high, wide = image.shape[:2]
            size = (high + high % 2, wide + wide % 2)  # as the writer pads them
            writer.add(image, row / fps)
            if row in wanted:
                skip = int(max(high, wide) / 150) if max(high, wide) >= 300 else 1
                some = image[::skip, ::skip]
                colours += [np.bincount(some[..., channel].ravel(), minlength=256) for channel in range(3)]
        if writer.count != total:
            raise PalmarError(
                f"{clip.frames.source}: {writer.count} of {total} pictures could be read; the recording is not "
                "the one that was tracked."
            )
    entry = {
        "dtype": "video",
        "shape": [*size, 3],
        "names": ["height", "width", "channels"],
        "info": {
            "video.height": size[0],
            "video.width": size[1],
            "video.codec": "h264",
            "video.pix_fmt": "yuv420p",
            "video.fps": fps,
            "video.channels": 3,
            "video.g": GOP,
            "video.is_depth_map": False,
            "has_audio": False,
        },
    }
    return Video(entry, colours, len(wanted))


def _shown(clip: Clip, source: Int[np.ndarray, " t"]) -> Iterator[tuple[int, Frame]]:
    """Rows in order, each with its frame; the recording is decoded once and no further than needed."""
    row = 0
    try:
        for frame in clip.frames:
            while row < len(source) and source[row] <= frame.index:
                yield row, frame
                row += 1
            if row == len(source):
                return
    except PalmarError as err:
        raise PalmarError(
            f"{err} The data set holds the recording, which must still be where it was tracked; --no-video "
            "(Options(video=False)) leaves it out."
        ) from err


def sampled(rows: int) -> Int[np.ndarray, " n"]:
    """Rows whose pictures the statistics are taken from: T^0.75 of them, between 100 (or all) and 10,000."""
    n = max(min(100, rows), min(int(rows**0.75), 10_000))
    return np.unique(np.round(np.linspace(0, rows - 1, n)).astype(np.int64))


# Tables


def _column(feature: Feature) -> tuple[pa.Array, dict[str, Any]]:
    """An Arrow array, and what the `datasets` package is told of it."""
    values, kind = feature.values, pa.from_numpy_dtype(feature.values.dtype)
    value = {"dtype": feature.dtype, "_type": "Value"}
    if feature.width == 1:
        return pa.array(values[:, 0], kind), value
    listed = pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).reshape(-1), kind), feature.width)
    return listed, {"feature": value, "length": feature.width, "_type": "List"}


def _data(file: Path, episodes: list[Episode]) -> None:
    """One file, a row group for each episode."""
    file.parent.mkdir(parents=True)
    writer: pq.ParquetWriter | None = None
    try:
        for episode in episodes:
            arrays, fields, told = [], [], {}
            for name, feature in episode.columns.items():
                array, told[name] = _column(feature)
                arrays.append(array)
                fields.append(pa.field(name, array.type))
            schema = pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": told}})})
            writer = writer or pq.ParquetWriter(file, schema, compression="snappy")
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=episode.rows)
    finally:
        if writer is not None:
            writer.close()


def _tasks(file: Path, tasks: list[str]) -> None:
    """A table whose index, as pandas counts, is the task."""
    described = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [
            {"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64",
             "metadata": None},
            {"name": "task", "field_name": "task", "pandas_type": "unicode", "numpy_type": "object", "metadata": None},
        ],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.0.0",
    }  # fmt: skip
    file.parent.mkdir(parents=True, exist_ok=True)
    schema = pa.schema(
        [pa.field("task_index", pa.int64()), pa.field("task", pa.string())], metadata={"pandas": json.dumps(described)}
    )
    numbers = pa.array(range(len(tasks)), pa.int64())
    pq.write_table(pa.Table.from_arrays([numbers, pa.array(tasks, pa.string())], schema=schema), file)


def _episodes(file: Path, episodes: list[Episode], fps: int) -> None:
    rows = []
    for episode in episodes:
        row: dict[str, Any] = {
            "episode_index": episode.number,
            "tasks": [episode.task],
            "length": episode.rows,
            "data/chunk_index": 0,
            "data/file_index": 0,
            "dataset_from_index": episode.first,
            "dataset_to_index": episode.end,
        }
        if episode.video is not None:
            row |= {
                f"videos/{CAMERA}/chunk_index": episode.number // 1000,
                f"videos/{CAMERA}/file_index": episode.number % 1000,
                f"videos/{CAMERA}/from_timestamp": 0.0,
                f"videos/{CAMERA}/to_timestamp": episode.rows / fps,
            }
        row |= {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0}
        row |= {f"stats/{name}/{which}": v for name, its in episode.stats().items() for which, v in its.items()}
        rows.append(row)
    file.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), file)


def _info(episodes: list[Episode], fps: int, tasks: int) -> dict[str, Any]:
    video = episodes[0].video
    features = {} if video is None else {CAMERA: video.entry}
    features |= {
        name: {"dtype": f.dtype, "shape": [f.width], "names": f.names} for name, f in episodes[0].columns.items()
    }
    return {
        "codebase_version": "v3.0",
        "robot_type": "human_hands",
        "total_episodes": len(episodes),
        "total_frames": episodes[-1].end,
        "total_tasks": tasks,
        "chunks_size": 1000,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": fps,
        "splits": {"train": f"0:{len(episodes)}"},
        "data_path": DATA,
        "video_path": None if video is None else VIDEO,
        "features": features,
    }


def _provenance(clip: Clip, fps: int) -> dict[str, Any]:
    """What the format has no place for."""
    times = times_of(clip)
    return {
        "palmar": palmar.__version__,
        "source": Path(clip.frames.source).name,
        "units": "metre, radian, second; axis-angle; camera axes x right, y down, z forward",
        "camera": clip.camera_note,
        "rate_of_recording": None if len(times) < 2 else (len(times) - 1) / float(times[-1] - times[0]),
        "rate_of_rows": fps,
        "mirrored": bool(clip.info.get("mirrored")),
        "assumptions": clip.info.get("assumptions", {}),
        "weights": clip.info.get("weights", {}),
    }


def _json(file: Path, values: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
