"""The loop: schedule, learning, resuming to the same bytes, bad batches, and refusals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from palmar.errors import PalmarError
from palmar.nn.detector import Detector, DetectorConfig
from palmar.nn.landmarker import Landmarker, LandmarkerConfig
from palmar.train.detector import DetectorLoss
from palmar.train.landmarker import LandmarkerLoss
from palmar.train.loop import Recipe, checkpoints, load_average, train

LANDMARKER = LandmarkerConfig(
    size=64, stem=4, widths=(4, 6, 8, 8), blocks=(1, 1, 1, 1), pyramid=6, gathered=4, squeezed=4, hidden=16
)
DETECTOR = DetectorConfig(stem=4, widths=(4, 6, 8, 8), blocks=(1, 1, 1, 1), pyramid=6)
SIX = Recipe("landmarker", seed=3, batch=8, steps=6, warmup=2)


def files(run: Path) -> dict[str, bytes]:
    (where,) = checkpoints(run)
    return {file.name: file.read_bytes() for file in sorted(where.iterdir())}


def landmarker() -> Landmarker:
    return Landmarker(LANDMARKER)


class Line(nn.Module):
    """The smallest thing the loop can train: y = a x, with dropout, so that the random state matters too."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen += 1
        return nn.functional.dropout(self.norm(self.line(x)), 0.5, self.training)


def numbers(step: int) -> dict[str, np.ndarray]:
    x = np.random.default_rng((1, step)).normal(size=(8, 4))
    return {"image": x.astype(np.float32), "y": 2 * x}


def squares(found: torch.Tensor, batch: dict[str, torch.Tensor], progress: float) -> dict[str, torch.Tensor]:
    return {"loss": (found - batch["y"]).square().mean()}


# The schedule


def test_the_rate_warms_up_holds_and_falls_along_a_cosine():
    r = Recipe("x", steps=1000, warmup=100, rate=2.0, decay=0.25, floor=0.01)
    rates = np.array([r.rate_at(i) for i in range(1000)])
    np.testing.assert_allclose(rates[:100], 2.0 * np.arange(1, 101) / 100)
    np.testing.assert_allclose(rates[100:750], 2.0)
    np.testing.assert_allclose(rates[875], 2.0 * (0.01 + 0.99 / 2), rtol=1e-6)
    assert (np.diff(rates[750:]) < 0).all()
    assert 0.02 <= rates[-1] < 0.021


def test_augmentation_ramps_over_the_first_third():
    r = Recipe("x", steps=300, ease=0.4, ease_until=1 / 3)
    np.testing.assert_allclose([r.strength(i) for i in (0, 50, 100, 299)], [0.4, 0.7, 1.0, 1.0])


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"batch": -1}, {"ema": 1.5}, {"decay": -0.1}])
def test_a_recipe_that_cannot_be_is_refused(wrong):
    with pytest.raises(PalmarError, match=f"Recipe.{next(iter(wrong))}"):
        Recipe("x", **wrong)


# Learning


@pytest.mark.parametrize("name", ["landmarker", "detector"])
def test_the_loss_falls_on_a_fixed_batch_in_thirty_steps(name, crops, pictures, tmp_path):
    fixed = crops(0, 0) if name == "landmarker" else pictures(0, 0)
    parts = {
        "landmarker": (landmarker, LandmarkerLoss()),
        "detector": (lambda: Detector(DETECTOR), DetectorLoss()),
    }
    r = Recipe(name, batch=8, steps=30, warmup=3, rate=5e-3, decay=0.0)
    done = train(*parts[name], lambda _: fixed, r, tmp_path, log_every=5, quiet=True)
    assert done.finished
    assert done.step == 30
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [5, 10, 15, 20, 25, 30]
    assert lines[-1]["loss"] < 0.8 * lines[0]["loss"]


def test_averaged_weights_are_the_mean_the_formula_says(tmp_path):
    r = Recipe("line", batch=8, steps=3, warmup=0, ema=0.15, decay=0.0)
    torch.manual_seed(r.seed)
    expected = Line().state_dict()
    for until in (1, 2, 3):
        done = train(Line, squares, numbers, r, tmp_path, until=until, quiet=True)
        now = torch.load(checkpoints(tmp_path)[-1] / "weights.pt", weights_only=True)
        keep = min(0.15, until / (9 + until))
        for name, value in expected.items():
            expected[name] = keep * value + (1 - keep) * now[name] if value.is_floating_point() else now[name]
    for name, value in done.model.state_dict().items():
        torch.testing.assert_close(value, expected[name])
    assert int(done.model.seen) == 3
    assert not torch.equal(done.model.line.weight, now["line.weight"])


# Resuming


