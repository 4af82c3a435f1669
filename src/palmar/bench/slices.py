"""Figures by what a hand looks like in its picture, and how far two trackers' figures can be told apart.

`describe` names the slices that a labelled hand falls into, from its label and its picture alone, so they are the same
for every tracker. `by_slice` and `worst` give the figures; `paired_bootstrap` compares two trackers on the same hands.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from palmar import metrics
from palmar.hand.box import hand_box

AUC_TO, PCK_OF = 0.3, 0.1
FEW = 10
"""A slice of fewer hands says nothing."""
EXTENDED = 1.1
"""A finger is stretched where its tip is so many times as far from the wrist as its PIP joint: stretched fingers of
people before a webcam have about 1.35, bent ones below 0.9."""
FACING = 0.3
"""Sine of the angle at the wrist between index and little MCP from which a hand counts as seen from palm or back; one
seen straight on has about 0.65."""
EDGES: Mapping[str, tuple[float, ...]] = {
    "hand px": (48.0, 128.0),
    "blur (variance of Laplacian)": (90.0, 180.0, 2500.0),
    "light (mean luma)": (70.0, 100.0, 130.0),
    "contrast (deviation of luma)": (40.0, 50.0),
}
"""Where slices of numbers begin and end. Those of blur, light and contrast are about the terciles of webcam photographs
that may be trained on; the last of blur is that of 100-pixel photographs with a sharp camera."""
NOTES = (
    "Slices are made from the labels' keypoints and the pictures: a wrong label makes a wrong slice. Figures of a "
    f"slice of fewer than {FEW} hands are left out.",
    "Monk tone: the swatch nearest in CIELAB to the median colour inside the palm (wrist and MCP joints), as the "
    "camera gave it: its white balance and exposure are in it, so it is the tone of the picture, not of the person.",
)


def hand_size(keypoints: Float[np.ndarray, "*n 21 2"]) -> Float[np.ndarray, "*n"]:
    """The longer side of the hand's box, pixels."""
    box = hand_box(keypoints)
    return np.asarray((box[..., 2:] - box[..., :2]).max(-1))


@dataclass(frozen=True, eq=False)
class Rows:
    """Labelled hands and what a tracker said of them, one row each."""

    error: Float[np.ndarray, "n 21"]
    """In hand sizes, infinite for a hand that was not found."""
    right: Float[np.ndarray, " n"]
    """1 where the side is right, 0 where it is wrong, NaN where the hand was not found."""
    picture: Int[np.ndarray, " n"]
    """Which picture it is in."""

    def __len__(self) -> int:
        return len(self.error)


def between(value: float, edges: Sequence[float]) -> str:
    """The name of the range that the value is in: "< 48", "48 to 128", "> 128"; a value on an edge is in the upper."""
    k = int(np.searchsorted(edges, value, side="right"))
    if k == 0:
        return f"< {edges[0]:g}"
    return f"> {edges[-1]:g}" if k == len(edges) else f"{edges[k - 1]:g} to {edges[k]:g}"


def names_between(edges: Sequence[float]) -> list[str]:
    """All that `between` answers, in order."""
    return [f"< {edges[0]:g}", *(f"{a:g} to {b:g}" for a, b in itertools.pairwise(edges)), f"> {edges[-1]:g}"]


VIEWS = ("palm", "side", "back")
POSES = ("open", "pointing", "fist", "other")
CUTS = ("whole", "cut")
SIDES = ("left", "right")
ORDER: Mapping[str, Sequence[str]] = {
    **{kind: names_between(edges) for kind, edges in EDGES.items()},
    "Monk tone": [str(tone) for tone in range(1, 11)],
    "view": VIEWS,
    "pose": POSES,
    "truncation": CUTS,
    "hands in the picture": ("1", "2", "more"),
    "side": SIDES,
}
"""Kinds of slices and their names, as they are printed."""


