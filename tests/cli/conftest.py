"""Recordings, good and damaged, and the command in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from palmar.cli import main
from palmar.media import write_video


def blob(width: int = 160, height: int = 120, x: float = 80.0, y: float = 60.0) -> np.ndarray:
    """A dark picture with one bright spot: what the tiny networks take for a hand."""
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    bright = np.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * 12.0**2))
    return np.repeat(np.round(40 + 215 * bright).astype(np.uint8)[..., None], 3, -1)


@dataclass(frozen=True)
class Heard:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("palmar: error: ")]


@pytest.fixture
def palmar(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Heard]:
    """Runs the command in this process; all that it and the libraries below it print is caught."""

    def run(*words: object) -> Heard:
        capfd.readouterr()
        code = main([str(word) for word in words])
        out, err = capfd.readouterr()
        return Heard(code, out, err)

    return run


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A video of ten frames in which the spot moves."""
    path = tmp_path / "clip.mp4"
    write_video(path, [blob(x=60.0 + 4 * k) for k in range(10)], 25.0)
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.fromarray(blob()).save(path)
    return path


@pytest.fixture
def spot() -> Callable[..., np.ndarray]:
    return blob


@pytest.fixture
def listed() -> Callable[[Path], list[str]]:
    """Everything below a folder, hidden things too."""

    def names(folder: Path) -> list[str]:
        return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))

    return names
