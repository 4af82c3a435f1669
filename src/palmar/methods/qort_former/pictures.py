"""From a first-person frame to what the network sees and what it should say, and back to metres.

Points are told as fractions of the picture's width and height and metres of depth, so that a picture stretched to the
network's size keeps its labels. A fraction is (u + 0.5) / width: it does not change as pixels are resized.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.hand.model import HandModel
from palmar.methods.qort_former.model import Config
from palmar.methods.qort_former.surfaces import (
    chosen_vertices,
    contact_value,
    distance_to_box,
    mesh_from_joints,
    skin_rows,
)
from palmar.train.kept import KeptTargets
from palmar.types.firstperson import EgoFrame


def stretched(image: UInt8[np.ndarray, "h w 3"], config: Config) -> UInt8[np.ndarray, "H W 3"]:
    """The picture at the network's size."""
    smaller = image.shape[0] > config.height or image.shape[1] > config.width
    way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.ascontiguousarray(cv2.resize(image, (config.width, config.height), interpolation=way))


def depth_unit(camera: Camera, config: Config) -> float:
    """Metres of depth for each that the network says: a camera of twice the focal length sees things twice as near."""
    return camera.fx / camera.width / config.focal if config.focal else 1.0


def told(
    points: Float[np.ndarray, "*b 3"], camera: Camera, config: Config
) -> tuple[Float[np.ndarray, "*b 3"], Bool[np.ndarray, "*b"]]:
    """Points of the camera's frame as the network should say them, and whether it can."""
    half = 0.0 if config.compatible else 0.5
    pixels = camera.project(points.astype(np.float64))
    flat = (pixels + half) / (camera.width, camera.height)
    depth = points[..., 2:] / depth_unit(camera, config)
    out = np.concatenate([flat, depth], -1)
    m = config.margin
    low, high = np.array([-m, -m, 0.0]), np.array([1 + m, 1 + m, config.depth])
    return out, np.asarray(((out > low) & (out < high)).all(-1))


def untold(points: Float[np.ndarray, "*b 3"], camera: Camera, config: Config) -> Float[np.ndarray, "*b 3"]:
    """What the network says, in metres of the camera's frame."""
    half = 0.0 if config.compatible else 0.5
    pixels = points[..., :2].astype(np.float64) * (camera.width, camera.height) - half
    depth = points[..., 2:] * depth_unit(camera, config)
    return camera.unproject(pixels) * depth


@dataclass(frozen=True, eq=False)
class Target:
    """Of one picture. Hands in the order of `Config.hands`."""

    image: UInt8[np.ndarray, "H W 3"]
    hands: Float[np.ndarray, "s 21 3"]
    """As the network should say them; 0 where not known."""
    hands_known: Bool[np.ndarray, "s 21"]
    object: Float[np.ndarray, "21 3"]
    object_known: Bool[np.ndarray, " 21"]
    label: int
    """Of the object; 0 for none."""
    regions: Bool[np.ndarray, "e h w"]
    """Cells at 1/16 that each hand, then the object, covers."""
    contact: Float[np.ndarray, "s v"]
    contact_known: Bool[np.ndarray, " s"]


def target(frame: EgoFrame, config: Config) -> Target:
    """What the network should say of a frame. Raises PalmarError for one without a picture."""
    if frame.image is None:
        raise PalmarError(f"{frame.name}: no picture; QORT-Former reads pictures.")
    joints = frame.joints[list(config.hands)].astype(np.float64)
    hands, hands_known = told(joints, frame.camera, config)
    thing, thing_known = told(frame.points, frame.camera, config)
    label = frame.object if frame.object <= config.objects and np.isfinite(frame.points).all() else 0
    regions = np.stack([region(points, config) for points in (*hands, thing if label else np.full((21, 3), np.nan))])
    contact, contact_known = contact_target(frame, config)
    return Target(
        stretched(frame.image, config),
        np.nan_to_num(hands * hands_known[..., None]).astype(np.float32),
        hands_known,
        np.nan_to_num(thing * thing_known[..., None]).astype(np.float32),
        thing_known & (label > 0),
        label,
        regions,
        contact.astype(np.float32),
        contact_known,
    )


