"""`Camera`: how points in front of a lens become pixels, and back.

Three steps take a point of the camera frame (metres; x right, y down, z forward) to a pixel:
the plane z = 1 (x/z, y/z), the lens (`distortion`, a map of that plane), and fx, fy, cx, cy.
Pixel (0, 0) is the centre of the top left pixel, so the picture spans -0.5 to width - 0.5, its middle is
(width - 1) / 2, and resizing by s maps u to (u + 0.5) s - 0.5. What `resized` and `cropped` give is again a camera.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float

from palmar.errors import PalmarError, one_of

STEPS = 30
"""Newton steps at most. Five or six are usual after the table's start; more are taken next to a fold of the lens."""


def _inverse_on_table(value: np.ndarray, function, end: float) -> np.ndarray:
    """Where on [0, end] an increasing function has this value, to the table's accuracy: a start for Newton's method."""
    table = np.linspace(0.0, end, 512)
    return np.interp(value, function(table), table)


def _smallest_positive_root(coefficients: Sequence[float] | np.ndarray) -> float:
    """Of a polynomial with constant term 1, coefficients from the lowest power; infinity where it has none."""
    inverse = np.roots(coefficients)                           # read from the other end: one over the roots
    real = inverse.real[np.abs(inverse.imag) < 1e-9 * (1 + np.abs(inverse))]
    largest = float(real.max(initial=0.0))
    return 1 / largest if largest > 1e-9 else math.inf         # beyond 1e9 there is nothing to see


@dataclass(frozen=True)
class BrownConrady:
    """OpenCV's standard lens: rational radial and tangential distortion, coefficients in OpenCV's order.

    Far from the axis the formula folds back on itself: two directions would share a pixel, only the inner one is real.
    `distort` and `undistort` give NaN beyond the fold (OpenCV returns the folded numbers).
    """

    k1: float = 0.0
    k2: float = 0.0
    p1: float = 0.0
    p2: float = 0.0
    k3: float = 0.0
    k4: float = 0.0
    k5: float = 0.0
    k6: float = 0.0
    name: ClassVar[str] = "brown_conrady"

    @cached_property
    def max_radius(self) -> float:
        """Distance from the axis on the plane z = 1 at which the radial part stops growing."""
        top = np.polynomial.Polynomial([1.0, self.k1, self.k2, self.k3])      # both in s = r^2
        bottom = np.polynomial.Polynomial([1.0, self.k4, self.k5, self.k6])
        s = np.polynomial.Polynomial([0.0, 1.0])
        slope = (top + 2 * s * top.deriv()) * bottom - 2 * s * top * bottom.deriv()     # of r top / bottom
        return math.sqrt(min(_smallest_positive_root(slope.coef), _smallest_positive_root(bottom.coef)))

    def _radial(self, s: np.ndarray | np.floating) -> tuple[np.ndarray | np.floating, np.ndarray | np.floating]:
        """The radial factor at squared radius s, and its derivative by s."""
        top, bottom = 1 + s * (self.k1 + s * (self.k2 + s * self.k3)), 1 + s * (self.k4 + s * (self.k5 + s * self.k6))
        slope_top = self.k1 + s * (2 * self.k2 + s * 3 * self.k3)
        slope_bottom = self.k4 + s * (2 * self.k5 + s * 3 * self.k6)
        return top / bottom, (slope_top * bottom - top * slope_bottom) / bottom**2

    def distort(self, points: Float[np.ndarray, "*b 2"]) -> Float[np.ndarray, "*b 2"]:
        """Where the lens moves points of the plane z = 1. NaN beyond the fold."""
        x, y = points[..., 0], points[..., 1]
        s = x * x + y * y
        with np.errstate(all="ignore"):
            g, _ = self._radial(s)
            moved = np.stack([x * g + 2 * self.p1 * x * y + self.p2 * (s + 2 * x * x),
                              y * g + 2 * self.p2 * x * y + self.p1 * (s + 2 * y * y)], -1)
        return np.where((s < self.max_radius**2)[..., None], moved, np.nan)

    def undistort(self, points: Float[np.ndarray, "*b 2"]) -> Float[np.ndarray, "*b 2"]:
        """The inverse of `distort`, by Newton's method to rounding error. NaN where no point inside the fold lands."""
        goal = np.asarray(points, np.float64)
        radius = np.linalg.norm(goal, axis=-1, keepdims=True)
        end = min(math.atan(self.max_radius), 1.56)           # the table runs over the angle from the axis
        start = np.tan(_inverse_on_table(radius, lambda a: np.tan(a) * self._radial(np.tan(a) ** 2)[0], end))
        with np.errstate(all="ignore"):
            p = np.where(radius > 0, goal * (start / radius), 0.0)
            for _ in range(STEPS):
                x, y = p[..., 0], p[..., 1]
                g, slope = self._radial(x * x + y * y)
                off = goal - self.distort(p)
                xx = g + 2 * x * x * slope + 2 * self.p1 * y + 6 * self.p2 * x
                yy = g + 2 * y * y * slope + 2 * self.p2 * x + 6 * self.p1 * y
                xy = 2 * x * y * slope + 2 * self.p1 * x + 2 * self.p2 * y
                step = np.stack([yy * off[..., 0] - xy * off[..., 1], xx * off[..., 1] - xy * off[..., 0]], -1)
                step /= (xx * yy - xy * xy)[..., None]
                p = p + step
                if not np.nanmax(np.abs(step), initial=0.0) > 1e-15 * max(1.0, np.nanmax(np.abs(p), initial=0.0)):
                    break
            hit = np.linalg.norm(self.distort(p) - goal, axis=-1, keepdims=True) <= 1e-10 * (1 + radius)
        return np.where(hit, p, np.nan)


