"""Photographs with a `labels.json` beside them: the layout that `palmar bench real` and adaptation read.

A folder holds `labels.json`, a list of entries `{"image": "images/a.jpg", "split": "adapt" | "evaluate", "hands":
[{"box": [x0, y0, x1, y1], ...}], "mediapipe": [{"side": "left" | "right", "score": s, "keypoints": [[x, y] x 21],
"joints": [[x, y, z] x 21]}]}`. `hands` are boxes drawn by people, `mediapipe` another tracker's opinion (joints in
metres, hand-centred, axes as the camera's); either may be missing. Other keys are kept out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32

from palmar.errors import PalmarError


@dataclass(frozen=True, eq=False)
class Opinion:
    """A hand as another tracker saw it."""

    side: int
    """0 left, 1 right: the person's own."""
    score: float
    keypoints: Float32[np.ndarray, "21 2"]
    """Pixels."""
    joints: Float32[np.ndarray, "21 3"]
    """Metres, hand-centred, camera axes."""
    seen: Bool[np.ndarray, " 21"] | None = None
    """Whether nothing stands before the joint; None where nobody knows."""


@dataclass(frozen=True, eq=False)
class Photograph:
    """One picture and what is known of its hands."""

    path: Path
    split: str
    boxes: Float32[np.ndarray, "m 4"]
    """Drawn by people, x0 y0 x1 y1 in pixels; no rows where none were drawn."""
    opinions: tuple[Opinion, ...]
    has_boxes: bool
    """Whether people drew boxes on this picture at all."""
    group: str
    """Scene, digit or folder, for paired statistics."""


def read_photographs(folder: str | Path, split: str | None = None) -> list[Photograph]:
    """The pictures of a folder, those of one split where it is named. Raises PalmarError for a missing or malformed
    labels.json, and for entries that lead out of the folder."""
    folder = Path(folder)
    file = folder / "labels.json"
    if not file.is_file():
        raise PalmarError(f"{file}: no such file; a folder of labelled photographs needs it.")
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as err:
        raise PalmarError(f"{file}: not JSON ({err}).") from err
    if not isinstance(entries, list):
        raise PalmarError(f"{file}: expected a list of pictures, got {type(entries).__name__}.")
    out = []
    for number, entry in enumerate(entries):
        try:
            path = (folder / entry["image"]).resolve()
            if not path.is_relative_to(folder.resolve()):
                raise PalmarError(f"{file}: entry {number} leads out of the folder ({entry['image']}).")
            photo = Photograph(
                path=path,
                split=str(entry.get("split", "")),
                boxes=np.array([hand["box"] for hand in entry.get("hands", [])], np.float32).reshape(-1, 4),
                opinions=tuple(
                    Opinion(
                        {"left": 0, "right": 1}[o["side"]],
                        float(o["score"]),
                        np.array(o["keypoints"], np.float32).reshape(21, 2),
                        np.array(o["joints"], np.float32).reshape(21, 3),
                    )
                    for o in entry.get("mediapipe", [])
                ),
                has_boxes="hands" in entry,
                group=str(entry.get("scene", entry.get("digit", ""))),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as err:
            raise PalmarError(
                f"{file}: entry {number} is not a labelled picture ({type(err).__name__}: {err})."
            ) from err
        if split is None or photo.split == split:
            out.append(photo)
    return out