def region(points: Float[np.ndarray, "21 3"], config: Config) -> Bool[np.ndarray, "h w"]:
    """Cells at 1/16 that the hull of the points covers, at least the one of their middle; none of points not known."""
    rows, columns = config.grid(16)
    cells = np.zeros((rows, columns), np.uint8)
    flat = points[:, :2]
    if not np.isfinite(flat).all():
        return cells.astype(bool)
    grid = np.clip(flat, -4, 5) * (columns, rows) - 0.5
    hull = cv2.convexHull(grid.astype(np.float32))
    cv2.fillConvexPoly(cells, np.round(hull * 256).astype(np.int32), 1, shift=8)
    middle = np.floor(flat.mean(0) * (columns, rows)).astype(int)
    if not cells.any() and (middle >= 0).all() and (middle < (columns, rows)).all():
        cells[middle[1], middle[0]] = 1
    return cells.astype(bool)


def contact_target(frame: EgoFrame, config: Config) -> tuple[Float[np.ndarray, "s v"], Bool[np.ndarray, " s"]]:
    """Contact value of the chosen vertices with the object's box, 0 where there is none, and for which hands it is
    known. The hand is posed as labelled, or by inverse kinematics where only its joints are."""
    rows = chosen_vertices(config.vertices)
    out, known = np.zeros((len(config.hands), config.vertices)), np.zeros(len(config.hands), bool)
    for s, side in enumerate(config.hands):
        if not frame.present[side]:
            continue
        known[s] = True
        if np.isfinite(frame.points).all():
            mesh = hand_vertices(frame, side, rows)
            out[s, : len(rows)] = contact_value(distance_to_box(mesh, frame.points.astype(np.float64)))
    return out, known


def hand_vertices(frame: EgoFrame, side: int, rows: np.ndarray) -> Float[np.ndarray, "v 3"]:
    """Metres, camera frame."""
    pose, shape, place = frame.pose, frame.shape, frame.translation
    if pose is not None and shape is not None and place is not None:
        parts = [x[side].astype(np.float64) for x in (pose, shape, place)]
        if all(np.isfinite(part).all() for part in parts):
            return skin_rows(HandModel.default(side), parts[1], rotmat_from_rotvec(parts[0]), rows) + parts[2]
    return mesh_from_joints(frame.joints[side], side, rows)


def jittered(
    image: UInt8[np.ndarray, "h w 3"], rng: np.random.Generator, strength: float
) -> UInt8[np.ndarray, "h w 3"]:
    """Colour jitter: gain of each channel, contrast, brightness, gamma, noise. No move: that would change depth."""
    gain = 1 + strength * rng.uniform(-0.25, 0.25, 3)
    shift, power = strength * rng.uniform(-25, 25), np.exp(strength * rng.uniform(-0.4, 0.4))
    noise = strength * rng.uniform(0, 5)
    curve = 255 * (np.arange(256) / 255) ** power
    table = np.clip(curve[:, None] * gain + shift, 0, 255)
    out = np.stack([table[:, c][image[..., c]] for c in range(3)], -1) + rng.normal(0, noise, image.shape)
    return np.clip(np.round(out), 0, 255).astype(np.uint8)


class Batches:
    """Number of a batch -> its arrays: a pure function of the number, the seed and the frames. Targets are kept where
    they fit `keep_bytes`."""

    def __init__(
        self,
        frames: Sequence[EgoFrame],
        config: Config,
        *,
        size: int,
        seed: int,
        strength: float = 1.0,
        keep_bytes: float = 1e9,
    ) -> None:
        cv2.setNumThreads(1)
        picture = config.height * config.width * 3
        self.targets = KeptTargets(frames, partial(target, config=config), each=picture, room=keep_bytes)
        self.size, self.seed, self.strength = size, seed, strength

    def __call__(self, number: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng((self.seed, number))
        targets = [self.targets[int(i)] for i in rng.integers(len(self.targets), size=self.size)]
        images = [jittered(t.image, rng, self.strength) if self.strength else t.image for t in targets]
        return arrays(targets) | {"image": np.stack(images)}


def arrays(targets: Sequence[Target]) -> dict[str, np.ndarray]:
    """Targets as one batch."""
    names = [name for name in Target.__dataclass_fields__ if name != "label"]
    out = {name: np.stack([getattr(t, name) for t in targets]) for name in names}
    return out | {"label": np.array([t.label for t in targets], np.int64)}
