"""Square crops of a picture: `Crop`, an affine cut, and `virtual_camera`, the exact view of a camera turned to a hand.

Both name their turn the same way: 0 is upright, and the direction (sin a, -cos a) of the picture points up in the crop,
so a grows clockwise as seen. `angle_up` gives a from a direction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from palmar.errors import PalmarError
from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotmat_between, rotmat_from_rotvec


def angle_up(direction: Float[np.ndarray, "*b 2"]) -> Float[np.ndarray, "*b"]:
    """The angle of the crop in which this direction of the picture (x right, y down) points up; 0 for a zero vector."""
    angle = np.arctan2(direction[..., 0], -direction[..., 1])
    return np.where(np.abs(direction).sum(-1) > 0, angle, 0.0)


@dataclass(frozen=True)
class Crop:
    """A square of the picture, `side` pixels wide around `centre`, turned by `angle`, drawn `size` pixels wide."""

    centre: tuple[float, float]
    side: float
    angle: float = 0.0
    size: int = 128

    def __post_init__(self) -> None:
        x, y = map(float, self.centre)
        numbers = (x, y, float(self.side), float(self.angle))
        if not all(map(math.isfinite, numbers)) or self.side <= 0 or self.size < 1 or self.size != int(self.size):
            raise PalmarError("a crop needs a finite centre and angle, a side above 0 and a whole size above 0, got "
                              f"centre {(x, y)}, side {self.side}, angle {self.angle}, size {self.size}.")
        values = {"centre": (x, y), "side": numbers[2], "angle": numbers[3], "size": int(self.size)}
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def around(cls, points: Float[np.ndarray, "k 2"] | Float[np.ndarray, " 4"], *, scale: float = 1.6, size: int = 128,
               up: Float[np.ndarray, " 2"] | None = None) -> Crop:
        """The crop around the hull of keypoints [k, 2] or a box x0 y0 x1 y1; its side is `scale` longer sides of that.

        up: the direction of the picture that points up in the crop. Points that are not finite are left out.
        Raises PalmarError when none is left, or all are one.
        """
        points = np.asarray(points, np.float64).reshape(-1, 2)
        points = points[np.isfinite(points).all(-1)]
        if not len(points):
            raise PalmarError("a crop needs at least one finite point.")
        low, high = points.min(0), points.max(0)
        x, y = (low + high) / 2
        angle = 0.0 if up is None else float(angle_up(np.asarray(up, np.float64)))
        return cls((float(x), float(y)), scale * float((high - low).max()), angle, size)

    @property
    def image_from_crop(self) -> Float[np.ndarray, "2 3"]:
        """Pixels of the picture from pixels of the crop, an affine map."""
        scale = self.side / self.size
        c, s = scale * math.cos(self.angle), scale * math.sin(self.angle)
        middle = (self.size - 1) / 2
        turn = np.array([[c, -s], [s, c]])
        return np.column_stack([turn, np.array(self.centre) - turn @ (middle, middle)])

    @property
    def crop_from_image(self) -> Float[np.ndarray, "2 3"]:
        """The inverse of `image_from_crop`."""
        forward = self.image_from_crop
        back = np.linalg.inv(forward[:, :2])
        return np.column_stack([back, -back @ forward[:, 2]])

    def to_image(self, points: Float[np.ndarray, "*b 2"]) -> Float[np.ndarray, "*b 2"]:
        """Pixels of the crop, in the picture."""
        return np.asarray(points, np.float64) @ self.image_from_crop[:, :2].T + self.image_from_crop[:, 2]

    def to_crop(self, points: Float[np.ndarray, "*b 2"]) -> Float[np.ndarray, "*b 2"]:
        """Pixels of the picture, in the crop."""
        return np.asarray(points, np.float64) @ self.crop_from_image[:, :2].T + self.crop_from_image[:, 2]

    def extract(self, image: UInt8[np.ndarray, "h w *c"], *, border: int | None = 0) -> UInt8[np.ndarray, "s s *c"]:
        """The picture inside the crop. What lies outside the picture has the value `border`; None repeats its edge.

        Bilinear; a crop that is shrunk by 2 or more is averaged down first, so that nothing aliases.
        """
        h, w = image.shape[:2]
        corners = self.to_image(np.array([[-0.5, -0.5], [-0.5, 1], [1, -0.5], [1, 1]]) * (self.size - 0.5))
        shrink = max(1, int(self.side / self.size))
        (x0, x1), (y0, y1) = (_span(corners[:, i], n, shrink) for i, n in enumerate((w, h)))
        part, to_part = image[y0:y1, x0:x1], np.array([[1.0, 0, -x0], [0, 1, -y0], [0, 0, 1]])
        if shrink > 1:
            size = max(1, round((x1 - x0) / shrink)), max(1, round((y1 - y0) / shrink))
            sx, sy = size[0] / (x1 - x0), size[1] / (y1 - y0)
            to_part = np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2], [0, 0, 1]]) @ to_part
            part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
        part_from_crop = (to_part @ np.vstack([self.image_from_crop, [0, 0, 1]]))[:2]
        mode = cv2.BORDER_REPLICATE if border is None else cv2.BORDER_CONSTANT
        return cv2.warpAffine(part, part_from_crop, (self.size, self.size), borderMode=mode,
                              borderValue=(border or 0,) * 4, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def _span(values: np.ndarray, length: int, step: int) -> tuple[int, int]:
    """The part of range(length) that covers these values with a margin, a whole number of steps where there is room."""
    low = int(np.clip(np.floor(values.min()) - step, 0, length - 1))
    high = int(np.clip(np.ceil(values.max()) + step + 1, low + 1, length))
    return low, min(length, low + -(-(high - low) // step) * step)


def virtual_camera(camera: Camera, centre: Float[np.ndarray, " 2"] | tuple[float, float], side: float, *,
                   size: int = 128, roll: float = 0.0) -> tuple[Camera, Float[np.ndarray, "3 3"]]:
    """A pinhole turned so that its axis goes through a pixel, and crop_from_camera, the rotation into its frame.

    centre, side: the pixel of the picture at the middle of the crop and the width of the crop there, as for `Crop`. The
    turn is the shortest one, then `roll` about the axis. Exact where an affine crop only approximates: a point of the
    camera frame is `crop_from_camera @ point` in the crop's. Raises PalmarError where the lens has no ray through it.
    """
    ray = camera.unproject(np.asarray(centre, np.float64))
    if not np.isfinite(ray).all() or not 0 < side < math.inf:
        raise PalmarError(f"no view of {side} pixels around pixel {tuple(map(float, centre))}: "
                          "the side must be above 0 and the pixel one that the lens can see.")
    f = math.sqrt(camera.fx * camera.fy) * size / side
    shortest = rotmat_between(ray, np.array([0.0, 0.0, 1.0]))
    crop_from_camera = rotmat_from_rotvec(np.array([0.0, 0.0, -roll])) @ shortest
    pose = None
    if camera.world_from_camera is not None:
        pose = camera.world_from_camera.copy()
        pose[:3, :3] = pose[:3, :3] @ crop_from_camera.T
    return Camera(size, size, f, f, (size - 1) / 2, (size - 1) / 2, world_from_camera=pose), crop_from_camera


def extract_view(image: UInt8[np.ndarray, "h w *c"], camera: Camera, view: Camera,
                 view_from_camera: Float[np.ndarray, "3 3"], *, border: int | None = 0) -> UInt8[np.ndarray, "s t *c"]:
    """What `view`, a `virtual_camera`, sees of a picture taken by `camera` from the same place. The lens is undone.

    Bilinear. What the picture does not show has the value `border`; None repeats its edge.
    """
    grid = np.stack(np.meshgrid(np.arange(view.width, dtype=float), np.arange(view.height, dtype=float)), -1)
    source = camera.project(view.unproject(grid) @ view_from_camera)            # a row times R is R^T times a column
    source = np.where(np.isnan(source), -1e4, source).astype(np.float32)
    mode = cv2.BORDER_REPLICATE if border is None else cv2.BORDER_CONSTANT
    return cv2.remap(image, source[..., 0], source[..., 1], cv2.INTER_LINEAR, borderMode=mode,
                     borderValue=(border or 0,) * 4)