def test_a_resumed_run_ends_with_the_same_bytes(crops, tmp_path):
    def batches(step: int):
        return crops(5, step)

    whole = train(landmarker, LandmarkerLoss(), batches, SIX, tmp_path / "a", quiet=True)
    assert not train(landmarker, LandmarkerLoss(), batches, SIX, tmp_path / "b", until=3, quiet=True).finished
    again = train(landmarker, LandmarkerLoss(), batches, SIX, tmp_path / "b", quiet=True)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    for a, b in zip(whole.model.state_dict().values(), again.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_workers_give_the_same_bytes(tmp_path):
    train(Line, squares, numbers, SIX, tmp_path / "a", quiet=True)
    train(Line, squares, numbers, SIX, tmp_path / "b", workers=2, quiet=True)
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_a_killed_run_ends_with_the_same_bytes(tmp_path):
    """A process of its own, killed without warning once it has a checkpoint, then gone on with here."""
    train(Line, squares, slowly := numbers, replace(SIX, steps=40), tmp_path / "a", quiet=True, threads=1)
    code = (
        "import runpy, sys, time, pathlib\n"
        "t = runpy.run_path(sys.argv[1])\n"
        "def slowly(step):\n"
        "    time.sleep(0.02)\n"
        "    return t['numbers'](step)\n"
        "t['train'](t['Line'], t['squares'], slowly, t['replace'](t['SIX'], steps=40), pathlib.Path(sys.argv[2]),\n"
        "           checkpoint_minutes=0.0, quiet=True, threads=1)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, __file__, str(tmp_path / "b")])
    deadline = time.monotonic() + 60
    while child.poll() is None and time.monotonic() < deadline and not _step(tmp_path / "b") >= 5:
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert 5 <= _step(tmp_path / "b") < 40
    train(Line, squares, slowly, replace(SIX, steps=40), tmp_path / "b", quiet=True, threads=1)
    assert files(tmp_path / "a") == files(tmp_path / "b")


def _step(run: Path) -> int:
    return max((int(path.name.split("-")[1]) for path in checkpoints(run)), default=0)


def test_a_half_written_checkpoint_is_not_looked_at(tmp_path):
    train(Line, squares, numbers, SIX, tmp_path / "a", quiet=True)
    train(Line, squares, numbers, SIX, tmp_path / "b", until=4, quiet=True)
    part = tmp_path / "b" / ".checkpoint-000000005.part"
    part.mkdir()
    (part / "weights.pt").write_bytes(b"cut sho")
    train(Line, squares, numbers, SIX, tmp_path / "b", quiet=True)
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_the_log_has_each_step_once(tmp_path):
    train(Line, squares, numbers, SIX, tmp_path, until=4, log_every=1, quiet=True)
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"step": 5, "loss": 1.0}\n{"step": 6, "lo')          # what a kill leaves
    train(Line, squares, numbers, SIX, tmp_path, log_every=1, quiet=True)
    steps = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_a_time_limit_stops_with_a_checkpoint(tmp_path):
    done = train(Line, squares, numbers, SIX, tmp_path, minutes=0.0, quiet=True)
    assert (done.step, done.finished) == (1, False)
    net, step = load_average(tmp_path, Line())
    assert step == 1
    assert torch.equal(net.line.weight, done.model.line.weight)


def test_a_finished_run_is_left_alone(tmp_path):
    train(Line, squares, numbers, SIX, tmp_path, quiet=True)
    before = files(tmp_path)
    assert train(Line, squares, numbers, SIX, tmp_path, quiet=True).finished
    assert files(tmp_path) == before


# Bad things


def test_a_bad_batch_is_skipped_and_leaves_no_trace_in_the_averages(tmp_path):
    def batches(step: int):
        batch = numbers(step)
        return batch | {"image": batch["image"] * np.nan} if step == 2 else batch

    done = train(Line, squares, batches, SIX, tmp_path, log_every=6, quiet=True)
    assert done.finished
    assert all(torch.isfinite(v).all() for v in done.model.state_dict().values())
    assert json.loads((tmp_path / "log.jsonl").read_text())["bad"] == 1


def test_only_bad_batches_end_the_run(tmp_path):
    def batches(step: int):
        return {"image": np.full((8, 4), np.nan, np.float32), "y": np.zeros((8, 4))}

    with pytest.raises(PalmarError, match="not finite in 20 steps"):
        train(Line, squares, batches, replace(SIX, steps=100), tmp_path, quiet=True)


def test_another_recipe_or_network_is_refused(tmp_path):
    train(Line, squares, numbers, SIX, tmp_path, until=2, quiet=True)
    with pytest.raises(PalmarError, match=r"another recipe \(seed 3 there, 4 here\)"):
        train(Line, squares, numbers, replace(SIX, seed=4), tmp_path, quiet=True)
    with pytest.raises(PalmarError, match="another network"):
        train(lambda: nn.Linear(4, 4), squares, numbers, SIX, tmp_path, quiet=True)
    with pytest.raises(PalmarError, match="no checkpoint"):
        load_average(tmp_path / "nowhere", Line())


def test_settings_come_back(tmp_path):
    threads = torch.get_num_threads()
    train(Line, squares, numbers, SIX, tmp_path, threads=1, quiet=True)
    assert torch.get_num_threads() == threads


def test_cuda_that_is_not_there_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(PalmarError, match="no CUDA device"):
        train(Line, squares, numbers, SIX, tmp_path, device="cuda", quiet=True)


def test_progress_goes_to_stderr(tmp_path, capsys):
    train(Line, squares, numbers, SIX, tmp_path, log_every=3)
    out, err = capsys.readouterr()
    assert out == ""
    assert "landmarker 6/6" in err
    assert "0:00:00 left" in err
