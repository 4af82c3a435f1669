"""Surroundings that were photographed: the light of some twenty real places, and what is seen behind the hands there.

The asset holds of every place its brightest lamp, nine spherical harmonics of the rest, and a picture of all directions
(`tools/bake_light.py`; CC0 panoramas). A sample turns the place about the vertical, mirrors it, tints it and may mix
in a second one: harmonics and lamps are linear, so the light of a mixture is the mixture of the lights.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from palmar.geometry.camera import Camera
from palmar.geometry.rotations import rotmat_from_rotvec
from palmar.render import Light, rotate_sh
from palmar.synth.sensor import srgb_to_linear

ASSETS = Path(__file__).parent / "assets"
PICTURE_UNIT = 0.35
"""Linear value of a picture at a radiance of 1, which is the place's mean: what a camera that exposes for the scene
gives."""
_MIRROR = np.diag([-1.0, 1.0, 1.0])
_ODD_IN_X = np.array([1, 1, 1, -1, -1, 1, 1, -1, 1], np.float32)
"""Signs of the nine harmonics under x -> -x."""


@dataclass(frozen=True, eq=False)
class Environment:
    """The light of one place, mean radiance about 1. Own frame: x right, y down, z forward, level."""

    name: str
    sh: Float32[np.ndarray, "9 3"]
    """Radiance without the lamps'."""
    directions: Float32[np.ndarray, "l 3"]
    """Unit vectors towards the lamps."""
    colours: Float32[np.ndarray, "l 3"]
    """As in `palmar.render.Light`."""
    picture: UInt8[np.ndarray, "eh ew 3"]
    """All directions, sRGB: the middle column looks along z, the top row up (-y)."""
    gains: Float32[np.ndarray, " 3"]
    """Tint of the picture; that of the light is in its numbers."""

    def light(self, frame_from_environment: Float[np.ndarray, "3 3"] | None = None, *, red: float = 0.1) -> Light:
        """What shines on a mesh, in a frame that is turned against the place's own.

        red: how far red light creeps past the terminator, see `Light.wrap`.
        """
        turn = np.eye(3) if frame_from_environment is None else np.asarray(frame_from_environment, np.float64)
        strength = self.colours.mean(1)
        shadows = np.zeros(len(strength), bool)
        if len(strength):
            shadows[np.argmax(strength)] = strength.max() > 0.02
        return Light(
            sh=rotate_sh(self.sh, turn),
            directions=(self.directions @ turn.T).astype(np.float32),
            colours=self.colours,
            shadows=shadows,
            wrap=np.array([red, red / 5, red / 7], np.float32),
            shadow_size=96,
            shadow_bias=0.004,
        )

    def view(
        self, camera: Camera, environment_from_camera: Float[np.ndarray, "3 3"] | None = None
    ) -> Float32[np.ndarray, "h w 3"]:
        """What the camera sees of the place if it is far away: linear light, `PICTURE_UNIT` at the mean radiance.

        Black where the lens has no ray.
        """
        turn = np.eye(3) if environment_from_camera is None else np.asarray(environment_from_camera, np.float64)
        x, y = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
        rays = camera.unproject(np.stack([x, y], -1).astype(np.float64)) @ turn.T
        height, width = self.picture.shape[:2]
        column = (np.arctan2(rays[..., 0], rays[..., 2]) / (2 * np.pi) + 0.5) * width - 0.5
        up = np.arctan2(-rays[..., 1], np.hypot(rays[..., 0], rays[..., 2]))
        row = (0.5 - up / np.pi) * height - 0.5
        seen = np.isfinite(column)
        wide = np.concatenate([self.picture, self.picture[:, :2]], 1)  # its ends meet
        sampled = cv2.remap(
            wide,
            np.where(seen, column % width, 0).astype(np.float32),
            np.where(seen, row, 0).astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return srgb_to_linear(sampled) * self.gains * seen[..., None].astype(np.float32)


@functools.cache
def environments() -> tuple[Environment, ...]:
    """All places of the asset."""
    with np.load(ASSETS / "environments.npz", allow_pickle=False) as asset:
        ends = asset["picture_ends"]
        starts = np.concatenate([[0], ends[:-1]])
        data, names = asset["pictures"], [str(name) for name in asset["names"]]
        sh, directions, colours = asset["sh"], asset["lamp_direction"], asset["lamp_colour"]
    found = []
    for i, name in enumerate(names):
        picture = cv2.imdecode(data[starts[i] : ends[i]], cv2.IMREAD_COLOR)[:, :, ::-1]
        lamp = slice(i, i + 1)
        ones = np.ones(3, np.float32)
        found.append(Environment(name, sh[i], directions[lamp], colours[lamp], np.ascontiguousarray(picture), ones))
    return tuple(found)


def sample_environment(rng: np.random.Generator) -> Environment:
    """A place, turned, mirrored and tinted at random; in one of four a second one's light is mixed in."""
    places = environments()
    first = _varied(rng, places[rng.integers(len(places))])
    if rng.random() >= 0.25:
        return first
    second, share = _varied(rng, places[rng.integers(len(places))]), np.float32(rng.uniform(0.2, 0.8))
    return replace(
        first,
        sh=(1 - share) * first.sh + share * second.sh,
        directions=np.concatenate([first.directions, second.directions]),
        colours=np.concatenate([(1 - share) * first.colours, share * second.colours]),
    )


def _varied(rng: np.random.Generator, place: Environment) -> Environment:
    turn = rotmat_from_rotvec(np.array([0.0, rng.uniform(-np.pi, np.pi), 0.0]))
    mirror = rng.random() < 0.5
    warm = rng.normal(0.0, 0.12)
    gains = np.exp(np.array([warm, 0.0, -warm]) + rng.normal(0.0, 0.03, 3)).astype(np.float32)
    lamp = np.float32(np.exp(rng.normal(0.0, 0.4)))  # a cloud before the sun, a lamp that is nearer
    sh, directions, picture = place.sh, place.directions, place.picture
    if mirror:
        sh = sh * _ODD_IN_X[:, None]
        directions = (directions @ _MIRROR).astype(np.float32)
        picture = np.ascontiguousarray(picture[:, ::-1])
    width = picture.shape[1]
    yaw = float(np.arctan2(turn[0, 2], turn[2, 2]))
    shift = round(yaw / (2 * np.pi) * width)
    exact = rotmat_from_rotvec(np.array([0.0, 2 * np.pi * shift / width, 0.0]))  # whole columns of the picture
    return Environment(
        place.name,
        rotate_sh(sh, exact) * gains,
        (directions @ exact.T).astype(np.float32),
        place.colours * gains * lamp,
        np.roll(picture, shift, axis=1),
        gains,
    )