def describe(
    image: UInt8[np.ndarray, "h w 3"], keypoints: Float[np.ndarray, "21 2"], side: int, hands: int
) -> dict[str, str]:
    """The slice of each kind (`ORDER`) that a labelled hand is in. hands: how many the picture shows."""
    height, width = image.shape[:2]
    box = hand_box(keypoints)
    low, high = np.floor(box[:2]).astype(int), np.ceil(box[2:]).astype(int) + 1
    x0, y0 = np.clip(low, 0, (width - 1, height - 1))
    x1, y1 = np.clip(high, (x0 + 1, y0 + 1), (width, height))
    luma = cv2.cvtColor(np.ascontiguousarray(image[y0:y1, x0:x1]), cv2.COLOR_RGB2GRAY)
    values = {
        "hand px": float(hand_size(keypoints)),
        "blur (variance of Laplacian)": float(cv2.Laplacian(luma, cv2.CV_64F).var()),
        "light (mean luma)": float(luma.mean()),
        "contrast (deviation of luma)": float(luma.std()),
    }
    cut = (box[:2] <= 0).any() or (box[2:] >= (width - 1, height - 1)).any()
    return {
        **{kind: between(value, EDGES[kind]) for kind, value in values.items()},
        "Monk tone": str(palm_tone(image, keypoints)),
        "view": view_of(keypoints, side),
        "pose": pose_of(keypoints),
        "truncation": CUTS[int(cut)],
        "hands in the picture": str(hands) if hands <= 2 else "more",
        "side": SIDES[side],
    }


def view_of(keypoints: Float[np.ndarray, "21 2"], side: int) -> str:
    """Which face of the hand is seen, by the turn from the index MCP about the wrist to the little MCP."""
    a, b = keypoints[5] - keypoints[0], keypoints[17] - keypoints[0]
    turn = (a[0] * b[1] - a[1] * b[0]) / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-9)
    palm = -turn if side == 1 else turn  # y is down; a right palm has the index finger on the picture's right
    return "palm" if palm > FACING else "back" if palm < -FACING else "side"


def pose_of(keypoints: Float[np.ndarray, "21 2"]) -> str:
    """By the fingers that are stretched (`EXTENDED`), the thumb left out: all, none, the index alone, others."""
    away = np.linalg.norm(keypoints - keypoints[0], axis=-1)
    stretched = away[[8, 12, 16, 20]] > EXTENDED * away[[6, 10, 14, 18]]
    if stretched.all():
        return "open"
    if not stretched.any():
        return "fist"
    return "pointing" if stretched.tolist() == [True, False, False, False] else "other"


