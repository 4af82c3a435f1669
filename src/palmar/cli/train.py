"""`palmar train`."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from palmar.cli.options import at_least
from palmar.cli.talk import note
from palmar.errors import PalmarError, need

if TYPE_CHECKING:
    from palmar.train.recipes import Data

DATA = "data.json"
"""What a run sees, beside its recipe.json."""


@dataclass(frozen=True)
class Train:
    """Train a network on the synthetic world, and go on where the run stands.

    These are the tracker's; those of published methods have options of their own: palmar methods names them, and
    palmar train NETWORK --help says what each takes.

    The run is a folder: log.jsonl, recipe.json, data.json and the last checkpoint. Killed, it goes on from there and
    ends with the same weights. `palmar weights` makes the files that the tracker reads.
    """

    network: Positional[Literal["detector", "landmarker", "objects"]]
    """Which one."""
    folder: Annotated[Path | None, arg(name="run", metavar="DIR")] = None
    """Folder of the run, runs/NETWORK by default."""
    steps: int | None = None
    """In place of the recipe's number: it decides the learning rate's course, so it must stay the same in a run."""
    minutes: float | None = None
    """Stop with a checkpoint after this long; the next call goes on."""
    seed: int | None = None
    """Of the samples, in place of the recipe's."""
    photographs: Annotated[tuple[Path, ...], arg(metavar="DIR...")] = ()
    """Adapt to real photographs too: folders with a labels.json, of which only the split `adapt` is read."""
    scenes: Annotated[tuple[Path, ...], arg(metavar="DIR...")] = ()
    """Show scenes too: folders that `palmar synth --kind scenes --sensors clean` made. The detector of used objects
    learns from acted ones alone: --scene acting --cameras 1."""
    scene_share: float | None = None
    """Part of each batch that comes from them."""
    workers: int = 0
    """Processes that make samples; 0: the training process itself."""
    samples: Literal["host", "device"] | None = None
    """Where the landmarker's drawn samples are made: by the processor's cores, or in batches where the network is
    trained. By default on the device where that is a GPU and no workers are asked for."""
    threads: int | None = None
    """Of the training process, on a CPU. A run repeats bit by bit only with the same number."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the network is trained."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the convolutions. bfloat16 is up to twice as fast on GPUs and on processors with AVX512-BF16 or AMX."""
    start: Annotated[Path | None, arg(metavar="FILE|RUN")] = None
    """Begin a new run from finished weights: an ONNX file, or another run's folder."""
    rate: float | None = None
    """Learning rate in place of the recipe's; weights that are begun from want a third of it."""
    decay: float | None = None
    """Last part of the steps in which the rate falls, in place of the recipe's quarter: 0 for a run that others go on
    from, 1 for one that only brings another's weights to rest."""
    share: float | None = None
    """Part of each batch that comes from photographs, where there are any."""

    def run(self) -> int:
        at_least(0, workers=self.workers, seed=self.seed)
        at_least(1, threads=self.threads, steps=self.steps)
        if self.minutes is not None and not self.minutes > 0:
            raise PalmarError(f"--minutes must be positive, got {self.minutes}.")
        need("torch", extra="torch")
        from palmar.train.recipes import RUNS, Data, with_steps

        start, recipe = RUNS[self.network]
        changes = {"rate": self.rate, "decay": self.decay, "precision": self.precision}
        recipe = with_steps(replace(recipe, **{k: v for k, v in changes.items() if v is not None}), self.steps)
        data = Data(photographs=self.photographs, scenes=self.scenes, samples=self.source())
        for name in ("share", "scene_share"):
            part = getattr(self, name)
            if part is None:
                continue
            if not 0 <= part <= 1:
                raise PalmarError(f"--{name.replace('_', '-')} must lie between 0 and 1, got {part}.")
            data = replace(data, **{name: part})
        if self.seed is not None:
            data = replace(data, seed=self.seed)
        folder = self.folder or Path("runs") / self.network
        self.look()
        claim(folder, data)
        options = {
            "start": self.start,
            "minutes": self.minutes,
            "workers": self.workers,
            "threads": self.threads,
            "device": self.device,
        }
        found = start(folder, data, recipe, **options)
        if found.finished:
            note(f"{folder}: all {found.step} steps done; palmar weights {folder} writes the weights")
        else:
            note(f"{folder}: step {found.step} of {recipe.steps}; the same command goes on")
        return 0

    def look(self) -> None:
        """Raises PalmarError for what cannot be read, before a new run's folder is made."""
        from palmar.data.photographs import read_photographs
        from palmar.train.start import digest_of, read_graph

        for folder in self.photographs:
            read_photographs(folder)
        if self.start is not None:
            digest_of(self.start)
            if self.start.is_file():
                read_graph(self.start)

    def source(self) -> Literal["host", "device"]:
        """Where drawn samples are made."""
        if self.samples is not None:
            return self.samples
        import torch

        gpu = self.device == "cuda" or (self.device == "auto" and torch.cuda.is_available())
        return "device" if gpu and self.workers == 0 and self.network == "landmarker" else "host"


def claim(folder: Path, data: Data) -> None:
    """Writes what the run sees into a new run; in an old one, refuses other data.

    Raises PalmarError then, and where the folder cannot be made.
    """
    file = folder / DATA
    mine = described(data)
    try:
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(".part")
            part.write_text(json.dumps(mine, indent=1) + "\n", encoding="utf-8")
            part.replace(file)
            return
        theirs = json.loads(file.read_text(encoding="utf-8"))
    except OSError as err:
        raise PalmarError(f"{folder}: cannot keep a run here ({err.strerror or err}).") from err
    except ValueError as err:
        raise PalmarError(f"{file}: not readable as JSON ({err}); use a new run folder.") from err
    kinds = {"samples": "host"}  # what runs of earlier versions do not say
    theirs, mine = kinds | theirs, kinds | mine
    changed = [
        f"{name} {theirs.get(name)!r} there, {mine[name]!r} here" for name in mine if theirs.get(name) != mine[name]
    ]
    if changed:
        raise PalmarError(f"{folder}: this run was begun with other data ({'; '.join(changed)}); use a new folder.")


def described(data: Data) -> dict[str, Any]:
    """The data of a run as JSON values: of photographs the folders' names, whatever machine they lie on."""
    import palmar

    return {
        "palmar": palmar.__version__,
        "seed": data.seed,
        "strength": data.strength,
        "photographs": [folder.resolve().name for folder in data.photographs],
        "share": data.share if data.photographs else 0.0,
        "scenes": [read_name(folder) for folder in data.scenes],
        "scene_share": data.scene_share if data.scenes else 0.0,
        "samples": data.samples,
    }


def read_name(folder: Path) -> str:
    """The name of a data set, by which anyone can make the same."""
    from palmar.data.shards import read_shards

    return str(read_shards(folder).card["name"])
