"""From a trained network to a file: ONNX with the outputs the tracker reads, and a card that says where it comes from.

Input of both is `image`, uint8 RGB [b, H, W, 3]. Logits become probabilities here, logarithms standard deviations,
directions unit vectors; the batch is free, for the detector height and width too (multiples of 32).
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import subprocess
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from palmar.errors import PalmarError, need
from palmar.media import whole_file
from palmar.nn.detector import Detector
from palmar.nn.landmarker import Landmarker
from palmar.nn.objects import ObjectDetector
from palmar.train.loop import Recipe
from palmar.train.quantize import quantized

OPSET = 17
PARITY = 1e-3
"""Largest difference between the file and the network that `export` lets pass, in the output's own unit."""


class LandmarkerFile(nn.Module):
    """The landmarker with the outputs of landmarker.onnx; its sigma times what `sigma_scale` measured."""

    outputs = ("keypoints", "sigma", "presence", "side", "rotations", "shape")

    def __init__(self, net: Landmarker, sigma_scale: float = 1.0) -> None:
        super().__init__()
        self.net, self.log_scale = net, math.log(sigma_scale)

    def forward(self, image: UInt8[Tensor, "b s s 3"]) -> tuple[Tensor, ...]:
        found = self.net(image)
        sigma = (found.log_sigma + self.log_scale).exp()
        return found.keypoints, sigma, found.presence.sigmoid(), found.side.sigmoid(), found.rotations, found.shape


class DetectorFile(nn.Module):
    """The detector with the outputs of detector.onnx."""

    outputs = ("score", "box", "side", "direction")

    def __init__(self, net: Detector) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: UInt8[Tensor, "b H W 3"]) -> tuple[Tensor, ...]:
        found = self.net(image)
        return found.score.sigmoid(), found.box, found.side.sigmoid(), F.normalize(found.direction, dim=-1, eps=1e-6)


class ObjectFile(nn.Module):
    """The detector of used objects with the outputs of objects.onnx."""

    outputs = ("score", "box", "kind")

    def __init__(self, net: ObjectDetector) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: UInt8[Tensor, "b H W 3"]) -> tuple[Tensor, ...]:
        found = self.net(image)
        return found.score.sigmoid(), found.box, found.kind.softmax(-1)


File = LandmarkerFile | DetectorFile | ObjectFile


def sigma_scale(error: Float[np.ndarray, " n"], sigma: Float[np.ndarray, " n"]) -> float:
    """Factor for sigma after which half of the errors lie where a Gaussian says half of them do.

    error: distances between keypoint and truth, sigma: as the network gave it, both in pixels. The distance in the
    plane over sigma has the Rayleigh distribution, whose median is sqrt(2 ln 2). The median, because a few wild
    errors shall not make the confidence of all others low.
    """
    if error.size == 0:
        raise PalmarError("sigma_scale: no keypoints to calibrate on; pass at least one.")
    return float(np.median(error / sigma) / math.sqrt(2 * math.log(2)))


@dataclass(frozen=True)
class Provenance:
    """What a card says besides what is measured from the file itself."""

    recipe: Recipe
    steps: int
    """Steps taken."""
    licences: Sequence[Mapping[str, str]]
    """Everything that touched the weights: name, version, SPDX licence, what it gave."""
    figures: Mapping[str, Any]
    """Measured quality, name -> number or table."""
    world: str = ""
    """Names the samples: generator, its version and seed."""
    notes: str = ""
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Names that the outputs' numbers stand for: of the detector of objects, "objects", "none" first."""
    began_from: Sequence[Mapping[str, Any]] = ()
    """Earlier runs whose weights this one went on from, oldest first (`palmar.train.start.lineage_of`)."""


