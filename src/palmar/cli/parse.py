"""From words to a command. tyro reads the dataclasses; what it says of a mistake becomes one PalmarError."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from contextlib import redirect_stderr
from typing import Any, Protocol, cast, runtime_checkable

import tyro
from tyro.extras import subcommand_cli_from_dict

from palmar.cli.act import Act, ActTrain
from palmar.cli.app import App
from palmar.cli.bench import Bench
from palmar.cli.clean import Clean
from palmar.cli.convert import Convert
from palmar.cli.demo import Demo
from palmar.cli.doctor import Doctor
from palmar.cli.export import Export
from palmar.cli.gesture import Gesture
from palmar.cli.licenses import Licenses
from palmar.cli.methods import JOBS, Methods, Run, job_of
from palmar.cli.plot import Plot
from palmar.cli.synth import Synth
from palmar.cli.synth.gallery import Gallery
from palmar.cli.track import Track
from palmar.cli.train import Train
from palmar.cli.view import View
from palmar.cli.weights import Weights
from palmar.errors import PalmarError, one_of


@runtime_checkable
class Command(Protocol):
    def run(self) -> int:
        """The exit code."""
        ...


COMMANDS: dict[str, type[Command]] = {
    "track": Track,
    "demo": Demo,
    "synth": Synth,
    "train": Train,
    "act": Act,
    "gesture": Gesture,
    "methods": Methods,
    "weights": Weights,
    "export": Export,
    "app": App,
    "view": View,
    "clean": Clean,
    "plot": Plot,
    "convert": Convert,
    "bench": Bench,
    "licenses": Licenses,
    "doctor": Doctor,
}
BELOW: dict[tuple[str, str], type[Command]] = {("synth", "gallery"): Gallery, ("act", "train"): ActTrain}
"""Commands of two words, whose first is one by itself, too."""
ABOUT = "Any recording of hands into clean, typed, four-dimensional hand data. `palmar --version` prints the version."


def parse(words: Sequence[str]) -> Command:
    """The command that the words name, with its options.

    Raises PalmarError for words that are none, and SystemExit once --help is answered.
    """
    if words and not words[0].startswith("-") and words[0] not in {*COMMANDS, *JOBS}:
        try:
            one_of("command", words[0], [*COMMANDS, *(verb for verb in JOBS if verb not in COMMANDS)])
        except PalmarError as err:
            raise PalmarError(f"{err} See palmar --help.") from None
    heard = io.StringIO()
    below = BELOW.get(tuple(words[:2]))  # type: ignore[call-overload]
    job = job_of(words)
    try:
        with redirect_stderr(heard):
            if job is not None:
                options, prog, left = job
                found = tyro.cli(options, prog=prog, args=list(left), config=(tyro.conf.FlagCreatePairsOff,))
                return Run(found.job, found.json)
            if below is not None:
                prog = " ".join(["palmar", *words[:2]])
                return tyro.cli(below, prog=prog, args=words[2:], config=(tyro.conf.FlagCreatePairsOff,))
            return cast(
                Command,
                subcommand_cli_from_dict(
                    cast(Any, COMMANDS),
                    prog="palmar",
                    description=ABOUT,
                    args=list(words) or ["--help"],
                    config=(tyro.conf.FlagCreatePairsOff,),
                ),
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        two = below is not None or job is not None
        named = [*words[:2]] if two else [word for word in words[:1] if word in COMMANDS]
        said = complaint(heard.getvalue()).rstrip(".") or "this command line cannot be read"
        raise PalmarError(f"{said}. See {' '.join(['palmar', *named])} --help.") from None


def complaint(box: str) -> str:
    """What tyro printed, as a sentence: of the frame it draws around its words only the words up to the first rule."""
    found: list[str] = []
    titled = False
    for row in box.splitlines():
        text = re.sub(r"^[\s│|]+|[\s│|]+$", "", row)
        if re.match(r"[╭╰]", text):
            titled = True
        elif not re.fullmatch(r"[─-]{3,}", text):
            found.append(text)
        elif titled:
            break
        else:  # on terminals without UTF-8 there is no frame, and a rule below the title
            found, titled = [], True
    return " ".join(" ".join(found).split())
