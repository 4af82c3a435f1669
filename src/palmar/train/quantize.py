"""Eight-bit variants of the networks' files: convolutions in int8, all else as it was.

Static quantisation (Jacob et al. 2018): weights per output channel, activations per tensor with ranges seen on
calibration pictures. On processors with VNNI or the like a landmarker runs two to three times as fast on one core.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from palmar.errors import PalmarError, need

CHUNK = 32
"""Calibration pictures that run at a time."""


class _Pictures:
    """What ONNX Runtime's calibrator reads from."""

    def __init__(self, images: np.ndarray) -> None:
        self._chunks: Iterator[np.ndarray] = iter(np.array_split(images, max(1, len(images) // CHUNK)))

    def get_next(self) -> dict[str, np.ndarray] | None:
        chunk = next(self._chunks, None)
        return None if chunk is None else {"image": chunk}


def quantized(data: bytes, images: UInt8[np.ndarray, "b h w 3"]) -> bytes:
    """A network's ONNX file with its convolutions in int8.

    images: what the network will see, a few hundred; ranges are taken from them. Raises PalmarError where the file is
    no network with convolutions.
    """
    onnx = need("onnx", extra="torch")
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    CalibrationDataReader.register(_Pictures)
    with tempfile.TemporaryDirectory() as folder, _quiet():
        whole, ready, small = (Path(folder) / f"{name}.onnx" for name in ("whole", "ready", "small"))
        whole.write_bytes(data)
        try:
            quant_pre_process(str(whole), str(ready), skip_symbolic_shape=True)
        except Exception as err:  # ONNX Runtime has no common class for its errors
            raise PalmarError(f"not a network that can be quantised ({err}).") from err
        nodes = [node.name for node in onnx.load(str(ready)).graph.node if node.op_type == "Conv"]
        if not nodes:
            raise PalmarError("this network has no convolutions to quantise.")
        quantize_static(
            str(ready),
            str(small),
            _Pictures(images),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,  # seven bits: processors without VNNI add pairs of products in 16 bits
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=nodes,
            calibrate_method=CalibrationMethod.MinMax,
        )
        return small.read_bytes()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """ONNX Runtime's quantiser gives advice on the root logger that does not fit here."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(before)
