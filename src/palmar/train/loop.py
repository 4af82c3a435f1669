"""The one training loop: batches that are pure functions of the step, AdamW, warm-up, stable rate and decay, EMA.

A run is a folder: `log.jsonl`, `recipe.json` and `checkpoint-<step>/`, which appears whole or not at all. A run that
was killed goes on from its last checkpoint and ends with the same weights, byte for byte, on the same machine with
the same number of threads: nothing depends on the clock, and all randomness of a step is seeded from the recipe's
seed and the step.
"""

from __future__ import annotations

import contextlib
import copy
import json
import math
import os
import pickle
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from palmar.errors import PalmarError, need

Batch = Mapping[str, Any]
Batches = Callable[[int], Batch]
"""Number of a batch -> its arrays. A pure function: the same number gives the same batch in every process."""
Objective = Callable[[Any, Mapping[str, Tensor], float], Mapping[str, Tensor]]
"""(what the model found, the batch, part of the run that is done) -> scalars; "loss" is what is minimised."""

GIVE_UP = 20
"""Bad steps in a row after which a run is called diverged."""


@dataclass(frozen=True)
class Recipe:
    """All that decides the weights besides the data and the model."""

    name: str
    seed: int = 0
    batch: int = 64
    """Samples per step and process."""
    steps: int = 10_000
    rate: float = 1e-3
    """Learning rate after the warm-up."""
    warmup: int = 300
    """Steps of linear warm-up."""
    decay: float = 0.25
    """Last part of the steps, in which the rate falls along a cosine."""
    floor: float = 0.01
    """Rate at the end, over `rate`."""
    ema: float = 0.999
    """Memory of the averaged weights; less in the first steps."""
    weight_decay: float = 0.03
    clip: float = 5.0
    """Largest norm of the gradient."""
    ease: float = 0.4
    """Strength of the augmentation at the start."""
    ease_until: float = 0.33
    """Part of the run after which the augmentation is at full strength."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the convolutions; the weights, the heads and the loss are float32 either way. bfloat16 pays on GPUs and on
    processors with AVX512-BF16 or AMX."""
    start: str = ""
    """Hash of the weights that the run began from; empty for random ones."""

    def __post_init__(self) -> None:
        for name in ("batch", "steps"):
            if getattr(self, name) < 1:
                raise PalmarError(f"Recipe.{name} must be positive, got {getattr(self, name)}.")
        for name in ("decay", "floor", "ema", "ease", "ease_until"):
            if not 0 <= getattr(self, name) <= 1:
                raise PalmarError(f"Recipe.{name} must lie between 0 and 1, got {getattr(self, name)}.")

    def rate_at(self, step: int) -> float:
        """Learning rate of a step: warm-up, stable, decay (Hu et al. 2024)."""
        warm = min(1.0, (step + 1) / max(self.warmup, 1))
        late = (step / self.steps - (1 - self.decay)) / max(self.decay, 1e-9)
        fall = self.floor + (1 - self.floor) * (1 + math.cos(math.pi * min(max(late, 0.0), 1.0))) / 2
        return self.rate * warm * fall

    def ema_at(self, step: int) -> float:
        """Part of the averaged weights that a step keeps."""
        return min(self.ema, (1 + step) / (10 + step))

    def strength(self, step: int) -> float:
        """Strength of the augmentation, `ease` to 1."""
        return self.ease + (1 - self.ease) * min(1.0, step / max(self.ease_until * self.steps, 1e-9))


@dataclass
class State:
    """Everything a checkpoint holds."""

    model: nn.Module
    average: nn.Module
    """The same network with the running mean of weights and of batch-norm statistics."""
    optimizer: torch.optim.Optimizer
    step: int = 0
    bad_in_a_row: int = 0


@dataclass(frozen=True)
class Outcome:
    model: nn.Module
    """The averaged network, in eval mode, on the CPU."""
    step: int
    finished: bool
    """False where the time limit came first."""
    figures: dict[str, float]
    """Means of the last logged stretch."""


