"""`palmar synth`: labelled samples of the synthetic world as a folder, or as a stream."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import tarfile
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Literal

from tyro.conf import Positional, arg

import palmar
from palmar.cli.options import at_least
from palmar.cli.talk import Progress, note
from palmar.errors import PalmarError, need

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["crops", "frames"]

CHUNK = 64
"""Samples that a process makes at a time, and rows of a group of labels.parquet, times GROUP."""
GROUP = 32
PER_FOLDER = 10_000
"""Pictures in one folder."""


@dataclass(frozen=True)
class Column:
    """A label: shape (None: the number of hands in the picture), unit and meaning."""

    shape: tuple[int | None, ...]
    unit: str
    meaning: str


RIGHT = "of a right hand: where side is 0, of the mirrored picture"

LABELS: dict[Kind, dict[str, Column]] = {
    "crops": {
        "presence": Column((), "1", "1 a hand, 0 none; labels are then 0"),
        "side": Column((), "1", "1 right, 0 left: the person's own"),
        "keypoints": Column((21, 2), "pixel", "x, y; OpenPose order; pixel centres at integers"),
        "visible": Column((21,), "1", "1 seen, 0 hidden or outside"),
        "rotations": Column((16, 3, 3), "1", f"wrist in the camera's frame, fingers; MANO tree order; {RIGHT}"),
        "shape": Column((10,), "1", "shape coefficients of the hand model, standard deviations"),
        "joints": Column((21, 3), "metre", f"from the wrist, axes of the crop's camera; OpenPose order; {RIGHT}"),
    },
    "frames": {
        "boxes": Column((None, 4), "pixel", "x0 y0 x1 y1 of every hand"),
        "sides": Column((None,), "1", "1 right, 0 left: the person's own"),
        "directions": Column((None, 2), "1", "unit vector from wrist to middle MCP in the picture"),
        "keypoints": Column((None, 21, 2), "pixel", "x, y; OpenPose order; pixel centres at integers"),
    },
}


@dataclass(frozen=True)
class Made:
    """A sample, ready to be written."""

    index: int
    png: bytes
    labels: dict[str, Any]
    """Nested lists of numbers, by the names in `LABELS`."""


@dataclass(frozen=True)
class Synth:
    """Make labelled samples of the synthetic world: the same seed and number give the same sample on every run.

    Writes a folder with images/, labels.parquet (a row per picture) and card.json (name, licences, units). The folder
    appears whole or not at all.
    """

    out: Annotated[Positional[str], arg(metavar="OUT")]
    """Folder to write; - for a WebDataset tar on stdout, each sample as <index>.png and <index>.json."""
    kind: Kind = "crops"
    """crops: 128 pixels around a hand, for the landmarker. frames: none, one or more hands, for the detector."""
    count: int = 1000
    """How many."""
    seed: int = 1
    """Of the world."""
    first: int = 0
    """Number of the first sample: samples are the same however a range is cut up."""
    workers: int | None = None
    """Processes; by default as many as there are cores."""
    overwrite: bool = False
    """Replace an earlier folder of samples at OUT."""

    def run(self) -> int:
        at_least(1, count=self.count, workers=self.workers)
        at_least(0, seed=self.seed, first=self.first)
        need("numba", extra="torch")
        with closing(samples(self.kind, self.seed, self.first, self.count, self.workers)) as made:
            if self.out == "-":
                return stream(made, self.count, sys.stdout.buffer)
            with Progress("synth", "samples") as progress:
                write(made, Path(self.out), self.card(), progress, overwrite=self.overwrite)
        note(f"{self.name}, {progress.rate:.0f} samples per second; written to {self.out}")
        return 0

    @property
    def name(self) -> str:
        """Names the data: whoever has it can make the same again."""
        return f"palmar-synth/{palmar.__version__}/{self.seed}/{self.kind}/{self.first}..{self.first + self.count - 1}"

    def card(self) -> dict[str, Any]:
        """What stands in card.json."""
        from palmar.licenses import world

        columns = {name: asdict(column) for name, column in LABELS[self.kind].items()}
        return {
            "name": self.name,
            "palmar": palmar.__version__,
            "kind": self.kind,
            "seed": self.seed,
            "first": self.first,
            "count": self.count,
            "licence": "Apache-2.0",
            "columns": columns,
            "licences": world(),
        }


def sample(kind: Kind, seed: int, index: int) -> Made:
    """One sample: a pure function of its three arguments."""
    import cv2
    import numpy as np

    from palmar.synth.sample import crop_sample, frame_sample

    found = crop_sample(seed, index) if kind == "crops" else frame_sample(seed, index)
    ok, png = cv2.imencode(".png", cv2.cvtColor(found.image, cv2.COLOR_RGB2BGR))
    assert ok
    labels = {name: np.asarray(getattr(found, name), np.float32).tolist() for name in LABELS[kind]}
    return Made(index, png.tobytes(), labels)


def write(
    made: Iterator[Made], out: Path, card: Mapping[str, Any], progress: Progress, *, overwrite: bool = False
) -> None:
    """Write the samples that the card describes as a folder, whole or not at all."""
    import pyarrow.parquet as pq

    from palmar.media import whole_folder

    schema, count = _schema(card["kind"]), card["count"]
    rows: list[dict[str, Any]] = []
    with (
        whole_folder(out, overwrite, marker="card.json") as part,
        pq.ParquetWriter(part / "labels.parquet", schema, compression="zstd") as labels,
    ):
        for done, one in enumerate(made, 1):
            file = Path("images") / f"{one.index // PER_FOLDER:04d}" / f"{one.index:08d}.png"
            try:
                (part / file.parent).mkdir(parents=True, exist_ok=True)
                (part / file).write_bytes(one.png)
            except OSError as err:
                raise PalmarError(f"{out}: cannot write here ({err.strerror or err}).") from err
            rows.append({"index": one.index, "file": file.as_posix(), **one.labels})
            if len(rows) == CHUNK * GROUP or done == count:
                labels.write_table(_table(rows, schema))
                rows = []
            progress(done, count)
        (part / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def stream(made: Iterator[Made], count: int, to: BinaryIO) -> int:
    """Samples as a tar that WebDataset reads. Exit code 0; BrokenPipeError when the reader has had enough."""
    with Progress("synth", "samples") as progress, tarfile.open(fileobj=to, mode="w|") as tar:
        for done, one in enumerate(made, 1):
            for ending, data in (("png", one.png), ("json", json.dumps(one.labels).encode())):
                entry = tarfile.TarInfo(f"{one.index:08d}.{ending}")  # its time stays 0: same samples, same bytes
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
            progress(done, count)
    return 0


def samples(kind: Kind, seed: int, first: int, count: int, workers: int | None = None) -> Generator[Made, None, None]:
    """Samples `first` to `first + count - 1` in order, made by so many processes; one is this one."""
    from palmar.tracking.weights import usable_cores

    stop = first + count
    starts = range(first, stop, CHUNK)
    workers = min(workers or usable_cores(), len(starts))
    if workers == 1:
        yield from (sample(kind, seed, index) for index in range(first, stop))
        return
    # Not forked: OpenCV's threads, once started, do not survive a fork, and their absence is waited for.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_alone)
    ahead: deque[Future[list[Made]]] = deque()  # bounded: a slow reader must not fill the memory
    try:
        for start in starts:
            ahead.append(pool.submit(_chunk, kind, seed, start, min(start + CHUNK, stop)))
            if len(ahead) > 2 * workers:
                yield from ahead.popleft().result()
        while ahead:
            yield from ahead.popleft().result()
    except BrokenProcessPool as err:
        raise PalmarError(
            "a process that makes samples was killed, perhaps for its memory: try fewer --workers."
        ) from err
    finally:
        pool.shutdown(cancel_futures=True)


def _alone() -> None:
    """Settings of a process that makes samples: one thread, and the parent decides when to stop."""
    import cv2

    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    """A parent that was killed cannot end its processes, and they would wait for work for ever."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _chunk(kind: Kind, seed: int, start: int, stop: int) -> list[Made]:
    return [sample(kind, seed, index) for index in range(start, stop)]