@dataclass(frozen=True)
class KannalaBrandt:
    """OpenCV's fisheye lens: a ray at angle t lands t (1 + k1 t^2 + k2 t^4 + k3 t^6 + k4 t^8) from the centre.

    Directions of 90 degrees and more are outside: `Camera` describes what is in front of it.
    """

    k1: float = 0.0
    k2: float = 0.0
    k3: float = 0.0
    k4: float = 0.0
    name: ClassVar[str] = "kannala_brandt"

    @cached_property
    def max_angle(self) -> float:
        """The angle at which the radius stops growing, at most 90 degrees."""
        slope = [1.0, 3 * self.k1, 5 * self.k2, 7 * self.k3, 9 * self.k4]      # in t^2
        return min(math.sqrt(_smallest_positive_root(slope)), math.pi / 2)

    def _radius(self, t: np.ndarray) -> np.ndarray:
        s = t * t
        return t * (1 + s * (self.k1 + s * (self.k2 + s * (self.k3 + s * self.k4))))

    def distort(self, points: Float[np.ndarray, "*b 2"]) -> Float[np.ndarray, "*b 2"]:
        """Where the lens moves points of the plane z = 1. NaN beyond `max_angle`."""
        r = np.linalg.norm(points, axis=-1, keepdims=True)
        t = np.arctan(r)
        with np.errstate(all="ignore"):
            return np.where(t < self.max_angle, points * np.where(r > 0, self._radius(t) / r, 1.0), np.nan)

    def undistort(self, points: Float[np.ndarray, "*b 2"]) -> Float[np.ndarray, "*b 2"]:
        """The inverse of `distort`, by Newton's method to rounding error. NaN beyond the image of `max_angle`."""
        goal = np.asarray(points, np.float64)
        r = np.linalg.norm(goal, axis=-1, keepdims=True)
        t = _inverse_on_table(r, self._radius, self.max_angle)
        with np.errstate(all="ignore"):
            for _ in range(STEPS):
                s = t * t
                slope = 1 + s * (3 * self.k1 + s * (5 * self.k2 + s * (7 * self.k3 + s * 9 * self.k4)))
                step = (r - self._radius(t)) / slope
                t = np.clip(t + step, 0.0, self.max_angle)
                if not np.nanmax(np.abs(step), initial=0.0) > 1e-15:
                    break
            hit = (np.abs(self._radius(t) - r) <= 1e-10) & (t < self.max_angle)
            return np.where(hit, goal * np.where(r > 0, np.tan(t) / r, 1.0), np.nan)


Distortion = BrownConrady | KannalaBrandt
LENSES: Mapping[str, type[Distortion]] = {lens.name: lens for lens in (BrownConrady, KannalaBrandt)}


MOST_PIXELS = 1e9
"""No camera has more along a side, nor a focal length of more."""


