"""Light of the synthetic world: the surroundings as nine spherical harmonics, and lamps so far away that they are
directions.

Nine numbers per colour hold everything a matt surface can tell of its surroundings (Ramamoorthi and Hanrahan 2001), and
they add, scale and turn. Order: L00, L1-1, L10, L11, L2-2, L2-1, L20, L21, L22. Directions are in the camera frame
(x right, y down, z forward) and point from the scene to the light.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Float32

from palmar.errors import PalmarError


def _no_lamps() -> np.ndarray:
    return np.zeros((0, 3), np.float32)


@dataclass(frozen=True, eq=False)
class Light:
    """What shines on a mesh. Linear light, RGB."""

    sh: Float32[np.ndarray, "9 3"]
    """Radiance of the surroundings; a uniform radiance of 1 makes a white matt surface 1."""
    directions: Float32[np.ndarray, "l 3"] = field(default_factory=_no_lamps)
    """Unit vectors towards the lamps."""
    colours: Float32[np.ndarray, "l 3"] = field(default_factory=_no_lamps)
    """What a white matt surface that faces the lamp shows of it: irradiance over pi."""
    shadows: Bool[np.ndarray, " l"] | None = None
    """Which lamps cast shadows (one depth map each); none where not given."""
    wrap: Float32[np.ndarray, " 3"] = field(default_factory=lambda: np.zeros(3, np.float32))
    """How far light creeps past the terminator, per colour, 0 to 1; skin has (0.05, 0.01, 0.007) on a finger."""
    shadow_size: int = 128
    """Pixels along a side of a shadow map, which spans the whole mesh. Smaller is faster and softer."""
    shadow_bias: float = 0.002
    """Metres that an occluder must be nearer to the lamp before it counts."""

    def __post_init__(self) -> None:
        lamps = len(self.directions)
        expected = {
            "sh": (9, 3),
            "directions": (lamps, 3),
            "colours": (lamps, 3),
            "shadows": (lamps,),
            "wrap": (3,),
        }
        for name, shape in expected.items():
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise PalmarError(f"Light.{name}: expected shape {shape}, got {value.shape}.")
        if lamps and not np.allclose(np.linalg.norm(self.directions, axis=-1), 1.0, atol=1e-3):
            raise PalmarError("Light.directions: expected unit vectors towards the lamps.")
        if self.shadow_size < 8:
            raise PalmarError(f"Light.shadow_size: expected at least 8 pixels, got {self.shadow_size}.")


def sh_basis(directions: Float[np.ndarray, "*c 3"]) -> Float[np.ndarray, "*c 9"]:
    """The nine real spherical harmonics up to the second degree, orthonormal over the sphere. Unit vectors."""
    x, y, z = np.moveaxis(np.asarray(directions), -1, 0)
    one = np.ones_like(x)
    return np.stack(
        [
            0.5 * np.sqrt(1.0 / np.pi) * one,
            np.sqrt(0.75 / np.pi) * y,
            np.sqrt(0.75 / np.pi) * z,
            np.sqrt(0.75 / np.pi) * x,
            np.sqrt(3.75 / np.pi) * x * y,
            np.sqrt(3.75 / np.pi) * y * z,
            0.25 * np.sqrt(5.0 / np.pi) * (3.0 * z * z - 1.0),
            np.sqrt(3.75 / np.pi) * x * z,
            0.5 * np.sqrt(3.75 / np.pi) * (x * x - y * y),
        ],
        axis=-1,
    )


def sh_from_lobes(
    directions: Float[np.ndarray, "n 3"],
    colours: Float[np.ndarray, "n 3"],
    sharpness: Float[np.ndarray, " n"],
    *,
    ambient: Float[np.ndarray, " 3"] | None = None,
) -> Float32[np.ndarray, "9 3"]:
    """Harmonics of soft lights: each has radiance `colour * exp(sharpness * (cos(angle to direction) - 1))`.

    directions: unit vectors towards the middles of the lobes. sharpness: 0 is uniform, 2 a bright half, 20 a window.
    ambient: radiance from everywhere in addition.
    """
    k = np.asarray(sharpness, np.float64)
    if (k < 0).any():
        raise PalmarError(f"sh_from_lobes: sharpness must not be negative, got {k.min()}.")
    near_zero = k < 1e-2
    safe = np.where(near_zero, 1.0, k)
    # Zonal integrals of exp(k (t - 1)) against the Legendre polynomials; power series where k is small.
    zeroth = np.where(
        near_zero, 4.0 * np.pi * np.exp(-k) * (1.0 + k**2 / 6.0), -2.0 * np.pi * np.expm1(-2.0 * safe) / safe
    )
    first = np.where(near_zero, k / 3.0 - k**3 / 45.0, 1.0 / np.tanh(safe) - 1.0 / safe)
    second = np.where(near_zero, k**2 / 15.0, 1.0 - 3.0 / safe * first)
    zonal = np.stack([zeroth, *[zeroth * first] * 3, *[zeroth * second] * 5], axis=-1)
    sh = (zonal * sh_basis(np.asarray(directions, np.float64))).T @ np.asarray(colours, np.float64)
    if ambient is not None:
        sh[0] += 2.0 * np.sqrt(np.pi) * np.asarray(ambient, np.float64)
    return sh.astype(np.float32)


def _equirect_rays(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Directions [h, w, 3] and solid angles [h, 1] of an equirectangular picture's pixels, up being -y."""
    azimuth = ((np.arange(width) + 0.5) / width - 0.5) * 2.0 * np.pi
    edges = np.pi / 2 - np.arange(height + 1) / height * np.pi
    elevation = 0.5 * (edges[1:] + edges[:-1])[:, None]
    rays = np.stack(
        [
            np.cos(elevation) * np.sin(azimuth),
            np.broadcast_to(-np.sin(elevation), (height, width)),
            np.cos(elevation) * np.cos(azimuth),
        ],
        axis=-1,
    )
    solid = (np.sin(edges[:-1]) - np.sin(edges[1:]))[:, None] * (2.0 * np.pi / width)
    return rays, solid