def palm_tone(image: UInt8[np.ndarray, "h w 3"], keypoints: Float[np.ndarray, "21 2"]) -> int:
    """The Monk tone nearest to the median colour of the palm's polygon, 1 to 10."""
    from palmar.synth.skin import MONK_SRGB

    corners = np.round(keypoints[[0, 1, 5, 9, 13, 17]]).astype(np.int32)
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(corners), 1)
    inside = image[mask > 0]
    if not len(inside):  # the palm is outside of the picture
        inside = image.reshape(-1, 3)
    colour = np.median(inside, 0)
    swatches = [[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code in MONK_SRGB]
    lab = cv2.cvtColor(np.array([[colour, *swatches]], np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
    return 1 + int(np.linalg.norm(lab[1:] - lab[0], axis=-1).argmin())


def figures(rows: Rows, keep: np.ndarray | slice = slice(None)) -> dict[str, Any]:
    """n, AUC, PCK@0.1, side accuracy (of the hands found) and recall of some rows."""
    error, right = rows.error[keep], rows.right[keep]
    if not len(error):
        return {"n": 0}
    known = ~np.isnan(right)
    return {
        "n": len(error),
        "auc": metrics.auc(error, AUC_TO),
        "pck@0.1": float(metrics.pck(error, PCK_OF)),
        "side_accuracy": float(right[known].mean()) if known.any() else None,
        "recall": float(known.mean()),
    }


def by_slice(rows: Rows, described: Sequence[Mapping[str, str]]) -> dict[str, dict[str, dict[str, Any]]]:
    """`figures` of every slice that any hand is in; of those with fewer than `FEW` only n.

    described: of each row, from `describe`, and other kinds that the caller knows of (every row the same kinds).
    """
    out: dict[str, dict[str, dict[str, Any]]] = {}
    for kind in dict.fromkeys(kind for d in described for kind in d):
        column = np.array([d[kind] for d in described], object)
        names = ORDER.get(kind) or sorted(set(column))
        for name in names:
            keep = np.flatnonzero(column == name)
            if len(keep):
                out.setdefault(kind, {})[name] = figures(rows, keep) if len(keep) >= FEW else {"n": len(keep)}
    return out


def worst(slices: Mapping[str, Mapping[str, Mapping[str, Any]]], figure: str = "auc") -> dict[str, Any] | None:
    """The slice with the lowest figure among those with enough hands; None where no two stand beside each other."""
    rows = [
        (float(row[figure]), f"{kind}: {name}", int(row["n"]))
        for kind, names in slices.items()
        for name, row in names.items()
        if len(names) > 1 and row.get(figure) is not None
    ]
    if not rows:
        return None
    value, name, n = min(rows)
    return {"slice": name, "n": n, figure: value}


def lines(slices: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Iterator[str]:
    """The slices as rows to read."""
    for kind, names in slices.items():
        for name, row in names.items():
            cells = [row.get(figure) for figure in ("auc", "pck@0.1", "side_accuracy", "recall")]
            shown = "".join(f"{'-' if cell is None else f'{cell:.3f}':>10}" for cell in cells)
            yield f"  {f'{kind}: {name}':<46}{row['n']:>8}" + (f"{'too few':>10}" if row["n"] < FEW else shown)


HEADING = f"{'n':>8}{'auc@0.3':>10}{'pck@0.1':>10}{'side':>10}{'recall':>10}"


def paired_bootstrap(
    a: Rows, b: Rows, unit: Int[np.ndarray, " n"], *, rounds: int = 4000, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Difference a - b of each figure with its 95 % interval: units drawn with replacement, the same for both.

    Rows of a and b are the same hands in the same order. unit: which unit (picture, scene, stretch of a video) each row
    belongs to; rows of one unit are drawn together. Efron's percentile interval.
    """
    _, unit = np.unique(unit, return_inverse=True)
    count = int(unit.max()) + 1 if len(unit) else 0
    if not count:
        return {}
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), rounds)

    def parts(rows: Rows) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Numerator and denominator of each row."""
        one, known = np.ones(len(rows)), ~np.isnan(rows.right)
        return {
            # The area under the PCK curve of one point is the share of thresholds above its error.
            "auc": (np.clip(1 - rows.error / AUC_TO, 0, 1).mean(1), one),
            "pck@0.1": ((rows.error <= PCK_OF).mean(1), one),
            "recall": (known.astype(float), one),
            "side_accuracy": (np.where(known, rows.right, 0.0), known.astype(float)),
        }

    def summed(column: np.ndarray) -> np.ndarray:
        return np.bincount(unit, column, count)

    out = {}
    for name, of_a in parts(a).items():
        sums = [[summed(column) for column in of] for of in (of_a, parts(b)[name])]
        drawn, whole = [], []
        for top, bottom in sums:
            below = weights @ bottom
            drawn.append(np.divide(weights @ top, below, out=np.full(rounds, np.nan), where=below > 0))
            whole.append(float(top.sum() / bottom.sum()) if bottom.sum() else float("nan"))
        difference = drawn[0] - drawn[1]
        difference = difference[np.isfinite(difference)]
        low, high = np.quantile(difference, [0.025, 0.975]) if len(difference) else (np.nan, np.nan)
        out[name] = {"difference": whole[0] - whole[1], "low": float(low), "high": float(high)}
    return out
