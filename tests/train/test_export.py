"""The files: the same numbers as the network, the outputs the tracker reads, and a card that names the bytes."""

from __future__ import annotations

import hashlib
import json
import math

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from palmar.errors import PalmarError
from palmar.nn.detector import Detector, DetectorConfig
from palmar.nn.landmarker import Landmarker, LandmarkerConfig
from palmar.train import export as exporting
from palmar.train.export import Provenance, export, sigma_scale
from palmar.train.loop import Recipe

RECIPE = Recipe("tiny", seed=7, batch=4, steps=10)
LICENCES = [{"name": "hand", "licence": "CC0-1.0"}]


def used(net: nn.Module) -> nn.Module:
    """Statistics and weights as after some training, so that folding them wrong would show."""
    torch.manual_seed(0)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.3, 1)
            nn.init.normal_(module.bias, 0, 0.2)
    return net.eval()


@pytest.fixture(scope="module")
def landmarker() -> Landmarker:
    return used(Landmarker(LandmarkerConfig(64, 4, (4, 6, 8, 8), (1, 1, 1, 1), 6, 4, 4, 16)))


@pytest.fixture(scope="module")
def detector() -> Detector:
    return used(Detector(DetectorConfig(4, (4, 6, 8, 8), (1, 1, 1, 1), 6)))


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)


def answers(path, image: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": image}), strict=True))


@pytest.mark.plain  # tracing passes tensors where numbers stand
@pytest.mark.parametrize("count", [1, 5])
def test_landmarker_file(landmarker, tmp_path, count):
    export(landmarker, tmp_path / "landmarker.onnx", Provenance(RECIPE, 10, LICENCES, {}), scale=1.7)
    image = images(count, 64, 64)
    found = answers(tmp_path / "landmarker.onnx", image)
    with torch.no_grad():
        net = landmarker(torch.as_tensor(image))
    assert list(found) == ["keypoints", "sigma", "presence", "side", "rotations", "shape"]
    np.testing.assert_allclose(found["keypoints"], net.keypoints, atol=1e-3)
    np.testing.assert_allclose(found["sigma"], 1.7 * net.log_sigma.exp(), atol=1e-3)
    np.testing.assert_allclose(found["presence"], torch.sigmoid(net.presence), atol=1e-4)
    np.testing.assert_allclose(found["side"], torch.sigmoid(net.side), atol=1e-4)
    np.testing.assert_allclose(found["rotations"], net.rotations, atol=1e-4)
    np.testing.assert_allclose(found["shape"], net.shape, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 160, 192), (2, 96, 32)])
def test_detector_file(detector, tmp_path, shape):
    export(detector, tmp_path / "detector.onnx", Provenance(RECIPE, 10, LICENCES, {}))
    image = images(*shape)
    found = answers(tmp_path / "detector.onnx", image)
    with torch.no_grad():
        net = detector(torch.as_tensor(image))
    assert list(found) == ["score", "box", "side", "direction"]
    np.testing.assert_allclose(found["score"], torch.sigmoid(net.score), atol=1e-4)
    np.testing.assert_allclose(found["box"], net.box, atol=1e-3)
    np.testing.assert_allclose(found["side"], torch.sigmoid(net.side), atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(found["direction"], axis=-1), 1.0, atol=1e-4)
    cosine = (found["direction"] * net.direction.numpy()).sum(-1) / net.direction.norm(dim=-1).numpy()
    np.testing.assert_allclose(cosine, 1.0, atol=1e-4)


@pytest.mark.plain  # tracing passes tensors where numbers stand
def test_the_card_names_the_bytes_and_their_making(landmarker, tmp_path):
    provenance = Provenance(RECIPE, 10, LICENCES, {"auc": 0.5}, world="synth 1, seed 0")
    card = export(landmarker, tmp_path / "a" / "landmarker.onnx", provenance, scale=2.0)
    data = (tmp_path / "a" / "landmarker.onnx").read_bytes()
    assert json.loads((tmp_path / "a" / "landmarker.json").read_text()) == json.loads(json.dumps(card))
    assert card["sha256"] == hashlib.sha256(data).hexdigest()
    assert (card["bytes"], card["seed"], card["steps"], card["samples"]) == (len(data), 7, 10, 40)
    assert card["recipe"]["name"] == "tiny"
    assert card["figures"] == {"auc": 0.5}
    assert card["licences"] == LICENCES
    assert LandmarkerConfig(**{k: v for k, v in card["network"].items() if k != "class"}) == landmarker.config
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["landmarker.json", "landmarker.onnx"]


def test_exporting_twice_gives_the_same_bytes(detector, tmp_path):
    cards = [export(detector, tmp_path / f"{n}.onnx", Provenance(RECIPE, 1, LICENCES, {})) for n in "ab"]
    assert cards[0]["sha256"] == cards[1]["sha256"]


def test_a_file_that_answers_otherwise_is_not_written(detector, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "parity", lambda *_: 0.01)
    with pytest.raises(PalmarError, match="answers otherwise"):
        export(detector, tmp_path / "detector.onnx", Provenance(RECIPE, 1, LICENCES, {}))
    assert list(tmp_path.iterdir()) == []


def test_sigma_scale_finds_the_factor_that_was_left_out():
    rng = np.random.default_rng(0)
    sigma = rng.uniform(1, 5, 20_000)
    error = np.linalg.norm(rng.normal(size=(20_000, 2)) * 1.8 * sigma[:, None], axis=1)
    assert math.isclose(sigma_scale(error, sigma), 1.8, rel_tol=0.02)
    error[:1000] = 500.0                                       # wild ones hardly move it
    assert math.isclose(sigma_scale(error, sigma), 1.8, rel_tol=0.06)
    with pytest.raises(PalmarError, match="no keypoints"):
        sigma_scale(np.zeros(0), np.zeros(0))
