"""The command `palmar`: one dataclass per command, with `run() -> int` that works from Python too.

Results go to files or stdout, talk to stderr. A mistake of the user's is one line and exit code 2.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

import palmar
from palmar.cli.talk import say
from palmar.errors import PalmarError, PalmarWarning

BAD_INPUT, INTERRUPTED, BROKEN_PIPE, TERMINATED = 2, 130, 141, 143
"""Exit codes, beside 0 and what a command itself returns. Those above 128 are 128 and the signal's number."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the words name (those of the process by default), and answer with its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with _warnings_in_a_line(), _terminated_like_interrupted():
            if words == ["--version"]:
                print(f"palmar {palmar.__version__}")
                code = 0
            else:
                from palmar.cli.parse import parse

                code = parse(words).run()
            sys.stdout.flush()
            return code
    except PalmarError as err:
        say("error", err)
        return BAD_INPUT
    except BrokenPipeError:  # the reader of stdout has gone, as with `| head`
        with suppress(OSError, ValueError):  # the interpreter flushes once more on its way out
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0


@contextmanager
def _warnings_in_a_line() -> Iterator[None]:
    """PalmarWarnings as a line each; those of libraries not at all, unless Python was asked for them (-W)."""

    def show(message: Warning | str, category: type[Warning], *_: object) -> None:
        say("warning", message if issubclass(category, PalmarWarning) else f"{category.__name__}: {message}")

    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter("ignore")
        warnings.simplefilter("always", PalmarWarning)
        warnings.showwarning = show  # type: ignore[assignment]
        yield


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM unwinds the stack, so that half-written folders are taken away, and gives its own exit code."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        sys.exit(TERMINATED)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
