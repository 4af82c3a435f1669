"""How a job of a method runs, whatever it trains: the options that all of them have, and the threads of PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options of `palmar.train.loop.train`, with their help on the command line. Jobs that train inherit them."""

    minutes: float | None = None
    """Stop with a checkpoint after this long; the next call goes on."""
    workers: int = 0
    """Processes that make batches; 0: the training process itself."""
    threads: int | None = None
    """Of PyTorch's operators on the processor."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["float32", "bfloat16"] = "float32"
    """bfloat16 is up to twice as fast on GPUs and on processors with AVX512-BF16 or AMX."""
    quiet: bool = False
    """No lines of progress; the run's log has them all the same."""

    def options(self) -> dict[str, Any]:
        """For `train`. The precision is the recipe's."""
        names = ("minutes", "workers", "threads", "device", "quiet")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """Options of every check. Checks inherit them; what `--scale full` changes stands in the method's card."""

    seeds: tuple[int, ...] = (0, 1, 2)
    """One run of every variant each."""
    threads: int = 1
    """Of PyTorch's operators on the processor."""
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    """Where variants learn. They are scored on the processor."""


@contextmanager
def on_threads(count: int) -> Iterator[None]:
    """PyTorch's operators on so many threads of the processor, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