def sh_from_environment(environment: Float[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "9 3"]:
    """Harmonics of a picture of all directions.

    environment: equirectangular, linear radiance. The top row looks up (-y), the middle column forward (+z), columns to
    the right of it to the right (+x). Turn the result with `rotate_sh`. Halving a large picture first changes little.
    """
    height, width = environment.shape[:2]
    rays, solid = _equirect_rays(height, width)
    weighted = (sh_basis(rays) * solid[..., None]).reshape(-1, 9)
    return (weighted.T @ np.asarray(environment, np.float64).reshape(-1, 3)).astype(np.float32)


def spread_directions(count: int) -> Float[np.ndarray, "n 3"]:
    """Unit vectors spread evenly over the sphere, always the same: a Fibonacci spiral."""
    turn = np.arange(count) * np.pi * (3.0 - np.sqrt(5.0))
    z = 1.0 - (2.0 * np.arange(count) + 1.0) / count
    r = np.sqrt(1.0 - z**2)
    return np.stack([r * np.cos(turn), r * np.sin(turn), z], axis=-1)


def rotate_sh(sh: Float[np.ndarray, "9 3"], new_from_old: Float[np.ndarray, "3 3"]) -> Float32[np.ndarray, "9 3"]:
    """Harmonics of the same light seen from a turned frame. new_from_old: rotation of directions."""
    spread = spread_directions(32)  # enough to fix nine harmonics
    old = sh_basis(spread)
    new = sh_basis(spread @ np.asarray(new_from_old, np.float64).T)
    return np.linalg.lstsq(new, old @ np.asarray(sh, np.float64), rcond=None)[0].astype(np.float32)


def lamp_from_environment(
    environment: Float[np.ndarray, "h w 3"], *, radius: float = 0.3
) -> tuple[Float32[np.ndarray, " 3"], Float32[np.ndarray, " 3"], Float[np.ndarray, "h w 3"]]:
    """Take the brightest light out of a picture of all directions: (direction, colour, what remains).

    environment: as for `sh_from_environment`. radius: radians around the brightest direction in which radiance above
    the median of the picture belongs to the lamp. direction and colour are as `Light` has them. Together the lamp and
    the rest hold the light of the whole.
    """
    height, width = environment.shape[:2]
    environment = np.asarray(environment, np.float64)
    rays, solid = _equirect_rays(height, width)
    luminance = environment @ [0.2126, 0.7152, 0.0722]
    power = luminance * solid
    peak = rays.reshape(-1, 3)[np.argmax(luminance)]
    near = rays @ peak > np.cos(radius)
    mean = (rays[near] * power[near][:, None]).sum(0)
    direction = peak if not np.linalg.norm(mean) > 0 else mean / np.linalg.norm(mean)
    near = (rays @ direction > np.cos(radius))[..., None]
    excess = np.where(near, np.maximum(environment - np.median(environment, axis=(0, 1)), 0.0), 0.0)
    colour = (excess * solid[..., None]).sum((0, 1)) / np.pi
    return direction.astype(np.float32), colour.astype(np.float32), environment - excess
