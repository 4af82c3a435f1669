"""The table of networks for hands and objects: by their cards, on the same frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from palmar.bench import handobject
from palmar.errors import PalmarError
from palmar.methods import networks
from palmar.tasks.method import Network, Report, load


@dataclass(frozen=True)
class Evaluate:
    weights: Path
    data: str
    split: str = "test"
    limit: int = 0
    threads: int = 1
    seen: ClassVar[list] = []

    def run(self) -> Report:
        self.seen.append(self)
        frames = 7 if "odd" in str(self.weights) else 5
        error = float(len(str(self.weights)))
        figures = {"mepe_left_mm": error, "mepe_right_mm": 2.0, "mepe_object_mm": float("nan"), "fps": 12.34}
        return Report(figures | {"frames": frames}, "")


@pytest.fixture
def cards(monkeypatch):
    path = f"{__name__}:Evaluate"
    card = {name: Network(name, "", "", path) for name in ("qort-former", "h2o")}
    monkeypatch.setattr(handobject, "networks", lambda: card)
    monkeypatch.setattr(handobject, "load", lambda text: Evaluate)
    Evaluate.seen.clear()


def test_all_are_scored_by_their_own_jobs_on_the_same_data(cards, tmp_path):
    job = handobject.HandObject("kind:x", Path("ab"), Path("abcd"), limit=5, threads=2, out=tmp_path / "f.json")
    report = job.run()
    assert [(one.weights, one.data, one.limit, one.threads) for one in Evaluate.seen] == [
        (Path("ab"), "kind:x", 5, 2), (Path("abcd"), "kind:x", 5, 2),
    ]  # fmt: skip
    assert "| qort-former | 2.0 | 2.0 |  |  | 12.3 |" in report.table
    assert "| h2o | 4.0 |" in report.table
    assert (tmp_path / "f.json").is_file()


def test_what_is_missing_says_so(cards, monkeypatch):
    report = handobject.compare({"qort-former": Path("ab"), "h2o": None, "other": Path("x")}, "d", threads=1)
    assert report.figures["h2o"] == {"missing": "no run given"}
    assert report.figures["other"] == {"missing": "not in this version"}
    with pytest.raises(PalmarError, match="nothing to compare"):
        handobject.HandObject("d").run()


def test_other_frames_or_options_are_refused(cards):
    with pytest.raises(PalmarError, match="same frames"):
        handobject.compare({"qort-former": Path("ab"), "h2o": Path("odd")}, "d", threads=1)
    with pytest.raises(PalmarError, match="no option colour"):
        handobject.compare({"qort-former": Path("ab")}, "d", colour=3)


def test_the_real_card_has_an_evaluation_with_these_options():
    job = load(networks()["qort-former"].evaluate)
    assert {"weights", "data", "split", "limit", "threads"} <= set(job.__dataclass_fields__)
