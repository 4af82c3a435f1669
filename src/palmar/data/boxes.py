"""Boxes of objects and hands from files of any detector: YOLO's text, and COCO's JSON.

    found = read_yolo("labels/000012.txt", 1280, 720)
    label, box = used_object(found, H2O_OBJECTS)     # the most confident; (0, NaN) where nothing was found

What a file does not say stays unknown: nothing here looks at the truth. Boxes are x0 y0 x1 y1 in palmar's pixels, whose
edges of a picture are -0.5 and width - 0.5; `compatible` gives the numbers of programs that count from 0 to width
instead, half a pixel more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from palmar.data.textfiles import floats, read_json, read_text, whole, write_text
from palmar.errors import PalmarError, one_of

MAX_YOLO = 1 << 20
MAX_COCO = 1 << 30
RULES = ("best", "last")
H2O_OBJECTS: Mapping[int, int] = {kind: kind + 1 for kind in range(8)}
"""Index in H2O's vocabulary of the classes of EffHandEgoNet's detector (Mucha and Kampel 2024)."""
H2O_LEFT, H2O_RIGHT = 8, 9
"""That detector's classes of hands."""


@dataclass(frozen=True, eq=False)
class FrameBoxes:
    """What a detector found in one picture, in the order of the file."""

    boxes: Float[np.ndarray, "n 4"]
    """x0 y0 x1 y1, pixels."""
    classes: Int[np.ndarray, " n"]
    """The file's own numbers."""
    scores: Float[np.ndarray, " n"]
    """NaN where the file has none."""

    @classmethod
    def empty(cls) -> FrameBoxes:
        return cls(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0))

    def __len__(self) -> int:
        return len(self.classes)

    def of(self, kinds: Sequence[int] | Mapping[int, int]) -> FrameBoxes:
        """Those of some classes."""
        kept = np.isin(self.classes, list(kinds))
        return FrameBoxes(self.boxes[kept], self.classes[kept], self.scores[kept])


# ---------------------------------------------------------------------------------------------------------------- YOLO


def read_yolo(path: Path, width: int, height: int, *, missing: bool = False, compatible: bool = False) -> FrameBoxes:
    """Rows of `class xc yc w h` and perhaps a confidence; shares of the picture's width and height.

    missing: a file that is not there is a picture without boxes, as detectors leave it. Raises PalmarError naming the
    line of what is no such row, and for shares that no picture has (below -1, above 2, or a negative size).
    """
    expected = "rows of class xc yc w h, all but the class from 0 to 1, and perhaps a confidence"
    if missing and not path.exists():
        return FrameBoxes.empty()
    rows, kinds, scores = [], [], []
    for number, line in enumerate(read_text(path, MAX_YOLO, expected).splitlines(), 1):
        words, where = line.split(), f"{path}: line {number}"
        if not words:
            continue
        if len(words) not in (5, 6):
            raise PalmarError(f"{where}: {len(words)} numbers; expected {expected}.")
        values = floats(words, where, expected)
        kinds.append(whole(values[0], 0, 100_000, where, "a class"))
        good = (values[1:] >= -1).all() and (values[1:] <= 2).all() and (values[3:] >= 0).all()  # false for NaN
        if not good:
            raise PalmarError(f"{where}: {line.strip()[:80]!r}: expected {expected}.")
        rows.append(values[1:5])
        scores.append(values[5] if len(words) == 6 else np.nan)
    if not rows:
        return FrameBoxes.empty()
    shares = np.array(rows)
    edges = np.concatenate([shares[:, :2] - shares[:, 2:] / 2, shares[:, :2] + shares[:, 2:] / 2], 1)
    return FrameBoxes(_pixels(edges * np.tile((width, height), 2), compatible), np.array(kinds), np.array(scores))