@dataclass(frozen=True, eq=False)
class Camera:
    """Intrinsics in pixels, the lens, and where the camera stands if that is known.

    world_from_camera: camera coordinates into the world's, metres; None where no world is known.
    Raises PalmarError for sizes and focal lengths that are not positive, and for numbers that are not finite.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: Distortion | None = None
    world_from_camera: Float[np.ndarray, "4 4"] | None = None

    def __post_init__(self) -> None:
        for name in ("width", "height", "fx", "fy", "cx", "cy"):
            value = getattr(self, name)
            whole = name in ("width", "height")
            try:
                number = float(value)
            except (TypeError, ValueError, OverflowError):
                number = math.nan
            anywhere = name in ("cx", "cy")
            bounded = abs(number) <= MOST_PIXELS    # not of NaN
            if not bounded or (number <= 0 and not anywhere) or (whole and number % 1):
                kind = "whole number of pixels above 0" if whole else "number" if anywhere else "number above 0"
                raise PalmarError(f"Camera.{name}: expected a finite {kind}, got {str(value)[:40]!r}.")
            object.__setattr__(self, name, int(number) if whole else number)
        if self.distortion is not None and not all(math.isfinite(k) for k in asdict(self.distortion).values()):
            raise PalmarError(f"Camera.distortion: expected finite coefficients, got {self.distortion}.")
        if self.world_from_camera is not None:
            pose = np.array(self.world_from_camera, np.float64)
            if pose.shape != (4, 4) or not np.isfinite(pose).all():
                raise PalmarError(f"Camera.world_from_camera: expected a finite 4 x 4 matrix, got shape {pose.shape}.")
            if not np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-4) or np.linalg.det(pose[:3, :3]) < 0 \
                    or not np.allclose(pose[3], [0, 0, 0, 1], atol=1e-9):
                raise PalmarError("Camera.world_from_camera: expected a rotation and a translation, last row 0 0 0 1.")
            pose.flags.writeable = False
            object.__setattr__(self, "world_from_camera", pose)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Camera) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.width, self.height, self.fx, self.fy, self.cx, self.cy, self.distortion))

    @classmethod
    def from_fov(cls, width: int, height: int, hfov: float) -> Camera:
        """A pinhole with square pixels and the axis in the middle. hfov: from left edge to right edge, radians."""
        if not 0 < hfov < math.pi:
            raise PalmarError(f"the field of view must lie between 0 and pi radians (180 degrees), got {hfov} radians.")
        f = width / 2 / math.tan(hfov / 2)
        return cls(width, height, f, f, (width - 1) / 2, (height - 1) / 2)

    @property
    def matrix(self) -> Float[np.ndarray, "3 3"]:
        """K: pixels from the (distorted) plane z = 1."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @property
    def hfov(self) -> float:
        """Angle from left edge to right edge at the height of cy, radians; NaN where the lens has no rays there."""
        left, right = np.arctan(self.unproject(np.array([[-0.5, self.cy], [self.width - 0.5, self.cy]]))[:, 0])
        return float(right - left)

    def project(self, points_camera: Float[np.ndarray, "*b 3"]) -> Float[np.ndarray, "*b 2"]:
        """Pixels of points in the camera frame. NaN at and behind the plane z = 0, and where the lens has no answer.

        Pixels outside the picture are returned as they are: see `inside`.
        """
        points = np.asarray(points_camera, np.float64)
        z = points[..., 2:]
        with np.errstate(all="ignore"):
            plane = np.where(z > 0, points[..., :2] / z, np.nan)
        lens = plane if self.distortion is None else self.distortion.distort(plane)
        return lens * (self.fx, self.fy) + (self.cx, self.cy)

    def unproject(self, pixels: Float[np.ndarray, "*b 2"]) -> Float[np.ndarray, "*b 3"]:
        """The ray through each pixel, scaled to z = 1: times a depth it is the point. NaN where the lens has no ray."""
        lens = (np.asarray(pixels, np.float64) - (self.cx, self.cy)) / (self.fx, self.fy)
        plane = lens if self.distortion is None else self.distortion.undistort(lens)
        return np.concatenate([plane, np.where(np.isnan(plane[..., :1]), np.nan, 1.0)], -1)

    def inside(self, pixels: Float[np.ndarray, "*b 2"]) -> Bool[np.ndarray, "*b"]:
        """Whether pixels lie in the picture, edges included; False for NaN."""
        return np.asarray(((pixels >= -0.5) & (pixels <= (self.width - 0.5, self.height - 0.5))).all(-1))

    def resized(self, width: int, height: int) -> Camera:
        """The camera of the same picture resized."""
        sx, sy = width / self.width, height / self.height
        return replace(self, width=width, height=height, fx=self.fx * sx, fy=self.fy * sy,
                       cx=(self.cx + 0.5) * sx - 0.5, cy=(self.cy + 0.5) * sy - 0.5)

    def cropped(self, crop_from_image: Float[np.ndarray, "2 3"], width: int, height: int) -> Camera:
        """The camera of a crop: an affine map of pixels that scales and shifts, `Crop.crop_from_image` for one.

        Raises PalmarError for a crop that turns or mirrors: no pinhole sees that. A turned crop is a `virtual_camera`.
        """
        (a, b, shift_x), (c, d, shift_y) = np.asarray(crop_from_image, np.float64)
        if not (a > 0 and d > 0 and abs(b) + abs(c) < 1e-9 * (a + d)):
            raise PalmarError("the crop's map must scale and shift only; to turn use virtual_camera. "
                              f"Got {[[a, b, shift_x], [c, d, shift_y]]}.")
        return replace(self, width=width, height=height, fx=a * self.fx, fy=d * self.fy,
                       cx=a * self.cx + shift_x, cy=d * self.cy + shift_y)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; `from_dict` reads them back without loss."""
        out: dict[str, Any] = {name: getattr(self, name) for name in ("width", "height", "fx", "fy", "cx", "cy")}
        if self.distortion is not None:
            out["distortion"] = {"model": self.distortion.name, **asdict(self.distortion)}
        if self.world_from_camera is not None:
            out["world_from_camera"] = self.world_from_camera.tolist()
        return out

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Camera:
        """Read width, height and either fx, fy, cx, cy or K (3 x 3, rows); optionally distortion and world_from_camera.

        distortion: {"model": "brown_conrady" or "kannala_brandt", "k1": ...}, or a list of 4, 5 or 8 numbers in
        OpenCV's order, which is Brown-Conrady. Raises PalmarError naming the entry that is missing or malformed.
        """
        known = {field.name for field in fields(Camera)} | {"K"}
        values = {one_of("camera entry", str(key), known): value for key, value in values.items()}
        matrix = values.pop("K", None)
        if matrix is not None:
            both = values.keys() & {"fx", "fy", "cx", "cy"}
            if both:
                raise PalmarError(f"camera: K and {', '.join(sorted(both))} say the same thing; give one of them.")
            k = _numbers("K", matrix, (3, 3))
            if abs(k[0, 1]) > 1e-9 or not np.allclose(k[[1, 2, 2, 2], [0, 0, 1, 2]], [0, 0, 0, 1]):
                raise PalmarError(f"camera: K must be [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], got {k.tolist()}.")
            values.update(fx=k[0, 0], fy=k[1, 1], cx=k[0, 2], cy=k[1, 2])
        missing = [name for name in ("width", "height", "fx", "fy", "cx", "cy") if name not in values]
        if missing:
            raise PalmarError(f"camera: no {', '.join(missing)}; give width, height and fx, fy, cx, cy (or K).")
        if values.get("distortion") is not None:
            values["distortion"] = _lens(values["distortion"])
        if values.get("world_from_camera") is not None:
            values["world_from_camera"] = _numbers("world_from_camera", values["world_from_camera"], (4, 4))
        return Camera(**values)


def _numbers(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    try:
        array = np.array(value, np.float64)
    except (TypeError, ValueError):
        array = np.zeros(0)
    if array.shape != shape or not np.isfinite(array).all():
        raise PalmarError(f"camera: {name} must be {' x '.join(map(str, shape))} finite numbers, got {value!r}.")
    return array


def _lens(value: Any) -> Distortion:
    if isinstance(value, Mapping):
        value = dict(value)
        lens = LENSES[one_of("distortion model", str(value.pop("model", "(no model)")), LENSES)]
        known = [field.name for field in fields(lens)]
        names = [one_of(f"coefficient of {lens.name}", str(key), known) for key in value]
        numbers = _numbers("distortion", list(value.values()), (len(names),)).tolist()
        return lens(**dict(zip(names, numbers, strict=True)))
    if not isinstance(value, list | tuple | np.ndarray) or len(value) not in (4, 5, 8):
        raise PalmarError('camera: distortion must be {"model": ..., "k1": ...} or 4, 5 or 8 numbers in the order '
                          f"k1 k2 p1 p2 k3 k4 k5 k6, got {value!r}.")
    return BrownConrady(*_numbers("distortion", value, (len(value),)).tolist())


def read_camera(path: str | Path) -> Camera:
    """The camera in a JSON file, see `Camera.from_dict`. Raises PalmarError for a file that is missing or no camera."""
    path = Path(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise PalmarError(f"{path}: no such file.") from err
    except (OSError, ValueError) as err:
        raise PalmarError(f"{path}: not a readable JSON file ({err}).") from err
    if not isinstance(values, dict):
        raise PalmarError(f"{path}: expected one JSON object with width, height, fx, fy, cx, cy.")
    try:
        return Camera.from_dict(values)
    except PalmarError as err:
        raise PalmarError(f"{path}: {err}") from err
