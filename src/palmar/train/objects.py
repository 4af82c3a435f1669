"""Training of the detector of used objects, on first-person data (`palmar.types.Split`) that knows the object.

A batch: image uint8 [b, H, W, 3]; boxes [b, 1, 4] in pixels; kinds [b, 1], 0 the vocabulary's first object after
"none"; count [b], 1 where there is an object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, UInt8
from torch import Tensor

from palmar.errors import PalmarError
from palmar.nn.objects import Objects
from palmar.synth.sensor import augment_photo
from palmar.train.detector import focal, giou, iou, targets
from palmar.types import EgoFrame, Split

HEIGHT, WIDTH = 160, 192
LARGEST = 288
"""Pixels of a picture's longer side that are kept in memory."""
STREAM = 6


@dataclass(frozen=True, eq=False)
class Seen:
    """A picture in memory and its object, in its own pixels."""

    image: UInt8[np.ndarray, "h w 3"]
    box: Float32[np.ndarray, " 4"]
    kind: int
    """Index in the vocabulary, 0 for none."""


def seen(frame: EgoFrame) -> Seen:
    """Raises PalmarError for a frame without a picture."""
    if frame.image is None:
        raise PalmarError(f"{frame.name}: there is no picture to learn from.")
    h, w = frame.image.shape[:2]
    scale = min(1.0, LARGEST / max(h, w))
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    image = frame.image if scale == 1 else cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA)
    factor = np.tile([size[0] / w, size[1] / h], 2)
    box = (frame.object_box + 0.5) * factor - 0.5
    known = frame.object if np.isfinite(box).all() else 0
    return Seen(np.ascontiguousarray(image), np.nan_to_num(box).astype(np.float32), known)


class ObjectBatches:
    """Number of a batch -> its arrays; a pure function of the number, the seed and the pictures."""

    def __init__(self, splits: Sequence[Split], batch: int, seed: int, strength: float = 0.7) -> None:
        cv2.setNumThreads(1)
        self.seen = [seen(frame) for split in splits for frame in split.frames]
        if not any(one.kind for one in self.seen):
            raise PalmarError("none of the pictures has an object; objects are learned from acted scenes.")
        self.batch, self.seed, self.strength = batch, seed, strength

    def __call__(self, number: int) -> dict[str, np.ndarray]:
        found = [self.sample(number * self.batch + i) for i in range(self.batch)]
        return {
            "image": np.stack([image for image, _, _ in found]),
            "boxes": np.stack([box for _, box, _ in found])[:, None].astype(np.float32),
            "kinds": np.array([[max(kind - 1, 0)] for _, _, kind in found], np.int64),
            "count": np.array([int(kind > 0) for _, _, kind in found], np.int64),
        }

    def sample(self, index: int) -> tuple[np.ndarray, np.ndarray, int]:
        """A window of a picture: turned, scaled, shifted, mirrored, re-photographed; its object's box and kind."""
        rng = np.random.default_rng((self.seed, index, STREAM))
        one = self.seen[int(rng.integers(len(self.seen)))]
        h, w = one.image.shape[:2]
        scale = min(HEIGHT / h, WIDTH / w) * np.exp(rng.uniform(np.log(0.75), np.log(1.9)))
        angle, stretch = rng.normal(0, 0.12), np.exp(rng.normal(0, 0.06))
        c, s = np.cos(angle), np.sin(angle)
        a = np.array([[c, -s], [s, c]]) @ np.diag([scale * stretch, scale])
        if rng.random() < 0.5:  # the picture's mirror image: things have no side
            a = a @ np.diag([-1.0, 1.0])
        slack = np.abs(np.array([WIDTH, HEIGHT]) - scale * np.array([w, h]))
        aim = np.array([WIDTH, HEIGHT]) / 2 + rng.uniform(-0.5, 0.5, 2) * slack
        about = np.array([w, h]) / 2
        if one.kind and rng.random() < 0.7:  # mostly with the object in the picture
            about, aim = (one.box[:2] + one.box[2:]) / 2, rng.uniform((0.2, 0.25), (0.8, 0.9)) * (WIDTH, HEIGHT)
        m = np.column_stack([a, aim - a @ about])
        image = cv2.warpAffine(
            one.image, m, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101 if rng.random() < 0.5 else cv2.BORDER_CONSTANT,
            borderValue=tuple(float(v) for v in rng.integers(256, size=3)),
        )  # fmt: skip
        image = augment_photo(image, rng, self.strength)
        corners = np.array([[one.box[i], one.box[j]] for i in (0, 2) for j in (1, 3)]) @ a.T + m[:, 2]
        middle = corners.mean(0)
        size = np.abs(a) @ (one.box[2:] - one.box[:2]) * (1 - 0.8 * abs(np.sin(angle)))
        box = np.concatenate([middle - size / 2, middle + size / 2])
        cut = np.clip(box, 0, np.array([WIDTH, HEIGHT, WIDTH, HEIGHT]) - 1)
        inside = one.kind > 0 and (cut[2:] - cut[:2]).prod() >= 0.35 * size.prod()
        return image, cut if inside else np.zeros(4), one.kind if inside else 0


@dataclass(frozen=True)
class ObjectLoss:
    """Weighted sum of the terms below; a callable (found, batch, progress) -> the terms, the sum under "loss"."""

    score: float = 1.0
    overlap: float = 1.0
    box: float = 1.0
    kind: float = 0.7

    def __call__(self, found: Objects, batch: Mapping[str, Tensor], progress: float) -> dict[str, Tensor]:
        del progress
        truth = targets(batch["boxes"], batch["count"], *found.score.shape[1:])
        total = truth.weight.sum().clamp_min(1e-6)
        kinds = batch["kinds"][:, 0, None, None].expand_as(truth.owner)
        name = F.cross_entropy(found.kind.permute(0, 3, 1, 2), kinds, reduction="none", label_smoothing=0.05)
        terms = {
            "score": focal(found.score, truth.score, truth.centre),
            "overlap": ((1 - giou(found.box, truth.box)) * truth.weight).sum() / total,
            "box": ((found.box.log() - truth.box.log()).abs().mean(-1) * truth.weight).sum() / total,
            "kind": (name * truth.weight).sum() / total,
        }
        terms["loss"] = torch.stack([getattr(self, name) * term for name, term in terms.items()]).sum()
        with torch.no_grad():
            terms["iou"] = (iou(found.box, truth.box) * truth.weight).sum() / total
            terms["kind_wrong"] = ((found.kind.argmax(-1) != kinds) * truth.weight).sum() / total
        return terms
