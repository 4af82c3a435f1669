"""EffHandEgoNet as the file that `reader` opens: ONNX with keypoints in its outputs, and a card."""

from __future__ import annotations

import hashlib
import io
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from palmar.errors import PalmarError, need
from palmar.methods.effhandegonet.model import EffHandEgoNet
from palmar.methods.effhandegonet.objective import keypoints_of
from palmar.methods.effhandegonet.reader import NAME, OUTPUTS
from palmar.train.export import OPSET, PARITY, commit


class EgoNetFile(nn.Module):
    """The network of two hands with the outputs of effhandegonet.onnx: keypoints in pixels of its input, the height of
    each joint's heat, the probability of each hand."""

    def __init__(self, net: EffHandEgoNet) -> None:
        super().__init__()
        if net.config.hands != 2:
            raise PalmarError("effhandegonet.onnx holds the network of two hands; this one has one.")
        self.net = net

    def forward(
        self, image: UInt8[Tensor, "b H W 3"]
    ) -> tuple[Float[Tensor, "b 2 21 2"], Float[Tensor, "b 2 21"], Float[Tensor, "b 2"]]:
        found = self.net(image)
        assert found.flags is not None
        config = self.net.config
        keypoints, height = keypoints_of(found.maps, 4.0, config.sigma, compatible=config.compatible)
        return keypoints, height, found.flags.softmax(-1)[..., 1]


def export_ego(
    net: EffHandEgoNet,
    folder: Path,
    *,
    licences: Sequence[Mapping[str, str]],
    training: Mapping[str, Any],
    figures: Mapping[str, Any],
    notes: str = "",
) -> dict[str, Any]:
    """Writes effhandegonet.onnx and effhandegonet.json in `folder`; answers with the card.

    licences: everything that touched the weights. training: recipe, steps, data, what it began from.
    Raises PalmarError where ONNX Runtime's answers differ from the network's.
    """
    need("onnx", extra="torch")
    file = EgoNetFile(net.cpu()).eval()
    config = net.config
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (b, config.height, config.width, 3), dtype=np.uint8) for b in (1, 3)]
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracing exporter announces its successor
        torch.onnx.export(
            file,
            (torch.as_tensor(images[0]),),
            buffer,  # type: ignore[arg-type]
            input_names=["image"],
            output_names=list(OUTPUTS),
            dynamic_axes={name: {0: "b"} for name in ("image", *OUTPUTS)},
            opset_version=OPSET,
            dynamo=False,
        )
    data = buffer.getvalue()
    gap = max(_parity(file, data, image) for image in images)
    if not gap < PARITY:
        raise PalmarError(f"{folder}: the ONNX file answers otherwise than the network, by {gap:.2g} ({PARITY:g}).")
    card = {
        "name": NAME,
        "precision": "float32",
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "opset": OPSET,
        "inputs": {"image": f"uint8 [b, {config.height}, {config.width}, 3] RGB, a frame stretched to it"},
        "outputs": list(OUTPUTS),
        "network": {"class": type(net).__name__, **asdict(config)},
        "parameters": sum(p.numel() for p in net.parameters()),
        **training,
        "commit": commit(),
        "made_with": {"torch": torch.__version__, "onnx": need("onnx", extra="torch").__version__},
        "parity": gap,
        "figures": dict(figures),
        "licences": [dict(row) for row in licences],
        "notes": notes,
    }
    folder.mkdir(parents=True, exist_ok=True)
    text = (json.dumps(card, indent=1) + "\n").encode()
    for name, content in ((f"{NAME}.onnx", data), (f"{NAME}.json", text)):
        part = folder / f".{name}.part"
        part.write_bytes(content)
        os.replace(part, folder / name)
    return card


def _parity(file: EgoNetFile, data: bytes, image: np.ndarray) -> float:
    """Largest difference of heights and probabilities, and of keypoints where the highest cell is not a near tie."""
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = [t.numpy() for t in file(torch.as_tensor(image))]
        maps = file.net(torch.as_tensor(image)).maps.flatten(-2)
    found = [np.asarray(a) for a in session.run(list(OUTPUTS), {"image": image})]
    two = maps.topk(2).values
    clear = (two[..., 0] - two[..., 1] > 1e-4).numpy()
    gaps = [np.abs(f - e) for f, e in zip(found, expected, strict=True)]
    return max(float(gaps[0][clear].max(initial=0.0)), float(gaps[1].max()), float(gaps[2].max()))
