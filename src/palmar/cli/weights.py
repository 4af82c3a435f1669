"""`palmar weights`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from palmar.cli.options import at_least
from palmar.cli.talk import Progress, note
from palmar.cli.train import DATA
from palmar.errors import PalmarError, need

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import UInt8

    from palmar.nn.landmarker import Landmarker
    from palmar.train.loop import Recipe

HELD_OUT_SEED = 987_654_321
"""Of the crops that calibrate the landmarker's sigma; training runs use small seeds."""


@dataclass(frozen=True)
class Weights:
    """Write a trained network as the file that the tracker reads (ONNX), with its card beside it."""

    folder: Annotated[Positional[Path], arg(metavar="RUN")]
    """Folder of the run, as `palmar train` left it. Its averaged weights are taken."""
    out: Annotated[Path | None, arg(aliases=["-o"], metavar="DIR")] = None
    """Where detector.onnx, landmarker.onnx or objects.onnx and its card are written; RUN by default."""
    calibrate: int = 1024
    """Synthetic crops, never trained on, by which the landmarker's confidence is set right."""
    figures: Annotated[Path | None, arg(metavar="FILE")] = None
    """JSON with measured quality for the card, as `palmar bench real --json` writes it."""
    int8: bool = False
    """Convolutions in eight bits, as landmarker-int8.onnx: faster on processors, a little less exact; for `--int8` of
    `palmar track`."""
    notes: str = ""
    """A sentence for the card."""

    def run(self) -> int:
        at_least(1, calibrate=self.calibrate)
        figures = {} if self.figures is None else _read(self.figures)
        data = sights(self.folder)
        need("torch", extra="torch")
        from palmar.licenses import world
        from palmar.nn.detector import Detector
        from palmar.nn.landmarker import Landmarker
        from palmar.nn.objects import ObjectConfig, ObjectDetector
        from palmar.train.export import Provenance, export
        from palmar.train.loop import load_average
        from palmar.train.start import inherited

        recipe = recipe_of(self.folder)
        name = recipe.name
        if name not in ("detector", "landmarker", "objects"):
            raise PalmarError(f"{self.folder}: a run of {name!r}; written are detector, landmarker and objects.")
        if self.int8 and name == "objects":
            raise PalmarError("--int8 is for the tracker's networks.")
        words = {"objects": names(self.folder)} if name == "objects" else {}
        made = {"detector": Detector, "landmarker": Landmarker}
        fresh = ObjectDetector(ObjectConfig(len(words["objects"]) - 1)) if words else made[name]()
        net, step = load_average(self.folder, fresh)
        assert isinstance(net, Landmarker | Detector | ObjectDetector)
        scale = calibration(net, self.calibrate) if isinstance(net, Landmarker) else 1.0
        began = lineage(self.folder)
        provenance = Provenance(
            recipe=recipe,
            steps=step,
            figures=figures,
            notes=self.notes,
            world=f"palmar-synth/{data.palmar}/{data.seed}",
            licences=inherited(began, world(adapted_to=[photographs(folder) for folder in data.photographs])),
            words=words,
            began_from=began,
        )
        path = (self.out or self.folder) / f"{name}{'-int8' if self.int8 else ''}.onnx"
        pictures = typical(name, data.seed) if self.int8 else None
        try:
            card = export(net, path, provenance, scale=scale, int8=pictures)
        except OSError as err:
            raise PalmarError(f"{path}: cannot write here ({err.strerror or err}).") from err
        done = "" if step == recipe.steps else f" (the run stands at {step} of {recipe.steps} steps)"
        note(f"{path}: {card['bytes'] / 1e6:.1f} MB, sha256 {card['sha256'][:12]}{done}")
        return 0


@dataclass(frozen=True)
class Sights:
    """What a run saw."""

    palmar: str
    """Version that drew it."""
    seed: int
    photographs: tuple[str, ...]


def sights(folder: Path) -> Sights:
    """As `palmar train` wrote it down. Raises PalmarError where it did not."""
    found = _read(folder / DATA)
    palmar, seed, shown = (found.get(name) for name in ("palmar", "seed", "photographs"))
    if not (
        isinstance(palmar, str)
        and isinstance(seed, int)
        and isinstance(shown, list)
        and all(isinstance(one, str) for one in shown)
    ):
        raise PalmarError(f"{folder / DATA}: not what palmar train writes: palmar, seed and photographs.")
    return Sights(palmar, seed, tuple(shown))


