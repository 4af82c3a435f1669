"""Eight-bit files: nearly the same answers, a quarter of the convolutions' bytes, another hash."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from palmar.errors import PalmarError
from palmar.nn.detector import Detector, DetectorConfig
from palmar.train.export import DetectorFile, Provenance, export, to_onnx
from palmar.train.loop import Recipe
from palmar.train.quantize import quantized


def pictures(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (count, 8, 8, 3)).repeat(8, 1).repeat(8, 2)
    return (0.8 * coarse + 0.2 * rng.uniform(0, 255, coarse.shape)).astype(np.uint8)


@pytest.fixture(scope="module")
def detector() -> Detector:
    torch.manual_seed(3)
    net = Detector(DetectorConfig(8, (8, 16, 16), (1, 1, 1), 16))
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.normal_(module.bias, 0.0, 0.2)
    with torch.no_grad():
        for seed in range(30):
            net.train()(torch.from_numpy(pictures(8, seed)))
    return net.eval()


@pytest.fixture(scope="module")
def files(detector: Detector) -> tuple[bytes, bytes]:
    data = to_onnx(DetectorFile(detector), pictures(1, 0))
    return data, quantized(data, pictures(64, 100))


def answers(data: bytes, image: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["box"], {"image": image})[0])


@pytest.mark.plain  # tracing passes tensors where numbers stand
def test_the_answers_hardly_change(files: tuple[bytes, bytes]) -> None:
    whole, small = (answers(data, pictures(16, 200)) for data in files)
    change = np.abs(np.log(small / whole))
    assert 1e-5 < np.median(change) < 0.25 * np.log(whole).std()


@pytest.mark.plain
def test_every_convolution_is_in_eight_bits(files: tuple[bytes, bytes]) -> None:
    graph = onnx.load_from_string(files[1]).graph
    kinds = {i.name: i.data_type for i in graph.initializer}
    makes = {name: node for node in graph.node for name in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convolutions) == sum(n.op_type == "Conv" for n in onnx.load_from_string(files[0]).graph.node)
    for node in convolutions:
        weight = makes[node.input[1]]
        assert weight.op_type == "DequantizeLinear"
        assert kinds[weight.input[0]] == onnx.TensorProto.INT8


@pytest.mark.plain
def test_the_card_says_so(detector: Detector, tmp_path: Path) -> None:
    provenance = Provenance(Recipe("tiny"), 1, [], {})
    card = export(detector, tmp_path / "detector.onnx", provenance, int8=pictures(32, 0))
    assert json.loads(json.dumps(card)) == json.loads((tmp_path / "detector.json").read_text())
    assert card["precision"] == "convolutions int8, calibrated on 32 pictures"
    assert card["sha256"] == hashlib.sha256((tmp_path / "detector.onnx").read_bytes()).hexdigest()


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(PalmarError, match="quantised"):
        quantized(b"no network", pictures(2, 0))