def train(
    build: Callable[[], nn.Module],
    objective: Objective,
    batches: Batches,
    recipe: Recipe,
    run: Path,
    *,
    minutes: float | None = None,
    workers: int = 0,
    threads: int | None = None,
    device: str = "auto",
    checkpoint_minutes: float = 3.0,
    log_every: int = 50,
    quiet: bool = False,
    until: int | None = None,
) -> Outcome:
    """Trains to the recipe's last step or for `minutes`, from where `run` stands, and leaves a checkpoint either way.

    batches: called with step * processes + rank. With workers it runs in that many forked processes; without, in this
    one, and may then answer with tensors on the device.
    threads: of PyTorch's CPU operators; None leaves them. device: "auto", "cpu", "cuda"; under torchrun a process for
    each.
    until: stop with a checkpoint before this step, as if the time were up.
    Raises PalmarError where `run` was begun with another recipe or another network, or where the loss stays not finite.
    """
    fabric = _fabric(device, recipe.precision)
    rank, world = fabric.global_rank, fabric.world_size
    with _settings(threads):
        state = _begin(build, recipe, fabric.device)
        if rank == 0:
            run.mkdir(parents=True, exist_ok=True)
            _claim(run, recipe, world)
        fabric.barrier()
        load(run, state)
        log = _Log(run, state.step, quiet=quiet or rank != 0, write=rank == 0)
        model, optimizer = fabric.setup(state.model, state.optimizer)
        stop_at = recipe.steps if until is None else min(until, recipe.steps)
        started = saved = time.monotonic()
        numbers = range(state.step * world + rank, stop_at * world, world)
        for batch in _stream(batches, numbers, workers, fabric.device):
            _step(model, optimizer, state, objective, batch, recipe, fabric, log)
            now = time.monotonic()
            if state.step % log_every == 0 or state.step == stop_at:
                log.write(state.step, recipe, recipe.batch * world)
            over = minutes is not None and bool(fabric.broadcast(now - started > 60 * minutes))
            if over or now - saved > 60 * checkpoint_minutes or state.step == stop_at:
                if rank == 0:
                    save(run, state, recipe)
                saved = time.monotonic()
            if over:
                break
        fabric.barrier()
    average = copy.deepcopy(state.average).cpu().eval()
    return Outcome(average, state.step, state.step == recipe.steps, log.last)


def _step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    state: State,
    objective: Objective,
    batch: Mapping[str, Tensor],
    recipe: Recipe,
    fabric: Any,
    log: _Log,
) -> None:
    torch.manual_seed(_mix(recipe.seed, state.step))
    for group in optimizer.param_groups:
        group["lr"] = recipe.rate_at(state.step)
    model.train()
    optimizer.zero_grad(set_to_none=True)
    terms = objective(model(batch["image"]), batch, state.step / recipe.steps)
    fabric.backward(terms["loss"])
    norm = nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
    if torch.isfinite(norm):                         # of all processes alike, and not finite where the loss is not
        optimizer.step()
        _follow(state.average, state.model, recipe.ema_at(state.step))
        state.bad_in_a_row = 0
        log.add({**{name: value.detach() for name, value in terms.items()}, "gradient": norm.detach()})
    else:                                            # the weights stay; statistics that the bad batch touched go back
        for good, buffer in zip(state.average.buffers(), state.model.buffers(), strict=True):
            buffer.copy_(good)
        state.bad_in_a_row += 1
        log.bad += 1
        if state.bad_in_a_row >= GIVE_UP:
            raise PalmarError(
                f"{recipe.name}: the loss or its gradient was not finite in {GIVE_UP} steps in a row, the last of them "
                f"step {state.step}; lower the learning rate ({recipe.rate}) or look at the batches."
            )
    state.step += 1


@torch.no_grad()
def _follow(average: nn.Module, model: nn.Module, keep: float) -> None:
    """average <- keep average + (1 - keep) model, batch-norm statistics too; counters are copied."""
    pairs = zip([*average.parameters(), *average.buffers()], [*model.parameters(), *model.buffers()], strict=True)
    for a, m in pairs:
        if a.is_floating_point():
            a.lerp_(m, 1 - keep)
        else:
            a.copy_(m)


def _begin(build: Callable[[], nn.Module], recipe: Recipe, device: torch.device) -> State:
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        model = build()
    model = model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.rate, fused=True)
    average = copy.deepcopy(model).requires_grad_(False)
    return State(model, average, optimizer)


def _mix(seed: int, step: int) -> int:
    """One number from two; torch seeds with it."""
    return int(np.random.SeedSequence((seed, step)).generate_state(1)[0])


