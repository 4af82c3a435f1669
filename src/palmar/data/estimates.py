"""What networks saw in clips, from files beside the data set: hands in pixels and used objects, without any truth.

    data = H2O(Path("h2o"))
    seen = read_estimates(data, data.clip_rows("test")[0])
    seen.keypoints, seen.boxes, seen.objects

H2O's challenge asks for actions from estimates, not from the hand poses that the release has of its test subject.
Files lie in folders of each take, as EffHandEgoNet's authors keep theirs: `hand_pose_ownmodel_ego` (the two-hand
network), `hand_pose_ownmodel` (the one-hand network), `hand_pose_mediapipe`, `hand_pose_resnet50`: 42 rows of x y in
pixels of the picture, left hand then right, zeros for a hand that was not found; `obj_pose_ownmodel`: rows of YOLO.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from palmar.data.boxes import H2O_OBJECTS, FrameBoxes, read_yolo, used_objects, write_yolo
from palmar.data.h2o import H2O, Clip
from palmar.data.textfiles import SMALL, floats, read_text, write_text
from palmar.errors import PalmarError

HANDS = ("hand_pose_ownmodel_ego", "hand_pose_ownmodel", "hand_pose_mediapipe", "hand_pose_resnet50")
OBJECTS = "obj_pose_ownmodel"


@dataclass(frozen=True, eq=False)
class Estimates:
    """Of the frames of a clip. What was not found is NaN, and object 0: never filled from the truth."""

    keypoints: Float[np.ndarray, "t 2 21 2"]
    """Pixels of the picture."""
    boxes: Float[np.ndarray, "t 4"]
    """x0 y0 x1 y1 of the used object, pixels."""
    objects: Int[np.ndarray, " t"]
    """Index in the vocabulary."""
    size: tuple[int, int]
    """Width and height of the pictures."""


def read_keypoints(path: Path) -> Float[np.ndarray, "2 21 2"]:
    """42 rows of x y: left, right; a hand of zeros is absent, NaN."""
    expected = "42 rows of x y in pixels, left hand then right"
    lines = read_text(path, SMALL, expected).rstrip().splitlines()
    rows = []
    for number, line in enumerate(lines, 1):
        where = f"{path}: line {number}"
        values = floats(line.split(), where, expected)
        if len(values) != 2 or not np.isfinite(values).all():
            raise PalmarError(f"{where}: {line.strip()[:60]!r}; expected {expected}.")
        rows.append(values)
    if len(rows) != 42:
        raise PalmarError(f"{path}: {len(rows)} rows; expected {expected}.")
    hands = np.array(rows).reshape(2, 21, 2)
    return np.where(np.asarray(hands.any((1, 2)))[:, None, None], hands, np.nan)


def write_keypoints(path: Path, keypoints: Float[np.ndarray, "2 21 2"]) -> None:
    """What `read_keypoints` reads back; a hand with a point that is not finite is absent."""
    known = np.asarray(np.isfinite(keypoints).all((1, 2)))[:, None, None]
    rows = np.where(known, keypoints, 0.0).reshape(42, 2)
    write_text(path, "".join(f"{x:.9g} {y:.9g}\n" for x, y in rows))


def read_estimates(
    data: H2O,
    clip: Clip,
    *,
    hands: str | None = HANDS[0],
    objects: str | None = OBJECTS,
    rule: str = "best",
    labels: Mapping[int, int] = H2O_OBJECTS,
    compatible: bool = False,
) -> Estimates:
    """Of the frames of a row of an action list. Nothing of the truth is opened.

    hands, objects: folders of the take; None leaves that part unknown. A file of hands must be there; one of boxes may
    be missing, as detectors write none where they find nothing. rule, labels, compatible: see `palmar.data.boxes`.
    """
    take = data.take(clip.take)
    numbers = range(clip.first, clip.last + 1)
    camera = take.camera
    keypoints = np.full((len(numbers), 2, 21, 2), np.nan)
    if hands is not None:
        for t, number in enumerate(numbers):
            keypoints[t] = read_keypoints(take.file(hands.lower(), number))
    found = [FrameBoxes.empty()] * len(numbers)
    if objects is not None:
        files = [take.file(objects.lower(), number) for number in numbers]
        found = [read_yolo(f, camera.width, camera.height, missing=True, compatible=compatible) for f in files]
    which, boxes = used_objects(found, labels, rule)
    return Estimates(keypoints, boxes, which, (camera.width, camera.height))


def write_estimates(
    data: H2O,
    clip: Clip,
    seen: Estimates,
    *,
    hands: str = HANDS[0],
    objects: str = OBJECTS,
    labels: Mapping[int, int] = H2O_OBJECTS,
) -> None:
    """A network's own estimates beside the frames of a clip, for `read_estimates`. Each file appears whole."""
    classes = {label: kind for kind, label in labels.items()}
    trees = data.take(clip.take).trees
    base = next((tree for tree in trees if tree.is_dir()), trees[0])
    for folder in (hands, objects):
        (base / folder).mkdir(parents=True, exist_ok=True)
    for t, number in enumerate(range(clip.first, clip.last + 1)):
        write_keypoints(base / hands / f"{number:06d}.txt", seen.keypoints[t])
        found = FrameBoxes.empty()
        if int(seen.objects[t]) in classes:
            kind = np.array([classes[int(seen.objects[t])]])
            found = FrameBoxes(seen.boxes[t : t + 1], kind, np.full(1, np.nan))
        write_yolo(base / objects / f"{number:06d}.txt", found, *seen.size)
    data.kept.pop(clip.take, None)  # its folders have grown