def recipe_of(folder: Path) -> Recipe:
    """The recipe of a run. Raises PalmarError where it is none of this version."""
    from palmar.train.loop import Recipe

    file = folder / "recipe.json"
    written = _read(file)
    written.pop("processes", None)
    for one in fields(Recipe):
        kind = str if one.name == "name" else type(one.default)
        if one.name in written and not isinstance(written[one.name], (int, float) if kind is float else kind):
            raise PalmarError(f"{file}: {one.name}: expected {kind.__name__}, got {written[one.name]!r}.")
    try:
        return Recipe(**written)
    except TypeError as err:
        raise PalmarError(f"{file}: not a recipe of this version ({err}).") from err


def names(folder: Path) -> list[str]:
    """The objects that a run of the detector of objects tells apart, "none" first."""
    from palmar.train.recipes import VOCABULARY

    found = _read(folder / VOCABULARY).get("objects")
    if not isinstance(found, list) or len(found) < 2 or found[0] != "none":
        raise PalmarError(f"{folder / VOCABULARY}: expected the objects' names, 'none' first.")
    return [str(name) for name in found]


KNOWN_PHOTOGRAPHS: Mapping[str, tuple[str, str]] = {
    "webcam": ("SubhiH/HandsDataset", "Apache-2.0"),
    "digits": ("ardamavi/Sign-Language-Digits-Dataset", "Apache-2.0"),
}
"""Folder of labelled photographs -> what it is, and under which licence."""


def photographs(folder: str) -> dict[str, str]:
    """The card's row for a folder of photographs that training saw; licence "unknown" where the table lacks it."""
    name, licence = KNOWN_PHOTOGRAPHS.get(folder, (folder, "unknown"))
    return {"name": name, "licence": licence, "what": f"photograph: the split adapt of {folder}"}


def lineage(folder: Path) -> list[dict[str, Any]]:
    """What the weights that the run began from went through; nothing where it began from random ones."""
    from palmar.train.start import LINEAGE

    file = folder / LINEAGE
    try:
        found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    except (OSError, ValueError) as err:
        raise PalmarError(f"{file}: not readable as JSON ({err}).") from err
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise PalmarError(f"{file}: expected a list of the runs before this one.")
    return found


TYPICAL = 512
"""Synthetic pictures from which the ranges of an int8 file are taken."""


def typical(name: str, seed: int) -> UInt8[np.ndarray, "b h w 3"]:
    """What a network sees in training, at the strength of the default recipes."""
    import numpy as np

    from palmar.synth.sample import crop_sample, frame_sample
    from palmar.train.recipes import Data

    make = crop_sample if name == "landmarker" else frame_sample
    return np.stack([make(seed, index, strength=Data().strength).image for index in range(TYPICAL)])


def calibration(net: Landmarker, count: int) -> float:
    """The landmarker's `sigma_scale`, measured on synthetic crops that no run saw, on the keypoints that are seen."""
    import numpy as np
    import torch

    from palmar.synth.sample import crop_sample
    from palmar.train.export import sigma_scale

    errors, sigmas = [], []
    with Progress("calibrate", "crops") as progress, torch.no_grad():
        for index in range(count):
            truth = crop_sample(HELD_OUT_SEED, index)
            progress(index + 1, count)
            if not truth.presence:
                continue
            found = net.eval()(torch.as_tensor(truth.image[None]))
            seen = truth.visible > 0
            errors.append(np.linalg.norm(found.keypoints[0].numpy() - truth.keypoints, axis=-1)[seen])
            sigmas.append(found.log_sigma[0].exp().numpy()[seen])
    if not errors:
        raise PalmarError(f"--calibrate {count}: none of so few crops shows a hand; take more.")
    return sigma_scale(np.concatenate(errors), np.concatenate(sigmas))


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise PalmarError(f"{file}: no such file.") from err
    except (OSError, ValueError) as err:
        raise PalmarError(f"{file}: not readable as JSON ({err}).") from err
    if not isinstance(found, dict):
        raise PalmarError(f"{file}: expected a JSON object, got {type(found).__name__}.")
    return found
