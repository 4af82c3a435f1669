"""Beginning a run from finished weights: the network answers as the file does, and trains on from there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from palmar.errors import PalmarError
from palmar.nn.detector import Detector, DetectorConfig
from palmar.nn.landmarker import Landmarker, LandmarkerConfig
from palmar.train.export import DetectorFile, LandmarkerFile, to_onnx
from palmar.train.start import digest_of, inherited, keep_lineage, lineage_of, start_from

SMALL = {"stem": 4, "widths": (4, 8, 8), "blocks": (1, 1, 0), "pyramid": 8}


def build(kind: type[nn.Module]) -> nn.Module:
    if kind is Detector:
        return Detector(DetectorConfig(**SMALL))
    return Landmarker(LandmarkerConfig(size=32, gathered=4, squeezed=4, hidden=16, **SMALL))


def images(count: int, seed: int = 0) -> Tensor:
    rng = np.random.default_rng(seed)
    smooth = rng.uniform(0, 255, (count, 4, 4, 3)).repeat(8, 1).repeat(8, 2)
    return torch.from_numpy((0.7 * smooth + 0.3 * rng.uniform(0, 255, (count, 32, 32, 3))).astype(np.uint8))


@pytest.fixture(params=[Detector, Landmarker], ids=["detector", "landmarker"])
def trained(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[nn.Module, Path]:
    """A network whose batch norms have seen something, and its file."""
    torch.manual_seed(1)
    net = build(request.param)
    for parameter in net.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    with torch.no_grad():
        for seed in range(20):
            net.train()(images(16, seed))
    net.eval()
    file = tmp_path / "net.onnx"
    wrapped = DetectorFile(net) if isinstance(net, Detector) else LandmarkerFile(net)
    file.write_bytes(to_onnx(wrapped, images(1).numpy()))
    return net, file


def gap(a: tuple[Tensor, ...], b: tuple[Tensor, ...]) -> float:
    return max(float((x - y).abs().max() / (1 + y.abs().max())) for x, y in zip(a, b, strict=True))


@torch.no_grad()
def test_it_answers_as_the_file_does(trained: tuple[nn.Module, Path]) -> None:
    net, file = trained
    torch.manual_seed(2)
    other = build(type(net))
    seen = images(8, 99)
    assert gap(other.eval()(seen), net(seen)) > 1e-2
    start_from(other, file, images(64, 50))
    assert gap(other.eval()(seen), net(seen)) < 1e-4


@torch.no_grad()
def test_it_answers_alike_in_training(trained: tuple[nn.Module, Path]) -> None:
    """Batch norms then use the statistics of the batch: those of the calibration pictures, where they are the batch."""
    net, file = trained
    other, seen = build(type(net)), images(64, 50)
    start_from(other, file, seen)
    assert gap(other.train()(seen), net(seen)) < 2e-3


def test_a_file_of_another_network_is_refused(trained: tuple[nn.Module, Path]) -> None:
    _, file = trained
    wider = Detector(DetectorConfig(**{**SMALL, "stem": 6}))
    deeper = Detector(DetectorConfig(**{**SMALL, "blocks": (2, 1, 0)}))
    for other in (wider, deeper):
        with pytest.raises(PalmarError, match=r"net\.onnx"):
            start_from(other, file, images(2))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a network")
    with pytest.raises(PalmarError, match=r"broken\.onnx"):
        start_from(build(Detector), broken, images(1))
    with pytest.raises(PalmarError, match="cannot be read"):
        digest_of(tmp_path / "missing.onnx")
    with pytest.raises(PalmarError, match="no checkpoint"):
        digest_of(tmp_path)


def test_the_card_tells_what_the_weights_went_through(tmp_path: Path) -> None:
    """Weights of a file that itself began from others, and then of a run that began from that file."""
    file, run = tmp_path / "net.onnx", tmp_path / "run"
    file.write_bytes(b"weights")
    first = {"start": "0" * 16, "samples": 40}
    card = {"began_from": [first], "recipe": {"batch": 4}, "steps": 5, "commit": "abc"}
    file.with_suffix(".json").write_text(json.dumps(card))
    rows = lineage_of(file)
    assert rows[0] == first
    assert rows[1] == {"start": digest_of(file), "samples": 20, "steps": 5, "commit": "abc", "recipe": {"batch": 4}}

    keep_lineage(run, file)
    (run / "recipe.json").write_text(json.dumps({"batch": 8}))
    (run / "checkpoint-000000007").mkdir()
    (run / "checkpoint-000000007" / "average.pt").write_bytes(b"others")
    assert [row["samples"] for row in lineage_of(run)] == [40, 20, 56]


def test_weights_without_a_card_are_named_by_their_hash(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"weights")
    assert lineage_of(tmp_path / "net.onnx") == [{"start": digest_of(tmp_path / "net.onnx")}]
    (tmp_path / "net.json").write_text("[]")
    with pytest.raises(PalmarError, match=r"net\.json"):
        lineage_of(tmp_path / "net.onnx")


def test_what_touched_the_beginning_touched_the_end():
    own = [{"name": "palmar", "licence": "Apache-2.0", "what": "code"}]
    photographs = {"name": "rooms", "licence": "Apache-2.0", "what": "photograph"}
    lineage = [
        {"start": "a", "licences": [*own, photographs]},
        {"start": "b"},
        {"start": "c", "licences": [photographs]},
    ]
    assert inherited(lineage, own) == [*own, photographs]