def write_yolo(path: Path, found: FrameBoxes, width: int, height: int) -> None:
    """What `read_yolo` reads back. Scores are written where there is one."""
    edges = (found.boxes + 0.5) / np.tile((width, height), 2)
    lines = []
    for kind, (x0, y0, x1, y1), score in zip(found.classes, edges, found.scores, strict=True):
        numbers = [(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, *([score] if np.isfinite(score) else [])]
        lines.append(f"{kind} " + " ".join(f"{v:.9g}" for v in numbers) + "\n")
    write_text(path, "".join(lines))


def _pixels(edges: Float[np.ndarray, "n 4"], compatible: bool) -> Float[np.ndarray, "n 4"]:
    return edges if compatible else edges - 0.5


# ---------------------------------------------------------------------------------------------------------------- COCO


@dataclass(frozen=True)
class CocoBoxes:
    """Boxes of many pictures."""

    pictures: Mapping[str, FrameBoxes]
    """By file name; by the number of the picture, in digits, where the file does not say the names."""
    names: Mapping[int, str]
    """Of the classes, where the file says them."""

    def __getitem__(self, name: str) -> FrameBoxes:
        """Of a picture; one that the file does not mention has none."""
        return self.pictures.get(name, FrameBoxes.empty())


def read_coco(path: Path, annotations: Path | None = None, *, compatible: bool = False) -> CocoBoxes:
    """A file of annotations (`images`, `annotations`, `categories`), or a list of results.

    annotations: for results, the file of the pictures' names. Classes are the files' category ids. Raises PalmarError
    naming the entry that is malformed.
    """
    values = read_json(path, MAX_COCO, "COCO annotations or results")
    header: Any = values
    if isinstance(values, list):
        header = {} if annotations is None else read_json(annotations, MAX_COCO, "COCO annotations")
        entries = values
    else:
        entries = values.get("annotations") if isinstance(values, dict) else None
    if not isinstance(entries, list) or not isinstance(header, dict):
        raise PalmarError(f"{path}: expected a list of results, or an object with images and annotations.")
    files, names = (
        {_id(e, path, f"{key}[{n}]", "id"): str(e.get(name, "")) for n, e in enumerate(_entries(header, key, path))}
        for key, name in (("images", "file_name"), ("categories", "name"))
    )
    found: dict[str, list[tuple[list[float], int, float]]] = {name: [] for name in files.values()}
    for number, entry in enumerate(entries):
        where = f"{path}: entry {number}"
        if not isinstance(entry, dict):
            raise PalmarError(f"{where}: expected an object with image_id, category_id, bbox.")
        image = _id(entry, path, f"entry {number}", "image_id")
        if files and image not in files:
            raise PalmarError(f"{where}: image_id {image} is none of the images.")
        box, score = entry.get("bbox"), entry.get("score", float("nan"))
        good = isinstance(box, list) and len(box) == 4 and all(_number(v) for v in box) and min(box[2:]) >= 0
        if not isinstance(box, list) or not good or not (_number(score) or score != score):
            raise PalmarError(f"{where}: expected bbox x y w h and a score, got {str(box)[:60]}, {str(score)[:20]}.")
        kind = _id(entry, path, f"entry {number}", "category_id")
        found.setdefault(files.get(image, str(image)), []).append((box, kind, float(score)))
    return CocoBoxes({name: _frame(rows, compatible) for name, rows in found.items()}, names)


def _entries(header: Mapping[str, Any], key: str, path: Path) -> list[dict[str, Any]]:
    values = header.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise PalmarError(f"{path}: {key}: expected a list of objects.")
    return values


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9


def _id(entry: Mapping[str, Any], path: Path, where: str, key: str) -> int:
    value = entry.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 62:
        raise PalmarError(f"{path}: {where}: {key}: expected a whole number, got {str(value)[:40]!r}.")
    return value


def _frame(rows: Sequence[tuple[list[float], int, float]], compatible: bool) -> FrameBoxes:
    if not rows:
        return FrameBoxes.empty()
    corners = np.array([box for box, _, _ in rows], np.float64)
    corners[:, 2:] += corners[:, :2]
    kinds, scores = np.array([kind for _, kind, _ in rows]), np.array([score for _, _, score in rows])
    return FrameBoxes(_pixels(corners, compatible), kinds, scores)


def write_coco(
    path: Path,
    pictures: Mapping[str, FrameBoxes],
    names: Mapping[int, str],
    sizes: Mapping[str, tuple[int, int]] | None = None,
) -> None:
    """A file of annotations: pictures numbered from 1 in their order; sizes are their width and height."""
    images, entries = [], []
    for number, (name, found) in enumerate(pictures.items(), 1):
        size = {"width": sizes[name][0], "height": sizes[name][1]} if sizes and name in sizes else {}
        images.append({"id": number, "file_name": name, **size})
        for box, kind, score in zip(found.boxes, found.classes, found.scores, strict=True):
            x0, y0, x1, y1 = (float(v) for v in box + 0.5)
            sure = {"score": float(score)} if np.isfinite(score) else {}
            corner = [x0, y0, x1 - x0, y1 - y0]
            area = corner[2] * corner[3]
            entry = {"id": len(entries) + 1, "image_id": number, "category_id": int(kind), "bbox": corner}
            entries.append({**entry, "area": area, "iscrowd": 0, **sure})
    categories = [{"id": kind, "name": name} for kind, name in names.items()]
    write_text(path, json.dumps({"images": images, "annotations": entries, "categories": categories}))


# -------------------------------------------------------------------------------------------------------- which is used


def used_object(
    found: FrameBoxes, labels: Mapping[int, int], rule: str = "best"
) -> tuple[int, Float[np.ndarray, " 4"]]:
    """The object of a picture and its box: (0, NaN) where none of these classes was found.

    labels: index in the vocabulary of each class of the file that is an object.
    rule: "best" is the highest score (the first of equal ones; without scores, the first of the file). "last" is what
    EffHandEgoNet's code does: the first box of each class, and of these the last of the file.
    """
    one_of("rule", rule, RULES)
    objects = found.of(labels)
    if not len(objects):
        return 0, np.full(4, np.nan)
    if rule == "best":
        index = int(np.argmax(np.nan_to_num(objects.scores, nan=-1.0)))
    else:
        index = int(np.sort(np.unique(objects.classes, return_index=True)[1])[-1])
    return labels[int(objects.classes[index])], objects.boxes[index]


def used_objects(
    frames: Sequence[FrameBoxes], labels: Mapping[int, int], rule: str = "best"
) -> tuple[Int[np.ndarray, " t"], Float[np.ndarray, "t 4"]]:
    """The same of the frames of a clip."""
    chosen = [used_object(found, labels, rule) for found in frames]
    return np.array([label for label, _ in chosen], np.int64), np.array([box for _, box in chosen]).reshape(-1, 4)


def best_of(found: FrameBoxes, kind: int) -> Float[np.ndarray, " 4"]:
    """The box of a class, such as a hand's: the most confident, without scores the first; NaN where there is none."""
    return used_object(found, {kind: 1})[1]
