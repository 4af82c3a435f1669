"""What all tests share: a closed network, two runs (plain, and with every shape checked), and networks that are tiny.

The checked run is `pytest --checked`: arguments and results of every annotated function are then compared with their
types and shapes. Tests of our own errors, where the checker speaks first, and those that start a Python of their own
(marked `plain`) belong to the plain run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from beartype import BeartypeConf, beartype
from hypothesis import settings
from jaxtyping import TypeCheckError, install_import_hook

CLOSED = Path(__file__).parent / "closed"
runpy.run_path(str(CLOSED / "sitecustomize.py"))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(CLOSED), os.environ.get("PYTHONPATH")]))

settings.register_profile("palmar", deadline=None, max_examples=50)  # a busy machine is not a wrong answer
settings.load_profile("palmar")


@pytest.fixture
def one_thread():
    """PyTorch on one: small networks are faster so, and far faster where the other core is busy."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--checked", action="store_true", help="check types and shapes of every annotated function of palmar"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "plain: not in the run with checked types and shapes")
    if config.getoption("checked"):
        checker = ModuleType("palmar_checker")  # an int where a float is asked for is fine (PEP 484)
        checker.check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # type: ignore[attr-defined]
        sys.modules[checker.__name__] = checker
        install_import_hook(_modules_to_check(), "palmar_checker.check")
        pytest.raises = _raises(pytest.raises)


def _raises(plain: Any) -> Any:
    """`pytest.raises` that skips a test in which the checker was faster than the PalmarError that is expected."""

    class Raises:
        def __init__(self, *words: Any, **options: Any) -> None:
            self.context = plain(*words, **options)
            self.ours = getattr(words[0], "__name__", "") == "PalmarError"

        def __enter__(self) -> Any:
            return self.context.__enter__()

        def __exit__(self, kind: Any, error: Any, trace: Any) -> Any:
            if self.ours and isinstance(error, TypeCheckError):
                pytest.skip("the checker speaks before our own error")
            return self.context.__exit__(kind, error, trace)

    return Raises


