from __future__ import annotations

import json
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import pytest

from palmar.cli import main
from palmar.cli import methods as commands
from palmar.tasks.method import Method, Network, Report

HERE = "tests_cli_methods_fake"


@dataclass(frozen=True)
class Train:
    """Trains nothing."""

    data: str
    """Where."""
    steps: int = 3
    """How many."""

    def run(self) -> None:
        print(f"trained on {self.data} for {self.steps}")


@dataclass(frozen=True)
class Evaluate:
    """Scores nothing."""

    run_folder: Path = Path("runs/fake")
    """The run."""

    def run(self) -> Report:
        return Report({"epe": 1.5}, "| EPE |\n|---|\n| 1.5 |")


@dataclass(frozen=True)
class Check:
    """Fails."""

    seeds: int = 3
    """How many."""

    def run(self) -> Report:
        return Report({"seeds": self.seeds}, "| verdict |", passed=self.seeds > 3)


@pytest.fixture
def fake(monkeypatch):
    module = types.ModuleType(HERE)
    module.Train, module.Evaluate, module.Check = Train, Evaluate, Check
    monkeypatch.setitem(sys.modules, HERE, module)
    network = Network("fake-net", "does nothing", f"{HERE}:Train", f"{HERE}:Evaluate")
    card = Method("fake", "Fake", "Nobody, Nothing, 2026", "none", (network,), f"{HERE}:Check", extras=())
    monkeypatch.setattr(commands, "methods", lambda: {"fake": card})
    monkeypatch.setattr(commands, "networks", lambda: {"fake-net": network})
    monkeypatch.setattr(commands, "broken", lambda: {"torn": "ImportError: no such thing"})


@pytest.mark.usefixtures("fake")
class TestCommands:
    def test_the_list_names_all(self, capsys, tmp_path):
        assert main(["methods", "--json", str(tmp_path / "m.json")]) == 0
        out = capsys.readouterr().out
        assert "fake-net: does nothing" in out
        assert "torn: its card cannot be read" in out
        assert "check: owed" in out
        assert json.loads((tmp_path / "m.json").read_text())["fake"]["networks"] == {"fake-net": "does nothing"}

    def test_options_reach_the_job(self, capsys):
        assert main(["train", "fake-net", "--data", "here", "--steps", "7"]) == 0
        assert capsys.readouterr().out == "trained on here for 7\n"

    def test_reports_are_printed_and_written(self, capsys, tmp_path):
        file = tmp_path / "found.json"
        assert main(["eval", "fake-net", "--json", str(file)]) == 0
        assert "| 1.5 |" in capsys.readouterr().out
        assert json.loads(file.read_text())["epe"] == 1.5

    def test_a_failed_check_is_exit_code_1(self, capsys):
        assert main(["check", "fake"]) == 1
        assert main(["check", "fake", "--seeds", "4"]) == 0

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["check"], "name a method: fake"),
            (["eval"], "name a network: fake-net"),
            (["eval", "fake"], "network"),
            (["check", "fak"], "fake"),
            (["train", "fake-net"], "data"),
            (["train", "fake-net", "--data", "x", "--steps", "many"], "steps"),
            (["check", "fake", "--json", "/nowhere/at/all.json"], "no folder"),
        ],
    )
    def test_mistakes_are_one_line(self, words, said, capsys):
        assert main(words) == 2
        err = capsys.readouterr().err
        assert said in err
        assert err.count("\n") == 1

    def test_help(self, capsys):
        assert main(["train", "fake-net", "--help"]) == 0
        assert "--steps" in capsys.readouterr().out


def test_cards_of_the_toolkit_are_whole():
    """What a card names exists, and no network has two homes."""
    from palmar.methods import broken, methods, networks
    from palmar.tasks.method import load

    assert not broken()
    assert len(networks()) == sum(len(card.networks) for card in methods().values())
    for name, card in methods().items():
        assert card.name == name
        assert hasattr(load(card.check), "run")
        for network in card.networks:
            assert hasattr(load(network.train), "run")
            assert hasattr(load(network.evaluate), "run")
