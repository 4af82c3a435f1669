"""From a first-person frame to what the pose network sees and should say, and back to metres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from palmar.errors import PalmarError
from palmar.geometry.align import procrustes
from palmar.geometry.camera import Camera
from palmar.methods.h2o.model import Config
from palmar.train.kept import KeptTargets
from palmar.types.firstperson import EgoFrame


def squeezed(image: UInt8[np.ndarray, "h w 3"], config: Config) -> UInt8[np.ndarray, "s s 3"]:
    """The picture as a square."""
    way = cv2.INTER_AREA if max(image.shape[:2]) > config.side else cv2.INTER_LINEAR
    return np.ascontiguousarray(cv2.resize(image, (config.side, config.side), interpolation=way))


def depth_unit(camera: Camera, config: Config) -> float:
    """Metres that one metre of the network's depth stands for: a longer lens sees things as nearer."""
    return camera.fx / camera.width / config.focal if config.focal else 1.0


def in_cells(points: Float[np.ndarray, "*b 3"], camera: Camera, config: Config) -> Float[np.ndarray, "*b 3"]:
    """Metres of the camera's frame in units of cells; NaN of points behind the camera."""
    half = 0.0 if config.compatible else 0.5
    pixels = camera.project(points.astype(np.float64))
    flat = (pixels + half) / (camera.width, camera.height) * config.grid
    depth = (points[..., 2:] / depth_unit(camera, config) - config.near) / config.depth_step
    return np.concatenate([flat, depth], -1)


def in_metres(cells: Float[np.ndarray, "*b 3"], camera: Camera, config: Config) -> Float[np.ndarray, "*b 3"]:
    """z K^-1 [u, v, 1] of what the network says."""
    half = 0.0 if config.compatible else 0.5
    pixels = cells[..., :2].astype(np.float64) / config.grid * (camera.width, camera.height) - half
    depth = (cells[..., 2:] * config.depth_step + config.near) * depth_unit(camera, config)
    return camera.unproject(pixels) * depth


@dataclass(frozen=True, eq=False)
class Target:
    """Of one picture; e entities in the order of the config."""

    image: UInt8[np.ndarray, "s s 3"]
    points: Float[np.ndarray, "e 21 3"]
    """Units of cells; 0 of what is not known."""
    cell: np.ndarray
    """[e, 3] (u, v, z) of the cell that holds the root; -1 where no cell does or the entity is not there."""
    pixel: float
    """Pixels of a picture 640 wide for a cell; distances of the confidence are in these."""
    object: int
    """Class from 0; -1 for none."""
    action: int
    """-1 where not known."""


def target(frame: EgoFrame, config: Config) -> Target:
    """Raises PalmarError for a frame without a picture."""
    if frame.image is None:
        raise PalmarError(f"{frame.name}: no picture; the H2O network reads pictures.")
    metres = {"left": frame.joints[0], "right": frame.joints[1], "object": frame.points}
    points = np.stack([in_cells(metres[name], frame.camera, config) for name in config.entities])
    known = np.isfinite(points).all((1, 2))
    root = np.floor(np.nan_to_num(points[:, 0], nan=-1.0))
    inside = known & (root >= 0).all(1) & (root < (config.grid, config.grid, config.depths)).all(1)
    return Target(
        squeezed(frame.image, config),
        np.where(inside[:, None, None], np.nan_to_num(points), 0.0).astype(np.float32),
        np.where(inside[:, None], root, -1).astype(np.int64),
        640.0 / config.grid,
        frame.object - 1 if 0 < frame.object <= config.objects else -1,
        frame.action if 0 < frame.action < config.actions else -1,
    )


def coloured(image: UInt8[np.ndarray, "h w 3"], rng: np.random.Generator, strength: float) -> np.ndarray:
    """Random hue, saturation and exposure (Redmon & Farhadi 2017: up to a tenth of the circle, 1.5 times)."""
    hue, more = rng.uniform(-0.1, 0.1) * strength * 180, np.exp(rng.uniform(-1, 1, 2) * np.log(1.5) * strength)
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV).astype(np.float32)
    hsv[..., 0] = (hsv[..., 0] + hue) % 180
    hsv[..., 1:] = np.clip(hsv[..., 1:] * more, 0, 255)
    return cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)


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
        keep_bytes: float = 2e9,
    ) -> None:
        cv2.setNumThreads(1)
        self.targets = KeptTargets(frames, partial(target, config=config), each=config.side**2 * 3, room=keep_bytes)
        self.size, self.seed, self.strength = size, seed, strength

    def __call__(self, number: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng((self.seed, number))
        targets = [self.targets[int(i)] for i in rng.integers(len(self.targets), size=self.size)]
        images = [coloured(t.image, rng, self.strength) if self.strength else t.image for t in targets]
        return arrays(targets) | {"image": np.stack(images)}


def arrays(targets: Sequence[Target]) -> dict[str, np.ndarray]:
    """Targets as one batch."""
    out = {name: np.stack([getattr(t, name) for t in targets]) for name in ("image", "points", "cell")}
    out["pixel"] = np.array([t.pixel for t in targets], np.float32)
    return out | {name: np.array([getattr(t, name) for t in targets], np.int64) for name in ("object", "action")}


def object_pose(points: Float[np.ndarray, "21 3"], box: Float[np.ndarray, "21 3"]) -> Float[np.ndarray, "4 4"]:
    """camera_from_object from predicted box points and the known box: rigid alignment, without scale."""
    fit = procrustes(box[None], points[None], scale=False)
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = fit.rotation[0], fit.translation[0]
    return out
