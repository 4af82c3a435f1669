"""Weights: found, checked, opened; with small ONNX files made here."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from palmar import PalmarError
from palmar.tracking.networks import OnnxNetworks
from palmar.tracking.weights import open_session, read_weights

onnx = pytest.importorskip("onnx")


def node(op, inputs, outputs, **attributes):
    return onnx.helper.make_node(op, inputs, outputs, **attributes)


def constant(name, array):
    return onnx.numpy_helper.from_array(np.asarray(array), name)


def graph(nodes, initializers, outputs):
    one = onnx.TensorProto
    image = onnx.helper.make_tensor_value_info("image", one.UINT8, ["b", "h", "w", 3])
    made = [onnx.helper.make_tensor_value_info(name, one.FLOAT, shape) for name, shape in outputs.items()]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(nodes, "tiny", [image], made, initializers),
        opset_imports=[onnx.helper.make_opsetid("", 17)],
        ir_version=9,
    )
    onnx.checker.check_model(model)
    return model.SerializeToString()


def detector():
    """Score: mean red of a cell over 255; every box 16 to each edge; side: mean green; up."""
    nodes = [
        node("Cast", ["image"], ["f"], to=onnx.TensorProto.FLOAT),
        node("Transpose", ["f"], ["chw"], perm=[0, 3, 1, 2]),
        node("AveragePool", ["chw"], ["cells"], kernel_shape=[8, 8], strides=[8, 8]),
        node("Div", ["cells", "top"], ["share"]),
        node("Split", ["share"], ["red", "green", "blue"], axis=1),
        node("Squeeze", ["red", "axis"], ["score"]),
        node("Squeeze", ["green", "axis"], ["side"]),
        node("Unsqueeze", ["score", "last"], ["s1"]),
        node("Mul", ["s1", "zero"], ["s0"]),
        node("Add", ["s0", "edges"], ["box"]),
        node("Add", ["s0", "up"], ["direction"]),
    ]
    values = {
        "top": np.float32(255),
        "axis": np.array([1]),
        "last": np.array([3]),
        "zero": np.float32(0),
        "edges": np.full(4, 16, np.float32),
        "up": np.array([0, -1], np.float32),
    }
    return graph(
        nodes,
        [constant(k, v) for k, v in values.items()],
        {"score": ["b", "i", "j"], "box": ["b", "i", "j", 4], "side": ["b", "i", "j"], "direction": ["b", "i", "j", 2]},
    )


def landmarker():
    """A hand of fixed keypoints in every crop, there if the crop is red."""
    nodes = [
        node("Cast", ["image"], ["f"], to=onnx.TensorProto.FLOAT),
        node("ReduceMean", ["f"], ["mean"], axes=[1, 2], keepdims=0),
        node("Div", ["mean", "top"], ["share"]),
        node("Split", ["share"], ["red", "green", "blue"], axis=1),
        node("Squeeze", ["red", "axis"], ["presence"]),
        node("Squeeze", ["green", "axis"], ["side"]),
        node("Mul", ["presence", "zero"], ["none"]),
    ]
    values = {"top": np.float32(255), "axis": np.array([1]), "zero": np.float32(0)}
    fixed = {
        "keypoints": KEYPOINTS,
        "sigma": np.full(21, 2.0),
        "rotations": np.tile(np.eye(3), (16, 1, 1)),
        "shape": np.zeros(10),
    }
    outputs = {"presence": ["b"], "side": ["b"]}
    for name, array in fixed.items():
        values[f"{name}_value"] = array.astype(np.float32)[None]
        values[f"{name}_axes"] = np.arange(1, array.ndim + 1)
        nodes += [
            node("Unsqueeze", ["none", f"{name}_axes"], [f"{name}_none"]),
            node("Add", [f"{name}_none", f"{name}_value"], [name]),
        ]
        outputs[name] = ["b", *array.shape]
    return graph(nodes, [constant(k, v) for k, v in values.items()], outputs)


KEYPOINTS = np.stack([64 + 25 * np.sin(np.arange(21)), 104 - 4 * np.arange(21)], -1)


@pytest.fixture
def folder(tmp_path):
    for name, data in (("detector", detector()), ("landmarker", landmarker())):
        (tmp_path / f"{name}.onnx").write_bytes(data)
        (tmp_path / f"{name}.json").write_text(json.dumps({"name": name, "sha256": hashlib.sha256(data).hexdigest()}))
    return tmp_path


def test_networks_run_from_a_folder(folder):
    networks = OnnxNetworks(folder, threads=1)
    assert networks.hashes == {
        n: hashlib.sha256((folder / f"{n}.onnx").read_bytes()).hexdigest() for n in ("detector", "landmarker")
    }
    image = np.zeros((480, 640, 3), np.uint8)
    image[200:280, 300:380] = (255, 230, 0)
    found = networks.detect(image)
    assert len(found) >= 1
    assert np.abs((found.box[0, :2] + found.box[0, 2:]) / 2 - (340, 240)).max() < 27  # a cell's width
    assert found.side[0] > 0.8

    from palmar.geometry.crop import Crop

    crops = [Crop((340.0, 240.0), 64.0), Crop((100.0, 100.0), 64.0)]
    seen = networks.landmarks(image, crops)
    np.testing.assert_allclose(seen.presence, [1, 0], atol=1e-3)
    np.testing.assert_allclose(seen.keypoints[0], crops[0].to_image(KEYPOINTS), atol=1e-4)
    np.testing.assert_allclose(seen.keypoints[1], crops[1].to_image(KEYPOINTS), atol=1e-4)
    np.testing.assert_allclose(seen.rotations, np.broadcast_to(np.eye(3), (2, 16, 3, 3)))


def test_any_number_of_crops_is_one_run(folder):
    from palmar.geometry.crop import Crop

    networks = OnnxNetworks(folder, threads=1)
    image = np.zeros((64, 64, 3), np.uint8)
    for n in (1, 3, 2, 7):
        assert len(networks.landmarks(image, [Crop((30.0, 30.0), 40.0)] * n)) == n


def test_a_changed_file_is_refused(folder):
    file = folder / "landmarker.onnx"
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(PalmarError, match=r"landmarker\.onnx: wrong weights file: its sha256"):
        OnnxNetworks(folder)


@pytest.mark.parametrize("name", ["detector.onnx", "detector.json"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(PalmarError, match=rf"{name}: no such file"):
        OnnxNetworks(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", "not json", '{"sha256": null}'])
def test_a_card_that_is_none_is_refused(folder, text):
    (folder / "detector.json").write_text(text)
    with pytest.raises(PalmarError, match=r"detector\.(json|onnx)"):
        OnnxNetworks(folder)


def test_what_is_no_network_is_refused(folder):
    for data, match in ((b"not onnx", "cannot open"), (landmarker(), "no output score")):
        (folder / "detector.onnx").write_bytes(data)
        (folder / "detector.json").write_text(json.dumps({"sha256": hashlib.sha256(data).hexdigest()}))
        with pytest.raises(PalmarError, match=match):
            OnnxNetworks(folder)


def test_a_device_is_never_another_one(folder):
    weights = read_weights("detector", folder)
    with pytest.raises(PalmarError, match=r"unknown device 'gpu'"):
        open_session(weights, device="gpu")
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(PalmarError, match="onnxruntime-gpu"):
            open_session(weights, device="cuda")


def test_the_landmarker_in_eight_bits_is_another_file(tiny_weights, tmp_path):
    for file in tiny_weights.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(PalmarError, match=r"landmarker-int8\.onnx: no such file"):
        OnnxNetworks(tmp_path, int8=True)
    data = (tmp_path / "landmarker.onnx").read_bytes()
    card = {"name": "landmarker-int8", "sha256": hashlib.sha256(data).hexdigest()}
    (tmp_path / "landmarker-int8.onnx").write_bytes(data)
    (tmp_path / "landmarker-int8.json").write_text(json.dumps(card))
    assert OnnxNetworks(tmp_path, int8=True).cards["landmarker"]["name"] == "landmarker-int8"
    assert OnnxNetworks(tmp_path).cards["landmarker"]["name"] == "landmarker"