def _fabric(device: str, precision: str) -> Any:
    """Lightning Fabric on one device, or on those torchrun gave."""
    lightning = need("lightning_fabric", extra="torch")
    kind = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    if kind == "cuda" and not torch.cuda.is_available():
        raise PalmarError("device cuda: this PyTorch sees no CUDA device; use --device cpu or auto.")
    fabric = lightning.Fabric(
        accelerator=kind,
        devices=int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
        num_nodes=int(os.environ.get("GROUP_WORLD_SIZE", "1")),
        precision="bf16-mixed" if precision == "bfloat16" else "32-true",
    )
    fabric.launch()
    return fabric


@contextlib.contextmanager
def _settings(threads: int | None) -> Iterator[None]:
    """Repeatable kernels while training, and the caller's settings afterwards."""
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark, torch.get_num_threads()
    cudnn.deterministic, cudnn.benchmark = True, False
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before[:2]
        torch.set_num_threads(before[2])


class _Numbered(Dataset):
    """Batch number -> batch, for DataLoader's workers."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def __getitem__(self, number: int) -> dict[str, Any]:
        return dict(self.batches(number))


def _quiet_worker(_: int) -> None:
    cv2.setNumThreads(1)


def _stream(
    batches: Batches, numbers: range, workers: int, device: torch.device
) -> Iterator[dict[str, Tensor]]:
    """The numbered batches in order, as tensors on the device. Floats become float32."""
    if workers:
        # OpenCV's threads end before the fork: a child that inherits a pool without its threads waits for them for
        # ever, also where it only wants to close it.
        cv2.setNumThreads(1)
        start = "fork" if sys.platform.startswith("linux") else "spawn"
        source: Any = DataLoader(
            _Numbered(batches),
            batch_size=None,
            sampler=numbers,  # type: ignore[arg-type]
            num_workers=workers,
            worker_init_fn=None if start == "fork" else _quiet_worker,
            pin_memory=device.type == "cuda",
            multiprocessing_context=start,
        )
    else:
        source = map(batches, numbers)
    for batch in source:
        tensors = {name: torch.as_tensor(value).to(device, non_blocking=True) for name, value in batch.items()}
        yield {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}


# Checkpoints


def checkpoints(run: Path) -> list[Path]:
    """The whole checkpoints of a run, oldest first."""
    return sorted(run.glob("checkpoint-*[0-9]"))


def save(run: Path, state: State, recipe: Recipe) -> Path:
    """Writes `checkpoint-<step>/` and removes the older ones.

    Each file holds four bytes per weight, so that none grows large: weights, averaged weights, the optimizer's first
    and second moments; `state.pt` the rest. All of them load with `weights_only=True`.
    """
    whole = run / f"checkpoint-{state.step:09d}"
    part = run / f".{whole.name}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    parameters = [p for group in state.optimizer.param_groups for p in group["params"]]
    moments = [state.optimizer.state.get(p, {}) for p in parameters]
    torch.save(state.model.state_dict(), part / "weights.pt")
    torch.save(state.average.state_dict(), part / "average.pt")
    for name in ("exp_avg", "exp_avg_sq"):
        torch.save([m.get(name) for m in moments], part / f"{name}.pt")
    rest = {"step": state.step, "bad_in_a_row": state.bad_in_a_row, "updates": [m.get("step") for m in moments]}
    torch.save(rest | {"recipe": asdict(recipe)}, part / "state.pt")
    for file in part.iterdir():
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
    shutil.rmtree(whole, ignore_errors=True)
    part.rename(whole)
    for older in checkpoints(run)[:-1]:
        shutil.rmtree(older)
    return whole


def load(run: Path, state: State) -> bool:
    """Fills `state` from the newest checkpoint of a run. False where there is none: a new run."""
    found = checkpoints(run)
    if not found:
        return False
    where = found[-1]

    def read(name: str) -> Any:
        return torch.load(where / f"{name}.pt", map_location="cpu", weights_only=True)

    try:
        state.model.load_state_dict(read("weights"))
        state.average.load_state_dict(read("average"))
    except RuntimeError as err:
        raise PalmarError(f"{where}: these weights are of another network; use a new run folder. ({err})") from err
    rest = read("state")
    parameters = [p for group in state.optimizer.param_groups for p in group["params"]]
    for p, updates, first, second in zip(parameters, rest["updates"], read("exp_avg"), read("exp_avg_sq"), strict=True):
        if updates is not None:
            moments = {
                "exp_avg": torch.empty_like(p).copy_(first),
                "exp_avg_sq": torch.empty_like(p).copy_(second),
            }
            state.optimizer.state[p] = {"step": updates.to(p.device), **moments}
    state.step, state.bad_in_a_row = rest["step"], rest["bad_in_a_row"]
    return True


def load_average(run: Path, model: nn.Module) -> tuple[nn.Module, int]:
    """`model` with the averaged weights of a run's newest checkpoint, in eval mode, and the step they are of.

    Raises PalmarError where there is none, and for files that are missing, damaged or of another network.
    """
    found = checkpoints(run)
    if not found:
        raise PalmarError(f"{run}: no checkpoint here; train first, or name the run's own folder.")

    def read(name: str) -> Any:
        file = found[-1] / f"{name}.pt"
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except FileNotFoundError as err:
            raise PalmarError(f"{file}: no such file; the checkpoint is not whole.") from err
        except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as err:
            raise PalmarError(f"{file}: damaged, or no file of weights ({type(err).__name__}).") from err

    try:
        model.load_state_dict(read("average"))
        return model.eval(), int(read("state")["step"])
    except (RuntimeError, TypeError, KeyError, ValueError, AttributeError) as err:
        said = " ".join(str(err).split())[:300]
        raise PalmarError(f"{found[-1]}: not a checkpoint of this network ({said}).") from err


def _claim(run: Path, recipe: Recipe, world: int) -> None:
    """Writes the recipe into a new run; in an old one, refuses another recipe."""
    file = run / "recipe.json"
    mine = asdict(recipe) | {"processes": world}
    if not file.exists():
        part = file.with_suffix(".part")
        part.write_text(json.dumps(mine, indent=1) + "\n")
        part.rename(file)
        return
    theirs = json.loads(file.read_text())
    names = [f.name for f in fields(recipe)] + ["processes"]
    changed = [f"{n} {theirs.get(n)} there, {mine[n]} here" for n in names if theirs.get(n) != mine[n]]
    if changed:
        raise PalmarError(f"{run}: this run was begun with another recipe ({'; '.join(changed)}); use a new folder.")


class _Log:
    """Means over stretches of steps: a JSON line in the run's log, a line for a person on stderr."""

    def __init__(self, run: Path, step: int, *, quiet: bool, write: bool) -> None:
        self.quiet, self.path = quiet, run / "log.jsonl" if write else None
        self.sums: dict[str, Tensor] = {}
        self.count = self.bad = self.steps = 0
        self.last: dict[str, float] = {}
        self.since = time.monotonic()
        if self.path is not None and self.path.exists():     # steps after the checkpoint are about to be taken again
            lines = [line for line in self.path.read_text().splitlines() if _step_of(line) <= step]
            part = self.path.with_suffix(".part")
            part.write_text("".join(line + "\n" for line in lines))
            part.rename(self.path)

    def add(self, terms: Mapping[str, Tensor]) -> None:
        for name, value in terms.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.count += 1

    def write(self, step: int, recipe: Recipe, samples: int) -> None:
        taken = self.count + self.bad
        now = time.monotonic()
        seconds = max(now - self.since, 1e-9)
        self.last = {name: float(value) / self.count for name, value in self.sums.items()}
        speed = samples * taken / seconds
        line = {"step": step, "samples_per_second": round(speed, 1), "rate": recipe.rate_at(step - 1), "bad": self.bad}
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(json.dumps(line | {k: round(v, 6) for k, v in self.last.items()}) + "\n")
        if not self.quiet:
            left = (recipe.steps - step) * samples / max(speed, 1e-9)
            eta = f"{int(left // 3600)}:{int(left // 60) % 60:02d}:{int(left) % 60:02d}"
            terms = "  ".join(f"{k} {v:.4g}" for k, v in self.last.items())
            bad = f"  {self.bad} bad steps" if self.bad else ""
            done = f"{recipe.name} {step}/{recipe.steps}  {speed:.0f}/s  {eta} left"
            print(f"{done}  {terms}{bad}", file=sys.stderr, flush=True)
        self.sums, self.count, self.bad, self.since = {}, 0, 0, now


def _step_of(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError):
        return math.inf                                      # a line the kill cut short
