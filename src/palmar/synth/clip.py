"""A moving hand with exact truth: what tracking is measured on where no person could label it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, UInt8

from palmar.geometry.camera import Camera
from palmar.render import render
from palmar.synth.background import Backgrounds
from palmar.synth.light import sample_light
from palmar.synth.pose import sample_motion
from palmar.synth.scene import place_hand
from palmar.synth.sensor import Sensor, apply
from palmar.synth.shade import occluded


@dataclass(frozen=True, eq=False)
class SyntheticClip:
    """Frames of one right hand, and where it is in each."""

    images: UInt8[np.ndarray, "t h w 3"]
    camera: Camera
    fps: float
    keypoints: Float32[np.ndarray, "t 21 2"]
    """Pixels."""
    joints: Float32[np.ndarray, "t 21 3"]
    """Metres, camera frame."""


def moving_hand(
    seed: int, index: int, *, frames: int = 60, fps: float = 30.0, width: int = 640, height: int = 480
) -> SyntheticClip:
    """A hand at work before a still background, half a metre from a camera of 60 degrees, with mild sensor noise.

    A pure function of (seed, index). The views are those of training: a quarter from anywhere, most as before a webcam.
    """
    rng = np.random.default_rng((seed, index, 5))
    camera = Camera.from_fov(width, height, np.deg2rad(60.0))
    light, background = sample_light(rng), Backgrounds().sample(rng, height, width)
    motion = sample_motion(rng, frames / fps, fps)
    person = int(rng.integers(2**31))
    drift = rng.normal(0.0, 1.0, (2, 3))
    sensor = replace(Sensor(), shot=2e-4, read=1e-5)
    images, keypoints, joints = [], [], []
    for time, angles, turn in zip(motion.times, motion.angles, motion.camera_from_hand, strict=True):
        place = np.array([0.0, 0.0, 0.5]) + 0.04 * np.sin(drift[0] + 1.5 * time) * np.sign(drift[1])
        hand = place_hand(np.random.default_rng(person), place, arm=(0.4, 0.6), posed_as=(angles, turn))
        drawn = render(occluded(hand.mesh, hand.joints), camera.matrix, height, width, light)
        images.append(apply(drawn.rgb + background * (1 - drawn.alpha[..., None]), sensor, rng))
        keypoints.append(camera.project(hand.joints.astype(np.float64)))
        joints.append(hand.joints)
    return SyntheticClip(np.stack(images), camera, fps, np.array(keypoints, np.float32), np.array(joints, np.float32))