def _schema(kind: Kind) -> pa.Schema:
    import pyarrow as pa

    fields = [pa.field("index", pa.int64(), False), pa.field("file", pa.string(), False)]
    for name, column in LABELS[kind].items():
        of: pa.DataType = pa.float32()
        fixed = [n for n in column.shape if n is not None]
        if fixed:
            width = 1
            for n in fixed:
                width *= n
            of = pa.list_(of, width)
        if None in column.shape:
            of = pa.list_(of)
        shape = json.dumps([-1 if n is None else n for n in column.shape])
        fields.append(pa.field(name, of, False, {"unit": column.unit, "meaning": column.meaning, "shape": shape}))
    return pa.schema(fields)


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as Arrow columns: inner axes flattened to one, in C order."""
    import numpy as np
    import pyarrow as pa

    arrays = []
    for field in schema:
        values = [row[field.name] for row in rows]
        if pa.types.is_fixed_size_list(field.type):
            values = np.asarray(values, np.float32).reshape(len(values), -1).tolist()
        elif pa.types.is_list(field.type) and pa.types.is_fixed_size_list(field.type.value_type):
            width = field.type.value_type.list_size
            values = [np.asarray(value, np.float32).reshape(-1, width).tolist() for value in values]
        arrays.append(pa.array(values, field.type))
    return pa.Table.from_arrays(arrays, schema=schema)
