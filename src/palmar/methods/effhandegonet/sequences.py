"""What the action transformer sees of a clip: a vector per frame, frames drawn from a clip, and their augmentation.

A vector holds, in this order and where `Layout` has them: 21 points of the left hand, of the right hand, 4 corners of
the object's box, x and y by turns, as shares of the picture; and the object's label, a raw index. What is missing is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from palmar.errors import PalmarError
from palmar.types.firstperson import EgoClip

FRAMES = 20
CANVAS = {"h2o": (1280, 720), "fpha": (1920, 1080)}
"""Width and height of the pictures in whose pixels the augmentation is drawn."""
VANISH = 30 / 101
"""Probability that a part vanishes: of the 101 whole numbers from 0 to 100, those below 30."""


@dataclass(frozen=True)
class Layout:
    """Which parts a vector has: 93 numbers with all, 43 for FPHA (right hand and label)."""

    sides: tuple[int, ...] = (0, 1)
    """0 left, 1 right."""
    box: bool = True
    label: bool = True

    def __post_init__(self) -> None:
        if self.sides not in ((), (0,), (1,), (0, 1)):
            raise PalmarError(f"Layout: sides are 0 (left) and 1 (right), in this order, got {self.sides}.")
        if not self.width:
            raise PalmarError("Layout: a vector needs hands, the object's box or its label.")

    @property
    def width(self) -> int:
        return 42 * len(self.sides) + 8 * self.box + self.label

    @property
    def parts(self) -> tuple[slice, ...]:
        """Columns of each part in order."""
        sizes = [42] * len(self.sides) + [8] * self.box + [1] * self.label
        ends = np.cumsum(sizes)
        return tuple(slice(int(end - size), int(end)) for size, end in zip(sizes, ends, strict=True))


H2O = Layout()
FPHA = Layout(sides=(1,), box=False)


def pose_vector(
    clip: EgoClip, *, hands: bool = True, box: bool = True, label: bool = True
) -> Float32[np.ndarray, "t d"]:
    """Of both hands and the object, [t, 93]; parts that are switched off leave the vector."""
    return vectors(clip, Layout((0, 1) if hands else (), box, label))


def vectors(clip: EgoClip, layout: Layout) -> Float32[np.ndarray, "t d"]:
    """Of a clip's frames, in this layout."""
    size = clip.camera.width, clip.camera.height
    return vectors_of(clip.keypoints, clip.object_boxes, clip.objects, size, layout)


def vectors_of(
    keypoints: Float[np.ndarray, "t 2 21 2"],
    boxes: Float[np.ndarray, "t 4"],
    objects: Int[np.ndarray, " t"],
    size: tuple[int, int],
    layout: Layout = H2O,
) -> Float32[np.ndarray, "t d"]:
    """From pixels of pictures of this width and height, NaN where absent; boxes are x0 y0 x1 y1."""
    t = len(keypoints)
    columns = [(keypoints[:, side] / size).reshape(t, 42) for side in layout.sides]
    columns = [np.where(np.isfinite(c).all(1, keepdims=True), c, 0.0) for c in columns]
    if layout.box:
        corners = boxes[:, [0, 1, 2, 1, 0, 3, 2, 3]] / np.tile(size, 4)
        columns.append(np.where(np.isfinite(corners).all(1, keepdims=True), corners, 0.0))
    if layout.label:
        columns.append(np.asarray(objects, np.float64)[:, None])
    return np.concatenate(columns, 1).astype(np.float32)


# ------------------------------------------------------------------------------------------------------------- sampling


def evenly(length: int, count: int = FRAMES) -> Int[np.ndarray, " n"]:
    """Rows of `count` frames spread over a clip, for validation and use; of a short clip some more than once."""
    if length < 1:
        raise PalmarError("a clip without frames has nothing to sample.")
    i = np.arange(count)
    return i * (length - 1) // (count - 1) if length >= count else i * length // count


def randomly(length: int, rng: np.random.Generator, count: int = FRAMES) -> Int[np.ndarray, " n"]:
    """Rows of `count` frames in order, none twice, for training; of a short clip those of `evenly`."""
    if length < count:
        return evenly(length, count)
    return np.sort(rng.choice(length, count, replace=False))


# --------------------------------------------------------------------------------------------------------- augmentation


@dataclass(frozen=True)
class Move:
    """One affine map of the canvas, pixels, for all frames of a clip."""

    name: str
    matrix: Float[np.ndarray, "2 3"]

    @property
    def mirrors(self) -> bool:
        return bool(np.linalg.det(self.matrix[:, :2]) < 0)


def flip_h(size: tuple[int, int]) -> Move:
    return Move("flip_h", np.array([[-1.0, 0, size[0] - 1], [0, 1, 0]]))


def flip_v(size: tuple[int, int]) -> Move:
    return Move("flip_v", np.array([[1.0, 0, 0], [0, -1, size[1] - 1]]))