def _modules_to_check() -> list[str]:
    """All modules of palmar but those with compiled functions, as Numba takes plain ones only, and `Hands`, which
    itself converts and checks what it is given."""
    spec = importlib.util.find_spec("palmar")
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent
    files = [path for path in root.rglob("*.py") if "njit" not in path.read_text(encoding="utf-8")]
    files.remove(root / "types" / "hands.py")
    return [
        ".".join(["palmar", *path.relative_to(root).with_suffix("").parts])
        for path in files
        if path.name != "__init__.py"
    ]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("checked"):
        return
    for item in items:
        if item.get_closest_marker("plain"):
            item.add_marker(pytest.mark.skip(reason="belongs to the plain run"))


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for `palmar track --weights`: a hand where a picture is bright, always in the same pose."""
    folder = tmp_path_factory.mktemp("tiny-weights")
    for name, data in (("detector", _tiny_detector()), ("landmarker", _tiny_landmarker())):
        (folder / f"{name}.onnx").write_bytes(data)
        card = {"name": name, "sha256": hashlib.sha256(data).hexdigest(), "world": "none", "licences": []}
        (folder / f"{name}.json").write_text(json.dumps(card))
    return folder


def _tiny_detector() -> bytes:
    """score: brightness of a cell over 255; box: 20 pixels each way; a right hand, upright."""
    steps = [
        ("Cast", ["image"], "float", {"to": 1}),
        ("Transpose", ["float"], "planes", {"perm": [0, 3, 1, 2]}),
        ("AveragePool", ["planes"], "cells", {"kernel_shape": [8, 8], "strides": [8, 8]}),
        ("ReduceMean", ["cells"], "mean", {"axes": [1], "keepdims": 0}),
        ("Div", ["mean", "white"], "score", {}),
        ("Mul", ["score", "nothing"], "zero", {}),
        ("Add", ["zero", "sure"], "side", {}),
        ("Unsqueeze", ["zero", "last"], "zeros", {}),
        ("Add", ["zeros", "edges"], "box", {}),
        ("Add", ["zeros", "up"], "direction", {}),
    ]
    values = {"white": 255.0, "nothing": 0.0, "sure": 0.9, "edges": [20.0] * 4, "up": [0.0, -1.0]}
    outputs = {"score": 3, "box": 4, "side": 3, "direction": 4}
    return _onnx(steps, {**values, "last": np.array([3])}, outputs)


def _tiny_landmarker() -> bytes:
    """The same right hand in every crop, around what is bright in it: at rest, fingers up, palm to the camera, far
    away."""
    from palmar.hand import HandModel

    rotations = np.tile(np.eye(3), (16, 1, 1))
    rotations[0] = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    joints = HandModel.default().shaped(np.zeros(10)).posed(rotations).joints()[:, :2]
    middle, longer = (joints.min(0) + joints.max(0)) / 2, np.ptp(joints, axis=0).max()
    fixed: dict[str, Any] = {"sigma": np.full(21, 2.0), "side": 0.95, "rotations": rotations, "shape": np.zeros(10)}
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("Cast", ["image"], "float", {"to": 1}),
        ("ReduceMean", ["float"], "light", {"axes": [3], "keepdims": 0}),
        ("Sub", ["light", "dark"], "above", {}),
        ("Relu", ["above"], "glow", {}),
        ("ReduceMax", ["glow"], "peak", {"axes": [1, 2], "keepdims": 0}),
        ("Div", ["peak", "most"], "presence", {}),
        ("ReduceMean", ["glow"], "mean", {"axes": [1, 2], "keepdims": 1}),
        ("Add", ["mean", "little"], "mass", {}),
        ("Unsqueeze", ["glow", "last"], "glows", {}),
        ("Mul", ["glows", "places"], "moments", {}),
        ("ReduceMean", ["moments"], "moment", {"axes": [1, 2], "keepdims": 0}),
        ("Unsqueeze", ["moment", "second"], "moment3", {}),
        ("Div", ["moment3", "mass"], "centre", {}),
        ("Add", ["centre", "hand"], "keypoints", {}),
        ("Mul", ["peak", "nothing"], "zero", {}),
    ]
    places = np.stack(np.meshgrid(np.arange(128.0), np.arange(128.0)), -1)
    values: dict[str, Any] = {
        "dark": 100.0, "most": 156.0, "little": 1e-6, "nothing": 0.0, "places": places[None], "second": np.array([1]),
        "last": np.array([3]), "hand": (joints - middle)[None] * (128 / 1.6 / longer),
    }  # fmt: skip
    for name, value in fixed.items():
        values[f"{name}_value"] = np.asarray(value)[None]
        values[f"{name}_axes"] = np.arange(1, np.ndim(value) + 1)
        steps += [
            ("Unsqueeze", ["zero", f"{name}_axes"], f"{name}_zero", {}),
            ("Add", [f"{name}_zero", f"{name}_value"], name, {}),
        ]
    axes = {name: np.ndim(value) + 1 for name, value in fixed.items()}
    return _onnx(steps, values, {"keypoints": 3, "presence": 1, **axes})


def _onnx(
    steps: list[tuple[str, list[str], str, dict[str, Any]]], values: dict[str, Any], outputs: dict[str, int]
) -> bytes:
    """A network of steps (operator, inputs, output, attributes), constants, and outputs with their number of axes."""
    onnx = pytest.importorskip("onnx")
    nodes = [onnx.helper.make_node(kind, inputs, [output], **more) for kind, inputs, output, more in steps]
    arrays = {name: np.asarray(value) for name, value in values.items()}
    kinds = {"f": np.float32, "i": np.int64}
    constants = [onnx.numpy_helper.from_array(a.astype(kinds[a.dtype.kind]), name) for name, a in arrays.items()]
    image = onnx.helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, ["b", "h", "w", 3])
    found = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None] * axes)
        for name, axes in outputs.items()
    ]
    graph = onnx.helper.make_graph(nodes, "tiny", [image], found, constants)
    opsets = [onnx.helper.make_opsetid("", 17)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