def export(
    net: Landmarker | Detector | ObjectDetector,
    path: Path,
    provenance: Provenance,
    *,
    scale: float = 1.0,
    int8: UInt8[np.ndarray, "b H W 3"] | None = None,
) -> dict[str, Any]:
    """Writes `path` (.onnx) and the card beside it (.json), whole or not at all; answers with the card.

    scale: the landmarker's `sigma_scale`. int8: calibration pictures, for a file whose convolutions are quantised.
    Raises PalmarError where ONNX Runtime's answers, before that, differ from the network's.
    """
    net = net.cpu().eval()
    file: File
    if isinstance(net, Landmarker):
        file, sizes = LandmarkerFile(net, scale), [(count, net.config.size, net.config.size) for count in (1, 3)]
    else:
        file, sizes = (
            (DetectorFile(net) if isinstance(net, Detector) else ObjectFile(net)),
            [(1, 64, 96), (2, 160, 192)],
        )
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    data = to_onnx(file, images[0])
    gap = max(parity(file, data, image) for image in images)
    if not gap < PARITY:
        raise PalmarError(f"{path}: the ONNX file answers otherwise than the network, by {gap:.2g} (limit {PARITY:g}).")
    if int8 is not None:
        data = quantized(data, int8)
    card = {
        "name": path.stem,
        "precision": "float32" if int8 is None else f"convolutions int8, calibrated on {len(int8)} pictures",
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "opset": OPSET,
        "inputs": {"image": "uint8 [b, H, W, 3] RGB"},
        "outputs": list(file.outputs),
        **{name: list(words) for name, words in provenance.words.items()},
        "network": {"class": type(net).__name__, **asdict(net.config)},
        "parameters": sum(p.numel() for p in net.parameters()),
        "recipe": asdict(provenance.recipe),
        "seed": provenance.recipe.seed,
        "steps": provenance.steps,
        "samples": provenance.steps * provenance.recipe.batch,
        "began_from": [dict(row) for row in provenance.began_from],
        "world": provenance.world,
        "sigma_scale": scale,
        "commit": commit(),
        "made_with": {"torch": torch.__version__, "onnx": need("onnx", extra="torch").__version__},
        "parity": gap,
        "figures": dict(provenance.figures),
        "licences": [dict(row) for row in provenance.licences],
        "notes": provenance.notes,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as weights, whole_file(path.with_suffix(".json")) as told:
        weights.write_bytes(data)
        told.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


def to_onnx(file: File, image: UInt8[np.ndarray, "b H W 3"]) -> bytes:
    """The network as an ONNX file; batch norms folded into the convolutions, `image` only for tracing."""
    need("onnx", extra="torch")
    maps = not isinstance(file, LandmarkerFile)
    free = {0: "b", 1: "h", 2: "w"} if maps else {0: "b"}
    axes = {"image": {0: "b", 1: "H", 2: "W"} if maps else {0: "b"}}
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracing exporter announces its successor
        torch.onnx.export(
            file.eval(),
            (torch.as_tensor(image),),
            buffer,  # type: ignore[arg-type]
            input_names=["image"],
            output_names=list(file.outputs),
            dynamic_axes=axes | {name: free for name in file.outputs},
            opset_version=OPSET,
            dynamo=False,
        )
    return buffer.getvalue()


def parity(file: File, data: bytes, image: UInt8[np.ndarray, "b H W 3"]) -> float:
    """Largest difference between ONNX Runtime's outputs for `image` and the network's, in the outputs' own units."""
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = [t.numpy() for t in file.eval()(torch.as_tensor(image))]
    found = [np.asarray(a) for a in session.run(list(file.outputs), {"image": image})]
    assert [f.shape for f in found] == [e.shape for e in expected], "output shapes differ"
    return max(float(np.abs(f - e).max()) for f, e in zip(found, expected, strict=True))


def commit() -> str | None:
    """The commit of the source tree this runs from, with "+" where files differ; None outside a repository."""

    def git(*words: str) -> str:
        here = Path(__file__).parent
        return subprocess.run(["git", *words], cwd=here, check=True, capture_output=True, text=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
