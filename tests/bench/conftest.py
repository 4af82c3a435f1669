"""A folder to measure on and a MediaPipe that is none, both made here."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def worlds():
    """The module of `tests/tracking/conftest.py`: a world with known truth."""
    spec = importlib.util.spec_from_file_location(
        "tracking_worlds", Path(__file__).parents[1] / "tracking" / "conftest.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


FAKE = '''
"""One hand in every picture whose first pixel is not black, the same everywhere."""
from types import SimpleNamespace as S
__version__ = "0.0-fake"
class Hands:
    def __init__(self, static_image_mode, model_complexity, max_num_hands):
        assert model_complexity in (0, 1) and max_num_hands in (1, 2)
        print("chatter on standard output")
    def close(self): pass
    def process(self, image):
        if image[0, 0].max() == 0:
            return S(multi_hand_landmarks=None)
        points = [S(x=k / 40, y=0.5, z=0.0) for k in range(21)]
        world = [S(x=k / 100, y=0.0, z=0.0) for k in range(21)]
        return S(multi_hand_landmarks=[S(landmark=points)], multi_hand_world_landmarks=[S(landmark=world)],
                 multi_handedness=[S(classification=[S(label="Left", score=0.75)])])
solutions = S(hands=S(Hands=Hands))
'''


@pytest.fixture
def fake_mediapipe(tmp_path, monkeypatch) -> Path:
    """The path of a Python whose mediapipe is the fake above."""
    place = tmp_path / "site" / "mediapipe"
    place.mkdir(parents=True)
    (place / "__init__.py").write_text(FAKE)
    monkeypatch.setenv("PYTHONPATH", str(place.parent))
    return Path(sys.executable)


@pytest.fixture(autouse=True)
def no_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Synthetic clips take seconds each: `test_truth` measures what is done with them."""
    monkeypatch.setattr("palmar.bench.real.TRUTH_CLIPS", 0)
