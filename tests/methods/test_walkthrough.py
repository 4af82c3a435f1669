"""docs/methods.md is followed to the letter: its files are written, its commands run."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import palmar.methods
from palmar.cli import main
from palmar.media.picture import write_image

PAGE = Path(__file__).parents[2] / "docs" / "methods.md"
FENCE = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.M | re.S)


@pytest.fixture(scope="module")
def page():
    return FENCE.findall(PAGE.read_text(encoding="utf-8"))


@pytest.fixture
def made(page, tmp_path, monkeypatch):
    """The package of the page, installed as pip would: its files, and the entry point in its metadata."""
    for _, title, text in page:
        if title:
            file = tmp_path / title
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
    point = re.search(
        r"\[project\.entry-points\.\"(palmar\.methods)\"\]\n(.*)", (tmp_path / "pyproject.toml").read_text()
    )
    info = tmp_path / "palmar_toy-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: palmar-toy\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text(f"[{point[1]}]\n{point[2].replace(chr(34), '')}\n")
    write_image(tmp_path / "photo.png", np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    importlib.invalidate_caches()
    palmar.methods._found.cache_clear()
    yield tmp_path
    palmar.methods._found.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == "palmar_toy"]:
        del sys.modules[name]


def test_the_page_works(page, made, capfd):
    commands = [line for kind, _, text in page if kind == "sh" for line in text.splitlines()]
    assert [shlex.split(line)[:2] for line in commands] == [
        ["palmar", "methods"], ["palmar", "train"], ["palmar", "eval"], ["palmar", "check"], ["palmar", "track"],
    ]  # fmt: skip
    said = []
    for line in commands:
        code = main(shlex.split(line)[1:])
        assert code == 0 or ("check" in line and code == 1), line  # so few steps prove nothing either way
        said.append(capfd.readouterr().out)
    assert "toy: Toy keypoints" in said[0]
    assert "toy-net: 21 keypoints of one hand in its crop" in said[0]
    assert "| step | 40 |" in said[1]
    assert re.search(r"\| pck@0.1 \| [\d.]+ \|", said[2])
    assert re.search(r"\| convolutions \| [\d.]+ ± [\d.]+ \|", said[3])
    record = json.loads((made / "check.json").read_text())
    assert {name: len(values) for name, values in record["runs"].items()} == {"convolutions": 3, "linear": 3}
    assert record["passed"] in (True, False)
    weights = json.loads((made / "photo-hands" / "clip.json").read_text())["info"]["weights"]
    assert len(weights["keypoints"]) == 64
    done = subprocess.run([sys.executable, "use.py"], cwd=made, capture_output=True, text=True, timeout=120,
                          env={"PYTHONPATH": str(made), "PATH": ""})  # fmt: skip
    assert done.stdout == "(1, 21, 2) (1, 21)\n", done.stderr


def test_a_broken_card_of_a_package_is_named_and_nothing_else_suffers(made, capfd):
    (made / "palmar_toy" / "__init__.py").write_text("import nothing_of_this_name\n")
    palmar.methods._found.cache_clear()
    assert main(["methods"]) == 0
    out = capfd.readouterr().out
    assert "toy: its card cannot be read: ModuleNotFoundError" in out
    assert "h2o: H2O pose network" in out
