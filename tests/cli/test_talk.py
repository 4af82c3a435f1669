"""What commands say: one line for an error or a warning, a bar on terminals only."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest

from palmar import cli
from palmar.cli import parse as parse_module
from palmar.cli.options import at_least
from palmar.cli.parse import complaint, parse
from palmar.cli.talk import Progress, line, say
from palmar.cli.track import Track
from palmar.errors import PalmarError, PalmarWarning


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_say_is_one_line_whatever_is_said(capsys):
    say("error", PalmarError("a\nb\t c\r\n"))
    assert capsys.readouterr().err == "palmar: error: a b c\n"


def test_a_bar():
    assert (
        line("track", "frames", 30, 120, 2.0)
        == "track  ━━━━━━────────────────── " + " 25%  30/120 frames  15 frames/s  0:06 left"
    )
    assert line("track", "frames", 7, None, 2.0) == "track  7 frames  3.5 frames/s"
    assert "100%  130/130 frames" in line("track", "frames", 130, 120, 2.0)  # the total was an estimate
    assert "0/5" in line("track", "frames", 0, 5, 0.0)


def test_progress_is_drawn_on_terminals_only_and_taken_away():
    seen, unseen = Terminal(), io.StringIO()
    for stream in (seen, unseen):
        with Progress("track", stream=stream) as progress:
            for done in (1, 2, 3):
                progress(done, 3)
        assert progress.done == 3
        assert progress.rate > 0
    assert "3/3 frames" in seen.getvalue()
    assert seen.getvalue().endswith("\r\x1b[K")
    assert unseen.getvalue() == ""


def test_progress_is_taken_away_before_an_error():
    stream = Terminal()

    def work():
        with Progress("track", stream=stream) as progress:
            progress(3, 3)
            raise PalmarError("x")

    with pytest.raises(PalmarError):
        work()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_complaint_is_the_text_of_the_frame():
    rows = [
        "╭─ Value error ───╮",
        "│ Error parsing   │",
        "│ --n: 'a'        │",
        "│ ─────────────── │",
        "│ more help  │",
        "╰──╯",
    ]
    box = "\n".join(rows)
    assert complaint(box) == "Error parsing --n: 'a'"
    assert complaint("a plain line\n") == "a plain line"
    assert complaint("") == ""


def test_at_least_names_the_option():
    at_least(1, count=1, workers=None)
    with pytest.raises(PalmarError, match=r"--max-hands must be at least 1, got 0\."):
        at_least(1, count=2, max_hands=0)


def test_a_command_line_is_a_dataclass():
    words = ["track", "a.mp4", "b.mp4", "-o", "x", "--max-hands", "3", "--no-video", "--mirrored"]
    assert parse(words) == Track(("a.mp4", "b.mp4"), out=Path("x"), max_hands=3, video=False, mirrored=True)


@pytest.mark.parametrize(
    "words",
    [["nonsense"], ["trak", "x"], ["track", "x", "--nonsense"], ["train"], ["train", "everything"], ["synth"],
     ["bench"],
     ["bench", "fake", "x"], ["bench", "real"], ["export"], ["--nonsense"], ["licenses", "more"],
     ["synth", "o", "--kind", "videos"]],
    ids=" ".join,
)  # fmt: skip
def test_words_that_are_none(palmar, words):
    heard = palmar(*words)
    assert (heard.code, heard.out) == (2, "")
    assert heard.err.count("\n") == len(heard.errors) == 1
    assert heard.err.rstrip().endswith("--help.")


@pytest.mark.parametrize("words", [[], ["--help"], ["track", "--help"], ["bench", "--help"], ["train", "-h"]])
def test_help_goes_to_stdout(palmar, words):
    heard = palmar(*words)
    assert (heard.code, heard.err) == (0, "")
    assert heard.out.startswith("usage: palmar")


def test_version(palmar):
    import palmar as package

    heard = palmar("--version")
    assert (heard.code, heard.out, heard.err) == (0, f"palmar {package.__version__}\n", "")


@dataclass(frozen=True)
class Stub:
    """A command that raises, warns, or answers."""

    does: object = 0

    def run(self) -> int:
        if isinstance(self.does, Warning):
            warnings.warn(self.does, stacklevel=1)
            return 0
        if isinstance(self.does, BaseException):
            raise self.does
        return int(str(self.does))


@pytest.mark.parametrize(
    ("does", "code", "said"),
    [
        (0, 0, ""),
        (1, 1, ""),
        (PalmarError("bad\ninput"), 2, "palmar: error: bad input\n"),
        (KeyboardInterrupt(), 130, ""),
        (SystemExit(143), 143, ""),
        (PalmarWarning("a part\nis missing"), 0, "palmar: warning: a part is missing\n"),
        (DeprecationWarning("a library's own business"), 0, ""),
    ],
    ids=repr,
)
def test_exit_codes(palmar, monkeypatch, does, code, said):
    monkeypatch.setattr(parse_module, "parse", lambda words: Stub(does))
    monkeypatch.setattr(cli.sys, "warnoptions", [])
    heard = palmar("stub")
    assert (heard.code, heard.out, heard.err) == (code, "", said)


def test_a_mistake_of_ours_is_not_hidden(palmar, monkeypatch):
    monkeypatch.setattr(parse_module, "parse", lambda words: Stub(AssertionError("ours")))
    with pytest.raises(AssertionError, match="ours"):
        palmar("stub")
