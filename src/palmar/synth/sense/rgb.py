"""Pictures of a scene: linear light over the scene's background, clean, or as a cheap camera takes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float32, UInt8

from palmar.errors import PalmarError
from palmar.render import render
from palmar.synth.sensor import Sensor, apply
from palmar.synth.shade import occluded
from palmar.synth.world import Scene, Shot, View, shoot


def linear(
    scene: Scene,
    view: View,
    time: float = 0.0,
    *,
    shot: Shot | None = None,
    supersample: int = 2,
    shutter: float = 0.0,
    exposures: int = 8,
) -> Float32[np.ndarray, "h w 3"]:
    """Linear light, 1.0 at the white of the display; may exceed it.

    shot: `shoot(scene, view, time)` where it is at hand already. shutter: seconds that the shutter stays open, centred
    on `time`: the mean of `exposures` moments, which is true motion blur of everything that moves, camera included; a
    scene is not asked for times before its beginning or after its end. Labels stay those of `time`.
    Raises PalmarError for a shutter below 0 or without exposures.
    """
    if not shutter >= 0 or exposures < 1:
        raise PalmarError(f"rgb: shutter must be 0 s or more and exposures 1 or more, got {shutter} and {exposures}.")
    if shutter == 0 or exposures == 1:
        return _still(scene, shoot(scene, view, time) if shot is None else shot, view, time, supersample)
    offsets = ((np.arange(exposures) + 0.5) / exposures - 0.5) * shutter
    times = np.clip(time + offsets, 0.0, max(scene.seconds, time))
    total = sum(_still(scene, shoot(scene, view, float(t)), view, float(t), supersample) for t in times)
    return np.asarray(total / np.float32(exposures), np.float32)


def _still(scene: Scene, shot: Shot, view: View, time: float, supersample: int) -> Float32[np.ndarray, "h w 3"]:
    camera = shot.camera
    turn, place = camera.world_from_camera[:3, :3], camera.world_from_camera[:3, 3]
    drawn = render(
        occluded(shot.mesh, *((hand.joints - place) @ turn for hand in shot.moment.hands)),
        camera.matrix,
        camera.height,
        camera.width,
        shot.light,
        supersample=supersample,
        pixels=shot.pixels,
    )
    if scene.background is None:
        return drawn.rgb
    return drawn.rgb + scene.background(view, time) * (1.0 - drawn.alpha[..., None])


def clean(
    scene: Scene, view: View, time: float = 0.0, *, shot: Shot | None = None, supersample: int = 3
) -> UInt8[np.ndarray, "h w 3"]:
    """sRGB, 8 bit, without any fault of a camera. Light beyond white clips."""
    light = linear(scene, view, time, shot=shot, supersample=supersample)
    return apply(light, Sensor(), np.random.default_rng(0))  # the perfect camera draws nothing


def sample_camera(rng: np.random.Generator, strength: float = 0.5) -> Sensor:
    """The faults of a camera as one buys it: a drawn `Sensor` without what only training wants (cut-outs, random
    spectra and kernels)."""
    return replace(Sensor.sample(rng, strength), cutouts=(), spectrum=None, convolution=0)


def photograph(
    scene: Scene,
    view: View,
    time: float,
    rng: np.random.Generator,
    *,
    shot: Shot | None = None,
    sensor: Sensor | None = None,
    strength: float = 0.5,
    shutter: float = 0.0,
) -> UInt8[np.ndarray, "h w 3"]:
    """sRGB, 8 bit, with the faults of `sensor`, or of one that is drawn with this strength (`sample_camera`).

    Frames of one clip share a camera: draw its sensor once and hand it in.
    """
    light = linear(scene, view, time, shot=shot, shutter=shutter)
    return apply(light, sample_camera(rng, strength) if sensor is None else sensor, rng)
