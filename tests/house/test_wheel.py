"""What ships: the files that the package needs at run time lie in it, whole and small."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path

import pytest

PACKAGE = files("palmar")
MOST_WEIGHTS, MOST_ASSET = 20_000_000, 3_000_000
"""Bytes."""


def test_the_package_is_typed():
    assert (PACKAGE / "py.typed").is_file()


def test_the_hand_is_there_and_is_what_its_card_says():
    card = json.loads((PACKAGE / "hand" / "assets" / "hand.json").read_text(encoding="utf-8"))
    data = (PACKAGE / "hand" / "assets" / card["asset"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == card["sha256"]
    assert len(data) < MOST_ASSET


@pytest.mark.parametrize("name", ["detector", "landmarker"])
def test_the_weights_are_there_and_are_what_their_cards_say(name):
    card = json.loads((PACKAGE / "weights" / f"{name}.json").read_text(encoding="utf-8"))
    assert hashlib.sha256((PACKAGE / "weights" / f"{name}.onnx").read_bytes()).hexdigest() == card["sha256"]
    assert {"recipe", "seed", "commit", "figures", "licences"} <= set(card)


def test_every_file_of_weights_is_what_its_card_says():
    found = sorted(entry for entry in (PACKAGE / "weights").iterdir() if entry.name.endswith(".onnx"))
    assert len(found) >= 6
    for file in found:
        card = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        assert hashlib.sha256(file.read_bytes()).hexdigest() == card["sha256"], file
        assert card["licences"], file


def test_the_weights_are_small():
    sizes = [len(entry.read_bytes()) for entry in (PACKAGE / "weights").iterdir() if entry.name.endswith(".onnx")]
    assert sum(sizes) < MOST_WEIGHTS


def test_hatch_packs_all_of_it():
    """The wheel takes the whole folder; nothing in it is hidden from it by .gitignore."""
    import tomllib

    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"] == {"packages": ["src/palmar"]}
    ignored = (root / ".gitignore").read_text(encoding="utf-8").split()
    assert not {"*.onnx", "*.npz", "*.json", "*.mp4", "weights/", "assets/"} & set(ignored)


def test_constraints_pin_what_the_project_asks_for():
    """Every direct requirement has an exact version; no address, no path, no local version."""
    import re
    import tomllib

    root = Path(__file__).parents[2]
    lines = [
        line for line in (root / "constraints.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")
    ]
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9.-]*==[0-9][0-9a-z.]*", line) for line in lines)
    pinned = dict(line.split("==") for line in lines)
    assert pinned["torch"] == "2.13.0"
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [
        *project["dependencies"],
        *(line for lines in project["optional-dependencies"].values() for line in lines),
    ]
    names = {re.match(r"[A-Za-z0-9._-]+", line)[0].lower() for line in asked} - {"palmar"}
    assert names <= set(pinned)


def test_ci_runs_the_readmes_second_command():
    root = Path(__file__).parents[2]
    commands = [
        line
        for line in (root / "README.md").read_text(encoding="utf-8").splitlines()
        if "pip install" in line and "&&" in line
    ]
    second = next(line for line in commands if "constraints.txt" in line)
    script = (root / ".ci" / "run").read_text(encoding="utf-8").replace("install -q", "install")
    assert second in script
