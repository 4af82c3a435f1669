"""A trained network on frames: hands and object in metres, and how fast."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.methods.qort_former.model import Config, QortFormer
from palmar.methods.qort_former.pictures import stretched, untold
from palmar.train.loop import load_average
from palmar.types.firstperson import EgoFrame, Vocabulary

C = TypeVar("C")
POSE = "qort-former"
NETWORK = "network.json"
"""In the folder of a run: what its weights are of."""


@dataclass(frozen=True, eq=False)
class HandsAndObject:
    """What a network says of n frames. Every frame is given both hands and an object; scores say how sure it is."""

    joints: Float[np.ndarray, "n 2 21 3"]
    """Metres, camera frame; NaN of a side that the network does not know."""
    points: Float[np.ndarray, "n 21 3"]
    """Of the object's box."""
    objects: Int[np.ndarray, " n"]
    """Classes, in the vocabulary of the network."""
    scores: Float[np.ndarray, "n 3"]
    """Of the left hand, the right hand, the object, 0 to 1."""
    contact: Float[np.ndarray, "n 2 v"]
    """0 to 1 for the vertices of `surfaces.chosen_vertices`."""
    fps: float
    """Frames per second one at a time: from the picture in memory to metres, as the median frame takes."""


class QortPredictor:
    """A run's averaged network on frames, one at a time."""

    def __init__(self, model: QortFormer, vocabulary: Vocabulary, *, device: str = "cpu") -> None:
        self.model = model.to(device).eval()
        if model.config.contact:
            model.contact.fold()
        self.vocabulary, self.config, self.device = vocabulary, model.config, device

    @staticmethod
    def of_run(folder: Path, *, device: str = "cpu") -> QortPredictor:
        """Raises PalmarError for a folder that is no run of this network."""
        config, vocabulary = read_network(folder)
        model, _ = load_average(folder, QortFormer(config))
        assert isinstance(model, QortFormer)
        return QortPredictor(model, vocabulary, device=device)

    @torch.inference_mode()
    def one(self, image: UInt8[np.ndarray, "h w 3"], camera: Camera) -> HandsAndObject:
        """One picture; `fps` is that of this one."""
        began = time.perf_counter()
        picture = torch.from_numpy(stretched(image, self.config))[None].to(self.device)
        found = self.model.detect(picture)
        joints = np.full((1, 2, 21, 3), np.nan)
        scores = np.zeros((1, 3))
        contact = np.zeros((1, 2, self.config.vertices))
        sides = list(self.config.hands)
        joints[:, sides] = untold(found.hands.cpu().numpy(), camera, self.config)
        points = untold(found.object.cpu().numpy(), camera, self.config)
        scores[:, sides] = found.scores.cpu().numpy()
        scores[:, 2] = found.object_scores.max(-1).values.cpu().numpy()
        contact[:, sides] = found.contact.sigmoid().cpu().numpy()
        seconds = time.perf_counter() - began
        return HandsAndObject(joints, points, found.object_class.cpu().numpy(), scores, contact, 1 / seconds)

    def __call__(self, frames: Sequence[EgoFrame]) -> HandsAndObject:
        """Raises PalmarError for a frame without a picture, and for no frames."""
        found = []
        for frame in frames:
            if frame.image is None:
                raise PalmarError(f"{frame.name}: no picture; QORT-Former reads pictures.")
            found.append(self.one(frame.image, frame.camera))
        if not found:
            raise PalmarError("no frames to look at.")
        columns = {
            name: np.concatenate([getattr(one, name) for one in found])
            for name in ("joints", "points", "objects", "scores", "contact")
        }
        return HandsAndObject(**columns, fps=1 / float(np.median([1 / one.fps for one in found])))


def write_network(folder: Path, config: Any, vocabulary: Vocabulary, data: str, *, name: str = POSE) -> None:
    """Says in a run's folder what it is of. Raises PalmarError where it is of something else."""
    mine: dict[str, Any] = json.loads(
        json.dumps({"network": name, "config": asdict(config), "vocabulary": asdict(vocabulary), "data": data})
    )
    file = folder / NETWORK
    if file.exists():
        theirs = _read(file)
        if any(theirs.get(name) != mine[name] for name in ("network", "config", "vocabulary")):
            raise PalmarError(f"{folder}: a run of another network, size or vocabulary; use a new folder.")
        return
    folder.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(mine, indent=1) + "\n", encoding="utf-8")
    part.replace(file)


def read_network(folder: Path, kind: type[C] = Config, *, name: str = POSE) -> tuple[C, Vocabulary]:  # type: ignore[assignment]
    """Config and vocabulary of a run. Raises PalmarError for a folder that is no run of this network."""
    file = folder / NETWORK
    found = _read(file)
    if found.get("network") != name:
        raise PalmarError(f"{file}: not a run of {name} but of {found.get('network')!r}.")
    try:
        raw = {k: tuple(v) if isinstance(v, list) else v for k, v in found["config"].items()}
        words = {k: tuple(v) for k, v in found["vocabulary"].items()}
        return kind(**raw), Vocabulary(**words)
    except (KeyError, TypeError, AttributeError) as err:
        raise PalmarError(f"{file}: does not say config and vocabulary as this version writes them ({err}).") from err


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as err:
        raise PalmarError(f"{file}: cannot be read ({err.strerror or err}); name the folder of a run.") from err
    except ValueError as err:
        raise PalmarError(f"{file}: not readable as JSON ({err}).") from err
    if not isinstance(found, dict):
        raise PalmarError(f"{file}: expected one JSON object.")
    return found