def safe_rotate(degrees: float, size: tuple[int, int]) -> Move:
    """About the centre, and then shrunk, each axis for itself, so that the whole picture fits the canvas again."""
    w, h = size
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    around = np.array([w * abs(c) + h * abs(s), w * abs(s) + h * abs(c)])
    turn = np.array([[c, s], [-s, c]]) * (np.array(size) / around)[:, None]
    middle = np.array([w - 1, h - 1]) / 2
    return Move("rotate", np.column_stack([turn, middle - turn @ middle]))


def stretched_crop(corner: tuple[float, float], side: float, size: tuple[int, int]) -> Move:
    """A square of the picture, drawn out to the whole canvas."""
    scale = np.array(size) / side
    return Move("crop", np.column_stack([np.diag(scale), -scale * corner]))


def border_crop(corner: tuple[float, float]) -> Move:
    """Borders cut off: coordinates shift and nothing is rescaled."""
    return Move("borders", np.array([[1.0, 0, -corner[0]], [0, 1, -corner[1]]]))


def draw_move(rng: np.random.Generator, kind: Literal["h2o", "fpha"] = "h2o") -> Move | None:
    """The paper's random move for clips of H2O or FPHA; none in one case of five."""
    size = CANVAS[kind]
    if rng.random() >= 0.8:
        return None
    names = ("flip_h", "flip_v", "rotate", "crop") if kind == "h2o" else ("flip_h", "rotate", "borders", "crop")
    weights = np.array([0.5, 0.5, 0.4, 0.5] if kind == "h2o" else [0.4, 0.4, 0.4, 0.5])
    name = rng.choice(names, p=weights / weights.sum())
    if name == "flip_h":
        return flip_h(size)
    if name == "flip_v":
        return flip_v(size)
    if name == "rotate":
        return safe_rotate(rng.uniform(-45, 45), size)
    if name == "borders":
        return border_crop((rng.uniform(0, 0.2 * size[0]), rng.uniform(0, 0.2 * size[1])))
    side = int(rng.integers(500, 721))
    return stretched_crop((rng.uniform(0, size[0] - side), rng.uniform(0, size[1] - side)), side, size)


def moved(
    x: Float32[np.ndarray, "t d"], move: Move, size: tuple[int, int], layout: Layout = H2O, *, compatible: bool = False
) -> Float32[np.ndarray, "t d"]:
    """Vectors of a clip, all frames moved alike.

    Missing hands and boxes stay 0, and a mirror of either axis makes left hands right ones. compatible: as the released
    code does it: missing parts move like points at (0, 0), and the sides are exchanged after "flip_h" alone.
    """
    out = x.copy()
    for part in layout.parts:
        if part.stop - part.start == 1:
            continue
        points = x[:, part].reshape(len(x), -1, 2) * np.array(size)
        there: Bool[np.ndarray, " t"] = x[:, part].any(1) | compatible
        new = (points @ move.matrix[:, :2].T + move.matrix[:, 2]) / np.array(size)
        out[:, part] = np.where(there[:, None], new.reshape(len(x), -1), 0)
    if len(layout.sides) == 2 and (move.name == "flip_h" if compatible else move.mirrors):
        out[:, :84] = np.roll(out[:, :84], 42, axis=1)
    if layout.box and not compatible:
        out[:, layout.parts[len(layout.sides)]] = _ordered(out[:, layout.parts[len(layout.sides)]])
    return out


def _ordered(corners: Float[np.ndarray, "t 8"]) -> Float[np.ndarray, "t 8"]:
    """The upright box around four corners, in the order of the vector."""
    xy = corners.reshape(-1, 4, 2)
    low, high = xy.min(1), xy.max(1)
    return np.stack([low[:, 0], low[:, 1], high[:, 0], low[:, 1], low[:, 0], high[:, 1], high[:, 0], high[:, 1]], 1)


def vanished(
    x: Float32[np.ndarray, "t d"], rng: np.random.Generator, layout: Layout = H2O
) -> Float32[np.ndarray, "t d"]:
    """Without one part, any of them alike, in all frames: the recogniser learns to do without it."""
    out = x.copy()
    out[:, layout.parts[rng.integers(len(layout.parts))]] = 0
    return out


def augmented(
    x: Float32[np.ndarray, "t d"],
    rng: np.random.Generator,
    layout: Layout = H2O,
    *,
    kind: Literal["h2o", "fpha"] = "h2o",
    vanish: float = VANISH,
    move: bool = True,
    compatible: bool = False,
) -> Float32[np.ndarray, "t d"]:
    """A clip for training: a part vanishes with probability `vanish`, else all frames may move alike.

    For FPHA the only part that vanishes is the label.
    """
    if rng.random() < vanish:
        if kind == "fpha" and layout.label:
            out = x.copy()
            out[:, -1] = 0
            return out
        if len(layout.parts) > 1:
            return vanished(x, rng, layout)
    drawn = draw_move(rng, kind) if move else None
    return x if drawn is None else moved(x, drawn, CANVAS[kind], layout, compatible=compatible)
